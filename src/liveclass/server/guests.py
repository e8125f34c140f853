"""Classrooms that this node serves for the owner of their lesson: pulls the lesson, answers offers, and tells the owner
what becomes of each.

Decides nothing: who sits here, what each is sent and when it ends is the owner's to say (`server.seats`). Lessons that
this node owns are not its affair; what the media plane says of those goes on to `server.lessons`.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import structlog
from aiohttp import web

from liveclass.cluster.peers import NodeRefused, NodeSilent
from liveclass.errors import PeerError
from liveclass.relay.cascade import Cascade
from liveclass.relay.plane import Plane
from liveclass.relay.ports import CloseReason, Direction, Layer, LinkView, MediaListener, Person, SlotView
from liveclass.relay.source import SourceKind
from liveclass.server.forwarding import moving
from liveclass.server.http import FROM_NODE, json_response, local_address
from liveclass.server.neighbours import (
    TELL_S,
    Closed,
    Connected,
    Event,
    Heard,
    Link,
    Neighbours,
    Orders,
    RestartAsk,
    Restarted,
    SeatAsk,
    Seated,
    Slots,
    Told,
    inner_route,
    read_as,
)
from liveclass.server.routing import Route

log = structlog.get_logger(__name__)

GATHER_S = 0.03
"""What happens within this time is told at once together."""

RETRY_S = 0.3
"""Between two tries to tell: the lesson may be changing its owner."""

MAX_UNTOLD = 10_000
"""Events that wait for an owner at most; of older ones, the list of sessions tells the end."""


@dataclass(slots=True, eq=False)
class _Guest:
    """A lesson that is served here for its owner.

    Attributes:
        above: the node that it is pulled from; empty: its owner.
        sessions: who has each, and since when.
    """

    above: str
    sessions: dict[str, tuple[str, float]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False
    task: asyncio.Task[None] | None = None


class Guests:
    """Implements `relay.ports.MediaListener` for the media plane of a node.

    Args:
        own: told of the lessons that are this node's.
        is_over: whether a lesson that is this node's has ended.
        has_room: whether this node takes one more session.
        monotonic: seconds, never going back.
    """

    def __init__(
        self,
        own: MediaListener,
        neighbours: Neighbours,
        *,
        is_over: Callable[[str], bool],
        has_room: Callable[[], bool],
        monotonic: Callable[[], float],
    ) -> None:
        self._own = own
        self._neighbours = neighbours
        self._is_over = is_over
        self._has_room = has_room
        self._monotonic = monotonic
        self._guests: dict[str, _Guest] = {}
        self._plane: Plane | None = None
        self._cascade: Cascade | None = None

    def attach(self, plane: Plane) -> None:
        """Give what needs this object for its own making."""
        self._plane, self._cascade = plane, Cascade(plane, self._pull_ended)

    @property
    def plane(self) -> Plane:
        assert self._plane is not None
        return self._plane

    @property
    def cascade(self) -> Cascade:
        assert self._cascade is not None
        return self._cascade

    @property
    def count(self) -> int:
        """Sessions of classrooms whose lesson is another node's."""
        return sum(len(guest.sessions) for guest in self._guests.values())

    @property
    def pulled(self) -> int:
        """Lessons that this node pulls from others."""
        return len(self._cascade.lessons) if self._cascade is not None else 0

    @property
    def tries(self) -> int:
        """Sessions with other nodes that were begun for it."""
        return self._cascade.tries if self._cascade is not None else 0

    async def leave(self, lesson: str) -> None:
        """The lesson is to be this node's own: what was served of it for another ends."""
        guest = self._guests.pop(lesson, None)
        if guest is not None:
            self._end_all(lesson, guest, "shutdown")
            if guest.task is not None:
                guest.task.cancel()
            await self.cascade.stop(lesson)

    def send_away(self) -> None:
        """This node is to end: the owners find other seats for all who are here."""
        for lesson, guest in list(self._guests.items()):
            self._end_all(lesson, guest, "shutdown")
            guest.news.set()

    async def close(self) -> None:
        """Serve nothing more; owners are told where they can be."""
        self.send_away()
        tasks = [guest.task for guest in self._guests.values() if guest.task is not None]
        for guest in self._guests.values():
            guest.over = True
            guest.news.set()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)
        for lesson in list(self._guests):
            await self.leave(lesson)
        if self._cascade is not None:
            await self._cascade.close()

    def _end_all(self, lesson: str, guest: _Guest, reason: CloseReason) -> None:
        for session in list(guest.sessions):
            self.plane.close_session(session, reason)

    def _pull_ended(self, lesson: str) -> None:
        guest = self._guests.get(lesson)
        if guest is not None:
            # Nobody is left, or the lesson is over.
            self.plane.close_lesson(lesson, "lesson_ended")
            guest.over = True
            guest.news.set()

    # What the media plane says

    def _event(self, lesson: str, session: str, event: Event) -> bool:
        """False: it is no guest's."""
        guest = self._guests.get(lesson)
        if guest is None:
            return False
        if not isinstance(event, Closed):
            # Only the last of its kind counts; a second before its first was told takes its place.
            guest.events = [one for one in guest.events if type(one) is not type(event) or one.session != session]
        guest.events.append(event)
        del guest.events[:-MAX_UNTOLD]
        guest.news.set()
        return True

    def slots_changed(self, lesson: str, participant: str, session: str, slots: Sequence[SlotView]) -> None:
        """Told to the owner."""
        if not self._event(lesson, session, Slots(session, list(slots))):
            self._own.slots_changed(lesson, participant, session, slots)

    def sources_changed(self, lesson: str, participant: str, kinds: Sequence[SourceKind]) -> None:
        """The owner knows it before this node."""
        self._own.sources_changed(lesson, participant, kinds)

    def layers_wanted(self, lesson: str, participant: str, kind: SourceKind, layers: Sequence[Layer]) -> None:
        """The owner hears it through the pull."""
        self._own.layers_wanted(lesson, participant, kind, layers)

    def link_changed(self, lesson: str, participant: str, link: LinkView) -> None:
        """Told to the owner."""
        guest = self._guests.get(lesson)
        if guest is None:
            self._own.link_changed(lesson, participant, link)
            return
        for session, (who, _) in guest.sessions.items():
            if who == participant:
                self._event(lesson, session, Link(session, link))

    def media_connected(self, lesson: str, participant: str, session: str, direction: Direction) -> None:
        """Told to the owner."""
        if not self._event(lesson, session, Connected(session)):
            self._own.media_connected(lesson, participant, session, direction)

    def media_closed(
        self, lesson: str, participant: str, session: str, direction: Direction, reason: CloseReason
    ) -> None:
        """Told to the owner."""
        guest = self._guests.get(lesson)
        if guest is None:
            self._own.media_closed(lesson, participant, session, direction, reason)
            return
        guest.sessions.pop(session, None)
        self._event(lesson, session, Closed(session, reason))

    # Telling

    async def _tell_for_ever(self, lesson: str, guest: _Guest) -> None:
        while self._guests.get(lesson) is guest:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(guest.news.wait(), TELL_S)
                await asyncio.sleep(GATHER_S)
            guest.news.clear()
            events, guest.events = guest.events, []
            over = guest.over
            now = self._monotonic()
            told = Told({session: now - since for session, (_, since) in guest.sessions.items()}, events, over)
            try:
                heard = await self._tell(lesson, told)
            except PeerError as problem:
                if problem.status == 404 or over:
                    heard = None
                else:
                    guest.events = [*events, *guest.events][-MAX_UNTOLD:]
                    await asyncio.sleep(RETRY_S)
                    continue
            except Exception:
                log.exception("guests_not_told", lesson=lesson)
                await asyncio.sleep(RETRY_S)
                continue
            if over and not guest.sessions:
                if self._guests.get(lesson) is guest:
                    del self._guests[lesson]
                return
            if heard is not None:
                guest.above = heard.above
                for session in heard.unknown:
                    self.plane.close_session(session, "shutdown")

    async def _tell(self, lesson: str, told: Told) -> Heard:
        place = await self._neighbours.find(lesson)
        if not place.url:
            raise moving()
        try:
            status, body = await self._neighbours.send(place.url, f"/internal/told/{lesson}", msgspec.json.encode(told))
            if status == 200:
                return msgspec.json.decode(body, type=Heard)
        except NodeRefused:
            await self._neighbours.refused(lesson, place)
        except (NodeSilent, msgspec.MsgspecError):
            pass
        self._neighbours.forget(lesson)
        raise moving()

    async def _ask(self, lesson: str, offer: str) -> str:
        """See `relay.cascade.Ask`."""
        guest = self._guests.get(lesson)
        place = await self._neighbours.find(lesson)
        if guest is None or not place.url:
            raise PeerError("The lesson is not pulled any more.", status=404, code="lesson_unknown")
        url = place.url
        if guest.above and guest.above != place.node:
            url = next((node.url for node in self._neighbours.nodes() if node.id == guest.above), place.url)
        try:
            status, body = await self._neighbours.send(url, f"/internal/whep/{lesson}", offer.encode())
        except (NodeRefused, NodeSilent) as error:
            guest.above = ""
            if url == place.url:
                self._neighbours.forget(lesson)
            raise ConnectionError from error
        if status == 404 and url == place.url:
            raise PeerError("The lesson is over.", status=404, code="lesson_unknown")
        if status != 200:
            guest.above = ""
            self._neighbours.forget(lesson)
            raise moving()
        return body.decode()

    # What other nodes ask

    def routes(self) -> list[Route]:
        return [
            inner_route("/internal/whep/{lesson}", self._whep),
            inner_route("/internal/seat/{lesson}", self._seat),
            inner_route("/internal/restart/{lesson}", self._restart),
            inner_route("/internal/orders/{lesson}", self._orders),
        ]

    async def _whep(self, request: web.Request) -> web.StreamResponse:
        """Another node pulls a lesson from this one: its owner, or one that pulls it too."""
        lesson, offer = request.match_info["lesson"], await request.text()
        if self._neighbours.serves(lesson):
            if self._is_over(lesson):
                raise PeerError("This lesson is over.", status=404, code="lesson_unknown")
        elif lesson not in self.cascade:
            raise moving()
        answer = self.plane.feed(lesson, request[FROM_NODE], offer, local_address(request))
        return web.Response(text=answer.sdp, content_type="application/sdp")

    async def _seat(self, request: web.Request) -> web.StreamResponse:
        lesson, ask = request.match_info["lesson"], read_as(await request.read(), SeatAsk)
        if self._neighbours.mine(lesson):
            raise moving()
        if not self._has_room():
            raise PeerError("This server carries as many sessions as it may.", status=503, code="too_many_sessions")
        guest = self._guests.get(lesson)
        if guest is None or guest.over:
            if guest is not None and guest.task is not None:
                guest.task.cancel()
            guest = self._guests[lesson] = _Guest(ask.above)
            guest.task = asyncio.create_task(self._tell_for_ever(lesson, guest))
        self.cascade.pull(lesson, lambda offer: self._ask(lesson, offer))
        person = Person(ask.participant, ask.role, ask.name)
        answer = self.plane.subscribe(lesson, person, ask.offer, ask.reached_at)
        guest.sessions[answer.session] = (ask.participant, self._monotonic())
        return json_response(Seated(answer.session, answer.sdp, answer.etag))

    async def _restart(self, request: web.Request) -> web.StreamResponse:
        lesson, ask = request.match_info["lesson"], read_as(await request.read(), RestartAsk)
        guest = self._guests.get(lesson)
        if guest is None or ask.session not in guest.sessions:
            raise PeerError("There is no such session.", status=404, code="session_unknown")
        return json_response(Restarted(*self.plane.restart(ask.session, ask.fragment)))

    async def _orders(self, request: web.Request) -> web.StreamResponse:
        lesson, orders = request.match_info["lesson"], read_as(await request.read(), Orders)
        guest = self._guests.get(lesson)
        if guest is not None:
            for one in orders.watch:
                self.plane.set_watching(lesson, one.participant, live=one.live, ceiling=one.ceiling)
            for order in orders.close:
                if order.session in guest.sessions:
                    self.plane.close_session(order.session, order.reason)
        return json_response({})
