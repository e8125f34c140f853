"""What a run is measured by: CPU and memory from outside, and how late each frame came.

Knows /proc and arrays of times; nothing of servers and peers.
"""

import glob
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

TICK = os.sysconf("SC_CLK_TCK")
PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024

PROBES = 50
"""Frames by which the shift of timestamps is found; more would only cost time."""


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold spaces; empty when the process is gone."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()
    except OSError:
        return []


def tree(pid: int) -> list[int]:
    """A process and its descendants."""
    children: dict[int, list[int]] = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        process = int(path.split("/")[2])
        if fields := _stat(process):
            children.setdefault(int(fields[1]), []).append(process)
    found = [pid]
    for p in found:
        found += children.get(p, [])
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its descendants, those that it has reaped included."""
    total = 0.0
    for p in tree(pid):
        if not (fields := _stat(p)):
            continue
        total += (int(fields[13]) + int(fields[14])) / TICK
        try:
            # clock_getcpuclockid(3) by hand: nanoseconds, where /proc counts hundredths of a second
            total += time.clock_gettime((~p << 3) | 2)
        except OSError:
            total += (int(fields[11]) + int(fields[12])) / TICK
    return total


def rss_mb(pid: int) -> float:
    """Resident memory of a process and its descendants."""
    total = 0.0
    for p in tree(pid):
        try:
            with open(f"/proc/{p}/statm") as f:
                total += int(f.read().split()[1]) * PAGE_KB
        except OSError:
            continue
    return total / 1024


def machine() -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """(busy, stolen, all) CPU seconds of the machine."""
    with open("/proc/stat") as f:
        values = [int(v) for v in f.readline().split()[1:9]]
    return np.array([sum(values) - values[3] - values[4] - values[7], values[7], sum(values)]) / TICK


@dataclass(frozen=True, slots=True)
class Load:
    """CPU over a window, in cores: of each process asked for, of all others; and the machine's own percentages."""

    since_ns: int
    until_ns: int
    cores: list[float]
    others: float
    busy_pct: float
    steal_pct: float

    @property
    def seconds(self) -> float:
        return (self.until_ns - self.since_ns) / 1e9


class Meter:
    """Reads the CPU of processes and of the machine from its making to `read`."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = pids
        self._cpu, self._machine, self._since = [cpu_seconds(p) for p in pids], machine(), time.time_ns()

    def read(self) -> Load:
        cpu, now, until = [cpu_seconds(p) for p in self._pids], machine(), time.time_ns()
        seconds = (until - self._since) / 1e9
        busy, stolen, total = now - self._machine
        cores = [(b - a) / seconds for a, b in zip(self._cpu, cpu, strict=True)]
        others = busy / seconds - sum(cores)
        return Load(self._since, until, cores, float(others), float(100 * busy / total), float(100 * stolen / total))


def latencies(
    arrivals: Sequence[tuple[int, int]], stamps: Sequence[tuple[int, int]], since: int, until: int
) -> list[float]:
    """Milliseconds from sending to arrival of each frame's last packet (kernel's receive time).

    RTP timestamps may be shifted, and rounded, by the server: the shift is found by the irregular steps.

    Args:
        arrivals: (time in ns, RTP timestamp) of each frame received; only those of the window count.
        stamps: (RTP timestamp, time in ns) of each frame sent.
        since, until: the window, in ns.

    Returns:
        Nothing when under five frames came, or when they are not those that were sent.
    """
    got = [(stamp, at) for at, stamp in arrivals if since <= at <= until]
    if len(got) < 5 or not stamps:
        return []
    sent = {(stamp + rounding) & 0xFFFFFFFF: at for stamp, at in stamps for rounding in range(-2, 3)}
    probe = got[:: max(1, len(got) // PROBES)]
    score = {
        shift: sum((g - shift) & 0xFFFFFFFF in sent for g, _ in probe)
        for shift in {(got[0][0] - s) & 0xFFFFFFFF for s, _ in stamps}
    }
    shift = max(score, key=lambda candidate: score[candidate])
    if score[shift] < 0.8 * len(probe):
        return []
    values = [(at - sent[(g - shift) & 0xFFFFFFFF]) / 1e6 for g, at in got if (g - shift) & 0xFFFFFFFF in sent]
    return [v for v in values if v >= 0]


def percentile(values: Sequence[float], p: float) -> float | None:
    """Rounded to microseconds; None of nothing."""
    return round(float(np.percentile(values, p)), 3) if len(values) else None
