"""A weak classroom that takes the same layer as others: they must not notice."""

from collections.abc import Sequence

import pytest

from liveclass.relay.track import Track
from tests.relay.village import Classroom, Volunteer, run
from tests.rtp.link import Link

SECONDS = 30


class Counting(Volunteer):
    """Notes when it was asked for a keyframe."""

    def __init__(self) -> None:
        super().__init__(("low",))
        self.asked: list[float] = []

    def step(self, now: float) -> None:
        before = self.pictures[0].plis
        super().step(now)
        self.asked += [now] * (self.pictures[0].plis - before)


def good(number: int) -> Classroom:
    return Classroom(
        Link(((0, 3e6),), delay=0.03, seed=number), Link(((0, 1e6),), delay=0.03, seed=number + 50), number=number
    )


def weak(number: int) -> Classroom:
    """Holds the picture for nine seconds of ten: what waits then is dropped up to a keyframe, again and again."""
    rates = tuple((float(second), 40e3 if second % 10 == 9 else 400e3) for second in range(SECONDS))
    return Classroom(
        Link(rates, delay=0.05, seed=number), Link(((0, 64e3),), delay=0.05, seed=number + 50), number=number
    )


def lesson(rooms: Sequence[Classroom], monkeypatch: pytest.MonkeyPatch) -> Counting:
    volunteer = Counting()
    run(volunteer, rooms, SECONDS, monkeypatch)
    return volunteer


def test_others_who_take_the_same_layer_get_every_frame_they_got_without_the_weak_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone, beside = [good(1), good(2)], [good(1), good(2)]
    lesson(alone, monkeypatch)
    weak_one = weak(9)
    volunteer = lesson([weak_one, *beside], monkeypatch)
    assert weak_one.picture.starved
    for before, now in zip(alone, beside, strict=True):
        # Keyframes that the weak one needs cost the others bytes, never a frame.
        assert len(now.seen) >= 0.99 * len(before.seen)
        assert max(b[0] - a[0] for a, b in zip(now.seen, now.seen[1:], strict=False) if a[0] > 5) < 0.3
        assert now.unheard(2, SECONDS - 2, 0.2) == 0
        assert {view.rung for at, view in now.views if at > 10} <= {"full"}
        assert now.kbps(10, SECONDS) <= 1.1 * before.kbps(10, SECONDS)
    per_second = [sum(second <= at < second + 1 for at in volunteer.asked) for second in range(SECONDS)]
    assert max(per_second) <= 2


def test_a_receiver_that_cries_for_keyframes_is_heard_twice_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    room, other = good(1), good(2)
    volunteer = Counting()
    track: Track = volunteer.pictures[0]
    cries = [(n * 0.02, lambda n=n: track.request_keyframe(n * 0.02)) for n in range(50 * 10)]
    run(volunteer, [room, other], 12, monkeypatch, cries)
    per_second = [sum(second <= at < second + 1 for at in volunteer.asked) for second in range(12)]
    assert max(per_second) <= 2
    assert other.unheard(1, 11, 0.2) == 0
