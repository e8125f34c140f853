"""What a process writes of a lesson while it is in doubt whether the lesson is still its own, and after it is not."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from liveclass.errors import PeerError
from liveclass.lesson.members import LessonSnapshot
from liveclass.server.logbook import Logbook
from liveclass.server.snapshots import Snapshots
from liveclass.server.tenancy import Alone, check_mine, check_writes

LESSON = "lesson1"
WAIT_S = 0.3


class Right:
    """A tenancy that the test sets."""

    def __init__(self) -> None:
        self.held = True

    def writes(self, _lesson_id: str) -> bool:
        return self.held


@pytest.fixture
async def right() -> Right:
    return Right()


@pytest.fixture
async def logbook(tmp_path: Path, right: Right) -> AsyncIterator[Logbook]:
    book = Logbook(tmp_path, right.writes)
    book.start()
    yield book
    await book.close()


def text(folder: Path) -> str:
    path = folder / f"{LESSON}.jsonl"
    return path.read_text() if path.exists() else ""


def put(logbook: Logbook, line: str, told: list[bool]) -> None:
    logbook.append(LESSON, f"{line}\n".encode(), told.append)


async def test_in_doubt_lines_wait_and_keep_their_order(tmp_path: Path, logbook: Logbook, right: Right) -> None:
    told: list[bool] = []
    right.held = False
    for line in ("1", "2"):
        put(logbook, line, told)
    await asyncio.sleep(WAIT_S)
    assert (text(tmp_path), told) == ("", [])
    put(logbook, "3", told)
    right.held = True
    await logbook.flush(LESSON)
    assert text(tmp_path) == "1\n2\n3\n"
    assert told == [True, True, True]


async def test_what_waits_for_a_lesson_that_is_lost_is_never_written(
    tmp_path: Path, logbook: Logbook, right: Right
) -> None:
    told: list[bool] = []
    right.held = False
    put(logbook, "mine no more", told)
    await asyncio.sleep(WAIT_S)
    logbook.drop(LESSON)
    await asyncio.to_thread(logbook.take_over, LESSON)
    right.held = True
    await logbook.flush(LESSON)
    assert (text(tmp_path), told) == ("", [])


async def test_lines_in_doubt_do_not_hold_up_the_end_of_the_process(tmp_path: Path) -> None:
    book = Logbook(tmp_path, lambda _lesson_id: False)
    book.start()
    book.append(LESSON, b"1\n", lambda _kept: None)
    await asyncio.wait_for(book.close(), 5)
    assert text(tmp_path) == ""


async def test_a_former_owner_writes_to_a_file_that_nobody_reads(tmp_path: Path, logbook: Logbook) -> None:
    """Even one that was stopped between its last look and its write: its file has no name any more."""
    former: list[bool] = []
    put(logbook, "1", former)
    await logbook.flush(LESSON)
    later = Logbook(tmp_path)
    await asyncio.to_thread(later.take_over, LESSON)
    later.start()
    put(logbook, "too late", former)
    await logbook.flush(LESSON)
    put(later, "2", [])
    await later.flush(LESSON)
    assert text(tmp_path) == "1\n2\n"
    await later.close()


def test_a_former_owners_snapshot_does_not_take_the_place_of_a_newer_one(tmp_path: Path) -> None:
    """Stopped anywhere: before its last look it sees that it lost the lesson, after it its draft is gone."""
    newer = Snapshots(tmp_path)

    def overtaken(_lesson_id: str) -> bool:
        newer.take_over(LESSON)
        newer.write(LESSON, LessonSnapshot())
        return True

    with pytest.raises(FileNotFoundError):
        Snapshots(tmp_path, overtaken).write(LESSON, LessonSnapshot())
    with pytest.raises(OSError, match="another owner"):
        Snapshots(tmp_path, lambda _lesson_id: False).write(LESSON, LessonSnapshot())
    assert [path.name for path in tmp_path.iterdir()] == [f"{LESSON}.json"]


def test_a_server_that_is_alone_may_do_everything() -> None:
    check_mine(Alone(), LESSON)
    check_writes(Alone(), LESSON)


def test_what_may_be_anothers_is_refused_in_a_word() -> None:
    class Lost(Alone):
        def mine(self, lesson_id: str) -> bool:
            return False

        def writes(self, lesson_id: str) -> bool:
            return False

    for check in (check_mine, check_writes):
        with pytest.raises(PeerError) as refused:
            check(Lost(), LESSON)
        assert (refused.value.status, refused.value.code) == (503, "moving")
