"""What stays behind: of a long lesson whose classrooms come and go, and of lessons that are opened and closed."""

import asyncio
import random
import time
from dataclasses import dataclass, field

import aiohttp
import numpy as np
import psutil  # type: ignore[import-untyped]
from tests.fleet.people import Person, lesson_of

from bench.fleet.site import Row, Site, Usage, silences, site, until

SETTLE_S = 5.0
TURN_S = 1.0
"""Between two changes: one leaves, and comes back in the next."""

WARM_CYCLES = 5
"""Lessons until all that is made once is there: connections of the database, threads for files."""

SAMPLE_S = 5.0
HEAR_S = 30.0
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


def slope(samples: list[tuple[float, float]]) -> float:
    """Of (seconds, value), by least squares: value an hour."""
    if len(samples) < 3:
        return 0.0
    at, value = np.array(samples).T
    return float(np.polyfit(at, value, 1)[0]) * 3600


@dataclass(slots=True)
class Wear:
    """Before, and after.

    Attributes:
        turns: of coming and going.
        before, after: of the process that has the lesson, with nobody who was not there before.
        memory: (seconds, MB) while it went on.
        silences: the longest of each classroom that stayed.
    """

    turns: int
    before: State
    after: State
    memory: list[tuple[float, float]] = field(default_factory=list)
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
        span_min = (half[-1][0] - half[0][0]) / 60 if half else 0.0
        rows.append((f"memory's slope over the last {span_min:.1f} min", "0", f"{slope(half):+.1f} MB an hour"))
        if self.silences:
            rows.append(("longest silence of a classroom that stayed", "", f"{max(self.silences):.2f} s"))
        return rows


async def soak(rooms: int, seconds: float, turn_s: float = TURN_S, settle_s: float = SETTLE_S) -> Wear:
    """A lesson on two nodes; half of its classrooms come and go, the other half stays."""
    chance = random.Random(1)
    async with site() as here, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True)) as http:
        server = here.machine.server
        lesson = await server.create_lesson()
        staying = rooms - rooms // 2
        async with lesson_of(server.url, lesson, staying) as (_, people):
            going: dict[int, Person] = {}

            async def come(number: int) -> None:
                going[number] = Person(server.url, lesson, "classroom", number)
                await going[number].start(http)
                await until(lambda: bool(going[number].heard_at), "sound", HEAR_S)

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
                while (at := time.monotonic() - begun) < seconds:
                    if at >= sampled:
                        wear.memory.append((at, Usage.of(process).rss_mb))
                        sampled = at + SAMPLE_S
                    await turn()
                    wear.turns += 1
                await asyncio.sleep(settle_s)
                wear.silences = silences(people, begun, time.monotonic())
                wear.after = await _state(here, process)
            finally:
                await asyncio.gather(*(one.stop() for one in going.values()))
    return wear


async def classes(rooms: int, cycles: int, settle_s: float = SETTLE_S) -> Wear:
    """One lesson after the other on one node: it begins, all hear, it ends, all leave."""
    async with site(workers=1) as here:
        server = here.machine.server
        process = here.processes()[0]

        async def cycle() -> None:
            lesson = await server.create_lesson()
            async with lesson_of(server.url, lesson, rooms):
                await server.api("POST", f"/api/lessons/{lesson.id}/end")

        for _ in range(WARM_CYCLES):
            await cycle()
        await asyncio.sleep(settle_s)
        before = await _state(here, process)
        begun = time.monotonic()
        wear = Wear(0, before, before)
        for _ in range(cycles):
            await cycle()
            wear.turns += 1
            wear.memory.append((time.monotonic() - begun, Usage.of(process).rss_mb))
        await asyncio.sleep(settle_s)
        wear.after = await _state(here, process)
    return wear
