"""Under which addresses this machine is reached. Knows interfaces and settings; refuses to know ports and peers."""

import contextlib
import ipaddress
import socket
from collections.abc import Sequence


def told(public: Sequence[str], host: str, reached_at: str) -> list[str]:
    """The addresses that a peer is told, best first.

    Args:
        public: those set by the operator; where there are any, the machine's own are not told.
        host: what the server listens on.
        reached_at: the address of ours that the peer's request came to; empty when not known.
    """
    found = list(public)
    if reached_at and reached_at not in found:
        with contextlib.suppress(ValueError):
            address = ipaddress.ip_address(reached_at.partition("%")[0])
            mapped = getattr(address, "ipv4_mapped", None)
            plain = str(mapped or address)
            if plain not in found:
                found.append(plain)
    if not public:
        found += [address for address in own_addresses(host) if address not in found]
    return found


def own_addresses(host: str) -> list[str]:
    """The addresses of this machine that others may reach: `host` itself where it names one, else all but loopback.

    A machine without any other address offers loopback, so that a demonstration works on a laptop in a train.
    """
    if host not in {"0.0.0.0", "::", ""}:  # noqa: S104
        return [host]
    found: list[str] = []
    # Connecting a datagram socket sends nothing; the kernel says which of our addresses it would use.
    for family, probe in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        if family == socket.AF_INET6 and host != "::":
            continue
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((probe, 9))
            found.append(sock.getsockname()[0])
    with contextlib.suppress(OSError):
        for entry in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET, socket.SOCK_DGRAM):
            address = str(entry[4][0])
            if address not in found and not address.startswith("127."):
                found.append(address)
    return found or ["127.0.0.1"]
