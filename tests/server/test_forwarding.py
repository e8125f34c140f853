"""Two nodes of a fleet: whatever is asked of a lesson reaches its owner, whichever node is asked."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, WSMessage, WSMsgType

from liveclass.cluster.memory import MemoryDirectory
from liveclass.cluster.placement import EXPECTED_SESSIONS
from liveclass.recording.model import MediaFile
from liveclass.server.forwarding import REACHED_AT, _pump
from liveclass.server.internal import HEADER
from tests.server.freed import cut, no_collector, of_sockets, until_as
from tests.server.stage import ADMIN_HEADERS, OFFER, PATIENCE_S, Page, Stage, bearer, build

LEASE_S = 0.6


class Pair:
    """Node `a` has all lessons, as placement has it; everything is asked of `b`."""

    def __init__(self, a: Stage, b: Stage) -> None:
        self.a = a
        self.b = b

    async def lesson(self) -> dict[str, Any]:
        """A new lesson, which `a` owns."""
        made = await self.b.lesson()
        await self.b.show(made["id"])
        assert self.a.fleet is not None
        assert self.a.fleet.serves(made["id"])
        return made


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    directory = MemoryDirectory()
    a = await build(tmp_path, directory=directory, node="a", lease_s=LEASE_S)
    b = await build(tmp_path, directory=directory, node="b", lease_s=LEASE_S)
    # Both have heard of each other.
    await asyncio.sleep(LEASE_S)
    yield Pair(a, b)
    await b.close()
    await a.close()


async def test_the_api_answers_on_every_node_as_on_the_owner(pair: Pair) -> None:
    lesson = await pair.lesson()
    here = await pair.a.client.get(f"/api/lessons/{lesson['id']}", headers=ADMIN_HEADERS)
    there = await pair.b.client.get(f"/api/lessons/{lesson['id']}", headers=ADMIN_HEADERS)
    assert (await here.json())["id"] == (await there.json())["id"] == lesson["id"]
    # Links start where the browser asked.
    assert (await there.json())["whip_url"] == f"{pair.b.client.make_url('/')}whip/{lesson['id']}"
    assert pair.b.lessons.loaded(lesson["id"]) is None


async def test_refusals_come_through_as_they_are(pair: Pair) -> None:
    lesson = await pair.lesson()
    path = f"/api/lessons/{lesson['id']}"
    for headers, status, code in (({}, 401, "token_missing"), (bearer("x" * 22), 401, "token_invalid")):
        response = await pair.b.client.get(path, headers=headers)
        assert (response.status, (await response.json())["error"]["code"]) == (status, code)
        assert response.headers["WWW-Authenticate"]
    response = await pair.b.client.get("/api/lessons/unknownlesson", headers=ADMIN_HEADERS)
    assert (response.status, (await response.json())["error"]["code"]) == (404, "lesson_unknown")
    assert pair.a.fleet is not None
    assert not pair.a.fleet.mine("unknownlesson")


async def test_a_media_session_is_made_patched_and_ended_through_another_node(pair: Pair) -> None:
    lesson = await pair.lesson()
    made = await pair.b.post(lesson["whep_url"], lesson["classroom_token"])
    assert made.status == 201
    assert (await made.text()).startswith("v=0")
    location = made.headers["Location"]
    assert len(pair.a.media.sessions) == 1
    # Both nodes share this machine, so the address that the browser reached is a candidate that works.
    assert pair.a.media.reached_at == ["127.0.0.1"]
    patched = await pair.b.client.patch(
        location,
        data=b"a=ice-ufrag:new1\r\na=ice-pwd:0123456789012345678901\r\n",
        headers={
            **bearer(lesson["classroom_token"]),
            "Content-Type": "application/trickle-ice-sdpfrag",
            "If-Match": "*",
        },
    )
    assert (patched.status, patched.headers["ETag"]) == (200, '"tag-2"')
    ended = await pair.b.client.delete(location, headers=bearer(lesson["classroom_token"]))
    assert ended.status == 200
    assert pair.a.media.sessions == {}


@pytest.mark.parametrize("end", ["properly", "vanished"])
async def test_a_page_that_came_through_another_node_is_freed_without_the_cycle_collector(
    tmp_path: Path, end: str
) -> None:
    directory = MemoryDirectory()
    # Counting objects takes longer than the other tests' leases last.
    a = await build(tmp_path, directory=directory, node="a", lease_s=3.0)
    b = await build(tmp_path, directory=directory, node="b", lease_s=3.0)
    await asyncio.sleep(3.0)
    lesson = await Pair(a, b).lesson()
    teacher = await b.enter(lesson["id"], lesson["teacher_token"], 1)
    with no_collector():
        before = of_sockets()
        for number in range(3):
            page = await b.enter(lesson["id"], lesson["classroom_token"], 2 + number)
            if end == "vanished":
                cut(page.socket)
            else:
                await page.socket.close()
            del page
        await until_as(before, b.client)
    await teacher.socket.close()
    await b.close()
    await a.close()


async def test_an_offer_that_comes_compressed_or_too_large_is_the_owners_affair(pair: Pair) -> None:
    lesson = await pair.lesson()
    large = await pair.b.post(lesson["whep_url"], lesson["classroom_token"], offer=OFFER + "a=x\r\n" * 40_000)
    assert (large.status, (await large.json())["error"]["code"]) == (413, "body_too_large")


async def test_a_stranger_can_neither_say_whom_it_speaks_for_nor_where_it_reached_us(pair: Pair) -> None:
    lesson = await pair.lesson()
    forged = {"X-Forwarded-For": "9.9.9.9", REACHED_AT: "9.9.9.9", HEADER: "a.1.x", "X-Forwarded-Host": "evil.example"}
    made = await pair.b.post(lesson["whep_url"], lesson["classroom_token"], **forged)
    assert made.status == 201
    assert pair.a.media.reached_at == ["127.0.0.1"]
    shown = await pair.b.client.get(f"/api/lessons/{lesson['id']}", headers={**ADMIN_HEADERS, **forged})
    assert "evil" not in await shown.text()


async def test_the_owner_counts_the_clients_address_not_the_nodes(tmp_path: Path) -> None:
    directory = MemoryDirectory()
    settings: dict[str, Any] = {"lease_s": LEASE_S, "posts_per_s": 0.1, "trusted_proxies": "127.0.0.1"}
    a = await build(tmp_path, directory=directory, node="a", **settings)
    b = await build(tmp_path, directory=directory, node="b", **settings)
    await asyncio.sleep(LEASE_S)
    lesson = await b.lesson()

    async def asks(address: str) -> int:
        made = await b.post(lesson["whep_url"], lesson["classroom_token"], **{"X-Forwarded-For": address})
        return int(made.status)

    assert [await asks("198.51.100.1"), await asks("198.51.100.1"), await asks("198.51.100.2")] == [201, 429, 201]
    await b.close()
    await a.close()


async def test_ranges_of_media_and_uploads_stream_through(pair: Pair, tmp_path: Path) -> None:
    lesson = await pair.lesson()
    segment = tmp_path / "big.m4s"
    segment.write_bytes(bytes(range(256)) * 4096)
    pair.a.recordings.files[lesson["id"], "t-1.m4s"] = MediaFile(segment, None, "video/iso.segment", "immutable", "e1")
    path = f"/media/{lesson['id']}/t-1.m4s"
    part = await pair.b.client.get(path, headers={**bearer(lesson["replay_token"]), "Range": "bytes=1000-1999"})
    assert (part.status, part.headers["Content-Range"]) == (206, "bytes 1000-1999/1048576")
    assert await part.read() == segment.read_bytes()[1000:2000]
    head = await pair.b.client.head(path, headers=bearer(lesson["replay_token"]))
    assert (head.status, head.headers["Content-Length"]) == (200, "1048576")
    known = {**bearer(lesson["replay_token"]), "If-None-Match": part.headers["ETag"]}
    again = await pair.b.client.get(path, headers=known)
    assert (again.status, await again.read()) == (304, b"")

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"%PDF-" + b"x" * 10_000
            await asyncio.sleep(0)

    sent = await pair.b.client.post(
        f"/api/materials/{lesson['id']}",
        data=slowly(),
        headers={**bearer(lesson["teacher_token"]), "Content-Type": "application/octet-stream"},
    )
    assert sent.status < 500, await sent.text()
    assert pair.b.lessons.loaded(lesson["id"]) is None


async def test_a_page_lives_on_another_nodes_socket(pair: Pair) -> None:
    lesson = await pair.lesson()
    teacher = await pair.b.enter(lesson["id"], lesson["teacher_token"], 1)
    room = await pair.a.enter(lesson["id"], lesson["classroom_token"], 2)
    await teacher.say("start_lesson")
    await room.until("lesson_changed")
    assert pair.a.lessons.page_count == 2
    assert pair.b.lessons.page_count == 0
    await teacher.socket.close()
    for _ in range(100):
        if pair.a.lessons.page_count == 1:
            break
        await asyncio.sleep(0.02)
    assert pair.a.lessons.page_count == 1


async def test_close_codes_and_fatal_words_pass_through(pair: Pair) -> None:
    lesson = await pair.lesson()
    page = Page(await pair.b.socket(lesson["id"]))
    await page.say("hello", token="x" * 22, identity="0" * 32, name="")
    told = await page.until("error")
    assert (told["code"], told["fatal"]) == ("token_invalid", True)
    assert await page.closed() == 1008
    first = await pair.b.enter(lesson["id"], lesson["classroom_token"], 1)
    second = await pair.b.enter(lesson["id"], lesson["classroom_token"], 1)
    assert await first.closed() == 4001
    assert not second.socket.closed


async def test_pings_are_answered_end_to_end(pair: Pair) -> None:
    lesson = await pair.lesson()
    socket = await pair.b.socket(lesson["id"], autoping=False)
    page = Page(socket)
    await page.say("hello", token=lesson["classroom_token"], identity="1" * 32, name="")
    await socket.ping(b"are you there")
    while True:
        received = await socket.receive(PATIENCE_S)
        assert received.type in (WSMsgType.TEXT, WSMsgType.PONG)
        if received.type is WSMsgType.PONG:
            assert received.data == b"are you there"
            break
    await socket.close()


async def test_a_message_that_is_too_large_ends_the_socket_on_the_way(pair: Pair) -> None:
    lesson = await pair.lesson()
    page = await pair.b.enter(lesson["id"], lesson["classroom_token"], 1)
    await page.socket.send_str("x" * (pair.b.settings.max_message_bytes + 1))
    assert await page.closed() == 1009


async def test_a_socket_that_the_owner_refuses_is_refused_with_its_status(pair: Pair) -> None:
    lesson = await pair.lesson()
    response = await pair.b.client.get(
        f"/ws/{lesson['id']}",
        headers={
            **{"Origin": "https://evil.example", "Upgrade": "websocket", "Connection": "Upgrade"},
            **{"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"},
        },
    )
    assert (response.status, (await response.json())["error"]["code"]) == (403, "origin_refused")


async def test_a_page_of_the_first_nodes_own_origin_may_connect(pair: Pair) -> None:
    lesson = await pair.lesson()
    origin = str(pair.b.client.make_url("/")).rstrip("/")
    socket = await pair.b.socket(lesson["id"], headers={"Origin": origin})
    assert not socket.closed
    await socket.close()


async def test_a_request_is_passed_on_once(pair: Pair) -> None:
    """An old view of who owns what makes no circle: whoever is asked in vain says so."""
    lesson = await pair.lesson()
    assert pair.b.fleet is not None
    path = f"/api/lessons/{lesson['id']}"
    headers = {**ADMIN_HEADERS, HEADER: pair.b.fleet.key.header("a", "GET", path)}
    async with ClientSession() as http, http.get(f"{pair.b.fleet.inner.url}{path}", headers=headers) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (503, "moving")
        assert answer.headers["Retry-After"] == "1"


async def vanish(stage: Stage) -> None:
    """The node's process dies: its ports close without a word."""
    assert stage.fleet is not None
    for task in list(stage.fleet.agent._tasks):
        task.cancel()
    server: Any = stage.client.server
    for site in list(server.runner.sites):
        await site.stop()
    for connection in list(server.runner.server.connections):
        if connection.transport is not None:
            connection.transport.abort()


async def test_when_the_owner_dies_sockets_close_at_once_and_the_lesson_goes_on_here(pair: Pair) -> None:
    lesson = await pair.lesson()
    teacher = await pair.b.enter(lesson["id"], lesson["teacher_token"], 1)
    await teacher.say("start_lesson")
    await teacher.until("lesson_changed")
    await pair.a.lessons.flush()
    await vanish(pair.a)
    assert await asyncio.wait_for(teacher.closed(), 1.0) == 1012
    # Refused by its address it is known to be gone: nobody waits for a lease, and no request is lost.
    shown = await pair.b.show(lesson["id"])
    assert shown["state"] == "live"
    again = await pair.b.enter(lesson["id"], lesson["teacher_token"], 1)
    assert again.welcome["lesson"]["state"] == "live"
    assert again.welcome["owner"] != teacher.welcome["owner"]
    assert pair.b.recordings.begun == [lesson["id"]]


async def test_a_lesson_moves_and_its_pages_are_sent_after_it(pair: Pair) -> None:
    lesson = await pair.lesson()
    assert pair.a.fleet is not None
    assert pair.b.fleet is not None
    pages = [
        await pair.b.enter(lesson["id"], lesson["teacher_token"], 1),
        await pair.a.enter(lesson["id"], lesson["classroom_token"], 2, "石门 3-2"),
    ]
    await pages[0].say("start_lesson")
    await pages[1].until("lesson_changed")
    await pair.a.post(lesson["whep_url"], pages[1].welcome["media_token"])
    await pair.a.fleet.drain()
    assert [await page.closed() for page in pages] == [1012, 1012]
    assert pair.a.media.sessions == {}
    assert pair.a.media.sinks == []
    assert not pair.a.fleet.serves(lesson["id"])
    assert pair.b.fleet.serves(lesson["id"])
    # What was known of it is known there, and the old node passes on what still comes to it.
    back = await pair.a.enter(lesson["id"], lesson["classroom_token"], 2)
    assert back.welcome["lesson"]["state"] == "live"
    assert {one["name"] for one in back.welcome["participants"]} >= {"石门 3-2"}
    assert pair.b.recordings.adopted[lesson["id"]] > 1
    assert pair.a.recordings.dropped == [lesson["id"]]


async def test_a_lesson_that_has_just_begun_is_told_with_the_sessions_that_it_is_expected_to_bring(pair: Pair) -> None:
    lesson = await pair.lesson()
    assert pair.a.fleet is not None
    assert [node.coming for node in pair.a.fleet.agent.nodes()] == [0, 0]
    page = await pair.a.enter(lesson["id"], lesson["teacher_token"], 1)
    await page.say("start_lesson")
    await page.until("lesson_changed")
    told = {node.id: node.coming for node in pair.a.fleet.agent.nodes()}
    assert told == {"a": EXPECTED_SESSIONS, "b": 0}


async def test_what_is_forwarded_is_counted(pair: Pair) -> None:
    lesson = await pair.lesson()
    page = await pair.b.enter(lesson["id"], lesson["classroom_token"], 1)

    async def told(stage: Stage) -> dict[str, float]:
        text = await (await stage.client.get("/metrics")).text()
        rows = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in rows}

    there, here = await told(pair.b), await told(pair.a)
    assert (there["liveclass_lessons_owned"], here["liveclass_lessons_owned"]) == (0, 1)
    assert there["liveclass_forwarded"] == 1
    assert there["liveclass_forwarded_requests_total"] == 2
    assert not page.socket.closed


async def test_pages_are_any_nodes(pair: Pair) -> None:
    response = await pair.b.client.get("/class/anylesson")
    assert response.status in (200, 503)
    assert pair.b.fleet is not None
    assert not pair.b.fleet.mine("anylesson")


async def test_a_slow_page_holds_up_its_owner_and_fills_no_memory_on_the_way() -> None:
    """Between two straw sockets: while the far side takes nothing, nothing more is read from the near one."""
    taken: list[str] = []
    gate = asyncio.Event()

    class Slow:
        async def send_str(self, data: str) -> None:
            await gate.wait()
            taken.append(data)

        async def send_bytes(self, data: bytes) -> None: ...

        async def ping(self, message: bytes = b"") -> None: ...

        async def pong(self, message: bytes = b"") -> None: ...

    read = 0

    async def receive() -> WSMessage:
        nonlocal read
        read += 1
        return WSMessage(WSMsgType.CLOSE, 1000, "bye") if read > 50 else WSMessage(WSMsgType.TEXT, str(read), None)

    pumping = asyncio.ensure_future(_pump(receive, Slow()))
    await asyncio.sleep(0.05)
    assert read == 1
    gate.set()
    assert await pumping == (1000, "bye")
    assert len(taken) == 50
