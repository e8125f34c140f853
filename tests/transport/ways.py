"""What the tests of the two fan-outs share: keys, packets, and a pair of sockets for each path."""

import random
import socket
from collections import deque
from typing import Any

from liveclass.transport.batch import Batch, kernel_address
from liveclass.transport.srtp import SrtpSender
from liveclass.transport.srtp_keys import SrtpKeys, SrtpProfile


def keys_for(profile: SrtpProfile, number: int = 0) -> SrtpKeys:
    key = random.Random(number).randbytes(profile.key_length + profile.salt_length)
    return SrtpKeys(profile, bytearray(key), bytearray(key))


def rtp(payload: bytes, *, extension: bool = False) -> bytes:
    head = bytes((0x90 if extension else 0x80, 96)) + bytes(10)
    return head + (bytes((0xBE, 0xDE, 0, 1, 0x31, 0, 0, 0)) if extension else b"") + payload


class Log:
    """What a receiver's congestion control keeps."""

    def __init__(self, first: int) -> None:
        self.next = first
        self.runs: deque[tuple[int, float, Any]] = deque()
        self.past: deque[Any] = deque()


class Way:
    """One of the two paths, with a socket to send from and one to receive at."""

    def __init__(
        self, *, is_native: bool, segments: bool = True, family: socket.AddressFamily = socket.AF_INET
    ) -> None:
        host = "127.0.0.1" if family == socket.AF_INET else "::1"
        self.native = is_native
        self.sending = socket.socket(family, socket.SOCK_DGRAM)
        self.receiving = socket.socket(family, socket.SOCK_DGRAM)
        self.receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        for one in (self.sending, self.receiving):
            one.bind((host, 0))
            one.setblocking(False)
        self.batch = Batch(self.sending)
        self.batch.segments = self.batch.segments and segments
        self.name = kernel_address(self.receiving.getsockname())

    def sender(self, profile: SrtpProfile, number: int = 0) -> SrtpSender:
        return SrtpSender(keys_for(profile, number), allow_repeat=True, native=self.native)

    def got(self) -> list[bytes]:
        out: list[bytes] = []
        while True:
            try:
                out.append(self.receiving.recv(4096))
            except BlockingIOError:
                return out

    def close(self) -> None:
        self.batch.close()
        self.sending.close()
        self.receiving.close()
