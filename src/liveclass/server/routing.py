"""A route and who may use it, declared in one place: the declaration is what is enforced, documented and tested.

Knows no single route. `liveclass.server.app` collects them, `openapi` describes them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import web

from liveclass.errors import PeerError
from liveclass.server.auth import Access, Authority, Caller
from liveclass.server.http import Handler, Proxies, RequestRefused, bearer
from liveclass.server.limits import AddressLimiter

ACCESS: web.RequestKey[Access] = web.RequestKey("access", Access)

PUBLIC: frozenset[Caller] = frozenset()
"""For routes that need no token, or check what they need by themselves."""

Cors = Literal["none", "media"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one path.

    Attributes:
        access: who may call it; PUBLIC needs no token.
        limited: counts against the client address's requests per second.
        summary: one line for the API's description.
        request: struct of the JSON body, or the content type of a body that is not JSON.
        response: struct of the JSON answer, or its content type; None: no body.
        status: of success.
        refusals: further statuses and what they mean.
        described: part of the public API, so of /openapi.json.
        anywhere: answered by any node of a fleet, whoever owns the lesson of its path: says nothing of the lesson.
    """

    method: str
    path: str
    handler: Handler
    access: frozenset[Caller]
    limited: bool = False
    summary: str = ""
    request: type | str | None = None
    response: type | str | None = None
    status: int = 200
    refusals: Mapping[int, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    described: bool = True
    anywhere: bool = False


class Gate:
    """Puts rate limit and authorisation before each handler."""

    def __init__(
        self, authority: Authority, proxies: Proxies, limiter: AddressLimiter, monotonic: Callable[[], float]
    ) -> None:
        self._authority = authority
        self._proxies = proxies
        self._limiter = limiter
        self._monotonic = monotonic

    def guard(self, route: Route) -> Handler:
        """The route's handler, behind its rules."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            if route.limited:
                self.check_rate(request)
            if route.access:
                access = await self._authority.access(bearer(request), request.match_info.get("lesson"))
                if access.caller not in route.access:
                    raise PeerError("This token does not permit that.", status=403, code="wrong_role")
                request[ACCESS] = access
            return await route.handler(request)

        return guarded

    def check_rate(self, request: web.Request) -> None:
        """Raises RequestRefused 429 `rate_limited` when the client's address asks too often."""
        wait = self._limiter.take(self._proxies.client(request), self._monotonic())
        if wait:
            raise RequestRefused(
                "Too many requests; wait a moment.",
                status=429,
                code="rate_limited",
                headers={"Retry-After": str(max(1, round(wait + 0.5)))},
            )
