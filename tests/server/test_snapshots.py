"""Snapshots: whole or not at all, readable by the owner alone."""

import stat
from pathlib import Path

import pytest

from liveclass.lesson.members import LessonSnapshot, MemberSnapshot
from liveclass.server.snapshots import Snapshots

SNAPSHOT = LessonSnapshot(lead="a", members=[MemberSnapshot("a", "teacher", "小李")], revoked_ms={"replay": 5})


def test_what_was_written_is_read_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    kept = Snapshots(tmp_path / "lessons")
    assert kept.read("L1") is None
    kept.write("L1", SNAPSHOT)
    kept.write("L1", SNAPSHOT)
    assert kept.read("L1") == SNAPSHOT
    (file,) = (tmp_path / "lessons").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    kept.delete("L1")
    kept.delete("L1")
    assert kept.read("L1") is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"members":[{"id":1}]}', b"\xff\xfe"])
def test_a_damaged_snapshot_is_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "L1.json").write_bytes(content)
    assert Snapshots(tmp_path).read("L1") is None


def test_a_write_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Snapshots(tmp_path)
    kept.write("L1", SNAPSHOT)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("liveclass.server.snapshots.os.fsync", full)
    with pytest.raises(OSError, match="space"):
        kept.write("L1", LessonSnapshot())
    assert kept.read("L1") == SNAPSHOT
