"""The light rendition: all that is heard in a lesson as one thin stream of sound, on the time of the main track.

Lays decoded sound of several tracks on one time line, cuts that line into segments and writes the playlist. Pure: knows
samples and ticks (48 kHz unless said otherwise), neither files nor codecs.
"""

from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from liveclass.recording.book import LIGHT, date_time
from liveclass.recording.fmp4 import AUDIO_TIMESCALE, VIDEO_TIMESCALE

BITRATE = 24_000
"""Speech is clear, songs are known again. With the container 25 kbit/s: of 40, 15 are left to slides and strokes."""

FRAME = AUDIO_TIMESCALE // 25
"""An Opus packet of 40 ms: at this bitrate the container costs half of what it would with packets of 20 ms."""

PLAYLIST = f"{LIGHT}.m3u8"
MEDIA = f"{LIGHT}.mp4"
"""One file for all segments: hundreds of small ones would each cost a sync of a disk that lessons are written to."""

SAMPLE_BYTES = 2
SEGMENT_S = 10
# The first segments are small, so that sound comes after 6 kB; then there is time for larger ones.
_FIRST_S = (2, 4)

Chunk = tuple[int, bytes]
"""Where it begins, and samples of 16 bits, one channel."""


def light_ticks(tick: int) -> int:
    """A tick of 90 kHz as one of 48 kHz."""
    return tick * AUDIO_TIMESCALE // VIDEO_TIMESCALE


def frames(tick: int) -> int:
    """How many packets reach up to a tick of 90 kHz, the last one perhaps beyond it."""
    return -(-light_ticks(tick) // FRAME)


class Voice:
    """The sound of one track, laid on the time of the replay.

    Args:
        begins: where its first sound is; nothing is decoded before that moment.
        sound: decoded sound in order; may have holes.
    """

    def __init__(self, begins: int, sound: Iterator[Chunk]) -> None:
        self._begins = begins
        self._sound = sound
        self._over = False
        self._chunks: deque[Chunk] = deque()
        self._reached = begins

    def take(self, start: int, count: int) -> bytes | None:
        """The samples from `start` on; None where there is none. Moments are asked for in order."""
        end = start + count
        if end <= self._begins:
            return None
        while self._reached < end and not self._over:
            chunk = next(self._sound, None)
            if chunk is None:
                self._over = True
            else:
                self._chunks.append(chunk)
                self._reached = chunk[0] + len(chunk[1]) // SAMPLE_BYTES
        out: bytearray | None = None
        for at, samples in self._chunks:
            first, last = max(at, start), min(at + len(samples) // SAMPLE_BYTES, end)
            if first < last:
                out = bytearray(count * SAMPLE_BYTES) if out is None else out
                piece = samples[(first - at) * SAMPLE_BYTES : (last - at) * SAMPLE_BYTES]
                out[(first - start) * SAMPLE_BYTES : (last - start) * SAMPLE_BYTES] = piece
        while self._chunks and self._chunks[0][0] + len(self._chunks[0][1]) // SAMPLE_BYTES <= end:
            self._chunks.popleft()
        return None if out is None else bytes(out)


def mix(sounds: Sequence[bytes]) -> bytes:
    """Several sounds of one length at once; what is too loud together is clipped."""
    if len(sounds) == 1:
        return sounds[0]
    lanes = []
    for sound in sounds:
        lane = array("h")
        lane.frombytes(sound)
        lanes.append(lane)
    total = map(sum, zip(*lanes, strict=True))
    return array("h", [-32768 if s < -32768 else 32767 if s > 32767 else s for s in total]).tobytes()


def cuts(total: int, parts: Sequence[tuple[int, int]]) -> list[int]:
    """Where segments begin, in packets: small ones first, and one wherever a part of the recording begins.

    Args:
        total: packets in all.
        parts: of the book: (90 kHz tick of replay time, milliseconds since 1970).
    """
    per_s = AUDIO_TIMESCALE // FRAME
    joins = sorted({light_ticks(at) // FRAME for at, _ in parts[1:]})
    lengths = iter(_FIRST_S)
    found = [0]
    while True:
        following = found[-1] + next(lengths, SEGMENT_S) * per_s
        following = min([following, *(join for join in joins if join > found[-1])])
        if following >= total:
            return found
        found.append(following)


class Cut(NamedTuple):
    """A segment in the file: its first packet, how many there are, and its bytes."""

    first: int
    packets: int
    size: int


def playlist(init_bytes: int, segments: Sequence[Cut], parts: Sequence[tuple[int, int]]) -> bytes:
    """The HLS media playlist (RFC 8216), segments being ranges of one file.

    Sound goes on without a seam where parts join or the picture changes, so there is no discontinuity; the wall-clock
    time says where a pause was.
    """
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{SEGMENT_S}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        "#EXT-X-MEDIA-SEQUENCE:1",
        f'#EXT-X-MAP:URI="{MEDIA}",BYTERANGE="{init_bytes}@0"',
    ]
    at, part = init_bytes, -1
    for segment in segments:
        # Said once a part: a playlist of an hour is on a slow line before the first sound.
        begun = max((i for i, (tick, _) in enumerate(parts) if light_ticks(tick) // FRAME <= segment.first), default=-1)
        if begun != part:
            part = begun
            lines.append(date_time(_wall_ms(segment.first, parts[part])))
        lines += [
            f"#EXTINF:{segment.packets * FRAME / AUDIO_TIMESCALE:g},",
            f"#EXT-X-BYTERANGE:{segment.size}@{at}",
            MEDIA,
        ]
        at += segment.size
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""]).encode()


def _wall_ms(packet: int, part: tuple[int, int]) -> int:
    """When a packet of a part was taught; the one in which the part begins is the part's."""
    at, wall_ms = part
    return wall_ms + (packet * FRAME - light_ticks(at)) * 1000 // AUDIO_TIMESCALE
