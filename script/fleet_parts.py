"""The processes of a fleet on one machine: how each is started, how it is known to be ready, how it is ended.

Everything listens on loopback alone, keeps its state in one folder, and is ended by the id of its process. Refuses to
know what a lesson is; `fleet_check` holds one, `fleet` puts both on the command line.
"""

import ctypes
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from liveclass.config import described
from liveclass.errors import UsageError
from liveclass.operate.client import Client
from liveclass.transport.turn import TurnClient

ROOT = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"
START_S = 120.0
"""How long one part may take: PostgreSQL makes its tables on a busy machine with a slow disk."""
END_S = 15.0
LOOK_S = 0.1
TAIL_LINES = 15

PORTS = range(20_000, 32_000)
"""Below those that the kernel gives to connections of its own."""

NO_PEER = "192.0.2.1"
"""Nobody's address (RFC 5737): the shipped start of coturn takes no loopback address, where all of this is."""

_PR_SET_PDEATHSIG = 1


class FleetError(Exception):
    """A part did not come up; the message says which, and the end of its log."""


def find(program: str, package: str) -> str:
    """Path of a program of Debian's.

    Raises:
        FleetError: it is not installed.
    """
    folders = [
        os.environ.get("PATH", ""),
        "/usr/sbin",
        *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)),
    ]
    path = shutil.which(program, path=os.pathsep.join(folders))
    if path is None:
        raise FleetError(f"{program} is not installed. Run: sudo apt install {package}")
    return path


class Ports:
    """Free ports of loopback, each given once."""

    def __init__(self) -> None:
        self._given: set[int] = set()

    def block(self, size: int = 1) -> int:
        """The first of `size` consecutive numbers that are free for TCP and UDP."""
        for _ in range(1000):
            first = random.choice(PORTS)
            wanted = set(range(first, first + size))
            if not wanted & self._given and all(map(_is_free, wanted)):
                self._given |= wanted
                return first
        raise FleetError("no free ports on loopback")


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                return False
    return True


@dataclass(slots=True)
class Part:
    """One process.

    Attributes:
        log: where its output goes.
        end: the signal that asks it to end.
    """

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path
    end: signal.Signals = signal.SIGTERM

    def stop(self) -> None:
        """Ask it to end, and insist after a while."""
        if self.process.poll() is None:
            self.process.send_signal(self.end)
            try:
                self.process.wait(END_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def last_words(self) -> str:
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-TAIL_LINES:])


@dataclass(slots=True, kw_only=True)
class Node:
    """A liveclass node: what is needed to reach it, and to start it anew."""

    name: str
    url: str
    data_dir: Path
    environment: dict[str, str] = field(repr=False)


class Fleet:
    """All of it.

    Args:
        folder: for state and logs; made when missing.
        nodes: how many; each with `workers` workers.
        say: told of each step.

    Attributes:
        url: of the pages, through Caddy.
        certificate: of the authority that Caddy made for itself.
        parts: what runs, in the order of its start.
    """

    def __init__(
        self, folder: Path, *, nodes: int = 2, workers: int = 2, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self.folder = folder
        # PostgreSQL runs as a user of its own where this runs as root, and must find its way to its folder.
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)
        self.workers = workers
        self.parts: dict[str, Part] = {}
        self.nodes: list[Node] = []
        self.admin_token, self.metrics_token, self.turn_secret, self._fleet_key = map(
            self._kept, ("admin-token", "metrics-token", "turn-secret", "fleet-key")
        )
        self._redis_password, self._postgres_password = self._kept("redis-password"), self._kept("postgres-password")
        self._say = say
        self._count = nodes
        self._ports = Ports()
        self.redis_port, self.postgres_port, self.turn_port, self.pages_port = (self._ports.block() for _ in range(4))
        self.url = f"https://localhost:{self.pages_port}"
        self.certificate = folder / "caddy" / "caddy" / "pki" / "authorities" / "local" / "root.crt"

    @property
    def redis_url(self) -> str:
        return f"redis://:{self._redis_password}@{LOOPBACK}:{self.redis_port}/0"

    @property
    def database_url(self) -> str:
        return f"postgresql+asyncpg://liveclass:{self._postgres_password}@{LOOPBACK}:{self.postgres_port}/liveclass"

    def start(self) -> None:
        """Start all of it, each part when those that it needs are ready.

        Raises:
            FleetError: one did not come up. What runs is to be ended with `stop` all the same.
        """
        self.start_redis()
        self.start_postgres()
        self.start_coturn()
        for number in range(1, self._count + 1):
            self.add_node(f"node{number}")
        self.start_caddy()

    def stop(self) -> None:
        """End all of it, last come first gone."""
        for part in reversed(list(self.parts.values())):
            part.stop()
        self.parts.clear()

    def start_redis(self) -> None:
        folder = self._made("redis")
        conf = folder / "redis.conf"
        _write_secret(
            conf,
            f"bind {LOOPBACK}\nport {self.redis_port}\ndir {folder}\nrequirepass {self._redis_password}\n"
            'save ""\nappendonly yes\nmaxmemory-policy noeviction\n',
        )
        self._run("redis", [find("redis-server", "redis-server"), str(conf)], self._redis_answers)

    def start_postgres(self) -> None:
        folder = self._made("postgres")
        data, password = folder / "data", folder / "password"
        owned = _as_postgres(folder)
        if not (data / "PG_VERSION").exists():
            _write_secret(password, self._postgres_password + "\n")
            if owned:
                shutil.chown(folder, "postgres", "postgres")
                shutil.chown(password, "postgres", "postgres")
            arguments = [
                "-D",
                str(data),
                "-U",
                "liveclass",
                f"--pwfile={password}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
            ]
            made = subprocess.run(
                [*owned, find("initdb", "postgresql"), *arguments, "--locale=C.UTF-8", "--no-sync"],
                capture_output=True,
                text=True,
                check=False,
                cwd="/",
            )
            if made.returncode:
                raise FleetError(f"initdb failed:\n{made.stdout}{made.stderr}")
        options = ["-D", str(data), "-h", LOOPBACK, "-p", str(self.postgres_port), "-k", str(folder)]
        ready = [find("pg_isready", "postgresql"), "-q", "-h", LOOPBACK, "-p", str(self.postgres_port)]
        self._run(
            "postgres",
            [*owned, find("postgres", "postgresql"), *options],
            lambda: subprocess.run(ready, check=False).returncode == 0,
            end=signal.SIGINT,  # without it PostgreSQL waits for its clients to leave
        )
        self._make_database()

    def start_coturn(self) -> None:
        folder = self._made("turn")
        listen = [f"--{kind}-ip={LOOPBACK}" for kind in ("listening", "relay")]
        self._run(
            "coturn",
            # All of this is on loopback, which the shipped start refuses as a peer; hence these two for a trial.
            [str(ROOT / "turn" / "entrypoint.sh"), *listen, "--allow-loopback-peers", f"--allowed-peer-ip={LOOPBACK}"],
            lambda: turn_answers(self.turn_port),
            {
                "PATH": os.pathsep.join([str(Path(find("turnserver", "coturn")).parent), os.environ.get("PATH", "")]),
                "TURN_SECRET": self.turn_secret,
                "TURN_PEERS": NO_PEER,
                "TURN_PORT": str(self.turn_port),
                "TURN_CONF": str(folder / "turnserver.conf"),
            },
        )

    def add_node(self, name: str) -> Node:
        """Start one more node, or the one of this name again."""
        node = next((node for node in self.nodes if node.name == name), None)
        if node is None:
            node = self._new_node(name)
            self.nodes.append(node)
        url = node.url
        self._run(
            name,
            [sys.executable, "-m", "liveclass", "serve"],
            lambda: healthy(url),
            node.environment,
        )
        return node

    def start_caddy(self) -> None:
        folder = self._made("caddy")
        self._run(
            "caddy",
            [find("caddy", "caddy"), "run", "--config", str(ROOT / "deploy" / "Caddyfile"), "--adapter", "caddyfile"],
            lambda: self.certificate.exists() and healthy(self.url, self.certificate),
            {
                "SITE_ADDRESS": self.url,
                "ACME_EMAIL": "internal",
                "UPSTREAMS": " ".join(node.url.removeprefix("http://") for node in self.nodes),
                # No port 80, no door for commands, nothing put among this machine's trusted authorities.
                "CADDY_GLOBAL_OPTIONS": "admin off\nskip_install_trust\nauto_https disable_redirects",
                "CADDY_SITE_OPTIONS": f"bind {LOOPBACK}",
                "XDG_DATA_HOME": str(folder),
                "XDG_CONFIG_HOME": str(folder),
                "HOME": str(folder),
            },
        )

    def _new_node(self, name: str) -> Node:
        port, udp_port, node_port = (
            self._ports.block(),
            self._ports.block(self.workers),
            self._ports.block(self.workers),
        )
        settings = {
            "host": LOOPBACK,
            "port": port,
            "udp_port": udp_port,
            "public_address": LOOPBACK,
            "public_url": self.url,
            "trusted_proxies": LOOPBACK,
            "data_dir": self.folder / name,
            "database_url": self.database_url,
            "redis_url": self.redis_url,
            "store_url": f"file://{self.folder}/store",
            "admin_token": self.admin_token,
            "metrics_token": self.metrics_token,
            "fleet_key": self._fleet_key,
            "workers": self.workers,
            "node_name": name,
            "node_host": LOOPBACK,
            "node_port": node_port,
            "turn_urls": f"turn:localhost:{self.turn_port}",
            "turn_secret": self.turn_secret,
            "drain_s": 2,
        }
        variables = {about.name: about.variable for about in described()}
        environment = {variables[key]: str(value) for key, value in settings.items() if key in variables}
        return Node(name=name, url=f"http://{LOOPBACK}:{port}", data_dir=self.folder / name, environment=environment)

    def _kept(self, name: str) -> str:
        """A secret that is the same over restarts in a folder that is kept."""
        path = self.folder / f".{name}"
        if not path.exists():
            _write_secret(path, secrets.token_hex(32))
        return path.read_text("utf-8")

    def _make_database(self) -> None:
        command = [
            find("psql", "postgresql"),
            "-X",
            "-q",
            "-h",
            LOOPBACK,
            "-p",
            str(self.postgres_port),
            "-U",
            "liveclass",
        ]
        made = subprocess.run(
            [*command, "-d", "postgres", "-c", "CREATE DATABASE liveclass"],
            env={"PGPASSWORD": self._postgres_password, "PATH": os.environ.get("PATH", "")},
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode and "already exists" not in made.stderr:
            raise FleetError(f"the database could not be made: {made.stderr}")

    def _redis_answers(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.redis_port), 1) as sock:
                sock.sendall(f"AUTH {self._redis_password}\r\nPING\r\n".encode())
                answers = sock.makefile("rb")
                return [answers.readline(), answers.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
        except OSError:
            return False

    def _made(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def _run(
        self,
        name: str,
        command: Sequence[str],
        ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
        *,
        end: signal.Signals = signal.SIGTERM,
    ) -> None:
        """Start a process and wait until it is ready.

        Raises:
            FleetError: it ended, or took too long.
        """
        log = self.folder / f"{name}.log"
        # No setting of this machine's own server may reach the fleet's nodes.
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("LIVECLASS_")}
        began = time.monotonic()
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder if name.startswith("node") else "/",
                env={**inherited, **(environment or {})},
                # Ctrl-C in a terminal reaches a whole group: the parts are ended one after the other instead.
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
            )
        part = self.parts[name] = Part(name, process, log, end)
        while not ready():
            if process.poll() is not None:
                raise FleetError(f"{name} ended at its start (exit code {process.returncode}):\n{part.last_words()}")
            if time.monotonic() - began > START_S:
                raise FleetError(f"{name} was not ready within {START_S:g} s:\n{part.last_words()}")
            time.sleep(LOOK_S)
        self._say(f"{name:<10} ready after {time.monotonic() - began:.1f} s")


def healthy(url: str, certificate: Path | None = None) -> bool:
    """Whether a liveclass answers at `url`."""
    try:
        Client(url, certificate=certificate, timeout_s=3).exchange("GET", "/healthz")
    except UsageError:
        return False
    return True


def turn_answers(port: int) -> bool:
    """Whether a TURN server answers on loopback."""
    request = TurnClient("", "").allocate(secrets.token_bytes(12))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.5)
        probe.connect((LOOPBACK, port))
        try:
            probe.send(request)
            return TurnClient("", "").read(probe.recv(2048), request[8:20]) is not None
        except OSError:
            return False


def _as_postgres(folder: Path) -> list[str]:
    """What to put before PostgreSQL's commands: it refuses to run as root."""
    if os.geteuid() != 0:
        return []
    os.chmod(folder, 0o700)
    return [find("setpriv", "util-linux"), "--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=INT"]


def _write_secret(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _end_with_parent() -> None:
    """In the child: whatever happens to the script, nothing stays behind."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
