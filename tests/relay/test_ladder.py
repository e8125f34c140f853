"""The ladder in virtual time: sound first, down at once, up slowly, and never to a rung that the link cannot hold."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from liveclass.relay.ladder import FALL_S, MARGIN, RUNG_ORDER, Ladder, Picture, Plan, Voice, plans
from liveclass.relay.ports import Rung

VOICE = Voice(50_000.0, 20_000.0)
CAMERA = Picture("camera", (("low", 140_000.0), ("middle", 400_000.0), ("high", 950_000.0)), droppable=True)
SCREEN = Picture("screen", (("low", 150_000.0), ("high", 600_000.0)))


def live(ladder: Ladder, link: float, seconds: float, start: float, loss: float = 0.0) -> tuple[Plan, float]:
    """Asks every 100 ms; returns the last plan and when it ended."""
    now, plan = start, None
    while now < start + seconds:
        plan = ladder.decide(link, loss, [VOICE], [CAMERA], now)
        now += 0.1
    assert plan is not None
    return plan, now


def test_the_rungs_climb_from_thin_sound_to_the_full_picture() -> None:
    made = plans([VOICE], [SCREEN, CAMERA], 0.03, "full")
    order = [RUNG_ORDER[plan.rung] for plan in made]
    assert order == sorted(order)
    assert [made[0].rung, made[-1].rung] == ["thin", "full"]
    assert {plan.rung for plan in made} == {"thin", "sound", "screen", "reduced", "full"}
    assert [plan.cost for plan in made if plan.voice == "full"] == sorted(p.cost for p in made if p.voice == "full")


def test_sound_gets_its_redundancy_before_any_picture_is_shown() -> None:
    for loss, depth in ((0.0, 0), (0.03, 1), (0.2, 2)):
        assert {plan.depth for plan in plans([VOICE], [CAMERA], loss, "full") if any(plan.pictures)} == {depth}


def test_a_screen_comes_before_a_camera_and_both_before_either_is_better() -> None:
    made = [plan.pictures for plan in plans([VOICE], [CAMERA, SCREEN], 0.0, "full") if any(plan.pictures)]
    assert made[0] == (None, "low")
    assert made[1] == ("low", "low")
    assert made[-1] == ("high", "high")


def test_a_thin_link_gets_thin_sound_and_a_wide_one_the_whole_lesson() -> None:
    rungs: list[Rung] = [
        Ladder(0.0).decide(link, 0.0, [VOICE], [CAMERA], 0.0).rung for link in (30e3, 100e3, 250e3, 5e6)
    ]
    assert rungs == ["thin", "sound", "reduced", "full"]


MUSIC = Voice(150_000.0, 20_000.0)


def test_music_gives_way_to_the_thin_voice_only_where_even_its_plain_form_does_not_fit() -> None:
    def on(link: float, loss: float) -> tuple[str, int]:
        plan = Ladder(0.0).decide(link, loss, [MUSIC], [CAMERA], 0.0)
        return plan.voice, plan.depth

    assert on(120e3, 0.0) == ("thin", 0)
    assert on(200e3, 0.0) == ("full", 0)
    # Repeats double it; without room for them its holes are for retransmission.
    assert on(200e3, 0.05) == ("full", 0)
    assert on(400e3, 0.05) == ("full", 1)
    assert on(5e6, 0.2) == ("full", 1)


def test_without_a_thin_voice_the_full_one_goes_on_whatever_happens() -> None:
    plan = Ladder(0.0).decide(10_000, 0.0, [Voice(50_000.0)], [CAMERA], 0.0)
    assert (plan.voice, plan.rung) == ("full", "sound")


def test_it_falls_within_the_time_of_one_frame_and_climbs_only_after_there_was_room_for_seconds() -> None:
    ladder = Ladder(0.0)
    plan, now = live(ladder, 3e6, 10, 0.0)
    assert plan.rung == "full"
    plan, now = live(ladder, 120e3, FALL_S + 0.15, now)
    assert plan.rung == "sound"
    rungs = []
    while now < 20:
        plan, now = live(ladder, 3e6, 0.5, now)
        rungs.append(plan.rung)
    assert rungs[:3] == ["sound"] * 3
    assert rungs[5] == "reduced"
    assert rungs[-1] == "full"


def test_a_climb_that_failed_makes_the_next_one_wait_longer() -> None:
    ladder = Ladder(-100.0)
    _, now = live(ladder, 120e3, 1, 0.0)
    waits = []
    for _ in range(4):
        begun = now
        while ladder.decide(3e6, 0.0, [VOICE], [CAMERA], now).rung != "full":
            now += 0.1
        waits.append(now - begun)
        _, now = live(ladder, 120e3, 1, now)
    assert waits == sorted(waits)
    assert waits[-1] > 3 * waits[0]


def test_a_link_that_is_cut_keeps_its_sound_and_comes_back_where_it_fits() -> None:
    ladder = Ladder(0.0)
    live(ladder, 3e6, 10, 0.0)
    plan = ladder.decide(20e3, 0.0, [VOICE], [CAMERA], 11.0, cut=True)
    assert plan.rung == "reconnecting"
    assert not any(plan.pictures)
    assert ladder.decide(300e3, 0.0, [VOICE], [CAMERA], 12.0).rung == "reduced"


def test_after_a_long_cut_sound_is_alone_until_the_page_has_fetched_what_it_missed() -> None:
    ladder = Ladder(-100.0)
    live(ladder, 3e6, 10, 0.0)
    for step in range(40):
        ladder.decide(20e3, 0.0, [VOICE], [CAMERA], 10 + step * 0.1, cut=True)
    rungs = [ladder.decide(3e6, 0.0, [VOICE], [CAMERA], 14 + step * 0.1).rung for step in range(25)]
    assert rungs[:13] == ["sound"] * 13
    assert rungs[-1] == "full"


def test_a_link_without_a_picture_is_tried_for_one() -> None:
    ladder = Ladder(-100.0)
    live(ladder, 60e3, 5, 0.0)
    assert ladder.plan is not None
    assert not any(ladder.plan.pictures)
    assert ladder.demand_bps > 140e3


def test_nothing_above_the_ceiling_is_planned() -> None:
    plan = Ladder(0.0).decide(9e6, 0.0, [VOICE], [CAMERA], 0.0, ceiling="sound")
    assert plan.rung == "sound"


def test_a_link_that_wavers_at_the_edge_does_not_make_the_picture_flap() -> None:
    ladder, now, changes = Ladder(-100.0), 0.0, 0
    before: Plan | None = None
    edge = (VOICE.full + 140_000.0) / MARGIN
    for step in range(600):
        plan = ladder.decide(edge * (1.08 if step % 20 < 10 else 0.97), 0.0, [VOICE], [CAMERA], now)
        changes += before is not None and plan.pictures != before.pictures
        before, now = plan, now + 0.1
    assert changes <= 4


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 6e6), st.floats(0, 0.6), st.integers(0, 2), st.sampled_from(["full", "sound"]), st.booleans()
        ),
        min_size=1,
        max_size=40,
    )
)
def test_any_life_ends_in_plans_that_fit_or_in_the_cheapest(
    steps: Sequence[tuple[float, float, int, Rung, bool]],
) -> None:
    ladder, now = Ladder(0.0), 0.0
    for link, loss, pictures, ceiling, cut in steps:
        offered = [CAMERA, SCREEN][:pictures]
        for _ in range(8):
            plan = ladder.decide(link, loss, [VOICE], offered, now, ceiling=ceiling, cut=cut)
            now += 0.1
        choices = plans([VOICE], offered, loss, ceiling)
        assert len(plan.pictures) == pictures
        if not cut:
            room = link * MARGIN * (1 - min(0.3, 1.2 * loss))
            assert plan.cost <= room or plan.cost <= choices[0].cost or plan == choices[0]
        assert ladder.demand_bps >= 0


def test_on_the_thinnest_link_the_teacher_is_heard_alone() -> None:
    guest = Voice(50_000.0)
    ladder = Ladder(0.0)
    for tenth in range(200):
        plan = ladder.decide(60_000.0, 0.0, [VOICE, guest, guest], [CAMERA], tenth / 10)
    assert (plan.voice, plan.voices, plan.rung) == ("thin", 1, "thin")
    for tenth in range(200, 500):
        plan = ladder.decide(400_000.0, 0.0, [VOICE, guest, guest], [CAMERA], tenth / 10)
    assert plan.voices == 3


def test_voices_that_are_muted_cost_nobody_a_picture() -> None:
    silent = Voice(0.0)
    alone, beside = (plans(voices, [CAMERA], 0.05, "full")[-1] for voices in ([VOICE], [VOICE, silent, silent]))
    assert beside.cost == alone.cost


def test_where_packets_are_lost_no_plain_voice_goes_without_repair() -> None:
    made = plans([VOICE], [CAMERA], 0.05, "full")
    assert {(plan.voice, plan.depth) for plan in made if not any(plan.pictures)} == {
        ("thin", 0),
        ("thin", 1),
        ("full", 1),
    }
