"""The comparison of native and Python: what stops a growing crowd, what a slope is, and that nothing is left behind."""

import os
from typing import Any

import pytest

from bench import crowd, figures, kernel, turnover
from liveclass.transport import native

STEP: dict[str, Any] = {
    "n": 500, "failures": [], "full_sockets": 0, "loss_pct": 0.0, "server_cpu": 0.4, "generator_cpu": [0.1, 0.5],
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({}, ""),
        ({"full_sockets": 3, "loss_pct": 0.1}, "the generator: 3 datagrams"),
        ({"generator_cpu": [0.1, 0.97]}, "the generator: it took 0.97"),
        ({"loss_pct": 0.2}, "the server: 0.2 % lost"),
        ({"server_cpu": 0.99}, "the server: it took 0.99"),
        ({"failures": ["TimeoutError no DTLS connection"]}, "1 could not join"),
    ],
)
def test_a_step_says_who_is_at_its_end(changed: dict[str, Any], word: str) -> None:
    said = crowd.limit({**STEP, **changed})
    assert said.startswith(word)
    assert bool(said) == bool(changed)


def test_the_slope_is_that_of_the_second_half() -> None:
    assert turnover.slope([0, 500, 900, 1000, 1000, 1000, 1000, 1000]) == 0
    assert turnover.slope([0, 0, 0, 0, 0, 10, 20, 30]) == 10


def test_every_aim_is_measured_by_a_scenario() -> None:
    run = {"us_per_packet": 1.5, "loss_pct": 0.0, "latency_p50_ms": 0.5, "latency_p99_ms": 4.0, "check_failed": 0}
    runs = [
        {
            **run, "adapter": s.adapter, "n": s.n, "joined": s.n, "offered_srtp": s.srtp, "parallel": s.parallel,
            "feedback": s.feedback, "whole": s.whole, "apart": s.apart,
        }
        for s in kernel.SCENARIOS
    ]  # fmt: skip
    rows = figures.table({"runs": runs}, kernel.FIGURES).splitlines()[2:]
    said = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    assert {row[3] for row in said if row[1]} == {"met"}
    assert len(said) == len(kernel.FIGURES)


def test_a_wrong_packet_anywhere_is_counted() -> None:
    raw = {"runs": [{"check_failed": 1}, {"error": "no"}], "crowd": [{"check_failed": 2}], "turnover": [{}]}
    assert kernel.wrong(raw) == 3


@pytest.mark.parametrize("natively", [False, True], ids=["in Python", "natively"])
@pytest.mark.skipif("LIVECLASS_FANOUT_MODULE" in os.environ, reason="a sanitizer keeps what was freed")
def test_ten_thousand_who_come_and_go_leave_nothing_behind(natively: bool) -> None:
    if natively and not native.built():
        pytest.skip("the native fan-out was not built; see script/build-fanout")
    found = turnover.at_the_table(10_000, natively=natively)
    assert len(found["kb"]) == 11
    # The smallest leak of all, a stream's 64 bytes for each, would be 60 KB for each thousand.
    assert found["slope_kb"] < 30, turnover.text(found)
