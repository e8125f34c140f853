"""What a classroom has missed, streamed from the recording while the lesson goes on: `GET /api/catchup/{lesson}`.

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


@dataclass(eq=False, slots=True)
class _Open:
    """One stream: whose it is, and how to end it."""

    owner: tuple[str, str, Rendition]
    request: web.Request
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Catchup:
    """The catch-up streams of this process.

    Args:
        max_streams: sound and picture of a classroom are two.
        monotonic: seconds, never going back.
    """

    def __init__(
        self,
        *,
        lessons: Lessons,
        recordings: CatchupPort,
        max_streams: int,
        monotonic: Callable[[], float],
    ) -> None:
        self._lessons = lessons
        self._recordings = recordings
        self._max_streams = max_streams
        self._monotonic = monotonic
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
                summary="What was missed of a live lesson: one track of the recording, as fragmented MP4",
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
                    409: "the lesson is not live",
                    503: "too many streams, or the moment has not come",
                },
            )
        ]

    async def close(self) -> None:
        """End all streams; those who watch ask again."""
        for stream in self._open:
            _abort(stream)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        lesson, rendition, from_ms = request.match_info["lesson"], _rendition(request), _from_ms(request)
        held = await self._lessons.get(lesson)
        if held.lesson.state != "live":
            raise PeerError("The lesson is not live.", status=409, code="not_live")
        owner = (lesson, request[ACCESS].participant, rendition)
        if owner[1]:
            # A page asks again when its connection has died; the dead one would hold its place for a minute.
            for older in [stream for stream in self._open if stream.owner == owner]:
                _abort(older)
                self._open.discard(older)
        if len(self._open) >= self._max_streams:
            raise PeerError("Too many classrooms catch up now.", status=503, code="too_many_streams")
        stream = _Open(owner, request)
        self._open.add(stream)
        try:
            return await self._serve(stream, lesson, from_ms, rendition)
        except ConnectionError:
            # Pages drop streams all the time: there is nobody to answer and nothing to report.
            return web.Response(status=204)
        finally:
            self._open.discard(stream)

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
