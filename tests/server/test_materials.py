"""Slides over HTTP: uploads, lists, reuse, files by their hash, and what deleting a lesson leaves."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.materials import files
from tests.server.stage import ADMIN_HEADERS, Stage, bearer, build

DECK = files.deck(["分数", "two"])


async def upload(stage: Stage, lesson: dict[str, Any], data: bytes = DECK, **query: str) -> Any:
    return await stage.client.post(
        f"/api/materials/{lesson['id']}", data=data, params=query, headers=bearer(lesson["teacher_token"])
    )


async def ready(stage: Stage, lesson: dict[str, Any], data: bytes = DECK, **query: str) -> dict[str, Any]:
    """Upload and wait until it is made."""
    response = await upload(stage, lesson, data, **query)
    assert response.status == 201, await response.text()
    id = (await response.json())["id"]
    for _ in range(600):
        for material in await listed(stage, lesson):
            if material["id"] == id and material.get("state") == "ready":
                return material
        await asyncio.sleep(0.05)
    raise AssertionError("the material did not become ready")


async def listed(stage: Stage, lesson: dict[str, Any], role: str = "classroom") -> list[dict[str, Any]]:
    response = await stage.client.get(f"/api/materials/{lesson['id']}", headers=bearer(lesson[f"{role}_token"]))
    assert response.status == 200
    found: list[dict[str, Any]] = (await response.json())["materials"]
    return found


async def manifest(stage: Stage, lesson: dict[str, Any], material: dict[str, Any]) -> dict[str, Any]:
    response = await stage.client.get(f"/material/{lesson['id']}/{material['manifest']}.json")
    assert response.status == 200
    decoded: dict[str, Any] = msgspec.json.decode(await response.read())
    return decoded


async def test_an_uploaded_deck_is_there_for_everybody_who_knows_its_hash(stage: Stage) -> None:
    lesson = await stage.lesson()
    material = await ready(stage, lesson, name="C:\\课件\\分数.pdf")
    assert (material["kind"], material["name"], material["total"]) == ("deck", "分数.pdf", 2)
    assert "problem" not in material
    described = await manifest(stage, lesson, material)
    assert described["kind"] == "deck"
    page = described["pages"][0]
    assert set(page) == {"w", "h", "thumb", "s", "m", "l", "bytes", "text"}
    path = f"/material/{lesson['id']}/{page['m']}.webp"
    response = await stage.client.get(path)
    data = await response.read()
    assert (response.status, len(data)) == (200, page["bytes"][2])
    assert response.headers["Content-Type"] == "image/webp"
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    head = await stage.client.head(path)
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(data)))
    part = await stage.client.get(path, headers={"Range": "bytes=10-19"})
    assert (part.status, await part.read()) == (206, data[10:20])
    assert (await stage.client.get(path, headers={"Range": f"bytes={len(data)}-"})).status == 416
    for role in ("teacher", "replay"):
        assert await listed(stage, lesson, role) == [material]


async def test_the_board_knows_the_materials_and_whoever_comes_later_too(stage: Stage, tmp_path: Path) -> None:
    lesson = await stage.lesson()
    page = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    material = await ready(stage, lesson)
    while True:
        event = (await page.until("happened"))["event"]
        if event["type"] == "material_changed" and event["material"].get("state") == "ready":
            break
    assert event["material"] == material
    later = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
    assert later.board["materials"] == [material]
    path = f"/api/materials/{lesson['id']}/{material['id']}"
    assert (await stage.client.delete(path, headers=bearer(lesson["teacher_token"]))).status == 204
    while True:
        event = (await page.until("happened"))["event"]
        if event["type"] == "material_removed":
            break
    assert event["id"] == material["id"]


async def test_what_came_while_nobody_listened_is_on_the_board_after_a_restart(tmp_path: Path) -> None:
    stage = await build(tmp_path)
    lesson = await stage.lesson()
    stage.materials._on_change = lambda _lesson, _material: None
    material = await ready(stage, lesson)
    await stage.close()
    stage = await build(tmp_path)
    try:
        page = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
        assert page.board["materials"] == [material]
    finally:
        await stage.close()


async def test_a_manifest_leaves_compressed(stage: Stage) -> None:
    lesson = await stage.lesson()
    material = await ready(stage, lesson, files.deck([f"the text of page {n} " * 20 for n in range(5)]))
    path = f"/material/{lesson['id']}/{material['manifest']}.json"
    response = await stage.client.get(path, headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.headers["Content-Type"] == "application/json"
    assert (await stage.client.head(path)).status == 200


@pytest.mark.parametrize(
    "file", ["0" * 64 + ".webp", "0" * 64 + ".html", "x.webp", "..%2f..%2ftest.db", "%2e%2e", "test.db"]
)
async def test_what_is_not_there_is_not_found(file: str, stage: Stage) -> None:
    lesson = await stage.lesson()
    await ready(stage, lesson)
    for method in ("GET", "HEAD"):
        response = await stage.client.request(method, f"/material/{lesson['id']}/{file}")
        assert response.status == 404


async def test_hostile_names_are_shown_without_harm(stage: Stage) -> None:
    lesson = await stage.lesson()
    for name in ("../../../etc/passwd", "\x00\u202egnp.fdp", "a" * 5000, "<script>", ".."):
        response = await upload(stage, lesson, files.picture((20, 20)), name=name)
        assert response.status == 201
        shown = (await response.json()).get("name", "")
        assert len(shown) <= 80
        assert not {"/", "\\", "\x00", "\u202e"} & set(shown)


async def test_refusals_say_what_is_wrong(tmp_path: Path) -> None:
    stage = await build(tmp_path, max_upload_bytes=20_000)
    try:
        lesson = await stage.lesson()
        for data, status, code in (
            (b"hello", 415, "kind_unknown"),
            (b"%PDF-" + bytes(20_000), 413, "body_too_large"),
        ):
            response = await upload(stage, lesson, data)
            assert (response.status, (await response.json())["error"]["code"]) == (status, code)

        async def chunks() -> Any:
            for _ in range(40):
                yield bytes(1000)

        response = await stage.client.post(
            f"/api/materials/{lesson['id']}", data=chunks(), headers=bearer(lesson["teacher_token"])
        )
        assert (response.status, (await response.json())["error"]["code"]) == (413, "body_too_large")
        response = await stage.client.get("/api/materials/unknown", headers=ADMIN_HEADERS)
        assert (response.status, (await response.json())["error"]["code"]) == (404, "lesson_unknown")
    finally:
        await stage.close()


async def test_a_deck_is_reused_by_who_teaches_both_lessons(stage: Stage) -> None:
    first, second = await stage.lesson(), await stage.lesson()
    material = await ready(stage, first)

    async def reuse(token: str, id: str = material["id"]) -> Any:
        return await stage.client.post(
            f"/api/materials/{second['id']}/reuse",
            json={"from_lesson": first["id"], "token": token, "material": id},
            headers=bearer(second["teacher_token"]),
        )

    for token, status in ((first["classroom_token"], 403), (first["replay_token"], 403), ("A" * 22, 401)):
        assert (await reuse(token)).status == status
    assert (await reuse(second["teacher_token"])).status == 401
    assert (await reuse(first["teacher_token"], "aaaaaa")).status == 404
    assert (await reuse(first["teacher_token"], "../../")).status == 422
    response = await reuse(first["teacher_token"])
    assert response.status == 201
    again = await response.json()
    await stage.client.delete(f"/api/lessons/{first['id']}", headers=ADMIN_HEADERS)
    assert (await manifest(stage, second, again))["pages"]
    assert [one["id"] for one in await listed(stage, second)] == [again["id"]]


async def test_a_deleted_material_is_gone(stage: Stage) -> None:
    lesson = await stage.lesson()
    material = await ready(stage, lesson)
    path = f"/api/materials/{lesson['id']}/{material['id']}"
    assert (await stage.client.delete(path, headers=bearer(lesson["teacher_token"]))).status == 204
    assert (await stage.client.delete(path, headers=bearer(lesson["teacher_token"]))).status == 404
    assert await listed(stage, lesson) == []
    assert (await stage.client.get(f"/material/{lesson['id']}/{material['manifest']}.json")).status == 404


async def test_deleting_a_lesson_leaves_no_byte_of_its_materials(stage: Stage, tmp_path: Path) -> None:
    lesson = await stage.lesson()
    material = await ready(stage, lesson)
    assert (await upload(stage, lesson, files.deck([f"page {n}" for n in range(40)]))).status == 201
    folder = tmp_path / "materials" / lesson["id"]
    assert folder.is_dir()
    response = await stage.client.delete(f"/api/lessons/{lesson['id']}", headers=ADMIN_HEADERS)
    assert response.status == 204
    left = [path for path in (tmp_path / "materials").rglob("*") if path.name != ".uploads"]
    assert left == []
    assert (await stage.client.get(f"/material/{lesson['id']}/{material['manifest']}.json")).status == 404
    assert (await upload(stage, lesson)).status in (401, 404)


async def test_an_upload_that_breaks_off_leaves_nothing(stage: Stage, tmp_path: Path) -> None:
    lesson = await stage.lesson()
    uploads = tmp_path / "materials" / ".uploads"
    _, writer = await asyncio.open_connection(stage.client.host, stage.client.port)
    writer.write(
        f"POST /api/materials/{lesson['id']} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"
        f"Authorization: Bearer {lesson['teacher_token']}\r\n\r\n".encode()
        + DECK[:500]
    )
    assert await becomes(lambda: uploads.is_dir() and any(uploads.iterdir()))
    writer.close()
    assert await becomes(lambda: not any(uploads.iterdir()))
    assert await listed(stage, lesson) == []


async def becomes(what: Callable[[], bool]) -> bool:
    """Waits until it is so; whether it came to that."""
    for _ in range(250):
        if what():
            return True
        await asyncio.sleep(0.02)
    return False
