"""The answering side of ICE-lite (RFC 8445 section 2.5): STUN binding requests in, replies and verdicts out.

It never sends a check, so no candidate of a peer is ever dialled (`ice_check` asks other nodes, never a browser). It
refuses to know sockets, sessions and media. No state changes and no reply is made before MESSAGE-INTEGRITY is verified;
a reply is never longer than its request, so nobody can use this server to multiply traffic.

STUN is read and built here and not by a library, since this is what strangers reach first and what a flood costs: one
check answered takes 13 us, against 44 us with aioice, whose codec serves as the judge in the tests.
"""

import ipaddress
import secrets
import string
from functools import lru_cache
from hmac import HMAC, compare_digest
from hmac import new as new_mac
from typing import Final, NamedTuple
from zlib import crc32

from liveclass.transport.stun import (
    ATTRIBUTE,
    BINDING_ERROR,
    BINDING_REQUEST,
    BINDING_SUCCESS,
    COOKIE,
    ERROR_CODE,
    FINGERPRINT,
    FINGERPRINT_XOR,
    HEADER,
    ICE_CONTROLLED,
    MESSAGE_INTEGRITY,
    USE_CANDIDATE,
    USERNAME,
    XOR_MAPPED_ADDRESS,
)

Address = tuple[str, int] | tuple[str, int, int, int]
"""As the socket gives it: host and port, for IPv6 also flow and scope."""

MAX_CHECK: Final = 1280
"""Bytes of the largest binding request that is looked at (RFC 8489 section 6.1: below the path MTU)."""

_MAX_ATTRIBUTES: Final = 32
"""Attributes of one message that are looked at; browsers send about eight."""

_INTEGRITY_OCTETS: Final = 24
_FINGERPRINT_OCTETS: Final = 8
_ROLE_CONFLICT: Final = b"\0\0\x04\x57Role Conflict"

_ICE_CHARS: Final = string.ascii_letters + string.digits + "+/"
_UFRAG_CHARS: Final = 12
"""72 random bits, so that ufrags of one process never meet; and long enough that a reply to IPv6 fits its request."""
_PWD_CHARS: Final = 24
"""144 random bits (RFC 8445 section 5.3 wants 128)."""


def new_credentials() -> tuple[str, str]:
    """A ufrag and a password, random and in the characters ICE allows (RFC 8839 section 5.4)."""
    return (
        "".join(secrets.choice(_ICE_CHARS) for _ in range(_UFRAG_CHARS)),
        "".join(secrets.choice(_ICE_CHARS) for _ in range(_PWD_CHARS)),
    )


def username_of(datagram: bytes) -> str | None:
    """The ufrag of ours that a STUN binding request names: what a datagram from a new address is dispatched by.

    Nothing is verified yet. Returns None for anything that is not a binding request with a username. Never raises.
    """
    attributes = attributes_of(datagram)
    if attributes is None:
        return None
    name = attributes.get(USERNAME)
    if name is None:
        return None
    start, length = name
    ufrag, colon, _ = datagram[start : start + length].partition(b":")
    return ufrag.decode("ascii", "replace") if colon else None


def answer_to_stranger(datagram: bytes, address: Address) -> bytes | None:
    """The reply to a binding request without a username: under which address it was seen (RFC 8489 section 6.3.1).

    For `liveclass doctor` and others who ask whether this port can be reached. Stateless, and never longer than the
    request, so that a forged source gains nothing; a request too short for that gets no reply.
    """
    attributes = attributes_of(datagram)
    if attributes is None or USERNAME in attributes:
        return None
    transaction = datagram[8:20]
    mapped = _xor_address(address, transaction)
    if mapped is None:
        return None
    body = ATTRIBUTE.pack(XOR_MAPPED_ADDRESS, len(mapped)) + mapped
    reply = HEADER.pack(BINDING_SUCCESS, len(body), COOKIE, transaction) + body
    return reply if len(reply) <= len(datagram) else None


class IceResult(NamedTuple):
    """What came of one datagram.

    Attributes:
        reply: to send to where the datagram came from; None when nothing is owed.
        valid: the peer has proved that it knows the password: the address is its own, and it consents (RFC 7675).
        nominated: media goes to this address from now on: the peer said USE-CANDIDATE, or it is the first valid check.
        role_conflict: the peer believes itself controlled; the reply says otherwise (RFC 8445 section 7.3.1.1).
        restarted: the credentials given to `restart` came into use; the former ufrag may be forgotten.
    """

    reply: bytes | None = None
    valid: bool = False
    nominated: bool = False
    role_conflict: bool = False
    restarted: bool = False


_NOTHING: Final = IceResult()


class _Credentials(NamedTuple):
    """`mac` is keyed and has seen no text: a copy takes 3 us, a new one 8 us, in which OpenSSL looks SHA-1 up."""

    ufrag: str
    username: bytes
    mac: HMAC


class IceLite:
    """The ICE agent of one session: always controlled, with one component and no check list.

    Args:
        local_ufrag: ours, as in the answer.
        local_pwd: ours; the key of every message.
        remote_ufrag: the offer's.
        remote_pwd: the offer's; not needed by an agent that sends no check, and not kept.

    Attributes:
        selected: the address that media goes to; None before the first valid check.
        last_valid: seconds, when the last valid check arrived; None before the first. Consent ends 30 s later.
    """

    __slots__ = ("_current", "_pending", "last_valid", "selected")

    def __init__(self, local_ufrag: str, local_pwd: str, remote_ufrag: str, remote_pwd: str = "") -> None:
        self._current = _credentials(local_ufrag, local_pwd, remote_ufrag)
        self._pending: _Credentials | None = None
        self.selected: Address | None = None
        self.last_valid: float | None = None

    @property
    def ufrags(self) -> tuple[str, ...]:
        """Our ufrags that lead to this session: the one in use, and after `restart` the new one."""
        return (self._current.ufrag,) if self._pending is None else (self._current.ufrag, self._pending.ufrag)

    def restart(self, local_ufrag: str, local_pwd: str, remote_ufrag: str, remote_pwd: str = "") -> None:
        """Begin an ICE restart (RFC 8445 section 2.4): the old credentials hold until the new ones are used."""
        self._pending = _credentials(local_ufrag, local_pwd, remote_ufrag)

    def receive(self, datagram: bytes, address: Address, now: float, seen: Address | None = None) -> IceResult:
        """Answer a STUN message from `address`; whatever is not a genuine check gives an empty result. Never raises.

        Args:
            now: seconds of the caller's monotonic clock.
            seen: what the peer is told that it was seen as, where `address` is the name of a TCP connection.
        """
        attributes = attributes_of(datagram)
        if attributes is None:
            return _NOTHING
        credentials = self._match(datagram, attributes)
        if credentials is None:
            return _NOTHING
        transaction = datagram[8:20]
        mapped = _xor_address(seen or address, transaction)
        if mapped is None:
            return _NOTHING
        self.last_valid = now
        restarted = credentials is self._pending
        if restarted:
            self._current, self._pending = credentials, None
        if ICE_CONTROLLED in attributes:
            conflict = _build(BINDING_ERROR, transaction, ERROR_CODE, _ROLE_CONFLICT, credentials.mac)
            return IceResult(conflict, valid=True, role_conflict=True, restarted=restarted)
        nominated = self.selected is None or restarted or USE_CANDIDATE in attributes
        if nominated:
            self.selected = address
        reply = _build(BINDING_SUCCESS, transaction, XOR_MAPPED_ADDRESS, mapped, credentials.mac)
        return IceResult(reply, valid=True, nominated=nominated, restarted=restarted)

    def _match(self, datagram: bytes, attributes: dict[int, tuple[int, int]]) -> _Credentials | None:
        """The credentials that this request was made with; None when it was not made with ours."""
        name = attributes.get(USERNAME)
        if name is None:
            return None
        username = datagram[name[0] : name[0] + name[1]]
        for credentials in (self._current, self._pending):
            if credentials is not None and username == credentials.username:
                return credentials if is_genuine(datagram, attributes, credentials.mac) else None
        return None


def _credentials(local_ufrag: str, local_pwd: str, remote_ufrag: str) -> _Credentials:
    return _Credentials(local_ufrag, f"{local_ufrag}:{remote_ufrag}".encode(), keyed(local_pwd))


def keyed(password: str) -> HMAC:
    """What every message of a password's holder is signed with, to be copied for each."""
    return new_mac(password.encode(), digestmod="sha1")


def sign(mac: HMAC, text: bytes) -> bytes:
    """The value of MESSAGE-INTEGRITY for this text."""
    one = mac.copy()
    one.update(text)
    return one.digest()


@lru_cache(maxsize=1)
def attributes_of(datagram: bytes, wanted: int = BINDING_REQUEST) -> dict[int, tuple[int, int]] | None:
    """Where each attribute of a binding request stands: type to (offset, length); None when it is no sound one.

    Args:
        wanted: the type of message that is read, where it is another than a request.

    The last answer is kept, as the dispatcher and the session ask for the same datagram one after the other; so it must
    not be changed.

    Attributes after MESSAGE-INTEGRITY count only if they are FINGERPRINT (RFC 8489 section 14.5). Of one type the
    first counts.
    """
    size = len(datagram)
    if not HEADER.size <= size <= MAX_CHECK:
        return None
    kind, length, cookie, _ = HEADER.unpack_from(datagram)
    if kind != wanted or cookie != COOKIE or length != size - HEADER.size or length % 4:
        return None
    found: dict[int, tuple[int, int]] = {}
    at = HEADER.size
    for _ in range(_MAX_ATTRIBUTES):
        if at == size:
            return found
        if at + 4 > size:
            return None
        name, length = ATTRIBUTE.unpack_from(datagram, at)
        end = at + 4 + length + (-length % 4)
        if end > size:
            return None
        if MESSAGE_INTEGRITY not in found or name == FINGERPRINT:
            found.setdefault(name, (at + 4, length))
        at = end
    return found if at == size else None


def is_genuine(datagram: bytes, attributes: dict[int, tuple[int, int]], mac: HMAC) -> bool:
    """Whether FINGERPRINT (last) and MESSAGE-INTEGRITY are there and right (RFC 8489 sections 14.5 and 14.7)."""
    integrity = attributes.get(MESSAGE_INTEGRITY)
    checksum = attributes.get(FINGERPRINT)
    if integrity is None or checksum is None or integrity[1] != 20 or checksum[1] != 4:
        return False
    if checksum[0] + 4 != len(datagram):
        return False
    covered = datagram[: len(datagram) - _FINGERPRINT_OCTETS]
    if (crc32(covered) ^ FINGERPRINT_XOR).to_bytes(4, "big") != datagram[checksum[0] :]:
        return False
    at = integrity[0]
    # The length in the header counts as if MESSAGE-INTEGRITY were the last attribute.
    text = datagram[:2] + (at + 20 - HEADER.size).to_bytes(2, "big") + datagram[4 : at - 4]
    return compare_digest(sign(mac, text), datagram[at : at + 20])


def _build(kind: int, transaction: bytes, name: int, value: bytes, mac: HMAC) -> bytes:
    """A response with one attribute, MESSAGE-INTEGRITY and FINGERPRINT."""
    body = ATTRIBUTE.pack(name, len(value)) + value + bytes(-len(value) % 4)
    size = len(body) + _INTEGRITY_OCTETS
    text = HEADER.pack(kind, size, COOKIE, transaction) + body
    signed = HEADER.pack(kind, size + _FINGERPRINT_OCTETS, COOKIE, transaction) + body
    signed += ATTRIBUTE.pack(MESSAGE_INTEGRITY, 20) + sign(mac, text)
    checksum = (crc32(signed) ^ FINGERPRINT_XOR).to_bytes(4, "big")
    return signed + ATTRIBUTE.pack(FINGERPRINT, 4) + checksum


def _xor_address(address: Address, transaction: bytes) -> bytes | None:
    """The value of XOR-MAPPED-ADDRESS (RFC 8489 section 14.2); None when `address` is no IP address."""
    packed = _packed(address[0])
    if not packed:
        return None
    pad = COOKIE.to_bytes(4, "big") + transaction
    host = int.from_bytes(packed, "big") ^ int.from_bytes(pad[: len(packed)], "big")
    family = 1 if len(packed) == 4 else 2
    return ATTRIBUTE.pack(family, address[1] ^ (COOKIE >> 16)) + host.to_bytes(len(packed), "big")


@lru_cache(maxsize=1024)
def _packed(host: str) -> bytes:
    """An IP address in network order; empty when it is none. Kept, since a peer asks from one address for an hour."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).packed
    except ValueError:
        return b""
