"""A server that is told to end while a lesson runs: it waits for the lesson, and not when it is told again."""

import asyncio
import os
import re
import signal
import time
from pathlib import Path

import aiohttp
import psutil  # type: ignore[import-untyped]
import pytest

from tests.fleet.machine import Machine
from tests.fleet.people import lesson_of

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(240)]

AT_ONCE_S = 5.0
ECHO_S = 2.0
"""Two words within this time are one."""

FRAGMENT_S = 1.0


async def end(machine: Machine, lesson: str) -> None:
    """End it on a server that has only just come back, and says 503 while it takes the lesson up."""
    for _ in range(20):
        try:
            await machine.server.api("POST", f"/api/lessons/{lesson}/end")
        except aiohttp.ClientResponseError as refused:
            if refused.status != 503:
                raise
            await asyncio.sleep(0.25)
        else:
            return
    raise AssertionError("nobody took the lesson up within 5 s")


async def test_a_second_word_ends_all_workers_at_once_and_the_recording_is_whole(tmp_path: Path) -> None:
    machine = Machine(tmp_path, drain_s="60")
    await machine.start()
    try:
        lesson = await machine.server.create_lesson()
        process = machine.server.process
        async with lesson_of(machine.url, lesson, 2) as (_, rooms):
            taught = time.monotonic()
            await asyncio.sleep(2)
            os.kill(process.pid, signal.SIGTERM)
            told = time.monotonic()
            await asyncio.sleep(ECHO_S + 0.5)
            assert psutil.pid_exists(process.pid)
            assert max(room.longest_silence_s(told) for room in rooms) < 1
            os.kill(process.pid, signal.SIGTERM)
            again = time.monotonic()
            code = await asyncio.wait_for(process.wait(), 20)
            took = time.monotonic() - again
            taught = again - taught
        print(f"told again: ended after {took:.2f} s")
        assert took < AT_ONCE_S
        assert code == 0
        folder = machine.server.data_dir / "recordings" / lesson.id
        names = {path.name for path in folder.iterdir()}
        assert not {name for name in names if name.endswith((".part", ".tmp"))}
        for playlist in folder.glob("*.m3u8"):
            text = playlist.read_text()
            assert {line for line in text.splitlines() if line and not line.startswith("#")} <= names
            assert set(re.findall(r'URI="([^"]+)"', text)) <= names
        await machine.start()
        await end(machine, lesson.id)
        for _ in range(100):
            shown = await machine.server.lesson(lesson)
            if shown["recording"]["state"] == "finished":
                break
            await asyncio.sleep(0.1)
        part = (await machine.server.replay(lesson))["parts"][0]
        assert part["duration_s"] > taught - FRAGMENT_S
    finally:
        await machine.stop()
