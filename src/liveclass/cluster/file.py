"""The directory of the processes of one machine: an SQLite file that they share. No server is needed for it.

Times are those of the machine's steady clock, which all its processes share; a file that an earlier boot left is read
with care (`LONGEST_LEASE_S`). The file holds nothing that is worth a disk's wait: it is never synced.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import msgspec

from liveclass.cluster.directory import DirectoryGone, Renewal
from liveclass.cluster.ledger import Entry, Ledger, Line
from liveclass.cluster.model import Claim, NodeId, NodeInfo
from liveclass.errors import LiveclassError

BUSY_S = 1.0
"""How long one call waits for another process's."""

POLL_S = 0.2
"""How often a reader looks for changes."""

KEPT_CHANGES = 1000
"""Changes that a slow reader can still find; one that is further behind is told that it missed some."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS nodes (id TEXT PRIMARY KEY, info BLOB, until REAL, forgotten INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (lesson TEXT PRIMARY KEY, node TEXT, fence INTEGER, at REAL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entries_at ON entries (at);
CREATE TABLE IF NOT EXISTS numbers (name TEXT PRIMARY KEY, value REAL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS changes (seq INTEGER PRIMARY KEY AUTOINCREMENT, lesson TEXT);
"""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class _Shelf:
    """Tables. Used by one thread, inside one transaction at a time."""

    def __init__(self, path: Path) -> None:
        # The thread that opens it is the one that uses it.
        self._db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.executescript(_SCHEMA)

    def begin(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def begin_reading(self) -> None:
        self._db.execute("BEGIN")

    def commit(self) -> None:
        self._db.execute("COMMIT")

    def undo(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def close(self) -> None:
        self._db.close()

    def node(self, node: NodeId) -> Line | None:
        row = self._db.execute("SELECT info, until, forgotten FROM nodes WHERE id = ?", (node,)).fetchone()
        return None if row is None else _line(row)

    def lines(self) -> list[Line]:
        return [_line(row) for row in self._db.execute("SELECT info, until, forgotten FROM nodes")]

    def put_node(self, line: Line) -> None:
        row = (line.info.id, msgspec.json.encode(line.info), line.until, line.forgotten)
        self._db.execute("REPLACE INTO nodes VALUES (?, ?, ?, ?)", row)

    def drop_node(self, node: NodeId) -> None:
        self._db.execute("DELETE FROM nodes WHERE id = ?", (node,))

    def entry(self, lesson: str) -> Entry | None:
        row = self._db.execute("SELECT node, fence, at FROM entries WHERE lesson = ?", (lesson,)).fetchone()
        return None if row is None else Entry(*row)

    def put_entry(self, lesson: str, entry: Entry) -> None:
        self._db.execute("REPLACE INTO entries VALUES (?, ?, ?, ?)", (lesson, entry.node, entry.fence, entry.at))

    def drop_entries(self, before: float) -> None:
        self._db.execute("DELETE FROM entries WHERE at < ?", (before,))

    def number(self, name: str) -> float:
        row = self._db.execute("SELECT value FROM numbers WHERE name = ?", (name,)).fetchone()
        return 0.0 if row is None else float(row[0])

    def put_number(self, name: str, value: float) -> None:
        self._db.execute("REPLACE INTO numbers VALUES (?, ?)", (name, value))

    def changed(self, lesson: str) -> None:
        seq = self._db.execute("INSERT INTO changes (lesson) VALUES (?)", (lesson,)).lastrowid or 0
        self._db.execute("DELETE FROM changes WHERE seq <= ?", (seq - KEPT_CHANGES,))

    def changes(self, since: int | None) -> tuple[int, list[str]]:
        """Number of the last change, and what changed after `since`; None: nothing, only where to begin."""
        if since is None:
            (last,) = self._db.execute("SELECT COALESCE(MAX(seq), 0) FROM changes").fetchone()
            return int(last), []
        rows = self._db.execute("SELECT seq, lesson FROM changes WHERE seq > ? ORDER BY seq", (since,)).fetchall()
        if not rows:
            return since, []
        missed = [""] if rows[0][0] != since + 1 else []
        return int(rows[-1][0]), missed + [str(lesson) for _, lesson in rows]


class FileDirectory:
    """A `Directory` in a file, for processes of one machine.

    Args:
        path: made when missing. Deleting it while no node runs is harmless.
        monotonic: the machine's steady clock, seconds.
        wall: the wall clock, seconds.
    """

    def __init__(
        self, path: Path, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._monotonic = monotonic
        self._wall = wall
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="directory")
        self._shelf: _Shelf | None = None

    async def register(self, info: NodeInfo, ttl_s: float) -> None:
        await self._write(Ledger.register, info, ttl_s, self._monotonic())

    async def renew(self, info: NodeInfo, claims: Mapping[str, int], ttl_s: float, *, blind: bool = False) -> Renewal:
        return await self._write(Ledger.renew, info, dict(claims), ttl_s, self._monotonic(), blind)

    async def nodes(self) -> list[NodeInfo]:
        return await self._read(Ledger.nodes, self._monotonic())

    async def claim(self, lesson: str, node: NodeId, ttl_s: float) -> Claim:
        return await self._write(Ledger.claim, lesson, node, ttl_s, self._monotonic(), int(self._wall() * 1000))

    async def owner(self, lesson: str) -> Claim | None:
        return await self._read(Ledger.owner, lesson, self._monotonic())

    async def release(self, claim: Claim) -> None:
        await self._write(Ledger.release, claim, self._monotonic())

    async def forget_node(self, node: NodeId) -> None:
        await self._write(Ledger.forget_node, node, self._monotonic())

    async def changes(self) -> AsyncIterator[str]:
        since: int | None = None
        while True:
            try:
                since, lessons = await self._run(self._changes_since, since)
            except DirectoryGone:
                lessons = []
            for lesson in lessons:
                yield lesson
            await asyncio.sleep(POLL_S)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    async def _write(self, call: Callable[Concatenate[Ledger, _P], _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await self._run(self._transaction, True, lambda ledger: call(ledger, *args, **kwargs))

    async def _read(self, call: Callable[Concatenate[Ledger, _P], _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await self._run(self._transaction, False, lambda ledger: call(ledger, *args, **kwargs))

    async def _run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            future = asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*args, **kwargs))
            async with asyncio.timeout(2 * BUSY_S):
                return await future
        except (sqlite3.Error, OSError, TimeoutError) as failure:
            raise DirectoryGone(f"{self._path.name}: {failure}") from failure

    # In the thread.

    def _opened(self) -> _Shelf:
        if self._shelf is None:
            self._shelf = _Shelf(self._path)
        return self._shelf

    def _transaction(self, writes: bool, call: Callable[[Ledger], _T]) -> _T:
        shelf = self._opened()
        (shelf.begin if writes else shelf.begin_reading)()
        try:
            result = call(Ledger(shelf))
        except LiveclassError:
            shelf.commit()  # a claim that has to wait has renewed the lease all the same
            raise
        except BaseException:
            shelf.undo()
            raise
        shelf.commit()
        return result

    def _changes_since(self, since: int | None) -> tuple[int, list[str]]:
        return self._opened().changes(since)

    def _close(self) -> None:
        if self._shelf is not None:
            self._shelf.close()


def _line(row: tuple[bytes, float, int]) -> Line:
    return Line(msgspec.json.decode(row[0], type=NodeInfo), row[1], bool(row[2]))
