"""Real servers that tests start for themselves: on free ports of this machine, in folders that are thrown away.

Redis and PostgreSQL; nothing here knows liveclass.
"""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest

START_S = 60.0
"""A busy machine may take this long to start one."""

POSTGRES_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name or 0))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def has_ipv6() -> bool:
    """Whether this machine's loopback has IPv6."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _tls(files: tuple[Path, Path, Path]) -> dict[str, str]:
    """Options of a redis-server that speaks TLS."""
    return dict(zip(("tls-ca-cert-file", "tls-cert-file", "tls-key-file"), map(str, files), strict=True))


class RedisServer:
    """A `redis-server` process that can be stopped, frozen, killed and started again, with or without what it knew.

    Args:
        tls: paths of an authority, a certificate and its key: then `tls_port` speaks TLS, and nobody without a
            certificate of that authority is heard there.
    """

    def __init__(
        self, folder: Path, *, port: int = 0, replica_of: int = 0, tls: tuple[Path, Path, Path] | None = None
    ) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._replica_of = replica_of
        self._tls = tls
        self.tls_port = free_port() if tls else 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, as it was last saved, and wait until it answers."""
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
        command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command += ["--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"]
        if self._tls:
            for name, value in _tls(self._tls).items():
                command += [f"--{name}", value]
            command += ["--tls-port", str(self.tls_port)]
        if self._replica_of:
            command += ["--replicaof", "127.0.0.1", str(self._replica_of)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_S
        while self.tell("PING") != "+PONG":
            assert self._process.poll() is None, "redis-server ended at once"
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.02)

    def tell(self, *words: str) -> str:
        """Send one command, return the first line of the answer; empty when it does not answer."""
        request = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as line:
                line.sendall(request.encode())
                return line.makefile().readline().strip()
        except OSError:
            return ""

    def save(self) -> None:
        assert self.tell("SAVE") == "+OK"

    def kill(self) -> None:
        """End it at once; what was not saved is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """A Redis that is empty, and gone afterwards. Skips the test where Redis is not installed."""
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.kill()


class SentinelServer:
    """A `redis-server --sentinel` that watches one master, and makes a replica the master when it is gone.

    Args:
        quorum: how many must take the master for gone.
        password: its own; `auth` the master's.
        tls: as of `RedisServer`: it is heard, and asks the master, in TLS alone.
    """

    NAME = "mymaster"

    def __init__(
        self,
        folder: Path,
        master: RedisServer,
        *,
        quorum: int,
        password: str = "",
        auth: str = "",
        tls: tuple[Path, Path, Path] | None = None,
    ) -> None:
        self.port = free_port()
        self._file = folder / f"sentinel-{self.port}.conf"
        lines = [
            *("bind 127.0.0.1", f"dir {folder}"),
            f"port {0 if tls else self.port}",
            *([f"tls-port {self.port}", "tls-replication yes"] if tls else []),
            *([f"{name} {value}" for name, value in _tls(tls).items()] if tls else []),
            f"sentinel monitor {self.NAME} 127.0.0.1 {master.tls_port or master.port} {quorum}",
            *(f"sentinel down-after-milliseconds {self.NAME} 1000", f"sentinel failover-timeout {self.NAME} 5000"),
            *([f"requirepass {password}"] if password else []),
            *([f"sentinel auth-pass {self.NAME} {auth}"] if auth else []),
        ]
        self._file.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it learns of replicas and of other Sentinels from the master, within some seconds."""
        program = shutil.which("redis-server")
        assert program is not None
        self._process = subprocess.Popen(
            [program, str(self._file), "--sentinel"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def sees(self, *, replicas: int, sentinels: int) -> bool:
        """Does it know so many replicas, and other Sentinels, of the master?"""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as line:
                line.sendall(b"INFO sentinel\r\n")
                answer = line.makefile("rb")
                told = answer.read(int(answer.readline()[1:])).decode()
        except OSError:
            return False
        return f"slaves={replicas},sentinels={sentinels + 1}" in told

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Wire:
    """A TCP address that leads to a server, or to another one, or nowhere: what a failover changes, and a cut cable.

    Attributes:
        cut: what is sent is lost.
        delay_s: how much later each byte arrives, each way; 0: at once.
    """

    def __init__(self, to_port: int) -> None:
        self.to_port = to_port
        self.cut = False
        self.delay_s = 0.0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> int:
        """Listen; returns the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    def drop(self) -> None:
        """End all connections that are open."""
        for writer in self._open:
            writer.transport.abort()

    async def close(self) -> None:
        self.drop()
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            onward, back = await asyncio.open_connection("127.0.0.1", self.to_port)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, back}
        await asyncio.gather(self._copy(reader, back), self._copy(onward, writer), return_exceptions=True)
        self._open -= {writer, back}

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        arriving = asyncio.ensure_future(self._arrive(under_way, writer))
        try:
            while data := await reader.read(65536):
                if not self.cut:  # the bytes are lost: TCP below would wait and send them again, for minutes
                    under_way.put_nowait((time.monotonic() + self.delay_s, data))
            await under_way.join()
        finally:
            arriving.cancel()
            writer.transport.abort()

    async def _arrive(self, under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        """In the order in which they were sent, also when the delay has changed since."""
        while True:
            due, data = await under_way.get()
            if (wait_s := due - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)
            writer.write(data)
            under_way.task_done()


class Postgres:
    """A PostgreSQL cluster whose language and clock are not ours, so that whatever hangs on either is seen.

    Attributes:
        port: of loopback; the only user is ``postgres``, without a password.
    """

    def __init__(self, folder: Path, programs: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)

    def initialise(self) -> None:
        """Make the cluster's files."""
        command = [
            *("-D", str(self._folder / "data"), "--username=postgres", "--auth=trust", "--encoding=UTF8"),
            *("--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US", "--no-sync"),
        ]
        subprocess.run(self._as_owner("initdb", *command), check=True, capture_output=True, timeout=START_S)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        switches = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self._folder,
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "off",
            "autovacuum": "off",  # its tables do not live long enough to gain from it
            "shared_buffers": "16MB",
            "max_connections": 60,
            "timezone": "Asia/Shanghai",
        }
        options = [part for name, value in switches.items() for part in ("-c", f"{name}={value}")]
        log = (self._folder / "log").open("ab")
        self._process = subprocess.Popen(
            self._as_owner("postgres", "-D", str(self._folder / "data"), *options),
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C of the tests is not for it
        )
        log.close()
        deadline = time.monotonic() + START_S
        while self._ready() != 0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start:\n{(self._folder / 'log').read_text('utf-8')}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it at once; what was committed stays. Twice is as once."""
        process, self._process = self._process, None
        if process is None:
            return
        # "Fast": connections are cut, no checkpoint of the clients is waited for.
        for word in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            process.send_signal(word)
            try:
                process.wait(15)
                return
            except subprocess.TimeoutExpired:
                continue

    def freeze(self) -> None:
        """Stop every process of it as a machine does that swaps: connections stay open and nothing answers."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        self._signal_all(signal.SIGCONT)

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test_{next(self._numbers)}"
        self.execute("postgres", f"CREATE DATABASE {name} TEMPLATE template0")
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/{name}"

    def execute(self, database: str, statement: str) -> list[list[str]]:
        """As another program would: the rows, as text.

        Args:
            database: its name, or a URL that ends with it.
        """
        name = database.rpartition("/")[2]
        command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port)]
        done = subprocess.run(
            [str(self._programs / command[0]), *command[1:], "-U", "postgres", "-d", name, "-c", statement],
            check=False,
            capture_output=True,
            text=True,
            timeout=START_S,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return [line.split("|") for line in done.stdout.splitlines() if line]

    def _ready(self) -> int:
        command = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False, timeout=START_S).returncode

    def _signal_all(self, word: signal.Signals) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, word)
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self._process.pid)], check=True, capture_output=True, text=True
        )
        for child in children.stdout.split():  # each has a session of its own
            with suppress(ProcessLookupError):  # it has ended since
                os.kill(int(child), word)

    def _as_owner(self, program: str, *arguments: str) -> list[str]:
        """PostgreSQL refuses to run as root: then it runs as its own user."""
        command = [str(self._programs / program), *arguments]
        if os.geteuid() != 0:
            return command
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]


def missing_postgres() -> str:
    """Why PostgreSQL cannot be started here, in words; empty when it can."""
    if sys.platform != "linux" or not POSTGRES_FOLDERS:
        return "PostgreSQL is not installed (apt install postgresql)"
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        return "PostgreSQL does not run as root, and setpriv is not installed"
    return ""


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A cluster that runs; its files are gone afterwards. Ask `missing_postgres` first."""
    # Below /tmp itself: its user could not reach a folder that belongs to the tests' user alone.
    folder = Path(tempfile.mkdtemp(prefix="liveclass-postgres-", dir="/tmp"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    server = Postgres(folder, POSTGRES_FOLDERS[-1])
    try:
        server.initialise()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
