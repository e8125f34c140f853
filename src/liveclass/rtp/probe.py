"""Probing: padding sent together, whose last packet tells how fast the link can be.

A packet cannot arrive before the least delay of the path plus the time that the link needs for the bytes before it. So
bytes over (delay of the last packet less the least delay) is a *lower bound* of the link's rate: jitter, cross traffic
and a standing queue make it smaller, never larger; part of the path's mean jitter is taken off again. A probe that
finds nothing therefore costs its bytes and no more: the rate is not raised first and corrected later. Does not decide
what the rate becomes.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from liveclass.rtp.feedback import OVERHEAD, Run

CLUSTER_S = 0.18
"""How long a cluster may keep a link busy that carries no more than the target: sound behind it is late by as much."""

WIDE_CLUSTER_S = 0.25
WIDE_BPS = 400_000
"""The same from this target on, where the jitter of the path weighs more against the few milliseconds of a packet."""

MIN_BYTES = 1200
MAX_BYTES = 30_000
"""The least is 190 ms of a link of 50 kbit/s; the most must fit a router's queue."""

OUTLAST = 4
"""Times the mean jitter that a cluster must take to tell a rate."""

LONGEST_S = 0.3
"""A cluster is made longer than that on a path whose jitter would drown it, up to this."""

EXCUSED, MAX_EXCUSED = 1.5, 0.4
"""Times the mean jitter that are taken off a cluster's delay: its last packet is seldom as lucky as the luckiest of a
minute. Never more than this share, so that no rate is overstated by more than 1.7."""

GROWTH = 2.2
"""A probe aims at most this far above the target: its bytes are chosen by the target and cannot show more."""

HEADROOM = 1.2
"""A probe aims at most this far above what the ladder demands: more would never be used."""

FIRST_WAIT_S = 0.2
AFTER_SUCCESS_S = 0.3
AFTER_FAILURE_S = 1.0
WAIT_S = 2.0
MAX_WAIT_S = 4.0
"""A probe each 4 s costs 5% of the rate, and lets a link that has recovered be used within 15 s."""

MAX_PUNISHED_S = 8.0
"""The longest wait after raises that the link did not hold: a link that recovers is to be used within 15 s."""

LATE_S = 0.06
"""How far a timer may stretch the sending of a cluster: all that is sent from its start until then is of it."""

ENOUGH = 0.95
"""Share of the cluster's bytes after which nothing more is waited for."""

LOST_S = 2.0
"""A cluster of which nothing is told for so long is forgotten."""


class Probe(NamedTuple):
    """Padding to be sent past the pacer, all at once or spread at its rate.

    Attributes:
        id: counts up.
        bps: the rate it may prove.
        bytes: on the wire, all packets of it with their overhead.
    """

    id: int
    bps: int
    bytes: int


class Prober:
    """When to probe, and what the clusters showed."""

    def __init__(self) -> None:
        self.next_at = 0.0
        self.pending = False
        self.aim_bps = 0
        self._count = 0
        self._wait = WAIT_S
        self._punished_until = 0.0
        self._forget()

    def _forget(self) -> None:
        self.pending = False
        self._number = self._bytes = self._got = self._first_bytes = 0
        self._at = self._last = self._until = 0.0

    def start(
        self, target_bps: int, demand_bps: int, number: int, now: float, *, used: bool, scatter_s: float
    ) -> Probe | None:
        """A probe if one is due and of use.

        Args:
            number: transport-wide number of the next packet.
            used: the sender fills its target, so a cluster's queue drains slowly: a smaller one must do.
            scatter_s: mean jitter, which the cluster must outlast.
        """
        if self.pending and now - self._at > LOST_S:
            self._forget()
        if now < self.next_at or self.pending:
            return None
        aim = min(int(target_bps * GROWTH), int(demand_bps * HEADROOM))
        if demand_bps <= target_bps or aim <= target_bps:
            return None
        self._forget()
        self._count += 1
        self.pending = True
        self.aim_bps = aim
        busy_s = WIDE_CLUSTER_S if target_bps >= WIDE_BPS else CLUSTER_S
        if used:
            busy_s = min(busy_s, max(busy_s / 2, OUTLAST * scatter_s))
        else:
            busy_s = max(busy_s, min(LONGEST_S, OUTLAST * scatter_s))
        self._bytes = max(MIN_BYTES, min(MAX_BYTES, int(target_bps * busy_s / 8)))
        self._number, self._at = number, now
        self._until = now + self._bytes * 8 / aim + LATE_S
        self.next_at = now + self._wait
        self._wait = min(MAX_WAIT_S, self._wait * 1.5)
        return Probe(self._count, aim, self._bytes)

    def read(
        self, runs: Iterable[Run], first: int, end: int, arrivals: Sequence[float], which: Sequence[int] | None
    ) -> bool:
        """Note what arrived of the cluster.

        Args:
            runs: what was sent and not told of before, oldest first.
            first: number of the first packet told of.
            end: number behind the last one.
            arrivals: of the packets that arrived, in seconds.
            which: as in `feedback.Feedback`.

        Returns:
            Whether all of it has been told of, or enough of it has arrived.
        """
        for number, sent_at, packets in runs:
            if number >= end:
                return False
            if number < self._number:
                continue
            if sent_at > self._until:
                return True
            begin, stop = max(0, number - first), number + len(packets) - first
            if which is None:
                at, last = begin, min(stop, len(arrivals))
            else:
                at, last = bisect_left(which, begin), bisect_left(which, stop)
            for position in range(at, last):
                offset = position if which is None else which[position]
                size = len(packets[offset + first - number][0]) + OVERHEAD
                if not self._got:
                    self._first_bytes = size
                self._got += size
                self._last = max(self._last, arrivals[position])
            if self._got >= ENOUGH * self._bytes:
                return True
        return False

    def finish(self, base_s: float, scatter_s: float) -> int:
        """The rate that the cluster proved, bits per second; 0: nothing.

        Args:
            base_s: least delay of the path.
            scatter_s: mean jitter of the path.
        """
        got, needed = self._got - self._first_bytes, self._last - self._at - base_s
        self._forget()
        if got < MIN_BYTES // 3:
            return 0
        return int(got * 8 / max(needed - min(EXCUSED * scatter_s, MAX_EXCUSED * needed), 0.001))

    def succeeded(self, now: float) -> None:
        """The last probe raised the target: another may raise it further."""
        self._wait = WAIT_S
        self.next_at = min(self.next_at, now + AFTER_SUCCESS_S)

    def failed(self, now: float) -> None:
        """The last probe showed less than what passes anyway: bursts of loss hid it, so another follows soon."""
        self.next_at = min(self.next_at, now + AFTER_FAILURE_S)

    def punish(self, now: float) -> None:
        """What a probe promised was not held: wait longer, and longer still if that happens again soon."""
        penalty = MAX_PUNISHED_S if now < self._punished_until else MAX_WAIT_S
        self._punished_until = now + 5 * MAX_PUNISHED_S
        self._wait = MAX_WAIT_S
        self.next_at = now + penalty

    def hurry(self, at: float) -> None:
        """The next probe need not wait beyond `at`."""
        self._wait = WAIT_S
        self.next_at = min(self.next_at, at)

    def pause(self, until: float) -> None:
        """No probe before `until`."""
        self.next_at = max(self.next_at, until)
