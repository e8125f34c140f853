"""Workers: one that dies is told of and started anew, the word to end is passed on, none outlives its supervisor."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from liveclass.operate.workers import VARIABLE, Supervisor, Worker, worker_of

CHILD = """
import json, os, signal, socket, sys, time
told = json.loads(os.environ["_LIVECLASS_WORKER"])
folder = sys.argv[1]
mode = sys.argv[2]
open(f"{folder}/{told['index']}.{told['boot']}", "w").write(str(os.getpid()))
if mode == "refuses":
    sys.exit(2)
if mode == "dies":
    sys.exit(7)
def end(*_):
    open(f"{folder}/{told['index']}.ended", "w").close()
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
if mode == "serves":
    door = socket.socket(fileno=told["sockets"][0])
    door.setblocking(True)
    while True:
        one, _ = door.accept()
        one.sendall(str(told["index"]).encode())
        one.close()
if mode == "orphan":
    os.read(told["life"], 1)
    end()
while True:
    time.sleep(0.05)
"""


def supervisor(
    folder: Path,
    mode: str,
    *,
    count: int = 2,
    gone: Callable[[Worker], Awaitable[None]] | None = None,
    sockets: list[socket.socket] | None = None,
) -> Supervisor:
    script = folder / "child.py"
    script.write_text(CHILD)

    async def nobody(_worker: Worker) -> None: ...

    command = [sys.executable, str(script), str(folder), mode]
    return Supervisor(count, command, sockets or [], gone=gone or nobody, pause_s=0.05)


async def until(holds: Callable[[], bool], within_s: float = 15.0) -> None:
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "not within time"
        await asyncio.sleep(0.02)


def births(folder: Path, index: int) -> list[Path]:
    return [path for path in folder.glob(f"{index}.*") if not path.name.endswith(".ended")]


def test_a_process_without_the_variable_is_no_worker() -> None:
    assert worker_of({}) is None
    told = {VARIABLE: json.dumps({"index": 1, "boot": "ab", "sockets": [5, 6], "life": 7})}
    assert worker_of(told) == Worker(1, "ab", (5, 6), 7)


async def test_a_worker_that_dies_is_told_of_and_started_anew(tmp_path: Path) -> None:
    gone: list[Worker] = []

    async def tell(worker: Worker) -> None:
        gone.append(worker)

    keeping = supervisor(tmp_path, "waits", gone=tell)
    running = asyncio.create_task(keeping.run())
    await until(lambda: len(births(tmp_path, 0)) == 1 and len(births(tmp_path, 1)) == 1)
    first = keeping.pids
    os.kill(first[1], signal.SIGKILL)
    await until(lambda: len(births(tmp_path, 1)) == 2)
    assert [(one.index, (tmp_path / f"1.{one.boot}").exists()) for one in gone] == [(1, True)]
    assert keeping.pids[0] == first[0]
    assert keeping.pids[1] != first[1]
    keeping.stop()
    assert await asyncio.wait_for(running, 15) == 0
    assert (tmp_path / "0.ended").exists()


async def test_one_that_dies_again_and_again_is_tried_ever_less_often(tmp_path: Path) -> None:
    keeping = supervisor(tmp_path, "dies", count=1)
    running = asyncio.create_task(keeping.run())
    await until(lambda: len(births(tmp_path, 0)) >= 4)
    moments = sorted(path.stat().st_mtime for path in births(tmp_path, 0))
    assert moments[3] - moments[2] > moments[1] - moments[0]
    keeping.stop()
    # Its own code where it died in that very moment.
    assert await asyncio.wait_for(running, 15) in {0, 7}


async def test_settings_that_do_not_work_end_all_workers_at_once(tmp_path: Path) -> None:
    assert await asyncio.wait_for(supervisor(tmp_path, "refuses").run(), 15) == 2


async def test_a_directory_that_hears_nothing_keeps_no_worker_from_starting(tmp_path: Path) -> None:
    async def fails(_worker: Worker) -> None:
        raise OSError("no directory")

    keeping = supervisor(tmp_path, "waits", count=1, gone=fails)
    running = asyncio.create_task(keeping.run())
    await until(lambda: len(births(tmp_path, 0)) == 1)
    os.kill(keeping.pids[0], signal.SIGKILL)
    await until(lambda: len(births(tmp_path, 0)) == 2)
    keeping.stop()
    await asyncio.wait_for(running, 15)


async def test_connections_wait_for_whichever_worker_is_free(tmp_path: Path) -> None:
    """One that is stopped takes no connection with it: the port is the supervisor's."""
    door = socket.create_server(("127.0.0.1", 0))
    keeping = supervisor(tmp_path, "serves", sockets=[door])
    running = asyncio.create_task(keeping.run())
    await until(lambda: len(births(tmp_path, 0)) == 1 and len(births(tmp_path, 1)) == 1)
    os.kill(keeping.pids[0], signal.SIGSTOP)

    async def who() -> bytes:
        reader, writer = await asyncio.open_connection(*door.getsockname())
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        return answer

    # The first may have been in the midst of accepting when it was stopped.
    await asyncio.wait([asyncio.create_task(who())], timeout=1)
    assert [await who() for _ in range(5)] == [b"1"] * 5
    os.kill(keeping.pids[0], signal.SIGCONT)
    keeping.stop()
    assert await asyncio.wait_for(running, 15) == 0
    door.close()


async def test_no_worker_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    program = (
        "import asyncio, sys\n"
        "from liveclass.operate.workers import Supervisor\n"
        "async def gone(worker): ...\n"
        f"command = [sys.executable, {str(script)!r}, {str(tmp_path)!r}, 'orphan']\n"
        "asyncio.run(Supervisor(1, command, [], gone=gone).run())\n"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    await until(lambda: len(births(tmp_path, 0)) == 1)
    parent.kill()
    await parent.wait()
    await until((tmp_path / "0.ended").exists)


async def test_a_second_word_is_passed_on_as_well(tmp_path: Path) -> None:
    keeping = supervisor(tmp_path, "waits", count=1)
    running = asyncio.create_task(keeping.run())
    await until(lambda: len(births(tmp_path, 0)) == 1)
    for _ in range(2):
        keeping.stop()
    assert await asyncio.wait_for(running, 15) == 0
