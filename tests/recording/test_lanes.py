"""Lanes: sound without a hole, pictures without an overlap, whatever the times say."""

from hypothesis import given
from hypothesis import strategies as st

from liveclass.recording.filler import PAPER_FORMAT
from liveclass.recording.lanes import PictureLane, SoundLane, audio_ticks, video_ticks

LOUD = b"\xf8" + bytes(80)
SOFT = b"\xf8" + bytes(8)


def laid(lane: SoundLane) -> list[tuple[int, bytes]]:
    run = lane.take(1 << 60)
    at, out = run.start, []
    for sample in run.samples:
        out.append((at, sample.data))
        at += sample.duration
    return out


def test_packets_in_time_are_laid_one_after_the_other() -> None:
    lane = SoundLane(0)
    for index in range(100):
        lane.push(index * 960, LOUD)
    assert [at for at, _ in laid(lane)] == [index * 960 for index in range(100)]
    assert lane.corrections == 0


def test_a_lost_packet_leaves_silence_of_its_length() -> None:
    lane = SoundLane(0)
    for index in (0, 1, 4, 5):
        lane.push(index * 960, LOUD)
    assert [(at, len(data)) for at, data in laid(lane)] == [
        (0, 81),
        (960, 81),
        (1920, 3),
        (2880, 3),
        (3840, 81),
        (4800, 81),
    ]


def test_a_fast_clock_loses_packets_in_pauses_of_speech() -> None:
    """1000 ppm: 60 ms too much in a minute; half of the packets are pauses."""
    lane = SoundLane(0)
    for index in range(3000):
        lane.push(round(index * 960 * 0.999), SOFT if index % 100 < 50 else LOUD)
    out = laid(lane)
    assert lane.corrections == 3
    assert sum(data == SOFT for _, data in out) == 1500 - 3
    assert abs(lane.end - 3000 * 960 * 0.999) < 960


def test_a_slow_clock_is_filled() -> None:
    lane = SoundLane(0)
    for index in range(3000):
        lane.push(round(index * 960 * 1.001), SOFT if index % 100 < 50 else LOUD)
    assert lane.corrections >= 3
    assert abs(lane.end - 3000 * 960 * 1.001) < 1440 + 960


def test_sound_without_pauses_is_corrected_all_the_same() -> None:
    for rate in (0.9995, 1.0005):
        lane = SoundLane(0)
        for index in range(6000):
            lane.push(round(index * 960 * rate), LOUD)
            assert abs(lane.end - 960 - round(index * 960 * rate)) <= 1440 + 960
        assert lane.corrections


@given(
    st.lists(st.tuples(st.integers(-5000, 20_000), st.sampled_from([b"", SOFT, LOUD, b"\xe0\0", b"\xfb\x06\0"]))),
    st.lists(st.integers(0, 400_000)),
)
def test_sound_has_no_hole_whatever_comes(packets: list[tuple[int, bytes]], takes: list[int]) -> None:
    lane = SoundLane(480)
    at, cursor = 480, 480
    for index, (step, packet) in enumerate(packets):
        at += step
        lane.push(at, packet)
        if index < len(takes):
            run = lane.take(takes[index])
            assert run.start == cursor
            cursor += sum(sample.duration for sample in run.samples)
            lane.fill_behind(takes[index])
    run = lane.take(1 << 60)
    assert run.start == cursor
    assert cursor + sum(sample.duration for sample in run.samples) == lane.end


@given(st.lists(st.tuples(st.integers(-10_000, 300_000), st.booleans(), st.booleans()), min_size=1), st.data())
def test_pictures_follow_each_other_whatever_comes(pictures: list[tuple[int, bool, bool]], data: st.DataObject) -> None:
    lane = PictureLane(900, 900_000)
    lane.fill(900)
    at, end = 900, 900
    for step, keyframe, paper in pictures:
        at += step
        if paper:
            lane.fill(at)
        else:
            lane.push(at, b"x", keyframe, PAPER_FORMAT)
        if data.draw(st.booleans()):
            run = lane.take(at)
            if run.samples:
                assert run.start == end
            assert all(sample.duration > 0 for sample in run.samples)
            end += sum(sample.duration for sample in run.samples)
    while lane.pictures:
        run = lane.take(1 << 60)
        if not run.samples:
            run = lane.close(lane.last + 5)
        assert run.start == end
        assert all(sample.duration > 0 for sample in run.samples)
        end += sum(sample.duration for sample in run.samples)


def test_a_segment_opens_at_a_keyframe_and_not_too_soon() -> None:
    lane = PictureLane(0, video_ticks(10))
    for index in range(300):
        lane.push(video_ticks(index / 10), b"x", index % 10 == 0, PAPER_FORMAT)
    assert [picture.start / 90_000 for picture in lane.pictures if picture.opens] == [0, 5, 10, 15, 20, 25]


def test_ticks_are_exact() -> None:
    assert audio_ticks(3600.0) == 172_800_000
    assert video_ticks(3600.0) == 324_000_000
