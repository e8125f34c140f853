"""The directory of a single process: nothing is shared, so nothing can be lost. What runs where no fleet is
configured."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping

from liveclass.cluster.directory import Renewal
from liveclass.cluster.ledger import Entry, Ledger, Line
from liveclass.cluster.model import Claim, NodeId, NodeInfo

MAX_UNREAD = 1000
"""Changes that wait for one reader; beyond it the reader is told that it missed some."""


class Changes:
    """Hands what changed to all readers of one process."""

    def __init__(self) -> None:
        self._readers: set[asyncio.Queue[str]] = set()

    def tell(self, lesson: str) -> None:
        for reader in self._readers:
            if reader.full():
                while not reader.empty():
                    reader.get_nowait()
                lesson = ""
            reader.put_nowait(lesson)

    async def read(self) -> AsyncIterator[str]:
        reader: asyncio.Queue[str] = asyncio.Queue(MAX_UNREAD)
        self._readers.add(reader)
        try:
            while True:
                yield await reader.get()
        finally:
            self._readers.discard(reader)


class _Shelf:
    """Dictionaries."""

    def __init__(self, changed: Callable[[str], None]) -> None:
        self._nodes: dict[NodeId, Line] = {}
        self._entries: dict[str, Entry] = {}
        self._numbers: dict[str, float] = {}
        self.changed = changed

    def node(self, node: NodeId) -> Line | None:
        return self._nodes.get(node)

    def lines(self) -> list[Line]:
        return list(self._nodes.values())

    def put_node(self, line: Line) -> None:
        self._nodes[line.info.id] = line

    def drop_node(self, node: NodeId) -> None:
        self._nodes.pop(node, None)

    def entry(self, lesson: str) -> Entry | None:
        return self._entries.get(lesson)

    def put_entry(self, lesson: str, entry: Entry) -> None:
        self._entries.pop(lesson, None)  # the oldest stand first
        self._entries[lesson] = entry

    def drop_entries(self, before: float) -> None:
        while self._entries and next(iter(self._entries.values())).at < before:
            del self._entries[next(iter(self._entries))]

    def number(self, name: str) -> float:
        return self._numbers.get(name, 0)

    def put_number(self, name: str, value: float) -> None:
        self._numbers[name] = value


class MemoryDirectory:
    """A `Directory` for the nodes of one process: the one that runs, or several in a test.

    Args:
        monotonic: seconds of a clock that does not jump.
        wall: the wall clock, seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self._changes = Changes()
        self._ledger = Ledger(_Shelf(self._changes.tell))
        self._monotonic = monotonic
        self._wall = wall

    async def register(self, info: NodeInfo, ttl_s: float) -> None:
        self._ledger.register(info, ttl_s, self._monotonic())

    async def renew(self, info: NodeInfo, claims: Mapping[str, int], ttl_s: float, *, blind: bool = False) -> Renewal:
        return self._ledger.renew(info, claims, ttl_s, self._monotonic(), blind)

    async def nodes(self) -> list[NodeInfo]:
        return self._ledger.nodes(self._monotonic())

    async def claim(self, lesson: str, node: NodeId, ttl_s: float) -> Claim:
        return self._ledger.claim(lesson, node, ttl_s, self._monotonic(), int(self._wall() * 1000))

    async def owner(self, lesson: str) -> Claim | None:
        return self._ledger.owner(lesson, self._monotonic())

    async def release(self, claim: Claim) -> None:
        self._ledger.release(claim, self._monotonic())

    async def forget_node(self, node: NodeId) -> None:
        self._ledger.forget_node(node, self._monotonic())

    def changes(self) -> AsyncIterator[str]:
        return self._changes.read()

    async def close(self) -> None:
        """Nothing is held."""
