"""Ten thousand lessons at a time over five hundred nodes, simulated with the placement code that the server runs.

    .venv/bin/python -m bench.fleet_sim                     # the whole, about a minute of a slow core
    .venv/bin/python -m bench.fleet_sim --nodes 20 --lessons 400 --lost 3 --seed 7

Every event stands in one queue of virtual time: nothing waits, nothing is random but by the seed that is printed. What
is real: `liveclass.cluster.placement`, and `liveclass.cluster.ledger`, which says who lives, who owns what and with
which fence. What is assumed stands as constants below, each with its reason. Knows no media: a session is a number.
"""

import argparse
import heapq
import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from bench.fleet_book import Book, Host, Plan
from bench.fleet_tree import Tree, grow
from liveclass.cluster.directory import DirectoryYoung
from liveclass.cluster.ledger import Ledger
from liveclass.cluster.model import Claim, NodeId, NodeInfo
from liveclass.cluster.placement import EXPECTED_SESSIONS, has_room, load, pick

RESULTS = Path(__file__).with_name("results")

HOUR_S = 3600.0
BELL_SPREAD_S = 45.0
"""Lessons begin around the bell: two thirds of them within this of it."""
OFF_BELL = 0.1
"""Share of lessons that begin at any other time: clubs, evening classes, whoever is late."""
LESSON_S, LESSON_SPREAD_S = 2400.0, 120.0
JOIN_S = 180.0
"""Classrooms of a lesson come within this of its first."""
MEAN_CLASSROOMS, MAX_CLASSROOMS = 9.0, 60

HOP_S = 0.003
"""From one node to another or to the directory and back."""
LIST_S = 0.1
"""How long a node goes by the same list of nodes: it need not be asked for at each lesson of a burst."""
RIVAL_S = 0.1
"""A lesson's second page asks within this of its first, mostly another node."""
SILENT_S = 2.0
"""How long a node waits for another that does not answer, at most."""
NOTICE_S = {"process": (0.05, 1.0), "machine": (3.0, 5.0)}
"""When pages notice that their node is gone and ask anew: a closed socket at once, silence by their own clock."""
REPLACED_S = 60.0
"""After this a node comes up in the place of one that was lost: another one, and empty."""

FULL = 0.9
"""Share of the lessons that must run for evenness to be judged: which of them end first is not placement's doing."""


@dataclass(slots=True)
class Taught:
    """A lesson, as its pages see it."""

    id: str
    classrooms: int
    ends_s: float
    wanted: int = 0
    open: int = 0
    owner: Host | None = None
    fence: int = 0
    lost_s: float | None = None
    over: bool = False


@dataclass(slots=True)
class Loss:
    """What became of the lessons of one node that was lost."""

    kind: str
    at_s: float
    own: int
    moved: int = 0
    others_moved: int = 0
    all_placed_s: float | None = None


@dataclass(slots=True)
class Seen:
    """What the simulation counts."""

    placed: int = 0
    no_room: int = 0
    refused_by_node: int = 0
    asked_dead: int = 0
    rivals: int = 0
    rivals_agreed: int = 0
    joins: int = 0
    joins_refused: int = 0
    over_limit: int = 0
    two_owners: int = 0
    told_to_wait: int = 0
    held_by_dead: int = 0
    most_lessons_at_once: int = 0
    most_load: float = 0.0
    worst_lessons_ratio: float = 0.0
    worst_load_ratio: float = 0.0
    losses: list[Loss] = field(default_factory=list)
    place_s: list[float] = field(default_factory=list)


class Simulation:
    """A fleet through some school hours."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.seen = Seen()
        self._chance = Random(plan.seed)
        self._now_s = 0.0
        self._queue: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0
        self._born = 0
        self.hosts: list[Host] = []
        self._book = Book()
        self._ledger = Ledger(self._book)
        self._list: list[NodeInfo] = []
        self._listed_s = float("-inf")
        self._lessons: dict[str, Taught] = {}
        self._of: dict[NodeId, set[str]] = {}
        self._loss_of: dict[str, Loss] = {}
        for _ in range(plan.nodes):
            self._start_node()
        self._make_timetable()

    def run(self) -> Seen:
        while self._queue:
            self._now_s, _, what, about = heapq.heappop(self._queue)
            self._book.now_s = self._now_s
            what(*about)
        return self.seen

    def _at(self, when_s: float, what: Callable[..., None], *about: Any) -> None:
        self._count += 1
        heapq.heappush(self._queue, (when_s, self._count, what, about))

    def _start_node(self) -> None:
        host = Host(self._born, self.plan, self._now_s, self._now_s + self._chance.uniform(0, self.plan.beat_s))
        self._born += 1
        self.hosts.append(host)
        self._of[host.id], self._book.hosts[host.id] = set(), host

    def _make_timetable(self) -> None:
        chance, plan = self._chance, self.plan
        begin_s = 600.0
        for bell in range(plan.bells):
            bell_s = begin_s + bell * HOUR_S
            for number in range(plan.lessons):
                start_s = bell_s + chance.gauss(0, BELL_SPREAD_S)
                if chance.random() < OFF_BELL:
                    start_s = bell_s + chance.uniform(-300, 900)
                self._at(max(0.0, start_s), self._begin, f"{plan.seed}-{bell}-{number}")
        for number in range(plan.lost):  # every other one amid the bell, when figures change fastest
            bell_s = begin_s + number % plan.bells * HOUR_S
            when_s = bell_s + (chance.gauss(30, 20) if number % 2 else chance.uniform(300, 1800))
            self._at(when_s, self._lose, "process" if number % 4 < 2 else "machine")
        last_s = begin_s + plan.bells * HOUR_S
        for second in range(0, int(last_s), 15):
            self._at(float(second), self._judge)

    def _begin(self, lesson_id: str) -> None:
        """Its teacher and its first classroom ask at almost the same time, and not the same node."""
        chance = self._chance
        classrooms = min(MAX_CLASSROOMS, 1 + int(chance.expovariate(1 / MEAN_CLASSROOMS)))
        ends_s = self._now_s + max(60.0, chance.gauss(LESSON_S, LESSON_SPREAD_S))
        lesson = self._lessons[lesson_id] = Taught(lesson_id, classrooms, ends_s)
        self._ask(lesson, EXPECTED_SESSIONS)
        self._at(self._now_s + chance.uniform(0, RIVAL_S), self._ask, lesson, EXPECTED_SESSIONS)
        self._at(self._now_s + 1.0, self._join, lesson)  # the volunteer's own session
        for _ in range(classrooms):
            self._at(self._now_s + 1.0 + JOIN_S * min(chance.random(), chance.random()), self._join, lesson)
        self._at(ends_s, self._end, lesson)

    def _ask(self, lesson: Taught, sessions: int, but: frozenset[NodeId] = frozenset()) -> None:
        """A request for the lesson reaches some node: it looks into the directory, and places what nobody owns."""
        if lesson.over or self._alive_owner(lesson):
            return
        owner = lesson.owner
        if owner and owner.dead == "machine" and self._now_s < owner.until_s(self._now_s):
            # It may live and only be out of reach: whoever asks waits for the end of its lease.
            self._at(owner.until_s(self._now_s) + HOP_S, self._ask, lesson, sessions, but)
            return
        chosen = pick(self._nodes(), lesson.id, but=but, sessions=min(sessions, self.plan.max_sessions))
        if chosen is None:
            self.seen.no_room += 1
            self._at(self._now_s + 1.0, self._ask, lesson, sessions)  # the page obeys Retry-After
            return
        host = self._book.hosts[chosen.id]
        self._at(self._now_s + HOP_S, self._claim, lesson, host, sessions, but)

    def _nodes(self) -> list[NodeInfo]:
        """The directory's answer: who is alive as far as it knows, as they last told."""
        if self._now_s >= self._listed_s + LIST_S:
            self._list, self._listed_s = self._ledger.nodes(self._now_s), self._now_s
        return self._list

    def _claim(self, lesson: Taught, host: Host, sessions: int, but: frozenset[NodeId]) -> None:
        """The picked node is asked: it looks at its own figures, which are never old; the directory decides."""
        if lesson.over:
            return
        if host.dead:
            self.seen.asked_dead += 1
            wait_s = 0.0 if host.dead == "process" else SILENT_S
            self._at(self._now_s + wait_s, self._ask, lesson, sessions, but | {host.id})
            return
        owner = lesson.owner
        if owner and not owner.dead:  # somebody else was first
            self.seen.rivals += 1
            self.seen.rivals_agreed += owner is host
            return
        if not has_room(host.info(), sessions=min(sessions, self.plan.max_sessions)):
            self.seen.refused_by_node += 1
            self._ask(lesson, sessions, but | {host.id})
            return
        if owner and owner.dead == "process":  # a closed port says that it is gone: no need to wait for the lease
            self._ledger.forget_node(owner.id, self._now_s)
        wall_ms = int(self._now_s * 1000)
        try:
            claim = self._ledger.claim(lesson.id, host.id, self.plan.lease_s, self._now_s, wall_ms)
        except DirectoryYoung as young:
            self.seen.told_to_wait += 1
            self._at(self._now_s + young.wait_s, self._ask, lesson, sessions, but)
            return
        if claim.node != host.id:
            self.seen.held_by_dead += 1
            self._at(self._now_s + 1.0, self._ask, lesson, sessions, but)
            return
        self.seen.two_owners += self._alive_owner(lesson) or claim.fence <= lesson.fence
        lesson.owner, lesson.fence = host, claim.fence
        self._of[host.id].add(lesson.id)
        self._change(host, lessons=1)
        self.seen.placed += 1
        if lesson.lost_s is not None:
            self._came_back(lesson)

    def _came_back(self, lesson: Taught) -> None:
        assert lesson.lost_s is not None
        took_s = self._now_s - lesson.lost_s
        self.seen.place_s.append(took_s)
        loss = self._loss_of.pop(lesson.id)
        loss.moved += 1
        loss.all_placed_s = max(loss.all_placed_s or 0.0, took_s)
        lesson.lost_s = None
        for _ in range(lesson.wanted):
            self._at(self._now_s + self._chance.uniform(0.1, 1.0), self._open, lesson, lesson.fence)

    def _alive_owner(self, lesson: Taught) -> bool:
        return lesson.owner is not None and lesson.owner.dead is None

    def _join(self, lesson: Taught) -> None:
        if not lesson.over:
            lesson.wanted += 1
            self._open(lesson, lesson.fence)

    def _open(self, lesson: Taught, fence: int) -> None:
        """A media session, if the lesson is still where it was; else the page is among those that come back."""
        if lesson.over or fence != lesson.fence or not self._alive_owner(lesson):
            return
        assert lesson.owner is not None
        self.seen.joins += 1
        if lesson.owner.sessions >= self.plan.max_sessions:
            self.seen.joins_refused += 1
            lesson.wanted -= 1
            return
        lesson.open += 1
        self._change(lesson.owner, sessions=1)

    def _end(self, lesson: Taught) -> None:
        lesson.over = True
        if self._alive_owner(lesson):
            assert lesson.owner is not None
            self._change(lesson.owner, lessons=-1, sessions=-lesson.open)
            self._of[lesson.owner.id].discard(lesson.id)
            self._ledger.release(Claim(lesson.id, lesson.owner.id, lesson.fence), self._now_s)
        if loss := self._loss_of.pop(lesson.id, None):
            loss.own -= 1  # it ended before anybody asked for it again
        del self._lessons[lesson.id]

    def _change(self, host: Host, *, lessons: int = 0, sessions: int = 0) -> None:
        host.change(self._now_s, lessons=lessons, sessions=sessions)
        self.seen.over_limit += host.lessons > self.plan.max_lessons or host.sessions > self.plan.max_sessions

    def _lose(self, kind: str) -> None:
        host = self._chance.choice([one for one in self.hosts if one.dead is None])
        host.told(self._now_s)
        host.dead, host.dead_s = kind, self._now_s
        own = self._of.pop(host.id)
        loss = Loss(kind, round(self._now_s, 1), len(own))
        self.seen.losses.append(loss)
        owners = {one.id: one.owner for one in self._lessons.values() if one.owner is not host}
        for lesson_id in sorted(own):
            lesson = self._lessons[lesson_id]
            lesson.lost_s, sessions = self._now_s, max(lesson.open, EXPECTED_SESSIONS)
            lesson.open = 0
            self._loss_of[lesson_id] = loss
            low_s, high_s = NOTICE_S[kind]
            asks_s = [self._chance.uniform(low_s, high_s) for _ in range(max(1, lesson.wanted))]
            for ask_s in sorted(asks_s)[:2]:  # its pages all come; the third finds it placed
                self._at(self._now_s + ask_s, self._ask, lesson, sessions)
        self._at(self._now_s + 15.0, self._look_after, loss, owners)
        self._at(self._now_s + REPLACED_S, self._replace, host)

    def _look_after(self, loss: Loss, owners: dict[str, Host | None]) -> None:
        """Nobody else's lesson may have moved for this loss; owners that died meanwhile have a loss of their own."""
        for lesson_id, owner in owners.items():
            lesson = self._lessons.get(lesson_id)
            if lesson and owner and not owner.dead and lesson.owner is not owner:
                loss.others_moved += 1

    def _replace(self, host: Host) -> None:
        self.hosts.remove(host)
        self._start_node()

    def _judge(self) -> None:
        alive = [host for host in self.hosts if not host.dead]
        lessons = [host.lessons for host in alive]
        self.seen.most_lessons_at_once = max(self.seen.most_lessons_at_once, sum(lessons))
        loads = [load(host.info()) for host in alive]
        self.seen.most_load = max(self.seen.most_load, *loads)
        mean = sum(lessons) / len(alive)
        if sum(lessons) >= FULL * self.plan.lessons:
            self.seen.worst_lessons_ratio = max(self.seen.worst_lessons_ratio, max(lessons) / mean)
            self.seen.worst_load_ratio = max(self.seen.worst_load_ratio, max(loads) * len(alive) / sum(loads))


def large_lessons(plan: Plan, hosts: list[Host]) -> list[tuple[str, Tree]]:
    """One lesson too large for a node, over the fleet as the simulation left it and over one that is half full."""
    half = [
        NodeInfo(NodeId(f"half-{number}"), "", "", 20, plan.max_sessions // 2, plan.max_lessons, plan.max_sessions)
        for number in range(plan.nodes)
    ]
    fresh = [host.info() for host in hosts if not host.dead]
    wanted = min(2000, 40 * plan.nodes)
    return [
        (name, grow(nodes, "large", wanted, per_node=per_node, fan_out=fan_out))
        for name, nodes, per_node, fan_out in (
            ("empty fleet, 8 children a node", fresh, plan.max_sessions, 8),
            ("half-full fleet, 8 children a node", half, plan.max_sessions, 8),
            ("half-full fleet, 50 sessions and 3 children a node", half, 50, 3),
        )
    ]


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def report(plan: Plan, seen: Seen, trees: list[tuple[str, Tree]], took_s: float) -> str:
    """What there is to see, and whether it is as it has to be."""
    lost = seen.losses
    slowest = {
        kind: max((loss.all_placed_s or 0.0 for loss in lost if loss.kind == kind), default=0.0) for kind in NOTICE_S
    }
    rows = [
        ("seed", f"{plan.seed}"),
        ("nodes, lessons a bell, bells", f"{plan.nodes}, {plan.lessons:,}, {plan.bells}"),
        ("lessons at once, at most", f"{seen.most_lessons_at_once:,}"),
        ("lessons placed; sessions opened", f"{seen.placed:,}; {seen.joins:,}"),
        ("changes that left a node over a limit", f"{seen.over_limit}"),
        ("lessons that found no room; sessions refused", f"{seen.no_room}; {seen.joins_refused}"),
        ("lessons of the fullest node over the mean", f"{seen.worst_lessons_ratio:.2f}"),
        ("load of the fullest node over the mean; its load", f"{seen.worst_load_ratio:.2f}; {seen.most_load:.2f}"),
        ("rival claims; for the same node", f"{seen.rivals:,}; {share(seen.rivals_agreed, seen.rivals)}"),
        ("lessons with two owners or a fence that did not grow", f"{seen.two_owners}"),
        ("claims before their time: directory young; lease held", f"{seen.told_to_wait}; {seen.held_by_dead}"),
        ("asked a node that was gone; that was full", f"{seen.asked_dead}; {seen.refused_by_node}"),
        ("nodes lost; their lessons; moved", f"{len(lost)}; {sum(x.own for x in lost)}; {sum(x.moved for x in lost)}"),
        ("lessons moved that were not theirs", f"{sum(x.others_moved for x in lost)}"),
        ("all of a lost process's lessons placed after", f"{slowest['process']:.2f} s at most"),
        ("all of a lost machine's lessons placed after", f"{slowest['machine']:.2f} s at most"),
        (
            "a lost lesson placed after, p50; p95",
            f"{percentile(seen.place_s, 0.5):.2f} s; {percentile(seen.place_s, 0.95):.2f} s",
        ),
    ]
    rows += [
        (
            f"{tree.classrooms:,} classrooms, {name}",
            f"{tree.placed:,} placed, {tree.nodes} nodes, depth {tree.depth}, {tree.extra_streams} extra streams",
        )
        for name, tree in trees
    ]
    rows += [("took", f"{took_s:.0f} s")]
    return "\n".join(f"{what:<72} {value}" for what, value in rows)


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "none"


def faults(seen: Seen, trees: list[tuple[str, Tree]]) -> list[str]:
    """What is not as it has to be."""
    checks = [
        ("a node over its limit", seen.over_limit > 0),
        ("more than 1.5 times the mean of lessons on a node", seen.worst_lessons_ratio > 1.5),
        ("more than 1.5 times the mean of load on a node", seen.worst_load_ratio > 1.5),
        ("a lesson with two owners", seen.two_owners > 0),
        ("a lesson moved that was not the lost node's", any(loss.others_moved for loss in seen.losses)),
        ("a lost node's lesson that was not placed again", any(loss.moved != loss.own for loss in seen.losses)),
        ("a classroom of a large lesson without a place", any(tree.placed < tree.classrooms for _, tree in trees)),
    ]
    return [what for what, is_so in checks if is_so]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.fleet_sim", description=(__doc__ or "").partition("\n")[0])
    defaults = Plan()
    for name in ("nodes", "lessons", "bells", "lost", "seed", "max_sessions"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(defaults, name))
    parser.add_argument("--beat-s", type=float, default=defaults.beat_s, help="how old directory figures may be")
    parser.add_argument("--out", type=Path, help="results as JSON [bench/results/fleet-sim-SEED.json]")
    arguments = vars(parser.parse_args(argv))
    out: Path | None = arguments.pop("out")
    plan = Plan(**arguments)
    began = time.process_time()
    simulation = Simulation(plan)
    seen = simulation.run()
    trees = large_lessons(plan, simulation.hosts)
    took_s = time.process_time() - began
    print(report(plan, seen, trees, took_s))
    wrong = faults(seen, trees)
    print("\n".join(f"FAULT: {what}" for what in wrong) or "no fault")
    figures = {name: value for name, value in asdict(seen).items() if name != "place_s"}
    raw = {
        "python": platform.python_version(),
        "plan": asdict(plan),
        "seen": figures | {"place_p50_s": percentile(seen.place_s, 0.5), "place_p95_s": percentile(seen.place_s, 0.95)},
        "trees": {name: asdict(tree) for name, tree in trees},
        "faults": wrong,
        "cpu_s": round(took_s, 1),
    }
    path = out or RESULTS / f"fleet-sim-{plan.seed}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(raw, indent=1) + "\n", "utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
