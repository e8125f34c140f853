"""The blackboard in a real Chromium, without a server: what is drawn is seen at once and stays as it is when the server
tells of it, texts are written, slides are never white, and slide and strokes change together."""

import asyncio
import io
import re
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.web.test_accessibility import tell, window

if TYPE_CHECKING:
    from playwright.async_api import Page, Route

pytestmark = pytest.mark.e2e

TOLD_MS = 400
"""The stories' server tells of a stroke after this."""

INK = """([left, top, width, height]) => {
  const box = document.querySelector("[data-test=board-page]").getBoundingClientRect();
  return [...document.querySelectorAll(".board-canvas")].map((canvas) => {
    const scale = canvas.width / 10000;
    const { data } = canvas.getContext("2d").getImageData(left * scale, top * scale, width * scale, height * scale);
    return data.filter((_, n) => n % 4 === 3 && data[n] > 127).length;
  }).reduce((a, b) => a + b);
}"""
"""How many pixels of a part of the page, in 1/10000 of its width, are drawn on."""

PIXELS = """() => [...document.querySelectorAll(".board-canvas")].map((canvas) => canvas.toDataURL()).join()"""

EMPTY = (4_200, 300, 2_200, 1_500)
"""A part of the sample page with nothing on it."""


async def point(page: "Page", x: int, y: int) -> tuple[float, float]:
    """Where (x, y) of the drawn page lies in the window."""
    box = await page.locator("[data-test=board-page]").bounding_box()
    assert box is not None
    return box["x"] + x * box["width"] / 10_000, box["y"] + y * box["width"] / 10_000


async def drag(page: "Page", *places: tuple[int, int]) -> None:
    await page.mouse.move(*await point(page, *places[0]))
    await page.mouse.down()
    for place in places[1:]:
        await page.mouse.move(*await point(page, *place), steps=6)
    await page.mouse.up()


async def ink(page: "Page", part: tuple[int, int, int, int] = EMPTY) -> int:
    await page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return int(await page.evaluate(INK, list(part)))


async def test_a_stroke_is_seen_at_once_and_the_same_once_the_server_told_of_it(stories: str) -> None:
    async with window("about:blank") as page:
        await tell(page, stories, "board-blank", "zh-CN")
        assert await ink(page) == 0
        for tool in ("pen", "highlighter", "line", "rectangle", "ellipse"):
            await page.click(f"[data-test=board-{tool}]")
            before = await ink(page)
            await drag(page, (4_400, 500), (5_200, 1_500), (6_200, 700))
            # A highlighter is seen through.
            assert await ink(page) > before or tool == "highlighter", tool
            at_once = await page.evaluate(PIXELS)
            await page.wait_for_timeout(2 * TOLD_MS + 200)
            assert await page.evaluate(PIXELS) == at_once, tool


async def test_the_eraser_takes_whole_strokes_and_undo_brings_the_page_back(stories: str) -> None:
    async with window("about:blank") as page:
        await tell(page, stories, "board-blank", "zh-CN")
        await drag(page, (4_400, 900), (6_200, 900))
        assert await ink(page) > 0
        await page.keyboard.press("e")
        await drag(page, (5_200, 400), (5_200, 1_600))
        assert await ink(page) == 0
        await page.wait_for_timeout(TOLD_MS + 200)
        assert await ink(page) == 0
        await page.keyboard.press("Control+y")
        await page.wait_for_timeout(TOLD_MS + 200)
        assert await ink(page) > 0


async def test_a_text_is_written_with_enter_and_given_up_with_escape(stories: str) -> None:
    async with window("about:blank") as page:
        await tell(page, stories, "board-blank", "zh-CN")
        await page.keyboard.press("t")
        await page.mouse.click(*await point(page, 4_400, 500))
        # The letters of a text are no shortcuts.
        await page.keyboard.type("help")
        await page.keyboard.press("Escape")
        assert await page.query_selector(".board-writing") is None
        assert await ink(page) == 0
        await page.mouse.click(*await point(page, 4_400, 500))
        await page.keyboard.insert_text("春天")
        await page.keyboard.press("Shift+Enter")
        await page.keyboard.insert_text("来了")
        await page.keyboard.press("Enter")
        assert await page.query_selector(".board-writing") is None
        assert await page.get_attribute("[data-test=board-text]", "aria-pressed") == "true"
        written = await ink(page)
        assert written > 300
        assert await ink(page, (4_300, 1_120, 2_000, 500)) > written / 4
        await page.wait_for_timeout(TOLD_MS + 200)
        assert await ink(page) == written


async def test_chinese_is_composed_without_ending_the_text(stories: str) -> None:
    async with window("about:blank", language="zh-CN") as page:
        await tell(page, stories, "board-blank", "zh-CN")
        await page.keyboard.press("t")
        await page.mouse.click(*await point(page, 4_400, 500))
        method = await page.context.new_cdp_session(page)
        await method.send("Input.imeSetComposition", {"text": "chun", "selectionStart": 4, "selectionEnd": 4})
        await page.keyboard.press("Enter")
        assert await page.query_selector(".board-writing") is not None
        await method.send("Input.insertText", {"text": "春"})
        await page.keyboard.press("Enter")
        assert await page.query_selector(".board-writing") is None
        assert await ink(page) > 100


WATCH = """() => {
  window.frames_seen = [];
  const look = () => {
    const image = document.querySelector(".board-back img");
    const canvas = document.querySelector(".board-canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const white = image === null || !image.complete || image.naturalWidth === 0;
    const name = white ? "white" : image.src.replace(/.*slides\\/|.png/g, "");
    const one = name + (data.some((value) => value > 0) ? " strokes" : "");
    if (frames_seen[frames_seen.length - 1] !== one) frames_seen.push(one);
    requestAnimationFrame(look);
  };
  look();
}"""
"""Note in every frame which picture is shown, and whether there are strokes."""


async def test_a_slide_is_never_white_and_its_strokes_change_with_it(stories: str) -> None:
    widths = {"thumb": 160, "s": 480, "l": 1_920}
    seconds = {"thumb": 0.4, "s": 0.6, "l": 0.9}

    async def answer(route: "Route") -> None:
        found = re.search(r"/(\d)-(\w+)\.png", route.request.url)
        assert found is not None
        number, size = found.groups()
        # The first slide lies on this computer already.
        await asyncio.sleep(0 if number == "1" else seconds[size])
        picture = io.BytesIO()
        Image.new("RGB", (widths[size], widths[size] * 3 // 4), (30, 90, 60 * int(number))).save(picture, "PNG")
        await route.fulfill(body=picture.getvalue(), content_type="image/png")

    async with window("about:blank") as page:
        await page.route("**/slides/*", answer)
        await tell(page, stories, "board-slides")
        await page.wait_for_selector(".board-back img[src$='1-l.png']")
        await page.evaluate(WATCH)
        await page.click("[data-test=board-next]")
        await page.wait_for_selector(".board-back img[src$='2-l.png']")
        await page.wait_for_timeout(100)
        seen = await page.evaluate("frames_seen")
    assert seen == ["1-l strokes", "2-thumb", "2-s", "2-l"]


async def test_a_hand_draws_on_only_what_it_sees_and_again_when_it_turned_back(stories: str) -> None:
    async def answer(route: "Route") -> None:
        if "/1-" not in route.request.url:
            await route.abort()
            return
        picture = io.BytesIO()
        Image.new("RGB", (160, 120), (30, 90, 60)).save(picture, "PNG")
        await route.fulfill(body=picture.getvalue(), content_type="image/png")

    async with window("about:blank", language="zh-CN") as page:
        await page.route("**/slides/*", answer)
        await tell(page, stories, "board-slides", "zh-CN")
        await page.wait_for_selector(".board-back img")
        assert await ink(page) == 0
        await page.click("[data-test=board-next]")
        await drag(page, (4_400, 900), (6_200, 900))
        assert await ink(page) == 0
        assert "1-" in (await page.get_attribute(".board-back img", "src") or "")
        await page.click("[data-test=board-previous]")
        await drag(page, (4_400, 900), (6_200, 900))
        assert await ink(page) > 0
