"""How the catalogue reaches its database: engines, the switches of each product, migrations, and errors in plain words.

This is the one module that tells SQLite and PostgreSQL apart. It knows no lesson.
"""

import asyncio
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from liveclass.errors import PeerError, UsageError

log = logging.getLogger(__name__)

ASYNC_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}
"""What a URL without a driver means: people paste `postgresql://...` as their provider shows it."""

POOL = 5
"""Connections that one process holds at most; a request of the catalogue takes about a millisecond."""

ANSWER_S = 5.0
"""How long a request to a database server may take in all, a connection and a turn in the pool included."""

MIGRATION_TURN_S = 60
"""How long a node waits while another one migrates."""

IDLE_TRANSACTION_S = 30
"""After this PostgreSQL ends the transaction of a node that was stopped in its midst and holds others up."""

_MIGRATION_LOCK = 0x6C697665636C6173  # "liveclas": any number that no other program takes
_WRITES = "liveclass_writes"

_GONE = frozenset({"57P01", "57P02", "57P03", "53300", "55P03", "57014", "25006"})
"""PostgreSQL's words for "not now": ending, crashed, starting, too many connections, a lock or an answer that took too
long, and a server that has become a standby."""


async def connect(url: str, *, busy_timeout_s: float = 5.0, pool: int = POOL) -> AsyncEngine:
    """An engine whose database has answered once.

    Args:
        url: a SQLAlchemy URL; without a driver the asynchronous one is taken.
        busy_timeout_s: seconds to wait for another process that holds an SQLite file.
        pool: connections to a database server at most; an SQLite file needs no bound.

    Raises:
        UsageError: the URL is not understood, or the database does not answer, is locked or damaged.
    """
    parsed = _parse(url)
    lite = parsed.get_backend_name() == "sqlite"
    if lite:
        _prepare_file(parsed)
    options: dict[str, Any] = {"connect_args": {"timeout": busy_timeout_s}} if lite else _server_options(pool)
    try:
        engine = create_async_engine(
            parsed,
            hide_parameters=True,  # titles of lessons and hashes of tokens do not belong in a log
            **options,
        )
    except ModuleNotFoundError as missing:
        raise UsageError(
            f"database_url needs the Python package {missing.name!r}: pip install {missing.name}"
        ) from missing
    except (SQLAlchemyError, TypeError) as bad:
        raise UsageError(f"database_url: not understood ({type(bad).__name__})") from bad
    if lite:
        _tune_sqlite(engine)
    try:
        with reported():
            async with asyncio.timeout(None if lite else ANSWER_S), engine.connect() as connection:
                if lite:
                    state = (await connection.execute(text("PRAGMA quick_check(1)"))).scalar_one()
                    if state != "ok":
                        raise UsageError(
                            f"The database {parsed.database} is damaged: restore it from a backup (docs/operate.md)."
                        )
                else:
                    await connection.execute(text("SELECT 1"))
    except BaseException:
        await engine.dispose()
        raise
    return engine


def writing(engine: AsyncEngine) -> AsyncEngine:
    """The same engine for transactions that write: SQLite takes its write lock at their beginning.

    A transaction that reads first and writes later is refused at once when another has written in between, without
    waiting (SQLITE_BUSY_SNAPSHOT); one that begins as a writer waits its turn.
    """
    return engine.execution_options(**{_WRITES: True})


def is_lite(engine: AsyncEngine) -> bool:
    """Whether it is an SQLite file rather than a server."""
    return engine.dialect.name == "sqlite"


async def forget_deleted(engine: AsyncEngine) -> None:
    """Write an SQLite file anew and empty its side file, so that no byte of a deleted row is left.

    `secure_delete` alone is not enough: rows that were moved between pages leave their old bytes behind. Where another
    program is in the way for long, it happens at the next deletion. PostgreSQL cleans up by itself.
    """
    if not is_lite(engine):
        return
    with reported():
        async with engine.connect() as connection:  # past SQLAlchemy, which would begin a transaction
            raw = (await connection.get_raw_connection()).driver_connection
            assert raw is not None
            try:
                for step in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
                    await (await raw.execute(step)).close()
            except sqlite3.OperationalError as busy:
                log.warning("deleted rows are not overwritten yet: %s", busy)


async def migrate(url: str, *, busy_timeout_s: float = 5.0) -> None:
    """Bring the database to this version's tables, from any earlier version or from nothing; its data stays.

    Nodes that start together take turns.

    Raises:
        UsageError: as `connect`, or the database was made by a newer liveclass.
    """
    engine = await connect(url, busy_timeout_s=busy_timeout_s)
    try:
        await migrate_engine(engine)
    finally:
        await engine.dispose()


async def migrate_engine(engine: AsyncEngine) -> None:
    """As `migrate`, on an engine that is connected already; all steps happen or none."""
    with reported():
        async with writing(engine).begin() as connection:
            await connection.run_sync(set_up)


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration for the migrations inside this package; no file is needed."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@contextmanager
def reported() -> Iterator[None]:
    """The one border where failures of the database become words for the operator."""
    try:
        yield
    except DBAPIError as failure:
        raise UsageError(_words(failure)) from failure
    except (OSError, SQLAlchemyError) as failure:  # TimeoutError is an OSError
        raise UsageError(f"The database does not answer ({type(failure).__name__}): see database_url.") from failure


@contextmanager
def answered() -> Iterator[None]:
    """As `reported`, while the server runs: a database server that is away for a while is a 503, which passes.

    Raises:
        PeerError: the database server is away, starts, or takes too long (503, ``database_down``).
        UsageError: any other failure.
    """
    try:
        with reported():
            yield
    except UsageError as failure:
        if _passes(failure.__cause__):
            raise PeerError("The catalogue is away for a moment.", status=503, code="database_down") from failure
        raise


def set_up(connection: Connection, revision: str = "head") -> None:
    """Bring the tables to a revision, from an older one or from nothing; inside the caller's transaction."""
    _take_turn(connection)
    try:
        command.upgrade(alembic_config(connection), revision)
    except CommandError as unknown:
        raise UsageError(
            "The database was made by a newer version of liveclass: install that version, or restore a backup."
        ) from unknown


def _take_turn(connection: Connection) -> None:
    """Of nodes that start at once one migrates, and the others find it done. SQLite's write lock does the same."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{MIGRATION_TURN_S}s'")
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")  # a large table may take its time
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")


def _server_options(pool: int) -> dict[str, Any]:
    """For PostgreSQL: everything bounded on both sides, and a connection that a restart cut is replaced unseen."""
    return {
        "pool_pre_ping": True,
        "pool_size": pool,
        "max_overflow": 0,
        "pool_timeout": ANSWER_S,
        "pool_recycle": 1800,  # firewalls forget a quiet connection after an hour at the least
        "connect_args": {
            "timeout": ANSWER_S,
            "server_settings": {
                "application_name": "liveclass",
                "timezone": "UTC",
                "statement_timeout": f"{ANSWER_S:.0f}s",
                "lock_timeout": f"{ANSWER_S:.0f}s",
                "idle_in_transaction_session_timeout": f"{IDLE_TRANSACTION_S}s",
            },
        },
    }


def _passes(failure: BaseException | None) -> bool:
    """Whether it is a database server's absence, rather than something for the operator to mend."""
    if isinstance(failure, DBAPIError):
        if isinstance(failure.orig, sqlite3.Error):
            return False
        return failure.connection_invalidated or str(getattr(failure.orig, "sqlstate", "")) in _GONE
    return isinstance(failure, OSError | PoolTimeout | InterfaceError)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        if "+" not in parsed.drivername:
            parsed = parsed.set(drivername=ASYNC_DRIVERS.get(parsed.drivername, parsed.drivername))
        dialect = parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError) as bad:
        raise UsageError(
            "database_url: expected a SQLAlchemy URL such as sqlite+aiosqlite:///data/liveclass.db"
        ) from bad
    if not dialect.is_async:
        raise UsageError("database_url: expected an asynchronous driver, sqlite+aiosqlite or postgresql+asyncpg")
    return parsed


def _prepare_file(url: URL) -> None:
    """Make the file readable by its owner alone: it holds who teaches what. SQLite's side files take after it."""
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        return
    path = Path(url.database)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():  # opening and closing an existing one would drop the locks that SQLite holds on it
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as failure:
        raise UsageError(f"The database {path} cannot be opened: {failure.strerror}.") from failure


def _tune_sqlite(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def set_pragmas(connection: Any, _: object) -> None:
        # The driver's own BEGIN comes late and never before DDL; with None it leaves transactions to `begin` below.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA journal_mode=WAL")  # readers and the writer do not wait for one another
        cursor.execute("PRAGMA synchronous=FULL")  # a link that was printed survives a power cut
        cursor.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _words(failure: DBAPIError) -> str:
    """SQLite's errors that an operator can mend, each with what to do; others by their kind."""
    cause = failure.orig
    said = str(cause).lower()
    if isinstance(cause, sqlite3.Error):
        for sign, words in (
            ("locked", "The database is locked by another program: is a second liveclass running on this data folder?"),
            ("not a database", "The database file is not an SQLite database: see database_url and data_dir."),
            ("malformed", "The database is damaged: restore it from a backup (docs/operate.md)."),
            ("readonly", "The database cannot be written: check the owner and mode of the data folder."),
            ("unable to open", "The database file cannot be opened: check the owner and mode of the data folder."),
            ("full", "The database cannot be written: the disk is full."),
            ("disk i/o", "The database cannot be read or written: the disk reports an error."),
        ):
            if sign in said:
                return words
    kind = type(cause.__cause__ or cause).__name__ if cause is not None else type(failure).__name__
    return f"The database refused a request ({kind}): see database_url and the database's own log."
