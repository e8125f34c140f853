"""Traces as the operator meets them: off, without their packages, with a collector that is away, hangs, or is well."""

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from liveclass.config import load
from liveclass.errors import PeerError, UsageError
from liveclass.operate import traces, traces_otlp
from liveclass.operate.traces import traced
from liveclass.operate.traces_opening import open_tracer
from liveclass.operate.traces_otlp import BATCH, OtlpTracer
from tests.collector import Collector
from tests.servers import free_port

QUEUE = 64

WHOLE_SERVER = """
import asyncio, os, signal, sys
from pathlib import Path
from liveclass.app import run
from liveclass.config import Settings

async def ready(running):
    await running.create_lesson("A lesson", "en")
    print("loaded:", *[name for name in sys.modules if name.split(".")[0] in ("opentelemetry", "google", "requests")])
    os.kill(os.getpid(), signal.SIGTERM)

run(Settings(host="127.0.0.1", port=0, udp_port=0, data_dir=Path(sys.argv[1]), log_level="error"), ready=ready)
"""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces_otlp, "ROUND_S", 0.05)
    monkeypatch.setattr(traces_otlp, "SEND_S", 1.0)


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    made = Collector()
    await made.start()
    yield made
    await made.close()


def tracer_of(collector: Collector, share: float = 1.0, node: str = "here") -> OtlpTracer:
    return OtlpTracer(collector.url, share=share, queue=QUEUE, node=node)


def test_off_means_that_nothing_of_it_is_loaded(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-P", "-c", WHOLE_SERVER, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert re.search(r"^loaded:\s*$", ran.stdout, re.MULTILINE), ran.stdout
    assert open_tracer("", share=1.0, queue=QUEUE, node="here") is None


def test_without_its_packages_the_setting_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "liveclass.operate.traces_otlp", None)
    with pytest.raises(UsageError, match=r"trace_url: needs an extra: pip install 'liveclass\[trace\]'"):
        open_tracer("http://collector:4318", share=1.0, queue=QUEUE, node="here")


@pytest.mark.parametrize("url", ["collector:4318", "ftp://collector", "http://user:secret@collector", "http://c?x=1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="trace_url: expected a URL such as http://collector:4318"):
        load({"trace_url": url})


async def test_what_is_begun_within_a_span_is_a_part_of_it_also_in_tasks(collector: Collector) -> None:
    tracer = tracer_of(collector)
    with traced(tracer, "outer", {"liveclass.part": 7}):

        async def inner() -> None:
            with traced(tracer, "inner"):
                await asyncio.sleep(0.02)

        await asyncio.create_task(inner())
    (outer,), (inside,) = await collector.named("outer"), await collector.named("inner")
    assert (inside.trace, inside.parent, outer.parent) == (outer.trace, outer.id, "")
    assert outer.about == {"liveclass.part": 7}
    assert 0.02 <= inside.took_s <= outer.took_s
    await tracer.close()


async def test_what_outlives_a_span_is_no_part_of_it(collector: Collector) -> None:
    tracer = tracer_of(collector)
    over = asyncio.Event()

    async def later() -> str:
        await over.wait()
        return traces.traceparent()

    with traced(tracer, "short"):
        assert traces.traceparent()
        task = asyncio.create_task(later())
    over.set()
    assert await task == ""
    assert traces.traceparent() == ""
    await tracer.close()


async def test_a_failure_is_told_by_its_kind_and_never_by_its_text(collector: Collector) -> None:
    tracer = tracer_of(collector)
    for failure in (PeerError("token xyzzy", code="wrong_role"), ValueError("xyzzy")):
        with pytest.raises(type(failure)), traced(tracer, "failing"):
            raise failure
    told = await collector.named("failing", 2)
    assert [span.about["error.type"] for span in told] == ["wrong_role", "ValueError"]
    assert all(span.failed for span in told)
    assert not any(b"xyzzy" in body for body in collector.raw)
    await tracer.close()


async def test_a_share_is_sent_whole_and_what_is_rare_always(collector: Collector) -> None:
    tracer = tracer_of(collector, share=0.0)
    for _ in range(20):
        with traced(tracer, "common"), traced(tracer, "common"):
            pass
    tracer.note("part", 1.5, rare=True, failed=True)
    with traced(tracer, "taking over", rare=True), traced(tracer, "claiming"):
        pass
    (part,) = await collector.named("part")
    assert part.failed
    assert part.took_s == pytest.approx(1.5)
    (taking,), (claiming,) = await collector.named("taking over"), await collector.named("claiming")
    assert claiming.parent == taking.id
    await tracer.close()
    assert {span.name for span in collector.spans} == {"part", "taking over", "claiming"}


async def test_the_end_of_the_process_sends_what_waits(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces_otlp, "ROUND_S", 60.0)
    monkeypatch.setattr(traces_otlp, "CLOSE_S", 20.0)
    tracer = tracer_of(collector)
    tracer.note("last", 0.1)
    await tracer.close()
    assert [span.name for span in collector.spans] == ["last"]


async def test_a_collector_that_hangs_holds_up_nothing_and_what_waits_for_it_is_bounded(collector: Collector) -> None:
    collector.hang()
    tracer = tracer_of(collector)
    while not collector.asked:
        tracer.note("first", 0.0)
        await asyncio.sleep(0.01)
    begun = time.monotonic()
    for number in range(10 * QUEUE):
        with traced(tracer, "much", {"liveclass.part": number}):
            pass
    assert time.monotonic() - begun < 1.0
    collector.go_on()
    await collector.named("much")
    await tracer.close()
    much = [span for span in collector.spans if span.name == "much"]
    assert len(much) <= QUEUE + BATCH
    assert max(int(span.about["liveclass.part"]) for span in much) == 10 * QUEUE - 1  # the newest are kept


async def test_a_collector_that_hangs_does_not_hold_up_the_end(collector: Collector) -> None:
    collector.hang()
    tracer = tracer_of(collector)
    tracer.note("one", 0.0)
    begun = time.monotonic()
    await tracer.close()
    assert time.monotonic() - begun < traces_otlp.CLOSE_S + 1.0


async def test_a_collector_that_is_away_is_told_of_once_and_so_is_its_return() -> None:
    port = free_port()
    tracer = OtlpTracer(f"http://127.0.0.1:{port}", share=1.0, queue=QUEUE, node="here")
    with capture_logs() as said:

        async def until(event: str) -> None:
            async with asyncio.timeout(30.0):
                while event not in [line["event"] for line in said]:
                    tracer.note("lost", 0.0)
                    await asyncio.sleep(0.05)

        await until("traces_not_sent")
        for _ in range(30):
            tracer.note("lost", 0.0)
            await asyncio.sleep(0.1)
        collector = Collector()
        await collector.start(port)
        await until("traces_sent_again")
        await tracer.close()
        await collector.close()
    assert [line["event"] for line in said] == ["traces_not_sent", "traces_sent_again"]
