"""How often someone may ask: token buckets, one per address, in bounded memory. Pure; `now` comes from the caller."""

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address


class TokenBucket:
    """Lets `burst` through at once and `rate` per second in the long run.

    Args:
        rate: tokens per second, above 0.
        burst: the most tokens that gather, at least 1.
        now: seconds of the caller's monotonic clock.
    """

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now

    def take(self, now: float) -> float:
        """Take one token.

        Returns:
            0 when there was one, else the seconds until there will be (nothing is taken then).
        """
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = max(self._at, now)
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._rate


class AddressLimiter:
    """One bucket per client address; an IPv6 client owns its /64, so that is what counts.

    Args:
        rate: requests per second and address.
        burst: requests at once and address; a school behind one address comes back as one crowd.
        capacity: addresses remembered; the one unused for longest is forgotten first.
    """

    def __init__(self, rate: float, burst: float, *, capacity: int = 10_000) -> None:
        self._rate = rate
        self._burst = burst
        self._capacity = capacity
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def take(self, address: str, now: float) -> float:
        """As `TokenBucket.take`, for this address."""
        key = _key(address)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(self._rate, self._burst, now)
            if len(self._buckets) > self._capacity:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        return bucket.take(now)

    def __len__(self) -> int:
        return len(self._buckets)


def _key(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(int(parsed) >> 64)
    return str(parsed)
