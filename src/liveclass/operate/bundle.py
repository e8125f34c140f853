"""The file format of backups: a plain tar of ordinary files under gzip or Zstandard, written and read as a stream.

What is written any tar program can list and unpack. What is read may come from anywhere, so the reader takes nothing
but what the writer makes: ordinary files with short relative names, bounded in number, length and compression. It knows
no folder to put them in.
"""

import gzip
import os
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import zstandard

from liveclass.errors import UsageError

BLOCK = 512
CHUNK = 1024 * 1024
SUFFIXES = (".tar.zst", ".tar.gz")

MOST_FILES = 2_000_000
MOST_FILE_BYTES = 8 * 1024**3 - 1  # what a tar's header can say in its oldest form
MOST_RATIO = 200
"""Bytes that one byte of the archive may become; media is compressed already, text becomes some twenty times more."""
FREE_OF_RATIO = 64 * 1024 * 1024
LARGEST_WINDOW = 32 * 1024 * 1024  # memory that a Zstandard frame may ask for

_PART = re.compile(r"[A-Za-z0-9_@-][A-Za-z0-9._@-]{0,127}")
_MOST_PARTS = 8
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class Writer:
    """A bundle that grows under a temporary name and gets its own when it is whole. A context; without `finish` nothing
    is left.

    Args:
        path: where; its ending says how it is compressed. Nothing is overwritten.

    Raises:
        UsageError: the ending is unknown, the file exists or cannot be made.
    """

    def __init__(self, path: Path) -> None:
        if not path.name.endswith(SUFFIXES):
            raise UsageError(f"{path}: expected a name that ends with {' or '.join(SUFFIXES)}")
        if path.exists():
            raise UsageError(f"{path} exists already: nothing is overwritten")
        self._path = path
        self._draft = path.with_name(path.name + ".part")
        try:
            descriptor = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError as failure:
            raise UsageError(f"{self._draft} cannot be written: {failure.strerror}") from failure
        self._file = os.fdopen(descriptor, "wb")
        self._stream: Any
        if path.name.endswith(".zst"):
            self._stream = zstandard.ZstdCompressor(level=3, write_checksum=True).stream_writer(
                self._file, closefd=False
            )
        else:
            self._stream = gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._draft.unlink(missing_ok=True)

    def add(self, name: str, size: int, modified: float, chunks: Iterable[bytes]) -> bool:
        """Append a file of exactly `size` bytes: what is longer is cut, what is shorter is filled with zeros.

        Args:
            modified: seconds since 1970.

        Returns:
            False when it had to be filled.
        """
        if not acceptable(name) or size > MOST_FILE_BYTES:
            raise UsageError(f"{name}: a backup cannot hold a file of this name or size")
        header = tarfile.TarInfo(name)
        header.size, header.mtime, header.mode = size, max(0, int(modified)), 0o600
        self._stream.write(header.tobuf(tarfile.USTAR_FORMAT))
        left = size
        for chunk in chunks:
            self._stream.write(chunk[:left])
            left -= min(left, len(chunk))
            if not left:
                break
        missing = left
        while left:
            self._stream.write(bytes(min(left, CHUNK)))
            left -= min(left, CHUNK)
        self._stream.write(bytes(-size % BLOCK))
        return not missing

    def finish(self) -> int:
        """Bring it to the disk under its own name.

        Returns:
            its size in bytes.
        """
        self._stream.write(bytes(2 * BLOCK))
        self._stream.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        size = self._file.tell()
        os.link(self._draft, self._path)  # fails where a rename would overwrite
        return size


@dataclass(slots=True)
class Member:
    """One file of a bundle; `chunks` are to be taken before the next member.

    Attributes:
        modified: seconds since 1970.
    """

    name: str
    size: int
    modified: int
    chunks: Iterator[bytes]


@contextmanager
def opened(path: Path) -> Iterator[Iterator[Member]]:
    """The members of a bundle, one after the other.

    Raises:
        UsageError: it cannot be read, is damaged or cut off, or holds what no backup holds.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
            magic = file.read(4)
            file.seek(0)
            stream = _Bounded(stack.enter_context(_decompressed(file, magic)), file)
        except OSError as failure:
            raise UsageError(f"{path} cannot be read: {failure.strerror}") from failure
        try:
            yield _members(stream)
        except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as failure:
            raise UsageError(f"{path} is damaged or cut off.") from failure


def acceptable(name: str) -> bool:
    """Whether it is a relative name that leads nowhere else and no header cuts short."""
    parts = name.split("/")
    return (
        len(parts) <= _MOST_PARTS
        and all(_PART.fullmatch(part) for part in parts)
        and len(parts[-1]) <= 100
        and len(name) - len(parts[-1]) <= 155
    )


def _decompressed(file: IO[bytes], magic: bytes) -> Any:
    if magic.startswith(_GZIP):
        return gzip.GzipFile(fileobj=file, mode="rb")
    if magic == _ZSTD:
        return zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW).stream_reader(file, closefd=False)
    raise UsageError("This file is no backup of liveclass.")


class _Bounded:
    """A decompressed stream that is given up when little becomes far too much."""

    def __init__(self, stream: Any, file: IO[bytes]) -> None:
        self._stream, self._file, self._given = stream, file, 0

    def take(self, size: int) -> bytes:
        """Exactly so many bytes, at most `CHUNK`. Raises EOFError."""
        data = bytearray()
        while len(data) < size:
            more: bytes = self._stream.read(size - len(data))
            if not more:
                raise EOFError
            data += more
        self._given += size
        if self._given > FREE_OF_RATIO + MOST_RATIO * self._file.tell():
            raise UsageError("This file becomes far larger than any backup does: it is not read on.")
        return bytes(data)


def _members(stream: _Bounded) -> Iterator[Member]:
    seen: set[str] = set()
    while (header := stream.take(BLOCK)) != bytes(BLOCK):
        member = _read_header(header, stream)
        if member.name in seen or len(seen) >= MOST_FILES:
            raise UsageError("The backup holds a file twice, or too many.")
        seen.add(member.name)
        yield member
        for _ in member.chunks:  # what the caller left
            pass
        stream.take(-member.size % BLOCK)


def _read_header(header: bytes, stream: _Bounded) -> Member:
    """An ordinary file's header in the form that `Writer` makes; no link, device, folder or extension is one."""
    total = sum(header[:148]) + sum(header[156:]) + 8 * 0x20
    try:
        if int(header[148:156].rstrip(b" \0") or b"x", 8) != total or header[257:265] != b"ustar\x0000":
            raise ValueError("not a header of ours")
        if header[156:157] != b"0" or header[157:257].strip(b"\0"):
            raise ValueError("no ordinary file")
        name = header[:100].rstrip(b"\0").decode("ascii")
        prefix = header[345:500].rstrip(b"\0").decode("ascii")
        size = _octal(header[124:136])
        modified = _octal(header[136:148])
    except ValueError as failure:
        raise UsageError("The backup holds what no backup of liveclass holds, or is damaged.") from failure
    if prefix:
        name = f"{prefix}/{name}"
    if not acceptable(name):
        raise UsageError("The backup holds a file whose name leads elsewhere: it is not read on.")
    return Member(name, size, modified, _content(stream, size))


def _octal(field: bytes) -> int:
    digits = field.rstrip(b"\0 ")
    if not re.fullmatch(rb"[0-7]{1,11}", digits):
        raise ValueError("no number")
    return int(digits, 8)


def _content(stream: _Bounded, size: int) -> Iterator[bytes]:
    left = size
    while left:
        chunk = stream.take(min(left, CHUNK))
        left -= len(chunk)
        yield chunk
