"""No test leaves its process in a class that starves the machine."""

import os
from collections.abc import Callable

import pytest

from tests.recording import media
from tests.rtp import packetize


@pytest.mark.parametrize(
    "encode",
    [
        pytest.param(lambda: packetize.encoded.__wrapped__("AV1"), id="packets"),
        pytest.param(lambda: media.pictures.__wrapped__("AV1", 1), id="pictures"),
    ],
)
def test_encoding_leaves_this_process_in_its_scheduling_class(encode: Callable[[], object]) -> None:
    """SVT-AV1 alone would leave it in the real-time class, at the highest priority."""
    before = os.sched_getscheduler(0), os.sched_getparam(0).sched_priority
    encode()
    assert (os.sched_getscheduler(0), os.sched_getparam(0).sched_priority) == before
