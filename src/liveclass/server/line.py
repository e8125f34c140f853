"""What a page measures its line with before the lesson: `GET /api/line` gives bytes, `POST /api/line` takes some.

Public, since it tells nothing and asks for little; knows no lesson and measures nothing itself: the page has the clock.
"""

import os
from collections.abc import Callable

from aiohttp import web

from liveclass.errors import PeerError
from liveclass.server.http import body
from liveclass.server.routing import PUBLIC, Route

LARGEST_BYTES = 256 * 1024
"""Of one answer: 5 s at 400 kbit/s, and no burden for a school's data plan."""
LARGEST_UPLOAD_BYTES = 64 * 1024
"""Of one request: 5 s at 100 kbit/s."""
SMALL_BYTES = 1024
"""Asking for no more is asking for a round trip: it costs what any request costs, and is counted as one."""
UPLOAD_TYPE = "application/octet-stream"


class LineCheck:
    """The handlers.

    Args:
        check_rate: raises PeerError 429 when the request's address asks for large measurements too often.
        check_small_rate: the same for round trips.
    """

    def __init__(
        self, check_rate: Callable[[web.Request], None], check_small_rate: Callable[[web.Request], None]
    ) -> None:
        self._check_rate = check_rate
        self._check_small_rate = check_small_rate
        # Random, so that no proxy or tunnel on the way can make it smaller than it is; always the same will do.
        self._noise = os.urandom(LARGEST_BYTES)

    def routes(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/api/line",
                handler=self._bytes,
                access=PUBLIC,
                summary="Bytes that cannot be compressed, to measure a line with",
                response="application/octet-stream",
                query={"bytes": f"how many, 1 to {LARGEST_BYTES}"},
                refusals={422: "`bytes` is missing or not valid", 429: "too many requests from this address"},
            ),
            Route(
                method="POST",
                path="/api/line",
                handler=self._take,
                access=PUBLIC,
                summary="Takes bytes and forgets them, to measure a line with",
                request=UPLOAD_TYPE,
                status=204,
                refusals={
                    408: "the body took too long",
                    413: f"more than {LARGEST_UPLOAD_BYTES} bytes",
                    415: f"the body is not {UPLOAD_TYPE}",
                    429: "too many requests from this address",
                },
            ),
        ]

    async def _bytes(self, request: web.Request) -> web.StreamResponse:
        asked = request.query.get("bytes", "")
        valid = asked.isascii() and asked.isdigit() and len(asked) <= 9 and 1 <= int(asked) <= LARGEST_BYTES
        (self._check_small_rate if valid and int(asked) <= SMALL_BYTES else self._check_rate)(request)
        if not valid:
            raise PeerError(f"`bytes` must be 1 to {LARGEST_BYTES}.", status=422, code="field_invalid")
        return web.Response(
            body=memoryview(self._noise)[: int(asked)].tobytes(),
            content_type="application/octet-stream",
            headers={"Cache-Control": "no-store, no-transform"},
        )

    async def _take(self, request: web.Request) -> web.StreamResponse:
        self._check_rate(request)
        await body(request, LARGEST_UPLOAD_BYTES, UPLOAD_TYPE)
        return web.Response(status=204, headers={"Cache-Control": "no-store"})
