"""The laws of what comes of a lesson after it was deleted: it does not stay."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from liveclass.server.deletions import FOLDER, GRACE_S, KEPT_S, Deletions, Sweeper

GONE, KEPT = "gone-1_a", "gone-1_ab"
LATE = (
    "materials/{}/0a.webp",
    "materials/{}/abcdef.work/source",
    "materials/.deleted-{}/0a.webp",
    "recordings/{}/light.mp4",
    "recordings/{}/fence",
    "recordings/.deleted-{}/main-000001.m4s",
    "recordings/.taking-{}@3/journal.jsonl",
    "timelines/{}.jsonl",
    "timelines/{}.jsonl.new",
    "lessons/{}.json",
    "lessons/{}.a1b2.tmp",
    "lessons/.{}.json.17.tmp",
)
"""Every form of name that is given to something of a lesson."""


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Rows:
    """A catalogue."""

    def __init__(self, *ids: str) -> None:
        self.ids = set(ids)

    async def lesson(self, id: str) -> object:
        return id if id in self.ids else None

    async def delete_lesson(self, id: str) -> None:
        self.ids.discard(id)


class Stored:
    """An archive."""

    def __init__(self) -> None:
        self.deleted: list[tuple[str, bool]] = []

    async def delete(self, lesson: str, *, recording_only: bool = False) -> None:
        self.deleted.append((lesson, recording_only))


def write(root: Path, lesson: str) -> None:
    for form in LATE:
        path = root / form.format(lesson)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a pupil's face")


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path.parent.name != FOLDER}


def forms(lesson: str) -> set[str]:
    return {form.format(lesson) for form in LATE}


async def nothing() -> None:
    """No uploads."""


def test_whatever_is_written_of_a_deleted_lesson_afterwards_goes_and_nothing_else(tmp_path: Path) -> None:
    clock = Clock()
    deletions = Deletions(tmp_path, clock)
    deletions.mark(GONE)
    clock.now += GRACE_S
    for _ in range(2):  # as often as it comes
        write(tmp_path, GONE)
        write(tmp_path, KEPT)
        assert deletions.sweep(deletions.marks()) == {GONE}
        assert files(tmp_path) == forms(KEPT)
        assert [
            path for path in tmp_path.rglob(f"*{GONE}*") if KEPT not in path.name and path.parent.name != FOLDER
        ] == []
    assert deletions.sweep(deletions.marks()) == set()


def test_a_deletion_that_is_under_way_is_left_alone_but_not_by_a_server_that_has_only_just_started(
    tmp_path: Path,
) -> None:
    clock = Clock()
    Deletions(tmp_path, clock).mark(GONE)
    write(tmp_path, GONE)
    after_restart = Deletions(tmp_path, clock)
    assert after_restart.sweep(after_restart.marks()) == set()
    assert files(tmp_path) == forms(GONE)
    assert after_restart.sweep(after_restart.marks(alone=True)) == {GONE}
    assert files(tmp_path) == set()


def test_a_clock_that_was_set_back_keeps_nothing_alive(tmp_path: Path) -> None:
    clock = Clock()
    deletions = Deletions(tmp_path, clock)
    deletions.mark(GONE)
    write(tmp_path, GONE)
    clock.now -= 1e6
    deletions.sweep(deletions.marks())
    deletions.forget_old()
    assert files(tmp_path) == set()
    assert deletions.marks() != []


def test_of_a_lesson_whose_recording_alone_was_deleted_all_else_stays(tmp_path: Path) -> None:
    clock = Clock()
    deletions = Deletions(tmp_path, clock)
    deletions.mark(GONE, "recording")
    write(tmp_path, GONE)
    clock.now += GRACE_S
    deletions.sweep(deletions.marks())
    recording = {form for form in forms(GONE) if form.startswith("recordings/")}
    assert files(tmp_path) == forms(GONE) - recording | {f"recordings/{GONE}/fence"}
    deletions.mark(GONE)
    clock.now += GRACE_S
    deletions.sweep(deletions.marks())
    assert files(tmp_path) == set()


def test_no_lesson_is_removed_because_nobody_knows_it(tmp_path: Path) -> None:
    write(tmp_path, KEPT)
    deletions = Deletions(tmp_path, Clock())
    deletions.mark("../etc")
    deletions.mark("")
    assert deletions.marks() == []
    assert deletions.sweep(deletions.marks(alone=True)) == set()
    assert files(tmp_path) == forms(KEPT)


def test_marks_go_when_nobody_can_write_any_more(tmp_path: Path) -> None:
    clock = Clock()
    deletions = Deletions(tmp_path, clock)
    deletions.mark(GONE)
    clock.now += KEPT_S
    deletions.forget_old()
    assert len(deletions.marks()) == 1
    clock.now += 1
    deletions.forget_old()
    assert deletions.marks() == []


def test_a_disk_that_takes_no_mark_hinders_no_deletion_and_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    deletions = Deletions(tmp_path, clock)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("liveclass.server.deletions.os.open", full)
        deletions.mark(GONE)
    assert deletions.marks() == []
    deletions.sweep([])
    assert [mark.lesson for mark in deletions.marks()] == [GONE]


async def test_a_deletion_that_was_broken_off_is_ended_in_the_catalogue_and_in_the_store(tmp_path: Path) -> None:
    clock, rows, stored = Clock(), Rows(GONE, KEPT, "old"), Stored()
    deletions = Deletions(tmp_path, clock)
    deletions.mark(GONE)
    deletions.mark("old", "recording")
    sweeper = Sweeper(deletions, rows)  # type: ignore[arg-type]
    await sweeper.once()
    assert rows.ids == {GONE, KEPT, "old"}  # who deletes it may be at work
    await sweeper.once(alone=True)
    assert rows.ids == {KEPT, "old"}
    sweeper.attach(stored, nothing)  # type: ignore[arg-type]
    clock.now += GRACE_S
    for _ in range(3):
        await sweeper.once()
    assert sorted(stored.deleted) == [(GONE, False), ("old", True)]
    write(tmp_path, GONE)
    await sweeper.once()
    assert sorted(stored.deleted) == [(GONE, False), (GONE, False), ("old", True)]
    assert files(tmp_path) == set()


async def test_a_catalogue_that_does_not_answer_stops_no_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows(GONE)
    deletions = Deletions(tmp_path, lambda: datetime.now(UTC).timestamp())
    deletions.mark(GONE)
    write(tmp_path, GONE)

    async def away(_id: str) -> object:
        raise OSError("the database is away")

    monkeypatch.setattr(rows, "lesson", away)
    await Sweeper(deletions, rows).attempt(alone=True)  # type: ignore[arg-type]
    assert files(tmp_path) == set()
