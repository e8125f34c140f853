"""script/fleet as anybody runs it: what docker-compose.yml has as plain processes, and a lesson held through it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NEEDED = {"redis-server": "redis-server", "turnserver": "coturn", "caddy": "caddy"}
PATIENCE_S = 240


def missing() -> list[str]:
    absent = [package for program, package in NEEDED.items() if shutil.which(program) is None]
    postgres = shutil.which("postgres") or list(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return absent + ([] if postgres else ["postgresql"])


def processes_in(folder: Path) -> list[str]:
    """Command lines of what runs with this folder in them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if str(folder) in line and "fleet.py" not in line:
            found.append(line)
    return found


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(PATIENCE_S + 30)
def test_a_lesson_is_held_through_a_whole_fleet_and_nothing_stays_behind(tmp_path: Path) -> None:
    if absent := missing():
        pytest.skip(f"not installed: {', '.join(absent)} (script/setup test): script/fleet was not tested")
    if not (ROOT / "src" / "liveclass" / "web").exists():
        pytest.skip("the pages were not built (script/build-web): script/fleet was not tested")
    # Where this runs as root, PostgreSQL's own user must find its way, which pytest's folders do not allow.
    folder = Path("/tmp") / f"liveclass-fleet-test-{os.getpid()}"  # noqa: S108
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    try:
        run = subprocess.run(
            [sys.executable, ROOT / "script" / "fleet.py", "--check", "--folder", folder],
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr
        assert "The fleet works." in run.stdout
        assert processes_in(folder) == []
    finally:
        shutil.rmtree(folder, ignore_errors=True)
