"""The whole server with the native fan-out, in Python and beside Janus, in one run: `python -m bench.kernel`.

    python -m bench.kernel                          # all of it, about half an hour
    python -m bench.kernel --quick                  # a look: once, short
    python -m bench.kernel --only compare --repeat 2 --more FILE   # goes on with an earlier run's results

Knows what is compared with which aim; how a run is made stands in `fanout`, `crowd` and `turnover`.
"""

import argparse
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench import clip, crowd, figures, floor, place, turnover
from bench.adapters import ROOT
from bench.fanout import RESULTS, arguments, surroundings
from bench.figures import Figure, lost, median_of, most
from bench.report import Effort, Scenario, one, unavailable
from liveclass.transport import native

PARTS = ("compare", "crowd", "table", "sessions")
GCM, CM = "gcm128", "cm80"

SCENARIOS = (
    # in this order, again and again, so that what disturbs the machine disturbs all alike
    Scenario("compare", "liveclass", 100, GCM, pinned=True),
    Scenario("compare", "liveclass-python", 100, GCM, pinned=True),
    Scenario("compare", "janus", 100, GCM),
    Scenario("compare", "liveclass", 100, GCM, pinned=True, apart=True),
    Scenario("compare", "liveclass-python", 100, GCM, pinned=True, apart=True),
    Scenario("compare", "liveclass", 100, CM, pinned=True),
    Scenario("compare", "liveclass-python", 100, CM, pinned=True),
    Scenario("compare", "liveclass", 100, GCM, feedback=True, pinned=True),
    Scenario("compare", "liveclass-python", 100, GCM, feedback=True, pinned=True),
    Scenario("compare", "liveclass", 400, GCM, parallel=8, pinned=True),
    Scenario("compare", "liveclass-python", 400, GCM, parallel=8, pinned=True),
    Scenario("compare", "janus", 400, GCM, parallel=8),
)

FLOORS = ((100, False), (100, True), (400, False))
"""Receivers of the bare loop in C, and whether their half of the kernel's work is kept apart."""

FIGURES = (
    Figure("server CPU per forwarded packet, 100 subscribers, AES-GCM", "≤ 1.6 µs", "µs",
           median_of("us_per_packet", 100, GCM), most(1.6)),
    Figure("the same with AES-CM/SHA1", "≤ 2.8 µs", "µs", median_of("us_per_packet", 100, CM), most(2.8)),
    Figure("AES-GCM with congestion control running", "≤ 2.2 µs", "µs",
           median_of("us_per_packet", 100, GCM, feedback=True), most(2.2)),
    Figure("AES-GCM, the receivers' half of the kernel's work on another core", "", "µs",
           median_of("us_per_packet", 100, GCM, apart=True)),
    Figure("packets lost, 100 subscribers", "none", "%", lost(100, GCM), most(0)),
    Figure("added latency, 100 subscribers, p50", "≤ 0.6 ms", "ms", median_of("latency_p50_ms", 100, GCM), most(0.6)),
    Figure("added latency, 100 subscribers, p99", "≤ 5 ms", "ms", median_of("latency_p99_ms", 100, GCM), most(5)),
    Figure("server CPU per forwarded packet, 400 subscribers, AES-GCM", "", "µs",
           median_of("us_per_packet", 400, GCM, parallel=8)),
    Figure("packets lost, 400 subscribers", "none", "%", lost(400, GCM, parallel=8), most(0)),
    Figure("added latency, 400 subscribers, p50", "", "ms", median_of("latency_p50_ms", 400, GCM, parallel=8)),
    Figure("added latency, 400 subscribers, p99", "≤ 20 ms", "ms",
           median_of("latency_p99_ms", 400, GCM, parallel=8), most(20)),
)  # fmt: skip

FULL = Effort(repeat=5, seconds=5, joins_seconds=0, settle=1.5, rounds=0, empty=0, pairs=0, lesson=0)
QUICK = Effort(repeat=1, seconds=2, joins_seconds=0, settle=1, rounds=0, empty=0, pairs=0, lesson=0)
CROWD_S = 5.0
TIMES = 10_000


def compare(raw: dict[str, Any], effort: Effort, path: Path) -> None:
    """All scenarios in turn, into `raw` and, after each, into `path`."""
    lacking = {s.adapter: why for s in SCENARIOS if (why := unavailable(s.adapter))}
    raw["remarks"] = list(lacking.values())
    if not native.built():
        raw["remarks"].append("The native fan-out was not built here (script/build-fanout): both columns are Python's.")
    together = place.can_part()
    if together:
        raw["remarks"].append(f"The receivers' half was not kept apart: {together}.")
    if why := floor.unavailable():
        raw["remarks"].append(why)
    for _ in range(effort.repeat):
        for scenario in SCENARIOS:
            if scenario.adapter in lacking or (scenario.apart and together):
                continue
            record = one(scenario, effort)
            raw["runs"].append(record)
            path.write_text(json.dumps(raw, indent=1))
            said = record.get("error") or f"{record['us_per_packet']} us, p99 {record['latency_p99_ms']} ms"
            print(f"{scenario}: {said}", file=sys.stderr, flush=True)
        for n, apart in FLOORS if not floor.unavailable() else ():
            if not (apart and together):
                raw["runs"].append(_floor(n, apart=apart))
                path.write_text(json.dumps(raw, indent=1))


def _floor(n: int, *, apart: bool) -> dict[str, Any]:
    """A run of the bare loop in C, as one of a server that is asked for nothing else."""
    about = {"adapter": "floor", "n": n, "offered_srtp": GCM, "parallel": 8 if n > 100 else 4, "apart": apart}
    command = [sys.executable, "-m", "bench.floor", "--once", "-n", str(n), *(["--apart"] if apart else [])]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, IndexError, ValueError) as e:
        found = {"error": f"{type(e).__name__}: {e}"}
    print(f"floor -n {n}{' --apart' if apart else ''}: {found}", file=sys.stderr, flush=True)
    return {**about, "joined": n, "loss_pct": None, **found}


def text(raw: dict[str, Any]) -> str:
    """Everything that was measured, as Markdown."""
    parts = []
    if raw["runs"]:
        parts.append("\n".join([figures.table(raw, FIGURES), "", *figures.notes(raw)]))
    parts += [crowd.table(found) for found in raw.get("crowd", [])]
    parts += [turnover.text(found) for found in raw.get("turnover", [])]
    return "\n\n".join(parts)


def wrong(raw: dict[str, Any]) -> int:
    """Packets on the wire that were not what they must be."""
    others = [*raw.get("crowd", []), *raw.get("turnover", [])]
    return figures.checked(raw)[1] + sum(int(found.get("check_failed", 0)) for found in others)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS), help="only these parts")
    parser.add_argument("--quick", action="store_true", help="short runs, once each: a look, not a measurement")
    parser.add_argument("--repeat", type=int, help="rounds of the comparison (5)")
    parser.add_argument("--sizes", default=",".join(map(str, crowd.SIZES)), help="of the crowd, step by step")
    parser.add_argument("--times", type=int, help=f"joins and leaves, at the table and of sessions ({TIMES})")
    parser.add_argument("--more", type=Path, metavar="FILE", help="go on with these raw results")
    parser.add_argument("--show", type=Path, metavar="FILE", help="print the tables of raw results, measure nothing")
    given = parser.parse_args()
    if given.show:
        print(text(json.loads(given.show.read_text())))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers under test end as well
    clip.load()
    effort = QUICK if given.quick else FULL
    if given.repeat:
        effort = Effort(**{**{name: getattr(effort, name) for name in Effort.__slots__}, "repeat": given.repeat})
    path = given.more or RESULTS / time.strftime("kernel-%Y%m%d-%H%M%S.json")
    raw: dict[str, Any] = json.loads(path.read_text()) if given.more else {**surroundings(), "runs": []}
    raw["quick"] = raw.get("quick", False) or given.quick
    args = arguments(["liveclass", "--srtp", GCM])

    def keep(part: str, found: dict[str, Any]) -> None:
        raw.setdefault(part, []).append(found)
        path.write_text(json.dumps(raw, indent=1))

    times = given.times or (TIMES // 10 if given.quick else TIMES)
    if "compare" in given.only:
        compare(raw, effort, path)
    if "crowd" in given.only:
        sizes = [int(n) for n in given.sizes.split(",")]
        for whole in (False, True):
            args.whole = whole
            keep("crowd", crowd.run(args, sizes, 2.0 if given.quick else CROWD_S))
        args.whole = False
    if "table" in given.only and native.built():
        keep("turnover", turnover.at_the_table(times, natively=True))
    if "sessions" in given.only:
        keep("turnover", turnover.at_the_server(args, times))
    print(text(raw))
    print(f"Raw results: {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}", file=sys.stderr)
    if wrong(raw):
        sys.exit(1)


if __name__ == "__main__":
    main()
