"""What came of a lesson, from its timeline: who attended and how long, what each room got, questions and answers.

Pure: the log in, one `LessonReport` out, or the same as a table for spreadsheets. Knows no file and no database.
"""

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec import Struct

from liveclass.lesson import events as e
from liveclass.lesson.attendance import BEHIND_STEP_S
from liveclass.lesson.board import Board
from liveclass.lesson.messages import LessonInfo

NOTHING = ("reconnecting", "")
RUNGS = ("full", "reduced", "screen", "sound", "thin", "reconnecting")
"""What a room may have got, from the top, as in `messages.Rung`."""

STEP_S = BEHIND_STEP_S
"""What lies below one step of how far behind a room is noted, the log does not know."""

PAUSE_S = 5.0
"""A room that is back so soon was never away: a page was loaded anew."""


class Stay(Struct, frozen=True):
    """A time in which a room was there: seconds from the start of the lesson."""

    from_s: float
    until_s: float


class RoomReport(Struct):
    """One classroom. Times in seconds within the lesson, from its start to its end.

    Attributes:
        first_at_ms: when it was first there during the lesson, milliseconds since 1970; null: never.
        stays: when it was there.
        heads: pupils as last said; null: never said.
        rungs_s: how long it got what live, by rung; catching up is in `behind_s` alone.
        behind_s: how long it caught up from the recording; `most_behind_s` the furthest.
        owed_s: what it is catching up now, to be heard yet.
        missed_s: how much of the lesson it heard neither live nor from the recording.
        signs: how often it gave each sign.
    """

    participant: str
    name: str
    present_s: float = 0.0
    stays: list[Stay] = []
    first_at_ms: int | None = None
    last_at_ms: int | None = None
    heads: int | None = None
    called: int = 0
    called_s: float = 0.0
    hands: int = 0
    signs: dict[str, int] = {}
    rungs_s: dict[str, float] = {}
    behind_s: float = 0.0
    most_behind_s: int = 0
    owed_s: float = 0.0
    missed_s: float = 0.0
    answered: int = 0


class VolunteerReport(Struct):
    participant: str
    name: str
    present_s: float = 0.0


class LessonReport(Struct, frozen=True):
    """The whole. `polls` are those of the lesson with what each room answered; `slides` how often a page was shown."""

    lesson: LessonInfo
    started_at_ms: int | None
    ended_at_ms: int | None
    duration_s: float
    heads: int
    rooms: list[RoomReport]
    volunteers: list[VolunteerReport]
    polls: list[e.Poll]
    marks: list[str]
    slides: int
    chat_lines: int


class _Person:
    """Somebody while the log is read: what is running.

    Attributes:
        behind_s: how far it lies behind, as noted last.
        owed_s: what it has not heard so far, and may yet catch up.
        missed_s: what it has not heard and passed over.
    """

    def __init__(self, name: str, role: str) -> None:
        self.name = name
        self.role = role
        self.here = False
        self.called = False
        self.rung = ""
        self.behind_s = 0
        self.owed_s = 0.0
        self.missed_s = 0.0

    def receives(self, rung: str, behind_s: int) -> None:
        """What it gets from now on."""
        if behind_s:
            # It plays from there on; what lies before that, it has passed over.
            if self.owed_s - behind_s > STEP_S:
                self.missed_s += self.owed_s - behind_s
            self.owed_s = behind_s
        elif 0 < self.behind_s <= STEP_S:
            self.owed_s = 0.0
        # Else it went live at once, called or by a wish: what it is still owed it may come back to.
        self.rung, self.behind_s = rung, behind_s


class Reporter:
    """Reads a log once, event by event.

    Args:
        info: of the lesson.
    """

    def __init__(self, info: LessonInfo) -> None:
        self._info = info
        self._people: dict[str, _Person] = {}
        self._rooms: dict[str, RoomReport] = {}
        self._volunteers: dict[str, VolunteerReport] = {}
        self._polls: dict[str, e.Poll] = {}
        self._board = Board()
        self._started: int | None = None
        self._ended: int | None = None
        self._at_ms = 0
        self._taught: set[str] = set()
        self._marks: list[str] = []
        self._slides = 0
        self._chat = 0

    def take(self, happened: e.Happened) -> None:
        """One event, in the order of the log."""
        self._pass(happened.at_ms)
        # The board forgets old questions; the report has all of them.
        if isinstance(happened.event, e.PollOpened | e.PollAnswered | e.PollClosed | e.PollRevealed):
            self._board.recall(happened)
            poll = self._board.polls.get(happened.event.poll)
            if poll is not None:
                self._polls[poll.poll] = poll
        match happened.event:
            case e.LessonBegan():
                self._started = self._started or happened.at_ms
                self._seen()
            case e.LessonOver():
                self._ended = happened.at_ms
            case e.Joined(who, name, role):
                person = self._people.get(who)
                if person is None:
                    person = self._people[who] = _Person(name, role)
                    if self._started is not None and self._ended is None:
                        person.owed_s = (happened.at_ms - self._started) / 1000
                person.name, person.role, person.here = name, role, True
                if role == "classroom":
                    self._room(who).name = name
                else:
                    self._volunteers.setdefault(who, VolunteerReport(who, name)).name = name
                self._seen()
            case e.Left(who):
                if who in self._people:
                    person = self._people[who]
                    person.here, person.rung, person.behind_s = False, "", 0
            case e.Called(who):
                if who in self._people:
                    self._people[who].called = True
                if who in self._rooms:
                    self._rooms[who].called += 1
            case e.CallEnded(who):
                if who in self._people:
                    self._people[who].called = False
            case e.Received(who, rung, behind_s):
                if who in self._people:
                    self._people[who].receives(rung, behind_s)
                if who in self._rooms:
                    room = self._rooms[who]
                    room.most_behind_s = max(room.most_behind_s, behind_s)
            case e.HeadsSet(who, heads):
                self._room(who).heads = heads
            case e.HandRaised(who):
                self._room(who).hands += 1
            case e.SignGiven(who, sign) if sign:
                signs = self._room(who).signs
                signs[sign] = signs.get(sign, 0) + 1
            case e.Marked(text):
                self._marks.append(text)
            case e.StageShown(stage="page"):
                self._slides += 1
            case e.Said():
                self._chat += 1

    def report(self, now_ms: int) -> LessonReport:
        """What has come of it so far; of a lesson that runs, up to now.

        Args:
            now_ms: milliseconds since 1970.
        """
        if self._started is not None and self._ended is None:
            self._pass(max(now_ms, self._at_ms))
        rooms = [room for who, room in self._rooms.items() if who in self._people]
        for room in rooms:
            room.answered = sum(any(a.participant == room.participant for a in p.answers) for p in self._polls.values())
            person = self._people[room.participant]
            # Whoever catches up at this moment has not missed it.
            room.owed_s = person.owed_s if person.behind_s else 0.0
            room.missed_s = person.missed_s + person.owed_s - room.owed_s
        end = self._ended if self._ended is not None else self._at_ms
        attended = [room for room in rooms if room.first_at_ms is not None or self._started is None]
        return LessonReport(
            lesson=self._info,
            started_at_ms=self._started,
            ended_at_ms=self._ended,
            duration_s=0.0 if self._started is None else (end - self._started) / 1000,
            heads=sum(room.heads or 0 for room in attended),
            rooms=sorted(attended, key=lambda room: room.name),
            volunteers=[
                one for one in self._volunteers.values() if one.participant in self._taught or not self._started
            ],
            polls=list(self._polls.values()),
            marks=self._marks,
            slides=self._slides,
            chat_lines=self._chat,
        )

    def _room(self, who: str) -> RoomReport:
        """The room's; it may have spoken before attendance has looked and noted that it came."""
        room = self._rooms.get(who)
        if room is None:
            room = self._rooms[who] = RoomReport(who, "")
        return room

    def _pass(self, at_ms: int) -> None:
        """Time goes by: whatever runs lasts that much longer, within the lesson."""
        span_s = (at_ms - self._at_ms) / 1000 if self._at_ms else 0.0
        self._at_ms = at_ms
        if self._started is None or self._ended is not None or span_s <= 0:
            return
        at_s = (at_ms - self._started) / 1000
        for who, person in self._people.items():
            room = self._rooms.get(who)
            if not person.here or (person.rung in NOTHING and not person.behind_s):
                person.owed_s += span_s
            if not person.here:
                continue
            if room is None:
                self._volunteers[who].present_s += span_s
                continue
            room.present_s += span_s
            room.last_at_ms = at_ms
            _stays(room, at_s - span_s, at_s)
            room.called_s += span_s if person.called else 0.0
            if person.behind_s:
                room.behind_s += span_s
            elif person.rung:
                room.rungs_s[person.rung] = room.rungs_s.get(person.rung, 0.0) + span_s

    def _seen(self) -> None:
        if self._started is None or self._ended is not None:
            return
        for who, person in self._people.items():
            room = self._rooms.get(who)
            if not person.here:
                continue
            if room is None:
                self._taught.add(who)
            elif room.first_at_ms is None:
                room.first_at_ms = self._at_ms


def report_of(info: LessonInfo, past: Iterable[e.Happened], now_ms: int) -> LessonReport:
    """The report of a whole log. `now_ms`: milliseconds since 1970."""
    reporter = Reporter(info)
    for happened in past:
        reporter.take(happened)
    return reporter.report(now_ms)


def as_csv(report: LessonReport) -> str:
    """The rooms as a table: one line each, minutes with one decimal, times in UTC, and a column for each choice of each
    question. Begins with a byte order mark, without which spreadsheets take Chinese for something else."""
    out = io.StringIO()
    table = csv.writer(out)
    questions = [
        (poll, number, letter) for number, poll in enumerate(report.polls, 1) for letter in range(len(poll.choices))
    ]
    table.writerow(
        [
            "lesson",
            "classroom",
            "pupils",
            "first_seen",
            "last_seen",
            "minutes",
            *(f"minutes_{rung}" for rung in RUNGS),
            "minutes_behind",
            "furthest_behind_s",
            "minutes_missed",
            "times_called",
            "minutes_called",
            "hands",
            "signs",
            "questions_answered",
            *(f"question_{number}_{chr(65 + letter)}" for _, number, letter in questions),
        ]
    )
    for room in report.rooms:
        table.writerow(
            [
                _cell(report.lesson.title),
                _cell(room.name),
                "" if room.heads is None else room.heads,
                _time(room.first_at_ms),
                _time(room.last_at_ms),
                _minutes(room.present_s),
                *(_minutes(room.rungs_s.get(rung, 0.0)) for rung in RUNGS),
                _minutes(room.behind_s),
                room.most_behind_s,
                _minutes(room.missed_s),
                room.called,
                _minutes(room.called_s),
                room.hands,
                " ".join(f"{sign}:{count}" for sign, count in sorted(room.signs.items())),
                room.answered,
                *(_count(poll, room.participant, letter) for poll, _, letter in questions),
            ]
        )
    return "\ufeff" + out.getvalue()


def _stays(room: RoomReport, from_s: float, until_s: float) -> None:
    """It was there from then to then, which follows what is known."""
    if room.stays and from_s - room.stays[-1].until_s < PAUSE_S:
        from_s = room.stays.pop().from_s
    room.stays.append(Stay(from_s, until_s))


def _cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula: names come from whoever has a link."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _time(at_ms: int | None) -> str:
    return "" if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}"


def _count(poll: e.Poll, participant: str, letter: int) -> int | str:
    for answer in poll.answers:
        if answer.participant == participant and letter < len(answer.counts):
            return answer.counts[letter]
    return ""
