"""Finished recordings as they lie in their folders: status, contents and files, read when they are asked for.

Also of lessons that another process has recorded into the same folder. Reads small files on the event loop; writes
nothing.
"""

import logging
import zlib
from pathlib import Path

from liveclass.errors import PeerError
from liveclass.recording.book import LESSON_ID, manifest_from_json
from liveclass.recording.disk import SUMMARY
from liveclass.recording.model import Manifest, MediaFile, RecordingStatus

log = logging.getLogger(__name__)

_PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
_INIT_TYPE = "video/mp4"
_SEGMENT_TYPE = "video/iso.segment"

# What is remembered of recordings of other processes; those of this one are remembered by who made them.
_MOST_SEEN = 1000


class Shelf:
    """Args:
    root: the folder of all recordings.
    others: whether other processes write into it too; otherwise nothing is there that `known` does not name.
    archived: whether a file that is not here may be asked for in the archive.
    """

    def __init__(self, root: Path, *, others: bool, archived: bool) -> None:
        self.known: dict[str, RecordingStatus] = {}
        self._root = root
        self._others = others
        self._archived = archived
        self._seen: dict[str, RecordingStatus] = {}

    def status(self, lesson_id: str) -> RecordingStatus | None:
        """How a finished recording stands; None when none is finished."""
        found = self.known.get(lesson_id) or self._seen.get(lesson_id)
        if found is None and self._others and LESSON_ID.fullmatch(lesson_id):
            try:
                found = manifest_from_json((self._root / lesson_id / SUMMARY).read_bytes()).status
            except (OSError, ValueError):
                return None
            while len(self._seen) >= _MOST_SEEN:
                del self._seen[next(iter(self._seen))]
            self._seen[lesson_id] = found
        return found

    def forget(self, lesson_id: str) -> None:
        """It is deleted, or another process has it."""
        self.known.pop(lesson_id, None)
        self._seen.pop(lesson_id, None)

    def manifest(self, lesson_id: str) -> Manifest | None:
        """What there is to replay; None when none is finished."""
        status = self.status(lesson_id)
        if status is None:
            return None
        try:
            return manifest_from_json((self._root / lesson_id / SUMMARY).read_bytes())
        except (OSError, ValueError):
            log.warning("the summary of a finished recording cannot be read")
            return Manifest(status)

    def locate(self, lesson_id: str, name: str) -> MediaFile:
        """A file of a finished recording; `name` has been checked. Raises PeerError 404 `not_found`."""
        if self.status(lesson_id) is None:
            raise not_found()
        path = self._root / lesson_id / name
        try:
            if path.suffix == ".m3u8":
                return playlist_file(path.read_bytes())
            return media_file(path, path.stat().st_size)
        except FileNotFoundError as error:
            if not self._archived:
                raise not_found() from error
            return remote_file(lesson_id, name)
        except OSError as error:
            raise not_found() from error


def not_found() -> PeerError:
    """Whatever is asked for and is no part of a replay."""
    return PeerError("There is no such file in this replay.", status=404, code="not_found")


def playlist_file(data: bytes) -> MediaFile:
    return MediaFile(None, data, _PLAYLIST_TYPE, "live", f"{len(data):x}-{zlib.crc32(data):08x}")


def media_file(path: Path, size: int) -> MediaFile:
    """A closed file on this disk."""
    return MediaFile(path, None, _type(path.name), "immutable", f"{size:x}-{zlib.crc32(path.name.encode()):08x}")


def remote_file(lesson_id: str, name: str) -> MediaFile:
    """A closed file that may be in the archive; whoever opens it finds out."""
    if name.endswith(".m3u8"):
        return MediaFile(None, None, _PLAYLIST_TYPE, "live", "", (lesson_id, name))
    return MediaFile(None, None, _type(name), "immutable", "", (lesson_id, name))


def _type(name: str) -> str:
    return _INIT_TYPE if name.endswith(".mp4") else _SEGMENT_TYPE
