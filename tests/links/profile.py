"""What a link is: rates, delay, jitter, loss and outages of both directions, by name or as written on a command line.

Pure values; knows neither packets nor time.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

RATE_UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
TIME_UNITS = {"": 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0}
SHARE_UNITS = {"": 1.0, "%": 0.01}

LossModel = Literal["random", "burst"]
OutageMode = Literal["drop", "hold"]
Pair = tuple[float, float]
"""A value for each direction: down (towards the client), up."""


@dataclasses.dataclass(frozen=True, slots=True)
class Outage:
    """A cut of both directions.

    Attributes:
        at_s: when it begins, counted from the moment the profile was set.
        for_s: how long it lasts.
        every_s: after how long it comes again; 0: never.
        mode: `drop` loses every packet; `hold` stalls the link and lets its queue fill.
    """

    at_s: float
    for_s: float
    every_s: float = 0.0
    mode: OutageMode = "drop"

    def __post_init__(self) -> None:
        if self.for_s <= 0 or self.at_s < 0 or self.every_s < 0:
            raise ValueError("an outage needs a length above 0 and no negative times")
        if self.mode not in ("drop", "hold"):
            raise ValueError(f"bad outage mode {self.mode!r}: drop or hold")

    def end_of(self, elapsed_s: float) -> float | None:
        """When (seconds since the profile was set) the cut that covers this moment ends; None outside of a cut."""
        offset = elapsed_s - self.at_s
        if offset >= 0 and self.every_s:
            offset %= self.every_s
        return elapsed_s + self.for_s - offset if 0 <= offset < self.for_s else None


@dataclasses.dataclass(frozen=True, slots=True)
class Profile:
    """A link.

    Attributes:
        down: towards the client, bit/s of IP packets; 0: no limit.
        up: from the client, bit/s.
        delay: one way, seconds, (down, up).
        jitter: half the width of the uniform spread around the delay, seconds.
        loss: share of all packets, 0 to 1.
        loss_model: `random`, or `burst` (Gilbert: all is lost in the bad state).
        burst_length: mean number of packets lost in a row, of `burst`.
        queue: longest wait in the queue before the transmitter, seconds.
        reorder: jitter may let packets overtake each other.
        outages: cuts.
        seed: of the dice. The default is, of 160 seeds, the one whose first thousands of packets are the most typical.
    """

    down: float = 0.0
    up: float = 0.0
    delay: Pair = (0.0, 0.0)
    jitter: Pair = (0.0, 0.0)
    loss: Pair = (0.0, 0.0)
    loss_model: LossModel = "random"
    burst_length: float = 4.0
    queue: float = 0.3
    reorder: bool = False
    outages: tuple[Outage, ...] = ()
    seed: int = 130

    def __post_init__(self) -> None:
        if not all(0 <= loss <= 1 for loss in self.loss) or self.burst_length < 1:
            raise ValueError("loss is 0 to 1 (or 0% to 100%), burst length at least 1")
        if self.loss_model not in ("random", "burst"):
            raise ValueError(f"bad loss model {self.loss_model!r}: random or burst")
        if min(self.down, self.up, *self.delay, *self.jitter, self.queue) < 0:
            raise ValueError("rates and times are not negative")

    @classmethod
    def of(cls, base: "Profile | str | None" = None, **changes: Any) -> "Profile":
        """A profile, a named one, or the perfect link, with changes as they are written on a command line.

        Args:
            base: a profile or the name of one in `PROFILES`; None: no limit, delay or loss.
            changes: `down="500k"`, `delay="150ms"` or `"150ms/80ms"` (down/up), `loss="5%"`,
                `outages=["at=20s,for=6s,every=60s,mode=hold"]`; plain numbers are bit/s, seconds and shares.

        Raises:
            ValueError: an unknown name, unit or field.
        """
        if isinstance(base, str):
            if base not in PROFILES:
                raise ValueError(f"no profile {base!r}; there are {', '.join(PROFILES)}")
            base = PROFILES[base]
        unknown = changes.keys() - PARSERS.keys()
        if unknown:
            raise ValueError(f"a link has no {', '.join(sorted(unknown))}")
        parsed = {name: PARSERS[name](value) for name, value in changes.items()}
        return dataclasses.replace(base or cls(), **parsed)

    def with_delay(self, times: float) -> "Profile":
        """The same link with the delay and its jitter multiplied."""
        scaled = [(pair[0] * times, pair[1] * times) for pair in (self.delay, self.jitter)]
        return dataclasses.replace(self, delay=scaled[0], jitter=scaled[1])

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Profile":
        """The inverse of `to_json`, after a way through JSON that makes lists of tuples."""
        values = dict(fields)
        for name in ("delay", "jitter", "loss"):
            values[name] = (float(values[name][0]), float(values[name][1]))
        values["outages"] = tuple(Outage(**outage) for outage in values["outages"])
        return cls(**values)


def number(units: Mapping[str, float], value: object) -> float:
    """A number, or a text of a number and a unit.

    Raises:
        ValueError: the text is no number with one of these units.
    """
    if isinstance(value, (int, float)):
        return float(value)
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([a-zA-Z%]*)\s*", str(value))
    if not match or match[2] not in units:
        raise ValueError(f"bad value {value!r}; units: {', '.join(filter(None, units))}")
    return float(match[1]) * units[match[2]]


def _pair(units: Mapping[str, float]) -> Callable[[object], Pair]:
    def parse(value: object) -> Pair:
        parts = value.split("/") if isinstance(value, str) else value
        listed = list(parts) if isinstance(parts, (list, tuple)) else [parts]
        return number(units, listed[0]), number(units, listed[-1])

    return parse


def outage(value: object) -> Outage:
    """An outage, or the text `at=20s,for=6s[,every=60s][,mode=drop|hold]`.

    Raises:
        ValueError: the text is something else.
    """
    if isinstance(value, Outage):
        return value
    fields = dict(part.partition("=")[::2] for part in str(value).split(","))
    mode = fields.pop("mode", "drop")
    if fields.keys() - {"at", "for", "every"} or "for" not in fields or mode not in ("drop", "hold"):
        raise ValueError(f"bad outage {value!r}; like at=20s,for=6s,every=60s,mode=drop|hold")
    times = {f"{name}_s": number(TIME_UNITS, text) for name, text in fields.items()}
    return Outage(
        times.get("at_s", 0.0), times["for_s"], times.get("every_s", 0.0), "hold" if mode == "hold" else "drop"
    )


PARSERS: dict[str, Callable[[Any], Any]] = {
    "down": lambda value: number(RATE_UNITS, value),
    "up": lambda value: number(RATE_UNITS, value),
    "queue": lambda value: number(TIME_UNITS, value),
    "delay": _pair(TIME_UNITS),
    "jitter": _pair(TIME_UNITS),
    "loss": _pair(SHARE_UNITS),
    "loss_model": str,
    "burst_length": float,
    "reorder": bool,
    "outages": lambda values: tuple(outage(value) for value in values),
    "seed": int,
}
"""How each field is read from a command line."""

PROFILES: dict[str, Profile] = {
    "clear": Profile(),
    "fibre": Profile.of(Profile(), down="50M", up="20M", delay="5ms", queue="100ms"),
    "4g": Profile.of(Profile(), down="12M", up="4M", delay="30ms", jitter="10ms", loss="0.5%"),
    "rural-dsl": Profile.of(Profile(), down="1M", up="384k", delay="60ms", loss="1%"),
    "mountain-3g": Profile.of(
        Profile(), down="400k", up="150k", delay="150ms", jitter="40ms", loss="5%", loss_model="burst"
    ),
    "satellite": Profile.of(Profile(), down="1M", up="256k", delay="300ms", loss="1%", queue="600ms"),
    "barely": Profile.of(Profile(), down="120k", up="64k", delay="200ms", loss="8%", queue="600ms"),
    # One that nothing is tuned for: a geostationary satellite shared by too many, whose packets overtake each other.
    "untuned": Profile.of(
        Profile(), down="700k", up="200k", delay="275ms", jitter="30ms", loss="3%", queue="900ms", reorder=True
    ),
}
"""Named links. The weak ones are what village schools have."""
