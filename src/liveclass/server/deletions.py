"""Which lessons were deleted, marked on the disk, and the removal of what came of them all the same.

Deleting removes what is there. A thread or a child process that hangs, or a node that was paused, may write a file of
the lesson afterwards, and nobody can take that back from it. So a deletion is marked before anything is removed, and
what bears the name of a marked lesson is removed again and again, also after a restart, for as long as such a writer
may live. Nothing is ever removed because a catalogue does not know it: that may be the wrong catalogue.

Knows names, not what is in the files.
"""

import asyncio
import contextlib
import errno
import os
import re
import shutil
import stat
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import structlog

from liveclass.archive.service import Archive
from liveclass.server.ports import CataloguePort

log = structlog.get_logger(__name__)

What = Literal["all", "recording"]

FOLDER = "deleted"
"""Of the data folder; in it one empty file `<lesson>.<what>` for each mark."""

GRACE_S = 60.0
"""A deletion that is under way is left to whoever does it for so long."""

KEPT_S = 7 * 86_400.0
"""How long a mark is kept: no process that hangs or is paused is left alone for longer."""

SWEEP_S = 600.0
"""How often it is looked whether anything has come of deleted lessons."""

_RECORDINGS = "recordings"
_FOLDERS = (_RECORDINGS, "materials", "timelines", "lessons")
_TAKING, _FENCE = ".taking-", "fence"
"""Tells the nodes of a fleet who owns the lesson, which outlives its recording."""

_TRIES = 5

_LESSON_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_OF = re.compile(r"(?:\.deleted-|\.taking-|\.)?(?P<lesson>[A-Za-z0-9_-]{1,64})(?:[.@].*)?")
"""Whose a file or folder is: `ID`, `ID.json`, `.deleted-ID`, `.taking-ID@3`, `.ID.json.17.tmp`."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A deletion.

    Attributes:
        what: the whole lesson, or its recording alone.
        old: nobody is at it any more, so that what is left is left for good.
    """

    lesson: str
    what: What
    old: bool


class Deletions:
    """The marks. Blocking; callers run it off the event loop.

    Args:
        data_dir: the server's.
        wall: seconds since 1970.
    """

    def __init__(self, data_dir: Path, wall: Callable[[], float]) -> None:
        self._data_dir = data_dir
        self._folder = data_dir / FOLDER
        self._wall = wall
        self._unwritten: set[tuple[str, What]] = set()

    def mark(self, lesson: str, what: What = "all") -> None:
        """Remember that this is deleted, on the medium: call it first. A disk that is full hinders no deletion."""
        if not _LESSON_ID.fullmatch(lesson):
            return
        try:
            self._write(lesson, what)
        except OSError as error:
            self._unwritten.add((lesson, what))
            log.warning("deletion_not_marked", lesson=lesson, reason=error.strerror)

    def marks(self, *, alone: bool = False) -> list[Mark]:
        """All that are kept.

        Args:
            alone: no other process writes into the data folder, and this one deletes nothing yet: every mark is old.
        """
        now, found = self._wall(), []
        for name in _names(self._folder):
            lesson, _, what = name.partition(".")
            if what in get_args(What) and (age_s := self._age_s(name, now)) is not None:
                found.append(Mark(lesson, what, alone or not 0 <= age_s < GRACE_S))  # type: ignore[arg-type]
        return found

    def sweep(self, marks: list[Mark]) -> set[str]:
        """Remove what is there of these deletions, unless they are under way. Returns the lessons that had any.

        What the disk refuses is logged, and left to the next time.
        """
        for lesson, what in list(self._unwritten):
            self._unwritten.discard((lesson, what))
            self.mark(lesson, what)
        doomed: dict[str, What] = {mark.lesson: mark.what for mark in marks if mark.old and mark.what == "recording"}
        doomed |= {mark.lesson: mark.what for mark in marks if mark.old and mark.what == "all"}
        if not doomed:
            return set()
        found: set[str] = set()
        for folder in _FOLDERS:
            for name in _names(self._data_dir / folder):
                of = _OF.fullmatch(name)
                lesson = of["lesson"] if of else ""
                if lesson not in doomed or (doomed[lesson] == "recording" and folder != _RECORDINGS):
                    continue
                try:
                    if self._remove(self._data_dir / folder / name, doomed[lesson]):
                        found.add(lesson)
                except OSError as error:
                    log.warning("deleted_lesson_still_there", lesson=lesson, reason=error.strerror)
        if found:
            log.warning("deleted_lessons_removed_again", lessons=sorted(found)[:20], count=len(found))
        return found

    def forget_old(self) -> None:
        """Drop the marks of so long ago that nothing comes of them any more."""
        now = self._wall()
        for name in _names(self._folder):
            age_s = self._age_s(name, now)
            if age_s is not None and age_s > KEPT_S:
                (self._folder / name).unlink(missing_ok=True)

    # Inside

    def _write(self, lesson: str, what: What) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{lesson}.{what}"
        file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            now = self._wall()
            os.utime(path, (now, now))
            os.fsync(file)
        finally:
            os.close(file)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _age_s(self, name: str, now: float) -> float | None:
        try:
            return now - (self._folder / name).stat().st_mtime
        except FileNotFoundError:
            return None

    def _remove(self, path: Path, what: What) -> bool:
        """Whether there was anything."""
        try:
            status = path.lstat()
        except FileNotFoundError:
            return False
        if not stat.S_ISDIR(status.st_mode):
            path.unlink(missing_ok=True)
            return True
        if what == "recording" and path.name.startswith(_TAKING) and 0 <= self._wall() - status.st_mtime < GRACE_S:
            # A node is just taking the lesson over; it clears up itself.
            return False
        if what == "all" or path.name.startswith("."):
            _remove_tree(path)
            return True
        names = [name for name in _names(path) if name != _FENCE]
        for name in names:
            (path / name).unlink(missing_ok=True)
        return bool(names)


def _remove_tree(path: Path) -> None:
    """The whole folder. Raises OSError, also when somebody goes on writing into it."""
    for _ in range(_TRIES):
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            # Somebody else removes it too, or has written a file for a moment only.
            if not path.exists():
                return
        else:
            return
    raise OSError(errno.EBUSY, "files of it come and go")


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


class Sweeper:
    """Has what came of deletions removed on the disk, in the catalogue and in the store, again and again."""

    def __init__(self, deletions: Deletions, catalogue: CataloguePort) -> None:
        self._deletions = deletions
        self._catalogue = catalogue
        self._archive: Archive | None = None
        self._uploads: Callable[[], Awaitable[None]] | None = None
        self._done: set[tuple[str, What]] = set()

    def attach(self, archive: Archive | None, uploads: Callable[[], Awaitable[None]]) -> None:
        """Give what is made later.

        Args:
            archive: None where nothing is kept beside the data folder.
            uploads: removes what was uploaded and never became a lesson's.
        """
        self._archive, self._uploads = archive, uploads
        self._done.clear()

    async def run(self) -> None:
        """For ever."""
        while True:
            await self.attempt()
            await asyncio.sleep(SWEEP_S)

    async def attempt(self, *, alone: bool = False) -> None:
        """`once`, and what fails is logged: it is tried again."""
        try:
            await self.once(alone=alone)
        except Exception:
            log.exception("deletions_not_swept")

    async def once(self, *, alone: bool = False) -> None:
        """One look.

        Args:
            alone: see `Deletions.marks`; a deletion that ended with the process is then ended here.
        """
        marks = await asyncio.to_thread(self._deletions.marks, alone=alone)
        found = await asyncio.to_thread(self._deletions.sweep, marks)
        self._done &= {(mark.lesson, mark.what) for mark in marks}
        for mark in marks:
            if mark.old and (mark.lesson in found or (mark.lesson, mark.what) not in self._done):
                await self._finish(mark)
        await asyncio.to_thread(self._deletions.forget_old)
        if self._uploads is not None:
            await self._uploads()

    async def _finish(self, mark: Mark) -> None:
        # A deletion that was broken off: its lesson must not go on as an empty one.
        if mark.what == "all" and await self._catalogue.lesson(mark.lesson) is not None:
            log.warning("deletion_ended_later", lesson=mark.lesson)
            await self._catalogue.delete_lesson(mark.lesson)
        if self._archive is not None:
            # What was on its way when the objects were deleted has come since.
            with contextlib.suppress(OSError):  # remembered by the archive, which tries again
                await self._archive.delete(mark.lesson, recording_only=mark.what == "recording")
        self._done.add((mark.lesson, mark.what))
