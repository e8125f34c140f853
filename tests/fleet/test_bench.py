"""What the bench of fleets measures, in its shortest forms: each is a law here, with the bounds of the programme.

The long forms are `python -m bench.fleet`, see bench/README.md. Where a bound is a time, a busy machine gets slack.
"""

import pytest
from bench.fleet.crowd import joins, signalling
from bench.fleet.faults import failover, outage
from bench.fleet.site import Row, table
from bench.fleet.wear import classes, slope, soak
from bench.fleet.workers import Carried, Workers

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(240)]

LEFT = 2
"""Descriptors, tasks and threads more than before that are no leak."""

ADDED_MS = 30.0
"""Three times what the bench must reach: the cores are others' too."""


def told(rows: list[Row]) -> None:
    print("\n" + table(rows))


async def test_a_killed_owner_costs_seconds_of_sound_nobody_twice_and_a_second_of_recording() -> None:
    seen = await failover(rooms=3, kills=1)
    told(seen.rows())
    assert max(seen.backs) < 5
    assert (seen.duplicates, seen.parts) == (0, 2)
    assert max(seen.lost) < 1.5  # a fragment of 1 s, and how late a busy machine writes it


async def test_lessons_do_not_hear_of_a_redis_that_is_gone_and_comes_back_empty() -> None:
    """Newcomers are let into running lessons; who asks for a lesson that nobody has is told when to ask again."""
    seen = await outage(lessons=2, rooms=1, seconds=4)
    told(seen.rows())
    assert seen.interruptions == 0
    assert (seen.closes, seen.restarts) == (0, 0)
    assert set(seen.words) == {"503 directory_gone 5"}
    assert max(seen.waits) < 2
    assert seen.joins
    assert seen.rebuilt_s < 10


async def test_a_socket_on_another_node_is_hardly_slower() -> None:
    seen = await signalling(rooms=1, seconds=2)
    told(seen.rows())
    assert seen.lost == 0
    assert seen.added_ms(50) < ADDED_MS


async def test_a_crowd_is_let_in_up_to_the_plan_and_the_rest_told_when_to_come_back() -> None:
    seen = await joins(count=40, within_s=1, most=15, lessons=2, rooms=2)
    told(seen.rows())
    assert (seen.silent, seen.unclear) == (0, 0)
    assert len(seen.hear_s) + sum(seen.words.values()) == 40
    assert seen.hear_s
    assert seen.words
    assert max(seen.hear_s) < 2
    assert max(seen.silences) < 1 + seen.stood_still_s


async def test_classrooms_that_come_and_go_leave_nothing_with_the_owner() -> None:
    seen = await soak(rooms=4, seconds=4, turn_s=0.2, settle_s=2, at_once=2)
    told(seen.rows())
    assert seen.turns
    assert max(seen.drift) <= LEFT


async def test_lessons_that_are_over_leave_no_descriptor_task_or_thread() -> None:
    seen = await classes(rooms=2, cycles=6)
    told(seen.rows())
    assert seen.turns == 6
    assert max(seen.drift) <= LEFT


def test_two_workers_are_worth_what_their_packets_cost() -> None:
    one = Carried(1, [0.1], 10_000, 10_000, 0.2, 0.0)
    two = Carried(2, [0.1, 0.125], 20_000, 20_000, 0.4, 0.0)
    assert one.packet_us == pytest.approx(10)
    assert one.could_carry == pytest.approx(100_000)
    assert Workers([one, two]).ratio == pytest.approx(1.8)


def test_a_slope_is_told_with_its_noise() -> None:
    rise, error = slope([(at, 100 + at / 60) for at in range(0, 600, 5)])
    assert rise == pytest.approx(1 / 60)
    assert error < 1e-9
    level, noise = slope([(at, 100 + at % 2) for at in range(600)])
    assert abs(level) < 2 * noise < 0.001
    assert slope([(0, 1)]) == slope([(7, 1), (7, 2), (7, 3)]) == (0, 0)
