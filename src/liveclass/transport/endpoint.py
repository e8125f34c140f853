"""The media port: reads datagrams, from UDP or from TCP connections, finds the session each belongs to, drops the rest.

Order of trust: STUN is matched by our user fragment and its integrity; DTLS and SRTP are taken only from an address
that such a check has bound. No exception leaves the callback; every drop is counted. It knows sessions, not lessons.
"""

import asyncio
import contextlib
import logging
import secrets
import socket
import time
from collections.abc import Callable, Sequence

from liveclass.errors import PeerError, UsageError
from liveclass.rtp.packet import is_rtcp
from liveclass.transport.addresses import told
from liveclass.transport.batch import Address, Batch
from liveclass.transport.counters import Counters, Echoes
from liveclass.transport.dtls import Identity
from liveclass.transport.ice import answer_to_stranger, username_of
from liveclass.transport.inbox import Inbox
from liveclass.transport.native import built
from liveclass.transport.sdp import Offer
from liveclass.transport.session import Handler, PeerSession
from liveclass.transport.tcp import SCHEME, Listener, TcpPeers, listening

log = logging.getLogger(__name__)

SOCKET_BUFFER_BYTES = 8 * 1024 * 1024
"""A keyframe to 400 subscribers is 20 MB in a burst; the kernel caps this at net.core.*mem_max."""

TICK_S = 0.02
"""How often deadlines are looked at: a lost packet is asked for again within this."""

SWEEP_S = 1.0
"""How often sessions and connections are searched for peers that vanished."""

MAX_TCP_CANDIDATES = 4
"""A browser opens a connection to each candidate, so only the likeliest are told."""


class Endpoint:
    """One socket, one callback.

    Args:
        identity: the certificate shown to every peer.
        timeout_s: silence after which a session is closed (consent, RFC 7675).
        max_sessions: sessions at a time; one more is refused with status 503.
        public: addresses that browsers are told; empty: this machine's own.
        max_tcp_peers: TCP connections for media at a time; 0: media over UDP alone.
        native: send and receive by the native module, where that was built.

    Attributes:
        tcp: the connections for media; `tcp.adopt` takes further ones, from another listening port.
        tcp_ports: where such connections are accepted, the likeliest to get through first.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        timeout_s: float,
        max_sessions: int,
        public: Sequence[str] = (),
        max_tcp_peers: int = 0,
        native: bool = False,
    ) -> None:
        self.identity = identity
        self.counters = Counters()
        self.port = 0
        self._timeout_s = timeout_s
        self._max_sessions = max_sessions
        self._native = native
        self._public = list(public)
        self._host = ""
        self._by_ufrag: dict[str, PeerSession] = {}
        self._by_address: dict[Address, PeerSession] = {}
        self.sessions: dict[str, PeerSession] = {}
        self._handshaking: dict[str, PeerSession] = {}
        self._tickers: list[Callable[[float], None]] = []
        self._swept = 0.0
        self._echoes = Echoes()
        self._timer: asyncio.TimerHandle | None = None
        self._listeners: list[Listener] = []
        self._takes_tcp = max_tcp_peers > 0
        self.tcp = TcpPeers(self._framed, self._settle, self._lost, time.monotonic, max_tcp_peers)
        self.tcp_ports: list[int] = []

    @property
    def is_native(self) -> bool:
        """Whether media are the native module's to receive, and to protect and send to subscribers."""
        return self._native and built()

    async def open(self, host: str, port: int, *, listen_tcp: bool = True) -> None:
        """Bind the port and begin to read.

        Args:
            listen_tcp: accept connections on the same number too. Where somebody else holds that, media over TCP is
                left to the pages' port, with a warning.

        Raises:
            UsageError: the port cannot be bound.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self._socket.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
        if family == socket.AF_INET6:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            raise UsageError(
                f"UDP port {port} on {host} cannot be opened ({error.strerror}); choose another with --udp-port."
            ) from error
        self._host = host
        self.port = int(self._socket.getsockname()[1])
        self.batch = Batch(self._socket)
        self._inbox = Inbox(self._socket, native=self._native)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._readable)
        self._timer = self._loop.call_later(TICK_S, self._tick)
        if self._takes_tcp and listen_tcp:
            try:
                self._listeners = [Listener(sock, self.tcp.adopt) for sock in listening(host, self.port)]
            except OSError as error:
                log.warning("TCP port %d takes no media: %s", self.port, error.strerror)
            else:
                self.tcp_ports.append(self.port)

    def close(self) -> None:
        """Tell every peer goodbye and leave the port."""
        now = time.monotonic()
        for session in list(self.sessions.values()):
            self.forget(session, now)
        for listener in self._listeners:
            listener.close()
        self._listeners = []
        self.tcp.close_all()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._loop.remove_reader(self._socket)
        self._inbox.close()
        self.batch.close()
        self._socket.close()

    def every_tick(self, ticker: Callable[[float], None]) -> None:
        """Call `ticker(now)` every `TICK_S` seconds."""
        self._tickers.append(ticker)

    def candidates(self, reached_at: str) -> list[tuple[str, int]]:
        """The addresses a peer is told, best first.

        Args:
            reached_at: the address of ours that the peer's HTTP request came to, which surely works unless a proxy
                stands between; empty when not known.
        """
        found = told(self._public, self._host, reached_at)
        return [(address, self.port) for address in found]

    def tcp_candidates(self, reached_at: str) -> list[tuple[str, int]]:
        """Where a peer may connect by TCP (RFC 6544, `tcptype passive`), best first; empty where TCP is off.

        Args:
            reached_at: as `candidates`.
        """
        hosts = [host for host, _ in self.candidates(reached_at)]
        found = [(host, port) for host in hosts for port in dict.fromkeys(self.tcp_ports)]
        return found[:MAX_TCP_CANDIDATES] if self._takes_tcp else []

    def transmit(self, session: PeerSession, datagram: bytes) -> None:
        """Send one protected datagram to a peer by whatever carries its session now; dropped where nothing does."""
        if session.stream is not None:
            session.stream.send(datagram)
        elif session.address is not None:
            self.batch.send(datagram, session.address)

    def accept(self, offer: Offer, handler: Handler, now: float) -> PeerSession:
        """A new session for an offer.

        Raises:
            PeerError: 503, when there are as many sessions as allowed.
        """
        if len(self.sessions) >= self._max_sessions:
            raise PeerError("The server is full. Please try again in a moment.", status=503, code="server_full")
        session = PeerSession(secrets.token_urlsafe(16), self.identity, offer, handler, now, native=self._native)
        self.sessions[session.id] = session
        self._handshaking[session.id] = session
        for ufrag in session.ufrags:
            self._by_ufrag[ufrag] = session
        return session

    def restart(self, session: PeerSession, remote_ufrag: str, remote_pwd: str) -> tuple[str, str]:
        """ICE restart of a session.

        Returns:
            The new local user fragment and password.
        """
        before = session.ufrags
        credentials = session.restart(remote_ufrag, remote_pwd)
        for ufrag in before:
            self._by_ufrag.pop(ufrag, None)
        for ufrag in session.ufrags:
            self._by_ufrag[ufrag] = session
        return credentials

    def forget(self, session: PeerSession, now: float) -> None:
        """End a session: says goodbye by DTLS, and nothing of it remains. Twice is harmless."""
        if self.sessions.pop(session.id, None) is None:
            return
        self._handshaking.pop(session.id, None)
        for datagram in session.dtls.close():
            self.transmit(session, datagram)
        for ufrag in session.ufrags:
            self._by_ufrag.pop(ufrag, None)
        for address in list(session.addresses):
            self._unbind(address, session)
        for half in (session.sender, session.receiver):
            if half is not None:
                half.close()
        session.sender = session.receiver = None

    def _readable(self) -> None:
        now = self.batch.leaves_at = time.monotonic()
        counters = self.counters
        for datagram, address, at in self._inbox.read(now):
            counters.datagrams += 1
            counters.octets += len(datagram)
            try:
                self.datagram(datagram, address, at)
            except PeerError:
                counters.malformed += 1
            except Exception:
                counters.failures += 1
                log.exception("a datagram was dropped by a fault of ours")
        self._settle()

    def _settle(self) -> None:
        try:
            self.batch.settle()
        except Exception:
            self.counters.failures += 1
            log.exception("packets of a wake-up were dropped by a fault of ours")

    def _framed(self, datagram: bytes, address: Address) -> None:
        self.counters.datagrams += 1
        self.counters.octets += len(datagram)
        try:
            self.datagram(datagram, address, time.monotonic())
        except PeerError:
            self.counters.malformed += 1
        except Exception:
            self.counters.failures += 1
            log.exception("a datagram was dropped by a fault of ours")

    def _lost(self, address: Address) -> None:
        session = self._by_address.pop(address, None)
        if session is None:
            return
        was_its_way = session.lost(address)
        if was_its_way and session.id in self.sessions:
            session.handler.moved(time.monotonic())

    def _unbind(self, address: Address, session: PeerSession) -> None:
        """The address leads to the session no longer; a connection that did is closed."""
        if self._by_address.get(address) is session:
            del self._by_address[address]
            if address[0] == SCHEME:
                self.tcp.close(address)

    def datagram(self, datagram: bytes, address: Address, now: float) -> None:
        """Give one datagram to whom it belongs (RFC 7983 section 7 tells kinds apart by the first byte)."""
        if not datagram:
            self.counters.empty += 1
            return
        first = datagram[0]
        if 127 < first < 192:
            session = self._by_address.get(address)
            if session is None or session.receiver is None:
                self.counters.strangers += 1
            elif is_rtcp(datagram):
                session.handler.rtcp(datagram, now)
            else:
                session.handler.rtp(datagram, now)
        elif first < 4:
            self._stun(datagram, address, now)
        elif 19 < first < 64:
            session = self._by_address.get(address)
            if session is None:
                self.counters.strangers += 1
                return
            self._dispatch(session, session.handshake(datagram, now))
        else:
            self.counters.malformed += 1

    def _stun(self, datagram: bytes, address: Address, now: float) -> None:
        ufrag = username_of(datagram)
        session = self._by_ufrag.get(ufrag) if ufrag is not None else None
        stream = self.tcp.get(address) if address[0] == SCHEME else None
        if session is None:
            self.counters.strangers += 1
            seen = stream.remote if stream is not None else address
            echo = answer_to_stranger(datagram, seen) if ufrag is None and self._echoes.allow(now) else None
            if echo is not None:
                self._answer(echo, address)
            return
        ufrags, addresses, way = session.ufrags, list(session.addresses), session.address
        reply = session.stun(datagram, address, now, stream)
        if reply is None:
            self.counters.strangers += 1
            return
        self.counters.checks += 1
        for old in ufrags:
            if old not in session.ufrags:
                self._by_ufrag.pop(old, None)
        for known in addresses:
            if known not in session.addresses:
                self._unbind(known, session)
        if address in session.addresses:
            self._by_address[address] = session
            self.tcp.prove(address)
            if session.address != way:
                session.handler.moved(now)
        self._answer(reply, address)
        if session.dtls.state == "new":
            self._dispatch(session, session.begin(now))

    def _answer(self, datagram: bytes, address: Address) -> None:
        """A check is answered where it came from, whatever carries the session (RFC 8445 section 7.3)."""
        stream = self.tcp.get(address) if address[0] == SCHEME else None
        if stream is not None:
            stream.send(datagram)
        elif address[0] != SCHEME:
            self.batch.send(datagram, address)

    def _dispatch(self, session: PeerSession, datagrams: Sequence[bytes]) -> None:
        for datagram in datagrams:
            self.transmit(session, datagram)
        if session.dtls.state not in {"new", "handshaking"}:
            self._handshaking.pop(session.id, None)

    def _tick(self) -> None:
        now = time.monotonic()
        self._timer = self._loop.call_later(TICK_S, self._tick)
        try:
            for session in list(self._handshaking.values()):
                self._dispatch(session, session.poll(now))
            for ticker in self._tickers:
                ticker(now)
            if now - self._swept >= SWEEP_S:
                self._swept = now
                self._sweep(now)
        except Exception:
            self.counters.failures += 1
            log.exception("a tick failed by a fault of ours")

    def _sweep(self, now: float) -> None:
        for session in list(self.sessions.values()):
            if now - session.heard > self._timeout_s:
                session.handler.closed("timeout", now)
                self.forget(session, now)
        self.tcp.sweep(now, self._timeout_s)
