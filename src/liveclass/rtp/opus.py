"""What an Opus packet says of itself in its first bytes (RFC 6716 section 3.1). Decodes nothing and never raises."""

from typing import Final

DTX_BYTES: Final = 2
"""A packet of at most this many bytes carries no sound: the encoder found silence (RFC 6716 section 3.1; libopus sends
only the table of contents, or that and a frame count)."""

MAX_TICKS: Final = 5760
"""120 ms at 48 kHz: the longest packet (RFC 6716 section 3.2.5, R5)."""

_SILK: Final = (480, 960, 1920, 2880)
_HYBRID: Final = (480, 960)
_CELT: Final = (120, 240, 480, 960)
_FRAME_TICKS: Final = tuple(
    _SILK[config % 4] if config < 12 else _HYBRID[config % 2] if config < 16 else _CELT[config % 4]
    for config in range(32)
)
"""Ticks of one frame by the five bits of configuration (RFC 6716 table 2)."""


def duration_ticks(payload: bytes) -> int:
    """How long a packet sounds, in ticks of the 48 kHz RTP clock (RFC 6716 sections 3.1 and 3.2).

    Returns:
        0 for a packet that is empty, cut off, of no frames, or of more than 120 ms.
    """
    if not payload:
        return 0
    first = payload[0]
    code = first & 3
    frames = 1 if code == 0 else 2
    if code == 3:
        frames = payload[1] & 0x3F if len(payload) > 1 else 0
    ticks = frames * _FRAME_TICKS[first >> 3]
    return ticks if ticks <= MAX_TICKS else 0


def silent(payload: bytes) -> bool:
    """Whether this packet only says that there is silence (discontinuous transmission)."""
    return len(payload) <= DTX_BYTES
