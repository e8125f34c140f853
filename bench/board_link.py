"""`python -m bench.board_link`: slides and strokes in a classroom behind a bad link, from click to painted frame.

    python -m bench.board_link --profile mountain-3g --turns 40

Three figures: a slide that the classroom has; one that it does not have, until something readable stands; strokes
behind the hand that draws them. With `--sound` a volunteer speaks all the while: a class that listens lags by choice,
and its board with it, so the buffer's depth is printed beside the figures.

Needs root (network namespaces), Chromium, and a machine that does little else.
"""

import argparse
import asyncio
import io
import random
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw
from playwright.async_api import Page
from tests.e2e import media
from tests.e2e.browser import Devices, person
from tests.e2e.pages import ClassroomPage, TeachPage
from tests.e2e.server import LiveServer
from tests.e2e.volunteer import Volunteer, join
from tests.e2e.waiting import until
from tests.links import BadLink

PAGES = 8

EYES = """
window.seen = []; window.ink = [];
const small = document.createElement("canvas");
small.width = small.height = 8;
const context = small.getContext("2d", { willReadFrequently: true });
let source = "", reach = 0;
const look = () => {
  const board = document.querySelector('[data-test="class-board"]');
  if (board && getComputedStyle(board).visibility !== "hidden") {
    const image = board.querySelector(".board-back img");
    const now = image ? image.src : "";
    if (now !== source) {
      source = now;
      if (image) {
        context.drawImage(image, 0, 0, 8, 8);
        window.seen.push({ at: Date.now(), color: Array.from(context.getImageData(0, 7, 1, 1).data.slice(0, 3)), width: image.naturalWidth });
      }
    }
    if (window.watchInk) {
      let far = 0;
      for (const canvas of board.querySelectorAll("canvas")) {
        const row = canvas.getContext("2d").getImageData(0, Math.round(canvas.width * 0.3), canvas.width, 1).data;
        for (let x = canvas.width - 1; x > far * canvas.width / 10000; x -= 1) if (row[x * 4 + 3] > 60) { far = Math.round(x * 10000 / canvas.width); break; }
      }
      if (far > reach) window.ink.push({ at: Date.now(), x: far });
      reach = far;
    }
  }
  requestAnimationFrame(look);
};
requestAnimationFrame(look);
window.buffered = async () => {
  const all = [];
  for (const connection of window.peers || []) {
    for (const one of (await connection.getStats()).values()) {
      if (one.type === "inbound-rtp" && one.kind === "audio" && one.jitterBufferEmittedCount) all.push([one.id, one.jitterBufferDelay, one.jitterBufferEmittedCount]);
    }
  }
  return all;
};
const Peer = RTCPeerConnection;
window.peers = [];
window.RTCPeerConnection = class extends Peer { constructor(...all) { super(...all); window.peers.push(this); } };
"""  # noqa: E501


def slide(number: int, color: tuple[int, int, int]) -> Image.Image:
    """A page as volunteers make them: a heading, some lines, a picture of many colours."""
    chance = random.Random(number)
    page = Image.new("RGB", (1600, 900), color)
    draw = ImageDraw.Draw(page)
    draw.text((80, 60), f"Lesson {number}: rivers", fill=(255, 255, 255), font_size=80)
    for line in range(6):
        draw.text((80, 220 + line * 80), "From the mountain to the sea " * 2, fill=(255, 255, 255), font_size=36)
    for _ in range(300):
        x, y, r = chance.randrange(1000, 1560), chance.randrange(300, 840), chance.randrange(4, 60)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(chance.randrange(256) for _ in range(3)))
    return page


def color_of(number: int) -> tuple[int, int, int]:
    """So far apart that no compression mixes them up."""
    return (40 + number % 4 * 50, 40 + number // 4 % 4 * 50, 90 + number // 16 * 50)


def deck(numbers: range) -> bytes:
    pages = [slide(number, color_of(number)) for number in numbers]
    out = io.BytesIO()
    pages[0].save(out, "PDF", save_all=True, append_images=pages[1:])
    return out.getvalue()


def near(color: list[int], wanted: tuple[int, int, int]) -> bool:
    return all(abs(a - b) < 20 for a, b in zip(color, wanted, strict=True))


async def painted(page: Page, wanted: tuple[int, int, int], since_s: float, within: float) -> tuple[float, int]:
    """Seconds from `since_s` until a picture of this colour stood, and the width of it."""
    found: list[tuple[float, int]] = []

    async def look() -> bool:
        for one in await page.evaluate("window.seen"):
            if one["at"] / 1000 >= since_s - 0.002 and near(one["color"], wanted):
                found.append((one["at"] / 1000 - since_s, one["width"]))
                return True
        return False

    await until(look, "the slide stands", within=within)
    return found[0]


def quantiles(name: str, values: list[float], unit: str = "s") -> str:
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    count = len(ordered)
    return f"{name}: median {statistics.median(ordered):.2f} {unit}, p95 {p95:.2f}, most {ordered[-1]:.2f} ({count})"


async def buffered(page: Page, before: list[Any]) -> tuple[float | None, list[Any]]:
    """How long what was heard since `before` had waited in the jitter buffer, seconds."""
    now: list[Any] = await page.evaluate("window.buffered()")
    old = {name: (delay, count) for name, delay, count in before}
    waited = [
        (delay - old[name][0]) / (count - old[name][1])
        for name, delay, count in now
        if name in old and count > old[name][1]
    ]
    return (max(waited) if waited else None), now


async def delivered(volunteer: Volunteer, page: Page, name: str, turns: int) -> list[str]:
    chance, took, lags, at = random.Random(1), [], [], 1
    before: list[Any] = await page.evaluate("window.buffered()")
    for _ in range(turns):
        at = chance.choice([n for n in range(1, PAGES + 1) if n != at])
        since = await volunteer.show(f"{name}.{at}")
        took.append((await painted(page, color_of(at), since, 15))[0])
        lag, before = await buffered(page, before)
        lags += [lag] if lag is not None else []
        await asyncio.sleep(1 + chance.random())
    lines = [quantiles("a slide that is here, click to frame", took)]
    return lines + ([quantiles("  sound heard then had waited", lags)] if lags else [])


async def fresh(volunteer: Volunteer, page: Page, turns: int) -> list[str]:
    took, widths = [], []
    for turn in range(turns):
        number = PAGES + 1 + turn
        out = io.BytesIO()
        slide(number, color_of(number)).save(out, "PNG")
        name = (await volunteer.upload(f"page-{number}.png", out.getvalue()))["id"]
        since = await volunteer.show(f"{name}.1")
        seconds, width = await painted(page, color_of(number), since, 30)
        took.append(seconds)
        widths.append(width)
        await asyncio.sleep(4)
    return [quantiles("a slide that is not here, click to readable", took), f"  first width: {sorted(set(widths))}"]


async def strokes(volunteer: Volunteer, page: Page, seconds: float) -> list[str]:
    await volunteer.show("b.1")
    await asyncio.sleep(3)
    await page.evaluate("window.watchInk = true")
    said: list[tuple[int, float]] = []
    steps = round(seconds / 0.05)
    width = 8_500 / steps
    x = 800
    said.append(
        (
            x,
            await volunteer.say(
                "draw", id="benchstroke1", page="b.1", tool="pen", color="#d5400c", width=40, points=[x, 3000, 50]
            ),
        )
    )
    begin = time.monotonic()
    for step in range(1, steps + 1):
        await asyncio.sleep(max(0.0, begin + step * 0.05 - time.monotonic()))
        to = 800 + round(width * step)
        said.append(
            (to, await volunteer.say("draw_more", id="benchstroke1", points=[to - x, 0, 0], done=step == steps))
        )
        x = to
    await asyncio.sleep(6)
    ink = await page.evaluate("window.ink")
    behind = []
    for to, when in said[5:-2]:
        seen = next((one["at"] / 1000 for one in ink if one["x"] >= to and one["at"] / 1000 > when - 1), None)
        if seen is not None:
            behind.append(seen - when)
    return [quantiles("strokes behind the hand", behind)]


async def measure(profile: str, turns: int, sound: bool) -> list[str]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="liveclass-board-")))
        link = await stack.enter_async_context(BadLink(profile))
        server = LiveServer(folder / "data", {"host": "0.0.0.0", "public_address": link.server_address})  # noqa: S104
        await server.start()
        stack.push_async_callback(server.stop, hard=True)
        lesson = await server.create_lesson()
        far = f"http://{link.server_address}:{server.port}"
        volunteer = await stack.enter_async_context(join(server, lesson))
        if sound:
            voice, face = media.write_voice(folder / "v.wav", 1000), media.write_face(folder / "f.y4m", 1)
            teacher = await stack.enter_async_context(person("volunteer", Devices(voice, face)))
            await TeachPage.open(teacher, lesson.teacher_url)
        secure = f"--unsafely-treat-insecure-origin-as-secure={far}"
        pupils = await stack.enter_async_context(
            person("class", Devices(autoplay=True, more=(secure,)), size=(800, 450), wrap=link.wrapper)
        )
        await pupils.context.add_init_script(EYES)
        classroom = await ClassroomPage.open(pupils, lesson.classroom_url.replace(server.url, far), press=False)
        page = classroom.page
        name = (await volunteer.upload("deck.pdf", deck(range(1, PAGES + 1))))["id"]
        begin = time.monotonic()
        await volunteer.everyone_has(name, PAGES, within=300)
        took, kb = time.monotonic() - begin, volunteer.material(name)["bytes"] // 1000
        lines = [f"a deck of {PAGES} pages ({kb} kB in all widths) was there after {took:.0f} s"]
        await volunteer.show(f"{name}.1")
        await classroom.shows("class-board")
        await asyncio.sleep(5)
        lines += await delivered(volunteer, page, name, turns)
        lines += await fresh(volunteer, page, max(4, turns // 3))
        lines += await strokes(volunteer, page, 20)
        return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="mountain-3g")
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--sound", action="store_true", help="a volunteer speaks and is seen all the while")
    asked = parser.parse_args()
    print("\n".join(["", asked.profile, *asyncio.run(measure(asked.profile, asked.turns, asked.sound))]))


if __name__ == "__main__":
    main()
