"""Notes of who came, went and what each room got."""

from liveclass.lesson import events as e
from liveclass.lesson.attendance import Attendance
from liveclass.lesson.members import Member
from liveclass.lesson.messages import LinkState, Receiving


def room(who: str = "c1") -> Member:
    return Member(who, "classroom", who.upper())


def test_each_change_is_noted_once() -> None:
    attendance, one = Attendance(), room()
    assert attendance.look([one]) == [e.Joined("c1", "C1", "classroom")]
    assert attendance.look([one]) == []
    one.called = True
    assert attendance.look([one]) == [e.Called("c1")]
    one.called = False
    one.link = LinkState("sound", 80)
    assert attendance.look([one]) == [e.CallEnded("c1"), e.Received("c1", "sound", 0)]
    one.link = LinkState("sound", 90)
    one.receiving = Receiving(behind_s=100)
    assert attendance.look([one]) == [e.Received("c1", "sound", 90)]
    one.online = False
    assert attendance.look([one]) == [e.Left("c1")]
    assert attendance.look([one]) == []


def test_media_that_flows_without_a_page_is_presence() -> None:
    attendance, one = Attendance(), room()
    one.online = False
    one.sessions["publish"] = "s1"
    assert attendance.look([one]) == [e.Joined("c1", "C1", "classroom")]


def test_a_new_name_is_noted_and_forgets_no_call() -> None:
    attendance, one = Attendance(), room()
    one.called = True
    assert attendance.look([one]) == [e.Joined("c1", "C1", "classroom"), e.Called("c1")]
    one.name = "3-2"
    assert attendance.look([one]) == [e.Joined("c1", "3-2", "classroom")]


def test_a_server_that_goes_down_sees_everyone_leave() -> None:
    attendance = Attendance()
    attendance.look([room("c1"), room("c2")])
    assert attendance.everyone_leaves() == [e.Left("c1"), e.Left("c2")]
    assert attendance.everyone_leaves() == []
