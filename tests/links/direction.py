"""One direction of a link: queue, transmitter, loss and delay, in whatever time the caller has.

Pure: packets and `now` (seconds, any steady clock) go in, packets that arrive and the next deadline come out. Knows
neither devices nor processes.

How a packet travels:
  1. drop-tail queue: dropped if it would wait longer than the profile's `queue` at the link's rate;
  2. the link's rate, in bits of IP packets; lost packets do use up capacity;
  3. loss: random, or in bursts (Gilbert's model; after `BURST_MEMORY_S` of silence a burst is forgotten); an outage
     loses all, or stalls the transmitter;
  4. delay and jitter. In order by default, as on real access links: packets wait for each other, the mean is steered
     back to the delay, and the spread shrinks when packets are close together. With `reorder` they overtake each other.
The seed fixes the fate of packet number n; which packet is number n is up to the programs.
"""

import collections
import heapq
import math
import random
from collections.abc import Iterable
from typing import Any, NamedTuple

from tests.links.profile import OutageMode, Profile

DOWN, UP = 0, 1
BURST_MEMORY_S = 0.25
"""Without packets for so long, a burst of losses is forgotten: radio fades do not wait for traffic."""
STEP_MS = 0.1
"""Resolution of the percentiles."""

COUNTS = ("packets_in", "bytes_in", "packets_out", "bytes_out", "dropped_loss", "dropped_queue", "dropped_outage")


class Arrival(NamedTuple):
    """A packet that reaches the far end, and when it should."""

    packet: bytes
    due: float


class Histogram:
    """Durations in steps of 0.1 ms."""

    def __init__(self) -> None:
        self._steps: collections.Counter[int] = collections.Counter()

    def add(self, seconds: float) -> None:
        self._steps[int(seconds * 1000 / STEP_MS)] += 1

    def percentiles(self) -> dict[str, float]:
        """p50, p95 and max in milliseconds; empty without values."""
        total, seen = sum(self._steps.values()), 0
        result: dict[str, float] = {}
        for step in sorted(self._steps):
            seen += self._steps[step]
            for name, share in (("p50", 0.5), ("p95", 0.95), ("max", 1.0)):
                if seen >= share * total:
                    result.setdefault(name, round(step * STEP_MS, 1))
        return result


class Direction:
    """One direction; `side` is `DOWN` or `UP`."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.profile = Profile()
        self.counts: collections.Counter[str] = collections.Counter(dict.fromkeys(COUNTS, 0))
        self.waits = Histogram()
        self._queue: collections.deque[tuple[float, bytes]] = collections.deque()
        self._backlog = 0
        self._flight: list[tuple[float, int, bytes]] = []
        self._number = 0
        self._free_at = self._last_due = self._last_sent = self._bias = self._epoch = 0.0
        self._bad = False
        self._rate = math.inf
        self._delay = self._jitter = self._loss = 0.0
        self._seed(self.profile)

    def _seed(self, profile: Profile) -> None:
        self._loss_dice = random.Random(f"loss/{self.side}/{profile.seed}")
        self._jitter_dice = random.Random(f"jitter/{self.side}/{profile.seed}")

    @property
    def waiting(self) -> int:
        """Packets in the queue and in flight."""
        return len(self._queue) + len(self._flight)

    def configure(self, profile: Profile, now: float) -> None:
        """From now on the link is like this; outages count from now, and the packet being sent starts again."""
        if profile.seed != self.profile.seed:
            self._seed(profile)
        if self._queue:
            self._free_at = now
        self.profile, self._epoch, self._bias = profile, now, 0.0
        self._rate = (profile.down, profile.up)[self.side] / 8 or math.inf
        self._delay, self._jitter = profile.delay[self.side], profile.jitter[self.side]
        self._loss = profile.loss[self.side]

    def offer(self, packet: bytes, now: float) -> bool:
        """A packet reaches the queue; False when there was no room for it."""
        self.counts["packets_in"] += 1
        self.counts["bytes_in"] += len(packet)
        if self._queue:
            sending = max(0.0, now - max(self._free_at, self._queue[0][0]))
            if self._backlog / self._rate - sending > self.profile.queue:
                self.counts["dropped_queue"] += 1
                return False
        self._queue.append((now, packet))
        self._backlog += len(packet)
        return True

    def advance(self, now: float) -> tuple[list[Arrival], float]:
        """What is due by now, and when there will be something to do (infinity: only after the next packet)."""
        following = math.inf
        while self._queue:
            arrival, packet = self._queue[0]
            start = max(self._free_at, arrival)
            if self.profile.outages and (end := self._outage_end(start, "hold")):
                start = self._free_at = end
            following = start + len(packet) / self._rate
            if following > now:
                break
            self._queue.popleft()
            self._backlog -= len(packet)
            self._free_at, following = following, math.inf
            self.waits.add(start - arrival)
            self._launch(packet, self._free_at)
        arrived = []
        while self._flight and self._flight[0][0] <= now:
            due, _, packet = heapq.heappop(self._flight)
            self.counts["packets_out"] += 1
            self.counts["bytes_out"] += len(packet)
            arrived.append(Arrival(packet, due))
        return arrived, min(following, self._flight[0][0]) if self._flight else following

    def stats(self) -> dict[str, Any]:
        return {**self.counts, "waiting": self.waiting, "queue_ms": self.waits.percentiles()}

    def _outage_end(self, when: float, mode: OutageMode) -> float | None:
        for outage in self.profile.outages:
            if outage.mode == mode and (end := outage.end_of(when - self._epoch)) is not None:
                return self._epoch + end
        return None

    def _lose(self, sent: float) -> bool:
        """Whether the next packet is lost; one throw of the dice for each packet."""
        chance = self._loss
        if self.profile.loss_model == "burst" and sent - self._last_sent < BURST_MEMORY_S and chance < 1:
            leave = 1 / self.profile.burst_length
            chance = 1 - leave if self._bad else min(1.0, leave * chance / (1 - chance))
        self._bad, self._last_sent = self._loss_dice.random() < chance, sent
        return self._bad

    def _launch(self, packet: bytes, sent: float) -> None:
        """A packet has left the transmitter: lose it, or plan its arrival."""
        lost, shift = self._lose(sent), self._jitter_dice.uniform(-1, 1) * self._jitter
        if self.profile.outages and self._outage_end(sent, "drop") is not None:
            self.counts["dropped_outage"] += 1
            return
        if lost:
            self.counts["dropped_loss"] += 1
            return
        due = sent + max(0.0, self._delay + shift - self._bias)
        if not self.profile.reorder:
            # Waiting for each other raises the mean: steer it back.
            due = self._last_due = max(due, self._last_due)
            self._bias = min(self._jitter, max(0.0, self._bias + 0.02 * (due - sent - self._delay)))
        self._number += 1
        heapq.heappush(self._flight, (due, self._number, packet))


def total(arrivals: Iterable[Arrival]) -> int:
    """Bytes of these packets."""
    return sum(len(arrival.packet) for arrival in arrivals)
