"""Wrapping arithmetic: laws that hold for every number."""

from hypothesis import given
from hypothesis import strategies as st

from liveclass.rtp.serial import add_time, extend, seq_diff, time_diff, truncate

U16 = st.integers(0, 0xFFFF)
U32 = st.integers(0, 0xFFFFFFFF)


@given(U16, st.integers(-0x8000, 0x7FFF))
def test_the_difference_of_numbers_is_what_was_added(a: int, step: int) -> None:
    assert seq_diff(truncate(a + step), a) == step


@given(U32, st.integers(-0x80000000, 0x7FFFFFFF))
def test_the_difference_of_timestamps_is_what_was_added(a: int, step: int) -> None:
    assert time_diff(add_time(a, step), a) == step


@given(st.integers(-(1 << 40), 1 << 40), st.integers(-0x8000, 0x7FFF))
def test_extending_finds_the_number_that_was_cut(near: int, step: int) -> None:
    assert extend(truncate(near + step), near) == near + step


@given(st.integers(-(1 << 40), 1 << 40), U16)
def test_extending_keeps_the_bits_of_the_wire(near: int, seq: int) -> None:
    assert truncate(extend(seq, near)) == seq


def test_the_wrap_is_crossed_in_both_directions() -> None:
    assert seq_diff(3, 65530) == 9
    assert seq_diff(65530, 3) == -9
    assert extend(3, 0x1FFFA) == 0x20003
    assert extend(65530, 0x20003) == 0x1FFFA
    assert add_time(5, -10) == 0xFFFFFFFB
