"""Who may do what: one table for the three who take part, tested row by row.

Knows roles and names of orders, nothing of what they do. `lesson.state` asks for what concerns floor and lesson,
`lesson.desk` for the board.
"""

from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from liveclass.errors import PeerError

Part = Literal["lead", "co", "classroom"]
"""The volunteer who leads; another volunteer beside; a classroom with its local teacher. Without a lead who is there,
every volunteer leads."""

Right = Literal["yes", "own", "granted", "no"]
"""`own`: about itself only; `granted`: while a volunteer lets it."""

_TEACH: tuple[Right, Right, Right] = ("yes", "yes", "no")
_LEAD: tuple[Right, Right, Right] = ("yes", "no", "no")
_DRAW: tuple[Right, Right, Right] = ("yes", "yes", "granted")
_ROOM: tuple[Right, Right, Right] = ("no", "no", "own")
_ALL: tuple[Right, Right, Right] = ("yes", "yes", "yes")

RIGHTS: dict[str, tuple[Right, Right, Right]] = {
    # order: lead, co, classroom
    "start_lesson": _TEACH,
    "end_lesson": _TEACH,
    "call": _TEACH,
    "end_call": ("yes", "yes", "own"),
    "mute": _TEACH,
    "jump_to_live": _TEACH,
    "show": _LEAD,
    "play": _LEAD,
    "set_mode": _LEAD,
    "clear": _LEAD,
    "let_draw": _LEAD,
    "draw": _DRAW,
    "draw_more": _DRAW,
    "erase": _DRAW,
    "undo": _DRAW,
    "redo": _DRAW,
    "point": _DRAW,
    "open_poll": _TEACH,
    "close_poll": _TEACH,
    "reveal": _TEACH,
    "answer": _ROOM,
    "hand": _ROOM,
    "sign": _ROOM,
    "set_heads": _ROOM,
    "lower_hand": _TEACH,
    "pick": _TEACH,
    "set_timer": _TEACH,
    "mark": _TEACH,
    "chat": _ALL,
    "get_page": _ALL,
    "thumbnails": _TEACH,
    "thumbnail": _ROOM,
    "materials_ready": _ROOM,
}

_COLUMN: dict[Part, int] = {"lead": 0, "co": 1, "classroom": 2}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who gives an order.

    Attributes:
        granted: a volunteer lets this classroom draw.
    """

    id: str
    part: Part
    name: str = ""
    granted: bool = False


def right(part: Part, order: str) -> Right:
    """The row's word. Orders without a row are free for all."""
    row = RIGHTS.get(order)
    return "yes" if row is None else row[_COLUMN[part]]


def check(actor: Actor, order: Struct) -> None:
    """May the actor give it?

    Raises:
        PeerError: 403 `teachers_only`, `lead_only`, `classrooms_only` or `drawing_not_allowed`.
    """
    name = str(order.__struct_config__.tag)
    word = right(actor.part, name)
    if word in ("yes", "own") or (word == "granted" and actor.granted):
        return
    if word == "granted":
        raise PeerError("The volunteer has not let this classroom draw.", status=403, code="drawing_not_allowed")
    if actor.part == "classroom":
        raise PeerError("Only a teacher can do this.", status=403, code="teachers_only")
    if right("lead", name) == "yes":
        raise PeerError("Only the leading teacher can do this.", status=403, code="lead_only")
    raise PeerError("Only a classroom can do this.", status=403, code="classrooms_only")
