"""A whole server for tests: the real application, registry and catalogue on a media plane and recordings of straw.

Clocks are set by the test. Knows no single test.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import ClientWebSocketResponse, WSMsgType
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from liveclass.catalogue.store import Catalogue
from liveclass.cluster.directory import Directory
from liveclass.cluster.model import NodeId, NodeInfo
from liveclass.cluster.peers import Pick
from liveclass.config import Settings
from liveclass.errors import PeerError
from liveclass.materials.model import MaterialsOptions
from liveclass.materials.service import Materials
from liveclass.operate.traces import Tracer
from liveclass.recording.catchup import Rendition
from liveclass.recording.follow import CatchupStream
from liveclass.recording.model import Manifest, MediaFile, RecordingStatus
from liveclass.relay.ports import Answer, CloseReason, Direction, MediaListener, Person, Rung
from liveclass.relay.source import Sink, SourceHandle, SourceInfo, SourceKind
from liveclass.server.app import RUNNER, Services, build_app
from liveclass.server.fleet import Fleet
from liveclass.server.internal import Inner, NodeKey
from liveclass.server.lessons import Lessons
from liveclass.server.welcome import IceServers

ADMIN = "an-admin-token-for-tests-only"
ADMIN_HEADERS = {"Authorization": f"Bearer {ADMIN}"}
SIGNING_KEY = b"k" * 32
FLEET_KEY = b"f" * 32

OFFER = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"

PATIENCE_S = 5.0
"""Longer than anything that a test waits for."""

Client = TestClient[Any, Any]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@dataclass
class Clock:
    """Wall and monotonic time that move when a test says so."""

    monotonic_s: float = 1000.0
    wall_s: float = 1_800_000_000.0

    def monotonic(self) -> float:
        return self.monotonic_s

    def wall(self) -> float:
        return self.wall_s

    def advance(self, seconds: float) -> None:
        self.monotonic_s += seconds
        self.wall_s += seconds


@dataclass
class FakeSession:
    lesson: str
    person: Person
    direction: Direction
    version: int = 1


class FakeSink(Sink):
    """Takes nothing."""

    def takes(self, info: SourceInfo) -> bool:
        return False

    def source_added(self, source: SourceHandle, now: float) -> None: ...

    def source_removed(self, source: SourceHandle, now: float) -> None: ...

    def packet(
        self, source: SourceHandle, seq: int, timestamp: int, marker: bool, payload: bytes, now: float
    ) -> None: ...

    def sender_report(self, source: SourceHandle, ntp_s: float, timestamp: int, now: float) -> None: ...


class FakeMedia:
    """A media plane that keeps books and moves no packet."""

    def __init__(self, listener: MediaListener) -> None:
        self.listener = listener
        self.sessions: dict[str, FakeSession] = {}
        self.muted: dict[tuple[str, str], bool] = {}
        self.sending: dict[tuple[str, str], Sequence[SourceKind] | None] = {}
        self.watching: list[tuple[str, str, bool, Rung]] = []
        self.sinks: list[tuple[str, Sink]] = []
        self.reached_at: list[str] = []
        self.count = 0

    def publish(self, lesson: str, person: Person, offer: str, reached_at: str) -> Answer:
        return self._open(lesson, person, "publish", offer, reached_at)

    def subscribe(self, lesson: str, person: Person, offer: str, reached_at: str) -> Answer:
        return self._open(lesson, person, "subscribe", offer, reached_at)

    def _open(self, lesson: str, person: Person, direction: Direction, offer: str, reached_at: str) -> Answer:
        if not offer.startswith("v=0"):
            raise PeerError("This is no SDP.", code="sdp_invalid")
        if "m=application" in offer:
            raise PeerError("No data channels.", status=422, code="media_unacceptable")
        self.close_participant(lesson, person.participant, direction, "replaced")
        self.count += 1
        session = f"session-{self.count:08d}"
        self.sessions[session] = FakeSession(lesson, person, direction)
        self.reached_at.append(reached_at)
        return Answer(session, "v=0\r\n", "tag-1")

    def restart(self, session: str, fragment: str) -> tuple[str, str]:
        if "a=ice-pwd" not in fragment:
            raise PeerError("No credentials.", code="fragment_invalid")
        self.sessions[session].version += 1
        return f"tag-{self.sessions[session].version}", "a=ice-ufrag:new\r\na=ice-pwd:new\r\n"

    def etag(self, session: str) -> str | None:
        known = self.sessions.get(session)
        return f"tag-{known.version}" if known else None

    def owner(self, session: str) -> tuple[str, str, Direction] | None:
        known = self.sessions.get(session)
        return (known.lesson, known.person.participant, known.direction) if known else None

    def close_session(self, session: str, reason: CloseReason) -> None:
        known = self.sessions.pop(session, None)
        if known is not None:
            self.listener.media_closed(known.lesson, known.person.participant, session, known.direction, reason)

    def close_participant(self, lesson: str, participant: str, direction: Direction, reason: CloseReason) -> None:
        for session, known in list(self.sessions.items()):
            if (known.lesson, known.person.participant, known.direction) == (lesson, participant, direction):
                self.close_session(session, reason)

    def close_lesson(self, lesson: str, reason: CloseReason) -> None:
        for session, known in list(self.sessions.items()):
            if known.lesson == lesson:
                self.close_session(session, reason)

    def set_muted(self, lesson: str, participant: str, muted: bool) -> None:
        self.muted[lesson, participant] = muted

    def set_sending(self, lesson: str, participant: str, kinds: Sequence[SourceKind] | None) -> None:
        self.sending[lesson, participant] = kinds

    def set_watching(self, lesson: str, participant: str, *, live: bool, ceiling: Rung) -> None:
        self.watching.append((lesson, participant, live, ceiling))

    def add_sink(self, lesson: str, sink: Sink) -> None:
        self.sinks.append((lesson, sink))

    def remove_sink(self, lesson: str, sink: Sink) -> None:
        self.sinks.remove((lesson, sink))


@dataclass
class FakeRecordings:
    """Recordings that a test writes itself."""

    statuses: dict[str, RecordingStatus] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    files: dict[tuple[str, str], MediaFile] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    adopted: dict[str, int] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    doubted: set[str] = field(default_factory=set)
    rested: list[str] = field(default_factory=list)
    broken: bool = False

    async def adopt(self, lesson_id: str, fence: int) -> None:
        self.adopted[lesson_id] = fence

    def drop(self, lesson_id: str) -> None:
        self.dropped.append(lesson_id)
        self.adopted.pop(lesson_id, None)
        self.statuses.pop(lesson_id, None)

    async def rest(self, lesson_id: str) -> None:
        self.rested.append(lesson_id)

    def doubt(self, lesson_id: str, on: bool) -> None:
        (self.doubted.add if on else self.doubted.discard)(lesson_id)

    def unfinished(self) -> Sequence[str]:
        return [lesson for lesson, status in self.statuses.items() if status.state == "stopped"]

    def begin(self, lesson_id: str, now: float, wall: float) -> Sink:
        if self.broken:
            raise OSError("no disk")
        self.begun.append(lesson_id)
        self.statuses[lesson_id] = RecordingStatus("recording")
        return FakeSink()

    async def finish(self, lesson_id: str) -> None:
        self.finished.append(lesson_id)
        if lesson_id in self.statuses:
            self.statuses[lesson_id] = RecordingStatus("finished", 12.5, 1000)

    async def delete(self, lesson_id: str) -> None:
        self.deleted.append(lesson_id)
        self.statuses.pop(lesson_id, None)

    def status(self, lesson_id: str) -> RecordingStatus:
        return self.statuses.get(lesson_id, RecordingStatus())

    def manifest(self, lesson_id: str) -> Manifest:
        return self.manifests.get(lesson_id, Manifest())

    def locate(self, lesson_id: str, name: str) -> MediaFile:
        file = self.files.get((lesson_id, name))
        if file is None:
            raise PeerError("There is no such file.", status=404, code="not_found")
        return file

    async def catchup(self, lesson_id: str, from_ms: int, rendition: Rendition, /) -> CatchupStream:
        raise PeerError("This lesson is not recorded.", status=404, code="no_recording")


class Page:
    """A page's socket, as a browser would hold it."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket
        self.welcome: dict[str, Any] = {}
        self.board: dict[str, Any] = {}

    async def next(self) -> dict[str, Any]:
        """The next message. Fails when the socket is closed instead."""
        received = await self.socket.receive(PATIENCE_S)
        assert received.type is WSMsgType.TEXT, (received.type, self.socket.close_code)
        decoded: dict[str, Any] = msgspec.json.decode(received.data)
        return decoded

    async def until(self, kind: str, **wanted: Any) -> dict[str, Any]:
        """The next message of that type with these fields, others passed over."""
        while True:
            message = await self.next()
            if message["type"] == kind and all(message.get(name) == value for name, value in wanted.items()):
                return message

    async def about(self, participant: str) -> dict[str, Any]:
        """The next news of that participant."""
        while True:
            changed: dict[str, Any] = (await self.until("participant_changed"))["participant"]
            if changed["id"] == participant:
                return changed

    async def say(self, kind: str, **fields: Any) -> None:
        await self.socket.send_json({"type": kind, **fields})

    async def settled(self) -> list[dict[str, Any]]:
        """Everything that came until now: what the server sent before it answered a ping."""
        await self.say("ping", n=77)
        seen: list[dict[str, Any]] = []
        while True:
            message = await self.next()
            if message["type"] == "pong" and message["n"] == 77:
                return seen
            seen.append(message)

    async def closed(self) -> int | None:
        """Reads to the end; the close code."""
        while True:
            received = await self.socket.receive(PATIENCE_S)
            if received.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return self.socket.close_code


@dataclass
class Stage:
    """A running server and hands to use it."""

    client: Client
    lessons: Lessons
    media: FakeMedia
    recordings: FakeRecordings
    materials: Materials
    catalogue: Catalogue
    clock: Clock
    settings: Settings
    services: Services
    fleet: Fleet | None = None

    async def lesson(self, title: str = "分数", **more: Any) -> dict[str, Any]:
        """A new lesson, as the API answers."""
        response = await self.client.post("/api/lessons", json={"title": title, **more}, headers=ADMIN_HEADERS)
        assert response.status == 201, await response.text()
        created: dict[str, Any] = await response.json()
        return created

    async def show(self, lesson: str) -> dict[str, Any]:
        response = await self.client.get(f"/api/lessons/{lesson}", headers=ADMIN_HEADERS)
        assert response.status == 200
        shown: dict[str, Any] = await response.json()
        return shown

    async def socket(self, lesson: str, **options: Any) -> ClientWebSocketResponse:
        socket: ClientWebSocketResponse = await self.client.ws_connect(f"/ws/{lesson}", **options)
        return socket

    async def enter(self, lesson: str, token: str, identity: int, name: str = "") -> Page:
        """A page that has said hello and been welcomed."""
        page = Page(await self.socket(lesson))
        await page.say("hello", token=token, identity=f"{identity:032x}", name=name)
        page.welcome = await page.next()
        assert page.welcome["type"] == "welcome", page.welcome
        page.board = await page.next()
        assert page.board["type"] == "board", page.board
        return page

    async def post(self, path: str, token: str, offer: str = OFFER, **headers: str) -> Any:
        """A WHIP or WHEP request."""
        return await self.client.post(
            URL(path).path, data=offer.encode(), headers={"Content-Type": "application/sdp", **bearer(token), **headers}
        )

    async def gone(self) -> None:
        """Waits until no page is connected."""
        for _ in range(250):
            if self.lessons.page_count == 0:
                return
            await asyncio.sleep(0.02)
        raise AssertionError("pages are still connected")

    async def close(self) -> None:
        await self.client.close()
        await self.lessons.close()
        if self.fleet is not None:
            await self.fleet.close()
        await self.materials.close()
        await self.catalogue.close()


def first(nodes: Sequence[NodeInfo], lesson: str, *, but: Collection[NodeId] = ()) -> NodeInfo | None:
    """Placement for tests: the first by name that may be asked."""
    found = sorted((one for one in nodes if one.id not in but and not one.draining), key=lambda one: one.id)
    return found[0] if found else None


def some_figures() -> Mapping[str, float | int]:
    """What a media plane may count."""
    return {"packets_forwarded_total": 7, "rooms": 1}


async def build(
    folder: Path,
    *,
    clock: Clock | None = None,
    static_dir: Path | None = None,
    relay_stats: Callable[[], Mapping[str, float | int]] = some_figures,
    ice_servers: IceServers = lambda _who: (),
    directory: Directory | None = None,
    node: str = "",
    pick: Pick = first,
    tracer: Tracer | None = None,
    **settings: Any,
) -> Stage:
    """A server on the data of `folder`; one built later on the same folder is that server after a restart.

    Args:
        directory: makes it a node of that fleet, called `node`; its claims run by the real clock.
    """
    clock = clock or Clock()
    settings.setdefault("posts_per_s", 10_000.0)
    values = Settings(data_dir=folder, **settings)
    catalogue = await Catalogue.open(f"sqlite+aiosqlite:///{folder / 'test.db'}")
    fleet: Fleet | None = None
    if directory is not None:
        key = NodeKey(FLEET_KEY, time.time)
        inner = Inner(key)
        inner.open("127.0.0.1", 0)
        fleet = Fleet(values, directory, catalogue, inner, key, node=node, name=node, boot="", pick=pick, tracer=tracer)
    lessons = Lessons(
        settings=values,
        catalogue=catalogue,
        snapshot_dir=folder / "lessons",
        timeline_dir=folder / "timelines",
        signing_key=SIGNING_KEY,
        monotonic=clock.monotonic,
        wall=clock.wall,
        ice_servers=ice_servers,
        tenancy=fleet,
    )
    media, recordings = FakeMedia(lessons), FakeRecordings()
    materials = Materials(
        folder / "materials",
        MaterialsOptions(max_upload_bytes=values.max_upload_bytes),
        lessons.materials_changed,
        lessons.materials_changed,
    )
    lessons.attach(media, recordings, materials)
    if fleet is None:
        await materials.start()
    else:
        fleet.attach(lessons)
    await lessons.start()
    services = Services(
        settings=values,
        catalogue=catalogue,
        media=media,
        recordings=recordings,
        materials=materials,
        lessons=lessons,
        signing_key=SIGNING_KEY,
        is_admin=lambda token: token == ADMIN,
        static_dir=static_dir or folder / "no-pages",
        monotonic=clock.monotonic,
        wall=clock.wall,
        relay_stats=relay_stats,
        fleet=fleet,
        tracer=tracer,
    )
    server = TestServer(build_app(services))
    await server.start_server(**RUNNER)
    if fleet is not None:
        assert server.runner is not None
        await fleet.inner.listen(server.runner)
        await fleet.start()
    client: Client = TestClient(server)
    await client.start_server()
    return Stage(client, lessons, media, recordings, materials, catalogue, clock, values, services, fleet)


def participants(members: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """By id."""
    return {member["id"]: member for member in members}
