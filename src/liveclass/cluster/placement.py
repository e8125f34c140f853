"""Which node takes a lesson that nobody owns. Pure: nodes as they last described themselves go in, one comes out.

What nodes say of themselves is up to some seconds old, and every node of the fleet places lessons by the same words.
If all of them took the least loaded node, a hundred lessons that begin on the hour would land on that one before it
could say so. So each lesson has two nodes drawn for it by its own hash, among the less loaded half, and takes the
better of the two: lessons that come at once are spread, and a node that is free still fills fast.

Nobody knows how many classrooms a lesson will have, and they come over some minutes. So a node says of its lessons what
they have, and of the young ones also what is still to be expected: else one whose first lessons turned out to be large
would look no fuller than one whose lessons are many and small, until those have all come and the bell is over.

Refuses to know where the figures come from, and what becomes of the lesson.
"""

import heapq
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from operator import itemgetter

from liveclass.cluster.model import NodeId, NodeInfo

EXPECTED_SESSIONS = 10
"""Media sessions that a lesson is taken to bring: the ratio of a node's usual limits."""

COMING_S = 180.0
"""After this a lesson has the classrooms that it will have, about."""


def pick(
    nodes: Sequence[NodeInfo], lesson: str, *, but: Collection[NodeId] = (), sessions: int = EXPECTED_SESSIONS
) -> NodeInfo | None:
    """The node that should own a lesson.

    Args:
        nodes: the fleet, in any order: all who ask get the same answer from the same figures.
        lesson: its id.
        but: nodes that are out of the question, such as one that has just refused it.
        sessions: media sessions that the lesson is expected to bring; of one that moves, those it had.

    Returns:
        a node within its limits, also with this lesson; None: there is none.
    """
    rooms = [
        (load(node, lessons=1, sessions=sessions), node)
        for node in nodes
        if has_room(node, sessions=sessions) and node.id not in but
    ]
    if not rooms:
        return None
    bound = sorted([share for share, _ in rooms])[len(rooms) // 2]
    lots = [(_lot(lesson, node.id), share, node) for share, node in rooms if share <= bound]
    return min(heapq.nsmallest(2, lots, key=itemgetter(0)), key=itemgetter(1))[
        2
    ]  # of equals the first: the one drawn by the lower lot


def has_room(node: NodeInfo, *, sessions: int = EXPECTED_SESSIONS) -> bool:
    """Whether a node may take one more lesson. A node's word on itself is never old, so who is picked asks this again.

    The processor is no limit: a moment's peak must not turn a class away where there is no better node.
    """
    return not node.draining and node.lessons + 1 <= node.max_lessons and node.sessions + sessions <= node.max_sessions


def load(node: NodeInfo, *, lessons: int = 0, sessions: int = 0) -> float:
    """How full a node is, by whatever is scarcest on it: 1 is full.

    A lesson that has just begun has not its classrooms yet: those count that are still to come. And lessons count with
    `EXPECTED_SESSIONS` each at least, else those that turned out small would be heaped on one node.

    Args:
        lessons, sessions: to count besides those that it has.
    """
    lessons += node.lessons
    return max(
        lessons / (node.max_lessons or 1),
        max(node.sessions + node.coming + sessions, EXPECTED_SESSIONS * lessons) / (node.max_sessions or 1),
        node.cpu,
    )


def coming(ages_s: Iterable[float]) -> int:
    """Sessions that lessons of these ages are still expected to bring, whatever they have by now.

    Args:
        ages_s: seconds since each began, or came to its node.
    """
    return round(sum(EXPECTED_SESSIONS * max(0.0, 1.0 - age_s / COMING_S) for age_s in ages_s))


def _lot(lesson: str, node: NodeId) -> int:
    """What a lesson draws for a node, wherever it is drawn: a node that comes or goes changes no other's lot."""
    return (_number(lesson) ^ _number(node)) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF


@lru_cache(maxsize=4096)
def _number(name: str) -> int:
    """64 bits that are always the same for a name. Kept, as each lesson asks for those of all nodes."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest())
