"""The low rendition: one small picture of the lead beside the main track, which never feels it."""

from pathlib import Path

import pytest

from liveclass.recording import low
from liveclass.recording.model import RecordingOptions
from tests.recording import media
from tests.recording.media import Unit
from tests.recording.studio import Replay, Studio

SMALL = (80, 48)
TINY = (96, 64)


def small(seconds: int, keyframe_s: float = 4.0, size: tuple[int, int] = SMALL) -> tuple[Unit, ...]:
    return media.pictures("H264", seconds, fps=10, size=size, keyframe_s=keyframe_s)


def main_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("lesson/main*")}


def low_files(folder: Path) -> list[Path]:
    return list(folder.rglob("low*"))


async def taught(root: Path, *, with_low: bool, options: RecordingOptions | None = None) -> Studio:
    studio = Studio(root, options)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(20), begin=0.5)
    studio.publish("camera", "H264", media.pictures("H264", 20), begin=0.5)
    if with_low:
        studio.publish("camera", "H264", small(18), begin=1.5, rendition="low", delay=lambda at: 0.03)
    await studio.run(22)
    await studio.recordings.finish("lesson")
    return studio


async def test_the_low_rendition_lies_on_the_time_of_the_main_track(tmp_path: Path) -> None:
    studio = await taught(tmp_path, with_low=True)
    manifest = studio.recordings.manifest("lesson")
    assert manifest.low == "low.m3u8"
    assert manifest.clips == ()
    replay = studio.replay("low.m3u8")
    (decoded,) = replay.decode()
    assert replay.complete
    assert {size for _, _, size in decoded.frames} == {SMALL}
    assert len(decoded.samples) == 0
    assert [pytest.approx(1.52 + second, abs=0.08) for second in range(18)] == decoded.flashes()
    assert all(duration <= 6.1 for _, _, duration, _ in replay.segments)
    assert len(replay.segments) >= 4


async def test_a_low_source_never_changes_a_byte_of_the_main_track(tmp_path: Path) -> None:
    await taught(tmp_path / "with", with_low=True)
    await taught(tmp_path / "without", with_low=False)
    assert main_files(tmp_path / "with") == main_files(tmp_path / "without")
    assert not low_files(tmp_path / "without")


async def test_a_mistake_in_the_low_rendition_leaves_the_main_track_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await taught(tmp_path / "without", with_low=False)

    def fail(*args: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(low, "to_sample", fail)
    studio = await taught(tmp_path / "with", with_low=True)
    assert main_files(tmp_path / "with") == main_files(tmp_path / "without")
    assert studio.recordings.manifest("lesson").low is None
    assert [status.state for _, status in studio.changes] == ["recording", "finished"]


async def test_without_the_option_nothing_low_is_written(tmp_path: Path) -> None:
    await taught(tmp_path, with_low=True, options=RecordingOptions(disk_floor_bytes=0, low=False))
    assert not low_files(tmp_path)


async def test_while_a_screen_is_shared_the_low_rendition_shows_it(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(20))
    camera = studio.publish("camera", "H264", small(20, keyframe_s=1.0), begin=0.5, rendition="low")
    studio.publish("screen", "H264", small(6, size=TINY), begin=6.5, rendition="low")
    await studio.run(21.5)
    await studio.recordings.finish("lesson")
    sizes: list[tuple[tuple[int, int], float]] = []
    for run in studio.replay("low.m3u8").decode():
        for at, _, size in run.frames:
            if not sizes or sizes[-1][0] != size:
                sizes.append((size, at))
    assert [size for size, _ in sizes] == [SMALL, TINY, SMALL]
    assert [at for _, at in sizes] == [
        pytest.approx(0.52, abs=0.05),
        pytest.approx(6.52, abs=0.1),
        pytest.approx(13.5, abs=0.6),
    ]
    # It was asked for a keyframe to go on with as soon as the screen had gone.
    assert any(12.9 < asked < 13.5 for asked in camera.asked)


async def test_where_nobody_sends_a_low_picture_there_is_a_hole_and_no_filler(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(20), begin=0.5, remove=False)
    studio.publish("camera", "H264", small(5), begin=2.5, rendition="low")
    studio.publish("camera", "H264", small(5), begin=20.5, rendition="low")
    await studio.run(30)
    await studio.recordings.finish("lesson")
    replay = studio.replay("low.m3u8")
    frames = [at for run in replay.decode() for at, _, _ in run.frames]
    assert not [at for at in frames if not 2.4 < at < 8.6 and not 20.4 < at < 26.6]
    assert len(frames) == 100
    assert replay.text.count("#EXT-X-DISCONTINUITY") == 1
    assert replay.duration_s == pytest.approx(12, abs=0.3)


async def test_the_low_rendition_goes_on_in_the_next_part_and_after_a_crash(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(8), begin=0.2)
    studio.publish("camera", "H264", small(12), begin=0.5, rendition="low")
    await studio.run(8)
    await studio.settle()
    studio.sink = None
    studio.recordings = studio.new_recordings()
    studio.now = 100.0
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(6), begin=100.5)
    studio.publish("camera", "H264", small(6), begin=101, rendition="low")
    await studio.run(108)
    await studio.recordings.finish("lesson")
    replay = studio.replay("low.m3u8")
    runs = [run.frames for run in replay.decode()]
    starts = [frames[0][0] for frames in runs]
    second = studio.recordings.manifest("lesson").parts[1].starts_at_s
    assert starts[0] == pytest.approx(0.52, abs=0.05)
    assert starts[-1] == pytest.approx(second + 1.02, abs=0.05)
    assert Replay(studio.playlist("low.m3u8"), tmp_path / "lesson").complete
    await studio.recordings.close()


@pytest.mark.parametrize("participant", ["other", "teacher-1"])
async def test_only_the_lead_is_in_the_low_rendition(tmp_path: Path, participant: str) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(6), begin=0.2)
    studio.publish("camera", "H264", small(5), begin=0.5, rendition="low", participant=participant)
    await studio.run(7)
    await studio.recordings.finish("lesson")
    assert (studio.recordings.manifest("lesson").low is not None) is (participant == "teacher-1")


@pytest.mark.parametrize(("every_s", "asked"), [(3.0, range(2)), (6.0, range(3, 10))])
async def test_a_keyframe_is_asked_for_where_none_came_by_itself_for_four_seconds(
    tmp_path: Path, every_s: float, asked: range
) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(20))
    source = studio.publish("camera", "H264", small(18, keyframe_s=every_s), begin=0.5, rendition="low")
    await studio.run(18)
    assert len(source.asked) in asked
    await studio.recordings.finish("lesson")
