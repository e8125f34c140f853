"""Which directory a configuration asks for. The only place that knows all of them."""

from pathlib import Path

from liveclass.cluster.directory import Directory
from liveclass.cluster.file import FileDirectory
from liveclass.cluster.memory import MemoryDirectory
from liveclass.errors import UsageError


def open_directory(redis_url: str, prefix: str, shared: Path | None) -> Directory:
    """The directory to use; nothing is connected yet.

    Args:
        redis_url: setting `redis_url`; empty: this machine is alone.
        prefix: setting `fleet_prefix`.
        shared: file that the workers of this machine share; None: there is one process.

    Raises:
        UsageError: the URL is none, or the packages for it are missing.
    """
    if redis_url:
        try:
            from liveclass.cluster.redis import RedisDirectory
        except ImportError as missing:
            raise UsageError("redis_url: needs `pip install 'liveclass[fleet]'`") from missing
        return RedisDirectory(redis_url, prefix)
    return MemoryDirectory() if shared is None else FileDirectory(shared)
