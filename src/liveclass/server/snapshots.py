"""What lessons remember over a restart beside the catalogue: one small JSON file each, written whole or not at all.

Blocking; callers run it off the event loop. Knows the file, not what the lesson does with it.
"""

import os
from pathlib import Path

import msgspec
import structlog

from liveclass.lesson.members import LessonSnapshot

log = structlog.get_logger(__name__)


class Snapshots:
    """The folder of snapshots; holds names of people, so only the owner may read it.

    Args:
        folder: made when first needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, lesson_id: str) -> LessonSnapshot | None:
        """The lesson's snapshot; None when there is none, or none that can be read: the lesson then starts fresh."""
        try:
            return msgspec.json.decode(self._path(lesson_id).read_bytes(), type=LessonSnapshot)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, ValueError):
            log.warning("snapshot_unreadable", lesson=lesson_id)
            return None

    def write(self, lesson_id: str, snapshot: LessonSnapshot) -> None:
        """Replace the file in one step. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(lesson_id)
        temporary = path.with_suffix(".tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(snapshot))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)

    def delete(self, lesson_id: str) -> None:
        """Remove the file if there is one. Raises OSError."""
        self._path(lesson_id).unlink(missing_ok=True)

    def _path(self, lesson_id: str) -> Path:
        return self._folder / f"{lesson_id}.json"
