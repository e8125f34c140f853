"""A node in its fleet, over the directory of one process, in real time with short leases."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from liveclass.cluster.file import FileDirectory
from liveclass.cluster.memory import MemoryDirectory
from liveclass.cluster.model import NodeId
from liveclass.cluster.opening import open_directory
from liveclass.cluster.peers import TryLater
from tests.cluster.nodes import Fleet, Member

LEASE_S = 0.6


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    fleet = Fleet(lease_s=LEASE_S)
    yield fleet
    await fleet.close()


async def three(fleet: Fleet) -> list[Member]:
    directory = MemoryDirectory()
    members = [await fleet.add(name, directory) for name in ("a", "b", "c")]
    await asyncio.sleep(LEASE_S * 0.7)
    return members


async def test_a_lesson_goes_where_placement_says_and_all_agree(fleet: Fleet) -> None:
    await three(fleet)
    claims = [await fleet.members[name].node.owner("L") for name in ("c", "b", "a")]
    assert {claim.node for claim in claims} == {"a"}
    assert fleet.members["a"].adopted == [("L", claims[0].fence)]
    assert fleet.owners("L") == ["a"]


async def test_a_node_alone_claims_at_once(fleet: Fleet) -> None:
    alone = await fleet.add("a", MemoryDirectory())
    assert (await alone.node.owner("L")).node == "a"
    assert alone.node.may_write("L")


async def test_of_nodes_that_race_for_a_lesson_exactly_one_gets_it(fleet: Fleet) -> None:
    fleet.adopt_s = 0.05
    members = await three(fleet)
    for lesson in ("L1", "L2", "L3"):
        claims = await asyncio.gather(*[member.node.claim_here(lesson) for member in members for _ in range(5)])
        assert len(set(claims)) == 1
        assert fleet.owners(lesson) == [claims[0].node]
    assert sum(len(member.adopted) for member in members) == 3


async def test_the_lessons_of_a_process_that_is_gone_move_without_waiting_for_its_lease(fleet: Fleet) -> None:
    a, b, _ = await three(fleet)
    won = await a.node.owner("L")
    assert await b.node.owner("L") == won
    fleet.dead.add("a")
    for task in list(a.node._tasks):
        task.cancel()
    await b.node.gone(NodeId("a"))  # what a forwarder says when the connection is refused
    taken = await b.node.owner("L")
    assert taken.node != "a"
    assert taken.fence > won.fence


async def test_a_node_chosen_for_a_lesson_that_turns_out_to_be_gone_is_passed_over(fleet: Fleet) -> None:
    a, b, _ = await three(fleet)
    fleet.dead.add("a")
    for task in list(a.node._tasks):
        task.cancel()
    assert (await b.node.owner("L")).node == "b"


async def test_a_node_taken_for_dead_gives_all_up_and_joins_anew(fleet: Fleet) -> None:
    a, b, _ = await three(fleet)
    won = await a.node.owner("L")
    await b.node._directory.forget_node(NodeId("a"))
    await asyncio.sleep(LEASE_S)
    assert a.dropped == [("L", "fenced")]
    assert a.node.standing == "hold"
    assert (await a.node.claim_here("M")).fence > won.fence


async def test_a_released_lesson_is_anyones_and_the_hook_is_told_why(fleet: Fleet) -> None:
    a, b, _ = await three(fleet)
    won = await a.node.owner("L")
    await a.node.release("L", "moved")
    assert a.dropped == [("L", "moved")]
    assert (await b.node.claim_here("L")).fence > won.fence


async def test_a_draining_node_keeps_what_it_has_and_takes_nothing_new(fleet: Fleet) -> None:
    a, b, _ = await three(fleet)
    await a.node.owner("L")
    await a.node.drain()
    await asyncio.sleep(LEASE_S / 2)
    assert (await a.node.owner("new")).node == "b"
    assert (await b.node.owner("L")).node == "a"
    with pytest.raises(TryLater, match="no server has room"):
        await a.node.claim_here("third")


async def test_a_lesson_that_cannot_be_brought_here_is_free_again(fleet: Fleet) -> None:
    a, _, _ = await three(fleet)

    async def fails(lesson: str, fence: int) -> None:
        raise OSError("disk")

    a.node._adopt = fails
    with pytest.raises(OSError, match="disk"):
        await a.node.claim_here("L")
    assert fleet.owners("L") == []
    assert (await fleet.members["b"].node.claim_here("L")).node == "b"


async def test_bringing_a_lesson_here_may_take_long_but_nobody_waits_longer_than_the_bound(fleet: Fleet) -> None:
    a, b, _ = await three(fleet)
    fleet.adopt_s = 2.5
    begun = asyncio.get_running_loop().time()
    with pytest.raises(TryLater) as refusal:
        await a.node.claim_here("L")
    assert asyncio.get_running_loop().time() - begun < 2.4
    assert (refusal.value.code, refusal.value.retry_after_s) == ("moving", 1)
    await asyncio.sleep(0.7)
    assert (await b.node.owner("L")).node == "a"


async def test_a_node_that_leaves_frees_its_lessons_at_once(fleet: Fleet) -> None:
    a, b, _ = await three(fleet)
    await a.node.owner("L")
    await a.node.close()
    assert a.dropped == [("L", "released")]
    fleet.dead.add("a")
    assert (await b.node.owner("L")).node == "b"


async def test_leaving_says_again_what_a_task_has_not_heard(fleet: Fleet) -> None:
    """A client in the midst of a broken connection may swallow a cancellation, once or twice."""

    class Deaf(MemoryDirectory):
        swallowed = 0

        async def changes(self) -> AsyncIterator[str]:
            while True:
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    if self.swallowed == 2:
                        raise
                    self.swallowed += 1
                yield ""

    deaf = Deaf()
    alone = await fleet.add("a", deaf)
    await asyncio.sleep(LEASE_S / 10)
    async with asyncio.timeout(5):
        await alone.node.close()
    fleet.members.clear()
    assert deaf.swallowed == 2
    assert await deaf.nodes() == []


async def test_a_process_that_was_stopped_writes_nothing_before_it_is_heard_again() -> None:
    """SIGSTOP, seen from inside: the clock jumps, and the first thing that runs may be a recorder."""
    jumped = 0.0
    fleet = Fleet(LEASE_S, lambda: asyncio.get_running_loop().time() + jumped)
    directory = MemoryDirectory()
    a, b = await fleet.add("a", directory), await fleet.add("b", directory)
    await asyncio.sleep(LEASE_S)
    await a.node.claim_here("L")
    assert a.node.may_write("L")
    jumped = 10.0
    assert not a.node.may_write("L")
    await asyncio.sleep(LEASE_S)
    assert a.node.may_write("L")
    assert b.node.mine("L") is None
    await fleet.close()


async def test_workers_of_one_machine_share_a_file(fleet: Fleet, tmp_path: Path) -> None:
    doors = [FileDirectory(tmp_path / "fleet.db") for _ in range(3)]
    for name, door in zip(("a", "b", "c"), doors, strict=True):
        await fleet.add(name, door)
    await asyncio.sleep(LEASE_S * 1.5)
    claims = await asyncio.gather(*[fleet.members[name].node.owner("L") for name in ("a", "b", "c")])
    assert len(set(claims)) == 1
    assert len(fleet.owners("L")) == 1
    await fleet.close()
    fleet.members.clear()
    for door in doors:
        await door.close()


def test_a_configuration_says_which_directory_it_is(tmp_path: Path) -> None:
    kinds = [
        open_directory("", "p", None),
        open_directory("", "p", tmp_path / "fleet.db"),
        open_directory("redis://127.0.0.1:1/0", "p", tmp_path),
    ]
    assert [type(kind).__name__ for kind in kinds] == ["MemoryDirectory", "FileDirectory", "RedisDirectory"]
