"""Loss that does not answer to the rate is the link's own."""

import random

import pytest

from liveclass.rtp.loss import WINDOW_PACKETS, LossFilter


def windows(losses: LossFilter, *shares: float, raised: bool = False, begin: float = 0.0) -> list[bool]:
    """Windows of 100 packets each; what each one calls for."""
    called = []
    for index, share in enumerate(shares):
        losses.restart(begin + index * 2)
        assert losses.add(round(share * 100), 100, begin + index * 2 + 1.5)
        called.append(losses.suspicious(raised=raised))
    return called


def learnt(share: float) -> LossFilter:
    losses = LossFilter()
    windows(losses, *[share] * 20)
    return losses


def test_what_a_link_loses_from_the_start_is_its_own() -> None:
    losses = learnt(0.08)
    assert losses.own == pytest.approx(0.08, abs=0.02)
    assert losses.quiet


@pytest.mark.parametrize("packets", [WINDOW_PACKETS, 120])
def test_bursts_hardly_ever_call_for_a_trial(packets: int) -> None:
    """5% in bursts of four for 30 minutes of windows: no more than one trial in five minutes."""
    dice = random.Random(11)
    losses = learnt(0.05)
    bad = False
    trials = 0
    for index in range(1500):
        lost = 0
        losses.restart(index * 2.0)
        for _ in range(packets):
            bad = dice.random() >= 0.25 if bad else dice.random() < 0.05 / 0.95 / 4
            lost += bad
        losses.add(lost, packets, index * 2 + 1.5)
        trials += losses.suspicious(raised=False)
    assert trials <= 6


def test_loss_that_stays_calls_for_one_after_some_windows() -> None:
    assert windows(learnt(0.02), 0.25, 0.25, 0.25, 0.25) == [False, False, True, False]


def test_loss_after_a_raise_calls_for_one_at_once() -> None:
    assert windows(learnt(0.02), 0.3, raised=True) == [True]


def test_a_rate_that_creeps_up_does_not_make_its_loss_look_ordinary() -> None:
    losses = learnt(0.02)
    windows(losses, 0.1, 0.1, 0.1)
    assert losses.own < 0.04
    assert not losses.quiet


def test_a_trial_is_answered_by_its_excess() -> None:
    losses = learnt(0.05)
    windows(losses, 0.1)
    assert losses.answered(0.3)
    windows(losses, 0.28)
    assert not losses.answered(0.3)
    losses.accept()
    assert losses.own == pytest.approx(0.28)
    assert losses.quiet


def test_few_packets_end_no_window() -> None:
    losses = LossFilter()
    assert not losses.add(5, WINDOW_PACKETS - 1, 100.0)
    assert losses.add(0, 1, 100.1)
    assert losses.window == pytest.approx(5 / WINDOW_PACKETS)


def test_the_smoothed_loss_follows_within_some_hundred_packets() -> None:
    losses = LossFilter()
    for index in range(100):
        losses.add(1, 10, index * 0.1)
    assert losses.smoothed == pytest.approx(0.1, abs=0.01)
