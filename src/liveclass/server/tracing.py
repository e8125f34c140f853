"""A span for each HTTP request: its route as declared, its method, its status, and nothing of what it asked or who did.

Stands before forwarding, so that what is passed on to the owner is one trace. Ends with the first byte of the answer: a
socket or a stream may stay open for a lesson. Whoever is no node begins a trace of its own, whatever it says.
"""

from aiohttp import web
from aiohttp.typedefs import Middleware

from liveclass.errors import PeerError
from liveclass.operate import traces
from liveclass.operate.traces import Span, Tracer
from liveclass.server.http import FROM_NODE, GONE_AWAY, Handler
from liveclass.server.internal import OPEN_PATHS

SPAN: web.RequestKey[Span] = web.RequestKey("span", Span)
"""Of the request; absent where traces are off."""

STATUS = "http.response.status_code"

_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "PUT"})


def parent_of(request: web.Request) -> str:
    """What is done for the request after its answer began is a part of this; empty where traces are off."""
    span = request.get(SPAN)
    return "" if span is None else span.traceparent


def middleware(tracer: Tracer) -> Middleware:
    """Begins the span of each request, and ends it where the answer does not do so itself."""

    @web.middleware
    async def trace(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in OPEN_PATHS:
            return await handler(request)
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "unknown"
        method = request.method if request.method in _METHODS else "other"
        span = tracer.begin(
            f"{method} {route}",
            {"http.request.method": method, "http.route": route},
            parent=request.headers.get(traces.HEADER, "") if FROM_NODE in request else "",
            served=True,
        )
        request[SPAN] = span
        status = GONE_AWAY
        try:
            with traces.entered(span):
                response = await handler(request)
            status = response.status
            return response
        except PeerError as refused:
            status = refused.status
            span.set("liveclass.refused", refused.code)
            raise
        except web.HTTPException as answer:
            status = answer.status
            raise
        except ConnectionError:
            raise
        except Exception as error:
            status = 500
            span.fail(type(error).__name__)
            raise
        finally:
            span.set(STATUS, status)
            span.end()

    return trace


async def answered(request: web.Request, response: web.StreamResponse) -> None:
    """A handler for `on_response_prepare`: the answer begins."""
    span = request.get(SPAN)
    if span is not None and not span.ended:
        span.set(STATUS, response.status)
        span.end()
