"""Copies of objects that were read, on this disk, up to a bound: those that were not asked for the longest go first.

Blocking, but for `path`. A copy is named by the hash of its bytes, in a folder for each lesson, so that deleting a
lesson finds all of it.
"""

import contextlib
import hashlib
import os
import shutil
import threading
from collections import OrderedDict
from pathlib import Path

from liveclass.archive.local import write_whole


class Cache:
    """Args:
    root: made when the first copy comes.
    most_bytes: what all copies together may take; 0: none are kept.
    """

    def __init__(self, root: Path, most_bytes: int) -> None:
        self._root = root
        self._most_bytes = most_bytes
        self._sizes: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._bytes = 0
        # Held for no longer than a file takes to lose its name.
        self._turn = threading.Lock()

    def load(self) -> None:
        """Find what an earlier process has left."""
        found = []
        for path in self._root.glob("*/*"):
            with contextlib.suppress(OSError):
                if path.suffix == ".tmp":
                    path.unlink()
                else:
                    status = path.stat()
                    found.append((status.st_mtime, path, status.st_size))
        for _, path, size in sorted(found):
            self._sizes[path.parent.name, path.name] = size
            self._bytes += size
        self._shrink()

    def fits(self, size: int) -> bool:
        """Whether a copy of this size is worth keeping: it must not push out all others."""
        return size <= self._most_bytes // 8

    def path(self, lesson: str, digest: str) -> Path | None:
        """The copy, if there is one."""
        with self._turn:
            if (lesson, digest) not in self._sizes:
                return None
            self._sizes.move_to_end((lesson, digest))
        return self._root / lesson / digest

    def put(self, lesson: str, digest: str, data: bytes) -> Path:
        """Keep a copy. Raises OSError; ValueError when the bytes are not those of the hash."""
        if hashlib.sha256(data).hexdigest() != digest:
            raise ValueError("an object of the store is damaged")
        path = self._root / lesson / digest
        write_whole(path, data, sync=False)
        with self._turn:
            if (lesson, digest) not in self._sizes:
                self._bytes += len(data)
            self._sizes[lesson, digest] = len(data)
            self._sizes.move_to_end((lesson, digest))
            self._shrink()
        return path

    def delete(self, lesson: str) -> None:
        """Every copy of a lesson."""
        with self._turn:
            for key in [key for key in self._sizes if key[0] == lesson]:
                self._bytes -= self._sizes.pop(key)
        shutil.rmtree(self._root / lesson, ignore_errors=True)

    def _shrink(self) -> None:
        while self._bytes > self._most_bytes and self._sizes:
            (lesson, digest), size = self._sizes.popitem(last=False)
            self._bytes -= size
            # A file that is being sent lives on until it is sent.
            (self._root / lesson / digest).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                os.rmdir(self._root / lesson)
