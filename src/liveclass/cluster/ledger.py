"""The rules of a directory, over any shelf that keeps its lines: the one for one process, the one in a file.

Pure: takes the time, keeps nothing itself. The Lua scripts of `cluster/redis.py` say the same once more; one set of
laws tests all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from liveclass.cluster.directory import (
    FORGET_S,
    FRESH,
    PATIENCE_LEASES,
    RELEASED_S,
    DirectoryYoung,
    NodeForgotten,
    Renewal,
)
from liveclass.cluster.model import Claim, NodeId, NodeInfo

LONGEST_LEASE_S = 120.0
"""A lease that ends later than this was written by another clock, before the machine was started again."""


@dataclass(frozen=True, slots=True)
class Line:
    """A node in the book.

    Attributes:
        until: when its lease ends, or when it was forgotten.
    """

    info: NodeInfo
    until: float
    forgotten: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A lesson in the book.

    Attributes:
        node: None: released.
        at: when that was written.
    """

    node: NodeId | None
    fence: int
    at: float


class Shelf(Protocol):
    """Where the lines are. All calls of one `Ledger` method happen in one transaction."""

    def node(self, node: NodeId) -> Line | None: ...
    def lines(self) -> list[Line]: ...
    def put_node(self, line: Line) -> None: ...
    def drop_node(self, node: NodeId) -> None: ...
    def entry(self, lesson: str) -> Entry | None: ...
    def put_entry(self, lesson: str, entry: Entry) -> None: ...
    def drop_entries(self, before: float) -> None: ...
    def number(self, name: str) -> float: ...
    def put_number(self, name: str, value: float) -> None: ...
    def changed(self, lesson: str) -> None: ...


class Ledger:
    """The directory's calls as plain functions of the time.

    In all of them `now` is in seconds of a clock that all nodes share and that does not jump; `wall_ms` the wall clock.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def register(self, info: NodeInfo, ttl_s: float, now: float) -> None:
        for line in self._shelf.lines():
            if not -LONGEST_LEASE_S < now - line.until < FORGET_S:
                self._shelf.drop_node(line.info.id)
        self._hear(info, ttl_s, now)

    def renew(
        self, info: NodeInfo, claims: Mapping[str, int], ttl_s: float, now: float, blind: bool = False
    ) -> Renewal:
        line = self._shelf.node(info.id)
        if line is not None and line.forgotten:
            raise NodeForgotten
        self._hear(info, ttl_s, now)
        if blind:
            self._shelf.put_number("patient_until", now + ttl_s)
        lost = set()
        for lesson, fence in claims.items():
            entry = self._shelf.entry(lesson)
            if entry is None or entry.fence < fence:
                self._shelf.put_entry(lesson, Entry(info.id, fence, now))
                self._shelf.put_number("highest", max(self._shelf.number("highest"), fence))
                self._shelf.changed(lesson)
            elif entry.node != info.id or entry.fence != fence:
                lost.add(lesson)
        return Renewal(frozenset(lost), settled=not self._young_s(now))

    def nodes(self, now: float) -> list[NodeInfo]:
        lines = self._shelf.lines()
        return sorted((line.info for line in lines if self._lives(line, now)), key=lambda info: info.id)

    def claim(self, lesson: str, node: NodeId, ttl_s: float, now: float, wall_ms: int) -> Claim:
        line = self._shelf.node(node)
        if line is None or line.forgotten:
            raise NodeForgotten
        entry = self._shelf.entry(lesson)
        holder = None if entry is None or entry.node in (None, node) else self._shelf.node(entry.node)
        dead = holder is not None and holder.forgotten
        if entry is not None and entry.node is not None and holder is not None and self._lives(holder, now):
            return Claim(lesson, entry.node, entry.fence)
        self._hear(line.info, max(ttl_s, self._lasts_s(line, now)), now)
        if not dead:
            self._wait_if_young(now)
            if holder is not None:
                self._wait_if_blind(now, ttl_s)
        fence = max(int(self._shelf.number("highest")) + 1, 0 if entry is None else entry.fence + 1, wall_ms)
        self._shelf.put_number("highest", fence)
        self._shelf.put_entry(lesson, Entry(node, fence, now))
        self._shelf.changed(lesson)
        return Claim(lesson, node, fence)

    def owner(self, lesson: str, now: float) -> Claim | None:
        entry = self._shelf.entry(lesson)
        if entry is None or entry.node is None:
            return None
        line = self._shelf.node(entry.node)
        return Claim(lesson, entry.node, entry.fence) if line is not None and self._lives(line, now) else None

    def release(self, claim: Claim, now: float) -> None:
        entry = self._shelf.entry(claim.lesson)
        if entry is not None and (entry.node, entry.fence) == (claim.node, claim.fence):
            self._shelf.put_entry(claim.lesson, Entry(None, claim.fence, now))
            self._shelf.drop_entries(now - RELEASED_S)
            self._shelf.changed(claim.lesson)

    def forget_node(self, node: NodeId, now: float) -> None:
        line = self._shelf.node(node)
        if line is not None:
            self._shelf.put_node(Line(line.info, now, forgotten=True))
            self._shelf.changed("")

    def _hear(self, info: NodeInfo, ttl_s: float, now: float) -> None:
        """A node spoke: its lease begins anew. Where all were silent for a lease, the others have one to speak too."""
        if not self._heard(now):
            others = [line for line in self._shelf.lines() if line.info.id != info.id]
            if any(not line.forgotten for line in others):
                self._shelf.put_number("young_until", now + ttl_s)
        self._shelf.put_number("silent_at", now + ttl_s)
        self._shelf.put_node(Line(info, now + ttl_s))

    def _heard(self, now: float) -> bool:
        """Did any node speak within the last lease?"""
        return 0.0 < self._shelf.number("silent_at") - now < LONGEST_LEASE_S

    def _young_s(self, now: float) -> float:
        """Seconds for which the directory is still young."""
        return self._left_s("young_until", now)

    def _left_s(self, name: str, now: float) -> float:
        left = self._shelf.number(name) - now
        return left if 0.0 < left < LONGEST_LEASE_S else 0.0

    def _lasts_s(self, line: Line, now: float) -> float:
        """Seconds that a lease has left."""
        left = line.until - now
        return left if not line.forgotten and 0.0 < left < LONGEST_LEASE_S else 0.0

    def _lives(self, line: Line, now: float) -> bool:
        if line.forgotten:
            return False
        return self._lasts_s(line, now) > 0.0 or self._young_s(now) > 0.0 or not self._heard(now)

    def _wait_if_young(self, now: float) -> None:
        if left := self._young_s(now):
            raise DirectoryYoung(left)

    def _wait_if_blind(self, now: float, ttl_s: float) -> None:
        """Raises DirectoryYoung while most nodes of a short while ago may go on without the directory."""
        if left := self._left_s("patient_until", now):
            raise DirectoryYoung(left)
        known = [line for line in self._shelf.lines() if not line.forgotten]
        recent = [line for line in known if -LONGEST_LEASE_S < now - line.until < PATIENCE_LEASES * ttl_s]
        fresh = sum(self._lasts_s(line, now) >= (1 - FRESH) * ttl_s for line in recent)
        if 2 * fresh < len(recent):
            raise DirectoryYoung(ttl_s)
