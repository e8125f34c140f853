"""Reads a DTLS 1.2 peer's alerts once the handshake is done, so that the 92 kB of a TLS object need not live on.

A media session's DTLS has nothing left to do but to hear that the peer leaves. This knows just that: the records of
one cipher suite family, AES-128-GCM with SHA-256 (RFC 5288), which every WebRTC peer must have (RFC 8827 section 6.5)
and which `dtls` insists on. It writes nothing and never raises.
"""

import hmac
from typing import Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

RECORD_HEADER: Final = 13
"""Bytes: type, version, epoch, sequence number, length (RFC 6347 section 4.1)."""

_ALERT: Final = 21
_EPOCH: Final = b"\0\1"
_EXPLICIT_NONCE: Final = 8
_TAG: Final = 16
_FATAL: Final = 2
_CLOSE_NOTIFY: Final = 0
_KEY: Final = 16
_SALT: Final = 4


class AlertReader:
    """The peer's half of the keys of one connection.

    Args:
        master_secret, client_random, server_random: of the handshake.
        peer: which side the peer was.
    """

    __slots__ = ("_key", "_salt")

    def __init__(
        self, master_secret: bytes, client_random: bytes, server_random: bytes, *, peer: Literal["client", "server"]
    ) -> None:
        # RFC 5246 section 6.3: both keys, then both salts, the client's before the server's.
        block = _expand(master_secret, b"key expansion" + server_random + client_random, 2 * (_KEY + _SALT))
        side = 0 if peer == "client" else 1
        self._key = block[side * _KEY : (side + 1) * _KEY]
        self._salt = block[2 * _KEY + side * _SALT : 2 * _KEY + (side + 1) * _SALT]

    def says_farewell(self, datagram: bytes) -> bool:
        """Whether an authentic record of `datagram` is a close_notify or a fatal alert (RFC 5246 section 7.2)."""
        return any(self._ends(record) for record in records(datagram))

    def _ends(self, record: bytes) -> bool:
        if record[0] != _ALERT or record[3:5] != _EPOCH:
            return False
        size = len(record) - RECORD_HEADER - _EXPLICIT_NONCE - _TAG
        if size != 2:
            return False
        start = RECORD_HEADER + _EXPLICIT_NONCE
        # RFC 5288 section 3, with epoch and sequence number as the 64-bit number of the additional data.
        context = record[3:11] + record[:3] + size.to_bytes(2, "big")
        try:
            level, description = AESGCM(self._key).decrypt(
                self._salt + record[RECORD_HEADER:start], record[start:], context
            )
        except InvalidTag:
            return False
        return level == _FATAL or description == _CLOSE_NOTIFY


def records(datagram: bytes) -> list[bytes]:
    """The whole DTLS records of a datagram; a torn one at its end is left out."""
    found: list[bytes] = []
    start = 0
    while start + RECORD_HEADER <= len(datagram):
        end = start + RECORD_HEADER + int.from_bytes(datagram[start + 11 : start + 13], "big")
        if end > len(datagram):
            break
        found.append(datagram[start:end])
        start = end
    return found


def _expand(secret: bytes, seed: bytes, length: int) -> bytes:
    """P_SHA256 (RFC 5246 section 5)."""
    output, chain = b"", seed
    while len(output) < length:
        chain = hmac.digest(secret, chain, "sha256")
        output += hmac.digest(secret, chain + seed, "sha256")
    return output[:length]
