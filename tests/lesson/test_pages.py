"""Strokes that newcomers get: fewer points, the same line."""

import random
from itertools import pairwise

import pytest

from liveclass.lesson.pages import COARSE, thinned


def absolute(points: list[int]) -> list[tuple[int, int, int]]:
    out, x, y, p = [], 0, 0, 0
    for i in range(0, len(points), 3):
        x, y, p = x + points[i], y + points[i + 1], p + points[i + 2]
        out.append((x, y, p))
    return out


def off(point: tuple[int, int, int], a: tuple[int, int, int], b: tuple[int, int, int]) -> float:
    """How far a point lies from the stretch between two others."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length2 = dx * dx + dy * dy
    t = 0.0 if not length2 else max(0.0, min(1.0, ((point[0] - a[0]) * dx + (point[1] - a[1]) * dy) / length2))
    return float(((point[0] - a[0] - t * dx) ** 2 + (point[1] - a[1] - t * dy) ** 2) ** 0.5)


@pytest.mark.parametrize("seed", range(20))
def test_a_thinned_stroke_lies_where_it_lay(seed: int) -> None:
    chance = random.Random(seed)
    points = [5000, 2500, 50]
    heading = [20.0, 0.0]
    for _ in range(200):
        heading = [heading[0] + chance.uniform(-6, 6), heading[1] + chance.uniform(-6, 6)]
        points += [int(heading[0]), int(heading[1]), 0]
    before, after = absolute(points), absolute(thinned(points, COARSE))
    assert (after[0], after[-1]) == (before[0], before[-1])
    assert len(after) < len(before)
    assert all(min(off(one, a, b) for a, b in pairwise(after)) <= COARSE * 2 for one in before)


def test_a_straight_stroke_is_two_points_for_each_forty() -> None:
    points = [0, 0, 50] + [10, 10, 0] * 80
    after = absolute(thinned(points, COARSE))
    assert len(after) <= 4
    assert after[-1] == (800, 800, 50)
