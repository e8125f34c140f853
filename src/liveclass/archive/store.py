"""The door to the object store: S3 and its look-alikes, or a folder. Everything of obstore is in here.

Knows no lessons. Every call is bounded in time; what goes wrong is `StoreGone`, so that whoever calls tries again
later. obstore is an extra (`fleet`): without it no store can be opened.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from liveclass.errors import UsageError

try:
    import obstore
    from obstore.exceptions import BaseError, NotFoundError
    from obstore.store import LocalStore, S3Store

    _INSTALLED = True
except ImportError:
    _INSTALLED = False

if TYPE_CHECKING:
    from obstore.store import S3Config

# A put of a whole segment over a slow line; what takes longer is tried again.
CALL_S = 60.0
_CONNECT_S = 5
# Larger files go up and come down in parts, so that they are never whole in memory.
PART_BYTES = 8 * 1024 * 1024

Result = TypeVar("Result")


class StoreGone(OSError):
    """The store does not answer, or refuses."""


class Missing(StoreGone):
    """The store has no such object."""


class Store:
    """Args:
    inner: of obstore.
    signs: whether it knows signed addresses.
    origin: scheme and host of those.
    """

    def __init__(
        self, inner: "LocalStore | S3Store", *, signs: bool, folder: Path | None = None, origin: str = ""
    ) -> None:
        self.signs = signs
        self.origin = origin
        self._inner = inner
        self._folder = folder

    @classmethod
    def open(cls, url: str, *, endpoint: str = "", region: str = "", key_id: str = "", key_secret: str = "") -> "Store":
        """The store that a URL names; nothing is asked of it yet.

        Args:
            url: `s3://bucket/prefix`, `file:///folder`; `endpoint` and `region` may stand in its query too.
            endpoint: of a look-alike of S3; empty: Amazon's.
            key_id: empty: from the environment or the machine's role, as is usual there.

        Raises:
            UsageError: the URL names no store.
        """
        if not _INSTALLED:
            raise UsageError("store_url: needs an extra: pip install 'liveclass[fleet]'")
        parts = urlsplit(url)
        if parts.scheme == "file" and parts.path.startswith("/") and not parts.netloc:
            folder = Path(unquote(parts.path))
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                return cls(LocalStore(folder, automatic_cleanup=True), signs=False, folder=folder)
            except (OSError, BaseError, ValueError) as error:
                raise UsageError(f"store_url: the folder cannot be used: {error}") from error
        if parts.scheme != "s3" or not parts.hostname:
            raise UsageError("store_url: expected s3://bucket/prefix or file:///folder")
        query = parse_qs(parts.query)
        endpoint = endpoint or query.get("endpoint", [""])[0]
        config: S3Config = {"region": region or query.get("region", ["us-east-1"])[0]}
        if endpoint:
            config["endpoint"] = endpoint
        if key_id:
            config["access_key_id"] = key_id
            config["secret_access_key"] = key_secret
        try:
            inner = S3Store(
                parts.netloc,
                prefix=parts.path.strip("/") or None,
                config=config,
                client_options={
                    "timeout": timedelta(seconds=CALL_S),
                    "connect_timeout": timedelta(seconds=_CONNECT_S),
                    "allow_http": endpoint.startswith("http://"),
                },
                # Whoever calls tries again, and knows whether it still wants to.
                retry_config={"max_retries": 1, "retry_timeout": timedelta(seconds=10)},
            )
        except (BaseError, ValueError) as error:
            raise UsageError(f"store_url: {error}") from error
        host = urlsplit(endpoint or f"https://s3.{config['region']}.amazonaws.com")
        return cls(inner, signs=True, origin=f"{host.scheme}://{host.netloc}")

    async def put(self, path: str, data: bytes | Path, content_type: str = "") -> None:
        """One object, whole or not at all. A file of any size goes up in parts.

        Raises:
            StoreGone: it is not there for certain.
        """
        attributes = {"Content-Type": content_type} if content_type and self.signs else None
        multipart = isinstance(data, Path)
        await _asked(
            lambda: obstore.put_async(
                self._inner,
                path,
                data,
                attributes=attributes,
                use_multipart=multipart,
                chunk_size=PART_BYTES,
                max_concurrency=2,
            ),
            CALL_S * (10 if multipart else 1),
        )

    async def get(self, path: str) -> bytes:
        """All bytes of a small object. Raises StoreGone, Missing."""

        async def read() -> bytes:
            found = await obstore.get_async(self._inner, path)
            return bytes(await found.bytes_async())

        return await _asked(read)

    async def get_range(self, path: str, start: int, length: int) -> bytes:
        """Some bytes of an object. Raises StoreGone, Missing."""

        async def read() -> bytes:
            return bytes(await obstore.get_range_async(self._inner, path, start=start, length=length))

        return await _asked(read)

    async def names(self, prefix: str) -> list[tuple[str, int]]:
        """Names and sizes of all objects below `prefix`, a folder. Raises StoreGone."""

        async def read() -> list[tuple[str, int]]:
            found: list[tuple[str, int]] = []
            async for batch in obstore.list(self._inner, prefix, chunk_size=1000):
                found += [(meta["path"], meta["size"]) for meta in batch]
            return found

        return await _asked(read)

    async def delete(self, paths: list[str]) -> None:
        """Remove objects; those that are not there are gone already. Raises StoreGone."""
        for at in range(0, len(paths), 500):
            some = paths[at : at + 500]
            if self._folder is None:
                await _asked(lambda some=some: obstore.delete_async(self._inner, some))  # type: ignore[misc]
                continue
            for path in some:
                with contextlib.suppress(Missing):
                    await _asked(lambda path=path: obstore.delete_async(self._inner, path))  # type: ignore[misc]

    async def sign(self, path: str, expires_s: float) -> str:
        """An address under which anyone can read the object for a while. Raises StoreGone."""
        inner = self._inner
        if not isinstance(inner, S3Store):
            raise StoreGone("this store knows no signed addresses")
        return await _asked(lambda: obstore.sign_async(inner, "GET", path, timedelta(seconds=expires_s)))

    async def chunks(self, path: str, start: int, length: int) -> AsyncIterator[bytes]:
        """A range of an object, a part at a time. Raises StoreGone, Missing."""
        while length > 0:
            some = min(length, 512 * 1024)
            yield await self.get_range(path, start, some)
            start, length = start + some, length - some


async def _asked(call: Callable[[], Coroutine[Any, Any, Result]], limit_s: float = CALL_S) -> Result:
    try:
        async with asyncio.timeout(limit_s):
            return await call()
    except (NotFoundError, FileNotFoundError) as error:
        raise Missing("there is no such object in the store") from error
    except TimeoutError as error:
        raise StoreGone("the store does not answer") from error
    except (BaseError, OSError, ValueError) as error:
        # Its text may hold the address with its key; logs must not.
        raise StoreGone(f"the store refuses ({type(error).__name__})") from error
