"""The book of one lesson's recording: which segments there are, and the playlists and manifest that follow from them.

Kept as a journal of records, one JSON object a line, so that it can be rebuilt after a crash by reading. Pure: turns
records into text and back, touches no file.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from liveclass.recording.fmp4 import VIDEO_TIMESCALE
from liveclass.recording.model import Clip, ClipKind, Manifest, Part, Problem, RecordingState, RecordingStatus

MAIN = "main"
LOW = "low"
LIGHT = "light"
TrackKind = Literal["main", "low", "screen", "voice", "classroom"]

WHOLE_LESSON: frozenset[TrackKind] = frozenset({"main", "low"})
"""Tracks on the time of the replay, which go on in each part; the others are clips."""

# Every name that a replay can have; nothing else is ever looked for on disk.
FILE_NAME = re.compile(r"(main|low|c\d{1,6})(\.m3u8|-init-\d{1,6}\.mp4|-\d{6}\.m4s)|light\.(m3u8|mp4)")
LESSON_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

Record = dict[str, Any]
"""One line of the journal; `event` names it, see `Book.apply`."""


@dataclass(slots=True)
class Segment:
    """One segment file. Times in 90 kHz ticks of its track; `size` None while it is being written.

    `text` is what playlists say of it once it is closed: kept, because each new segment writes the playlist anew.

    Attributes:
        flushed: bytes on the medium while it is being written.
        until: where they end.
    """

    number: int
    init: str
    discontinuity: bool
    start: int
    began_at_ms: int
    duration: int = 0
    size: int | None = None
    text: str = field(default="", compare=False, repr=False)
    flushed: int = field(default=0, compare=False)
    until: int = field(default=0, compare=False)

    @property
    def end(self) -> int:
        """Where what is on the medium ends, in 90 kHz ticks."""
        return self.start + self.duration if self.size is not None else max(self.start, self.until)


@dataclass(slots=True)
class TrackBook:
    """One rendition.

    Attributes:
        starts_at: where it begins in replay time, 90 kHz ticks.
        open: the segment that is being written.
    """

    name: str
    kind: TrackKind
    person: str
    starts_at: int
    segments: list[Segment] = field(default_factory=list)
    open: Segment | None = None
    ended: bool = False
    next_number: int = 1
    next_init: int = 1
    inits: set[str] = field(default_factory=set)

    @property
    def playlist(self) -> str:
        return f"{self.name}.m3u8"

    @property
    def written(self) -> list[Segment]:
        """All segments, the open one too."""
        return self.segments if self.open is None else [*self.segments, self.open]

    @property
    def duration(self) -> int:
        """Length of the closed segments, in 90 kHz ticks."""
        return self.segments[-1].start + self.segments[-1].duration if self.segments else 0


class Book:
    """Everything known of one recording. `apply` is the only thing that changes what lasts.

    Attributes:
        bytes: size of all closed segments and initialisation segments.
        lead: the participant on the main track.
    """

    def __init__(self) -> None:
        self.tracks: dict[str, TrackBook] = {}
        self.parts: list[tuple[int, int]] = []
        self.finished = False
        self.lead = ""
        self.bytes = 0
        self._sizes: dict[str, int] = {}

    def apply(self, record: Record) -> None:
        """Enter one record.

        Raises:
            ValueError: the record makes no sense here; nothing was changed.
        """
        try:
            entry = _ENTRIES[record["event"]]
            entry(self, record)
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError("a record that makes no sense") from error

    def flushed(self, track: str, size: int, until: int) -> None:
        """`size` more bytes of a track's open segment are on the medium, which now ends at `until` (90 kHz)."""
        known = self.tracks.get(track)
        if known is not None and known.open is not None:
            known.open.flushed += size
            known.open.until = until

    def _part(self, record: Record) -> None:
        self.parts.append((int(record["at"]), int(record["wall_ms"])))

    def _lead(self, record: Record) -> None:
        self.lead = str(record["participant"])

    def _track(self, record: Record) -> None:
        name, kind = str(record["track"]), record["kind"]
        if name in self.tracks or kind not in get_args(TrackKind):
            raise ValueError("a track twice, or of no kind")
        self.tracks[name] = TrackBook(name, kind, str(record["name"]), int(record["at"]))

    def _init(self, record: Record) -> None:
        track = self.tracks[record["track"]]
        size = int(record["bytes"])
        track.inits.add(record["file"])
        track.next_init += 1
        self._sizes[record["file"]] = size
        self.bytes += size

    def _open(self, record: Record) -> None:
        track = self.tracks[record["track"]]
        segment = Segment(
            int(record["n"]),
            str(record["init"]),
            bool(record["discontinuity"]),
            int(record["start"]),
            int(record["wall_ms"]),
        )
        if segment.init not in track.inits or segment.number < track.next_number:
            raise ValueError("a segment without its beginning")
        track.open = segment
        track.next_number = segment.number + 1

    def _closed(self, record: Record) -> None:
        track = self.tracks[record["track"]]
        segment = track.open
        if segment is None or segment.number != int(record["n"]):
            raise ValueError("a segment that was not open")
        duration, size = int(record["duration"]), int(record["bytes"])
        if duration <= 0 or size <= 0:
            raise ValueError("an empty segment")
        segment.duration, segment.size = duration, size
        track.segments.append(segment)
        track.open = None
        self._sizes[segment_name(track.name, segment.number)] = size
        self.bytes += size

    def _dropped(self, record: Record) -> None:
        self.tracks[record["track"]].open = None

    def _ended(self, record: Record) -> None:
        self.tracks[record["track"]].ended = True

    def _finished(self, record: Record) -> None:
        self.finished = True
        for track in self.tracks.values():
            track.ended = True

    @property
    def duration(self) -> int:
        """Length of the replay, in 90 kHz ticks."""
        main = self.tracks.get(MAIN)
        return main.duration if main is not None else 0

    def size(self, name: str) -> int | None:
        """Bytes of a closed file, None when there is no such file."""
        return self._sizes.get(name)

    def manifest(self, state: RecordingState, problem: Problem = "") -> Manifest:
        """The contents as others see them."""
        main = self.tracks.get(MAIN)
        ready = main is not None and bool(main.segments)
        parts = []
        for index, (at, wall_ms) in enumerate(self.parts):
            end = self.parts[index + 1][0] if index + 1 < len(self.parts) else self.duration
            if end > at:
                parts.append(Part(_seconds(at), _seconds(end - at), wall_ms))
        clips = [
            Clip(
                track.name,
                _clip_kind(track.kind),
                track.person,
                _seconds(track.starts_at),
                _seconds(track.duration),
                track.playlist,
                track.ended,
            )
            for track in self.tracks.values()
            if track.kind not in WHOLE_LESSON and track.segments
        ]
        status = RecordingStatus(state, _seconds(self.duration), self.bytes, problem)
        low = self.tracks.get(LOW)
        return Manifest(
            status,
            f"{MAIN}.m3u8" if ready else None,
            tuple(parts),
            tuple(clips),
            low.playlist if low is not None and low.segments else None,
        )


_ENTRIES = {
    "part": Book._part,
    "lead": Book._lead,
    "track": Book._track,
    "init": Book._init,
    "open": Book._open,
    "closed": Book._closed,
    "dropped": Book._dropped,
    "ended": Book._ended,
    "finished": Book._finished,
}


def _seconds(ticks: int) -> float:
    return round(ticks / VIDEO_TIMESCALE, 6)


def _clip_kind(kind: TrackKind) -> ClipKind:
    match kind:
        case "main" | "low":
            raise ValueError("a track of the whole lesson is no clip")
    return kind


def segment_name(track: str, number: int) -> str:
    """The file of a closed segment."""
    return f"{track}-{number:06d}.m4s"


def init_name(track: str, number: int) -> str:
    """The file of an initialisation segment."""
    return f"{track}-init-{number}.mp4"


def line(record: Record) -> bytes:
    """A record as one line of the journal."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def read_journal(data: bytes) -> tuple[Book, int]:
    """The book that a journal tells of, and how many of its bytes are whole; what is torn or senseless ends it.

    Never raises, whatever the bytes are.
    """
    book = Book()
    good = 0
    while True:
        end = data.find(b"\n", good)
        if end < 0:
            return book, good
        try:
            record = json.loads(data[good:end])
            if not isinstance(record, dict):
                return book, good
            book.apply(record)
        except (ValueError, RecursionError):
            return book, good
        good = end + 1


def playlist(track: TrackBook, segment_s: float, *, ended: bool = False) -> bytes:
    """The HLS media playlist of a track (RFC 8216 section 4.3): an EVENT that ends when the track has ended.

    The main playlist is this same media playlist: one rendition needs no multivariant one, and players read the
    codecs from the initialisation segments, which may change with each discontinuity.
    """
    longest = max((segment.duration for segment in track.segments), default=0) / VIDEO_TIMESCALE
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{max(round(segment_s), int(longest + 0.5), 1)}",
        "#EXT-X-PLAYLIST-TYPE:EVENT",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        "#EXT-X-MEDIA-SEQUENCE:1",
    ]
    lines += _segment_lines(track.name, track.segments)
    if ended or track.ended:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join([*lines, ""]).encode()


def _segment_lines(name: str, segments: Iterable[Segment]) -> list[str]:
    lines: list[str] = []
    init = ""
    for segment in segments:
        if segment.discontinuity and init:
            lines.append("#EXT-X-DISCONTINUITY")
        if segment.init != init:
            init = segment.init
            lines.append(f'#EXT-X-MAP:URI="{init}"')
        segment.text = segment.text or _segment_text(name, segment)
        lines.append(segment.text)
    return lines


def date_time(wall_ms: int) -> str:
    """The line of a playlist that says when what follows was taught, milliseconds since 1970."""
    taught = datetime.fromtimestamp(wall_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return f"#EXT-X-PROGRAM-DATE-TIME:{taught.replace('+00:00', 'Z')}"


def _segment_text(name: str, segment: Segment) -> str:
    return (
        f"{date_time(segment.began_at_ms)}\n"
        f"#EXTINF:{segment.duration / VIDEO_TIMESCALE:.6f},\n"
        f"{segment_name(name, segment.number)}"
    )


def manifest_to_json(manifest: Manifest) -> bytes:
    """A finished recording's contents as one small file."""
    status = manifest.status
    return json.dumps(
        {
            "duration_s": status.duration_s,
            "bytes": status.bytes,
            "main": manifest.main,
            "low": manifest.low,
            "light": manifest.light,
            "parts": [[part.starts_at_s, part.duration_s, part.began_at_ms] for part in manifest.parts],
            "clips": [
                [clip.id, clip.kind, clip.name, clip.starts_at_s, clip.duration_s, clip.playlist]
                for clip in manifest.clips
            ],
        },
        ensure_ascii=False,
    ).encode()


def manifest_from_json(data: bytes) -> Manifest:
    """What `manifest_to_json` wrote.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        found = json.loads(data)
        return Manifest(
            RecordingStatus("finished", float(found["duration_s"]), int(found["bytes"])),
            None if found["main"] is None else f"{MAIN}.m3u8",
            tuple(Part(float(at), float(length), int(wall)) for at, length, wall in found["parts"]),
            tuple(
                Clip(str(name), kind, str(person), float(at), float(length), str(file), True)
                for name, kind, person, at, length, file in found["clips"]
            ),
            f"{LOW}.m3u8" if found.get("low") is not None else None,
            f"{LIGHT}.m3u8" if found.get("light") is not None else None,
        )
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError("a damaged summary") from error
