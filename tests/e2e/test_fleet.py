"""Real pages on a server of two workers: they follow their lesson to another process with no hand on them."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e import senses
from tests.e2e.pages import ClassroomPage
from tests.e2e.school import FIRST_CLASS, SECOND_CLASS, TEACHER, School
from tests.e2e.server import LiveServer
from tests.fleet.machine import Machine

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

WINDOW_S = 0.3


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    one = Machine(tmp_path)
    await one.start()
    yield one
    await one.stop()
    assert "Traceback" not in one.server.log.read_text("utf-8", errors="replace"), one.server.log_tail(120)


@pytest.fixture
def server(machine: Machine) -> LiveServer:
    return machine.server


async def sound_is_back(classroom: ClassroomPage, since: float) -> float:
    """Seconds from `since` until the end of the first window in which the teacher is heard again."""
    while time.monotonic() - since < 30:
        heard = await senses.tones(classroom.page, WINDOW_S)
        if any(senses.is_near(hz, TEACHER.hz) for hz in heard):
            return time.monotonic() - since
    raise AssertionError("the teacher was not heard again within 30 s")


@pytest.mark.parametrize("how", ["killed", "drained"])
async def test_a_class_follows_its_lesson_to_another_worker(machine: Machine, school: School, how: str) -> None:
    lesson = await machine.server.create_lesson()
    teacher = await school.teacher(lesson)
    await teacher.start()
    called = await school.classroom(lesson, FIRST_CLASS)
    other = await school.classroom(lesson, SECOND_CLASS)
    await teacher.wait_for_tiles(2)
    await teacher.call(0)
    await senses.hears(teacher.page, FIRST_CLASS.hz)
    await asyncio.gather(*(senses.hears(one.page, TEACHER.hz) for one in (called, other)))
    node, process = await machine.owner(lesson)
    since = time.monotonic()
    if how == "killed":
        process.kill()
        await asyncio.sleep(WINDOW_S)
    else:
        await machine.command("node", "drain", node.id, "--wait", "10")
        since = time.monotonic()
    waits = await asyncio.gather(*(sound_is_back(one, since) for one in (called, other)))
    print(f"{how}: the teacher is heard again after {max(waits):.1f} s, read in windows of {WINDOW_S} s")
    assert (await machine.owner(lesson))[1].pid != process.pid
    await asyncio.gather(
        senses.hears(teacher.page, FIRST_CLASS.hz, within=30),
        senses.sees(other.page, TEACHER.number),
        senses.sees(teacher.page, FIRST_CLASS.number),
    )
    await called.shows("called")
    await teacher.wait_for_tiles(2)
    assert max(waits) < 8
