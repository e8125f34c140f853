"""Random lives of a blackboard, for the tests of timeline, log and pages: people who give orders of every kind."""

import random
from collections.abc import Sequence

from liveclass.errors import PeerError
from liveclass.lesson import events as e
from liveclass.lesson import orders as o
from liveclass.lesson.board import Board
from liveclass.lesson.desk import BoardLimits
from liveclass.lesson.messages import LessonState
from liveclass.lesson.rights import Actor
from liveclass.lesson.timeline import Timeline

ROOMS = ("c1", "c2", "c3")
DECK = e.Material("deck12", "deck", "Seasons", "ready", 12, 12, "f" * 64, 1000)
SONG = e.Material("song34", "song", "Jasmine", "ready", 100, 100, "e" * 64, 1000, 60_000)
PAGES = ("b.1", "b.2", "b.3", "deck12.1", "deck12.12", "deck12.13", "none.1")


class Hall:
    """A lesson with three rooms, all there."""

    def __init__(self, state: LessonState = "live") -> None:
        self.lesson_state: LessonState = state

    def classroom_name(self, who: str) -> str | None:
        return who.upper() if who in ROOMS else None

    def classrooms_here(self) -> Sequence[str]:
        return ROOMS


def board_of(past: Sequence[e.Happened]) -> Board:
    """The board that a log adds up to."""
    board = Board()
    for happened in past:
        board.apply(happened)
    return board


class Life:
    """A lesson in which things happen by chance.

    Args:
        seed: printed by whoever fails.
    """

    def __init__(self, seed: int, limits: BoardLimits | None = None) -> None:
        self.chance = random.Random(seed)
        self.timeline = Timeline([], limits or BoardLimits(), self.chance.choice)
        self.hall = Hall()
        self.log: list[e.Happened] = []
        self.now = 0.0
        self.refused: list[str] = []
        self.strokes = 0
        self._take(self.timeline.note([e.MaterialChanged(DECK), e.MaterialChanged(SONG)], 0))

    def actor(self) -> Actor:
        who = self.chance.choice(["t1", "t1", "t1", "t2", *ROOMS])
        part = {"t1": "lead", "t2": "co"}.get(who, "classroom")
        return Actor(who, part, who.upper(), who in self.timeline.decided.drawing)  # type: ignore[arg-type]

    def step(self) -> list[e.Happened]:
        """One order by someone; what it led to."""
        self.now += self.chance.choice([0.01, 0.05, 0.4])
        if self.chance.random() < 0.03:
            return self._take(self.timeline.note([self._note()], self.at_ms))
        try:
            done = self.timeline.order(self.actor(), self._order(), self.hall, self.now, self.at_ms)
        except PeerError as refused:
            self.refused.append(refused.code)
            return []
        return self._take(done)

    @property
    def at_ms(self) -> int:
        # A clock that is set back now and then: the timeline's must not be.
        return int(self.now * 1000) - self.chance.choice([0, 0, 0, 400])

    def _take(self, happened: list[e.Happened]) -> list[e.Happened]:
        self.log += happened
        for one in happened:
            self.timeline.kept(one)
        return happened

    def _note(self) -> e.BoardEvent:
        who = self.chance.choice(ROOMS)
        notes: list[e.BoardEvent] = [
            e.Joined(who, who.upper(), "classroom"),
            e.Left(who),
            e.Called(who),
            e.Received(who, "sound", 30),
        ]
        return self.chance.choice(notes)

    def _order(self) -> o.BoardOrder:
        chance = self.chance
        page = chance.choice(PAGES)
        room = chance.choice([*ROOMS, "nobody"])
        growing = list(self.timeline.decided.growing)
        known = [id for sheet in self.timeline.decided.pages.values() for id in sheet.ink]
        if growing and chance.random() < 0.4:
            return o.DrawMore(chance.choice(growing), self._points(chance.choice([2, 3, 30])), chance.random() < 0.3)
        kind = chance.randrange(24)
        if kind < 6:
            self.strokes += 1
            tool = chance.choice(["pen", "pen", "highlighter", "line", "rectangle", "ellipse", "text"])
            text = "春天" if tool == "text" else ""
            return o.Draw(f"stroke{self.strokes:04}", page, tool, "#1e2a2f", 30, self._points(30), text)  # type: ignore[arg-type]
        polls = list(self.timeline.decided.polls) or ["p9"]
        choices: list[o.BoardOrder] = [
            o.Show("page", page=page),
            o.Show(chance.choice(["live", "film"]), material="song34", source=chance.choice(["camera", "document"])),
            o.Erase(page, [chance.choice(known or ["nostroke"]) for _ in range(3)]),
            o.Undo(page),
            o.Redo(page),
            o.Clear(page),
            o.Point(chance.randrange(10_000), 300, chance.random() < 0.2),
            o.Play("song34", chance.random() < 0.5, chance.randrange(90_000)),
            o.SetMode(chance.choice(["speech", "music", "detail", "motion"])),
            o.SetHeads(chance.randrange(50)),
            o.RaiseHand(chance.random() < 0.6),
            o.GiveSign(chance.choice(["cannot_hear", "slower", ""])),
            o.LowerHand(room),
            o.Pick(),
            o.SetTimer(chance.choice([0, 60])),
            o.OpenPoll("2 + 2?", ["3", "4", ""]),
            o.GiveAnswer(chance.choice(polls), [chance.randrange(9) for _ in range(chance.choice([3, 3, 2]))]),
            o.Reveal(chance.choice(polls), chance.choice([None, 1, 5])),
            o.Chat(chance.choice(["hello", "  ", "听得到"])),
            o.Mark("here"),
            o.LetDraw(room, chance.random() < 0.7),
        ]
        return chance.choice(choices)

    def _points(self, count: int) -> list[int]:
        return [self.chance.randrange(-60, 60) for _ in range(count)]
