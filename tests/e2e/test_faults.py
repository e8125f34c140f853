"""What breaks in the middle of a lesson, and comes back with no hand on it."""

import asyncio
import dataclasses
import itertools
import time

import pytest

from tests.e2e import programme, senses
from tests.e2e.gate import DatagramGate, Gate, send_media_through
from tests.e2e.pages import ClassroomPage, part
from tests.e2e.school import FIRST_CLASS, SECOND_CLASS, TEACHER, School
from tests.e2e.server import Lesson, LiveServer
from tests.e2e.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.mark.parametrize("hard", [False, True], ids=["SIGTERM", "SIGKILL"])
async def test_a_restarted_server_has_its_class_back(
    server: LiveServer, lesson: Lesson, school: School, hard: bool
) -> None:
    """Sound and picture both ways, who is called and who is not, and one replay of two parts."""
    teacher = await school.teacher(lesson)
    await teacher.start()
    called = await school.classroom(lesson, FIRST_CLASS)
    await teacher.wait_for_tiles(1)
    other = await school.classroom(lesson, SECOND_CLASS)
    await teacher.wait_for_tiles(2)
    await teacher.call(0)
    await senses.hears(teacher.page, FIRST_CLASS.hz)
    await senses.hears(called.page, TEACHER.hz)
    await asyncio.sleep(3)  # the recording's first fragments, and the lesson's state, are on disk

    await server.stop(hard=hard)
    await senses.does_not_hear(called.page, TEACHER.hz)
    await server.start()
    back = time.monotonic()
    await asyncio.gather(
        senses.hears(called.page, TEACHER.hz, within=30),
        senses.hears(other.page, TEACHER.hz, within=30),
        senses.hears(teacher.page, FIRST_CLASS.hz, within=30),
    )
    print(f"all hear each other {time.monotonic() - back:.1f} s after the server is ready again")
    await asyncio.gather(
        senses.sees(called.page, TEACHER.number),
        senses.sees(other.page, TEACHER.number),
        senses.sees(teacher.page, FIRST_CLASS.number),
    )
    await teacher.wait_for_tiles(2)
    await called.shows("called")
    assert not [hz for hz in await senses.tones(teacher.page, 2) if senses.is_near(hz, SECOND_CLASS.hz)]
    assert (await server.lesson(lesson))["state"] == "live"

    await asyncio.sleep(3)
    await teacher.end()

    async def finished() -> bool:
        return bool((await server.replay(lesson))["recording"]["state"] == "finished")

    # A player that comes a moment earlier finds a live playlist, and rightly starts near its end.
    await until(finished, "the recording is finished")
    replay = await server.replay(lesson)
    assert len(replay["parts"]) == 2
    assert all(piece["duration_s"] > 1 for piece in replay["parts"])
    first, second = replay["parts"]
    assert second["starts_at_s"] == pytest.approx(first["starts_at_s"] + first["duration_s"], abs=0.1)
    # A player that knows nothing of parts sees one film of both.
    played = await asyncio.to_thread(programme.watch, server.url + replay["main"]["url"], TEACHER.number)
    for span in (played.audio_span, played.video_span):
        assert span[1] - span[0] == pytest.approx(first["duration_s"] + second["duration_s"], abs=1.5)
    shown = list(played.frames.values())
    assert [at for at in shown if at < first["duration_s"]]
    assert [at for at in shown if at > second["starts_at_s"] + 0.5]


async def test_a_muted_class_is_muted_after_a_restart(server: LiveServer, lesson: Lesson, school: School) -> None:
    teacher = await school.teacher(lesson)
    await teacher.start()
    classroom = await school.classroom(lesson)
    await teacher.wait_for_tiles(1)
    await teacher.call()
    await senses.hears(teacher.page, FIRST_CLASS.hz)
    await teacher.mute()
    await senses.does_not_hear(teacher.page, FIRST_CLASS.hz)
    await asyncio.sleep(2)
    await server.restart(hard=True)
    await senses.hears(classroom.page, TEACHER.hz, within=30)
    await senses.sees(teacher.page, FIRST_CLASS.number)
    assert not [hz for hz in await senses.tones(teacher.page, 3) if senses.is_near(hz, FIRST_CLASS.hz)]
    await teacher.mute()
    await senses.hears(teacher.page, FIRST_CLASS.hz)


async def test_media_outlives_the_signalling_socket(server: LiveServer, lesson: Lesson, school: School) -> None:
    """The web's connection breaks for some seconds, the media's does not: nobody notices, nobody is there twice."""
    async with Gate(server.port) as gate:
        through = dataclasses.replace(
            lesson, classroom_url=lesson.classroom_url.replace(f":{server.port}", f":{gate.port}")
        )
        teacher = await school.teacher(lesson)
        await teacher.start()
        classroom = await school.classroom(through)
        await teacher.wait_for_tiles(1)
        await senses.hears(classroom.page, TEACHER.hz)
        gate.cut()
        for _ in range(4):
            await senses.hears(classroom.page, TEACHER.hz, within=1.5)
            await senses.sees(classroom.page, TEACHER.number, within=3)
        gate.mend()
        # State is in step again: a call reaches the class.
        await teacher.tile().locator(part("call")).click(timeout=30_000)
        await classroom.shows("called", within_ms=30_000)
        await senses.hears(teacher.page, FIRST_CLASS.hz)
        await teacher.wait_for_tiles(1)
        assert len((await server.lesson(lesson))["participants"]) == 2


async def test_a_class_that_lost_its_power_is_back_as_itself(
    server: LiveServer, lesson: Lesson, school: School
) -> None:
    """The browser is gone without a word; then the same computer opens the page again."""
    teacher = await school.teacher(lesson)
    await teacher.start()
    classroom = await school.classroom(lesson)
    await teacher.wait_for_tiles(1)
    await teacher.call()
    await senses.hears(teacher.page, FIRST_CLASS.hz)
    await classroom.page.close(run_before_unload=False)
    await senses.does_not_hear(teacher.page, FIRST_CLASS.hz)
    page = await classroom.person.open(lesson.classroom_url)
    again = ClassroomPage(classroom.person, page)
    await again.touch()
    await senses.hears(page, TEACHER.hz)
    await again.shows("called")
    await senses.hears(teacher.page, FIRST_CLASS.hz)
    assert len((await server.lesson(lesson))["participants"]) == 2


async def test_a_class_that_changes_its_network_goes_on_within_seconds(
    server: LiveServer, lesson: Lesson, school: School
) -> None:
    """New address and port in mid-lesson: the next check binds them, nothing is set up anew."""
    async with DatagramGate(server.udp_port) as gate:
        teacher = await school.teacher(lesson)
        await teacher.start()
        someone = await school.person(FIRST_CLASS)
        await send_media_through(someone.context, server.udp_port, gate.port)
        classroom = await ClassroomPage.open(someone, lesson.classroom_url)
        await senses.hears(classroom.page, TEACHER.hz)
        await senses.sees(classroom.page, TEACHER.number)
        gate.rebind()
        frames = await senses.frames(classroom.page, 7)
        times = [0.0, *(frame.at_ms for frame in frames if frame.person == TEACHER.number), 7_000.0]
        gap = max(later - earlier for earlier, later in itertools.pairwise(times)) / 1000
        print(f"without picture for {gap:.1f} s")
        assert gap < 3.5
        await senses.hears(classroom.page, TEACHER.hz, within=3)
        await teacher.wait_for_tiles(1)


async def test_a_class_that_was_cut_off_is_back_with_no_hand_on_it(
    server: LiveServer, lesson: Lesson, school: School
) -> None:
    """Web and media are gone for longer than any connection lives; the page says so, tries, and is back."""
    async with DatagramGate(server.udp_port) as media_gate, Gate(server.port) as web_gate:
        through = lesson.classroom_url.replace(f":{server.port}", f":{web_gate.port}")
        teacher = await school.teacher(lesson)
        await teacher.start()
        someone = await school.person(FIRST_CLASS)
        await send_media_through(someone.context, server.udp_port, media_gate.port)
        classroom = await ClassroomPage.open(someone, through)
        await senses.hears(classroom.page, TEACHER.hz)
        await senses.sees(classroom.page, TEACHER.number)
        media_gate.cut()
        web_gate.cut()
        await senses.does_not_hear(classroom.page, TEACHER.hz)

        async def says_so() -> bool:
            return bool((await classroom.find("status-line").first.inner_text()).strip())

        await until(says_so, "the page says that the network is lost", within=20)
        await asyncio.sleep(35)  # longer than consent lasts (RFC 7675)
        media_gate.mend()
        web_gate.mend()
        back = time.monotonic()
        await senses.hears(classroom.page, TEACHER.hz, within=30)
        await senses.sees(classroom.page, TEACHER.number)
        print(f"back {time.monotonic() - back:.1f} s after the network")
        await teacher.wait_for_tiles(1)
        assert len((await server.lesson(lesson))["participants"]) == 2
