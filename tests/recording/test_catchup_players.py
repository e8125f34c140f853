"""Chromium's Media Source Extensions take both catch-up streams, a change of resolution in mid-stream too."""

import shutil
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from liveclass.recording.catchup import TRACK_ID
from tests.recording import media
from tests.recording.studio import Studio
from tests.recording.test_catchup import wall_ms
from tests.recording.test_low import TINY, small

PAGE = """<!doctype html><audio id=sound></audio><video id=picture muted></video><script>
window.problems = [];
window.shown = new Set();
async function play(id) {
  const element = document.getElementById(id);
  const response = await fetch('/' + id);
  const source = new MediaSource();
  element.src = URL.createObjectURL(source);
  await new Promise((done) => source.addEventListener('sourceopen', done, { once: true }));
  const buffer = source.addSourceBuffer(response.headers.get('Content-Type'));
  element.onerror = () => problems.push(id + ': ' + element.error.message);
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const taken = new Promise((go) => buffer.addEventListener('updateend', go, { once: true }));
    buffer.appendBuffer(value);
    await taken;
  }
  const ranges = [];
  for (let n = 0; n < buffer.buffered.length; n++) ranges.push([buffer.buffered.start(n), buffer.buffered.end(n)]);
  source.endOfStream();
  element.playbackRate = 4;
  element.onresize = () => shown.add(element.videoWidth + 'x' + element.videoHeight);
  element.currentTime = ranges[0][0];
  await element.play();
  await new Promise((done) => { element.onended = done; });
  return ranges;
}
const done = Promise.all([play('sound'), play('picture')]).then((ranges) => { window.ranges = ranges; })
  .catch((error) => { problems.push(String(error)); window.ranges = []; });
</script>"""


@pytest.mark.e2e
async def test_chromium_plays_both_streams_without_a_hole(tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.async_api")
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("chromium is not installed")
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(16), begin=0.2)
    studio.publish("camera", "H264", small(16, keyframe_s=2.0), begin=0.5, rendition="low")
    studio.publish("screen", "H264", small(5, size=TINY), begin=6.5, rendition="low")
    await studio.run(15)
    streams = {rendition: await studio.recordings.catchup("lesson", wall_ms(3.0), rendition) for rendition in TRACK_ID}
    await studio.recordings.finish("lesson")

    async def page_itself(_: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def media_of(request: web.Request) -> web.StreamResponse:
        stream = streams["sound" if request.path == "/sound" else "picture"]
        response = web.StreamResponse(headers={"Content-Type": stream.content_type})
        await response.prepare(request)
        while (chunk := await stream.next()) is not None:
            await response.write(chunk.data)
        return response

    app = web.Application()
    app.router.add_get("/", page_itself)
    for rendition in streams:
        app.router.add_get(f"/{rendition}", media_of)
    async with TestServer(app) as server, playwright.async_playwright() as library:
        browser = await library.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        page = await browser.new_page()
        await page.goto(str(server.make_url("/")))
        await page.wait_for_function("window.ranges || problems.length", timeout=20_000)
        problems, ranges = await page.evaluate("[problems, window.ranges]")
        shown = await page.evaluate("[...shown]")
        await browser.close()
    assert problems == []
    ((sound,), (picture,)) = ranges
    assert sound[0] == pytest.approx(streams["sound"].starts_at_s, abs=0.01)
    assert picture[0] == pytest.approx(streams["picture"].starts_at_s, abs=0.01)
    assert sound[1] == pytest.approx(15, abs=0.05)
    assert picture[1] == pytest.approx(15, abs=1.0)
    assert "96x64" in shown
