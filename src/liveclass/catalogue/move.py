"""One database into another, of whatever product: in batches, again where it stopped, and checked row by row.

Knows tables and keys. Rows that the target has of its own stay: several small servers may move into one fleet.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from liveclass.catalogue.database import connect, migrate_engine, reported, writing
from liveclass.catalogue.dump import Table, line_of, pages, rows_in, tables_of
from liveclass.errors import UsageError


@dataclass(frozen=True, slots=True)
class Moved:
    """What came of a table.

    Attributes:
        rows: of the source, all of which the target holds.
        new: of these, those that were written now.
        sha256: of the source's rows and, being equal, of the same rows in the target.
    """

    table: str
    rows: int
    new: int
    sha256: str


async def move(
    source_url: str, target_url: str, progress: Callable[[int, int], None], *, overwrite: bool = False
) -> list[Moved]:
    """Copy all rows, then read both sides again and compare.

    Each batch is a transaction: after an interruption call it again, and what is there already is passed over.

    Args:
        progress: called with rows done and rows in all, written and compared counted separately.
        overwrite: whether rows that differ in the target give way.

    Raises:
        UsageError: a database cannot be used, rows differ, or the target does not hold what was written.
    """
    total = 2 * await rows_in(source_url)
    source, target = await connect(source_url), await connect(target_url)
    try:
        await migrate_engine(source)
        await migrate_engine(target)
        with reported():
            return await _move(source, target, _Steps(progress, total), overwrite)
    finally:
        await source.dispose()
        await target.dispose()


class _Steps:
    def __init__(self, progress: Callable[[int, int], None], total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def add(self, rows: int) -> None:
        self._done += rows
        self._progress(self._done, self._total)


async def _move(source: AsyncEngine, target: AsyncEngine, steps: _Steps, overwrite: bool) -> list[Moved]:
    moved = []
    async with source.connect() as reading:
        tables = await reading.run_sync(tables_of)
        new = {table.name: await _write(reading, target, table, steps, overwrite) for table in tables}
        for table in tables:
            here, there, rows = hashlib.sha256(), hashlib.sha256(), 0
            async with target.connect() as checking:
                async for batch in pages(reading, table):
                    found = await _found(checking, table, batch)
                    for row in batch:
                        rows += 1
                        here.update(line_of(row))
                        there.update(line_of(found.get(_key(table, row), ())))
                    steps.add(len(batch))
            if here.digest() != there.digest():
                raise UsageError(f"The table {table.name} in the new database is not what was written.")
            moved.append(Moved(table.name, rows, new[table.name], here.hexdigest()))
    return moved


async def _write(reading: AsyncConnection, target: AsyncEngine, table: Table, steps: _Steps, overwrite: bool) -> int:
    new = 0
    async for batch in pages(reading, table):
        async with writing(target).begin() as connection:
            there = await _found(connection, table, batch)
            differing = [
                row for row in batch if (same := there.get(_key(table, row))) and line_of(same) != line_of(row)
            ]
            if differing and not overwrite:
                raise UsageError(
                    f"{len(differing)} rows of {table.name} differ in the new database, which has been in use since: "
                    "nothing of them was changed. --overwrite puts the old ones in their place."
                )
            for row in differing:
                await connection.execute(_update(table, row))
            missing = [_values(table, row) for row in batch if _key(table, row) not in there]
            if missing:
                await connection.execute(sa.insert(table.clause), missing)
            new += len(missing) + len(differing)
        steps.add(len(batch))
    return new


async def _found(connection: AsyncConnection, table: Table, batch: list[tuple[Any, ...]]) -> dict[Any, tuple[Any, ...]]:
    """Those of the rows that a database holds, by their key."""
    keys = [_key(table, row) for row in batch]
    query = sa.select(table.clause).where(sa.tuple_(*table.key).in_(keys))
    return {_key(table, row): tuple(row) for row in await connection.execute(query)}


def _key(table: Table, row: Any) -> tuple[Any, ...]:
    return tuple(row[: len(table.key)])


def _values(table: Table, row: tuple[Any, ...]) -> dict[str, Any]:
    return {name: value for (name, _), value in zip(table.columns, row, strict=True)}


def _update(table: Table, row: tuple[Any, ...]) -> sa.Update:
    same = [column == value for column, value in zip(table.key, row, strict=False)]
    return sa.update(table.clause).where(*same).values(_values(table, row))
