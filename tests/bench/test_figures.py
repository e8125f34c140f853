"""The report's table: every target beside what was measured, and a plain word."""

from typing import Any

import pytest
from bench.figures import FIGURES, NOISE_CORES, notes, number, table

RUN: dict[str, Any] = {
    "adapter": "liveclass", "n": 100, "offered_srtp": "cm80", "parallel": 4, "joined": 100, "failures": [],
    "us_per_packet": 8.5, "loss_pct": 0.0, "video_fps_per_sub": 30.0, "rss_mb": 110.0, "rss_per_sub_kb": 120.0,
    "latency_p50_ms": 2.0, "latency_p99_ms": 15.0, "joins_ms": [20.0] * 99 + [50.0], "others_cpu": 0.05,
    "checked": 1000, "check_failed": 0, "check_faults": {}, "recording": "recording", "delivered_pps": 18_800.0,
}  # fmt: skip


def lesson(pair: int, record: bool, cpu: float, **more: Any) -> dict[str, Any]:
    about = {"pair": pair, "record": record, "cpu": cpu, "others_cpu": 0.05}
    return {**about, "recording": "recording" if record else "off", **({"replay_ms": 300.0} if record else {}), **more}


def raw(**more: Any) -> dict[str, Any]:
    """Results that meet every target."""
    return {
        "date": "2025-01-01 00:00", "cores": 2, "cpu": "a CPU", "kernel": "6.1", "python": "3.11", "quick": False,
        "runs": [
            RUN,
            {**RUN, "offered_srtp": "gcm128", "us_per_packet": 7.5},
            {**RUN, "n": 400, "joined": 400},
            {**RUN, "feedback": True, "adaptation": True, "us_per_packet": 9.3},
            {**RUN, "feedback": True, "adaptation": False},
            {**RUN, "n": 50, "joined": 50, "parallel": 50, "joins_ms": [200.0] * 50},
        ],
        "memory": {"n": 100, "baseline_mb": 100.0, "full_mb": [110.0] * 3, "empty_mb": [101.0, 102.0, 102.5],
                   "joined": [100] * 3},
        "recorder": [lesson(0, True, 0.034), lesson(0, False, 0.030), lesson(1, False, 0.030), lesson(1, True, 0.032)],
        **more,
    }  # fmt: skip


def cells(results: dict[str, Any]) -> dict[str, list[str]]:
    """Rows of the table by what they are about."""
    lines = table(results).splitlines()
    return {row[0]: row[1:] for row in ([c.strip() for c in line.split("|")[1:-1]] for line in lines)}


def words(results: dict[str, Any]) -> set[str]:
    return {row[2] for what, row in cells(results).items() if what not in {"", "---"}} - {""}


def changed(n: int, offered_srtp: str = "cm80", **more: Any) -> dict[str, Any]:
    results = raw()
    for run in results["runs"]:
        if (run["n"], run["offered_srtp"]) == (n, offered_srtp):
            results["runs"][results["runs"].index(run)] = {**run, **more}
    return results


def emptied(mb: list[float]) -> dict[str, Any]:
    return raw(memory={**raw()["memory"], "empty_mb": mb})


def missed(results: dict[str, Any]) -> list[str]:
    return [what for what, row in cells(results).items() if row[2] == "missed"]


def test_results_that_keep_every_target_say_so_in_each_row() -> None:
    assert words(raw()) == {"met"}
    assert len([f for f in FIGURES if f.target]) == sum(row[2] == "met" for row in cells(raw()).values())


@pytest.mark.parametrize(
    ("results", "row"),
    [
        (changed(100, us_per_packet=9.01), "CPU per packet, 100 subscribers, AES-CM"),
        (changed(100, "gcm128", us_per_packet=8.1), "the same with AES-GCM"),
        (changed(100, loss_pct=0.001), "packets lost, 100 subscribers"),
        (changed(400, loss_pct=0.001), "packets lost, 400 subscribers in one process"),
        (changed(400, joined=399), "packets lost, 400 subscribers in one process"),
        (changed(100, latency_p50_ms=3.1), "added latency, 100 subscribers, p50"),
        (changed(100, latency_p99_ms=20.1), "added latency, p99"),
        (changed(100, joins_ms=[26.0] * 100), "request to first packet, 4 joining at a time, p50"),
        (changed(100, joins_ms=[10.0] * 90 + [61.0] * 10), "request to first packet, p95"),
        (changed(50, joins_ms=[401.0] * 50), "50 joining at once, p95"),
        (changed(100, rss_per_sub_kb=201.0), "memory per subscriber"),
        (emptied([106.0, 106.0]), "memory kept after 100 joined and left, three times"),
        (emptied([101.0, 102.1]), "of it added by the last time"),
        (raw(recorder=[lesson(0, True, 0.035), lesson(0, False, 0.030)]), "recording, of a core per lesson"),
        (raw(recorder=[lesson(0, True, 0.03, replay_ms=1001.0), lesson(0, False, 0.03)]),
         "end of the lesson to a replay that plays, slowest"),
    ],
)  # fmt: skip
def test_a_target_that_is_not_kept_is_missed_and_no_other(results: dict[str, Any], row: str) -> None:
    assert missed(results) == [row]


def test_what_was_not_measured_is_not_met() -> None:
    assert words(raw(runs=[], memory=None, recorder=[])) == {"not measured"}
    failed = [{**lesson(0, True, 0.03), "error": "TimeoutError"}, lesson(0, False, 0.03)]
    assert cells(raw(recorder=failed))["end of the lesson to a replay that plays, slowest"][2] == "not measured"


def adapted(*pairs: tuple[float, float, float]) -> dict[str, Any]:
    """Pairs of what a packet costs adapted and plain, and the adapted packets a second."""
    results = raw()
    results["runs"] = [run for run in results["runs"] if "feedback" not in run]
    for dear, plain, pps in pairs:
        about = {**RUN, "feedback": True}
        results["runs"] += [
            {**about, "adaptation": True, "us_per_packet": dear, "delivered_pps": pps},
            {**about, "adaptation": False, "us_per_packet": plain},
        ]
    return results


def test_what_adaptation_adds_is_judged_by_the_median_of_the_pairs() -> None:
    row = "added to it by adaptation to each subscriber's link"
    assert missed(adapted((9.0, 8.0, 18_800.0))) == [row]
    assert cells(adapted((9.0, 8.0, 18_800.0), (8.4, 8.0, 18_800.0), (8.8, 8.0, 18_800.0)))[row][1] == "10 %"
    assert missed(adapted((8.4, 8.0, 18_800.0), (8.4, 8.0, 18_800.0), (9.9, 8.0, 18_800.0))) == []


def test_subscribers_that_got_less_than_the_whole_say_nothing_of_what_adaptation_costs() -> None:
    row = "added to it by adaptation to each subscriber's link"
    assert cells(adapted((8.1, 8.0, 9_000.0)))[row][2] == "not measured"


def test_subscribers_with_feedback_do_not_count_among_those_without() -> None:
    results = adapted((30.0, 28.0, 18_800.0))
    assert missed(results) == []


def test_a_recording_that_did_not_run_does_not_count_as_cheap() -> None:
    stopped = [lesson(0, True, 0.03, recording="stopped"), lesson(0, False, 0.03)]
    assert cells(raw(recorder=stopped))["recording, of a core per lesson"][2] == "not measured"
    assert any("'stopped'" in note for note in notes(raw(recorder=stopped)))


def test_a_failed_run_counts_as_lost() -> None:
    results = raw()
    results["runs"].append({"adapter": "liveclass", "n": 400, "offered_srtp": "cm80", "parallel": 4, "error": "crash"})
    assert missed(results) == ["packets lost, 400 subscribers in one process"]
    assert any("crash" in note for note in notes(results))


def test_medians_are_shown_and_other_servers_stand_beside() -> None:
    results = raw()
    results["runs"] += [{**RUN, "us_per_packet": 7.0}, {**RUN, "us_per_packet": 8.0}]
    results["runs"] += [{**RUN, "adapter": "mediarelay", "n": 8, "joined": 8, "us_per_packet": 3210.0}]
    assert cells(results)[""] == ["target", "liveclass", "", "MediaRelay, 8 subscribers"]
    assert cells(results)["CPU per packet, 100 subscribers, AES-CM"] == ["≤ 9 µs", "8 µs", "met", "3210 µs"]


def test_a_busy_machine_is_warned_of_and_a_quiet_one_is_not() -> None:
    assert not any("Warning" in note for note in notes(raw()))
    noisy = changed(400, others_cpu=NOISE_CORES + 0.01)
    assert any("Warning: in 1 of 10 runs" in note for note in notes(noisy))


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (4e-5, "4e-05"), (0.126, "0.13"), (8.0, "8"), (33.33, "33.3"), (3210.4, "3210"), (-0.25, "-0.25")],
)
def test_numbers_have_three_digits_and_no_tail(value: float, shown: str) -> None:
    assert number(value) == shown
