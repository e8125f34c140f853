"""Slides, songs and films over HTTP: uploads, what a lesson has, and the files themselves.

Knows nothing of how they are made. A file's name is the hash of its bytes, 256 bits that only somebody with a link of
the lesson is told: whoever knows it may have the file, and every cache may keep it for ever.
"""

import asyncio
from typing import Annotated

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta

from liveclass.errors import PeerError
from liveclass.lesson.events import Material
from liveclass.lesson.names import clean
from liveclass.materials.model import CONTENT_TYPES
from liveclass.server.auth import Authority, Caller
from liveclass.server.http import json_body, json_response
from liveclass.server.lessons import Lessons
from liveclass.server.ports import MaterialsPort
from liveclass.server.routing import PUBLIC, Route

TEACHERS: frozenset[Caller] = frozenset({"teacher", "admin"})
EVERYONE: frozenset[Caller] = frozenset({"teacher", "classroom", "replay", "admin"})

IMMUTABLE = "public, max-age=31536000, immutable"

CHUNK_BYTES = 256 * 1024
"""How much of an upload is written at a time."""

CHUNK_S = 60.0
"""How long an upload may be silent: a volunteer's link that stalls for half a minute goes on."""


class ReuseMaterial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`token` is a teacher link's (or the admin's) of `from_lesson`."""

    from_lesson: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    token: Annotated[str, Meta(min_length=1, max_length=512)]
    material: Annotated[str, Meta(pattern=r"^[a-z0-9]{6,12}$")]


class MaterialList(msgspec.Struct, frozen=True):
    """In the order in which they came."""

    materials: list[Material]


_REFUSALS = {401: "no valid token", 403: "the token does not permit this", 404: "no such lesson"}


class MaterialRoutes:
    """The handlers.

    Args:
        authority: judges the token of the lesson that something is reused from.
        max_body_bytes: largest JSON body; uploads have a bound of their own.
    """

    def __init__(
        self, *, materials: MaterialsPort, lessons: Lessons, authority: Authority, max_body_bytes: int
    ) -> None:
        self._materials = materials
        self._lessons = lessons
        self._authority = authority
        self._max_body_bytes = max_body_bytes

    def routes(self) -> list[Route]:
        all_of, one = "/api/materials/{lesson}", "/api/materials/{lesson}/{material}"
        full = {409: "too many or too large in all", 503: "the disk is full, or too many files come at once"}
        return [
            Route(
                method="POST",
                path=all_of,
                handler=self._upload,
                access=TEACHERS,
                limited=True,
                summary="Upload a PDF, picture, office, sound or film file; it is made ready afterwards",
                query={"name": "what people are shown as its name"},
                request="application/octet-stream",
                response=Material,
                status=201,
                refusals={
                    **_REFUSALS,
                    **full,
                    408: "nothing came for a minute",
                    413: "larger than `max_upload_bytes`",
                    415: "no kind of file that this server can read",
                    429: "too many requests from this address",
                },
            ),
            Route(
                method="GET",
                path=all_of,
                handler=self._list,
                access=EVERYONE,
                summary="The lesson's materials",
                response=MaterialList,
                refusals=_REFUSALS,
            ),
            Route(
                method="DELETE",
                path=one,
                handler=self._delete,
                access=TEACHERS,
                limited=True,
                summary="Delete a material and its files",
                status=204,
                refusals={**_REFUSALS, 404: "no such lesson or material"},
            ),
            Route(
                method="POST",
                path=f"{all_of}/reuse",
                handler=self._reuse,
                access=TEACHERS,
                limited=True,
                summary="The same material as in another lesson",
                request=ReuseMaterial,
                response=Material,
                status=201,
                refusals={
                    **_REFUSALS,
                    **full,
                    400: "no valid JSON",
                    404: "no such lesson or material",
                    408: "the body took too long",
                    409: "not ready, or too many or too large in all",
                    413: "body too large",
                    415: "not application/json",
                    422: "a field is not valid",
                },
            ),
            *(
                Route(
                    method=method,
                    path="/material/{lesson}/{file}",
                    handler=self._file,
                    access=PUBLIC,
                    summary="A picture, manifest, song or film, by the hash of its bytes",
                    response="application/octet-stream" if method == "GET" else None,
                    refusals={304: "not changed", 404: "no such file", 416: "no such range"},
                )
                for method in ("GET", "HEAD")
            ),
        ]

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        lesson = await self._known(request)
        name = clean(request.query.get("name", "").replace("\\", "/").rsplit("/", maxsplit=1)[-1])
        upload = await self._materials.open_upload(lesson, request.content_length)
        try:
            while chunk := await _next(request):
                await upload.write(chunk)
            material = await upload.finish(name)
        finally:
            await upload.abort()
        return json_response(material, 201)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        return json_response(MaterialList([*await self._materials.list(await self._known(request))]))

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        await self._materials.delete(await self._known(request), request.match_info["material"])
        return web.Response(status=204)

    async def _reuse(self, request: web.Request) -> web.StreamResponse:
        lesson = await self._known(request)
        asked = await json_body(request, self._max_body_bytes, ReuseMaterial)
        access = await self._authority.access(asked.token, asked.from_lesson)
        if access.caller not in TEACHERS:
            raise PeerError("This token does not permit that.", status=403, code="wrong_role")
        await self._lessons.get(asked.from_lesson)
        return json_response(await self._materials.reuse(asked.from_lesson, asked.material, lesson), 201)

    async def _known(self, request: web.Request) -> str:
        """The lesson's id. Raises PeerError 404 `lesson_unknown`."""
        return (await self._lessons.get(request.match_info["lesson"])).id

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["file"]
        path = self._materials.locate(request.match_info["lesson"], name)
        ext = name.rsplit(".", maxsplit=1)[1]
        headers = {
            hdrs.CONTENT_TYPE: CONTENT_TYPES[ext],
            hdrs.CACHE_CONTROL: IMMUTABLE,
            # What a stranger uploaded is never a page, whatever a browser makes of it.
            "Content-Security-Policy": "sandbox; default-src 'none'",
        }
        if ext == "json" and request.method == "GET" and hdrs.RANGE not in request.headers:
            # Read here, so that it leaves compressed: half of a manifest is text.
            return web.Response(body=await asyncio.to_thread(path.read_bytes), headers=headers)
        return web.FileResponse(path, headers=headers)


async def _next(request: web.Request) -> bytes:
    """The next piece of the body; empty at its end. Raises PeerError 408 `body_timeout`."""
    pieces = bytearray()
    try:
        async with asyncio.timeout(CHUNK_S):
            while len(pieces) < CHUNK_BYTES:
                piece = await request.content.readany()
                if not piece:
                    break
                pieces += piece
    except TimeoutError as error:
        if pieces:
            return bytes(pieces)
        raise PeerError("The file stopped coming.", status=408, code="body_timeout") from error
    return bytes(pieces)
