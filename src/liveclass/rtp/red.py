"""Redundant sound (RFC 2198): the last frames travel again with each new one, so that a lost packet costs nothing.

Builds and reads payloads only. Which frames are repeated, and for whom, is for the caller to decide.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct

from liveclass.errors import PeerError

MAX_OFFSET = 0x3FFF
"""Timestamp offset of a block, 14 bits: 341 ms at the 48 kHz of Opus."""

MAX_LENGTH = 0x3FF
"""Bytes of a block that is not the last, 10 bits."""

MAX_BLOCKS = 32
"""Blocks of one payload: 341 ms hold 17 frames of 20 ms, and Opus frames under 10 ms do not occur here."""

_head = Struct("!I").pack


@dataclass(frozen=True, slots=True)
class Block:
    """One frame: `offset` is how many ticks before the packet's timestamp it began, 0 for the packet's own frame."""

    payload_type: int
    offset: int
    payload: bytes


def build_red(primary: bytes, primary_pt: int, redundant: Sequence[tuple[int, bytes]]) -> bytes:
    """The payload of a packet that repeats earlier frames (RFC 2198 section 3).

    Args:
        primary: the new frame.
        primary_pt: payload type of all frames, 0 to 127.
        redundant: pairs of offset (ticks before the packet's timestamp) and frame, oldest first. What cannot be
            written is left out: offsets below 1 or over 14 bits, frames that are empty or over 10 bits long.
    """
    heads = frames = b""
    for offset, frame in redundant:
        length = len(frame)
        if 0 < offset <= MAX_OFFSET and 0 < length <= MAX_LENGTH:
            heads += _head((0x80 | primary_pt) << 24 | offset << 10 | length)
            frames += frame
    return heads + bytes((primary_pt,)) + frames + primary


def parse_red(payload: bytes) -> list[Block]:
    """The frames of a payload, oldest first and the packet's own one last (RFC 2198 section 3).

    Raises:
        PeerError: lengths beyond the payload, or more than `MAX_BLOCKS`.
    """
    size = len(payload)
    heads: list[tuple[int, int, int]] = []
    at = 0
    while at < size and payload[at] & 0x80:
        if at + 4 > size or len(heads) == MAX_BLOCKS:
            raise _malformed()
        word = int.from_bytes(payload[at : at + 4], "big")
        heads.append((word >> 24 & 0x7F, word >> 10 & MAX_OFFSET, word & MAX_LENGTH))
        at += 4
    if at >= size:
        raise _malformed()
    primary_pt = payload[at]
    at += 1
    blocks: list[Block] = []
    for payload_type, offset, length in heads:
        if at + length > size:
            raise _malformed()
        blocks.append(Block(payload_type, offset, payload[at : at + length]))
        at += length
    blocks.append(Block(primary_pt, 0, payload[at:]))
    return blocks


def _malformed() -> PeerError:
    return PeerError("Redundant sound is malformed", code="red_malformed")
