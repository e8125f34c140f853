"""`python -m tests.links run --profile mountain-3g -- COMMAND...`: a command behind a bad link; `profiles`, `clean`.

COMMAND runs in a new namespace whose only way out leads to this machine's address 10.77.0.1; all else is refused.
Servers on this side listen on 0.0.0.0. COMMAND finds LINK_SERVER, LINK_CLIENT and LINK_NAMESPACE in its environment;
its exit code is passed on (128 + N for signal N).
"""

import argparse
import json
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from tests.links import namespace as spaces
from tests.links.link import BadLink, LinkError
from tests.links.profile import PARSERS, PROFILES, Profile

HELP = {
    "down": "rate towards the command, like 500k (bit/s)",
    "up": "rate from the command",
    "delay": "one-way delay: 150ms or DOWN/UP",
    "jitter": "30ms or DOWN/UP",
    "loss": "5%% or DOWN/UP",
    "loss-model": "random or burst",
    "burst-length": "mean number of packets lost in a row",
    "queue": "longest wait in the queue (300ms)",
    "seed": "of losses and jitter",
}


def run(link: BadLink, command: list[str], stats: Path | None) -> int:
    """Runs the command behind the link; returns its exit code."""
    child: subprocess.Popen[bytes] | None = None

    def relay(number: int, _: FrameType | None) -> None:
        if child is None:
            sys.exit(128 + number)
        if number != signal.SIGINT or not sys.stdin.isatty():  # the terminal sends its own to both
            child.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, relay)
    with link:
        child = subprocess.Popen(link.command(*command))
        code = child.wait()
    if stats:
        stats.write_text(json.dumps(link.stats(), indent=1))
    return code if code >= 0 else 128 - code


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.links", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(dest="action", required=True)
    runner = actions.add_parser("run", help="run a command behind a bad link")
    actions.add_parser("profiles", help="list the named profiles")
    actions.add_parser("clean", help="remove what killed runs left behind")
    runner.add_argument("--profile", choices=PROFILES, help="start from this named profile")
    for name, text in HELP.items():
        runner.add_argument(f"--{name}", help=text)
    runner.add_argument("--reorder", action=argparse.BooleanOptionalAction, help="jitter may reorder packets")
    runner.add_argument(
        "--outage", dest="outages", action="append", help="at=20s,for=6s[,every=60s][,mode=hold]; repeatable"
    )
    runner.add_argument(
        "--server-port", type=int, action="append", default=[], help="allow TCP only to this port; repeatable"
    )
    runner.add_argument("--no-udp", action="store_true", help="block UDP")
    runner.add_argument("--stats", type=Path, help="write statistics to this JSON file")
    runner.add_argument("command", nargs="+", metavar="-- COMMAND")
    given = parser.parse_args()
    if given.action == "clean":
        print("\n".join(spaces.clean()))
    elif given.action == "profiles":
        for name, profile in PROFILES.items():
            print(name, json.dumps(profile.to_json()))
    else:
        changes = {name: value for name, value in vars(given).items() if name in PARSERS and value is not None}
        try:
            profile = Profile.of(given.profile, **changes)
            link = BadLink(profile, server_ports=tuple(given.server_port), udp=not given.no_udp)
            sys.exit(run(link, given.command, given.stats))
        except (ValueError, LinkError, OSError) as error:
            sys.exit(f"links: {error}")


if __name__ == "__main__":
    main()
