"""The lesson itself: who is here, who may speak, and from waiting over live to ended.

Pure: validated messages and `now` go in, effects come out, and a refusal (`PeerError`) leaves everything as it was.
Knows no socket, packet, database or token; a participant is whoever the caller says it is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec.structs import replace

from liveclass.errors import PeerError
from liveclass.lesson import links, names
from liveclass.lesson.effects import (
    CloseMedia,
    Effect,
    LessonEnded,
    LessonStarted,
    MediaDirection,
    MediaReason,
    Send,
    SetMuted,
    SetSending,
)
from liveclass.lesson.links import Audience
from liveclass.lesson.members import (
    EVERYTHING,
    NOTHING_RECEIVED,
    NOTHING_SENT,
    LessonSnapshot,
    Member,
    MemberSnapshot,
)
from liveclass.lesson.messages import (
    Call,
    Devices,
    EndCall,
    EndLesson,
    Hello,
    JumpNow,
    JumpToLive,
    Layer,
    LessonChanged,
    LessonInfo,
    LessonMessage,
    LessonOrder,
    LessonState,
    LinkState,
    MediaClosed,
    Mute,
    Participant,
    ParticipantChanged,
    ParticipantLeft,
    Ping,
    Pong,
    RecordingChanged,
    RecordingInfo,
    Rename,
    Report,
    Role,
    SetDevices,
    SourceKind,
    StartLesson,
    Watch,
)

LessonEvent = Literal["start", "end"]

TRANSITIONS: dict[tuple[LessonState, LessonEvent], LessonState] = {
    ("waiting", "start"): "live",
    ("live", "start"): "live",
    ("waiting", "end"): "ended",
    ("live", "end"): "ended",
    ("ended", "end"): "ended",
}
"""Two volunteers may press the same button, so starting a live lesson and ending an ended one change nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one lesson.

    Attributes:
        call_grace_s: a called classroom without page and media for this long loses the call.
        lead_grace_s: a lead teacher gone this long hands the lead to the next who publishes.
        abandoned_after_s: a live lesson without any teacher for this long ends by itself, or it would record for ever.
    """

    max_participants: int = 500
    max_teachers: int = 2
    max_called: int = 3
    call_grace_s: float = 600.0
    lead_grace_s: float = 60.0
    abandoned_after_s: float = 7200.0


def not_called(status: int) -> PeerError:
    """The refusal of what only a called classroom may do."""
    return PeerError("This classroom has not been called on.", status=status, code="not_called")


class Lesson:
    """One lesson.

    Args:
        info: as the catalogue has it.
        now: the caller's monotonic clock in seconds; every `now` below is of the same clock.
        snapshot: what an earlier process remembered; its members come back offline.

    Attributes:
        revision: grows with whatever a snapshot holds.
        calls_revision: grows with who is called and muted. That must not be forgotten: children who were on the air
            would be cut off, or a classroom that was silenced be heard.
    """

    def __init__(self, info: LessonInfo, limits: Limits, now: float, *, snapshot: LessonSnapshot | None = None) -> None:
        self.info = info
        self.limits = limits
        self.recording = RecordingInfo()
        self.revision = 0
        self.calls_revision = 0
        self.revoked_ms: dict[str, int] = {}
        self._members: dict[str, Member] = {}
        self._teacherless_since: float | None = now
        if snapshot is not None:
            self._restore(snapshot, now)

    # What others may read

    @property
    def state(self) -> LessonState:
        return self.info.state

    @property
    def lead(self) -> str:
        """The teacher who leads; empty while nobody has taught."""
        return self.info.lead

    def member(self, who: str) -> Member | None:
        return self._members.get(who)

    def members(self) -> Iterable[Member]:
        return self._members.values()

    def participants(self, viewer: Role) -> list[Participant]:
        """Everyone, in the order of coming, as that role may see them."""
        return [member.view(viewer) for member in self._members.values()]

    def snapshot(self) -> LessonSnapshot:
        kept = [
            MemberSnapshot(m.id, m.role, m.name, anonymous=m.anonymous, called=m.called, muted=m.muted)
            for m in self._members.values()
            if m.role == "teacher" or not m.anonymous
        ]
        return LessonSnapshot(lead=self.lead, members=kept, revoked_ms=dict(self.revoked_ms))

    def deadline(self) -> float | None:
        """When `tick` has something to do next; None: never, as things are."""
        due = [m.report_due for m in self._members.values() if m.report_due is not None]
        due += [
            m.absent_since + self.limits.call_grace_s
            for m in self._members.values()
            if m.called and m.absent_since is not None
        ]
        if self.state == "live" and self._teacherless_since is not None:
            due.append(self._teacherless_since + self.limits.abandoned_after_s)
        return min(due, default=None)

    # Coming and going

    def join(self, who: str, role: Role, name: str, now: float, *, address: str = "") -> list[Effect]:
        """The page of `who` is connected, for the first time or again with role, mute and call state kept.

        Raises:
            PeerError: 503 `lesson_full` when there is no place and nobody offline to give theirs up.
        """
        member = self._members.get(who)
        effects: list[Effect] = []
        wanted = names.clean(name)
        if member is None:
            effects += self._make_room()
            member = Member(who, role, self._name_for(wanted, role, role), address=address)
            self._members[who] = member
        else:
            member.address = address
            if wanted:
                member.name = names.distinct(wanted, self._names(but=who))
        self._set_online(member, True, now)
        # Whether this is the page of before or one loaded anew cannot be known, and a new one that got nothing because
        # of what the old one wished would stay silent for good: so a page says its wishes after each hello.
        effects += links.watch(member, EVERYTHING)
        return effects + self._tell(member, but=who)

    def leave(self, who: str, now: float) -> list[Effect]:
        """The page of `who` has lost its socket; its media may still flow."""
        member = self._members.get(who)
        if member is None or not member.online:
            return []
        self._set_online(member, False, now)
        member.receiving = NOTHING_RECEIVED
        member.report_due = None
        if not member.publishing:
            member.forget_devices()
        return self._tell(member)

    def candidate(self, who: str, role: Role, *, anonymous: bool = False, player: bool = False) -> Member:
        """Whoever asks for media: the member of that id, or the one that `seat` would add. Changes nothing.

        Args:
            anonymous: has no page, only the link's token.
            player: is named as a program that watches rather than after its role.

        Raises:
            PeerError: 503 `lesson_full`.
        """
        member = self._members.get(who)
        if member is not None:
            return member
        self._place_to_give()
        name = self._name_for("", role, "player" if player else role)
        return Member(who, role, name, anonymous=anonymous, online=False)

    def seat(self, member: Member, now: float, *, address: str = "") -> list[Effect]:
        """The candidate's media was accepted, so it takes part: one without a page until its last session is closed,
        one whose page's socket is not open (yet, or any more) as offline.

        Raises:
            PeerError: 503 `lesson_full`.
        """
        known = member.id in self._members
        if known and not member.anonymous:
            return []
        effects: list[Effect] = [] if known else self._make_room()
        self._members[member.id] = member
        if member.anonymous:
            member.address = address
        self._set_online(member, member.anonymous, now)
        return effects + self._tell(member)

    # What pages ask for

    def handle(self, who: str, message: LessonOrder, now: float, wall_ms: int) -> list[Effect]:
        """One message of a page that has joined.

        Raises:
            PeerError: it asks for what it may not have; nothing has changed.
        """
        me = self._required(who)
        if isinstance(message, (StartLesson, EndLesson, Call, Mute, JumpToLive)) and me.role != "teacher":
            raise PeerError("Only a teacher can do this.", status=403, code="teachers_only")
        match message:
            case Ping():
                return [Send((who,), Pong(message.n, wall_ms))]
            case Report():
                return links.reported(me, message.receiving, now, self._audience())
            case Watch():
                return [] if self.state == "ended" else links.watch(me, message)
            case JumpToLive():
                return self._jump(message.participant)
            case SetDevices():
                return self._set_devices(me, message.devices)
            case Rename():
                return self._rename(me, message.name)
            case StartLesson():
                return self.start(wall_ms)
            case EndLesson():
                return self.end(wall_ms)
            case Call():
                return self._call(message.participant)
            case EndCall():
                if me.role != "teacher" and message.participant != who:
                    raise PeerError("Only a teacher can do this.", status=403, code="teachers_only")
                return self._end_call(self._required(message.participant))
            case Mute():
                return self._mute(message.participant, message.muted)
            case Hello():
                raise PeerError("This page has already said hello.", code="hello_again")

    def start(self, wall_ms: int) -> list[Effect]:
        """The lesson goes live. Raises PeerError 409 `lesson_ended` when it is over."""
        if self._transition("start") == self.state:
            return []
        self.info = replace(self.info, state="live", started_at_ms=wall_ms)
        self.revision += 1
        return [LessonStarted(wall_ms), Send(self._online(), LessonChanged(self.info))]

    def end(self, wall_ms: int) -> list[Effect]:
        """The lesson is over: calls end, those offline leave. Ending it again changes nothing."""
        if self._transition("end") == self.state:
            return []
        self.info = replace(self.info, state="ended")
        self.revision += 1
        effects: list[Effect] = [Send(self._online(), LessonChanged(self.info)), LessonEnded(wall_ms)]
        for member in list(self._members.values()):
            if not member.online:
                effects += self._remove(member)
                continue
            for_teachers = links.forget(member)
            if member.called or member.devices != NOTHING_SENT:
                member.called = member.muted = False
                member.forget_devices()
                effects += self._tell(member)
            elif for_teachers and (teachers := self._online("teacher")):
                effects.append(Send(teachers, ParticipantChanged(member.view("teacher"))))
        return effects

    def set_recording(self, recording: RecordingInfo) -> list[Effect]:
        """What the recorder says now; everyone is told when it differs."""
        if recording == self.recording:
            return []
        self.recording = recording
        return [Send(self._online(), RecordingChanged(recording))]

    # Media

    def check_publish(self, member: Member, *, starting: bool = False) -> None:
        """May the member publish now?

        Args:
            starting: the publishing itself starts the lesson, as for a program with the teacher's link.

        Raises:
            PeerError: 409 `lesson_ended` or `lesson_waiting`; 403 `not_called` or `too_many_teachers`.
        """
        self.check_open()
        if member.role == "classroom":
            if not member.called:
                raise not_called(403)
            return
        if self.state == "waiting" and not starting:
            raise PeerError("The lesson has not started yet.", status=409, code="lesson_waiting")
        others = sum(m.role == "teacher" and m.publishing for m in self._members.values() if m.id != member.id)
        if others >= self.limits.max_teachers:
            raise PeerError("As many teachers as may teach are teaching.", status=403, code="too_many_teachers")

    def check_open(self) -> None:
        """Raises PeerError 409 `lesson_ended` when the lesson is over."""
        if self.state == "ended":
            raise PeerError("This lesson is over.", status=409, code="lesson_ended")

    def leads(self, who: str, now: float) -> bool:
        """Is `who` the lead teacher, or would be by publishing now? The first who publishes leads, and keeps the lead
        over short absences, so that the stage does not change hands when a network does."""
        if self.lead in ("", who):
            return True
        lead = self._members.get(self.lead)
        if lead is None:
            return True
        gone = lead.offline_since is not None and now - lead.offline_since >= self.limits.lead_grace_s
        return gone and not lead.publishing

    def media_opened(self, who: str, direction: MediaDirection, session: str, now: float) -> list[Effect]:
        """A session of `who` was accepted; it takes the place of an older one of the same direction."""
        me = self._required(who)
        told: list[Effect] = []
        if direction == "publish" and me.role == "teacher" and self.leads(who, now) and self.lead != who:
            self.info = replace(self.info, lead=who)
            self.revision += 1
            if to := self._online():
                told.append(Send(to, LessonChanged(self.info)))
        me.sessions[direction] = session
        self._presence_changed(me, now)
        if direction == "subscribe":
            return links.watching(me)
        # The relay is told of a participant only while it publishes, so all of it with each session.
        return [SetMuted(who, me.muted), SetSending(who, me.sending), *links.every_layer(me), *told]

    def media_connected(self, who: str, direction: MediaDirection, now: float) -> list[Effect]:
        """Media can flow in the session of that direction."""
        me = self._members.get(who)
        if me is None or direction != "subscribe":
            return []
        return links.link_connected(me, now, self._audience())

    def media_closed(
        self, who: str, direction: MediaDirection, session: str, reason: MediaReason, now: float
    ) -> list[Effect]:
        """A session of `who` is gone. Its page is told unless it asked for that itself."""
        me = self._members.get(who)
        if me is None:
            return []
        effects: list[Effect] = []
        if me.online and not me.anonymous and reason != "deleted":
            effects.append(Send((who,), MediaClosed(session, reason)))
        if me.sessions.get(direction) != session:
            return effects
        del me.sessions[direction]
        self._presence_changed(me, now)
        # A replaced session has its successor at once: the participant has not gone anywhere.
        if reason == "replaced":
            return effects
        if direction == "publish" and (me.anonymous or not me.online) and me.devices != NOTHING_SENT:
            me.forget_devices()
            effects += self._tell(me)
        if direction == "subscribe":
            effects += links.link_lost(me, self.state, now, self._audience())
        if me.anonymous and not me.sessions:
            effects += self._anonymous_gone(me, now)
        return effects

    def link_changed(self, who: str, link: LinkState, now: float) -> list[Effect]:
        """The relay says what the link to `who` carries."""
        me = self._members.get(who)
        if me is None or "subscribe" not in me.sessions or self.state == "ended":
            return []
        return links.link_changed(me, link, now, self._audience())

    def layers_wanted(self, who: str, kind: SourceKind, layers: Sequence[Layer]) -> list[Effect]:
        """The relay says which layers of a source of `who` somebody takes."""
        me = self._members.get(who)
        return [] if me is None or self.state == "ended" else links.layers_wanted(me, kind, layers)

    def beside_welcome(self, who: str) -> list[LessonMessage]:
        """What the page of `who` must know that its `Welcome` does not hold."""
        me = self._members.get(who)
        return [] if me is None else links.beside_welcome(me)

    def sources_changed(self, who: str, kinds: Iterable[SourceKind]) -> list[Effect]:
        """What arrives from `who`. A page says itself what it sends; for those without a page this is the word."""
        me = self._members.get(who)
        if me is None or not me.anonymous:
            return []
        present = set(kinds)
        devices = Devices(microphone="microphone" in present, camera="camera" in present, screen="screen" in present)
        if devices == me.devices:
            return []
        me.devices = devices
        return self._tell(me)

    def publisher_at(self, address: str) -> str | None:
        """The called classroom that a WHIP request with the plain classroom link speaks for: one without a page, or one
        whose page is at the same address, that does not publish yet."""
        called = [m for m in self._members.values() if m.called and m.role == "classroom" and not m.publishing]
        same = [m for m in called if m.address == address]
        pageless = [m for m in called if m.anonymous]
        for candidates in ([m for m in same if m.anonymous], same, pageless):
            if candidates:
                return candidates[0].id
        return None

    # Time

    def tick(self, now: float, wall_ms: int) -> list[Effect]:
        """Does what is due: delayed reports, calls of classrooms that stayed away, the end of an abandoned lesson."""
        effects: list[Effect] = []
        if (
            self.state == "live"
            and self._teacherless_since is not None
            and now >= self._teacherless_since + self.limits.abandoned_after_s
        ):
            return self.end(wall_ms)
        for member in self._members.values():
            if member.report_due is not None and now >= member.report_due:
                effects += links.forward(member, now, self._audience())
            if (
                member.called
                and member.absent_since is not None
                and now >= member.absent_since + self.limits.call_grace_s
            ):
                effects += self._end_call(member)
        return effects

    # Inside

    def _transition(self, event: LessonEvent) -> LessonState:
        target = TRANSITIONS.get((self.state, event))
        if target is None:
            raise PeerError("This lesson is over.", status=409, code="lesson_ended")
        return target

    def _required(self, who: str) -> Member:
        member = self._members.get(who)
        if member is None:
            raise PeerError("There is no such participant in this lesson.", status=404, code="participant_unknown")
        return member

    def _online(self, role: Role | None = None) -> tuple[str, ...]:
        return tuple(m.id for m in self._members.values() if m.online and not m.anonymous and role in (None, m.role))

    def _audience(self) -> Audience:
        return Audience(self._online("teacher"), sum(m.online for m in self._members.values()))

    def _tell(self, member: Member, *, but: str = "") -> list[Effect]:
        """Everyone hears of `member`, the teachers with what it receives; a change worth keeping over a restart."""
        self.revision += 1
        effects: list[Effect] = []
        viewers: tuple[Role, ...] = ("teacher", "classroom")
        for viewer in viewers:
            to = tuple(who for who in self._online(viewer) if who != but)
            if to:
                effects.append(Send(to, ParticipantChanged(member.view(viewer))))
        return effects

    def _names(self, but: str = "") -> list[str]:
        return [m.name for m in self._members.values() if m.id != but]

    def _name_for(self, wanted: str, role: Role, kind: names.DefaultName) -> str:
        if wanted:
            return names.distinct(wanted, self._names())
        return names.chosen(kind, self.info.language, self._names())

    def _place_to_give(self) -> Member | None:
        if len(self._members) < self.limits.max_participants:
            return None
        idle = [m for m in self._members.values() if not (m.online or m.sessions or m.called) and m.id != self.lead]
        if not idle:
            raise PeerError("This lesson is full.", status=503, code="lesson_full")
        return min(idle, key=lambda m: m.offline_since or 0.0)

    def _make_room(self) -> list[Effect]:
        leaving = self._place_to_give()
        return [] if leaving is None else self._remove(leaving)

    def _remove(self, member: Member) -> list[Effect]:
        del self._members[member.id]
        self.revision += 1
        to = self._online()
        return [Send(to, ParticipantLeft(member.id))] if to else []

    def _set_online(self, member: Member, online: bool, now: float) -> None:
        member.online = online
        member.offline_since = None if online else now
        self._presence_changed(member, now)

    def _presence_changed(self, member: Member, now: float) -> None:
        if member.present:
            member.absent_since = None
        elif member.absent_since is None:
            member.absent_since = now
        if any(m.role == "teacher" and m.present for m in self._members.values()):
            self._teacherless_since = None
        elif self._teacherless_since is None:
            self._teacherless_since = now

    def _anonymous_gone(self, member: Member, now: float) -> list[Effect]:
        # The teacher without a page keeps its place: its program reconnects, and the stage must not change hands.
        if member.role == "teacher" and member.id == self.lead and self.state != "ended":
            self._set_online(member, False, now)
            return self._tell(member)
        effects = self._remove(member)
        self._presence_changed(member, now)
        return effects

    def _rename(self, me: Member, name: str) -> list[Effect]:
        wanted = names.clean(name)
        if not wanted:
            raise PeerError("This name has no letters.", status=422, code="name_empty")
        me.name = names.distinct(wanted, self._names(but=me.id))
        return self._tell(me)

    def _set_devices(self, me: Member, devices: Devices) -> list[Effect]:
        if me.said_devices and devices == me.devices:
            return []
        me.devices = devices
        me.said_devices = True
        shown: list[Effect] = [SetSending(me.id, me.sending)] if me.publishing else []
        return [*shown, *self._tell(me)]

    def _call(self, target: str) -> list[Effect]:
        member = self._required(target)
        if self.state != "live":
            raise PeerError("The lesson is not running.", status=409, code="lesson_not_live")
        if member.role != "classroom":
            raise PeerError("Only a classroom can be called on.", status=409, code="not_a_classroom")
        if member.called:
            return []
        if not member.online:
            raise PeerError("This classroom is not here now.", status=409, code="participant_offline")
        if sum(m.called for m in self._members.values()) >= self.limits.max_called:
            raise PeerError("As many classrooms as may speak are called.", status=409, code="too_many_called")
        member.called = True
        member.muted = False
        self.calls_revision += 1
        return self._tell(member)

    def _end_call(self, member: Member) -> list[Effect]:
        if not member.called:
            return []
        member.called = member.muted = False
        self.calls_revision += 1
        member.forget_devices()
        told = self._tell(member)
        return [CloseMedia(member.id, "publish", "call_ended"), *told]

    def _mute(self, target: str, muted: bool) -> list[Effect]:
        member = self._required(target)
        if not member.called:
            raise not_called(409)
        if member.muted == muted:
            return []
        member.muted = muted
        self.calls_revision += 1
        dropped: list[Effect] = [SetMuted(member.id, muted)] if member.publishing else []
        return [*dropped, *self._tell(member)]

    def _jump(self, target: str) -> list[Effect]:
        member = self._required(target)
        if self.state != "live":
            raise PeerError("The lesson is not running.", status=409, code="lesson_not_live")
        if member.role != "classroom" or member.anonymous:
            raise PeerError("Only a classroom can catch up.", status=409, code="not_a_classroom")
        if not member.online:
            raise PeerError("This classroom is not here now.", status=409, code="participant_offline")
        return [Send((target,), JumpNow())]

    def _restore(self, snapshot: LessonSnapshot, now: float) -> None:
        self.info = replace(self.info, lead=snapshot.lead)
        self.revoked_ms = dict(snapshot.revoked_ms)
        if self.state == "ended":
            return
        for kept in snapshot.members[: self.limits.max_participants]:
            self._members[kept.id] = Member(
                kept.id,
                kept.role,
                kept.name,
                anonymous=kept.anonymous,
                online=False,
                offline_since=now,
                absent_since=now,
                called=kept.called and self.state == "live",
                muted=kept.muted and self.state == "live",
            )
