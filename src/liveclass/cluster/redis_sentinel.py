"""Where the master of a Redis is, told by Sentinels: `redis+sentinel://[:password@]host:26379,host2:26379/mymaster/0`.

With `rediss+sentinel://` all of it is TLS, to the Sentinels and to the Redis. Each new connection asks for the master
first, so a failover needs no other address and no restart. Part of `cluster/redis.py`, which alone uses it; knows no
directory and no lesson.
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import (
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.backoff import NoBackoff

SCHEMES = ("redis+sentinel", "rediss+sentinel")
"""Plain, and in TLS."""

TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
"""What the URL may say of TLS, each a path: whom to trust (else whom the system trusts), and who we are."""

ASK_S = 0.25
"""How long one Sentinel may take, connecting included: some may lie on the machine that was lost with the master, and
one that answers must still be reached within the bound of a call."""

MAX_SENTINELS = 16

_PORT = 26379
_URL = re.compile(
    r"redis(?P<tls>s?)\+sentinel://(?:(?P<user>[^:@/?#]*):(?P<password>[^@/?#]*)@)?(?P<hosts>[^@/?#]+)"
    r"/(?P<master>[A-Za-z0-9._-]{1,128})(?:/(?P<database>\d{1,4}))?(?:\?(?P<query>[^#]*))?"
)
_HOST = re.compile(r"(?P<host>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class Address:
    """What such a URL says.

    Attributes:
        sentinels: host and port of each.
        master: the name under which they watch it.
        password: of the Redis itself, `user` its name there; both may be empty.
        sentinel_password: of the Sentinels, which have their own; empty: none.
        tls: certificates are asked for, and looked at.
        tls_files: path by option, of `TLS_OPTIONS`.
    """

    sentinels: tuple[tuple[str, int], ...]
    master: str
    database: int = 0
    user: str = ""
    password: str = ""
    sentinel_password: str = ""
    tls: bool = False
    tls_files: tuple[tuple[str, str], ...] = ()


def parse(url: str) -> Address:
    """What the URL says.

    Raises:
        ValueError: it is none; without a word of it, since it may hold a password.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise ValueError("no such URL")
    sentinels = []
    for part in found["hosts"].split(","):
        host = _HOST.fullmatch(part)
        port = int(host["port"] or _PORT) if host is not None else 0
        if host is None or not 0 < port < 65536:
            raise ValueError("no host and port")
        sentinels.append((host["host"].strip("[]"), port))
    query = dict(parse_qsl(found["query"] or "", keep_blank_values=True))
    sentinel_password = query.pop("sentinel_password", "")
    tls = bool(found["tls"])
    tls_files = tuple((name, query.pop(name)) for name in TLS_OPTIONS if tls and name in query)
    if query or not all(path for _, path in tls_files) or len(sentinels) > MAX_SENTINELS:
        raise ValueError("an option that is none, or too many hosts")
    return Address(
        tuple(sentinels),
        found["master"],
        int(found["database"] or 0),
        unquote(found["user"] or ""),
        unquote(found["password"] or ""),
        sentinel_password,
        tls,
        tls_files,
    )


class _Pool(SentinelConnectionPool, BlockingConnectionPool):
    """Connections to the master of now; more calls at a time wait for one."""


def client(address: Address, *, retry: Retry, **connection: Any) -> Redis:
    """A client of whatever is the master when it connects.

    Args:
        retry: of each call; a second attempt asks the Sentinels again.
        connection: bounds of the pool and of each connection.
    """
    tls: dict[str, Any] = dict(address.tls_files) | {"ssl_cert_reqs": "required"} if address.tls else {}
    sentinels = Sentinel(  # type: ignore[no-untyped-call]
        address.sentinels,
        sentinel_kwargs={
            "socket_timeout": ASK_S,
            "socket_connect_timeout": ASK_S,
            "password": address.sentinel_password or None,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            "ssl": address.tls,
            **tls,
        },
    )
    pool = _Pool(  # type: ignore[no-untyped-call]
        address.master,
        sentinels,
        db=address.database,
        username=address.user or None,
        password=address.password or None,
        retry=retry,
        connection_class=SentinelManagedSSLConnection if address.tls else SentinelManagedConnection,
        **tls,
        **connection,
    )
    return Redis(connection_pool=pool)


async def forget(made: Redis) -> None:
    """End the connections to the Sentinels of a client that `client` has made; any other has none."""
    if isinstance(made.connection_pool, _Pool):
        await made.connection_pool.sentinel_manager.aclose()
