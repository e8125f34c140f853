"""Where processes of a measurement run: a server of one thread on one core, the generator on the others.

Knows the kernel's switches for that; refuses to know what is measured.
"""

import os
import shutil
import sys
from collections.abc import Iterable
from typing import NoReturn

SERVER_CORE = 0
MARK = "BENCH_APART"

_SETUP = (
    "ip link set lo up && mount -t sysfs sysfs /sys"
    f' && {{ echo "$0" > /sys/class/net/lo/queues/rx-0/rps_cpus; }} && {MARK}=1 exec "$@"'
)
"""In a network namespace of its own, whose loopback hands what arrives to the other cores (receive packet steering)."""


def can_part() -> str:
    """Why server and receivers cannot be kept apart here; empty where they can."""
    if (os.cpu_count() or 1) < 2:
        return "one core cannot be parted"
    if not (shutil.which("unshare") and shutil.which("ip")):
        return "unshare and ip are needed"
    return "" if os.geteuid() == 0 else "only root may make a network namespace"


def apart(module: str, arguments: Iterable[str]) -> None:
    """Go on in a network namespace whose loopback leaves the receiver's half of a packet's way through the kernel to
    the cores that the server does not run on; returns only there.

    Raises:
        SystemExit: it cannot be had here.
    """
    if os.environ.get(MARK):
        return
    if why := can_part():
        sys.exit(f"--apart: {why}")
    _enter(module, arguments)


def _enter(module: str, arguments: Iterable[str]) -> NoReturn:
    mask = (1 << (os.cpu_count() or 1)) - 1 & ~(1 << SERVER_CORE)
    command = ["unshare", "-n", "-m", "sh", "-c", _SETUP, f"{mask:x}", sys.executable, "-m", module, *arguments]
    os.execvp(command[0], command)  # noqa: S606


def on_its_core(pid: int) -> None:
    """A server of one thread and its helpers: nobody else's work stands in its way, nor its own on another core."""
    _place(pid, {SERVER_CORE})


def beside(pid: int) -> None:
    """A process of the generator: wherever the server is not."""
    _place(pid, set(range(os.cpu_count() or 1)) - {SERVER_CORE})


def _place(pid: int, cores: set[int]) -> None:
    if not cores or (os.cpu_count() or 1) < 2:
        return
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            os.sched_setaffinity(int(thread), cores)
        except OSError:
            continue  # it ended, or this machine lends only some cores
