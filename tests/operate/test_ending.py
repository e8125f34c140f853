"""The laws of the process's end: it comes within its bound, and says who held it up. In processes of their own: what is
to be shown is that they are gone."""

import asyncio
import logging
import signal
import sys
import time
from pathlib import Path

import pytest

from liveclass.config import Settings
from liveclass.operate.ending import LEAST_S, STATUS, TELLING_S, Ending, Parts

END_S = 5.0
SLACK_S = 5.0
"""For a machine that does much else."""


async def told_to_end(what: str, data_dir: Path) -> tuple[float, int, str, str]:
    """A server with this fault is told to end: after how many seconds it is gone, how, and what it said and logged."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.operate.deaf", what, str(data_dir), str(END_S)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    try:
        assert await asyncio.wait_for(process.stdout.readline(), 60) == b"ready\n"
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        said, logged = await asyncio.wait_for(process.communicate(), END_S + TELLING_S + SLACK_S)
        took_s = time.monotonic() - begun
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return took_s, process.returncode, said.decode(), logged.decode()


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("what", "named"),
    [
        ("task", "the deaf one (deaf_task in deaf.py"),
        ("executor", "(deaf_thread in deaf.py"),
        ("thread", "the deaf one (deaf_thread in deaf.py"),
        ("loop", "MainThread (deaf_thread in deaf.py"),
        ("part", "materials did not end within"),
    ],
)
async def test_a_server_that_something_holds_up_is_gone_all_the_same_and_says_what(
    what: str, named: str, tmp_path: Path
) -> None:
    took_s, status, said, logged = await told_to_end(what, tmp_path)
    print(f"{what}: gone after {took_s:.1f} s")
    assert status == STATUS
    assert named in logged
    assert "recordings closed" in said, "what is recorded is safe before that"
    assert took_s >= END_S - 0.5


@pytest.mark.timeout(120)
async def test_a_server_that_nothing_holds_up_does_not_wait_for_its_bound(tmp_path: Path) -> None:
    took_s, status, _, logged = await told_to_end("nothing", tmp_path)
    assert status == 0
    assert took_s < END_S
    assert "held up" not in logged


async def test_a_part_that_hangs_leaves_the_others_their_time_and_is_told_to_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended: list[str] = []

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("hangs")
            raise

    async def well(name: str) -> None:
        ended.append(name)

    async def fails() -> None:
        raise LookupError("lost")

    async def live() -> None:
        async with Parts(Ending(0.1, leave=None)) as parts:
            parts.ends("last", lambda: well("last"), 1.0)
            parts.ends("failing", fails, 1.0)
            parts.ends("hanging", hangs, 0.5)
            parts.ends("first", lambda: well("first"), 0.5)

    begun = time.monotonic()
    with caplog.at_level(logging.ERROR), pytest.raises(LookupError):
        await live()
    assert ended == ["first", "hangs", "last"]
    assert LEAST_S <= time.monotonic() - begun < LEAST_S + SLACK_S
    assert "hanging did not end" in caplog.text


def test_all_that_a_server_may_take_to_end_fits_into_what_systemd_waits() -> None:
    from liveclass.app import MOVE_S
    from liveclass.operate.workers import KILL_AFTER_S

    unit = Path(__file__).parents[2].joinpath("docs", "operate.md").read_text("utf-8")
    waits_s = int(unit.split("TimeoutStopSec=")[1].split()[0])
    needed_s = Settings().drain_s + MOVE_S + Settings().end_s + TELLING_S
    assert needed_s < waits_s
    assert needed_s < Settings().drain_s + Settings().end_s + KILL_AFTER_S, "workers are not killed before they speak"
