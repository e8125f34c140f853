"""The process that carries packets between the two ends of a link: `python -m tests.links.forwarder`.

Speaks JSON lines with its parent: a profile is put on the link, `{}` asks for statistics; ends and cleans up when its
input ends, so also when the parent was killed. The link's rules are in `direction`.
"""

import argparse
import contextlib
import gc
import json
import math
import os
import resource
import select
import signal
import sys
import time
from typing import Any

from tests.links import namespace as spaces
from tests.links.direction import DOWN, UP, Direction, Histogram
from tests.links.profile import Profile

LARGEST = 65_536
BATCH = 64
"""Packets read from a device before the other one is looked at."""

SPIN_US = 1_000_000
"""Processor time without a pause after which the kernel ends the forwarder: real-time work starves all other."""


class Way:
    """A direction with its two devices."""

    def __init__(self, side: int, source_fd: int, target_fd: int) -> None:
        self.link = Direction(side)
        self.source_fd, self.target_fd = source_fd, target_fd
        self.blocked = self.write_errors = 0
        self.lateness = Histogram()

    def advance(self, now: float) -> float:
        """Delivers what is due; returns when there will be something to do."""
        arrived, following = self.link.advance(now)
        for packet, due in arrived:
            try:
                os.write(self.target_fd, packet)
            except OSError:
                self.write_errors += 1
                continue
            self.lateness.add(max(0.0, time.monotonic() - due))
        return following

    def stats(self) -> dict[str, Any]:
        more = {"blocked": self.blocked, "write_errors": self.write_errors}
        return {**self.link.stats(), **more, "emulator_late_ms": self.lateness.percentiles()}


def forward(ports: tuple[int, ...], udp: bool) -> int:
    """Makes a namespace and carries its packets until the input ends.

    Returns:
        the exit code.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    spaces.clean()
    namespace = spaces.NAMESPACE.format(os.getpid())
    try:
        ends = spaces.create(namespace)
        print(json.dumps({"namespace": namespace, "client_address": ends.client}), flush=True)
        _loop(ends, spaces.Filter(ends.client, ports, udp=udp))
    except Exception as error:
        # The parent hears every failure in the same form, whatever library raised it.
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
        return 1
    finally:
        if spaces.exists(namespace):
            spaces.remove(namespace)
    return 0


def _loop(ends: spaces.Ends, rules: spaces.Filter) -> None:
    gc.disable()  # nothing here makes reference cycles
    with contextlib.suppress(OSError, ValueError):  # be on time on a busy machine; the work is small
        resource.setrlimit(resource.RLIMIT_RTTIME, (SPIN_US, SPIN_US))
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    down, up = Way(DOWN, ends.host_fd, ends.client_fd), Way(UP, ends.client_fd, ends.host_fd)
    control, started = b"", time.monotonic()
    while True:
        following = min(way.advance(time.monotonic()) for way in (down, up))
        wait = None if following == math.inf else max(0.0, following - time.monotonic())
        # select: its timeout is exact, that of epoll is whole milliseconds.
        ready = select.select([0, ends.host_fd, ends.client_fd], (), (), wait)[0]
        for way in (down, up):
            way.advance(time.monotonic())
            if way.source_fd in ready:
                _take(way, rules)
        if 0 not in ready:
            continue
        data = os.read(0, LARGEST)
        if not data:
            return
        *lines, control = (control + data).split(b"\n")
        for fields in map(json.loads, lines):
            if fields:
                for way in (down, up):
                    way.link.configure(Profile.from_json(fields), time.monotonic())
            else:
                _report(down, up, time.monotonic() - started)


def _take(way: Way, rules: spaces.Filter) -> None:
    now, going_up = time.monotonic(), way.link.side == UP
    with contextlib.suppress(BlockingIOError):
        for _ in range(BATCH):
            packet = os.read(way.source_fd, LARGEST)
            if rules.passes(packet, up=going_up):
                way.link.offer(packet, now)
            elif packet[0] >> 4 == 4:  # not the kernel's own IPv6 chatter
                way.blocked += 1
                if going_up and (refusal := rules.refusal(packet)):
                    os.write(way.source_fd, refusal)


def _report(down: Way, up: Way, seconds: float) -> None:
    profile = down.link.profile.to_json()
    told = {"seconds": round(seconds, 3), "profile": profile, "down": down.stats(), "up": up.stats()}
    print(json.dumps(told), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Carries the packets of one link; started by `BadLink`.")
    parser.add_argument("--server-port", type=int, action="append", default=[])
    parser.add_argument("--no-udp", action="store_true")
    given = parser.parse_args()
    sys.exit(forward(tuple(given.server_port), not given.no_udp))


if __name__ == "__main__":
    main()
