"""When a node may act: by the table, and in virtual time with everything cut, frozen and lost at random.

The last test holds the two rules, the node's and the directory's, against each other: whatever happens, no two nodes
act for a lesson at once.
"""

import random
from dataclasses import dataclass, field
from typing import get_args

import pytest

from liveclass.cluster.directory import PATIENCE_LEASES, DirectoryYoung, NodeForgotten
from liveclass.cluster.ledger import Ledger
from liveclass.cluster.memory import MemoryDirectory
from liveclass.cluster.model import NodeId
from liveclass.cluster.tenure import SHARE, TABLE, Event, Standing, Tenure
from tests.cluster.nodes import about

LEASE_S = 3.0
TICK_S = 0.1


def renewed(now: float = 0.0) -> Tenure:
    tenure = Tenure(LEASE_S, now)
    assert tenure.look(now) == "fenced"
    assert tenure.renewed(now, now) == "hold"
    return tenure


def pass_time(tenure: Tenure, begin: float, end: float) -> Standing:
    standing: Standing = "hold"
    steps = round((end - begin) / TICK_S)
    for step in range(1, steps + 1):
        standing = tenure.look(begin + (end - begin) * step / steps)
    return standing


def blind(tenure: Tenure, begin: float, end: float, *, reached: int, of: int, seen: bool = False) -> Standing:
    """The directory does not answer from `begin` to `end`, asked each second, as the other nodes are."""
    standing: Standing = "hold"
    steps = round((end - begin) / TICK_S)
    for step in range(steps + 1):
        now = begin + step * TICK_S
        standing = tenure.look(now)
        if step % 10 == 0:
            tenure.unreachable(now)
            standing = tenure.peers(now, now, of=of, blind_since=[0.0] * reached, they_see_directory=seen)
    return standing


def test_every_standing_knows_every_event() -> None:
    assert set(TABLE) == {(standing, event) for standing in get_args(Standing) for event in get_args(Event)}


def test_nothing_but_a_renewal_makes_a_node_act() -> None:
    assert {event for (_, event), after in TABLE.items() if after == "hold"} == {"renewed", "unsettled", "gone_for_all"}
    assert TABLE["doubt", "unsettled"] == "doubt"
    assert TABLE["doubt", "gone_for_all"] == "doubt"
    assert TABLE["fenced", "gone_for_all"] == "fenced"


def test_who_is_cut_off_alone_stops_before_its_lease_ends() -> None:
    tenure = renewed()
    assert blind(tenure, 1.0, LEASE_S * SHARE - 0.1, reached=0, of=3, seen=True) == "hold"
    assert blind(tenure, LEASE_S * SHARE, LEASE_S, reached=0, of=3, seen=True) == "fenced"


def test_most_that_lost_sight_of_it_for_a_moment_only_are_no_reason_to_go_on() -> None:
    tenure = renewed()
    assert pass_time(tenure, 0.0, 2.0) == "hold"
    tenure.unreachable(2.0)
    tenure.peers(2.0, 2.0, of=3, blind_since=[1.9, 1.9], they_see_directory=False)
    assert pass_time(tenure, 2.0, LEASE_S) == "fenced"


def test_who_reaches_nobody_stops_unless_it_has_no_others() -> None:
    assert blind(renewed(), 1.0, LEASE_S, reached=0, of=3) == "fenced"
    assert blind(renewed(), 1.0, 600.0, reached=0, of=0) == "hold"


def test_who_hears_from_all_that_the_directory_is_gone_goes_on_for_ever() -> None:
    assert blind(renewed(), 1.0, 600.0, reached=3, of=3) == "hold"


def test_who_hears_it_from_most_goes_on_for_as_long_as_the_directory_waits() -> None:
    tenure = renewed()
    assert blind(tenure, 1.0, SHARE * PATIENCE_LEASES * LEASE_S, reached=2, of=3) == "hold"
    assert blind(tenure, SHARE * PATIENCE_LEASES * LEASE_S, PATIENCE_LEASES * LEASE_S, reached=2, of=3) == "fenced"


def test_two_processes_of_a_machine_without_its_cable_are_not_most_of_four() -> None:
    assert blind(renewed(), 1.0, LEASE_S, reached=1, of=3) == "fenced"


def test_when_the_others_see_it_again_first_there_is_time_to_see_it_too() -> None:
    tenure = renewed()
    assert blind(tenure, 1.0, 60.0, reached=1, of=1) == "hold"
    assert blind(tenure, 60.1, 61.0, reached=1, of=1, seen=True) == "hold"
    assert tenure.renewed(61.1, 61.1) == "hold"


def test_a_process_that_was_stopped_doubts_until_it_is_heard() -> None:
    tenure = renewed()
    assert tenure.look(LEASE_S + 0.2) == "doubt"
    assert tenure.renewed(LEASE_S + 0.3, LEASE_S + 0.4) == "hold"


def test_a_short_stop_that_outlasts_the_tenure_is_a_doubt_too() -> None:
    tenure = renewed()
    assert pass_time(tenure, 0.0, 1.0) == "hold"
    assert tenure.look(LEASE_S * SHARE + 0.1) == "doubt"


def test_a_doubt_that_nobody_resolves_ends_in_giving_up() -> None:
    tenure = renewed()
    woke = 10.0
    assert tenure.look(woke) == "doubt"
    tenure.unreachable(woke)
    assert pass_time(tenure, woke, woke + LEASE_S * SHARE + 0.1) == "fenced"


def test_a_doubt_lasts_while_the_directory_is_gone_for_all() -> None:
    tenure = renewed()
    tenure.look(10.0)
    assert blind(tenure, 10.0, 60.0, reached=2, of=2) == "doubt"
    assert tenure.renewed(60.1, 60.1) == "hold"


def test_an_answer_that_is_older_than_what_it_promises_is_no_renewal() -> None:
    tenure = renewed()
    tenure.look(20.0)
    assert tenure.renewed(0.5, 20.0) == "doubt"


def test_who_is_refused_owns_nothing_until_it_is_heard_again() -> None:
    tenure = renewed()
    assert tenure.refused(0.5) == "fenced"
    assert blind(tenure, 0.6, 2.0, reached=1, of=1) == "fenced"
    assert tenure.renewed(2.1, 2.1) == "hold"


@dataclass
class Simulated:
    """A node without its event loop."""

    id: NodeId
    tenure: Tenure
    beat_at: float
    held: dict[str, int] = field(default_factory=dict)
    frozen_until: float = 0.0
    heard_at: float = 0.0


class World:
    """Nodes, a directory and all that can break between them, in steps of a twentieth of a second."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = 100.0
        names = ["a", "b", "c", "d", "e"][: self.random.randint(2, 5)]
        self.nodes = [
            Simulated(NodeId(name), Tenure(LEASE_S, self.now), self.now + self.random.random()) for name in names
        ]
        self.directory = MemoryDirectory(lambda: self.now, lambda: self.now)
        self.down_until = 0.0
        self.emptied = False
        self.whole_until = 0.0
        self.blind: dict[str, float] = {}
        self.apart: dict[frozenset[str], float] = {}
        self.acted = 0
        self.moved = 0

    @property
    def ledger(self) -> Ledger:
        return self.directory._ledger

    def break_something(self) -> None:
        until = self.now + self.random.choice([0.5, 2.0, 3.0, 4.0, 8.0, 30.0, 90.0])
        node = self.random.choice(self.nodes)
        kind = self.random.choice(["freeze", "blind", "side", "down", "empty", "apart"])
        if self.now < self.whole_until and kind in ("blind", "side", "apart"):
            return
        if kind == "freeze":
            node.frozen_until = until
        elif kind == "blind":
            self.blind[node.id] = until
        elif kind == "side":
            # A machine or a room is cut off from the rest, and the directory stands on one side.
            side = set(self.random.sample([each.id for each in self.nodes], self.random.randint(1, len(self.nodes))))
            for each in self.nodes:
                if each.id in side:
                    self.blind[each.id] = until
                else:
                    self.apart |= {frozenset((each.id, other)): until for other in side}
        elif kind == "apart":
            self.apart[frozenset((node.id, self.random.choice(self.nodes).id))] = until
        else:
            self.down_until = max(until, self.down_until)
            self.emptied |= kind == "empty"
            if kind == "empty":
                self.heal(self.down_until)

    def heal(self, until: float) -> None:
        """An empty directory does not know whom it does not hear, so it may not be emptied and cut in two at once."""
        self.whole_until = until + 2 * LEASE_S
        self.blind.clear()
        self.apart.clear()

    def reaches_directory(self, node: Simulated) -> bool:
        up = self.now >= self.down_until and self.now >= self.blind.get(node.id, 0.0)
        if up and self.emptied:
            # What Redis does by its run id.
            self.emptied = False
            self.directory = MemoryDirectory(lambda: self.now, lambda: self.now)
            self.ledger._shelf.put_number("young_until", self.now + LEASE_S)
        return up

    def renew(self, node: Simulated) -> bool:
        if not self.reaches_directory(node):
            node.tenure.unreachable(self.now)
            return False
        renewal = self.ledger.renew(about(node.id), node.held, LEASE_S, self.now, node.tenure.blind)
        node.heard_at = self.now
        node.tenure.renewed(self.now, self.now, settled=renewal.settled)
        for lesson in renewal.lost:
            del node.held[lesson]
        return True

    def beat(self, node: Simulated) -> None:
        node.beat_at = self.now + LEASE_S / 3
        if self.renew(node):
            return
        others = [other for other in self.nodes if other is not node]
        blind_since: list[float] = []
        seen = False
        for other in others:
            cut = self.now < self.apart.get(frozenset((node.id, other.id)), 0.0)
            if cut or self.now < other.frozen_until:
                continue
            self.look(other)
            self.renew(other)  # who is asked looks first, as `Node.answer`
            if other.tenure.sees_directory:
                seen = True
            else:
                blind_since.append(other.heard_at)
        node.tenure.peers(self.now, self.now, of=len(others), blind_since=blind_since, they_see_directory=seen)

    def look(self, node: Simulated) -> Standing:
        standing = node.tenure.look(self.now)
        if standing == "fenced":
            node.held.clear()
        return standing

    def claim(self, node: Simulated, lesson: str) -> None:
        may = node.tenure.look(self.now) == "hold" and node.tenure.sees_directory  # as `Node._find`
        if lesson in node.held or not may or not self.reaches_directory(node):
            return
        try:
            claim = self.ledger.claim(lesson, node.id, LEASE_S, self.now, int(self.now * 1000))
        except (DirectoryYoung, NodeForgotten):
            return
        if claim.node == node.id:
            node.held[lesson] = claim.fence
            self.moved += 1

    def step(self) -> None:
        self.now += 0.05
        if self.random.random() < 0.01:
            self.break_something()
        awake = [node for node in self.nodes if self.now >= node.frozen_until]
        self.random.shuffle(awake)
        for node in awake:
            self.look(node)
            if self.now >= node.beat_at:
                self.beat(node)
            if self.random.random() < 0.2:
                self.claim(node, self.random.choice(["L1", "L2", "L3"]))
        for lesson in ("L1", "L2", "L3"):
            acting = [node.id for node in awake if lesson in node.held and self.look(node) == "hold"]
            assert len(acting) <= 1, f"{acting} act for {lesson} at {self.now:.2f}"
            self.acted += len(acting)


@pytest.mark.parametrize("seed", range(60))
def test_whatever_breaks_no_two_nodes_act_for_a_lesson_at_once(seed: int) -> None:
    world = World(seed)
    for _ in range(20 * 180):
        world.step()
    assert world.acted > 0
    assert world.moved > 0
