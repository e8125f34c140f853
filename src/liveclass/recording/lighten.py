"""The child that makes a light rendition: reads one finished recording, mixes its sound, writes it anew in few bytes.

Run as `python -m liveclass.recording.lighten FOLDER FLOOR_BYTES`. Yields to everything else, is bounded in memory and
time, and ends when its input does, which is when the server ends. Writes the playlist last, prints the bytes it made.
Running it twice changes nothing.
"""

import errno
import os
import resource
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame

from liveclass.recording.book import Book, TrackBook, TrackKind, read_journal, segment_name
from liveclass.recording.catchup import samples
from liveclass.recording.disk import JOURNAL, Disk
from liveclass.recording.fmp4 import (
    AUDIO_TIMESCALE,
    AUDIO_TRACK_ID,
    SEGMENT_TYPE,
    Run,
    Sample,
    fragment,
    init_segment,
)
from liveclass.recording.formats import opus_entry
from liveclass.recording.light import (
    BITRATE,
    FRAME,
    MEDIA,
    PLAYLIST,
    SAMPLE_BYTES,
    Chunk,
    Cut,
    Voice,
    cuts,
    frames,
    light_ticks,
    mix,
    playlist,
)
from liveclass.recording.reading import load

# A lesson that runs must never wait for one that is over.
_NICENESS = 19
# A 40-minute lesson takes some 170 MB of memory, most of it libraries, and 70 s.
_MEMORY_BYTES = 1 << 30
_CPU_S = 3600
# What the encoder looks ahead: the sound is given to it this much early, so that it comes out where it belongs.
_AHEAD = 312
_FILE_MODE = 0o600
_HEARD: frozenset[TrackKind] = frozenset({"main", "voice", "classroom"})
_TICKS = Fraction(1, AUDIO_TIMESCALE)


def _decoder() -> AudioCodecContext:
    decoder = av.CodecContext.create("libopus", "r")
    # libopus itself makes one channel of two.
    decoder.sample_rate, decoder.layout = AUDIO_TIMESCALE, "mono"
    return decoder


def _decoded(decoder: AudioCodecContext, packet: bytes, duration: int) -> bytes:
    """One packet as exactly `duration` samples; silence where it is damaged."""
    out = b""
    try:
        for frame in decoder.decode(av.Packet(packet)):
            # Buffers are larger than what is in them.
            out += bytes(frame.planes[0])[: frame.samples * SAMPLE_BYTES]
    except av.error.FFmpegError:
        out = b""
    size = duration * SAMPLE_BYTES
    return out[:size].ljust(size, b"\0")


def _sound(folder: Path, track: TrackBook, shift: int) -> Iterator[Chunk]:
    """The sound of a track, decoded, each packet at its place in the replay; a segment that is damaged is a hole."""
    decoder = _decoder()
    for segment in track.segments:
        path, offset, end = folder / segment_name(track.name, segment.number), 0, segment.size or 0
        while offset < end:
            try:
                pieces, offset = load([path], offset, end, AUDIO_TRACK_ID)
            except OSError:
                break
            for piece, data in pieces:
                for start, duration, packet in samples(piece, data):
                    if packet:
                        yield shift + start, _decoded(decoder, packet, duration)


def _voices(folder: Path, book: Book) -> list[Voice]:
    """Everyone who is heard: the main track, second volunteers and classrooms."""
    voices: list[Voice] = []
    for track in book.tracks.values():
        if track.kind in _HEARD:
            # The main track begins at zero, and is on the time of the replay like what is made here.
            begins = light_ticks(track.starts_at)
            voices.append(Voice(begins, _sound(folder, track, begins)))
    return voices


class _Encoder:
    """One packet in, one packet out."""

    def __init__(self) -> None:
        encoder = av.CodecContext.create("libopus", "w")
        encoder.sample_rate, encoder.layout, encoder.format = AUDIO_TIMESCALE, "mono", "s16"
        encoder.bit_rate = BITRATE
        duration_ms = FRAME * 1000 // AUDIO_TIMESCALE
        encoder.options = {"application": "audio", "vbr": "constrained", "frame_duration": str(duration_ms)}
        self._encoder = encoder
        self._count = 0

    def encode(self, sound: bytes) -> bytes:
        frame = AudioFrame(format="s16", layout="mono", samples=FRAME)
        plane = frame.planes[0]
        plane.update(sound.ljust(plane.buffer_size, b"\0"))
        frame.sample_rate, frame.pts, frame.time_base = AUDIO_TIMESCALE, self._count * FRAME, _TICKS
        self._count += 1
        return b"".join(bytes(packet) for packet in self._encoder.encode(frame))


def _write_media(file: BinaryIO, folder: Path, book: Book) -> tuple[int, list[Cut]]:
    """Write initialisation and all segments; returns the bytes of the first, and where the others are."""
    init = init_segment(None, (0, 0), opus_entry(1))
    file.write(init)
    encoder, voices, silence = _Encoder(), _voices(folder, book), bytes(FRAME * SAMPLE_BYTES)
    total = frames(book.duration)
    starts = cuts(total, book.parts)
    segments: list[Cut] = []
    for number, (first, following) in enumerate(zip(starts, [*starts[1:], total], strict=True), 1):
        packets: list[Sample] = []
        for index in range(first, following):
            taken = [voice.take(index * FRAME + _AHEAD, FRAME) for voice in voices]
            heard = [sound for sound in taken if sound is not None]
            packets.append(Sample(encoder.encode(mix(heard) if heard else silence), FRAME, True))
        data = SEGMENT_TYPE + fragment(number, [Run(AUDIO_TRACK_ID, first * FRAME, packets)])
        file.write(data)
        segments.append(Cut(first, following - first, len(data)))
    return len(init), segments


def lighten(folder: Path, disk: Disk, floor_bytes: int) -> int:
    """Make the light rendition of a finished recording; returns its bytes, 0 when there is nothing to hear.

    Raises:
        OSError: the disk refuses, or has less free than `floor_bytes`.
    """
    book, _ = read_journal((folder / JOURNAL).read_bytes())
    if not book.duration:
        return 0
    if disk.free_bytes(folder) < floor_bytes:
        raise OSError(errno.ENOSPC, "the floor of free space is reached")
    temporary = folder / f"{MEDIA}.tmp"
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        init_bytes, segments = _write_media(file, folder, book)
        file.flush()
        disk.sync(file.fileno())
    os.rename(temporary, folder / MEDIA)
    disk.write_file(folder / PLAYLIST, playlist(init_bytes, segments, book.parts))
    return init_bytes + sum(segment.size for segment in segments)


def _end_with_input() -> None:
    """The server holds the other end: nothing comes, and its end is ours, whatever ended it."""
    # Not by `sys.stdin`: a thread that waits in there keeps the interpreter from ending.
    while os.read(0, 1024):
        continue
    os._exit(3)


def main() -> int:
    """The child process; exit status 1 when the disk refuses, 2 for wrong arguments."""
    if len(sys.argv) != 3 or not sys.argv[2].isdigit():
        sys.stderr.write("usage: python -m liveclass.recording.lighten FOLDER FLOOR_BYTES\n")
        return 2
    os.nice(_NICENESS)
    for limit, most in ((resource.RLIMIT_AS, _MEMORY_BYTES), (resource.RLIMIT_CPU, _CPU_S), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(limit)[1]
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        # Not every system bounds everything.
        with suppress(OSError, ValueError):
            resource.setrlimit(limit, (value, value))
    threading.Thread(target=_end_with_input, daemon=True).start()
    av.logging.set_level(None)
    try:
        made = lighten(Path(sys.argv[1]), Disk(), int(sys.argv[2]))
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{made}\n")
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
