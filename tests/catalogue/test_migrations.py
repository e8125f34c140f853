"""The steps of the tables, up and down, from every revision, on both databases; data stays."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from liveclass.catalogue.database import alembic_config, connect, migrate, set_up, writing
from liveclass.catalogue.dump import dump
from liveclass.catalogue.models import Base
from liveclass.catalogue.store import Catalogue
from liveclass.errors import UsageError
from tests.servers import Postgres

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
REVISIONS = [step.revision for step in ScriptDirectory.from_config(alembic_config()).walk_revisions()][::-1]


async def on(url: str, work: Callable[[Connection], Any]) -> Any:
    """Do something in one transaction that writes."""
    engine = await connect(url)
    try:
        async with writing(engine).begin() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


def at(revision: str) -> Callable[[Connection], None]:
    return lambda connection: set_up(connection, revision)


def down_to(revision: str) -> Callable[[Connection], None]:
    return lambda connection: command.downgrade(alembic_config(connection), revision)


async def fill(url: str) -> None:
    """Rows in every table, past the models, which may be newer than the revision."""
    moment = datetime(2026, 9, 1, 12, 30, tzinfo=UTC)

    def insert(connection: Connection) -> None:
        found = sa.MetaData()
        found.reflect(connection)
        stamp = moment if connection.dialect.name == "postgresql" else moment.replace(tzinfo=None)
        lesson = {"id": "abcDEF234567", "title": "分数 Ünïcode", "language": "zh-CN", "state": "live"}
        connection.execute(found.tables["lessons"].insert(), [{**lesson, "created_at": stamp}])
        link = {"token_hash": bytes(range(32)), "lesson_id": lesson["id"], "role": "teacher", "created_at": stamp}
        connection.execute(found.tables["links"].insert(), [link])
        entry = {"lesson_id": lesson["id"], "state": "stopped", "duration_s": 0.1, "bytes": 2**40, "problem": ""}
        connection.execute(found.tables["recordings"].insert(), [{**entry, "updated_at": stamp}])

    await on(url, insert)


async def content(url: str) -> list[bytes]:
    """All rows and columns; the revision left out."""
    return [line async for line in dump(url)][1:]


async def differences(url: str) -> list[Any]:
    def compare(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, Base.metadata))

    return list(await on(url, compare))


async def test_the_migrations_make_exactly_the_models_tables(url: str) -> None:
    await migrate(url)
    assert await differences(url) == []


async def test_a_missing_migration_would_be_noticed(url: str) -> None:
    """The comparison above can fail: a column that no model has is found."""
    await migrate(url)
    await on(url, lambda connection: connection.exec_driver_sql("ALTER TABLE lessons ADD COLUMN mood TEXT"))
    assert [difference[0] for difference in await differences(url)] == ["remove_column"]


async def test_collations_are_those_of_the_models(pg: Postgres) -> None:
    """The comparison above does not look at them."""
    url = pg.database()
    await migrate(url)
    query = (
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND collation_name = 'C' AND table_name <> 'alembic_version' ORDER BY 1, 2"
    )
    dialect = sa.create_mock_engine("postgresql+asyncpg://", lambda *_: None).dialect
    modelled = [
        [table.name, column.name]
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if getattr(column.type.dialect_impl(dialect), "collation", None) == "C"
    ]
    assert pg.execute(url, query) == sorted(modelled)
    assert ["lessons", "id"] in modelled


@pytest.mark.parametrize("revision", REVISIONS)
async def test_an_upgrade_from_each_revision_keeps_what_is_there(url: str, revision: str) -> None:
    await on(url, at(revision))
    await fill(url)
    before = await content(url)
    for _ in range(2):
        await migrate(url)
    assert await differences(url) == []
    assert await content(url) == before
    catalogue = await Catalogue.open(url)
    lesson = await catalogue.lesson("abcDEF234567")
    assert lesson is not None
    assert (lesson.title, lesson.created_at) == ("分数 Ünïcode", datetime(2026, 9, 1, 12, 30, tzinfo=UTC))
    await catalogue.close()


@pytest.mark.parametrize("revision", REVISIONS[:-1])
async def test_a_step_back_keeps_what_is_there_and_can_be_taken_again(url: str, revision: str) -> None:
    await migrate(url)
    await fill(url)
    before = await content(url)
    await on(url, down_to(revision))
    assert await content(url) == before
    await migrate(url)
    assert await content(url) == before
    assert await differences(url) == []


async def test_the_last_step_back_leaves_no_table(url: str) -> None:
    await migrate(url)
    await fill(url)
    await on(url, down_to("base"))
    names = await on(url, lambda connection: sa.inspect(connection).get_table_names())
    assert names == ["alembic_version"]
    await (await Catalogue.open(url)).close()


async def test_nodes_that_start_at_once_migrate_once(url: str) -> None:
    """Each with connections of its own, as processes have."""
    opened = await asyncio.gather(*(Catalogue.open(url, pool=1) for _ in range(6)))
    await opened[0].create_lesson("Fractions", "en")
    assert [len(await catalogue.lessons()) for catalogue in opened] == [1] * 6
    await asyncio.gather(*(catalogue.close() for catalogue in opened))
    assert await differences(url) == []


async def test_a_database_of_a_newer_version_is_refused_by_every_engine(url: str) -> None:
    await migrate(url)
    await on(url, lambda connection: connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(UsageError, match="newer version"):
        await Catalogue.open(url)


def test_there_is_one_line_of_migrations() -> None:
    script = ScriptDirectory.from_config(alembic_config())
    assert len(script.get_heads()) == 1
    assert script.get_base() == "0001"


def test_the_migrations_can_be_printed_for_an_administrator() -> None:
    config = alembic_config()
    config.output_buffer = written = StringIO()
    command.upgrade(config, "head", sql=True)
    sql = written.getvalue()
    assert "CREATE TABLE lessons" in sql
    assert "TIMESTAMP WITH TIME ZONE" in sql
    assert "BYTEA" in sql
    assert "ON DELETE CASCADE" in sql
    assert 'COLLATE "C"' in sql
