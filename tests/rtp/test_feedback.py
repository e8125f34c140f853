"""Transport-wide feedback against the log of what was sent: nothing is invented, nothing is told twice."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveclass.errors import PeerError
from liveclass.rtp import rtcp
from liveclass.rtp.feedback import MAX_PAST, MAX_RUNS, OVERHEAD, SendLog, read_feedback
from liveclass.rtp.twcc import TransportFeedbackBuilder
from tests.rtp.fuzz import hold, mutations

SEED = 20


def told(arrivals: list[tuple[int, float]]) -> list[bytes]:
    """RTCP packets of a receiver to which these packets came."""
    builder = TransportFeedbackBuilder(1, 2)
    for number, at in arrivals:
        builder.received(number & 0xFFFF, at)
    return builder.build(arrivals[-1][1] + 0.1)


def packets(*sizes: int) -> list[tuple[bytes, int, int]]:
    return [(bytes(size), 0, 0) for size in sizes]


def test_packets_that_all_came_are_read_by_their_run() -> None:
    (packet,) = told([(5, 1.0), (6, 1.01), (7, 1.0125)])
    base, count, reference, ticks, which = read_feedback(packet[12:])
    assert (base, count, which) == (5, 3, None)
    assert [reference * 0.064 + tick * 0.00025 for tick in ticks] == pytest.approx([1.0, 1.01, 1.0125])


@given(
    st.integers(0, 0xFFFF),
    st.lists(st.tuples(st.integers(1, 40), st.floats(-0.05, 0.2)), min_size=1, max_size=60),
)
def test_reading_agrees_with_the_general_parser(start: int, steps: list[tuple[int, float]]) -> None:
    arrivals = []
    number, at = start, 10.0
    for step, later in steps:
        number, at = number + step, max(0.0, at + later)
        arrivals.append((number, at))
    for packet in told(arrivals):
        (expected,) = rtcp.parse(packet)
        assert isinstance(expected, rtcp.TransportFeedback)
        base, count, reference, ticks, which = read_feedback(packet[12:])
        assert (base, count) == (expected.base_seq, len(expected.arrivals))
        offsets = list(range(count)) if which is None else which
        mine = {
            (base + offset) & 0xFFFF: reference * 0.064 + tick * 0.00025
            for offset, tick in zip(offsets, ticks, strict=True)
        }
        assert mine == pytest.approx({seq & 0xFFFF: at for seq, at in expected.arrivals if at is not None})


def test_any_bytes_give_feedback_or_a_peer_error() -> None:
    rng = random.Random(SEED)
    corpus = []
    for _ in range(20):
        numbers = sorted(rng.sample(range(60), rng.randint(1, 60)))
        jitter = rng.choice((0.0, 0.1))
        corpus += [p[12:] for p in told([(n, 5 + n * 0.02 + rng.uniform(-jitter, jitter)) for n in numbers])]
    assert hold(read_feedback, mutations(corpus, 4000, SEED), SEED) > 100


@pytest.mark.parametrize("chunk", ["6003", "c003", "fffd", "0000"])
def test_reserved_symbols_and_empty_runs_are_malformed(chunk: str) -> None:
    with pytest.raises(PeerError):
        read_feedback(bytes.fromhex("0001000700000000" + chunk) + bytes(8))


def test_a_long_silence_is_told_without_work_per_packet() -> None:
    lost = 8191 * 7
    head = (1).to_bytes(2, "big") + (lost + 1).to_bytes(2, "big") + bytes(4)
    body = head + b"\x1f\xff" * 7 + b"\x20\x01" + b"\x04\x00"
    assert read_feedback(body) == (1, lost + 1, 0, [4], [lost])


def take(log: SendLog, packet: bytes, begin: int) -> tuple[int, int, int, int]:
    message = read_feedback(packet[12:])
    found = log.consume(message, log.find(message[0]), begin)
    return found.sent, found.got, found.lost, found.received


def test_bytes_are_counted_by_what_arrived() -> None:
    log = SendLog()
    assert log.add(packets(100, 200, 300), 1.0) == 1
    log.add(packets(50), 1.1)
    (packet,) = told([(1, 2.0), (3, 2.02), (4, 2.1)])
    assert take(log, packet, 1) == (650 + 4 * OVERHEAD, 450 + 3 * OVERHEAD, 1, 3)
    assert not log.runs
    assert [run[0] for run in log.past] == [1, 4]


def test_a_run_told_of_in_two_parts_counts_once() -> None:
    log = SendLog()
    log.add(packets(100, 200, 300), 1.0)
    (first,) = told([(1, 2.0), (2, 2.01)])
    (second,) = told([(3, 2.1)])
    assert take(log, first, 1) == (300 + 2 * OVERHEAD, 300 + 2 * OVERHEAD, 0, 2)
    assert [run[0] for run in log.runs] == [1]
    assert take(log, second, 3) == (300 + OVERHEAD, 300 + OVERHEAD, 0, 1)
    assert not log.runs


def test_what_the_log_has_forgotten_is_neither_lost_nor_received() -> None:
    log = SendLog()
    for index in range(MAX_RUNS + 10):
        log.add(packets(10), index * 0.02)
    (packet,) = told([(9, 30.0), (12, 30.1)])
    assert take(log, packet, 1) == (2 * (10 + OVERHEAD), 10 + OVERHEAD, 1, 1)


@given(st.lists(st.lists(st.integers(1, 1200), min_size=1, max_size=16), min_size=1, max_size=40), st.data())
def test_every_byte_is_told_of_once(runs: list[list[int]], data: st.DataObject) -> None:
    log = SendLog()
    for index, sizes in enumerate(runs):
        log.add(packets(*sizes), index * 0.02)
    total = log.next - 1
    flat = [size + OVERHEAD for sizes in runs for size in sizes]
    inner = st.lists(st.integers(1, max(1, total)), max_size=4)
    cuts = sorted({0, total, *(cut for cut in data.draw(inner) if cut < total)})
    sent = got = lost = received = 0
    arrived = 0
    for low, high in pairwise(cuts):
        came = [number for number in range(low + 1, high + 1) if number == high or data.draw(st.booleans())]
        arrived += sum(flat[number - 1] for number in came)
        message = read_feedback(_body(low + 1, high, came))
        found = log.consume(message, log.find(message[0]), low + 1)
        sent, got = sent + found.sent, got + found.got
        lost, received = lost + found.lost, received + found.received
    assert (sent, got, lost + received) == (sum(flat), arrived, total)
    assert not log.runs
    assert len(log.past) <= MAX_PAST


def _body(first: int, last: int, came: list[int]) -> bytes:
    """The body of feedback about these numbers, one run-length chunk for each."""
    chunks = b"".join((0x2001 if number in came else 0x0001).to_bytes(2, "big") for number in range(first, last + 1))
    return first.to_bytes(2, "big") + (last - first + 1).to_bytes(2, "big") + bytes(4) + chunks + bytes(len(came))
