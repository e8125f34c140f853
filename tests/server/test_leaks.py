"""What a lesson leaves behind when it is over: nothing. The real media plane on a real port, over loopback."""

import asyncio
import contextlib
import gc
import io
import logging
import os
import re
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
import structlog
from bench.peer import Peer

from liveclass.app import Running, serve
from liveclass.config import Settings
from liveclass.operate import logs
from liveclass.relay.publisher import Publisher
from liveclass.relay.slot import Slot
from liveclass.relay.subscriber import Subscriber
from liveclass.relay.track import Track
from liveclass.server import signalling
from liveclass.server.held import Held
from liveclass.server.held import Page as ServerPage
from liveclass.transport.session import PeerSession
from tests.server.conftest import Live
from tests.server.freed import cut, no_collector, of_sockets, until_as
from tests.server.stage import ADMIN, ADMIN_HEADERS, PATIENCE_S, Page, Stage, bearer

CYCLES = 50
TOLERANCE = 2
PACKET_S = 0.02

OURS = (PeerSession, Publisher, Subscriber, Track, Slot, ServerPage)
"""What each session or socket is made of."""


async def media(stage: Stage, path: str, token: str, direction: str) -> tuple[Peer, str]:
    """A connected peer and the path of its session."""
    peer = Peer()
    response = await stage.post(path, token, peer.offer(direction))
    assert response.status == 201, await response.text()
    peer.accept(await response.text())
    await peer.connect(PATIENCE_S)
    return peer, response.headers["Location"]


def send_sound(peer: Peer, count: int, first: int = 0) -> None:
    """A few packets of the microphone, so that a track comes to be."""
    for seq in range(first, first + count):
        header = struct.pack("!BBHII", 0x80, 111, 100 + seq, 960 * seq, peer.ssrcs["audio"])
        peer._send(peer.tx.protect(header + bytes(40)))


async def heard(speaker: Peer, listener: Peer) -> None:
    """Speaks until it is heard: where a source goes is decided a moment after its first packets."""
    for seq in range(round(PATIENCE_S / PACKET_S)):
        send_sound(speaker, 1, seq)
        if listener.media.is_set():
            return
        await asyncio.sleep(PACKET_S)
    raise AssertionError("nothing was heard")


async def cycle(live: Live, lesson: dict[str, str], number: int) -> dict[str, int]:
    """A teacher and a class come, are heard, and go, each time in another of the ways there are.

    Returns:
        what there was of ours while they were there, looked at in the first of the cycles.
    """
    stage = live.stage
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    room = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
    await teacher.say("start_lesson")
    await teacher.settled()
    publisher, published = await media(stage, lesson["whip_url"], teacher.welcome["media_token"], "sendonly")
    viewer, _ = await media(stage, lesson["whep_url"], room.welcome["media_token"], "recvonly")
    await heard(publisher, viewer)
    assert (await stage.post(lesson["whip_url"], teacher.welcome["media_token"], "v=0\r\nnonsense")).status >= 400
    peers = [publisher, viewer]
    meanwhile = found() if number == 0 else {}
    match number % 4:
        case 0:  # properly
            await stage.client.delete(published, headers=bearer(teacher.welcome["media_token"]))
            viewer.close()
        case 1:  # replaced by the same page
            peers.append((await media(stage, lesson["whep_url"], room.welcome["media_token"], "recvonly"))[0])
            live.plane.close_lesson(lesson["id"], "deleted")
        case 2:  # without a word: what the time limit finds
            live.endpoint._sweep(time.monotonic() + 31)
        case _:  # the peers say goodbye
            publisher.close()
            viewer.close()
    await closed(live)
    for peer in peers:
        with contextlib.suppress(OSError, ValueError):
            peer.close()
    await gone(teacher, number)
    await gone(room, number + 1)
    await stage.gone()
    return meanwhile


async def gone(page: Page, number: int) -> None:
    """The page leaves with a word or, every other time, without."""
    if number % 2:
        await page.socket.close()
    elif (connection := page.socket._conn) is not None and connection.transport is not None:
        connection.transport.abort()
        await page.closed()


async def closed(live: Live) -> None:
    """Waits until no session is left."""
    for _ in range(500):
        if not live.endpoint.sessions and not live.plane._sessions:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("sessions are still open")


def found() -> dict[str, int]:
    """How many objects of ours there are after a collection, by class."""
    gc.collect()
    counts = dict.fromkeys((kind.__name__ for kind in OURS), 0)
    for thing in gc.get_objects():
        if type(thing) in OURS:
            counts[type(thing).__name__] += 1
    return counts


async def usage() -> tuple[int, int, int]:
    """File descriptors, tasks and threads, once what ends on its own account has ended."""
    await asyncio.sleep(0.1)
    return len(os.listdir("/dev/fd")), len(asyncio.all_tasks()), threading.active_count()


async def test_fifty_comings_and_goings_leave_nothing_behind(live: Live) -> None:
    before_any = found()
    lesson = await live.stage.lesson()
    meanwhile, *_ = [await cycle(live, lesson, number) for number in range(4)]
    assert all(meanwhile[name] > before_any[name] for name in meanwhile), (before_any, meanwhile)
    baseline = await usage()
    for number in range(CYCLES):
        await cycle(live, lesson, number)
    after = await usage()
    assert all(now - then <= TOLERANCE for then, now in zip(baseline, after, strict=True)), (baseline, after)
    plane, endpoint, lessons = live.plane, live.endpoint, live.stage.lessons
    assert not plane._sessions
    tables = (endpoint.sessions, endpoint._by_ufrag, endpoint._by_address, endpoint._handshaking, lessons._sessions)
    assert [len(table) for table in tables] == [0] * len(tables)
    held = lessons.loaded(lesson["id"])
    assert isinstance(held, Held)
    assert (held.pages, held.slots, [m.sessions for m in held.lesson.members() if m.sessions]) == ({}, {}, [])
    await live.stage.client.post(f"/api/lessons/{lesson['id']}/end", headers=ADMIN_HEADERS)
    assert not plane._rooms
    left = found()
    assert all(left[name] <= before_any[name] for name in left), (before_any, left)


@pytest.mark.parametrize("end", ["properly", "vanished", "vanished_amid_messages", "replaced", "refused", "silent"])
async def test_a_page_that_has_left_is_freed_without_the_cycle_collector(
    stage: Stage, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's collector comes by after tens of thousands of objects: a thousand sockets would wait for it."""
    monkeypatch.setattr(signalling, "HELLO_S", 0.1)
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    stage.client._websockets.clear()
    held = stage.lessons.loaded(lesson["id"])
    assert held is not None
    with no_collector():
        before = of_sockets()
        for number in range(3):
            if end in {"refused", "silent"}:
                socket = await stage.socket(lesson["id"])
                if end == "refused":
                    await socket.send_str("nonsense")
                await Page(socket).closed()
                del socket
                continue
            page = await stage.enter(lesson["id"], lesson["classroom_token"], 2 + number)
            match end:
                case "vanished":
                    cut(page.socket)
                case "vanished_amid_messages":
                    cut(page.socket)
                    for _ in range(5):
                        # Told before the server has read that nobody is there.
                        held.send(page.welcome["you"], '{"type":"x"}')
                        await asyncio.sleep(0)
                case "replaced":
                    again = await stage.enter(lesson["id"], lesson["classroom_token"], 2 + number)
                    await page.closed()
                    await again.socket.close()
                    del again
                case _:
                    await page.socket.close()
            del page
        await until_as(before, stage.client)
    await teacher.socket.close()


class Raw(logging.Handler):
    """Every record as its author wrote it, before anything is hidden."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.name, f"{record.msg} {record.args} {record.exc_info}"))


@pytest.fixture
def written() -> Iterator[tuple[io.StringIO, Raw]]:
    """What the server logs at its most talkative, as it is shown and as it was before."""
    root = logging.getLogger()
    handlers, level, thresholds = root.handlers[:], root.level, gc.get_threshold()
    shown, raw = io.StringIO(), Raw()
    logs.configure("debug", "json", shown)
    root.addHandler(raw)
    yield shown, raw
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    # The server sets these for its process.
    gc.unfreeze()
    gc.set_threshold(*thresholds)


class OverError(Exception):
    """The lesson is over, and the server may end."""


FROM = "203.0.113.77"
BEHIND = "192.168.77.20"
TITLE, TEACHER, CLASS = "分数的秘密", "小李老师", "三年二班的孩子"
FULL_IPV4 = re.compile(r"(?<![\d.])(?!127\.|0\.0\.0\.0)\d{1,3}(\.\d{1,3}){3}(?![\d.])")


async def whole_lesson(running: Running, secrets: list[str]) -> None:
    """Create, hello, teach, call, stumble, end, replay, delete; notes every secret that went over the wire."""
    peers: list[Peer] = []

    async def enter(session: aiohttp.ClientSession, lesson: str, token: str, number: int, name: str) -> Page:
        page = Page(await session.ws_connect(f"/ws/{lesson}"))
        identity = f"{number:032x}".replace("0", "e")
        await page.say("hello", token=token, identity=identity, name=name)
        page.welcome = await page.next()
        secrets.extend([token, identity, page.welcome["media_token"]])
        return page

    async def media(session: aiohttp.ClientSession, path: str, token: str, direction: str) -> str:
        peer = Peer()
        peers.append(peer)
        candidate = f"a=candidate:2 1 udp 2130706430 {BEHIND} 50000 typ host\r\na=end-of-candidates"
        offer = peer.offer(direction).replace("a=end-of-candidates", candidate)
        headers = {"Content-Type": "application/sdp", **bearer(token)}
        async with session.post(path, data=offer.encode(), headers=headers) as response:
            assert response.status == 201, await response.text()
            peer.accept(await response.text())
            location = response.headers["Location"]
        await peer.connect(PATIENCE_S)
        secrets.extend([peer.pwd, peer.remote["pwd"], location.rsplit("/", 1)[1]])
        return location

    async with aiohttp.ClientSession(running.url, headers={"X-Forwarded-For": FROM}) as session:
        async with session.post("/api/lessons", json={"title": TITLE}, headers=ADMIN_HEADERS) as response:
            made = await response.json()
        lesson = made["id"]
        secrets.extend(made[f"{role}_token"] for role in ("teacher", "classroom", "replay"))
        teacher = await enter(session, lesson, made["teacher_token"], 1, TEACHER)
        room = await enter(session, lesson, made["classroom_token"], 2, CLASS)
        secrets.append(teacher.welcome["replay_url"].partition("#")[2])
        await teacher.say("start_lesson")
        await teacher.until("lesson_changed")
        await media(session, f"/whip/{lesson}", teacher.welcome["media_token"], "sendonly")
        send_sound(peers[0], 20)
        watched = await media(session, f"/whep/{lesson}", room.welcome["media_token"], "recvonly")
        await teacher.say("call", participant=room.welcome["you"])
        await room.about(room.welcome["you"])
        await media(session, f"/whip/{lesson}", room.welcome["media_token"], "sendonly")
        # What goes wrong is what gets logged.
        await room.socket.send_str('{"type": "rename", "name": 7, "token": "' + made["classroom_token"] + '"}')
        await room.say("rename", name=CLASS + "!")
        sdp = {"Content-Type": "application/sdp"}
        await session.post(f"/whip/{lesson}", data=b"v=0", headers=sdp)
        wrong = f"v=0\r\nc=IN IP4 {BEHIND}\r\na=ice-pwd:{peers[0].pwd}\r\n".encode()
        await session.post(f"/whip/{lesson}", data=wrong, headers={**sdp, **bearer(made["teacher_token"])})
        await session.delete(watched, headers=bearer(made["replay_token"]))
        await session.get(f"/media/{lesson}/1.{made['replay_token']}/main.m3u8")
        await session.get(f"/api/replays/{lesson}", headers=bearer(made["replay_token"]))
        await session.post(f"/api/lessons/{lesson}/links/replay/rotate", headers=ADMIN_HEADERS)
        await teacher.say("end_lesson")
        await room.until("lesson_changed")
        async with session.delete(f"/api/lessons/{lesson}", headers=ADMIN_HEADERS) as response:
            assert response.status == 204
    for peer in peers:
        peer.close()
    raise OverError


async def test_a_whole_lesson_leaves_no_token_address_or_name_in_the_log(
    tmp_path: Path, written: tuple[io.StringIO, Raw]
) -> None:
    shown, raw = written
    secrets = [ADMIN, TITLE, TEACHER, CLASS, FROM, BEHIND]
    settings = Settings(
        host="127.0.0.1",
        port=0,
        udp_port=0,
        data_dir=tmp_path,
        admin_token=ADMIN,
        trusted_proxies="127.0.0.1",
        record_classrooms=True,
        log_level="debug",
    )
    with pytest.raises(OverError):
        await serve(settings, ready=lambda running: whole_lesson(running, secrets))
    # The database driver has a test of its own below.
    text = shown.getvalue()
    assert "lesson_started" in text
    assert "lesson_ended" in text
    assert len(secrets) > 20
    assert [secret for secret in secrets if secret in text] == []
    assert not FULL_IPV4.search(text)
    # Our own lines do not even contain what would have to be hidden.
    ours = [line for name, line in raw.lines if name.startswith("liveclass")]
    assert ours
    assert [(secret, line) for secret in secrets for line in ours if secret in line] == []


def test_the_database_driver_logs_no_statements(written: tuple[io.StringIO, Raw]) -> None:
    logging.getLogger("aiosqlite").debug("executing %s", ("INSERT INTO lessons (title) VALUES (?)", (TITLE,)))
    assert TITLE not in written[0].getvalue()
