"""What holds for all tests: property tests give the same cases on every run where nobody watches, and no test is timed.

`HYPOTHESIS_PROFILE=explore script/test -k fuzz` looks for new cases instead.

No test hangs the run: where the time limit could not end one (it raises in the main thread, and a task that swallows
its cancellation keeps the loop for ever), the process says where each thread stands and ends; that test has failed.
"""

import faulthandler
import gc
import os
import sys
from collections.abc import Generator

import pytest
from hypothesis import settings

LIMIT_S = 120.0
"""Where nothing else is set."""

GRACE_S = 60.0
"""Beyond a test's own limit, for what has to be put away after it."""

_stderr = os.dup(sys.stderr.fileno())
"""The run's own: while a test runs pytest has put a file in its place, which nobody would read any more."""

# No deadline: a busy machine is no fault of the code; time limits are measured where they are the law.
settings.register_profile("repeatable", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("explore", deadline=None, print_blob=True, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def pytest_collection_finish() -> None:
    # The tests themselves are 200 MB that never go: to look through all of them stops a test's clock for half a second.
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    marker = item.get_closest_marker("timeout")
    given = item.config.getoption("timeout") or item.config.getini("timeout") or LIMIT_S
    limit_s = marker.args[0] if marker and marker.args else given
    faulthandler.dump_traceback_later(float(limit_s) + GRACE_S, exit=True, file=_stderr)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()
