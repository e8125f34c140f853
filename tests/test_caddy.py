"""The shipped Caddyfile in a running Caddy, before an upstream that takes notes: what reaches it, what comes back."""

import asyncio
import contextlib
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

CADDYFILE = Path(__file__).resolve().parent.parent / "deploy" / "Caddyfile"
START_S = 30.0
CACHE = "public, max-age=31536000, immutable"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class Upstream:
    """What a node would see."""

    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    first_piece: asyncio.Event = field(default_factory=asyncio.Event)
    forwarded: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/healthz":
            return web.Response(text="ok\n")
        self.forwarded = [request.headers.get(f"X-Forwarded-{name}", "") for name in ("For", "Proto", "Host")]
        if request.path.startswith("/ws/"):
            return await self._echo(request)
        if request.method == "POST":
            size = 0
            async for piece in request.content.iter_any():
                size += len(piece)
                self.first_piece.set()
            return web.Response(text=str(size))
        response = web.StreamResponse(headers={"Cache-Control": CACHE})
        await response.prepare(request)
        await response.write(b"one")
        await self.go_on.wait()
        await response.write(b"two")
        return response

    async def _echo(self, request: web.Request) -> web.WebSocketResponse:
        page = web.WebSocketResponse()
        await page.prepare(request)
        async for message in page:
            await page.send_str(message.data)
        return page


@dataclass(slots=True)
class Front:
    """Caddy that runs, and a browser before it."""

    url: str
    upstream: Upstream
    browser: aiohttp.ClientSession


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    program = shutil.which("caddy")
    if program is None:
        pytest.skip("Caddy is not installed (apt-get install caddy): the Caddyfile was not tested")
    upstream, port, dead, live = Upstream(), free_port(), free_port(), free_port()
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", upstream.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", live).start()
    variables = {
        "SITE_ADDRESS": f"https://localhost:{port}",
        "ACME_EMAIL": "internal",
        "UPSTREAMS": f"127.0.0.1:{dead} 127.0.0.1:{live}",
        "CADDY_GLOBAL_OPTIONS": "admin off\nskip_install_trust\nauto_https disable_redirects",
        "CADDY_SITE_OPTIONS": "bind 127.0.0.1",
        **dict.fromkeys(("XDG_DATA_HOME", "XDG_CONFIG_HOME", "HOME"), str(tmp_path)),
    }
    root = tmp_path / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    issued = tmp_path / "caddy" / "certificates" / "local" / "localhost" / "localhost.crt"
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(program, "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"),
            env=variables,
            stdout=log,
            stderr=log,
        )
    try:
        async with asyncio.timeout(START_S):
            while not await _accepts(port) or not issued.exists():
                assert process.returncode is None, (tmp_path / "log").read_text()
                await asyncio.sleep(0.05)
        trust = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(root)))
        async with aiohttp.ClientSession(connector=trust) as browser:
            # The certificate is on the disk a moment before Caddy serves it.
            async with asyncio.timeout(START_S):
                while not await _serves(browser, port):
                    assert process.returncode is None, (tmp_path / "log").read_text()
                    await asyncio.sleep(0.05)
            yield Front(f"https://localhost:{port}", upstream, browser)
    finally:
        upstream.go_on.set()
        process.kill()
        await process.wait()
        await runner.cleanup()


async def _serves(browser: aiohttp.ClientSession, port: int) -> bool:
    with contextlib.suppress(aiohttp.ClientError):
        async with browser.get(f"https://localhost:{port}/healthz") as answer:
            return answer.status == 200
    return False


async def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        return True
    return False


@pytest.mark.parametrize("path", ["/media/lesson/prefix/a.m4s", "/api/catchup/lesson"])
async def test_media_comes_piece_by_piece_and_may_be_cached_as_its_node_says(front: Front, path: str) -> None:
    async with front.browser.get(front.url + path) as response:
        assert response.headers["Cache-Control"] == CACHE
        assert await asyncio.wait_for(response.content.readany(), 10) == b"one"
        front.upstream.go_on.set()
        assert await response.content.read() == b"two"


async def test_an_upload_is_passed_on_while_it_comes(front: Front) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield bytes(100_000)
        await asyncio.wait_for(front.upstream.first_piece.wait(), 10)
        yield bytes(50_000)

    async with front.browser.post(f"{front.url}/api/lessons/x/materials", data=body()) as response:
        assert await response.text() == "150000"


async def test_what_a_visitor_says_of_himself_is_dropped(front: Front) -> None:
    lies = {"X-Forwarded-For": "198.51.100.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example"}
    async with front.browser.post(f"{front.url}/api/lessons", headers=lies) as response:
        assert response.status == 200
    assert front.upstream.forwarded == ["127.0.0.1", "https", front.url.removeprefix("https://")]


async def test_sockets_pass_and_a_node_that_is_gone_is_passed_over(front: Front) -> None:
    for number in range(8):
        async with front.browser.ws_connect(f"{front.url}/ws/lesson") as page:
            await page.send_str(str(number))
            assert await page.receive_str(timeout=10) == str(number)
        async with front.browser.post(f"{front.url}/api/lessons", data=b"12345") as response:
            assert await response.text() == "5"
