"""TURN as a client asks for a relay (RFC 8656): credentials from a shared secret, requests, and answers read.

For what hands out credentials and for what tests a TURN server. Pure: bytes and clocks go in. It refuses to know
sockets; media never goes through here, for that is between browser and TURN server.
"""

import ipaddress
from base64 import b64encode
from dataclasses import dataclass, field
from hashlib import md5
from hmac import digest
from struct import Struct
from typing import Final

COOKIE: Final = 0x2112A442

ALLOCATE, CREATE_PERMISSION, CHANNEL_BIND, REFRESH = 0x0003, 0x0008, 0x0009, 0x0004
"""Methods (RFC 8656 section 17)."""

UNAUTHENTICATED, FORBIDDEN, STALE_NONCE, QUOTA_REACHED = 401, 403, 438, 486
"""Error codes (RFC 8489 section 14.8, RFC 8656 section 19)."""

_SUCCESS, _ERROR, _CLASS_MASK = 0x0100, 0x0110, 0x0110
_USERNAME, _MESSAGE_INTEGRITY, _ERROR_CODE, _REALM, _NONCE = 0x0006, 0x0008, 0x0009, 0x0014, 0x0015
_CHANNEL_NUMBER, _LIFETIME, _XOR_PEER, _XOR_RELAYED, _REQUESTED_TRANSPORT = 0x000C, 0x000D, 0x0012, 0x0016, 0x0019
_REQUESTED_FAMILY: Final = 0x0017
_UDP: Final = bytes((17, 0, 0, 0))

_header = Struct("!HHI12s")
_attribute = Struct("!HH")


def credentials(secret: str, ttl_s: float, now_s: float, user: str) -> tuple[str, str]:
    """Credentials of a TURN server with a shared secret (coturn's `use-auth-secret`).

    Args:
        secret: shared with the TURN server (`static-auth-secret`).
        ttl_s: seconds that they hold. Allocations made in that time may be refreshed for longer.
        now_s: seconds since 1970.
        user: what tells users apart; personal data has no place here, for TURN servers log it.

    Returns:
        Name and password: `expiry:user`, and its HMAC-SHA1 in base64.
    """
    username = f"{int(now_s + ttl_s)}:{user}"
    return username, b64encode(digest(secret.encode(), username.encode(), "sha1")).decode("ascii")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a TURN server said.

    Attributes:
        method: of the request that it answers.
        error: 0 when it did what was asked.
        realm, nonce: to be used in the next request.
        relayed: the address that it gave; None where it gave none.
    """

    method: int
    error: int = 0
    realm: bytes = b""
    nonce: bytes = b""
    relayed: tuple[str, int] | None = None


@dataclass(slots=True)
class TurnClient:
    """Makes one client's requests, and keeps what the server asks to have repeated.

    Args:
        username, password: as from `credentials`.
    """

    username: str
    password: str
    _realm: bytes = field(default=b"", init=False)
    _nonce: bytes = field(default=b"", init=False)

    def allocate(self, transaction: bytes, *, lifetime_s: int = 60, ipv6: bool = False) -> bytes:
        """Ask for a relay of UDP; first without credentials, since only the answer brings realm and nonce.

        Args:
            transaction: 12 random bytes.
            lifetime_s: coturn gives no less than 600.
        """
        body = _packed(_REQUESTED_TRANSPORT, _UDP) + _packed(_LIFETIME, lifetime_s.to_bytes(4, "big"))
        if ipv6:
            body += _packed(_REQUESTED_FAMILY, b"\x02\0\0\0")
        return self._request(ALLOCATE, body, transaction)

    def release(self, transaction: bytes) -> bytes:
        """Give the relay back (RFC 8656 section 8)."""
        return self._request(REFRESH, _packed(_LIFETIME, bytes(4)), transaction)

    def permit(self, peer: str, transaction: bytes, port: int = 9) -> bytes:
        """Ask to exchange datagrams with `peer`, an IP address."""
        return self._request(CREATE_PERMISSION, _packed(_XOR_PEER, _masked(peer, port, transaction)), transaction)

    def bind(self, peer: str, transaction: bytes, port: int = 9, channel: int = 0x4000) -> bytes:
        """The same by a channel (RFC 8656 section 12)."""
        body = _packed(_CHANNEL_NUMBER, channel.to_bytes(2, "big") + bytes(2))
        return self._request(CHANNEL_BIND, body + _packed(_XOR_PEER, _masked(peer, port, transaction)), transaction)

    def read(self, message: bytes, transaction: bytes) -> Answer | None:
        """The answer to the request with this transaction; None when it is something else. Never raises."""
        if len(message) < 20 or message[8:20] != transaction or int.from_bytes(message[4:8], "big") != COOKIE:
            return None
        kind = int.from_bytes(message[:2], "big")
        if kind & _CLASS_MASK not in (_SUCCESS, _ERROR):
            return None
        found: dict[int, bytes] = {}
        at = 20
        while at + 4 <= len(message):
            name, size = _attribute.unpack_from(message, at)
            found.setdefault(name, message[at + 4 : at + 4 + size])
            at += 4 + size + (-size % 4)
        code = found.get(_ERROR_CODE, b"")
        error = (code[2] & 7) * 100 + code[3] if len(code) >= 4 else 0
        if kind & _CLASS_MASK == _ERROR and not error:
            return None
        self._realm = found.get(_REALM, self._realm)
        self._nonce = found.get(_NONCE, self._nonce)
        relayed = _unmasked(found.get(_XOR_RELAYED, b""), transaction)
        return Answer(kind & ~_CLASS_MASK, error, self._realm, self._nonce, relayed)

    def _request(self, method: int, body: bytes, transaction: bytes) -> bytes:
        if not self._nonce:
            return _header.pack(method, len(body), COOKIE, transaction) + body
        body += _packed(_USERNAME, self.username.encode())
        body += _packed(_REALM, self._realm) + _packed(_NONCE, self._nonce)
        text = _header.pack(method, len(body) + 24, COOKIE, transaction) + body
        # RFC 8489 section 9.2.2 derives the long-term key so; nothing rests on the strength of MD5.
        key = md5(
            f"{self.username}:{self._realm.decode('utf-8', 'replace')}:{self.password}".encode(), usedforsecurity=False
        ).digest()
        return text + _packed(_MESSAGE_INTEGRITY, digest(key, text, "sha1"))


def message_length(head: bytes) -> int:
    """Bytes of the STUN message on a stream that begins with these 20, for TURN over TCP and TLS."""
    return 20 + int.from_bytes(head[2:4], "big")


def _packed(name: int, value: bytes) -> bytes:
    return _attribute.pack(name, len(value)) + value + bytes(-len(value) % 4)


def _masked(host: str, port: int, transaction: bytes) -> bytes:
    """RFC 8489 section 14.2."""
    packed = ipaddress.ip_address(host).packed
    mask = COOKIE.to_bytes(4, "big") + transaction
    hidden = bytes(a ^ b for a, b in zip(packed, mask, strict=False))
    return _attribute.pack(1 if len(packed) == 4 else 2, port ^ (COOKIE >> 16)) + hidden


def _unmasked(value: bytes, transaction: bytes) -> tuple[str, int] | None:
    if len(value) not in (8, 20):
        return None
    mask = COOKIE.to_bytes(4, "big") + transaction
    plain = bytes(a ^ b for a, b in zip(value[4:], mask, strict=False))
    return str(ipaddress.ip_address(plain)), int.from_bytes(value[2:4], "big") ^ (COOKIE >> 16)
