"""The forms in which liveclass is run, for a lesson that must not notice which one it is in: a server that is alone,
and two machines that share Redis, PostgreSQL and an object store, and no disk.

Each can be upgraded while it teaches, and can lose the server that has the lesson. Knows nothing of what happens in the
lesson.
"""

import asyncio
import shutil
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import aiohttp

from liveclass.cluster.directory import DirectoryGone
from liveclass.cluster.opening import open_directory
from tests.e2e.server import Lesson, LiveServer
from tests.servers import free_port

FRAGMENT_S = 1.0
SEGMENT_S = 2.0
ROUND_S = 0.2
LEASE_S = 3.0
OWNER_S = 20.0

SETTINGS = {
    "fragment_s": str(FRAGMENT_S),
    "segment_s": str(SEGMENT_S),
    "record_light": "false",
    "disk_floor_bytes": "0",
}


class Form(ABC):
    """One way of running it.

    Attributes:
        moved_s: how long a lesson may be silent when its server is upgraded.
        lost_s: what of the recording may be missing when the server that has the lesson is lost.
    """

    moved_s: float
    lost_s: float

    def __init__(self, servers: Sequence[LiveServer]) -> None:
        self.servers = servers

    @property
    def doors(self) -> list[str]:
        """Where its servers answer."""
        return [server.url for server in self.servers]

    @property
    def up(self) -> list[LiveServer]:
        """The servers that run now."""
        return [server for server in self.servers if server.process.returncode is None]

    async def start(self) -> None:
        await asyncio.gather(*(server.start() for server in self.servers))

    async def stop(self) -> None:
        await asyncio.gather(*(server.stop() for server in self.up))

    async def api(self, method: str, path: str, *, token: str = "") -> Any:
        """By whichever server runs; asked again while the lesson moves."""
        for _ in range(40):
            try:
                return await self.up[-1].api(method, path, token=token)
            except aiohttp.ClientResponseError as refused:
                if refused.status != 503:
                    raise
                await asyncio.sleep(0.25)
        raise AssertionError(f"{path} is refused for too long")

    @abstractmethod
    async def upgrade(self, lesson: Lesson) -> None:
        """End the server that has the lesson as an upgrade does, and start it again."""

    @abstractmethod
    async def lose(self, lesson: Lesson) -> float:
        """The server that has the lesson dies, in the worst way that this form bears. Returns when, of the monotonic
        clock."""

    @abstractmethod
    async def replace(self) -> None:
        """What was lost is back, with nothing that it had where that was lost too."""

    def logs(self) -> str:
        return "\n\n".join(server.log_tail() for server in self.servers)


class Alone(Form):
    """One server, all of it in one process and one folder: it comes back by itself, as under systemd."""

    moved_s = 30.0
    """A process has to start."""
    lost_s = FRAGMENT_S

    def __init__(self, folder: Path) -> None:
        super().__init__([LiveServer(folder / "data", SETTINGS)])

    async def upgrade(self, lesson: Lesson) -> None:
        await self.servers[0].restart()

    async def lose(self, lesson: Lesson) -> float:
        killed = time.monotonic()
        await self.servers[0].restart(hard=True)
        return killed

    async def replace(self) -> None:
        """It is back already."""


class Machines(Form):
    """Two machines of one process each. What is lost is lost with its disk."""

    moved_s = 2.5
    """Beside other tests; the figure alone is in the bench."""
    lost_s = SEGMENT_S + FRAGMENT_S + ROUND_S

    def __init__(self, folder: Path, redis_url: str, database_url: str, store: dict[str, str]) -> None:
        self._redis_url = redis_url
        shared = {
            **SETTINGS,
            **store,
            "store_round_s": str(ROUND_S),
            "redis_url": redis_url,
            "database_url": database_url,
            "fleet_key": "the-same-secret-on-every-machine",
            "lease_s": str(LEASE_S),
        }
        names = ("east", "west")
        for name in names:
            (folder / name).mkdir()
        super().__init__([LiveServer(folder / name / "data", {**shared, "node_name": name}) for name in names])
        self._named = dict(zip(names, self.servers, strict=True))
        for server in self.servers:
            server.admin_token = self.servers[0].admin_token

    async def owner(self, lesson: Lesson) -> LiveServer:
        """The machine that has the only live lesson."""
        directory = open_directory(self._redis_url, "liveclass", Path())
        end = time.monotonic() + OWNER_S
        try:
            while time.monotonic() < end:
                with suppress(DirectoryGone):
                    having = [node.name for node in await directory.nodes() if node.lessons]
                    if len(having) == 1 and self._named[having[0]] in self.up:
                        return self._named[having[0]]
                await asyncio.sleep(0.1)
        finally:
            await directory.close()
        raise AssertionError(f"no machine has {lesson.id}\n{self.logs()}")

    async def upgrade(self, lesson: Lesson) -> None:
        owner = await self.owner(lesson)
        await owner.restart()
        assert await self.owner(lesson) is not owner

    async def lose(self, lesson: Lesson) -> float:
        owner = await self.owner(lesson)
        killed = time.monotonic()
        await owner.stop(hard=True)
        shutil.rmtree(owner.data_dir)
        return killed

    async def replace(self) -> None:
        await asyncio.gather(*(server.start() for server in self.servers if server not in self.up))


class ObjectStore:
    """S3 as moto plays it, in a process of its own. Begins at once; `settings` are good once `ready` has returned."""

    def __init__(self) -> None:
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @property
    def settings(self) -> dict[str, str]:
        """Of a server that is to use it."""
        return {
            "store_url": "s3://lessons/school",
            "store_endpoint": self._url,
            "store_key_id": "key",
            "store_key_secret": "a secret",
        }

    def ready(self) -> None:
        """Wait until it answers, and make an empty bucket."""
        auth = "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
        for _ in range(600):
            with suppress(URLError, ConnectionError):
                urlopen(Request(f"{self._url}/lessons", method="PUT", headers={"Authorization": auth}))  # noqa: S310
                return
            time.sleep(0.1)
        raise AssertionError("moto does not answer")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """It is gone afterwards."""
    store = ObjectStore()
    try:
        yield store
    finally:
        store.stop()
