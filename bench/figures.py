"""The issue of figures: what is held against which target, and the Markdown table that a README shows.

Pure: raw results in, text out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.lesson import median, recorder_cost
from bench.measure import percentile
from bench.wire import EVERY

Raw = dict[str, Any]

NOISE_CORES = 0.3
"""What other processes may take while we measure: above it, times are those of a machine at work."""

SERVERS = {
    "liveclass": "liveclass",
    "liveclass-python": "the same in Python",
    "janus": "Janus",
    "mediarelay": "MediaRelay, 8 subscribers",
    "pyloop": "bare loop",
    "floor": "bare loop in C",
}
"""Columns by adapter. The bare loops are no servers: they do the least, the one in C with nothing coming in at all."""

MEDIARELAY_N = 8

WHOLE = 0.97
"""Of the packets of plain forwarding that adapted subscribers must have got for the two to compare."""

EMPTY_TOLERANCE = 0.05
"""Part of the baseline that may remain after all have left: an allocator keeps some pages, a leak goes on."""

CREEP_TOLERANCE = 0.01
"""Part of the baseline that the last round may add to the one before."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One row.

    Attributes:
        what: in the words of the table.
        target: as it was set, "" where the row only explains.
        unit: after the number.
        of: the figure of one server, None where it was not measured.
        met: whether our figure keeps the target.
    """

    what: str
    target: str
    unit: str
    of: Callable[[Raw, str], float | None]
    met: Callable[[float], bool] = lambda _: True


def runs(
    raw: Raw,
    adapter: str,
    n: int,
    srtp: str = "cm80",
    parallel: int = 4,
    failed: bool = False,
    feedback: bool = False,
    whole: bool = False,
    apart: bool = False,
) -> list[dict[str, Any]]:
    """The runs of one scenario that went well, or those that failed. MediaRelay has one size only.

    Args:
        feedback: those whose subscribers send feedback on congestion, adapted to or not.
        whole: those whose subscribers take runs of datagrams in one piece.
        apart: those whose subscribers' half of the kernel's work was not the server's.
    """
    n = MEDIARELAY_N if adapter == "mediarelay" and n == 100 else n
    wanted = (adapter, n, srtp, parallel)
    found = [r for r in raw["runs"] if (r["adapter"], r["n"], r["offered_srtp"], r["parallel"]) == wanted]
    kind = (failed, feedback, whole, apart)
    keys = ("feedback", "whole", "apart")
    return [r for r in found if kind == ("error" in r, *(r.get(key, False) for key in keys))]


def median_of(
    key: str,
    n: int,
    srtp: str = "cm80",
    *,
    parallel: int = 4,
    feedback: bool = False,
    whole: bool = False,
    apart: bool = False,
) -> Callable[[Raw, str], float | None]:
    """The median of a column over the runs of one scenario."""

    def middle(raw: Raw, adapter: str) -> float | None:
        found = runs(raw, adapter, n, srtp, parallel, feedback=feedback, whole=whole, apart=apart)
        return median([r[key] for r in found if r.get(key) is not None])

    return middle


def lost(n: int, srtp: str = "cm80", parallel: int = 4) -> Callable[[Raw, str], float | None]:
    """The worst run: gaps in sequence numbers, and those who never got in as lost altogether."""

    def worst(raw: Raw, adapter: str) -> float | None:
        found = runs(raw, adapter, n, srtp, parallel)
        gaps = [100 - r["joined"] / r["n"] * (100 - max(r["loss_pct"], 0)) for r in found if r["loss_pct"] is not None]
        failed = [100.0 for _ in runs(raw, adapter, n, srtp, parallel, failed=True)] if found else []
        return round(max(gaps + failed), 6) if gaps else None

    return worst


def _join(p: float, n: int, parallel: int) -> Callable[[Raw, str], float | None]:
    def pooled(raw: Raw, adapter: str) -> float | None:
        return percentile([ms for r in runs(raw, adapter, n, parallel=parallel) for ms in r["joins_ms"]], p)

    return pooled


def _ours(value: Callable[[Raw], float | None]) -> Callable[[Raw, str], float | None]:
    return lambda raw, adapter: value(raw) if adapter == "liveclass" else None


def adaptation_cost(raw: Raw) -> list[float]:
    """What adaptation adds to the CPU of a forwarded packet, in percent, pair by pair.

    Pairs in which subscribers got less than the full picture are left out: of fewer packets each is dearer.
    """
    found = runs(raw, "liveclass", 100, feedback=True)
    adapted, plain = ([r for r in found if r.get("adaptation", True) is on] for on in (True, False))
    return [
        100 * (a["us_per_packet"] / p["us_per_packet"] - 1)
        for a, p in zip(adapted, plain, strict=False)
        if a["us_per_packet"] and p["us_per_packet"] and a["delivered_pps"] >= WHOLE * p["delivered_pps"]
    ]


def _memory(raw: Raw) -> dict[str, Any] | None:
    found: dict[str, Any] | None = raw.get("memory")
    return found if found and "error" not in found and found["empty_mb"] else None


def _remains(raw: Raw) -> float | None:
    """Percent of the baseline that remains after the last round."""
    m = _memory(raw)
    return None if m is None else float(100 * (m["empty_mb"][-1] - m["baseline_mb"]) / m["baseline_mb"])


def _creep(raw: Raw) -> float | None:
    """Percent of the baseline that the last round added."""
    m = _memory(raw)
    if m is None or len(m["empty_mb"]) < 2:
        return None
    return float(100 * (m["empty_mb"][-1] - m["empty_mb"][-2]) / m["baseline_mb"])


def _recorded(key: str) -> Callable[[Raw], list[float]]:
    return lambda raw: [r[key] for r in raw.get("recorder", []) if key in r]


def _slowest_replay(raw: Raw) -> float | None:
    failed = [r for r in raw.get("recorder", []) if r["record"] and "error" in r]
    found = _recorded("replay_ms")(raw)
    return None if failed or not found else max(found)


def _recording(raw: Raw) -> float | None:
    return median(recorder_cost(raw.get("recorder", [])))


def most(bound: float) -> Callable[[float], bool]:
    return lambda value: value <= bound


FIGURES: Sequence[Figure] = (
    Figure("CPU per packet, 100 subscribers, AES-CM", "≤ 9 µs", "µs", median_of("us_per_packet", 100), most(9)),
    Figure(
        "the same with AES-GCM", "≤ 8 µs", "µs", median_of("us_per_packet", 100, "gcm128"), most(8),
    ),
    Figure(
        "added to it by adaptation to each subscriber's link", "≤ 10 %", "%",
        _ours(lambda raw: median(adaptation_cost(raw))), most(10),
    ),
    Figure("packets lost, 100 subscribers", "none", "%", lost(100), most(0)),
    Figure("pictures received, of 30 a second", "", "/s", median_of("video_fps_per_sub", 100)),
    Figure("packets lost, 400 subscribers in one process", "none", "%", lost(400), most(0)),
    Figure("pictures received then, of 30 a second", "", "/s", median_of("video_fps_per_sub", 400)),
    Figure("CPU per packet then", "", "µs", median_of("us_per_packet", 400)),
    Figure("added latency, 100 subscribers, p50", "≤ 3 ms", "ms", median_of("latency_p50_ms", 100), most(3)),
    Figure("added latency, p99", "≤ 20 ms", "ms", median_of("latency_p99_ms", 100), most(20)),
    Figure("request to first packet, 4 joining at a time, p50", "≤ 25 ms", "ms", _join(50, 100, 4), most(25)),
    Figure("request to first packet, p95", "≤ 60 ms", "ms", _join(95, 100, 4), most(60)),
    Figure("50 joining at once, p50", "", "ms", _join(50, 50, 50)),
    Figure("50 joining at once, p95", "≤ 400 ms", "ms", _join(95, 50, 50), most(400)),
    Figure("memory of the server with 100 subscribers", "", "MB", median_of("rss_mb", 100)),
    Figure("memory per subscriber", "≤ 200 KB", "KB", median_of("rss_per_sub_kb", 100), most(200)),
    Figure(
        "memory kept after 100 joined and left, three times", "the baseline, to 5 %", "%", _ours(_remains),
        most(100 * EMPTY_TOLERANCE),
    ),
    Figure("of it added by the last time", "none, to 1 %", "%", _ours(_creep), most(100 * CREEP_TOLERANCE)),
    Figure(
        "recording, of a core per lesson", "< 0.5 %", "%", _ours(_recording),
        lambda value: value < 0.5,
    ),
    Figure(
        "end of the lesson to a replay that plays, slowest", "≤ 1000 ms", "ms", _ours(_slowest_replay), most(1000),
    ),
)  # fmt: skip


def number(value: float) -> str:
    """Three significant digits, without a tail of zeros or a power of ten."""
    if value == 0:
        return "0"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        return f"{value:.1g}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def verdict(figure: Figure, value: float | None) -> str:
    """`met`, `missed`, `not measured`; nothing where there is no target."""
    if not figure.target:
        return ""
    if value is None:
        return "not measured"
    return "met" if figure.met(value) else "missed"


def table(raw: Raw, figures: Sequence[Figure] = FIGURES) -> str:
    """The Markdown table: a row a figure, our value and its verdict first, the other servers' after."""
    others = [a for a in SERVERS if a != "liveclass" and any(r["adapter"] == a for r in raw["runs"])]
    rows = [["", "target", SERVERS["liveclass"], "", *(SERVERS[a] for a in others)]]
    rows.append(["---", "---", "---:", "---", *("---:" for _ in others)])
    for figure in figures:
        values = [figure.of(raw, adapter) for adapter in ("liveclass", *others)]
        cells = ["–" if v is None else f"{number(v)} {figure.unit}" for v in values]
        if all(v is None for v in values) and not figure.target:
            continue
        rows.append([figure.what, figure.target, cells[0], verdict(figure, values[0]), *cells[1:]])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def checked(raw: Raw) -> tuple[int, int]:
    """Packets that an independent decryptor looked at, and those of them that were not what they must be."""
    good = [r for r in raw["runs"] if "error" not in r]
    return sum(r.get("checked", 0) for r in good), sum(r.get("check_failed", 0) for r in good)


def notes(raw: Raw) -> list[str]:
    """What must be read with the table: the machine, how noisy it was, and what went wrong. A sentence each."""
    told = [r["others_cpu"] for r in [*raw["runs"], *raw.get("recorder", [])] if "others_cpu" in r]
    repeats = max(
        (len(runs(raw, r["adapter"], r["n"], r["offered_srtp"], r["parallel"])) for r in raw["runs"]), default=0
    )
    looked_at, wrong = checked(raw)
    out: list[str] = [
        f"Measured {raw['date']} on {raw['cores']} cores of {raw['cpu']}, Linux {raw['kernel']}, "
        f"Python {raw['python']}: medians of {repeats} runs, the servers in turn."
    ]
    if told:
        out.append(f"Other processes took {number(median(told) or 0)} cores (median), {number(max(told))} at most.")
        noisy = sum(v > NOISE_CORES for v in told)
        if noisy:
            out.append(
                f"**Warning: in {noisy} of {len(told)} runs others took over {NOISE_CORES} cores;"
                " times and latencies are then those of a busy machine.**"
            )
    if looked_at:
        out.append(
            f"Of the packets {looked_at:,}, one of {EVERY} of each stream and all of two subscribers, were decrypted by"
            f" pylibsrtp and looked at: keys, payload and header as they must be in all but {wrong}."
        )
    if raw.get("quick"):
        out.append("**Short runs (`--quick`), once each: for a look, not for a README.**")
    if m := _memory(raw):
        steps = ", ".join(number(v) for v in m["empty_mb"])
        out.append(f"Memory: {number(m['baseline_mb'])} MB before, {steps} MB after each time that {m['n']} had left.")
    if shares := adaptation_cost(raw):
        out.append(f"Adaptation added {', '.join(number(s) for s in shares)} % to a packet, pair by pair.")
    if cost := recorder_cost(raw.get("recorder", [])):
        out.append(f"Recording cost {', '.join(number(c) for c in cost)} % of a core, pair by pair.")
    for r in [*raw["runs"], *raw.get("recorder", []), raw.get("memory") or {}]:
        name = f"{r.get('adapter', 'liveclass')} {r.get('n', '')}".strip()
        if "error" in r:
            out.append(f"A run of {name} failed: {r['error'][:200]}")
        elif r.get("failures"):
            out.append(f"In a run of {name} some could not join: {r['failures'][0][:120]}")
        if r.get("check_failed"):
            why = ", ".join(f"{what} {count}" for what, count in r["check_faults"].items())
            out.append(f"**In a run of {name} {r['check_failed']} packets were not what they must be: {why}.**")
        if r.get("recording", "recording") != "recording" and r.get("record", True):
            out.append(f"In a run of {name} the recording was {r['recording']!r}, so its cost is missing.")
    return [*out, *raw.get("remarks", [])]
