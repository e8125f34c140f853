"""How soon a newcomer sees the board of a lesson of an hour, and how much it weighs: `python -m bench.newcomer`.

Writes the log of such a lesson (20,000 events), starts a real server on it, and has pages say hello one after another.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from tests.e2e.server import LiveServer
from tests.lesson.village_board import Hall

from liveclass.lesson import orders as o
from liveclass.lesson.desk import BoardLimits
from liveclass.lesson.rights import Actor
from liveclass.lesson.timeline import Timeline


def hour(events: int) -> bytes:
    """The log of a lesson in which somebody writes all the time, on five pages; the last one is shown."""
    timeline = Timeline([], BoardLimits(), lambda some: some[0])
    lines: list[bytes] = []
    teacher = Actor("t1", "lead", "Li")
    number = stroke = 0

    def do(order: o.BoardOrder) -> None:
        nonlocal number
        number += 1
        for one in timeline.order(teacher, order, Hall(), number * 0.2, number * 180):
            lines.append(msgspec.json.encode(one) + b"\n")

    for page in range(1, 6):
        do(o.Show("page", page=f"b.{page}"))
        while len(lines) < events * page // 5:
            stroke += 1
            id = f"stroke{stroke:05}"
            do(o.Draw(id, f"b.{page}", "pen", "#1e2a2f", 30, [stroke % 600 * 15, 2000, 50]))
            for step in range(38):
                do(o.DrawMore(id, [17, step % 7 - 3, 1, 16, 3 - step % 5, -1]))
            do(o.DrawMore(id, [], True))
    return b"".join(lines)


async def measure(events: int, newcomers: int) -> dict[str, Any]:
    """Milliseconds from hello to the board, and its bytes."""
    with tempfile.TemporaryDirectory() as folder:
        server = LiveServer(Path(folder))
        await server.start()
        lesson = await server.create_lesson("An hour")
        path = Path(folder) / "timelines" / f"{lesson.id}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(hour(events))
        took_ms, sizes = [], []
        token = lesson.classroom_token
        async with aiohttp.ClientSession() as http:
            for number in range(newcomers):
                async with http.ws_connect(f"{server.url}/ws/{lesson.id}") as socket:
                    began = time.perf_counter()
                    await socket.send_json({"type": "hello", "token": token, "identity": f"{number:032x}"})
                    while True:
                        text = await socket.receive_str()
                        if json.loads(text)["type"] == "board":
                            break
                    took_ms.append((time.perf_counter() - began) * 1000)
                    sizes.append(len(text.encode()))
        await server.stop()
    return {
        "events": events,
        "first_ms": round(took_ms[0], 1),
        "median_ms": round(statistics.median(took_ms[1:]), 1),
        "worst_ms": round(max(took_ms[1:]), 1),
        "bytes": max(sizes),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--newcomers", type=int, default=21)
    args = parser.parse_args()
    print(json.dumps(asyncio.run(measure(args.events, args.newcomers))))


if __name__ == "__main__":
    main()
