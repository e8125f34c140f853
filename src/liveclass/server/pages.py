"""The built pages and their assets, read into memory once: a few hundred kilobytes, compressed beforehand.

Which page to show depends on the path alone: whether a lesson exists or a link is valid, the page finds out and says in
words. Since only names found at the start are served, no path can lead anywhere else.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from mimetypes import MimeTypes
from pathlib import Path

import structlog
from aiohttp import hdrs, web

from liveclass.errors import PeerError
from liveclass.server.coding import accepts
from liveclass.server.http import Proxies
from liveclass.server.routing import PUBLIC, Route

log = structlog.get_logger(__name__)

ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""Best first."""

SIZE_LIMIT = 64 * 1024 * 1024
"""More than this in the folder of pages is a mistake of whoever built it, not something to hold in memory."""

PAGE_CACHE = "no-cache"
ASSET_CACHE = "public, max-age=31536000, immutable"
"""Assets carry a hash of their content in their name; pages name the assets, so they are asked for each time."""

PAGE_HEADERS = {
    "Permissions-Policy": (
        "camera=(self), microphone=(self), display-capture=(self), fullscreen=(self), autoplay=(self), "
        "screen-wake-lock=(self), geolocation=(), payment=(), usb=()"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
}

WORKER = "sw.js"
WORKER_HEADERS = {
    "Service-Worker-Allowed": "/",
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'; script-src 'self'",
}
"""The service worker stands for every page, and may load what the pages may."""

_TYPES = MimeTypes()
for _suffix, _type in {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".html": "text/html",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
    ".ico": "image/x-icon",
}.items():
    _TYPES.add_type(_type, _suffix)

_NOT_BUILT = """<!doctype html><meta charset="utf-8"><title>liveclass</title>
<h1>liveclass</h1><p>The server runs, but its pages have not been built. Run <code>script/build-web</code>.</p>
<p>服务器已启动，但网页尚未生成。请运行 <code>script/build-web</code>。</p>"""


@dataclass(slots=True)
class Asset:
    """One file: its plain bytes and the compressed ones, by content coding."""

    content_type: str
    etag: str
    variants: dict[str, bytes] = field(default_factory=dict)


def load(folder: Path) -> dict[str, Asset]:
    """Every file below the folder, by its path inside, with the `.br` and `.gz` beside it as variants."""
    assets: dict[str, Asset] = {}
    size = 0
    compressed = tuple(ENCODINGS.values())
    files: Iterable[Path] = sorted(folder.rglob("*")) if folder.is_dir() else ()
    for path in files:
        relative = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in relative.parts)
        if hidden or not path.is_file() or path.name.endswith(compressed):
            continue
        plain = path.read_bytes()
        content_type = _TYPES.guess_type(path.name)[0] or "application/octet-stream"
        asset = Asset(content_type, hashlib.sha256(plain).hexdigest()[:20], {"identity": plain})
        for coding, suffix in ENCODINGS.items():
            beside = path.with_name(path.name + suffix)
            if beside.is_file():
                asset.variants[coding] = beside.read_bytes()
        size += sum(map(len, asset.variants.values()))
        if size > SIZE_LIMIT:
            log.warning("pages_too_large", folder=str(folder))
            break
        assets[relative.as_posix()] = asset
    return assets


class Pages:
    """The handlers of pages and assets.

    Args:
        folder: the built pages; an empty or missing one gives a page that says what to do.
        store: the origin that replays are sent to by signed addresses, if any.
    """

    def __init__(self, folder: Path, proxies: Proxies, store: str = "") -> None:
        self._store = f" {store}" if store else ""
        self._assets = load(folder)
        self._proxies = proxies

    def routes(self) -> list[Route]:
        pages = {
            "/": ("index.html", "What this is"),
            "/teach/{lesson}": ("teach.html", "The volunteer's page"),
            "/class/{lesson}": ("class.html", "The classroom's page"),
            "/replay/{lesson}": ("replay.html", "The replay page"),
            "/report/{lesson}": ("report.html", "What came of a lesson"),
        }
        routes = [
            self._route(method, path, name, summary)
            for path, (name, summary) in pages.items()
            for method in ("GET", "HEAD")
        ]
        for method in ("GET", "HEAD"):
            routes.append(
                Route(method=method, path="/assets/{path:.+}", handler=self._asset, access=PUBLIC, described=False)
            )
            routes.append(Route(method=method, path=f"/{WORKER}", handler=self._worker, access=PUBLIC, described=False))
            routes.append(
                Route(method=method, path="/favicon.ico", handler=self._favicon, access=PUBLIC, described=False)
            )
        return routes

    def _route(self, method: str, path: str, name: str, summary: str) -> Route:
        async def page(request: web.Request) -> web.StreamResponse:
            asset = self._assets.get(name)
            if asset is None:
                return web.Response(
                    status=503, text=_NOT_BUILT, content_type="text/html", headers={"Retry-After": "60"}
                )
            headers = {"Content-Security-Policy": self._policy(request), **PAGE_HEADERS}
            return _serve(request, asset, PAGE_CACHE, headers)

        return Route(
            method=method,
            path=path,
            handler=page,
            access=PUBLIC,
            summary=summary,
            response="text/html" if method == "GET" else None,
            described=False,
            anywhere=True,
        )

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        asset = self._assets.get(f"assets/{request.match_info['path']}")
        if asset is None:
            raise PeerError("There is no such file.", status=404, code="not_found")
        return _serve(request, asset, ASSET_CACHE, {})

    async def _worker(self, request: web.Request) -> web.StreamResponse:
        asset = self._assets.get(WORKER)
        if asset is None:
            raise PeerError("There is no such file.", status=404, code="not_found")
        policy = WORKER_HEADERS["Content-Security-Policy"].replace(
            "connect-src 'self'", f"connect-src 'self'{self._store}"
        )
        return _serve(request, asset, PAGE_CACHE, {**WORKER_HEADERS, "Content-Security-Policy": policy})

    async def _favicon(self, request: web.Request) -> web.StreamResponse:
        for name in ("favicon.ico", "favicon.svg"):
            if name in self._assets:
                return _serve(request, self._assets[name], PAGE_CACHE, {})
        return web.Response(status=204, headers={"Cache-Control": "public, max-age=86400"})

    def _policy(self, request: web.Request) -> str:
        host = self._proxies.host(request)
        # 'self' does not cover the socket in Safari before 15.4.
        sockets = f" ws://{host} wss://{host}" if host else ""
        return "; ".join(
            (
                "default-src 'none'",
                "script-src 'self'",
                "style-src 'self'",
                "img-src 'self' data: blob:",
                "font-src 'self'",
                f"media-src 'self' blob: mediastream:{self._store}",
                "worker-src 'self' blob:",
                "manifest-src 'self'",
                f"connect-src 'self'{sockets}{self._store}",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
            )
        )


def _serve(request: web.Request, asset: Asset, cache: str, headers: dict[str, str]) -> web.Response:
    coding = _coding(request.headers.get(hdrs.ACCEPT_ENCODING, ""), asset)
    # A strong tag names these very bytes, so each coding has its own (RFC 9110 section 8.8.3.3).
    tag = asset.etag if coding == "identity" else f"{asset.etag}-{coding}"
    headers = {**headers, hdrs.ETAG: f'"{tag}"', hdrs.CACHE_CONTROL: cache, hdrs.VARY: hdrs.ACCEPT_ENCODING}
    if any(known.value in (tag, "*") for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    if coding != "identity":
        headers[hdrs.CONTENT_ENCODING] = coding
    text = asset.content_type.startswith("text/") or asset.content_type == "image/svg+xml"
    headers[hdrs.CONTENT_TYPE] = asset.content_type + ("; charset=utf-8" if text else "")
    return web.Response(body=asset.variants[coding], headers=headers)


def _coding(accepted: str, asset: Asset) -> str:
    """The best coding that the client takes (RFC 9110 section 12.5.3)."""
    for coding in ENCODINGS:
        if coding in asset.variants and accepts(accepted, coding):
            return coding
    return "identity"
