"""Which classroom is heard first when more are called than may speak at once, and whose picture is the one shown.

Pure: loudness (RFC 6464) and time go in, an order comes out. It refuses to know packets, slots and how many are heard.

The order changes only for a reason, so that nobody flaps: a room that spoke within `HOLD_S` stays before those who
begin to speak, unless one of them is plainly louder for so long; who is silent stands where it stood, in the order of
the calls.
"""

from collections.abc import Sequence
from dataclasses import dataclass

SPEAKS_DB = -50.0
"""A room louder than this speaks; a quiet room with gain control lies some 15 dB below, a voice as much above."""

UNTOLD_DB = -45.0
"""What counts for a room whose browser tells no loudness: it speaks, and softly, so that it is neither shut out nor
stronger than those who tell."""

SILENCE_DB = -127.0
"""The lowest level there is (RFC 6464 section 3)."""

HOLD_S = 2.0
"""Speech pauses between words and sentences for less than this."""

LOUDER_DB, LOUDER_S = 9.0, 1.0
"""So much louder, for so long, takes the place of a room that speaks: a class that answers aloud before a cough."""

ATTACK, RELEASE = 0.4, 0.04
"""Share of a change that one packet of 20 ms brings: a first word counts within 60 ms, a pause of a word does not."""

VOICE_SHARE = 0.3
"""The same for each look at how loud a room's words are."""

STALE_S = 0.3
"""Without packets for this long a room is silent: browsers leave them out in silence (DTX)."""


class Loudness:
    """How loud one microphone is, smoothed."""

    def __init__(self) -> None:
        self._level: float | None = None
        self._at = -1e9

    def heard(self, level: int, now: float) -> None:
        """One packet.

        Args:
            level: the value of the header extension: below 128 the distance from full scale in dB, above the same with
                the sender's word that it is a voice.
        """
        one = -float(level & 0x7F)
        before = SILENCE_DB if self._level is None or now - self._at > STALE_S else self._level
        self._level = before + (one - before) * (ATTACK if one > before else RELEASE)
        self._at = now

    def level(self, now: float) -> float:
        """dB of full scale, 0 the loudest."""
        if self._level is None:
            return UNTOLD_DB
        return self._level if now - self._at <= STALE_S else SILENCE_DB


@dataclass(frozen=True, slots=True)
class Called:
    """A called room as it is now.

    Attributes:
        level: its loudness; `SILENCE_DB` where it is muted or has no microphone.
        camera: it has a picture to show.
    """

    participant: str
    level: float
    camera: bool = True


class _Room:
    """What is remembered of a called room."""

    def __init__(self, now: float) -> None:
        self.voice = SPEAKS_DB
        self.camera = False
        # A call is an invitation to speak: it counts as a first word does.
        self.began_at = self.spoke_at = now
        self.speaks = False
        self.louder_since: float | None = None

    def update(self, level: float, camera: bool, now: float) -> None:
        self.camera = camera
        self.speaks = level > SPEAKS_DB
        if self.speaks:
            # Of the words alone: in a pause a voice is as loud as it was.
            self.voice += (level - self.voice) * VOICE_SHARE
            if now - self.spoke_at > HOLD_S:
                self.began_at = now
            self.spoke_at = now

    def holds(self, now: float) -> bool:
        return now - self.spoke_at <= HOLD_S


class Speakers:
    """The called rooms of one lesson.

    Attributes:
        order: all of them, the first to be heard first.
        seen: whose picture is shown where there is room for one; empty where there is none.
    """

    def __init__(self) -> None:
        self.order: list[str] = []
        self.seen = ""
        self._rooms: dict[str, _Room] = {}

    @property
    def pictures(self) -> list[str]:
        """Those with a picture, the first to be seen first."""
        others = (room for room in self.order if room != self.seen and self._rooms[room].camera)
        return [*([self.seen] if self.seen else []), *others]

    def update(self, called: Sequence[Called], now: float) -> bool:
        """To be called about ten times a second, and when somebody comes or goes.

        Args:
            called: in the order of the calls.

        Returns:
            True when `order` or `seen` changed.
        """
        before = (tuple(self.order), self.seen)
        present = {one.participant for one in called}
        self.order = [room for room in self.order if room in present]
        self._rooms = {room: self._rooms[room] for room in self.order}
        for one in called:
            state = self._rooms.get(one.participant)
            if state is None:
                state = self._rooms[one.participant] = _Room(now)
                self.order.append(one.participant)
            state.update(one.level, one.camera, now)
        self._sort(now)
        self._look(now)
        return before != (tuple(self.order), self.seen)

    def _sort(self, now: float) -> None:
        for state in self._rooms.values():
            rivals = [other.voice for other in self._rooms.values() if other is not state and other.holds(now)]
            if not state.speaks or not rivals or state.voice < min(rivals) + LOUDER_DB:
                state.louder_since = None
            elif state.louder_since is None:
                state.louder_since = now
        # The order as it was, but nobody before one that passes it; at most a handful are called.
        left, self.order = self.order, []
        while left:
            states = [self._rooms[room] for room in left]
            first = next(
                n for n, one in enumerate(states) if not any(self._passes(other, one, now) for other in states)
            )
            self.order.append(left.pop(first))

    @staticmethod
    def _passes(below: _Room, above: _Room, now: float) -> bool:
        """Never in a circle: to those who are silent, or else to those who are plainly softer."""
        if not below.holds(now):
            return False
        if not above.holds(now):
            return True
        long = below.louder_since is not None and now - below.louder_since >= LOUDER_S
        return long and below.voice >= above.voice + LOUDER_DB

    def _look(self, now: float) -> None:
        current = self._rooms.get(self.seen)
        if current is not None and current.camera and current.holds(now):
            return
        shown = [room for room in self.order if self._rooms[room].camera]
        self.seen = max(shown, key=lambda room: (self._rooms[room].began_at, room == self.seen), default="")
