"""What may happen to the Redis of a fleet, done to a real one, and what the nodes make of it."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from liveclass.cluster.directory import DirectoryGone, DirectoryYoung
from liveclass.cluster.model import Claim, NodeId
from liveclass.cluster.peers import TryLater
from liveclass.cluster.redis import CALL_S, RedisDirectory
from liveclass.errors import UsageError
from tests.cluster.nodes import Fleet, about
from tests.servers import RedisServer, Wire

LEASE_S = 1.5


async def until(true: Callable[[], bool], within_s: float) -> float:
    """Wait for it; returns how long it took."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < within_s, f"not within {within_s} s"
        await asyncio.sleep(0.02)
    return time.monotonic() - begun


class Running:
    """Three nodes on a Redis, each with a lesson."""

    def __init__(self, fleet: Fleet, doors: list[RedisDirectory]) -> None:
        self.fleet = fleet
        self.doors = doors
        self.began: dict[str, int] = {}

    @property
    def nodes(self) -> list[str]:
        return list(self.fleet.members)

    def undisturbed(self) -> None:
        """Every node has the lesson that it had, under the same fence, and nobody was told to stop."""
        for name, member in self.fleet.members.items():
            assert member.node.held == {f"lesson-{name}": self.began[name]}
            assert member.dropped == []
            assert member.node.standing == "hold"

    def all_see(self, sees: bool = True) -> bool:
        return all(member.node.sees_directory is sees for member in self.fleet.members.values())

    async def listed(self) -> bool:
        """Does the directory know what the nodes know?"""
        try:
            known = [await self.doors[0].owner(f"lesson-{name}") for name in self.nodes]
        except DirectoryGone:
            return False
        return [claim and (claim.node, claim.fence) for claim in known] == [
            (name, self.began[name]) for name in self.nodes
        ]

    async def rebuilt(self, within_s: float) -> float:
        begun = time.monotonic()
        while not await self.listed():
            assert time.monotonic() - begun < within_s
            await asyncio.sleep(0.05)
        return time.monotonic() - begun


async def run(urls: list[str]) -> Running:
    fleet = Fleet(LEASE_S)
    doors = [RedisDirectory(url, "fleet") for url in urls]
    running = Running(fleet, doors)
    for number, name in enumerate(("a", "b", "c")):
        await fleet.add(name, doors[number % len(doors)])
    await asyncio.sleep(LEASE_S * 1.5)
    for name, member in fleet.members.items():
        running.began[name] = (await member.node.claim_here(f"lesson-{name}")).fence
    for member in fleet.members.values():
        for name in fleet.members:
            await member.node.owner(f"lesson-{name}")
    return running


async def stop(running: Running) -> None:
    await running.fleet.close()
    for door in running.doors:
        await door.close()


@pytest.fixture
async def running(own_redis: RedisServer) -> AsyncIterator[Running]:
    running = await run([own_redis.url])
    yield running
    await stop(running)


async def test_lessons_outlive_a_redis_that_is_killed_and_comes_back_empty(
    own_redis: RedisServer, running: Running
) -> None:
    own_redis.kill()
    await until(lambda: running.all_see(False), 2.0)
    await asyncio.sleep(LEASE_S * 4)
    running.undisturbed()
    own_redis.start()
    took = await running.rebuilt(10.0)
    assert took < 10.0
    await until(running.all_see, 5.0)
    running.undisturbed()


async def test_while_redis_is_gone_what_is_known_is_found_and_the_rest_is_refused_in_time(
    own_redis: RedisServer, running: Running
) -> None:
    own_redis.kill()
    await until(lambda: running.all_see(False), 2.0)
    node = running.fleet.members["a"].node
    assert (await node.owner("lesson-a")).node == "a"
    assert (await node.owner("lesson-c")).node == "c"
    begun = time.monotonic()
    refusals = await asyncio.gather(*[node.owner(f"new-{number}") for number in range(50)], return_exceptions=True)
    assert time.monotonic() - begun < 2.0
    with pytest.raises(TryLater):
        await node.claim_here("new")
    for refusal in refusals:
        assert isinstance(refusal, TryLater)
        assert (refusal.status, refusal.code, refusal.retry_after_s) == (503, "directory_gone", 5)


async def test_a_new_lesson_waits_for_an_emptied_redis_to_be_whole_and_its_fence_is_higher(
    own_redis: RedisServer, running: Running
) -> None:
    own_redis.kill()
    own_redis.start()
    directory = running.doors[0]
    await directory.register(about("eager"), LEASE_S)
    with pytest.raises(DirectoryYoung):
        await directory.claim("lesson-a", NodeId("eager"), LEASE_S)
    assert await running.rebuilt(10.0) < 10.0
    await asyncio.sleep(LEASE_S * 1.2)
    await directory.register(about("eager"), LEASE_S)
    claim = await directory.claim("new", NodeId("eager"), LEASE_S)
    assert claim.fence > max(running.began.values())
    running.undisturbed()


async def test_a_redis_put_back_to_an_older_state_gives_no_lesson_away(
    own_redis: RedisServer, running: Running
) -> None:
    """Saved before the lesson moved from a to b: then b says so first, and a's old line counts for nothing."""
    own_redis.save()
    await running.fleet.members["a"].node.release("lesson-a")
    moved = await running.fleet.members["b"].node.claim_here("lesson-a")
    own_redis.kill()
    own_redis.start()
    await until(running.all_see, 10.0)
    await asyncio.sleep(LEASE_S)
    assert await running.doors[0].owner("lesson-a") == moved
    assert running.fleet.owners("lesson-a") == ["b"]


async def test_a_redis_frozen_for_two_seconds_disturbs_nobody(own_redis: RedisServer, running: Running) -> None:
    own_redis.freeze()
    try:
        await asyncio.sleep(2.0)
        running.undisturbed()
    finally:
        own_redis.thaw()
    await until(running.all_see, 5.0)
    await asyncio.sleep(LEASE_S * 1.5)
    running.undisturbed()
    assert await running.listed()


async def test_every_call_to_a_frozen_redis_ends_in_time(own_redis: RedisServer) -> None:
    directory = RedisDirectory(own_redis.url)
    await directory.register(about("a"), LEASE_S)
    own_redis.freeze()
    begun = time.monotonic()
    calls = [directory.owner("L"), directory.nodes(), directory.renew(about("a"), {"L": 1}, LEASE_S)]
    answers = await asyncio.gather(*calls, *[directory.owner(f"{n}") for n in range(40)], return_exceptions=True)
    took = time.monotonic() - begun
    own_redis.thaw()
    assert all(isinstance(answer, DirectoryGone) for answer in answers)
    assert took < CALL_S * 3  # one bound for all of them, and the slack of a busy machine
    assert [info.id for info in await directory.nodes()] == ["a"]
    await directory.close()


async def test_lessons_outlive_a_failover_to_a_replica(own_redis: RedisServer, tmp_path: Path) -> None:
    replica = RedisServer(tmp_path, replica_of=own_redis.port)
    replica.start()
    wire = Wire(own_redis.port)
    running = await run([f"redis://127.0.0.1:{await wire.start()}/0"])
    try:
        own_redis.kill()
        wire.drop()
        await asyncio.sleep(LEASE_S)
        assert replica.tell("REPLICAOF", "NO", "ONE") == "+OK"
        wire.to_port = replica.port
        assert await running.rebuilt(10.0) < 10.0
        await until(running.all_see, 5.0)
        await asyncio.sleep(LEASE_S * 1.5)
        running.undisturbed()
        again = await running.fleet.members["a"].node.owner("after")
        assert again.fence > max(running.began.values())
    finally:
        await stop(running)
        await wire.close()
        replica.kill()


async def test_a_replica_that_takes_no_writes_is_a_directory_that_is_gone(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    replica = RedisServer(tmp_path, replica_of=own_redis.port)
    replica.start()
    directory = RedisDirectory(replica.url)
    try:
        with pytest.raises(DirectoryGone):
            await directory.register(about("a"), LEASE_S)
        replica.tell("REPLICAOF", "NO", "ONE")
        await directory.register(about("a"), LEASE_S)
    finally:
        await directory.close()
        replica.kill()


async def test_who_alone_is_cut_off_stops_before_another_takes_over(own_redis: RedisServer) -> None:
    wire = Wire(own_redis.port)
    cut_off, others = f"redis://127.0.0.1:{await wire.start()}/0", own_redis.url
    running = await run([cut_off, others, others])
    try:
        wire.cut = True
        running.fleet.cut = {frozenset("ab"), frozenset("ac")}
        a, b = running.fleet.members["a"], running.fleet.members["b"]
        stopped = taken = 0.0
        begun = time.monotonic()
        while not (stopped and taken):
            assert time.monotonic() - begun < 15
            if not stopped and a.node.mine("lesson-a") is None:
                stopped = time.monotonic()
            try:
                claim = await b.node.claim_here("lesson-a")
                taken = taken or (time.monotonic() if claim.node == "b" else 0.0)
            except TryLater:
                pass
            await asyncio.sleep(0.01)
        assert stopped <= taken
        assert a.dropped == [("lesson-a", "fenced")]
        wire.cut = False
        wire.drop()
        running.fleet.cut.clear()
        await until(running.all_see, 5.0)
        assert running.fleet.owners("lesson-a") == ["b"]
        assert (await a.node.owner("lesson-a")).node == "b"
    finally:
        await stop(running)
        await wire.close()


async def test_with_a_slow_redis_and_then_no_way_between_nodes_no_lesson_has_two_owners(own_redis: RedisServer) -> None:
    """Two seconds away, Redis is as good as gone; nodes that reach nobody then let go of what they have."""
    wire = Wire(own_redis.port)
    running = await run([f"redis://127.0.0.1:{await wire.start()}/0"])
    members = running.fleet.members

    async def one_owner_each(seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert all(len(running.fleet.owners(f"lesson-{name}")) <= 1 for name in members)
            with suppress(TryLater, TimeoutError):
                # Whoever is asked for what another has must not take it.
                await asyncio.wait_for(members["b"].node.claim_here("lesson-a"), 0.05)
            await asyncio.sleep(0.01)

    async def owner_of(lesson: str) -> Claim:
        """Whom a request for the lesson is led to in the end."""
        async with asyncio.timeout(10.0):
            while True:
                with suppress(TryLater):
                    claim = await members["b"].node.owner(lesson)
                    return await members[claim.node].node.claim_here(lesson)
                await asyncio.sleep(0.05)

    try:
        wire.delay_s = 1.0  # there and back
        await one_owner_each(LEASE_S * 3)
        running.undisturbed()
        running.fleet.cut = {frozenset("ab"), frozenset("ac"), frozenset("bc")}
        await one_owner_each(LEASE_S * 5)
        assert all(("lesson-" + name, "fenced") in member.dropped for name, member in members.items())
        wire.delay_s = 0.0
        wire.drop()
        running.fleet.cut.clear()
        await until(running.all_see, 10.0)
        for name in members:
            claim = await owner_of(f"lesson-{name}")
            assert claim.fence > running.began[name]
            assert running.fleet.owners(f"lesson-{name}") == [claim.node]
        await one_owner_each(LEASE_S)
    finally:
        await stop(running)
        await wire.close()


async def test_changes_are_heard_again_after_a_restart(own_redis: RedisServer) -> None:
    directory = RedisDirectory(own_redis.url)
    heard: list[str] = []

    async def listen() -> None:
        async for lesson in directory.changes():
            heard.append(lesson)

    task = asyncio.create_task(listen())
    await until(lambda: heard == [""], 5.0)
    own_redis.kill()
    own_redis.start()
    await until(lambda: heard == ["", ""], 5.0)
    await directory.renew(about("a"), {"L": 5}, LEASE_S)
    await until(lambda: heard[-1] == "L", 5.0)
    task.cancel()
    await directory.close()


def test_an_address_that_is_none_is_refused_without_quoting_it() -> None:
    with pytest.raises(UsageError) as refused:
        RedisDirectory("http://:secret@host")
    assert "secret" not in str(refused.value)


async def test_a_process_that_was_stopped_while_another_took_over_finds_itself_fenced(own_redis: RedisServer) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.cluster.writer", own_redis.url, "L", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    lines = process.stdout

    async def says() -> str:
        """What it says next, between the lines of its log."""
        while not (line := (await lines.readline()).decode()).startswith("now "):
            assert line, "it ended"
        return line.split()[1]

    fleet = Fleet(1.0)
    directory = RedisDirectory(own_redis.url, "stopped")
    try:
        async with asyncio.timeout(30):
            while await says() != "writes":
                pass
            other = await fleet.add("other", directory)
            await asyncio.sleep(0.5)
            process.send_signal(signal.SIGSTOP)
            taken = None
            while taken is None or taken.node != "other":
                try:
                    taken = await other.node.claim_here("L")
                except TryLater:
                    pass
                await asyncio.sleep(0.05)
            process.send_signal(signal.SIGCONT)
            said = [await says()]
            while said[-1] != "fenced":
                said.append(await says())
            assert "writes" not in said
    finally:
        process.kill()
        await process.wait()
        await fleet.close()
        await directory.close()
