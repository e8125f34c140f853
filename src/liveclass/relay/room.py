"""One lesson's media: who publishes, who subscribes, and which source each slot shows.

Knows participants and tracks. It refuses to know SDP, tokens and why somebody may publish: that was decided above.
"""

from collections.abc import Callable, Sequence

from liveclass.relay.ports import MediaListener, Person, SlotView
from liveclass.relay.publisher import Publisher
from liveclass.relay.slot import Slot
from liveclass.relay.slots import Offering, assign
from liveclass.relay.source import Sink, SourceKind
from liveclass.relay.subscriber import Subscriber
from liveclass.relay.track import Track


class Room:
    """The sources and subscribers of a lesson.

    Attributes:
        sinks: take every packet of every track; shared with the tracks.
    """

    def __init__(self, lesson: str, listener: MediaListener) -> None:
        self.lesson = lesson
        self.sinks: list[Sink] = []
        self.publishers: dict[str, tuple[Person, Publisher]] = {}
        self.subscribers: dict[str, Subscriber] = {}
        self._listener = listener
        self._tracks: dict[str, tuple[Person, Track]] = {}
        self._sending: dict[str, frozenset[SourceKind]] = {}
        self._muted: set[str] = set()
        self._told: dict[str, tuple[SlotView, ...]] = {}

    @property
    def empty(self) -> bool:
        """Nobody publishes, subscribes or records."""
        return not (self.publishers or self.subscribers or self.sinks)

    def add_track(self, person: Person, track: Track, now: float) -> None:
        """A publisher's stream began."""
        self._tracks[track.info.id] = (person, track)
        track.muted = track.info.kind == "microphone" and person.participant in self._muted
        for sink in self.sinks:
            sink.source_added(track, now)
        self._tell_sources(person.participant)
        self.arrange(now)

    def remove_track(self, track: Track, now: float) -> None:
        """A publisher's stream ended."""
        found = self._tracks.pop(track.info.id, None)
        if found is None:
            return
        self.arrange(now)
        for sink in self.sinks:
            sink.source_removed(track, now)
        self._tell_sources(found[0].participant)

    def add_sink(self, sink: Sink, now: float) -> None:
        """From now on this sink takes every packet."""
        if sink in self.sinks:
            return
        self.sinks.append(sink)
        for _, track in self._tracks.values():
            sink.source_added(track, now)

    def remove_sink(self, sink: Sink, now: float) -> None:
        """The sink takes nothing more."""
        if sink in self.sinks:
            self.sinks.remove(sink)
            for _, track in self._tracks.values():
                sink.source_removed(track, now)

    def set_muted(self, participant: str, muted: bool) -> None:
        """Drop a participant's microphone at the relay, or let it through again."""
        if muted:
            self._muted.add(participant)
        else:
            self._muted.discard(participant)
        for person, track in self._tracks.values():
            if person.participant == participant and track.info.kind == "microphone":
                track.muted = muted

    def set_sending(self, participant: str, kinds: Sequence[SourceKind] | None, now: float) -> None:
        """What a page says it sends: its other kinds leave the slots at once."""
        if kinds is None:
            self._sending.pop(participant, None)
        else:
            self._sending[participant] = frozenset(kinds)
        self._tell_sources(participant)
        self.arrange(now)

    def _shown(self, person: Person, track: Track) -> bool:
        sending = self._sending.get(person.participant)
        # A muted microphone keeps its slot: nothing is to change but the sound.
        return sending is None or track.info.kind == "microphone" or track.info.kind in sending

    def _tell_sources(self, participant: str) -> None:
        kinds = [t.info.kind for p, t in self._tracks.values() if p.participant == participant and self._shown(p, t)]
        self._listener.sources_changed(self.lesson, participant, kinds)

    def arrange(self, now: float, only: Subscriber | None = None) -> None:
        """Fill the slots of every subscriber (or of one) from the live sources, and tell whose slots changed."""
        tracks = {track_id: track for track_id, (_, track) in self._tracks.items()}
        offerings = [
            Offering(track.info.id, person.participant, person.role, track.info.kind, person.lead)
            for person, track in self._tracks.values()
            if self._shown(person, track)
        ]
        for subscriber in [only] if only else list(self.subscribers.values()):
            audio, video = assign(
                offerings, subscriber.participant, _contents(subscriber.audio), _contents(subscriber.video)
            )
            for slot, source in zip(subscriber.slots, [*audio, *video], strict=True):
                slot.show(tracks[source] if source else None, now)
            self._tell_slots(subscriber)

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
        for _, track in list(self._tracks.values()):
            act(track)


def _contents(slots: Sequence[Slot]) -> list[str | None]:
    return [slot.track.info.id if slot.track is not None else None for slot in slots]


def _view(slot: Slot) -> SlotView:
    info = slot.track.info if slot.track is not None else None
    return SlotView(slot.mid, info.participant if info else "", info.kind if info else "")
