"""One publisher, N subscribers, one server under test: what a forwarded packet costs and how late it is.

See README.md beside this file. Everything happens on loopback.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench import clip, place
from bench.adapters import ADAPTERS, ROOT
from bench.generator import Child, publish, subscribe
from bench.measure import Meter, latencies, percentile, rss_mb
from bench.peer import PROFILES, VIDEO
from bench.wire import as_json

Counters = Sequence[dict[str | None, tuple[int, int, int, int]]]

RESULTS = ROOT / "bench" / "results"


def run(args: argparse.Namespace, n: int) -> dict[str, Any]:
    """One run: a fresh server, one publisher, `n` subscribers; everything that was measured, or `error`."""
    adapter = ADAPTERS[args.adapter](args)
    children: list[Child] = []
    about = {"adapter": args.adapter, "label": args.label, "n": n, "parallel": args.parallel, "codec": args.codec}
    about |= {"offered_srtp": args.srtp, "feedback": args.feedback, "whole": args.whole, "apart": args.apart}
    # One of many threads needs all cores, and the generator may then take what is left of them.
    pins = args.pin and adapter.one_thread
    try:
        adapter.start()
        if pins:
            place.on_its_core(adapter.pid)
        rss_idle = rss_mb(adapter.pid)
        publisher = Child(publish, adapter, args)
        children.append(publisher)
        if pins:
            place.beside(publisher.process.pid or 0)
        profile = publisher.get()
        time.sleep(args.settle)
        rss_publisher = rss_mb(adapter.pid)
        subscribers = Child(subscribe, adapter, args, n)
        children.append(subscribers)
        if pins:
            place.beside(subscribers.process.pid or 0)
        joins, failures = subscribers.get(60 + 5 * n)
        time.sleep(args.settle)

        begun, before = subscribers.ask("mark")
        meter = Meter([adapter.pid, publisher.process.pid or 0, subscribers.process.pid or 0])
        time.sleep(args.seconds)
        load = meter.read()
        ended, after = subscribers.ask("mark")
        rss = rss_mb(adapter.pid)
        said = adapter.notes()

        samples, checks = subscribers.ask("stop")
        sent, stamps, closed = publisher.ask("stop")
        late = [v for arrivals in samples for v in latencies(arrivals, stamps, load.since_ns, load.until_ns)]
        server, *generator = load.cores
        published = sum(begun <= t <= ended for t in sent) / ((ended - begun) / 1e9)
        delivered = delivery(before, after, (ended - begun) / 1e9, len(joins))
        forwarded = delivered["delivered_pps"]
        return {
            **about,
            "joined": len(joins),
            "failures": failures[:3],
            "srtp": profile,
            "seconds": round(load.seconds, 2),
            "published_pps": round(published, 1),
            "offered_pps": round(published * n, 1),
            **delivered,
            "server_cpu": round(server, 4),
            "us_per_packet": round(1e6 * server / forwarded, 2) if forwarded else None,
            "ms_cpu_per_sub_second": round(1000 * server / max(len(joins), 1), 3),
            "generator_cpu": [round(c, 3) for c in generator],
            "others_cpu": round(load.others, 3),
            "machine_busy_pct": round(load.busy_pct, 1),
            "machine_steal_pct": round(load.steal_pct, 1),
            "rss_idle_mb": round(rss_idle, 1),
            "rss_mb": round(rss, 1),
            "rss_per_sub_kb": round(1024 * (rss - rss_publisher) / n, 1),
            "latency_p50_ms": percentile(late, 50),
            "latency_p99_ms": percentile(late, 99),
            "latency_frames": len(late),
            **as_json(checks),
            "join_p50_ms": percentile([1000 * j for j in joins], 50),
            "join_p95_ms": percentile([1000 * j for j in joins], 95),
            "joins_ms": [round(1000 * j, 2) for j in joins],
            "publisher_closed": closed,
            **said,
        }
    except Exception as e:
        if adapter.process:
            print(adapter.tail(), file=sys.stderr)
        return {**about, "error": f"{type(e).__name__}: {e}"}
    finally:
        for child in children:
            child.stop()
        adapter.stop()


def delivery(before: Counters, after: Counters, seconds: float, joined: int) -> dict[str, Any]:
    """What arrived between two marks, from each subscriber's (packets, bytes, frames, extended sequence number)."""
    delta = [
        (kind, [y - x for x, y in zip(a.get(kind, (0, 0, 0, 0)), b[kind], strict=True)])
        for a, b in zip(before, after, strict=True)
        for kind in b
    ]
    packets, octets, _, expected = [sum(values[i] for _, values in delta) for i in range(4)]
    frames = sum(values[2] for kind, values in delta if kind == "video")
    return {
        "delivered_pps": round(packets / seconds, 1),
        "delivered_kbps_per_sub": round(octets * 8 / seconds / 1000 / max(joined, 1), 1),
        "video_fps_per_sub": round(frames / seconds / max(joined, 1), 2),
        "loss_pct": round(100 * (1 - packets / expected), 3) if expected else None,
    }


COLUMNS = [  # title, key
    ("N", "n"),
    ("joined", "joined"),
    ("offered/s", "offered_pps"),
    ("delivered/s", "delivered_pps"),
    ("fps/sub", "video_fps_per_sub"),
    ("loss %", "loss_pct"),
    ("server CPU s/s", "server_cpu"),
    ("us/packet", "us_per_packet"),
    ("RSS MB", "rss_mb"),
    ("KB/sub", "rss_per_sub_kb"),
    ("checked", "checked"),
    ("wrong", "check_failed"),
    ("late p50 ms", "latency_p50_ms"),
    ("p99", "latency_p99_ms"),
    ("join p50 ms", "join_p50_ms"),
    ("p95", "join_p95_ms"),
    ("gen. CPU", "generator_cpu"),
    ("others' CPU", "others_cpu"),
    ("steal %", "machine_steal_pct"),
]


def surroundings() -> dict[str, Any]:
    """What a figure must be read with: date and machine."""
    with open("/proc/cpuinfo") as f:
        models = [line.split(":", 1)[1].strip() for line in f if line.startswith("model name")]
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "cpu": models[0] if models else platform.machine(),
        "python": platform.python_version(),
    }


def table(files: Iterable[Path]) -> str:
    """Medians over the repeats of each results file, one Markdown row per label and N."""
    rows = [["server", "runs"] + [title for title, _ in COLUMNS]]
    for path in files:
        runs = json.loads(path.read_text())["runs"]
        for n in sorted({r["n"] for r in runs}):
            good = [r for r in runs if r["n"] == n and "error" not in r]
            row = [runs[0]["label"], f"{len(good)}/{sum(r['n'] == n for r in runs)}"]
            for _, key in COLUMNS:
                values = [sum(r[key]) if isinstance(r[key], list) else r[key] for r in good if r.get(key) is not None]
                row.append(f"{statistics.median(values):.5g}" if values else "-")
            rows.append(row)
    lines = ["| " + " | ".join(r) + " |" for r in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line, or what another part of the bench would have typed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("adapter", choices=[*ADAPTERS, "table"])
    parser.add_argument("-n", default="1,10,50", help="numbers of subscribers, e.g. 1,10,50")
    parser.add_argument("--seconds", type=float, default=15, help="steady state that is measured")
    parser.add_argument("--settle", type=float, default=3, help="seconds of quiet before the joins and after the last")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--parallel", type=int, default=4, help="joins at a time")
    parser.add_argument("--srtp", choices=PROFILES, default="cm80", help="SRTP profile offered by the clients")
    parser.add_argument("--bitrate", type=int, default=1_200_000, help="REMB of each subscriber, bit/s")
    parser.add_argument(
        "--feedback", action="store_true", help="subscribers send transport-wide feedback, as browsers do"
    )
    parser.add_argument(
        "--whole", action="store_true", help="subscribers take runs of datagrams in one piece, as a network card does"
    )
    parser.add_argument("--pin", action="store_true", help="a server of one thread on a core, the generator beside it")
    parser.add_argument(
        "--apart", action="store_true", help="the receivers' half of the kernel's work beside the server too (as root)"
    )
    parser.add_argument("--look", type=float, default=0.02, help="seconds between two looks at the sockets")
    parser.add_argument("--report", type=float, default=1.0, help="seconds between two reports of a subscriber")
    parser.add_argument("--label", help="name of the results (default: the adapter's)")
    parser.add_argument("--janus-loops", type=int, default=0, help="Janus's event_loops (default: a thread a peer)")
    parser.add_argument("--codec", choices=VIDEO, default="h264", help="of the picture that is published")
    parser.add_argument("--serve", nargs="*", default=[], help="further options of `liveclass serve`")
    parser.add_argument("--whip-url")
    parser.add_argument("--whep-url")
    parser.add_argument("--token", help="bearer token for WHIP and WHEP")
    parser.add_argument("--cmd", help="starts the WHIP server (else it runs already: give --pid)")
    parser.add_argument("--pid", type=int)
    parser.add_argument("--once", action="store_true", help="one run of the first N: a line of JSON, nothing is kept")
    args = parser.parse_args(argv)
    args.label = args.label or args.adapter
    return args


def main() -> None:
    args = arguments()
    if args.adapter == "table":
        print(table(sorted(RESULTS.glob("fanout-*.json"))))
        return
    if ADAPTERS[args.adapter].own_network and not os.environ.get("BENCH_NETNS"):
        # in there is nothing but loopback, and an interface in 127/8 that the server does not skip
        setup = (
            "ip link set lo up && ip link add bench0 type ifb && ip addr add 127.77.0.1/32 dev bench0"
            ' && ip link set bench0 up && exec "$@"'
        )
        os.environ["BENCH_NETNS"] = "1"
        os.execvp(  # noqa: S606
            "unshare", ["unshare", "-n", "sh", "-c", setup, "sh", sys.executable, "-m", "bench.fanout", *sys.argv[1:]]
        )
    if args.apart:
        place.apart("bench.fanout", sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server under test ends as well
    clip.load(args.codec)
    sizes = [int(n) for n in args.n.split(",")]
    if args.once:
        record = run(args, sizes[0])
        print(json.dumps(record))
        sys.exit(1 if record.get("check_failed") else 0)
    path = RESULTS / f"fanout-{args.label}.json"
    runs = []
    for _ in range(args.repeat):
        for n in sizes:
            runs.append(run(args, n))
            print(json.dumps(runs[-1]), flush=True)
            path.write_text(json.dumps({**surroundings(), "runs": runs}, indent=1))
    print(table([path]))
    if any(r.get("check_failed") for r in runs):
        sys.exit(1)


if __name__ == "__main__":
    main()
