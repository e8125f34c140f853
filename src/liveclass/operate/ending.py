"""The end of the process: within a bound, whatever hangs, and with a word about who held it up.

A task that hears no cancellation and a thread that hangs in a system call can be ended by nobody but the kernel; event
loop and interpreter wait for both without bound. So each part has its share of the time to end, those that come after
a part that hangs get theirs, and when all of it is over the process leaves. Knows no part; who calls says what comes
first.
"""

import asyncio
import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import thread as pool
from types import FrameType, TracebackType
from typing import Any

log = logging.getLogger(__name__)

STATUS = 1
"""The exit status of a process that did not end by itself."""

LEAST_S = 1.0
"""What a part has at least, however long those before it took."""

TELLING_S = 2.0
"""How long the last words may take: a log that hangs holds nobody up."""

MOST_NAMED = 20
_DEEPEST = 50


class Ending:
    """One for a process.

    Args:
        within_s: from the moment when the parts begin to end until the process is gone.
        leave: ends the process; None: nobody does, as in a test that is itself the process.
    """

    def __init__(self, within_s: float, leave: Callable[[int], object] | None = os._exit) -> None:
        self._within_s = within_s
        self._leave = leave
        self._begun: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self) -> None:
        """From now on time runs; again: nothing happens. Called on the event loop."""
        if self._begun is not None:
            return
        self._begun = time.monotonic()
        self._loop = asyncio.get_running_loop()
        if self._leave is not None:
            # A daemon, so that an end in good time does not wait for it.
            threading.Thread(target=self._watch, args=(self._leave,), name="ending", daemon=True).start()

    async def part(self, name: str, close: Callable[[], Awaitable[object]], share: float) -> None:
        """End one part; one that takes longer is told to stop, named in the log, and left behind.

        Raises what it raises.

        Args:
            share: of the whole time, by whose end this part and all before it are to have ended.
        """
        self.begin()
        assert self._begun is not None
        left_s = max(LEAST_S, self._begun + share * self._within_s - time.monotonic())
        closing = asyncio.ensure_future(close())
        closing.set_name(f"end of {name}")
        done, _ = await asyncio.wait([closing], timeout=left_s)
        if done:
            closing.result()
            return
        log.error("%s did not end within %.1f s and is left behind: %s", name, left_s, _where_task(closing))
        closing.cancel()

    # The thread

    def _watch(self, leave: Callable[[int], object]) -> None:
        time.sleep(self._within_s)
        telling = threading.Thread(target=self._tell, name="ending", daemon=True)
        telling.start()
        telling.join(TELLING_S)
        leave(STATUS)

    def _tell(self) -> None:
        running: Iterable[asyncio.Task[Any]] = ()
        with contextlib.suppress(RuntimeError):
            running = asyncio.all_tasks(self._loop) if self._loop is not None else ()
        log.error(
            "the process did not end within %.0f s and leaves; held up by tasks: %s; by threads: %s",
            self._within_s,
            _listed(sorted(f"{task.get_name()} ({_where_task(task)})" for task in running)),
            _listed(_busy_threads()),
        )


class Parts(contextlib.AsyncExitStack):
    """Parts that end in the opposite order of their coming, whatever made them end."""

    def __init__(self, ending: Ending) -> None:
        super().__init__()
        self._ending = ending

    def ends(self, name: str, close: Callable[[], Awaitable[object]], share: float) -> None:
        """Have this part ended; see `Ending.part`."""
        self.push_async_callback(self._ending.part, name, close, share)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> bool:
        self._ending.begin()
        return bool(await super().__aexit__(kind, error, trace))


def _busy_threads() -> list[str]:
    frames = sys._current_frames()
    found = []
    for thread in threading.enumerate():
        frame = frames.get(thread.ident or 0)
        if frame is None or thread.name == "ending" or _rests(frame):
            continue
        found.append(f"{thread.name} ({_where(frame)})")
    return sorted(found)


def _rests(frame: FrameType) -> bool:
    """A thread of a pool that waits for work."""
    return frame.f_code.co_filename == pool.__file__ and frame.f_code.co_name == "_worker"


def _where_task(task: "asyncio.Future[Any]") -> str:
    """What the task is, and what it waits in at last."""
    frames: list[FrameType] = []
    waits: Any = task.get_coro() if isinstance(task, asyncio.Task) else None
    while waits is not None and len(frames) < _DEEPEST:
        frame = getattr(waits, "cr_frame", None) or getattr(waits, "gi_frame", None)
        if frame is not None:
            frames.append(frame)
        waits = getattr(waits, "cr_await", None) or getattr(waits, "gi_yieldfrom", None)
    return " > ".join(dict.fromkeys(map(_where, [*frames[:1], *frames[-1:]]))) or "not to be seen"


def _where(frame: FrameType) -> str:
    return f"{frame.f_code.co_qualname} in {os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"


def _listed(names: list[str]) -> str:
    more = f", and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more if names else "none"
