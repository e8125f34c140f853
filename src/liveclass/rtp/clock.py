"""RTP timestamps of the sources of one publisher onto one timeline: seconds of the server's monotonic clock.

Each source counts ticks of its own crystal from a random start. Sender reports tie those ticks to the publisher's wall
clock (RFC 3550 section 6.4.1), which keeps sound and picture together; arrivals tie that wall clock to ours, which
keeps the recording in step with the lesson. The wall clock may drift, be hours wrong and jump; arrivals jitter and
stall. So reports are believed where arrivals agree with them, and what is left moves slowly.

Refuses to know codecs, files and who reads the timeline.
"""

from collections import deque
from math import inf

from liveclass.errors import UsageError
from liveclass.rtp.lowest import Lowest
from liveclass.rtp.serial import time_diff

OFFSET_SLEW = 0.003
"""Seconds per second by which the publisher's offset follows the least delay: above any crystal, below notice."""

OFFSET_FALL = 0.02
"""The same where the offset was learnt in a long queue that has drained since (over `OFFSET_FAR_S` too late)."""

OFFSET_FAR_S = 0.2

SOURCE_SLEW = 0.01
"""Seconds per second by which one source closes a small error: no ear or eye finds it."""

SOURCE_BRAKE = 0.1
"""The same for an error above `STEP_S` where the timeline would have to go back: it slows down instead."""

STEP_S = 0.025
"""A source that is late by more than this steps forward at once, as after lost packets; two such errors of opposite
sign stay below the 80 ms that lip-sync allows."""

SAME_CLOCK_S = 0.25
"""A report that moves the timeline by less than this is believed without question."""

EARLIEST_S = -5.0
"""A first report may place samples this much before the arrivals say (long encoders), ..."""

LATEST_S = 0.5
"""... but hardly after: nothing arrives before it was sampled."""

NEAR_S = 1.0
"""A first report that fits only a jump other than the last believed must fit it more closely."""

SILENT_S = 1.0
"""A report about a source that is silent says where its clock would be if it ran, which it may not."""

PAUSE_S = 0.5
"""Silence of a source that its timestamps do not account for, while the publisher's other sources were heard."""

OVERTAKEN_S = 1.0
"""Packets this little older than the first that came after a jump or pause were overtaken by it, and belong to it."""

QUIET_S = 0.3
"""Longer silence of all sources is a stalled network; a pause cannot be told from it."""

JUMP_S = 2.0
"""Timestamps that lie further in the future than this have jumped; less may be a queue that has drained."""

LATE_S = 10.0
"""A packet this far behind is not a retransmission (they are asked for during 5 s) but a jump back."""

BEHIND_S = 2.0
"""Packets later than this for `BEHIND_FOR_S` without a break mean that the source paused: a queue would drain."""

BEHIND_FOR_S = 1.5

MAX_SHIFTS = 8
"""Jumps of the wall clock remembered; a wall clock that jumps more often is as good as none."""

MAX_EPOCHS = 8
"""Jumps of one source's timestamps that may wait in a reorder buffer at a time."""


class _Shift:
    """How far the wall clock has jumped in all; `claimed_by` is the one source that says so, None when two agree."""

    __slots__ = ("claimed_by", "seconds")

    def __init__(self, seconds: float, claimed_by: object) -> None:
        self.seconds = seconds
        self.claimed_by = claimed_by


class PublisherClock:
    """Where the wall clock of one publisher lies on our clock. One per publisher, shared by its `SourceClock`s."""

    __slots__ = ("_lows", "_origin_s", "_slewed", "last_arrival", "offset_s", "resumed", "shifts")

    def __init__(self) -> None:
        self.offset_s: float | None = None
        self.shifts: list[_Shift] = []
        self.last_arrival = -inf
        self.resumed = -inf
        self._origin_s = 0.0
        self._lows = Lowest()
        self._slewed = 0.0

    def start(self, ntp_s: float, timeline_s: float, now: float) -> None:
        """Take the first report of any source as the beginning of the publisher's time."""
        # Small numbers keep the fractions exact: seconds since 1900 leave a double only half a microsecond.
        self._origin_s = ntp_s
        self.shifts = [_Shift(0.0, None)]
        self.offset_s = timeline_s
        self._slewed = now

    def times(self, ntp_s: float) -> list[float]:
        """The publisher's time that a wall clock reading may mean, one for each known jump, last believed first."""
        return [ntp_s - self._origin_s + shift.seconds for shift in self.shifts]

    def claim(self, ntp_s: float, publisher_s: float, source: object) -> _Shift:
        """The wall clock may have jumped: from now on `ntp_s` may mean `publisher_s`.

        It comes first only when a second report agrees, so that one senseless report changes nothing.
        """
        shift = _Shift(publisher_s - (ntp_s - self._origin_s), source)
        self.shifts.insert(1, shift)
        del self.shifts[MAX_SHIFTS:]
        return shift

    def believe(self, index: int, source: object) -> _Shift:
        """A report of `source` agrees with this entry of `times`: what another source alone claimed since is wrong."""
        shift = self.shifts[index]
        if shift.claimed_by is not source:
            shift.claimed_by = None
        others = [other for other in self.shifts if other is not shift and other.claimed_by in {None, source}]
        self.shifts = [shift, *others]
        return shift

    def heard(self, now: float) -> None:
        """Any packet of any source arrived."""
        if now - self.last_arrival > QUIET_S:
            self.resumed = now
        self.last_arrival = now

    def delayed(self, delay_s: float, now: float) -> None:
        """A sample arrived `delay_s` after its publisher's time: the offset follows the least of these, slowly."""
        self._lows.add(delay_s, now)
        if self.offset_s is None:
            return
        elapsed = now - self._slewed
        self._slewed = now
        error = self._lows.low - self.offset_s
        if error >= 0:
            self.offset_s += min(elapsed * OFFSET_SLEW, error)
        else:
            self.offset_s += max(-elapsed * (OFFSET_FALL if error < -OFFSET_FAR_S else OFFSET_SLEW), error)


class _Epoch:
    """A stretch in which the timestamps of a source run on without a jump; ticks are extended beyond 32 bits."""

    __slots__ = ("first", "last", "lows", "reference_s", "reference_ticks", "shift")

    def __init__(self, first: int) -> None:
        self.first = first
        self.last = first
        self.lows = Lowest()
        self.reference_s: float | None = None
        self.reference_ticks = 0
        self.shift: _Shift | None = None

    def extend(self, timestamp: int) -> int:
        return self.last + time_diff(timestamp, self.last & 0xFFFFFFFF)

    def distance(self, timestamp: int) -> int:
        """Ticks between a timestamp and what has been seen of this epoch; 0 inside."""
        ticks = self.extend(timestamp)
        return max(self.first - ticks, ticks - self.last, 0)


class SourceClock:
    """Where the timestamps of one source lie on our clock.

    Call `arrival` for every packet in the order of arrival, `sender_report` for every report, and `to_timeline` for
    every access unit in decoding order, which may lag behind by the depth of a reorder buffer.

    Args:
        clock_rate: ticks per second of the source's timestamps.
        publisher: shared by all sources of one publishing session.

    Attributes:
        discontinuities: grows when `to_timeline` crosses a jump of the timestamps or a pause they do not account for.
    """

    __slots__ = (
        "_behind_since",
        "_bias_s",
        "_epochs",
        "_heard",
        "_out_s",
        "_out_ticks",
        "_publisher",
        "_rate",
        "discontinuities",
    )

    def __init__(self, clock_rate: int, publisher: PublisherClock) -> None:
        self.discontinuities = 0
        self._rate = clock_rate
        self._publisher = publisher
        self._epochs: deque[_Epoch] = deque(maxlen=MAX_EPOCHS)
        self._bias_s = 0.0
        self._heard = -inf
        self._behind_since: float | None = None
        self._out_s: float | None = None
        self._out_ticks: int | None = None

    def arrival(self, timestamp: int, now: float) -> None:
        """Note a packet, retransmitted ones too.

        Args:
            timestamp: RTP timestamp, 32 bits.
            now: arrival, seconds of the server's monotonic clock.
        """
        publisher = self._publisher
        rate = self._rate
        if not self._epochs:
            epoch = self._begin(timestamp)
            ticks = timestamp
        else:
            epoch = self._epochs[-1]
            last = epoch.last
            ticks = last + time_diff(timestamp, last)
            step = (ticks - last) / rate
            delay = now - self._raw(epoch, ticks)
            if step < -LATE_S or delay < -JUMP_S:
                epoch = self._begin(timestamp)
                ticks = timestamp
            elif (step > 0 and self._paused(now - self._heard - step, now)) or self._behind(delay, now):
                epoch = self._begin(ticks)
            elif ticks < epoch.first < ticks + OVERTAKEN_S * rate and self._is_new(timestamp):
                epoch.first = ticks
        epoch.last = max(epoch.last, ticks)
        epoch.lows.add(now - ticks / rate, now)
        reference = epoch.reference_s
        if reference is not None:
            publisher.delayed(now - (reference + (ticks - epoch.reference_ticks) / rate), now)
        self._heard = now
        publisher.heard(now)

    def heard(self, now: float) -> None:
        """Note a packet whose timestamp `arrival` has just been told: the source is not silent, no more than that.

        Args:
            now: arrival, seconds of the server's monotonic clock.
        """
        self._heard = now
        self._publisher.heard(now)

    def sender_report(self, ntp_s: float, timestamp: int, now: float) -> None:
        """Note that `timestamp` was sampled at `ntp_s` of the publisher's wall clock.

        Args:
            ntp_s: seconds since 1900; 0 means that the publisher has no wall clock (RFC 3550 section 6.4.1).
            timestamp: RTP timestamp, 32 bits.
            now: arrival of the report, seconds of the server's monotonic clock.
        """
        if not self._epochs or ntp_s <= 0 or now - self._heard > SILENT_S:
            return
        epoch = self._epochs[-1]
        if min(reversed(self._epochs), key=lambda other: other.distance(timestamp)) is not epoch:
            return
        publisher = self._publisher
        ticks = epoch.extend(timestamp)
        predicted = self._raw(epoch, ticks)
        if publisher.offset_s is None:
            publisher.start(ntp_s, predicted, now)
        offset = publisher.offset_s
        if offset is None:
            return
        first = epoch.reference_s is None
        arrived = ticks / self._rate + epoch.lows.recent()
        times = publisher.times(ntp_s)
        moves = [time + offset - predicted for time in times]
        index = min(range(len(moves)), key=lambda at: abs(moves[at]))
        if first:
            believed = EARLIEST_S <= moves[0] <= LATEST_S or -NEAR_S <= moves[index] <= LATEST_S
            index = 0 if EARLIEST_S <= moves[0] <= LATEST_S else index
        else:
            believed = abs(moves[index]) <= SAME_CLOCK_S
        if not believed and not first:
            # Lost samples or a late device move the arrivals as well; a jump of the wall clock moves the report alone.
            # Where the two cannot be told apart in time, another source that saw no jump decides.
            index = 0
            error = predicted - arrived - self._bias_s
            believed = abs(moves[0]) <= -EARLIEST_S and (
                abs(error + moves[0]) < abs(error) or epoch.shift not in publisher.shifts
            )
        if believed:
            best = times[index]
            epoch.shift = publisher.believe(index, self)
            # How far reports lie from arrivals: encoders' delays, mostly. It holds for the next epoch until its report.
            self._bias_s = best + offset - arrived
        else:
            best = predicted - offset
            epoch.shift = publisher.claim(ntp_s, best, self)
        epoch.reference_s = best
        epoch.reference_ticks = ticks

    def to_timeline(self, timestamp: int) -> float:
        """When a sample was taken.

        Args:
            timestamp: RTP timestamp of an access unit, 32 bits, in decoding order.

        Returns:
            Seconds of the server's monotonic clock, less at most the least delay of the path; never less than the
            answer before.

        Raises:
            UsageError: no packet of the source has been noted yet.
        """
        if not self._epochs:
            raise UsageError("the timeline of a source begins with its first arrival")
        if len(self._epochs) > 1:
            self._cross(timestamp)
        epoch = self._epochs[0]
        ticks = epoch.last + time_diff(timestamp, epoch.last)
        raw = self._raw(epoch, ticks)
        last = self._out_s
        if last is None:
            out = raw
        elif self._out_ticks is None:
            out = max(raw, last)
        else:
            advance = (ticks - self._out_ticks) / self._rate
            if advance <= 0:
                return last
            out = last + advance
            error = raw - out
            if error > STEP_S:
                out = raw
            elif error < -STEP_S:
                out -= min(-error, advance * SOURCE_BRAKE)
            elif error > 0:
                out += min(advance * SOURCE_SLEW, error)
            else:
                out -= min(advance * SOURCE_SLEW, -error)
        self._out_s = out
        self._out_ticks = ticks
        return out

    def _begin(self, first: int) -> _Epoch:
        epoch = _Epoch(first)
        self._epochs.append(epoch)
        self._behind_since = None
        return epoch

    def _is_new(self, timestamp: int) -> bool:
        """Whether none of the epochs before the last has seen this timestamp."""
        return all(epoch.distance(timestamp) for epoch in self._epochs if epoch is not self._epochs[-1])

    def _paused(self, unaccounted: float, now: float) -> bool:
        """Whether the source alone was silent for longer than its timestamps tell."""
        publisher = self._publisher
        return unaccounted > PAUSE_S and publisher.resumed <= self._heard and now - publisher.last_arrival <= QUIET_S

    def _behind(self, delay_s: float, now: float) -> bool:
        """Whether packets have been coming too late for so long that it cannot be a queue."""
        if delay_s < BEHIND_S:
            self._behind_since = None
            return False
        if self._behind_since is None:
            self._behind_since = now
        return now - self._behind_since > BEHIND_FOR_S

    def _raw(self, epoch: _Epoch, ticks: int) -> float:
        """The timeline as reports, or for want of them arrivals, put it at this moment."""
        offset = self._publisher.offset_s
        if epoch.reference_s is not None and offset is not None:
            return epoch.reference_s + (ticks - epoch.reference_ticks) / self._rate + offset
        return ticks / self._rate + epoch.lows.low + self._bias_s

    def _cross(self, timestamp: int) -> None:
        """Of several epochs, go on to the one that the timestamp belongs to; there is no way back."""
        distances = [epoch.distance(timestamp) for epoch in self._epochs]
        for _ in range(distances.index(min(distances))):
            self._epochs.popleft()
            self.discontinuities += 1
            self._out_ticks = None
