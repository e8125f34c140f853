"""What a node puts into the store, finds there again, and leaves behind nowhere."""

# ruff: noqa: ASYNC240 - these tests look at files between awaits; nothing else runs on their loop

import asyncio
from pathlib import Path
from urllib.request import urlopen

import pytest

from liveclass.archive.model import contents
from liveclass.archive.store import Store, StoreGone
from liveclass.errors import UsageError
from tests.archive.depot import LESSON, MARKER, Depot, Faulty, until


async def stored(store: Store, lesson: str = LESSON) -> dict[str, bytes]:
    """What the store has of a lesson: each file and each log as whoever fetches it gets it."""
    found = contents(await store.names(lesson))
    whole = {f"{kind}/{name}": await store.get(one.path) for (kind, name), one in found.files.items()}
    for (kind, name), chain in found.logs.items():
        whole[f"{kind}/{name}"] = b"".join([await store.get(one.path) for one in chain])
    return whole


async def test_a_running_lesson_is_in_the_store_but_for_what_is_open(tmp_path: Path, store: Faulty) -> None:
    depot = Depot(tmp_path / "data", store)
    depot.teach()
    await depot.archive.start()
    await depot.archive.flush()
    found = await stored(store)
    assert found["recording/journal.jsonl"] == depot.path("recording", "journal.jsonl").read_bytes()
    assert found["timeline/lesson.jsonl"] == depot.path("timeline").read_bytes()
    assert found["recording/main-000003.m4s"] == depot.path("recording", "main-000003.m4s").read_bytes()
    assert sorted(found) == sorted(
        [
            *(f"recording/main-00000{number}.m4s" for number in range(1, 6)),
            *(f"recording/{name}" for name in ("journal.jsonl", "main-init-1.mp4")),
            *(f"materials/{path.name}" for path in depot.path("materials").iterdir()),
            "snapshot/lesson.json",
            "timeline/lesson.jsonl",
        ]
    )
    await depot.archive.close()


async def test_each_segment_is_told_of_and_whether_it_is_there(tmp_path: Path, folder: Store) -> None:
    store = Faulty.over(folder)
    depot = Depot(tmp_path / "data", store)
    depot.teach(segments=2)
    await depot.archive.start()
    await depot.archive.flush()
    size = depot.path("recording", "main-000001.m4s").stat().st_size
    assert depot.uploads == [(LESSON, size, 0.0, True)] * 2
    depot.segment(3)
    store.lost_answers = 1
    await depot.archive.flush()
    depot.now += 100.0
    await depot.archive.flush()
    assert [well for *_, well in depot.uploads[2:]] == [False, True]
    await depot.archive.close()


async def test_what_grows_is_put_in_chunks_and_nothing_twice(tmp_path: Path, store: Faulty) -> None:
    depot = Depot(tmp_path / "data", store)
    depot.teach()
    await depot.archive.start()
    await depot.archive.flush()
    for number in range(6, 12):
        depot.now += 1
        store.puts.clear()
        depot.segment(number)
        await depot.archive.flush()
        kinds = sorted(path.split("/")[-1].split(".")[0] for path in store.puts)
        assert kinds == ["journal", f"main-{number:06d}"]
        assert store.puts[0].split("/")[-1].startswith("main-"), "what the journal tells of is there first"
    store.puts.clear()
    await depot.archive.flush()
    assert store.puts == []
    assert (await stored(store))["recording/journal.jsonl"] == depot.path("recording", "journal.jsonl").read_bytes()
    depot.finish()
    await depot.archive.flush()
    found = contents(await store.names(LESSON))
    assert [len(chain) for chain in found.logs.values()] == [1, 1]
    assert found.passed == []
    await depot.archive.close()


@pytest.mark.parametrize("state_lost", [False, True])
async def test_after_a_crash_only_what_is_missing_is_put(tmp_path: Path, store: Faulty, state_lost: bool) -> None:
    before = Depot(tmp_path / "data", store)
    before.teach()
    await before.archive.start()
    await before.archive.flush()
    await before.archive.close(0)
    if state_lost:
        for path in (tmp_path / "data" / "archive").glob("*.*"):
            path.unlink()
    after = Depot(tmp_path / "data", store)
    after.segment(6)
    store.puts.clear()
    await after.archive.start()
    await after.archive.flush()
    names = {path.split("/")[-1].split(".")[0] for path in store.puts}
    assert names == {"main-000006", "journal"} | set()
    assert (await stored(store))["recording/journal.jsonl"] == after.path("recording", "journal.jsonl").read_bytes()
    assert (await stored(store))["recording/main-000002.m4s"] == after.path("recording", "main-000002.m4s").read_bytes()
    await after.archive.close()


async def test_a_file_that_is_not_what_the_store_has_is_put_again(tmp_path: Path, store: Faulty) -> None:
    depot = Depot(tmp_path / "data", store)
    depot.teach()
    await depot.archive.start()
    await depot.archive.flush()
    await depot.archive.close(0)
    for path in (tmp_path / "data" / "archive").glob("*.*"):
        path.unlink()
    changed = bytes(reversed(depot.path("recording", "main-000002.m4s").read_bytes()))
    depot.put("recording", "main-000002.m4s", changed)
    again = Depot(tmp_path / "data", store)
    await again.archive.start()
    await again.archive.flush()
    assert (await stored(store))["recording/main-000002.m4s"] == changed
    await again.archive.close()


async def test_a_store_that_is_gone_for_minutes_is_caught_up_with(tmp_path: Path, store: Faulty) -> None:
    depot = Depot(tmp_path / "data", store)
    depot.teach()
    store.gone = True
    await depot.archive.start()
    await until(lambda: depot.archive.counters.failures > 2, depot)
    for number in range(6, 10):
        depot.segment(number)
    assert depot.archive.counters.waiting == 1
    failures = depot.archive.counters.failures
    await asyncio.sleep(0.2)
    assert depot.archive.counters.failures - failures <= 1, "it is not asked all the time"
    store.gone = False
    await until(lambda: depot.archive.counters.waiting == 0, depot)
    assert (await stored(store))["recording/journal.jsonl"] == depot.path("recording", "journal.jsonl").read_bytes()
    await depot.archive.close()


async def test_a_put_whose_answer_was_lost_spoils_no_log(tmp_path: Path, folder: Store) -> None:
    store = Faulty.over(folder)
    depot = Depot(tmp_path / "data", store)
    depot.teach()
    await depot.archive.start()
    for number in range(6, 20):
        store.lost_answers = 1 if number % 3 == 0 else 0
        depot.segment(number)
        depot.add("timeline", b"{}")
        await depot.archive.flush()
        depot.now += 60
    await depot.archive.flush()
    assert (await stored(store))["recording/journal.jsonl"] == depot.path("recording", "journal.jsonl").read_bytes()
    assert (await stored(store))["timeline/lesson.jsonl"] == depot.path("timeline").read_bytes()
    await depot.archive.close()


async def test_a_node_that_has_nothing_goes_on_where_another_ended(tmp_path: Path, store: Faulty) -> None:
    one = Depot(tmp_path / "one", store, alone=False)
    one.teach()
    await one.archive.start()
    assert not await one.archive.fetch(LESSON, 1)
    one.archive.keep(LESSON, 1)
    await one.archive.flush()
    two = Depot(tmp_path / "two", store, alone=False)
    await two.archive.start()
    assert await two.archive.fetch(LESSON, 2)
    assert two.path("recording", "journal.jsonl").read_bytes() == one.path("recording", "journal.jsonl").read_bytes()
    assert two.path("timeline").read_bytes() == one.path("timeline").read_bytes()
    assert two.path("snapshot").read_bytes() == one.path("snapshot").read_bytes()
    assert two.path("materials", "abcdef12.index").exists()
    await until(
        lambda: (
            set(one.files()) - set(two.files())
            <= {f"recordings/{LESSON}/main-000006.m4s.part", f"recordings/{LESSON}/main.m3u8"}
        ),
        two,
    )
    two.archive.keep(LESSON, 2)
    store.puts.clear()
    two.segment(6)
    await two.archive.flush()
    names = sorted(path.split("/")[-1].split(".")[0] for path in store.puts)
    assert names == ["journal", "lesson", "main-000006"]
    assert (await stored(store))["recording/journal.jsonl"] == two.path("recording", "journal.jsonl").read_bytes()
    await one.archive.close()
    await two.archive.close()


async def test_what_a_former_owner_puts_late_counts_for_nothing(tmp_path: Path, store: Faulty) -> None:
    one = Depot(tmp_path / "one", store, alone=False)
    one.teach()
    await one.archive.start()
    one.archive.keep(LESSON, 1)
    await one.archive.flush()
    two = Depot(tmp_path / "two", store, alone=False)
    await two.archive.start()
    await two.archive.fetch(LESSON, 2)
    two.archive.keep(LESSON, 2)
    ours = two.segment(6)
    # It has looked for a later owner just now, so it puts once more what it has.
    one.put("recording", "main-000006.m4s", b"theirs")
    one.add("recording", b'{"theirs": true}')
    await one.archive.flush()
    await two.archive.flush()
    found = await stored(store)
    assert found["recording/main-000006.m4s"] == ours
    assert b"theirs" not in found["recording/journal.jsonl"]
    # Afterwards it finds the mark.
    one.now += 10
    store.puts.clear()
    one.put("recording", "main-000007.m4s", b"theirs")
    await one.archive.flush()
    assert store.puts == []
    assert one.archive.counters.fenced == 1
    await one.archive.close()
    await two.archive.close()


async def test_a_node_that_owned_the_lesson_before_does_not_go_on_with_its_old_files(
    tmp_path: Path, store: Faulty
) -> None:
    one = Depot(tmp_path / "one", store, alone=False)
    one.teach()
    await one.archive.start()
    one.archive.keep(LESSON, 1)
    await one.archive.flush()
    one.put("recording", "main-000006.m4s", b"never put")
    one.archive.release(LESSON)
    two = Depot(tmp_path / "two", store, alone=False)
    await two.archive.start()
    await two.archive.fetch(LESSON, 2)
    two.archive.keep(LESSON, 2)
    two.segment(6)
    await two.archive.flush()
    two.archive.release(LESSON)
    assert await one.archive.fetch(LESSON, 3)
    assert one.path("recording", "journal.jsonl").read_bytes() == two.path("recording", "journal.jsonl").read_bytes()
    last = one.path("recording", "main-000006.m4s")
    await until(last.exists, one)
    assert last.read_bytes() == two.path("recording", "main-000006.m4s").read_bytes()
    # The workers of one machine have one folder: what is here is the latest.
    third = Depot(tmp_path / "one", store, alone=False)
    one.archive.keep(LESSON, 3)
    await one.archive.flush()
    one.segment(7)
    assert not await third.archive.fetch(LESSON, 4)
    assert third.path("recording", "main-000007.m4s").exists()
    with pytest.raises(StoreGone):
        await one.archive.fetch(LESSON, 3)
    for depot in (one, two, third):
        await depot.archive.close()


async def test_nothing_of_a_deleted_lesson_is_left_anywhere(tmp_path: Path, folder: Store) -> None:
    """Store, data folder, copies on the disks of both nodes."""
    one = Depot(tmp_path / "one", folder, alone=False)
    two = Depot(tmp_path / "two", folder, alone=False)
    for depot in (one, two):
        await depot.archive.start()
    one.teach()
    one.teach(lesson="other")
    one.archive.keep(LESSON, 1)
    one.archive.keep("other", 1)
    await one.archive.flush()
    one.archive.release(LESSON)
    await two.archive.fetch(LESSON, 2)
    two.archive.keep(LESSON, 2)
    two.finish()
    await two.archive.flush()
    copy = await two.archive.open(LESSON, "main-000001.m4s")
    assert copy is not None
    assert copy.path is not None
    await two.archive.delete(LESSON)
    for kind in ("recording", "timeline", "snapshot", "materials"):
        two.archive._data.remove(LESSON, kind)
    await one.archive.purge()
    left = [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and MARKER in path.read_bytes() and "other" not in path.as_posix()
    ]
    assert left == []
    assert [path for path in tmp_path.rglob(f"*{LESSON}*") if path.name != LESSON or path.parent.name != "all"] == []
    assert await two.archive.open(LESSON, "main-000001.m4s") is None
    assert len(await stored(folder, "other")) > 5
    for depot in (one, two):
        await depot.archive.close()


async def handed_over(tmp_path: Path, store: Faulty) -> tuple[Depot, Depot]:
    """A machine that has put a lesson into the store and let go of it, and another one."""
    one, two = (Depot(tmp_path / name, store, alone=False) for name in ("one", "two"))
    one.teach()
    one.archive.keep(LESSON, 1)
    await one.archive.flush()
    one.archive.release(LESSON)
    return one, two


async def test_what_a_new_owner_needs_comes_back_though_it_keeps_the_lesson_at_once(
    tmp_path: Path, store: Faulty
) -> None:
    one, two = await handed_over(tmp_path, store)
    await two.archive.fetch(LESSON, 2)
    two.archive.keep(LESSON, 2)
    closed = {name for name in one.files() if not name.endswith((".part", ".m3u8"))}
    await until(lambda: closed <= set(two.files()), two)
    for depot in (one, two):
        await depot.archive.close()


async def test_a_lesson_that_is_about_to_be_deleted_is_neither_put_nor_brought_back(
    tmp_path: Path, store: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await handed_over(tmp_path, store)
    asked, answer = asyncio.Event(), asyncio.Event()
    real = Faulty.get

    async def slow(store: Faulty, path: str) -> bytes:
        if ".webp" in path:
            asked.set()
            await answer.wait()
        return await real(store, path)

    monkeypatch.setattr(Faulty, "get", slow)
    await two.archive.fetch(LESSON, 2)
    two.archive.keep(LESSON, 2)
    await asyncio.wait_for(asked.wait(), 5)
    await two.archive.leave(LESSON)
    answer.set()
    for kind in ("recording", "timeline", "snapshot", "materials"):
        two.archive._data.remove(LESSON, kind)
    two.archive.touched(LESSON)
    two.archive.keep(LESSON, 2)
    assert two.archive._kept == {}
    await asyncio.sleep(0.2)
    assert [path for path in (tmp_path / "two").rglob("*") if path.is_file() and MARKER in path.read_bytes()] == []
    for depot in (one, two):
        await depot.archive.close()


async def test_a_deletion_outlives_a_store_that_is_gone_and_a_restart(tmp_path: Path, store: Faulty) -> None:
    depot = Depot(tmp_path / "data", store)
    depot.teach()
    await depot.archive.start()
    await depot.archive.flush()
    store.gone = True
    await depot.archive.delete(LESSON)
    for kind in ("recording", "timeline", "snapshot", "materials"):
        depot.archive._data.remove(LESSON, kind)
    await depot.archive.close(0)
    store.gone = False
    assert await store.names(LESSON)
    again = Depot(tmp_path / "data", store)
    await again.archive.start()
    await until(lambda: again.archive.counters.deleted_lessons == 1, again)
    assert await store.names(LESSON) == []
    await again.archive.close()


async def test_the_recording_alone_can_go(tmp_path: Path, store: Faulty) -> None:
    depot = Depot(tmp_path / "data", store)
    depot.teach()
    await depot.archive.start()
    await depot.archive.flush()
    await depot.archive.delete(LESSON, recording_only=True)
    depot.archive._data.remove(LESSON, "recording")
    await depot.archive.flush()
    kinds = {name.split("/")[0] for name in await stored(store)}
    assert kinds == {"timeline", "snapshot", "materials"}
    await depot.archive.close()


async def test_a_material_that_is_deleted_goes_from_the_store(tmp_path: Path, store: Faulty) -> None:
    depot = Depot(tmp_path / "data", store)
    depot.teach()
    await depot.archive.start()
    await depot.archive.flush()
    for path in depot.path("materials").iterdir():
        path.unlink()
    await depot.archive.flush()
    assert not any("/materials/" in path for path, _ in await store.names(LESSON))
    await depot.archive.close()


async def test_copies_stay_within_their_bound(tmp_path: Path, store: Faulty) -> None:
    one = Depot(tmp_path / "one", store)
    one.teach(20)
    await one.archive.start()
    await one.archive.flush()
    two = Depot(tmp_path / "two", store, alone=False, cache_bytes=200_000)
    await two.archive.start()
    for number in [*range(1, 21), *range(1, 21)]:
        found = await two.archive.open(LESSON, f"main-{number:06d}.m4s")
        assert found is not None
        assert found.path is not None
        assert found.path.read_bytes() == one.path("recording", f"main-{number:06d}.m4s").read_bytes()
        copies = list((tmp_path / "two" / "archive" / "cache").rglob("*"))
        assert sum(path.stat().st_size for path in copies if path.is_file()) <= 200_000
    hits = two.archive.counters.cache_hits
    await two.archive.open(LESSON, "main-000020.m4s")
    assert two.archive.counters.cache_hits == hits + 1
    # What is large beside the bound is read in pieces.
    one.put("recording", "light.mp4", bytes(range(256)) * 400)
    await one.archive.flush()
    two.now += 100
    found = await two.archive.open(LESSON, "light.mp4")
    assert found is not None
    assert found.path is None
    pieces = [piece async for piece in two.archive.chunks(found, 1000, 50_000)]
    assert b"".join(pieces) == (bytes(range(256)) * 400)[1000:51_000]
    assert await two.archive.open(LESSON, "main-000099.m4s") is None
    await one.archive.close()
    await two.archive.close()


async def test_a_signed_address_gives_the_bytes_and_expires(tmp_path: Path, s3: Store) -> None:
    depot = Depot(tmp_path / "data", s3, redirect=True, signed_s=90.0)
    depot.teach()
    await depot.archive.start()
    await depot.archive.flush()
    found = await depot.archive.open(LESSON, "main-000001.m4s")
    assert found is not None
    assert "X-Amz-Expires=90&" in found.url
    assert "a secret" not in found.url
    assert found.url.startswith(f"{depot.archive.origin}/lessons/some/prefix/{LESSON}/")
    answer = await asyncio.to_thread(lambda: urlopen(found.url))  # noqa: S310
    assert answer.headers["Content-Type"] == "video/iso.segment"
    assert answer.read() == depot.path("recording", "main-000001.m4s").read_bytes()
    await depot.archive.close()


async def test_a_large_file_goes_up_in_parts(tmp_path: Path, store: Faulty) -> None:
    depot = Depot(tmp_path / "data", store)
    data = b"".join(number.to_bytes(4, "big") for number in range(5_000_000))
    depot.put("recording", "light.mp4", data)
    await depot.archive.start()
    await depot.archive.flush()
    assert (await stored(store))["recording/light.mp4"] == data
    await depot.archive.close()


def test_a_url_that_names_no_store_is_refused(tmp_path: Path) -> None:
    for url in ("http://example.org", "s3://", "file://host/path", "lessons"):
        with pytest.raises(UsageError):
            Store.open(url)


async def test_a_store_that_nobody_answers_for_is_gone_not_silent(tmp_path: Path) -> None:
    store = Store.open("s3://lessons", endpoint="http://127.0.0.1:9", key_id="key", key_secret="a secret")  # noqa: S106
    with pytest.raises(StoreGone) as gone:
        await store.names(LESSON)
    assert "secret" not in str(gone.value)
