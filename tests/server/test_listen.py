"""One port for pages and media: both work, plain and by TLS, and nobody who says nothing keeps others out."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
import uvloop
from aiohttp import web

from liveclass.config import Settings
from liveclass.errors import UsageError
from liveclass.operate.certificates import self_signed
from liveclass.server import congestion
from liveclass.server.listen import SharedPort, media_port
from liveclass.transport.dtls import Identity
from liveclass.transport.endpoint import Endpoint
from tests.transport.tcp_client import TcpClient, Told, offer, until

OURS = Identity.generate(time.time())


async def hello(request: web.Request) -> web.Response:
    return web.Response(text=f"{request.remote} {request.scheme}")


async def echo(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    async for message in ws:
        await ws.send_str(message.data)
    return ws


class Opened:
    def __init__(self, shared: SharedPort, endpoint: Endpoint) -> None:
        self.shared = shared
        self.endpoint = endpoint


@contextlib.asynccontextmanager
async def opened(
    tls: ssl.SSLContext | None = None, *, first_byte_s: float = 10.0, max_silent: int = 8, media: bool = True
) -> AsyncIterator[Opened]:
    app = web.Application()
    app.router.add_get("/", hello)
    app.router.add_get("/ws", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    endpoint = Endpoint(OURS, timeout_s=30, max_sessions=10, public=["127.0.0.1"], max_tcp_peers=10)
    await endpoint.open("127.0.0.1", 0, listen_tcp=False)
    assert runner.server is not None
    shared = SharedPort(
        runner.server,
        endpoint.tcp.adopt if media else None,
        tls=tls,
        first_byte_s=first_byte_s,
        max_silent=max_silent,
    )
    shared.open("127.0.0.1", 0)
    try:
        yield Opened(shared, endpoint)
    finally:
        await shared.close()
        await runner.cleanup()
        endpoint.close()


@pytest.fixture(params=["plain", "tls"])
def secured(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[ssl.SSLContext | None, ssl.SSLContext | bool, str]:
    """The server's context, the client's, and the scheme."""
    if request.param == "plain":
        return None, True, "http"
    made = self_signed(tmp_path, frozenset({"localhost", "127.0.0.1"}), datetime.now(UTC))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.certificate, made.key)
    client = ssl.create_default_context(cafile=str(made.certificate))
    return server, client, "https"


async def exchange(secured: tuple[ssl.SSLContext | None, ssl.SSLContext | bool, str]) -> None:
    tls, trust, scheme = secured
    async with opened(tls) as it, aiohttp.ClientSession() as http:
        url = f"{scheme}://127.0.0.1:{it.shared.port}"
        async with http.get(f"{url}/", ssl=trust) as answer:
            assert await answer.text() == f"127.0.0.1 {scheme}"
        async with http.ws_connect(f"{url}/ws", ssl=trust) as ws:
            await ws.send_str("你好")
            assert await ws.receive_str() == "你好"
        async with TcpClient(it.shared.port) as client:
            told = Told()
            session = it.endpoint.accept(offer(), told, time.monotonic())
            sender, _ = await client.connect(session, OURS)
            packet = sender.protect(b"\x80\x60" + bytes(10) + b"sound")
            assert packet is not None
            client.send(packet)
            await until(lambda: told.media == [packet])
        assert it.endpoint.counters.failures == 0


async def test_pages_sockets_and_media_share_one_port(
    secured: tuple[ssl.SSLContext | None, ssl.SSLContext | bool, str],
) -> None:
    await exchange(secured)


def test_the_same_in_the_event_loop_that_the_server_runs_in(
    secured: tuple[ssl.SSLContext | None, ssl.SSLContext | bool, str],
) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(exchange(secured))


async def test_one_who_says_nothing_is_closed_in_time() -> None:
    async with opened(first_byte_s=0.1) as it, TcpClient(it.shared.port) as client:
        assert await client.ended()


async def test_a_tls_handshake_that_stops_is_closed_in_time(tmp_path: Path) -> None:
    made = self_signed(tmp_path, frozenset({"localhost"}), datetime.now(UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    async with opened(context, first_byte_s=0.1) as it:
        async with TcpClient(it.shared.port) as client:
            client.writer.write(b"\x16\x03\x01\x02\x00")
            assert await client.ended()
        async with TcpClient(it.shared.port) as client:
            client.writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert b"HTTP" not in await client.reader.read()


async def test_silent_connections_never_keep_a_page_out() -> None:
    async with opened(max_silent=8) as it, contextlib.AsyncExitStack() as stack, aiohttp.ClientSession() as http:
        flood = [await stack.enter_async_context(TcpClient(it.shared.port)) for _ in range(40)]
        await until(lambda: it.shared.evicted == 32)
        assert await flood[0].ended()
        async with http.get(f"http://127.0.0.1:{it.shared.port}/") as answer:
            assert answer.status == 200
        assert len(it.shared._silent) <= 8


async def test_without_media_every_connection_is_the_pages() -> None:
    async with opened(media=False) as it, TcpClient(it.shared.port) as client:
        client.send(bytes(30))
        assert (await client.reader.read()).startswith(b"HTTP/1.")
        assert len(it.endpoint.tcp) == 0


async def test_closing_lets_go_of_every_socket() -> None:
    async with opened() as it:
        async with TcpClient(it.shared.port) as client:
            await until(lambda: len(it.shared._silent) == 1)
            port = it.shared.port
            await it.shared.close()
            assert await client.ended()
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            pass


async def test_a_port_that_is_taken_names_the_option() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(UsageError, match="--port"):
            SharedPort(asyncio.Protocol, None).open("127.0.0.1", other.getsockname()[1])


@pytest.mark.parametrize(
    ("settings", "port"),
    [
        (Settings(), 8080),
        (Settings(public_url="https://class.example.org"), 443),
        (Settings(public_url="http://class.example.org:81/"), 81),
        (Settings(public_url="https://class.example.org", trusted_proxies="127.0.0.1"), 0),
        (Settings(media_tcp=False), 0),
    ],
)
def test_browsers_are_told_the_number_that_they_reach(settings: Settings, port: int) -> None:
    assert media_port(settings, 8080) == port


@pytest.mark.skipif(not hasattr(socket, "TCP_CONGESTION"), reason="this system lets nobody choose")
async def test_pages_keep_their_rate_where_packets_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(congestion, "_CONTROL", b"reno")
    async with opened() as one:
        (listener,) = one.shared._listeners
        sock = listener._sock
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0") == b"reno"
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


async def test_a_kernel_without_that_congestion_control_serves_pages_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(congestion, "_CONTROL", b"no-such-control")
    async with (
        opened() as one,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{one.shared.port}/") as answer,
    ):
        assert answer.status == 200
