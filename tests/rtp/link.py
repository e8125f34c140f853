"""A thin link in virtual time: a sender that obeys a `Controller` at one end, a browser's feedback at the other.

Rate steps, a drop-tail queue in seconds or packets, delay, jitter in order, random or bursty loss by seed, outages that
drop or hold, cross traffic. Nothing sleeps: a minute of a lesson takes well under a second.
"""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from liveclass.errors import PeerError
from liveclass.rtp.congestion import Controller
from liveclass.rtp.feedback import OVERHEAD
from liveclass.rtp.pacer import CAMERA, SOUND, Pacer
from liveclass.rtp.twcc import TransportFeedbackBuilder

STEP_S = 0.005
FEEDBACK_S = 0.08
SPREAD_S = 0.02
HEADER = OVERHEAD + 20

Steps = Sequence[tuple[float, float]]
"""(from when, value), ascending; the value before the first is the first one's."""


def at_time(steps: Steps, now: float) -> float:
    value = steps[0][1]
    for begin, other in steps:
        if begin > now:
            break
        value = other
    return value


@dataclass
class Link:
    """One direction.

    Args:
        rate: bits of IP packets per second over time; 0 holds what is queued.
        loss: share of packets over time, lost behind the queue.
        burst: mean packets lost in a row; 1 is random loss.
        queue_packets: a limit in packets besides the one in seconds.
        cut: (begin, end) in which everything is lost.
    """

    rate: Steps
    delay: float = 0.05
    jitter: float = 0.0
    loss: Steps = ((0.0, 0.0),)
    burst: float = 1.0
    queue: float = 0.3
    queue_packets: int = 10_000
    cut: tuple[float, float] = (-1.0, -1.0)
    seed: int = 1
    shift: Steps = ((0.0, 0.0),)
    drops: int = 0
    _free_at: float = 0.0
    _last: float = 0.0
    _bad: bool = False
    _waiting: deque[float] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)

    def _done(self, start: float, bits: float) -> float:
        """When the link has sent these bits, over the steps of its rate."""
        edges = [begin for begin, _ in self.rate if begin > start]
        for edge in [*edges, float("inf")]:
            rate = at_time(self.rate, start)
            if rate and start + bits / rate <= edge:
                return start + bits / rate
            bits -= rate * (edge - start)
            start = edge
        raise ValueError("the last rate must not be zero")

    def send(self, size: int, now: float) -> float | None:
        """When the packet arrives; None: lost."""
        while self._waiting and self._waiting[0] <= now:
            self._waiting.popleft()
        rate = at_time(self.rate, now)
        backlog = max(0.0, self._free_at - now)
        if len(self._waiting) >= self.queue_packets or (backlog > self.queue and rate):
            self.drops += 1
            return None
        if not rate and len(self._waiting) > 100:
            self.drops += 1
            return None
        self._free_at = done = self._done(max(now, self._free_at), size * 8)
        self._waiting.append(done)
        share = at_time(self.loss, now)
        if self.burst > 1:
            leave, enter = 1 / self.burst, share / max(1e-9, 1 - share) / self.burst
            self._bad = self.dice.random() >= leave if self._bad else self.dice.random() < enter
            lost = self._bad
        else:
            lost = self.dice.random() < share
        if lost or self.cut[0] <= now < self.cut[1]:
            return None
        moved = at_time(self.shift, now)
        self._last = max(self._last, done + self.delay + moved + self.dice.uniform(-self.jitter, self.jitter))
        return self._last


Choice = Callable[[int], tuple[float, int]]
"""From the target to the rate that is sent and the demand."""


def greedy(ceiling: int, overshoot: float = 1.0) -> Choice:
    """A source that fills its target, up to a ceiling."""
    return lambda target: (min(target, ceiling) * overshoot, ceiling)


def ladder(*rungs: int) -> Choice:
    """A source of fixed rates, as simulcast layers are."""

    def choose(target: int) -> tuple[float, int]:
        fitting = [rung for rung in rungs if rung <= target] or [rungs[0]]
        above = [rung for rung in rungs if rung > fitting[-1]]
        return fitting[-1], above[0] if above else 0

    return choose


@dataclass
class Sender:
    """Sound and pictures towards one receiver.

    Args:
        sound_s: milliseconds of a frame of sound as seconds; `sound_bps` with overhead.
        paced: pictures go through a `Pacer`.
        keyframe_s: a frame six times the usual size as often as this; 0: never.
        twice: feedback is doubled.
        at_once: probes leave in one run, instead of spread at their rate.
    """

    link: Link
    back: Link
    choose: Choice
    start_bps: int = 300_000
    sound_s: float = 0.02
    sound_bps: int = 48_000
    frames: float = 15.0
    paced: bool = False
    keyframe_s: float = 0.0
    begin: float = 0.0
    twice: bool = False
    at_once: bool = False

    def __post_init__(self) -> None:
        self.control = Controller(start_bps=self.start_bps)
        self.builder = TransportFeedbackBuilder(1, 2, interval_s=FEEDBACK_S)
        self.pacer: Pacer[tuple[bytes, int, int]] = Pacer()
        self.sound_at = self.frame_at = self.tick_at = self.begin
        self.key_at = self.begin + self.keyframe_s
        self.arriving: list[tuple[float, int, int]] = []
        self.coming: list[tuple[float, int, bytes]] = []
        self.ids = itertools.count()
        self.sent: list[tuple[float, int]] = []
        self.delivered: list[tuple[float, int]] = []
        self.sound: list[tuple[float, bool, float]] = []
        self.series: list[tuple[float, int, str]] = []
        self.probes = 0
        self.probe_left = self.probe_at = 0.0
        self.probe_bps = 0

    def _send(self, sizes: Sequence[int], now: float, *, sound: bool = False) -> None:
        packets = [(bytes(size - OVERHEAD), 0, 0) for size in sizes]
        number = self.control.log.add(packets, now)
        for offset, size in enumerate(sizes):
            self.sent.append((now, size))
            arrival = self.link.send(size, now)
            if sound:
                self.sound.append((now, arrival is not None, (arrival or now) - now))
            if arrival is not None:
                heapq.heappush(self.arriving, (arrival, number + offset, size))

    def step(self, now: float) -> None:
        """Everything that happens up to `now`."""
        if now < self.begin:
            return
        while self.arriving and self.arriving[0][0] <= now:
            arrival, number, size = heapq.heappop(self.arriving)
            self.delivered.append((arrival, size))
            self.builder.received(number & 0xFFFF, arrival + 1000)
        if self.builder.due(now + 1000):
            for packet in self.builder.build(now + 1000):
                for _ in range(2 if self.twice else 1):
                    arrival_back = self.back.send(len(packet) + 40, now)
                    if arrival_back is not None:
                        heapq.heappush(self.coming, (arrival_back, next(self.ids), packet[12:]))
        while self.coming and self.coming[0][0] <= now:
            self.control.feedback(heapq.heappop(self.coming)[2], now)
        control = self.control
        if now >= self.tick_at:
            self.tick_at += 0.1
            control.tick(now)
            self.series.append((now, control.target_bps, control.state))
        rate, demand = self.choose(control.target_bps)
        control.demand(demand)
        if now >= self.sound_at:
            self.sound_at += self.sound_s
            self._send([int(self.sound_bps * self.sound_s / 8)], now, sound=True)
        if now >= self.frame_at:
            self.frame_at += 1 / self.frames
            size = int((rate - self.sound_bps) / self.frames / 8)
            if self.keyframe_s and now >= self.key_at:
                self.key_at += self.keyframe_s
                size *= 6
            self._frame(size, now)
        if self.paced:
            out = self.pacer.due(now, control.pacing_bps)
            if out:
                self._send([len(packet[0]) + OVERHEAD for packet in out], now)
        probe = control.probe(now)
        if probe is not None:
            self.probes += 1
            self.probe_left, self.probe_bps = float(probe.bytes), probe.bps
        if self.probe_left > 0 and now >= self.probe_at:
            self.probe_at = now + SPREAD_S
            part = self.probe_left if self.at_once else min(self.probe_left, max(300.0, self.probe_bps * SPREAD_S / 8))
            self.probe_left -= part
            pieces = max(1, -(-int(part) // 1200))
            self._send([max(HEADER, int(part) // pieces + 1)] * pieces, now)

    def _frame(self, size: int, now: float) -> None:
        if size < 60:
            return
        pieces = -(-size // 1200)
        each = size // pieces
        if not self.paced:
            self._send([each] * pieces, now)
            return
        for _ in range(pieces):
            self.pacer.push((bytes(each - OVERHEAD), 0, 0), each, CAMERA, now)
        assert SOUND < CAMERA


def run(senders: Sequence[Sender], seconds: float, *, meanwhile: Callable[[float], None] | None = None) -> None:
    """Run senders together in virtual time."""
    for index in range(int(seconds / STEP_S)):
        now = index * STEP_S
        if meanwhile is not None:
            meanwhile(now)
        for sender in senders:
            sender.step(now)


def rate_of(packets: Sequence[tuple[float, int]], begin: float, end: float) -> float:
    """Bits per second of what stands between two moments."""
    return sum(size for at, size in packets if begin <= at < end) * 8 / (end - begin)


def longest_over(sender: Sender, end: float, *, share: float = 1.0) -> float:
    """The longest time for which more was sent than the link's rate, in half-second means."""
    longest = over = 0.0
    bins = [0.0] * (int(end * 10) + 10)
    for at, size in sender.sent:
        if at < end:
            bins[int(at * 10)] += size * 8
    for index in range(4, int(end * 10)):
        mean = sum(bins[index - 4 : index + 1]) / 0.5
        over = over + 0.1 if mean > at_time(sender.link.rate, index / 10) * share else 0.0
        longest = max(longest, over)
    return round(longest, 1)


def sound_lost(sender: Sender, begin: float, end: float) -> float:
    """Share of sound packets that did not arrive."""
    heard = [arrived for at, arrived, _ in sender.sound if begin <= at < end]
    return 1 - sum(heard) / max(1, len(heard))


def sound_wait(sender: Sender, begin: float, end: float, share: float = 0.95) -> float:
    """The percentile of the sound's delay on the link, in seconds."""
    waits = sorted(wait for at, arrived, wait in sender.sound if arrived and begin <= at < end)
    return waits[int(len(waits) * share)] if waits else 0.0


def reached(sender: Sender, bps: float, after: float) -> float | None:
    """How long after a moment the target first was at least `bps`; None: never."""
    return next((at - after for at, target, _ in sender.series if at >= after and target >= bps), None)


def fell(sender: Sender, bps: float, after: float) -> float | None:
    """How long after a moment the target was below `bps` for good (2 s)."""
    times = [(at, target) for at, target, _ in sender.series if at >= after]
    for index, (at, _) in enumerate(times):
        if all(target < bps for _, target in times[index : index + 20]):
            return at - after
    return None


def tolerate(control: Controller, body: bytes, now: float) -> None:
    """What the relay does with feedback: a peer's error is counted and nothing else."""
    try:
        control.feedback(body, now)
    except PeerError:
        pass
