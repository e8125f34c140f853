"""Calling on a classroom: its microphone and camera open while it is called, and at no other time."""

import asyncio

import pytest

from tests.e2e import senses
from tests.e2e.pages import ClassroomPage, TeachPage
from tests.e2e.school import FIRST_CLASS, SECOND_CLASS, TEACHER, School
from tests.e2e.server import Lesson

pytestmark = pytest.mark.e2e


async def begin(lesson: Lesson, school: School) -> tuple[TeachPage, ClassroomPage]:
    """A lesson that runs, with one class that hears it."""
    teacher = await school.teacher(lesson)
    await teacher.start()
    classroom = await school.classroom(lesson)
    await teacher.wait_for_tiles(1)
    await senses.hears(classroom.page, TEACHER.hz)
    return teacher, classroom


async def test_a_called_class_is_heard_and_seen_and_knows_it(lesson: Lesson, school: School) -> None:
    teacher, classroom = await begin(lesson, school)
    assert not [hz for hz in await senses.tones(teacher.page, 2) if senses.is_near(hz, FIRST_CLASS.hz)]
    await teacher.call()
    await classroom.shows("called")
    await asyncio.gather(senses.hears(teacher.page, FIRST_CLASS.hz), senses.sees(teacher.page, FIRST_CLASS.number))
    await senses.hears(classroom.page, TEACHER.hz)  # and goes on hearing the volunteer


async def test_the_end_of_a_call_closes_microphone_and_camera(lesson: Lesson, school: School) -> None:
    teacher, classroom = await begin(lesson, school)
    await teacher.call()
    await senses.hears(teacher.page, FIRST_CLASS.hz)
    await teacher.end_call()
    await senses.does_not_hear(teacher.page, FIRST_CLASS.hz)
    await senses.does_not_see(teacher.page, FIRST_CLASS.number)
    await senses.hears(classroom.page, TEACHER.hz)


async def test_a_class_can_be_called_again(lesson: Lesson, school: School) -> None:
    teacher, _ = await begin(lesson, school)
    for _round in range(2):
        await teacher.call()
        await senses.hears(teacher.page, FIRST_CLASS.hz)
        await senses.sees(teacher.page, FIRST_CLASS.number)
        await teacher.end_call()
        await senses.does_not_hear(teacher.page, FIRST_CLASS.hz)


async def test_a_muted_class_is_seen_and_not_heard(lesson: Lesson, school: School) -> None:
    teacher, _ = await begin(lesson, school)
    await teacher.call()
    await senses.hears(teacher.page, FIRST_CLASS.hz)
    await teacher.mute()
    await senses.does_not_hear(teacher.page, FIRST_CLASS.hz)
    await senses.sees(teacher.page, FIRST_CLASS.number)
    await teacher.mute()
    await senses.hears(teacher.page, FIRST_CLASS.hz)


async def test_a_called_class_is_heard_by_the_other_class(lesson: Lesson, school: School) -> None:
    teacher, _ = await begin(lesson, school)
    other = await school.classroom(lesson, SECOND_CLASS)
    await teacher.wait_for_tiles(2)
    await senses.hears(other.page, TEACHER.hz)
    await teacher.call(0)
    await asyncio.gather(senses.hears(other.page, FIRST_CLASS.hz), senses.hears(teacher.page, FIRST_CLASS.hz))
    heard = await senses.tones(teacher.page, 2)
    assert not [hz for hz in heard if senses.is_near(hz, SECOND_CLASS.hz)]


async def test_a_class_without_devices_can_be_called_and_breaks_nothing(lesson: Lesson, school: School) -> None:
    teacher = await school.teacher(lesson)
    await teacher.start()
    shy = await school.person(FIRST_CLASS, allowed=False)
    classroom = await ClassroomPage.open(shy, lesson.classroom_url)
    await teacher.wait_for_tiles(1)
    await teacher.call()
    await senses.hears(classroom.page, TEACHER.hz)
    await teacher.end_call()
    await senses.hears(classroom.page, TEACHER.hz)
