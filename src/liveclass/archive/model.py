"""The names of objects, and what a listing of them means. Pure.

An object is written once and never again: its name tells lesson, kind and file, which owner of the lesson has put it, a
number that counts up, and the hash of its bytes. So a former owner that comes late replaces nothing, what was uploaded
is known from a listing alone, and whatever is read can be checked.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

Kind = Literal["recording", "timeline", "snapshot", "materials"]
KINDS: tuple[Kind, ...] = get_args(Kind)

LESSON_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

_NAME = re.compile(
    r"(?P<lesson>[A-Za-z0-9_-]{1,64})/(?P<kind>[a-z]+)/(?P<name>[A-Za-z0-9._-]{1,128})"
    r"\.(?P<fence>\d{6,18})-(?P<number>\d{6,18})(?P<form>[fbc])\.(?P<sha256>[0-9a-f]{64})"
)
_MARKER = re.compile(r"(?P<lesson>[A-Za-z0-9_-]{1,64})/fence/(?P<fence>\d{6,18})")

Form = Literal["f", "b", "c"]
"""A whole file; the beginning of a log, from its first byte; a chunk that follows."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One object.

    Attributes:
        path: its whole name in the store.
        fence: the owner that has put it.
        number: later ones of a file have greater ones.
    """

    path: str
    kind: Kind
    name: str
    fence: int
    number: int
    form: Form
    sha256: str
    size: int = 0


@dataclass(slots=True)
class Contents:
    """What the store has of one lesson.

    Attributes:
        files: the valid object of each file, by kind and name.
        logs: the valid objects of each log, in order; together they are its bytes.
        fence: the latest owner that has left its mark; -1: none.
        passed: objects that count no more.
    """

    files: dict[tuple[Kind, str], Stored] = field(default_factory=dict)
    logs: dict[tuple[Kind, str], list[Stored]] = field(default_factory=dict)
    fence: int = -1
    passed: list[Stored] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveOptions:
    """How the archive works.

    Attributes:
        parallel: transfers at a time, in each direction.
        cache_bytes: what copies of files that were read from the store may take on this disk.
        signed_s: how long a signed address holds, in seconds.
        redirect: replays are sent to the store by signed addresses, where the store knows them.
        round_s: how often what has grown is looked for, in seconds.
    """

    parallel: int = 4
    cache_bytes: int = 1024 * 1024 * 1024
    signed_s: float = 900.0
    redirect: bool = False
    round_s: float = 1.0


@dataclass(slots=True)
class Counters:
    """Figures since the start, and what is behind now.

    Attributes:
        waiting: lessons of which something is not in the store yet.
        fenced: uploads that were not made because another node owned the lesson.
    """

    uploaded_objects: int = 0
    uploaded_bytes: int = 0
    fetched_objects: int = 0
    fetched_bytes: int = 0
    cache_hits: int = 0
    failures: int = 0
    fenced: int = 0
    deleted_lessons: int = 0
    waiting: int = 0


def object_path(lesson: str, stored: Stored) -> str:
    """The name of an object."""
    return f"{lesson}/{stored.kind}/{stored.name}.{stored.fence:06d}-{stored.number:06d}{stored.form}.{stored.sha256}"


def marker_path(lesson: str, fence: int) -> str:
    """The mark of an owner."""
    return f"{lesson}/fence/{fence:06d}"


def parse(path: str, size: int) -> tuple[str, Stored] | None:
    """The lesson and the object of a name; None for what is not one."""
    found = _NAME.fullmatch(path)
    if found is None or found["kind"] not in KINDS:
        return None
    kind: Kind = found["kind"]
    form: Form = found["form"]  # type: ignore[assignment]
    fence, number = int(found["fence"]), int(found["number"])
    return found["lesson"], Stored(path, kind, found["name"], fence, number, form, found["sha256"], size)


def marker_fence(path: str) -> int | None:
    """The owner of a mark; None for what is not one."""
    found = _MARKER.fullmatch(path)
    return int(found["fence"]) if found is not None else None


def contents(objects: Iterable[tuple[str, int]]) -> Contents:
    """What counts among the objects of one lesson.

    Of a file the object of the latest owner, and of that one's the last. Of a log the chain that the latest owner has
    begun: it holds all that was there when it came, so what a former owner puts later is in no chain that counts.

    Args:
        objects: names and sizes.
    """
    found = Contents()
    chunks: dict[tuple[Kind, str], list[Stored]] = {}
    for path, size in objects:
        fence = marker_fence(path)
        if fence is not None:
            found.fence = max(found.fence, fence)
        parsed = parse(path, size)
        if parsed is None:
            continue
        stored = parsed[1]
        key = stored.kind, stored.name
        if stored.form != "f":
            chunks.setdefault(key, []).append(stored)
            continue
        known = found.files.get(key)
        if known is None:
            found.files[key] = stored
            continue
        older, newer = sorted((known, stored), key=lambda one: (one.fence, one.number))
        found.files[key] = newer
        found.passed.append(older)
    for key, all_chunks in chunks.items():
        chain = _chain(all_chunks)
        if chain:
            found.logs[key] = chain
            # What comes before the chain; chunks of an owner that has not begun one yet may still become one.
            first = (chain[0].fence, chain[0].number)
            found.passed += [chunk for chunk in all_chunks if (chunk.fence, chunk.number) < first]
    return found


def _chain(chunks: list[Stored]) -> list[Stored]:
    begins = [chunk for chunk in chunks if chunk.form == "b"]
    if not begins:
        return []
    begin = max(begins, key=lambda chunk: (chunk.fence, chunk.number))
    following = {chunk.number: chunk for chunk in chunks if chunk.fence == begin.fence and chunk.form == "c"}
    chain = [begin]
    while (after := following.get(chain[-1].number + 1)) is not None:
        chain.append(after)
    return chain
