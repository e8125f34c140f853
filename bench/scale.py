"""What a programme of a given size takes: nodes, bandwidth, storage and money, from measured figures and your prices.

    .venv/bin/python -m bench.scale
    .venv/bin/python -m bench.scale --classrooms 30 --vps-price 25 --traffic-price 100 --included-tb 0

Pure arithmetic: each formula stands once, here, and is told in docs/scale.md, whose tables this prints. Measured
figures are constants with their source; all that a programme or a provider decides is an option.
"""

import argparse
import math
from collections.abc import Iterable
from dataclasses import dataclass, fields

SIZES = (10, 100, 1_000, 10_000)

PACKET_US = 8.2
"""Processor time for a forwarded packet at 100 subscribers, AES-CM. README, Figures: `bench.report`."""
ADAPTATION = 1.14
"""What adapting to subscribers costs besides. README, On bad links: `bench.report --only adaptation`."""
PACKETS_PER_S = 187.9
"""Of a volunteer's sound and 720p30. `bench.fanout liveclass -n 100 --feedback --settle 8`: published_pps."""
STREAM_KBPS = 1147.6
"""The same on the wire, sound and headers with it. The same run: delivered_kbps_per_sub."""
RECORDING_CORES = 0.0039
"""Of a core, to record a lesson. README, Figures."""
BOARD_CORES = 0.14 / 100
"""Of a core for a classroom while a volunteer draws without pause. README, The blackboard: 14 % for 100 classrooms."""
SUBSCRIBER_MB = 0.169
"""Memory of a subscriber with adaptation. The same run as PACKETS_PER_S: rss_per_sub_kb."""
NODE_MB = 101.4
"""Memory of a node with a lesson and without subscribers. The same run: rss_idle_mb."""
LIGHT_KBPS = 23.0
"""Of the light replay beside the whole one. README, The blackboard: `bench.light`."""
UNEVEN = 1.35
"""Load of the fullest of 500 nodes over the mean. `bench.fleet_sim`, the worst of seeds 1 to 3."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the programme decides, and what its provider asks. Prices are assumptions, to be replaced by your own."""

    classrooms: float = 10
    lesson_min: float = 40
    lessons_a_day: float = 6
    days_a_month: float = 22
    drawing: float = 0.25
    down_kbps: float = STREAM_KBPS
    keep_days: float = 90
    busy: float = 0.7
    vps_cores: int = 2
    vps_gbps: float = 1.0
    vps_price: float = 15
    included_tb: float = 10
    traffic_price: float = 1.5
    s3_price: float = 6


HELP = {
    "classrooms": "of a lesson, in the mean",
    "lesson_min": "minutes of a lesson",
    "lessons_a_day": "how often a day so many lessons run at the same time",
    "days_a_month": "days of teaching a month",
    "drawing": "share of a lesson in which the volunteer draws",
    "down_kbps": "kbit/s that a classroom receives in the mean; thin links take less",
    "keep_days": "how long recordings are kept",
    "busy": "how full a core or a network card may be",
    "vps_cores": "cores of a machine; a node runs on each",
    "vps_gbps": "Gbit/s that a machine can send",
    "vps_price": "of a machine, a month",
    "included_tb": "TB of outgoing traffic a month that come with a machine",
    "traffic_price": "of a TB of outgoing traffic beyond",
    "s3_price": "of a TB stored, a month",
}


@dataclass(frozen=True, slots=True)
class Need:
    """What so many lessons at a time take. Money in the currency of the prices, a month."""

    lessons: int
    cores: float
    machines: int
    bound_by: str
    in_gbps: float
    out_gbps: float
    memory_mb: float
    traffic_tb: float
    stored_tb: float
    machines_cost: float
    traffic_cost: float
    storage_cost: float
    per_classroom_hour: float

    @property
    def cost(self) -> float:
        return self.machines_cost + self.traffic_cost + self.storage_cost


def lesson_cores(given: Given) -> float:
    """Of a core, for one lesson: the volunteer's packets once in, and once out for each classroom; board; recording."""
    forwarded = (given.classrooms + 1) * PACKETS_PER_S * PACKET_US * ADAPTATION / 1e6
    return forwarded + given.classrooms * BOARD_CORES * given.drawing + RECORDING_CORES


def need(lessons: int, given: Given) -> Need:
    """Everything for so many lessons that run at the same time."""
    cores = lessons * lesson_cores(given)
    out_gbps = lessons * given.classrooms * given.down_kbps / 1e6
    by_core, by_card = cores / given.busy / given.vps_cores, out_gbps / given.busy / given.vps_gbps
    share = max(by_core, by_card)
    machines = 1 if share <= 1 else math.ceil(share * UNEVEN) + 1  # one may be lost, or be upgraded
    taught_a_month = lessons * given.lessons_a_day * given.days_a_month
    lesson_s = given.lesson_min * 60
    traffic_tb = taught_a_month * given.classrooms * given.down_kbps * lesson_s / 8e9
    stored_tb = taught_a_month * (STREAM_KBPS + LIGHT_KBPS) * lesson_s / 8e9 * given.keep_days / 30
    nodes = machines * given.vps_cores
    machines_cost = machines * given.vps_price
    traffic_cost = max(0.0, traffic_tb - machines * given.included_tb) * given.traffic_price
    storage_cost = stored_tb * given.s3_price
    classroom_hours = taught_a_month * given.classrooms * given.lesson_min / 60
    return Need(
        lessons=lessons,
        cores=cores,
        machines=machines,
        bound_by="core" if by_core >= by_card else "network",
        in_gbps=lessons * STREAM_KBPS / 1e6,
        out_gbps=out_gbps,
        memory_mb=NODE_MB + lessons * (given.classrooms + 1) * SUBSCRIBER_MB / nodes * (1 if machines == 1 else UNEVEN),
        traffic_tb=traffic_tb,
        stored_tb=stored_tb,
        machines_cost=machines_cost,
        traffic_cost=traffic_cost,
        storage_cost=storage_cost,
        per_classroom_hour=(machines_cost + traffic_cost + storage_cost) / classroom_hours,
    )


def needs(given: Given, sizes: Iterable[int] = SIZES) -> str:
    """Machines and bandwidth as Markdown, a line for each size."""
    lines = [
        "| lessons at a time | cores at work | machines | nodes | bound by | in | out | memory of a node |",
        "|---:|---:|---:|---:|---|---:|---:|---:|",
    ]
    for of in (need(size, given) for size in sizes):
        lines.append(
            f"| {of.lessons:,} | {of.cores:.1f} | {of.machines:,} | {of.machines * given.vps_cores:,} | {of.bound_by} "
            f"| {_rate(of.in_gbps)} | {_rate(of.out_gbps)} | {of.memory_mb:.0f} MB |"
        )
    return "\n".join(lines)


def costs(given: Given, sizes: Iterable[int] = SIZES) -> str:
    """A month's traffic, storage and money as Markdown, a line for each size."""
    lines = [
        "| lessons at a time | traffic out | stored | machines | traffic | storage | in all | a classroom's hour |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for of in (need(size, given) for size in sizes):
        lines.append(
            f"| {of.lessons:,} | {of.traffic_tb:,.1f} TB | {of.stored_tb:,.1f} TB | {of.machines_cost:,.0f} "
            f"| {of.traffic_cost:,.0f} | {of.storage_cost:,.0f} | {of.cost:,.0f} | {of.per_classroom_hour:.4f} |"
        )
    return "\n".join(lines)


def _rate(gbps: float) -> str:
    return f"{gbps:.1f} Gbit/s" if gbps >= 1 else f"{1000 * gbps:.0f} Mbit/s"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.scale", description=(__doc__ or "").partition("\n")[0])
    for one in fields(Given):
        default = getattr(Given(), one.name)
        parser.add_argument(
            f"--{one.name.replace('_', '-')}",
            type=type(default),
            default=default,
            metavar="N",
            help=f"{HELP[one.name]} [{default:g}]",
        )
    parser.add_argument("--lessons", type=int, nargs="+", default=list(SIZES), metavar="N", help="lessons at a time")
    arguments = vars(parser.parse_args(argv))
    sizes: list[int] = arguments.pop("lessons")
    given = Given(**arguments)
    print(f"{needs(given, sizes)}\n\n{costs(given, sizes)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
