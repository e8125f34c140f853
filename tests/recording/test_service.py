"""Whole lessons in virtual time: what was taught against what the replay plays."""

# ruff: noqa: ASYNC240 - these tests look at files between awaits; nothing else runs on their loop

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from liveclass.errors import PeerError, UsageError
from liveclass.recording.disk import JOURNAL
from liveclass.recording.model import RecordingOptions
from liveclass.recording.service import Recordings
from liveclass.rtp.codec import CodecName
from tests.recording import media
from tests.recording.media import Decoded, Unit
from tests.recording.studio import WALL_AT_ZERO, Replay, Studio

LIP_SYNC_S = 0.08
# The analysis finds a tone to 5 ms and a flash to the frame.
FOUND_S = 0.012


def options(**changes: object) -> RecordingOptions:
    return RecordingOptions(**{"disk_floor_bytes": 0, **changes})  # type: ignore[arg-type]


def looped(units: tuple[Unit, ...], length_s: float, until_s: float) -> Iterator[Unit]:
    """The same media again and again, as one source."""
    for round_ in itertools.count():
        for unit in units:
            at = round_ * length_s + unit.at
            if at >= until_s:
                return
            yield unit._replace(at=at)


def all_tones(decoded: list[Decoded]) -> list[tuple[float, int]]:
    return [tone for run in decoded for tone in run.tones()]


def all_flashes(decoded: list[Decoded]) -> list[float]:
    return [flash for run in decoded for flash in run.flashes()]


def assert_in_step(decoded: list[Decoded], least: int) -> None:
    """Every tone has its flash within the lip-sync bound."""
    flashes = all_flashes(decoded)
    tones = all_tones(decoded)
    assert len(flashes) >= least
    assert len(tones) >= least
    for flash in flashes:
        assert min(abs(flash - tone) for tone, _ in tones) <= LIP_SYNC_S, flash


def assert_taught_at(decoded: list[Decoded], begin: float, seconds: range) -> None:
    """The tone of each second is heard where it was taught."""
    tones = all_tones(decoded)
    for second in seconds:
        near = [tone for tone in tones if abs(tone[0] - begin - second) < 0.3]
        assert len(near) == 1, (second, near)
        at, pitch = near[0]
        assert abs(pitch - media.frequency(second)) < 30
        assert abs(at - begin - second) <= LIP_SYNC_S


async def test_sound_and_picture_are_where_they_were_taught(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(20), begin=1.5)
    studio.publish("camera", "H264", media.pictures("H264", 20), begin=1.5)
    await studio.run(23)
    await studio.recordings.finish("lesson")
    replay = studio.replay()
    decoded = replay.decode()
    assert_taught_at(decoded, 1.52, range(20))
    assert_in_step(decoded, 20)
    assert replay.complete
    assert replay.duration_s == pytest.approx(23, abs=0.05)
    status = studio.recordings.status("lesson")
    assert status.state == "finished"
    assert status.duration_s == pytest.approx(replay.duration_s, abs=0.001)
    assert status.bytes == sum(path.stat().st_size for path in tmp_path.rglob("*.m*") if path.suffix != ".m3u8")
    assert [status.state for _, status in studio.changes] == ["recording", "finished"]
    await studio.recordings.close()


async def test_each_part_is_told_of_once_its_beginning_is_on_the_disk(tmp_path: Path) -> None:
    told: list[tuple[str, int, bool]] = []

    def opened(lesson: str, number: int, took_s: float, well: bool) -> None:
        assert 0.0 <= took_s < 60.0
        assert not well or len((tmp_path / lesson / JOURNAL).read_bytes().splitlines()) > number
        told.append((lesson, number, well))

    studio = Studio(tmp_path)
    for number in range(2):
        studio.recordings = Recordings(tmp_path, options(), lambda _lesson, _status: None, opened=opened)
        await studio.begin()
        await studio.settle()
        assert told == [("lesson", part, True) for part in range(number + 1)]
        await studio.recordings.close()


async def test_the_replay_is_continuous_from_begin_to_finish_though_nobody_ever_publishes(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    await studio.run(25)
    await studio.recordings.finish("lesson")
    replay = studio.replay()
    (decoded,) = replay.decode()
    assert replay.duration_s == pytest.approx(25, abs=0.05)
    assert decoded.end_s == pytest.approx(25, abs=0.05)
    assert not decoded.tones()
    # Dark paper: luma 45 of 16 to 235.
    assert {round(luma) for _, luma, _ in decoded.frames} == {32}
    starts = [at for at, _, _ in decoded.frames]
    assert max(b - a for a, b in itertools.pairwise(starts)) < 1.2
    await studio.recordings.close()


async def test_a_silent_microphone_and_a_closed_camera_are_filled(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(6), begin=8, participant="t")
    studio.publish("camera", "H264", media.pictures("H264", 6), begin=2, participant="t", remove=False)
    await studio.run(20)
    await studio.recordings.finish("lesson")
    replay = studio.replay()
    decoded = replay.decode()
    assert_taught_at(decoded, 8.02, range(6))
    assert len(all_flashes(decoded)) == 6
    for before, after in itertools.pairwise(decoded):
        assert after.first_sample_s == pytest.approx(before.end_s, abs=0.021)
    assert [len({size for _, _, size in run.frames}) for run in decoded] == [1, 1, 1]
    assert [run.frames[0][2] for run in decoded] == [(320, 180), (160, 96), (320, 180)]
    assert replay.duration_s == pytest.approx(20, abs=0.05)
    await studio.recordings.close()


@pytest.mark.parametrize("codec", ["H264", "VP9", "AV1"])
async def test_every_codec_that_mp4_carries_is_kept_untouched(tmp_path: Path, codec: CodecName) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    units = media.pictures(codec, 6)
    studio.publish("microphone", "opus", media.sound(6), begin=0.5)
    studio.publish("camera", codec, units, begin=0.5)
    await studio.run(7)
    await studio.recordings.finish("lesson")
    decoded = studio.replay().decode()
    assert_in_step(decoded, 6)
    # What was encoded stands in the files as it is: the largest picture is found byte by byte.
    largest = max(units[1:], key=lambda unit: len(unit.data)).data[-16:]
    stored = b"".join(path.read_bytes() for path in sorted((tmp_path / "lesson").glob("main-0*.m4s")))
    assert largest in stored
    assert all(unit.data in stored for unit in media.sound(6))
    await studio.recordings.close()


ON_TIME: list[float | None] = [0.0]
LOSSES: dict[str, list[float | None]] = {
    "one in ten comes late": ON_TIME * 9 + [0.4],
    "one in fifty never comes": ON_TIME * 49 + [None],
    "a burst of eight comes after 1.5 s": ON_TIME * 40 + [1.5] * 8,
    "a burst of thirty never comes": ON_TIME * 200 + [None] * 30,
    "every second one comes 100 ms late": [0.0, 0.1],
}


@pytest.mark.parametrize("pattern", LOSSES)
async def test_loss_never_sets_sound_and_picture_apart(tmp_path: Path, pattern: str) -> None:
    losses = LOSSES[pattern]
    studio = Studio(tmp_path)
    await studio.begin()
    units = media.pictures("H264", 30, keyframe_s=1.0)
    for kind, codec, source in (("microphone", "opus", media.sound(30)), ("camera", "H264", units)):
        studio.publish(
            kind,  # type: ignore[arg-type]
            codec,  # type: ignore[arg-type]
            source,
            begin=0.5,
            lost=lambda seq: losses[seq % len(losses)],
        )
    await studio.run(32)
    await studio.recordings.finish("lesson")
    replay = studio.replay()
    decoded = replay.decode()
    tones = all_tones(decoded)
    flashes = all_flashes(decoded)
    assert len(flashes) >= 12
    for flash in flashes:
        assert abs(flash - 0.52 - round(flash - 0.52)) <= LIP_SYNC_S, (flash, flashes)
    heard = [at for at, pitch in tones if abs(pitch - media.frequency(round(at - 0.52))) < 30]
    assert len(heard) >= 25
    for at in heard:
        assert abs(at - 0.52 - round(at - 0.52)) <= LIP_SYNC_S, at
    if None not in losses:
        assert len(flashes) == 30
        assert len(heard) == 30
    assert replay.duration_s == pytest.approx(32, abs=0.05)
    await studio.recordings.close()


async def test_a_publisher_that_restarts_goes_on_in_the_same_track(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    for begin, end in ((0.5, 8.5), (10.5, 18.5)):
        studio.publish(
            "microphone", "opus", media.sound(8), begin=begin, end=end, first_seq=int(begin * 77), first_timestamp=7
        )
        studio.publish("camera", "H264", media.pictures("H264", 8), begin=begin, end=end, first_seq=3)
    await studio.run(20)
    await studio.recordings.finish("lesson")
    replay = studio.replay()
    decoded = replay.decode()
    assert_taught_at(decoded, 0.52, range(8))
    tones = [tone for tone in all_tones(decoded) if tone[0] > 10]
    assert [round(at - 10.52, 1) for at, _ in tones] == [float(second) for second in range(8)]
    assert_in_step(decoded, 16)
    assert not studio.recordings.manifest("lesson").clips
    # The same encoder settings: paper, then one run through the restart (two seconds of a held picture), then paper.
    assert len(replay.runs()) == 2
    await studio.recordings.close()


async def test_a_page_that_opens_twice_is_recorded_once(tmp_path: Path) -> None:
    """The new session is there before the old one is gone, as when a page reloads."""
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(10), begin=0.5, end=8.0, source_id="old-m")
    studio.publish("camera", "H264", media.pictures("H264", 10), begin=0.5, end=8.0, source_id="old-c")
    studio.publish("microphone", "opus", media.sound(10), begin=6.5, source_id="new-m")
    studio.publish("camera", "H264", media.pictures("H264", 10), begin=6.5, source_id="new-c")
    await studio.run(17)
    await studio.recordings.finish("lesson")
    decoded = studio.replay().decode()
    tones = all_tones(decoded)
    assert [round(at - 0.52) for at, _ in tones] == list(range(16))
    assert [pitch // 50 * 50 for _, pitch in tones[6:]] == [media.frequency(second) for second in range(10)]
    assert_in_step(decoded, 16)
    await studio.recordings.close()


async def test_a_new_resolution_begins_a_segment_after_a_discontinuity(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    small, large = media.pictures("H264", 4), media.pictures("H264", 4, size=(320, 192))
    units = [*small, *(unit._replace(at=unit.at + 4) for unit in large), *(u._replace(at=u.at + 8) for u in small)]
    # A picture that is there from the start is the start: no paper before it.
    studio.publish("camera", "H264", units, begin=0.0)
    studio.publish("microphone", "opus", media.sound(12), begin=0.0)
    await studio.run(12.4)
    await studio.recordings.finish("lesson")
    replay = studio.replay()
    decoded = replay.decode()
    sizes = [[size for _, _, size in run.frames] for run in decoded]
    assert [set(run) for run in sizes] == [{(160, 96)}, {(320, 192)}, {(160, 96)}]
    assert replay.text.count("#EXT-X-DISCONTINUITY") == 2
    # The first resolution came back: so did its initialisation segment.
    inits = [run[0][0] for run in replay.runs()]
    assert inits[0] == inits[2] != inits[1]
    assert_in_step(decoded, 12)
    await studio.recordings.close()


async def test_keyframes_are_asked_for_once_a_segment(tmp_path: Path) -> None:
    studio = Studio(tmp_path, options(segment_s=4.0))
    await studio.begin()
    camera = studio.publish("camera", "H264", media.pictures("H264", 20, keyframe_s=100), begin=0.0)
    await studio.run(20)
    # A publisher that never answers is asked again every second after the segment's length.
    assert camera.asked[0] == pytest.approx(4.0, abs=0.3)
    assert all(b - a >= 0.99 for a, b in itertools.pairwise(camera.asked))
    await studio.recordings.finish("lesson")
    await studio.recordings.close()


async def test_a_camera_that_starts_without_a_keyframe_is_asked_for_one(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    units = media.pictures("H264", 4)[1:]
    camera = studio.publish("camera", "H264", units, begin=0.0)
    await studio.run(1.5)
    assert camera.asked
    assert camera.asked[0] < 0.3
    await studio.recordings.finish("lesson")
    await studio.recordings.close()


async def test_a_screen_is_a_clip_of_its_own_in_replay_time(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(30), begin=0.5)
    studio.publish("screen", "H264", media.pictures("H264", 6, fps=5, size=(640, 352)), begin=5.0, name="王老师")
    studio.publish("screen", "H264", media.pictures("H264", 5, fps=5, size=(640, 352)), begin=18.0, name="王老师")
    await studio.run(8)
    (clip,) = studio.recordings.manifest("lesson").clips or [None]
    assert clip is None or not clip.ended
    await studio.run(31)
    manifest = studio.recordings.manifest("lesson")
    assert [(clip.kind, clip.name, clip.ended) for clip in manifest.clips] == [("screen", "王老师", True)] * 2
    for clip, begin, length in zip(manifest.clips, (5.02, 18.02), (6, 5), strict=True):
        assert clip.starts_at_s == pytest.approx(begin, abs=0.03)
        assert clip.duration_s == pytest.approx(length, abs=1.1)
        replay = studio.replay(clip.playlist)
        assert replay.complete
        (decoded,) = replay.decode()
        assert decoded.flashes()[:4] == pytest.approx([0.0, 1.0, 2.0, 3.0], abs=0.03)
        assert decoded.frames[0][2] == (640, 352)
        assert not len(decoded.samples)
    await studio.recordings.finish("lesson")
    assert studio.recordings.manifest("lesson").clips == manifest.clips
    await studio.recordings.close()


async def test_a_still_screen_stays_and_one_that_stopped_ends(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    units = media.pictures("H264", 20, fps=1, keyframe_s=20)
    # Its session lives on; only the pictures cease, as when a page stops sharing.
    screen = studio.publish("screen", "H264", units, begin=1.0, remove=False)
    await studio.run(20)
    assert [clip.ended for clip in studio.recordings.manifest("lesson").clips] in ([], [False])
    await studio.run(30)
    (clip,) = studio.recordings.manifest("lesson").clips
    assert clip.ended
    assert clip.duration_s == pytest.approx(20, abs=0.1)
    assert screen.asked
    await studio.recordings.finish("lesson")
    await studio.recordings.close()


async def test_the_second_volunteer_is_a_voice_beside_the_first(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(20), begin=0.5, participant="lead")
    studio.publish("camera", "H264", media.pictures("H264", 20), begin=0.5, participant="lead")
    studio.publish("microphone", "opus", media.sound(8), begin=5.0, participant="second", name="Zhang")
    studio.publish("camera", "H264", media.pictures("H264", 8), begin=5.0, participant="second", name="Zhang")
    await studio.run(21)
    await studio.recordings.finish("lesson")
    (clip,) = studio.recordings.manifest("lesson").clips
    assert (clip.kind, clip.name, clip.ended) == ("voice", "Zhang", True)
    assert clip.starts_at_s == pytest.approx(5.02, abs=0.05)
    voice = studio.replay(clip.playlist).decode()
    assert_in_step(voice, 8)
    assert_taught_at(voice, 5.02 - clip.starts_at_s, range(8))
    main = studio.replay().decode()
    assert_taught_at(main, 0.52, range(20))
    await studio.recordings.close()


async def test_a_volunteer_who_remains_takes_over_the_main_track(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(10), begin=0.5, end=6.4, participant="lead")
    studio.publish("microphone", "opus", media.sound(40), begin=2.5, participant="second")
    await studio.run(43)
    await studio.recordings.finish("lesson")
    tones = all_tones(studio.replay().decode())
    assert [round(at - 0.52) for at, _ in tones if at < 20] == list(range(6))
    late = [round(at - 2.52) for at, _ in tones if at > 20]
    assert late[-1] == 39
    assert late[0] <= 21
    (clip,) = studio.recordings.manifest("lesson").clips
    assert clip.starts_at_s + clip.duration_s == pytest.approx(2.52 + late[0], abs=1.5)
    await studio.recordings.close()


async def test_a_program_that_restarts_as_somebody_new_stays_on_the_main_track(tmp_path: Path) -> None:
    """OBS has no identity: after it restarts it is another participant."""
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(20), begin=0.5, end=20.5, participant="obs-1")
    studio.publish("microphone", "opus", media.sound(10), begin=24.5, participant="obs-2")
    await studio.run(36)
    await studio.recordings.finish("lesson")
    tones = all_tones(studio.replay().decode())
    assert [round(at - 0.52) for at, _ in tones] == [*range(20), *range(24, 34)]
    assert not studio.recordings.manifest("lesson").clips
    await studio.recordings.close()


@pytest.mark.parametrize("allowed", [False, True])
async def test_classrooms_are_recorded_only_with_the_setting(tmp_path: Path, allowed: bool) -> None:
    studio = Studio(tmp_path, options(record_classrooms=allowed))
    await studio.begin()
    studio.publish(
        "microphone", "opus", media.sound(10), begin=3, participant="c-1", role="classroom", name="Class 3-2"
    )
    studio.publish("camera", "H264", media.pictures("H264", 10), begin=3, participant="c-1", role="classroom")
    await studio.run(16)
    await studio.recordings.finish("lesson")
    clips = studio.recordings.manifest("lesson").clips
    main = studio.replay().decode()
    assert not all_tones(main)
    assert not all_flashes(main)
    if allowed:
        assert [(clip.kind, clip.name) for clip in clips] == [("classroom", "Class 3-2")]
        assert_in_step(studio.replay(clips[0].playlist).decode(), 10)
    else:
        assert not clips
        stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert not any(unit.data in stored for unit in media.sound(10) if len(unit.data) > 30)
    await studio.recordings.close()


async def test_nothing_is_recorded_where_recording_is_off(tmp_path: Path) -> None:
    studio = Studio(tmp_path, options(record=False))
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(3), begin=0)
    await studio.run(4)
    await studio.recordings.finish("lesson")
    assert studio.recordings.status("lesson").state == "off"
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    await studio.recordings.close()


async def test_a_replay_plays_while_the_lesson_runs(tmp_path: Path) -> None:
    studio = Studio(tmp_path, options(segment_s=4.0))
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(30), begin=0)
    studio.publish("camera", "H264", media.pictures("H264", 30), begin=0)
    previous = ""
    for until in (10, 18, 26):
        await studio.run(until)
        replay = studio.replay()
        assert not replay.complete
        assert until - 6 <= replay.duration_s <= until
        assert replay.text.startswith(previous)
        previous = replay.text
        assert_in_step(replay.decode(), until - 7)
        manifest = studio.recordings.manifest("lesson")
        assert manifest.status.state == "recording"
        assert manifest.status.duration_s == pytest.approx(replay.duration_s)
        assert studio.recordings.status("lesson").duration_s >= until - 1.5
    await studio.recordings.finish("lesson")
    await studio.recordings.close()


async def test_a_restarted_server_goes_on_with_the_same_replay(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(10), begin=0.5, end=9.0)
    studio.publish("camera", "H264", media.pictures("H264", 10), begin=0.5, end=9.0)
    await studio.run(9.5)
    await studio.recordings.close()
    assert studio.recordings.status("lesson").state == "stopped"
    # Another process, forty seconds later: another monotonic clock.
    studio.recordings = studio.new_recordings()
    await studio.recordings.start()
    assert studio.recordings.status("lesson").state == "stopped"
    assert studio.recordings.unfinished() == ["lesson"]
    assert not studio.replay().complete
    before = studio.replay().duration_s
    studio.now = 50.0
    studio.join()
    studio.publish("microphone", "opus", media.sound(10), begin=50.5)
    studio.publish("camera", "H264", media.pictures("H264", 10), begin=50.5)
    await studio.run(61.5)
    await studio.recordings.finish("lesson")
    manifest = studio.recordings.manifest("lesson")
    assert [round(part.duration_s, 1) for part in manifest.parts] == [9.5, 11.5]
    assert [part.starts_at_s for part in manifest.parts] == pytest.approx([0.0, before], abs=0.001)
    assert [part.began_at_ms for part in manifest.parts] == [WALL_AT_ZERO * 1000, WALL_AT_ZERO * 1000 + 50_000]
    decoded = studio.replay().decode()
    assert_in_step(decoded, 18)
    tones = all_tones(decoded)
    second_part = [at - before - 0.52 for at, _ in tones if at > before]
    assert second_part == pytest.approx([float(second) for second in range(10)], abs=LIP_SYNC_S)
    assert studio.replay().duration_s == pytest.approx(21.0, abs=0.1)
    await studio.recordings.close()


async def test_begin_again_is_the_same_recording(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    sink = await studio.begin()
    await studio.run(2)
    assert studio.recordings.begin("lesson", studio.now, 5.0) is sink
    await studio.recordings.finish("lesson")
    assert len(studio.recordings.manifest("lesson").parts) == 1
    with pytest.raises(UsageError):
        studio.recordings.begin("lesson", studio.now, 5.0)
    assert studio.recordings.status("lesson").state == "finished"
    await studio.recordings.finish("lesson")
    await studio.recordings.finish("another")
    await studio.recordings.close()


async def test_a_finished_replay_is_served_by_a_new_process(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(5), begin=0)
    studio.publish("screen", "H264", media.pictures("H264", 4), begin=0)
    await studio.run(6)
    await studio.recordings.finish("lesson")
    before = (studio.recordings.manifest("lesson"), studio.recordings.status("lesson"), studio.playlist())
    await studio.recordings.close()
    studio.recordings = studio.new_recordings()
    await studio.recordings.start()
    assert (studio.recordings.manifest("lesson"), studio.recordings.status("lesson"), studio.playlist()) == before
    for _, name, _, _ in studio.replay().segments:
        found = studio.recordings.locate("lesson", name)
        assert found.path is not None
        assert found.path.stat().st_size > 0
        assert (found.cache, found.content_type) == ("immutable", "video/iso.segment")
    await studio.recordings.close()


async def test_the_files_of_a_recording_are_private_and_have_no_names_of_people(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("screen", "H264", media.pictures("H264", 4), begin=0, name="Wang Fang")
    await studio.run(6)
    await studio.recordings.finish("lesson")
    for path in (tmp_path / "lesson").iterdir():
        assert path.stat().st_mode & 0o077 == 0
        assert "Wang" not in path.name
    assert (tmp_path / "lesson").stat().st_mode & 0o077 == 0
    await studio.recordings.close()


HOSTILE_NAMES = [
    "",
    ".",
    "..",
    "/etc/passwd",
    "../other/main.m3u8",
    "main.m3u8/..",
    "journal.jsonl",
    "summary.json",
    "main-000001.m4s.part",
    "main-000001.m4s\n",
    "main-000001.m4s\0",
    "main-999999.m4s",
    "main-init-9.mp4",
    "c1.m3u8",
    "c0000000001.m3u8",
    "%2e%2e/main.m3u8",
    "MAIN.M3U8",
    "main-００００００１.m4s",
]


@pytest.mark.parametrize("finished", [False, True])
async def test_only_names_of_the_replay_are_found(tmp_path: Path, finished: bool) -> None:
    studio = Studio(tmp_path, options(segment_s=2.0))
    await studio.begin()
    await studio.run(7)
    if finished:
        await studio.recordings.finish("lesson")
    assert studio.recordings.locate("lesson", "main.m3u8").cache == "live"
    for lesson, name in [
        *(("lesson", name) for name in HOSTILE_NAMES),
        ("..", "main.m3u8"),
        ("lesson/../lesson", "main.m3u8"),
        ("", "main.m3u8"),
        ("unknown", "main.m3u8"),
    ]:
        with pytest.raises(PeerError) as caught:
            studio.recordings.locate(lesson, name)
        assert caught.value.status == 404
    with pytest.raises(UsageError):
        studio.recordings.begin("../outside", studio.now, 0.0)
    await studio.recordings.delete("../outside")
    await studio.recordings.close()


async def test_an_etag_changes_with_the_playlist_and_never_for_a_segment(tmp_path: Path) -> None:
    studio = Studio(tmp_path, options(segment_s=2.0))
    await studio.begin()
    await studio.run(5)
    tags = [studio.recordings.locate("lesson", name).etag for name in ("main.m3u8", "main-000001.m4s")]
    await studio.run(9)
    after = [studio.recordings.locate("lesson", name).etag for name in ("main.m3u8", "main-000001.m4s")]
    assert tags[0] != after[0]
    assert tags[1] == after[1]
    await studio.recordings.close()


async def test_deleting_leaves_no_byte(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(20), begin=0, name="Wang Fang")
    studio.publish("camera", "H264", media.pictures("H264", 20), begin=0, name="Wang Fang")
    await studio.run(9)
    await studio.recordings.delete("lesson")
    # The relay still sends for a while: it changes nothing.
    await studio.run(12)
    assert list(tmp_path.iterdir()) == []
    assert studio.recordings.status("lesson").state == "off"
    with pytest.raises(PeerError):
        studio.recordings.locate("lesson", "main.m3u8")
    await studio.recordings.close()
    assert list(tmp_path.iterdir()) == []


async def test_deleting_a_finished_recording_leaves_no_byte(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    await studio.run(3)
    await studio.recordings.finish("lesson")
    await studio.recordings.delete("lesson")
    await studio.recordings.delete("never-there")
    assert list(tmp_path.iterdir()) == []
    assert studio.recordings.manifest("lesson").main is None
    await studio.recordings.close()


async def test_lessons_do_not_mix(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin("one")
    one = studio.sink
    studio.join("two")
    studio.publish("microphone", "opus", media.sound(5), begin=0)
    await studio.run(6)
    for lesson in ("one", "two"):
        await studio.recordings.finish(lesson)
    assert one is not studio.sink
    assert not all_tones(studio.replay(lesson="one").decode())
    assert len(all_tones(studio.replay(lesson="two").decode())) == 5
    await studio.recordings.close()


async def test_an_hour_of_drifting_clocks_stays_in_step(tmp_path: Path) -> None:
    """Sound and picture on crystals that drift apart by 300 ppm: 1.08 s over the hour if nothing were done."""
    hour = 3600
    studio = Studio(tmp_path, options(segment_s=10.0, fragment_s=5.0))
    await studio.begin()
    seconds = 12
    jitter = [0.005, 0.04, 0.012, 0.09, 0.02, 0.007, 0.15]

    def delay(at: float) -> float:
        return 0.04 + jitter[int(at * 50) % len(jitter)] * (1 if int(at) % 3 else 0)

    sound, pictures = media.sound(seconds, 60), media.pictures("H264", seconds, fps=4, keyframe_s=12)
    # A flash lasts one picture at this rate, a tone a tenth of a second, both from the start of the second.
    studio.publish("microphone", "opus", looped(sound, seconds, hour), drift=200e-6, delay=delay, begin=0.0)
    studio.publish("camera", "H264", looped(pictures, seconds, hour), drift=-100e-6, delay=delay, begin=0.0)
    await studio.run(hour, settle_s=5)
    await studio.recordings.finish("lesson")
    replay = studio.replay()
    assert replay.duration_s == pytest.approx(hour, abs=0.2)
    starts = dict(zip([name for _, name, _, _ in replay.segments], _starts(replay), strict=True))
    worst = 0.0
    for at in (30, 600, 1200, 1800, 2400, 3000, 3500):
        first = next(i for i, (_, name, _, _) in enumerate(replay.segments) if starts[name] >= at)
        (decoded,) = replay.decode(replay.segments[first : first + 2])
        tones = {round(tone) for tone, _ in decoded.tones()}
        assert len(tones) >= 9
        for flash in decoded.flashes():
            nearest = min((tone for tone, _ in decoded.tones()), key=lambda tone: abs(tone - flash))
            if abs(nearest - flash) < 0.5:
                worst = max(worst, abs(nearest - flash))
            # Lesson time too: what was taught at a second is found at that second.
            assert abs(flash - round(flash)) < 0.25
    print(f"worst offset of sound and picture: {worst * 1000:.0f} ms")
    assert worst <= LIP_SYNC_S
    await studio.recordings.close()


def _starts(replay: Replay) -> list[float]:
    return list(itertools.accumulate((duration for _, _, duration, _ in replay.segments), initial=0.0))[:-1]


async def test_a_publishers_clock_that_jumps_an_hour_changes_nothing(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()

    def jump(at: float) -> float:
        return 3600.0 if 10 <= at < 20 else -3600.0 if at >= 20 else 0.0

    studio.publish("microphone", "opus", media.sound(30), begin=0.5, ntp_offset=jump)
    studio.publish("camera", "H264", media.pictures("H264", 30), begin=0.5, ntp_offset=jump)
    await studio.run(31)
    await studio.recordings.finish("lesson")
    replay = studio.replay()
    assert_in_step(replay.decode(), 30)
    assert_taught_at(replay.decode(), 0.52, range(30))
    assert replay.duration_s == pytest.approx(31, abs=0.05)
    assert all(duration > 0 for _, _, duration, _ in replay.segments)
    await studio.recordings.close()


async def test_the_journal_alone_tells_the_whole_book(tmp_path: Path) -> None:
    studio = Studio(tmp_path, options(segment_s=2.0))
    await studio.begin()
    studio.publish("screen", "H264", media.pictures("H264", 6), begin=0)
    await studio.run(9)
    await studio.recordings.finish("lesson")
    records = [json.loads(line) for line in (tmp_path / "lesson" / "journal.jsonl").read_bytes().splitlines()]
    assert records[0]["event"] == "part"
    assert records[-1]["event"] == "finished"
    closed = [record for record in records if record["event"] == "closed" and record["track"] == "main"]
    assert len(closed) == len(studio.replay().segments)
    await studio.recordings.close()
