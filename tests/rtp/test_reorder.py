"""The reorder buffer in virtual time."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveclass.rtp.reorder import RESTART_GAP, ReorderBuffer


def push(buffer: ReorderBuffer, now: float, *seqs: int) -> None:
    for seq in seqs:
        buffer.push(seq, seq * 10, seq % 2 == 0, bytes((seq & 0xFF,)), now)


def pop(buffer: ReorderBuffer, now: float) -> list[int]:
    return [packet.seq for packet in buffer.pop(now)]


def test_packets_in_order_pass_at_once() -> None:
    buffer = ReorderBuffer(2.0)
    push(buffer, 1.0, 5, 6, 7)
    assert buffer.next_deadline <= 1.0
    packets = buffer.pop(1.0)
    assert [(p.seq, p.timestamp, p.marker, p.payload, p.arrival) for p in packets] == [
        (5, 50, False, b"\x05", 1.0),
        (6, 60, True, b"\x06", 1.0),
        (7, 70, False, b"\x07", 1.0),
    ]
    assert buffer.next_deadline == math.inf


def test_a_gap_is_waited_for_and_filled() -> None:
    buffer = ReorderBuffer(2.0)
    push(buffer, 0.0, 1, 3, 4)
    assert pop(buffer, 0.0) == [1]
    assert buffer.next_deadline == pytest.approx(2.0)
    assert pop(buffer, 1.9) == []
    push(buffer, 1.9, 2)
    assert pop(buffer, 1.9) == [2, 3, 4]
    assert (buffer.skipped, buffer.late) == (0, 0)


def test_a_gap_is_given_up_when_the_packet_behind_it_has_waited_long_enough() -> None:
    buffer = ReorderBuffer(2.0)
    push(buffer, 0.0, 1)
    push(buffer, 0.5, 3)
    push(buffer, 1.0, 5)
    assert pop(buffer, 2.4) == [1]
    assert pop(buffer, 2.5) == [3]
    assert buffer.next_deadline == pytest.approx(3.0)
    assert pop(buffer, 3.0) == [5]
    push(buffer, 3.1, 4)
    assert pop(buffer, 9.0) == []
    assert (buffer.skipped, buffer.late) == (2, 1)


def test_one_expiry_frees_everything_that_then_is_in_order() -> None:
    buffer = ReorderBuffer(1.0)
    push(buffer, 0.0, 1, 3, 4, 5)
    push(buffer, 0.9, 6, 8)
    assert pop(buffer, 1.0) == [1, 3, 4, 5, 6]
    assert pop(buffer, 1.9) == [8]


def test_duplicates_are_dropped_wherever_they_come() -> None:
    buffer = ReorderBuffer(1.0)
    push(buffer, 0.0, 1, 1, 3, 3, 2, 2)
    assert pop(buffer, 0.0) == [1, 2, 3]
    assert buffer.duplicates + buffer.late == 3


def test_too_many_packets_end_the_wait() -> None:
    buffer = ReorderBuffer(100.0, max_packets=10)
    push(buffer, 0.0, 0)
    push(buffer, 0.0, *range(2, 14))
    assert pop(buffer, 0.0) == [0, *range(2, 14)]
    assert len(buffer) == 0


@pytest.mark.parametrize("jump", [20_000, -20_000, 8192, -8192, 1 << 33])
def test_a_big_jump_is_a_new_beginning(jump: int) -> None:
    buffer = ReorderBuffer(2.0)
    push(buffer, 0.0, 100_000, 100_002)
    push(buffer, 0.1, 100_000 + jump + 1, 100_000 + jump + 2)
    assert pop(buffer, 0.1) == [100_000, 100_002, 100_000 + jump + 1, 100_000 + jump + 2]
    assert buffer.restarts == 1


def test_a_jump_just_short_of_that_is_a_gap() -> None:
    buffer = ReorderBuffer(2.0)
    push(buffer, 0.0, 0, RESTART_GAP)
    assert pop(buffer, 0.0) == [0]
    assert buffer.restarts == 0


def test_flush_gives_what_is_left_in_order() -> None:
    buffer = ReorderBuffer(5.0)
    push(buffer, 0.0, 1, 5, 3)
    assert [packet.seq for packet in buffer.flush()] == [1, 3, 5]
    assert buffer.flush() == []
    push(buffer, 0.1, 6)
    assert pop(buffer, 0.1) == [6]


@given(st.lists(st.tuples(st.integers(-40, 40), st.floats(0, 0.4)), max_size=200), st.integers(1, 30))
def test_whatever_comes_goes_out_once_and_in_order(steps: list[tuple[int, float]], limit: int) -> None:
    buffer = ReorderBuffer(1.0, max_packets=limit)
    seq, now = 1000, 0.0
    out: list[int] = []
    waited: list[float] = []
    for step, wait in steps:
        seq += step
        now += wait
        push(buffer, now, seq)
        packets = buffer.pop(now)
        out += [packet.seq for packet in packets]
        waited += [now - packet.arrival for packet in packets]
        assert len(buffer) <= limit
        assert buffer.next_deadline > now
    out += [packet.seq for packet in buffer.flush()]
    assert out == sorted(set(out))
    assert all(delay <= 1.0 + 0.4 for delay in waited)
    assert len(out) + buffer.late + buffer.duplicates == len(steps)


@pytest.mark.parametrize("seed", range(4))
def test_a_jittery_stream_comes_out_whole(seed: int) -> None:
    rng = random.Random(seed)
    arrivals = sorted((n * 0.006 + rng.uniform(0, 0.5), n + 65_000) for n in range(2000))
    buffer = ReorderBuffer(0.6)
    out: list[int] = []
    for now, seq in arrivals:
        push(buffer, now, seq)
        out += pop(buffer, now)
    first = arrivals[0][1]
    assert out == list(range(first, 67_000)), f"seed {seed}"


@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0, 1)), max_size=60))
def test_passing_by_the_buffer_lets_out_what_the_buffer_would(arrivals: list[tuple[int, float]]) -> None:
    through, by = ReorderBuffer(2.0), ReorderBuffer(2.0)
    now = 0.0
    for seq, step in arrivals:
        now += step
        push(through, now, seq)
        if by.passes(seq):
            passed = [seq]
        else:
            push(by, now, seq)
            passed = pop(by, now)
        assert pop(through, now) == passed
    assert [packet.seq for packet in through.flush()] == [packet.seq for packet in by.flush()]
    assert (through.late, through.duplicates, through.skipped) == (by.late, by.duplicates, by.skipped)
