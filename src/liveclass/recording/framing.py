"""How pictures travel between the recorder and its transcoding child: a header of fixed size, then the bytes."""

from struct import Struct

# Largest picture either way; more is a broken pipe, not a picture (the depacketiser's own bound is 2 MB).
MAX_FRAME_BYTES = 8 << 20

HEADER = Struct("<Id?")
"""Size of the picture in bytes, when it was sampled in seconds, whether decoding can start there."""


def pack_frame(at: float, data: bytes, keyframe: bool) -> bytes:
    """One picture with its header."""
    return HEADER.pack(len(data), at, keyframe) + data


def read_header(header: bytes) -> tuple[float, bool, int]:
    """When, whether a keyframe, and how many bytes follow.

    Raises:
        ValueError: the size is out of bounds.
    """
    size, at, keyframe = HEADER.unpack(header)
    if size > MAX_FRAME_BYTES:
        raise ValueError("a picture of an impossible size")
    return at, keyframe, size
