"""What a page's tap told, put in order: continuous sound on the wall clock, the pictures that were shown, `getStats`.

Pure: takes what `tap.drain()` returned. A page that was loaded again, or a browser that was started again, begins a new
piece of sound; what lies between two pieces is silence.
"""

import base64
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.mountain.timecode import RATE

BLOCK = 1600
"""Samples of one block of the tap."""
STEADY = 20
"""Among so many blocks, two seconds, one comes on time."""
HOLE_S = 0.05
"""The tap's clock is that much behind before its sound is moved."""
HELD = 0.02
"""What fills the holes that a busy machine made in the recording (-1..1): neither silence nor a mark. Nobody knows what
the room heard there."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that was presented; `person` and `counter` are None where the code could not be read."""

    at_s: float
    element: int
    person: int | None
    counter: int | None
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`getStats` of one connection; `connection` tells connections of all loads of the page apart."""

    at_s: float
    connection: str
    state: str
    entries: list[dict[str, Any]]


@dataclass
class _Piece:
    """Sound of one page load: block ends in samples of its context, and the wall clock at which each came."""

    ends: list[int] = field(default_factory=list)
    came_s: list[float] = field(default_factory=list)
    blocks: list[NDArray[np.int16]] = field(default_factory=list)

    def begins_s(self) -> list[float]:
        """Wall clock of the context's sample 0, as each block tells it.

        Blocks come late, never early: the least of the following ones is right. It grows where the machine was too busy
        to run the sound on time.
        """
        told = [came - end / RATE for came, end in zip(self.came_s, self.ends, strict=True)]
        found = [min(told[place : place + STEADY]) for place in range(len(told))]
        for place in range(1, len(found)):
            grown = found[place] - found[place - 1]
            # Small steps are the clock's own noise; the past cannot be heard later than it was.
            found[place] = found[place] if grown > HOLE_S else found[place - 1]
        return found

    def lag_s(self) -> float:
        """How much sound the machine was too busy to run."""
        begins = self.begins_s()
        return begins[-1] - begins[0] if begins else 0.0


@dataclass(frozen=True, slots=True)
class Sound:
    """Samples (-1..1) from `begin_s` on the wall clock; silence where nothing was recorded."""

    begin_s: float
    samples: NDArray[np.float64]

    @property
    def end_s(self) -> float:
        return self.begin_s + self.samples.size / RATE

    def between(self, begin_s: float, end_s: float) -> NDArray[np.float64]:
        """The samples of this time; zeros where the recording has none."""
        first, last = round((begin_s - self.begin_s) * RATE), round((end_s - self.begin_s) * RATE)
        made = np.zeros(max(0, last - first))
        lower, upper = max(first, 0), min(last, self.samples.size)
        if upper > lower:
            made[lower - first : upper - first] = self.samples[lower:upper]
        return made


class Diary:
    """Everything one person's pages told.

    Attributes:
        fetched: of each load of the page, what it fetched first: path, begin, connected, end (ms), bytes (0: cached).
    """

    def __init__(self) -> None:
        self.pictures: list[Picture] = []
        self.snapshots: list[Snapshot] = []
        self.fetched: dict[str, list[list[Any]]] = {}
        self._sound: dict[str, _Piece] = {}
        self._microphone: dict[str, _Piece] = {}

    def add(self, told: dict[str, Any]) -> None:
        """Takes what one call of `tap.drain()` returned."""
        load = repr(told["origin"])
        self.fetched[load] = told["fetched"]
        for at, element, person, counter, width, height, _ in told["frames"]:
            self.pictures.append(Picture(at / 1000, element, person, counter, width, height))
        for at, index, state, entries in told["stats"]:
            self.snapshots.append(Snapshot(at / 1000, f"{load}/{index}", state, entries))
        for pieces, blocks in ((self._sound, told["sound"]), (self._microphone, told["microphone"])):
            if blocks:
                _take(pieces.setdefault(load, _Piece()), blocks)

    def lag_s(self) -> float:
        """How much sound this machine was too busy to run: over some percent, the run measures the machine."""
        return sum(piece.lag_s() for piece in self._sound.values())

    def sound(self) -> Sound:
        """What the room heard."""
        return _joined(self._sound)

    def microphone(self) -> Sound:
        """What the page's own microphone heard."""
        return _joined(self._microphone)


def _take(piece: _Piece, blocks: list[list[Any]]) -> None:
    for at, end, coded in blocks:
        piece.ends.append(int(end))
        piece.came_s.append(at / 1000)
        piece.blocks.append(np.frombuffer(base64.b64decode(coded), dtype="<i2"))


def _joined(pieces: dict[str, _Piece]) -> Sound:
    if not pieces:
        return Sound(0.0, np.zeros(0))
    placed = [
        (begin + (end - block.size) / RATE, block, load)
        for load, piece in pieces.items()
        for begin, end, block in zip(piece.begins_s(), piece.ends, piece.blocks, strict=True)
    ]
    placed.sort(key=lambda one: one[0])
    begin = placed[0][0]
    samples = np.zeros(round((placed[-1][0] - begin) * RATE) + BLOCK)
    last, loaded = 0, ""
    for at, block, load in placed:
        first = round((at - begin) * RATE)
        if load == loaded and first > last:
            samples[last:first] = HELD
        last, loaded = first + block.size, load
        samples[first:last] = (block / 32768)[: samples.size - first]
    return Sound(begin, samples)
