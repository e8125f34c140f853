"""What an order to the board leads to: validated orders in, events out, or a refusal that changes nothing.

Pure. Knows the board as it stands and who is here; refuses to change either (`lesson.board` does, with the events) and
to know how events are kept and sent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from liveclass.errors import PeerError
from liveclass.lesson import events as e
from liveclass.lesson import orders as o
from liveclass.lesson.board import Board
from liveclass.lesson.messages import LessonState
from liveclass.lesson.pages import SHAPES, Page
from liveclass.lesson.rights import Actor, check

FLAT = 3
"""Numbers in a point: x, y, pressure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardLimits:
    """Bounds of one lesson's board.

    Attributes:
        strokes: of one page.
        coordinates: numbers in the strokes of one page; 3 a point.
        pages: blank boards, and pages with strokes.
        materials: decks, songs and films.
        polls: in one lesson.
    """

    strokes: int = 2_000
    coordinates: int = 120_000
    pages: int = 400
    materials: int = 50
    polls: int = 200


class Room(Protocol):
    """Who is here, as the desk needs to know it."""

    @property
    def lesson_state(self) -> LessonState: ...

    def classroom_name(self, who: str) -> str | None:
        """The name of a classroom of this lesson; None: there is none of that id."""

    def classrooms_here(self) -> Sequence[str]:
        """Classrooms whose page is open."""


Decided = list[e.BoardEvent]


class Desk:
    """Decides for one lesson.

    Args:
        board: as it stands; whoever asks applies what is decided before asking again.
        choose: picks one of several by chance.
    """

    def __init__(self, board: Board, limits: BoardLimits, choose: Callable[[Sequence[str]], str]) -> None:
        self._board = board
        self._limits = limits
        self._choose = choose

    def decide(self, actor: Actor, order: o.BoardOrder, room: Room) -> Decided:
        """What the order leads to; nothing when things are as it wants them.

        Raises:
            PeerError: the actor may not, or what is asked makes no sense now; the board is as it was.
        """
        check(actor, order)
        if room.lesson_state == "ended":
            raise PeerError("This lesson is over.", status=409, code="lesson_ended")
        rule = cast("Callable[[Desk, Actor, Any, Room], Decided]", _RULES[type(order)])
        return rule(self, actor, order, room)

    # What all look at

    def _show(self, _: Actor, order: o.Show, __: Room) -> Decided:
        page = material = ""
        if order.stage == "page":
            page = order.page or ""
            self._required_page(page)
        elif order.stage == "film":
            material = order.material or ""
            self._required_material(material)
        shown = e.StageShown(order.stage, page, material, order.source)
        now = self._board.stage
        same = (now.stage, now.page, now.material, now.source) == (order.stage, page, material, order.source)
        return [] if same else [shown]

    def _play(self, _: Actor, order: o.Play, __: Room) -> Decided:
        material = self._required_material(order.material)
        if material.kind == "deck" or material.state != "ready":
            raise PeerError("This cannot be played.", status=409, code="not_playable")
        return [e.Played(order.material, order.playing, min(order.position_ms, material.duration_ms))]

    def _set_mode(self, _: Actor, order: o.SetMode, __: Room) -> Decided:
        return [] if order.mode == self._board.mode else [e.ModeSet(order.mode)]

    # Drawing

    def _draw(self, actor: Actor, order: o.Draw, _: Room) -> Decided:
        self._required_page(order.page, drawing=True)
        page = self._board.page(order.page) or Page()
        if order.id in self._board.growing or any(order.id in one.ink for one in self._board.pages.values()):
            raise PeerError("There is a stroke of this id.", status=409, code="stroke_known")
        if len(page.ink) >= self._limits.strokes:
            raise page_full()
        points = self._points(page, order.points)
        if not points or order.tool in (*SHAPES, "text"):
            points = points[:FLAT]
        if not points or bool(order.text) != (order.tool == "text"):
            raise PeerError("This is no stroke.", status=422, code="stroke_invalid")
        done = order.tool == "text"
        return [e.StrokeBegun(order.id, order.page, order.tool, order.color, order.width, points, order.text, done)]

    def _draw_more(self, actor: Actor, order: o.DrawMore, _: Room) -> Decided:
        key = self._board.growing.get(order.id)
        page = None if key is None else self._board.page(key)
        ink = None if page is None else page.ink.get(order.id)
        if key is None or page is None or ink is None or ink.by != actor.id:
            raise PeerError("There is no such stroke of yours that grows.", status=404, code="stroke_unknown")
        if ink.tool in SHAPES:
            if len(order.points) not in (0, 2):
                raise PeerError("This is no end of a shape.", status=422, code="stroke_invalid")
            return [e.StrokeGrew(order.id, key, order.points, order.done)] if order.points or order.done else []
        points = self._points(page, order.points)
        return [e.StrokeGrew(order.id, key, points, order.done)] if points or order.done else []

    def _erase(self, actor: Actor, order: o.Erase, _: Room) -> Decided:
        page = self._board.page(order.page)
        ids = [] if page is None else page.shown(dict.fromkeys(order.ids))
        if actor.part == "classroom" and page is not None:
            ids = [id for id in ids if page.ink[id].by == actor.id]
        return [e.StrokesHidden(order.page, ids, "erase")] if ids else []

    def _clear(self, _: Actor, order: o.Clear, __: Room) -> Decided:
        page = self._board.page(order.page)
        ids = [] if page is None else page.shown(page.ink)
        return [e.StrokesHidden(order.page, ids, "clear")] if ids else []

    def _undo(self, actor: Actor, order: o.Undo, _: Room) -> Decided:
        page = self._board.page(order.page)
        step = None if page is None else page.undoable(actor.id)
        if page is None or step is None:
            return []
        # What another hand has hidden meanwhile stays so: the step is taken back as far as it still stands.
        if step.drew:
            return [e.StrokesHidden(order.page, page.shown(step.ids), "undo")]
        return [e.StrokesShown(order.page, page.hidden(step.ids), "undo")]

    def _redo(self, actor: Actor, order: o.Redo, _: Room) -> Decided:
        page = self._board.page(order.page)
        step = None if page is None else page.redoable(actor.id)
        if page is None or step is None:
            return []
        if step.drew:
            return [e.StrokesShown(order.page, page.hidden(step.ids), "redo")]
        return [e.StrokesHidden(order.page, page.shown(step.ids), "redo")]

    def _point(self, _: Actor, order: o.Point, __: Room) -> Decided:
        return [e.Pointed(0, 0, True) if order.off else e.Pointed(order.x, order.y)]

    # Questions and answers

    def _set_heads(self, actor: Actor, order: o.SetHeads, _: Room) -> Decided:
        return [] if self._board.heads.get(actor.id) == order.heads else [e.HeadsSet(actor.id, order.heads)]

    def _hand(self, actor: Actor, order: o.RaiseHand, _: Room) -> Decided:
        if order.up == (actor.id in self._board.hands):
            return []
        return [e.HandRaised(actor.id) if order.up else e.HandLowered(actor.id)]

    def _sign(self, actor: Actor, order: o.GiveSign, _: Room) -> Decided:
        given = self._board.signs.get(actor.id)
        return [] if (given.sign if given else "") == order.sign else [e.SignGiven(actor.id, order.sign)]

    def _lower_hand(self, _: Actor, order: o.LowerHand, __: Room) -> Decided:
        done: Decided = []
        if order.participant in self._board.hands:
            done.append(e.HandLowered(order.participant))
        if order.participant in self._board.signs:
            done.append(e.SignGiven(order.participant, ""))
        return done

    def _pick(self, _: Actor, __: o.Pick, room: Room) -> Decided:
        here = list(room.classrooms_here())
        if not here:
            raise PeerError("No classroom is here now.", status=409, code="participant_offline")
        # Not the one of before, as long as there is another: chance that repeats itself looks like a mistake.
        others = [who for who in here if who != self._board.picked]
        return [e.Picked(self._choose(others or here))]

    def _set_timer(self, _: Actor, order: o.SetTimer, __: Room) -> Decided:
        return [e.TimerSet(order.seconds)] if order.seconds or self._board.timer is not None else []

    def _open_poll(self, _: Actor, order: o.OpenPoll, __: Room) -> Decided:
        if self._board.polls_opened >= self._limits.polls:
            raise PeerError("This lesson has had as many questions as it may.", status=409, code="too_many_polls")
        closing: Decided = [e.PollClosed(one.poll) for one in self._board.polls.values() if one.state == "open"]
        poll = e.PollOpened(f"p{self._board.polls_opened + 1}", order.question.strip(), list(order.choices))
        return [*closing, poll]

    def _answer(self, actor: Actor, order: o.GiveAnswer, _: Room) -> Decided:
        poll = self._required_poll(order.poll)
        if poll.state != "open":
            raise PeerError("This question is closed.", status=409, code="poll_closed")
        if len(order.counts) != len(poll.choices):
            raise PeerError("These are not the choices of this question.", status=422, code="answer_invalid")
        return [e.PollAnswered(order.poll, actor.id, actor.name, list(order.counts))]

    def _close_poll(self, _: Actor, order: o.ClosePoll, __: Room) -> Decided:
        return [e.PollClosed(order.poll)] if self._required_poll(order.poll).state == "open" else []

    def _reveal(self, _: Actor, order: o.Reveal, __: Room) -> Decided:
        poll = self._required_poll(order.poll)
        if order.right is not None and order.right >= len(poll.choices):
            raise PeerError("There is no such choice.", status=422, code="answer_invalid")
        return (
            [] if poll.state == "revealed" and poll.right == order.right else [e.PollRevealed(order.poll, order.right)]
        )

    def _chat(self, actor: Actor, order: o.Chat, _: Room) -> Decided:
        text = " ".join(order.text.split())
        if not text:
            raise PeerError("This has no letters.", status=422, code="text_empty")
        return [e.Said(actor.name, "classroom" if actor.part == "classroom" else "teacher", text)]

    def _mark(self, _: Actor, order: o.Mark, __: Room) -> Decided:
        return [e.Marked(" ".join(order.text.split()))]

    def _let_draw(self, _: Actor, order: o.LetDraw, room: Room) -> Decided:
        if order.may and room.classroom_name(order.participant) is None:
            raise PeerError("There is no such participant in this lesson.", status=404, code="participant_unknown")
        known = order.participant in self._board.drawing
        return [] if known == order.may else [e.DrawingAllowed(order.participant, order.may)]

    # Inside

    def _required_page(self, key: str, *, drawing: bool = False) -> None:
        if not key:
            raise PeerError("Which page?", status=422, code="page_unknown")
        owner, number = e.owner_of(key), e.number_of(key)
        if owner == "b":
            known = number <= self._board.boards + (0 if drawing else 1)
            if known and number <= self._limits.pages:
                return
        else:
            material = self._board.materials.get(owner)
            if material is not None and material.kind == "deck" and number <= max(material.done, material.total):
                return
        raise PeerError("There is no such page.", status=404, code="page_unknown")

    def _required_material(self, id: str) -> e.Material:
        material = self._board.materials.get(id)
        if material is None:
            raise PeerError("There is no such material.", status=404, code="material_unknown")
        return material

    def _required_poll(self, id: str) -> e.Poll:
        poll = self._board.polls.get(id)
        if poll is None:
            raise PeerError("There is no such question.", status=404, code="poll_unknown")
        return poll

    def _points(self, page: Page, points: list[int]) -> list[int]:
        if len(points) % FLAT:
            raise PeerError("These are no points.", status=422, code="stroke_invalid")
        if page.coordinates + len(points) > self._limits.coordinates:
            raise page_full()
        return list(points)


def page_full() -> PeerError:
    """The refusal where a page holds as many strokes as it may."""
    return PeerError("This page is full; take a new one.", status=409, code="page_full")


_RULES: dict[type, Callable[..., Decided]] = {
    o.Show: Desk._show,
    o.Play: Desk._play,
    o.SetMode: Desk._set_mode,
    o.Draw: Desk._draw,
    o.DrawMore: Desk._draw_more,
    o.Erase: Desk._erase,
    o.Clear: Desk._clear,
    o.Undo: Desk._undo,
    o.Redo: Desk._redo,
    o.Point: Desk._point,
    o.SetHeads: Desk._set_heads,
    o.RaiseHand: Desk._hand,
    o.GiveSign: Desk._sign,
    o.LowerHand: Desk._lower_hand,
    o.Pick: Desk._pick,
    o.SetTimer: Desk._set_timer,
    o.OpenPoll: Desk._open_poll,
    o.GiveAnswer: Desk._answer,
    o.ClosePoll: Desk._close_poll,
    o.Reveal: Desk._reveal,
    o.Chat: Desk._chat,
    o.Mark: Desk._mark,
    o.LetDraw: Desk._let_draw,
}
"""One rule for each order."""
