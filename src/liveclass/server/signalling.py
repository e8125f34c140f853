"""The signalling WebSocket: `GET /ws/{lesson}`, one per page.

Turns text into validated messages and hands them to the registry; everything a page gets wrong comes back to that page
alone. What messages mean stands in `lesson.state`.
"""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import msgspec
import structlog
from aiohttp import WSMessage, WSMsgType, web

from liveclass import tasks
from liveclass.errors import PeerError
from liveclass.lesson.members import participant_id
from liveclass.lesson.messages import PROTOCOL_VERSION, ErrorMessage, Hello, Role
from liveclass.lesson.protocol import ClientMessage
from liveclass.operate.traces import Tracer, traced
from liveclass.server.auth import Authority
from liveclass.server.connection import INTERNAL, POLICY, TOO_SLOW, Connection, untie
from liveclass.server.held import Held, Page, encode
from liveclass.server.http import Proxies
from liveclass.server.lessons import Lessons
from liveclass.server.limits import TokenBucket
from liveclass.server.routing import PUBLIC, Route
from liveclass.server.tracing import parent_of

log = structlog.get_logger(__name__)

HELLO_S = 10.0
"""How long a socket may stay without saying who it is."""

HEARTBEAT_S = 20.0
"""Silence after which the page is asked for a sign of life; half of it later the socket counts as gone. Pages ask every
5 s themselves, so this is for those that have died without a word."""

BURST = 80.0
"""Messages at once: a page that comes back may have many small things to say."""

STRIKES = 3
STRIKE_WINDOW_S = 60.0
"""That many refusals for speed within this time, and the socket is closed: no page of ours gets near it."""

CLOSE_S = 2.0
"""How long a page may take to answer a close; the restart of a server waits for those that are gone no longer."""

_decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)


def parse(text: str) -> ClientMessage:
    """One message as it came.

    Raises:
        PeerError: `message_invalid`, for whatever is wrong with it.
    """
    try:
        return _decoder.decode(text)
    except Exception as error:
        # The boundary of this protocol: msgspec's own errors, bad surrogates, nesting too deep.
        raise PeerError("This message is not valid.", code="message_invalid") from error


class Origins:
    """Which pages may open the socket. No cookie authorises it: this only keeps other sites from trying tokens.

    Args:
        allowed: further origins, comma-separated.
        public_url: the server's own URL, if configured.
    """

    def __init__(self, proxies: Proxies, allowed: str, public_url: str) -> None:
        self._proxies = proxies
        listed = [*allowed.split(","), public_url]
        self._allowed = {key for origin in listed if (key := _origin(origin.strip())) is not None}

    def permits(self, request: web.Request) -> bool:
        """True without an Origin header too: then it is no browser."""
        origins = request.headers.getall("Origin", [])
        if not origins:
            return True
        asked = _origin(origins[0])
        if asked is None or len(origins) > 1:
            return False
        own = _origin(f"{self._proxies.scheme(request)}://{self._proxies.host(request)}")
        # Behind a proxy that says nothing of TLS the schemes differ, host and port do not.
        return asked in self._allowed or (own is not None and _same_host(asked, own))


class Signalling:
    """The socket's handler.

    Args:
        max_message_bytes: largest message.
        messages_per_s: long-term rate per socket.
        max_sockets: sockets of this process, hello or not.
    """

    def __init__(
        self,
        *,
        lessons: Lessons,
        authority: Authority,
        proxies: Proxies,
        origins: Origins,
        max_message_bytes: int,
        messages_per_s: float,
        max_sockets: int,
        monotonic: Callable[[], float],
        tracer: Tracer | None = None,
    ) -> None:
        self._tracer = tracer
        self._lessons = lessons
        self._authority = authority
        self._proxies = proxies
        self._origins = origins
        self._max_message_bytes = max_message_bytes
        self._messages_per_s = messages_per_s
        self._max_sockets = max_sockets
        self._monotonic = monotonic
        self.open_sockets = 0
        self.messages = 0
        self.refused: Counter[str] = Counter()

    def routes(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/ws/{lesson}",
                handler=self.handle,
                access=PUBLIC,
                limited=True,
                summary="The signalling WebSocket; see docs/signalling.md",
                status=101,
                refusals={403: "a page of another origin", 429: "too many requests", 503: "too many sockets"},
            )
        ]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One socket, from upgrade to close."""
        if not self._origins.permits(request):
            raise PeerError("Pages of this origin may not connect.", status=403, code="origin_refused")
        if self.open_sockets >= self._max_sockets:
            raise PeerError("Too many pages are connected.", status=503, code="too_many_sockets")
        socket = web.WebSocketResponse(
            timeout=CLOSE_S,
            max_msg_size=self._max_message_bytes,
            # Off: compression would let a small message grow behind the size limit, and messages are small anyway.
            compress=False,
            # Pings count against the page's rate like everything else, so they are answered below. A sign of life is
            # asked for there too: with aiohttp's `heartbeat` connection and socket hold each other when they are over.
            autoping=False,
        )
        await socket.prepare(request)
        self.open_sockets += 1
        try:
            await self._serve(request, socket)
        finally:
            self.open_sockets -= 1
            untie(socket)
        return socket

    async def _serve(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        try:
            with traced(self._tracer, "page.join", parent=parent_of(request)) as span:
                hello = await self._hello(socket)
                held, who, page = await self._enter(request, socket, hello)
                member = held.lesson.member(who)
                if span is not None and member is not None:
                    span.set("liveclass.role", member.role)
        except PeerError as refused:
            self.refused[refused.code] += 1
            with contextlib.suppress(ConnectionError, RuntimeError):
                await socket.send_str(encode(ErrorMessage(refused.code, refused.message, fatal=True)))
                await socket.close(code=POLICY, message=refused.code.encode())
            return
        reader = asyncio.create_task(self._read(socket, held, who, page))
        writer = asyncio.create_task(page.connection.run())
        try:
            await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
            if reader.done():
                if reader.exception() is not None:
                    log.error("signalling_failed", lesson=held.id, participant=who, exc_info=reader.exception())
                # Whatever was said last, such as why, still leaves.
                page.connection.close(INTERNAL, "internal")
        finally:
            self._lessons.disconnect(held, who, page)
            await self._finish(socket, reader, writer)

    async def _finish(
        self, socket: web.WebSocketResponse, reader: asyncio.Task[None], writer: asyncio.Task[tuple[int, str]]
    ) -> None:
        await tasks.end([reader])
        # Nothing is raised out of the writer: the frame that it is raised in would hold it, and it the frame.
        try:
            await asyncio.wait([writer], timeout=CLOSE_S)
        finally:
            await tasks.end([writer])
        if writer.cancelled():
            return
        error = writer.exception()
        if error is None:
            code, reason = writer.result()
            with contextlib.suppress(TimeoutError, ConnectionError, RuntimeError):
                await socket.close(code=code, message=reason.encode())
        elif not isinstance(error, ConnectionError | RuntimeError):
            log.error("signalling_failed", exc_info=error)

    async def _hello(self, socket: web.WebSocketResponse) -> Hello:
        """The first message. Raises PeerError when it is another, or does not come."""
        try:
            received = await asyncio.wait_for(socket.receive(), HELLO_S)
        except TimeoutError as error:
            raise PeerError("The page did not say hello.", code="hello_timeout") from error
        if received.type is not WSMsgType.TEXT:
            raise PeerError("The first message must be hello.", code="hello_expected")
        message = parse(received.data)
        if not isinstance(message, Hello):
            raise PeerError("The first message must be hello.", code="hello_expected")
        if message.version != PROTOCOL_VERSION:
            raise PeerError("This page is of another version; it must be loaded anew.", code="version")
        return message

    async def _enter(self, request: web.Request, socket: web.WebSocketResponse, hello: Hello) -> tuple[Held, str, Page]:
        held = await self._lessons.get(request.match_info["lesson"])
        access = await self._authority.access(hello.token, held.id)
        if access.participant or access.caller not in ("teacher", "classroom"):
            raise PeerError("This link is not for the live lesson.", status=403, code="wrong_role")
        role: Role = "teacher" if access.caller == "teacher" else "classroom"
        who = participant_id(held.id, role, hello.identity)

        def abort() -> None:
            if request.transport is not None:
                request.transport.abort()

        def make(fresh: Callable[[], Sequence[str]]) -> Connection:
            return Connection(socket, fresh, abort)

        return held, who, self._lessons.connect(held, who, role, hello.name, self._proxies.client(request), make)

    async def _read(self, socket: web.WebSocketResponse, held: Held, who: str, page: Page) -> None:
        bucket = TokenBucket(self._messages_per_s, BURST, self._monotonic())
        strikes: deque[float] = deque(maxlen=STRIKES)
        while True:
            received = await self._heard(socket)
            if received is None:
                page.connection.close(TOO_SLOW, "silent")
                return
            if received.type not in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.PING, WSMsgType.PONG):
                return
            now = self._monotonic()
            self.messages += 1
            if bucket.take(now) > 0:
                strikes.append(now)
                self._refuse(page, "rate_limited", "Too many messages; slow down.")
                if len(strikes) == STRIKES and now - strikes[0] < STRIKE_WINDOW_S:
                    page.connection.close(POLICY, "rate_limited")
                    return
                continue
            if received.type is WSMsgType.PING:
                await socket.pong(received.data)
            elif received.type is WSMsgType.TEXT:
                try:
                    self._lessons.handle(held, who, parse(received.data))
                except PeerError as refused:
                    self._refuse(page, refused.code, refused.message)
            elif received.type is WSMsgType.BINARY:
                self._refuse(page, "message_invalid", "This message is not valid.")

    async def _heard(self, socket: web.WebSocketResponse) -> WSMessage | None:
        """What the page says next; None when it does not even answer a ping."""
        with contextlib.suppress(TimeoutError):
            return await socket.receive(HEARTBEAT_S)
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(HEARTBEAT_S / 2):
                await socket.ping()
                return await socket.receive()
        return None

    def _refuse(self, page: Page, code: str, message: str) -> None:
        self.refused[code] += 1
        page.connection.send_after_welcome(encode(ErrorMessage(code, message)))


def _origin(text: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None for `null` and whatever else is no web origin."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80)


def _same_host(asked: tuple[str, str, int], own: tuple[str, str, int]) -> bool:
    if asked[1] != own[1]:
        return False
    return asked[2] == own[2] or (asked[2], own[2]) in ((443, 80), (80, 443))
