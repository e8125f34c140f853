"""The bench's own arithmetic and table, and one run of it from end to end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bench.adapters import ROOT
from bench.fanout import Counters, arguments, delivery, table


def test_delivery_is_the_difference_of_two_marks_over_all_subscribers() -> None:
    before: Counters = [{"audio": (100, 10_000, 0, 100), "video": (50, 50_000, 30, 50)}, {}]
    after: Counters = [
        {"audio": (200, 20_000, 0, 200), "video": (250, 250_000, 90, 250)},
        {"audio": (100, 10_000, 0, 100), "video": (200, 200_000, 60, 300)},
    ]
    assert delivery(before, after, 2.0, 2) == {
        "delivered_pps": 300.0,
        "delivered_kbps_per_sub": 840.0,
        "video_fps_per_sub": 30.0,
        "loss_pct": 14.286,
    }


def test_delivery_of_nothing_divides_by_nothing() -> None:
    assert delivery([], [], 1.0, 0)["loss_pct"] is None


def test_the_table_shows_medians_and_how_many_runs_went_well(tmp_path: Path) -> None:
    runs = [{"label": "x", "n": 10, "us_per_packet": us, "generator_cpu": [0.1, us / 10]} for us in (1, 9, 2)]
    broken = [{"label": "x", "n": 10, "error": "no"}, {"label": "x", "n": 2, "error": "no"}]
    path = tmp_path / "fanout-x.json"
    path.write_text(json.dumps({"runs": [*runs, *broken]}))
    head, rule, small, row = table([path]).splitlines()
    titles, cells = ([cell.strip() for cell in line.split("|")[1:-1]] for line in (head, row))
    assert rule == "|" + "---|" * len(titles)
    shown = dict(zip(titles, cells, strict=True))
    assert (shown["server"], shown["runs"], shown["N"]) == ("x", "3/4", "10")
    assert (shown["us/packet"], shown["gen. CPU"], shown["RSS MB"]) == ("2", "0.3", "-")
    assert "0/1" in small


def test_the_label_is_the_adapters_unless_given() -> None:
    assert arguments(["pyloop"]).label == "pyloop"
    assert arguments(["pyloop", "--label", "mine"]).label == "mine"


@pytest.mark.slow
@pytest.mark.alone
def test_a_lesson_with_two_subscribers_loses_nothing() -> None:
    # the clip has a keyframe every 2 s, and a picture begins with one: by then both subscribers see it
    options = "-n 2 --seconds 1 --settle 2.5 --once"
    command = [sys.executable, "-m", "bench.fanout", "liveclass", *options.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout.splitlines()[-1])
    assert "error" not in record, record["error"] + done.stderr
    assert (record["joined"], record["failures"]) == (2, [])
    assert record["delivered_pps"] > 0
    assert record["latency_frames"] > 0
    assert (record["loss_pct"], record["check_failed"], record["publisher_closed"]) == (0, 0, False)
    assert record["checked"] > 0
    assert record["recording"] == "recording"
