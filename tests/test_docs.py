"""The documentation, held to what is there: links lead somewhere, named files exist, decisions are numbered.

That every setting, route, message and metric is described is tested beside the code that defines them
(`tests/test_config.py`, `tests/server/`); this file looks at what belongs to no room.
"""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from liveclass.cli import build_parser

ROOT = Path(__file__).resolve().parent.parent
DECISIONS = ROOT / "docs" / "decisions"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").glob("*.md")])

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
NAMED_PATH = re.compile(r"`((?:src|docs|script|tests|bench|web|turn)/[\w./-]*\w)`")

DECISION_PARTS = ("Context", "Decision", "Consequences")
DECISION_LINES = 60
"""Half a page, generously; what is longer is a design document and belongs elsewhere."""


def prose(page: Path) -> str:
    """The text without code blocks, in which brackets mean something else."""
    return FENCE.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """The fragments that headings of the page make, as GitHub does."""
    found: set[str] = set()
    for heading in HEADING.findall(prose(page)):
        slug = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")
        number = 0
        while (candidate := slug if not number else f"{slug}-{number}") in found:
            number += 1
        found.add(candidate)
    return found


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_to_a_file_or_heading_that_is_there(page: Path) -> None:
    dead = []
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (fragment and file.suffix == ".md" and fragment not in anchors(file)):
            dead.append(target)
    assert dead == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_file_that_is_named_exists(page: Path) -> None:
    assert [path for path in NAMED_PATH.findall(prose(page)) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_test_that_is_named_exists(page: Path) -> None:
    named = NAMED_TEST.findall(page.read_text("utf-8"))
    assert [law for path, law in named if f"def {law}(" not in (ROOT / path).read_text("utf-8")] == []


def decisions() -> list[Path]:
    return sorted(path for path in DECISIONS.glob("*.md") if path.name != "README.md")


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(path.name.split("-")[0]) for path in decisions()]
    assert numbers
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("page", decisions(), ids=lambda page: page.stem)
def test_a_decision_says_why_what_and_what_it_costs_in_half_a_page(page: Path) -> None:
    text = page.read_text("utf-8")
    number = int(page.name.split("-")[0])
    assert text.startswith(f"# {number}. ")
    assert [part for part in DECISION_PARTS if f"\n## {part}\n" not in text] == []
    assert len(text.splitlines()) <= DECISION_LINES


def test_the_list_of_decisions_is_complete() -> None:
    listed = {target for target in LINK.findall((DECISIONS / "README.md").read_text("utf-8")) if "/" not in target}
    assert listed == {path.name for path in decisions()}


def commands(parser: argparse.ArgumentParser) -> Iterator[str]:
    """All commands of the parser, those that only hold others left out."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                deeper = list(commands(inner))
                yield from deeper or [inner.prog]


def test_every_command_is_described() -> None:
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    found = list(commands(build_parser()))
    assert {"liveclass serve", "liveclass lesson create"} <= set(found)
    assert [command for command in found if command not in text] == []
