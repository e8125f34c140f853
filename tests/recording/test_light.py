"""The light rendition: all that is heard, where it is heard in the main track, in few bytes, whatever happened."""

# ruff: noqa: ASYNC240 - these tests look at files between awaits; nothing else runs on their loop

import asyncio
import contextlib
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from liveclass.recording.light import FRAME, Voice, cuts, mix
from liveclass.recording.lighten import lighten
from liveclass.recording.lightener import Lightener
from tests.recording import media
from tests.recording.media import Decoded, decode
from tests.recording.studio import WALL_AT_ZERO, NoSyncDisk, Studio

IN_STEP_S = 0.02
PITCH_HZ = 10
PACKET_S = FRAME / 48_000


class LightPlaylist:
    """The playlist of a light rendition as a player reads it."""

    def __init__(self, folder: Path) -> None:
        self.text = (folder / "light.m3u8").read_text()
        self.media = (folder / "light.mp4").read_bytes()
        self.durations = [float(found) for found in re.findall(r"#EXTINF:([\d.]+)", self.text)]
        self.ranges = [(int(n), int(at)) for n, at in re.findall(r"BYTERANGE[:=]\"?(\d+)@(\d+)", self.text)]

    @property
    def duration_s(self) -> float:
        return sum(self.durations)

    def decoded(self) -> Decoded:
        """All of it, by its byte ranges."""
        return decode(b"".join(self.media[at : at + size] for size, at in self.ranges))


def made(folder: Path) -> LightPlaylist:
    size = lighten(folder, NoSyncDisk(), 0)
    assert size == (folder / "light.mp4").stat().st_size
    return LightPlaylist(folder)


def assert_same_time(studio: Studio, light: LightPlaylist, least: int) -> None:
    """Every tone of the main track is in the light rendition, at its time; and both are as long."""
    main = [tone for run in studio.replay().decode() for tone in run.tones()]
    heard = light.decoded().tones()
    assert len(main) >= least
    assert [hz for _, hz in heard] == pytest.approx([hz for _, hz in main], abs=PITCH_HZ)
    assert [at for at, _ in heard] == pytest.approx([at for at, _ in main], abs=IN_STEP_S)
    assert 0 <= light.duration_s - studio.replay().duration_s < PACKET_S + 0.001
    assert light.text.endswith("#EXT-X-ENDLIST\n")


async def test_the_light_replay_has_the_time_of_the_main_one_through_gaps_and_resolutions(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(10), begin=0.5, end=6.0)
    studio.publish("microphone", "opus", media.sound(10), begin=12.3, lost=lambda seq: None if seq % 90 > 60 else 0.0)
    studio.publish("camera", "H264", media.pictures("H264", 4), begin=0.5)
    studio.publish("camera", "H264", media.pictures("H264", 6, size=(320, 192)), begin=6.5)
    await studio.run(24)
    await studio.recordings.finish("lesson")
    await studio.recordings.close()
    assert "#EXT-X-DISCONTINUITY" in studio.playlist()
    assert_same_time(studio, made(tmp_path / "lesson"), 9)


async def test_a_restarted_lesson_is_one_light_replay_that_says_when_each_part_was_taught(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(10), begin=0.5, end=9.0)
    await studio.run(9.5)
    await studio.recordings.close()
    studio.recordings = studio.new_recordings()
    await studio.recordings.start()
    studio.now = 50.0
    studio.join()
    studio.publish("microphone", "opus", media.sound(10), begin=50.5)
    await studio.run(61.5)
    await studio.recordings.finish("lesson")
    await studio.recordings.close()
    light = made(tmp_path / "lesson")
    assert_same_time(studio, light, 17)
    part = studio.recordings.manifest("lesson").parts[1]
    before = light.text[: light.text.index(f"#EXT-X-PROGRAM-DATE-TIME:{_clock(part.began_at_ms)}")]
    begins = sum(float(found) for found in re.findall(r"#EXTINF:([\d.]+)", before))
    assert light.text.count("PROGRAM-DATE-TIME") == 2
    assert begins == pytest.approx(part.starts_at_s, abs=PACKET_S)


def _clock(wall_ms: int) -> str:
    """A moment of the second part, up to a packet: parts begin between two of them."""
    assert wall_ms == WALL_AT_ZERO * 1000 + 50_000
    return "2023-11-14T22:14:09.980Z"


async def test_second_volunteers_are_heard_in_the_light_replay(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(8), begin=0.0, end=4.0)
    studio.publish("microphone", "opus", media.sound(8), begin=5.0, participant="teacher-2", name="Wang")
    await studio.run(14)
    await studio.recordings.finish("lesson")
    await studio.recordings.close()
    (clip,) = studio.recordings.manifest("lesson").clips
    beside = [(at + clip.starts_at_s, hz) for run in studio.replay(clip.playlist).decode() for at, hz in run.tones()]
    main = [tone for run in studio.replay().decode() for tone in run.tones()]
    heard = made(tmp_path / "lesson").decoded().tones()
    assert [hz for _, hz in heard] == pytest.approx([hz for _, hz in sorted(main + beside)], abs=PITCH_HZ)
    assert [at for at, _ in heard] == pytest.approx([at for at, _ in sorted(main + beside)], abs=IN_STEP_S)


async def test_two_minutes_of_speech_weigh_at_most_30_kbit_a_second_and_sound_begins_small(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.speech(120))
    await studio.run(120)
    await studio.recordings.finish("lesson")
    await studio.recordings.close()
    light = made(tmp_path / "lesson")
    kbit_s = 8 * (len(light.media) + len(light.text)) / light.duration_s / 1000
    print(f"{kbit_s:.1f} kbit/s, first sound after {sum(n for n, _ in light.ranges[:2])} bytes")
    assert kbit_s <= 30
    assert sum(size for size, _ in light.ranges[:2]) < 10_000
    assert max(light.durations) <= 10


async def wait_for_light(studio: Studio) -> None:
    for _ in range(300):
        if studio.recordings.manifest("lesson").light is not None:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("no light rendition came")


async def test_a_finished_recording_gets_its_light_replay_by_itself_also_after_a_restart(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(5), begin=0)
    await studio.run(6)
    await studio.recordings.finish("lesson")
    heavy = studio.recordings.status("lesson").bytes
    assert studio.recordings.manifest("lesson").light is None
    # The server dies before it is made, in the middle of writing.
    await studio.recordings.close()
    (tmp_path / "lesson" / "light.mp4.tmp").write_bytes(b"torn")
    studio.recordings = studio.new_recordings()
    await studio.recordings.start()
    await wait_for_light(studio)
    made_bytes = (tmp_path / "lesson" / "light.mp4").stat().st_size
    assert studio.recordings.status("lesson").bytes == heavy + made_bytes
    assert studio.changes[-1] == ("lesson", studio.recordings.status("lesson"))
    assert studio.playlist("light.m3u8") == (tmp_path / "lesson" / "light.m3u8").read_text()
    assert studio.recordings.locate("lesson", "light.mp4").cache == "immutable"
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "lesson").iterdir()} == {0}
    assert not list((tmp_path / "lesson").glob("*.tmp"))
    # A third process finds it made, and makes nothing anew.
    before = studio.recordings.manifest("lesson")
    await studio.recordings.close()
    studio.recordings = studio.new_recordings()
    await studio.recordings.start()
    assert studio.recordings.manifest("lesson") == before
    await studio.recordings.delete("lesson")
    assert list(tmp_path.iterdir()) == []
    await studio.recordings.close()


def child(source: str) -> tuple[str, ...]:
    return (sys.executable, "-c", source)


async def test_deleting_a_recording_ends_the_child_that_reads_it_and_the_next_one_is_made(tmp_path: Path) -> None:
    done: list[tuple[str, int]] = []
    ready = asyncio.Event()

    async def told(lesson: str, size: int) -> None:
        done.append((lesson, size))
        ready.set()

    source = "import sys, time, os; open(sys.argv[1] + '.pid', 'w').write(str(os.getpid()))\n"
    source += "time.sleep(600) if sys.argv[1].endswith('slow') else print(7)"
    queue = Lightener(tmp_path, 0, told, child(source), rest_s=0)
    queue.want("slow")
    queue.want("next")
    for _ in range(2000):
        await asyncio.sleep(0.01)
        if (tmp_path / "slow.pid").exists() and (tmp_path / "slow.pid").read_text():
            break
    await queue.drop("slow")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "slow.pid").read_text()), 0)
    await asyncio.wait_for(ready.wait(), 20)
    assert done == [("next", 7)]
    await queue.close()


async def test_a_queue_that_hears_no_cancellation_holds_up_no_ending_and_no_later_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liveclass.recording.lightener.END_S", 0.4)
    release, busy, told = asyncio.Event(), asyncio.Event(), asyncio.Queue[str]()

    async def deaf(lesson: str, _size: int) -> None:
        busy.set()
        while lesson == "deaf" and not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()
        told.put_nowait(lesson)

    queue = Lightener(tmp_path, 0, deaf, child("print(7)"), rest_s=0)
    queue.want("deaf")
    await asyncio.wait_for(busy.wait(), 20)
    queue.want("next")
    async with asyncio.timeout(5.0):
        await queue.drop("deaf")
    assert await asyncio.wait_for(told.get(), 20) == "next"
    release.set()
    assert await asyncio.wait_for(told.get(), 20) == "deaf"
    queue.want("last")
    assert await asyncio.wait_for(told.get(), 20) == "last"
    async with asyncio.timeout(5.0):
        await queue.close()


async def test_a_child_ends_with_the_server_that_started_it(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from liveclass.recording import lighten as l; import time; l._end_with_input()"),
        stdin=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 20) == 3


async def test_a_damaged_recording_is_silent_where_it_is_damaged(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(20), begin=0)
    await studio.run(21)
    await studio.recordings.finish("lesson")
    await studio.recordings.close()
    before = studio.replay()
    first = before.segments[0][2]
    (tmp_path / "lesson" / before.segments[0][1]).write_bytes(b"\xff" * 5000)
    light = made(tmp_path / "lesson")
    tones = light.decoded().tones()
    assert light.duration_s == pytest.approx(before.duration_s, abs=PACKET_S)
    assert tones
    assert min(at for at, _ in tones) > first - 0.2


async def test_a_full_disk_makes_no_light_replay(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    await studio.run(3)
    await studio.recordings.finish("lesson")
    await studio.recordings.close()
    with pytest.raises(OSError, match="free space"):
        lighten(tmp_path / "lesson", NoSyncDisk(), 1 << 62)
    assert not list((tmp_path / "lesson").glob("light*"))


def test_segments_begin_small_and_wherever_a_part_begins() -> None:
    assert cuts(1000, [(0, 0)]) == [0, 50, 150, 400, 650, 900]
    assert cuts(1000, [(0, 0), (200 * 3600, 9)]) == [0, 50, 150, 200, 450, 700, 950]
    assert cuts(1, [(0, 0)]) == [0]


def test_sound_is_laid_where_it_belongs_whatever_its_pieces_are() -> None:
    pcm = bytes(range(1, 201))
    voice = Voice(10, iter([(10, pcm[:60]), (40, pcm[60:100]), (90, pcm[100:])]))
    assert voice.take(0, 10) is None
    assert voice.take(10, 40) == pcm[:80]
    assert voice.take(50, 30) == pcm[80:100] + bytes(40)
    assert voice.take(80, 5) is None
    assert voice.take(85, 10) == bytes(10) + pcm[100:110]
    assert voice.take(95, 100) == pcm[110:] + bytes(200 - 90)
    assert voice.take(195, 10) is None


def test_sounds_together_are_added_and_bounded() -> None:
    loud = np.array([30_000, -30_000, 5], np.int16).tobytes()
    assert np.frombuffer(mix([loud, loud]), np.int16).tolist() == [32_767, -32_768, 10]
    assert mix([loud]) is loud
