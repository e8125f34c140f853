"""The scheduling class that this process runs in. Knows nothing of who would change it."""

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def class_kept() -> Iterator[None]:
    """Has this thread in its class of before again, whatever a library did meanwhile.

    SVT-AV1 puts whoever opens its encoder as root into the real-time class, at the highest priority and for good. All
    that such a process starts is in it too; two of them that wait for threads of theirs in a loop, as encoders and
    linear algebra do, then hold two cores for ever, and no other process comes to run.
    """
    policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:
            os.sched_setscheduler(0, policy, priority)
