"""One TCP port for pages and media: the first byte of a connection says which of the two it is.

A network that lets nothing but one TCP port through, often 443, then needs no TURN server. Connections that say nothing
are closed in time, and the oldest of them when there are too many. Refuses to know HTTP, TLS and STUN: it looks at one
byte, takes nothing, and hands the socket on.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from liveclass import tasks
from liveclass.config import Settings
from liveclass.errors import UsageError
from liveclass.server.congestion import hold_rate
from liveclass.transport.batch import Address
from liveclass.transport.framing import begins_media
from liveclass.transport.tcp import Listener, listening

log = logging.getLogger(__name__)

FIRST_BYTE_S = 10.0
"""Within which a connection must say something, and then finish its TLS handshake."""

MAX_SILENT = 512
"""Connections that have said nothing yet; as many as the kernel holds back at its own door."""

MAX_HANDSHAKES = 512
"""TLS handshakes at a time, each some 50 kB; browsers that find no place try again by themselves."""


class SharedPort:
    """Listens for pages and for media.

    Args:
        pages: makes the protocol for a connection of HTTP (`web.AppRunner.server`).
        media: takes a connection of media (`Endpoint.tcp.adopt`); None where media over TCP is off.
        tls: for HTTP; media brings a cipher of its own.

    Attributes:
        evicted: silent connections closed to make room for others.
    """

    def __init__(
        self,
        pages: Callable[[], asyncio.Protocol],
        media: Callable[[socket.socket, Address], None] | None,
        *,
        tls: ssl.SSLContext | None = None,
        first_byte_s: float = FIRST_BYTE_S,
        max_silent: int = MAX_SILENT,
    ) -> None:
        self._pages = pages
        self._media = media
        self._tls = tls
        self._first_byte_s = first_byte_s
        self._max_silent = max_silent
        self._listeners: list[Listener] = []
        self._silent: dict[socket.socket, asyncio.TimerHandle] = {}
        self._handing: set[asyncio.Task[None]] = set()
        self.evicted = 0

    @property
    def addresses(self) -> list[Address]:
        """Where it listens."""
        return [listener.address for listener in self._listeners]

    @property
    def port(self) -> int:
        """The number that was bound."""
        return int(self.addresses[0][1])

    def open(self, host: str, port: int, shared: Sequence[int] = ()) -> None:
        """Bind and begin to accept.

        Args:
            shared: descriptors of sockets that listen already, for all workers of this machine; instead of the port.

        Raises:
            UsageError: the port cannot be had.
        """
        self._loop = asyncio.get_running_loop()
        try:
            sockets = [socket.socket(fileno=one) for one in shared] or listening(host, port)
        except OSError as error:
            raise UsageError(
                f"TCP port {port} on {host} cannot be opened ({error.strerror}); choose another with --port."
            ) from error
        for sock in sockets:
            sock.setblocking(False)
            hold_rate(sock)
        self._listeners = [Listener(sock, self._accepted) for sock in sockets]

    async def close(self) -> None:
        """Accept nothing more, and let go of whoever was not handed on; the others are not this port's any more."""
        for listener in self._listeners:
            listener.close()
        self._listeners = []
        for sock in list(self._silent):
            self._drop(sock)
        await tasks.end(self._handing)

    def _accepted(self, sock: socket.socket, remote: Address) -> None:
        if len(self._silent) >= self._max_silent:
            self.evicted += 1
            self._drop(next(iter(self._silent)))
        self._silent[sock] = self._loop.call_later(self._first_byte_s, self._drop, sock)
        self._loop.add_reader(sock, self._readable, sock, remote)

    def _readable(self, sock: socket.socket, remote: Address) -> None:
        try:
            first = sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            first = b""
        if not first:
            self._drop(sock)
            return
        media = self._media is not None and begins_media(first[0])
        if not media and self._tls is not None and len(self._handing) >= MAX_HANDSHAKES:
            self._drop(sock)
            return
        self._release(sock)
        if media and self._media is not None:
            self._media(sock, remote)
            return
        task = self._loop.create_task(self._hand_to_pages(sock))
        self._handing.add(task)
        task.add_done_callback(self._handing.discard)

    async def _hand_to_pages(self, sock: socket.socket) -> None:
        timeout_s = self._first_byte_s if self._tls is not None else None
        try:
            await self._loop.connect_accepted_socket(self._pages, sock, ssl=self._tls, ssl_handshake_timeout=timeout_s)
        except (OSError, TimeoutError, EOFError):
            # A peer that speaks no TLS, or does not trust the certificate, or left: a matter of course on an open port.
            sock.close()
        except asyncio.CancelledError:
            sock.close()
            raise
        except Exception:
            log.exception("a connection was dropped by a fault of ours")
            sock.close()

    def _release(self, sock: socket.socket) -> None:
        self._silent.pop(sock).cancel()
        self._loop.remove_reader(sock)

    def _drop(self, sock: socket.socket) -> None:
        self._release(sock)
        with contextlib.suppress(OSError):
            sock.close()


def media_port(settings: Settings, bound: int) -> int:
    """The number under which browsers reach the pages' port with nothing between; 0 where a proxy stands before it.

    Args:
        bound: the number that this process listens on.
    """
    if not settings.media_tcp or settings.trusted_proxies:
        return 0
    url = urlsplit(settings.public_url)
    return url.port or {"http": 80, "https": 443}.get(url.scheme, bound)
