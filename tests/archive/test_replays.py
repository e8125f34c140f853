"""Replays whose files are not on this disk any more: out of the store, or sent there; and what retention deletes."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from liveclass.archive import retention
from liveclass.archive.store import Store
from liveclass.recording.shelf import remote_file
from liveclass.server.app import RUNNER, build_app
from tests.archive.depot import LESSON, Depot, Faulty
from tests.server.stage import Stage, bearer, build

Ask = Callable[..., Awaitable[tuple[int, bytes, Mapping[str, str]]]]


async def ask_of(tmp_path: Path, depot: Depot) -> tuple[Ask, Stage, TestClient]:  # type: ignore[type-arg]
    """A server whose recordings lie in the depot's store alone."""
    stage = await build(tmp_path / "server")
    lesson = await stage.lesson()
    depot.teach(lesson=lesson["id"])
    depot.finish(lesson["id"])
    depot.put("recording", "light.mp4", bytes(range(256)) * 1000, lesson["id"])
    await depot.archive.start()
    await depot.archive.flush()
    for name in ("main-000001.m4s", "main-000009.m4s", "light.mp4", "main.m3u8"):
        stage.recordings.files[lesson["id"], name] = remote_file(lesson["id"], name)
    server = TestServer(build_app(replace(stage.services, archive=depot.archive)))
    await server.start_server(**RUNNER)
    client: TestClient = TestClient(server)  # type: ignore[type-arg]
    await client.start_server()

    async def ask(name: str, method: str = "GET", **headers: str) -> tuple[int, bytes, Mapping[str, str]]:
        answer = await client.request(
            method,
            f"/media/{lesson['id']}/{name}",
            headers={**bearer(lesson["replay_token"]), **headers},
            allow_redirects=False,
        )
        return answer.status, await answer.read(), answer.headers

    return ask, stage, client


@pytest.fixture
def server_folder(tmp_path: Path) -> Path:
    (tmp_path / "server").mkdir()
    return tmp_path


async def test_a_file_is_read_by_range_from_a_copy_or_in_pieces(server_folder: Path, store: Faulty) -> None:
    depot = Depot(server_folder / "data", store, cache_bytes=1_000_000)
    ask, stage, client = await ask_of(server_folder, depot)
    light = bytes(range(256)) * 1000
    status, body, headers = await ask("main-000001.m4s")
    assert (status, headers["Content-Type"]) == (200, "video/iso.segment")
    assert headers["Cache-Control"] == "private, max-age=31536000, immutable"
    status, part, headers = await ask("main-000001.m4s", Range="bytes=100-199")
    assert (status, part) == (206, body[100:200])
    status, part, headers = await ask("light.mp4")
    assert (status, part, headers["Content-Type"]) == (200, light, "video/mp4")
    etag = headers["ETag"]
    for asked, expected in (("bytes=10-19", light[10:20]), ("bytes=255000-", light[255000:]), ("bytes=-7", light[-7:])):
        status, part, headers = await ask("light.mp4", Range=asked)
        assert (status, part) == (206, expected)
        assert headers["Content-Range"].endswith(f"/{len(light)}")
    assert (await ask("light.mp4", Range="bytes=999999-"))[0] == 416
    assert (await ask("light.mp4", **{"If-None-Match": etag}))[0] == 304
    status, part, headers = await ask("light.mp4", "HEAD")
    assert (status, part, headers["Content-Length"]) == (200, b"", str(len(light)))
    assert (await ask("main-000009.m4s"))[0] == 404
    status, text, headers = await ask("main.m3u8")
    assert (status, headers["Cache-Control"]) == (200, "private, no-cache")
    assert text.endswith(b"ENDLIST")
    await client.close()
    await stage.close()
    await depot.archive.close()


async def test_a_store_that_is_gone_is_said_with_a_time_to_ask_again(server_folder: Path, folder: Store) -> None:
    store = Faulty.over(folder)
    depot = Depot(server_folder / "data", store)
    ask, stage, client = await ask_of(server_folder, depot)
    store.gone = True
    status, body, headers = await ask("main-000001.m4s")
    assert (status, b"store_gone" in body) == (503, True)
    assert int(headers["Retry-After"]) >= 1
    await client.close()
    await stage.close()
    await depot.archive.close(0)


async def test_a_replay_is_sent_to_the_store_when_the_operator_says_so(server_folder: Path, s3: Store) -> None:
    depot = Depot(server_folder / "data", s3, redirect=True)
    ask, stage, client = await ask_of(server_folder, depot)
    status, _, headers = await ask("main-000001.m4s")
    assert status == 302
    assert headers["Cache-Control"] == "private, no-store"
    assert "X-Amz-Signature=" in headers["Location"]
    worker = await client.get("/sw.js")
    assert worker.status in {200, 404}
    await client.close()
    await stage.close()
    await depot.archive.close()


@dataclass(frozen=True)
class Row:
    id: str
    state: str
    ended_at: datetime | None


async def test_retention_deletes_what_ended_too_long_ago_and_nothing_else() -> None:
    now = datetime(2026, 9, 1, tzinfo=UTC)
    rows = [
        Row(f"l{number:04d}", "ended" if number % 3 else "live", now - timedelta(days=number / 10))
        for number in range(900)
    ]
    rows.append(Row("never", "waiting", None))
    deleted: list[str] = []

    async def page(limit: int, last: str | None) -> Sequence[Row]:
        start = 0 if last is None else next(at for at, row in enumerate(rows) if row.id == last) + 1
        return rows[start : start + limit]

    async def delete(lesson: str) -> bool:
        deleted.append(lesson)
        return lesson != "l0601"

    assert await retention.sweep(now, 0, page, delete) == 0
    count = await retention.sweep(now, 60, page, delete)
    assert deleted == [row.id for row in rows[601:900] if row.state == "ended"]
    assert count == len(deleted) - 1
    assert LESSON not in deleted
