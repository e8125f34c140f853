"""Real workers on one data folder, found by a file and by a real Redis: what a lesson survives, and what it costs.

The figures are printed; the bounds are those of the programme (sound back within 5 s).
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.e2e.server import Lesson
from tests.fleet.machine import Machine
from tests.fleet.people import Person, lesson_of, until
from tests.servers import RedisServer, redis_server

ROOMS = 3
BACK_S = 5.0
LEASE_S = 3.0

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(240)]


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(params=["file", "redis"])
async def machine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Machine]:
    redis_url = request.getfixturevalue("redis").url if request.param == "redis" else ""
    one = Machine(tmp_path, redis_url=redis_url, lease_s=str(LEASE_S))
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


async def back(people: list[Person], since: float, within_s: float) -> list[float]:
    """Seconds until each hears again, of those that fell silent."""

    def heard(one: Person) -> float | None:
        return next((at for at in one.heard_at if at >= since), None)

    await until(lambda: all(heard(one) is not None for one in people), "sound is back", within_s)
    return sorted((heard(one) or 0.0) - since for one in people)


def events(machine: Machine, lesson: Lesson) -> list[dict[str, Any]]:
    """The lesson's log, every line of which must be whole."""
    text = (machine.server.data_dir / "timelines" / f"{lesson.id}.jsonl").read_bytes()
    assert text.endswith(b"\n")
    return [msgspec.json.decode(line) for line in text.splitlines()]


async def finished_replay(machine: Machine, lesson: Lesson) -> Any:
    await machine.server.api("POST", f"/api/lessons/{lesson.id}/end")
    for _ in range(100):
        shown = await machine.server.lesson(lesson)
        if shown["recording"]["state"] == "finished":
            return await machine.server.replay(lesson)
        await asyncio.sleep(0.1)
    raise AssertionError(f"the replay was not completed: {shown['recording']}\n{machine.server.log_tail()}")


def check_log(machine: Machine, lesson: Lesson) -> None:
    """One log, as if one process had written it."""
    seqs = [one["seq"] for one in events(machine, lesson)]
    assert seqs == sorted(set(seqs))


async def test_when_the_owner_is_killed_another_goes_on_and_the_replay_is_one_lesson(machine: Machine) -> None:
    lesson = await machine.server.create_lesson()
    async with lesson_of(machine.url, lesson, ROOMS) as (teacher, rooms):
        await asyncio.sleep(3)
        _, process = await machine.owner(lesson)
        killed = time.monotonic()
        process.kill()
        await asyncio.sleep(0.1)
        waits = await back(rooms, time.monotonic(), 20)
        silence = max(room.longest_silence_s(killed) for room in rooms)
        print(f"killed: sound back after {max(waits) + 0.1:.2f} s, longest silence {silence:.2f} s")
        assert silence < BACK_S
        assert (await machine.owner(lesson))[1].pid != process.pid
        await asyncio.sleep(3)
        online = [one for one in teacher.welcome["participants"] if one["online"]]
        assert len({one["id"] for one in online}) == len(online) <= ROOMS + 1
        shown = await machine.server.lesson(lesson)
        assert len(shown["participants"]) == ROOMS + 1
        told = events(machine, lesson)
        assert len([one for one in told if one["event"]["type"] == "part_began"]) == 2
    replay = await finished_replay(machine, lesson)
    assert len(replay["parts"]) == 2
    check_log(machine, lesson)


async def test_an_owner_that_was_paused_finds_itself_fenced_and_writes_nothing_more(machine: Machine) -> None:
    lesson = await machine.server.create_lesson()
    async with lesson_of(machine.url, lesson, ROOMS) as (_, rooms):
        await asyncio.sleep(2)
        node, process = await machine.owner(lesson)
        os.kill(process.pid, signal.SIGSTOP)
        stopped = time.monotonic()
        await asyncio.sleep(2 * LEASE_S)
        await back(rooms, time.monotonic(), 20)
        print(f"paused: longest silence {max(room.longest_silence_s(stopped) for room in rooms):.2f} s")
        os.kill(process.pid, signal.SIGCONT)
        await asyncio.sleep(LEASE_S)
        log = machine.server.log.read_text()
        assert "reason=fenced" in log, machine.server.log_tail()
        assert (await machine.owner(lesson))[0].id != node.id
        held = [one.lessons for one in await machine.nodes()]
        assert sorted(held) == [0, 1]
        # The one that goes on was not disturbed by the one that woke up.
        woke = time.monotonic()
        await asyncio.sleep(1)
        assert max(room.longest_silence_s(woke) for room in rooms) < 1
    replay = await finished_replay(machine, lesson)
    assert len(replay["parts"]) == 2
    check_log(machine, lesson)


async def test_a_drained_node_hands_its_lesson_over_in_a_moment(machine: Machine) -> None:
    lesson = await machine.server.create_lesson()
    async with lesson_of(machine.url, lesson, ROOMS) as (_, rooms):
        await asyncio.sleep(2)
        node, process = await machine.owner(lesson)
        begun = time.monotonic()
        await machine.command("node", "drain", node.id, "--wait", "10")
        await back(rooms, time.monotonic(), 20)
        silence = max(room.longest_silence_s(begun) for room in rooms)
        print(f"drained: longest silence {silence:.2f} s")
        assert silence < 2.5
        assert (await machine.owner(lesson))[1].pid != process.pid
        assert {code for room in rooms for code, _ in room.closes} == {1012}
        await asyncio.sleep(1)
    replay = await finished_replay(machine, lesson)
    assert len(replay["parts"]) == 2
    check_log(machine, lesson)


async def test_redis_may_be_gone_and_running_lessons_notice_nothing(redis: RedisServer, tmp_path: Path) -> None:
    """Also for a page that comes through another worker; what nobody has is refused in a word, and nothing hangs."""
    machine = Machine(tmp_path, redis_url=redis.url, lease_s=str(LEASE_S))
    await machine.start()
    try:
        lesson, other = await machine.server.create_lesson(), await machine.server.create_lesson()
        async with lesson_of(machine.url, lesson, ROOMS) as (teacher, rooms):
            await asyncio.sleep(2)
            redis.freeze()
            frozen = time.monotonic()
            await asyncio.sleep(2 * LEASE_S)
            async with aiohttp.ClientSession() as http:
                for _ in range(4):
                    asked = time.monotonic()
                    async with http.get(f"{machine.url}/api/replays/{other.id}") as answer:
                        told = (answer.status, (await answer.json())["error"]["code"])
                    assert told == (503, "directory_gone")
                    assert answer.headers["Retry-After"] == "5"
                    assert time.monotonic() - asked < 4
            redis.thaw()
            await asyncio.sleep(LEASE_S)
            silence = max(room.longest_silence_s(frozen) for room in rooms)
            print(f"Redis gone for {time.monotonic() - frozen - LEASE_S:.0f} s: longest silence {silence:.2f} s")
            assert silence < 1
            assert all(one.closes == [] for one in (teacher, *rooms))
            assert (await machine.server.lesson(other))["state"] == "waiting"
    finally:
        await machine.stop()
