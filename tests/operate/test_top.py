"""What `liveclass top` draws: columns stand under each other in every script, nothing is wider than the terminal."""

from random import Random

import pytest

from liveclass.operate.top import (
    LessonLine,
    NodeLine,
    Reading,
    cells_of,
    clean,
    fitted,
    lesson_line,
    node_line,
    parsed,
    screen,
    total,
)

METRICS = """\
# TYPE liveclass_lessons gauge
liveclass_lessons{state="waiting"} 2.0
liveclass_lessons{state="live"} 3.0
# TYPE liveclass_participants gauge
liveclass_participants{role="teacher"} 3.0
liveclass_participants{role="classroom"} 31.0
# TYPE liveclass_media_sessions gauge
liveclass_media_sessions{direction="publish"} 3.0
liveclass_media_sessions{direction="subscribe"} 31.0
# TYPE liveclass_relay_bytes_sent_total counter
liveclass_relay_bytes_sent_total 1000000.0
# TYPE liveclass_event_loop_delay_seconds histogram
liveclass_event_loop_delay_seconds_bucket{le="0.001"} 1.0
liveclass_event_loop_delay_seconds_sum 0.5
liveclass_event_loop_delay_seconds_count 100.0
# TYPE python_info gauge
python_info{version="3.11"} 1.0
"""


def test_figures_are_read_as_the_server_writes_them() -> None:
    figures = parsed(METRICS)
    assert figures["liveclass_lessons:live"] == 3
    assert figures["liveclass_relay_bytes_sent_total"] == 1e6
    assert not [name for name in figures if name.startswith("python")]


@pytest.mark.parametrize("text", ["", "<html>", "other_figure 1.0\n", "liveclass_lessons{state="])
def test_what_is_no_figures_of_ours_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parsed(text)


def test_a_rate_is_what_was_added_between_two_readings() -> None:
    before, now = Reading("a", 10.0, parsed(METRICS)), dict(parsed(METRICS))
    now["liveclass_relay_bytes_sent_total"] += 500_000
    now["liveclass_event_loop_delay_seconds_sum"] += 0.02
    now["liveclass_event_loop_delay_seconds_count"] += 4
    line = node_line(before, Reading("a", 12.0, now))
    assert (line.live, line.rooms, line.sessions) == (3, 31, 34)
    assert line.out_mbps == pytest.approx(2.0)
    assert line.late_ms == pytest.approx(5.0)


def test_a_node_that_was_started_anew_has_no_rate_rather_than_a_wrong_one() -> None:
    now = parsed(METRICS)
    before = Reading("a", 10.0, {**now, "liveclass_relay_bytes_sent_total": 9e9})
    assert node_line(before, Reading("a", 12.0, now)).out_mbps is None
    assert node_line(None, Reading("a", 12.0, now)).out_mbps is None
    assert node_line(Reading("a", 10.0, problem="no answer"), Reading("a", 12.0, now)).out_mbps is None
    assert node_line(before, Reading("a", 10.0, now)).out_mbps is None


def test_nodes_are_added_up_and_the_worst_link_is_told() -> None:
    lines = [NodeLine("a", live=1, rooms=10, out_mbps=5.0, loss_percent=1, late_ms=2.0), NodeLine("b", rooms=3)]
    both = total([*lines, NodeLine("c", problem="no answer")])
    assert (both.live, both.rooms, both.out_mbps, both.loss_percent, both.late_ms) == (1, 13, 5.0, 1, 2.0)
    assert total([NodeLine("c", problem="gone")]).out_mbps is None


LESSONS = [
    LessonLine("nkxah3gSuzkn", "Fractions", "live", 3, 12, 103.0),
    LessonLine("abcdefghijkl", "三年级数学：分数的初步认识", "live", 31, 5, 43.0),
    LessonLine("mnopqrstuvwx", "ｆｕｌｌｗｉｄｔｈ é́ 한국어", "waiting"),
]
NODES = [NodeLine("10.0.0.1:7100", 2, 34, out_mbps=39.0), NodeLine("10.0.0.2:7100", problem="no answer within 3 s")]


def column_ends(line: str, columns: int) -> list[int]:
    """Cells at which the first words of a line end, counted as a terminal does."""
    ends, at = [], 0
    for word in line.split(" "):
        at += cells_of(word)
        if word:
            ends.append(at)
        at += 1
    return ends[:columns]


def test_columns_stand_under_each_other_in_every_script() -> None:
    rows = screen([NODES[0]], LESSONS, width=120)
    heading = next(number for number, row in enumerate(rows) if "TITLE" in row)
    ends = column_ends(rows[heading], 5)
    assert [column_ends(row, 5) for row in rows[heading + 1 :]] == [ends] * 3
    start = cells_of(rows[heading].partition("TITLE")[0])
    for row, lesson in zip(rows[heading + 1 :], [LESSONS[1], LESSONS[0], LESSONS[2]], strict=True):
        assert cells_of(row[: row.index(lesson.title)]) == start


@pytest.mark.parametrize("width", [1, 2, 8, 20, 40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    for row in screen(NODES, LESSONS, width=width, height=24, note="Lessons are not shown. 没有令牌"):
        assert cells_of(row) <= width


def test_a_narrow_terminal_keeps_what_matters_most() -> None:
    text = "\n".join(screen(NODES, LESSONS, width=40))
    assert "ROOMS" in text
    assert "LIVE" in text
    assert "TITLE" in text
    assert "PACKETS/s" not in text
    assert "三年级" in text


@pytest.mark.parametrize("height", [12, 24, 50])
def test_thousands_of_rows_are_cut_with_their_count(height: int) -> None:
    nodes = [NodeLine(f"n{number}", rooms=number) for number in range(500)]
    lessons = [LessonLine(str(number), "a", "live", number) for number in range(10_000)]
    rows = screen(nodes, lessons, width=100, height=height)
    assert len(rows) <= max(height, 13)
    cut = [int(row.split()[2].replace(",", "")) for row in rows if row.startswith("...")]
    shown = len(rows) - 2 - len(cut) - 2  # two headings, the line between, the sum
    assert sum(cut) + shown == 10_500
    assert "500 nodes" in "\n".join(rows)
    assert len(screen(nodes, lessons, width=100)) == 10_500 + 4


def test_a_node_that_does_not_answer_stands_first() -> None:
    assert "10.0.0.2:7100: no answer" in screen(NODES, [], width=200)[1]


def test_a_title_commands_no_terminal() -> None:
    title = "a\x1b[2Jb\r\n\u202ec\u2028d\x9b1m"
    rows = screen([], [LessonLine("x", title, "live")], width=200)
    assert not [sign for row in rows for sign in row if ord(sign) < 32 or sign in "\u202e\u2028\x9b"]
    assert clean("分数 1/2") == "分数 1/2"


def test_text_is_cut_to_the_cell() -> None:
    chance = Random(1)
    for _ in range(1000):
        text = "".join(chance.choice("ab分数é́ｆ ") for _ in range(chance.randint(0, 20)))
        width = chance.randint(1, 20)
        cut = fitted(text, width)
        assert cells_of(cut) <= width
        assert cut == text or (cut.endswith("…") and text.startswith(cut[:-1]))


def test_a_lesson_is_told_as_the_api_tells_it() -> None:
    summary = {"id": "x", "title": "分数", "state": "live"}
    people = [("teacher", True), ("classroom", True), ("classroom", False)]
    detail = {
        "state": "live",
        "participants": [{"role": role, "online": online} for role, online in people],
        "recording": {"state": "recording", "bytes": 12_345_678, "problem": ""},
    }
    assert lesson_line(summary, detail, 7) == LessonLine("x", "分数", "live", 1, 7, 12.345678)
    assert lesson_line(summary, None, None) == LessonLine("x", "分数", "live")
