"""Whose camera is worth a thumbnail, and how often: the tiles on the volunteers' screens share one budget. Pure.

Knows ids and rates, no picture: pictures pass by and are kept nowhere.
"""

from collections.abc import Iterable, Sequence

TYPICAL_BITS = 3_500 * 8
"""What a thumbnail of 160 x 90 weighs in base64, which the rate is reckoned by."""

LEAST_S = 2.0
"""No tile is renewed more often: a still picture every other second shows whether the children are there."""

SLACK = 0.5
"""A thumbnail may come this share early: clocks of old PCs drift, and messages bunch up on bad links."""


class Gallery:
    """Of one lesson.

    Args:
        budget_bps: what all thumbnails together may cost one volunteer's page.
    """

    def __init__(self, budget_bps: float) -> None:
        self._budget_bps = budget_bps
        self._looking: dict[str, tuple[str, ...]] = {}
        self._asked: dict[str, float] = {}
        self._came: dict[str, float] = {}

    def look(self, teacher: str, rooms: Iterable[str]) -> list[tuple[str, float]]:
        """A teacher's page shows these tiles now.

        Returns:
            rooms to be told how often a thumbnail is wanted of them, seconds; 0: no more.
        """
        self._looking[teacher] = tuple(dict.fromkeys(rooms))
        return self._changes()

    def rooms(self, online: Sequence[str]) -> list[tuple[str, float]]:
        """Who is here now: a page that went looks no more, and a room that came anew knows of no wish.

        Returns:
            as `look`.
        """
        here = set(online)
        for teacher in [one for one in self._looking if one not in here]:
            del self._looking[teacher]
        for room in [one for one in self._asked if one not in here]:
            del self._asked[room]
            self._came.pop(room, None)
        self._here = here
        return self._changes()

    def shown(self, room: str, now: float, size: int = 0) -> list[str]:
        """A thumbnail of `room` has come: whom it is for. Nobody when it comes too soon or was not asked for.

        Args:
            size: characters of its base64; a heavier one than was reckoned with has to wait longer for its turn.
        """
        heavy = max(1.0, size * 8 / TYPICAL_BITS)
        every_s = self._asked.get(room, 0.0)
        if every_s <= 0 or now - self._came.get(room, float("-inf")) < every_s * SLACK * heavy:
            return []
        self._came[room] = now
        return [teacher for teacher, rooms in self._looking.items() if room in rooms]

    def joined_anew(self, room: str) -> None:
        """The room's page has said hello, so it knows of no wish."""
        self._asked.pop(room, None)

    _here: frozenset[str] | set[str] = frozenset()

    def _changes(self) -> list[tuple[str, float]]:
        most = max((len(rooms) for rooms in self._looking.values()), default=0)
        every_s = max(LEAST_S, most * TYPICAL_BITS / self._budget_bps) if most else 0.0
        wanted = {room: every_s for rooms in self._looking.values() for room in rooms if room in self._here}
        changes = [(room, s) for room, s in wanted.items() if self._asked.get(room) != s]
        changes += [(room, 0.0) for room in self._asked if room not in wanted and self._asked[room]]
        for room, s in changes:
            self._asked[room] = s
        return changes
