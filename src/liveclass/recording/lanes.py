"""Sound and picture of one rendition laid end to end: no hole, no overlap, times exact to the tick.

Players count samples: Chromium takes the first time of the sound and then adds up durations, so a hole or a stretched
packet sets sound and picture apart for good. Sound is therefore laid without any gap: silence fills, and a publisher
whose clock drifts is corrected by whole packets, in pauses of speech where it can be. Pure: knows no source, no file.
"""

from collections import deque
from typing import NamedTuple

from liveclass.recording.filler import PAPER_FORMAT, PAPER_SAMPLES, SILENCE_STEP, silence
from liveclass.recording.fmp4 import AUDIO_TIMESCALE, AUDIO_TRACK_ID, VIDEO_TIMESCALE, VIDEO_TRACK_ID, Run, Sample
from liveclass.recording.formats import PictureFormat, opus_duration

# A hole in a source's own timestamps; less is rounding (the mapping of clocks moves by microseconds per packet).
_GAP = 240
# How far laid sound may be from its true time: corrected in a pause beyond the first, at once beyond the second.
# 30 ms of sound leave 50 ms of the promised 80 to the clock mapping.
_DRIFT_IN_PAUSE = 720
_DRIFT_AT_ONCE = 1440
# A packet this much smaller than the average is a pause of speech (Opus spends bits where there is sound).
_PAUSE_SIZE = 0.5
_AVERAGE_OVER = 100
# While a source is live its packets are waited for; silence fills only what is later than this.
_FILL_SLACK = 2880
# Decoders want pictures apart; 1 ms also keeps durations above zero when a mapping clamps.
_LEAST_PICTURE = 90


def audio_ticks(seconds: float) -> int:
    """Seconds as samples at 48 kHz."""
    return round(seconds * AUDIO_TIMESCALE)


def video_ticks(seconds: float) -> int:
    """Seconds as ticks at 90 kHz."""
    return round(seconds * VIDEO_TIMESCALE)


class SoundLane:
    """The sound of one rendition.

    Args:
        start: where the lane begins, in 48 kHz ticks of the rendition.

    Attributes:
        end: where the next packet is laid.
        corrections: packets left out or silences put in because of drift.
    """

    __slots__ = ("_average", "_expected", "_samples", "_start", "corrections", "end")

    def __init__(self, start: int) -> None:
        self._start = start
        self.end = start
        self._expected: int | None = None
        self._samples: deque[Sample] = deque()
        self._average = 0.0
        self.corrections = 0

    def push(self, at: int, packet: bytes) -> None:
        """Lay an Opus packet that belongs at tick `at`; packets come in order."""
        duration = opus_duration(packet)
        if not duration:
            return
        size = len(packet)
        self._average += (size - self._average) / _AVERAGE_OVER if self._average else size
        # A gap of the source's own, by loss or muting, is filled whole; drift is what accumulates without one.
        if self._expected is None or at - self._expected > _GAP:
            self.fill(at)
        self._expected = at + duration
        error = at - self.end
        if error < -_DRIFT_IN_PAUSE and (error < -_DRIFT_AT_ONCE or self._pause(size)):
            self.corrections += 1
            return
        if error > _DRIFT_IN_PAUSE and (error > _DRIFT_AT_ONCE or self._pause(size)):
            self.corrections += 1
            self.fill(at)
        self._samples.append(Sample(packet, duration, True))
        self.end += duration

    def _pause(self, size: int) -> bool:
        return size <= self._average * _PAUSE_SIZE

    def fill(self, until: int) -> None:
        """Silence up to `until`, as exactly as Opus frames allow."""
        if until - self.end < SILENCE_STEP:
            return
        for packet, duration in silence(until - self.end):
            self._samples.append(Sample(packet, duration, True))
            self.end += duration

    def fill_behind(self, until: int) -> None:
        """Silence up to `until` where nothing came for longer than jitter and drift explain."""
        if until - self.end > _FILL_SLACK:
            self.fill(until)
            self._expected = None

    def take(self, until: int) -> Run:
        """Take out the packets that begin before `until`."""
        taken: list[Sample] = []
        start = cursor = self._start
        samples = self._samples
        while samples and cursor < until:
            sample = samples.popleft()
            cursor += sample.duration
            taken.append(sample)
        self._start = cursor
        return Run(AUDIO_TRACK_ID, start, taken)


class Picture(NamedTuple):
    """A picture waiting to be written; `opens` begins a segment."""

    start: int
    data: bytes
    keyframe: bool
    format: PictureFormat
    opens: bool


class PictureLane:
    """The pictures of one rendition. Each lasts until the next begins, so the newest has no duration yet.

    Attributes:
        last: where the newest picture begins, in 90 kHz ticks; before the first one, where the lane begins.
        segment_start: where the segment of the newest picture begins.
        paper: whether the filler is on.
    """

    __slots__ = ("_format", "_paper_index", "_start", "last", "paper", "pictures", "segment_start", "segment_ticks")

    def __init__(self, start: int, segment_ticks: int) -> None:
        self._start = start
        self.last = start
        self.segment_start = start
        self.segment_ticks = segment_ticks
        self.paper = False
        self.pictures: deque[Picture] = deque()
        self._format: PictureFormat | None = None
        self._paper_index = 0

    def push(self, at: int, data: bytes, keyframe: bool, picture_format: PictureFormat) -> None:
        """Lay a picture that belongs at tick `at`; the first one, and one of a new format, must be a keyframe."""
        self.paper = False
        # Half the aimed length: a keyframe that someone else asked for is used instead of asking again soon.
        self._lay(at, data, keyframe, picture_format, self.segment_ticks // 2)

    def fill(self, at: int) -> None:
        """A picture of plain paper at tick `at`."""
        self.paper = True
        self._paper_index ^= 1
        self._lay(at, PAPER_SAMPLES[self._paper_index], True, PAPER_FORMAT, self.segment_ticks)

    def _lay(self, at: int, data: bytes, keyframe: bool, picture_format: PictureFormat, least: int) -> None:
        # The first picture begins with the lane, so that a rendition shows something from its first tick.
        start = self.last if self._format is None else max(at, self.last + _LEAST_PICTURE)
        same = picture_format is self._format or picture_format == self._format
        opens = not same or (keyframe and start - self.segment_start >= least)
        if opens:
            self.segment_start = start
            self._format = picture_format
        self.last = start
        self.pictures.append(Picture(start, data, keyframe, picture_format, opens))

    def clear(self) -> None:
        """Forget everything: the next picture is the first."""
        self.last = self.segment_start = self._start
        self.pictures.clear()
        self._format = None

    def take(self, until: int) -> Run:
        """Take out the pictures that begin before `until` and whose duration is known, up to the next segment."""
        taken: list[Sample] = []
        pictures = self.pictures
        start = pictures[0].start if pictures else self.last
        while len(pictures) > 1 and pictures[0].start < until:
            following = pictures[1]
            picture = pictures.popleft()
            taken.append(Sample(picture.data, following.start - picture.start, picture.keyframe))
            if following.opens:
                break
        return Run(VIDEO_TRACK_ID, start, taken)

    def close(self, end: int) -> Run:
        """Take out everything that is left of the last segment; the newest picture lasts until `end`."""
        run = self.take(self.last + 1)
        if not self.pictures:
            return run
        picture = self.pictures.popleft()
        duration = max(end - picture.start, _LEAST_PICTURE)
        last = Sample(picture.data, duration, picture.keyframe)
        return Run(VIDEO_TRACK_ID, run.start if run.samples else picture.start, [*run.samples, last])
