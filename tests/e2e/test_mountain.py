"""The short exam of the mountain link: three profiles, judged by what the room heard and saw: by one run, or the
median of three where that one misses.

The limits are three times those that `bench.mountain` is held to over five runs: one run has its luck, and this machine
may be busy. Skipped where network namespaces are not permitted.
"""

import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from bench.mountain.materials import Materials
from bench.mountain.run import Outcome, Plan, measure

from tests.links import COURSES, Course, why_not
from tests.links.course import interrupted

REASON = why_not()
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.skipif(bool(REASON), reason=f"the mountain link cannot be emulated: {REASON}"),
]

OUTAGE = interrupted("outage-10s-short", "mountain-3g", at_s=8, for_s=10, seconds=48)
"""Back at 18 s; ten seconds that were missed are caught up with within the window."""


@pytest.fixture(scope="session")
def materials(tmp_path_factory: pytest.TempPathFactory) -> Materials:
    return Materials(tmp_path_factory.mktemp("materials"))


Limits = dict[str, tuple[Literal["<=", ">="], float]]
"""By the figure's name."""


def missed(outcome: Outcome, limits: Limits) -> list[str]:
    """Which limits the run did not keep, in words."""
    words = []
    for name, (sign, limit) in limits.items():
        value = outcome.figures.get(name)
        kept = value is not None and (value <= limit if sign == "<=" else value >= limit)
        if not kept:
            words.append(f"{name} is {value}, not {sign} {limit}")
    return words


RUNS = 3
"""A run has its luck, mostly in when the first keyframe comes: one that misses is judged by the median of three."""


def median_of(runs: list[Outcome]) -> Outcome:
    """The last run with the median of each figure; one that was not measured in any run is not measured."""
    figures: dict[str, float | None] = {}
    for name in runs[-1].figures:
        values = [run.figures.get(name) for run in runs]
        known = [value for value in values if value is not None]
        figures[name] = statistics.median(known) if len(known) == len(values) else None
    return replace(runs[-1], figures=figures, trusted=any(run.trusted for run in runs))


async def judge(course: Course, seconds: float, limits: Limits, materials: Materials) -> None:
    """Measures once; where that misses a limit, judges by the median of three. A machine that was too busy in each of
    them is none to be trusted, and the test says so."""
    runs: list[Outcome] = []
    while True:
        runs.append(await measure(Plan(course, seconds), materials))
        words = missed(runs[-1] if len(runs) < RUNS else median_of(runs), limits)
        if not words or len(runs) == RUNS:
            break
    outcome = median_of(runs)
    if words and not outcome.trusted:
        pytest.skip(f"this machine was too busy to measure {course.name}: {outcome.machine}; {words}")
    explained = {name: getattr(outcome, name) for name in ("figures", "machine", "messages", "timeline")}
    assert not words, f"{words}\n{json.dumps(explained, indent=1)}"


@pytest.mark.timeout(420)
async def test_on_a_mountain_link_the_voice_never_breaks_and_the_picture_moves(materials: Materials) -> None:
    limits: Limits = {
        "longest_silence_spoken_s": ("<=", 0.2),  # the sound that was sent had no holes of its own
        "concealed": ("<=", 0.03),
        "longest_silence_s": ("<=", 0.9),
        "reached": (">=", 0.9),
        "reached_of_all": (">=", 0.85),
        "fps": (">=", 5),
        "still_share": ("<=", 0.15),
        "down_over_s": ("<=", 4),
        "first_sound_s": ("<=", 18),
    }
    # Long enough that the picture's first seconds, when it finds its room, are not a fifth of what is judged.
    await judge(COURSES["mountain-3g"], 40, limits, materials)


@pytest.mark.timeout(420)
async def test_on_a_link_that_barely_is_one_the_voice_is_understood(materials: Materials) -> None:
    limits: Limits = {
        "concealed": ("<=", 0.09),
        "longest_silence_s": ("<=", 1.8),
        "reached": (">=", 0.85),
        "reached_of_all": (">=", 0.8),
        "down_over_s": ("<=", 4),
    }
    await judge(COURSES["barely"], 25, limits, materials)


@pytest.mark.timeout(420)
async def test_after_an_outage_of_ten_seconds_nothing_was_missed(materials: Materials) -> None:
    limits: Limits = {
        "sound_back_s": ("<=", 6),
        "picture_back_s": ("<=", 12),
        "reached": (">=", 0.95),
        "reached_of_all": (">=", 0.75),  # what it has not come to yet is due as well
    }
    await judge(OUTAGE, OUTAGE.seconds, limits, materials)


def test_a_figure_that_was_not_measured_keeps_no_limit() -> None:
    outcome = Outcome("x", "liveclass", "classroom", {"fps": None, "reached": 0.9}, True, {}, {}, [], [], [], {})
    assert missed(outcome, {"reached": (">=", 0.9)}) == []
    assert len(missed(outcome, {"reached": (">=", 0.91), "fps": (">=", 1), "concealed": ("<=", 1)})) == 3


def test_a_run_that_misses_is_judged_by_the_median_of_three() -> None:
    def run(fps: float | None, *, trusted: bool) -> Outcome:
        return Outcome("x", "liveclass", "classroom", {"fps": fps}, trusted, {}, {}, [], [], [], {})

    runs = [run(1, trusted=False), run(9, trusted=True), run(7, trusted=False)]
    assert median_of(runs).figures == {"fps": 7}
    assert median_of(runs).trusted
    assert median_of([*runs[:2], run(None, trusted=False)]).figures == {"fps": None}


def test_the_exam_is_taken_from_files_that_are_small_enough_to_ship() -> None:
    speech = Path(__file__).resolve().parent.parent / "data" / "speech.opus"
    assert speech.stat().st_size < 300_000
