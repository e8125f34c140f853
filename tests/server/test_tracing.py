"""Spans of requests, sockets and lessons: one trace over several nodes, and nothing in it that is nobody's business."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from liveclass.cluster.memory import MemoryDirectory
from liveclass.operate import traces_otlp
from liveclass.operate.traces_otlp import OtlpTracer
from tests.collector import Collector, Told
from tests.server.stage import ADMIN, ADMIN_HEADERS, Stage, bearer, build

LEASE_S = 0.6
SHOW = "GET /api/lessons/{lesson}"

ATTRIBUTES = {
    *("http.request.method", "http.route", "http.response.status_code", "error.type", "liveclass.refused"),
    *("liveclass.lesson", "liveclass.fence", "liveclass.live", "liveclass.node", "liveclass.role"),
}
"""All that a span may tell."""


@pytest.fixture(autouse=True)
def _impatient_tracer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces_otlp, "ROUND_S", 0.05)
    # A busy machine may be slow to send what waits, and these tests look at all of it.
    monkeypatch.setattr(traces_otlp, "CLOSE_S", 20.0)


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    made = Collector()
    await made.start()
    yield made
    await made.close()


def tracer_of(collector: Collector, node: str, share: float = 1.0) -> OtlpTracer:
    return OtlpTracer(collector.url, share=share, queue=2048, node=node)


class Pair:
    """Two nodes; `a` is given all lessons."""

    def __init__(self, a: Stage, b: Stage) -> None:
        self.a, self.b = a, b

    async def close(self) -> None:
        for stage in (self.b, self.a):
            await stage.close()
            if stage.services.tracer is not None:
                await stage.services.tracer.close()


async def pair_of(folder: Path, collector: Collector, share_a: float = 1.0, share_b: float = 1.0) -> Pair:
    directory = MemoryDirectory()
    a = await build(folder, directory=directory, node="a", lease_s=LEASE_S, tracer=tracer_of(collector, "a", share_a))
    b = await build(folder, directory=directory, node="b", lease_s=LEASE_S, tracer=tracer_of(collector, "b", share_b))
    await asyncio.sleep(LEASE_S)
    return Pair(a, b)


@pytest.fixture
async def pair(tmp_path: Path, collector: Collector) -> AsyncIterator[Pair]:
    made = await pair_of(tmp_path, collector)
    yield made
    await made.close()


def of(node: str, told: list[Told]) -> Told:
    (found,) = [span for span in told if span.node == node]
    return found


async def test_a_request_through_another_node_is_one_trace(pair: Pair, collector: Collector) -> None:
    lesson = await pair.b.lesson()
    await pair.b.show(lesson["id"])
    told = await collector.named(SHOW, 2)
    near, far = of("b", told), of("a", told)
    assert (near.parent, far.trace, far.parent) == ("", near.trace, near.id)
    assert near.about["http.response.status_code"] == far.about["http.response.status_code"] == 200
    # Nobody had the lesson yet: b had a claim it, and that is told in the same trace.
    (place,), (ask,) = await collector.named("lesson.place"), await collector.named("POST /internal/claim/{lesson}")
    (claim,), (adopt,) = await collector.named("lesson.claim"), await collector.named("lesson.adopt")
    assert [span.node for span in (place, ask, claim, adopt)] == ["b", "a", "a", "a"]
    assert [span.parent for span in (place, ask, claim, adopt)] == [near.id, place.id, ask.id, claim.id]
    assert {span.trace for span in (place, ask, claim, adopt)} == {near.trace}


async def test_a_socket_is_told_of_as_its_joining_and_not_as_a_lesson_long_span(
    pair: Pair, collector: Collector
) -> None:
    lesson = await pair.b.lesson()
    page = await pair.b.enter(lesson["id"], lesson["teacher_token"], 1)
    (join,) = await collector.named("page.join")
    told = await collector.named("GET /ws/{lesson}", 2)
    near, far = of("b", told), of("a", told)
    assert (near.parent, far.parent, join.parent) == ("", near.id, far.id)
    assert near.about["http.response.status_code"] == 101
    assert join.about["liveclass.role"] == "teacher"
    await page.say("start_lesson")
    await page.settled()
    assert not page.socket.closed


async def test_a_live_lesson_whose_owner_is_gone_is_told_of_whatever_the_share(
    tmp_path: Path, collector: Collector
) -> None:
    pair = await pair_of(tmp_path, collector, share_a=0.0, share_b=0.0)
    lesson = await pair.b.lesson()
    page = await pair.a.enter(lesson["id"], lesson["teacher_token"], 1)
    await page.say("start_lesson")
    await page.settled()
    assert pair.a.fleet is not None
    await pair.a.fleet.agent.release(lesson["id"])
    told = await collector.named("lesson.take_over")
    adopt = await collector.named("lesson.adopt")
    assert adopt[-1].trace in {span.trace for span in told}
    assert adopt[-1].about["liveclass.live"] is True
    await pair.close()
    assert not [span for span in collector.spans if span.name == SHOW]


async def test_the_node_that_is_asked_decides_for_all(tmp_path: Path, collector: Collector) -> None:
    pair = await pair_of(tmp_path, collector, share_a=1.0, share_b=0.0)
    lesson = await pair.b.lesson()
    await pair.b.show(lesson["id"])
    await pair.a.show(lesson["id"])
    await pair.close()
    assert [(span.node, span.parent) for span in collector.spans if span.name == SHOW] == [("a", "")]


async def test_who_is_no_node_cannot_say_which_trace_it_is_in(pair: Pair, collector: Collector) -> None:
    lesson = await pair.b.lesson()
    claimed = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "x=zzz", "baggage": "q=zzz"}
    for stage in (pair.a, pair.b):
        path = f"/api/lessons/{lesson['id']}"
        assert (await stage.client.get(path, headers={**ADMIN_HEADERS, **claimed})).status == 200
    told = await collector.named(SHOW, 3)
    assert "a" * 32 not in {span.trace for span in told}
    assert not any(b"zzz" in body for body in collector.raw)


async def test_no_span_holds_a_token_a_name_an_address_or_what_was_asked(pair: Pair, collector: Collector) -> None:
    lesson = await pair.b.lesson("secret-title")
    ident = lesson["id"]
    marker = secrets.token_hex(8)
    headers = {"X-Forwarded-For": "198.51.100.7", "User-Agent": marker, "Referer": f"http://x/{marker}"}
    for stage in (pair.a, pair.b):
        page = await stage.enter(ident, lesson["classroom_token"], 2, name="secret-name")
        await page.say("chat", text=marker)
        await page.settled()
        await stage.post(lesson["whep_url"], lesson["classroom_token"], **headers)
        get = stage.client.get
        await get(f"/api/lessons/{ident}?q={marker}", headers={**ADMIN_HEADERS, **headers})
        await get(f"/api/lessons/{ident}", headers=bearer(marker * 2))
        await get(f"/{marker}/nowhere?token={lesson['teacher_token']}", headers=headers)
        await get(f"/media/{ident}/{marker}.m4s?t={marker}", headers=bearer(lesson["replay_token"]))
        await get(f"/teach/{ident}?x={marker}", headers=headers)
        await stage.client.request(marker, "/")
    for stage in (pair.a, pair.b):
        assert stage.services.tracer is not None
        await stage.services.tracer.close()
    raw = b"".join(collector.raw)
    assert len(collector.spans) > 20
    links = [value for key, value in lesson.items() if key.endswith("_token")]
    assert len(links) >= 3
    for secret in [*links, ADMIN, "secret-title", "secret-name", marker, "198.51.100", "127.0.0.1"]:
        assert secret.encode() not in raw, secret
    assert not any("?" in f"{span.name}{span.about}" for span in collector.spans)
    assert {key for span in collector.spans for key in span.about} <= ATTRIBUTES


async def test_health_checks_are_no_traffic(pair: Pair, collector: Collector) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        await pair.a.client.get(path)
    await pair.a.lesson()
    await collector.named("POST /api/lessons")
    assert {span.name for span in collector.spans if span.node == "a"} == {"POST /api/lessons"}


async def test_a_collector_that_hangs_delays_no_request(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces_otlp, "CLOSE_S", 1.0)
    collector.hang()
    tracer = OtlpTracer(collector.url, share=1.0, queue=64, node="here")
    stage = await build(tmp_path, tracer=tracer)
    lesson = await stage.lesson()
    loop = asyncio.get_running_loop()
    slowest = 0.0
    for _ in range(200):
        begun = loop.time()
        await stage.show(lesson["id"])
        slowest = max(slowest, loop.time() - begun)
    assert collector.asked
    assert slowest < 1.0
    begun = loop.time()
    await stage.close()
    await tracer.close()
    assert loop.time() - begun < traces_otlp.CLOSE_S + 2.0
