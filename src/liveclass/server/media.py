"""Replays over HTTP: what there is to play, and its files, behind a signed path prefix or a bearer token.

Knows nothing of how recordings are made; names are checked by whoever holds the files.
"""

import re

import msgspec
from aiohttp import hdrs, web

from liveclass.errors import PeerError
from liveclass.lesson.messages import LessonState, RecordingState
from liveclass.recording.model import ClipKind, MediaFile
from liveclass.server.auth import Caller, Signer
from liveclass.server.http import json_response
from liveclass.server.lessons import Lessons
from liveclass.server.ports import RecordingsPort
from liveclass.server.routing import PUBLIC, Route

REPLAY_CALLERS: frozenset[Caller] = frozenset({"replay", "teacher", "admin"})
CLASSROOM: frozenset[Caller] = frozenset({"classroom"})

IMMUTABLE = "private, max-age=31536000, immutable"
LIVE = "private, no-cache"
"""Segments never change under their name; playlists are asked for again each time, by ETag."""

_NAME = re.compile(r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$")


class ReplayLesson(msgspec.Struct, frozen=True):
    id: str
    title: str
    language: str
    state: LessonState
    started_at_ms: int | None


class ReplayRecording(msgspec.Struct, frozen=True):
    """`problem` is empty when all is well."""

    state: RecordingState
    duration_s: float
    bytes: int
    problem: str


class ReplayMain(msgspec.Struct, frozen=True):
    url: str


class ReplayLight(msgspec.Struct, frozen=True):
    url: str


class ReplayPart(msgspec.Struct, frozen=True):
    starts_at_s: float
    duration_s: float
    began_at_ms: int


class ReplayClip(msgspec.Struct, frozen=True):
    id: str
    kind: ClipKind
    name: str
    starts_at_s: float
    duration_s: float
    url: str
    ended: bool


class Replay(msgspec.Struct, frozen=True):
    """Everything a replay page needs; URLs hold for at least 12 h.

    `main` is null before the first segment; `light`, all that is heard at 25 kbit/s on the time of `main`, until some
    time after the lesson.
    """

    lesson: ReplayLesson
    recording: ReplayRecording
    main: ReplayMain | None
    light: ReplayLight | None
    parts: list[ReplayPart]
    clips: list[ReplayClip]


class Replays:
    """The replay API and its files.

    Args:
        open_to_classrooms: the classroom link opens the replay too.
    """

    def __init__(
        self, *, lessons: Lessons, recordings: RecordingsPort, signer: Signer, open_to_classrooms: bool
    ) -> None:
        self._lessons = lessons
        self._recordings = recordings
        self._signer = signer
        self._callers = REPLAY_CALLERS | CLASSROOM if open_to_classrooms else REPLAY_CALLERS

    def routes(self) -> list[Route]:
        by_token, by_url = "/media/{lesson}/{name}", "/media/{lesson}/{prefix}/{name}"
        file_refusals = {304: "not changed", 404: "no such file", 416: "no such range"}
        signed_refusals = {**file_refusals, 403: "the address was not made here, or has expired"}
        token_refusals = {**file_refusals, 401: "no valid token", 403: "the token does not permit this"}
        files = [
            Route(
                method=method,
                path=path,
                handler=handler,
                access=access,
                summary=summary,
                response="application/octet-stream" if method == "GET" else None,
                refusals=refusals,
            )
            for path, handler, access, summary, refusals in (
                (by_token, self._by_token, self._callers, "A file of the replay, by bearer token", token_refusals),
                (by_url, self._by_url, PUBLIC, "A file of the replay, by signed address", signed_refusals),
            )
            for method in ("GET", "HEAD")
        ]
        return [
            Route(
                method="GET",
                path="/api/replays/{lesson}",
                handler=self._replay,
                access=self._callers,
                summary="What there is to replay, with signed addresses",
                response=Replay,
                refusals={401: "no valid token", 403: "the token does not permit this", 404: "no such lesson"},
            ),
            *files,
        ]

    async def _replay(self, request: web.Request) -> web.StreamResponse:
        held = await self._lessons.get(request.match_info["lesson"])
        info, manifest = held.lesson.info, self._recordings.manifest(held.id)
        status = self._recordings.status(held.id)
        prefix = self._signer.media_prefix(held.id)
        return json_response(
            Replay(
                lesson=ReplayLesson(info.id, info.title, info.language, info.state, info.started_at_ms),
                recording=ReplayRecording(status.state, status.duration_s, status.bytes, status.problem),
                main=None if manifest.main is None else ReplayMain(f"{prefix}/{manifest.main}"),
                light=None if manifest.light is None else ReplayLight(f"{prefix}/{manifest.light}"),
                parts=[ReplayPart(p.starts_at_s, p.duration_s, p.began_at_ms) for p in manifest.parts],
                clips=[
                    ReplayClip(c.id, c.kind, c.name, c.starts_at_s, c.duration_s, f"{prefix}/{c.playlist}", c.ended)
                    for c in manifest.clips
                ],
            )
        )

    async def _by_token(self, request: web.Request) -> web.StreamResponse:
        return self._file(request)

    async def _by_url(self, request: web.Request) -> web.StreamResponse:
        expires, _, signature = request.match_info["prefix"].partition(".")
        self._signer.check_media_url(request.match_info["lesson"], expires, signature)
        return self._file(request)

    def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if not _NAME.match(name):
            raise PeerError("There is no such file.", status=404, code="not_found")
        return _response(request, self._recordings.locate(request.match_info["lesson"], name))


def _response(request: web.Request, file: MediaFile) -> web.StreamResponse:
    headers = {
        hdrs.CONTENT_TYPE: file.content_type,
        hdrs.CACHE_CONTROL: IMMUTABLE if file.cache == "immutable" else LIVE,
    }
    if file.path is not None:
        # Ranges, HEAD, conditions and reading off the event loop are aiohttp's.
        return web.FileResponse(file.path, headers=headers)
    etag = f'"{file.etag}"'
    headers[hdrs.ETAG] = etag
    if any(known.value in (file.etag, "*") for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=file.data or b"", headers=headers)
