"""How often each part may give each kind of order. Pure; `now` comes from the caller.

A bound beside the socket's own: a page that draws as fast as it may must still find its hand heard, and chat cannot be
used to fill the log.
"""

from msgspec import Struct

from liveclass.errors import PeerError
from liveclass.lesson.rights import Actor

Bound = tuple[float, float]
"""Orders a second in the long run, and at once."""

_DRAWING: Bound = (25.0, 50.0)
"""20 a second is what a page of ours sends."""

_TALK: Bound = (1.0, 8.0)
_FLOOR: Bound = (2.0, 20.0)
_PAGES: Bound = (8.0, 60.0)
"""Turning through a deck by the key held down asks for one page after the other."""

BOUNDS: dict[str, Bound] = {
    "draw": _DRAWING,
    "draw_more": _DRAWING,
    "erase": _DRAWING,
    "point": _DRAWING,
    "get_page": _PAGES,
    "chat": _TALK,
    "open_poll": _TALK,
    "mark": _TALK,
}
"""By order; all others share `_FLOOR`."""

FAMILY: dict[str, str] = {"draw": "drawing", "draw_more": "drawing", "erase": "drawing", "point": "pointing"}
"""Orders that share one bound; any other has its own or the floor's."""

TEACHERS = 2.0
"""A volunteer may do twice what a classroom may: it leads, and there are few."""


class Rates:
    """The buckets of all participants of one lesson."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def check(self, actor: Actor, order: Struct, now: float) -> None:
        """Count one order.

        Raises:
            PeerError: 429 `rate_limited`; it does not count then.
        """
        name = str(order.__struct_config__.tag)
        per_s, burst = BOUNDS.get(name, _FLOOR)
        if actor.part != "classroom":
            per_s, burst = per_s * TEACHERS, burst * TEACHERS
        key = (actor.id, FAMILY.get(name, name if name in BOUNDS else "floor"))
        tokens, at = self._buckets.get(key, (burst, now))
        tokens = min(burst, tokens + max(0.0, now - at) * per_s)
        if tokens < 1:
            self._buckets[key] = (tokens, now)
            raise PeerError("That was too fast; wait a moment.", status=429, code="rate_limited")
        self._buckets[key] = (tokens - 1, now)
