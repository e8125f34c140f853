"""Replays over HTTP: what there is to play, and its files, behind a signed path prefix or a bearer token.

Knows nothing of how recordings are made; names are checked by whoever holds the files. What is not on this disk comes
out of the archive: by a copy, in pieces, or by sending the browser to the store.
"""

import re

import msgspec
from aiohttp import hdrs, web

from liveclass.archive.service import Archive, StoreGone
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
        archive: where files are that are not on this disk.
    """

    def __init__(
        self,
        *,
        lessons: Lessons,
        recordings: RecordingsPort,
        signer: Signer,
        open_to_classrooms: bool,
        archive: Archive | None = None,
    ) -> None:
        self._archive = archive
        self._lessons = lessons
        self._recordings = recordings
        self._signer = signer
        self._callers = REPLAY_CALLERS | CLASSROOM if open_to_classrooms else REPLAY_CALLERS

    def routes(self) -> list[Route]:
        by_token, by_url = "/media/{lesson}/{name}", "/media/{lesson}/{prefix}/{name}"
        file_refusals = {
            302: "the file is in the store, at this signed address",
            304: "not changed",
            404: "no such file",
            416: "no such range",
            503: "the store does not answer",
        }
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
        return await self._file(request)

    async def _by_url(self, request: web.Request) -> web.StreamResponse:
        expires, _, signature = request.match_info["prefix"].partition(".")
        self._signer.check_media_url(request.match_info["lesson"], expires, signature)
        return await self._file(request)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if not _NAME.match(name):
            raise _no_file()
        file = self._recordings.locate(request.match_info["lesson"], name)
        if file.remote is None:
            return _response(request, file)
        if self._archive is None:
            raise _no_file()
        return await _from_store(request, file, self._archive, *file.remote)


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


async def _from_store(
    request: web.Request, file: MediaFile, archive: Archive, lesson_id: str, name: str
) -> web.StreamResponse:
    try:
        remote = await archive.open(lesson_id, name)
    except StoreGone as error:
        raise PeerError("The recording cannot be read just now.", status=503, code="store_gone") from error
    if remote is None:
        raise _no_file()
    headers = {
        hdrs.CONTENT_TYPE: file.content_type,
        hdrs.CACHE_CONTROL: IMMUTABLE if file.cache == "immutable" else LIVE,
    }
    if remote.url:
        # Whoever keeps this longer than the address holds is sent to a refusal.
        return web.Response(status=302, headers={hdrs.LOCATION: remote.url, hdrs.CACHE_CONTROL: "private, no-store"})
    if remote.path is not None:
        return web.FileResponse(remote.path, headers=headers)
    headers |= {hdrs.ETAG: f'"{remote.etag}"', hdrs.ACCEPT_RANGES: "bytes"}
    if any(known.value in (remote.etag, "*") for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    start, length, status = _range(request, remote.size)
    headers[hdrs.CONTENT_LENGTH] = str(length)
    if status == 206:
        headers[hdrs.CONTENT_RANGE] = f"bytes {start}-{start + length - 1}/{remote.size}"
    response = web.StreamResponse(status=status, headers=headers)
    await response.prepare(request)
    if request.method != "HEAD":
        try:
            async for piece in archive.chunks(remote, start, length):
                await response.write(piece)
        except StoreGone:
            # Whoever reads sees fewer bytes than were announced, and asks again for the rest.
            response.force_close()
            if request.transport is not None:
                request.transport.close()
            return response
    await response.write_eof()
    return response


def _range(request: web.Request, size: int) -> tuple[int, int, int]:
    """Start, length and status for the asked range. Raises PeerError 416."""
    try:
        asked = request.http_range
    except ValueError as error:
        raise _no_range() from error
    if asked.start is None and asked.stop is None:
        return 0, size, 200
    start, stop, _ = slice(asked.start, asked.stop).indices(size)
    if start >= stop:
        raise _no_range()
    return start, stop - start, 206


def _no_range() -> PeerError:
    return PeerError("There is no such range in this file.", status=416, code="no_range")


def _no_file() -> PeerError:
    return PeerError("There is no such file.", status=404, code="not_found")
