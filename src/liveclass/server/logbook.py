"""The timelines on disk: one file of JSON lines for each lesson, appended to by one thread.

What was handed over is in the kernel's hands, so outlives this process, before `done` is called; it is on the disk
itself within `SYNC_S`. Knows lines, not what they mean; delays no lesson, whatever the disk does.
"""

import asyncio
import contextlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from liveclass.lesson.events import Happened

log = structlog.get_logger(__name__)

SYNC_S = 1.0
"""How long a line may wait for the disk itself: as long as a fragment of the recording, which a power cut costs too."""

OPEN_FILES = 64
"""Files held open; each live lesson uses one, and those beyond are opened again when they are written to."""

REST_S = 5.0
"""A file that was not written to for so long is closed: what is left open tells of live lessons alone."""

HELD_BACK_S = 0.1
"""How often it is looked whether a lesson that may be another node's still is this one's."""

Done = Callable[[bool], None]
"""Called in the event loop: true when the lines are kept."""

_decoder: msgspec.json.Decoder[Happened] = msgspec.json.Decoder(Happened)


class Logbook:
    """All timelines of a process.

    Args:
        folder: made when first needed; only the owner may read it, as it holds names of people.
        writes: whether this process may write of a lesson now; asked in the thread, after the file is open.
    """

    def __init__(self, folder: Path, writes: Callable[[str], bool] = lambda _lesson_id: True) -> None:
        self._folder = folder
        self._writes = writes
        self._held_back: list[tuple[str, bytes, Done]] = []
        self._files: OrderedDict[str, int] = OrderedDict()
        self._used: dict[str, float] = {}
        self._dirty: set[str] = set()
        self._waiting: list[tuple[str, bytes, Done]] = []
        self._wake = threading.Condition()
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._disk = threading.Lock()
        # What a slow disk still has in hand must not bring a deleted file back.
        self._writing: list[tuple[str, bytes, Done]] = []
        self.failures = 0

    def start(self) -> None:
        """Begin to write; call it in the event loop in which `done` is to be called."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="logbook", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Write what waits and end; twice is as once."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        with self._wake:
            self._closing = True
            self._wake.notify()
        await asyncio.to_thread(thread.join)

    def append(self, lesson_id: str, lines: bytes, done: Done) -> None:
        """Keep whole lines after those before them; returns at once."""
        with self._wake:
            self._waiting.append((lesson_id, lines, done))
            self._wake.notify()

    def read(self, lesson_id: str) -> list[Happened]:
        """The lesson's log; blocking.

        What a power cut left half at the end is cut off, so that what follows it is whole again. A line that cannot be
        understood in the midst is passed over: one bad block must not cost a lesson its board.
        """
        path = self._path(lesson_id)
        with self._disk:
            try:
                text = path.read_bytes()
            except FileNotFoundError:
                return []
            except OSError:
                log.warning("timeline_unreadable", lesson=lesson_id)
                return []
            whole = text.rfind(b"\n") + 1
            if whole != len(text):
                log.warning("timeline_cut", lesson=lesson_id, bytes=len(text) - whole)
                try:
                    os.truncate(path, whole)
                except OSError:
                    # A disk that only reads: the lesson is to be read all the same.
                    log.warning("timeline_not_cut", lesson=lesson_id)
        past: list[Happened] = []
        for line in text[:whole].splitlines():
            try:
                happened = _decoder.decode(line)
            except msgspec.MsgspecError:
                log.warning("timeline_line_unreadable", lesson=lesson_id)
                continue
            if not past or happened.seq > past[-1].seq:
                past.append(happened)
        return past

    def size(self, lesson_id: str) -> int:
        """Bytes of the lesson's log; blocking."""
        try:
            return self._path(lesson_id).stat().st_size
        except OSError:
            return 0

    def path(self, lesson_id: str) -> Path | None:
        """The file itself, for whoever sends it whole; None: there is none."""
        path = self._path(lesson_id)
        return path if path.exists() else None

    def delete(self, lesson_id: str) -> None:
        """Remove the log, and what waits for it; blocking. Raises OSError."""
        self.drop(lesson_id)
        with self._disk:
            self._clear(lesson_id)
            for path in (self._path(lesson_id), self._copy(lesson_id)):
                path.unlink(missing_ok=True)

    def drop(self, lesson_id: str) -> None:
        """Another process has the lesson: what waits is not written any more. Returns at once."""
        with self._wake:
            self._waiting = [one for one in self._waiting if one[0] != lesson_id]

    def take_over(self, lesson_id: str) -> None:
        """This process writes it from now on; blocking.

        The log becomes a new file: what a former owner, which was only paused, still writes to its own goes nowhere.

        Raises:
            OSError: the disk refuses.
        """
        self.drop(lesson_id)
        with self._disk:
            self._clear(lesson_id)
            path = self._path(lesson_id)
            try:
                text = path.read_bytes()
            except FileNotFoundError:
                return
            copy = self._copy(lesson_id)
            descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            copy.replace(path)

    def _clear(self, lesson_id: str) -> None:
        self._writing[:] = [one for one in self._writing if one[0] != lesson_id]
        self._held_back[:] = [one for one in self._held_back if one[0] != lesson_id]
        self._forget(lesson_id)

    async def flush(self, lesson_id: str) -> None:
        """Wait until what was handed over of the lesson so far is written, or refused by the disk."""
        written = asyncio.Event()
        self.append(lesson_id, b"", lambda _kept: written.set())
        await written.wait()

    # The thread

    def _run(self) -> None:
        synced = time.monotonic()
        while True:
            with self._wake:
                if self._held_back and not self._closing:
                    self._wake.wait(HELD_BACK_S)
                elif not self._waiting and not self._closing:
                    self._wake.wait(SYNC_S if self._dirty else REST_S if self._files else None)
                with self._disk:
                    self._writing, self._waiting = self._held_back + self._waiting, []
                    self._held_back = []
                closing = self._closing and not self._writing
            told: list[tuple[Done, bool]] = []
            while (written := self._write_next()) is not None:
                told.append(written)
            if told:
                self._tell(told)
            if closing or time.monotonic() - synced >= SYNC_S:
                self._sync()
                self._rest()
                synced = time.monotonic()
            if closing:
                break
        with self._disk:
            for lesson_id in list(self._files):
                self._forget(lesson_id)

    def _sync(self) -> None:
        with self._disk:
            # Not while the lock is held: `read` and `delete` would wait for a slow disk.
            files = [
                (lesson_id, os.dup(self._files[lesson_id])) for lesson_id in self._dirty if lesson_id in self._files
            ]
            self._dirty.clear()
        for lesson_id, descriptor in files:
            try:
                os.fsync(descriptor)
            except OSError as error:
                self.failures += 1
                log.warning("timeline_not_written", lesson=lesson_id, reason=error.strerror)
            finally:
                os.close(descriptor)

    def _rest(self) -> None:
        """Close what nobody has written to for a while."""
        before = time.monotonic() - REST_S
        with self._disk:
            for lesson_id in [one for one in self._files if self._used[one] <= before and one not in self._dirty]:
                self._forget(lesson_id)

    def _write_next(self) -> tuple[Done, bool] | None:
        """Write what was handed over first; None when there is no more."""
        with self._disk:
            while True:
                if not self._writing:
                    return None
                lesson_id, lines, done = self._writing.pop(0)
                if self._may_write(lesson_id):
                    break
                if not self._closing:
                    self._held_back.append((lesson_id, lines, done))
            try:
                self._write(lesson_id, lines)
                return done, True
            except OSError as error:
                self.failures += 1
                log.warning("timeline_not_written", lesson=lesson_id, reason=error.strerror)
                return done, False

    def _may_write(self, lesson_id: str) -> bool:
        if any(one[0] == lesson_id for one in self._held_back) or not self._writes(lesson_id):
            return False
        with contextlib.suppress(OSError):
            # Before it is asked once more: if the lesson is still this process's then, whoever takes it over later
            # copies this very file.
            self._open(lesson_id)
        return self._writes(lesson_id)

    def _write(self, lesson_id: str, lines: bytes) -> None:
        descriptor = self._open(lesson_id)
        # A line that is half there would spoil the next one: what did not fit is taken back.
        size = os.fstat(descriptor).st_size
        try:
            if os.write(descriptor, lines) != len(lines):
                raise OSError("the line did not fit")
        except OSError:
            os.ftruncate(descriptor, size)
            raise
        self._dirty.add(lesson_id)

    def _tell(self, told: list[tuple[Done, bool]]) -> None:
        def tell() -> None:
            for done, kept in told:
                try:
                    done(kept)
                except Exception:
                    # What comes after it belongs to others, of other lessons too.
                    log.exception("timeline_not_told")

        if self._loop is not None and not self._loop.is_closed():
            try:
                self._loop.call_soon_threadsafe(tell)
            except RuntimeError:
                pass

    def _open(self, lesson_id: str) -> int:
        descriptor = self._files.get(lesson_id)
        if descriptor is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path(lesson_id), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            self._files[lesson_id] = descriptor
            while len(self._files) > OPEN_FILES:
                self._forget(next(iter(self._files)))
        self._files.move_to_end(lesson_id)
        self._used[lesson_id] = time.monotonic()
        return descriptor

    def _forget(self, lesson_id: str) -> None:
        descriptor = self._files.pop(lesson_id, None)
        self._used.pop(lesson_id, None)
        if descriptor is not None:
            if lesson_id in self._dirty:
                os.fsync(descriptor)
            os.close(descriptor)
        self._dirty.discard(lesson_id)

    def _copy(self, lesson_id: str) -> Path:
        return self._folder / f"{lesson_id}.jsonl.new"

    def _path(self, lesson_id: str) -> Path:
        return self._folder / f"{lesson_id}.jsonl"
