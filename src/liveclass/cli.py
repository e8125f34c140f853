"""The command `liveclass`: reads the command line, and hands over.

Knows words, options and exit codes; what the commands do stands in the rooms below. Heavy imports wait until a command
needs them, so that `--help` and `lesson` answer at once.

Exit codes: 0 done; 1 the doctor found a fault, or something held the server's end up; 2 called or configured wrongly;
3 the server cannot be reached or refused; 130 interrupted.
"""

import argparse
import os
import sys
import webbrowser
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from textwrap import wrap
from threading import Thread
from typing import TYPE_CHECKING

from liveclass import __version__
from liveclass.config import Described, Settings, described, load, misspelt_variables
from liveclass.errors import LiveclassError, UsageError
from liveclass.operate import lessons_command, store_command, top_command
from liveclass.operate.client import Refused, Unreachable
from liveclass.operate.reference import page, shown_default, values

if TYPE_CHECKING:
    from liveclass.app import Running
    from liveclass.operate.workers import Worker

EXIT_DONE = 0
EXIT_FAULT = 1
EXIT_USAGE = 2
EXIT_SERVER = 3
EXIT_INTERRUPTED = 130

NODE_SETTINGS = ("data_dir", "redis_url", "fleet_prefix", "fleet_key")
"""The settings that say where a fleet's directory is, and by what a node believes whoever asks."""

DEMONSTRATION = {"zh": "演示课"}  # by language; English for all others
OTHER_DEMONSTRATION = "Demonstration lesson"

EXIT_CODES = (
    "exit codes: 0 done; 1 the doctor found a fault, or something held the server's end up; "
    "2 called or configured wrongly; 3 the server cannot be reached or refused; 130 interrupted"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: what stands after the program's name; `sys.argv` when None.

    Returns:
        the exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(
                errors="replace"
            )  # a terminal that knows no Chinese gets question marks, not a traceback
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help()
        return EXIT_USAGE
    for name, meant in misspelt_variables(os.environ).items():
        print(f"liveclass: warning: {name} is no setting; did you mean {meant}?", file=sys.stderr)
    try:
        run: Callable[[argparse.Namespace], int] = arguments.run
        return run(arguments)
    except (Unreachable, Refused) as failure:
        return _fail(failure, EXIT_SERVER)
    except LiveclassError as failure:
        return _fail(failure, EXIT_USAGE)
    except BrokenPipeError:  # `liveclass lesson list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def build_parser() -> argparse.ArgumentParser:
    """The whole grammar of the command line."""
    parser = argparse.ArgumentParser(
        prog="liveclass", description="A live classroom for places where the network is bad.", epilog=EXIT_CODES
    )
    parser.add_argument("--version", action="version", version=f"liveclass {__version__}")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")

    serve = commands.add_parser("serve", help="run the server", description="Run the server until SIGTERM or Ctrl-C.")
    _add_settings(serve)
    serve.set_defaults(run=_serve)

    demo = commands.add_parser(
        "demo",
        help="run the server with a demonstration lesson and show its links",
        description="Run the server, create a demonstration lesson, print its three links and open them on a desktop.",
    )
    demo.add_argument("--no-browser", action="store_true", help="print the links only")
    demo.add_argument("--title", default="", help="what the lesson is called")
    _add_settings(demo)
    demo.set_defaults(run=_demo)

    lesson = commands.add_parser(
        "lesson",
        help="create, list, end, report on and delete lessons of a running server",
        description="Talk to a running server. On the server's own machine no token is needed.",
    )
    lessons_command.add_arguments(lesson, partial(_add_settings, only=lessons_command.SETTINGS))
    lesson.set_defaults(run=lambda arguments: lessons_command.run(arguments, _settings(arguments), os.environ))

    store_command.add_commands(commands, partial(_add_settings, only=store_command.SETTINGS), _settings)

    node = commands.add_parser(
        "node",
        help="list the nodes of a fleet; have one move its lessons to others",
        description="The nodes of a fleet: list them, or have one move its lessons away before it is stopped.",
    )
    _add_node_arguments(node)
    node.set_defaults(run=_node)

    top = commands.add_parser(
        "top",
        help="show nodes, lessons, rooms and rates in the terminal, live",
        description="Show what the nodes carry now, each two seconds, until Ctrl-C.",
    )
    top_command.add_arguments(top, partial(_add_settings, only=top_command.SETTINGS))
    top.set_defaults(run=lambda arguments: top_command.run(arguments, _settings(arguments), os.environ))

    doctor = commands.add_parser(
        "doctor",
        help="check ports, certificate, disk, clock, address and UDP",
        description="Check everything around liveclass that a lesson depends on, and say what to do.",
    )
    doctor.add_argument(
        "--peer",
        default="",
        metavar="URL",
        help="a liveclass server to reach from here by HTTP, UDP and TCP, and to compare clocks with; a class's link "
        "has its TURN servers tested as well",
    )
    _add_settings(doctor)
    doctor.set_defaults(run=_doctor)

    settings = commands.add_parser(
        "settings", help="print the settings in force", description="Print the settings in force, as TOML."
    )
    settings.add_argument("--markdown", action="store_true", help="print the reference page docs/settings.md instead")
    _add_settings(settings)
    settings.set_defaults(run=_print_settings)
    return parser


def _add_settings(parser: argparse.ArgumentParser, only: Sequence[str] | None = None) -> None:
    """Every setting as an option, under its heading; `load` judges the values."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file with settings [LIVECLASS_CONFIG]")
    wanted = (about for about in described() if only is None or about.name in only)
    for heading, settings in groupby(wanted, key=lambda about: about.heading):
        group = parser.add_argument_group(heading)
        for about in settings:
            _add_setting(group, about)


def _add_setting(group: argparse._ArgumentGroup, about: Described) -> None:
    text = f"{about.help} [{shown_default(about)}; {about.variable}]".replace("%", "%%")
    if about.type is bool:
        group.add_argument(about.option, action=argparse.BooleanOptionalAction, default=None, help=text)
    else:
        metavar = "|".join(about.type) if isinstance(about.type, tuple) else _METAVARS.get(about.type, "TEXT")
        group.add_argument(about.option, metavar=metavar, help=text)


_METAVARS = {int: "N", float: "N", Path: "PATH"}


def _settings(arguments: argparse.Namespace) -> Settings:
    given = {about.name: getattr(arguments, about.name, None) for about in described()}
    return load(given, os.environ, arguments.config)


def _serve(arguments: argparse.Namespace) -> int:
    from liveclass.operate.workers import worker_of

    settings = _settings(arguments)

    def show(url: str) -> None:
        from liveclass.operate.certificates import BROWSER_WARNING

        if settings.tls_self_signed and settings.tls_certificate is None:
            print(f"\n  Open {url}\n\n" + "".join(f"  {line}\n" for line in wrap(BROWSER_WARNING, 74)), flush=True)

    async def ready(running: "Running") -> None:
        show(running.url)

    worker = worker_of(os.environ)
    if worker is not None:
        return _run_worker(settings, worker)
    return _run_workers(settings, show) if settings.workers > 1 else _run_server(settings, ready)


def _run_server(settings: Settings, ready: "Callable[[Running], Awaitable[None]] | None" = None) -> int:
    from liveclass.app import run
    from liveclass.operate.lock import held

    with held(settings.data_dir):
        run(settings, ready=ready)
    return EXIT_DONE


def _run_worker(settings: Settings, worker: "Worker") -> int:
    """One of several; the supervisor holds the data folder."""
    from liveclass.app import run

    run(settings, worker=worker)
    return EXIT_DONE


def _run_workers(settings: Settings, show: Callable[[str], None]) -> int:
    import asyncio

    from liveclass.app import supervise
    from liveclass.operate.lock import held

    with held(settings.data_dir) as lock:
        return asyncio.run(supervise(settings, sys.argv[1:], lock, show))


def _add_node_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands", dest="action", metavar="ACTION", required=True)
    listing = commands.add_parser("list", help="the nodes that are there now, and what they carry")
    listing.add_argument("--json", action="store_true", help="print the list as JSON")
    drain = commands.add_parser("drain", help="have a node take no more lessons, and move those that it has to others")
    drain.add_argument("node", help="its id or name, or the name of a machine for all its workers")
    drain.add_argument("--wait", type=float, default=0.0, metavar="S", help="wait so long until it has no lesson [0]")
    for command in (listing, drain):
        _add_settings(command, only=NODE_SETTINGS)


def _node(arguments: argparse.Namespace) -> int:
    import asyncio

    from liveclass.app import directory_of, node_key
    from liveclass.operate.secrets import Secrets
    from liveclass.server import node_command

    settings = _settings(arguments)
    secrets = Secrets.read_key(settings.data_dir)
    if secrets is None and not settings.fleet_key:
        raise UsageError(f"data_dir: {settings.data_dir} is no folder of a server that runs here; give its --data-dir")
    key = node_key(settings, secrets or Secrets(b"", None))
    return asyncio.run(node_command.run(arguments, directory_of(settings), key))


def _demo(arguments: argparse.Namespace) -> int:
    settings = with_free_ports(_settings(arguments))
    language = settings.default_language
    title = arguments.title or DEMONSTRATION.get(language.partition("-")[0], OTHER_DEMONSTRATION)
    browse = not arguments.no_browser and has_desktop(sys.platform, os.environ)

    async def show(running: "Running") -> None:
        links = await running.create_lesson(title, language)
        print(banner(links, running.url), flush=True)
        if browse:
            urls = [links[key] for key in ("teacher_url", "classroom_url", "replay_url")]
            # A browser that does not return at once must not hold the server.
            Thread(target=lambda: [webbrowser.open(url) for url in urls], daemon=True).start()

    return _run_server(settings, show)


def with_free_ports(settings: Settings) -> Settings:
    """For a demonstration only: where a default port is taken, any free one does as well."""
    from liveclass.operate.doctor import check_ports

    taken = [finding.level == "fail" for finding in check_ports(settings, running=False)]
    if taken[0] and settings.port == Settings().port:
        settings = replace(settings, port=0)
    if taken[1] and settings.udp_port == Settings().udp_port:
        settings = replace(settings, udp_port=0)
    return settings


def has_desktop(platform: str, environ: Mapping[str, str]) -> bool:
    """Whether a browser can be shown to whoever started this."""
    if platform in {"darwin", "win32"}:
        return "SSH_CONNECTION" not in environ
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def banner(links: Mapping[str, str], url: str) -> str:
    """The three links of a lesson, as the demonstration shows them.

    Args:
        links: as `Running.create_lesson` gives them.
        url: of the pages, as this machine reaches them.
    """
    from liveclass.operate.certificates import BROWSER_WARNING, local_addresses

    notes = ["Camera and microphone work on this machine only; for others in the LAN add --tls-self-signed."]
    if url.startswith("https:"):
        notes = wrap(BROWSER_WARNING, 74)
        if "//localhost" in url and (address := next(iter(local_addresses()), "")):
            shown = f"[{address}]" if ":" in address else address
            notes.append(f"On other devices of this network put {shown} in the place of localhost.")
    line = "=" * 78
    return (
        f"\n{line}\n\n  liveclass is running. Open:\n\n"
        f"  Teach      上课    {links['teacher_url']}\n\n"
        f"  Classroom  教室    {links['classroom_url']}\n\n"
        f"  Replay     回放    {links['replay_url']}\n\n"
        + "".join(f"  {note}\n" for note in [*notes, "Ctrl-C ends it."])
        + f"\n{line}\n"
    )


def _doctor(arguments: argparse.Namespace) -> int:
    from liveclass.operate.doctor import examine

    worst = EXIT_DONE
    for finding in examine(_settings(arguments), peer_url=arguments.peer):
        print(f"{finding.level:<5} {finding.check}: {finding.message}", flush=True)
        if finding.advice:
            print(f"      -> {finding.advice}", flush=True)
        if finding.level == "fail":
            worst = EXIT_FAULT
    return worst


def _print_settings(arguments: argparse.Namespace) -> int:
    print(page() if arguments.markdown else values(_settings(arguments)), end="")
    return EXIT_DONE


def _fail(failure: Exception, code: int) -> int:
    print(f"liveclass: error: {failure}", file=sys.stderr)
    return code
