"""The numbers of a slot that is paced, slowed, starved and moved between layers: none is ever used twice.

Under AES-GCM two packets with one (SSRC, sequence number) give away the authentication key (RFC 7714 section 8.4),
and a receiver stops for good when its rollover counter is led astray; so this is tried with thousands of random lives.
"""

import itertools
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liveclass.relay import carrier as carrier_module
from liveclass.relay import track as track_module
from liveclass.relay.layers import Layered
from liveclass.relay.ports import Layer
from liveclass.relay.slot import Paced, Slot
from liveclass.relay.source import SourceInfo
from liveclass.relay.track import Track
from liveclass.rtp.codec import Codec
from liveclass.rtp.feedback import SendLog
from liveclass.rtp.packet import build_packet, parse
from liveclass.transport.batch import Batch
from liveclass.transport.sdp import OfferedCodec
from tests.relay.test_track import VP8, Wire, make_carrier

KEYFRAME = b"\x10\x00\x00\x00key"
DELTA = b"\x10\x01\x00\x00delta"
LOOSE = b"\x30\x01\x00\x00loose"
"""VP8 payload descriptors; the last one's N bit says that no frame refers to it (RFC 7741 section 4.2)."""


@dataclass
class Queue:
    """A pacer that holds on to what it gets until it is told otherwise."""

    room: int = 12
    items: list[Paced] = field(default_factory=list)

    def push(self, item: Paced, size: int, screen: bool, now: float) -> bool:
        if len(self.items) >= self.room:
            return False
        self.items.append(item)
        return True

    def repeat(self, item: Paced, size: int, now: float) -> bool:
        return self.push(item, size, False, now)

    def drop(self, slot: Slot) -> None:
        self.items = [item for item in self.items if item[2] == "again"]

    @property
    def empty(self) -> bool:
        return not self.items

    def release(self, count: int, now: float) -> None:
        for slot, track, act, packet in self.items[:count]:
            slot.emit(track, act, packet, now)
        del self.items[:count]


class Life:
    """One slot, three layers of one camera, and a wire that notes what leaves."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.now = 1.0
        info = SourceInfo("s", "t1", "teacher", "Li", "camera", VP8)
        batch = cast("Batch", SimpleNamespace(waiting=[], leaves_at=0.0))
        names: tuple[Layer, ...] = ("low", "middle", "high")
        self.tracks = [
            Track(info, 1111 + n, 96, batch, layer=name, cache_packets=64, keyframe_interval_s=0.5)
            for n, name in enumerate(names)
        ]
        self.source = Layered(info, info, [], offered=names, droppable_frames=True)
        for track in self.tracks:
            self.source.add(track, 0.0)
        self.queue = Queue()
        self.slot = Slot("0", "video", [OfferedCodec(100, VP8, frozenset(), 101, "")], make_carrier(SendLog()))
        self.slot.pacer = self.queue
        self.slot.paced = True
        self.slot.show(self.source, self.now)
        self.seqs = [65_500, 10, 32_760]
        self.count = 0

    def feed(self, which: int, seq: int, payload: bytes) -> None:
        self.count += 1
        self.now += 0.01
        track = self.tracks[which]
        packet = build_packet(96, True, seq, 3000 * self.count, track.ssrc, payload + self.count.to_bytes(3, "big"))
        view = parse(packet)
        track.receive(packet, view, seq & 0xFFFF, self.now, repaired=False, begin=view.payload_offset)
        track.flush()

    def step(self, what: str, which: int, amount: int) -> None:
        slot, now = self.slot, self.now
        if what == "forward":
            self.seqs[which] += 1 + amount // 12
            self.feed(which, self.seqs[which], (KEYFRAME, DELTA, DELTA, LOOSE, LOOSE)[amount % 5])
        elif what == "late":
            self.feed(which, self.seqs[which] - amount % 7, (DELTA, LOOSE)[amount % 2])
        elif what == "choose":
            slot.choose(self.tracks[which], now)
        elif what == "leave":
            slot.choose(None, now)
        elif what == "release":
            self.queue.release(amount, now)
        elif what == "slow":
            slot.slow = bool(amount % 2)
        elif what == "direct":
            slot.set_paced(False)
        elif what == "paced":
            slot.set_paced(True)
        elif what == "nack":
            newest = self.wire.of(slot)[-1].seq if self.wire.of(slot) else 0
            slot.retransmit([(newest - n) & 0xFFFF for n in range(amount)], 10_000, 0.0, now)


STEPS = st.tuples(
    st.sampled_from(
        ["forward"] * 6 + ["release"] * 3 + ["late", "late", "choose", "leave", "slow", "direct", "paced", "nack"]
    ),
    st.integers(0, 2),
    st.integers(0, 19),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=120))
def test_no_number_is_ever_used_for_two_packets(steps: list[tuple[str, int, int]]) -> None:
    patch = pytest.MonkeyPatch()
    wire = Wire()
    patch.setattr(track_module, "forward", wire.forward)
    patch.setattr(carrier_module, "forward", wire.forward)
    try:
        life = Life(wire)
        life.slot.choose(life.tracks[0], life.now)
        for step in steps:
            life.step(*step)
        for ssrc in (life.slot.ssrc, life.slot.rtx_ssrc):
            used: dict[int, tuple[int, bytes]] = {}
            sent = [packet for packet in wire.sent if packet.ssrc == ssrc]
            for packet in sent:
                assert packet.seq not in used, f"{packet} after {used.get(packet.seq)}"
                used[packet.seq] = (packet.timestamp, packet.payload)
            jumps = [(b.seq - a.seq) & 0xFFFF for a, b in itertools.pairwise(sent)]
            assert all(jump < 0x4000 or jump > 0xFFFF - 400 for jump in jumps)
    finally:
        patch.undo()


@pytest.fixture
def life(monkeypatch: pytest.MonkeyPatch) -> Life:
    wire = Wire()
    monkeypatch.setattr(track_module, "forward", wire.forward)
    monkeypatch.setattr(carrier_module, "forward", wire.forward)
    made = Life(wire)
    made.slot.choose(made.tracks[0], made.now)
    return made


def sent(life: Life) -> list[bytes]:
    return [packet.payload[:-3] for packet in life.wire.of(life.slot)]


def numbers(life: Life) -> list[int]:
    out = life.wire.of(life.slot)
    return [(packet.seq - out[0].seq) & 0xFFFF for packet in out]


def test_a_slow_picture_leaves_out_what_no_frame_refers_to_without_a_hole(life: Life) -> None:
    life.slot.slow = True
    for n, payload in enumerate([KEYFRAME, LOOSE, DELTA, LOOSE, LOOSE, DELTA]):
        life.feed(0, 100 + n, payload)
    life.queue.release(10, life.now)
    assert sent(life) == [KEYFRAME, DELTA, DELTA]
    assert numbers(life) == [0, 1, 2]


def test_what_was_lost_on_the_way_here_keeps_its_number_beside_what_is_left_out(life: Life) -> None:
    """Else the receiver would take two halves of different frames for one."""
    life.slot.slow = True
    for seq, payload in ((100, KEYFRAME), (101, LOOSE), (103, DELTA), (102, DELTA)):
        life.feed(0, seq, payload)
    life.queue.release(10, life.now)
    assert sent(life) == [KEYFRAME, DELTA, DELTA]
    assert numbers(life) == [0, 2, 1]


def test_a_picture_that_finds_no_room_goes_on_at_the_next_keyframe(life: Life) -> None:
    life.queue.room = 3
    for n in range(6):
        life.feed(0, 100 + n, KEYFRAME if n == 0 else DELTA)
    assert life.slot.starving
    assert life.tracks[0].keyframe_due(life.now)
    life.feed(0, 106, DELTA)
    life.feed(0, 107, KEYFRAME)
    life.feed(0, 108, DELTA)
    life.queue.release(10, life.now)
    assert sent(life) == [KEYFRAME, DELTA]


def test_the_old_layer_goes_on_until_the_new_one_has_a_keyframe(life: Life) -> None:
    life.feed(0, 100, KEYFRAME)
    life.slot.choose(life.tracks[2], life.now)
    life.feed(0, 101, DELTA)
    life.feed(2, 500, DELTA)
    life.queue.release(10, life.now)
    carried = [life.slot.layer]
    life.feed(2, 501, KEYFRAME)
    life.feed(0, 102, DELTA)
    life.feed(2, 502, DELTA)
    life.queue.release(10, life.now)
    carried.append(life.slot.layer)
    assert carried == ["low", "high"]
    assert sent(life) == [KEYFRAME, DELTA, KEYFRAME, DELTA]
    assert numbers(life) == [0, 1, 2, 3]


def test_layers_keep_the_publishers_clock(life: Life) -> None:
    """Layers count time from different origins; sender reports say how they lie to each other."""
    life.feed(0, 100, KEYFRAME)
    life.queue.release(9, life.now)
    start = life.wire.of(life.slot)[0].timestamp
    first = 3000 * life.count
    life.tracks[0].clock = (1000.0, first)
    life.tracks[2].clock = (1000.0, 900_000)
    life.slot.choose(life.tracks[2], life.now)
    track = life.tracks[2]
    packet = build_packet(96, True, 7, 900_000 + 45_000, track.ssrc, KEYFRAME)
    view = parse(packet)
    track.receive(packet, view, 7, life.now + 9.0, repaired=False, begin=view.payload_offset)
    track.flush()
    life.queue.release(9, life.now)
    assert (life.wire.of(life.slot)[-1].timestamp - start) & 0xFFFFFFFF == 45_000


def test_time_goes_on_when_a_link_turns_narrow_and_the_layer_changes_at_once(life: Life) -> None:
    """A large layer's keyframe comes later than the small frames of its moment: what the tables had sent counts."""
    life.feed(0, 100, KEYFRAME)
    life.queue.release(9, life.now)
    life.slot.set_paced(False)
    low, high = life.tracks[0], life.tracks[2]
    low.clock, high.clock = (1000.0, 3000 * life.count), (1000.0, 3000 * life.count)
    for seq in range(101, 110):
        life.feed(0, seq, DELTA)
    life.slot.set_paced(True)
    life.slot.choose(high, life.now)
    life.count -= 2
    life.feed(2, 7, KEYFRAME)
    life.queue.release(9, life.now)
    last, first = life.wire.of(life.slot)[-2:]
    assert 0 < (first.timestamp - last.timestamp) & 0xFFFFFFFF < 0x80000000


def test_a_picture_leaves_the_pacer_not_before_nothing_waits_there(life: Life) -> None:
    """What is left out on its way through it moves the numbers of what follows; the tables know nothing of that."""
    life.feed(0, 100, KEYFRAME)
    life.queue.release(9, life.now)
    life.slot.slow = True
    life.feed(0, 101, LOOSE)
    ways = []
    for _ in range(2):
        life.slot.set_paced(False)
        ways.append(life.slot.paced)
        life.queue.release(9, life.now)
    assert ways == [True, False]
    life.feed(0, 102, DELTA)
    assert numbers(life) == [0, 1]


def told(life: Life, *, seconds: int, each: bool = False, late_s: dict[int, float] | None = None) -> list[int]:
    """In which of so many seconds the slot passes on the report that its publisher sends each second; from the second
    in `late_s` on its clock is that much behind."""
    passed: list[int] = []
    life.feed(0, 100, KEYFRAME)
    life.queue.release(9, life.now)
    life.slot.each_report = each
    behind = 0.0
    for second in range(seconds):
        behind = (late_s or {}).get(second, behind)
        life.slot.send_report = lambda _, second=second: passed.append(second)
        stamp = int(90_000 * (second - behind)) & 0xFFFFFFFF
        life.tracks[0].publish_report((3_900_000_000 + second) << 32, stamp)
    return passed


def test_a_clock_that_is_known_is_told_seldom(life: Life) -> None:
    """The first reports pass, then one in three to five seconds, also across a wrap of the timestamp."""
    passed = told(life, seconds=60)
    gaps = [b - a for a, b in itertools.pairwise(passed)]
    assert passed[:4] == [0, 1, 2, 3]
    assert set(gaps[3:]) <= {3, 4, 5}
    assert passed[-1] >= 55


def test_a_clock_that_moves_is_told_at_once_and_often(life: Life) -> None:
    passed = told(life, seconds=40, late_s={20: 0.2})
    assert set(range(20, 24)) <= set(passed)
    assert len(passed) < 20


def test_a_new_origin_of_the_timestamps_is_told_at_once(life: Life) -> None:
    """As after a change to a source with another clock."""
    told(life, seconds=21)
    passed: list[bytes] = []
    life.slot.send_report = passed.append
    life.slot._segments[-1].time_offset += 90_000
    for second in range(21, 25):
        life.tracks[0].publish_report((3_900_000_000 + second) << 32, 90_000 * second)
    assert len(passed) == 4


def test_another_node_is_told_of_the_clock_each_time(life: Life) -> None:
    assert told(life, seconds=20, each=True) == list(range(20))


def test_a_repetition_without_rtx_holds_the_very_bytes_that_were_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redundancy and transport-wide numbers included, though both have moved on since."""
    wire = Wire()
    monkeypatch.setattr(track_module, "forward", wire.forward)
    opus, log = Codec("opus"), SendLog()
    info = SourceInfo("s", "t1", "teacher", "Li", "microphone", opus)
    track = Track(
        info,
        7,
        96,
        cast("Batch", SimpleNamespace(waiting=[], leaves_at=0.0)),
        layer="full",
        cache_packets=64,
        keyframe_interval_s=0.5,
    )
    source = Layered(info, info, [], offered=["full"])
    source.add(track, 0.0)
    slot = Slot("0", "audio", [OfferedCodec(111, opus, frozenset(), None, "")], make_carrier(log), red_type=63)
    slot.show(source, 0.0)
    slot.choose(track, 0.0)
    repeats: list[tuple[bytes, int, int]] = []
    monkeypatch.setattr(
        carrier_module.Carrier,
        "repeat",
        lambda _s, packet, number, seq, _t, _ssrc: repeats.append((packet, number, seq)),
    )

    def feed(seq: int) -> None:
        packet = build_packet(96, False, seq, 960 * seq, 7, b"frame" + bytes((seq,)))
        view = parse(packet)
        track.receive(packet, view, seq, seq * 0.02, repaired=False, begin=view.payload_offset)
        track.flush()

    for seq in range(5):
        feed(seq)
    slot.set_depth(2)
    for seq in range(5, 10):
        feed(seq)
    slot.set_depth(0)
    plain, red = wire.of(slot)[3], wire.of(slot)[7]
    assert (plain.payload_type, red.payload_type) == (111, 63)
    slot.retransmit([plain.seq, red.seq], 10_000, 0.0, 9.0)
    assert [(packet[1] & 0x7F, seq & 0xFFFF) for packet, _, seq in repeats] == [(111, plain.seq), (63, red.seq)]
    assert [packet[20:] for packet, _, _ in repeats] == [plain.payload, red.payload]
    assert [number for _, number, _ in repeats] == [log.runs[0][0] + 3, log.runs[0][0] + 7]
