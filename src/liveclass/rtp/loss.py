"""Loss of one path, and whether it answers to the rate.

A village link loses 5 to 10% whatever is sent; a policer without a queue loses what exceeds it. The delay tells neither
from the other, so the rate is lowered as a trial: loss that does not answer is the link's own, and the rate is given
back. Counts only; what is sent is decided elsewhere.
"""

WINDOW_S = 1.2
WINDOW_PACKETS = 60
"""A window ends when it has both: fewer packets say nothing while losses come in bursts."""

NOTICED = 0.06
"""Loss beyond the link's own that is counted."""

SUSPECTED = 0.6
SUSPECTED_RAISED = 0.2
"""The sum of it over windows in a row that calls for a trial, and the same when the rate went up lately. A trial takes
a picture away for two seconds, so bursts must not call for it more than once in a lesson."""

SCATTER_GAIN = 0.1
NOTICED_SCATTERS, SUSPECTED_SCATTERS = 2.0, 18.0
"""Both limits are at least these multiples of how far the better windows lie below the mean: bursts leave many windows
without any loss, and what a rate too high loses is not in it."""

ANSWERED = 0.7
"""A trial that leaves less than this share of the excess has shown that the excess was congestion."""

EARLY_WINDOWS = 5
EARLY_GAIN, GAIN_UP, GAIN_DOWN = 0.3, 0.05, 0.25
"""How fast the link's own loss is learnt: soon at first, and slowly upwards, or a rate that creeps up would make its
own loss look ordinary."""

SMOOTHING_PACKETS = 200


class LossFilter:
    """Counts losses in windows.

    Attributes:
        smoothed: share of packets lost, over some 200 packets.
        own: what the link loses without congestion.
        seen: packets that `smoothed` rests on.
    """

    __slots__ = ("_began", "_lost", "_scatter", "_suspicion", "_total", "_windows", "own", "seen", "smoothed", "window")

    def __init__(self) -> None:
        self.smoothed = 0.0
        self.own = 0.0
        self.seen = 0
        self.window = 0.0
        self._windows = 0
        self._suspicion = 0.0
        self._scatter = 0.0
        self.restart(0.0)

    def restart(self, now: float) -> None:
        """Begin a new window, which holds nothing of the past."""
        self._began = now
        self._lost = self._total = 0

    def add(self, lost: int, total: int, now: float, *, overrun: bool = False) -> bool:
        """Note how many of the packets told of were lost; returns whether a window ended (its share is `window`).

        Args:
            overrun: a queue stands, so what is lost is for the most part what did not fit. That ends with the queue:
                it is nothing that sound must be protected from, at a time when there is the least room for it.
        """
        if not overrun or lost < self.smoothed * total:
            self.smoothed += (lost / total - self.smoothed) * (total / (SMOOTHING_PACKETS + total))
            self.seen += total
        self._lost += lost
        self._total += total
        if now - self._began < WINDOW_S or self._total < WINDOW_PACKETS:
            return False
        self.window = self._lost / self._total
        self.restart(now)
        return True

    @property
    def quiet(self) -> bool:
        """Whether the last window has shown the link's own loss only, or, while that is unknown, next to none."""
        return not self._suspicion and (self._windows > EARLY_WINDOWS or self.window <= NOTICED)

    def suspicious(self, *, raised: bool) -> bool:
        """Whether the windows in a row that ended now call for a trial.

        Args:
            raised: the rate went up lately.
        """
        self._windows += 1
        excess = self.window - self.own
        early = self._windows <= EARLY_WINDOWS
        if excess < 0:
            self._scatter -= SCATTER_GAIN * (excess + self._scatter)
        if excess > max(NOTICED, NOTICED_SCATTERS * self._scatter) and not early:
            single = not self._suspicion
            self._suspicion += excess
            limit = SUSPECTED_RAISED if raised else max(SUSPECTED, SUSPECTED_SCATTERS * self._scatter)
            if self._suspicion > limit and (raised or not single):
                self._suspicion = 0.0
                return True
        else:
            self._suspicion = 0.0
        self.own += (EARLY_GAIN if early else GAIN_UP if excess > 0 else GAIN_DOWN) * excess
        return False

    def answered(self, before: float) -> bool:
        """Whether the window that ended, after the rate was lowered, shows that the loss before was congestion."""
        return self.window - self.own < ANSWERED * (before - self.own)

    def accept(self) -> None:
        """The loss of the last window is the link's own."""
        self.own = self.window
        self._suspicion = 0.0
