"""A subscriber's session: its slots, and what it says back (NACK, PLI, receiver reports).

Knows its slots and its keys; which track goes into which slot is decided by the room.
"""

from collections.abc import Callable, Sequence

from liveclass.relay.slot import Slot
from liveclass.rtp import rtcp as control
from liveclass.transport.endpoint import Endpoint
from liveclass.transport.session import PeerSession, Reason

RETRANSMISSIONS_PER_S = 250.0
"""Packets a second that a subscriber may have again: over the 175 of a whole lesson, so that a burst heals in a second,
and bounded, so that a link which loses everything is not drowned by repairs."""

MAX_RTCP_PER_S = 100.0
"""RTCP datagrams a second that are looked at; Chromium sends about 15."""


class Subscriber:
    """Implements `transport.session.Handler` for a receiving peer.

    Args:
        participant: who receives.
        audio, video: the slots in the order of the offer's m-lines.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        participant: str,
        audio: Sequence[Slot],
        video: Sequence[Slot],
        *,
        on_connected: Callable[["Subscriber", float], None],
        on_closed: Callable[["Subscriber", Reason, float], None],
    ) -> None:
        self.session: PeerSession | None = None
        self.participant = participant
        self.audio = audio
        self.video = video
        self._endpoint = endpoint
        self._on_connected = on_connected
        self._on_closed = on_closed
        self._by_ssrc = {slot.ssrc: slot for slot in (*audio, *video)}
        self._budget = RETRANSMISSIONS_PER_S
        self._messages = MAX_RTCP_PER_S
        self._budget_at = 0.0
        self.malformed = 0
        self.nacked = 0
        self.plis = 0
        self.fraction_lost = 0.0
        for slot in (*audio, *video):
            slot.send_report = self._send

    @property
    def slots(self) -> list[Slot]:
        """All slots, sound first."""
        return [*self.audio, *self.video]

    def connected(self, now: float) -> None:
        """Keys are there: packets may flow."""
        self._reach(now)
        self._on_connected(self, now)

    def moved(self, now: float) -> None:
        """The peer is reached at another address."""
        self._reach(now)

    def _reach(self, now: float) -> None:
        session = self.session
        if session is None or session.sender is None or not session.name:
            return
        for slot in self.slots:
            slot.connect(session.sender.context, session.name)
            if slot.track is not None and slot.kind == "video":
                slot.track.request_keyframe(now)

    def closed(self, reason: Reason, now: float) -> None:
        """The session ended from below."""
        self._on_closed(self, reason, now)

    def end(self, now: float) -> None:
        """Every slot lets go of its track; must come before the SRTP keys go.

        What refers back is let go of as well, so that reference counts alone return the memory.
        """
        for slot in self.slots:
            slot.show(None, now)
            slot.handle = None
            slot.send_report = None
        self.session = None

    def rtp(self, datagram: bytes, now: float) -> None:
        """A subscriber has no media to send: dropped and counted."""
        self.malformed += 1

    def rtcp(self, datagram: bytes, now: float) -> None:
        """Feedback of the receiver."""
        elapsed, self._budget_at = now - self._budget_at, now
        self._budget = min(RETRANSMISSIONS_PER_S, self._budget + elapsed * RETRANSMISSIONS_PER_S)
        self._messages = min(MAX_RTCP_PER_S, self._messages + elapsed * MAX_RTCP_PER_S)
        if self._messages < 1.0 or self.session is None:
            return
        self._messages -= 1.0
        packets = self.session.control(datagram, now)
        if packets is None:
            self.malformed += 1
            return
        for packet in packets:
            if isinstance(packet, control.Nack):
                slot = self._by_ssrc.get(packet.media)
                if slot is not None:
                    self.nacked += len(packet.seqs)
                    self._budget -= slot.retransmit(self._endpoint.batch, packet.seqs, int(self._budget))
            elif isinstance(packet, control.Pli):
                self._keyframe(packet.media, now)
            elif isinstance(packet, control.Fir):
                for ssrc, _ in packet.entries:
                    self._keyframe(ssrc, now)
            elif isinstance(packet, control.ReceiverReport | control.SenderReport):
                for block in packet.reports:
                    if block.ssrc in self._by_ssrc:
                        self.fraction_lost += (block.fraction_lost / 256 - self.fraction_lost) / 4

    def _keyframe(self, ssrc: int, now: float) -> None:
        slot = self._by_ssrc.get(ssrc)
        if slot is not None and slot.track is not None:
            self.plis += 1
            slot.track.request_keyframe(now)

    def _send(self, packet: bytes) -> None:
        session = self.session
        if session is not None and session.sender is not None and session.address is not None:
            protected = session.sender.protect_rtcp(packet)
            if protected is not None:
                self._endpoint.batch.send(protected, session.address)
