"""A child that a hostile file has taken over: `python hostile.py WHAT JOB OPTIONS`. It is confined, then misbehaves."""

import ctypes
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

from liveclass.materials.confine import confine


def say(**message: object) -> None:
    print(json.dumps(message), flush=True)


def attempts(what: str) -> None:
    if what == "memory":
        hoard = []
        while True:
            hoard.append(bytearray(64 * 1024 * 1024))
    if what == "processor":
        while True:
            pass
    if what == "sleep":
        time.sleep(3600)
    if what == "crash":
        ctypes.string_at(0)
    if what == "disk":
        with open("huge", "wb") as file:
            while True:
                file.write(b"x" * (1 << 20))
    if what == "nonsense":
        print("{" * 100, flush=True)
    if what == "flood":
        sys.stdout.write("x" * 10_000_000)
    if what == "orphan":
        # A grandchild that would outlive its parent.
        if os.fork() == 0:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            Path("orphan.pid").write_text(str(os.getpid()), "ascii")
            time.sleep(3600)
        time.sleep(3600)
    if what in ("link", "hardlink"):
        say(pages=1)
        sys.stdin.readline()
        secret = Path(os.environ["HOME"]).parent.parent / "secret"
        for name in ("thumb", "s", "m", "l"):
            path = Path(f"1.{name}.webp")
            if what == "link":
                path.symlink_to(secret)
            else:
                path.write_bytes(b"x")
                os.link(path, f"again.{name}")
        say(page=1, w=100, h=100)
    if what == "lies":
        say(pages=-5)


def opened(path: str) -> bool:
    try:
        with open(path, "rb"):
            return True
    except OSError:
        return False


def main() -> None:
    what, options = sys.argv[1], json.loads(sys.argv[3])
    granted = confine(memory_bytes=options["memory_bytes"], cpu_s=options["cpu_s"], file_bytes=options["file_bytes"])
    if what == "look":
        reached = "connected"
        try:
            socket.create_connection(("127.0.0.1", options["port"]), timeout=1).close()
        except OSError:
            reached = "refused"
        seen = {
            "network": granted.network,
            "files": granted.files,
            "reached": reached,
            "secret": opened(options["secret"]),
            "environment": sorted(os.environ),
            "nice": os.nice(0),
            "session": os.getsid(0) == os.getpid(),
            "open": sorted(int(name) for name in os.listdir("/proc/self/fd")),
        }
        Path("seen.json").write_text(json.dumps(seen), "utf-8")
        return
    attempts(what)


if __name__ == "__main__":
    main()
