"""One transceiver of a subscriber: shows one layer of one source after another as one unbroken RTP stream.

Sequence numbers and timestamps go on across changes of layer and source, so that the receiver never notices; it keeps
what it needs to answer requests for retransmission, also of what was shown before. Sound, and pictures on a link with
room, leave by the fan-out's tables; pictures on a narrow link come here packet by packet and wait for their turn in the
subscriber's pacer. Knows no SDP and no policy.
"""

import itertools
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from math import inf
from typing import Literal, Protocol

from liveclass.relay.carrier import Carrier
from liveclass.relay.fanout import Entry, Log, Outgoing
from liveclass.relay.layers import Layered
from liveclass.relay.ports import Layer
from liveclass.relay.segment import Segment
from liveclass.relay.shape import Shape, dress, numbered_here, payload_of
from liveclass.relay.track import Track
from liveclass.rtp.payload import droppable, frame_detector, resumes
from liveclass.rtp.rtcp import build_sender_report
from liveclass.rtp.serial import extend
from liveclass.transport.sdp import OfferedCodec
from liveclass.transport.sdp_answer import compatible

HISTORY = 64
"""Stretches of numbering whose packets can still be asked for: a picture at half its frames makes 8 a second, and
requests are at most seconds old."""

MAX_REPEATED = 256
"""Numbers remembered as just sent again; older ones are forgotten all at once."""

MAX_REQUESTED = 256
"""Numbers of one request that are looked at: more than a burst of two seconds takes, and a datagram can name 6,000."""

MISS_BYTES = 8
"""What looking in vain for a packet takes of the budget, so that asking for nonsense is not free."""

MAX_INDEXED = 512
"""Packets of sound whose exact bytes are at hand: as many as the log holds of one voice."""

AGAIN_S, AGAIN_MAX_S = 1.0, 16.0
"""A picture that starved is asked for anew: at once the first time, then after so long, doubled each time. Others pay
for each keyframe, and one that did not fit will not fit a moment later."""

FED_S = 20.0
"""A picture that lasted so long fits: patience starts anew."""

FIRST_REPORTS = 4
"""Sender reports of a stream's clock that are all passed on: a receiver needs two to put sound and picture together."""

REPORT_EVERY_S = 3
"""Then one so often, or up to 2 s later, by the stream, so that a hundred subscribers do not get theirs at once. RFC
3550 section 6.2 asks for one in 5 s; a report to each of 100 subscribers a second was 4% of the server's time."""

CLOCK_MOVED_S = 0.03
"""A clock that is so far from what was told is told anew at once: sound 45 ms beside a picture is seen."""

Act = Literal["send", "skip", "begin", "again"]

Paced = tuple["Slot", Track, Act, Outgoing]
"""What waits in the pacer: a packet to send, one to leave out without a hole, one that begins anew after a hole, or a
retransmission in a stream of its own."""

NTP_S = 1 << 32
"""A second of a 64-bit NTP time."""

PADDING_BYTES = 255
"""The most that one packet of padding can hold (RFC 3550 section 5.1)."""


class Waiting(Protocol):
    """The subscriber's pacer, as a slot needs it."""

    def push(self, item: Paced, size: int, screen: bool, now: float) -> bool:
        """False when there is no room."""

    def repeat(self, item: Paced, size: int, now: float) -> bool:
        """As `push`, before all pictures but behind sound."""

    def drop(self, slot: "Slot") -> None:
        """Forget what waits for this slot, but for repetitions."""

    @property
    def empty(self) -> bool:
        """Nothing waits, of no slot, not even a packet that is to be left out."""


class Slot:
    """A place in a subscriber's session.

    Args:
        mid: of its m-line.
        kind: audio or video.
        codecs: what the subscriber decodes, with its payload types.
        carrier: the way to the subscriber.
        red_type: payload type of RED that it takes, 0 for none. Only with transport-wide numbers: their log is what
            repeats a packet byte for byte.

    Attributes:
        source: what it shows or is about to show.
        paced: pictures wait in the pacer. Changed by `set_paced`.
        slow: frames that no other refers to are left out.
        depth: redundancy of sound, in frames.
        sparse: only some packets carry transport-wide numbers. Changed by `set_sparse`.
        each_report: pass on every sender report, as to another node, which tells its own subscribers by them.
        wish: the layer that the ladder wants, which may be asleep at its publisher still.
        starved: how often the pacer had no room.
    """

    def __init__(
        self, mid: str, kind: str, codecs: Sequence[OfferedCodec], carrier: Carrier, *, red_type: int = 0
    ) -> None:
        self.mid = mid
        self.kind = kind
        self.codecs = codecs
        self.carrier = carrier
        self.ssrc, self.rtx_ssrc = carrier.new_ssrc(), carrier.new_ssrc()
        self.source: Layered | None = None
        self.track: Track | None = None
        self.payload_type = 0
        self.rtx_payload_type: int | None = None
        self.red_type = red_type if carrier.number_id else 0
        self.send_report: Callable[[bytes], None] | None = None
        self.each_report = False
        self.pacer: Waiting | None = None
        self.paced = False
        self.slow = False
        self.wish: Layer | None = None
        self.depth = 0
        self.sparse = False
        self.starved = 0
        self.retransmitted = 0
        self.packets_base = self.octets_base = 0
        self._next: Track | None = None
        self._begun = False
        self._starving = False
        self._starved_at = self._ask_at = -1e9
        self._wait_s = 0.0
        # Below 2^15, so that the receiver's rollover counter surely starts at 0 (RFC 3711 section 3.3.1).
        self._next_seq = secrets.randbelow(0x7000)
        self._rtx_seq = secrets.randbelow(0x7000)
        self._time = secrets.randbits(31)
        self._time_at = 0.0
        self._emitted = -1
        self._segments: deque[Segment] = deque(maxlen=HISTORY)
        self._repeated: dict[int, float] = {}
        self._exact: dict[int, tuple[int, Outgoing]] = {}
        self._exact_to = 0
        self._told = (0, 0)
        self._reports = 0
        self._report_every = int((REPORT_EVERY_S + self.ssrc % 1024 / 512) * NTP_S)
        self._slowed = False
        self._droppable: Callable[[bytes], bool] = _never
        self._starts_frame: Callable[[bytes], bool] = _never
        self._resumes: Callable[[bytes], bool] = _never

    @property
    def layer(self) -> Layer | None:
        """What it carries now."""
        return self.track.layer if self.track is not None and self._begun else None

    @property
    def awaited(self) -> Track | None:
        """The layer whose keyframe it waits for."""
        return self._next

    @property
    def shape(self) -> Shape:
        """The shape in which the subscriber takes packets of this slot."""
        depth = self.depth if self.red_type else 0
        red_type = self.red_type if depth else 0
        return Shape(self.payload_type, self.carrier.number_id, red_type, depth, self.sparse)

    def entry(self) -> Entry | None:
        """See `track.Receiver`."""
        if self.paced or not self.carrier.direct or not self._segments:
            return None
        segment = self._segments[-1]
        return self.carrier.entry(segment.seq_offset, segment.time_offset, self.ssrc)

    @property
    def first(self) -> int:
        """See `track.Receiver`."""
        return self._segments[-1].start

    # What is shown

    def reached(self) -> None:
        """The subscriber is reached by another way now."""
        for track in (self.track, self._next):
            if track is not None:
                track.replace(self)

    def show(self, source: Layered | None, now: float) -> bool:
        """Carry this source from its next packet or keyframe on; the layer is chosen by `choose`.

        Returns:
            False when the subscriber cannot decode it; the slot is then empty.
        """
        if source is self.source:
            return True
        self.leave(now)
        self.source = None
        if source is None:
            return True
        for codec in self.codecs:
            if compatible(source.info.codec, codec.codec):
                self.payload_type = codec.payload_type
                self.rtx_payload_type = codec.rtx_payload_type
                name = source.info.codec.name
                self._droppable, self._resumes = droppable(name), resumes(name)
                self._starts_frame = frame_detector(name)
                self.source = source
                return True
        return False

    def choose(self, track: Track | None, now: float) -> None:
        """Carry this layer from its next keyframe (or packet of sound) on; until then the one before goes on."""
        if track is None:
            self.leave(now)
            return
        if self._next is not None and self._next is not track:
            self._next.detach(self)
            self._next = None
        if track is self.track or track is self._next:
            return
        if self.track is None:
            self.track = track
        else:
            self._next = track
        track.attach(self, now)

    def leave(self, now: float) -> None:
        """Carry nothing; the source stays the slot's own."""
        if self._next is not None:
            self._next.detach(self)
            self._next = None
        track = self.track
        if track is not None:
            track.detach(self)
            self._close()
            self.track = None

    def _close(self) -> None:
        """The present stretch of numbers ends with what was sent of it."""
        if self.pacer is not None:
            self.pacer.drop(self)
        track, self._starving = self.track, False
        if track is None or not self._begun:
            return
        self._begun = False
        segment = self._segments[-1]
        if not self.paced:
            self._note_sent(track)
        if self._emitted < segment.start:
            self._segments.pop()
        else:
            segment.end = self._emitted

    def _note_sent(self, track: Track) -> None:
        """All that came of the track was sent by the fan-out's tables: what comes next, in another stretch or another
        way, must lie behind it in numbers and in time."""
        segment = self._segments[-1]
        if track.highest >= segment.start:
            self._emitted = track.highest
            self._next_seq = max(self._next_seq, track.highest + segment.seq_offset + 1)
            self._time = (track.highest_time + segment.time_offset) & 0xFFFFFFFF
            self._time_at = track.highest_arrival

    def set_paced(self, paced: bool) -> None:
        """Let pictures wait in the pacer, or no more: then not before nothing waits there, as what is left out on its
        way through moves the numbers of what follows."""
        if paced == self.paced or (self.paced and self._starving):
            return
        if paced:
            # What leaves by the pacer is numbered, each packet of it, and must be repeated so.
            self.set_sparse(False)
        track = self.track
        if track is not None and self._begun:
            track.flush()
            if paced:
                self._note_sent(track)
        if not paced and self.pacer is not None and not self.pacer.empty:
            return
        self.paced = paced
        for one in (track, self._next):
            if one is not None:
                one.replace(self)

    def set_depth(self, depth: int) -> None:
        """Repeat that many earlier frames in each packet of sound."""
        if depth != self.depth:
            self.depth = depth
            for one in (self.track, self._next):
                if one is not None:
                    one.replace(self)

    def set_sparse(self, sparse: bool) -> None:
        """Number only some packets, or all of them: only where packets leave by the fan-out's tables, and sound without
        redundancy."""
        if sparse == self.sparse:
            return
        track = self.track
        if track is not None and self._begun and not self.paced:
            track.flush()
            former = self._segments[-1]
            self._note_sent(track)
            if track.highest >= former.start:
                # Requests for repetition must find out how a packet was sent.
                former.end, start = track.highest, track.highest + 1
                segment = Segment(track, start, former.seq_offset, former.time_offset, sparse=sparse)
                self._segments.append(segment)
            else:
                former.sparse = sparse
        self.sparse = sparse
        for one in (track, self._next):
            if one is not None:
                one.replace(self)

    def begin(self, track: Track, seq: int, timestamp: int, now: float) -> bool:
        """The first packet of a layer for this slot: number and time go on from what was before."""
        if not self.carrier.ready or self.source is None:
            return False
        former = self._segments[-1] if self._segments else None
        if track is self._next:
            old, self._next = self.track, None
            if old is not None:
                old.detach(self)
                self._close()
            self.track = track
        self._start_segment(track, former, seq, timestamp, now)
        self.packets_base = track.packets
        self.octets_base = track.octets
        return True

    def _start_segment(self, track: Track, former: Segment | None, seq: int, timestamp: int, now: float) -> None:
        offset = self._aligned(track, former, timestamp)
        if offset is None:
            if self._time_at:
                # At least one tick: two frames may not share a timestamp.
                self._time += max(1, round((now - self._time_at) * track.info.codec.clock_rate))
            offset = self._time - timestamp
        segment = Segment(track, seq, self._next_seq - seq, offset & 0xFFFFFFFF, sparse=self.sparse)
        self._segments.append(segment)
        self._begun = True
        self._emitted = seq - 1

    def _aligned(self, track: Track, former: Segment | None, timestamp: int) -> int | None:
        """The timestamp offset that keeps one publisher's layers on one clock, by its sender reports; None without."""
        if former is None or not self._time_at or former.track.info.participant != track.info.participant:
            return None
        offset: int | None
        if former.track is track:
            offset = former.time_offset
        elif former.track.clock is None or track.clock is None:
            return None
        else:
            rate = track.info.codec.clock_rate
            apart = round((track.clock[0] - former.track.clock[0]) * rate)
            offset = former.track.clock[1] + apart - track.clock[1] + former.time_offset
        ahead = (timestamp + offset - self._time) & 0xFFFFFFFF
        # A new clock, or a layer whose keyframe is older than what was shown: then by arrival.
        return offset if 0 < ahead < 120 * track.info.codec.clock_rate else None

    # Packets that come one by one

    def take(self, track: Track, packets: Sequence[Outgoing], now: float) -> None:
        """See `track.Receiver`: sound over TCP leaves at once, pictures wait for their turn."""
        if track is not self.track or not self._begun:
            return
        if not self.paced or self.pacer is None:
            segment = self._segments[-1]
            started = [one for one in packets if one[1] >= segment.start]
            if started:
                self._emitted = max(self._emitted, started[-1][1])
                self.carrier.send(started, segment.seq_offset, segment.time_offset, self.ssrc, now)
            return
        screen = track.info.kind == "screen"
        for one in packets:
            act: Act = "send"
            payload = payload_of(one[0])
            if self._starving:
                if not track.starts_keyframe(payload):
                    continue
                act, self._starving = "begin", False
            if self.slow != self._slowed and (self._starts_frame if self.slow else self._resumes)(payload):
                # Only between frames: a frame of which a part is left out without a hole would be taken for whole.
                self._slowed = self.slow
            if act == "send" and self._slowed and self._droppable(payload):
                act = "skip"
            if not self.pacer.push((self, track, act, one), 0 if act == "skip" else len(one[0]), screen, now):
                self._starve(track, now)
                return

    def _starve(self, track: Track, now: float) -> None:
        """The link is slower than the picture: what waits is dropped up to the next keyframe."""
        self.starved += 1
        if self.pacer is not None:
            self.pacer.drop(self)
        self._starving = True
        if now - self._starved_at > FED_S + self._wait_s:
            self._wait_s = 0.0
        self._starved_at, self._ask_at = now, now + self._wait_s
        self._wait_s = min(AGAIN_MAX_S, max(AGAIN_S, 2 * self._wait_s))
        self.feed(now)

    def feed(self, now: float) -> None:
        """Ask for the keyframe that a starved picture needs, once it may; to be called every 100 ms."""
        if self._starving and self.track is not None and now >= self._ask_at:
            self._ask_at = inf
            self.track.request_keyframe(now)

    @property
    def starving(self) -> bool:
        """Nothing leaves before a keyframe."""
        return self._starving

    def emit(self, track: Track, act: Act, one: Outgoing, now: float) -> None:
        """A packet's turn has come."""
        if act == "again":
            self._send_again(one, now)
            return
        if track is not self.track or not self._segments:
            return
        seq = one[1]
        segment = self._segments[-1]
        if act == "begin":
            self._restart(track, one, now)
            segment = self._segments[-1]
        elif act == "skip":
            self._skip(segment, seq)
            return
        if seq < segment.start:
            found = next((s for s in reversed(self._segments) if s.track is track and s.holds(seq)), None)
            if found is None:
                return
            segment = found
        if seq > self._emitted:
            self._emitted = seq
            self._time = (one[2] + segment.time_offset) & 0xFFFFFFFF
            self._time_at = now
            self._next_seq = max(self._next_seq, seq + segment.seq_offset + 1)
        self.carrier.send([one], segment.seq_offset, segment.time_offset, self.ssrc, now)

    def _restart(self, track: Track, one: Outgoing, now: float) -> None:
        former = self._segments[-1]
        if self._emitted < former.start:
            self._segments.pop()
        else:
            former.end = self._emitted
        self._start_segment(track, former, one[1], one[2], now)

    def _skip(self, segment: Segment, seq: int) -> None:
        """Leave one packet out so that the numbers behind it close up; one that comes late only stays out."""
        if seq <= self._emitted:
            return
        # Whatever is missing between the last packet and this one keeps its number: it may still come.
        if segment.start > self._emitted:
            if seq == segment.start:
                segment.start += 1
                segment.seq_offset -= 1
                self._emitted = seq
            return
        if seq != self._emitted + 1:
            return
        segment.end = self._emitted
        self._segments.append(Segment(segment.track, seq + 1, segment.seq_offset - 1, segment.time_offset))
        self._emitted = seq

    # Repairs

    def retransmit(self, seqs: Sequence[int], budget: int, again_after_s: float, now: float) -> int:
        """Answer a NACK from the caches: as RTX (RFC 4588) where negotiated, else the very same packet again.

        Args:
            seqs: 16-bit numbers of this slot's stream.
            budget: bytes that may be sent at most.
            again_after_s: a number sent again within this time is under way still.

        Returns:
            Bytes that the request took of the budget.
        """
        if not self.carrier.ready or not self._segments:
            return 0
        last = self._next_seq - 1
        if self.track is not None and self._begun and not self.paced:
            last = self.track.highest + self._segments[-1].seq_offset
        if len(self._repeated) > MAX_REPEATED:
            self._repeated.clear()
        spent = 0
        for seq16 in dict.fromkeys(seqs[:MAX_REQUESTED]):
            if spent >= budget:
                break
            out = extend(seq16, last)
            if now - self._repeated.get(out, -1e9) < again_after_s:
                continue
            size = self._repeat(out, now)
            if size:
                self._repeated[out] = now
                self.retransmitted += 1
            spent += size or MISS_BYTES
        return spent

    def _repeat(self, out: int, now: float) -> int:
        for segment in reversed(self._segments):
            if segment.holds(out - segment.seq_offset):
                break
        else:
            return 0
        seq = out - segment.seq_offset
        if self.paced and segment is self._segments[-1] and seq > self._emitted:
            return 0
        if self.rtx_payload_type is None:
            return self._repeat_exactly(segment, seq, out)
        cached = segment.track.cached(seq)
        if cached is None:
            return 0
        packet, timestamp = cached
        body = (out & 0xFFFF).to_bytes(2, "big") + packet[12:]
        again = dress(packet, self.shape, self.rtx_payload_type, body)
        one = (again, 0, timestamp + segment.time_offset)
        if not self.paced or self.pacer is None:
            self._send_again(one, now)
        elif not self.pacer.repeat((self, segment.track, "again", one), len(again), now):
            return 0
        return len(again)

    def _send_again(self, one: Outgoing, now: float) -> None:
        self._rtx_seq += 1
        self.carrier.send([(one[0], self._rtx_seq, one[2])], 0, 0, self.rtx_ssrc, now)

    def _repeat_exactly(self, segment: Segment, seq: int, out: int) -> int:
        log = self.carrier.log
        if log is None or (segment.sparse and not numbered_here(seq, video=self.kind == "video")):
            cached = segment.track.cached(seq)
            if cached is None:
                return 0
            packet, timestamp = dress(cached[0], self.shape.bare, self.payload_type), cached[1]
            self.carrier.repeat(packet, 0, out, timestamp + segment.time_offset, self.ssrc)
            return len(packet)
        self._index(log)
        found = self._exact.get(out)
        if found is None:
            return 0
        number, (packet, _, timestamp) = found
        self.carrier.repeat(packet, number, out, timestamp + segment.time_offset, self.ssrc)
        return len(packet)

    def _index(self, log: Log) -> None:
        """Find this slot's packets among those that the log has had since the last time: each run is looked at once,
        however often a receiver asks."""
        streams = {segment.track.name.to_bytes(4, "big") for segment in self._segments}
        types = {self.red_type, *(codec.payload_type for codec in self.codecs)}
        fresh: list[tuple[int, tuple[int, Outgoing]]] = []
        for first, _, packets in itertools.chain(reversed(log.runs), reversed(log.past)):
            if first < self._exact_to:
                break
            for place in range(len(packets) - 1, -1, -1):
                one = packets[place]
                if one[0][8:12] in streams and one[0][1] & 0x7F in types:
                    segment = self._segment_of(one)
                    if segment is not None:
                        fresh.append((one[1] + segment.seq_offset, (first + place, one)))
        self._exact_to = log.next
        for out, found in reversed(fresh):
            self._exact.setdefault(out, found)
        while len(self._exact) > MAX_INDEXED:
            del self._exact[next(iter(self._exact))]

    def _segment_of(self, one: Outgoing) -> Segment | None:
        stream = one[0][8:12]
        for segment in reversed(self._segments):
            if segment.holds(one[1]) and segment.track.name.to_bytes(4, "big") == stream:
                return segment
        return None

    def pad(self, size: int, now: float) -> int:
        """Send padding as retransmissions of nothing (RFC 4588, as browsers do), to learn what the link carries.

        Returns:
            Bytes sent: 0 where nothing can carry padding.
        """
        payload_type = self.rtx_payload_type or next(
            (c.rtx_payload_type for c in self.codecs if c.rtx_payload_type), None
        )
        if self.kind != "video" or payload_type is None or not self.carrier.ready:
            return 0
        shape = self.shape
        head = bytes((0x80, payload_type)) + bytes(6) + self.rtx_ssrc.to_bytes(4, "big")
        padding = bytes(PADDING_BYTES - 1) + bytes((PADDING_BYTES,))
        plain = dress(head, shape, payload_type, padding)
        packet = bytes((plain[0] | 0x20,)) + plain[1:]
        sent = 0
        while sent < size:
            self._rtx_seq += 1
            self.carrier.send([(packet, self._rtx_seq, 0)], 0, self._time, self.rtx_ssrc, now)
            sent += len(packet)
        return sent

    def report(self, track: Track, ntp: int, timestamp: int) -> None:
        """Tell the subscriber the stream's clock (sender report, RFC 3550 section 6.4.1), unless it knows.

        Args:
            ntp: 64-bit time of the sample, on the server's clock.
            timestamp: the track's RTP timestamp of that sample.
        """
        if track is not self.track or not self._begun or self.send_report is None:
            return
        stamp = (timestamp + self._segments[-1].time_offset) & 0xFFFFFFFF
        if self._knows(ntp, stamp, track.info.codec.clock_rate) and not self.each_report:
            return
        self._told = (ntp, stamp)
        self._reports += 1
        packets = (track.packets - self.packets_base) & 0xFFFFFFFF
        octets = (track.octets - self.octets_base) & 0xFFFFFFFF
        self.send_report(build_sender_report(self.ssrc, ntp, stamp, packets, octets))

    def _knows(self, ntp: int, stamp: int, rate: int) -> bool:
        """Whether the subscriber was told lately, and often enough, of a clock that says the same as this."""
        before, told = self._told
        passed = ntp - before
        apart = (stamp - told - (passed * rate >> 32) + 0x80000000 & 0xFFFFFFFF) - 0x80000000
        if abs(apart) > CLOCK_MOVED_S * rate:
            self._reports = 0
        return self._reports >= FIRST_REPORTS and 0 <= passed < self._report_every


def _never(_payload: bytes) -> bool:
    return False
