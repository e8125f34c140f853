"""Feedback that waits unopened while a link is wide and calm: seldom looked at, and never to the room's harm."""

from typing import Any, cast

import pytest

from liveclass.relay.downlink import GLANCE_S, Downlink
from liveclass.relay.ports import MediaListener
from liveclass.relay.room import LOOK_S, Room
from liveclass.relay.subscriber import MAX_KEPT
from liveclass.rtp.congestion import SILENCE_S
from liveclass.rtp.feedback import SendLog
from tests.relay.village import FEEDBACK_S, Classroom, Volunteer, run, subscribed
from tests.rtp.link import Link


class Ears:
    """What a classroom says back goes through a subscriber, as datagrams whose cipher changes nothing."""

    def __init__(self, room: Classroom) -> None:
        self.real = room.downlink
        self.opened: list[float] = []
        self.came: list[float] = []
        self.now = 0.0
        self.forged = False
        self.subscriber = subscribed(room, self._open)
        room.downlink = cast("Downlink", self)

    def _open(self, datagram: bytes) -> bytes | None:
        self.opened.append(self.now)
        return None if self.forged else datagram

    def feedback(self, body: bytes, now: float) -> None:
        self.came.append(now)
        self.now = now
        head = bytes((0x8F, 205)) + ((8 + len(body)) // 4).to_bytes(2, "big") + bytes(8)
        self.subscriber.rtcp(head + body, now)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def wide(*steps: tuple[float, float], loss: tuple[tuple[float, float], ...] = ((0, 0.0),)) -> tuple[Classroom, Ears]:
    room = Classroom(
        Link(steps or ((0, 50e6),), delay=0.01, loss=loss, seed=11), Link(((0, 20e6),), delay=0.01, seed=12)
    )
    return room, Ears(room)


def test_a_wide_calm_link_is_looked_at_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    room, ears = wide()
    run(Volunteer(), [room], 20, monkeypatch)
    assert room.views[-1][1].rung == "full"
    assert ears.real.resting
    came = sum(at > 10 for at in ears.came)
    assert 10 <= came <= 30  # of a hundred and more while all packets are numbered
    assert sum(at > 10 for at in ears.opened) <= 10 / GLANCE_S + 2
    assert room.unheard(3, 19, 0.2) == 0


def test_looks_are_close_enough_never_to_be_taken_for_silence() -> None:
    assert GLANCE_S + 2 * FEEDBACK_S < SILENCE_S


def test_losses_end_the_rest_and_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    room, ears = wide(loss=((0, 0.0), (12, 0.1)))
    run(Volunteer(), [room], 16, monkeypatch)
    assert not ears.real.resting
    assert ears.real.controller.loss > 0.05
    late = [at for at in ears.came if at > 13]
    assert len([at for at in ears.opened if at > 13]) >= len(late)


def test_a_request_for_repair_ends_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    room, ears = wide()
    run(Volunteer(), [room], 12, monkeypatch)
    before = ears.real.resting
    ears.real.repair(room.voice, [room.highest & 0xFFFF], 12.0)
    assert (before, ears.real.resting) == (True, False)
    assert room.voice.retransmitted == 1


def test_a_wide_link_that_collapses_while_resting_is_left_within_2_s(monkeypatch: pytest.MonkeyPatch) -> None:
    room, _ = wide((0, 20e6), (15, 500e3))
    run(Volunteer(), [room], 30, monkeypatch)
    assert room.seconds_above(lambda now: 20e6 if now < 15 else 500e3, 30) <= 2
    assert room.kbps(20, 30) < 500
    assert room.views[-1][1].rung == "reduced"


def test_what_waits_is_bounded_though_it_be_forged() -> None:
    _, ears = wide()
    ears.real.resting, ears.real.look_at, ears.forged = True, 1e9, True
    for _ in range(10 * MAX_KEPT):
        ears.feedback(bytes(12), 1.0)
        assert len(ears.subscriber._kept) < MAX_KEPT
    assert ears.subscriber.malformed


@pytest.mark.parametrize("number", range(1, 64))
def test_what_is_left_behind_between_two_looks_goes_to_the_past_in_order(number: int) -> None:
    log = SendLog()
    for n in range(30):
        log.add([(bytes(20), n, 0)] * (1 + n % 3), n * 0.01)
    runs = list(log.runs)
    log.discard(number)
    ended = [run for run in runs if run[0] + len(run[2]) <= number]
    assert list(log.past) == ended
    assert list(log.runs) == runs[len(ended) :]


class Ticked(Downlink):
    """A downlink that rests for a second after each tick, and notes when those were."""

    def __init__(self) -> None:
        self.idle_until = self._alert_until = -1e9
        self.roused = None
        self._audio = self._video = ()
        self.resting = False
        self.ticks: list[float] = []

    def tick(self, now: float) -> None:
        self.ticks.append(round(now, 2))
        self.idle_until = now + 1.0


def test_who_rests_is_left_alone_until_its_time_or_until_it_is_roused() -> None:
    """Its time is kept to within `LOOK_S`; a call is heard in the very next tick, from whomever it comes."""
    lesson, downlinks = Room("L", cast("MediaListener", None)), [Ticked() for _ in range(3)]
    for number, downlink in enumerate(downlinks):
        lesson.subscribers[str(number)] = cast("Any", type("Viewer", (), {"downlink": downlink, "slots": []}))
    lesson._reviewed_at = 1e9
    for step in range(100):
        if step == 30:
            downlinks[1].alert(0.59)
            downlinks[1].alert(0.59)
        lesson.tick(step * 0.02)
    assert downlinks[0].ticks == downlinks[2].ticks == pytest.approx([0.0, 1.0], abs=LOOK_S)
    assert downlinks[1].ticks == pytest.approx([0.0, 0.6, 1.6], abs=LOOK_S)
    assert downlinks[1].ticks[1] == 0.6


def test_who_has_left_is_not_kept() -> None:
    lesson, downlink = Room("L", cast("MediaListener", None)), Ticked()
    lesson.subscribers["c1"] = cast("Any", type("Viewer", (), {"downlink": downlink, "slots": []}))
    lesson._reviewed_at = 1e9
    lesson.tick(0.0)
    del lesson.subscribers["c1"]
    lesson.tick(0.2)
    assert lesson._awake == []
