"""Fits what one subscriber is sent to its link: estimate, ladder, pacer, probes and the budget for repairs put
together.

The rules stand in `rtp.congestion`, `rtp.pacer` and `relay.ladder`; this module asks them in turn and does what they
say to the slots. Sound never waits here: it leaves at once, and pictures get what it leaves.
"""

import logging
from collections.abc import Callable, Sequence

from liveclass.relay.carrier import Carrier
from liveclass.relay.ladder import DEAR_VOICE_BPS, RUNG_ORDER, Ladder, Picture, Plan, Voice, sound_cost
from liveclass.relay.layers import ORDER, Layered
from liveclass.relay.ports import Layer, LinkView, Rung
from liveclass.relay.slot import Paced, Slot
from liveclass.relay.track import Track
from liveclass.rtp.congestion import Controller
from liveclass.rtp.feedback import SendLog
from liveclass.rtp.pacer import CAMERA, REPAIR, SCREEN, Pacer

log = logging.getLogger(__name__)

DECIDE_S = 0.1
"""Between two decisions on a narrow link."""

REVIEW_S = 2.0
"""Between two decisions on a link with room: nothing presses, and a hundred subscribers cost."""

DIRECT_ABOVE, PACED_BELOW = 2.5, 1.8
"""A link that carries this many times what is sent needs no pacer: a keyframe passes it faster than sound is due. The
two differ, so that nothing flaps."""

DIRECT_LEAST_BPS = 1_200_000
"""Below this a keyframe of 30 kB takes over 200 ms, whatever is sent otherwise."""

GLANCE_S = 0.6
"""Between two looks at feedback while a direct link is calm: each seventh of a browser's. What lies between is opened
only when the one looked at is not clean, so that a hundred calm subscribers cost little. With a browser's interval it
must stay below `rtp.congestion.SILENCE_S`."""

CALM_QUEUE_S = 0.02
"""A queue above this ends the calm, long before it counts as congestion."""

ALERT_S = 5.0
"""After anything amiss all feedback is taken for so long."""

TELL_S = 1.0
"""Between two reports of figures to those above."""

QUEUE_S = 0.8
"""Pictures that wait longer than this are dropped up to the next keyframe."""

GUESS_S = 2.0
"""The longest that a picture waits to hear what an unknown link carries and loses: begun on a guess, its keyframe fills
the queue of the thinnest ones in front of the sound."""

KNOWN_SHARE = 0.7
"""Of what the link was known to carry, after a pause."""

NOMINAL_BPS: dict[Layer, float] = {
    "thin": 20_000.0,
    "full": 50_000.0,
    "low": 150_000.0,
    "middle": 420_000.0,
    "high": 950_000.0,
}
"""What a layer costs while nothing of it can be measured; the pages' limits of `web/src/lib/whip.ts` with headers."""

LEAST_BPS: dict[Layer, float] = {
    "thin": 16_000.0,
    "full": 32_000.0,
    "low": 70_000.0,
    "middle": 150_000.0,
    "high": 250_000.0,
}
"""A layer never counts for less: silence, and a screen that stands still, end at any moment."""


GUEST_BPS = 280_000.0
"""The same for a classroom's camera, which comes in one layer (the top one of `web/src/lib/encodings.ts`)."""


def cost_of(track: Track, now: float) -> float:
    """What a layer costs, bits per second; of one that rests, what it cost before."""
    measured = track.bps(now) or track.last_bps
    if track.layer == "full" and track.peak_bps > DEAR_VOICE_BPS:
        # Music pauses between two pieces, and goes on at its full rate with the first note.
        return track.peak_bps
    if not measured:
        return nominal_cost(track.info.role, track.layer)
    return max(measured, min(LEAST_BPS[track.layer], NOMINAL_BPS[track.layer]))


def nominal_cost(role: str, layer: Layer) -> float:
    """What a layer of which nothing was measured is taken to cost, by who sends it."""
    if role == "classroom" and layer in {"middle", "high"}:
        return GUEST_BPS
    return NOMINAL_BPS[layer]


class Downlink:
    """The way down to one subscriber, adapted.

    Args:
        share: of the link that repairs may take.
        start_bps: what the link is believed to carry at first.
        on_link: told when the rung changes, and figures about once a second.

    Attributes:
        resting: the link is wide and calm, so that only some packets ask for feedback, which may wait unopened until
            `look_at`, for `glance`.
        idle_until: `tick` has nothing to do before.
        roused: takes the downlink when it ends its rest before that; None where somebody looks at `idle_until` itself.
    """

    def __init__(
        self,
        carrier: Carrier,
        controller: Controller,
        audio: Sequence[Slot],
        video: Sequence[Slot],
        *,
        share: float,
        now: float,
        on_link: Callable[[LinkView], None],
    ) -> None:
        self.controller = controller
        self._carrier = carrier
        self._audio = audio
        self._video = video
        self._share = share
        self._on_link = on_link
        self._ladder = Ladder(now)
        self._pacer: Pacer[Paced] = Pacer(max_queue_s=QUEUE_S)
        self._direct = False
        self._decided_at = -1e9
        self._ticked_at = self._accrued_at = now
        self.idle_until = self._alert_until = -1e9
        self.roused: list[Downlink] | None = None
        self._budget = 0.0
        self._repaired = 0.0
        self._probe_left = self._probe_bps = 0.0
        self._told: LinkView | None = None
        self._told_at = -1e9
        self._noted_at = -1e9
        self.resting = False
        self.look_at = -1e9
        self._known_bps = 0
        self._guess_until = -1e9
        self.live = True
        self.ceiling: Rung = "full"
        self.probed = 0
        self.refused = 0
        for slot in video:
            slot.pacer = self
            slot.paced = True

    @property
    def log(self) -> SendLog:
        """What was sent, by transport-wide number."""
        return self.controller.log

    @property
    def plan(self) -> Plan | None:
        """The present decision."""
        return self._ladder.plan

    def watch(self, live: bool, ceiling: Rung, now: float) -> None:
        """What the page wants. When it wants more than before, the link is as good as it was before the pause, or as it
        has shown itself since; of one that was not known then, what the page fetched meanwhile tells nothing."""
        more = (live and not self.live) or RUNG_ORDER[ceiling] > RUNG_ORDER[self.ceiling]
        paused = not self.live
        self.live, self.ceiling = live, ceiling
        if live and more:
            known = int(KNOWN_SHARE * self._known_bps)
            if known:
                self.controller.restart(known if paused else max(known, self.controller.target_bps), now)
            else:
                self.controller.free(now)
                self._guess_until = now + GUESS_S
            self._ladder.restart(now)

    def moved(self, now: float) -> None:
        """The subscriber is reached in another way: what went to its old address was lost there, which says nothing of
        the new one."""
        if self.live and self._known_bps:
            self.controller.restart(int(KNOWN_SHARE * self._known_bps), now)
            self._ladder.restart(now)

    def changed(self) -> None:
        """Sources came or went, or the person chose otherwise: decide anew at once."""
        self._decided_at = -1e9
        self._rouse()

    def arrange(self, now: float) -> None:
        """Decide anew now: not even the first packet of a new voice is to be missed."""
        self._decided_at = now
        self._rouse()
        self._decide(now)

    def glance(self, body: bytes, now: float) -> bool:
        """The newest of several feedback packets while `resting`. Raises PeerError when it is malformed.

        Returns:
            False: it is not clean, and nothing was taken of it: all of them must go to `feedback`.
        """
        controller = self.controller
        if not controller.glance(body, now):
            self.alert(now)
            return False
        self.look_at = now + GLANCE_S
        if controller.queue_s > CALM_QUEUE_S or not self._calm():
            self.alert(now)
        return True

    def alert(self, now: float) -> None:
        """Something is amiss, or may be: rest no more for a while."""
        self._rouse()
        self._alert_until = now + ALERT_S
        self._rest(False)

    def _rouse(self) -> None:
        if self.idle_until > -1e9:
            self.idle_until = -1e9
            if self.roused is not None:
                self.roused.append(self)

    def feedback(self, body: bytes, now: float) -> None:
        """Transport-wide feedback of the subscriber. Raises PeerError when it is malformed."""
        self.controller.feedback(body, now)
        if now < self.idle_until and not self._calm():
            self.alert(now)

    # The pacer, as slots see it

    def push(self, item: Paced, size: int, screen: bool, now: float) -> bool:
        """See `slot.Waiting`."""
        if not self._pacer.push(item, size, SCREEN if screen else CAMERA, now):
            return False
        self._release(now)
        return True

    def repeat(self, item: Paced, size: int, now: float) -> bool:
        """See `slot.Waiting`."""
        if not self._pacer.push(item, size, REPAIR, now):
            return False
        self._release(now)
        return True

    def drop(self, slot: Slot) -> None:
        """See `slot.Waiting`."""
        for priority in (SCREEN, CAMERA):
            for item in self._pacer.drop(priority):
                if item[0] is not slot:
                    size = 0 if item[2] == "skip" else len(item[3][0])
                    self._pacer.push(item, size, priority, self._ticked_at)

    @property
    def empty(self) -> bool:
        """See `slot.Waiting`."""
        return self._pacer.empty

    def _release(self, now: float) -> None:
        for slot, track, act, packet in self._pacer.due(now, self._picture_bps()):
            slot.emit(track, act, packet, now)

    def _picture_bps(self) -> int:
        plan = self._ladder.plan
        pace = self.controller.pacing_bps
        sound = plan.cost if plan is not None and not any(plan.pictures) else self._sound_bps
        return int(max(0.3 * pace, pace - sound - 8 * self._repaired))

    _sound_bps = 50_000.0

    def tick(self, now: float) -> None:
        """To be called every 20 ms, but not before `idle_until`."""
        passed, self._ticked_at = now - self._ticked_at, now
        if not self._carrier.ready:
            return
        self._accrue(now)
        if self.live and (not self._direct or self._probe_left):
            self._release(now)
            self._send_probe(passed, now)
        interval = REVIEW_S if self._direct and self._calm() else DECIDE_S
        if now - self._decided_at >= interval:
            self._decided_at = now
            self._decide(now)
            calm = self._direct and not self._probe_left and self._calm()
            self.idle_until = now + REVIEW_S if calm else -1e9
            self._rest(calm and self.controller.queue_s < CALM_QUEUE_S and now >= self._alert_until)

    def _rest(self, resting: bool) -> None:
        self.resting = resting
        for slot in (*self._audio, *self._video):
            slot.set_sparse(resting and not slot.paced and not slot.depth)

    def _accrue(self, now: float) -> None:
        passed, self._accrued_at = now - self._accrued_at, now
        allowance = self._share * self.controller.target_bps / 8
        self._budget = min(allowance, self._budget + passed * allowance)
        self._repaired *= max(0.0, 1.0 - passed)

    def _calm(self) -> bool:
        plan, controller = self._ladder.plan, self.controller
        return plan is not None and controller.target_bps > PACED_BELOW * plan.cost and controller.loss < 0.01

    def _send_probe(self, passed: float, now: float) -> None:
        if self._probe_left <= 0:
            probe = self.controller.probe(now)
            if probe is None:
                return
            self._probe_left, self._probe_bps = float(probe.bytes), float(probe.bps)
        size = min(self._probe_left, max(300.0, self._probe_bps * min(passed, 0.1) / 8))
        sent = next((sent for slot in self._video if (sent := slot.pad(int(size), now))), 0)
        self.probed += sent
        self._probe_left = max(0.0, self._probe_left - sent) if sent else 0.0

    # Decisions

    def _decide(self, now: float) -> None:
        controller = self.controller
        controller.tick(now)
        if not self.live:
            self._pause(now)
            return
        heard = [(slot, slot.source) for slot in self._audio if slot.source is not None]
        seen = [(slot, slot.source) for slot in self._video if slot.source is not None and slot.source.tracks]
        voices = [self._voice(source, now, first=number == 0) for number, (_, source) in enumerate(heard)]
        pictures = [self._picture(source, now) for _, source in seen]
        cut = controller.state == "silent"
        if self.ceiling == "full" and controller.acked_bps and controller.state in {"holding", "rising"}:
            self._known_bps = controller.target_bps
        unknown = controller.guessed and now < self._guess_until
        ceiling = min(self.ceiling, "sound", key=RUNG_ORDER.__getitem__) if unknown else self.ceiling
        plan = self._ladder.decide(
            controller.settled_bps, controller.loss, voices, pictures, now, ceiling=ceiling, cut=cut
        )
        for slot, _ in heard[plan.voices :]:
            slot.wish = None
            slot.choose(None, now)
        for slot, source in heard[: plan.voices]:
            slot.wish = plan.voice if source.track("thin") is not None or plan.voice == "thin" else "full"
            slot.set_depth(plan.depth)
            slot.choose(_nearest(source, slot.wish, now, keep=slot.track), now)
        sounds = voices[: plan.voices]
        self._sound_bps = sound_cost(sounds, plan.voice, plan.depth)
        self._pace(plan, now)
        first = True
        for (slot, source), layer in zip(seen, plan.pictures, strict=True):
            slot.wish = layer
            camera = source.info.kind != "screen"
            slot.slow = plan.slow and camera and first
            slot.feed(now)
            first = first and not camera
            slot.choose(None if layer is None else _nearest(source, layer, now, keep=slot.track), now)
        wanted = self._ladder.demand_bps
        if not wanted and not self._direct and pictures:
            wanted = max(DIRECT_ABOVE * plan.cost, DIRECT_LEAST_BPS) * 1.05
        controller.demand(int(wanted))
        self._tell(plan.rung if heard or seen else "", now)

    def _voice(self, source: Layered, now: float, *, first: bool) -> Voice:
        if source.muted and not first:
            # Room is kept for the teacher's voice alone: it may go on at any word.
            return Voice(0.0)
        full, thin = source.track("full"), source.track("thin")
        cost = cost_of(full, now) if full is not None else NOMINAL_BPS["full"]
        # A thin voice that rests is woken when it is wanted.
        if thin is None and not source.thin_offered:
            return Voice(cost)
        return Voice(cost, NOMINAL_BPS["thin"] if thin is None else cost_of(thin, now))

    def _picture(self, source: Layered, now: float) -> Picture:
        """A layer that rests can be had, though its publisher may never have sent any of it."""
        costs = [
            (layer, cost_of(track, now) if track is not None else nominal_cost(source.info.role, layer))
            for layer in source.offered
            if ((track := source.track(layer)) is not None and source.live(track, now)) or layer in source.resting
        ]
        if not costs:
            costs = [(track.layer, cost_of(track, now)) for track in source.tracks]
        return Picture(source.info.kind, tuple(costs), source.droppable)

    def _pace(self, plan: Plan, now: float) -> None:
        target = self.controller.target_bps
        if self._direct:
            keep = self._carrier.direct and target >= PACED_BELOW * plan.cost and self.controller.state != "silent"
        else:
            enough = target >= DIRECT_ABOVE * plan.cost and target >= DIRECT_LEAST_BPS
            keep = self._carrier.direct and enough and self._pacer.empty and plan.rung == "full"
        for slot in self._video:
            slot.set_paced(not keep)
        # A slot that waits for its keyframe changes over when it has come.
        self._direct = keep and not any(slot.paced for slot in self._video)

    def _pause(self, now: float) -> None:
        self._probe_left = 0.0
        for slot in (*self._audio, *self._video):
            slot.wish = None
            slot.choose(None, now)
        self.controller.demand(0)
        self._tell("", now)

    def _tell(self, rung: Rung | str, now: float) -> None:
        controller = self.controller
        view = LinkView(rung, controller.target_bps, round(controller.loss, 3))  # type: ignore[arg-type]
        told = self._told
        if told is None or told.rung != view.rung or (now - self._told_at >= TELL_S and _differs(told, view)):
            self._told, self._told_at = view, now
            self._on_link(view)
        if rung and log.isEnabledFor(logging.DEBUG) and now - self._noted_at >= TELL_S:
            self._noted_at = now
            log.debug(
                "downlink %s: %s target %d acked %d loss %.3f rtt %.3f queue %.3f direct %s plan %s demand %d",
                controller.state,
                rung or "-",
                controller.target_bps,
                controller.acked_bps,
                controller.loss,
                controller.rtt_s,
                controller.queue_s,
                self._direct,
                self._ladder.plan,
                self._ladder.demand_bps,
            )

    # Repairs

    def repair(self, slot: Slot, seqs: Sequence[int], now: float) -> None:
        """Answer a NACK as far as the budget goes; sound may draw on the next half second's."""
        self.alert(now)
        self._accrue(now)
        reserve = 0.5 * self._share * self.controller.target_bps / 8 + 1500 if slot.kind == "audio" else 0.0
        room = self._budget + reserve
        if room <= 0:
            self.refused += len(seqs)
            return
        sent = slot.retransmit(seqs, int(room), max(0.02, 0.9 * self.controller.rtt_s), now)
        self._budget -= sent
        if not slot.paced:
            self._repaired += sent


def _nearest(source: Layered, wish: Layer, now: float, *, keep: Track | None) -> Track | None:
    """The wished layer if packets of it come, else the nearest below, else any that lives."""
    wished = source.track(wish)
    if wished is not None and (source.live(wished, now) or wished is keep):
        return wished
    tracks = source.tracks
    below = [t for t in tracks if ORDER[t.layer] < ORDER[wish] and source.live(t, now)]
    if below:
        return below[-1]
    alive = [t for t in tracks if source.live(t, now)]
    # None lives yet where a stream has just begun under another name: what went before it comes no more.
    kept = keep if keep in tracks else None
    return alive[0] if alive else kept or wished or (tracks[-1] if tracks else None)


def _differs(told: LinkView, view: LinkView) -> bool:
    a, b = told.bps or 0, view.bps or 0
    return abs(a - b) > 0.1 * max(a, b) or abs((told.loss or 0.0) - (view.loss or 0.0)) > 0.01
