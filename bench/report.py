"""Runs everything that the README's table shows, servers in turn, and prints the table: `python -m bench.report`.

Knows in which order and how often; what is measured stands in `fanout` and `lesson`, what is compared in `figures`.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import clip, figures, lesson
from bench.adapters import ADAPTERS, ROOT
from bench.fanout import RESULTS, arguments, surroundings

PARTS = ("fanout", "adaptation", "joins", "memory", "recorder")

RUN_LIMIT_S = 1800.0
"""No run takes this long: 400 subscribers that all fail to join within their half minute, and then some."""


CLIMB_S = 5.0
"""More quiet where subscribers send feedback."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run of `bench.fanout`."""

    part: str
    adapter: str
    n: int
    srtp: str = "cm80"
    parallel: int = 4
    feedback: bool = False
    adaptation: bool = True
    whole: bool = False
    pinned: bool = False
    apart: bool = False

    def __str__(self) -> str:
        words = f"{self.adapter} -n {self.n} --srtp {self.srtp} --parallel {self.parallel}"
        if self.feedback:
            words += " --feedback"
        if self.whole:
            words += " --whole"
        if self.pinned:
            words += " --pin"
        if self.apart:
            words += " --apart"
        return words if self.adaptation else f"{words} --serve=--no-adaptation"


SCENARIOS = (
    # in this order, again and again, so that what disturbs the machine disturbs all alike
    Scenario("fanout", "liveclass", 100),
    Scenario("fanout", "janus", 100),
    Scenario("fanout", "liveclass", 100, "gcm128"),
    Scenario("fanout", "pyloop", 100),
    Scenario("fanout", "mediarelay", figures.MEDIARELAY_N),
    Scenario("fanout", "liveclass", 400),
    Scenario("fanout", "janus", 400),
    # The same subscribers; only the server's switch differs.
    Scenario("adaptation", "liveclass", 100, feedback=True),
    Scenario("adaptation", "liveclass", 100, feedback=True, adaptation=False),
    Scenario("joins", "liveclass", 50, parallel=50),
    Scenario("joins", "janus", 50, parallel=50),
)


@dataclass(frozen=True, slots=True)
class Effort:
    """How long and how often; all times in seconds."""

    repeat: int
    seconds: float
    joins_seconds: float
    settle: float
    rounds: int
    empty: float
    pairs: int
    lesson: float


FULL = Effort(repeat=3, seconds=15, joins_seconds=2, settle=3, rounds=3, empty=6, pairs=5, lesson=20)
QUICK = Effort(repeat=1, seconds=4, joins_seconds=1, settle=1.5, rounds=2, empty=3, pairs=1, lesson=6)


def unavailable(adapter: str) -> str:
    """Why this server cannot run here, in words; empty when it can."""
    if not ADAPTERS[adapter].own_network:
        return ""
    if not shutil.which(adapter):
        return f"{adapter} is not installed (`apt-get install {adapter}`), so its column is missing."
    if os.geteuid() != 0:
        return f"{adapter} needs a network namespace, which needs root, so its column is missing."
    return ""


def one(scenario: Scenario, effort: Effort) -> dict[str, Any]:
    """A run in a process of its own, since some servers need another network; its record, or `error`."""
    seconds = effort.joins_seconds if scenario.part == "joins" else effort.seconds
    # A downlink climbs to the full picture and is seen to be wide first.
    settle = effort.settle + (CLIMB_S if scenario.feedback else 0)
    command = [sys.executable, "-m", "bench.fanout", *str(scenario).split(), "--once"]
    command += ["--seconds", str(seconds), "--settle", str(settle)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        out, _ = process.communicate(timeout=RUN_LIMIT_S)
        record: dict[str, Any] = json.loads(out.splitlines()[-1])  # it ends with 1 where a check failed
    except (subprocess.TimeoutExpired, IndexError, ValueError) as e:
        record = {"adapter": scenario.adapter, "n": scenario.n, "error": f"{type(e).__name__}: {e}"}
        record |= {"offered_srtp": scenario.srtp, "parallel": scenario.parallel, "feedback": scenario.feedback}
        record |= {"whole": scenario.whole, "apart": scenario.apart}
    finally:
        if process.poll() is None:
            process.terminate()  # it ends its server and children
            process.wait(60)
    return record


def measure(parts: list[str], effort: Effort, path: Path) -> figures.Raw:
    """Everything in turn. What there is stands in `path` after each run, so that an interrupted report is not lost."""
    raw: figures.Raw = {**surroundings(), "quick": effort is QUICK, "runs": []}
    lacking = {s.adapter: why for s in SCENARIOS if (why := unavailable(s.adapter))}
    raw["remarks"] = list(lacking.values())
    planned = [s for s in SCENARIOS if s.part in parts and s.adapter not in lacking]
    args = arguments(["liveclass", "--settle", str(effort.settle)])

    def keep(what: str, began: float) -> None:
        path.write_text(json.dumps(raw, indent=1))
        print(f"{time.monotonic() - began:5.0f} s  {what}", file=sys.stderr, flush=True)

    for _ in range(effort.repeat):
        for scenario in planned:
            began = time.monotonic()
            record = one(scenario, effort) | {"adaptation": scenario.adaptation}
            raw["runs"].append(record)
            keep(f"{scenario}: {record.get('error') or record['us_per_packet']}", began)
    if "memory" in parts:
        began = time.monotonic()
        raw["memory"] = lesson.memory(args, 100, effort.rounds, effort.settle, effort.empty)
        keep(f"memory: {raw['memory']}", began)
    if "recorder" in parts:
        began = time.monotonic()
        raw["recorder"] = lesson.recorder(args, effort.pairs, effort.lesson)
        keep("recorder", began)
    return raw


def text(raw: figures.Raw) -> str:
    """The table and its notes, as Markdown."""
    return "\n".join([figures.table(raw), "", *figures.notes(raw)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short runs, once each: a look, not a measurement")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS), help="only these parts")
    parser.add_argument("--show", type=Path, metavar="FILE", help="print the table of raw results, measure nothing")
    given = parser.parse_args()
    if given.show:
        print(text(json.loads(given.show.read_text())))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers under test end as well
    clip.load()
    path = RESULTS / time.strftime("report-%Y%m%d-%H%M%S.json")
    raw = measure(given.only, QUICK if given.quick else FULL, path)
    print(text(raw))
    print(f"Raw results: {path.relative_to(ROOT)}", file=sys.stderr)
    if figures.checked(raw)[1]:
        sys.exit(1)


if __name__ == "__main__":
    main()
