"""Nothing is missed: a class that was cut off hears what was said meanwhile, in order and once, and is live again.

The volunteer's voice is a scale: each second has a tone of its own, so that what is heard says which second it is.
"""

import asyncio
import time
import wave
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import expect

from tests.e2e import senses
from tests.e2e.browser import Devices, person
from tests.e2e.gate import DatagramGate, Gate, send_media_through
from tests.e2e.media import SAMPLE_RATE, pulses, write_face
from tests.e2e.pages import ClassroomPage, TeachPage, part
from tests.e2e.school import FIRST_CLASS, TEACHER, School
from tests.e2e.server import Lesson, LiveServer
from tests.e2e.waiting import until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(120),
    # Over TCP the media would reach the server past the gate.
    pytest.mark.parametrize("server", [{"media_tcp": "false"}], indirect=True),
]

CUT_S = 5.0
"""Longer than any buffer bridges, short enough to be caught up with within the test."""
LIVE_WITHIN_S = 40.0
"""After the network's return: what was missed at 1.25 times real time, and the slide into the live sound."""
TONES = 36
"""Seconds until the scale begins again: longer than a room here is ever behind."""
LOWEST_HZ, STEP_HZ = 500.0, 75.0
"""Three times the senses' tolerance apart, and all within what a thin voice carries."""
STEP_S = 0.3
"""What the hand-over to live sound may say twice or leave silent. The ear of these tests blurs 0.17 s of it."""
PAUSE_S = 0.1
"""Of the scale itself, between its pulses."""
LOOK_S = 0.1
"""A look that comes later than this after the last says that the machine is busy, not that it was silent."""
WAITS_S = 10.0
"""A class that has heard nothing yet gives live sound this long."""

LISTEN = """() => {
  window.scale = [];
  const listen = async () => {
    for (;;) {
      const found = await analysers.heard(0.01);
      for (const { hz } of found.length ? found : [{ hz: 0 }]) scale.push([performance.now() / 1000, hz]);
    }
  };
  void listen();
}"""


def write_scale(path: Path) -> Path:
    """A voice whose tone climbs with every second; loops without a seam."""
    tones = [pulses(LOWEST_HZ + STEP_HZ * step, 1) for step in range(TONES)]
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes((np.concatenate(tones) * 32_767).astype("<i2").tobytes())
    return path


@dataclass(frozen=True, slots=True)
class Heard:
    """A second of the scale, and when it was heard first (seconds of the page's clock)."""

    step: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Class:
    """A lesson with one classroom, whose network can be cut."""

    teacher: TeachPage
    room: ClassroomPage
    media: DatagramGate
    web: Gate

    def cut(self) -> None:
        self.media.cut()
        self.web.cut()

    def mend(self) -> None:
        self.media.mend()
        self.web.mend()

    async def now_s(self) -> float:
        """Of the classroom's page."""
        return float(await self.room.page.evaluate("performance.now() / 1000"))

    async def looks(self) -> list[tuple[float, float]]:
        """When (seconds of the page's clock) which tone was heard (Hz, 0: none), some fifty times a second."""
        return [(at_s, hz) for at_s, hz in await self.room.page.evaluate("scale")]

    async def sounds(self) -> list[Heard]:
        """Every sound of the scale, some fifty a second while there is any."""
        found = []
        for at_s, hz in await self.looks():
            step = round((hz - LOWEST_HZ) / STEP_HZ)
            # The others are clicks, or what a resampler made of one.
            if 0 <= step < TONES and senses.is_near(hz, LOWEST_HZ + STEP_HZ * step):
                found.append(Heard(step, at_s))
        return found

    async def heard(self) -> list[Heard]:
        """The seconds of the scale in the order in which the room heard them, without what lasted under `STEP_S`."""
        runs: list[list[Heard]] = []
        for one in await self.sounds():
            if runs and runs[-1][-1].step == one.step:
                runs[-1].append(one)
            else:
                runs.append([one])
        lasting = [run[0] for run in runs if run[-1].at_s - run[0].at_s >= STEP_S]
        return [one for before, one in pairwise([Heard(-1, 0), *lasting]) if one.step != before.step]

    async def behind(self) -> bool:
        return await self.room.find("behind").count() > 0


@pytest.fixture
async def village(server: LiveServer, lesson: Lesson, school: School, tmp_path: Path) -> AsyncIterator[Class]:
    """The volunteer speaks, and the class listens."""
    async with AsyncExitStack() as stack:
        media = await stack.enter_async_context(DatagramGate(server.udp_port))
        web = await stack.enter_async_context(Gate(server.port))
        devices = Devices(write_scale(tmp_path / "scale.wav"), write_face(tmp_path / "face.y4m", TEACHER.number))
        volunteer, someone = await asyncio.gather(
            stack.enter_async_context(person("volunteer", devices)), school.person(FIRST_CLASS)
        )
        teacher = await TeachPage.open(volunteer, lesson.teacher_url)
        await teacher.start()
        await send_media_through(someone.context, server.udp_port, media.port)
        through = lesson.classroom_url.replace(f":{server.port}", f":{web.port}")
        made = Class(teacher, await ClassroomPage.open(someone, through), media, web)
        await made.room.page.evaluate(LISTEN)

        async def listens() -> bool:
            return len(await made.heard()) >= 3

        await asyncio.gather(
            until(listens, "the class hears the lesson", within=20),
            senses.sees(made.room.page, TEACHER.number),
            teacher.wait_for_tiles(1),
        )
        yield made


async def cut_off(village: Class) -> float:
    """The network is gone for `CUT_S`; returns when it came back, on the page's clock."""
    village.cut()
    await village.room.page.wait_for_timeout(CUT_S * 1000)
    village.mend()
    return await village.now_s()


def in_order(heard: list[Heard]) -> bool:
    """Nothing is missing and nothing was said twice."""
    return all(after.step == (before.step + 1) % TONES for before, after in pairwise(heard))


def longest_silence_s(looks: list[tuple[float, float]], *, since_s: float) -> float:
    """The pauses of the scale included."""
    longest = silence = 0.0
    for (before_s, _), (at_s, hz) in pairwise(looks):
        silence = 0.0 if hz > 0 or at_s < since_s else silence + min(at_s - before_s, LOOK_S)
        longest = max(longest, silence)
    return longest


async def test_what_was_said_during_a_cut_is_heard_in_order_and_once(village: Class) -> None:
    back_s = await cut_off(village)
    await village.room.shows("behind", within_ms=8_000)
    await senses.sees(village.room.page, TEACHER.number, selector=part("recorded"))

    async def live() -> bool:
        return not await village.behind()

    await until(live, "the room is live again", within=LIVE_WITHIN_S)
    live_s = await village.now_s()
    await senses.sees(village.room.page, TEACHER.number)
    heard, sounds = await village.heard(), await village.sounds()
    explained = [(one.step, round(one.at_s - back_s, 2)) for one in heard]
    assert in_order(heard), str(explained)
    first = next(one for one in sounds if one.at_s > back_s)
    silence_s = longest_silence_s(await village.looks(), since_s=first.at_s)
    at_handover = [one.step for one in sounds if abs(one.at_s - live_s) < 1]
    turns = sum(after != before for before, after in pairwise(at_handover)) - len(set(at_handover)) + 1
    print(
        f"sound after {first.at_s - back_s:.1f} s, live after {live_s - back_s:.1f} s, "
        f"longest silence {silence_s:.2f} s, turned back {turns // 2} times"
    )
    assert first.at_s - back_s < 4
    assert silence_s < STEP_S + PAUSE_S, str(explained)


async def test_the_volunteer_sees_how_far_a_room_is_behind_and_brings_it_to_the_live_lesson(village: Class) -> None:
    await cut_off(village)
    await village.room.shows("behind", within_ms=8_000)
    tile = village.teacher.tile()
    await expect(tile).to_contain_text("s behind, catching up", timeout=8_000)
    before = await village.heard()
    await tile.locator(part("jump")).click()
    begin = time.monotonic()

    async def live() -> bool:
        return not await village.behind()

    await until(live, "the room is live", within=5)
    print(f"live {time.monotonic() - begin:.1f} s after the press")
    jumped_s = await village.now_s()

    async def speaks() -> bool:
        return any(one.at_s > jumped_s + 0.5 for one in await village.heard())

    await until(speaks, "the live sound is heard", within=6)
    after = [one for one in await village.heard() if one.at_s > jumped_s + 0.5]
    # What lies between was skipped, as was asked for.
    assert (after[0].step - before[-1].step) % TONES >= 3
    await expect(tile.locator(part("jump"))).to_have_count(0, timeout=8_000)


async def test_a_class_that_no_live_media_reaches_listens_to_the_recording_by_itself(village: Class) -> None:
    """The web gets through, datagrams do not: to one that was live, and to one that opens the page only now."""
    village.media.cut()
    cut_s = await village.now_s()
    await village.room.shows("behind", within_ms=8_000)
    page = village.room.page
    before = [one for one in await village.heard() if one.at_s < cut_s]
    await page.wait_for_timeout(4_000)
    heard = await village.heard()
    assert in_order(heard), str(heard)
    assert len(heard) >= len(before) + 4
    waited_s = longest_silence_s(await village.looks(), since_s=cut_s - 1)
    print(f"silent for {waited_s:.1f} s at the cut")
    assert waited_s < 5

    await page.evaluate("localStorage.clear(); indexedDB.deleteDatabase('liveclass')")
    opened = time.monotonic()
    await page.reload()
    await page.evaluate(LISTEN)

    async def listens() -> bool:
        return len(await village.heard()) >= 3

    await until(listens, "the new class hears the recording", within=WAITS_S + 10)
    print(f"the new class heard three seconds {time.monotonic() - opened:.1f} s after it opened the page")
    assert await village.behind()
    assert in_order(await village.heard())


async def test_a_class_that_was_cut_off_when_the_lesson_ended_hears_it_to_its_end(village: Class) -> None:
    village.cut()
    cut_s = await village.now_s()
    await village.room.page.wait_for_timeout(CUT_S * 1000)
    await village.teacher.end()
    village.mend()
    await village.room.shows("stop", within_ms=8_000)
    assert await village.room.find("ended").count() == 0
    await village.room.shows("ended", within_ms=LIVE_WITHIN_S * 1000)
    heard = await village.heard()
    assert in_order(heard), str(heard)
    # The buffer has played on for a moment after the cut.
    assert sum(one.at_s > cut_s for one in heard) >= CUT_S - 1


async def test_a_window_that_another_one_has_replaced_is_silent(village: Class) -> None:
    old = village.room.page
    asked: list[str] = []
    old.on("request", lambda request: asked.append(request.url) if "/api/catchup/" in request.url else None)
    newer = await old.context.new_page()
    await newer.goto(old.url)
    await expect(old.locator(part("error"))).to_be_visible(timeout=8_000)
    silent_s = await village.now_s() + 1
    await old.wait_for_timeout(8_000)
    assert [one for one in await village.sounds() if one.at_s > silent_s] == []
    assert asked == []
