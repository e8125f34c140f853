"""The files of one lesson in the data folder: which of them are kept in the archive, and how. Blocking.

Never changes what a lesson writes; only a node that takes a lesson over puts files here, before the lesson is opened.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from liveclass.archive.model import Kind, Stored

FOLDERS: dict[Kind, str] = {
    "recording": "recordings",
    "timeline": "timelines",
    "snapshot": "lessons",
    "materials": "materials",
}
JOURNAL, SUMMARY, FENCE = "journal.jsonl", "summary.json", "fence"

_MEDIA = re.compile(r"[a-z0-9]+(-init-\d+\.mp4|-\d{6}\.m4s)|light\.mp4")
_MADE = re.compile(r"[0-9a-f]{64}\.[a-z0-9]{1,8}")
_INDEX = re.compile(r"[a-z0-9]{6,12}\.index")
_STATE = re.compile(r"(?P<lesson>[A-Za-z0-9_-]{1,64})@(?P<fence>\d+)\.json")
_CHUNK = 1024 * 1024


Stamp = tuple[tuple[int, int], ...]
"""Times and sizes of what changes when a lesson does."""


@dataclass(slots=True)
class Look:
    """What there is to keep of a lesson now.

    Attributes:
        fixed: files that never change, by kind and name, with their size.
        whole: small files that are replaced.
        logs: files that are appended to, with how many of their bytes are whole lines now.
        finished: whether the recording is complete.
        materials: all names of files that the materials have; None where there is no folder of them.
    """

    fixed: dict[tuple[Kind, str], int] = field(default_factory=dict)
    whole: set[tuple[Kind, str]] = field(default_factory=set)
    logs: dict[tuple[Kind, str], int] = field(default_factory=dict)
    finished: bool = False
    materials: set[str] | None = None


class Data:
    """Args:
    root: the data folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.own = root / "archive"

    def folder(self, lesson: str, kind: Kind) -> Path:
        """Where the lesson's files of a kind lie; those of some kinds share a folder with other lessons'."""
        base = self.root / FOLDERS[kind]
        return base / lesson if kind in {"recording", "materials"} else base

    def path(self, lesson: str, kind: Kind, name: str) -> Path:
        return self.folder(lesson, kind) / (name.replace("lesson", lesson, 1) if kind in _SHARED else name)

    def stamp(self, lesson: str) -> Stamp:
        """Changes when there may be something new; cheap."""
        return tuple(
            _stamp(path)
            for path in (
                self.folder(lesson, "recording"),
                self.path(lesson, "recording", JOURNAL),
                self.path(lesson, "timeline", _SHARED["timeline"]),
                self.path(lesson, "snapshot", _SHARED["snapshot"]),
                self.folder(lesson, "materials"),
            )
        )

    def look(self, lesson: str) -> Look:
        """Everything that is to be kept. Raises OSError."""
        found = Look()
        # The logs first: what they tell of is then in the files.
        for kind, name in _LOGS:
            size = _whole_lines(self.path(lesson, kind, name))
            if size:
                found.logs[kind, name] = size
        recording = _names(self.folder(lesson, "recording"))
        found.finished = SUMMARY in recording
        for name in recording:
            if _MEDIA.fullmatch(name):
                self._fix(found, lesson, "recording", name)
            elif found.finished and (name == SUMMARY or name.endswith(".m3u8")):
                # Before that they follow from the journal.
                found.whole.add(("recording", name))
        if self.folder(lesson, "materials").is_dir():
            found.materials = set()
        for name in _names(self.folder(lesson, "materials")):
            if _MADE.fullmatch(name):
                self._fix(found, lesson, "materials", name)
            elif _INDEX.fullmatch(name):
                found.whole.add(("materials", name))
                if found.materials is not None:
                    found.materials |= {name, *self._files_of(lesson, name)}
        if self.path(lesson, "snapshot", _SHARED["snapshot"]).exists():
            found.whole.add(("snapshot", _SHARED["snapshot"]))
        return found

    def lessons(self) -> set[str]:
        """All lessons of which there is anything."""
        found: set[str] = set()
        for folder in FOLDERS.values():
            for name in _names(self.root / folder):
                lesson = name.partition(".")[0]
                if lesson and "@" not in name and re.fullmatch(r"[A-Za-z0-9_-]{1,64}(\.jsonl?)?", name):
                    found.add(lesson)
        return found

    def fence(self, lesson: str) -> int:
        """The latest owner whose files lie here; -1: nothing does."""
        found = max((fence for _, fence in self._states(lesson)), default=-1)
        folder = self.folder(lesson, "recording")
        if found < 0 and ((folder / JOURNAL).exists() or self.path(lesson, "timeline", _SHARED["timeline"]).exists()):
            found = 0
        with contextlib.suppress(OSError, ValueError):
            found = max(found, int((folder / FENCE).read_bytes()))
        return found

    def read(self, lesson: str, kind: Kind, name: str, start: int, end: int | None) -> bytes:
        with self.path(lesson, kind, name).open("rb") as file:
            file.seek(start)
            return file.read() if end is None else file.read(end - start)

    def write(self, lesson: str, kind: Kind, name: str, data: bytes) -> None:
        """A whole file or none, on the medium."""
        write_whole(self.path(lesson, kind, name), data)

    def remove(self, lesson: str, kind: Kind) -> None:
        """What lies here of a lesson, of one kind."""
        if kind in _SHARED:
            self.path(lesson, kind, _SHARED[kind]).unlink(missing_ok=True)
        else:
            folder = self.folder(lesson, kind)
            doomed = folder.with_name(f".deleted-{lesson}")
            shutil.rmtree(doomed, ignore_errors=True)
            if folder.is_dir():
                os.rename(folder, doomed)
                shutil.rmtree(doomed)

    # What is known of the store

    def load_state(self, lesson: str) -> list[Stored] | None:
        """The objects that the latest owner here knew to be in the store; None: the store must be asked."""
        latest = max(self._states(lesson), key=lambda state: state[1], default=None)
        if latest is None:
            return None
        try:
            return [Stored(*entry) for entry in json.loads(latest[0].read_bytes())]
        except (OSError, ValueError, TypeError):
            return None

    def save_state(self, lesson: str, fence: int, objects: list[Stored]) -> None:
        """Not on the medium: what a power cut takes is asked for again."""
        entries = [
            (one.path, one.kind, one.name, one.fence, one.number, one.form, one.sha256, one.size) for one in objects
        ]
        write_whole(self._state(lesson, fence), json.dumps(entries, separators=(",", ":")).encode(), sync=False)
        for path, other in list(self._states(lesson)):
            if other < fence:
                self._done(lesson, other).unlink(missing_ok=True)
                path.unlink(missing_ok=True)

        self._done(lesson, fence).unlink(missing_ok=True)

    def forget_state(self, lesson: str) -> None:
        for path, fence in list(self._states(lesson)):
            self._done(lesson, fence).unlink(missing_ok=True)
            path.unlink(missing_ok=True)

    def save_done(self, lesson: str, fence: int, stamp: Stamp) -> None:
        """All that the stamp stands for is in the store: after a restart it need not be looked at."""
        write_whole(self._done(lesson, fence), repr(stamp).encode(), sync=False)

    def is_done(self, lesson: str, fence: int, stamp: Stamp) -> bool:
        try:
            return self._done(lesson, fence).read_bytes() == repr(stamp).encode()
        except OSError:
            return False

    def _done(self, lesson: str, fence: int) -> Path:
        return self.own / f"{lesson}@{fence}.done"

    def doom(self, lesson: str, what: str) -> None:
        """Remember that a lesson is to be deleted from the store, on the medium."""
        write_whole(self.own / f"{lesson}.{what}.deleted", b"")

    def doomed(self) -> list[tuple[str, str]]:
        """Lessons that are still to be deleted from the store."""
        found = []
        for name in _names(self.own):
            if name.endswith(".deleted"):
                lesson, _, what = name.removesuffix(".deleted").partition(".")
                found.append((lesson, what))
        return found

    def undoom(self, lesson: str, what: str) -> None:
        (self.own / f"{lesson}.{what}.deleted").unlink(missing_ok=True)

    def _state(self, lesson: str, fence: int) -> Path:
        return self.own / f"{lesson}@{fence}.json"

    def _states(self, lesson: str) -> Iterator[tuple[Path, int]]:
        for path in self.own.glob(f"{lesson}@*.json"):
            found = _STATE.fullmatch(path.name)
            if found is not None and found["lesson"] == lesson:
                yield path, int(found["fence"])

    def _files_of(self, lesson: str, index: str) -> set[str]:
        """The files that a material has; they may not be here yet."""
        try:
            return set(json.loads(self.path(lesson, "materials", index).read_bytes())["files"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return set()

    def _fix(self, found: Look, lesson: str, kind: Kind, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            found.fixed[kind, name] = self.path(lesson, kind, name).stat().st_size


_SHARED: dict[Kind, str] = {"timeline": "lesson.jsonl", "snapshot": "lesson.json"}
"""The one file of these kinds; on the disk the lesson's id stands in its name."""

_LOGS: tuple[tuple[Kind, str], ...] = (("recording", JOURNAL), ("timeline", _SHARED["timeline"]))


def sha256_of(path: Path) -> str:
    """The hash of a file, read a piece at a time."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def write_whole(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Temporary name, rename; only the server's user reads it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(file, "wb") as opened:
        opened.write(data)
        if sync:
            opened.flush()
            os.fsync(opened.fileno())
    os.rename(temporary, path)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
        return found.st_mtime_ns, found.st_size
    except OSError:
        return 0, 0


def _whole_lines(path: Path) -> int:
    """How many bytes of a log are whole lines."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            at = size
            while at > 0:
                start = max(0, at - 4096)
                file.seek(start)
                end = file.read(at - start).rfind(b"\n")
                if end >= 0:
                    return start + end + 1
                at = start
            return 0
    except FileNotFoundError:
        return 0
