"""The report: what it says of a lesson is what happened in it."""

import csv
import io

import pytest

from liveclass.lesson import events as e
from liveclass.lesson.messages import LessonInfo
from liveclass.lesson.report import LessonReport, Stay, as_csv, report_of
from tests.lesson.village_board import Life

INFO = LessonInfo("lesson1", "Spring", "ended")


def log(*events: tuple[int, e.BoardEvent]) -> list[e.Happened]:
    """Events at seconds."""
    return [e.Happened(seq, second * 1000 + 10**12, "", event) for seq, (second, event) in enumerate(events, 1)]


def lesson(name: str = "3-2") -> list[e.Happened]:
    return log(
        (10, e.Joined("c1", name, "classroom")),
        (20, e.Joined("t1", "Li", "teacher")),
        (60, e.LessonBegan()),
        (60, e.Received("c1", "full")),
        (90, e.HeadsSet("c1", 38)),
        (120, e.Received("c1", "sound")),
        (180, e.Called("c1")),
        (200, e.CallEnded("c1")),
        (240, e.Left("c1")),
        (300, e.Joined("c1", name, "classroom")),
        (300, e.Received("c1", "sound", 60)),
        (330, e.Received("c1", "full", 0)),
        (340, e.HandRaised("c1")),
        (341, e.SignGiven("c1", "cannot_hear")),
        (342, e.SignGiven("c1", "")),
        (350, e.PollOpened("p1", "2 + 2?", ["3", "4"])),
        (360, e.PollAnswered("p1", "c1", name, [3, 35])),
        (370, e.PollRevealed("p1", 1)),
        (380, e.Joined("c2", "4-1", "classroom")),
        (390, e.Marked("Summer")),
        (400, e.LessonOver()),
        (500, e.Joined("c3", "late", "classroom")),
        (600, e.Left("c1")),
    )


def test_presence_counts_within_the_lesson_alone() -> None:
    report = report_of(INFO, lesson(), 0)
    room = next(one for one in report.rooms if one.name == "3-2")
    assert report.duration_s == 340
    assert room.present_s == 280
    assert (room.first_at_ms, room.last_at_ms) == (10**12 + 60_000, 10**12 + 400_000)
    assert room.stays == [Stay(0, 180), Stay(240, 340)]
    assert room.rungs_s == {"full": 60 + 70, "sound": 120}, "what it caught up is told apart"
    assert (room.behind_s, room.most_behind_s) == (30, 60)
    assert (room.called, room.called_s, room.hands, room.signs) == (1, 20, 1, {"cannot_hear": 1})
    assert (room.heads, room.answered) == (38, 1)
    assert [one.name for one in report.rooms] == ["3-2", "4-1"]
    assert [(one.name, one.present_s) for one in report.volunteers] == [("Li", 340)]
    assert report.polls == [e.Poll("p1", "2 + 2?", ["3", "4"], "revealed", 1, [e.Answer("c1", "3-2", [3, 35])])]
    assert (report.heads, report.marks) == (38, ["Summer"])


@pytest.mark.parametrize(
    ("events", "missed_s"),
    [
        ([], 0),
        ([(200, e.Left("c1"))], 140),
        ([(200, e.Left("c1")), (260, e.Joined("c1", "3-2", "classroom")), (260, e.Received("c1", "sound"))], 60),
        ([(200, e.Received("c1", "reconnecting")), (260, e.Received("c1", "sound"))], 60),
        # Caught up to the end, also when a step of its way falls together with the next look.
        ([(200, e.Received("c1", "reconnecting")), (260, e.Received("c1", "", 60)), (300, e.Received("c1", "", 30)),
          (330, e.Received("c1", "full"))], 0),
        ([(200, e.Received("c1", "reconnecting")), (260, e.Received("c1", "", 60)), (270, e.Received("c1", "", 90)),
          (330, e.Received("c1", "", 30)), (340, e.Left("c1"))], 60 + 30),
        # A jump to the live lesson passes over the rest.
        ([(200, e.Received("c1", "reconnecting")), (260, e.Received("c1", "", 60)), (265, e.Received("c1", "full"))],
          60),
        # Called: live for a while, then back to where it was.
        ([(200, e.Received("c1", "reconnecting")), (260, e.Received("c1", "", 60)), (270, e.Received("c1", "full")),
          (290, e.Received("c1", "", 60)), (310, e.Received("c1", "", 30)), (330, e.Received("c1", "full"))], 0),
        # The rest of the lesson, after the lesson.
        ([(280, e.Received("c1", "reconnecting")), (350, e.Received("c1", "", 60)), (360, e.Received("c1", "", 30)),
          (370, e.Received("c1", "full"))], 0),
    ],
)  # fmt: skip
def test_missed_is_what_was_heard_neither_live_nor_later(
    events: list[tuple[int, e.BoardEvent]], missed_s: float
) -> None:
    begun: list[tuple[int, e.BoardEvent]] = [
        (0, e.LessonBegan()),
        (0, e.Joined("c1", "3-2", "classroom")),
        (0, e.Received("c1", "full")),
    ]
    past = sorted([*begun, *events, (340, e.LessonOver())], key=lambda one: one[0])
    assert report_of(INFO, log(*past), 0).rooms[0].missed_s == missed_s


def test_who_comes_late_has_missed_the_beginning() -> None:
    past = log((0, e.LessonBegan()), (90, e.Joined("c1", "x", "classroom")), (90, e.Received("c1", "full")))
    assert report_of(INFO, past, 10**12 + 120_000).rooms[0].missed_s == 90


def test_who_is_catching_up_has_not_missed_it() -> None:
    past = log(
        (0, e.LessonBegan()), (0, e.Joined("c1", "x", "classroom")), (0, e.Received("c1", "reconnecting")),
        (120, e.Received("c1", "", 120)), (150, e.Received("c1", "", 90)),
    )  # fmt: skip
    (room,) = report_of(INFO, past, 10**12 + 160_000).rooms
    assert (room.owed_s, room.missed_s) == (90, 0)


def test_what_a_room_says_before_attendance_has_looked_counts() -> None:
    past = log(
        (0, e.LessonBegan()), (1, e.HeadsSet("c1", 38)), (2, e.HandRaised("c1")), (3, e.SignGiven("c1", "slower")),
        (3, e.HeadsSet("c2", 5)), (4, e.Joined("c1", "x", "classroom")), (80, e.LessonOver()),
    )  # fmt: skip
    (room,) = report_of(INFO, past, 0).rooms
    assert (room.heads, room.hands, room.signs) == (38, 1, {"slower": 1})


def test_a_page_that_was_loaded_anew_was_there_all_the_time() -> None:
    came = e.Joined("c1", "x", "classroom")
    past = log((0, came), (0, e.LessonBegan()), (50, e.Left("c1")), (53, came), (80, e.LessonOver()))
    assert report_of(INFO, past, 0).rooms[0].stays == [Stay(0, 80)]


def test_a_lesson_that_runs_is_reported_up_to_now() -> None:
    past = lesson()[:6]
    report = report_of(INFO, past, 10**12 + 150_000)
    assert report.duration_s == 90
    assert report.rooms[0].present_s == 90
    assert report.ended_at_ms is None


def test_a_lesson_that_never_began_says_who_waited() -> None:
    report = report_of(INFO, lesson()[:2], 10**12 + 10**6)
    assert (report.started_at_ms, report.duration_s) == (None, 0)
    assert [one.name for one in report.rooms] == ["3-2"]
    assert report_of(INFO, [], 0).rooms == []


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-2", "@x", "3-2", 'a"b,c\n'])
def test_the_table_holds_one_line_for_each_room_and_no_formula(name: str) -> None:
    text = as_csv(report_of(INFO, lesson(name), 0))
    assert text.startswith("\ufeff")
    header, *rows = csv.reader(io.StringIO(text[1:]))
    assert len(rows) == 2
    by_name = dict(zip(header, next(row for row in rows if row[2] == "38"), strict=True))
    assert by_name["classroom"].lstrip("'") == name
    assert by_name["classroom"][:1] not in "=+-@"
    assert (by_name["minutes"], by_name["minutes_full"], by_name["minutes_sound"]) == ("4.7", "2.2", "2.0")
    assert (by_name["question_1_A"], by_name["question_1_B"]) == ("3", "35")
    other = dict(zip(header, next(row for row in rows if row[2] == ""), strict=True))
    assert other["question_1_A"] == ""


@pytest.mark.parametrize("seed", range(8))
def test_no_life_of_a_lesson_breaks_its_report(seed: int) -> None:
    life = Life(seed)
    for _ in range(300):
        life.step()
    report: LessonReport = report_of(INFO, life.log, 10**9)
    assert len(list(csv.reader(io.StringIO(as_csv(report))))) == len(report.rooms) + 1


@pytest.mark.parametrize("seed", range(8))
def test_a_log_with_holes_has_a_report(seed: int) -> None:
    life = Life(seed)
    for _ in range(300):
        life.step()
    report_of(INFO, [one for one in life.log if life.chance.random() > 0.2], 10**9)
