"""A class acts as one, on its real page: it is counted, raises its hand, gives signs, answers by cards,
writes to the volunteer, and shows itself small where its teacher lets it. The volunteer is a program at the socket."""

import base64
import io
import re

import pytest
from PIL import Image
from playwright.async_api import Page, expect

from tests.e2e.pages import ClassroomPage
from tests.e2e.school import FIRST_CLASS, School
from tests.e2e.server import Lesson, LiveServer
from tests.e2e.sockets import Socket, joined
from tests.e2e.waiting import until
from tests.web.test_accessibility import AXE, CHECK

pytestmark = pytest.mark.e2e

PHONE = (390, 844)
LAST_ROW = 0.035
"""Of the screen's height: what is read from the last row is no smaller."""

SIZES = """(name) => [...document.querySelectorAll(`${name} .unit-ask-title, ${name} .unit-choice-text,
  ${name} .unit-letter, ${name} .unit-share`)].map((one) => parseFloat(getComputedStyle(one).fontSize) / innerHeight)"""

TRACKS = """
window.tracks = [];
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wish) => {
  const stream = await ask(wish);
  window.tracks.push(...stream.getVideoTracks());
  return stream;
};
"""


async def axe(page: Page) -> None:
    """What is shown now has no fault that axe-core finds."""
    await page.evaluate(AXE.read_text("utf-8"))
    found = await page.evaluate(CHECK)
    assert not found, "\n".join(found)


async def in_lesson(classroom: ClassroomPage, teacher: Socket) -> None:
    """The lesson runs, and the page has its buttons."""
    await teacher.say("start_lesson")
    await classroom.shows("stage")
    await classroom.page.mouse.move(300, 300)
    await classroom.page.mouse.move(310, 310)
    await classroom.shows("hand")


async def choose(classroom: ClassroomPage, letter: str, count: int) -> None:
    await classroom.find(f"count-{letter}").fill(str(count))


async def test_a_class_is_counted_asks_and_answers_on_the_projector(
    server: LiveServer, lesson: Lesson, school: School
) -> None:
    async with (
        joined(server.url, lesson.id, lesson.teacher_token, "Xiaoyu") as teacher,
        joined(server.url, lesson.id, lesson.classroom_token, "Qingshan") as other,
    ):
        classroom = await school.classroom(lesson)
        page = classroom.page
        # Asked once, before the lesson.
        await classroom.shows("heads")
        await axe(page)
        for _ in range(3):
            await classroom.press("count-more")
        await classroom.press("heads-ok")
        own = (await teacher.event("heads_set", heads=33))["participant"]
        await classroom.press("consent-no")
        await in_lesson(classroom, teacher)

        # A hand, by the keyboard.
        await page.keyboard.press("h")
        await teacher.event("hand_raised", participant=own)
        await expect(classroom.find("hand")).to_contain_text(re.compile(r"waiting 0:0[1-9]"))
        await teacher.say("lower_hand", participant=own)
        await expect(classroom.find("hand")).to_have_text("We have a question")
        await expect(classroom.find("unit-notice")).to_have_text("The volunteer has seen your hand")
        await page.keyboard.press("h")
        await expect(classroom.find("hand")).to_have_attribute("aria-pressed", "true")
        await page.keyboard.press("H")
        await until(lambda: len(teacher.events("hand_lowered")) == 2, "the class took its hand back")

        # A sign, by the keyboard; it comes back when the volunteer has seen it.
        await page.keyboard.press("s")
        await axe(page)
        await page.keyboard.press("3")
        await teacher.event("sign_given", participant=own, sign="slower")
        await expect(classroom.find("sign-sent")).to_contain_text("Slower, please")
        await teacher.say("lower_hand", participant=own)
        await expect(classroom.find("sign-sent")).to_have_count(0)

        # A question: numbers, sent, corrected, and one more room.
        await teacher.say("open_poll", question="7 x 8 = ?", choices=["54", "56", "63", "None of them"])
        await classroom.shows("poll")
        assert min(await page.evaluate(SIZES, "[data-test=poll]")) >= LAST_ROW
        await choose(classroom, "A", 4)
        await choose(classroom, "B", 30)
        await expect(classroom.find("poll-sum")).to_have_text("34 of 33 pupils · 1 more than the class")
        await choose(classroom, "B", 29)
        await expect(classroom.find("poll-sum")).to_have_text("33 of 33 pupils")
        await classroom.press("poll-send")
        assert (await teacher.event("poll_answered", participant=own))["counts"] == [4, 29, 0, 0]
        await classroom.shows("poll-sent")
        await expect(classroom.find("poll-send")).to_be_disabled()
        await classroom.press("count-A-fewer")
        await classroom.press("count-C-more")
        await classroom.press("poll-send")
        await teacher.event("poll_answered", participant=own, counts=[3, 29, 1, 0])
        await axe(page)
        await other.say("answer", poll="p1", counts=[11, 9, 0, 1])
        await expect(classroom.find("poll-answered")).to_contain_text("2 of 2 classrooms answered")

        # The result of both, and the right one.
        await teacher.say("close_poll", poll="p1")
        await expect(classroom.find("poll-result")).to_contain_text("38 · 70%")
        await expect(classroom.find("poll-rooms").locator("li")).to_contain_text(["Our class", "Qingshan"])
        await expect(classroom.find("poll-right")).to_have_count(0)
        await teacher.say("reveal", poll="p1", right=1)
        await expect(page.locator("[data-right=true]")).to_contain_text("Right answer")
        assert min(await page.evaluate(SIZES, "[data-test=poll]")) >= LAST_ROW
        await axe(page)

        # What is shown next makes the result go; timer and chance.
        await teacher.say("show", stage="page", page="b.1")
        await expect(classroom.find("poll")).to_have_count(0)
        await teacher.say("set_timer", seconds=3)
        await expect(classroom.find("timer")).to_have_text("0:02")
        await expect(classroom.find("timer")).to_have_text("Time is up")
        await teacher.say("pick")
        name = "Qingshan" if (await teacher.event("picked"))["participant"] == other.you else "it is your turn"
        await expect(classroom.find("picked")).to_contain_text(name)
        await teacher.say("pick")  # never the same twice while there is another
        await expect(classroom.find("picked")).not_to_contain_text(name)


async def test_a_class_asks_and_answers_from_a_phone_in_chinese(
    server: LiveServer, lesson: Lesson, school: School
) -> None:
    async with joined(server.url, lesson.id, lesson.teacher_token, "王小雨") as teacher:
        someone = await school.person(FIRST_CLASS, language="zh-CN")
        classroom = await ClassroomPage.open(someone, lesson.classroom_url)
        page = classroom.page
        await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        await classroom.press("heads-ok")
        await classroom.press("consent-no")
        await in_lesson(classroom, teacher)

        # Three large buttons under one thumb.
        for name in ("hand", "help", "more"):
            box = await classroom.find(name).bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) >= 56
            assert box["y"] > PHONE[1] / 2
        await classroom.press("hand")
        await teacher.event("hand_raised")
        await expect(classroom.find("hand")).to_contain_text("已举手")
        await classroom.press("hand")
        await teacher.event("hand_lowered")

        await classroom.press("help")
        await axe(page)
        await classroom.press("sign-again")
        await teacher.event("sign_given", sign="again")
        await expect(classroom.find("sign-sent")).to_contain_text("请再讲一遍")
        await classroom.press("sign-back")
        await teacher.event("sign_given", sign="")

        # Cards that are held up: one tap each, a slip taken back.
        await teacher.say("open_poll", question="", choices=["", "", ""])
        await classroom.press("poll-cards")
        for letter in "ABBBC":
            await classroom.press(f"card-{letter}")
        await classroom.press("poll-undo")
        await axe(page)
        await classroom.press("poll-send")
        assert (await teacher.event("poll_answered"))["counts"] == [1, 3, 0]
        await teacher.say("reveal", poll="p1", right=1)
        await expect(page.locator("[data-right=true]")).to_contain_text("正确答案")
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        await axe(page)
        await classroom.press("poll-done")

        # A line from the volunteer waits in a pill; phrases are read in the reader's language.
        await teacher.say("chat", text="#sign:turn_camera")
        await expect(classroom.find("unread")).to_contain_text("1 条留言")
        await classroom.press("unread")
        await expect(classroom.find("line")).to_contain_text("请把摄像头对着同学们")
        await expect(classroom.find("unread")).to_have_count(0)
        await classroom.press("phrase-ready")
        await teacher.event("said", text="#sign:ready")
        await classroom.find("chat-text").fill("马上就好")
        await classroom.press("chat-send")
        await teacher.event("said", text="马上就好")
        await axe(page)


async def test_a_class_is_seen_small_only_while_its_teacher_and_a_volunteer_want_it(
    server: LiveServer, lesson: Lesson, school: School
) -> None:
    async with joined(server.url, lesson.id, lesson.teacher_token) as teacher:
        someone = await school.person(FIRST_CLASS)
        await someone.context.add_init_script(TRACKS)
        classroom = await ClassroomPage.open(someone, lesson.classroom_url)
        await classroom.press("heads-ok")
        own = (await teacher.event("heads_set"))["participant"]
        opened = "tracks.filter((one) => one.readyState === 'live').length"
        await teacher.say("thumbnails", of=[own])
        # The enter button's own question to the browser is over, and nobody here has said yes.
        await until(lambda: bool(teacher.messages("participant_changed")), "the class is here")
        await classroom.shows("consent")
        assert teacher.messages("thumbnail_of") == []
        assert await classroom.page.evaluate(opened) == 0

        await classroom.press("consent-yes")
        await until(lambda: len(teacher.messages("thumbnail_of")) >= 2, "two thumbnails", within=15)
        assert await classroom.page.evaluate(opened) == 1
        for one in teacher.messages("thumbnail_of"):
            data = base64.b64decode(one["data"])
            assert one["participant"] == own
            assert len(data) <= 3_000
            with Image.open(io.BytesIO(data)) as picture:
                assert (picture.format, picture.size) == ("WEBP", (160, 90))
                shades = set(picture.convert("L").tobytes())
                assert max(shades) - min(shades) > 60, "a picture, not a blank"

        await teacher.say("thumbnails", of=[])

        async def released() -> bool:
            return int(await classroom.page.evaluate(opened)) == 0

        await until(released, "the camera is closed")
        # Refused in the menu of the lesson, it stays closed.
        await in_lesson(classroom, teacher)
        await classroom.press("more")
        await classroom.find("consent-set").uncheck()
        await axe(classroom.page)
        seen = len(teacher.messages("thumbnail_of"))
        await teacher.say("thumbnails", of=[own])
        await classroom.page.wait_for_timeout(3_000)
        assert len(teacher.messages("thumbnail_of")) == seen
        assert await released()
