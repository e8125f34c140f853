"""One track out of our own fragments: what a classroom that catches up is sent of a recording.

Cuts sound or picture out of fragments that hold both, and finds where a stream may begin. Pure: bytes and book in,
bytes out; knows the boxes that `fmp4` writes, and neither files nor streams.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import Struct, error, pack, unpack_from
from typing import Literal, NamedTuple

from liveclass.recording.book import Segment
from liveclass.recording.fmp4 import (
    AUDIO_TRACK_ID,
    TFHD_DEFAULT_DURATION,
    TRUN_DURATION,
    VIDEO_TIMESCALE,
    VIDEO_TRACK_ID,
    box,
    boxes,
    full_box,
)

Rendition = Literal["sound", "picture"]
"""What a stream carries: the sound of the main track, or its picture (the low rendition where there is one)."""

TRACK_ID: dict[Rendition, int] = {"sound": AUDIO_TRACK_ID, "picture": VIDEO_TRACK_ID}

KEYFRAME_BEFORE_S = 3.0
"""A picture begins at a keyframe up to this much before the moment asked for: more would cost the link more than the
picture is worth, since nobody watches what the sound has passed."""

# ISO/IEC 14496-12 section 8.8.3.1, sample_depends_on: 2 for a sample that depends on no other.
_KEYFRAME_FLAG = 0x02000000
_U32 = Struct(">I")
_PAIR = Struct(">II")
_ENTRY_OF_SAMPLES = {b"avc1", b"vp09", b"av01"}


class Keyframe(NamedTuple):
    """Where in a fragment a picture can begin: number of the sample, and its decode time in ticks of the track."""

    sample: int
    at: int


@dataclass(frozen=True, slots=True)
class Piece:
    """One track's share of one fragment.

    Attributes:
        start: decode time of the first sample, in ticks of the track.
        duration: in ticks of the track.
        data_at: where in the file the samples' bytes begin.
        size: how many bytes they are.
        keyframes: of pictures; sound can begin anywhere.
        header: the content of `tfhd` as it was written.
        table: the content of `trun` after count and data offset.
    """

    start: int
    duration: int
    data_at: int
    size: int
    keyframes: tuple[Keyframe, ...]
    header: bytes
    run_flags: int
    table: bytes

    @property
    def end(self) -> int:
        return self.start + self.duration


def read_piece(moof: bytes, at: int, track_id: int) -> Piece | None:
    """One track's share of a fragment; None when the fragment holds nothing of it.

    Args:
        moof: the whole box.
        at: where in its file it begins, in bytes.

    Raises:
        ValueError: this is no `moof` as `fmp4.fragment` writes it.
    """
    try:
        for kind, begin, end in boxes(moof, 8):
            if kind != b"traf":
                continue
            inner = {name: moof[first:last] for name, first, last in boxes(moof, begin, end)}
            header, run = inner[b"tfhd"], inner[b"trun"]
            if _U32.unpack_from(header, 4)[0] == track_id:
                return _piece(header, unpack_from(">Q", inner[b"tfdt"], 4)[0], run, at)
    except (error, KeyError) as damage:
        raise ValueError("no fragment of ours") from damage
    return None


def _piece(header: bytes, start: int, run: bytes, at: int) -> Piece:
    flags = _U32.unpack_from(header, 0)[0]
    run_flags = _U32.unpack_from(run, 0)[0]
    count, data_offset = _PAIR.unpack_from(run, 4)
    keyframes: list[Keyframe] = []
    if run_flags & TRUN_DURATION:
        values = unpack_from(f">{3 * count}I", run, 12)
        size, duration = sum(values[1::3]), 0
        for index in range(count):
            if values[3 * index + 2] == _KEYFRAME_FLAG:
                keyframes.append(Keyframe(index, start + duration))
            duration += values[3 * index]
    elif flags & TFHD_DEFAULT_DURATION:
        size = sum(unpack_from(f">{count}I", run, 12))
        duration = count * _U32.unpack_from(header, 8)[0]
    else:
        raise ValueError("a trun without durations")
    return Piece(start, duration, at + data_offset, size, tuple(keyframes), header, run_flags & 0xFFFFFF, run[12:])


def strip(number: int, piece: Piece, data: bytes, first: int = 0) -> bytes:
    """A fragment of its own: `moof` with one `traf`, and `mdat`.

    Args:
        number: counts up within the stream.
        data: the bytes of the piece's samples.
        first: index of the first sample to keep; above 0 for pictures only.
    """
    start, table = piece.start, piece.table
    if first:
        values = unpack_from(f">{3 * first}I", table)
        start += sum(values[::3])
        data = data[sum(values[1::3]) :]
        table = table[12 * first :]
    count = len(table) // (12 if piece.run_flags & TRUN_DURATION else 4)
    head = box(b"mfhd", bytes(4), _U32.pack(number))
    times = full_box(b"tfdt", 1, 0, pack(">Q", start))
    described = box(b"tfhd", piece.header)
    # The data offset counts from the start of the moof to the first byte in the mdat.
    size = 8 + len(head) + 8 + len(described) + len(times) + 20 + len(table)
    run = full_box(b"trun", 0, piece.run_flags, _PAIR.pack(count, size + 8), table)
    return box(b"moof", head, box(b"traf", described, times, run)) + box(b"mdat", data)


def samples(piece: Piece, data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The samples of a piece of sound: (start and duration in ticks of the track, bytes).

    Args:
        data: the bytes of the piece's samples.
    """
    lasts = bool(piece.run_flags & TRUN_DURATION)
    size = 12 if lasts else 4
    start, at = piece.start, 0
    for entry in range(0, len(piece.table), size):
        if lasts:
            duration, length = _PAIR.unpack_from(piece.table, entry)
        else:
            duration, length = _U32.unpack_from(piece.header, 8)[0], _U32.unpack_from(piece.table, entry)[0]
        yield start, duration, data[at : at + length]
        start, at = start + duration, at + length


def strip_init(init: bytes, track_id: int) -> bytes:
    """The initialisation segment of one track out of one that may describe several.

    Raises:
        ValueError: this is no initialisation segment as `fmp4.init_segment` writes it, or it lacks the track.
    """
    found = {kind: init[begin:end] for kind, begin, end in boxes(init)}
    if not {b"ftyp", b"moov"} <= found.keys():
        raise ValueError("no initialisation segment")
    movie = found[b"moov"]
    kept: list[bytes] = []
    described = False
    for kind, begin, end in boxes(movie):
        content = movie[begin:end]
        if kind == b"trak":
            if _track_id(content) != track_id:
                continue
            described = True
        elif kind == b"mvex":
            content = b"".join(
                box(b"trex", content[first:last])
                for name, first, last in boxes(content)
                if name == b"trex" and content[first + 4 : first + 8] == _U32.pack(track_id)
            )
        kept.append(box(kind, content))
    if not described:
        raise ValueError("the track is not described")
    return box(b"ftyp", found[b"ftyp"]) + box(b"moov", *kept)


def _track_id(track: bytes) -> int:
    for kind, begin, end in boxes(track):
        if kind == b"tkhd" and end - begin >= 16:
            return int(_U32.unpack_from(track, begin + 12)[0])
    raise ValueError("a track without header")


def picture_codec(init: bytes) -> str:
    """The codec of the picture as pages name it (RFC 6381), from an initialisation segment of ours.

    Raises:
        ValueError: there is no picture in it, or one of a codec that is not recorded.
    """
    for kind, content in _descend(init, (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")):
        if kind not in _ENTRY_OF_SAMPLES:
            continue
        # A visual sample entry has 78 bytes before its boxes (ISO/IEC 14496-12 section 12.1.3).
        inner = {name: content[first:last] for name, first, last in boxes(content, 78)}
        try:
            if kind == b"avc1":
                return f"avc1.{inner[b'avcC'][1:4].hex()}"
            if kind == b"vp09":
                profile, level, depth = inner[b"vpcC"][4], inner[b"vpcC"][5], inner[b"vpcC"][6] >> 4
                return f"vp09.{profile:02d}.{level:02d}.{depth:02d}"
            configuration = inner[b"av1C"]
            tier = "H" if configuration[2] & 0x80 else "M"
            depth = 12 if configuration[2] & 0x20 else 10 if configuration[2] & 0x40 else 8
            return f"av01.{configuration[1] >> 5}.{configuration[1] & 31:02d}{tier}.{depth:02d}"
        except (KeyError, IndexError) as damage:
            raise ValueError("a sample entry without its configuration") from damage
    raise ValueError("no picture in this initialisation segment")


def _descend(data: bytes, path: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The boxes inside the last of `path`."""
    for kind, begin, end in boxes(data):
        if kind == path[0]:
            content = data[begin:end]
            if len(path) > 1:
                yield from _descend(content, path[1:])
            else:
                # stsd begins with version, flags and a count.
                yield from ((name, content[first:last]) for name, first, last in boxes(content, 8))


def moment(parts: Sequence[tuple[int, int]], wall_ms: int) -> tuple[int, int]:
    """Where in the replay a moment of the lesson lies.

    Args:
        parts: of the book, at least one: (90 kHz tick of replay time, milliseconds since 1970).
        wall_ms: milliseconds since 1970.

    Returns:
        Index of the part and tick. Before the first part: its beginning; between two: the beginning of the second;
        after the last: a tick that is not recorded yet.
    """
    index = max((i for i, (_, began_ms) in enumerate(parts) if began_ms <= wall_ms), default=0)
    at, began_ms = parts[index]
    tick = at + max(0, wall_ms - began_ms) * VIDEO_TIMESCALE // 1000
    while index + 1 < len(parts) and tick >= parts[index + 1][0]:
        index += 1
        tick = parts[index][0]
    return index, tick


def part_end(parts: Sequence[tuple[int, int]], index: int) -> int | None:
    """The tick at which the next part begins; None for the last part."""
    return parts[index + 1][0] if index + 1 < len(parts) else None


def stretch(segments: Sequence[Segment], tick: int, slack: int) -> list[Segment]:
    """The segment at `tick`, or up to `slack` ticks after it, and those that follow without a hole; empty: none."""
    found: list[Segment] = []
    for segment in segments:
        if found:
            if segment.start - found[-1].end > slack:
                break
            found.append(segment)
        elif segment.start <= tick + slack and (segment.end > tick or segment.size is None):
            found.append(segment)
    return found
