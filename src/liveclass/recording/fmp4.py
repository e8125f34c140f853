"""Fragmented MP4 as bytes: initialisation segments, fragments, and how much of a torn file is whole.

Knows boxes (ISO/IEC 14496-12) and no codec: sample entries come ready-made from `formats`. Own boxes instead of a
muxing library because the recorder needs exact decode times, fragments that are whole when they are written, and no
native parser of peers' media in the server's process.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import Struct, error, pack
from typing import NamedTuple

VIDEO_TIMESCALE = 90_000
AUDIO_TIMESCALE = 48_000
VIDEO_TRACK_ID = 1
AUDIO_TRACK_ID = 2

# ISO/IEC 14496-12 section 8.8.3.1: depends on no other / depends on others and is no sync sample.
_SYNC_SAMPLE = 0x02000000
_DEPENDENT_SAMPLE = 0x01010000

_TFHD_DEFAULT_BASE_IS_MOOF = 0x020000
TFHD_DEFAULT_DURATION = 0x000008
_TFHD_DEFAULT_FLAGS = 0x000020
_TRUN_DATA_OFFSET = 0x000001
TRUN_DURATION = 0x000100
_TRUN_SIZE = 0x000200
_TRUN_FLAGS = 0x000400

_U32 = Struct(">I")
_BOX = Struct(">I4s")
_MATRIX = pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_UNDETERMINED_LANGUAGE = 0x55C4


class Sample(NamedTuple):
    """One access unit; `duration` in ticks of its track."""

    data: bytes
    duration: int
    keyframe: bool


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive samples of one track: the first is decoded at `start` ticks."""

    track_id: int
    start: int
    samples: Sequence[Sample]


@dataclass(frozen=True, slots=True)
class Span:
    """What a file holds of one track, in ticks of that track: the first decode time, and the end of the last sample."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Whole:
    """The part of a media file that can be played: its length in bytes and its spans by track."""

    size: int
    spans: dict[int, Span]


def box(kind: bytes, *content: bytes) -> bytes:
    """One box: size, type, content."""
    size = 8 + sum(map(len, content))
    return b"".join((_BOX.pack(size, kind), *content))


def full_box(kind: bytes, version: int, flags: int, *content: bytes) -> bytes:
    """One box with version and flags (ISO/IEC 14496-12 section 4.2)."""
    return box(kind, _U32.pack(version << 24 | flags), *content)


def init_segment(video_entry: bytes | None, size: tuple[int, int], audio_entry: bytes | None) -> bytes:
    """The initialisation segment of one rendition.

    Args:
        video_entry: the sample entry box of the video, or None.
        size: width and height of the video in pixels.
        audio_entry: the sample entry box of the sound, or None.
    """
    tracks, extends = [], []
    if video_entry is not None:
        header = full_box(b"vmhd", 0, 1, bytes(8))
        tracks.append(_track(VIDEO_TRACK_ID, VIDEO_TIMESCALE, b"vide", header, video_entry, size))
        extends.append(full_box(b"trex", 0, 0, pack(">5I", VIDEO_TRACK_ID, 1, 0, 0, 0)))
    if audio_entry is not None:
        header = full_box(b"smhd", 0, 0, bytes(4))
        tracks.append(_track(AUDIO_TRACK_ID, AUDIO_TIMESCALE, b"soun", header, audio_entry, (0, 0)))
        extends.append(full_box(b"trex", 0, 0, pack(">5I", AUDIO_TRACK_ID, 1, 0, 0, 0)))
    movie_header = full_box(
        b"mvhd", 0, 0, pack(">4I", 0, 0, 1000, 0), pack(">IH10x", 0x10000, 0x100), _MATRIX, bytes(24), pack(">I", 3)
    )
    return box(b"ftyp", b"iso6", bytes(4), b"iso6cmfcmp41") + box(
        b"moov", movie_header, *tracks, box(b"mvex", *extends)
    )


def _track(
    track_id: int, timescale: int, handler: bytes, media_header: bytes, entry: bytes, size: tuple[int, int]
) -> bytes:
    volume = 0x100 if handler == b"soun" else 0
    header = full_box(
        b"tkhd",
        0,
        3,  # enabled, in the movie
        pack(">5I8xHHHH", 0, 0, track_id, 0, 0, 0, 0, volume, 0),
        _MATRIX,
        pack(">II", size[0] << 16, size[1] << 16),
    )
    empty = bytes(4)
    samples = box(
        b"stbl",
        full_box(b"stsd", 0, 0, _U32.pack(1), entry),
        full_box(b"stts", 0, 0, empty),
        full_box(b"stsc", 0, 0, empty),
        full_box(b"stsz", 0, 0, empty, empty),
        full_box(b"stco", 0, 0, empty),
    )
    data_reference = box(b"dinf", full_box(b"dref", 0, 0, _U32.pack(1), full_box(b"url ", 0, 1)))
    media = box(
        b"mdia",
        full_box(b"mdhd", 0, 0, pack(">4IHH", 0, 0, timescale, 0, _UNDETERMINED_LANGUAGE, 0)),
        full_box(b"hdlr", 0, 0, bytes(4), handler, bytes(12), b"liveclass\0"),
        box(b"minf", media_header, data_reference, samples),
    )
    return box(b"trak", header, media)


SEGMENT_TYPE = box(b"styp", b"msdh", bytes(4), b"msdhcmfs")
"""Begins every segment file (ISO/IEC 14496-12 section 8.16.2)."""


def fragment(number: int, runs: Sequence[Run]) -> bytes:
    """One `moof` and its `mdat`. Runs without samples are left out.

    Args:
        number: counts up within the rendition.
    """
    runs = [run for run in runs if run.samples]
    uniform = [_uniform(run) for run in runs]
    header = full_box(b"mfhd", 0, 0, _U32.pack(number))
    # The data offset counts from the start of the moof, so its size must be known before it is written: all parts
    # have sizes that do not depend on their values.
    size = 8 + len(header) + sum(map(_traf_size, runs, uniform))
    parts = [_BOX.pack(size, b"moof"), header]
    offset = size + 8
    for run, alike in zip(runs, uniform, strict=True):
        sizes = [len(sample.data) for sample in run.samples]
        parts.append(_traf(run, alike, sizes, offset))
        offset += sum(sizes)
    parts.append(_BOX.pack(offset - size, b"mdat"))
    for run in runs:
        parts.extend([sample.data for sample in run.samples])
    return b"".join(parts)


def _uniform(run: Run) -> bool:
    """Sound: all sync samples of one duration, which then stand once in the header."""
    duration = run.samples[0].duration
    return run.track_id == AUDIO_TRACK_ID and all(sample.duration == duration for sample in run.samples)


def _traf_size(run: Run, uniform: bool) -> int:
    per_sample, header = (4, 24) if uniform else (12, 16)
    return 8 + header + 20 + 20 + per_sample * len(run.samples)


def _traf(run: Run, uniform: bool, sizes: list[int], data_offset: int) -> bytes:
    count = len(sizes)
    if uniform:
        flags = _TFHD_DEFAULT_BASE_IS_MOOF | TFHD_DEFAULT_DURATION | _TFHD_DEFAULT_FLAGS
        header = full_box(b"tfhd", 0, flags, pack(">3I", run.track_id, run.samples[0].duration, _SYNC_SAMPLE))
        table = pack(f">{count}I", *sizes)
        run_flags = _TRUN_DATA_OFFSET | _TRUN_SIZE
    else:
        header = full_box(b"tfhd", 0, _TFHD_DEFAULT_BASE_IS_MOOF, _U32.pack(run.track_id))
        values: list[int] = []
        for (_, duration, keyframe), size in zip(run.samples, sizes, strict=True):
            values += (duration, size, _SYNC_SAMPLE if keyframe else _DEPENDENT_SAMPLE)
        table = pack(f">{3 * count}I", *values)
        run_flags = _TRUN_DATA_OFFSET | TRUN_DURATION | _TRUN_SIZE | _TRUN_FLAGS
    return box(
        b"traf",
        header,
        full_box(b"tfdt", 1, 0, pack(">Q", run.start)),
        full_box(b"trun", 0, run_flags, pack(">II", count, data_offset), table),
    )


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """The whole boxes in `data[start:end]`: (type, begin of the content, end); stops at the first torn one."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, kind = _BOX.unpack_from(data, start)
        if size < 8 or start + size > end:
            return
        yield kind, start + 8, start + size
        start += size


def whole(data: bytes) -> Whole:
    """How much of a segment file survived a crash: everything up to the last complete `moof` and `mdat`.

    Never raises: a torn or damaged box ends what is whole.
    """
    spans: dict[int, Span] = {}
    size = 0
    pending: dict[int, Span] | None = None
    for kind, begin, end in boxes(data):
        if kind == b"moof":
            try:
                pending = _fragment_spans(data, begin, end)
            except (error, ValueError):
                break
        elif kind == b"mdat" and pending is not None:
            for track_id, span in pending.items():
                first = spans.get(track_id, span)
                spans[track_id] = Span(min(first.start, span.start), max(first.end, span.end))
            pending, size = None, end
        elif kind != b"styp":
            break
    return Whole(size, spans)


def _fragment_spans(data: bytes, begin: int, end: int) -> dict[int, Span]:
    spans: dict[int, Span] = {}
    for kind, traf_begin, traf_end in boxes(data, begin, end):
        if kind != b"traf":
            continue
        inner = {name: (first, last) for name, first, last in boxes(data, traf_begin, traf_end)}
        if not {b"tfhd", b"tfdt", b"trun"} <= inner.keys():
            raise ValueError("a traf lacks a box")
        header, decode_time, run = inner[b"tfhd"][0], inner[b"tfdt"][0], inner[b"trun"][0]
        flags, track_id = Struct(">II").unpack_from(data, header)
        (start,) = Struct(">Q").unpack_from(data, decode_time + 4)
        run_flags, count = Struct(">II").unpack_from(data, run)
        if flags & TFHD_DEFAULT_DURATION:
            duration = count * _U32.unpack_from(data, header + 8)[0]
        elif run_flags & TRUN_DURATION and run + 12 + 12 * count <= inner[b"trun"][1]:
            duration = sum(Struct(f">{3 * count}I").unpack_from(data, run + 12)[::3])
        else:
            raise ValueError("a trun without durations")
        spans[track_id] = Span(start, start + duration)
    return spans
