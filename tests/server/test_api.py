"""The lessons' HTTP API: what it gives, what it refuses, and what is gone afterwards."""

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from liveclass.lesson.members import LessonSnapshot
from liveclass.recording.model import RecordingStatus
from liveclass.server.snapshots import Snapshots
from tests.server.stage import ADMIN_HEADERS, Stage, bearer, build


async def test_a_new_lesson_comes_with_all_its_links(stage: Stage) -> None:
    lesson = await stage.lesson("Fractions", language="en", starts_at="2026-03-01T08:00:00+08:00")
    base = f"http://127.0.0.1:{stage.client.port}"
    assert lesson["state"] == "waiting"
    assert lesson["starts_at"] == "2026-03-01T00:00:00Z"
    assert lesson["teacher_url"] == f"{base}/teach/{lesson['id']}#{lesson['teacher_token']}"
    assert lesson["classroom_url"] == f"{base}/class/{lesson['id']}#{lesson['classroom_token']}"
    assert lesson["replay_url"] == f"{base}/replay/{lesson['id']}#{lesson['replay_token']}"
    assert lesson["report_url"] == f"{base}/report/{lesson['id']}#{lesson['teacher_token']}"
    assert lesson["whip_url"] == f"{base}/whip/{lesson['id']}"
    assert lesson["whep_url"] == f"{base}/whep/{lesson['id']}"
    tokens = {lesson[f"{role}_token"] for role in ("teacher", "classroom", "replay")}
    assert {len(token) for token in tokens} == {22}
    assert len(tokens) == 3


async def test_links_start_where_the_server_is_told_or_a_trusted_proxy_says(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    stage = await build(tmp_path / "a", public_url="https://class.example/")
    assert (await stage.lesson())["whip_url"].startswith("https://class.example/whip/")
    await stage.close()
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "school.example", **ADMIN_HEADERS}
    for trusted, expected in (("127.0.0.0/8", "https://school.example/"), ("", "http://127.0.0.1:")):
        folder = tmp_path / f"b{trusted[:3]}"
        folder.mkdir()
        stage = await build(folder, trusted_proxies=trusted)
        response = await stage.client.post("/api/lessons", json={"title": "t"}, headers=forwarded)
        assert (await response.json())["whip_url"].startswith(expected)
        await stage.close()


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"", "application/json", 400, "json_invalid"),
        (b"{", "application/json", 400, "json_invalid"),
        (b"\xff", "application/json", 400, "json_invalid"),
        (b"[" * 30_000, "application/json", 422, "field_invalid"),
        (b'{"title":"t"}', "text/plain", 415, "content_type_unsupported"),
        (b"{}", "application/json", 422, "field_invalid"),
        (b"[]", "application/json", 422, "field_invalid"),
        (b'{"title":7}', "application/json", 422, "field_invalid"),
        (b'{"title":""}', "application/json", 422, "field_invalid"),
        (b'{"title":"t","nonsense":1}', "application/json", 422, "field_invalid"),
        (b'{"title":"t","language":"<script>"}', "application/json", 422, "field_invalid"),
        (b'{"title":"t","starts_at":"tomorrow"}', "application/json", 422, "field_invalid"),
        (b'{"title":"t","starts_at":"2026-03-01T08:00:00"}', "application/json", 422, "field_invalid"),
        (b'{"title":"' + b"x" * 201 + b'"}', "application/json", 422, "field_invalid"),
        (b'{"title":"  "}', "application/json", 400, "bad_request"),
        (b'{"title":"' + b"x" * 70_000 + b'"}', "application/json", 413, "body_too_large"),
    ],
)
async def test_a_body_that_will_not_do_is_refused_in_words(
    stage: Stage, body: bytes, kind: str, status: int, code: str
) -> None:
    headers = {"Content-Type": kind, **ADMIN_HEADERS}
    response = await stage.client.post("/api/lessons", data=body, headers=headers)
    error = (await response.json())["error"]
    assert (response.status, error["code"]) == (status, code)
    assert error["message"]
    assert (await (await stage.client.get("/api/lessons", headers=ADMIN_HEADERS)).json())["lessons"] == []


async def test_lessons_are_listed_newest_first_in_pages(stage: Stage) -> None:
    made = [(await stage.lesson(f"Lesson {n}"))["id"] for n in range(5)]
    seen: list[str] = []
    url = "/api/lessons?limit=2"
    for _ in range(3):
        page = await (await stage.client.get(url, headers=ADMIN_HEADERS)).json()
        seen += [lesson["id"] for lesson in page["lessons"]]
        url = f"/api/lessons?limit=2&before={page['next']}"
    assert page["next"] is None
    assert seen == made[::-1]


@pytest.mark.parametrize("limit", ["0", "-1", "x", "201", "99999999999", "²"])
async def test_a_limit_out_of_bounds_is_refused(stage: Stage, limit: str) -> None:
    response = await stage.client.get("/api/lessons", params={"limit": limit}, headers=ADMIN_HEADERS)
    assert response.status == 422


async def test_a_lesson_shows_who_is_in_it_and_its_recording(stage: Stage) -> None:
    lesson = await stage.lesson()
    await stage.enter(lesson["id"], lesson["classroom_token"], 1, "3-2")
    stage.recordings.statuses[lesson["id"]] = RecordingStatus("recording", 61.5, 12345)
    shown = await stage.show(lesson["id"])
    assert [p["name"] for p in shown["participants"]] == ["3-2"]
    assert shown["recording"] == {
        "state": "recording",
        "duration_s": 61.5,
        "bytes": 12345,
        "problem": "",
        "hls_url": f"http://127.0.0.1:{stage.client.port}/media/{lesson['id']}/main.m3u8",
    }
    assert not [key for key in shown if "token" in key or key.endswith("teacher_url")]


async def test_ending_a_lesson_twice_is_as_once(stage: Stage) -> None:
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    await teacher.say("start_lesson")
    await teacher.until("lesson_changed")
    for _ in range(2):
        response = await stage.client.post(f"/api/lessons/{lesson['id']}/end", headers=ADMIN_HEADERS)
        ended = await response.json()
        assert (response.status, ended["state"]) == (200, "ended")
        assert ended["started_at"] is not None
        assert ended["ended_at"] is not None
    assert (await teacher.until("lesson_changed"))["lesson"]["state"] == "ended"
    assert stage.recordings.finished == [lesson["id"]]
    assert stage.media.sinks == []


async def test_a_deleted_lesson_leaves_nothing_behind(stage: Stage, tmp_path: Path) -> None:
    lesson = await stage.lesson("Secret title")
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1, "小李")
    await teacher.say("start_lesson")
    await teacher.until("lesson_changed")
    assert (await stage.post(lesson["whip_url"], teacher.welcome["media_token"])).status == 201
    await teacher.say("chat", text="Secret words")
    await teacher.until("happened")
    assert b"Secret words" in (tmp_path / "timelines" / f"{lesson['id']}.jsonl").read_bytes()
    stage.clock.advance(2)
    await stage.lessons.housekeep()
    assert list((tmp_path / "lessons").iterdir()) != []
    url = f"/api/lessons/{lesson['id']}"

    async def farewell() -> tuple[str, int | None]:
        """Heard while the deletion runs: a page that answers a close too late is cut off."""
        return (await teacher.until("error"))["code"], await teacher.closed()

    leaving = asyncio.ensure_future(farewell())
    assert (await stage.client.delete(url, headers=ADMIN_HEADERS)).status == 204
    assert await leaving == ("lesson_unknown", 1008)
    assert stage.media.sessions == {}
    assert stage.recordings.deleted == [lesson["id"]]
    assert list((tmp_path / "lessons").iterdir()) == []
    assert list((tmp_path / "timelines").iterdir()) == []
    for method in ("GET", "DELETE"):
        assert (await stage.client.request(method, url, headers=ADMIN_HEADERS)).status == 404
    replay = await stage.client.get(f"/api/replays/{lesson['id']}", headers=bearer(lesson["replay_token"]))
    assert replay.status == 404
    await stage.gone()
    stage.clock.advance(100)
    await stage.lessons.housekeep()
    assert list((tmp_path / "lessons").iterdir()) == []
    assert list((tmp_path / "timelines").iterdir()) == []


async def test_a_link_that_is_rotated_or_revoked_opens_nothing_and_the_others_do(stage: Stage) -> None:
    lesson = await stage.lesson()
    replay = f"/api/replays/{lesson['id']}"
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    handed_on = teacher.welcome["replay_url"].split("#")[1]
    stage.clock.advance(1)
    rotated = await stage.client.post(f"/api/lessons/{lesson['id']}/links/replay/rotate", headers=ADMIN_HEADERS)
    fresh = await rotated.json()
    assert fresh["url"].endswith(f"/replay/{lesson['id']}#{fresh['token']}")
    # The replay link that the teacher's page handed out goes with it.
    for token, status in ((lesson["replay_token"], 401), (handed_on, 401), (fresh["token"], 200)):
        assert (await stage.client.get(replay, headers=bearer(token))).status == status
    revoke = f"/api/lessons/{lesson['id']}/links/replay/revoke"
    assert (await stage.client.post(revoke, headers=ADMIN_HEADERS)).status == 204
    assert (await stage.client.get(replay, headers=bearer(fresh["token"]))).status == 401
    assert (await stage.client.get(replay, headers=bearer(lesson["teacher_token"]))).status == 200
    unknown = await stage.client.post(f"/api/lessons/{lesson['id']}/links/boss/rotate", headers=ADMIN_HEADERS)
    assert unknown.status == 404


async def test_a_withdrawn_link_stays_withdrawn_over_a_restart(tmp_path: Path) -> None:
    stage = await build(tmp_path)
    lesson = await stage.lesson()
    page = await stage.enter(lesson["id"], lesson["classroom_token"], 1)
    await stage.client.post(f"/api/lessons/{lesson['id']}/links/classroom/rotate", headers=ADMIN_HEADERS)
    await stage.close()
    stage = await build(tmp_path, clock=stage.clock)
    assert (await stage.post(lesson["whep_url"], page.welcome["media_token"])).status == 401
    await stage.close()


async def test_what_the_api_cannot_find_is_said_in_its_own_shape(stage: Stage) -> None:
    for path, status in (("/api/lessons/none", 404), ("/nowhere", 404), ("/api/lessons/..%2f..%2fetc", 404)):
        response = await stage.client.get(path, headers=ADMIN_HEADERS)
        assert response.status == status
        assert set((await response.json())["error"]) == {"code", "message"}
    wrong: Any = await stage.client.put("/api/lessons", headers=ADMIN_HEADERS)
    assert wrong.status == 405
    assert set(wrong.headers["Allow"].split(",")) == {"GET", "POST"}


async def test_a_fault_of_ours_is_500_without_a_word_of_how(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_args: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(stage.catalogue, "lessons", broken)
    response = await stage.client.get("/api/lessons", headers=ADMIN_HEADERS)
    assert response.status == 500
    assert json.loads(await response.text())["error"]["code"] == "internal"
    assert "secret" not in await response.text()


async def test_a_link_is_looked_up_once_for_a_crowd_and_withdrawn_at_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson = await stage.lesson()
    asked: list[str] = []
    role_of = stage.catalogue.role_of

    async def counted(lesson_id: str, token: str) -> Any:
        asked.append(token)
        return await role_of(lesson_id, token)

    monkeypatch.setattr(stage.catalogue, "role_of", counted)
    url, token = f"/api/replays/{lesson['id']}", lesson["replay_token"]
    for _ in range(10):
        assert (await stage.client.get(url, headers=bearer(token))).status == 200
    assert asked == [token]
    await stage.client.post(f"/api/lessons/{lesson['id']}/links/replay/revoke", headers=ADMIN_HEADERS)
    assert (await stage.client.get(url, headers=bearer(token))).status == 401
    stage.clock.advance(6)
    other = lesson["teacher_token"]
    for _ in range(2):
        assert (await stage.client.get(url, headers=bearer(other))).status == 200
        stage.clock.advance(6)
    assert asked.count(other) == 2


async def test_a_snapshot_on_its_way_to_the_disk_does_not_outlive_the_lesson(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson = await stage.lesson()
    await stage.enter(lesson["id"], lesson["classroom_token"], 1, "小李")
    begun, go_on = threading.Event(), threading.Event()
    write = Snapshots.write

    def slow(self: Snapshots, lesson_id: str, snapshot: LessonSnapshot) -> None:
        begun.set()
        go_on.wait(5)
        write(self, lesson_id, snapshot)

    monkeypatch.setattr(Snapshots, "write", slow)
    stage.clock.advance(2)
    saving = asyncio.create_task(stage.lessons.housekeep())
    await asyncio.to_thread(begun.wait, 5)
    url = f"/api/lessons/{lesson['id']}"
    deleting = asyncio.create_task(stage.client.delete(url, headers=ADMIN_HEADERS))
    await asyncio.sleep(0.05)
    go_on.set()
    await saving
    assert (await deleting).status == 204
    assert list((tmp_path / "lessons").iterdir()) == []
