"""A server in which something hears no end: `python -m tests.operate.deaf WHAT DATA_DIR END_S`. Says when it is ready,
and when the recordings are closed."""

import asyncio
import contextlib
import sys
import threading
import time
from pathlib import Path

from liveclass.app import Running, run
from liveclass.config import Settings
from liveclass.materials.service import Materials
from liveclass.recording.service import Recordings

FOR_EVER_S = 3600.0
_HELD: list[asyncio.Task[None]] = []


async def deaf_task(*_: object) -> None:
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(FOR_EVER_S)


def deaf_thread() -> None:
    time.sleep(FOR_EVER_S)


async def close(recordings: Recordings) -> None:
    await _CLOSE(recordings)
    print("recordings closed", flush=True)


_CLOSE = Recordings.close


def main() -> None:
    what, folder, end_s = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    Recordings.close = close  # type: ignore[method-assign,assignment]
    if what == "part":
        Materials.close = deaf_task  # type: ignore[method-assign,assignment]

    async def ready(_running: Running) -> None:
        match what:
            case "task":
                _HELD.append(asyncio.create_task(deaf_task(), name="the deaf one"))
            case "executor":
                asyncio.get_running_loop().run_in_executor(None, deaf_thread)
            case "thread":
                threading.Thread(target=deaf_thread, name="the deaf one").start()
            case "loop":
                # From the moment of its end on it runs nothing any more.
                asyncio.get_running_loop().create_task(asyncio.sleep(FOR_EVER_S)).add_done_callback(
                    lambda _: deaf_thread()
                )
        await asyncio.sleep(0)
        print("ready", flush=True)

    settings = Settings(data_dir=folder, host="127.0.0.1", port=0, udp_port=0, drain_s=0.0, end_s=end_s)
    run(settings, ready=ready)


if __name__ == "__main__":
    main()
