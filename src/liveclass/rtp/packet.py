"""The RTP packet on the wire (RFC 3550) and its header extensions (RFC 8285): read into a view, built into bytes.

Runs once per incoming packet, so a view holds offsets into the datagram and copies nothing. It refuses to know what a
payload or an extension means, which extension ids were negotiated, and how packets are encrypted.
"""

import struct
from collections.abc import Iterable

from liveclass.errors import PeerError

HEADER_BYTES = 12
"""The fixed header, before contributing sources and extensions (RFC 3550 section 5.1)."""

ONE_BYTE_PROFILE = 0xBEDE
"""Profile of one-byte extension headers (RFC 8285 section 4.2)."""

TWO_BYTE_PROFILE = 0x1000
"""Profile of two-byte extension headers; the low four bits are free for the application (RFC 8285 section 4.3)."""

MAX_ONE_BYTE_ID = 14
"""Id 15 ends the list, 0 is padding (RFC 8285 section 4.2)."""

MAX_ONE_BYTE_LENGTH = 16
"""Four bits of length, meaning 1 to 16 bytes (RFC 8285 section 4.2)."""

_FIXED = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")


class PacketView:
    """One RTP packet as offsets into its datagram; the datagram itself stays with the caller.

    Attributes:
        payload_type: 7 bits.
        marker: for video, the last packet of a frame.
        seq: sequence number, 16 bits.
        timestamp: in units of the codec's clock, 32 bits.
        ssrc: the stream, 32 bits.
        payload_offset: where the payload begins.
        payload_end: where it ends, padding excluded; equal to `payload_offset` in a packet of padding alone.
        profile: of the header extensions, or 0 when there are none.
        extensions_offset: where the first extension element begins (0 when there are none).
        extensions_end: where the extensions end (0 when there are none).
    """

    __slots__ = (
        "extensions_end",
        "extensions_offset",
        "marker",
        "payload_end",
        "payload_offset",
        "payload_type",
        "profile",
        "seq",
        "ssrc",
        "timestamp",
    )

    def __init__(
        self,
        payload_type: int,
        marker: bool,
        seq: int,
        timestamp: int,
        ssrc: int,
        payload_offset: int,
        payload_end: int,
        profile: int,
        extensions_offset: int,
        extensions_end: int,
    ) -> None:
        self.payload_type = payload_type
        self.marker = marker
        self.seq = seq
        self.timestamp = timestamp
        self.ssrc = ssrc
        self.payload_offset = payload_offset
        self.payload_end = payload_end
        self.profile = profile
        self.extensions_offset = extensions_offset
        self.extensions_end = extensions_end


def is_rtcp(datagram: bytes) -> bool:
    """Whether a datagram on a multiplexed port is RTCP: its type lies in 192 to 223 (RFC 5761 section 4).

    Tells RTP from RTCP only; STUN and DTLS must be sorted out before (RFC 7983).
    """
    return len(datagram) > 1 and 192 <= datagram[1] <= 223


def parse(datagram: bytes) -> PacketView:
    """Read the header of an RTP packet (RFC 3550 section 5.1, RFC 8285).

    Every length in the header is checked against the datagram; the elements inside the extensions are checked by
    `find_extension`, since most packets are never asked.

    Args:
        datagram: the decrypted packet.

    Returns:
        A view whose offsets index `datagram`.

    Raises:
        PeerError: it is too short, not version 2, or a length in it lies (CSRC list, extensions, padding).
    """
    size = len(datagram)
    if size < HEADER_BYTES:
        raise PeerError("RTP packet is shorter than its header", code="rtp_malformed")
    first, second, seq, timestamp, ssrc = _FIXED.unpack_from(datagram)
    if first & 0xC0 != 0x80:
        raise PeerError("RTP version is not 2", code="rtp_malformed")
    offset = HEADER_BYTES + ((first & 0x0F) << 2)
    profile = extensions_offset = extensions_end = 0
    if first & 0x10:
        if offset + 4 > size:
            raise PeerError("RTP header extension is cut off", code="rtp_malformed")
        profile, words = _EXTENSION.unpack_from(datagram, offset)
        extensions_offset = offset + 4
        extensions_end = offset = extensions_offset + (words << 2)
    end = size
    if first & 0x20:
        padding = datagram[-1]
        if padding == 0:
            raise PeerError("RTP padding has no length", code="rtp_malformed")
        end -= padding
    if offset > end:
        raise PeerError("RTP header or padding overruns the packet", code="rtp_malformed")
    return PacketView(
        second & 0x7F,
        second > 0x7F,
        seq,
        timestamp,
        ssrc,
        offset,
        end,
        profile,
        extensions_offset,
        extensions_end,
    )


def locate_extension(data: bytes, view: PacketView, ext_id: int) -> tuple[int, int] | None:
    """Where the value of a header extension lies, for those who rewrite it in place.

    Args:
        data: the datagram that `view` was read from.
        ext_id: the negotiated id, 1 to 14 in the one-byte form, 1 to 255 in the two-byte form.

    Returns:
        Start and end of the value, or None when the packet does not carry that extension, uses a profile other than
        RFC 8285, or its list is malformed before the extension is found.
    """
    position = view.extensions_offset
    end = view.extensions_end
    if view.profile == ONE_BYTE_PROFILE:
        while position < end:
            head = data[position]
            if head == 0:
                position += 1
                continue
            found = head >> 4
            if found == 15:
                return None
            start = position + 1
            position = start + (head & 0x0F) + 1
            if position > end:
                return None
            # Id 0 with a length is reserved; its bytes are skipped (RFC 8285 section 4.2).
            if found == ext_id and found:
                return start, position
    elif view.profile & 0xFFF0 == TWO_BYTE_PROFILE:
        while position < end:
            found = data[position]
            if found == 0:
                position += 1
                continue
            start = position + 2
            if start > end:
                return None
            position = start + data[position + 1]
            if position > end:
                return None
            if found == ext_id:
                return start, position
    return None


def find_extension(data: bytes, view: PacketView, ext_id: int) -> bytes | None:
    """The value of a header extension, or None as in `locate_extension` (RFC 8285 sections 4.2 and 4.3)."""
    place = locate_extension(data, view, ext_id)
    return None if place is None else data[place[0] : place[1]]


def build_packet(
    payload_type: int,
    marker: bool,
    seq: int,
    timestamp: int,
    ssrc: int,
    payload: bytes,
    extensions: Iterable[tuple[int, bytes]] = (),
) -> bytes:
    """Build an RTP packet with one-byte header extensions (RFC 3550 section 5.1, RFC 8285 section 4.2).

    Args:
        payload_type: 7 bits.
        seq: wraps by itself to 16 bits.
        timestamp: wraps by itself to 32 bits.
        extensions: pairs of id (1 to 14) and value (1 to 16 bytes).

    Raises:
        ValueError: an extension does not fit the one-byte form, or the payload type has over 7 bits.
    """
    if not 0 <= payload_type <= 127:
        raise ValueError("payload type has 7 bits")
    region = build_extensions(extensions)
    head = _FIXED.pack(
        0x90 if region else 0x80,
        payload_type | 0x80 if marker else payload_type,
        seq & 0xFFFF,
        timestamp & 0xFFFFFFFF,
        ssrc & 0xFFFFFFFF,
    )
    return head + region + payload


def build_extensions(extensions: Iterable[tuple[int, bytes]]) -> bytes:
    """The extension part of a header in the one-byte form, profile and padding included; empty when there are none.

    Raises:
        ValueError: an id outside 1 to 14, or a value outside 1 to 16 bytes.
    """
    body = bytearray()
    for ext_id, value in extensions:
        if not 1 <= ext_id <= MAX_ONE_BYTE_ID:
            raise ValueError("extension id must be 1 to 14")
        if not 1 <= len(value) <= MAX_ONE_BYTE_LENGTH:
            raise ValueError("extension value must have 1 to 16 bytes")
        body.append(ext_id << 4 | len(value) - 1)
        body += value
    if not body:
        return b""
    body += bytes(-len(body) % 4)
    return _EXTENSION.pack(ONE_BYTE_PROFILE, len(body) >> 2) + bytes(body)
