"""The floor under the figures: that it is measured at all, and that processes stand where the bench says."""

import os
import subprocess
import sys

import pytest

from bench import figures, floor, kernel, place

PACKETS_A_SECOND = 187
"""Of the clip: 4.6 of a frame, 30 times, and 50 of sound."""


@pytest.mark.skipif(bool(floor.unavailable()), reason=floor.unavailable())
def test_the_floor_sends_what_the_clip_has_to_every_receiver() -> None:
    found = floor.run(3, 1.0)
    assert "error" not in found, found
    assert found["n"] == 3
    assert found["us_per_packet"] > 0
    assert 0 < found["out_p50_ms"] <= found["out_p99_ms"]
    assert found["packets"] == pytest.approx(3 * PACKETS_A_SECOND, rel=0.2)


@pytest.mark.skipif(bool(floor.unavailable()), reason=floor.unavailable())
def test_what_the_floor_was_not_asked_for_costs_nothing() -> None:
    nothing = floor.run(20, 0.5, seals=False, sends=False)
    assert nothing["us_per_packet"] < floor.run(20, 0.5)["us_per_packet"]


def test_the_floor_has_a_column_and_no_aim_of_its_own() -> None:
    raw = {
        "runs": [
            {
                "adapter": "floor", "n": 100, "offered_srtp": kernel.GCM, "parallel": 4, "apart": apart, "joined": 100,
                "loss_pct": None, "us_per_packet": us,
            }
            for apart, us in ((False, 4.5), (True, 3.25))
        ],
    }  # fmt: skip
    rows = figures.table(raw, kernel.FIGURES).splitlines()
    assert rows[0].endswith("| bare loop in C |")
    assert [row.split("|")[-2].strip() for row in rows if "µs |" in row and row.split("|")[-2].strip() != "–"] == [
        "4.5 µs",
        "3.25 µs",
    ]


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core")
def test_a_server_has_a_core_and_the_generator_the_others() -> None:
    first, second = (subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) for _ in range(2))
    try:
        place.on_its_core(first.pid)
        place.beside(second.pid)
        assert os.sched_getaffinity(first.pid) == {place.SERVER_CORE}
        assert place.SERVER_CORE not in os.sched_getaffinity(second.pid)
        assert os.sched_getaffinity(second.pid)
    finally:
        for one in (first, second):
            one.communicate(b"\n", timeout=30)
