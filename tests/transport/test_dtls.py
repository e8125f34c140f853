"""DTLS-SRTP handshakes against ourselves and against a TLS stack set up by aiortc, on a wire that loses what we say."""

import random
import struct
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCCertificate
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL

from liveclass.errors import PeerError
from liveclass.transport.dtls import (
    HANDSHAKE_TIMEOUT,
    MAX_REPEATS,
    MTU,
    REPEAT_SPACING,
    RETRANSMIT_AFTER,
    TRANSITIONS,
    Dtls,
    Identity,
    State,
    pack_records,
)
from liveclass.transport.dtls_alerts import records
from liveclass.transport.srtp_keys import PROFILES, SrtpKeys

OURS = Identity.generate(time.time())
THEIRS = Identity.generate(time.time())

Lost = Callable[[int], bool]


def signalled(identity: Identity) -> list[tuple[str, str]]:
    algorithm, value = identity.fingerprint.split()
    return [(algorithm, value)]


def pair(now: float = 0.0) -> tuple[Dtls, Dtls]:
    """A server and a client that expect each other."""
    return Dtls(OURS, signalled(THEIRS), now=now), Dtls(THEIRS, signalled(OURS), role="client", now=now)


def converse(
    server: Dtls, client: Dtls, *, lost: Lost = lambda _: False, until: float = HANDSHAKE_TIMEOUT + 1
) -> float:
    """Carry datagrams both ways, each 10 ms on the way, the n-th lost where `lost` says so; returns the end in s."""
    now, count = 0.0, 0
    wire: list[tuple[float, Dtls, bytes]] = []

    def send(to: Dtls, datagrams: Sequence[bytes]) -> None:
        nonlocal count
        for datagram in datagrams:
            assert len(datagram) <= MTU
            if not lost(count):
                wire.append((now + 0.01, to, datagram))
            count += 1

    send(server, client.start(now))
    while now < until and not (state(server) == state(client) == "connected"):
        now = round(now + 0.01, 6)
        arrived = [entry for entry in wire if entry[0] <= now]
        wire = [entry for entry in wire if entry[0] > now]
        for _, to, datagram in arrived:
            send(client if to is server else server, to.receive(datagram, now))
        for side, other in ((server, client), (client, server)):
            due = side.next_deadline(now)
            if due is not None and due <= now:
                send(other, side.poll(now))
    return now


def connected() -> tuple[Dtls, Dtls]:
    server, client = pair()
    converse(server, client)
    assert state(server) == state(client) == "connected"
    return server, client


def state(dtls: Dtls) -> State:
    """The state now, which a type checker must not believe to be that of the line before."""
    return dtls.state


def keys_of(dtls: Dtls) -> SrtpKeys:
    assert dtls.keys is not None
    return dtls.keys


def test_both_sides_get_the_same_keys() -> None:
    server, client = connected()
    mine, theirs = keys_of(server), keys_of(client)
    assert mine.profile == theirs.profile == PROFILES[0]
    assert mine.local == theirs.remote
    assert mine.remote == theirs.local
    assert mine.local != mine.remote
    assert len(mine.local) == mine.profile.key_length + mine.profile.salt_length


@pytest.mark.parametrize("profile", SRTP_PROFILES, ids=lambda profile: profile.openssl_profile.decode())
@pytest.mark.parametrize("role", ["server", "client"])
def test_an_independent_stack_gets_the_same_keys(profile: Any, role: Any) -> None:
    certificate = RTCCertificate.generateCertificate()
    prints = [(item.algorithm, item.value) for item in certificate.getFingerprints()]
    ours = Dtls(OURS, prints, role=role, now=0.0)
    theirs = SSL.Connection(certificate._create_ssl_context([profile]))
    if role == "server":
        theirs.set_connect_state()
    else:
        theirs.set_accept_state()
    arrived = ours.start(0.0)
    for _ in range(10):
        for datagram in arrived:
            theirs.bio_write(datagram)
            pump(theirs)
        pump(theirs)
        arrived = [reply for datagram in drain(theirs) for reply in ours.receive(datagram, 0.0)]
    assert state(ours) == "connected"
    keys = keys_of(ours)
    secret = theirs.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (profile.key_length + profile.salt_length))
    mine = 1 if role == "server" else 0
    assert keys.profile.name.encode() == profile.openssl_profile
    assert keys.local == profile.get_key_and_salt(secret, mine)
    assert keys.remote == profile.get_key_and_salt(secret, 1 - mine)

    theirs.shutdown()
    for datagram in drain(theirs):
        ours.receive(datagram, 1.0)
    assert state(ours) == "closed"


def test_an_independent_stack_hears_our_farewell() -> None:
    certificate = RTCCertificate.generateCertificate()
    ours = Dtls(OURS, [(item.algorithm, item.value) for item in certificate.getFingerprints()], now=0.0)
    theirs = SSL.Connection(certificate._create_ssl_context(SRTP_PROFILES))
    theirs.set_connect_state()
    for _ in range(6):
        pump(theirs)
        for datagram in drain(theirs):
            for reply in ours.receive(datagram, 0.0):
                theirs.bio_write(reply)
                pump(theirs)
    assert state(ours) == "connected"
    for datagram in ours.close():
        theirs.bio_write(datagram)
    with pytest.raises(SSL.ZeroReturnError):
        theirs.recv(100)


def pump(connection: SSL.Connection) -> None:
    try:
        connection.do_handshake()
    except SSL.WantReadError:
        pass


def drain(connection: SSL.Connection) -> list[bytes]:
    written = b""
    while True:
        try:
            written += connection.bio_read(1 << 14)
        except SSL.WantReadError:
            return pack_records(written)


@pytest.mark.parametrize("nth", range(5))
def test_any_one_lost_datagram_costs_less_than_a_second(nth: int) -> None:
    server, client = pair()
    assert converse(server, client, lost=lambda count: count == nth) < 1.0
    assert state(server) == state(client) == "connected"
    assert keys_of(server).local == keys_of(client).remote


@pytest.mark.parametrize("seed", range(12))
def test_a_third_of_all_datagrams_lost_still_connects(seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    fate = [chance.random() < 0.33 for _ in range(1000)]
    server, client = pair()
    converse(server, client, lost=lambda count: fate[count])
    # The last flight has no answer: a server may be connected while its client still asks for it.
    assert state(server) == "connected"
    assert state(client) == "connected"


def test_a_repeated_client_hello_is_answered_at_once_but_not_each_time() -> None:
    server, client = pair()
    hello = client.start(0.0)
    first = [reply for datagram in hello for reply in server.receive(datagram, 0.0)]
    assert first
    assert server.receive(hello[0], REPEAT_SPACING / 2) == []
    assert server.receive(hello[0], REPEAT_SPACING) == first
    now, repeats = REPEAT_SPACING, 1
    for _ in range(50):
        now += 1.0
        repeats += bool(server.receive(hello[0], now))
    assert repeats == MAX_REPEATS


def test_a_repeated_last_flight_of_the_client_brings_ours_again() -> None:
    server, client = pair()
    flights = client.start(0.0)
    for _ in range(2):
        replies = [reply for datagram in flights for reply in server.receive(datagram, 0.0)]
        if state(server) == "connected":
            break
        flights = [reply for datagram in replies for reply in client.receive(datagram, 0.0)]
    assert state(server) == "connected"
    assert state(client) == "handshaking"
    assert server.receive(flights[0], 0.01) == []
    again = server.receive(flights[0], 1.0)
    assert again == replies
    for datagram in again:
        client.receive(datagram, 1.0)
    assert state(client) == "connected"


def test_a_silent_peer_is_asked_again_ever_more_slowly_and_given_up_after_ten_seconds() -> None:
    _, client = pair()
    sent = [(0.0, client.start(0.0))]
    now = 0.0
    while (due := client.next_deadline(now)) is not None:
        now = due
        datagrams = client.poll(now)
        if datagrams:
            sent.append((now, datagrams))
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(sent)]
    assert gaps[0] == pytest.approx(RETRANSMIT_AFTER)
    assert all(later == pytest.approx(2 * earlier) for earlier, later in pairwise(gaps))
    assert state(client) == "failed"
    assert now == pytest.approx(HANDSHAKE_TIMEOUT)
    assert client.poll(now + 1) == []


def test_a_server_that_is_never_spoken_to_fails_at_its_deadline() -> None:
    server, _ = pair(now=5.0)
    assert server.next_deadline(5.0) == 5.0 + HANDSHAKE_TIMEOUT
    assert server.start(5.0) == []
    assert server.poll(14.9) == []
    assert state(server) == "new"
    server.poll(15.0)
    assert state(server) == "failed"
    assert server.problem


def client_hello(ciphers: bytes = b"\x00\x02") -> bytes:
    """A ClientHello that offers only suites without encryption (TLS_RSA_WITH_NULL_SHA) and no extension."""
    body = b"\xfe\xfd" + bytes(32) + b"\x00\x00" + len(ciphers).to_bytes(2, "big") + ciphers + b"\x01\x00"
    length = len(body).to_bytes(3, "big")
    handshake = b"\x01" + length + bytes(2) + bytes(3) + length + body
    return b"\x16\xfe\xfd" + bytes(8) + len(handshake).to_bytes(2, "big") + handshake


def test_a_null_cipher_is_refused() -> None:
    server, _ = pair()
    replies = server.receive(client_hello(), 0.0)
    assert state(server) == "failed"
    assert [reply[0] for reply in replies] == [21]
    assert server.keys is None


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\x16",
        bytes(13),
        b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x02\x28",
        b"\x17\xfe\xfd" + bytes(8) + b"\x00\x05hello",
        b"\x14\xfe\xfd" + bytes(8) + b"\x00\x01\x01",
        b"\x16" + bytes(5000),
    ],
)
def test_nothing_but_a_client_hello_begins(datagram: bytes) -> None:
    server, client = pair()
    assert server.receive(datagram, 0.0) == []
    assert state(server) == "new"
    converse(server, client)
    assert state(server) == state(client) == "connected"


def test_a_peer_that_closes_in_the_handshake_is_gone() -> None:
    server, client = pair()
    for datagram in client.start(0.0):
        server.receive(datagram, 0.0)
    assert server.receive(b"\x15\xfe\xfd" + bytes(7) + b"\x09\x00\x02\x01\x00", 0.1) == []
    assert state(server) == "failed"
    assert "closed" in server.problem


def shake(ours: Dtls, theirs: SSL.Connection) -> list[bytes]:
    """A whole handshake, as far as it goes, with `theirs` as client; returns our last datagrams."""
    theirs.set_connect_state()
    replies: list[bytes] = []
    for _ in range(6):
        try:
            theirs.do_handshake()
        except SSL.Error:
            pass
        for datagram in drain(theirs):
            replies = ours.receive(datagram, 0.0)
            for reply in replies:
                theirs.bio_write(reply)
    return replies


@pytest.mark.parametrize("lacks", ["certificate", "SRTP"])
def test_a_client_without_certificate_or_srtp_is_refused(lacks: str) -> None:
    certificate = RTCCertificate.generateCertificate()
    prints = [(item.algorithm, item.value) for item in certificate.getFingerprints()]
    ours = Dtls(OURS, prints, now=0.0)
    context = SSL.Context(SSL.DTLS_METHOD)
    if lacks == "SRTP":
        context.use_certificate(certificate._cert)
        context.use_privatekey(certificate._key)
    else:
        context.set_tlsext_use_srtp(b"SRTP_AES128_CM_SHA1_80")
    replies = shake(ours, SSL.Connection(context))
    assert state(ours) == "failed"
    assert ours.keys is None
    assert replies


def test_a_server_that_ignores_doubled_records_still_answers_a_lost_last_flight() -> None:
    """OpenSSL takes our repeated Finished for a replay until it is written anew, by a timer on the real clock."""
    certificate = RTCCertificate.generateCertificate()
    ours = Dtls(OURS, [(item.algorithm, item.value) for item in certificate.getFingerprints()], role="client", now=0.0)
    theirs = SSL.Connection(certificate._create_ssl_context(SRTP_PROFILES))
    theirs.set_accept_state()
    flight = ours.start(0.0)
    replies: list[bytes] = []
    while b"\x14\xfe\xfd" not in b"".join(replies):  # a ChangeCipherSpec comes with the last flight, and gets lost
        flight = [reply for datagram in replies for reply in ours.receive(datagram, 0.0)] or flight
        for datagram in flight:
            theirs.bio_write(datagram)
            pump(theirs)
        replies = drain(theirs)
    assert state(ours) == "handshaking"
    for datagram in flight:
        theirs.bio_write(datagram)
        with pytest.raises(SSL.WantReadError):
            theirs.recv(100)
    assert drain(theirs) == []
    time.sleep(1.05)
    for datagram in ours.poll(1.05):
        theirs.bio_write(datagram)
        with pytest.raises(SSL.WantReadError):
            theirs.recv(100)
    for datagram in drain(theirs):
        ours.receive(datagram, 1.1)
    assert state(ours) == "connected"


def test_another_certificate_than_the_signalled_one_is_refused() -> None:
    server = Dtls(OURS, [("sha-256", ":".join(["AB"] * 32))], now=0.0)
    client = Dtls(THEIRS, signalled(OURS), role="client", now=0.0)
    converse(server, client, until=1.0)
    assert state(server) == "failed"
    assert server.keys is None
    assert "fingerprint" in server.problem
    assert state(client) == "closed"


def test_the_strongest_known_algorithm_decides() -> None:
    wrong = ("sha-512", ":".join(["00"] * 64))
    server = Dtls(OURS, [*signalled(THEIRS), wrong], now=0.0)
    converse(server, Dtls(THEIRS, signalled(OURS), role="client", now=0.0), until=1.0)
    assert state(server) == "failed"
    server = Dtls(OURS, [("sha-1", "00"), ("SHA-256", signalled(THEIRS)[0][1].lower())], now=0.0)
    converse(server, Dtls(THEIRS, signalled(OURS), role="client", now=0.0))
    assert state(server) == "connected"


def test_without_a_fingerprint_that_we_know_there_is_no_association() -> None:
    with pytest.raises(PeerError):
        Dtls(OURS, [("sha-1", "AB:CD")], now=0.0)
    with pytest.raises(PeerError):
        Dtls(OURS, [], now=0.0)


def test_a_farewell_closes_the_other_side_and_wipes_the_keys() -> None:
    server, client = connected()
    keys = keys_of(server)
    farewell = client.close()
    assert state(client) == "closed"
    assert client.close() == []
    assert [server.receive(datagram, 1.0) for datagram in farewell] == [[]]
    assert state(server) == "closed"
    assert server.keys is None
    assert not any(keys.local)
    assert server.close() == []
    assert server.next_deadline(1.0) is None


def test_a_forged_or_changed_farewell_closes_nothing() -> None:
    server, client = connected()
    (farewell,) = client.close()
    for at in range(len(farewell)):
        changed = bytearray(farewell)
        changed[at] ^= 1
        server.receive(bytes(changed), 1.0)
        assert state(server) == "connected"
    server.receive(b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x02\x28", 1.0)
    assert state(server) == "connected"


def test_closing_before_or_during_the_handshake_says_nothing() -> None:
    server, client = pair()
    assert server.close() == []
    server, client = pair()
    for datagram in client.start(0.0):
        server.receive(datagram, 0.0)
    assert state(server) == "handshaking"
    assert server.close() == []
    assert state(server) == "closed"
    assert server.receive(client.start(1.0)[0] if client.start(1.0) else b"x" * 20, 1.0) == []


def test_a_connected_association_keeps_no_tls_object() -> None:
    server, _ = connected()
    assert server._ssl is None


def test_every_state_is_reached_and_none_leaves_closed() -> None:
    reached = {state for events in TRANSITIONS.values() for state in events.values()} | {"new"}
    assert reached == set(TRANSITIONS)
    assert TRANSITIONS["closed"] == {}
    assert all("closed" in events for state, events in TRANSITIONS.items() if state != "closed")


def record(size: int, kind: int = 22) -> bytes:
    return bytes([kind]) + b"\xfe\xfd" + bytes(8) + struct.pack("!H", size) + bytes(size)


@given(sizes=st.lists(st.integers(0, MTU - 13), max_size=20), torn=st.binary(max_size=12))
def test_records_are_packed_whole_and_in_order(sizes: list[int], torn: bytes) -> None:
    written = b"".join(record(size) for size in sizes)
    datagrams = pack_records(written + torn)
    assert b"".join(datagrams) == written
    assert all(len(datagram) <= MTU for datagram in datagrams)
    assert [len(item) - 13 for datagram in datagrams for item in records(datagram)] == sizes


HELLO = Dtls(THEIRS, signalled(OURS), role="client", now=0.0).start(0.0)[0]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_changed_client_hello_gives_datagrams_or_nothing(data: st.DataObject) -> None:
    changed = bytearray(HELLO)
    for _ in range(data.draw(st.integers(1, 6))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    server, _ = pair()
    replies = server.receive(bytes(changed), 0.0)
    assert all(0 < len(reply) <= MTU for reply in replies)
    assert state(server) in {"new", "handshaking", "failed"}


@settings(max_examples=100, deadline=None)
@given(where=st.tuples(st.integers(0, 1 << 16), st.integers(0, 1 << 16)), mask=st.integers(1, 255))
def test_a_changed_second_flight_never_connects_to_other_keys(where: tuple[int, int], mask: int) -> None:
    server, client = pair()
    replies = [reply for datagram in client.start(0.0) for reply in server.receive(datagram, 0.0)]
    flight = [reply for datagram in replies for reply in client.receive(datagram, 0.0)]
    which = where[0] % len(flight)
    changed = bytearray(flight[which])
    changed[where[1] % len(changed)] ^= mask
    flight[which] = bytes(changed)
    for datagram in flight:
        server.receive(datagram, 0.1)
    assert state(server) in {"handshaking", "failed"} or keys_of(server).remote == _client_keys(server, client)


def _client_keys(server: Dtls, client: Dtls) -> bytearray:
    for datagram in server._flight.datagrams:
        client.receive(datagram, 0.2)
    return keys_of(client).local


@settings(max_examples=200, deadline=None)
@given(datagrams=st.lists(st.binary(max_size=200), max_size=8), prefix=st.sampled_from([b"", HELLO[:13], HELLO[:60]]))
def test_any_datagrams_leave_a_state_of_the_table(datagrams: list[bytes], prefix: bytes) -> None:
    server, _ = pair()
    for step, datagram in enumerate(datagrams):
        server.receive(prefix + datagram, float(step))
        server.poll(float(step))
    assert state(server) in TRANSITIONS
    after, _ = connected()
    for datagram in datagrams:
        after.receive(prefix + datagram, 2.0)
    assert state(after) == "connected"
