"""The least that forwarding costs on this machine: the clip's packets from a bare loop in C, `floor.c`.

    python -m bench.floor                  # 100 receivers, medians of 5

It says how much of a server's figure is the machine's: its libcrypto, its kernel, and loopback, where a receiver's half
of the kernel's work is the sender's to pay. `--apart` leaves that half to another core, as a network does.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import clip
from bench.measure import percentile
from bench.place import apart

SOURCE = Path(__file__).with_suffix(".c")
ROUNDS, SECONDS = 5, 5.0


def unavailable() -> str:
    """Why there can be no floor here; empty where there can."""
    return "" if shutil.which("cc") else "The floor was not measured: no C compiler (cc) was found."


def run(receivers: int, seconds: float = SECONDS, *, seals: bool = True, sends: bool = True) -> dict[str, Any]:
    """One run of the loop, compiled anew.

    Args:
        seals, sends: whether packets are encrypted, and whether they are sent.

    Returns:
        `packets` sent, `us_per_packet`, and in ms how long after it was due a frame had left for the last receiver;
        or `error`.
    """
    if why := unavailable():
        return {"error": why}
    frames, sounds = clip.load()
    sizes = [" ".join(str(len(payload)) for payload in frame) for frame in frames]
    sizes += ["audio", *(str(len(payload)) for payload in sounds)]
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/floor"
        try:
            subprocess.run(["cc", "-O2", "-o", program, str(SOURCE), "-lcrypto"], check=True, capture_output=True)
            words = [program, str(receivers), str(seconds), str(int(seals)), str(int(sends)), str(clip.FPS)]
            text = "\n".join(sizes) + "\n"
            done = subprocess.run(words, input=text, check=True, capture_output=True, text=True, timeout=60 + seconds)
        except (OSError, subprocess.SubprocessError) as e:
            return {"error": f"{e} {getattr(e, 'stderr', '') or ''}"[:600]}
    found = json.loads(done.stdout)
    return {
        "n": receivers,
        "packets": found["packets"],
        "us_per_packet": round(1e6 * found["cpu_s"] / found["packets"], 2),
        "out_p50_ms": percentile(found["out_ms"], 50),
        "out_p99_ms": percentile(found["out_ms"], 99),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("-n", type=int, default=100, help="receivers")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--apart", action="store_true", help="the receivers' half of the kernel's work on another core")
    parser.add_argument("--once", action="store_true", help="one run: a line of JSON")
    args = parser.parse_args()
    if args.apart:
        apart("bench.floor", sys.argv[1:])
    if args.once:
        print(json.dumps(run(args.n, args.seconds)))
        return
    for what, parts in (("whole", {}), ("sealing alone", {"sends": False}), ("sending alone", {"seals": False})):
        found = [run(args.n, args.seconds, **parts) for _ in range(args.rounds)]
        if wrong := next((one["error"] for one in found if "error" in one), ""):
            sys.exit(wrong)
        middle = {key: statistics.median(one[key] for one in found) for key in found[0]}
        print(
            f"{what:14} {middle['us_per_packet']:5.2f} us a packet; a frame has left for the last of {args.n} after"
            f" {middle['out_p50_ms']:.1f} ms (p99 {middle['out_p99_ms']:.1f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
