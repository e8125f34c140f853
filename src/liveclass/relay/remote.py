"""All publishers of a lesson as another node sends them: what `relay.publisher` is to one of our own, this is to a
pulled session. The room's subscribers, their slots and their ladders see no difference.

Knows the session and its streams; refuses to know how it was made and who receives. It outlives its session: while a
broken one is made again the sources stay, so that nobody's picture goes and comes back.
"""

import itertools
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from liveclass.errors import PeerError
from liveclass.relay import cast as told
from liveclass.relay.layers import Layered
from liveclass.relay.ports import Layer, Person
from liveclass.relay.publisher import CLOCK_JUMP_S, REPORT_S, datagrams
from liveclass.relay.slots import Guests
from liveclass.relay.source import Sink, SourceInfo, SourceKind
from liveclass.relay.track import Track
from liveclass.rtp import rtcp as control
from liveclass.rtp.codec import Codec
from liveclass.rtp.packet import find_extension, parse
from liveclass.rtp.twcc import TransportFeedbackBuilder
from liveclass.transport.batch import Batch
from liveclass.transport.dial import Dial
from liveclass.transport.session import Reason

KEEP_S = 10.0
"""How long sources without a session stay: longer than it takes to find a lesson's new owner."""

_numbers = itertools.count(1)

Key = tuple[str, SourceKind]


class Place(Protocol):
    """The room, as its remote publishers need it."""

    @property
    def sinks(self) -> Sequence[Sink]: ...

    def add_source(self, person: Person, source: Layered, now: float) -> None: ...

    def layer_added(self, source: Layered, now: float) -> None: ...

    def remove_source(self, source: Layered, now: float) -> None: ...

    def arrange(self, now: float) -> None: ...


@dataclass(slots=True)
class _Source:
    """A source as it was told, and what the room has of it; None before its first packet."""

    said: told.CastSource
    layered: Layered | None = None

    @property
    def wanted(self) -> list[Layer]:
        resting = self.layered.resting if self.layered is not None else {"thin"}
        return [one.layer for one in self.said.streams if one.layer not in resting]


@dataclass(slots=True)
class _Stream:
    """One SSRC of the session."""

    source: _Source
    layer: Layer
    track: Track | None = None
    report: tuple[int, float] = (0, 0.0)


class Remote:
    """Implements `transport.session.Handler` for a pulled session.

    Args:
        batch: where the room's packets go.
        wall: seconds since 1970 for a monotonic time.
        on_track_end: told of each track that is over.

    Attributes:
        dial: the present session; None between two.
        guests: who is heard and seen, as the lesson's owner decided.
        hops: nodes that the packets have passed until here; 0 before anything was told.
        ended: why the last session ended; None while it lasts.
        connected_at: when the present session had its keys; None before.
    """

    def __init__(
        self,
        room: Place,
        batch: Batch,
        *,
        wall: Callable[[float], float],
        on_track_end: Callable[[Track], None],
        cache_packets: int,
        keyframe_interval_s: float,
    ) -> None:
        self._room = room
        self._batch = batch
        self._wall = wall
        self._on_track_end = on_track_end
        self._cache_packets = cache_packets
        self._keyframe_interval_s = keyframe_interval_s
        self.dial: Dial | None = None
        self.guests = Guests()
        self.hops = 0
        self.ended: Reason | None = None
        self.connected_at: float | None = None
        self.on_ended: Callable[[], None] | None = None
        self.nacked = self.malformed = self.strangers = 0
        self._sources: dict[Key, _Source] = {}
        self._streams: dict[int, _Stream] = {}
        self._repairs: dict[int, int] = {}
        self._lost_at: float | None = None
        self._clock_offset: float | None = None
        self._begin_session()

    def _begin_session(self) -> None:
        self._ssrc = 1 + secrets.randbelow(0xFFFFFFFE)
        self._cname = secrets.token_hex(8)
        self._feedback: TransportFeedbackBuilder | None = None
        self._reader = told.CastReader()
        self._version: int | None = None
        self._serial = 0
        self._wished: tuple[int, ...] | None = None
        self._report_at = 0.0

    # The session

    def follow(self, dial: Dial) -> None:
        """From now on this session carries the lesson; a former one is closed."""
        self.drop()
        self._begin_session()
        self.dial, self.ended, self.connected_at = dial, None, None

    def drop(self) -> None:
        """The session is closed from our side; the sources stay for a while."""
        dial, self.dial = self.dial, None
        if dial is not None:
            dial.close()
        self._streams.clear()
        self._repairs.clear()

    def end(self, now: float) -> None:
        """Everything ends."""
        self.drop()
        for key in list(self._sources):
            self._end_source(key, now)

    def connected(self, now: float) -> None:
        """The handshake is done."""
        self.connected_at, self._lost_at = now, None
        if self.dial is not None and self.dial.session.number_id:
            self._feedback = TransportFeedbackBuilder(self._ssrc, 0)

    def moved(self, now: float) -> None:
        """Nodes do not move."""

    def closed(self, reason: Reason, now: float) -> None:
        """The session ended from below."""
        self.ended, self._lost_at = reason, now
        if self.on_ended is not None:
            self.on_ended()

    # What comes

    def rtp(self, datagram: bytes, now: float) -> None:
        """One protected RTP packet. What is of no stream that was told of is dropped unread."""
        dial = self.dial
        ssrc = int.from_bytes(datagram[8:12], "big")
        stream = self._streams.get(self._repairs.get(ssrc, ssrc))
        if dial is None or stream is None:
            self.strangers += 1
            return
        plain = dial.session.unprotect(datagram, now)
        if plain is None:
            self.malformed += 1
            return
        try:
            view = parse(plain)
        except PeerError:
            self.malformed += 1
            return
        if self._feedback is not None:
            value = find_extension(plain, view, dial.session.number_id)
            if value is not None and len(value) == 2:
                self._feedback.received(value[0] << 8 | value[1], now)
        said, begin = stream.source.said, view.payload_offset
        if ssrc not in self._streams:
            begin += 2
            if stream.track is not None and view.payload_end > begin and view.payload_type == said.rtx_type:
                seq = int.from_bytes(plain[begin - 2 : begin], "big")
                stream.track.receive(plain, view, seq, now, repaired=True, begin=begin)
            return
        if view.payload_type != said.payload_type:
            self.malformed += 1
            return
        track = stream.track or self._begin_track(ssrc, stream, now)
        track.receive(plain, view, view.seq, now, repaired=False, begin=begin)

    def _begin_track(self, ssrc: int, stream: _Stream, now: float) -> Track:
        source = stream.source
        layered = source.layered
        if layered is None:
            layered = source.layered = self._make_source(source.said)
            self._room.add_source(_person(source.said), layered, now)
        old = layered.track(stream.layer)
        track = stream.track = Track(
            layered.info,
            ssrc,
            source.said.payload_type,
            self._batch,
            layer=stream.layer,
            cache_packets=self._cache_packets,
            keyframe_interval_s=self._keyframe_interval_s,
        )
        layered.add(track, now)
        if old is not None:
            self._on_track_end(old)
        # Before its first packet, so that not even that one is missed.
        self._room.layer_added(layered, now)
        return track

    def _make_source(self, said: told.CastSource) -> Layered:
        info = SourceInfo(
            f"{said.kind}-r{next(_numbers)}-{secrets.token_hex(3)}",
            said.participant,
            said.role,
            said.name,
            said.kind,
            Codec(said.codec, dict(said.parameters)),
        )
        return Layered(
            info,
            replace(info, id=f"{info.id}-low", rendition="low"),
            self._room.sinks,
            offered=[one.layer for one in said.streams],
            droppable_frames=said.droppable,
        )

    def rtcp(self, datagram: bytes, now: float) -> None:
        """Sender reports, and what there is."""
        packets = self.dial.session.control(datagram, now) if self.dial is not None else None
        if packets is None:
            self.malformed += 1
            return
        for packet in packets:
            if isinstance(packet, control.SenderReport):
                self._clock(packet, now)
            elif isinstance(packet, control.Application) and packet.name == told.NAME and packet.subtype == told.CAST:
                try:
                    whole = self._reader.take(packet.data)
                except PeerError:
                    self.malformed += 1
                    continue
                if whole is not None:
                    self._take(*whole, now)

    def _clock(self, packet: control.SenderReport, now: float) -> None:
        stream = self._streams.get(packet.ssrc)
        if stream is None or stream.track is None or stream.source.layered is None:
            return
        stream.report = (control.ntp_middle(packet.ntp), now)
        seconds = control.ntp_seconds(packet.ntp)
        stamp = stream.track.time_of(packet.rtp_time)
        stream.source.layered.sender_report(stream.track, seconds, stamp, now)
        stream.track.publish_report(self._to_wall(seconds, now), stamp)

    def _to_wall(self, ntp_s: float, now: float) -> int:
        """The other node's time on our clock: one offset for all that it sends, so that all stay in step."""
        wall, sent = self._wall(now), ntp_s - control.NTP_UNIX_OFFSET_S
        if self._clock_offset is None or abs(sent + self._clock_offset - wall) > CLOCK_JUMP_S:
            self._clock_offset = wall - sent
        return control.ntp_from_unix(sent + self._clock_offset)

    # What there is

    def _take(self, version: int, cast: told.Cast, now: float) -> None:
        if version == self._version:
            self._wished = None  # the answer was lost
            return
        if cast.hops + 1 > told.MAX_HOPS:
            if self.dial is not None:
                self.dial.close()
            self.closed("failed", now)
            return
        self._version, self._wished = version, None
        self.hops = cast.hops + 1
        self.guests = Guests(cast.heard, cast.seen)
        former, self._streams = self._streams, {}
        names, self._repairs = {*former, *self._repairs}, {}
        present = {(said.participant, said.kind): said for said in cast.sources}
        for key, source in list(self._sources.items()):
            said = present.get(key)
            # A session that was made again finds the same sources and goes on with them; a new owner has new ones.
            if said is None or not _alike(said, source.said):
                self._end_source(key, now)
        for key, said in present.items():
            source = self._sources.setdefault(key, _Source(said))
            source.said = said
            for one in said.streams:
                known = former.get(one.ssrc)
                self._streams[one.ssrc] = known if known and known.source is source else _Stream(source, one.layer)
                if said.rtx_type:
                    self._repairs[one.rtx] = one.ssrc
        receiver = self.dial.session.receiver if self.dial is not None else None
        for ssrc in names - self._streams.keys() - self._repairs.keys():
            if receiver is not None:
                receiver.remove_stream(ssrc)
        self._room.arrange(now)

    def _end_source(self, key: Key, now: float) -> None:
        layered = self._sources.pop(key).layered
        if layered is None:
            return
        self._room.remove_source(layered, now)
        for track in layered.tracks:
            layered.remove(track, now)
            self._on_track_end(track)

    # What is said

    def tick(self, now: float) -> None:
        """To be called every 20 ms: whatever the other node must be told by now."""
        dial = self.dial
        if dial is not None:
            dial.tick(now)
            # Its end may have been found just now.
            dial = self.dial
        if self._lost_at is not None and now - self._lost_at > KEEP_S:
            self._lost_at = None
            for key in list(self._sources):
                self._end_source(key, now)
        if dial is None or self.connected_at is None or self.ended is not None:
            return
        compound: list[bytes] = []
        if now - self._report_at >= REPORT_S:
            self._report_at = now
            self._wished = None
            blocks = [block for stream in self._streams.values() if (block := _block(stream, now))]
            for at in range(0, max(1, len(blocks)), control.MAX_REPORTS):
                compound.append(control.build_receiver_report(self._ssrc, blocks[at : at + control.MAX_REPORTS]))
            compound.append(control.build_sdes(self._ssrc, self._cname))
        wished = tuple(
            one.ssrc for source in self._sources.values() for one in source.said.streams if one.layer in source.wanted
        )
        if self._version is not None and wished != self._wished:
            self._wished = wished
            self._serial += 1
            compound.append(told.build_wish(self._ssrc, self._version, self._serial, wished))
        for ssrc, stream in self._streams.items():
            track = stream.track
            if track is None:
                continue
            missing = track.missing(now)
            if missing:
                self.nacked += len(missing)
                compound.append(control.build_nack(self._ssrc, ssrc, missing))
            if stream.layer in stream.source.wanted and track.keyframe_due(now):
                compound.append(control.build_pli(self._ssrc, ssrc))
        if self._feedback is not None and self._streams and self._feedback.due(now):
            self._feedback.media_ssrc = next(iter(self._streams))
            compound += self._feedback.build(now)
        for datagram in datagrams(compound):
            dial.send(datagram)


def _alike(said: told.CastSource, before: told.CastSource) -> bool:
    """Whether the source may go on as what it was."""
    return (
        said.id == before.id
        and (said.codec, said.parameters, said.lead, said.name)
        == (before.codec, before.parameters, before.lead, before.name)
        and [one.layer for one in said.streams] == [one.layer for one in before.streams]
    )


def _person(said: told.CastSource) -> Person:
    return Person(said.participant, said.role, said.name, said.lead)


def _block(stream: _Stream, now: float) -> control.ReportBlock | None:
    if stream.track is None:
        return None
    lsr, at = stream.report
    return stream.track.report(lsr, int((now - at) * 65536) & 0xFFFFFFFF if lsr else 0)
