"""The folder of one lesson's recording as its owner holds it: the directory itself, never its name alone.

On a fleet a lesson changes its owner, and the former one may only be paused: it wakes up in the midst of a write. So
each owner makes a directory of its own out of what is there (closed files linked, the journal and open segments
copied), puts it in the place of the old one in one step, and works below a descriptor of it. A former owner works on
below the descriptor of a directory that has no name any more. No lock is asked: a paused process keeps its locks.

Blocks; runs on the writer thread, but for `fence_off`. Knows nothing of what is recorded.
"""

import contextlib
import ctypes
import errno
import os
from pathlib import Path

from liveclass.recording.disk import JOURNAL, PART, TEMPORARY, Disk

FENCE = "fence"
"""Names the owner under whom a directory was made; it never changes in a directory that has a name."""

TAKING = ".taking-"
"""Begins the name of a directory that is about to take a lesson's place; no lesson id has a dot."""

_AT = "@"
_OLD = "-old"
_DESCRIPTORS = Path("/proc/self/fd")
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_FOLDER_MODE, _FILE_MODE = 0o700, 0o600


class Fenced(OSError):
    """The lesson has another owner: nothing of it is written here any more."""

    def __init__(self) -> None:
        super().__init__(errno.ESTALE, "this lesson has another owner")


class Hold:
    """One owner's directory of one lesson.

    Args:
        root: the folder of all recordings.
        fence: which owner this is; grows with each change of owner.

    Attributes:
        doubted: whether this process may still write is not known just now; the writer keeps its jobs back.
    """

    def __init__(self, root: Path, lesson_id: str, fence: int) -> None:
        self.fence = fence
        self.doubted = False
        self._root = root
        self._lesson_id = lesson_id
        self._fenced = False
        self._file: int | None = None

    @property
    def path(self) -> Path:
        """The directory, whatever has its name now.

        Raises:
            Fenced: the lesson was given up; every job that is still queued ends here.
            OSError: the directory is not taken.
        """
        if self._fenced:
            raise Fenced
        if self._file is None:
            raise OSError(errno.EBADF, "the folder of this recording could not be taken over")
        found = _DESCRIPTORS / str(self._file)
        return found if _DESCRIPTORS.is_dir() else self._root / self._lesson_id

    def check(self) -> None:
        """Raises as `path` does; cheap, for every job."""
        if self._fenced or self._file is None:
            _ = self.path

    @property
    def fenced(self) -> bool:
        return self._fenced

    def fence_off(self) -> None:
        """From now on `path` is refused; called on the event loop."""
        self._fenced = True

    def take(self, disk: Disk) -> None:
        """Become the owner of the folder, made where there is none; again: nothing happens.

        Raises:
            Fenced: a later owner has it, or came while this one was at work.
            OSError: the disk refuses; calling again goes on.
        """
        if self._file is not None:
            return
        name, mine = self._root / self._lesson_id, self._taking()
        disk.make_folder(self._root)
        disk.remove_tree(mine)
        mine.mkdir(_FOLDER_MODE)
        file = os.open(mine, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # After `mine` is there: a later owner that is not seen here yet will find it and take its name, so that the
            # exchange below fails.
            _bring_back(self._root, self._lesson_id)
            if fence_of(name) > self.fence:
                disk.remove_tree(mine)
                raise Fenced
            if name.is_dir():
                _copy(disk, name, mine)
            disk.write_file(mine / FENCE, str(self.fence).encode())
            _replace(name, mine)
            disk.sync_folder(self._root)
        except FileNotFoundError as error:
            os.close(file)
            raise Fenced from error
        except BaseException:
            os.close(file)
            raise
        self._file = file
        sweep(disk, self._root, self._lesson_id)

    def close(self) -> None:
        """Let go of the directory. Only after the last job that uses it: the number of its descriptor is given anew."""
        self._fenced = True
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _taking(self) -> Path:
        return self._root / f"{TAKING}{self._lesson_id}{_AT}{self.fence}"


def fence_of(folder: Path) -> int:
    """The owner under whom a directory was made; 0 for one that no fleet has touched."""
    try:
        return int((folder / FENCE).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return 0


def sweep(disk: Disk, root: Path, lesson_id: str = "") -> None:
    """Remove the directories of former owners, and of those that did not become one; empty: of all lessons."""
    for path in root.glob(f"{TAKING}{lesson_id}*"):
        of = path.name.removeprefix(TAKING).partition(_AT)[0]
        if lesson_id and of != lesson_id:
            continue
        _bring_back(root, of)
        with contextlib.suppress(FileNotFoundError):
            disk.remove_tree(path)


def _copy(disk: Disk, old: Path, new: Path) -> None:
    """What a former owner may still write to becomes a new file; what never changes is linked.

    The journal first: what it tells of is then in the files, which may be ahead of it but never behind.
    """
    with contextlib.suppress(FileNotFoundError):
        _write(disk, new / JOURNAL, (old / JOURNAL).read_bytes())
    for entry in sorted(os.listdir(old)):
        if entry in {JOURNAL, FENCE} or entry.endswith(TEMPORARY):
            continue
        if entry.endswith(PART):
            try:
                _write(disk, new / entry, (old / entry).read_bytes())
                continue
            except FileNotFoundError:
                # Its owner lives and has closed it just now.
                pass
        closed = entry.removesuffix(PART)
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            os.link(old / closed, new / closed)
    disk.sync_folder(new)


def _write(disk: Disk, path: Path, data: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE_MODE)
    try:
        disk.write(file, data)
        disk.sync(file)
    finally:
        os.close(file)


def _replace(name: Path, mine: Path) -> None:
    """Put `mine` in the place of `name`, in one step where the system can; the old one then has `mine`'s name."""
    if not name.exists():
        os.rename(mine, name)
    elif not _exchange(mine, name):
        old = mine.with_name(mine.name + _OLD)
        os.rename(name, old)
        os.rename(mine, name)


def _bring_back(root: Path, lesson_id: str) -> None:
    """Undo a change of places that a crash cut in two."""
    if lesson_id and not (root / lesson_id).exists():
        for old in sorted(root.glob(f"{TAKING}{lesson_id}{_AT}*{_OLD}"), key=fence_of)[-1:]:
            os.rename(old, root / lesson_id)


def _exchange(one: Path, other: Path) -> bool:
    """renameat2(2) with RENAME_EXCHANGE; False where system or file system do not know it."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}:
        return False
    raise OSError(code, os.strerror(code), str(one))
