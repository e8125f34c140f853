"""Asks a STUN port whether it hears us: one Binding request (RFC 8489 section 6), padded, without credentials.

liveclass's media port answers such a request with the address that it came from. Pure: bytes in, bytes out; who sends
them is the doctor's business. Knows no session and no ICE.
"""

import ipaddress
import struct

MAGIC_COOKIE = 0x2112A442
BINDING_REQUEST = 0x0001
BINDING_SUCCESS = 0x0101
SOFTWARE = 0x8022
XOR_MAPPED_ADDRESS = 0x0020
HEADER_BYTES = 20

# The longest answer (header and an IPv6 address) has 44 bytes. A server that will not be used to flood strangers never
# answers with more bytes than it got, so the request is longer than that.
PADDING = b"liveclass doctor".ljust(48)


def binding_request(transaction: bytes) -> bytes:
    """The request.

    Args:
        transaction: 12 random bytes, unique to this request.
    """
    attribute = struct.pack("!HH", SOFTWARE, len(PADDING)) + PADDING
    return struct.pack("!HHI", BINDING_REQUEST, len(attribute), MAGIC_COOKIE) + transaction + attribute


def mapped_address(answer: bytes, transaction: bytes) -> tuple[str, int] | None:
    """The address and port that the server saw us under; None when this is no answer to our request."""
    if len(answer) < HEADER_BYTES or answer[8:HEADER_BYTES] != transaction:
        return None
    kind, length, cookie = struct.unpack_from("!HHI", answer)
    if kind != BINDING_SUCCESS or cookie != MAGIC_COOKIE or length != len(answer) - HEADER_BYTES:
        return None
    at = HEADER_BYTES
    while at + 4 <= len(answer):
        attribute, size = struct.unpack_from("!HH", answer, at)
        value = answer[at + 4 : at + 4 + size]
        if attribute == XOR_MAPPED_ADDRESS and len(value) == size and size in {8, 20}:
            return _address(value, transaction)
        at += 4 + size + (-size % 4)
    return None


def _address(value: bytes, transaction: bytes) -> tuple[str, int]:
    """RFC 8489 section 14.2: port and address are masked with the cookie and, for IPv6, the transaction."""
    mask = struct.pack("!I", MAGIC_COOKIE) + transaction
    port = struct.unpack_from("!H", value, 2)[0] ^ (MAGIC_COOKIE >> 16)
    plain = bytes(byte ^ key for byte, key in zip(value[4:], mask, strict=False))
    return str(ipaddress.ip_address(plain)), port
