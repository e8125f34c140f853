"""What every directory promises, wherever it keeps its lines: who lives, who owns which lesson.

The directory is a list of leases, never the truth: the owner's memory is. So it may be lost, and is filled again from
what the nodes say at each renewal. The promises are laws in `tests/cluster/laws.py`, held to all three directories.

A **fence** is the greatest of: one more than any fence given before, and the wall clock in milliseconds. So it grows
even over a directory that forgot everything.

A directory is **young** for one lease after it may have missed something: it is new, it was started again, it fell over
to a replica, or no node was heard for a lease. Claims of lessons that it does not know to be free wait till it is not,
since an owner that it does not know of may be about to say so.

It is **blind** when fewer than half of the nodes that lived a short while ago are fresh, and for a lease after any node
came back that had not seen it. Then others may go on without it (`cluster/tenure.py` lets a node do that which finds
most others as blind as itself), and no lesson is taken from a silent node, unless that is known to be dead. One rule
needs more than half and the other at least half, so that not both can be right.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from liveclass.cluster.model import Claim, NodeId, NodeInfo
from liveclass.errors import LiveclassError

PATIENCE_LEASES = 20
"""How long the silence of most nodes counts as the directory's own fault, and a node that finds most others blind, but
not all, goes on. After that what the directory says holds again."""

FRESH = 0.5
"""Of a lease, for which a renewal shows that the node sees the directory."""

FORGET_S = 3600.0
"""A silent node's line is kept for this long."""

RELEASED_S = 7 * 86_400.0
"""How long the fence of a lesson without an owner is remembered: a paused node that wakes up later than this, and
finds a directory that it can fill with its old claim, would be believed."""


class DirectoryGone(LiveclassError):
    """The directory did not answer within its bound, or answered that it cannot: it may be back in a moment."""


class DirectoryYoung(LiveclassError):
    """The lesson cannot be claimed yet: another node may own it and not have said so.

    Args:
        wait_s: seconds until it is worth asking again.
    """

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"the directory is being filled for another {wait_s:.1f} s")
        self.wait_s = wait_s


class NodeForgotten(LiveclassError):
    """Somebody saw this node die: it owns nothing any more, and must `register` before it is heard again."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """What the directory says to a node that renews.

    Attributes:
        lost: lessons that are not this node's any more: the directory knows of a higher fence.
        settled: it is not young: what it does not know now, nobody will say.
    """

    lost: frozenset[str]
    settled: bool


class Directory(Protocol):
    """Every call is one atomic step and bounded in time.

    Raises:
        DirectoryGone: from any of them but `changes` and `close`.
    """

    async def register(self, info: NodeInfo, ttl_s: float) -> None:
        """The node is there, with a new lease, and is no longer forgotten. It must own nothing at this moment."""

    async def renew(self, info: NodeInfo, claims: Mapping[str, int], ttl_s: float, *, blind: bool = False) -> Renewal:
        """The node is there and owns these lessons, with these fences; what the directory lacks of that it takes over.

        So it is filled again by the renewals alone, after it was emptied or put back to an older state.

        Args:
            claims: fence by lesson: all that the node owns.
            ttl_s: seconds from now that the lease holds.
            blind: the node did not see the directory since its last renewal, and may have told others so.

        Raises:
            NodeForgotten: all of them are lost.
        """

    async def nodes(self) -> list[NodeInfo]:
        """The nodes with a lease, ordered by id; while the directory is young, those that had one too."""

    async def claim(self, lesson: str, node: NodeId, ttl_s: float) -> Claim:
        """Make the lesson the node's, if it is free, was the node's already, or its owner is forgotten or its lease
        ended.

        Args:
            ttl_s: seconds from now that the node's lease holds at least.

        Returns:
            who owns the lesson now: another one's claim, or the node's own with a fence that was never given before.

        Raises:
            DirectoryYoung: it may be another's who has not said so.
            NodeForgotten: the node has to `register` first.
        """

    async def owner(self, lesson: str) -> Claim | None:
        """Who owns it; None where nobody does or the owner's lease ended."""

    async def release(self, claim: Claim) -> None:
        """The lesson is free at once, if the claim still holds."""

    async def forget_node(self, node: NodeId) -> None:
        """Its leases end now. For a supervisor that saw the process die, a node that is refused by its address, and a
        node that leaves."""

    def changes(self) -> AsyncIterator[str]:
        """Ids of lessons whose owner changed, as it happens; an empty one when some may have been missed. Never ends
        and never fails: it waits while the directory is gone."""

    async def close(self) -> None:
        """Let go of connections and threads; leases run out by themselves."""
