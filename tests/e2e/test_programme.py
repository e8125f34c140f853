"""The known lesson, tried on a file made of it: a shift of sound against picture is found, and none where none is."""

import io
from fractions import Fraction
from typing import Any

import av
import pytest

from tests.e2e import programme
from tests.e2e.programme import FPS, Played, Programme, Unit, tone_of


def file_of(known: Programme, *, sound_later_s: float = 0.0) -> io.BytesIO:
    """The programme in a Matroska file, its sound shifted."""
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as container:
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"
        audio = container.add_stream("libopus", rate=48_000)
        audio.layout = "stereo"
        units: list[tuple[float, Unit, Any]] = [(unit.time_s, unit, video) for unit in known.video]
        units += [(unit.time_s + sound_later_s, unit, audio) for unit in known.audio]
        for at, unit, stream in sorted(units, key=lambda entry: entry[0]):
            packet: av.Packet[Any] = av.Packet(unit.data)
            packet.time_base = Fraction(1, unit.clock_rate)
            packet.pts = packet.dts = round(at * unit.clock_rate)
            packet.is_keyframe = unit.keyframe
            packet.stream = stream
            container.mux(packet)
    out.seek(0)
    return out


@pytest.fixture(scope="module")
def known() -> Programme:
    return programme.encode(1, 5)


def test_a_programme_has_a_keyframe_each_second_and_sound_every_20_ms(known: Programme) -> None:
    assert [number for number, packet in enumerate(known.video) if packet.keyframe] == [0, 25, 50, 75, 100]
    assert len(known.audio) == 250


@pytest.mark.parametrize("shift", [0.0, 0.12, 0.3])
def test_sound_and_picture_of_a_file_are_measured_against_each_other(known: Programme, shift: float) -> None:
    played = programme.watch(file_of(known, sound_later_s=shift), 1)
    assert len(played.frames) == 5 * FPS
    assert [second for second, _ in played.changes] == [1, 2, 3, 4]
    assert played.offsets() == [pytest.approx(shift, abs=0.03)] * 4


def test_the_programme_of_another_is_not_taken_for_this_one(known: Programme) -> None:
    assert programme.watch(file_of(known), 2).frames == {}


def test_neighbouring_tones_differ() -> None:
    assert all(abs(tone_of(second) - tone_of(second + 1)) >= 300 for second in range(8))


def test_no_offset_is_made_up_where_a_frame_is_missing() -> None:
    assert Played({}, [(1, 1.0)], (0, 1), (0, 1)).offsets() == []
