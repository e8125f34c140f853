"""The three directories, each with a way to let time pass, so that one set of laws is held to all."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from liveclass.cluster.directory import Directory
from liveclass.cluster.file import FileDirectory
from liveclass.cluster.memory import MemoryDirectory
from tests.servers import RedisServer, redis_server


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Given:
    """A directory under test.

    Attributes:
        open: makes another door to the same directory, as another process would.
        sleep: lets time pass.
        lease_s: a lease that is short for it, and long against its slowness.
    """

    open: Callable[[], Directory]
    sleep: Callable[[float], Awaitable[None]]
    lease_s: float


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis that the test may mistreat."""
    with redis_server() as server:
        yield server


@pytest.fixture(params=["memory", "file", "redis"])
async def given(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Given]:
    clock = Clock()
    doors: list[Directory] = []

    def door(make: Callable[[], Directory]) -> Callable[[], Directory]:
        def opened() -> Directory:
            doors.append(make())
            return doors[-1]

        return opened

    if request.param == "memory":
        only = MemoryDirectory(clock, clock)
        yield Given(door(lambda: only), clock.sleep, 3.0)
    elif request.param == "file":
        yield Given(door(lambda: FileDirectory(tmp_path / "fleet.db", clock, clock)), clock.sleep, 3.0)
    else:
        from liveclass.cluster.redis import RedisDirectory

        server: RedisServer = request.getfixturevalue("shared_redis")
        url, prefix = server.url, f"test-{tmp_path.name}"
        yield Given(door(lambda: RedisDirectory(url, prefix)), asyncio.sleep, 0.5)
    for opened in doors:
        await opened.close()
