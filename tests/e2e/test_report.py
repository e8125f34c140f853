"""After a lesson on a real server: the volunteer's link leads to a report that names the classroom and its answer."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from playwright.async_api import expect

from tests.e2e.pages import part
from tests.e2e.school import School
from tests.e2e.server import Lesson, LiveServer

pytestmark = pytest.mark.e2e


class Voice:
    """A page's signalling without a page."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def say(self, type_: str, **fields: Any) -> None:
        await self._socket.send_json({"type": type_, **fields})

    async def hears(self, type_: str, event: str = "") -> Any:
        """The next message of this type; of `happened`, the one that tells of this event."""
        while True:
            message = await self._socket.receive_json(timeout=10)
            assert message["type"] != "error", message
            if message["type"] == type_ and event in ("", message.get("event", {}).get("type")):
                return message


@asynccontextmanager
async def voice(server: LiveServer, lesson: Lesson, token: str, name: str) -> AsyncIterator[Voice]:
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{server.url}/ws/{lesson.id}") as socket,
    ):
        one = Voice(socket)
        await one.say("hello", token=token, identity=secrets.token_hex(16), name=name, version=1)
        await one.hears("welcome")
        yield one


async def test_a_finished_lessons_report_shows_the_classroom_and_its_answer(
    server: LiveServer, lesson: Lesson, school: School
) -> None:
    async with (
        voice(server, lesson, lesson.teacher_token, "Li") as teacher,
        voice(server, lesson, lesson.classroom_token, "Class 3-2") as room,
    ):
        await teacher.say("start_lesson")
        await teacher.hears("lesson_changed")
        await room.say("set_heads", heads=38)
        await teacher.hears("happened", "heads_set")
        await teacher.say("open_poll", question="2 + 2?", choices=["3", "4"])
        poll = (await room.hears("happened", "poll_opened"))["event"]["poll"]
        await room.say("answer", poll=poll, counts=[3, 35])
        await teacher.hears("happened", "poll_answered")
        await teacher.say("reveal", poll=poll, right=1)
        await room.hears("happened", "poll_revealed")
        await teacher.say("end_lesson")
        await room.hears("lesson_changed")
    volunteer = await school.teacher(lesson)
    await volunteer.shows("ended")
    async with volunteer.page.expect_popup() as opened:
        await volunteer.press("report-link")
    report = await opened.value
    await expect(report.locator("h1")).to_have_text("Rivers")
    row = report.locator(part("rooms")).locator("tbody tr")
    await expect(row).to_have_count(1)
    await expect(row).to_contain_text("Class 3-2")
    await expect(row).to_contain_text("38 pupils")
    await expect(row).to_contain_text("1 of 1")
    await expect(report.locator(part("question"))).to_contain_text("2 + 2?")
    await expect(report.locator("[data-right]")).to_contain_text("35 pupils 92%")
    # The classroom's link is none for reports.
    await report.goto(f"{server.url}/report/{lesson.id}#{lesson.classroom_token}")
    await expect(report.locator(part("message"))).to_contain_text("This link is not valid any more")
