"""What an operator is told when the database cannot be used, and what is particular to SQLite."""

import os
import shutil
import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from liveclass.catalogue.database import connect, migrate
from liveclass.catalogue.rows import LessonRow
from liveclass.catalogue.store import Catalogue
from liveclass.errors import UsageError

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)


def url_of(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def execute(path: Path, statement: str) -> list[tuple[object, ...]]:
    """As another program would, past the catalogue."""
    with closing(sqlite3.connect(path)) as database, database:
        return list(database.execute(statement))


async def test_an_upgrade_that_fails_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    execute(path, "CREATE TABLE recordings (other TEXT)")  # in the way of the first step's third table
    with pytest.raises(UsageError):
        await migrate(url_of(path))
    assert execute(path, "SELECT name FROM sqlite_master WHERE type = 'table'") == [("recordings",)]


async def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    await migrate(url_of(path))
    execute(path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(UsageError, match="newer version"):
        await Catalogue.open(url_of(path))


async def test_a_locked_database_is_named_so(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    await migrate(url_of(path))
    catalogue = await Catalogue.open(url_of(path), busy_timeout_s=0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UsageError, match="locked by another program"):
            await catalogue.create_lesson("Fractions", "en")
        with pytest.raises(UsageError, match="locked by another program"):
            await Catalogue.open(url_of(path), busy_timeout_s=0.05)
        assert await catalogue.lessons() == [], "reading goes on"
        other.execute("ROLLBACK")
    await catalogue.create_lesson("Fractions", "en")
    await catalogue.close()


async def test_what_is_no_database_is_named_so(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"This is a shopping list. " * 100)
    with pytest.raises(UsageError, match="not an SQLite database"):
        await Catalogue.open(url_of(path))


async def test_a_damaged_database_is_named_so(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    catalogue = await Catalogue.open(url_of(path))
    for _ in range(40):
        await catalogue.create_lesson("Fractions", "en")
    await catalogue.close()
    content = bytearray(path.read_bytes())
    half = len(content) // 2
    content[half:] = os.urandom(16) * ((len(content) - half) // 16)
    path.write_bytes(content)
    with pytest.raises(UsageError, match="damaged"):
        await Catalogue.open(url_of(path))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("liveclass.db", "expected a SQLAlchemy URL"),
        ("oracle2://x", "expected a SQLAlchemy URL"),
        ("sqlite+pysqlite:///x.db", "asynchronous driver"),
        ("sqlite+aiosqlite:////proc/none/x.db", "cannot be opened"),
    ],
)
async def test_a_url_that_does_not_fit_is_explained(url: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        await Catalogue.open(url)


async def test_a_url_without_a_driver_gets_the_asynchronous_one(tmp_path: Path) -> None:
    engine = await connect(f"sqlite:///{tmp_path / 'x.db'}")
    assert engine.dialect.driver == "aiosqlite"
    await engine.dispose()


async def test_no_error_repeats_the_password_of_the_database() -> None:
    with pytest.raises(UsageError) as error:
        await Catalogue.open("postgresql://liveclass:hunter2secret@127.0.0.1:1/x")
    assert "hunter2secret" not in str(error.value)


async def test_the_database_is_for_its_owner_alone(tmp_path: Path) -> None:
    catalogue = await Catalogue.open(url_of(tmp_path / "new" / "x.db"))
    await catalogue.create_lesson("Fractions", "en")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()}
    assert set(modes.values()) == {0o600}, modes
    await catalogue.close()


async def test_a_copy_taken_by_sqlites_backup_is_a_whole_catalogue(tmp_path: Path) -> None:
    """What docs/operate.md tells operators to do while the server runs."""
    catalogue = await Catalogue.open(url_of(tmp_path / "x.db"))
    lesson, _ = await catalogue.create_lesson("Fractions", "en")
    source, copy = sqlite3.connect(tmp_path / "x.db"), sqlite3.connect(tmp_path / "copy.db")
    source.backup(copy)
    source.close()
    copy.close()
    await catalogue.close()
    shutil.move(tmp_path / "copy.db", tmp_path / "restored.db")
    restored = await Catalogue.open(url_of(tmp_path / "restored.db"))
    assert await restored.lesson(lesson.id) == lesson
    await restored.close()


async def test_nothing_of_a_deleted_lesson_is_left_in_the_databases_files(tmp_path: Path) -> None:
    """Not in free pages, not in half-filled ones, not in the side file; while the server runs."""
    catalogue = await Catalogue.open(url_of(tmp_path / "x.db"))
    made = [(await catalogue.create_lesson(f"Lesson-{n:04}-of-Mrs-Li", "en"))[0] for n in range(120)]
    doomed = [row for n, row in enumerate(made) if n % 3 == 0]
    for row in doomed:
        await catalogue.set_state(row.id, "live", NOON)  # rewrites the row
        await catalogue.put_recording(row.id, state="finished", duration_s=1.0, bytes_=1)
        await catalogue.rotate(row.id, "teacher")

    def left(rows: list[LessonRow]) -> int:
        content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        return sum(row.title.encode() in content or row.id.encode() in content for row in rows)

    assert left(doomed) == len(doomed), "it can be seen while it is there"
    for row in doomed:
        assert await catalogue.delete_lesson(row.id)
    assert left(doomed) == 0
    assert left([row for row in made if row not in doomed]) == 80
    await catalogue.close()
