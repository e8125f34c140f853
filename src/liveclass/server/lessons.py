"""The registry of lessons that this process holds: applies their effects to sockets, media, recording and catalogue.

Decides nothing about a lesson (that is `lesson.state`) and speaks no protocol; it is where the pure lesson meets the
world, so every method that a socket, a request or the media plane calls returns at once or awaits only the catalogue.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast, get_args

import structlog

from liveclass import tasks
from liveclass.archive.service import Archive
from liveclass.config import Settings
from liveclass.errors import PeerError, UsageError
from liveclass.lesson import orders
from liveclass.lesson.effects import (
    CloseMedia,
    Effect,
    LessonEnded,
    LessonStarted,
    Send,
    SetMuted,
    SetSending,
    SetWatching,
)
from liveclass.lesson.events import LessonBegan, LessonOver, PartBegan
from liveclass.lesson.members import Member
from liveclass.lesson.messages import (
    ErrorMessage,
    LessonOrder,
    LessonState,
    LinkState,
    Ping,
    RecordingInfo,
    Role,
    Slot,
    SlotsChanged,
    StartLesson,
)
from liveclass.lesson.protocol import ClientMessage, ServerMessage
from liveclass.lesson.state import Lesson, Limits
from liveclass.relay.ports import CloseReason, Direction, Layer, LinkView, MediaPlane, Person, SlotView
from liveclass.relay.source import SourceKind
from liveclass.server.belongings import Belongings
from liveclass.server.boards import Boards
from liveclass.server.connection import POLICY, REPLACED, RESTARTING, Connection
from liveclass.server.deletions import Deletions
from liveclass.server.held import Held, Page, SessionRecord, as_ms, encode, info_of
from liveclass.server.keeper import Keeper
from liveclass.server.logbook import Logbook
from liveclass.server.ports import CataloguePort, LessonRow, LinkRole, MaterialsPort, RecordingsPort, RecordingStatus
from liveclass.server.snapshots import Snapshots
from liveclass.server.tenancy import Alone, Tenancy, check_mine, check_writes
from liveclass.server.welcome import UNTOLD, IceServers, Welcomes

log = structlog.get_logger(__name__)

HOUSEKEEPING_S = 0.25
"""How often deadlines of lessons are looked at: they are in seconds and minutes."""

SNAPSHOT_DELAY_S = 1.0
"""Changes within this time share one write: what a crash can lose of names and of who is here. Calls and mutes are
written at once."""

IDLE_S = 60.0
"""How long a lesson that nobody uses stays in memory; whoever has just asked for it may still be on the way in."""

BOARD_MESSAGES = (*get_args(orders.BoardOrder), *get_args(orders.Passing))
"""What is about the blackboard, not about floor and media."""


class Lessons:
    """Implements `relay.ports.MediaListener`.

    Order of wiring: make `Lessons`, make the media plane with it as listener and the recordings with
    `lessons.recording_changed` as `on_change`, then `attach` both, then `await start()`.

    Args:
        snapshot_dir: folder of its own for what lessons remember over a restart.
        timeline_dir: folder of its own for the lessons' timelines.
        signing_key: at least 32 secret bytes, the same after a restart.
        monotonic: seconds, never going back.
        wall: seconds since 1970.
        ice_servers: the TURN servers that a participant's page may use.
        tenancy: on a node of a fleet, which lessons it may act for.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        catalogue: CataloguePort,
        snapshot_dir: Path,
        timeline_dir: Path,
        signing_key: bytes,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
        ice_servers: IceServers = lambda _who: (),
        tenancy: Tenancy | None = None,
    ) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._tenancy = tenancy or Alone()
        self._snapshots = Snapshots(snapshot_dir, self._tenancy.writes)
        self._keeper = Keeper(self._snapshots, monotonic, self._tenancy)
        self._logbook = Logbook(timeline_dir, self._tenancy.writes)
        self.boards = Boards(settings, self._logbook, monotonic, wall)
        self._welcomes = Welcomes(settings, signing_key, wall, ice_servers, self.boards.texts)
        self.ice_servers = ice_servers
        self._monotonic = monotonic
        self._wall = wall
        self._limits = Limits(
            max_participants=settings.max_participants,
            max_teachers=settings.max_teachers,
            max_called=settings.max_called,
            call_grace_s=settings.call_grace_s,
            abandoned_after_s=settings.abandoned_after_s,
        )
        self._held: dict[str, Held] = {}
        self._loading = asyncio.Lock()
        self._media: MediaPlane | None = None
        self._belongings: Belongings | None = None
        self._untold: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._sessions: dict[str, SessionRecord] = {}
        self.draining = False
        self._closed = False
        self.observe_join: Callable[[float], None] = lambda _seconds: None

    # Wiring and life

    def attach(
        self,
        media: MediaPlane,
        recordings: RecordingsPort,
        materials: MaterialsPort | None = None,
        archive: Archive | None = None,
        deletions: Deletions | None = None,
    ) -> None:
        """Give the parts that need this object for their own making; without `materials` lessons have none."""
        self._media = media
        self._belongings = Belongings(
            self._snapshots, self._keeper, self._logbook, recordings, materials, archive, deletions
        )

    @property
    def media(self) -> MediaPlane:
        if self._media is None:
            raise UsageError("Lessons.attach was not called")
        return self._media

    @property
    def recordings(self) -> RecordingsPort:
        return self.belongings.recordings

    @property
    def belongings(self) -> Belongings:
        if self._belongings is None:
            raise UsageError("Lessons.attach was not called")
        return self._belongings

    async def start(self) -> None:
        """Restore the lessons that were live; their recordings go on as a next part. On a node of a fleet each waits
        until it is this node's: `adopt`."""
        self._loop = asyncio.get_running_loop()
        self._logbook.start()
        self._spawn(self._housekeeping())
        self._spawn(self._keeper.run())
        for row in await self._catalogue.live_lessons() if self._tenancy.alone else ():
            try:
                held = await self._load(row)
            except Exception:
                # One lesson that cannot be read keeps no other from going on.
                log.exception("lesson_not_restored", lesson=row.id)
                continue
            self._begin_recording(held)

    def drain(self) -> None:
        """No new lesson starts from now on; /readyz answers 503."""
        self.draining = True

    @property
    def live_count(self) -> int:
        """Lessons that are live now: the app may wait for 0 while it drains."""
        return sum(held.lesson.state == "live" for held in self._held.values())

    @property
    def page_count(self) -> int:
        """Open signalling sockets that have said hello."""
        return sum(len(held.pages) for held in self._held.values())

    async def close(self) -> None:
        """Close all sockets (1012), write snapshots; twice is as once. Lessons stay live in the catalogue."""
        self.draining = True
        if self._closed:
            return
        self._closed = True
        for held in self._held.values():
            for page in held.pages.values():
                page.connection.close(RESTARTING, "restarting")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.flush(), 5.0)
        await tasks.end(self._tasks)
        await asyncio.gather(*(self._keeper.save(held) for held in list(self._held.values())))
        for held in self._held.values():
            self.boards.note(held, held.attendance.everyone_leaves())
        await self._logbook.close()

    async def flush(self) -> None:
        """Wait until the catalogue has what was decided so far."""
        await self._keeper.flush()

    # Finding

    async def get(self, lesson_id: str) -> Held:
        """The lesson, from memory or from the catalogue.

        Raises:
            PeerError: 404 `lesson_unknown`.
        """
        held = self._held.get(lesson_id)
        if held is not None:
            held.used_at = self._monotonic()
            return held
        check_mine(self._tenancy, lesson_id)
        async with self._loading:
            held = self._held.get(lesson_id)
            if held is not None:
                return held
            row = await self._catalogue.lesson(lesson_id)
            if row is None:
                raise PeerError("There is no such lesson.", status=404, code="lesson_unknown")
            return await self._load(row)

    def loaded(self, lesson_id: str) -> Held | None:
        """The lesson if it is in memory."""
        return self._held.get(lesson_id)

    def all(self) -> list[Held]:
        return list(self._held.values())

    async def revoked_ms(self, lesson_id: str, role: LinkRole) -> int:
        """The moment (ms since 1970) up to which the role's signed tokens are void; 0: none are."""
        return (await self.get(lesson_id)).lesson.revoked_ms.get(role, 0)

    async def _load(self, row: LessonRow) -> Held:
        snapshot = await asyncio.to_thread(self._snapshots.read, row.id)
        timeline = await asyncio.to_thread(self.boards.load, row.id)
        lesson = Lesson(info_of(row), self._limits, self._monotonic(), snapshot=snapshot)
        held = Held(lesson, self._monotonic(), timeline, self.boards.gallery(), ended_at_ms=as_ms(row.ended_at))
        lesson.set_recording(self._recording_info(self.recordings.status(row.id)))
        self._held[row.id] = held
        self.boards.wake(held)
        await self._tell_materials(held)
        return held

    # Changing hands

    async def adopt(self, lesson_id: str, fence: int) -> None:
        """The lesson is this node's from now on: it goes on as it was left, its recording as a next part.

        Args:
            fence: grows with each change of owner.

        Raises:
            PeerError: 404 `lesson_unknown`, 503 `moving`.
            OSError: the disk refuses.
        """
        row = await self._catalogue.lesson(lesson_id)
        if row is None:
            raise PeerError("There is no such lesson.", status=404, code="lesson_unknown")
        await self.belongings.take_over(lesson_id, fence)
        async with self._loading:
            held = await self._load(row)
        if row.state == "live":
            self._begin_recording(held)
        elif row.state == "ended" and lesson_id in self.recordings.unfinished():
            self._spawn(self._finish_recording(lesson_id))

    async def settle(self, lesson_id: str) -> None:
        """Write all that another node needs to go on with the lesson; what is decided from now on may be lost."""
        held = self._held.get(lesson_id)
        if held is not None:
            self.boards.look(held)
            self.boards.note(held, held.attendance.everyone_leaves())
            try:
                await self.belongings.put_down(held)
            except BaseException:
                # It stays here, so its recording goes on.
                if held.sink is not None:
                    self.recordings.begin(held.id, self._monotonic(), self.boards.now_ms() / 1000)
                raise

    def dropped(self, lesson_id: str) -> None:
        """Another node has the lesson, or may have: pages are sent there, and nothing of it is written any more."""
        held = self._held.pop(lesson_id, None)
        if held is not None:
            held.lost = True
            pages, held.pages = held.pages, {}
            for page in pages.values():
                page.connection.close(RESTARTING, "moving")
            if held.sink is not None:
                self.media.remove_sink(held.id, held.sink)
                held.sink = None
            self.media.close_lesson(held.id, "shutdown")
        self.belongings.let_go(lesson_id)

    # Materials

    def materials_changed(self, lesson_id: str, _what: object) -> None:
        """A material of this lesson has changed or is gone: the board is told soon, and loaded for it if need be."""
        if not self._closed and lesson_id not in self._untold:
            self._untold.add(lesson_id)
            self._spawn(self._tell_changes(lesson_id))

    async def _tell_changes(self, lesson_id: str) -> None:
        try:
            held = await self.get(lesson_id)
            self._untold.discard(lesson_id)
            await self._tell_materials(held)
        except PeerError:
            # The lesson was deleted meanwhile.
            pass
        finally:
            self._untold.discard(lesson_id)

    async def _tell_materials(self, held: Held) -> None:
        """Bring the board up to what the store has: a crash may have come between the two."""
        if self.belongings.materials is not None and not held.deleted:
            self.boards.materials(held, await self.belongings.materials.list(held.id))

    # Pages

    def connect(
        self,
        held: Held,
        who: str,
        role: Role,
        name: str,
        address: str,
        make: Callable[[Callable[[], Sequence[str]]], Connection],
    ) -> Page:
        """A page has said hello; an older socket of the same participant is closed as replaced.

        Args:
            make: makes the connection, given what makes the `Welcome` of the moment and what follows it.

        Raises:
            PeerError: 503 `lesson_full`, 404 `lesson_unknown` when it was deleted meanwhile.
        """
        if held.deleted:
            raise PeerError("There is no such lesson.", status=404, code="lesson_unknown")
        check_writes(self._tenancy, held.id)
        now = self._monotonic()
        effects = held.lesson.join(who, role, name, now, address=address)
        page = Page(make(lambda: self._welcomes.texts(held, who)), now)
        older = held.pages.pop(who, None)
        if older is not None:
            older.connection.close(REPLACED, "replaced")
        held.pages[who] = page
        held.gallery.joined_anew(who)
        self.apply(held, effects)
        return page

    def disconnect(self, held: Held, who: str, page: Page) -> None:
        """The page's socket is gone; nothing happens when another has taken its place."""
        if held.pages.get(who) is page:
            del held.pages[who]
            self.apply(held, held.lesson.leave(who, self._monotonic()))

    def handle(self, held: Held, who: str, message: ClientMessage) -> None:
        """A page says something. Raises PeerError when it asks for what it may not have."""
        if not isinstance(message, Ping):
            check_writes(self._tenancy, held.id)
        if isinstance(message, BOARD_MESSAGES):
            self.boards.handle(held, who, cast("orders.BoardOrder | orders.Passing", message))
            return
        if isinstance(message, StartLesson):
            self.check_may_start(held)
        # Pages set their clocks by the answer to a ping, so it tells the time line's.
        wall_ms = self.boards.now_ms() if isinstance(message, Ping) else self._wall_ms()
        self.apply(held, held.lesson.handle(who, cast(LessonOrder, message), self._monotonic(), wall_ms))

    # Doing what a lesson wants

    def check_may_start(self, held: Held) -> None:
        """Raises PeerError 503 `draining` or `too_many_lessons` unless one more lesson may go live."""
        if held.lesson.state != "waiting":
            return
        if self.draining:
            raise PeerError("The server is about to restart; try again in a minute.", status=503, code="draining")
        if self.live_count >= self._settings.max_lessons_live:
            raise PeerError("Too many lessons are live on this server.", status=503, code="too_many_lessons")

    def start_lesson(self, held: Held) -> None:
        """The lesson goes live. Raises PeerError as `check_may_start` and `Lesson.start`."""
        self.check_may_start(held)
        self.apply(held, held.lesson.start(self._wall_ms()))

    async def end_lesson(self, held: Held) -> None:
        """The lesson is over, and the catalogue knows it."""
        self.apply(held, held.lesson.end(self._wall_ms()))
        await self.flush()

    async def delete_lesson(self, lesson_id: str) -> None:
        """The lesson, its links and every byte of its recording and materials are removed. Raises PeerError 404."""
        held = await self.get(lesson_id)
        held.deleted = True
        self.apply(held, held.lesson.end(self._wall_ms()))
        self._dismiss(held, None, ErrorMessage("lesson_unknown", "This lesson was deleted.", fatal=True))
        await self.flush()
        await self.belongings.delete(held)
        # Last: while the catalogue knows the lesson, a deletion that was broken off can be asked for again.
        await self._catalogue.delete_lesson(lesson_id)
        self._held.pop(lesson_id, None)
        self._tenancy.idle(lesson_id)

    async def withdraw(self, held: Held, role: LinkRole) -> None:
        """The role's link has been revoked or rotated: whoever came by it leaves, and its signed tokens are void."""
        # Later than the withdrawal before it, even within one tick of the clock: links are remembered by this number.
        held.lesson.revoked_ms[role] = max(self._wall_ms(), held.lesson.revoked_ms.get(role, 0) + 1)
        held.lesson.revision += 1
        if role != "replay":
            for member in list(held.lesson.members()):
                if member.role == role:
                    for direction in tuple(member.sessions):
                        self.media.close_participant(held.id, member.id, direction, "deleted")
            self._dismiss(held, role, ErrorMessage("token_revoked", "This link has been withdrawn.", fatal=True))
        await self._keeper.save(held)

    def _dismiss(self, held: Held, role: Role | None, message: ErrorMessage) -> None:
        for who, page in list(held.pages.items()):
            member = held.lesson.member(who)
            if role is None or (member is not None and member.role == role):
                page.connection.send_after_welcome(encode(message))
                page.connection.close(POLICY, message.code)

    def apply(self, held: Held, effects: Sequence[Effect]) -> None:
        """Do what the lesson wants, in its order."""
        for effect in effects:
            match effect:
                case Send(to, message):
                    self._send(held, to, message)
                case CloseMedia(who, direction, reason):
                    self.media.close_participant(held.id, who, direction, reason)
                case SetMuted(who, muted):
                    self.media.set_muted(held.id, who, muted)
                case SetSending(who, kinds):
                    self.media.set_sending(held.id, who, kinds)
                case SetWatching(who, live, ceiling):
                    self.media.set_watching(held.id, who, live=live, ceiling=ceiling)
                case LessonStarted(at_ms):
                    self._store_state(held, "live", at_ms)
                    self.boards.note(held, [LessonBegan()])
                    self._begin_recording(held)
                    log.info("lesson_started", lesson=held.id)
                case LessonEnded(at_ms):
                    self._ended(held, at_ms)
        if held.lesson.revision != held.saved_revision and held.changed_at is None:
            held.changed_at = self._monotonic()
        if held.lesson.calls_revision != held.saved_calls and not held.saving_calls:
            held.saving_calls = True
            self._spawn(self._keeper.save_calls(held))

    def _send(self, held: Held, to: Sequence[str], message: ServerMessage) -> None:
        text: str | None = None
        for who in to:
            page = held.pages.get(who)
            if page is None:
                continue
            text = text or encode(message)
            if isinstance(message, UNTOLD):
                page.connection.send_after_welcome(text)
            else:
                page.connection.send(text)

    def _ended(self, held: Held, at_ms: int) -> None:
        held.ended_at_ms = at_ms
        self._store_state(held, "ended", at_ms)
        self.boards.look(held)
        self.boards.note(held, [LessonOver()])
        if held.sink is not None:
            self.media.remove_sink(held.id, held.sink)
            held.sink = None
        self.media.close_lesson(held.id, "lesson_ended")
        held.slots.clear()
        if not held.deleted:
            self._spawn(self._finish_recording(held.id))
        log.info("lesson_ended", lesson=held.id)

    def _begin_recording(self, held: Held) -> None:
        if not self._settings.record:
            return
        try:
            held.sink = self.recordings.begin(held.id, self._monotonic(), self.boards.now_ms() / 1000)
            self.boards.note(held, [PartBegan(len(self.recordings.manifest(held.id).parts) + 1)])
        except Exception:
            # The lesson goes on without a recording rather than not at all, and says so.
            log.exception("recording_did_not_begin", lesson=held.id)
            problem = self._recording_info(RecordingStatus("stopped", problem="disk_error"))
            self.apply(held, held.lesson.set_recording(problem))
            return
        self.media.add_sink(held.id, held.sink)
        self.recording_changed(held.id, self.recordings.status(held.id))

    async def _finish_recording(self, lesson_id: str) -> None:
        try:
            await self.recordings.finish(lesson_id)
        except Exception:
            log.exception("recording_did_not_finish", lesson=lesson_id)
            return
        self.recording_changed(lesson_id, self.recordings.status(lesson_id))
        held = self._held.get(lesson_id)
        if held is not None and self._welcomes.replay_url(held, "classroom"):
            for who, page in held.pages.items():
                member = held.lesson.member(who)
                if member is not None and member.role == "classroom":
                    page.connection.welcome()

    def _recording_info(self, status: RecordingStatus) -> RecordingInfo:
        record = self._settings.record
        return RecordingInfo(status.state, record and self._settings.record_classrooms, status.problem, record)

    def recording_changed(self, lesson_id: str, status: RecordingStatus) -> None:
        """The recorder says how a recording is; may be called from any thread."""
        if self._loop is not None and not _runs_here(self._loop):
            self._loop.call_soon_threadsafe(self.recording_changed, lesson_id, status)
            return
        held = self._held.get(lesson_id)
        if held is None:
            # A finished recording grows once more, when its light rendition is made: perhaps long after the lesson.
            if status.state == "finished":
                self._put_recording(lesson_id, status)
            return
        if held.deleted:
            return
        before = held.lesson.recording.state
        self.apply(held, held.lesson.set_recording(self._recording_info(status)))
        if status.state != before or status.state == "finished":
            self._put_recording(lesson_id, status)

    def _put_recording(self, lesson_id: str, status: RecordingStatus) -> None:
        self._keeper.put(
            lesson_id,
            lambda: self._catalogue.put_recording(
                lesson_id,
                state=status.state,
                duration_s=status.duration_s,
                bytes_=status.bytes,
                problem=status.problem,
            ),
        )

    # Media sessions

    @property
    def session_count(self) -> int:
        """Media sessions open now."""
        return len(self._sessions)

    def session(self, session: str) -> SessionRecord | None:
        return self._sessions.get(session)

    def person(self, held: Held, member: Member) -> Person:
        """The participant as the relay needs to know it."""
        lead = member.role == "teacher" and held.lesson.leads(member.id, self._monotonic())
        return Person(member.id, member.role, member.name, lead)

    def media_accepted(
        self, held: Held, member: Member, direction: Direction, session: str, record: SessionRecord, address: str
    ) -> None:
        """A WHIP or WHEP session was answered.

        Raises:
            PeerError: 503 `lesson_full`.
        """
        check_writes(self._tenancy, held.id)
        now = self._monotonic()
        self.apply(held, held.lesson.seat(member, now, address=address))
        self._sessions[session] = record
        self.apply(held, held.lesson.media_opened(member.id, direction, session, now))

    def slots_changed(self, lesson: str, participant: str, session: str, slots: Sequence[SlotView]) -> None:
        """A subscriber's transceivers carry something else: its page is told, now and when it comes back."""
        held = self._held.get(lesson)
        if held is None:
            return
        told = SlotsChanged(session, [Slot(s.mid, s.participant, s.kind) for s in slots])
        held.slots[participant] = told
        self._send(held, (participant,), told)

    def sources_changed(self, lesson: str, participant: str, kinds: Sequence[SourceKind]) -> None:
        """What arrives from a publisher."""
        held = self._held.get(lesson)
        if held is not None:
            self.apply(held, held.lesson.sources_changed(participant, kinds))

    def media_connected(self, lesson: str, participant: str, session: str, direction: Direction) -> None:
        """Media can flow."""
        held = self._held.get(lesson)
        if held is not None:
            self.apply(held, held.lesson.media_connected(participant, direction, self._monotonic()))

    def link_changed(self, lesson: str, participant: str, link: LinkView) -> None:
        """What a subscriber's link carries."""
        held = self._held.get(lesson)
        if held is not None:
            kbps = None if link.bps is None else round(link.bps / 1000)
            loss_percent = None if link.loss is None else round(link.loss * 100, 1)
            state = LinkState(link.rung, kbps, loss_percent)
            self.apply(held, held.lesson.link_changed(participant, state, self._monotonic()))

    def layers_wanted(self, lesson: str, participant: str, kind: SourceKind, layers: Sequence[Layer]) -> None:
        """Which layers of a publisher's source somebody takes."""
        held = self._held.get(lesson)
        if held is not None:
            self.apply(held, held.lesson.layers_wanted(participant, kind, layers))

    def joined(self, seconds: float) -> None:
        """The media plane says how long a subscriber waited, from its offer to media that can flow."""
        self.observe_join(seconds)

    def media_closed(
        self, lesson: str, participant: str, session: str, direction: Direction, reason: CloseReason
    ) -> None:
        """A session is gone, whoever ended it."""
        self._sessions.pop(session, None)
        held = self._held.get(lesson)
        if held is None:
            return
        slots = held.slots.get(participant)
        if slots is not None and slots.session == session:
            del held.slots[participant]
        self.apply(held, held.lesson.media_closed(participant, direction, session, reason, self._monotonic()))

    # Keeping

    def _store_state(self, held: Held, state: LessonState, at_ms: int) -> None:
        at, lesson_id = datetime.fromtimestamp(at_ms / 1000, UTC), held.id
        self._keeper.put(lesson_id, lambda: self._catalogue.set_state(lesson_id, state, at))

    async def _housekeeping(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            try:
                await self.housekeep()
            except Exception:
                log.exception("housekeeping_failed")

    async def housekeep(self) -> None:
        """Do what is due now in every lesson; forget lessons that nobody uses."""
        now = self._monotonic()
        for held in list(self._held.values()):
            if not self._tenancy.writes(held.id):
                # Deadlines that passed while this process was paused are the next owner's, if there is one.
                continue
            deadline = held.lesson.deadline()
            if deadline is not None and deadline <= now:
                self.apply(held, held.lesson.tick(now, self._wall_ms()))
            self.boards.look(held)
            for page in held.pages.values():
                if now - page.welcomed_at >= self._welcomes.fresh_s:
                    page.welcomed_at = now
                    page.connection.welcome()
            if held.changed_at is not None and now - held.changed_at >= SNAPSHOT_DELAY_S:
                await self._keeper.save(held)
            if self._in_use(held):
                held.used_at = now
            elif now - held.used_at >= IDLE_S and (held.changed_at is None or held.deleted):
                self._held.pop(held.id, None)
                self._tenancy.idle(held.id)

    def _in_use(self, held: Held) -> bool:
        return bool(held.pages) or held.lesson.state == "live" or any(m.sessions for m in held.lesson.members())

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _wall_ms(self) -> int:
        return int(self._wall() * 1000)


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
