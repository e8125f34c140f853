"""Any life of a classroom on the real subscriber and downlink: whatever link, requests and wishes it has, nothing
breaks and everything stays bounded."""

import random
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liveclass.relay.downlink import Downlink
from liveclass.relay.ports import Rung
from liveclass.relay.slot import HISTORY, MAX_REPEATED, Slot
from liveclass.relay.subscriber import MAX_KEPT
from liveclass.rtp.rtcp import build_nack, build_pli
from tests.relay.village import Classroom, Volunteer, run, subscribed
from tests.rtp.link import Link, Steps

SECONDS = 8
RUNGS: tuple[Rung, ...] = ("full", "reduced", "screen", "sound", "thin")
MIN_BPS, MAX_BPS = 20_000, 8_000_000
MOST_WAITING = 400
"""Packets in the pacer: 0.8 s of a picture of 1 Mbit/s are some 100, and a keyframe more."""


class Life:
    """A room whose every word goes through its subscriber as a datagram, and to whom things happen at random times."""

    def __init__(self, seed: int) -> None:
        self.dice = dice = random.Random(seed)
        self.room = room = Classroom(self._link(8e6), self._link(1e6), asks=dice.random() < 0.8)
        self.real = room.downlink
        self.volunteer = Volunteer(dice.choice((("high",), ("low", "high"), ("low", "middle", "high"))), seed=seed)
        self.subscriber = subscribed(room, lambda datagram: None if dice.random() < 0.01 else datagram)
        room.downlink = cast("Downlink", self)

    def _link(self, most_bps: float) -> Link:
        dice = self.dice
        rates: Steps = [(float(at), 10 ** dice.uniform(4.3, 7.0)) for at in range(0, SECONDS, dice.choice((2, 4, 8)))]
        begin = dice.uniform(0, 2 * SECONDS)
        return Link(
            [(at, min(most_bps, rate)) for at, rate in rates],
            delay=dice.uniform(0.001, 0.4),
            jitter=dice.choice((0.0, 0.02, 0.1)),
            loss=((0.0, dice.choice((0.0, 0.02, 0.1, 0.5))),),
            burst=dice.choice((1, 4)),
            queue=dice.uniform(0.02, 1.0),
            cut=(begin, begin + dice.uniform(0, 5)),
            seed=dice.randrange(1 << 20),
        )

    # The downlink, as the village speaks to it

    def feedback(self, body: bytes, now: float) -> None:
        head = bytes((0x8F, 205)) + ((8 + len(body)) // 4).to_bytes(2, "big") + bytes(8)
        self.subscriber.rtcp(head + body, now)

    def repair(self, slot: Slot, seqs: list[int], now: float) -> None:
        self.subscriber.rtcp(build_nack(1, slot.ssrc, sorted(set(seqs))[:200]), now)

    def tick(self, now: float) -> None:
        self.real.tick(now)
        self.check()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    # What happens to it

    def events(self) -> list[tuple[float, Callable[[], None]]]:
        acts = (self.flood, self.cry, self.wish, self.wish, self.lose_source, self.have_source, self.move, self.lie)
        return [(self.dice.uniform(0, SECONDS), self.dice.choice(acts)) for _ in range(self.dice.randrange(40))]

    def flood(self) -> None:
        self.room.nack_flood = self.dice.choice((0, 0, 50, 200))

    def cry(self) -> None:
        for _ in range(50):
            self.subscriber.rtcp(build_pli(1, self.room.picture.ssrc), self.room.now)

    def wish(self) -> None:
        self.subscriber.watch(self.dice.random() < 0.7, self.dice.choice(RUNGS), self.room.now)

    def lose_source(self) -> None:
        self.dice.choice((self.room.voice, self.room.picture)).show(None, self.room.now)
        self.subscriber.arranged(self.room.now)

    def have_source(self) -> None:
        self.room.voice.show(self.volunteer.voice, self.room.now)
        self.room.picture.show(self.volunteer.camera, self.room.now)
        self.subscriber.arranged(self.room.now)

    def move(self) -> None:
        """Its address is another one."""
        self.real.changed()
        for slot in self.subscriber.slots:
            slot.reached()

    def lie(self) -> None:
        """Feedback of what was never sent, repeated, or no feedback at all."""
        self.feedback(self.dice.randbytes(self.dice.randrange(0, 60)), self.room.now)

    def check(self) -> None:
        control = self.real.controller
        assert MIN_BPS <= control.target_bps <= MAX_BPS
        assert 0 <= control.loss <= 1
        assert sum(len(queue) for queue in self.real._pacer._queues) <= MOST_WAITING
        assert len(self.subscriber._kept) < MAX_KEPT
        for slot in self.subscriber.slots:
            assert len(slot._segments) <= HISTORY
            assert len(slot._repeated) <= MAX_REPEATED + 200
        plan = self.real.plan
        assert plan is None or plan.cost >= 0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 30))
def test_no_life_of_a_classroom_breaks_anything(seed: int) -> None:
    life = Life(seed)
    with pytest.MonkeyPatch.context() as patches:
        run(life.volunteer, [life.room], SECONDS, patches, life.events())
    life.subscriber.end(SECONDS)
    assert not any(track._entries or track._waiting for track in [*life.volunteer.pictures, life.volunteer.sound])
