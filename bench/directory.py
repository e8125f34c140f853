"""What the directory of a fleet costs: how long a claim, a renewal and the search for an owner take.

    python -m bench.directory                    # a Redis of its own on this machine; then the file of one machine
    python -m bench.directory --redis redis://host:6379/0 --lessons 20

One call at a time from one process: what a lesson's first request waits, not what Redis can bear.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.servers import redis_server

from bench.measure import percentile
from liveclass.cluster.directory import Directory, DirectoryYoung
from liveclass.cluster.file import FileDirectory
from liveclass.cluster.model import NodeId, NodeInfo
from liveclass.cluster.redis import RedisDirectory

LEASE_S = 3.0


async def timed(calls: int, call: Callable[[int], Awaitable[object]]) -> list[float]:
    """Milliseconds of each call."""
    took = []
    for number in range(calls):
        begun = time.perf_counter()
        await call(number)
        took.append((time.perf_counter() - begun) * 1000)
    return took


async def measure(name: str, directory: Directory, calls: int, lessons: int) -> None:
    """Print a line for each kind of call."""
    node = NodeInfo(NodeId("bench"), "bench", "http://127.0.0.1:1")
    await directory.register(node, LEASE_S)
    held = {}
    for number in range(lessons):
        while f"held-{number}" not in held:
            try:
                held[f"held-{number}"] = (await directory.claim(f"held-{number}", node.id, LEASE_S)).fence
            except DirectoryYoung as young:
                await asyncio.sleep(young.wait_s / 4)
    kinds: dict[str, Callable[[int], Awaitable[object]]] = {
        "claim": lambda number: directory.claim(f"L{number}", node.id, LEASE_S),
        f"renew, {lessons} lessons": lambda number: directory.renew(node, held, LEASE_S),
        "owner": lambda number: directory.owner(f"L{number}"),
    }
    for kind, call in kinds.items():
        took = await timed(calls, call)
        print(f"{name:6} {kind:18} p50 {percentile(took, 50):6.3f} ms   p95 {percentile(took, 95):6.3f} ms")
    await directory.close()


async def run(url: str, calls: int, lessons: int) -> None:
    await measure("redis", RedisDirectory(url, f"bench-{time.time_ns()}"), calls, lessons)
    with tempfile.TemporaryDirectory() as folder:
        await measure("file", FileDirectory(Path(folder) / "fleet.db"), calls, lessons)


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--redis", default="", help="URL of a Redis to measure; empty: one of its own")
    arguments.add_argument("--calls", type=int, default=1000)
    arguments.add_argument("--lessons", type=int, default=20, help="lessons of the node that renews")
    options = arguments.parse_args()
    if options.redis:
        asyncio.run(run(options.redis, options.calls, options.lessons))
        return
    with redis_server() as server:
        asyncio.run(run(server.url, options.calls, options.lessons))


if __name__ == "__main__":
    main()
