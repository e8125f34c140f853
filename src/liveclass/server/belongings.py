"""What belongs to a lesson on the disk and in the store, as one thing: taken over, put down, let go, deleted together.

Knows the order in which that is safe; what is in it stands with each part.
"""

import asyncio

import structlog

from liveclass.archive.service import Archive
from liveclass.errors import LiveclassError
from liveclass.server.deletions import Deletions
from liveclass.server.held import Held
from liveclass.server.keeper import Keeper
from liveclass.server.logbook import Logbook
from liveclass.server.ports import MaterialsPort, RecordingsPort
from liveclass.server.snapshots import Snapshots

log = structlog.get_logger(__name__)


class Belongings:
    """Of all lessons of a process.

    Args:
        keeper: writes the snapshots.
        materials: None where lessons have none.
        archive: None where nothing is kept beside the data folder.
        deletions: remembers what was deleted; None where nobody sweeps.
    """

    def __init__(
        self,
        snapshots: Snapshots,
        keeper: Keeper,
        logbook: Logbook,
        recordings: RecordingsPort,
        materials: MaterialsPort | None,
        archive: Archive | None,
        deletions: Deletions | None = None,
    ) -> None:
        self._snapshots = snapshots
        self._keeper = keeper
        self._logbook = logbook
        self.recordings = recordings
        self.materials = materials
        self._archive = archive
        self._deletions = deletions

    async def take_over(self, lesson_id: str, fence: int) -> None:
        """All of it is this node's from now on, as it was left, whatever a former owner still does.

        Raises:
            PeerError: 503 `moving`: a later owner has it.
            OSError: the disk refuses.
        """
        if self._archive is not None:
            try:
                await self._archive.fetch(lesson_id, fence)
            except (LiveclassError, OSError) as error:
                # The lesson goes on with what is here rather than not at all.
                log.warning("lesson_not_brought_back", lesson=lesson_id, reason=str(error))
        await asyncio.gather(
            self.recordings.adopt(lesson_id, fence),
            asyncio.to_thread(self._snapshots.take_over, lesson_id),
            asyncio.to_thread(self._logbook.take_over, lesson_id),
            *([self.materials.adopt(lesson_id)] if self.materials is not None else []),
        )
        if self._archive is not None:
            self._archive.keep(lesson_id, fence)

    async def put_down(self, held: Held) -> None:
        """Write all that another node needs to go on with the lesson."""
        await asyncio.gather(
            self._keeper.save(held),
            self._keeper.flush(),
            self._logbook.flush(held.id),
            self.recordings.rest(held.id),
        )
        if self._archive is not None:
            await self._archive.flush(held.id)

    def let_go(self, lesson_id: str) -> None:
        """Another node has the lesson, or may have: nothing of it is written any more. Returns at once."""
        self._logbook.drop(lesson_id)
        self.recordings.drop(lesson_id)
        if self.materials is not None:
            self.materials.drop(lesson_id)
        if self._archive is not None:
            self._archive.release(lesson_id)

    async def delete(self, held: Held) -> None:
        """Every byte of it, also what somebody who cannot be stopped writes of it later."""
        if self._deletions is not None:
            # First: a deletion that the end of this process breaks off is ended after the next start.
            await asyncio.to_thread(self._deletions.mark, held.id)
        if self._archive is not None:
            # It may be bringing files back.
            await self._archive.leave(held.id)
        await self.recordings.delete(held.id)
        if self.materials is not None:
            await self.materials.delete_lesson(held.id)
        await self._keeper.forget(held)
        await asyncio.to_thread(self._logbook.delete, held.id)
        if self._archive is not None:
            await self._archive.delete(held.id)
