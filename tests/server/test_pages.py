"""Pages and assets: small over the wire, cached rightly, and open to nothing but themselves."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from yarl import URL

from liveclass.server import pages
from tests.server.stage import Stage, build

HTML = "<!doctype html><title>教室</title>"
SCRIPT = b"console.log('liveclass')" * 50


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    folder = tmp_path / "pages"
    (folder / "assets").mkdir(parents=True)
    for name in ("index", "teach", "class", "replay", "report"):
        (folder / f"{name}.html").write_text(HTML, "utf-8")
    script = folder / "assets" / "class-abc123.js"
    script.write_bytes(SCRIPT)
    script.with_name("class-abc123.js.gz").write_bytes(gzip.compress(SCRIPT))
    script.with_name("class-abc123.js.br").write_bytes(b"as if brotli")
    (folder / "sw.js").write_bytes(b"self.addEventListener('fetch', () => {})")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / ".built-from").write_text("hash")
    made = await build(tmp_path, static_dir=folder)
    made.client.session._auto_decompress = False
    yield made
    await made.close()


@pytest.mark.parametrize("path", ["/", "/teach/x", "/class/nosuchlesson", "/replay/abc", "/report/abc"])
async def test_a_page_is_served_whatever_the_lesson_with_a_strict_policy(stage: Stage, path: str) -> None:
    response = await stage.client.get(path)
    assert (response.status, response.content_type) == (200, "text/html")
    policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    host = f"127.0.0.1:{stage.client.port}"
    assert policy["connect-src"] == f"'self' ws://{host} wss://{host}"
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["X-Frame-Options"] == "DENY"
    assert "camera=(self)" in response.headers["Permissions-Policy"]
    assert "display-capture=(self)" in response.headers["Permissions-Policy"]
    assert response.headers["Cache-Control"] == "no-cache"
    again = await stage.client.get(path, headers={"If-None-Match": response.headers["ETag"]})
    assert again.status == 304


async def test_a_host_that_is_none_does_not_reach_the_policy(stage: Stage) -> None:
    response = await stage.client.get("/", headers={"Host": "evil; script-src *"})
    assert "evil" not in response.headers.get("Content-Security-Policy", "")


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("*", "br"),
        ("identity", None),
        ("", None),
        ("br;q=0.0,*;q=0", None),
    ],
)
async def test_assets_come_compressed_as_the_browser_takes_them(
    stage: Stage, accepted: str, coding: str | None
) -> None:
    response = await stage.client.get("/assets/class-abc123.js", headers={"Accept-Encoding": accepted})
    assert response.status == 200
    assert response.headers.get("Content-Encoding") == coding
    assert response.headers["Vary"] == "Accept-Encoding"
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.content_type == "text/javascript"
    expected = {"br": b"as if brotli", "gzip": gzip.compress(SCRIPT), None: SCRIPT}[coding]
    assert len(await response.read()) == len(expected)


async def test_each_coding_has_an_entity_tag_of_its_own(stage: Stage) -> None:
    tags = {
        (await stage.client.get("/assets/class-abc123.js", headers={"Accept-Encoding": coding})).headers["ETag"]
        for coding in ("br", "gzip", "identity")
    }
    assert len(tags) == 3


async def test_the_service_worker_may_stand_for_every_page_and_is_asked_for_each_time(stage: Stage) -> None:
    response = await stage.client.get("/sw.js")
    assert (response.status, response.content_type) == (200, "text/javascript")
    assert response.headers["Service-Worker-Allowed"] == "/"
    assert response.headers["Cache-Control"] == "no-cache"
    assert "connect-src 'self'" in response.headers["Content-Security-Policy"]
    again = await stage.client.get("/sw.js", headers={"If-None-Match": response.headers["ETag"]})
    assert again.status == 304


async def test_without_a_service_worker_there_is_none(tmp_path: Path) -> None:
    made = await build(tmp_path, static_dir=tmp_path / "none")
    assert (await made.client.get("/sw.js")).status == 404
    await made.close()


@pytest.mark.parametrize(
    "path",
    ["/assets/../../secret.txt", "/assets/..%2f..%2fsecret.txt", "/assets/none.js", "/assets/class-abc123.js.br",
     "/assets/.built-from", "/assets/%2e%2e/.built-from", "/assets//etc/passwd", "/.built-from"],
)  # fmt: skip
async def test_only_what_was_built_is_served(stage: Stage, path: str) -> None:
    response = await stage.client.get(URL(path, encoded=True))
    assert response.status == 404
    assert "secret" not in await response.text()


async def test_head_is_as_get_without_the_body(stage: Stage) -> None:
    response = await stage.client.head("/class/x")
    assert response.status == 200
    assert int(response.headers["Content-Length"]) == len(HTML.encode())
    assert await response.read() == b""


async def test_a_server_whose_pages_were_not_built_says_what_to_do(tmp_path: Path) -> None:
    made = await build(tmp_path, static_dir=tmp_path / "none")
    response = await made.client.get("/teach/x")
    assert response.status == 503
    assert "script/build-web" in await response.text()
    await made.close()


def test_a_folder_far_too_large_is_not_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "SIZE_LIMIT", 10)
    for number in range(5):
        (tmp_path / f"{number}.js").write_bytes(b"12345")
    assert len(pages.load(tmp_path)) == 2
