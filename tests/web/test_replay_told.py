"""The replay of a lesson with slides, questions and chat, before a stand-in for the server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.browser import Devices, person
from tests.web import told_lesson as told
from tests.web.replay_server import Recorded, serving

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("pages")]

COLOUR = """([x, y]) => {
  const canvas = document.createElement("canvas");
  canvas.width = 160; canvas.height = 90;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const all = document.querySelectorAll("[data-test=board-page] img, [data-test=board-page] canvas");
  for (const one of all) if (one.width > 0) pen.drawImage(one, 0, 0, 160, 90);
  const [r, g, b] = pen.getImageData(Math.round(x * 160), Math.round(y * 90), 1, 1).data;
  return "#" + [r, g, b].map((one) => one.toString(16).padStart(2, "0")).join("");
}"""


@asynccontextmanager
async def watching(recorded: Recorded, language: str = "en") -> AsyncIterator["Page"]:
    """A told lesson opened, its chapters there."""
    told.tell(recorded, language)
    async with serving(recorded) as link, person("viewer", Devices(autoplay=True), language=language) as viewer:
        page = await viewer.open(link)
        await page.wait_for_selector("[data-test=chapter]")
        yield page
        assert not [text for text in viewer.complaints if "uncaught" in text]


async def second(page: "Page") -> float:
    return float(await page.evaluate("document.querySelector('[data-test=main]').currentTime"))


async def shows(page: "Page", colour: str, x: float = 0.9, y: float = 0.6) -> None:
    """Wait until this colour (within what WebP changes) stands at a place of the page."""
    near = f"""(at) => {{
      const seen = ({COLOUR})(at);
      const part = (of, n) => parseInt(of.substr(n, 2), 16);
      return [1, 3, 5].every((n) => Math.abs(part(seen, n) - part("{colour}", n)) < 16);
    }}"""
    await page.wait_for_function(near, arg=[x, y], timeout=8000)


async def test_chapters_are_the_slides_marks_and_boards_and_jump_to_them(recorded: Recorded) -> None:
    async with watching(recorded) as page:
        texts = [text.replace("\n", " ") for text in await page.locator(".replay-place-text").all_inner_texts()]
        assert texts[:4] == ["Slide 1 · Fractions", "Share the cake", "Slide 2 · Fractions", "Lin shares the screen"]
        assert texts[-1] == "Blackboard 1"
        assert await page.locator("[data-test=chapter] img").count() == len(told.COLOURS)
        for number, colour in enumerate(told.COLOURS):
            await page.locator("[data-test=chapter]", has_text=f"Slide {number + 1}").click()
            assert abs(await second(page) - told.SHOWN_AT_S[number]) < 0.1
            await shows(page, colour)
            current = page.locator("[data-test=chapter][aria-current=true]")
            assert (
                await current.inner_text()
                == await page.locator("[data-test=chapter]", has_text=f"Slide {number + 1}").inner_text()
            )


async def test_a_stroke_comes_as_it_came_while_it_plays(recorded: Recorded) -> None:
    async with watching(recorded) as page:
        await page.locator("[data-test=chapter]", has_text="Slide 2").click()
        await shows(page, told.COLOURS[1], 0.5, 0.75)
        await page.click("[data-test=big-play]")
        await shows(page, "#d43a2f", 0.5, 0.75)
        assert told.STROKE_AT_S < await second(page) < told.STROKE_AT_S + 1.5


async def test_questions_show_what_the_rooms_answered(recorded: Recorded) -> None:
    async with watching(recorded) as page:
        await page.click("[data-test=tab-questions]")
        text = (await page.inner_text("[data-test=list]")).split()
        assert [part for part in text if part.isdigit()] == ["31", "10", "2", "2"]
        assert "right" in text
        await page.click("[data-test=question]")
        assert abs(await second(page) - 13) < 0.1


@pytest.mark.parametrize(
    ("language", "word", "places"), [("en", "CAKE", 3), ("zh-CN", "蛋糕", 3), ("en", "volcano", 0)]
)
async def test_search_finds_slides_marks_and_chat(recorded: Recorded, language: str, word: str, places: int) -> None:
    async with watching(recorded, language) as page:
        await page.click("[data-test=tab-search]")
        await page.fill("[data-test=search-field]", word)
        await page.wait_for_function("() => document.querySelector('[data-test=found]').textContent !== ''")
        assert await page.locator("[data-test=found-place]").count() == places
        if places:
            assert (await page.locator("mark").first.inner_text()).lower() == word.lower()
            await page.locator("[data-test=found-place]").last.click()
            assert abs(await second(page) - 8.5) < 0.1


async def test_tabs_are_walked_by_arrows_which_then_do_not_skip(recorded: Recorded) -> None:
    async with watching(recorded) as page:
        await page.focus("[data-test=tab-chapters]")
        for expected in ("questions", "chat"):
            await page.keyboard.press("ArrowRight")
            assert await page.get_attribute(f"[data-test=tab-{expected}]", "aria-selected") == "true"
        await page.keyboard.press("End")
        assert await page.get_attribute("[data-test=tab-search]", "aria-selected") == "true"
        assert await second(page) == 0


async def test_the_line_of_time_shows_the_slide_under_the_pointer(recorded: Recorded) -> None:
    async with watching(recorded) as page:
        assert await page.locator("[data-test=mark]").count() == 5
        box = await page.locator("[data-test=seek]").bounding_box()
        assert box is not None
        seen = []
        for at_s in (3, 6, 12, 35):
            await page.mouse.move(box["x"] + box["width"] * at_s / 40, box["y"] + box["height"] / 2)
            peek = page.locator("[data-test=peek]")
            seen.append(await peek.get_attribute("src") if await peek.count() else None)
        thumbs = [await one.get_attribute("src") for one in await page.locator("[data-test=chapter] img").all()]
        assert seen == [*thumbs, None]


async def test_the_light_replay_shows_slides_and_strokes_without_a_picture(recorded: Recorded) -> None:
    recorded.light = True
    async with watching(recorded) as page:
        await page.locator("[data-test=chapter]", has_text="Slide 3").click()
        await page.click("[data-test=light]")
        await shows(page, told.COLOURS[2])
        stage = await page.locator("[data-test=stage]").bounding_box()
        board = await page.locator("[data-test=board]").bounding_box()
        assert stage == board, "nothing stands beside it"
        await page.keyboard.press("End")
        await page.wait_for_selector("[data-test=light-stage]")
        assert "Fractions, lesson 3" in await page.inner_text("[data-test=light-stage]")


async def test_the_lists_can_be_put_away_and_stay_so(recorded: Recorded) -> None:
    async with watching(recorded) as page:
        narrow = await page.locator("[data-test=stage]").bounding_box()
        await page.click("[data-test=fold]")
        assert not await page.locator("[data-test=panel]").is_visible()
        wide = await page.locator("[data-test=stage]").bounding_box()
        assert narrow is not None
        assert wide is not None
        assert wide["width"] > narrow["width"] + 300
        await page.reload()
        await page.wait_for_selector("[data-test=panel]", state="attached")
        assert not await page.locator("[data-test=panel]").is_visible()


async def test_on_a_phone_the_slide_stays_in_sight_while_a_list_is_read(recorded: Recorded) -> None:
    async with watching(recorded) as page:
        await page.set_viewport_size({"width": 390, "height": 560})
        await page.locator("[data-test=chapter]", has_text="Slide 2").click()
        await shows(page, told.COLOURS[1])
        await page.evaluate("scrollTo(0, document.body.scrollHeight)")
        board = await page.locator("[data-test=board-page]").bounding_box()
        assert board is not None
        assert board["y"] >= 0
        assert board["width"] > 380
        assert await page.evaluate("document.documentElement.scrollWidth") == 390


async def test_a_running_lesson_lists_what_is_new(recorded: Recorded) -> None:
    recorded.state, recorded.recording = "live", "recording"
    async with watching(recorded) as page:
        assert recorded.timeline is not None
        last = recorded.timeline[-1]
        event = {"type": "marked", "text": "The end"}
        recorded.timeline.append({**last, "seq": last["seq"] + 1, "at_ms": last["at_ms"] + 1000, "event": event})
        await page.wait_for_selector("[data-test=chapter] >> text=The end", timeout=15_000)


async def test_a_film_of_the_lesson_plays_in_step_and_stands_while_the_replay_does(
    recorded: Recorded, tmp_path: Path
) -> None:
    recorded.parts = [{"starts_at_s": 0, "duration_s": 40, "began_at_ms": 1_795_000_000_000}]
    told.tell(recorded)
    told.add_film(recorded, tmp_path, began_at_s=26.0)
    async with serving(recorded) as link, person("viewer", Devices(autoplay=True)) as viewer:
        page = await viewer.open(link)
        await page.locator("[data-test=chapter]", has_text="Delta").click()
        await page.wait_for_selector("[data-test=board] [data-test=media]")

        async def apart() -> float:
            """Seconds that the film is ahead of where it was at this second of the lesson."""
            return float(
                await page.evaluate(
                    "document.querySelector('[data-test=media]').currentTime"
                    " - (document.querySelector('[data-test=main]').currentTime - 26)"
                )
            )

        await page.click("[data-test=big-play]")
        for speed in ("1", "1.5"):
            await page.select_option("[data-test=speed]", speed)
            await asyncio.sleep(2.5)
            assert abs(await apart()) < 0.2, speed
        await page.keyboard.press("k")
        await asyncio.sleep(0.6)
        assert await page.evaluate("document.querySelector('[data-test=media]').paused")
        assert abs(await apart()) < 0.1
        await page.keyboard.press("ArrowLeft")
        await asyncio.sleep(0.8)
        assert abs(await apart()) < 0.1
