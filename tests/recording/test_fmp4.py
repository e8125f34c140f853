"""Boxes: what is written can be read by others, and what is torn is known exactly."""

import io
import random

import av
from hypothesis import given
from hypothesis import strategies as st

from liveclass.recording.filler import PAPER_FORMAT, PAPER_SAMPLES, silence
from liveclass.recording.fmp4 import (
    AUDIO_TRACK_ID,
    SEGMENT_TYPE,
    VIDEO_TRACK_ID,
    Run,
    Sample,
    Span,
    Whole,
    boxes,
    fragment,
    init_segment,
    whole,
)
from liveclass.recording.formats import opus_entry


def one(number: int, start_s: int) -> bytes:
    pictures = [Sample(PAPER_SAMPLES[0], 45_000, True), Sample(PAPER_SAMPLES[1], 45_000, False)]
    packets = [Sample(packet, duration, True) for packet, duration in silence(48_000)]
    runs = [Run(VIDEO_TRACK_ID, start_s * 90_000, pictures), Run(AUDIO_TRACK_ID, start_s * 48_000, packets)]
    return fragment(number, runs)


SEGMENT = SEGMENT_TYPE + one(1, 5) + one(2, 6) + one(3, 7)


def test_another_reader_finds_the_times_that_were_written() -> None:
    file = init_segment(PAPER_FORMAT.entry, (320, 180), opus_entry()) + SEGMENT
    with av.open(io.BytesIO(file), "r") as container:
        packets = [(packet.stream.type, packet.pts) for packet in container.demux() if packet.size]
    pictures = [pts for kind, pts in packets if kind == "video"]
    assert pictures == [450_000 + 45_000 * index for index in range(6)]
    sound = [pts for kind, pts in packets if kind == "audio"]
    assert sound == [240_000 + 960 * index for index in range(150)]


def test_a_run_without_samples_is_left_out() -> None:
    data = fragment(1, [Run(VIDEO_TRACK_ID, 0, []), Run(AUDIO_TRACK_ID, 0, [Sample(b"\xf8\xff\xfe", 960, True)])])
    assert whole(data).spans == {AUDIO_TRACK_ID: Span(0, 960)}


def test_uneven_sound_keeps_each_duration() -> None:
    packets = [Sample(packet, duration, True) for packet, duration in silence(960 + 480 + 120)]
    assert whole(fragment(1, [Run(AUDIO_TRACK_ID, 7, packets)])).spans == {AUDIO_TRACK_ID: Span(7, 7 + 1560)}


def test_a_file_cut_anywhere_is_whole_up_to_its_last_complete_fragment() -> None:
    ends = []
    cursor = len(SEGMENT_TYPE)
    for number, start in ((1, 5), (2, 6), (3, 7)):
        cursor += len(one(number, start))
        ends.append(cursor)
    for cut in range(len(SEGMENT) + 1):
        complete = sum(end <= cut for end in ends)
        found = whole(SEGMENT[:cut])
        assert found.size == (ends[complete - 1] if complete else 0)
        if complete:
            assert found.spans[VIDEO_TRACK_ID] == Span(450_000, 450_000 + 90_000 * complete)
            assert found.spans[AUDIO_TRACK_ID] == Span(240_000, 240_000 + 48_000 * complete)
        else:
            assert found == Whole(0, {})


def test_what_follows_the_tear_is_not_whole() -> None:
    torn = SEGMENT[:-100] + bytes(100)
    assert whole(SEGMENT + b"garbage!").size == len(SEGMENT)
    assert whole(torn).size == len(SEGMENT)  # zeros inside a box: its bytes are there, which is all that can be known
    assert whole(SEGMENT[: len(SEGMENT) // 2] + bytes(5000)).size < len(SEGMENT)


def test_damage_never_raises() -> None:
    seed = 3
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(3000):
        data = bytearray(SEGMENT)
        for _ in range(chance.randrange(1, 5)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        found = whole(bytes(data))
        assert 0 <= found.size <= len(data)


@given(st.binary(max_size=300))
def test_any_bytes_have_a_whole_part(data: bytes) -> None:
    assert 0 <= whole(data).size <= len(data)
    for _, begin, end in boxes(data):
        assert begin <= end <= len(data)
