"""Where the classrooms of this node's lessons sit: here, or on other nodes once a lesson has outgrown this one.

Stands before the media plane of a node: what lessons want of a classroom's session is done here, or told to the node
that has it. That node decides nothing (`server.guests`); what it tells is passed on as if this node's plane had said
it. Where a classroom goes is `cluster.spread`'s decision.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import structlog
from aiohttp import web

from liveclass.cluster import spread
from liveclass.cluster.model import NodeId, NodeInfo
from liveclass.cluster.peers import NodeRefused, NodeSilent
from liveclass.errors import PeerError
from liveclass.relay.ports import Answer, CloseReason, Direction, MediaListener, MediaPlane, Person, Rung
from liveclass.relay.source import Sink, SourceKind
from liveclass.server.forwarding import moving
from liveclass.server.http import FROM_NODE, json_response
from liveclass.server.internal import same_machine
from liveclass.server.neighbours import (
    SETTLED_S,
    Close,
    Closed,
    Connected,
    Event,
    Heard,
    Link,
    Neighbours,
    Orders,
    Reached,
    RestartAsk,
    Restarted,
    SeatAsk,
    Seated,
    Slots,
    Told,
    Watch,
    inner_route,
    read_as,
)
from liveclass.server.routing import Route

log = structlog.get_logger(__name__)

LOOK_S = 0.5
"""How often it is looked whether nodes that serve for this one are there."""

SILENT_S = 1.5
"""A node that told nothing for so long is asked whether it is there."""

LOST_S = 4.0
"""One that told nothing for so long has lost its classrooms: they find seats anew, as soon as their pages would notice
by themselves."""

AVOID_S = 5.0
"""How long no classroom is sent to a node that refused one or was lost."""

OFFER_REFUSED = frozenset({400, 413, 415, 422})
"""Answers that another node would give as well; all others are about the node: full, leaving, or an older version."""

TRIES = 3
"""Nodes that are asked for one classroom before it stays here, and how often an order is sent."""


@dataclass(slots=True, eq=False)
class _Seat:
    """A classroom's session on another node."""

    lesson: str
    participant: str
    node: NodeId
    etag: str
    since: float


@dataclass(slots=True, eq=False)
class _Branch:
    """A node that serves classrooms of a lesson.

    Attributes:
        told_at: when it was heard last.
        orders: what it is to be told.
    """

    above: NodeId
    told_at: float
    watch: dict[str, Watch] = field(default_factory=dict)
    close: list[Close] = field(default_factory=list)
    sending: asyncio.Task[None] | None = None


class Seats:
    """Implements `relay.ports.MediaPlane` for the lessons of a node.

    Args:
        plane: this node's own.
        listener: told what becomes of sessions on other nodes.
        share: of this node's sessions from which classrooms go elsewhere; 0: never.
        monotonic: seconds, never going back.
    """

    def __init__(
        self,
        plane: MediaPlane,
        listener: MediaListener,
        neighbours: Neighbours,
        *,
        share: float,
        fan_out: int,
        monotonic: Callable[[], float],
    ) -> None:
        self._plane = plane
        self._listener = listener
        self._neighbours = neighbours
        self._share = share
        self._fan_out = fan_out
        self._monotonic = monotonic
        self._seats: dict[str, _Seat] = {}
        self._whose: dict[tuple[str, str], str] = {}
        self._branches: dict[tuple[str, NodeId], _Branch] = {}
        self._avoided: dict[NodeId, float] = {}
        self._coming: dict[NodeId, int] = {}
        self._early: dict[str, tuple[float, list[Event]]] = {}
        self._spreads = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def count(self) -> int:
        """Sessions of this node's lessons that other nodes have."""
        return len(self._seats)

    def start(self) -> None:
        """Look after the nodes that serve for this one, from now on."""
        self._spawn(self._look_for_ever())

    async def close(self) -> None:
        """Look after them no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Where a classroom goes

    async def seat(self, lesson: str, person: Person, offer: str, reached: Reached) -> Answer | None:
        """Have another node answer a subscriber's offer, if the lesson has outgrown this one.

        Args:
            reached: where the browser reached which node.

        Returns:
            None: it is to be served here.

        Raises:
            PeerError: the offer is at fault.
        """
        for _ in range(TRIES if self._share else 0):
            chosen = self._choose(lesson)
            if chosen is None:
                return None
            node, above = chosen
            self._branches.setdefault((lesson, node.id), _Branch(above, self._monotonic()))
            ask = SeatAsk(
                person.participant,
                person.role,
                person.name,
                offer,
                self._reached_at(node, reached),
                "" if above == self._neighbours.node else above,
            )
            # Many may come at once, and each counts from now on.
            self._coming[node.id] = self._coming.get(node.id, 0) + 1
            try:
                status, body = await self._neighbours.send(
                    node.url, f"/internal/seat/{lesson}", msgspec.json.encode(ask)
                )
            except (NodeRefused, NodeSilent):
                self._avoid(lesson, node.id)
                continue
            finally:
                self._coming[node.id] -= 1
            if status == 200:
                seated = read_as(body, Seated)
                self._sit(lesson, person.participant, node.id, seated)
                return Answer(seated.session, seated.sdp, seated.etag)
            if status in OFFER_REFUSED:
                raise _passed_on(status, body)
            self._avoid(lesson, node.id)
        return None

    def _reached_at(self, node: NodeInfo, reached: Reached) -> str:
        if node.id == reached.first:
            return reached.at_first
        me = next(one for one in self._neighbours.nodes() if one.id == self._neighbours.node)
        return reached.here if same_machine(node.url, me.url) else ""

    def _choose(self, lesson: str) -> tuple[NodeInfo, NodeId] | None:
        own, nodes = NodeId(self._neighbours.node), self._nodes()
        me = next((node for node in nodes if node.id == own), None)
        if me is None:
            return None
        self._spreads = spread.outgrown(me, share=self._share, before=self._spreads)
        place = spread.seat(
            lesson, self._tree(lesson), nodes, fan_out=self._fan_out, share=self._share, spreads=self._spreads
        )
        if place is None or place.node == own or place.above is None:
            return None
        return next(node for node in nodes if node.id == place.node), place.above

    def _nodes(self) -> list[NodeInfo]:
        """Who is there, with what this node knows better than was last told."""
        own, now = self._neighbours.node, self._monotonic()
        here = dict(self._coming)
        for seat in self._seats.values():
            here[seat.node] = here.get(seat.node, 0) + 1
        return [
            node if node.id == own else replace(node, sessions=max(node.sessions, here.get(node.id, 0)))
            for node in self._neighbours.nodes()
            if self._avoided.get(node.id, 0.0) <= now
        ]

    def _tree(self, lesson: str) -> dict[NodeId, spread.Branch]:
        own = NodeId(self._neighbours.node)
        viewers: dict[NodeId, int] = {}
        for seat in self._seats.values():
            if seat.lesson == lesson:
                viewers[seat.node] = viewers.get(seat.node, 0) + 1
        tree = {own: spread.Branch(own)}
        for (of, node), branch in self._branches.items():
            if of == lesson:
                tree[node] = spread.Branch(node, branch.above, viewers.get(node, 0))
        return tree

    def _sit(self, lesson: str, participant: str, node: NodeId, seated: Seated) -> None:
        key = (lesson, participant)
        older = self._whose.get(key)
        if older is not None:
            self._end(older, "replaced")
        self._plane.close_participant(lesson, participant, "subscribe", "replaced")
        now = self._monotonic()
        self._seats[seated.session] = _Seat(lesson, participant, node, seated.etag, now)
        self._whose[key] = seated.session
        self._branches.setdefault((lesson, node), _Branch(NodeId(self._neighbours.node), now))
        _, events = self._early.pop(seated.session, (0.0, []))
        for event in events:
            # Once the lesson knows of the session, to which nothing else comes first.
            asyncio.get_running_loop().call_soon(self._happened, self._seats[seated.session], event)

    def _avoid(self, lesson: str, node: NodeId) -> None:
        self._avoided[node] = self._monotonic() + AVOID_S
        log.warning("node_takes_no_classroom", lesson=lesson, node=node)

    # Ends

    def _end(self, session: str, reason: CloseReason, *, tell: bool = True) -> None:
        """A session elsewhere is over, as lessons hear it; the node is told to end it."""
        seat = self._seats.pop(session, None)
        if seat is None:
            return
        if self._whose.get((seat.lesson, seat.participant)) == session:
            del self._whose[seat.lesson, seat.participant]
        branch = self._branches.get((seat.lesson, seat.node))
        if tell and branch is not None:
            branch.close.append(Close(session, reason))
            self._order(seat.lesson, seat.node, branch)
        self._listener.media_closed(seat.lesson, seat.participant, session, "subscribe", reason)

    def _lost(self, lesson: str, node: NodeId) -> None:
        """A node serves the lesson's classrooms no more."""
        self._branches.pop((lesson, node), None)
        lost = [session for session, seat in self._seats.items() if (seat.lesson, seat.node) == (lesson, node)]
        for session in lost:
            self._end(session, "timeout", tell=False)
        if lost:
            self._avoid(lesson, node)
            log.warning("node_lost_its_classrooms", lesson=lesson, node=node, classrooms=len(lost))

    async def _look_for_ever(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                self._look()
            except Exception:
                log.exception("looking_failed")

    def _look(self) -> None:
        now, alive = self._monotonic(), {node.id for node in self._neighbours.nodes()}
        self._avoided = {node: until for node, until in self._avoided.items() if until > now}
        self._coming = {node: count for node, count in self._coming.items() if count}
        self._early = {session: early for session, early in self._early.items() if now - early[0] < SETTLED_S}
        for (lesson, node), branch in list(self._branches.items()):
            silent_s = now - branch.told_at
            if silent_s >= LOST_S or (silent_s >= SILENT_S and node not in alive):
                self._lost(lesson, node)
            elif silent_s >= SILENT_S:
                self._order(lesson, node, branch)

    # Orders

    def _order(self, lesson: str, node: NodeId, branch: _Branch) -> None:
        if branch.sending is None or branch.sending.done():
            branch.sending = self._spawn(self._send(lesson, node, branch))

    async def _send(self, lesson: str, node: NodeId, branch: _Branch) -> None:
        tries = 0
        while tries < TRIES:
            orders = Orders(list(branch.watch.values()), list(branch.close))
            watch, branch.watch, branch.close = branch.watch, {}, []
            info = next((one for one in self._neighbours.nodes() if one.id == node), None)
            with contextlib.suppress(NodeSilent):
                try:
                    if info is not None:
                        status, _ = await self._neighbours.send(
                            info.url, f"/internal/orders/{lesson}", msgspec.json.encode(orders)
                        )
                        if status == 200:
                            if not branch.watch and not branch.close:
                                return
                            tries = 0
                            continue
                except NodeRefused:
                    self._lost(lesson, node)
                    return
            # What came meanwhile is newer.
            branch.watch = watch | branch.watch
            branch.close = [*orders.close, *branch.close]
            tries += 1
            await asyncio.sleep(LOOK_S)

    # What nodes tell

    def routes(self) -> list[Route]:
        return [inner_route("/internal/told/{lesson}", self._told)]

    async def _told(self, request: web.Request) -> web.StreamResponse:
        lesson, node = request.match_info["lesson"], NodeId(request[FROM_NODE])
        told = read_as(await request.read(), Told)
        if not self._neighbours.serves(lesson):
            raise moving()
        return json_response(self.hear(lesson, node, told))

    def hear(self, lesson: str, node: NodeId, told: Told) -> Heard:
        """What a node says of the classrooms that it serves."""
        now, own = self._monotonic(), NodeId(self._neighbours.node)
        branch = self._branches.setdefault((lesson, node), _Branch(own, now))
        branch.told_at = now
        for event in told.events:
            seat = self._seats.get(event.session)
            if seat is not None and (seat.lesson, seat.node) == (lesson, node):
                self._happened(seat, event)
            elif seat is None and told.sessions.get(event.session, SETTLED_S) < SETTLED_S:
                # It may come before the answer that tells of the session itself.
                self._early.setdefault(event.session, (now, []))[1].append(event)
        for session, seat in list(self._seats.items()):
            here = (seat.lesson, seat.node) == (lesson, node)
            if here and session not in told.sessions and now - seat.since >= SETTLED_S:
                self._end(session, "timeout", tell=False)
        if told.over and not any((seat.lesson, seat.node) == (lesson, node) for seat in self._seats.values()):
            del self._branches[lesson, node]
            return Heard([], "")
        mended = spread.mend(lesson, self._tree(lesson), self._neighbours.nodes(), own, fan_out=self._fan_out)
        branch.above = (mended[node].above if node in mended else None) or own
        unknown = [
            session
            for session, age_s in told.sessions.items()
            if age_s >= SETTLED_S and ((seat := self._seats.get(session)) is None or seat.node != node)
        ]
        return Heard(unknown, "" if branch.above == own else branch.above)

    def _happened(self, seat: _Seat, event: Event) -> None:
        match event:
            case Slots(session, slots):
                self._listener.slots_changed(seat.lesson, seat.participant, session, slots)
            case Link(_, link):
                self._listener.link_changed(seat.lesson, seat.participant, link)
            case Connected(session):
                self._listener.media_connected(seat.lesson, seat.participant, session, "subscribe")
            case Closed(session, reason):
                self._end(session, reason, tell=False)

    # relay.ports.MediaPlane

    def publish(self, lesson: str, person: Person, offer: str, reached_at: str) -> Answer:
        """Always here: a lesson's publishers come to its owner."""
        return self._plane.publish(lesson, person, offer, reached_at)

    def subscribe(self, lesson: str, person: Person, offer: str, reached_at: str) -> Answer:
        """Here; `seat` was asked before."""
        answer = self._plane.subscribe(lesson, person, offer, reached_at)
        older = self._whose.get((lesson, person.participant))
        if older is not None:
            self._end(older, "replaced")
        return answer

    def restart(self, session: str, fragment: str) -> tuple[str, str]:
        """Of a session that is here."""
        return self._plane.restart(session, fragment)

    async def restart_anywhere(self, session: str, fragment: str) -> tuple[str, str]:
        """As `restart`, wherever the session is. Raises PeerError."""
        seat = self._seats.get(session)
        if seat is None:
            return self._plane.restart(session, fragment)
        info = next((one for one in self._neighbours.nodes() if one.id == seat.node), None)
        if info is None:
            raise moving()
        ask = msgspec.json.encode(RestartAsk(session, fragment))
        try:
            status, body = await self._neighbours.send(info.url, f"/internal/restart/{seat.lesson}", ask)
        except (NodeRefused, NodeSilent) as error:
            raise moving() from error
        if status != 200:
            raise _passed_on(status, body)
        restarted = read_as(body, Restarted)
        seat.etag = restarted.etag
        return restarted.etag, restarted.fragment

    def etag(self, session: str) -> str | None:
        """See `relay.ports.MediaPlane.etag`."""
        seat = self._seats.get(session)
        return seat.etag if seat is not None else self._plane.etag(session)

    def owner(self, session: str) -> tuple[str, str, Direction] | None:
        """See `relay.ports.MediaPlane.owner`."""
        seat = self._seats.get(session)
        return (seat.lesson, seat.participant, "subscribe") if seat is not None else self._plane.owner(session)

    def close_session(self, session: str, reason: CloseReason) -> None:
        """See `relay.ports.MediaPlane.close_session`."""
        self._end(session, reason)
        self._plane.close_session(session, reason)

    def close_participant(self, lesson: str, participant: str, direction: Direction, reason: CloseReason) -> None:
        """See `relay.ports.MediaPlane.close_participant`."""
        session = self._whose.get((lesson, participant))
        if direction == "subscribe" and session is not None:
            self._end(session, reason)
        self._plane.close_participant(lesson, participant, direction, reason)

    def close_lesson(self, lesson: str, reason: CloseReason) -> None:
        """See `relay.ports.MediaPlane.close_lesson`."""
        for session in [session for session, seat in self._seats.items() if seat.lesson == lesson]:
            self._end(session, reason)
        for key in [key for key in self._branches if key[0] == lesson]:
            del self._branches[key]
        self._plane.close_lesson(lesson, reason)

    def set_muted(self, lesson: str, participant: str, muted: bool) -> None:
        """Muted here, it reaches no other node."""
        self._plane.set_muted(lesson, participant, muted)

    def set_sending(self, lesson: str, participant: str, kinds: Sequence[SourceKind] | None) -> None:
        """What is not shown here is told to no other node."""
        self._plane.set_sending(lesson, participant, kinds)

    def set_watching(self, lesson: str, participant: str, *, live: bool, ceiling: Rung) -> None:
        """See `relay.ports.MediaPlane.set_watching`."""
        self._plane.set_watching(lesson, participant, live=live, ceiling=ceiling)
        seat = self._seats.get(self._whose.get((lesson, participant), ""))
        branch = self._branches.get((lesson, seat.node)) if seat is not None else None
        if seat is not None and branch is not None:
            branch.watch[participant] = Watch(participant, live, ceiling)
            self._order(lesson, seat.node, branch)

    def add_sink(self, lesson: str, sink: Sink) -> None:
        """Recorded is what the owner has."""
        self._plane.add_sink(lesson, sink)

    def remove_sink(self, lesson: str, sink: Sink) -> None:
        """See `relay.ports.MediaPlane.remove_sink`."""
        self._plane.remove_sink(lesson, sink)

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class _Refusal(msgspec.Struct):
    code: str
    message: str


class _Refused(msgspec.Struct):
    error: _Refusal


def _passed_on(status: int, body: bytes) -> PeerError:
    """What another node refused, as this one's answer."""
    with contextlib.suppress(msgspec.MsgspecError):
        refused = msgspec.json.decode(body, type=_Refused).error
        return PeerError(refused.message, status=status, code=refused.code)
    return moving()
