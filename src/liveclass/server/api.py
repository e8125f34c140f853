"""The admin's HTTP API for lessons and links: `/api/lessons` and below.

Shapes, bounds and addresses; what a lesson is stands in `lesson`, what is stored in `catalogue`.
"""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from liveclass.errors import PeerError
from liveclass.lesson.messages import LessonState, Participant, RecordingState
from liveclass.server.auth import Caller
from liveclass.server.held import Held
from liveclass.server.http import Proxies, json_body, json_response
from liveclass.server.lessons import Lessons
from liveclass.server.ports import LINK_ROLES, CataloguePort, LessonRow, LinkRole, RecordingsPort
from liveclass.server.routing import Route

ADMIN: frozenset[Caller] = frozenset({"admin"})

PAGE_LIMIT = 50
PAGE_LIMIT_MAX = 200
"""Lessons in one answer of the list: what a page of an office's tool shows, and what one answer may weigh."""

PAGES: dict[LinkRole, str] = {"teacher": "teach", "classroom": "class", "replay": "replay"}


class CreateLesson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`language` is a BCP 47 tag; `starts_at` has a time zone."""

    title: Annotated[str, Meta(min_length=1, max_length=200)]
    language: Annotated[str, Meta(max_length=16, pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")] | None = None
    starts_at: Annotated[datetime, Meta(tz=True)] | None = None


class LessonSummary(msgspec.Struct, frozen=True):
    """A lesson. Times are RFC 3339 in UTC, null where it has not come to that."""

    id: str
    title: str
    language: str
    state: LessonState
    created_at: datetime
    starts_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None


class LessonList(msgspec.Struct, frozen=True):
    """Newest first; `next` is the `before` of the next page, null on the last one."""

    lessons: list[LessonSummary]
    next: str | None


class LessonCreated(LessonSummary, frozen=True):
    """A new lesson and its links. Only hashes are kept, so this is the one time that the tokens are told.
    `report_url` opens with the teacher's token, and goes with that link."""

    teacher_url: str
    classroom_url: str
    replay_url: str
    report_url: str
    teacher_token: str
    classroom_token: str
    replay_token: str
    whip_url: str
    whep_url: str


class RecordingView(msgspec.Struct, frozen=True):
    """`hls_url` takes the lesson's replay token (or the admin's) as bearer; `problem` is empty when all is well."""

    state: RecordingState
    hls_url: str
    duration_s: float
    bytes: int
    problem: str


class LessonDetail(LessonSummary, frozen=True):
    """A lesson with who is in it and how its recording stands."""

    whip_url: str
    whep_url: str
    participants: list[Participant]
    recording: RecordingView


class LinkRotated(msgspec.Struct, frozen=True):
    """The new link; the old one opens nothing any more."""

    role: LinkRole
    token: str
    url: str


_REFUSALS = {401: "no valid token", 403: "not the admin's token"}
_ONE = {**_REFUSALS, 404: "no such lesson"}


class LessonApi:
    """The handlers.

    Args:
        public_url: where links start; empty: as the request came.
        default_language: of lessons that name none.
        max_body_bytes: largest request body.
    """

    def __init__(
        self,
        *,
        catalogue: CataloguePort,
        recordings: RecordingsPort,
        lessons: Lessons,
        proxies: Proxies,
        public_url: str,
        default_language: str,
        max_body_bytes: int,
    ) -> None:
        self._catalogue = catalogue
        self._recordings = recordings
        self._lessons = lessons
        self._proxies = proxies
        self._public_url = public_url
        self._default_language = default_language
        self._max_body_bytes = max_body_bytes

    def routes(self) -> list[Route]:
        one = "/api/lessons/{lesson}"
        return [
            Route(
                method="POST",
                path="/api/lessons",
                handler=self._create,
                access=ADMIN,
                limited=True,
                summary="Create a lesson and its three links",
                request=CreateLesson,
                response=LessonCreated,
                status=201,
                refusals={
                    **_REFUSALS,
                    400: "no valid JSON",
                    408: "the body took too long",
                    413: "body too large",
                    415: "not application/json",
                    422: "a field is not valid",
                    429: "too many requests from this address",
                },
            ),
            Route(
                method="GET",
                path="/api/lessons",
                handler=self._list,
                access=ADMIN,
                summary="Lessons, newest first",
                response=LessonList,
                query={
                    "limit": f"how many, 1 to {PAGE_LIMIT_MAX}",
                    "before": "id of the last lesson of the page before",
                },
                refusals={**_REFUSALS, 404: "no such lesson in `before`", 422: "`limit` is not valid"},
            ),
            Route(
                method="GET",
                path=one,
                handler=self._show,
                access=ADMIN,
                response=LessonDetail,
                refusals=_ONE,
                summary="One lesson, its participants and its recording",
            ),
            Route(
                method="POST",
                path=f"{one}/end",
                handler=self._end,
                access=ADMIN,
                limited=True,
                response=LessonDetail,
                refusals=_ONE,
                summary="End the lesson; ending it again changes nothing",
            ),
            Route(
                method="DELETE",
                path=one,
                handler=self._delete,
                access=ADMIN,
                limited=True,
                status=204,
                refusals=_ONE,
                summary="Delete the lesson, its links and every byte of its recording",
            ),
            Route(
                method="POST",
                path=f"{one}/links/{{role}}/rotate",
                handler=self._rotate,
                access=ADMIN,
                limited=True,
                response=LinkRotated,
                refusals=_ONE,
                summary="Replace a link; whoever came by the old one leaves",
            ),
            Route(
                method="POST",
                path=f"{one}/links/{{role}}/revoke",
                handler=self._revoke,
                access=ADMIN,
                limited=True,
                status=204,
                refusals=_ONE,
                summary="Withdraw a link; whoever came by it leaves",
            ),
        ]

    async def _create(self, request: web.Request) -> web.StreamResponse:
        wanted = await json_body(request, self._max_body_bytes, CreateLesson)
        base = self._base(request)
        language = wanted.language or self._default_language
        row, tokens = await self._catalogue.create_lesson(wanted.title, language, wanted.starts_at)
        links = {role: _link(base, row.id, role, tokens[role]) for role in LINK_ROLES}
        created = LessonCreated(
            **_summary(row),
            teacher_url=links["teacher"],
            classroom_url=links["classroom"],
            replay_url=links["replay"],
            report_url=f"{base}/report/{row.id}#{tokens['teacher']}",
            teacher_token=tokens["teacher"],
            classroom_token=tokens["classroom"],
            replay_token=tokens["replay"],
            whip_url=f"{base}/whip/{row.id}",
            whep_url=f"{base}/whep/{row.id}",
        )
        return json_response(created, 201, {"Location": f"/api/lessons/{row.id}"})

    async def _list(self, request: web.Request) -> web.StreamResponse:
        asked = request.query.get("limit", str(PAGE_LIMIT))
        if not asked.isascii() or not asked.isdigit() or not 1 <= int(asked[:6]) <= PAGE_LIMIT_MAX:
            raise PeerError(f"`limit` must be 1 to {PAGE_LIMIT_MAX}.", status=422, code="field_invalid")
        limit = int(asked)
        rows = await self._catalogue.lessons(limit + 1, request.query.get("before"))
        shown = [LessonSummary(**_summary(row)) for row in rows[:limit]]
        return json_response(LessonList(shown, shown[-1].id if len(rows) > limit else None))

    async def _show(self, request: web.Request) -> web.StreamResponse:
        held = await self._lessons.get(request.match_info["lesson"])
        return json_response(await self._detail(request, held))

    async def _end(self, request: web.Request) -> web.StreamResponse:
        held = await self._lessons.get(request.match_info["lesson"])
        await self._lessons.end_lesson(held)
        return json_response(await self._detail(request, held))

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        await self._lessons.delete_lesson(request.match_info["lesson"])
        return web.Response(status=204)

    async def _rotate(self, request: web.Request) -> web.StreamResponse:
        role, base = _role(request), self._base(request)
        held = await self._lessons.get(request.match_info["lesson"])
        token = await self._catalogue.rotate(held.id, role)
        await self._lessons.withdraw(held, role)
        return json_response(LinkRotated(role, token, _link(base, held.id, role, token)))

    async def _revoke(self, request: web.Request) -> web.StreamResponse:
        role = _role(request)
        held = await self._lessons.get(request.match_info["lesson"])
        await self._catalogue.revoke(held.id, role)
        await self._lessons.withdraw(held, role)
        return web.Response(status=204)

    async def _detail(self, request: web.Request, held: Held) -> LessonDetail:
        row = await self._catalogue.lesson(held.id)
        if row is None:
            raise PeerError("There is no such lesson.", status=404, code="lesson_unknown")
        base = self._base(request)
        status = self._recordings.status(held.id)
        return LessonDetail(
            **_summary(row) | {"state": held.lesson.state},
            whip_url=f"{base}/whip/{held.id}",
            whep_url=f"{base}/whep/{held.id}",
            participants=held.lesson.participants("teacher"),
            recording=RecordingView(
                status.state,
                f"{base}/media/{held.id}/{self._recordings.manifest(held.id).main or 'main.m3u8'}",
                status.duration_s,
                status.bytes,
                status.problem,
            ),
        )

    def _base(self, request: web.Request) -> str:
        return self._proxies.base_url(request, self._public_url)


def _role(request: web.Request) -> LinkRole:
    for role in LINK_ROLES:
        if request.match_info["role"] == role:
            return role
    raise PeerError("There is no such link.", status=404, code="link_unknown")


def _link(base: str, lesson_id: str, role: LinkRole, token: str) -> str:
    # The token rides in the fragment: browsers send it to no server, so it is in no log and no Referer.
    return f"{base}/{PAGES[role]}/{lesson_id}#{token}"


def _summary(row: LessonRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "title": row.title,
        "language": row.language,
        "state": row.state,
        "created_at": _utc(row.created_at),
        "starts_at": _utc(row.starts_at),
        "started_at": _utc(row.started_at),
        "ended_at": _utc(row.ended_at),
    }


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)
