"""The ladder of one classroom: what of the lesson its link can carry now, from full picture down to thin sound.

Pure: what is offered, what it costs and what the link carries go in; a plan comes out. Down at once, up slowly and only
where there is room to spare; a climb that failed makes the next one wait longer. It refuses to know packets and slots.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from liveclass.relay.ports import Layer, Rung
from liveclass.relay.source import SourceKind

MARGIN = 0.95
"""Share of the link that is planned for: encoders overshoot by a few percent."""

CLIMB_ROOM = 1.1
"""What a better plan costs must fit this often before it is taken."""

CLIMB_FIRST_S = 0.5
CLIMB_S = 3.0
CLIMB_MAX_S = 24.0
CLIMB_BLIND_S = 2.0
"""How long there must be room before a climb: little at the start, when everything is a climb; then enough for the
estimate to settle; doubled by each climb that was taken back within `FAILED_S`. A class that sees nothing is tried
again sooner."""

START_S = 6.0
FAILED_S = 8.0
CALM_S = 60.0
"""A plan that held this long shows that the link has changed: patience starts anew."""

FALL_S = 0.25
"""A plan that is too dear for this long is given up: shorter dips are one frame of the encoder."""

ALONE_AFTER_S, ALONE_S = 2.5, 1.4
"""After a cut of this length sound is alone for a while: the page fetches what it has missed, and that comes first."""

SLOW_SHARE = 0.65
"""What a picture costs without the frames that no other refers to, of two temporal layers."""

LOSS_STEPS = (0.012, 0.06)
"""Loss from which sound repeats one, and two, earlier frames. Below, retransmission alone heals it within the
buffer."""

VOICE_HEADERS_BPS = 22_400
"""IP, UDP, RTP and SRTP of 50 packets of sound a second: what redundancy does not repeat."""

DEAR_VOICE_BPS = 90_000.0
"""Sound that costs more is music. To repeat all of it costs as much again, so it is repeated once at most, and where
there is no room for that its holes are left to retransmission before it gives way to the thin voice."""

RUNG_ORDER: dict[Rung, int] = {"reconnecting": 0, "thin": 1, "sound": 2, "screen": 3, "reduced": 4, "full": 5}


@dataclass(frozen=True, slots=True)
class Voice:
    """One sound that is offered: its cost in bits per second of IP packets, 0 where it is muted; `thin` None where it
    has no thin layer."""

    full: float
    thin: float | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture that is offered.

    Attributes:
        layers: name and cost, lowest first.
        droppable: some frames can be left out.
    """

    kind: SourceKind
    layers: tuple[tuple[Layer, float], ...]
    droppable: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What is sent.

    Attributes:
        voices: how many of the offered voices, in their order.
        depth: earlier frames of sound that each packet repeats.
        pictures: the layer of each offered picture, None where it is not sent.
        slow: the first camera without its droppable frames.
        cost: bits per second, repairs left out.
    """

    rung: Rung
    voice: Literal["full", "thin"]
    depth: int
    pictures: tuple[Layer | None, ...]
    slow: bool
    cost: float
    voices: int = 1


def plans(voices: Sequence[Voice], pictures: Sequence[Picture], loss: float, ceiling: Rung) -> list[Plan]:
    """Every rung that the offer allows, the cheapest first; never empty.

    Args:
        voices: in the order of importance: on the thinnest links the first one is heard alone.
        pictures: in the order of importance, the screen anywhere.
        loss: share of packets lost on this link, before repair.
        ceiling: nothing above it is planned.
    """
    wanted = sum(loss >= step for step in LOSS_STEPS)
    dear = any(voice.full > DEAR_VOICE_BPS for voice in voices)
    if dear:
        wanted = min(wanted, 1)
    steps: list[tuple[Literal["full", "thin"], int, tuple[Layer | None, ...], bool]] = []
    nothing: tuple[Layer | None, ...] = (None,) * len(pictures)
    least = 0
    if any(voice.thin is not None for voice in voices):
        steps += [("thin", depth, nothing, False) for depth in range(min(wanted, 1) + 1)]
        # A plain voice with holes is worse than a thin one without.
        least = 0 if dear else min(wanted, 1)
    steps += [("full", depth, nothing, False) for depth in range(least, wanted + 1)]
    chosen: list[Layer | None] = list(nothing)

    def climb(place: int, layer: Layer, slow: bool = False) -> None:
        chosen[place] = layer
        steps.append(("full", wanted, tuple(chosen), slow))

    screens = [i for i, picture in enumerate(pictures) if picture.kind == "screen"]
    cameras = [i for i, picture in enumerate(pictures) if picture.kind != "screen"]
    for place in screens:
        climb(place, pictures[place].layers[0][0])
    for number, place in enumerate(cameras):
        if number == 0 and pictures[place].droppable:
            climb(place, pictures[place].layers[0][0], slow=True)
        climb(place, pictures[place].layers[0][0])
    for place in [*screens, *cameras]:
        for layer, _ in pictures[place].layers[1:]:
            climb(place, layer)
    made = [
        Plan(
            _rung(pictures, voice, shown, slow),
            voice,
            depth,
            shown,
            slow,
            _cost(voices, pictures, voice, depth, shown, slow),
            len(voices),
        )
        for voice, depth, shown, slow in steps
    ]
    voice, depth, shown, slow = steps[0]
    for count in range(len(voices) - 1, 0, -1):
        cost = _cost(voices[:count], pictures, voice, depth, shown, slow)
        made.insert(0, replace(made[0], cost=cost, voices=count))
    allowed = [plan for plan in made if RUNG_ORDER[plan.rung] <= RUNG_ORDER[ceiling]]
    return allowed or made[:1]


def _rung(pictures: Sequence[Picture], voice: str, shown: Sequence[Layer | None], slow: bool) -> Rung:
    if not any(shown):
        if voice == "thin":
            return "thin"
        return "sound" if pictures else "full"
    if all(layer is None for layer, p in zip(shown, pictures, strict=True) if p.kind != "screen") and any(
        p.kind != "screen" for p in pictures
    ):
        return "screen"
    best = all(layer == picture.layers[-1][0] for layer, picture in zip(shown, pictures, strict=True))
    return "full" if best and not slow else "reduced"


def _cost(
    voices: Sequence[Voice],
    pictures: Sequence[Picture],
    voice: str,
    depth: int,
    shown: Sequence[Layer | None],
    slow: bool,
) -> float:
    total = sound_cost(voices, voice, depth)
    first = True
    for layer, picture in zip(shown, pictures, strict=True):
        if layer is not None:
            cost = dict(picture.layers)[layer]
            if slow and first and picture.kind != "screen" and layer == picture.layers[0][0]:
                cost *= SLOW_SHARE
            total += cost
        if picture.kind != "screen":
            first = False
    return total


def sound_cost(voices: Sequence[Voice], voice: str, depth: int) -> float:
    """Bits per second of these voices, each packet repeating `depth` earlier frames.

    Args:
        voice: "thin" or "full".
    """
    total = 0.0
    for one in voices:
        plain = one.thin if voice == "thin" and one.thin is not None else one.full
        if not plain:
            continue
        # A frame repeated costs what it holds and four bytes of its block's head (RFC 2198 section 3).
        headers = VOICE_HEADERS_BPS if plain == one.full else VOICE_HEADERS_BPS / 3
        total += plain + depth * (max(8_000.0, plain - headers) + 1_600)
    return total


def _worth(choices: Sequence[Plan], current: int) -> int | None:
    """The place of the least step that is worth an early try: the smallest picture where none is seen, or the plain
    voice where there are no pictures."""
    if any(choices[current].pictures):
        return None
    shown = any(any(plan.pictures) for plan in choices)
    better = (
        i for i, plan in enumerate(choices) if i > current and (any(plan.pictures) if shown else plan.voice == "full")
    )
    return None if not shown and choices[current].voice == "full" else next(better, None)


class Ladder:
    """Where one classroom stands.

    Attributes:
        plan: the last decision.
        demand_bps: what the next better plan would need; 0 at the top.
    """

    def __init__(self, now: float) -> None:
        self.plan: Plan | None = None
        self.demand_bps = 0.0
        self._begun = now
        self._room_since: float | None = None
        self._dear_since: float | None = None
        self._climbed_at = -1e9
        self._patience_s = CLIMB_S
        self._cut_at: float | None = None
        self._alone_until: float | None = None

    def restart(self, now: float) -> None:
        """Find the plan that fits at once, as at the start."""
        self.plan = None
        self._begun = now
        self._patience_s = CLIMB_S
        self._room_since = self._dear_since = self._cut_at = None

    def decide(
        self,
        link_bps: float,
        loss: float,
        voices: Sequence[Voice],
        pictures: Sequence[Picture],
        now: float,
        *,
        ceiling: Rung = "full",
        cut: bool = False,
    ) -> Plan:
        """The plan from now on; to be asked every 100 to 500 ms.

        Args:
            link_bps: what may be sent in all, bits of IP packets per second.
            loss: share of packets lost on the link, before repair.
            cut: nothing gets through now.
        """
        if self._cut_at is not None and not cut:
            if now - self._cut_at >= ALONE_AFTER_S:
                self._alone_until = now + ALONE_S
            self._cut_at = None
        if self._alone_until is not None:
            if now >= self._alone_until:
                self._alone_until = self.plan = None
            elif RUNG_ORDER[ceiling] > RUNG_ORDER["sound"]:
                ceiling = "sound"
        choices = plans(voices, pictures, loss, ceiling)
        if cut:
            self._cut_at = now if self._cut_at is None else self._cut_at
            # Sound goes on: its first packet to arrive is the sign that the link is back.
            cheapest = choices[0]
            self._room_since = self._dear_since = None
            self.plan = replace(cheapest, rung="reconnecting", depth=0)
            self.demand_bps = 0.0
            return self.plan
        room = link_bps * MARGIN * (1 - min(0.3, 1.2 * loss))
        fitting = max((i for i, plan in enumerate(choices) if plan.cost <= room), default=0)
        current = self._place(choices)
        if current is None:
            current = fitting
        elif choices[current].cost > room and current > 0:
            self._room_since = None
            if self._dear_since is None:
                self._dear_since = now
            if now - self._dear_since >= FALL_S:
                if now - self._climbed_at < FAILED_S:
                    self._patience_s = min(CLIMB_MAX_S, self._patience_s * 2)
                current = min(current, fitting)
                self._dear_since = None
        else:
            self._dear_since = None
            current = self._climb(choices, current, room, now)
        self.plan = choices[current]
        better = self._aim(choices, current, now)
        self.demand_bps = 0.0 if better is None else better.cost * CLIMB_ROOM * link_bps / max(room, 1.0) * 1.05
        return self.plan

    def _aim(self, choices: Sequence[Plan], current: int, now: float) -> Plan | None:
        """What to look for room for: the next rung, but never less than a picture or, where there is none, the plain
        voice; and everything at the start."""
        if current + 1 >= len(choices):
            return None
        if now - self._begun < START_S:
            return choices[-1]
        return choices[_worth(choices, current) or current + 1]

    def _climb(self, choices: Sequence[Plan], current: int, room: float, now: float) -> int:
        higher = max((i for i, plan in enumerate(choices) if plan.cost * CLIMB_ROOM <= room), default=0)
        if higher <= current:
            self._room_since = None
            if now - self._climbed_at > CALM_S:
                self._patience_s = CLIMB_S
            return current
        if self._room_since is None:
            self._room_since = now
        waited = now - self._room_since
        if waited < (CLIMB_FIRST_S if now - self._begun < START_S else self._patience_s):
            first = _worth(choices, current)
            if first is None or first > higher or waited < CLIMB_BLIND_S:
                return current
            higher = first
        self._room_since = None
        self._climbed_at = now
        return higher

    def _place(self, choices: Sequence[Plan]) -> int | None:
        """Where the present plan stands among the new choices: costs change all the time, and pictures come and go."""
        plan = self.plan
        if plan is None or plan.rung == "reconnecting":
            return None
        for i, choice in enumerate(choices):
            if replace(choice, rung=plan.rung, cost=plan.cost) == plan:
                return i
        alike = [i for i, c in enumerate(choices) if c.pictures == plan.pictures and c.voice == plan.voice]
        return alike[-1] if alike else None
