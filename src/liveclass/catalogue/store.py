"""The catalogue: which lessons there are, whose links open them, and what is recorded of each.

One `Catalogue` serves a process. It knows the life of a lesson (`TRANSITIONS`) and keeps of every token its hash alone;
it refuses to know HTTP, media and files. Each call is one transaction, done when it returns. A database server that is
away makes any call a `PeerError` (503, ``database_down``) within seconds.
"""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Self, cast, get_args

from sqlalchemy import delete, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from liveclass.catalogue.database import (
    ANSWER_S,
    POOL,
    answered,
    connect,
    forget_deleted,
    is_lite,
    migrate_engine,
    writing,
)
from liveclass.catalogue.models import ID_LENGTH, LANGUAGE_LENGTH, TITLE_LENGTH, WORD_LENGTH, Lesson, Link, Recording
from liveclass.catalogue.rows import LINK_ROLES, LessonRow, LinkRole, RecordingRow
from liveclass.errors import PeerError, UsageError
from liveclass.lesson.messages import LessonState, RecordingState

__all__ = ["LINK_ROLES", "TRANSITIONS", "Catalogue", "LessonRow", "LinkRole", "RecordingRow"]

TRANSITIONS: MappingProxyType[LessonState, frozenset[LessonState]] = MappingProxyType(
    {
        "waiting": frozenset({"live", "ended"}),  # a lesson that nobody taught can be called off
        "live": frozenset({"ended"}),
        "ended": frozenset(),
    }
)

# No letters or digits that are read for one another (0 O, 1 I l), no sign that a shell takes for an option: ids are
# typed, printed and spoken. 12 of 57 are 70 bits; the token beside the id is the secret.
ID_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

TOKEN_BYTES = 16  # 128 random bits, 22 characters of base64url

MAX_PAGE = 500


class Catalogue:
    """Lessons, links and recordings. Open it with `Catalogue.open`; safe to use from many tasks of one event loop."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._limit_s = None if is_lite(engine) else ANSWER_S
        self._reading = async_sessionmaker(engine, expire_on_commit=False)
        self._writing = async_sessionmaker(writing(engine), expire_on_commit=False)

    @classmethod
    async def open(cls, url: str, *, busy_timeout_s: float = 5.0, pool: int = POOL) -> Self:
        """Connect, bring the tables to this version (`migrate`), and be ready.

        Args:
            url: a SQLAlchemy URL, ``sqlite+aiosqlite:///path`` or ``postgresql+asyncpg://...``.
            busy_timeout_s: seconds to wait for another process that holds an SQLite file.
            pool: connections to a database server at most.

        Raises:
            UsageError: the database cannot be reached, is locked, damaged, or was made by a newer liveclass.
        """
        engine = await connect(url, busy_timeout_s=busy_timeout_s, pool=pool)
        try:
            await migrate_engine(engine)
        except BaseException:
            await engine.dispose()
            raise
        return cls(engine)

    async def close(self) -> None:
        """Let go of every connection; the catalogue is of no use afterwards."""
        await self._engine.dispose()

    async def create_lesson(
        self, title: str, language: str, starts_at: datetime | None = None
    ) -> tuple[LessonRow, dict[LinkRole, str]]:
        """A new lesson, waiting, and the tokens of its three links: the only time that they are known.

        Args:
            title: 1 to 200 characters after trimming.
            language: a BCP 47 tag, at most 16 characters.
            starts_at: an aware time, or None.

        Raises:
            PeerError: the title, language or time is not acceptable (400).
        """
        title = _checked(title.strip(), TITLE_LENGTH, "The title")
        language = _checked(language, LANGUAGE_LENGTH, "The language")
        if starts_at is not None and starts_at.tzinfo is None:
            raise PeerError("The starting time needs a time zone.", status=400, code="starts_at_invalid")
        now = datetime.now(UTC)
        lesson = Lesson(
            id="".join(secrets.choice(ID_ALPHABET) for _ in range(ID_LENGTH)),
            title=title,
            language=language,
            state="waiting",
            created_at=now,
            starts_at=starts_at,
        )
        tokens = {role: secrets.token_urlsafe(TOKEN_BYTES) for role in LINK_ROLES}
        async with self._write() as session:
            session.add(lesson)
            await session.flush()
            session.add_all(_link(lesson.id, role, token, now) for role, token in tokens.items())
        return _lesson_row(lesson), tokens

    async def lesson(self, lesson_id: str) -> LessonRow | None:
        """The lesson of that id, None when there is none."""
        async with self._read() as session:
            found = await _find(session, lesson_id)
        return None if found is None else _lesson_row(found)

    async def lessons(
        self, limit: int = 50, before: str | None = None, *, state: LessonState | None = None
    ) -> list[LessonRow]:
        """Lessons, newest first.

        Args:
            limit: how many at most (1 to 500).
            before: the id of the last lesson of the page before; None for the first page.
            state: only lessons of this state.

        Raises:
            PeerError: no lesson has the id `before` (404).
        """
        query = select(Lesson).order_by(Lesson.created_at.desc(), Lesson.id.desc())
        query = query.limit(max(1, min(limit, MAX_PAGE)))
        if state is not None:
            query = query.where(Lesson.state == state)
        async with self._read() as session:
            if before is not None:
                last = await _find(session, before)
                if last is None:
                    raise _unknown_lesson()
                query = query.where(tuple_(Lesson.created_at, Lesson.id) < tuple_(last.created_at, last.id))
            return [_lesson_row(found) for found in await session.scalars(query)]

    async def live_lessons(self) -> list[LessonRow]:
        """Every lesson that is live, oldest first: what a process that starts has to take up again."""
        query = select(Lesson).where(Lesson.state == "live").order_by(Lesson.started_at, Lesson.id)
        async with self._read() as session:
            return [_lesson_row(found) for found in await session.scalars(query)]

    async def set_state(self, lesson_id: str, state: LessonState, at: datetime) -> LessonRow:
        """Move a lesson on, as `TRANSITIONS` allows, and note when.

        Args:
            at: when it happened; an aware time.

        Raises:
            PeerError: there is no such lesson (404), or its state allows no such step (409); nothing has changed.
        """
        stamp = {"live": Lesson.started_at, "ended": Lesson.ended_at}.get(state)
        values: dict[object, object] = {Lesson.state: state}
        if stamp is not None:
            values[stamp] = at
        origins = [origin for origin, targets in TRANSITIONS.items() if state in targets]
        async with self._write() as session:
            if await _find(session, lesson_id) is None:
                raise _unknown_lesson()
            # One conditional statement, so that of two who press at once exactly one succeeds.
            step = (
                update(Lesson)
                .where(Lesson.id == lesson_id, Lesson.state.in_(origins))
                .values(cast("dict[str, object]", values))
            )
            moved = (await session.scalars(step.returning(Lesson.id))).one_or_none()
            found = await session.get_one(Lesson, lesson_id, populate_existing=True)
            if moved is None:
                raise PeerError(
                    f"The lesson is {found.state} and cannot become {state}.", status=409, code=f"lesson_{found.state}"
                )
            return _lesson_row(found)

    async def delete_lesson(self, lesson_id: str) -> bool:
        """Forget the lesson, its links and its recording's entry. Its files are the recorder's to remove, before this.

        Returns:
            False when there was no such lesson.
        """
        async with self._write() as session:
            if await _find(session, lesson_id, lock=True) is None:
                return False
            await session.execute(delete(Link).where(Link.lesson_id == lesson_id))
            await session.execute(delete(Recording).where(Recording.lesson_id == lesson_id))
            await session.execute(delete(Lesson).where(Lesson.id == lesson_id))
        await forget_deleted(self._engine)
        return True

    async def role_of(self, lesson_id: str, token: str) -> LinkRole | None:
        """What the holder of this token is in this lesson; None when it opens nothing (wrong, revoked, other lesson).

        Hashes are compared in constant time, all of the lesson's, so that the answer's delay tells nothing.
        """
        presented = _hash(token)
        if not _is_id(lesson_id):
            return None
        query = select(Link.role, Link.token_hash).where(Link.lesson_id == lesson_id, Link.revoked_at.is_(None))
        async with self._read() as session:
            links = (await session.execute(query)).all()
        role: LinkRole | None = None
        for candidate, stored in links:
            if hmac.compare_digest(stored, presented):
                role = cast(LinkRole, candidate)
        return role

    async def revoke(self, lesson_id: str, role: LinkRole) -> None:
        """The lesson's link of that role opens nothing any more; twice is as once.

        Raises:
            PeerError: there is no such lesson (404).
        """
        async with self._write() as session:
            await self._revoke(session, lesson_id, role, datetime.now(UTC))

    async def rotate(self, lesson_id: str, role: LinkRole) -> str:
        """Revoke the link of that role and make a new one.

        Returns:
            the new token: the only time that it is known.

        Raises:
            PeerError: there is no such lesson (404).
        """
        token = secrets.token_urlsafe(TOKEN_BYTES)
        now = datetime.now(UTC)
        async with self._write() as session:
            await self._revoke(session, lesson_id, role, now)
            session.add(_link(lesson_id, role, token, now))
        return token

    async def put_recording(
        self,
        lesson_id: str,
        *,
        state: str,
        duration_s: float,
        bytes_: int,
        problem: str = "",
        at: datetime | None = None,
    ) -> bool:
        """Note how the lesson's recording stands, over what was noted before.

        Args:
            state: one of `RecordingState`.
            duration_s: replay time, seconds.
            bytes_: what its files take.
            problem: a stable word, empty when all is well.
            at: when this was so; now, when None.

        Returns:
            False when there is no such lesson (any more): news of a deleted recording may come late, and is dropped.

        Raises:
            UsageError: `state` is no state of a recording.
        """
        if state not in get_args(RecordingState):
            raise UsageError(f"{state!r} is no state of a recording")
        values = {
            "state": state,
            "duration_s": duration_s,
            "bytes": bytes_,
            "problem": problem[:WORD_LENGTH],
            "updated_at": at or datetime.now(UTC),
        }
        async with self._write() as session:
            # The lock lets two who have news of one lesson write one after the other (SQLite has one writer anyhow).
            if await _find(session, lesson_id, lock=True) is None:
                return False
            await session.merge(Recording(lesson_id=lesson_id, **values))
            return True

    async def recording(self, lesson_id: str) -> RecordingRow | None:
        """What was last noted of the lesson's recording; None when nothing was."""
        return (await self.recordings([lesson_id])).get(lesson_id)

    async def recordings(self, lesson_ids: Iterable[str]) -> dict[str, RecordingRow]:
        """As `recording`, for many lessons at once; lessons without an entry are left out."""
        query = select(Recording).where(Recording.lesson_id.in_(list(lesson_ids)))
        async with self._read() as session:
            return {found.lesson_id: _recording_row(found) for found in await session.scalars(query)}

    async def ping(self) -> None:
        """Ask the database for nothing, to see whether it answers.

        Raises:
            PeerError: a database server does not (503).
            UsageError: an SQLite file does not.
        """
        async with self._read() as session:
            await session.execute(select(1))

    async def _revoke(self, session: AsyncSession, lesson_id: str, role: LinkRole, now: datetime) -> None:
        if await _find(session, lesson_id, lock=True) is None:
            raise _unknown_lesson()
        valid = update(Link).where(Link.lesson_id == lesson_id, Link.role == role, Link.revoked_at.is_(None))
        await session.execute(valid.values(revoked_at=now))

    @asynccontextmanager
    async def _read(self) -> AsyncIterator[AsyncSession]:
        with answered():
            async with asyncio.timeout(self._limit_s), self._reading() as session:
                yield session

    @asynccontextmanager
    async def _write(self) -> AsyncIterator[AsyncSession]:
        with answered():
            async with asyncio.timeout(self._limit_s), self._writing() as session, session.begin():
                yield session


def _is_id(lesson_id: str) -> bool:
    """Whether it could be one: an id comes from a URL, and some databases take NUL for a fault of the statement."""
    return len(lesson_id) <= ID_LENGTH and lesson_id.isascii() and lesson_id.isalnum()


async def _find(session: AsyncSession, lesson_id: str, *, lock: bool = False) -> Lesson | None:
    return await session.get(Lesson, lesson_id, with_for_update=lock or None) if _is_id(lesson_id) else None


def _hash(token: str) -> bytes:
    """SHA-256 needs no salt here: a token is 128 random bits, not a word that someone chose."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _link(lesson_id: str, role: LinkRole, token: str, now: datetime) -> Link:
    return Link(token_hash=_hash(token), lesson_id=lesson_id, role=role, created_at=now)


def _checked(text: str, longest: int, what: str) -> str:
    if not 1 <= len(text) <= longest or not text.isprintable():
        raise PeerError(f"{what} needs 1 to {longest} printable characters.", status=400, code="bad_request")
    return text


def _unknown_lesson() -> PeerError:
    return PeerError("There is no such lesson.", status=404, code="lesson_unknown")


def _lesson_row(lesson: Lesson) -> LessonRow:
    return LessonRow(
        id=lesson.id,
        title=lesson.title,
        language=lesson.language,
        state=cast(LessonState, lesson.state),
        created_at=lesson.created_at,
        starts_at=lesson.starts_at,
        started_at=lesson.started_at,
        ended_at=lesson.ended_at,
    )


def _recording_row(recording: Recording) -> RecordingRow:
    return RecordingRow(
        lesson_id=recording.lesson_id,
        state=cast(RecordingState, recording.state),
        duration_s=recording.duration_s,
        bytes=recording.bytes,
        problem=recording.problem,
        updated_at=recording.updated_at,
    )
