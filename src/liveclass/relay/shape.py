"""The shape in which a track's packets go to a group of receivers: payload type, transport-wide numbers, redundancy.

One packet is shaped once for all receivers of the group. Knows bytes of RTP and RFC 2198; refuses to know who receives.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from liveclass.relay.fanout import NUMBER_AT, Outgoing
from liveclass.rtp.red import build_red

EXTENSION_BYTES = 8
"""The extension block: 4 bytes of its own head, the element's byte, the number, and one of padding."""

MAX_DEPTH = 3
"""Earlier frames repeated in a packet at most: 60 ms of sound, as long as most bursts of loss (RFC 2198)."""

SAMPLED_SOUND, SAMPLED_PICTURE = (3, 32), (4, 128)
"""Of how many packets in a row how many carry a transport-wide number in a sparse shape: each 0.64 s of sound, each
second of a picture of 1 Mbit/s. Several, so that the lowest delay of them is not one packet's jitter."""

Recall = Callable[[int], tuple[bytes, int] | None]
"""A packet of the track without any shape, and its timestamp, by extended number; None when it is not at hand."""


class Shape(NamedTuple):
    """What a group of receivers has in common.

    Attributes:
        payload_type: of the codec.
        number_id: id of the transport-wide extension, 0 where it was not negotiated.
        red_type: payload type of RED; used where `depth` is above 0.
        depth: earlier frames that each packet repeats.
        sparse: only some packets are numbered: browsers send feedback, a dozen datagrams a second, about numbered
            packets alone, and a wide and calm link needs less.
    """

    payload_type: int
    number_id: int = 0
    red_type: int = 0
    depth: int = 0
    sparse: bool = False

    @property
    def bare(self) -> "Shape":
        """The same without numbers."""
        return self._replace(number_id=0)


def numbered_here(seq: int, *, video: bool) -> bool:
    """Whether the track's packet `seq` carries a number in a sparse shape. A function of `seq` alone, so that a packet
    can be repeated byte for byte without remembering how it was sent."""
    count, period = SAMPLED_PICTURE if video else SAMPLED_SOUND
    return seq % period < count


def dress(packet: bytes, shape: Shape, payload_type: int, payload: bytes | None = None) -> bytes:
    """A plain packet (12 bytes of header, no extension) in the receivers' shape, without redundancy.

    Args:
        payload_type: of this packet: the codec's, RED's or RTX's.
        payload: in place of the packet's own.
    """
    marked = packet[1] & 0x80 | payload_type
    body = packet[12:] if payload is None else payload
    if not shape.number_id:
        return bytes((0x80, marked)) + packet[2:12] + body
    extension = bytes((0xBE, 0xDE, 0, 1, shape.number_id << 4 | 1, 0, 0, 0))
    return bytes((0x90, marked)) + packet[2:12] + extension + body


def payload_of(packet: bytes) -> bytes:
    """The payload of a packet that `dress` made."""
    return packet[12 + EXTENSION_BYTES :] if packet[0] & 0x10 else packet[12:]


def numbered(packet: bytes, number: int) -> bytes:
    """A dressed packet with its transport-wide number, where it has room for one."""
    if not packet[0] & 0x10:
        return packet
    return packet[:NUMBER_AT] + (number & 0xFFFF).to_bytes(2, "big") + packet[NUMBER_AT + 2 :]


def shaped(packets: Sequence[Outgoing], shape: Shape, recall: Recall) -> list[Outgoing]:
    """Plain packets of a track in the receivers' shape.

    Args:
        recall: finds earlier packets for redundancy.
    """
    if not shape.depth:
        return [(dress(packet, shape, shape.payload_type), seq, time) for packet, seq, time in packets]
    out: list[Outgoing] = []
    for packet, seq, timestamp in packets:
        redundant: list[tuple[int, bytes]] = []
        for back in range(min(shape.depth, MAX_DEPTH), 0, -1):
            earlier = recall(seq - back)
            if earlier is not None:
                redundant.append(((timestamp - earlier[1]) & 0xFFFFFFFF, earlier[0][12:]))
        body = build_red(packet[12:], shape.payload_type, redundant)
        out.append((dress(packet, shape, shape.red_type, body), seq, timestamp))
    return out
