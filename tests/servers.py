"""Real servers that tests start for themselves: on free ports of this machine, in folders that are thrown away.

Only Redis so far; nothing here knows liveclass.
"""

import asyncio
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

START_S = 20.0
"""A busy machine may take this long to start one."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RedisServer:
    """A `redis-server` process that can be stopped, frozen, killed and started again, with or without what it knew."""

    def __init__(self, folder: Path, *, port: int = 0, replica_of: int = 0) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._replica_of = replica_of
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, as it was last saved, and wait until it answers."""
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
        command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command += ["--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"]
        if self._replica_of:
            command += ["--replicaof", "127.0.0.1", str(self._replica_of)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_S
        while self.tell("PING") != "+PONG":
            assert self._process.poll() is None, "redis-server ended at once"
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.02)

    def tell(self, *words: str) -> str:
        """Send one command, return the first line of the answer; empty when it does not answer."""
        request = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as line:
                line.sendall(request.encode())
                return line.makefile().readline().strip()
        except OSError:
            return ""

    def save(self) -> None:
        assert self.tell("SAVE") == "+OK"

    def kill(self) -> None:
        """End it at once; what was not saved is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """A Redis that is empty, and gone afterwards. Skips the test where Redis is not installed."""
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.kill()


class Wire:
    """A TCP address that leads to a server, or to another one, or nowhere: what a failover changes, and a cut cable."""

    def __init__(self, to_port: int) -> None:
        self.to_port = to_port
        self.cut = False
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> int:
        """Listen; returns the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    def drop(self) -> None:
        """End all connections that are open."""
        for writer in self._open:
            writer.transport.abort()

    async def close(self) -> None:
        self.drop()
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            onward, back = await asyncio.open_connection("127.0.0.1", self.to_port)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, back}
        await asyncio.gather(self._copy(reader, back), self._copy(onward, writer), return_exceptions=True)
        self._open -= {writer, back}

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                if not self.cut:  # the bytes are lost: TCP below would wait and send them again, for minutes
                    writer.write(data)
                    await writer.drain()
        finally:
            writer.transport.abort()
