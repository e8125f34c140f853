"""The pacer: sound leaves at once, pictures at the rate that is left, and nothing grows without bound."""

import math
import random

from liveclass.rtp.pacer import CAMERA, MAX_SOUND, PADDING, REPAIR, SCREEN, SOUND, Pacer


def test_sound_never_waits_behind_anything() -> None:
    pacer: Pacer[str] = Pacer()
    for index in range(6):
        assert pacer.push(f"camera {index}", 1200, CAMERA, 0.0)
    assert pacer.due(0.0, 100_000) == ["camera 0"]
    assert pacer.push("sound", 120, SOUND, 0.001)
    assert pacer.next_deadline <= 0.001
    assert pacer.due(0.001, 100_000) == ["sound"]


def test_what_leaves_follows_the_priorities() -> None:
    pacer: Pacer[int] = Pacer()
    for priority in (PADDING, CAMERA, SCREEN, REPAIR, SOUND):
        pacer.push(priority, 10, priority, 0.0)
    assert pacer.due(1.0, 10_000_000) == [SOUND, REPAIR, SCREEN, CAMERA, PADDING]


def test_no_second_carries_more_than_the_rate_and_a_packet() -> None:
    rng = random.Random(3)
    pacer: Pacer[int] = Pacer(max_queue_s=2.0)
    left: list[tuple[float, int]] = []
    now = 0.0
    while now < 20.0:
        now += rng.uniform(0.001, 0.02)
        if rng.random() < 0.5:
            size = rng.randint(100, 1200)
            pacer.push(size, size, rng.choice((REPAIR, SCREEN, CAMERA)), now)
        if rng.random() < 0.3:
            pacer.push(100, 100, SOUND, now)
        left += [(now, size) for size in pacer.due(now, 200_000)]
    for begin in range(19):
        assert sum(size for at, size in left if begin <= at < begin + 1) * 8 <= 200_000 * 1.02 + 2 * 1200 * 8


def test_the_deadline_is_when_the_next_item_leaves() -> None:
    pacer: Pacer[int] = Pacer()
    assert pacer.next_deadline == math.inf
    pacer.push(1, 1000, CAMERA, 0.0)
    pacer.push(2, 1000, CAMERA, 0.0)
    assert pacer.due(0.0, 80_000) == [1]
    deadline = pacer.next_deadline
    assert 0.09 < deadline <= 0.1
    assert pacer.due(deadline - 0.001, 80_000) == []
    assert pacer.due(deadline, 80_000) == [2]
    assert pacer.next_deadline == math.inf


def test_a_full_queue_refuses_and_a_better_priority_still_passes() -> None:
    pacer: Pacer[int] = Pacer(max_queue_s=0.5)
    pacer.due(0.0, 100_000)
    accepted = sum(pacer.push(index, 1000, CAMERA, 0.0) for index in range(50))
    assert accepted * 8000 <= 50_000
    assert accepted >= 4
    assert pacer.push(99, 1000, REPAIR, 0.0)
    assert 0.4 < pacer.queued_s(100_000) < 1.0
    assert sum(pacer.push(index, 100, SOUND, 0.0) for index in range(500)) == MAX_SOUND


def test_what_was_dropped_is_gone_and_told() -> None:
    pacer: Pacer[str] = Pacer()
    pacer.push("a", 500, CAMERA, 0.0)
    pacer.push("b", 500, CAMERA, 0.0)
    pacer.push("c", 500, SCREEN, 0.0)
    assert pacer.drop(CAMERA) == ["a", "b"]
    assert pacer.queued_s(4000) == 1.0
    assert pacer.due(0.0, 1_000_000) == ["c"]


def test_sound_above_the_rate_starves_pictures_for_a_bounded_time_only() -> None:
    pacer: Pacer[str] = Pacer()
    for _ in range(50):
        pacer.push("sound", 1200, SOUND, 0.0)
    pacer.push("camera", 1200, CAMERA, 0.0)
    assert pacer.due(0.0, 50_000) == ["sound"] * 50
    assert pacer.next_deadline <= 0.51
    assert pacer.due(0.51, 50_000) == ["camera"]
