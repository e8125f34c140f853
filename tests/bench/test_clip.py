"""The clip that the bench publishes is media that a decoder takes."""

from typing import Any

import av
import pytest

from bench import clip


def joined_h264(frames: list[clip.Payloads]) -> list[bytes]:
    """The receiver's half of RFC 6184, written for this test: packets to frames in Annex B."""
    out = []
    for payloads in frames:
        frame = b""
        for payload in payloads:
            if payload[0] & 0x1F != 28:
                frame += b"\0\0\0\1" + payload
                continue
            if payload[1] & 0x80:
                frame += b"\0\0\0\1" + bytes([payload[0] & 0xE0 | payload[1] & 0x1F])
            frame += payload[2:]
        out.append(frame)
    return out


def decoded(codec: str, frames: list[bytes]) -> list[Any]:
    decoder: Any = av.CodecContext.create(codec, "r")
    pictures: list[Any] = []
    for frame in frames:
        pictures += decoder.decode(av.Packet(frame))
    return [*pictures, *decoder.decode(None)]


@pytest.fixture(scope="module", params=["h264", "vp8"])
def published(request: pytest.FixtureRequest) -> tuple[str, list[clip.Payloads], clip.Payloads]:
    codec: str = request.param
    return codec, *clip.load(codec)


def test_every_published_frame_decodes_to_a_picture(
    published: tuple[str, list[clip.Payloads], clip.Payloads],
) -> None:
    codec, video, _ = published
    whole = joined_h264(video) if codec == "h264" else [b"".join(p[1:] for p in frame) for frame in video]
    pictures = decoded(codec, whole)
    assert len(pictures) == clip.FPS * clip.SECONDS
    assert {(p.width, p.height) for p in pictures} == {(clip.WIDTH, clip.HEIGHT)}


def test_the_clip_is_a_lesson_of_one_megabit_in_packets_that_fit_a_datagram(
    published: tuple[str, list[clip.Payloads], clip.Payloads],
) -> None:
    _, video, audio = published
    assert 0.8e6 < 8 * sum(len(p) for frame in video for p in frame) / clip.SECONDS < 1.3e6
    assert max(len(p) for frame in video for p in frame) <= clip.PAYLOAD + 1
    assert len(audio) == 50 * clip.SECONDS


def test_the_clip_can_be_looped_because_it_begins_with_a_keyframe(
    published: tuple[str, list[clip.Payloads], clip.Payloads],
) -> None:
    codec, video, _ = published
    if codec == "h264":
        assert [unit[0] & 0x1F for unit in video[0]][:2] == [7, 8]
    else:
        assert video[0][0][1] & 1 == 0


def test_a_unit_is_cut_only_when_it_does_not_fit() -> None:
    unit = bytes([0x65]) + bytes(range(1, 250)) * 20
    fits, over = unit[: clip.PAYLOAD], unit[: clip.PAYLOAD + 1]
    assert clip.h264_payloads(b"\0\0\0\1" + fits) == [fits]
    pieces = clip.h264_payloads(b"\0\0\1" + over)
    assert [p[1] >> 6 for p in pieces] == [2, 1]
    assert joined_h264([pieces]) == [b"\0\0\0\1" + over]


def test_only_the_first_vp8_packet_of_a_frame_starts_a_partition() -> None:
    payloads = clip.vp8_payloads(bytes(2 * clip.PAYLOAD + 1))
    assert [p[0] for p in payloads] == [0x10, 0, 0]
    assert sum(len(p) - 1 for p in payloads) == 2 * clip.PAYLOAD + 1
