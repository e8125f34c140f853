"""The files of all materials: a folder for each lesson, in it files named by the hash of their bytes.

Everything here blocks and is called in threads. Names on the disk are made of lesson and material ids and hashes alone,
never of what somebody called a file. `<hash>.<ext>` never changes; `<id>.index` says what a material is and which files
it has; `<id>.work` holds an upload and what is made of it until it is done. Every file is written whole or not at all.
"""

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import msgspec

from liveclass.lesson.events import Material
from liveclass.materials.kinds import LOOK_BYTES
from liveclass.materials.model import FILE_NAME, MATERIAL_ID, Failed, unknown

_LESSON_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_INDEX, _WORK, _PART = ".index", ".work", ".part"
_DOOMED = ".deleted-"
_UPLOADS = ".uploads"
"""Names that no lesson can have, for ids hold no dot."""

# Only the server's user reads what a class is taught with.
_FILE_MODE, _FOLDER_MODE = 0o600, 0o700
_CHUNK = 256 * 1024


class Stored(msgspec.Struct):
    """What `<id>.index` holds.

    Attributes:
        files: size in bytes of each file, by name.
        reader, format: of the upload, as in `kinds.FileKind`.
        order: counts up within the lesson.
        source_bytes: of the upload while it is kept; 0 afterwards.
        attempts: how often its making began without an end.
    """

    material: Material
    reader: str
    format: str
    order: int
    files: dict[str, int] = msgspec.field(default_factory=dict)
    source_bytes: int = 0
    attempts: int = 0


class Store:
    """Args:
    root: made when the first file comes.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, lesson: str) -> Path:
        """The lesson's folder, which need not exist. Raises PeerError 404 for what is no id."""
        if not _LESSON_ID.fullmatch(lesson):
            raise unknown()
        return self.root / lesson

    def work(self, lesson: str, material: str) -> Path:
        return self.folder(lesson) / (_id(material) + _WORK)

    def locate(self, lesson: str, name: str) -> Path:
        """A file that may be served. Raises PeerError 404 when there is none of that name."""
        if not FILE_NAME.fullmatch(name):
            raise unknown()
        path = self.folder(lesson) / name
        if not path.is_file():
            raise unknown()
        return path

    def free_bytes(self) -> int:
        """What may still be written on this file system."""
        self.root.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        found = os.statvfs(self.root)
        return found.f_bavail * found.f_frsize

    # Uploads

    def new_upload(self) -> Path:
        """An empty file for bytes that are still coming."""
        folder = self.root / _UPLOADS
        folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        path = folder / secrets.token_hex(16)
        path.touch(_FILE_MODE, exist_ok=False)
        return path

    def forget_uploads(self, idle_s: float) -> None:
        """Remove uploads to which nothing has come for so long: whoever took them in is gone."""
        with contextlib.suppress(FileNotFoundError):
            for path in (self.root / _UPLOADS).iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if abs(time.time() - path.stat().st_mtime) >= idle_s:
                        path.unlink()

    @staticmethod
    def look(path: Path) -> tuple[bytes, bytes]:
        """Beginning and end of a file."""
        with path.open("rb") as file:
            head = file.read(LOOK_BYTES)
            file.seek(max(0, path.stat().st_size - LOOK_BYTES))
            return head, file.read(LOOK_BYTES)

    def take_in(self, lesson: str, stored: Stored, upload: Path) -> None:
        """The upload becomes the source of a material that is now known."""
        folder = self.folder(lesson)
        folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        work = self.work(lesson, stored.material.id)
        work.mkdir(mode=_FOLDER_MODE)
        os.rename(upload, work / "source")
        self.write_index(lesson, stored)
        _sync_folder(self.root)

    # Files

    def adopt(self, lesson: str, path: Path, ext: str, most_bytes: int) -> tuple[str, int]:
        """A copy of what a child has made, under its hash; the original goes.

        The child may have been taken over: a link in its place would publish another file of this machine, and an open
        file could change after it was hashed. So links are refused, and bytes copied.

        Returns:
            hash and size.

        Raises:
            Failed: no plain file of at most `most_bytes`.
        """
        try:
            source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise Failed("file_broken") from error
        with os.fdopen(source, "rb") as made:
            found = os.fstat(made.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_uid != os.geteuid():
                raise Failed("file_broken")
            part = self.folder(lesson) / f"{secrets.token_hex(16)}{_PART}"
            digest, size = hashlib.sha256(), 0
            try:
                with _create(part) as copy:
                    while chunk := made.read(_CHUNK):
                        size += len(chunk)
                        if size > most_bytes:
                            raise Failed("too_large")
                        digest.update(chunk)
                        copy.write(chunk)
                    copy.flush()
                    _sync(copy.fileno())
                os.rename(part, part.with_name(f"{digest.hexdigest()}.{ext}"))
            finally:
                part.unlink(missing_ok=True)
        path.unlink()
        return digest.hexdigest(), size

    def put(self, lesson: str, data: bytes, ext: str) -> str:
        """A file of these bytes; its hash."""
        name = hashlib.sha256(data).hexdigest()
        _write_whole(self.folder(lesson) / f"{name}.{ext}", data)
        return name

    def read(self, lesson: str, name: str) -> bytes:
        return self.locate(lesson, name).read_bytes()

    def remove_files(self, lesson: str, names: Iterable[str]) -> None:
        for name in names:
            if FILE_NAME.fullmatch(name):
                (self.folder(lesson) / name).unlink(missing_ok=True)

    def link(self, source: str, target: str, names: Iterable[str]) -> None:
        """The same files in another lesson: as further names of the same bytes, copied where that cannot be."""
        folder = self.folder(target)
        folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        for name in names:
            path, new = self.locate(source, name), folder / name
            if new.exists():
                continue
            try:
                os.link(path, new)
            except OSError:
                part = folder / f"{secrets.token_hex(16)}{_PART}"
                try:
                    with path.open("rb") as original, _create(part) as copy:
                        shutil.copyfileobj(original, copy, _CHUNK)
                        copy.flush()
                        _sync(copy.fileno())
                    os.rename(part, new)
                finally:
                    part.unlink(missing_ok=True)
        _sync_folder(folder)

    # What is known of materials

    def write_index(self, lesson: str, stored: Stored) -> None:
        _write_whole(self.folder(lesson) / (_id(stored.material.id) + _INDEX), msgspec.json.encode(stored))

    def materials(self, lesson: str) -> list[Stored]:
        """All of a lesson, in their order. One that cannot be read counts as not there."""
        found = []
        for path in self.folder(lesson).glob(f"*{_INDEX}"):
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                stored = msgspec.json.decode(path.read_bytes(), type=Stored)
                if path.name == _id(stored.material.id) + _INDEX:
                    found.append(stored)
        return sorted(found, key=lambda stored: stored.order)

    def remove(self, lesson: str, material: str, names: Iterable[str]) -> None:
        """Forget a material: its index first, so that it is never half there, then what is its alone."""
        (self.folder(lesson) / (_id(material) + _INDEX)).unlink(missing_ok=True)
        _sync_folder(self.folder(lesson))
        self.remove_work(lesson, material)
        self.remove_files(lesson, names)

    def remove_work(self, lesson: str, material: str) -> None:
        shutil.rmtree(self.work(lesson, material), ignore_errors=True)

    def delete(self, lesson: str) -> None:
        """Every byte of a lesson; the folder loses its name first."""
        folder = self.folder(lesson)
        doomed = self.root / f"{_DOOMED}{lesson}"
        if doomed.is_dir():
            # A deletion that the disk broke off.
            shutil.rmtree(doomed)
        if not folder.is_dir():
            return
        os.rename(folder, doomed)
        shutil.rmtree(doomed)
        _sync_folder(self.root)

    def recover(self) -> list[str]:
        """Clean up after a crash. The lessons in which a material was being made."""
        if not self.root.is_dir():
            return []
        broken_off = []
        for folder in sorted(self.root.iterdir()):
            if folder.name == _UPLOADS or folder.name.startswith(_DOOMED):
                shutil.rmtree(folder, ignore_errors=True)
            elif _LESSON_ID.fullmatch(folder.name) and any(folder.glob(f"*{_WORK}")):
                self._sweep(folder.name)
                broken_off.append(folder.name)
        return broken_off

    def _sweep(self, lesson: str) -> None:
        """Remove what no index speaks of."""
        known = self.materials(lesson)
        kept = {name for stored in known for name in stored.files}
        kept |= {stored.material.id + _INDEX for stored in known}
        kept |= {stored.material.id + _WORK for stored in known if stored.material.state == "working"}
        for path in self.folder(lesson).iterdir():
            if path.name in kept:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _id(material: str) -> str:
    if not MATERIAL_ID.fullmatch(material):
        raise unknown()
    return material


def _create(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE), "wb")


def _write_whole(path: Path, data: bytes) -> None:
    part = path.with_name(f"{secrets.token_hex(16)}{_PART}")
    try:
        with _create(part) as file:
            file.write(data)
            file.flush()
            _sync(file.fileno())
        os.rename(part, path)
    finally:
        part.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync(file: int) -> None:
    os.fdatasync(file) if hasattr(os, "fdatasync") else os.fsync(file)


def _sync_folder(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
