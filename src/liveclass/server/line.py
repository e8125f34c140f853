"""Bytes to measure a line with: `GET /api/line`, which a page downloads before the lesson to say how good its link is.

Public, since it tells nothing and asks for little; knows no lesson and measures nothing itself.
"""

import os
from collections.abc import Callable

from aiohttp import web

from liveclass.errors import PeerError
from liveclass.server.routing import PUBLIC, Route

LARGEST_BYTES = 256 * 1024
"""Of one answer: 5 s at 400 kbit/s, and no burden for a school's data plan."""


class LineCheck:
    """The handler.

    Args:
        check_rate: raises PeerError 429 when the request's address asks too often.
    """

    def __init__(self, check_rate: Callable[[web.Request], None]) -> None:
        self._check_rate = check_rate
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
            )
        ]

    async def _bytes(self, request: web.Request) -> web.StreamResponse:
        self._check_rate(request)
        asked = request.query.get("bytes", "")
        if not asked.isascii() or not asked.isdigit() or len(asked) > 9 or not 1 <= int(asked) <= LARGEST_BYTES:
            raise PeerError(f"`bytes` must be 1 to {LARGEST_BYTES}.", status=422, code="field_invalid")
        return web.Response(
            body=memoryview(self._noise)[: int(asked)].tobytes(),
            content_type="application/octet-stream",
            headers={"Cache-Control": "no-store, no-transform"},
        )
