"""Passes on what is asked of a lesson that another node owns: requests and sockets stream through, both ways.

Stands before limits, authorisation and handlers, which are the owner's affair. One hop only: what came from a node is
answered here or not at all. Knows no lesson and reads no body; at most one chunk of each way is in memory.
"""

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import aiohttp
import structlog
from aiohttp import WSMsgType, hdrs, web
from aiohttp.typedefs import Middleware
from multidict import CIMultiDict
from yarl import URL

from liveclass import tasks
from liveclass.errors import PeerError
from liveclass.operate import traces
from liveclass.server.connection import INTERNAL, RESTARTING, untie
from liveclass.server.http import FROM_NODE, Handler, Proxies, RequestRefused, local_address
from liveclass.server.internal import HEADER, NodeKey

log = structlog.get_logger(__name__)

REACHED_AT = "Liveclass-Reached-At"
"""The address of its machine at which the first node was asked: the owner may tell it as a candidate if it is on the
same machine."""

CONNECT_S = 2.0
"""A node that takes no connection within this is not there."""

CLOSE_S = 2.0
"""How long a page may take to answer a close."""

LOOK_S = 1.0
"""How often a forwarded socket's owner is looked up: a machine that lost its power closes no connection."""

_HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer"),
        *("transfer-encoding", "upgrade", "expect", "host"),
    }
)
"""RFC 9110 section 7.6.1; what is about one connection, not about the message."""

_OURS = frozenset(
    {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", HEADER.lower(), REACHED_AT.lower()}
    | {traces.HEADER, "tracestate", "baggage"}
)
_SOCKET = frozenset(
    {"sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions", "sec-websocket-protocol"}
)
_REFUSALS = {403: "origin_refused", 429: "rate_limited"}
"""Why a socket is refused, where the owner said no more than the status."""


@dataclass(frozen=True, slots=True)
class Place:
    """Who owns a lesson.

    Attributes:
        url: where the owner is reached; empty: it is this node.
        fence: of its claim.
        node: its id.
    """

    url: str
    fence: int
    node: str


class Owners(Protocol):
    """Who owns what; see `server.fleet`."""

    node: str

    def serves(self, lesson: str) -> bool:
        """Does this node own it now?"""
        ...

    async def find(self, lesson: str) -> Place:
        """The owner, found or chosen within seconds. Raises PeerError 404, or 503 when there is none."""
        ...

    async def refused(self, lesson: str, place: Place) -> None:
        """Nobody listens at the owner's address: its process is gone."""
        ...

    def forget(self, lesson: str) -> None:
        """What was remembered of its owner was wrong."""
        ...


def moving() -> RequestRefused:
    """The lesson is between two nodes, or its owner has just gone."""
    return RequestRefused(
        "The lesson is moving to another server; try again.", status=503, code="moving", headers={"Retry-After": "1"}
    )


_Answer = TypeVar("_Answer")


class _Refused(Exception):
    """Nobody listens at the owner's address."""


class Forwarding:
    """The middleware, and the connections that it holds.

    Args:
        anywhere: whether a request can be answered by any node.
        max_forwarded: requests and sockets passed on at a time.
        max_message_bytes: largest message of a socket.

    Attributes:
        requests: passed on so far, sockets included.
    """

    def __init__(
        self,
        owners: Owners,
        key: NodeKey,
        proxies: Proxies,
        *,
        anywhere: Callable[[web.Request], bool],
        max_forwarded: int,
        max_message_bytes: int,
    ) -> None:
        self._owners = owners
        self._key = key
        self._proxies = proxies
        self._anywhere = anywhere
        self._max_forwarded = max_forwarded
        self._max_message_bytes = max_message_bytes
        self._client: aiohttp.ClientSession | None = None
        self._leaving = asyncio.Event()
        self._all_closed = asyncio.Event()
        self._sockets = 0
        self.requests = 0
        self.open = 0

    async def run(self, _app: web.Application) -> AsyncIterator[None]:
        """A clean-up context of the application."""
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30.0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        yield
        await self._client.close()

    async def close(self) -> None:
        """Tell the pages whose sockets pass through here to come back at once: to another node."""
        self._leaving.set()
        if self._sockets:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_closed.wait(), CLOSE_S + 1)

    def middleware(self) -> Middleware:
        """Answers here what is this node's, and passes on the rest."""

        @web.middleware
        async def forward(request: web.Request, handler: Handler) -> web.StreamResponse:
            lesson = request.match_info.get("lesson")
            if lesson is None or self._anywhere(request) or self._owners.serves(lesson):
                return await handler(request)
            if FROM_NODE in request:
                # Asked on, it could go round in circles; whoever asked has an old view, and asks again.
                raise moving()
            for last in (False, True):
                place = await self._owners.find(lesson)
                if not place.url:
                    return await handler(request)
                try:
                    return await self._bounded(request, lesson, place)
                except _Refused as error:
                    # Nothing of the request has left yet, and its lesson is free now.
                    await self._owners.refused(lesson, place)
                    if last:
                        raise moving() from error
            raise moving()

        return forward

    async def _bounded(self, request: web.Request, lesson: str, place: Place) -> web.StreamResponse:
        if self.open >= self._max_forwarded or self._client is None:
            raise PeerError("This server passes on as much as it may.", status=503, code="too_many_forwarded")
        self.open += 1
        self.requests += 1
        try:
            if request.headers.get(hdrs.UPGRADE, "").lower() == "websocket":
                return await self._socket(self._client, request, lesson, place)
            return await self._request(self._client, request, lesson, place)
        finally:
            self.open -= 1

    def _headers(self, request: web.Request, url: URL, *, socket: bool = False) -> CIMultiDict[str]:
        left_out = (
            _HOP_BY_HOP | _OURS | {name.strip().lower() for name in request.headers.get("Connection", "").split(",")}
        )
        if socket:
            left_out |= _SOCKET
        kept = CIMultiDict((name, value) for name, value in request.headers.items() if name.lower() not in left_out)
        kept["X-Forwarded-For"] = self._proxies.client(request)
        kept["X-Forwarded-Proto"] = self._proxies.scheme(request)
        if host := self._proxies.host(request):
            kept["X-Forwarded-Host"] = host
        if reached_at := local_address(request):
            kept[REACHED_AT] = reached_at
        if part_of := traces.traceparent():
            kept[traces.HEADER] = part_of
        kept[HEADER] = self._key.header(self._owners.node, request.method, url.raw_path_qs)
        return kept

    async def _request(
        self, client: aiohttp.ClientSession, request: web.Request, lesson: str, place: Place
    ) -> web.StreamResponse:
        url = URL(place.url + request.raw_path, encoded=True)
        answer: web.StreamResponse | None = None
        body = request.content if request.body_exists else None
        try:
            asked = client.request(
                request.method, url, headers=self._headers(request, url), data=body, allow_redirects=False
            )
            async with await self._unless_moved(asked, lesson, place) as theirs:
                if theirs.status == 503:
                    self._owners.forget(lesson)
                answer = web.StreamResponse(status=theirs.status, reason=theirs.reason)
                for name, value in theirs.headers.items():
                    if name.lower() not in _HOP_BY_HOP:
                        answer.headers.add(name, value)
                await answer.prepare(request)
                async for chunk in theirs.content.iter_any():
                    await answer.write(chunk)
                await answer.write_eof()
                return answer
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if answer is not None and answer.prepared:
                # Half an answer must not pass for a whole one.
                if request.transport is not None:
                    request.transport.abort()
                return answer
            raise self._lost(lesson, error) from error

    async def _unless_moved(self, asked: Awaitable[_Answer], lesson: str, place: Place) -> _Answer:
        """The owner's answer, up to its body; one that is paused, or whose cable is cut, is waited for no longer than
        it is the owner. Raises RequestRefused `moving`."""
        answering, moved = asyncio.ensure_future(asked), asyncio.ensure_future(self._moved(lesson, place))
        try:
            await asyncio.wait((answering, moved), return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                return answering.result()
            raise moving()
        finally:
            moved.cancel()
            if not answering.done():
                answering.cancel()

    def _lost(self, lesson: str, error: BaseException) -> Exception:
        """What to raise where no answer came."""
        log.warning("not_forwarded", lesson=lesson, reason=type(error).__name__)
        self._owners.forget(lesson)
        if isinstance(error, aiohttp.ClientConnectorError) and error.os_error.errno == errno.ECONNREFUSED:
            return _Refused()
        return moving()

    async def _socket(
        self, client: aiohttp.ClientSession, request: web.Request, lesson: str, place: Place
    ) -> web.StreamResponse:
        url = URL(place.url + request.raw_path, encoded=True)
        try:
            asked = client.ws_connect(
                url,
                headers=self._headers(request, url, socket=True),
                autoping=False,
                compress=0,
                max_msg_size=0,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
            )
            far = await self._unless_moved(asked, lesson, place)
        except aiohttp.WSServerHandshakeError as refused:
            if refused.status < 400:
                raise moving() from refused
            retry = refused.headers.get("Retry-After", "") if refused.headers is not None else ""
            raise RequestRefused(
                "The socket is refused.",
                status=refused.status,
                code=_REFUSALS.get(refused.status, "moving" if refused.status == 503 else "bad_request"),
                headers={"Retry-After": retry} if retry else None,
            ) from refused
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._lost(lesson, error) from error
        near = web.WebSocketResponse(
            timeout=CLOSE_S, autoping=False, compress=False, max_msg_size=self._max_message_bytes
        )
        try:
            async with far:
                await near.prepare(request)
                await self._carried(near, far, lesson, place)
        finally:
            untie(near)
            untie(far)
        return near

    async def _carried(
        self, near: web.WebSocketResponse, far: aiohttp.ClientWebSocketResponse, lesson: str, place: Place
    ) -> None:
        self._sockets += 1
        try:
            await self._between(near, far, lesson, place)
        finally:
            self._sockets -= 1
            if not self._sockets and self._leaving.is_set():
                self._all_closed.set()

    async def _between(
        self, near: web.WebSocketResponse, far: aiohttp.ClientWebSocketResponse, lesson: str, place: Place
    ) -> None:
        """Carry messages until one side ends, then end the other for the same reason."""
        outward = asyncio.ensure_future(_pump(near.receive, far))
        inward = asyncio.ensure_future(_pump(far.receive, near))
        moved = asyncio.ensure_future(self._moved(lesson, place))
        carrying = (outward, inward, moved)
        try:
            await asyncio.wait(carrying, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended = [task for task in carrying if task.done()]
            # Nobody else reads when it is closed: only then is the peer's own close waited for, and the code sure to
            # arrive.
            await tasks.end(carrying)
        if inward in ended:
            # No word of why: the owner has gone, and somebody else has the lesson soon.
            code, reason = inward.result() or (RESTARTING, "moving")
            await _close(near, code, reason.encode())
        elif outward in ended:
            code, reason = outward.result() or (INTERNAL, "gone")
            await _close(far, code, reason.encode())
        else:
            await _close(near, RESTARTING, moved.result().encode())

    async def _moved(self, lesson: str, place: Place) -> str:
        """Returns when the lesson has another owner, or this node leaves: the reason to tell the page."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), LOOK_S)
                return "restarting"
            with contextlib.suppress(PeerError):
                if self._owners.serves(lesson) or await self._owners.find(lesson) != place:
                    return "moving"


class _Far(Protocol):
    async def send_str(self, data: str) -> None: ...

    async def send_bytes(self, data: bytes) -> None: ...

    async def ping(self, message: bytes = b"") -> None: ...

    async def pong(self, message: bytes = b"") -> None: ...


async def _pump(receive: Callable[[], Awaitable[aiohttp.WSMessage]], to: _Far) -> tuple[int, str] | None:
    """Carry what comes to the other side, one message at a time: a slow reader holds up its writer.

    Returns:
        the code and reason of the close; None when the connection broke without one.
    """
    with contextlib.suppress(ConnectionError, RuntimeError):
        while True:
            message = await receive()
            match message.type:
                case WSMsgType.TEXT:
                    await to.send_str(message.data)
                case WSMsgType.BINARY:
                    await to.send_bytes(message.data)
                case WSMsgType.PING:
                    await to.ping(message.data)
                case WSMsgType.PONG:
                    await to.pong(message.data)
                case WSMsgType.CLOSE:
                    return message.data or 1000, message.extra or ""
                case WSMsgType.ERROR if isinstance(message.data, aiohttp.WebSocketError):
                    # What was received broke the rules of the protocol, or was too large.
                    return int(message.data.code), ""
                case _:
                    return None
    return None


async def _close(socket: web.WebSocketResponse | aiohttp.ClientWebSocketResponse, code: int, reason: bytes) -> None:
    with contextlib.suppress(ConnectionError, RuntimeError, TimeoutError):
        await asyncio.wait_for(socket.close(code=code, message=reason), CLOSE_S + 1)
