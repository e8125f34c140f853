"""A fleet on this machine, from the command line: see script/fleet, which sets up what this needs."""

import argparse
import contextlib
import signal
import sys
import tempfile
import time
from pathlib import Path

from fleet_check import check, create_lesson
from fleet_parts import Fleet, FleetError

from liveclass.errors import LiveclassError


def say(text: str) -> None:
    print(f"  {text}", flush=True)


def show(fleet: Fleet) -> None:
    """Where everything is, and the links of a lesson."""
    lesson = create_lesson(fleet, "Fleet")
    print(f"\n  The pages:    {fleet.url}   (a certificate of its own: browsers warn once)\n")
    for what, key in (("Teach", "teacher_url"), ("Classroom", "classroom_url"), ("Replay", "replay_url")):
        print(f"  {what:<12}  {lesson[key]}")
    print(f"\n  Admin token   {fleet.admin_token}")
    for node in fleet.nodes:
        print(f"  {node.name:<12}  {node.url}")
    print(f"  State, logs   {fleet.folder}\n\n  Ctrl-C ends it.\n", flush=True)


def watch(fleet: Fleet) -> None:
    """Until Ctrl-C, or until a part has ended.

    Raises:
        FleetError: one has.
    """
    while True:
        for part in fleet.parts.values():
            if part.process.poll() is not None:
                raise FleetError(f"{part.name} has ended (exit code {part.process.returncode}):\n{part.last_words()}")
        time.sleep(1)


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """0: all went well; 1: something did not work, and is named; 130: interrupted while it started."""
    parser = argparse.ArgumentParser(prog="script/fleet", description="Run a whole fleet on this machine.")
    parser.add_argument("--check", action="store_true", help="start it, hold a lesson through it, end it")
    parser.add_argument("--folder", type=Path, help="keep state and logs here; without it they are removed at the end")
    parser.add_argument("--nodes", type=int, default=2, help="liveclass nodes [2]")
    parser.add_argument("--workers", type=int, default=2, help="workers of each [2]")
    options = parser.parse_args()
    for word in (signal.SIGTERM, signal.SIGINT):  # a shell starts what runs in its background deaf to Ctrl-C
        signal.signal(word, interrupt)
    up = False
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="liveclass-fleet-")))
        fleet = Fleet(folder.resolve(), nodes=options.nodes, workers=options.workers, say=say)
        stack.callback(fleet.stop)
        try:
            fleet.start()
            up = True
            if options.check:
                check(fleet, say)
                print("The fleet works.", flush=True)
                return 0
            show(fleet)
            watch(fleet)
        except KeyboardInterrupt:
            return 0 if up and not options.check else 130
        except (FleetError, LiveclassError, OSError) as failure:
            print(f"script/fleet: {failure}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
