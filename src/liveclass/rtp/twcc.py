"""Transport-wide congestion feedback: what arrived when, for the sender's bandwidth estimate.

Builds RTCP 205/15 as in draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1; `rtcp.parse` reads it. Without
it a browser that negotiated `transport-cc` falls to 30 kbit/s. Knows neither streams nor payloads: one builder per
transport.
"""

import struct
from math import inf

from liveclass.rtp.rtcp import REFERENCE_TICKS, TICK_S, TRANSPORT_LAYER_FEEDBACK, TRANSPORT_WIDE_FORMAT
from liveclass.rtp.serial import extend

HISTORY_S = 0.5
"""How long an arrival is kept to be told again when a packet comes late (as libwebrtc's back window)."""

MAX_STORED = 4096
"""Arrivals kept; a publisher of 10 Mbit/s sends about 500 packets in the window."""

MAX_HOLE = 500
"""Packets missing between two feedback packets that are still told as lost; a larger hole is a pause of the sender."""

MAX_DELTAS_BYTES = 1000
"""Chunks and deltas of one packet, so that with headers and SRTP it fits a 1,200-byte datagram."""

MAX_PER_BUILD = 8192
"""Statuses told in one call, so that a hostile pattern of numbers cannot keep the loop busy."""

_HEAD = struct.Struct("!BBHIIHHI")
_MISSING, _SMALL, _LARGE = 0, 1, 2
_RUN_MAX = 0x1FFF


class TransportFeedbackBuilder:
    """Collects arrivals of one transport and tells them to its sender.

    Args:
        sender_ssrc: our SSRC, as reporter.
        media_ssrc: a stream of the sender: Chromium takes feedback only under an SSRC that it sends.
        interval_s: time between feedback packets in seconds; 50 to 100 ms are usual.
    """

    __slots__ = ("_arrivals", "_count", "_due", "_highest", "_next", "_sender", "_start", "interval_s", "media_ssrc")

    def __init__(self, sender_ssrc: int, media_ssrc: int, *, interval_s: float = 0.1) -> None:
        self.interval_s = interval_s
        self._sender = sender_ssrc
        self.media_ssrc = media_ssrc
        self._arrivals: dict[int, float] = {}
        self._highest: int | None = None
        self._start: int | None = None
        self._next: int | None = None
        self._count = 0
        self._due = inf

    @property
    def next_deadline(self) -> float:
        """When feedback is due, on the clock of `now`; `math.inf` while nothing new has arrived."""
        return self._due

    def received(self, seq16: int, now: float) -> None:
        """Note the arrival of a packet; a duplicate counts once.

        Args:
            seq16: transport-wide sequence number from the header extension.
            now: seconds of the monotonic clock.
        """
        highest = self._highest
        if highest is None:
            # One rollover below zero is room for reordering around the first packet.
            seq = self._highest = seq16 + 0x10000
        else:
            seq = extend(seq16, highest)
            if seq > highest:
                self._highest = seq
        if seq in self._arrivals:
            return
        self._arrivals[seq] = now
        if self._start is None or seq < self._start:
            self._start = seq
        if self._due == inf:
            self._due = now + self.interval_s
        if len(self._arrivals) > MAX_STORED:
            del self._arrivals[next(iter(self._arrivals))]

    def due(self, now: float) -> bool:
        """Whether `build` should be called."""
        return now >= self._due

    def build(self, now: float) -> list[bytes]:
        """The feedback about everything that arrived since the last call.

        A packet that came late is told together with all behind it, as the sender has been told that it was missing.

        Args:
            now: seconds of the monotonic clock.

        Returns:
            RTCP packets, each below 1,200 bytes; several when a gap in time or numbers is too long for one; empty when
            nothing arrived.
        """
        self._due = inf
        if self._start is None:
            return []
        told = sorted(seq for seq in self._arrivals if seq >= self._start)
        if not told:
            self._start = None
            return []
        packets: list[bytes] = []
        budget = MAX_PER_BUILD
        position = 0
        base = told[0]
        if self._next is not None and 0 < base - self._next <= MAX_HOLE:
            # What was lost between two feedback packets is told as well, or the sender never hears of it.
            base = self._next
        while position < len(told) and budget > 0:
            packet, position, statuses = self._build_one(told, position, base)
            if position < len(told):
                base = told[position]
            packets.append(packet)
            budget -= statuses
        self._next = max(self._next or 0, told[position - 1] + 1)
        self._start = None
        if position < len(told):
            self._start = told[position]
            self._due = now + self.interval_s
        self._forget(now)
        return packets

    def _forget(self, now: float) -> None:
        horizon = now - HISTORY_S
        stale = [seq for seq, arrival in self._arrivals.items() if arrival < horizon]
        for seq in stale:
            del self._arrivals[seq]

    def _build_one(self, told: list[int], position: int, base: int) -> tuple[bytes, int, int]:
        """One packet from number `base` on, whose first arrival is `told[position]`.

        Returns:
            The packet, the position it reached, and the statuses it holds.
        """
        first_ticks = round(self._arrivals[told[position]] / TICK_S)
        reference = first_ticks // REFERENCE_TICKS
        ticks = reference * REFERENCE_TICKS
        symbols: list[int] = []
        deltas = bytearray()
        while position < len(told):
            seq = told[position]
            gap = seq - base - len(symbols)
            arrival = round(self._arrivals[seq] / TICK_S)
            delta = arrival - ticks
            if not -0x8000 <= delta <= 0x7FFF:
                break
            # Two bytes of chunk cover at least seven statuses. A long hole ends the packet too: it need not be told.
            if len(deltas) + 2 + (len(symbols) + gap) * 2 // 7 > MAX_DELTAS_BYTES and symbols:
                break
            symbols += [_MISSING] * gap
            if 0 <= delta <= 0xFF:
                symbols.append(_SMALL)
                deltas.append(delta)
            else:
                symbols.append(_LARGE)
                deltas += (delta & 0xFFFF).to_bytes(2, "big")
            ticks = arrival
            position += 1
        body = encode_chunks(symbols) + deltas
        body += bytes(-len(body) % 4)
        head = _HEAD.pack(
            0x80 | TRANSPORT_WIDE_FORMAT,
            TRANSPORT_LAYER_FEEDBACK,
            4 + (len(body) >> 2),
            self._sender,
            self.media_ssrc,
            base & 0xFFFF,
            len(symbols),
            (reference & 0xFFFFFF) << 8 | self._count,
        )
        self._count = self._count + 1 & 0xFF
        return head + body, position, len(symbols)


def encode_chunks(symbols: list[int]) -> bytes:
    """Packet status chunks: run lengths where 14 or more are alike, else vectors of 14 one-bit or 7 two-bit symbols.

    Args:
        symbols: 0 not received, 1 small delta, 2 large or negative delta (section 3.1.1 of the draft).
    """
    chunks = bytearray()
    total = len(symbols)
    at = 0
    while at < total:
        symbol = symbols[at]
        end = at + 1
        limit = min(total, at + _RUN_MAX)
        while end < limit and symbols[end] == symbol:
            end += 1
        if end - at >= 14 or end == total:
            chunks += (symbol << 13 | end - at).to_bytes(2, "big")
            at = end
            continue
        chunk = 0
        if _LARGE in symbols[at : at + 14]:
            for symbol in symbols[at : at + 7]:
                chunk = chunk << 2 | symbol
            filled = min(7, total - at)
            chunk = 0xC000 | chunk << 2 * (7 - filled)
        else:
            for symbol in symbols[at : at + 14]:
                chunk = chunk << 1 | symbol
            filled = min(14, total - at)
            chunk = 0x8000 | chunk << (14 - filled)
        chunks += chunk.to_bytes(2, "big")
        at += filled
    return bytes(chunks)
