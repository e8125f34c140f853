"""Players that people have: ffmpeg, and Chromium with the player of the replay page."""

# ruff: noqa: ASYNC221 - nothing else runs on the loop of these tests

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.recording import media
from tests.recording.studio import Studio

PLAYER = Path(__file__).parents[2] / "web" / "node_modules" / "hls.js" / "dist" / "hls.light.js"
PAGE = """<!doctype html><video id=v muted></video><script src="/hls.js"></script><script>
const v = document.getElementById('v'); window.errors = []; window.flashes = [];
const hls = new Hls({maxBufferLength: 60}); hls.loadSource('/lesson/main.m3u8'); hls.attachMedia(v);
hls.on(Hls.Events.ERROR, (_, e) => window.errors.push([e.fatal, e.details]));
hls.on(Hls.Events.MANIFEST_PARSED, () => { v.currentTime = 0; v.play(); });
const c = document.createElement('canvas'); c.width = c.height = 1; const g = c.getContext('2d'); let white = false;
const look = (_, m) => { g.drawImage(v, 0, 0, 1, 1); const w = g.getImageData(0, 0, 1, 1).data[0] > 180;
  if (w && !white) window.flashes.push(m.mediaTime); white = w; v.requestVideoFrameCallback(look); };
v.requestVideoFrameCallback(look);
</script>"""


async def broken_lesson(tmp_path: Path) -> Studio:
    """Everything that begins a new run: paper, a camera, a restart, a new resolution, a second part."""
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(12), begin=0.5)
    studio.publish("camera", "H264", media.pictures("H264", 4), begin=1.5)
    studio.publish("camera", "H264", media.pictures("H264", 4, size=(320, 192)), begin=6.5)
    await studio.run(15)
    await studio.recordings.close()
    studio.recordings = studio.new_recordings()
    studio.now = 100.0
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(5), begin=100.5)
    studio.publish("camera", "H264", media.pictures("H264", 5), begin=100.5)
    await studio.run(106)
    await studio.recordings.finish("lesson")
    return studio


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
async def test_ffmpeg_plays_a_broken_lesson_as_one(tmp_path: Path) -> None:
    studio = await broken_lesson(tmp_path)
    file = tmp_path / "lesson" / "main.m3u8"
    shown = subprocess.run(
        ["ffmpeg", "-v", "warning", "-i", str(file), "-f", "null", "-"], check=True, capture_output=True, text=True
    )
    assert "rror" not in shown.stderr, shown.stderr
    asked = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "format=duration:stream=codec_name", "-of", "json", str(file)],
        check=True,
        capture_output=True,
        text=True,
    )
    found = json.loads(asked.stdout)
    assert float(found["format"]["duration"]) == pytest.approx(21, abs=0.2)
    assert {stream["codec_name"] for stream in found["streams"]} == {"h264", "opus"}
    await studio.recordings.close()


@pytest.mark.e2e
@pytest.mark.skipif(not PLAYER.exists(), reason="the web tool chain is not installed")
async def test_chromium_plays_a_broken_lesson_to_its_end(tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.async_api")
    studio = await broken_lesson(tmp_path)

    async def serve(request: web.Request) -> web.Response:
        found = studio.recordings.locate("lesson", request.match_info["name"])
        body = found.data if found.data is not None else (found.path or Path()).read_bytes()
        return web.Response(body=body, content_type=found.content_type)

    async def page_itself(_: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def player(_: web.Request) -> web.Response:
        return web.Response(body=PLAYER.read_bytes(), content_type="text/javascript")

    app = web.Application()
    app.router.add_get("/", page_itself)
    app.router.add_get("/hls.js", player)
    app.router.add_get("/lesson/{name}", serve)
    async with TestServer(app) as server, playwright.async_playwright() as library:
        executable = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = await library.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        page = await browser.new_page()
        await page.goto(str(server.make_url("/")))
        await page.wait_for_function("v.ended || window.errors.some(e => e[0])", timeout=60_000)
        errors = await page.evaluate("window.errors")
        flashes = await page.evaluate("window.flashes")
        duration = await page.evaluate("v.duration")
        await browser.close()
    assert errors == []
    assert duration == pytest.approx(21, abs=0.2)
    taught = [1.52 + n for n in range(4)] + [6.52 + n for n in range(4)] + [15.52 + n for n in range(5)]
    # A busy machine drops pictures; those that were shown were shown at their time.
    assert len(flashes) >= 9
    for flash in flashes:
        assert min(abs(flash - at) for at in taught) <= 0.11, (flash, taught)
    await studio.recordings.close()
