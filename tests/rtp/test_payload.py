"""Keyframe and frame starts, packet by packet, from the payload specifications; nothing raises."""

from fractions import Fraction
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveclass.rtp.codec import Codec, CodecName
from liveclass.rtp.depacketize import make_depacketizer
from liveclass.rtp.payload import (
    H264_AUD,
    H264_FU_A,
    H264_SEI,
    droppable,
    frame_detector,
    is_keyframe_start,
    keyframe_detector,
    resumes,
    starts_frame,
)
from tests.rtp.fuzz import crashes, hold, mutations
from tests.rtp.packetize import HEIGHT, WIDTH, decoded, h264_payloads, moving_picture, packets

CODECS: list[CodecName] = ["opus", "H264", "VP8", "VP9", "AV1"]


@pytest.mark.parametrize(
    ("codec", "payload", "keyframe", "frame"),
    [
        ("opus", "fc00", True, True),
        ("opus", "", False, False),
        # H264: single NAL units
        ("H264", "67 42", True, True),
        ("H264", "68 ce", False, False),
        ("H264", "65 88", True, True),
        ("H264", "65 40", False, False),
        ("H264", "41 9a", False, True),
        ("H264", "41 40", False, False),
        ("H264", "09 10", False, True),
        ("H264", "06 05", False, False),
        ("H264", "65", False, False),
        # H264: STAP-A of SPS and PPS, of PPS and IDR, of PPS and a later slice
        ("H264", "78 0002 6742 0002 68ce", True, True),
        ("H264", "78 0002 68ce 0002 6588", True, False),
        ("H264", "78 0002 68ce 0002 6540", False, False),
        ("H264", "78 0002 68ce", False, False),
        ("H264", "78 ffff 68", False, False),
        ("H264", "78", False, False),
        # H264: FU-A start and middle
        ("H264", "7c 85 88", True, True),
        ("H264", "7c 85 40", False, False),
        ("H264", "7c 05 88", False, False),
        ("H264", "7c 87 42", True, True),
        ("H264", "5c 81 9a", False, True),
        ("H264", "7c", False, False),
        ("H264", "7c 85", False, False),
        # VP8: descriptor with and without extension, P bit, later partition, continuation
        ("VP8", "10 00", True, True),
        ("VP8", "10 01", False, True),
        ("VP8", "00 00", False, False),
        ("VP8", "11 00", False, False),
        ("VP8", "90 80 05 00", True, True),
        ("VP8", "90 80 8005 00", True, True),
        ("VP8", "90 f0 8005 11 22 00", True, True),
        ("VP8", "90 f0 8005 11 22 01", False, True),
        ("VP8", "90 80", False, True),
        ("VP8", "10", False, True),
        # VP9: B, P, layers
        ("VP9", "08 00", True, True),
        ("VP9", "48 00", False, True),
        ("VP9", "00 00", False, False),
        ("VP9", "88 05 00", True, True),
        ("VP9", "a8 8005 00 00", True, True),
        ("VP9", "a8 8005 02 00", False, False),
        ("VP9", "a8", False, False),
        ("VP9", "28", False, False),
        # AV1: N, Z
        ("AV1", "08 0a", True, True),
        ("AV1", "00 32", False, True),
        ("AV1", "88 0a", False, False),
        ("AV1", "08", False, False),
    ],
)
def test_starts_are_told_by_the_first_bytes(codec: CodecName, payload: str, keyframe: bool, frame: bool) -> None:
    data = bytes.fromhex(payload)
    assert is_keyframe_start(codec, data) is keyframe
    assert starts_frame(codec, data) is frame


@pytest.mark.parametrize(
    ("codec", "payload", "without", "again"),
    [
        ("opus", "fc00", False, True),
        # H264: slices with and without nal_ref_idc, alone, aggregated, fragmented; what is kept whatever it claims
        ("H264", "41 9a", False, True),
        ("H264", "01 9a", True, True),
        ("H264", "06 05", True, False),
        ("H264", "05 88", False, True),
        ("H264", "07 42", False, True),
        ("H264", "08 ce", False, False),
        ("H264", "01", False, False),
        ("H264", "1c 81 9a", True, True),
        ("H264", "1c 01 9a", True, False),
        ("H264", "1c 85 88", False, True),
        ("H264", "5c 81 9a", False, True),
        ("H264", "18 0002 019a 0002 019b", True, True),
        ("H264", "78 0002 019a 0002 019b", True, True),
        ("H264", "18 0002 019a 0002 419b", False, True),
        ("H264", "18 0002 019a 0002 059b", False, True),
        ("H264", "18 0002 019a 0009 019b", False, True),
        ("H264", "18", False, False),
        # VP8: N where there are no layers; TID, and Y to come back; a keyframe; no start of a frame
        ("VP8", "10 01", False, True),
        ("VP8", "30 01", True, True),
        ("VP8", "b0 20 40 01", True, False),
        ("VP8", "b0 20 60 01", True, True),
        ("VP8", "a0 20 60 01", True, False),
        ("VP8", "b0 20 a0 01", True, False),
        ("VP8", "90 20 00 01", False, False),
        ("VP8", "90 20 00 00", False, True),
        ("VP8", "90 e0 8005 11 40 01", True, False),
        ("VP8", "90 e0 05 11 60 01", True, True),
        ("VP8", "90 e0 05 11", False, True),
        ("VP8", "00 00", False, False),
        # VP9: TID; keyframe; U on the lowest temporal layer; a higher spatial one
        ("VP9", "28 00 00 00", False, True),
        ("VP9", "68 00 00 00", False, False),
        ("VP9", "68 10 00 00", False, True),
        ("VP9", "68 20 00 00", True, False),
        ("VP9", "60 20 00 00", True, False),
        ("VP9", "68 30 00 00", True, False),
        ("VP9", "68 12 00 00", False, False),
        ("VP9", "e8 8005 20 00", True, False),
        ("VP9", "e8", False, False),
        ("VP9", "08 00", False, True),
        ("AV1", "08 0a", False, True),
        ("AV1", "00 32", False, False),
    ],
)
def test_what_may_be_left_out_is_told_by_the_first_bytes(
    codec: CodecName, payload: str, without: bool, again: bool
) -> None:
    data = bytes.fromhex(payload)
    assert droppable(codec)(data) is without
    assert resumes(codec)(data) is again


def nal_kind(payload: bytes) -> int:
    """The type of the NAL unit, or of the one that it is a fragment of (RFC 6184 section 5.8)."""
    return payload[payload[0] & 0x1F == H264_FU_A] & 0x1F


def test_an_h264_stream_decodes_to_the_same_pictures_without_its_droppable_frames() -> None:
    """libx264 with frames that nothing refers to, all of them left out: the others come out bit by bit as before."""
    context: Any = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context.time_base, context.bit_rate = Fraction(1, 30), 1_500_000
    context.options = {"profile": "main", "bf": "2", "x264-params": "b-pyramid=none:b-adapt=0:scenecut=0:slices=2"}
    frames = [p for image in moving_picture() for p in context.encode(image)] + context.encode(None)
    test = droppable("H264")
    whole, kept = [], []
    left_out = 0
    for number, packet in enumerate(frames):
        payloads = h264_payloads(bytes(packet), packet.is_keyframe, number, 400)
        marks = {test(payload) for payload in payloads if nal_kind(payload) not in {H264_SEI, H264_AUD}}
        assert len(marks) == 1
        whole.append((packet.pts, bytes(packet)))
        if marks == {True}:
            left_out += 1
        else:
            kept.append((packet.pts, bytes(packet)))
    assert left_out > len(frames) // 2
    before, after = decoded("H264", whole), decoded("H264", kept)
    assert len(after) == len(frames) - left_out
    assert all(before[timestamp] == picture for timestamp, picture in after.items())


@pytest.mark.parametrize("codec", CODECS)
def test_bound_detectors_are_the_same(codec: CodecName) -> None:
    for data in (b"", b"\x10\x00", b"\x65\x88", b"\x08\x0a", b"\x08\x00\x00"):
        assert keyframe_detector(codec)(data) == is_keyframe_start(codec, data)
        assert frame_detector(codec)(data) == starts_frame(codec, data)


def read(codec: CodecName, data: bytes) -> None:
    is_keyframe_start(codec, data)
    starts_frame(codec, data)
    droppable(codec)(data)
    resumes(codec)(data)
    depacketizer = make_depacketizer(Codec(codec))
    depacketizer.push(1, 1, False, data)
    depacketizer.push(2, 1, True, data)
    depacketizer.push(3, 2, True, data)
    depacketizer.flush()


@pytest.mark.parametrize("codec", CODECS)
def test_any_payload_is_read_without_an_error(codec: CodecName) -> None:
    seed = 60
    corpus = [bytes(range(60))] if codec == "opus" else [packet.payload for packet in packets(codec, 200)[:200]]
    inputs = list(mutations(corpus, 4000, seed))
    assert hold(lambda data: read(codec, data), crashes(f"payload-{codec}") + inputs, seed) == len(
        crashes(f"payload-{codec}") + inputs
    )


@given(st.sampled_from(CODECS), st.binary(max_size=40))
def test_random_payloads_are_read_without_an_error(codec: CodecName, data: bytes) -> None:
    assert hold(lambda payload: read(codec, payload), [data], 0) == 1


@pytest.mark.parametrize("codec", CODECS[1:])
def test_a_damaged_stream_never_stops_the_depacketizer(codec: CodecName) -> None:
    """Every third packet mutated for a while; a clean keyframe afterwards comes out."""
    every = packets(codec, 300)
    half = len(every) // 3
    broken = list(mutations([packet.payload for packet in every], half, 61))
    depacketizer = make_depacketizer(Codec(codec))
    units = []
    for n, packet in enumerate(every):
        payload = broken[n // 3] if n < half and n % 3 == 0 else packet.payload
        units += depacketizer.push(packet.seq, packet.timestamp, packet.marker, payload)
    assert units[-1].timestamp == every[-1].timestamp
