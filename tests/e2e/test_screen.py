"""Screen share: what is on the volunteer's screen takes the stage, and the camera stays beside it."""

import pytest

from tests.e2e import senses
from tests.e2e.pages import part
from tests.e2e.school import SCREEN, TEACHER, School
from tests.e2e.server import Lesson

pytestmark = pytest.mark.e2e


async def test_a_shared_screen_takes_the_stage_with_the_camera_small(lesson: Lesson, school: School) -> None:
    teacher = await school.teacher(lesson)
    await teacher.start()
    classroom = await school.classroom(lesson)
    large = max(frame.area for frame in await senses.sees(classroom.page, TEACHER.number))
    cover = await teacher.page.evaluate_handle(f"analysers.show({SCREEN})")
    await teacher.press("screen")

    screen = await senses.sees(classroom.page, SCREEN, selector=part("stage"))
    camera = await senses.sees(classroom.page, TEACHER.number)
    await senses.hears(classroom.page, TEACHER.hz)
    assert screen[-1].area > 3 * camera[-1].area > 0

    await cover.evaluate("(canvas) => canvas.remove()")
    await teacher.press("screen")
    await senses.does_not_see(classroom.page, SCREEN)
    back = await senses.sees(classroom.page, TEACHER.number)
    assert back[-1].area == pytest.approx(large, rel=0.1)


async def test_a_class_that_comes_late_sees_the_shared_screen(lesson: Lesson, school: School) -> None:
    teacher = await school.teacher(lesson)
    await teacher.start()
    await teacher.page.evaluate(f"analysers.show({SCREEN})")
    await teacher.press("screen")
    classroom = await school.classroom(lesson)
    await senses.sees(classroom.page, SCREEN, selector=part("stage"))
    await senses.hears(classroom.page, TEACHER.hz)
