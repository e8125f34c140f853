"""Gates before a server: what goes through can be cut and let again, as a network does it. They know no protocol.

`Gate` passes TCP, `DatagramGate` passes UDP and can also change the address that it sends from, as a phone does that
goes from one network to another.
"""

import asyncio
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Self

from playwright.async_api import BrowserContext, Route
from playwright.async_api import Error as PlaywrightError


class Gate:
    """Listens on a free port of loopback and passes everything on to another. Use as an async context."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._open = True
        self._streams: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Breaks every connection and refuses new ones."""
        self._open = False
        for stream in self._streams:
            stream.transport.abort()
        self._streams.clear()

    def mend(self) -> None:
        """New connections pass again."""
        self._open = True

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        self._streams |= {writer, far_writer}
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.ensure_future(self._pass_on(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        with suppress(ConnectionError, OSError):
            writer.close()
        self._streams.discard(writer)


class DatagramGate:
    """Listens on a free UDP port of loopback; each client gets a port of its own towards the target."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._open = True
        self._near = _datagram_socket()
        self._far: dict[tuple[str, int], socket.socket] = {}
        self._loop = asyncio.get_running_loop()
        self.port = int(self._near.getsockname()[1])

    async def __aenter__(self) -> Self:
        self._loop.add_reader(self._near, self._outward)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.rebind()
        self._loop.remove_reader(self._near)
        self._near.close()

    def cut(self) -> None:
        """Loses everything, both ways, without a word."""
        self._open = False

    def mend(self) -> None:
        """Datagrams pass again."""
        self._open = True

    def rebind(self) -> None:
        """The next datagram of each client comes from a new address; what is sent to the old one is lost."""
        for far in self._far.values():
            self._loop.remove_reader(far)
            far.close()
        self._far.clear()

    def _outward(self) -> None:
        for data, client in _waiting(self._near):
            if not self._open:
                continue
            far = self._far.get(client)
            if far is None:
                far = self._far[client] = _datagram_socket()
                far.connect(("127.0.0.1", self._target_port))
                self._loop.add_reader(far, self._inward, far, client)
            with suppress(OSError):
                far.send(data)

    def _inward(self, far: socket.socket, client: tuple[str, int]) -> None:
        for data, _ in _waiting(far):
            if self._open:
                with suppress(OSError):
                    self._near.sendto(data, client)


def _datagram_socket() -> socket.socket:
    port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    port.setblocking(False)
    port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    port.bind(("127.0.0.1", 0))
    return port


def _waiting(port: socket.socket) -> Iterator[tuple[bytes, tuple[str, int]]]:
    """The datagrams that wait, at most 64, so that one busy client does not hold up the others."""
    for _ in range(64):
        try:
            yield port.recvfrom(2048)
        except OSError:
            return


async def send_media_through(context: BrowserContext, udp_port: int, gate_port: int) -> None:
    """Rewrites the answers that the pages of this browser get, so that their media goes to the gate's port."""

    async def rewrite(route: Route) -> None:
        try:
            response = await route.fetch()
        except PlaywrightError:
            await route.abort()  # the server is down
            return
        text = (await response.body()).decode()
        await route.fulfill(response=response, body=text.replace(f" {udp_port} typ host", f" {gate_port} typ host"))

    await context.route(re.compile(r"/(whip|whep)/"), rewrite)
