"""Loads `web/scripts/build_pages.py`, which is a script beside the pages and not part of the package."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

SCRIPT = Path(__file__).parents[2] / "web" / "scripts" / "build_pages.py"


def load_build_pages() -> ModuleType:
    """The script as a module."""
    if "build_pages" in sys.modules:
        return sys.modules["build_pages"]
    spec = importlib.util.spec_from_file_location("build_pages", SCRIPT)
    if spec is None or spec.loader is None:
        raise ImportError(str(SCRIPT))
    module = importlib.util.module_from_spec(spec)
    sys.modules["build_pages"] = module
    spec.loader.exec_module(module)
    return module
