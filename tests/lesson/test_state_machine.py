"""Any order of whatever participants may do keeps the lesson's promises (hypothesis, stateful)."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from liveclass.errors import PeerError
from liveclass.lesson.effects import Effect, LessonEnded, LessonStarted, Send, SetWatching
from liveclass.lesson.links import AT_FIRST
from liveclass.lesson.messages import (
    Call,
    Devices,
    EndCall,
    EndLesson,
    JumpToLive,
    Layer,
    LayersWanted,
    LessonInfo,
    LessonOrder,
    LinkChanged,
    LinkState,
    Mute,
    Participant,
    ParticipantChanged,
    ParticipantLeft,
    Receiving,
    Rename,
    Report,
    Role,
    Rung,
    SetDevices,
    SourceKind,
    StartLesson,
    Watch,
)
from liveclass.lesson.state import Lesson, Limits

LIMITS = Limits(max_participants=6, max_teachers=1, max_called=2)
PEOPLE: dict[str, Role] = {"t1": "teacher", "t2": "teacher", **{f"c{n}": "classroom" for n in range(5)}}

people = st.sampled_from(sorted(PEOPLE))
devices = st.builds(Devices, microphone=st.booleans(), camera=st.booleans(), screen=st.booleans())
receiving = st.builds(Receiving, sound=st.sampled_from(["good", "weak", "none", "off"]))
rungs: st.SearchStrategy[Rung] = st.sampled_from(["full", "sound", "thin", "reconnecting"])
links = st.builds(LinkState, st.one_of(st.just(""), rungs), st.sampled_from([None, 80, 900]))
kinds: st.SearchStrategy[SourceKind] = st.sampled_from(["microphone", "camera"])
layer_sets: st.SearchStrategy[list[Layer]] = st.sampled_from([[], ["low"], ["low", "high"], ["full", "thin"]])
classrooms = st.sampled_from(["c0", "c1"])
floor: st.SearchStrategy[LessonOrder] = st.one_of(
    st.builds(Call, classrooms), st.builds(EndCall, classrooms), st.builds(Mute, classrooms, st.booleans())
)
messages: st.SearchStrategy[LessonOrder] = st.one_of(
    st.builds(Call, people),
    st.builds(EndCall, people),
    st.builds(Mute, people, st.booleans()),
    st.builds(Rename, st.text(min_size=1, max_size=12)),
    st.builds(SetDevices, devices),
    st.builds(Report, receiving),
    st.builds(Watch, st.booleans(), rungs),
    st.builds(JumpToLive, people),
)


class LessonMachine(RuleBasedStateMachine):
    """Beside the lesson: what each page would show of others, of its link and of the layers wanted of it, and what the
    relay would have been told to send, all built from messages and effects alone."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.lesson = Lesson(LessonInfo("L", "t", "waiting", "en"), LIMITS, self.now)
        self.screens: dict[str, dict[str, Participant]] = {}
        self.own_rungs: dict[str, str] = {}
        self.layers: dict[str, dict[SourceKind, list[Layer]]] = {}
        self.watching: dict[str, Watch] = {}
        self.started = self.ended = 0
        self.session = 0

    def apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            self.started += isinstance(effect, LessonStarted)
            self.ended += isinstance(effect, LessonEnded)
            if isinstance(effect, SetWatching):
                self.watching[effect.participant] = Watch(effect.live, effect.ceiling)
            if not isinstance(effect, Send):
                continue
            for reader in effect.to:
                screen = self.screens.get(reader)
                assert screen is not None, "a message for a page that is not connected"
                if isinstance(effect.message, ParticipantChanged):
                    screen[effect.message.participant.id] = effect.message.participant
                elif isinstance(effect.message, ParticipantLeft):
                    screen.pop(effect.message.id, None)
                elif isinstance(effect.message, LinkChanged):
                    self.own_rungs[reader] = effect.message.link.rung
                elif isinstance(effect.message, LayersWanted):
                    self.layers[reader][effect.message.kind] = effect.message.layers

    @initialize(live=st.booleans())
    def begin(self, live: bool) -> None:
        """Most rules say something only in a lesson with people in it."""
        for who in ("t1", "c0", "c1"):
            self.join(who, "")
        if live:
            self._say("t1", StartLesson())

    @rule(who=people, name=st.sampled_from(["", "Room", "room", "3-2"]))
    def join(self, who: str, name: str) -> None:
        before = {member.id for member in self.lesson.members()}
        self.screens.setdefault(who, {})
        self.own_rungs[who], self.layers[who] = "", {}
        try:
            effects = self.lesson.join(who, PEOPLE[who], name, self.now)
        except PeerError:
            assert len(before) == LIMITS.max_participants
            assert {member.id for member in self.lesson.members()} == before
            assert who not in before
            del self.screens[who]
            return
        self.apply(effects)
        self.screens[who] = {p.id: p for p in self.lesson.participants(PEOPLE[who])}
        self.apply([Send((who,), message) for message in self.lesson.beside_welcome(who)])

    @precondition(lambda self: self.screens)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from(sorted(self.screens)))
        del self.screens[who]
        self.apply(self.lesson.leave(who, self.now))

    @precondition(lambda self: self.screens)
    @rule(data=st.data(), message=messages)
    def say(self, data: st.DataObject, message: LessonOrder) -> None:
        self._say(data.draw(st.sampled_from(sorted(self.screens))), message)

    @precondition(lambda self: "t1" in self.screens)
    @rule(message=floor)
    def lead_the_talk(self, message: LessonOrder) -> None:
        self._say("t1", message)

    @precondition(lambda self: "t1" in self.screens)
    @rule()
    def start(self) -> None:
        self._say("t1", StartLesson())

    @precondition(lambda self: "t1" in self.screens and self.started)
    @rule(sure=st.integers(0, 4))
    def end(self, sure: int) -> None:
        if sure == 0:
            self._say("t1", EndLesson())

    def _say(self, who: str, message: LessonOrder) -> None:
        before = (self.lesson.participants("teacher"), self.lesson.info)
        try:
            effects = self.lesson.handle(who, message, self.now, int(self.now))
        except PeerError:
            assert (self.lesson.participants("teacher"), self.lesson.info) == before
            return
        self.apply(effects)

    @precondition(lambda self: self.screens)
    @rule(data=st.data())
    def publish(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from(sorted(self.screens)))
        member = self.lesson.member(who)
        assert member is not None
        try:
            self.lesson.check_publish(member)
        except PeerError:
            return
        self.session += 1
        self.apply(self.lesson.media_opened(who, "publish", f"s{self.session}", self.now))

    @rule(who=people)
    def lose_media(self, who: str) -> None:
        member = self.lesson.member(who)
        if member is not None and member.publishing:
            self.apply(self.lesson.media_closed(who, "publish", member.sessions["publish"], "timeout", self.now))

    @rule(who=people)
    def subscribe(self, who: str) -> None:
        if self.lesson.member(who) is not None and self.lesson.state != "ended":
            self.session += 1
            self.apply(self.lesson.media_opened(who, "subscribe", f"s{self.session}", self.now))

    @rule(who=people)
    def lose_reception(self, who: str) -> None:
        member = self.lesson.member(who)
        if member is not None and "subscribe" in member.sessions:
            session = member.sessions["subscribe"]
            self.apply(self.lesson.media_closed(who, "subscribe", session, "timeout", self.now))

    @rule(who=people, link=links, connected=st.booleans())
    def measure(self, who: str, link: LinkState, connected: bool) -> None:
        """The relay may say anything of anyone, also of those who have gone."""
        if connected:
            self.apply(self.lesson.media_connected(who, "subscribe", self.now))
        self.apply(self.lesson.link_changed(who, link, self.now))

    @rule(who=people, kind=kinds, layers=layer_sets)
    def want_layers(self, who: str, kind: SourceKind, layers: list[Layer]) -> None:
        self.apply(self.lesson.layers_wanted(who, kind, layers))

    @rule(seconds=st.sampled_from([0.1, 1.0, 30.0, 650.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.apply(self.lesson.tick(self.now, int(self.now)))
        deadline = self.lesson.deadline()
        assert deadline is None or deadline > self.now

    @rule(sure=st.integers(0, 4))
    def restart(self, sure: int) -> None:
        """The server is started again: all pages are gone, all media too, the rest stays."""
        if sure:
            return
        kept = [(p.id, p.role, p.name, p.called, p.muted) for p in self.lesson.participants("teacher")]
        info, snapshot = self.lesson.info, self.lesson.snapshot()
        self.lesson = Lesson(info, LIMITS, self.now, snapshot=snapshot)
        self.screens.clear()
        self.watching.clear()
        if info.state != "ended":
            assert [(p.id, p.role, p.name, p.called, p.muted) for p in self.lesson.participants("teacher")] == kept

    @invariant()
    def bounds_hold(self) -> None:
        members = list(self.lesson.members())
        assert len(members) <= LIMITS.max_participants
        assert sum(m.called for m in members) <= LIMITS.max_called
        assert sum(m.role == "teacher" and m.publishing for m in members) <= LIMITS.max_teachers
        assert len({m.name.casefold() for m in members}) == len(members)
        assert all(not m.called or (m.role == "classroom" and self.lesson.state == "live") for m in members)
        assert all(m.called or not m.muted for m in members)
        assert all(m.online == (m.id in self.screens) for m in members)
        assert self.started <= 1
        assert self.ended <= 1

    @invariant()
    def every_page_shows_what_is_so(self) -> None:
        for who, screen in self.screens.items():
            role = PEOPLE[who]
            shown = {p.id: _without_receiving(p) for p in screen.values()}
            assert shown == {p.id: _without_receiving(p) for p in self.lesson.participants(role)}, who
            if role == "classroom":
                assert all(p.receiving == Receiving() and p.link == LinkState() for p in screen.values())

    @invariant()
    def rungs_are_known_at_once_to_teachers_and_to_the_room_itself(self) -> None:
        for member in self.lesson.members():
            for who, screen in self.screens.items():
                if PEOPLE[who] == "teacher":
                    assert screen[member.id].link.rung == member.link.rung, (who, member.id)
            if member.id in self.screens and member.role == "classroom" and self.lesson.state != "ended":
                assert self.own_rungs[member.id] == member.link.rung
            if member.link.rung not in ("", "reconnecting"):
                assert "subscribe" in member.sessions

    @invariant()
    def wishes_and_layers_are_as_they_were_last_said(self) -> None:
        if self.lesson.state == "ended":
            assert all(m.watching == Watch() and not m.layers for m in self.lesson.members())
            return
        for member in self.lesson.members():
            if "subscribe" in member.sessions:
                assert self.watching.get(member.id, Watch()) == member.watching
            if member.id in self.screens:
                said = {kind: list(wanted) for kind, wanted in member.layers.items()}
                for kind in AT_FIRST:  # a new session begins with these, whether it is said or not
                    first = list(AT_FIRST[kind])
                    assert self.layers[member.id].get(kind, first) == said.get(kind, first)


def _without_receiving(participant: Participant) -> tuple[object, ...]:
    """Reports come late on purpose."""
    p = participant
    return (p.id, p.role, p.name, p.online, p.called, p.muted, p.devices)


TestLesson = LessonMachine.TestCase
TestLesson.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
