"""Which files of the data folder are worth keeping, in an order that makes a copy of a running server's files playable.

Knows names; what is in the files stands in the rooms that write them.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

KEPT = ("secrets", "tls", "lessons", "timelines", "recordings", "materials")
"""Folders of the data folder. A lesson's snapshot comes before its timeline, which may know more but never less."""

LESSONS = ("lessons", "timelines", "recordings", "materials")
"""Of these, what belongs to lessons."""

OPEN = ".part"
"""Ends the name of a segment that is being written."""

_FIRST = "journal.jsonl"
_OWNER = "fence"
"""Which owner made a recording's folder: another fleet counts its owners anew, and an old mark would shut them out."""
_PASSING = (".tmp", ".work")
_DEEPEST = 5


@dataclass(frozen=True, slots=True)
class Found:
    """A file.

    Attributes:
        name: relative to the data folder, with ``/``.
    """

    name: str
    path: Path
    size: int


def files(data_dir: Path, folders: tuple[str, ...]) -> Iterator[Found]:
    """The files of some folders; what is half made and will be made again is left out, and links are not followed.

    Within a folder the journal comes first: each segment that it calls closed is then there under its own name, and
    what was written since is more than it tells of, as after a power cut.
    """
    for folder in folders:
        yield from _below(data_dir / folder, folder, parts=folder == "recordings", depth=0)


def _below(folder: Path, name: str, *, parts: bool, depth: int) -> Iterator[Found]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: (entry.name != _FIRST, entry.name))
    except (FileNotFoundError, NotADirectoryError):  # a lesson that was deleted meanwhile
        return
    for entry in entries:
        if (
            entry.name.startswith(".")
            or entry.name == _OWNER
            or entry.name.endswith(_PASSING)
            or (entry.name.endswith(OPEN) and not parts)
        ):
            continue
        if entry.is_dir(follow_symlinks=False):
            if depth < _DEEPEST:
                yield from _below(folder / entry.name, f"{name}/{entry.name}", parts=parts, depth=depth + 1)
        elif entry.is_file(follow_symlinks=False):
            try:
                size = entry.stat(follow_symlinks=False).st_size
            except FileNotFoundError:
                continue
            yield Found(f"{name}/{entry.name}", folder / entry.name, size)
