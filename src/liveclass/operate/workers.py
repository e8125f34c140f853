"""Several processes on one machine: starts workers, starts anew the one that dies, and passes on the word to end.

Knows processes, sockets and signals; what a worker does is the command's that it runs. The pages' port is opened here
and shared by all, so that connections wait for whichever worker is free, and none is lost with one that hangs.
"""

import asyncio
import contextlib
import json
import logging
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

log = logging.getLogger(__name__)

VARIABLE = "_LIVECLASS_WORKER"
"""How a worker learns what it is; no setting, so not named like one."""

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
SETTLED_S = 10.0
"""One that dies sooner than this after its start is started anew after a pause that doubles each time."""

TOLD_S = 2.0
"""How long the others' directory may take to hear that a worker is gone."""

EXIT_USAGE = 2
"""A worker that ends so cannot start with these settings, however often it is tried."""

KILL_AFTER_S = 30.0
"""How long beyond its own limit a worker may take to end."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What a process is among its siblings.

    Attributes:
        index: from 0; ports that each has for itself are the first one plus this.
        boot: random, new at each start.
        sockets: descriptors of the pages' port, listening already.
        life: descriptor that reads its end when the supervisor is gone.
    """

    index: int
    boot: str
    sockets: tuple[int, ...] = ()
    life: int = -1


def worker_of(environ: Mapping[str, str]) -> Worker | None:
    """What this process is; None when it is no worker."""
    text = environ.get(VARIABLE, "")
    if not text:
        return None
    told = json.loads(text)
    return Worker(int(told["index"]), str(told["boot"]), tuple(told["sockets"]), int(told["life"]))


class Supervisor:
    """Keeps `count` workers running until told to end.

    Args:
        command: that each of them runs.
        sockets: of the pages' port; given to each.
        keep: further descriptors that each worker holds for as long as it runs, such as the data folder's lock.
        gone: told the worker that has died, once its process is no more and before another takes its place.
        drain_s: within which a worker ends after SIGTERM by its own account, draining and all.
    """

    def __init__(
        self,
        count: int,
        command: Sequence[str],
        sockets: Sequence[socket.socket],
        *,
        gone: Callable[[Worker], Awaitable[None]],
        keep: Sequence[int] = (),
        drain_s: float = 0.0,
        environ: Mapping[str, str] | None = None,
        pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self._count = count
        self._command = list(command)
        self._sockets = list(sockets)
        self._gone = gone
        self._keep = list(keep)
        self._drain_s = drain_s
        self._environ = dict(os.environ if environ is None else environ)
        self._pause_s = pause_s
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()
        self._exit = 0

    @property
    def pids(self) -> dict[int, int]:
        """The processes of now, by the worker's number."""
        return {index: process.pid for index, process in self._running.items()}

    async def run(self) -> int:
        """Start them, and keep them until SIGTERM, SIGINT or `stop`. Returns the exit code."""
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(name, self.stop)
        # Its other end closes with this process, however that dies: no worker outlives its supervisor.
        life, own = os.pipe()
        try:
            await asyncio.gather(*(self._keep_running(index, life) for index in range(self._count)))
        finally:
            os.close(own)
            os.close(life)
        return self._exit

    def stop(self) -> None:
        """Have all end; a second time, at once."""
        self._stopping.set()
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)

    async def _keep_running(self, index: int, life: int) -> None:
        pause_s = self._pause_s
        while not self._stopping.is_set():
            descriptors = tuple(sock.fileno() for sock in self._sockets)
            worker = Worker(index, secrets.token_hex(4), descriptors, life)
            started = time.monotonic()
            process = await asyncio.create_subprocess_exec(
                *self._command,
                env={**self._environ, VARIABLE: json.dumps(asdict(worker))},
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(*descriptors, life, *self._keep),
                # Ctrl-C is the supervisor's to pass on; twice would be taken for haste.
                start_new_session=True,
            )
            self._running[index] = process
            if self._stopping.is_set():
                self.stop()
            code = await self._ended(process)
            del self._running[index]
            if self._stopping.is_set():
                # 0 after SIGTERM; whatever else it says is worth passing on.
                self._exit = self._exit or max(0, code)
                return
            await self._tell(worker)
            if code == EXIT_USAGE:
                self._exit = EXIT_USAGE
                self.stop()
                return
            log.error("worker %d ended by itself with code %d and is started anew", index, code)
            pause_s = self._pause_s if time.monotonic() - started >= SETTLED_S else min(pause_s * 2, LONGEST_PAUSE_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s)

    async def _ended(self, process: asyncio.subprocess.Process) -> int:
        waiting = asyncio.ensure_future(process.wait())
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((waiting, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                await asyncio.wait((waiting,), timeout=self._drain_s + KILL_AFTER_S)
            if not waiting.done():
                log.error("a worker did not end in time and is killed")
                process.kill()
            return await waiting
        finally:
            stopping.cancel()

    async def _tell(self, worker: Worker) -> None:
        try:
            await asyncio.wait_for(self._gone(worker), TOLD_S)
        except Exception as error:
            # Its lease ends by itself.
            log.warning("that a worker is gone could not be told: %s", type(error).__name__)


def same_command(argv: Sequence[str]) -> list[str]:
    """This very program with these arguments."""
    return [sys.executable, "-m", "liveclass", *argv]
