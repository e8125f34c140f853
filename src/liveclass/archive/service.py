"""The archive of this process: keeps its lessons' files in an object store, brings them back, and deletes them.

The door of this package. Lives on the event loop, on tasks and threads of its own: no lesson waits for a store, and a
store that is gone for minutes is caught up with when it is back. Decides nothing about who owns a lesson.
"""

import asyncio
import hashlib
import json
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from liveclass import tasks
from liveclass.archive.cache import Cache
from liveclass.archive.local import Data, Stamp
from liveclass.archive.mirror import Mirror, Passed, Uploaded
from liveclass.archive.model import (
    KINDS,
    LESSON_ID,
    ArchiveOptions,
    Contents,
    Counters,
    Kind,
    Stored,
    contents,
    marker_path,
)
from liveclass.archive.store import Missing, Store, StoreGone

log = logging.getLogger(__name__)

# What a node that takes a lesson over waits for the store; then it goes on with what it has.
FETCH_S = 20.0
_LONGEST_PAUSE_S = 30.0
# Lessons that were looked at in the store lately: replays ask for a file every few seconds.
_MOST_KNOWN = 200
_KNOWN_S = 60.0
# How often what other nodes have deleted is looked for here.
_PURGE_S = 3600.0
# No lesson can have this name, for ids hold no dot.
_DELETED = "deleted.marks"
# Lessons that are put at a time; a thousand wait without a task each.
_LESSONS_AT_ONCE = 32
# A lesson in which nothing has happened for ten times as long is looked at so seldom.
_SELDOM_S = 120.0

Result = TypeVar("Result")


@dataclass(slots=True)
class _Kept:
    mirror: Mirror
    stamp: Stamp | None = None
    changed_at: float = 0.0
    look_at: float = 0.0
    failures: int = 0
    retry_at: float = 0.0
    task: asyncio.Task[None] | None = None


@dataclass(frozen=True, slots=True)
class Remote:
    """A file in the store, for whoever sends it.

    Attributes:
        path: a copy on this disk, if there is one; otherwise `Archive.chunks` reads it.
        url: a signed address, where replays are redirected.
        etag: without quotes.
    """

    stored: Stored
    path: Path | None = None
    url: str = ""

    @property
    def size(self) -> int:
        return self.stored.size

    @property
    def etag(self) -> str:
        return self.stored.sha256[:32]


@dataclass(slots=True)
class _Known:
    at: float
    found: Contents = field(default_factory=Contents)


class Archive:
    """Args:
    data_dir: the server's.
    alone: no other node writes into the store: every lesson here is kept, without being given to this process.
    monotonic: seconds, never going back.
    uploaded: told of each segment that was put into the store: lesson, bytes, seconds, and whether it is there.
    """

    def __init__(
        self,
        store: Store,
        data_dir: Path,
        options: ArchiveOptions,
        *,
        alone: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
        uploaded: Uploaded | None = None,
    ) -> None:
        self._uploaded = uploaded
        self.counters = Counters()
        self._store = store
        self._data = Data(data_dir)
        self._cache = Cache(self._data.own / "cache", options.cache_bytes)
        self._options = options
        self._alone = alone
        self._monotonic = monotonic
        self._kept: dict[str, _Kept] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._transfers = asyncio.Semaphore(options.parallel)
        self._reads = asyncio.Semaphore(options.parallel)
        self._copying: dict[str, asyncio.Task[Path]] = {}
        self._threads = ThreadPoolExecutor(2, "archive")
        self._task: asyncio.Task[None] | None = None
        self._bringing: dict[str, asyncio.Task[None]] = {}
        self._purged_at = -_PURGE_S

    async def start(self) -> None:
        """Begin to keep what is to be kept. Asks nothing of the store yet."""
        await self._in_thread(self._cache.load)
        if self._alone:
            for lesson in await self._in_thread(self._data.lessons):
                self.keep(lesson, 0)
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def close(self, patience_s: float = 5.0) -> None:
        """Put what is closed by now, as far as the store takes it in `patience_s`, and end; the rest comes later."""
        task, self._task = self._task, None
        if task is not None:
            await tasks.end([task])
            if patience_s:
                with suppress(TimeoutError):
                    async with asyncio.timeout(patience_s):
                        await self.flush()
        running = [one.task for one in self._kept.values() if one.task is not None]
        await tasks.end([*running, *self._bringing.values()])
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def origin(self) -> str:
        """Scheme and host that replays are sent to; empty where they are not."""
        return self._store.origin if self._options.redirect and self._store.signs else ""

    # Keeping

    def keep(self, lesson: str, fence: int) -> None:
        """This process owns the lesson: keep its files in the store from now on."""
        kept = self._kept.get(lesson)
        if not LESSON_ID.fullmatch(lesson) or lesson in self._gone or (kept and kept.mirror.fence == fence):
            return
        # What is being brought back goes on: it is what this owner needs.
        self._put_no_more(lesson)
        mirror = Mirror(
            lesson,
            fence,
            self._data,
            self._store,
            self.counters,
            self._transfers,
            self._threads,
            self._monotonic,
            self._uploaded,
        )
        self._kept[lesson] = _Kept(mirror, changed_at=self._monotonic())

    def touched(self, lesson: str) -> None:
        """Something of the lesson has changed; on a machine that is alone it is kept from now on."""
        if self._alone:
            self.keep(lesson, 0)
        kept = self._kept.get(lesson)
        if kept is not None:
            kept.look_at = 0.0

    def release(self, lesson: str) -> None:
        """Another node owns the lesson: put nothing of it any more."""
        self._put_no_more(lesson)
        bringing = self._bringing.pop(lesson, None)
        if bringing is not None:
            bringing.cancel()

    def _put_no_more(self, lesson: str) -> None:
        kept = self._kept.pop(lesson, None)
        self._known.pop(lesson, None)
        if kept is not None and kept.task is not None:
            kept.task.cancel()

    async def flush(self, lesson: str = "") -> None:
        """Put what there is to put now, of one lesson or of all. What fails is left to later rounds."""

        async def settle() -> None:
            running = [kept.task for one, kept in self._kept.items() if kept.task and lesson in {"", one}]
            if running:
                # Not `gather`: whoever has no more patience must not have to wait for what it cancels.
                await asyncio.wait(running)

        # What is on its way has looked before.
        await settle()
        await self._round([lesson] if lesson else list(self._kept), hurried=True)
        await settle()

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(self._options.round_s)
            try:
                await self._round(list(self._kept))
                await self._delete_doomed()
                if self._monotonic() - self._purged_at >= _PURGE_S:
                    await self.purge()
                    self._purged_at = self._monotonic()
            except OSError as error:
                self.counters.failures += 1
                log.warning("the archive is behind: %s", error)
                await asyncio.sleep(self._options.round_s * 5)
            except Exception:
                log.exception("the archive failed")

    async def _round(self, lessons: list[str], *, hurried: bool = False) -> None:
        now = self._monotonic()
        idle = [
            (one, kept.mirror.fence, kept.stamp is None)
            for one in lessons
            if (kept := self._kept.get(one)) is not None
            and kept.task is None
            and (hurried or now >= max(kept.look_at, kept.retry_at))
        ]

        def look() -> list[tuple[str, Stamp, bool]]:
            found = []
            for one, fence, new in idle:
                stamp = self._data.stamp(one)
                found.append((one, stamp, new and self._data.is_done(one, fence, stamp)))
            return found

        running = sum(kept.task is not None for kept in self._kept.values())
        for lesson, stamp, done in await self._in_thread(look):
            kept = self._kept.get(lesson)
            if kept is None or kept.task is not None:
                continue
            if done:
                kept.stamp = stamp
            if kept.stamp == stamp and not kept.failures:
                kept.look_at = now + min((now - kept.changed_at) / 10, _SELDOM_S)
            elif hurried or running < _LESSONS_AT_ONCE:
                running += 1
                kept.changed_at = now
                kept.task = asyncio.get_running_loop().create_task(self._mirror(lesson, kept, stamp))
        self._count_waiting()

    async def _mirror(self, lesson: str, kept: _Kept, stamp: Stamp) -> None:
        try:
            await kept.mirror.round()
            kept.stamp, kept.failures = stamp, 0
            await self._in_thread(lambda: self._data.save_done(lesson, kept.mirror.fence, stamp))
        except Passed:
            self.counters.fenced += 1
            log.warning("a lesson is kept by another node now lesson=%s", lesson)
            if self._kept.get(lesson) is kept:
                del self._kept[lesson]
        except OSError as error:
            self._failed(lesson, kept, error)
        except Exception as error:
            log.exception("a lesson could not be archived")
            self._failed(lesson, kept, error)
        finally:
            kept.task = None
            self._count_waiting()

    def _count_waiting(self) -> None:
        self.counters.waiting = sum(kept.task is not None or kept.failures > 0 for kept in self._kept.values())

    def _failed(self, lesson: str, kept: _Kept, error: Exception) -> None:
        self.counters.failures += 1
        kept.failures += 1
        pause_s = min(self._options.round_s * 2 ** min(kept.failures, 10), _LONGEST_PAUSE_S)
        kept.retry_at = self._monotonic() + pause_s
        if kept.failures == 1:
            log.warning("a lesson waits for the store lesson=%s: %s", lesson, error)

    # Bringing back

    async def fetch(self, lesson: str, fence: int) -> bool:
        """Bring back what a node needs to go on with a lesson, unless what is here is the latest: call before `keep`.

        Journal, timeline, snapshot, summary, playlists and the list of materials are here when this returns; the files
        of the materials and the last segments of a running recording follow, older ones are read when asked for.

        Args:
            fence: the owner that this process is about to be; its mark makes what former owners put later count for
                nothing.

        Returns:
            whether anything was brought.

        Raises:
            StoreGone: it does not answer within 20 s: what is here is all there is.
        """
        if not LESSON_ID.fullmatch(lesson):
            return False
        try:
            async with asyncio.timeout(FETCH_S):
                return await self._fetch(lesson, fence)
        except TimeoutError as error:
            raise StoreGone("the store does not answer") from error

    async def _fetch(self, lesson: str, fence: int) -> bool:
        before = contents(await self._store.names(lesson))
        here = await self._in_thread(lambda: self._data.fence(lesson))
        if before.fence > fence:
            raise StoreGone("a later owner has the lesson")
        if before.fence < fence:
            took = {f"{kind}/{name}": len(chain) for (kind, name), chain in before.logs.items()}
            await self._store.put(marker_path(lesson, fence), json.dumps({"took": took}).encode())
        if not before.files and not before.logs:
            return False
        if here >= before.fence:
            return False
        # After the mark: nothing that counts comes any more.
        found = contents(await self._store.names(lesson))
        self._know(lesson, found)
        logs = {key: await self._joined(chain) for key, chain in found.logs.items()}
        small = [one for one in found.files.values() if _is_small(one)]
        texts = await asyncio.gather(*(self._read_in_turn(one) for one in small))

        def write() -> None:
            # What lies here is of an earlier time, and its segments may have the names of others.
            for kind in KINDS:
                self._data.remove(lesson, kind)
            for (kind, name), data in logs.items():
                self._data.write(lesson, kind, name, data)
            for one, data in zip(small, texts, strict=True):
                self._data.write(lesson, one.kind, one.name, data)
            self._data.forget_state(lesson)
            chunks = [chunk for chain in found.logs.values() for chunk in chain]
            self._data.save_state(lesson, max(found.fence, 0), [*found.files.values(), *chunks])

        await self._in_thread(write)
        self._bring(lesson, found)
        return True

    def _bring(self, lesson: str, found: Contents) -> None:
        """Bring the files of the materials, and of a running recording the last ones, in the background."""
        running = ("recording", "summary.json") not in found.files
        media = [one for one in found.files.values() if one.kind == "recording" and not _is_small(one)]
        wanted = [one for one in found.files.values() if one.kind == "materials" and not _is_small(one)]
        if running:
            wanted += sorted(media, key=lambda one: ("-init-" in one.name, one.name[-10:]), reverse=True)
        task = asyncio.get_running_loop().create_task(self._bring_all(lesson, wanted))
        self._bringing[lesson] = task
        task.add_done_callback(lambda done: self._brought(lesson, done))

    def _brought(self, lesson: str, task: asyncio.Task[None]) -> None:
        if self._bringing.get(lesson) is task:
            del self._bringing[lesson]
        if not task.cancelled() and task.exception() is not None:
            log.warning("not all of a lesson came back from the store lesson=%s: %s", lesson, task.exception())

    async def _bring_all(self, lesson: str, wanted: list[Stored]) -> None:
        room = self._options.cache_bytes
        for one in wanted:
            room -= one.size
            if room < 0:
                return
            if self._data.path(lesson, one.kind, one.name).exists():
                continue
            data = await self._read_in_turn(one)

            def write(one: Stored = one, data: bytes = data) -> None:
                self._data.write(lesson, one.kind, one.name, data)

            try:
                await self._in_thread(write)
            except FileNotFoundError:
                # Between its two names the folder has been given its new owner's place (`recording.hold`).
                await self._in_thread(write)

    async def _joined(self, chain: list[Stored]) -> bytes:
        return b"".join([await self._read(chunk) for chunk in chain])

    async def _read_in_turn(self, stored: Stored) -> bytes:
        async with self._reads:
            return await self._read(stored)

    async def _read(self, stored: Stored) -> bytes:
        data = await self._store.get(stored.path)
        if await self._in_thread(lambda: hashlib.sha256(data).hexdigest()) != stored.sha256:
            raise StoreGone("an object of the store is damaged")
        self.counters.fetched_objects += 1
        self.counters.fetched_bytes += len(data)
        return data

    # Reading for replays

    async def open(self, lesson: str, name: str) -> Remote | None:
        """A file of a replay; None: the store has none of it.

        Raises:
            StoreGone: ask again later.
        """
        stored = await self._find(lesson, "recording", name)
        if stored is None:
            return None
        if self._options.redirect and self._store.signs:
            return Remote(stored, url=await self._store.sign(stored.path, self._options.signed_s))
        return Remote(stored, await self._copied(lesson, stored) if self._cache.fits(stored.size) else None)

    async def copy(self, lesson: str, name: str) -> Path | None:
        """A copy on this disk of a file of a recording, until others push it out; None: the store has none of it.

        Raises:
            StoreGone: ask again later, or no copy of it is kept (`cache_bytes`).
        """
        stored = await self._find(lesson, "recording", name)
        if stored is None:
            return None
        return await self._copied(lesson, stored)

    def chunks(self, remote: Remote, start: int, length: int) -> AsyncIterator[bytes]:
        """A range of a file that `open` has found. Raises StoreGone while it is read."""
        return self._store.chunks(remote.stored.path, start, length)

    async def _copied(self, lesson: str, stored: Stored) -> Path:
        path = self._cache.path(lesson, stored.sha256)
        if path is not None:
            self.counters.cache_hits += 1
            return path
        if not self._cache.fits(stored.size):
            raise StoreGone("no copy of so large a file is kept here")
        # Those who ask for one file at the same time wait for one copy.
        copying = self._copying.get(stored.path)
        if copying is None:
            copying = self._copying[stored.path] = asyncio.get_running_loop().create_task(self._copy(lesson, stored))
            copying.add_done_callback(lambda _done: self._copying.pop(stored.path, None))
        return await asyncio.shield(copying)

    async def _copy(self, lesson: str, stored: Stored) -> Path:
        data = await self._read_in_turn(stored)
        return await self._in_thread(lambda: self._cache.put(lesson, stored.sha256, data))

    async def _find(self, lesson: str, kind: Kind, name: str) -> Stored | None:
        if not LESSON_ID.fullmatch(lesson) or lesson in self._gone:
            return None
        known, now = self._known.get(lesson), self._monotonic()
        stored = known.found.files.get((kind, name)) if known is not None else None
        if stored is None and (known is None or now - known.at >= _KNOWN_S):
            found = contents(await self._store.names(lesson))
            self._know(lesson, found)
            stored = found.files.get((kind, name))
        return stored

    def _know(self, lesson: str, found: Contents) -> None:
        self._known[lesson] = _Known(self._monotonic(), found)
        self._known.move_to_end(lesson)
        while len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)

    # Deleting

    async def delete(self, lesson: str, *, recording_only: bool = False) -> None:
        """Remove every object of a lesson, or of its recording alone, and every copy.

        A store that does not answer gets it later: what is to be deleted is remembered on this disk. Other nodes find
        out within an hour, and remove what they still have.
        """
        if not LESSON_ID.fullmatch(lesson):
            return
        what = "recording" if recording_only else "all"
        kept = self._kept.get(lesson)
        await self.leave(lesson, for_good=not recording_only)
        await self._in_thread(lambda: self._data.doom(lesson, what))
        await self._in_thread(lambda: self._cache.delete(lesson))
        try:
            await self._delete_doomed(lesson)
        except OSError as error:
            log.warning("a lesson is deleted from the store later lesson=%s: %s", lesson, error)
        if kept is not None and recording_only:
            self.keep(lesson, kept.mirror.fence)

    async def leave(self, lesson: str, *, for_good: bool = True) -> None:
        """Put nothing of it any more, and bring nothing back: it is about to be deleted, all of it if `for_good`."""
        if for_good:
            self._gone[lesson] = None
            while len(self._gone) > 10 * _MOST_KNOWN:
                self._gone.popitem(last=False)
        kept = self._kept.get(lesson)
        putting = kept.task if kept is not None else None
        under_way = [task for task in (putting, self._bringing.get(lesson)) if task is not None]
        self.release(lesson)
        await tasks.end(under_way)

    async def _delete_doomed(self, only: str = "") -> None:
        for lesson, what in await self._in_thread(self._data.doomed):
            if only and lesson != only:
                continue
            prefix = lesson if what == "all" else f"{lesson}/recording"
            await self._store.put(f"{_DELETED}/{what}/{lesson}", b"{}")
            while paths := [path for path, _ in await self._store.names(prefix)]:
                await self._store.delete(paths)
            self._known.pop(lesson, None)

            def forget(lesson: str = lesson, what: str = what) -> None:
                self._data.forget_state(lesson)
                self._data.undoom(lesson, what)

            await self._in_thread(forget)
            self.counters.deleted_lessons += 1

    async def purge(self) -> None:
        """Remove here what other nodes have deleted. Raises StoreGone."""
        for path, _ in await self._store.names(_DELETED):
            what, _, lesson = path.removeprefix(f"{_DELETED}/").partition("/")
            if not LESSON_ID.fullmatch(lesson) or what not in {"all", "recording"}:
                continue
            if what == "recording" and lesson in self._kept:
                continue
            if what == "all":
                self.release(lesson)
            kinds: tuple[Kind, ...] = KINDS if what == "all" else ("recording",)
            await self._in_thread(lambda lesson=lesson, kinds=kinds: self._purge(lesson, kinds))  # type: ignore[misc]

    def _purge(self, lesson: str, kinds: tuple[Kind, ...]) -> None:
        for kind in kinds:
            self._data.remove(lesson, kind)
        self._data.forget_state(lesson)
        self._cache.delete(lesson)

    async def _in_thread(self, do: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, do)


def _is_small(stored: Stored) -> bool:
    """Files that tell of the others."""
    return stored.kind == "snapshot" or stored.name.endswith((".json", ".m3u8", ".index"))


__all__ = ["Archive", "Missing", "Remote", "StoreGone"]
