"""Whether this process may act for a lesson: always, where it is alone; while it owns it, on a node of a fleet.

Decides nothing; `server.fleet` answers for a node. Asked from the logbook's thread too.
"""

from typing import Protocol

from liveclass.errors import PeerError


class Tenancy(Protocol):
    """The right to act."""

    @property
    def alone(self) -> bool:
        """There are no other nodes: whatever is on the disk is this process's."""
        ...

    def mine(self, lesson_id: str) -> bool:
        """This node owns the lesson, as far as it knows."""
        ...

    def writes(self, lesson_id: str) -> bool:
        """It surely does: what it writes of the lesson is what counts."""
        ...

    def idle(self, lesson_id: str) -> None:
        """Nobody uses the lesson any more."""
        ...


class Alone:
    """The one process of a server without a fleet."""

    alone = True

    def mine(self, lesson_id: str) -> bool:
        """Every lesson."""
        return True

    def writes(self, lesson_id: str) -> bool:
        """Every lesson."""
        return True

    def idle(self, lesson_id: str) -> None:
        """It is read again when somebody asks for it."""


def check_mine(tenancy: Tenancy, lesson_id: str) -> None:
    """Raises PeerError 503 `moving` unless the lesson is this node's."""
    if not tenancy.mine(lesson_id):
        raise _moving()


def check_writes(tenancy: Tenancy, lesson_id: str) -> None:
    """Raises PeerError 503 `moving` while another node may own the lesson: what is decided now could be lost."""
    if not tenancy.writes(lesson_id):
        raise _moving()


def _moving() -> PeerError:
    return PeerError("The lesson is moving to another server; try again.", status=503, code="moving")
