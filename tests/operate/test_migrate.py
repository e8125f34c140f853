"""A small server's data moves into a fleet: all of it, compared, and again where it stopped."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from moto.server import ThreadedMotoServer

from liveclass import cli
from liveclass.archive.local import Data
from liveclass.archive.model import contents
from liveclass.config import Settings
from liveclass.errors import UsageError
from liveclass.operate.lock import held
from liveclass.operate.migrate import ObjectStore, copy_files, migrate_files, object_name
from tests.operate.test_backup import rows_of, server, silent
from tests.servers import Postgres, missing_postgres, postgres


@pytest.fixture(scope="module")
def pg() -> Iterator[Postgres]:
    if why := missing_postgres():
        pytest.skip(why)
    with postgres() as running:
        yield running


@pytest.fixture
def old(tmp_path: Path) -> Settings:
    """A server that was ended in peace."""
    settings, lesson, _ = server(tmp_path / "old")
    (settings.data_dir / "recordings" / lesson.id / "main-000002.m4s.part").unlink()
    return settings


def test_every_file_of_a_lesson_arrives_under_the_archives_name(old: Settings, tmp_path: Path) -> None:
    store = ObjectStore(f"file://{tmp_path}/store")
    copied = migrate_files(old, store.put, silent)
    objects = [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert copied.files == copied.new == len(objects) == 6
    for path in objects:
        assert path.name.rpartition(".")[2] == hashlib.sha256(path.read_bytes()).hexdigest()
    again = migrate_files(old, store.put, silent)
    assert (again.files, again.new) == (6, 0)


def test_a_store_that_speaks_s3_takes_large_and_small_files(
    old: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "anyone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
    large = next((old.data_dir / "recordings").glob("*/journal.jsonl")).with_name("main-000002.m4s")
    large.write_bytes(b"0123456789abcdef" * 1_250_000)  # goes up in parts
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        address = "http://{}:{}".format(*server.get_host_and_port())
        bucket = Request(f"{address}/school", method="PUT", headers={"Host": "s3.amazonaws.com"})  # noqa: S310
        with urlopen(bucket, timeout=10) as answer:  # noqa: S310
            assert answer.status == 200
        store = ObjectStore(f"s3://school/pre/fix?endpoint={address}")
        assert migrate_files(old, store.put, silent).new == 7
        assert migrate_files(old, store.put, silent).new == 0
        with pytest.raises(UsageError, match="The store does not take"):
            migrate_files(old, ObjectStore(f"s3://none/x?endpoint={address}").put, silent)
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("name", "becomes"),
    [
        ("recordings/LESSON/main-000001.m4s", "LESSON/recording/main-000001.m4s.000000-000000f."),
        ("recordings/LESSON/journal.jsonl", "LESSON/recording/journal.jsonl.000000-000000b."),
        ("timelines/LESSON.jsonl", "LESSON/timeline/lesson.jsonl.000000-000000b."),
        ("lessons/LESSON.json", "LESSON/snapshot/lesson.json.000000-000000f."),
        ("materials/LESSON/abcdef.index", "LESSON/materials/abcdef.index.000000-000000f."),
    ],
)
def test_a_name_tells_lesson_kind_file_and_hash(name: str, becomes: str) -> None:
    assert object_name(name, "0" * 64) == becomes + "0" * 64


@pytest.mark.parametrize("name", ["recordings/LESSON/journal.jsonl", "timelines/LESSON.jsonl", "lessons/LESSON.json"])
def test_a_fleets_archive_understands_the_names(name: str) -> None:
    path = object_name(name, "0" * 64)
    found = contents([(path, 3)])
    assert [stored.path for chain in found.logs.values() for stored in chain] + [
        stored.path for stored in found.files.values()
    ] == [path]
    (key,) = [*found.logs, *found.files]
    there = Data(Path("data")).path("LESSON", *key)
    assert there == Path("data") / name


def test_an_interrupted_copy_goes_on_where_it_stopped(old: Settings, tmp_path: Path) -> None:
    store = ObjectStore(f"file://{tmp_path}/store")
    calls = 0

    def failing(name: str, path: Path, digest: str) -> tuple[str, bool]:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise KeyboardInterrupt
        return store.put(name, path, digest)

    with pytest.raises(KeyboardInterrupt):
        copy_files(old.data_dir, failing, silent)
    assert copy_files(old.data_dir, store.put, silent).new == 4


def test_a_store_that_holds_other_bytes_is_not_believed(old: Settings) -> None:
    with pytest.raises(UsageError, match="not in the store as it is here"):
        copy_files(old.data_dir, lambda name, path, digest: ("0" * 64, True), silent)


def test_an_object_that_was_damaged_in_the_store_is_put_again(old: Settings, tmp_path: Path) -> None:
    store = ObjectStore(f"file://{tmp_path}/store")
    migrate_files(old, store.put, silent)
    victim = next(path for path in (tmp_path / "store").rglob("*") if path.is_file())
    victim.write_bytes(b"rot")
    assert migrate_files(old, store.put, silent).new == 1
    assert victim.name.endswith(hashlib.sha256(victim.read_bytes()).hexdigest())


def test_a_recording_that_was_cut_off_is_to_be_repaired_first(tmp_path: Path) -> None:
    settings, _, _ = server(tmp_path / "old")
    with pytest.raises(UsageError, match="start and end the server once"):
        copy_files(settings.data_dir, lambda name, path, digest: (digest, True), silent)


@pytest.mark.parametrize("url", ["http://x/y", "bucket", "gs://x"])
def test_a_url_that_names_no_store_is_explained(url: str) -> None:
    with pytest.raises(UsageError, match="expected s3://"):
        ObjectStore(url)


def test_a_store_that_refuses_is_named_with_the_file(old: Settings, tmp_path: Path) -> None:
    store = ObjectStore(f"file://{tmp_path}/store")
    (tmp_path / "store").rmdir()
    (tmp_path / "store").write_bytes(b"a file in the place of the folder")
    with pytest.raises(UsageError, match="The store does not take lessons/"):
        copy_files(old.data_dir, store.put, silent)


def test_the_command_moves_catalogue_and_files(
    old: Settings, tmp_path: Path, pg: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    url = pg.database()
    command = ["migrate-store", "--data-dir", str(old.data_dir), "--to-database", url, "--to-store"]
    command.append(f"file://{tmp_path}/store")
    assert cli.main(command) == 0
    said = capsys.readouterr()
    assert "lessons: 1 rows, 1 of them new" in said.out
    assert "files: 6," in said.out
    assert said.err == ""
    assert rows_of(Settings(database_url=url)) == rows_of(old)
    assert cli.main(command) == 0
    assert "lessons: 1 rows, 0 of them new" in capsys.readouterr().out


def test_a_running_server_is_not_moved(old: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for target in (["--to-store", f"file://{tmp_path}/store"], ["--to-database", f"sqlite:///{tmp_path}/x.db"]):
        with held(old.data_dir):
            assert cli.main(["migrate-store", "--data-dir", str(old.data_dir), *target]) == 2
        assert "another liveclass is using" in capsys.readouterr().err
    assert cli.main(["migrate-store", "--data-dir", str(old.data_dir)]) == 2
    assert "expected --to-database" in capsys.readouterr().err
