"""A lesson in memory with everything attached to it, and the shapes that travel: what the registry and its users share.

Holds; does nothing by itself.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from liveclass.lesson.messages import LessonInfo, ServerMessage, SlotsChanged
from liveclass.lesson.state import Lesson
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
    """

    lesson: Lesson
    used_at: float
    pages: dict[str, Page] = field(default_factory=dict)
    slots: dict[str, SlotsChanged] = field(default_factory=dict)
    sink: Sink | None = None
    saved_revision: int = 0
    saved_calls: int = 0
    saving_calls: bool = False
    changed_at: float | None = None
    deleted: bool = False
    ended_at_ms: int | None = None
    saving: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def id(self) -> str:
        return self.lesson.info.id


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
