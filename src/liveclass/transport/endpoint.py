"""The one UDP port: reads datagrams, finds the session each belongs to, and drops the rest.

Order of trust: STUN is matched by our user fragment and its integrity; DTLS and SRTP are taken only from an address
that such a check has bound. No exception leaves the callback; every drop is counted. It knows sessions, not lessons.
"""

import asyncio
import contextlib
import ipaddress
import logging
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from struct import Struct

from liveclass.errors import PeerError, UsageError
from liveclass.rtp.packet import is_rtcp
from liveclass.transport.batch import Address, Batch
from liveclass.transport.dtls import Identity
from liveclass.transport.ice import answer_to_stranger, username_of
from liveclass.transport.sdp import Offer
from liveclass.transport.session import Handler, PeerSession

log = logging.getLogger(__name__)

READS_PER_WAKEUP = 128
"""Datagrams taken before the loop gets its turn again: 128 cost about 1 ms of reading."""

SOCKET_BUFFER_BYTES = 8 * 1024 * 1024
"""A keyframe to 400 subscribers is 20 MB in a burst; the kernel caps this at net.core.*mem_max."""

TICK_S = 0.02
"""How often deadlines are looked at: a lost packet is asked for again within this."""

SO_TIMESTAMPNS = 35
"""Linux: have each datagram tell when it arrived, as a timespec; Python has no name for it."""

STAMP_BYTES = socket.CMSG_SPACE(16)

_stamp = Struct("@qq").unpack

ECHOES_PER_S = 20.0
"""Binding requests of strangers answered per second, all together: a check of reachability sends three."""

SWEEP_S = 1.0
"""How often sessions are searched for peers that vanished."""


@dataclass(slots=True)
class Counters:
    """What came in, and why some of it was dropped."""

    datagrams: int = 0
    octets: int = 0
    checks: int = 0
    empty: int = 0
    strangers: int = 0
    malformed: int = 0
    failures: int = 0


class Endpoint:
    """One socket, one callback.

    Args:
        identity: the certificate shown to every peer.
        timeout_s: silence after which a session is closed (consent, RFC 7675).
        max_sessions: sessions at a time; one more is refused with status 503.
        public: addresses that browsers are told; empty: this machine's own.
    """

    def __init__(self, identity: Identity, *, timeout_s: float, max_sessions: int, public: Sequence[str] = ()) -> None:
        self.identity = identity
        self.counters = Counters()
        self.port = 0
        self._timeout_s = timeout_s
        self._max_sessions = max_sessions
        self._public = list(public)
        self._host = ""
        self._by_ufrag: dict[str, PeerSession] = {}
        self._by_address: dict[Address, PeerSession] = {}
        self.sessions: dict[str, PeerSession] = {}
        self._handshaking: dict[str, PeerSession] = {}
        self._tickers: list[Callable[[float], None]] = []
        self._swept = 0.0
        self._arrived = 0.0
        self._echoes = ECHOES_PER_S
        self._echoed = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def open(self, host: str, port: int) -> None:
        """Bind the port and begin to read.

        Raises:
            UsageError: the port cannot be bound.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self._socket.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
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
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._readable)
        self._timer = self._loop.call_later(TICK_S, self._tick)

    def close(self) -> None:
        """Tell every peer goodbye and leave the port."""
        now = time.monotonic()
        for session in list(self.sessions.values()):
            self.forget(session, now)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._loop.remove_reader(self._socket)
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
        found = list(self._public)
        if reached_at and reached_at not in found:
            with contextlib.suppress(ValueError):
                address = ipaddress.ip_address(reached_at.partition("%")[0])
                mapped = getattr(address, "ipv4_mapped", None)
                plain = str(mapped or address)
                if plain not in found:
                    found.append(plain)
        if not self._public:
            found += [address for address in own_addresses(self._host) if address not in found]
        return [(address, self.port) for address in found]

    def accept(self, offer: Offer, handler: Handler, now: float) -> PeerSession:
        """A new session for an offer.

        Raises:
            PeerError: 503, when there are as many sessions as allowed.
        """
        if len(self.sessions) >= self._max_sessions:
            raise PeerError("The server is full. Please try again in a moment.", status=503, code="server_full")
        session = PeerSession(secrets.token_urlsafe(16), self.identity, offer, handler, now)
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
        if session.address is not None:
            for datagram in session.dtls.close():
                self.batch.send(datagram, session.address)
        for ufrag in session.ufrags:
            self._by_ufrag.pop(ufrag, None)
        for address in session.addresses:
            if self._by_address.get(address) is session:
                del self._by_address[address]
        for half in (session.sender, session.receiver):
            if half is not None:
                half.close()
        session.sender = session.receiver = None

    def _readable(self) -> None:
        now = time.monotonic()
        since = now - time.time()
        receive = self._socket.recvmsg
        counters = self.counters
        for _ in range(READS_PER_WAKEUP):
            try:
                datagram, extra, _, address = receive(SLOT_READ_BYTES, STAMP_BYTES)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                continue
            counters.datagrams += 1
            counters.octets += len(datagram)
            at = now
            if extra:
                # When the kernel took it, not when we came to read it: else a busy server looks like a full link to the
                # publisher's congestion control, and its picture shrinks.
                seconds, nanoseconds = _stamp(extra[0][2])
                at = min(now, max(self._arrived, seconds + nanoseconds * 1e-9 + since))
                self._arrived = at
            try:
                self.datagram(datagram, address, at)
            except PeerError:
                counters.malformed += 1
            except Exception:
                counters.failures += 1
                log.exception("a datagram was dropped by a fault of ours")
        try:
            self.batch.settle()
        except Exception:
            counters.failures += 1
            log.exception("packets of a wake-up were dropped by a fault of ours")

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
        if session is None:
            self.counters.strangers += 1
            echo = answer_to_stranger(datagram, address) if ufrag is None and self._may_echo(now) else None
            if echo is not None:
                self.batch.send(echo, address)
            return
        ufrags, addresses = session.ufrags, list(session.addresses)
        reply = session.stun(datagram, address, now)
        if reply is None:
            self.counters.strangers += 1
            return
        self.counters.checks += 1
        for old in ufrags:
            if old not in session.ufrags:
                self._by_ufrag.pop(old, None)
        for known in addresses:
            if known not in session.addresses and self._by_address.get(known) is session:
                del self._by_address[known]
        if address in session.addresses:
            moved = self._by_address.get(address) is not session
            self._by_address[address] = session
            if moved:
                session.handler.moved(now)
        self.batch.send(reply, address)
        if session.dtls.state == "new":
            self._dispatch(session, session.begin(now))

    def _may_echo(self, now: float) -> bool:
        """Strangers together get few answers: a flood costs no more than this."""
        self._echoes = min(ECHOES_PER_S, self._echoes + (now - self._echoed) * ECHOES_PER_S)
        self._echoed = now
        if self._echoes < 1.0:
            return False
        self._echoes -= 1.0
        return True

    def _dispatch(self, session: PeerSession, datagrams: Sequence[bytes]) -> None:
        if session.address is not None:
            for datagram in datagrams:
                self.batch.send(datagram, session.address)
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


SLOT_READ_BYTES = 2048
"""The largest datagram read; anything longer than an Ethernet frame is cut and fails its checks."""


def own_addresses(host: str) -> list[str]:
    """The addresses of this machine that others may reach: `host` itself where it names one, else all but loopback.

    A machine without any other address offers loopback, so that a demonstration works on a laptop in a train.
    """
    if host not in {"0.0.0.0", "::", ""}:  # noqa: S104
        return [host]
    found: list[str] = []
    # Connecting a datagram socket sends nothing; the kernel says which of our addresses it would use.
    for family, probe in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        if family == socket.AF_INET6 and host != "::":
            continue
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((probe, 9))
            found.append(sock.getsockname()[0])
    with contextlib.suppress(OSError):
        for entry in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET, socket.SOCK_DGRAM):
            address = str(entry[4][0])
            if address not in found and not address.startswith("127."):
                found.append(address)
    return found or ["127.0.0.1"]
