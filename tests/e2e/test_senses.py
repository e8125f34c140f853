"""The eyes and ears of the browser tests, tried on two peer connections in one page: what they find must be true."""

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st
from playwright.async_api import Page

from tests.e2e import media, senses
from tests.e2e.browser import Devices, person

PAGE = """<!doctype html><title>Two peers</title><button>go</button><video id=far autoplay playsinline></video>
<script>
document.querySelector("button").onclick = async () => {
  const near = new RTCPeerConnection(), far = new RTCPeerConnection(), video = document.querySelector("#far");
  near.onicecandidate = (e) => far.addIceCandidate(e.candidate);
  far.onicecandidate = (e) => near.addIceCandidate(e.candidate);
  video.srcObject = new MediaStream();
  far.ontrack = (e) => { video.srcObject.addTrack(e.track); video.play(); };
  window.own = await navigator.mediaDevices.getUserMedia({audio: true, video: true});
  for (const track of own.getTracks()) near.addTrack(track, own);
  await near.setLocalDescription();
  await far.setRemoteDescription(near.localDescription);
  await far.setLocalDescription();
  await near.setRemoteDescription(far.localDescription);
};
</script>"""


@given(st.integers(0, 15), st.integers(0, 65_535))
def test_a_picture_is_read_as_it_was_made(who: int, counter: int) -> None:
    assert media.read_picture(media.picture(who, counter)) == media.Seen(who, counter)


@given(st.integers(0, 15), st.integers(0, 65_535), st.integers(0, 31))
def test_a_picture_with_one_wrong_field_is_not_read_as_another(who: int, counter: int, field: int) -> None:
    luma = media.picture(who, counter).astype(np.int16)
    row, column = divmod(field, media.COLUMNS)
    block = luma[row * 45 : row * 45 + 45, column * 40 : column * 40 + 40]
    block[:] = media.DARK + media.BRIGHT - block
    assert media.read_picture(luma.astype(np.uint8)) is None


def test_a_plain_picture_is_no_person() -> None:
    assert media.read_picture(np.full((180, 320), 128, dtype=np.uint8)) is None
    assert media.read_picture(np.zeros((360, 640), dtype=np.uint8)) is None


@pytest.mark.parametrize("hz", [440.0, 1000.0, 2300.0])
def test_the_loudest_tone_is_found_by_its_frequency(hz: float) -> None:
    found, amplitude = media.loudest_tone(media.pulses(hz, 0.3))
    assert abs(found - hz) < 5
    assert amplitude == pytest.approx(0.5, rel=0.15)


def test_silence_has_no_tone() -> None:
    assert media.loudest_tone(np.zeros(4800)) == (0.0, 0.0)


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    application = web.Application()
    application.router.add_get("/", answer)
    voice, face = media.write_voice(tmp_path / "v.wav", 1000), media.write_face(tmp_path / "f.y4m", 5, seconds=10)
    async with TestServer(application) as server, person("tester", Devices(voice, face)) as someone:
        window = await someone.open(str(server.make_url("/")))
        await window.click("button")
        yield window


@pytest.mark.e2e
async def test_sound_and_picture_that_came_over_a_connection_are_recognised(page: Page) -> None:
    await senses.hears(page, 1000)
    seen = await senses.sees(page, 5)
    assert [frame.counter for frame in seen] == sorted(frame.counter for frame in seen) or len(seen) > 20


@pytest.mark.e2e
async def test_what_is_not_there_is_not_found(page: Page) -> None:
    await senses.hears(page, 1000)
    with pytest.raises(AssertionError, match="1700 Hz not heard"):
        await senses.hears(page, 1700, within=1)
    with pytest.raises(AssertionError, match="picture 6 not moving"):
        await senses.sees(page, 6, within=1)


@pytest.mark.e2e
async def test_a_muted_element_is_not_heard_and_a_frozen_one_not_seen(page: Page) -> None:
    await senses.hears(page, 1000)
    await page.evaluate("document.querySelector('#far').muted = true")
    await senses.does_not_hear(page, 1000, within=4)
    await page.evaluate("for (const track of own.getVideoTracks()) track.stop()")
    await senses.does_not_see(page, 5, within=6)


@pytest.mark.e2e
async def test_a_silenced_microphone_is_not_heard(page: Page) -> None:
    await senses.hears(page, 1000)
    await page.evaluate("for (const track of own.getAudioTracks()) track.enabled = false")
    await senses.does_not_hear(page, 1000, within=6)
    await page.evaluate("for (const track of own.getAudioTracks()) track.enabled = true")
    await senses.hears(page, 1000, within=6)


@pytest.mark.e2e
async def test_a_shown_counter_is_found_in_a_capture_of_the_window(page: Page) -> None:
    await page.evaluate("""async () => {
        analysers.show(9);
        const video = document.createElement("video");
        video.style.cssText = "position:fixed;right:0;bottom:0;width:200px;height:112px";
        video.id = "shared";
        document.body.append(video);
        video.srcObject = await navigator.mediaDevices.getDisplayMedia({video: true});
        await video.play();
    }""")
    await senses.sees(page, 9, selector="#shared")
