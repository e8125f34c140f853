"""A fleet on this machine for as long as a measurement takes: one server of several workers, and a Redis of its own.

Knows processes and files; nothing of what is measured on them.
"""

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from tests.e2e.server import Lesson
from tests.fleet.machine import Machine
from tests.fleet.people import Person
from tests.servers import RedisServer, redis_server

from bench.measure import percentile
from liveclass.cluster.model import NodeInfo

START_S = 60.0
BEAT_S = 0.02
MEGABYTE = 1024 * 1024

Row = tuple[str, str, str]
"""What it is, what it must reach (empty: nothing is promised), what was measured."""


@dataclass(frozen=True, slots=True)
class Site:
    """A server and the Redis in which its workers find each other."""

    machine: Machine
    redis: RedisServer

    async def owner(self, lesson: Lesson) -> tuple[NodeInfo, psutil.Process]:
        """The node that has the only live lesson, once all nodes are up.

        Raises:
            AssertionError: they do not come up.
        """
        end = time.monotonic() + START_S
        while True:
            with contextlib.suppress(AssertionError, psutil.NoSuchProcess):
                if len(await self.machine.nodes()) == self.machine.workers:
                    return await self.machine.owner(lesson)
            assert time.monotonic() < end, f"not all nodes are up:\n{self.machine.server.log_tail()}"
            await asyncio.sleep(0.1)

    def processes(self) -> list[psutil.Process]:
        """The workers; where there is one alone, it is the server itself."""
        server = psutil.Process(self.machine.server.pid)
        return list(server.children()) if self.machine.workers > 1 else [server]


@contextlib.asynccontextmanager
async def site(workers: int = 2, **settings: str) -> AsyncIterator[Site]:
    """It runs, and is gone afterwards.

    Args:
        settings: of the server, by their names in lower case. All people of a measurement share an address, so
            requests of one address are not limited.
    """
    with redis_server() as redis, tempfile.TemporaryDirectory(prefix="liveclass-bench-") as folder:
        machine = Machine(Path(folder), workers, redis_url=redis.url, **{"posts_per_s": "100000", **settings})
        await machine.start()
        try:
            yield Site(machine, redis)
        finally:
            await machine.stop()


async def until(holds: Callable[[], bool], what: str, within_s: float) -> None:
    """Wait for it. Raises AssertionError."""
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, f"not within {within_s:g} s: {what}"
        await asyncio.sleep(0.02)


def heard_after(person: Person, since: float) -> float | None:
    """When the person first heard something after `since`; None: not yet."""
    newer = [at for at in reversed(person.heard_at) if at >= since]
    return newer[-1] if newer else None


def silences(people: Iterable[Person], since: float, until: float) -> list[float]:
    """The longest time in which each heard nothing, in seconds; also when it lasted until the end."""
    found = []
    for person in people:
        heard = [since, *(at for at in person.heard_at if since <= at <= until), until]
        found.append(max(later - earlier for earlier, later in pairwise(heard)))
    return found


class Pulse:
    """How long this process itself stood still: then it could neither speak nor hear, whatever the server did.

    Attributes:
        worst_s: the longest time that it was late by.
    """

    def __init__(self) -> None:
        self.worst_s = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Pulse":
        self._task = asyncio.create_task(self._beat())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _beat(self) -> None:
        while True:
            begun = time.monotonic()
            await asyncio.sleep(BEAT_S)
            self.worst_s = max(self.worst_s, time.monotonic() - begun - BEAT_S)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process holds."""

    rss_mb: float
    descriptors: int
    threads: int

    @classmethod
    def of(cls, process: psutil.Process) -> "Usage":
        return cls(process.memory_info().rss / MEGABYTE, process.num_fds(), process.num_threads())


def middle(values: Sequence[float], unit: str = "s", digits: int = 2) -> str:
    """Median, 95th percentile and maximum in words."""
    if not values:
        return "none"
    p50, p95 = percentile(values, 50) or 0.0, percentile(values, 95) or 0.0
    return f"p50 {p50:.{digits}f}, p95 {p95:.{digits}f}, at most {max(values):.{digits}f} {unit}"


def table(rows: Sequence[Row]) -> str:
    """As Markdown."""
    lines = [f"| {what} | {aim} | {measured} |" for what, aim, measured in rows]
    return "\n".join(["| | aim | measured |", "|---|---|---|", *lines])


def surroundings() -> str:
    """How busy the machine is as the measurement begins, for whoever reads its figures."""
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the begin, nice {os.nice(0)}"
