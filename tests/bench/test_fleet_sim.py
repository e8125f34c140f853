"""The simulated fleet in its short form: twenty nodes, four of them lost, and the laws that hold for five hundred."""

import pytest
from bench.fleet_book import Host, Plan
from bench.fleet_sim import Simulation, faults, large_lessons, report
from bench.fleet_tree import grow

from liveclass.cluster.model import NodeId, NodeInfo
from liveclass.cluster.placement import coming

SHORT = Plan(nodes=20, lessons=400, lost=4)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_fleet_that_loses_nodes_keeps_every_law(seed: int) -> None:
    plan = Plan(nodes=20, lessons=400, lost=4, seed=seed)
    simulation = Simulation(plan)
    seen = simulation.run()
    trees = large_lessons(plan, simulation.hosts)
    assert faults(seen, trees) == []
    assert seen.worst_lessons_ratio <= 1.5
    assert seen.worst_load_ratio <= 1.5
    assert seen.most_lessons_at_once > 0.95 * plan.lessons
    assert sum(loss.own for loss in seen.losses) > 0
    assert max(loss.all_placed_s or 0.0 for loss in seen.losses) < 8.0
    assert "no fault" not in report(plan, seen, trees, 0.0)


def test_a_seed_says_all() -> None:
    assert Simulation(SHORT).run() == Simulation(SHORT).run()


def test_a_fleet_without_room_turns_lessons_away_and_goes_over_no_limit() -> None:
    seen = Simulation(Plan(nodes=4, lessons=200, bells=1, lost=0, max_sessions=100)).run()
    assert seen.no_room > 0
    assert seen.over_limit == 0


def test_the_directory_knows_of_a_node_what_it_told_at_its_last_heartbeat() -> None:
    host = Host(1, SHORT, 0.0, 0.25)
    host.change(10.0, lessons=1)
    assert host.told(10.2).lessons == 0
    assert host.told(10.3).lessons == 1
    host.change(10.4, lessons=1)
    host.change(11.3, lessons=1)
    assert host.told(11.4).lessons == 2
    assert host.told(12.3).lessons == 3


def test_a_simulated_node_tells_what_its_young_lessons_will_bring_until_they_are_old() -> None:
    host = Host(1, SHORT, 0.0, 0.25)
    host.change(10.0, lessons=1)
    assert host.told(10.3).coming == coming([0.25])
    assert host.told(100.3).coming == coming([90.25])
    assert host.told(200.0).coming == 0
    assert host.info().coming == 0


@pytest.mark.parametrize(("per_node", "fan_out"), [(400, 8), (50, 3), (50, 1), (10, 4)])
def test_a_tree_keeps_its_bounds_and_seats_whom_it_can(per_node: int, fan_out: int) -> None:
    fleet = [NodeInfo(NodeId(f"n{n}"), "", "", sessions=n, max_sessions=400) for n in range(100)]
    tree = grow(fleet, "large", 2000, per_node=per_node, fan_out=fan_out)
    assert tree.widest <= fan_out
    assert tree.most_sessions <= per_node
    assert tree.extra_streams == tree.nodes - 1
    assert tree.placed == min(2000, 100 * per_node - 99)


def test_a_lesson_that_fits_a_node_stays_on_it() -> None:
    fleet = [NodeInfo(NodeId(f"n{n}"), "", "") for n in range(5)]
    assert (tree := grow(fleet, "small", 60, per_node=400, fan_out=8)).nodes == 1
    assert tree.depth == tree.extra_streams == 0


def test_a_fleet_that_is_full_seats_nobody() -> None:
    assert grow([NodeInfo(NodeId("n"), "", "", draining=True)], "large", 60, per_node=400, fan_out=8).placed == 0
