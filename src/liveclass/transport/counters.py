"""What came in at the media port, and how many strangers are answered. Knows no socket and no session."""

from dataclasses import dataclass

ECHOES_PER_S = 20.0
"""Binding requests of strangers answered per second, all together: a check of reachability sends three."""


@dataclass(slots=True)
class Counters:
    """What came in, and why some of it was dropped."""

    datagrams: int = 0
    octets: int = 0
    checks: int = 0
    empty: int = 0
    strangers: int = 0
    malformed: int = 0
    failures: int = 0


class Echoes:
    """An allowance for all strangers together: a flood costs no more than this."""

    __slots__ = ("_at", "_left")

    def __init__(self) -> None:
        self._left = ECHOES_PER_S
        self._at = 0.0

    def allow(self, now: float) -> bool:
        """Whether one more may be answered at `now`."""
        self._left = min(ECHOES_PER_S, self._left + (now - self._at) * ECHOES_PER_S)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
