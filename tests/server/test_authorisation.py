"""The authorisation table: every route for every kind of caller. A route that is not in the table fails the suite."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from liveclass.server.app import ROUTES
from tests.server.stage import ADMIN, OFFER, Stage, bearer, build

CALLERS = ("nobody", "stranger", "other_lesson", "replay", "classroom", "teacher", "admin")

Expected = dict[str, int | str]
"""For each caller the status of the refusal, or that it is let in."""

OPEN: Expected = dict.fromkeys(CALLERS, "in")
"""Anyone: pages and what says of itself whom it lets in."""

ADMIN_ONLY: Expected = {
    "nobody": 401,
    "stranger": 401,
    "other_lesson": 401,
    "replay": 403,
    "classroom": 403,
    "teacher": 403,
    "admin": "in",
}
ADMIN_WITHOUT_LESSON: Expected = {**dict.fromkeys(CALLERS, 401), "admin": "in"}
"""Without a lesson in the path there is nothing that a link's token could be looked up in."""

MEDIA: Expected = {
    "nobody": 401,
    "stranger": 401,
    "other_lesson": 401,
    "replay": 403,
    "classroom": "in",
    "teacher": "in",
    "admin": 403,
}
REPLAY: Expected = {
    "nobody": 401,
    "stranger": 401,
    "other_lesson": 401,
    "replay": "in",
    "classroom": 403,
    "teacher": "in",
    "admin": "in",
}
"""With `classroom_replay` the classroom is let in (tests/server/test_media.py)."""

TEACHERS: Expected = {**REPLAY, "replay": 403}
EVERYONE: Expected = {**REPLAY, "classroom": "in"}

NO_ONE_BY_TOKEN: Expected = dict.fromkeys(CALLERS, 403)

TABLE: dict[tuple[str, str], Expected] = {
    ("POST", "/api/lessons"): ADMIN_WITHOUT_LESSON,
    ("GET", "/api/lessons"): ADMIN_WITHOUT_LESSON,
    ("GET", "/api/lessons/{lesson}"): ADMIN_ONLY,
    ("DELETE", "/api/lessons/{lesson}"): ADMIN_ONLY,
    ("GET", "/api/ice/{lesson}"): MEDIA,
    ("POST", "/api/line"): OPEN,
    ("POST", "/api/lessons/{lesson}/end"): ADMIN_ONLY,
    ("POST", "/api/lessons/{lesson}/links/{role}/rotate"): ADMIN_ONLY,
    ("POST", "/api/lessons/{lesson}/links/{role}/revoke"): ADMIN_ONLY,
    ("GET", "/api/line"): OPEN,
    ("GET", "/api/catchup/{lesson}"): MEDIA,
    ("GET", "/api/replays/{lesson}"): REPLAY,
    ("GET", "/api/timeline/{lesson}"): REPLAY,
    ("GET", "/api/reports/{lesson}"): {**REPLAY, "replay": 403},
    ("GET", "/media/{lesson}/{name}"): REPLAY,
    ("HEAD", "/media/{lesson}/{name}"): REPLAY,
    ("POST", "/api/materials/{lesson}"): TEACHERS,
    ("GET", "/api/materials/{lesson}"): EVERYONE,
    ("DELETE", "/api/materials/{lesson}/{material}"): TEACHERS,
    ("POST", "/api/materials/{lesson}/reuse"): TEACHERS,
    # The hash in the path is the capability (tests/server/test_materials.py).
    ("GET", "/material/{lesson}/{file}"): OPEN,
    ("HEAD", "/material/{lesson}/{file}"): OPEN,
    # Authorised by the signature in the path, whoever asks (tests/server/test_media.py).
    ("GET", "/media/{lesson}/{prefix}/{name}"): NO_ONE_BY_TOKEN,
    ("HEAD", "/media/{lesson}/{prefix}/{name}"): NO_ONE_BY_TOKEN,
    # A classroom is let in and told that it has not been called (tests/server/test_whip.py).
    ("POST", "/whip/{lesson}"): {**MEDIA, "classroom": 403},
    ("POST", "/whep/{lesson}"): MEDIA,
    ("OPTIONS", "/whip/{lesson}"): OPEN,
    ("OPTIONS", "/whep/{lesson}"): OPEN,
    ("PATCH", "/whip/{lesson}/{session}"): MEDIA,
    ("PATCH", "/whep/{lesson}/{session}"): MEDIA,
    ("DELETE", "/whip/{lesson}/{session}"): MEDIA,
    ("DELETE", "/whep/{lesson}/{session}"): MEDIA,
    ("OPTIONS", "/whip/{lesson}/{session}"): OPEN,
    ("OPTIONS", "/whep/{lesson}/{session}"): OPEN,
    # The token comes in the first message (tests/server/test_signalling.py).
    ("GET", "/ws/{lesson}"): OPEN,
    # From loopback, as here; tests/server/test_metrics.py has the rest.
    ("GET", "/metrics"): OPEN,
    ("GET", "/healthz"): OPEN,
    ("GET", "/readyz"): OPEN,
    ("GET", "/openapi.json"): OPEN,
    **{
        (method, path): OPEN
        for method in ("GET", "HEAD")
        for path in (
            "/",
            "/teach/{lesson}",
            "/class/{lesson}",
            "/replay/{lesson}",
            "/report/{lesson}",
            "/assets/{path:.+}",
            "/favicon.ico",
            "/sw.js",
        )
    },
}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    pages = tmp_path / "pages"
    pages.mkdir()
    for name in ("index", "teach", "class", "replay"):
        (pages / f"{name}.html").write_text("<!doctype html>", "utf-8")
    made = await build(tmp_path, static_dir=pages)
    yield made
    await made.close()


async def test_every_route_is_in_the_table_and_nothing_else(stage: Stage) -> None:
    app = stage.client.app
    assert app is not None
    assert {(route.method, route.path) for route in app[ROUTES]} == set(TABLE)
    # ... and nobody has added one past the declarations.
    registered = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource}
    declared = {(method, path.replace("{path:.+}", "{path}")) for method, path in TABLE}
    assert registered == declared


@pytest.mark.parametrize(("method", "path"), sorted(TABLE), ids=" ".join)
async def test_every_caller_gets_what_the_table_says(stage: Stage, method: str, path: str) -> None:
    other = await stage.lesson()
    for caller, expected in TABLE[method, path].items():
        lesson = await stage.lesson()
        tokens = {
            "nobody": None,
            "stranger": "A" * 22,
            "other_lesson": other["teacher_token"],
            "replay": lesson["replay_token"],
            "classroom": lesson["classroom_token"],
            "teacher": lesson["teacher_token"],
            "admin": ADMIN,
        }
        token = tokens[caller]
        headers = bearer(token) if token else {}
        url = (
            path.replace("{lesson}", lesson["id"])
            .replace("{role}", "classroom")
            .replace("{session}", "none")
            .replace("{prefix}", "1.AAAA")
            .replace("{material}", "abcdef")
            .replace("{file}", f"{'0' * 64}.webp")
            .replace("{name}", "main.m3u8")
            .replace("{path:.+}", "none.js")
        )
        body: bytes | None = None
        if method == "POST" and path.startswith("/wh"):
            headers["Content-Type"], body = "application/sdp", OFFER.encode()
        elif (method, path) == ("POST", "/api/lessons"):
            headers["Content-Type"], body = "application/json", b'{"title":"t"}'
        response = await stage.client.request(method, url, headers=headers, data=body)
        refused = response.status in (401, 403)
        assert (response.status if refused else "in") == expected, (caller, response.status)
        assert response.status != 500
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
