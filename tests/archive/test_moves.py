"""Recordings that go on on another machine, by way of the store alone."""

from pathlib import Path

import pytest

from liveclass.recording.book import read_journal
from liveclass.recording.catchup import Rendition
from liveclass.recording.model import RecordingOptions
from liveclass.recording.service import Recordings
from tests.archive.depot import LESSON, Depot, Faulty
from tests.recording import media
from tests.recording.studio import WALL_AT_ZERO, Studio


class Machine(Studio):
    """A node with a disk of its own."""

    def __init__(self, root: Path, store: Faulty, at: float) -> None:
        self.depot = Depot(root, store, alone=False)
        super().__init__(root / "recordings", RecordingOptions(disk_floor_bytes=0, light=False))
        self.now = at

    def new_recordings(self) -> Recordings:
        return Recordings(
            self.root,
            self.options,
            lambda lesson, status: self.changes.append((lesson, status)),
            disk=self.disk,
            recover_all=False,
            archived=True,
            bring=self.depot.archive.copy,
        )

    async def own(self, fence: int) -> None:
        await self.depot.archive.start()
        await self.recordings.start()
        await self.depot.archive.fetch(LESSON, fence)
        await self.recordings.adopt(LESSON, fence)
        self.depot.archive.keep(LESSON, fence)

    def teach(self, begin: float, seconds: int) -> None:
        self.publish("microphone", "opus", media.sound(seconds), begin=begin)
        self.publish("camera", "H264", media.pictures("H264", seconds), begin=begin)


async def test_a_machine_that_is_lost_costs_the_open_segment_and_the_replay_is_one_lesson(
    tmp_path: Path, store: Faulty
) -> None:
    one = Machine(tmp_path / "one", store, 0)
    await one.own(1)
    one.join(LESSON)
    one.teach(0.5, 34)
    await one.run(27)
    await one.depot.archive.flush()
    closed = one.recordings.manifest(LESSON).status.duration_s
    # The machine is gone; it only believes to go on.
    two = Machine(tmp_path / "two", store, 40)
    await two.own(2)
    assert two.recordings.unfinished() == [LESSON]
    two.join(LESSON)
    two.teach(40.5, 14)
    await one.run(34)
    await one.depot.archive.flush()
    await two.run(55)
    await two.recordings.finish(LESSON)
    await two.depot.archive.flush()
    manifest = two.recordings.manifest(LESSON)
    assert [part.duration_s for part in manifest.parts] == pytest.approx([closed, 15], abs=0.2)
    assert closed >= 15
    # A third machine has nothing but the store, and shows the whole.
    three = Machine(tmp_path / "three", store, 60)
    await three.own(3)
    assert three.recordings.status(LESSON).state == "finished"
    folder = three.root / LESSON
    text = three.playlist(lesson=LESSON)
    assert text.rstrip().endswith("#EXT-X-ENDLIST")
    book, _ = read_journal((folder / "journal.jsonl").read_bytes())
    for name in book._sizes:
        file = three.recordings.locate(LESSON, name)
        assert file.remote == (LESSON, name)
        remote = await three.depot.archive.open(LESSON, name)
        assert remote is not None
        assert remote.path is not None
        (folder / name).write_bytes(remote.path.read_bytes())
    replay = three.replay(lesson=LESSON)
    decoded = replay.decode()
    assert sum(len(run.tones()) for run in decoded) >= 25
    assert replay.duration_s == pytest.approx(closed + 15, abs=0.2)
    for machine in (one, two, three):
        await machine.recordings.close()
        await machine.depot.archive.close()


@pytest.mark.parametrize("rendition", ["sound", "picture"])
async def test_what_was_missed_on_a_machine_that_is_lost_is_played_by_another_out_of_the_store(
    tmp_path: Path, store: Faulty, rendition: Rendition
) -> None:
    one = Machine(tmp_path / "one", store, 0)
    await one.own(1)
    one.join(LESSON)
    one.teach(0.5, 27)
    await one.run(27)
    await one.depot.archive.flush()
    closed = one.recordings.manifest(LESSON).status.duration_s
    two = Machine(tmp_path / "two", store, 40)
    await two.own(2)
    two.join(LESSON)
    two.teach(40.5, 5)
    await two.run(46)
    # As before anything was brought back: whoever was away asks at once.
    for path in [*(two.root / LESSON).glob("*.m4s"), *(two.root / LESSON).glob("*.mp4")]:
        path.unlink()
    stream = await two.recordings.catchup(LESSON, round((WALL_AT_ZERO + 3) * 1000), rendition)
    missed = 0.0
    while (chunk := await stream.next()) is not None:
        missed += chunk.media_s
    # The fragment that a picture begins in is counted whole.
    assert stream.starts_at_s + missed == pytest.approx(closed, abs=0.6)
    assert missed > 5
    assert any((tmp_path / "two" / "archive" / "cache").rglob("*"))
    store.gone = True
    with pytest.raises(OSError, match="gone"):
        await two.depot.archive.copy("lesson000002", "main-000001.m4s")
    for machine in (one, two):
        await machine.recordings.close()
        await machine.depot.archive.close(patience_s=0)
