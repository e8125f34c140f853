"""What a server is set up with, held to the code: compose file, image, environment, Caddy, dashboard.

No container runs here. Every path, port, variable, command and health check that these files name is looked up where it
is defined; what can run without a container (Caddy's own check, the script that makes the secrets) does. coturn is
asked in `tests/server/test_turn.py`, the same topology as plain processes is run by `tests/test_fleet_script.py`.
"""

import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from liveclass.app import MOVE_S
from liveclass.cli import build_parser
from liveclass.config import Settings, described, load
from liveclass.operate.bundle import SUFFIXES

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = ROOT / "docker-compose.yml"
FLEET = ROOT / "deploy" / "fleet.yml"
CADDYFILE = ROOT / "deploy" / "Caddyfile"
SETTINGS = {about.variable: about for about in described()}

PUBLIC_PORTS = {("80", "tcp"), ("443", "tcp"), ("7000-7007", "udp"), ("7000-7007", "tcp")}
"""All that docs/deploy.md tells an admin to open, TURN excepted, which has the machine's network."""
MOST_WORKERS = 8

VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)")
PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+(?:\.\d+)?[\w.-]*")
EXAMPLE = {
    "SITE_ADDRESS": "class.example.org",
    "ACME_EMAIL": "admin@example.org",
    "LIVECLASS_PUBLIC_ADDRESS": "203.0.113.7",
    "NODE_ADDRESS": "10.0.0.12",
    "FIRST_ADDRESS": "10.0.0.11",
}


class Loader(yaml.SafeLoader):
    """Knows Compose's `!reset`: what the other file says of this is dropped."""


Loader.add_constructor("!reset", lambda _loader, _node: None)


def services(path: Path = COMPOSE) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.load(path.read_text("utf-8"), Loader)["services"]  # noqa: S506
    return found


SERVICES = services()
BUILT = "liveclass"


def example() -> dict[str, str]:
    """.env.example with what an admin and script/secrets fill in."""
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    values = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    for name, given in values.items():
        made = "5ec" * 20 if name.endswith(("_PASSWORD", "_TOKEN", "_KEY", "_SECRET")) else ""
        values[name] = resolved(given or EXAMPLE.get(name, made), values)
    return values


def resolved(text: str, values: dict[str, str]) -> str:
    """Compose's interpolation: ${NAME}, ${NAME:-default} and ${NAME:?message}, nested; `$$` is a dollar."""
    pattern = re.compile(r"\$\{([A-Z0-9_]+)(?:(:-|:\?)((?:[^{}$]|\$(?!\{))*))?\}")
    while (match := pattern.search(text)) is not None:
        name, kind, rest = match.groups()
        value = values.get(name, "")
        if not value and kind == ":?":
            raise AssertionError(f"{name}: {rest}")
        text = text[: match.start()] + (value or (rest if kind == ":-" else "")) + text[match.end() :]
    return text.replace("$$", "$")


def environment_of(name: str, values: dict[str, str]) -> dict[str, str]:
    given = {
        **SERVICES[name].get("environment", {}),
        **(services(FLEET)[name].get("environment", {}) if values.get("NODE_ADDRESS") else {}),
    }
    return {key: resolved(str(value), values) for key, value in given.items()}


def test_every_image_is_pinned_to_a_version() -> None:
    loose = [
        service["image"]
        for name, service in SERVICES.items()
        if name != BUILT and not PINNED.fullmatch(service["image"])
    ]
    assert loose == []
    assert SERVICES[BUILT]["build"]["context"] == "."


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_can_do_no_more_than_it_must(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")
    allowed = {"caddy": ["NET_BIND_SERVICE"], "coturn": ["NET_BIND_SERVICE"], "ownership": ["CHOWN"]}
    assert service.get("cap_add", []) == allowed.get(name, [])
    root = service["user"].split(":")[0] in {"0", "root"}
    assert root == (name == "ownership"), "one runs as root, ends at once and has no network"
    assert not root or (service["network_mode"] == "none" and service["restart"] == "no")
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", []))


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_bounds(name: str) -> None:
    service = SERVICES[name]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    assert service["restart"] == ("no" if name == "ownership" else "unless-stopped")
    for mount in service.get("tmpfs", []):
        assert "size=" in mount, "what is in memory is bounded too"


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "ownership"])
def test_a_container_says_whether_it_is_well_and_waits_for_what_it_needs(name: str) -> None:
    health = SERVICES[name]["healthcheck"]
    assert health["test"][0] in {"CMD", "CMD-SHELL"}
    assert {"interval", "timeout", "retries", "start_period"} <= set(health)
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        assert needed in SERVICES
        ends = needed == "ownership"
        assert how["condition"] == ("service_completed_successfully" if ends else "service_healthy")
        # What another machine runs must not keep this one from starting.
        assert ends or SERVICES[needed].get("profiles") is None or how["required"] is False


def test_only_the_documented_ports_are_open() -> None:
    open_to_all = set()
    for service in SERVICES.values():
        for port in service.get("ports", []):
            outside, _, inside = port.partition(":")
            number, _, protocol = inside.partition("/")
            assert outside == number, "the number that browsers are told is the one that is bound"
            open_to_all.add((number, protocol))
    assert open_to_all == PUBLIC_PORTS
    assert [name for name, service in SERVICES.items() if service.get("network_mode") == "host"] == ["coturn"]
    guide = (ROOT / "docs" / "deploy.md").read_text("utf-8")
    for number in ("80", "443", "7000:7007", "3478", "5349", "49152:65535"):
        assert number in guide


def test_what_a_fleet_shares_is_open_in_its_private_network_alone() -> None:
    for name, service in services(FLEET).items():
        assert name in SERVICES
        for port in service["ports"] or []:
            assert port.startswith("${NODE_ADDRESS:?")
    assert yaml.safe_load(COMPOSE.read_text("utf-8"))["networks"]["back"]["internal"] is True
    node = services(FLEET)[BUILT]
    assert (node["network_mode"], node["ports"], node["networks"]) == ("host", None, None)
    first = int(SERVICES[BUILT]["environment"]["LIVECLASS_NODE_PORT"])
    guide = (ROOT / "docs" / "deploy.md").read_text("utf-8")
    assert f"port {Settings().port},{first}:{first + MOST_WORKERS - 1} proto tcp" in guide


def test_every_variable_of_liveclass_is_a_setting() -> None:
    texts = [COMPOSE, FLEET, ROOT / ".env.example", ROOT / "Dockerfile", CADDYFILE, ROOT / "script" / "secrets"]
    named = {name for path in texts for name in re.findall(r"\bLIVECLASS_[A-Z0-9_]+\b", path.read_text("utf-8"))}
    assert {"LIVECLASS_PUBLIC_ADDRESS", "LIVECLASS_REDIS_URL"} <= named
    assert named - set(SETTINGS) == set()


def test_the_example_names_every_variable_and_says_what_it_is_for() -> None:
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    assigned = [line.split("=")[0] for line in lines if line and not line.startswith("#")]
    assert len(assigned) == len(set(assigned))
    used = set(VARIABLE.findall(COMPOSE.read_text("utf-8") + FLEET.read_text("utf-8")))
    assert used - set(assigned) == set()
    assert set(assigned) - used == {"COMPOSE_PROFILES", "COMPOSE_FILE"}, "read by Compose itself"
    for number, line in enumerate(lines):
        if line and not line.startswith("#"):
            block = lines[number - 1].startswith("#") or line.split("=")[0].startswith(("GARAGE_", "S3_"))
            assert block, f"{line}: no word on what it is for"


def test_no_secret_stands_in_a_file() -> None:
    """And no word that somebody might leave as it is: what has to be made is empty, and refused when it stays so."""
    for line in (ROOT / ".env.example").read_text("utf-8").splitlines():
        name, _, value = line.partition("=")
        if name.endswith(("_PASSWORD", "_TOKEN", "_KEY", "_SECRET")) and not line.startswith("#"):
            assert value == ""
    compose = COMPOSE.read_text("utf-8")
    for name in ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "LIVECLASS_ADMIN_TOKEN", "LIVECLASS_FLEET_KEY", "SITE_ADDRESS"):
        assert f"${{{name}:?" in compose, f"{name} may be left empty"


@pytest.mark.parametrize("fleet", [False, True], ids=["one machine", "several"])
def test_the_settings_that_a_container_gets_are_taken(fleet: bool, tmp_path: Path) -> None:
    values = example()
    if not fleet:
        values["NODE_ADDRESS"] = ""
    given = environment_of(BUILT, values)
    settings = load({}, given)
    assert settings.public_url == "https://class.example.org"
    assert settings.redis_url == f"redis://:{values['REDIS_PASSWORD']}@{'10.0.0.11' if fleet else 'redis'}:6379/0"
    assert settings.database_url.endswith(f"@{'10.0.0.11' if fleet else 'postgres'}/liveclass")
    assert settings.database_url.startswith("postgresql+asyncpg://liveclass:5ec")
    assert settings.turn_urls.split(",")[1].strip() == "turns:class.example.org:5349?transport=tcp"
    assert settings.node_host == ("10.0.0.12" if fleet else Settings().node_host)
    assert settings.trusted_proxies == ("10.0.0.11," if fleet else "") + values["FRONT_SUBNET"]


def test_the_ports_are_those_that_the_code_opens() -> None:
    image = dockerfile()
    environment = dict(pair.split("=", 1) for line in image if line[0] == "ENV" for pair in line[1].split())
    settings = load({}, {key: value for key, value in environment.items() if key in SETTINGS})
    assert (settings.port, settings.udp_port) == (Settings().port, Settings().udp_port) == (8080, 7000)
    exposed = [number for line in image if line[0] == "EXPOSE" for number in line[1].split()]
    assert exposed == ["8080/tcp", "7000/udp", "7000/tcp"]
    first, last = (int(number) for number in SERVICES[BUILT]["ports"][0].partition(":")[0].split("-"))
    assert (first, last - first + 1) == (settings.udp_port, MOST_WORKERS), "one for each worker"
    values = example()
    assert int(values["LIVECLASS_WORKERS"]) <= MOST_WORKERS
    assert values["UPSTREAMS"] == f"{BUILT}:{settings.port}"
    coturn = SERVICES["coturn"]["environment"]
    assert f":{coturn['TURN_PORT']}," in values["LIVECLASS_TURN_URLS"]
    assert f":{coturn['TURN_TLS_PORT']}?" in values["LIVECLASS_TURN_URLS"]
    assert SERVICES["coturn"]["healthcheck"]["test"][-2] == coturn["TURN_PORT"]
    assert (
        int(
            tomllib.loads((ROOT / "deploy" / "garage.toml").read_text("utf-8"))["s3_api"]["api_bind_addr"].split(":")[
                -1
            ]
        )
        == 3900
    )


def test_a_lesson_has_time_to_move_before_its_container_is_killed() -> None:
    needed_s = Settings().drain_s + MOVE_S + Settings().end_s
    assert int(SERVICES[BUILT]["stop_grace_period"].removesuffix("s")) > needed_s


def dockerfile() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    joined = re.sub(r"\\\n\s*", "", text)
    return [
        (word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())
    ]


def stages() -> Iterator[list[tuple[str, str]]]:
    stage: list[tuple[str, str]] = []
    for line in dockerfile():
        if line[0] == "FROM" and stage:
            yield stage
            stage = []
        stage.append(line)
    yield stage


def test_the_image_is_built_from_what_is_there() -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in ignored, "nothing gets into the image by chance"
    for word, rest in dockerfile():
        if word == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists()
                assert f"!{source}" in ignored
    for pattern in ignored:
        if pattern.startswith("!"):
            assert (ROOT / pattern[1:]).exists()
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    copied = " ".join(rest for word, rest in dockerfile() if word == "COPY")
    assert wanted["readme"] in copied
    assert {"fleet", "trace"} <= set(wanted["optional-dependencies"])
    assert any("[fleet,trace]" in rest for _, rest in dockerfile())


def test_nothing_that_was_built_here_gets_into_the_image() -> None:
    """Docker goes by the last line that matches. A native module newer than its sources would not be built again."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    for built in ("src/liveclass/_fanout.abi3.so", "src/liveclass/web/index.html", "web/node_modules/x", "web/dist/x"):
        above = {built, *(str(folder) for folder in Path(built).parents)}
        last = [rule for rule in rules if any(fnmatch(path, rule.lstrip("!")) for path in above)][-1]
        assert not last.startswith("!"), built


def test_the_image_is_small_pinned_and_runs_as_nobody_in_particular() -> None:
    *_, last = stages()
    argument = next(rest for word, rest in dockerfile() if word == "ARG")
    assert re.fullmatch(r"PYTHON=3\.\d+\.\d+-slim-\w+", argument)
    assert all(rest.startswith("python:${PYTHON}") for word, rest in dockerfile() if word == "FROM")
    runs = " ".join(rest for word, rest in last if word == "RUN")
    for heavy in ("gcc", "build-essential", "-dev", "node", "pip "):
        assert heavy not in runs
    assert 'if [ "$OFFICE" = 1 ]' in runs
    users = [rest for word, rest in last if word == "USER"]
    assert users == [SERVICES[BUILT]["user"]]
    assert f"--uid {users[0].split(':')[0]} " in runs
    assert SERVICES[BUILT]["volumes"] == ["liveclass_data:/data"]
    build = " ".join(rest for stage in stages() for word, rest in stage if word == "RUN")
    assert "--only-binary=:all:" in build
    assert "-c requirements.lock" in build


def test_the_image_has_the_native_fan_out_or_is_not_built() -> None:
    _, first, _ = stages()
    runs = " ".join(rest for word, rest in first if word == "RUN")
    for needed in ("gcc", "libc6-dev", "libssl-dev", "cp311-abi3", "import liveclass._fanout"):
        assert needed in runs
    copied = " ".join(rest for word, rest in first if word == "COPY")
    assert "script/build_fanout.py" in copied
    assert "LIVECLASS_SKIP_NATIVE" not in runs


@pytest.mark.parametrize("compiler", ["no-such-compiler", 'cc "', "false"])
def test_a_compiler_that_is_none_leaves_the_module_out_and_says_so(compiler: str, tmp_path: Path) -> None:
    """The install goes on: the build hook takes this one error for an answer, and no other."""
    script = ROOT / "script" / "build_fanout.py"
    ask = (
        "import runpy, sys; made = runpy.run_path(sys.argv[1])\n"
        "try: made['build'](__import__('pathlib').Path(sys.argv[2]))\n"
        "except made['Missing'] as missing: print(missing)"
    )
    command = [sys.executable, "-c", ask, str(script), str(tmp_path / "module.so")]
    environment = {**os.environ, "CC": compiler}
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()
    assert not (tmp_path / "module.so").exists()


def test_every_command_is_one_that_the_program_has() -> None:
    entry = json.loads(next(rest for word, rest in dockerfile() if word == "ENTRYPOINT"))
    command = json.loads(next(rest for word, rest in dockerfile() if word == "CMD"))
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    assert entry[0] in scripts
    for words in (command, SERVICES[BUILT]["command"]):
        assert build_parser().parse_args(words).command == "serve"
    given = [words for line in guide_commands() if (words := words_for_liveclass(line)) is not None]
    parsed = [build_parser().parse_args(words) for words in given]
    assert {"backup", "restore", "doctor", "lesson"} <= {arguments.command for arguments in parsed}


def guide_commands() -> Iterator[list[str]]:
    """Each command of docs/deploy.md, in blocks and, where it is Compose's, within texts; as a shell reads it."""
    guide = (ROOT / "docs" / "deploy.md").read_text("utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    texts = [text for block in blocks for text in block.splitlines()]
    texts += re.findall(r"`(docker compose [^`]+)`", re.sub(r"^```.*?^```", "", guide, flags=re.M | re.S))
    for text in texts:
        plain = re.sub(r"\$\([^)]*\)", "2026-09-01", text)
        for part in re.split(r"&&|\|\||\|", plain):
            words = shlex.split(part, comments=True)
            if words:
                yield words


def words_for_liveclass(command: list[str]) -> list[str] | None:
    """What the program is given by a command of the guide; None: it is not asked."""
    if command[0] == "liveclass":
        return command[1:]
    if command[:2] != ["docker", "compose"] or command[2] not in {"run", "exec"} or BUILT not in command:
        return None
    at = command.index(BUILT)
    # What `run` starts is the image's entry point; what `exec` starts has to be named.
    assert command[2] == "run" or command[at + 1] == "liveclass", command
    return command[at + (1 if command[2] == "run" else 2) :]


def test_backups_lie_outside_the_container_and_where_it_may_write() -> None:
    found = [line for line in guide_commands() if BUILT in line and {"backup", "restore"} & set(line)]
    assert len(found) >= 4
    made = next(line for line in guide_commands() if line[0] == "install")
    user, group = SERVICES[BUILT]["user"].split(":")
    assert (made[made.index("-o") + 1], made[made.index("-g") + 1]) == (user, group)
    for line in found:
        outside, inside = line[line.index("-v") + 1].split(":")
        assert outside == made[-1]
        assert not inside.startswith(SERVICES[BUILT]["volumes"][0].split(":")[1])
        file = Path(line[-1])
        assert file.parent == Path(inside)
        assert file.name.endswith(SUFFIXES)
        # Started beside the one that runs: with its variables and its data, without a terminal, and gone afterwards.
        assert {"--rm", "-T", "--no-deps"} <= set(line)


def test_what_a_restore_needs_empty_is_what_the_guide_throws_away() -> None:
    (thrown,) = [line for line in guide_commands() if line[:3] == ["docker", "volume", "rm"]]
    volumes = yaml.safe_load(COMPOSE.read_text("utf-8"))["volumes"]
    assert thrown[3:] == [f"liveclass_{name}" for name in ("liveclass_data", "postgres_data")]
    assert {name.removeprefix("liveclass_") for name in thrown[3:]} <= set(volumes)
    assert "cd /opt/liveclass" in (ROOT / "docs" / "deploy.md").read_text("utf-8"), "the project's name is its folder's"


def test_the_guide_names_containers_files_and_variables_that_are_there() -> None:
    guide = (ROOT / "docs" / "deploy.md").read_text("utf-8")
    given = re.findall(r"docker compose ([^\n`]+)", guide)
    assert len(given) > 10
    for line in given:
        words = line.split()
        assert words[0] in {"up", "down", "ps", "exec", "run", "build", "logs", "version"}, line
        named = [word for word in words[1:] if word in SERVICES]
        assert named or words[0] in {"up", "down", "ps", "build", "version"}, line
    assigned = set(re.findall(r"^([A-Z][A-Z_]+)=", guide, re.MULTILINE))
    assert {"SITE_ADDRESS", "NODE_ADDRESS"} <= assigned
    assert assigned <= set(example())
    for path in re.findall(r"`((?:deploy|script)/[\w./-]+\w)`", guide):
        assert (ROOT / path).exists()
    assert set(re.findall(r"COMPOSE_PROFILES=([a-z0-9,]+)", guide)) <= {"first", "first,turn,s3"}


def test_the_health_check_asks_a_route_that_is_there() -> None:
    compose = SERVICES[BUILT]["healthcheck"]["test"]
    image = next(rest for word, rest in dockerfile() if word == "HEALTHCHECK")
    assert json.loads(image.partition("CMD ")[2]) == compose[1:]
    program = compose[-1]
    compile(program, "health check", "exec")
    address = re.search(r"http://127\.0\.0\.1:(\d+)(/\w+)", program)
    assert address is not None
    assert int(address[1]) == Settings().port
    routes = (ROOT / "src" / "liveclass" / "server" / "metrics.py").read_text("utf-8")
    assert f'path="{address[2]}"' in routes
    assert f"health_uri {address[2]}" in CADDYFILE.read_text("utf-8")


def test_every_file_and_volume_that_is_mounted_exists() -> None:
    volumes = set(yaml.safe_load(COMPOSE.read_text("utf-8"))["volumes"])
    mounted = set()
    for service in SERVICES.values():
        for mount in service.get("volumes", []):
            source = mount["source"] if isinstance(mount, dict) else mount.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists()
                assert mount.endswith(":ro")
            else:
                mounted.add(source)
    assert mounted == volumes
    entry = ROOT / SERVICES["coturn"]["entrypoint"][0].removeprefix("/")
    assert entry.stat().st_mode & stat.S_IXOTH


def test_caddy_gets_all_that_its_file_asks_for() -> None:
    asked = set(re.findall(r"\{\$([A-Z_]+)", CADDYFILE.read_text("utf-8")))
    options = {"CADDY_GLOBAL_OPTIONS", "CADDY_SITE_OPTIONS"}
    assert asked - options == set(SERVICES["caddy"]["environment"])
    # Nothing of liveclass's paths is served without the nodes, and what flows is not kept back.
    routes = "".join(path.read_text("utf-8") for path in (ROOT / "src" / "liveclass" / "server").glob("*.py"))
    streams = re.search(r"@streams path (.+)", CADDYFILE.read_text("utf-8"))
    assert streams is not None
    for pattern in streams[1].split():
        assert f'"{pattern.removesuffix("*")}' in routes


@pytest.mark.parametrize("upstreams", ["liveclass:8080", "liveclass:8080 10.0.0.12:8080"])
def test_caddy_itself_takes_the_file(upstreams: str, tmp_path: Path) -> None:
    program = shutil.which("caddy")
    if program is None:
        pytest.skip("Caddy is not installed (apt-get install caddy): the Caddyfile was not tested")
    environment = {"SITE_ADDRESS": "class.example.org", "ACME_EMAIL": "admin@example.org", "UPSTREAMS": upstreams}
    command = [program, "adapt", "--validate", "--config", str(CADDYFILE), "--adapter", "caddyfile"]
    run = subprocess.run(
        command, env={**environment, "HOME": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    proxies = [found for found in walk(json.loads(run.stdout)) if found.get("handler") == "reverse_proxy"]
    assert len(proxies) == 2
    for proxy in proxies:
        assert [upstream["dial"] for upstream in proxy["upstreams"]] == upstreams.split()
        assert proxy["health_checks"]["active"]["uri"] == "/healthz"
        assert "trusted_proxies" not in proxy, "what a visitor calls X-Forwarded-For must not reach the nodes"
    assert [proxy.get("flush_interval") for proxy in proxies] == [-1, None]


def walk(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for part in tree:
            yield from walk(part)


def test_secrets_are_made_once_and_differ(tmp_path: Path) -> None:
    for name in (".env.example", "script/secrets"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)

    def made() -> dict[str, str]:
        subprocess.run([tmp_path / "script" / "secrets"], check=True, capture_output=True)
        lines = (tmp_path / ".env").read_text("utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    first = made()
    secret = {k: v for k, v in first.items() if k.endswith(("_PASSWORD", "_TOKEN", "_KEY", "_SECRET"))}
    assert len(secret) == 9
    assert len(set(secret.values())) == len(secret)
    assert all(re.fullmatch(r"[0-9a-f]{64}", value) for name, value in secret.items() if name != "S3_ACCESS_KEY")
    assert re.fullmatch(r"GK[0-9a-f]{24}", secret["S3_ACCESS_KEY"])
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert made() == first
    comments = [line for line in (ROOT / ".env.example").read_text("utf-8").splitlines() if line.startswith("#")]
    kept = [line for line in (tmp_path / ".env").read_text("utf-8").splitlines() if line.startswith("#")]
    assert kept == comments
    assert "/.env" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


def metrics_of_the_code() -> set[str]:
    """Every name that stands at /metrics: from docs/metrics.md, which is held to the code elsewhere."""
    names: set[str] = set()
    for name, kind in re.findall(
        r"^\| `(liveclass_\w+)[^|]*\| (\w+) \|", (ROOT / "docs" / "metrics.md").read_text("utf-8"), re.MULTILINE
    ):
        names |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"} if kind == "histogram" else {name}
    return names


def test_the_dashboard_and_the_alerts_name_figures_that_exist() -> None:
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "liveclass.json").read_text("utf-8"))
    expressions = [found["expr"] for found in walk(dashboard) if "expr" in found]
    assert len(expressions) >= 10
    alerts = [
        found["expr"]
        for found in walk(yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text("utf-8")))
        if "expr" in found
    ]
    assert alerts
    known = metrics_of_the_code()
    named = {name for text in [*expressions, *alerts] for name in re.findall(r"\bliveclass_\w+", text)}
    assert named
    assert named - known == set()


def test_the_dashboard_is_whole() -> None:
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "liveclass.json").read_text("utf-8"))
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        assert 0 < place["w"] <= 24
        assert place["x"] + place["w"] <= 24
        if panel["type"] != "row":
            assert panel["title"]
            assert panel["targets"]
            assert panel["datasource"]["uid"] == "${source}"


def test_prometheus_is_told_how_to_ask() -> None:
    config = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text("utf-8"))
    (job,) = config["scrape_configs"]
    assert job["job_name"] == "liveclass"
    assert job["metrics_path"] == "/metrics"
    assert "authorization" in job
    first = int(SERVICES[BUILT]["environment"]["LIVECLASS_NODE_PORT"])
    for target in job["static_configs"][0]["targets"]:
        assert first <= int(target.rpartition(":")[2]) < first + MOST_WORKERS, "the pages' port is shared by workers"
    assert (ROOT / "deploy" / config["rule_files"][0]).exists()


def test_the_shell_scripts_parse() -> None:
    checked = 0
    for path in [*(ROOT / "script").iterdir(), ROOT / "turn" / "entrypoint.sh"]:
        first = path.read_bytes().splitlines()[0] if path.is_file() else b""
        if first.startswith(b"#!") and first.endswith(b"sh"):
            subprocess.run(["bash" if first.endswith(b"bash") else "sh", "-n", path], check=True)
            checked += 1
    assert checked >= 5
