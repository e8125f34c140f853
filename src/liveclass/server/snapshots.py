"""What lessons remember over a restart beside the catalogue: one small JSON file each, written whole or not at all.

Blocking; callers run it off the event loop. Knows the file, not what the lesson does with it.
"""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from liveclass.lesson.members import LessonSnapshot

log = structlog.get_logger(__name__)


class Snapshots:
    """The folder of snapshots; holds names of people, so only the owner may read it.

    Args:
        folder: made when first needed.
        writes: whether this process may write of a lesson; asked in the thread, at the last moment.
    """

    def __init__(self, folder: Path, writes: Callable[[str], bool] = lambda _lesson_id: True) -> None:
        self._folder = folder
        self._writes = writes

    def read(self, lesson_id: str) -> LessonSnapshot | None:
        """The lesson's snapshot; None when there is none, or none that can be read: the lesson then starts fresh."""
        try:
            return msgspec.json.decode(self._path(lesson_id).read_bytes(), type=LessonSnapshot)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, ValueError):
            log.warning("snapshot_unreadable", lesson=lesson_id)
            return None

    def take_over(self, lesson_id: str) -> None:
        """This process writes it from now on: what another had half done can no longer be put in its place."""
        for path in self._folder.glob(f"{lesson_id}.*tmp"):
            path.unlink(missing_ok=True)

    def write(self, lesson_id: str, snapshot: LessonSnapshot) -> None:
        """Replace the file in one step. Raises OSError, also when another process has the lesson."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(lesson_id)
        # Of its own: a process that was paused here must not put its old snapshot over a newer one. Whoever takes the
        # lesson over removes it, and whoever lost the lesson before it was made sees that below.
        temporary = path.with_name(f"{lesson_id}.{secrets.token_hex(4)}.tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(snapshot))
            file.flush()
            os.fsync(file.fileno())
        if not self._writes(lesson_id):
            temporary.unlink(missing_ok=True)
            raise OSError("the lesson has another owner")
        temporary.replace(path)

    def delete(self, lesson_id: str) -> None:
        """Remove the file if there is one, and what a crash left half done. Raises OSError."""
        self.take_over(lesson_id)
        self._path(lesson_id).unlink(missing_ok=True)

    def _path(self, lesson_id: str) -> Path:
        return self._folder / f"{lesson_id}.json"
