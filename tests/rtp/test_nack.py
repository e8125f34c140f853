"""NACK in virtual time, as tables: a new bug adds a row, not a function."""

import math
import random
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveclass.rtp.nack import MAX_ASKED, NackGenerator


@dataclass
class Row:
    """Packets as (milliseconds, extended number), and what is asked for at which millisecond."""

    law: str
    received: list[tuple[int, int]]
    asked: list[tuple[int, list[int]]]
    rtt_ms: int = 100
    until_ms: int = 400
    options: dict[str, int | float] = field(default_factory=dict)


ROWS = [
    Row("nothing is asked of a whole stream", [(0, 1), (5, 2), (10, 3)], []),
    Row(
        "a gap is asked for after the time that reordering takes", [(0, 1), (5, 3)], [(15, [2]), (115, [2]), (265, [2])]
    ),
    Row("a packet that is only late is never asked for", [(0, 1), (5, 3), (14, 2)], []),
    Row("what arrives is asked no more", [(0, 1), (5, 4), (100, 2)], [(15, [2, 3]), (115, [3]), (265, [3])]),
    Row("the first packet has no past", [(0, 5000)], []),
    Row("duplicates change nothing", [(0, 1), (1, 1), (5, 2), (6, 2)], []),
    Row("a packet before the first is no gap", [(0, 10), (1, 9), (5, 11)], []),
    Row(
        "a wrap is a step like any other",
        [(0, 65_534), (5, 65_538)],
        [(15, [65_535, 65_536, 65_537])],
        until_ms=100,
    ),
    Row(
        "a short round trip asks at most each 20 ms, then backs off",
        [(0, 1), (0, 3)],
        [(10, [2]), (30, [2]), (60, [2]), (105, [2]), (173, [2])],
        rtt_ms=1,
        until_ms=200,
    ),
    Row(
        "tries are counted",
        [(0, 1), (0, 3)],
        [(10, [2]), (110, [2])],
        until_ms=5000,
        options={"max_tries": 2},
    ),
    Row(
        "age ends it",
        [(0, 1), (0, 3)],
        [(10, [2]), (110, [2])],
        until_ms=5000,
        options={"max_age_s": 0.2},
    ),
    Row(
        "a big jump gives up what is missing and asks nothing of the jump",
        [(0, 1), (0, 3), (5, 20_003), (10, 20_005)],
        [(20, [20_004])],
        until_ms=100,
    ),
    Row(
        "a jump back is a new beginning",
        [(0, 50_000), (0, 50_002), (5, 10), (10, 12)],
        [(20, [11])],
        until_ms=100,
    ),
    Row(
        "the largest gap is asked for whole",
        [(0, 0), (0, 5)],
        [(10, [1, 2, 3, 4])],
        until_ms=100,
        options={"max_missing": 4},
    ),
    Row("one more is a jump", [(0, 0), (0, 6)], [], until_ms=100, options={"max_missing": 4}),
    Row(
        "of too many the oldest are given up",
        [(0, 0), (0, 4), (5, 7)],
        [(10, [2, 3]), (15, [5, 6])],
        until_ms=100,
        options={"max_missing": 4},
    ),
]


def run(row: Row) -> list[tuple[int, list[int]]]:
    generator = NackGenerator(**row.options)  # type: ignore[arg-type]
    packets = sorted(row.received, key=lambda pair: pair[0])
    asked: list[tuple[int, list[int]]] = []
    for ms in range(row.until_ms):
        now = ms / 1000
        while packets and packets[0][0] <= ms:
            generator.received(packets.pop(0)[1], now)
        if generator.next_deadline <= now + 1e-9:
            seqs = generator.due(now + 1e-9, row.rtt_ms / 1000)
            if seqs:
                asked.append((ms, list(seqs)))
    return asked


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.law.replace(" ", "_"))
def test_nack(row: Row) -> None:
    got = run(row)
    assert [seqs for _, seqs in got] == [seqs for _, seqs in row.asked]
    assert all(abs(at - expected) <= 1 for (at, _), (expected, _) in zip(got, row.asked, strict=True))


def test_back_off_ends_at_a_second() -> None:
    generator = NackGenerator()
    generator.received(1, 0.0)
    generator.received(3, 0.0)
    times = []
    while generator.next_deadline < math.inf:
        now = generator.next_deadline
        if generator.due(now, 0.3):
            times.append(now)
    steps = [b - a for a, b in pairwise(times)]
    assert max(steps) == pytest.approx(1.0)
    assert times[-1] < 5.1
    assert generator.given_up == 1
    assert generator.missing == 0


def test_a_round_trip_above_the_longest_spacing_is_waited_for() -> None:
    generator = NackGenerator()
    generator.received(1, 0.0)
    generator.received(3, 0.0)
    generator.due(0.01, 1.5)
    assert generator.next_deadline == pytest.approx(1.51)


def test_more_than_fits_one_packet_follows_at_once() -> None:
    generator = NackGenerator()
    generator.received(0, 0.0)
    generator.received(901, 0.0)
    asked: list[int] = []
    for _ in range(4):
        assert generator.next_deadline <= 0.02
        part = generator.due(0.02, 0.1)
        assert len(part) <= MAX_ASKED
        asked += part
    assert asked == list(range(1, 901))
    assert generator.next_deadline > 0.1


def test_repairs_are_counted() -> None:
    generator = NackGenerator()
    for seq in (1, 5, 3, 2, 2):
        generator.received(seq, 0.0)
    assert (generator.repaired, generator.missing) == (2, 1)


@given(st.lists(st.tuples(st.integers(-3000, 3000), st.floats(0, 0.5)), max_size=200), st.floats(0, 3))
def test_whatever_comes_the_list_stays_bounded(steps: list[tuple[int, float]], rtt_s: float) -> None:
    generator = NackGenerator(max_missing=100)
    seq, now = 1 << 20, 0.0
    for step, wait in steps:
        seq += step
        now += wait
        generator.received(seq, now)
        asked = generator.due(now, rtt_s)
        assert asked == sorted(set(asked))
        assert seq not in asked
        assert generator.missing <= 100
        assert (generator.next_deadline == math.inf) == (generator.missing == 0)


@given(st.lists(st.tuples(st.integers(-300, 100), st.floats(0, 0.5)), max_size=200), st.floats(0, 3))
def test_no_packet_is_asked_for_too_often(steps: list[tuple[int, float]], rtt_s: float) -> None:
    generator = NackGenerator(max_missing=100)
    seq, now = 1 << 20, 0.0
    received: set[int] = set()
    tries: dict[int, list[float]] = {}
    for step, wait in steps:
        seq += step
        now += wait
        received.add(seq)
        generator.received(seq, now)
        for one in generator.due(now, rtt_s):
            assert one not in received
            tries.setdefault(one, []).append(now)
    for times in tries.values():
        assert len(times) <= 10
        assert times[-1] - times[0] <= 5.0
        assert all(b - a >= max(rtt_s, 0.02) - 1e-9 for a, b in pairwise(times))


@pytest.mark.parametrize("loss", [0.02, 0.1, 0.3])
def test_retransmission_repairs_a_bad_link(loss: float) -> None:
    """A sender that answers after 300 ms, over a link that loses requests and answers alike."""
    rng = random.Random(int(loss * 100))
    generator = NackGenerator()
    got: set[int] = set()
    flights: list[tuple[float, int]] = [(n * 0.006, n) for n in range(3000) if n in {0, 2999} or rng.random() > loss]
    now = 0.0
    while now < 24:
        for at, seq in [flight for flight in flights if flight[0] <= now]:
            flights.remove((at, seq))
            got.add(seq)
            generator.received(seq, now)
        if generator.next_deadline <= now:
            for seq in generator.due(now, 0.3):
                if rng.random() > loss and rng.random() > loss:
                    flights.append((now + 0.3, seq))
        now += 0.006
    missing = 3000 - len(got)
    assert missing <= (0 if loss <= 0.1 else 60), f"{missing} of 3000 missing"
