"""The only place that wires the parts together: settings in, a running server out.

It decides nothing of its own: who may do what stands in the rooms, what can be set in `config`. It owns the order in
which parts start and end.
"""

import asyncio
import contextlib
import gc
import logging
import signal
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from liveclass.catalogue.store import Catalogue
from liveclass.config import Settings, items
from liveclass.errors import UsageError
from liveclass.materials.model import MaterialsOptions
from liveclass.materials.service import Materials
from liveclass.operate import certificates, logs
from liveclass.operate.secrets import Secrets, admin_token_notice
from liveclass.recording.model import RecordingOptions
from liveclass.recording.service import Recordings
from liveclass.relay.plane import Plane, PlaneOptions
from liveclass.server.app import RUNNER, Services, build_app
from liveclass.server.lessons import Lessons
from liveclass.server.listen import SharedPort, media_port
from liveclass.server.turn import ice_servers
from liveclass.transport.dtls import Identity
from liveclass.transport.endpoint import Endpoint

log = logging.getLogger(__name__)

STATIC_DIR = Path(__file__).parent / "web"

DRAIN_LOOK_S = 0.1
"""How often the end of the last lesson is looked for while the server drains."""

RECORDING_TICK_S = 0.15
"""How often the recorder's deadlines are served: a fragment of at most 1 s is late by this."""

CERTIFICATE_S = 6 * 3600.0
"""How often certificate files are read again: renewals come weeks before the old one ends."""

GC_THRESHOLDS = (50_000, 50, 100)
"""Packets are freed by reference count; the cycle collector would only pause the fan-out, several times a second."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers.

    Attributes:
        url: of its pages, as its own machine reaches them or as `public_url` says.
        udp_port: the media port that was bound.
    """

    url: str
    udp_port: int
    settings: Settings
    catalogue: Catalogue

    async def create_lesson(self, title: str, language: str) -> dict[str, str]:
        """A new lesson: its `id`, `teacher_url`, `classroom_url` and `replay_url`."""
        lesson, tokens = await self.catalogue.create_lesson(title, language, None)
        pages = {"teacher": "teach", "classroom": "class", "replay": "replay"}
        links = {f"{role}_url": f"{self.url}/{page}/{lesson.id}#{tokens[role]}" for role, page in pages.items()}  # type: ignore[index]
        return {"id": lesson.id, **links}


async def serve(settings: Settings, *, ready: Callable[[Running], Awaitable[None]] | None = None) -> None:
    """Run a server until SIGTERM or SIGINT; the first drains, a second ends at once.

    Args:
        ready: called once it answers.

    Raises:
        UsageError: a port, file or setting does not allow it to start.
    """
    loop = asyncio.get_running_loop()
    stop = _stop_on_signals(loop)
    tls = certificates.ssl_context(settings)
    secrets = Secrets.open(settings.data_dir, settings.admin_token)
    if secrets.new_admin_token:
        print(admin_token_notice(secrets.new_admin_token), file=sys.stderr, flush=True)
    async with contextlib.AsyncExitStack() as stack:
        catalogue = await Catalogue.open(settings.database, pool=settings.database_pool)
        stack.push_async_callback(catalogue.close)
        endpoint = Endpoint(
            Identity.generate(time.time()),
            timeout_s=settings.session_timeout_s,
            max_sessions=settings.max_sessions,
            public=items(settings.public_address),
            max_tcp_peers=settings.max_tcp_peers if settings.media_tcp else 0,
        )
        # Where pages and media share the number, the pages' port takes the connections of both.
        shared_number = settings.port != 0 and settings.port == settings.udp_port
        await endpoint.open(settings.host, settings.udp_port, listen_tcp=not shared_number)
        stack.callback(endpoint.close)
        lessons = Lessons(
            settings=settings,
            catalogue=catalogue,
            snapshot_dir=settings.data_dir / "lessons",
            timeline_dir=settings.data_dir / "timelines",
            signing_key=secrets.derive("media tokens"),
            monotonic=time.monotonic,
            wall=time.time,
            ice_servers=lambda who: ice_servers(settings, time.time(), who),
        )
        plane = Plane(endpoint, lessons, _plane_options(settings), on_join=lessons.joined)
        recordings = Recordings(
            settings.data_dir / "recordings", _recording_options(settings), lessons.recording_changed
        )
        await recordings.start()
        stack.push_async_callback(recordings.close)
        materials = Materials(
            settings.data_dir / "materials",
            _materials_options(settings),
            lessons.materials_changed,
            lessons.materials_changed,
        )
        lessons.attach(plane, recordings, materials)
        await materials.start()
        stack.push_async_callback(materials.close)
        services = Services(
            settings=settings,
            catalogue=catalogue,
            media=plane,
            recordings=recordings,
            materials=materials,
            lessons=lessons,
            signing_key=secrets.derive("media tokens"),
            is_admin=lambda token: secrets.is_admin(token, time.time()),
            static_dir=STATIC_DIR,
            monotonic=time.monotonic,
            wall=time.time,
            relay_stats=plane.stats,
        )
        runner = web.AppRunner(build_app(services), **RUNNER, shutdown_timeout=3.0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        ticking = asyncio.create_task(_tick(recordings))
        stack.push_async_callback(_cancel, ticking)
        if tls is not None:
            renewing = asyncio.create_task(_renew(tls, settings))
            stack.push_async_callback(_cancel, renewing)
        await lessons.start()
        await _complete(recordings, catalogue)
        shared = _pages_port(runner, endpoint, settings, tls)
        stack.push_async_callback(shared.close)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        running = Running(_url(settings, shared), endpoint.port, settings, catalogue)
        log.info("listening url=%s udp_port=%s", running.url, running.udp_port)
        if ready is not None:
            await ready(running)
        await stop.wait()
        await _drain(lessons, settings.drain_s, stop)


def run(settings: Settings, *, ready: Callable[[Running], Awaitable[None]] | None = None) -> None:
    """`serve` in an event loop of its own, uvloop where there is one."""
    logs.configure(settings.log_level, settings.log_format)
    try:
        import uvloop

        factory: Callable[[], asyncio.AbstractEventLoop] | None = uvloop.new_event_loop
    except ImportError:
        factory = None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(settings, ready=ready))


class _Stop:
    """SIGTERM and SIGINT as awaitables."""

    def __init__(self) -> None:
        self._asked = 0
        self._first, self._second = asyncio.Event(), asyncio.Event()

    def signal(self) -> None:
        self._asked += 1
        (self._first if self._asked == 1 else self._second).set()

    async def wait(self) -> None:
        await self._first.wait()

    async def hurried(self, limit_s: float) -> None:
        """Wait for the second signal, or for `limit_s` seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._second.wait(), limit_s)

    @property
    def urgent(self) -> bool:
        return self._second.is_set()


def _stop_on_signals(loop: asyncio.AbstractEventLoop) -> _Stop:
    stop = _Stop()
    for name in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(name, stop.signal)
    return stop


async def _drain(lessons: Lessons, limit_s: float, stop: _Stop) -> None:
    """Start no new lesson, and wait for the running ones; whoever is left finds them again after the restart."""
    lessons.drain()
    deadline = time.monotonic() + limit_s
    while lessons.live_count and not stop.urgent and (left_s := deadline - time.monotonic()) > 0:
        await stop.hurried(min(left_s, DRAIN_LOOK_S))


async def _complete(recordings: Recordings, catalogue: Catalogue) -> None:
    """Complete replays whose lesson ended while the disk refused or the server was killed."""
    for lesson_id in recordings.unfinished():
        lesson = await catalogue.lesson(lesson_id)
        if lesson is None:
            log.warning("a recording belongs to no lesson and is left alone lesson=%s", lesson_id)
        elif lesson.state == "ended":
            await recordings.finish(lesson_id)


async def _tick(recordings: Recordings) -> None:
    while True:
        try:
            recordings.tick(time.monotonic())
        except Exception:
            log.exception("the recorder's tick failed")
        await asyncio.sleep(RECORDING_TICK_S)


async def _renew(tls: ssl.SSLContext, settings: Settings) -> None:
    """Take a renewed certificate without a restart: lessons outlive certificates."""
    while True:
        await asyncio.sleep(CERTIFICATE_S)
        try:
            certificates.refresh(tls, settings)
        except UsageError as error:
            log.warning("the certificate was not renewed: %s", error)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _plane_options(settings: Settings) -> PlaneOptions:
    return PlaneOptions(
        max_sdp_bytes=settings.max_sdp_bytes,
        cache_packets=settings.cache_packets,
        keyframe_interval_s=settings.keyframe_interval_s,
        congestion_feedback=settings.congestion_feedback,
        adaptation=settings.adaptation,
        retransmission_share=settings.retransmission_share,
        max_speaking=settings.max_speaking,
    )


def _recording_options(settings: Settings) -> RecordingOptions:
    return RecordingOptions(
        record=settings.record,
        record_classrooms=settings.record_classrooms,
        fragment_s=settings.fragment_s,
        segment_s=settings.segment_s,
        disk_floor_bytes=settings.disk_floor_bytes,
        queue_bytes=settings.recording_queue_bytes,
        reorder_s=settings.recording_reorder_s,
        max_clips=settings.recording_max_clips,
        light=settings.record_light,
    )


def _materials_options(settings: Settings) -> MaterialsOptions:
    return MaterialsOptions(
        max_upload_bytes=settings.max_upload_bytes,
        max_pages=settings.max_pages,
        max_per_lesson=settings.max_materials,
        max_lesson_bytes=settings.max_lesson_material_bytes,
        max_uploads=settings.max_uploads,
        max_media_s=settings.max_media_s,
        workers=settings.material_workers,
        page_s=settings.material_page_s,
        work_s=settings.material_work_s,
        memory_bytes=settings.material_memory_bytes,
        disk_floor_bytes=settings.disk_floor_bytes,
    )


def _pages_port(
    runner: web.AppRunner, endpoint: Endpoint, settings: Settings, tls: ssl.SSLContext | None
) -> SharedPort:
    """Open the port of pages and API, which takes media over TCP too."""
    assert runner.server is not None
    shared = SharedPort(runner.server, endpoint.tcp.adopt if settings.media_tcp else None, tls=tls)
    shared.open(settings.host, settings.port)
    number = media_port(settings, shared.port)
    if number:
        # First: firewalls that let one port through let this one through, or there would be no page.
        endpoint.tcp_ports.insert(0, number)
    return shared


def _url(settings: Settings, shared: SharedPort) -> str:
    if settings.public_url:
        return settings.public_url.rstrip("/")
    scheme = "https" if settings.tls_certificate or settings.tls_self_signed else "http"
    host, port = shared.addresses[0][:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104
        host = "localhost"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
