"""What is left of lessons whose owner is killed, and whose Redis is stopped: sound, people, recording, and words."""

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import aiohttp
from tests.e2e.server import Lesson
from tests.fleet.people import Person, lesson_of

from bench.fleet.site import Row, Site, heard_after, middle, silences, site, until
from liveclass.cluster.directory import DirectoryGone, DirectoryYoung
from liveclass.cluster.opening import open_directory

CALM_S = 3.0
"""Of undisturbed lesson before each kill."""

IN_FLIGHT_S = 0.1
"""Packets that had left the dead node may still be heard for so long."""

BACK_S = 30.0
INTERRUPTION_S = 0.5
ANSWER_S = 10.0
REBUILT_S = 30.0


@dataclass(slots=True)
class Failover:
    """What was seen of killed owners.

    Attributes:
        backs: seconds from each kill until each classroom heard again.
        duplicates: participants that the lesson has beyond those who came.
        parts: of the recording.
        gaps: seconds between one part's end and the next one's begin.
        lost: of each kill, seconds of lesson before it that are in no part.
    """

    backs: list[float] = field(default_factory=list)
    duplicates: int = 0
    parts: int = 0
    gaps: list[float] = field(default_factory=list)
    lost: list[float] = field(default_factory=list)

    def rows(self) -> list[Row]:
        return [
            ("sound is back after", "p50 2 s, p95 5 s", middle(self.backs)),
            ("participants twice", "0", str(self.duplicates)),
            ("parts of the recording", "kills + 1", str(self.parts)),
            ("gap between two parts", "", middle(self.gaps)),
            ("lost of the recording before a kill", "1 s", middle(self.lost)),
        ]


async def failover(rooms: int, kills: int) -> Failover:
    """A lesson whose owner is killed again and again."""
    seen = Failover()
    killed_ms = []
    async with site() as here:
        server = here.machine.server
        lesson = await server.create_lesson()
        async with lesson_of(server.url, lesson, rooms) as (_, people):
            for _ in range(kills):
                await asyncio.sleep(CALM_S)
                _, process = await here.owner(lesson)
                process.kill()
                killed = time.monotonic()
                killed_ms.append(time.time() * 1000)
                after = killed + IN_FLIGHT_S
                await until(lambda: all(heard_after(one, after) for one in people), "sound is back", BACK_S)  # noqa: B023
                seen.backs += [(heard_after(one, after) or 0.0) - killed for one in people]
            await asyncio.sleep(CALM_S)
            seen.duplicates = len((await server.lesson(lesson))["participants"]) - (rooms + 1)
        parts = (await _finished(here, lesson))["parts"]
    spans = [(one["began_at_ms"], one["began_at_ms"] + one["duration_s"] * 1000) for one in parts]
    seen.parts = len(parts)
    seen.gaps = [(later[0] - earlier[1]) / 1000 for earlier, later in pairwise(spans)]
    for at in killed_ms:
        ends = [end for begin, end in spans if begin <= at]
        seen.lost.append(max(0.0, (at - max(ends)) / 1000) if ends else 0.0)
    return seen


async def _finished(here: Site, lesson: Lesson) -> Any:
    """The replay's manifest once the lesson has ended."""
    await here.machine.server.api("POST", f"/api/lessons/{lesson.id}/end")
    for _ in range(100):
        if (await here.machine.server.lesson(lesson))["recording"]["state"] == "finished":
            return await here.machine.server.replay(lesson)
        await asyncio.sleep(0.1)
    raise AssertionError(f"the replay was not completed:\n{here.machine.server.log_tail()}")


@dataclass(slots=True)
class Outage:
    """What was seen while Redis was stopped.

    Attributes:
        seconds: for how long.
        silences: the longest of each classroom, from the stop until the directory was whole again.
        closes: sockets that were closed meanwhile.
        words: answers to requests for lessons that nobody has: status, code, Retry-After, and how often.
        waits: seconds until each of those answers.
        joins: seconds from a newcomer's first request to sound, in running lessons.
        rebuilt_s: from the start of an empty Redis until it knows the owner of every lesson.
        restarts: processes that are not those of before.
    """

    seconds: float = 0.0
    silences: list[float] = field(default_factory=list)
    closes: int = 0
    words: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    joins: list[float] = field(default_factory=list)
    rebuilt_s: float = 0.0
    restarts: int = 0

    @property
    def interruptions(self) -> int:
        return sum(one > INTERRUPTION_S for one in self.silences)

    def rows(self) -> list[Row]:
        words = "; ".join(f"{word}: {count}" for word, count in self.words.most_common())
        return [
            (
                f"classrooms with a silence over {INTERRUPTION_S:g} s",
                "0",
                f"{self.interruptions} of {len(self.silences)}",
            ),
            ("longest silence of each", "", middle(self.silences)),
            ("sockets closed; processes started anew", "0; 0", f"{self.closes}; {self.restarts}"),
            ("asking for a lesson that nobody has: status, code, Retry-After", "a word", words),
            ("the same: answered after", "2 s", middle(self.waits)),
            ("joining a running lesson: sound after", "", middle(self.joins)),
            ("the directory is whole again, Redis being empty, after", "10 s", f"{self.rebuilt_s:.1f} s"),
        ]


async def outage(lessons: int, rooms: int, seconds: float) -> Outage:
    """Redis is killed while lessons run, stays away, and comes back empty."""
    seen = Outage()
    async with contextlib.AsyncExitStack() as stack:
        here = await stack.enter_async_context(site())
        server = here.machine.server
        idle = await server.create_lesson("Nobody's")
        running = [await server.create_lesson(f"Lesson {number}") for number in range(lessons)]
        entered = [await stack.enter_async_context(lesson_of(server.url, one, rooms)) for one in running]
        people = [room for _, classrooms in entered for room in classrooms]
        everybody = [*people, *(teacher for teacher, _ in entered)]
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)))
        await asyncio.sleep(CALM_S)
        before = {one.pid for one in here.processes()}
        closed_before = sum(len(one.closes) for one in everybody)
        here.redis.kill()
        begun = time.monotonic()
        number = 0
        while time.monotonic() - begun < seconds:
            await _ask(server.url, idle, http, seen)
            await _join(server.url, running[number % lessons], 900 + number, http, seen)
            number += 1
            await asyncio.sleep(0.5)
        seen.seconds = time.monotonic() - begun
        here.redis.start()
        seen.rebuilt_s = await _rebuilt(here.redis.url, running)
        await asyncio.sleep(CALM_S)
        seen.silences = silences(people, begun, time.monotonic())
        seen.closes = sum(len(one.closes) for one in everybody) - closed_before
        seen.restarts = len({one.pid for one in here.processes()} - before)
    return seen


async def _ask(url: str, lesson: Lesson, http: aiohttp.ClientSession, seen: Outage) -> None:
    asked = time.monotonic()
    headers = {"Authorization": f"Bearer {lesson.replay_token}"}
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    try:
        async with http.get(f"{url}/api/replays/{lesson.id}", headers=headers, timeout=timeout) as answer:
            code = "" if answer.status == 200 else (await answer.json())["error"]["code"]
            word = f"{answer.status} {code} {answer.headers.get('Retry-After', '-')}"
    except TimeoutError:
        word = "no answer"
    seen.waits.append(time.monotonic() - asked)
    seen.words[word] += 1


async def _join(url: str, lesson: Lesson, number: int, http: aiohttp.ClientSession, seen: Outage) -> None:
    newcomer = Person(url, lesson, "classroom", number)
    asked = time.monotonic()
    await newcomer.start(http)
    try:
        await until(lambda: bool(newcomer.heard_at), "a newcomer hears", ANSWER_S)
        seen.joins.append(newcomer.heard_at[0] - asked)
    finally:
        await newcomer.stop()


async def _rebuilt(redis_url: str, lessons: list[Lesson]) -> float:
    """Seconds until the directory names an owner for each."""
    begun = time.monotonic()
    directory = open_directory(redis_url, "liveclass", None)
    try:
        while time.monotonic() - begun < REBUILT_S:
            with contextlib.suppress(DirectoryGone, DirectoryYoung):
                if all([await directory.owner(one.id) is not None for one in lessons]):
                    return time.monotonic() - begun
            await asyncio.sleep(0.05)
    finally:
        await directory.close()
    raise AssertionError(f"the directory is not whole after {REBUILT_S:g} s")
