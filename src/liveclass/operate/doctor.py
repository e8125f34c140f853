"""Looks at everything outside liveclass that a lesson depends on, and says what to do about what it finds.

Each check gives findings: ok, warn or fail, with one sentence on what to do. A check changes nothing that lasts and
takes a few seconds at most. This module knows the machine and the network; it knows no lesson.
"""

import errno
import ipaddress
import os
import secrets
import shutil
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from liveclass.config import Settings, items
from liveclass.errors import UsageError
from liveclass.operate.certificates import RENEW_BEFORE, certificate_of
from liveclass.operate.client import Client, Refused, Unreachable, local_url
from liveclass.operate.doctor_materials import check_materials
from liveclass.operate.doctor_media import ask_tcp, check_tcp, check_turn
from liveclass.operate.doctor_peer import check_peer_turn, read_peer
from liveclass.operate.finding import Finding
from liveclass.operate.probe import binding_request, mapped_address
from liveclass.transport.addresses import own_addresses
from liveclass.transport.native import built, path_in_use

# Sound and picture of one lesson at 1 Mbit/s, for an hour.
LESSON_HOUR_BYTES = 450_000_000
DISK_PROBE_BYTES = 4 * 1024 * 1024
# One lesson writes 0.13 MB/s; a disk below this cannot take a dozen beside everything else it does.
SLOW_DISK_BYTES_PER_S = 5_000_000
# A fragment is a second long: a disk that takes half of that to make it durable has no room left.
SLOW_FSYNC_S = 0.5
CLOCK_SKEW_S = 5.0  # tokens and signed addresses expire by this clock
HEALTH_WAIT_S = 3.0
PROBE_TRIES = 3
PROBE_WAIT_S = 0.5
# A keyframe to a hundred subscribers is some 4 MB within a few ms; below this much the kernel drops part of it.
SOCKET_BUFFER_BYTES = 2 * 1024 * 1024
PROGRAM = Path(__file__)
KERNEL_LIMITS = Path("/proc/sys/net/core")


def examine(settings: Settings, *, peer_url: str = "") -> Iterator[Finding]:
    """Every check, each finding as soon as it is known.

    Args:
        settings: what the server runs with, or will.
        peer_url: a liveclass server elsewhere (or this one as seen from outside), or a link to one of its lessons, to
            compare the clock with and to reach by UDP, TCP and TURN; empty: nothing beyond this machine is asked.
    """
    running = is_running(settings)
    told = addresses_told(settings)
    yield from check_ports(settings, running=running)
    yield check_certificate(settings)
    yield from check_disk(settings)
    yield check_database(settings)
    yield check_clock()
    yield check_address(settings, told)
    if running:
        yield from check_udp(told, settings.udp_port)
        yield from check_tcp(settings, told)
    else:
        yield Finding(
            "UDP", "warn", "not tested: no server runs here", "Start `liveclass serve`, then run the doctor again."
        )
    yield from check_turn(settings, told)
    yield from check_limits()
    yield check_fanout(settings)
    yield from check_materials(settings)
    if peer_url:
        yield from check_peer(settings, peer_url)


def is_running(settings: Settings) -> bool:
    """Whether a liveclass answers on this machine at the settings' port."""
    certificate = settings.data_dir / "tls" / "certificate.pem" if settings.tls_self_signed else None
    if certificate is not None and not certificate.exists():
        certificate = None
    try:
        Client(local_url(settings), certificate=certificate, timeout_s=HEALTH_WAIT_S).exchange("GET", "/healthz")
    except Unreachable as failure:
        # A certificate for the public name does not fit the loopback address, but who shows it is there.
        return "certificate is not trusted" in str(failure)
    except UsageError:
        return False
    return True


def check_ports(settings: Settings, *, running: bool) -> Iterator[Finding]:
    """Whether the ports can be had, or are held by a liveclass that runs: that of the pages, and one of media for each
    worker."""
    yield _port("TCP port", "--port", settings.host, settings.port, socket.SOCK_STREAM, running=running)
    for worker in range(settings.workers if settings.udp_port else 1):
        number = settings.udp_port + worker
        yield _port("UDP port", "--udp-port", settings.host, number, socket.SOCK_DGRAM, running=running)


def check_certificate(settings: Settings) -> Finding:
    """Whether browsers will give camera and microphone, and until when."""
    check = "certificate"
    if settings.tls_self_signed and not (settings.data_dir / "tls" / "certificate.pem").exists():
        return Finding(check, "ok", "a self-signed one will be made at the start; browsers will warn once per device")
    try:
        found = certificate_of(settings)
    except UsageError as fault:
        return Finding(check, "fail", str(fault), "See HTTPS in docs/operate.md.")
    if found is None:
        if settings.public_url.startswith("https:") or settings.trusted_proxies:
            return Finding(check, "ok", "none here: a proxy before this server terminates HTTPS")
        return Finding(
            check,
            "warn",
            "none: browsers give camera and microphone on this machine (localhost) only",
            "Give --tls-certificate and --tls-key, or --tls-self-signed for a LAN, or put an HTTPS proxy before it.",
        )
    host = urlsplit(settings.public_url).hostname or ""
    if host and not found.covers(host):
        return Finding(
            check,
            "fail",
            f"not valid for {host}, only for {', '.join(found.names) or 'no name at all'}",
            "Have it issued for the host of public_url, or correct public_url.",
        )
    left = found.not_after - datetime.now(UTC)
    if left < RENEW_BEFORE and not settings.tls_self_signed:
        return Finding(check, "warn", f"expires in {left.days} days", "Renew it; see HTTPS in docs/operate.md.")
    kind = "self-signed, browsers warn once per device" if found.self_signed else "issued by an authority"
    return Finding(check, "ok", f"{kind}; valid until {found.not_after:%Y-%m-%d}")


def check_disk(settings: Settings) -> Iterator[Finding]:
    """Room for recordings, and whether the disk keeps up with them."""
    folder = _existing(settings.data_dir)
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(
            "data folder",
            "fail",
            f"{settings.data_dir} cannot be written",
            f"Give {folder} to liveclass's user (chown).",
        )
        return
    free = shutil.disk_usage(folder).free - settings.disk_floor_bytes
    hours = free / LESSON_HOUR_BYTES
    room = f"room for about {hours:.0f} hours of lessons in {settings.data_dir}"
    if free <= 0:
        yield Finding("disk space", "fail", "below disk_floor_bytes: nothing will be recorded", "Free or add space.")
    elif hours < 20:
        yield Finding("disk space", "warn", room, "Delete old lessons (`liveclass lesson delete`) or add space.")
    else:
        yield Finding("disk space", "ok", room)
    yield _disk_speed(folder)


def check_database(settings: Settings) -> Finding:
    """Whether an SQLite file is whole; read only. A database elsewhere is asked by the server when it starts."""
    check = "database"
    path = settings.data_dir / "liveclass.db"
    if settings.database_url:
        return Finding(check, "ok", "set by database_url; tested when the server starts")
    if not path.exists():
        return Finding(check, "ok", "none yet: made at the first start")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=2)) as connection:
            state = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as failure:
        return Finding(check, "fail", f"{path}: {failure}", "Restore it from a backup; see docs/operate.md.")
    if state != "ok":
        return Finding(check, "fail", f"{path} is damaged", "Restore it from a backup; see docs/operate.md.")
    return Finding(check, "ok", f"{path} is whole")


def check_clock() -> Finding:
    """Whether the clock is plausible and steady; what time it really is only a peer can tell."""
    if time.time() < PROGRAM.stat().st_mtime - 86_400:
        return Finding(
            "clock", "fail", f"says {datetime.now(UTC):%Y-%m-%d}, before this program was installed", "Set it; run NTP."
        )
    wall, steady = time.time(), time.monotonic()
    time.sleep(0.1)
    drift = abs((time.time() - wall) - (time.monotonic() - steady))
    if drift > 0.05:
        return Finding(
            "clock", "warn", f"jumped by {drift:.2f} s while it was watched", "Let NTP slew it, not step it."
        )
    return Finding("clock", "ok", f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, steady")


def addresses_told(settings: Settings) -> tuple[str, ...]:
    """The addresses that browsers are sent to for media: those set, else this machine's own.

    Without public_address they are also told the address that their own request came to.
    """
    return items(settings.public_address) or tuple(own_addresses(settings.host))


def check_address(settings: Settings, told: tuple[str, ...]) -> Finding:
    """Whether the addresses that browsers are told can be reached from where the browsers are."""
    check = "public address"
    if all(ipaddress.ip_address(address).is_loopback for address in told):
        return Finding(
            check, "warn", "loopback only: no other machine can join", "Connect it, or set --public-address."
        )
    public = [address for address in told if ipaddress.ip_address(address).is_global]
    source = "set by public_address" if settings.public_address else "found on this machine"
    shown = f"browsers are told {', '.join(told)} ({source})"
    if public:
        return Finding(check, "ok", shown)
    return Finding(
        check,
        "warn",
        f"{shown}: private, so media works inside this network only",
        "For classes elsewhere set --public-address to the address that the internet sees.",
    )


def check_udp(told: tuple[str, ...], port: int) -> Iterator[Finding]:
    """Whether the media port answers on each address that browsers are told, as far as this machine can see."""
    for address in told[:4]:
        seen = ask(address, port)
        if seen is None:
            yield Finding(
                "UDP",
                "fail",
                f"no answer from {address} port {port}",
                f"Open UDP {port} in this machine's firewall and, in a cloud, in its security group.",
            )
        else:
            yield Finding("UDP", "ok", f"{address} port {port} answers here; from elsewhere: `liveclass doctor --peer`")


def ask(host: str, port: int, *, tries: int = PROBE_TRIES, wait_s: float | None = None) -> tuple[str, int] | None:
    """Send Binding requests until one is answered.

    Args:
        host: an address or a host name.
        wait_s: seconds to wait for each answer; None: `PROBE_WAIT_S`.

    Returns:
        the address and port that the server saw; None without an answer.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(address)
            for _ in range(tries):
                transaction = secrets.token_bytes(12)
                until = time.monotonic() + (PROBE_WAIT_S if wait_s is None else wait_s)
                with suppress(ConnectionRefusedError, TimeoutError):
                    probe.send(binding_request(transaction))
                    while (left := until - time.monotonic()) > 0:
                        probe.settimeout(left)
                        seen = mapped_address(probe.recv(2048), transaction)
                        if seen is not None:
                            return seen
    except OSError:
        return None
    return None


def check_limits() -> Iterator[Finding]:
    """What the kernel grants: bytes that a socket may hold while a keyframe goes out to all."""
    for direction in ("wmem_max", "rmem_max"):
        try:
            granted = int((KERNEL_LIMITS / direction).read_text("ascii"))
        except (OSError, ValueError):
            continue  # not Linux, or a container that hides it
        if granted < SOCKET_BUFFER_BYTES:
            yield Finding(
                "socket buffers",
                "warn",
                f"net.core.{direction} is {granted}: a keyframe to a large class may be dropped in part",
                f"sysctl -w net.core.{direction}={SOCKET_BUFFER_BYTES} (see docs/operate.md)",
            )
        else:
            yield Finding("socket buffers", "ok", f"net.core.{direction} is {granted}")


def check_fanout(settings: Settings) -> Finding:
    """Which way packets take to many classrooms: the native module carries more, nothing else differs."""
    line = path_in_use(settings.native_fanout)
    if built() or not settings.native_fanout:
        return Finding("fan-out", "ok", line)
    return Finding("fan-out", "ok", f"{line}; for many classrooms see docs/operate.md, The native fan-out")


def check_peer(settings: Settings, peer_text: str) -> Iterator[Finding]:
    """A liveclass server as seen from this machine: its pages, its clock against ours, its media port, its TURN."""
    peer = read_peer(peer_text)
    peer_url = peer.url
    try:
        headers, _ = Client(peer_url).exchange("GET", "/healthz")
    except Refused as refusal:
        yield Finding("peer", "fail", f"{peer_url}: {refusal}", "Is that a liveclass server?")
        return
    except UsageError as fault:
        yield Finding("peer", "fail", str(fault), "Open its TCP port in the firewall; check name and certificate.")
        return
    yield Finding("peer", "ok", f"{peer_url} answers")
    yield _skew({name.lower(): value for name, value in headers.items()}.get("date", ""), time.time())
    host = urlsplit(peer_url).hostname or ""
    seen = ask(host, settings.udp_port)
    if seen is None:
        yield Finding(
            "peer's UDP",
            "fail",
            f"no answer from {host} port {settings.udp_port}",
            f"Open UDP {settings.udp_port} in its firewall and in its cloud's security group, or in this network's.",
        )
    else:
        yield Finding("peer's UDP", "ok", f"{host} port {settings.udp_port} answers and sees this machine as {seen[0]}")
    yield from _peer_tcp(settings, peer_url, host)
    yield from check_peer_turn(peer)


def _peer_tcp(settings: Settings, peer_url: str, host: str) -> Iterator[Finding]:
    url = urlsplit(peer_url)
    pages = url.port or (443 if url.scheme == "https" else 80)
    answering = [port for port in dict.fromkeys((pages, settings.udp_port)) if ask_tcp(host, port) is not None]
    if not answering:
        yield Finding(
            "peer's TCP",
            "warn",
            f"no media on TCP {pages} and {settings.udp_port}: networks that block UDP need TURN",
            f"Open TCP {settings.udp_port}, have liveclass itself listen on {pages}, or set turn_urls.",
        )
    elif pages not in answering:
        yield Finding(
            "peer's TCP",
            "ok",
            f"port {settings.udp_port} takes media; port {pages} does not: networks with only that one open need TURN",
        )
    else:
        yield Finding(
            "peer's TCP", "ok", f"media gets through where UDP is blocked: port {' and '.join(map(str, answering))}"
        )


def _skew(date: str, now: float) -> Finding:
    try:
        skew = now - parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return Finding("clock", "warn", "the peer does not tell its time", "Compare the clocks by hand.")
    if abs(skew) > CLOCK_SKEW_S:
        return Finding("clock", "warn", f"{skew:+.0f} s off the peer's", "Run NTP on both (timedatectl set-ntp true).")
    return Finding("clock", "ok", f"agrees with the peer's to {max(1, round(abs(skew)))} s")


def _port(check: str, option: str, host: str, port: int, kind: socket.SocketKind, *, running: bool) -> Finding:
    if port == 0:
        return Finding(check, "ok", "any free one will be taken")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, kind) as probe:
            if kind == socket.SOCK_STREAM:  # else a port that was used a minute ago seems taken
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror:
        return Finding(check, "fail", f"{host} is no address", "Set --host to an address of this machine, or 0.0.0.0.")
    except OSError as failure:
        if failure.errno == errno.EADDRINUSE and running:
            return Finding(check, "ok", f"{port} is held by the liveclass that runs")
        advice = {
            errno.EADDRINUSE: f"See who holds it (ss -lptun 'sport = :{port}'), or choose another with {option}.",
            errno.EACCES: "Ports below 1024 need CAP_NET_BIND_SERVICE (see the systemd unit in docs/operate.md).",
            errno.EADDRNOTAVAIL: f"{host} is not an address of this machine: correct --host.",
        }.get(failure.errno or 0, f"Choose another with {option}.")
        return Finding(check, "fail", f"{port} cannot be had: {failure.strerror}", advice)
    return Finding(check, "ok", f"{port} is free")


def _disk_speed(folder: Path) -> Finding:
    """Write as the recorder does, piece by piece made durable, into a file that is gone afterwards."""
    path = folder / f".liveclass-doctor-{secrets.token_hex(4)}"
    piece = secrets.token_bytes(DISK_PROBE_BYTES // 8)
    slowest, began = 0.0, time.monotonic()
    try:
        with path.open("xb") as file:
            for _ in range(8):
                file.write(piece)
                file.flush()
                before = time.monotonic()
                os.fsync(file.fileno())
                slowest = max(slowest, time.monotonic() - before)
    except OSError as failure:
        return Finding("disk speed", "fail", f"{folder} cannot be written: {failure.strerror}", "Check disk and owner.")
    finally:
        path.unlink(missing_ok=True)
    speed = DISK_PROBE_BYTES / max(time.monotonic() - began, 1e-6)
    found = f"{speed / 1e6:.0f} MB/s made durable, {slowest * 1000:.0f} ms at the slowest"
    if speed < SLOW_DISK_BYTES_PER_S or slowest > SLOW_FSYNC_S:
        return Finding("disk speed", "warn", found, "Put data_dir on a faster disk: recordings may stop under load.")
    return Finding("disk speed", "ok", found)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that exists: where it would be made."""
    folder = folder.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
