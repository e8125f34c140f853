"""A publisher's session: its packets to the layers of its sources, and what it must be told (NACK, PLI, reports).

Knows the answer that was given (payload types, extension ids, m-lines) and refuses to know who receives.
"""

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from liveclass.errors import PeerError
from liveclass.relay.layers import Layered
from liveclass.relay.ports import Layer
from liveclass.relay.source import SourceKind
from liveclass.relay.track import Track
from liveclass.rtp import rtcp as control
from liveclass.rtp.packet import PacketView, find_extension, parse
from liveclass.rtp.twcc import TransportFeedbackBuilder
from liveclass.transport.endpoint import Endpoint
from liveclass.transport.sdp import OfferedCodec
from liveclass.transport.session import PeerSession, Reason

log = logging.getLogger(__name__)

REPORT_S = 1.0
"""Between receiver reports: Chromium's own interval for video; its congestion control waits for them."""

MAX_TRACKS = 12
"""Streams of one publisher: two voices, three layers of a camera and two of a screen are meant; the rest is for
restarts with new SSRCs within a session."""

MAX_CHANGES, CHANGE_EVERY_S = 8.0, 1.0
"""Streams that may take the place of others at once, and how long until one more may: each has the slots of a whole
lesson arranged anew and a recording begin another stretch, so they are not to come with each packet."""

FORMER_S = 2.0
"""A stream that was replaced comes back when its successor has been silent for so long. Before that its packets are
late, or its sender never stopped, and the two would replace each other with each packet."""

REPORT_LEAST_S = 0.1
"""Between two sender reports of a stream that are looked at, as each may be passed on to every receiver."""

CLOCK_JUMP_S = 2.0
"""A sender's wall clock that moved this far against ours was set, and is anchored anew."""


@dataclass(frozen=True, slots=True)
class Line:
    """An m-line of a publisher's session as it was answered.

    Attributes:
        layers: the layer of each restriction id (RFC 8851), lowest first; without simulcast one under the name "".
    """

    mid: str
    kind: SourceKind
    codecs: Sequence[OfferedCodec]
    ssrcs: Sequence[int]
    rtx_ssrcs: Mapping[int, int]
    layers: Mapping[str, Layer]


def layers_of(rids: Sequence[str], kind: SourceKind) -> dict[str, Layer]:
    """What the layers of an m-line are called: rids in the order of the offer are lowest first."""
    if kind == "microphone":
        return {"": "full"}
    names: dict[int, tuple[Layer, ...]] = {0: ("high",), 1: ("high",), 2: ("low", "high"), 3: ("low", "middle", "high")}
    given = list(rids)[:3]
    return dict(zip(given or [""], names[len(given)], strict=True))


class Publisher:
    """Implements `transport.session.Handler` for a publishing peer.

    Args:
        lines: the answered m-lines.
        mid_id, transport_id, rid_id, repaired_id, level_id: negotiated ids of the header extensions, 0 where there are
            none.
        make_source: makes a source of a kind and codec, in a room that knows it from then on.
        on_layer: a layer of a source began. on_source_end: a source is over.
        wall: seconds since 1970 for a monotonic time.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        lines: Sequence[Line],
        *,
        mid_id: int,
        transport_id: int,
        rid_id: int,
        repaired_id: int,
        level_id: int,
        make_source: Callable[[SourceKind, OfferedCodec, float], Layered],
        on_layer: Callable[[Layered, float], None],
        on_source_end: Callable[[Layered, float], None],
        on_track_end: Callable[[Track], None],
        on_connected: Callable[["Publisher", float], None],
        on_closed: Callable[["Publisher", Reason, float], None],
        wall: Callable[[float], float],
        cache_packets: int,
        keyframe_interval_s: float,
    ) -> None:
        self.session: PeerSession | None = None
        self._endpoint = endpoint
        self._lines = lines
        self._mid_id = mid_id
        self._transport_id = transport_id
        self._rid_id = rid_id
        self._repaired_id = repaired_id
        self._level_id = level_id
        self._make_source = make_source
        self._on_layer = on_layer
        self._on_source_end = on_source_end
        self._on_track_end = on_track_end
        self._on_connected = on_connected
        self._on_closed = on_closed
        self._wall = wall
        self._cache_packets = cache_packets
        self._keyframe_interval_s = keyframe_interval_s
        self._ssrc = 1 + secrets.randbelow(0xFFFFFFFE)
        self._cname = secrets.token_hex(8)
        self.tracks: dict[int, Track] = {}
        self.sources: dict[SourceKind, Layered] = {}
        self._repairs: dict[int, int] = {}
        self._by_mid = {line.mid: line for line in lines}
        self._by_ssrc = {ssrc: line for line in lines for ssrc in line.ssrcs}
        # RFC 8843 section 9.2: browsers no longer tell the m-line and layer of a stream that was reported on.
        self._bound: dict[int, tuple[Line, Layer]] = {}
        self._repair_types = {codec.rtx_payload_type for line in lines for codec in line.codecs}
        self._replaced: set[tuple[int, int]] = set()
        self._changes = MAX_CHANGES
        self._changes_at = 0.0
        for line in lines:
            self._repairs.update({rtx: primary for primary, rtx in line.rtx_ssrcs.items()})
        self._feedback: TransportFeedbackBuilder | None = None
        self._report_at = 0.0
        self._last_reports: dict[int, tuple[int, float]] = {}
        self._clock_offset: float | None = None
        self.malformed = 0
        self.nacked = 0

    def connected(self, now: float) -> None:
        """The handshake is done."""
        if self._transport_id:
            self._feedback = TransportFeedbackBuilder(self._ssrc, 0)
        self._on_connected(self, now)

    def moved(self, now: float) -> None:
        """Nothing here depends on the peer's address."""

    def closed(self, reason: Reason, now: float) -> None:
        """The session ended from below."""
        self._on_closed(self, reason, now)

    def end(self, now: float) -> None:
        """Every source ends. The session is let go of, so that reference counts alone return the memory."""
        for kind in list(self.sources):
            self._end_source(kind, now)
        self.session = None

    def rtp(self, datagram: bytes, now: float) -> None:
        """One protected RTP packet. Forged, replayed and malformed ones are dropped and counted."""
        session = self.session
        if session is None or session.receiver is None:
            return
        plain = session.receiver.unprotect(datagram)
        if plain is None:
            self.malformed += 1
            return
        session.heard = now
        try:
            view = parse(plain)
        except PeerError:
            self.malformed += 1
            return
        if self._transport_id and self._feedback is not None:
            value = find_extension(plain, view, self._transport_id)
            if value is not None and len(value) == 2:
                self._feedback.received(value[0] << 8 | value[1], now)
        track = self.tracks.get(view.ssrc)
        if track is not None and view.payload_type == track.payload_type:
            if self._level_id:
                self._listen(plain, view, track, now)
            track.receive(plain, view, view.seq, now, repaired=False, begin=view.payload_offset)
            return
        self._unusual(plain, view, track, now)

    def _listen(self, plain: bytes, view: PacketView, track: Track, now: float) -> None:
        value = find_extension(plain, view, self._level_id)
        source = self.sources.get(track.info.kind)
        if value and source is not None and track.info.kind == "microphone":
            source.loudness.heard(value[0], now)

    def _unusual(self, plain: bytes, view: PacketView, track: Track | None, now: float) -> None:
        primary = None
        if view.payload_type in self._repair_types:
            primary = self._repairs.get(view.ssrc)
            if primary is None and track is None:
                primary = self._learn_repair(plain, view)
        if primary is not None:
            repaired = self.tracks.get(primary)
            begin = view.payload_offset + 2
            # Retransmission streams also carry padding alone, as probes: nothing to repair then.
            if repaired is not None and view.payload_end > begin:
                seq = int.from_bytes(plain[begin - 2 : begin], "big")
                repaired.receive(plain, view, seq, now, repaired=True, begin=begin)
            return
        line = self._line_of(plain, view)
        codec = next((c for c in line.codecs if c.payload_type == view.payload_type), None) if line else None
        if line is None or codec is None:
            self.malformed += 1
            return
        layer = self._layer_of(plain, view, line)
        if layer is None:
            # Simulcast whose packet does not say which layer it is: an early one says so (RFC 8852).
            self.malformed += 1
            return
        source = self.sources.get(line.kind)
        # The same stream in another codec: a new source to everyone.
        anew = source is not None and (track is not None or source.info.codec != codec.codec)
        before = [
            old
            for old in self.tracks.values()
            if old is track or (old.info.kind == line.kind and (anew or old.layer == layer))
        ]
        if (before and not self._may_replace(before, view, now)) or len(self.tracks) - len(before) >= MAX_TRACKS:
            self.malformed += 1
            return
        if anew:
            self._end_source(line.kind, now)
            source = None
        for old in before:
            if self.tracks.get(old.ssrc) is old:
                self._end_track(old.ssrc, now)
                if old.info.kind != line.kind:
                    self._without(old, now)
        if source is None:
            source = self.sources[line.kind] = self._make_source(line.kind, codec, now)
        track = Track(
            source.info,
            view.ssrc,
            view.payload_type,
            self._endpoint.batch,
            layer=layer,
            cache_packets=self._cache_packets,
            keyframe_interval_s=self._keyframe_interval_s,
        )
        self.tracks[view.ssrc] = track
        self._bound[view.ssrc] = line, layer
        source.add(track, now)
        # Before its first packet, so that not even that one is missed.
        self._on_layer(source, now)
        track.receive(plain, view, view.seq, now, repaired=False, begin=view.payload_offset)

    def _without(self, gone: Track, now: float) -> None:
        """A stream of a source is another m-line's now: its receivers go on with another layer, or it is over."""
        source = self.sources.get(gone.info.kind)
        if source is None:
            return
        if source.tracks:
            self._on_layer(source, now)
        else:
            self._end_source(gone.info.kind, now)

    def _may_replace(self, before: Sequence[Track], view: PacketView, now: float) -> bool:
        """Whether the stream of this packet may begin in the place of those."""
        stream = view.ssrc, view.payload_type
        if stream in self._replaced and any(now - old.heard < FORMER_S for old in before):
            return False
        self._changes = min(MAX_CHANGES, self._changes + (now - self._changes_at) / CHANGE_EVERY_S)
        self._changes_at = now
        if self._changes < 1.0:
            return False
        self._changes -= 1.0
        self._replaced.discard(stream)
        self._replaced.update((old.ssrc, old.payload_type) for old in before)
        return True

    def _end_track(self, ssrc: int, now: float) -> None:
        track = self.tracks.pop(ssrc)
        source = self.sources.get(track.info.kind)
        if source is not None:
            source.remove(track, now)
        for repair, primary in list(self._repairs.items()):
            if primary == ssrc and ssrc not in self._by_ssrc:
                del self._repairs[repair]
        self._on_track_end(track)

    def _end_source(self, kind: SourceKind, now: float) -> None:
        source = self.sources.pop(kind)
        self._on_source_end(source, now)
        for ssrc, track in list(self.tracks.items()):
            if track.info is source.info:
                self._end_track(ssrc, now)

    def _text(self, plain: bytes, view: PacketView, identifier: int) -> str:
        value = find_extension(plain, view, identifier) if identifier else None
        return value.decode("ascii", "replace") if value else ""

    def _line_of(self, plain: bytes, view: PacketView) -> Line | None:
        # RFC 8843 section 9.2: by SSRC as signalled, by MID, now or before, and by a payload type that only one line
        # uses.
        line = self._by_ssrc.get(view.ssrc) or self._by_mid.get(self._text(plain, view, self._mid_id))
        if line is None and view.ssrc in self._bound:
            line = self._bound[view.ssrc][0]
        if line is None:
            users = [li for li in self._lines if any(c.payload_type == view.payload_type for c in li.codecs)]
            line = users[0] if len(users) == 1 else None
        return line

    def _layer_of(self, plain: bytes, view: PacketView, line: Line) -> Layer | None:
        layer = line.layers.get(self._text(plain, view, self._rid_id))
        if layer is None and view.ssrc in self._bound:
            bound, layer = self._bound[view.ssrc]
            layer = layer if bound is line else None
        return layer or line.layers.get("")

    def _learn_repair(self, plain: bytes, view: PacketView) -> int | None:
        # A retransmission stream that was not signalled: its payload type says so, its MID or uniqueness whose it is.
        mid = self._text(plain, view, self._mid_id)
        rid = self._text(plain, view, self._repaired_id)
        owners = [
            ssrc
            for line in self._lines
            if not mid or line.mid == mid
            if any(codec.rtx_payload_type == view.payload_type for codec in line.codecs)
            for ssrc, track in self.tracks.items()
            if track.info.kind == line.kind and track.layer == (line.layers.get(rid) or line.layers.get(""))
        ]
        if len(owners) != 1 or len(self._repairs) >= 4 * MAX_TRACKS:
            return None
        self._repairs[view.ssrc] = owners[0]
        return owners[0]

    def rtcp(self, datagram: bytes, now: float) -> None:
        """Sender reports of the publisher. Its goodbyes end nothing: browsers say them for layers that rest."""
        packets = self.session.control(datagram, now) if self.session is not None else None
        if packets is None:
            self.malformed += 1
            return
        for packet in packets:
            if isinstance(packet, control.SenderReport):
                track, last = self.tracks.get(packet.ssrc), self._last_reports.get(packet.ssrc)
                if track is None or (last is not None and now - last[1] < REPORT_LEAST_S):
                    continue
                self._last_reports[packet.ssrc] = (control.ntp_middle(packet.ntp), now)
                seconds = control.ntp_seconds(packet.ntp)
                source, stamp = self.sources.get(track.info.kind), track.time_of(packet.rtp_time)
                if source is not None:
                    source.sender_report(track, seconds, stamp, now)
                track.publish_report(self._to_wall(seconds, now), stamp)

    def _to_wall(self, ntp_s: float, now: float) -> int:
        """The publisher's NTP time on our clock: one offset for all its tracks, so that they stay in step."""
        wall = self._wall(now)
        sent = ntp_s - 2_208_988_800
        if self._clock_offset is None or abs(sent + self._clock_offset - wall) > CLOCK_JUMP_S:
            self._clock_offset = wall - sent
        return control.ntp_from_unix(sent + self._clock_offset)

    def tick(self, now: float) -> None:
        """Whatever the publisher must be told by now."""
        session = self.session
        if session is None or session.sender is None or session.address is None:
            return
        compound: list[bytes] = []
        if now - self._report_at >= REPORT_S:
            self._report_at = now
            blocks = [block for ssrc, track in self.tracks.items() if (block := self._block(ssrc, track, now))]
            compound.append(control.build_receiver_report(self._ssrc, blocks))
            compound.append(control.build_sdes(self._ssrc, self._cname))
        for ssrc, track in self.tracks.items():
            missing = track.missing(now)
            if missing:
                self.nacked += len(missing)
                compound.append(control.build_nack(self._ssrc, ssrc, missing))
            source = self.sources.get(track.info.kind)
            if (source is None or track.layer not in source.resting) and track.keyframe_due(now):
                compound.append(control.build_pli(self._ssrc, ssrc))
        if self._feedback is not None and self.tracks and self._feedback.due(now):
            self._feedback.media_ssrc = next(iter(self.tracks))
            compound += self._feedback.build(now)
        for datagram in datagrams(compound):
            protected = session.sender.protect_rtcp(datagram)
            if protected is not None:
                self._endpoint.transmit(session, protected)

    def _block(self, ssrc: int, track: Track, now: float) -> control.ReportBlock | None:
        lsr, at = self._last_reports.get(ssrc, (0, now))
        return track.report(lsr, int((now - at) * 65536) & 0xFFFFFFFF if lsr else 0)


MAX_RTCP_BYTES = 1180
"""What fits the smallest path with SRTCP's index and tag."""


def datagrams(packets: Sequence[bytes]) -> list[bytes]:
    """RTCP packets put together into as few datagrams as fit."""
    out: list[bytes] = []
    current = b""
    for packet in packets:
        if current and len(current) + len(packet) > MAX_RTCP_BYTES:
            out.append(current)
            current = b""
        current += packet
    if current:
        out.append(current)
    return out
