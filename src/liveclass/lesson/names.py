"""What participants are called: cleaning of names, and the names that the server chooses. Pure; knows no lesson."""

import unicodedata
from collections.abc import Collection
from typing import Literal

NAME_LIMIT = 80
"""Characters of a name, as bounded in `messages`."""

DefaultName = Literal["teacher", "classroom", "player"]

_NAMES: dict[str, dict[DefaultName, str]] = {
    "zh": {"teacher": "老师", "classroom": "教室", "player": "播放器"},
    "en": {"teacher": "Teacher", "classroom": "Classroom", "player": "Player"},
}
_FALLBACK = "en"

# Joiners shape emoji and several scripts; every other format character can hide or turn text round.
_KEPT_FORMAT = frozenset("\u200c\u200d")
_DROPPED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def clean(name: str) -> str:
    """The name as it may be shown: composed, on one line, without control or direction characters, at most 80 long."""
    composed = unicodedata.normalize("NFC", name)
    one_line = " ".join(composed.split())
    visible = "".join(
        char for char in one_line if char in _KEPT_FORMAT or unicodedata.category(char) not in _DROPPED_CATEGORIES
    )
    return " ".join(visible.split())[:NAME_LIMIT].strip()


def distinct(name: str, taken: Collection[str]) -> str:
    """`name`, or `name 2`, `name 3`, ... whichever nobody in `taken` has; upper and lower case count as the same."""
    used = {other.casefold() for other in taken}
    if name.casefold() not in used:
        return name
    number = 2
    while True:
        suffix = f" {number}"
        candidate = name[: NAME_LIMIT - len(suffix)].rstrip() + suffix
        if candidate.casefold() not in used:
            return candidate
        number += 1


def chosen(kind: DefaultName, language: str, taken: Collection[str]) -> str:
    """A name for someone who gave none, in the lesson's language: "Teacher", "Classroom 1", "播放器 3"."""
    word = _NAMES.get(language.split("-", maxsplit=1)[0].lower(), _NAMES[_FALLBACK])[kind]
    if kind == "teacher":
        return distinct(word, taken)
    used = {other.casefold() for other in taken}
    number = 1
    while f"{word} {number}".casefold() in used:
        number += 1
    return f"{word} {number}"
