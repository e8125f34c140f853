"""How much may be sent to one receiver: a congestion controller on transport-wide feedback.

What decides on a thin link is the rate that is sent: below the link one loses what the link loses, above it most of the
sound. So the target falls at once to what the link was seen to carry, and rises only by what was proved: by probes
(`rtp.probe`), or slowly while the sender uses its target and no queue stands. Departs from draft-ietf-rmcat-gcc-02 in
the signal (a standing queue over the least delay in place of the gradient, because these links jitter by more than they
queue) and in the meaning of loss (`rtp.loss`). Decides no layers, sends nothing, reads no clock.
"""

from typing import Literal

from liveclass.rtp.delay import RATE_WINDOW_S, DelayFilter
from liveclass.rtp.feedback import REFERENCE_S, TICK_S, Feedback, SendLog, read_feedback
from liveclass.rtp.loss import WINDOW_PACKETS, LossFilter
from liveclass.rtp.probe import FIRST_WAIT_S, Probe, Prober

State = Literal["starting", "holding", "rising", "falling", "silent"]

REFERENCE_HALF = 1 << 23
RTT_GAIN = 0.1

BACK_OFF = 0.85
"""Of what the link carried, while its queue drains (draft-ietf-rmcat-gcc-02 section 6 has the same)."""

COLLAPSED = 0.8
"""A link that carries less than this share of what it was lowered to has been measured too early."""

COLLAPSE = 0.5
"""A link that carries less than this share of what was sent has become another one."""

DRAIN_S = 1.0
LEAST_DRAIN = 0.5
"""A queue is to drain in about this time; the sound that must go on sets the least share."""

RESUME = 0.9
"""Of what the link carried, once the queue has drained."""

REFINE = 0.3
"""Gain of the estimate of what the link carries while its queue drains."""

HOLD_S = 2.0
"""After the queue has drained, before the target may rise again."""

RISE_SHARE, RISE_BPS = 0.03, 18_000
"""Growth in a second while the target is used: this share of it and this much. The constant part lets the weaker of two
that share a link grow faster, so that they meet."""

NEAR, PAST = 0.85, 1.1
SLOW = 0.3
"""Shares of the rate at which the link last gave in between which growth is slow, and how slow."""

PROVED = 0.95
"""Of what a probe showed: the clocks of both ends round."""

MISSED = 0.7
"""A probe that shows less than this share of what passes at the time has failed as a measurement."""

USED = 0.75
"""A sender below this share of its target proves nothing about it."""

KEPT_UP = 0.85
"""A link that carries this share of what is sent, beside its own loss, is not overrun by it."""

CEILING_S = 30.0
"""How long the rate at which the link gave in is remembered."""

REGRET_S = 5.0
"""A fall so soon after a probe's raise is the probe's fault."""

JUDGE_S = 0.5
"""What passes after a change, on top of a round trip, before the link's answer can be judged."""

SILENCE_S = 1.0
"""Without feedback about what was sent, on top of three round trips: twice the longest interval that browsers use, and
room for a lost one."""

SILENT_FLOOR_BPS = 48_000
"""Sent into silence: one voice, as it may be the feedback alone that is cut off."""

SILENT_STEP = 0.3
SILENT_EVERY_S = 1.0
BACK = 0.8
"""Of the rate before a silence or falls without a cause, once packets pass without a queue again."""

RECOVERED_S = 0.08
"""A queue after a silence that may be left when the rate returns."""

FALSE_FALLS = 3
"""After so many falls that drained nothing, the delay is the path's own and not a queue."""

TRIAL_MIN_BPS = 60_000
"""Below this nothing is left to give up for a trial whether loss answers to the rate."""

TRIAL_S = 0.7

MAX_OWN_LOSS = 0.5

ALLOW_S = 1.2
"""How long, on top of a round trip, the queue that a probe makes may take to drain."""

PROBE_PAUSE_S = 5.0
"""After a fall."""

UNUSED_S = 1.0
"""Where nothing has been sent for so long from the start (all who are heard are muted, and a picture is more than the
first target holds), padding is sent first: a path that nothing is sent on would never be known."""

CLOCK_JUMP_S = 30.0
"""A receiver's clock that differs so from ours in its advance has been set anew."""

PACE_THIN, PACE_WIDE, WIDE_BPS = 1.25, 1.5, 600_000
"""How far above the target bursts may be: a keyframe of 20 kB at 400 kbit/s then leaves 60 ms of queue before sound."""


class Controller:
    """The rate towards one receiver.

    Args:
        start_bps: target before anything is known.
        min_bps: the target never sinks below.
        max_bps: nor rises above, whatever the receiver claims.

    Attributes:
        log: what is sent must be noted here.
        target_bps: what may be sent now, bits of IP packets per second, all included.
        pacing_bps: at most this at any moment.
        loss: share of packets lost before repair, over some 200 packets, 0 to 1.
        rtt_s: smoothed, from departure to feedback, so with the receiver's wait in it.
        queue_s: standing queue now.
        acked_bps: rate of arrival over the last second.
        guessed: the target is the one from before anything is known, and too little has been heard of the link since.
        state: `silent`: no feedback though packets are sent.
    """

    def __init__(self, *, start_bps: int = 300_000, min_bps: int = 20_000, max_bps: int = 8_000_000) -> None:
        self.log = SendLog()
        self.target_bps = start_bps
        self.pacing_bps = int(start_bps * PACE_THIN)
        self.loss = 0.0
        self.rtt_s = 0.0
        self.queue_s = 0.0
        self.acked_bps = 0
        self.guessed = False
        self.state: State = "starting"
        self._min, self._max, self._start = min_bps, max_bps, start_bps
        self._delay = DelayFilter()
        self._losses = LossFilter()
        self._probe = Prober()
        self._demand = 0
        self._told = self.log.next
        self._reference: int | None = None
        self._arrival = self._departure = 0.0
        self._sampled = False
        self._heard = 0.0
        self._settle = self._hold_until = self._lowered = 0.0
        self._resume = start_bps
        self._falls = 0
        self._queue_at_fall = 0.0
        self._ceiling = 0
        self._ceiling_until = self._blamed_until = 0.0
        self._before = self._before_fall = 0
        self._silent_next = 0.0
        self._unused_since: float | None = None
        self._trial_loss = 0.0
        self._trial_bps = 0
        self._trial_until = 0.0
        self._allow_until = 0.0

    @property
    def settled_bps(self) -> int:
        """What may be sent when the queue of now has drained: what lasts longer than that is planned by this."""
        return max(self.target_bps, self._resume) if self.state == "falling" else self.target_bps

    def demand(self, bps: int) -> None:
        """What the next better choice of the ladder would need: the target rises towards it, not beyond 1.2 times it.

        Args:
            bps: 0: nothing better is wanted, so the target does not rise.
        """
        self._demand = max(0, bps)

    def restart(self, bps: int, now: float) -> None:
        """Begin anew at a rate that was good before, after a pause in which others used the link.

        What was sent and not told of is forgotten; the path's delay and its own loss stay.
        """
        log = self.log
        log.discard(log.next)
        self._told = log.next
        self._arrival = self._departure = 0.0
        self._heard = now
        self._delay.forget_window()
        self._losses.restart(now)
        self._ceiling_until = self._blamed_until = self._trial_until = 0.0
        self._hold_until = now + JUDGE_S
        self._probe.succeeded(now)
        self._probe.pause(now + JUDGE_S)
        self.queue_s = 0.0
        self.guessed = False
        self.state = "holding"
        self._aim(bps)

    def free(self, now: float) -> None:
        """What else used the link is over, by the receiver's own word: what was concluded meanwhile is taken back, and
        what the link carries is asked as soon as the queue of the others has had time to drain."""
        guessed = self.target_bps <= self._start and self._losses.seen < WINDOW_PACKETS
        self.restart(max(self.target_bps, self._start), now)
        self.guessed = guessed
        self._probe.hurry(self._hold_until)

    def probe(self, now: float) -> Probe | None:
        """Padding to be sent at once through the log and past the pacer, if it is of use now."""
        if self.state in ("falling", "silent") or now < self._trial_until or not self._may_begin(now):
            return None
        if self.queue_s > 0.5 * self._delay.limit_s or now < self._hold_until:
            return None
        used = self._delay.sent_bps >= USED * self.target_bps
        wanted = min(self._demand, self._max)
        scatter_s = self._delay.scatter_s
        probe = self._probe.start(self.target_bps, wanted, self.log.next, now, used=used, scatter_s=scatter_s)
        if probe is not None:
            self._delay.allow_s = probe.bytes * 8 / self.target_bps
            self._allow_until = now + self.rtt_s + ALLOW_S
        return probe

    def _may_begin(self, now: float) -> bool:
        """Whether the path has been heard of, or must be asked by padding alone, as nothing is sent that could tell."""
        if self._reference is not None:
            return True
        if self.log.runs or self._unused_since is None:
            self._unused_since = now
        return now - self._unused_since >= UNUSED_S

    def tick(self, now: float) -> None:
        """To be called every 100 ms: no feedback about what was sent is an outage."""
        runs = self.log.runs
        if not runs:
            return
        # With nothing unanswered for long, an idle sender is not a silent receiver.
        silence = now - max(runs[0][1], self._heard)
        if silence < SILENCE_S + 3 * self.rtt_s:
            return
        if self.state != "silent":
            self._before = max(self._resume if self.state == "falling" else 0, self.target_bps)
            self.state = "silent"
            self._silent_next = now
            self._trial_until = 0.0
            self._queue_at_fall = self._settle = 0.0
        if now >= self._silent_next:
            self._silent_next = now + SILENT_EVERY_S
            floor = min(self._before, SILENT_FLOOR_BPS)
            self._aim(max(floor, int(self.target_bps * SILENT_STEP)))

    def feedback(self, body: bytes, now: float) -> None:
        """Take one RTCP 205/15 packet.

        Args:
            body: behind the media source's SSRC.
            now: seconds of the monotonic clock.

        Raises:
            PeerError: it is malformed. What is late, repeated or about packets that were never sent is ignored.
        """
        message = read_feedback(body)
        log = self.log
        first = log.find(message[0])
        if first + message[1] > log.next or first + message[1] <= self._told:
            return
        contiguous = first <= self._told
        self._take(message, first, now, contiguous=contiguous)

    def glance(self, body: bytes, now: float) -> bool:
        """Take one RTCP 205/15 packet in place of several, while all is well and few packets are numbered: the delay is
        learnt of it, but no rate.

        Returns:
            False: it tells of losses, or all is not well. Nothing was taken; all of them are for `feedback`.

        Raises:
            PeerError: it is malformed.
        """
        message = read_feedback(body)
        log = self.log
        first = log.find(message[0])
        told = first + message[1]
        if message[4] is not None or self.state in ("falling", "silent") or not self._told < told <= log.next:
            return False
        zero = self._zero(message[2], now)
        seen = log.consume(message, first, max(first, self._told))
        gap = now - self._heard
        self._told, self._heard = told, now
        self._sampled = True
        if seen.runs:
            arrival = zero + message[3][-1] * TICK_S
            self._round_trip(now - seen.last_left_at)
            if self._arrival and abs(arrival - self._arrival - gap) > CLOCK_JUMP_S:
                self._delay = DelayFilter()
            self._arrival, self._departure = arrival, seen.last_left_at
            self._delay.add(arrival, zero + seen.low_s, zero + seen.total_s / seen.runs, 0.0, 0, 0.0, 0)
            self.queue_s = self._delay.queue_s
        return True

    def _zero(self, reference: int, now: float) -> float:
        """The time that arrivals count from, on the receiver's clock."""
        if self._reference is None:
            self._reference = reference
            self._probe.pause(now + FIRST_WAIT_S)
        else:
            ahead = (reference - self._reference + REFERENCE_HALF) & 0xFFFFFF
            self._reference += ahead - REFERENCE_HALF
        return self._reference * REFERENCE_S

    def _round_trip(self, rtt: float) -> None:
        self.rtt_s = rtt if not self.rtt_s else self.rtt_s + RTT_GAIN * (rtt - self.rtt_s)

    def _take(self, message: Feedback, first: int, now: float, *, contiguous: bool) -> None:
        _, count, reference, ticks, which = message
        log = self.log
        zero = self._zero(reference, now)
        begin = max(first, self._told)
        log.discard(begin)
        complete = False
        if self._probe.pending:
            arrivals = [zero + tick * TICK_S for tick in ticks]
            complete = self._probe.read(log.runs, first, first + count, arrivals, which)
        told = log.consume(message, first, begin)
        gap = now - self._heard
        self._told = first + count
        self._heard = now
        if not told.runs:
            return
        departure = told.last_left_at
        arrival = zero + ticks[-1] * TICK_S
        self._round_trip(now - departure)
        span, sent_span = arrival - self._arrival, departure - self._departure
        got, sent = told.got, told.sent
        if self._arrival and abs(span - gap) > CLOCK_JUMP_S:
            self._delay = DelayFilter()
            contiguous = False
        if not contiguous or self._sampled or not self._arrival:
            # What came before the first packet told of is unknown: it marks the begin and does not count.
            span, sent_span = arrival - (zero + ticks[0] * TICK_S), departure - told.head_left_at
            got -= told.head_bytes
            sent -= told.head_bytes
        self._arrival, self._departure, self._sampled = arrival, departure, False
        mean = zero + told.total_s / told.runs
        self._delay.add(arrival, zero + told.low_s, mean, max(span, 0.0), got, max(sent_span, 0.0), sent)
        if complete:
            self._proved(self._probe.finish(self._delay.base_s, self._delay.scatter_s), now)
        self._judge(told.lost, told.lost + told.received, arrival - departure, gap, now)

    def _judge(self, lost: int, total: int, newest: float, gap: float, now: float) -> None:
        """Draw the conclusions from one feedback packet; `newest` is the delay of the last packet that arrived."""
        delay = self._delay
        if delay.allow_s and now >= self._allow_until:
            delay.allow_s = 0.0
        self.queue_s = delay.queue_s
        self.acked_bps = delay.acked_bps
        if self.state == "silent":
            self._return(newest, now)
            return
        window = False
        if gap < SILENCE_S:
            overrun = delay.standing or self.state == "falling"
            window = self._losses.add(lost, total, now, overrun=overrun)
            self.loss = self._losses.smoothed
            self.guessed = self.guessed and self._losses.seen < WINDOW_PACKETS
        if self.state == "falling":
            self._drain(now)
        elif delay.standing:
            self._fall(now)
        else:
            if window:
                self._weigh_loss(now)
            self._rise(gap, now)

    def _aim(self, bps: int) -> None:
        self.target_bps = target = max(self._min, min(self._max, bps))
        pace = PACE_WIDE if target >= WIDE_BPS else PACE_THIN
        if self.state in ("falling", "silent"):
            pace = 1.0
        self.pacing_bps = int(target * pace)

    def _passes(self) -> float:
        """The share of packets that the link passes when it is not congested."""
        return 1 - min(self._losses.own, MAX_OWN_LOSS)

    def _carried(self, now: float) -> tuple[int, float]:
        """What the link carries while its queue stands, and how far the sender keeps to the target (1: it does)."""
        carried = self._delay.busy_bps() / self._passes()
        sent = self._delay.sent_bps
        allowed = self._before_fall if self.state == "falling" else self.target_bps
        if sent < USED * allowed and carried >= KEPT_UP * sent:
            # Little is sent and all of it is carried on: the queue is of others' making, or jitter that looks like one,
            # and what arrives says nothing of what the link could carry.
            carried = max(carried, self.target_bps)
        # A sender that overshoots its target would do so again; what it sent before a collapse says nothing of that.
        collapsed = carried < COLLAPSE * allowed and now - self._lowered < RATE_WINDOW_S + self.rtt_s
        asked = max(allowed, self.target_bps) if collapsed else self.target_bps
        return int(carried), max(0.5, asked / sent) if sent > asked else 1.0

    def _fall(self, now: float) -> None:
        delay = self._delay
        carried, obeyed = self._carried(now)
        queue = max(delay.queue_s, delay.last_s)
        drain = max(LEAST_DRAIN, min(BACK_OFF, 1 - queue / DRAIN_S))
        if self.state != "falling":
            self._falls = 0
            self._before_fall = self.target_bps
            self._probe.pause(now + PROBE_PAUSE_S)
            if now < self._blamed_until:
                self._probe.punish(now)
            self._ceiling, self._ceiling_until = carried, now + CEILING_S
        self._falls += 1
        self._resume = min(self.target_bps, int(carried * RESUME * obeyed))
        self.state = "falling"
        self.guessed = False
        self._trial_until = 0.0
        self._losses.restart(now)
        self._queue_at_fall = queue
        self._settle = now + self.rtt_s + JUDGE_S
        self._lowered = now
        self._aim(min(self.target_bps, int(carried * drain * obeyed)))

    def _drain(self, now: float) -> None:
        """Falling: wait for the queue to drain, fall further if it does not."""
        queue, limit = self._delay.last_s, self._delay.limit_s
        if self._delay.standing:
            # The longer the queue stands, the better what the link carries is known.
            carried, obeyed = self._carried(now)
            self._resume += int(REFINE * (min(self._before_fall, carried * RESUME * obeyed) - self._resume))
        if queue < 0.6 * limit or (now >= self._settle and min(queue, self._delay.queue_s) < limit):
            self.state = "holding"
            self._hold_until = now + HOLD_S
            self._losses.restart(now)
            self._aim(max(self.target_bps, self._resume))
        elif self._delay.standing and self._carried(now)[0] * BACK_OFF < COLLAPSED * self.target_bps:
            # While a queue stands the link is busy, so this needs no waiting: the first measurement held the old rate.
            self._fall(now)
        elif now >= self._settle:
            if queue < 0.8 * self._queue_at_fall:
                self._queue_at_fall = queue
                self._settle = now + JUDGE_S
                return
            delay = self._delay
            if self._falls >= FALSE_FALLS and delay.acked_bps <= 1.1 * delay.sent_bps * self._passes():
                delay.rebase()
                self._resume = int(self._before_fall * BACK)
                self._queue_at_fall = 0.0
            else:
                self._fall(now)

    def _return(self, newest: float, now: float) -> None:
        """Feedback after a silence: the old rate returns as soon as packets pass without a queue."""
        delay = self._delay
        self.queue_s = queue = max(0.0, newest - delay.base_s)
        delay.forget_window()
        self._losses.restart(now)
        if queue <= delay.limit_s + RECOVERED_S:
            self.state = "holding"
            self._hold_until = now + HOLD_S
            self._aim(max(self.target_bps, int(self._before * BACK)))
        elif now >= self._settle:
            if not self._settle or queue < 0.8 * self._queue_at_fall:
                self._queue_at_fall = queue
                self._settle = now + self.rtt_s + JUDGE_S
                return
            # It does not drain: the path may have become a longer one, which the rules for a fall find out.
            self.state = "falling"
            self._falls = FALSE_FALLS
            self._before_fall = self._before
            self._resume = int(self._before * BACK)
            self._settle = now + self.rtt_s + JUDGE_S

    def _rise(self, gap: float, now: float) -> None:
        target = self.target_bps
        wanted = min(self._demand, self._max)
        if (
            target >= wanted
            or now < self._hold_until
            or now < self._trial_until
            or not self._losses.quiet
            or self.queue_s > 0.5 * self._delay.limit_s
            or self._delay.sent_bps < USED * target
        ):
            if self.state == "rising" and now >= self._hold_until:
                self.state = "holding"
            return
        grown = (RISE_SHARE * target + RISE_BPS) * min(gap, 0.5)
        if now < self._ceiling_until and NEAR < target / self._ceiling < PAST:
            grown *= SLOW
        self.state = "rising"
        self._aim(max(target, min(target + int(grown), wanted, int(1.5 * self._delay.acked_bps / self._passes()))))

    def _proved(self, bps: int, now: float) -> None:
        """A probe has shown that the link can carry `bps`."""
        if self.state in ("falling", "silent") or self._delay.standing:
            return
        bps = min(int(bps * PROVED), self._probe.aim_bps)
        if bps <= self.target_bps:
            if bps < MISSED * self._delay.acked_bps:
                self._probe.failed(now)
            return
        self.state = "rising"
        self.guessed = False
        self._aim(bps)
        self._ceiling_until = now
        self._blamed_until = now + REGRET_S
        self._probe.succeeded(now)

    def _weigh_loss(self, now: float) -> None:
        """A window of losses ended without a standing queue."""
        losses = self._losses
        if self._trial_until:
            if now < self._trial_until:
                losses.restart(now)
                return
            self._trial_until = 0.0
            if losses.answered(self._trial_loss):
                self._ceiling, self._ceiling_until = self._trial_bps, now + CEILING_S
                self._hold_until = now + HOLD_S
                return
            losses.accept()
            self._aim(max(self.target_bps, self._resume))
            return
        sent = self._delay.sent_bps
        if losses.suspicious(raised=now < self._blamed_until):
            if sent < TRIAL_MIN_BPS:
                losses.accept()
                return
            if now < self._blamed_until:
                self._probe.punish(now)
            self._trial_loss, self._trial_bps = losses.window, self._delay.acked_bps
            self._trial_until = now + self.rtt_s + TRIAL_S
            self._resume = self.target_bps
            self.state = "holding"
            self._aim(min(self.target_bps, int(self._delay.acked_bps * BACK_OFF)))
