"""The media plane of a process: offers become sessions, sessions belong to rooms, and everything ends properly.

Implements `relay.ports.MediaPlane`. It knows SDP through the transport room and refuses to know HTTP, roles and tokens.
"""

import itertools
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from liveclass.errors import PeerError
from liveclass.relay.carrier import Carrier
from liveclass.relay.downlink import Downlink
from liveclass.relay.feed import MAX_BPS, Feed
from liveclass.relay.layers import Layered
from liveclass.relay.ports import Answer, CloseReason, Direction, Layer, LinkView, MediaListener, Person, Rung
from liveclass.relay.publisher import Line, Publisher, layers_of
from liveclass.relay.remote import Remote
from liveclass.relay.room import Room
from liveclass.relay.slot import Slot
from liveclass.relay.source import Sink, SourceInfo, SourceKind
from liveclass.relay.subscriber import Subscriber
from liveclass.relay.totals import TOTALS, rungs, session_totals, track_totals
from liveclass.relay.track import Track
from liveclass.rtp.congestion import Controller
from liveclass.transport.dtls import Identity
from liveclass.transport.endpoint import Endpoint
from liveclass.transport.sdp import (
    EXT_AUDIO_LEVEL,
    EXT_MID,
    EXT_REPAIRED_RID,
    EXT_RID,
    EXT_TRANSPORT_CC,
    Offer,
    OfferedCodec,
    OfferedMedia,
    parse_offer,
)
from liveclass.transport.sdp_answer import (
    SUBSCRIBER_EXTENSIONS,
    AnsweredMedia,
    AudioWish,
    build_answer,
    choose_codecs,
    choose_extensions,
    offers_stereo,
)
from liveclass.transport.sdp_fragment import build_fragment, parse_fragment
from liveclass.transport.session import PeerSession, Reason

AUDIO_KINDS: tuple[SourceKind, ...] = ("microphone", "microphone")
VIDEO_KINDS: tuple[SourceKind, ...] = ("camera", "screen")
"""What the m-lines of a publisher are, in the order of its offer; the second voice is the thin one."""

THIN_BPS, THIN_PACKET_MS = 12_000, 60
"""The thin voice: the least at which Opus is still plain speech, and frames so long that headers do not outweigh it."""

STEREO_BPS = 128_000
"""Music in two channels: above this nobody hears a difference in a classroom, and the links get thinner."""

MAX_SLOTS = 8
"""Audio or video m-lines of one subscriber: a page uses 4 and 5."""

PUBLISHER_FEEDBACK = frozenset({"nack", "nack pli", "ccm fir", "transport-cc"})
"""What publishers may expect from us. Without transport-cc Chromium's picture collapses to 30 kbit/s."""

SUBSCRIBER_FEEDBACK = frozenset({"nack", "nack pli", "ccm fir"})
"""What we understand from subscribers, beside feedback on congestion where the plane adapts."""


@dataclass(slots=True)
class _Session:
    """What the plane keeps of a session beside its peer."""

    peer: PeerSession
    room: Room
    person: Person
    direction: Direction
    offer: Offer
    etag: str
    handler: Publisher | Subscriber
    asked_at: float
    reached_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneOptions:
    """Bounds and habits; see the settings of the same names."""

    max_sdp_bytes: int = 64 * 1024
    cache_packets: int = 1024
    keyframe_interval_s: float = 0.5
    congestion_feedback: bool = True
    adaptation: bool = True
    retransmission_share: float = 0.25
    max_speaking: int = 3


class Plane:
    """Publishers and subscribers of all lessons of this process.

    Args:
        endpoint: open already.
        listener: told what changes.
        on_join: told the seconds from a subscriber's offer to its first media packet being due.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        listener: MediaListener,
        options: PlaneOptions,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        on_join: Callable[[float], None] | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._listener = listener
        self._options = options
        self._monotonic = monotonic
        self._wall_base = wall() - monotonic()
        self._on_join = on_join
        self._rooms: dict[str, Room] = {}
        self._sessions: dict[str, _Session] = {}
        self._numbers = itertools.count(1)
        self._totals: dict[str, int] = {}
        endpoint.every_tick(self.tick)

    def tick(self, now: float) -> None:
        """Deadlines of every publisher, and of every subscriber's downlink."""
        for room in self._rooms.values():
            for _, publisher in list(room.publishers.values()):
                publisher.tick(now)
            if room.remote is not None:
                room.remote.tick(now)
            room.tick(now)
        self._endpoint.batch.settle()

    def publish(self, lesson: str, person: Person, offer: str, reached_at: str) -> Answer:
        """Accept a publisher's offer (WHIP); see `relay.ports.MediaPlane.publish`."""
        now = self._monotonic()
        parsed = parse_offer(offer, max_bytes=self._options.max_sdp_bytes)
        lines: list[Line] = []
        answered: list[AnsweredMedia] = []
        ids: dict[str, int] = {}
        free: dict[str, list[SourceKind]] = {"audio": list(AUDIO_KINDS), "video": list(VIDEO_KINDS)}
        for media in parsed.media:
            if media.kind not in free or not media.acceptable:
                answered.append(AnsweredMedia(media.mid, accept=False))
                continue
            if media.direction not in {"sendonly", "sendrecv"} or not free[media.kind]:
                raise PeerError(
                    "A publisher sends one microphone, one camera and one screen at most, and receives nothing.",
                    status=422,
                    code="unacceptable_media",
                )
            codecs = choose_codecs(media, feedback=self._publisher_feedback())
            extensions = {
                uri: number
                for uri, number in choose_extensions(media).items()
                if uri in {EXT_MID, EXT_RID, EXT_REPAIRED_RID}
                or (uri == EXT_TRANSPORT_CC and self._options.congestion_feedback)
                # A volunteer is always heard. The extension is not encrypted, so it is asked for only where it is used.
                or (uri == EXT_AUDIO_LEVEL and person.role == "classroom")
            }
            ids.update(extensions)
            kind = free[media.kind].pop(0)
            layers = layers_of(media.rids, kind)
            if kind == "microphone" and kind not in free["audio"]:
                layers = {"": "thin"}
            lines.append(Line(media.mid, kind, codecs, media.ssrcs, media.rtx_ssrcs, layers))
            answered.append(
                AnsweredMedia(
                    media.mid,
                    direction="recvonly",
                    codecs=codecs,
                    extensions=extensions,
                    rids=[rid for rid in layers if rid],
                    audio=_wish(person, layers, stereo=offers_stereo(media)) if kind == "microphone" else None,
                )
            )
        if not lines:
            raise PeerError("The offer has neither sound nor picture.", status=422, code="unacceptable_media")
        room = self._room(lesson)
        old = room.publishers.get(person.participant)
        if old is not None and old[1].session is not None:
            self.close_session(old[1].session.id, "replaced")
            # It may have been the last there was: what the room knows of its people goes on.
            room = self._rooms.setdefault(lesson, room)

        def make_source(kind: SourceKind, codec: OfferedCodec, at: float) -> Layered:
            number = f"{kind}-{next(self._numbers)}-{secrets.token_hex(3)}"
            info = SourceInfo(number, person.participant, person.role, person.name, kind, codec.codec)
            offered = [layer for line in lines if line.kind == kind for layer in line.layers.values()]
            source = Layered(
                info,
                replace(info, id=f"{number}-low", rendition="low"),
                room.sinks,
                offered=offered,
                # Only what our own pages send is known to have temporal layers: they ask for them with simulcast.
                droppable_frames=kind == "camera" and len(offered) > 1,
            )
            room.add_source(person, source, at)
            return source

        publisher = Publisher(
            self._endpoint,
            lines,
            mid_id=ids.get(EXT_MID, 0),
            transport_id=ids.get(EXT_TRANSPORT_CC, 0),
            rid_id=ids.get(EXT_RID, 0),
            repaired_id=ids.get(EXT_REPAIRED_RID, 0),
            level_id=ids.get(EXT_AUDIO_LEVEL, 0),
            make_source=make_source,
            on_layer=room.layer_added,
            on_source_end=room.remove_source,
            on_track_end=self._count_track,
            on_connected=self._connected,
            on_closed=self._closed,
            wall=self._wall,
            cache_packets=self._options.cache_packets,
            keyframe_interval_s=self._options.keyframe_interval_s,
        )
        answer = self._open(room, person, "publish", parsed, publisher, answered, reached_at, now)
        room.publishers[person.participant] = (person, publisher)
        return answer

    def subscribe(self, lesson: str, person: Person, offer: str, reached_at: str) -> Answer:
        """Accept a subscriber's offer (WHEP); see `relay.ports.MediaPlane.subscribe`."""
        now = self._monotonic()
        parsed = parse_offer(offer, max_bytes=self._options.max_sdp_bytes)
        audio: list[Slot] = []
        video: list[Slot] = []
        answered: list[AnsweredMedia] = []
        cname = secrets.token_hex(8)
        room = self._room(lesson)
        number_id = self._number_id(parsed)
        controller = Controller(start_bps=room.start_bps(person.participant)) if number_id else None
        carrier = Carrier(self._endpoint, number_id, controller.log if controller is not None else None)
        for media in parsed.media:
            if media.kind not in {"audio", "video"} or not media.acceptable:
                answered.append(AnsweredMedia(media.mid, accept=False))
                continue
            slots = audio if media.kind == "audio" else video
            if media.direction not in {"recvonly", "sendrecv"} or len(slots) >= MAX_SLOTS:
                raise PeerError(
                    f"A subscriber receives at most {MAX_SLOTS} sounds and pictures, and sends nothing.",
                    status=422,
                    code="unacceptable_media",
                )
            answered.append(self._answer_slot(media, slots, cname, carrier))
        if not audio and not video:
            raise PeerError("The offer has neither sound nor picture.", status=422, code="unacceptable_media")
        old = room.subscribers.get(person.participant)
        if old is not None and old.session is not None:
            self.close_session(old.session.id, "replaced")
            room = self._rooms.setdefault(lesson, room)
        downlink = None
        if controller is not None:
            downlink = Downlink(
                carrier,
                controller,
                audio,
                video,
                share=self._options.retransmission_share,
                now=now,
                on_link=lambda link: self._link_changed(lesson, person.participant, link),
            )
        subscriber = Subscriber(
            self._endpoint,
            person.participant,
            carrier,
            audio,
            video,
            downlink,
            on_connected=self._connected,
            on_closed=self._closed,
            teaches=person.role == "teacher",
        )
        answer = self._open(room, person, "subscribe", parsed, subscriber, answered, reached_at, now)
        room.subscribers[person.participant] = subscriber
        room.apply_watching(subscriber, now)
        room.arrange(now, only=subscriber)
        return answer

    def feed(self, lesson: str, node: str, offer: str, reached_at: str) -> Answer:
        """Accept another node's offer to pull a lesson; see `relay.ports.NodePlane.feed`."""
        now = self._monotonic()
        parsed = parse_offer(offer, max_bytes=self._options.max_sdp_bytes)
        number_id = self._number_id(parsed)
        controller = Controller(start_bps=MAX_BPS, max_bps=MAX_BPS) if number_id else None
        carrier = Carrier(self._endpoint, number_id, controller.log if controller is not None else None)
        feedback = SUBSCRIBER_FEEDBACK | {"transport-cc"} if number_id else SUBSCRIBER_FEEDBACK
        answered = [
            AnsweredMedia(
                media.mid,
                direction="sendonly",
                codecs=choose_codecs(media, feedback=feedback),
                extensions=choose_extensions(media, uris=SUBSCRIBER_EXTENSIONS) if number_id else {},
            )
            for media in parsed.media
            if media.acceptable and media.direction in {"recvonly", "sendrecv"}
        ]
        room = self._room(lesson)
        old = room.feeds.get(node)
        if old is not None and old.session is not None:
            self.close_session(old.session.id, "replaced")
            room = self._rooms.setdefault(lesson, room)
        codecs = [codec for media in answered for codec in media.codecs]
        feed = Feed(
            self._endpoint, node, carrier, codecs, controller, on_connected=self._connected, on_closed=self._closed
        )
        person = Person(node, "classroom", node)
        answer = self._open(room, person, "subscribe", parsed, feed, answered, reached_at, now)
        room.feeds[node] = feed
        room.offer(feed, now)
        return answer

    def pull(self, lesson: str) -> Remote:
        """The publishers of a lesson that another node sends, to be given a session (`relay.cascade`)."""
        room = self._room(lesson)
        if room.remote is None:
            room.remote = Remote(
                room,
                self._endpoint.batch,
                wall=self._wall,
                on_track_end=self._count_track,
                cache_packets=self._options.cache_packets,
                keyframe_interval_s=self._options.keyframe_interval_s,
            )
        return room.remote

    def pull_ended(self, lesson: str) -> None:
        """The lesson is pulled no more: its sources end."""
        room = self._rooms.get(lesson)
        if room is not None and room.remote is not None:
            room.remote.end(self._monotonic())
            room.remote = None
            self._drop_if_empty(room)

    def audience(self, lesson: str) -> int:
        """See `relay.ports.NodePlane.audience`."""
        room = self._rooms.get(lesson)
        return room.audience if room is not None else 0

    @property
    def identity(self) -> Identity:
        """The certificate that every peer is shown."""
        return self._endpoint.identity

    @property
    def is_native(self) -> bool:
        """Whether media are the native module's to receive and to send."""
        return self._endpoint.is_native

    def settle(self) -> None:
        """The end of a wake-up of another socket than the media port's."""
        self._endpoint.batch.settle()

    def _number_id(self, offer: Offer) -> int:
        """The id of the transport-wide extension, 0 where the subscriber cannot be adapted to: every picture must carry
        numbers, or every sound where there are no pictures."""
        if not self._options.adaptation:
            return 0
        pictures = [media for media in offer.media if media.kind == "video" and media.acceptable]
        sounds = [media for media in offer.media if media.kind == "audio" and media.acceptable]
        ids = {_numbers(media) for media in pictures or sounds}
        # Padding travels as retransmissions: without them there is no telling what a link could carry.
        padded = any(codec.rtx_payload_type is not None for media in pictures for codec in media.codecs)
        return ids.pop() if len(ids) == 1 and (padded or not pictures) else 0

    def _link_changed(self, lesson: str, participant: str, link: LinkView) -> None:
        self._listener.link_changed(lesson, participant, link)

    def _answer_slot(self, media: OfferedMedia, slots: list[Slot], cname: str, carrier: Carrier) -> AnsweredMedia:
        # Firefox numbers pictures alone: its sound then goes beside the numbers, and the controller sees the pictures.
        adapted = carrier.number_id > 0 and _numbers(media) == carrier.number_id
        feedback = SUBSCRIBER_FEEDBACK | {"transport-cc"} if adapted else SUBSCRIBER_FEEDBACK
        codecs = choose_codecs(media, feedback=feedback)
        if adapted:
            # A picture of which nothing is told would pass for an outage.
            codecs = [codec for codec in codecs if "transport-cc" in codec.feedback]
        red = (media.red_payload_type or 0) if adapted else 0
        way = carrier if adapted or not carrier.number_id else carrier.beside()
        slot = Slot(media.mid, media.kind, codecs, way, red_type=red)
        # Sound and camera of one person share a stream label, so that browsers keep them in step: slots are made in the
        # order of `relay.slots`: the n-th sound belongs to the n-th picture, the screen left out.
        number = len(slots)
        label = f"s{number if media.kind == 'audio' or number == 0 else number - 1 if number > 1 else 'screen'}"
        slots.append(slot)
        return AnsweredMedia(
            media.mid,
            direction="sendonly",
            codecs=codecs,
            extensions=choose_extensions(media, uris=SUBSCRIBER_EXTENSIONS) if adapted else {},
            red=red > 0,
            ssrc=slot.ssrc,
            rtx_ssrc=slot.rtx_ssrc if any(c.rtx_payload_type is not None for c in codecs) else None,
            cname=cname,
            msid=f"{label} {media.kind}{number}",
        )

    def _publisher_feedback(self) -> frozenset[str]:
        return PUBLISHER_FEEDBACK if self._options.congestion_feedback else PUBLISHER_FEEDBACK - {"transport-cc"}

    def _open(
        self,
        room: Room,
        person: Person,
        direction: Direction,
        offer: Offer,
        handler: Publisher | Subscriber,
        answered: Sequence[AnsweredMedia],
        reached_at: str,
        now: float,
    ) -> Answer:
        peer = self._endpoint.accept(offer, handler, now)
        handler.session = peer
        etag = f'"{secrets.token_hex(8)}"'
        ufrag, pwd = peer.credentials
        sdp = build_answer(
            offer,
            ufrag=ufrag,
            pwd=pwd,
            fingerprint=self._endpoint.identity.fingerprint,
            candidates=self._endpoint.candidates(reached_at),
            tcp_candidates=self._endpoint.tcp_candidates(reached_at),
            media=answered,
            session_id=secrets.randbits(62),
        )
        self._sessions[peer.id] = _Session(peer, room, person, direction, offer, etag, handler, now, reached_at)
        return Answer(peer.id, sdp, etag)

    def restart(self, session: str, fragment: str) -> tuple[str, str]:
        """ICE restart of a session; see `relay.ports.MediaPlane.restart`."""
        known = self._sessions.get(session)
        if known is None:
            raise PeerError("This session is over.", status=404, code="no_session")
        parsed = parse_fragment(fragment)
        ufrag, pwd = self._endpoint.restart(known.peer, parsed.ufrag, parsed.pwd)
        known.etag = f'"{secrets.token_hex(8)}"'
        text = build_fragment(
            ufrag=ufrag,
            pwd=pwd,
            mids=[m.mid for m in known.offer.media][:1],
            candidates=self._endpoint.candidates(known.reached_at),
            tcp_candidates=self._endpoint.tcp_candidates(known.reached_at),
        )
        return known.etag, text

    def etag(self, session: str) -> str | None:
        """The session's entity tag."""
        known = self._sessions.get(session)
        return known.etag if known else None

    def owner(self, session: str) -> tuple[str, str, Direction] | None:
        """Lesson, participant and direction of a session."""
        known = self._sessions.get(session)
        return (known.room.lesson, known.person.participant, known.direction) if known else None

    def close_session(self, session: str, reason: CloseReason) -> None:
        """End a session; twice is harmless."""
        known = self._sessions.pop(session, None)
        if known is None:
            return
        now = self._monotonic()
        room, participant = known.room, known.person.participant
        if isinstance(known.handler, Publisher):
            if room.publishers.get(participant, (None, None))[1] is known.handler:
                del room.publishers[participant]
        elif isinstance(known.handler, Feed):
            if room.feeds.get(participant) is known.handler:
                del room.feeds[participant]
        else:
            room.remember(known.handler)
            if room.subscribers.get(participant) is known.handler:
                del room.subscribers[participant]
        self._account(known)
        known.handler.end(now)
        self._endpoint.batch.flush()
        self._endpoint.forget(known.peer, now)
        room.forget_session(session)
        if not isinstance(known.handler, Feed):
            self._listener.media_closed(room.lesson, participant, session, known.direction, reason)
        self._drop_if_empty(room)

    def close_participant(self, lesson: str, participant: str, direction: Direction, reason: CloseReason) -> None:
        """End a participant's session of one direction, if there is one."""
        for session, known in list(self._sessions.items()):
            if known.room.lesson == lesson and known.person.participant == participant and known.direction == direction:
                self.close_session(session, reason)

    def close_lesson(self, lesson: str, reason: CloseReason) -> None:
        """End every session of a lesson."""
        for session, known in list(self._sessions.items()):
            if known.room.lesson == lesson:
                self.close_session(session, reason)
        # A room that only remembered who is muted has no session whose end would drop it.
        room = self._rooms.get(lesson)
        if room is not None:
            self._drop_if_empty(room)

    def set_muted(self, lesson: str, participant: str, muted: bool) -> None:
        """See `relay.ports.MediaPlane.set_muted`."""
        self._room(lesson).set_muted(participant, muted)

    def set_sending(self, lesson: str, participant: str, kinds: Sequence[SourceKind] | None) -> None:
        """See `relay.ports.MediaPlane.set_sending`."""
        room = self._rooms.get(lesson)
        if room is not None or kinds is not None:
            self._room(lesson).set_sending(participant, kinds, self._monotonic())

    def set_watching(self, lesson: str, participant: str, *, live: bool, ceiling: Rung) -> None:
        """See `relay.ports.MediaPlane.set_watching`."""
        room = self._rooms.get(lesson)
        if room is not None or not live or ceiling != "full":
            self._room(lesson).set_watching(participant, self._monotonic(), live=live, ceiling=ceiling)

    def add_sink(self, lesson: str, sink: Sink) -> None:
        """From now on this sink takes every packet of the lesson."""
        self._room(lesson).add_sink(sink, self._monotonic())

    def remove_sink(self, lesson: str, sink: Sink) -> None:
        """The sink takes nothing more."""
        room = self._rooms.get(lesson)
        if room is not None:
            room.remove_sink(sink, self._monotonic())
            self._drop_if_empty(room)

    def _room(self, lesson: str) -> Room:
        room = self._rooms.get(lesson)
        if room is None:
            room = self._rooms[lesson] = Room(lesson, self._listener, max_speaking=self._options.max_speaking)
        return room

    def _drop_if_empty(self, room: Room) -> None:
        if room.empty and self._rooms.get(room.lesson) is room:
            del self._rooms[room.lesson]

    def _wall(self, now: float) -> float:
        return self._wall_base + now

    def _find(self, handler: Publisher | Subscriber) -> tuple[str, _Session] | None:
        session = handler.session
        known = self._sessions.get(session.id) if session is not None else None
        return (session.id, known) if session is not None and known is not None else None

    def _connected(self, handler: Publisher | Subscriber, now: float) -> None:
        found = self._find(handler)
        if found is None:
            return
        session, known = found
        if isinstance(handler, Feed):
            return
        if self._on_join is not None and known.direction == "subscribe":
            self._on_join(self._monotonic() - known.asked_at)
        self._listener.media_connected(known.room.lesson, known.person.participant, session, known.direction)

    def _closed(self, handler: Publisher | Subscriber, reason: Reason, now: float) -> None:
        found = self._find(handler)
        if found is not None:
            self.close_session(found[0], "timeout" if reason == "timeout" else "peer_closed")

    def _count_track(self, track: Track) -> None:
        for name, value in track_totals(track).items():
            self._totals[name] = self._totals.get(name, 0) + value

    def _account(self, known: _Session) -> None:
        for name, value in session_totals(known.handler).items():
            self._totals[name] = self._totals.get(name, 0) + value

    def stats(self) -> dict[str, float | int]:
        """Figures of the media plane by name; names ending in `_total` only grow."""
        out: dict[str, float | int] = dict.fromkeys(TOTALS, 0)
        out.update(self._totals)
        tracks: list[Track] = []
        for room in self._rooms.values():
            room.each_track(tracks.append)
        for track in tracks:
            for name, value in track_totals(track).items():
                out[name] += value
        for known in self._sessions.values():
            for name, value in session_totals(known.handler).items():
                out[name] += value
        out.update(rungs(room.subscribers.values() for room in self._rooms.values()))
        counters, batch, tcp = self._endpoint.counters, self._endpoint.batch, self._endpoint.tcp
        out |= {
            "rooms": len(self._rooms),
            "sources": len(tracks),
            "publish_sessions": sum(known.direction == "publish" for known in self._sessions.values()),
            "subscribe_sessions": sum(
                known.direction == "subscribe" and not isinstance(known.handler, Feed)
                for known in self._sessions.values()
            ),
            "node_feeds": sum(len(room.feeds) for room in self._rooms.values()),
            "datagrams_received_total": counters.datagrams,
            "bytes_received_total": counters.octets,
            "datagrams_sent_total": batch.sent + tcp.counters.sent,
            "bytes_sent_total": batch.octets + tcp.counters.octets,
            "tcp_peers": len(tcp),
            "tcp_peers_refused_total": tcp.counters.refused,
            "tcp_datagrams_dropped_total": tcp.counters.dropped,
            "datagrams_send_dropped_total": batch.dropped,
            "native_fanout": int(self.is_native),
            **batch.native_figures(),
            "datagrams_stranger_total": counters.strangers,
            "datagrams_empty_total": counters.empty,
            "datagrams_malformed_total": counters.malformed + int(out.pop("malformed")),
            "faults_total": counters.failures,
            "subscriber_loss_ratio": self._subscriber_loss(),
        }
        return out

    def _subscriber_loss(self) -> float:
        handlers = [known.handler for known in self._sessions.values()]
        viewers = [handler for handler in handlers if isinstance(handler, Subscriber) and not isinstance(handler, Feed)]
        losses = [handler.fraction_lost for handler in viewers]
        return sum(losses) / len(losses) if losses else 0.0


def _numbers(media: OfferedMedia) -> int:
    """The id of the transport-wide extension, 0 where an m-line does not take it with feedback in any codec."""
    spoken = any("transport-cc" in codec.feedback for codec in media.codecs)
    return media.extensions.get(EXT_TRANSPORT_CC, 0) if spoken else 0


def _wish(person: Person, layers: dict[str, Layer], *, stereo: bool) -> AudioWish:
    """How a publisher's voice should come."""
    if "thin" in layers.values():
        return AudioWish(max_average_bps=THIN_BPS, ptime_ms=THIN_PACKET_MS)
    # A class that listens to its teacher through an open line is silent most of the time, on a thin uplink.
    return AudioWish(dtx=person.role == "classroom", stereo=stereo, max_average_bps=STEREO_BPS if stereo else None)
