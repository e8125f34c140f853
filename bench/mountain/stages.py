"""Where a lesson takes place: the server under test, the addresses of its two pages, and how the lesson begins.

Knows each server's ways in; knows nothing of links and figures.
"""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tests.e2e.pages import part
from tests.e2e.server import Lesson, LiveServer

if TYPE_CHECKING:
    from playwright.async_api import Page

BEGIN_MS = 60_000
"""For the volunteer's page to be ready; behind a bad link that takes long."""


class Stage(Protocol):
    """A lesson on a server under test."""

    @property
    def far_origin(self) -> str:
        """The server's origin as seen from behind the link."""

    def teach_url(self, *, far: bool) -> str:
        """The volunteer's page; `far`: as opened behind the link."""

    def class_url(self, *, far: bool) -> str:
        """The classroom's page."""

    async def earlier_class_url(self, *, far: bool) -> str:
        """The classroom's page of another lesson, where a browser comes by what all of them share."""

    async def begin(self, page: "Page") -> None:
        """The volunteer, before the open page, begins the lesson."""


class LiveclassStage:
    """A lesson of this project."""

    def __init__(self, server: LiveServer, lesson: Lesson, address: str) -> None:
        self._server, self._lesson = server, lesson
        self.far_origin = f"http://{address}:{server.port}"

    def _seen(self, url: str, far: bool) -> str:
        return url.replace(self._server.url, self.far_origin) if far else url

    def teach_url(self, *, far: bool) -> str:
        return self._seen(self._lesson.teacher_url, far)

    def class_url(self, *, far: bool) -> str:
        return self._seen(self._lesson.classroom_url, far)

    async def earlier_class_url(self, *, far: bool) -> str:
        return self._seen((await self._server.create_lesson()).classroom_url, far)

    async def begin(self, page: "Page") -> None:
        await page.locator(part("start")).first.click(timeout=BEGIN_MS)
        await page.locator(part("end")).first.wait_for(timeout=BEGIN_MS)


async def make_stage(stack: AsyncExitStack, folder: Path, server: str, address: str, settings: dict[str, str]) -> Stage:
    """Starts the server and makes a lesson; both end with the stack.

    Args:
        server: `liveclass`; `plain`: the same without adaptation; `janus`.
        address: of this machine as seen from behind the link.
        settings: further settings of liveclass.

    Raises:
        AssertionError: the server did not start.
        FileNotFoundError: Janus is not installed.
    """
    if server == "janus":
        from bench.mountain.janus import JanusStage

        return await JanusStage.make(stack, folder, address)
    own = {"host": "0.0.0.0", "public_address": address, **settings}  # noqa: S104 - behind the link is not loopback
    if server == "plain":
        own["adaptation"] = "false"
    live = LiveServer(folder / "data", own)
    await live.start()
    stack.push_async_callback(live.stop, hard=True)
    return LiveclassStage(live, await live.create_lesson(), address)
