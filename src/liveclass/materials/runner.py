"""The parent's end of a confined child: starts it, bounds its time, believes nothing that it says unchecked.

Knows no store and no material. A child has a session of its own, so that whatever it starts ends with it.
"""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, get_args

import msgspec
from msgspec import Meta

import liveclass
from liveclass.lesson.events import MaterialKind
from liveclass.materials.model import Failed, Problem

Command = tuple[str, ...]

LINE_BYTES = 64 * 1024
"""Longest line of a child: a page's text is at most 4,000 characters, escaped."""

END_S = 5.0
"""How long a killed child may take to be gone; beyond it the kernel holds it, and it is left alone."""

_Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]
_PROBLEMS = frozenset(get_args(Problem)) - {""}
_OF_SIGNALS: dict[int, Problem] = {
    signal.SIGXCPU: "took_too_long",
    signal.SIGKILL: "took_too_long",
    signal.SIGXFSZ: "too_large",
}


class Said(msgspec.Struct, frozen=True):
    """One line of a child; what it does not speak of is empty."""

    pages: _Count = 0
    page: _Count = 0
    w: _Count = 0
    h: _Count = 0
    text: Annotated[str, Meta(max_length=4000)] = ""
    kind: MaterialKind | None = None
    percent: Annotated[int, Meta(ge=0, le=100)] = 0
    ready: str = ""
    duration_ms: _Count = 0
    width: _Count = 0
    height: _Count = 0
    network: bool = False
    files: bool = False
    problem: str = ""


def child_command() -> Command:
    """How a child is started: without the working directory on its path, and without leaving caches behind."""
    return (sys.executable, "-P", "-B", "-m", "liveclass.materials.child")


class Child:
    """One running child."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, command: Command, job: str, options: dict[str, Any], folder: Path) -> "Child":
        """Start a child in `folder`, with nothing of this process's environment."""
        process = await asyncio.create_subprocess_exec(
            *command,
            job,
            msgspec.json.encode(options).decode(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=folder,
            env={
                "PYTHONPATH": str(Path(liveclass.__file__).parent.parent),
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "HOME": str(folder),
                "TMPDIR": str(folder),
                "LANG": "C.UTF-8",
            },
            start_new_session=True,
            limit=LINE_BYTES,
        )
        return cls(process)

    async def say(self, line: str) -> None:
        """Write a line; a child that has ended is noticed by `hear`."""
        assert self._process.stdin is not None
        with contextlib.suppress(ConnectionError):
            self._process.stdin.write(f"{line}\n".encode())
            await self._process.stdin.drain()

    async def hear(self, within_s: float) -> Said:
        """The next line.

        Raises:
            Failed: the child named a problem, said nonsense, ended, or said nothing for `within_s` seconds.
        """
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(within_s):
                line = await self._process.stdout.readline()
                if not line:
                    raise Failed(_OF_SIGNALS.get(-await self._process.wait(), "file_broken"))
        except TimeoutError as error:
            raise Failed("took_too_long") from error
        except ValueError as error:
            raise Failed("file_broken") from error
        try:
            said = msgspec.json.decode(line, type=Said)
        except (msgspec.DecodeError, ValueError) as error:
            raise Failed("file_broken") from error
        if said.problem:
            raise Failed(said.problem if said.problem in _PROBLEMS else "file_broken")  # type: ignore[arg-type]
        return said

    async def ended(self, within_s: float) -> int:
        """Wait for its end, whatever it says until then; its exit status.

        Raises:
            Failed: it took longer, or a signal ended it.
        """
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(within_s):
                while await self._process.stdout.read(LINE_BYTES):
                    pass
                status = await self._process.wait()
        except TimeoutError as error:
            raise Failed("took_too_long") from error
        if status < 0:
            raise Failed(_OF_SIGNALS.get(-status, "file_broken"))
        return status

    async def close(self) -> None:
        """End it and all that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.stdin is not None:
            self._process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), END_S)
