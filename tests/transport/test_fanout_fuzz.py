"""Programs of packets, tables and calls in any order, given to both paths: neither falls, and the wire is the same.

A program is bytes, so that one that failed is a small file; `tests/transport/corpus/` keeps those that took ways
through the module which no other took. They run with every test; `script/check-fanout` runs them under the sanitizers,
and new ones for LIVECLASS_FANOUT_FUZZ_S seconds; LIVECLASS_FANOUT_KEEP=1 adds what it finds to the corpus.
"""

import base64
import ctypes
import hashlib
import os
import random
import re
import socket
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from liveclass.relay.fanout import MAX_TOGETHER, Outgoing, Table, forward
from liveclass.transport import native
from liveclass.transport.srtp import MAX_PACKET, SrtpSender
from liveclass.transport.srtp_keys import PROFILES
from tests.servers import has_ipv6
from tests.transport.program import Bytes
from tests.transport.receiving import receive
from tests.transport.ways import Log, Way, rtp

pytestmark = pytest.mark.skipif(not native.built(), reason="the native fan-out was not built; see script/build-fanout")

CORPUS = Path(__file__).with_name("corpus")
LONGEST = 400
"""Bytes of a program."""

STEPS = (1, 1, 1, 1, 0, 2, -3, 40, -1100, 30_000, 40_000, 65_000)
STARTS = (0, 1, 0x7FF0, 0x8000, 0xFFF0, 0x10000, (1 << 48) - 8, -5)
SIZES = (0, 1, 60, 200, 200, 1100, MAX_PACKET - 12, MAX_PACKET - 11, 3000)
REFUSALS = (TypeError, ValueError, AttributeError, RuntimeError, OverflowError)
"""What arguments of another form may raise; everything else is a fault."""

UNDRAINED = 16
"""Datagrams that may wait at the receiving socket before they are read, so that its buffer never overflows."""


def packets_of(program: Bytes) -> list[Outgoing]:
    """Mostly what the relay sends, at times what it never would."""
    seq, out = program.of(STARTS), []
    for _ in range(program.byte() % (MAX_TOGETHER + 1)):
        form = program.byte()
        packet = rtp(bytes(program.of(SIZES)), extension=bool(form & 1))
        if form & 0xE0 == 0x20:
            packet = program.taken(form & 0x1F)
        elif form & 0xE0 == 0x40:  # lengths that lie
            packet = bytes((program.byte(),)) + packet[1:14] + program.taken(2) + packet[16:]
        out.append((packet, seq, program.byte() << 24))
        seq += program.of(STEPS)
    return out


class Pair:
    """The same calls on both paths; what they answered is compared as it comes."""

    def __init__(self, segments: bool, family: socket.AddressFamily) -> None:
        self.ways = [Way(is_native=is_native, segments=segments, family=family) for is_native in (False, True)]
        self.table: list[list[SrtpSender]] = []
        self.logs: list[list[Log | None]] = []
        self.waiting = 0

    def close(self) -> None:
        for pair in self.table:
            for sender in pair:
                sender.close()
        for way in self.ways:
            way.close()

    def join(self, program: Bytes) -> None:
        if len(self.table) < 8:
            profile, number = program.of(PROFILES), program.byte()
            first = program.of((None, 0, 65_530, 1 << 40))
            self.table.append([way.sender(profile, number) for way in self.ways])
            self.logs.append([None if first is None else Log(first) for _ in self.ways])

    def chosen(self, program: Bytes) -> list[SrtpSender]:
        if not self.table:
            self.join(program)
        return self.table[program.byte() % len(self.table)]

    def forward(self, program: Bytes) -> None:
        packets, rows = packets_of(program), []
        for _ in range(program.byte() % 4):
            if not self.table:
                self.join(program)
            rows.append((program.byte() % len(self.table), program.of(STARTS), program.byte() << 8, program.byte() & 3))
        failed = []
        for way, side in zip(self.ways, (0, 1), strict=True):
            entries = [
                (self.table[who][side].handle, way.name, seq, at, ssrc, self.logs[who][side])
                for who, seq, at, ssrc in rows
                if self.table[who][side].handle is not None  # libsrtp would read freed memory; `hostile` does it
            ]
            failed.append(forward(way.batch, packets, Table(entries) if len(rows) & 1 else entries, 0.0))
        assert failed[1] == failed[0], "refused"
        self.waiting += len(packets) * len(rows)
        if self.waiting > UNDRAINED:
            self.settle()

    def settle(self) -> None:
        self.waiting = 0
        heard = []
        for way in self.ways:
            way.batch.settle()
            heard.append(way.got())
        assert heard[1] == heard[0], "the wire"

    def protect(self, program: Bytes) -> None:
        pair = self.chosen(program)
        for packet, seq, _ in packets_of(program):
            numbered = packet[:2] + (seq & 0xFFFF).to_bytes(2, "big") + packet[4:]
            python, natively = (sender.protect(numbered) for sender in pair)
            assert natively == python, "a rare packet"

    def remove(self, program: Bytes) -> None:
        pair, ssrc = self.chosen(program), program.byte() & 3
        for sender in pair:
            sender.remove_stream(ssrc)

    def leave(self, program: Bytes) -> None:
        for sender in self.chosen(program):
            sender.close()

    def one_by_one(self, _: Bytes) -> None:
        self.settle()
        for way in self.ways:
            way.batch.segments = False
            if way.batch._ring is not None:
                way.batch._ring.segments = False

    def agreed(self) -> None:
        self.settle()
        python, natively = (
            [
                (way.batch.sent, way.batch.octets, way.batch.dropped),
                [log and (log.next, [run[::2] for run in log.runs]) for log in (pair[side] for pair in self.logs)],
            ]
            for way, side in zip(self.ways, (0, 1), strict=True)
        )
        assert natively == python, "logs and counters"


class Meddling(Log):
    """A log that calls the module again while it is being asked."""

    def __init__(self, meddle: Callable[[], Any], name: str) -> None:
        super().__init__(1)
        self.__dict__["meddle"], self.__dict__["name"] = meddle, name

    def __getattribute__(self, name: str) -> Any:
        inner = super().__getattribute__("__dict__")
        if name == inner.get("name"):
            inner["meddle"]()
        return super().__getattribute__(name)


def hostile(program: Bytes) -> None:
    """What Python's side never does: the module refuses it, or does as told, and stands."""
    assert native.MODULE is not None
    with closing(Way(is_native=True)) as way:
        ring = native.MODULE.Ring(way.sending.fileno(), bool(program.byte() & 1))
        other = native.MODULE.Ring(way.sending.fileno(), True)
        tables: list[Any] = []
        senders = [way.sender(program.of(PROFILES), number) for number in range(3)]
        handles = [sender.handle for sender in senders]
        packets: list[Any] = list(packets_of(program))

        def attempt(call: Callable[[], Any]) -> None:
            try:
                call()
            except REFUSALS:
                return

        def meddle() -> None:
            attempt(program.of((ring.close, ring.flush, handles[0].close, lambda: handles[1].remove_stream(1))))
            attempt(lambda: ring.forward(packets, entries, 0.0))
            attempt(lambda: [other.forward(packets, table, 0.0) for table in tables])
            entries.clear()

        def odd() -> Any:
            return program.of((None, "x", b"", -1, 1 << 70, 1.5, [], (), way.name, handles[2], object(), way.name[:8]))

        entries: list[Any] = []
        for _ in range(program.byte() % 5):
            log = program.of((None, None, Log(1), Meddling(meddle, "next"), Meddling(meddle, "runs"), odd()))
            entry = [program.of(handles), way.name, program.of(STARTS), program.byte(), program.byte(), log]
            if program.byte() < 64:
                entry[program.byte() % 6] = odd()
            entries.append(tuple(entry[: 5 + (program.byte() > 8)]))
        if packets and program.byte() < 64:
            packets[0] = (odd(), odd(), odd())
        attempt(lambda: tables.append(native.MODULE.Table(entries)))
        for _ in range(program.byte() % 4):
            way.got()
            calls: tuple[Callable[[], Any], ...] = (
                lambda: ring.forward(packets, tables[0] if tables and len(entries) & 1 else list(entries), 0.0),
                lambda: ring.forward(odd(), odd(), odd()),
                ring.flush,
                ring.close,
                lambda: program.of(handles).close(),
                lambda: program.of(handles).protect(program.taken(program.byte() % 40)),
                lambda: program.of(handles).remove_stream(odd()),
                lambda: native.MODULE.Protector(odd(), program.taken(program.byte() % 48)),
                lambda: native.MODULE.Protector(program.of(PROFILES).name, odd()),
                lambda: native.MODULE.Ring(odd(), odd()),
            )
            attempt(program.of(calls))
        attempt(lambda: native.MODULE.Table(odd()))
        for each in (ring, other):
            attempt(each.flush)


def run(data: bytes) -> None:
    """Run one program."""
    program = Bytes(data)
    first = program.byte()
    if first & 0xC0 == 0xC0:
        hostile(program)
        return
    if first & 0xC0 == 0x80:
        receive(program, first)
        return
    family = socket.AF_INET6 if first & 2 and SIX else socket.AF_INET
    with closing(Pair(bool(first & 1), family)) as pair:
        while program:
            does = (pair.forward, pair.forward, pair.forward, pair.join, pair.protect, pair.remove, pair.leave)
            step = program.byte() % 10
            if step < len(does):
                does[step](program)
            elif step == len(does):
                pair.one_by_one(program)
            else:
                pair.settle()
        pair.agreed()


SIX = has_ipv6()


def mutated(rng: random.Random, corpus: list[bytes]) -> bytes:
    """A program much like one or two of the corpus."""
    data = bytearray(rng.choice(corpus))
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(6)
        if kind == 0:
            data[at:at] = rng.randbytes(rng.randint(1, 12))
        elif kind == 1:
            del data[at : at + rng.randint(1, 12)]
        elif kind == 2:
            other = rng.choice(corpus)
            begin = rng.randrange(len(other) + 1)
            data[at:] = other[begin:]
        elif kind == 3:
            data[at:at] = data[at : at + rng.randint(1, 40)]
        elif at < len(data):
            data[at] = rng.randrange(256) if kind == 4 else data[at] ^ (1 << rng.randrange(8))
    return bytes(data[:LONGEST]) or b"\0"


def kept() -> list[Path]:
    return sorted(CORPUS.glob("*.bin"))


def ways_taken() -> Callable[[], set[int]]:
    """What says which ways the module took since it was last asked; none where it was not built to tell."""
    path = os.environ.get("LIVECLASS_FANOUT_MODULE")
    if path is None:
        return set
    trace = (ctypes.c_ubyte * (1 << 16)).in_dll(ctypes.CDLL(path), "fanout_trace")

    def taken() -> set[int]:
        seen = bytes(trace)
        ctypes.memset(trace, 0, len(seen))
        # How often, roughly: a loop that ran once and one that ran often are two ways.
        return {found.start() << 4 | seen[found.start()].bit_length() for found in re.finditer(rb"[^\0]", seen)}

    return taken


def test_the_corpus_holds_programs_of_every_kind() -> None:
    """Two first bits: 11 hostile arguments, 10 receiving, else sending."""
    assert {max(path.read_bytes()[0] >> 6, 1) for path in kept()} == {1, 2, 3}
    assert sum(path.stat().st_size for path in kept()) < 64 * 1024


@pytest.mark.parametrize("path", kept(), ids=lambda path: path.stem)
def test_every_kept_program_runs_the_same_on_both_paths(path: Path) -> None:
    run(path.read_bytes())


@pytest.mark.skipif("LIVECLASS_FANOUT_FUZZ_S" not in os.environ, reason="new programs are script/check-fanout's")
@pytest.mark.timeout(600)
def test_new_programs_run_the_same_on_both_paths(tmp_path: Path) -> None:
    """The program that is under way stands in LIVECLASS_FANOUT_PROGRAM, as a sanitizer ends the process."""
    seed = int(os.environ.get("LIVECLASS_FANOUT_SEED", time.time_ns() % 1_000_000_007))
    rng, corpus, count = random.Random(seed), [path.read_bytes() for path in kept()] or [bytes(32)], 0
    under_way = Path(os.environ.get("LIVECLASS_FANOUT_PROGRAM", tmp_path / "program"))
    ends = time.monotonic() + float(os.environ["LIVECLASS_FANOUT_FUZZ_S"])
    known: set[int] = set()
    found = 0
    taken = ways_taken()
    for data in corpus:
        run(data)
        known |= taken()
    while time.monotonic() < ends:
        data = mutated(rng, corpus)
        under_way.write_bytes(data)
        try:
            run(data)
        except BaseException:
            print(f"seed {seed}, program {count}: {base64.b64encode(data).decode()}")
            raise
        count += 1
        new = taken() - known
        if new:
            known |= new
            corpus.append(data)
            found += 1
            if os.environ.get("LIVECLASS_FANOUT_KEEP"):
                (CORPUS / f"{hashlib.sha256(data).hexdigest()[:12]}.bin").write_bytes(data)
    under_way.unlink(missing_ok=True)
    print(f"{count} programs, {found} of which took new ways ({len(known)} in all); seed {seed}")
