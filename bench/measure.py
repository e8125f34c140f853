"""What a run is measured by: CPU and memory from outside, and how late each frame came.

Knows /proc and arrays of times; nothing of servers and peers.
"""

import glob
import os
from collections.abc import Sequence

import numpy as np

TICK = os.sysconf("SC_CLK_TCK")
PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024


def tree(pid: int) -> list[int]:
    """A process and its descendants."""
    children: dict[int, list[int]] = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as f:
                fields = f.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(path.split("/")[2]))
    found = [pid]
    for p in found:
        found += children.get(p, [])
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its descendants."""
    total = 0.0
    for p in tree(pid):
        with open(f"/proc/{p}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def rss_mb(pid: int) -> float:
    """Resident memory of a process and its descendants."""
    total = 0.0
    for p in tree(pid):
        with open(f"/proc/{p}/statm") as f:
            total += int(f.read().split()[1]) * PAGE_KB
    return total / 1024


def machine() -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """(busy, stolen, all) CPU seconds of the machine."""
    with open("/proc/stat") as f:
        values = [int(v) for v in f.readline().split()[1:9]]
    return np.array([sum(values) - values[3] - values[4] - values[7], values[7], sum(values)]) / TICK


def latencies(
    arrivals: Sequence[tuple[int, int]], stamps: Sequence[tuple[int, int]], since: int, until: int
) -> list[float]:
    """Milliseconds from sending to arrival of each frame's last packet (kernel's receive time).

    RTP timestamps may be shifted, and rounded, by the server: the shift is found by the irregular steps.
    """
    got = [(stamp, at) for at, stamp in arrivals if since <= at <= until]
    if len(got) < 5:
        return []
    sent = {stamp + rounding: at for stamp, at in stamps for rounding in range(-2, 3)}
    probe = got[:: max(1, len(got) // 50)]
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
