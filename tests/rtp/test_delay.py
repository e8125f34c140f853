"""A standing queue is told from jitter, from bursts and from a longer path."""

import random

import pytest

from liveclass.rtp.delay import BUCKET_S, BUCKETS, MAX_WINDOW, DelayFilter


def feed(delay: DelayFilter, begin: float, end: float, low: float, *, bps: float = 400_000, mean: float = 0.0) -> None:
    """Feedback each 100 ms whose packets waited at least `low`."""
    for index in range(round((end - begin) * 10)):
        size = int(bps * 0.1 / 8)
        delay.add(begin + index * 0.1, low, max(low, mean), 0.1, size, 0.1, size)


def test_a_queue_stands_only_when_the_whole_window_waits() -> None:
    delay = DelayFilter()
    feed(delay, 0, 2, 5.0)
    feed(delay, 2, 2.3, 5.1)
    before = delay.standing
    assert delay.last_s == pytest.approx(0.1)
    feed(delay, 2.3, 2.6, 5.1)
    assert (before, delay.standing) == (False, True)
    assert delay.queue_s == pytest.approx(0.1)


def test_one_packet_that_waits_for_nothing_ends_a_queue() -> None:
    delay = DelayFilter()
    feed(delay, 0, 2, 5.0)
    feed(delay, 2, 3, 5.1)
    feed(delay, 3, 3.1, 5.0)
    assert not delay.standing


def test_a_collapse_is_seen_before_the_window_is_full() -> None:
    delay = DelayFilter()
    feed(delay, 0, 2, 5.0)
    feed(delay, 2, 2.2, 5.3)
    assert delay.standing


def test_a_queue_made_on_purpose_is_allowed() -> None:
    delay = DelayFilter()
    feed(delay, 0, 2, 5.0)
    delay.allow_s = 0.2
    feed(delay, 2, 3, 5.15)
    allowed = delay.standing
    delay.allow_s = 0.0
    feed(delay, 3, 3.1, 5.15)
    assert (allowed, delay.standing) == (False, True)


@pytest.mark.parametrize("seed", range(5))
def test_jitter_of_40_ms_is_no_queue(seed: int) -> None:
    dice = random.Random(seed)
    delay = DelayFilter()
    for index in range(1200):
        waits = [dice.uniform(-0.04, 0.04) for _ in range(6)]
        delay.add(index * 0.1, 5 + min(waits), 5 + sum(waits) / 6, 0.1, 1000, 0.1, 1000)
        assert not delay.standing


def test_what_arrives_while_the_queue_stands_is_the_links_rate() -> None:
    delay = DelayFilter()
    feed(delay, 0, 2, 5.0, bps=1_000_000)
    feed(delay, 2, 2.5, 5.2, bps=300_000)
    assert delay.busy_bps() == pytest.approx(300_000, rel=0.01)
    assert delay.acked_bps > 500_000


def test_the_least_delay_of_long_ago_is_forgotten() -> None:
    delay = DelayFilter()
    feed(delay, 0, 1, 5.0)
    feed(delay, 1, BUCKET_S * (BUCKETS + 2), 5.05)
    assert delay.base_s == pytest.approx(5.05)


def test_a_delay_taken_for_the_paths_own_is_no_queue_and_keeps_the_rates() -> None:
    delay = DelayFilter()
    feed(delay, 0, 2, 5.0)
    feed(delay, 2, 3, 5.2)
    delay.rebase()
    feed(delay, 3, 3.1, 5.2)
    assert not delay.standing
    assert delay.queue_s == pytest.approx(0.0)
    assert delay.acked_bps == pytest.approx(400_000, rel=0.01)


def test_a_clock_that_stands_still_costs_bounded_work() -> None:
    delay = DelayFilter()
    for index in range(1000):
        delay.add(100 - index * 1e-6, 5.0, 5.0, 0.0, 100, 0.0, 100)
    assert len(delay._window) <= MAX_WINDOW
