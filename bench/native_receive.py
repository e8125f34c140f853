"""What a received packet costs, RTP of a publisher and RTCP of subscribers, in Python and natively, in turn in one run.

    python -m bench.native_receive                  # 100 peers, 16 datagrams a wake-up, medians of 5
    python -m bench.native_receive --together 1     # a server that has nothing else to do
    python -m bench.native_receive --gro            # what UDP_GRO does to a run of one peer's packets

Knows the media port's reading and SRTP alone: no lesson, no relay. Peers are sockets of this process over loopback;
what they do is not measured, the kernel's half of reading is.
"""

import argparse
import asyncio
import os
import socket
import statistics
import struct
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

from liveclass.transport import native
from liveclass.transport.dtls import Identity
from liveclass.transport.endpoint import Endpoint
from liveclass.transport.srtp import SrtpReceiver, SrtpSender
from liveclass.transport.srtp_keys import PROFILES, SrtpKeys, SrtpProfile

SOL_UDP, UDP_SEGMENT, UDP_GRO = 17, 103, 104
ROUNDS = 5
SECONDS = 0.4
"""Of processor time in each measurement."""

FEEDBACK_BYTES = 60
"""Of a compound packet with transport-wide feedback for a tenth of a second of 1 Mbit/s."""


class Peer:
    """One who sends: a publisher or a subscriber."""

    def __init__(self, profile: SrtpProfile, port: int, *, is_native: bool, is_rtcp: bool, octets: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.connect(("127.0.0.1", port))
        key = os.urandom(profile.key_length + profile.salt_length)
        keys = SrtpKeys(profile, bytearray(key), bytearray(key))
        self._sender = SrtpSender(keys)
        self.receiver = SrtpReceiver(keys, native=is_native)
        self.unprotect = self.receiver.unprotect_rtcp if is_rtcp else self.receiver.unprotect
        self._is_rtcp = is_rtcp
        self._body = os.urandom(octets)
        self._seq = 0

    def packet(self) -> bytes:
        """The next one, protected."""
        self._seq += 1
        if self._is_rtcp:
            plain = struct.pack("!BBHI", 0x8F, 205, len(self._body) // 4 + 1, 1) + self._body
            protected = self._sender.protect_rtcp(plain)
        else:
            head = struct.pack("!BBHIIHHI", 0x90, 96, self._seq & 0xFFFF, 0, 1, 0xBEDE, 1, 0x31000000)
            protected = self._sender.protect(head + self._body)
        assert protected is not None
        return protected

    def close(self) -> None:
        self.socket.close()
        self.receiver.close()
        self._sender.close()


class Port:
    """The media port, to which peers are bound as checks would."""

    def __init__(self, endpoint: Endpoint, peers: list[Peer], together: int) -> None:
        self._endpoint, self._peers, self._together, self._turn = endpoint, peers, together, 0
        self.taken = 0
        for peer in peers:
            handler = SimpleNamespace(rtp=self._taker(peer), rtcp=self._taker(peer))
            session = SimpleNamespace(receiver=peer.receiver, handler=handler)
            endpoint._by_address[peer.socket.getsockname()] = cast(Any, session)

    def _taker(self, peer: Peer) -> Callable[[bytes, float], None]:
        unprotect = peer.unprotect

        def take(datagram: bytes, now: float) -> None:
            if unprotect(datagram) is not None:
                self.taken += 1

        return take

    def wake_ups(self) -> Iterator[float]:
        """Seconds of processor time that each took."""
        while True:
            for _ in range(self._together):
                peer = self._peers[self._turn % len(self._peers)]
                self._turn += 1
                peer.socket.send(peer.packet())
            begin = time.process_time()
            self._endpoint._readable()
            yield time.process_time() - begin


async def received(
    profile: SrtpProfile, identity: Identity, args: argparse.Namespace, *, is_native: bool, is_rtcp: bool
) -> float:
    """Microseconds from the readable socket to the plain packet."""
    endpoint = Endpoint(identity, timeout_s=1e9, max_sessions=1, native=is_native)
    await endpoint.open("127.0.0.1", 0, listen_tcp=False)
    count, octets = (args.n, FEEDBACK_BYTES) if is_rtcp else (1, args.bytes)
    peers = [
        Peer(profile, endpoint.port, is_native=is_native, is_rtcp=is_rtcp, octets=octets - 28) for _ in range(count)
    ]
    port = Port(endpoint, peers, args.together)
    spent, wake_ups = 0.0, 0
    for one in port.wake_ups():
        wake_ups += 1
        spent += one
        if spent >= args.seconds:
            break
    if port.taken != wake_ups * args.together:
        raise SystemExit(f"only {port.taken} of {wake_ups * args.together} packets were taken")
    endpoint._by_address.clear()
    endpoint.close()
    for peer in peers:
        peer.close()
    return spent * 1e6 / port.taken


async def unprotected(
    profile: SrtpProfile, _: Identity, args: argparse.Namespace, *, is_native: bool, is_rtcp: bool
) -> float:
    """Microseconds of the last step alone."""
    peer = Peer(
        profile, 9, is_native=is_native, is_rtcp=is_rtcp, octets=(FEEDBACK_BYTES if is_rtcp else args.bytes) - 28
    )
    spent, taken = 0.0, 0
    while spent < args.seconds:
        packets = [peer.packet() for _ in range(500)]
        begin = time.process_time()
        for packet in packets:
            if peer.unprotect(packet) is not None:
                taken += 1
        spent += time.process_time() - begin
    peer.close()
    return spent * 1e6 / taken


def whole_runs(args: argparse.Namespace) -> None:
    """Reading runs that one peer sent by UDP_SEGMENT, cut by the kernel or taken whole: the one case that can gain."""
    print(
        "us of processor time to read a datagram out of a run over loopback, Python's recvmsg; medians of", args.rounds
    )
    for run in (1, 2, 4, 8):
        rows = []
        for _ in range(args.rounds):
            row = []
            for whole in (0, 1):
                with (
                    socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as to,
                    socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as by,
                ):
                    to.bind(("127.0.0.1", 0))
                    to.setblocking(False)
                    to.setsockopt(SOL_UDP, UDP_GRO, whole)
                    by.connect(to.getsockname())
                    by.setsockopt(SOL_UDP, UDP_SEGMENT, args.bytes)
                    spent, octets = 0.0, 0
                    while spent < args.seconds:
                        by.send(bytes(args.bytes * run))
                        begin = time.process_time()
                        try:
                            while True:
                                octets += len(to.recvmsg(65536, 64)[0])
                        except BlockingIOError:
                            spent += time.process_time() - begin
                    row.append(spent * 1e6 * args.bytes / octets)
            rows.append(row)
        cut, taken = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"runs of {run}: {cut:6.2f} cut {taken:6.2f} whole")


async def compare(args: argparse.Namespace) -> None:
    """Prints one line for each cipher and kind: Python, native, what is gained."""
    identity = Identity.generate(time.time())
    ways = (False, True) if native.built() else (False,)
    load = os.getloadavg()[0]
    print(f"{args.n} subscribers, packets of {args.bytes} bytes, {args.together} a wake-up; {native.path_in_use(True)}")
    print("us of processor time per received packet, the kernel's half included; medians of", args.rounds)
    print(f"{'':46}{'Python':>8}{'native':>8}{'gained':>8}")
    for profile in (PROFILES[0], PROFILES[2]):
        for is_rtcp in (False, True):
            for step in (received, unprotected):
                rows = [
                    [await step(profile, identity, args, is_native=way, is_rtcp=is_rtcp) for way in ways]
                    for _ in range(args.rounds)
                ]
                python, *rest = (statistics.median(column) for column in zip(*rows, strict=True))
                title = f"{profile.name.removeprefix('SRTP_')}, {'RTCP' if is_rtcp else 'RTP'}"
                title += ", read and unprotected" if step is received else ", unprotected alone"
                more = f"{rest[0]:8.2f}{python - rest[0]:8.2f}" if rest else ""
                print(f"{title:46}{python:8.2f}{more}", flush=True)
    print(f"load of the machine {load:.1f} before, {os.getloadavg()[0]:.1f} after, {os.cpu_count()} processors")


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("-n", type=int, default=100, help="subscribers that send RTCP")
    parser.add_argument("--together", type=int, default=16, help="datagrams that wait at each wake-up")
    parser.add_argument("--bytes", type=int, default=1100, help="of an RTP packet")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of processor time in each measurement")
    parser.add_argument("--gro", action="store_true", help="UDP_GRO alone: runs of one peer, cut and whole")
    args = parser.parse_args()
    if args.gro:
        whole_runs(args)
    else:
        asyncio.run(compare(args))


if __name__ == "__main__":
    main()
