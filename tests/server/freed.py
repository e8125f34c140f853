"""What is left of sockets where no cycle collector comes by."""

import asyncio
import contextlib
import gc
import time
from collections import Counter
from collections.abc import Iterator

from aiohttp import ClientWebSocketResponse, web
from aiohttp.web_protocol import RequestHandler

from liveclass.server.connection import Connection
from tests.server.stage import PATIENCE_S, Client

SOCKETS = (web.WebSocketResponse, web.Request, RequestHandler, Connection, ClientWebSocketResponse)
"""What a server keeps of an open socket, and of one to another node."""


@contextlib.contextmanager
def no_collector() -> Iterator[None]:
    """What refers to itself stays."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def of_sockets() -> dict[str, int]:
    """How many objects there are of each, collected or not."""
    # The list is in no variable: it may hold the variable, which then would hold it for ever.
    counts = Counter(map(type, gc.get_objects()))
    return {kind.__name__: counts[kind] for kind in SOCKETS}


async def until_as(before: dict[str, int], client: Client) -> None:
    """Waits until what is left is what there was, once the test's own client has let go of its ends."""
    client._websockets.clear()
    end = time.monotonic() + PATIENCE_S
    while (left := of_sockets()) != before:
        assert time.monotonic() < end, (before, left)
        await asyncio.sleep(0.05)


def cut(socket: ClientWebSocketResponse) -> None:
    """The browser is gone, and with it the connection."""
    assert socket._conn is not None
    assert socket._conn.transport is not None
    socket._conn.transport.abort()
