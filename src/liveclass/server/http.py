"""What all routes share: who asks and under which name, bodies within bounds, and the one boundary for errors.

Refuses to know what any route means.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, TypeVar

import msgspec
import structlog
from aiohttp import web

from liveclass.errors import PeerError, UsageError
from liveclass.server.coding import compress, inflated

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
FROM_NODE: web.RequestKey[str] = web.RequestKey("from_node", str)
"""The node of the fleet that passed the request on; set where its signature was checked."""

Network = IPv4Network | IPv6Network
StructType = TypeVar("StructType")

RETRY_AFTER_S = 2
"""What a refused client is told to wait where nothing better is known: a lesson must not be lost to caution."""

BODY_S = 30.0
"""How long a body may take: an offer of 15 kB at 10 kbit/s. No longer, since a request that waits holds memory."""

_HOST = re.compile(r"^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$")
_BEARER = re.compile(r"^[Bb]earer +([A-Za-z0-9._~+/=-]{1,512})$")


class RequestRefused(PeerError):
    """A `PeerError` that brings headers of its own, such as Allow or Retry-After."""

    def __init__(self, message: str, *, status: int, code: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message, status=status, code=code)
        self.headers = headers or {}


class Proxies:
    """Whose X-Forwarded-* headers count.

    Args:
        trusted: addresses or networks, comma-separated.

    Raises:
        UsageError: one of them is neither.
    """

    def __init__(self, trusted: str) -> None:
        self._networks: list[Network] = []
        for part in filter(None, (part.strip() for part in trusted.split(","))):
            try:
                self._networks.append(ip_network(part, strict=False))
            except ValueError as error:
                raise UsageError(f"trusted_proxies: {part!r} is no address or network") from error

    def trusts(self, address: str) -> bool:
        try:
            parsed = ip_address(address.strip())
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._networks)

    def _passed_on(self, request: web.BaseRequest) -> bool:
        """Did a proxy that is trusted, or another node, send this?"""
        return FROM_NODE in request or self.trusts(request.remote or "")

    def client(self, request: web.BaseRequest) -> str:
        """The address of whoever asks: the last hop that is no trusted proxy; empty for socket files."""
        address = request.remote or ""
        if not self._passed_on(request):
            return address
        hops = [hop.strip() for value in request.headers.getall("X-Forwarded-For", []) for hop in value.split(",")]
        for hop in reversed(hops):
            try:
                ip_address(hop)
            except ValueError:
                return address
            address = hop
            if not self.trusts(hop):
                return address
        return address

    def is_loopback(self, request: web.BaseRequest) -> bool:
        """Does the request come from this machine itself? One that a proxy passed on does not."""
        if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
            return False
        try:
            parsed = ip_address(request.remote or "")
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            return parsed.ipv4_mapped.is_loopback
        return parsed.is_loopback

    def host(self, request: web.BaseRequest) -> str:
        """Host and port under which the client reaches this server; empty when it named none that could be one."""
        host = request.headers.get("Host", "")
        if self._passed_on(request):
            host = request.headers.get("X-Forwarded-Host", host).split(",")[0].strip()
        return host if _HOST.match(host) else ""

    def scheme(self, request: web.BaseRequest) -> str:
        """`http` or `https`, as the client sees it."""
        if self._passed_on(request):
            forwarded = request.headers.get("X-Forwarded-Proto", "").split(",")[0].strip().lower()
            if forwarded in ("http", "https"):
                return forwarded
        return "https" if request.secure else "http"

    def base_url(self, request: web.BaseRequest, public_url: str) -> str:
        """Where links start, without a slash at the end: as configured, else as this request came."""
        if public_url:
            return public_url.rstrip("/")
        host = self.host(request)
        if not host:
            raise PeerError("The request names no valid host.", code="host_invalid")
        return f"{self.scheme(request)}://{host}"


def local_address(request: web.BaseRequest) -> str:
    """The address of this machine that the request came to; empty when there is none (a socket file)."""
    name = request.transport.get_extra_info("sockname") if request.transport is not None else None
    return str(name[0]) if isinstance(name, tuple) else ""


def bearer(request: web.BaseRequest) -> str | None:
    """The bearer token of the request; None when it brings none.

    Raises:
        PeerError: 401 `token_invalid` for another scheme, two headers, or characters no token has.
    """
    values = request.headers.getall("Authorization", [])
    if not values:
        return None
    match = _BEARER.match(values[0]) if len(values) == 1 else None
    if match is None:
        raise PeerError("The Authorization header is not a bearer token.", status=401, code="token_invalid")
    return match[1]


async def body(request: web.Request, limit: int, content_type: str, *, gzip: bool = False) -> bytes:
    """The whole body.

    Args:
        limit: bytes; more is refused before it is read where the length is announced, and while it comes otherwise. Of
            a compressed body it bounds what comes and what that becomes.
        gzip: whether it may come compressed (RFC 7694).

    Raises:
        PeerError: 415 for another content type or coding, 413 above the limit, 408 when it takes too long, 400
            `coding_invalid` when it is not what its coding says.
    """
    codings = ("identity", "gzip") if gzip else ("identity",)
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if request.content_type != content_type or coding not in codings:
        headers = {"Accept-Post": content_type} if request.method == "POST" else {}
        raise RequestRefused(
            f"The body must be {content_type}.",
            status=415,
            code="content_type_unsupported",
            # RFC 7694 section 3: which codings it might have had.
            headers={**headers, "Accept-Encoding": ", ".join(codings)},
        )
    if request.content_length is not None and request.content_length > limit:
        raise PeerError(f"The body is larger than {limit} bytes.", status=413, code="body_too_large")
    received = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.content.iter_chunked(16 * 1024):
                received += chunk
                if len(received) > limit:
                    raise PeerError(f"The body is larger than {limit} bytes.", status=413, code="body_too_large")
    except TimeoutError as error:
        raise PeerError("The body took too long to come.", status=408, code="body_timeout") from error
    return inflated(bytes(received), limit) if coding == "gzip" else bytes(received)


async def json_body(request: web.Request, limit: int, shape: type[StructType]) -> StructType:
    """The body as a validated struct.

    Raises:
        PeerError: as `body`; 400 `json_invalid` when it is no JSON, 422 `field_invalid` when it has another shape.
    """
    raw = await body(request, limit, "application/json")
    try:
        return msgspec.json.decode(raw, type=shape)
    except msgspec.ValidationError as error:
        raise PeerError(_what_is_wrong(error), status=422, code="field_invalid") from error
    except Exception as error:
        raise PeerError("The body is not valid JSON.", code="json_invalid") from error


def _what_is_wrong(error: msgspec.ValidationError) -> str:
    """msgspec names field and expectation; its text quotes input only for unknown enum values, which are cut here."""
    text = re.sub(r"'[^']*'", "value", str(error)) if "Invalid enum" in str(error) else str(error)
    return text[:200]


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def error_response(message: str, *, status: int, code: str, headers: Iterable[tuple[str, str]] = ()) -> web.Response:
    """The one shape of every refusal."""
    response = json_response({"error": {"code": code, "message": message}}, status)
    response.headers.extend(headers)
    if status == 401:
        response.headers.setdefault("WWW-Authenticate", 'Bearer realm="liveclass"')
    if status in (429, 503):
        response.headers.setdefault("Retry-After", str(RETRY_AFTER_S))
    return response


HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 417: "expectation_failed"}
"""Codes of the refusals that aiohttp itself makes."""


GONE_AWAY = 499
"""Noted in the metrics alone, where a peer left before its answer; other servers use the same number."""


@web.middleware
async def error_boundary(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns every failure of a handler into an answer; only our own faults are logged with a traceback. Texts leave
    compressed where that is worth it."""
    try:
        response = await handler(request)
        await compress(request, response)
        return response
    except RequestRefused as refused:
        return error_response(
            refused.message, status=refused.status, code=refused.code, headers=refused.headers.items()
        )
    except PeerError as refused:
        return error_response(refused.message, status=refused.status, code=refused.code)
    except web.HTTPException as answer:
        if answer.status < 400:
            raise
        kept = [(name, value) for name, value in answer.headers.items() if name in ("Allow", "Accept-Post")]
        code = HTTP_CODES.get(answer.status, "bad_request")
        return error_response(f"{answer.reason}.", status=answer.status, code=code, headers=kept)
    except ConnectionError:
        # The peer has gone: nobody reads an answer, and it is no fault of ours to be logged with a traceback.
        return web.Response(status=GONE_AWAY)
    except Exception:
        resource = request.match_info.route.resource
        log.exception("request_failed", method=request.method, route=resource.canonical if resource else "")
        return error_response("The server made a mistake; it has been noted.", status=500, code="internal")


SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}


CROSS_ORIGIN_HEADERS = {
    # No cookie ever authorises a request, so a page from anywhere that holds a token may publish or watch.
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Location, ETag, Link, Accept-Patch, Retry-After",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
CROSS_ORIGIN_PATHS = ("/whip/", "/whep/")


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """A handler for `on_response_prepare`: what every answer carries, refusals too, unless its route says otherwise."""
    if request.path.startswith(CROSS_ORIGIN_PATHS):
        response.headers.update(CROSS_ORIGIN_HEADERS)
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    # What serves this is nobody's business, and the header names versions.
    response.headers["Server"] = "liveclass"
