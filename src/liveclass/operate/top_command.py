"""`liveclass top`: asks the nodes for their figures and the API for the lessons, and redraws the terminal.

Knows addresses, tokens, the clock and the terminal; what stands on the screen is `operate/top.py`'s.
"""

import argparse
import math
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

from liveclass.config import SERVER_VARIABLE, Settings
from liveclass.errors import UsageError
from liveclass.operate import lessons_command
from liveclass.operate.client import Client, Refused, Unreachable, local_url
from liveclass.operate.top import LessonLine, NodeLine, Reading, lesson_line, node_line, parsed, screen

SETTINGS = (*lessons_command.SETTINGS, "metrics_token")

PATIENCE_S = 3.0
"""How long a node may take to answer: a table that stands still helps nobody."""
AT_ONCE = 32
"""Requests that run at the same time."""
LISTED = 200
"""Lessons that are asked for, the newest: as many as one answer of the API holds."""
DETAILED = 60
"""Lessons whose rooms and recording are asked for."""
UNTOLD_WIDTH, FIRST_GAP_S = 80, 1.0

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
HOME, END_OF_LINE, BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


def add_arguments(parser: argparse.ArgumentParser, add_settings: Callable[[argparse.ArgumentParser], None]) -> None:
    """The grammar of the command."""
    parser.add_argument("--once", action="store_true", help="print one plain table of all rows, and end")
    parser.add_argument("--every", type=float, default=2.0, metavar="S", help="seconds between two readings [2]")
    parser.add_argument(
        "--server",
        action="append",
        default=[],
        metavar="URL",
        help=f"a node; may be given several times [the server on this machine; {SERVER_VARIABLE}]",
    )
    parser.add_argument("--ca", type=Path, metavar="FILE", help="certificate to trust besides the system's")
    add_settings(parser)


def run(arguments: argparse.Namespace, settings: Settings, environ: Mapping[str, str]) -> int:
    """Show it until Ctrl-C, or once.

    Returns:
        the exit code: 0.

    Raises:
        UsageError: a wrong argument. Unreachable: no node answered the first time.
    """
    if not (math.isfinite(arguments.every) and 0.2 <= arguments.every <= 3600):
        raise UsageError("--every: expected seconds from 0.2 to 3600")
    urls = arguments.server or [environ.get(SERVER_VARIABLE, "") or local_url(settings)]
    nodes = {url: _metrics_client(settings, url, arguments.ca) for url in urls}
    api, note = _api_client(settings, urls[0], arguments.ca)
    live = sys.stdout.isatty() and not arguments.once
    with ThreadPoolExecutor(AT_ONCE) as pool:
        before = read(nodes, pool)
        if all(reading.problem for reading in before):
            raise Unreachable("; ".join(reading.problem for reading in before[:3]))
        time.sleep(min(FIRST_GAP_S, arguments.every))
        try:
            if live:
                sys.stdout.write(ENTER)
            while True:
                now = read(nodes, pool)
                lines = [node_line(old, new) for old, new in zip(before, now, strict=True)]
                lessons, said = lessons_of(api, pool) if api else ([], note)
                size = shutil.get_terminal_size((UNTOLD_WIDTH, 24))
                if not live:
                    print("\n".join(_plain(lines, lessons, said, size.columns)))
                    return 0
                rows = screen(
                    lines,
                    lessons,
                    width=size.columns,
                    height=size.lines,
                    note=said,
                    more_lessons=len(lessons) >= LISTED,
                )[: size.lines]
                sys.stdout.write(HOME + "\n".join(row + END_OF_LINE for row in rows) + BELOW)
                sys.stdout.flush()
                before = now
                time.sleep(arguments.every)
        except KeyboardInterrupt:
            return 0
        finally:
            if live:
                sys.stdout.write(LEAVE)
                sys.stdout.flush()


def read(nodes: Mapping[str, Client], pool: ThreadPoolExecutor) -> list[Reading]:
    """All nodes' figures, in their order. One that does not answer is told of in its line, and holds up nobody.

    Args:
        nodes: by URL, with a client that may read each one's `/metrics`.
    """
    return list(pool.map(lambda one: _reading(*one), nodes.items()))


def lessons_of(api: Client, pool: ThreadPoolExecutor) -> tuple[list[LessonLine], str]:
    """The newest lessons that are live or waiting, and why there are none to be told of."""
    try:
        listed = api.request("GET", f"/api/lessons?limit={LISTED}")["lessons"]
    except (Unreachable, Refused) as failure:
        return [], f"Lessons cannot be told: {failure}"
    present = [one for one in listed if one["state"] != "ended"]
    present.sort(key=lambda one: one["state"] != "live")
    asked = present[:DETAILED]
    found = list(pool.map(lambda one: _lesson(api, one), asked))
    return found + [lesson_line(one, None, _minutes(one)) for one in present[DETAILED:]], ""


def _lesson(api: Client, summary: Mapping[str, object]) -> LessonLine:
    try:
        detail = api.request("GET", f"/api/lessons/{quote(str(summary['id']), safe='')}")
    except (Unreachable, Refused):  # it was deleted, or moves to another node just now
        detail = None
    return lesson_line(summary, detail, _minutes(summary))


def _minutes(summary: Mapping[str, object]) -> int | None:
    if not summary.get("started_at"):
        return None
    started = datetime.fromisoformat(str(summary["started_at"]))
    return max(0, int((datetime.now(started.tzinfo) - started).total_seconds() // 60))


def _reading(url: str, client: Client) -> Reading:
    name = urlsplit(url).netloc
    try:
        text = client.exchange("GET", "/metrics")[1].decode("utf-8", "replace")
        return Reading(name, time.monotonic(), parsed(text))
    except (Unreachable, Refused) as failure:
        return Reading(name, time.monotonic(), problem=str(failure))
    except ValueError:
        return Reading(name, time.monotonic(), problem=f"{url} answered, but not as liveclass does")


def _plain(lines: Sequence[NodeLine], lessons: Sequence[LessonLine], note: str, width: int) -> list[str]:
    """For a file or a pipe: every row, in full where nobody said how wide a line may be."""
    width = width if sys.stdout.isatty() else 1000
    return screen(lines, lessons, width=width, note=note, more_lessons=len(lessons) >= LISTED)


def _metrics_client(settings: Settings, url: str, certificate: Path | None) -> Client:
    trusted = lessons_command.certificate_for(settings, url, certificate)
    return Client(url, token=settings.metrics_token, certificate=trusted, timeout_s=PATIENCE_S)


def _api_client(settings: Settings, url: str, certificate: Path | None) -> tuple[Client | None, str]:
    """A client for the lessons, or why there is none: figures are shown all the same."""
    try:
        return lessons_command.connect(settings, url, certificate, time.time()), ""
    except UsageError as failure:
        return None, f"Lessons are not shown. {failure}"
