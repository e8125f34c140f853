"""The replay page in a real Chromium, before a stand-in for the server: what it shows is read off its pictures."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.e2e.browser import Devices, person
from tests.web.conftest import JOIN_S, SCREEN_AT_S, SCREEN_S
from tests.web.lesson_on_disk import BARS, FRAMES_PER_S
from tests.web.replay_server import Recorded, Track, serving

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("pages")]

IN_STEP_FRAMES = 2.5
"""100 ms at 25 frames a second."""

READ_FRAMES = """(bars) => {
  const read = (video) => {
    if (!video || video.readyState < 2) return null;
    const canvas = document.createElement("canvas");
    canvas.width = bars * 8; canvas.height = 8;
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(video, 0, 0, canvas.width, canvas.height);
    const { data } = pen.getImageData(0, 4, canvas.width, 1);
    let number = 0;
    for (let bar = 0; bar < bars; bar++) if (data[(bar * 8 + 4) * 4] > 127) number += 1 << bar;
    return number;
  };
  const main = document.querySelector("[data-test=main]");
  const screen = document.querySelector("[data-test=screen]");
  return {
    main: read(main), screen: read(screen), time: main ? main.currentTime : null, paused: main ? main.paused : null,
    screenPlace: screen ? screen.className.replace(/.*is-/, "") : null, rate: main ? main.playbackRate : null,
    pitch: main ? main.preservesPitch : null,
  };
}"""


class Viewer:
    """Someone before the replay page."""

    def __init__(self, page: "Page") -> None:
        self.page = page

    async def see(self) -> dict[str, float | str | bool | None]:
        """What the pictures show now, and what the element says."""
        seen: dict[str, float | str | bool | None] = await self.page.evaluate(READ_FRAMES, BARS)
        return seen

    async def until(self, what: str, test: Callable[[dict[str, object]], bool], seconds: float = 15) -> None:
        """Wait until the pictures satisfy a test; fails with what was seen instead."""
        end = asyncio.get_running_loop().time() + seconds
        seen: dict[str, object] = {}
        while asyncio.get_running_loop().time() < end:
            seen = dict(await self.see())
            if test(seen):
                return
            await asyncio.sleep(0.05)
        pytest.fail(f"not within {seconds} s: {what}; the last seen was {seen}")

    async def press(self, name: str) -> None:
        await self.page.click(f"[data-test={name}]")

    async def time_at(self, seconds: float) -> None:
        """Wait until the picture shows this second of the lesson, or one shortly after."""
        first, last = seconds * FRAMES_PER_S, (seconds + 2) * FRAMES_PER_S
        await self.until(f"second {seconds}", lambda seen: first <= _number(seen["main"]) <= last)

    async def both_at(self, seconds: float) -> None:
        """Wait until main picture and screen both show the very frame of this second, or its neighbour."""
        frame = int(seconds * FRAMES_PER_S)

        def there(seen: dict[str, object]) -> bool:
            return all(abs(_number(seen[one]) - frame) <= 1 for one in ("main", "screen"))

        await self.until(f"both at {seconds} s", there)

    async def drifts(self, count: int) -> list[float]:
        """How many frames the screen is ahead of the main picture, at so many moments 50 ms apart."""
        found: list[float] = []
        while len(found) < count:
            seen = await self.see()
            if seen["main"] is not None and seen["screen"] is not None:
                found.append(_number(seen["screen"]) - _number(seen["main"]))
            await asyncio.sleep(0.05)
        return found

    async def says(self, name: str, words: str) -> None:
        """Wait until an element says these words; empty: until it says nothing."""
        text = ""
        for _ in range(300):
            text = await self.page.inner_text(f"[data-test={name}]")
            if words in text and (words or not text):
                return
            await asyncio.sleep(0.05)
        pytest.fail(f"{name} never said {words!r}; its last words were {text!r}")


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else -1.0


@asynccontextmanager
async def watching(recorded: Recorded, *, language: str = "en") -> AsyncIterator[Viewer]:
    """The page, open at the replay link; fails when it broke its policy or threw."""
    async with serving(recorded) as link, person("viewer", Devices(autoplay=True), language=language) as viewer:
        page = await viewer.open(link)
        await page.wait_for_selector("[data-test=message]", state="attached")
        yield Viewer(page)
        broken = [text for text in viewer.complaints if "uncaught" in text or "Content Security" in text]
        assert not broken


async def test_it_plays_from_the_beginning_to_the_end_across_the_join(recorded: Recorded) -> None:
    async with watching(recorded) as viewer:
        await viewer.press("big-play")
        await viewer.until("moving", lambda seen: _number(seen["main"]) > FRAMES_PER_S)
        await viewer.page.evaluate("document.querySelector('[data-test=main]').currentTime = 18.5")
        await viewer.until("past the join", lambda seen: _number(seen["main"]) > (JOIN_S + 1) * FRAMES_PER_S)
        seen = await viewer.see()
        assert abs(_number(seen["time"]) * FRAMES_PER_S - _number(seen["main"])) <= IN_STEP_FRAMES
        assert "/ 0:40" in await viewer.page.inner_text("[data-test=time]")
        await viewer.page.keyboard.press("End")
        await viewer.page.wait_for_selector("text=Watch again")


async def test_the_screen_takes_the_stage_and_stays_in_step(recorded: Recorded) -> None:
    async with watching(recorded) as viewer:
        await viewer.press("big-play")
        await viewer.page.evaluate(f"document.querySelector('[data-test=main]').currentTime = {SCREEN_AT_S - 1}")
        await viewer.until("the screen on stage", lambda seen: seen["screenPlace"] == "big")
        await asyncio.sleep(1)
        drifts = await viewer.drifts(40)
        assert sorted(map(abs, drifts))[-3] <= IN_STEP_FRAMES, drifts
        await viewer.page.evaluate(
            f"document.querySelector('[data-test=main]').currentTime = {SCREEN_AT_S + SCREEN_S - 0.5}"
        )
        await viewer.until("the camera back on stage", lambda seen: seen["screenPlace"] in ("hidden", None))


@pytest.mark.parametrize("speed", ["0.75", "1.5", "2"])
async def test_the_screen_stays_in_step_at_every_speed(recorded: Recorded, speed: str) -> None:
    async with watching(recorded) as viewer:
        await viewer.page.select_option("[data-test=speed]", speed)
        await viewer.press("big-play")
        await viewer.page.evaluate(f"document.querySelector('[data-test=main]').currentTime = {SCREEN_AT_S + 1}")
        await viewer.until("the screen on stage", lambda seen: seen["screenPlace"] == "big")
        await asyncio.sleep(1.5)
        drifts = await viewer.drifts(40)
        # A frame is shown for longer than it is new: at speed 2 the two pictures change at different moments.
        assert sorted(map(abs, drifts))[-3] <= IN_STEP_FRAMES * max(1.0, float(speed)), drifts
        seen = await viewer.see()
        assert seen["rate"] == float(speed)
        assert seen["pitch"] is True


async def test_paused_pictures_show_the_same_moment(recorded: Recorded) -> None:
    async with watching(recorded) as viewer:
        await viewer.press("big-play")
        await viewer.time_at(0.2)
        await viewer.press("play")
        for position in (12.0, 21.5, 9.2):
            await viewer.page.evaluate(f"document.querySelector('[data-test=main]').currentTime = {position}")
            await viewer.both_at(position)
        assert (await viewer.see())["paused"] is True


async def test_keys_and_the_seek_bar_jump(recorded: Recorded) -> None:
    async with watching(recorded) as viewer:
        await viewer.until("a first picture", lambda seen: seen["main"] is not None)

        async def at(seconds: float) -> None:
            await viewer.until(f"at {seconds} s", lambda seen: abs(_number(seen["time"]) - seconds) < 0.3)

        for key, seconds in (("5", 20), ("ArrowRight", 25), ("l", 35), ("j", 25), ("ArrowLeft", 20), ("Home", 0)):
            await viewer.page.keyboard.press(key)
            await at(seconds)
        box = await viewer.page.locator("[data-test=seek]").bounding_box()
        assert box is not None
        assert box["height"] >= 40, "too thin for a finger"
        await viewer.page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2)
        await at(30)
        await viewer.page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2)
        await viewer.page.mouse.down()
        await viewer.page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 60)
        assert (await viewer.page.inner_text("[data-test=time]")).startswith("0:10")
        await viewer.page.mouse.up()
        await at(10)
        assert (await viewer.see())["paused"] is True
        await viewer.page.keyboard.press(" ")
        await viewer.until("playing", lambda seen: seen["paused"] is False)
        await viewer.page.keyboard.press(">")
        await viewer.until("faster", lambda seen: seen["rate"] == 1.25)
        await viewer.page.keyboard.press("m")
        assert await viewer.page.evaluate("document.querySelector('[data-test=main]').muted")


async def test_it_goes_on_where_this_viewer_stopped_at_their_speed(recorded: Recorded) -> None:
    async with watching(recorded) as viewer:
        await viewer.page.select_option("[data-test=speed]", "1.5")
        await viewer.press("big-play")
        await viewer.page.evaluate("document.querySelector('[data-test=main]').currentTime = 25")
        await viewer.time_at(25)
        await viewer.press("play")
        await viewer.page.reload()
        await viewer.page.wait_for_selector("text=Continue from 0:2")
        await viewer.press("big-play")
        await viewer.until("second 23 or later", lambda seen: _number(seen["main"]) > 22 * FRAMES_PER_S)
        assert (await viewer.see())["rate"] == 1.5


async def test_a_running_lesson_grows_and_ends_under_the_viewer(recorded: Recorded) -> None:
    recorded.state, recorded.recording, recorded.recorded_s = "live", "recording", 6.0
    async with watching(recorded) as viewer:
        await viewer.press("big-play")
        await viewer.time_at(0.5)
        assert "/ 0:06" in await viewer.page.inner_text("[data-test=time]")
        recorded.recorded_s = 14.0
        await viewer.page.wait_for_selector("[data-test=screen]", state="attached")
        await viewer.until("beyond what there was at first", lambda seen: _number(seen["main"]) > 7 * FRAMES_PER_S)
        await viewer.until("the screen on stage", lambda seen: seen["screenPlace"] == "big")
        recorded.state, recorded.recording, recorded.recorded_s = "ended", "finished", None
        await viewer.says("time", "/ 0:40")


async def test_a_recording_that_stopped_early_ends_and_says_so(recorded: Recorded) -> None:
    recorded.state, recorded.recording, recorded.problem, recorded.recorded_s = "live", "stopped", "disk_full", 4.0
    async with watching(recorded) as viewer:
        await viewer.press("big-play")
        await viewer.says("message", "Recording has stopped")
        await viewer.page.wait_for_selector("text=Watch again")
        await viewer.page.wait_for_selector("text=the lesson is not complete")


async def test_a_lost_network_is_said_and_comes_back_by_itself(recorded: Recorded, tracks: tuple[Track, Track]) -> None:
    async with watching(recorded) as viewer:
        await viewer.press("big-play")
        await viewer.time_at(0.2)
        recorded.answering = False
        await viewer.page.evaluate("document.querySelector('[data-test=main]').currentTime = 38")
        await viewer.says("message", "Network lost")
        recorded.answering = True
        await viewer.time_at(38)
        await viewer.says("message", "")


async def test_expired_addresses_are_renewed_unseen(recorded: Recorded) -> None:
    async with watching(recorded) as viewer:
        await viewer.press("big-play")
        await viewer.time_at(0.2)
        recorded.signature = "second"
        await viewer.page.evaluate("document.querySelector('[data-test=main]').currentTime = 38")
        await viewer.time_at(38)


@pytest.mark.parametrize(
    ("state", "recording", "words"),
    [
        ("waiting", "off", "has not begun"),
        ("live", "recording", "has just begun"),
        ("live", "off", "is not recorded"),
        ("ended", "finished", "no replay"),
    ],
)
async def test_where_there_is_nothing_to_play_it_says_why(
    recorded: Recorded, state: str, recording: str, words: str
) -> None:
    main = recorded.main
    recorded.main, recorded.clips, recorded.state, recorded.recording = None, [], state, recording
    async with watching(recorded) as viewer:
        await viewer.page.wait_for_selector(f"text={words}")
        if state != "ended":
            recorded.main, recorded.state, recorded.recording = main, "live", "recording"
            await viewer.page.wait_for_selector("[data-test=play]")


async def test_a_wrong_link_says_what_to_do_and_asks_no_more(recorded: Recorded) -> None:
    async with serving(recorded) as link, person("viewer", Devices(), language="zh-CN") as viewer:
        page = await viewer.open(link.replace("#r", "#x"))
        await page.wait_for_selector("text=链接已失效")
        asked = recorded.asked
        await asyncio.sleep(0.2)
        assert recorded.asked == asked
        await page.goto(link.split("#")[0])
        await page.wait_for_selector("text=链接已失效")


async def test_full_screen_hides_the_controls_until_the_mouse_moves(recorded: Recorded) -> None:
    async with watching(recorded) as viewer:
        await viewer.press("big-play")
        await viewer.press("fullscreen")
        await viewer.page.wait_for_selector(".is-full.is-idle")
        await viewer.page.mouse.move(300, 300)
        await viewer.page.wait_for_selector(".is-full:not(.is-idle)")
        await viewer.page.keyboard.press("f")
        await viewer.page.wait_for_selector(".replay-player:not(.is-full)")
