"""The recording's files as the writer thread sees them: appended, synced, renamed, never half there under a final name.

Everything here blocks and belongs to the writer thread. A segment is written under `name.part` and renamed when it is
complete; every other file is written under a temporary name and renamed. Nothing here knows media or the event loop.
"""

import errno
import os
import shutil
from pathlib import Path
from typing import Protocol

from liveclass.recording.model import Problem

JOURNAL = "journal.jsonl"
SUMMARY = "summary.json"
PART = ".part"
TEMPORARY = ".tmp"

# Only the server's user reads recordings of children.
_FILE_MODE = 0o600
_FOLDER_MODE = 0o700

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def problem_of(error: BaseException) -> Problem:
    """The stable word for a failure to write."""
    return "disk_full" if isinstance(error, OSError) and error.errno in _FULL else "disk_error"


class Disk:
    """The operations that can fail or hang; tests put a failing one in its place."""

    def write(self, file: int, data: bytes) -> None:
        """Write all of `data`."""
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]

    def sync(self, file: int) -> None:
        """Bring the data of a file to the medium; sizes included, times not."""
        os.fdatasync(file) if hasattr(os, "fdatasync") else os.fsync(file)

    def sync_folder(self, path: Path) -> None:
        """Bring names to the medium."""
        file = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(file)
        finally:
            os.close(file)

    def free_bytes(self, path: Path) -> int:
        """What an ordinary user may still write on this file system."""
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize

    def write_file(self, path: Path, data: bytes) -> None:
        """A whole file, or none: temporary name, sync, rename, sync of the folder."""
        temporary = path.with_name(path.name + TEMPORARY)
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE_MODE)
        try:
            self.write(file, data)
            self.sync(file)
        finally:
            os.close(file)
        os.rename(temporary, path)
        self.sync_folder(path.parent)

    def make_folder(self, path: Path) -> None:
        """A folder that survives a power cut."""
        if not path.is_dir():
            path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            self.sync_folder(path.parent)

    def remove_tree(self, path: Path) -> None:
        """All bytes below `path`; it loses its name first, so that it is never half there under it."""
        if not path.is_dir():
            return
        doomed = path.with_name(f"{DOOMED}{path.name}")
        shutil.rmtree(doomed, ignore_errors=True)
        os.rename(path, doomed)
        shutil.rmtree(doomed)
        self.sync_folder(path.parent)


DOOMED = ".deleted-"
"""Begins the name of a folder that is being deleted; no lesson id has a dot."""


class Held(Protocol):
    """A directory that may be taken away at any moment (`hold.Hold`): asking for its path raises from then on."""

    @property
    def path(self) -> Path: ...

    @property
    def doubted(self) -> bool: ...

    def check(self) -> None: ...


class Folder:
    """The open files of one recording.

    Args:
        where: its folder, or what holds it.
        floor_bytes: nothing is appended when less than this is free.

    Attributes:
        failed: the first error; everything later is refused with it, until a new `Folder` begins with a recovery.
    """

    def __init__(self, disk: Disk, where: "Path | Held", floor_bytes: int) -> None:
        self.failed: Exception | None = None
        self._where = where
        self._disk = disk
        self._floor_bytes = floor_bytes
        self._journal: int | None = None
        self._segments: dict[str, tuple[int, str]] = {}
        self._dirty: set[int] = set()
        self._journal_dirty = False

    @property
    def path(self) -> Path:
        """Where its files are. Raises OSError when they are not this process's any more."""
        return self._where if isinstance(self._where, Path) else self._where.path

    def check_ours(self) -> None:
        """Raises OSError when its files are not this process's any more."""
        if not isinstance(self._where, Path):
            self._where.check()

    @property
    def doubted(self) -> bool:
        """Whether it is not known just now if this process may write."""
        return not isinstance(self._where, Path) and self._where.doubted

    def check_space(self) -> None:
        """Raises OSError (ENOSPC) when the floor is reached."""
        self._disk.make_folder(self.path)
        if self._disk.free_bytes(self.path) < self._floor_bytes:
            raise OSError(errno.ENOSPC, "the floor of free space is reached")

    def open(self) -> None:
        """Make the folder if need be and open its journal."""
        self._disk.make_folder(self.path)
        if self._journal is None:
            self._journal = os.open(self.path / JOURNAL, os.O_WRONLY | os.O_CREAT | os.O_APPEND, _FILE_MODE)
            self._disk.sync_folder(self.path)

    def enter(self, line: bytes) -> None:
        """Append a line to the journal; it is on the medium after `sync`."""
        self.check_ours()
        if self._journal is None:
            raise OSError(errno.EBADF, "the journal is not open")
        self._disk.write(self._journal, line)
        self._journal_dirty = True

    def write_file(self, name: str, data: bytes) -> None:
        """A whole file, at once on the medium."""
        self._disk.write_file(self.path / name, data)

    def open_segment(self, track: str, name: str) -> None:
        """Begin a segment of a track."""
        path = self.path / (name + PART)
        self._segments[track] = (os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE_MODE), name)

    def append(self, track: str, data: bytes) -> None:
        """Append to the open segment of a track; it is on the medium after `sync`."""
        self.check_space()
        file, _ = self._segments[track]
        self._disk.write(file, data)
        self._dirty.add(file)

    def close_segment(self, track: str) -> None:
        """Give the complete segment its name: on the medium first, then renamed."""
        file, name = self._segments.pop(track)
        self._dirty.discard(file)
        try:
            self._disk.sync(file)
        finally:
            os.close(file)
        os.rename(self.path / (name + PART), self.path / name)
        self._disk.sync_folder(self.path)

    def sync(self) -> None:
        """Bring everything written to the medium, the journal first: it tells what the segments are."""
        if self._journal_dirty and self._journal is not None:
            self._disk.sync(self._journal)
            self._journal_dirty = False
        while self._dirty:
            self._disk.sync(self._dirty.pop())

    def close(self) -> None:
        """Let go of all files as they are."""
        files = [file for file, _ in self._segments.values()]
        if self._journal is not None:
            files.append(self._journal)
        self._segments.clear()
        self._dirty.clear()
        self._journal, self._journal_dirty = None, False
        for file in files:
            try:
                os.close(file)
            except OSError:
                # A close that fails tells of writes that `sync` has already told of.
                continue
