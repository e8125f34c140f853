"""Packets without transport-wide numbers on wide and calm links: seldom numbered, and repeated byte for byte."""

from collections import deque
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liveclass.relay import carrier as carrier_module
from liveclass.relay import track as track_module
from liveclass.relay.carrier import Carrier
from liveclass.relay.fanout import Entry, Outgoing
from liveclass.relay.shape import numbered, numbered_here
from liveclass.relay.slot import MAX_REQUESTED, MISS_BYTES, Paced, Slot
from liveclass.rtp.feedback import SendLog
from liveclass.transport.endpoint import Endpoint
from liveclass.transport.sdp import OfferedCodec
from liveclass.transport.session import PeerSession
from tests.relay.test_track import DELTA, KEYFRAME, OPUS, VP8, feed, make_track, show


class Ether:
    """What leaves, whole: number and kind of each packet, by sequence number."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, bytes]] = []

    def forward(self, _batch: object, packets: Sequence[Outgoing], entries: Sequence[Entry], now: float) -> int:
        for _, _, seq_offset, _, _, log in entries:
            number = 0
            if log is not None:
                number = log.next
                log.runs.append((number, now, packets))
                log.next += len(packets)
            for i, (packet, seq, _) in enumerate(packets):
                self.note(packet, number + i, seq + seq_offset)
        return 0

    def note(self, packet: bytes, number: int, seq: int) -> None:
        whole = numbered(packet, number)
        self.sent.append((seq & 0xFFFF, whole[:2] + whole[12:]))


class Passing:
    """A pacer in which nothing waits."""

    empty = True

    def push(self, item: Paced, size: int, screen: bool, now: float) -> bool:
        slot, track, act, packet = item
        slot.emit(track, act, packet, now)
        return True

    def repeat(self, item: Paced, size: int, now: float) -> bool:
        return self.push(item, size, False, now)

    def drop(self, slot: Slot) -> None: ...


@pytest.fixture
def ether(monkeypatch: pytest.MonkeyPatch) -> Ether:
    return tapped(monkeypatch)


def tapped(monkeypatch: pytest.MonkeyPatch) -> Ether:
    ether = Ether()
    monkeypatch.setattr(track_module, "forward", ether.forward)
    monkeypatch.setattr(carrier_module, "forward", ether.forward)
    monkeypatch.setattr(Carrier, "repeat", lambda _, packet, number, seq, *__: ether.note(packet, number, seq))
    return ether


def voice(log: SendLog) -> Slot:
    carrier = Carrier(cast("Endpoint", SimpleNamespace(batch=None)), 3, log)
    carrier.reach(cast("PeerSession", SimpleNamespace(sender=SimpleNamespace(handle=object()), name=b"address")))
    return Slot("0", "audio", [OfferedCodec(111, OPUS, frozenset(), None, "")], carrier, red_type=63)


def speaking(*, sparse: bool, until: int) -> tuple[Slot, SendLog]:
    """A slot that was sent a voice's packets from number 100 on."""
    log = SendLog()
    slot, track = voice(log), make_track(OPUS, "microphone", "full")
    show(slot, track, 0.0)
    slot.set_sparse(sparse)
    for seq in range(100, until):
        feed(track, seq, 960 * seq, bytes(20), seq * 0.02)
    return slot, log


STEPS = st.lists(
    st.tuples(st.sampled_from(["speak"] * 4 + ["sparse", "dense", "deep", "ask", "tell"]), st.integers(1, 40)),
    min_size=1,
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_what_was_sent_under_a_number_is_repeated_to_the_byte_or_not_at_all(steps: list[tuple[str, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        ether, log = tapped(patch), SendLog()
        slot, track = voice(log), make_track(OPUS, "microphone", "full")
        show(slot, track, 0.0)
        seq, now = 100, 0.0
        for what, amount in steps:
            if what == "speak":
                for _ in range(amount):
                    seq, now = seq + 1, now + 0.02
                    feed(track, seq, 960 * seq, bytes((seq & 0xFF,)) * 20, now)
            elif what == "sparse":
                slot.set_depth(0)
                slot.set_sparse(True)
            elif what == "dense":
                slot.set_sparse(False)
            elif what == "deep":
                slot.set_sparse(False)
                slot.set_depth(amount % 3)
            elif what == "tell":
                log.discard(log.next - amount)
            elif ether.sent:
                newest = ether.sent[-1][0]
                slot.retransmit([(newest - n) & 0xFFFF for n in range(amount)], 10_000, 0.0, now)
        first: dict[int, bytes] = {}
        for number, whole in ether.sent:
            assert first.setdefault(number, whole) == whole


def test_a_lost_packet_is_repeated_though_it_had_no_number(ether: Ether) -> None:
    slot, _ = speaking(sparse=True, until=180)
    plain = [seq for seq, whole in ether.sent if not whole[0] & 0x10]
    before = len(ether.sent)
    assert slot.retransmit([plain[-1]], 10_000, 0.0, 4.0) > 0
    assert ether.sent[before:] == [one for one in ether.sent[:before] if one[0] == plain[-1]]


def test_few_packets_are_numbered_and_the_log_holds_no_others(ether: Ether) -> None:
    _, log = speaking(sparse=True, until=420)
    noted = [one for _, _, packets in log.runs for one in packets]
    assert len(noted) == log.next - 1
    assert 0 < len(noted) < 40
    assert all(one[0][0] & 0x10 and numbered_here(one[1], video=False) for one in noted)
    assert len(ether.sent) == 320


class Counted(deque[Any]):
    """Counts what is looked at."""

    looked = 0

    def __reversed__(self) -> Iterator[Any]:
        for item in super().__reversed__():
            Counted.looked += 1
            yield item


def test_asking_for_thousands_of_packets_costs_no_more_than_the_log_once(ether: Ether) -> None:
    log = SendLog()
    log.runs, log.past = Counted(maxlen=1024), Counted(maxlen=512)
    slot, track = voice(log), make_track(OPUS, "microphone", "full")
    show(slot, track, 0.0)
    for seq in range(100, 1100):
        feed(track, seq, 960 * seq, bytes(20), seq * 0.02)
    Counted.looked = 0
    newest = ether.sent[-1][0]
    for _ in range(100):
        spent = slot.retransmit([(newest - 2000 - n) & 0xFFFF for n in range(6000)], 1_000_000, 0.0, 25.0)
        assert spent <= MAX_REQUESTED * MISS_BYTES
    assert Counted.looked <= 1024 + 512 + 200


def test_a_request_in_vain_is_charged(ether: Ether) -> None:
    slot, _ = speaking(sparse=False, until=101)
    newest = ether.sent[-1][0]
    assert slot.retransmit([newest + 1000 & 0xFFFF] * 50, 10_000, 0.0, 1.0) == MISS_BYTES


def camera(log: SendLog, rtx: int | None = None) -> Slot:
    return Slot("1", "video", [OfferedCodec(100, VP8, frozenset(), rtx, "")], voice(log).carrier)


@pytest.mark.parametrize("sparse", [True, False])
def test_a_slot_emptied_just_as_its_link_wakes_uses_no_number_again(ether: Ether, sparse: bool) -> None:
    """Feedback ends the rest, and the ladder takes the picture away, before another packet has come."""
    slot, track = camera(SendLog()), make_track()
    show(slot, track, 0.0)
    slot.set_sparse(sparse)
    for seq in range(100, 160):
        feed(track, seq, 3000 * seq, KEYFRAME if seq == 100 else DELTA, seq * 0.033)
    slot.set_sparse(not sparse)
    slot.choose(None, 6.0)
    slot.choose(track, 7.0)
    feed(track, 160, 3000 * 160, KEYFRAME, 7.1)
    numbers = [number for number, _ in ether.sent]
    assert numbers == list(range(numbers[0], numbers[0] + 61))


def test_what_a_narrow_link_was_sent_is_repeated_to_the_byte_though_it_rested_just_before(ether: Ether) -> None:
    slot, track = camera(SendLog()), make_track()
    slot.pacer = Passing()
    show(slot, track, 0.0)
    slot.set_sparse(True)
    feed(track, 100, 300_000, KEYFRAME, 0.0)
    slot.set_paced(True)
    for seq in range(101, 180):
        feed(track, seq, 3000 * seq, DELTA, seq * 0.033)
    first = dict(ether.sent)
    slot.retransmit(list(first), 1_000_000, 0.0, 9.0)
    assert len(ether.sent) > 80
    assert all(first[number] == whole for number, whole in ether.sent)
