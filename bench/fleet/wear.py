"""What stays behind: of a long lesson whose classrooms come and go, and of lessons that are opened and closed."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp
import numpy as np
import psutil  # type: ignore[import-untyped]
from tests.e2e.server import Lesson
from tests.fleet.people import Person, lesson_of

from bench.fleet.site import Row, Site, Usage, silences, site, until

SETTLE_S = 5.0
REST_S = 8.0
"""After which the server has closed the files of lessons that are over, as it keeps them for some seconds."""

TURN_S = 1.0
"""Between two changes: one leaves, and comes back in the next."""

WARM_CYCLES = 5
"""Lessons until all that is made once is there: connections of the database, threads for files."""

SAMPLE_S = 5.0
LEVELS = 12
"""Samples of memory that are told one by one."""

HEAR_S = 30.0
LIGHT_S = 10.0
"""For one light rendition of a short lesson, by a child at idle priority beside a busy machine."""

LOOKS = 60
"""Tries to be answered by a given worker: who takes a connection is chance."""

TASKS = "liveclass_event_loop_tasks"
OWNED = "liveclass_lessons_owned"


@dataclass(frozen=True, slots=True)
class State:
    """What a process of the server holds."""

    usage: Usage
    tasks: int

    @property
    def counts(self) -> tuple[int, int, int]:
        return self.usage.descriptors, self.tasks, self.usage.threads


async def _state(here: Site, process: psutil.Process, owning: bool = True) -> State:
    """Of a worker, with its tasks as it tells them itself.

    Args:
        owning: whether the process owns the lesson, by which its answer is known among the workers'.
    """
    for _ in range(LOOKS):
        told = await here.machine.server.metrics()
        if here.machine.workers == 1 or bool(told[OWNED]) == owning:
            return State(Usage.of(process), int(told[TASKS]))
    raise AssertionError("the owner does not tell its figures")


@dataclass(frozen=True, slots=True)
class Sample:
    """How much memory there was after how long, and after how many comings and goings."""

    at_s: float
    turns: int
    rss_mb: float


def slope(samples: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Of (place, value), by least squares: value for one place more, and its standard error, as if each sample were by
    itself; memory keeps what it has taken, so the truth is wider."""
    if len(samples) < 3:
        return 0.0, 0.0
    at, value = np.array(samples, float).T
    spread = float(((at - at.mean()) ** 2).sum())
    if not spread:
        return 0.0, 0.0
    rise, begin = np.polyfit(at, value, 1)
    left = float(((value - begin - rise * at) ** 2).sum())
    return float(rise), float(np.sqrt(left / (len(samples) - 2) / spread))


@dataclass(slots=True)
class Wear:
    """Before, and after.

    Attributes:
        turns: of coming and going.
        before, after: of the process that has the lesson, with nobody who was not there before.
        memory: while it went on.
        silences: the longest of each classroom that stayed.
    """

    turns: int
    before: State
    after: State
    memory: list[Sample] = field(default_factory=list)
    silences: list[float] = field(default_factory=list)

    @property
    def drift(self) -> tuple[int, int, int]:
        """How many descriptors, tasks and threads there are more than before."""
        descriptors, tasks, threads = (
            now - then for then, now in zip(self.before.counts, self.after.counts, strict=True)
        )
        return descriptors, tasks, threads

    def rows(self) -> list[Row]:
        half = self.memory[len(self.memory) // 2 :]
        then, now = self.before.usage, self.after.usage
        rows: list[Row] = [("comings and goings", "", str(self.turns))]
        for name, before, after in zip(
            ("descriptors", "tasks", "threads"), self.before.counts, self.after.counts, strict=True
        ):
            rows.append((f"{name} before; after", "+-2", f"{before}; {after}"))
        rows.append(("memory before; after", "", f"{then.rss_mb:.1f}; {now.rss_mb:.1f} MB"))
        if not half:
            return rows
        span_min, turns = (half[-1].at_s - half[0].at_s) / 60, half[-1].turns - half[0].turns
        levels = [f"{one.rss_mb:.1f}" for one in self.memory[:: max(1, len(self.memory) // LEVELS)]]
        rows.append(("memory on the way", "", f"{', '.join(levels)} MB"))
        by_time, by_turn = (
            slope([(one.at_s, one.rss_mb) for one in half]),
            slope([(one.turns, one.rss_mb) for one in half]),
        )
        over = f"memory's slope over the last {span_min:.1f} min, {turns} comings and goings"
        rows.append((over, "0", f"{by_time[0] * 3600:+.2f} +-{by_time[1] * 3600:.2f} MB an hour"))
        rows.append(("the same", "0", f"{by_turn[0] * 1000:+.3f} +-{by_turn[1] * 1000:.3f} MB for 1,000 of them"))
        if self.silences:
            rows.append(("longest silence of a classroom that stayed", "", f"{max(self.silences):.2f} s"))
        return rows


async def soak(
    rooms: int, seconds: float, turn_s: float = TURN_S, settle_s: float = SETTLE_S, at_once: int = 1
) -> Wear:
    """A lesson on two nodes; half of its classrooms come and go, the other half stays.

    Args:
        turn_s: how long one stays away.
        at_once: how many are away, or on their way back, at a time.
    """
    chance = random.Random(1)
    async with site() as here, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True)) as http:
        server = here.machine.server
        lesson = await server.create_lesson()
        staying = rooms - rooms // 2
        async with lesson_of(server.url, lesson, staying) as (_, people):
            going: dict[int, Person] = {}

            async def come(number: int) -> None:
                person = Person(server.url, lesson, "classroom", number)
                await person.start(http)
                try:
                    await until(lambda: bool(person.heard_at), "sound", HEAR_S)
                except BaseException:
                    await person.stop()
                    raise
                # Only now may it be chosen to leave.
                going[number] = person

            async def turn() -> None:
                """One leaves, and is back."""
                number = chance.choice(sorted(going))
                await going.pop(number).stop()
                await asyncio.sleep(turn_s)
                await come(number)

            try:
                for number in range(rooms // 2):
                    await come(500 + number)
                _, process = await here.owner(lesson)
                for _ in range(3):
                    await turn()
                await asyncio.sleep(settle_s)
                before = await _state(here, process)
                begun = time.monotonic()
                wear = Wear(0, before, before)
                sampled = 0.0

                async def turns() -> None:
                    nonlocal sampled
                    while (at := time.monotonic() - begun) < seconds:
                        if at >= sampled:
                            wear.memory.append(Sample(at, wear.turns, Usage.of(process).rss_mb))
                            sampled = at + SAMPLE_S
                        await turn()
                        wear.turns += 1

                await asyncio.gather(*(turns() for _ in range(min(at_once, len(going)))))
                await asyncio.sleep(settle_s)
                wear.silences = silences(people, begun, time.monotonic())
                wear.after = await _state(here, process)
            finally:
                await asyncio.gather(*(one.stop() for one in going.values()))
    return wear


async def classes(rooms: int, cycles: int, settle_s: float = REST_S) -> Wear:
    """One lesson after the other on one node: it begins, all hear, it ends, all leave."""
    async with site(workers=1) as here:
        server = here.machine.server
        process = here.processes()[0]
        lessons: list[Lesson] = []

        async def cycle() -> None:
            lesson = await server.create_lesson()
            async with lesson_of(server.url, lesson, rooms):
                await server.api("POST", f"/api/lessons/{lesson.id}/end")
            lessons.append(lesson)

        async def rest() -> None:
            """Until what is made after a lesson is made, and what is closed when it is not used is closed."""
            end = time.monotonic() + LIGHT_S * len(lessons)
            while lessons:
                replay = await server.replay(lessons[-1])
                if replay["recording"]["state"] == "finished" and (not replay["main"] or replay["light"]):
                    lessons.pop()
                    continue
                assert time.monotonic() < end, f"{len(lessons)} lessons are not at rest: {replay}"
                await asyncio.sleep(0.5)
            await asyncio.sleep(settle_s)

        for _ in range(WARM_CYCLES):
            await cycle()
        await rest()
        before = await _state(here, process)
        begun = time.monotonic()
        wear = Wear(0, before, before)
        for _ in range(cycles):
            await cycle()
            wear.turns += 1
            wear.memory.append(Sample(time.monotonic() - begun, wear.turns, Usage.of(process).rss_mb))
        await rest()
        wear.after = await _state(here, process)
    return wear
