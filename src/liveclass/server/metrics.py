"""Figures for Prometheus at `/metrics`, and the two questions of whoever runs the server: `/healthz` and `/readyz`.

Reads what others count; knows none of their rules. Every figure is described in docs/metrics.md, under test.
"""

import asyncio
import contextlib
import hmac
from collections.abc import AsyncIterator, Callable, Iterable, Mapping

from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from liveclass.errors import PeerError
from liveclass.lesson.members import Member
from liveclass.server.http import Handler, Proxies, bearer
from liveclass.server.lessons import Lessons
from liveclass.server.ports import CataloguePort, RecordingsPort
from liveclass.server.routing import PUBLIC, Route
from liveclass.server.signalling import Signalling

DELAY_PERIOD_S = 0.5
"""How often the event loop's delay is measured: often enough for a stall to show, too seldom to cost anything."""

READY_S = 2.0
"""How long the database may take to answer /readyz."""

JOIN_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 12, 30)
RUNG = "rung_"
"""How the media plane's counts of subscribers by rung begin."""

DELAY_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1)


class Figures(Collector):
    """Gauges read at the moment of asking."""

    def __init__(
        self,
        lessons: Lessons,
        recordings: RecordingsPort,
        signalling: Signalling,
        relay_stats: Callable[[], Mapping[str, float | int]],
        catchup_streams: Callable[[], int],
    ) -> None:
        self._catchup_streams = catchup_streams
        self._lessons = lessons
        self._recordings = recordings
        self._signalling = signalling
        self._relay_stats = relay_stats

    def collect(self) -> Iterable[Metric]:
        held = self._lessons.all()
        states = GaugeMetricFamily("liveclass_lessons", "Lessons held in memory", labels=["state"])
        for state in ("waiting", "live", "ended"):
            states.add_metric([state], sum(one.lesson.state == state for one in held))
        yield states
        people = GaugeMetricFamily("liveclass_participants", "Participants that are online", labels=["role"])
        members = [member for one in held for member in one.lesson.members() if member.online]
        for role in ("teacher", "classroom"):
            people.add_metric([role], sum(member.role == role for member in members))
        yield people
        sessions = GaugeMetricFamily("liveclass_media_sessions", "Media sessions open", labels=["direction"])
        for direction in ("publish", "subscribe"):
            open_now = sum(direction in m.sessions for one in held for m in one.lesson.members())
            sessions.add_metric([direction], open_now)
        yield sessions
        yield GaugeMetricFamily(
            "liveclass_signalling_sockets", "Signalling sockets open", value=self._signalling.open_sockets
        )
        yield CounterMetricFamily(
            "liveclass_signalling_messages", "Signalling messages received", value=self._signalling.messages
        )
        refused = CounterMetricFamily("liveclass_signalling_refused", "Signalling refused", labels=["code"])
        for code, count in self._signalling.refused.items():
            refused.add_metric([code], count)
        yield refused
        yield GaugeMetricFamily("liveclass_event_loop_tasks", "Tasks of the event loop", value=len(asyncio.all_tasks()))
        yield from self._links([member for one in held for member in one.lesson.members()])
        yield GaugeMetricFamily(
            "liveclass_catchup_streams", "Streams of what was missed open", value=self._catchup_streams()
        )
        yield from self._recording(held_ids=[one.id for one in held])
        stats = dict(sorted(self._relay_stats().items()))
        rungs = GaugeMetricFamily("liveclass_relay_subscribers", "Receiving sessions by rung", labels=["rung"])
        for name in [name for name in stats if name.startswith(RUNG)]:
            rungs.add_metric([name.removeprefix(RUNG)], stats.pop(name))
        yield rungs
        for name, value in stats.items():
            full = f"liveclass_relay_{name.removesuffix('_total')}"
            if name.endswith("_total"):
                yield CounterMetricFamily(full, f"Media plane: {name}", value=value)
            else:
                yield GaugeMetricFamily(full, f"Media plane: {name}", value=value)

    def _links(self, members: list[Member]) -> Iterable[Metric]:
        """How the rooms fare, as pages report it and the relay measures it."""
        rooms = [member for member in members if member.role == "classroom"]
        yield GaugeMetricFamily(
            "liveclass_rooms_reconnecting",
            "Classrooms of live lessons whose media is cut off",
            value=sum(room.link.rung == "reconnecting" for room in rooms),
        )
        yield GaugeMetricFamily(
            "liveclass_rooms_behind",
            "Classrooms that play from the recording",
            value=sum(room.receiving.behind_s is not None for room in rooms),
        )

    def _recording(self, held_ids: list[str]) -> Iterable[Metric]:
        statuses = [self._recordings.status(lesson_id) for lesson_id in held_ids]
        states = GaugeMetricFamily("liveclass_recordings", "Recordings of lessons in memory", labels=["state"])
        for state in ("recording", "paused", "stopped", "finished"):
            states.add_metric([state], sum(status.state == state for status in statuses))
        yield states
        active = [status for status in statuses if status.state in ("recording", "paused")]
        yield GaugeMetricFamily(
            "liveclass_recording_bytes", "Bytes of the recordings under way", value=sum(s.bytes for s in active)
        )
        yield GaugeMetricFamily(
            "liveclass_recording_seconds",
            "Seconds of the recordings under way",
            value=sum(s.duration_s for s in active),
        )
        yield GaugeMetricFamily(
            "liveclass_recording_problems",
            "Recordings under way that have a problem",
            value=sum(bool(status.problem) for status in active),
        )


_CASCADE = {
    "classrooms_elsewhere": "Sessions of classrooms of this node's lessons that other nodes serve",
    "classrooms_guests": "Sessions of classrooms that this node serves for other nodes' lessons",
    "lessons_pulled": "Lessons that this node pulls from others",
}


class FleetFigures(Collector):
    """Of this process as a node, read at the moment of asking."""

    def __init__(self, fleet: Callable[[], Mapping[str, float]]) -> None:
        self._fleet = fleet

    def collect(self) -> Iterable[Metric]:
        told = self._fleet()
        if told:
            yield GaugeMetricFamily(
                "liveclass_lessons_owned", "Lessons that this node owns", value=told["lessons_owned"]
            )
            yield GaugeMetricFamily(
                "liveclass_forwarded", "Requests and sockets that pass through to other nodes", value=told["forwarded"]
            )
            yield CounterMetricFamily(
                "liveclass_forwarded_requests",
                "Requests and sockets passed on to other nodes",
                value=told["forwarded_requests_total"],
            )
            for name, what in _CASCADE.items():
                yield GaugeMetricFamily(f"liveclass_{name}", what, value=told[name])
            yield CounterMetricFamily(
                "liveclass_pull_tries",
                "Sessions begun with other nodes to pull lessons from them",
                value=told["pull_tries_total"],
            )


class Metrics:
    """The registry of this application and its routes.

    Args:
        catchup_streams: how many streams of what was missed are open.
        fleet: figures of this process as a node, by name; empty where it is alone.
        token: bearer of /metrics; empty: whoever asks from this machine itself.
    """

    def __init__(
        self,
        *,
        lessons: Lessons,
        recordings: RecordingsPort,
        catalogue: CataloguePort,
        signalling: Signalling,
        relay_stats: Callable[[], Mapping[str, float | int]],
        catchup_streams: Callable[[], int],
        proxies: Proxies,
        token: str,
        fleet: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        self._lessons = lessons
        self._catalogue = catalogue
        self._proxies = proxies
        self._token = token
        self.registry = CollectorRegistry()
        self.registry.register(Figures(lessons, recordings, signalling, relay_stats, catchup_streams))
        self.registry.register(FleetFigures(fleet))
        self._joins = Histogram(
            "liveclass_join_seconds",
            "From a subscriber's offer to media that can flow",
            buckets=JOIN_BUCKETS,
            registry=self.registry,
        )
        self._requests = Counter(
            "liveclass_http_requests", "HTTP requests answered", ["method", "status"], registry=self.registry
        )
        self._delay = Histogram(
            "liveclass_event_loop_delay_seconds",
            "How late the event loop does what is due",
            buckets=DELAY_BUCKETS,
            registry=self.registry,
        )
        lessons.observe_join = self._joins.observe

    async def watch_event_loop(self, _app: web.Application) -> AsyncIterator[None]:
        """A clean-up context of the application: measures for as long as it runs."""

        async def measure() -> None:
            loop = asyncio.get_running_loop()
            while True:
                before = loop.time()
                await asyncio.sleep(DELAY_PERIOD_S)
                self._delay.observe(max(0.0, loop.time() - before - DELAY_PERIOD_S))

        task = asyncio.create_task(measure())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    def middleware(self) -> Middleware:
        """Counts answers by method and status."""

        @web.middleware
        async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = await handler(request)
            method = request.method if request.method in _METHODS else "other"
            self._requests.labels(method, str(response.status)).inc()
            return response

        return count

    def routes(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/metrics",
                handler=self._metrics,
                access=PUBLIC,
                response="text/plain",
                summary="Figures for Prometheus; from this machine only, unless a token is set",
                refusals={401: "no valid token", 403: "not from this machine"},
            ),
            Route(
                method="GET",
                path="/healthz",
                handler=self._healthz,
                access=PUBLIC,
                response="text/plain",
                summary="The process answers",
            ),
            Route(
                method="GET",
                path="/readyz",
                handler=self._readyz,
                access=PUBLIC,
                response="text/plain",
                summary="New lessons are welcome",
                refusals={503: "draining, or the database does not answer"},
            ),
        ]

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        if self._token:
            presented = bearer(request)
            if presented is None:
                raise PeerError("This needs a bearer token.", status=401, code="token_missing")
            if not hmac.compare_digest(presented.encode(), self._token.encode()):
                raise PeerError("This token is not valid.", status=401, code="token_invalid")
        elif not self._proxies.is_loopback(request):
            raise PeerError("Figures are for this machine only.", status=403, code="loopback_only")
        return web.Response(
            body=generate_latest(self.registry),
            headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"},
        )

    async def _healthz(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(text="ok\n", headers={"Cache-Control": "no-store"})

    async def _readyz(self, _request: web.Request) -> web.StreamResponse:
        if self._lessons.draining:
            raise PeerError("The server is about to end.", status=503, code="draining")
        try:
            await asyncio.wait_for(self._catalogue.ping(), READY_S)
        except Exception as error:
            raise PeerError("The database does not answer.", status=503, code="database_down") from error
        return web.Response(text="ready\n", headers={"Cache-Control": "no-store"})


_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "PUT"})
