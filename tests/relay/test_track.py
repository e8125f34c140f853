"""A track and the slots that show it, in virtual time: what leaves the relay, packet by packet."""

import itertools
from collections.abc import Sequence
from types import SimpleNamespace
from typing import NamedTuple, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveclass.relay import carrier as carrier_module
from liveclass.relay import track as track_module
from liveclass.relay.carrier import Carrier
from liveclass.relay.fanout import Entry, Log, Outgoing
from liveclass.relay.layers import Layered
from liveclass.relay.ports import Layer
from liveclass.relay.shape import payload_of
from liveclass.relay.slot import Slot
from liveclass.relay.source import SourceInfo, SourceKind
from liveclass.relay.track import Track
from liveclass.rtp.codec import Codec
from liveclass.rtp.packet import build_packet, parse
from liveclass.transport.batch import Batch
from liveclass.transport.endpoint import Endpoint
from liveclass.transport.sdp import OfferedCodec
from liveclass.transport.session import PeerSession

VP8, OPUS = Codec("VP8"), Codec("opus")
KEYFRAME, DELTA = b"\x10\x00\x00\x00key", b"\x10\x01\x00\x00delta"
"""VP8 payload descriptors with the start bit, then a frame header whose lowest bit says keyframe (RFC 7741)."""


class Sent(NamedTuple):
    """A packet as one receiver gets it."""

    payload_type: int
    seq: int
    timestamp: int
    ssrc: int
    payload: bytes


class Wire:
    """Takes the place of the fan-out and notes every packet per stream."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []

    def forward(self, _batch: object, packets: Sequence[Outgoing], entries: Sequence[Entry], now: float) -> int:
        for _, _, seq_offset, time_offset, ssrc, log in entries:
            if log is not None:
                log.runs.append((log.next, now, packets))
                log.next += len(packets)
            for packet, seq, timestamp in packets:
                out_time = (timestamp + time_offset) & 0xFFFFFFFF
                payload = payload_of(packet)
                self.sent.append(Sent(packet[1] & 0x7F, (seq + seq_offset) & 0xFFFF, out_time, ssrc, payload))
        return 0

    def of(self, slot: Slot) -> list[Sent]:
        return [packet for packet in self.sent if packet.ssrc == slot.ssrc]


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    made = Wire()
    monkeypatch.setattr(track_module, "forward", made.forward)
    monkeypatch.setattr(carrier_module, "forward", made.forward)
    return made


def make_track(codec: Codec = VP8, kind: SourceKind = "camera", layer: Layer = "high") -> Track:
    info = SourceInfo("s", "t1", "teacher", "Li", kind, codec)
    batch = cast("Batch", SimpleNamespace(waiting=[], leaves_at=0.0))
    return Track(info, 1111, 96, batch, layer=layer, cache_packets=64, keyframe_interval_s=0.5)


def make_carrier(log: Log | None = None) -> Carrier:
    """A way to a subscriber that is ready; an exact repetition goes to the wire like any other packet."""
    carrier = Carrier(cast("Endpoint", SimpleNamespace(batch=None)), 3 if log is not None else 0, log)
    carrier.reach(cast("PeerSession", SimpleNamespace(sender=SimpleNamespace(handle=object()), name=b"address")))
    return carrier


def make_slot(codec: Codec = VP8, payload_type: int = 100, rtx: int | None = 101, log: Log | None = None) -> Slot:
    return Slot("0", codec.kind, [OfferedCodec(payload_type, codec, frozenset(), rtx, "")], make_carrier(log))


def source_of(*tracks: Track) -> Layered:
    info = tracks[0].info
    source = Layered(info, info, [], offered=[track.layer for track in tracks])
    for track in tracks:
        source.add(track, 0.0)
    return source


def show(slot: Slot, track: Track, now: float) -> None:
    """The slot shows a source of that one layer."""
    assert slot.show(source_of(track), now)
    slot.choose(track, now)


def feed(
    track: Track, seq: int, timestamp: int, payload: bytes = DELTA, now: float = 0.0, repaired: bool = False
) -> None:
    packet = build_packet(96, True, seq, timestamp, 1111, payload)
    view = parse(packet)
    track.receive(packet, view, seq & 0xFFFF, now, repaired=repaired, begin=view.payload_offset)
    track.flush()


def test_a_newcomer_starts_at_a_keyframe_and_asks_for_one(wire: Wire) -> None:
    track, slot = make_track(), make_slot()
    feed(track, 10, 0)
    show(slot, track, 0.0)
    assert track.keyframe_due(0.0)
    feed(track, 11, 3000)
    assert wire.of(slot) == []
    feed(track, 12, 6000, KEYFRAME)
    feed(track, 13, 9000)
    assert [p.payload for p in wire.of(slot)] == [KEYFRAME, DELTA]


def test_a_keyframe_is_asked_for_again_until_one_passes_but_not_more_often_than_the_interval() -> None:
    track = make_track()
    feed(track, 10, 0)
    track.request_keyframe(0.0)
    asked = [now / 100 for now in range(0, 200) if track.keyframe_due(now / 100)]
    assert asked == [0.0, 0.5, 1.0, 1.5]
    feed(track, 11, 3000, KEYFRAME, 2.0)
    assert not any(track.keyframe_due(2 + n / 10) for n in range(50))


def test_sound_starts_with_the_next_packet(wire: Wire) -> None:
    track, slot = make_track(OPUS, "microphone"), make_slot(OPUS, 111, None)
    feed(track, 10, 0, b"a")
    show(slot, track, 0.0)
    feed(track, 11, 960, b"b")
    assert [p.payload for p in wire.of(slot)] == [b"b"]
    assert wire.of(slot)[0].payload_type == 111


def test_first_sequence_numbers_stay_below_the_rollover() -> None:
    assert all(make_slot()._next_seq < 0x8000 for _ in range(200))


def test_numbers_and_timestamps_go_on_when_the_publisher_changes(wire: Wire) -> None:
    first, second, slot = make_track(), make_track(), make_slot()
    show(slot, first, 0.0)
    feed(first, 65534, 4_294_960_000, KEYFRAME, 1.0)
    feed(first, 65535, 4_294_963_000, DELTA, 1.033)
    feed(first, 0, 4_294_966_000, DELTA, 1.066)
    show(slot, second, 2.0)
    feed(second, 500, 77, KEYFRAME, 3.066)
    feed(second, 501, 3077, DELTA, 3.1)
    out = wire.of(slot)
    steps = [(b.seq - a.seq) & 0xFFFF for a, b in itertools.pairwise(out)]
    assert steps == [1, 1, 1, 1]
    times = [(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in itertools.pairwise(out)]
    assert times == [3000, 3000, 180_000, 3000]


def test_a_jump_of_the_publisher_is_numbered_on_without_a_hole(wire: Wire) -> None:
    track, slot = make_track(), make_slot()
    show(slot, track, 0.0)
    feed(track, 100, 0, KEYFRAME)
    feed(track, 20_100, 3000)
    feed(track, 20_101, 6000)
    out = wire.of(slot)
    assert [(p.seq - out[0].seq) & 0xFFFF for p in out] == [0, 1, 2]


def test_a_restarted_senders_time_goes_on_and_its_late_packets_are_no_further_restart(wire: Wire) -> None:
    track, slot = make_track(), make_slot()
    show(slot, track, 0.0)
    feed(track, 100, 4_000_000_000, KEYFRAME, 1.0)
    feed(track, 20_100, 77, KEYFRAME, 1.5)
    feed(track, 99, 3_999_997_000, DELTA, 1.51)
    feed(track, 20_101, 3077, DELTA, 1.53)
    out = wire.of(slot)
    assert [(p.seq - out[0].seq) & 0xFFFF for p in out] == [0, 1, 2]
    assert [(p.timestamp - out[0].timestamp) & 0xFFFFFFFF for p in out] == [0, 45_000, 48_000]
    assert (track.time_of(77) - track.time_of(3077)) & 0xFFFFFFFF == 0xFFFFFFFF - 2999


def test_a_late_packet_behind_padding_has_the_number_that_it_would_have_had(wire: Wire) -> None:
    """Else it would stand for an earlier one that never came, and time would step back."""
    track, slot = make_track(), make_slot()
    show(slot, track, 0.0)
    feed(track, 10, 0, KEYFRAME)
    for seq, payload in ((13, DELTA), (14, b""), (15, b""), (16, DELTA), (12, DELTA), (11, DELTA), (15, DELTA)):
        feed(track, seq, 3000 * (seq - 10), payload)
    out = wire.of(slot)
    places = sorted(((p.seq - out[0].seq) & 0xFFFF, (p.timestamp - out[0].timestamp) & 0xFFFFFFFF) for p in out)
    assert places == [(0, 0), (1, 3000), (2, 6000), (3, 9000), (4, 18_000)]


def test_a_packet_that_was_muted_takes_no_number_when_it_comes_late(wire: Wire) -> None:
    track, slot = make_track(OPUS, "microphone"), make_slot(OPUS, 111, None)
    show(slot, track, 0.0)
    feed(track, 10, 0, b"a")
    track.muted = True
    feed(track, 14, 3840, b"secret")
    track.muted = False
    feed(track, 17, 6720, b"d")
    feed(track, 12, 1920, b"secret")
    feed(track, 15, 4800, b"b")
    out = wire.of(slot)
    assert sorted(((p.seq - out[0].seq) & 0xFFFF, p.payload) for p in out) == [(0, b"a"), (1, b"b"), (3, b"d")]


def test_a_packet_that_comes_twice_goes_out_once(wire: Wire) -> None:
    track, slot = make_track(), make_slot()
    show(slot, track, 0.0)
    for seq, payload in ((1, KEYFRAME), (2, DELTA), (2, DELTA), (1, KEYFRAME)):
        feed(track, seq, seq * 3000, payload)
    feed(track, 2, 6000, DELTA, repaired=True)
    assert len(wire.of(slot)) == 2


def test_a_late_packet_from_before_the_start_is_not_sent(wire: Wire) -> None:
    track, slot, old = make_track(), make_slot(), make_slot()
    show(old, track, 0.0)
    feed(track, 10, 0, KEYFRAME)
    show(slot, track, 0.0)
    feed(track, 12, 6000, KEYFRAME)
    feed(track, 11, 3000)
    assert [p.timestamp - wire.of(slot)[0].timestamp for p in wire.of(slot)] == [0]
    assert len(wire.of(old)) == 3


def test_retransmissions_carry_the_original_number(wire: Wire) -> None:
    track, slot = make_track(), make_slot()
    show(slot, track, 0.0)
    feed(track, 10, 0, KEYFRAME)
    feed(track, 11, 3000)
    first = wire.of(slot)[0].seq
    assert slot.retransmit([(first + 1) & 0xFFFF, (first + 5) & 0xFFFF], 10_000, 0.0, 1.0) > 0
    again = wire.sent[-1]
    assert again.ssrc == slot.rtx_ssrc
    assert again.payload_type == 101
    assert again.payload == ((first + 1) & 0xFFFF).to_bytes(2, "big") + DELTA
    assert again.timestamp == wire.of(slot)[1].timestamp


def test_without_rtx_the_very_same_packet_goes_out_again(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    track, slot = make_track(OPUS, "microphone"), make_slot(OPUS, 111, None)
    show(slot, track, 0.0)
    feed(track, 10, 0, b"a")
    before = wire.of(slot)[0]
    repeated: list[tuple[bytes, int, int, int, int]] = []
    monkeypatch.setattr(Carrier, "repeat", lambda _self, *what: repeated.append(what))
    slot.retransmit([before.seq], 10_000, 0.0, 1.0)
    (packet, _, out, timestamp, ssrc) = repeated[0]
    again = Sent(packet[1] & 0x7F, out & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc, payload_of(packet))
    assert again == before


def test_a_packet_of_the_former_publisher_can_still_be_had(wire: Wire) -> None:
    first, second, slot = make_track(), make_track(), make_slot()
    show(slot, first, 0.0)
    feed(first, 10, 0, KEYFRAME)
    lost = wire.of(slot)[0]
    show(slot, second, 1.0)
    feed(second, 90, 0, KEYFRAME, 1.1)
    assert slot.retransmit([lost.seq], 10_000, 0.0, 2.0) > 0
    assert wire.sent[-1].payload[2:] == KEYFRAME
    assert wire.sent[-1].timestamp == lost.timestamp


def test_repairs_have_a_budget(wire: Wire) -> None:
    track, slot = make_track(), make_slot()
    show(slot, track, 0.0)
    for n in range(20):
        feed(track, n, n * 3000, KEYFRAME)
    first = wire.of(slot)[0].seq
    assert slot.retransmit([first + n for n in range(20)], 150, 0.0, 1.0) < 180
    assert slot.retransmitted < 10


def test_a_muted_stretch_leaves_no_hole(wire: Wire) -> None:
    track, slot = make_track(OPUS, "microphone"), make_slot(OPUS, 111, None)
    show(slot, track, 0.0)
    feed(track, 10, 0, b"a")
    track.muted = True
    feed(track, 11, 960, b"secret")
    feed(track, 14, 3840, b"secret")
    track.muted = False
    feed(track, 15, 4800, b"b")
    out = wire.of(slot)
    assert [p.payload for p in out] == [b"a", b"b"]
    assert (out[1].seq - out[0].seq) & 0xFFFF == 1


def test_a_slot_whose_browser_lacks_the_codec_stays_empty() -> None:
    slot = make_slot(Codec("H264", {"profile-level-id": "42e01f", "packetization-mode": "1"}))
    assert not slot.show(source_of(make_track(VP8)), 0.0)
    assert slot.track is None


def test_receiver_reports_count_what_was_lost() -> None:
    track = make_track()
    for seq in (10, 11, 14):
        feed(track, seq, seq * 3000)
    block = track.report(0, 0)
    assert block is not None
    assert block.lost == 2
    assert block.fraction_lost == 2 * 256 // 5


def test_what_the_relay_drops_itself_is_not_reported_as_lost() -> None:
    """Else a muted class's browser would take its own link for broken, and shrink its picture."""
    track = make_track(OPUS, "microphone")
    feed(track, 10, 0, b"a")
    track.muted = True
    for seq in range(11, 60):
        feed(track, seq, seq * 960, b"secret")
    track.muted = False
    feed(track, 60, 60 * 960, b"")  # padding alone
    block = track.report(0, 0)
    assert block is not None
    assert (block.lost, block.fraction_lost) == (0, 0)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-3, 40), st.booleans()), min_size=1, max_size=80))
def test_no_number_is_ever_used_for_two_packets(steps: list[tuple[int, int, bool]]) -> None:
    """Row 8: wraps, loss, reordering, changes of publisher; (ssrc, seq) with two payloads would stop the receiver."""
    patch = pytest.MonkeyPatch()
    wire = Wire()
    patch.setattr(track_module, "forward", wire.forward)
    patch.setattr(carrier_module, "forward", wire.forward)
    try:
        tracks, slot = [make_track() for _ in range(3)], make_slot()
        seqs = [65_500, 10, 32_760]
        for number, (which, step, switch) in enumerate(steps):
            now = number * 0.02
            if switch and slot.track is not tracks[which]:
                show(slot, tracks[which], now)
            seqs[which] += step
            feed(tracks[which], seqs[which], number * 3000, KEYFRAME + bytes((number,)), now)
        used: dict[int, bytes] = {}
        for packet in wire.of(slot):
            assert used.setdefault(packet.seq, packet.payload) == packet.payload
        jumps = [(b.seq - a.seq) & 0xFFFF for a, b in zip(wire.of(slot), wire.of(slot)[1:], strict=False)]
        assert all(jump < 0x8000 or jump > 0xFFFF - 100 for jump in jumps)
    finally:
        patch.undo()
