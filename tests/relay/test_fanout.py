"""The fan-out over real sockets: every receiver gets exactly its packets, whichever way the kernel takes them."""

import os
import random
import socket
from collections import deque
from collections.abc import Iterator

import pytest

from liveclass.relay.fanout import MAX_TOGETHER, NUMBER_AT, Entry, forward
from liveclass.relay.shape import Shape, dress
from liveclass.rtp.packet import build_packet, find_extension, parse
from liveclass.transport import batch as batch_module
from liveclass.transport.batch import MOST_REFUSED, SLOTS, Batch, kernel_address, python_address
from liveclass.transport.srtp import SrtpReceiver, SrtpSender
from liveclass.transport.srtp_keys import PROFILES, SrtpKeys, SrtpProfile


class Listener:
    """A receiver with a socket and keys of its own."""

    def __init__(self, profile: SrtpProfile, number: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.heard: list[bytes] = []
        key = os.urandom(profile.key_length + profile.salt_length)
        other = bytearray(len(key))
        self.sender = SrtpSender(SrtpKeys(profile, bytearray(key), other), allow_repeat=True)
        self.receiver = SrtpReceiver(SrtpKeys(profile, other, bytearray(key)))
        self.entry: Entry = (
            self.sender.context,
            kernel_address(self.socket.getsockname()),
            100 * number,
            7,
            5000 + number,
            None,
        )

    def got(self) -> list[bytes]:
        out: list[bytes] = []
        while True:
            try:
                datagram = self.socket.recv(2048)
            except BlockingIOError:
                return out
            plain = self.receiver.unprotect(datagram)
            assert plain is not None
            out.append(plain)


@pytest.fixture
def sending() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: str(profile.name))
@pytest.mark.parametrize("way", ["runs", "one by one", "sendto"])
def test_every_receiver_gets_its_own_stream_whole_and_in_order(
    profile: SrtpProfile, way: str, sending: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = 20_261_122
    rng = random.Random(seed)
    if way == "sendto":
        monkeypatch.setattr(batch_module, "_library", None)
    batch = Batch(sending)
    if way != "runs":
        batch.segments = False
    listeners = [Listener(profile, number) for number in range(9)]
    sent: list[bytes] = []
    seq = 65_500
    while seq < 65_700:
        size = rng.choice([1100, 1100, 1100, 60, 700, 1])
        burst = [
            build_packet(96, False, 0, 0, 1, rng.randbytes(rng.choice([size, size, rng.randint(1, 1100)])))
            for _ in range(rng.randint(1, MAX_TOGETHER))
        ]
        numbered = [(packet, seq + i, 1000) for i, packet in enumerate(burst)]
        assert forward(batch, numbered, [listener.entry for listener in listeners], 0.0) == 0
        sent += burst
        seq += len(burst)
        batch.settle()
        for listener in listeners:
            listener.heard += listener.got()
    for number, listener in enumerate(listeners):
        views = [(parse(plain), plain) for plain in listener.heard]
        assert [plain[12:] for _, plain in views] == [packet[12:] for packet in sent], f"seed {seed}"
        assert [view.seq for view, _ in views] == [(65_500 + 100 * number + i) & 0xFFFF for i in range(len(sent))]
        assert {(view.ssrc, view.timestamp) for view, _ in views} == {(5000 + number, 1007)}
        listener.socket.close()
    assert batch.sent == len(sent) * len(listeners)
    assert batch.dropped == 0


def test_more_receivers_than_the_ring_has_slots_are_all_served(sending: socket.socket) -> None:
    batch = Batch(sending)
    listeners = [Listener(PROFILES[0], number) for number in range(SLOTS + 6)]
    packets = [(build_packet(96, False, 0, 0, 1, bytes(300)), 10 + i, 0) for i in range(3)]
    forward(batch, packets, [listener.entry for listener in listeners], 0.0)
    batch.settle()
    assert [len(listener.got()) for listener in listeners] == [3] * len(listeners)
    for listener in listeners:
        listener.socket.close()


def test_a_path_that_takes_no_runs_gets_single_datagrams(sending: socket.socket) -> None:
    """The kernel refuses a run whose pieces exceed the path's MTU; nothing is lost, and at last none is tried."""
    batch = Batch(sending)
    if not batch.segments:
        pytest.skip("this kernel makes no runs")
    listener = Listener(PROFILES[0], 1)
    for refused in range(1, MOST_REFUSED + 1):
        packets = [(build_packet(96, False, 0, 0, 1, bytes(200)), 3 * refused + i, 0) for i in range(3)]
        forward(batch, packets, [listener.entry], 0.0)
        batch.sizes[batch_module.SIZE_AT] = 2  # 318 pieces are more than any kernel makes of one message: EINVAL
        batch.settle()
        assert len(listener.got()) == 3
        assert batch.segments == (refused < MOST_REFUSED)
    listener.socket.close()


def test_a_receiver_that_cannot_be_protected_for_costs_the_others_nothing(sending: socket.socket) -> None:
    batch = Batch(sending)
    good, other = Listener(PROFILES[0], 1), Listener(PROFILES[0], 2)
    malformed = b"\x80\x60" + bytes(9)
    assert forward(batch, [(malformed, 1, 0)], [good.entry, other.entry], 0.0) == 2
    assert forward(batch, [(build_packet(96, False, 0, 0, 1, b"x"), 2, 0)], [good.entry, other.entry], 0.0) == 0
    batch.settle()
    assert [len(good.got()), len(other.got())] == [1, 1]
    for listener in (good, other):
        listener.socket.close()


class Notes:
    """A log as the fan-out needs it."""

    def __init__(self) -> None:
        self.next = 65_530
        self.runs: deque[tuple[int, float, object]] = deque()
        self.past: deque[tuple[int, float, object]] = deque()


def test_transport_wide_numbers_go_on_over_runs_and_are_noted(sending: socket.socket) -> None:
    batch = Batch(sending)
    listener, notes = Listener(PROFILES[0], 1), Notes()
    entry: Entry = (*listener.entry[:5], notes)
    shape = Shape(100, number_id=3)
    plain = build_packet(96, True, 0, 0, 1, b"picture")
    packets = [(dress(plain, shape, 100), 10 + i, 0) for i in range(4)]
    forward(batch, packets, [entry], 1.0)
    forward(batch, packets[:3], [(*entry[:2], 200, *entry[3:])], 2.0)
    batch.settle()
    got = listener.got()
    listener.socket.close()
    numbers = [int.from_bytes(plain[NUMBER_AT : NUMBER_AT + 2], "big") for plain in got]
    assert numbers == [(65_530 + i) & 0xFFFF for i in range(7)]
    assert [(first, at) for first, at, _ in notes.runs] == [(65_530, 1.0), (65_534, 2.0)]
    views = [(parse(plain), plain) for plain in got]
    assert {find_extension(plain, view, 3) for view, plain in views} == {n.to_bytes(2, "big") for n in numbers}
    assert {plain[view.payload_offset :] for view, plain in views} == {b"picture"}


@pytest.mark.parametrize("address", [("192.0.2.7", 4000), ("2001:db8::1", 65_535, 0, 3)])
def test_addresses_survive_the_kernels_form(address: tuple[str, int]) -> None:
    assert python_address(kernel_address(address)) == address
