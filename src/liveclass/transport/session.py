"""One peer on the media port: its ICE credentials, its DTLS handshake, its SRTP keys, and when it was last heard.

Pure: datagrams and `now` go in, datagrams to send come out. It knows no socket and refuses to know what the media is.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

from liveclass.errors import PeerError
from liveclass.rtp.rtcp import RtcpPacket, parse
from liveclass.transport.batch import Address, kernel_address
from liveclass.transport.dtls import Dtls, Identity
from liveclass.transport.ice import IceLite, new_credentials
from liveclass.transport.sdp import Offer
from liveclass.transport.srtp import SrtpReceiver, SrtpSender

MAX_ADDRESSES = 8
"""Addresses that one peer may be bound to at a time (mediasoup's number): more is a scan, not a change of network."""

CHECKS_PER_S = 50.0
"""Connectivity checks answered per peer and second: a full agent sends one per pair each 50 ms at its start."""

Reason = Literal["timeout", "peer_closed", "failed"]


class Handler(Protocol):
    """What a session's media goes to. Datagrams are still protected; calls never raise."""

    def connected(self, now: float) -> None: ...

    def moved(self, now: float) -> None:
        """The peer is reached at another address now."""

    def rtp(self, datagram: bytes, now: float) -> None: ...

    def rtcp(self, datagram: bytes, now: float) -> None: ...

    def closed(self, reason: Reason, now: float) -> None: ...


class Stream(Protocol):
    """A TCP connection that carries datagrams (`transport.tcp.TcpPeer`)."""

    @property
    def address(self) -> Address: ...

    @property
    def remote(self) -> Address: ...

    @property
    def is_open(self) -> bool: ...

    def send(self, datagram: bytes) -> bool: ...


class PeerSession:
    """A peer from its offer to its end.

    Args:
        session: the unguessable id that names it to those above.
        offer: what the peer offered; its candidates are never used.
        native: media are the native module's to protect and to unprotect, where that was built.

    Attributes:
        address: where datagrams to the peer go now; None before its first check, and when its last way is gone.
        name: the same as the kernel reads it; empty while the peer is on TCP or has no way.
        stream: the TCP connection that carries the session now; None on UDP.
        addresses: every address that the peer has proved to be its own, the latest last.
    """

    __slots__ = (
        "_budget",
        "_budget_at",
        "_credentials",
        "_ice",
        "_native",
        "address",
        "addresses",
        "dtls",
        "handler",
        "heard",
        "id",
        "name",
        "receiver",
        "sender",
        "stream",
    )

    def __init__(
        self, session: str, identity: Identity, offer: Offer, handler: Handler, now: float, *, native: bool = False
    ) -> None:
        self.id = session
        self._native = native
        self.handler = handler
        self._credentials = new_credentials()
        self._ice = IceLite(*self._credentials, offer.ufrag, offer.pwd)
        self.dtls = Dtls(identity, offer.fingerprints, role=offer.dtls_role, now=now)
        self.sender: SrtpSender | None = None
        self.receiver: SrtpReceiver | None = None
        self.address: Address | None = None
        self.name = b""
        self.stream: Stream | None = None
        self.addresses: dict[Address, Stream | None] = {}
        self.heard = now
        self._budget = CHECKS_PER_S
        self._budget_at = now

    @property
    def credentials(self) -> tuple[str, str]:
        """The newest local ICE user fragment and password."""
        return self._credentials

    @property
    def ufrags(self) -> Sequence[str]:
        """Every local user fragment that is answered now."""
        return self._ice.ufrags

    def restart(self, remote_ufrag: str, remote_pwd: str) -> tuple[str, str]:
        """Begin an ICE restart: new credentials are answered at once, the old ones until the new are used.

        Returns:
            The new local user fragment and password.
        """
        self._credentials = new_credentials()
        self._ice.restart(*self._credentials, remote_ufrag, remote_pwd)
        return self._credentials

    def stun(self, datagram: bytes, address: Address, now: float, stream: Stream | None = None) -> bytes | None:
        """A connectivity or consent check addressed to one of our user fragments.

        Args:
            stream: the TCP connection that it came by, whose name `address` is then.

        Returns:
            The answer; None where there is to be none (wrong integrity, too many).
        """
        self._budget = min(CHECKS_PER_S, self._budget + (now - self._budget_at) * CHECKS_PER_S)
        self._budget_at = now
        if self._budget < 1.0:
            return None
        self._budget -= 1.0
        result = self._ice.receive(datagram, address, now, stream.remote if stream is not None else None)
        if result.reply is None or not result.valid:
            return result.reply
        self.heard = now
        self.addresses.pop(address, None)
        while len(self.addresses) >= MAX_ADDRESSES:
            del self.addresses[next(iter(self.addresses))]
        self.addresses[address] = stream
        if (result.nominated or self.address is None) and address != self.address:
            self._go_by(address, stream)
        return result.reply

    def lost(self, address: Address) -> bool:
        """A TCP connection of the peer ended: the session goes on by the way that was proved last, if there is one.

        Returns:
            Whether the session was on that connection.
        """
        self.addresses.pop(address, None)
        if address != self.address:
            return False
        self.address, self.stream, self.name = None, None, b""
        if self.addresses:
            self._go_by(*next(reversed(self.addresses.items())))
        return True

    def _go_by(self, address: Address, stream: Stream | None) -> None:
        self.address = address
        self.stream = stream
        self.name = kernel_address(address) if stream is None else b""

    def begin(self, now: float) -> list[bytes]:
        """The first datagrams, once the peer's address is known: none unless the peer insists on being asked."""
        return self.dtls.start(now)

    def handshake(self, datagram: bytes, now: float) -> list[bytes]:
        """A DTLS record from a bound address; connects the handler when keys are there.

        Returns:
            Datagrams to send to the peer.
        """
        self.heard = now
        before = self.dtls.state
        replies = self.dtls.receive(datagram, now)
        self._follow(before, now)
        return replies

    def control(self, datagram: bytes, now: float) -> list[RtcpPacket] | None:
        """Decrypt and read a compound RTCP packet; an authentic one counts as a sign of life.

        Returns:
            What it holds; None when it is forged, replayed or malformed.
        """
        plain = self.receiver.unprotect_rtcp(datagram) if self.receiver is not None else None
        if plain is None:
            return None
        self.heard = now
        try:
            return parse(plain)
        except PeerError:
            return None

    def poll(self, now: float) -> list[bytes]:
        """Retransmissions of a handshake whose answer is late."""
        before = self.dtls.state
        replies = self.dtls.poll(now)
        self._follow(before, now)
        return replies

    def _follow(self, before: str, now: float) -> None:
        state = self.dtls.state
        if state == before:
            return
        if state == "connected":
            keys = self.dtls.keys
            if keys is None:
                raise PeerError("The handshake ended without keys.")
            self.sender = SrtpSender(keys, allow_repeat=True, native=self._native)
            self.receiver = SrtpReceiver(keys, native=self._native)
            keys.wipe()
            self.handler.connected(now)
        elif state in {"failed", "closed"}:
            self.handler.closed("failed" if state == "failed" else "peer_closed", now)
