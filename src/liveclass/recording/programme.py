"""What one person sends, as one rendition: which source feeds which lane, how long a silent one is waited for.

Pure: time is an argument. Knows neither who is lead nor which files there are.
"""

from collections.abc import Sequence

from liveclass.recording.feed import Feed
from liveclass.recording.fmp4 import VIDEO_TIMESCALE
from liveclass.recording.formats import PictureFormat, picture_format, to_sample
from liveclass.recording.lanes import audio_ticks, video_ticks
from liveclass.recording.model import RecordingOptions
from liveclass.recording.track import Track, TrackOutput, sound_tick
from liveclass.rtp.codec import CodecName

# How far behind the present a lane without a live source is laid: a source that starts is a little in the past.
_IDLE_LAG_S = 0.3
# Sound is not held back longer than this for a picture that is late (a keyframe on a slow uplink takes half a second).
_PICTURE_PATIENCE_S = 1.0
# A picture that stands still this long gives way to paper; shorter pauses (a reloaded page, a lost keyframe) hold it.
STALL_S = 3.0
# A picture that comes this soon after the beginning is the beginning, instead of a flash of paper.
_OPENING_S = 0.3
# A programme that is not the main one ends after this long without any media...
IDLE_END_S = 10.0
# ... or after this long without any source, which lets a page reload.
ABSENT_END_S = 3.0
# A shared screen that shows nothing new still sends about one picture a second, and answers a keyframe request.
SCREEN_IDLE_END_S = 6.0
_SCREEN_LAST_PICTURE_S = 1.0
# A picture source that is silent this long is asked for a keyframe: a still screen answers, one that ended does not.
_SILENT_S = 2.0


class Programme:
    """One rendition and the sources that feed it.

    Args:
        zero_s: when it begins, in seconds of the server's monotonic clock.
        start: the tick (90 kHz) of its track at that instant.
        screen: a shared screen: pictures only, nothing fills in.
    """

    def __init__(
        self, out: TrackOutput, zero_s: float, start: int, options: RecordingOptions, *, screen: bool = False
    ) -> None:
        self.zero_s = zero_s
        self.screen = screen
        self.sound: Feed | None = None
        self.picture: Feed | None = None
        self.horizon_s = zero_s
        self.last_media_s = zero_s
        self._start = start
        self._sound_start = sound_tick(start)
        self._segment_s = options.segment_s
        self._wait_s = options.reorder_s
        self._track = Track(
            out, start, has_sound=not screen, fragment_s=options.fragment_s, segment_s=options.segment_s
        )
        self._last_picture_s: float | None = None
        self._parameters: tuple[CodecName, bytes] | None = None
        self._format: PictureFormat | None = None
        if not screen:
            self._track.pictures.fill(start)

    @property
    def corrections(self) -> int:
        """How often sound was corrected for drift."""
        return self._track.sound.corrections if self._track.sound is not None else 0

    def put_sound(self, feed: Feed, at: float, packet: bytes) -> None:
        """Lay an Opus packet sampled at `at`; packets of a source that a newer one has replaced are ignored."""
        lane = self._track.sound
        if lane is None or (feed is not self.sound and not self._takes(feed, self.sound)):
            return
        self.sound = feed
        self.last_media_s = max(self.last_media_s, at)
        lane.push(self._sound_start + audio_ticks(at - self.zero_s), packet)

    def put_picture(
        self, feed: Feed, at: float, codec: CodecName, unit: bytes, keyframe: bool, nals: Sequence[bytes] = ()
    ) -> None:
        """Lay an access unit sampled at `at`; `nals` as in `to_sample`.

        A source, and one that comes back, begins with a keyframe.
        """
        begins = feed is not self.picture or self._track.pictures.paper
        if begins and not (keyframe and self._takes(feed, self.picture)):
            return
        if keyframe:
            found = picture_format(codec, unit)
            if found is None:
                return
            self._format = found
        if self._format is None:
            return
        self.picture = feed
        if self._last_picture_s is None and at - self.zero_s < _OPENING_S:
            self._track.reopen()
        self._last_picture_s = at
        self.last_media_s = max(self.last_media_s, at)
        self._track.pictures.push(self._tick(at), to_sample(codec, unit, nals), keyframe, self._format)

    def advance(self, now: float) -> None:
        """Write what is complete by now."""
        horizon_s = self._horizon(now)
        self.horizon_s = horizon_s
        horizon = self._tick(horizon_s)
        track = self._track
        if track.sound is not None:
            track.sound.fill_behind(sound_tick(horizon))
        if not track.due(horizon):
            return
        if not self.screen:
            self._fill(now, horizon)
        track.emit(horizon)

    def ask_for_keyframe(self, now: float) -> None:
        """Ask the source of the pictures for a keyframe where one is due."""
        feed = self.picture
        if feed is None:
            return
        pictures = self._track.pictures
        age_s = now - self.zero_s - (pictures.segment_start - self._start) / VIDEO_TIMESCALE
        silent = self._last_picture_s is None or now - self._last_picture_s > _SILENT_S
        if age_s >= self._segment_s or silent or pictures.paper:
            feed.ask(now)

    def is_over(self, now: float) -> bool:
        """Whether a programme that is not the main one has ended."""
        feeds = [feed for feed in (self.sound, self.picture) if feed is not None]
        gone = [feed.removed for feed in feeds if feed.removed is not None]
        if feeds and len(gone) == len(feeds) and now - max(gone) >= ABSENT_END_S:
            return True
        limit = SCREEN_IDLE_END_S if self.screen else IDLE_END_S
        return all(now - feed.heard >= limit for feed in feeds)

    def finish(self, now: float) -> int:
        """Write everything and close; returns where it ends, in 90 kHz ticks of its track."""
        if self.screen:
            end_s = min(max(self.last_media_s + _SCREEN_LAST_PICTURE_S, self.zero_s), max(now, self.zero_s))
        else:
            end_s = max(now, self.horizon_s)
        return self._track.finish(self._tick(end_s))

    def _tick(self, at: float) -> int:
        return self._start + video_ticks(at - self.zero_s)

    def _takes(self, feed: Feed, current: Feed | None) -> bool:
        return current is None or feed.serial >= current.serial or current.removed is not None

    def _fill(self, now: float, horizon: int) -> None:
        """Paper, up to where no picture comes any more: one that still waits for its packets finds its place free."""
        idle_s = now - _IDLE_LAG_S
        known_s = self._known(self.picture, now, idle_s)
        pictures = self._track.pictures
        if pictures.paper or self._last_picture_s is None or known_s - self._last_picture_s > STALL_S:
            at = min(self._tick(known_s), horizon)
            if at > pictures.last:
                pictures.fill(at)

    def _horizon(self, now: float) -> float:
        idle = now - _IDLE_LAG_S
        sound = self._known(self.sound, now, idle)
        picture = self._known(self.picture, now, idle)
        return max(self.horizon_s, min(sound, max(picture, sound - _PICTURE_PATIENCE_S)))

    def _known(self, feed: Feed | None, now: float, idle: float) -> float:
        if feed is None or feed.removed is not None or feed.known_until is None or now - feed.heard > self._wait_s:
            return idle
        return max(feed.known_until, now - self._wait_s - _IDLE_LAG_S)
