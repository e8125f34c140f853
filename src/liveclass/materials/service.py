"""All materials of this process: takes uploads in, has them made in confined children, and tells of every change.

Belongs to one event loop; what blocks runs in threads. Knows no participant and no route. Who may upload, and who is
told, is the server's affair.
"""

import asyncio
import contextlib
import errno
import logging
import secrets
import string
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from liveclass import tasks
from liveclass.errors import PeerError
from liveclass.lesson.events import Material
from liveclass.materials import office
from liveclass.materials.kinds import FileKind, kind_of
from liveclass.materials.making import Maker, Making
from liveclass.materials.model import Failed, MaterialsOptions, Problem, unknown
from liveclass.materials.runner import END_S, Command, child_command
from liveclass.materials.slots import Slots
from liveclass.materials.store import Store, Stored
from liveclass.materials.threads import whole

log = logging.getLogger(__name__)

_ID_LETTERS = string.ascii_lowercase + string.digits
_ID_LENGTH = 10
_MAX_ATTEMPTS = 2
"""A file whose making ended with the server twice may be the reason."""
_UPLOAD_IDLE_S = 3600.0
"""An upload to which nothing has come for so long was some process's that is gone."""
_KEPT_LESSONS = 500
"""Lessons whose materials are remembered; more are read again when they are asked for."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

OnChange = Callable[[str, Material], None]
OnRemoved = Callable[[str, str], None]


@dataclass(eq=False)
class _Lesson:
    """What is known of one lesson's materials. The lock is held by whoever changes its folder."""

    id: str
    stored: dict[str, Stored]
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    left: bool = False
    """It is deleted, or another process has it: nothing of it is written any more."""
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        files = {name: size for stored in self.stored.values() for name, size in stored.files.items()}
        return sum(files.values()) + sum(stored.source_bytes for stored in self.stored.values())

    def has(self, stored: Stored) -> bool:
        """Whether the material may be written: asked by whoever holds the lock."""
        return not self.left and self.stored.get(stored.material.id) is stored

    def alone(self, files: dict[str, int], material: str) -> list[str]:
        """Those of the files that no other material of the lesson has."""
        others = {name for id, stored in self.stored.items() if id != material for name in stored.files}
        return [name for name in files if name not in others]

    def order(self) -> int:
        return max((stored.order for stored in self.stored.values()), default=0) + 1


class Upload:
    """A file that is coming. Whoever opened it calls `finish` or `abort`."""

    def __init__(self, materials: "Materials", lesson: str, path: Path, most_bytes: int) -> None:
        self._materials = materials
        self._lesson = lesson
        self._path = path
        self._most_bytes = most_bytes
        self._file = path.open("wb")
        self._bytes = 0
        self._over = False

    async def write(self, data: bytes) -> None:
        """The next bytes. Raises PeerError 413 `body_too_large`, 503 `disk_full` or `disk_error`."""
        self._bytes += len(data)
        if self._bytes > self._most_bytes:
            raise too_large(self._most_bytes)
        try:
            await whole(lambda: self._file.write(data))
        except OSError as error:
            raise no_room(error) from error

    async def finish(self, name: str) -> Material:
        """All has come: the material, which is now being made.

        Args:
            name: as people are shown it; means nothing to the disk.

        Raises:
            PeerError: 415 `kind_unknown` or `office_not_installed`; 409 `too_many_materials`, `materials_full`; 404
                `lesson_unknown` when the lesson was deleted meanwhile; 503 `disk_full`, `disk_error`.
        """
        try:
            await whole(self._file.close)
            return await self._materials.take_in(self._lesson, name, self._path, self._bytes)
        except OSError as error:
            raise no_room(error) from error
        finally:
            await self.abort()

    async def abort(self) -> None:
        """Forget it; after `finish` this changes nothing."""
        if self._over:
            return
        self._over = True
        self._materials.upload_over()
        with contextlib.suppress(OSError):
            await whole(self._file.close)
        await whole(lambda: self._path.unlink(missing_ok=True))


class Materials:
    """Args:
    folder: of its own; made when needed.
    on_change: called on the event loop with the lesson's id and what a material has become.
    on_removed: called with the ids of a lesson and of a material that is gone.
    command: starts a child; tests bring their own.
    """

    def __init__(
        self,
        folder: Path,
        options: MaterialsOptions,
        on_change: OnChange = lambda _lesson, _material: None,
        on_removed: OnRemoved = lambda _lesson, _material: None,
        *,
        command: Command | None = None,
    ) -> None:
        self._store = Store(folder)
        self._options = options
        self._on_change = on_change
        self._on_removed = on_removed
        self._command = command or child_command()
        self._slots = Slots(options.workers)
        # A film takes minutes: slides must find a place beside them.
        self._media_slots = Slots(max(1, options.workers - 1))
        self._lessons: OrderedDict[str, _Lesson] = OrderedDict()
        self._loading = asyncio.Lock()
        self._deleted: set[str] = set()
        self._uploads = 0
        self._closed = False

    async def start(self) -> None:
        """Clean up after a crash and go on with what was being made. Not for a node of a fleet: others may be at work
        in the same folder, and it goes on with what is given to it by `adopt`."""
        for lesson_id in await whole(self._store.recover):
            await self.adopt(lesson_id)

    async def adopt(self, lesson_id: str) -> None:
        """This process has the lesson from now on: read anew what there is, and go on with what was being made."""
        self.drop(lesson_id)
        lesson = await self._lesson(lesson_id)
        for id, stored in lesson.stored.items():
            if stored.material.state == "working" and id not in lesson.tasks:
                self._begin(lesson, stored)

    def drop(self, lesson_id: str) -> None:
        """Another process has the lesson: make nothing of it any more, and forget what is known."""
        lesson = self._lessons.pop(lesson_id, None)
        if lesson is not None:
            lesson.left = True
            for task in lesson.tasks.values():
                task.cancel()

    async def close(self) -> None:
        """End all children; what they were making goes on after the next start."""
        self._closed = True
        for lesson in list(self._lessons.values()):
            working = dict(lesson.tasks)
            await tasks.end(working.values(), END_S)
            for id in working:
                stored = lesson.stored.get(id)
                if stored is not None and stored.material.state == "working":
                    # No fault of the file.
                    stored.attempts = 0
                    with contextlib.suppress(OSError):
                        await whole(self._store.write_index, lesson.id, stored)

    async def sweep(self) -> None:
        """Remove uploads that some process has left behind; call it now and then."""
        await whole(self._store.forget_uploads, _UPLOAD_IDLE_S)

    # Reading

    async def list(self, lesson_id: str) -> list[Material]:
        """The lesson's materials in the order in which they came."""
        lesson = await self._lesson(lesson_id)
        return [stored.material for stored in lesson.stored.values()]

    def locate(self, lesson_id: str, name: str) -> Path:
        """A file by name, `<hash>.<ext>`. Raises PeerError 404 `not_found`."""
        if lesson_id in self._deleted:
            raise unknown()
        return self._store.locate(lesson_id, name)

    @property
    def working(self) -> int:
        """How many materials are being made or wait for it."""
        return sum(len(lesson.tasks) for lesson in self._lessons.values())

    # Coming

    async def open_upload(self, lesson_id: str, announced_bytes: int | None = None) -> Upload:
        """Begin to take a file.

        Raises:
            PeerError: 413 `body_too_large`, 409 `too_many_materials` or `materials_full`, 503 `too_many_uploads`,
                `disk_full` or `disk_error`.
        """
        most = self._options.max_upload_bytes
        if announced_bytes is not None and announced_bytes > most:
            raise too_large(most)
        self._check_room(await self._lesson(lesson_id), announced_bytes or 0)
        if self._uploads >= self._options.max_uploads:
            raise PeerError("Too many files are coming at once; try again.", status=503, code="too_many_uploads")
        self._uploads += 1
        try:
            await self._check_disk(announced_bytes or 0)
            return Upload(self, lesson_id, await whole(self._store.new_upload), most)
        except OSError as error:
            self.upload_over()
            raise no_room(error) from error
        except BaseException:
            self.upload_over()
            raise

    def upload_over(self) -> None:
        self._uploads -= 1

    async def take_in(self, lesson_id: str, name: str, path: Path, size: int) -> Material:
        """An upload that has come whole; see `Upload.finish`."""
        kind = kind_of(*await whole(self._store.look, path))
        if kind is None:
            raise PeerError("This is no PDF, picture, office, sound or film file.", status=415, code="kind_unknown")
        if kind.reader == "office" and not office.find():
            raise PeerError(
                "This server has no LibreOffice, so it cannot read office files; save it as PDF.",
                status=415,
                code="office_not_installed",
            )
        await self._check_disk(0)
        lesson = await self._lesson(lesson_id)
        async with lesson.lock:
            self._check_room(lesson, size)
            stored = self._new(lesson, name, kind, size)
            await whole(self._store.take_in, lesson_id, stored, path)
            lesson.stored[stored.material.id] = stored
        self._on_change(lesson_id, stored.material)
        self._begin(lesson, stored)
        return stored.material

    def _new(self, lesson: _Lesson, name: str, kind: FileKind, size: int) -> Stored:
        total = 100 if kind.reader == "media" else 0
        material = Material(self._free_id(lesson), kind.kind, name, "working", total=total)
        return Stored(material, kind.reader, kind.format, lesson.order(), source_bytes=size)

    @staticmethod
    def _free_id(lesson: _Lesson) -> str:
        while True:
            id = "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
            if id not in lesson.stored:
                return id

    def _check_room(self, lesson: _Lesson, more_bytes: int) -> None:
        if lesson.left or lesson.id in self._deleted or self._closed:
            raise PeerError("There is no such lesson.", status=404, code="lesson_unknown")
        if len(lesson.stored) >= self._options.max_per_lesson:
            raise PeerError("This lesson has too many materials.", status=409, code="too_many_materials")
        if lesson.bytes + more_bytes > self._options.max_lesson_bytes:
            raise PeerError("This lesson's materials are too large in all.", status=409, code="materials_full")

    async def _check_disk(self, more_bytes: int) -> None:
        if await whole(self._store.free_bytes) - more_bytes < self._options.disk_floor_bytes:
            raise OSError(errno.ENOSPC, "the floor of free space is reached")

    async def reuse(self, from_lesson: str, material_id: str, to_lesson: str) -> Material:
        """The same deck, song or film in another lesson, without its bytes twice; whichever lesson is deleted first,
        the other keeps it.

        Raises:
            PeerError: 404 `not_found`, 409 `not_ready`, `too_many_materials` or `materials_full`, 503 `disk_full`.
        """
        source, target = await self._lesson(from_lesson), await self._lesson(to_lesson)
        async with contextlib.AsyncExitStack() as locks:
            # Always in the same order, or two that reuse from each other would wait for ever.
            for lesson in sorted({source.id: source, target.id: target}.values(), key=lambda one: one.id):
                await locks.enter_async_context(lesson.lock)
            original = source.stored.get(material_id)
            if original is None or source.id in self._deleted:
                raise unknown()
            if original.material.state != "ready":
                raise PeerError("This material is not ready yet.", status=409, code="not_ready")
            self._check_room(target, sum(original.files.values()))
            material = msgspec.structs.replace(original.material, id=self._free_id(target))
            stored = Stored(material, original.reader, original.format, target.order(), files=dict(original.files))
            try:
                await whole(self._store.link, source.id, target.id, list(stored.files))
                await whole(self._store.write_index, target.id, stored)
            except OSError as error:
                raise no_room(error) from error
            target.stored[material.id] = stored
        self._on_change(to_lesson, material)
        return material

    # Making

    def _begin(self, lesson: _Lesson, stored: Stored) -> None:
        id = stored.material.id
        task = asyncio.get_running_loop().create_task(self._make(lesson, stored))
        lesson.tasks[id] = task
        task.add_done_callback(lambda _task: lesson.tasks.pop(id, None))

    async def _make(self, lesson: _Lesson, stored: Stored) -> None:
        problem: Problem = ""
        try:
            if stored.attempts >= _MAX_ATTEMPTS:
                raise Failed("interrupted")
            stored.attempts += 1
            async with lesson.lock:
                if not lesson.has(stored):
                    return
                await whole(self._store.write_index, lesson.id, stored)
            await self._made(lesson, stored)
        except asyncio.CancelledError:
            async with lesson.lock:
                await self._forget(lesson, stored)
            raise
        except Failed as failed:
            problem = failed.problem
        except OSError as error:
            problem = "disk_full" if error.errno in _FULL else "disk_error"
        except Exception:
            log.exception("a material could not be made")
            problem = "file_broken"
        await self._settle(lesson, stored, problem)

    async def _made(self, lesson: _Lesson, stored: Stored) -> None:
        async def publish(change: Making) -> None:
            await self._publish(lesson, stored, change)

        maker = Maker(self._store, self._options, self._slots, self._command, lesson.id, stored, publish)
        try:
            await self._have_made(maker, stored)
        finally:
            if not lesson.has(stored):
                # What nobody was told of yet goes too.
                stored.files.update(maker.untold)

    async def _have_made(self, maker: Maker, stored: Stored) -> None:
        async with contextlib.AsyncExitStack() as held:
            if stored.reader == "media":
                await self._media_slots.take()
                held.callback(self._media_slots.give)
            await self._slots.take()
            held.callback(self._slots.give)
            try:
                async with asyncio.timeout(self._options.work_s):
                    await maker.make()
            except TimeoutError as error:
                raise Failed("took_too_long") from error

    async def _publish(self, lesson: _Lesson, stored: Stored, change: Making) -> None:
        """Take over what has been made so far: on the disk first, then told."""
        if change.manifest is not None or change.files:
            async with lesson.lock:
                if not lesson.has(stored):
                    raise asyncio.CancelledError
                await self._check_disk(0)
                stored.files.update(change.files)
                if change.manifest is not None:
                    sha = await whole(self._store.put, lesson.id, change.manifest, "json")
                    stored.files[f"{sha}.json"] = len(change.manifest)
                    change.material = msgspec.structs.replace(change.material, manifest=sha)
                stale = [name for name in change.stale if name != f"{change.material.manifest}.json"]
                removed = {name: stored.files.pop(name) for name in stale if name in stored.files}
                if lesson.bytes > self._options.max_lesson_bytes:
                    raise Failed("too_large")
                stored.material = msgspec.structs.replace(change.material, bytes=sum(stored.files.values()))
                await whole(self._store.write_index, lesson.id, stored)
                await whole(self._store.remove_files, lesson.id, lesson.alone(removed, stored.material.id))
        else:
            stored.material = change.material
        self._on_change(lesson.id, stored.material)

    async def _settle(self, lesson: _Lesson, stored: Stored, problem: Problem) -> None:
        """The making has ended: the upload goes, and so does what was made when it failed."""
        id = stored.material.id
        async with lesson.lock:
            if not lesson.has(stored):
                await self._forget(lesson, stored)
                return
            stored.source_bytes, stored.attempts = 0, 0
            if problem:
                gone, stored.files = stored.files, {}
                stored.material = msgspec.structs.replace(
                    stored.material, state="failed", problem=problem, manifest="", bytes=0, done=0
                )
                log.info("a material failed problem=%s", problem)
            else:
                gone = {}
                stored.material = msgspec.structs.replace(stored.material, state="ready", done=stored.material.total)
            try:
                await whole(self._store.write_index, lesson.id, stored)
                await whole(self._store.remove_work, lesson.id, id)
                await whole(self._store.remove_files, lesson.id, lesson.alone(gone, id))
            except OSError as error:
                # Told all the same; after a restart it is made again, or fails again.
                log.warning("a material's end was not written: %s", type(error).__name__)
        self._on_change(lesson.id, stored.material)

    async def _forget(self, lesson: _Lesson, stored: Stored) -> None:
        """The making has ended after the material was deleted: what it has written since goes. The lock is held."""
        if not lesson.left and not lesson.has(stored):
            with contextlib.suppress(OSError):
                alone = lesson.alone(stored.files, stored.material.id)
                await whole(self._store.remove, lesson.id, stored.material.id, alone)

    # Going

    async def delete(self, lesson_id: str, material_id: str) -> None:
        """A material and what is its alone. Raises PeerError 404 `not_found`."""
        lesson = await self._lesson(lesson_id)
        stored = lesson.stored.pop(material_id, None)
        if stored is None:
            raise unknown()
        task = lesson.tasks.get(material_id)
        if task is not None:
            await tasks.end([task], END_S)
        async with lesson.lock:
            try:
                await whole(self._store.remove, lesson_id, material_id, lesson.alone(stored.files, material_id))
            except OSError as error:
                # Known still, so that it can be deleted again; else its bytes would stay behind a 404.
                lesson.stored[material_id] = stored
                raise no_room(error) from error
        self._on_removed(lesson_id, material_id)

    async def delete_lesson(self, lesson_id: str) -> None:
        """Every byte of a lesson's materials; nothing more is taken for it."""
        self._deleted.add(lesson_id)
        lesson = self._lessons.pop(lesson_id, None)
        if lesson is None:
            await whole(self._store.delete, lesson_id)
            return
        await tasks.end(lesson.tasks.values(), END_S)
        async with lesson.lock:
            lesson.left = True
            lesson.stored.clear()
            await whole(self._store.delete, lesson_id)

    # Inside

    async def _lesson(self, lesson_id: str) -> _Lesson:
        if lesson_id in self._deleted:
            raise PeerError("There is no such lesson.", status=404, code="lesson_unknown")
        lesson = self._lessons.get(lesson_id)
        if lesson is None:
            async with self._loading:
                lesson = self._lessons.get(lesson_id)
                if lesson is None:
                    known = await whole(self._store.materials, lesson_id)
                    lesson = _Lesson(lesson_id, {stored.material.id: stored for stored in known})
                    self._lessons[lesson_id] = lesson
        self._lessons.move_to_end(lesson_id)
        self._forget_idle()
        return lesson

    def _forget_idle(self) -> None:
        if len(self._lessons) <= _KEPT_LESSONS:
            return
        for id, lesson in list(self._lessons.items())[: len(self._lessons) - _KEPT_LESSONS]:
            if not lesson.tasks and not lesson.lock.locked():
                del self._lessons[id]


def too_large(most_bytes: int) -> PeerError:
    return PeerError(f"The file is larger than {most_bytes} bytes.", status=413, code="body_too_large")


def no_room(error: OSError) -> PeerError:
    """The answer to a disk that refuses."""
    if error.errno in _FULL:
        return PeerError("The server's disk is full.", status=503, code="disk_full")
    return PeerError("The server's disk does not work.", status=503, code="disk_error")
