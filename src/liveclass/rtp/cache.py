"""The last packets of a source, by extended sequence number: for retransmission, and to drop what came twice.

Knows nothing of who asks and how a packet goes out again. Bounded: `size` packets, the oldest overwritten.
"""

from typing import Generic, TypeVar

P = TypeVar("P")


class PacketCache(Generic[P]):
    """A ring of packets.

    Args:
        size: packets kept; 1,024 are 6 s of a 1 Mbit/s lesson, more than any viewer still asks for.
    """

    __slots__ = ("_numbers", "_packets", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._numbers = [-1] * size
        self._packets: list[P | None] = [None] * size

    def put(self, seq: int, packet: P) -> bool:
        """Keep a packet.

        Returns:
            False when it is a duplicate, or so old that its place holds a newer packet: then it must not go out.
        """
        at = seq % self._size
        if self._numbers[at] >= seq:
            return False
        self._numbers[at] = seq
        self._packets[at] = packet
        return True

    def get(self, seq: int) -> P | None:
        """The packet with this number, None when it never came or is gone."""
        at = seq % self._size
        return self._packets[at] if self._numbers[at] == seq else None
