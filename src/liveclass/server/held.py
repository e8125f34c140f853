"""A lesson in memory with everything attached to it, and the shapes that travel: what the registry and its users share.

Holds; does nothing by itself.
"""

import asyncio
import secrets
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from liveclass.lesson.attendance import Attendance
from liveclass.lesson.events import Prepared
from liveclass.lesson.messages import LessonInfo, SlotsChanged
from liveclass.lesson.protocol import ServerMessage
from liveclass.lesson.state import Lesson
from liveclass.lesson.thumbnails import Gallery
from liveclass.lesson.timeline import Timeline
from liveclass.relay.source import Sink
from liveclass.server.connection import Connection
from liveclass.server.ports import LessonRow


@dataclass(slots=True)
class SessionRecord:
    """What HTTP needs to remember of a media session.

    Attributes:
        remote_ufrag: the client's ICE user fragment: a PATCH that brings another one asks for a restart.
    """

    remote_ufrag: str


@dataclass(slots=True, eq=False)
class Page:
    """An open socket and what its page needs to be told when it comes back."""

    connection: Connection
    welcomed_at: float


@dataclass(slots=True, eq=False)
class Held:
    """A lesson in memory and everything attached to it.

    Attributes:
        ended_at_ms: when the lesson ended, milliseconds since 1970; null while it has not.
        board_text: the board as it travels to newcomers, and the number of the last event in it.
        page_text: the page that was asked for last, as it travels: its key, the last event in it, and the text.
        prepared: how far each room is with each material, by the two.
        owner: new with each process that takes the lesson up: media sessions of another one are gone.
        lost: another node has it: nothing of it is written or told here any more.
    """

    lesson: Lesson
    used_at: float
    timeline: Timeline
    gallery: Gallery
    attendance: Attendance = field(default_factory=Attendance)
    board_text: tuple[int, str] | None = None
    page_text: tuple[str, int, str] | None = None
    prepared: dict[tuple[str, str], Prepared] = field(default_factory=dict)
    pages: dict[str, Page] = field(default_factory=dict)
    slots: dict[str, SlotsChanged] = field(default_factory=dict)
    sink: Sink | None = None
    saved_revision: int = 0
    saved_calls: int = 0
    saving_calls: bool = False
    changed_at: float | None = None
    deleted: bool = False
    lost: bool = False
    owner: str = field(default_factory=lambda: secrets.token_hex(6))
    ended_at_ms: int | None = None
    saving: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def id(self) -> str:
        return self.lesson.info.id

    def send(self, who: str, text: str) -> None:
        """To the page of `who`, if there is one."""
        page = self.pages.get(who)
        if page is not None:
            page.connection.send(text)


def encode(message: ServerMessage) -> str:
    """The message as it travels."""
    return msgspec.json.encode(message).decode()


def info_of(row: LessonRow) -> LessonInfo:
    """A catalogue row as the pages know it."""
    return LessonInfo(
        id=row.id,
        title=row.title,
        state=row.state,
        language=row.language,
        starts_at_ms=as_ms(row.starts_at),
        started_at_ms=as_ms(row.started_at),
    )


def as_ms(moment: datetime | None) -> int | None:
    """Milliseconds since 1970."""
    return None if moment is None else int(moment.timestamp() * 1000)
