"""Whether what came over the wire is what it must be, judged by a decryptor that shares nothing with the server but the
keys: libsrtp, by pylibsrtp, as somebody with a packet trace and the keys would.

Knows SRTP and the header of RTP; refuses to know sockets, and which server sent it.
"""

import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pylibsrtp import Error, Session

EVERY = 10
"""One packet of so many of each stream is checked, and its first one, as libsrtp counts its rollovers from there."""

_HEAD = struct.Struct("!BBHII").unpack_from
_BLOCK = struct.Struct("!HH").unpack_from
ONE_BYTE = 0xBEDE
"""RFC 8285 section 4.2: extensions with a header of one byte."""


@dataclass(slots=True)
class Checks:
    """What all receivers of a process found.

    Attributes:
        payloads: those that were published, where the server forwards them as they are; empty: not looked at.
        checked: packets looked at.
        numbered: those of them that had a transport-wide number.
        faults: what was wrong with how many of them, by its name.
    """

    payloads: frozenset[bytes] = frozenset()
    checked: int = 0
    numbered: int = 0
    faults: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        return self.faults.total()


class Wire:
    """One receiver's packets.

    Args:
        session: libsrtp's, for what comes in.
        checks: where to count.
        number_id: id of the transport-wide number; 0: not negotiated. A server may give numbers to some packets only.
        repairs: payload type of retransmissions, whose payload is none that was published.
    """

    __slots__ = ("_checks", "_known", "_number_id", "_repairs", "_session", "_ssrcs")

    def __init__(self, session: Session, checks: Checks, *, number_id: int = 0, repairs: int = -1) -> None:
        self._session = session
        self._checks = checks
        self._number_id = number_id
        self._repairs = repairs
        self._known: dict[
            int, tuple[int, int, int]
        ] = {}  # by SSRC: payload type, sequence number, transport-wide number
        self._ssrcs: dict[int, int] = {}  # by payload type

    def check(self, datagram: bytes, since: int) -> None:
        """Look at one packet as it came, and count it.

        Args:
            since: packets of its stream that came since the last one that was checked, this one included.
        """
        self._checks.checked += 1
        fault = self._fault(datagram, since)
        if fault:
            self._checks.faults[fault] += 1

    def _fault(self, datagram: bytes, since: int) -> str:
        """What is wrong, in a word; empty when nothing is."""
        try:
            packet = self._session.unprotect(datagram)
        except Error:
            return "undecryptable"
        try:
            first, second, seq, _, ssrc = _HEAD(packet)
            at, number = _extensions(packet, first, self._number_id)
        except (struct.error, IndexError):
            return "header cut short"
        if first >> 6 != 2:
            return "version"
        kind = second & 0x7F
        if self._ssrcs.setdefault(kind, ssrc) != ssrc:
            return "SSRC"
        before = self._known.get(ssrc)
        numbered = number >= 0
        self._checks.numbered += numbered
        self._known[ssrc] = (kind, seq, number if numbered or before is None else before[2])
        if before is not None:
            if kind != before[0]:
                return "payload type"
            if not since <= (seq - before[1]) & 0xFFFF < 0x8000:
                return "sequence number"
            if numbered and before[2] >= 0 and not 0 < (number - before[2]) & 0xFFFF < 0x8000:
                return "transport-wide number"
        if kind != self._repairs and self._checks.payloads and packet[at:] not in self._checks.payloads:
            return "payload"
        return ""


def _extensions(packet: bytes, first: int, number_id: int) -> tuple[int, int]:
    """Where the payload begins, and the transport-wide number or -1.

    Raises:
        struct.error, IndexError: the header ends before it should.
    """
    at, number = 12 + 4 * (first & 0x0F), -1
    if not first & 0x10:
        return at, number
    profile, words = _BLOCK(packet, at)
    at, end = at + 4, at + 4 + 4 * words
    if end > len(packet):
        raise IndexError("the extensions are longer than the packet")
    while profile == ONE_BYTE and at < end:
        name, size = packet[at] >> 4, (packet[at] & 0x0F) + 1
        if name == 0:  # padding, of one byte
            at += 1
            continue
        if name == number_id and size == 2:
            number = packet[at + 1] << 8 | packet[at + 2]
        at += 1 + size
    return end, number


def as_json(checks: Checks) -> dict[str, Any]:
    """The columns of a run."""
    return {
        "checked": checks.checked,
        "checked_numbers": checks.numbered,
        "check_failed": checks.failed,
        "check_faults": dict(checks.faults),
    }
