"""One part of one lesson's recording: a sink of the relay that turns sources into the main track and its clips.

Knows who is lead, what is a clip and when one begins and ends; writes no file and reads no clock. A part lasts until
the lesson ends, the server stops or the disk refuses; the next one is a new recorder.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from liveclass.recording.feed import Feed, TimedUnit
from liveclass.recording.low import LowRendition
from liveclass.recording.model import ClipKind, RecordingOptions
from liveclass.recording.programme import Programme
from liveclass.recording.track import TrackOutput
from liveclass.relay.source import SourceHandle, SourceInfo
from liveclass.rtp.clock import PublisherClock
from liveclass.rtp.codec import CodecName

log = logging.getLogger(__name__)

# A lead whose page is gone this long hands the main track to another volunteer who is already teaching.
LEAD_ABSENT_S = 15.0
# More sources than a lesson can have: what comes beyond is not recorded.
MAX_FEEDS = 64
# What MP4 players do not take: transcoded by a child process.
TRANSCODED: frozenset[CodecName] = frozenset({"VP8"})

Packet = tuple[SourceHandle, int, int, bool, bytes, float]
"""The arguments of `relay.source.Sink.packet`: source, seq, timestamp, marker, payload, now."""

PictureSink = Callable[[float, bytes, bool], None]
"""Takes H264 in Annex B form: (when it was sampled, access unit, whether it is a keyframe)."""


class Transcoder(Protocol):
    """Turns pictures of one source into H264, later and elsewhere. Calls return at once."""

    def push(self, at: float, data: bytes, keyframe: bool) -> None: ...

    def wants_keyframe(self) -> bool:
        """True once after pictures were lost and a keyframe is needed to go on."""

    def finish(self) -> None:
        """No more input; what is inside still comes out."""

    async def drained(self) -> None:
        """Wait until everything has come out."""

    def kill(self) -> None:
        """End at once; nothing comes out any more."""


class RecorderOutput(Protocol):
    """Where the renditions of this part go."""

    def main(self) -> TrackOutput: ...

    def low(self) -> TrackOutput:
        """The low rendition; called anew after each hole in it."""

    def clip(self, kind: ClipKind, name: str, starts_at_s: float) -> TrackOutput | None:
        """A new clip; None when there may be no more of them."""

    def clip_ended(self, track: TrackOutput) -> None:
        """Everything of the clip has been given to its output."""

    def lead(self, participant: str) -> None:
        """This participant is on the main track from now on."""

    def transcoder(self, codec: CodecName, sink: PictureSink) -> Transcoder: ...


def recorded(info: SourceInfo, options: RecordingOptions) -> bool:
    """Whether a source is recorded at all: classrooms only where the setting says so."""
    return info.role == "teacher" or options.record_classrooms


class Recorder:
    """Records one part.

    Args:
        begun_s: when the part begins, seconds of the monotonic clock.
        start: where the main track goes on, in 90 kHz ticks of replay time.
        lead: who was on the main track before, empty for the first part.
    """

    def __init__(
        self, options: RecordingOptions, out: RecorderOutput, begun_s: float, start: int, lead: str = ""
    ) -> None:
        self._options = options
        self._out = out
        self._begun_s = begun_s
        self._replay_offset_s = start / 90_000 - begun_s
        self._main = Programme(out.main(), begun_s, start, options)
        self._low = LowRendition(options, out.low, begun_s, start) if options.low else None
        self._lead = lead
        self._lead_seen_s = begun_s
        self._feeds: dict[str, Feed] = {}
        self._publishers: dict[str, PublisherClock] = {}
        self._clips: dict[tuple[str, ClipKind], tuple[Programme, TrackOutput]] = {}
        self._transcoders: dict[str, Transcoder] = {}
        self._serial = 0

    # What the relay tells

    def source_added(self, source: SourceHandle, now: float) -> None:
        """Begin to take a source's packets, if it is to be recorded."""
        info = source.info
        if not recorded(info, self._options):
            return
        if info.rendition == "low":
            if info.role == "teacher" and info.kind != "microphone":
                clock = self._publishers.setdefault(info.participant, PublisherClock())
                self._with_low(lambda low: low.add(source, clock, now))
            return
        if info.id in self._feeds or len(self._feeds) >= MAX_FEEDS:
            return
        publisher = self._publishers.setdefault(info.participant, PublisherClock())
        self._serial += 1
        feed = Feed(source, self._serial, publisher, self._options.reorder_s, now)
        if info.codec.name in TRANSCODED:
            self._transcoders[info.id] = self._out.transcoder(
                info.codec.name, lambda at, data, keyframe: self._transcoded(feed, at, data, keyframe)
            )
        if info.role == "teacher" and not self._lead_present():
            # Nobody else is being recorded: whoever teaches now is the lesson. A resumed part waits for its old lead.
            others = any(other.info.role == "teacher" for other in self._feeds.values())
            if not self._lead or (not others and now - self._begun_s > LEAD_ABSENT_S):
                self._set_lead(info.participant, now)
        self._feeds[info.id] = feed

    def source_removed(self, source: SourceHandle, now: float) -> None:
        """Take what is left of a source that has ended."""
        if source.info.rendition == "low":
            self._with_low(lambda low: low.remove(source, self._lead, now))
            return
        feed = self._feeds.pop(source.info.id, None)
        if feed is None:
            return
        self._deliver(feed, feed.flush())
        feed.removed = now
        transcoder = self._transcoders.pop(feed.info.id, None)
        if transcoder is not None:
            transcoder.finish()
        if feed.info.participant not in {other.info.participant for other in self._feeds.values()}:
            self._publishers.pop(feed.info.participant, None)

    def packets(self, packets: Iterable[Packet]) -> None:
        """Some packets in the order of arrival; of those who are not recorded too."""
        before: SourceHandle | None = None
        feed: Feed | None = None
        for source, seq, timestamp, marker, payload, now in packets:
            if source is not before:
                before = source
                feed = self._feeds.get(source.info.id)
            if source.info.rendition == "low":
                self._low_packet(source, seq, timestamp, marker, payload, now)
            elif feed is not None:
                units = feed.packet(seq, timestamp, marker, payload, now)
                if units:
                    self._deliver(feed, units)

    def sender_report(self, source: SourceHandle, ntp_s: float, timestamp: int, now: float) -> None:
        """The publisher's clock, see `relay.source.Sink`."""
        if source.info.rendition == "low":
            self._with_low(lambda low: low.sender_report(source, ntp_s, timestamp, now))
            return
        feed = self._feeds.get(source.info.id)
        if feed is not None:
            feed.sender_report(ntp_s, timestamp, now)

    # What the clock tells

    def tick(self, now: float) -> None:
        """Give up what waited long enough, write what is complete, end what has ended."""
        for feed in self._feeds.values():
            units = feed.tick(now)
            if units:
                self._deliver(feed, units)
        self._watch_lead(now)
        self._main.advance(now)
        self._with_low(lambda low: low.advance(self._lead, now))
        self._ask_for_keyframes(now)
        for key, (programme, track) in list(self._clips.items()):
            programme.advance(now)
            if programme.is_over(now):
                self._end_clip(key, programme, track, now)

    def drain(self, now: float) -> list[Transcoder]:
        """No more packets come: lay everything that waits; returns the transcoders that still hold something."""
        for feed in self._feeds.values():
            self._deliver(feed, feed.flush())
            feed.removed = now
        children = list(self._transcoders.values())
        for transcoder in children:
            transcoder.finish()
        self._feeds.clear()
        return children

    def finish(self, now: float) -> None:
        """After `drain`: write everything and close every segment."""
        for key, (programme, track) in list(self._clips.items()):
            self._end_clip(key, programme, track, now)
        self._with_low(lambda low: low.finish(self._lead, now))
        self._main.finish(now)

    def close(self) -> None:
        """End the children, if any are left. Nothing is recorded any more."""
        self._feeds.clear()
        for transcoder in self._transcoders.values():
            transcoder.kill()
        self._transcoders.clear()

    # Inside

    def _low_packet(
        self, source: SourceHandle, seq: int, timestamp: int, marker: bool, payload: bytes, now: float
    ) -> None:
        self._with_low(lambda low: low.packet(source, seq, timestamp, marker, payload, self._lead, now))

    def _with_low(self, do: Callable[[LowRendition], None]) -> None:
        """Whatever happens to the low rendition, the main track goes on."""
        if self._low is not None:
            try:
                do(self._low)
            except Exception:
                log.exception("the low rendition of a recording ends; the main track goes on")
                self._low = None

    def _deliver(self, feed: Feed, units: list[TimedUnit]) -> None:
        info = feed.info
        if info.kind == "microphone":
            for at, unit in units:
                programme = self._programme(feed, at)
                if programme is not None:
                    programme.put_sound(feed, at, unit.data)
            return
        transcoder = self._transcoders.get(info.id)
        for at, unit in units:
            if transcoder is not None:
                transcoder.push(at, unit.data, unit.keyframe)
            else:
                self._picture(feed, at, info.codec.name, unit.data, unit.keyframe, unit.nals)

    def _transcoded(self, feed: Feed, at: float, data: bytes, keyframe: bool) -> None:
        self._picture(feed, at, "H264", data, keyframe)

    def _picture(
        self, feed: Feed, at: float, codec: CodecName, unit: bytes, keyframe: bool, nals: Sequence[bytes] = ()
    ) -> None:
        programme = self._programme(feed, at, begins=keyframe)
        if programme is not None:
            programme.put_picture(feed, at, codec, unit, keyframe, nals)

    def _programme(self, feed: Feed, at: float, begins: bool = True) -> Programme | None:
        """Where a source's units go; a clip begins with the first unit that can begin one."""
        info = feed.info
        kind: ClipKind
        if info.kind == "screen":
            kind = "screen"
        elif info.role == "classroom":
            kind = "classroom"
        elif info.participant == self._lead:
            return self._main
        else:
            kind = "voice"
        found = self._clips.get((info.participant, kind))
        if found is not None:
            return found[0]
        if not begins or feed.removed is not None:
            return None
        at = max(at, self._begun_s)
        track = self._out.clip(kind, info.name, at + self._replay_offset_s)
        if track is None:
            return None
        programme = Programme(track, at, 0, self._options, screen=kind == "screen")
        self._clips[info.participant, kind] = (programme, track)
        return programme

    def _end_clip(self, key: tuple[str, ClipKind], programme: Programme, track: TrackOutput, now: float) -> None:
        del self._clips[key]
        programme.finish(now)
        self._out.clip_ended(track)

    def _lead_present(self) -> bool:
        return any(feed.info.participant == self._lead for feed in self._feeds.values())

    def _set_lead(self, participant: str, now: float) -> None:
        self._lead = participant
        self._lead_seen_s = now
        clip = self._clips.get((participant, "voice"))
        if clip is not None:
            self._end_clip((participant, "voice"), *clip, now)
        self._out.lead(participant)

    def _watch_lead(self, now: float) -> None:
        """Hand the main track over when its volunteer is gone and another one teaches."""
        if self._lead_present():
            self._lead_seen_s = now
        elif now - self._lead_seen_s >= LEAD_ABSENT_S:
            for feed in self._feeds.values():
                if feed.info.role == "teacher" and feed.media_comes(now):
                    self._set_lead(feed.info.participant, now)
                    return

    def _ask_for_keyframes(self, now: float) -> None:
        self._main.ask_for_keyframe(now)
        for programme, _ in self._clips.values():
            programme.ask_for_keyframe(now)
        for feed in self._feeds.values():
            transcoder = self._transcoders.get(feed.info.id)
            if feed.waits_for_keyframe(now) or (transcoder is not None and transcoder.wants_keyframe()):
                feed.ask(now)
