"""Media over TCP for networks without UDP (ICE-TCP, RFC 6544, the passive side): connections, not sessions.

A connection gives datagrams and takes datagrams, under an address of its own that no UDP peer can have. Whether its
peer may be believed is the endpoint's to say (`prove`); until then the connection is on probation: little time, few
datagrams, and the first to go when there are too many. It refuses to know STUN, DTLS and sessions.
"""

import asyncio
import contextlib
import errno
import itertools
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from liveclass.errors import PeerError
from liveclass.transport.batch import Address
from liveclass.transport.framing import Deframer, framed

log = logging.getLogger(__name__)

UNSENT_BYTES: Final = 65_536
"""Bytes that wait for a slow peer before what comes next is dropped: over a second at 400 kbit/s, and media is late
by then."""

KERNEL_BYTES: Final = 65_536
"""Send buffer of a connection: several round trips of a village link, and no more, for what lies there cannot be taken
back."""

UNSENT_IN_KERNEL_BYTES: Final = 16_384
"""Of these, bytes that are not on their way yet (TCP_NOTSENT_LOWAT): 0.3 s at 400 kbit/s."""

READ_BYTES: Final = 65_536
"""Taken from one connection before the others have their turn."""

PROBATION_S: Final = 10.0
"""Within which a peer must prove itself by a connectivity check; as long as a DTLS handshake may take."""

PROBATION_FRAMES: Final = 16
"""Datagrams looked at on probation: checks may come before the answer that names their password is complete."""

ACCEPTS_PER_WAKEUP: Final = 64
"""Connections accepted before media has its turn again."""

BACKLOG: Final = 512
"""Connections that wait in the kernel: a school whose power returns knocks all at once."""

EXHAUSTED_PAUSE_S: Final = 0.5
"""How long nothing is accepted when this process has no file descriptor left."""

SCHEME: Final = "tcp"

_numbers = itertools.count(1)


@dataclass(slots=True)
class TcpCounters:
    """What went over TCP.

    Attributes:
        accepted, refused: connections taken, and turned away or closed for others.
        sent, octets: datagrams handed to the connections, and their bytes.
        dropped: datagrams that peers were too slow for.
    """

    accepted: int = 0
    refused: int = 0
    sent: int = 0
    octets: int = 0
    dropped: int = 0


class TcpPeer:
    """One connection.

    Attributes:
        address: `("tcp", number)`, unique in this process; an IP address is never spelled so.
        remote: IP address and port at the other end.
        heard: when something came last, seconds of the monotonic clock.
    """

    __slots__ = ("_closed", "_counters", "_loop", "_sock", "_unsent", "address", "frames", "heard", "opened", "remote")

    def __init__(
        self,
        sock: socket.socket,
        remote: Address,
        closed: Callable[["TcpPeer"], None],
        counters: TcpCounters,
        now: float,
    ) -> None:
        self.address: Address = (SCHEME, next(_numbers))
        self.remote = remote
        self.heard = self.opened = now
        self.frames = 0
        self._sock = sock
        self._closed = closed
        self._counters = counters
        self._unsent = bytearray()
        self._loop = asyncio.get_running_loop()

    @property
    def unsent(self) -> int:
        """Bytes that wait here for a slow peer."""
        return len(self._unsent)

    @property
    def is_open(self) -> bool:
        return self._sock.fileno() >= 0

    def send(self, datagram: bytes) -> bool:
        """Send one datagram; False where it was dropped: the peer is too slow, or gone."""
        if not self.is_open:
            return False
        if self._unsent:
            if len(self._unsent) + len(datagram) + 2 > UNSENT_BYTES:
                self._counters.dropped += 1
                return False
            self._unsent += framed(datagram)
            self._count(datagram)
            return True
        frame = framed(datagram)
        try:
            sent = self._sock.send(frame)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            # Not now: whoever sends walks through tables that the end of a session changes.
            self._loop.call_soon(self.close)
            return False
        if sent < len(frame):
            self._unsent += frame[sent:]
            self._loop.add_writer(self._sock, self._writable)
        self._count(datagram)
        return True

    def _count(self, datagram: bytes) -> None:
        self._counters.sent += 1
        self._counters.octets += len(datagram)

    def _writable(self) -> None:
        try:
            sent = self._sock.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.close()
            return
        del self._unsent[:sent]
        if not self._unsent:
            self._loop.remove_writer(self._sock)

    def close(self) -> None:
        """Leave; what the kernel holds still goes out. Twice is harmless."""
        if not self.is_open:
            return
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()
        self._unsent.clear()
        self._closed(self)


class TcpPeers:
    """All connections for media.

    Args:
        receive: takes each datagram with the address of its connection; a `PeerError` of it is the datagram's fault.
        settle: called when a wake-up's datagrams are all handed on.
        lost: told of each connection that ended, whoever ended it.
        clock: seconds, never going back.
        limit: connections at a time.
    """

    def __init__(
        self,
        receive: Callable[[bytes, Address], None],
        settle: Callable[[], None],
        lost: Callable[[Address], None],
        clock: Callable[[], float],
        limit: int,
    ) -> None:
        self._receive = receive
        self._settle = settle
        self._lost = lost
        self._clock = clock
        self._limit = limit
        self._all: dict[Address, TcpPeer] = {}
        self._probation: dict[Address, TcpPeer] = {}
        self.counters = TcpCounters()

    def __len__(self) -> int:
        return len(self._all)

    def get(self, address: Address) -> TcpPeer | None:
        """The connection with this address."""
        return self._all.get(address)

    def adopt(self, sock: socket.socket, remote: Address) -> None:
        """Take over a connected socket from which nothing was read, or close it when there are too many.

        One that has proved itself is never closed for a newcomer; of those that have not, the oldest.
        """
        if len(self._all) >= self._limit:
            self.counters.refused += 1
            if not self._probation:
                sock.close()
                return
            next(iter(self._probation.values())).close()
        try:
            tune(sock)
        except OSError:
            sock.close()
            return
        peer = TcpPeer(sock, plain(remote), self._forget, self.counters, self._clock())
        self._all[peer.address] = self._probation[peer.address] = peer
        self.counters.accepted += 1
        asyncio.get_running_loop().add_reader(sock, self._readable, peer, sock, Deframer())

    def prove(self, address: Address) -> None:
        """The peer has answered for itself: its probation is over."""
        self._probation.pop(address, None)

    def close(self, address: Address) -> None:
        """End a connection, if there is one with this address."""
        peer = self._all.get(address)
        if peer is not None:
            peer.close()

    def close_all(self) -> None:
        for peer in list(self._all.values()):
            peer.close()

    def sweep(self, now: float, timeout_s: float) -> None:
        """Close who did not prove itself in time, and who has been silent for `timeout_s` seconds."""
        for peer in list(self._all.values()):
            late = peer.address in self._probation and now - peer.opened > PROBATION_S
            if late or now - peer.heard > timeout_s:
                peer.close()

    def _forget(self, peer: TcpPeer) -> None:
        self._all.pop(peer.address, None)
        self._probation.pop(peer.address, None)
        self._lost(peer.address)

    def _readable(self, peer: TcpPeer, sock: socket.socket, deframer: Deframer) -> None:
        try:
            piece = sock.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            piece = b""
        if not piece:
            peer.close()
            return
        peer.heard = self._clock()
        try:
            datagrams = deframer.feed(piece)
        except PeerError:
            peer.close()
            return
        for datagram in datagrams:
            if peer.address in self._probation:
                peer.frames += 1
                if peer.frames > PROBATION_FRAMES:
                    peer.close()
            if not peer.is_open:
                break
            self._receive(datagram, peer.address)
        self._settle()


class Listener:
    """A listening socket that hands on what it accepts.

    Args:
        accepted: takes each connection, non-blocking, and the address at its other end.
    """

    def __init__(self, sock: socket.socket, accepted: Callable[[socket.socket, Address], None]) -> None:
        self._sock = sock
        self._accepted = accepted
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._loop.add_reader(sock, self._readable)

    @property
    def address(self) -> Address:
        """Where it listens."""
        address: Address = self._sock.getsockname()
        return address

    def close(self) -> None:
        """Accept nothing more; connections stay."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._sock)
        self._sock.close()

    def _readable(self) -> None:
        for _ in range(ACCEPTS_PER_WAKEUP):
            try:
                sock, remote = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    log.error("no connection can be accepted: %s", error.strerror)
                    self._loop.remove_reader(self._sock)
                    self._pause = self._loop.call_later(EXHAUSTED_PAUSE_S, self._resume)
                    return
                continue
            sock.setblocking(False)
            try:
                self._accepted(sock, remote)
            except Exception:
                log.exception("a connection was dropped by a fault of ours")
                sock.close()

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._sock, self._readable)


def listening(host: str, port: int) -> list[socket.socket]:
    """Listening sockets on every address that `host` names; `::` takes IPv4 too.

    Args:
        port: 0 takes a free one, the same for all.

    Raises:
        OSError: an address or port cannot be had.
    """
    found: list[socket.socket] = []
    entries = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    try:
        for family, kind, protocol, _, address in dict.fromkeys(entries):
            sock = socket.socket(family, kind, protocol)
            found.append(sock)
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if address[0] == "::" else 1)
            sock.bind((address[0], port, *address[2:]))
            sock.listen(BACKLOG)
            port = sock.getsockname()[1]
    except OSError:
        for sock in found:
            sock.close()
        raise
    return found


def tune(sock: socket.socket) -> None:
    """Let packets leave at once, and few of them wait where they can no longer be dropped.

    Raises:
        OSError: the connection is gone already.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)
    lowat = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if lowat is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, lowat, UNSENT_IN_KERNEL_BYTES)


def plain(address: Address) -> Address:
    """An IPv4 peer of a dual-stack socket as IPv4: a browser refuses an answer that names it otherwise."""
    if address[0].startswith("::ffff:") and "." in address[0]:
        return address[0][7:], address[1]
    return address
