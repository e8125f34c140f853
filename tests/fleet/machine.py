"""A server of several workers, as processes of their own, and hands to hurt the one that has a lesson."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]

from liveclass.cluster.directory import DirectoryGone
from liveclass.cluster.model import NodeInfo
from liveclass.cluster.opening import open_directory
from tests.e2e.server import ROOT, Lesson, LiveServer

ASKED = 5


class Machine:
    """One `liveclass serve --workers N`."""

    def __init__(self, folder: Path, workers: int = 2, **settings: str) -> None:
        self.server = LiveServer(folder / "data", {"workers": str(workers), **settings})
        self._settings = settings
        self.workers = workers

    @property
    def url(self) -> str:
        return self.server.url

    async def start(self) -> None:
        """Returns when all workers are nodes of the fleet."""
        await self.server.start()
        for _ in range(300):
            if len(await self.nodes()) == self.workers:
                return
            await asyncio.sleep(0.2)
        raise AssertionError(f"not all workers came up:\n{self.server.log_tail()}")

    async def stop(self) -> None:
        for child in self._children():
            # Whoever was stopped by a test could not end.
            child.send_signal(signal.SIGCONT)
        await self.server.stop()

    async def command(self, *words: str) -> str:
        """`liveclass` with these words, on this server's data."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LIVECLASS_")}
        path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
        options = [
            f"--{name.replace('_', '-')}={value}" for name, value in self._settings.items() if name == "redis_url"
        ]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "liveclass", *words, "--data-dir", str(self.server.data_dir), *options),
            env={**environment, "PYTHONPATH": path},
            stdout=asyncio.subprocess.PIPE,
        )
        told, _ = await process.communicate()
        assert process.returncode == 0, told
        return told.decode()

    async def nodes(self) -> list[NodeInfo]:
        """As the directory knows them; it is asked again where the answer is late, as on a machine full of browsers."""
        directory = open_directory(
            self._settings.get("redis_url", ""), "liveclass", self.server.data_dir / "cluster.db"
        )
        try:
            for _ in range(ASKED - 1):
                with suppress(DirectoryGone):
                    return await directory.nodes()
            return await directory.nodes()
        finally:
            await directory.close()

    async def owner(self, lesson: Lesson) -> tuple[NodeInfo, psutil.Process]:
        """The node that has the only live lesson, and its process."""
        for _ in range(100):
            having = [node for node in await self.nodes() if node.lessons]
            if len(having) == 1:
                return having[0], self.process_of(having[0])
            await asyncio.sleep(0.1)
        raise AssertionError(f"no node has {lesson.id}")

    def process_of(self, node: NodeInfo) -> psutil.Process:
        """The process that is a node."""
        port = urlsplit(node.url).port
        for child in self._children():
            if any(one.laddr.port == port for one in child.net_connections() if one.status == psutil.CONN_LISTEN):
                return child
        raise AssertionError(f"no process listens on {port}")

    def _children(self) -> list[psutil.Process]:
        try:
            process = psutil.Process(self.server.pid)
            return list(process.children()) if self.workers > 1 else [process]
        except psutil.NoSuchProcess:
            return []
