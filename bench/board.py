"""What the blackboard costs: a volunteer draws, many classrooms see it, over plain WebSockets on one machine.

    python -m bench.board                        # 100 classrooms, a piece of a stroke each 50 ms, for 60 s
    python -m bench.board --seconds 300 -n 100

Measures from just before the volunteer's message enters its socket until the last classroom's process has it, so that
what is told of the server holds the clients' own time as well; and the server's CPU from outside. The classrooms are
plain sockets that stamp what comes and look at it later: a hundred clients of a library would measure themselves.
"""

import argparse
import asyncio
import base64
import itertools
import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

from bench.adapters import Liveclass
from bench.generator import Child
from bench.measure import Meter, percentile
from bench.peer import HOST

EVERY_S = 0.05
STROKE = 40
"""Messages of one stroke: two seconds of writing."""

WARM_S = 3.0
"""Drawn before it counts."""

TEXT, PING, PONG = 1, 9, 10


class Socket(asyncio.Protocol):
    """A WebSocket (RFC 6455) of a page; of what comes it keeps the moment of each piece of a stroke, in order."""

    def __init__(self, hello: dict[str, Any], lesson: str) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.got: list[float] = []
        self.refused: list[str] = []
        self._hello, self._lesson = hello, lesson
        self._buffer = bytearray()
        self._open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        head = f"GET /ws/{self._lesson} HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        transport.write(f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        at = time.monotonic()
        self._buffer += data
        if not self._open:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            if b" 101 " not in self._buffer[:20]:
                self.ready.set_exception(RuntimeError(self._buffer[:60].decode(errors="replace")))
                return
            del self._buffer[: end + 4]
            self._open = True
            self.say(self._hello)
        for kind, payload in self._frames():
            if kind == PING:
                self._send(PONG, payload)
            elif payload.startswith(b'{"type":"happened"') and b'"stroke_grew"' in payload:
                self.got.append(at)
            elif payload.startswith(b'{"type":"board"'):
                if not self.ready.done():
                    self.ready.set_result(None)
            elif payload.startswith(b'{"type":"error"'):
                self.refused.append(payload.decode())

    def say(self, message: dict[str, Any]) -> None:
        """One message to the server."""
        self._send(TEXT, json.dumps(message).encode())

    def close(self) -> None:
        self._transport.close()

    def _send(self, kind: int, payload: bytes) -> None:
        # A mask of zeros is a mask too, and costs nothing.
        length = len(payload)
        size = bytes([0x80 | length]) if length < 126 else bytes([0x80 | 126]) + length.to_bytes(2, "big")
        self._transport.write(bytes([0x80 | kind]) + size + b"\0\0\0\0" + payload)

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        buffer = self._buffer
        start = 0
        while len(buffer) >= start + 2:
            size, head = buffer[start + 1] & 0x7F, 2
            if size >= 126:
                head = 4 if size == 126 else 10
                size = int.from_bytes(buffer[start + 2 : start + head], "big")
            if len(buffer) < start + head + size:
                break
            yield buffer[start] & 0x0F, bytes(buffer[start + head : start + head + size])
            start += head + size
        del buffer[:start]


async def enter(server: Liveclass, role: str, name: str) -> Socket:
    """A page that has said hello and holds the board."""
    token = server.lesson[f"{role}_token"]
    hello = {"type": "hello", "token": token, "identity": secrets.token_hex(16), "name": name, "version": 1}
    loop = asyncio.get_running_loop()
    _, socket = await loop.create_connection(lambda: Socket(hello, server.lesson["id"]), HOST, server.port)
    await asyncio.wait_for(socket.ready, 30)
    return socket


async def rooms(server: Liveclass, pipe: Connection, n: int) -> None:
    """The classrooms: says when all are in, and at the word `end` what each got."""
    pages = [await enter(server, "classroom", f"Class {k}") for k in range(1, n + 1)]
    living = [asyncio.create_task(_alive(page)) for page in pages]
    pipe.send(len(pages))
    await asyncio.to_thread(pipe.recv)
    pipe.send(([page.got for page in pages], [one for page in pages for one in page.refused][:3]))
    for task in living:
        task.cancel()
    for page in pages:
        page.close()


async def _alive(page: Socket) -> None:
    """As pages do: a sign of life every 5 s, at different moments."""
    await asyncio.sleep(secrets.randbelow(5_000) / 1000)
    for number in itertools.count():
        page.say({"type": "ping", "n": number})
        await asyncio.sleep(5)


async def draw(server: Liveclass, pipe: Connection, seconds: float) -> None:
    """The volunteer: draws, and tells when each piece left."""
    page = await enter(server, "teacher", "Xiaoyu")
    page.say({"type": "start_lesson"})
    page.say({"type": "show", "stage": "page", "page": "b.1"})
    living = asyncio.create_task(_alive(page))
    await asyncio.sleep(1)
    pipe.send("drawing")
    sent: list[float] = []
    stroke = ""
    began = time.monotonic()
    for number in range(round(seconds / EVERY_S)):
        await asyncio.sleep(max(0.0, began + number * EVERY_S - time.monotonic()))
        if number % STROKE == 0:
            stroke = secrets.token_hex(5)
            place = number // STROKE
            points = [500 + place % 30 * 300, 300 + place // 30 % 17 * 300, 50]
            line = {"tool": "pen", "color": "#0072b2", "width": 40, "points": points}
            page.say({"type": "draw", "id": stroke, "page": "b.1", **line})
        done = number % STROKE == STROKE - 1
        sent.append(time.monotonic())
        page.say({"type": "draw_more", "id": stroke, "points": [9, number % 7 - 3, 0, 8, 2, 1], "done": done})
    await asyncio.sleep(2)
    living.cancel()
    pipe.send((sent, page.refused))
    page.close()


def run(args: argparse.Namespace) -> dict[str, Any]:
    """One measurement.

    Raises:
        RuntimeError: the server did not start, refused something, or a classroom missed pieces.
    """
    server = Liveclass(args)
    children: list[Child] = []
    try:
        server.start()
        crowd = Child(rooms, server, args.n)
        children.append(crowd)
        crowd.get(120)
        hand = Child(draw, server, args.seconds + WARM_S)
        children.append(hand)
        hand.get()
        time.sleep(WARM_S)
        meter = Meter([server.pid])
        time.sleep(args.seconds)
        load = meter.read()
        sent, refused = hand.get(60)
        got, complaints = crowd.ask("end")
        if refused or complaints:
            raise RuntimeError(f"refused: {refused[:3]} {complaints}")
        short = [len(one) for one in got if len(one) != len(sent)]
        if short:
            raise RuntimeError(f"{len(short)} classrooms got {min(short)} or more of {len(sent)} pieces")
        skip = round(WARM_S / EVERY_S)
        last = [1000 * (max(room[k] for room in got) - sent[k]) for k in range(skip, len(sent))]
        every = [1000 * (room[k] - sent[k]) for room in got for k in range(skip, len(sent))]
        return {
            "classrooms": args.n,
            "pieces": len(last),
            "last_ms": {p: percentile(last, p) for p in (50, 95, 99)},
            "each_ms": {p: percentile(every, p) for p in (50, 95, 99)},
            "server_cores": round(load.cores[0], 4),
            "other_cores": round(load.others, 2),
        }
    finally:
        for child in children:
            child.end()
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.board", description=__doc__.split("\n\n")[0] if __doc__ else "")
    parser.add_argument("-n", type=int, default=100, help="classrooms (100)")
    parser.add_argument("--seconds", type=float, default=60, help="how long is drawn (60)")
    parser.add_argument("--serve", action="append", default=[], help="an option for `liveclass serve`")
    args = parser.parse_args()
    found = run(args)
    print(json.dumps(found))
    last, cores = found["last_ms"], found["server_cores"]
    print(
        f"last classroom: p50 {last[50]} ms, p95 {last[95]} ms (20 wanted); server: {cores:.1%} of a core (25 % wanted)"
    )
    sys.exit(0 if last[95] <= 20 and cores < 0.25 else 1)


if __name__ == "__main__":
    main()
