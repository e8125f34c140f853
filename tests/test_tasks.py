"""The laws of ending tasks."""

import asyncio
import logging
import time

import pytest

from liveclass import tasks


class Deaf:
    """A task's work that swallows its cancellation so many times."""

    def __init__(self, swallows: int) -> None:
        self.left = swallows

    async def __call__(self) -> None:
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if not self.left:
                    raise
                self.left -= 1


async def test_what_a_task_has_not_heard_is_said_again() -> None:
    deaf = Deaf(tasks.STOPS - 1)
    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    await tasks.end([task], within_s=1.0)
    assert task.cancelled()
    assert deaf.left == 0


async def test_who_never_hears_is_left_behind_and_named(caplog: pytest.LogCaptureFixture) -> None:
    deaf = Deaf(1_000_000)
    never, other = asyncio.create_task(deaf(), name="never"), asyncio.create_task(asyncio.sleep(3600))
    await asyncio.sleep(0)
    begun = time.monotonic()
    await tasks.end([never, other], within_s=0.2)
    assert time.monotonic() - begun < 2
    assert other.cancelled()
    assert not never.done()
    assert "never" in caplog.text
    deaf.left = 0
    await tasks.end([never])
    assert never.cancelled()


async def test_a_fault_of_a_task_is_told_and_ends_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            raise LookupError("lost")

    failing, other = asyncio.create_task(fail()), asyncio.create_task(asyncio.sleep(3600))
    await asyncio.sleep(0)
    with caplog.at_level(logging.ERROR):
        await tasks.end([failing, other])
    assert other.cancelled()
    assert "LookupError" in caplog.text


async def test_what_has_ended_before_is_left_to_whoever_asks_for_it(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise LookupError("lost")

    failed = asyncio.create_task(fail())
    await asyncio.sleep(0)
    await tasks.end([failed])
    assert caplog.text == ""
    with pytest.raises(LookupError):
        await failed
