"""This process as a node of a fleet: joins the agent (`cluster.node`) to lessons, HTTP and the catalogue.

Who owns what is the agent's to decide; this asks other nodes over HTTP and answers them, takes up live lessons that
nobody owns, gives back idle ones, and moves them all away when the node is to end.
"""

import asyncio
import contextlib
import errno
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace

import aiohttp
import msgspec
import structlog
from aiohttp import web
from yarl import URL

from liveclass import __version__, tasks
from liveclass.cluster.directory import Directory
from liveclass.cluster.model import NodeId, NodeInfo
from liveclass.cluster.node import Node
from liveclass.cluster.peers import Answer, NodeRefused, NodeSilent, Pick, Reason, TryLater, What, untraced
from liveclass.cluster.placement import coming
from liveclass.config import Settings
from liveclass.errors import PeerError
from liveclass.operate import traces
from liveclass.operate.traces import Tracer
from liveclass.relay.plane import Plane
from liveclass.server.forwarding import Place, moving
from liveclass.server.guests import Guests
from liveclass.server.http import RequestRefused, json_response
from liveclass.server.internal import HEADER, Inner, NodeKey
from liveclass.server.lessons import Lessons
from liveclass.server.neighbours import inner_route
from liveclass.server.ports import CataloguePort
from liveclass.server.routing import Route
from liveclass.server.seats import Seats

log = structlog.get_logger(__name__)

ASK_S = 2.0
"""How long another node may take to answer."""

SETTLE_S = 5.0
"""How long the disk may take before a lesson is moved; one that hangs keeps it here."""

WATCH_S = 0.1
"""How often it is looked whether this process was paused."""

RELEASE_IDLE_S = 900.0
"""How long a lesson that nobody uses stays this node's: its light rendition is still being made, and whoever was in it
looks at the replay."""

KNOWN_LESSONS = 10_000
"""Lessons of which it is remembered that they exist."""


@dataclass(frozen=True, slots=True)
class NodeView:
    """What `/internal/node` answers."""

    node: NodeInfo
    standing: str
    sees_directory: bool
    held: dict[str, int]


class Fleet:
    """Implements `tenancy.Tenancy` for the lessons and `forwarding.Owners` for the requests.

    Order of wiring: make it, make `Lessons` with it as `tenancy` and the media plane with its `listener`, attach its
    `spread` to the lessons, `attach` them, then `start` once the inner listener answers.

    Args:
        node: the id; new at each start of the process.
        name: for people.
        boot: random, new at each start.
        pick: placement.
        monotonic: seconds, never going back.
        tracer: None: traces are off.
    """

    alone = False

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        catalogue: CataloguePort,
        inner: Inner,
        key: NodeKey,
        *,
        node: str,
        name: str,
        boot: str,
        pick: Pick,
        monotonic: Callable[[], float] = time.monotonic,
        tracer: Tracer | None = None,
    ) -> None:
        self._tracer = tracer
        self._settings = settings
        self._directory = directory
        self._catalogue = catalogue
        self.inner = inner
        self.key = key
        self.node = node
        self._name = name
        self._boot = boot
        self._pick = pick
        self._monotonic = monotonic
        self._lessons: Lessons | None = None
        self.seats: Seats | None = None
        self.guests: Guests | None = None
        self._client: aiohttp.ClientSession | None = None
        self._adopting: set[str] = set()
        self._idle: dict[str, float] = {}
        self._live_since: dict[str, float] = {}
        self._exist: OrderedDict[str, None] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._cpu = (time.process_time(), monotonic(), 0.0)
        self._draining: asyncio.Task[None] | None = None
        self.agent = Node(
            directory,
            self._describe,
            lease_s=settings.lease_s,
            ask=self.ask,
            pick=pick,
            adopt=self._adopt,
            dropped=self._dropped,
            traced=untraced if tracer is None else self._traced,
        )

    def attach(self, lessons: Lessons) -> None:
        """Give what needs this object for its own making."""
        self._lessons = lessons

    def listener(self, lessons: Lessons) -> Guests:
        """What the media plane of this node is to tell."""
        self.guests = Guests(
            lessons,
            self,
            is_over=lambda lesson: (held := lessons.loaded(lesson)) is not None and held.lesson.state == "ended",
            has_room=lambda: not lessons.draining and self.sessions < self._settings.max_sessions,
            monotonic=self._monotonic,
        )
        return self.guests

    def spread(self, plane: Plane, lessons: Lessons) -> Seats:
        """The media plane of this node, and of those that serve for it."""
        assert self.guests is not None
        self.guests.attach(plane)
        self.seats = Seats(
            plane,
            lessons,
            self,
            share=self._settings.cascade_share,
            fan_out=self._settings.cascade_fan_out,
            monotonic=self._monotonic,
        )
        return self.seats

    @property
    def lessons(self) -> Lessons:
        assert self._lessons is not None
        return self._lessons

    async def start(self) -> None:
        """Join the fleet, and take up what is live and nobody's."""
        self._client = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=ASK_S), cookie_jar=aiohttp.DummyCookieJar()
        )
        await self.agent.start()
        self._spawn(self._look_for_ever())
        self._spawn(self._watch_for_ever())
        if self.seats is not None:
            self.seats.start()

    async def leave(self) -> None:
        """Serve for no other node any more. Before the lessons are closed."""
        if self.guests is not None:
            await self.guests.close()
        if self.seats is not None:
            await self.seats.close()

    async def close(self) -> None:
        """Leave the fleet: whatever is still here is another node's at once. After the lessons are closed."""
        await tasks.end([*self._tasks, *([self._draining] if self._draining else [])])
        await self.agent.close()
        await self._directory.close()
        if self._client is not None:
            await self._client.close()

    # The right to act

    def serves(self, lesson: str) -> bool:
        """Requests about the lesson are answered here."""
        return self.agent.mine(lesson) is not None

    def mine(self, lesson_id: str) -> bool:
        """As `serves`, and while it is being taken up."""
        return lesson_id in self._adopting or self.agent.mine(lesson_id) is not None

    def writes(self, lesson_id: str) -> bool:
        """It is surely this node's. Any thread may ask."""
        return self.agent.may_write(lesson_id) or (lesson_id in self._adopting and self.agent.standing == "hold")

    def idle(self, lesson_id: str) -> None:
        """Nobody uses it: it is given back if that stays so."""
        self._idle.setdefault(lesson_id, self._monotonic())

    @property
    def owned(self) -> int:
        """Lessons that this node owns."""
        return len(self.agent.held)

    @property
    def sessions(self) -> int:
        """Media sessions of this process, whoever owns their lesson."""
        if self._lessons is None:
            return 0
        elsewhere = self.seats.count if self.seats is not None else 0
        return self._lessons.session_count - elsewhere + (self.guests.count if self.guests is not None else 0)

    def nodes(self) -> list[NodeInfo]:
        """The fleet as last heard, this node included."""
        return self.agent.nodes()

    # Who owns what

    async def find(self, lesson: str) -> Place:
        """The owner, found or chosen.

        Raises:
            PeerError: 404 `lesson_unknown`; 503 `directory_gone`, `moving` or `fleet_full` with Retry-After.
        """
        await self._check_exists(lesson)
        try:
            claim = await self.agent.owner(lesson)
        except TryLater as later:
            headers = {"Retry-After": str(later.retry_after_s)}
            raise RequestRefused(later.message, status=503, code=later.code, headers=headers) from later
        if claim.node == self.agent.id:
            return Place("", claim.fence, claim.node)
        info = self.agent.info(claim.node)
        if info is None:
            self.agent.forget(lesson)
            raise moving()
        return Place(info.url, claim.fence, claim.node)

    async def refused(self, lesson: str, place: Place) -> None:
        """Nobody listens at the owner's address any more."""
        self.agent.forget(lesson)
        await self.agent.gone(NodeId(place.node))

    def forget(self, lesson: str) -> None:
        """The owner did not answer as one."""
        self.agent.forget(lesson)

    async def _check_exists(self, lesson: str) -> None:
        """A stranger's guesses must not become claims."""
        if lesson in self._exist:
            return
        if await self._catalogue.lesson(lesson) is None:
            raise PeerError("There is no such lesson.", status=404, code="lesson_unknown")
        self._exist[lesson] = None
        while len(self._exist) > KNOWN_LESSONS:
            self._exist.popitem(last=False)

    async def _adopt(self, lesson: str, fence: int) -> None:
        begun = self._monotonic()
        self._adopting.add(lesson)
        try:
            if self.guests is not None:
                await self.guests.leave(lesson)
            about: traces.About = {"liveclass.lesson": lesson, "liveclass.fence": fence}
            with traces.traced(self._tracer, "lesson.adopt", about) as span:
                await self.lessons.adopt(lesson, fence)
                if span is not None:
                    held = self.lessons.loaded(lesson)
                    span.set("liveclass.live", held is not None and held.lesson.state == "live")
        except BaseException:
            self.lessons.dropped(lesson)
            raise
        finally:
            self._adopting.discard(lesson)
        self._idle[lesson] = self._monotonic()
        log.info("lesson_adopted", lesson=lesson, fence=fence, took_ms=round((self._monotonic() - begun) * 1000))

    def _traced(self, what: str, lesson: str) -> AbstractContextManager[object]:
        """As `cluster.peers.Traced`. Where no request asks, it is a live lesson whose owner is gone."""
        alone = not traces.traceparent()
        name = "lesson.take_over" if alone and what == "lesson.place" else what
        about: traces.About = {"liveclass.lesson": lesson, "liveclass.node": self.node}
        return traces.traced(self._tracer, name, about, rare=alone)

    def _dropped(self, lesson: str, _reason: Reason) -> None:
        self._idle.pop(lesson, None)
        self.lessons.dropped(lesson)

    # Looking after

    async def _look_for_ever(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("looking_failed")
            await asyncio.sleep(self._settings.lease_s * random.uniform(0.8, 1.2))

    async def _watch_for_ever(self) -> None:
        """Recordings hear it soon when it is in doubt whether this node still owns what it holds, and when not any
        more."""
        doubted = False
        while True:
            await asyncio.sleep(WATCH_S)
            # Fenced is not certain either: what waits must not be written before the lessons are dropped.
            if (self.agent.standing != "hold") != doubted:
                doubted = not doubted
                log.warning("ownership_in_doubt" if doubted else "ownership_certain")
                for lesson in self.agent.held:
                    self.lessons.recordings.doubt(lesson, doubted)

    async def look(self) -> None:
        """Live lessons that nobody owns find an owner, so that they go on before a page asks; idle ones are given
        back."""
        if not self.agent.sees_directory:
            return
        rows = [row.id for row in await self._catalogue.live_lessons() if not self.mine(row.id)]
        random.shuffle(rows)
        for lesson in rows:
            with contextlib.suppress(PeerError):
                await self.agent.owner(lesson)
        now = self._monotonic()
        for lesson, since in list(self._idle.items()):
            if self.lessons.loaded(lesson) is not None:
                self._idle[lesson] = now
            elif now - since >= RELEASE_IDLE_S:
                await self.agent.release(lesson)

    # Leaving

    async def drain(self) -> None:
        """Take no more lessons, and move those that are here to nodes that have room; the others stay."""
        self.lessons.drain()
        await self.agent.drain()
        if self.guests is not None:
            self.guests.send_away()
        live = [held.id for held in self.lessons.all() if held.lesson.state == "live"]
        for lesson in [*live, *(lesson for lesson in self.agent.held if lesson not in live)]:
            try:
                if not await self.move(lesson) and lesson in live:
                    log.warning("lesson_not_moved", lesson=lesson)
            except Exception:
                log.exception("lesson_not_moved", lesson=lesson)

    async def move(self, lesson: str) -> bool:
        """Hand the lesson to another node; its pages are told, and find it there. False: nobody can take it now."""
        if not self.agent.sees_directory or not self.serves(lesson):
            return False
        tried = [self.agent.id]
        while (target := self._pick(self.agent.nodes(), lesson, but=tried)) is not None:
            if await self._welcomes(target):
                break
            tried.append(target.id)
        else:
            return False
        await asyncio.wait_for(self.lessons.settle(lesson), SETTLE_S)
        await self.agent.release(lesson, "moved")
        with contextlib.suppress(NodeRefused, NodeSilent):
            await self.ask(target, "claim", lesson)
        return True

    async def _welcomes(self, node: NodeInfo) -> bool:
        """Would it take a lesson at this very moment? What the directory says may be a moment old."""
        try:
            view = msgspec.json.decode(await self._call(node, "GET", "/internal/node"), type=NodeView)
        except (NodeRefused, NodeSilent, msgspec.MsgspecError):
            return False
        return view.node.id == node.id and not view.node.draining and view.standing == "hold" and view.sees_directory

    # Between nodes

    async def ask(self, node: NodeInfo, what: What, lesson: str = "") -> Answer:
        """As `cluster.peers.Ask` says."""
        raw = await self._call(node, "POST", f"/internal/{what}/{lesson}" if lesson else f"/internal/{what}")
        try:
            return msgspec.json.decode(raw, type=Answer)
        except msgspec.MsgspecError as error:
            raise NodeSilent from error

    async def _call(self, node: NodeInfo, method: str, path: str) -> bytes:
        status, body = await self._request(node.url, method, path)
        if status != 200:
            raise NodeSilent
        return body

    async def send(self, url: str, path: str, body: bytes) -> tuple[int, bytes]:
        """POST to another node, as `neighbours.Neighbours` says."""
        return await self._request(url, "POST", path, body)

    async def _request(self, base: str, method: str, path: str, data: bytes | None = None) -> tuple[int, bytes]:
        if self._client is None:
            raise NodeSilent
        url = URL(base + path, encoded=True)
        headers = {HEADER: self.key.header(self.node, method, url.raw_path_qs)}
        if part_of := traces.traceparent():
            headers[traces.HEADER] = part_of
        try:
            async with self._client.request(method, url, headers=headers, data=data, allow_redirects=False) as answer:
                return answer.status, await answer.read()
        except aiohttp.ClientConnectorError as error:
            raise (NodeRefused if error.os_error.errno == errno.ECONNREFUSED else NodeSilent) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NodeSilent from error

    def routes(self) -> list[Route]:
        """For other nodes alone; `Inner` keeps them from everybody else."""

        return [
            inner_route("/internal/ping", self._ping),
            inner_route("/internal/claim/{lesson}", self._claim),
            inner_route("/internal/drain", self._drain),
            inner_route("/internal/node", self._node, "GET"),
            *(self.guests.routes() if self.guests is not None else ()),
            *(self.seats.routes() if self.seats is not None else ()),
        ]

    async def _ping(self, _request: web.Request) -> web.StreamResponse:
        return json_response(await self.agent.answer("ping"))

    async def _claim(self, request: web.Request) -> web.StreamResponse:
        return json_response(await self.agent.answer("claim", request.match_info["lesson"]))

    async def _drain(self, _request: web.Request) -> web.StreamResponse:
        """Begins; how far it is, `/internal/node` tells."""
        if self._draining is None:
            self._draining = asyncio.create_task(self.drain())
        return json_response({})

    async def _node(self, _request: web.Request) -> web.StreamResponse:
        view = NodeView(
            replace(self._describe(), draining=self.agent.draining),
            self.agent.standing,
            self.agent.sees_directory,
            self.agent.held,
        )
        return json_response(asdict(view))

    def _describe(self) -> NodeInfo:
        lessons = self._lessons
        return NodeInfo(
            id=NodeId(self.node),
            name=self._name,
            url=self.inner.url,
            lessons=lessons.live_count if lessons is not None else 0,
            sessions=self.sessions,
            max_lessons=self._settings.max_lessons_live,
            max_sessions=self._settings.max_sessions,
            cpu=self._busy(),
            draining=lessons.draining if lessons is not None else False,
            version=__version__,
            boot=self._boot,
            coming=coming(self._live_ages()),
        )

    def _live_ages(self) -> list[float]:
        """Seconds for which each live lesson has been live here, as far as was looked: one that came from another node
        is as young as one that begins, since its classrooms come all anew."""
        now, before = self._monotonic(), self._live_since
        held = self._lessons.all() if self._lessons is not None else ()
        self._live_since = {one.id: before.get(one.id, now) for one in held if one.lesson.state == "live"}
        return [now - since for since in self._live_since.values()]

    def _busy(self) -> float:
        """The share of a core since the last look, of a second at least."""
        used, at, share = self._cpu
        now = self._monotonic()
        if now - at >= 1.0:
            spent = time.process_time()
            share = min(1.0, (spent - used) / (now - at))
            self._cpu = (spent, now, share)
        return share

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
