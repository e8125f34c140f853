"""The field's network exams (libwebrtc, ringrtc, Signal's server) on the real downlink: what a room behind each of
those links hears and sees. The controller's own exams are in `tests.rtp.test_congestion`."""

from collections import deque
from dataclasses import dataclass, replace

import pytest

from liveclass.relay.layers import Layered
from liveclass.relay.source import SourceInfo
from tests.relay.village import OPUS, Classroom, Volunteer, run
from tests.rtp.link import Link, Steps, at_time

SOON_S, BACK_S = 2.0, 10.0
"""A plan that a link does not hold is left this soon, and taken again this soon after the link has."""


@dataclass(frozen=True)
class Exam:
    """A link, and what its room must come to.

    Attributes:
        unheard: most of the sound that may be missing `within_s` after its turn.
        picture_kbps: the least of picture after `BACK_S`.
    """

    link: Link
    picture_kbps: int
    unheard: float = 0.01
    within_s: float = 1.5


def flat(value: float) -> Steps:
    return ((0.0, value),)


EXAMS = {
    "5% loss, 50 ms": Exam(Link(flat(1e6), delay=0.05, loss=flat(0.05)), 300),
    "150 kbit/s, below the start": Exam(Link(flat(150e3), delay=0.1), 0),
    "30 packets of queue": Exam(Link(flat(150e3), delay=0.1, queue=9, queue_packets=30), 0),
    "10 packets of queue": Exam(Link(flat(250e3), delay=0.1, loss=flat(0.01), queue=9, queue_packets=10), 60),
    "500 kbit/s, 3%": Exam(Link(flat(500e3), delay=0.05, loss=flat(0.03)), 100),
    "SpikyLoss": Exam(Link(flat(500e3), delay=0.05, loss=((0, 0.0), (10, 0.3), (20, 0.0))), 60, unheard=0.02),
    "Moderate": Exam(Link(flat(500e3), delay=0.1, jitter=0.025, loss=flat(0.05)), 100),
    "International": Exam(
        Link(flat(500e3), delay=0.25, jitter=0.1, loss=flat(0.1), burst=4), 0, unheard=0.02, within_s=2.5
    ),
    "periodic": Exam(Link(((0, 4e6), (15, 1e6), (25, 4e6)), delay=0.05), 300),
}


def room_of(model: Link, seed: int) -> Classroom:
    link = replace(model, seed=seed, _waiting=deque())
    home = Link(flat(150e3), delay=model.delay, jitter=model.jitter, loss=model.loss, burst=model.burst, seed=seed + 50)
    return Classroom(link, home)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", EXAMS)
def test_the_voice_is_heard_and_nothing_exceeds_the_link(name: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    exam = EXAMS[name]
    room = room_of(exam.link, seed)
    run(Volunteer(), [room], 35, monkeypatch)
    assert room.unheard(3, 32, exam.within_s) <= exam.unheard
    assert room.seconds_above(lambda now: at_time(exam.link.rate, now), 35) <= SOON_S
    assert room.kbps(BACK_S, 35, "picture") >= exam.picture_kbps


@pytest.mark.parametrize("seed", [1, 2])
def test_loss_that_comes_and_goes_takes_the_picture_for_ten_seconds_at_most(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = room_of(EXAMS["SpikyLoss"].link, seed)
    run(Volunteer(), [room], 35, monkeypatch)
    assert room.kbps(20 + BACK_S, 35, "picture") >= 0.8 * room.kbps(7, 10, "picture")


@pytest.mark.parametrize("low", [1e6, 500e3], ids=["periodic", "half of periodic"])
def test_a_rung_that_a_step_does_not_hold_is_left_at_once_and_taken_again(
    low: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = room_of(Link(((0, 4e6), (15, low), (25, 4e6)), delay=0.05), 1)
    run(Volunteer(), [room], 40, monkeypatch)
    rungs = [(at, view.rung) for at, view in room.views]
    assert [rung for at, rung in rungs if at < 15][-1] == "full"
    assert room.kbps(15 + SOON_S, 25) <= low / 1000
    assert low > 900e3 or [rung for at, rung in rungs if at < 15 + SOON_S][-1] != "full"
    assert [rung for at, rung in rungs if at < 25 + BACK_S][-1] == "full"


class Thin(Volunteer):
    """Has a thin voice too: 12 kbit/s in frames of 60 ms."""

    def __init__(self) -> None:
        super().__init__(("low",))
        info = SourceInfo("voice", "t1", "teacher", "Li", "microphone", OPUS)
        self.voice = Layered(info, info, [], offered=["full", "thin"])
        self.thin = self._track(info, 98, self.sound._batch, "thin")
        for track in (self.sound, self.thin):
            self.voice.add(track, 0.0)
            self.seqs[track] = 1000
        self.thin_at = 0.0

    def step(self, now: float) -> None:
        super().step(now)
        if now >= self.thin_at:
            self.thin_at += 0.06
            self._send(self.thin, bytes(90), 48_000, now, marker=False)
            self.thin.flush()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_thin_voice_follows_a_link_of_50_down_to_25_kbit_s(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    room = room_of(Link(((0, 50e3), (15, 25e3)), delay=0.05), seed)
    room.control.target_bps = 50_000
    run(Thin(), [room], 35, monkeypatch)
    assert room.views[-1][1].rung == "thin"
    assert room.longest_gap(15 + SOON_S, 35) <= 0.5
    assert room.seconds_above(lambda now: 50e3 if now < 15 else 25e3, 35) <= SOON_S
