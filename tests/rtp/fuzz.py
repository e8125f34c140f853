"""The fuzz contract: any bytes give a value or `PeerError`, nothing else, within 5 ms.

Seeds are printed with a failure; an input that ever failed goes to `tests/data/crashes/<parser>-<what>.bin` and is
replayed for good.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from liveclass.errors import PeerError

CRASHES = Path(__file__).parent.parent / "data" / "crashes"
DATA = Path(__file__).parent.parent / "data"
LIMIT_S = 0.005


def crashes(parser: str) -> list[bytes]:
    """The inputs that once made this parser fail."""
    return [path.read_bytes() for path in sorted(CRASHES.glob(f"{parser}-*.bin"))]


def fixture(name: str) -> bytes:
    """A packet from `tests/data`."""
    return (DATA / name).read_bytes()


def mutations(corpus: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Broken variants of good inputs: flipped, cut, grown, spliced."""
    rng = random.Random(seed)
    for _ in range(count):
        data = bytearray(rng.choice(corpus))
        for _ in range(rng.randint(1, 4)):
            kind = rng.randrange(7)
            at = rng.randrange(len(data)) if data else 0
            if kind == 0 and data:
                data[at] ^= 1 << rng.randrange(8)
            elif kind == 1 and data:
                data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            elif kind == 2:
                del data[at:]
            elif kind == 3:
                data += rng.randbytes(rng.randint(1, 8))
            elif kind == 4:
                data[at:at] = rng.randbytes(rng.randint(1, 4))
            elif kind == 5 and data:
                del data[at : at + rng.randint(1, 8)]
            else:
                other = rng.choice(corpus)
                data[at:] = other[rng.randrange(len(other) + 1) :]
        yield bytes(data)


def hold(parse: Callable[[bytes], object], inputs: Iterable[bytes], seed: int) -> int:
    """Check the contract; returns how many inputs gave a value."""
    values = 0
    for data in inputs:
        begin = time.perf_counter()
        try:
            parse(data)
            values += 1
        except PeerError:
            pass
        except Exception as error:
            raise AssertionError(f"seed {seed}: {data.hex()} raised {error!r}") from error
        if time.perf_counter() - begin > LIMIT_S:
            # A shared machine may have taken the core away: what is slow is slow again.
            again = min(_timed(parse, data) for _ in range(5))
            if again > LIMIT_S:
                raise AssertionError(f"seed {seed}: {again * 1000:.1f} ms for {data.hex()}")
    return values


def _timed(parse: Callable[[bytes], object], data: bytes) -> float:
    begin = time.perf_counter()
    try:
        parse(data)
    except PeerError:
        pass
    return time.perf_counter() - begin
