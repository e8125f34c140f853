"""Token buckets: the rate holds in any rhythm, memory is bounded, an address is who it belongs to."""

from hypothesis import given
from hypothesis import strategies as st

from liveclass.server.limits import AddressLimiter, TokenBucket


@given(st.lists(st.floats(0, 2), max_size=200), st.floats(0.5, 50), st.integers(1, 50))
def test_no_rhythm_gets_more_than_burst_and_rate(pauses: list[float], rate: float, burst: int) -> None:
    bucket, now, passed = TokenBucket(rate, burst, 0.0), 0.0, 0
    for pause in pauses:
        now += pause
        passed += bucket.take(now) == 0.0
    assert passed <= burst + rate * now + 1e-6


@given(st.floats(0.1, 100), st.integers(1, 10))
def test_whoever_waits_as_told_is_let_in(rate: float, burst: int) -> None:
    bucket, now = TokenBucket(rate, burst, 0.0), 0.0
    for _ in range(burst + 20):
        wait = bucket.take(now)
        if wait:
            now += wait + 1e-9
            assert bucket.take(now) == 0.0


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    bucket = TokenBucket(1.0, 1, 100.0)
    assert bucket.take(100.0) == 0.0
    assert bucket.take(50.0) > 0
    assert bucket.take(100.5) > 0


def test_addresses_are_limited_apart_and_forgotten_in_turn() -> None:
    limiter = AddressLimiter(1.0, 1, capacity=3)
    assert limiter.take("192.0.2.1", 0.0) == 0.0
    assert limiter.take("192.0.2.1", 0.0) > 0
    assert limiter.take("::ffff:192.0.2.1", 0.0) > 0
    assert limiter.take("2001:db8::1", 0.0) == 0.0
    assert limiter.take("2001:db8::ffff:1", 0.0) > 0
    assert limiter.take("2001:db8:0:1::1", 0.0) == 0.0
    for number in range(100):
        limiter.take(f"198.51.100.{number}", 0.0)
    assert len(limiter) == 3
    assert limiter.take("not an address", 0.0) == 0.0
