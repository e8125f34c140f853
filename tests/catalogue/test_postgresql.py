"""What is particular to a database server: it ends, it hangs, it is asked by many; and it must look like SQLite."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg  # type: ignore[import-untyped]
import pytest

from liveclass.catalogue.database import ANSWER_S
from liveclass.catalogue.store import Catalogue
from liveclass.errors import PeerError, UsageError
from tests.servers import Postgres

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)


@pytest.fixture
def url(pg: Postgres) -> str:
    return pg.database()


@pytest.fixture
async def catalogue(url: str) -> AsyncIterator[Catalogue]:
    opened = await Catalogue.open(url, pool=3)
    yield opened
    await opened.close()


def connections(pg: Postgres, url: str) -> int:
    name = url.rpartition("/")[2]
    query = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND application_name = 'liveclass'"  # noqa: S608
    return int(pg.execute("postgres", query)[0][0])


async def test_a_restart_of_the_server_is_not_noticed_afterwards(pg: Postgres, catalogue: Catalogue) -> None:
    lesson, _ = await catalogue.create_lesson("Fractions", "en")
    await asyncio.gather(*(catalogue.lessons() for _ in range(10)))  # the pool is full of connections that will be cut
    pg.stop()
    pg.start()
    answers = await asyncio.gather(*(catalogue.lesson(lesson.id) for _ in range(10)))
    assert answers == [lesson] * 10
    assert (await catalogue.set_state(lesson.id, "live", NOON)).state == "live"


async def test_while_the_server_is_away_every_call_is_a_503_at_once(pg: Postgres, catalogue: Catalogue) -> None:
    lesson, _ = await catalogue.create_lesson("Fractions", "en")
    pg.stop()
    try:
        for call in (
            lambda: catalogue.lesson(lesson.id),
            lambda: catalogue.create_lesson("Fractions", "en"),
            catalogue.ping,
        ):
            began = time.monotonic()
            with pytest.raises(PeerError) as refusal:
                await call()
            assert (refusal.value.status, refusal.value.code) == (503, "database_down")
            assert time.monotonic() - began < ANSWER_S
    finally:
        pg.start()
    assert await catalogue.lesson(lesson.id) == lesson


async def test_a_server_that_hangs_is_a_503_in_bounded_time(pg: Postgres, catalogue: Catalogue) -> None:
    lesson, _ = await catalogue.create_lesson("Fractions", "en")
    pg.freeze()
    try:
        began = time.monotonic()
        # More than the pool holds: those that wait for a connection are answered as well.
        calls = [catalogue.lesson(lesson.id), *(catalogue.create_lesson("x", "en") for _ in range(7))]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        took_s = time.monotonic() - began
    finally:
        pg.thaw()
    assert {getattr(outcome, "status", outcome) for outcome in outcomes} == {503}
    assert took_s < 3 * ANSWER_S
    assert await catalogue.lesson(lesson.id) == lesson


async def test_one_process_holds_no_more_connections_than_it_may(pg: Postgres, catalogue: Catalogue, url: str) -> None:
    seen: list[int] = []

    async def look() -> None:
        for _ in range(5):
            seen.append(await asyncio.to_thread(connections, pg, url))

    await asyncio.gather(look(), *(catalogue.create_lesson(f"Lesson {n}", "en") for n in range(200)))
    assert 1 <= max(seen) <= 3
    assert len(await catalogue.lessons(500)) == 200


async def test_a_lock_that_another_node_holds_ends_in_a_503(
    catalogue: Catalogue, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson, _ = await catalogue.create_lesson("Fractions", "en")
    other = await asyncpg.connect(url.replace("+asyncpg", ""))
    held = other.transaction()
    await held.start()
    await other.execute("SELECT * FROM lessons FOR UPDATE")
    with pytest.raises(PeerError) as refusal:
        await catalogue.set_state(lesson.id, "live", NOON)
    assert refusal.value.status == 503
    assert await catalogue.lesson(lesson.id) == lesson, "reading goes on"
    await held.rollback()
    await other.close()
    assert (await catalogue.set_state(lesson.id, "live", NOON)).state == "live"


async def test_ids_that_differ_in_case_alone_are_different_and_ordered_as_bytes(pg: Postgres, url: str) -> None:
    """The cluster's own language would order them otherwise."""
    catalogue = await Catalogue.open(url)
    for lesson in ("aaaaaaaaaaaa", "AAAAAAAAAAAA", "BBBBBBBBBBBB", "bbbbbbbbbbbb"):
        pg.execute(
            url,
            "INSERT INTO lessons (id, title, language, state, created_at) "  # noqa: S608
            f"VALUES ('{lesson}', 'x', 'en', 'waiting', '2026-09-01T12:00:00Z')",
        )
    newest_first = ["bbbbbbbbbbbb", "aaaaaaaaaaaa", "BBBBBBBBBBBB", "AAAAAAAAAAAA"]
    assert [row.id for row in await catalogue.lessons()] == newest_first
    assert [row.id for row in await catalogue.lessons(9, "aaaaaaaaaaaa")] == newest_first[2:]
    assert await catalogue.lesson("Aaaaaaaaaaaa") is None
    await catalogue.close()


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda url: url + "_none", "InvalidCatalogNameError"),
        (lambda url: url.replace("postgres@", "nobody@"), "InvalidAuthorization"),
    ],
)
async def test_what_the_operator_has_to_mend_is_no_503(url: str, broken: object, words: str) -> None:
    assert callable(broken)
    with pytest.raises(UsageError, match=words):
        await Catalogue.open(broken(url))


async def test_a_server_that_is_not_there_ends_the_start_with_words() -> None:
    began = time.monotonic()
    with pytest.raises(UsageError, match="does not answer"):
        await Catalogue.open("postgresql://x@127.0.0.1:1/x")
    assert time.monotonic() - began < 2 * ANSWER_S
