"""A lesson between real browsers: the village hears the volunteer's tone and sees the volunteer's moving picture."""

import asyncio

import pytest

from tests.e2e import senses
from tests.e2e.pages import ClassroomPage, TeachPage, part
from tests.e2e.school import FIRST_CLASS, SECOND_CLASS, SECOND_TEACHER, TEACHER, School
from tests.e2e.server import Lesson, LiveServer
from tests.e2e.waiting import until

pytestmark = pytest.mark.e2e


async def test_the_volunteer_sees_the_own_picture_before_the_lesson(lesson: Lesson, school: School) -> None:
    teacher = await school.teacher(lesson)
    await teacher.shows("start")
    await senses.sees(teacher.page, TEACHER.number)
    assert await senses.tones(teacher.page) == []  # nobody wants to hear the own voice


async def test_a_class_that_waits_is_taught_without_a_further_press(lesson: Lesson, school: School) -> None:
    """One press, before the lesson: then it starts by itself."""
    classroom = await school.classroom(lesson)
    await classroom.shows("waiting")
    teacher = await school.teacher(lesson)
    await teacher.start()
    await senses.hears(classroom.page, TEACHER.hz)
    await senses.sees(classroom.page, TEACHER.number)


async def test_a_class_that_comes_late_is_taught_at_once(lesson: Lesson, school: School) -> None:
    teacher = await school.teacher(lesson)
    await teacher.start()
    classroom = await school.classroom(lesson)
    await senses.hears(classroom.page, TEACHER.hz, within=8)
    frames = await senses.sees(classroom.page, TEACHER.number, within=8)
    window = await classroom.page.evaluate("innerWidth * innerHeight")
    assert max(frame.area for frame in frames) > 0.5 * window  # one large picture


async def test_a_browser_that_may_sound_needs_no_press_at_all(lesson: Lesson, school: School) -> None:
    """A school's own computer, set up so: after a power cut the page opens and the class is back with no hand on it."""
    teacher = await school.teacher(lesson)
    await teacher.start()
    kiosk = await school.person(FIRST_CLASS, autoplay=True)
    classroom = await ClassroomPage.open(kiosk, lesson.classroom_url, press=False)
    await senses.hears(classroom.page, TEACHER.hz)
    await senses.sees(classroom.page, TEACHER.number)


async def test_a_class_whose_devices_are_refused_is_taught_all_the_same(lesson: Lesson, school: School) -> None:
    teacher = await school.teacher(lesson)
    await teacher.start()
    shy = await school.person(FIRST_CLASS, allowed=False)
    classroom = await ClassroomPage.open(shy, lesson.classroom_url)
    await senses.hears(classroom.page, TEACHER.hz)
    await senses.sees(classroom.page, TEACHER.number)


async def test_a_muted_volunteer_is_seen_and_not_heard(lesson: Lesson, school: School) -> None:
    teacher = await school.teacher(lesson)
    await teacher.start()
    classroom = await school.classroom(lesson)
    await senses.hears(classroom.page, TEACHER.hz)
    await teacher.press("mic")
    await senses.does_not_hear(classroom.page, TEACHER.hz)
    await senses.sees(classroom.page, TEACHER.number)
    await teacher.press("mic")
    await senses.hears(classroom.page, TEACHER.hz, within=6)


async def test_a_volunteer_without_camera_is_heard(lesson: Lesson, school: School) -> None:
    teacher = await school.teacher(lesson)
    await teacher.start()
    classroom = await school.classroom(lesson)
    await senses.sees(classroom.page, TEACHER.number)
    await teacher.press("camera")
    await senses.does_not_see(classroom.page, TEACHER.number)
    await senses.hears(classroom.page, TEACHER.hz)
    await teacher.press("camera")
    await senses.sees(classroom.page, TEACHER.number, within=8)


async def test_two_classes_are_taught_and_do_not_hear_each_other(lesson: Lesson, school: School) -> None:
    teacher = await school.teacher(lesson)
    await teacher.start()
    first = await school.classroom(lesson)
    second = await school.classroom(lesson, SECOND_CLASS)
    await teacher.wait_for_tiles(2)
    for classroom in (first, second):
        await senses.hears(classroom.page, TEACHER.hz)
        await senses.sees(classroom.page, TEACHER.number)
    heard = await asyncio.gather(*(senses.tones(page.page, 2) for page in (first, second, teacher)))
    for tones, foreign in zip(heard, ([SECOND_CLASS], [FIRST_CLASS], [FIRST_CLASS, SECOND_CLASS]), strict=True):
        assert not [hz for hz in tones for other in foreign if senses.is_near(hz, other.hz)]


KEEP_CONNECTIONS = """
window.connections = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...given) { super(...given); window.connections.push(this); }
};
"""

HIGHEST_ESTIMATE = """
async () => {
  const reports = await Promise.all(window.connections.map((connection) => connection.getStats()));
  const all = reports.flatMap((report) => [...report.values()]);
  return Math.max(0, ...all.map((one) => one.availableOutgoingBitrate ?? 0));
}
"""


async def test_a_volunteer_on_a_good_link_may_send_a_full_picture(lesson: Lesson, school: School) -> None:
    """The browser's own estimate: without congestion feedback that it understands, it stays at 300 kbit/s and falls."""
    volunteer = await school.person(TEACHER)
    await volunteer.context.add_init_script(KEEP_CONNECTIONS)
    teacher = await TeachPage.open(volunteer, lesson.teacher_url)
    await teacher.start()

    async def enough() -> bool:
        return float(await teacher.page.evaluate(HIGHEST_ESTIMATE)) > 1_000_000

    await until(enough, "an estimate over 1 Mbit/s", within=20)


async def test_two_volunteers_share_a_lesson(lesson: Lesson, school: School) -> None:
    teacher = await school.teacher(lesson)
    await teacher.start()
    classroom = await school.classroom(lesson)
    await senses.hears(classroom.page, TEACHER.hz)
    second = await TeachPage.open(await school.person(SECOND_TEACHER), lesson.teacher_url)
    await second.shows("start")  # nothing of a newcomer is sent before this press, though the lesson runs
    await second.find("start").first.click()
    await second.shows("end")
    await asyncio.gather(
        senses.hears(classroom.page, SECOND_TEACHER.hz),
        senses.hears(teacher.page, SECOND_TEACHER.hz),
        senses.hears(second.page, TEACHER.hz),
    )
    await senses.hears(classroom.page, TEACHER.hz)
    await senses.sees(classroom.page, TEACHER.number)


async def test_the_volunteer_reads_that_the_class_receives_the_lesson(lesson: Lesson, school: School) -> None:
    teacher = await school.teacher(lesson)
    await teacher.start()
    classroom = await school.classroom(lesson)
    await teacher.wait_for_tiles(1)
    await senses.hears(classroom.page, TEACHER.hz)
    status = teacher.tile().locator(part("status"))
    await asyncio.sleep(4.5)  # reports come every two seconds
    well = await status.inner_text()
    assert well.strip()
    await classroom.page.close()

    async def changed() -> bool:
        return await status.inner_text() != well

    await until(changed, "the tile says that the class is gone", within=20)


async def test_an_ended_lesson_is_silent_and_says_so(server: LiveServer, lesson: Lesson, school: School) -> None:
    teacher = await school.teacher(lesson)
    await teacher.start()
    classroom = await school.classroom(lesson)
    await senses.hears(classroom.page, TEACHER.hz)
    await teacher.end()
    await classroom.shows("ended")
    await senses.does_not_hear(classroom.page, TEACHER.hz)
    assert (await server.lesson(lesson))["state"] == "ended"


async def test_a_page_that_is_loaded_again_is_the_same_class(lesson: Lesson, school: School) -> None:
    teacher = await school.teacher(lesson)
    await teacher.start()
    classroom = await school.classroom(lesson)
    await teacher.wait_for_tiles(1)
    await senses.hears(classroom.page, TEACHER.hz)
    await classroom.page.reload()
    await classroom.touch()
    await senses.hears(classroom.page, TEACHER.hz)
    await teacher.wait_for_tiles(1)
