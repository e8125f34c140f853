"""A Redis watched by Sentinels: the address, and real failovers, with what the nodes make of them."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from liveclass.cluster.directory import DirectoryGone
from liveclass.cluster.peers import TryLater
from liveclass.cluster.redis import CALL_S, RedisDirectory
from liveclass.cluster.redis_sentinel import Address, parse
from liveclass.config import load
from liveclass.errors import UsageError
from tests.cluster.nodes import about
from tests.cluster.test_redis_faults import LEASE_S, Running, run, stop, until
from tests.servers import RedisServer, SentinelServer, free_port

FAILOVER_S = 30.0
"""Sentinels on a busy machine take their time to agree; when they have, the nodes have 10 s."""

SECRET = "of-the-sentinels"  # noqa: S105


class Watched:
    """A master, a replica and three Sentinels, two of which are enough."""

    def __init__(self, folder: Path, master: RedisServer) -> None:
        self.master = master
        (folder / "replica").mkdir()
        self.replica = RedisServer(folder / "replica", replica_of=master.port)
        self.sentinels = [SentinelServer(folder, master, quorum=2) for _ in range(3)]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{SentinelServer.NAME}/0"

    async def start(self) -> None:
        self.replica.start()
        for sentinel in self.sentinels:
            sentinel.start()
        await until(lambda: all(sentinel.sees(replicas=1, sentinels=2) for sentinel in self.sentinels), FAILOVER_S)

    async def promoted(self) -> None:
        """Wait until the replica is the master."""
        await until(lambda: self.replica.tell("SET", "probe", "1") == "+OK", FAILOVER_S)

    def kill(self) -> None:
        for sentinel in self.sentinels:
            sentinel.kill()
        self.replica.kill()


@pytest.fixture
async def watched(own_redis: RedisServer, tmp_path: Path) -> AsyncIterator[Watched]:
    watched = Watched(tmp_path, own_redis)
    try:
        await watched.start()
        yield watched
    finally:
        watched.kill()


async def answering(call: Callable[[], Awaitable[object]]) -> None:
    """Ask the directory until it answers."""
    async with asyncio.timeout(FAILOVER_S):
        while True:
            with suppress(DirectoryGone):
                await call()
                return
            await asyncio.sleep(0.05)


async def failed_over(watched: Watched, running: Running) -> None:
    """The replica is the master, and the nodes have found that out by themselves."""
    await watched.promoted()
    assert await running.rebuilt(10.0) < 10.0
    await until(running.all_see, 5.0)
    running.undisturbed()


async def test_a_machine_lost_with_the_master_and_a_sentinel_is_followed_by_all_nodes_and_no_lesson_notices(
    watched: Watched,
) -> None:
    running = await run([watched.url])
    try:
        watched.master.kill()
        watched.sentinels[0].kill()
        await failed_over(watched, running)
        again = None
        async with asyncio.timeout(LEASE_S * 10):
            while again is None:
                with suppress(TryLater):  # for a lease: somebody may not have said yet what it owns
                    again = await running.fleet.members["a"].node.owner("after")
                await asyncio.sleep(0.05)
        assert again.fence > max(running.began.values())
    finally:
        await stop(running)


async def test_a_master_that_wakes_up_as_a_replica_is_told_nothing_any_more(watched: Watched) -> None:
    running = await run([watched.url])
    try:
        watched.master.freeze()
        try:
            await failed_over(watched, running)
        finally:
            watched.master.thaw()
        await until(lambda: watched.master.tell("SET", "probe", "2").startswith("-READONLY"), FAILOVER_S)
        assert await running.rebuilt(10.0) < 10.0
        running.undisturbed()
    finally:
        await stop(running)


async def test_changes_are_heard_from_the_new_master(watched: Watched) -> None:
    directory = RedisDirectory(watched.url)
    heard: list[str] = []

    async def listen() -> None:
        async for lesson in directory.changes():
            heard.append(lesson)

    task = asyncio.create_task(listen())
    try:
        await until(lambda: heard == [""], 5.0)
        watched.master.kill()
        await watched.promoted()
        await until(lambda: len(heard) > 1 and not any(heard), 10.0)

        await answering(lambda: directory.renew(about("a"), {"L": 5}, LEASE_S))
        await until(lambda: heard[-1] == "L", 10.0)
    finally:
        task.cancel()
        await directory.close()


async def test_sentinels_have_a_password_of_their_own_and_calls_wait_for_a_connection(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    assert own_redis.tell("CONFIG", "SET", "requirepass", "of:the@master") == "+OK"
    sentinel = SentinelServer(tmp_path, own_redis, quorum=1, password=SECRET, auth="of:the@master")
    sentinel.start()
    nobody = free_port()
    hosts = f"127.0.0.1:{nobody},127.0.0.1:{sentinel.port}"
    directory = RedisDirectory(
        f"redis+sentinel://:of%3Athe%40master@{hosts}/{SentinelServer.NAME}/1?sentinel_password={SECRET}"
    )
    try:
        await answering(lambda: directory.register(about("a"), 60.0))
        answers = await asyncio.gather(*[directory.nodes() for _ in range(100)])
        assert all([info.id for info in nodes] == ["a"] for nodes in answers)
    finally:
        await directory.close()
        sentinel.kill()


async def test_without_a_sentinel_that_answers_the_directory_is_gone_and_every_call_ends_in_time() -> None:
    directory = RedisDirectory(f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{free_port()}/mymaster")
    begun = time.monotonic()
    with pytest.raises(DirectoryGone):
        await directory.owner("L")
    assert time.monotonic() - begun < CALL_S * 2
    await directory.close()


@pytest.fixture
def certificates(tmp_path: Path) -> tuple[Path, Path, Path]:
    """An authority, and a certificate of 127.0.0.1 that it has signed, with its key."""
    folder = tmp_path / "tls"
    folder.mkdir()
    authority, certificate, key = folder / "ca.pem", folder / "cert.pem", folder / "key.pem"

    def openssl(*words: str | Path) -> None:
        subprocess.run(["openssl", *map(str, words)], cwd=folder, check=True, capture_output=True, timeout=30)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc")
    openssl("req", "-x509", *new_key, "-keyout", "ca.key", "-out", authority, "-days", "2", "-subj", "/CN=authority")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl("req", *new_key, "-keyout", key, "-out", "request", "-subj", "/CN=redis")
    signing = ("-CA", authority, "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
    openssl("x509", "-req", "-in", "request", *signing, "-out", certificate)
    return authority, certificate, key


async def test_sentinels_and_their_master_are_spoken_with_in_tls_by_who_has_a_certificate(
    tmp_path: Path, certificates: tuple[Path, Path, Path]
) -> None:
    authority, certificate, key = certificates
    master = RedisServer(tmp_path, tls=certificates)
    sentinel = SentinelServer(tmp_path, master, quorum=1, tls=certificates)
    address = f"+sentinel://127.0.0.1:{sentinel.port}/{SentinelServer.NAME}/0"
    mine = f"ssl_certfile={certificate}&ssl_keyfile={key}"
    known = RedisDirectory(f"rediss{address}?ssl_ca_certs={authority}&{mine}")
    strangers = [f"redis{address}", f"rediss{address}?{mine}", f"rediss{address}?ssl_ca_certs={authority}"]
    doors = [RedisDirectory(url) for url in strangers]
    try:
        master.start()
        sentinel.start()
        await answering(lambda: known.register(about("a"), 60.0))
        assert [info.id for info in await known.nodes()] == ["a"]
        for door in doors:  # plain; one that trusts nobody of ours; one that has no certificate
            with pytest.raises(DirectoryGone):
                await door.nodes()
    finally:
        for door in [known, *doors]:
            await door.close()
        sentinel.kill()
        master.kill()


def test_the_address_is_read_whole() -> None:
    assert parse("redis+sentinel://host/name") == Address((("host", 26379),), "name")
    assert parse("redis+sentinel://user:p%40ss@a:1,[fd00::1]:2/my-master/3?sentinel_password=x") == Address(
        (("a", 1), ("fd00::1", 2)), "my-master", 3, "user", "p@ss", "x"
    )
    assert parse("rediss+sentinel://a/name?ssl_ca_certs=/a%20b/ca.pem") == Address(
        (("a", 26379),), "name", tls=True, tls_files=(("ssl_ca_certs", "/a b/ca.pem"),)
    )
    for scheme in ("redis+sentinel", "rediss+sentinel"):
        url = f"{scheme}://:secret@a:1,b:2/mymaster/0"
        assert load({"redis_url": url}).redis_url == url


NONE = [
    "",
    "/name",
    "h",
    "h/",
    "h:0/name",
    "h:99999/name",
    "h,/name",
    "h/name/x",
    "h/name?x=1",
    "h/n#a",
    "h/n?ssl_ca_certs=/ca.pem",
]


@pytest.mark.parametrize("rest", [*NONE, ":secret@h/na me", ",".join(["h"] * 17) + "/name"])
def test_an_address_that_is_none_is_refused_without_quoting_it(rest: str) -> None:
    with pytest.raises(UsageError, match="redis_url: no URL") as refused:
        RedisDirectory(f"redis+sentinel://{rest}")
    assert "secret" not in str(refused.value)
