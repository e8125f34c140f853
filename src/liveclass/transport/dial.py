"""The socket of one pulled session: its datagrams go to the session, and the session's to the other node.

A socket for each pull, and not the media port: two lessons pulled from one node would share both addresses, and nothing
but the address tells whose a datagram is. It only ever answers what it asked, so no firewall has to know of it.
"""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable

from liveclass.transport.dtls import Identity
from liveclass.transport.endpoint import SOCKET_BUFFER_BYTES
from liveclass.transport.ice import Address
from liveclass.transport.inbox import Inbox
from liveclass.transport.pull import Outgoing, PullSession
from liveclass.transport.session import Handler

log = logging.getLogger(__name__)

TOGETHER, ADDRESSES = 32, 16
"""As `transport.inbox` has them, for a socket that one node sends to: 70 KB."""


class Dial:
    """One pulled session over a UDP socket of its own, in the running event loop.

    Args:
        settle: called at the end of each wake-up, to send on what it brought.
        native: receive by the native module, where that was built.

    Attributes:
        octets: bytes that came. datagrams: how many.
        failures: datagrams dropped by a fault of ours.
    """

    def __init__(
        self, identity: Identity, handler: Handler, settle: Callable[[], None], *, native: bool = False
    ) -> None:
        self.session = PullSession(identity, handler, time.monotonic(), native=native)
        self._native = native
        self._settle = settle
        self._socket: socket.socket | None = None
        self._inbox: Inbox | None = None
        self._loop = asyncio.get_running_loop()
        self.octets = self.datagrams = self.failures = 0

    @property
    def offer(self) -> str:
        """To be sent to the other node."""
        return self.session.offer

    def accept(self, answer: str) -> None:
        """Begin with the other node's answer. Raises PeerError when it cannot be used."""
        now = time.monotonic()
        self.session.accept(answer, now)
        checks = self.session.poll(now)
        six = any(":" in str(address[0]) for _, address in checks)
        sock = self._socket = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            if six:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER_BYTES)
        self._inbox = Inbox(sock, native=self._native, together=TOGETHER, addresses=ADDRESSES)
        self._loop.add_reader(sock, self._readable)
        self._transmit(checks)

    def tick(self, now: float) -> None:
        """Send what is due; to be called every 20 ms."""
        self._transmit(self.session.poll(now))

    def send(self, packet: bytes) -> None:
        """Protect and send one compound RTCP packet."""
        protected, address = self.session.protect(packet), self.session.address
        if protected is not None and address is not None:
            self._transmit([(protected, address)])

    def close(self) -> None:
        """Say goodbye and let go of the socket. Twice is harmless."""
        self._transmit(self.session.close())
        sock, self._socket = self._socket, None
        if sock is not None:
            self._loop.remove_reader(sock)
            if self._inbox is not None:
                self._inbox.close()
            sock.close()

    def _transmit(self, datagrams: Outgoing) -> None:
        sock = self._socket
        for datagram, address in datagrams:
            if sock is None:
                return
            six = sock.family == socket.AF_INET6
            where = (f"::ffff:{address[0]}", *address[1:]) if six and ":" not in address[0] else address
            with contextlib.suppress(OSError):
                sock.sendto(datagram, where)

    def _readable(self) -> None:
        if self._inbox is None:
            return
        for datagram, address, at in self._inbox.read(time.monotonic()):
            self.datagrams += 1
            self.octets += len(datagram)
            host, port = address[:2]
            mapped = host.removeprefix("::ffff:")
            peer: Address = (host, port, 0, 0) if ":" in mapped else (mapped, port)
            try:
                self._transmit(self.session.receive(datagram, peer, at))
            except Exception:
                self.failures += 1
                log.exception("a datagram of another node was dropped by a fault of ours")
        self._settle()
