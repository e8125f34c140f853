"""A real Chromium with devices of our choosing: one process for each person, so that each has a face and a voice.

Knows how a browser is found and started; knows nothing of liveclass. The switches are those of Chromium 156; each says
why it is there.
"""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, ConsoleMessage, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ANALYSERS = Path(__file__).parent / "analysers.js"


def find_chromium() -> str:
    """The path of a Chromium that starts: `LIVECLASS_CHROMIUM`, one on PATH, or the one that Playwright installed.

    Raises:
        FileNotFoundError: there is none that answers `--version`. (Ubuntu's snap wrapper is on PATH and does not.)
    """
    named = os.environ.get("LIVECLASS_CHROMIUM")
    candidates = [named] if named else [path for name in NAMES if (path := shutil.which(name))]
    candidates += [str(path) for path in sorted(_playwright_folder().glob("chromium-*/chrome-linux*/chrome"))]
    for candidate in candidates:
        try:
            answer = subprocess.run([candidate, "--version"], capture_output=True, timeout=30, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if answer.returncode == 0 and answer.stdout.strip():
            return candidate
    raise FileNotFoundError("No Chromium found: sudo apt install chromium, or name one in LIVECLASS_CHROMIUM.")


def _playwright_folder() -> Path:
    return Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")


@dataclass(frozen=True, slots=True)
class Devices:
    """What the person's machine has.

    Attributes:
        voice: a WAV file that the microphone hears, in a loop; None: Chromium's own beeps.
        face: a Y4M file that the camera sees, in a loop; None: Chromium's own pattern.
        allowed: the person says yes to camera, microphone and screen; otherwise every request is refused.
        autoplay: the browser plays sound without a press. Real ones do not, so few tests should set it.
    """

    voice: Path | None = None
    face: Path | None = None
    allowed: bool = True
    autoplay: bool = False
    more: tuple[str, ...] = field(default=())

    def switches(self) -> list[str]:
        """The command line that gives a browser these devices."""
        switches = [
            # The picker of shared screens is answered with the real pixels of the tab itself.
            "--use-fake-device-for-media-stream=display-media-type=browser",
            # Pages of different people run in different windows, none of which has the focus.
            "--disable-background-timer-throttling",
            "--disable-backgrounding-occluded-windows",
            "--disable-renderer-backgrounding",
            # Containers often have 64 MB of /dev/shm, too little for frames of video.
            "--disable-dev-shm-usage",
            # No GPU in a test machine: leave no time to find out.
            "--disable-gpu",
            *self.more,
        ]
        if self.allowed:
            switches.append("--use-fake-ui-for-media-stream")
        if self.autoplay:
            switches.append("--autoplay-policy=no-user-gesture-required")
        if self.voice:
            switches.append(f"--use-file-for-fake-audio-capture={self.voice}")
        if self.face:
            switches.append(f"--use-file-for-fake-video-capture={self.face}")
        return switches


@dataclass
class Person:
    """Someone before a browser of their own.

    Attributes:
        complaints: errors that pages wrote to the console, and exceptions that nothing caught.
    """

    name: str
    context: "BrowserContext"
    complaints: list[str] = field(default_factory=list)

    async def open(self, url: str) -> "Page":
        """A new window at this address."""
        page = await self.context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(f"{self.name}: uncaught {error}"))
        page.on("console", self._hear)
        await page.goto(url)
        return page

    def _hear(self, message: "ConsoleMessage") -> None:
        if message.type == "error":
            self.complaints.append(f"{self.name}: {message.text}")


@asynccontextmanager
async def person(
    name: str,
    devices: Devices,
    *,
    language: str = "en",
    size: tuple[int, int] = (1280, 720),
    wrap: Callable[[str], str] = str,
) -> AsyncIterator[Person]:
    """Starts a browser for one person and ends it afterwards.

    Args:
        name: how reports of failures call this person.
        language: what the browser asks servers for.
        size: of the window, in CSS pixels.
        wrap: makes of the browser's path one of a program that starts it elsewhere, as `BadLink.wrapper`.
    """
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=wrap(find_chromium()),
            args=devices.switches(),
            # Chromium refuses to sandbox for root, as which containers run.
            chromium_sandbox=os.geteuid() != 0,
        )
        try:
            context = await browser.new_context(
                locale=language, viewport={"width": size[0], "height": size[1]}, ignore_https_errors=True
            )
            context.set_default_timeout(15_000)
            await context.add_init_script(path=ANALYSERS)
            yield Person(name, context)
        finally:
            await browser.close()
