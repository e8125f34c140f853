"""Whether this node may still act for the lessons that it owns. Pure: takes `now`, knows no directory and no peer.

A lease would end a node's lessons whenever the directory is away. But a directory that is gone for all can give no
lesson to another either, so then everybody goes on; only who alone is cut off must stop, and before another may
begin.

A node stops after `SHARE` of its lease. Finding the directory gone for all is worth as much as a renewal: it begins the
same time anew. Who can ask all others, and hears from all that they see no directory either, goes on for as long as
that is so. Who hears that from most of them, and nothing from some, goes on for `PATIENCE_LEASES`: these are what a
directory waits before it lets the others' lessons be taken (`cluster/directory.py`). Most must be more than half, this
node included: two processes of one machine that lost its cable see each other, and see nothing else. And they count
only where the directory cannot count them as fresh when this node's lease ends (`FRESH`): a hiccup is no outage.
"""

from collections.abc import Sequence
from typing import Literal

from liveclass.cluster.directory import FRESH, PATIENCE_LEASES

Standing = Literal["hold", "doubt", "fenced"]
"""`hold`: acts. `doubt`: was not there for a while, and another may own its lessons: packets may flow, and nothing
may be written. `fenced`: owns nothing."""

Event = Literal["renewed", "unsettled", "refused", "gone_for_all", "paused", "late"]

SHARE = 0.8
"""Of the lease, after which a node that was not renewed stops: others may claim after the whole of it."""

TABLE: dict[tuple[Standing, Event], Standing] = {
    ("hold", "renewed"): "hold",
    ("hold", "unsettled"): "hold",
    ("hold", "gone_for_all"): "hold",
    ("hold", "paused"): "doubt",
    ("hold", "late"): "fenced",
    ("hold", "refused"): "fenced",
    ("doubt", "renewed"): "hold",
    ("doubt", "unsettled"): "doubt",  # another may be about to say that it owns them
    ("doubt", "gone_for_all"): "doubt",  # it may have been there while this node was not
    ("doubt", "paused"): "doubt",
    ("doubt", "late"): "fenced",
    ("doubt", "refused"): "fenced",
    ("fenced", "renewed"): "hold",
    ("fenced", "unsettled"): "hold",
    ("fenced", "gone_for_all"): "fenced",
    ("fenced", "paused"): "fenced",
    ("fenced", "late"): "fenced",
    ("fenced", "refused"): "fenced",
}


class Tenure:
    """One node's right to act.

    Args:
        lease_s: the lease that it asks for at each renewal.
        now: seconds of a clock that runs on while the process is stopped.
    """

    def __init__(self, lease_s: float, now: float) -> None:
        self._lease_s = lease_s
        self._standing: Standing = "fenced"
        self._looked_at = now
        self._renewed_at = now
        self._until = now
        self._asked = False

    @property
    def sees_directory(self) -> bool:
        """Did the directory answer the last time?"""
        return not self._asked and self._standing != "fenced"

    @property
    def blind(self) -> bool:
        """Did the directory not answer the last time? Others may have been told so, and it must be told in turn."""
        return self._asked

    def look(self, now: float) -> Standing:
        """What holds now. To be asked often: a gap of a lease between two looks is a pause of this process."""
        gap = now - self._looked_at
        self._looked_at = max(now, self._looked_at)
        if gap > self._lease_s or (now >= self._until and self._standing == "hold" and not self._asked):
            # Whoever did not even ask was not cut off, but stopped or too busy.
            self._meet("paused", now)
        elif now >= self._until:
            self._meet("late", now)
        return self._standing

    def renewed(self, asked_at: float, now: float, *, settled: bool = True) -> Standing:
        """The directory heard this node.

        Args:
            asked_at: when it was asked, since the lease may run from there.
            settled: the directory knows what all own (`Renewal`).
        """
        self.look(now)
        if now - asked_at >= SHARE * self._lease_s:
            return self._standing  # the answer is older than what it promises
        self._asked = False
        self._renewed_at = asked_at
        self._until = asked_at + SHARE * self._lease_s
        self._meet("renewed" if settled else "unsettled", now)
        return self._standing

    def refused(self, now: float) -> Standing:
        """The directory says that this node owns nothing."""
        self.look(now)
        self._asked = False
        self._meet("refused", now)
        return self._standing

    def unreachable(self, now: float) -> Standing:
        """The directory did not answer."""
        standing = self.look(now)
        self._asked = True
        return standing

    def peers(
        self, asked_at: float, now: float, *, of: int, blind_since: Sequence[float], they_see_directory: bool
    ) -> Standing:
        """What the other nodes say while the directory does not answer.

        Args:
            asked_at: when they were asked.
            of: how many may be alive; one whose address refuses is not.
            blind_since: of each that answered that it sees no directory, when it was last renewed, by this clock.
            they_see_directory: one at least does.
        """
        self.look(now)
        if they_see_directory or not self._asked:
            return self._standing
        patient = asked_at < self._renewed_at + SHARE * PATIENCE_LEASES * self._lease_s
        silent_at_my_end = self._renewed_at + (1 - FRESH) * self._lease_s
        most = 2 * (sum(since <= silent_at_my_end for since in blind_since) + 1) > of + 1
        if len(blind_since) >= of or (most and patient):
            self._until = max(self._until, asked_at + SHARE * self._lease_s)
            self._meet("gone_for_all", now)
        return self._standing

    def _meet(self, event: Event, now: float) -> None:
        self._standing = TABLE[self._standing, event]
        if event == "paused":
            self._until = now + SHARE * self._lease_s
