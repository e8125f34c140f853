"""A subscriber's session: its slots, and what it says back (feedback on congestion, NACK, PLI, receiver reports).

Knows its slots and its keys; which source goes into which slot is decided by the room, how much of it by the downlink.
"""

from collections.abc import Callable, Sequence

from liveclass.errors import PeerError
from liveclass.relay.carrier import Carrier
from liveclass.relay.downlink import Downlink
from liveclass.relay.ports import Rung
from liveclass.relay.slot import Slot
from liveclass.rtp import rtcp as control
from liveclass.rtp.xr import build_dlrr
from liveclass.transport.endpoint import Endpoint
from liveclass.transport.session import PeerSession, Reason

REPAIR_SHARE, LEAST_REPAIR_BYTES_PER_S = 0.25, 8_000.0
"""Of what such a subscriber is sent, and at least a voice's worth."""

REPAIR_BYTES_PER_S = 275_000.0
"""The most bytes a second that a subscriber without congestion feedback may have again: 250 packets, over the 175 of a
whole lesson, so that a burst heals in a second, and bounded, so that a link which loses everything is not drowned by
repairs."""

AGAIN_S = 0.05
"""Such a subscriber's request for a packet that was sent again just now is answered by that one."""

MAX_RTCP_PER_S = 100.0
"""RTCP datagrams a second that are looked at; Chromium sends about 25, twenty of them feedback on congestion."""


MAX_KEPT = 16
"""Feedback datagrams that wait unopened: more than a browser sends between two looks."""


class Subscriber:
    """Implements `transport.session.Handler` for a receiving peer.

    Args:
        participant: who receives.
        audio, video: the slots in the order of the offer's m-lines.
        downlink: fits what is sent to the link; None sends everything (plain forwarding).
        teaches: a volunteer's page, which is to hear and see as many classrooms as it has room for.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        participant: str,
        carrier: Carrier,
        audio: Sequence[Slot],
        video: Sequence[Slot],
        downlink: Downlink | None,
        *,
        on_connected: Callable[["Subscriber", float], None],
        on_closed: Callable[["Subscriber", Reason, float], None],
        teaches: bool = False,
    ) -> None:
        self.session: PeerSession | None = None
        self.participant = participant
        self.teaches = teaches
        self.audio = audio
        self.video = video
        self.downlink = downlink
        self._endpoint = endpoint
        self._carrier = carrier
        self._on_connected = on_connected
        self._on_closed = on_closed
        self._by_ssrc = {slot.ssrc: slot for slot in (*audio, *video)}
        self._budget = REPAIR_BYTES_PER_S
        self._messages = MAX_RTCP_PER_S
        self._budget_at = self._messages_at = 0.0
        self._kept: list[tuple[bytes, float]] = []
        self._live = True
        self.malformed = 0
        self.nacked = 0
        self.plis = 0
        self.fraction_lost = 0.0
        for slot in (*audio, *video):
            slot.send_report = self._send

    @property
    def unprotectable(self) -> int:
        """Packets outside the fan-out's tables that could not be protected."""
        return self._carrier.failed

    @property
    def slots(self) -> list[Slot]:
        """All slots, sound first."""
        return [*self.audio, *self.video]

    def connected(self, now: float) -> None:
        """Keys are there: packets may flow."""
        self._reach(now)
        self._on_connected(self, now)

    def moved(self, now: float) -> None:
        """The peer is reached in another way."""
        if self.downlink is not None:
            self.downlink.moved(now)
        self._reach(now)

    def _reach(self, now: float) -> None:
        session = self.session
        if session is None or session.sender is None:
            return
        if self.downlink is not None:
            self.downlink.alert(now)
        self._carrier.reach(session)
        if self.downlink is not None:
            self.downlink.changed()
        for slot in self.slots:
            slot.reached()
            if slot.track is not None and slot.kind == "video":
                slot.track.request_keyframe(now)

    def arranged(self, now: float) -> None:
        """Slots show other sources: the downlink decides on layers, or all is sent at its best."""
        if self.downlink is not None:
            self.downlink.arrange(now)
            return
        for slot in self.slots:
            source = slot.source if self._live else None
            tracks = source.tracks if source is not None else []
            alive = [t for t in tracks if source is not None and source.live(t, now)] or tracks
            slot.choose(alive[-1] if alive else None, now)

    def watch(self, live: bool, ceiling: Rung, now: float) -> None:
        """What the page wants of the live media; without a downlink there is all or nothing."""
        self._live = live
        if self.downlink is not None:
            self.downlink.watch(live, ceiling, now)
        self.arranged(now)

    def closed(self, reason: Reason, now: float) -> None:
        """The session ended from below."""
        self._on_closed(self, reason, now)

    def end(self, now: float) -> None:
        """Every slot lets go of its track; must come before the SRTP keys go.

        What refers back is let go of as well, so that reference counts alone return the memory.
        """
        for slot in self.slots:
            slot.show(None, now)
            slot.send_report = None
            slot.pacer = None
        if self.downlink is not None:
            self.downlink.roused = None
        self._carrier.close()
        self.session = None

    def rtp(self, datagram: bytes, now: float) -> None:
        """A subscriber has no media to send: dropped and counted."""
        self.malformed += 1

    def rtcp(self, datagram: bytes, now: float) -> None:
        """Feedback of the receiver."""
        downlink = self.downlink
        if downlink is not None and downlink.resting and _tells_arrivals(datagram):
            self._kept.append((datagram, now))
            if now >= downlink.look_at or len(self._kept) == MAX_KEPT:
                self._look(downlink, now)
            return
        if self._kept and (downlink is None or not downlink.resting):
            self._open_kept()
        self._open(datagram, now)

    def _look(self, downlink: Downlink, now: float) -> None:
        """The newest of the feedback that waits is looked at; when it is not clean, all that wait are taken."""
        newest, _ = self._kept.pop()
        session = self.session
        plain = None
        if session is not None and session.receiver is not None:
            plain = session.receiver.unprotect_rtcp(newest)
        if session is None or plain is None:
            self.malformed += 1
            self._open_kept()
            return
        session.heard = now
        try:
            packets = control.parse(plain, raw_feedback=True)
            only = packets[0] if len(packets) == 1 else None
            if isinstance(only, control.TransportFeedbackBody) and downlink.glance(only.body, now):
                self._kept.clear()
                return
            self._open_kept()
            for packet in packets:
                self._hear(packet, now)
        except PeerError:
            self.malformed += 1

    def _open_kept(self) -> None:
        kept, self._kept = self._kept, []
        for datagram, at in kept:
            self._open(datagram, at)

    def _open(self, datagram: bytes, now: float) -> None:
        elapsed, self._messages_at = now - self._messages_at, now
        self._messages = min(MAX_RTCP_PER_S, self._messages + elapsed * MAX_RTCP_PER_S)
        session = self.session
        if self._messages < 1.0 or session is None or session.receiver is None:
            return
        plain = session.receiver.unprotect_rtcp(datagram)
        if plain is None:
            self.malformed += 1
            return
        # Only what proved to be the subscriber's own counts: others can send from its address.
        self._messages -= 1.0
        session.heard = now
        try:
            for packet in control.parse(plain, raw_feedback=True):
                self._hear(packet, now)
        except PeerError:
            self.malformed += 1

    def _repair_allowance(self, now: float) -> float:
        """Bytes of repairs a second where nothing is known of the link."""
        sent = sum(slot.track.bps(now) for slot in self.slots if slot.track is not None) / 8
        return min(REPAIR_BYTES_PER_S, max(LEAST_REPAIR_BYTES_PER_S, REPAIR_SHARE * sent))

    def _hear(self, packet: control.RtcpPacket, now: float) -> None:
        if isinstance(packet, control.TransportFeedbackBody):
            if self.downlink is not None:
                self.downlink.feedback(packet.body, now)
        elif isinstance(packet, control.Nack):
            slot = self._by_ssrc.get(packet.media)
            if slot is not None:
                self.nacked += len(packet.seqs)
                if self.downlink is not None:
                    self.downlink.repair(slot, packet.seqs, now)
                else:
                    # Only here: to look at every stream for each report of each subscriber was 1.5% of the server.
                    allowance = self._repair_allowance(now)
                    elapsed, self._budget_at = now - self._budget_at, now
                    self._budget = min(allowance, self._budget + elapsed * allowance)
                    self._budget -= slot.retransmit(packet.seqs, int(self._budget), AGAIN_S, now)
        elif isinstance(packet, control.Pli):
            self._keyframe(packet.media, now)
        elif isinstance(packet, control.Fir):
            for ssrc, _ in packet.entries:
                self._keyframe(ssrc, now)
        elif isinstance(packet, control.ReferenceTime):
            # The receiver of media alone has no other way to learn its round trip, which times its NACKs (RFC 3611).
            middle = control.ntp_middle(packet.ntp)
            self._send(build_dlrr(self.slots[0].ssrc, packet.sender, middle, 0.0))
        elif isinstance(packet, (control.ReceiverReport, control.SenderReport)):
            for block in packet.reports:
                if block.ssrc in self._by_ssrc:
                    self.fraction_lost += (block.fraction_lost / 256 - self.fraction_lost) / 4

    def _keyframe(self, ssrc: int, now: float) -> None:
        slot = self._by_ssrc.get(ssrc)
        if slot is not None and slot.track is not None:
            self.plis += 1
            # A slot that starves asks by itself, when there is room for what it asks for.
            if not slot.starving:
                slot.track.request_keyframe(now)

    def _send(self, packet: bytes) -> None:
        session = self.session
        if session is not None and session.sender is not None:
            protected = session.sender.protect_rtcp(packet)
            if protected is not None:
                self._endpoint.transmit(session, protected)


def _tells_arrivals(datagram: bytes) -> bool:
    """Whether this SRTCP datagram begins with transport-wide feedback: the first header is not encrypted (RFC 3711
    section 3.4). Browsers send such feedback by itself."""
    return datagram[1] == control.TRANSPORT_LAYER_FEEDBACK and datagram[0] & 0x1F == control.TRANSPORT_WIDE_FORMAT
