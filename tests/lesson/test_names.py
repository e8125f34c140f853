"""Names: fit to be shown, never twice, in the lesson's language."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveclass.lesson import names


@given(st.text(max_size=200))
def test_a_cleaned_name_is_one_visible_line_and_stays_what_it_is(name: str) -> None:
    cleaned = names.clean(name)
    assert len(cleaned) <= names.NAME_LIMIT
    assert names.clean(cleaned) == cleaned
    assert cleaned == cleaned.strip()
    hidden = {"\u200c", "\u200d"}
    assert not [c for c in cleaned if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in hidden]


@given(st.text(min_size=1, max_size=80), st.lists(st.text(max_size=80), max_size=20))
def test_a_distinct_name_is_nobody_else_s(name: str, taken: list[str]) -> None:
    chosen = names.distinct(name, taken)
    assert chosen.casefold() not in {other.casefold() for other in taken}
    assert len(chosen) <= names.NAME_LIMIT


@pytest.mark.parametrize(
    ("kind", "language", "taken", "expected"),
    [
        ("classroom", "zh-CN", [], "教室 1"),
        ("classroom", "zh-CN", ["教室 1"], "教室 2"),
        ("classroom", "en", ["Classroom 1", "classroom 2"], "Classroom 3"),
        ("teacher", "en-GB", [], "Teacher"),
        ("teacher", "zh", ["老师"], "老师 2"),
        ("player", "fr", [], "Player 1"),
    ],
)
def test_whoever_gives_no_name_gets_one(
    kind: names.DefaultName, language: str, taken: list[str], expected: str
) -> None:
    assert names.chosen(kind, language, taken) == expected


def test_a_name_that_turns_text_round_is_disarmed() -> None:
    assert names.clean("class\u202e3-2\u0007") == "class3-2"
