"""`GET /api/ice/{lesson}`: the TURN servers that a page of this lesson would be told of, for programs that are no page.

The doctor asks here from a school, and a WHIP or WHEP client without signalling may. Knows no TURN server.
"""

from collections.abc import Callable, Sequence

from aiohttp import web
from msgspec import Struct

from liveclass.lesson.messages import IceServer
from liveclass.server.http import json_response
from liveclass.server.routing import Route
from liveclass.server.whip import MEDIA_CALLERS


class IceServers(Struct, frozen=True):
    """The answer.

    Attributes:
        ice_servers: as `RTCIceServer` has them; empty where the operator has no TURN server.
    """

    ice_servers: Sequence[IceServer]


class Ice:
    """The handler.

    Args:
        ice_servers: makes credentials for a name; an empty one stands for nobody in particular.
    """

    def __init__(self, ice_servers: Callable[[str], Sequence[IceServer]]) -> None:
        self._ice_servers = ice_servers

    def routes(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/api/ice/{lesson}",
                handler=self._get,
                access=MEDIA_CALLERS,
                limited=True,
                summary="TURN servers with credentials that end by themselves",
                response=IceServers,
                refusals={
                    401: "no valid token",
                    403: "the token does not permit this",
                    404: "no such lesson",
                    429: "too many requests from this address",
                },
            )
        ]

    async def _get(self, _request: web.Request) -> web.StreamResponse:
        return json_response(IceServers(list(self._ice_servers(""))))
