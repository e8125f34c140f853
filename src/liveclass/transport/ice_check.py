"""The asking side of ICE towards an ICE-lite server (RFC 8445 section 2.5): checks out, what they prove in.

Only another node of ours is ever asked, at addresses that it told itself over an authenticated connection. Pure: it
refuses to know sockets, sessions and media, and never answers anybody.
"""

import secrets
from collections.abc import Sequence
from typing import Final, NamedTuple
from zlib import crc32

from liveclass.transport.ice import Address, attributes_of, is_genuine, keyed, sign
from liveclass.transport.stun import (
    ATTRIBUTE,
    BINDING_REQUEST,
    BINDING_SUCCESS,
    COOKIE,
    FINGERPRINT,
    FINGERPRINT_XOR,
    HEADER,
    ICE_CONTROLLING,
    MESSAGE_INTEGRITY,
    PRIORITY,
    USE_CANDIDATE,
    USERNAME,
)

FIRST_WAIT_S: Final = 0.05
"""Until an unanswered check is sent again; doubles up to `REFRESH_S`."""

REFRESH_S: Final = 0.5
"""Between checks once one was answered: consent (RFC 7675), and how soon a node that vanished is noticed."""

DEAD_S: Final = 2.0
"""Silence of a node, while it is asked twice a second, after which it counts as gone."""

MAX_ASKED: Final = 16
"""Checks under way that are remembered; an answer to an older one is late beyond use."""

_HOST_PRIORITY: Final = (126 << 24) + (0xFFFF << 8) + 255


class Check(NamedTuple):
    """A binding request to be sent."""

    datagram: bytes
    address: Address


class IceCheck:
    """The agent of one session: always controlling, with one component; it nominates whatever answers first.

    Args:
        local_ufrag: ours, as in the offer.
        remote_ufrag, remote_pwd: the answer's; the password is the key of every message.
        candidates: where the server says that it is, best first.
        now: seconds of the caller's monotonic clock, as in every method.

    Attributes:
        selected: where the server answered; None before.
        heard: when it answered last, or the beginning.
    """

    __slots__ = ("_asked", "_candidates", "_mac", "_next", "_tie", "_username", "_wait", "heard", "selected")

    def __init__(
        self, local_ufrag: str, remote_ufrag: str, remote_pwd: str, candidates: Sequence[Address], now: float
    ) -> None:
        self._username = f"{remote_ufrag}:{local_ufrag}".encode()
        self._mac = keyed(remote_pwd)
        self._candidates = list(candidates)
        self._tie = secrets.token_bytes(8)
        self._asked: dict[bytes, Address] = {}
        self._next = now
        self._wait = FIRST_WAIT_S
        self.selected: Address | None = None
        self.heard = now

    def due(self, now: float) -> list[Check]:
        """The checks to send at `now`: to every candidate until one answers, then to that one alone."""
        if now < self._next:
            return []
        if self.selected is None:
            self._wait = min(2 * self._wait, REFRESH_S)
            self._next = now + self._wait / 2
            return [self._ask(address) for address in self._candidates]
        self._next = now + REFRESH_S
        return [self._ask(self.selected)]

    def receive(self, datagram: bytes, address: Address, now: float) -> bool:
        """Whether this is the genuine answer to a check of ours, from where it was sent to. Never raises."""
        attributes = attributes_of(datagram, BINDING_SUCCESS)
        if attributes is None:
            return False
        transaction = datagram[8:20]
        if self._asked.get(transaction) != address or not is_genuine(datagram, attributes, self._mac):
            return False
        del self._asked[transaction]
        self.heard = now
        if self.selected is None:
            self.selected = address
            self._next = now + REFRESH_S
        return True

    def _ask(self, address: Address) -> Check:
        transaction = secrets.token_bytes(12)
        self._asked[transaction] = address
        while len(self._asked) > MAX_ASKED:
            del self._asked[next(iter(self._asked))]
        name = self._username
        body = _attribute(USERNAME, name) + _attribute(PRIORITY, _HOST_PRIORITY.to_bytes(4, "big"))
        body += _attribute(ICE_CONTROLLING, self._tie) + _attribute(USE_CANDIDATE, b"")
        # Each counts itself as the last attribute (RFC 8489 sections 14.5 and 14.7).
        text = HEADER.pack(BINDING_REQUEST, len(body) + 24, COOKIE, transaction) + body
        body += _attribute(MESSAGE_INTEGRITY, sign(self._mac, text))
        text = HEADER.pack(BINDING_REQUEST, len(body) + 8, COOKIE, transaction) + body
        checksum = (crc32(text) ^ FINGERPRINT_XOR).to_bytes(4, "big")
        return Check(text + _attribute(FINGERPRINT, checksum), address)


def _attribute(name: int, value: bytes) -> bytes:
    return ATTRIBUTE.pack(name, len(value)) + value + bytes(-len(value) % 4)
