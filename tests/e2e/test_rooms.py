"""A lesson of many classrooms on the volunteer's page: hands, signs, questions, chat and thumbnails."""

import asyncio
import base64
import io
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Page, expect

from tests.e2e.pages import SOON_MS, TeachPage, part
from tests.e2e.rooms import Room, rooms
from tests.e2e.school import FIRST_CLASS, SECOND_TEACHER, School
from tests.e2e.server import Lesson, LiveServer

pytestmark = pytest.mark.e2e

NAMES = [f"School {number}" for number in range(1, 13)]
SIZES = ((1280, 720), (1440, 900), (390, 844))
ORANGE = (230, 120, 20)


def picture() -> str:
    """What a classroom's camera might see, as it travels: a small JPEG of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (160, 90), ORANGE).save(file, "JPEG", quality=50)
    return base64.b64encode(file.getvalue()).decode()


def tile(page: Page, room: Room) -> str:
    return f'{part("tile")}[data-participant="{room.id}"]'


async def test_twelve_classrooms_raise_hands_and_answer_and_the_pages_show_it(
    server: LiveServer, lesson: Lesson, school: School, tmp_path: Path
) -> None:
    teacher = await school.teacher(lesson)
    await teacher.start()
    seen = await school.classroom(lesson, FIRST_CLASS)
    page = teacher.page
    async with rooms(server, lesson, NAMES) as made:
        await teacher.shows("pager")
        first = await teacher.tiles().count()
        assert 3 <= first < 13
        # A hand two pages on moves nothing: its page's button says that it is there.
        order = await page.locator(".tile h2").all_text_contents()
        await made[-1].say("hand", up=True)
        await made[4].say("hand", up=True)
        await made[0].say("sign", sign="cannot_hear")
        await expect(page.locator('.page-button[data-marked="true"]')).not_to_have_count(0, timeout=SOON_MS)
        await expect(teacher.find("hands").locator(part("badge"))).to_contain_text("2", timeout=SOON_MS)
        assert await page.locator(".tile h2").all_text_contents() == order
        await expect(page.locator(tile(page, made[0])).locator(part("sign"))).to_contain_text("Cannot hear")
        await page.keyboard.press("PageDown")
        assert await page.locator(".tile h2").all_text_contents() != order
        await page.keyboard.press("PageUp")
        # The queue stands in the order in which the hands came, and one press calls the first.
        await teacher.press("hands")
        queued = teacher.find("queued")
        await expect(queued).to_have_count(2)
        await expect(queued.first).to_contain_text("School 12")
        await expect(queued.nth(1)).to_contain_text("School 5")
        await queued.first.locator(part("call-queued")).click()
        called = await made[-1].until(
            lambda told: told["type"] == "participant_changed" and told["participant"]["called"]
        )
        assert called["participant"]["id"] == made[-1].id
        await queued.first.locator(part("answered")).click()
        assert (await made[-1].event("hand_lowered"))["participant"] == made[-1].id
        await expect(queued).to_have_count(1)
        await teacher.press("panel-close")
        # A question without a word, answered by eleven of thirteen.
        await teacher.press("ask")
        await teacher.press("quick")
        poll = (await made[0].event("poll_opened"))["poll"]
        for number, room in enumerate(made[:-1]):
            await room.say("answer", poll=poll, counts=[2, 20 + number, 3, 1])
        await seen.shows("poll")
        answered = teacher.find("answered-by")
        await expect(answered).to_contain_text("11 of 13 classrooms answered", timeout=SOON_MS)
        counts = teacher.find("chart").locator(part("count"))
        assert await counts.all_text_contents() == ["22", "275", "33", "11"]
        await expect(teacher.find("multiple")).to_have_count(11)
        await photograph(teacher, tmp_path)
        await teacher.press("close-poll")
        await teacher.find("reveal").nth(1).click()
        await expect(page.locator(".chart-right")).to_contain_text("right", timeout=SOON_MS)
        assert (await made[0].event("poll_revealed"))["right"] == 1
        await seen.shows("poll-right")
        await teacher.press("panel-close")
        # What one adult says the others read.
        await teacher.press("chat")
        await page.locator(".phrase").first.click()
        said = await made[0].event("said")
        assert re.fullmatch("#sign:[a-z_]+", said["text"])
        await seen.shows("unread")
        await teacher.press("panel-close")
        await made[2].say("chat", text="我们这里停电了")
        await expect(teacher.find("chat").locator(part("badge"))).to_contain_text("1", timeout=SOON_MS)
        await teacher.press("chat")
        await expect(teacher.find("line").last).to_contain_text("我们这里停电了")
        await expect(teacher.find("chat").locator(part("badge"))).to_have_count(0)
        await teacher.press("panel-close")
        # A draw is large, and a timer stands on the stage.
        await teacher.press("hands")
        await teacher.press("pick")
        chosen = await made[0].event("picked")
        name = next((room.name for room in made if room.id == chosen["participant"]), None)
        await expect(teacher.find("picked")).to_contain_text(name or "", timeout=SOON_MS)
        await page.keyboard.press("Escape")
        await expect(teacher.find("picked")).to_have_count(0)
        await teacher.press("timer")
        await teacher.press("timer-60")
        await expect(teacher.find("countdown")).to_contain_text(re.compile("0:5|1:00"), timeout=SOON_MS)
        assert (await made[0].event("timer_set"))["seconds"] == 60
        await expect(seen.find("timer").first).to_contain_text(re.compile(r"0:\d\d|1:00"), timeout=SOON_MS)


async def test_a_thumbnail_is_asked_for_where_its_tile_is_seen_and_shown_there(
    server: LiveServer, lesson: Lesson, school: School
) -> None:
    teacher = await school.teacher(lesson)
    await teacher.start()
    async with rooms(server, lesson, NAMES) as made:
        wanted = await made[0].until(lambda told: told["type"] == "thumbnail_wanted")
        assert wanted["every_s"] > 0
        await made[0].say("thumbnail", data=picture())
        image = teacher.page.locator(tile(teacher.page, made[0])).locator(f"{part('thumbnail')} img")
        await expect(image).to_have_css("opacity", "1", timeout=SOON_MS)
        shot = Image.open(io.BytesIO(await image.screenshot())).convert("RGB")
        middle = shot.getpixel((shot.width // 2, shot.height // 2))
        assert isinstance(middle, tuple)
        assert all(abs(got - sent) < 24 for got, sent in zip(middle, ORANGE, strict=True)), middle
        # Nobody looks at the last page's tiles: its rooms' cameras stay dark.
        assert not [told for told in made[-1].told if told["type"] == "thumbnail_wanted"]


async def test_a_co_volunteer_is_offered_nothing_that_is_refused(
    server: LiveServer, lesson: Lesson, school: School
) -> None:
    lead = await school.teacher(lesson)
    await lead.start()
    async with rooms(server, lesson, NAMES[:1]) as made:
        await lead.wait_for_tiles(1)
        lead_tile = lead.tile()
        await lead_tile.locator(".figures").click()
        await lead_tile.locator(part("let-draw")).click()
        assert (await made[0].event("drawing_allowed"))["may"]
        other = await school.teacher(lesson, SECOND_TEACHER)
        await other.start()
        await other.wait_for_tiles(1)
        await other.tile().locator(".figures").click()
        await asyncio.sleep(1)
        await expect(other.tile().locator(part("let-draw"))).to_have_count(0)
        await other.press("hands")
        await other.shows("pick")


async def photograph(teacher: TeachPage, folder: Path) -> None:
    """The page at three sizes; nothing may stick out at its side."""
    for width, height in SIZES:
        await teacher.page.set_viewport_size({"width": width, "height": height})
        await asyncio.sleep(0.3)
        await teacher.page.screenshot(path=folder / f"rooms-{width}.png")
        inside = await teacher.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert inside, f"wider than its window of {width}"
    await teacher.page.set_viewport_size({"width": 1280, "height": 720})
