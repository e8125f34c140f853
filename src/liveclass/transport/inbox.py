"""What comes at one UDP socket: the datagrams of a wake-up, whose they are, and when the kernel took them.

Where the native module was built, one system call brings many (`_receive.h`); else `recvmsg` brings one at a time, and
nothing else differs. Knows sockets and clocks; refuses to know what is in a datagram.
"""

import contextlib
import socket
import time
from collections.abc import Iterator
from struct import Struct
from typing import Any, Final

from liveclass.transport.batch import Address
from liveclass.transport.native import MODULE

READS_PER_WAKEUP: Final = 128
"""Datagrams taken before the loop gets its turn again: 128 cost about 1 ms of reading."""

DATAGRAM_BYTES: Final = 2048
"""The largest datagram read; anything longer than an Ethernet frame is cut and fails its checks."""

TOGETHER: Final = 64
"""Datagrams that one system call may bring: room for them is 140 KB."""

ADDRESSES: Final = 2048
"""Addresses whose tuple is kept, so that a packet need not make its own; two that fall together take turns."""

SO_TIMESTAMPNS: Final = 35
"""Linux: have each datagram tell when it arrived, as a timespec; Python has no name for it."""

STAMP_BYTES: Final = socket.CMSG_SPACE(16)

_stamp = Struct("@qq").unpack

Datagram = tuple[bytes, Address, float]
"""Its bytes, whose it is, and when it arrived on the monotonic clock."""


class Inbox:
    """Reads one non-blocking UDP socket, which stays its owner's to close.

    Args:
        native: by the native module, where that was built.
        together: datagrams of one system call, of the native module alone.
        addresses: addresses that it keeps, a power of two.
    """

    __slots__ = ("_arrived", "_native", "_socket")

    def __init__(
        self, sock: socket.socket, *, native: bool, together: int = TOGETHER, addresses: int = ADDRESSES
    ) -> None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket: socket.socket | None = sock
        self._arrived = 0.0
        self._native: Any = None
        if native and MODULE is not None:
            self._native = MODULE.Inbox(sock.fileno(), together, addresses)

    def read(self, now: float) -> Iterator[Datagram]:
        """What waits, at most `READS_PER_WAKEUP`; errors of the socket count as a datagram each and are passed over.

        A datagram arrived when the kernel took it, not when we came to read it: else a busy server looks like a full
        link to the publisher's congestion control, and its picture shrinks. Never after `now`, never before the one
        before it, whatever the wall clock does meanwhile.

        Args:
            now: the monotonic clock at the wake-up.
        """
        since = now - time.time()
        return self._read_natively(now, since) if self._native is not None else self._read_each(now, since)

    def _read_natively(self, now: float, since: float) -> Iterator[Datagram]:
        read, left = self._native.read, READS_PER_WAKEUP
        while left > 0:
            try:
                datagrams = read(left, now, since)
            except OSError:
                left -= 1
                continue
            if not datagrams:
                return
            left -= len(datagrams)
            for datagram in datagrams:
                if self._socket is None:
                    return
                yield datagram

    def _read_each(self, now: float, since: float) -> Iterator[Datagram]:
        for _ in range(READS_PER_WAKEUP):
            if self._socket is None:
                return
            try:
                datagram, extra, _, address = self._socket.recvmsg(DATAGRAM_BYTES, STAMP_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue
            at = now
            if extra:
                seconds, nanoseconds = _stamp(extra[0][2])
                at = self._arrived = min(now, max(self._arrived, seconds + nanoseconds * 1e-9 + since))
            yield datagram, address, at

    def close(self) -> None:
        """Read no more; a `read` under way ends, whatever it would still bring. Twice is harmless."""
        self._socket = None
        if self._native is not None:
            self._native.close()
