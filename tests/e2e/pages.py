"""The three pages as their people use them: what can be pressed, by the `data-test` names that the markup carries.

No test reads a state from these pages that could be heard or seen instead (see `senses.py`).
"""

from playwright.async_api import Locator, Page, expect

from tests.e2e.browser import Person

SOON_MS = 15_000
"""How long a person would wait before pressing again; far more than the pages need."""


def part(name: str) -> str:
    """The selector of a part of a page."""
    return f'[data-test="{name}"]'


class _Window:
    """A page, in the window of the person before it."""

    def __init__(self, person: Person, page: Page) -> None:
        self.person = person
        self.page = page

    def find(self, name: str) -> Locator:
        return self.page.locator(part(name))

    async def press(self, name: str) -> None:
        await self.find(name).first.click()

    async def shows(self, name: str, *, within_ms: float = SOON_MS) -> None:
        await expect(self.find(name).first).to_be_visible(timeout=within_ms)


class TeachPage(_Window):
    """The volunteer's page."""

    @classmethod
    async def open(cls, person: Person, url: str) -> "TeachPage":
        return cls(person, await person.open(url))

    async def start(self) -> None:
        """The one button before the lesson; returns when the lesson runs."""
        await self.press("start")
        await self.shows("end")

    async def end(self) -> None:
        """Ends the lesson, and says yes when asked; returns when the replay is offered."""
        await self.press("end")
        await self.press("end-confirm")
        await self.shows("replay-link")

    def tiles(self) -> Locator:
        return self.find("tile")

    def tile(self, number: int = 0) -> Locator:
        """The classroom's tile, in the order in which they came."""
        return self.tiles().nth(number)

    async def wait_for_tiles(self, count: int) -> None:
        await expect(self.tiles()).to_have_count(count, timeout=SOON_MS)

    async def call(self, number: int = 0) -> None:
        """Calls on that classroom; returns when the page offers to end the call."""
        await self.tile(number).locator(part("call")).click()
        await expect(self.tile(number).locator(part("end-call"))).to_be_visible(timeout=SOON_MS)

    async def end_call(self, number: int = 0) -> None:
        await self.tile(number).locator(part("end-call")).click()
        await expect(self.tile(number).locator(part("call"))).to_be_visible(timeout=SOON_MS)

    async def mute(self, number: int = 0) -> None:
        """Closes that classroom's microphone, or opens it again."""
        await self.tile(number).locator(part("mute")).click()


class ClassroomPage(_Window):
    """The page before a class."""

    @classmethod
    async def open(cls, person: Person, url: str, *, press: bool = True) -> "ClassroomPage":
        """
        Args:
            press: press the one button, as browsers want before they sound.
        """
        page = cls(person, await person.open(url))
        if press:
            await page.press("enter")
        return page

    async def touch(self) -> None:
        """What the page asks for when it has come back in a browser that keeps the sound off: one press, anywhere."""
        enter, stage = self.find("enter"), self.find("stage").first
        await expect(enter.or_(stage).first).to_be_visible(timeout=SOON_MS)
        if await enter.is_visible():
            await enter.click()
        else:
            await stage.click()


class ReplayPage(_Window):
    """The page of those who come later."""

    @classmethod
    async def open(cls, person: Person, url: str) -> "ReplayPage":
        return cls(person, await person.open(url))

    async def play(self) -> None:
        """Presses play, unless it plays already."""
        await self.shows("play")
        if not await self.page.evaluate("analysers.state().some((m) => !m.paused && m.time > 0)"):
            await self.press("play")

    async def position(self) -> float:
        """Seconds into the replay of the element that leads: the one furthest into it."""
        return float(await self.page.evaluate("Math.max(...analysers.state().map((m) => m.time))"))
