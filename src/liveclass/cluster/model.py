"""What nodes tell each other of themselves, and what it is to own a lesson. Pure values."""

from dataclasses import dataclass
from typing import NewType

NodeId = NewType("NodeId", str)
"""One process, from its start to its end: a restarted one is another node, so nothing it held is taken for held."""


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """A node, as it last described itself.

    Attributes:
        name: for people; the same after a restart.
        url: where other nodes reach it, without a slash at the end.
        lessons: lessons that it owns and that are live; `max_lessons` is its bound.
        sessions: media sessions open on it; `max_sessions` is its bound.
        coming: sessions that its young lessons are still expected to bring (`cluster/placement.py`).
        cpu: share of its core in use, 0 to 1.
        draining: it takes no more lessons.
        boot: random, new at each start.
    """

    id: NodeId
    name: str
    url: str
    lessons: int = 0
    sessions: int = 0
    max_lessons: int = 200
    max_sessions: int = 2000
    cpu: float = 0.0
    draining: bool = False
    version: str = ""
    boot: str = ""
    coming: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """That a node owns a lesson.

    Attributes:
        fence: grows by each change of owner, for as long as the lesson exists; whoever holds a lower one owns nothing.
    """

    lesson: str
    node: NodeId
    fence: int
