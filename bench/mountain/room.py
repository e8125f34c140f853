"""One person's browser with a tap in every page: started, opened, drained, switched off as by a power cut.

The profile (caches, local storage, service workers) lies in a folder of its own and outlives the browser. Knows
Chromium and the tap; knows nothing of lessons.
"""

import asyncio
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.e2e.browser import Devices, find_chromium

from bench.mountain.diary import Diary

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page, Playwright, WebSocket

TAP = Path(__file__).parent / "tap.js"
SIZE = (800, 450)
"""Of the window: painting is done by the processor here."""
DRAIN_S = 5.0
"""Longest wait for a page's answer; a page that is busier than that is itself a finding."""
HEARD_MESSAGES = frozenset({"link_changed", "layers_wanted", "jump_now", "media_closed", "error"})
"""What the server says over the page's socket that explains the figures."""


class Room:
    """A person before a browser.

    Attributes:
        diary: what the pages told so far.
        messages: (wall clock in seconds, message) of the server's messages that explain figures.
        complaints: uncaught exceptions and console errors.
        opened_s: wall clock of the last `open`.
    """

    def __init__(
        self,
        playwright: "Playwright",
        profile: Path,
        devices: Devices,
        *,
        wrap: Callable[[str], str] = str,
        secure: tuple[str, ...] = (),
    ) -> None:
        """
        Args:
            profile: folder of the browser's profile.
            wrap: gives the path of a script that starts this program where the person is.
            secure: origins without TLS that count as secure.
        """
        self._playwright, self._profile, self._devices, self._wrap = playwright, profile, devices, wrap
        self._secure = secure
        self._context: BrowserContext | None = None
        self._page: Page | None = None
        self.diary = Diary()
        self.messages: list[tuple[float, dict[str, Any]]] = []
        self.complaints: list[str] = []
        self.opened_s = 0.0

    @property
    def page(self) -> "Page":
        if self._page is None:
            raise RuntimeError("the browser is off")
        return self._page

    async def start(self) -> None:
        """Starts the browser."""
        switches = self._devices.switches()
        if self._secure:
            switches.append(f"--unsafely-treat-insecure-origin-as-secure={','.join(self._secure)}")
        self._context = await self._playwright.chromium.launch_persistent_context(
            self._profile,
            executable_path=self._wrap(find_chromium()),
            args=switches,
            chromium_sandbox=os.geteuid() != 0,
            locale="en",
            viewport={"width": SIZE[0], "height": SIZE[1]},
            # The tap's worklet comes from a blob.
            bypass_csp=True,
        )
        await self._context.add_init_script(path=TAP)
        self._page = self._context.pages[0] if self._context.pages else await self._context.new_page()
        self._page.on("pageerror", lambda error: self.complaints.append(f"uncaught {error}"))
        self._page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self._page.on("websocket", self._listen)

    async def open(self, url: str, *, within: float = 90.0) -> None:
        """Opens the address; returns when the document is there, tried again while the link is too bad for it.

        Raises:
            playwright.async_api.Error: not within `within` seconds.
        """
        from playwright.async_api import Error

        self.opened_s = time.time()
        while True:
            left = self.opened_s + within - time.time()
            try:
                await self.page.goto(url, wait_until="commit", timeout=max(1.0, left) * 1000)
                return
            except Error:
                if time.time() > self.opened_s + within - 1:
                    raise
                await asyncio.sleep(0.5)

    async def keep_page(self, within: float) -> None:
        """Waits until the page's service worker has kept the page for the next visit.

        Raises:
            TimeoutError: not within `within` seconds.
        """
        end = time.monotonic() + within
        while not await self.page.evaluate("() => caches.match('/class/shell').then((kept) => kept !== undefined)"):
            if time.monotonic() > end:
                raise TimeoutError(f"the page was not kept within {within:.0f} s")
            await asyncio.sleep(0.2)

    async def drain(self) -> None:
        """Takes what the tap has; nothing while the browser is off or too busy to answer."""
        from playwright.async_api import Error

        if self._page is None:
            return
        with suppress(Error, TimeoutError):
            told = await asyncio.wait_for(self._page.evaluate("() => window.tap ? tap.drain() : null"), DRAIN_S)
            if told:
                self.diary.add(told)

    async def off(self) -> None:
        """The power is cut: call it after the processes were killed."""
        context, self._context, self._page = self._context, None, None
        if context:
            with suppress(Exception):  # the browser is dead already; nothing that it says matters
                await asyncio.wait_for(context.close(), 5)

    async def close(self) -> None:
        """Ends the browser as a person would."""
        context, self._context, self._page = self._context, None, None
        if context:
            await context.close()

    def _listen(self, socket: "WebSocket") -> None:
        socket.on("framereceived", self._hear)

    def _hear(self, frame: str | bytes) -> None:
        with suppress(ValueError, AttributeError):
            message = json.loads(frame)
            if message.get("type") in HEARD_MESSAGES:
                self.messages.append((time.time(), message))
