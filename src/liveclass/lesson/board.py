"""The blackboard as a sum of events: everything that slides, strokes, questions and answers have come to.

`Board.apply` is the one place that gives an event its meaning, for the live lesson and after a restart alike, so what
is rebuilt from the log is what was. Refuses to decide: an event that comes here has happened.

A log may have holes, where a disk was full or a block is bad: `Board.recall` passes over what makes no sense without
the lines that are lost, as no lesson may become unreadable by it.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from liveclass.lesson import events as e
from liveclass.lesson.pages import Page

POLLS_KEPT = 20
CHAT_KEPT = 50
"""What a newcomer gets of what is over; the replay has all of it."""


class Board:
    """The state.

    Attributes:
        seq: of the last event that is in it; `at_ms` its time.
        boards: how many blank boards there are.
        growing: strokes that are being drawn, by id: their page.
        here: who has joined and not left.
    """

    def __init__(self) -> None:
        self.seq = 0
        self.at_ms = 0
        self.stage = e.Stage()
        self.boards = 1
        self.pages: dict[str, Page] = {}
        self.growing: dict[str, str] = {}
        self.materials: dict[str, e.Material] = {}
        self.player: e.Player | None = None
        self.timer: e.Timer | None = None
        self.mode: e.Mode = "speech"
        self.heads: dict[str, int] = {}
        self.hands: dict[str, int] = {}
        self.signs: dict[str, e.SignUp] = {}
        self.picked = ""
        self.polls: dict[str, e.Poll] = {}
        self.polls_opened = 0
        self.chat: deque[e.Line] = deque(maxlen=CHAT_KEPT)
        self.drawing: dict[str, None] = {}
        self.here: dict[str, None] = {}

    def apply(self, happened: e.Happened) -> None:
        """One event more."""
        self.seq, self.at_ms = happened.seq, happened.at_ms
        change = _CHANGES.get(type(happened.event))
        if change is not None:
            change(self, happened, happened.event)

    def recall(self, happened: e.Happened) -> bool:
        """One event more of a log that may have holes; false: it made no sense without what is lost."""
        try:
            self.apply(happened)
        except (LookupError, ValueError, OverflowError, AttributeError):
            return False
        return True

    def page(self, key: str) -> Page | None:
        return self.pages.get(key)

    def state(self) -> e.BoardState:
        """All of it, for a page that comes now."""
        shown = self.pages.get(self.stage.page) if self.stage.stage == "page" else None
        return e.BoardState(
            seq=self.seq,
            at_ms=self.at_ms,
            stage=self.stage,
            strokes=shown.strokes() if shown is not None else [],
            pages=list(self.pages),
            boards=self.boards,
            materials=list(self.materials.values()),
            player=self.player,
            timer=self.timer,
            mode=self.mode,
            heads=[e.Heads(who, n) for who, n in self.heads.items()],
            hands=[e.Hand(who, at_ms) for who, at_ms in self.hands.items()],
            signs=list(self.signs.values()),
            picked=self.picked,
            polls=list(self.polls.values())[-POLLS_KEPT:],
            chat=list(self.chat),
            drawing=list(self.drawing),
        )

    def page_state(self, key: str) -> e.PageStrokes:
        """The strokes of one page, for whoever turns to it."""
        page = self.pages.get(key)
        return e.PageStrokes(key, self.seq, page.strokes() if page is not None else [])

    # What each event changes

    def _stage_shown(self, _: e.Happened, event: e.StageShown) -> None:
        self.stage = e.Stage(event.stage, event.page, event.material, event.source)
        if event.stage == "page" and e.owner_of(event.page) == "b":
            self.boards = max(self.boards, e.number_of(event.page))

    def _stroke_begun(self, happened: e.Happened, event: e.StrokeBegun) -> None:
        self.pages.setdefault(event.page, Page()).begin(happened.by, event)
        if not event.done:
            self.growing[event.id] = event.page

    def _stroke_grew(self, _: e.Happened, event: e.StrokeGrew) -> None:
        self.pages[event.page].grow(event)
        if event.done:
            self.growing.pop(event.id, None)

    def _strokes_hidden(self, happened: e.Happened, event: e.StrokesHidden) -> None:
        self.pages[event.page].hide(happened.by, event)

    def _strokes_shown(self, happened: e.Happened, event: e.StrokesShown) -> None:
        self.pages[event.page].show(happened.by, event)

    def _material_changed(self, _: e.Happened, event: e.MaterialChanged) -> None:
        self.materials[event.material.id] = event.material

    def _material_removed(self, _: e.Happened, event: e.MaterialRemoved) -> None:
        self.materials.pop(event.id, None)
        for key in [key for key in self.pages if e.owner_of(key) == event.id]:
            del self.pages[key]
        for id in [id for id, key in self.growing.items() if key not in self.pages]:
            del self.growing[id]
        if self.player is not None and self.player.material == event.id:
            self.player = None
        if event.id in (self.stage.material, e.owner_of(self.stage.page)):
            self.stage = e.Stage(source=self.stage.source)

    def _played(self, happened: e.Happened, event: e.Played) -> None:
        self.player = e.Player(event.material, event.playing, event.position_ms, happened.at_ms)

    def _mode_set(self, _: e.Happened, event: e.ModeSet) -> None:
        self.mode = event.mode

    def _heads_set(self, _: e.Happened, event: e.HeadsSet) -> None:
        self.heads[event.participant] = event.heads

    def _hand_raised(self, happened: e.Happened, event: e.HandRaised) -> None:
        self.hands.setdefault(event.participant, happened.at_ms)

    def _hand_lowered(self, _: e.Happened, event: e.HandLowered) -> None:
        self.hands.pop(event.participant, None)

    def _sign_given(self, happened: e.Happened, event: e.SignGiven) -> None:
        self.signs.pop(event.participant, None)
        if event.sign:
            self.signs[event.participant] = e.SignUp(event.participant, event.sign, happened.at_ms)

    def _picked(self, _: e.Happened, event: e.Picked) -> None:
        self.picked = event.participant

    def _timer_set(self, happened: e.Happened, event: e.TimerSet) -> None:
        self.timer = e.Timer(event.seconds, happened.at_ms) if event.seconds else None

    def _poll_opened(self, _: e.Happened, event: e.PollOpened) -> None:
        # Never a number again that a line behind a hole has.
        self.polls_opened = max(self.polls_opened + 1, int(event.poll[1:]))
        self.polls[event.poll] = e.Poll(event.poll, event.question, event.choices, "open", None, [])
        while len(self.polls) > POLLS_KEPT:
            del self.polls[next(iter(self.polls))]

    def _poll_answered(self, _: e.Happened, event: e.PollAnswered) -> None:
        poll = self.polls[event.poll]
        answers = [one for one in poll.answers if one.participant != event.participant]
        answers.append(e.Answer(event.participant, event.name, event.counts))
        self.polls[event.poll] = replace(poll, answers=answers)

    def _poll_closed(self, _: e.Happened, event: e.PollClosed) -> None:
        self.polls[event.poll] = replace(self.polls[event.poll], state="closed")

    def _poll_revealed(self, _: e.Happened, event: e.PollRevealed) -> None:
        self.polls[event.poll] = replace(self.polls[event.poll], state="revealed", right=event.right)

    def _said(self, happened: e.Happened, event: e.Said) -> None:
        self.chat.append(e.Line(happened.seq, happened.at_ms, happened.by, event.name, event.role, event.text))

    def _drawing_allowed(self, _: e.Happened, event: e.DrawingAllowed) -> None:
        if event.may:
            self.drawing[event.participant] = None
        else:
            self.drawing.pop(event.participant, None)

    def _joined(self, _: e.Happened, event: e.Joined) -> None:
        self.here[event.participant] = None

    def _left(self, _: e.Happened, event: e.Left) -> None:
        self.here.pop(event.participant, None)
        for id in [id for id, key in self.growing.items() if self.pages[key].ink[id].by == event.participant]:
            self.pages[self.growing.pop(id)].ink[id].finish()

    def _over(self, _: e.Happened, __: e.LessonOver) -> None:
        self.hands.clear()
        self.signs.clear()
        self.timer = None
        self.picked = ""


_CHANGES: dict[type, Callable[[Board, e.Happened, Any], None]] = {
    e.StageShown: Board._stage_shown,
    e.StrokeBegun: Board._stroke_begun,
    e.StrokeGrew: Board._stroke_grew,
    e.StrokesHidden: Board._strokes_hidden,
    e.StrokesShown: Board._strokes_shown,
    e.MaterialChanged: Board._material_changed,
    e.MaterialRemoved: Board._material_removed,
    e.Played: Board._played,
    e.ModeSet: Board._mode_set,
    e.HeadsSet: Board._heads_set,
    e.HandRaised: Board._hand_raised,
    e.HandLowered: Board._hand_lowered,
    e.SignGiven: Board._sign_given,
    e.Picked: Board._picked,
    e.TimerSet: Board._timer_set,
    e.PollOpened: Board._poll_opened,
    e.PollAnswered: Board._poll_answered,
    e.PollClosed: Board._poll_closed,
    e.PollRevealed: Board._poll_revealed,
    e.Said: Board._said,
    e.DrawingAllowed: Board._drawing_allowed,
    e.Joined: Board._joined,
    e.Left: Board._left,
    e.LessonOver: Board._over,
}
"""The events that change the board; the others are only remembered."""
