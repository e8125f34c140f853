"""`liveclass migrate-store`: a small server's catalogue and files into a fleet's PostgreSQL and object store.

Nothing of the source is changed, and a run that was interrupted is simply run again: what has arrived is passed over.
`copy_files` knows nothing of stores; `ObjectStore` is the one that it is used with.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from liveclass.catalogue.move import Moved, move
from liveclass.config import Settings
from liveclass.errors import UsageError
from liveclass.operate.bundle import CHUNK
from liveclass.operate.folders import LESSONS, OPEN, files
from liveclass.operate.lock import held

CONNECT_S = 5
CALL_S = 600
PART_BYTES = 8 * 1024 * 1024

Put = Callable[[str, Path, str], tuple[str, bool]]
"""Takes a file's name relative to the data folder, the file, and its SHA-256; returns the SHA-256 of what the store
then holds, read back from it, and whether it was put there now."""

_LOGS = ("journal.jsonl", "lesson.jsonl")


@dataclass(frozen=True, slots=True)
class Copied:
    """What came of copying.

    Attributes:
        new: of the files, those that were not there before.
    """

    files: int
    bytes: int
    new: int


def migrate_catalogue(
    settings: Settings, to_database: str, progress: Callable[[int, int], None], *, overwrite: bool = False
) -> list[Moved]:
    """All rows into another database; see `liveclass.catalogue.move.move`.

    Raises:
        UsageError: a server runs on the data folder, a database cannot be used, or rows differ.
    """
    if not settings.database_url and not (settings.data_dir / "liveclass.db").is_file():
        raise UsageError(f"data_dir: {settings.data_dir} holds no catalogue; is it the server's?")
    with held(settings.data_dir):
        return asyncio.run(move(settings.database, to_database, progress, overwrite=overwrite))


def migrate_files(settings: Settings, put: Put, progress: Callable[[int, int], None]) -> Copied:
    """The lessons' files into a store; see `copy_files`.

    Raises:
        UsageError: a server runs on the data folder, or as `copy_files`.
    """
    with held(settings.data_dir):
        return copy_files(settings.data_dir, put, progress)


def copy_files(source_folder: Path, put: Put, progress: Callable[[int, int], None]) -> Copied:
    """Hand every file of the lessons to `put`, and compare what the store says that it holds.

    Args:
        source_folder: a data folder that no server uses.
        progress: called with bytes done and bytes in all.

    Raises:
        UsageError: a recording was cut off and not repaired yet, a file cannot be read, or the store holds other bytes.
    """
    found = list(files(source_folder, LESSONS))
    cut_off = [file.name for file in found if file.name.endswith(OPEN)]
    if cut_off:
        raise UsageError(f"{cut_off[0]} was cut off: start and end the server once, which repairs it, then go on.")
    total, done, new = sum(file.size for file in found), 0, 0
    for file in found:
        digest = sha256_of(file.path)
        there, fresh = put(file.name, file.path, digest)
        if there != digest:
            raise UsageError(f"{file.name} is not in the store as it is here.")
        new += fresh
        done += file.size
        progress(done, max(total, done))
    return Copied(len(found), done, new)


def sha256_of(path: Path) -> str:
    """The hash of a file, read piece by piece. Raises UsageError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as failure:
        raise UsageError(f"{path} cannot be read: {failure.strerror}") from failure


def object_name(name: str, digest: str) -> str:
    """The name under which a fleet's archive looks for a file: lesson, kind, file, the first owner, and its hash.

    Args:
        name: relative to the data folder, such as ``recordings/LESSON/main-000001.m4s``.
    """
    folder, _, rest = name.partition("/")
    if folder in {"lessons", "timelines"}:
        lesson, _, ending = rest.partition(".")
        kind, file = {"lessons": "snapshot", "timelines": "timeline"}[folder], f"lesson.{ending}"
    else:
        lesson, _, file = rest.partition("/")
        kind = {"recordings": "recording"}.get(folder, folder)
    form = "b" if file in _LOGS else "f"
    return f"{lesson}/{kind}/{file}.000000-000000{form}.{digest}"


class ObjectStore:
    """`put` for S3, its look-alikes, or a folder.

    Args:
        url: ``s3://bucket/prefix`` or ``file:///folder``; an S3 look-alike's address and region may stand in its query
            as ``endpoint`` and ``region``.
        key_id, key_secret: empty: from the environment, as is usual for S3.

    Raises:
        UsageError: the URL names no store, or obstore is not installed.
    """

    def __init__(
        self, url: str, *, endpoint: str = "", region: str = "", key_id: str = "", key_secret: str = ""
    ) -> None:
        try:
            import obstore
            from obstore.store import from_url
        except ModuleNotFoundError as missing:
            raise UsageError("--to-store needs an extra: pip install 'liveclass[fleet]'") from missing
        self._obstore: Any = obstore
        parts = urlsplit(url)
        if parts.scheme not in {"s3", "file"}:
            raise UsageError("--to-store: expected s3://bucket/prefix or file:///folder")
        try:
            if parts.scheme == "file":
                Path(parts.path).mkdir(mode=0o700, parents=True, exist_ok=True)
                self._store: Any = from_url(f"file://{parts.path}")
                return
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            endpoint = endpoint or query.get("endpoint", "")
            config: Any = {"region": region or query.get("region") or os.environ.get("AWS_REGION", "us-east-1")}
            config |= {"endpoint": endpoint} if endpoint else {}
            config |= {"access_key_id": key_id, "secret_access_key": key_secret} if key_id else {}
            options: Any = {
                "timeout": timedelta(seconds=CALL_S),
                "connect_timeout": timedelta(seconds=CONNECT_S),
                "allow_http": endpoint.startswith("http://"),
            }
            retries: Any = {"max_retries": 3, "retry_timeout": timedelta(seconds=60)}
            self._store = from_url(
                f"s3://{parts.netloc}{parts.path.rstrip('/')}",
                config=config,
                client_options=options,
                retry_config=retries,
            )
        except (OSError, ValueError, obstore.exceptions.BaseError) as failure:
            raise UsageError(f"--to-store: cannot be used ({type(failure).__name__})") from failure

    def put(self, name: str, path: Path, digest: str) -> tuple[str, bool]:
        """As `Put`. Raises UsageError when the store does not answer or refuses."""
        key = object_name(name, digest)
        try:
            there = self._sha256(key)
            if there == digest:
                return digest, False
            self._obstore.put(self._store, key, path, chunk_size=PART_BYTES, max_concurrency=2)
            return self._sha256(key) or "", True
        except (OSError, self._obstore.exceptions.BaseError) as failure:
            words = re.sub(r"\s+", " ", str(failure))[:200]
            raise UsageError(f"The store does not take {name}: {words}") from failure

    def _sha256(self, key: str) -> str | None:
        """Of what the store holds; None when it holds nothing of that name."""
        digest = hashlib.sha256()
        try:
            for chunk in self._obstore.get(self._store, key).stream(min_chunk_size=CHUNK):
                digest.update(chunk)
        except FileNotFoundError:
            return None
        return digest.hexdigest()
