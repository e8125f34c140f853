"""What was drawn, shown and written in a lesson against what its replay shows, read off the replay's own pixels."""

import asyncio
import io
import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from PIL import Image

from tests.e2e import programme
from tests.e2e.client import publishing
from tests.e2e.pages import ReplayPage
from tests.e2e.school import School
from tests.e2e.server import Lesson, LiveServer
from tests.e2e.waiting import until

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

RED = (0xD4, 0x3A, 0x2F)
SLIDE = (0x8F, 0xC1, 0xE3)

AT = """([x, y]) => {
  const page = document.querySelector("[data-test=board-page]");
  if (page === null || page.style.visibility === "hidden") return null;
  const canvas = document.createElement("canvas");
  canvas.width = 160; canvas.height = 90;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  for (const one of page.querySelectorAll("img, canvas")) if (one.width > 0) pen.drawImage(one, 0, 0, 160, 90);
  const [r, g, b, a] = pen.getImageData(Math.round(x * 160), Math.round(y * 90), 1, 1).data;
  return a < 128 ? null : [r, g, b];
}"""
"""The colour at a place of the page that is shown; null on bare paper, and where no page is."""


class Volunteer:
    """A teacher's socket: sends orders, and waits until each has happened."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def hello(self, token: str) -> str:
        """Come in and start the lesson; the token with which this participant publishes."""
        await self._socket.send_json({"type": "hello", "token": token, "identity": "e" * 32, "name": "Ms Lin"})
        welcome = await self._until(lambda message: message["type"] == "welcome")
        await self._until(lambda message: message["type"] == "board")
        await self._socket.send_json({"type": "start_lesson"})
        await self._until(lambda message: message["type"] == "lesson_changed")
        return str(welcome["media_token"])

    async def does(self, event: str, **order: Any) -> int:
        """Send an order; the moment (milliseconds since 1970) at which its event happened."""
        await self._socket.send_json(order)
        message = await self._until(lambda one: one["type"] == "happened" and one["event"]["type"] == event)
        return int(message["at_ms"])

    async def material(self, id: str) -> dict[str, Any]:
        """Wait until a material is ready."""

        def ready(message: dict[str, Any]) -> bool:
            return any(m["id"] == id and m.get("state") == "ready" for m in _materials(message))

        message = await self._until(ready)
        return next(m for m in _materials(message) if m["id"] == id)

    async def _until(self, right: Any) -> dict[str, Any]:
        async with asyncio.timeout(30):
            while True:
                message: dict[str, Any] = json.loads(await self._socket.receive_str())
                assert message["type"] != "error", message
                if right(message):
                    return message


def _materials(message: dict[str, Any]) -> list[dict[str, Any]]:
    if message["type"] == "happened" and message["event"]["type"] == "material_changed":
        return [message["event"]["material"]]
    return list(message["materials"]) if message["type"] == "board" else []


def slide() -> bytes:
    """A page of one colour."""
    out = io.BytesIO()
    Image.new("RGB", (1600, 900), SLIDE).save(out, "PNG")
    return out.getvalue()


async def upload(server: LiveServer, lesson: Lesson) -> str:
    """The id of the deck that is made of it."""
    headers = {"Authorization": f"Bearer {lesson.teacher_token}"}
    url = f"{server.url}/api/materials/{lesson.id}?name=river.png"
    async with (
        aiohttp.ClientSession(headers=headers, raise_for_status=True) as http,
        http.post(url, data=slide()) as answer,
    ):
        return str((await answer.json())["id"])


async def taught(server: LiveServer, lesson: Lesson) -> dict[str, float]:
    """Teach with a blackboard, a slide and a line of chat; when what happened, in seconds of the replay."""
    known = programme.encode(6, 30)
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{server.url}/ws/{lesson.id}") as socket:
        volunteer = Volunteer(socket)
        media_token = await volunteer.hello(lesson.teacher_token)
        async with publishing(lesson.whip_url, media_token, known):
            moments = await orders(server, lesson, volunteer)
    await server.api("POST", f"/api/lessons/{lesson.id}/end")

    async def finished() -> bool:
        return bool((await server.replay(lesson))["recording"]["state"] == "finished")

    await until(finished, "the recording is finished")
    (part,) = (await server.replay(lesson))["parts"]
    return {name: part["starts_at_s"] + (at_ms - part["began_at_ms"]) / 1000 for name, at_ms in moments.items()}


async def orders(server: LiveServer, lesson: Lesson, volunteer: Volunteer) -> dict[str, int]:
    """What the volunteer does, and the moment of each."""
    moments: dict[str, int] = {}
    await asyncio.sleep(3)
    moments["board"] = await volunteer.does("stage_shown", type="show", stage="page", page="b.1")
    await asyncio.sleep(3)
    line = {"type": "draw", "id": "stroke-one", "page": "b.1", "tool": "pen", "color": "#d43a2f", "width": 200}
    moments["stroke"] = await volunteer.does("stroke_begun", **line, points=[1000, 2800, 50])
    more = {"type": "draw_more", "id": "stroke-one"}
    await volunteer.does("stroke_grew", **more, points=[3000, 0, 0], done=False)
    await asyncio.sleep(2)
    moments["grown"] = await volunteer.does("stroke_grew", **more, points=[4500, 0, 0], done=True)
    await asyncio.sleep(2)
    await volunteer.does("said", type="chat", text="Where does the Yangtze begin?")
    deck = await upload(server, lesson)
    await volunteer.material(deck)
    moments["slide"] = await volunteer.does("stage_shown", type="show", stage="page", page=f"{deck}.1")
    await asyncio.sleep(3)
    moments["live"] = await volunteer.does("stage_shown", type="show", stage="live")
    await asyncio.sleep(3)
    return moments


async def look(viewer: ReplayPage, second: float, x: float, y: float = 0.5) -> tuple[int, ...] | None:
    """What stands at a place of the page at a second of the replay, once the picture is there."""
    page: Page = viewer.page
    await page.evaluate("(at) => { document.querySelector('[data-test=main]').currentTime = at; }", second)
    await page.wait_for_function("() => !document.querySelector('[data-test=main]').seeking")
    await asyncio.sleep(0.6)
    seen = await page.evaluate(AT, [x, y])
    return None if seen is None else tuple(seen)


def alike(seen: tuple[int, ...] | None, colour: tuple[int, ...]) -> bool:
    return seen is not None and all(abs(a - b) < 24 for a, b in zip(seen, colour, strict=True))


async def test_the_replay_shows_the_board_as_it_was_and_finds_what_was_said(
    server: LiveServer, lesson: Lesson, school: School
) -> None:
    at = await taught(server, lesson)
    viewer = await school.viewer(lesson)
    await viewer.shows("panel")

    # The stroke comes when it came, and grows as it grew.
    assert await look(viewer, at["board"] - 1, 0.2) is None
    assert not await viewer.page.locator("[data-test=board]").count()
    assert await look(viewer, at["stroke"] - 0.5, 0.2) is None
    assert await viewer.page.locator("[data-test=board]").count()
    assert alike(await look(viewer, at["grown"] - 0.5, 0.2), RED)
    assert await look(viewer, at["grown"] - 0.5, 0.7) is None
    assert alike(await look(viewer, at["grown"] + 0.5, 0.7), RED)
    # Backwards too.
    assert await look(viewer, at["stroke"] - 0.5, 0.2) is None

    # The slide is the picture that was uploaded; after it the camera has the stage again.
    assert alike(await look(viewer, at["slide"] + 1, 0.7), SLIDE)
    await look(viewer, at["live"] + 1, 0.7)
    assert not await viewer.page.locator("[data-test=board]").count()

    # Chapters jump; so does what search has found.
    page = viewer.page
    chapters = page.locator("[data-test=chapter]")
    assert await chapters.count() == 2
    assert await chapters.nth(1).locator("img").count(), "the slide's own thumbnail"
    await chapters.nth(0).click()
    assert abs(await viewer.position() - at["board"]) < 0.5
    await page.click("[data-test=tab-search]")
    await page.fill("[data-test=search-field]", "yangtze")
    await page.click("[data-test=found-place]")
    assert at["grown"] < await viewer.position() < at["slide"]
    assert alike(tuple(await page.evaluate(AT, [0.7, 0.5])), RED)
    await page.click("[data-test=tab-chat]")
    assert "Where does the Yangtze begin?" in await page.inner_text("[data-test=chat-line]")
