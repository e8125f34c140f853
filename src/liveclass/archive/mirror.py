"""One lesson's way into the store: what is closed or has grown since the last round is put there.

Safe whatever a former or later owner does: nothing in the store is replaced (see `model`), and an owner that finds the
mark of a later one puts nothing more. A round that fails is begun again; what was done in it stays done.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from liveclass.archive.local import Data, Look, sha256_of
from liveclass.archive.model import (
    Contents,
    Counters,
    Form,
    Kind,
    Stored,
    contents,
    marker_fence,
    marker_path,
    object_path,
)
from liveclass.archive.store import PART_BYTES, Store

# How long an owner may not have looked for the mark of a later one; what it puts meanwhile counts for nobody.
FENCE_S = 5.0
# Chunks of a log, after which it is put whole again: who reads it asks for so many objects.
MOST_CHUNKS = 256
_LEAP = 1000
# Files of one lesson that are on their way together, so that a large backlog leaves room for what is taught now.
_AT_ONCE = 8

Result = TypeVar("Result")
Key = tuple[Kind, str]
Uploaded = Callable[[str, int, float, bool], None]

_TYPES = {"m4s": "video/iso.segment", "mp4": "video/mp4", "m3u8": "application/vnd.apple.mpegurl"}


class Passed(Exception):
    """A later owner has left its mark: this one puts nothing more."""


@dataclass(slots=True)
class _Log:
    chunks: list[Stored] = field(default_factory=list)
    size: int = 0


class Mirror:
    """Args:
    transfers: bounds the transfers of the whole process.
    uploaded: as `Archive` says.
    monotonic: seconds, never going back.
    """

    def __init__(
        self,
        lesson: str,
        fence: int,
        data: Data,
        store: Store,
        counters: Counters,
        transfers: asyncio.Semaphore,
        threads: Executor,
        monotonic: Callable[[], float],
        uploaded: Uploaded | None = None,
    ) -> None:
        self._uploaded = uploaded
        self.lesson = lesson
        self.fence = fence
        self._data = data
        self._store = store
        self._counters = counters
        self._transfers = transfers
        self._threads = threads
        self._monotonic = monotonic
        self._files: dict[Key, Stored] | None = None
        # Known from a listing alone: that the bytes here are the same is still to be seen.
        self._unseen: set[Key] = set()
        self._logs: dict[Key, _Log] = {}
        self._garbage: list[Stored] = []
        self._numbers: dict[Key, int] = {}
        self._marked = False
        self._looked_at = 0.0
        self._changed = False

    async def round(self) -> None:
        """Put what is new, in such an order that what the store's journal tells of is in the store.

        Raises:
            Passed: the lesson has a later owner.
            StoreGone, OSError: try again later.
        """
        files = await self._known()
        await self._look_for_others()
        look = await self._in_thread(partial(self._data.look, self.lesson))
        try:
            await self._put_all(
                [
                    partial(self._put_fixed, files, key, size)
                    for key, size in sorted(look.fixed.items())
                    if self._is_new(key, size)
                ]
            )
            for key, size in look.logs.items():
                await self._put_log(key, size, look)
            await self._put_all([partial(self._put_whole, files, key) for key in sorted(look.whole)])
            self._drop_removed(files, look)
        finally:
            await self._save(files)
        await self._clear()

    def objects(self) -> list[Stored]:
        """What this owner knows to be in the store."""
        logs = [chunk for log in self._logs.values() for chunk in log.chunks]
        return [*(self._files or {}).values(), *logs]

    # Inside

    def _is_new(self, key: Key, size: int) -> bool:
        known = (self._files or {}).get(key)
        return known is None or known.size != size or key in self._unseen

    async def _known(self) -> dict[Key, Stored]:
        if self._files is not None:
            return self._files
        state = await self._in_thread(partial(self._data.load_state, self.lesson))
        if state is not None:
            found = contents((one.path, one.size) for one in state)
        else:
            found = contents(await self._store.names(self.lesson))
            self._unseen = set(found.files)
            self._garbage = [one for one in found.passed if one.fence <= self.fence]
        for one in _all(found):
            if one.fence == self.fence:
                # What was put just before a crash may be unknown here.
                key = one.kind, one.name
                self._numbers[key] = max(self._numbers.get(key, -1), one.number + _LEAP)
        for key, chunks in found.logs.items():
            # Compared with what is here in the first round; until then it is what the store has.
            self._logs[key] = _Log(chunks, -1)
        self._files = found.files
        return self._files

    async def _look_for_others(self) -> None:
        now = self._monotonic()
        if self._marked and now - self._looked_at < FENCE_S:
            return
        marks = await self._store.names(f"{self.lesson}/fence")
        latest = max((fence for path, _ in marks if (fence := marker_fence(path)) is not None), default=-1)
        if latest > self.fence:
            raise Passed
        if latest < self.fence:
            counts = {f"{kind}/{name}": len(log.chunks) for (kind, name), log in self._logs.items()}
            await self._store.put(marker_path(self.lesson, self.fence), json.dumps({"took": counts}).encode())
            self._changed = True
        self._marked = True
        self._looked_at = now

    def _drop_removed(self, files: dict[Key, Stored], look: Look) -> None:
        """Materials that were deleted while the lesson lives; anything else goes with its lesson alone."""
        if look.materials is None:
            return
        for key in [key for key in files if key[0] == "materials" and key[1] not in look.materials]:
            self._garbage.append(files.pop(key))
            self._changed = True

    async def _put_all(self, puts: list[Callable[[], Awaitable[None]]]) -> None:
        """All of them, though one fails; then the first failure is raised."""
        failures: list[BaseException] = []
        for at in range(0, len(puts), _AT_ONCE):
            some = puts[at : at + _AT_ONCE]
            failures += [one for one in await asyncio.gather(*(put() for put in some), return_exceptions=True) if one]
            if len(failures) >= _AT_ONCE:
                break
        for failure in failures:
            raise failure

    async def _put_fixed(self, files: dict[Key, Stored], key: Key, size: int) -> None:
        kind, name = key
        path = self._data.path(self.lesson, kind, name)
        async with self._transfers:
            await self._look_for_others()
            known = files.get(key)
            if size <= PART_BYTES:
                data = await self._in_thread(path.read_bytes)
                digest = await self._in_thread(lambda: hashlib.sha256(data).hexdigest())
            else:
                digest = await self._in_thread(lambda: sha256_of(path))
            if known is None or known.sha256 != digest:
                files[key] = await self._put(key, "f", digest, data if size <= PART_BYTES else path, size)
            self._unseen.discard(key)

    async def _put_whole(self, files: dict[Key, Stored], key: Key) -> None:
        kind, name = key
        async with self._transfers:
            try:
                data = await self._in_thread(lambda: self._data.read(self.lesson, kind, name, 0, None))
            except FileNotFoundError:
                return
            digest = hashlib.sha256(data).hexdigest()
            known = files.get(key)
            if known is not None and known.sha256 == digest:
                return
            files[key] = await self._put(key, "f", digest, data, len(data))
            if known is not None:
                self._garbage.append(known)

    async def _put_log(self, key: Key, size: int, look: Look) -> None:
        kind, name = key
        log = self._logs.setdefault(key, _Log())
        ours = bool(log.chunks) and log.chunks[0].fence == self.fence
        afresh = not ours or log.size < 0 or size < log.size or len(log.chunks) >= MOST_CHUNKS
        afresh = afresh or (look.finished and len(log.chunks) > 1)
        if not afresh and size == log.size:
            return
        start = 0 if afresh else log.size
        data = await self._in_thread(lambda: self._data.read(self.lesson, kind, name, start, size))
        digest = await self._in_thread(lambda: hashlib.sha256(data).hexdigest())
        if ours and len(log.chunks) == 1 and afresh and log.chunks[0].sha256 == digest:
            log.size = size
            return
        # Until the put is known to have ended well the chain cannot be gone on with: a chunk may be there twice.
        log.size = -1
        async with self._transfers:
            put = await self._put(key, "b" if afresh else "c", digest, data, len(data))
        if afresh:
            self._garbage += log.chunks
            log.chunks = []
        log.chunks.append(put)
        log.size = size

    async def _put(self, key: Key, form: Form, digest: str, data: bytes | Path, size: int) -> Stored:
        # A number is given once: a put that failed may be there all the same.
        number = self._numbers[key] = self._numbers.get(key, -1) + 1
        stored = Stored("", key[0], key[1], self.fence, number, form, digest, size)
        stored = replace(stored, path=object_path(self.lesson, stored))
        content_type = _TYPES.get(key[1].rpartition(".")[2], "application/octet-stream")
        begun = self._monotonic()
        try:
            await self._store.put(stored.path, data, content_type)
        except OSError:
            self._tell(key, size, begun, False)
            raise
        self._tell(key, size, begun, True)
        self._counters.uploaded_objects += 1
        self._counters.uploaded_bytes += size
        self._changed = True
        return stored

    def _tell(self, key: Key, size: int, begun: float, well: bool) -> None:
        if self._uploaded is not None and key[1].endswith(".m4s"):
            self._uploaded(self.lesson, size, self._monotonic() - begun, well)

    async def _save(self, files: dict[Key, Stored]) -> None:
        if self._changed:
            self._changed = False
            await self._in_thread(partial(self._data.save_state, self.lesson, self.fence, self.objects()))

    async def _clear(self) -> None:
        garbage, self._garbage = self._garbage, []
        try:
            await self._store.delete([one.path for one in garbage])
        except OSError:
            self._garbage += garbage
            raise

    async def _in_thread(self, do: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, do)


def _all(found: Contents) -> list[Stored]:
    return [*found.files.values(), *(chunk for chain in found.logs.values() for chunk in chain), *found.passed]
