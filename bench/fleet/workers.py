"""What a forwarded packet costs one worker and two: a publisher and N subscribers for each worker.

The generator runs on the same cores, so two workers cannot be filled here. What is measured is the processor's time of
each worker for a packet, from which follows what it could carry on a core of its own.
"""

import copy
import time
from dataclasses import dataclass, field

import psutil  # type: ignore[import-untyped]

from bench import clip
from bench.adapters import Liveclass
from bench.fanout import arguments, delivery
from bench.fleet.site import Row
from bench.generator import Child, publish, subscribe
from bench.measure import Meter

SETTLE_S = 3.0
"""Until a lesson is in the directory, so that the next one goes to the other worker; and of quiet after the joins."""

BUSY_SHARE = 0.1
"""Of the busiest worker's: one with less carries no lesson."""


@dataclass(slots=True)
class Carried:
    """Of one run.

    Attributes:
        cores: of each worker that carried a lesson.
        packets_per_s: that arrived, and that ought to have.
        generator, others: cores that they took.
    """

    workers: int
    cores: list[float]
    packets_per_s: float
    offered_per_s: float
    generator: float
    others: float

    @property
    def delivered(self) -> float:
        """Share of the packets that were offered."""
        return self.packets_per_s / self.offered_per_s

    @property
    def packet_us(self) -> float:
        return 1e6 * sum(self.cores) / self.packets_per_s

    @property
    def could_carry(self) -> float:
        """Packets a second of as many full cores, each worker at its own price."""
        each = self.packets_per_s / len(self.cores)
        return sum(each / core for core in self.cores)


@dataclass(slots=True)
class Workers:
    """One worker and two."""

    runs: list[Carried] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return self.runs[1].could_carry / self.runs[0].could_carry

    def rows(self) -> list[Row]:
        rows: list[Row] = []
        for run in self.runs:
            cores = " + ".join(f"{core:.3f}" for core in run.cores)
            rows += [
                (
                    f"{run.workers}: packets a second; of those offered",
                    "",
                    f"{run.packets_per_s:.0f}; {run.delivered:.1%}",
                )
            ]
            rows += [
                (
                    f"{run.workers}: cores of the workers; generator; others",
                    "",
                    f"{cores}; {run.generator:.2f}; {run.others:.2f}",
                )
            ]
            rows += [(f"{run.workers}: processor time a packet", "", f"{run.packet_us:.2f} µs")]
        one, two = self.runs
        rows.append(("processor time a packet, two to one", "1.0", f"{two.packet_us / one.packet_us:.2f}"))
        rows.append(("packets carried in these runs, two to one", "", f"{two.packets_per_s / one.packets_per_s:.2f}"))
        rows.append(("what full cores would carry, two to one (computed)", "1.9", f"{self.ratio:.2f}"))
        return rows


def workers(subscribers: int, seconds: float) -> Workers:
    """A run with one worker and one lesson, then one with two and two."""
    clip.load("h264")
    return Workers([_run(count, subscribers, seconds) for count in (1, 2)])


def _run(count: int, subscribers: int, seconds: float) -> Carried:
    args = arguments(["liveclass"])
    args.serve = [f"--workers={count}"]
    first = Liveclass(args)
    children: list[Child] = []
    try:
        first.start()
        _wait_for(first, count)
        publishers, audiences = [], []
        for number in range(count):
            lesson = first if number == 0 else _another(first)
            publishers.append(Child(publish, lesson, args))
            children.append(publishers[-1])
            publishers[-1].get()
            time.sleep(SETTLE_S)
            audiences.append(Child(subscribe, lesson, args, subscribers))
            children.append(audiences[-1])
            joined, failures = audiences[-1].get(60 + 5 * subscribers)
            if failures:
                raise RuntimeError(f"{len(joined)} of {subscribers} joined: {failures[0]}")
        time.sleep(SETTLE_S)
        processes = _processes(first, count)
        generator = [child.process.pid or 0 for child in children]
        marks = [one.ask("mark") for one in audiences]
        meter = Meter([*processes, *generator])
        time.sleep(seconds)
        load = meter.read()
        packets = 0.0
        for one, (begun, before) in zip(audiences, marks, strict=True):
            ended, after = one.ask("mark")
            packets += delivery(before, after, (ended - begun) / 1e9, subscribers)["delivered_pps"]
        for one in audiences:
            one.ask("stop")
        sent = [one.ask("stop")[0] for one in publishers]
        published = sum(sum(load.since_ns <= at <= load.until_ns for at in times) for times in sent) / load.seconds
        cores = load.cores[: len(processes)]
        carrying = [core for core in cores if core > BUSY_SHARE * max(cores)]
        if len(carrying) != count:
            raise RuntimeError(f"the lessons are not spread: {cores}")
        generating = sum(load.cores[len(processes) :])
        return Carried(count, carrying, packets, published * subscribers, generating, load.others)
    finally:
        for child in children:
            if child.process.is_alive():
                child.process.terminate()
            child.end()
        first.stop()


def _another(first: Liveclass) -> Liveclass:
    """A further lesson on the same server."""
    other = copy.copy(first)
    other.lesson = first.api("POST", "/api/lessons", {"title": "bench"})
    other.whip, other.whep = other.lesson["whip_url"], other.lesson["whep_url"]
    other.token = other.lesson["teacher_token"]
    return other


def _processes(server: Liveclass, count: int) -> list[int]:
    return [one.pid for one in psutil.Process(server.pid).children()] if count > 1 else [server.pid]


def _wait_for(server: Liveclass, count: int) -> None:
    """Until all workers are nodes: none is taken for full because it is not there yet."""
    if count > 1:
        end = time.monotonic() + 60
        while sum(_listens(pid) for pid in _processes(server, count)) < count:
            if time.monotonic() > end:
                raise RuntimeError(f"not all workers came up: {server.tail()}")
            time.sleep(0.2)
        time.sleep(SETTLE_S)


def _listens(pid: int) -> bool:
    """It has its own media port: it is nearly up."""
    return bool(psutil.Process(pid).net_connections("udp"))
