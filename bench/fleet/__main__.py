"""What a fleet is worth, on this machine: `python -m bench.fleet failover|redis|signalling|joins|workers|soak|classes`.

Real server processes, a Redis of their own, and people without browsers. Each command prints a small table.
"""

import argparse
import asyncio
import signal
import sys
from typing import Protocol

from bench.fleet.crowd import joins, signalling
from bench.fleet.faults import failover, outage
from bench.fleet.site import Row, surroundings, table
from bench.fleet.wear import TURN_S, classes, soak
from bench.fleet.workers import workers


class Seen(Protocol):
    """What a measurement gives."""

    def rows(self) -> list[Row]: ...


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m bench.fleet", description=__doc__)
    commands = made.add_subparsers(dest="command", required=True)

    def command(name: str, words: str, **options: float) -> None:
        one = commands.add_parser(name, help=words, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        for option, default in options.items():
            one.add_argument(f"--{option}", type=type(default), default=default, help=" ")

    command("failover", "the owner of a lesson is killed again and again", rooms=30, kills=20)
    command("redis", "Redis is gone while lessons run", lessons=20, rooms=2, seconds=60.0)
    command("signalling", "what passing through another node adds", rooms=5, seconds=20.0)
    command("joins", "a crowd comes at once", count=500, within=5.0, most=200, lessons=4, rooms=10)
    command("workers", "what a packet costs one worker and two", subscribers=50, seconds=15.0)
    command("soak", "a lesson with joins and leaves", rooms=30, minutes=20.0, away=TURN_S, lanes=1)
    command("classes", "lessons are opened and closed", rooms=30, cycles=50)
    return made


def measure(options: argparse.Namespace) -> Seen:
    match options.command:
        case "failover":
            return asyncio.run(failover(options.rooms, options.kills))
        case "redis":
            return asyncio.run(outage(options.lessons, options.rooms, options.seconds))
        case "signalling":
            return asyncio.run(signalling(options.rooms, options.seconds))
        case "joins":
            return asyncio.run(joins(options.count, options.within, options.most, options.lessons, options.rooms))
        case "workers":
            return workers(options.subscribers, options.seconds)
        case "soak":
            return asyncio.run(soak(options.rooms, options.minutes * 60, options.away, at_once=options.lanes))
        case _:
            return asyncio.run(classes(options.rooms, options.cycles))


def main() -> None:
    options = parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers under test end as well
    given = ", ".join(f"{name} {value}" for name, value in vars(options).items() if name != "command")
    about = surroundings()
    print(f"{options.command}: {given}; {about}\n\n{table(measure(options).rows())}")


if __name__ == "__main__":
    main()
