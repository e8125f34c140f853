"""Timelines on disk: kept before told, whole after a crash, and a disk that refuses stops no lesson."""

import asyncio
import errno
import os
import threading
from pathlib import Path

import msgspec
import pytest

from liveclass.lesson.events import Happened, Said
from liveclass.server import logbook as module
from liveclass.server.logbook import Logbook


def line(seq: int, text: str = "hello") -> bytes:
    return msgspec.json.encode(Happened(seq, seq * 10, "t1", Said("Li", "teacher", text))) + b"\n"


async def keep(book: Logbook, lesson: str, lines: bytes) -> bool:
    done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    book.append(lesson, lines, done.set_result)
    return await asyncio.wait_for(done, 5)


async def test_a_line_is_in_the_file_before_it_is_told(tmp_path: Path) -> None:
    book = Logbook(tmp_path / "timelines")
    book.start()
    for seq in range(1, 50):
        assert await keep(book, "lesson1", line(seq))
        assert (tmp_path / "timelines" / "lesson1.jsonl").read_bytes().endswith(line(seq))
    assert [one.seq for one in book.read("lesson1")] == list(range(1, 50))
    assert (tmp_path / "timelines" / "lesson1.jsonl").stat().st_mode & 0o077 == 0
    await book.close()


async def test_lines_of_one_lesson_keep_their_order_and_stay_out_of_the_others(tmp_path: Path) -> None:
    book = Logbook(tmp_path)
    book.start()
    await asyncio.gather(*(keep(book, f"lesson{seq % 3}", line(seq)) for seq in range(1, 100)))
    for number in range(3):
        assert [one.seq for one in book.read(f"lesson{number}")] == [s for s in range(1, 100) if s % 3 == number]
    await book.close()


async def test_what_waits_is_written_before_the_end(tmp_path: Path) -> None:
    book = Logbook(tmp_path)
    book.start()
    for seq in range(1, 200):
        book.append("lesson1", line(seq), lambda _ok: None)
    await book.close()
    await book.close()
    assert len(Logbook(tmp_path).read("lesson1")) == 199


@pytest.mark.parametrize("cut", [1, 10, 40])
async def test_a_torn_end_is_cut_off_and_what_follows_is_whole(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "lesson1.jsonl"
    path.write_bytes(line(1) + line(2)[:-cut])
    book = Logbook(tmp_path)
    assert [one.seq for one in book.read("lesson1")] == [1]
    book.start()
    assert await keep(book, "lesson1", line(2))
    await book.close()
    assert path.read_bytes() == line(1) + line(2)


async def test_one_who_fails_to_hear_of_a_line_keeps_it_from_nobody_else(tmp_path: Path) -> None:
    book = Logbook(tmp_path)

    def fails(_kept: bool) -> None:
        raise KeyError("a bad event")

    book.append("lesson1", line(1), fails)
    kept = asyncio.ensure_future(keep(book, "lesson2", line(1)))
    await asyncio.sleep(0)
    book.start()
    assert await asyncio.wait_for(kept, 5)
    await book.close()


def test_a_disk_that_only_reads_still_gives_the_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(_path: Path, _size: int) -> None:
        raise OSError(errno.EROFS, "read-only file system")

    (tmp_path / "lesson1.jsonl").write_bytes(line(1) + line(2)[:9])
    monkeypatch.setattr(os, "truncate", refuses)
    assert [one.seq for one in Logbook(tmp_path).read("lesson1")] == [1]


def test_a_bad_line_in_the_midst_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "lesson1.jsonl"
    path.write_bytes(line(1) + b'{"type":"happened"}\n\0\0\0\n' + line(1) + line(3))
    assert [one.seq for one in Logbook(tmp_path).read("lesson1")] == [1, 3]
    assert Logbook(tmp_path).read("unknown") == []
    assert Logbook(tmp_path).path("unknown") is None


async def test_a_disk_that_refuses_is_said_and_costs_no_later_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = Logbook(tmp_path)
    book.start()
    assert await keep(book, "lesson1", line(1))
    write = os.write

    def half(descriptor: int, data: bytes) -> int:
        return write(descriptor, data[:5])

    monkeypatch.setattr(os, "write", half)
    assert not await keep(book, "lesson1", line(2))
    monkeypatch.undo()
    assert book.failures == 1
    assert await keep(book, "lesson1", line(3))
    assert [one.seq for one in book.read("lesson1")] == [1, 3]
    await book.close()


async def test_more_lessons_than_open_files_are_kept_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OPEN_FILES", 3)
    book = Logbook(tmp_path)
    book.start()
    for seq in range(1, 4):
        await asyncio.gather(*(keep(book, f"lesson{number}", line(seq)) for number in range(10)))
    await book.close()
    assert all(len(book.read(f"lesson{number}")) == 3 for number in range(10))


async def test_what_a_slow_disk_has_in_hand_does_not_bring_a_deleted_timeline_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = Logbook(tmp_path)
    reached, go_on, write = threading.Event(), threading.Event(), os.write

    def slow(descriptor: int, data: bytes) -> int:
        reached.set()
        go_on.wait(5)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", slow)
    # One batch: while the first line hangs, the one behind it is in hand already.
    book.append("lesson2", line(1), lambda _kept: None)
    book.append("lesson1", line(1), lambda _kept: None)
    book.start()
    await asyncio.to_thread(reached.wait, 5)
    deleting = asyncio.ensure_future(asyncio.to_thread(book.delete, "lesson1"))
    await asyncio.sleep(0.05)
    go_on.set()
    await deleting
    await book.close()
    assert os.listdir(tmp_path) == ["lesson2.jsonl"]


async def test_a_deleted_timeline_leaves_no_byte_and_begins_anew(tmp_path: Path) -> None:
    book = Logbook(tmp_path)
    book.start()
    await keep(book, "lesson1", line(1))
    await asyncio.to_thread(book.delete, "lesson1")
    assert os.listdir(tmp_path) == []
    await keep(book, "lesson1", line(1))
    await book.close()
    assert len(book.read("lesson1")) == 1


async def test_a_file_that_nobody_writes_to_is_closed_and_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lesson that is over must hold no descriptor until the server ends."""
    monkeypatch.setattr(module, "REST_S", 0.05)
    monkeypatch.setattr(module, "SYNC_S", 0.05)
    book = Logbook(tmp_path)
    book.start()
    for number in range(5):
        assert await keep(book, f"lesson{number}", line(1))
    for _ in range(250):
        if not book._files:
            break
        await asyncio.sleep(0.02)
    assert book._files == {}
    assert await keep(book, "lesson1", line(2))
    await book.close()
    assert [one.seq for one in book.read("lesson1")] == [1, 2]
