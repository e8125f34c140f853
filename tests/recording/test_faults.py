"""Disks that are full, slow, broken or hang; processes that die: the lesson goes on, and what was recorded plays."""

# ruff: noqa: ASYNC240 - these tests look at files between awaits; nothing else runs on their loop

import asyncio
import contextlib
import errno
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from liveclass.errors import UsageError
from liveclass.recording.disk import Disk
from liveclass.recording.model import RecordingOptions
from tests.recording import media
from tests.recording.studio import NoSyncDisk, Studio
from tests.recording.test_service import all_tones, assert_in_step, options


class FailingDisk(NoSyncDisk):
    """Fails while `error` is set."""

    def __init__(self) -> None:
        self.error: int | None = None
        self.free = 1 << 40

    def write(self, file: int, data: bytes) -> None:
        if self.error is not None:
            # As a real full disk does: some of it still fits.
            super().write(file, data[: len(data) // 3])
            raise OSError(self.error, "injected")
        super().write(file, data)

    def free_bytes(self, path: Path) -> int:
        return self.free


def teach(studio: Studio, seconds: int) -> None:
    studio.publish("microphone", "opus", media.sound(seconds), begin=0.5)
    studio.publish("camera", "H264", media.pictures("H264", seconds), begin=0.5)


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "disk_full"),
        (errno.EIO, "disk_error"),
        (errno.EROFS, "disk_error"),
    ],
)
async def test_a_disk_that_refuses_pauses_the_recording_and_a_new_part_follows(
    tmp_path: Path, error: int, problem: str
) -> None:
    disk = FailingDisk()
    studio = Studio(tmp_path, disk=disk)
    await studio.begin()
    teach(studio, 40)
    await studio.run(12)
    disk.error = error
    await studio.run(15)
    # Told within 10 s; the limit here is a fragment and a tick.
    status = studio.recordings.status("lesson")
    assert (status.state, status.problem) == ("paused", problem)
    assert [status.state for _, status in studio.changes] == ["recording", "paused"]
    # What is there stays playable meanwhile.
    assert_in_step(studio.replay().decode(), 4)
    disk.error = None
    await studio.run(22)
    assert studio.recordings.status("lesson").state == "recording"
    assert studio.recordings.status("lesson").problem == ""
    await studio.run(41)
    await studio.recordings.finish("lesson")
    replay = studio.replay()
    manifest = studio.recordings.manifest("lesson")
    assert len(manifest.parts) == 2
    assert replay.duration_s == pytest.approx(sum(part.duration_s for part in manifest.parts), abs=0.001)
    # Until a fragment before the failure, and again from a retry after the disk took bytes.
    assert manifest.parts[0].duration_s >= 10.9
    assert manifest.parts[1].duration_s >= 41 - 15 - 5.5
    assert_in_step(replay.decode(), 28)
    await studio.recordings.close()


async def test_the_floor_of_free_space_stops_recording_before_the_disk_is_full(tmp_path: Path) -> None:
    disk = FailingDisk()
    studio = Studio(tmp_path, options(disk_floor_bytes=1_000_000), disk)
    await studio.begin()
    teach(studio, 30)
    await studio.run(5)
    disk.free = 999_999
    await studio.run(8)
    assert studio.recordings.status("lesson").problem == "disk_full"
    written = sum(path.stat().st_size for path in tmp_path.rglob("*.m4s*"))
    await studio.run(14)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.m4s*")) <= written
    # The floor is there so that a replay can be completed.
    await studio.recordings.finish("lesson")
    assert studio.recordings.status("lesson").state == "finished"
    assert studio.replay().complete
    await studio.recordings.close()


async def test_a_lesson_may_begin_on_a_full_disk(tmp_path: Path) -> None:
    disk = FailingDisk()
    disk.free = 0
    studio = Studio(tmp_path, options(disk_floor_bytes=1), disk)
    await studio.begin()
    teach(studio, 20)
    await studio.run(3)
    assert studio.recordings.status("lesson").problem == "disk_full"
    disk.free = 10
    await studio.run(21)
    assert studio.recordings.status("lesson").state == "recording"
    await studio.recordings.finish("lesson")
    assert_in_step(studio.replay().decode(), 10)
    await studio.recordings.close()


async def test_a_replay_that_cannot_be_completed_is_completed_when_the_disk_allows(tmp_path: Path) -> None:
    disk = FailingDisk()
    studio = Studio(tmp_path, disk=disk)
    await studio.begin()
    teach(studio, 8)
    await studio.run(8)
    disk.error = errno.ENOSPC
    await studio.recordings.finish("lesson")
    assert studio.recordings.status("lesson").state == "paused"
    assert studio.recordings.status("lesson").problem == "disk_full"
    assert studio.replay().segments
    disk.error = None
    await studio.run(15)
    await studio.settle()
    assert studio.recordings.status("lesson").state == "finished"
    assert studio.replay().complete
    assert_in_step(studio.replay().decode(), 6)
    await studio.recordings.close()


class SlowDisk(Disk):
    """Every sync takes long, or does not end while `gate` is closed."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.gate = threading.Event()
        self.gate.set()
        self.syncs = 0

    def sync(self, file: int) -> None:
        self.syncs += 1
        self.gate.wait(30)
        time.sleep(self.seconds)

    def sync_folder(self, path: Path) -> None:
        self.sync(0)


async def test_a_slow_disk_never_delays_the_lesson(tmp_path: Path) -> None:
    """While the disk hangs, 30 s of packets pass through the sink without ever waiting for it."""
    disk = SlowDisk(0.0)
    studio = Studio(tmp_path, disk=disk)
    await studio.begin()
    teach(studio, 30)
    await studio.run(2)
    disk.gate.clear()
    worst = 0.0
    for until in range(20, 80):
        began = time.perf_counter()
        await studio.run(until / 10, settle_s=0)
        worst = max(worst, time.perf_counter() - began)
    assert worst < 0.2, "0.1 s of the lesson took as long as the disk"
    assert studio.recordings.status("lesson").state == "recording"
    disk.gate.set()
    await studio.settle()
    await studio.run(31)
    await studio.recordings.finish("lesson")
    assert len(studio.recordings.manifest("lesson").parts) == 1
    assert_in_step(studio.replay().decode(), 30)
    await studio.recordings.close()


async def test_a_disk_that_hangs_is_told_within_ten_seconds(tmp_path: Path) -> None:
    disk = SlowDisk(0.0)
    studio = Studio(tmp_path, disk=disk)
    await studio.begin()
    teach(studio, 60)
    await studio.run(3)
    disk.gate.clear()
    await studio.run(12.5, settle_s=0)
    status = studio.recordings.status("lesson")
    assert (status.state, status.problem) == ("paused", "disk_error")
    disk.gate.set()
    await studio.settle()
    await studio.run(30)
    assert studio.recordings.status("lesson").state == "recording"
    await studio.recordings.finish("lesson")
    assert len(studio.recordings.manifest("lesson").parts) == 2
    await studio.recordings.close()


async def test_the_queue_to_a_hanging_disk_is_bounded(tmp_path: Path) -> None:
    disk = SlowDisk(0.0)
    studio = Studio(tmp_path, options(queue_bytes=20_000), disk)
    await studio.begin()
    teach(studio, 20)
    await studio.run(1)
    disk.gate.clear()
    await studio.run(6, settle_s=0)
    assert studio.recordings._writer.waiting_bytes <= 20_000
    assert studio.recordings.status("lesson").problem == "disk_error"
    disk.gate.set()
    await studio.recordings.close()


async def test_a_real_file_size_limit_is_a_full_disk(tmp_path: Path) -> None:
    studio = Studio(tmp_path, disk=Disk())
    await studio.begin()
    teach(studio, 12)
    await studio.run(2)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        await studio.run(8)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert "disk_full" in [status.problem for _, status in studio.changes]
    await studio.run(14)
    assert studio.recordings.status("lesson").state == "recording"
    await studio.recordings.finish("lesson")
    assert studio.replay().complete
    assert len(studio.recordings.manifest("lesson").parts) >= 2
    await studio.recordings.close()


async def test_a_mistake_in_the_recorder_costs_a_part_and_never_the_lesson(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    sink = await studio.begin()
    teach(studio, 20)
    await studio.run(4)
    recorder = sink._recorder  # type: ignore[attr-defined]
    recorder._main.put_sound = None
    await studio.run(21)
    assert studio.recordings.status("lesson").state == "recording"
    await studio.recordings.finish("lesson")
    assert len(studio.recordings.manifest("lesson").parts) == 2
    assert all_tones(studio.replay().decode())
    await studio.recordings.close()


async def test_a_folder_that_cannot_be_made_is_told_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    studio = Studio(tmp_path / "file" / "recordings")
    with pytest.raises(UsageError):
        await studio.recordings.start()
    await studio.recordings.close()


async def test_one_damaged_recording_does_not_keep_the_others_from_starting(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin("good")
    await studio.run(2)
    await studio.recordings.close()
    bad = tmp_path / "bad" / "journal.jsonl"
    bad.parent.mkdir()
    bad.mkdir()
    (tmp_path / ".deleted-old").mkdir()
    (tmp_path / "not a lesson").mkdir()
    studio.recordings = studio.new_recordings()
    await studio.recordings.start()
    assert studio.recordings.status("good").state == "stopped"
    assert studio.recordings.status("bad").state == "stopped"
    assert not (tmp_path / ".deleted-old").exists()
    await studio.recordings.finish("good")
    studio.join("bad")
    assert studio.recordings.status("bad").problem == "disk_error"
    await studio.recordings.close()


async def test_start_and_close_leave_no_thread_and_no_file_open(tmp_path: Path) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    def writers() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name == "recording-writer"}

    before = writers()
    threads, files = threading.active_count(), 0
    for round_ in range(12):
        studio = Studio(tmp_path)
        await studio.begin(f"lesson-{round_}")
        studio.publish("microphone", "opus", media.sound(3), begin=0)
        await studio.run(3)
        if round_ % 2:
            await studio.recordings.finish(f"lesson-{round_}")
        await studio.recordings.close()
        if round_ == 1:
            files = open_files()
            # to_thread keeps a pool of its own.
            threads = threading.active_count()
    assert open_files() <= files + 2
    assert threading.active_count() <= threads + 12
    assert writers() <= before


@pytest.mark.slow
def test_after_kill_nine_the_lesson_plays_up_to_the_last_fragment(tmp_path: Path) -> None:
    """A process records in real time and is killed at random instants; each time a new one starts and goes on."""
    seed = 20261122
    print(f"seed {seed}")
    chance = random.Random(seed)
    fragment_s = 1.0
    lost: list[float] = []
    for round_ in range(10):
        lesson = tmp_path / f"round-{round_}"
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.recording.victim", str(lesson)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONPATH": f"src{os.pathsep}."},
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"recording\n"
        began = time.monotonic()
        time.sleep(chance.uniform(1.5, 4.0))
        taught = time.monotonic() - began
        process.kill()
        process.wait()
        process.stdout.close()
        asyncio.run(_recovered(lesson, lost, taught))
    print("seconds lost:", sorted(round(value, 2) for value in lost))
    assert max(lost) <= fragment_s


async def _recovered(root: Path, lost: list[float], taught: float) -> None:
    studio = Studio(root)
    await studio.recordings.start()
    names = {path.name for path in (root / "lesson").iterdir()}
    assert not {name for name in names if name.endswith((".part", ".tmp"))}
    replay = studio.replay()
    for init, name, _, _ in replay.segments:
        assert {init, name} <= names
    decoded = replay.decode()
    heard = sum(len(run.samples) / 48_000 for run in decoded)
    assert replay.duration_s == pytest.approx(heard, abs=0.1)
    assert all_tones(decoded)
    lost.append(taught - replay.duration_s)
    # It goes on as the next part of the same replay.
    studio.now = 100.0
    studio.join()
    await studio.run(103)
    await studio.recordings.finish("lesson")
    manifest = studio.recordings.manifest("lesson")
    assert len(manifest.parts) == 2
    assert studio.replay().duration_s == pytest.approx(replay.duration_s + 3, abs=0.05)
    studio.replay().decode()
    await studio.recordings.close()


async def test_recovery_at_every_torn_byte_is_playable_and_final(tmp_path: Path) -> None:
    """A crash leaves any prefix of the open segment and of the journal's last line."""
    original = tmp_path / "original"
    studio = Studio(original)
    await studio.begin()
    teach(studio, 5)
    await studio.run(4.4)
    await studio.settle()
    (torn,) = (original / "lesson").glob("main-*.part")
    data = torn.read_bytes()
    seed = 7
    chance = random.Random(seed)
    cuts = [0, 1, len(data) - 1, len(data), *(chance.randrange(len(data)) for _ in range(30))]
    durations = []
    for index, cut in enumerate(sorted(cuts)):
        root = tmp_path / f"cut-{index}"
        shutil.copytree(original, root)
        (root / "lesson" / torn.name).write_bytes(data[:cut])
        journal = root / "lesson" / "journal.jsonl"
        journal.write_bytes(journal.read_bytes() + b'{"event":"clos')
        first = await _started(root)
        with contextlib.suppress(Exception):
            durations.append(first.replay().duration_s)
            first.replay().decode()
        snapshot = {path.name: path.read_bytes() for path in (root / "lesson").iterdir()}
        await first.recordings.close()
        # Recovering twice changes nothing.
        second = await _started(root)
        assert {path.name: path.read_bytes() for path in (root / "lesson").iterdir()} == snapshot
        await second.recordings.close()
    assert durations == sorted(durations)
    assert durations[-1] >= 3.4
    await studio.recordings.close()


async def _started(root: Path) -> Studio:
    studio = Studio(root, RecordingOptions(disk_floor_bytes=0))
    await studio.recordings.start()
    return studio
