"""One lesson's recording over its whole life: its state, its sources, and one recorder after another.

Survives full and failing disks (the recorder is dropped, the sources are remembered, and a new part begins when the
disk takes bytes again). Lives on the event loop; what blocks is the writer's.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from liveclass.errors import UsageError
from liveclass.recording.book import Book, Record, line, manifest_to_json, playlist
from liveclass.recording.disk import SUMMARY, Disk, Folder, problem_of
from liveclass.recording.files import MakeTranscoder, PartFiles, PartStart
from liveclass.recording.fmp4 import VIDEO_TIMESCALE
from liveclass.recording.hold import Fenced, Hold
from liveclass.recording.model import (
    TRANSITIONS,
    Event,
    Manifest,
    Problem,
    RecordingOptions,
    RecordingState,
    RecordingStatus,
)
from liveclass.recording.recorder import Packet, Recorder, recorded
from liveclass.recording.recovery import recover
from liveclass.recording.writer import Done, Writer
from liveclass.relay.source import SourceHandle, SourceInfo

log = logging.getLogger(__name__)

# Often enough that a lesson loses little when space returns, seldom enough not to trouble a failing disk.
RETRY_S = 5.0
# Pictures that a transcoding child still holds when the lesson ends; the replay must be complete within a second.
DRAIN_S = 0.5
# A disk that has not answered for this long hangs; what waits for it goes on without.
PATIENCE_S = 10.0
# Nothing is written between two ticks, so packets gather until the next one: handled together they find code and data
# in the processor's caches, which one every 5 ms does not. This many are some 0.3 ms of work.
_MOST_GATHERED = 64


class Session:
    """One lesson's recording: the relay's sink for it, and its state.

    Args:
        book: what is already there.
        state: `off` for a new recording, `stopped` for one to be resumed.
        changed: told when state or problem changes.
        damaged: the recovery at the start failed: it is tried again before anything is recorded.
        hold: the directory, on a node of a fleet; `path` is then its name, for reading.
    """

    def __init__(
        self,
        path: Path,
        disk: Disk,
        writer: Writer,
        options: RecordingOptions,
        make_transcoder: MakeTranscoder,
        changed: Callable[[], None],
        book: Book | None = None,
        state: RecordingState = "off",
        *,
        damaged: bool = False,
        hold: Hold | None = None,
        begun: Callable[[int], Done] | None = None,
    ) -> None:
        self._begun = begun
        self.path = path
        self.state: RecordingState = state
        self.problem: Problem = ""
        self.book = book if book is not None else Book()
        self._disk = disk
        self._writer = writer
        self._options = options
        self._make_transcoder = make_transcoder
        self._report = changed
        self._growth = asyncio.Event()
        self._sources: dict[str, SourceHandle] = {}
        self._gathered: list[Packet] = []
        self._recorder: Recorder | None = None
        self._files: PartFiles | None = None
        self._hold = hold
        self._sure = asyncio.Event()
        self._sure.set()
        self._folder = self._new_folder()
        self._wall_offset = 0.0
        self._now = 0.0
        self._retry_at = 0.0
        self._damaged = damaged
        self._retrying = False
        self._finishing = False
        self._completed: asyncio.Future[bool] | None = None

    # The relay's sink. Never raises: a mistake in here must not reach the relay.

    def takes(self, info: SourceInfo) -> bool:
        """See `relay.source.Sink`; while nothing is written too, as the recording may begin again at any moment."""
        return recorded(info, self._options)

    def source_added(self, source: SourceHandle, now: float) -> None:
        """See `relay.source.Sink`."""
        self._now = now
        self._sources[source.info.id] = source
        self._handle_gathered()
        if self._recorder is not None:
            try:
                self._recorder.source_added(source, now)
            except Exception:
                self._mistake()

    def source_removed(self, source: SourceHandle, now: float) -> None:
        """See `relay.source.Sink`."""
        self._now = now
        self._sources.pop(source.info.id, None)
        self._handle_gathered()
        if self._recorder is not None:
            try:
                self._recorder.source_removed(source, now)
            except Exception:
                self._mistake()

    def packet(self, source: SourceHandle, seq: int, timestamp: int, marker: bool, payload: bytes, now: float) -> None:
        """See `relay.source.Sink`."""
        gathered = self._gathered
        gathered.append((source, seq, timestamp, marker, payload, now))
        if len(gathered) >= _MOST_GATHERED:
            self._handle_gathered()

    def sender_report(self, source: SourceHandle, ntp_s: float, timestamp: int, now: float) -> None:
        """See `relay.source.Sink`."""
        self._handle_gathered()
        if self._recorder is not None:
            try:
                self._recorder.sender_report(source, ntp_s, timestamp, now)
            except Exception:
                self._mistake()

    # What the service asks

    def begin(self, now: float, wall: float) -> None:
        """Begin the first or the next part; nothing happens while one runs.

        Raises:
            UsageError: the recording is finished.
        """
        if self.state in {"recording", "paused"}:
            return
        if self._finishing:
            raise UsageError("this recording is being finished")
        self._move("begin")
        self._now = now
        self._wall_offset = wall - now
        if self._damaged:
            self._damaged = False
            self._disk_failed(OSError("the recording could not be recovered"))
            self._retry_at = now
        else:
            self._begin_part(now)
            self._changed()

    def tick(self, now: float) -> None:
        """Deadlines."""
        self._now = now
        self._handle_gathered()
        if self._recorder is not None:
            try:
                self._recorder.tick(now)
            except Exception:
                self._mistake()
        elif self._wants_repair and not self._retrying and now >= self._retry_at and self._sure.is_set():
            self._repair()

    def disk_hangs(self) -> None:
        """The writer has not finished anything for too long."""
        if self._files is not None:
            self._disk_failed(TimeoutError("the disk does not answer"))

    def doubt(self, on: bool) -> None:
        """Keep back what would be written, as long as the queue takes it, or write it after all."""
        if self._hold is None or self._hold.doubted == on:
            return
        self._hold.doubted = on
        if on:
            self._sure.clear()
        else:
            self._sure.set()
            self._writer.let_go(self._folder)

    def drop(self) -> None:
        """Another node goes on with it: nothing is written from now on, what waits to be written neither."""
        if self._hold is not None:
            self._hold.fence_off()
        self._drop_part()
        self._writer.discard(self._folder, Fenced())
        self.state = "finished"
        self._sure.set()
        self._wake_followers()
        self._report_completed(False)
        self._writer.submit(None, self._folder.close, _ignore)

    async def stop(self) -> None:
        """Close every segment and playlist as far as the lesson has come; `begin` may resume it."""
        if not self._sure.is_set():
            # Whoever may write finds what is on the medium and recovers it.
            self._drop_part()
            self._writer.discard(self._folder, Fenced())
        await self._end_part()
        if self.state in {"recording", "paused"}:
            self._move("server_stopped")
            self.problem = ""
            self._changed()

    async def finish(self) -> bool:
        """Complete the replay; False when the disk refuses or hangs: then `tick` tries again until it is done."""
        if self.state in {"off", "finished"}:
            return True
        self._finishing = True
        await self._sure.wait()
        await self._end_part()
        if self._hold is not None and self._hold.fenced:
            return False
        self._completed = asyncio.get_running_loop().create_future()
        if self.state == "paused" or self._damaged:
            self._repair()
        else:
            self._complete()
        try:
            return await asyncio.wait_for(asyncio.shield(self._completed), PATIENCE_S)
        except TimeoutError:
            return False

    async def abandon(self) -> None:
        """Stop at once, whatever becomes of the files; nothing is written after this."""
        self._drop_part()
        self.state = "finished"
        self._wake_followers()
        await self._writer.perform(None, self._folder.close)

    def status(self) -> RecordingStatus:
        """How it stands now."""
        files = self._files
        end = max(self.book.duration, files.end if files is not None else 0)
        extra = files.open_bytes if files is not None else 0
        return RecordingStatus(self.state, round(end / VIDEO_TIMESCALE, 3), self.book.bytes + extra, self.problem)

    def manifest(self) -> Manifest:
        """What can be replayed now."""
        return self.book.manifest(self.state, self.problem)

    @property
    def growth(self) -> asyncio.Event:
        """Set as soon as there is more on the medium, or the state changes; a new one each time."""
        return self._growth

    # Inside

    def _wake_followers(self) -> None:
        growth, self._growth = self._growth, asyncio.Event()
        growth.set()

    def _changed(self) -> None:
        self._wake_followers()
        self._report()

    @property
    def _wants_repair(self) -> bool:
        return self.state == "paused" or (self._finishing and self.state == "stopped")

    def _move(self, event: Event) -> None:
        following = TRANSITIONS.get((self.state, event))
        if following is None:
            raise UsageError(f"a recording that is {self.state} cannot {event}")
        self.state = following

    def _new_folder(self) -> Folder:
        where = self._hold if self._hold is not None else self.path
        return Folder(self._disk, where, self._options.disk_floor_bytes)

    def _begin_part(self, now: float) -> None:
        start = PartStart(self.book.duration, round((now + self._wall_offset) * 1000))
        files = PartFiles(
            self._writer,
            self._folder,
            self.book,
            self._options,
            start,
            self._make_transcoder,
            self._disk_failed,
            self._wake_followers,
        )
        self._files = files
        self._gathered = []
        recorder = Recorder(self._options, files, now, start.at, self.book.lead)
        for source in self._sources.values():
            recorder.source_added(source, now)
        if files.broken:
            recorder.close()
        else:
            self._recorder = recorder
            if self._begun is not None:
                # What is queued behind the part's first bytes is done when they are.
                self._writer.submit(self._folder, _nothing, self._begun(len(self.book.parts)))

    def _handle_gathered(self) -> None:
        """Hand on the packets that have come, in the order in which they came; without a recorder they are nobody's."""
        packets = self._gathered
        if packets:
            self._gathered = []
            if self._recorder is not None:
                try:
                    self._recorder.packets(packets)
                except Exception:
                    self._mistake()

    async def _end_part(self) -> None:
        self._handle_gathered()
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        children = recorder.drain(self._now)
        if children:
            try:
                await asyncio.wait_for(asyncio.gather(*(child.drained() for child in children)), DRAIN_S)
            except TimeoutError:
                log.warning("a transcoder was slow: the last pictures of a recording are missing")
        try:
            recorder.finish(self._now)
        except Exception:
            self._mistake()
        recorder.close()
        try:
            # Playlists are queued when their segments are reported done, hence two rounds.
            for _ in range(2):
                await asyncio.wait_for(self._writer.perform(None, _nothing), PATIENCE_S)
        except TimeoutError:
            self.disk_hangs()
        if self._files is not None:
            self._files = None
            self._writer.submit(None, self._folder.close, _ignore)

    def _drop_part(self) -> None:
        self._gathered = []
        recorder, self._recorder, files, self._files = self._recorder, None, self._files, None
        if recorder is not None:
            recorder.close()
        if files is not None:
            files.broken = True

    def _disk_failed(self, error: Exception) -> None:
        self._drop_part()
        self._retry_at = self._now + RETRY_S
        if self.state == "recording":
            log.warning("a recording is paused: %s", error)
            self._move("disk_failed")
            self.problem = problem_of(error)
            self._changed()

    def _mistake(self) -> None:
        """A bug, or input that nobody thought of: end this part, and go on with a new one."""
        log.exception("the recorder failed; a new part begins")
        self._disk_failed(RuntimeError("the recorder failed"))

    def _retry_failed(self, error: Exception) -> None:
        self._retry_at = self._now + RETRY_S
        problem = problem_of(error)
        if problem != self.problem:
            self.problem = problem
            self._changed()
        self._report_completed(False)

    def _report_completed(self, success: bool) -> None:
        if self._completed is not None and not self._completed.done():
            self._completed.set_result(success)

    def _repair(self) -> None:
        """Try the disk again on the writer's thread; then go on recording, or complete the replay."""
        self._retrying = True
        old, folder, hold = self._folder, self._new_folder(), self._hold
        found: list[Book] = []

        def run() -> None:
            old.close()
            if hold is not None:
                hold.take(self._disk)
            if not self._finishing:
                folder.check_space()
            found.append(recover(self._disk, folder.path, self._options.segment_s))

        def done(error: Exception | None) -> None:
            self._retrying = False
            if self.state == "finished":
                return
            if error is not None:
                self._retry_failed(error)
                return
            self._folder, self.book = folder, found[0]
            if self._finishing:
                self._complete()
            elif self.state == "paused":
                self._move("disk_recovered")
                self.problem = ""
                self._begin_part(self._now)
                self._changed()

        self._writer.submit(None, run, done)

    def _complete(self) -> None:
        """Write the ends of all playlists, and the summary that marks a recording as finished."""
        self._retrying = True
        book, folder = self.book, self._folder
        texts = [
            (track.playlist, playlist(track, self._options.segment_s, ended=True)) for track in book.tracks.values()
        ]
        summary = manifest_to_json(book.manifest("finished"))
        record: Record = {"event": "finished"}

        def run() -> None:
            folder.open()
            folder.enter(line(record))
            folder.sync()
            for name, text in texts:
                folder.write_file(name, text)
            folder.write_file(SUMMARY, summary)
            folder.close()

        def done(error: Exception | None) -> None:
            self._retrying = False
            if self.state == "finished":
                return
            if error is not None:
                self._retry_failed(error)
                return
            book.apply(record)
            self._move("finish")
            self.problem = ""
            self._changed()
            self._report_completed(True)

        self._writer.submit(None, run, done)


def _nothing() -> None:
    """A job that only marks a place in the queue."""


def _ignore(error: Exception | None) -> None:
    """Closing tells nothing new."""
