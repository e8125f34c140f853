"""Several nodes of one fleet in one process, over any directory, with a wire between them that can be cut."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from liveclass.cluster.directory import Directory
from liveclass.cluster.model import NodeId, NodeInfo
from liveclass.cluster.node import Node, clock
from liveclass.cluster.peers import Answer, NodeRefused, NodeSilent, Reason, What


def about(name: str, **more: object) -> NodeInfo:
    """A node that says of itself no more than it must."""
    return NodeInfo(NodeId(name), name, f"http://{name}.test", **more)  # type: ignore[arg-type]


def first(nodes: Sequence[NodeInfo], lesson: str, *, but: Collection[NodeId] = ()) -> NodeInfo | None:
    """A placement that anyone can foresee: the fewest lessons, then the id."""
    room = [node for node in nodes if not node.draining and node.id not in but]
    return min(room, key=lambda node: (node.lessons, node.id), default=None)


@dataclass
class Member:
    """A node and what its hooks were told."""

    name: str
    node: Node
    adopted: list[tuple[str, int]] = field(default_factory=list)
    dropped: list[tuple[str, Reason]] = field(default_factory=list)


class Fleet:
    """Nodes that ask each other by plain calls.

    Args:
        lease_s: of all of them.
        now: the clock of all of them, None: the real one.
    """

    def __init__(self, lease_s: float, now: Callable[[], float] | None = None) -> None:
        self.lease_s = lease_s
        self.now = now
        self.members: dict[str, Member] = {}
        self.dead: set[str] = set()
        self.cut: set[frozenset[str]] = set()
        self.adopt_s = 0.0

    async def add(self, name: str, directory: Directory) -> Member:
        async def ask(node: NodeInfo, what: What, lesson: str) -> Answer:
            return await self._ask(name, node, what, lesson)

        async def adopt(lesson: str, fence: int) -> None:
            await asyncio.sleep(self.adopt_s)
            member.adopted.append((lesson, fence))

        def dropped(lesson: str, reason: Reason) -> None:
            member.dropped.append((lesson, reason))

        node = Node(
            directory,
            lambda: about(name, lessons=len(self.members[name].node.held) if name in self.members else 0),
            lease_s=self.lease_s,
            ask=ask,
            pick=first,
            adopt=adopt,
            dropped=dropped,
            now=self.now or clock,
        )
        member = self.members[name] = Member(name, node)
        await node.start()
        return member

    async def _ask(self, asker: str, node: NodeInfo, what: What, lesson: str) -> Answer:
        if node.id in self.dead:
            raise NodeRefused
        if frozenset((asker, node.id)) in self.cut:
            await asyncio.sleep(self.lease_s)
            raise NodeSilent
        return await self.members[node.id].node.answer(what, lesson)

    def owners(self, lesson: str) -> list[str]:
        """Who holds it, by what each knows itself."""
        return [name for name, member in self.members.items() if member.node.mine(lesson) is not None]

    async def close(self) -> None:
        for name, member in self.members.items():
            if name not in self.dead:
                await member.node.close()
