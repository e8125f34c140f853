"""Traces of real workers: what a failover looks like to whoever watches, and that nothing private is in it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.collector import Collector, Told
from tests.fleet.machine import Machine
from tests.fleet.people import lesson_of

ROOMS = 2

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(240)]


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    made = Collector()
    await made.start()
    yield made
    await made.close()


async def test_a_failover_is_told_from_the_taking_over_to_the_part_that_is_opened(
    tmp_path: Path, collector: Collector
) -> None:
    store = f"file://{tmp_path}/store"
    machine = Machine(tmp_path, trace_url=collector.url, trace_share="1", store_url=store, segment_s="2")
    await machine.start()
    try:
        lesson = await machine.server.create_lesson()
        async with lesson_of(machine.url, lesson, ROOMS) as _:
            first = (await collector.named("recording.part"))[0]
            await collector.named("segment.upload")
            assert (await machine.owner(lesson))[0].name == first.node
            killed = (await machine.owner(lesson))[1]
            killed.kill()
            opened = (await collector.named("recording.part", 2))[1]
            adopted = (await collector.named("lesson.adopt", 2))[-1]
            await asyncio.sleep(3)  # what the adopting is a part of ends, and is sent
            assert opened.node == adopted.node != first.node
            assert (opened.about["liveclass.part"], adopted.about["liveclass.live"]) == (1, True)
            assert above(collector, adopted)[:1] == ["lesson.claim"]
            assert {"lesson.take_over", "lesson.place"} & set(above(collector, adopted))
    finally:
        await machine.stop()
    raw = b"".join(collector.raw)
    for secret in (lesson.teacher_token, lesson.classroom_token, lesson.replay_token, "127.0.0.1"):
        assert secret.encode() not in raw


def above(collector: Collector, span: Told) -> list[str]:
    """What the span is a part of, from below."""
    known = {one.id: one for one in collector.spans}
    names = []
    while span.parent in known:
        span = known[span.parent]
        names.append(span.name)
    return names
