"""What slides, songs and films depend on: fonts, LibreOffice, and what the kernel grants to confine their readers."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from liveclass.config import Settings
from liveclass.materials import office
from liveclass.materials.runner import child_command
from liveclass.operate.finding import Finding

FONT_FOLDERS = ("/usr/share/fonts", "/usr/share/X11/fonts/TTF", "/usr/share/X11/fonts/Type1", "/usr/local/share/fonts")
"""Where PDFium looks on Linux, and nowhere else."""

CHINESE_FONTS = ("cjk", "sourcehan", "wqy", "droidsansfallback", "uming", "ukai", "simsun", "simhei", "msyh", "gbsn")
"""What files of Chinese fonts have in their names."""

PROBE_S = 10.0


def check_materials(settings: Settings) -> Iterator[Finding]:
    """Whether slides can be made of all that teachers have, and safely."""
    font = chinese_font()
    if font:
        yield Finding("fonts", "ok", f"Chinese slides without their own font are drawn in {font}")
    else:
        yield Finding(
            "fonts",
            "warn",
            "no Chinese font: slides that do not bring their own show boxes",
            "Install one, such as fonts-noto-cjk, below /usr/share/fonts.",
        )
    program = office.find()
    if program:
        yield Finding("office files", "ok", f"read by {program}")
    else:
        yield Finding(
            "office files",
            "warn",
            "LibreOffice was not found: PowerPoint, Word and Excel files are refused, PDFs are not",
            "Install LibreOffice (libreoffice-impress, -writer, -calc), or save slides as PDF.",
        )
    yield _confinement(settings)


def chinese_font() -> str:
    """Name of a font file with Chinese in it that PDFium can find; empty where there is none."""
    for folder in FONT_FOLDERS:
        for path in sorted(Path(folder).rglob("*.[toTO][tT][fcFC]")):
            if any(mark in path.name.lower().replace("-", "") for mark in CHINESE_FONTS):
                return path.name
    return ""


def _confinement(settings: Settings) -> Finding:
    check = "confinement"
    bounds = {"memory_bytes": settings.material_memory_bytes, "cpu_s": 10, "file_bytes": 1_000_000}
    with tempfile.TemporaryDirectory(prefix="liveclass-doctor-") as folder:
        try:
            ran = subprocess.run(
                [*child_command(), "probe", json.dumps(bounds)],
                cwd=folder,
                capture_output=True,
                timeout=PROBE_S,
                check=True,
            )
            granted = json.loads(ran.stdout)
        except (OSError, subprocess.SubprocessError, ValueError):
            return Finding(
                check,
                "fail",
                "the process that reads uploaded files does not start: no slides, songs or films",
                "Raise material_memory_bytes, and look at what the service may not do (limits, seccomp).",
            )
    missing = [
        words
        for name, words in (("network", "without network"), ("files", "without other files"))
        if not granted.get(name)
    ]
    if missing:
        return Finding(
            check,
            "warn",
            f"memory and time of what reads uploaded files are bounded, but it does not run {' and '.join(missing)}",
            "Allow user namespaces and Landlock (Linux 5.13 or later); see docs/operate.md.",
        )
    return Finding(
        check, "ok", "uploaded files are read without network, without other files, in bounded memory and time"
    )
