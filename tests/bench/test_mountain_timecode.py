"""The laws of the speech that says which second it is."""

import numpy as np
import pytest
from bench.mountain import figures, timecode
from bench.mountain.diary import Sound
from bench.mountain.materials import SPEECH
from numpy.typing import NDArray

SEED = 20261122


@pytest.fixture(scope="module")
def spoken() -> NDArray[np.float64]:
    return timecode.speech_with_marks(timecode.read_speech(SPEECH), 20)


def codes(samples: NDArray[np.float64]) -> list[int]:
    return [mark.code for mark in timecode.find_marks(samples)]


ALL = [timecode.code_of(second) for second in range(20)]


def test_every_number_occurs_once_in_a_period() -> None:
    assert len({timecode.code_of(second) for second in range(timecode.PERIOD)}) == timecode.PERIOD


def test_every_second_is_read_at_its_place(spoken: NDArray[np.float64]) -> None:
    marks = timecode.find_marks(spoken)
    assert [mark.code for mark in marks] == ALL
    assert all(abs(mark.at_s - second - 0.1) < 0.03 for second, mark in enumerate(marks))


def test_every_chord_is_told_from_every_other() -> None:
    for second in range(timecode.PERIOD):
        padded = np.pad(timecode.chord(second), 2000)
        assert codes(padded) == [timecode.code_of(second)]


def test_speech_alone_holds_no_mark() -> None:
    assert codes(timecode.read_speech(SPEECH)) == []


def test_noise_and_silence_hold_no_mark() -> None:
    noise = np.random.default_rng(SEED).normal(0, 0.1, 10 * timecode.RATE)
    assert codes(noise) == []
    assert codes(np.zeros(timecode.RATE)) == []
    assert codes(np.zeros(10)) == []


def test_a_mark_is_read_through_noise_and_at_a_tenth_of_the_level(spoken: NDArray[np.float64]) -> None:
    noise = np.random.default_rng(SEED).normal(0, 0.02, spoken.size)
    assert codes(spoken + noise) == ALL
    assert codes(spoken * 0.1) == ALL


def test_a_mark_of_which_a_third_is_missing_is_read(spoken: NDArray[np.float64]) -> None:
    broken = spoken.copy()
    for second in range(20):
        begin = round((second + timecode.CHORD_S[0]) * timecode.RATE)
        broken[begin : begin + 960] = 0
    assert codes(broken) == ALL


def test_the_speech_has_no_pause_that_could_pass_for_an_outage(spoken: NDArray[np.float64]) -> None:
    silence = figures.longest_silence(Sound(0, spoken), 0, 20)
    assert silence is not None
    assert silence <= 0.1
