"""What a recorder puts out, as jobs of the writer and entries of the book.

Lives on the event loop: numbers and names are given here, bytes go to the writer, and the book learns of a segment when
the writer says that it is on the medium. Knows neither packets nor sources.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from liveclass.recording.book import (
    LOW,
    MAIN,
    WHOLE_LESSON,
    Book,
    Record,
    TrackBook,
    init_name,
    line,
    playlist,
    segment_name,
)
from liveclass.recording.disk import Folder
from liveclass.recording.fmp4 import SEGMENT_TYPE, VIDEO_TIMESCALE, init_segment
from liveclass.recording.formats import PictureFormat, opus_entry
from liveclass.recording.model import ClipKind, RecordingOptions
from liveclass.recording.recorder import PictureSink, Transcoder
from liveclass.recording.writer import Writer
from liveclass.rtp.codec import CodecName

MakeTranscoder = Callable[[CodecName, PictureSink], Transcoder]


@dataclass(frozen=True, slots=True)
class PartStart:
    """Where and when a part begins: 90 kHz ticks of replay time, and milliseconds since 1970."""

    at: int
    wall_ms: int


@dataclass(slots=True)
class _Counters:
    """What is given out for a track and may not be in the book yet."""

    next_number: int
    next_init: int
    inits: dict[bytes, str] = field(default_factory=dict)


class PartFiles:
    """The files of one part: a `RecorderOutput`.

    Args:
        failed: called once, with the first error; nothing is written after it.
        grown: called when there is more on the medium.

    Attributes:
        end: until when the main track is on the medium, in 90 kHz ticks.
        open_bytes: bytes on the medium in segments that are still open.
    """

    def __init__(
        self,
        writer: Writer,
        folder: Folder,
        book: Book,
        options: RecordingOptions,
        start: PartStart,
        make_transcoder: MakeTranscoder,
        failed: Callable[[Exception], None],
        grown: Callable[[], None],
    ) -> None:
        self.end = start.at
        self.open_bytes = 0
        self.broken = False
        self._writer = writer
        self._folder = folder
        self._book = book
        self._options = options
        self._start = start
        self._make_transcoder = make_transcoder
        self._failed = failed
        self._grown = grown
        self._low: TrackFiles | None = None
        self._clips = sum(track.kind not in WHOLE_LESSON for track in book.tracks.values())
        self._next_clip = 1 + self._clips
        self.submit(folder.check_space)
        self.submit(folder.open)

    # RecorderOutput

    def main(self) -> "TrackFiles":
        """The main track, continued or new."""
        records: list[Record] = [{"event": "part", "at": self._start.at, "wall_ms": self._start.wall_ms}]
        known = self._book.tracks.get(MAIN)
        if known is None:
            records.append({"event": "track", "track": MAIN, "kind": "main", "name": "", "at": 0})
        self.enter(*records)
        return TrackFiles(self, MAIN, self._start, known, has_sound=True, resumes=known is not None)

    def low(self) -> "TrackFiles":
        """The low rendition, continued or new; asked for again after a hole."""
        if self._low is None:
            known = self._book.tracks.get(LOW)
            if known is None:
                self.enter({"event": "track", "track": LOW, "kind": "low", "name": "", "at": 0})
            self._low = TrackFiles(self, LOW, self._start, known, has_sound=False, resumes=known is not None)
        else:
            self._low.resume()
        return self._low

    def clip(self, kind: ClipKind, name: str, starts_at_s: float) -> "TrackFiles | None":
        """A new clip; None beyond `max_clips`."""
        if self._clips >= self._options.max_clips:
            return None
        track = f"c{self._next_clip}"
        self._clips += 1
        self._next_clip += 1
        at = round(starts_at_s * VIDEO_TIMESCALE)
        wall_ms = self._start.wall_ms + (at - self._start.at) * 1000 // VIDEO_TIMESCALE
        self.enter({"event": "track", "track": track, "kind": kind, "name": name, "at": at})
        return TrackFiles(self, track, PartStart(0, wall_ms), None, has_sound=kind != "screen", resumes=False)

    def clip_ended(self, track: object) -> None:
        """The clip's playlist gets its end."""
        if isinstance(track, TrackFiles):
            self.enter({"event": "ended", "track": track.name}, then=lambda: self.publish(track.name))

    def lead(self, participant: str) -> None:
        """Remembered for the next part."""
        self.enter({"event": "lead", "participant": participant})

    def transcoder(self, codec: CodecName, sink: PictureSink) -> Transcoder:
        """A child process for one source."""
        return self._make_transcoder(codec, sink)

    # For the tracks

    def submit(self, run: Callable[[], None], then: Callable[[], None] | None = None, cost: int = 0) -> None:
        """Queue a job of the writer; `then` follows on the event loop when it is on the medium."""
        if self.broken:
            return

        def done(error: Exception | None) -> None:
            if error is not None:
                self._fail(error)
            elif then is not None and not self.broken:
                try:
                    then()
                except ValueError as mistake:
                    # The book and the journal disagree: begin anew from what the journal says.
                    self._fail(mistake)

        if not self._writer.submit(self._folder, run, done, cost):
            self._fail(TimeoutError("the disk is too slow: the queue of the writer is full"))

    def enter(
        self,
        *records: Record,
        before: Callable[[], None] | None = None,
        after: Callable[[], None] | None = None,
        then: Callable[[], None] | None = None,
        cost: int = 0,
    ) -> None:
        """Enter records in the journal, `before` and `after` which the writer does something, and then in the book."""
        lines = b"".join(map(line, records))
        folder, book = self._folder, self._book

        def run() -> None:
            if before is not None:
                before()
            folder.enter(lines)
            if after is not None:
                after()

        def entered() -> None:
            for record in records:
                book.apply(record)
            if then is not None:
                then()
            self._grown()

        self.submit(run, entered, cost)

    def flushed(self, track: str, size: int, until: int) -> None:
        """A fragment of a track is on the medium."""
        self.open_bytes += size
        if track == MAIN:
            self.end = max(self.end, until)
        self._book.flushed(track, size, until)
        self._grown()

    def publish(self, track: str) -> None:
        """Write the playlist of a track as the book knows it now."""
        known = self._book.tracks[track]
        data = playlist(known, self._options.segment_s)
        self.submit(lambda: self._folder.write_file(known.playlist, data))

    @property
    def folder(self) -> Folder:
        return self._folder

    def _fail(self, error: Exception) -> None:
        if not self.broken:
            self.broken = True
            self._failed(error)


class TrackFiles:
    """The segments of one rendition: a `TrackOutput`.

    Args:
        start: the tick of the rendition at a known wall-clock time.
    """

    def __init__(
        self,
        files: PartFiles,
        name: str,
        start: PartStart,
        known: TrackBook | None,
        *,
        has_sound: bool,
        resumes: bool,
    ) -> None:
        self.name = name
        self._files = files
        self._start = start
        self._has_sound = has_sound
        self._number = known.next_number if known is not None else 1
        self._counters = _Counters(self._number, known.next_init if known is not None else 1)
        self._format: PictureFormat | None = None
        self._resumes = resumes
        self._segment_start = 0
        self._segment_bytes = 0
        self._pending = b""

    def resume(self) -> None:
        """The next segment does not follow the last one without a hole."""
        self._resumes = True

    def open(self, picture_format: PictureFormat, start: int) -> None:
        """Begin a segment at `start` (90 kHz)."""
        counters, files, folder = self._counters, self._files, self._files.folder
        entry = opus_entry() if self._has_sound else None
        init = init_segment(picture_format.entry, (picture_format.width, picture_format.height), entry)
        init_file = counters.inits.get(init)
        if init_file is None:
            init_file = init_name(self.name, counters.next_init)
            counters.inits[init] = init_file
            counters.next_init += 1
            new_file = init_file
            files.enter(
                {"event": "init", "track": self.name, "file": init_file, "bytes": len(init)},
                before=lambda: folder.write_file(new_file, init),
                cost=len(init),
            )
        self._number = counters.next_number
        counters.next_number += 1
        discontinuity = self._resumes or (self._format is not None and self._format != picture_format)
        self._resumes = False
        self._format = picture_format
        self._segment_start = start
        self._segment_bytes = 0
        self._pending = SEGMENT_TYPE
        name = segment_name(self.name, self._number)
        files.enter(
            {
                "event": "open",
                "track": self.name,
                "n": self._number,
                "init": init_file,
                "discontinuity": discontinuity,
                "start": start,
                "wall_ms": self._start.wall_ms + (start - self._start.at) * 1000 // VIDEO_TIMESCALE,
            },
            after=lambda: folder.open_segment(self.name, name),
        )

    def append(self, data: bytes, end: int) -> None:
        """One fragment that ends at `end` (90 kHz)."""
        data = self._pending + data
        self._pending = b""
        size = len(data)
        self._segment_bytes += size
        files, folder = self._files, self._files.folder
        files.submit(lambda: folder.append(self.name, data), lambda: files.flushed(self.name, size, end), size)

    def close(self, end: int) -> None:
        """The segment is complete and ends at `end` (90 kHz)."""
        files, folder = self._files, self._files.folder
        size, number = self._segment_bytes, self._number

        def closed() -> None:
            files.open_bytes -= size
            files.publish(self.name)

        files.enter(
            {
                "event": "closed",
                "track": self.name,
                "n": number,
                "duration": end - self._segment_start,
                "bytes": size,
            },
            before=lambda: folder.close_segment(self.name),
            then=closed,
        )
