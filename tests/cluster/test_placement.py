"""Where lessons are placed, over ten thousand fleets of chance: within limits, evenly, and the same whoever asks."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from liveclass.cluster.model import NodeId, NodeInfo
from liveclass.cluster.placement import COMING_S, EXPECTED_SESSIONS, coming, has_room, load, pick

FLEETS = 10_000


def node(number: int, **about: object) -> NodeInfo:
    return replace(NodeInfo(NodeId(f"node-{number}"), f"n{number}", f"http://10.0.0.{number}:7100"), **about)  # type: ignore[arg-type]


def a_fleet(chance: Random) -> list[NodeInfo]:
    """Up to twelve nodes of all sizes, many of them full, busy or on their way out."""
    fleet = []
    for number in range(chance.randint(0, 12)):
        max_lessons, max_sessions = chance.choice((0, 1, 5, 200)), chance.choice((0, 10, 100, 2000))
        fleet.append(
            node(
                number,
                lessons=chance.randint(0, max_lessons),
                sessions=chance.randint(0, max_sessions),
                max_lessons=max_lessons,
                max_sessions=max_sessions,
                cpu=chance.choice((0.0, chance.random(), 1.0)),
                draining=chance.random() < 0.2,
            )
        )
    return fleet


def taking(one: NodeInfo, sessions: int = 0) -> NodeInfo:
    return replace(one, lessons=one.lessons + 1, sessions=one.sessions + sessions)


def test_no_node_goes_over_a_limit_and_none_is_named_only_when_there_is_no_room() -> None:
    chance = Random(1)
    for number in range(FLEETS):
        fleet, sessions = a_fleet(chance), chance.choice((0, 1, EXPECTED_SESSIONS, 60, 2000))
        but = {one.id for one in fleet if chance.random() < 0.1}
        chosen = pick(fleet, f"lesson-{number}", but=but, sessions=sessions)
        open_to_it = [
            one
            for one in fleet
            if one.id not in but
            and not one.draining
            and one.lessons < one.max_lessons
            and one.sessions + sessions <= one.max_sessions
        ]
        assert (chosen in open_to_it) if chosen else not open_to_it


def test_the_answer_is_the_same_in_whatever_order_nodes_are_listed() -> None:
    chance = Random(2)
    for number in range(FLEETS):
        fleet = a_fleet(chance)
        mixed = chance.sample(fleet, len(fleet))
        assert pick(fleet, f"lesson-{number}") == pick(mixed, f"lesson-{number}")


def test_a_node_that_comes_or_goes_seldom_changes_where_another_lesson_is_placed() -> None:
    """Two nodes that know the fleet a moment apart mostly agree, so that few claims meet a rival."""
    fleet = [node(number) for number in range(50)]
    same = sum(pick(fleet, str(lesson)) == pick(fleet[1:], str(lesson)) for lesson in range(1000))
    assert same > 900


def test_a_fleet_is_filled_to_the_last_place() -> None:
    fleet = [node(0, max_lessons=3), node(1, max_lessons=7), node(2, max_lessons=1, draining=True)]
    for lesson in range(10):
        chosen = pick(fleet, str(lesson), sessions=0)
        assert chosen is not None
        fleet[fleet.index(chosen)] = taking(chosen)
    assert [one.lessons for one in fleet] == [3, 7, 0]
    assert pick(fleet, "one more", sessions=0) is None


@pytest.mark.parametrize("nodes", [1, 2, 3, 7, 30, 100])
def test_equal_nodes_carry_at_most_one_and_a_half_times_the_mean(nodes: int) -> None:
    for seed in range(5):
        fleet = [node(number) for number in range(nodes)]
        for lesson in range(20 * nodes):
            chosen = pick(fleet, f"{seed}-{lesson}", sessions=0)
            assert chosen is not None
            fleet[fleet.index(chosen)] = taking(chosen)
        assert max(one.lessons for one in fleet) <= 1.5 * 20


def test_nodes_are_filled_by_their_size() -> None:
    fleet = [node(number, max_lessons=50 if number % 2 else 200) for number in range(20)]
    for lesson in range(1000):
        chosen = pick(fleet, str(lesson), sessions=0)
        assert chosen is not None
        fleet[fleet.index(chosen)] = taking(chosen)
    mean = 1000 / sum(one.max_lessons for one in fleet)
    assert max(load(one) for one in fleet) <= 1.5 * mean


@pytest.mark.parametrize("scarce", [{"lessons": 190}, {"sessions": 1900}, {"cpu": 0.95}])
def test_whatever_is_scarcest_on_a_node_is_its_load(scarce: dict[str, float]) -> None:
    fleet = [node(0, **scarce), *(node(number, lessons=100, sessions=1000, cpu=0.5) for number in range(1, 4))]
    assert {pick(fleet, str(lesson)) for lesson in range(200)} == set(fleet[1:])


def test_a_busy_processor_turns_no_lesson_away_where_there_is_no_better_node() -> None:
    busy = node(0, cpu=1.0)
    assert pick([busy], "a") == busy
    assert has_room(busy)


@pytest.mark.parametrize(("nodes", "stale_s"), [(2, 3.0), (5, 3.0), (20, 3.0), (100, 1.0), (100, 3.0)])
def test_figures_that_are_up_to_three_seconds_old_herd_nobody(nodes: int, stale_s: float) -> None:
    """Twenty lessons a node begin within half a minute, while every node tells of itself each `stale_s` only."""
    for seed in range(4):
        chance = Random(seed)
        fleet = [node(number) for number in range(nodes)]
        told, next_s = list(fleet), [chance.uniform(0, stale_s) for _ in fleet]
        for lesson in range(20 * nodes):
            now_s = 30 * lesson / (20 * nodes)
            for number, due_s in enumerate(next_s):
                if due_s <= now_s:
                    told[number], next_s[number] = fleet[number], due_s + stale_s
            chosen = pick(told, f"{seed}-{lesson}")
            assert chosen is not None
            number = told.index(chosen)
            fleet[number] = taking(fleet[number])
        assert max(one.lessons for one in fleet) <= 1.5 * 20


def test_a_new_and_empty_node_is_filled_fast_but_not_by_all_at_once() -> None:
    """It stands out in everybody's figures; of what comes before it says more, it gets a few times its share."""
    fleet = [node(0), *(node(number, lessons=100) for number in range(1, 50))]
    got = Counter(chosen.id for lesson in range(500) if (chosen := pick(fleet, str(lesson))))
    assert 20 <= got[NodeId("node-0")] <= 60


def test_a_lesson_is_expected_to_bring_its_classrooms_for_three_minutes_ever_fewer() -> None:
    assert coming([0.0]) == EXPECTED_SESSIONS
    told = [coming([age_s, age_s]) for age_s in range(0, 200, 10)]
    assert told == sorted(told, reverse=True)
    assert coming([COMING_S, 3600.0]) == coming([]) == 0


def test_a_node_whose_first_lessons_turned_out_large_looks_full_before_the_others_have_come() -> None:
    """Equal numbers of lessons; of the first node's twenty, half have brought twice what was expected of them."""
    large = node(0, lessons=20, sessions=200, coming=coming([0.0] * 10), max_sessions=400)
    small = node(1, lessons=20, sessions=50, coming=coming([0.0] * 10), max_sessions=400)
    assert {pick([large, small], str(lesson)) for lesson in range(50)} == {small}


def test_what_is_only_expected_turns_no_lesson_away() -> None:
    waiting = node(0, lessons=30, coming=300, max_sessions=300)
    assert has_room(waiting)
    assert pick([waiting], "a") == waiting
