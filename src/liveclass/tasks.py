"""The end of tasks: told, told again, and not waited for without bound.

A cancellation may be lost in the depths of a library that deals with a broken connection at that moment; whoever awaits
such a task waits for ever, and with it all that was to end after it.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

log = logging.getLogger(__name__)

STOPS = 4
"""Times that a task is told to end."""

STOP_S = 2.0
"""How long tasks are waited for, in all."""


async def end(tasks: Iterable[asyncio.Task[Any]], within_s: float = STOP_S) -> None:
    """Cancel tasks and wait until they have ended; those that still run after `within_s` are left behind.

    What they raise as they end is logged, as nobody else asks for it. Those that have ended before are not its affair.
    """
    ending = [task for task in tasks if not task.done()]
    for _ in range(STOPS):
        running = [task for task in ending if not task.done()]
        if not running:
            break
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=within_s / STOPS)
    left = [task for task in ending if not task.done()]
    if left:
        log.warning("tasks left behind: %s", ", ".join(sorted(task.get_name() for task in left)))
    for task in ending:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task failed as it was ended: %s", type(error).__name__, exc_info=error)
