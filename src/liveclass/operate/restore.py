"""`liveclass restore`: a backup into an empty data folder and an empty database, whole or not at all.

The file may come from anywhere: nothing of it is believed before all of it was read and its hashes agree. Knows where
things go; the form of the file stands in `bundle`.
"""

import asyncio
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from liveclass.catalogue.dump import LONGEST_LINE, load, rows_in
from liveclass.config import Settings
from liveclass.errors import UsageError
from liveclass.operate.backup import CATALOGUE, CHECKSUMS, FORMAT, MANIFEST, Checksum, Manifest
from liveclass.operate.bundle import Member, opened
from liveclass.operate.folders import KEPT
from liveclass.operate.lock import held

LOCK = "lock"
STAGING = ".restoring"
LARGEST_MANIFEST = 64 * 1024
LARGEST_CHECKSUMS = 1024 * 1024 * 1024


@dataclass(slots=True)
class Restored:
    """What came of it.

    Attributes:
        rows: of the catalogue.
    """

    manifest: Manifest
    files: int
    bytes: int
    rows: int


def restore(settings: Settings, source: Path, progress: Callable[[int, int], None]) -> Restored:
    """Bring a backup back. Afterwards everything is there, or the folder is as empty as before.

    Args:
        progress: called with the bytes of the backup that were read, and its size.

    Raises:
        UsageError: the data folder or the database is not empty, a server runs there, the backup is damaged, hostile or
            of a newer liveclass, or the disk has no room.
    """
    with held(settings.data_dir):
        folder = settings.data_dir
        there = sorted(entry.name for entry in folder.iterdir() if entry.name != LOCK)
        if there:
            raise UsageError(
                f"data_dir: {folder} is not empty ({', '.join(there[:3])}): restore into a new one; nothing was changed"
            )
        try:
            if asyncio.run(rows_in(settings.database)):
                raise UsageError("database_url: the database is not empty; nothing was changed")
            return _restore(settings, source, progress)
        except BaseException as failure:
            for entry in folder.iterdir():  # it was empty before
                if entry.name != LOCK:
                    shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)
            if isinstance(failure, OSError):
                raise UsageError(f"{folder} cannot be written: {failure.strerror}") from failure
            raise


def _restore(settings: Settings, source: Path, progress: Callable[[int, int], None]) -> Restored:
    staging = settings.data_dir / STAGING
    staging.mkdir(mode=0o700)
    size = source.stat().st_size if source.exists() else 0
    reading = _Reading(staging, settings.disk_floor_bytes)
    with opened(source) as members:
        for member in members:
            reading.member(member)
            progress(min(size, reading.bytes), max(size, reading.bytes))
    manifest = reading.checked()
    rows = asyncio.run(load(settings.database, _lines(staging / CATALOGUE)))
    for folder in KEPT:
        if (staging / folder).is_dir():
            os.rename(staging / folder, settings.data_dir / folder)
    shutil.rmtree(staging)
    os.sync()  # thousands of files at once are synced faster than one by one
    progress(size, size)
    return Restored(manifest, reading.files, reading.bytes, rows)


class _Reading:
    """Writes members below a folder of its own and judges them at the end."""

    def __init__(self, staging: Path, floor_bytes: int) -> None:
        self._staging = staging
        self._room = shutil.disk_usage(staging).free - floor_bytes
        self._sums: dict[str, tuple[int, bytes]] = {}
        self._manifest: Manifest | None = None
        self._complete = False
        self.files = self.bytes = 0

    def member(self, member: Member) -> None:
        """Take one file of the backup."""
        expected = {0: MANIFEST, 1: CATALOGUE}.get(len(self._sums))
        last = member.name == CHECKSUMS
        inside = member.name.split("/")[0] in KEPT and "/" in member.name
        if self._complete or (expected not in {None, member.name}) or not (expected or last or inside):
            raise UsageError(f"The backup holds {member.name!r}, which has no place in it here.")
        if member.size > self._room - self.bytes:
            raise UsageError(f"data_dir: no room for this backup: {member.name} has {member.size} bytes")
        if expected == MANIFEST:
            self._manifest = self._read_manifest(member)
        elif last:
            self._compare(member)
        else:
            self._write(member)

    def checked(self) -> Manifest:
        """What the backup says of itself, after the last member."""
        if not self._complete or self._manifest is None:
            raise UsageError("The backup is cut off: its checksums are missing.")
        return self._manifest

    def _read_manifest(self, member: Member) -> Manifest:
        if member.size > LARGEST_MANIFEST:
            raise UsageError("The backup's manifest is too large.")
        content = b"".join(member.chunks)
        self._sums[member.name] = (len(content), hashlib.sha256(content).digest())
        try:
            manifest = msgspec.json.decode(content, type=Manifest)
        except (msgspec.MsgspecError, ValueError) as failure:
            raise UsageError("The backup's manifest cannot be understood; was it made by a newer version?") from failure
        if manifest.format != FORMAT:
            raise UsageError("The backup was made by a newer version of liveclass: install that version.")
        return manifest

    def _write(self, member: Member) -> None:
        path = self._staging / member.name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest = hashlib.sha256()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for chunk in member.chunks:
                digest.update(chunk)
                file.write(chunk)
        with suppress(OSError, OverflowError):
            os.utime(path, (member.modified, member.modified))
        self._sums[member.name] = (member.size, digest.digest())
        self.files += 1
        self.bytes += member.size

    def _compare(self, member: Member) -> None:
        """The last file names every other one, with its size and hash, and none besides."""
        if member.size > LARGEST_CHECKSUMS:
            raise UsageError("The backup's checksums are too large.")
        named = 0
        for line in _split(member.chunks):
            try:
                told = msgspec.json.decode(line, type=Checksum)
                same = self._sums.get(told.path) == (told.bytes, bytes.fromhex(told.sha256))
            except (msgspec.MsgspecError, ValueError) as failure:
                raise UsageError("The backup's checksums cannot be understood.") from failure
            if not same:
                raise UsageError(f"The backup is damaged: {told.path} is not what was written.")
            named += 1
        if named != len(self._sums):
            raise UsageError("The backup is damaged: some of its files have no checksum.")
        self._complete = True


def _split(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        if len(rest) > LONGEST_LINE:
            raise UsageError("The backup's checksums cannot be understood.")
    if rest:
        yield rest


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while line := file.readline(LONGEST_LINE + 1):
            yield line
