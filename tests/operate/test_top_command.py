"""`liveclass top` against servers: what it asks, whom it shows its tokens, what it does about those that are gone."""

import argparse
from pathlib import Path

import pytest

from liveclass.config import Settings
from liveclass.errors import UsageError
from liveclass.operate.client import Unreachable
from liveclass.operate.top_command import add_arguments, run
from tests.operate.fakes import Answer, Seen, http_server
from tests.operate.test_top import METRICS

LESSON = {"id": "nkxah3gSuzkn", "title": "分数的初步认识", "state": "live", "started_at": "2026-03-01T08:00:00+08:00"}
DETAIL = {
    **LESSON,
    "participants": [{"role": "classroom", "online": True}],
    "recording": {"state": "recording", "bytes": 5_000_000, "problem": ""},
}


def answer(request: Seen) -> Answer:
    if request.path == "/metrics":
        return Answer(200, METRICS.encode())
    if request.path.startswith("/api/lessons?"):
        return Answer(200, {"lessons": [LESSON, {**LESSON, "id": "old", "state": "ended"}], "next": None})
    return Answer(200, DETAIL)


def top(data_dir: Path, *argv: str, admin_token: str = "admin", metrics_token: str = "") -> int:  # noqa: S107
    parser = argparse.ArgumentParser()
    add_arguments(parser, lambda _: None)
    settings = Settings(data_dir=data_dir, admin_token=admin_token, metrics_token=metrics_token)
    return run(parser.parse_args(["--every", "0.2", *argv]), settings, {})


def test_several_nodes_are_one_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with http_server(answer) as one, http_server(answer) as two:
        assert top(tmp_path, "--once", "--server", one.url, "--server", two.url, metrics_token="figures") == 0  # noqa: S106
    text = capsys.readouterr().out
    assert "2 nodes" in text
    assert "分数的初步认识" in text
    assert "old" not in text
    assert "\x1b" not in text
    asked = {seen.path: seen.headers.get("authorization") for seen in [*one.seen, *two.seen]}
    assert asked["/metrics"] == "Bearer figures"
    assert asked["/api/lessons/nkxah3gSuzkn"] == "Bearer admin"
    assert {seen.path for seen in two.seen} == {"/metrics"}


def test_a_node_that_is_gone_is_told_of_in_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with http_server(answer) as gone:
        pass
    with http_server(answer) as one:
        assert top(tmp_path, "--once", "--server", one.url, "--server", gone.url) == 0
    assert "no server answers there" in capsys.readouterr().out


def test_no_node_at_all_is_an_error(tmp_path: Path) -> None:
    with http_server(lambda _: Answer(200, b"<html>")) as other, pytest.raises(Unreachable, match="not as liveclass"):
        top(tmp_path, "--once", "--server", other.url)


def test_without_a_token_figures_are_shown_and_lessons_are_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with http_server(answer) as one:
        assert top(tmp_path, "--once", "--server", one.url, admin_token="") == 0
    text = capsys.readouterr().out
    assert "31" in text
    assert "Lessons are not shown. admin_token" in text
    assert {seen.path for seen in one.seen} == {"/metrics"}


@pytest.mark.parametrize("every", ["0", "nan", "-1", "99999"])
def test_a_pace_that_makes_no_sense_is_refused(tmp_path: Path, every: str) -> None:
    with pytest.raises(UsageError, match="--every"):
        top(tmp_path, "--every", every)


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--server"):
        top(tmp_path, "--server", "http://[::1")
