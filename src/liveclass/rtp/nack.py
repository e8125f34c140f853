"""Which packets of an incoming source to ask for again, and when (generic NACK, RFC 4585 section 6.2.1).

One generator per source. It refuses to know how a request travels, what a packet holds, and who waits for it.
"""

from math import inf

from liveclass.rtp.types import ExtSeq

MIN_SPACING_S = 0.02
"""Never ask twice within 20 ms, however short the round trip: an answer needs that long on a busy browser."""

MAX_SPACING_S = 1.0
"""Back-off ends here, so that the tries are used up within the age that a request may reach."""

BACK_OFF = 1.5
"""Each further request waits this much longer: on a full link more requests make more loss."""

RESTART_BEHIND = 8192
"""A packet further behind than this is not late (at 5 s that would be 1,600 packets/s) but of a restarted sequence."""

MAX_ASKED = 250
"""Packets asked for at a time: at worst four bytes each, so that one RTCP packet holds them; the rest follows."""

_TRIES, _DEADLINE, _SINCE = 0, 1, 2


class NackGenerator:
    """Keeps the missing packets of one source and tells which are due to be asked for.

    A jump ahead of more than `max_missing` packets resets it: what lies before is given up, for a keyframe is cheaper
    than so many retransmissions.

    Args:
        max_missing: packets outstanding at a time; the oldest are given up first.
        max_age_s: how long a packet is asked for, in seconds; the recorder can use a packet that is seconds late.
        max_tries: requests for one packet.
        reorder_s: how long a gap may be mere reordering, in seconds; the first request waits for it.

    Attributes:
        given_up: packets that were missing and are no longer asked for.
        repaired: packets that arrived after they had been missing.
    """

    __slots__ = (
        "_highest",
        "_missing",
        "_next",
        "given_up",
        "max_age_s",
        "max_missing",
        "max_tries",
        "reorder_s",
        "repaired",
    )

    def __init__(
        self, *, max_missing: int = 1000, max_age_s: float = 5.0, max_tries: int = 10, reorder_s: float = 0.01
    ) -> None:
        self.max_missing = max_missing
        self.max_age_s = max_age_s
        self.max_tries = max_tries
        self.reorder_s = reorder_s
        self.given_up = 0
        self.repaired = 0
        self._highest: int | None = None
        self._missing: dict[int, list[float]] = {}
        self._next = inf

    @property
    def missing(self) -> int:
        """Packets that are outstanding now."""
        return len(self._missing)

    @property
    def next_deadline(self) -> float:
        """When `due` may have something to do, on the clock of `now`; `math.inf` when nothing is missing."""
        return self._next

    def received(self, seq: int, now: float) -> None:
        """Note a packet, whether first sent or retransmitted.

        Args:
            seq: extended sequence number (`ExtSeq`).
            now: seconds of the monotonic clock.
        """
        highest = self._highest
        if highest is None:
            self._highest = seq
            return
        ahead = seq - highest
        if ahead == 1:
            self._highest = seq
            return
        if ahead <= 0:
            if self._missing.pop(seq, None) is not None:
                self.repaired += 1
                if not self._missing:
                    self._next = inf
            elif -ahead > RESTART_BEHIND:
                self._reset(seq)
            return
        if ahead - 1 > self.max_missing:
            self._reset(seq)
            return
        self._highest = seq
        deadline = now + self.reorder_s
        for lost in range(highest + 1, seq):
            self._missing[lost] = [0, deadline, now]
        self._next = min(self._next, deadline)
        excess = len(self._missing) - self.max_missing
        if excess > 0:
            for oldest in list(self._missing)[:excess]:
                del self._missing[oldest]
            self.given_up += excess

    def due(self, now: float, rtt_s: float) -> list[ExtSeq]:
        """The packets to ask for now; each counts as asked.

        Args:
            now: seconds of the monotonic clock.
            rtt_s: round-trip time to the sender in seconds, as far as known.

        Returns:
            Extended sequence numbers, ascending, at most `MAX_ASKED`; with more due, `next_deadline` stays in the past.
        """
        if now < self._next:
            return []
        spacing = max(rtt_s, MIN_SPACING_S)
        ask: list[ExtSeq] = []
        hopeless: list[int] = []
        earliest = inf
        for seq, entry in self._missing.items():
            if entry[_DEADLINE] <= now and len(ask) < MAX_ASKED:
                if now - entry[_SINCE] > self.max_age_s or entry[_TRIES] >= self.max_tries:
                    hopeless.append(seq)
                    continue
                entry[_DEADLINE] = now + max(spacing, min(spacing * BACK_OFF ** entry[_TRIES], MAX_SPACING_S))
                entry[_TRIES] += 1
                ask.append(ExtSeq(seq))
            earliest = min(earliest, entry[_DEADLINE])
        for seq in hopeless:
            del self._missing[seq]
        self.given_up += len(hopeless)
        self._next = earliest
        # Numbers enter in ascending order and keep their place, so the answer is ascending without sorting.
        return ask

    def _reset(self, seq: int) -> None:
        self.given_up += len(self._missing)
        self._missing.clear()
        self._next = inf
        self._highest = seq
