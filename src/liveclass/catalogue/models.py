"""The tables, typed. Every change here needs a new migration beside `migrations/versions/`; a test compares both.

This module knows columns and keys; it refuses to know what a lesson's life looks like (`store`) and, but for one
collation, which database it is.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Float, ForeignKey, Index, LargeBinary, MetaData, String
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

ID_LENGTH = 12
TITLE_LENGTH = 200
LANGUAGE_LENGTH = 16  # the bound of `lesson.messages.Language`
WORD_LENGTH = 16
SHA256_BYTES = 32


def _word(length: int) -> String:
    """Text for programs, compared by its bytes on every database.

    Without that PostgreSQL would sort ids as the system's language does, and an upgrade of the system's C library
    (another base image) can silently break such an index.
    """
    return String(length).with_variant(postgresql.VARCHAR(length, collation="C"), "postgresql")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, kept in UTC: SQLite forgets the zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without its zone is ambiguous")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        stored: datetime = value
        return stored.replace(tzinfo=UTC) if stored.tzinfo is None else stored.astimezone(UTC)


class Base(DeclarativeBase):
    """Names of keys and indexes are fixed, so that a later migration can name what it drops on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Lesson(Base):
    __tablename__ = "lessons"

    id: Mapped[str] = mapped_column(_word(ID_LENGTH), primary_key=True)
    title: Mapped[str] = mapped_column(String(TITLE_LENGTH))
    language: Mapped[str] = mapped_column(String(LANGUAGE_LENGTH))
    state: Mapped[str] = mapped_column(_word(WORD_LENGTH), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    starts_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())

    __table_args__ = (Index(None, "created_at", "id"),)


class Link(Base):
    """A capability: whoever holds the token has the role in the lesson. Only the token's SHA-256 is kept."""

    __tablename__ = "links"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(SHA256_BYTES), primary_key=True)
    lesson_id: Mapped[str] = mapped_column(_word(ID_LENGTH), ForeignKey("lessons.id", ondelete="CASCADE"), index=True)
    role: Mapped[str] = mapped_column(_word(WORD_LENGTH))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class Recording(Base):
    __tablename__ = "recordings"

    lesson_id: Mapped[str] = mapped_column(
        _word(ID_LENGTH), ForeignKey("lessons.id", ondelete="CASCADE"), primary_key=True
    )
    state: Mapped[str] = mapped_column(_word(WORD_LENGTH))
    duration_s: Mapped[float] = mapped_column(Float(53))
    bytes: Mapped[int] = mapped_column(BigInteger)
    problem: Mapped[str] = mapped_column(_word(WORD_LENGTH))
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime())
