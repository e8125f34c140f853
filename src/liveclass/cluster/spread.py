"""When a lesson outgrows its node, which nodes send it on, and where its next subscriber goes.

Pure: values in, a decision out; the caller keeps the tree and carries it out. A tree has the lesson's owner at its
root; each other node pulls from one node above it. A node is only ever put below one that is in the tree already, so
there is no circle.

The height counts: each hop adds its delay and its loss. So the tree is filled from the top: a lesson of 2,000
classrooms on nodes of 400 has all its other nodes one hop below the owner.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from liveclass.cluster.model import NodeId, NodeInfo

OUTGROWN = 0.7
"""Share of a node's sessions from which its lessons' next subscribers go elsewhere, where nothing else is said: what is
left is for those who come back after an outage all at once."""

RETURNED = 0.72
"""Below this part of that share the owner takes its subscribers itself again; the two differ, so that nothing flaps."""

FAN_OUT = 8
"""Nodes below one: eight copies of a lesson cost their node as much as eight classrooms without adaptation."""

MAX_HEIGHT = 3
"""Hops below the owner at most; eight below each are 584 nodes."""

LEAST_ROOM = 10
"""A node with less room than this many sessions is not worth a copy of a lesson."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A node of a lesson's tree.

    Attributes:
        above: the node that it pulls from; None: it is the owner.
        viewers: subscribers of this lesson on it, other nodes not counted.
    """

    node: NodeId
    above: NodeId | None = None
    viewers: int = 0


Tree = Mapping[NodeId, Branch]


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a subscriber goes.

    Attributes:
        above: the node that `node` must pull the lesson from; None where it is the owner.
        new: it does not pull the lesson yet.
    """

    node: NodeId
    above: NodeId | None
    new: bool = False


def outgrown(node: NodeInfo, *, share: float = OUTGROWN, before: bool = False) -> bool:
    """Whether a node is to take no more subscribers while others have room.

    Args:
        share: of its sessions that it may use up.
        before: what was said last.
    """
    return node.draining or _load(node) >= (share * RETURNED if before else share)


def seat(
    lesson: str,
    tree: Tree,
    nodes: Sequence[NodeInfo],
    *,
    fan_out: int = FAN_OUT,
    max_height: int = MAX_HEIGHT,
    share: float = OUTGROWN,
    spreads: bool = False,
) -> Seat | None:
    """Where the lesson's next subscriber goes: to the owner while it has room, then to the nodes that pull the lesson,
    then to a node that begins to.

    Args:
        tree: as it is; holds the owner.
        nodes: all that are alive.
        share: of its sessions that a node may use up while others have room.
        spreads: the owner was outgrown when last asked, so that it must have fallen well below to be taken again.

    Returns:
        None: there is no room anywhere.
    """
    alive = {node.id: node for node in nodes}
    root = next((branch.node for branch in tree.values() if branch.above is None), None)
    if root is None or root not in alive:
        return None
    rooted = mend(lesson, tree, nodes, root, fan_out=fan_out, max_height=max_height)
    if not outgrown(alive[root], share=share, before=spreads):
        return Seat(root, None)
    heights = {node: height(rooted, node) for node in rooted}
    # The fullest first: a copy that is paid for is used, and those that empty end.
    pulling = [alive[node] for node in rooted if node != root and not outgrown(alive[node], share=share)]
    if pulling:
        chosen = min(pulling, key=lambda n: (heights[n.id], -rooted[n.id].viewers, _rank(lesson, n.id)))
        return Seat(chosen.id, rooted[chosen.id].above)
    fresh = [
        node
        for node in nodes
        if node.id not in rooted
        and not outgrown(node, share=share)
        and share * node.max_sessions - node.sessions >= min(LEAST_ROOM, share * node.max_sessions / 2)
    ]
    above = _above(lesson, rooted, alive, heights, fan_out=fan_out, max_height=max_height)
    if fresh and above is not None:
        chosen = min(fresh, key=lambda n: (_load(n), _rank(lesson, n.id)))
        return Seat(chosen.id, above, new=True)
    # No node has room below its mark: whoever can takes one more, the owner first.
    last = [alive[node] for node in rooted if not alive[node].draining and _free(alive[node])]
    if not last:
        return None
    chosen = min(last, key=lambda n: (n.id != root, _load(n), _rank(lesson, n.id)))
    return Seat(chosen.id, rooted[chosen.id].above)


def grown(tree: Tree, seated: Seat) -> dict[NodeId, Branch]:
    """The tree with one more subscriber."""
    out = dict(tree)
    branch = out.get(seated.node) or Branch(seated.node, seated.above)
    out[seated.node] = replace(branch, viewers=branch.viewers + 1)
    return out


def mend(
    lesson: str,
    tree: Tree,
    nodes: Sequence[NodeInfo],
    owner: NodeId,
    *,
    fan_out: int = FAN_OUT,
    max_height: int = MAX_HEIGHT,
) -> dict[NodeId, Branch]:
    """The tree after nodes were lost or the lesson has another owner: whoever lost the node above hangs elsewhere, with
    all that hangs below; the others stay where they are.

    Args:
        nodes: all that are alive.

    Returns:
        A tree of living nodes alone. A node for which no place is left is not in it: its pull ends, and its subscribers
        find their seats anew.
    """
    alive = {node.id: node for node in nodes}
    kept = {owner: Branch(owner, None, tree[owner].viewers if owner in tree else 0)}
    kept |= {node: branch for node, branch in tree.items() if node in alive and node != owner}
    rooted = _rooted(kept, owner)
    orphans = sorted((n for n in kept if n not in rooted), key=lambda n: (-kept[n].viewers, _rank(lesson, n)))
    # Those first whose node above is gone: what hangs below them then hangs again by itself.
    orphans.sort(key=lambda n: kept[n].above in kept and kept[n].above is not None)
    for orphan in orphans:
        if orphan in rooted:
            continue
        heights = {node: height(rooted, node) for node in rooted}
        above = _above(lesson, rooted, alive, heights, fan_out=fan_out, max_height=max_height)
        if above is None:
            break
        kept[orphan] = replace(kept[orphan], above=above)
        rooted = {node: branch for node, branch in _rooted(kept, owner).items() if height(kept, node) <= max_height}
    return rooted


def height(tree: Tree, node: NodeId) -> int:
    """Hops from the owner to a node of the tree."""
    hops = 0
    above = tree[node].above
    while above is not None and hops <= len(tree):
        hops, above = hops + 1, tree[above].above
    return hops


def _rooted(tree: Tree, owner: NodeId) -> dict[NodeId, Branch]:
    """What hangs at the owner."""
    below: dict[NodeId, list[NodeId]] = {}
    for branch in tree.values():
        if branch.above is not None:
            below.setdefault(branch.above, []).append(branch.node)
    found: dict[NodeId, Branch] = {}
    coming = [owner]
    while coming:
        node = coming.pop()
        if node not in found:
            found[node] = tree[node]
            coming += below.get(node, [])
    return found


def _above(
    lesson: str,
    tree: Tree,
    alive: Mapping[NodeId, NodeInfo],
    heights: Mapping[NodeId, int],
    *,
    fan_out: int,
    max_height: int,
) -> NodeId | None:
    """The node that one more hangs below: the highest with a place, of those the one with the fewest."""
    children = dict.fromkeys(tree, 0)
    for branch in tree.values():
        if branch.above in children:
            children[branch.above] += 1
    places = [
        node
        for node in tree
        if children[node] < fan_out
        and heights[node] < max_height
        and node in alive
        and _free(alive[node])
        and (tree[node].above is None or not alive[node].draining)
    ]
    return min(places, key=lambda n: (heights[n], children[n], _rank(lesson, n)), default=None)


def _free(node: NodeInfo) -> int:
    return max(0, node.max_sessions - node.sessions)


def _load(node: NodeInfo) -> float:
    return node.sessions / max(1, node.max_sessions)


def _rank(lesson: str, node: NodeId) -> bytes:
    """A tie is broken by the lesson, so that not all lessons choose the same node."""
    return blake2b(f"{lesson}/{node}".encode(), digest_size=8).digest()
