"""What of a lesson is kept, and when: its row in the catalogue, in the order of decisions, and its snapshot.

Delays no lesson, whatever database and disk do. Decides nothing about lessons.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from liveclass.errors import PeerError
from liveclass.server.held import Held
from liveclass.server.snapshots import Snapshots
from liveclass.server.tenancy import Tenancy

log = structlog.get_logger(__name__)

CATALOGUE_RETRY_S = 2.0
"""Pause before a failed write to the catalogue is tried again; the lesson goes on meanwhile."""

DOUBT_LOOK_S = 0.1
"""How often it is looked whether a lesson that may be another node's still is this one's."""


class Keeper:
    """One for all lessons of a process.

    Args:
        monotonic: seconds, never going back.
    """

    def __init__(self, snapshots: Snapshots, monotonic: Callable[[], float], tenancy: Tenancy) -> None:
        self._snapshots = snapshots
        self._monotonic = monotonic
        self._tenancy = tenancy
        self._writes: asyncio.Queue[tuple[str, Callable[[], Awaitable[object]]]] = asyncio.Queue()

    def put(self, lesson_id: str, write: Callable[[], Awaitable[object]]) -> None:
        """Have a write of this lesson to the catalogue done after those before it."""
        self._writes.put_nowait((lesson_id, write))

    async def flush(self) -> None:
        """Wait until the catalogue has what was put so far."""
        done = asyncio.Event()

        async def reached() -> None:
            done.set()

        self.put("", reached)
        await done.wait()

    async def run(self) -> None:
        """Writes to the catalogue, for ever."""
        while True:
            lesson_id, write = await self._writes.get()
            while await self._ours(lesson_id):
                try:
                    await write()
                    break
                except PeerError as refused:
                    log.warning("catalogue_refused", code=refused.code)
                    break
                except Exception:
                    log.exception("catalogue_failed")
                    await asyncio.sleep(CATALOGUE_RETRY_S)

    async def _ours(self, lesson_id: str) -> bool:
        """Waits while that is in doubt."""
        while lesson_id and not self._tenancy.writes(lesson_id):
            if not self._tenancy.mine(lesson_id):
                return False
            await asyncio.sleep(DOUBT_LOOK_S)
        return True

    async def save(self, held: Held) -> None:
        """Write the lesson's snapshot if it has changed; a disk that refuses is tried again by whoever calls next."""
        # One at a time, and never across a deletion: a late write would bring back what was deleted.
        async with held.saving:
            revision = held.lesson.revision
            if not held.deleted and revision != held.saved_revision and self._tenancy.writes(held.id):
                try:
                    await _to_the_end(asyncio.to_thread(self._snapshots.write, held.id, held.lesson.snapshot()))
                    held.saved_revision = revision
                except OSError:
                    log.warning("snapshot_not_written", lesson=held.id)
            held.changed_at = None if held.lesson.revision == held.saved_revision else self._monotonic()

    async def save_calls(self, held: Held) -> None:
        """Write until the calls of the moment are written; one that fails is left to the housekeeping."""
        try:
            while held.saved_calls != held.lesson.calls_revision:
                calls = held.lesson.calls_revision
                await self.save(held)
                held.saved_calls = calls
        finally:
            held.saving_calls = False

    async def forget(self, held: Held) -> None:
        """The lesson was deleted (`held.deleted`): so is its snapshot."""
        async with held.saving:
            await asyncio.to_thread(self._snapshots.delete, held.id)


async def _to_the_end(work: Awaitable[None]) -> None:
    """Wait for work in a thread even when cancelled, since the thread cannot be: two must not write one file."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
