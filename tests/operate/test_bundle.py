"""The file format of backups: read back as written, legible to others, and nothing else is taken."""

import gzip
import io
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from liveclass.errors import UsageError
from liveclass.operate import bundle
from liveclass.operate.bundle import Writer, acceptable, opened

SUFFIXES = pytest.mark.parametrize("suffix", [".tar.zst", ".tar.gz"])


def written(path: Path, files: dict[str, bytes]) -> Path:
    with Writer(path) as writer:
        for name, content in files.items():
            assert writer.add(name, len(content), 1_000_000_000, iter([content]))
        assert writer.finish() == path.stat().st_size
    return path


def read(path: Path) -> dict[str, bytes]:
    with opened(path) as members:
        return {member.name: b"".join(member.chunks) for member in members}


def hostile(path: Path, *entries: tuple[tarfile.TarInfo, bytes], form: int = tarfile.USTAR_FORMAT) -> Path:
    """A tar that Python's own module makes."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=form) as tar:
        for entry, content in entries:
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    path.write_bytes(gzip.compress(plain.getvalue()))
    return path


@SUFFIXES
def test_what_was_written_is_read(tmp_path: Path, suffix: str) -> None:
    files = {"a": b"", "lessons/x.json": b"{}", "recordings/x/main-000001.m4s": os.urandom(3_000_000), "b": b"y" * 512}
    path = written(tmp_path / f"x{suffix}", files)
    assert read(path) == files
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name], "no draft is left"


@SUFFIXES
def test_any_tar_program_reads_it(tmp_path: Path, suffix: str) -> None:
    files = {"manifest.json": b"{}", "materials/" + "x" * 100 + "/y.webp": b"picture"}
    path = written(tmp_path / f"x{suffix}", files)
    data = path.read_bytes()
    plain = gzip.decompress(data) if suffix.endswith("gz") else zstandard.ZstdDecompressor().stream_reader(data).read()
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        assert {entry.name: entry.mode for entry in tar} == dict.fromkeys(files, 0o600)


def test_a_file_has_the_size_that_its_header_says_whatever_happens_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.zst"
    with Writer(path) as writer:
        assert writer.add("grew", 4, 0, iter([b"abc", b"defg", b"never read"]))
        assert not writer.add("shrank", 4, 0, iter([b"ab"]))
        writer.finish()
    assert read(path) == {"grew": b"abcd", "shrank": b"ab\0\0"}


def test_a_backup_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"a"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Writer(tmp_path / "x.tar.zst") as writer:
        writer.add("a", 10, 0, broken())
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_and_endings_are_known(tmp_path: Path) -> None:
    path = written(tmp_path / "x.tar.gz", {"a": b"1"})
    with pytest.raises(UsageError, match="exists already"):
        Writer(path)
    with pytest.raises(UsageError, match="ends with"):
        Writer(tmp_path / "x.zip")
    with pytest.raises(UsageError, match="cannot be written"):
        Writer(tmp_path / "none" / "x.tar.gz")


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a//b",
        "./a",
        "a/.",
        ".ssh/x",
        "a\\b",
        "a\0b",
        "C:x",
        "",
        "a/",
        "é",
        "x" * 300,
        "a\nb",
        "/".join("abcdefghij"),
        "a b",
        "-/" + "x" * 101,
    ],
)
def test_no_name_leads_elsewhere(name: str, tmp_path: Path) -> None:
    assert not acceptable(name)
    with pytest.raises(UsageError), Writer(tmp_path / "x.tar.gz") as writer:
        writer.add(name, 0, 0, iter([]))


@pytest.mark.parametrize("kind", [b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"S", b"L", b"x", b"g"])
def test_no_link_device_folder_or_extension_is_taken(kind: bytes, tmp_path: Path) -> None:
    entry = tarfile.TarInfo("recordings/x/y")
    entry.type, entry.linkname = kind, "/etc/passwd"
    with pytest.raises(UsageError, match="no backup of liveclass holds"):
        read(hostile(tmp_path / "x.tar.gz", (entry, b"")))


@pytest.mark.parametrize("name", ["/etc/cron.d/x", "../../x", "secrets/../../x", ".x"])
def test_no_path_out_of_the_folder_is_taken(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="leads elsewhere"):
        read(hostile(tmp_path / "x.tar.gz", (tarfile.TarInfo(name), b"x")))


def test_a_file_comes_once(tmp_path: Path) -> None:
    twice = [(tarfile.TarInfo("lessons/a"), b"1"), (tarfile.TarInfo("lessons/a"), b"2")]
    with pytest.raises(UsageError, match="twice"):
        read(hostile(tmp_path / "x.tar.gz", *twice))


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_bomb_is_given_up_early(tmp_path: Path, pack: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "FREE_OF_RATIO", 1024 * 1024)
    entry = tarfile.TarInfo("recordings/x/y")
    entry.size = 64 * 1024 * 1024
    assert callable(pack)
    path = tmp_path / "x.tar.gz"
    path.write_bytes(pack(entry.tobuf(tarfile.USTAR_FORMAT) + bytes(entry.size)))
    taken = 0

    def count() -> None:
        nonlocal taken
        with opened(path) as members:
            for member in members:
                for chunk in member.chunks:
                    taken += len(chunk)

    with pytest.raises(UsageError, match="far larger"):
        count()
    # What the decompressor has read ahead counts as read, so this is a bound of memory and disk, not an exact figure.
    assert taken < 40 * 1024 * 1024


def test_a_frame_that_asks_for_much_memory_is_refused(tmp_path: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    path = tmp_path / "x.tar.zst"
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    path.write_bytes(compressor.compress(os.urandom(2**20)) + compressor.flush())
    with pytest.raises(UsageError, match="damaged"):
        read(path)


@SUFFIXES
def test_what_is_cut_off_or_changed_is_seen_or_changes_no_name(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path / f"x{suffix}", {"lessons/a": os.urandom(2000), "lessons/b": os.urandom(2000)})
    whole = path.read_bytes()
    for length in range(0, len(whole) - 12, 97):
        path.write_bytes(whole[:length])
        with pytest.raises(UsageError):
            read(path)


@given(st.binary(max_size=2000))
def test_no_bytes_do_more_than_be_refused(tmp_path_factory: pytest.TempPathFactory, noise: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "noise"
    for data in (noise, gzip.compress(noise), zstandard.compress(noise), gzip.compress(noise + bytes(1024))):
        path.write_bytes(data)
        try:
            for content in read(path).values():
                assert len(content) <= len(noise)
        except UsageError:
            continue
