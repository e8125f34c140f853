"""The lesson's rules, one by one, in virtual time."""

from collections.abc import Sequence
from typing import Any

import pytest

from liveclass.errors import PeerError
from liveclass.lesson.effects import CloseMedia, Effect, LessonEnded, LessonStarted, Send, SetMuted, SetSending
from liveclass.lesson.members import participant_id
from liveclass.lesson.messages import (
    Call,
    Devices,
    EndCall,
    EndLesson,
    LessonChanged,
    LessonInfo,
    LessonOrder,
    LessonState,
    MediaClosed,
    Mute,
    ParticipantChanged,
    ParticipantLeft,
    Ping,
    Pong,
    Receiving,
    RecordingInfo,
    Rename,
    Report,
    Role,
    SetDevices,
    StartLesson,
)
from liveclass.lesson.state import TRANSITIONS, Lesson, LessonEvent, Limits


def make(state: LessonState = "waiting", **limits: Any) -> Lesson:
    return Lesson(LessonInfo("L1", "Fractions", state, "en"), Limits(**limits), 0.0)


def running(*classrooms: str, **limits: Any) -> Lesson:
    """A live lesson with the teacher `t` and these classrooms."""
    lesson = make(**limits)
    lesson.join("t", "teacher", "", 0.0)
    for who in classrooms:
        lesson.join(who, "classroom", "", 0.0)
    lesson.start(1)
    return lesson


def refused(lesson: Lesson, who: str, message: LessonOrder, now: float = 0.0) -> str:
    """The code of the refusal, after a check that it changed nothing."""
    before = (lesson.participants("teacher"), lesson.info, lesson.recording, lesson.revision)
    with pytest.raises(PeerError) as error:
        lesson.handle(who, message, now, 2)
    assert (lesson.participants("teacher"), lesson.info, lesson.recording, lesson.revision) == before
    return error.value.code


def news(effects: Sequence[Effect], reader: str) -> list[object]:
    """What `reader` is told."""
    return [effect.message for effect in effects if isinstance(effect, Send) and reader in effect.to]


STATES: tuple[LessonState, ...] = ("waiting", "live", "ended")
EVENTS: tuple[LessonEvent, ...] = ("start", "end")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("event", EVENTS)
def test_the_lesson_moves_as_its_table_says_and_an_illegal_step_changes_nothing(
    state: LessonState, event: LessonEvent
) -> None:
    lesson = make(state)
    step = lesson.start if event == "start" else lesson.end
    target = TRANSITIONS.get((state, event))
    if target is None:
        with pytest.raises(PeerError) as error:
            step(5)
        assert error.value.status == 409
        assert lesson.state == state
        return
    effects = step(5)
    assert lesson.state == target
    assert bool(effects) == (target != state)


def test_starting_tells_everyone_and_begins_what_must_begin() -> None:
    lesson = make()
    lesson.join("t", "teacher", "", 0.0)
    lesson.join("c", "classroom", "", 0.0)
    effects = lesson.handle("t", StartLesson(), 0.0, 42)
    assert effects[0] == LessonStarted(42)
    assert lesson.info.started_at_ms == 42
    assert len(news(effects, "c")) == len(news(effects, "t")) == 1


def test_ending_ends_calls_sends_the_absent_home_and_closes_media_last() -> None:
    lesson = running("c1", "c2")
    lesson.handle("t", Call("c1"), 0.0, 2)
    lesson.leave("c2", 1.0)
    effects = lesson.handle("t", EndLesson(), 2.0, 99)
    assert LessonEnded(99) in effects
    assert [p.id for p in lesson.participants("teacher")] == ["t", "c1"]
    assert not any(p.called for p in lesson.participants("teacher"))
    assert ParticipantLeft("c2") in news(effects, "t")


@pytest.mark.parametrize("message", [StartLesson(), EndLesson(), Call("c"), Mute("c", True)])
def test_a_classroom_may_not_do_what_teachers_do(message: LessonOrder) -> None:
    assert refused(running("c"), "c", message) == "teachers_only"


def test_a_classroom_ends_its_own_call_and_no_other() -> None:
    lesson = running("c1", "c2")
    lesson.handle("t", Call("c1"), 0.0, 2)
    assert refused(lesson, "c2", EndCall("c1")) == "teachers_only"
    effects = lesson.handle("c1", EndCall("c1"), 0.0, 2)
    assert CloseMedia("c1", "publish", "call_ended") in effects
    assert lesson.handle("c1", EndCall("c1"), 0.0, 2) == []


def test_a_call_needs_a_live_lesson_and_a_classroom_that_is_here() -> None:
    lesson = make()
    lesson.join("t", "teacher", "", 0.0)
    lesson.join("c", "classroom", "", 0.0)
    assert refused(lesson, "t", Call("c")) == "lesson_not_live"
    lesson.start(1)
    assert refused(lesson, "t", Call("t")) == "not_a_classroom"
    assert refused(lesson, "t", Call("nobody")) == "participant_unknown"
    lesson.leave("c", 1.0)
    assert refused(lesson, "t", Call("c")) == "participant_offline"


def test_no_more_classrooms_are_called_than_may_speak() -> None:
    lesson = running("a", "b", "c", max_called=2)
    lesson.handle("t", Call("a"), 0.0, 2)
    lesson.handle("t", Call("b"), 0.0, 2)
    assert refused(lesson, "t", Call("c")) == "too_many_called"
    assert lesson.handle("t", Call("a"), 0.0, 2) == []
    lesson.handle("t", EndCall("a"), 0.0, 2)
    lesson.handle("t", Call("c"), 0.0, 2)


def test_a_mute_holds_for_the_call_and_for_every_session_in_it() -> None:
    lesson = running("c")
    assert refused(lesson, "t", Mute("c", True)) == "not_called"
    lesson.handle("t", Call("c"), 0.0, 2)
    lesson.media_opened("c", "publish", "s1", 0.0)
    assert SetMuted("c", True) in lesson.handle("t", Mute("c", True), 0.0, 2)
    lesson.media_closed("c", "publish", "s1", "timeout", 1.0)
    assert SetMuted("c", True) in lesson.media_opened("c", "publish", "s2", 2.0)
    lesson.handle("t", EndCall("c"), 0.0, 2)
    member = lesson.member("c")
    assert member is not None
    assert not member.muted
    lesson.handle("t", Call("c"), 0.0, 2)
    assert SetMuted("c", False) in lesson.media_opened("c", "publish", "s3", 3.0)


def test_a_called_classroom_that_stays_away_loses_its_call() -> None:
    lesson = running("c", call_grace_s=120.0)
    lesson.handle("t", Call("c"), 0.0, 2)
    lesson.leave("c", 10.0)
    assert lesson.deadline() == 130.0
    assert lesson.tick(129.9, 3) == []
    assert CloseMedia("c", "publish", "call_ended") in lesson.tick(130.0, 3)
    assert lesson.deadline() is None


def test_a_called_classroom_that_comes_back_keeps_its_call() -> None:
    lesson = running("c")
    lesson.handle("t", Call("c"), 0.0, 2)
    lesson.leave("c", 10.0)
    lesson.join("c", "classroom", "", 609.0)
    assert lesson.tick(10_000.0, 3) == []
    member = lesson.member("c")
    assert member is not None
    assert member.called


def test_classrooms_never_see_what_others_receive() -> None:
    lesson = running("c1", "c2")
    effects = lesson.handle("c1", Report(Receiving(sound="weak", kbps=90)), 5.0, 2)
    assert [type(m) for m in news(effects, "t")] == [ParticipantChanged]
    assert news(effects, "c1") == news(effects, "c2") == []
    effects = lesson.handle("c1", Rename("3-2"), 5.0, 2)
    (to_teacher,) = news(effects, "t")
    (to_room,) = news(effects, "c2")
    assert isinstance(to_teacher, ParticipantChanged)
    assert isinstance(to_room, ParticipantChanged)
    assert to_teacher.participant.receiving.sound == "weak"
    assert to_room.participant.receiving == Receiving()
    assert lesson.participants("classroom")[1].receiving == Receiving()


def test_reports_are_forwarded_at_most_once_a_second_and_the_last_one_always() -> None:
    lesson = running("c")
    first = lesson.handle("c", Report(Receiving(sound="good")), 5.0, 2)
    assert len(first) == 1
    assert lesson.handle("c", Report(Receiving(sound="weak")), 5.2, 2) == []
    assert lesson.handle("c", Report(Receiving(sound="none")), 5.4, 2) == []
    assert lesson.deadline() == 6.0
    (late,) = news(lesson.tick(6.0, 2), "t")
    assert isinstance(late, ParticipantChanged)
    assert late.participant.receiving.sound == "none"
    assert lesson.deadline() is None
    assert lesson.handle("c", Report(Receiving(sound="none")), 9.0, 2) == []


def test_the_reports_of_a_full_lesson_stay_within_what_a_page_can_draw() -> None:
    rooms = [f"c{n}" for n in range(400)]
    lesson = running(*rooms)
    forwarded = 0
    for now in range(0, 60, 2):
        for room in rooms:
            forwarded += len(lesson.handle(room, Report(Receiving(delay_ms=now)), float(now), 2))
        forwarded += len(lesson.tick(now + 1.0, 2))
    assert forwarded <= 60 * 41


def test_names_are_told_apart_and_kept() -> None:
    lesson = make()
    lesson.join("a", "classroom", "3-2", 0.0)
    lesson.join("b", "classroom", "3-2", 0.0)
    lesson.join("c", "classroom", "", 0.0)
    lesson.join("d", "teacher", "", 0.0)
    assert [p.name for p in lesson.participants("teacher")] == ["3-2", "3-2 2", "Classroom 1", "Teacher"]
    lesson.leave("a", 1.0)
    lesson.join("a", "classroom", "", 2.0)
    assert lesson.participants("teacher")[0].name == "3-2"
    lesson.handle("b", Rename(" 4\u202e-1 "), 2.0, 2)
    assert lesson.participants("teacher")[1].name == "4-1"
    assert refused(lesson, "b", Rename("\u200b")) == "name_empty"


def test_a_full_lesson_takes_the_place_of_who_has_been_away_longest() -> None:
    lesson = make(max_participants=3)
    lesson.join("t", "teacher", "", 0.0)
    lesson.join("a", "classroom", "", 0.0)
    lesson.join("b", "classroom", "", 0.0)
    with pytest.raises(PeerError) as full:
        lesson.join("c", "classroom", "", 1.0)
    assert full.value.code == "lesson_full"
    lesson.leave("b", 1.0)
    lesson.leave("a", 2.0)
    assert ParticipantLeft("b") in news(lesson.join("c", "classroom", "", 3.0), "t")
    assert [p.id for p in lesson.participants("teacher")] == ["t", "a", "c"]


def test_a_call_or_media_under_way_keeps_a_place() -> None:
    lesson = running("a", "b", max_participants=3)
    lesson.handle("t", Call("a"), 0.0, 2)
    lesson.media_opened("b", "subscribe", "s", 0.0)
    lesson.leave("a", 1.0)
    lesson.leave("b", 1.0)
    with pytest.raises(PeerError):
        lesson.join("c", "classroom", "", 2.0)


def test_publishing_follows_role_call_and_state() -> None:
    lesson = make(max_teachers=1)
    lesson.join("t", "teacher", "", 0.0)
    lesson.join("t2", "teacher", "", 0.0)
    lesson.join("c", "classroom", "", 0.0)

    def may(who: str) -> str:
        member = lesson.member(who)
        assert member is not None
        try:
            lesson.check_publish(member)
        except PeerError as error:
            return error.code
        return "yes"

    assert may("t") == "lesson_waiting"
    lesson.start(1)
    assert (may("t"), may("c")) == ("yes", "not_called")
    lesson.media_opened("t", "publish", "s", 0.0)
    assert (may("t"), may("t2")) == ("yes", "too_many_teachers")
    lesson.handle("t", Call("c"), 0.0, 2)
    assert may("c") == "yes"
    lesson.end(2)
    assert (may("t"), may("c")) == ("lesson_ended", "lesson_ended")


def test_the_lead_stays_with_the_first_who_publishes_over_short_absences() -> None:
    lesson = running()
    lesson.join("t2", "teacher", "", 0.0)
    lesson.media_opened("t2", "publish", "s", 0.0)
    assert lesson.lead == "t2"
    lesson.media_closed("t2", "publish", "s", "timeout", 10.0)
    lesson.leave("t2", 10.0)
    assert not lesson.leads("t", 69.0)
    assert lesson.leads("t", 70.0)
    lesson.media_opened("t", "publish", "s2", 70.0)
    assert lesson.lead == "t"


def test_pages_are_told_who_leads_when_it_changes_and_not_otherwise() -> None:
    lesson = running("c")
    lesson.join("t2", "teacher", "", 0.0)

    def leads(effects: Sequence[Effect]) -> list[str]:
        return [one.lesson.lead for one in news(effects, "c") if isinstance(one, LessonChanged)]

    assert lesson.info.lead == ""
    assert leads(lesson.media_opened("t", "subscribe", "s1", 1.0)) == []
    assert leads(lesson.media_opened("t", "publish", "p1", 1.0)) == ["t"]
    assert leads(lesson.media_opened("t2", "publish", "p2", 2.0)) == []
    assert leads(lesson.media_opened("t", "publish", "p3", 3.0)) == []
    assert lesson.info.lead == "t"


def test_the_lead_is_not_lost_to_a_restart_that_the_other_teacher_survives_faster() -> None:
    lesson = running()
    lesson.media_opened("t", "publish", "s", 0.0)
    again = Lesson(lesson.info, Limits(), 500.0, snapshot=lesson.snapshot())
    again.join("t2", "teacher", "", 501.0)
    again.media_opened("t2", "publish", "s", 501.0)
    assert again.lead == "t"


def test_a_snapshot_brings_back_role_name_call_and_mute_of_everyone() -> None:
    lesson = running("c1", "c2")
    lesson.handle("c1", Rename("Room A"), 0.0, 2)
    lesson.handle("t", Call("c1"), 0.0, 2)
    lesson.handle("t", Mute("c1", True), 0.0, 2)
    again = Lesson(lesson.info, Limits(), 500.0, snapshot=lesson.snapshot())
    before, after = lesson.participants("teacher"), again.participants("teacher")
    assert [(p.id, p.role, p.name, p.called, p.muted) for p in before] == [
        (p.id, p.role, p.name, p.called, p.muted) for p in after
    ]
    assert not any(p.online for p in after)
    # The grace counts from the restart.
    assert again.deadline() == 500.0 + Limits().call_grace_s


def test_a_page_that_is_replaced_or_timed_out_is_told_and_one_that_deletes_is_not() -> None:
    lesson = running("c")
    lesson.media_opened("c", "subscribe", "s1", 0.0)
    lesson.media_opened("c", "subscribe", "s2", 0.0)
    assert news(lesson.media_closed("c", "subscribe", "s1", "replaced", 0.0), "c") == [MediaClosed("s1", "replaced")]
    member = lesson.member("c")
    assert member is not None
    assert member.sessions == {"subscribe": "s2"}
    told = news(lesson.media_closed("c", "subscribe", "s2", "deleted", 0.0), "c")
    assert not any(isinstance(message, MediaClosed) for message in told)


def test_what_a_page_says_it_sends_reaches_the_relay_with_each_session() -> None:
    lesson = running()
    assert SetSending("t", None) in lesson.media_opened("t", "publish", "s1", 0.0)
    effects = lesson.handle("t", SetDevices(Devices(microphone=True, screen=True)), 0.0, 2)
    assert SetSending("t", ("microphone", "screen")) in effects
    assert lesson.handle("t", SetDevices(Devices(microphone=True, screen=True)), 0.0, 2) == []
    lesson.leave("t", 1.0)
    assert SetSending("t", ("microphone", "screen")) in lesson.media_opened("t", "publish", "s2", 2.0)


def test_a_player_is_seen_while_it_watches_and_gone_when_it_is() -> None:
    lesson = running()
    player = lesson.candidate("p", "classroom", anonymous=True, player=True)
    assert lesson.member("p") is None
    lesson.seat(player, 1.0)
    lesson.media_opened("p", "subscribe", "s", 1.0)
    assert lesson.participants("teacher")[1].name == "Player 1"
    effects = lesson.media_closed("p", "subscribe", "s", "timeout", 2.0)
    assert news(effects, "t") == [ParticipantLeft("p")]


def test_a_program_that_teaches_keeps_its_place_while_it_reconnects() -> None:
    lesson = running()
    obs = lesson.candidate("obs", "teacher", anonymous=True)
    lesson.seat(obs, 0.0)
    lesson.media_opened("obs", "publish", "s1", 0.0)
    assert lesson.lead == "obs"
    lesson.sources_changed("obs", ["microphone", "camera"])
    assert lesson.participants("teacher")[1].devices == Devices(microphone=True, camera=True)
    lesson.media_closed("obs", "publish", "s1", "timeout", 30.0)
    assert not lesson.participants("teacher")[1].online
    lesson.seat(lesson.candidate("obs", "teacher", anonymous=True), 40.0)
    lesson.media_opened("obs", "publish", "s2", 40.0)
    assert lesson.participants("teacher")[1].online
    assert lesson.lead == "obs"


def test_a_plain_classroom_request_speaks_for_the_called_classroom_at_its_address_only() -> None:
    lesson = make()
    lesson.join("t", "teacher", "", 0.0)
    lesson.join("c", "classroom", "", 0.0, address="10.0.0.1")
    lesson.start(1)
    assert lesson.publisher_at("10.0.0.1") is None
    lesson.handle("t", Call("c"), 0.0, 2)
    assert lesson.publisher_at("10.0.0.2") is None
    assert lesson.publisher_at("10.0.0.1") == "c"
    lesson.media_opened("c", "publish", "s", 0.0)
    assert lesson.publisher_at("10.0.0.1") is None


def test_a_lesson_that_all_teachers_have_left_ends_by_itself() -> None:
    lesson = running("c", abandoned_after_s=100.0)
    assert lesson.deadline() is None
    lesson.media_opened("t", "publish", "s", 0.0)
    lesson.leave("t", 10.0)
    assert lesson.deadline() is None
    lesson.media_closed("t", "publish", "s", "timeout", 50.0)
    assert lesson.deadline() == 150.0
    lesson.join("t", "teacher", "", 149.0)
    assert lesson.tick(150.0, 3) == []
    lesson.leave("t", 200.0)
    assert LessonEnded(7) in lesson.tick(300.0, 7)


def test_a_change_of_calls_or_mutes_is_told_apart_from_what_may_be_written_later() -> None:
    lesson = running("c", call_grace_s=5.0)

    def changed(message: LessonOrder) -> bool:
        before = lesson.calls_revision
        lesson.handle("t", message, 0.0, 2)
        return lesson.calls_revision != before

    urgent = (Call("c"), Mute("c", True), Mute("c", False), EndCall("c"))
    assert [changed(message) for message in urgent] == [True] * 4
    assert not changed(EndCall("c"))
    assert not changed(Rename("Li"))
    assert changed(Call("c"))
    # The end of a call that nobody asked for is one too.
    lesson.leave("c", 1.0)
    before = lesson.calls_revision
    lesson.tick(6.0, 3)
    assert lesson.calls_revision != before


def test_a_ping_is_answered_to_its_sender_with_the_time() -> None:
    assert running().handle("t", Ping(9), 0.0, 2) == [Send(("t",), Pong(9, 2))]


def test_news_of_the_recording_is_told_once() -> None:
    lesson = running("c")
    effects = lesson.set_recording(RecordingInfo("recording"))
    assert len(news(effects, "c")) == 1
    assert lesson.set_recording(RecordingInfo("recording")) == []


def test_the_public_id_tells_role_and_lesson_apart_and_hides_the_identity() -> None:
    identity = "ab" * 16
    roles: tuple[Role, ...] = ("teacher", "classroom")
    ids = {participant_id(lesson, role, identity) for lesson in ("L1", "L2") for role in roles}
    assert len(ids) == 4
    assert all(identity not in one and len(one) == 12 for one in ids)
