"""The catalogue: lessons, their states, their links, and what is known of recordings, on both databases."""

import asyncio
import base64
import hashlib
from datetime import UTC, datetime, timedelta, timezone
from itertools import product

import pytest
from sqlalchemy import delete, select, tuple_, update
from sqlalchemy.dialects import postgresql

from liveclass.catalogue.dump import dump
from liveclass.catalogue.models import Lesson, Link
from liveclass.catalogue.rows import LINK_ROLES, LessonRow, LinkRole
from liveclass.catalogue.store import TRANSITIONS, Catalogue
from liveclass.errors import PeerError, UsageError
from liveclass.lesson.messages import LessonState
from liveclass.server.ports import CataloguePort

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)


async def lesson_in(catalogue: Catalogue, state: LessonState) -> str:
    lesson, _ = await catalogue.create_lesson("Fractions", "en")
    for step in {"waiting": [], "live": ["live"], "ended": ["live", "ended"]}[state]:
        await catalogue.set_state(lesson.id, "live" if step == "live" else "ended", NOON)
    return lesson.id


def test_the_catalogue_is_what_the_server_asks_for(catalogue: Catalogue) -> None:
    port: CataloguePort = catalogue  # the type checker proves it
    assert port is catalogue


async def test_a_lesson_survives_a_restart(url: str) -> None:
    first = await Catalogue.open(url)
    planned = datetime(2026, 9, 1, 9, tzinfo=timezone(timedelta(hours=8)))
    lesson, tokens = await first.create_lesson("  分数  ", "zh-CN", planned)
    await first.close()
    second = await Catalogue.open(url)
    assert await second.lesson(lesson.id) == lesson
    assert (lesson.title, lesson.language, lesson.state, lesson.starts_at) == ("分数", "zh-CN", "waiting", planned)
    assert [await second.role_of(lesson.id, tokens[role]) for role in LINK_ROLES] == list(LINK_ROLES)
    await second.close()


async def test_times_come_back_in_utc(catalogue: Catalogue) -> None:
    planned = datetime(2026, 9, 1, 9, tzinfo=timezone(timedelta(hours=8)))
    lesson, _ = await catalogue.create_lesson("Fractions", "en", planned)
    found = await catalogue.lesson(lesson.id)
    assert found is not None
    assert found.starts_at is not None
    assert found.starts_at.tzinfo is UTC
    assert found.starts_at == planned


@pytest.mark.parametrize(
    ("title", "language", "starts_at"),
    [
        ("", "en", None),
        ("   ", "en", None),
        ("x" * 201, "en", None),
        ("a\x00b", "en", None),
        ("a\nb", "en", None),
        ("ok", "", None),
        ("ok", "x" * 17, None),
        ("ok", "en", datetime(2026, 9, 1)),
    ],
)
async def test_a_lesson_that_does_not_fit_is_refused_and_leaves_nothing(
    catalogue: Catalogue, title: str, language: str, starts_at: datetime | None
) -> None:
    with pytest.raises(PeerError) as refusal:
        await catalogue.create_lesson(title, language, starts_at)
    assert refusal.value.status == 400
    assert await catalogue.lessons() == []


async def test_ids_can_be_typed_and_tokens_have_128_bits(catalogue: Catalogue) -> None:
    seen = set()
    for _ in range(50):
        lesson, tokens = await catalogue.create_lesson("Fractions", "en")
        assert len(lesson.id) == 12
        assert lesson.id.isalnum()
        assert not set(lesson.id) & set("0O1Il")
        assert {len(token) for token in tokens.values()} == {22}
        seen |= {lesson.id, *tokens.values()}
    assert len(seen) == 200


@pytest.mark.parametrize(("before", "after"), list(product(TRANSITIONS, TRANSITIONS)))
async def test_states_change_as_the_table_says_and_not_otherwise(
    catalogue: Catalogue, before: LessonState, after: LessonState
) -> None:
    lesson = await lesson_in(catalogue, before)
    was = await catalogue.lesson(lesson)
    if after in TRANSITIONS[before]:
        row = await catalogue.set_state(lesson, after, NOON)
        assert row.state == after
        assert (row.started_at if after == "live" else row.ended_at) == NOON
        assert await catalogue.lesson(lesson) == row
    else:
        with pytest.raises(PeerError) as refusal:
            await catalogue.set_state(lesson, after, NOON + timedelta(hours=1))
        assert (refusal.value.status, refusal.value.code) == (409, f"lesson_{before}")
        assert await catalogue.lesson(lesson) == was


async def test_of_two_who_start_a_lesson_at_once_one_succeeds(catalogue: Catalogue) -> None:
    lesson = await lesson_in(catalogue, "waiting")
    outcomes = await asyncio.gather(
        *(catalogue.set_state(lesson, "live", NOON) for _ in range(8)), return_exceptions=True
    )
    assert sum(isinstance(outcome, LessonRow) for outcome in outcomes) == 1
    assert all(isinstance(outcome, LessonRow | PeerError) for outcome in outcomes)


@pytest.mark.parametrize("lesson", ["nowhere", "", "a\x00b", "x" * 10_000, "\ud800", "' OR 1=1"])
async def test_an_unknown_lesson_is_404(catalogue: Catalogue, lesson: str) -> None:
    for call in (
        catalogue.set_state(lesson, "live", NOON),
        catalogue.revoke(lesson, "teacher"),
        catalogue.rotate(lesson, "teacher"),
        catalogue.lessons(10, lesson),
    ):
        with pytest.raises(PeerError) as refusal:
            await call
        assert (refusal.value.status, refusal.value.code) == (404, "lesson_unknown")
    assert await catalogue.lesson(lesson) is None
    assert not await catalogue.delete_lesson(lesson)
    assert await catalogue.role_of(lesson, "x") is None


async def test_pages_of_lessons_hold_each_once_newest_first(catalogue: Catalogue) -> None:
    made = [(await catalogue.create_lesson(f"Lesson {n}", "en"))[0].id for n in range(7)]
    seen: list[str] = []
    before = None
    while page := await catalogue.lessons(3, before):
        assert len(page) <= 3
        seen += [row.id for row in page]
        before = seen[-1]
    assert seen == made[::-1]


async def test_a_page_is_bounded_whatever_is_asked_for(catalogue: Catalogue) -> None:
    await catalogue.create_lesson("One", "en")
    await catalogue.create_lesson("Two", "en")
    assert len(await catalogue.lessons(-5)) == 1
    assert len(await catalogue.lessons(10**9)) == 2


async def test_live_lessons_are_those_to_take_up_after_a_restart(catalogue: Catalogue) -> None:
    for state in TRANSITIONS:
        await lesson_in(catalogue, state)
    live = await catalogue.live_lessons()
    assert [row.state for row in live] == ["live"]
    assert live == await catalogue.lessons(state="live")


async def test_a_token_opens_its_own_lesson_in_its_own_role_only(catalogue: Catalogue) -> None:
    mine, tokens = await catalogue.create_lesson("Mine", "en")
    other, _ = await catalogue.create_lesson("Other", "en")
    for role, token in tokens.items():
        assert await catalogue.role_of(mine.id, token) == role
        assert await catalogue.role_of(other.id, token) is None
        assert await catalogue.role_of(mine.id, token[:-1]) is None
        assert await catalogue.role_of(mine.id, token + "A") is None
    for forged in ("", "\ud800", "a" * 100_000, "' OR 1=1 --"):
        assert await catalogue.role_of(mine.id, forged) is None


@pytest.mark.parametrize("role", LINK_ROLES)
async def test_a_revoked_link_opens_nothing_and_the_others_stay(catalogue: Catalogue, role: LinkRole) -> None:
    lesson, tokens = await catalogue.create_lesson("Fractions", "en")
    await catalogue.revoke(lesson.id, role)
    await catalogue.revoke(lesson.id, role)
    for each in LINK_ROLES:
        assert await catalogue.role_of(lesson.id, tokens[each]) == (None if each == role else each)


async def test_a_rotated_link_opens_with_the_new_token_alone(catalogue: Catalogue) -> None:
    lesson, tokens = await catalogue.create_lesson("Fractions", "en")
    fresh = await catalogue.rotate(lesson.id, "classroom")
    again = await catalogue.rotate(lesson.id, "classroom")
    found = [await catalogue.role_of(lesson.id, token) for token in (tokens["classroom"], fresh, again)]
    assert found == [None, None, "classroom"]


async def everything(url: str) -> bytes:
    """All that the database holds, as its export tells."""
    return b"".join([line async for line in dump(url)])


async def test_no_token_is_in_the_database(catalogue: Catalogue, url: str) -> None:
    lesson, tokens = await catalogue.create_lesson("Fractions", "en")
    tokens["teacher"] = await catalogue.rotate(lesson.id, "teacher")
    content = await everything(url)
    assert base64.b64encode(hashlib.sha256(tokens["replay"].encode()).digest()) in content, "the hash should be there"
    assert not any(token.encode() in content for token in tokens.values())


async def test_a_deleted_lesson_is_in_no_row_of_any_table(catalogue: Catalogue, url: str) -> None:
    lesson, tokens = await catalogue.create_lesson("Fractions with Mrs Li", "en")
    kept, kept_tokens = await catalogue.create_lesson("Kept", "en")
    for row in (lesson, kept):
        await catalogue.put_recording(row.id, state="finished", duration_s=1.0, bytes_=1)
    digests = [base64.b64encode(hashlib.sha256(token.encode()).digest()) for token in tokens.values()]
    mentions = [lesson.id.encode(), b"Mrs Li", *digests]
    before = await everything(url)
    assert all(mention in before for mention in mentions)
    assert await catalogue.delete_lesson(lesson.id)
    assert not await catalogue.delete_lesson(lesson.id)
    after = await everything(url)
    assert not any(mention in after for mention in mentions)
    assert await catalogue.role_of(lesson.id, tokens["replay"]) is None
    assert await catalogue.recording(lesson.id) is None
    assert await catalogue.role_of(kept.id, kept_tokens["replay"]) == "replay"
    assert after.count(kept.id.encode()) == 5, "the lesson, its links and its recording"


async def test_the_last_news_of_a_recording_counts(catalogue: Catalogue) -> None:
    lesson, _ = await catalogue.create_lesson("Fractions", "en")
    assert await catalogue.recording(lesson.id) is None
    await catalogue.put_recording(lesson.id, state="recording", duration_s=1.5, bytes_=10)
    assert await catalogue.put_recording(
        lesson.id, state="stopped", duration_s=3600.25, bytes_=5 * 2**32, problem="disk_full", at=NOON
    )
    row = await catalogue.recording(lesson.id)
    assert row is not None
    assert (row.state, row.duration_s, row.bytes, row.problem, row.updated_at) == (
        "stopped",
        3600.25,
        5 * 2**32,
        "disk_full",
        NOON,
    )
    assert await catalogue.recordings([lesson.id, "nowhere"]) == {lesson.id: row}


async def test_late_news_of_a_deleted_recording_is_dropped(catalogue: Catalogue) -> None:
    lesson, _ = await catalogue.create_lesson("Fractions", "en")
    await catalogue.delete_lesson(lesson.id)
    assert not await catalogue.put_recording(lesson.id, state="finished", duration_s=1.0, bytes_=1)
    with pytest.raises(UsageError, match="no state"):
        await catalogue.put_recording(lesson.id, state="lost", duration_s=1.0, bytes_=1)


async def test_many_tasks_may_write_at_once(catalogue: Catalogue) -> None:
    lessons = [row.id for row, _ in await asyncio.gather(*(catalogue.create_lesson("x", "en") for _ in range(20)))]
    await asyncio.gather(
        *(
            catalogue.put_recording(lesson, state="recording", duration_s=n, bytes_=n)
            for n in range(3)
            for lesson in lessons
        ),
        *(catalogue.set_state(lesson, "live", NOON) for lesson in lessons),
    )
    assert len(await catalogue.recordings(lessons)) == 20
    assert len(await catalogue.live_lessons()) == 20


async def test_the_database_says_whether_it_answers(catalogue: Catalogue) -> None:
    await catalogue.ping()


def test_the_statements_are_postgresql_as_well() -> None:
    """Those beyond plain SELECT and INSERT, compiled by its dialect."""
    dialect = postgresql.asyncpg.dialect()  # type: ignore[no-untyped-call]
    statements = [
        update(Lesson).where(Lesson.state.in_(["waiting"])).values({Lesson.state: "live"}).returning(Lesson.id),
        delete(Lesson).where(Lesson.id == "x").returning(Lesson.id),
        select(Lesson).where(tuple_(Lesson.created_at, Lesson.id) < tuple_(NOON, "x")),
        update(Link).where(Link.revoked_at.is_(None)).values(revoked_at=NOON),
    ]
    for statement in statements:
        assert str(statement.compile(dialect=dialect))
