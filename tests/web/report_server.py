"""A server of the report page alone, with a lesson of six classrooms that can be changed while the page is open.

What the API answers is made by the server's own `lesson.report`, from a log.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
from aiohttp import web

from liveclass.lesson import events as e
from liveclass.lesson.messages import LessonInfo, LessonState
from liveclass.lesson.report import as_csv, report_of
from tests.web.replay_server import PAGES, POLICY

TOKEN = "r" * 22
LESSON = "lesson1"
BEGAN_MS = 1_795_000_000_000
LASTS_S = 2400

Events = list[tuple[float, e.BoardEvent]]


def _room(who: str, name: str, heads: int | None, *events: tuple[float, e.BoardEvent]) -> Events:
    said: Events = [] if heads is None else [(1, e.HeadsSet(who, heads))]
    return [(-300, e.Joined(who, name, "classroom")), (0, e.Received(who, "full")), *said, *events]


def _away(who: str, name: str, second: float, length_s: float) -> Events:
    """The line is gone for a while, and what was missed is caught up in steps of half a minute."""
    events: Events = [(second, e.Left(who)), (second + length_s, e.Joined(who, name, "classroom"))]
    behind, at = round(length_s / 30) * 30, second + length_s
    while behind > 0:
        events.append((at, e.Received(who, "sound", behind)))
        behind, at = behind - 30, at + 100
    return [*events, (at, e.Received(who, "reduced"))]


def _poll(
    poll: str, second: float, question: str, choices: list[str], right: int | None, *answers: tuple[str, str, list[int]]
) -> Events:
    events: Events = [(second, e.PollOpened(poll, question, choices))]
    for who, name, counts in answers:
        events.append((second + 40, e.PollAnswered(poll, who, name, counts)))
    return [*events, (second + 60, e.PollClosed(poll) if right is None else e.PollRevealed(poll, right))]


NAMES = (
    "石门小学 三（2）班",
    "石门小学 三（10）班",
    "大坪村教学点",
    "Yunling school, class 4-1",
    "Longshan 2",
    "桥头小学",
)

WHOLE: Events = [
    (-400, e.Joined("t1", "小李", "teacher")),
    (-200, e.Joined("t2", "Chen Yu", "teacher")),
    (0, e.LessonBegan()),
    *_room("c1", NAMES[0], 38, (600, e.Called("c1")), (745, e.CallEnded("c1")), (500, e.HandRaised("c1"))),
    *_room("c2", NAMES[1], 41, (900, e.Received("c2", "sound")), (1620, e.Received("c2", "full"))),
    *_room("c3", NAMES[2], 9, *_away("c3", NAMES[2], 700, 210)),
    *_room("c4", NAMES[3], 33, (1300, e.Received("c4", "screen")), (1900, e.Received("c4", "thin"))),
    *_room("c5", NAMES[4], None, (1500, e.Received("c5", "reconnecting")), (1680, e.Left("c5"))),
    (540, e.Joined("c6", NAMES[5], "classroom")),
    (540, e.Received("c6", "reduced")),
    (560, e.HeadsSet("c6", 27)),
    (905, e.SignGiven("c2", "cannot_see")),
    (1310, e.SignGiven("c4", "cannot_hear")),
    (1320, e.SignGiven("c4", "slower")),
    (1400, e.HandRaised("c4")),
    (1450, e.HandLowered("c4")),
    (1500, e.HandRaised("c4")),
    *_poll(
        "p1", 1000, "春天到了，哪种动物先从冬眠中醒来？", ["青蛙", "燕子", "蝴蝶", "蜜蜂"], 0,
        ("c1", NAMES[0], [30, 4, 3, 1]), ("c2", NAMES[1], [22, 10, 6, 3]), ("c4", NAMES[3], [12, 9, 8, 4]),
        ("c6", NAMES[5], [25, 1, 1, 0]),
    ),
    *_poll(
        "p2", 2000, "Which season do you like best?", ["Spring", "Summer", "Autumn", "Winter"], None,
        ("c1", NAMES[0], [12, 14, 8, 4]), ("c3", NAMES[2], [4, 2, 2, 1]),
    ),
    *_poll("p3", 2200, "", ["A", "B"], None),
    (1100, e.Marked("读课文：春天来了")),
    (1800, e.Marked("Song")),
    (10, e.StageShown("page", "b.1")),
    (400, e.StageShown("page", "b.2")),
    (1200, e.Said("小李", "teacher", "大家好")),
    (LASTS_S, e.LessonOver()),
]  # fmt: skip

NOBODY: Events = [one for one in WHOLE if isinstance(one[1], e.LessonBegan | e.LessonOver)] + [WHOLE[0]]
"""A lesson that the volunteer held before nobody."""


@dataclass
class Reported:
    """What is served, and may change while it is.

    Attributes:
        until_s: the lesson has come so far; nobody knows what follows.
        asked: how often the API was asked.
    """

    title: str = "三年级语文：春天来了"
    events: Events = field(default_factory=lambda: list(WHOLE))
    until_s: float = LASTS_S
    answering: bool = True
    asked: int = 0

    @property
    def log(self) -> list[e.Happened]:
        past = sorted((one for one in self.events if one[0] <= self.until_s), key=lambda one: one[0])
        return [
            e.Happened(seq, BEGAN_MS + int(second * 1000), "", event) for seq, (second, event) in enumerate(past, 1)
        ]

    @property
    def state(self) -> LessonState:
        if self.until_s < 0:
            return "waiting"
        return "ended" if self.until_s >= LASTS_S else "live"


@asynccontextmanager
async def serving(reported: Reported) -> AsyncIterator[str]:
    """Serves the page on a free port of loopback; yields its link."""

    async def page(_request: web.Request) -> web.StreamResponse:
        return web.FileResponse(PAGES / "report.html", headers={"Content-Security-Policy": POLICY})

    async def api(request: web.Request) -> web.StreamResponse:
        reported.asked += 1
        if not reported.answering:
            raise web.HTTPBadGateway
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            error = {"error": {"code": "token_invalid", "message": "This link is not valid."}}
            return web.json_response(error, status=401)
        info = LessonInfo(LESSON, reported.title, reported.state)
        report = report_of(info, reported.log, BEGAN_MS + int(reported.until_s * 1000))
        if request.query.get("format") == "csv":
            return web.Response(text=as_csv(report), content_type="text/csv", charset="utf-8")
        return web.Response(body=msgspec.json.encode(report), content_type="application/json")

    app = web.Application()
    app.router.add_get("/report/{lesson}", page)
    app.router.add_get("/api/reports/{lesson}", api)
    app.router.add_static("/assets", PAGES / "assets")
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}/report/{LESSON}#{TOKEN}"
    finally:
        await runner.cleanup()
