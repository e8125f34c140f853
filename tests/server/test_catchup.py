"""Catch-up streams over HTTP: who gets one, how fast it goes, and that a slow classroom costs nobody anything."""

import asyncio
import contextlib
import gc
import logging
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs

from liveclass.errors import PeerError
from liveclass.recording.catchup import Rendition
from liveclass.recording.follow import Chunk
from liveclass.recording.model import Part
from liveclass.server import catchup
from liveclass.server.app import PATTERNS, RUNNER
from liveclass.server.auth import Authority, Signer
from liveclass.server.catchup import BURST_S, PACE, Bounds, Catchup, Pace
from liveclass.server.http import Proxies, error_boundary
from liveclass.server.limits import AddressLimiter
from liveclass.server.routing import Gate
from tests.server.stage import ADMIN, ADMIN_HEADERS, PATIENCE_S, SIGNING_KEY, Stage, bearer, build

INIT = b"an init segment"
MAX_STREAMS = 5
LESSON_STREAMS, LINK_STREAMS = 4, 3
AFTER_END_S = 7200.0


@dataclass
class Reel:
    """A stream of straw: gives what it holds, then waits, or ends when it is told to."""

    content_type: str = 'audio/mp4; codecs="opus"'
    starts_at_s: float = 12.25
    part: Part = field(default_factory=lambda: Part(10.0, 0.0, 1_800_000_000_000))
    chunks: list[Chunk] = field(default_factory=lambda: [Chunk(INIT, 0.0)])
    given: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    error: OSError | None = None

    async def next(self) -> Chunk | None:
        if self.given < len(self.chunks):
            self.given += 1
            return self.chunks[self.given - 1]
        await self.ended.wait()
        if self.error is not None:
            raise self.error
        return None


@dataclass
class Reels:
    """What `Recordings.catchup` gives."""

    make: Callable[[], Reel] = Reel
    refusal: Exception | None = None
    asked: list[tuple[str, int, Rendition]] = field(default_factory=list)
    made: list[Reel] = field(default_factory=list)
    waiting: bool = False

    async def catchup(self, lesson_id: str, from_ms: int, rendition: Rendition, /) -> Any:
        self.asked.append((lesson_id, from_ms, rendition))
        if self.waiting:
            await asyncio.Event().wait()
        if self.refusal is not None:
            raise self.refusal
        self.made.append(self.make())
        return self.made[-1]


@dataclass
class Cinema:
    """The route alone, on the registry and the tokens of a stage."""

    stage: Stage
    reels: Reels
    catchup: Catchup
    client: TestClient[Any, Any]
    lesson: str
    classroom: str
    teacher: str
    replay: str
    token: str

    async def get(self, token: str | None = None, lesson: str = "", **query: str) -> ClientResponse:
        asked = {"from": "1800000000000", "rendition": "sound", **query}
        return await self.client.get(
            f"/api/catchup/{lesson or self.lesson}",
            params={name.rstrip("_"): value for name, value in asked.items()},
            headers=bearer(token if token is not None else self.classroom),
        )

    async def settled(self, open_streams: int) -> None:
        for _ in range(round(PATIENCE_S / 0.01)):
            if self.catchup.open_streams == open_streams:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{self.catchup.open_streams} streams are open")


class OwnServer(TestServer):
    """aiohttp's own test server cancels the handler of a client that leaves, which the real one does not."""

    async def _make_runner(self, **kwargs: Any) -> web.AppRunner:
        return web.AppRunner(self.app, **{**kwargs, "handler_cancellation": False})


def link(url: str) -> str:
    return url.partition("#")[2]


@pytest.fixture
async def cinema(stage: Stage) -> AsyncIterator[Cinema]:
    """A live lesson that is recorded."""
    proxies = Proxies("")
    signer = Signer(SIGNING_KEY, stage.clock.wall)
    authority = Authority(
        signer=signer,
        is_admin=lambda token: token == ADMIN,
        catalogue=stage.catalogue,
        revoked_ms=stage.lessons.revoked_ms,
        monotonic=stage.clock.monotonic,
    )
    gate = Gate(authority, proxies, AddressLimiter(1000, 1000), stage.clock.monotonic)
    reels = Reels()
    served = Catchup(
        lessons=stage.lessons,
        recordings=reels,
        bounds=Bounds(MAX_STREAMS, LESSON_STREAMS, LINK_STREAMS, AFTER_END_S),
        monotonic=time.monotonic,
        wall=stage.clock.wall,
    )
    app = web.Application(middlewares=[error_boundary])
    for route in served.routes():
        app.router.add_route(
            route.method, route.path.replace("{lesson}", f"{{lesson:{PATTERNS['lesson']}}}"), gate.guard(route)
        )
    server = OwnServer(app)
    await server.start_server(**RUNNER)
    client: TestClient[Any, Any] = TestClient(server)
    await client.start_server()
    made = await stage.lesson()
    tokens = {role: link(made[f"{role}_url"]) for role in ("teacher", "classroom", "replay")}
    teacher = await stage.enter(made["id"], tokens["teacher"], 1)
    await teacher.say("start_lesson")
    await teacher.until("lesson_changed")
    page = await stage.enter(made["id"], tokens["classroom"], 2)
    yield Cinema(
        stage=stage,
        reels=reels,
        catchup=served,
        client=client,
        lesson=made["id"],
        classroom=tokens["classroom"],
        teacher=tokens["teacher"],
        replay=tokens["replay"],
        token=page.welcome["media_token"],
    )
    await served.close()
    await client.close()


# Who and what


async def test_a_classroom_gets_what_was_asked_for(cinema: Cinema) -> None:
    response = await cinema.get()
    assert response.status == 200
    assert response.headers["Content-Type"] == 'audio/mp4; codecs="opus"'
    assert response.headers["X-Catchup-Starts-S"] == "12.250"
    assert response.headers["X-Catchup-Part"] == "10.000:1800000000000"
    assert response.headers["Cache-Control"] == "no-store"
    assert await response.content.readexactly(len(INIT)) == INIT
    assert cinema.reels.asked == [(cinema.lesson, 1_800_000_000_000, "sound")]
    cinema.reels.made[0].ended.set()
    assert await asyncio.wait_for(response.content.read(), PATIENCE_S) == b""
    await cinema.settled(0)


async def test_media_tokens_and_both_links_open_it_and_nothing_else_does(cinema: Cinema) -> None:
    for token in (cinema.token, cinema.classroom, cinema.teacher):
        response = await cinema.get(token)
        assert response.status == 200
        response.close()
    await cinema.settled(0)
    for token, status in ((cinema.replay, 403), (ADMIN, 403), ("0" * 22, 401), ("m1.x.y", 401)):
        assert (await cinema.get(token)).status == status
    assert (await cinema.client.get(f"/api/catchup/{cinema.lesson}?from=1&rendition=sound")).status == 401
    assert (await cinema.get(lesson="unknown")).status in {401, 404}
    assert cinema.catchup.open_streams == 0


@pytest.mark.parametrize(
    "query",
    [
        {"from": ""},
        {"from": "-1"},
        {"from": "1e9"},
        {"from": "NaN"},
        {"from": "9" * 16},
        {"from": "9" * 5000},
        {"from": "１２３"},
        {"from": "1\r\nX: 1"},
        {"rendition": ""},
        {"rendition": "video"},
        {"rendition": "../sound"},
        {"rendition": "sound\0"},
    ],
)
async def test_hostile_parameters_are_refused(cinema: Cinema, query: dict[str, str]) -> None:
    response = await cinema.get(**query)
    assert response.status == 400
    assert (await response.json())["error"]["code"] in {"from_invalid", "rendition_invalid"}
    assert cinema.reels.asked == []


async def test_a_parameter_twice_is_refused(cinema: Cinema) -> None:
    path = f"/api/catchup/{cinema.lesson}?from=1&from=2&rendition=sound"
    assert (await cinema.client.get(path, headers=bearer(cinema.classroom))).status == 400


async def test_a_lesson_that_has_not_begun_is_not_streamed(cinema: Cinema) -> None:
    other = await cinema.stage.lesson()
    response = await cinema.get(link(other["classroom_url"]), other["id"])
    assert (response.status, (await response.json())["error"]["code"]) == (409, "not_live")


async def end(cinema: Cinema) -> None:
    ended = await cinema.stage.client.post(f"/api/lessons/{cinema.lesson}/end", headers=ADMIN_HEADERS)
    assert ended.status == 200


async def test_rooms_that_are_behind_get_the_rest_of_a_lesson_that_is_over_for_so_long_and_no_longer(
    cinema: Cinema,
) -> None:
    await end(cinema)
    for token in (cinema.token, cinema.classroom):
        response = await cinema.get(token)
        assert response.status == 200
        response.close()
    cinema.stage.clock.advance(AFTER_END_S - 1)
    response = await cinema.get(cinema.token)
    assert response.status == 200
    response.close()
    cinema.stage.clock.advance(2)
    response = await cinema.get(cinema.token)
    assert (response.status, (await response.json())["error"]["code"]) == (409, "not_live")


async def test_a_page_that_comes_after_the_end_is_told_when_it_was_and_where_the_rest_is(cinema: Cinema) -> None:
    ended_at_ms = round(cinema.stage.clock.wall() * 1000)
    await end(cinema)
    cinema.stage.clock.advance(60)
    late = (await cinema.stage.enter(cinema.lesson, cinema.classroom, 3)).welcome
    assert late["lesson"]["state"] == "ended"
    assert late["ended_at_ms"] == ended_at_ms
    assert late["catchup_url"] == f"/api/catchup/{cinema.lesson}"
    cinema.stage.clock.advance(AFTER_END_S)
    assert (await cinema.stage.enter(cinema.lesson, cinema.classroom, 4)).welcome["catchup_url"] == ""


async def test_a_server_that_started_anew_still_knows_when_a_lesson_ended(cinema: Cinema) -> None:
    await end(cinema)
    before = (await cinema.stage.lessons.get(cinema.lesson)).ended_at_ms
    anew = await build(cinema.stage.settings.data_dir, clock=cinema.stage.clock)
    assert (await anew.lessons.get(cinema.lesson)).ended_at_ms == before == cinema.stage.clock.wall() * 1000
    await anew.close()


async def test_what_the_recording_refuses_the_page_is_told(cinema: Cinema) -> None:
    cinema.reels.refusal = PeerError("None.", status=404, code="no_recording")
    response = await cinema.get()
    assert (response.status, (await response.json())["error"]["code"]) == (404, "no_recording")
    cinema.reels.refusal = OSError("the disk is gone")
    response = await cinema.get()
    assert (response.status, (await response.json())["error"]["code"]) == (503, "disk_error")
    assert cinema.catchup.open_streams == 0


# How many


async def refused(cinema: Cinema, token: str, lesson: str = "") -> str:
    response = await cinema.get(token, lesson)
    error = (await response.json())["error"]
    assert (response.status, error["code"]) == (503, "too_many_streams")
    assert "Retry-After" in response.headers
    return str(error["message"])


async def token_of(cinema: Cinema, identity: int) -> str:
    """The media token of one more classroom's page."""
    page = await cinema.stage.enter(cinema.lesson, cinema.classroom, identity)
    return str(page.welcome["media_token"])


async def test_a_link_has_few_places_and_pages_with_tokens_of_their_own_do_not_lack_them(cinema: Cinema) -> None:
    opened = [await cinema.get() for _ in range(LINK_STREAMS)]
    assert "link" in await refused(cinema, cinema.classroom)
    assert (await cinema.get(cinema.token)).status == 200
    opened[0].close()
    await cinema.settled(LINK_STREAMS)
    assert (await cinema.get()).status == 200


async def test_a_lesson_has_only_so_many_streams_and_other_lessons_do_not_lack_them(cinema: Cinema) -> None:
    for identity in range(LESSON_STREAMS):
        assert (await cinema.get(await token_of(cinema, 10 + identity))).status == 200
    assert "lesson" in await refused(cinema, cinema.token)
    other = await cinema.stage.lesson()
    teacher = await cinema.stage.enter(other["id"], link(other["teacher_url"]), 1)
    await teacher.say("start_lesson")
    await teacher.until("lesson_changed")
    response = await cinema.get(link(other["classroom_url"]), other["id"])
    assert response.status == 200
    assert await refused(cinema, link(other["classroom_url"]), other["id"]) == "Too many classrooms catch up now."
    response.close()
    await cinema.settled(LESSON_STREAMS)


async def test_a_page_that_asks_again_gives_up_its_older_stream_of_that_kind_only(cinema: Cinema) -> None:
    first = await cinema.get(cinema.token)
    picture = await cinema.get(cinema.token, rendition="picture")
    second = await cinema.get(cinema.token)
    assert second.status == 200
    with contextlib.suppress(Exception):
        await asyncio.wait_for(first.content.read(), PATIENCE_S)
    await cinema.settled(2)
    assert not picture.content.at_eof()


async def test_a_classroom_that_goes_away_ends_its_stream(cinema: Cinema) -> None:
    response = await cinema.get()
    assert cinema.catchup.open_streams == 1
    response.close()
    await cinema.settled(0)


async def test_a_classroom_that_goes_away_before_the_first_byte_is_forgotten(
    cinema: Cinema, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catchup, "LOOK_S", 0.02)
    cinema.reels.waiting = True
    asking = asyncio.create_task(cinema.get())
    await cinema.settled(1)
    asking.cancel()
    await cinema.settled(0)


async def test_an_error_breaks_the_stream_off_instead_of_ending_it(cinema: Cinema) -> None:
    response = await cinema.get()
    assert await response.content.readexactly(len(INIT)) == INIT
    reel = cinema.reels.made[0]
    reel.error = OSError("damaged")
    reel.ended.set()
    with pytest.raises(Exception, match=r"(?i)payload|closed|reset|disconnected"):
        await asyncio.wait_for(response.content.read(), PATIENCE_S)
    await cinema.settled(0)


Leaving = Literal["before the first byte", "between two fragments", "while it is paced", "with a full buffer"]


@pytest.mark.parametrize("leaving", get_args(Leaving))
async def test_pages_that_drop_a_stream_leave_no_word_in_the_log(
    cinema: Cinema, leaving: Leaving, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """They do it whenever a request of theirs was answered first: by closing, and by resetting the connection."""
    monkeypatch.setattr(catchup, "LOOK_S", 0.02)
    cinema.reels.waiting = leaving == "before the first byte"
    chunks = {
        "while it is paced": [Chunk(b"x", 6.0), Chunk(b"x", 60.0), Chunk(b"x", 1.0)],
        "with a full buffer": [Chunk(bytes(65536), 0.0) for _ in range(400)],
    }
    cinema.reels.make = lambda: Reel(chunks=chunks.get(leaving, [Chunk(INIT, 0.0)]))
    astray: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: astray.append(context))
    with capture_logs() as ours:
        for reset in (False, True):
            page = await raw_page(cinema)
            await cinema.settled(1)
            await asyncio.sleep(0.05)
            if reset:
                page.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            page.close()
            await cinema.settled(0)
        gc.collect()
        await asyncio.sleep(0.02)
    assert ours == []
    assert [record.getMessage() for record in caplog.records if record.levelno > logging.DEBUG] == []
    assert astray == []


async def raw_page(cinema: Cinema) -> socket.socket:
    """A client that asks for the sound and reads nothing, as a page does whose link is gone."""
    port = cinema.client.server.port
    assert port is not None
    page = socket.socket()
    page.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    page.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(page, ("127.0.0.1", port))
    await loop.sock_sendall(
        page,
        f"GET /api/catchup/{cinema.lesson}?from=1&rendition=sound HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {cinema.classroom}\r\n\r\n".encode(),
    )
    return page


# How fast


def test_six_seconds_go_at_once_and_then_so_much_a_second() -> None:
    pace = Pace(100.0)
    now = 100.0
    for _ in range(6):
        assert pace.wait_s(1.0, now) == 0
    sent, begun = 6.0, now
    for _ in range(50):
        now += pace.wait_s(1.0, now)
        sent += 1.0
    assert sent == 56
    assert (sent - BURST_S) / (now - begun) == pytest.approx(PACE)


def test_who_waited_long_gets_no_more_than_a_burst() -> None:
    pace = Pace(0.0)
    pace.wait_s(6.0, 0.0)
    assert pace.wait_s(BURST_S, 1000.0) == 0
    assert pace.wait_s(PACE, 1000.0) == pytest.approx(1.0)


async def test_more_than_a_burst_waits(cinema: Cinema) -> None:
    cinema.reels.make = lambda: Reel(chunks=[Chunk(b"x" * 10, 1.0) for _ in range(20)])
    await cinema.get()
    await asyncio.sleep(0.1)
    assert cinema.reels.made[0].given in {7, 8}


async def test_a_classroom_that_reads_nothing_holds_little_and_others_go_on(cinema: Cinema) -> None:
    """A raw client that asks and never reads: what the server holds for it stays below what its kernel takes."""
    cinema.reels.make = lambda: Reel(chunks=[Chunk(bytes(8192), 0.0) for _ in range(400)])
    slow = await raw_page(cinema)
    await cinema.settled(1)
    await asyncio.sleep(0.1)
    stuck = cinema.reels.made[0].given
    assert stuck * 8192 < 300_000
    quick = await cinema.get(cinema.teacher)
    assert len(await asyncio.wait_for(quick.content.readexactly(400 * 8192), PATIENCE_S)) == 400 * 8192
    assert cinema.reels.made[0].given == stuck
    slow.close()
    await cinema.settled(1)


async def test_a_classroom_whose_link_takes_nothing_for_long_is_given_up(
    cinema: Cinema, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catchup, "STALL_S", 0.05)
    cinema.reels.make = lambda: Reel(chunks=[Chunk(bytes(65536), 0.0) for _ in range(200)])
    response = await cinema.get()
    assert response.status == 200
    transport = response.connection.transport if response.connection else None
    assert transport is not None
    transport.pause_reading()
    await cinema.settled(0)


async def test_the_page_hears_of_the_end_of_the_server_at_once(cinema: Cinema) -> None:
    response = await cinema.get()
    await cinema.catchup.close()
    with contextlib.suppress(Exception):
        await asyncio.wait_for(response.content.read(), PATIENCE_S)
    await cinema.settled(0)
