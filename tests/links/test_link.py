"""A real namespace with a real link; skipped in words where this machine permits none."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.links import BadLink, LinkError, Profile, why_not
from tests.links.namespace import Filter, checksum, exists

REASON = why_not()
ROOT = Path(__file__).resolve().parent.parent.parent
real = pytest.mark.skipif(bool(REASON), reason=REASON or "possible")

ECHO = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.settimeout(2)
    s.connect((sys.argv[1], int(sys.argv[2])))
    s.send(b"hello")
    print(s.recv(100).decode())
"""


@pytest.fixture
def link() -> Iterator[BadLink]:
    with BadLink(Profile.of(None, delay="50ms")) as made:
        yield made


def ask(link: BadLink, server: str, port: int) -> subprocess.CompletedProcess[str]:
    command = link.command(sys.executable, "-c", ECHO, server, port)
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


@real
def test_what_is_behind_the_link_reaches_this_machine_with_the_delay(link: BadLink) -> None:
    import socket
    import threading

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((link.server_address, 0))
        took: list[float] = []

        def answer() -> None:
            data, address = server.recvfrom(100)
            begin = time.monotonic()
            server.sendto(data.upper(), address)
            took.append(begin)

        thread = threading.Thread(target=answer)
        thread.start()
        done = ask(link, link.server_address, server.getsockname()[1])
        thread.join(5)
    assert done.stdout.strip() == "HELLO", done.stderr
    assert link.stats()["up"]["packets_out"] >= 1
    assert link.stats()["down"]["packets_out"] >= 1
    assert link.stats()["down"]["emulator_late_ms"]["p50"] < 20


@real
def test_nothing_else_can_be_reached_from_behind_the_link(link: BadLink) -> None:
    begin = time.monotonic()
    done = ask(link, "192.0.2.1", 9)
    assert done.returncode != 0
    assert time.monotonic() - begin < 1.5  # refused, not left to time out
    assert link.stats()["up"]["blocked"] >= 1


@real
def test_a_link_that_ends_takes_its_namespace_and_programs_with_it() -> None:
    with BadLink("fibre") as link:
        name = link.namespace
        sleeper = subprocess.Popen(link.command("sleep", "600"))
        assert exists(name)
    assert sleeper.wait(5) != 0
    assert not exists(name)
    assert link.stats()["seconds"] >= 0


@real
def test_a_power_cut_ends_what_runs_behind_the_link_and_leaves_the_link(link: BadLink) -> None:
    sleeper = subprocess.Popen(link.command("sleep", "600"))
    while not subprocess.run(["ip", "netns", "pids", link.namespace], capture_output=True, check=True).stdout:
        time.sleep(0.02)
    link.kill_all()
    assert sleeper.wait(5) != 0
    assert link.stats()["seconds"] > 0


@real
def test_the_command_passes_on_the_exit_code() -> None:
    command = [sys.executable, "-m", "tests.links", "run", "--profile", "fibre", "--", "sh", "-c", "exit 7"]
    assert subprocess.run(command, cwd=ROOT, timeout=30, check=False).returncode == 7


@real
def test_a_forwarder_that_was_killed_is_an_error_and_leaves_nothing() -> None:
    link = BadLink("fibre")
    link.__enter__()
    assert link._process is not None
    link._process.kill()
    with pytest.raises(LinkError, match="proves nothing"):
        link.__exit__()
    assert not exists(link.namespace)


def packet(source: str, target: str, protocol: int = 17, port: int = 80) -> bytes:
    """An IPv4 packet without options that says where it goes."""
    addresses = b"".join(bytes(map(int, text.split("."))) for text in (source, target))
    return bytes([0x45, *bytes(8), protocol, 0, 0]) + addresses + b"\0\x07" + port.to_bytes(2, "big") + bytes(4)


def test_only_packets_between_the_two_ends_pass() -> None:
    rules = Filter("10.77.0.2", (443,), udp=False)
    own, host, other = "10.77.0.2", "10.77.0.1", "10.77.0.3"
    assert rules.passes(packet(own, host, 6, 443), up=True)
    assert not rules.passes(packet(own, host, 6, 80), up=True)
    assert rules.passes(packet(host, own, 6, 80), up=False)
    assert not rules.passes(packet(own, host, 17, 443), up=True)
    assert not rules.passes(packet(own, other, 6, 443), up=True)
    assert not rules.passes(packet(other, host, 6, 443), up=True)
    assert not rules.passes(b"\x60" + bytes(40), up=True)
    assert not rules.passes(b"\x45", up=True)


def test_a_refusal_is_a_valid_icmp_message_to_the_client() -> None:
    refusal = Filter("10.77.0.2").refusal(packet("10.77.0.2", "192.0.2.1"))
    assert refusal is not None
    assert refusal[16:20] == bytes([10, 77, 0, 2])
    assert checksum(refusal[:20]) == b"\0\0"
    assert checksum(refusal[20:]) == b"\0\0"
    assert refusal[20:22] == bytes([3, 13])


def test_icmp_itself_is_not_answered() -> None:
    assert Filter("10.77.0.2").refusal(packet("10.77.0.2", "192.0.2.1", protocol=1)) is None
