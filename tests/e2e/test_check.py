"""The classroom's own check before the lesson, on a real server: three answers in words, within twenty seconds."""

import time

import pytest
from playwright.async_api import expect

from tests.e2e.pages import ClassroomPage
from tests.e2e.school import FIRST_CLASS, School
from tests.e2e.server import Lesson

pytestmark = pytest.mark.e2e

ALL_MS = 20_000


async def result(classroom: ClassroomPage) -> str:
    """The name of the answer that matters most, once there is one."""
    await classroom.shows("check-result", within_ms=ALL_MS)
    assert await classroom.find("check-result").locator("li").count() == 3
    return str(await classroom.find("check-result").get_attribute("data-result"))


async def test_a_class_whose_all_is_well_is_told_so(lesson: Lesson, school: School) -> None:
    classroom = await school.classroom(lesson)
    await classroom.press("check")
    await classroom.press("check-yes")
    # A machine that runs a whole school may be slow to answer; what is not there would be told otherwise.
    assert await result(classroom) in {"check.line.good", "check.line.unsteady"}
    await expect(classroom.find("check-result")).to_contain_text("The class can be heard.")


@pytest.mark.parametrize("server", [{"line_checks_per_s": "0.01"}], indirect=True)
async def test_nobody_answers_and_others_measure_too_and_it_ends_all_the_same(lesson: Lesson, school: School) -> None:
    classroom = await school.classroom(lesson, FIRST_CLASS)
    begin = time.monotonic()
    await classroom.press("check")
    assert await result(classroom) == "check.line.busy", "a server that has enough to do is no broken cable"
    assert time.monotonic() - begin < ALL_MS / 1000
    await expect(classroom.find("check-result")).to_contain_text("Nobody said whether the bell was heard.")
