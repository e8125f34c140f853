"""One page's socket, seen from the lesson: messages go in, in order, and a slow page can hold up nobody.

Knows neither lessons nor messages, only encoded text.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

QUEUE_LIMIT = 256
"""Messages waiting for one page. Beyond it the page has missed so much that one fresh `Welcome` is shorter."""

STALLED_S = 20.0
"""How long one message may take to leave; a link that carries nothing for that long is gone."""

RESTARTING = 1012
TOO_SLOW = 1013
POLICY = 1008
INTERNAL = 1011
REPLACED = 4001
"""Close codes (RFC 6455 section 7.4 and its IANA registry; 4001 is ours: the same page is open elsewhere)."""


class Socket(Protocol):
    """What is needed of aiohttp's WebSocketResponse."""

    async def send_str(self, data: str) -> None: ...


class Ended(Protocol):
    """A socket that is closed, of a page or to another node."""

    def exception(self) -> BaseException | None: ...


def untie(socket: Ended) -> None:
    """Let a closed socket be freed as its last user goes: it remembers what broke it, and the frames of that error's
    traceback hold the socket. The cycle collector comes late here (see `app.GC_THRESHOLDS`), and each socket has its
    request, parser and buffers with it."""
    error = socket.exception()
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


class Connection:
    """The outgoing side of a socket.

    Args:
        socket: the open socket.
        fresh: makes a `Welcome` of this moment and what must follow it, encoded.
        abort: cuts the connection without a word, for when none gets through.
    """

    def __init__(
        self, socket: Socket, fresh: Callable[[], Sequence[str]], abort: Callable[[], None], *, limit: int = QUEUE_LIMIT
    ) -> None:
        self._socket = socket
        self._fresh = fresh
        self._abort = abort
        self._limit = limit
        self._queue: deque[str] = deque()
        self._resync = True
        self._wake = asyncio.Event()
        self._wake.set()
        self._closing: tuple[int, str] | None = None
        self.resyncs = 0

    def send(self, text: str) -> None:
        """Queue a message; returns at once. What a fresh `Welcome` will tell anyway is not queued."""
        if self._closing is not None or self._resync:
            return
        if len(self._queue) >= self._limit:
            self.welcome()
            self.resyncs += 1
            return
        self._queue.append(text)
        self._wake.set()

    def send_after_welcome(self, text: str) -> None:
        """Queue a message that no `Welcome` makes up for (errors): it follows whatever comes before it."""
        if self._closing is None and len(self._queue) < self._limit:
            self._queue.append(text)
            self._wake.set()

    def welcome(self) -> None:
        """Drop what waits and send everything anew."""
        self._queue.clear()
        self._resync = True
        self._wake.set()

    def close(self, code: int, reason: str) -> None:
        """Have the socket closed once what is queued has left; the first code given counts."""
        if self._closing is None:
            self._closing = (code, reason)
            self._wake.set()

    async def run(self) -> tuple[int, str]:
        """Send until told to close.

        Returns:
            the code and reason to close with: whoever reads the socket must do it, since only then is the peer's own
            close frame waited for, and the code sure to arrive.

        Raises:
            ConnectionError: the socket is gone.
        """
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._resync or self._queue:
                if self._resync:
                    # Made at the moment of sending, so that nothing between now and then is missed or told twice.
                    self._resync = False
                    self._queue.extendleft(reversed(self._fresh()))
                text = self._queue.popleft()
                try:
                    # Not `wait_for`: it may begin a task for each message, which costs more than sending it.
                    async with asyncio.timeout(STALLED_S):
                        await self._socket.send_str(text)
                except TimeoutError:
                    self._abort()
                    return TOO_SLOW, "too slow"
            if self._closing is not None:
                return self._closing
