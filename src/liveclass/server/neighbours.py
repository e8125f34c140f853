"""What two nodes say to each other of a classroom that one of them owns and the other one serves: shapes that travel.

A lesson's owner decides (`server.seats`); the node that serves (`server.guests`) obeys, and tells what its media plane
sees. Each is told the whole again and again, so that a lost message is made good by the next.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import msgspec
from aiohttp import web

from liveclass.cluster.model import NodeInfo
from liveclass.errors import PeerError
from liveclass.lesson.messages import Role, Rung
from liveclass.relay.ports import CloseReason, LinkView, SlotView
from liveclass.server.forwarding import Place
from liveclass.server.routing import PUBLIC, Route

TELL_S = 1.0
"""How often a node tells the owner of its classrooms where nothing changes."""

SETTLED_S = 5.0
"""A session so old is known to both sides, or lost on one of them."""

Shape = TypeVar("Shape", bound=msgspec.Struct)
Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Reached:
    """Where a browser reached this fleet.

    Attributes:
        first: the node that it asked, where another one passed that on.
        at_first: the address of that node's machine.
        here: an address of this node's machine that the browser surely reaches; empty: none is known.
    """

    first: str
    at_first: str
    here: str


class SeatAsk(msgspec.Struct, frozen=True):
    """Serve this classroom: `POST /internal/seat/{lesson}`.

    Attributes:
        above: the node to pull the lesson from; empty: its owner.
        reached_at: an address of the asked node that the browser reaches; empty: none is known.
    """

    participant: str
    role: Role
    name: str
    offer: str
    reached_at: str
    above: str


class Seated(msgspec.Struct, frozen=True):
    """The answer."""

    session: str
    sdp: str
    etag: str


class RestartAsk(msgspec.Struct, frozen=True):
    """An ICE restart: `POST /internal/restart/{lesson}`."""

    session: str
    fragment: str


class Restarted(msgspec.Struct, frozen=True):
    """The answer."""

    etag: str
    fragment: str


class Watch(msgspec.Struct, frozen=True):
    """What a classroom's page wants."""

    participant: str
    live: bool
    ceiling: Rung


class Close(msgspec.Struct, frozen=True):
    """A session is to end."""

    session: str
    reason: CloseReason


class Orders(msgspec.Struct, frozen=True):
    """What the owner wants done: `POST /internal/orders/{lesson}`."""

    watch: list[Watch] = []
    close: list[Close] = []


class Slots(msgspec.Struct, frozen=True, tag="slots"):
    """A classroom's transceivers carry something else."""

    session: str
    slots: list[SlotView]


class Link(msgspec.Struct, frozen=True, tag="link"):
    """What a classroom's link carries."""

    session: str
    link: LinkView


class Connected(msgspec.Struct, frozen=True, tag="connected"):
    """A classroom's media can flow."""

    session: str


class Closed(msgspec.Struct, frozen=True, tag="closed"):
    """A classroom's session is gone."""

    session: str
    reason: CloseReason


Event = Slots | Link | Connected | Closed


class Told(msgspec.Struct, frozen=True):
    """What happened, and all that there is: `POST /internal/told/{lesson}`.

    Attributes:
        sessions: each with its age in seconds.
        over: the node pulls the lesson no more.
    """

    sessions: dict[str, float]
    events: list[Event] = []
    over: bool = False


class Heard(msgspec.Struct, frozen=True):
    """The owner's answer.

    Attributes:
        unknown: sessions that are to end: the owner has none such.
        above: the node that the lesson is to be pulled from; empty: its owner.
    """

    unknown: list[str]
    above: str


class Neighbours(Protocol):
    """The other nodes, as `server.fleet` reaches them."""

    node: str

    def nodes(self) -> list[NodeInfo]:
        """The fleet as last heard, this node included, its own figures as they are at this moment."""
        ...

    def serves(self, lesson: str) -> bool:
        """Does this node own it now?"""
        ...

    def mine(self, lesson: str) -> bool:
        """As `serves`, and while it is being taken up."""
        ...

    async def find(self, lesson: str) -> Place:
        """The owner. Raises PeerError 404, or 503 when there is none."""
        ...

    async def refused(self, lesson: str, place: Place) -> None:
        """Nobody listens at the owner's address."""
        ...

    def forget(self, lesson: str) -> None:
        """What was remembered of its owner was wrong."""
        ...

    async def send(self, url: str, path: str, body: bytes) -> tuple[int, bytes]:
        """POST to another node: status and body.

        Raises:
            NodeRefused: TCP says that nobody listens there.
            NodeSilent: no answer, for whatever other reason.
        """
        ...


def inner_route(path: str, handler: Serve, method: str = "POST") -> Route:
    """For other nodes alone; `internal.Inner` keeps it from everybody else."""
    return Route(method=method, path=path, handler=handler, access=PUBLIC, status=200, described=False, anywhere=True)


def read_as(raw: bytes, shape: type[Shape]) -> Shape:
    """What a node said. Raises PeerError."""
    try:
        return msgspec.json.decode(raw, type=shape)
    except msgspec.MsgspecError as error:
        raise PeerError("The body is not what nodes say.", code="bad_request") from error
