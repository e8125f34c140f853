"""The directory of a fleet: Redis, by Lua scripts of one atomic step each (`cluster/scripts.py`).

Every call ends within `CALL_S`. A connection that failed is not used again, so the next call finds the server that is
there then: the same one started anew, or the replica that took its place, at the same address or where Sentinels say
(`cluster/redis_sentinel.py`). Nothing is kept here that could be stale.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from liveclass.cluster import redis_sentinel, scripts
from liveclass.cluster.directory import DirectoryGone, DirectoryYoung, NodeForgotten, Renewal
from liveclass.cluster.model import Claim, NodeId, NodeInfo
from liveclass.errors import UsageError

CALL_S = 1.0
"""Bound of every call, connecting included."""

SOCKET_S = 0.9
"""Bound of connecting, and of each answer."""

MAX_CONNECTIONS = 16
"""More calls at a time wait for one of these, within their bound."""

QUIET_S = 5.0
"""Silence after which a reader of changes asks whether the server is there, and gives it as long to answer."""

RETRY_S = 0.3
"""Between two attempts of a reader of changes to come back."""


class RedisDirectory:
    """A `Directory` in Redis 6 or later, or what speaks its protocol.

    Args:
        url: `redis://`, `rediss://`, `unix://`, `redis+sentinel://` or `rediss+sentinel://`,
            with password and number of the database.
        prefix: what all keys begin with.

    Raises:
        UsageError: the URL is none.
    """

    def __init__(self, url: str, prefix: str = "liveclass") -> None:
        # A connection from before a restart shows that it is dead when it is used: once more, at once.
        self._redis = _client(url, retries=1)
        # A reader must hear of a break, since it may have missed something.
        self._reader = _client(url, retries=0)
        self._tag = f"{{{prefix}}}:"
        self._channel = f"{self._tag}changes"
        self._keys = [self._tag + name for name in ("nodes", "leases", "forgotten", "meta")]
        self._register = self._redis.register_script(scripts.REGISTER)
        self._renew = self._redis.register_script(scripts.RENEW)
        self._nodes = self._redis.register_script(scripts.NODES)
        self._claim = self._redis.register_script(scripts.CLAIM)
        self._owner = self._redis.register_script(scripts.OWNER)
        self._release = self._redis.register_script(scripts.RELEASE)
        self._forget_node = self._redis.register_script(scripts.FORGET_NODE)

    async def register(self, info: NodeInfo, ttl_s: float) -> None:
        await self._call(self._register, [], [info.id, msgspec.json.encode(info), _ms(ttl_s)])

    async def renew(self, info: NodeInfo, claims: Mapping[str, int], ttl_s: float, *, blind: bool = False) -> Renewal:
        told = [info.id, msgspec.json.encode(info), _ms(ttl_s), self._channel, str(int(blind))]
        for lesson, fence in claims.items():
            told += [lesson, str(fence)]
        settled, *lost = await self._call(self._renew, list(claims), told)
        return Renewal(frozenset(lost), settled == "settled")

    async def nodes(self) -> list[NodeInfo]:
        found = await self._call(self._nodes, [], [])
        # None: a node whose line was lost while its lease was not; it says it again within a third of its lease.
        lines = (msgspec.json.decode(line, type=NodeInfo) for line in found if line is not None)
        return sorted(lines, key=lambda info: info.id)

    async def claim(self, lesson: str, node: NodeId, ttl_s: float) -> Claim:
        answer, number, owner = await self._call(self._claim, [lesson], [node, _ms(ttl_s), self._channel, lesson])
        if answer == "young":
            raise DirectoryYoung(int(number) / 1000)
        return Claim(lesson, NodeId(owner), int(number))

    async def owner(self, lesson: str) -> Claim | None:
        found = await self._call(self._owner, [lesson], [])
        return None if found is None else Claim(lesson, NodeId(found[1]), int(found[0]))

    async def release(self, claim: Claim) -> None:
        await self._call(self._release, [claim.lesson], [claim.node, str(claim.fence), self._channel, claim.lesson])

    async def forget_node(self, node: NodeId) -> None:
        await self._call(self._forget_node, [], [node, self._channel])

    async def changes(self) -> AsyncIterator[str]:
        while True:
            try:
                async with self._reader.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(self._channel)
                    yield ""  # what changed before is not told again
                    asked = False
                    while True:
                        message = await channel.get_message(timeout=QUIET_S)
                        if message is None and asked:
                            break
                        asked = message is None
                        if message is None:
                            await channel.ping()
                        elif message["type"] == "message":
                            yield message["data"]
            except (RedisError, OSError, TimeoutError):
                pass
            await asyncio.sleep(RETRY_S)

    async def close(self) -> None:
        try:
            async with asyncio.timeout(CALL_S):
                for client in (self._redis, self._reader):
                    await client.connection_pool.disconnect()
                    await redis_sentinel.forget(client)
        except (RedisError, OSError, TimeoutError):
            pass  # the connections are gone all the same

    async def _call(self, script: Any, lessons: list[str], told: list[Any]) -> Any:
        keys = self._keys + [f"{self._tag}claim:{lesson}" for lesson in lessons]
        try:
            async with asyncio.timeout(CALL_S):
                return await script(keys=keys, args=told)
        except ResponseError as refusal:
            if "FORGOTTEN" in str(refusal):
                raise NodeForgotten from None
            # It answers, but cannot: it loads, became a replica, is full. Another may have its address by now.
            await self._redis.connection_pool.disconnect(inuse_connections=False)
            raise DirectoryGone(f"Redis refused: {str(refusal)[:100]}") from refusal
        except (RedisError, OSError, TimeoutError) as failure:
            raise DirectoryGone(f"Redis does not answer: {type(failure).__name__}") from failure


def _client(url: str, *, retries: int) -> Redis:
    bounds: dict[str, Any] = {
        "max_connections": MAX_CONNECTIONS,
        "timeout": SOCKET_S,
        "socket_timeout": SOCKET_S,
        "socket_connect_timeout": SOCKET_S,
        "protocol": 2,
        "decode_responses": True,
    }
    retry = Retry(NoBackoff(), retries)
    try:
        if url.partition(":")[0] in redis_sentinel.SCHEMES:
            return redis_sentinel.client(redis_sentinel.parse(url), retry=retry, **bounds)
        pool: BlockingConnectionPool = BlockingConnectionPool.from_url(url, retry=retry, **bounds)
    except (ValueError, RedisError):
        # The reason may quote the URL, and with it the password.
        raise UsageError(
            "redis_url: no URL such as redis://:password@host:6379/0 "
            "or redis+sentinel://:password@host:26379,host2:26379/mymaster/0"
        ) from None
    return Redis(connection_pool=pool)


def _ms(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))
