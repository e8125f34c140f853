"""Another node as a subscriber: it is sent every source of a lesson once, each layer as a stream of its own, as they
come from their publishers.

There is no ladder: the other node adapts to each of its own subscribers, for which it needs all layers. It is no
classroom: nobody is told of it, and who is heard is not chosen for it but told to it. A layer that nobody takes there
is not sent, and rests at its publisher if nobody here takes it either.
"""

import secrets
from collections.abc import Callable, Sequence

from liveclass.errors import PeerError
from liveclass.relay import cast as told
from liveclass.relay.carrier import Carrier
from liveclass.relay.layers import Layered
from liveclass.relay.ports import Layer, Person, Rung
from liveclass.relay.slot import Slot
from liveclass.relay.slots import Guests
from liveclass.relay.subscriber import Subscriber
from liveclass.rtp import rtcp as control
from liveclass.rtp.congestion import Controller
from liveclass.transport.endpoint import Endpoint
from liveclass.transport.sdp import OfferedCodec
from liveclass.transport.session import Reason

MAX_GUESTS = 8
"""Called classrooms whose sound and picture are sent: as many as a volunteer's page has room for."""

REPEAT_S = 0.2
"""Until a cast that was not answered is told again."""

MAX_BPS = 200_000_000
"""No link between nodes is believed to carry more."""

Key = tuple[str, Layer]


class Feed(Subscriber):
    """A session towards another node.

    Args:
        node: its id.
        codecs: what it takes, with its payload types.
        controller: follows what the link between the nodes carries and loses; None without transport-wide feedback.

    Attributes:
        wanted: SSRCs that the other node wants now.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        node: str,
        carrier: Carrier,
        codecs: Sequence[OfferedCodec],
        controller: Controller | None,
        *,
        on_connected: Callable[[Subscriber, float], None],
        on_closed: Callable[[Subscriber, Reason, float], None],
    ) -> None:
        self._sounds: list[Slot] = []
        self._pictures: list[Slot] = []
        super().__init__(
            endpoint,
            node,
            carrier,
            self._sounds,
            self._pictures,
            None,
            on_connected=on_connected,
            on_closed=on_closed,
        )
        self.controller = controller
        self.wanted: frozenset[int] = frozenset()
        self._codecs = codecs
        self._ssrc = carrier.new_ssrc()
        self._by_key: dict[Key, Slot] = {}
        self._losses: dict[int, float] = {}
        self._cast: told.Cast | None = None
        self._version = secrets.randbits(15)
        self._packets: list[bytes] = []
        self._answered = True
        self._told_at = -1e9
        self._serial: int | None = None

    def connected(self, now: float) -> None:
        """Keys are there: the other node is told what there is."""
        super().connected(now)
        self._tell(now)

    def rtcp(self, datagram: bytes, now: float) -> None:
        """Feedback and wishes of the other node."""
        wanted = self.wanted
        super().rtcp(datagram, now)
        if self.wanted != wanted:
            self.arranged(now)

    def offer(self, sources: Sequence[tuple[Person, Layered]], guests: Guests, hops: int, now: float) -> None:
        """What the lesson has now, all of it.

        Args:
            guests: the called classrooms in the order in which they are to be heard and seen.
            hops: nodes that the packets have passed until here.
        """
        heard, seen = list(guests.heard[:MAX_GUESTS]), list(guests.seen[:MAX_GUESTS])
        entries: list[told.CastSource] = []
        kept: dict[Key, Slot] = {}
        for person, source in sources:
            shown = heard if source.info.kind == "microphone" else seen
            if person.role == "classroom" and person.participant not in shown:
                continue
            entry = self._entry(person, source, kept, now) if len(kept) < told.MAX_STREAMS - 8 else None
            if entry is not None and len(entries) < told.MAX_SOURCES:
                entries.append(entry)
        for key, slot in list(self._by_key.items()):
            if key not in kept:
                self._end(key, slot, now)
        cast = told.Cast(min(hops, 255), heard, seen, entries)
        if cast != self._cast:
            self._cast = cast
            self._version += 1
            self._packets = told.build_cast(self._ssrc, self._version, cast)
            self._answered = False
            self._tell(now)
        self.arranged(now)

    def _entry(self, person: Person, source: Layered, kept: dict[Key, Slot], now: float) -> told.CastSource | None:
        info = source.info
        streams: list[told.Stream] = []
        slot: Slot | None = None
        for layer in source.offered:
            key = (info.id, layer)
            slot = self._by_key.get(key) or self._begin(key, source, now)
            if slot is None:
                return None
            kept[key] = slot
            streams.append(told.Stream(layer, slot.ssrc, slot.rtx_ssrc))
        if slot is None:
            return None
        return told.CastSource(
            info.id,
            info.participant,
            info.role,
            info.name[:200],
            person.lead,
            info.kind,
            info.codec.name,
            info.codec.parameters,
            slot.payload_type,
            slot.rtx_payload_type or 0,
            source.droppable,
            streams,
        )

    def _begin(self, key: Key, source: Layered, now: float) -> Slot | None:
        kind = source.info.codec.kind
        slot = Slot("", kind, [codec for codec in self._codecs if codec.codec.kind == kind], self._carrier)
        if not slot.show(source, now):
            return None
        slot.send_report = self._send
        slot.each_report = True
        self._by_key[key] = slot
        self._by_ssrc[slot.ssrc] = slot
        (self._sounds if kind == "audio" else self._pictures).append(slot)
        return slot

    def _end(self, key: Key, slot: Slot, now: float) -> None:
        slot.show(None, now)
        slot.send_report = None
        del self._by_key[key], self._by_ssrc[slot.ssrc]
        self._losses.pop(slot.ssrc, None)
        (self._sounds if slot.kind == "audio" else self._pictures).remove(slot)
        sender = self.session.sender if self.session is not None else None
        if sender is not None:
            # Their numbers are never used again, and a day of lessons has many.
            sender.remove_stream(slot.ssrc)
            sender.remove_stream(slot.rtx_ssrc)

    def arranged(self, now: float) -> None:
        """Send what is wanted: not before the other node has said so, and thereby knows what it will be."""
        for (_, layer), slot in self._by_key.items():
            source = slot.source
            track = source.track(layer) if source is not None and slot.ssrc in self.wanted else None
            slot.choose(track, now)

    def watch(self, live: bool, ceiling: Rung, now: float) -> None:
        """Nodes watch nothing."""

    def takes(self, source: Layered) -> set[Layer]:
        """The layers of a source that the other node wants."""
        return {
            layer
            for layer in source.offered
            if (slot := self._by_key.get((source.info.id, layer))) is not None and slot.ssrc in self.wanted
        }

    def loss_of(self, source: Layered) -> float:
        """What receivers behind the other node lose of a source, as it said: for the encoder's own redundancy."""
        slots = [self._by_key.get((source.info.id, layer)) for layer in source.offered]
        return max((self._losses.get(slot.ssrc, 0.0) for slot in slots if slot is not None), default=0.0)

    def tick(self, now: float) -> None:
        """To be called every 20 ms."""
        if self.controller is not None:
            self.controller.tick(now)
        if not self._answered and now - self._told_at >= REPEAT_S:
            self._tell(now)

    def _tell(self, now: float) -> None:
        self._told_at = now
        for packet in self._packets:
            self._send(packet)

    def _hear(self, packet: control.RtcpPacket, now: float) -> None:
        if isinstance(packet, control.Application):
            if packet.name == told.NAME and packet.subtype == told.WISH:
                self._wish(packet.data)
        elif isinstance(packet, control.TransportFeedbackBody):
            if self.controller is not None:
                self.controller.feedback(packet.body, now)
        elif isinstance(packet, control.ReferenceTime):
            raise PeerError("A node does not ask for reference times.")
        else:
            super()._hear(packet, now)
            if isinstance(packet, control.ReceiverReport):
                self._losses.update({b.ssrc: b.fraction_lost / 256 for b in packet.reports if b.ssrc in self._by_ssrc})

    def _wish(self, data: bytes) -> None:
        version, serial, ssrcs = told.read_wish(data)
        if self._serial is not None and (serial - self._serial) & 0xFFFF >= 0x8000:
            return
        self._serial = serial
        self.wanted = ssrcs
        if version == self._version & 0xFFFF:
            self._answered = True
