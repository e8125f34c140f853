"""The command line: every setting is an option, every command says what it does, exit codes are as documented."""

import asyncio
import json
import os
import re
import subprocess
import sys
import webbrowser
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest

from liveclass import __version__, cli
from liveclass.config import Settings, described
from liveclass.operate.reference import page
from liveclass.operate.secrets import Secrets
from tests.operate.fakes import Answer, FakeServer, Seen, http_server, stun_port

ADMIN = "the-admins-own-token"
LINKS = {
    "id": "nkxah3gSuzkn",
    "teacher_url": "http://localhost:8080/teach/nkxah3gSuzkn#t",
    "classroom_url": "http://localhost:8080/class/nkxah3gSuzkn#c",
    "replay_url": "http://localhost:8080/replay/nkxah3gSuzkn#r",
    "report_url": "http://localhost:8080/report/nkxah3gSuzkn#t",
}
CSV = "\ufefflesson,classroom\r\n分数,3-2\r\n".encode()
REPORT = {
    "lesson": {"title": "分数"},
    "started_at_ms": 1_795_000_000_000,
    "ended_at_ms": 1_795_002_400_000,
    "duration_s": 2400.0,
    "rooms": [
        {
            "name": "石门小学三年级2班",
            "heads": 38,
            "present_s": 2400.0,
            "missed_s": 0.0,
            "behind_s": 190.0,
            "called": 2,
            "hands": 3,
            "answered": 1,
        },
        {
            "name": "4-1",
            "heads": None,
            "present_s": 300.0,
            "missed_s": 2100.0,
            "behind_s": 0.0,
            "called": 0,
            "hands": 0,
            "answered": 0,
        },
    ],
    "polls": [{"question": "1/2 + 1/4?", "choices": ["2/6", "3/4"], "right": 1, "answers": [{"counts": [3, 35]}]}],
}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("LIVECLASS_")]:
        monkeypatch.delenv(name)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


class FakeApp:
    """Stands for `liveclass.app`: notes what it was run with, and says that it answers."""

    def __init__(self) -> None:
        self.settings: list[Settings] = []

    def run(self, settings: Settings, *, ready: Callable[[object], Awaitable[None]] | None = None) -> None:
        self.settings.append(settings)
        if ready is not None:
            asyncio.run(self._answer(ready))

    @staticmethod
    async def _answer(ready: Callable[[object], Awaitable[None]]) -> None:
        async def create_lesson(title: str, language: str) -> dict[str, str]:
            return {**LINKS, "title": title}

        await ready(SimpleNamespace(url="http://localhost:8080", create_lesson=create_lesson))


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> FakeApp:
    fake = FakeApp()
    monkeypatch.setitem(sys.modules, "liveclass.app", SimpleNamespace(run=fake.run))
    return fake


def help_of(*command: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as end:
        cli.main([*command, "--help"])
    assert end.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", ["serve", "demo", "doctor", "settings"])
def test_every_setting_is_listed_in_the_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(command, capsys=capsys)
    together = re.sub(r"\s+", " ", text)
    for about in described():
        assert about.option in text
        assert about.variable in text
        assert about.help in together
        assert f"{about.heading}:" in text


def test_every_setting_can_be_given_as_an_option(app: FakeApp, tmp_path: Path) -> None:
    assert cli.main(["serve", "--udp-port", "7001", "--no-record", "--log-format", "json", "--data-dir", "d"]) == 0
    assert app.settings == [Settings(udp_port=7001, record=False, log_format="json", data_dir=Path("d"))]
    parser = cli.build_parser()
    for about in described():
        given = [] if about.type is bool else ["1"]
        arguments = parser.parse_args(["serve", about.option, *given])
        assert getattr(arguments, about.name) is not None


def test_options_variables_and_file_meet(app: FakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.toml").write_text("port = 1\nudp_port = 2\nmax_called = 3\n")
    monkeypatch.setenv("LIVECLASS_UDP_PORT", "4")
    assert cli.main(["serve", "--config", "x.toml", "--max-called", "5"]) == 0
    assert (app.settings[0].port, app.settings[0].udp_port, app.settings[0].max_called) == (1, 4, 5)


def test_help_lists_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(capsys=capsys)
    for word in ("serve", "demo", "lesson", "doctor", "settings", "--version", "exit codes"):
        assert word in text
    text = help_of("lesson", capsys=capsys)
    for word in ("create", "list", "end", "report", "delete"):
        assert word in text


def test_no_command_shows_the_help_and_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "serve" in capsys.readouterr().out


@pytest.mark.parametrize("argv", [["fly"], ["serve", "--prot", "1"], ["lesson"], ["lesson", "create"]])
def test_a_wrong_command_line_ends_with_2(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(argv)
    assert end.value.code == 2


def test_a_wrong_setting_ends_with_2_and_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVECLASS_UDPPORT", "1")
    assert cli.main(["serve", "--port", "http"]) == 2
    said = capsys.readouterr().err
    assert "error: --port: expected a whole number from 0 to 65535, got 'http'" in said
    assert "did you mean LIVECLASS_UDP_PORT?" in said


def test_python_m_liveclass_is_the_command() -> None:
    command = [sys.executable, "-m", "liveclass", "--version"]
    environ = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, env=environ)
    assert (done.returncode, done.stdout) == (0, f"liveclass {__version__}\n")


def test_a_second_server_on_a_data_folder_ends_with_2(app: FakeApp, capsys: pytest.CaptureFixture[str]) -> None:
    from liveclass.operate.lock import held

    with held(Path("data")):
        assert cli.main(["serve"]) == 2
    assert "another liveclass is using" in capsys.readouterr().err
    assert app.settings == []


def test_interrupting_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(settings: Settings, *, ready: object = None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "liveclass.app", SimpleNamespace(run=interrupted))
    assert cli.main(["serve"]) == 130


def test_a_demonstration_prints_its_links_and_opens_no_browser_without_a_desktop(
    app: FakeApp, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    assert cli.main(["demo"]) == 0
    said = capsys.readouterr().out
    assert all(LINKS[f"{role}_url"] in said for role in ("teacher", "classroom", "replay"))
    assert opened == []


@pytest.mark.parametrize(("argv", "count"), [(["demo"], 3), (["demo", "--no-browser"], 0)])
def test_a_demonstration_opens_its_links_on_a_desktop(
    app: FakeApp, monkeypatch: pytest.MonkeyPatch, argv: list[str], count: int
) -> None:
    opened: list[str] = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(cli, "Thread", Inline)
    assert cli.main(argv) == 0
    assert opened == [LINKS["teacher_url"], LINKS["classroom_url"], LINKS["replay_url"]][:count]


class Inline:
    """A thread that has run when it has started."""

    def __init__(self, target: Callable[[], object], daemon: bool) -> None:
        self._target = target

    def start(self) -> None:
        self._target()


def test_a_demonstration_moves_off_ports_that_are_taken_but_not_off_those_asked_for() -> None:
    with stun_port() as udp:
        assert cli.with_free_ports(Settings(host="127.0.0.1", port=0, udp_port=udp)).udp_port == udp
    taken = [SimpleNamespace(level="fail"), SimpleNamespace(level="fail")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("liveclass.operate.doctor.check_ports", lambda *_, **__: taken)
        moved = cli.with_free_ports(Settings())
        assert (moved.port, moved.udp_port) == (0, 0)
        kept = cli.with_free_ports(Settings(port=81, udp_port=82))
        assert (kept.port, kept.udp_port) == (81, 82)


@pytest.mark.parametrize(
    ("platform", "environ", "desktop"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("linux", {"DISPLAY": ""}, False),
        ("darwin", {}, True),
        ("win32", {}, True),
        ("darwin", {"SSH_CONNECTION": "x"}, False),
    ],
)
def test_a_desktop_is_known_by_its_display(platform: str, environ: dict[str, str], desktop: bool) -> None:
    assert cli.has_desktop(platform, environ) is desktop


def test_the_banner_says_what_browsers_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liveclass.operate.certificates.local_addresses", lambda: ("192.0.2.7", "2001:db8::1"))
    assert "--tls-self-signed" in cli.banner(LINKS, "http://localhost:8080")
    lan = cli.banner(LINKS, "https://localhost:8080")
    assert "Proceed" in lan
    assert "put 192.0.2.7 in the place of localhost" in lan
    assert "192.0.2.7" not in cli.banner(LINKS, "https://class.example.org")


def test_the_doctors_exit_code_tells_whether_something_is_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = ["doctor", "--host", "127.0.0.1", "--port", "0", "--udp-port", "0"]
    assert cli.main(argv) == 0
    said = capsys.readouterr().out
    assert re.search(r"^warn  certificate: .*\n      -> ", said, re.MULTILINE)
    assert cli.main([*argv, "--disk-floor-bytes", str(2**62)]) == 1
    assert re.search(r"^fail  disk space: ", capsys.readouterr().out, re.MULTILINE)


def test_settings_are_printed_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["settings", "--port", "81", "--admin-token", ADMIN]) == 0
    said = capsys.readouterr().out
    assert "port = 81" in said
    assert ADMIN not in said
    assert cli.main(["settings", "--markdown"]) == 0
    assert capsys.readouterr().out == page()


def api(request: Seen) -> Answer:
    """The lessons of a small school: what the real API answers, in its shape."""
    if request.headers.get("authorization") != f"Bearer {ADMIN}":
        return Answer(401, {"error": {"code": "token_invalid", "message": "This token is not valid."}})
    url = urlsplit(request.path)
    if (request.method, url.path) == ("POST", "/api/lessons"):
        return Answer(201, {**LINKS, **json.loads(request.body), "state": "waiting"})
    if (request.method, url.path) == ("GET", "/api/lessons"):
        query = parse_qs(url.query)
        first = int(query.get("before", ["0"])[0])
        last = min(first + int(query["limit"][0]), 250)
        lessons = [
            {"id": str(n), "title": f"课 {n}", "state": "live", "created_at": "2026-09-01T09:00:00Z"}
            for n in range(first + 1, last + 1)
        ]
        return Answer(200, {"lessons": lessons, "next": str(last) if last < 250 else None})
    if (request.method, url.path) == ("POST", "/api/lessons/nkxah3gSuzkn/end"):
        return Answer(200, {"id": "nkxah3gSuzkn", "state": "ended"})
    if (request.method, url.path) == ("GET", "/api/reports/nkxah3gSuzkn"):
        return Answer(200, CSV if url.query == "format=csv" else REPORT)
    if (request.method, url.path) == ("DELETE", "/api/lessons/nkxah3gSuzkn"):
        return Answer(204)
    return Answer(404, {"error": {"code": "lesson_unknown", "message": "There is no such lesson."}})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    with http_server(api) as running:
        monkeypatch.setenv("LIVECLASS_SERVER", running.url)
        monkeypatch.setenv("LIVECLASS_ADMIN_TOKEN", ADMIN)
        yield running


def test_a_lesson_is_created_and_its_links_are_printed(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lesson", "create", "分数", "--language", "zh-CN", "--starts-at", "2026-09-01T09:00"]) == 0
    said = capsys.readouterr().out
    assert all(LINKS[key] in said for key in LINKS)
    sent = json.loads(server.seen[0].body)
    assert (sent["title"], sent["language"]) == ("分数", "zh-CN")
    assert datetime.fromisoformat(sent["starts_at"]).tzinfo is not None


def test_only_what_was_said_is_sent(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lesson", "create", "Fractions", "--json"]) == 0
    assert json.loads(server.seen[0].body) == {"title": "Fractions"}
    assert json.loads(capsys.readouterr().out)["id"] == LINKS["id"]


@pytest.mark.parametrize(("limit", "pages"), [("1", 1), ("100", 1), ("150", 2), ("1000", 3)])
def test_lessons_are_listed_page_by_page(
    server: FakeServer, capsys: pytest.CaptureFixture[str], limit: str, pages: int
) -> None:
    assert cli.main(["lesson", "list", "--limit", limit]) == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    assert len(rows) == min(int(limit), 250)
    assert rows[0].split() == ["1", "live", "2026-09-01", "09:00", "课", "1"]
    assert len(server.seen) == pages


def test_no_lessons_is_said_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with http_server(lambda _: Answer(200, {"lessons": [], "next": None})) as empty:
        assert cli.main(["lesson", "list", "--server", empty.url, "--admin-token", ADMIN]) == 0
        assert "There are no lessons" in capsys.readouterr().out
        assert cli.main(["lesson", "list", "--server", empty.url, "--admin-token", ADMIN, "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == []


def test_a_lesson_is_ended_and_deleted(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lesson", "end", "nkxah3gSuzkn"]) == 0
    assert cli.main(["lesson", "delete", "nkxah3gSuzkn", "--yes"]) == 0
    assert [f"{seen.method} {seen.path}" for seen in server.seen] == [
        "POST /api/lessons/nkxah3gSuzkn/end",
        "DELETE /api/lessons/nkxah3gSuzkn",
    ]


def test_a_report_names_classrooms_and_answers(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lesson", "report", "nkxah3gSuzkn"]) == 0
    heading, _, columns, first, second, _, *question = capsys.readouterr().out.splitlines()
    assert heading.startswith("分数: 2026-11-1")
    assert heading.endswith(", 40 minutes")
    assert " ".join(columns.split()) == "PUPILS THERE MISSED CAUGHT UP CALLED HANDS ANSWERS CLASSROOM"
    assert " ".join(first.split()) == "38 40 min 0 min 3 min 2 3 1 石门小学三年级2班"
    assert " ".join(second.split()) == "5 min 35 min 0 min 0 0 0 4-1"
    assert question == ["Question 1: 1/2 + 1/4?", "  A 2/6: 3", "  B 3/4: 35  right"]
    assert cli.main(["lesson", "report", "nkxah3gSuzkn", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == REPORT


def test_a_report_for_spreadsheets_comes_byte_by_byte_as_the_server_made_it(
    server: FakeServer, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert cli.main(["lesson", "report", "nkxah3gSuzkn", "--csv"]) == 0
    assert capfdbinary.readouterr().out == CSV


def test_a_report_of_a_lesson_without_classrooms_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = {**REPORT, "rooms": [], "started_at_ms": None}
    with http_server(lambda _: Answer(200, nobody)) as empty:
        assert cli.main(["lesson", "report", "x", "--server", empty.url, "--admin-token", ADMIN]) == 0
    assert capsys.readouterr().out == "分数: has not begun\nNo classroom was there.\n"


@pytest.mark.parametrize(("typed", "deleted"), [("y\n", 1), ("\n", 0), ("no\n", 0)])
def test_a_person_is_asked_before_a_lesson_is_deleted(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, typed: str, deleted: int
) -> None:
    terminal = StringIO(typed)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    assert cli.main(["lesson", "delete", "nkxah3gSuzkn"]) == 0
    assert len(server.seen) == deleted


def test_an_id_cannot_lead_elsewhere(server: FakeServer) -> None:
    assert cli.main(["lesson", "end", "../lessons?x#y"]) == 3
    assert server.seen[0].path == "/api/lessons/..%2Flessons%3Fx%23y/end"


def test_a_refusal_ends_with_3_and_the_servers_words(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lesson", "end", "nowhere"]) == 3
    assert "There is no such lesson." in capsys.readouterr().err
    assert cli.main(["lesson", "list", "--admin-token", "not-the-right-token"]) == 3


def test_no_server_ends_with_3(capsys: pytest.CaptureFixture[str]) -> None:
    with http_server(api) as gone:
        pass
    assert cli.main(["lesson", "list", "--server", gone.url, "--admin-token", ADMIN]) == 3
    assert "is `liveclass serve` running" in capsys.readouterr().err


def test_a_wrong_time_ends_with_2(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lesson", "create", "x", "--starts-at", "tomorrow"]) == 2
    assert "--starts-at: expected a time" in capsys.readouterr().err
    assert server.seen == []


def test_on_the_servers_own_machine_no_token_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = Secrets.open(Path("data"))

    def judged(request: Seen) -> Answer:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        return Answer(200, {"lessons": [], "next": None}) if secrets.is_admin(token, now()) else Answer(401)

    def now() -> float:
        return datetime.now().timestamp()

    with http_server(judged) as here:
        assert cli.main(["lesson", "list", "--host", "127.0.0.1", "--port", str(here.port)]) == 0
        assert cli.main(["lesson", "list", "--server", here.url]) == 0


def test_a_pass_for_this_machine_is_shown_to_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    Secrets.open(Path("data"))
    assert cli.main(["lesson", "list", "--server", "https://class.example.org"]) == 2
    assert "LIVECLASS_ADMIN_TOKEN" in capsys.readouterr().err


def test_without_token_and_secrets_it_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lesson", "list"]) == 2
    assert "run this as the user who owns data/secrets" in capsys.readouterr().err
