"""Who came, went, was called and what each room got, as notes for the timeline. Pure: members in, events out.

Looks at members now and then rather than at each of their changes: what lasts shorter than a look is no attendance.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from liveclass.lesson import events as e
from liveclass.lesson.members import Member
from liveclass.lesson.messages import Rung

BEHIND_STEP_S = 30
"""How far a room lies behind is noted in steps of this: a report says minutes."""


NOTE_EVERY_S = 5.0
"""Changes of one member are noted at most this often, and whoever is away for less has not left: a link that flaps, or
a page that means harm, must not fill the log."""


@dataclass(slots=True)
class _Seen:
    name: str
    called: bool
    rung: Rung | str
    behind_s: int
    noted_at: float


class Attendance:
    """What was noted last of each member that is here."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def look(self, members: Iterable[Member], now: float) -> list[e.BoardEvent]:
        """What has changed since the last look.

        Args:
            now: the caller's monotonic clock in seconds.
        """
        notes: list[e.BoardEvent] = []
        here = set()
        for member in members:
            if not member.present:
                continue
            here.add(member.id)
            seen = self._seen.get(member.id)
            if seen is None:
                seen = self._seen[member.id] = _Seen(member.name, False, "", 0, now)
                notes.append(e.Joined(member.id, member.name, member.role))
                notes += self._changes(member, seen, now)
            elif now - seen.noted_at >= NOTE_EVERY_S:
                notes += self._changes(member, seen, now)
            if member.called != seen.called:
                seen.called = member.called
                notes.append(e.Called(member.id) if member.called else e.CallEnded(member.id))
        gone = [who for who, seen in self._seen.items() if who not in here and now - seen.noted_at >= NOTE_EVERY_S]
        for who in gone:
            del self._seen[who]
            notes.append(e.Left(who))
        return notes

    def _changes(self, member: Member, seen: _Seen, now: float) -> list[e.BoardEvent]:
        """What is worth a note of one who is here already."""
        notes: list[e.BoardEvent] = []
        if seen.name != member.name:
            seen.name = member.name
            notes.append(e.Joined(member.id, member.name, member.role))
        behind_s = round((member.receiving.behind_s or 0.0) / BEHIND_STEP_S) * BEHIND_STEP_S
        if member.role == "classroom" and (member.link.rung, behind_s) != (seen.rung, seen.behind_s):
            seen.rung, seen.behind_s = member.link.rung, behind_s
            notes.append(e.Received(member.id, member.link.rung, behind_s))
        if notes:
            seen.noted_at = now
        return notes

    def everyone_leaves(self) -> list[e.BoardEvent]:
        """The server goes down: nobody is seen any more."""
        gone: list[e.BoardEvent] = [e.Left(who) for who in self._seen]
        self._seen.clear()
        return gone
