"""Programs of what may arrive, given to both ways of receiving: they take and refuse the same, in the same order."""

import socket
import struct
from collections.abc import Callable
from contextlib import closing
from typing import Any

from liveclass.transport import native
from liveclass.transport.inbox import Datagram, Inbox
from liveclass.transport.srtp import SrtpReceiver, SrtpSender
from liveclass.transport.srtp_keys import PROFILES, SrtpProfile
from tests.servers import has_ipv6
from tests.transport.program import Bytes
from tests.transport.ways import keys_for

STEPS = (1, 1, 1, 0, 2, -3, 40, 1022, 1023, 1024, 1025, -1100, 30_000, 32_767, 32_768, 32_769, 40_000, 65_000)
REPORT_STEPS = (1, 1, 1, 2, 5, 100, 126, 127, 128, 129, 300)
SIZES = (0, 1, 15, 16, 17, 60, 200, 1100, 2000, 2040)
STREAMS = (1, 2, 3, 64)
REFUSALS = (TypeError, ValueError, OSError, OverflowError, RuntimeError)
"""What arguments of another form may raise; everything else is a fault."""

SIX = has_ipv6()
TEN_YEARS_S = 3e8


class Pair:
    """Both receivers of one peer, and what the peer sent so far, protected by libsrtp."""

    def __init__(self, profile: SrtpProfile, streams: int) -> None:
        self.sender = SrtpSender(keys_for(profile), allow_repeat=True)
        self.python, self.native = (
            SrtpReceiver(keys_for(profile), max_streams=streams, native=is_native) for is_native in (False, True)
        )
        self.sent: list[tuple[bytes, bool]] = []
        self._seq = dict.fromkeys(range(4), 0)

    def close(self) -> None:
        for one in (self.sender, self.python, self.native):
            one.close()

    def rtp(self, ssrc: int, step: int, form: int, size: int) -> None:
        """One more packet of a stream; may be refused by libsrtp, as too far behind."""
        self._seq[ssrc] += step
        seq = self._seq[ssrc] & 0xFFFF
        head = struct.pack("!BBHII", 0x80 | form & 0x13, 96, seq, 1, ssrc) + bytes(4 * (form & 3))
        if form & 0x10:
            head += struct.pack("!HH", 0xBEDE, form >> 6) + bytes(4 * (form >> 6))
        protected = self.sender.protect(head + bytes(size))
        if protected is not None:
            self.sent.append((protected, False))

    def rtcp(self, ssrc: int, step: int, size: int) -> None:
        """One more compound packet of a stream, `step - 1` of whose forerunners were lost before."""
        packet = struct.pack("!BBHI", 0x80, 201, 1, ssrc) + bytes(size & ~3)
        protected = None
        for _ in range(step):
            protected = self.sender.protect_rtcp(packet)
        if protected is not None:
            self.sent.append((protected, True))

    def give(self, datagram: bytes, is_rtcp: bool) -> bytes | None:
        """What both make of a datagram."""
        if is_rtcp:
            plain, natively = (one.unprotect_rtcp(datagram) for one in (self.python, self.native))
        else:
            plain, natively = (one.unprotect(datagram) for one in (self.python, self.native))
        assert natively == plain
        return plain

    def forget(self, ssrc: int) -> None:
        for one in (self.python, self.native):
            one.remove_stream(ssrc)


class Ports:
    """Two sockets that get the same, read natively and in Python."""

    def __init__(self, family: socket.AddressFamily, *, together: int = 8, addresses: int = 2) -> None:
        host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        self.sockets = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(2)]
        self.peers = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(4)]
        for one in (*self.sockets, *self.peers):
            one.bind((host, 0))
            one.setblocking(False)
        self.inboxes = [
            Inbox(one, native=is_native, together=together, addresses=addresses)
            for one, is_native in zip(self.sockets, (False, True), strict=True)
        ]

    def send(self, datagram: bytes, peer: int) -> None:
        for one in self.sockets:
            self.peers[peer % len(self.peers)].sendto(datagram, one.getsockname())

    def read(self, now: float) -> tuple[list[Datagram], list[Datagram]]:
        """What each brings in one wake-up."""
        python, natively = (list(inbox.read(now)) for inbox in self.inboxes)
        return python, natively

    def close(self) -> None:
        for inbox in self.inboxes:
            inbox.close()
        for one in (*self.sockets, *self.peers):
            one.close()


def receive(program: Bytes, first: int) -> None:
    """Run one program."""
    if first & 0x20:
        hostile(program)
        return
    family = socket.AF_INET6 if first & 2 and SIX else socket.AF_INET
    with closing(Pair(program.of(PROFILES), program.of(STREAMS))) as pair, closing(Ports(family)) as ports:
        waiting = 0
        while program:
            step, does = program.byte() % 12, program.byte()
            if step < 4:
                pair.rtp(does & 3, program.of(STEPS), program.byte(), program.of(SIZES))
            elif step < 6:
                pair.rtcp(does & 3, program.of(REPORT_STEPS), program.of(SIZES))
            elif step == 6:
                pair.forget(does & 3)
                continue
            if not pair.sent:
                continue
            datagram, is_rtcp = pair.sent[-1 - (does >> 2) % len(pair.sent) if step > 6 else -1]
            if step in {8, 9}:
                bent = bytearray(datagram)
                bent[(program.byte() << 3 | does >> 5) % len(bent)] ^= 1 << (does & 7)
                datagram = bytes(bent)
            elif step == 10:
                datagram = (datagram[: program.byte()], datagram + program.taken(does & 15), program.taken(does))[
                    does % 3
                ]
                is_rtcp ^= does > 250
            elif step == 11:
                ports.send(datagram if does & 1 else program.taken(does & 31), does)
                waiting += 1
                if waiting == 20:
                    agreed(ports)
                    waiting = 0
                continue
            if step > 6 or does & 0x80:
                pair.give(datagram, is_rtcp)
        agreed(ports)


def agreed(ports: Ports) -> None:
    python, natively = ports.read(TEN_YEARS_S)
    assert [one[:2] for one in natively] == [one[:2] for one in python]


def hostile(program: Bytes) -> None:
    """What Python's side never does: the module refuses it, or does as told, and stands."""
    assert native.MODULE is not None
    with closing(Ports(socket.AF_INET)) as ports:
        fd = ports.sockets[1].fileno()
        for number in range(program.byte() % 5):
            ports.send(program.taken(program.byte() % 20), number)

        def odd() -> Any:
            values: tuple[Any, ...] = (
                None,
                "x",
                b"",
                -1,
                0,
                1,
                2,
                64,
                256,
                1 << 16,
                1 << 70,
                1.5,
                float("nan"),
                float("inf"),
                [],
                b"\x80" * 40,
            )
            return program.of((*values, fd, bytearray(40), bytes(3000), memoryview(bytes(30))))

        inbox = native.MODULE.Inbox(fd, 1 + program.byte() % 4, 1)
        unprotector = native.MODULE.Unprotector(PROFILES[0].name, bytes(28), 2)
        calls: tuple[Callable[[], Any], ...] = (
            lambda: inbox.read(odd(), odd(), odd()),
            lambda: inbox.read(odd(), 1.0, 1.0),
            lambda: inbox.read(1, odd(), odd()),
            inbox.close,
            lambda: native.MODULE.Inbox(odd(), odd(), odd()).read(1, 0.0, 0.0),
            lambda: native.MODULE.Inbox(fd, odd(), odd()).read(odd(), 0.0, 0.0),
            lambda: unprotector.unprotect(odd()),
            lambda: unprotector.unprotect_rtcp(odd()),
            lambda: unprotector.unprotect(program.taken(program.byte() % 60)),
            lambda: unprotector.unprotect_rtcp(program.taken(program.byte() % 60)),
            lambda: unprotector.remove_stream(odd()),
            unprotector.close,
            lambda: native.MODULE.Unprotector(odd(), program.taken(program.byte() % 48), odd()),
            lambda: native.MODULE.Unprotector(program.of(PROFILES).name, bytes(program.of((28, 30, 44))), odd()),
        )
        while program:
            try:
                program.of(calls)()
            except REFUSALS:
                continue
