"""One transceiver of a subscriber: shows one track after another as one unbroken RTP stream.

Sequence numbers and timestamps go on across changes of the track, so that the receiver never notices; it keeps what it
needs to answer requests for retransmission, also of the track before. Knows no SDP and no policy.
"""

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from liveclass.relay.fanout import Entry, forward
from liveclass.relay.track import Track
from liveclass.rtp.rtcp import build_sender_report
from liveclass.rtp.serial import extend
from liveclass.transport.batch import Batch
from liveclass.transport.sdp import OfferedCodec
from liveclass.transport.sdp_answer import compatible

HISTORY = 3
"""Former tracks whose packets can still be asked for: a request is at most seconds old."""


class Slot:
    """A place in a subscriber's session.

    Args:
        mid: of its m-line.
        kind: audio or video.
        codecs: what the subscriber decodes, with its payload types.
    """

    __slots__ = (
        "_history",
        "_next_seq",
        "_rtx_seq",
        "_start",
        "_time",
        "_time_at",
        "codecs",
        "handle",
        "kind",
        "mid",
        "name",
        "octets_base",
        "packets_base",
        "payload_type",
        "retransmitted",
        "rtx_payload_type",
        "rtx_ssrc",
        "send_report",
        "seq_offset",
        "ssrc",
        "time_offset",
        "track",
    )

    def __init__(self, mid: str, kind: str, codecs: Sequence[OfferedCodec]) -> None:
        self.mid = mid
        self.kind = kind
        self.codecs = codecs
        self.ssrc = 1 + secrets.randbelow(0xFFFFFFFE)
        self.rtx_ssrc = 1 + secrets.randbelow(0xFFFFFFFE)
        self.track: Track | None = None
        self.payload_type = 0
        self.rtx_payload_type: int | None = None
        self.send_report: Callable[[bytes], None] | None = None
        self.handle: Any = None
        self.name = b""
        # Below 2^15, so that the receiver's rollover counter surely starts at 0 (RFC 3711 section 3.3.1).
        self._next_seq = secrets.randbelow(0x7000)
        self._rtx_seq = secrets.randbelow(0x7000)
        self._time = secrets.randbits(31)
        self._time_at = 0.0
        self._start: int | None = None
        self.seq_offset = 0
        self.time_offset = 0
        self._history: list[tuple[int, int, Track, int, int]] = []
        self.retransmitted = 0
        self.packets_base = self.octets_base = 0

    def connect(self, handle: Any, name: bytes) -> None:
        """The subscriber can be reached: its SRTP handle and kernel address."""
        self.handle = handle
        self.name = name
        if self.track is not None and self._start is not None:
            self.track.replace(self, self._entry())

    def show(self, track: Track | None, now: float) -> bool:
        """Carry this track from its next packet or keyframe on.

        Returns:
            False when the subscriber cannot decode it; the slot is then empty.
        """
        if track is self.track:
            return True
        self._leave()
        if track is None:
            return True
        for codec in self.codecs:
            if compatible(track.info.codec, codec.codec):
                self.payload_type = codec.payload_type
                self.rtx_payload_type = codec.rtx_payload_type
                self.track = track
                track.attach(self, now)
                return True
        return False

    def _leave(self) -> None:
        track, self.track = self.track, None
        if track is None:
            return
        track.detach(self)
        if self._start is None:
            return
        end = track.highest + self.seq_offset
        self._history.append((self._start + self.seq_offset, end, track, self.seq_offset, self.time_offset))
        del self._history[:-HISTORY]
        self._next_seq = end + 1
        self._time = (track.highest_time + self.time_offset) & 0xFFFFFFFF
        self._time_at = track.highest_arrival
        self._start = None

    def begin(self, seq: int, timestamp: int, now: float) -> Entry | None:
        """The first packet of the track for this slot: number and time go on from the track before."""
        if self.handle is None or not self.name or self.track is None:
            return None
        rate = self.track.info.codec.clock_rate
        if self._time_at:
            # At least one tick: two frames may not share a timestamp.
            self._time += max(1, round((now - self._time_at) * rate))
        self._start = seq
        self.seq_offset = self._next_seq - seq
        self.time_offset = self._time - timestamp
        self.packets_base = self.track.packets
        self.octets_base = self.track.octets
        return self._entry()

    def _entry(self) -> Entry:
        return self.handle, self.name, self.seq_offset, self.time_offset, self.ssrc

    def retransmit(self, batch: Batch, seqs: Sequence[int], budget: int) -> int:
        """Answer a NACK from the caches: as RTX (RFC 4588) where negotiated, else the very same packet again.

        Args:
            seqs: 16-bit numbers of this slot's stream.
            budget: packets that may be sent at most.

        Returns:
            Packets sent.
        """
        if self.handle is None or not self.name:
            return 0
        newest = self.track.highest + self.seq_offset if self.track and self._start is not None else self._next_seq
        sent = 0
        for seq16 in seqs:
            if sent >= budget:
                break
            out = extend(seq16, newest)
            found = self._find(out)
            if found is None:
                continue
            packet, timestamp, time_offset = found
            marker = packet[1] & 0x80
            if self.rtx_payload_type is not None:
                head = bytes((0x80, marker | self.rtx_payload_type)) + packet[2:12]
                again = head + (out & 0xFFFF).to_bytes(2, "big") + packet[12:]
                entry = (self.handle, self.name, 0, time_offset, self.rtx_ssrc)
                forward(batch, [(again, self._rtx_seq, timestamp)], [entry])
                self._rtx_seq += 1
            else:
                again = bytes((0x80, marker | self.payload_type)) + packet[2:]
                entry = (self.handle, self.name, 0, time_offset, self.ssrc)
                forward(batch, [(again, out, timestamp)], [entry])
            sent += 1
        self.retransmitted += sent
        return sent

    def _find(self, out: int) -> tuple[bytes, int, int] | None:
        if self.track is not None and self._start is not None and out - self.seq_offset >= self._start:
            cached = self.track.cached(out - self.seq_offset)
            return (*cached, self.time_offset) if cached else None
        for start, end, track, seq_offset, time_offset in reversed(self._history):
            if start <= out <= end:
                cached = track.cached(out - seq_offset)
                return (*cached, time_offset) if cached else None
        return None

    def report(self, ntp: int, timestamp: int) -> None:
        """Tell the subscriber the stream's clock (sender report, RFC 3550 section 6.4.1).

        Args:
            ntp: 64-bit time of the sample, on the server's clock.
            timestamp: the track's RTP timestamp of that sample.
        """
        if self.track is None or self._start is None or self.send_report is None:
            return
        packets = (self.track.packets - self.packets_base) & 0xFFFFFFFF
        octets = (self.track.octets - self.octets_base) & 0xFFFFFFFF
        stamp = (timestamp + self.time_offset) & 0xFFFFFFFF
        self.send_report(build_sender_report(self.ssrc, ntp, stamp, packets, octets))
