"""Makes the light renditions of finished recordings, one after the other, each in a child process of its own.

A child because decoders are native code that reads what peers sent, and because a server that teaches has no processor
to spare: the child has the lowest priority. Knows which recordings wait; keeps nothing that a restart could lose.
"""

import asyncio
import logging
import os
import sys
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from pathlib import Path

from liveclass import tasks

log = logging.getLogger(__name__)

Command = tuple[str, ...]
Made = Callable[[str, int], Awaitable[None]]

# The end of a lesson has work of its own: replays are opened, rooms that are behind catch up.
_REST_S = 2.0
# A recording that fails is tried again after the others, so often; then after the next start of the server.
_TRIES = 3
_PAUSE_S = 30.0
# A child that has not ended by then hangs: a long lesson takes minutes on a processor that others need.
_PATIENCE_S = 2 * 3600.0

END_S = 5.0
"""How long the end of the queue's work may take: the child is killed, and told of nobody."""


def lighten_command() -> Command:
    """How the child is started; folder and floor follow."""
    return (sys.executable, "-m", "liveclass.recording.lighten")


class Lightener:
    """The queue of recordings that have no light rendition yet.

    Args:
        root: the folder of all recordings.
        floor_bytes: nothing is made while less is free.
        made: told (lesson id, bytes) when a rendition is on the medium.
        command: starts the child.
        rest_s: how long the queue rests before each child.
    """

    def __init__(
        self, root: Path, floor_bytes: int, made: Made, command: Command | None = None, rest_s: float = _REST_S
    ) -> None:
        self._root = root
        self._floor_bytes = floor_bytes
        self._made = made
        self._command = command if command is not None else lighten_command()
        self._rest_s = rest_s
        self._waiting: deque[str] = deque()
        self._failures: Counter[str] = Counter()
        self._task: asyncio.Task[None] | None = None
        self._current = ""

    def want(self, lesson_id: str, *, soon: bool = False) -> None:
        """Make this recording's rendition; `soon` goes before those that wait."""
        if lesson_id in self._waiting or lesson_id == self._current:
            return
        if soon:
            self._waiting.appendleft(lesson_id)
        else:
            self._waiting.append(lesson_id)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def drop(self, lesson_id: str) -> None:
        """The recording is being deleted: when this returns nothing writes into its folder."""
        self._failures.pop(lesson_id, None)
        if lesson_id in self._waiting:
            self._waiting.remove(lesson_id)
        if lesson_id == self._current:
            await self._restart()

    def forget(self, lesson_id: str) -> None:
        """Another process owns the recording: a child that is at work ends by itself, and nobody is told of it."""
        self._failures.pop(lesson_id, None)
        if lesson_id in self._waiting:
            self._waiting.remove(lesson_id)

    async def close(self) -> None:
        """End the child that is at work; its recording waits for the next start."""
        self._waiting.clear()
        await self._cancel()

    # Inside

    async def _restart(self) -> None:
        await self._cancel()
        if self._waiting and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def _cancel(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            await tasks.end([task], END_S)
        self._current = ""

    async def _work(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._rest_s)
            if not self._waiting:
                break
            lesson_id = self._current = self._waiting.popleft()
            size = await self._make(lesson_id)
            if size is not None:
                self._failures.pop(lesson_id, None)
                await self._made(lesson_id, size)
            if self._task is not asyncio.current_task():
                return  # left behind: another one has taken over, or nobody wants it any more
            self._current = ""
            if size is None:
                await self._failed(lesson_id)
        self._task = None

    async def _failed(self, lesson_id: str) -> None:
        self._failures[lesson_id] += 1
        if self._failures[lesson_id] < _TRIES:
            self._waiting.append(lesson_id)
            await asyncio.sleep(_PAUSE_S)
        else:
            log.warning("a light rendition could not be made; it is tried again at the next start")

    async def _make(self, lesson_id: str) -> int | None:
        """The bytes made; None when the child failed."""
        process: asyncio.subprocess.Process | None = None
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                str(self._root / lesson_id),
                str(self._floor_bytes),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                # The child reads what peers sent: it is told nothing that it does not need.
                env={name: value for name, value in os.environ.items() if not name.startswith("LIVECLASS_")},
            )
            if process.stdout is None:
                return None
            answer = await asyncio.wait_for(process.stdout.read(), _PATIENCE_S)
            if await process.wait() == 0:
                return int(answer)
        except (OSError, ValueError, TimeoutError) as error:
            log.warning("the child that makes light renditions failed (%s)", type(error).__name__)
        finally:
            if process is not None and process.returncode is None:
                process.kill()
                await process.wait()
        return None
