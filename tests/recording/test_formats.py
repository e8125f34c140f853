"""Sample entries against real encoders and hostile headers."""

import io
import random
from fractions import Fraction
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveclass.recording.bits import BitReader
from liveclass.recording.filler import PAPER_FORMAT, PAPER_SAMPLES, SILENCE_STEP, silence
from liveclass.recording.fmp4 import AUDIO_TRACK_ID, VIDEO_TRACK_ID, Run, Sample, fragment, init_segment
from liveclass.recording.formats import (
    PictureFormat,
    nal_units,
    opus_duration,
    opus_entry,
    picture_format,
    to_sample,
)
from liveclass.rtp.codec import CodecName
from tests.recording import media

CODECS: list[CodecName] = ["H264", "VP9", "AV1"]
ENTRIES = {"H264": b"avc1", "VP9": b"vp09", "AV1": b"av01"}
NAMES = {"H264": "h264", "VP9": "vp9", "AV1": "av1"}


def keyframe(codec: str, size: tuple[int, int]) -> bytes:
    return media.pictures(codec, 1, size=size)[0].data


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", [(160, 96), (640, 360), (322, 182)])
def test_a_real_keyframe_gives_its_size_and_a_file_that_decodes(codec: CodecName, size: tuple[int, int]) -> None:
    data = keyframe(codec, size)
    found = picture_format(codec, data)
    assert found is not None
    assert (found.width, found.height) == size
    assert ENTRIES[codec] in found.entry
    file = init_segment(found.entry, size, None) + fragment(
        1, [Run(VIDEO_TRACK_ID, 0, [Sample(to_sample(codec, data), 3000, True)])]
    )
    with av.open(io.BytesIO(file), "r") as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name in {NAMES[codec], "libdav1d"}
        frame = next(container.decode(stream))
        assert (frame.width, frame.height) == size


def test_codec_names_are_those_of_rfc_6381() -> None:
    names = [picture_format(codec, keyframe(codec, (640, 360))) for codec in CODECS]
    assert [found.codec for found in names if found] == ["avc1.42c016", "vp09.00.21.08", "av01.0.01M.08"]


@pytest.mark.parametrize("profile", ["high", "high422", "high444"])
def test_high_profiles_say_their_chroma_and_depth(profile: str) -> None:
    pixels = {"high": "yuv420p", "high422": "yuv422p", "high444": "yuv444p"}[profile]
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 190, 110, pixels
    encoder.time_base = Fraction(1, 10)
    encoder.options = {"preset": "ultrafast", "profile": profile, "tune": "zerolatency"}
    frame = av.VideoFrame(190, 110, pixels)
    frame.pts = 0
    data = b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
    found = picture_format("H264", data)
    assert found is not None
    assert (found.width, found.height) == (190, 110)
    file = init_segment(found.entry, (190, 110), None) + fragment(
        1, [Run(VIDEO_TRACK_ID, 0, [Sample(to_sample("H264", data), 3000, True)])]
    )
    with av.open(io.BytesIO(file), "r") as container:
        picture = next(container.decode(container.streams.video[0]))
        assert picture.format.name == pixels


def test_vp8_is_nothing_that_mp4_players_take() -> None:
    assert picture_format("VP8", keyframe("VP8", (160, 96))) is None


def test_a_picture_that_is_no_keyframe_has_no_format() -> None:
    assert picture_format("H264", media.pictures("H264", 1)[3].data) is None
    assert picture_format("VP9", media.pictures("VP9", 1)[3].data) is None
    assert picture_format("AV1", media.pictures("AV1", 1)[3].data) is None


@pytest.mark.parametrize("codec", CODECS)
def test_a_header_under_mutation_is_a_format_or_none(codec: CodecName) -> None:
    seed = 11
    print(f"seed {seed}")
    chance = random.Random(seed)
    original = keyframe(codec, (640, 360))[:300]
    for _ in range(4000):
        data = bytearray(original)
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(min(60, len(data)))] = chance.randrange(256)
        found = picture_format(codec, bytes(data[: chance.randrange(len(data) + 1)]))
        assert found is None or isinstance(found, PictureFormat)
        if found is not None:
            assert 0 < found.width <= 8192
            assert 0 < found.height <= 8192
        if codec == "H264":
            to_sample(codec, bytes(data))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_format_or_none(data: bytes) -> None:
    for codec in CODECS:
        found = picture_format(codec, data)
        assert found is None or found.width > 0


@given(st.lists(st.binary(min_size=1, max_size=20).filter(lambda nal: b"\0\0" not in nal and nal[-1:] != b"\0")))
def test_nal_units_are_found_whatever_start_codes_are_used(nals: list[bytes]) -> None:
    for start in (b"\0\0\1", b"\0\0\0\1", b"\0\0\0\0\1"):
        assert nal_units(b"".join(start + nal for nal in nals)) == nals


def test_h264_samples_are_length_prefixed_and_hold_their_parameter_sets() -> None:
    unit = b"\0\0\0\1\x09\xf0" + media.pictures("H264", 1)[0].data
    sample = to_sample("H264", unit)
    position, kinds = 0, []
    while position < len(sample):
        size = int.from_bytes(sample[position : position + 4], "big")
        kinds.append(sample[position + 4] & 31)
        position += 4 + size
    assert position == len(sample)
    assert {5, 7, 8} <= set(kinds)
    assert 9 not in kinds
    assert to_sample("H264", unit, [nal + b"\0" for nal in nal_units(unit)]) == sample


@pytest.mark.parametrize(
    ("packet", "samples"),
    [
        (b"\xf8\xff\xfe", 960),
        (b"\xe0\xff\xfe", 120),
        (b"\x08\x00", 960),
        (b"\x18\x00", 2880),
        (b"\x60\x00", 480),
        (b"\xf9\x00\x00", 1920),
        (b"\xfb\x03\x00", 2880),
        (b"\x1b\x03\x00", 0),
        (b"\xfb", 0),
        (b"", 0),
    ],
)
def test_the_length_of_an_opus_packet_stands_in_its_first_bytes(packet: bytes, samples: int) -> None:
    assert opus_duration(packet) == samples


@given(st.binary(max_size=4))
def test_no_opus_packet_lasts_longer_than_120_ms(packet: bytes) -> None:
    assert 0 <= opus_duration(packet) <= 5760


@given(st.integers(0, 200_000))
def test_silence_lasts_as_long_as_opus_frames_allow(ticks: int) -> None:
    packets = silence(ticks)
    assert sum(duration for _, duration in packets) == ticks // SILENCE_STEP * SILENCE_STEP
    assert all(opus_duration(packet) == duration for packet, duration in packets)


def test_silence_is_silent_and_paper_is_plain() -> None:
    packets = [Sample(packet, duration, True) for packet, duration in silence(48_000 + 480 + 240 + 120)]
    pictures = [Sample(PAPER_SAMPLES[index % 2], 90_000, True) for index in range(4)]
    size = (PAPER_FORMAT.width, PAPER_FORMAT.height)
    file = init_segment(PAPER_FORMAT.entry, size, opus_entry()) + fragment(
        1, [Run(VIDEO_TRACK_ID, 0, pictures), Run(AUDIO_TRACK_ID, 0, packets)]
    )
    decoded = media.decode(file)
    assert len(decoded.samples) == 48_840
    assert abs(decoded.samples).max() < 1e-4
    assert [at for at, _, _ in decoded.frames] == [0, 1, 2, 3]
    with av.open(io.BytesIO(file), "r") as container:
        for frame in container.decode(video=0):
            planes = [set(bytes(plane)[: plane.width]) for plane in frame.planes]
            assert planes == [{45}, {126}, {129}]


def test_bits_never_read_past_the_end() -> None:
    reader = BitReader(b"\xa5")
    assert [reader.u(4), reader.u(1), reader.u(3)] == [10, 0, 5]
    with pytest.raises(ValueError):
        reader.u(1)
    with pytest.raises(ValueError):
        BitReader(bytes(20)).ue()
    assert [BitReader(b"\x40").se(), BitReader(b"\x60").se(), BitReader(b"\x80").se()] == [1, -1, 0]
