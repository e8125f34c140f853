"""Figures and health: who may read them, what they count, and that each is described."""

import asyncio
import inspect
import re
import socket
import time
from pathlib import Path

import pytest

from liveclass.relay.plane import Plane
from liveclass.relay.totals import TOTALS, rungs
from liveclass.transport.batch import Batch
from tests.server.conftest import Live
from tests.server.stage import PATIENCE_S, Stage, bearer, build

DOCS = Path(__file__).resolve().parents[2] / "docs"


async def figures(stage: Stage) -> dict[str, float]:
    response = await stage.client.get("/metrics")
    assert response.status == 200
    lines = [line.rsplit(" ", 1) for line in (await response.text()).splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


async def test_what_happens_is_counted(stage: Stage) -> None:
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    await teacher.say("start_lesson")
    await teacher.settled()
    await stage.post(lesson["whep_url"], lesson["classroom_token"])
    await teacher.socket.send_str("{")
    await teacher.settled()
    stage.lessons.joined(0.019)
    seen = await figures(stage)
    assert seen['liveclass_lessons{state="live"}'] == 1
    assert seen['liveclass_participants{role="teacher"}'] == 1
    assert seen['liveclass_media_sessions{direction="subscribe"}'] == 1
    assert seen["liveclass_signalling_sockets"] == 1
    assert seen["liveclass_signalling_messages_total"] == 4
    assert seen['liveclass_signalling_refused_total{code="message_invalid"}'] == 1
    assert seen['liveclass_recordings{state="recording"}'] == 1
    assert seen["liveclass_join_seconds_count"] == 1
    assert seen['liveclass_join_seconds_bucket{le="0.025"}'] == 1
    assert seen["liveclass_relay_packets_forwarded_total"] == 7
    assert seen["liveclass_relay_rooms"] == 1
    assert seen['liveclass_http_requests_total{method="POST",status="201"}'] == 2


async def test_how_the_rooms_fare_is_counted(tmp_path: Path) -> None:
    stage = await build(tmp_path, relay_stats=lambda: {"rung_full": 3, "rung_sound": 1, "probe_bytes_total": 5})
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    rooms = [await stage.enter(lesson["id"], lesson["classroom_token"], 10 + n) for n in range(4)]
    await teacher.say("start_lesson")
    await teacher.settled()
    for room in rooms:
        await stage.post(lesson["whep_url"], room.welcome["media_token"])
    await rooms[0].say("report", receiving={"behind_s": 12})
    await rooms[0].settled()
    stage.media.close_participant(lesson["id"], rooms[3].welcome["you"], "subscribe", "timeout")
    seen = await figures(stage)
    assert seen["liveclass_rooms_reconnecting"] == 1
    assert seen["liveclass_rooms_behind"] == 1
    assert seen["liveclass_catchup_streams"] == 0
    assert seen['liveclass_relay_subscribers{rung="full"}'] == 3
    assert seen['liveclass_relay_subscribers{rung="sound"}'] == 1
    assert seen["liveclass_relay_probe_bytes_total"] == 5
    await stage.close()


async def test_dropped_datagrams_are_counted_by_why_they_were(live: Live) -> None:
    """Hostile packets of strangers, as they come off the wire: dropped, one more each, and no fault of ours."""
    dropped = {
        "empty": [b""] * 2,
        "stranger": [b"\x16\xfe\xff" + bytes(60), b"\x15\xfe\xfd" + bytes(12), b"\x80\x60" + bytes(40), b"\0" * 20],
        "malformed": [b"\xff" * 1500],
    }
    before = await figures(live.stage)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for datagrams in dropped.values():
            for datagram in datagrams:
                stranger.sendto(datagram, ("127.0.0.1", live.endpoint.port))
    total = sum(map(len, dropped.values()))
    deadline = time.monotonic() + PATIENCE_S
    while (after := await figures(live.stage))["liveclass_relay_datagrams_received_total"] < total:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    for why, datagrams in dropped.items():
        name = f"liveclass_relay_datagrams_{why}_total"
        assert after[name] - before[name] == len(datagrams), why
    assert after["liveclass_relay_faults_total"] == 0
    assert after["liveclass_relay_datagrams_sent_total"] == 0


async def test_figures_hold_no_name_title_token_or_lesson(stage: Stage) -> None:
    lesson = await stage.lesson("Secret title")
    await stage.enter(lesson["id"], lesson["teacher_token"], 1, "小李")
    text = await (await stage.client.get("/metrics")).text()
    assert not [secret for secret in ("小李", "Secret", lesson["teacher_token"], lesson["id"]) if secret in text]


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
async def test_without_a_token_figures_are_for_this_machine_and_not_for_who_comes_by_its_proxy(
    stage: Stage, header: str
) -> None:
    assert (await stage.client.get("/metrics", headers={header: "127.0.0.1"})).status == 403


async def test_with_a_token_figures_are_for_who_has_it(tmp_path: Path) -> None:
    stage = await build(tmp_path, metrics_token="figures")  # noqa: S106
    assert (await stage.client.get("/metrics")).status == 401
    assert (await stage.client.get("/metrics", headers=bearer("figurez"))).status == 401
    assert (await stage.client.get("/metrics", headers=bearer("figures"))).status == 200
    await stage.close()


async def test_ready_means_the_database_answers_and_new_lessons_are_welcome(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await stage.client.get("/healthz")).status == 200
    assert (await stage.client.get("/readyz")).status == 200

    async def down() -> None:
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr(stage.catalogue, "ping", down)
        response = await stage.client.get("/readyz")
        assert (response.status, (await response.json())["error"]["code"]) == (503, "database_down")
    stage.lessons.drain()
    response = await stage.client.get("/readyz")
    assert (response.status, (await response.json())["error"]["code"]) == (503, "draining")
    assert response.headers["Retry-After"]
    assert (await stage.client.get("/healthz")).status == 200


async def test_every_figure_is_described(stage: Stage) -> None:
    text = await (await stage.client.get("/metrics")).text()
    names = {
        re.sub(r"_(created|total)$", "", name)
        for name in re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
        if not name.startswith("liveclass_relay_")
    }
    described = (DOCS / "metrics.md").read_text("utf-8")
    assert names
    assert [name for name in sorted(names) if f"`{name}" not in described] == []


def test_every_figure_of_the_media_plane_is_described() -> None:
    sources = "".join(inspect.getsource(one) for one in (Plane.stats, Batch.native_figures, rungs))
    names = {*TOTALS, *re.findall(r'(?:"(\w+)":)', sources), *re.findall(r'\["(\w+)"\]', sources)} - {"malformed"}
    described = (DOCS / "metrics.md").read_text("utf-8")
    assert len(names) > 10
    assert [name for name in sorted(names) if f"`liveclass_relay_{name}`" not in described] == []
