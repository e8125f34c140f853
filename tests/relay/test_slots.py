"""Who is seen and heard where."""

from hypothesis import given
from hypothesis import strategies as st

from liveclass.relay.slots import Guests, Offering, assign

LEAD_MIC = Offering("lm", "t1", "teacher", "microphone", lead=True)
LEAD_CAMERA = Offering("lc", "t1", "teacher", "camera", lead=True)
SCREEN = Offering("sc", "t1", "teacher", "screen", lead=True)
SECOND_MIC = Offering("sm", "t2", "teacher", "microphone", lead=False)
SECOND_CAMERA = Offering("s2", "t2", "teacher", "camera", lead=False)
GUEST_MIC = Offering("gm", "c1", "classroom", "microphone", lead=False)
GUEST_CAMERA = Offering("gc", "c1", "classroom", "camera", lead=False)
ALL = [GUEST_CAMERA, GUEST_MIC, SECOND_CAMERA, SECOND_MIC, SCREEN, LEAD_CAMERA, LEAD_MIC]


def page(offerings: list[Offering], viewer: str = "c2") -> tuple[list[str | None], list[str | None]]:
    return assign(offerings, viewer, [None] * 4, [None] * 5)


def test_a_page_has_each_kind_in_its_own_place() -> None:
    assert page(ALL) == (["lm", "sm", "gm", None], ["lc", "sc", "s2", "gc", None])


def test_nobody_receives_themselves() -> None:
    audio, video = page(ALL, viewer="t1")
    assert not {"lm", "lc", "sc"} & {*audio, *video}
    assert "gm" in audio
    assert "gc" in video


def test_a_plain_player_gets_the_lead_and_the_screen_while_it_is_shared() -> None:
    assert assign(ALL, "x", [None], [None]) == (["lm"], ["sc"])
    assert assign([LEAD_CAMERA, LEAD_MIC], "x", ["lm"], ["sc"]) == (["lm"], ["lc"])


def test_a_newcomer_moves_nobody() -> None:
    before = assign([GUEST_CAMERA, LEAD_CAMERA], "x", [], [None] * 5)[1]
    after = assign([GUEST_CAMERA, LEAD_CAMERA, SCREEN, SECOND_CAMERA], "x", [], before)[1]
    assert [s for s in before if s] == [a for a, b in zip(after, before, strict=True) if b]


def test_whoever_leaves_frees_the_slot_for_its_kind() -> None:
    _, video = page(ALL)
    _, without = assign([o for o in ALL if o.kind != "screen"], "c2", [None] * 4, video)
    assert without == ["lc", None, "s2", "gc", None]


def test_three_called_classrooms_fit_beside_a_lone_volunteer() -> None:
    guests = [Offering(f"g{i}", f"c{i}", "classroom", "camera", lead=False) for i in range(3)]
    _, video = assign([LEAD_CAMERA, *guests], "t1", [], [None] * 5)
    assert {"g0", "g1", "g2"} <= set(video)


def test_the_classrooms_to_be_heard_first_get_the_slots_that_there_are() -> None:
    guests = [Offering(f"g{i}", f"c{i}", "classroom", "microphone", lead=False) for i in range(5)]
    sounds = [LEAD_MIC, SECOND_MIC, *guests]
    audio, _ = assign(sounds, "c9", [None] * 4, [], Guests(["c3", "c1", "c0"]))
    assert audio == ["lm", "sm", "g3", "g1"]
    # Another order moves nobody, and one who comes in takes the place of the one who goes.
    assert assign(sounds, "c9", audio, [], Guests(["c1", "c3", "c0"]))[0] == audio
    assert assign(sounds, "c9", audio, [], Guests(["c1", "c4", "c3"]))[0] == ["lm", "sm", "g4", "g1"]


def test_a_classroom_is_sent_the_pictures_of_those_who_are_to_be_seen_beside_the_volunteers() -> None:
    cameras = [Offering(f"g{i}", f"c{i}", "classroom", "camera", lead=False) for i in range(3)]
    _, video = assign([LEAD_CAMERA, SCREEN, *cameras], "c9", [], [None] * 5, Guests(seen=["c1"]))
    assert {source for source in video if source} == {"lc", "sc", "g1"}


kinds = st.sampled_from(["microphone", "camera", "screen"])
offerings_strategy = st.lists(
    st.builds(
        Offering,
        id=st.integers(0, 30).map(str),
        participant=st.integers(0, 6).map(str),
        role=st.sampled_from(["teacher", "classroom"]),
        kind=kinds,
        lead=st.booleans(),
    ),
    max_size=12,
    unique_by=lambda o: o.id,
)


@given(
    st.lists(offerings_strategy, min_size=1, max_size=5),
    st.integers(0, 6).map(str),
    st.integers(0, 4),
    st.integers(0, 5),
)
def test_any_history_shows_each_source_once_in_the_right_kind_of_slot(
    history: list[list[Offering]], viewer: str, sounds: int, pictures: int
) -> None:
    audio: list[str | None] = [None] * sounds
    video: list[str | None] = [None] * pictures
    for offerings in history:
        audio, video = assign(offerings, viewer, audio, video)
        known = {o.id: o for o in offerings}
        for slots, is_sound in ((audio, True), (video, False)):
            shown = [s for s in slots if s]
            assert len(shown) == len(set(shown))
            assert all((known[s].kind == "microphone") == is_sound for s in shown)
            assert all(known[s].participant != viewer for s in shown)
            wanted = [o for o in offerings if (o.kind == "microphone") == is_sound and o.participant != viewer]
            assert len(shown) == min(len(wanted), len(slots))
