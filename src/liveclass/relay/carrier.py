"""How packets reach one subscriber at this moment: its keys, its address, its transport-wide numbers.

Over UDP a packet goes through the fan-out's ring; over TCP one by one through the endpoint. Knows no slot and no
policy.
"""

import secrets
from collections.abc import Sequence
from typing import Any

from liveclass.relay.fanout import Entry, Log, Outgoing, forward
from liveclass.relay.shape import numbered
from liveclass.transport.endpoint import Endpoint
from liveclass.transport.session import PeerSession

STRIDE = 0x9E3779B1
"""Between two SSRCs: odd, so that all 2^32 have their turn, and large, so that they look like chosen by chance."""


class Carrier:
    """The way to one subscriber.

    Args:
        number_id: id of the transport-wide extension, 0 where it was not negotiated.
        log: notes what is sent, when packets carry numbers.

    Attributes:
        failed: packets that could not be protected.
    """

    __slots__ = ("_endpoint", "_handle", "_name", "_session", "_ssrc", "failed", "log", "number_id")

    def __init__(self, endpoint: Endpoint, number_id: int, log: Log | None) -> None:
        self._endpoint = endpoint
        self._session: PeerSession | None = None
        self._handle: Any = None
        self._name = b""
        self._ssrc = secrets.randbits(32)
        self.number_id = number_id
        self.log = log
        self.failed = 0

    @property
    def ready(self) -> bool:
        """Keys and a way are there."""
        return self._handle is not None

    @property
    def direct(self) -> bool:
        """The fan-out itself can reach the subscriber."""
        return self._name != b""

    def new_ssrc(self) -> int:
        """An SSRC that no other stream of this session has, has had or will have: all are protected by one key."""
        self._ssrc = (self._ssrc + STRIDE) & 0xFFFFFFFF
        return self._ssrc or self.new_ssrc()

    def reach(self, session: PeerSession) -> None:
        """Keys or address are new."""
        self._session = session
        self._handle = session.sender.handle if session.sender is not None else None
        self._name = session.name

    def close(self) -> None:
        """The keys are about to go."""
        self._session = None
        self._handle = None
        self._name = b""

    def beside(self) -> "Carrier":
        """The same way for streams whose section of the offer has no transport-wide numbers: they share keys and
        address, and stand in no log."""
        return _Unnumbered(self)

    def entry(self, seq_offset: int, time_offset: int, ssrc: int) -> Entry:
        """A place in the fan-out's tables; only while `direct`."""
        return self._handle, self._name, seq_offset, time_offset, ssrc, self.log

    def send(self, packets: Sequence[Outgoing], seq_offset: int, time_offset: int, ssrc: int, now: float) -> None:
        """Send packets of one stream now.

        Args:
            packets: in the subscriber's shape; kept by the log.
        """
        self._send(packets, self.entry(seq_offset, time_offset, ssrc), now)

    def _send(self, packets: Sequence[Outgoing], entry: Entry, now: float) -> None:
        _, name, seq_offset, time_offset, ssrc, log = entry
        if self._handle is None:
            return
        if name:
            self.failed += forward(self._endpoint.batch, packets, [entry], now)
            return
        session = self._session
        if session is None or session.sender is None:
            return
        number = 0
        if log is not None:
            number = log.next
            log.runs.append((number, now, packets))
            log.next = number + len(packets)
        for packet, seq, timestamp in packets:
            head = packet[:2] + ((seq + seq_offset) & 0xFFFF).to_bytes(2, "big")
            head += ((timestamp + time_offset) & 0xFFFFFFFF).to_bytes(4, "big") + ssrc.to_bytes(4, "big")
            protected = session.sender.protect(numbered(head + packet[12:], number))
            number += 1
            if protected is None:
                self.failed += 1
            else:
                self._endpoint.transmit(session, protected)

    def repeat(self, packet: bytes, number: int, seq: int, timestamp: int, ssrc: int) -> None:
        """Send the very bytes of an earlier packet again, its transport-wide number included: under one sequence number
        nothing else may ever be protected (RFC 7714 section 8.4)."""
        session = self._session
        if session is None or session.sender is None:
            return
        head = packet[:2] + (seq & 0xFFFF).to_bytes(2, "big") + (timestamp & 0xFFFFFFFF).to_bytes(4, "big")
        protected = session.sender.protect(numbered(head + ssrc.to_bytes(4, "big") + packet[12:], number))
        if protected is None:
            self.failed += 1
        else:
            self._endpoint.transmit(session, protected)


class _Unnumbered(Carrier):
    """See `Carrier.beside`: keys, address and failures are the numbered carrier's."""

    __slots__ = ("_numbered",)

    def __init__(self, numbered_one: Carrier) -> None:
        super().__init__(numbered_one._endpoint, 0, None)
        self._numbered = numbered_one

    @property
    def ready(self) -> bool:
        return self._numbered.ready

    @property
    def direct(self) -> bool:
        return self._numbered.direct

    def new_ssrc(self) -> int:
        return self._numbered.new_ssrc()

    def entry(self, seq_offset: int, time_offset: int, ssrc: int) -> Entry:
        return (*self._numbered.entry(seq_offset, time_offset, ssrc)[:5], None)

    def send(self, packets: Sequence[Outgoing], seq_offset: int, time_offset: int, ssrc: int, now: float) -> None:
        self._numbered._send(packets, self.entry(seq_offset, time_offset, ssrc), now)

    def repeat(self, packet: bytes, number: int, seq: int, timestamp: int, ssrc: int) -> None:
        self._numbered.repeat(packet, number, seq, timestamp, ssrc)
