"""One rendition of a recording: two lanes in, segments of fragments out.

Decides when a fragment is due and where a segment ends. Pure: what to do with the bytes is its output's business, and
which source feeds the lanes is the programme's.
"""

from typing import Protocol

from liveclass.recording.fmp4 import AUDIO_TIMESCALE, VIDEO_TIMESCALE, Run, fragment
from liveclass.recording.formats import PictureFormat
from liveclass.recording.lanes import PictureLane, SoundLane, video_ticks

# A fragment reaches the disk a tick of the service (0.2 s) and some packets' delay after its media was sampled; both
# count towards what a crash can lose, so fragments are this much shorter than the setting says.
_FRAGMENT_HASTE_S = 0.25
_LEAST_FRAGMENT_S = 0.1


class TrackOutput(Protocol):
    """Where the segments of one rendition go; times in 90 kHz ticks of the rendition. Calls return at once."""

    def open(self, picture_format: PictureFormat, start: int) -> None: ...

    def append(self, data: bytes, end: int) -> None: ...

    def close(self, end: int) -> None: ...


def sound_tick(video_tick: int) -> int:
    """A 90 kHz tick as a 48 kHz tick."""
    return video_tick * AUDIO_TIMESCALE // VIDEO_TIMESCALE


class Track:
    """A rendition from `start` on.

    Args:
        start: its first tick (90 kHz); a later part of the main track begins where the earlier one ended.
        has_sound: False for a shared screen.
        fragment_s: the longest fragment.
        segment_s: the aimed length of a segment.
    """

    __slots__ = (
        "_fragment_start",
        "_fragment_ticks",
        "_longest_ticks",
        "_number",
        "_open",
        "_out",
        "_segment_start",
        "pictures",
        "sound",
    )

    def __init__(self, out: TrackOutput, start: int, *, has_sound: bool, fragment_s: float, segment_s: float) -> None:
        self.sound = SoundLane(sound_tick(start)) if has_sound else None
        self.pictures = PictureLane(start, video_ticks(segment_s))
        self._out = out
        self._fragment_ticks = video_ticks(max(fragment_s - _FRAGMENT_HASTE_S, _LEAST_FRAGMENT_S))
        self._longest_ticks = video_ticks(fragment_s)
        self._fragment_start = start
        self._segment_start = start
        self._open = False
        self._number = 0

    def due(self, horizon: int) -> bool:
        """Whether there is a fragment to write when all before `horizon` (90 kHz) is known."""
        newest_segment = self.pictures.segment_start
        return horizon - self._fragment_start >= self._fragment_ticks or self._segment_start < newest_segment <= horizon

    def emit(self, horizon: int) -> None:
        """Write what lies before `horizon`, where nothing comes any more, in fragments of at most the setting."""
        while self.pictures.pictures and self.due(horizon):
            self._emit(min(horizon, self._fragment_start + self._longest_ticks))

    def _emit(self, horizon: int) -> None:
        pictures = self.pictures.pictures
        while pictures:
            if not self._open:
                self._begin_segment()
            run = self.pictures.take(horizon) if not self._at_boundary() else None
            if self._at_boundary() and pictures[0].start <= horizon:
                boundary = pictures[0].start
                self._write(run, boundary)
                self._out.close(boundary)
                self._open = False
                continue
            self._write(run, horizon)
            return

    def finish(self, end: int) -> int:
        """Write everything that is left and close the last segment; the rendition ends at `end` or a little later.

        Returns:
            Where it ends, in 90 kHz ticks.
        """
        end = max(end, self.pictures.last + 1)
        if self.sound is not None:
            self.sound.fill(sound_tick(end))
        self.emit(end)
        if self.pictures.pictures:
            self._emit(end)
        if not self._open and not self.pictures.pictures:
            return end
        self._write(self.pictures.close(end), end)
        self._out.close(end)
        self._open = False
        return end

    def reopen(self) -> None:
        """Forget the pictures laid so far, if nothing was written: the next one begins the rendition."""
        if not self._open and not self._number:
            self.pictures.clear()

    def _at_boundary(self) -> bool:
        pictures = self.pictures.pictures
        return bool(pictures) and pictures[0].opens and pictures[0].start > self._segment_start

    def _begin_segment(self) -> None:
        first = self.pictures.pictures[0]
        self._segment_start = first.start
        self._open = True
        self._out.open(first.format, first.start)

    def _write(self, run: Run | None, until: int) -> None:
        runs = [run] if run is not None and run.samples else []
        if self.sound is not None:
            sound = self.sound.take(sound_tick(until))
            if sound.samples:
                runs.append(sound)
        self._fragment_start = max(self._fragment_start, until)
        if runs:
            self._number += 1
            self._out.append(fragment(self._number, runs), until)
