"""The native fan-out and the Python one put the same bytes on the wire, and a stranger can decrypt them."""

import os
import random
import socket
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pylibsrtp import Policy, Session

from liveclass.relay.fanout import MAX_TOGETHER, Entry, Outgoing, Table, forward
from liveclass.transport import native
from liveclass.transport.batch import kernel_address
from liveclass.transport.srtp import _LIBSRTP_PROFILES, MAX_PACKET, SrtpSender
from liveclass.transport.srtp_keys import PROFILES, SrtpProfile
from tests.transport.ways import Log, Way, keys_for, rtp

pytestmark = pytest.mark.skipif(not native.built(), reason="the native fan-out was not built; see script/build-fanout")

every_profile = pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: str(profile.name))


def stranger(profile: SrtpProfile, number: int = 0) -> Session:
    """A decryptor that shares nothing with us but the keys."""
    policy = Policy(
        key=bytes(keys_for(profile, number).local),
        ssrc_type=Policy.SSRC_ANY_INBOUND,
        srtp_profile=_LIBSRTP_PROFILES[profile.name],
    )
    return Session(policy)


@pytest.fixture
def way(request: pytest.FixtureRequest) -> Iterator[Way]:
    with closing(Way(is_native=getattr(request, "param", True))) as one:
        yield one


both_ways = pytest.mark.parametrize("way", [True, False], ids=["natively", "in Python"], indirect=True)


numbers = st.one_of(
    st.integers(0, 1 << 20), st.integers(0xFFF0, 0x10010), st.integers(0x7FF0, 0x8010), st.integers(-(1 << 40), 1 << 40)
)
sizes = st.one_of(st.sampled_from([0, 1, 60, 200, 200, 1100]), st.integers(0, 300))


@st.composite
def packets(draw: st.DrawFn) -> list[Outgoing]:
    seq, out = draw(numbers), []
    size = draw(sizes)
    for _ in range(draw(st.integers(0, MAX_TOGETHER))):
        kind = draw(st.integers(0, 19))
        payload = random.Random(draw(st.integers(0, 99))).randbytes(draw(sizes) if kind < 6 else size)
        packet = rtp(payload, extension=draw(st.booleans()))
        if kind == 0:  # lengths that lie, and headers cut short
            packet = draw(st.binary(max_size=40))
        elif kind == 1:
            packet = rtp(bytes(draw(st.integers(MAX_PACKET - 14, MAX_PACKET + 60))))
        elif kind == 2:
            packet = bytes((draw(st.integers(0, 255)),)) + packet[1:]
        out.append((packet, seq, draw(st.integers(0, 0xFFFFFFFF))))
        seq += draw(st.sampled_from([1, 1, 1, 1, 1, 0, 2, -3, 40, -1100, 30_000, 40_000, 65_000]))
    return out


receivers = st.tuples(
    st.sampled_from([*PROFILES, PROFILES[0]]),
    numbers,
    numbers,
    st.integers(1, 4),
    st.none() | st.integers(65_530, 65_540),
)


def run(
    way: Way, table: list[Any], bursts: list[tuple[list[Outgoing], bool]]
) -> tuple[list[bytes], list[int], list[Any], tuple[int, ...]]:
    """What was received, what was refused, what the logs hold, and the counters."""
    senders, logs, entries = [], [], []
    for number, (profile, seq_offset, time_offset, ssrc, first) in enumerate(table):
        senders.append(way.sender(profile, number))
        logs.append(None if first is None else Log(first))
        entries.append((senders[-1].handle, way.name, seq_offset, time_offset, ssrc, logs[-1]))
    heard, failed = [], []
    for burst, settles in bursts:
        failed.append(forward(way.batch, burst, entries, 0.0))
        if settles:
            way.batch.settle()
            heard += way.got()
        # Rare packets go by the same keys, and the rollover counters with them.
        for sender in senders:
            heard += [
                sender.protect(packet[:2] + bytes(6) + bytes((0, 0, 0, 1)) + packet[12:]) or b""
                for packet, _, _ in burst[:1]
            ]
    way.batch.settle()
    heard += way.got()
    kept = [None if log is None else (log.next, [(first, run) for first, _, run in log.runs]) for log in logs]
    for sender in senders:
        sender.close()
    batch = way.batch
    return heard, failed, kept, (batch.sent, batch.octets, batch.dropped)


@settings(
    max_examples=int(os.environ.get("LIVECLASS_FANOUT_EXAMPLES", "150")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    table=st.lists(receivers, max_size=4),
    bursts=st.lists(st.tuples(packets(), st.booleans()), max_size=5),
    segments=st.booleans(),
    family=st.sampled_from([socket.AF_INET, socket.AF_INET6]),
)
def test_both_paths_put_the_same_bytes_on_the_wire(
    table: list[Any], bursts: list[tuple[list[Outgoing], bool]], segments: bool, family: socket.AddressFamily
) -> None:
    results = []
    for is_native in (False, True):
        try:
            way = Way(is_native=is_native, segments=segments, family=family)
        except OSError:
            pytest.skip("no IPv6 here")
        with closing(way):
            results.append(run(way, table, bursts))
    python, natively = results
    assert natively[1] == python[1], "refused"
    assert natively[0] == python[0], "the wire"
    assert natively[2:] == python[2:], "logs and counters"


@every_profile
def test_a_stranger_decrypts_what_was_sent_over_two_wraps(profile: SrtpProfile, way: Way) -> None:
    seed = 20_261_128
    rng, sender, other = random.Random(seed), way.sender(profile), stranger(profile)
    entry: Entry = (sender.handle, way.name, 65_000, 7, 0xFEDCBA98, None)
    seq = 0
    while seq < 140_000:
        burst = [
            (rtp(rng.randbytes(rng.choice([0, 1, 200, 200, 1100]))), seq + i, seq) for i in range(rng.randint(1, 4))
        ]
        assert forward(way.batch, burst, [entry], 0.0) == 0
        way.batch.settle()
        for datagram, (packet, number, timestamp) in zip(way.got(), burst, strict=True):
            head = packet[:2] + ((number + 65_000) & 0xFFFF).to_bytes(2, "big") + (timestamp + 7).to_bytes(4, "big")
            assert other.unprotect(datagram) == head + b"\xfe\xdc\xba\x98" + packet[12:], f"seed {seed}"
        seq += rng.choice([len(burst), 300, 9000])


@every_profile
def test_keys_are_gone_once_a_sender_is_closed(profile: SrtpProfile, way: Way) -> None:
    sender = way.sender(profile)
    handle = sender.handle
    assert sender.protect(rtp(b"x")) is not None
    sender.close()
    sender.close()
    assert sender.handle is None
    assert sender.protect(rtp(b"x")) is None
    assert handle.protect(rtp(b"x")) is None
    entry: Entry = (handle, way.name, 0, 0, 1, None)
    assert forward(way.batch, [(rtp(b"x"), 1, 0)], [entry], 0.0) == 1
    assert not hasattr(handle, "key")


def test_a_removed_stream_starts_anew(way: Way) -> None:
    sender, fresh = way.sender(PROFILES[0]), way.sender(PROFILES[0])
    first = rtp(b"first")
    for seq in (0xC000, 0x4000, 0xC000, 0x4000):
        sender.protect(first[:2] + seq.to_bytes(2, "big") + first[4:])
    assert sender.protect(first[:2] + b"\x40\x00" + first[4:]) != fresh.protect(first[:2] + b"\x40\x00" + first[4:])
    sender.remove_stream(0)
    again = way.sender(PROFILES[0])
    assert sender.protect(first) == again.protect(first)


def test_a_peer_has_a_bounded_number_of_streams() -> None:
    protector = native.Protector("SRTP_AEAD_AES_128_GCM", bytes(28))
    packet = rtp(b"x")
    made = [protector.protect(packet[:8] + ssrc.to_bytes(4, "big") + packet[12:]) for ssrc in range(4100)]
    assert [one is not None for one in made] == [True] * 4096 + [False] * 4


@pytest.mark.parametrize(
    ("profile", "size"), [("SRTP_AEAD_AES_128_GCM", 30), ("SRTP_AES128_CM_SHA1_80", 28), ("NULL", 30), ("", 0)]
)
def test_keys_of_another_length_are_refused(profile: str, size: int) -> None:
    with pytest.raises(ValueError):
        native.Protector(profile, bytes(size))


def test_arguments_of_another_form_are_refused_before_anything_is_sent(way: Way) -> None:
    handle = way.sender(PROFILES[0]).handle
    good: tuple[Any, ...] = (handle, way.name, 0, 0, 1, None)
    packet = (rtp(b"x"), 1, 0)
    bad: list[tuple[Any, Any, type[Exception]]] = [
        ([packet], [good, (object(), *good[1:])], TypeError),
        ([packet], [good, good[:5]], TypeError),
        ([packet], [good, list(good)], TypeError),
        ([packet], [good, (handle, b"", *good[2:])], ValueError),
        ([packet], [good, (handle, bytes(16), *good[2:])], ValueError),
        ([packet], [good, (handle, way.name + b"\0", *good[2:])], ValueError),
        ([packet], [good, (handle, way.name, "1", 0, 1, None)], TypeError),
        ([packet], [good, (*good[:5], 5)], AttributeError),
        ([packet, (rtp(b"x"), 1)], [good], TypeError),
        ([("text", 1, 0)], [good], TypeError),
        ([packet] * (MAX_TOGETHER + 1), [good], ValueError),
        (5, [good], TypeError),
    ]
    for packets_given, entries, error in bad:
        with pytest.raises(error):
            way.batch.forward(packets_given, entries, 0.0)
    way.batch.settle()
    assert way.got() == []
    assert way.batch.forward([packet], [good], 0.0) == 0


@both_ways
def test_a_table_serves_one_wake_up_after_another(way: Way) -> None:
    """As the entries themselves do, whatever becomes of the list that it was made from."""
    gone, stays = way.sender(PROFILES[0], 1), way.sender(PROFILES[2], 2)
    log = Log(0xFFFF)
    entries: list[Entry] = [
        (gone.handle, way.name, 0xFFFE, 0, 1, None),
        (stays.handle, way.name, 7, 90, 2, log),
        (stays.handle, way.name, 7, 90, 3, log),
    ]
    table = Table(entries)
    assert (len(table), list(table)) == (3, entries)
    del entries[1:]
    heard = []
    for seq in range(3):
        burst = [(rtp(bytes((seq,)) * 40, extension=True), 2 * seq + i, 0) for i in range(2)]
        expected = 0
        if seq == 2 and way.native:  # libsrtp would read freed memory
            gone.close()
            expected = 2
        assert forward(way.batch, burst, table, float(seq)) == expected
        way.batch.settle()
        heard.append(way.got())
    assert [len(one) for one in heard] == [6, 6, 4 if way.native else 6]
    assert log.next == 0xFFFF + 12
    assert [run[:2] for run in log.runs] == [
        (0xFFFF + 2 * run, at) for run, at in enumerate((0.0, 0.0, 1.0, 1.0, 2.0, 2.0))
    ]
    twin = way.sender(PROFILES[2], 2)
    first = rtp(bytes(40), extension=True)
    numbered = first[:2] + (7).to_bytes(2, "big") + (90).to_bytes(4, "big") + (2).to_bytes(4, "big") + first[12:]
    assert heard[0][2] == twin.protect(numbered[:17] + b"\xff\xff" + numbered[19:])


def test_numbers_that_no_packet_has_are_given_back(way: Way) -> None:
    """A log that fails is found before anything leaves, and those before it are as they were."""
    handle = way.sender(PROFILES[0]).handle
    log, broken = Log(5), Log(1)
    broken.next = "x"  # type: ignore[assignment]
    row: tuple[Any, ...] = (handle, way.name, 0, 0)
    with pytest.raises(TypeError):
        way.batch.forward([(rtp(b"x", extension=True), 1, 0)], [(*row, 1, log), (*row, 2, log), (*row, 3, broken)], 0.0)
    way.batch.settle()
    assert (log.next, list(log.runs), way.got()) == (5, [], [])


def test_a_table_is_read_when_it_is_made(way: Way) -> None:
    handle = way.sender(PROFILES[0]).handle
    good: Entry = (handle, way.name, 0, 0, 1, None)
    for entries in ([good, (object(), *good[1:])], [good, good[:5]], [(handle, b"", *good[2:])], 5):
        with pytest.raises((TypeError, ValueError)):
            native.MODULE.Table(entries)


@both_ways
def test_an_address_that_the_kernel_refuses_costs_the_others_nothing(way: Way) -> None:
    sender = way.sender(PROFILES[0])
    nowhere = kernel_address(("127.0.0.1", 0))
    burst = [(rtp(bytes(100)), seq, 0) for seq in range(3)]
    entries: list[Entry] = [(sender.handle, name, 0, 0, 1, None) for name in (way.name, nowhere, way.name)]
    assert forward(way.batch, burst, entries, 0.0) == 0
    makes_runs = way.batch.segments
    way.batch.settle()
    heard = way.got()
    assert len(heard) == 6
    assert (way.batch.sent, way.batch.dropped, way.batch.octets) == (6, 3, sum(map(len, heard)))
    assert way.batch.segments == makes_runs, "runs are off for everybody"


class Closing(Log):
    """A log that ends its receiver while its number is being asked for."""

    def __init__(self, sender: SrtpSender) -> None:
        super().__init__(1)
        self.sender = sender

    def __getattribute__(self, name: str) -> Any:
        if name == "next":
            super().__getattribute__("sender").close()
        return super().__getattribute__(name)


def test_a_receiver_that_goes_while_a_batch_is_under_way_is_left_out(way: Way) -> None:
    gone, stays = way.sender(PROFILES[0], 1), way.sender(PROFILES[0], 2)
    entries: list[Entry] = [
        (gone.handle, way.name, 0, 0, 1, Closing(gone)),
        (stays.handle, way.name, 0, 0, 2, None),
    ]
    assert forward(way.batch, [(rtp(b"x", extension=True), 1, 0)], entries, 0.0) == 1
    way.batch.settle()
    assert len(way.got()) == 1


def test_receivers_may_go_from_another_thread(way: Way) -> None:
    """Their keys are wiped when the batch is done; meanwhile nobody else may use them or the ring."""
    senders = [way.sender(PROFILES[number % 3], number) for number in range(60)]
    entries: list[Entry] = [(sender.handle, way.name, 0, 0, 1, None) for sender in senders]
    handles = [sender.handle for sender in senders]
    burst = [(rtp(bytes(1100)), seq, 0) for seq in range(MAX_TOGETHER)]
    stop = threading.Event()
    refused: list[int] = []

    def work() -> None:
        while not stop.is_set():
            refused.append(forward(way.batch, burst, entries, 0.0))
            way.batch.flush()

    thread = threading.Thread(target=work)
    thread.start()
    busy = 0
    for handle in handles:
        for _ in range(20):
            try:
                handle.protect(rtp(b"x"))
            except RuntimeError:
                busy += 1
        handle.close()
    stop.set()
    thread.join()
    assert forward(way.batch, burst, entries, 0.0) == 60 * MAX_TOGETHER
    assert all(handle.protect(rtp(b"x")) is None for handle in handles)


def test_a_ring_that_works_is_nobody_elses(way: Way) -> None:
    sender = way.sender(PROFILES[0])
    seen: list[str] = []

    class Reentering(Log):
        def __getattribute__(self, name: str) -> Any:
            if name == "runs":
                try:
                    way.batch.forward([], [], 0.0)
                except RuntimeError as error:
                    seen.append(str(error))
            return super().__getattribute__(name)

    entry: Entry = (sender.handle, way.name, 0, 0, 1, Reentering(1))
    assert forward(way.batch, [(rtp(b"x", extension=True), 1, 0)], [entry], 0.0) == 0
    assert seen == ["the ring works for another thread"]


@pytest.mark.skipif("LIVECLASS_FANOUT_MODULE" in os.environ, reason="a sanitizer keeps what was freed")
def test_receivers_that_come_and_go_leave_nothing_behind(way: Way) -> None:
    def come_and_go(times: int) -> None:
        for number in range(times):
            senders = [way.sender(profile, number % 7) for profile in PROFILES]
            entries: list[Entry] = [(one.handle, way.name, 0, 0, ssrc, Log(1)) for ssrc, one in enumerate(senders)]
            forward(way.batch, [(rtp(bytes(40), extension=True), seq, 0) for seq in range(2)], entries, 0.0)
            way.batch.flush()
            way.got()
            for one in senders:
                one.remove_stream(1)
                one.close()

    def resident_kb() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024

    come_and_go(1000)
    before = resident_kb()
    come_and_go(2000)
    # The smallest leak of all, a stream's 64 bytes, would be 400 KB.
    assert resident_kb() - before < 300


FAULTS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
/* Each call of sendmmsg takes the next letter of FAULTS: p takes one message of many, a EAGAIN, n ENOBUFS, m EMSGSIZE,
 * i EINTR, x EIO, r EIO for ever where a run is first; anything else is the kernel's. Each of sendmsg and sendto takes
 * one of SINGLY. */
static int refused(const char **faults, const char *name) {
    if (*faults == NULL && (*faults = getenv(name)) == NULL) *faults = "";
    switch (**faults ? *(*faults)++ : 0) {
    case 'a': return errno = EAGAIN;
    case 'n': return errno = ENOBUFS;
    case 'm': return errno = EMSGSIZE;
    case 'i': return errno = EINTR;
    case 'x': return errno = EIO;
    case 'p': return -1;
    case 'r': (*faults)--; return -2;
    }
    return 0;
}
int sendmmsg(int fd, struct mmsghdr *all, unsigned count, int flags) {
    static const char *faults;
    int (*real)(int, struct mmsghdr *, unsigned, int) = dlsym(RTLD_NEXT, "sendmmsg");
    int fault = refused(&faults, "FAULTS");
    if (fault == -2 && all->msg_hdr.msg_controllen) return errno = EIO, -1;
    return fault > 0 ? -1 : real(fd, all, fault ? 1 : count, flags);
}
static const char *singly;
ssize_t sendmsg(int fd, const struct msghdr *one, int flags) {
    ssize_t (*real)(int, const struct msghdr *, int) = dlsym(RTLD_NEXT, "sendmsg");
    return refused(&singly, "SINGLY") ? -1 : real(fd, one, flags);
}
ssize_t sendto(int fd, const void *at, size_t size, int flags, const struct sockaddr *to, socklen_t name) {
    ssize_t (*real)(int, const void *, size_t, int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "sendto");
    return refused(&singly, "SINGLY") ? -1 : real(fd, at, size, flags, to, name);
}
"""

FAULTY = """
import os, sys
if "LIVECLASS_FANOUT_MODULE" in os.environ:
    import tests.transport.sanitized
from tests.transport.test_native import PROFILES, forward
from tests.transport.ways import Way, rtp
natively, times = sys.argv[1] == "True", int(sys.argv[2])
way = Way(is_native=natively)
segments = way.batch.segments
sender = way.sender(PROFILES[0])
heard = []
for time in range(times):
    entries = [(sender.handle, way.name, 0, 0, ssrc, None) for ssrc in range(4)]
    forward(way.batch, [(rtp(bytes(100)), 2 * time + seq, 0) for seq in range(2)], entries, 0.0)
    way.batch.flush()
    heard += way.got()
ring = way.batch._ring
print(len(heard), way.batch.sent, way.batch.dropped, segments and not way.batch.segments,
      way.batch.octets == sum(map(len, heard)))
if natively:
    print(ring.full, ring.oversize, ring.partial)
"""


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that stands between us and the kernel."""
    if not Way(is_native=True).batch.segments:
        pytest.skip("this kernel makes no runs")
    folder = tmp_path_factory.mktemp("faults")
    source, library = folder / "faults.c", folder / "faults.so"
    source.write_text(FAULTS)
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    try:
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    except OSError:
        pytest.skip("no C compiler here")
    return library


@pytest.mark.parametrize("natively", [True, False], ids=["natively", "in Python"])
@pytest.mark.parametrize(
    ("letters", "singly", "times", "expected", "figures"),
    [
        ("", "", 1, "8 8 0 False True", "0 0 0"),
        ("iii", "", 1, "8 8 0 False True", "0 0 0"),
        ("p", "", 1, "8 8 0 False True", "0 0 1"),
        ("pa", "", 1, "2 2 6 False True", "6 0 1"),
        ("n", "", 1, "0 0 8 False True", "8 0 0"),
        ("x", "", 1, "8 8 0 False True", "0 0 0"),
        ("mpm", "", 1, "8 8 0 False True", "0 0 1"),
        ("x", "m", 1, "7 7 1 False True", "0 1 0"),
        ("x", "in", 1, "7 7 1 False True", "1 0 0"),
        ("x", "xa", 1, "6 6 2 False True", "1 0 0"),
        ("r", "", 15, "120 120 0 False True", "0 0 0"),
        ("r", "", 16, "128 128 0 True True", "0 0 0"),
        ("r", "x" * 128, 16, "0 0 128 False True", "0 0 0"),
    ],
)
def test_every_refusal_of_the_kernel_is_counted_once_and_survived(
    letters: str, singly: str, times: int, expected: str, figures: str, natively: bool, faults: Path
) -> None:
    """Four runs of two datagrams, some times over. A run that is refused goes again one by one; no more are made once
    `MOST_REFUSED` in a row were refused that went one by one, as it is not one receiver's path then."""
    preload = f"{os.environ.get('LD_PRELOAD', '')} {faults}".strip()
    environment = {**os.environ, "LD_PRELOAD": preload, "FAULTS": letters, "SINGLY": singly}
    done = subprocess.run(
        [sys.executable, "-c", FAULTY, str(natively), str(times)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.split("\n")[:-1] == [expected, figures][: 1 + natively], done.stderr


def test_what_is_in_use_has_a_name() -> None:
    assert native.path_in_use(True).startswith("native, with OpenSSL ")
    assert native.path_in_use(False) == "Python, as native_fanout is off"
