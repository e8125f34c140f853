"""One server for each data folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from liveclass.errors import UsageError
from liveclass.operate.lock import held

HOLD = """
import pathlib, sys
from liveclass.operate.lock import held
with held(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_server_is_told_and_the_first_goes_on(tmp_path: Path) -> None:
    with held(tmp_path / "data"):
        with pytest.raises(UsageError, match="another liveclass is using"), held(tmp_path / "data"):
            pass
        with held(tmp_path / "other"):
            pass
    with held(tmp_path / "data"):
        pass


def test_a_process_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(UsageError, match="another liveclass"), held(tmp_path):
        pass
    holder.kill()
    holder.communicate()
    with held(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"data_dir: .*file.* cannot be written"), held(tmp_path / "file"):
        pass
