"""Blocking work beside an event loop. Knows nothing else."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


async def whole(work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """`work` in a thread. Whoever is cancelled waits for its end all the same: nobody else must find it half done."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *arguments, **named))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            with contextlib.suppress(asyncio.CancelledError):  # told again, and still not before the end
                await asyncio.wait({running})
        raise
