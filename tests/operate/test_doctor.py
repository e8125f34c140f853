"""The doctor: each fault is found, and comes with what to do about it."""

import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from liveclass.config import Settings
from liveclass.operate import doctor, doctor_media
from liveclass.operate.certificates import self_signed
from liveclass.operate.finding import Finding
from liveclass.transport import native
from tests.operate.fakes import Answer, http_server, stun_port


@pytest.fixture
def taken() -> Iterator[int]:
    """A port whose TCP and UDP sides are both held by somebody else."""
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        udp.bind(tcp.getsockname())
        yield tcp.getsockname()[1]


def level_of(findings: list[Finding], check: str) -> str:
    return next(finding.level for finding in findings if finding.check == check)


def test_whatever_is_not_ok_comes_with_advice(tmp_path: Path, taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "HEALTH_WAIT_S", 0.1)
    settings = Settings(host="127.0.0.1", port=taken, udp_port=taken, data_dir=tmp_path, disk_floor_bytes=2**60)
    findings = list(doctor.examine(settings, peer_url=f"http://127.0.0.1:{taken + 1 if taken < 65535 else 1}"))
    assert {finding.level for finding in findings} == {"ok", "warn", "fail"}
    for finding in findings:
        assert bool(finding.advice) == (finding.level != "ok"), finding
    assert list(tmp_path.iterdir()) == [], "the doctor leaves nothing behind"


def test_free_ports_are_ok_and_foreign_ones_a_fault(taken: int) -> None:
    free = list(doctor.check_ports(Settings(host="127.0.0.1", port=0, udp_port=0), running=False))
    assert [finding.level for finding in free] == ["ok", "ok"]
    held = list(doctor.check_ports(Settings(host="127.0.0.1", port=taken, udp_port=taken), running=False))
    assert [finding.level for finding in held] == ["fail", "fail"]
    assert "--udp-port" in held[1].advice


def test_ports_that_liveclass_itself_holds_are_ok(taken: int) -> None:
    held = list(doctor.check_ports(Settings(host="127.0.0.1", port=taken, udp_port=taken), running=True))
    assert [finding.level for finding in held] == ["ok", "ok"]
    assert all("held by the liveclass" in finding.message for finding in held)


@pytest.mark.parametrize("host", ["192.0.2.250", "no such host"])
def test_a_host_that_is_not_ours_is_a_fault(host: str) -> None:
    for finding in doctor.check_ports(Settings(host=host, port=18080, udp_port=17000), running=False):
        assert finding.level == "fail"
        assert "--host" in finding.advice


def test_a_server_that_runs_is_recognised() -> None:
    with http_server(lambda request: Answer(200 if request.path == "/healthz" else 404)) as server:
        assert doctor.is_running(Settings(host="127.0.0.1", port=server.port))
    assert not doctor.is_running(Settings(host="127.0.0.1", port=server.port))
    with http_server(lambda _: Answer(404)) as other:
        assert not doctor.is_running(Settings(host="127.0.0.1", port=other.port))


def test_a_certificate_is_judged_as_a_browser_would(tmp_path: Path) -> None:
    made = self_signed(tmp_path, frozenset({"class.example.org"}), datetime.now(UTC))
    given = Settings(tls_certificate=made.certificate, tls_key=made.key, data_dir=tmp_path)
    old = self_signed(tmp_path / "old", frozenset({"localhost"}), datetime.now(UTC) - timedelta(days=380))
    gone = self_signed(tmp_path / "gone", frozenset({"localhost"}), datetime.now(UTC) - timedelta(days=400))
    levels = [
        doctor.check_certificate(Settings(data_dir=tmp_path / "new")),
        doctor.check_certificate(Settings(data_dir=tmp_path / "new", tls_self_signed=True)),
        doctor.check_certificate(Settings(public_url="https://class.example.org", trusted_proxies="127.0.0.1")),
        doctor.check_certificate(replace(given, public_url="https://class.example.org")),
        doctor.check_certificate(replace(given, public_url="https://other.example.org")),
        doctor.check_certificate(Settings(tls_certificate=old.certificate, tls_key=old.key)),
        doctor.check_certificate(Settings(tls_certificate=gone.certificate, tls_key=gone.key)),
        doctor.check_certificate(Settings(tls_certificate=Path("/none"), tls_key=made.key)),
    ]
    assert [finding.level for finding in levels] == ["warn", "ok", "ok", "ok", "fail", "warn", "fail", "fail"]
    assert not (tmp_path / "new").exists(), "looking makes no certificate"


@pytest.mark.parametrize(("free_gb", "level"), [(0.4, "fail"), (5, "warn"), (50, "ok")])
def test_disk_space_is_told_in_hours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_gb: float, level: str
) -> None:
    usage = SimpleNamespace(free=int(free_gb * 1e9))
    monkeypatch.setattr("liveclass.operate.doctor.shutil.disk_usage", lambda _: usage)
    findings = list(doctor.check_disk(Settings(data_dir=tmp_path / "not" / "yet" / "there")))
    assert level_of(findings, "disk space") == level
    assert level_of(findings, "disk speed") == "ok"


def test_a_slow_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(100))
    monkeypatch.setattr("liveclass.operate.doctor.time.monotonic", lambda: float(next(seconds)))
    assert level_of(list(doctor.check_disk(Settings(data_dir=tmp_path))), "disk speed") == "warn"


def test_a_folder_that_cannot_be_written_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liveclass.operate.doctor.os.access", lambda *_: False)  # root may write anywhere
    findings = list(doctor.check_disk(Settings(data_dir=tmp_path)))
    assert [(finding.check, finding.level) for finding in findings] == [("data folder", "fail")]


def test_a_database_is_looked_at_without_touching_it(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    path = tmp_path / "liveclass.db"
    assert doctor.check_database(settings).level == "ok"
    assert not path.exists()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE x (y)")
    before = path.read_bytes()
    assert doctor.check_database(settings).level == "ok"
    assert path.read_bytes() == before
    path.write_bytes(b"This is a shopping list. " * 100)
    assert doctor.check_database(settings).level == "fail"
    assert doctor.check_database(Settings(data_dir=tmp_path, database_url="postgresql://x")).level == "ok"


def test_a_clock_before_the_program_or_one_that_jumps_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.check_clock().level == "ok"
    real = time.time
    steps = iter([real(), real(), real() + 3600])
    clock = SimpleNamespace(time=lambda: next(steps), monotonic=lambda: 1.0, sleep=lambda _: None)
    monkeypatch.setattr(doctor, "time", clock)
    assert doctor.check_clock().level == "warn"
    clock.time = lambda: 1_000_000.0
    assert doctor.check_clock().level == "fail"


@pytest.mark.parametrize(
    ("told", "level", "word"),
    [
        (("8.8.8.8",), "ok", "8.8.8.8"),
        (("192.168.1.5", "2a00:1450::1"), "ok", "2a00"),
        (("192.168.1.5",), "warn", "private"),
        (("100.64.0.9",), "warn", "private"),
        (("127.0.0.1",), "warn", "loopback"),
    ],
)
def test_addresses_are_told_and_judged(told: tuple[str, ...], level: str, word: str) -> None:
    finding = doctor.check_address(Settings(), told)
    assert finding.level == level
    assert word in finding.message


def test_the_addresses_told_are_those_set_or_our_own() -> None:
    assert doctor.addresses_told(Settings(public_address="8.8.8.8, 2001:db8::1")) == ("8.8.8.8", "2001:db8::1")
    assert doctor.addresses_told(Settings(host="127.0.0.1")) == ("127.0.0.1",)
    assert doctor.addresses_told(Settings()) != ()


def test_a_media_port_that_answers_is_ok_and_a_silent_one_a_fault(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PROBE_WAIT_S", 0.02)
    with stun_port() as port:
        assert [finding.level for finding in doctor.check_udp(("127.0.0.1",), port)] == ["ok"]
    findings = list(doctor.check_udp(("127.0.0.1",), taken))
    assert [finding.level for finding in findings] == ["fail"]
    assert "firewall" in findings[0].advice


def test_a_lost_datagram_is_not_taken_for_a_closed_port() -> None:
    with stun_port(lose=2) as port:
        seen = doctor.ask("127.0.0.1", port, wait_s=0.1)
    assert seen is not None
    assert seen[0] == "127.0.0.1"


def test_a_strangers_datagram_is_not_taken_for_the_answer() -> None:
    with stun_port(first=b"hello") as port:
        assert doctor.ask("127.0.0.1", port, tries=1) is not None
    assert doctor.ask("no such host", 7000, wait_s=0.01) is None


def test_a_peer_tells_its_clock_and_its_media_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_media, "WAIT_S", 0.1)
    for offset, level in ((0, "ok"), (120, "warn"), (-120, "warn")):
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=offset), usegmt=True)

        def answer(_: object, date: str = date) -> Answer:
            return Answer(200, {}, {"Date": date})

        with http_server(answer) as server, stun_port() as port:
            findings = list(doctor.check_peer(Settings(udp_port=port), server.url))
        assert level_of(findings, "peer") == "ok"
        assert level_of(findings, "peer's UDP") == "ok"
        assert level_of(findings, "peer's TCP") == "warn", "its HTTP takes no media here"
        assert doctor._skew(date, datetime.now(UTC).timestamp()).level == level


def test_a_peer_that_is_not_there_or_not_ours_is_a_fault() -> None:
    with http_server(lambda _: Answer(404)) as server:
        assert [finding.level for finding in doctor.check_peer(Settings(), server.url)] == ["fail"]
    assert [finding.level for finding in doctor.check_peer(Settings(), server.url)] == ["fail"]
    assert doctor._skew("yesterday", 0.0).level == "warn"


def test_small_socket_buffers_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wmem_max").write_text("212992\n")
    (tmp_path / "rmem_max").write_text("8388608\n")
    monkeypatch.setattr(doctor, "KERNEL_LIMITS", tmp_path)
    findings = list(doctor.check_limits())
    assert [finding.level for finding in findings] == ["warn", "ok"]
    assert "sysctl -w net.core.wmem_max=" in findings[0].advice
    monkeypatch.setattr(doctor, "KERNEL_LIMITS", tmp_path / "none")
    assert list(doctor.check_limits()) == []


@pytest.mark.parametrize("wanted", [False, True])
@pytest.mark.parametrize("is_built", [False, True])
def test_the_way_to_many_classrooms_is_named(wanted: bool, is_built: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "MODULE", SimpleNamespace(LIBCRYPTO="OpenSSL 3") if is_built else None)
    found = doctor.check_fanout(Settings(native_fanout=wanted))
    assert (found.check, found.level) == ("fan-out", "ok")
    assert found.message.startswith("native" if wanted and is_built else "Python")
