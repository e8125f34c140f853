"""The laws of a lesson over several nodes: no circle, no node over its bound, no more hops than needed, no flapping."""

import random
from dataclasses import replace

import pytest

from liveclass.cluster.model import NodeId, NodeInfo
from liveclass.cluster.spread import FAN_OUT, MAX_HEIGHT, OUTGROWN, Branch, grown, height, mend, outgrown, seat

OWNER = NodeId("n0")
Tree = dict[NodeId, Branch]


def fleet(count: int, *, sessions: int = 0, most: int = 100) -> list[NodeInfo]:
    return [
        NodeInfo(NodeId(f"n{n}"), f"n{n}", f"http://n{n}", sessions=sessions, max_sessions=most) for n in range(count)
    ]


def fill(viewers: int, nodes: list[NodeInfo], tree: Tree, lesson: str = "L") -> tuple[list[NodeInfo], Tree, int]:
    """That many subscribers come one after another: what became of nodes and tree, and how many found no room."""
    refused = 0
    spreads = False
    for _ in range(viewers):
        spreads = outgrown(next(n for n in nodes if n.id == OWNER), before=spreads)
        place = seat(lesson, tree, nodes, spreads=spreads)
        if place is None:
            refused += 1
            continue
        tree = grown(tree, place)
        # A node that begins to pull is one more session above.
        more = {place.node: 1} | ({place.above: 1} if place.new and place.above else {})
        nodes = [replace(n, sessions=n.sessions + more.get(n.id, 0)) for n in nodes]
    return nodes, tree, refused


def sound(tree: Tree, *, fan_out: int = FAN_OUT, max_height: int = MAX_HEIGHT) -> None:
    """It is a tree: one owner, no circle, bounded in both directions."""
    assert [branch.node for branch in tree.values() if branch.above is None] == [OWNER]
    for node, branch in tree.items():
        assert branch.node == node
        assert branch.above is None or branch.above in tree
        assert height(tree, node) <= max_height, "too many hops, or a circle"
        assert sum(other.above == node for other in tree.values()) <= fan_out


def test_a_lesson_that_fits_its_node_stays_there() -> None:
    _, tree, _ = fill(int(100 * OUTGROWN), fleet(5), {OWNER: Branch(OWNER)})
    assert set(tree) == {OWNER}


def test_two_thousand_classrooms_are_one_hop_from_the_owner() -> None:
    nodes, tree, refused = fill(2000, fleet(8, most=400), {OWNER: Branch(OWNER)})
    assert refused == 0
    sound(tree)
    assert max(height(tree, node) for node in tree) == 1
    assert sum(branch.viewers for branch in tree.values()) == 2000
    assert all(node.sessions <= OUTGROWN * node.max_sessions + FAN_OUT for node in nodes)
    assert len(tree) == 8


def test_a_copy_is_filled_before_another_one_is_made() -> None:
    _, tree, _ = fill(100, fleet(6), {OWNER: Branch(OWNER)})
    assert len(tree) == 2


def test_nobody_is_refused_while_a_node_of_the_tree_has_room() -> None:
    nodes, tree, refused = fill(250, fleet(2), {OWNER: Branch(OWNER)})
    assert refused == 250 - (200 - 1)
    assert all(node.sessions == node.max_sessions for node in nodes)
    sound(tree)


def test_a_tree_grows_downwards_only_when_it_is_full_above() -> None:
    _, tree, refused = fill(200, fleet(60, most=10), {OWNER: Branch(OWNER)})
    sound(tree)
    assert refused == 0
    heights = [height(tree, node) for node in tree]
    assert max(heights) >= 2
    assert heights.count(1) >= 3


def test_a_node_that_drains_gets_nobody() -> None:
    nodes = [replace(n, draining=n.id != OWNER) for n in fleet(3)]
    _, tree, _ = fill(100, nodes, {OWNER: Branch(OWNER)})
    assert set(tree) == {OWNER}


def test_the_owner_takes_subscribers_again_only_well_below_its_mark() -> None:
    node = fleet(1, sessions=60)[0]
    assert not outgrown(node)
    assert outgrown(node, before=True)
    assert not outgrown(replace(node, sessions=49), before=True)


def test_the_same_state_gives_the_same_seat_whatever_the_order() -> None:
    rng = random.Random(3)
    nodes, tree, _ = fill(90, fleet(12), {OWNER: Branch(OWNER)})
    wanted = seat("L", tree, nodes, spreads=True)
    for _ in range(20):
        shuffled = rng.sample(nodes, len(nodes))
        parts = rng.sample(list(tree.items()), len(tree))
        assert seat("L", dict(parts), shuffled, spreads=True) == wanted


def test_different_lessons_choose_different_nodes() -> None:
    nodes = [replace(n, sessions=80 if n.id == OWNER else 0) for n in fleet(10)]
    chosen = {found.node for n in range(40) if (found := seat(f"L{n}", {OWNER: Branch(OWNER)}, nodes)) is not None}
    assert len(chosen) > 4


def test_without_an_owner_there_is_no_seat() -> None:
    assert seat("L", {}, fleet(3)) is None
    assert seat("L", {NodeId("gone"): Branch(NodeId("gone"))}, fleet(3)) is None


@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_lost_a_tree_remains_and_only_those_below_the_lost_move(seed: int) -> None:
    rng = random.Random(seed)
    most = rng.choice([8, 12, 30])
    nodes, tree, _ = fill(rng.randint(20, 40 * most // 2), fleet(40, most=most), {OWNER: Branch(OWNER)})
    sound(tree)
    dead = {n for n in rng.sample(sorted(tree), min(len(tree) - 1, rng.randint(1, 6))) if n != OWNER}
    living = [n for n in nodes if n.id not in dead]
    mended = mend("L", tree, living, OWNER)
    sound(mended)
    assert not dead & set(mended)
    for node, branch in mended.items():
        before = tree[node].above
        if before in mended and height(mended, before) < MAX_HEIGHT:
            assert branch.above == before, "a node moved that had lost nothing"


@pytest.mark.parametrize("seed", range(30))
def test_a_new_owner_from_within_the_tree_becomes_its_root(seed: int) -> None:
    rng = random.Random(seed)
    former = NodeId("n39")
    nodes = fleet(40, most=10)
    tree: Tree = {former: Branch(former)}
    for n in range(20):
        tree[NodeId(f"n{n}")] = Branch(NodeId(f"n{n}"), former if n < 8 else NodeId(f"n{rng.randrange(8)}"), 5)
    living = [n for n in nodes if n.id != former]
    mended = mend("L", tree, living, OWNER)
    sound(mended)
    assert former not in mended
    assert len(mended) >= 9


def test_a_circle_that_somebody_told_of_is_undone() -> None:
    a, b = NodeId("n1"), NodeId("n2")
    mended = mend("L", {OWNER: Branch(OWNER), a: Branch(a, b, 3), b: Branch(b, a, 5)}, fleet(3), OWNER)
    sound(mended)
    assert set(mended) == {OWNER, a, b}
