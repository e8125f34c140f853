"""Which congestion control TCP uses towards classrooms. Knows sockets and nothing of what they carry."""

import contextlib
import socket
import sys

_CONTROL = b"bbr"
"""Holds its rate where packets are lost at random, as radio links do; cubic falls to a few kbit/s there."""


def hold_rate(sock: socket.socket) -> None:
    """Let `sock` keep its rate where packets are lost, and send small pieces at once. Connections that a listening
    socket accepts take both over on Linux; where the system lacks one it goes without."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, _CONTROL)
