"""The strokes of one page of the board, and what each hand may take back. Pure: events change it, nothing else does.

Knows no rights and no lesson: who may do what has been decided when an event comes here.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from liveclass.lesson.events import Cause, Stroke, StrokeBegun, StrokeGrew, StrokesHidden, StrokesShown

STEPS_KEPT = 100
"""How many steps one hand can take back on a page: more than anybody remembers."""

SHAPES = ("line", "rectangle", "ellipse")
"""Tools whose stroke has two ends: more points are the new second end."""

COARSE = 12
"""In 1/10000 of the width: what a newcomer is spared of a stroke. 0.12 % of the width is a pixel or two of what a
projector shows, so a stroke that was thinned so looks as it did."""


@dataclass(slots=True)
class Ink:
    """A stroke as it is kept: 16 bits a coordinate, as an hour of writing has half a million of them."""

    id: str
    by: str
    tool: str
    color: str
    width: int
    points: array[int]
    text: str = ""
    gone: bool = False
    growing: bool = True
    thin: array[int] | None = None

    def finish(self) -> None:
        """Nothing more comes. Thinned now, a stroke at a time: a newcomer to a full page should not wait for all."""
        if self.growing:
            self.growing = False
            if self.tool in ("pen", "highlighter") and len(self.points) > 9:
                self.thin = array("i", thinned(self.points.tolist(), COARSE))


@dataclass(slots=True)
class Step:
    """What a hand did: strokes appeared (`drew`) or went (`hid`)."""

    drew: bool
    ids: tuple[str, ...]


@dataclass(slots=True)
class Hand:
    """What one participant can take back on this page, and do again."""

    done: list[Step] = field(default_factory=list)
    undone: list[Step] = field(default_factory=list)

    def do(self, step: Step) -> None:
        self.done.append(step)
        del self.done[:-STEPS_KEPT]
        self.undone.clear()


class Page:
    """The strokes of a page, in the order they were begun.

    Attributes:
        coordinates: how many numbers its strokes hold, for the bound.
    """

    __slots__ = ("coordinates", "hands", "ink")

    def __init__(self) -> None:
        self.ink: dict[str, Ink] = {}
        self.hands: dict[str, Hand] = {}
        self.coordinates = 0

    def begin(self, by: str, event: StrokeBegun) -> None:
        self.ink[event.id] = Ink(
            event.id,
            by,
            event.tool,
            event.color,
            event.width,
            array("h", event.points),
            event.text,
            growing=not event.done,
        )
        self.coordinates += len(event.points)
        self.hands.setdefault(by, Hand()).do(Step(True, (event.id,)))

    def grow(self, event: StrokeGrew) -> None:
        ink = self.ink[event.id]
        if ink.tool in SHAPES:
            if event.points:
                first = ink.points[:3]
                ink.points = first + array("h", [*event.points[:2], 50])
        else:
            ink.points.extend(event.points)
            self.coordinates += len(event.points)
        if event.done:
            ink.finish()

    def hide(self, by: str, event: StrokesHidden) -> None:
        self._set_gone(event.ids, True)
        self._step(by, event.cause, event.ids, drew=False)

    def show(self, by: str, event: StrokesShown) -> None:
        self._set_gone(event.ids, False)
        self._step(by, event.cause, event.ids, drew=True)

    def undoable(self, by: str) -> Step | None:
        """What `by` would take back next; None: nothing."""
        hand = self.hands.get(by)
        return hand.done[-1] if hand is not None and hand.done else None

    def redoable(self, by: str) -> Step | None:
        """What `by` would do again next; None: nothing."""
        hand = self.hands.get(by)
        return hand.undone[-1] if hand is not None and hand.undone else None

    def strokes(self) -> list[Stroke]:
        """As a page that comes now needs them. What is gone is left out: a page that is told of its return and does not
        have it asks for the whole page."""
        return [
            Stroke(ink.id, ink.by, ink.tool, ink.color, ink.width, _told(ink), ink.text)  # type: ignore[arg-type]
            for ink in self.ink.values()
            if not ink.gone
        ]

    def shown(self, ids: Iterable[str]) -> list[str]:
        """Those of `ids` that are there and to be seen."""
        return [id for id in ids if (ink := self.ink.get(id)) is not None and not ink.gone]

    def hidden(self, ids: Iterable[str]) -> list[str]:
        """Those of `ids` that are there and gone."""
        return [id for id in ids if (ink := self.ink.get(id)) is not None and ink.gone]

    def _set_gone(self, ids: Iterable[str], gone: bool) -> None:
        for id in ids:
            # A log with a hole may have lost a stroke; that keeps none of the others from going.
            if (ink := self.ink.get(id)) is not None:
                ink.gone = gone

    def _step(self, by: str, cause: Cause, ids: list[str], *, drew: bool) -> None:
        hand = self.hands.setdefault(by, Hand())
        if cause == "undo":
            hand.undone += [hand.done.pop()] if hand.done else []
        elif cause == "redo":
            hand.done += [hand.undone.pop()] if hand.undone else []
        else:
            hand.do(Step(drew, tuple(ids)))


def _told(ink: Ink) -> list[int]:
    """A finished stroke without the points that nobody would miss; one that grows as it is, as what comes next is told
    from its last point."""
    return (ink.thin if ink.thin is not None else ink.points).tolist()


def thinned(points: list[int], coarse: int) -> list[int]:
    """A flat stroke of differences with fewer points: a point stays where the straight line from the last one that
    stayed would miss any point between by more than `coarse`.

    Args:
        points: x, y, pressure; differences after the first point. At least one point.
        coarse: in units of the page.
    """
    xs, ys, ps = _absolute(points)
    kept = [0]
    at = 0
    last = len(xs) - 1
    for i in range(2, len(xs)):
        if _strays(xs, ys, at, i, coarse) or i - at > 40:
            at = i - 1
            kept.append(at)
    kept.append(last)
    out = [xs[0], ys[0], ps[0]]
    for before, now in pairwise(kept):
        out += (xs[now] - xs[before], ys[now] - ys[before], ps[now] - ps[before])
    return out


def _absolute(points: list[int]) -> tuple[list[int], list[int], list[int]]:
    xs, ys, ps = [], [], []
    x = y = p = 0
    for i in range(0, len(points) - 2, 3):
        x, y, p = x + points[i], y + points[i + 1], p + points[i + 2]
        xs.append(x)
        ys.append(y)
        ps.append(p)
    return xs, ys, ps


def _strays(xs: list[int], ys: list[int], a: int, b: int, coarse: int) -> bool:
    """Does any point between `a` and `b` lie further than `coarse` from the straight line between them?"""
    ax, ay, dx, dy = xs[a], ys[a], xs[b] - xs[a], ys[b] - ys[a]
    length = (dx * dx + dy * dy) ** 0.5
    for i in range(a + 1, b):
        off = abs((xs[i] - ax) * dy - (ys[i] - ay) * dx) / length if length else abs(xs[i] - ax) + abs(ys[i] - ay)
        if off > coarse:
            return True
    return False
