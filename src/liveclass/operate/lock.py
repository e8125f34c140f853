"""One server for each data folder: a second one would repair the first one's recordings while they are written.

The kernel holds the lock and lets go of it when the process dies, however it dies. Knows nothing of what is in the
folder.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from liveclass.errors import UsageError


@contextmanager
def held(data_dir: Path) -> Iterator[int]:
    """Hold the data folder, which is made when missing.

    Yields the descriptor of the lock: a child process that inherits it holds the folder too, to its own end.

    Raises:
        UsageError: another liveclass holds it, or it cannot be written.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as failure:
        raise UsageError(f"data_dir: {data_dir} cannot be written: {failure.strerror}") from failure
    try:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as other:
                raise UsageError(
                    f"data_dir: another liveclass is using {data_dir}; stop it, or give this one its own --data-dir"
                ) from other
        yield descriptor
    finally:
        os.close(descriptor)
