"""Backup and restore: everything comes back, on either database, from a running server, and nothing hostile gets in."""

import asyncio
import json
import os
import shutil
import sqlite3
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from io import BytesIO, StringIO
from pathlib import Path

import pytest
import zstandard

from liveclass import cli
from liveclass.catalogue.dump import dump
from liveclass.catalogue.rows import LessonRow
from liveclass.catalogue.store import Catalogue
from liveclass.config import Settings
from liveclass.errors import UsageError
from liveclass.operate import restore as restoring
from liveclass.operate.backup import CHECKSUMS, Done, backup
from liveclass.operate.bundle import Writer, opened
from liveclass.operate.folders import KEPT, files
from liveclass.operate.lock import held
from liveclass.operate.progress import Bar
from liveclass.operate.restore import restore
from liveclass.operate.secrets import Secrets
from tests.servers import Postgres, missing_postgres, postgres


@pytest.fixture(scope="module")
def pg() -> Iterator[Postgres]:
    if why := missing_postgres():
        pytest.skip(why)
    with postgres() as server:
        yield server


Databases = Callable[[str], str]


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Databases:
    """A new database of a kind; empty text for SQLite in the data folder."""

    def make(kind: str) -> str:
        if kind == "sqlite":
            return ""
        server: Postgres = request.getfixturevalue("pg")
        return server.database()

    return make


def silent(done: int, total: int) -> None:
    assert 0 <= done <= total


def server(data_dir: Path, database_url: str = "") -> tuple[Settings, LessonRow, dict[str, str]]:
    """The data of a server with one lesson, as the rooms would have written it."""
    settings = Settings(data_dir=data_dir, database_url=database_url, disk_floor_bytes=0)
    Secrets.open(data_dir)

    async def fill() -> tuple[LessonRow, dict[str, str]]:
        catalogue = await Catalogue.open(settings.database)
        lesson, tokens = await catalogue.create_lesson("分数", "zh-CN")
        await catalogue.put_recording(lesson.id, state="recording", duration_s=1.5, bytes_=4000)
        await catalogue.close()
        return lesson, {str(role): token for role, token in tokens.items()}

    lesson, tokens = asyncio.run(fill())
    for name, content in {
        f"lessons/{lesson.id}.json": b'{"seq":1}',
        f"timelines/{lesson.id}.jsonl": b'{"seq":1}\n{"seq":2}\n',
        f"recordings/{lesson.id}/journal.jsonl": b'{"event":"opened"}\n',
        f"recordings/{lesson.id}/main-000001.m4s": os.urandom(300_000),
        f"recordings/{lesson.id}/main-000002.m4s.part": os.urandom(5_000),
        f"recordings/{lesson.id}/1/main-000001.m4s": os.urandom(300),
        f"materials/{lesson.id}/abcdef.index": b"{}",
        "tls/certificate.pem": b"-----",
        # What is half made, or belongs to this machine alone:
        f"recordings/{lesson.id}/main.m3u8.tmp": b"x",
        "recordings/.deleted-abc/main-000001.m4s": b"x",
        f"materials/{lesson.id}/abcdef.work/source": b"x",
        "materials/.uploads/1": b"x",
        "lock": b"",
        "node": b"x",
        f"recordings/{lesson.id}/fence": b"7",
    }.items():
        path = data_dir / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(content)
    return settings, lesson, tokens


def content_of(settings: Settings) -> dict[str, bytes]:
    return {file.name: file.path.read_bytes() for file in files(settings.data_dir, KEPT)}


def rows_of(settings: Settings) -> list[bytes]:
    async def read() -> list[bytes]:
        return [line async for line in dump(settings.database)]

    return asyncio.run(read())


def empty(data_dir: Path) -> bool:
    return [entry.name for entry in data_dir.iterdir()] in ([], ["lock"])


@pytest.mark.parametrize("suffix", [".tar.zst", ".tar.gz"])
@pytest.mark.parametrize("there", ["sqlite", "postgresql"])
@pytest.mark.parametrize("here", ["sqlite", "postgresql"])
def test_what_was_there_comes_back_on_either_database(
    tmp_path: Path, database: Databases, here: str, there: str, suffix: str
) -> None:
    settings, lesson, tokens = server(tmp_path / "old", database(here))
    target = tmp_path / f"x{suffix}"
    done = backup(settings, target, silent)
    assert done.torn == []
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    restored = Settings(data_dir=tmp_path / "new", database_url=database(there), disk_floor_bytes=0)
    result = restore(restored, target, silent)
    assert result.rows == 5
    assert content_of(restored) == content_of(settings)
    assert rows_of(restored) == rows_of(settings)
    assert (tmp_path / "new" / "secrets" / "signing.key").read_bytes() == Secrets.open(tmp_path / "old").signing_key
    assert not (tmp_path / "new" / "node").exists()
    assert not (tmp_path / "new" / restoring.STAGING).exists()

    async def use() -> None:
        catalogue = await Catalogue.open(restored.database)
        assert await catalogue.lesson(lesson.id) == lesson
        assert await catalogue.role_of(lesson.id, tokens["teacher"]) == "teacher"
        await catalogue.create_lesson("Another", "en")
        await catalogue.close()

    asyncio.run(use())
    modes = {stat.S_IMODE(file.path.stat().st_mode) for file in files(tmp_path / "new", KEPT)}
    assert modes == {0o600}


def test_what_is_half_made_stays_out(tmp_path: Path) -> None:
    settings, lesson, _ = server(tmp_path / "old")
    names = [file.name for file in files(settings.data_dir, KEPT)]
    assert not [
        name
        for name in names
        if ".tmp" in name or ".work" in name or "/." in name or name in {"lock", "node"} or name.endswith("fence")
    ]
    recording = [name for name in names if name.startswith("recordings/")]
    assert recording[0] == f"recordings/{lesson.id}/journal.jsonl", "what it tells of is there when it was read"


def test_a_backup_of_a_running_server_is_whole(tmp_path: Path) -> None:
    """Files grow, close and vanish while they are copied; the server's lock is held."""
    settings, lesson, _ = server(tmp_path / "old")
    folder = settings.data_dir / "recordings" / lesson.id
    (folder / "main-000009.m4s").write_bytes(b"x" * 100)
    timeline = settings.data_dir / "timelines" / f"{lesson.id}.jsonl"
    happened: list[str] = []

    def meanwhile(done: int, total: int) -> None:
        silent(done, total)
        if not happened:
            happened.append("once")
            (folder / "main-000002.m4s.part").rename(folder / "main-000002.m4s")
            (folder / "main-000009.m4s").unlink()
            with timeline.open("ab") as file:
                file.write(b'{"seq":3}\n')

    with held(settings.data_dir):
        done = backup(settings, tmp_path / "x.tar.zst", meanwhile)
    assert done.torn == []
    restored = Settings(data_dir=tmp_path / "new", disk_floor_bytes=0)
    restore(restored, tmp_path / "x.tar.zst", silent)
    assert content_of(restored) == content_of(settings)


def test_the_order_of_files_is_that_of_a_power_cut(tmp_path: Path) -> None:
    """The journal may name less than there is, never more: the same as after a power cut, which recovery mends."""
    settings, lesson, _ = server(tmp_path / "old")
    order: list[str] = []
    backup(settings, tmp_path / "x.tar.zst", silent)
    with opened(tmp_path / "x.tar.zst") as members:
        for member in members:
            order.append(member.name)
    inside = [name for name in order if name.startswith(f"recordings/{lesson.id}/")]
    assert inside[0].endswith("journal.jsonl")
    assert order.index(f"lessons/{lesson.id}.json") < order.index(f"timelines/{lesson.id}.jsonl")
    assert order[-1] == CHECKSUMS


def test_recordings_can_be_left_out(tmp_path: Path) -> None:
    settings, lesson, _ = server(tmp_path / "old")
    backup(settings, tmp_path / "x.tar.gz", silent, recordings=False)
    restored = Settings(data_dir=tmp_path / "new", disk_floor_bytes=0)
    result = restore(restored, tmp_path / "x.tar.gz", silent)
    assert not result.manifest.recordings
    assert not (tmp_path / "new" / "recordings").exists()
    assert (tmp_path / "new" / "timelines" / f"{lesson.id}.jsonl").exists()


def test_where_there_is_no_server_there_is_no_backup_and_no_file_is_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no catalogue"):
        backup(Settings(data_dir=tmp_path / "none"), tmp_path / "x.tar.zst", silent)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", ["liveclass.db", "recordings", "notes.txt"])
def test_a_folder_that_holds_anything_is_not_restored_into(tmp_path: Path, there: str) -> None:
    settings, _, _ = server(tmp_path / "old")
    backup(settings, tmp_path / "x.tar.zst", silent)
    (tmp_path / "new" / there).mkdir(parents=True)
    with pytest.raises(UsageError, match="not empty"):
        restore(Settings(data_dir=tmp_path / "new"), tmp_path / "x.tar.zst", silent)
    assert [entry.name for entry in (tmp_path / "new").iterdir() if entry.name != "lock"] == [there]


def test_a_folder_that_a_server_uses_is_not_restored_into(tmp_path: Path) -> None:
    settings, _, _ = server(tmp_path / "old")
    backup(settings, tmp_path / "x.tar.zst", silent)
    with held(tmp_path / "new"), pytest.raises(UsageError, match="another liveclass is using"):
        restore(Settings(data_dir=tmp_path / "new"), tmp_path / "x.tar.zst", silent)


def test_a_database_that_holds_a_lesson_is_not_restored_into(tmp_path: Path, database: Databases) -> None:
    url = database("postgresql")
    settings, _, _ = server(tmp_path / "old", url)
    backup(settings, tmp_path / "x.tar.zst", silent)
    before = rows_of(settings)
    with pytest.raises(UsageError, match="database is not empty"):
        restore(Settings(data_dir=tmp_path / "new", database_url=url), tmp_path / "x.tar.zst", silent)
    assert rows_of(settings) == before
    assert empty(tmp_path / "new")


def changed(source: Path, target: Path, change: Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]) -> Path:
    """A backup in which some files are others."""
    with opened(source) as members:
        taken = [(member.name, b"".join(member.chunks)) for member in members]
    with Writer(target) as writer:
        for name, content in change(taken):
            writer.add(name, len(content), 0, iter([content]))
        writer.finish()
    return target


Files = list[tuple[str, bytes]]


@pytest.mark.parametrize(
    "change",
    [
        lambda files: files[:-1],
        lambda files: files[:-2] + files[-1:],
        lambda files: [(name, content.replace(b"\0", b"\1")) for name, content in files],
        lambda files: [*files[:-1], ("recordings/more/x.m4s", b"x"), files[-1]],
        lambda files: [*files, ("recordings/more/x.m4s", b"x")],
        lambda files: [*files[:3], ("liveclass.db", b"x"), *files[3:]],
        lambda files: [*files[:3], ("authorized_keys", b"x"), *files[3:]],
        lambda files: files[1:],
        lambda files: [("manifest.json", b'{"format":2}'), *files[1:]],
        lambda files: [("manifest.json", b"[" * 50_000), *files[1:]],
        lambda files: [files[0], (files[1][0], files[1][1][:-10]), *files[2:]],
        lambda files: [*files[:-1], (files[-1][0], b"x" * 3_000_000)],
        lambda files: [],
    ],
)
def test_a_damaged_or_hostile_backup_leaves_nothing(tmp_path: Path, change: Callable[[Files], Files]) -> None:
    settings, _, _ = server(tmp_path / "old")
    backup(settings, tmp_path / "x.tar.zst", silent)
    bad = changed(tmp_path / "x.tar.zst", tmp_path / "bad.tar.zst", change)
    with pytest.raises(UsageError):
        restore(Settings(data_dir=tmp_path / "new", disk_floor_bytes=0), bad, silent)
    assert empty(tmp_path / "new")


def test_a_catalogue_that_does_not_load_leaves_nothing_though_its_checksums_agree(
    tmp_path: Path, database: Databases
) -> None:
    settings, _, _ = server(tmp_path / "old")
    with closing(sqlite3.connect(tmp_path / "old" / "liveclass.db")) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    backup(settings, tmp_path / "x.tar.zst", silent)
    for kind in ("sqlite", "postgresql"):
        restored = Settings(data_dir=tmp_path / kind, database_url=database(kind), disk_floor_bytes=0)
        with pytest.raises(UsageError, match="newer version"):
            restore(restored, tmp_path / "x.tar.zst", silent)
        assert empty(tmp_path / kind)


def test_a_backup_of_an_older_version_is_brought_up_to_date(tmp_path: Path) -> None:
    """Taken after the upgrade of the program and before its first start."""
    from alembic import command

    from liveclass.catalogue.database import alembic_config, connect, writing

    settings, _, _ = server(tmp_path / "old")

    async def go_back() -> None:
        engine = await connect(settings.database)
        async with writing(engine).begin() as connection:
            await connection.run_sync(lambda sync: command.downgrade(alembic_config(sync), "0001"))
        await engine.dispose()

    asyncio.run(go_back())
    backup(settings, tmp_path / "x.tar.zst", silent)
    assert rows_of(settings)[0] == b'{"revision":"0001"}\n', "the source stays as it was"
    restored = Settings(data_dir=tmp_path / "new", disk_floor_bytes=0)
    restore(restored, tmp_path / "x.tar.zst", silent)
    assert rows_of(restored)[0] != rows_of(settings)[0]
    assert rows_of(restored)[1:] == rows_of(settings)[1:]


def test_a_disk_without_room_is_seen_before_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, _, _ = server(tmp_path / "old")
    backup(settings, tmp_path / "x.tar.zst", silent)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100_000))
    with pytest.raises(UsageError, match="no room"):
        restore(Settings(data_dir=tmp_path / "new", disk_floor_bytes=0), tmp_path / "x.tar.zst", silent)
    assert empty(tmp_path / "new")


def test_links_out_of_the_data_folder_are_not_followed(tmp_path: Path) -> None:
    settings, lesson, _ = server(tmp_path / "old")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "x").write_bytes(b"not ours")
    (settings.data_dir / "recordings" / lesson.id / "x.m4s").symlink_to(tmp_path / "secret" / "x")
    (settings.data_dir / "recordings" / "linked").symlink_to(tmp_path / "secret")
    assert not [file for file in files(settings.data_dir, KEPT) if file.path.read_bytes() == b"not ours"]


def test_the_commands_say_what_they_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings, _, _ = server(tmp_path / "old")
    target = str(tmp_path / "x.tar.zst")
    assert cli.main(["backup", target, "--data-dir", str(settings.data_dir), "--without-recordings"]) == 0
    said = capsys.readouterr()
    assert "recordings' media is not in it" in said.out
    assert said.err == "", "no bar where no person looks on"
    assert cli.main(["restore", target, "--data-dir", str(tmp_path / "new")]) == 0
    assert "5 rows of the catalogue" in capsys.readouterr().out
    assert cli.main(["restore", target, "--data-dir", str(tmp_path / "new")]) == 2
    assert "not empty" in capsys.readouterr().err
    assert cli.main(["restore", str(tmp_path / "none"), "--data-dir", str(tmp_path / "newer")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_a_bar_is_drawn_on_a_terminal_alone() -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    now = iter(range(100))
    seen, unseen = Terminal(), StringIO()
    for stream in (seen, unseen):
        bar = Bar("Backup", stream=stream, monotonic=lambda: float(next(now)))
        for done in (0, 5_000_000, 10_000_000):
            bar.show(done, 10_000_000)
        bar.end()
        bar.end()
    assert unseen.getvalue() == ""
    assert seen.getvalue().count("\r") == 3
    assert "100%  10.0 of 10.0 MB" in seen.getvalue()
    assert seen.getvalue().endswith("\n")


def test_a_backup_can_be_looked_into_with_tar(tmp_path: Path) -> None:
    settings, _, _ = server(tmp_path / "old")
    done: Done = backup(settings, tmp_path / "x.tar.zst", silent)
    plain = zstandard.ZstdDecompressor().stream_reader((tmp_path / "x.tar.zst").read_bytes()).read()
    with tarfile.open(fileobj=BytesIO(plain)) as tar:
        names = tar.getnames()
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        assert json.load(manifest)["recordings"] is True
    assert len(names) == done.files + 1
