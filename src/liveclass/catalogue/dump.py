"""A whole catalogue as JSON lines, in and out: the same form for every database and every revision of its tables.

The first line says the revision; then, for each table, a line with its columns and one for each row; the last line
counts. Knows columns and their types, not what they mean: tables are looked up in the database, so that a backup of an
old revision can be taken and read as well.
"""

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import command
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from liveclass.catalogue.database import alembic_config, connect, is_lite, reported, set_up, writing
from liveclass.catalogue.models import UtcDateTime
from liveclass.errors import UsageError

VERSION_TABLE = "alembic_version"
BATCH_ROWS = 500
LONGEST_LINE = 1024 * 1024

_TYPES: dict[str, Callable[[], sa.types.TypeEngine[Any]]] = {
    "text": sa.Text,
    "bytes": sa.LargeBinary,
    "time": UtcDateTime,
    "number": lambda: sa.Float(53),
    "integer": sa.BigInteger,
    "bool": sa.Boolean,
}
"""What a column holds, in the words of the dump."""

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it stands in a database.

    Attributes:
        clause: its columns, with types that read and write alike on every database.
        key: the columns that tell its rows apart; they come first.
    """

    clause: sa.TableClause
    key: list[sa.ColumnClause[Any]]

    @property
    def name(self) -> str:
        return str(self.clause.name)

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Names and kinds, in order."""
        return [(str(column.name), _kind(column.type)) for column in self.clause.columns]


class _Start(msgspec.Struct, forbid_unknown_fields=True):
    revision: str | None


class _TableStart(msgspec.Struct, forbid_unknown_fields=True):
    table: str
    columns: list[tuple[str, str]]


class _End(msgspec.Struct, forbid_unknown_fields=True):
    rows: int


async def dump(url: str) -> AsyncGenerator[bytes, None]:
    """The lines of a catalogue as it is at one moment, however long the reading takes; others may write meanwhile.

    Raises:
        UsageError: as `liveclass.catalogue.database.connect`.
    """
    engine = await connect(url)
    try:
        with reported():
            async with engine.connect() as connection:
                if not is_lite(engine):  # SQLite's transactions see one moment anyhow
                    await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                revision, tables = await connection.run_sync(_reflected)
                yield _encode(_Start(revision)) + b"\n"
                rows = 0
                for table in tables:
                    yield _encode(_TableStart(table.name, table.columns)) + b"\n"
                    async for batch in pages(connection, table):
                        rows += len(batch)
                        yield b"".join(line_of(row) for row in batch)
                yield _encode(_End(rows)) + b"\n"
    finally:
        await engine.dispose()


async def load(url: str, lines: Iterable[bytes]) -> int:
    """Fill an empty database from a dump, and bring it to this version's tables; all of it happens or nothing.

    Args:
        lines: as `dump` gives them, one at a time.

    Returns:
        how many rows there are.

    Raises:
        UsageError: the database holds something, the dump is damaged, incomplete, or of a newer liveclass.
    """
    engine = await connect(url)
    try:
        return await _load(engine, iter(lines))
    except (msgspec.MsgspecError, ValueError, KeyError) as failure:
        raise UsageError("The catalogue in the backup is damaged or incomplete.") from failure
    finally:
        await engine.dispose()


async def rows_in(url: str) -> int:
    """How many rows a database holds, whatever its revision; creates no table.

    Raises:
        UsageError: as `liveclass.catalogue.database.connect`.
    """
    engine = await connect(url)
    try:
        with reported():
            async with engine.connect() as connection:
                _, tables = await connection.run_sync(_reflected)
                return await _count(connection, tables)
    finally:
        await engine.dispose()


async def pages(connection: AsyncConnection, table: Table) -> AsyncIterator[list[tuple[Any, ...]]]:
    """All rows of a table in the order of its key, in batches of `BATCH_ROWS`."""
    query = sa.select(table.clause).order_by(*table.key).limit(BATCH_ROWS)
    last: tuple[Any, ...] | None = None
    while True:
        after = query if last is None else query.where(sa.tuple_(*table.key) > sa.tuple_(*last[: len(table.key)]))
        batch = [tuple(row) for row in await connection.execute(after)]
        if batch:
            yield batch
        if len(batch) < BATCH_ROWS:
            return
        last = batch[-1]


def line_of(row: Iterable[Any]) -> bytes:
    """A row as a line; the same bytes for the same row on every database."""
    return _encode([_out(value) for value in row]) + b"\n"


def tables_of(connection: sa.Connection) -> list[Table]:
    """The tables that are there, those first that others refer to."""
    return _reflected(connection)[1]


def _reflected(connection: sa.Connection) -> tuple[str | None, list[Table]]:
    """The revision of a database and its tables."""
    revision = MigrationContext.configure(connection).get_current_revision()
    found = sa.MetaData()
    found.reflect(connection)
    tables = []
    for table in found.sorted_tables:
        if table.name == VERSION_TABLE:
            continue
        key = list(table.primary_key.columns)
        ordered = [*key, *(column for column in table.columns if column not in set(key))]
        clause = sa.table(table.name, *(sa.column(column.name, _TYPES[_kind(column.type)]()) for column in ordered))
        tables.append(Table(clause, list(clause.columns)[: len(key)]))
    return revision, tables


def _kind(type_: sa.types.TypeEngine[Any]) -> str:
    for kind, classes in (
        ("time", (sa.DateTime, UtcDateTime)),
        ("bytes", (sa.LargeBinary,)),
        ("bool", (sa.Boolean,)),
        ("integer", (sa.Integer,)),
        ("number", (sa.Numeric, sa.Float)),
        ("text", (sa.String,)),
    ):
        if isinstance(type_, classes):
            return kind
    raise UsageError(f"The database has a column of a type that is not ours ({type(type_).__name__}).")


async def _load(engine: AsyncEngine, lines: Iterator[bytes]) -> int:
    start = msgspec.json.decode(next(lines, b""), type=_Start)
    known = {step.revision for step in ScriptDirectory.from_config(alembic_config()).walk_revisions()}
    if start.revision is None or start.revision not in known:
        raise UsageError("The backup was made by a newer version of liveclass: install that version.")
    with reported():
        async with writing(engine).begin() as connection:
            if await _count(connection, await connection.run_sync(tables_of)):
                raise UsageError("The database is not empty: restore into a new one, see database_url.")
            await connection.run_sync(_at_revision, start.revision)
            tables = {table.name: table for table in await connection.run_sync(tables_of)}
            rows = await _fill(connection, tables, lines)
            await connection.run_sync(set_up)
            return rows


async def _fill(connection: AsyncConnection, tables: dict[str, Table], lines: Iterator[bytes]) -> int:
    rows = 0
    table: Table | None = None
    columns: list[tuple[str, str]] = []
    waiting: list[dict[str, Any]] = []

    async def write() -> None:
        if table is not None and waiting:
            await connection.execute(sa.insert(table.clause), waiting)
            waiting.clear()

    for line in lines:
        if len(line) > LONGEST_LINE:
            raise ValueError("a line is too long")
        if line[:1] == b"[":
            values = msgspec.json.decode(line, type=list[Any])
            waiting.append({name: _in(kind, value) for (name, kind), value in zip(columns, values, strict=True)})
            rows += 1
            if len(waiting) >= BATCH_ROWS:
                await write()
                await asyncio.sleep(0)
            continue
        await write()
        if line.startswith(b'{"table"'):
            begun = msgspec.json.decode(line, type=_TableStart)
            table = tables[begun.table]
            columns = begun.columns
            if sorted(columns) != sorted(table.columns):
                raise ValueError("columns differ")
        elif msgspec.json.decode(line, type=_End).rows != rows or next(lines, None) is not None:
            raise ValueError("rows are missing")
        else:
            return rows
    raise ValueError("the end is missing")


def _at_revision(connection: sa.Connection, revision: str) -> None:
    """Tables as they were at a revision; what is there already is empty, so may be taken back."""
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current != revision:
        command.downgrade(alembic_config(connection), "base")
    set_up(connection, revision)


async def _count(connection: AsyncConnection, tables: Iterable[Table]) -> int:
    counts = [await connection.scalar(sa.select(sa.func.count()).select_from(table.clause)) for table in tables]
    return sum(count or 0 for count in counts)


def _out(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value


def _in(kind: str, value: Any) -> Any:
    """A value of the dump as its column takes it; ValueError where it does not fit."""
    if value is None:
        return None
    if kind == "bytes":
        return base64.b64decode(_text(value), validate=True)
    if kind == "time":
        moment = datetime.fromisoformat(_text(value))
        if moment.tzinfo is None:
            raise ValueError("a time without its zone")
        return moment
    if kind == "text":
        return _text(value)
    wanted = {"number": (int, float), "integer": (int,), "bool": (bool,)}[kind]
    if not isinstance(value, wanted) or (kind != "bool" and isinstance(value, bool)):
        raise ValueError("not of the column's type")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")
    return value
