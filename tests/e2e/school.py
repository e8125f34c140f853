"""Everyone of one test: opens browsers for people with faces and voices, and closes them all in the end."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from tests.e2e import media
from tests.e2e.browser import Devices, Person, person
from tests.e2e.pages import ClassroomPage, ReplayPage, TeachPage
from tests.e2e.server import Lesson


@dataclass(frozen=True, slots=True)
class Character:
    """Whom a test can recognise: by a number in the picture, by the tone of the voice."""

    name: str
    number: int
    hz: float


TEACHER = Character("teacher", 1, 1000)
FIRST_CLASS = Character("first class", 2, 1700)
SECOND_CLASS = Character("second class", 3, 2300)
SECOND_TEACHER = Character("second teacher", 4, 650)
SCREEN = 9
"""The number in the picture that `analysers.show` puts over a window that is shared."""


class Wardrobe:
    """Makes each character's voice and face once for all tests."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def devices(self, who: Character, *, autoplay: bool = False, allowed: bool = True) -> Devices:
        voice, face = self._folder / f"{who.number}.wav", self._folder / f"{who.number}.y4m"
        if not voice.exists():
            media.write_voice(voice, who.hz)
            media.write_face(face, who.number)
        return Devices(voice, face, allowed=allowed, autoplay=autoplay)


class School:
    """The people of one test. Use as an async context; ends with the report of whose page threw."""

    def __init__(self, wardrobe: Wardrobe) -> None:
        self._wardrobe = wardrobe
        self._stack = AsyncExitStack()
        self.people: list[Person] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def person(
        self,
        who: Character,
        *,
        autoplay: bool = False,
        allowed: bool = True,
        language: str = "en",
        more: tuple[str, ...] = (),
        wrap: Callable[[str], str] = str,
    ) -> Person:
        """A person before a fresh browser; `more`: further switches of its command line; `wrap`: as for `person`."""
        devices = replace(self._wardrobe.devices(who, autoplay=autoplay, allowed=allowed), more=more)
        someone = await self._stack.enter_async_context(person(who.name, devices, language=language, wrap=wrap))
        self.people.append(someone)
        return someone

    async def teacher(self, lesson: Lesson, who: Character = TEACHER) -> TeachPage:
        return await TeachPage.open(await self.person(who), lesson.teacher_url)

    async def classroom(self, lesson: Lesson, who: Character = FIRST_CLASS, *, press: bool = True) -> ClassroomPage:
        return await ClassroomPage.open(await self.person(who), lesson.classroom_url, press=press)

    async def viewer(self, lesson: Lesson) -> ReplayPage:
        return await ReplayPage.open(await self.person(SECOND_CLASS), lesson.replay_url)

    async def photograph(self, folder: Path) -> None:
        """A picture of every open window, for the report of a failed test."""
        for number, someone in enumerate(self.people):
            for page in someone.context.pages:
                await page.screenshot(path=folder / f"{number}-{someone.name.replace(' ', '-')}.png", timeout=5000)

    def thrown(self) -> list[str]:
        """What pages threw and nobody caught. (Refused connections while a server is down are no such thing.)"""
        return [complaint for someone in self.people for complaint in someone.complaints if ": uncaught " in complaint]
