"""What a classroom has missed, streamed from the recording while the lesson goes on, and for a while after it:
`GET /api/catchup/{lesson}`.

Decides who may have a stream, how many there are and how fast they go; refuses to know how recordings are made. A slow
classroom holds one fragment here and some kilobytes in its socket, and costs nobody else anything.
"""

import asyncio
import contextlib
import logging
import re
import socket
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from aiohttp import web

from liveclass.errors import PeerError
from liveclass.recording.catchup import TRACK_ID, Rendition
from liveclass.recording.follow import CatchupStream
from liveclass.server.auth import Caller
from liveclass.server.held import Held
from liveclass.server.lessons import Lessons
from liveclass.server.routing import ACCESS, Route

log = logging.getLogger(__name__)

CATCHUP_CALLERS: frozenset[Caller] = frozenset({"classroom", "teacher"})

BURST_S = 6.0
"""Media that is sent at once: a page begins to play with it, and it is what a pause of the network may leave behind."""

PACE = 1.6
"""Seconds of media per second after that: more than the 1.25 at which pages play, and little enough to leave the link
to the sound where sound and picture share it."""

SEND_BUFFER_BYTES = 32 * 1024
"""The kernel's buffer of a stream: 0.6 s of a 400 kbit/s link, so that what is newest is not behind minutes of old."""

NOT_SENT_BYTES = 16 * 1024
"""Of these, what may wait that was not sent yet."""

STALL_S = 60.0
"""A connection that takes nothing for this long is dead; shorter outages of the link it outlives."""

LOOK_S = 1.0
"""How often a stream that waits looks whether its classroom is still there."""

_FROM = re.compile(r"\d{1,15}")
# Linux's numbers (include/uapi/linux/tcp.h): not all versions of Python have the names.
_TCP_USER_TIMEOUT, _TCP_NOTSENT_LOWAT = 18, 25
_CONGESTION_CONTROL = b"bbr"
"""Holds its rate where packets are lost at random, as radio links do; cubic falls to a few kbit/s there."""

Result = TypeVar("Result")


class CatchupPort(Protocol):
    """The part of `recording.service.Recordings` that is needed here."""

    async def catchup(self, lesson_id: str, from_ms: int, rendition: Rendition, /) -> CatchupStream: ...


class Pace:
    """How much media may be sent when. Pure.

    Args:
        now: seconds of any monotonic clock.
    """

    def __init__(self, now: float) -> None:
        self._allowance_s = BURST_S
        self._at = now

    def wait_s(self, media_s: float, now: float) -> float:
        """Take `media_s` seconds of media; returns how long to wait before they are sent."""
        self._allowance_s = min(BURST_S, self._allowance_s + (now - self._at) * PACE) - media_s
        self._at = now
        return max(0.0, -self._allowance_s / PACE)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many streams there are at a time, and how long a lesson that is over is streamed.

    Attributes:
        streams: of this process; sound and picture of a classroom are two.
        lesson_streams: of one lesson.
        link_streams: of one lesson's link of a role, for those who bring the link's own token: nobody can tell them
            apart, so none of them gives way to the other.
        after_end_s: seconds after the lesson's end.
    """

    streams: int
    lesson_streams: int
    link_streams: int
    after_end_s: float


@dataclass(frozen=True, slots=True)
class _Owner:
    """Whose a stream is; `participant` is empty for the link's own token."""

    lesson: str
    caller: Caller
    participant: str


@dataclass(eq=False, slots=True)
class _Open:
    """One stream: whose it is, and how to end it."""

    owner: _Owner
    rendition: Rendition
    request: web.Request
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Catchup:
    """The catch-up streams of this process.

    Args:
        monotonic: seconds, never going back.
        wall: seconds since 1970.
    """

    def __init__(
        self,
        *,
        lessons: Lessons,
        recordings: CatchupPort,
        bounds: Bounds,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._lessons = lessons
        self._recordings = recordings
        self._bounds = bounds
        self._monotonic = monotonic
        self._wall = wall
        self._open: set[_Open] = set()

    @property
    def open_streams(self) -> int:
        """How many streams there are now."""
        return len(self._open)

    def routes(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/api/catchup/{lesson}",
                handler=self._handle,
                access=CATCHUP_CALLERS,
                limited=True,
                summary="What was missed of a lesson: one track of the recording, as fragmented MP4",
                response="application/octet-stream",
                query={
                    "from": "the first moment that was missed, milliseconds since 1970",
                    "rendition": "`sound` or `picture`",
                },
                refusals={
                    400: "no such moment or rendition",
                    401: "no valid token",
                    403: "the token does not permit this",
                    404: "no such lesson, or it is not recorded",
                    409: "the lesson has not begun, or has been over for too long",
                    503: "too many streams of this server, lesson or link, or the moment has not come",
                },
            )
        ]

    async def close(self) -> None:
        """End all streams; those who watch ask again."""
        for stream in self._open:
            _abort(stream)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        lesson, rendition, from_ms = request.match_info["lesson"], _rendition(request), _from_ms(request)
        self._check_open(await self._lessons.get(lesson))
        access = request[ACCESS]
        stream = _Open(_Owner(lesson, access.caller, access.participant), rendition, request)
        self._take_place(stream)
        try:
            return await self._serve(stream, lesson, from_ms, rendition)
        except ConnectionError:
            # Pages drop streams all the time: there is nobody to answer and nothing to report.
            return web.Response(status=204)
        finally:
            self._open.discard(stream)

    def _check_open(self, held: Held) -> None:
        """Raises PeerError 409 unless the lesson is live, or was until a moment ago: rooms behind hear its end."""
        if held.lesson.state == "live":
            return
        ended_s = None if held.ended_at_ms is None else self._wall() - held.ended_at_ms / 1000
        if held.lesson.state == "waiting" or ended_s is None or ended_s > self._bounds.after_end_s:
            raise PeerError("The lesson is not live, nor has it just been.", status=409, code="not_live")

    def _take_place(self, stream: _Open) -> None:
        """Raises PeerError 503 when the server, the lesson or the link has too many already."""
        owner = stream.owner
        if owner.participant:
            # A page asks again when its connection has died; the dead one would hold its place for a minute.
            for older in [one for one in self._open if (one.owner, one.rendition) == (owner, stream.rendition)]:
                _abort(older)
                self._open.discard(older)
        bounds, of_lesson = self._bounds, [one for one in self._open if one.owner.lesson == owner.lesson]
        if len(self._open) >= bounds.streams:
            raise PeerError("Too many classrooms catch up now.", status=503, code="too_many_streams")
        if len(of_lesson) >= bounds.lesson_streams:
            raise PeerError("Too many classrooms of this lesson catch up now.", status=503, code="too_many_streams")
        if not owner.participant and sum(one.owner == owner for one in of_lesson) >= bounds.link_streams:
            raise PeerError(
                "Too many streams of this link; a page's media token has places of its own.",
                status=503,
                code="too_many_streams",
            )
        self._open.add(stream)

    async def _serve(self, stream: _Open, lesson: str, from_ms: int, rendition: Rendition) -> web.StreamResponse:
        request = stream.request
        try:
            media = await _while_there(stream, self._recordings.catchup(lesson, from_ms, rendition))
        except OSError as error:
            _raise_lost(error)
            log.warning("a recording cannot be read: %s", error)
            raise PeerError("The recording cannot be read now.", status=503, code="disk_error") from error
        response = web.StreamResponse(
            headers={
                "Content-Type": media.content_type,
                "Cache-Control": "no-store",
                # Proxies that buffer would keep a fragment back until they have several.
                "X-Accel-Buffering": "no",
                "X-Catchup-Starts-S": f"{media.starts_at_s:.3f}",
                "X-Catchup-Part": f"{media.part.starts_at_s:.3f}:{media.part.began_at_ms}",
            }
        )
        # What is set on the socket is for this stream alone.
        response.force_close()
        _tune(request)
        await response.prepare(request)
        try:
            await self._send(stream, media, response)
        except ConnectionError:
            return response
        except OSError as error:
            # An end that is not clean tells the page that this is not the end of the lesson.
            log.warning("a catch-up stream breaks off: %s", error)
            _abort(stream)
        return response

    async def _send(self, stream: _Open, media: CatchupStream, response: web.StreamResponse) -> None:
        pace = Pace(self._monotonic())
        while (chunk := await _while_there(stream, media.next())) is not None:
            wait_s = pace.wait_s(chunk.media_s, self._monotonic())
            if wait_s:
                await _while_there(stream, asyncio.sleep(wait_s))
            try:
                async with asyncio.timeout(STALL_S):
                    await response.write(chunk.data)
                    await stream.request.writer.drain()
            except TimeoutError as error:
                _abort(stream)
                raise ConnectionResetError("the classroom takes nothing") from error
        await response.write_eof()


def _rendition(request: web.Request) -> Rendition:
    asked = request.query.getall("rendition", [])
    for rendition in TRACK_ID:
        if asked == [rendition]:
            return rendition
    raise PeerError("`rendition` must be `sound` or `picture`.", code="rendition_invalid")


def _from_ms(request: web.Request) -> int:
    asked = request.query.getall("from", [])
    if len(asked) != 1 or not asked[0].isascii() or not _FROM.fullmatch(asked[0]):
        raise PeerError("`from` must be milliseconds since 1970.", code="from_invalid")
    return int(asked[0])


def _tune(request: web.Request) -> None:
    """Keep little in buffers, and keep sending where packets are lost; what a system lacks is left out."""
    transport = request.transport
    if transport is None:
        return
    # Nothing in user space: `drain` then waits for the kernel's buffer, which is small.
    transport.set_write_buffer_limits(high=0)
    connection = transport.get_extra_info("socket")
    if connection is None:
        return
    options: list[tuple[int, int, int | bytes]] = [(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)]
    if sys.platform == "linux":
        options += [
            (socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, NOT_SENT_BYTES),
            (socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, round(STALL_S * 1000)),
            (socket.IPPROTO_TCP, socket.TCP_CONGESTION, _CONGESTION_CONTROL),
        ]
    for level, option, value in options:
        with contextlib.suppress(OSError):
            connection.setsockopt(level, option, value)


def _is_there(stream: _Open) -> bool:
    transport = stream.request.transport
    return transport is not None and not transport.is_closing()


async def _while_there(stream: _Open, work: Awaitable[Result]) -> Result:
    """Wait for `work` as long as the classroom is there.

    Raises:
        ConnectionResetError: it has gone.
    """
    task = asyncio.ensure_future(work)
    ended = asyncio.ensure_future(stream.ended.wait())
    try:
        while not task.done():
            if stream.ended.is_set() or not _is_there(stream):
                raise ConnectionResetError("the classroom has gone")
            await asyncio.wait({task, ended}, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
        return task.result()
    finally:
        for left in (task, ended):
            left.cancel()


def _abort(stream: _Open) -> None:
    stream.ended.set()
    if stream.request.transport is not None:
        stream.request.transport.abort()


def _raise_lost(error: OSError) -> None:
    """A classroom that went away is no fault of the disk."""
    if isinstance(error, ConnectionError):
        raise error
