"""What one packet to one subscriber costs in the fan-out, in Python and natively, measured in turn in one run.

    python -m bench.native                # 100 subscribers, runs of 4 packets of 1,100 bytes, medians of 5
    python -m bench.native -n 400 --packets 1
    python -m bench.native --whole               # runs are cut by nobody, as where the network card does it

Knows the fan-out's function alone: no server, no publisher; a socket of this process takes the datagrams over loopback
and lets most of them fall. What is measured is `forward` and `flush`: everything from the table to the kernel.
"""

import argparse
import os
import resource
import socket
import statistics
import time
from collections.abc import Callable
from typing import Any

from liveclass.relay.fanout import Entry, Outgoing, forward
from liveclass.transport import native
from liveclass.transport.batch import Batch, kernel_address
from liveclass.transport.srtp import SrtpSender
from liveclass.transport.srtp_keys import PROFILES, SrtpKeys, SrtpProfile

SOL_UDP, UDP_GRO = 17, 104
ROUNDS = 5
SECONDS = 0.6
"""Of processor time in each measurement."""


class Log:
    """The send log of a receiver under congestion control, emptied as feedback would."""

    def __init__(self) -> None:
        self.next = 1
        self.runs: list[Any] = []
        self.past: list[Any] = []


class Table:
    """`count` subscribers on one path, all at one address."""

    def __init__(
        self, profile: SrtpProfile, count: int, *, is_native: bool, segments: bool, numbered: bool, whole: bool
    ) -> None:
        self.sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if whole:
            self.sink.setsockopt(SOL_UDP, UDP_GRO, 1)
        self.sink.bind(("127.0.0.1", 0))
        self.sending = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sending.setblocking(False)
        self.sending.bind(("127.0.0.1", 0))
        self.batch = Batch(self.sending)
        self.batch.segments = self.batch.segments and segments
        name = kernel_address(self.sink.getsockname())
        self.senders = []
        self.logs = [Log() if numbered else None for _ in range(count)]
        self.entries: list[Entry] = []
        for number in range(count):
            key = os.urandom(profile.key_length + profile.salt_length)
            keys = SrtpKeys(profile, bytearray(key), bytearray(key))
            self.senders.append(SrtpSender(keys, allow_repeat=True, native=is_native))
            self.entries.append((self.senders[-1].handle, name, 7 * number, number, 1000 + number, self.logs[number]))
        self.seq = 0

    def burst(self, packet: bytes, count: int) -> None:
        """One wake-up of the socket."""
        packets: list[Outgoing] = [(packet, self.seq + i, self.seq) for i in range(count)]
        self.seq += count
        forward(self.batch, packets, self.entries, 0.0)
        self.batch.flush()

    def close(self) -> None:
        for sender in self.senders:
            sender.close()
        self.batch.close()
        self.sending.close()
        self.sink.close()


def us_each(work: Callable[[], int], seconds: float = SECONDS) -> float:
    """Microseconds of processor time, the kernel's included, for each unit that `work` says it did."""
    work()
    begin, done = time.process_time(), 0
    while (spent := time.process_time() - begin) < seconds:
        done += work()
    return spent * 1e6 / done


def measure(
    args: argparse.Namespace, profile: SrtpProfile, *, is_native: bool, segments: bool, numbered: bool
) -> float:
    """One measurement of one path."""
    table = Table(profile, args.n, is_native=is_native, segments=segments, numbered=numbered, whole=args.whole)
    head = bytes((0x90, 96)) + bytes(10) + bytes((0xBE, 0xDE, 0, 1, 0x31, 0, 0, 0))
    packet = head + os.urandom(args.bytes - len(head))

    count: int = args.packets

    def work() -> int:
        for _ in range(8):
            table.burst(packet, args.packets)
        for log in table.logs:
            if log is not None:
                log.runs.clear()
        return 8 * count * len(table.entries)

    result = us_each(work, args.seconds)
    if table.batch.dropped:
        print(f"  {table.batch.dropped} datagrams were refused by the kernel")
    table.close()
    return result


def main() -> None:
    """Prints one line for each cipher and way of sending: Python, native, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("-n", type=int, default=100, help="subscribers")
    parser.add_argument("--packets", type=int, default=4, help="packets of one wake-up (at most 16)")
    parser.add_argument("--bytes", type=int, default=1100, help="of a packet")
    parser.add_argument("--whole", action="store_true", help="the socket takes runs whole (UDP_GRO): none is cut here")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of processor time in each measurement")
    args = parser.parse_args()
    if not native.built():
        raise SystemExit("The native fan-out was not built here: script/build-fanout")
    load_before = os.getloadavg()[0]
    print(f"{args.n} subscribers, {args.packets} packets of {args.bytes} bytes a wake-up; {native.path_in_use(True)}")
    print("us of processor time per packet and subscriber, loopback delivery included; medians of", args.rounds)
    print(f"{'':42}{'Python':>8}{'native':>8}{'ratio':>8}")
    for profile in (PROFILES[0], PROFILES[2]):
        for segments in (True, False):
            for numbered in (False, True):
                pairs = [
                    [
                        measure(args, profile, is_native=way, segments=segments, numbered=numbered)
                        for way in (False, True)
                    ]
                    for _ in range(args.rounds)
                ]
                python, natively = (statistics.median(column) for column in zip(*pairs, strict=True))
                title = f"{profile.name.removeprefix('SRTP_')}, {'runs' if segments else 'one by one'}"
                title += ", numbered" if numbered else ""
                print(f"{title:42}{python:8.2f}{natively:8.2f}{python / natively:8.1f}", flush=True)
    print(f"load of the machine {load_before:.1f} before, {os.getloadavg()[0]:.1f} after, {os.cpu_count()} processors")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
