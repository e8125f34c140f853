"""The first bytes of Opus packets, against RFC 6716 and against libopus itself."""

from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveclass.rtp.opus import MAX_TICKS, duration_ticks, silent


@pytest.mark.parametrize(
    ("first", "ticks"),
    [
        *((config << 3, ticks) for config, ticks in enumerate([480, 960, 1920, 2880] * 3)),
        *((12 + config << 3, ticks) for config, ticks in enumerate([480, 960] * 2)),
        *((16 + config << 3, ticks) for config, ticks in enumerate([120, 240, 480, 960] * 4)),
    ],
)
def test_every_configuration_lasts_as_table_2_says(first: int, ticks: int) -> None:
    assert duration_ticks(bytes((first, 0))) == ticks
    assert duration_ticks(bytes((first | 4, 0))) == ticks
    if 2 * ticks <= MAX_TICKS:
        assert duration_ticks(bytes((first | 1, 0))) == 2 * ticks
        assert duration_ticks(bytes((first | 2, 0))) == 2 * ticks


@pytest.mark.parametrize(
    ("payload", "ticks"),
    [
        ("", 0),
        ("fb", 0),
        ("fb 00", 0),
        ("fb 01", 960),
        ("fb 83", 2880),
        ("fb 06", 5760),
        ("fb 07", 0),
        ("1b 02", 5760),
        ("1b 03", 0),
    ],
)
def test_a_packet_of_many_frames_lasts_at_most_120_ms(payload: str, ticks: int) -> None:
    assert duration_ticks(bytes.fromhex(payload)) == ticks


@pytest.mark.parametrize("frame_ms", [10, 20, 40, 60])
def test_what_libopus_encodes_lasts_as_long_as_it_was_told(frame_ms: int) -> None:
    context: Any = av.CodecContext.create("libopus", "w")
    context.sample_rate, context.layout, context.format = 48_000, "mono", "s16"
    context.time_base, context.bit_rate = Fraction(1, 48_000), 16_000
    context.options = {"frame_duration": str(frame_ms), "application": "voip"}
    tone = (np.sin(np.arange(48_000) * 0.03) * 8000).astype(np.int16).reshape(1, -1)
    lasting = []
    for n in range(0, 48_000 - 48_000 % (48 * frame_ms), 48 * frame_ms):
        frame = av.AudioFrame.from_ndarray(tone[:, n : n + 48 * frame_ms], format="s16", layout="mono")
        frame.sample_rate, frame.pts = 48_000, n
        lasting += [bytes(packet) for packet in context.encode(frame)]
    assert len(lasting) > 10
    assert {duration_ticks(packet) for packet in lasting} == {48 * frame_ms}
    assert not any(silent(packet) for packet in lasting)


def test_silence_is_a_packet_of_at_most_two_bytes() -> None:
    assert silent(b"")
    assert silent(bytes.fromhex("78"))
    assert silent(bytes.fromhex("7b01"))
    assert not silent(bytes.fromhex("780102"))


@given(st.binary(max_size=8))
def test_any_bytes_have_a_duration(payload: bytes) -> None:
    assert 0 <= duration_ticks(payload) <= MAX_TICKS
