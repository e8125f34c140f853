"""The volunteer's board in a real browser: a deck from the volunteer's disk to the slide on the stage, strokes on it, a
frozen camera, a song that two volunteers hear in step. Judged by pixels, by the media's clock and by what is read."""

import asyncio
import io
import secrets
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image
from playwright.async_api import Page, expect

from tests.e2e import senses
from tests.e2e.pages import TeachPage, part
from tests.e2e.school import SECOND_TEACHER, TEACHER, School
from tests.e2e.server import Lesson, LiveServer
from tests.materials import files

pytestmark = pytest.mark.e2e

RED, GREEN, BLUE = (200, 40, 40), (40, 160, 80), (40, 60, 200)
COLOURS = (RED, GREEN, BLUE)


def deck() -> bytes:
    """Three pages of one colour each."""
    pages = [Image.new("RGB", (960, 540), colour) for colour in COLOURS]
    buffer = io.BytesIO()
    pages[0].save(buffer, "PDF", save_all=True, append_images=pages[1:])
    return buffer.getvalue()


async def add(teacher: TeachPage, path: Path) -> None:
    """Uploads one file through the drawer, and waits until it is ready."""
    if not await teacher.find("drawer").is_visible():
        await teacher.press("slides")
    before = await teacher.find("material").count()
    await teacher.page.set_input_files(part("file"), str(path))
    await expect(teacher.find("material")).to_have_count(before + 1, timeout=20_000)
    await expect(teacher.find("material").first).to_have_attribute("data-state", "ready", timeout=30_000)


async def look(page: Page) -> Image.Image:
    """The page on the stage, as it is painted."""
    return Image.open(io.BytesIO(await page.locator(part("board-page")).screenshot())).convert("RGB")


def at(picture: Image.Image, x: float, y: float) -> tuple[int, int, int]:
    pixel: Any = picture.getpixel((int(picture.width * x), int(picture.height * y)))
    return (pixel[0], pixel[1], pixel[2])


def near(pixel: tuple[int, int, int], wanted: tuple[int, int, int], by: int = 30) -> bool:
    return all(abs(a - b) <= by for a, b in zip(pixel, wanted, strict=True))


async def until(page: Page, x: float, y: float, wanted: tuple[int, int, int], within: float = 10.0) -> None:
    """Waits until that place of the page has this colour.

    Raises:
        AssertionError: it has not; the message says which it has.
    """
    end = time.monotonic() + within
    pixel = (-1, -1, -1)
    while time.monotonic() < end:
        if await page.locator(part("board-page")).count():
            pixel = at(await look(page), x, y)
            if near(pixel, wanted):
                return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{pixel} where {wanted} was to be")


async def underline(page: Page) -> None:
    """A stroke across the middle of the page, by mouse."""
    box = await page.locator(part("board-page")).bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    await page.mouse.move(box["x"] + box["width"] * 0.2, y)
    await page.mouse.down()
    for n in range(1, 25):
        await page.mouse.move(box["x"] + box["width"] * (0.2 + 0.025 * n), y)
    await page.mouse.up()


@asynccontextmanager
async def classroom(server: LiveServer, lesson: Lesson, name: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A classroom without a page, in the lesson."""
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{server.url}/ws/{lesson.id}") as socket:
        hello = {"type": "hello", "token": lesson.classroom_token, "identity": secrets.token_hex(16), "name": name}
        await socket.send_json(hello)
        yield socket


async def test_a_deck_is_uploaded_shown_turned_and_drawn_on(
    server: LiveServer, lesson: Lesson, school: School, tmp_path: Path
) -> None:
    (tmp_path / "Colours.pdf").write_bytes(deck())
    teacher = await school.teacher(lesson)
    async with classroom(server, lesson, "Class 3-2") as room:
        await add(teacher, tmp_path / "Colours.pdf")
        material = teacher.find("material").first
        await expect(material).to_contain_text("3 pages")
        await expect(material).to_contain_text("The classroom does not have it yet")
        id = await material.get_attribute("data-id")
        await room.send_json({"type": "materials_ready", "material": id, "have": 9, "total": 9})
        await expect(material).to_contain_text("The classroom has it")
    await teacher.press("drawer-close")
    await teacher.start()
    await teacher.press("slides")
    await teacher.press("show")
    page = teacher.page
    await until(page, 0.5, 0.5, RED)
    await teacher.find("thumb").nth(1).click()
    await until(page, 0.5, 0.5, GREEN)
    await teacher.press("drawer-close")
    await page.keyboard.press("ArrowRight")
    await until(page, 0.5, 0.5, BLUE)
    await expect(teacher.find("board-at")).to_contain_text("3 / 3")

    await underline(page)
    ink = (30, 42, 47)
    await until(page, 0.5, 0.5, ink)
    assert near(at(await look(page), 0.5, 0.3), BLUE)
    # Another page has no stroke; the stroke is on its own page still, also for a page that is loaded anew.
    await page.keyboard.press("ArrowLeft")
    await until(page, 0.5, 0.5, GREEN)
    await page.reload()
    await until(page, 0.5, 0.5, GREEN)
    await page.keyboard.press("ArrowRight")
    await until(page, 0.5, 0.5, ink)
    await underline(page)
    await page.keyboard.press("Control+z")
    await until(page, 0.5, 0.5, ink)

    # The blank board and back, and the live picture.
    await page.keyboard.press("b")
    await until(page, 0.5, 0.5, (255, 254, 250))
    await teacher.press("back-live")
    await senses.sees(page, TEACHER.number, selector=part("stage"))


async def test_a_frozen_camera_is_a_page_to_draw_on(lesson: Lesson, school: School) -> None:
    teacher = await school.teacher(lesson)
    await teacher.start()
    await senses.sees(teacher.page, TEACHER.number, selector=part("stage"))
    await teacher.press("freeze")
    await expect(teacher.find("board-page")).to_be_visible(timeout=20_000)
    before = await look(teacher.page)
    colours = before.resize((32, 18)).getcolors(1024) or []
    assert len(colours) > 1, "the frozen picture is of one colour"
    await asyncio.sleep(1.0)
    assert (await look(teacher.page)).tobytes() == before.tobytes(), "a frozen picture moves"
    await underline(teacher.page)
    await until(teacher.page, 0.5, 0.5, (30, 42, 47))


async def test_files_that_cannot_be_used_are_told_in_words(lesson: Lesson, school: School, tmp_path: Path) -> None:
    (tmp_path / "a.exe").write_bytes(b"MZ" + bytes(2000))
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.7\nbroken")
    teacher = await school.teacher(lesson)
    await teacher.press("slides")
    await teacher.page.set_input_files(part("file"), [str(tmp_path / "a.exe"), str(tmp_path / "b.pdf")])
    await expect(teacher.find("upload").first).to_contain_text("This kind of file cannot be used")
    await expect(teacher.find("material")).to_contain_text("it may be damaged", timeout=20_000)
    await teacher.press("remove")
    await teacher.press("remove-yes")
    await expect(teacher.find("material")).to_have_count(0)


async def test_a_deck_of_an_earlier_lesson_is_used_again(
    server: LiveServer, lesson: Lesson, school: School, tmp_path: Path
) -> None:
    (tmp_path / "Colours.pdf").write_bytes(deck())
    teacher = await school.teacher(lesson)
    await add(teacher, tmp_path / "Colours.pdf")
    later = await server.create_lesson("Tomorrow")
    tomorrow = TeachPage(teacher.person, await teacher.person.open(later.teacher_url))
    await tomorrow.press("slides")
    await tomorrow.press("earlier")
    await tomorrow.press("reuse")
    await expect(tomorrow.find("material")).to_contain_text("3 pages")


async def media_lag_s(page: Page) -> float:
    """How far the song on this page is ahead of the machine's clock: both pages run on this machine."""
    return float(
        await page.evaluate(
            """() => {
              const one = window.boardMedia.find((each) => !each.paused);
              return one ? one.currentTime - Date.now() / 1000 : NaN;
            }"""
        )
    )


KEEP_MEDIA = """
window.boardMedia = [];
const make = document.createElement.bind(document);
document.createElement = (name, ...more) => {
  const made = make(name, ...more);
  if (name === "video") window.boardMedia.push(made);
  return made;
};
"""


async def test_two_volunteers_hear_a_song_in_step(lesson: Lesson, school: School, tmp_path: Path) -> None:
    (tmp_path / "Song.m4a").write_bytes(files.song(tmp_path, 40.0, "m4a", "aac"))
    first = await school.person(TEACHER)
    second = await school.person(SECOND_TEACHER, autoplay=True)
    for someone in (first, second):
        await someone.context.add_init_script(KEEP_MEDIA)
    teacher = await TeachPage.open(first, lesson.teacher_url)
    await add(teacher, tmp_path / "Song.m4a")
    await teacher.press("drawer-close")
    await teacher.start()
    other = await TeachPage.open(second, lesson.teacher_url)
    await other.press("start")
    await other.shows("end")
    await teacher.press("slides")
    await teacher.press("play")
    await expect(teacher.find("echo")).to_be_visible()
    await expect(other.find("player")).to_have_attribute("data-playing", "true")
    await asyncio.sleep(6.0)
    apart_s = []
    for _ in range(7):
        apart_s.append(abs(await media_lag_s(teacher.page) - await media_lag_s(other.page)))
        await asyncio.sleep(0.3)
    print(f"apart by {statistics.median(apart_s) * 1000:.0f} ms")
    assert statistics.median(apart_s) <= 0.2
    await teacher.press("drawer-close")
    await teacher.press("player-press")
    await expect(other.find("player")).to_have_attribute("data-playing", "false")
