"""Content codings of small texts: bodies that come compressed, within bounds, and answers that leave so.

A village uplink of 150 kbit/s takes half a second for an offer as browsers write it, and a tenth of that compressed.
Refuses to know routes and what the texts say. What is compressed here is asked for with a bearer token, which no
foreign page can make a browser send, so lengths of answers tell nobody anything (BREACH needs a cookie).
"""

import asyncio
import gzip
import re
import zlib

from aiohttp import hdrs, web

from liveclass.errors import PeerError

MIN_BYTES = 1024
"""Less fits one packet anyhow."""

AT_ONCE_BYTES = 64 * 1024
"""Up to this a text is compressed where it stands, in about a millisecond; more is given to a thread."""

LEVEL = 6
"""As zlib's default: 9 makes an answer two bytes smaller for twice the time."""

TEXTS = frozenset(
    {
        "application/json",
        "application/sdp",
        "application/trickle-ice-sdpfrag",
        "application/vnd.apple.mpegurl",
        "text/plain",
    }
)
"""Types that compress well; pages and their assets come compressed already."""

_GZIP = 16 + zlib.MAX_WBITS
_NEVER = re.compile(r"q\s*=\s*0(\.0*)?")


def inflated(body: bytes, limit: int) -> bytes:
    """What a gzip body (RFC 1952) holds. Never makes more than `limit` bytes, whatever the body claims.

    Args:
        limit: bytes of the plain text.

    Raises:
        PeerError: 413 `body_too_large` above the limit, 400 `coding_invalid` for what is no single whole gzip member.
    """
    inflater = zlib.decompressobj(_GZIP)
    try:
        plain = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise PeerError("The body is not valid gzip.", code="coding_invalid") from error
    if len(plain) > limit:
        raise PeerError(f"The body is larger than {limit} bytes.", status=413, code="body_too_large")
    if not inflater.eof or inflater.unused_data:
        raise PeerError("The body is not valid gzip.", code="coding_invalid")
    return plain


def accepts(header: str, coding: str) -> bool:
    """Does a client that sent this Accept-Encoding take the coding (RFC 9110 section 12.5.3)?"""
    wanted: dict[str, bool] = {}
    for item in header.lower().split(","):
        name, _, parameter = item.partition(";")
        wanted[name.strip()] = _NEVER.fullmatch(parameter.strip()) is None
    return wanted.get(coding, wanted.get("*", False))


async def compress(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Compress the answer if it is a text worth it and the client takes gzip. An answer with an entity tag of its
    content is left as it is, since the tag names its very bytes; WHIP's tags name the session."""
    if not isinstance(response, web.Response) or not isinstance(response.body, bytes) or request.method == "HEAD":
        return
    if response.content_type not in TEXTS or len(response.body) < MIN_BYTES:
        return
    if hdrs.CONTENT_ENCODING in response.headers or hdrs.CONTENT_RANGE in response.headers:
        return
    if hdrs.ETAG in response.headers and response.content_type not in (
        "application/sdp",
        "application/trickle-ice-sdpfrag",
    ):
        return
    response.headers.add(hdrs.VARY, hdrs.ACCEPT_ENCODING)
    if not accepts(request.headers.get(hdrs.ACCEPT_ENCODING, ""), "gzip"):
        return
    plain = response.body
    if len(plain) <= AT_ONCE_BYTES:
        response.body = gzip.compress(plain, LEVEL, mtime=0)
    else:
        response.body = await asyncio.to_thread(gzip.compress, plain, LEVEL, mtime=0)
    response.headers[hdrs.CONTENT_ENCODING] = "gzip"
