"""Transport-wide feedback: what the builder tells is what arrived, whatever the network did to the packets."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveclass.rtp import rtcp
from liveclass.rtp.twcc import MAX_STORED, TransportFeedbackBuilder, encode_chunks

TICK_S = 0.00025


def told(packets: list[bytes]) -> list[rtcp.TransportFeedback]:
    out: list[rtcp.TransportFeedback] = []
    for packet in packets:
        assert len(packet) <= 1100
        assert len(packet) % 4 == 0
        (feedback,) = rtcp.parse(packet)
        assert isinstance(feedback, rtcp.TransportFeedback)
        out.append(feedback)
    return out


def arrivals(packets: list[bytes]) -> dict[int, float]:
    return {seq: at for feedback in told(packets) for seq, at in feedback.arrivals if at is not None}


def test_feedback_is_due_once_per_interval_and_only_after_an_arrival() -> None:
    builder = TransportFeedbackBuilder(1, 2, interval_s=0.1)
    assert builder.next_deadline == math.inf
    assert not builder.due(1e9)
    assert builder.build(5.0) == []
    builder.received(7, 10.0)
    builder.received(8, 10.05)
    assert builder.next_deadline == pytest.approx(10.1)
    assert not builder.due(10.09)
    assert builder.due(10.1)
    assert len(builder.build(10.1)) == 1
    assert builder.next_deadline == math.inf


def test_the_bytes_are_those_of_the_draft() -> None:
    """Section 3.1 by hand: base 0xFFFE, four statuses (small, missing, small, large), reference 16 (1.024 s)."""
    builder = TransportFeedbackBuilder(0x01020304, 0x05060708)
    builder.received(0xFFFE, 1.024 + 4 * TICK_S)
    builder.received(0x0000, 1.024 + 14 * TICK_S)
    builder.received(0x0001, 1.024 + 614 * TICK_S)
    (packet,) = builder.build(1.2)
    assert packet.hex() == (
        "8fcd0006" "01020304" "05060708" "fffe" "0004" "000010" "00" "d180" "04" "0a" "0258" "0000"
    )  # fmt: skip


@given(
    st.integers(0, 0xFFFF),
    st.lists(
        st.tuples(st.integers(-20, 300), st.floats(0, 0.05)),
        min_size=1,
        max_size=80,
    ),
    st.floats(0, 1e6),
)
def test_what_is_told_is_what_arrived(first: int, steps: list[tuple[int, float]], start: float) -> None:
    builder = TransportFeedbackBuilder(1, 2)
    seq, now = first, start
    expected: dict[int, float] = {}
    for step, wait in steps:
        seq, now = seq + step, now + wait
        expected.setdefault(seq & 0xFFFF, now)
        builder.received(seq & 0xFFFF, now)
    got = arrivals(builder.build(now))
    assert got.keys() == expected.keys()
    wrap_s = (1 << 24) * 0.064
    for number, at in expected.items():
        assert abs(got[number] - at % wrap_s) % wrap_s <= TICK_S / 2 + 1e-6


@pytest.mark.parametrize("seed", range(6))
def test_across_many_rounds_every_arrival_is_told(seed: int) -> None:
    """Loss, reordering, duplicates and wraps; feedback every 100 ms."""
    rng = random.Random(seed)
    builder = TransportFeedbackBuilder(1, 2)
    events: list[tuple[float, int]] = []
    for n in range(3000):
        if rng.random() < 0.1:
            continue
        at = 50 + n * 0.004 + rng.uniform(0, 0.03) + (0.15 if rng.random() < 0.05 else 0)
        events.append((at, 64_000 + n))
        if rng.random() < 0.05:
            events.append((at + 0.02, 64_000 + n))
    events.sort()
    got: dict[int, float] = {}
    first: dict[int, float] = {}
    counts: list[int] = []
    for now, seq in events:
        builder.received(seq & 0xFFFF, now)
        first.setdefault(seq, now)
        if builder.due(now):
            packets = builder.build(now)
            counts += [feedback.feedback_count for feedback in told(packets)]
            got |= arrivals(packets)
    got |= arrivals(builder.build(1e3))
    assert got.keys() == {seq & 0xFFFF for seq in first}, f"seed {seed}"
    assert all(abs(got[seq & 0xFFFF] - at) <= TICK_S for seq, at in first.items()), f"seed {seed}"
    assert counts == [n & 0xFF for n in range(len(counts))]


def test_a_late_packet_is_told_after_it_was_missing() -> None:
    builder = TransportFeedbackBuilder(1, 2)
    builder.received(1, 10.0)
    builder.received(3, 10.01)
    (feedback,) = told(builder.build(10.1))
    assert [at is None for _, at in feedback.arrivals] == [False, True, False]
    builder.received(2, 10.15)
    (feedback,) = told(builder.build(10.2))
    assert [(seq, at is None) for seq, at in feedback.arrivals] == [(2, False), (3, False)]
    assert feedback.arrivals[0][1] == pytest.approx(10.15, abs=TICK_S)
    assert feedback.arrivals[1][1] == pytest.approx(10.01, abs=TICK_S)


@pytest.mark.parametrize("gap", [1999, 3400, 3600, 20_000, 32_000, 40_000, 65_000])
def test_a_gap_in_the_numbers_costs_no_report(gap: int) -> None:
    builder = TransportFeedbackBuilder(1, 2)
    sent = [60_000 + n for n in range(50)] + [60_050 + gap + n for n in range(50)]
    for n, seq in enumerate(sent):
        builder.received(seq & 0xFFFF, 10 + n * 0.001)
    assert arrivals(builder.build(10.1)).keys() == {seq & 0xFFFF for seq in sent}


def test_a_silence_longer_than_a_delta_starts_a_new_packet() -> None:
    builder = TransportFeedbackBuilder(1, 2)
    builder.received(1, 10.0)
    builder.received(2, 30.0)
    builder.received(3, 10.1)
    assert arrivals(builder.build(30.1)) == {1: 10.0, 2: 30.0, 3: pytest.approx(10.1, abs=TICK_S)}


def test_a_flood_of_numbers_stays_bounded() -> None:
    rng = random.Random(3)
    builder = TransportFeedbackBuilder(1, 2)
    for n in range(3 * MAX_STORED):
        builder.received(rng.randrange(0x10000), 10 + n * 1e-6)
    rounds = 0
    now = 10.1
    while builder.next_deadline < math.inf and rounds < 50:
        told(builder.build(now))
        now += 0.1
        rounds += 1
    assert rounds < 10


def test_the_count_of_feedback_packets_wraps() -> None:
    builder = TransportFeedbackBuilder(1, 2)
    for n in range(300):
        builder.received(n, 10 + n)
        (feedback,) = told(builder.build(10.1 + n))
        assert feedback.feedback_count == n & 0xFF
        assert feedback.arrivals == [(n, 10.0 + n)]


def test_a_clock_that_stands_still_or_wraps_is_told_all_the_same() -> None:
    builder = TransportFeedbackBuilder(1, 2)
    wrap_s = (1 << 24) * 0.064
    builder.received(1, wrap_s - 0.001)
    builder.received(2, wrap_s + 0.2)
    got = arrivals(builder.build(wrap_s + 0.3))
    assert got[2] - got[1] == pytest.approx(0.201, abs=2 * TICK_S)


@given(st.lists(st.sampled_from([0, 0, 0, 1, 1, 2]), min_size=1, max_size=400))
def test_chunks_are_read_back(symbols: list[int]) -> None:
    deltas = b"".join(bytes(symbol) for symbol in symbols)
    body = bytes(8) + bytes(2) + len(symbols).to_bytes(2, "big") + bytes(4) + encode_chunks(symbols) + deltas
    body += bytes(-len(body) % 4)
    (feedback,) = rtcp.parse(bytes((0x8F, 205)) + (len(body) // 4).to_bytes(2, "big") + body)
    assert isinstance(feedback, rtcp.TransportFeedback)
    assert [at is None for _, at in feedback.arrivals] == [symbol == 0 for symbol in symbols]


def test_a_steady_stream_costs_little() -> None:
    builder = TransportFeedbackBuilder(1, 2)
    for n in range(17):
        builder.received(n, 10 + n * 0.006)
    (packet,) = builder.build(10.1)
    assert len(packet) <= 20 + 4 + 20


def test_what_was_lost_between_two_reports_is_told_as_lost() -> None:
    builder = TransportFeedbackBuilder(1, 2)
    builder.received(7, 10.0)
    builder.build(10.1)
    builder.received(11, 10.2)
    (feedback,) = told(builder.build(10.3))
    assert feedback.base_seq == 8
    assert [at is None for _, at in feedback.arrivals] == [True, True, True, False]
