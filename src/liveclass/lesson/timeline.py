"""The timeline of a lesson: one append-only log of what happened, and the board that it adds up to.

Pure: orders and `at_ms` go in, events come out. Two boards are held: `decided` has every event, so that the next order
is judged rightly; `told` has those that are kept on disk, which is what pages may see. Knows no file and no socket.
"""

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from liveclass.errors import PeerError
from liveclass.lesson import orders as o
from liveclass.lesson.board import Board
from liveclass.lesson.desk import BoardLimits, Desk, Room
from liveclass.lesson.events import (
    BoardEvent,
    Happened,
    LessonBegan,
    LessonOver,
    MaterialChanged,
    MaterialRemoved,
    PageStrokes,
    PartBegan,
)
from liveclass.lesson.rates import Rates
from liveclass.lesson.rights import Actor

ROOMS_SHARE = 0.6
"""Of the log, before classrooms are refused: whoever has their link must not be able to silence the volunteer."""

NOTES_SHARE = 0.8
"""Before the server leaves out who came, went and received what."""

NEEDED = (LessonBegan, LessonOver, PartBegan, MaterialChanged, MaterialRemoved)


class Timeline:
    """One lesson's.

    Args:
        past: the log so far, with holes perhaps; each event is in both boards.
        choose: picks one of several by chance.
        max_events: how long the log may grow; beyond it orders are refused, while the lesson goes on.
        max_bytes: the same in bytes.

    Attributes:
        bytes: what the log holds; counted by whoever writes it.
    """

    def __init__(
        self,
        past: Iterable[Happened],
        limits: BoardLimits,
        choose: Callable[[Sequence[str]], str],
        *,
        max_events: int = 200_000,
        max_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        self.decided = Board()
        self.told = Board()
        self._desk = Desk(self.decided, limits, choose)
        self._rates = Rates()
        self._max_events = max_events
        self._max_bytes = max_bytes
        self.bytes = 0
        for happened in past:
            self.decided.recall(happened)
            self.told.recall(happened)

    def order(self, actor: Actor, order: o.BoardOrder, room: Room, now: float, at_ms: int) -> list[Happened]:
        """What an order leads to, decided now; to be kept, and then told.

        Args:
            now: the caller's monotonic clock in seconds, for the rate.
            at_ms: milliseconds since 1970.

        Raises:
            PeerError: it is refused; nothing has changed. 429 `rate_limited` when it comes too often for its kind,
                409 `timeline_full` when the log may not grow.
        """
        self._rates.check(actor, order, now)
        if self._full(1.0 if actor.part != "classroom" else ROOMS_SHARE):
            raise PeerError("This lesson's record is full.", status=409, code="timeline_full")
        return self._happened(actor.id, self._desk.decide(actor, order, room), at_ms)

    def note(self, events: Iterable[BoardEvent], at_ms: int) -> list[Happened]:
        """What the server itself has seen happen; of a log that is nearly full only what replay and report rest on."""
        if self._full(NOTES_SHARE):
            events = [event for event in events if isinstance(event, NEEDED)]
        return self._happened("", events, at_ms)

    def allow(self, actor: Actor, message: Struct, now: float) -> None:
        """Count a question that leaves no trace. Raises PeerError 429 `rate_limited` when it comes too often."""
        self._rates.check(actor, message, now)

    def kept(self, happened: Happened) -> None:
        """The event is on disk, so pages may know it."""
        self.told.apply(happened)

    def page(self, key: str) -> PageStrokes:
        """The strokes of one page, as pages may know them."""
        return self.told.page_state(key)

    def _full(self, share: float) -> bool:
        return self.decided.seq >= self._max_events * share or self.bytes >= self._max_bytes * share

    def _happened(self, by: str, events: Iterable[BoardEvent], at_ms: int) -> list[Happened]:
        done = []
        for event in events:
            one = Happened(self.decided.seq + 1, max(at_ms, self.decided.at_ms), by, event)
            self.decided.apply(one)
            done.append(one)
        return done
