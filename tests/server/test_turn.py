"""TURN: credentials that end by themselves, and a relay that reaches the liveclass server and nothing else.

The second half asks a real coturn that runs with the file we ship.
"""

import base64
import contextlib
import hashlib
import hmac
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aioice import stun

from liveclass.config import Settings
from liveclass.server.turn import credentials, ice_servers
from liveclass.transport.addresses import own_addresses
from liveclass.transport.turn import (
    ALLOCATE,
    FORBIDDEN,
    QUOTA_REACHED,
    UNAUTHENTICATED,
    Answer,
    TurnClient,
)
from tests.servers import has_ipv6

SECRET = "a secret of the tests, 32 characters"  # noqa: S105
SERVER = "192.0.2.10"
"""The one peer that is allowed: where liveclass would be."""

CONF = Path(__file__).resolve().parent.parent.parent / "turn" / "turnserver.conf"
USER_QUOTA = 12
START_S = 10.0

FORBIDDEN_PEERS = """
    0.0.0.0 0.0.0.1 127.0.0.1 127.0.0.2 127.255.255.254 10.0.0.1 10.255.255.254 100.64.0.1 100.127.255.254
    169.254.169.254 172.16.0.1 172.31.255.254 192.0.0.1 192.168.0.1 192.168.255.254 198.18.0.1 224.0.0.1
    239.255.255.250 255.255.255.255 192.0.2.9 192.0.2.11 8.8.8.8
    :: ::1 ::ffff:127.0.0.1 ::ffff:0:0 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::127.0.0.1 64:ff9b::7f00:1
    64:ff9b::a9fe:a9fe 2002:7f00:1:: fc00::1 fd00::1 fe80::1 ff02::1 2001:db8::1 ::ffff:192.0.2.10
    64:ff9b:1::7f00:1 ::ffff:0:7f00:1 fe80::5efe:7f00:1 2001:0:7f00:1::80ff:fffe 2002:a9fe:a9fe:: 2002:c0a8:101::1
    ::169.254.169.254 ::10.0.0.1 ::ffff:192.168.0.1 ::ffff:172.16.0.1 ::ffff:100.64.0.1 64:ff9b::c0a8:1 fec0::1
"""


def test_credentials_are_what_coturn_expects() -> None:
    username, password = credentials("secret", 3600, 1_000_000.5, "abc")
    assert username == "1003600:abc"
    assert password == base64.b64encode(hmac.new(b"secret", username.encode(), hashlib.sha1).digest()).decode()


def test_pages_are_told_addresses_and_credentials_without_a_name() -> None:
    settings = Settings(turn_urls="turn:t.example.org:3478, turns:t.example.org:443?transport=tcp", turn_secret=SECRET)
    (one,), (other,) = ice_servers(settings, 1_000_000), ice_servers(settings, 1_000_000)
    assert one.urls == ["turn:t.example.org:3478", "turns:t.example.org:443?transport=tcp"]
    assert one.username.startswith("1043200:")
    assert one.username != other.username, "people share no quota"
    assert SECRET not in one.username + one.credential
    assert ice_servers(settings, 1_000_000, "room")[0].username == "1043200:room"


@pytest.mark.parametrize(
    "settings",
    [Settings(), Settings(turn_urls="turn:t.example.org"), Settings(turn_secret="a secret")],  # noqa: S106
)
def test_without_a_turn_server_pages_are_told_of_none(settings: Settings) -> None:
    assert ice_servers(settings, 0) == []


def test_requests_are_what_an_independent_reader_expects() -> None:
    client = TurnClient("1:a", "password")
    challenge = stun.Message(stun.Method.ALLOCATE, stun.Class.ERROR, transaction_id=bytes(12))
    challenge.attributes["ERROR-CODE"] = (401, "Unauthorized")
    challenge.attributes["REALM"] = "liveclass"
    challenge.attributes["NONCE"] = b"0123456789"
    answer = client.read(bytes(challenge), bytes(12))
    assert answer == Answer(ALLOCATE, UNAUTHENTICATED, b"liveclass", b"0123456789")
    key = hashlib.md5(b"1:a:liveclass:password", usedforsecurity=False).digest()
    request = client.bind("2001:db8::7", secrets.token_bytes(12), port=4242)
    message = stun.parse_message(request)
    assert message.check_message_integrity(key)
    assert message.attributes["XOR-PEER-ADDRESS"] == ("2001:db8::7", 4242)
    assert message.attributes["USERNAME"] == "1:a"


@pytest.mark.parametrize("seed", range(200))
def test_any_bytes_are_an_answer_or_none(seed: int) -> None:
    import random

    chance = random.Random(seed)
    body = chance.randbytes(chance.randrange(80))
    kind = chance.choice([b"\x01\x03", b"\x01\x13", b"\x01\x18", chance.randbytes(2)])
    answer = TurnClient("a", "b").read(kind + chance.randbytes(2) + b"\x21\x12\xa4\x42" + bytes(12) + body, bytes(12))
    assert answer is None or 0 <= answer.error < 1000


class Asker:
    """One client of a TURN server on loopback."""

    def __init__(self, port: int, username: str, password: str) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.settimeout(3)
        self.sock.connect(("127.0.0.1", port))
        self.client = TurnClient(username, password)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.send(self.client.release(secrets.token_bytes(12)))
        self.sock.close()

    def ask(self, request: bytes) -> Answer:
        self.sock.send(request)
        while True:
            answer = self.client.read(self.sock.recv(2048), request[8:20])
            if answer is not None:
                return answer

    def allocate(self, *, ipv6: bool = False) -> Answer:
        first = self.ask(self.client.allocate(secrets.token_bytes(12), ipv6=ipv6))
        assert first.error == UNAUTHENTICATED
        return self.ask(self.client.allocate(secrets.token_bytes(12), ipv6=ipv6))


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a coturn that runs with our file on loopback."""
    program = shutil.which("turnserver")
    if program is None:
        pytest.skip("coturn is not installed (apt-get install coturn): the shipped turnserver.conf was not tested")
    folder = tmp_path_factory.mktemp("turn")
    text = CONF.read_text("utf-8").replace("@SECRET@", SECRET).replace("@SERVER@", SERVER)
    conf = folder / "turnserver.conf"
    conf.write_text("\n".join(line for line in text.splitlines() if not line.startswith(("cert=", "pkey="))))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    addresses = ["127.0.0.1", *(["::1"] if has_ipv6() else [])]
    command = [program, "-c", str(conf), f"--listening-port={port}", "--no-tls", "--no-dtls"]
    command += [f"--userdb={folder / 'db'}", f"--pidfile={folder / 'pid'}"]
    command += [f"--{kind}-ip={address}" for kind in ("listening", "relay") for address in addresses]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log, cwd=folder) as process:
        try:
            begin = time.monotonic()
            while not answers(port):
                assert process.poll() is None, (folder / "log").read_text("utf-8", "replace")
                assert time.monotonic() - begin < START_S
            yield port
        finally:
            process.kill()


def answers(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.2)
        probe.connect(("127.0.0.1", port))
        request = TurnClient("", "").allocate(secrets.token_bytes(12))
        try:
            probe.send(request)
            return TurnClient("", "").read(probe.recv(2048), request[8:20]) is not None
        except OSError:
            return False


@contextlib.contextmanager
def asking(port: int, *, ttl_s: float = 600, secret: str = SECRET, user: str = "") -> Iterator[Asker]:
    asker = Asker(port, *credentials(secret, ttl_s, time.time(), user or secrets.token_hex(6)))
    try:
        yield asker
    finally:
        asker.close()


def test_our_credentials_get_a_relay_that_reaches_the_server(coturn: int) -> None:
    with asking(coturn) as asker:
        given = asker.allocate()
        assert given.error == 0
        assert given.relayed is not None
        assert asker.ask(asker.client.permit(SERVER, secrets.token_bytes(12))).error == 0
        assert asker.ask(asker.client.bind(SERVER, secrets.token_bytes(12))).error == 0


@pytest.mark.parametrize(("ttl_s", "secret"), [(-10, SECRET), (600, "another secret")])
def test_credentials_that_are_over_or_forged_get_nothing(coturn: int, ttl_s: float, secret: str) -> None:
    with asking(coturn, ttl_s=ttl_s, secret=secret) as asker:
        assert asker.allocate().error == UNAUTHENTICATED


def test_the_relay_reaches_no_other_address_in_any_spelling(coturn: int) -> None:
    peers = [*FORBIDDEN_PEERS.split(), *own_addresses("0.0.0.0")]  # noqa: S104
    assert len(peers) >= 30
    reached = []
    with asking(coturn) as four, asking(coturn) as six:
        assert four.allocate().error == 0
        if has_ipv6():
            assert six.allocate(ipv6=True).error == 0
        for channel, peer in enumerate(peers):
            asker = six if ":" in peer else four
            if asker is six and not has_ipv6():
                continue
            permit = asker.ask(asker.client.permit(peer, secrets.token_bytes(12)))
            bound = asker.ask(asker.client.bind(peer, secrets.token_bytes(12), channel=0x4000 + channel))
            if (permit.error, bound.error) != (FORBIDDEN, FORBIDDEN):
                reached.append((peer, permit.error, bound.error))
    assert reached == []


def test_a_relay_of_tcp_is_refused(coturn: int) -> None:
    """Else Connect (RFC 6062) would reach web servers beside the relay."""
    with asking(coturn) as asker:
        assert asker.ask(asker.client.allocate(secrets.token_bytes(12))).error == UNAUTHENTICATED
        body = asker.client._request(ALLOCATE, b"\x00\x19\x00\x04\x06\0\0\0", secrets.token_bytes(12))
        assert asker.ask(body).error != 0


def test_one_page_has_no_more_relays_than_its_quota(coturn: int) -> None:
    user = secrets.token_hex(6)
    with contextlib.ExitStack() as stack:
        given = [stack.enter_context(asking(coturn, user=user)).allocate().error for _ in range(USER_QUOTA)]
        assert given == [0] * USER_QUOTA
        assert stack.enter_context(asking(coturn, user=user)).allocate().error == QUOTA_REACHED
        assert stack.enter_context(asking(coturn)).allocate().error == 0, "another page is not touched"
