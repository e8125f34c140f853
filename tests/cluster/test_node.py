"""A node in its fleet, over the directory of one process, in real time with short leases."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from liveclass.cluster.memory import MemoryDirectory
from tests.cluster.nodes import Fleet


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    fleet = Fleet(lease_s=0.6)
    yield fleet
    await fleet.close()


async def test_a_lesson_goes_where_placement_says_and_all_agree(fleet: Fleet) -> None:
    directory = MemoryDirectory()
    for name in ("a", "b", "c"):
        await fleet.add(name, directory)
    await asyncio.sleep(0.7)
    claims = [await fleet.members[name].node.owner("L") for name in ("c", "b", "a")]
    assert {claim.node for claim in claims} == {"a"}
    assert fleet.members["a"].adopted == [("L", claims[0].fence)]
    assert fleet.owners("L") == ["a"]
