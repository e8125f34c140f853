"""A classroom's downlink as a whole, in virtual time: what a village hears and sees on the links of the field's
exams."""

import itertools

import pytest

from liveclass.relay.ports import Rung
from liveclass.relay.slot import Paced, Slot
from liveclass.rtp.packet import build_packet, parse
from tests.relay.village import KEY, LAYERS, MUSIC_BYTES, Classroom, Volunteer, run
from tests.rtp.link import Link


def mountain(*, down: float = 400e3, delay: float = 0.15, seed: int = 5) -> Classroom:
    return Classroom(
        Link(((0, down),), delay=delay, jitter=0.04, loss=((0, 0.05),), burst=4, seed=seed),
        Link(((0, 150e3),), delay=delay, jitter=0.04, loss=((0, 0.05),), burst=4, seed=seed + 1),
    )


def test_on_the_mountain_link_the_picture_is_small_and_the_sound_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    room = mountain()
    run(Volunteer(), [room], 60, monkeypatch)
    assert room.unheard(5, 55, 1.5) <= 0.01
    assert room.longest_gap(5, 55) <= 0.5
    assert room.seconds_above(lambda _: 400e3, 60) <= 2
    assert room.kbps(20, 60, "picture") >= 60
    assert room.link.drops <= 20
    assert {view.rung for _, view in room.views if _ > 10} == {"reduced"}


def test_on_a_link_that_barely_is_one_sound_lives_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Classroom(
        Link(((0, 120e3),), delay=0.2, loss=((0, 0.08),), queue=0.6, seed=3),
        Link(((0, 64e3),), delay=0.2, loss=((0, 0.08),), queue=0.6, seed=4),
    )
    run(Volunteer(), [room], 60, monkeypatch)
    assert room.unheard(8, 55, 2.5) <= 0.03
    assert room.seconds_above(lambda _: 120e3, 60) <= 2
    assert room.views[-1][1].rung in {"sound", "thin"}


def test_music_is_whole_where_it_fits_and_the_picture_gives_way_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Classroom(Link(((0, 320e3),), delay=0.1, jitter=0.01, seed=3), Link(((0, 150e3),), delay=0.1, seed=4))
    volunteer = Volunteer()
    music = [(20.0, lambda: setattr(volunteer, "sound_bytes", MUSIC_BYTES))]
    run(volunteer, [room], 60, monkeypatch, music)
    assert room.unheard(5, 58, 1.0) <= 0.002
    assert 140 < room.kbps(25, 60, "sound") < 170
    assert room.kbps(10, 20, "picture") > room.kbps(40, 60, "picture") > 50
    assert room.seconds_above(lambda _: 320e3, 60) <= 2


def test_music_counts_at_its_full_rate_through_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Classroom(Link(((0, 320e3),), delay=0.1, jitter=0.01, seed=3), Link(((0, 150e3),), delay=0.1, seed=4))
    volunteer = Volunteer()
    volunteer.sound_bytes = MUSIC_BYTES
    pieces = [
        (at, lambda size=size: setattr(volunteer, "sound_bytes", size))
        for at, size in ((30.0, 8), (36.0, MUSIC_BYTES), (42.0, 8), (48.0, MUSIC_BYTES))
    ]
    run(volunteer, [room], 60, monkeypatch, pieces)
    assert room.unheard(10, 58, 0.6) <= 0.002
    assert room.seconds_above(lambda _: 320e3, 60) <= 2


def test_steps_of_the_rate_are_climbed_within_15_s_and_fallen_within_2_s(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = ((0.0, 300e3), (20.0, 1500e3), (50.0, 300e3))

    def rate(now: float) -> float:
        return 300e3 if now < 20 or now >= 50 else 1500e3

    room = Classroom(
        Link(steps, delay=0.1, jitter=0.01, loss=((0, 0.01),), seed=3),
        Link(((0, 150e3),), delay=0.1, jitter=0.01, loss=((0, 0.01),), seed=4),
    )
    run(Volunteer(), [room], 70, monkeypatch)
    assert room.kbps(35, 50, "picture") > 300
    assert room.kbps(52, 70) < 300
    assert room.seconds_above(rate, 70) <= 2
    assert room.unheard(3, 65, 1.0) <= 0.01


@pytest.mark.parametrize("seed", [1, 3, 6, 7])
def test_a_link_that_falls_keeps_the_small_picture_where_it_fits(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent before the fall, and what did not fit during it, say nothing of what fits after it."""
    room = Classroom(
        Link(((0, 1500e3), (20.0, 300e3)), delay=0.1, jitter=0.01, loss=((0, 0.01),), seed=seed, queue=0.4),
        Link(((0, 150e3),), delay=0.1, jitter=0.01, loss=((0, 0.01),), seed=seed + 50),
    )
    run(Volunteer(seed=seed), [room], 40, monkeypatch)
    arrivals = [at for at, _ in room.seen if at > 19]
    assert max(b - a for a, b in itertools.pairwise(arrivals)) <= 2
    assert room.kbps(22, 30, "picture") > 90
    assert room.unheard(3, 35, 1.0) <= 0.01


def test_a_page_that_wants_more_does_not_forget_what_its_link_has_shown_since(monkeypatch: pytest.MonkeyPatch) -> None:
    """A greeting asks for everything for a moment, when little is known; sound alone then shows what the link holds."""
    room = Classroom(Link(((0, 400e3),), delay=0.15, seed=3), Link(((0, 150e3),), delay=0.15, seed=4))
    rates: list[int] = []

    def wants(ceiling: Rung) -> None:
        rates.append(room.control.target_bps)
        room.downlink.watch(True, ceiling, room.now)
        rates.append(room.control.target_bps)

    room.downlink.watch(True, "sound", 0.0)
    events = [(at, lambda rung=rung: wants(rung)) for at, rung in ((1.0, "full"), (1.2, "sound"), (6.0, "full"))]
    run(Volunteer(), [room], 8, monkeypatch, events)
    assert rates[-2] > rates[0]
    assert rates[-1] >= rates[-2]
    assert room.kbps(6.5, 8, "picture") > 60


def test_a_picture_comes_though_nobody_who_is_heard_says_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs more than the first target, and without sound nothing is sent that could tell what the link holds."""
    room = Classroom(Link(((0, 2e6),), delay=0.05), Link(((0, 1e6),), delay=0.05))
    run(Volunteer(("high",), muted=True), [room], 8, monkeypatch)
    assert room.kbps(6, 8, "picture") > 500


def test_a_lesson_of_voice_alone_climbs_again_when_the_link_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    volunteer = Volunteer(())
    volunteer.voice.offered.insert(0, "thin")
    volunteer.voice.thin_offered = True
    room = Classroom(
        Link(((0, 2e6), (10, 45e3), (40, 2e6)), delay=0.05, queue=0.6, seed=3), Link(((0, 1e6),), delay=0.05, seed=4)
    )
    run(volunteer, [room], 60, monkeypatch)
    assert room.voice.wish == "full"
    assert any(view.rung == "thin" for at, view in room.views if 10 < at < 40)
    assert room.views[-1][1].rung == "full"


def test_a_picture_that_does_not_fit_is_asked_for_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everyone who sees that layer pays for its keyframes."""
    volunteer = Volunteer()
    room = Classroom(Link(((0, 2e6),), delay=0.05, seed=3), Link(((0, 1e6),), delay=0.05, seed=4))
    run(volunteer, [room], 5, monkeypatch)
    slot, track = room.picture, room.picture.track
    assert track is not None
    slot.set_paced(True)
    slot.pacer = Full()
    asked = []
    for tenth in range(600):
        now = 5 + tenth / 10
        if track.keyframe_due(now):
            asked.append(now)
            packet = build_packet(96, True, 50_000 + tenth, 9000 * tenth, track.ssrc, KEY + bytes(20))
            view = parse(packet)
            track.receive(packet, view, view.seq, now, repaired=False, begin=view.payload_offset)
            track.flush()
        elif not slot.starving:
            slot._starve(track, now)
        slot.feed(now)
    assert 4 <= len(asked) <= 9


class Full:
    """A pacer without room."""

    empty = True

    def push(self, item: Paced, size: int, screen: bool, now: float) -> bool:
        return False

    def repeat(self, item: Paced, size: int, now: float) -> bool:
        return False

    def drop(self, slot: Slot) -> None:
        pass


def test_repairs_of_the_picture_wait_behind_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    room = mountain()
    run(Volunteer(), [room], 20, monkeypatch)
    assert room.picture.paced
    before = len(room.sent)
    highest = room.picture._emitted + room.picture._segments[-1].seq_offset
    room.downlink._budget = 1e6
    room.downlink.repair(room.picture, [(highest - n) & 0xFFFF for n in range(60)], 20.0)
    burst = sum(size for _, size, kind in room.sent[before:])
    assert room.picture.retransmitted > 5
    assert burst < 3000


def test_a_layer_that_was_never_sent_can_still_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its publisher came back, say, with only the layers that were wanted before."""
    volunteer = Volunteer(("low", "high"))
    volunteer.camera.offered.insert(1, "middle")
    volunteer.camera.resting = frozenset({"middle"})
    room = Classroom(Link(((0, 750e3),), delay=0.05, seed=3), Link(((0, 1e6),), delay=0.05, seed=4))
    run(volunteer, [room], 20, monkeypatch)
    assert room.picture.wish == "middle"
    assert room.picture.layer == "low"


def test_after_an_outage_of_10_s_sound_and_picture_are_back(monkeypatch: pytest.MonkeyPatch) -> None:
    room = mountain()
    room.link.cut = room.back.cut = (20.0, 30.0)
    run(Volunteer(), [room], 50, monkeypatch)
    assert any(view.rung == "reconnecting" for at, view in room.views if 20 < at < 30)
    assert min(at for at in room.sound.values() if at > 30) < 30.5
    assert min(at for at, _ in room.seen if at > 30) < 34
    assert room.kbps(26, 30) < 120


def test_a_slow_classroom_never_delays_another(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = [
        Classroom(Link(((0, 50e6),), delay=0.005, seed=n), Link(((0, 20e6),), delay=0.005, seed=90 + n), number=n)
        for n in range(1, 4)
    ]
    slow = Classroom(Link(((0, 100e3),), delay=0.2, loss=((0, 0.05),), seed=3), Link(((0, 64e3),), delay=0.2, seed=4))
    run(Volunteer(), [slow, *fast], 25, monkeypatch)
    for room in fast:
        assert room.views[-1][1].rung == "full"
        assert room.kbps(15, 25, "picture") > 800
        assert room.unheard(1, 24, 0.1) == 0
    assert slow.kbps(5, 25) < 105


def test_requests_for_repairs_never_take_more_of_the_link_than_their_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer was measured to offer 4.4 Mbit/s to a link of 120 kbit/s for the asking."""
    room = mountain()
    room.nack_flood = 200
    run(Volunteer(), [room], 20, monkeypatch)
    assert room.seconds_above(lambda _: 400e3, 20) <= 2
    assert room.voice.retransmitted > 100
    assert room.kbps(5, 20, "sound") < 130 + 0.3 * 400


def test_a_room_that_leaves_the_recording_has_its_picture_back_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it caught up, others used the link: what it carried before the pause counts."""
    room = mountain()
    down = room.downlink
    run(
        Volunteer(),
        [room],
        45,
        monkeypatch,
        [
            (15.0, lambda: down.watch(False, "full", 15.0)),
            (30.0, lambda: down.watch(True, "sound", 30.0)),
            (35.0, lambda: down.watch(True, "full", 35.0)),
        ],
    )
    assert room.kbps(16, 30) == 0
    assert room.kbps(30.5, 35, "sound") > 40
    assert room.kbps(30.5, 35, "picture") == 0
    assert min(at for at, _ in room.seen if at > 35) < 37


def test_who_has_moved_to_another_network_sees_the_picture_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent to the old address is lost, and says nothing of the way to the new one."""
    link = Link(((0, 1500e3),), delay=0.02, loss=((0, 0.0), (15, 1.0), (17.5, 0.0)), seed=1)
    room = Classroom(link, Link(((0, 1500e3),), delay=0.02, loss=((0, 0.0), (15, 1.0), (17.5, 0.0)), seed=2))
    down = room.downlink
    run(Volunteer(), [room], 25, monkeypatch, [(17.5, lambda: down.moved(17.5))])
    assert min(at for at, _ in room.seen if at > 17.5) < 19
    assert room.kbps(19, 25, "picture") > 300


@pytest.mark.parametrize("left", [90e3, 50e3, 35e3])
@pytest.mark.parametrize("seed", range(4))
def test_a_page_that_has_come_whole_sees_the_picture_soon_after(
    seed: int, left: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it fetched its rest, that took most of the link, and what passed told nothing of it, not even that it had
    less room than a voice needs."""
    link = Link(((0, 400e3), (1.2, left), (3.2, 400e3)), delay=0.15, jitter=0.04, loss=((0, 0.05),), burst=4, seed=seed)
    room = Classroom(link, Link(((0, 150e3),), delay=0.15, jitter=0.04, loss=((0, 0.05),), burst=4, seed=seed + 9))
    down = room.downlink
    down.watch(True, "sound", 0.0)
    run(Volunteer(), [room], 8, monkeypatch, [(3.4, lambda: down.watch(True, "full", 3.4))])
    assert room.kbps(0, 3.4, "picture") == 0
    assert min((at for at, _ in room.seen), default=99) < 3.4 + 3


@pytest.mark.parametrize("seed", range(6))
def test_a_page_that_has_come_whole_sees_no_picture_on_a_guess(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its keyframe would stand in front of the voice on the thinnest link, of whose loss nothing is known yet."""
    monkeypatch.setitem(LAYERS, "low", (70e3, 15))
    link = Link(((0, 120e3),), delay=0.2, jitter=0.04, loss=((0, 0.08),), burst=3, queue=1.0, seed=seed)
    room = Classroom(link, Link(((0, 64e3),), delay=0.2, jitter=0.04, loss=((0, 0.08),), burst=3, seed=seed + 9))
    down = room.downlink
    down.watch(True, "sound", 0.0)
    run(Volunteer(), [room], 12, monkeypatch, [(1.2, lambda: down.watch(True, "full", 1.2))])
    assert room.kbps(0, 12, "picture") == 0
    assert room.longest_gap(0.5, 12) < 0.6


def test_who_plays_from_the_recording_is_sent_nothing_until_it_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    room = mountain()
    volunteer = Volunteer()
    run(volunteer, [room], 5, monkeypatch)
    room.downlink.live = False
    room.downlink.changed()
    room.sent.clear()
    room.downlink.tick(5.0)
    for step in range(200):
        volunteer.step(5 + step * 0.005)
    assert room.sent == []
    room.downlink.live = True
    room.downlink.changed()
    room.downlink.tick(6.0)
    for step in range(40):
        volunteer.step(6.0 + step * 0.005)
    assert {kind for _, _, kind in room.sent} >= {"sound"}


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_twice_the_delay_and_its_jitter_do_not_starve_a_link(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jitter of 80 ms looks like a queue; who sends little must not take it for one of its own making."""
    room = Classroom(
        Link(((0, 400e3),), delay=0.3, jitter=0.08, loss=((0, 0.05),), burst=4, seed=seed),
        Link(((0, 150e3),), delay=0.3, jitter=0.08, loss=((0, 0.05),), burst=4, seed=seed + 20),
    )
    run(Volunteer(), [room], 60, monkeypatch)
    assert room.kbps(15, 60, "picture") > 40
    assert room.unheard(5, 55, 2.5) <= 0.01
    assert room.seconds_above(lambda _: 400e3, 60) <= 2
