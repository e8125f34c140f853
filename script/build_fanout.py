#!/usr/bin/env python3
"""Compiles the native fan-out, `src/liveclass/_fanout.c`, for the Python that runs this; needs no packages.

Linux alone, a C compiler, Python's headers and libcrypto's (on Debian: gcc, python3-dev, libssl-dev). The build hook
(`hatch_build.py`) calls `build` and goes on without the module where any of it is missing; `script/build-fanout` says
what is. One module serves every Python from 3.11 on (the stable ABI).
"""

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "liveclass" / "_fanout.c"
SOURCES = (SOURCE, *(SOURCE.with_name(name) for name in ("_srtp.h", "_unprotect.h", "_receive.h")))
MODULE = SOURCE.with_name("_fanout.abi3.so")

FLAGS = ("-std=c11", "-O3", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wconversion")
HARDENED = ("-fstack-protector-strong", "-D_FORTIFY_SOURCE=2", "-Wl,-z,relro,-z,now")
SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer", "-g", "-O1")
TRACED = ("-fsanitize-coverage=trace-pc", str(ROOT / "tests" / "transport" / "trace.c"))
"""Lets the fuzzer see which ways a program took; of the sanitized module alone."""

PROBE = """
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <openssl/evp.h>
const char *probe(void) { return OpenSSL_version(0); }
"""


class Missing(Exception):
    """It cannot be built here; says why, and what to do."""


class Broken(Missing):
    """All that it takes is here, and it does not compile: a mistake of ours, or a compiler that nobody tried."""


def build(to: Path = MODULE, *, sanitized: bool = False, strict: bool = False) -> Path:
    """Compile, unless what is there is newer than its source.

    Args:
        to: the file to write; replaced in one step, so that a running server keeps the module that it has.
        sanitized: with AddressSanitizer and UndefinedBehaviorSanitizer.
        strict: warnings are errors.

    Raises:
        Missing: it cannot be built here.
    """
    if to == MODULE and to.exists() and to.stat().st_mtime > max(one.stat().st_mtime for one in SOURCES) and not strict:
        return to
    if not sys.platform.startswith("linux") or sys.implementation.name != "cpython":
        raise Missing("The native fan-out is for CPython on Linux; elsewhere the Python one does its work.")
    headers = sysconfig.get_paths()["include"]
    if not Path(headers, "Python.h").exists():
        raise Missing(f"Python's headers are not in {headers}. On Debian: sudo apt install python3-dev")
    try:
        compiler = shlex.split(os.environ.get("CC", "")) or ["cc"]
    except ValueError as error:
        raise Missing(f"CC cannot be read ({error}): {os.environ['CC']}") from None
    more = [*(SANITIZED if sanitized else HARDENED), *(["-Werror"] if strict else [])]
    command = [*compiler, *FLAGS, *more, f"-I{headers}"]
    part = to.with_suffix(f".{os.getpid()}")
    try:
        complaint = _compile([*command, *(TRACED if sanitized else ()), str(SOURCE)], part)
        if complaint:
            lacks = _compile([*command, "-xc", "-"], part, PROBE)
            if not lacks:
                raise Broken(f"It does not compile here:\n{complaint}")
            raise Missing(
                f"A C compiler that finds libcrypto{' and its own sanitizers' if sanitized else ''} is missing. "
                f"On Debian: sudo apt install gcc libssl-dev\n{lacks}"
            )
        part.replace(to)
    finally:
        part.unlink(missing_ok=True)
    return to


def _compile(command: list[str], to: Path, source: str | None = None) -> str:
    """What the compiler complained of; empty when it made the file.

    Raises:
        Missing: there is no compiler.
    """
    try:
        done = subprocess.run(
            [*command, "-o", str(to), "-lcrypto"],
            input=source,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"No C compiler ({error}). On Debian: sudo apt install gcc") from error
    return (done.stderr.strip() or f"it ended with status {done.returncode}") if done.returncode else ""


def main() -> int:
    """0 built, 1 not, 2 not although all that it takes is here; the reason on standard error."""
    try:
        print(
            build(Path(sys.argv[2]) if len(sys.argv) > 2 else MODULE, sanitized="--sanitized" in sys.argv, strict=True)
        )
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 2 if isinstance(missing, Broken) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
