"""The one thread that writes: a bounded queue of jobs, so that no disk can delay a lesson.

Jobs run in the order of submission. After each batch that has gathered (a slow disk gathers larger ones) every folder
touched is synced once; only then are the jobs reported done, on the event loop. Knows nothing of what is written.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from liveclass.recording.disk import Folder

log = logging.getLogger(__name__)

Done = Callable[[Exception | None], None]


class _Job(NamedTuple):
    folder: Folder | None
    cost: int
    run: Callable[[], None]
    done: Done


class Writer:
    """Runs jobs on its own thread.

    Args:
        queue_bytes: the sum of the costs of waiting jobs; what would exceed it is refused.

    Attributes:
        waiting_bytes: the sum of the costs of the jobs that are not done yet.
        finished_jobs: counts up; one that stands still while jobs wait tells of a disk that hangs.
    """

    def __init__(self, queue_bytes: int) -> None:
        self.waiting_bytes = 0
        self.waiting_jobs = 0
        self.finished_jobs = 0
        self._queue_bytes = queue_bytes
        self._jobs: deque[_Job] = deque()
        self._held: dict[Folder, list[_Job]] = {}
        self._wake = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Start the thread; done jobs are reported on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._stopping = False
        # A daemon: a disk that hangs for ever must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name="recording-writer", daemon=True)
        self._thread.start()

    async def stop(self, timeout_s: float) -> bool:
        """Finish all jobs and end the thread; False when the disk hangs longer than `timeout_s`."""
        thread = self._thread
        if thread is None:
            return True
        with self._wake:
            self._stopping = True
            self._wake.notify()
        await asyncio.to_thread(thread.join, timeout_s)
        # The reports of the last batch are on their way to this loop.
        await asyncio.sleep(0)
        self._thread = None
        return not thread.is_alive()

    def submit(self, folder: Folder | None, run: Callable[[], None], done: Done, cost: int = 0) -> bool:
        """Queue a job; False, and nothing queued, when its cost does not fit any more.

        Args:
            folder: whose files it touches: they are synced before the job counts as done, and once one job of a folder
                has failed, the later ones fail with the same error and do nothing.
            done: called on the event loop with None or the error.
            cost: bytes it holds in memory.

        Jobs of a folder that is doubted are kept back, and counted, until `let_go` or `discard`.
        """
        if cost and self.waiting_bytes + cost > self._queue_bytes:
            return False
        self.waiting_bytes += cost
        job = _Job(folder, cost, run, done)
        if folder is not None and (folder in self._held or folder.doubted):
            self._held.setdefault(folder, []).append(job)
        else:
            self._queue([job])
        return True

    def let_go(self, folder: Folder) -> None:
        """Queue what was kept back while the folder was doubted."""
        self._queue(self._held.pop(folder, []))

    def discard(self, folder: Folder, error: Exception) -> None:
        """The folder is lost: what was kept back for it is done with this error, and so is all that comes or waits."""
        folder.failed = error
        for job in self._held.pop(folder, []):
            self.waiting_bytes -= job.cost
            job.done(error)

    async def perform(self, folder: Folder | None, run: Callable[[], None]) -> None:
        """Queue a job and wait for it; raises what it raises."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(error: Exception | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

        self.submit(folder, run, done)
        await future

    def _queue(self, jobs: list[_Job]) -> None:
        self.waiting_jobs += len(jobs)
        with self._wake:
            self._jobs.extend(jobs)
            self._wake.notify()

    # On the thread

    def _work(self) -> None:
        while True:
            with self._wake:
                while not self._jobs and not self._stopping:
                    self._wake.wait()
                if not self._jobs:
                    return
                batch, self._jobs = self._jobs, deque()
            results = self._run_batch(batch)
            loop = self._loop
            if loop is not None and not loop.is_closed():
                try:
                    loop.call_soon_threadsafe(self._report, results)
                except RuntimeError:
                    # The loop closed between the question and the call: nobody is left to tell.
                    return

    def _run_batch(self, batch: deque[_Job]) -> list[tuple[_Job, Exception | None]]:
        results: list[tuple[_Job, Exception | None]] = []
        folders: list[Folder] = []
        for job in batch:
            folder = job.folder
            error = folder.failed if folder is not None else None
            if error is None:
                try:
                    job.run()
                except Exception as failure:
                    error = failure
                    if folder is not None:
                        folder.failed = failure
            if folder is not None and folder not in folders:
                folders.append(folder)
            results.append((job, error))
        for folder in folders:
            if folder.failed is None:
                try:
                    folder.sync()
                except Exception as failure:
                    folder.failed = failure
                    results = [
                        (job, failure if job.folder is folder and error is None else error) for job, error in results
                    ]
        return results

    # On the event loop

    def _report(self, results: list[tuple[_Job, Exception | None]]) -> None:
        for job, error in results:
            self.waiting_bytes -= job.cost
            self.waiting_jobs -= 1
            self.finished_jobs += 1
            try:
                job.done(error)
            except Exception:
                log.exception("a recording's book could not take what was written")
