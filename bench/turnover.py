"""What joins and leaves leave behind: resident memory at every thousandth, and its slope over the second half.

At the table alone (keys, a row, packets to it, gone again), and as whole WHEP sessions of a server that teaches.
"""

import argparse
import gc
import os
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

from bench.adapters import Liveclass
from bench.crowd import ROOM
from bench.generator import Child, publish, subscribe
from bench.measure import rss_mb
from bench.native import Log
from liveclass.relay.fanout import Entry, Outgoing, forward
from liveclass.transport import native
from liveclass.transport.batch import Batch, kernel_address
from liveclass.transport.srtp import SrtpSender
from liveclass.transport.srtp_keys import PROFILES, SrtpKeys

STEP = 1000
LOT = 100
"""Who join and leave together."""

WARM_S = 15.0
"""See `bench.lesson`."""

EMPTY_S = 2.0
"""From the last leaving to the reading."""


def slope(kb: Sequence[float]) -> float:
    """KB for each step, by least squares over the second half of readings."""
    half = kb[len(kb) // 2 :]
    middle_x, middle_y = (len(half) - 1) / 2, sum(half) / len(half)
    spread = sum((x - middle_x) ** 2 for x in range(len(half)))
    return sum((x - middle_x) * (y - middle_y) for x, y in enumerate(half)) / spread if spread else 0.0


def at_the_table(times: int, *, natively: bool) -> dict[str, Any]:
    """`times` receivers come, `LOT` at a time in all profiles, get packets, and go; memory of this very process.

    Raises:
        RuntimeError: the native fan-out was not built.
    """
    if natively and not native.built():
        raise RuntimeError("the native fan-out was not built here: script/build-fanout")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out,
    ):
        for one in (sink, out):
            one.bind(("127.0.0.1", 0))
            one.setblocking(False)
        batch, name = Batch(out), kernel_address(sink.getsockname())
        head = bytes((0x90, 96)) + bytes(10) + bytes((0xBE, 0xDE, 0, 1, 0x31, 0, 0, 0))
        packets: list[Outgoing] = [(head + bytes(400), 65_530 + i, i) for i in range(12)]
        readings = []
        for done in range(0, times, LOT):
            if done % STEP == 0:
                gc.collect()
                readings.append(1024 * rss_mb(os.getpid()))
            senders = []
            entries: list[Entry] = []
            for number in range(LOT):
                profile = PROFILES[number % len(PROFILES)]
                key = os.urandom(profile.key_length + profile.salt_length)
                keys = SrtpKeys(profile, bytearray(key), bytearray(key))
                senders.append(SrtpSender(keys, allow_repeat=True, native=natively))
                log = Log() if number % 2 else None
                entries.append((senders[-1].handle, name, number, number, 1 + done + number, log))
            forward(batch, packets, entries, 0.0)
            batch.flush()
            for row, sender in zip(entries, senders, strict=True):
                sender.remove_stream(row[4])
                sender.close()
        gc.collect()
        readings.append(1024 * rss_mb(os.getpid()))
        batch.close()
    return {
        "what": "rows of the table",
        "native": natively,
        "times": times,
        "kb": readings,
        "slope_kb": slope(readings),
    }


def at_the_server(args: argparse.Namespace, times: int) -> dict[str, Any]:
    """`times` WHEP sessions join a running lesson, `LOT` at a time, and leave; memory of the server; or `error`."""
    args = argparse.Namespace(**vars(args))
    args.parallel, args.serve = 8, [*args.serve, *ROOM]
    server = Liveclass(args)
    children: list[Child] = []
    readings: list[float] = []
    failed: list[str] = []
    about: dict[str, Any] = {"what": "sessions", "times": times, "kb": readings, "failures": failed}
    try:
        server.start()
        children.append(Child(publish, server, args))
        children[0].get()
        time.sleep(WARM_S)
        for done in range(0, times, LOT):
            if done % STEP == 0:
                time.sleep(EMPTY_S)
                readings.append(1024 * rss_mb(server.pid))
                print(f"  {done} sessions: {readings[-1] / 1024:.1f} MB", file=sys.stderr, flush=True)
            crowd = Child(subscribe, server, args, LOT)
            children.append(crowd)
            _, failures = crowd.get(60 + 5 * LOT)
            failed += failures[: 3 - len(failed)]
            _, checks = crowd.ask("stop")
            about["check_failed"] = about.get("check_failed", 0) + checks.failed
            crowd.end()
            children.pop()
        time.sleep(EMPTY_S)
        readings.append(1024 * rss_mb(server.pid))
        return {**about, **server.notes(), "slope_kb": slope(readings)}
    except Exception as e:
        return {**about, "error": f"{type(e).__name__}: {e} {server.tail()}"}
    finally:
        for child in children:
            child.stop()
        server.stop()


def text(found: dict[str, Any]) -> str:
    """In words."""
    if "error" in found:
        return f"{found['what']}: {found['error']}"
    steps = ", ".join(f"{kb / 1024:.1f}" for kb in found["kb"])
    way = "native" if found["native"] else "in Python"
    more = f"; {found['failures'][0]}" if found.get("failures") else ""
    return (
        f"{found['times']:,} {found['what']} came and went, {way}: resident MB at every {STEP:,} {steps};"
        f" slope of the second half {found['slope_kb']:+.1f} KB for each {STEP:,}{more}"
    )
