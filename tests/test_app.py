"""The parts as they are wired: one number for pages and media, and what the relay is told of the settings."""

import asyncio
import gc
import os
import secrets
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

from liveclass import app
from liveclass.app import Running, serve
from liveclass.config import Settings
from liveclass.operate.probe import binding_request, mapped_address
from liveclass.relay.plane import PlaneOptions
from liveclass.server.deletions import Deletions
from liveclass.transport.framing import framed

PATIENCE_S = 20.0


@pytest.fixture(autouse=True)
def _own_collector() -> Iterator[None]:
    """A server freezes what it has loaded; the other tests count objects."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def free_number() -> int:
    """A port that neither UDP nor TCP uses."""
    for _ in range(50):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return int(tcp.getsockname()[1])
    raise AssertionError("no free port")


async def while_serving(settings: Settings, check: Callable[[Running], Awaitable[None]]) -> None:
    """Serves until `check` is done."""

    async def ready(running: Running) -> None:
        try:
            await check(running)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    await asyncio.wait_for(serve(settings, ready=ready), PATIENCE_S)


async def says(port: int, request: bytes) -> bytes:
    """What a TCP port answers first, at most 2 kB."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.read(2048), 2.0)
    finally:
        writer.close()


@pytest.mark.parametrize("same", [True, False])
async def test_the_pages_port_takes_media_too_also_where_udp_has_the_same_number(tmp_path: Path, same: bool) -> None:
    number = free_number()
    settings = Settings(
        data_dir=tmp_path, host="127.0.0.1", port=number, udp_port=number if same else free_number(), drain_s=0.0
    )
    transaction = secrets.token_bytes(12)

    async def check(running: Running) -> None:
        async with aiohttp.ClientSession() as client, client.get(f"{running.url}/healthz") as response:
            assert response.status == 200
        for port in {number, running.udp_port}:
            answer = await says(port, framed(binding_request(transaction)))
            assert mapped_address(answer[2:], transaction) is not None, port

    await while_serving(settings, check)


async def test_without_media_over_tcp_the_pages_port_takes_pages_alone(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, host="127.0.0.1", port=0, udp_port=0, drain_s=0.0, media_tcp=False)
    transaction = secrets.token_bytes(12)
    request = framed(binding_request(transaction))

    async def check(running: Running) -> None:
        port = int(running.url.rsplit(":", 1)[1])
        answer = await says(port, request + b"\r\n\r\n")
        assert mapped_address(answer[2:], transaction) is None
        with pytest.raises(ConnectionRefusedError):
            await says(running.udp_port, request)

    await while_serving(settings, check)


def test_every_setting_of_the_relay_reaches_it() -> None:
    changed = Settings(
        max_sdp_bytes=5000,
        cache_packets=17,
        keyframe_interval_s=0.7,
        congestion_feedback=False,
        adaptation=False,
        retransmission_share=0.11,
        max_speaking=2,
    )
    options, default = app._plane_options(changed), PlaneOptions()
    for name in PlaneOptions.__dataclass_fields__:
        assert getattr(options, name) != getattr(default, name), name
        assert getattr(options, name) == getattr(changed, name), name


async def test_a_worker_that_is_told_to_end_on_two_ways_at_once_is_in_no_hurry() -> None:
    told, alone = app._Stop(echo_s=60.0), app._Stop()
    for stop in (told, alone):
        stop.signal()
        stop.signal()
        await stop.wait()
    assert (told.urgent, alone.urgent) == (False, True)


def write_late(data_dir: Path, lessons: list[str]) -> None:
    for lesson in lessons:
        for folder in ("materials", "recordings"):
            (data_dir / folder / lesson).mkdir(parents=True)
            (data_dir / folder / lesson / "late").write_bytes(b"a pupil's face")


def late(data_dir: Path) -> set[Path]:
    return set(data_dir.rglob("late"))


async def test_what_comes_of_a_deleted_lesson_late_is_gone_after_the_next_start(tmp_path: Path) -> None:
    """Also the lesson itself, where the server ended in the midst of its deletion."""
    settings = Settings(
        data_dir=tmp_path, host="127.0.0.1", port=0, udp_port=0, drain_s=0.0, admin_token="a" * 20, record_light=False
    )
    admin = {"Authorization": f"Bearer {settings.admin_token}"}
    ids: list[str] = []

    async def delete(running: Running) -> None:
        for title in ("deleted", "broken off", "kept"):
            ids.append((await running.create_lesson(title, "en"))["id"])
        async with (
            aiohttp.ClientSession(headers=admin) as client,
            client.delete(f"{running.url}/api/lessons/{ids[0]}") as answer,
        ):
            assert answer.status == 204

    await while_serving(settings, delete)
    Deletions(tmp_path, time.time).mark(ids[1])
    write_late(tmp_path, ids)

    async def look(running: Running) -> None:
        assert await running.catalogue.lesson(ids[1]) is None
        assert await running.catalogue.lesson(ids[2]) is not None

    await while_serving(settings, look)
    assert {path.parent.name for path in late(tmp_path)} == {ids[2]}
