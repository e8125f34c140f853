"""A link that changes while it is measured: stages, each a profile from a second on.

Pure values: who measures puts each stage on the link when its time comes.
"""

from dataclasses import dataclass, replace

from tests.links.profile import PROFILES, Outage, Profile


@dataclass(frozen=True, slots=True)
class Stage:
    """From `at_s` after the start of the measurement the link is like this."""

    at_s: float
    profile: Profile


@dataclass(frozen=True, slots=True)
class Course:
    """What a link does in the course of a measurement.

    Attributes:
        stages: in order of time; the first begins at 0 and holds while pages load as well, without its outages.
        seconds: how long to measure unless told otherwise.
        reboot: the client's machine loses its power with the link: it is off during the first outage.
    """

    name: str
    stages: tuple[Stage, ...]
    seconds: float = 60.0
    reboot: bool = False

    def __post_init__(self) -> None:
        times = [stage.at_s for stage in self.stages]
        if not times or times[0] != 0 or times != sorted(times):
            raise ValueError(f"{self.name}: stages begin at 0 and follow each other")

    def profile_at(self, at_s: float) -> Profile:
        """The profile in force at this second."""
        return [stage.profile for stage in self.stages if stage.at_s <= max(0.0, at_s)][-1]

    def outage(self) -> tuple[float, float] | None:
        """Begin and end of the first outage, in seconds of the measurement; None without one."""
        for stage in self.stages:
            for outage in stage.profile.outages:
                begin = stage.at_s + outage.at_s
                return begin, begin + outage.for_s
        return None

    def loading(self) -> Profile:
        """The link while pages load: the first stage without its outages."""
        return replace(self.stages[0].profile, outages=())

    def with_delay(self, times: float) -> "Course":
        """The same course on links of a multiple of the delay."""
        stages = tuple(Stage(stage.at_s, stage.profile.with_delay(times)) for stage in self.stages)
        return replace(self, name=f"{self.name}-{times:g}x", stages=stages)


def steady(name: str) -> Course:
    """A named profile that stays as it is."""
    return Course(name, (Stage(0, PROFILES[name]),))


def interrupted(name: str, base: str, at_s: float, for_s: float, seconds: float, *, reboot: bool = False) -> Course:
    """A named profile with one outage."""
    cut = replace(PROFILES[base], outages=(Outage(at_s, for_s),))
    return Course(name, (Stage(0, cut),), seconds, reboot)


def _rates(*steps: tuple[float, str]) -> tuple[Stage, ...]:
    return tuple(
        Stage(at_s, Profile.of(None, down=rate, up="150k", delay="100ms", jitter="10ms", loss="1%"))
        for at_s, rate in steps
    )


SPIKY = Profile.of(None, down="1M", up="384k", delay="100ms", jitter="25ms")

COURSES: dict[str, Course] = {
    course.name: course
    for course in (
        steady("mountain-3g"),
        steady("barely"),
        # Signal's exam of that name.
        Course(
            "spiky-loss",
            (Stage(0, SPIKY), Stage(10, Profile.of(SPIKY, loss="30%")), Stage(20, SPIKY)),
            seconds=30,
        ),
        # Ten seconds missed at 1.25 times real time are caught up with after forty.
        interrupted("outage-10s", "mountain-3g", at_s=15, for_s=10, seconds=80),
        interrupted("outage-restart", "mountain-3g", at_s=15, for_s=300, seconds=375, reboot=True),
        Course("steps", _rates((0, "300k"), (25, "1500k"), (60, "300k")), seconds=85),
        steady("untuned"),
        steady("satellite"),
        steady("4g"),
        steady("fibre"),
        steady("clear"),
    )
}
COURSES |= {
    course.name: course for course in [COURSES[name].with_delay(2) for name in ("mountain-3g", "barely", "spiky-loss")]
}
"""What the harness measures by name."""
