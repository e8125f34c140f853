"""One stream of a recording, which may still grow: finds where it begins, reads what is on the medium, waits for more.

Lives on the event loop; files are read by threads of its own, a little at a time, so that neither a disk nor a slow
reader can delay the writer or a lesson. Decides nothing about pace: whoever asks for chunks decides that. What another
machine has recorded, and is not on this disk, is brought by whoever made the stream.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from liveclass.errors import PeerError
from liveclass.recording.book import LOW, MAIN, Book, Segment, TrackBook, read_journal, segment_name
from liveclass.recording.catchup import (
    KEYFRAME_BEFORE_S,
    TRACK_ID,
    Rendition,
    moment,
    part_end,
    picture_codec,
    stretch,
    strip,
    strip_init,
)
from liveclass.recording.disk import JOURNAL, PART
from liveclass.recording.fmp4 import AUDIO_TIMESCALE, VIDEO_TIMESCALE, init_segment
from liveclass.recording.formats import OPUS_CODEC, opus_entry
from liveclass.recording.model import Part, RecordingState
from liveclass.recording.reading import load, scan

# Who asks for what is just being taught waits for its fragment; who waits longer asks again.
OPEN_PATIENCE_S = 15.0
# Half a picture at the slowest screens: what follows later does not follow without a hole.
_HOLE_TICKS = VIDEO_TIMESCALE // 2
# A moment this little before the low rendition begins is served by it.
_ALMOST_TICKS = VIDEO_TIMESCALE
# When the main track is this much ahead of a closed low segment, none follows it.
_LOW_ENDED_TICKS = 2 * VIDEO_TIMESCALE

Result = TypeVar("Result")

Bring = Callable[[str], Awaitable[Path | None]]
"""A copy on this disk of a closed file of the recording that is not in its folder, by its name; None: there is none.
Raises OSError: it cannot be brought now."""


class Chunk(NamedTuple):
    """Whole boxes: an initialisation segment (`media_s` 0) or a fragment, and how much media it holds, in seconds."""

    data: bytes
    media_s: float


class Followed(Protocol):
    """What a stream sees of the recording that it follows: `session.Session`, or `Finished`."""

    @property
    def path(self) -> Path: ...

    @property
    def book(self) -> Book: ...

    @property
    def state(self) -> RecordingState: ...

    @property
    def growth(self) -> asyncio.Event: ...


@dataclass(frozen=True, slots=True)
class Finished:
    """A recording that grows no more, as a stream sees it."""

    path: Path
    book: Book
    state: RecordingState = "finished"
    growth: asyncio.Event = field(default_factory=asyncio.Event)


async def open_finished(path: Path, executor: Executor) -> Finished | None:
    """The finished recording in a folder, by its journal; None when there is none.

    Args:
        executor: runs what blocks.

    Raises:
        OSError: the disk does not give what it took.
    """
    try:
        book, _ = await _in_thread(executor, lambda: read_journal((path / JOURNAL).read_bytes()))
    except FileNotFoundError:
        # The lesson was deleted just now.
        return None
    return Finished(path, book)


class _Begin(NamedTuple):
    """Where a stream begins: part, track, segment, byte of the fragment, its first sample, and the tick of that."""

    part: int
    track: str
    segment: Segment
    offset: int
    sample: int
    at_s: float


class CatchupStream:
    """One track of a live recording from a moment on. Made by `open_stream`; read by one reader with `next`.

    Attributes:
        content_type: of the whole stream, with its codec.
        starts_at_s: replay time of the first fragment, in seconds.
        part: the part of the recording that the stream lies in; its duration is unknown while it lasts (0).
    """

    def __init__(
        self, files: "_Files", session: Followed, rendition: Rendition, begin: _Begin, codec: str, init: bytes
    ) -> None:
        kind = "audio" if rendition == "sound" else "video"
        at, wall_ms = session.book.parts[begin.part]
        self.content_type = f'{kind}/mp4; codecs="{codec}"'
        self.starts_at_s = begin.at_s
        self.part = Part(at / VIDEO_TIMESCALE, 0.0, wall_ms)
        self._session = session
        self._rendition = rendition
        self._files = files
        self._part = begin.part
        self._track = begin.track
        self._segment = begin.segment.number
        self._offset = begin.offset
        self._first_sample = begin.sample
        self._codec = codec
        self._init = begin.segment.init
        self._count = 0
        self._ended = False
        self._ready: deque[Chunk] = deque([Chunk(init, 0.0)])

    async def next(self) -> Chunk | None:
        """The next chunk, as soon as it is on the medium; None when the stream has ended.

        It ends with its part of the recording, with a change of the codec, where the low rendition ends, and where one
        begins beside a main track that is being sent; whoever asks again from there is served the rest.

        Raises:
            OSError: the disk does not give what it took.
        """
        while True:
            if self._ready:
                return self._ready.popleft()
            if self._ended:
                return None
            growth = self._session.growth
            try:
                if await self._advance():
                    continue
            except FileNotFoundError:
                # The lesson was deleted.
                self._ended = True
                continue
            if self._is_over():
                self._ended = True
                continue
            await growth.wait()

    # Inside

    async def _advance(self) -> bool:
        """Read on, or step into the next segment; False when there is nothing yet."""
        track = self._session.book.tracks.get(self._track)
        segment = _numbered(track, self._segment) if track is not None else None
        if track is None or segment is None:
            # The repair after a fault of the disk has dropped it: this part is over.
            self._ended = True
            return True
        available = segment.flushed if segment.size is None else segment.size
        if self._offset < available:
            await self._read(segment, available)
            return True
        if segment.size is None:
            return False
        following = min(
            (other for other in track.written if other.number > segment.number),
            key=lambda other: other.number,
            default=None,
        )
        if following is None:
            self._ended = self._low_has_ended(segment)
            return self._ended
        await self._step(segment, following)
        return True

    async def _read(self, segment: Segment, available: int) -> None:
        offset, track = self._offset, TRACK_ID[self._rendition]
        found, end = await self._files.read(self._track, segment, lambda paths: load(paths, offset, available, track))
        self._offset = end
        scale = AUDIO_TIMESCALE if self._rendition == "sound" else VIDEO_TIMESCALE
        for piece, data in found:
            self._count += 1
            self._ready.append(Chunk(strip(self._count, piece, data, self._first_sample), piece.duration / scale))
            self._first_sample = 0

    async def _step(self, segment: Segment, following: Segment) -> None:
        book = self._session.book
        end = part_end(book.parts, self._part)
        if (end is not None and following.start >= end) or self._should_change(segment, following):
            self._ended = True
            return
        if self._rendition == "picture" and following.init != self._init:
            init, codec = await self._files.picture_init(following.init)
            if codec != self._codec:
                self._ended = True
                return
            self._init = following.init
            self._ready.append(Chunk(init, 0.0))
        self._segment = following.number
        self._offset = 0

    def _should_change(self, segment: Segment, following: Segment) -> bool:
        """Whether another rendition is the better one from here on."""
        if self._rendition == "sound":
            return False
        if self._track == LOW:
            return following.start - segment.end > _HOLE_TICKS
        low = self._session.book.tracks.get(LOW)
        return low is not None and bool(stretch(low.written, following.start, 0))

    def _low_has_ended(self, segment: Segment) -> bool:
        if self._track != LOW:
            return False
        main = self._session.book.tracks[MAIN].written
        return bool(main) and main[-1].end - segment.end > _LOW_ENDED_TICKS

    def _is_over(self) -> bool:
        """Whether nothing follows in this part, when all that is there has been read."""
        session = self._session
        return session.state != "recording" or part_end(session.book.parts, self._part) is not None


async def open_stream(
    session: Followed, from_ms: int, rendition: Rendition, executor: Executor, bring: Bring | None = None
) -> CatchupStream:
    """The stream that begins at a moment of the lesson, as soon as that is on the medium.

    Args:
        from_ms: milliseconds since 1970; before the lesson: its beginning.
        executor: runs what blocks.
        bring: for files that are not in the folder; None: there are no others.

    Raises:
        PeerError: 404 `no_recording` when nothing is recorded from that moment on, 503 `not_yet` when it has not come
            within 15 s.
        OSError: the disk does not give what it took.
    """
    files = _Files(session, executor, bring)
    try:
        async with asyncio.timeout(OPEN_PATIENCE_S):
            while True:
                growth = session.growth
                begin = await _find(files, session, from_ms, rendition)
                if begin is not None:
                    break
                if session.state not in {"recording", "paused"}:
                    raise PeerError("Nothing is recorded from there on.", status=404, code="no_recording")
                await growth.wait()
    except TimeoutError as error:
        raise PeerError("That moment is not recorded yet.", status=503, code="not_yet") from error
    if rendition == "sound":
        return CatchupStream(files, session, rendition, begin, OPUS_CODEC, _SOUND_INIT)
    init, codec = await files.picture_init(begin.segment.init)
    return CatchupStream(files, session, rendition, begin, codec, init)


_SOUND_INIT = init_segment(None, (0, 0), opus_entry())


class _Files:
    """The files of one recording, wherever they are."""

    def __init__(self, session: Followed, executor: Executor, bring: Bring | None) -> None:
        self._session = session
        self._executor = executor
        self._bring = bring

    async def read(self, track: str, segment: Segment, do: Callable[[Sequence[Path]], Result]) -> Result:
        """Read a segment. Raises FileNotFoundError where it is nowhere; OSError."""
        paths = _paths(self._session.path, track, segment)
        return await self._with(paths, None if segment.size is None else paths[-1].name, do)

    async def picture_init(self, name: str) -> tuple[bytes, str]:
        """An initialisation segment with the picture alone, and its codec. Raises as `read`."""
        data = await self._with([self._session.path / name], name, lambda paths: paths[0].read_bytes())
        init = strip_init(data, TRACK_ID["picture"])
        return init, picture_codec(init)

    async def _with(self, paths: Sequence[Path], closed: str | None, do: Callable[[Sequence[Path]], Result]) -> Result:
        try:
            return await _in_thread(self._executor, lambda: do(paths))
        except FileNotFoundError:
            copy = await self._bring(closed) if closed is not None and self._bring is not None else None
            if copy is None:
                raise
        return await _in_thread(self._executor, lambda: do([copy]))


async def _find(files: _Files, session: Followed, from_ms: int, rendition: Rendition) -> _Begin | None:
    book = session.book
    main = book.tracks.get(MAIN)
    if not book.parts or main is None:
        return None
    part, tick = moment(book.parts, from_ms)
    if rendition == "sound":
        # The packet at the end of a segment may have been laid into it by some milliseconds.
        segments = stretch(_of_part(book, main, part), max(tick - VIDEO_TIMESCALE // 4, book.parts[part][0]), 0)
        return await _find_in(files, part, MAIN, segments, tick, rendition)
    low = book.tracks.get(LOW)
    if low is not None:
        segments = _around(_of_part(book, low, part), tick, _ALMOST_TICKS)
        found = await _find_in(files, part, LOW, segments, tick, rendition)
        if found is not None or (segments and segments[-1].size is None):
            return found
    return await _find_in(files, part, MAIN, _around(_of_part(book, main, part), tick, 0), tick, rendition)


def _of_part(book: Book, track: TrackBook, part: int) -> list[Segment]:
    begin, end = book.parts[part][0], part_end(book.parts, part)
    return [s for s in track.written if s.start >= begin and (end is None or s.start < end)]


def _around(segments: Sequence[Segment], tick: int, slack: int) -> list[Segment]:
    """The stretch at `tick`, with the segments before it that a keyframe may be taken from."""
    found = stretch(segments, tick, slack)
    if not found:
        return found
    reach = tick - round(KEYFRAME_BEFORE_S * VIDEO_TIMESCALE)
    for segment in reversed([s for s in segments if s.number < found[0].number]):
        if segment.end < reach or found[0].start - segment.end > _HOLE_TICKS:
            break
        found.insert(0, segment)
    return found


async def _find_in(
    files: _Files, part: int, name: str, segments: Sequence[Segment], tick: int, rendition: Rendition
) -> _Begin | None:
    """The fragment that holds `tick` (90 kHz), or the keyframe nearest before it, else the next one."""
    best: _Begin | None = None
    earliest = tick - round(KEYFRAME_BEFORE_S * VIDEO_TIMESCALE)
    for segment in segments:
        offset = 0
        available = segment.flushed if segment.size is None else segment.size
        while offset < available:
            look = partial(scan, offset=offset, end=available, track_id=TRACK_ID[rendition])
            pieces, offset = await files.read(name, segment, look)
            for at, piece in pieces:
                if rendition == "sound":
                    if piece.end * 15 // 8 > tick:
                        return _Begin(part, name, segment, at, 0, piece.start / AUDIO_TIMESCALE)
                    continue
                for sample, when in piece.keyframes:
                    found = _Begin(part, name, segment, at, sample, when / VIDEO_TIMESCALE)
                    if when > tick:
                        return best if best is not None else found
                    if when >= earliest:
                        best = found
            if best is not None and pieces and pieces[-1][1].end > tick:
                return best
    return best


def _numbered(track: TrackBook, number: int) -> Segment | None:
    if track.open is not None and track.open.number == number:
        return track.open
    # The one that is looked for is among the last nearly always.
    return next((segment for segment in reversed(track.segments) if segment.number == number), None)


def _paths(folder: Path, track: str, segment: Segment) -> list[Path]:
    """Where a segment may be: it is renamed when it is closed."""
    path = folder / segment_name(track, segment.number)
    return [path] if segment.size is not None else [path.with_name(path.name + PART), path]


async def _in_thread(executor: Executor, do: Callable[[], Result]) -> Result:
    return await asyncio.get_running_loop().run_in_executor(executor, do)
