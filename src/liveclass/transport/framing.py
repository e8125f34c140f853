"""Datagrams on a byte stream (RFC 4571): each behind its length in two bytes, as ICE-TCP wants it (RFC 6544 section 3).

Pure: bytes in, whole datagrams out. It refuses to know sockets and what the datagrams are.
"""

from typing import Final

from liveclass.errors import PeerError

MAX_FRAME: Final = 2048
"""Bytes of the largest datagram taken: as much as the UDP port reads of one."""

_LENGTH: Final = 2

_FIRST_MOST: Final = 5
"""The first frame is a connectivity check of at most 1,280 bytes (RFC 8489 section 6.1)."""


def begins_media(first: int) -> bool:
    """Whether a connection whose first byte this is speaks frames, and not HTTP or TLS.

    HTTP begins with a letter (RFC 9112 section 3), TLS with 22 (RFC 8446 section 5.1), the length of a first frame with
    0 to 5. What a peer that begins so is worth, its connectivity check will say.
    """
    return first <= _FIRST_MOST


def framed(datagram: bytes) -> bytes:
    """The datagram as it goes onto the stream.

    Args:
        datagram: at most 65,535 bytes.
    """
    return len(datagram).to_bytes(_LENGTH, "big") + datagram


class Deframer:
    """Cuts one peer's stream into datagrams; never holds more than one that is not yet whole."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def feed(self, piece: bytes) -> list[bytes]:
        """Take the next bytes of the stream.

        Returns:
            The datagrams that are whole now; empty ones, which keep middleboxes awake, are left out.

        Raises:
            PeerError: a frame is longer than `MAX_FRAME`. There is no way to find the next one: close the connection.
        """
        stream = self._held + piece
        size, at = len(stream), 0
        datagrams: list[bytes] = []
        while size - at >= _LENGTH:
            length = stream[at] << 8 | stream[at + 1]
            if length > MAX_FRAME:
                raise PeerError("A frame of media over TCP is too long.")
            end = at + _LENGTH + length
            if end > size:
                break
            if length:
                datagrams.append(stream[at + _LENGTH : end])
            at = end
        self._held = stream[at:]
        return datagrams
