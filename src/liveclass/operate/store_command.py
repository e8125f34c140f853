"""`liveclass backup`, `restore` and `migrate-store`: their words and what they print. Knows no file format."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from liveclass.config import Settings
from liveclass.errors import UsageError
from liveclass.operate.progress import Bar

SETTINGS = ("data_dir", "database_url", "store_url", "store_endpoint", "store_region", "store_key_id")
"""The settings that say where the server's data is."""

Commands = Any  # what `add_subparsers` gives; argparse keeps its class to itself


def add_commands(
    commands: Commands,
    add_settings: Callable[[argparse.ArgumentParser], None],
    settings: Callable[[argparse.Namespace], Settings],
) -> None:
    """The grammar of the three commands.

    Args:
        add_settings: adds the options of `SETTINGS` and `--config`.
        settings: the settings in force.
    """
    backup = commands.add_parser(
        "backup",
        help="write catalogue, secrets, recordings and all else into one file; the server may run",
        description="Write everything that the server knows into one file. The server may run meanwhile.",
    )
    backup.add_argument("file", type=Path, metavar="FILE", help="a new file whose name ends with .tar.zst or .tar.gz")
    choice = backup.add_mutually_exclusive_group()
    choice.add_argument("--with-recordings", dest="recordings", action="store_true", default=True, help="[the default]")
    choice.add_argument(
        "--without-recordings", dest="recordings", action="store_false", help="leave the recordings' media out"
    )
    add_settings(backup)
    backup.set_defaults(run=lambda arguments: _backup(arguments, settings(arguments)))

    restore = commands.add_parser(
        "restore",
        help="bring a backup back into an empty data folder and database",
        description="Bring a backup back, whole or not at all. Data folder and database must be empty; they may be "
        "of another kind than those that the backup was made of.",
    )
    restore.add_argument("file", type=Path, metavar="FILE", help="what `liveclass backup` has written")
    add_settings(restore)
    restore.set_defaults(run=lambda arguments: _restore(arguments, settings(arguments)))

    migrate = commands.add_parser(
        "migrate-store",
        help="copy a small server's data into a fleet's PostgreSQL and object store",
        description="Copy everything into another database, an object store, or both, and compare it there. Stop the "
        "server first. Nothing of the source changes; run it again after an interruption.",
    )
    migrate.add_argument(
        "--to-database", default="", metavar="URL", help="such as postgresql://liveclass@host/liveclass"
    )
    migrate.add_argument("--to-store", default="", metavar="URL", help="s3://bucket/prefix or file:///folder")
    migrate.add_argument(
        "--overwrite",
        action="store_true",
        help="where rows differ in the new database, put the old ones in their place",
    )
    add_settings(migrate)
    migrate.set_defaults(run=lambda arguments: _migrate(arguments, settings(arguments)))


def _backup(arguments: argparse.Namespace, settings: Settings) -> int:
    from liveclass.operate.backup import backup

    bar = Bar("Backup")
    try:
        done = backup(settings, arguments.file, bar.show, recordings=arguments.recordings)
    finally:
        bar.end()
    print(
        f"{arguments.file}: {done.files} files, {_mb(done.bytes)} as {_mb(done.written)}. Keep it as safe as the server"
    )
    if not arguments.recordings:
        print("The recordings' media is not in it.")
    if settings.store_url:
        print("What lies in the object store is not in it and stays there.")
    for name in done.torn:
        print(f"liveclass: warning: {name} became shorter while it was read", file=sys.stderr)
    return 0


def _restore(arguments: argparse.Namespace, settings: Settings) -> int:
    from liveclass.operate.restore import restore

    bar = Bar("Restore")
    try:
        restored = restore(settings, arguments.file, bar.show)
    finally:
        bar.end()
    manifest = restored.manifest
    print(
        f"{settings.data_dir}: {restored.files} files, {_mb(restored.bytes)}, {restored.rows} rows of the catalogue, "
        f"as they were at {manifest.made_at[:19].replace('T', ' ')} UTC."
    )
    if not manifest.recordings:
        print("The backup was made without the recordings' media.")
    if manifest.stored:
        print("Recordings that lie in the object store are read from there: set store_url as it was.")
    return 0


def _migrate(arguments: argparse.Namespace, settings: Settings) -> int:
    from liveclass.operate.migrate import ObjectStore, migrate_catalogue, migrate_files

    if not arguments.to_database and not arguments.to_store:
        raise UsageError("migrate-store: expected --to-database, --to-store or both")
    store = None
    if arguments.to_store:
        store = ObjectStore(
            arguments.to_store,
            endpoint=settings.store_endpoint,
            region=settings.store_region,
            key_id=settings.store_key_id,
            key_secret=settings.store_key_secret,
        )
    if arguments.to_database:
        bar = Bar("Catalogue", "rows")
        try:
            moved = migrate_catalogue(settings, arguments.to_database, bar.show, overwrite=arguments.overwrite)
        finally:
            bar.end()
        for table in moved:
            print(
                f"{table.table}: {table.rows} rows, {table.new} of them new, sha256 {table.sha256[:16]} on both sides"
            )
    if store is not None:
        bar = Bar("Files")
        try:
            copied = migrate_files(settings, store.put, bar.show)
        finally:
            bar.end()
        print(f"files: {copied.files}, {_mb(copied.bytes)}, {copied.new} of them new, each compared by its hash")
    return 0


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
