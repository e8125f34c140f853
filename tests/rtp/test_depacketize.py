"""Depacketisers against real encoders: whatever they let out decodes exactly as it was encoded."""

import base64
import random

import pytest
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import VpxPayloadDescriptor

from liveclass.rtp.codec import Codec, CodecName
from liveclass.rtp.depacketize import AccessUnit, Depacketizer, make_depacketizer
from liveclass.rtp.payload import is_keyframe_start
from tests.rtp.packetize import GOP, TICKS_PER_FRAME, Packet, decoded, encoded, nal_units, obus, packets

VIDEO: list[CodecName] = ["H264", "VP8", "VP9", "AV1"]


def push_all(depacketizer: Depacketizer, incoming: list[Packet]) -> list[AccessUnit]:
    units = [
        unit
        for packet in incoming
        for unit in depacketizer.push(packet.seq, packet.timestamp, packet.marker, packet.payload)
    ]
    return units + depacketizer.flush()


def pictures(codec: CodecName, units: list[AccessUnit]) -> dict[int, bytes]:
    return decoded(codec, [(unit.timestamp, unit.data) for unit in units])


def reference(codec: CodecName) -> dict[int, bytes]:
    return decoded(codec, [(timestamp, data) for timestamp, data, _ in encoded(codec)])


@pytest.mark.parametrize("codec", VIDEO)
@pytest.mark.parametrize("mtu", [200, 1100])
def test_a_whole_stream_comes_out_as_it_was_encoded(codec: CodecName, mtu: int) -> None:
    depacketizer = make_depacketizer(Codec(codec))
    units = push_all(depacketizer, packets(codec, mtu))
    assert [unit.timestamp for unit in units] == [timestamp for timestamp, _, _ in encoded(codec)]
    assert [unit.keyframe for unit in units] == [keyframe for _, _, keyframe in encoded(codec)]
    assert sum(unit.keyframe for unit in units) > 1
    assert pictures(codec, units) == reference(codec)
    assert (depacketizer.lost, depacketizer.dropped) == (0, 0)


@pytest.mark.parametrize("codec", ["VP8", "VP9"])
def test_frames_of_vp8_and_vp9_are_the_encoders_bytes(codec: CodecName) -> None:
    units = push_all(make_depacketizer(Codec(codec)), packets(codec))
    assert [unit.data for unit in units] == [data for _, data, _ in encoded(codec)]


def test_obus_get_their_sizes_back() -> None:
    units = push_all(make_depacketizer(Codec("AV1")), packets("AV1"))
    assert all(unit.data.startswith(b"\x12\x00") for unit in units)
    assert [obus(unit.data) for unit in units] == [obus(data) for _, data, _ in encoded("AV1")]


@pytest.mark.parametrize("codec", VIDEO)
@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_lost_what_comes_out_is_undamaged(codec: CodecName, seed: int) -> None:
    rng = random.Random(seed)
    every = packets(codec, 300)
    holes = [rng.randrange(len(every)) for _ in range(3)]
    kept = [packet for n, packet in enumerate(every) if not any(hole <= n < hole + rng.randint(1, 3) for hole in holes)]
    depacketizer = make_depacketizer(Codec(codec))
    units = push_all(depacketizer, kept)
    whole = reference(codec)
    shown = pictures(codec, units)
    assert shown, f"seed {seed}"
    assert all(shown[timestamp] == whole[timestamp] for timestamp in shown), f"seed {seed}"
    assert set(shown) == {unit.timestamp for unit in units}
    assert depacketizer.lost == kept[-1].seq - kept[0].seq + 1 - len(kept)


@pytest.mark.parametrize("codec", VIDEO)
def test_every_single_loss_costs_at_most_until_the_next_keyframe(codec: CodecName) -> None:
    every = packets(codec, 700)
    frames = [timestamp // TICKS_PER_FRAME for timestamp, _, _ in encoded(codec)]
    keys = [timestamp // TICKS_PER_FRAME for timestamp, _, keyframe in encoded(codec) if keyframe]
    for hole in range(len(every) - 1):
        depacketizer = make_depacketizer(Codec(codec))
        units = push_all(depacketizer, every[:hole] + every[hole + 1 :])
        hit = every[hole].timestamp // TICKS_PER_FRAME
        following = [key for key in keys if key > hit]
        resumed = following[0] if following else len(frames)
        got = [unit.timestamp // TICKS_PER_FRAME for unit in units]
        surely = [frame for frame in frames if frame < hit or frame >= resumed]
        assert [frame for frame in got if frame < hit or frame >= resumed] == surely, hole


@pytest.mark.parametrize("codec", VIDEO)
def test_a_keyframe_after_a_loss_is_taken_at_once(codec: CodecName) -> None:
    """The first packet of a keyframe tells by itself that nothing of the frame is missing before it."""
    every = packets(codec, 300)
    key = GOP * TICKS_PER_FRAME
    before = [packet for packet in every if packet.timestamp < key][:-2]
    units = push_all(make_depacketizer(Codec(codec)), before + [packet for packet in every if packet.timestamp >= key])
    assert key in {unit.timestamp for unit in units}


@pytest.mark.parametrize("codec", VIDEO)
def test_a_stream_joined_in_the_middle_waits_for_a_keyframe(codec: CodecName) -> None:
    every = packets(codec, 300)
    depacketizer = make_depacketizer(Codec(codec))
    first = next(index for index, packet in enumerate(every) if packet.timestamp == 3 * TICKS_PER_FRAME) + 1
    assert depacketizer.waiting
    units = push_all(depacketizer, every[first:])
    assert units[0].keyframe
    assert units[0].timestamp == GOP * TICKS_PER_FRAME


@pytest.mark.parametrize("codec", VIDEO)
def test_padding_alone_fills_its_place(codec: CodecName) -> None:
    spread = [Packet(p.seq * 2, p.timestamp, p.marker, p.payload) for p in packets(codec, 300)]
    padded = [half for p in spread for half in (p, Packet(p.seq + 1, p.timestamp, False, b""))]
    depacketizer = make_depacketizer(Codec(codec))
    units = push_all(depacketizer, padded)
    assert len(units) == len(encoded(codec))
    assert depacketizer.lost == 0


@pytest.mark.parametrize("codec", VIDEO)
def test_a_frame_beyond_the_bound_is_dropped_and_the_stream_goes_on(codec: CodecName) -> None:
    sizes = {timestamp: 0 for timestamp, _, _ in encoded(codec)}
    for packet in packets(codec):
        sizes[packet.timestamp] += len(packet.payload)
    bound = max(sizes.values()) - 1
    depacketizer = make_depacketizer(Codec(codec), max_frame_bytes=bound)
    units = push_all(depacketizer, packets(codec))
    assert depacketizer.dropped >= 1
    assert units
    assert all(sizes[unit.timestamp] <= bound for unit in units)


@pytest.mark.parametrize("codec", VIDEO)
@pytest.mark.parametrize("mtu", [120, 1100])
def test_keyframe_starts_are_told_from_all_other_packets(codec: CodecName, mtu: int) -> None:
    keys = {timestamp for timestamp, _, keyframe in encoded(codec) if keyframe}
    found = [packet for packet in packets(codec, mtu) if is_keyframe_start(codec, packet.payload)]
    assert {packet.timestamp for packet in found} == keys
    firsts = {timestamp: min(p.seq for p in packets(codec, mtu) if p.timestamp == timestamp) for timestamp in keys}
    for timestamp, first in firsts.items():
        assert min(packet.seq for packet in found if packet.timestamp == timestamp) == first


def test_h264_as_aiortc_cuts_it_comes_out_undamaged() -> None:
    depacketizer = make_depacketizer(Codec("H264"))
    units: list[AccessUnit] = []
    seq = 0
    for timestamp, data, keyframe in encoded("H264"):
        payloads = H264Encoder._packetize(nal_units(data))
        assert is_keyframe_start("H264", payloads[0]) == keyframe
        for index, payload in enumerate(payloads):
            units += depacketizer.push(seq, timestamp, index == len(payloads) - 1, payload)
            seq += 1
    assert pictures("H264", units) == reference("H264")


def test_vp8_as_aiortc_cuts_it_comes_out_undamaged() -> None:
    depacketizer = make_depacketizer(Codec("VP8"))
    units: list[AccessUnit] = []
    seq = 0
    for number, (timestamp, data, keyframe) in enumerate(encoded("VP8")):
        for at in range(0, len(data), 500):
            descriptor = VpxPayloadDescriptor(
                partition_start=1 if at == 0 else 0, partition_id=0, picture_id=number * 50, tl0picidx=3, tid=(0, 1)
            )
            payload = bytes(descriptor) + data[at : at + 500]
            assert is_keyframe_start("VP8", payload) == (keyframe and at == 0)
            units += depacketizer.push(seq, timestamp, at + 500 >= len(data), payload)
            seq += 1
    assert [unit.data for unit in units] == [data for _, data, _ in encoded("VP8")]


def h264_bare(frames: int = 2 * GOP) -> tuple[list[bytes], list[bytes], list[list[bytes]]]:
    """SPS, PPS, and the slices of each frame without them."""
    slices = [[nal for nal in nal_units(data) if nal[0] & 31 in {1, 5}] for _, data, _ in encoded("H264")[:frames]]
    first = nal_units(encoded("H264")[0][1])
    return [nal for nal in first if nal[0] & 31 == 7], [nal for nal in first if nal[0] & 31 == 8], slices


def test_parameter_sets_are_repeated_before_keyframes_that_lack_them() -> None:
    sps, pps, slices = h264_bare()
    depacketizer = make_depacketizer(Codec("H264"))
    units: list[AccessUnit] = []
    seq = 0
    for number, nals in enumerate(slices):
        sent = sps + pps + nals if number == 0 else nals
        for index, nal in enumerate(sent):
            units += depacketizer.push(seq, number * TICKS_PER_FRAME, index == len(sent) - 1, nal)
            seq += 1
    second = next(unit for unit in units if unit.keyframe and unit.timestamp)
    assert [nal[0] & 31 for nal in nal_units(second.data)][:3] == [7, 8, 5]
    assert set(pictures("H264", [second])) == {second.timestamp}


def test_parameter_sets_of_the_sdp_serve_until_the_stream_has_its_own() -> None:
    sps, pps, slices = h264_bare(3)
    sets = ",".join(base64.b64encode(nal).decode() for nal in sps + pps)
    bare = make_depacketizer(Codec("H264"))
    informed = make_depacketizer(Codec("H264", {"sprop-parameter-sets": sets + ",!junk,"}))
    for depacketizer, expected in ((bare, 0), (informed, 3)):
        units: list[AccessUnit] = []
        seq = 0
        for number, nals in enumerate(slices):
            for index, nal in enumerate(nals):
                units += depacketizer.push(seq, number, index == len(nals) - 1, nal)
                seq += 1
        assert len(units) == expected


def test_parameter_sets_alone_are_no_frame_and_no_damage() -> None:
    sps, pps, slices = h264_bare(3)
    depacketizer = make_depacketizer(Codec("H264"))
    stream = [(0, sps[0], True), (0, pps[0], True)]
    stream += [(1 + n, nal, nal is nals[-1]) for n, nals in enumerate(slices) for nal in nals]
    stream.insert(5, (1, sps[0], True))
    units = [unit for seq, (at, nal, marker) in enumerate(stream) for unit in depacketizer.push(seq, at, marker, nal)]
    assert [unit.timestamp for unit in units] == [1, 2, 3]
    assert depacketizer.dropped == 0


def test_h264_without_markers_ends_frames_by_their_timestamps() -> None:
    depacketizer = make_depacketizer(Codec("H264"))
    units = push_all(depacketizer, [Packet(p.seq, p.timestamp, False, p.payload) for p in packets("H264")])
    assert pictures("H264", units) == reference("H264")


@pytest.mark.parametrize("codec", ["VP8", "VP9", "AV1"])
def test_a_frame_cut_off_before_its_marker_is_dropped(codec: CodecName) -> None:
    """As when a muted camera comes back: numbers go on, but the rest of the frame was never sent."""
    every = packets(codec, 200)
    last_of_third = next(p for p in every if p.timestamp == 2 * TICKS_PER_FRAME and p.marker)
    kept = [p for p in every if p.seq != last_of_third.seq]
    renumbered = [Packet(seq, p.timestamp, p.marker, p.payload) for seq, p in enumerate(kept)]
    units = push_all(make_depacketizer(Codec(codec)), renumbered)
    got = [unit.timestamp // TICKS_PER_FRAME for unit in units]
    assert 2 not in got
    whole = reference(codec)
    assert all(whole[at] == picture for at, picture in pictures(codec, units).items())


@pytest.mark.parametrize("second", ["10 30 aa", "90 30 aa", "d0 30 aa"])
def test_obus_that_do_not_continue_as_announced_are_dropped(second: str) -> None:
    """A fragment must be continued, and nothing may continue what was complete (AV1 RTP specification, Z and Y)."""
    depacketizer = make_depacketizer(Codec("AV1"))
    opened = second.startswith("10")
    first = bytes.fromhex("58 08 0b 00" if opened else "18 08 0b 00")
    units = depacketizer.push(1, 1, False, first) + depacketizer.push(2, 1, False, bytes.fromhex(second))
    units += depacketizer.push(3, 1, True, bytes.fromhex("10 30 bb"))
    assert units == []
    assert depacketizer.dropped == 1
    units = depacketizer.push(4, 2, True, bytes.fromhex("18 08 0b 00"))
    assert [unit.data for unit in units] == [bytes.fromhex("12 00 0a 02 0b 00")]


def test_opus_packets_pass_one_by_one() -> None:
    depacketizer = make_depacketizer(Codec("opus"))
    units = [unit for seq in (1, 2, 4, 5) for unit in depacketizer.push(seq, 960 * seq, False, bytes((seq,)))]
    assert [unit.data for unit in units] == [b"\x01", b"\x02", b"\x04", b"\x05"]
    assert depacketizer.lost == 1
    assert not depacketizer.waiting
    assert depacketizer.push(6, 0, False, b"") == []


def test_a_restart_of_the_numbering_is_a_loss() -> None:
    every = packets("VP8", 300)
    depacketizer = make_depacketizer(Codec("VP8"))
    half = [p for p in every if p.timestamp < 6 * TICKS_PER_FRAME]
    rest = [Packet(p.seq - 500_000, p.timestamp, p.marker, p.payload) for p in every if p not in half]
    units = push_all(depacketizer, half + rest)
    got = [unit.timestamp // TICKS_PER_FRAME for unit in units]
    assert got == [*range(6), *range(GOP, len(encoded("VP8")))]
