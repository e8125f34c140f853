"""What was sent under which transport-wide number, and what the receiver says of it (RTCP 205/15).

The format is section 3.1 of draft-holmer-rmcat-transport-wide-cc-extensions-01. Made for a hundred receivers with a
dozen feedback packets a second each: where all packets arrived nothing is made per packet. Refuses to judge what it
reads.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from struct import Struct
from typing import NamedTuple

from liveclass.errors import PeerError
from liveclass.rtp.serial import extend

OVERHEAD = 48
"""Bytes on the wire beside an RTP packet: IP 20, UDP 8, SRTP tag 16, and 4 for what the trailer's cipher adds."""

MAX_RUNS = 1024
"""Runs remembered: some 10 s of sound and pictures without any feedback; what is older tells nothing of the present."""

MAX_PAST = 512
"""Runs kept once told of: 5 s, which is as long as a receiver with a deep buffer still asks for a packet."""

FIRST_NUMBER = 1
"""Below 2^15, so that the first numbers never look as if they had wrapped."""

Packets = Sequence[tuple[bytes, int, int]]
"""Packets as the fan-out has them: bytes without the SRTP trailer, extended sequence number, RTP timestamp."""

Run = tuple[int, float, Packets]
"""Packets that left together: the first one's transport-wide number (the others follow), when, and the packets."""

Feedback = tuple[int, int, int, Sequence[int], Sequence[int] | None]
"""First number (16 bits), how many numbers are told of, reference time (24 bits, units of 64 ms), arrivals in units of
0.25 ms after the reference in the order of the numbers, and which numbers those are (offsets to the first, ascending;
None: all)."""

TICK_S = 0.000_25
REFERENCE_S = 0.064

_HEAD = Struct("!HHI")
_SMALL_RUN = 0x2000
_VECTOR = 0x8000
_TWO_BITS = 0x4000


class Told(NamedTuple):
    """What one feedback packet tells of the packets in the log. Delays are arrivals after the reference time less
    departures, in seconds, of the first packet of each run that arrived.

    Attributes:
        sent: bytes of all packets told of.
        got: bytes of those that arrived.
        lost: packets that did not.
        received: packets that did.
        runs: in how many runs something arrived; nothing else is told by 0.
        low_s: the least delay.
        total_s: the sum of the delays.
        head_bytes: of the first packet that arrived, or the first of its run.
        head_left_at: when that run left.
        last_left_at: when the last run left of which something arrived.
    """

    sent: int
    got: int
    lost: int
    received: int
    runs: int
    low_s: float
    total_s: float
    head_bytes: int
    head_left_at: float
    last_left_at: float


class SendLog:
    """What was sent to one receiver. The fan-out writes `next` and `runs` itself.

    Attributes:
        next: number of the next packet, extended.
        runs: not told of yet, oldest first, without holes between their numbers; bounded, the oldest are forgotten.
        past: runs that were told of, oldest first, for who must repeat a packet byte for byte; bounded.
    """

    __slots__ = ("next", "past", "runs")

    def __init__(self) -> None:
        self.next = FIRST_NUMBER
        self.runs: deque[Run] = deque(maxlen=MAX_RUNS)
        self.past: deque[Run] = deque(maxlen=MAX_PAST)

    def add(self, packets: Packets, now: float) -> int:
        """Note packets that leave together; returns the number of the first one."""
        number = self.next
        self.runs.append((number, now, packets))
        self.next = number + len(packets)
        return number

    def find(self, seq: int) -> int:
        """The extended number that ends in these 16 bits."""
        return extend(seq, self.next)

    def discard(self, number: int) -> None:
        """Put the runs that end before a number into the past."""
        runs, past = self.runs, self.past
        middle = runs[len(runs) // 2] if runs else None
        if middle is not None and middle[0] + len(middle[2]) <= number:
            # Most of them at once: who looks at feedback seldom leaves many behind.
            recent: list[Run] = []
            while runs and runs[-1][0] + len(runs[-1][2]) > number:
                recent.append(runs.pop())
            past.extend(runs)
            runs.clear()
            runs.extend(reversed(recent))
            return
        while runs and runs[0][0] + len(runs[0][2]) <= number:
            past.append(runs.popleft())

    def consume(self, message: Feedback, first: int, begin: int) -> Told:
        """Match feedback with what was sent, and put that into the past.

        Args:
            first: the extended number of the first packet that `message` tells of.
            begin: numbers before this were told of already.
        """
        _, count, _, ticks, which = message
        self.discard(begin)
        runs, past = self.runs, self.past
        end = first + count
        begin = max(begin, runs[0][0]) if runs else end
        sent = got = received = heads = head_bytes = position = 0
        low, total = 1e18, 0.0
        head_left_at = last_left_at = 0.0
        while runs:
            number, left_at, packets = runs[0]
            if number >= end:
                break
            size = len(packets)
            run_end = number + size
            if number < begin or run_end > end:
                packets = packets[max(0, begin - number) : end - number]
                number = max(number, begin)
                size = len(packets)
            arrived_bytes = wire_bytes(packets)
            sent += arrived_bytes
            offset = number - first
            if which is None:
                at, arrived = offset, size
            else:
                at = bisect_left(which, offset, position)
                position = bisect_left(which, offset + size, at)
                arrived = position - at
                if arrived < size:
                    arrived_bytes = wire_bytes([packets[index - offset] for index in which[at:position]])
            if arrived:
                delay = ticks[at] * TICK_S - left_at
                if not heads:
                    head_bytes, head_left_at = len(packets[0][0]) + OVERHEAD, left_at
                low = min(low, delay)
                total += delay
                heads += 1
                got += arrived_bytes
                received += arrived
                last_left_at = left_at
            if run_end > end:
                break
            past.append(runs.popleft())
        lost = end - begin - received
        return Told(sent, got, lost, received, heads, low, total, head_bytes, head_left_at, last_left_at)


def wire_bytes(packets: Packets) -> int:
    """What these packets take on the wire, in bytes."""
    if len(packets) == 1:
        return len(packets[0][0]) + OVERHEAD
    return sum([len(packet[0]) for packet in packets]) + OVERHEAD * len(packets)


def read_feedback(body: bytes) -> Feedback:
    """Read transport-wide feedback.

    Args:
        body: the RTCP packet behind the media source's SSRC.

    Raises:
        PeerError: it is malformed.
    """
    size = len(body)
    if size < 10:
        raise _malformed()
    base, count, word = _HEAD.unpack_from(body)
    if not count:
        raise _malformed()
    if body[8] << 8 | body[9] == _SMALL_RUN | count and count < 0x2000:
        if size < 10 + count:
            raise _malformed()
        return base, count, word >> 8, list(accumulate(body[10 : 10 + count])), None
    return _read_any(body, base, count, word >> 8)


def _read_any(body: bytes, base: int, count: int, reference: int) -> Feedback:
    """As `read_feedback`, for any mixture of chunks. The work is bounded by the size of the body."""
    size = len(body)
    which: list[int] = []
    large: list[bool] = []
    told = 0
    at = 8
    while told < count:
        if at + 2 > size:
            raise _malformed()
        chunk = body[at] << 8 | body[at + 1]
        at += 2
        if chunk & _VECTOR:
            span, offsets, wide = _vector(chunk)
            if told + span > count:
                room = count - told
                wide = tuple([is_wide for offset, is_wide in zip(offsets, wide, strict=True) if offset < room])
                offsets = offsets[: len(wide)]
            which += [told + offset for offset in offsets]
            large += wide
        else:
            symbol, span = chunk >> 13, min(chunk & 0x1FFF, count - told)
            if not span or symbol == 3 or (symbol and span > size):
                raise _malformed()
            if symbol:
                which += range(told, told + span)
                large += [symbol == 2] * span
        told += span
    ticks: list[int] = []
    now = 0
    if at + len(large) + sum(large) > size:
        raise _malformed()
    for is_large in large:
        if is_large:
            delta = body[at] << 8 | body[at + 1]
            now += delta - 0x10000 if delta & 0x8000 else delta
            at += 2
        else:
            now += body[at]
            at += 1
        ticks.append(now)
    return base, count, reference, ticks, None if len(which) == count else which


@lru_cache(maxsize=4096)
def _vector(chunk: int) -> tuple[int, tuple[int, ...], tuple[bool, ...]]:
    """How many numbers a vector chunk tells of, which of them arrived, and which of those have a delta of two bytes."""
    if chunk & _TWO_BITS:
        symbols = [chunk >> shift & 3 for shift in range(12, -1, -2)]
        if 3 in symbols:
            raise _malformed()
    else:
        symbols = [chunk >> shift & 1 for shift in range(13, -1, -1)]
    offsets = tuple([offset for offset, symbol in enumerate(symbols) if symbol])
    return len(symbols), offsets, tuple([symbols[offset] == 2 for offset in offsets])


def _malformed() -> PeerError:
    return PeerError("This transport-wide feedback is malformed.", code="rtcp_malformed")
