"""One lesson's media: who publishes, who subscribes, which source each slot shows, and which layers anyone takes.

Knows participants and sources. It refuses to know SDP, tokens and why somebody may publish: that was decided above.
"""

from collections.abc import Callable, Sequence

from liveclass.relay.downlink import Downlink
from liveclass.relay.feed import Feed
from liveclass.relay.layers import Layered
from liveclass.relay.ports import Layer, MediaListener, Person, Rung, SlotView
from liveclass.relay.publisher import Publisher
from liveclass.relay.remote import Remote
from liveclass.relay.slot import Slot
from liveclass.relay.slots import Guests, Offering, assign
from liveclass.relay.source import Sink, SourceKind
from liveclass.relay.speakers import SILENCE_DB, Called, Speakers
from liveclass.relay.subscriber import Subscriber
from liveclass.relay.track import Track

REVIEW_S = 0.5
"""How often layers are reviewed: browsers switch them on and off within seconds."""

LISTEN_S = 0.1
"""How often it is decided who of the called classrooms is heard: a first word of 100 ms is lost at most."""

LOOK_S = 0.1
"""How often it is asked whose downlink has rested long enough. To look at 100 that rest in every tick was 3% of the
server's time, nearly all of it waiting for memory that nothing else had touched."""

REST_AFTER_S = 5.0
"""A layer that nobody took for this long may rest; it is woken at once."""

REST_ALL_AFTER_S = 10.0
"""A classroom's picture of which nobody took any layer for this long rests altogether: longer than a teacher's page
takes to come back, or its link to find out that it holds one more picture."""

FIRST_BPS, START_SHARE, START_MAX_BPS = 120_000, 0.7, 1_500_000
"""What a link is believed to carry before anything is known of it, and how much of what it carried in a session
before."""

FEC_FROM, FEC_MOST = 0.03, 0.1
"""Loss from which a receiver without RED has the publisher asked for in-band FEC, and the most that is told: encoders
then repeat all they can, while browsers without transport-wide feedback send less from a tenth on."""


MAX_SPEAKING = 3
"""Called classrooms that a classroom hears at once, where nothing else is set."""

ASK_AFTER_S = 0.4
"""A number that was not answered for this long is followed by another, where nothing else would carry one."""


class Room:
    """The sources and subscribers of a lesson.

    Args:
        max_speaking: called classrooms that other classrooms hear at once.

    Attributes:
        sinks: take every packet of every track; shared with the tracks.
        feeds: other nodes that are sent all of it, by their ids.
        remote: the lesson's publishers, where another node sends them; this node has none of its own then.
    """

    def __init__(self, lesson: str, listener: MediaListener, *, max_speaking: int = MAX_SPEAKING) -> None:
        self.lesson = lesson
        self.sinks: list[Sink] = []
        self.publishers: dict[str, tuple[Person, Publisher]] = {}
        self.subscribers: dict[str, Subscriber] = {}
        self.feeds: dict[str, Feed] = {}
        self.remote: Remote | None = None
        self._listener = listener
        self._max_speaking = max_speaking
        self._speakers = Speakers()
        self._listened_at = 0.0
        self._sources: dict[str, tuple[Person, Layered]] = {}
        self._watching: dict[str, tuple[bool, Rung]] = {}
        self._estimates: dict[str, int] = {}
        self._unwanted: dict[tuple[str, Layer], float] = {}
        self._reviewed_at = 0.0
        self._awake: list[Downlink] = []
        self._looked_at = -1e9
        self._sending: dict[str, frozenset[SourceKind]] = {}
        self._muted: set[str] = set()
        self._told: dict[str, tuple[SlotView, ...]] = {}

    @property
    def empty(self) -> bool:
        """Nobody publishes, subscribes or records."""
        return not (self.publishers or self.audience or self.sinks or self.remote)

    @property
    def audience(self) -> int:
        """Subscribers, other nodes among them."""
        return len(self.subscribers) + len(self.feeds)

    def add_source(self, person: Person, source: Layered, now: float) -> None:
        """A publisher's microphone, camera or screen began."""
        self._sources[source.info.id] = (person, source)
        source.mute(source.info.kind == "microphone" and person.participant in self._muted)
        for sink in self.sinks:
            source.announce(sink, now)
        self._tell_sources(person.participant)
        self.arrange(now)

    def layer_added(self, source: Layered, now: float) -> None:
        """A layer of a source began: those who show it may want it at once."""
        for subscriber in (*self.subscribers.values(), *self.feeds.values()):
            if any(slot.source is source for slot in subscriber.slots):
                subscriber.arranged(now)

    def remove_source(self, source: Layered, now: float) -> None:
        """A publisher's microphone, camera or screen ended."""
        found = self._sources.pop(source.info.id, None)
        if found is None:
            return
        self.arrange(now)
        for sink in self.sinks:
            source.withdraw(sink, now)
        for key in [key for key in self._unwanted if key[0] == source.info.id]:
            del self._unwanted[key]
        self._tell_sources(found[0].participant)

    def add_sink(self, sink: Sink, now: float) -> None:
        """From now on this sink takes every packet."""
        if sink in self.sinks:
            return
        self.sinks.append(sink)
        for _, source in self._sources.values():
            source.announce(sink, now)

    def remove_sink(self, sink: Sink, now: float) -> None:
        """The sink takes nothing more."""
        if sink in self.sinks:
            self.sinks.remove(sink)
            for _, source in self._sources.values():
                source.withdraw(sink, now)

    def set_muted(self, participant: str, muted: bool) -> None:
        """Drop a participant's microphone at the relay, or let it through again."""
        if muted:
            self._muted.add(participant)
        else:
            self._muted.discard(participant)
        for person, source in self._sources.values():
            if person.participant == participant and source.info.kind == "microphone":
                source.mute(muted)

    def set_sending(self, participant: str, kinds: Sequence[SourceKind] | None, now: float) -> None:
        """What a page says it sends: its other kinds leave the slots at once."""
        if kinds is None:
            self._sending.pop(participant, None)
        else:
            self._sending[participant] = frozenset(kinds)
        self._tell_sources(participant)
        self.arrange(now)

    def set_watching(self, participant: str, now: float, *, live: bool, ceiling: Rung) -> None:
        """What a page wants of the live media, in this session and in later ones."""
        if live and ceiling == "full":
            self._watching.pop(participant, None)
        else:
            self._watching[participant] = (live, ceiling)
        subscriber = self.subscribers.get(participant)
        if subscriber is not None:
            self.apply_watching(subscriber, now)

    def apply_watching(self, subscriber: Subscriber, now: float) -> None:
        """Tell a subscriber what its page wants."""
        subscriber.watch(*self._watching.get(subscriber.participant, (True, "full")), now)

    def start_bps(self, participant: str) -> int:
        """What a new session of that participant is believed to carry."""
        present = self.subscribers.get(participant)
        if present is not None:
            self.remember(present)
        known = self._estimates.get(participant)
        return FIRST_BPS if known is None else max(100_000, min(START_MAX_BPS, int(known * START_SHARE)))

    def remember(self, subscriber: Subscriber) -> None:
        """A subscriber goes: what its link carried is where its next session starts."""
        if subscriber.downlink is not None and subscriber.downlink.controller.acked_bps:
            self._estimates[subscriber.participant] = subscriber.downlink.controller.target_bps

    def _shown(self, person: Person, source: Layered) -> bool:
        sending = self._sending.get(person.participant)
        # A muted microphone keeps its slot: nothing is to change but the sound.
        return sending is None or source.info.kind == "microphone" or source.info.kind in sending

    def _tell_sources(self, participant: str) -> None:
        if self.remote is not None:
            return  # the lesson's owner tells of its people
        kinds = [s.info.kind for p, s in self._sources.values() if p.participant == participant and self._shown(p, s)]
        self._listener.sources_changed(self.lesson, participant, kinds)

    def _listen(self, now: float) -> bool:
        """Take note of how loud the called classrooms are; True when that changes who is heard or seen first."""
        if self.remote is not None:
            return False
        called: dict[str, Called] = {}
        for person, source in self._sources.values():
            # Only called classrooms publish, and they come in the order in which they were called.
            if person.role != "classroom" or not self._shown(person, source):
                continue
            known = called.get(person.participant, Called(person.participant, SILENCE_DB, camera=False))
            if source.info.kind != "microphone":
                called[person.participant] = Called(person.participant, known.level, camera=True)
            else:
                level = SILENCE_DB if source.muted else source.loudness.level(now)
                called[person.participant] = Called(person.participant, level, known.camera)
        return self._speakers.update(list(called.values()), now)

    @property
    def _called(self) -> Guests:
        """The called classrooms, first those to be heard and seen first: as the lesson's owner decided, if that is
        another node."""
        return self.remote.guests if self.remote is not None else Guests(self._speakers.order, self._speakers.pictures)

    def _guests(self, subscriber: Subscriber) -> Guests:
        """The called classrooms that a subscriber hears and sees: a volunteer as many as its page has room for, a
        classroom the first few, and of these one picture."""
        heard, seen = self._called.heard, self._called.seen
        if subscriber.teaches:
            return Guests(heard, seen)
        return Guests(heard[: self._max_speaking], [room for room in seen if room != subscriber.participant][:1])

    def arrange(self, now: float, only: Subscriber | None = None) -> None:
        """Fill the slots of every subscriber (or of one) from the live sources, and tell whose slots changed."""
        self._looked_at = -1e9
        if self._listen(now):
            only = None
        sources = {source_id: source for source_id, (_, source) in self._sources.items()}
        offerings = [
            Offering(source.info.id, person.participant, person.role, source.info.kind, person.lead)
            for person, source in self._sources.values()
            if self._shown(person, source)
        ]
        for subscriber in [only] if only else list(self.subscribers.values()):
            audio, video = assign(
                offerings,
                subscriber.participant,
                _contents(subscriber.audio),
                _contents(subscriber.video),
                self._guests(subscriber),
            )
            for slot, source in zip(subscriber.slots, [*audio, *video], strict=True):
                slot.show(sources[source] if source else None, now)
            subscriber.arranged(now)
            self._tell_slots(subscriber)
        if only is None:
            for feed in self.feeds.values():
                self.offer(feed, now)
        self._wake(now)

    def offer(self, feed: Feed, now: float) -> None:
        """Tell another node what there is."""
        shown = [(person, source) for person, source in self._sources.values() if self._shown(person, source)]
        feed.offer(shown, self._called, self.remote.hops if self.remote is not None else 0, now)

    def _wake(self, now: float) -> None:
        """Whoever has come to see a picture that rests is not to wait for the next review."""
        for person, source in self._sources.values():
            if source.resting and source.info.kind != "microphone":
                self._rest(person, source, now)

    def tick(self, now: float) -> None:
        """To be called every 20 ms."""
        if now - self._looked_at >= LOOK_S:
            self._looked_at = now
            self._look(now)
        for downlink in self._awake:
            if now >= downlink.idle_until:
                downlink.tick(now)
        for feed in self.feeds.values():
            feed.tick(now)
        if now - self._listened_at >= LISTEN_S:
            self._listened_at = now
            if self._listen(now):
                self.arrange(now)
        if now - self._reviewed_at >= REVIEW_S:
            self._reviewed_at = now
            self._review(now)

    def _look(self, now: float) -> None:
        self._awake.clear()
        for subscriber in self.subscribers.values():
            downlink = subscriber.downlink
            if downlink is not None:
                downlink.roused = self._awake
                if now >= downlink.idle_until:
                    self._awake.append(downlink)

    def _review(self, now: float) -> None:
        for _, source in self._sources.values():
            source.review(now)
        for subscriber in self.subscribers.values():
            if subscriber.downlink is None:
                subscriber.arranged(now)
            else:
                _keep_asking(subscriber, subscriber.downlink, now)
        for feed in self.feeds.values():
            feed.arranged(now)
        for person, source in self._sources.values():
            self._rest(person, source, now)
            if source.info.kind == "microphone":
                self._ask_for_fec(source)

    def _rest(self, person: Person, source: Layered, now: float) -> None:
        """Tell the publisher which layers of a source somebody takes."""
        taken = self._taken(source)
        after = REST_AFTER_S if taken else REST_ALL_AFTER_S
        wanted: list[Layer] = []
        for layer in source.offered:
            key = (source.info.id, layer)
            if layer in taken:
                self._unwanted.pop(key, None)
            elif layer in source.resting or now - self._unwanted.setdefault(key, now) >= after:
                continue
            wanted.append(layer)
        resting = frozenset(source.offered) - frozenset(wanted)
        if resting != source.resting:
            source.resting = resting
            if self.remote is not None:
                return  # which tells the node above by itself
            self._listener.layers_wanted(self.lesson, person.participant, source.info.kind, wanted)

    def _taken(self, source: Layered) -> set[Layer]:
        taken: set[Layer] = set()
        if source.info.kind == "microphone":
            taken.add("full")
        elif source.info.role == "teacher":
            # The lowest picture of the lesson never rests: it is what everyone can fall back to at once. A classroom's
            # uplink is thin, and its sound comes first: it sends a picture only to somebody.
            taken.add(source.offered[0])
        if any(sink.takes(source.info) for sink in self.sinks):
            taken.add(source.offered[-1])
        for subscriber in self.subscribers.values():
            for slot in subscriber.slots:
                if slot.source is source:
                    taken.update(t.layer for t in (slot.track, slot.awaited) if t is not None)
                    if subscriber.downlink is None and slot.track is not None:
                        taken.add(source.offered[-1])
                    elif slot.wish is not None:
                        taken.add(slot.wish)
        for feed in self.feeds.values():
            taken |= feed.takes(source)
        return taken

    def _ask_for_fec(self, source: Layered) -> None:
        """Receivers that take no RED are helped by the encoder's own redundancy, which it adds when it hears of
        loss. Where sound carries no transport-wide numbers, the receiver's reports tell what is lost of it."""
        losses = [
            subscriber.downlink.controller.loss
            if subscriber.downlink is not None and slot.carrier.number_id
            else subscriber.fraction_lost
            for subscriber in self.subscribers.values()
            for slot in subscriber.audio
            if slot.source is source and slot.track is not None and not slot.red_type
        ]
        losses += [feed.loss_of(source) for feed in self.feeds.values()]
        worst = max(losses, default=0.0)
        for track in source.tracks:
            track.asked_loss = min(worst, FEC_MOST) if worst >= FEC_FROM else 0.0

    def _tell_slots(self, subscriber: Subscriber) -> None:
        if subscriber.session is None:
            return
        views = tuple(_view(slot) for slot in subscriber.slots)
        if self._told.get(subscriber.session.id) != views:
            self._told[subscriber.session.id] = views
            self._listener.slots_changed(self.lesson, subscriber.participant, subscriber.session.id, views)

    def forget_session(self, session: str) -> None:
        """Nothing more will be told about this session."""
        self._told.pop(session, None)

    def each_track(self, act: Callable[[Track], None]) -> None:
        """Do something with every live track."""
        for _, source in list(self._sources.values()):
            for track in source.tracks:
                act(track)


def _keep_asking(subscriber: Subscriber, downlink: Downlink, now: float) -> None:
    """Where sound carries no transport-wide numbers and no picture is sent, nothing tells that a link which was cut is
    back, nor that only the last number was lost: a packet of padding asks."""
    if not downlink.live or any(slot.carrier.number_id for slot in subscriber.audio):
        return
    runs = downlink.log.runs
    if runs and now - runs[-1][1] >= ASK_AFTER_S:
        next((sent for slot in subscriber.video if (sent := slot.pad(1, now))), 0)


def _contents(slots: Sequence[Slot]) -> list[str | None]:
    return [slot.source.info.id if slot.source is not None else None for slot in slots]


def _view(slot: Slot) -> SlotView:
    info = slot.source.info if slot.source is not None else None
    return SlotView(slot.mid, info.participant if info else "", info.kind if info else "")
