"""A catalogue leaves one database and arrives in another, whole or not at all."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liveclass.catalogue.dump import BATCH_ROWS, dump, load, rows_in
from liveclass.catalogue.move import move
from liveclass.catalogue.store import Catalogue
from liveclass.errors import UsageError
from tests.servers import Postgres

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def other(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A second, empty database."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'other.db'}"
    server: Postgres = request.getfixturevalue("pg")
    return server.database()


async def lines_of(url: str) -> list[bytes]:
    return b"".join([line async for line in dump(url)]).splitlines(keepends=True)


async def filled(catalogue: Catalogue, count: int) -> list[dict[str, str]]:
    links = []
    for number in range(count):
        lesson, tokens = await catalogue.create_lesson(f"分数 {number}", "zh-CN", NOON if number % 2 else None)
        await catalogue.put_recording(lesson.id, state="stopped", duration_s=number / 3, bytes_=2**40 + number)
        if number % 3 == 0:
            await catalogue.set_state(lesson.id, "live", NOON)
            await catalogue.revoke(lesson.id, "replay")
        links.append({"id": lesson.id, "token": tokens["teacher"]})
    return links


async def test_what_is_loaded_is_what_was_dumped(url: str, catalogue: Catalogue, other: str) -> None:
    links = await filled(catalogue, 5)
    lines = await lines_of(url)
    assert await load(other, lines) == 5 * 5
    assert await lines_of(other) == lines, "the same bytes from every database"
    restored = await Catalogue.open(other)
    assert await restored.lessons() == await catalogue.lessons()
    assert [await restored.role_of(link["id"], link["token"]) for link in links] == ["teacher"] * 5
    await restored.close()


async def test_a_dump_is_of_one_moment(url: str, catalogue: Catalogue) -> None:
    await filled(catalogue, 3)
    seen: list[bytes] = []
    async for line in dump(url):
        seen.append(line)
        await catalogue.create_lesson("Later", "en")
    assert b"Later" not in b"".join(seen)
    assert b'{"rows":15}' in seen[-1]


@pytest.mark.parametrize(
    "harm",
    [
        lambda lines: lines[:-1],
        lambda lines: [*lines, b"{}\n"],
        lambda lines: [line for line in lines if "分数 1".encode() not in line],
        lambda lines: [lines[0].replace(b"000", b"999"), *lines[1:]],
        lambda lines: [line.replace(b'"token_hash"', b'"token_hush"') for line in lines],
        lambda lines: [line.replace(b"lessons", b"sqlite_master") for line in lines],
        lambda lines: [line.replace(b"2026-09-01", b"2026-99-01") for line in lines],
        lambda lines: [line.replace(b"zh-CN", b"x" * 2_000_000) for line in lines],
        lambda lines: [],
        lambda lines: [b"\xff\xfe", *lines[1:]],
    ],
)
async def test_a_damaged_dump_leaves_nothing(url: str, tmp_path: Path, harm: object) -> None:
    first = f"sqlite+aiosqlite:///{tmp_path / 'first.db'}"
    catalogue = await Catalogue.open(first)
    await filled(catalogue, 3)
    await catalogue.close()
    assert callable(harm)
    with pytest.raises(UsageError):
        await load(url, harm(await lines_of(first)))
    assert await rows_in(url) == 0


async def test_a_database_that_holds_something_is_not_loaded_into(url: str, catalogue: Catalogue) -> None:
    await filled(catalogue, 1)
    lines = await lines_of(url)
    with pytest.raises(UsageError, match="not empty"):
        await load(url, lines)
    assert await lines_of(url) == lines


@settings(max_examples=30)
@given(st.binary(max_size=400))
def test_no_bytes_in_the_place_of_a_dump_do_harm(tmp_path_factory: pytest.TempPathFactory, noise: bytes) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path_factory.getbasetemp() / 'noise.db'}"
    head = b'{"revision":"0001"}\n{"table":"lessons","columns":[["id","text"]]}\n'
    for lines in (noise.splitlines(keepends=True), (head + noise).splitlines(keepends=True)):
        with pytest.raises(UsageError):
            asyncio.run(load(url, lines))


async def test_moving_carries_every_row_and_can_be_repeated(url: str, catalogue: Catalogue, other: str) -> None:
    await filled(catalogue, 4)
    seen: list[tuple[int, int]] = []
    moved = await move(url, other, lambda done, total: seen.append((done, total)))
    assert {part.table: (part.rows, part.new) for part in moved} == {
        "lessons": (4, 4),
        "links": (12, 12),
        "recordings": (4, 4),
    }
    assert seen[-1] == (40, 40)
    assert await lines_of(other) == await lines_of(url)
    again = await move(url, other, lambda done, total: None)
    assert [(part.rows, part.new, part.sha256) for part in again] == [(p.rows, 0, p.sha256) for p in moved]


async def test_an_interrupted_move_goes_on_where_it_stopped(url: str, catalogue: Catalogue, other: str) -> None:
    await filled(catalogue, 4)

    def stop(done: int, total: int) -> None:
        if done >= 4:  # lessons are there, links are not
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await move(url, other, stop)
    moved = await move(url, other, lambda done, total: None)
    assert [part.new for part in moved] == [0, 12, 4]
    assert await lines_of(other) == await lines_of(url)


async def test_what_the_target_has_of_its_own_stays(url: str, catalogue: Catalogue, other: str) -> None:
    fleet = await Catalogue.open(other)
    theirs, _ = await fleet.create_lesson("Another server's", "en")
    await filled(catalogue, 2)
    await move(url, other, lambda done, total: None)
    assert await fleet.lesson(theirs.id) == theirs
    ours = (await catalogue.lessons(state="waiting"))[0]
    moved_on = await fleet.set_state(ours.id, "live", NOON)
    with pytest.raises(UsageError, match="1 rows of lessons differ"):
        await move(url, other, lambda done, total: None)
    assert await fleet.lesson(ours.id) == moved_on
    await move(url, other, lambda done, total: None, overwrite=True)
    assert await fleet.lesson(ours.id) == ours
    await fleet.close()


async def test_more_rows_than_a_batch_are_moved(tmp_path: Path) -> None:
    source = f"sqlite+aiosqlite:///{tmp_path / 'x.db'}"
    await (await Catalogue.open(source)).close()
    with closing(sqlite3.connect(tmp_path / "x.db")) as database, database:
        database.executemany(
            "INSERT INTO lessons VALUES (?, 'x', 'en', 'waiting', '2026-09-01 12:00:00.000000', NULL, NULL, NULL)",
            [(f"{number:012}",) for number in range(2 * BATCH_ROWS)],
        )
    target = f"sqlite+aiosqlite:///{tmp_path / 'y.db'}"
    moved = await move(source, target, lambda done, total: None)
    assert moved[0].rows == moved[0].new == 2 * BATCH_ROWS
    assert await lines_of(source) == await lines_of(target)
