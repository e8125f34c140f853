"""Lessons that change their owner: two processes on one folder, of which the first was only paused."""

# ruff: noqa: ASYNC240 - these tests look at files between awaits; nothing else runs on their loop

import os
import threading
from pathlib import Path

import pytest

from liveclass.errors import PeerError, UsageError
from liveclass.recording import hold as holding
from liveclass.recording.book import read_journal
from liveclass.recording.disk import JOURNAL, SUMMARY
from liveclass.recording.fmp4 import whole
from liveclass.recording.hold import Fenced, Hold, fence_of
from liveclass.recording.model import RecordingOptions
from liveclass.recording.service import Recordings
from tests.recording import media
from tests.recording.studio import NoSyncDisk, Studio


class Node(Studio):
    """A studio on a node of a fleet."""

    def new_recordings(self) -> Recordings:
        return Recordings(
            self.root,
            self.options,
            lambda lesson, status: self.changes.append((lesson, status)),
            disk=self.disk,
            recover_all=False,
        )

    async def own(self, fence: int) -> None:
        await self.recordings.start()
        await self.recordings.adopt("lesson", fence)

    def teach(self, begin: float, seconds: int) -> None:
        self.publish("microphone", "opus", media.sound(seconds), begin=begin)
        self.publish("camera", "H264", media.pictures("H264", seconds), begin=begin)


class SlowDisk(NoSyncDisk):
    """Writes wait at a gate."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.written = 0

    def write(self, file: int, data: bytes) -> None:
        self.gate.wait()
        self.written += 1
        super().write(file, data)


def node(root: Path, at: float = 0.0, **changes: object) -> Node:
    found = Node(root, RecordingOptions(**{"disk_floor_bytes": 0, "light": False, **changes}))  # type: ignore[arg-type]
    found.now = at
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def test_the_next_owner_goes_on_with_the_next_part(tmp_path: Path) -> None:
    one = node(tmp_path)
    await one.own(1)
    one.join()
    one.teach(0.5, 13)
    await one.run(12)
    one.recordings.drop("lesson")
    two = node(tmp_path, 20)
    await two.own(2)
    assert two.recordings.unfinished() == ["lesson"]
    two.join()
    two.teach(20.5, 5)
    await two.run(27)
    await two.recordings.finish("lesson")
    manifest = two.recordings.manifest("lesson")
    assert [round(part.duration_s) for part in manifest.parts] == [11, 7]
    assert two.replay().complete
    assert sum(len(run.tones()) for run in two.replay().decode()) >= 14
    assert [path.name for path in tmp_path.iterdir()] == ["lesson"]
    await one.recordings.close()
    await two.recordings.close()


async def test_a_paused_former_owner_writes_where_nobody_reads(tmp_path: Path) -> None:
    """It wakes up with open files, jobs that wait, segments to begin, playlists to replace and a retry to come."""
    one = node(tmp_path)
    await one.own(1)
    first = one.join()
    one.teach(0.5, 60)
    await one.run(14.5)
    two = node(tmp_path, 20)
    await two.own(2)
    two.join()
    two.teach(20.5, 20)
    await two.run(25)
    # The first knows of nothing: it flushes, closes its segment, begins others, fails, repairs and begins a new part.
    one.sink = first
    await one.run(45)
    await two.run(34)
    await one.run(60)
    await two.recordings.finish("lesson")
    replay = two.replay()
    manifest = two.recordings.manifest("lesson")
    assert len(manifest.parts) == 2
    assert manifest.parts[0].duration_s == pytest.approx(14, abs=1.1)
    assert manifest.parts[1].duration_s == pytest.approx(14, abs=0.2)
    assert replay.complete
    for decoded in replay.decode():
        assert decoded.frames
    found = files(tmp_path / "lesson")
    book, good = read_journal(found[JOURNAL])
    assert good == len(found[JOURNAL])
    named = {SUMMARY, JOURNAL, holding.FENCE} | {track.playlist for track in book.tracks.values()}
    assert set(found) <= named | set(book._sizes)
    for name, size in book._sizes.items():
        assert len(found[name]) == size
        if name.endswith(".m4s"):
            assert whole(found[name]).size == size
    await one.recordings.close()
    assert files(tmp_path / "lesson") == found
    await two.recordings.close()


async def test_nothing_of_a_dropped_lesson_is_written(tmp_path: Path) -> None:
    one = node(tmp_path)
    disk = one.disk = SlowDisk()
    one.recordings = one.new_recordings()
    await one.own(1)
    first = one.join()
    one.teach(0.5, 20)
    await one.run(5)
    disk.gate.clear()
    await one.run(16, settle_s=0)
    assert one.recordings._writer.waiting_jobs > 5
    written = disk.written
    one.recordings.drop("lesson")
    disk.gate.set()
    one.sink = first
    await one.run(20)
    await one.recordings.finish("lesson")
    # The write that had begun cannot be taken back.
    assert disk.written - written <= 1
    assert not any(b"ENDLIST" in data for name, data in files(tmp_path / "lesson").items() if name.endswith(".m3u8"))
    assert one.recordings.status("lesson").state == "off"
    with pytest.raises(UsageError):
        one.recordings.begin("lesson", 20, 20)
    await one.recordings.close()


async def test_what_is_kept_back_in_doubt_is_written_when_the_doubt_ends(tmp_path: Path) -> None:
    one = node(tmp_path)
    await one.own(1)
    one.join()
    one.teach(0.5, 15)
    await one.run(5)
    one.recordings.doubt("lesson", True)
    before = files(tmp_path / "lesson")
    await one.run(12)
    assert files(tmp_path / "lesson") == before
    one.recordings.doubt("lesson", False)
    await one.run(17)
    await one.recordings.finish("lesson")
    (part,) = one.recordings.manifest("lesson").parts
    assert part.duration_s == pytest.approx(17, abs=0.1)
    assert one.recordings._writer.waiting_bytes == 0
    await one.recordings.close()


async def test_doubt_is_bounded_by_the_queue_and_the_lesson_goes_on(tmp_path: Path) -> None:
    one = node(tmp_path, queue_bytes=60_000)
    await one.own(1)
    one.join()
    one.teach(0.5, 40)
    await one.run(5)
    one.recordings.doubt("lesson", True)
    await one.run(25)
    assert one.recordings.status("lesson").state == "paused"
    assert one.recordings._writer.waiting_bytes <= 60_000
    one.recordings.doubt("lesson", False)
    await one.run(42)
    assert one.recordings.status("lesson").state == "recording"
    await one.recordings.finish("lesson")
    assert len(one.recordings.manifest("lesson").parts) == 2
    await one.recordings.close()


async def test_a_doubt_that_ends_in_the_loss_of_the_lesson_writes_nothing(tmp_path: Path) -> None:
    one = node(tmp_path)
    await one.own(1)
    one.join()
    one.teach(0.5, 15)
    await one.run(5)
    one.recordings.doubt("lesson", True)
    before = files(tmp_path / "lesson")
    await one.run(8)
    one.recordings.drop("lesson")
    await one.settle()
    assert files(tmp_path / "lesson") == before
    assert one.recordings._writer.waiting_bytes == 0
    await one.recordings.close()


async def test_a_node_recovers_nothing_by_itself_and_shows_what_is_finished(tmp_path: Path) -> None:
    one = Studio(tmp_path, RecordingOptions(disk_floor_bytes=0, light=False))
    await one.begin("ended")
    one.join()
    await one.run(5)
    await one.recordings.finish("ended")
    await one.settle()
    before = files(tmp_path / "lesson")
    two = node(tmp_path)
    await two.recordings.start()
    assert files(tmp_path / "lesson") == before
    assert two.recordings.unfinished() == []
    assert two.recordings.status("lesson").state == "off"
    assert two.recordings.status("ended").state == "finished"
    assert two.recordings.manifest("ended").main == "main.m3u8"
    assert two.recordings.locate("ended", "main.m3u8").data
    assert two.recordings.locate("ended", "main-000001.m4s").path == tmp_path / "ended" / "main-000001.m4s"
    with pytest.raises(PeerError):
        two.recordings.locate("lesson", "main.m3u8")
    with pytest.raises(UsageError):
        two.recordings.begin("ended", 0, 0)
    await two.recordings.adopt("ended", 3)
    assert two.recordings.status("ended").state == "finished"
    await one.recordings.close()
    await two.recordings.close()


async def test_an_older_owner_that_comes_late_gets_nothing(tmp_path: Path) -> None:
    one = node(tmp_path)
    await one.own(7)
    two = node(tmp_path)
    with pytest.raises(PeerError) as refused:
        await two.own(6)
    assert (refused.value.status, refused.value.code) == (503, "moving")
    assert fence_of(tmp_path / "lesson") == 7
    assert [path.name for path in tmp_path.iterdir()] == ["lesson"]
    await one.recordings.close()
    await two.recordings.close()


@pytest.mark.parametrize("moment", ["_bring_back", "_copy", "_replace"])
def test_an_owner_that_was_paused_while_it_took_over_does_not_come_into_the_place_of_a_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    disk = NoSyncDisk()
    Hold(tmp_path, "lesson", 1).take(disk)
    (tmp_path / "lesson" / JOURNAL).write_bytes(b"")
    original = getattr(holding, moment)

    def paused(*args: object) -> object:
        monkeypatch.setattr(holding, moment, original)
        Hold(tmp_path, "lesson", 3).take(disk)
        return original(*args)

    monkeypatch.setattr(holding, moment, paused)
    with pytest.raises(Fenced):
        Hold(tmp_path, "lesson", 2).take(disk)
    assert fence_of(tmp_path / "lesson") == 3
    Hold(tmp_path, "lesson", 4).take(disk)
    assert [path.name for path in tmp_path.iterdir()] == ["lesson"]


@pytest.mark.parametrize("moment", [1, 2])
def test_a_crash_between_two_renames_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    """Where the file system cannot exchange two names in one step."""
    disk = NoSyncDisk()
    Hold(tmp_path, "lesson", 1).take(disk)
    (tmp_path / "lesson" / JOURNAL).write_bytes(b"kept")
    monkeypatch.setattr(holding, "_exchange", lambda one, other: False)
    rename, count = os.rename, 0

    def crash(old: Path, new: Path) -> None:
        nonlocal count
        if Path(old).name in {"lesson", ".taking-lesson@2"}:
            count += 1
            if count == moment:
                raise OSError("killed")
        rename(old, new)

    monkeypatch.setattr(os, "rename", crash)
    with pytest.raises(OSError, match="killed"):
        Hold(tmp_path, "lesson", 2).take(disk)
    monkeypatch.setattr(os, "rename", rename)
    Hold(tmp_path, "lesson", 3).take(disk)
    assert (tmp_path / "lesson" / JOURNAL).read_bytes() == b"kept"
    assert [path.name for path in tmp_path.iterdir()] == ["lesson"]


async def test_deleting_leaves_nothing_of_former_owners(tmp_path: Path) -> None:
    one = node(tmp_path)
    await one.own(1)
    one.join()
    await one.run(3)
    (tmp_path / ".taking-lesson@9").mkdir()
    await one.recordings.delete("lesson")
    assert list(tmp_path.iterdir()) == []
    await one.recordings.close()


async def test_a_finished_or_dropped_lesson_holds_no_descriptor(tmp_path: Path) -> None:
    one = node(tmp_path)
    await one.recordings.start()
    before = len(os.listdir("/proc/self/fd"))
    for fence in range(1, 6):
        await one.recordings.adopt("lesson", fence)
        one.join()
        await one.run(one.now + 2)
        one.recordings.drop("lesson")
        await one.settle()
    await one.recordings.adopt("lesson", 9)
    await one.recordings.finish("lesson")
    await one.settle()
    assert len(os.listdir("/proc/self/fd")) == before
    await one.recordings.close()
