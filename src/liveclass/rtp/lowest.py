"""The lowest of what was measured lately: the delay of a path without its queues, as far as arrivals can show it."""

from collections import deque
from math import inf

WINDOW_S = 10
"""The least delay of the last 10 s stands for the path without its queues. Longer would lag behind drifting clocks
(200 ppm are 2 ms in 10 s), shorter would follow every burst."""

SHORT_WINDOW_S = 2
"""The window for telling a glitch of the source from a jump of its wall clock: it must have seen the glitch already."""


class Lowest:
    """The lowest value of the last seconds, in buckets of a second.

    Attributes:
        low: the lowest of the last `WINDOW_S`, counted back from the newest value; infinite before the first.
    """

    __slots__ = ("_buckets", "_newest", "low")

    def __init__(self) -> None:
        self.low = inf
        self._newest: int | None = None
        self._buckets: deque[tuple[int, float]] = deque()

    def add(self, value: float, now: float) -> None:
        """Take a value that was measured at `now`, in seconds; `now` never goes back."""
        bucket = int(now)
        buckets = self._buckets
        if bucket == self._newest:
            if value < buckets[-1][1]:
                buckets[-1] = (bucket, value)
                self.low = min(self.low, value)
            return
        self._newest = bucket
        buckets.append((bucket, value))
        while buckets[0][0] <= bucket - WINDOW_S:
            buckets.popleft()
        self.low = min(low for _, low in buckets)

    def recent(self) -> float:
        """The lowest of the last `SHORT_WINDOW_S` and the second that runs."""
        newest = self._buckets[-1][0]
        return min(low for bucket, low in self._buckets if bucket >= newest - SHORT_WINDOW_S)
