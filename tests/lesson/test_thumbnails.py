"""Thumbnails: what one volunteer's page pays for all of them stays within its budget."""

import random

from liveclass.lesson.thumbnails import LEAST_S, TYPICAL_BITS, Gallery

BUDGET_BPS = 100_000


def test_the_tiles_of_a_page_share_one_budget() -> None:
    for count in (1, 4, 12, 30):
        rooms = [f"c{n}" for n in range(count)]
        gallery = Gallery(BUDGET_BPS)
        gallery.rooms(["t1", *rooms])
        asked = dict(gallery.look("t1", rooms))
        assert set(asked) == set(rooms)
        assert all(s >= LEAST_S for s in asked.values())
        assert sum(TYPICAL_BITS / s for s in asked.values()) <= BUDGET_BPS * 1.001


def test_rooms_are_told_only_what_is_new() -> None:
    gallery = Gallery(BUDGET_BPS)
    assert gallery.rooms(["t1", "c1", "c2"]) == []
    assert gallery.look("t1", ["c1"]) == [("c1", LEAST_S)]
    assert gallery.look("t1", ["c1"]) == []
    assert gallery.rooms(["t1", "c1", "c2"]) == []
    assert dict(gallery.look("t1", ["c2"])) == {"c2": LEAST_S, "c1": 0.0}
    gallery.joined_anew("c2")
    assert gallery.rooms(["t1", "c1", "c2"]) == [("c2", LEAST_S)]


def test_a_teacher_who_has_gone_looks_no_more() -> None:
    gallery = Gallery(BUDGET_BPS)
    gallery.rooms(["t1", "c1"])
    gallery.look("t1", ["c1"])
    assert gallery.rooms(["c1"]) == [("c1", 0.0)]
    assert gallery.shown("c1", 1.0) == []


def test_a_room_that_floods_is_passed_on_as_often_as_was_asked() -> None:
    chance = random.Random(7)
    gallery = Gallery(BUDGET_BPS)
    gallery.rooms(["t1", "t2", "c1"])
    gallery.look("t1", ["c1"])
    gallery.look("t2", [])
    now, passed = 0.0, 0
    while now < 100:
        passed += len(gallery.shown("c1", now))
        now += chance.uniform(0.0, 0.1)
    assert passed <= 100 / (LEAST_S / 2) + 1
    assert gallery.shown("c9", now) == []


def test_heavy_thumbnails_come_more_seldom() -> None:
    gallery = Gallery(BUDGET_BPS)
    gallery.rooms(["t1", "c1"])
    gallery.look("t1", ["c1"])
    heavy = sum(len(gallery.shown("c1", tick / 10, 12_000)) for tick in range(1000))
    assert heavy <= 100 / (LEAST_S / 2 * 12_000 * 8 / TYPICAL_BITS) + 1
