"""Waiting for what must come true, with a reason in the report when it does not."""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], bool | Awaitable[bool]], reason: str, *, within: float = 10.0) -> float:
    """Looks every 50 ms until the condition holds.

    Args:
        reason: what is waited for, as the report of a failure says it.
        within: seconds.

    Returns:
        After how many seconds it held.

    Raises:
        AssertionError: it did not hold in time.
    """
    begin = time.monotonic()
    for _ in range(round(within / 0.05)):
        holds = condition()
        if not isinstance(holds, bool):
            holds = await holds
        if holds:
            return time.monotonic() - begin
        if time.monotonic() - begin > within:
            break
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {within:g} s: {reason}")
