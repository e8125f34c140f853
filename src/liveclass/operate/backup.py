"""`liveclass backup`: everything that a server knows in one file, taken while it runs.

The catalogue is of one moment, written as lines that fit every database; the files are those of the data folder. Knows
what belongs to a backup; the form of the file stands in `bundle`.
"""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import msgspec

from liveclass import __version__
from liveclass.catalogue.dump import dump
from liveclass.config import Settings
from liveclass.errors import UsageError
from liveclass.operate.bundle import CHUNK, Writer
from liveclass.operate.folders import KEPT, OPEN, Found, files

FORMAT = 1
MANIFEST, CATALOGUE, CHECKSUMS = "manifest.json", "catalogue.jsonl", "checksums.jsonl"


class Manifest(msgspec.Struct, forbid_unknown_fields=True):
    """The first file of a backup.

    Attributes:
        made_at: ISO 8601, UTC.
        recordings: whether they are in it.
        stored: whether further recordings lie in an object store, which a backup does not hold.
    """

    format: int
    version: str
    made_at: str
    recordings: bool
    stored: bool


class Checksum(msgspec.Struct, forbid_unknown_fields=True):
    """A line of the last file: what an earlier one must be."""

    path: str
    bytes: int
    sha256: str


@dataclass(slots=True)
class Done:
    """What came of it.

    Attributes:
        bytes: of the files, uncompressed; `written` of the backup.
        torn: files that became shorter while they were read, and are filled with zeros.
    """

    files: int = 0
    bytes: int = 0
    written: int = 0
    torn: list[str] = field(default_factory=list)


def backup(settings: Settings, target: Path, progress: Callable[[int, int], None], *, recordings: bool = True) -> Done:
    """Write a backup; the server may run.

    Args:
        target: a new file whose name ends with ``.tar.zst`` or ``.tar.gz``; only its owner may read it.
        progress: called with bytes done and bytes in all.

    Raises:
        UsageError: there is no catalogue, or the file cannot be written.
    """
    if not settings.database_url and not (settings.data_dir / "liveclass.db").is_file():
        raise UsageError(f"data_dir: {settings.data_dir} holds no catalogue; is it the server's?")
    folders = tuple(folder for folder in KEPT if recordings or folder != "recordings")
    stored = bool(settings.store_url)
    manifest = Manifest(FORMAT, __version__, datetime.now(UTC).isoformat(), recordings, stored)
    try:
        with Writer(target) as writer, tempfile.TemporaryFile(dir=target.parent) as spool:
            asyncio.run(_spool(settings.database, spool))
            size = spool.tell()
            spool.seek(0)
            found = list(files(settings.data_dir, folders))
            taking = _Taking(writer, progress, size + sum(file.size for file in found))
            encoded = msgspec.json.encode(manifest)
            taking.take(MANIFEST, len(encoded), datetime.now(UTC).timestamp(), iter([encoded]))
            taking.take(CATALOGUE, size, datetime.now(UTC).timestamp(), _chunks(spool))
            for file in found:
                taking.file(file)
            return taking.finish()
    except OSError as failure:
        raise UsageError(f"{target}: cannot be written: {failure.strerror}") from failure


async def _spool(url: str, spool: IO[bytes]) -> None:
    async with aclosing(dump(url)) as lines:
        async for line in lines:
            spool.write(line)


class _Taking:
    def __init__(self, writer: Writer, progress: Callable[[int, int], None], total: int) -> None:
        self._writer, self._progress, self._total = writer, progress, total
        self._sums: dict[str, Checksum] = {}
        self.done = Done()

    def file(self, found: Found) -> None:
        """As it is now; a segment that was closed since the look under its new name, what is gone not at all."""
        name, path = found.name, found.path
        try:
            file = path.open("rb")
        except FileNotFoundError:
            if not name.endswith(OPEN):
                return
            name, path = name.removesuffix(OPEN), path.with_suffix("")
            try:
                file = path.open("rb")
            except FileNotFoundError:
                return
        with file:
            status = os.fstat(file.fileno())
            if name not in self._sums:
                self.take(name, status.st_size, status.st_mtime, _chunks(file))

    def take(self, name: str, size: int, modified: float, chunks: Iterator[bytes]) -> None:
        """Write one file and note its hash."""
        digest, left = hashlib.sha256(), size

        def seen() -> Iterator[bytes]:
            nonlocal left
            for chunk in chunks:
                part = chunk[:left]
                digest.update(part)
                left -= len(part)
                yield part
                self._progress(self.done.bytes + size - left, max(self._total, self.done.bytes + size))

        if not self._writer.add(name, size, modified, seen()):
            self.done.torn.append(name)
            while left:
                filler = bytes(min(left, CHUNK))
                digest.update(filler)
                left -= len(filler)
        self._sums[name] = Checksum(name, size, digest.hexdigest())
        self.done.files += 1
        self.done.bytes += size
        self._progress(self.done.bytes, max(self._total, self.done.bytes))

    def finish(self) -> Done:
        """Append the hashes, by which a backup that was cut off is known."""
        lines = b"".join(msgspec.json.encode(line) + b"\n" for line in self._sums.values())
        self._writer.add(CHECKSUMS, len(lines), datetime.now(UTC).timestamp(), [lines])
        self.done.written = self._writer.finish()
        self._progress(self.done.bytes, self.done.bytes)
        return self.done


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk
