"""What nodes ask each other, straight and not through the directory. Types alone: the server brings the HTTP."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal, Protocol

from liveclass.cluster.model import Claim, NodeId, NodeInfo
from liveclass.errors import LiveclassError, PeerError

What = Literal["claim", "ping"]
"""`claim`: make the lesson yours. `ping`: are you there, and do you see the directory?"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a node answered.

    Attributes:
        node: who answered; another one than was asked where an address has a new tenant.
        sees_directory: the directory answered it within the last moment.
        silent_s: seconds since the directory last heard it.
        claim: who owns the lesson now, when it was asked to claim it.
    """

    node: NodeId
    sees_directory: bool
    silent_s: float = 0.0
    claim: Claim | None = None


class NodeRefused(LiveclassError):
    """The node's address refuses the connection: its process is gone."""


class NodeSilent(LiveclassError):
    """The node gave no answer, or none that helps: nothing is known of it."""


class Ask(Protocol):
    async def __call__(self, node: NodeInfo, what: What, lesson: str) -> Answer:
        """Ask a node, at `POST {url}/internal/claim/{lesson}` or `/internal/ping`; the caller bounds the time.

        Raises:
            NodeRefused: TCP says that nobody listens there.
            NodeSilent: anything else.
        """


class Pick(Protocol):
    def __call__(self, nodes: Sequence[NodeInfo], lesson: str, *, but: Collection[NodeId] = ()) -> NodeInfo | None:
        """The node that should have the lesson (`cluster/placement.py`); None: no room anywhere."""


Adopt = Callable[[str, int], Awaitable[None]]
"""Called with lesson and fence before the node answers for the lesson: bring its state here."""

Reason = Literal["fenced", "moved", "released"]

Dropped = Callable[[str, Reason], None]
"""Called when the node no longer owns the lesson: stop acting for it at once. `fenced`: another may own it already, so
write nothing more; else the lesson is still this node's until the call returns."""


Traced = Callable[[str, str], AbstractContextManager[object]]
"""Called with what is begun and the lesson; the block is how long it takes. `lesson.place`: a lesson that nobody owns
is given to a node. `lesson.claim`: this node claims it and takes it up."""


def untraced(_what: str, _lesson: str) -> AbstractContextManager[object]:
    """A `Traced` for who wants to know none of it."""
    return nullcontext()


class TryLater(PeerError):
    """503: nothing is wrong with the request, and it may succeed soon.

    Args:
        code: `directory_gone`, `moving` or `fleet_full`.
        retry_after_s: for the header Retry-After.
    """

    def __init__(self, message: str, *, code: str, retry_after_s: int) -> None:
        super().__init__(message, status=503, code=code)
        self.retry_after_s = retry_after_s


def directory_gone() -> TryLater:
    return TryLater(
        "the list of who teaches where cannot be reached; lessons that run go on",
        code="directory_gone",
        retry_after_s=5,
    )


def moving() -> TryLater:
    return TryLater("the lesson is moving to another server; ask again", code="moving", retry_after_s=1)


def fleet_full() -> TryLater:
    return TryLater("no server has room for another lesson now", code="fleet_full", retry_after_s=10)
