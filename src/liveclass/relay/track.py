"""One stream of one publisher in the relay: numbering, cache, loss repair, and the tables of those who receive it.

A packet that arrives here is authentic and parsed. The track numbers it once (extended, without holes for what the
relay itself drops), keeps it for retransmission, and hands it to the fan-out and the source that it is a layer of. It
refuses to know SDP, SRTP keys and sockets.
"""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import count, groupby
from struct import Struct
from typing import Protocol

from liveclass.relay.fanout import MAX_TOGETHER, Entry, Outgoing, Table, forward
from liveclass.relay.ports import Layer
from liveclass.relay.shape import Shape, numbered_here, shaped
from liveclass.relay.source import SourceInfo
from liveclass.rtp.cache import PacketCache
from liveclass.rtp.nack import NackGenerator
from liveclass.rtp.packet import PacketView
from liveclass.rtp.payload import keyframe_detector
from liveclass.rtp.rtcp import ReportBlock
from liveclass.rtp.serial import extend, time_diff
from liveclass.transport.batch import Batch

MAX_JUMP = 3000
"""Packets: a larger step is a restarted sender (RFC 3550 appendix A.1, MAX_DROPOUT), numbered on without a hole."""

FORMER_S = 2.0
"""After a restart, late packets of before it are told from one more restart for so long."""

ODD_TIME_S = 10.0
"""A restarted sender whose timestamps are off by more than this from the time that passed has begun a new clock."""

MAX_STRETCHES = 64
"""Stretches of the publisher's numbers that late packets are still numbered in; those of before are too late."""

MAX_ASKED = 512
"""Requests for retransmission remembered to measure the round trip; older ones are forgotten all at once."""

WIRE_OVERHEAD = 56
"""Bytes that a packet has on the wire towards a receiver beside its payload: IP 20, UDP 8, RTP 12 with an extension
of 8, and half a trailer of 16 (the parts vary by cipher)."""

IDLE_S = 2.0
"""A stream silent for so long costs nothing now: a screen that stands still is repeated about once a second."""

RATE_WINDOW_S = 0.5
"""Over which a stream's rate is measured; a window begins with each question after the last one is over."""

PEAK_HALF_S = 20.0
"""A pause is shorter, and a volunteer who goes back to plain speech is not paid for as music for long."""

_header = Struct("!BBHII").pack

_names = count(1)

Cached = tuple[bytes, int]
"""A packet as the fan-out takes it (publisher's payload type, no extensions), and its RTP timestamp."""


Tap = Callable[["Track", int, int, bool, bytes, float], None]
"""Takes every packet of a track: the track, extended number, timestamp, marker, payload, arrival."""


class Receiver(Protocol):
    """A slot that wants this track, as far as the track needs to know it."""

    @property
    def shape(self) -> Shape:
        """The shape in which it takes this track's packets."""

    def report(self, track: "Track", ntp: int, timestamp: int) -> None:
        """The publisher's clock: `timestamp` was sampled at `ntp` (64 bits, the server's time)."""

    def begin(self, track: "Track", seq: int, timestamp: int, now: float) -> bool:
        """The first packet for this receiver; False when it cannot take packets yet."""

    @property
    def first(self) -> int:
        """The lowest number of the track that its present offsets hold for: an earlier one would be sent under a number
        that was used already."""

    def entry(self) -> Entry | None:
        """Its place in the fan-out; None when it wants each packet by `take`."""

    def take(self, track: "Track", packets: Sequence[Outgoing], now: float) -> None:
        """Packets in its shape, as they came (late ones come late)."""


class Track:
    """One layer of a source with its receivers.

    Args:
        info: what others may know of the source.
        ssrc: the publisher's, which another publisher may use too.
        payload_type: the publisher's, for this codec.
        batch: where forwarded packets go.
        layer: which of the source's layers this is.

    Attributes:
        name: stands in its packets for an SSRC until each receiver's own does. No other track of this process has it:
            receivers' logs are searched by it, and what was found under a wrong name would be protected under a
            sequence number that was used for other bytes.
        tap: takes every packet, for the sinks.
        clock: the publisher's last sender report: seconds of its clock, and the RTP timestamp of that moment.
        asked_loss: loss that the publisher is told on behalf of receivers without redundancy, so that its encoder adds
            in-band FEC (RFC 6716 section 2.1.7).
        last_bps: the rate last measured, bits of IP packets per second, also while the layer rests.
        peak_bps: the highest rate lately, which falls by half in `PEAK_HALF_S`.
        cache_packets: packets kept for retransmission.
        keyframe_interval_s: shortest time between two keyframe requests.
    """

    def __init__(
        self,
        info: SourceInfo,
        ssrc: int,
        payload_type: int,
        batch: Batch,
        *,
        layer: Layer = "high",
        cache_packets: int,
        keyframe_interval_s: float,
    ) -> None:
        self._info = info
        self.ssrc = ssrc
        self.name = next(_names) & 0xFFFFFFFF
        self.payload_type = payload_type
        self._batch = batch
        self.layer: Layer = layer
        self.tap: Tap | None = None
        self.clock: tuple[float, int] | None = None
        self.asked_loss = 0.0
        self._rate_from = (0.0, 0)
        self._rate = self.last_bps = self.peak_bps = 0.0
        self._now = 0.0
        self._clock_rate = info.codec.clock_rate
        self._video = info.codec.kind == "video"
        self._starts_keyframe = keyframe_detector(info.codec.name)
        self._keyframe_interval_s = keyframe_interval_s
        self._cache: PacketCache[Cached] = PacketCache(cache_packets)
        self.nack = NackGenerator()
        self._tables: dict[Shape, Table] = {}
        self._quiet: dict[Shape, Table] = {}
        self._takers: dict[Shape, list[Receiver]] = {}
        self._entries: dict[Receiver, tuple[Shape, Entry | None]] = {}
        self._waiting: list[Receiver] = []
        self._pending: list[Outgoing] = []
        self._starts: dict[Receiver, int] = {}
        self._floor = -1
        self._skipped = 0
        # From which of the publisher's numbers on how many had been skipped: a late packet is numbered as it would have
        # been in time, lest it take the number, and the place in time, of another one.
        self._stretches: deque[tuple[int, int]] = deque(maxlen=MAX_STRETCHES)
        self._former: tuple[int, float] | None = None
        self._time_shift = 0
        self._lost_before = 0
        self._raw = -1
        self._raw_first = 0
        self._asked: dict[int, float] = {}
        self.highest = -1
        self.highest_time = 0
        self.highest_arrival = 0.0
        self.muted = False
        self.packets = self.octets = self.recovered = self.duplicates = self.plis = 0
        self.forwarded = 0
        self.unprotectable = 0
        self._received = 0
        self._reported = (0, 0)
        self._transit: float | None = None
        self._jitter = 0.0
        self._keyframe_wanted = False
        self._pli_at = -1e9
        self.rtt_s = 0.1

    @property
    def info(self) -> SourceInfo:
        """What others may know of it."""
        return self._info

    @property
    def heard(self) -> float:
        """When its publisher last sent something of it, muted or not."""
        return self._now

    def receive(self, plain: bytes, view: PacketView, seq: int, now: float, *, repaired: bool, begin: int) -> None:
        """One packet of the publisher.

        Args:
            plain: the decrypted datagram that `view` describes.
            seq: its sequence number, 16 bits (of the original packet, when it came as a retransmission).
            repaired: it came as a retransmission (RFC 4588).
            begin: where its payload begins (behind the original sequence number, when repaired).
        """
        self._now = now
        raw = extend(seq, self._raw) if self._raw >= 0 else seq + 0x10000
        jump = raw - self._raw
        if self._raw < 0:
            self._raw = self._raw_first = raw
            self._skipped = raw - 1
            self._stretches.append((raw - MAX_JUMP, self._skipped))
            jump = 1
        elif jump > MAX_JUMP or jump < -MAX_JUMP:
            if repaired or self._is_former(seq, now):
                return
            self._restart(raw, jump, view.timestamp, now)
            jump = 1
        elif jump > 0:
            self._raw = raw
        self.nack.received(raw, now)
        if repaired:
            self.recovered += 1
            asked = self._asked.pop(raw, None)
            if asked is not None:
                self.rtt_s += (min(max(now - asked, 0.005), 2.0) - self.rtt_s) / 8
        else:
            self._measure(view.timestamp, now)
        end = view.payload_end
        if self.muted or end <= begin:
            # What is dropped here leaves no hole behind: a muted stretch, or a packet that is padding alone.
            self._received += 1
            if jump > 0:
                self._skip(raw, jump if self.muted else 1)
            return
        timestamp, marker = self.time_of(view.timestamp), view.marker
        number = raw - self._skipped if jump > 0 else self._late_number(raw)
        if number is None:
            self.duplicates += 1
            return
        seq = number
        payload = plain[begin:end]
        packet = _header(0x80, self.payload_type | (0x80 if marker else 0), 0, timestamp, self.name) + payload
        if not self._cache.put(seq, (packet, timestamp)):
            self.duplicates += 1
            return
        self._received += 1
        self.packets += 1
        self.octets += end - begin
        if seq > self.highest:
            self.highest, self.highest_time, self.highest_arrival = seq, timestamp, now
        if self._video:
            if (self._keyframe_wanted or self._waiting) and self._starts_keyframe(payload):
                self._keyframe_wanted = False
                self._admit(seq, timestamp, now)
        elif self._waiting:
            self._admit(seq, timestamp, now)
        if self._entries:
            if not self._pending:
                self._batch.waiting.append(self)
            self._pending.append((packet, seq, timestamp))
            if seq < self._floor or len(self._pending) == MAX_TOGETHER:
                self.flush()
        if self.tap is not None:
            self.tap(self, seq, timestamp, marker, payload, now)

    def _is_former(self, seq: int, now: float) -> bool:
        """Whether a number far from the present ones is one of before the last restart."""
        if self._former is None:
            return False
        raw, until = self._former
        return now < until and abs(extend(seq, raw) - raw) <= MAX_JUMP

    def _restart(self, raw: int, jump: int, timestamp: int, now: float) -> None:
        """A restarted sender: number on without a hole, so that no receiver sees a jump (RFC 3711 section 3.3.1), and
        let its time go on as well."""
        self._former = (self._raw, now + FORMER_S)
        self._skipped += jump - 1
        self._stretches.clear()
        self._stretches.append((raw, self._skipped))
        self._raw = raw
        self._raw_first = raw - self._received
        self._lost_before += self.nack.given_up
        self.nack = NackGenerator()
        passed = max(1, round((now - self.highest_arrival) * self._clock_rate))
        ahead = time_diff(self.time_of(timestamp), self.highest_time)
        if self.highest >= 0 and (ahead <= 0 or abs(ahead - passed) > ODD_TIME_S * self._clock_rate):
            self._time_shift = (self.highest_time + passed - timestamp) & 0xFFFFFFFF
            # It will say anew how its clocks lie to each other.
            self.clock = None

    def _skip(self, raw: int, count: int) -> None:
        """The last `count` numbers up to `raw` are none of ours."""
        self._skipped += count
        if self._stretches[-1][0] == raw - count + 1:
            self._stretches.pop()  # nothing stood in it
        self._stretches.append((raw + 1, self._skipped))

    def _late_number(self, raw: int) -> int | None:
        """Our number of a late packet; None when it has none: it was skipped, or is older than all that is known."""
        end: int | None = None
        for begin, skipped in reversed(self._stretches):
            if raw >= begin:
                number = raw - skipped
                return number if end is None or number < end else None
            end = begin - skipped
        return None

    def time_of(self, timestamp: int) -> int:
        """A timestamp of the publisher on the clock that receivers of this track see."""
        return (timestamp + self._time_shift) & 0xFFFFFFFF

    def flush(self) -> None:
        """Send what this wake-up of the socket brought, together."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        # Packets count from when the kernel had them, but leave now: a busy server is not a full link to its receivers.
        now = max(self._now, self._batch.leaves_at)
        late = pending[-1][1] < self._floor
        for shape, table in self._tables.items():
            if shape.sparse:
                self._flush_sparse(pending, shape, table, now, late=late)
            else:
                self._fan_out(shaped(pending, shape, self._cache.get), shape, table, now, late=late)
        for shape, takers in self._takers.items():
            packets = shaped(pending, shape, self._cache.get)
            for receiver in takers:
                receiver.take(self, packets, now)

    def _fan_out(self, packets: Sequence[Outgoing], shape: Shape, table: Table, now: float, *, late: bool) -> None:
        if late:
            # A packet from before some receiver's start came last, and so alone or behind others of its burst.
            for one in packets:
                started = self._started(shape, one[1], table)
                self.unprotectable += forward(self._batch, [one], started, now)
                self.forwarded += len(started)
        else:
            self.unprotectable += forward(self._batch, packets, table, now)
            self.forwarded += len(table) * len(packets)

    def _flush_sparse(self, pending: Sequence[Outgoing], shape: Shape, table: Table, now: float, *, late: bool) -> None:
        for numbered, run in groupby(pending, lambda one: numbered_here(one[1], video=self._video)):
            if numbered:
                self._fan_out(shaped(list(run), shape, self._cache.get), shape, table, now, late=late)
            else:
                quiet = self._quiet[shape]
                self._fan_out(shaped(list(run), shape.bare, self._cache.get), shape, quiet, now, late=late)

    def _measure(self, timestamp: int, now: float) -> None:
        # Interarrival jitter, RFC 3550 section 6.4.1.
        transit = now * self._clock_rate - timestamp
        if self._transit is not None:
            difference = abs(transit - self._transit)
            if difference < self._clock_rate:
                self._jitter += (difference - self._jitter) / 16
        self._transit = transit

    def _admit(self, seq: int, timestamp: int, now: float) -> None:
        self.flush()
        waiting, self._waiting = self._waiting, []
        for receiver in waiting:
            if not receiver.begin(self, seq, timestamp, now):
                self._waiting.append(receiver)
                continue
            self._starts[receiver] = seq
            self._floor = max(self._floor, seq)
            self._entries[receiver] = (receiver.shape, receiver.entry())
            self._rebuild(receiver.shape)

    def _started(self, shape: Shape, seq: int, entries: Sequence[Entry]) -> list[Entry]:
        """Of a table, the receivers that the packet is for: it is in the order of `_entries`."""
        those = [receiver for receiver, (its, entry) in self._entries.items() if entry is not None and its == shape]
        return [entry for receiver, entry in zip(those, entries, strict=True) if self._starts[receiver] <= seq]

    def attach(self, receiver: Receiver, now: float) -> None:
        """A slot wants this track: from the next keyframe (video) or packet (sound) on."""
        if receiver not in self._waiting and receiver not in self._entries:
            self._waiting.append(receiver)
        if self._video:
            self.request_keyframe(now)

    def detach(self, receiver: Receiver) -> None:
        """A slot wants it no more."""
        self.flush()
        if receiver in self._waiting:
            self._waiting.remove(receiver)
        found = self._entries.pop(receiver, None)
        self._starts.pop(receiver, None)
        if found is not None:
            self._rebuild(found[0])

    def replace(self, receiver: Receiver) -> None:
        """The receiver's shape, address or way of taking packets changed; it goes on where it is."""
        self.flush()
        found = self._entries.get(receiver)
        if found is not None:
            self._starts[receiver] = receiver.first
            self._floor = max(self._floor, receiver.first)
            self._entries[receiver] = (receiver.shape, receiver.entry())
            self._rebuild(found[0])
            if receiver.shape != found[0]:
                self._rebuild(receiver.shape)

    def _rebuild(self, shape: Shape) -> None:
        entries = [entry for its, entry in self._entries.values() if entry is not None and its == shape]
        takers = [receiver for receiver, (its, entry) in self._entries.items() if entry is None and its == shape]
        if entries:
            self._tables[shape] = Table(entries)
            if shape.sparse:
                self._quiet[shape] = Table([(*entry[:5], None) for entry in entries])
        else:
            self._tables.pop(shape, None)
            self._quiet.pop(shape, None)
        if takers:
            self._takers[shape] = takers
        else:
            self._takers.pop(shape, None)

    def publish_report(self, ntp: int, timestamp: int) -> None:
        """The publisher's sender report, with its time on the server's clock, for every receiver."""
        for receiver in self._entries:
            receiver.report(self, ntp, timestamp)

    def bps(self, now: float) -> float:
        """What this stream costs a receiver, bits of IP packets per second; 0 when it has been silent for `IDLE_S`."""
        if now - self.highest_arrival > IDLE_S:
            self._rate_from, self._rate, self.peak_bps = (0.0, 0), 0.0, 0.0
            return 0.0
        at, bits = self._rate_from
        total = 8 * (self.octets + self.packets * WIRE_OVERHEAD)
        if now - at >= RATE_WINDOW_S:
            rate = (total - bits) / (now - at) if at else 0.0
            self._rate += (rate - self._rate) / (2 if self._rate else 1)
            if self._rate:
                self.last_bps = self._rate
            fallen = 0.5 ** ((now - at) / PEAK_HALF_S) if at else 0.0
            self.peak_bps = max(self._rate, self.peak_bps * fallen)
            self._rate_from = (now, total)
        return self._rate

    def starts_keyframe(self, payload: bytes) -> bool:
        """Whether a keyframe begins in this packet."""
        return self._starts_keyframe(payload)

    def cached(self, seq: int) -> Cached | None:
        """A packet for retransmission, by the track's own number."""
        return self._cache.get(seq)

    def request_keyframe(self, now: float) -> None:
        """Ask for a keyframe; `keyframe_due` says when the request goes out, again and again until one passes."""
        self._keyframe_wanted = self._video

    def keyframe_due(self, now: float) -> bool:
        """Whether a PLI is to be sent now: at most one each interval, since browsers ignore those that come close."""
        if not self._keyframe_wanted or self._raw < 0 or now - self._pli_at < self._keyframe_interval_s:
            return False
        self._pli_at = now
        self.plis += 1
        return True

    def missing(self, now: float) -> Sequence[int]:
        """Sequence numbers (the publisher's, extended) to ask for now."""
        if now < self.nack.next_deadline:
            return []
        seqs = self.nack.due(now, self.rtt_s)
        if len(self._asked) > MAX_ASKED:
            self._asked.clear()
        for seq in seqs:
            self._asked.setdefault(seq, now)
        return seqs

    def report(self, lsr: int, dlsr: int) -> ReportBlock | None:
        """The publisher's receiver report block (RFC 3550 section 6.4.1); None before the first packet.

        Args:
            lsr, dlsr: of the last sender report, see there.
        """
        if self._raw < 0:
            return None
        expected = self._raw - self._raw_first + 1
        received = self._received
        new_expected, new_received = expected - self._reported[0], received - self._reported[1]
        self._reported = (expected, received)
        lost_now = max(0, new_expected - new_received)
        fraction = min(255, lost_now * 256 // new_expected) if new_expected > 0 else 0
        fraction = max(fraction, int(256 * min(self.asked_loss, 0.25)))
        lost = max(0, min(expected - received, 0x7FFFFF))
        return ReportBlock(self.ssrc, fraction, lost, self._raw & 0xFFFFFFFF, int(self._jitter), lsr, dlsr)

    @property
    def lost(self) -> int:
        """Packets that never came, though they were asked for again."""
        return self._lost_before + self.nack.given_up
