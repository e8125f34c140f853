"""A lesson in a room of Janus's videoroom: Janus from the distribution, and the smallest page that uses it.

Janus runs as its documentation has it: no simulcast, NACK and the browsers' own congestion control, REMB capped at the
room's bitrate. Knows its configuration; the signalling is in `janus.html`.
"""

import asyncio
import os
import shutil
import socket
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

from aiohttp import web
from tests.e2e.server import free_port

if TYPE_CHECKING:
    from playwright.async_api import Page

PLUGINS = Path("/usr/lib/x86_64-linux-gnu/janus")
PAGE = Path(__file__).parent / "janus.html"
BITRATE = 700_000
"""The room's, bit/s: a modest picture; a link of 400 kbit/s is for the server to deal with."""
START_S = 20.0
BEGIN_MS = 60_000


class JanusStage:
    """Janus, the pages' server, and one room."""

    def __init__(self, page_port: int, socket_port: int, address: str) -> None:
        self._page_port, self._socket_port = page_port, socket_port
        self.far_origin = f"http://{address}:{page_port}"

    @classmethod
    async def make(cls, stack: AsyncExitStack, folder: Path, address: str) -> Self:
        """Starts Janus and the pages' server; both end with the stack.

        Raises:
            FileNotFoundError: Janus is not installed.
            AssertionError: it did not open its port.
        """
        if shutil.which("janus") is None:
            raise FileNotFoundError("Janus is not installed: apt-get install janus")
        stage = cls(free_port(socket.SOCK_STREAM), free_port(socket.SOCK_STREAM), address)
        configure(folder, stage._socket_port, address)
        with (folder / "janus.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *("janus", "-F", folder, "-C", folder / "janus.jcfg", "--disable-colors"), stdout=log, stderr=log
            )
        stack.push_async_callback(_end, process)
        app = web.Application()
        app.router.add_get("/{name:teach|class}", _page)
        runner = web.AppRunner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "0.0.0.0", stage._page_port).start()  # noqa: S104 - the link's end is not loopback
        await _opened(stage._socket_port)
        return stage

    def _url(self, name: str, far: bool) -> str:
        origin = self.far_origin if far else f"http://127.0.0.1:{self._page_port}"
        return f"{origin}/{name}?ws={self._socket_port}"

    def teach_url(self, *, far: bool) -> str:
        return self._url("teach", far)

    def class_url(self, *, far: bool) -> str:
        return self._url("class", far)

    async def earlier_class_url(self, *, far: bool) -> str:
        return self.class_url(far=far)

    async def begin(self, page: "Page") -> None:
        """The page begins by itself: waits until it has."""
        await page.locator('[data-state="up"]').wait_for(state="attached", timeout=BEGIN_MS)


def configure(folder: Path, port: int, address: str) -> None:
    """Writes Janus's configuration: one plugin, one transport, one room, candidates of the link's end only."""

    def others(kind: str, wanted: str) -> str:
        return ",".join(
            sorted(name for name in os.listdir(PLUGINS / kind) if name.endswith(".so") and wanted not in name)
        )

    (folder / "janus.jcfg").write_text(
        f"""general: {{ configs_folder = "{folder}"
  plugins_folder = "{PLUGINS}/plugins"
  transports_folder = "{PLUGINS}/transports"
  debug_level = 3
}}
media: {{ rtp_port_range = "20000-40000" }}
nat: {{ ice_enforce_list = "{address}" }}
plugins: {{ disable = "{others("plugins", "videoroom")}" }}
transports: {{ disable = "{others("transports", "websockets")}" }}
"""
    )
    (folder / "janus.transport.websockets.jcfg").write_text(
        f'general: {{ json = "compact"\n  ws = true\n  ws_port = {port}\n}}\nadmin: {{ admin_ws = false }}\n'
    )
    (folder / "janus.plugin.videoroom.jcfg").write_text(
        f"""general: {{}}
room-1: {{ publishers = 2
  bitrate = {BITRATE}
  audiocodec = "opus"
  videocodec = "h264,vp8"
  notify_joining = false
}}
"""
    )


async def _page(_: web.Request) -> web.Response:
    return web.Response(text=PAGE.read_text("utf-8"), content_type="text/html")


async def _opened(port: int) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
            continue
        writer.close()
        return
    raise AssertionError("Janus did not open its port")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()
