"""Takes the pictures of the docs: `python -m tests.e2e.pictures docs/images [--language en]`.

Goes through one small lesson as its people would (a deck, drawing, a question, hands, the end, replay and report) and
photographs each page at the three sizes that it is made for. No test: it judges nothing.
"""

import argparse
import asyncio
import contextlib
import io
import math
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from playwright.async_api import Page

from tests.e2e.pages import TeachPage, part
from tests.e2e.school import FIRST_CLASS, SECOND_CLASS, TEACHER, School, Wardrobe
from tests.e2e.server import Lesson, LiveServer
from tests.e2e.sockets import joined

SIZES = {"projector": (1280, 720), "laptop": (1440, 900), "phone": (390, 844)}
WORDS = {
    "en": ("Leaves in autumn", "Why do leaves turn red?", ["sugar", "rain", "wind"], "Class 3-2", "Good morning"),
    "zh-CN": ("秋天的叶子", "叶子为什么会变红？", ["糖分", "雨水", "风"], "三年级二班", "早上好"),
}
FONT = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"


def slides(language: str) -> bytes:
    """Three slides as a PDF, painted rather than set: no font need be embedded."""
    title = WORDS[language][0]
    out: list[Image.Image] = []
    for number, colour in enumerate(("#1f6f5c", "#c9821b", "#b3372f"), 1):
        picture = Image.new("RGB", (1280, 720), "#faf8f3")
        draw = ImageDraw.Draw(picture)
        draw.rectangle((0, 0, 1280, 14), fill=colour)
        with contextlib.suppress(OSError):
            draw.text((90, 90), f"{number}  {title}", fill="#1e2a2f", font=ImageFont.truetype(FONT, 64))
        for leaf in range(7):
            x, y, turn = 190 + leaf * 150, 420 + 60 * math.sin(leaf * 1.7), 40 + leaf * 4
            draw.ellipse((x - 46, y - turn, x + 46, y + turn), fill=colour)
            draw.line((x, y - turn, x, y + turn + 34), fill="#1e2a2f", width=4)
        out.append(picture)
    with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
        out[0].save(file.name, "PDF", save_all=True, append_images=out[1:])
        return Path(file.name).read_bytes()


class Album:
    """Where the pictures go."""

    def __init__(self, folder: Path, language: str) -> None:
        self._folder = folder
        self._ending = "" if language == "en" else f"-{language}"

    async def take(self, page: Page, name: str, sizes: tuple[str, ...] = ("projector", "laptop", "phone")) -> None:
        for size in sizes:
            width, height = SIZES[size]
            await page.set_viewport_size({"width": width, "height": height})
            await page.wait_for_timeout(700)
            shot = Image.open(io.BytesIO(await page.screenshot())).convert("RGB")
            # No more colours than anybody sees: the docs travel with every clone.
            shot.quantize(256, kmeans=2).save(self._folder / f"{name}-{size}{self._ending}.png", optimize=True)
        await page.set_viewport_size({"width": 1440, "height": 900})


async def scribble(teacher: TeachPage) -> None:
    """Draw a ring and an underline with the mouse."""
    box = await teacher.find("board-page").bounding_box()
    assert box is not None
    mouse = teacher.page.mouse

    async def line(points: list[tuple[float, float]]) -> None:
        x, y = points[0]
        await mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        await mouse.down()
        for x, y in points[1:]:
            await mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
            await teacher.page.wait_for_timeout(12)
        await mouse.up()

    await line([(0.5 + 0.09 * math.cos(a / 6), 0.6 + 0.2 * math.sin(a / 6)) for a in range(40)])
    await line([(0.07 + n / 60, 0.28 + 0.01 * math.sin(n)) for n in range(28)])


async def lesson(album: Album, language: str, folder: Path) -> None:
    title, question, choices, room_name, greeting = WORDS[language]
    server = LiveServer(folder / "data")
    await server.start()
    made: Lesson = await server.create_lesson(title, language)
    deck = folder / ("leaves.pdf" if language == "en" else "叶子.pdf")
    deck.write_bytes(slides(language))
    async with School(Wardrobe(folder)) as school, contextlib.AsyncExitStack() as rooms:
        teacher = await TeachPage.open(await school.person(TEACHER, language=language), made.teacher_url)
        person = await school.person(FIRST_CLASS, language=language)
        room = await person.open(made.classroom_url)
        await room.evaluate(
            "name => localStorage.setItem('liveclass.name.classroom', name)",
            room_name,
        )
        await room.reload()
        await room.wait_for_timeout(2500)
        await album.take(room, "class-waiting")
        await teacher.page.wait_for_timeout(1500)
        await album.take(teacher.page, "teach-before", ("laptop", "phone"))
        await room.locator(part("enter")).click()
        await teacher.start()
        others = [
            await rooms.enter_async_context(joined(server.url, made.id, made.classroom_token, f"{room_name} · {n}"))
            for n in range(2, 9)
        ]
        await teacher.press("slides")
        await teacher.page.set_input_files(part("file"), str(deck))
        await teacher.page.locator(f'{part("material")}[data-state="ready"]').first.wait_for(timeout=60_000)
        await teacher.page.wait_for_timeout(2500)
        await album.take(teacher.page, "teach-materials", ("laptop", "phone"))
        await teacher.page.locator(part("show")).first.click()
        if await teacher.find("drawer").is_visible():
            await teacher.press("drawer-close")
        await teacher.page.wait_for_timeout(1500)
        await scribble(teacher)
        for number, other in enumerate(others):
            await other.say("set_heads", heads=31 + number)
        await others[1].say("hand", up=True)
        await others[4].say("sign", sign="slower")
        await teacher.page.wait_for_timeout(2500)
        await album.take(teacher.page, "teach-slide")
        await album.take(room, "class-slide")
        await teacher.press("ask")
        await teacher.page.wait_for_timeout(500)
        await album.take(teacher.page, "teach-ask", ("laptop",))
        async with joined(server.url, made.id, made.teacher_token, "") as helper:
            await helper.say("open_poll", question=question, choices=choices)
            await asyncio.sleep(0.5)
            for number, other in enumerate(others):
                await other.say("answer", poll="p1", counts=[20 + number, 6, 5 - number % 4])
            await teacher.page.wait_for_timeout(1500)
            await album.take(room, "class-question")
            await helper.say("reveal", poll="p1", right=0)
            await helper.say("chat", text=greeting)
        await teacher.page.wait_for_timeout(1500)
        await album.take(teacher.page, "teach-result", ("laptop",))
        await album.take(room, "class-result", ("projector", "phone"))
        await teacher.press("panel-close")
        await teacher.end()
        await teacher.page.wait_for_timeout(1500)
        await album.take(teacher.page, "teach-ended", ("laptop",))
        viewer = await (await school.person(SECOND_CLASS, language=language)).open(made.replay_url)
        await viewer.locator(part("big-play")).or_(viewer.locator(part("play"))).first.click()
        await viewer.wait_for_timeout(1000)
        await viewer.locator(part("chapter")).last.click()
        await viewer.wait_for_timeout(3000)
        await album.take(viewer, "replay")
        url = made.teacher_url.replace("/teach/", "/report/")
        await viewer.goto(url)
        await viewer.wait_for_timeout(2000)
        await album.take(viewer, "report")
    await server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--language", choices=tuple(WORDS), default="en")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(lesson(Album(args.folder, args.language), args.language, Path(folder)))


if __name__ == "__main__":
    main()
