"""The delay of one path: how long packets stand in a queue now, how much they scatter, what rate the path delivers.

A path that jitters by tens of milliseconds has no usable gradient from one packet to the next, so the *lowest* delay of
a short window is compared with the lowest of the last minute: what even the luckiest packet waits is a standing queue.
While a queue stands the link is never idle, so what arrives in that time is what the link carries. Knows neither
sequence numbers nor rates to be sent.
"""

from collections import deque
from math import inf

WINDOW_S = 0.35
"""Over which the lowest delay is taken: four feedback packets of Chromium, and longer than a frame of 10 frames/s
keeps the link busy."""

RATE_WINDOW_S = 1.0
"""Over which rates are measured: the ends may be off by 40 ms of jitter each."""

BUCKET_S = 10.0
BUCKETS = 6
"""The least delay is that of the last minute: clocks that differ by 100 ppm drift by 6 ms in it."""

MARGIN_S = 0.035
"""A standing queue below this is no harm; a full packet at 300 kbit/s takes as long."""

SCATTER_SHARE = 0.9
MAX_SCATTER_S = 0.08
"""How much of the mean scatter is added to the margin, and how much scatter is believed."""

WILD_S = 0.045
WILD_SHARE = 1.5
"""Scatter beyond this is a path's own rather than that of a short queue that fills and empties with each frame; there
even the luckiest packet of a window may have waited for nothing but jitter, so this share of it is added once more."""

SURGE_S = 0.12
"""Two feedback packets this far above the limit need no full window: the rate has collapsed."""

LEAST_BUSY_S = 0.15
"""A shorter stretch tells no rate: jitter at its ends is a third of it."""

MAX_WINDOW = 64
"""Entries, though a hostile receiver's clock may stand still; honest ones tell 20 times a second at most."""

_Entry = tuple[float, float, float, int, float, int]


class DelayFilter:
    """Fed with one sample for each feedback packet.

    Attributes:
        base_s: least delay of the last minute; the clocks have no common zero, so only differences mean anything.
        queue_s: standing queue now: the least of the window.
        last_s: the same of the last feedback packet alone; one packet that waited for nothing proves an idle link.
        allow_s: queue that the sender has made on purpose and that is not to be taken for congestion.
        limit_s: a standing queue above this is congestion.
        acked_bps: rate of arrival over the last second.
        sent_bps: rate at which the same packets, and the lost ones among them, were sent.
    """

    __slots__ = (
        "_bucket", "_bucket_end", "_buckets", "_got", "_sent", "_sent_span", "_span", "_window", "acked_bps",
        "allow_s", "base_s", "last_s",     "limit_s", "queue_s", "scatter_s", "sent_bps", "standing",
    )  # fmt: skip

    def __init__(self) -> None:
        self.base_s = inf
        self._bucket = inf
        self._bucket_end = -inf
        self._buckets: deque[float] = deque(maxlen=BUCKETS)
        self.scatter_s = 0.0
        self.limit_s = MARGIN_S
        self.allow_s = 0.0
        self.acked_bps = 0
        self.sent_bps = 0
        self.forget_window()

    def forget_window(self) -> None:
        """Begin anew with what is judged over short times; the least delay stays."""
        self._window: deque[_Entry] = deque()
        self._got = self._sent = 0
        self._span = self._sent_span = 0.0
        self.queue_s = self.last_s = 0.0
        self.standing = False

    def rebase(self) -> None:
        """Take the delay of now for the path's own: it did not sink although less was sent."""
        low = self.base_s + self.queue_s
        self._buckets.clear()
        self._bucket = self.base_s = low
        self.queue_s = 0.0
        self.standing = False

    def add(self, arrival: float, low: float, mean: float, span: float, got: int, sent_span: float, sent: int) -> None:
        """One feedback packet.

        Args:
            arrival: of the last packet told of, seconds of the receiver's clock.
            low: least delay (arrival less departure) among the packets, in seconds.
            mean: their mean delay.
            span: seconds of arrivals in which `got` bytes came.
            sent_span: seconds of departures in which `sent` bytes left, lost ones included.
        """
        if arrival >= self._bucket_end:
            if self._bucket < inf:
                self._buckets.append(self._bucket)
            self._bucket = low
            self._bucket_end = arrival + BUCKET_S
            self.base_s = min(self._buckets, default=low)
        self._bucket = min(self._bucket, low)
        self.base_s = min(self.base_s, low)
        window = self._window
        window.append((arrival, low, span, got, sent_span, sent))
        self._got += got
        self._span += span
        self._sent += sent
        self._sent_span += sent_span
        horizon = arrival - RATE_WINDOW_S
        while window[0][0] < horizon or len(window) > MAX_WINDOW:
            _, _, old_span, old_got, old_sent_span, old_sent = window.popleft()
            self._got -= old_got
            self._span -= old_span
            self._sent -= old_sent
            self._sent_span -= old_sent_span
        self.acked_bps = int(self._got * 8 / self._span) if self._span > 0.02 else 0
        self.sent_bps = int(self._sent * 8 / self._sent_span) if self._sent_span > 0.02 else 0
        least = low
        covered = 0.0
        for entry in reversed(window):
            least = min(least, entry[1])
            covered = arrival - entry[0]
            if covered >= WINDOW_S:
                break
        self.scatter_s += 0.05 * (min(mean - least, MAX_SCATTER_S) - self.scatter_s)
        wild_s = max(0.0, self.scatter_s - WILD_S)
        self.limit_s = limit = MARGIN_S + SCATTER_SHARE * self.scatter_s + WILD_SHARE * wild_s
        self.queue_s = queue = least - self.base_s
        self.last_s = low - self.base_s
        limit += self.allow_s
        self.standing = queue > limit and covered >= WINDOW_S
        if not self.standing and len(window) > 1:
            high = self.base_s + limit + SURGE_S
            self.standing = low > high and window[-2][1] > high

    def busy_bps(self) -> int:
        """What arrived while the queue stood, at least over `LEAST_BUSY_S`: what the link carries."""
        floor = self.base_s + self.limit_s
        got = 0
        span = 0.0
        for entry in reversed(self._window):
            if entry[1] <= floor and span >= LEAST_BUSY_S:
                break
            got += entry[3]
            span += entry[2]
        return int(got * 8 / span) if span > 0.02 else 0
