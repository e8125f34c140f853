"""A lesson's timeline and report over HTTP: the log as it was kept, and what came of the lesson as JSON or a table.

Shapes and addresses only; what a report says stands in `lesson.report`.
"""

import asyncio
import gzip
from collections.abc import Callable

from aiohttp import hdrs, web

from liveclass.errors import PeerError
from liveclass.lesson.report import LessonReport, as_csv, report_of
from liveclass.server.auth import Caller
from liveclass.server.http import json_response
from liveclass.server.lessons import Lessons
from liveclass.server.media import CLASSROOM, REPLAY_CALLERS
from liveclass.server.routing import Route

AT_ONCE = 2
"""Logs that are read at a time."""

REPORT_CALLERS: frozenset[Caller] = frozenset({"teacher", "admin"})

_REFUSALS = {401: "no valid token", 403: "the token does not permit this", 404: "no such lesson"}


class Timelines:
    """The handlers.

    Args:
        open_to_classrooms: the classroom link opens the replay too, so the timeline with it.
        wall: seconds since 1970.
    """

    def __init__(self, lessons: Lessons, *, open_to_classrooms: bool, wall: Callable[[], float]) -> None:
        self._lessons = lessons
        self._wall = wall
        # Each takes a thread and a whole log in memory; whoever asks a hundred times at once waits.
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._callers = REPLAY_CALLERS | CLASSROOM if open_to_classrooms else REPLAY_CALLERS

    def routes(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/api/timeline/{lesson}",
                handler=self._timeline,
                access=self._callers,
                summary="Everything that happened in the lesson, one JSON event a line",
                response="application/x-ndjson",
                query={"after": "events up to this number are left out"},
                refusals=_REFUSALS,
            ),
            Route(
                method="GET",
                path="/api/reports/{lesson}",
                handler=self._report,
                access=REPORT_CALLERS,
                summary="Who attended, what each room received, questions and answers",
                response=LessonReport,
                query={"format": "`csv`: the rooms as a table"},
                refusals=_REFUSALS,
            ),
        ]

    async def _timeline(self, request: web.Request) -> web.StreamResponse:
        held = await self._lessons.get(request.match_info["lesson"])
        after = _number(request.query.get("after", "0"))
        packed = "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "")
        async with self._turns:
            body = await asyncio.to_thread(self._lines, held.id, after, packed)
        headers = {hdrs.CACHE_CONTROL: "private, no-cache", hdrs.VARY: hdrs.ACCEPT_ENCODING}
        if packed:
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(body=body, content_type="application/x-ndjson", headers=headers)

    def _lines(self, lesson_id: str, after: int, packed: bool) -> bytes:
        path = self._lessons.boards.logbook.path(lesson_id)
        text = b"" if path is None else path.read_bytes()
        # What is being written at this moment may end in the midst of a line.
        text = text[: text.rfind(b"\n") + 1]
        if after:
            text = b"".join(line for line in text.splitlines(keepends=True) if _seq(line) > after)
        return gzip.compress(text, 6) if packed else text

    async def _report(self, request: web.Request) -> web.StreamResponse:
        held = await self._lessons.get(request.match_info["lesson"])
        info, logbook, now_ms = held.lesson.info, self._lessons.boards.logbook, int(self._wall() * 1000)
        async with self._turns:
            report = await asyncio.to_thread(lambda: report_of(info, logbook.read(held.id), now_ms))
            if request.query.get("format") != "csv":
                return json_response(report)
            table = await asyncio.to_thread(as_csv, report)
        return web.Response(
            text=table,
            content_type="text/csv",
            charset="utf-8",
            headers={
                hdrs.CACHE_CONTROL: "no-store",
                hdrs.CONTENT_DISPOSITION: f'attachment; filename="lesson-{held.id}.csv"',
            },
        )


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise PeerError("This is no number of an event.", status=422, code="field_invalid")
    return int(text)


def _seq(line: bytes) -> int:
    """The number of a line, which stands first in it after the tag."""
    _, _, rest = line.partition(b'"seq":')
    digits = rest.split(b",", 1)[0]
    return int(digits) if digits.isdigit() else 0
