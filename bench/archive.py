"""What keeping recordings in an object store costs: `python -m bench.archive [--lessons 30] [--minutes 10] [--s3]`.

Lessons that have ended are put into a store, as after an hour in which it was gone; then lessons run, each closing its
segments of 10 s. Printed are the bytes a second, the processor's time, and how late the event loop was meanwhile. The
store is a folder, or S3 as moto plays it in a process of its own. Knows no server and no network.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.request import Request, urlopen

from liveclass.archive.model import ArchiveOptions
from liveclass.archive.service import Archive
from liveclass.archive.store import Store

SEGMENT_BYTES = 350_000
"""Ten seconds at 280 kbit/s: sound and a small picture."""

SEGMENT_S = 10.0
LOOK_S = 0.005
"""How often the event loop is asked whether it is late."""

_MOTO = (
    "import sys, time\n"
    "from moto.server import ThreadedMotoServer\n"
    "server = ThreadedMotoServer('127.0.0.1', 0, verbose=False)\n"
    "server.start()\n"
    "print(server.get_host_and_port()[1], flush=True)\n"
    "sys.stdin.read()\n"
)


def close_segment(root: Path, lesson: str, number: int, noise: random.Random) -> None:
    """As the recorder does."""
    folder = root / "recordings" / lesson
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"main-{number:06d}.m4s.part"
    part.write_bytes(noise.randbytes(SEGMENT_BYTES))
    part.rename(part.with_suffix(""))
    with (folder / "journal.jsonl").open("ab") as file:
        file.write(json.dumps({"event": "closed", "track": "main", "n": number}).encode() + b"\n")


@asynccontextmanager
async def store_of(kind: str, folder: Path) -> AsyncIterator[Store]:
    """A store to put into."""
    if kind == "folder":
        yield Store.open(f"file://{folder}/store")
        return
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _MOTO,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        endpoint = f"http://127.0.0.1:{int(await process.stdout.readline())}"
        auth = "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
        bucket = Request(f"{endpoint}/lessons", method="PUT", headers={"Authorization": auth})  # noqa: S310
        await asyncio.to_thread(lambda: urlopen(bucket).read())  # noqa: S310
        yield Store.open("s3://lessons/bench", endpoint=endpoint, key_id="key", key_secret="a secret")  # noqa: S106
    finally:
        process.kill()
        await process.wait()


async def lateness(late_ms: list[float]) -> None:
    """How late the event loop is, again and again, for ever."""
    while True:
        before = time.perf_counter()
        await asyncio.sleep(LOOK_S)
        late_ms.append((time.perf_counter() - before - LOOK_S) * 1000)


def cpu_s() -> float:
    """The processor's time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def shown(late_ms: Sequence[float]) -> str:
    ordered = sorted(late_ms)
    return ", ".join(f"p{share} {ordered[int(len(ordered) * share / 100)]:.1f} ms" for share in (50, 95, 99))


async def idle_of(seconds: float) -> str:
    """How late the loop is when nothing is done."""
    late_ms: list[float] = []
    watching = asyncio.create_task(lateness(late_ms))
    await asyncio.sleep(seconds)
    watching.cancel()
    return shown(late_ms)


async def measure(kind: str, lessons: int, segments: int, live_s: float, folder: Path) -> None:
    noise, root = random.Random(5), folder / "data"
    print(f"{kind}, {os.cpu_count()} cores; the loop late by {await idle_of(3)} when nothing is put")
    for lesson in range(lessons):
        for number in range(1, segments + 1):
            close_segment(root, f"lesson{lesson:06d}", number, noise)
    async with store_of(kind, folder) as store:
        archive = Archive(store, root, ArchiveOptions())
        late_ms: list[float] = []
        watching = asyncio.create_task(lateness(late_ms))
        began, cpu = time.perf_counter(), cpu_s()
        await archive.start()
        await archive.flush()
        took, used, size = time.perf_counter() - began, cpu_s() - cpu, archive.counters.uploaded_bytes
        print(
            f"  catching up: {archive.counters.uploaded_objects} objects, {size / 1e6:.0f} MB in {took:.1f} s:"
            f" {size / took / 1e6:.1f} MB/s, processor {used / size * 1e9:.1f} s/GB, loop late by {shown(late_ms)}"
        )
        late_ms.clear()
        began, cpu, size = time.perf_counter(), cpu_s(), archive.counters.uploaded_bytes
        closed = 0
        while (passed_s := time.perf_counter() - began) < live_s:
            while closed < passed_s * lessons / SEGMENT_S:
                name = f"lesson{closed % lessons:06d}"
                number = segments + 1 + closed // lessons
                await asyncio.to_thread(close_segment, root, name, number, noise)
                closed += 1
            await asyncio.sleep(0.02)
        await archive.flush()
        took, used = time.perf_counter() - began, cpu_s() - cpu
        size = archive.counters.uploaded_bytes - size
        print(
            f"  {lessons} running lessons for {took:.0f} s: {size / took / 1e6:.2f} MB/s,"
            f" processor {used / took * 100:.1f}% of a core, loop late by {shown(late_ms)},"
            f" failures {archive.counters.failures}, behind {archive.counters.waiting}"
        )
        watching.cancel()
        await archive.close()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--lessons", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=3.0, help="of each lesson that has ended")
    parser.add_argument("--live-s", type=float, default=30.0, help="how long lessons run")
    parser.add_argument("--s3", action="store_true", help="S3 as moto plays it, instead of a folder")
    asked = parser.parse_args()
    segments = max(1, round(asked.minutes * 60 / SEGMENT_S))
    with tempfile.TemporaryDirectory() as folder:
        kind = "s3" if asked.s3 else "folder"
        asyncio.run(measure(kind, asked.lessons, segments, asked.live_s, Path(folder)))


if __name__ == "__main__":
    main()
