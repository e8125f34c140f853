"""A whole server with a store: a lesson is recorded into it, replayed out of it, and deleted from it."""

# ruff: noqa: ASYNC240 - these tests look at files between awaits

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from liveclass import app
from liveclass.app import Running
from liveclass.archive import store as door
from liveclass.archive.store import Store
from liveclass.config import Settings
from liveclass.errors import UsageError
from tests.test_app import _own_collector, while_serving

__all__ = ["_own_collector"]

ADMIN = "an-admin-token-of-some-length"


def settings(tmp_path: Path, **changes: object) -> Settings:
    values: dict[str, object] = {
        "data_dir": tmp_path / "data",
        "host": "127.0.0.1",
        "port": 0,
        "udp_port": 0,
        "drain_s": 0.0,
        "admin_token": ADMIN,
        "disk_floor_bytes": 0,
        "segment_s": 2.0,
        "record_light": False,
        "store_url": f"file://{tmp_path}/store",
        "store_round_s": 0.2,
    }
    return Settings(**{**values, **changes})  # type: ignore[arg-type]


def stored(tmp_path: Path, pattern: str) -> list[Path]:
    return [path for path in (tmp_path / "store").rglob(pattern) if path.is_file()]


async def until(what: Callable[[], object], limit_s: float = 15.0) -> None:
    for _ in range(int(limit_s / 0.1)):
        if what():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it never came")


async def test_a_lesson_is_kept_replayed_and_deleted(tmp_path: Path) -> None:
    lessons: list[dict[str, str]] = []

    async def plan(running: Running) -> None:
        lessons.append(await running.create_lesson("Fractions", "en"))
        await running.catalogue.set_state(lessons[0]["id"], "live", datetime.now(UTC))

    await while_serving(settings(tmp_path), plan)
    lesson = lessons[0]["id"]
    admin = {"Authorization": f"Bearer {ADMIN}"}

    async def teach(running: Running) -> None:
        await until(lambda: stored(tmp_path, "main-000001.m4s.*"))
        async with aiohttp.ClientSession(headers=admin) as client:
            async with client.post(f"{running.url}/api/lessons/{lesson}/end") as answer:
                assert answer.status < 300
            await until(lambda: stored(tmp_path, "summary.json.*"))

    await while_serving(settings(tmp_path), teach)
    media = [path for path in (tmp_path / "data" / "recordings" / lesson).iterdir() if path.suffix in {".m4s", ".mp4"}]
    kept = {path.name: path.read_bytes() for path in media}
    for path in media:
        path.unlink()

    async def replay(running: Running) -> None:
        async with aiohttp.ClientSession(headers=admin) as client:
            async with client.get(f"{running.url}/api/replays/{lesson}") as answer:
                main = (await answer.json())["main"]["url"]
            async with client.get(f"{running.url}{main}") as answer:
                text = await answer.text()
            names = set(re.findall(r"main-[\w-]+\.(?:m4s|mp4)", text))
            assert names == set(kept)
            for name in names:
                async with client.get(f"{running.url}{main.rsplit('/', 1)[0]}/{name}") as answer:
                    assert (answer.status, await answer.read()) == (200, kept[name])
            async with client.delete(f"{running.url}/api/lessons/{lesson}") as answer:
                assert answer.status < 300
        assert [path for path in stored(tmp_path, "*") if "deleted.marks" not in path.parts] == []

    await while_serving(settings(tmp_path), replay)
    pieces = [data[-64:] for data in kept.values()]
    for path in tmp_path.rglob("*"):
        if path.is_file():
            found = path.read_bytes()
            assert not any(piece in found for piece in pieces), path


async def test_a_recording_that_is_old_enough_is_deleted_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "RETENTION_S", 0.2)
    ids: list[str] = []

    async def plan(running: Running) -> None:
        for age_days in (40, 20):
            lesson = (await running.create_lesson("Fractions", "en"))["id"]
            ids.append(lesson)
            ended = datetime.now(UTC) - timedelta(days=age_days)
            await running.catalogue.set_state(lesson, "live", ended - timedelta(hours=1))
            await running.catalogue.set_state(lesson, "ended", ended)
            await running.catalogue.put_recording(lesson, state="finished", duration_s=3.0, bytes_=5)
            folder = tmp_path / "data" / "recordings" / lesson
            folder.mkdir(parents=True)
            for name in ("journal.jsonl", "summary.json", "main-000001.m4s"):
                (folder / name).write_bytes(b"{}\n")

    await while_serving(settings(tmp_path), plan)

    async def wait(running: Running) -> None:
        await until(lambda: stored(tmp_path, f"{ids[1]}/recording/main*"))
        await until(lambda: not (tmp_path / "data" / "recordings" / ids[0]).exists())
        await until(lambda: not stored(tmp_path, f"{ids[0]}/recording/*"))
        row = None
        async with asyncio.timeout(5):
            while row is None or row.state != "off":
                row = await running.catalogue.recording(ids[0])
                await asyncio.sleep(0.05)

    await while_serving(settings(tmp_path, retention_days=30), wait)
    assert (tmp_path / "data" / "recordings" / ids[1] / "main-000001.m4s").exists()
    assert stored(tmp_path, f"{ids[1]}/recording/main*")


def test_without_the_extra_a_store_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "_INSTALLED", False)
    with pytest.raises(UsageError, match=r"liveclass\[fleet\]"):
        Store.open(f"file://{tmp_path}")
