"""The nodes of a simulated fleet, and the shelf on which the server's own directory finds them.

A heartbeat is not an event but a question of the time: what a node last told follows from when it last could. So five
hundred nodes may beat each second for hours and cost nothing. Knows no lesson.
"""

from collections import deque
from dataclasses import dataclass, replace

from liveclass.cluster.ledger import Entry, Line
from liveclass.cluster.model import NodeId, NodeInfo
from liveclass.cluster.placement import COMING_S, coming


@dataclass(frozen=True, slots=True)
class Plan:
    """What is simulated.

    Attributes:
        lessons: that run at the same time when an hour's lessons have all begun.
        max_sessions: of a node; one core carries about so many at 1 Mbit/s (docs/scale.md).
        beat_s: how often a node tells the directory of itself; a lease is three times as long.
        lost: nodes that are lost, half as a process, half as a machine.
    """

    nodes: int = 500
    lessons: int = 10_000
    bells: int = 2
    lost: int = 20
    seed: int = 1
    beat_s: float = 1.0
    max_lessons: int = 200
    max_sessions: int = 400

    @property
    def lease_s(self) -> float:
        return 3 * self.beat_s


class Host:
    """A node: what is true on it now, and what it last told the directory."""

    def __init__(self, number: int, plan: Plan, born_s: float, phase_s: float) -> None:
        self.id = NodeId(f"n{number}-{phase_s:.9f}")
        self.url = f"http://10.{number >> 8}.{number & 255}.1:7100"
        self.lessons = self.sessions = 0
        self.dead: str | None = None
        self.dead_s = 0.0
        self._plan, self._phase_s = plan, phase_s
        self._changed_s = born_s
        self._young: deque[float] = deque()  # when it took each of its young lessons
        self._told_s = born_s
        self._told = self.info()

    def info(self) -> NodeInfo:
        """The truth of this moment: nothing that is only expected."""
        plan = self._plan
        cpu = min(1.0, 0.7 * self.sessions / plan.max_sessions)
        return NodeInfo(
            self.id, self.url, self.url, self.lessons, self.sessions, plan.max_lessons, plan.max_sessions, cpu
        )

    def beat(self, now_s: float) -> float:
        """When it last told of itself."""
        period_s = self._plan.beat_s
        return (now_s - self._phase_s) // period_s * period_s + self._phase_s

    def told(self, now_s: float) -> NodeInfo:
        """What the directory says of it: the truth of its last heartbeat, and what it expected then."""
        beat_s = self.beat(now_s)
        if self._changed_s <= beat_s or (self._young and self._told_s < beat_s):
            while self._young and beat_s - self._young[0] >= COMING_S:
                self._young.popleft()
            to_come = coming(beat_s - taken_s for taken_s in self._young)
            self._told, self._told_s = replace(self.info(), coming=to_come), beat_s
            self._changed_s = float("inf")
        return self._told

    def change(self, now_s: float, *, lessons: int = 0, sessions: int = 0) -> None:
        self.told(now_s)
        if lessons > 0:
            self._young.append(now_s)
        self.lessons += lessons
        self.sessions += sessions
        self._changed_s = now_s

    def until_s(self, now_s: float) -> float:
        """When its lease ends, as its last heartbeat set it."""
        return self.beat(self.dead_s if self.dead else now_s) + self._plan.lease_s


class Book:
    """What `liveclass.cluster.ledger.Ledger` writes in: nodes' lines follow from their heartbeats, lessons' are kept.

    Attributes:
        now_s: to be set before the ledger is asked.
        hosts: by id; those that died stay, as their leases do.
    """

    def __init__(self) -> None:
        self.now_s = 0.0
        self.hosts: dict[NodeId, Host] = {}
        self._forgotten: set[NodeId] = set()
        self._entries: dict[str, Entry] = {}
        self._numbers: dict[str, float] = {}

    def node(self, node: NodeId) -> Line | None:
        host = self.hosts.get(node)
        return self._line(host) if host else None

    def lines(self) -> list[Line]:
        return [self._line(host) for host in self.hosts.values()]

    def _line(self, host: Host) -> Line:
        return Line(host.told(self.now_s), host.until_s(self.now_s), host.id in self._forgotten)

    def put_node(self, line: Line) -> None:
        """When it was heard, its heartbeats say; that it is to be forgotten, somebody must."""
        if line.forgotten:
            self._forgotten.add(line.info.id)

    def drop_node(self, node: NodeId) -> None:
        self.hosts.pop(node, None)

    def entry(self, lesson: str) -> Entry | None:
        return self._entries.get(lesson)

    def put_entry(self, lesson: str, entry: Entry) -> None:
        self._entries[lesson] = entry

    def drop_entries(self, before: float) -> None:
        """An evening is shorter than a released lesson is remembered."""

    def number(self, name: str) -> float:
        return self.now_s + 1.0 if name == "silent_at" else self._numbers.get(name, 0.0)  # somebody is always heard

    def put_number(self, name: str, value: float) -> None:
        self._numbers[name] = value

    def changed(self, lesson: str) -> None:
        """Nobody listens: pages ask."""
