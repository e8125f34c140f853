"""The window of lowest values."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from liveclass.rtp.lowest import WINDOW_S, Lowest


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0, 4)), min_size=1, max_size=100))
def test_the_lowest_is_that_of_the_window(steps: list[tuple[float, float]]) -> None:
    lowest = Lowest()
    assert lowest.low == inf
    now = 0.0
    seen: list[tuple[float, float]] = []
    for value, wait in steps:
        now += wait
        seen.append((now, value))
        lowest.add(value, now)
        assert lowest.low == min(v for at, v in seen if int(at) > int(now) - WINDOW_S)
        assert lowest.low <= lowest.recent() <= value
