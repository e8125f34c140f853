"""One session of ours as a client: we offered, another node answered, and its media comes to us (DTLS-SRTP).

The mirror of `session.PeerSession`: it asks where that one answers (ICE, DTLS). Pure: datagrams and `now` go in,
datagrams to send come out. It knows no socket and refuses to know what the media is.
"""

import secrets

from liveclass.errors import PeerError
from liveclass.rtp.packet import is_rtcp
from liveclass.rtp.rtcp import RtcpPacket, parse
from liveclass.transport.dtls import Dtls, Identity
from liveclass.transport.ice import Address, new_credentials
from liveclass.transport.ice_check import DEAD_S, IceCheck
from liveclass.transport.sdp_pull import build_offer, parse_answer
from liveclass.transport.session import Handler, Reason
from liveclass.transport.srtp import SrtpReceiver, SrtpSender

MAX_STREAMS = 512
"""SSRCs of a node, which names each layer of each source by new ones: a lesson in which a hundred classrooms are called
has so many. A session that has used them up is made again."""

Outgoing = list[tuple[bytes, Address]]


class PullSession:
    """A session from our offer to its end.

    Args:
        identity: our certificate.
        handler: told of what comes; datagrams are still protected.
        native: what comes is the native module's to unprotect, where that was built.

    Attributes:
        offer: to be sent to the other node.
        number_id: id of the transport-wide extension in what it sends; 0 without.
        address: where it answered; None before.
        heard: when something authentic of it came last.
        over: nothing more comes.
    """

    __slots__ = (
        "_dtls",
        "_handler",
        "_ice",
        "_identity",
        "_native",
        "_ufrag",
        "heard",
        "number_id",
        "offer",
        "over",
        "receiver",
        "sender",
    )

    def __init__(self, identity: Identity, handler: Handler, now: float, *, native: bool = False) -> None:
        self._identity = identity
        self._native = native
        self._handler = handler
        self._ufrag, pwd = new_credentials()
        self.offer = build_offer(
            ufrag=self._ufrag, pwd=pwd, fingerprint=identity.fingerprint, session_id=secrets.randbits(62)
        )
        self._ice: IceCheck | None = None
        self._dtls: Dtls | None = None
        self.sender: SrtpSender | None = None
        self.receiver: SrtpReceiver | None = None
        self.number_id = 0
        self.heard = now
        self.over = False

    @property
    def address(self) -> Address | None:
        """Where the other node is reached."""
        return self._ice.selected if self._ice is not None else None

    def accept(self, answer: str, now: float) -> None:
        """Take the other node's answer.

        Raises:
            PeerError: it is none, or cannot be used.
        """
        parsed = parse_answer(answer)
        self._dtls = Dtls(self._identity, parsed.fingerprints, role="client", now=now)
        self._ice = IceCheck(self._ufrag, parsed.ufrag, parsed.pwd, parsed.candidates, now)
        self.number_id = parsed.number_id
        self.heard = now

    def poll(self, now: float) -> Outgoing:
        """What is due: checks, retransmissions of the handshake, or the end of a session whose node is gone."""
        ice, dtls = self._ice, self._dtls
        if self.over or ice is None or dtls is None:
            return []
        if now - max(self.heard, ice.heard) > DEAD_S and (self.receiver is not None or ice.selected is None):
            self._end("timeout", now)
            return []
        out: Outgoing = [(check.datagram, check.address) for check in ice.due(now)]
        if ice.selected is not None:
            out += self._to_peer(dtls.poll(now))
            self._follow(dtls, now)
        return out

    def receive(self, datagram: bytes, address: Address, now: float) -> Outgoing:
        """A datagram from anywhere; what is not the other node's is ignored (RFC 7983 section 7 tells kinds apart)."""
        ice, dtls = self._ice, self._dtls
        if self.over or ice is None or dtls is None or not datagram:
            return []
        first = datagram[0]
        if first < 4:
            fresh = ice.selected is None
            if ice.receive(datagram, address, now) and fresh:
                return self._to_peer(dtls.start(now))
            return []
        if ice.selected is None or address != ice.selected:
            return []
        if 19 < first < 64:
            replies = self._to_peer(dtls.receive(datagram, now))
            self._follow(dtls, now)
            return replies
        if 127 < first < 192 and self.receiver is not None:
            if is_rtcp(datagram):
                self._handler.rtcp(datagram, now)
            else:
                self._handler.rtp(datagram, now)
        return []

    def unprotect(self, datagram: bytes, now: float) -> bytes | None:
        """The RTP packet in a datagram; None when it is not authentic. One that is counts as a sign of life."""
        plain = self.receiver.unprotect(datagram) if self.receiver is not None else None
        if plain is not None:
            self.heard = now
        return plain

    def control(self, datagram: bytes, now: float) -> list[RtcpPacket] | None:
        """Decrypt and read a compound RTCP packet; None when it is forged, replayed or malformed."""
        plain = self.receiver.unprotect_rtcp(datagram) if self.receiver is not None else None
        if plain is None:
            return None
        self.heard = now
        try:
            return parse(plain)
        except PeerError:
            return None

    def protect(self, packet: bytes) -> bytes | None:
        """A compound RTCP packet as it travels; None when there are no keys."""
        return self.sender.protect_rtcp(packet) if self.sender is not None else None

    def close(self) -> Outgoing:
        """End it from our side: the farewell to send. Twice is harmless, and the handler is not told."""
        farewell = self._to_peer(self._dtls.close()) if self._dtls is not None else []
        self._release()
        return farewell

    def _to_peer(self, datagrams: list[bytes]) -> Outgoing:
        address = self.address
        return [(datagram, address) for datagram in datagrams] if address is not None else []

    def _follow(self, dtls: Dtls, now: float) -> None:
        if dtls.state == "connected" and self.receiver is None and dtls.keys is not None:
            self.sender = SrtpSender(dtls.keys)
            self.receiver = SrtpReceiver(dtls.keys, max_streams=MAX_STREAMS, native=self._native)
            dtls.keys.wipe()
            self.heard = now
            self._handler.connected(now)
        elif dtls.state == "failed":
            self._end("failed", now)
        elif dtls.state == "closed":
            self._end("peer_closed", now)

    def _end(self, reason: Reason, now: float) -> None:
        if not self.over:
            self._release()
            self._handler.closed(reason, now)

    def _release(self) -> None:
        self.over = True
        for half in (self.sender, self.receiver):
            if half is not None:
                half.close()
        self.sender = self.receiver = None
