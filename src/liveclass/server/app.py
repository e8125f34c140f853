"""Puts the routes together into one aiohttp application. Opens no port and makes no part: `Services` brings them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from liveclass.archive.service import Archive
from liveclass.config import Settings
from liveclass.relay.ports import MediaPlane
from liveclass.server.api import LessonApi
from liveclass.server.auth import Authority, Signer
from liveclass.server.catchup import Bounds, Catchup
from liveclass.server.fleet import Fleet
from liveclass.server.forwarding import Forwarding
from liveclass.server.http import Handler, Proxies, add_headers, error_boundary, json_response
from liveclass.server.ice import Ice
from liveclass.server.lessons import Lessons
from liveclass.server.limits import AddressLimiter
from liveclass.server.line import LineCheck
from liveclass.server.materials import MaterialRoutes
from liveclass.server.media import Replays
from liveclass.server.metrics import Metrics
from liveclass.server.openapi import describe
from liveclass.server.pages import Pages
from liveclass.server.ports import CataloguePort, MaterialsPort, RecordingsPort
from liveclass.server.routing import PUBLIC, Gate, Route
from liveclass.server.signalling import Origins, Signalling
from liveclass.server.timelines import Timelines
from liveclass.server.whip import MediaSessions

BURST_S = 10.0
"""Seconds of an address's allowance that it may spend at once: a school behind one address comes back as one crowd."""

FORWARDED_PER_SESSION = 4
"""Requests and sockets that a node passes on at a time, for each media session that it may carry: a page has a socket,
and now and then some requests."""

PATTERNS = {"lesson": "[A-Za-z0-9_-]{1,64}", "session": "[A-Za-z0-9_-]{1,128}", "material": "[a-z0-9]{6,12}"}
"""What these parts of a path may look like; anything else is an unknown path (404)."""

RUNNER: dict[str, Any] = {"access_log": None, "auto_decompress": False}
"""How the application is to be run: no access log, whose lines hold full addresses, and no decompression of bodies: no
route needs it, and a body that does not decompress would be logged as our fault."""

ROUTES: web.AppKey[list[Route]] = web.AppKey("routes", list)
"""Every route of the application, for its description and its tests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything the handlers use, made by `liveclass.app` and by tests.

    Attributes:
        lessons: the registry; attached and started by whoever made it. The application closes it.
        signing_key: at least 32 secret bytes, the same after a restart: media tokens and replay URLs rest on them.
        is_admin: whether a bearer token is the admin's, compared in constant time.
        static_dir: the built pages (`src/liveclass/web`).
        monotonic: seconds, never going back.
        wall: seconds since 1970.
        archive: what of lessons lies in an object store; None: nothing does.
        relay_stats: figures of the media plane for /metrics, by name; names ending in `_total` are counters.
        fleet: this process as a node; None where it is alone.
    """

    settings: Settings
    catalogue: CataloguePort
    media: MediaPlane
    recordings: RecordingsPort
    materials: MaterialsPort
    lessons: Lessons
    signing_key: bytes
    is_admin: Callable[[str], bool]
    static_dir: Path
    monotonic: Callable[[], float]
    wall: Callable[[], float]
    archive: Archive | None = None
    relay_stats: Callable[[], Mapping[str, float | int]] = dict
    fleet: Fleet | None = None


def build_app(services: Services) -> web.Application:
    """The application with every route; run it with `web.AppRunner(app, **RUNNER)`.

    On shutdown (`runner.cleanup()`) open sockets are closed with 1012 and snapshots are written.

    Raises:
        UsageError: `trusted_proxies` holds what is no address.
    """
    settings, lessons = services.settings, services.lessons
    proxies = Proxies(settings.trusted_proxies)
    signer = Signer(services.signing_key, services.wall)
    authority = Authority(
        signer=signer,
        is_admin=services.is_admin,
        catalogue=services.catalogue,
        revoked_ms=lessons.revoked_ms,
        monotonic=services.monotonic,
    )

    def gate_of(per_s: float) -> Gate:
        return Gate(authority, proxies, AddressLimiter(per_s, max(1.0, per_s * BURST_S)), services.monotonic)

    gate = gate_of(settings.posts_per_s)
    signalling = Signalling(
        lessons=lessons,
        authority=authority,
        proxies=proxies,
        origins=Origins(proxies, settings.allowed_origins, settings.public_url),
        max_message_bytes=settings.max_message_bytes,
        messages_per_s=settings.messages_per_s,
        max_sockets=settings.max_sessions,
        monotonic=services.monotonic,
    )
    catchup = Catchup(
        lessons=lessons,
        recordings=services.recordings,
        bounds=Bounds(
            streams=settings.catchup_streams,
            lesson_streams=settings.catchup_lesson_streams,
            link_streams=settings.catchup_link_streams,
            after_end_s=settings.catchup_after_end_s,
        ),
        monotonic=services.monotonic,
        wall=services.wall,
    )
    nodes = FleetRoutes(services.fleet, proxies, settings) if services.fleet is not None else None
    metrics = Metrics(
        lessons=lessons,
        recordings=services.recordings,
        catalogue=services.catalogue,
        signalling=signalling,
        relay_stats=services.relay_stats,
        catchup_streams=lambda: catchup.open_streams,
        proxies=proxies,
        token=settings.metrics_token,
        fleet=nodes.figures if nodes is not None else dict,
    )
    api = LessonApi(
        catalogue=services.catalogue,
        recordings=services.recordings,
        lessons=lessons,
        proxies=proxies,
        public_url=settings.public_url,
        default_language=settings.default_language,
        max_body_bytes=settings.max_body_bytes,
    )
    sessions = MediaSessions(
        lessons=lessons,
        proxies=proxies,
        max_sdp_bytes=settings.max_sdp_bytes,
        max_sessions=settings.max_sessions,
        seats=services.fleet.seats if services.fleet is not None else None,
        guests=nodes.guests if nodes is not None else lambda: 0,
    )
    replays = Replays(
        lessons=lessons,
        recordings=services.recordings,
        signer=signer,
        open_to_classrooms=settings.classroom_replay,
        archive=services.archive,
    )
    materials = MaterialRoutes(
        materials=services.materials,
        lessons=lessons,
        authority=authority,
        max_body_bytes=settings.max_body_bytes,
    )
    routes = [
        *api.routes(),
        *LineCheck(gate_of(settings.line_checks_per_s).check_rate, gate.check_rate).routes(),
        *Ice(lessons.ice_servers).routes(),
        *replays.routes(),
        *materials.routes(),
        *catchup.routes(),
        *Timelines(lessons, open_to_classrooms=settings.classroom_replay, wall=services.wall).routes(),
        *sessions.routes(),
        *signalling.routes(),
        *metrics.routes(),
        *Pages(services.static_dir, proxies, services.archive.origin if services.archive else "").routes(),
        *(nodes.fleet.routes() if nodes is not None else ()),
    ]
    routes.append(_description(routes))
    middlewares = [metrics.middleware(), error_boundary, *(nodes.middlewares() if nodes is not None else ())]
    app = web.Application(middlewares=middlewares, client_max_size=settings.max_body_bytes)
    app[ROUTES] = routes
    for route in routes:
        handler = gate.guard(route)
        app.router.add_route(route.method, _pattern(route.path), handler)
        if nodes is not None and route.anywhere:
            nodes.anywhere.add(handler)
    app.on_response_prepare.append(add_headers)
    app.cleanup_ctx.append(metrics.watch_event_loop)
    if nodes is not None:
        app.cleanup_ctx.append(nodes.forwarding.run)
        app.on_shutdown.append(lambda _app: nodes.forwarding.close())
        app.on_shutdown.append(lambda _app: nodes.fleet.leave())
    app.on_shutdown.append(lambda _app: lessons.close())
    app.on_shutdown.append(lambda _app: catchup.close())
    return app


class FleetRoutes:
    """What stands before the handlers on a node of a fleet."""

    def __init__(self, fleet: Fleet, proxies: Proxies, settings: Settings) -> None:
        self.fleet = fleet
        self.anywhere: set[Handler] = set()
        self.forwarding = Forwarding(
            fleet,
            fleet.key,
            proxies,
            anywhere=lambda request: request.match_info.handler in self.anywhere,
            max_forwarded=settings.max_sessions * FORWARDED_PER_SESSION,
            max_message_bytes=settings.max_message_bytes,
        )

    def middlewares(self) -> list[Middleware]:
        return [self.fleet.inner.middleware(), self.forwarding.middleware()]

    def guests(self) -> int:
        """Sessions that this node serves for lessons of others."""
        return self.fleet.guests.count if self.fleet.guests is not None else 0

    def figures(self) -> Mapping[str, float]:
        """For /metrics."""
        guests, seats = self.fleet.guests, self.fleet.seats
        return {
            "classrooms_elsewhere": seats.count if seats is not None else 0,
            "classrooms_guests": self.guests(),
            "lessons_pulled": guests.pulled if guests is not None else 0,
            "pull_tries_total": guests.tries if guests is not None else 0,
            "lessons_owned": self.fleet.owned,
            "forwarded": self.forwarding.open,
            "forwarded_requests_total": self.forwarding.requests,
        }


def _description(routes: list[Route]) -> Route:
    async def openapi(_request: web.Request) -> web.StreamResponse:
        return json_response(describe(routes))

    return Route(
        method="GET",
        path="/openapi.json",
        handler=openapi,
        access=PUBLIC,
        summary="This description",
        response="application/json",
    )


def _pattern(path: str) -> str:
    """The path as aiohttp's router takes it: with what each part may look like."""
    return re.sub(r"{(\w+)}", lambda match: f"{{{match[1]}:{PATTERNS.get(match[1], '[^/{}]+')}}}", path)
