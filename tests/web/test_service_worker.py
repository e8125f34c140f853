"""The live pages open from the service worker's cache, in a real Chromium: without the server, with a new build, and
without ever keeping what is none of its business."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from tests.e2e.browser import Devices, person
from tests.e2e.waiting import until
from tests.web.replay_server import POLICY

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.e2e

TOKEN = "z" * 22
SECOND_BUILD = "<!-- the second build -->"

KEYS = """async () => {
  const urls = [];
  for (const name of await caches.keys()) {
    for (const request of await (await caches.open(name)).keys()) urls.push(request.url);
  }
  return urls;
}"""
"""The address of everything that is kept."""

KEPT = "async (prefix) => (await caches.match(`${prefix}shell`)) !== undefined"
KEEPS = "async ([build, key]) => (await (await caches.open(build)).match(key)) !== undefined"


class Site:
    """The built pages on a free port of loopback, as the server has them; can be stopped, and built anew."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        self._runner = None

    def link(self, page: str) -> str:
        return f"http://127.0.0.1:{self.port}/{page}/lesson1#{TOKEN}"

    def build_again(self) -> str:
        """A new build, which differs in a comment; returns the name of its cache."""
        for page in ("class", "teach"):
            html = self.folder / f"{page}.html"
            html.write_text(html.read_text("utf-8").replace("<title>", f"{SECOND_BUILD}<title>"), "utf-8")
        worker = self.folder / "sw.js"
        text = worker.read_text("utf-8")
        worker.write_text(text.replace(_build_of(text), "second000000"), "utf-8")
        return "liveclass-second000000"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        self.asked.append(path)
        parts = path.strip("/").split("/")
        if parts[0] in ("class", "teach") and len(parts) == 2:
            headers = {"Content-Security-Policy": f"{POLICY}; worker-src 'self'", "Cache-Control": "no-cache"}
            return web.FileResponse(self.folder / f"{parts[0]}.html", headers=headers)
        if path == "/sw.js":
            return web.FileResponse(self.folder / "sw.js", headers={"Cache-Control": "no-cache"})
        if parts[0] == "assets" and (self.folder / path[1:]).is_file():
            return web.FileResponse(self.folder / path[1:], headers={"Cache-Control": "public, max-age=600, immutable"})
        raise web.HTTPNotFound


def _build_of(text: str) -> str:
    """The name that the build gave itself: the only twelve hexadecimal digits between quotes."""
    found = re.findall(r"""["'`]([0-9a-f]{12})["'`]""", text)
    assert len(found) == 1, found
    name: str = found[0]
    return name


@pytest.fixture
def folder(pages: Path, tmp_path: Path) -> Path:
    """A copy of the built pages that a test may change."""
    copy = tmp_path / "pages"
    # Without the compressed ones, which would be served in their place and be of the first build.
    shutil.copytree(pages, copy, ignore=shutil.ignore_patterns("*.br", "*.gz"))
    return copy


async def becomes(window: "Page", script: str, argument: object, reason: str) -> None:
    """Wait until a script, which may be asynchronous, gives true."""

    async def holds() -> bool:
        found: bool = await window.evaluate(script, argument)
        return found

    await until(holds, reason, within=15)


@asynccontextmanager
async def visit(site: Site, page: str) -> AsyncIterator["Page"]:
    """A first visit, until the page is kept for the next."""
    async with person("someone", Devices(autoplay=True, allowed=False)) as someone:
        window = await someone.open(site.link(page))
        await window.wait_for_selector("#app > *")
        await becomes(window, KEPT, f"/{page}/", "the page is kept")
        yield window
        assert not [text for text in someone.complaints if "uncaught" in text]


@pytest.fixture
async def site(folder: Path) -> AsyncIterator[Site]:
    one = Site(folder)
    await one.start()
    yield one
    await one.stop()


@pytest.mark.parametrize("page", ["class", "teach"])
async def test_the_second_visit_opens_with_the_server_away(site: Site, page: str) -> None:
    async with visit(site, page) as window:
        await site.stop()
        await window.goto("about:blank")
        await window.goto(site.link(page))
        await window.wait_for_selector("#app > *")
        assert await window.evaluate("getComputedStyle(document.body).fontFamily.includes('Noto')"), (
            "its sheets came too"
        )
        # Another lesson shows itself just as well: the page is the same for all.
        await window.goto(site.link(page).replace("lesson1", "lesson2"))
        await window.wait_for_selector("#app > *")


async def test_neither_token_nor_lesson_nor_answers_of_the_server_are_kept(site: Site) -> None:
    async with visit(site, "teach") as window:
        await window.reload()
        await window.wait_for_function("navigator.serviceWorker.controller !== null")
        for path in ("/api/line?bytes=10", "/media/lesson1/main.m3u8", "/whep/lesson1"):
            await window.evaluate("(path) => fetch(path).then(() => null)", path)
        keys: list[str] = await window.evaluate(KEYS)
    assert {"/api/line", "/media/lesson1/main.m3u8", "/whep/lesson1"} <= set(site.asked), "they passed it by"
    assert any(key.endswith("/teach/shell") for key in keys)
    assert not [key for key in keys if TOKEN in key or "#" in key or "lesson1" in key]
    strange = [key for key in keys if "/assets/" not in key and not key.endswith("/shell")]
    assert not strange
    assert not [key for key in keys if "/class" in key], "nobody's data plan pays for a page that was not opened"


async def test_a_new_build_is_shown_at_the_next_visit_and_breaks_no_open_page(site: Site) -> None:
    async with visit(site, "teach") as window:
        await window.evaluate("window.stillHere = true")
        newest = site.build_again()
        await window.evaluate("navigator.serviceWorker.getRegistration().then((one) => one.update())")
        await becomes(window, KEEPS, [newest, "/teach/shell"], "the new build is kept")
        assert await window.evaluate("window.stillHere"), "the open page was left alone"
        await site.stop()
        await window.reload()
        await window.wait_for_selector("#app > *")
        assert SECOND_BUILD in await window.content()


async def test_a_build_that_comes_in_halves_is_not_taken(site: Site) -> None:
    async with visit(site, "teach") as window:
        site.build_again()
        (site.folder / "teach.html").write_text("<!doctype html><title>a proxy's error page</title>", "utf-8")
        # A worker that cannot be whole is refused by the browser, in words that differ by version.
        await window.evaluate("navigator.serviceWorker.getRegistration().then((one) => one.update()).catch(() => null)")
        await asyncio.sleep(0.2)
        await site.stop()
        await window.reload()
        await window.wait_for_selector("#app > *")
        assert SECOND_BUILD not in await window.content()
