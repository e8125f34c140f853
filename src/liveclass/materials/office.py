"""Office files by LibreOffice, where the machine has it: found by name, run confined, one profile for each file.

It insists on /tmp, for a socket of its own even without a screen: so its folder is its /tmp (`confine`).
"""

import shutil
from typing import Any

PROGRAMS = ("soffice", "libreoffice")
_PLACES = "/usr/local/bin:/usr/bin:/bin:/snap/bin:/opt/libreoffice/program"

MEMORY_BYTES = 4 * 1024**3
"""Address space of LibreOffice: it maps far more than it uses."""


def find() -> str:
    """Path of LibreOffice's program; empty where there is none."""
    for name in PROGRAMS:
        path = shutil.which(name) or shutil.which(name, path=_PLACES)
        if path:
            return path
    return ""


def options(program: str, suffix: str) -> dict[str, Any]:
    """For the child's job `office`: makes `source.pdf` of `source.SUFFIX` in its folder."""
    return {
        "program": program,
        "arguments": [
            program,
            # Of its own for each run: two that share a profile wait for each other, and a macro could stay in it.
            "-env:UserInstallation=file:///tmp/profile",
            *("--headless", "--norestore", "--nologo", "--nolockcheck", "--nodefault"),
            *("--convert-to", "pdf", "--outdir", ".", f"source.{suffix}"),
        ],
        "memory_bytes": MEMORY_BYTES,
    }
