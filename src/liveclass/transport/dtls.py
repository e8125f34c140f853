"""The DTLS-SRTP handshake (RFC 5763, RFC 5764) without I/O: datagrams in, datagrams and SRTP keys out.

Datagrams must come from an address that ICE has verified; this module does not see addresses. It knows no SRTP packet
and no session. One `Dtls` has no task, thread or timer: the caller asks for `next_deadline` and calls `poll`.

Lost flights. A peer whose flight repeats has not got ours, so ours is sent again at once: the peer's timer is set by
the round trip it measured, ours cannot be. `RETRANSMIT_AFTER` covers what remains. Our repeats are the same bytes,
which a receiver cannot tell from a datagram that the network doubled; OpenSSL's own timer (1 s on its own clock)
renews the records now and then, for a server that must answer a Finished which it has seen before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final, Literal

from OpenSSL import SSL, crypto

from liveclass.errors import PeerError
from liveclass.transport.dtls_alerts import RECORD_HEADER, AlertReader, records
from liveclass.transport.dtls_identity import Identity, fingerprint, strongest
from liveclass.transport.srtp_keys import PROFILES, SrtpKeys

__all__ = ["Dtls", "Identity", "Role", "State"]

Role = Literal["server", "client"]
State = Literal["new", "handshaking", "connected", "failed", "closed"]
Event = Literal["first_datagram", "finished", "rejected", "deadline", "peer_closed", "closed"]

TRANSITIONS: Final[dict[State, dict[Event, State]]] = {
    "new": {"first_datagram": "handshaking", "deadline": "failed", "closed": "closed"},
    "handshaking": {
        "finished": "connected",
        "rejected": "failed",
        "deadline": "failed",
        "peer_closed": "failed",
        "closed": "closed",
    },
    "connected": {"peer_closed": "closed", "closed": "closed"},
    "failed": {"closed": "closed"},
    "closed": {},
}
"""Every state and what can happen in it; an event that is not listed changes nothing."""

HANDSHAKE_TIMEOUT: Final = 10.0
"""Seconds from the making of a `Dtls` to its failure, if it is not connected by then."""

RETRANSMIT_AFTER: Final = 0.4
"""Seconds until an unanswered flight is sent again; doubles each time. Above the 300 ms round trip of a village."""

REPEAT_SPACING: Final = 0.05
"""Seconds within which a repeated flight of the peer is answered once: its flight may be several datagrams."""

MTU: Final = 1200
"""Bytes of the largest datagram we make: passes every tunnel that carries WebRTC (as in QUIC, RFC 9000 section 14)."""

MAX_DATAGRAM: Final = 4096
"""Bytes of the largest datagram that is looked at; the largest record of a real handshake has about 1,400."""

MAX_REPEATS: Final = 8
"""Times that one flight is sent again."""

_CHANGE_CIPHER_SPEC: Final = 20
_HANDSHAKE_RECORD: Final = 22
_CLIENT_HELLO: Final = 1


@dataclass(slots=True)
class _Flight:
    """The datagrams that wait for an answer; `at` None when none is due."""

    datagrams: list[bytes]
    at: float | None = None
    wait: float = RETRANSMIT_AFTER
    sent: float = 0.0
    repeats: int = 0


class Dtls:
    """One DTLS association. Once connected it holds a few hundred bytes; the TLS object is gone.

    Args:
        identity: our certificate; shared by all.
        remote_fingerprints: (algorithm, value) as signalled; the peer's certificate must match one of those with the
            strongest algorithm that we know (RFC 8122 section 5).
        role: "client" when the peer signalled `a=setup:passive`.
        now: seconds of the caller's monotonic clock, as in every method.

    Errors:
        PeerError: no fingerprint with an algorithm that we accept.
    """

    __slots__ = (
        "_alerts",
        "_deadline",
        "_farewell",
        "_flight",
        "_identity",
        "_role",
        "_ssl",
        "_wanted",
        "keys",
        "problem",
        "state",
    )

    state: State
    keys: SrtpKeys | None
    """Once connected; None before and after."""
    problem: str
    """Why the state is "failed": one short phrase for logs and counters, holding nothing of the peer's."""

    def __init__(
        self,
        identity: Identity,
        remote_fingerprints: Sequence[tuple[str, str]],
        *,
        role: Role = "server",
        now: float,
    ) -> None:
        self._wanted = strongest(remote_fingerprints)
        if not self._wanted:
            raise PeerError("The offer has no certificate fingerprint that is accepted here.", status=422)
        self.state = "new"
        self.keys = None
        self.problem = ""
        self._role = role
        self._deadline = now + HANDSHAKE_TIMEOUT
        self._flight = _Flight([])
        self._alerts: AlertReader | None = None
        self._farewell: list[bytes] = []
        self._identity = identity
        self._ssl: SSL.Connection | None = None

    def start(self, now: float) -> list[bytes]:
        """As client: the ClientHello to send, once ICE has an address for it. As server: nothing."""
        if self._role == "server" or self.state != "new":
            return []
        return self._handshake(self._begin(), now)

    def receive(self, datagram: bytes, now: float) -> list[bytes]:
        """Take a DTLS datagram from the verified address; returns the datagrams to send there. Never raises.

        A datagram that makes no sense is ignored; one that ends the handshake leads to "failed", and after the
        handshake to "closed" (close_notify or a fatal alert, RFC 5246 section 7.2).
        """
        if not RECORD_HEADER <= len(datagram) <= MAX_DATAGRAM:
            return []
        if self.state == "connected":
            return self._after_handshake(datagram, now)
        ssl = self._ssl
        if ssl is None:
            if self.state != "new" or self._role == "client" or not _is_client_hello(datagram):
                return []
            ssl = self._begin()
        ssl.bio_write(datagram)
        sent = self._handshake(ssl, now)
        if not sent and self.state == "handshaking" and _is_client_hello(datagram):
            return self._repeat(now)
        return sent

    def poll(self, now: float) -> list[bytes]:
        """Do what is due at `now`: the datagrams to send again, or the end of a handshake that took too long."""
        if self.state not in {"new", "handshaking"}:
            return []
        if now >= self._deadline:
            self._fail("deadline", "handshake took too long")
            return []
        if self._ssl is None or self._flight.at is None or now < self._flight.at:
            return []
        if self._ssl.DTLSv1_get_timeout() == 0:
            self._flight.datagrams = _renew(self._ssl) or self._flight.datagrams
        return self._repeat(now)

    def next_deadline(self, now: float) -> float | None:
        """When `poll` has something to do, on the caller's clock; None when never."""
        if self.state not in {"new", "handshaking"}:
            return None
        return max(now, min(self._deadline, self._flight.at or self._deadline))

    def close(self) -> list[bytes]:
        """End the association and free its memory; returns the close_notify to send. Safe to call twice."""
        farewell = self._farewell if self.state == "connected" else []
        self._to("closed")
        self._release()
        return farewell

    def _begin(self) -> SSL.Connection:
        """Make the TLS object, which has 32 kB from the start: not before there is somebody to talk to."""
        self._to("first_datagram")
        ssl = self._ssl = SSL.Connection(self._identity.context)
        ssl.set_ciphertext_mtu(MTU)
        if self._role == "client":
            ssl.set_connect_state()
        else:
            ssl.set_accept_state()
        return ssl

    def _to(self, event: Event) -> None:
        self.state = TRANSITIONS[self.state].get(event, self.state)

    def _release(self) -> None:
        self._ssl = self._alerts = None
        self._flight = _Flight([])
        self._farewell = []
        if self.keys is not None:
            self.keys.wipe()
            self.keys = None

    def _fail(self, event: Event, problem: str) -> None:
        self._to(event)
        self.problem = problem
        self._release()

    def _handshake(self, ssl: SSL.Connection, now: float) -> list[bytes]:
        """Let OpenSSL go on with what it has read; every failure of the peer's ends here."""
        try:
            ssl.do_handshake()
        except SSL.WantReadError:
            written = _take(ssl)
            if written:
                self._flight = _Flight(written, at=now + RETRANSMIT_AFTER, sent=now)
            return written
        except SSL.ZeroReturnError:
            self._fail("peer_closed", "closed by the peer in the handshake")
            return []
        except SSL.Error:
            # The alert that OpenSSL has written tells the peer why.
            alert = _take(ssl)
            self._fail("rejected", "handshake refused")
            return alert
        final = _take(ssl)
        problem = self._accept_peer(ssl)
        farewell = _farewell(ssl)
        if problem:
            self._fail("rejected", problem)
            return final + farewell
        self._to("finished")
        self._flight = _Flight(final, sent=now)
        self._farewell = farewell
        self._ssl = None
        return final

    def _accept_peer(self, ssl: SSL.Connection) -> str:
        """Check certificate and profile and take the keys (RFC 5764 section 4.2); returns what is wrong, or ""."""
        certificate = ssl.get_peer_certificate()
        # Compared as bytes: what else stands in the certificate is of no interest, and need not be sound.
        encoded = b"" if certificate is None else crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
        if not any(compare_digest(fingerprint(encoded, name), value) for name, value in self._wanted):
            return "certificate does not match the signalled fingerprint"
        name = ssl.get_selected_srtp_profile()
        profile = next((known for known in PROFILES if known.name.encode() == name), None)
        if profile is None:
            return "no SRTP profile in common"
        key, salt = profile.key_length, profile.salt_length
        secret = ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        client = bytearray(secret[:key] + secret[2 * key : 2 * key + salt])
        server = bytearray(secret[key : 2 * key] + secret[2 * key + salt :])
        serves = self._role == "server"
        self.keys = SrtpKeys(profile, *((server, client) if serves else (client, server)))
        self._alerts = AlertReader(
            ssl.master_key() or b"",
            ssl.client_random() or b"",
            ssl.server_random() or b"",
            peer="client" if serves else "server",
        )
        return ""

    def _after_handshake(self, datagram: bytes, now: float) -> list[bytes]:
        """Alerts, and flights repeated because our last was lost; we speak no application data (data channels)."""
        if datagram[0] in {_HANDSHAKE_RECORD, _CHANGE_CIPHER_SPEC}:
            return self._repeat(now)
        if self._alerts is not None and self._alerts.says_farewell(datagram):
            self._to("peer_closed")
            self._release()
        return []

    def _repeat(self, now: float) -> list[bytes]:
        flight = self._flight
        if now < flight.sent + REPEAT_SPACING:
            return []
        if flight.repeats >= MAX_REPEATS:
            flight.at = None
            return []
        flight.repeats += 1
        flight.wait *= 2
        flight.at = now + flight.wait
        flight.sent = now
        return list(flight.datagrams)


def _take(ssl: SSL.Connection) -> list[bytes]:
    """What OpenSSL has written, as datagrams: whole records, as many to a datagram as the MTU lets in."""
    written = bytearray()
    try:
        while True:
            written += ssl.bio_read(1 << 14)
    except SSL.Error:
        return pack_records(bytes(written))


def _farewell(ssl: SSL.Connection) -> list[bytes]:
    """Our close_notify, written while there is a TLS object that can, to be sent last."""
    try:
        ssl.shutdown()
    except SSL.Error:
        return []
    return _take(ssl)


def _renew(ssl: SSL.Connection) -> list[bytes]:
    """The flight with new record numbers, once OpenSSL's own timer has run out; else nothing."""
    try:
        ssl.DTLSv1_handle_timeout()
    except SSL.Error:
        return []
    return _take(ssl)


def pack_records(written: bytes) -> list[bytes]:
    """Cut a run of DTLS 1.2 records (RFC 6347 section 4.1) into datagrams of at most `MTU` bytes, records unbroken."""
    datagrams: list[bytes] = []
    for record in records(written):
        if datagrams and len(datagrams[-1]) + len(record) <= MTU:
            datagrams[-1] += record
        else:
            datagrams.append(record)
    return datagrams


def _is_client_hello(datagram: bytes) -> bool:
    """Whether the datagram begins with a ClientHello, which is never encrypted."""
    return datagram[0] == _HANDSHAKE_RECORD and datagram[3:5] == b"\0\0" and datagram[13:14] == bytes([_CLIENT_HELLO])
