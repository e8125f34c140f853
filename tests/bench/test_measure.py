"""What the bench computes from times and from /proc."""

import os
import random
import time

import pytest
from bench.measure import Meter, cpu_seconds, latencies, percentile, rss_mb

MS = 1_000_000
START = 1_700_000_000_000_000_000


def published(frames: int, seed: int = 1) -> list[tuple[int, int]]:
    """(RTP timestamp, time in ns) as the generator sends: irregular steps around 3000, and the clock passes zero."""
    rng = random.Random(seed)
    stamp = 2**32 - 20 * 3000
    out = []
    for i in range(frames):
        out.append((stamp, START + i * 33 * MS))
        stamp = (stamp + 3000 + rng.randint(-300, 300)) & 0xFFFFFFFF
    return out


def received(stamps: list[tuple[int, int]], shift: int, late_ms: list[float]) -> list[tuple[int, int]]:
    return [
        (at + int(late * MS), (stamp + shift) & 0xFFFFFFFF) for (stamp, at), late in zip(stamps, late_ms, strict=True)
    ]


def of_all(arrivals: list[tuple[int, int]], stamps: list[tuple[int, int]]) -> list[float]:
    return latencies(arrivals, stamps, START, START + 3600 * 1000 * MS)


@pytest.mark.parametrize("shift", [0, 1, 123_456_789, 2**32 - 5])
def test_each_frame_is_found_whatever_the_server_adds_to_timestamps(shift: int) -> None:
    stamps = published(200)
    late = [1.0 + i % 7 for i in range(200)]
    assert of_all(received(stamps, shift, late), stamps) == pytest.approx(late)


def test_timestamps_that_the_server_rounds_are_found_as_well() -> None:
    stamps = published(200)
    arrivals = received(stamps, 7777, [2.0] * 200)
    rounded = [(at, (stamp + i % 3 - 1) & 0xFFFFFFFF) for i, (at, stamp) in enumerate(arrivals)]
    assert of_all(rounded, stamps) == pytest.approx([2.0] * 200)


def test_frames_that_never_came_change_nothing_for_the_others() -> None:
    stamps = published(200)
    arrivals = received(stamps, 99, [float(i) for i in range(200)])[::3]
    assert of_all(arrivals, stamps) == pytest.approx([float(i) for i in range(0, 200, 3)])


def test_only_frames_of_the_window_count() -> None:
    stamps = published(100)
    arrivals = received(stamps, 0, [1.0] * 100)
    assert len(latencies(arrivals, stamps, START, START + 33 * MS * 50)) == 50


def test_frames_that_were_never_sent_give_no_latency() -> None:
    assert of_all(received(published(100, seed=2), 0, [1.0] * 100), published(100, seed=3)) == []
    assert of_all(received(published(4), 0, [1.0] * 4), published(4)) == []
    assert of_all(received(published(10), 0, [1.0] * 10), []) == []


def test_a_percentile_of_nothing_is_none() -> None:
    assert percentile([], 50) is None
    assert percentile([1, 2, 3], 50) == 2


def test_cpu_is_counted_for_the_process_that_used_it_and_not_for_a_sleeper() -> None:
    meter, before = Meter([os.getpid()]), cpu_seconds(os.getpid())
    used = time.process_time()
    while time.process_time() < used + 0.1:
        sum(range(1000))
    mine = cpu_seconds(os.getpid()) - before
    load = meter.read()
    assert mine == pytest.approx(time.process_time() - used, abs=0.03)
    assert load.cores[0] * load.seconds == pytest.approx(mine, abs=0.03)


def test_a_process_that_is_gone_costs_nothing() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    assert cpu_seconds(child) == 0
    assert rss_mb(child) == 0


def test_memory_is_that_of_the_process() -> None:
    before = rss_mb(os.getpid())
    block = bytearray(os.urandom(32 << 20))
    assert rss_mb(os.getpid()) - before == pytest.approx(32, abs=4)
    assert block
