"""The low rendition: the lead's picture once more, small enough for a classroom on a weak link to catch up from.

One source at a time: the shared screen's lowest layer while there is one, else the camera's. Where nobody sends one
there is a hole, no filler: who follows takes the main track meanwhile. Pure: time is an argument, knows no file.
"""

from collections.abc import Callable
from math import inf

from liveclass.recording.feed import Feed, TimedUnit
from liveclass.recording.formats import PictureFormat, picture_format, to_sample
from liveclass.recording.lanes import video_ticks
from liveclass.recording.model import RecordingOptions
from liveclass.recording.track import Track, TrackOutput
from liveclass.relay.source import SourceHandle
from liveclass.rtp.clock import PublisherClock
from liveclass.rtp.codec import CodecName

# A keyframe of the lowest camera layer is some 8 kB, so a stream may begin every few seconds for 20 kbit/s; that of a
# screen is ten times as large and comes as seldom as in the main track.
CAMERA_SEGMENT_S = 4.0
# A screen that has sent nothing for this long has ended or stalled; a still one sends about one picture a second.
_SCREEN_SILENT_S = 3.0
# After this long without pictures the rendition has a hole, ...
_IDLE_END_S = 6.0
# ... or after this long without any source, which lets a page reload.
_ABSENT_END_S = 3.0
_LAST_PICTURE_S = 1.0
# As in the main track: how far behind the present is written, how long a late picture is waited for, when to ask.
_IDLE_LAG_S = 0.3
_PATIENCE_S = 1.0
_SILENT_S = 2.0
# More than one lead has, however often the page was reloaded.
_MAX_FEEDS = 8
# MP4 players do not take VP8, and a second encoder for a second rendition is not worth its processor.
_CODECS: frozenset[CodecName] = frozenset({"H264", "VP9", "AV1"})


class LowRendition:
    """The low rendition of one part.

    Args:
        open_track: where it goes; called anew after each hole.
        begun_s: when the part begins, seconds of the monotonic clock.
        start: the 90 kHz tick of replay time at that instant.
    """

    def __init__(
        self, options: RecordingOptions, open_track: Callable[[], TrackOutput], begun_s: float, start: int
    ) -> None:
        self._options = options
        self._open_track = open_track
        self._begun_s = begun_s
        self._start = start
        self._feeds: dict[str, Feed] = {}
        self._serial = 0
        self._current: Feed | None = None
        self._format: PictureFormat | None = None
        self._track: Track | None = None
        self._end = start
        self._horizon_s = begun_s
        self._last_picture_s = -inf
        self._alone_since: float | None = None

    def add(self, source: SourceHandle, publisher: PublisherClock, now: float) -> None:
        """A low source has come."""
        if source.info.codec.name in _CODECS and source.info.id not in self._feeds and len(self._feeds) < _MAX_FEEDS:
            self._serial += 1
            self._feeds[source.info.id] = Feed(source, self._serial, publisher, self._options.reorder_s, now)

    def remove(self, source: SourceHandle, lead: str, now: float) -> None:
        """A low source has gone."""
        feed = self._feeds.pop(source.info.id, None)
        if feed is not None:
            self._lay(feed, feed.flush(), lead, now)
            feed.removed = now

    def packet(
        self, source: SourceHandle, seq: int, timestamp: int, marker: bool, payload: bytes, lead: str, now: float
    ) -> None:
        """See `relay.source.Sink`."""
        feed = self._feeds.get(source.info.id)
        if feed is not None:
            self._lay(feed, feed.packet(seq, timestamp, marker, payload, now), lead, now)

    def sender_report(self, source: SourceHandle, ntp_s: float, timestamp: int, now: float) -> None:
        """See `relay.source.Sink`."""
        feed = self._feeds.get(source.info.id)
        if feed is not None:
            feed.sender_report(ntp_s, timestamp, now)

    def advance(self, lead: str, now: float) -> None:
        """Write what is complete by now, ask for keyframes, end a stretch that has ended."""
        for feed in self._feeds.values():
            self._lay(feed, feed.tick(now), lead, now)
        self._ask_for_keyframe(lead, now)
        track = self._track
        if track is None:
            return
        if self._is_over(now):
            self._end_stretch(now)
            return
        self._horizon_s = max(self._horizon_s, self._horizon(now))
        track.emit(self._tick(self._horizon_s))

    def finish(self, lead: str, now: float) -> None:
        """No more packets come: write everything and close."""
        for feed in self._feeds.values():
            self._lay(feed, feed.flush(), lead, now)
            feed.removed = now
        self._feeds.clear()
        if self._track is not None:
            self._end_stretch(now)

    # Inside

    def _tick(self, at: float) -> int:
        return self._start + video_ticks(at - self._begun_s)

    def _wanted(self, lead: str, now: float) -> Feed | None:
        """Whose pictures should be taken now."""
        best: Feed | None = None
        for feed in self._feeds.values():
            screen = feed.info.kind == "screen"
            if feed.info.participant != lead or (screen and now - feed.heard > _SCREEN_SILENT_S):
                continue
            if best is None or (screen, feed.serial) > (best.info.kind == "screen", best.serial):
                best = feed
        return best

    def _lay(self, feed: Feed, units: list[TimedUnit], lead: str, now: float) -> None:
        for at, unit in units:
            if feed is not self._current:
                if not unit.keyframe or feed is not self._wanted(lead, now):
                    continue
            elif feed.info.participant != lead:
                return
            codec = feed.info.codec.name
            if unit.keyframe:
                found = picture_format(codec, unit.data)
                if found is None:
                    continue
                self._format = found
            if self._format is None:
                continue
            self._current = feed
            self._last_picture_s = at
            sample = to_sample(codec, unit.data, unit.nals)
            self._stretch(feed, at).pictures.push(self._tick(at), sample, unit.keyframe, self._format)

    def _stretch(self, feed: Feed, at: float) -> Track:
        segment_s = self._options.segment_s
        if feed.info.kind == "camera":
            segment_s = min(CAMERA_SEGMENT_S, segment_s)
        if self._track is None:
            self._track = Track(
                self._open_track(),
                max(self._tick(at), self._end, self._start),
                has_sound=False,
                fragment_s=self._options.fragment_s,
                segment_s=segment_s,
            )
        self._track.pictures.segment_ticks = video_ticks(segment_s)
        return self._track

    def _ask_for_keyframe(self, lead: str, now: float) -> None:
        wanted = self._wanted(lead, now)
        if wanted is None:
            return
        track = self._track
        if track is None or wanted is not self._current or wanted.waits_for_keyframe(now):
            wanted.ask(now)
            return
        pictures = track.pictures
        age = self._tick(now) - pictures.segment_start
        if age >= pictures.segment_ticks or now - self._last_picture_s > _SILENT_S:
            wanted.ask(now)

    def _horizon(self, now: float) -> float:
        idle = now - _IDLE_LAG_S
        feed = self._current
        if feed is None or feed.removed is not None or feed.known_until is None:
            return idle
        return min(idle, max(feed.known_until, idle - _PATIENCE_S))

    def _is_over(self, now: float) -> bool:
        if self._feeds:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now
        alone = self._alone_since is not None and now - self._alone_since >= _ABSENT_END_S
        return alone or now - self._last_picture_s >= _IDLE_END_S

    def _end_stretch(self, now: float) -> None:
        track, self._track, self._current = self._track, None, None
        self._alone_since = None
        if track is not None:
            self._end = track.finish(self._tick(min(self._last_picture_s + _LAST_PICTURE_S, now)))
