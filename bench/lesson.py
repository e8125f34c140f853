"""What is measured of this project alone: memory given back, the recorder's cost, the replay after a lesson's end.

Starts a server for each; knows nothing of targets and tables.
"""

import argparse
import io
import itertools
import statistics
import time
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urljoin

import av

from bench.adapters import Liveclass
from bench.generator import Child, publish, subscribe
from bench.measure import Meter, rss_mb

POLL_S = 0.01
"""How often the replay is asked for: a hundredth of what it may take."""

WARM_S = 15.0
"""Until a publisher's cache of packets has filled (1024 of its 140 pictures' packets a second): growth of its own."""

PATIENCE_S = 30.0
"""A replay that is not there by then counts as failed."""


def memory(args: argparse.Namespace, n: int, rounds: int, stay_s: float, empty_s: float) -> dict[str, Any]:
    """Resident memory of a live lesson's server before, with and after `n` subscribers, `rounds` times in turn.

    Args:
        stay_s: how long they stay after the last has joined.
        empty_s: from the last leaving to the reading.

    Returns:
        `baseline_mb` (publisher alone), and of each round `full_mb`, `empty_mb` and `joined`; `failures`; or `error`.
    """
    server = Liveclass(args)
    children: list[Child] = []
    full: list[float] = []
    empty: list[float] = []
    joined: list[int] = []
    failed: list[str] = []
    try:
        server.start()
        children.append(Child(publish, server, args))
        children[0].get()
        time.sleep(WARM_S)
        baseline = rss_mb(server.pid)
        for _ in range(rounds):
            crowd = Child(subscribe, server, args, n)
            children.append(crowd)
            joins, failures = crowd.get(60 + 5 * n)
            joined.append(len(joins))
            failed += failures[:3]
            time.sleep(stay_s)
            full.append(round(rss_mb(server.pid), 2))
            crowd.ask("stop")
            crowd.end()
            time.sleep(empty_s)
            empty.append(round(rss_mb(server.pid), 2))
        found = {"n": n, "baseline_mb": round(baseline, 2), "full_mb": full, "empty_mb": empty, "joined": joined}
        return {**found, "failures": failed}
    except Exception as e:
        return {"n": n, "error": f"{type(e).__name__}: {e} {server.tail()}"}
    finally:
        _end(children, server)


def recorder(args: argparse.Namespace, pairs: int, seconds: float) -> list[dict[str, Any]]:
    """Lessons with a publisher and nobody else, with and without recording in turn; see `_taught`.

    The order within a pair changes from pair to pair, so that a drift of the machine favours neither.
    """
    return [
        {"pair": pair, **_taught(args, seconds, record)}
        for pair in range(pairs)
        for record in ((True, False) if pair % 2 == 0 else (False, True))
    ]


def recorder_cost(lessons: list[dict[str, Any]]) -> list[float]:
    """Percent of a core that recording added, pair by pair; pairs with a failure or without a recording left out."""
    cost = []
    for pair in sorted({lesson["pair"] for lesson in lessons}):
        cpu = {
            lesson["record"]: lesson["cpu"]
            for lesson in lessons
            if lesson["pair"] == pair
            and "error" not in lesson
            and (lesson["recording"] == "recording") == lesson["record"]
        }
        if len(cpu) == 2:
            cost.append(100 * (cpu[True] - cpu[False]))
    return cost


def _taught(args: argparse.Namespace, seconds: float, record: bool) -> dict[str, Any]:
    """One lesson: the server's CPU while it is taught, and what `replay` tells of a recorded one; or `error`."""
    about: dict[str, Any] = {"record": record}
    without = [] if record else ["--no-record"]
    server = Liveclass(argparse.Namespace(**{**vars(args), "serve": [*args.serve, *without]}))
    children: list[Child] = []
    try:
        server.start()
        children.append(Child(publish, server, args))
        children[0].get()
        time.sleep(args.settle)
        meter = Meter([server.pid, children[0].process.pid or 0])
        time.sleep(seconds)
        load = meter.read()
        about |= {"seconds": round(load.seconds, 2), "cpu": round(load.cores[0], 5)}
        about |= {"others_cpu": round(load.others, 3), **server.notes()}
        return about | (replay(server) if record else {})
    except Exception as e:
        return about | {"error": f"{type(e).__name__}: {e} {server.tail()}"}
    finally:
        _end(children, server)


def replay(server: Liveclass) -> dict[str, Any]:
    """Ends the lesson and waits until its replay is whole and its first second can be fetched; then decodes all of it.

    Returns:
        `replay_ms` from before POST .../end, `end_ms` of that request alone, `recorded_s`, `decoded_s` of the picture
        and `widest_gap_ms` between two pictures.

    Raises:
        TimeoutError: no finished playlist in time.
    """
    lesson, token = server.lesson["id"], server.lesson["replay_token"]
    began = time.monotonic()
    server.fetch(f"/api/lessons/{lesson}/end", "POST")
    ended = time.monotonic()
    playlist, url = "", ""
    said: dict[str, Any] = {}
    while "#EXT-X-ENDLIST" not in playlist:
        if time.monotonic() > began + PATIENCE_S:
            raise TimeoutError(f"no finished replay in {PATIENCE_S:g} s: {said}")
        if url:
            time.sleep(POLL_S)
        said = server.api("GET", f"/api/replays/{lesson}", token=token)
        url = urljoin("/", said["main"]["url"]) if said["main"] else "/"
        if said["main"]:
            try:
                playlist = server.fetch(url).decode()
            except HTTPError:
                continue
    names = media(playlist)
    content = [server.fetch(urljoin(url, name)) for name in names[:2]]
    ready = time.monotonic()
    content += [server.fetch(urljoin(url, name)) for name in names[2:]]
    times = pictures(b"".join(content))
    return {
        "replay_ms": round(1000 * (ready - began), 1),
        "end_ms": round(1000 * (ended - began), 1),
        "recorded_s": round(said["recording"]["duration_s"], 2),
        "decoded_s": round(times[-1] - times[0], 2),
        "widest_gap_ms": round(1000 * max(b - a for a, b in itertools.pairwise(times))),
    }


def media(playlist: str) -> list[str]:
    """The files of a media playlist in the order of play, initialisation segments included."""
    names = []
    for line in playlist.splitlines():
        if line.startswith("#EXT-X-MAP:"):
            names.append(line.split('URI="', 1)[1].split('"', 1)[0])
        elif line and not line.startswith("#"):
            names.append(line)
    return names


def pictures(fragmented: bytes) -> list[float]:
    """When each picture of a fragmented MP4 is shown, in seconds; every one is decoded.

    Raises:
        ValueError: under two pictures came out.
    """
    with av.open(io.BytesIO(fragmented), "r") as container:
        times = [frame.time for frame in container.decode(video=0) if frame.time is not None]
    if len(times) < 2:
        raise ValueError("the replay has no picture")
    return times


def median(values: list[float]) -> float | None:
    """None of nothing."""
    return statistics.median(values) if values else None


def _end(children: list[Child], server: Liveclass) -> None:
    for child in children:
        if child.process.is_alive():
            child.process.terminate()
        child.end()
    server.stop()
