"""The laws of a directory, held to each: one process's, one machine's, and a real Redis."""

import asyncio

import pytest

from liveclass.cluster.directory import Directory, DirectoryYoung, NodeForgotten
from liveclass.cluster.model import Claim, NodeId
from tests.cluster.conftest import Given
from tests.cluster.nodes import about

A, B, C = NodeId("a"), NodeId("b"), NodeId("c")


async def settled(given: Given, *names: str) -> Directory:
    """A directory that knows these nodes and is past its youth."""
    directory = given.open()
    for name in names:
        await directory.register(about(name), given.lease_s)
    for _ in range(4):
        await given.sleep(given.lease_s / 3)
        for name in names:
            await directory.renew(about(name), {}, given.lease_s)
    return directory


async def later(given: Given, directory: Directory, leases: float, **claims: dict[str, int]) -> None:
    """Time passes, in which these nodes renew and the others say nothing."""
    for _ in range(max(1, round(leases * 3))):
        await given.sleep(given.lease_s / 3)
        for name, held in claims.items():
            assert (await directory.renew(about(name), held, given.lease_s)).lost == set()


async def test_who_lives_is_listed_until_its_lease_ends(given: Given) -> None:
    directory = await settled(given, "a", "b")
    assert [info.id for info in await directory.nodes()] == [A, B]
    await later(given, directory, 1.4, b={})
    assert [info.id for info in await directory.nodes()] == [B]


async def test_what_a_node_says_of_itself_is_what_is_read(given: Given) -> None:
    directory = await settled(given, "a")
    info = about("a", lessons=7, cpu=0.25, draining=True, version="1.2", boot="x")
    await directory.renew(info, {}, given.lease_s)
    assert await given.open().nodes() == [info]


async def test_a_lesson_has_one_owner_and_everybody_hears_the_same(given: Given) -> None:
    directory = await settled(given, "a", "b")
    assert await directory.owner("L") is None
    won = await directory.claim("L", A, given.lease_s)
    assert won.node == A
    assert await directory.claim("L", B, given.lease_s) == won
    assert await given.open().owner("L") == won
    assert await directory.owner("other") is None


async def test_of_many_who_claim_at_once_exactly_one_wins(given: Given) -> None:
    names = [f"n{number}" for number in range(6)]
    directory = await settled(given, *names)
    doors = [directory if number == 0 else given.open() for number in range(6)]
    for lesson in ("L1", "L2", "L3", "L4"):
        calls = [door.claim(lesson, NodeId(name), given.lease_s) for door, name in zip(doors, names, strict=True)]
        claims = await asyncio.gather(*calls)
        assert len({(claim.node, claim.fence) for claim in claims}) == 1


async def test_a_renewed_lesson_is_nobody_elses_however_long_it_lasts(given: Given) -> None:
    directory = await settled(given, "a", "b")
    won = await directory.claim("L", A, given.lease_s)
    await later(given, directory, 3, a={"L": won.fence}, b={})
    assert await directory.claim("L", B, given.lease_s) == won


async def test_a_silent_owner_loses_the_lesson_and_hears_of_it_when_it_is_back(given: Given) -> None:
    directory = await settled(given, "a", "b", "c")
    won = await directory.claim("L", A, given.lease_s)
    await later(given, directory, 1.4, b={}, c={})
    assert await directory.owner("L") is None
    taken = await directory.claim("L", B, given.lease_s)
    assert taken.node == B
    assert taken.fence > won.fence
    assert (await directory.renew(about("a"), {"L": won.fence}, given.lease_s)).lost == {"L"}
    assert await directory.owner("L") == taken


async def test_an_owner_that_was_silent_and_lost_nothing_goes_on(given: Given) -> None:
    directory = await settled(given, "a", "b")
    won = await directory.claim("L", A, given.lease_s)
    await later(given, directory, 1.4, b={})
    assert (await directory.renew(about("a"), {"L": won.fence}, given.lease_s)).lost == set()
    assert await directory.owner("L") == won


async def test_fences_grow_with_every_claim(given: Given) -> None:
    directory = await settled(given, "a", "b")
    fences = []
    for _ in range(3):
        for node in (A, B):
            claim = await directory.claim("L", node, given.lease_s)
            fences.append(claim.fence)
            await directory.release(claim)
    assert fences == sorted(set(fences))


async def test_a_node_that_claims_what_it_had_gets_a_new_fence(given: Given) -> None:
    """It does not hold the lesson any more, or it would not ask: what it wrote then must not count now."""
    directory = await settled(given, "a")
    won = await directory.claim("L", A, given.lease_s)
    again = await directory.claim("L", A, given.lease_s)
    assert again.fence > won.fence
    assert (await directory.renew(about("a"), {"L": won.fence}, given.lease_s)).lost == {"L"}
    assert (await directory.renew(about("a"), {"L": again.fence}, given.lease_s)).lost == set()


async def test_a_released_lesson_is_free_at_once_and_its_old_claim_never_comes_back(given: Given) -> None:
    directory = await settled(given, "a", "b")
    won = await directory.claim("L", A, given.lease_s)
    await directory.release(won)
    assert await directory.owner("L") is None
    assert (await directory.renew(about("a"), {"L": won.fence}, given.lease_s)).lost == {"L"}
    taken = await directory.claim("L", B, given.lease_s)
    await directory.release(won)
    assert await directory.owner("L") == taken


async def test_a_node_seen_dead_loses_all_without_a_wait(given: Given) -> None:
    directory = await settled(given, "a", "b")
    won = await directory.claim("L", A, given.lease_s)
    await directory.forget_node(A)
    assert await directory.owner("L") is None
    assert [info.id for info in await directory.nodes()] == [B]
    taken = await directory.claim("L", B, given.lease_s)
    assert (taken.node, taken.fence > won.fence) == (B, True)


async def test_a_node_taken_for_dead_is_told_so_and_must_begin_anew(given: Given) -> None:
    directory = await settled(given, "a", "b")
    won = await directory.claim("L", A, given.lease_s)
    await directory.forget_node(A)
    with pytest.raises(NodeForgotten):
        await directory.renew(about("a"), {"L": won.fence}, given.lease_s)
    with pytest.raises(NodeForgotten):
        await directory.claim("L", A, given.lease_s)
    await directory.register(about("a"), given.lease_s)
    assert (await directory.claim("L", A, given.lease_s)).fence > won.fence


async def test_a_node_that_never_said_a_word_can_claim_nothing(given: Given) -> None:
    directory = await settled(given, "a")
    with pytest.raises(NodeForgotten):
        await directory.claim("L", B, given.lease_s)


async def test_after_a_silence_of_all_everybody_keeps_what_it_had(given: Given) -> None:
    """The directory was gone, or the machine asleep: whoever is back first must not take the others' lessons."""
    directory = await settled(given, "a", "b")
    won = await directory.claim("L", A, given.lease_s)
    await given.sleep(given.lease_s * 2)
    assert await directory.owner("L") == won
    assert (await directory.renew(about("b"), {}, given.lease_s)).lost == set()
    assert await directory.claim("L", B, given.lease_s) == won
    assert not (await directory.renew(about("b"), {}, given.lease_s)).settled
    with pytest.raises(DirectoryYoung) as young:
        await directory.claim("new", B, given.lease_s)
    assert 0 < young.value.wait_s <= given.lease_s
    assert (await directory.renew(about("a"), {"L": won.fence}, given.lease_s)).lost == set()
    await later(given, directory, 1.4, a={"L": won.fence}, b={})
    assert await directory.owner("L") == won
    assert (await directory.renew(about("b"), {}, given.lease_s)).settled
    assert (await directory.claim("new", B, given.lease_s)).node == B


async def test_who_does_not_come_back_after_a_silence_of_all_loses_after_a_lease(given: Given) -> None:
    directory = await settled(given, "a", "b")
    won = await directory.claim("L", A, given.lease_s)
    await given.sleep(given.lease_s * 2)
    await later(given, directory, 1.7, b={})
    taken = await directory.claim("L", B, given.lease_s)
    assert (taken.node, taken.fence > won.fence) == (B, True)


async def test_nothing_is_taken_while_most_nodes_are_silent_unless_they_are_seen_dead(given: Given) -> None:
    """Most nodes that see each other and not the directory go on without it, so the rest must leave them alone."""
    directory = await settled(given, "a", "b", "c")
    won = await directory.claim("L", A, given.lease_s)
    await later(given, directory, 1.4, c={})
    with pytest.raises(DirectoryYoung):
        await directory.claim("L", C, given.lease_s)
    assert (await directory.claim("new", C, given.lease_s)).node == C
    await directory.forget_node(A)
    assert (await directory.claim("L", C, given.lease_s)).fence > won.fence


async def test_nothing_is_taken_right_after_a_node_came_back_that_did_not_see_the_directory(given: Given) -> None:
    """It may have told a silent owner so, who goes on because of it for most of a lease."""
    directory = await settled(given, "a", "b", "c")
    won = await directory.claim("L", A, given.lease_s)
    await later(given, directory, 1.4, b={}, c={})
    await directory.renew(about("b"), {}, given.lease_s, blind=True)
    with pytest.raises(DirectoryYoung):
        await directory.claim("L", C, given.lease_s)
    await later(given, directory, 1.4, b={}, c={})
    assert (await directory.claim("L", C, given.lease_s)).fence > won.fence


async def test_changes_of_owners_are_told_to_all(given: Given) -> None:
    directory = await settled(given, "a", "b")
    heard: list[str] = []

    async def listen() -> None:
        async for lesson in given.open().changes():
            heard.append(lesson)

    task = asyncio.create_task(listen())
    await asyncio.sleep(0.3)
    claim = await directory.claim("L1", A, given.lease_s)
    await directory.release(claim)
    await directory.claim("L2", B, given.lease_s)
    for _ in range(100):
        if "L2" in heard:
            break
        await asyncio.sleep(0.05)
    task.cancel()
    assert [lesson for lesson in heard if lesson] == ["L1", "L1", "L2"]


async def test_many_claims_are_renewed_in_one_call(given: Given) -> None:
    directory = await settled(given, "a")
    claims: list[Claim] = [await directory.claim(f"L{number}", A, given.lease_s) for number in range(200)]
    held = {claim.lesson: claim.fence for claim in claims}
    assert (await directory.renew(about("a"), held, given.lease_s)).lost == set()
    assert (await directory.renew(about("a"), {**held, "L7": 1}, given.lease_s)).lost == {"L7"}
