"""Migrations, and what an operator is told when the database cannot be used."""

import os
import shutil
import sqlite3
import stat
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from liveclass.catalogue.database import alembic_config, connect, migrate, writing
from liveclass.catalogue.models import Base
from liveclass.catalogue.store import Catalogue
from liveclass.errors import UsageError


def url_of(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def execute(path: Path, statement: str) -> list[tuple[object, ...]]:
    """As another program would, past the catalogue."""
    with closing(sqlite3.connect(path)) as database, database:
        return list(database.execute(statement))


async def test_the_migrations_make_exactly_the_models_tables(tmp_path: Path) -> None:
    url = url_of(tmp_path / "x.db")
    await migrate(url)
    engine = await connect(url)

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, Base.metadata))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_a_missing_migration_would_be_noticed(tmp_path: Path) -> None:
    """The comparison above can fail: a column that no model has is found."""
    path = tmp_path / "x.db"
    await migrate(url_of(path))
    execute(path, "ALTER TABLE lessons ADD COLUMN mood TEXT")
    engine = await connect(url_of(path))
    async with engine.connect() as connection:
        found = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync), Base.metadata)
        )
    assert [difference[0] for difference in found] == ["remove_column"]
    await engine.dispose()


async def test_an_upgrade_keeps_what_is_there(tmp_path: Path) -> None:
    url = url_of(tmp_path / "x.db")
    catalogue = await Catalogue.open(url)
    lesson, tokens = await catalogue.create_lesson("Fractions", "en")
    await catalogue.close()
    for _ in range(2):
        await migrate(url)
    catalogue = await Catalogue.open(url)
    assert await catalogue.lesson(lesson.id) == lesson
    assert await catalogue.role_of(lesson.id, tokens["teacher"]) == "teacher"
    await catalogue.close()


async def test_every_step_can_be_gone_back_and_forth(tmp_path: Path) -> None:
    url = url_of(tmp_path / "x.db")
    engine = await connect(url)

    def there_and_back(connection: Connection) -> None:
        config = alembic_config(connection)
        command.upgrade(config, "head")
        command.downgrade(config, "base")
        command.upgrade(config, "head")

    async with writing(engine).begin() as connection:
        await connection.run_sync(there_and_back)
    await engine.dispose()
    await (await Catalogue.open(url)).close()


def test_there_is_one_line_of_migrations() -> None:
    script = ScriptDirectory.from_config(alembic_config())
    assert len(script.get_heads()) == 1
    assert script.get_base() == "0001"


def test_the_migrations_are_postgresql_as_well() -> None:
    config = alembic_config()
    config.output_buffer = written = StringIO()
    command.upgrade(config, "head", sql=True)
    sql = written.getvalue()
    assert "CREATE TABLE lessons" in sql
    assert "TIMESTAMP WITH TIME ZONE" in sql
    assert "BYTEA" in sql
    assert "ON DELETE CASCADE" in sql


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
