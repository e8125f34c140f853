"""Packets from the order of arrival into the order of sequence, waiting a bounded time for retransmissions.

For sinks that can afford the wait (the recorder: seconds). Knows nothing of payloads; a gap that stays is simply a jump
in the sequence numbers that come out.
"""

from bisect import insort
from math import inf
from typing import NamedTuple

RESTART_GAP = 8192
"""A jump of this many packets either way is a restarted stream, not loss: what waits is let out at once."""


class Arrived(NamedTuple):
    """A packet on its way through the buffer.

    Attributes:
        seq: extended sequence number (`ExtSeq`).
        timestamp: RTP timestamp, 32 bits.
        arrival: seconds of the monotonic clock.
    """

    seq: int
    timestamp: int
    marker: bool
    payload: bytes
    arrival: float


class ReorderBuffer:
    """Lets packets out in order; waits up to `depth_s` for one that is missing.

    Args:
        depth_s: the longest that a packet is held back for an earlier one, in seconds.
        max_packets: packets held at a time; beyond it the oldest gap is given up.

    Attributes:
        late: packets that came after their place had been given up.
        duplicates: packets that came twice.
        skipped: sequence numbers given up.
        restarts: jumps that were taken as a new beginning.
    """

    __slots__ = (
        "_expected",
        "_order",
        "_ready",
        "_waiting",
        "depth_s",
        "duplicates",
        "late",
        "max_packets",
        "restarts",
        "skipped",
    )

    def __init__(self, depth_s: float, max_packets: int = 4096) -> None:
        self.depth_s = depth_s
        self.max_packets = max_packets
        self.late = 0
        self.duplicates = 0
        self.skipped = 0
        self.restarts = 0
        self._expected: int | None = None
        self._waiting: dict[int, Arrived] = {}
        self._order: list[int] = []
        self._ready: list[Arrived] = []

    def __len__(self) -> int:
        return len(self._waiting) + len(self._ready)

    @property
    def next_deadline(self) -> float:
        """When `pop` has more to give even if nothing is pushed; `math.inf` when the buffer is empty."""
        if self._ready:
            return -inf
        # The first entry of the dict is the longest there: packets enter in the order of arrival.
        for packet in self._waiting.values():
            return packet.arrival + self.depth_s
        return inf

    def push(self, seq: int, timestamp: int, marker: bool, payload: bytes, now: float) -> None:
        """Take a packet in the order of arrival. Duplicates and packets that come too late are counted and dropped.

        Args:
            seq: extended sequence number (`ExtSeq`).
            timestamp: RTP timestamp, 32 bits.
            now: arrival, seconds of the monotonic clock; never less than in the call before.
        """
        packet = Arrived(seq, timestamp, marker, payload, now)
        expected = self._expected
        if expected is None:
            self._expected = expected = seq
        if seq == expected:
            self._ready.append(packet)
            self._expected = seq + 1
            if self._waiting:
                self._advance()
            return
        ahead = seq - expected
        if not -RESTART_GAP < ahead < RESTART_GAP:
            self.restarts += 1
            self._give_up_all()
            self._ready.append(packet)
            self._expected = seq + 1
        elif ahead < 0:
            # Which of the two it is cannot be told without a memory of what was let out; both are dropped.
            self.late += 1
        elif seq in self._waiting:
            self.duplicates += 1
        else:
            self._waiting[seq] = packet
            insort(self._order, seq)
            while len(self._waiting) > self.max_packets:
                self._skip_gap()

    def passes(self, seq: int) -> bool:
        """Whether this packet comes in order, as nearly all do: it then counts as let out and need not enter.

        Args:
            seq: extended sequence number (`ExtSeq`).
        """
        if seq != self._expected or self._waiting or self._ready:
            return False
        self._expected = seq + 1
        return True

    def pop(self, now: float) -> list[Arrived]:
        """The packets that are in order, or have waited long enough.

        Args:
            now: seconds of the monotonic clock.
        """
        while self._waiting and next(iter(self._waiting.values())).arrival + self.depth_s <= now:
            self._skip_gap()
        ready = self._ready
        if ready:
            self._ready = []
        return ready

    def flush(self) -> list[Arrived]:
        """Everything that is left, in order; the buffer goes on behind it."""
        self._give_up_all()
        ready = self._ready
        self._ready = []
        return ready

    def _advance(self) -> None:
        """Let out what follows on from the expected number without a gap."""
        expected = self._expected
        done = 0
        for seq in self._order:
            if seq != expected:
                break
            self._ready.append(self._waiting.pop(seq))
            expected += 1
            done += 1
        del self._order[:done]
        self._expected = expected

    def _skip_gap(self) -> None:
        first = self._order[0]
        if self._expected is not None:
            self.skipped += first - self._expected
        self._expected = first
        self._advance()

    def _give_up_all(self) -> None:
        while self._order:
            self._skip_gap()
