"""A microphone, camera or screen as one thing, in however many layers its publisher sends it.

Keeps the layers in order, and feeds the sinks: one unbroken source made of the best live layer, changed at keyframes,
and beside it the lowest layer as a low rendition. Knows no receivers and no network.
"""

from collections.abc import Sequence

from liveclass.relay.ports import Layer
from liveclass.relay.source import Sink, SourceInfo
from liveclass.relay.speakers import Loudness
from liveclass.relay.track import Track

ORDER: dict[Layer, int] = {"thin": 0, "low": 1, "middle": 2, "high": 3, "full": 4}
"""From the lowest. `thin` and `full` are voices, the others pictures."""

SILENT_S = 1.5
"""A layer without packets for this long has been switched off by its publisher's browser: a screen that stands still
sends its cheap repetitions more often."""

BETTER_AFTER_S = 3.0
"""A better layer must live this long before the sinks change to it: each change costs the recording a new stretch."""


class Feed:
    """What the sinks see: `SourceHandle` of one rendition, unbroken over changes of the layer.

    Args:
        info: with the rendition that this is.
    """

    def __init__(self, info: SourceInfo, sinks: Sequence[Sink]) -> None:
        self._info = info
        self._sinks = sinks
        self.track: Track | None = None
        self.next: Track | None = None
        self._seq_offset = self._time_offset = 0
        self._highest = -1
        self._time = 0
        self._arrival = 0.0
        self._former: tuple[Track, int, int, int] | None = None
        self._resumes = False
        self._floor = -1

    @property
    def info(self) -> SourceInfo:
        return self._info

    def request_keyframe(self, now: float) -> None:
        """See `source.SourceHandle`."""
        if self.track is not None:
            self.track.request_keyframe(now)

    def carry(self, track: Track, now: float) -> None:
        """Change to this layer at its next keyframe; at once where nothing was carried or it is sound."""
        if self.track is None or self._info.codec.kind == "audio":
            self.resume(track, now)
        elif track is not self.track and track is not self.next:
            self.next = track
            track.request_keyframe(now)

    def packet(self, track: Track, seq: int, timestamp: int, marker: bool, payload: bytes, now: float) -> None:
        """A packet of one of the layers."""
        if track is self.next and track.starts_keyframe(payload) and seq >= track.highest:
            self._change(self.track, track, seq, timestamp, now)
        if track is self.track:
            if self._resumes:
                self._go_on(track, seq, timestamp, now)
            out, time = seq + self._seq_offset, timestamp + self._time_offset
            if out <= self._floor:
                return
            if out > self._highest:
                self._highest, self._time, self._arrival = out, time & 0xFFFFFFFF, now
        elif self._former is not None and track is self._former[0]:
            # Repairs of what came before the change.
            out, time = seq + self._former[1], timestamp + self._former[2]
            if out > self._former[3]:
                return
        else:
            return
        for sink in self._sinks:
            sink.packet(self, out, time & 0xFFFFFFFF, marker, payload, now)

    def _change(self, old: Track | None, track: Track, seq: int, timestamp: int, now: float) -> None:
        self.track, self.next = track, None
        if old is None or self._resumes:
            self._resumes = self._highest >= 0
            return
        self._former = (old, self._seq_offset, self._time_offset, self._highest)
        self._floor = self._highest
        if old.clock is not None and track.clock is not None:
            apart = round((track.clock[0] - old.clock[0]) * track.info.codec.clock_rate)
            offset = old.clock[1] + apart - track.clock[1] + self._time_offset
        else:
            passed = max(1, round((now - self._arrival) * track.info.codec.clock_rate))
            offset = self._time + passed - timestamp
        self._time_offset = offset & 0xFFFFFFFF
        self._seq_offset = self._highest + 1 - seq

    def forget(self, track: Track) -> None:
        """A layer is gone for good."""
        if track is self.next:
            self.next = None
        if track is self.track:
            self.track = None
            self._former = None

    def resume(self, track: Track, now: float) -> None:
        """The layer that was carried is gone and another takes its place, with its next packet: it may not have had any
        yet that its numbers and its time could be told from."""
        self.track, self.next, self._resumes = track, None, self._highest >= 0
        track.request_keyframe(now)

    def _go_on(self, track: Track, seq: int, timestamp: int, now: float) -> None:
        """Numbers go on behind a gap, and time by what has passed."""
        self._resumes = False
        self._floor = self._highest
        self._seq_offset = self._highest + 2 - seq
        passed = max(1, round((now - self._arrival) * track.info.codec.clock_rate))
        self._time_offset = (self._time + passed - timestamp) & 0xFFFFFFFF

    def sender_report(self, track: Track, ntp_s: float, timestamp: int, now: float) -> None:
        """The publisher's clock for one of the layers."""
        if track is self.track and not self._resumes:
            for sink in self._sinks:
                sink.sender_report(self, ntp_s, (timestamp + self._time_offset) & 0xFFFFFFFF, now)


class Layered:
    """One source of a publisher.

    Args:
        info: what others may know of it.
        sinks: the room's sinks, shared and changed by the room.
        offered: the layers that its publisher can send.
        droppable_frames: see `droppable`.

    Attributes:
        main, low: what sinks see; `low` only carries packets where there are at least two pictures.
        resting: layers that the publisher was told nobody wants.
        thin_offered: a voice has a thin layer, even while it rests.
        droppable: some of its frames are referred to by no other.
        loudness: of a classroom's microphone.
    """

    def __init__(
        self,
        info: SourceInfo,
        low: SourceInfo,
        sinks: Sequence[Sink],
        *,
        offered: Sequence[Layer],
        droppable_frames: bool = False,
    ) -> None:
        self.info = info
        self.main = Feed(info, sinks)
        self.low = Feed(low, sinks)
        self._sinks = sinks
        self._tracks: dict[Layer, Track] = {}
        self._since: dict[Layer, float] = {}
        self._low_told = False
        self.loudness = Loudness()
        self.muted = False
        # Pages keep the thin voice asleep until somebody wants it.
        self.resting: frozenset[Layer] = frozenset(layer for layer in offered if layer == "thin")
        self.offered = sorted(offered, key=ORDER.__getitem__)
        self.thin_offered = "thin" in offered
        self.droppable = droppable_frames

    @property
    def tracks(self) -> list[Track]:
        """Its layers, lowest first."""
        return [self._tracks[layer] for layer in sorted(self._tracks, key=ORDER.__getitem__)]

    def track(self, layer: Layer) -> Track | None:
        """That very layer."""
        return self._tracks.get(layer)

    def add(self, track: Track, now: float) -> None:
        """A layer began, for the first time or under a new SSRC."""
        old = self._tracks.get(track.layer)
        if old is not None:
            self.remove(old, now)
        self._tracks[track.layer] = track
        self._since[track.layer] = now
        track.muted = self.muted
        track.tap = self._tap
        self.review(now)

    def remove(self, track: Track, now: float) -> None:
        """A layer ended."""
        if self._tracks.get(track.layer) is not track:
            return
        del self._tracks[track.layer]
        track.tap = None
        self.main.forget(track)
        self.low.forget(track)
        self.review(now)

    def mute(self, muted: bool) -> None:
        """Drop its packets, or let them through again."""
        self.muted = muted
        for track in self._tracks.values():
            track.muted = muted

    def announce(self, sink: Sink, now: float) -> None:
        """Tell a sink of this source."""
        sink.source_added(self.main, now)
        if self._low_told:
            sink.source_added(self.low, now)

    def withdraw(self, sink: Sink, now: float) -> None:
        """Tell a sink that it ended."""
        sink.source_removed(self.main, now)
        if self._low_told:
            sink.source_removed(self.low, now)

    def live(self, track: Track, now: float) -> bool:
        """Whether packets of it came just now."""
        return track.highest >= 0 and now - track.highest_arrival < SILENT_S

    def review(self, now: float) -> None:
        """Choose what the sinks are fed with; to be called about once a second."""
        tracks = self.tracks
        if not tracks:
            return
        voices = self.info.codec.kind == "audio"
        best = tracks[-1]
        if not voices:
            alive = [t for t in tracks if self.live(t, now) and t.layer not in self.resting]
            carried = self.main.track
            settled = [t for t in alive if now - self._since.get(t.layer, now) >= BETTER_AFTER_S or t is carried]
            best = (settled or alive or tracks)[-1]
            for track in tracks:
                if not self.live(track, now):
                    self._since[track.layer] = now
        if self.main.track is None:
            self.main.resume(best, now)
        elif best is not self.main.track:
            self.main.carry(best, now)
        elif self.main.next is not None:
            self.main.next = None
        if voices:
            return
        if len(tracks) > 1:
            if not self._low_told:
                self._low_told = True
                for sink in self._sinks:
                    sink.source_added(self.low, now)
            if self.low.track is None:
                self.low.resume(tracks[0], now)
            elif self.low.track is not tracks[0]:
                self.low.carry(tracks[0], now)

    def _tap(self, track: Track, seq: int, timestamp: int, marker: bool, payload: bytes, now: float) -> None:
        main, low = self.main, self.low
        if track is main.track or track is main.next or main.track is None or main._former is not None:
            main.packet(track, seq, timestamp, marker, payload, now)
        if track is low.track or track is low.next or low._former is not None:
            low.packet(track, seq, timestamp, marker, payload, now)

    def sender_report(self, track: Track, ntp_s: float, timestamp: int, now: float) -> None:
        """The publisher's clock for one of the layers (RFC 3550 section 6.4.1)."""
        track.clock = (ntp_s, timestamp)
        self.main.sender_report(track, ntp_s, timestamp, now)
        self.low.sender_report(track, ntp_s, timestamp, now)
