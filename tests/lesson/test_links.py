"""What reaches each participant: rungs, wishes, layers and who is told of them, in virtual time."""

from collections.abc import Sequence

import pytest

from liveclass.errors import PeerError
from liveclass.lesson.effects import Effect, MediaReason, Send, SetWatching
from liveclass.lesson.links import OWN_FIGURES_S
from liveclass.lesson.messages import (
    Call,
    JumpNow,
    JumpToLive,
    LayersWanted,
    LessonInfo,
    LessonOrder,
    LinkChanged,
    LinkState,
    Mute,
    ParticipantChanged,
    Receiving,
    Report,
    Rung,
    StartLesson,
    Watch,
)
from liveclass.lesson.state import Lesson, Limits

RUNGS: tuple[Rung, ...] = ("full", "reduced", "screen", "sound", "thin")


def receiving(*classrooms: str, live: bool = True) -> Lesson:
    """A lesson with the teacher `t` and these classrooms, which all receive."""
    lesson = Lesson(LessonInfo("L1", "Fractions", "waiting", "en"), Limits(), 0.0)
    lesson.join("t", "teacher", "", 0.0)
    for who in classrooms:
        lesson.join(who, "classroom", "", 0.0)
        lesson.media_opened(who, "subscribe", f"{who}-1", 0.0)
    if live:
        lesson.start(1)
    return lesson


def news(effects: Sequence[Effect], reader: str) -> list[object]:
    return [effect.message for effect in effects if isinstance(effect, Send) and reader in effect.to]


def rung(lesson: Lesson, who: str) -> str:
    """As teachers see it."""
    return next(p.link.rung for p in lesson.participants("teacher") if p.id == who)


def say(lesson: Lesson, who: str, message: LessonOrder, now: float = 0.0) -> list[Effect]:
    return lesson.handle(who, message, now, 2)


def test_another_rung_is_told_at_once_to_teachers_and_to_the_classroom_itself() -> None:
    lesson = receiving("c", "d")
    for number, name in enumerate(RUNGS):
        effects = lesson.link_changed("c", LinkState(name, 300), 5.0 + number / 100)
        assert news(effects, "c") == [LinkChanged(LinkState(name, 300))]
        (told,) = news(effects, "t")
        assert isinstance(told, ParticipantChanged)
        assert told.participant.link == LinkState(name, 300)
        assert news(effects, "d") == []
    assert all(p.link == LinkState() for p in lesson.participants("classroom"))


def test_figures_of_the_same_rung_go_to_teachers_like_reports_and_seldom_to_the_weak_link_itself() -> None:
    lesson = receiving("c")
    lesson.link_changed("c", LinkState("sound", 90), 10.0)
    told_t = told_c = 0
    for second in range(11, 61):
        for part in range(4):
            now = second + part / 4
            effects = lesson.link_changed("c", LinkState("sound", 90 + second * 4 + part), now)
            effects += lesson.tick(now, 3)
            told_t += len(news(effects, "t"))
            told_c += len(news(effects, "c"))
    assert 48 <= told_t <= 51
    assert told_c == 50 / OWN_FIGURES_S
    # ... and the last of them always arrives.
    assert lesson.deadline() is not None
    (last,) = news(lesson.tick(62.0, 3), "t")
    assert isinstance(last, ParticipantChanged)
    assert last.participant.link.kbps == 90 + 60 * 4 + 3


def test_what_has_not_changed_is_not_told() -> None:
    lesson = receiving("c")
    lesson.link_changed("c", LinkState("full", 900), 5.0)
    assert lesson.link_changed("c", LinkState("full", 900), 50.0) == []


def test_a_classroom_whose_media_is_cut_off_in_a_live_lesson_is_reconnecting_until_media_can_flow_again() -> None:
    lesson = receiving("c")
    lesson.link_changed("c", LinkState("full", 900), 5.0)
    effects = lesson.media_closed("c", "subscribe", "c-1", "timeout", 40.0)
    assert LinkChanged(LinkState("reconnecting")) in news(effects, "c")
    assert rung(lesson, "c") == "reconnecting"
    lesson.media_opened("c", "subscribe", "c-2", 50.0)
    assert rung(lesson, "c") == "reconnecting", "answered is not yet connected"
    assert lesson.link_changed("c", LinkState(""), 50.1) == []
    effects = lesson.media_connected("c", "subscribe", 51.0)
    assert rung(lesson, "c") == ""
    assert news(effects, "c") == [LinkChanged(LinkState())]
    lesson.link_changed("c", LinkState("sound", 80), 51.5)
    assert rung(lesson, "c") == "sound"


@pytest.mark.parametrize("live", [False, True])
def test_a_replaced_session_is_no_interruption_and_a_waiting_lesson_has_none(live: bool) -> None:
    lesson = receiving("c", live=live)
    lesson.media_opened("c", "subscribe", "c-2", 1.0)
    lesson.media_closed("c", "subscribe", "c-1", "replaced", 1.0)
    assert rung(lesson, "c") == ""
    lesson.media_closed("c", "subscribe", "c-2", "timeout", 40.0)
    assert rung(lesson, "c") == ("reconnecting" if live else "")


def test_what_the_relay_says_of_a_link_without_a_session_or_a_stranger_is_nothing() -> None:
    lesson = receiving("c")
    lesson.media_closed("c", "subscribe", "c-1", "timeout", 40.0)
    assert lesson.link_changed("c", LinkState("full"), 41.0) == []
    assert lesson.link_changed("nobody", LinkState("full"), 41.0) == []
    assert lesson.layers_wanted("nobody", "camera", ["low"]) == []
    assert lesson.media_connected("nobody", "subscribe", 41.0) == []


def test_a_wish_reaches_the_relay_once_and_with_each_new_session() -> None:
    lesson = receiving("c")
    assert say(lesson, "c", Watch(live=False, ceiling="sound")) == [SetWatching("c", False, "sound")]
    assert say(lesson, "c", Watch(live=False, ceiling="sound")) == []
    # Its socket is lost, its media too: the wish stands.
    lesson.leave("c", 1.0)
    lesson.media_closed("c", "subscribe", "c-1", "timeout", 30.0)
    assert lesson.media_opened("c", "subscribe", "c-2", 31.0) == [SetWatching("c", False, "sound")]


def test_a_page_that_says_hello_anew_gets_everything_until_it_says_what_it_wants() -> None:
    """Or a PC that was switched off while it caught up would come back to a lesson that sends it nothing."""
    lesson = receiving("c")
    say(lesson, "c", Watch(live=False))
    lesson.leave("c", 1.0)
    assert SetWatching("c", True, "full") in lesson.join("c", "classroom", "", 2.0)
    assert lesson.media_opened("c", "subscribe", "c-2", 3.0) == []


def test_wishes_rungs_and_layers_end_with_the_lesson() -> None:
    lesson = receiving("c")
    lesson.media_opened("t", "publish", "t-1", 0.0)
    lesson.layers_wanted("t", "camera", ["low", "high"])
    say(lesson, "c", Watch(live=False))
    lesson.link_changed("c", LinkState("thin", 40), 5.0)
    effects = lesson.end(9)
    assert rung(lesson, "c") == ""
    # The end of forty lessons on forty weak links is one message each, not forty.
    assert len(news(effects, "c")) == 1
    assert len(news(effects, "t")) == 2
    assert lesson.beside_welcome("c") == []
    assert lesson.beside_welcome("t") == []
    assert say(lesson, "c", Watch(live=False)) == []
    assert lesson.link_changed("c", LinkState("full"), 9.0) == []
    assert lesson.layers_wanted("t", "camera", ["low"]) == []
    assert lesson.media_opened("c", "subscribe", "c-2", 10.0) == []


def test_a_publisher_hears_once_which_layers_are_wanted_and_again_with_each_new_socket() -> None:
    lesson = receiving("c")
    lesson.media_opened("t", "publish", "t-1", 0.0)
    wanted = LayersWanted("camera", ["low", "middle"])
    thin = LayersWanted("microphone", ["full", "thin"])
    assert lesson.layers_wanted("t", "camera", ["low", "middle"]) == [Send(("t",), wanted)]
    assert lesson.layers_wanted("t", "camera", ["low", "middle"]) == []
    lesson.layers_wanted("t", "microphone", ["full", "thin"])
    # A new socket begins with nothing known; what changed in between it learns then.
    lesson.leave("t", 32.0)
    assert lesson.layers_wanted("t", "camera", ["low"]) == []
    lesson.join("t", "teacher", "", 33.0)
    assert lesson.beside_welcome("t") == [LayersWanted("camera", ["low"]), thin]


@pytest.mark.parametrize("how", ["replaced", "timeout"])
def test_nothing_that_was_wanted_of_a_session_is_wanted_of_the_next(how: MediaReason) -> None:
    """The relay believes every picture of a new session awake, and tells only what changes: a layer that rested before
    the volunteer's network blinked would never be sent again, and a thin voice never end."""
    lesson = receiving("c")
    lesson.media_opened("t", "publish", "t-1", 0.0)
    lesson.layers_wanted("t", "camera", ["low", "high"])
    lesson.layers_wanted("t", "microphone", ["full", "thin"])
    lesson.media_closed("t", "publish", "t-1", how, 30.0)
    # What the page took for the new session's, as it came with the socket, is taken back.
    assert news(lesson.media_opened("t", "publish", "t-2", 31.0), "t") == [
        LayersWanted("camera", ["low", "middle", "high"]),
        LayersWanted("microphone", ["full"]),
    ]
    assert lesson.beside_welcome("t") == []
    # ... and what the relay says of the new session is news, though the same was said of the old one.
    assert news(lesson.layers_wanted("t", "camera", ["low", "high"]), "t") == [LayersWanted("camera", ["low", "high"])]


def test_a_session_of_which_nothing_was_told_opens_without_a_word_of_layers() -> None:
    lesson = receiving("c")
    told = news(lesson.media_opened("t", "publish", "t-1", 0.0), "t")
    assert not [one for one in told if isinstance(one, LayersWanted)]


def test_a_classroom_that_comes_back_learns_its_rung_again() -> None:
    lesson = receiving("c")
    lesson.link_changed("c", LinkState("sound", 80), 5.0)
    lesson.leave("c", 6.0)
    lesson.join("c", "classroom", "", 7.0)
    assert lesson.beside_welcome("c") == [LinkChanged(LinkState("sound", 80))]


def test_a_teacher_makes_a_classroom_jump_and_nobody_else_does() -> None:
    lesson = receiving("c", "d")
    assert say(lesson, "t", JumpToLive("c")) == [Send(("c",), JumpNow())]
    lesson.leave("d", 1.0)
    player = lesson.candidate("p", "classroom", anonymous=True, player=True)
    lesson.seat(player, 1.0)
    for who, target, code in (
        ("c", "c", "teachers_only"),
        ("c", "d", "teachers_only"),
        ("t", "nobody", "participant_unknown"),
        ("t", "t", "not_a_classroom"),
        ("t", "p", "not_a_classroom"),
        ("t", "d", "participant_offline"),
    ):
        with pytest.raises(PeerError) as refused:
            say(lesson, who, JumpToLive(target))
        assert refused.value.code == code
    lesson.end(2)
    with pytest.raises(PeerError) as refused:
        say(lesson, "t", JumpToLive("c"))
    assert refused.value.code == "lesson_not_live"


def test_teachers_see_how_far_behind_each_room_is_and_what_it_has_used() -> None:
    lesson = receiving("c", "d")
    effects = say(lesson, "c", Report(Receiving(sound="good", behind_s=240.0, used_mb=12.5)), 5.0)
    (told,) = news(effects, "t")
    assert isinstance(told, ParticipantChanged)
    assert (told.participant.receiving.behind_s, told.participant.receiving.used_mb) == (240.0, 12.5)
    assert news(effects, "d") == []


def test_media_that_ends_while_the_page_is_away_changes_neither_role_nor_call_nor_mute() -> None:
    lesson = receiving("c")
    say(lesson, "t", Call("c"))
    say(lesson, "t", Mute("c", True))
    lesson.leave("c", 1.0)
    lesson.media_opened("c", "subscribe", "c-2", 2.0)
    lesson.media_closed("c", "subscribe", "c-1", "replaced", 2.0)
    lesson.media_closed("c", "subscribe", "c-2", "timeout", 40.0)
    lesson.join("c", "classroom", "", 340.0)
    lesson.media_opened("c", "subscribe", "c-3", 341.0)
    member = lesson.member("c")
    assert member is not None
    assert (member.role, member.called, member.muted) == ("classroom", True, True)


def test_a_classroom_that_is_heard_keeps_its_call_however_long_its_socket_is_away() -> None:
    lesson = receiving("c")
    say(lesson, "t", Call("c"))
    lesson.media_opened("c", "publish", "p-1", 0.0)
    lesson.leave("c", 1.0)
    grace_s = lesson.limits.call_grace_s
    assert lesson.tick(10 * grace_s, 3) == []
    # Only when its media is gone too does the time run.
    lesson.media_closed("c", "publish", "p-1", "timeout", 10 * grace_s)
    assert lesson.deadline() == 11 * grace_s
    member = lesson.member("c")
    assert member is not None
    lesson.tick(11 * grace_s - 0.1, 3)
    assert member.called
    lesson.tick(11 * grace_s, 3)
    assert not member.called


def test_starting_says_nothing_of_links() -> None:
    lesson = receiving("c", live=False)
    say(lesson, "t", StartLesson())
    assert rung(lesson, "c") == ""
