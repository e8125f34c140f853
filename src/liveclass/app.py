"""The only place that wires the parts together: settings in, a running server out.

It decides nothing of its own: who may do what stands in the rooms, what can be set in `config`. It owns the order in
which parts start and end.
"""

import asyncio
import contextlib
import gc
import hmac
import logging
import signal
import socket
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from secrets import token_hex

from aiohttp import web

from liveclass import tasks
from liveclass.archive import retention
from liveclass.archive.model import ArchiveOptions
from liveclass.archive.service import Archive
from liveclass.archive.store import Store
from liveclass.catalogue.store import Catalogue
from liveclass.cluster.directory import Directory
from liveclass.cluster.model import NodeId
from liveclass.cluster.opening import open_directory
from liveclass.cluster.placement import pick
from liveclass.config import Settings, items
from liveclass.errors import UsageError
from liveclass.materials.model import MaterialsOptions
from liveclass.materials.service import Materials
from liveclass.operate import certificates, logs
from liveclass.operate.ending import Ending, Parts
from liveclass.operate.secrets import Secrets, admin_token_notice
from liveclass.operate.traces import About, Tracer
from liveclass.operate.traces_opening import open_tracer
from liveclass.operate.workers import Supervisor, Worker, same_command
from liveclass.recording.model import RecordingOptions, RecordingStatus
from liveclass.recording.service import Recordings
from liveclass.relay.plane import Plane, PlaneOptions
from liveclass.server.app import RUNNER, Services, build_app
from liveclass.server.deletions import Deletions, Sweeper
from liveclass.server.fleet import Fleet
from liveclass.server.internal import Inner, NodeKey
from liveclass.server.lessons import Lessons
from liveclass.server.listen import SharedPort, media_port
from liveclass.server.turn import ice_servers
from liveclass.transport.dtls import Identity
from liveclass.transport.endpoint import Endpoint
from liveclass.transport.native import path_in_use
from liveclass.transport.tcp import listening

log = logging.getLogger(__name__)

STATIC_DIR = Path(__file__).parent / "web"

ECHO_S = 2.0
"""A worker that is told to end twice within this time was told once, on two ways."""

MOVE_S = 10.0
"""How long lessons may take to move to other nodes, beyond what a running one is waited for."""

DRAIN_LOOK_S = 0.1
"""How often the end of the last lesson is looked for while the server drains."""

RECORDING_TICK_S = 0.15
"""How often the recorder's deadlines are served: a fragment of at most 1 s is late by this."""

CERTIFICATE_S = 6 * 3600.0
"""How often certificate files are read again: renewals come weeks before the old one ends."""

RETENTION_S = 3600.0
"""How often recordings that have been kept long enough are looked for."""

FIRST, RECORDED, LAST = 0.45, 0.9, 0.95
"""Shares of `end_s`: until when all that comes before the recordings has ended, then these, then the rest. What hangs
before them takes nothing of the time in which they reach the disk."""

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


async def serve(
    settings: Settings,
    *,
    ready: Callable[[Running], Awaitable[None]] | None = None,
    worker: Worker | None = None,
    ending: Ending | None = None,
) -> None:
    """Run a server until SIGTERM or SIGINT; the first drains, a second ends at once.

    Args:
        ready: called once it answers.
        worker: what this process is among its siblings; None: it is the only one of this data folder.
        ending: sees to it that the process is gone within `end_s`; None: whoever calls lives on, and only the end of
            each part is bounded.

    Raises:
        UsageError: a port, file or setting does not allow it to start.
    """
    ending = ending or Ending(settings.end_s, leave=None)
    loop = asyncio.get_running_loop()
    stop = _stop_on_signals(loop, 0.0 if worker is None else ECHO_S)
    if worker is not None:
        settings = settings_of(settings, worker)
        loop.add_reader(worker.life, _orphaned, loop, worker.life, stop)
    tls = certificates.ssl_context(settings)
    secrets = Secrets.open(settings.data_dir, settings.admin_token)
    if secrets.new_admin_token:
        print(admin_token_notice(secrets.new_admin_token), file=sys.stderr, flush=True)
    tracer = open_tracer(
        settings.trace_url, share=settings.trace_share, queue=settings.trace_queue, node=_node_of(settings, worker)
    )
    async with Parts(ending) as stack:
        if tracer is not None:
            stack.ends("traces", tracer.close, LAST)
        catalogue = await Catalogue.open(settings.database, pool=settings.database_pool)
        stack.ends("catalogue", catalogue.close, LAST)
        deletions = Deletions(settings.data_dir, time.time)
        sweeper = Sweeper(deletions, catalogue)
        # Before anything of a lesson that was to be deleted is taken up again.
        await sweeper.attempt(alone=worker is None and not settings.redis_url)
        fleet = await _fleet(settings, catalogue, secrets, worker, tracer)
        if fleet is not None:
            stack.ends("fleet", fleet.close, LAST)
        signing_key = _key(settings, secrets, "media tokens")
        endpoint = Endpoint(
            Identity.generate(time.time()),
            timeout_s=settings.session_timeout_s,
            max_sessions=settings.max_sessions,
            public=items(settings.public_address),
            max_tcp_peers=settings.max_tcp_peers if settings.media_tcp else 0,
            native=settings.native_fanout,
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
            signing_key=signing_key,
            monotonic=time.monotonic,
            wall=time.time,
            ice_servers=lambda who: ice_servers(settings, time.time(), who),
            tenancy=fleet,
        )
        listener = lessons if fleet is None else fleet.listener(lessons)
        plane = Plane(endpoint, listener, _plane_options(settings), on_join=lessons.joined)
        media = plane if fleet is None else fleet.spread(plane, lessons)
        archive = _open_archive(settings, tracer)

        def recording_changed(lesson_id: str, status: RecordingStatus) -> None:
            lessons.recording_changed(lesson_id, status)
            if archive is not None:
                archive.touched(lesson_id)

        recordings = Recordings(
            settings.data_dir / "recordings",
            _recording_options(settings),
            recording_changed,
            recover_all=fleet is None,
            archived=archive is not None,
            bring=archive.copy if archive is not None else None,
            opened=None if tracer is None else _part_traced(tracer),
        )
        if archive is not None:
            # Ended after the recordings, so that what they close at last is put into the store.
            stack.ends("archive", archive.close, LAST)
        await recordings.start()
        stack.ends("recordings", recordings.close, RECORDED)
        materials = Materials(
            settings.data_dir / "materials",
            _materials_options(settings),
            lessons.materials_changed,
            lessons.materials_changed,
        )
        lessons.attach(media, recordings, materials, archive, deletions)
        if fleet is None:
            await materials.start()
        else:
            fleet.attach(lessons)
        stack.ends("materials", materials.close, FIRST)
        if archive is not None:
            await archive.start()
        sweeper.attach(archive, materials.sweep)
        sweeping = asyncio.create_task(sweeper.run(), name="deletions")
        stack.ends("sweeping", partial(tasks.end, [sweeping]), FIRST)
        services = Services(
            settings=settings,
            catalogue=catalogue,
            media=media,
            recordings=recordings,
            materials=materials,
            lessons=lessons,
            signing_key=signing_key,
            is_admin=lambda token: secrets.is_admin(token, time.time()),
            static_dir=STATIC_DIR,
            monotonic=time.monotonic,
            wall=time.time,
            archive=archive,
            relay_stats=plane.stats,
            fleet=fleet,
            tracer=tracer,
        )
        runner = web.AppRunner(build_app(services), **RUNNER, shutdown_timeout=3.0)
        await runner.setup()
        stack.ends("pages", runner.cleanup, FIRST)
        ticking = asyncio.create_task(_tick(recordings))
        stack.ends("ticking", partial(tasks.end, [ticking]), FIRST)
        if settings.retention_days:
            retaining = asyncio.create_task(
                _retain(settings.retention_days, catalogue, recordings, lessons, archive, fleet, deletions)
            )
            stack.ends("retaining", partial(tasks.end, [retaining]), FIRST)
        if tls is not None:
            renewing = asyncio.create_task(_renew(tls, settings))
            stack.ends("renewing", partial(tasks.end, [renewing]), FIRST)
        await lessons.start()
        if fleet is None:
            await _complete(recordings, catalogue)
        else:
            await fleet.inner.listen(runner)
            await fleet.start()
        shared = _pages_port(runner, endpoint, settings, tls, worker)
        stack.ends("port", shared.close, FIRST)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        running = Running(_url(settings, shared), endpoint.port, settings, catalogue)
        fan_out = path_in_use(settings.native_fanout)
        log.info('listening url=%s udp_port=%s fan_out="%s"', running.url, running.udp_port, fan_out)
        if ready is not None:
            await ready(running)
        await stop.wait()
        await _drain(lessons, fleet, settings.drain_s, stop)


def run(
    settings: Settings,
    *,
    ready: Callable[[Running], Awaitable[None]] | None = None,
    worker: Worker | None = None,
) -> None:
    """`serve` in an event loop of its own, uvloop where there is one. The process is to end after it: within `end_s`,
    whatever it does then."""
    logs.configure(settings.log_level, settings.log_format)
    try:
        import uvloop

        factory: Callable[[], asyncio.AbstractEventLoop] | None = uvloop.new_event_loop
    except ImportError:
        factory = None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(settings, ready=ready, worker=worker, ending=Ending(settings.end_s)))


class _Stop:
    """SIGTERM and SIGINT as awaitables.

    Args:
        echo_s: signals within this time are one: systemd tells all processes of a service at once, and a supervisor
            tells its workers once more.
    """

    def __init__(self, echo_s: float = 0.0) -> None:
        self._echo_s = echo_s
        self._asked_at: float | None = None
        self._first, self._second = asyncio.Event(), asyncio.Event()

    def signal(self) -> None:
        now = time.monotonic()
        if self._asked_at is None:
            self._asked_at = now
            self._first.set()
        elif now - self._asked_at >= self._echo_s:
            self._second.set()

    async def wait(self) -> None:
        await self._first.wait()

    async def hurried(self, limit_s: float) -> None:
        """Wait for the second signal, or for `limit_s` seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._second.wait(), limit_s)

    @property
    def urgent(self) -> bool:
        return self._second.is_set()


def _stop_on_signals(loop: asyncio.AbstractEventLoop, echo_s: float) -> _Stop:
    stop = _Stop(echo_s)
    for name in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(name, stop.signal)
    return stop


async def _drain(lessons: Lessons, fleet: Fleet | None, limit_s: float, stop: _Stop) -> None:
    """Start no new lesson, move the running ones to other nodes, and wait for those that nobody can take; whoever is
    left finds them again after the restart."""
    lessons.drain()
    deadline = time.monotonic() + limit_s
    if fleet is not None:
        moving = asyncio.create_task(fleet.drain())
        while not moving.done() and not stop.urgent and time.monotonic() < deadline + MOVE_S:
            await stop.hurried(DRAIN_LOOK_S)
        await tasks.end([moving])
    while lessons.live_count and not stop.urgent and (left_s := deadline - time.monotonic()) > 0:
        await stop.hurried(min(left_s, DRAIN_LOOK_S))


def settings_of(settings: Settings, worker: Worker) -> Settings:
    """The settings as they are for one of several workers: ports of its own, where they are numbered."""
    return replace(
        settings,
        udp_port=settings.udp_port and settings.udp_port + worker.index,
        node_port=settings.node_port and settings.node_port + worker.index,
    )


def _orphaned(loop: asyncio.AbstractEventLoop, life: int, stop: _Stop) -> None:
    """The supervisor is gone: this process ends as if told to."""
    loop.remove_reader(life)
    stop.signal()


def _key(settings: Settings, secrets: Secrets, purpose: str) -> bytes:
    """A key for that purpose: the same on all nodes where they share a secret, else this data folder's."""
    if settings.fleet_key:
        return hmac.digest(settings.fleet_key.encode(), purpose.encode() + b"\x01", "sha256")
    return secrets.derive(purpose)


def node_key(settings: Settings, secrets: Secrets) -> NodeKey:
    """By which nodes know each other."""
    return NodeKey(_key(settings, secrets, "nodes"), time.time)


async def _fleet(
    settings: Settings, catalogue: Catalogue, secrets: Secrets, worker: Worker | None, tracer: Tracer | None
) -> Fleet | None:
    """This process as a node; None where there is no other."""
    if worker is None and not settings.redis_url:
        return None
    key = node_key(settings, secrets)
    inner = Inner(key)
    inner.open(settings.node_host, settings.node_port)
    index, boot = (0, token_hex(4)) if worker is None else (worker.index, worker.boot)
    name = node_name(settings)
    return Fleet(
        settings,
        directory_of(settings),
        catalogue,
        inner,
        key,
        node=node_id(name, index, boot),
        name=name if settings.workers == 1 else f"{name}-{index}",
        boot=boot,
        pick=pick,
        tracer=tracer,
    )


def _node_of(settings: Settings, worker: Worker | None) -> str:
    """What this process is called in traces."""
    return node_name(settings) if worker is None else f"{node_name(settings)}-{worker.index}"


def node_name(settings: Settings) -> str:
    """What this machine is called in the fleet."""
    return settings.node_name or socket.gethostname()


def node_id(name: str, index: int, boot: str) -> str:
    """The id of a process as a node, known to its supervisor too."""
    return f"{name}-{index}-{boot}"


def directory_of(settings: Settings) -> Directory:
    """Where the nodes tell who owns what: Redis, or a file of this machine's workers."""
    return open_directory(settings.redis_url, settings.fleet_prefix, settings.data_dir / "cluster.db")


async def supervise(settings: Settings, argv: Sequence[str], lock: int, ready: Callable[[str], None]) -> int:
    """Run `settings.workers` processes of this command until SIGTERM or SIGINT.

    Args:
        argv: the command, after the program's name.
        lock: descriptor by which the data folder is held.
        ready: told the URL of the pages once the port is open.

    Returns:
        the exit code.

    Raises:
        UsageError: a port, file or setting does not allow it to start.
    """
    logs.configure(settings.log_level, settings.log_format)
    # What only one of them should do, and what shows at once that a setting is wrong.
    certificates.ssl_context(settings)
    secrets = Secrets.open(settings.data_dir, settings.admin_token)
    if secrets.new_admin_token:
        print(admin_token_notice(secrets.new_admin_token), file=sys.stderr, flush=True)
    await (await Catalogue.open(settings.database)).close()
    try:
        sockets = listening(settings.host, settings.port)
    except OSError as error:
        raise UsageError(
            f"TCP port {settings.port} on {settings.host} cannot be opened ({error.strerror}); "
            "choose another with --port."
        ) from error
    directory = directory_of(settings)
    name = node_name(settings)

    async def gone(worker: Worker) -> None:
        await directory.forget_node(NodeId(node_id(name, worker.index, worker.boot)))

    supervisor = Supervisor(
        settings.workers, same_command(argv), sockets, gone=gone, keep=[lock], drain_s=settings.drain_s + settings.end_s
    )
    ready(_url_at(settings, *sockets[0].getsockname()[:2]))
    try:
        return await supervisor.run()
    finally:
        Ending(settings.end_s).begin()
        for sock in sockets:
            sock.close()
        await directory.close()


async def _complete(recordings: Recordings, catalogue: Catalogue) -> None:
    """Complete replays whose lesson ended while the disk refused or the server was killed."""
    for lesson_id in recordings.unfinished():
        lesson = await catalogue.lesson(lesson_id)
        if lesson is None:
            log.warning("a recording belongs to no lesson and is left alone lesson=%s", lesson_id)
        elif lesson.state == "ended":
            await recordings.finish(lesson_id)


def _part_traced(tracer: Tracer) -> Callable[[str, int, float, bool], None]:
    """Parts are few, and tell how the disk does when it matters: all are told of."""

    def opened(lesson: str, number: int, took_s: float, well: bool) -> None:
        about: About = {"liveclass.lesson": lesson, "liveclass.part": number}
        tracer.note("recording.part", took_s, about, failed=not well, rare=True)

    return opened


def _segment_traced(tracer: Tracer) -> Callable[[str, int, float, bool], None]:
    def uploaded(lesson: str, size: int, took_s: float, well: bool) -> None:
        about: About = {"liveclass.lesson": lesson, "liveclass.bytes": size}
        tracer.note("segment.upload", took_s, about, failed=not well)

    return uploaded


def _open_archive(settings: Settings, tracer: Tracer | None) -> Archive | None:
    """Where files of lessons are kept beside the data folder; None: nowhere."""
    if not settings.store_url:
        return None
    store = Store.open(
        settings.store_url,
        endpoint=settings.store_endpoint,
        region=settings.store_region,
        key_id=settings.store_key_id,
        key_secret=settings.store_key_secret,
    )
    options = ArchiveOptions(
        parallel=settings.store_parallel,
        cache_bytes=settings.store_cache_bytes,
        signed_s=settings.store_signed_s,
        redirect=settings.store_redirect,
        round_s=settings.store_round_s,
    )
    return Archive(
        store,
        settings.data_dir,
        options,
        alone=settings.workers == 1 and not settings.redis_url,
        uploaded=None if tracer is None else _segment_traced(tracer),
    )


async def _retain(
    days: int,
    catalogue: Catalogue,
    recordings: Recordings,
    lessons: Lessons,
    archive: Archive | None,
    fleet: Fleet | None,
    deletions: Deletions,
) -> None:
    """Delete recordings that have been kept for long enough, for ever; in a fleet, those of this node's lessons."""

    async def delete(lesson_id: str) -> bool:
        known = await catalogue.recording(lesson_id)
        if known is None or known.state == "off" or (fleet is not None and (await fleet.find(lesson_id)).url):
            return False
        await asyncio.to_thread(deletions.mark, lesson_id, "recording")
        await recordings.delete(lesson_id)
        if archive is not None:
            await archive.delete(lesson_id, recording_only=True)
        # Last: what was broken off is found again.
        await catalogue.put_recording(lesson_id, state="off", duration_s=0.0, bytes_=0)
        lessons.recording_changed(lesson_id, RecordingStatus())
        return True

    while True:
        try:
            count = await retention.sweep(datetime.now(UTC), days, catalogue.lessons, delete)
            if count:
                log.info("recordings deleted after %d days: %d", days, count)
        except Exception:
            log.exception("recordings that are old enough could not be deleted; tried again later")
        await asyncio.sleep(RETENTION_S)


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
    runner: web.AppRunner,
    endpoint: Endpoint,
    settings: Settings,
    tls: ssl.SSLContext | None,
    worker: Worker | None,
) -> SharedPort:
    """Open the port of pages and API, which takes media over TCP too, unless others answer it as well: a connection
    of media must reach the very process that has its session."""
    assert runner.server is not None
    alone = worker is None or not worker.sockets
    shared = SharedPort(runner.server, endpoint.tcp.adopt if settings.media_tcp and alone else None, tls=tls)
    shared.open(settings.host, settings.port, () if worker is None else worker.sockets)
    number = media_port(settings, shared.port)
    if number and alone:
        # First: firewalls that let one port through let this one through, or there would be no page.
        endpoint.tcp_ports.insert(0, number)
    return shared


def _url(settings: Settings, shared: SharedPort) -> str:
    return _url_at(settings, *shared.addresses[0][:2])


def _url_at(settings: Settings, host: str, port: int) -> str:
    """Of the pages, at an address of this machine."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    scheme = "https" if settings.tls_certificate or settings.tls_self_signed else "http"
    if host in {"0.0.0.0", "::"}:  # noqa: S104
        host = "localhost"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
