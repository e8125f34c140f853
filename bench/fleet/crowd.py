"""What it costs that a page holds another node than its lesson's, and what becomes of a crowd that comes at once."""

import asyncio
import contextlib
import multiprocessing
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp
from tests.e2e.server import Lesson
from tests.fleet.people import lesson_of

from bench.fleet.site import Pulse, Row, Site, middle, silences, site
from bench.measure import percentile
from bench.peer import PROFILES, Peer, context

PINGS_PER_S = 15
"""Well below the setting `messages_per_s`."""

PONG_S = 5.0
MOST_SOCKETS = 300
"""Tries to get sockets held by both nodes: which one takes a connection is chance."""

SETTLE_S = 3.0
HEAR_S = 30.0
"""How long somebody who was admitted is waited for."""

INTERRUPTION_S = 0.5
SPREAD_S = 2.5
"""Until a node's new lesson is in the directory, so that the next one goes to another."""


@dataclass(slots=True)
class Signalling:
    """Milliseconds from a ping to its pong, on sockets that the owner holds and on those that another node does."""

    straight_ms: list[float] = field(default_factory=list)
    across_ms: list[float] = field(default_factory=list)
    lost: int = 0

    def added_ms(self, percent: float) -> float:
        return (percentile(self.across_ms, percent) or 0.0) - (percentile(self.straight_ms, percent) or 0.0)

    def rows(self) -> list[Row]:
        return [
            ("round trip, socket held by the owner", "", middle(self.straight_ms, "ms")),
            ("round trip, socket held by another node", "", middle(self.across_ms, "ms")),
            (f"no answer within {PONG_S:g} s", "0", str(self.lost)),
            ("added", "p95 10 ms", f"p50 {self.added_ms(50):.2f}, p95 {self.added_ms(95):.2f} ms"),
        ]


async def signalling(rooms: int, seconds: float) -> Signalling:
    """Pings in turn over a socket on each node, while a lesson runs."""
    seen = Signalling()
    async with site() as here:
        server = here.machine.server
        lesson = await server.create_lesson()
        async with lesson_of(server.url, lesson, rooms), aiohttp.ClientSession() as http:
            _, owner = await here.owner(lesson)
            sockets: dict[bool, aiohttp.ClientWebSocketResponse] = {}
            async with contextlib.AsyncExitStack() as stack:
                for number in range(MOST_SOCKETS):
                    if len(sockets) == 2:
                        break
                    socket = await stack.enter_async_context(http.ws_connect(f"{server.url}/ws/{lesson.id}"))
                    sockets.setdefault(_holder(here, socket) == owner.pid, socket)
                    # Whoever has just answered is busy, and the other one free to take the next.
                    hello = {"token": lesson.classroom_token, "identity": f"{500 + number:032x}", "name": "Class"}
                    await socket.send_json({"type": "hello", **hello})
                if len(sockets) < 2:
                    raise RuntimeError("all connections went to one node")
                for number in range(round(seconds * PINGS_PER_S)):
                    for is_owner, took in ((True, seen.straight_ms), (False, seen.across_ms)):
                        try:
                            took.append(await _ping(sockets[is_owner], number))
                        except TimeoutError:
                            seen.lost += 1
                        await asyncio.sleep(0.5 / PINGS_PER_S)
    return seen


def _holder(here: Site, socket: aiohttp.ClientWebSocketResponse) -> int:
    """The process at the other end."""
    port = socket.get_extra_info("sockname")[1]
    for process in here.processes():
        if any(one.raddr and one.raddr.port == port for one in process.net_connections("tcp")):
            return int(process.pid)
    raise RuntimeError(f"nobody holds the connection from port {port}")


async def _ping(socket: aiohttp.ClientWebSocketResponse, number: int) -> float:
    """Milliseconds; what comes before the pong is passed over."""
    begun = time.perf_counter()
    await socket.send_json({"type": "ping", "n": number})
    while True:
        message = await socket.receive_json(timeout=PONG_S)
        if message["type"] == "pong" and message["n"] == number:
            return (time.perf_counter() - begun) * 1000


@dataclass(slots=True)
class Joins:
    """What a crowd met.

    Attributes:
        hear_s: of those admitted, seconds from the offer to the first packet of sound.
        silent: admitted, and heard nothing.
        words: the refusals: status, code, Retry-After, and how often.
        refused_s: seconds until each of them.
        offered_s: within which all had come.
        silences: the longest of each classroom of a lesson that ran before.
        stood_still_s: for how long the process of that lesson's people did not run.
    """

    hear_s: list[float] = field(default_factory=list)
    silent: int = 0
    words: Counter[str] = field(default_factory=Counter)
    refused_s: list[float] = field(default_factory=list)
    offered_s: float = 0.0
    silences: list[float] = field(default_factory=list)
    stood_still_s: float = 0.0

    @property
    def unclear(self) -> int:
        """Refused otherwise than with 503 and a time to come back."""
        return sum(count for word, count in self.words.items() if not word.startswith("503") or word.endswith("-"))

    def rows(self) -> list[Row]:
        words = "; ".join(f"{word}: {count}" for word, count in self.words.most_common()) or "none"
        return [
            ("came within", "5 s", f"{self.offered_s:.1f} s"),
            ("admitted; of these heard nothing", "; 0", f"{len(self.hear_s) + self.silent}; {self.silent}"),
            ("admitted: sound after", "p95 2 s", middle(self.hear_s)),
            ("refused: status, code, Retry-After", "503 with a time", words),
            ("refused: answered after", "", middle(self.refused_s)),
            (
                f"classrooms of a running lesson with a silence over {INTERRUPTION_S:g} s",
                "0",
                f"{sum(one > INTERRUPTION_S for one in self.silences)} of {len(self.silences)}",
            ),
            ("longest silence of each", "", middle(self.silences)),
            ("the bench itself stood still for at most", "", f"{self.stood_still_s:.2f} s"),
        ]


async def joins(count: int, within_s: float, most: int, lessons: int, rooms: int) -> Joins:
    """A crowd comes to lessons on two nodes, one of which ran before.

    Args:
        most: media sessions that a node takes.
        lessons: to which they come, by turns.
        rooms: classrooms of the lesson that ran before.
    """
    async with contextlib.AsyncExitStack() as stack:
        here = await stack.enter_async_context(site(max_sessions=str(most)))
        server = here.machine.server
        all_of: list[Lesson] = []
        people = []
        for number in range(lessons):
            all_of.append(await server.create_lesson(f"Lesson {number}"))
            _, classrooms = await stack.enter_async_context(lesson_of(server.url, all_of[-1], 1 if number else rooms))
            people += [] if number else classrooms
            await asyncio.sleep(SPREAD_S)
        # The crowd in a process of its own: what keeps it busy must not look like silence in the running lesson.
        pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        stack.callback(pool.shutdown)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(pool, _ready)
        await asyncio.sleep(SPREAD_S)
        doors = [(urlsplit(one.whep_url).path, one.classroom_token) for one in all_of]
        async with Pulse() as pulse:
            begun = time.monotonic()
            seen = await loop.run_in_executor(pool, _crowd, server.url, doors, count, within_s)
            seen.silences = silences(people, begun, time.monotonic())
        seen.stood_still_s = pulse.worst_s
    return seen


def _ready() -> None:
    """Called once in the crowd's process: it is there, and the slow first DTLS context is made."""
    context(PROFILES["cm80"])


def _crowd(url: str, doors: list[tuple[str, str]], count: int, within_s: float) -> Joins:
    """All of them, in this process."""
    return asyncio.run(_come(url, doors, count, within_s))


async def _come(url: str, doors: list[tuple[str, str]], count: int, within_s: float) -> Joins:
    seen = Joins()
    begun = time.monotonic()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True)) as http:
        coming = []
        for number in range(count):
            await asyncio.sleep(max(0.0, begun + number * within_s / count - time.monotonic()))
            path, token = doors[number % len(doors)]
            coming.append(asyncio.ensure_future(_one(http, url + path, token, seen)))
        seen.offered_s = time.monotonic() - begun
        peers = await asyncio.gather(*coming)
        for peer in peers:
            if peer is not None:
                peer.close()
    return seen


async def _one(http: aiohttp.ClientSession, url: str, token: str, seen: Joins) -> Peer | None:
    """One of the crowd: it stays once it is in."""
    peer = Peer()
    begun = time.monotonic()
    headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {token}"}
    try:
        async with http.post(url, data=peer.offer("recvonly"), headers=headers) as answer:
            if answer.status != 201:
                code = (await answer.json())["error"]["code"]
                seen.words[f"{answer.status} {code} {answer.headers.get('Retry-After', '-')}"] += 1
                seen.refused_s.append(time.monotonic() - begun)
                peer.close()
                return None
            peer.accept(await answer.text())
        await peer.connect(HEAR_S)
        await asyncio.wait_for(peer.media.wait(), HEAR_S)
        seen.hear_s.append(peer.first_media - begun)
    except (TimeoutError, aiohttp.ClientError):
        seen.silent += 1
    return peer
