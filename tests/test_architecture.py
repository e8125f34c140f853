"""The shape of the house as a test: imports run downwards only, pure rooms stay pure, files stay short.

Reads the source text alone and imports none of it, so a broken module is judged as well. Imports that stand inside a
function or under `TYPE_CHECKING` count like any other: a dependency in a type is a dependency.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "liveclass"

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"", "errors", "tasks"}),
    frozenset({"config"}),
    frozenset({"rtp"}),
    frozenset({"lesson", "transport"}),
    frozenset({"relay"}),
    frozenset({"recording", "materials"}),
    frozenset({"catalogue"}),
    frozenset({"operate", "archive"}),
    frozenset({"cluster"}),
    frozenset({"server"}),
    frozenset({"app"}),
    frozenset({"cli"}),
    frozenset({"__main__"}),
)
"""Rooms from the lowest to the highest. A room imports itself and what is lower; the rooms of one layer do not
know each other. The empty name is `liveclass/__init__.py`, which holds the version."""

RANK = {room: rank for rank, layer in enumerate(LAYERS) for room in layer}

NARROW: dict[str, frozenset[str]] = {
    "archive": frozenset({"", "errors", "tasks"}),
    "cluster": frozenset({"", "errors", "config", "tasks"}),
    "recording": frozenset({"", "errors", "tasks", "rtp", "relay.source"}),
    "materials": frozenset({"", "errors", "tasks", "lesson.events"}),
}
"""Rooms that may see less than all that is below them. The recorder is a sink like any other: it must never reach into
the media plane, or a fault of the disk could reach a lesson."""

PURE = (
    "rtp",
    "lesson",
    "transport.sdp",
    "transport.ice",
    "transport.dtls",
    "transport.srtp",
    "transport.framing",
    "transport.turn",
    "transport.counters",
    "transport.pull",
    "relay.ladder",
    "relay.layers",
    "relay.shape",
    "relay.source",
    "relay.ports",
    "archive.model",
    "relay.cast",
    "cluster.ledger",
    "cluster.model",
    "cluster.placement",
    "cluster.spread",
    "cluster.tenure",
)
"""Prefixes of modules that take bytes and `now` and return values and deadlines."""

IMPURE_MODULES = frozenset(
    {"aiohttp", "asyncio", "concurrent", "multiprocessing", "sched", "select", "selectors", "signal", "socket"}
    | {"sqlalchemy", "ssl", "subprocess", "threading", "time", "uvloop"}
)
"""What a pure room has no use for: clocks, tasks, threads, processes, sockets."""

CLOCK_CALLS = frozenset({"now", "utcnow", "today"})

LIBRARY_ROOMS: dict[str, tuple[str, ...]] = {
    "aiohttp": ("server", "app", "cli", "operate"),
    "aioice": ("transport",),
    "aiosqlite": ("catalogue",),
    "alembic": ("catalogue",),
    "PIL": ("materials",),
    "av": ("recording", "materials"),
    "OpenSSL": ("transport", "operate"),
    "prometheus_client": ("server", "operate.top"),
    "pylibsrtp": ("transport.srtp",),
    "redis": ("cluster.redis",),
    "opentelemetry": ("operate.traces_otlp",),
    "obstore": ("recording", "archive", "operate"),
    "pypdfium2": ("materials",),
    "sqlalchemy": ("catalogue",),
    "zstandard": ("operate.bundle",),
}
"""Libraries that stand behind one door, so that one room changes when they do."""

LINE_LIMIT = 700
"""Longer files hide what they are for; the house rule is 400, this is where it ends."""

CODE_FOLDERS = ("src/liveclass", "tests", "bench", "script", "web/src", "web/test", "web/dev", "web/scripts")
CODE_SUFFIXES = frozenset({".py", ".c", ".h", ".ts", ".tsx", ".css", ".mjs", ".js", ".sh", ""})
GENERATED = ("web/src/generated/", "src/liveclass/web/")


@dataclass(frozen=True)
class Import:
    """One imported module, where it is imported and by whom."""

    importer: str
    imported: str
    line: int

    def __str__(self) -> str:
        return f"liveclass.{self.importer}:{self.line} imports {self.imported}"


def module_name(path: Path) -> str:
    """The dotted name below `liveclass`; a package is named like its folder, the top package is the empty name."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def modules() -> dict[str, ast.Module]:
    """All modules of the package by name. Migrations are Alembic's scripts, loaded by path, and are left out."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if "versions" in path.parts or "web" in path.relative_to(PACKAGE).parts[:1]:
            continue
        found[module_name(path)] = ast.parse(path.read_text("utf-8"), str(path))
    return found


MODULES = modules()


def imports_of(name: str, tree: ast.Module) -> Iterator[Import]:
    """Every import in the module, at any depth, with absolute names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(name, alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                is_package = (PACKAGE / Path(*name.split("."))).is_dir()
                above = name.split(".")[: len(name.split(".")) - node.level + (1 if is_package else 0)]
                base = ".".join(["liveclass", *above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield Import(name, inner if inner.removeprefix("liveclass.") in MODULES else base, node.lineno)


def own(name: str) -> str | None:
    """The name below `liveclass`, or None for a library."""
    if name == "liveclass":
        return ""
    return name.removeprefix("liveclass.") if name.startswith("liveclass.") else None


def room(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


def is_within(name: str, prefixes: tuple[str, ...] | frozenset[str]) -> bool:
    """Is the module one of these, inside one of these, or a sibling split off (`transport.sdp_answer`)?"""
    return any(
        name == prefix or name.startswith((f"{prefix}.", f"{prefix}_")) if prefix else name == "" for prefix in prefixes
    )


ALL_IMPORTS = [found for name, tree in MODULES.items() for found in imports_of(name, tree)]


def test_the_package_was_found_and_every_room_has_its_layer() -> None:
    assert len(MODULES) > 5
    assert {room(name) for name in MODULES} <= set(RANK)


def test_imports_run_downwards_only() -> None:
    upwards = []
    for found in ALL_IMPORTS:
        target = own(found.imported)
        if target is None or room(target) == room(found.importer):
            continue
        if RANK[room(target)] >= RANK[room(found.importer)]:
            upwards.append(str(found))
    assert upwards == []


@pytest.mark.parametrize("narrow", sorted(NARROW))
def test_a_narrow_room_sees_only_what_it_was_given(narrow: str) -> None:
    outside = [
        str(found)
        for found in ALL_IMPORTS
        if room(found.importer) == narrow
        and (target := own(found.imported)) is not None
        and room(target) != narrow
        and not is_within(target, NARROW[narrow])
    ]
    assert outside == []


def test_pure_rooms_know_no_clock_task_or_socket() -> None:
    impure = [
        str(found)
        for found in ALL_IMPORTS
        if is_within(found.importer, PURE) and found.imported.split(".")[0] in IMPURE_MODULES
    ]
    assert impure == []


def test_pure_rooms_never_ask_what_time_it_is() -> None:
    asked = [
        f"liveclass.{name}:{node.lineno} calls {ast.unparse(node.func)}()"
        for name, tree in MODULES.items()
        if is_within(name, PURE)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and (
            (node.func.attr in CLOCK_CALLS and ast.unparse(node.func.value).split(".")[-1] in {"datetime", "date"})
            or ast.unparse(node.func.value) == "time"
        )
    ]
    assert asked == []


@pytest.mark.parametrize("library", sorted(LIBRARY_ROOMS))
def test_a_library_stands_behind_its_door(library: str) -> None:
    strays = [
        str(found)
        for found in ALL_IMPORTS
        if found.imported.split(".")[0] == library and not is_within(found.importer, LIBRARY_ROOMS[library])
    ]
    assert strays == []


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    """Alternative refused: imports inside functions, which hide a circle until the first call."""
    graph: dict[str, set[str]] = {name: set() for name in MODULES}
    for found in ALL_IMPORTS:
        target = own(found.imported)
        if target is not None and target in graph and target != found.importer:
            graph[found.importer].add(target)

    finished: set[str] = set()
    circles: list[str] = []

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circles.append(" -> ".join([*path[path.index(name) :], name]))
            return
        if name in finished:
            return
        for target in sorted(graph[name]):
            visit(target, (*path, name))
        finished.add(name)

    for name in sorted(graph):
        visit(name, ())
    assert circles == []


def source_files() -> list[Path]:
    return [
        path
        for folder in CODE_FOLDERS
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file()
        and path.suffix in CODE_SUFFIXES
        and not path.relative_to(ROOT).as_posix().startswith(GENERATED)
        and not {"node_modules", "__pycache__", "data", "output"} & set(path.relative_to(ROOT).parts)
    ]


def test_no_file_is_longer_than_a_person_reads() -> None:
    long = {
        path.relative_to(ROOT).as_posix(): lines
        for path in source_files()
        if (lines := len(path.read_text("utf-8", errors="replace").splitlines())) > LINE_LIMIT
    }
    assert long == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [name for name, tree in MODULES.items() if tree.body and not ast.get_docstring(tree)]
    assert silent == []


def test_relative_imports_and_type_checking_blocks_are_seen() -> None:
    """The walker itself, on a module that hides its imports in every way there is."""
    hidden = ast.parse(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from liveclass.errors import PeerError\n"
        "def late():\n    import asyncio.subprocess\n    from . import messages\n    from ..errors import UsageError\n"
    )
    seen = {found.imported for found in imports_of("lesson.state", hidden)}
    assert seen == {"typing", "liveclass.errors", "asyncio.subprocess", "liveclass.lesson.messages"}
