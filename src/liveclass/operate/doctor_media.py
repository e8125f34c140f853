"""The doctor's look at the ways that media takes where UDP is blocked: TCP, and the operator's TURN servers.

A TURN server is asked as a page would ask it: for a relay, then for the peers it may reach, one that it must allow and
some that it must not. Leaves nothing behind; knows no lesson.
"""

import contextlib
import secrets
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from liveclass.config import Settings, items
from liveclass.operate.finding import Finding
from liveclass.operate.probe import binding_request, mapped_address
from liveclass.transport.framing import framed
from liveclass.transport.turn import (
    FORBIDDEN,
    QUOTA_REACHED,
    UNAUTHENTICATED,
    Answer,
    TurnClient,
    credentials,
    message_length,
)

WAIT_S = 2.0
"""For a connection, a handshake, or an answer over a stream."""

UDP_TRIES, UDP_WAIT_S = 3, 0.7

PROBE_TTL_S = 60.0
"""How long the doctor's own credentials hold."""

INSIDE = ("127.0.0.1", "169.254.169.254", "10.0.0.1")
"""Peers that no TURN server of a programme may reach: itself, a cloud's metadata, a private network."""

MAX_URLS = 8


def ask_tcp(host: str, port: int) -> tuple[str, int] | None:
    """Send a Binding request in a frame (RFC 4571), as a browser does over TCP.

    Returns:
        The address and port that the server saw; None without an answer.
    """
    transaction = secrets.token_bytes(12)
    try:
        with socket.create_connection((host, port), WAIT_S) as probe:
            probe.sendall(framed(binding_request(transaction)))
            length = int.from_bytes(_exactly(probe, 2), "big")
            return mapped_address(_exactly(probe, length), transaction)
    except OSError:
        return None


def check_tcp(settings: Settings, told: tuple[str, ...]) -> Iterator[Finding]:
    """Whether media may come over TCP: on the pages' own port, and on the media port's number.

    Args:
        told: the addresses that browsers are told.
    """
    check = "media over TCP"
    if not settings.media_tcp:
        yield Finding(check, "ok", "switched off by media_tcp")
        return
    if settings.trusted_proxies:
        yield Finding(
            check, "ok", "the pages' port belongs to a proxy: networks that let nothing else through need TURN"
        )
    ports = [settings.udp_port] if settings.trusted_proxies else [settings.port, settings.udp_port]
    for address in told[:2]:
        for port in dict.fromkeys(ports):
            shared = port == settings.port
            what = f"{address} TCP {port}" + (" (the pages' port)" if shared else "")
            if ask_tcp(address, port) is not None:
                yield Finding(check, "ok", f"{what} takes media where UDP is blocked")
            else:
                yield Finding(
                    check,
                    "warn",
                    f"{what} takes no media: networks that block UDP are shut out of it",
                    f"Open TCP {port} in the firewall; if something else holds it, choose another --udp-port.",
                )


class TurnUrl(NamedTuple):
    """A TURN server's address, as in RFC 7065."""

    secure: bool
    host: str
    port: int
    tcp: bool


def parse_turn_url(url: str) -> TurnUrl | None:
    """Read `turn:host:port?transport=tcp`; None when it is not one."""
    scheme, _, rest = url.partition(":")
    if scheme not in {"turn", "turns"} or not rest:
        return None
    where, _, query = rest.partition("?")
    if query not in {"", "transport=udp", "transport=tcp"}:
        return None
    if where.startswith("["):
        host, bracket, port = where[1:].partition("]")
        if not bracket:
            return None
        port = port.removeprefix(":")
    else:
        host, _, port = where.partition(":")
    if not host or (port and not (port.isdecimal() and 0 < int(port) < 65_536)):
        return None
    secure = scheme == "turns"
    tcp = query == "transport=tcp" or (secure and query == "")
    return TurnUrl(secure, host, int(port or (5349 if secure else 3478)), tcp)


def check_turn(settings: Settings, told: tuple[str, ...]) -> Iterator[Finding]:
    """Whether each TURN server answers, takes our credentials, reaches this server, and nothing else.

    Args:
        told: the addresses that it must be able to reach.
    """
    check = "TURN"
    urls = items(settings.turn_urls)
    if not urls:
        yield Finding(
            check, "ok", "none: networks that let neither UDP nor this server's TCP ports through cannot join"
        )
        return
    if not settings.turn_secret:
        yield Finding(
            check, "fail", "turn_urls without turn_secret: no page is told of it", "Set LIVECLASS_TURN_SECRET."
        )
        return
    for text in urls[:MAX_URLS]:
        name = f"doctor-{secrets.token_urlsafe(6)}"
        yield ask_turn(text, *credentials(settings.turn_secret, PROBE_TTL_S, time.time(), name), told)


def ask_turn(text: str, username: str, password: str, told: tuple[str, ...]) -> Finding:
    """What one TURN server makes of these credentials.

    Args:
        text: its URL.
        told: the addresses that it must be able to reach, and no others.
    """
    check = "TURN"
    url = parse_turn_url(text)
    if url is None:
        return Finding(check, "fail", f"{text} is no TURN URL", "Write turn:HOST:3478 or turns:HOST:443?transport=tcp.")
    if url.secure and not url.tcp:
        return Finding(check, "ok", f"{text}: TURN over DTLS is not tested; few browsers use it")
    client = TurnClient(username, password)
    try:
        with _connected(url) as wire:
            given = wire.ask(client, client.allocate(secrets.token_bytes(12)))
            if given.error == UNAUTHENTICATED:
                given = wire.ask(client, client.allocate(secrets.token_bytes(12)))
            if given.error:
                return _refused(text, given.error)
            try:
                return _reach(text, wire, client, told)
            finally:
                with contextlib.suppress(OSError):
                    wire.ask(client, client.release(secrets.token_bytes(12)))
    except ssl.SSLError as failure:
        return Finding(
            check,
            "fail",
            f"{text}: its certificate or TLS is refused ({failure.reason})",
            "Correct cert and pkey there.",
        )
    except OSError as failure:
        transport = "TCP" if url.tcp else "UDP"
        return Finding(
            check,
            "fail",
            f"{text} does not answer ({failure.strerror or 'no answer in time'})",
            f"Start coturn there, and open {transport} {url.port} in its firewall.",
        )


def _refused(text: str, error: int) -> Finding:
    if error == UNAUTHENTICATED:
        return Finding(
            "TURN",
            "fail",
            f"{text} answers and refuses our credentials",
            "turn_secret and static-auth-secret must be the same, and both clocks right.",
        )
    why = "its quota is used up" if error == QUOTA_REACHED else f"error {error}"
    return Finding("TURN", "fail", f"{text} gives no relay: {why}", "See its log, and total-quota in turnserver.conf.")


def _reach(text: str, wire: "_Wire", client: TurnClient, told: tuple[str, ...]) -> Finding:
    peers = [address for address in told if ":" not in address]
    denied = [
        peer for peer in peers if wire.ask(client, client.permit(peer, secrets.token_bytes(12))).error == FORBIDDEN
    ]
    if peers and len(denied) == len(peers):
        return Finding(
            "TURN",
            "fail",
            f"{text} works but may not reach this server ({', '.join(denied)})",
            "Add allowed-peer-ip for it in turnserver.conf.",
        )
    inside = [
        peer
        for peer in INSIDE
        if peer not in told and wire.ask(client, client.permit(peer, secrets.token_bytes(12))).error == 0
    ]
    if inside:
        return Finding(
            "TURN",
            "fail",
            f"{text} lets everyone with a link reach {', '.join(inside)}",
            "Take denied-peer-ip and allowed-peer-ip from turn/turnserver.conf.",
        )
    return Finding("TURN", "ok", f"{text} answers, takes our credentials, and reaches this server alone")


@dataclass(slots=True)
class _Wire:
    """A socket to a TURN server."""

    sock: socket.socket
    stream: bool

    def ask(self, client: TurnClient, request: bytes) -> Answer:
        """Send a request until it is answered.

        Raises:
            OSError: it was not.
        """
        for _ in range(1 if self.stream else UDP_TRIES):
            self.sock.sendall(request)
            until = time.monotonic() + (WAIT_S if self.stream else UDP_WAIT_S)
            while (left := until - time.monotonic()) > 0:
                self.sock.settimeout(left)
                try:
                    message = self._message()
                except TimeoutError:
                    break
                answer = client.read(message, request[8:20])
                if answer is not None:
                    return answer
        raise TimeoutError

    def _message(self) -> bytes:
        if not self.stream:
            return self.sock.recv(2048)
        head = _exactly(self.sock, 20)
        return head + _exactly(self.sock, message_length(head) - 20)


@contextlib.contextmanager
def _connected(url: TurnUrl) -> Iterator[_Wire]:
    with contextlib.ExitStack() as stack:
        if url.tcp:
            sock = stack.enter_context(socket.create_connection((url.host, url.port), WAIT_S))
            if url.secure:
                sock = stack.enter_context(ssl.create_default_context().wrap_socket(sock, server_hostname=url.host))
        else:
            family, kind, _, _, address = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_DGRAM)[0]
            sock = stack.enter_context(socket.socket(family, kind))
            sock.connect(address)
        yield _Wire(sock, url.tcp)


def _exactly(sock: socket.socket, size: int) -> bytes:
    """That many bytes of a stream.

    Raises:
        OSError: it ended before, or took too long.
    """
    got = b""
    until = time.monotonic() + WAIT_S
    while len(got) < size:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        sock.settimeout(left)
        piece = sock.recv(size - len(got))
        if not piece:
            raise ConnectionResetError
        got += piece
    return got
