"""A probe proves no more than the link can carry, and asks for no more than is of use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveclass.rtp.feedback import OVERHEAD, Run
from liveclass.rtp.probe import LOST_S, MAX_BYTES, MAX_PUNISHED_S, MAX_WAIT_S, MIN_BYTES, Prober


def start(prober: Prober, target: int, demand: int, now: float, *, number: int = 10) -> int:
    """Bytes of the probe; 0: none."""
    probe = prober.start(target, demand, number, now, used=False, scatter_s=0.0)
    return 0 if probe is None else probe.bytes


def cluster(size: int, count: int, number: int, at: float) -> list[Run]:
    return [(number, at, [(bytes(size - OVERHEAD), 0, 0)] * count)]


@given(
    st.integers(50_000, 5_000_000),
    st.lists(st.tuples(st.floats(0, 0.1), st.booleans()), min_size=8, max_size=8),
    st.floats(0, 0.2),
)
def test_jitter_loss_and_queues_make_the_proof_smaller_never_larger(
    rate: int, fates: list[tuple[float, bool]], queue: float
) -> None:
    prober = Prober()
    size = start(prober, 300_000, 10_000_000, 0.0) // 8 + 1
    runs = cluster(size, 8, 10, 0.0)
    which, arrivals, last = [], [], 0.0
    for index, (wait, lost) in enumerate(fates):
        last = max(last, 0.05 + queue + size * 8 * (index + 1) / rate + wait)
        if not lost:
            which.append(index)
            arrivals.append(last)
    prober.read(runs, 10, 18, arrivals, which)
    assert prober.finish(0.05, 0.0) <= rate * 1.001


def test_a_clean_link_is_measured_well() -> None:
    prober = Prober()
    size = start(prober, 300_000, 10_000_000, 0.0) // 8 + 1
    arrivals = [0.05 + size * 8 * (index + 1) / 600_000 for index in range(8)]
    assert prober.read(cluster(size, 8, 10, 0.0), 10, 18, arrivals, None)
    assert prober.finish(0.05, 0.0) == pytest.approx(600_000 * 7 / 8, rel=0.01)


def test_a_cluster_may_be_told_of_in_parts_and_among_other_packets() -> None:
    prober = Prober()
    size = start(prober, 300_000, 10_000_000, 0.0) // 8 + 1
    runs = cluster(100, 5, 5, -0.02) + cluster(size, 8, 10, 0.0)
    assert not prober.read(runs, 5, 14, [0.04] * 5 + [0.06, 0.07, 0.08, 0.09], None)
    assert prober.read(runs[1:], 14, 18, [0.1, 0.11, 0.12, 0.13], None)
    assert prober.finish(0.05, 0.0) == pytest.approx(7 * size * 8 / 0.08, rel=0.01)


def test_no_probe_without_a_use() -> None:
    assert not start(Prober(), 300_000, 0, 0.0)
    assert not start(Prober(), 300_000, 300_000, 0.0)


@given(st.integers(20_000, 8_000_000), st.integers(0, 20_000_000))
def test_a_probe_is_bounded(target: int, demand: int) -> None:
    probe = Prober().start(target, demand, 1, 0.0, used=False, scatter_s=0.0)
    if probe is not None:
        assert target < probe.bps <= demand * 1.2
        assert probe.bps <= target * 2.2
        assert MIN_BYTES <= probe.bytes <= MAX_BYTES
        assert probe.bytes * 8 <= max(MIN_BYTES * 8, target * 0.25)


def test_only_one_is_under_way_and_a_lost_one_is_forgotten() -> None:
    prober = Prober()
    assert start(prober, 300_000, 900_000, 0.0)
    assert not start(prober, 300_000, 900_000, LOST_S - 0.1)
    assert prober.pending
    assert start(prober, 300_000, 900_000, LOST_S + 0.1)


def test_waits_grow_and_a_broken_promise_makes_them_longer() -> None:
    prober = Prober()
    times: list[float] = []
    now = 0.0
    while len(times) < 8:
        now += 0.1
        if start(prober, 300_000, 900_000, now):
            times.append(now)
            prober.finish(0.05, 0.0)
    assert times[-1] - times[-2] == pytest.approx(MAX_WAIT_S, abs=0.2)
    prober.punish(now)
    assert prober.next_at == pytest.approx(now + MAX_WAIT_S)
    prober.punish(now + 10)
    assert prober.next_at == pytest.approx(now + 10 + MAX_PUNISHED_S)
