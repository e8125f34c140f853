"""One run: a server, a volunteer and a classroom in real browsers, one of the two behind a link that follows a course.

Knows how a lesson is brought about; what it was like is judged by `figures`.
"""

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import psutil  # type: ignore[import-untyped]
from tests.e2e.browser import Devices
from tests.links import BadLink, Course

from bench.mountain import figures as judge
from bench.mountain.materials import TEACHER, Materials
from bench.mountain.room import Room
from bench.mountain.stages import Stage, make_stage
from bench.mountain.timecode import write_wav

if TYPE_CHECKING:
    from playwright.async_api import Playwright

Server = Literal["liveclass", "plain", "janus"]
Side = Literal["classroom", "volunteer"]
Warm = Literal["another", "same"]

TICK_S = 0.5
"""How often the link's counters are read and the taps are emptied (every other time)."""
SOUND_WITHIN_S = 90.0
"""A room that has heard nothing until then is measured all the same, from then on."""
SETTLE_S = 2.0
"""From the first sound to the begin of the window: what the first second is like belongs to the opening."""
KEPT_WITHIN_S = 60.0
"""A first visit lasts a lesson, so the page has been kept for the next one when it ends."""
LATE_MS = 15.0
BUSY = 0.97
LAG = 0.01
"""An emulator later than this at p95, a machine busier than this, or one whose sound devices lost this share of time,
measures itself."""


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        seconds: length of the window.
        side: who is behind the link.
        settings: further settings of the server.
        keep: folder for what the room heard, as WAV; None: not kept.
        warm: "another": the page is kept from another lesson; "same": from this one, which the room has left for as
            long as a browser takes to close and open. The second visit, with the same profile, is measured.
    """

    course: Course
    seconds: float
    server: Server = "liveclass"
    side: Side = "classroom"
    settings: dict[str, str] = field(default_factory=dict)
    keep: Path | None = None
    warm: Warm | None = None
    number: int = 1


@dataclass
class Outcome:
    """One run's figures, and what explains them."""

    course: str
    server: str
    side: str
    figures: judge.Figures
    trusted: bool
    machine: dict[str, float]
    link: dict[str, Any]
    messages: list[tuple[float, dict[str, Any]]]
    complaints: list[str]
    timeline: list[dict[str, Any]]
    fetched: dict[str, list[list[Any]]]


async def measure(plan: Plan, materials: Materials) -> Outcome:
    """Brings about one lesson and measures it.

    Raises:
        tests.links.LinkError: this machine cannot make links.
        AssertionError: the server did not start.
    """
    return await _Run(plan, materials).whole()


class _Run:
    def __init__(self, plan: Plan, materials: Materials) -> None:
        self.plan, self.materials = plan, materials
        self.down: list[judge.LinkSample] = []
        self.up: list[judge.LinkSample] = []
        self.busy: list[float] = []
        self.reopened_s: float | None = None

    async def whole(self) -> Outcome:
        from playwright.async_api import async_playwright

        plan = self.plan
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="liveclass-mountain-")))
            self.link = await stack.enter_async_context(BadLink(plan.course.loading()))
            self.lesson: Stage = await make_stage(stack, folder, plan.server, self.link.server_address, plan.settings)
            playwright = await stack.enter_async_context(async_playwright())
            length = round(plan.seconds + SOUND_WITHIN_S + 60)
            voice = Devices(self.materials.voice(length), self.materials.face(), autoplay=True)
            self.volunteer = self._room(playwright, folder / "v", voice, far=plan.side == "volunteer")
            self.classroom = self._room(playwright, folder / "c", Devices(autoplay=True), far=plan.side == "classroom")
            for room in (self.volunteer, self.classroom):
                stack.push_async_callback(room.close)
            await self.volunteer.start()
            await self.volunteer.open(self.lesson.teach_url(far=plan.side == "volunteer"))
            await self.lesson.begin(self.volunteer.page)
            await self._enter()
            await self._window()
            return self._outcome()

    def _room(self, playwright: "Playwright", profile: Path, devices: Devices, *, far: bool) -> Room:
        if not far:
            return Room(playwright, profile, devices)
        return Room(playwright, profile, devices, wrap=self.link.wrapper, secure=(self.lesson.far_origin,))

    async def _enter(self) -> None:
        """The classroom opens its page and hears the lesson."""
        url = self.lesson.class_url(far=self.plan.side == "classroom")
        if self.plan.warm:
            earlier = url if self.plan.warm == "same" else await self.lesson.earlier_class_url(far=True)
            await self.classroom.start()
            await self.classroom.open(earlier)
            if earlier == url:
                await self._until_sound()
            await self.classroom.keep_page(KEPT_WITHIN_S)
            await self.classroom.close()
            self.classroom.diary = type(self.classroom.diary)()
        await self.classroom.start()
        await self.classroom.open(url)
        await self._until_sound()
        self.opened_s = self.classroom.opened_s

    async def _until_sound(self) -> None:
        end = time.time() + SOUND_WITHIN_S
        while time.time() < end:
            await asyncio.sleep(1)
            await self._drain()
            if judge.first_sound(self.classroom.diary.sound(), self.classroom.opened_s) is not None:
                break
        await asyncio.sleep(SETTLE_S)

    async def _window(self) -> None:
        plan, stages = self.plan, list(self.plan.course.stages)
        outage = plan.course.outage() if plan.course.reboot else None
        begin = time.monotonic()
        self.begin_s = time.time()
        psutil.cpu_percent()
        ticks = 0
        while (now := time.monotonic() - begin) < plan.seconds:
            if stages and now >= stages[0].at_s:
                self.link.set(stages.pop(0).profile)
            if outage and self.reopened_s is None:
                await self._power(now, *outage)
            self._count()
            if ticks % 2 == 0:
                await self._drain()
            ticks += 1
            edges = [stage.at_s for stage in stages[:1]] + [begin_of for begin_of in (outage or ()) if begin_of > now]
            target = min([ticks * TICK_S, *edges]) if ticks * TICK_S > now else now + TICK_S
            await asyncio.sleep(max(0.01, begin + target - time.monotonic()))
        self._count()
        self.end_s = time.time()
        await self._drain()
        self.stats = self.link.stats()

    async def _power(self, now: float, cut: float, back: float) -> None:
        """The power of the far side's machine: off in the outage, on with the link, with the page as the start page."""
        room, far = (self.classroom, self.lesson.class_url(far=True))
        if now >= back:
            await room.start()
            self.reopened_s = time.time()
            await room.open(far)
        elif now >= cut and not self.is_off:
            self.is_off = True
            await room.drain()
            self.link.kill_all()
            await room.off()

    is_off = False

    async def _drain(self) -> None:
        await asyncio.gather(self.volunteer.drain(), self.classroom.drain())

    def _count(self) -> None:
        stats, now = self.link.stats(), time.time()
        for samples, name in ((self.down, "down"), (self.up, "up")):
            side = stats[name]
            rate = stats["profile"][name]
            samples.append(judge.LinkSample(now, rate, side["bytes_in"], side["bytes_out"], side["dropped_queue"]))
        self.busy.append(psutil.cpu_percent() / 100)

    def _outcome(self) -> Outcome:
        plan, diary = self.plan, self.classroom.diary
        outage = plan.course.outage()
        run = judge.Run(
            opened_s=self.opened_s,
            begin_s=self.begin_s,
            end_s=self.end_s,
            heard=diary.sound(),
            spoken=self.volunteer.diary.microphone(),
            pictures=diary.pictures,
            snapshots=diary.snapshots,
            reopened_s=self.reopened_s,
            outage_s=(self.begin_s + outage[0], self.begin_s + outage[1]) if outage else None,
            down=self.down,
            up=self.up,
        )
        if plan.keep:
            plan.keep.mkdir(parents=True, exist_ok=True)
            name = f"{plan.course.name}-{plan.server}-{plan.side}-{plan.number}"
            write_wav(plan.keep / f"{name}-heard.wav", run.heard.between(run.begin_s, run.end_s))
            write_wav(plan.keep / f"{name}-spoken.wav", run.spoken.between(run.begin_s, run.end_s))
        late = max(self.stats[side]["emulator_late_ms"].get("p95", 0.0) for side in ("down", "up"))
        busy = sum(self.busy) / max(1, len(self.busy))
        lag = max(room.diary.lag_s() for room in (self.volunteer, self.classroom)) / (run.end_s - run.opened_s)
        return Outcome(
            course=plan.course.name,
            server=plan.server,
            side=plan.side,
            figures=judge.figures(run, TEACHER),
            trusted=late <= LATE_MS and busy <= BUSY and lag <= LAG,
            machine={"emulator_late_p95_ms": late, "busy": round(busy, 3), "sound_lag": round(lag, 4)},
            link=self.stats,
            messages=[(round(at - self.begin_s, 2), message) for at, message in self.classroom.messages],
            complaints=self.volunteer.complaints[:20] + self.classroom.complaints[:20],
            timeline=judge.timeline(run, TEACHER),
            fetched={load: [hidden(one) for one in fetched] for load, fetched in diary.fetched.items()},
        )


def hidden(fetched: list[Any]) -> list[Any]:
    """A line of `Diary.fetched` in whole milliseconds, without the secrets that links to pages end with."""
    path, *numbers = fetched
    return [path if path.count("/") < 2 or path.startswith("/assets/") else path[: path.rindex("/") + 1]] + [
        round(number) for number in numbers
    ]
