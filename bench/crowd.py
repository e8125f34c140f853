"""How many subscribers one process carries: they join one server in steps, until it or the generator can do no more.

Knows processes and what they count; refuses to compare servers. Losses are told apart by where the kernel counts them:
a full socket is the receiver's, and here the receiver is the generator.
"""

import argparse
import resource
import sys
import time
from collections.abc import Sequence
from typing import Any

from bench.adapters import Liveclass
from bench.fanout import delivery
from bench.generator import Child, publish, subscribe
from bench.measure import Meter, latencies, percentile, rss_mb

SIZES = (500, 1000, 1500, 2000)
FULL_CORES = 0.93
"""A process of one thread that takes so much of a core has no time left for what comes unevenly."""

LOOK_S, REPORT_S = 0.05, 5.0
"""Receivers that cost little: seldom looked at, seldom reporting."""

SETTLE_S = 3.0
ROOM = ("--max-sessions", "100000", "--max-participants", "100000")


def socket_errors() -> int:
    """Datagrams that this machine's UDP sockets had no room for, since it started."""
    with open("/proc/net/snmp") as f:
        names, values = [line.split() for line in f if line.startswith("Udp:")]
    return int(values[names.index("RcvbufErrors")])


def limit(step: dict[str, Any]) -> str:
    """What a step shows to be at its end, in words; empty where more may join."""
    if step["failures"]:
        return f"{len(step['failures'])} could not join: {step['failures'][0]}"
    generator = max(step["generator_cpu"])
    if step["full_sockets"]:
        return f"the generator: {step['full_sockets']} datagrams found its sockets full ({generator:.2f} of a core)"
    if generator >= FULL_CORES:
        return f"the generator: it took {generator:.2f} of a core"
    if step["loss_pct"]:
        return f"the server: {step['loss_pct']} % lost before they reached a socket"
    if step["server_cpu"] >= FULL_CORES:
        return f"the server: it took {step['server_cpu']:.2f} of a core"
    return ""


def run(args: argparse.Namespace, sizes: Sequence[int], seconds: float) -> dict[str, Any]:
    """One server, one publisher, and subscribers who join in steps.

    Returns:
        `steps`, each with what was measured of it; `stopped`, why no further step was made, in words; or `error`.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    args = argparse.Namespace(**vars(args))
    args.look, args.report, args.parallel, args.serve = LOOK_S, REPORT_S, 8, [*args.serve, *ROOM]
    server = Liveclass(args)
    children: list[Child] = []
    steps: list[dict[str, Any]] = []
    found: dict[str, Any] = {"srtp": args.srtp, "whole": args.whole, "steps": steps, "stopped": ""}
    try:
        server.start()
        children.append(Child(publish, server, args))
        children[0].get()
        time.sleep(SETTLE_S)
        for size in sizes:
            before = steps[-1]["n"] if steps else 0
            if before:
                joins, failures = children[1].ask(("more", size - before), 60 + 5 * size)
            else:
                children.append(Child(subscribe, server, args, size))
                joins, failures = children[1].get(60 + 5 * size)
            steps.append(_measured(server, children, size, seconds))
            steps[-1] |= {"failures": failures, "join_p50_ms": percentile([1000 * j for j in joins], 50)}
            print(f"  {line(steps[-1])}", file=sys.stderr, flush=True)
            found["stopped"] = limit(steps[-1])
            if found["stopped"]:
                break
        found |= server.notes()
        samples, checks = children[1].ask("stop")
        _, stamps, _ = children[0].ask("stop")
        for step in steps:
            late = [v for got in samples for v in latencies(got, stamps, step["since_ns"], step["until_ns"])]
            step |= {"latency_p50_ms": percentile(late, 50), "latency_p99_ms": percentile(late, 99)}
        return {**found, "checked": checks.checked, "check_failed": checks.failed}
    except Exception as e:
        return {**found, "error": f"{type(e).__name__}: {e} {server.tail()}"}
    finally:
        for child in children:
            child.stop()
        server.stop()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _measured(server: Liveclass, children: Sequence[Child], n: int, seconds: float) -> dict[str, Any]:
    """A window of the present crowd."""
    publisher, subscribers = children
    time.sleep(SETTLE_S)
    begun, before = subscribers.ask("mark")
    full = socket_errors()
    meter = Meter([server.pid, publisher.process.pid or 0, subscribers.process.pid or 0])
    time.sleep(seconds)
    load = meter.read()
    full = socket_errors() - full
    ended, after = subscribers.ask("mark")
    came = delivery(before, after, (ended - begun) / 1e9, len(after))
    cpu, *generator = load.cores
    return {
        "n": n,
        **came,
        "full_sockets": full,
        "server_cpu": round(cpu, 3),
        "us_per_packet": round(1e6 * cpu / came["delivered_pps"], 2) if came["delivered_pps"] else None,
        "generator_cpu": [round(c, 3) for c in generator],
        "others_cpu": round(load.others, 2),
        "rss_mb": round(rss_mb(server.pid), 1),
        "since_ns": load.since_ns,
        "until_ns": load.until_ns,
    }


def line(step: dict[str, Any]) -> str:
    """A step in a line."""
    return (
        f"{step['n']} subscribers: {step['delivered_pps']:.0f} packets/s, {step['loss_pct']} % lost,"
        f" server {step['server_cpu']:.2f}, generator {max(step['generator_cpu']):.2f} cores"
    )


def table(found: dict[str, Any]) -> str:
    """The steps as Markdown, and why there are no more."""
    if not found["steps"]:
        return f"No step: {found.get('error', '')}"
    rows = [
        ["subscribers", "packets/s", "Mbit/s", "lost", "server, of a core", "µs a packet", "generator, of a core"],
        ["---:"] * 7,
    ]
    rows[0] += ["p50 / p99 ms", "server MB"]
    rows[1] += ["---:"] * 2
    for step in found["steps"]:
        late = [step.get("latency_p50_ms"), step.get("latency_p99_ms")]
        rows.append(
            [
                f"{step['n']:,}",
                f"{step['delivered_pps']:,.0f}",
                f"{step['delivered_kbps_per_sub'] * step['n'] / 1000:,.0f}",
                f"{step['loss_pct']} %",
                f"{step['server_cpu']:.2f}",
                f"{step['us_per_packet']}",
                f"{max(step['generator_cpu']):.2f}",
                " / ".join("–" if v is None else f"{v:.1f}" for v in late),
                f"{step['rss_mb']:.0f}",
            ]
        )
    text = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    way = "native" if found.get("native") else "in Python"
    how = f"{found['srtp']}, {way}, runs {'in one piece' if found['whole'] else 'cut on arrival'}"
    end = f"error: {found['error']}" if "error" in found else found["stopped"] or "no limit was found"
    looked_at = f"{found.get('checked', 0):,} packets checked, {found.get('check_failed', 0)} wrong"
    return f"{text}\n\n{how}; {looked_at}. Stopped by: {end}."
