"""How a lesson that is too large for one node spreads over others: a tree in which each node pulls the streams once.

Pure, with the placement that the server runs. Filled breadth first, so that it is as shallow as the bounds allow. Knows
no media: what a stream is, and what it costs to pass it on, is the cascade's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from liveclass.cluster.model import NodeId, NodeInfo
from liveclass.cluster.placement import pick

HOP_MS = 3.0
"""What a node adds on the way down: one network hop inside a data centre and one pass through the fan-out."""


@dataclass(frozen=True, slots=True)
class Tree:
    """What a large lesson takes.

    Attributes:
        nodes: with the owner.
        depth: hops from the owner to the furthest node; 0: the owner alone.
        extra_streams: sessions between nodes, each with every track of the lesson once.
        widest: children of the node that has most.
        most_sessions: classrooms and children on the node that has most.
        placed: classrooms that found a place.
    """

    classrooms: int
    placed: int
    nodes: int
    depth: int
    extra_streams: int
    widest: int
    most_sessions: int

    @property
    def added_ms(self) -> float:
        return self.depth * HOP_MS


def grow(fleet: Sequence[NodeInfo], lesson: str, classrooms: int, *, per_node: int, fan_out: int) -> Tree:
    """Place a lesson's classrooms.

    Args:
        fleet: as it stands; nodes keep the sessions that they have.
        per_node: sessions that one lesson may take of a node, classrooms and children together.
        fan_out: children that a node may have; they count among its sessions.
    """
    depth_of: dict[NodeId, int] = {}
    rooms: dict[NodeId, int] = {}
    children: dict[NodeId, int] = {}
    order: list[NodeId] = []

    def take(parent: NodeId | None) -> bool:
        node = pick(fleet, f"{lesson}/{len(order)}", but=rooms, sessions=min(per_node, fan_out + 1))
        if node is None:
            return False
        rooms[node.id] = min(per_node, node.max_sessions - node.sessions)
        children[node.id] = 0
        depth_of[node.id] = 0 if parent is None else depth_of[parent] + 1
        order.append(node.id)
        return True

    def seats() -> int:
        """Classrooms that the tree holds as it stands."""
        return sum(rooms[node] - children[node] for node in order)

    take(None)
    for parent in order:  # grows while it is walked: breadth first
        while seats() < classrooms and children[parent] < min(fan_out, rooms[parent]) and take(parent):
            children[parent] += 1
    left, most = classrooms, 0
    for node in order:
        seated = min(left, rooms[node] - children[node])
        left -= seated
        most = max(most, seated + children[node])
    return Tree(
        classrooms=classrooms,
        placed=classrooms - left,
        nodes=len(order),
        depth=max(depth_of.values(), default=0),
        extra_streams=sum(children.values()),
        widest=max(children.values(), default=0),
        most_sessions=most,
    )
