"""The blackboards of the lessons in memory: orders become events, events are kept, then told to the pages.

Decides nothing (that is `lesson.desk`) and writes no file (`server.logbook`); joins the two for each lesson, and passes
on what leaves no trace: thumbnails, and how far each classroom is with fetching the materials.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence

import structlog

from liveclass.config import Settings
from liveclass.errors import PeerError
from liveclass.lesson import orders as o
from liveclass.lesson.desk import BoardLimits
from liveclass.lesson.events import (
    UNTOLD_EVENTS,
    BoardEvent,
    Happened,
    Left,
    Material,
    MaterialChanged,
    MaterialRemoved,
    Prepared,
    StageShown,
    ThumbnailOf,
    ThumbnailWanted,
)
from liveclass.lesson.messages import LessonState, Pong
from liveclass.lesson.rights import Actor, Part, check
from liveclass.lesson.thumbnails import Gallery
from liveclass.lesson.timeline import Timeline
from liveclass.server.held import Held, encode
from liveclass.server.logbook import Logbook

log = structlog.get_logger(__name__)

NUDGES_S = (0.02, 0.05, 0.09, 0.14, 0.2)
"""A turned page is one packet with nothing behind it: where it is lost, TCP notices after a second or so. A few bytes
so long after it are answered by what tells TCP of the loss within a round trip; several, as losses come in bursts."""


class Boards:
    """One for all lessons of a process.

    Args:
        monotonic: seconds, never going back; `wall` seconds since 1970.
    """

    def __init__(
        self, settings: Settings, logbook: Logbook, monotonic: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        self._limits = BoardLimits(
            strokes=settings.max_page_strokes, pages=settings.max_board_pages, materials=settings.max_materials
        )
        self._max_events = settings.max_events
        self._max_bytes = settings.max_timeline_bytes
        self._thumbnail_bps = settings.thumbnails_kbps * 1000
        self.logbook = logbook
        self._monotonic = monotonic
        # One reading of the wall clock for all: the recording's parts run by the monotonic clock too, and a wall clock
        # that is set anew in a lesson must not move strokes away from the words they belong to.
        self._epoch_s = wall() - monotonic()
        self._chance = random.SystemRandom()

    def now_ms(self) -> int:
        """The time line's clock: milliseconds since 1970, steady."""
        return int((self._epoch_s + self._monotonic()) * 1000)

    def gallery(self) -> Gallery:
        """A lesson's thumbnails."""
        return Gallery(self._thumbnail_bps)

    def load(self, lesson_id: str) -> Timeline:
        """The timeline as the log has it; blocking, as it reads the file."""
        past = self.logbook.read(lesson_id)
        timeline = Timeline(
            past, self._limits, self._chance.choice, max_events=self._max_events, max_bytes=self._max_bytes
        )
        timeline.bytes = self.logbook.size(lesson_id)
        return timeline

    def handle(self, held: Held, who: str, message: o.BoardOrder | o.Passing) -> None:
        """A page asks something of the board.

        Raises:
            PeerError: it may not, or it makes no sense now.
        """
        actor = self._actor(held, who)
        match message:
            case o.GetPage():
                held.timeline.allow(actor, message, self._monotonic())
                held.send(who, self._page(held, message.page))
            case o.Thumbnails():
                check(actor, message)
                self._ask(held, held.gallery.look(who, message.of))
            case o.Thumbnail():
                check(actor, message)
                for teacher in held.gallery.shown(who, self._monotonic(), len(message.data)):
                    held.send(teacher, encode(ThumbnailOf(who, message.data)))
            case o.MaterialsReady():
                check(actor, message)
                self._prepared(held, who, message)
            case _:
                room = _Room(held)
                self._keep(held, held.timeline.order(actor, message, room, self._monotonic(), self.now_ms()))

    def wake(self, held: Held) -> None:
        """A lesson has come into memory: whoever was in it when the last process ended without a word left then."""
        gone = held.timeline.decided.here
        if gone:
            self._keep(held, held.timeline.note([Left(who) for who in gone], 0))

    def note(self, held: Held, events: Iterable[BoardEvent]) -> None:
        """The server itself has seen something happen."""
        self._keep(held, held.timeline.note(events, self.now_ms()))

    def materials(self, held: Held, now: Sequence[Material]) -> None:
        """What the lesson has to teach with is now this: what is new, changed or gone on the board is noted."""
        known, there = held.timeline.decided.materials, {material.id: material for material in now}
        changes: list[BoardEvent] = [MaterialChanged(m) for m in now if known.get(m.id) != m]
        changes += [MaterialRemoved(id) for id in known if id not in there]
        if changes:
            self.note(held, changes)

    def look(self, held: Held) -> None:
        """Note who came and went, and ask for the thumbnails that are due."""
        notes = held.attendance.look(held.lesson.members(), self._monotonic())
        if notes:
            self.note(held, notes)
        online = [m.id for m in held.lesson.members() if m.online]
        self._ask(held, held.gallery.rooms(online))

    def texts(self, held: Held, who: str) -> list[str]:
        """What follows a `Welcome`: the board, and for teachers how far each room is with the materials."""
        board = held.timeline.told
        if held.board_text is None or held.board_text[0] != board.seq:
            held.board_text = (board.seq, encode(board.state()))
        member = held.lesson.member(who)
        prepared = held.prepared.values() if member is not None and member.role == "teacher" else ()
        return [held.board_text[1], *(encode(one) for one in prepared)]

    # Inside

    def _actor(self, held: Held, who: str) -> Actor:
        member = held.lesson.member(who)
        if member is None:
            raise PeerError("There is no such participant in this lesson.", status=404, code="participant_unknown")
        part: Part = "classroom"
        if member.role == "teacher":
            lead = held.lesson.member(held.lesson.lead)
            away = lead is None or not lead.present
            part = "lead" if away or held.lesson.lead == who else "co"
        return Actor(who, part, member.name, who in held.timeline.decided.drawing)

    def _keep(self, held: Held, happened: Sequence[Happened]) -> None:
        if not happened:
            return
        texts = [encode(one) for one in happened]

        def kept(ok: bool) -> None:
            # A disk that refuses costs the replay its strokes, never the lesson.
            for one, text in zip(happened, texts, strict=True):
                held.timeline.kept(one)
                if not isinstance(one.event, UNTOLD_EVENTS):
                    for page in held.pages.values():
                        page.connection.send(text)
            if any(isinstance(one.event, StageShown) for one in happened):
                loop = asyncio.get_running_loop()
                for delay_s in NUDGES_S:
                    loop.call_later(delay_s, self._nudge, held)

        if held.deleted or held.lost:
            return
        lines = "".join(f"{text}\n" for text in texts).encode()
        held.timeline.bytes += len(lines)
        self.logbook.append(held.id, lines, kept)

    def _nudge(self, held: Held) -> None:
        text = encode(Pong(at_ms=self.now_ms()))
        for page in held.pages.values():
            page.connection.send(text)

    def _page(self, held: Held, key: str) -> str:
        """A page's strokes as they travel; a class of forty rooms that turns to it asks forty times."""
        seq = held.timeline.told.seq
        if held.page_text is None or held.page_text[:2] != (key, seq):
            held.page_text = (key, seq, encode(held.timeline.page(key)))
        return held.page_text[2]

    def _prepared(self, held: Held, who: str, message: o.MaterialsReady) -> None:
        if message.material not in held.timeline.told.materials:
            return
        told = Prepared(who, message.material, message.have, message.total)
        held.prepared[who, message.material] = told
        text = encode(told)
        for member in held.lesson.members():
            if member.role == "teacher":
                held.send(member.id, text)

    def _ask(self, held: Held, rooms: Sequence[tuple[str, float]]) -> None:
        for who, every_s in rooms:
            held.send(who, encode(ThumbnailWanted(every_s)))


class _Room:
    """A lesson as the desk sees it."""

    def __init__(self, held: Held) -> None:
        self._lesson = held.lesson

    @property
    def lesson_state(self) -> LessonState:
        return self._lesson.state

    def classroom_name(self, who: str) -> str | None:
        member = self._lesson.member(who)
        return member.name if member is not None and member.role == "classroom" else None

    def classrooms_here(self) -> Sequence[str]:
        return [m.id for m in self._lesson.members() if m.role == "classroom" and m.online and not m.anonymous]
