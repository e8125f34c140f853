"""Notes of who came, went and what each room got."""

from liveclass.lesson import events as e
from liveclass.lesson.attendance import Attendance
from liveclass.lesson.members import Member
from liveclass.lesson.messages import LinkState, Receiving


def room(who: str = "c1") -> Member:
    return Member(who, "classroom", who.upper())


def test_each_change_is_noted_once() -> None:
    attendance, one = Attendance(), room()
    assert attendance.look([one], 10.0) == [e.Joined("c1", "C1", "classroom")]
    assert attendance.look([one], 20.0) == []
    one.called = True
    assert attendance.look([one], 30.0) == [e.Called("c1")]
    one.called = False
    one.link = LinkState("sound", 80)
    assert attendance.look([one], 40.0) == [e.Received("c1", "sound", 0), e.CallEnded("c1")]
    one.link = LinkState("sound", 90)
    one.receiving = Receiving(behind_s=100)
    assert attendance.look([one], 50.0) == [e.Received("c1", "sound", 90)]
    one.online = False
    assert attendance.look([one], 60.0) == [e.Left("c1")]
    assert attendance.look([one], 70.0) == []


def test_media_that_flows_without_a_page_is_presence() -> None:
    attendance, one = Attendance(), room()
    one.online = False
    one.sessions["publish"] = "s1"
    assert attendance.look([one], 80.0) == [e.Joined("c1", "C1", "classroom")]


def test_a_new_name_is_noted_and_forgets_no_call() -> None:
    attendance, one = Attendance(), room()
    one.called = True
    assert attendance.look([one], 90.0) == [e.Joined("c1", "C1", "classroom"), e.Called("c1")]
    one.name = "3-2"
    assert attendance.look([one], 100.0) == [e.Joined("c1", "3-2", "classroom")]


def test_a_server_that_goes_down_sees_everyone_leave() -> None:
    attendance = Attendance()
    attendance.look([room("c1"), room("c2")], 110.0)
    assert attendance.everyone_leaves() == [e.Left("c1"), e.Left("c2")]
    assert attendance.everyone_leaves() == []


def test_a_link_that_flaps_and_a_page_that_means_harm_fill_no_log() -> None:
    attendance, one = Attendance(), room()
    notes = 0
    for step in range(4 * 60):
        one.online = step % 3 != 0
        one.name = f"name {step}"
        one.receiving = Receiving(behind_s=step % 2 * 100)
        notes += len(attendance.look([one], step / 4))
    assert notes <= 60 / 5 * 3 + 3
