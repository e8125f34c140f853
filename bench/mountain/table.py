"""The report: medians of runs as a Markdown table, and all of it as JSON. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from bench.mountain.figures import median_of
from bench.mountain.run import Outcome


def percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"


def plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def whole(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


COLUMNS: tuple[tuple[str, str, Callable[[float | None], str]], ...] = (
    ("concealed", "concealed", percent),
    ("longest silence", "longest_silence_s", seconds),
    ("fps", "fps", plain),
    ("width", "width", whole),
    ("still", "still_share", percent),
    ("freezes", "freezes", plain),
    ("frozen", "frozen_s", seconds),
    ("delay p50", "delay_p50_s", seconds),
    ("p95", "delay_p95_s", seconds),
    ("first sound", "first_sound_s", seconds),
    ("first picture", "first_picture_s", seconds),
    ("sound back", "sound_back_s", seconds),
    ("picture back", "picture_back_s", seconds),
    ("silence after", "longest_silence_after_s", seconds),
    ("reload to sound", "reload_sound_s", seconds),
    ("reached", "reached", percent),
    ("reached of all", "reached_of_all", percent),
    ("behind", "behind_s", seconds),
    ("came to", "came_to_s", seconds),
    ("down MB", "down_mb", plain),
    ("up MB", "up_mb", plain),
    ("above the link", "down_over_s", seconds),
    ("queue drops", "down_queue_drops", whole),
)


def medians(outcomes: Sequence[Outcome]) -> dict[str, float | None]:
    """Of each figure over these runs."""
    names = dict.fromkeys(name for outcome in outcomes for name in outcome.figures)
    return {name: median_of(outcome.figures.get(name) for outcome in outcomes) for name in names}


def grouped(outcomes: Sequence[Outcome]) -> dict[tuple[str, str, str], list[Outcome]]:
    """Runs of one course on one server with the link on one side."""
    groups: dict[tuple[str, str, str], list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault((outcome.course, outcome.server, outcome.side), []).append(outcome)
    return groups


def markdown(outcomes: Sequence[Outcome]) -> str:
    """The table; a row that no column of any row fills is left out."""
    rows = [(key, runs, medians(runs)) for key, runs in grouped(outcomes).items()]
    columns = [column for column in COLUMNS if any(values.get(column[1]) is not None for _, _, values in rows)]
    lines = [
        "| profile | server | link at | runs | " + " | ".join(title for title, _, _ in columns) + " |",
        "|---|---|---|---|" + "---|" * len(columns),
    ]
    for (course, server, side), runs, values in rows:
        distrusted = sum(not run.trusted for run in runs)
        count = f"{len(runs)}" + (f" ({distrusted} on a busy machine)" if distrusted else "")
        cells = [show(values.get(name)) for _, name, show in columns]
        lines.append(f"| {course} | {server} | {side} | {count} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def to_json(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Everything."""
    summary = [
        {"course": course, "server": server, "side": side, "runs": len(runs), "medians": medians(runs)}
        for (course, server, side), runs in grouped(outcomes).items()
    ]
    return {"summary": summary, "runs": [asdict(outcome) for outcome in outcomes]}
