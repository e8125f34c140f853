"""Many datagrams in one system call: a ring of send buffers, `sendmmsg`, and runs of datagrams to one peer as one
message (UDP segmentation offload); with plain `sendto` where the system has neither. The native fan-out has a ring of
its own (`_fanout.c`), which is filled and emptied through here as well.

Knows addresses and bytes; refuses to know what is in them. One `Batch` belongs to one socket and one thread.
"""

import contextlib
import errno
import socket
import struct
import sys
import time
from collections.abc import Sequence
from typing import Any, Protocol

from cffi import FFI

from liveclass.transport.native import MODULE

SLOTS = 64
"""Datagrams in the ring: 128 KB of buffers; longer rings were not faster."""

SLOT_BYTES = 2048
"""Room for one datagram: the largest UDP payload on Ethernet (1,472) and the SRTP trailer, rounded up."""

_ffi = FFI()
_ffi.cdef(
    """
    struct iovec { void *iov_base; size_t iov_len; };
    struct msghdr { void *msg_name; unsigned msg_namelen; struct iovec *msg_iov; size_t msg_iovlen;
                    void *msg_control; size_t msg_controllen; int msg_flags; };
    struct mmsghdr { struct msghdr msg_hdr; unsigned msg_len; };
    int sendmmsg(int, struct mmsghdr *, unsigned, int);
    """
)

WORDS = _ffi.sizeof("struct mmsghdr") // 8

HEADER_WORDS = 8
"""64-bit words of the header that `sendmmsg` reads on 64-bit Linux; elsewhere `sendto` is used."""

CONTROL_BYTES = 32
"""Room for one control message: a header of 16 bytes and a segment size of 2, rounded up."""

CONTROL_SPACE = 24
"""What the kernel is told of it: CMSG_SPACE(2) on 64-bit Linux."""

SOL_UDP, UDP_SEGMENT = 17, 103
"""Linux: one message of equal pieces leaves as that many datagrams (Linux 4.18, udp(7))."""

MOST_REFUSED = 64
"""Runs that were refused in a row though their datagrams went one by one, until no more are made. Not the first: one
receiver's path may be narrower than all others', and a run that goes costs a quarter less."""

NAME_BYTES = 32
"""Room for one kernel address: 16 bytes of IPv4 or 28 of IPv6."""


def _system() -> Any:
    if not sys.platform.startswith("linux") or WORDS != HEADER_WORDS:
        return None
    try:
        library = _ffi.dlopen(None)
        library.sendmmsg  # noqa: B018 - the look-up is the test
    except (OSError, AttributeError):
        return None
    return library


_library = _system()

VECTOR, CONTROL = 2, 5
"""Words of a message header: the vectors' address (their number follows), and the length of the control messages."""

VECTOR_BYTES = 16
SIZE_STEP, SIZE_AT = CONTROL_BYTES // 2, 8
"""Where a message's segment size stands, in 16-bit steps of `sizes`."""

Address = tuple[Any, ...]


def kernel_address(address: Address) -> bytes:
    """An address as the kernel reads it (`sockaddr_in`, `sockaddr_in6`)."""
    if ":" in address[0]:
        flow, scope = (address[2], address[3]) if len(address) > 3 else (0, 0)
        packed = socket.inet_pton(socket.AF_INET6, address[0].partition("%")[0])
        head = struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", address[1], flow)
        return head + packed + struct.pack("=I", scope)
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", address[1]) + socket.inet_aton(address[0]) + bytes(8)


def python_address(raw: bytes) -> Address:
    """The inverse of `kernel_address`."""
    (port,) = struct.unpack_from("!H", raw, 2)
    if struct.unpack_from("=H", raw)[0] == socket.AF_INET:
        return socket.inet_ntoa(raw[4:8]), port
    return socket.inet_ntop(socket.AF_INET6, raw[8:24]), port, 0, struct.unpack_from("=I", raw, 24)[0]


class Flushable(Protocol):
    """Something that holds packets back until the end of a wake-up, to send them together."""

    def flush(self) -> None: ...


class Batch:
    """Send buffers and their headers, laid out once; `relay.fanout` fills them.

    Slot `i` has its bytes at `view[i * SLOT_BYTES]` and its length in `lengths[2 * i + 1]`. Message `m` is a run of
    slots to one address: the address at `names[m * NAME_BYTES]` (copied, so that a peer may go while its datagrams
    wait), the address of its first slot's vector in `headers[m * WORDS + VECTOR]`, the number of slots in the word
    behind it, and, for a run of several, `CONTROL_SPACE` in `headers[m * WORDS + CONTROL]` and the size of all but the
    last in `sizes[m * SIZE_STEP + SIZE_AT]`.

    Attributes:
        pointers: the slots' addresses, as cffi `void *`, for libraries that work in place.
        vectors: the address of slot 0's vector; each has `VECTOR_BYTES`.
        count, messages: slots and messages filled.
        segments: whether runs may be made; off once `MOST_REFUSED` in a row were refused.
        waiting: who wants `flush` at the end of this wake-up.
        sent, octets: datagrams and bytes that the kernel took (`octets` also what waits in the ring).
        native_sent: those of `sent` that were the native fan-out's.
        dropped: datagrams that it refused (full buffer, unreachable).
        leaves_at: what is put into the ring now does not leave before, on the monotonic clock: the begin of the present
            wake-up, then each time that the ring was emptied. A keyframe to a hundred receivers takes tens of
            milliseconds, which the last of them would else take for a queue of their link.
    """

    __slots__ = (
        "_control_memory",
        "_headers",
        "_memory",
        "_name_memory",
        "_refused",
        "_ring",
        "_socket",
        "_vectors",
        "count",
        "dropped",
        "headers",
        "leaves_at",
        "lengths",
        "messages",
        "names",
        "native_sent",
        "octets",
        "pointers",
        "segments",
        "sent",
        "sizes",
        "vectors",
        "view",
        "waiting",
    )

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._ring: Any = None
        name_size = 16 if sock.family == socket.AF_INET else 28
        self._memory = _ffi.new("char[]", SLOTS * SLOT_BYTES)
        self._name_memory = _ffi.new("char[]", SLOTS * NAME_BYTES)
        self._control_memory = _ffi.new("char[]", SLOTS * CONTROL_BYTES)
        self._headers = _ffi.new("struct mmsghdr[]", SLOTS)
        self._vectors = _ffi.new("struct iovec[]", SLOTS)
        self.vectors = int(_ffi.cast("size_t", self._vectors))
        self.view = memoryview(_ffi.buffer(self._memory)).cast("B")
        self.names = memoryview(_ffi.buffer(self._name_memory)).cast("B")
        self.lengths = memoryview(_ffi.buffer(self._vectors)).cast("B").cast("Q")
        self.headers = memoryview(_ffi.buffer(self._headers)).cast("B").cast("Q")
        self.sizes = memoryview(_ffi.buffer(self._control_memory)).cast("B").cast("H")
        self.pointers = [_ffi.cast("void *", self._memory + i * SLOT_BYTES) for i in range(SLOTS)]
        control = struct.pack("=QII", 18, SOL_UDP, UDP_SEGMENT)
        for i in range(SLOTS):
            self._vectors[i].iov_base = self.pointers[i]
            header = self._headers[i].msg_hdr
            header.msg_name = self._name_memory + i * NAME_BYTES
            header.msg_namelen = name_size
            header.msg_control = self._control_memory + i * CONTROL_BYTES
            _ffi.memmove(self._control_memory + i * CONTROL_BYTES, control, len(control))
        self.count = self.messages = 0
        self._refused = 0
        self.segments = _library is not None and _can_segment(sock)
        self.waiting: list[Flushable] = []
        self.sent = 0
        self.native_sent = 0
        self.octets = 0
        self.dropped = 0
        self.leaves_at = 0.0

    def settle(self) -> None:
        """The end of a wake-up: everything held back goes out."""
        waiting, self.waiting = self.waiting, []
        if waiting:
            self.leaves_at = time.monotonic()
        for one in waiting:
            one.flush()
        self.flush()

    def forward(self, packets: Sequence[Any], receivers: Any, now: float) -> int:
        """`relay.fanout.forward` for receivers whose keys the native module has.

        Args:
            receivers: entries, or the module's own table of them.

        Raises:
            TypeError, ValueError: see the contract in `_fanout.c`.
        """
        ring = self._ring
        if ring is None:
            ring = self._ring = MODULE.Ring(self._socket.fileno(), self.segments)
        failed: int = ring.forward(packets, receivers, now)
        self.leaves_at = max(self.leaves_at, ring.leaves_at)
        return failed

    def _flush_native(self) -> None:
        ring = self._ring
        waits = ring.waiting
        sent, octets, dropped = ring.flush()
        self.sent += sent
        self.native_sent += sent
        self.octets += octets
        self.dropped += dropped
        self.segments = ring.segments
        if waits:
            self.leaves_at = ring.leaves_at

    def native_figures(self) -> dict[str, int]:
        """Figures of the native fan-out by name, zeros where it has sent nothing."""
        ring = self._ring
        return {
            "native_datagrams_sent_total": self.native_sent,
            "native_system_calls_total": ring.calls if ring is not None else 0,
            "native_partial_sends_total": ring.partial if ring is not None else 0,
            "native_buffer_full_total": ring.full if ring is not None else 0,
            "native_oversize_total": ring.oversize if ring is not None else 0,
        }

    def flush(self) -> None:
        """Send what is in the ring. A refused datagram is dropped and counted; the others still go."""
        if self._ring is not None:
            self._flush_native()
        messages, self.messages, self.count = self.messages, 0, 0
        if not messages:
            return
        begin, fd = 0, self._socket.fileno()
        while begin < messages:
            if _library is None:
                self._send_singly(begin)
                begin += 1
                continue
            done = _library.sendmmsg(fd, self._headers + begin, messages - begin, 0)
            if done > 0:
                counts = [self.headers[m * WORDS + VECTOR + 1] for m in range(begin, begin + done)]
                self.sent += sum(counts)
                if max(counts) > 1:
                    self._refused = 0
                begin += done
                continue
            problem = _ffi.errno
            if problem == errno.EINTR:
                continue
            if problem in (errno.EAGAIN, errno.ENOBUFS):
                for message in range(begin, messages):
                    self._drop(message)
                break
            if self.headers[begin * WORDS + VECTOR + 1] > 1:
                # When they go, it is the run that the path does not take (a small MTU, a device without checksums).
                sent = self.sent
                self._send_singly(begin)
                self._refused += self.sent > sent
                if self._refused >= MOST_REFUSED:
                    self.segments = False
            else:
                self._drop(begin)
            begin += 1
        self.leaves_at = time.monotonic()

    def _slots(self, message: int) -> range:
        first = (self.headers[message * WORDS + VECTOR] - self.vectors) // VECTOR_BYTES
        return range(first, first + self.headers[message * WORDS + VECTOR + 1])

    def _drop(self, message: int) -> None:
        for slot in self._slots(message):
            self.dropped += 1
            self.octets -= self.lengths[2 * slot + 1]  # counted when the slot was filled

    def _send_singly(self, message: int) -> None:
        address = python_address(bytes(self.names[message * NAME_BYTES : message * NAME_BYTES + 28]))
        for slot in self._slots(message):
            at, length = slot * SLOT_BYTES, self.lengths[2 * slot + 1]
            self.octets -= length  # counted when the slot was filled, and again by `send`
            self.send(bytes(self.view[at : at + length]), address)

    def send(self, datagram: bytes, address: Address) -> None:
        """Send one datagram at once, outside the ring."""
        try:
            self._socket.sendto(datagram, address)
        except OSError:
            self.dropped += 1
        else:
            self.sent += 1
            self.octets += len(datagram)

    def close(self) -> None:
        """Let go of the buffers; the socket stays open."""
        self.count = self.messages = 0
        self.waiting.clear()
        if self._ring is not None:
            self._ring.close()
            self._ring = None
        for view in (self.view, self.names, self.lengths, self.headers, self.sizes):
            with contextlib.suppress(BufferError):
                view.release()


def _can_segment(sock: socket.socket) -> bool:
    try:
        sock.setsockopt(SOL_UDP, UDP_SEGMENT, 0)
    except OSError:
        return False
    return True
