"""`python -m bench.mountain`: what a village hears and sees on bad links; prints a table, keeps raw figures.

    python -m bench.mountain --profiles mountain-3g,barely --runs 5
    python -m bench.mountain --profiles outage-10s --server plain
    python -m bench.mountain --profiles mountain-3g --side volunteer --seconds 30 --keep /tmp/heard
    python -m bench.mountain --profiles mountain-3g --warm --seconds 5      the page from the cache
    python -m bench.mountain list

Needs root (network namespaces), Chromium, and a machine that does little else: a run on a busy one is marked.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tests.links import COURSES, PROFILES, Course, Stage, why_not

from bench.mountain.materials import Materials
from bench.mountain.run import Outcome, Plan, measure
from bench.mountain.table import markdown, to_json

RESULTS = Path(__file__).resolve().parent.parent / "results"
EXAM = "mountain-3g,barely,spiky-loss,outage-10s,outage-restart,steps"


def courses(names: str, delay: float) -> list[Course]:
    """By name; any named profile of a link is a course that stays as it is.

    Raises:
        ValueError: no such course.
    """
    found = []
    for name in names.split(","):
        if name not in COURSES and name not in PROFILES:
            raise ValueError(f"no profile {name!r}; there are {', '.join([*COURSES, *PROFILES])}")
        course = COURSES.get(name) or Course(name, (Stage(0, PROFILES[name]),))
        found.append(course if delay == 1 else course.with_delay(delay))
    return found


def save(path: Path, outcomes: list[Outcome]) -> None:
    """Writes everything measured so far."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(to_json(outcomes), indent=1))


async def run_all(given: argparse.Namespace, plans: list[Plan], path: Path) -> list[Outcome]:
    """All plans in turn; the results so far are on the disk after each."""
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="liveclass-materials-") as folder:
        materials = Materials(Path(folder))
        for plan in plans:
            outcome = await measure(plan, materials)
            outcomes.append(outcome)
            save(path, outcomes)
            if not given.quiet:
                said = {k: round(v, 3) for k, v in outcome.figures.items() if v is not None}
                print(f"{plan.course.name} {plan.server} run {plan.number}: {said} {outcome.machine}", file=sys.stderr)
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.mountain", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", nargs="?", choices=("run", "list"), default="run")
    parser.add_argument("--profiles", default=EXAM, help="comma-separated; `list` names all")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument(
        "--seconds", type=float, help="of the window (each profile has its own); outage-restart catches up within 1600"
    )
    parser.add_argument("--server", default="liveclass", help="liveclass, plain (not adapting), janus; or several")
    parser.add_argument("--side", choices=("classroom", "volunteer"), default="classroom", help="who is behind it")
    parser.add_argument("--delay", type=float, default=1.0, help="multiple of the delay")
    parser.add_argument(
        "--set", dest="settings", action="append", default=[], metavar="NAME=VALUE", help="of the server"
    )
    parser.add_argument(
        "--warm",
        nargs="?",
        const="another",
        choices=("another", "same"),
        help="the page comes from the cache: from another lesson, or from a visit of this one just before",
    )
    parser.add_argument("--keep", type=Path, help="folder for what the room heard, as WAV")
    parser.add_argument("--output", type=Path, help="JSON file (bench/results/mountain-TIME.json)")
    parser.add_argument("--quiet", action="store_true", help="only the table")
    given = parser.parse_args()
    if given.action == "list":
        for course in COURSES.values():
            print(f"{course.name:18} {course.seconds:5.0f} s  {course.stages[0].profile}")
        return
    if reason := why_not():
        sys.exit(f"mountain: {reason}")
    settings = dict(pair.split("=", 1) for pair in given.settings)
    try:
        plans = [
            Plan(course, given.seconds or course.seconds, server, given.side, settings, given.keep, given.warm, number)
            for course in courses(given.profiles, given.delay)
            for server in given.server.split(",")
            for number in range(1, given.runs + 1)
        ]
        plans = [replace(plan, course=seeded(plan.course, plan.number)) for plan in plans]
    except ValueError as error:
        sys.exit(f"mountain: {error}")
    path = given.output or RESULTS / time.strftime("mountain-%Y%m%d-%H%M%S.json")
    outcomes = asyncio.run(run_all(given, plans, path))
    print(markdown(outcomes))
    print(f"Raw results: {path}", file=sys.stderr)


def seeded(course: Course, number: int) -> Course:
    """The same course with other dice for each run but the first."""
    if number == 1:
        return course
    stages = tuple(Stage(s.at_s, replace(s.profile, seed=s.profile.seed + number - 1)) for s in course.stages)
    return replace(course, stages=stages)


if __name__ == "__main__":
    main()
