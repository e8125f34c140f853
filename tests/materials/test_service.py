"""The store of materials: restarts, reuse, deletion and bounds."""

import asyncio
import contextlib
import errno
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from liveclass.errors import PeerError
from liveclass.materials.service import Materials
from liveclass.materials.store import Store
from liveclass.materials.threads import whole
from tests.materials import files
from tests.materials.workshop import LESSON, Workshop, hostile, workshop


async def refusal(work: Any) -> tuple[int, str]:
    with pytest.raises(PeerError) as refused:
        await work
    return refused.value.status, refused.value.code


async def kill(shop: Workshop) -> None:
    """End it as a power cut does: what the disk has is all that there is."""
    before = {path: path.read_bytes() for path in shop.folder.rglob("*.index")}
    await shop.materials.close()
    for path, data in before.items():
        path.write_bytes(data)


async def test_materials_are_there_after_a_restart(tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        made = [await shop.made(files.deck([name]), name) for name in ("one", "two", "three")]
    async with workshop(tmp_path) as shop:
        assert await shop.materials.list(LESSON) == made
        assert shop.deck(made[0]).pages[0].text == "one"


async def test_what_was_being_made_goes_on_after_a_restart_with_the_pages_it_had(tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        id = (await shop.upload(files.deck([f"page {n}" for n in range(30)]))).id
        before = await shop.until(lambda material: material.done >= 3)
        told = shop.deck(before).pages
    async with workshop(tmp_path) as shop:
        [resumed] = await shop.materials.list(LESSON)
        assert (resumed.id, resumed.state) == (id, "working")
        assert resumed.done >= 3
        ready = await shop.until(lambda material: material.state == "ready")
        pages = shop.deck(ready).pages
        assert pages[: len(told)] == told
        assert [page.text for page in pages] == [f"page {n}" for n in range(30)]
        assert min(material.done for _, material in shop.told) >= 3, "nobody is told of fewer pages than before"


async def test_a_file_that_ends_the_server_is_not_tried_for_ever(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for attempt in (1, 2):
        async with workshop(tmp_path, command=hostile("sleep"), page_s=60.0) as shop:
            if not await shop.materials.list(LESSON):
                await shop.upload(files.deck(["a"]))
            for _ in range(1000):
                if store.materials(LESSON)[0].attempts == attempt:
                    break
                await asyncio.sleep(0.01)
            await kill(shop)
        assert store.materials(LESSON)[0].attempts == attempt
    async with workshop(tmp_path) as shop:
        failed = await shop.until(lambda material: material.state == "failed")
        assert failed.problem == "interrupted"


async def test_a_restart_in_peace_is_no_attempt(tmp_path: Path) -> None:
    for _ in range(4):
        async with workshop(tmp_path, command=hostile("sleep"), page_s=60.0) as shop:
            if not await shop.materials.list(LESSON):
                await shop.upload(files.deck(["a"]))
            await asyncio.sleep(0.1)
    async with workshop(tmp_path) as shop:
        assert (await shop.until(lambda material: material.state != "working")).state == "ready"


async def test_a_crash_leaves_nothing_that_no_index_speaks_of(tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        ready = await shop.made(files.deck(["a"]))
        kept = shop.names()
    (tmp_path / LESSON / f"{'0' * 64}.webp").write_bytes(b"orphan")
    (tmp_path / LESSON / "abc.part").write_bytes(b"half")
    (tmp_path / LESSON / "zzzzzz.work").mkdir()
    (tmp_path / ".uploads" / "half").write_bytes(b"half")
    (tmp_path / ".deleted-lesson-9").mkdir()
    async with workshop(tmp_path) as shop:
        assert shop.names() == kept
        assert set(os.listdir(tmp_path)) == {LESSON}
        assert await shop.materials.list(LESSON) == [ready]


async def test_a_damaged_index_costs_its_own_material_only(tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        first, second = await shop.made(files.deck(["a"])), await shop.made(files.deck(["b"]))
    (tmp_path / LESSON / f"{first.id}.index").write_bytes(b'{"material"')
    async with workshop(tmp_path) as shop:
        assert await shop.materials.list(LESSON) == [second]


@pytest.mark.parametrize("linkable", [True, False], ids=["links", "copies"])
async def test_a_reused_deck_outlives_the_lesson_it_came_from(
    linkable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with workshop(tmp_path) as shop:
        original = await shop.made(files.deck(["again", "and again"]), "deck.pdf")
        if not linkable:

            def refuse(*_: object) -> None:
                raise OSError("no links here")

            monkeypatch.setattr(os, "link", refuse)
        again = await shop.materials.reuse(LESSON, original.id, "lesson-2")
        assert (again.name, again.state, again.manifest) == ("deck.pdf", "ready", original.manifest)
        assert again.id != original.id
        assert shop.told[-1] == ("lesson-2", again)
        page = shop.deck(again, "lesson-2").pages[0]
        links = (tmp_path / "lesson-2" / f"{page.l}.webp").stat().st_nlink
        assert links == (2 if linkable else 1)
        await shop.materials.delete_lesson(LESSON)
        assert not (tmp_path / LESSON).exists()
        assert shop.read(f"{page.l}.webp", "lesson-2")
    async with workshop(tmp_path) as shop:
        assert await shop.materials.list("lesson-2") == [again]


async def test_only_what_is_ready_can_be_reused(tmp_path: Path) -> None:
    async with workshop(tmp_path, command=hostile("sleep"), page_s=60.0) as shop:
        working = await shop.upload(files.deck(["a"]))
        assert await refusal(shop.materials.reuse(LESSON, working.id, "lesson-2")) == (409, "not_ready")
        assert await refusal(shop.materials.reuse(LESSON, "nothing", "lesson-2")) == (404, "not_found")


async def test_deleting_a_material_leaves_what_another_shares(tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        first = await shop.made(files.deck(["same", "first alone"]))
        second = await shop.made(files.deck(["same"]))
        pages = shop.deck(first).pages
        await shop.materials.delete(LESSON, first.id)
        assert shop.removed == [(LESSON, first.id)]
        assert shop.deck(second).pages[0] == pages[0]
        assert shop.read(f"{pages[0].m}.webp")
        assert f"{pages[1].m}.webp" not in shop.names()
        await shop.materials.delete(LESSON, second.id)
        assert shop.names() == set()
        assert await refusal(shop.materials.delete(LESSON, second.id)) == (404, "not_found")


@pytest.mark.parametrize("what", ["material", "lesson"])
async def test_what_is_being_made_can_be_deleted(what: str, tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        material = await shop.upload(files.deck([f"page {n}" for n in range(50)]))
        await shop.until(lambda material: material.done >= 1)
        if what == "material":
            await shop.materials.delete(LESSON, material.id)
            assert shop.names() == set()
        else:
            await shop.materials.delete_lesson(LESSON)
            assert not (tmp_path / LESSON).exists()
        assert shop.materials.working == 0
        told = len(shop.told)
        await asyncio.sleep(0.1)
        assert len(shop.told) == told
        assert (await shop.made(files.deck(["next"]), lesson="lesson-2")).state == "ready"


@pytest.mark.parametrize("what", ["material", "lesson", "all"])
async def test_a_making_that_hears_no_cancellation_holds_up_no_ending(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liveclass.materials.service.END_S", 0.4)
    release, busy = asyncio.Event(), asyncio.Event()

    async def deaf(_materials: Materials, _lesson: object, _stored: object) -> None:
        busy.set()
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()

    monkeypatch.setattr(Materials, "_make", deaf)
    async with workshop(tmp_path) as shop:
        material = await shop.upload(files.deck(["page"]))
        await busy.wait()
        async with asyncio.timeout(5.0):
            if what == "material":
                await shop.materials.delete(LESSON, material.id)
            elif what == "lesson":
                await shop.materials.delete_lesson(LESSON)
            else:
                await shop.materials.close()
        release.set()


@pytest.mark.parametrize("step", ["adopt", "write_index"])
@pytest.mark.parametrize("what", ["material", "lesson", "adopted and the lesson"])
async def test_a_disk_that_hangs_while_it_is_deleted_brings_nothing_back(
    what: str, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread cannot be ended: it writes when the disk is back, and the deletion is long over."""
    for module in ("service", "making"):
        monkeypatch.setattr(f"liveclass.materials.{module}.END_S", 0.2)
    hangs, release = asyncio.Event(), threading.Event()
    loop, real, armed = asyncio.get_running_loop(), getattr(Store, step), [step == "adopt"]

    def slow(store: Store, *arguments: Any) -> Any:
        if armed == [True]:
            armed[0] = False
            loop.call_soon_threadsafe(hangs.set)
            release.wait(20)
        return real(store, *arguments)

    real_make = Materials._make

    async def make(materials: Materials, lesson: Any, stored: Any) -> None:
        armed[0] = True  # the first index is written by whoever uploads
        await real_make(materials, lesson, stored)

    monkeypatch.setattr(Store, step, slow)
    monkeypatch.setattr(Materials, "_make", make)
    async with workshop(tmp_path) as shop:
        material = await shop.upload(files.deck(["a pupil's face"]))
        await hangs.wait()
        [task] = shop.materials._lessons[LESSON].tasks.values()
        if what == "adopted and the lesson":
            shop.materials.drop(LESSON)
            await shop.materials.list(LESSON)
        deleting = asyncio.create_task(
            shop.materials.delete(LESSON, material.id) if what == "material" else shop.materials.delete_lesson(LESSON)
        )
        await asyncio.wait([deleting], timeout=1.0)
        release.set()
        await deleting
        await asyncio.wait([task])
        assert shop.names() == set()
        if what != "material":
            assert not (tmp_path / LESSON).exists()


async def test_uploads_that_a_process_has_left_behind_go_and_those_that_come_stay(tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        upload = await shop.materials.open_upload(LESSON)
        await upload.write(b"still coming")
        left = tmp_path / ".uploads" / ("0" * 32)
        left.write_bytes(b"a pupil's face")
        os.utime(left, (1e9, 1e9))
        await shop.materials.sweep()
        assert not left.exists()
        assert len(list((tmp_path / ".uploads").iterdir())) == 1
        await upload.abort()


async def test_work_in_a_thread_is_waited_for_however_often_its_task_is_told_to_end() -> None:
    begun, release = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        loop.call_soon_threadsafe(begun.set)
        release.wait(20)

    task = asyncio.create_task(whole(work))
    await begun.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.01)
        assert not task.done()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_upload_that_comes_while_its_lesson_is_deleted_finds_none(tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        upload = await shop.materials.open_upload(LESSON)
        await upload.write(files.deck(["a"]))
        await shop.materials.delete_lesson(LESSON)
        assert await refusal(upload.finish("late")) == (404, "lesson_unknown")
        assert not (tmp_path / LESSON).exists()
        assert list((tmp_path / ".uploads").iterdir()) == []


async def test_everything_is_bounded(tmp_path: Path) -> None:
    deck = files.deck(["a"])
    async with workshop(tmp_path / "a", max_upload_bytes=len(deck)) as shop:
        assert await refusal(shop.materials.open_upload(LESSON, len(deck) + 1)) == (413, "body_too_large")
        upload = await shop.materials.open_upload(LESSON)
        await upload.write(deck)
        assert await refusal(upload.write(b"x")) == (413, "body_too_large")
        await upload.abort()
        assert list((tmp_path / "a" / ".uploads").iterdir()) == []
    async with workshop(tmp_path / "b", max_uploads=1) as shop:
        upload = await shop.materials.open_upload(LESSON)
        assert await refusal(shop.materials.open_upload(LESSON)) == (503, "too_many_uploads")
        await upload.abort()
        await (await shop.materials.open_upload(LESSON)).abort()
    async with workshop(tmp_path / "c", max_per_lesson=1) as shop:
        await shop.made(deck)
        assert await refusal(shop.upload(deck)) == (409, "too_many_materials")
        assert await shop.upload(deck, lesson="lesson-2")
    async with workshop(tmp_path / "d", max_lesson_bytes=len(deck) + 10) as shop:
        material = await shop.made(deck)
        assert (material.state, material.problem) in (("ready", ""), ("failed", "too_large"))
        assert await refusal(shop.upload(b"%PDF-" + bytes(len(deck) + 20))) == (409, "materials_full")
    async with workshop(tmp_path / "e", disk_floor_bytes=2**60) as shop:
        assert await refusal(shop.upload(deck)) == (503, "disk_full")


@pytest.mark.parametrize(
    "name",
    ["../secret", "a" * 64 + ".webp/../x", "A" * 64 + ".webp", "0" * 64, "0" * 64 + ".html", "0" * 64 + ".webp\n", ""],
)
def test_only_hashes_lead_to_a_file(name: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    (tmp_path / "secret").write_bytes(b"secret")
    with pytest.raises(PeerError) as refused:
        store.locate(LESSON, name)
    assert refused.value.status == 404


@pytest.mark.parametrize("lesson", ["..", ".", "a/b", "", "a" * 65, ".uploads", "x\0"])
def test_only_ids_lead_to_a_folder(lesson: str, tmp_path: Path) -> None:
    with pytest.raises(PeerError):
        Store(tmp_path).folder(lesson)


async def test_a_deletion_that_the_disk_refuses_can_be_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: Any, **__: Any) -> None:
        raise OSError(errno.EIO, "the disk refuses")

    async with workshop(tmp_path) as shop:
        deck = await shop.made(files.deck(["one"]))
        with monkeypatch.context() as broken:
            broken.setattr(Store, "remove", refuses)
            assert await refusal(shop.materials.delete(LESSON, deck.id)) == (503, "disk_error")
        await shop.materials.delete(LESSON, deck.id)
        assert shop.names() == set()
        await shop.made(files.deck(["two"]))
        with monkeypatch.context() as broken:
            broken.setattr(shutil, "rmtree", refuses)
            with pytest.raises(OSError, match="refuses"):
                await shop.materials.delete_lesson(LESSON)
        await shop.materials.delete_lesson(LESSON)
        assert [path for path in shop.folder.rglob("*") if path.is_file()] == []
