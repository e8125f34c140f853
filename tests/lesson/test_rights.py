"""Who may do what: the table, row by row."""

import msgspec
import pytest

from liveclass.errors import PeerError
from liveclass.lesson import orders as o
from liveclass.lesson.protocol import ClientMessage
from liveclass.lesson.rights import RIGHTS, Actor, Part, check, right

BY_TAG = {shape.__struct_config__.tag: shape for shape in ClientMessage.__args__}

EXAMPLES: dict[str, dict[str, object]] = {
    "show": {"stage": "live"},
    "draw": {"id": "abcdefgh", "page": "b.1", "tool": "pen", "color": "#000000", "width": 20, "points": [1, 2, 3]},
    "draw_more": {"id": "abcdefgh", "points": []},
    "erase": {"page": "b.1", "ids": ["abcdefgh"]},
    "undo": {"page": "b.1"},
    "redo": {"page": "b.1"},
    "clear": {"page": "b.1"},
    "point": {},
    "get_page": {"page": "b.1"},
    "play": {"material": "song12", "playing": True, "position_ms": 0},
    "set_mode": {"mode": "music"},
    "set_heads": {"heads": 3},
    "hand": {"up": True},
    "sign": {"sign": "again"},
    "lower_hand": {"participant": "a"},
    "pick": {},
    "set_timer": {"seconds": 3},
    "open_poll": {"question": "", "choices": ["", ""]},
    "answer": {"poll": "p1", "counts": [1, 2]},
    "close_poll": {"poll": "p1"},
    "reveal": {"poll": "p1", "right": 0},
    "chat": {"text": "x"},
    "mark": {},
    "let_draw": {"participant": "a", "may": True},
    "thumbnails": {"of": []},
    "thumbnail": {"data": ""},
    "materials_ready": {"material": "deck12", "have": 1, "total": 2},
    "start_lesson": {},
    "end_lesson": {},
    "call": {"participant": "a"},
    "end_call": {"participant": "a"},
    "mute": {"participant": "a", "muted": True},
    "jump_to_live": {"participant": "a"},
}

FREE = {"hello", "rename", "set_devices", "report", "watch", "ping"}
"""What every page says of itself needs no row."""


def may(part: Part, tag: str, *, granted: bool = False) -> str:
    """Empty when it may, else the code of the refusal."""
    message = msgspec.convert({"type": tag, **EXAMPLES[tag]}, BY_TAG[tag])
    try:
        check(Actor("a", part, granted=granted), message)
    except PeerError as refused:
        return refused.code if refused.status == 403 else "another status"
    return ""


def test_every_order_has_its_row_and_every_row_its_order() -> None:
    assert set(RIGHTS) | FREE == set(BY_TAG)
    assert set(EXAMPLES) == set(RIGHTS)


@pytest.mark.parametrize("tag", sorted(RIGHTS))
def test_each_row_is_kept(tag: str) -> None:
    lead, co, classroom = RIGHTS[tag]
    assert (may("lead", tag) == "") == (lead == "yes")
    assert (may("co", tag) == "") == (co == "yes")
    assert (may("classroom", tag) == "") == (classroom in ("yes", "own"))
    assert (may("classroom", tag, granted=True) == "") == (classroom in ("yes", "own", "granted"))
    assert right("lead", tag) == lead


def test_a_refusal_says_who_may() -> None:
    assert may("co", "show") == "lead_only"
    assert may("classroom", "show") == "teachers_only"
    assert may("lead", "hand") == "classrooms_only"
    assert may("classroom", "draw") == "drawing_not_allowed"


def test_an_order_without_a_row_is_free_for_all() -> None:
    assert right("classroom", "ping") == "yes"
    check(Actor("a", "classroom"), o.GetPage("b.1"))
