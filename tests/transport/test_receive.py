"""What comes in is taken and refused alike by the native module and in Python, whatever comes and in whatever order."""

import hmac
import logging
import os
import random
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liveclass.transport import native
from liveclass.transport.dtls import Identity
from liveclass.transport.endpoint import Endpoint
from liveclass.transport.inbox import DATAGRAM_BYTES, READS_PER_WAKEUP, Inbox
from liveclass.transport.srtp import SrtpReceiver
from liveclass.transport.srtp_keys import PROFILES, SrtpProfile
from tests.servers import has_ipv6
from tests.transport.program import Bytes
from tests.transport.receiving import Pair, Ports, agreed, receive
from tests.transport.ways import keys_for

pytestmark = pytest.mark.skipif(not native.built(), reason="the native module was not built; see script/build-fanout")

every_profile = pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: str(profile.name))
families = pytest.mark.parametrize(
    "family",
    [
        socket.AF_INET,
        pytest.param(socket.AF_INET6, marks=pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")),
    ],
    ids=["IPv4", "IPv6"],
)
EXAMPLES = int(os.environ.get("LIVECLASS_FANOUT_EXAMPLES", "150"))


@pytest.fixture
def pair() -> Iterator[Pair]:
    with closing(Pair(PROFILES[0], 64)) as one:
        yield one


@settings(max_examples=2 * EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(program=st.binary(max_size=400), first=st.sampled_from([0x80, 0x82]))
def test_any_program_is_received_alike(program: bytes, first: int) -> None:
    """Random order, duplicates, jumps, flipped bits, cut and lengthened packets: see `receiving.receive`."""
    receive(Bytes(program), first)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    profile=st.sampled_from(PROFILES),
    steps=st.lists(st.sampled_from([1, 1, 2, 900, 20_000, 32_767, 32_768]), min_size=1, max_size=60),
    seed=st.integers(0, 1 << 32),
)
def test_packets_that_come_late_and_twice_over_many_rollovers_are_taken_alike(
    profile: SrtpProfile, steps: list[int], seed: int
) -> None:
    rng = random.Random(seed)
    with closing(Pair(profile, 64)) as pair:
        for step in steps:
            pair.rtp(1, step, 0x52, rng.randrange(40))
            pair.rtcp(2, min(step, 130), rng.randrange(40))
        late = list(pair.sent)
        for at in range(len(late)):  # mostly in order, some far behind
            if rng.random() < 0.2:
                other = rng.randrange(len(late))
                late[at], late[other] = late[other], late[at]
        for datagram, is_rtcp in late + rng.sample(late, len(late) // 2):
            pair.give(datagram, is_rtcp)


@every_profile
def test_a_stream_is_followed_over_two_wraps_and_each_packet_taken_once(profile: SrtpProfile) -> None:
    with closing(Pair(profile, 64)) as pair:
        pair.rtp(0, 65_000, 0, 100)
        for _ in range(4400):
            pair.rtp(0, 30, 0x51, 100)
        assert pair._seq[0] > 2 * 65_536
        for datagram, _ in pair.sent:
            assert pair.give(datagram, False) is not None
            assert pair.give(datagram, False) is None


@every_profile
def test_the_window_ends_where_libsrtps_does(profile: SrtpProfile) -> None:
    for behind in (1022, 1023, 1024, 1025):
        with closing(Pair(profile, 64)) as pair:
            pair.rtp(0, 5000, 0, 20)
            pair.rtp(0, behind, 0, 20)
            late, furthest = pair.sent
            assert pair.give(*furthest) is not None
            assert (pair.give(*late) is not None) == (behind < 1024)
    for behind in (126, 127, 128, 129):
        with closing(Pair(profile, 64)) as pair:
            pair.rtcp(0, 300, 20)
            pair.rtcp(0, behind, 20)
            late, furthest = pair.sent
            assert pair.give(*furthest) is not None
            assert (pair.give(*late) is not None) == (behind < 128)


@pytest.mark.parametrize(
    ("is_rtcp", "jump"),
    [(True, jump) for jump in (1, 2, 126, 127, 128, 129)] + [(False, jump) for jump in (2, 1022, 1023, 1024, 1025)],
)
def test_what_a_jump_left_out_may_still_come_once(is_rtcp: bool, jump: int) -> None:
    """The window behind the furthest is full before it, and holds nothing of that behind it."""
    with closing(Pair(PROFILES[0], 64)) as pair:
        for _ in range((130 if is_rtcp else 1030) + jump):
            if is_rtcp:
                pair.rtcp(0, 1, 8)
            else:
                pair.rtp(0, 1, 0, 8)
        before, skipped = pair.sent[:-jump], pair.sent[-jump:]
        for one in (*before, skipped[-1]):
            assert pair.give(*one) is not None
        late = skipped[-1023:-1] if not is_rtcp else skipped[-127:-1]
        assert all(pair.give(*one) is not None for one in late)
        assert all(pair.give(*one) is None for one in (*late, *before, skipped[-1]))


@every_profile
@pytest.mark.parametrize("is_rtcp", [False, True], ids=["RTP", "RTCP"])
def test_a_packet_with_any_bit_flipped_or_cut_anywhere_is_refused_and_leaves_no_trace(
    profile: SrtpProfile, is_rtcp: bool
) -> None:
    with closing(Pair(profile, 1)) as pair:
        if is_rtcp:
            pair.rtcp(0, 7, 8)
        else:
            pair.rtp(0, 7, 0x52, 8)
        ((datagram, _),) = pair.sent
        for bit in range(8 * len(datagram)):
            bent = bytearray(datagram)
            bent[bit // 8] ^= 1 << bit % 8
            assert pair.give(bytes(bent), is_rtcp) is None
        for size in range(len(datagram)):
            assert pair.give(datagram[:size], is_rtcp) is None
            assert pair.give(datagram + datagram[: size + 1], is_rtcp) is None
        assert pair.give(datagram, is_rtcp) is not None, "the forged ones of other SSRCs took the one stream's room"


@pytest.mark.parametrize("encrypted", [False, True])
def test_rtcp_that_is_authenticated_alone_is_taken_as_libsrtp_does(encrypted: bool) -> None:
    """RFC 7714 section 9.3: the E bit says so. Made by a third implementation, since libsrtp makes none."""
    profile = PROFILES[0]
    master = bytes(keys_for(profile).remote)

    def derived(label: int, size: int) -> bytes:
        counter = bytearray(master[16:] + bytes(4))
        counter[7] ^= label
        return Cipher(algorithms.AES(master[:16]), modes.CTR(bytes(counter))).encryptor().update(bytes(size))

    packet = struct.pack("!BBHI", 0x80, 201, 2, 5) + b"body"
    trailer = struct.pack("!I", encrypted << 31 | 9)
    iv = bytes(a ^ b for a, b in zip(struct.pack("!HIHI", 0, 5, 0, 9), derived(5, 12), strict=True))
    cipher = AESGCM(derived(3, 16))
    if encrypted:
        datagram = packet[:8] + cipher.encrypt(iv, packet[8:], packet[:8] + trailer) + trailer
    else:
        datagram = packet + cipher.encrypt(iv, b"", packet + trailer) + trailer
    with closing(Pair(profile, 64)) as pair:
        assert pair.give(datagram[:-5] + bytes((datagram[-5] ^ 1,)) + datagram[-4:], True) is None
        assert pair.give(datagram, True) == packet
        assert pair.give(datagram, True) is None


@pytest.mark.parametrize("encrypted", [False, True])
def test_rtcp_that_says_to_be_plain_is_refused_where_the_profile_encrypts(encrypted: bool) -> None:
    """AES-CM, where libsrtp goes by its policy and not by the E bit; the tag is right in both."""
    profile = PROFILES[2]
    master = bytes(keys_for(profile).remote)
    counter = bytearray(master[16:] + bytes(2))
    counter[7] ^= 4
    key = Cipher(algorithms.AES(master[:16]), modes.CTR(bytes(counter))).encryptor().update(bytes(20))
    packet = struct.pack("!BBHIII", 0x80, 201, 2, 5, 77, encrypted << 31 | 9)
    with closing(Pair(profile, 64)) as pair:
        plain = pair.give(packet + hmac.digest(key, packet, "sha1")[:10], True)
        assert (plain is not None) == encrypted


def test_a_peer_has_a_bounded_number_of_streams_of_both_kinds_together() -> None:
    with closing(Pair(PROFILES[2], 2)) as pair:
        pair.rtp(0, 1, 0, 9)
        pair.rtcp(1, 1, 9)
        pair.rtp(2, 1, 0, 9)
        pair.rtp(1, 1, 0, 9)
        assert [pair.give(*one) is not None for one in pair.sent] == [True, True, False, True]
        pair.forget(0)
        assert pair.give(*pair.sent[2]) is not None
        assert pair.give(*pair.sent[0]) is None


def test_a_removed_stream_starts_anew(pair: Pair) -> None:
    pair.rtp(0, 1, 0, 9)
    assert pair.give(*pair.sent[0]) is not None
    pair.forget(0)
    pair.forget(0)
    assert pair.give(*pair.sent[0]) is not None


@every_profile
def test_keys_are_gone_once_a_receiver_is_closed(profile: SrtpProfile) -> None:
    with closing(Pair(profile, 64)) as pair:
        pair.rtp(0, 1, 0, 9)
        pair.rtcp(0, 1, 9)
        handle = pair.native._unprotector
        pair.native.close()
        pair.native.close()
        pair.native.remove_stream(0)
        assert pair.native.unprotect(pair.sent[0][0]) is None
        assert pair.native.unprotect_rtcp(pair.sent[1][0]) is None
        assert handle.unprotect(pair.sent[0][0]) is None
        assert not hasattr(handle, "key")


@pytest.mark.parametrize(
    ("profile", "size", "streams"),
    [
        ("SRTP_AEAD_AES_128_GCM", 30, 1),
        ("SRTP_AES128_CM_SHA1_80", 28, 1),
        ("NULL", 30, 1),
        ("", 0, 1),
        ("SRTP_AEAD_AES_128_GCM", 28, 0),
        ("SRTP_AEAD_AES_128_GCM", 28, 4097),
    ],
)
def test_keys_and_bounds_of_another_form_are_refused(profile: str, size: int, streams: int) -> None:
    with pytest.raises(ValueError):
        native.MODULE.Unprotector(profile, bytes(size), streams)


def test_what_is_no_packet_at_all_is_a_mistake_of_ours() -> None:
    for wrong in ("text", 5, None, bytearray(40)):
        with pytest.raises(TypeError):
            native.MODULE.Unprotector("SRTP_AEAD_AES_128_GCM", bytes(28), 1).unprotect(wrong)


@pytest.mark.skipif("LIVECLASS_FANOUT_MODULE" in os.environ, reason="a sanitizer keeps what was freed")
def test_receivers_and_inboxes_that_come_and_go_leave_nothing_behind() -> None:
    with closing(Pair(PROFILES[0], 64)) as pair, closing(Ports(socket.AF_INET)) as ports:
        for ssrc in range(4):
            pair.rtp(ssrc, 1, 0, 9)

        def come_and_go(times: int) -> None:
            for number in range(times):
                receiver = SrtpReceiver(keys_for(PROFILES[0]), native=True)
                for datagram, _ in pair.sent:
                    receiver.unprotect(datagram)
                if number % 2:
                    receiver.close()
                inbox = Inbox(ports.sockets[0], native=True, together=4, addresses=16)
                ports.peers[number % 4].sendto(b"x", ports.sockets[0].getsockname())
                assert len(list(inbox.read(0.0))) == 1
                inbox.close()

        def resident_kb() -> int:
            return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024

        come_and_go(1000)
        before = resident_kb()
        come_and_go(2000)
        # The smallest leak of all, an address's tuple of 56 bytes and more, would be 100 KB; a stream's state 400 KB.
        assert resident_kb() - before < 90


@families
def test_both_inboxes_bring_the_same(family: socket.AddressFamily) -> None:
    """Bytes and addresses, equal ones and new ones; what is too long is cut, what is empty comes as such."""
    rng = random.Random(7)
    with closing(Ports(family, together=8, addresses=2)) as ports:
        for _ in range(6):
            for _ in range(rng.randrange(30)):
                size = rng.choice([0, 1, 60, 1100, DATAGRAM_BYTES, DATAGRAM_BYTES + 1, 9000])
                ports.send(rng.randbytes(size), rng.randrange(4))
            agreed(ports)


@families
def test_addresses_are_those_that_python_makes_and_known_ones_the_same_object(family: socket.AddressFamily) -> None:
    with closing(Ports(family, addresses=64)) as ports:
        ports.send(b"1", 0)
        ports.send(b"2", 0)
        _, ((_, first, _), (_, second, _)) = ports.read(0.0)
        assert first == ports.peers[0].getsockname()
        assert [type(part) for part in first] == [type(part) for part in ports.peers[0].getsockname()]
        assert second is first


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_an_ipv4_peer_of_an_ipv6_socket_has_the_address_that_python_gives_it() -> None:
    with (
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as both,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer,
    ):
        both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        both.bind(("::", 0))
        both.setblocking(False)
        seen = []
        for is_native in (False, True):
            peer.sendto(b"x", ("127.0.0.1", both.getsockname()[1]))
            ((_, address, _),) = Inbox(both, native=is_native).read(0.0)
            seen.append(address)
        assert seen[0] == seen[1] == ("::ffff:127.0.0.1", peer.getsockname()[1], 0, 0)


def test_a_wake_up_reads_so_many_and_leaves_the_rest_for_the_next() -> None:
    with closing(Ports(socket.AF_INET, together=50)) as ports:
        for number in range(READS_PER_WAKEUP + 3):
            ports.send(bytes((number,)), 0)
        for count in (READS_PER_WAKEUP, 3, 0):
            python, natively = ports.read(0.0)
            assert (len(python), len(natively)) == (count, count)
            assert [one[0] for one in natively] == [one[0] for one in python]


def test_arrivals_are_the_kernels_in_order_and_never_in_the_future(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Ports(socket.AF_INET)) as ports:
        real, shift = time.time, 0.0
        monkeypatch.setattr(time, "time", lambda: real() + shift)
        now = time.monotonic()
        ports.send(b"1", 0)
        ports.send(b"2", 0)
        time.sleep(0.05)
        late = time.monotonic()
        before: float = 0.0
        for _, _, at in ports.read(late)[1]:
            assert max(before, now - 0.01) <= at <= now + 0.04
            before = at
        shift = 1000.0  # the wall clock was set ahead: stamps look old
        ports.send(b"3", 0)
        assert [[one[2] for one in side] for side in ports.read(late + 1)] == [
            pytest.approx([before], abs=0.01),
            pytest.approx([before], abs=1e-9),
        ]
        shift = -1000.0  # and back: stamps look as from the future
        ports.send(b"4", 0)
        assert [[one[2] for one in side] for side in ports.read(late + 2)] == [[late + 2], [late + 2]]


def test_without_stamps_a_datagram_came_when_it_was_read() -> None:
    with closing(Ports(socket.AF_INET)) as ports:
        for one in ports.sockets:
            one.setsockopt(socket.SOL_SOCKET, 35, 0)
        ports.send(b"1", 0)
        assert [[one[2] for one in side] for side in ports.read(5.0)] == [[5.0], [5.0]]


def test_an_error_of_the_socket_is_passed_over_and_the_next_datagram_read() -> None:
    """An ICMP message, as a connected socket learns of; and one that somebody closed brings nothing."""
    with closing(Ports(socket.AF_INET)) as ports:
        for one in ports.sockets:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
                gone.bind(("127.0.0.1", 0))
                one.connect(gone.getsockname())
            one.send(b"x")
            time.sleep(0.01)
            one.connect(ports.peers[0].getsockname())
        ports.send(b"after", 0)
        python, natively = ports.read(0.0)
        assert [one[0] for one in natively] == [one[0] for one in python] == [b"after"]
        for one in ports.sockets:
            one.close()
        assert ports.read(0.0) == ([], [])


def test_an_inbox_that_is_closed_under_a_read_brings_no_more() -> None:
    with closing(Ports(socket.AF_INET)) as ports:
        for number in range(6):
            ports.send(bytes((number,)), 0)
        for inbox in ports.inboxes:
            reading = inbox.read(0.0)
            assert next(reading)[0] == b"\0"
            inbox.close()
            inbox.close()
            assert list(reading) == []
            assert list(inbox.read(0.0)) == []


@pytest.mark.parametrize("wrong", [(-1, 8, 8), (3, 0, 8), (3, 257, 8), (3, 8, 0), (3, 8, 12), (3, 8, 1 << 17)])
def test_an_inbox_has_bounds(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError):
        native.MODULE.Inbox(*wrong)


def noting(who: int, receiver: SrtpReceiver, told: list[Any]) -> SimpleNamespace:
    """A session that writes down what it is given, and fails at every handshake."""

    def fails(_: bytes, now: float) -> list[bytes]:
        raise RuntimeError(f"a fault of ours at {now}")

    return SimpleNamespace(
        receiver=receiver,
        handshake=fails,
        handler=SimpleNamespace(
            rtp=lambda datagram, _: told.append(("rtp", who, receiver.unprotect(datagram))),
            rtcp=lambda datagram, _: told.append(("rtcp", who, receiver.unprotect_rtcp(datagram))),
        ),
    )


async def test_the_media_port_does_the_same_with_the_same_datagrams(caplog: pytest.LogCaptureFixture) -> None:
    """STUN, DTLS, media, strangers, noise: to whom each goes, in which order, and every counter."""
    caplog.set_level(logging.CRITICAL)
    rng = random.Random(11)
    seen: list[list[Any]] = []
    counters: list[Any] = []
    with closing(Pair(PROFILES[0], 64)) as pair, closing(Ports(socket.AF_INET)) as ports:
        for number in range(40):
            pair.rtp(0, 1, 0, 60)
            pair.rtcp(1, 1, 60)
            if number % 3 == 0:
                pair.sent.append(pair.sent[rng.randrange(len(pair.sent))])
        sent = [(datagram, rng.randrange(3)) for datagram, _ in pair.sent]
        for first in (0, 1, 3, 4, 19, 20, 63, 64, 127, 128, 191, 192, 255):
            sent.insert(rng.randrange(len(sent)), (bytes((first,)) + rng.randbytes(40), rng.randrange(4)))
        sent.insert(5, (b"", 0))
        identity = Identity.generate(time.time())
        for is_native, receiver in ((False, pair.python), (True, pair.native)):
            endpoint = Endpoint(identity, timeout_s=30, max_sessions=10, native=is_native)
            await endpoint.open("127.0.0.1", 0, listen_tcp=False)
            told: list[Any] = []

            for who in range(3):
                address = ports.peers[who].getsockname()
                endpoint._by_address[address] = cast(Any, noting(who, receiver, told))
            for datagram, who in sent:
                ports.peers[who].sendto(datagram, ("127.0.0.1", endpoint.port))
            for _ in range(3):
                endpoint._readable()
            seen.append(told)
            counters.append(asdict(endpoint.counters))
            endpoint._by_address.clear()
            endpoint.close()
    assert counters[1] == counters[0]
    assert counters[0]["datagrams"] == len(sent)
    assert counters[0]["failures"] > 0
    assert seen[1] == seen[0]
    assert sum(plain is not None for _, _, plain in seen[0]) == 80
