"""Network namespaces with one TUN device to the host: made, filtered, removed.

Knows addresses and `ip`; knows nothing of delay or loss. Needs root.
"""

import contextlib
import fcntl
import os
import re
import signal
import struct
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

SERVER = "10.77.0.1"
"""The host, as programs behind a link see it."""
CLIENT = "10.77.0.{}"
NAMESPACE = "lclink-{}"
"""With the forwarder's process number, so that whoever finds one can tell whether it is still in use."""
OWNER = b"tests.links"
"""In the command line of each forwarder."""
TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x1001


@dataclass(frozen=True, slots=True)
class Ends:
    """Descriptors of the two devices, and the client's address."""

    host_fd: int
    client_fd: int
    client: str


def ip(*arguments: str, batch: str | None = None) -> str:
    """Runs iproute2.

    Raises:
        RuntimeError: it failed; with its words.
    """
    done = subprocess.run(["ip", *arguments], input=batch, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def open_tun(name: str) -> int:
    """A new TUN device that lives as long as its descriptor.

    Raises:
        OSError: not permitted, or the name is taken.
    """
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN_NO_PI))
    except OSError:
        os.close(fd)
        raise
    return fd


def create(namespace: str) -> Ends:
    """Makes the namespace and both devices; its only way out is the host's address.

    Raises:
        RuntimeError: no device could be made.
    """
    for number in range(2, 255):
        outside, inside, client = f"lclink{number}", f"lclink{number}c", CLIENT.format(number)
        if ip("-4", "route", "show", f"{client}/32").strip():  # someone else's way, by whatever program
            continue
        with contextlib.suppress(OSError):  # another link has this number
            host_fd = open_tun(outside)
            client_fd = open_tun(inside)
            break
    else:
        raise RuntimeError("no TUN device: not root, no /dev/net/tun, or 253 links are running")
    ip("netns", "add", namespace)
    ip(
        "-batch",
        "-",
        batch=f"link set dev {inside} netns {namespace}\n"
        f"addr add {SERVER} peer {client} dev {outside}\n"
        f"link set dev {outside} addrgenmode none up\n",
    )
    ip(
        "-n",
        namespace,
        "-batch",
        "-",
        batch="link set dev lo up\n"
        f"link set dev {inside} name link0\n"
        f"addr add {client} peer {SERVER} dev link0\n"
        "link set dev link0 addrgenmode none up\n"
        f"route add default via {SERVER} dev link0\n",
    )
    return Ends(host_fd, client_fd, client)


def processes(namespace: str) -> list[int]:
    """Who runs inside."""
    return [int(pid) for pid in ip("netns", "pids", namespace).split()]


def end_processes(namespace: str, *signals: signal.Signals) -> None:
    """Ends what runs inside: these signals in turn, each given 2 s."""
    for number in signals:
        deadline = time.monotonic() + 2
        for pid in processes(namespace):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        while processes(namespace) and time.monotonic() < deadline:
            time.sleep(0.05)


def remove(namespace: str) -> None:
    """Ends the namespace's processes, then removes it."""
    end_processes(namespace, signal.SIGTERM, signal.SIGKILL)
    ip("netns", "delete", namespace)


def exists(namespace: str) -> bool:
    return Path("/run/netns", namespace).exists()


def clean() -> list[str]:
    """Removes the namespaces of forwarders that are gone; returns their names."""
    folder = Path("/run/netns")
    removed = []
    for name in sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []:
        match = re.fullmatch(NAMESPACE.format(r"(\d+)"), name)
        if not match:
            continue
        with contextlib.suppress(OSError):
            if OWNER in Path("/proc", match[1], "cmdline").read_bytes():
                continue
        with contextlib.suppress(RuntimeError):
            remove(name)
            removed.append(name)
    return removed


class Filter:
    """What may pass: IPv4 between this client and the host's address, on allowed ports."""

    def __init__(self, client: str, ports: tuple[int, ...] = (), *, udp: bool = True) -> None:
        """
        Args:
            ports: TCP ports of the host that can be reached; empty: all.
            udp: whether UDP passes.
        """
        self._server, self._client = (bytes(map(int, text.split("."))) for text in (SERVER, client))
        self._ports, self._udp = frozenset(ports), udp

    def passes(self, packet: bytes, *, up: bool) -> bool:
        if len(packet) < 20 or packet[0] >> 4 != 4:
            return False
        ends = self._client + self._server if up else self._server + self._client
        if packet[12:20] != ends or (packet[9] == 17 and not self._udp):
            return False
        if not up or packet[9] != 6 or not self._ports:
            return True
        header = (packet[0] & 15) * 4
        return int.from_bytes(packet[header + 2 : header + 4], "big") in self._ports

    def refusal(self, packet: bytes) -> bytes | None:
        """ICMP "administratively prohibited" (RFC 1812, 5.2.7.1) to a packet of the client; None where none is due."""
        if len(packet) < 20 or packet[12:16] != self._client or packet[16] >= 224 or packet[9] == 1:
            return None
        body = struct.pack("!BBHI", 3, 13, 0, 0) + packet[: (packet[0] & 15) * 4 + 8]
        body += b"\0" * (len(body) % 2)
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, 1, 0, self._server, self._client)
        return head[:10] + checksum(head) + head[12:] + body[:2] + checksum(body) + body[4:]


def checksum(data: bytes) -> bytes:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF)
