"""One source on its way into a recording: packets in the order of arrival in, access units with their time out.

Waits for retransmissions (a viewer cannot, the recorder can), puts packets together, and maps the publisher's clock
onto the lesson's. Knows nothing of renditions.
"""

from collections.abc import Iterable
from math import inf
from typing import NamedTuple

from liveclass.errors import PeerError
from liveclass.relay.source import SourceHandle
from liveclass.rtp.clock import PublisherClock, SourceClock
from liveclass.rtp.depacketize import AccessUnit, make_depacketizer
from liveclass.rtp.reorder import Arrived, ReorderBuffer

_ASK_AGAIN_S = 1.0
"""The relay throttles and repeats on its own; this only spares it calls."""

_NOTE_AGAIN_S = 0.1

# Enough for reorder_s of a 10 Mbit/s screen.
_MAX_WAITING = 4096


class TimedUnit(NamedTuple):
    """An access unit and when it was sampled, in seconds of the server's monotonic clock."""

    at: float
    unit: AccessUnit


class Feed:
    """One source.

    Attributes:
        serial: counts up with each source, so that of two the newer is known.
        heard: when the last packet arrived.
        known_until: until when all units have come out, as far as packets arrived; None before the first.
        removed: when the source ended; None while it lives.
        malformed: packets that could not be read.
    """

    __slots__ = (
        "_asked_s",
        "_clock",
        "_depacketizer",
        "_noted",
        "_noted_at",
        "_reorder",
        "handle",
        "heard",
        "info",
        "known_until",
        "malformed",
        "removed",
        "serial",
    )

    def __init__(
        self, handle: SourceHandle, serial: int, publisher: PublisherClock, reorder_s: float, now: float
    ) -> None:
        self.handle = handle
        self.info = handle.info
        self.serial = serial
        self.heard = now
        self._noted = -1
        self._noted_at = now
        self.known_until: float | None = None
        self.removed: float | None = None
        self.malformed = 0
        self._asked_s = -inf
        self._clock = SourceClock(self.info.codec.clock_rate, publisher)
        self._reorder = ReorderBuffer(reorder_s, _MAX_WAITING)
        self._depacketizer = make_depacketizer(self.info.codec)

    def waits_for_keyframe(self, now: float) -> bool:
        """Packets of pictures come, but none can be shown before the next keyframe."""
        return self._depacketizer.waiting and self._noted >= 0 and now - self.heard < _ASK_AGAIN_S

    def media_comes(self, now: float) -> bool:
        """Whether something of it could be recorded lately."""
        return self.known_until is not None and now - self.heard < _ASK_AGAIN_S

    def ask(self, now: float) -> None:
        """Ask the publisher for a keyframe, unless it was asked just now or has ended."""
        if self.removed is None and now - self._asked_s >= _ASK_AGAIN_S:
            self._asked_s = now
            self.handle.request_keyframe(now)

    def packet(self, seq: int, timestamp: int, marker: bool, payload: bytes, now: float) -> list[TimedUnit]:
        """Take one packet; returns the units that are ready."""
        # The packets of one frame tell the clock the same thing; it need not hear each of them, only no silence.
        if timestamp != self._noted or now - self._noted_at > _NOTE_AGAIN_S:
            self._noted, self._noted_at = timestamp, now
            self._clock.arrival(timestamp, now)
        elif marker:
            self._clock.heard(now)
        self.heard = now
        reorder = self._reorder
        if reorder.passes(seq):
            try:
                found = self._depacketizer.push(seq, timestamp, marker, payload)
            except PeerError:
                self.malformed += 1
                return []
            return self._timed(found) if found else []
        reorder.push(seq, timestamp, marker, payload, now)
        ready = reorder.pop(now)
        return self._units(ready) if ready else []

    def tick(self, now: float) -> list[TimedUnit]:
        """The units that need not wait any longer for what is missing."""
        reorder = self._reorder
        return self._units(reorder.pop(now)) if reorder.next_deadline <= now else []

    def flush(self) -> list[TimedUnit]:
        """The units that are left when the source has ended."""
        units = self._units(self._reorder.flush())
        return units + self._timed(self._depacketizer.flush())

    def sender_report(self, ntp_s: float, timestamp: int, now: float) -> None:
        """The publisher's own word on its clock (RFC 3550 section 6.4.1)."""
        self._clock.sender_report(ntp_s, timestamp, now)

    def _units(self, packets: Iterable[Arrived]) -> list[TimedUnit]:
        push = self._depacketizer.push
        units: list[TimedUnit] = []
        for packet in packets:
            try:
                found = push(packet.seq, packet.timestamp, packet.marker, packet.payload)
            except PeerError:
                self.malformed += 1
                continue
            if found:
                units += self._timed(found)
        return units

    def _timed(self, units: Iterable[AccessUnit]) -> list[TimedUnit]:
        timed = []
        for unit in units:
            self.known_until = at = self._clock.to_timeline(unit.timestamp)
            timed.append(TimedUnit(at, unit))
        return timed
