"""`liveclass lesson create|list|end|report|delete`: a running server's lessons, over its HTTP API.

Knows the API's answers and how to print them; it refuses to know the database, which belongs to the server alone.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from liveclass.config import SERVER_VARIABLE, Settings
from liveclass.errors import UsageError
from liveclass.operate.client import LOOPBACK_HOSTS, Client, local_url
from liveclass.operate.secrets import Secrets

SETTINGS = ("host", "port", "data_dir", "admin_token", "tls_certificate", "tls_key", "tls_self_signed")
"""The settings that say where the server on this machine is, and how it is opened."""

PAGE = 100


def add_arguments(parser: argparse.ArgumentParser, add_settings: Callable[[argparse.ArgumentParser], None]) -> None:
    """The grammar of the command.

    Args:
        add_settings: adds the options of `SETTINGS` and `--config`.
    """
    commands = parser.add_subparsers(title="commands", dest="action", metavar="ACTION", required=True)
    create = commands.add_parser("create", help="create a lesson and print its links")
    create.add_argument("title", help="what the lesson is called")
    create.add_argument("--language", default="", help="language tag, such as zh-CN or en")
    create.add_argument(
        "--starts-at", default="", metavar="TIME", help="such as 2026-09-01T09:00, local time or +08:00"
    )
    listing = commands.add_parser("list", help="list lessons, newest first")
    listing.add_argument("--limit", type=int, default=PAGE, metavar="N", help=f"how many at most [{PAGE}]")
    end = commands.add_parser("end", help="end a lesson that is live or waiting")
    end.add_argument("lesson", help="its id")
    report = commands.add_parser("report", help="who attended, what each classroom received, questions and answers")
    report.add_argument("lesson", help="its id")
    report.add_argument("--csv", action="store_true", help="print the classrooms as a table for spreadsheets")
    delete = commands.add_parser("delete", help="delete a lesson, its links and its recording, for good")
    delete.add_argument("lesson", help="its id")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    for command in (create, listing, end, report, delete):
        command.add_argument("--json", action="store_true", help="print the server's answer as JSON")
        command.add_argument(
            "--server", default="", metavar="URL", help=f"the server [the one on this machine; {SERVER_VARIABLE}]"
        )
        command.add_argument("--ca", type=Path, metavar="FILE", help="certificate to trust besides the system's")
        add_settings(command)


def run(arguments: argparse.Namespace, settings: Settings, environ: Mapping[str, str]) -> int:
    """Do what was asked.

    Returns:
        the exit code: 0.

    Raises:
        UsageError: no token, a wrong argument; `Unreachable` and `Refused` from the server.
    """
    client = connect(settings, arguments.server or environ.get(SERVER_VARIABLE, ""), arguments.ca, time.time())
    if arguments.action == "create":
        answer = client.request("POST", "/api/lessons", new_lesson(arguments))
        print(json.dumps(answer, ensure_ascii=False, indent=2) if arguments.json else described(answer))
    elif arguments.action == "list":
        lessons = fetch(client, arguments.limit)
        print(json.dumps(lessons, ensure_ascii=False, indent=2) if arguments.json else table(lessons))
    elif arguments.action == "end":
        answer = client.request("POST", f"/api/lessons/{quote(arguments.lesson, safe='')}/end")
        print(json.dumps(answer, ensure_ascii=False, indent=2) if arguments.json else f"{arguments.lesson} has ended.")
    elif arguments.action == "report":
        path = f"/api/reports/{quote(arguments.lesson, safe='')}"
        if arguments.csv and not arguments.json:
            print_bytes(client.exchange("GET", f"{path}?format=csv")[1])
        else:
            answer = client.request("GET", path)
            print(json.dumps(answer, ensure_ascii=False, indent=2) if arguments.json else reported(answer))
    elif arguments.yes or confirmed(arguments.lesson):
        client.request("DELETE", f"/api/lessons/{quote(arguments.lesson, safe='')}")
        print(json.dumps({"id": arguments.lesson}) if arguments.json else f"{arguments.lesson} is deleted.")
    return 0


def connect(settings: Settings, server: str, certificate: Path | None, now: float) -> Client:
    """A client with the right to administer.

    Args:
        server: its URL; empty: the server on this machine.
        now: seconds since 1970.

    Raises:
        UsageError: there is no token, and no way to do without.
    """
    url = server or local_url(settings)
    here = not server or urlsplit(server).hostname in LOOPBACK_HOSTS
    token = settings.admin_token
    if not token and here:  # a pass for this machine's server is nothing to show to another
        secrets = Secrets.read_key(settings.data_dir)
        token = secrets.local_pass(now) if secrets is not None else ""
    if not token:
        where = f", or run this as the user who owns {settings.data_dir / 'secrets'}" if here else ""
        raise UsageError(f"admin_token: expected the server's admin token in LIVECLASS_ADMIN_TOKEN{where}")
    return Client(url, token=token, certificate=certificate_for(settings, url, certificate))


def certificate_for(settings: Settings, url: str, certificate: Path | None) -> Path | None:
    """What to trust besides the system's: what was named, else for a server on this machine its self-signed one."""
    own = settings.data_dir / "tls" / "certificate.pem"
    try:
        here = url == local_url(settings) or urlsplit(url).hostname in LOOPBACK_HOSTS
    except ValueError:  # no URL, as the client will say
        here = False
    return own if certificate is None and here and own.exists() else certificate


def new_lesson(arguments: argparse.Namespace) -> dict[str, object]:
    """The body of `POST /api/lessons`."""
    body: dict[str, object] = {"title": arguments.title}
    if arguments.language:
        body["language"] = arguments.language
    if arguments.starts_at:
        try:
            body["starts_at"] = datetime.fromisoformat(arguments.starts_at).astimezone().isoformat()
        except ValueError as bad:
            raise UsageError(
                f"--starts-at: expected a time such as 2026-09-01T09:00, got {arguments.starts_at!r}"
            ) from bad
    return body


def fetch(client: Client, limit: int) -> list[dict[str, Any]]:
    """The newest lessons, page by page."""
    found: list[dict[str, Any]] = []
    before: str | None = ""
    while len(found) < limit and before is not None:
        query = {"limit": str(min(PAGE, limit - len(found)))} | ({"before": before} if before else {})
        answer = client.request("GET", f"/api/lessons?{urlencode(query)}")
        found += answer["lessons"]
        before = answer["next"]
    return found


def table(lessons: list[dict[str, Any]]) -> str:
    """One line for each lesson."""
    if not lessons:
        return "There are no lessons. `liveclass lesson create TITLE` makes one."
    rows = [f"{'ID':<12}  {'STATE':<7}  {'CREATED':<16}  TITLE"]
    for lesson in lessons:
        created = str(lesson.get("created_at") or "")[:16].replace("T", " ")
        rows.append(f"{lesson['id']:<12}  {lesson['state']:<7}  {created:<16}  {lesson['title']}")
    return "\n".join(rows)


def described(lesson: Mapping[str, Any]) -> str:
    """A new lesson's links: they can be read here, and never again."""
    return (
        f"Lesson {lesson['id']} is waiting. Its links are shown this once:\n\n"
        f"  Teach      {lesson['teacher_url']}\n"
        f"  Classroom  {lesson['classroom_url']}\n"
        f"  Replay     {lesson['replay_url']}\n"
        f"  Report     {lesson['report_url']}"
    )


def reported(report: Mapping[str, Any]) -> str:
    """What came of a lesson: a heading, a line for each classroom, then the questions. Minutes are whole ones."""
    lines = [f"{report['lesson']['title']}: {_lasting(report)}"]
    rooms = report["rooms"]
    if not rooms:
        return f"{lines[0]}\nNo classroom was there."
    lines += ["", "PUPILS     THERE    MISSED  CAUGHT UP  CALLED  HANDS  ANSWERS  CLASSROOM"]
    for room in rooms:
        pupils = "" if room["heads"] is None else room["heads"]
        there, missed, behind = (f"{round(room[key] / 60)} min" for key in ("present_s", "missed_s", "behind_s"))
        lines.append(
            f"{pupils:>6}  {there:>8}  {missed:>8}  {behind:>9}  {room['called']:>6}  {room['hands']:>5}  "
            f"{room['answered']:>7}  {room['name']}"
        )
    for number, poll in enumerate(report["polls"], 1):
        lines += ["", f"Question {number}: {poll['question']}"]
        for letter, choice in enumerate(poll["choices"]):
            count = sum(answer["counts"][letter] for answer in poll["answers"] if letter < len(answer["counts"]))
            right = "  right" if poll["right"] == letter else ""
            lines.append(f"  {chr(65 + letter)} {choice}: {count}{right}")
    return "\n".join(lines)


def _lasting(report: Mapping[str, Any]) -> str:
    if report["started_at_ms"] is None:
        return "has not begun"
    began = datetime.fromtimestamp(report["started_at_ms"] / 1000).astimezone().strftime("%Y-%m-%d %H:%M")
    so_far = " so far" if report["ended_at_ms"] is None else ""
    return f"{began}, {round(report['duration_s'] / 60)} minutes{so_far}"


def print_bytes(content: bytes) -> None:
    """As it came: with the byte order mark and line ends that spreadsheets ask for, whatever the terminal's coding."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def confirmed(lesson: str) -> bool:
    """Ask a person; a program that calls this has made up its mind."""
    if not sys.stdin.isatty():
        return True
    answer = input(f"Delete lesson {lesson} and its recording for good? [y/N] ")
    return answer.strip().lower() in {"y", "yes"}
