"""coturn as its container starts it: `turn/entrypoint.sh` writes the file from variables, and becomes coturn.

The script is run as it is, with Debian's coturn behind it; the questions are those of `test_turn`, here over UDP, TCP
and TLS.
"""

import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from liveclass.operate.certificates import self_signed
from liveclass.server.turn import credentials
from liveclass.transport.addresses import own_addresses
from liveclass.transport.turn import FORBIDDEN, QUOTA_REACHED, UNAUTHENTICATED, Answer, TurnClient, message_length
from tests.server.test_turn import FORBIDDEN_PEERS, SERVER, START_S, USER_QUOTA, answers
from tests.servers import has_ipv6

ENTRYPOINT = Path(__file__).resolve().parent.parent.parent / "turn" / "entrypoint.sh"
SECRET = secrets.token_hex(32)
OTHER_SERVER = "2001:db8::10"
LOOK_S = 1
WAYS = ("udp", "tcp", "tls")


def environment(folder: Path, **given: str) -> dict[str, str]:
    program = shutil.which("turnserver")
    path = os.pathsep.join([str(Path(program).parent) if program else "", os.environ["PATH"]])
    ours = {"PATH": path, "TURN_SECRET": SECRET, "TURN_PEERS": f"{SERVER},{OTHER_SERVER}"}
    return {**ours, "TURN_CONF": str(folder / "turnserver.conf"), "TURN_LOOK_S": str(LOOK_S), **given}


@dataclass(frozen=True, slots=True)
class Outcome:
    returncode: int
    stdout: str
    stderr: str


def written(folder: Path, **given: str) -> tuple[Outcome, str]:
    """What the script says and writes, with a program in coturn's place that does nothing."""
    (folder / "turnserver").write_text('#!/bin/sh\necho "turnserver $*"\n')
    (folder / "turnserver").chmod(0o755)
    variables = environment(folder, **given)
    variables["PATH"] = f"{folder}:{variables['PATH']}"
    out, err, conf = folder / "out", folder / "err", folder / "turnserver.conf"
    # Files, no pipes: what looks after the certificate would hold them open for a moment longer.
    with out.open("wb") as stdout, err.open("wb") as stderr:
        code = subprocess.run(
            [ENTRYPOINT, "--more"], env=variables, stdout=stdout, stderr=stderr, check=False
        ).returncode
    return Outcome(code, out.read_text("utf-8"), err.read_text("utf-8")), conf.read_text(
        "utf-8"
    ) if conf.exists() else ""


NO_SECRETS = (
    *("", "short", "@SECRET@", "x" * 40, "0" * 64, "a b" * 20, "$(id)" * 10),
    *("change-me-change-me-change-me-change-me", "your-secret-here-your-secret-here-your"),
    "line\nstatic-auth-secret=another-one-of-some-length",
)
NO_SERVERS = (
    *("", ",", "127.0.0.1", "127.1", "0.0.0.0", "0.0.0.0-255.255.255.255", "10.0.0.0/8", "*", "example.org"),  # noqa: S104
    *("::", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "fe80::1", "ff02::1"),
    *("169.254.169.254", "224.0.0.1", "255.255.255.255", "192.0.2.1;id"),
    *(f"{SERVER},127.0.0.1", f"{SERVER}\nallowed-peer-ip=0.0.0.0-255.255.255.255"),
)
NONSENSE = (
    *({"TURN_PORT": "0"}, {"TURN_PORT": "70000"}, {"TURN_TLS_PORT": "x"}, {"TURN_EXTERNAL_IP": "a b"}),
    *({"TURN_CERTIFICATE": "/somewhere.pem"}, {"TURN_KEY": "/somewhere.pem"}),
)


@pytest.mark.parametrize("secret", NO_SECRETS)
def test_it_does_not_start_with_a_secret_that_is_none(tmp_path: Path, secret: str) -> None:
    run, conf = written(tmp_path, TURN_SECRET=secret)
    assert run.returncode == 1
    assert "TURN_SECRET" in run.stderr
    assert "openssl rand" in run.stderr, "it says what to do"
    assert conf == ""
    assert "turnserver" not in run.stdout


@pytest.mark.parametrize("peers", NO_SERVERS)
def test_it_does_not_start_with_a_peer_that_is_no_server(tmp_path: Path, peers: str) -> None:
    run, conf = written(tmp_path, TURN_PEERS=peers)
    assert run.returncode == 1
    assert "TURN_PEERS" in run.stderr
    assert conf == ""


@pytest.mark.parametrize("wrong", NONSENSE)
def test_it_does_not_start_with_other_nonsense(tmp_path: Path, wrong: dict[str, str]) -> None:
    run, conf = written(tmp_path, **wrong)
    assert run.returncode == 1
    assert next(iter(wrong)) in run.stderr
    assert conf == ""


def test_every_placeholder_is_filled_and_the_secret_stays_in_the_file(tmp_path: Path) -> None:
    odd = "Aa0+/=_.~-" * 4
    run, conf = written(tmp_path, TURN_SECRET=odd, TURN_PORT="4478", TURN_EXTERNAL_IP="203.0.113.7/10.0.0.7")
    assert run.returncode == 0
    lines = conf.splitlines()
    assert "@" not in conf
    assert f"static-auth-secret={odd}" in lines
    assert [line for line in lines if line.startswith("allowed-peer-ip=")] == [
        f"allowed-peer-ip={SERVER}",
        f"allowed-peer-ip={OTHER_SERVER}",
    ]
    assert len([line for line in lines if line.startswith("denied-peer-ip=")]) == 2
    assert "listening-port=4478" in lines
    assert "external-ip=203.0.113.7/10.0.0.7" in lines
    assert "no-tls" in lines, "without a certificate"
    assert not [line for line in lines if line.startswith(("cert=", "pkey=", "tls-listening-port="))]
    assert run.stdout.startswith(f"turnserver -c {tmp_path}/turnserver.conf ")
    assert run.stdout.endswith("--more\n")
    assert odd not in run.stdout + run.stderr
    assert stat.S_IMODE((tmp_path / "turnserver.conf").stat().st_mode) == 0o600


def test_a_pattern_finds_the_certificate(tmp_path: Path) -> None:
    made = self_signed(tmp_path, frozenset({"127.0.0.1"}), datetime.now(UTC))
    pattern = str(made.certificate.parent.parent / "*" / made.certificate.name)
    key = str(made.key.parent.parent / "*" / made.key.name)
    run, conf = written(tmp_path, TURN_CERTIFICATE=pattern, TURN_KEY=key, TURN_TLS_PORT="5349")
    assert run.returncode == 0
    assert f"cert={made.certificate}" in conf.splitlines()
    assert f"pkey={made.key}" in conf.splitlines()
    assert "tls-listening-port=5349" in conf.splitlines()
    assert "no-tls" not in conf.splitlines()


@dataclass(slots=True)
class Started:
    """A coturn that runs by the script."""

    process: "subprocess.Popen[bytes]"
    port: int
    tls_port: int
    folder: Path

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(holds: Callable[[], bool], started: Started, what: str) -> None:
    begin = time.monotonic()
    while not holds():
        assert time.monotonic() - begin < START_S, f"{what}:\n{started.log}"
        time.sleep(0.05)


@contextlib.contextmanager
def coturn(folder: Path) -> Iterator[Started]:
    """Runs with the certificate `folder/CERTIFICATE` names, which may come later."""
    if shutil.which("turnserver") is None:
        pytest.skip("coturn is not installed (apt-get install coturn): the container's start was not tested")
    port, tls_port = free_port(), free_port()
    variables = environment(
        folder,
        TURN_PORT=str(port),
        TURN_TLS_PORT=str(tls_port),
        TURN_CERTIFICATE=str(folder / "here" / "cert*.pem"),
        TURN_KEY=str(folder / "here" / "key*.pem"),
    )
    addresses = ["127.0.0.1", *(["::1"] if has_ipv6() else [])]
    command = [str(ENTRYPOINT)]
    command += [f"--{kind}-ip={address}" for kind in ("listening", "relay") for address in addresses]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=variables, stdout=log, stderr=log, cwd=folder, start_new_session=True)
    started = Started(process, port, tls_port, folder)
    try:
        until(lambda: process.poll() is not None or answers(port), started, "coturn answers")
        assert process.poll() is None, started.log
        yield started
    finally:
        # coturn and what looks after its certificate are a group of their own.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def certify(folder: Path) -> bytes:
    """A new certificate where the script looks; its DER."""
    made = self_signed(folder / secrets.token_hex(4), frozenset({"127.0.0.1"}), datetime.now(UTC))
    here = folder / "here"
    here.mkdir(exist_ok=True)
    for source, name in ((made.key, "key.pem"), (made.certificate, "cert.pem")):
        shutil.copy(source, here / "next")
        (here / "next").rename(here / name)
    return ssl.PEM_cert_to_DER_cert(re.split(r"(?<=-----END CERTIFICATE-----)", made.certificate.read_text())[0])


def connected(started: Started, way: str) -> socket.socket:
    if way == "udp":
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.connect(("127.0.0.1", started.port))
    else:
        sock = socket.create_connection(("127.0.0.1", started.tls_port if way == "tls" else started.port), 5)
    if way == "tls":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        sock = context.wrap_socket(sock)
    sock.settimeout(5)
    return sock


class Asker:
    """One client, by any of the three ways."""

    def __init__(self, started: Started, way: str, user: str = "") -> None:
        self.sock = connected(started, way)
        self._way = way
        self.client = TurnClient(*credentials(SECRET, 600, time.time(), user or secrets.token_hex(6)))

    def ask(self, request: bytes) -> Answer:
        self.sock.sendall(request)
        while True:
            answer = self.client.read(self._message(), request[8:20])
            if answer is not None:
                return answer

    def _message(self) -> bytes:
        if self._way == "udp":
            return self.sock.recv(2048)
        head = self._exactly(20)
        return head + self._exactly(message_length(head) - 20)

    def _exactly(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            piece = self.sock.recv(size - len(got))
            assert piece, "the connection was closed"
            got += piece
        return got

    def allocate(self, *, ipv6: bool = False) -> Answer:
        first = self.ask(self.client.allocate(secrets.token_bytes(12), ipv6=ipv6))
        assert first.error == UNAUTHENTICATED
        return self.ask(self.client.allocate(secrets.token_bytes(12), ipv6=ipv6))


@contextlib.contextmanager
def asking(started: Started, way: str, user: str = "") -> Iterator[Asker]:
    asker = Asker(started, way, user)
    try:
        yield asker
    finally:
        with contextlib.suppress(OSError):
            asker.ask(asker.client.release(secrets.token_bytes(12)))
        asker.sock.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    folder = tmp_path_factory.mktemp("turn")
    certify(folder)
    with coturn(folder) as started:
        yield started


@pytest.mark.parametrize("way", WAYS)
def test_each_way_leads_to_the_server_and_to_no_other_address_in_any_spelling(running: Started, way: str) -> None:
    peers = [*FORBIDDEN_PEERS.split(), *own_addresses("0.0.0.0")]  # noqa: S104
    assert len(peers) >= 38
    reached = []
    with asking(running, way) as four, asking(running, way) as six:
        assert four.allocate().error == 0
        assert four.ask(four.client.permit(SERVER, secrets.token_bytes(12))).error == 0
        if has_ipv6():
            assert six.allocate(ipv6=True).error == 0
            assert six.ask(six.client.permit(OTHER_SERVER, secrets.token_bytes(12))).error == 0
        for channel, peer in enumerate(peers):
            asker = six if ":" in peer else four
            if asker is six and not has_ipv6():
                continue
            permit = asker.ask(asker.client.permit(peer, secrets.token_bytes(12)))
            bound = asker.ask(asker.client.bind(peer, secrets.token_bytes(12), channel=0x4000 + channel))
            if (permit.error, bound.error) != (FORBIDDEN, FORBIDDEN):
                reached.append((peer, permit.error, bound.error))
    assert reached == []


def test_the_thirteenth_relay_of_one_page_is_refused_whichever_way_it_comes(running: Started) -> None:
    user = secrets.token_hex(6)
    with contextlib.ExitStack() as stack:

        def relay(number: int, who: str) -> int:
            return stack.enter_context(asking(running, WAYS[number % len(WAYS)], who)).allocate().error

        assert [relay(number, user) for number in range(USER_QUOTA)] == [0] * USER_QUOTA
        assert [relay(number, user) for number in range(len(WAYS))] == [QUOTA_REACHED] * len(WAYS)
        assert relay(0, secrets.token_hex(6)) == 0, "another page is not touched"


def shown(started: Started) -> bytes:
    with contextlib.closing(connected(started, "tls")) as sock:
        assert isinstance(sock, ssl.SSLSocket)
        return sock.getpeercert(binary_form=True) or b""


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_tls_is_refused(running: Started, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", running.tls_port), 5) as sock, pytest.raises(OSError):  # noqa: SIM117
        with context.wrap_socket(sock):
            pass


def test_a_renewed_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    first = certify(tmp_path)
    with coturn(tmp_path) as started, asking(started, "tcp") as asker:
        assert shown(started) == first
        assert asker.allocate().error == 0
        time.sleep(LOOK_S)
        second = certify(tmp_path)
        until(lambda: shown(started) == second, started, "the new certificate is shown")
        assert started.process.poll() is None
        assert asker.ask(asker.client.permit(SERVER, secrets.token_bytes(12))).error == 0, "its relays went on"


def test_without_a_certificate_it_serves_and_ends_when_one_has_come(tmp_path: Path) -> None:
    """The container is started again by its restart policy, then with TLS."""
    with coturn(tmp_path) as started:
        with asking(started, "udp") as asker:
            assert asker.allocate().error == 0
        assert "starting without TLS" in started.log
        certify(tmp_path)
        until(lambda: started.process.poll() is not None, started, "it ends")
        assert "the certificate has come" in started.log
