"""What `liveclass top` shows: nodes, lessons, rooms and rates as a table that fits the terminal. Pure.

Knows the names in docs/metrics.md and how wide a Chinese character is; it refuses to know where figures come from and
how a screen is redrawn (`top_command`).
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

GAP = "  "
LEAST_TITLE = 16
"""Columns are left out, the least important first, before a title or a name has fewer cells than this."""
LEAST_ROWS = 3
"""Nodes and lessons that are shown however low the terminal is."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one node told, and when.

    Attributes:
        figures: by sample name; a labelled one as ``name:value`` of its label.
        problem: why there are none; empty: there are.
    """

    node: str
    at_s: float
    figures: Mapping[str, float] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class NodeLine:
    """A node between two readings. Rates are None until there is a second one."""

    node: str
    live: float = 0
    rooms: float = 0
    away: float = 0
    behind: float = 0
    sessions: float = 0
    in_mbps: float | None = None
    out_mbps: float | None = None
    packets_per_s: float | None = None
    loss_percent: float = 0
    late_ms: float | None = None
    faults: float = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class LessonLine:
    """A lesson that is live or waiting. Minutes are None before it begins; rooms where they are not known."""

    id: str
    title: str
    state: str
    rooms: int | None = None
    minutes: int | None = None
    recorded_mb: float | None = None
    problem: str = ""


def parsed(text: str) -> dict[str, float]:
    """The figures of an answer of `/metrics`.

    Raises:
        ValueError: it is none of ours.
    """
    from prometheus_client.parser import text_string_to_metric_families  # other commands answer sooner without it

    figures: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        if family.name.startswith("liveclass_"):
            for sample in family.samples:
                figures[":".join([sample.name, *sample.labels.values()])] = sample.value
    if "liveclass_lessons:live" not in figures:
        raise ValueError("no figures of liveclass")
    return figures


def node_line(before: Reading | None, now: Reading) -> NodeLine:
    """What a node does.

    Args:
        before: an earlier reading of it. One that counts higher is of a process that has ended since: it gives no rate.
    """
    if now.problem:
        return NodeLine(now.node, problem=now.problem)
    figures = now.figures

    def rate(name: str, of: float = 1.0) -> float | None:
        if before is None or before.problem or now.at_s <= before.at_s:
            return None
        grown = figures.get(name, 0.0) - before.figures.get(name, 0.0)
        return grown * of / (now.at_s - before.at_s) if grown >= 0 else None

    late, looks = rate("liveclass_event_loop_delay_seconds_sum", 1000), rate("liveclass_event_loop_delay_seconds_count")
    return NodeLine(
        node=now.node,
        live=figures["liveclass_lessons:live"],
        rooms=figures.get("liveclass_participants:classroom", 0),
        away=figures.get("liveclass_rooms_reconnecting", 0),
        behind=figures.get("liveclass_rooms_behind", 0),
        sessions=sum(figures.get(f"liveclass_media_sessions:{way}", 0) for way in ("publish", "subscribe")),
        in_mbps=rate("liveclass_relay_bytes_received_total", 8e-6),
        out_mbps=rate("liveclass_relay_bytes_sent_total", 8e-6),
        packets_per_s=rate("liveclass_relay_packets_forwarded_total"),
        loss_percent=100 * figures.get("liveclass_relay_subscriber_loss_ratio", 0),
        late_ms=late / looks if late is not None and looks else None,
        faults=figures.get("liveclass_recording_problems", 0) + figures.get("liveclass_relay_faults_total", 0),
    )


def total(lines: Sequence[NodeLine]) -> NodeLine:
    """All nodes in one line; loss and lateness are those of the worst."""

    def added(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return sum(known) if known else None

    late = [line.late_ms for line in lines if line.late_ms is not None]
    return NodeLine(
        node=f"{len(lines)} nodes",
        live=sum(line.live for line in lines),
        rooms=sum(line.rooms for line in lines),
        away=sum(line.away for line in lines),
        behind=sum(line.behind for line in lines),
        sessions=sum(line.sessions for line in lines),
        in_mbps=added([line.in_mbps for line in lines]),
        out_mbps=added([line.out_mbps for line in lines]),
        packets_per_s=added([line.packets_per_s for line in lines]),
        loss_percent=max((line.loss_percent for line in lines), default=0),
        late_ms=max(late, default=None),
        faults=sum(line.faults for line in lines),
    )


def lesson_line(summary: Mapping[str, Any], detail: Mapping[str, Any] | None, minutes: int | None) -> LessonLine:
    """A lesson as the API tells it.

    Args:
        summary: of `GET /api/lessons`.
        detail: of `GET /api/lessons/{lesson}`; None: it was not asked for.
        minutes: since its start.
    """
    line = LessonLine(str(summary["id"]), str(summary["title"]), str(summary["state"]), minutes=minutes)
    if detail is None:
        return line
    recording = detail["recording"]
    return LessonLine(
        line.id,
        line.title,
        str(detail["state"]),
        rooms=sum(one["role"] == "classroom" and one["online"] for one in detail["participants"]),
        minutes=minutes,
        recorded_mb=recording["bytes"] / 1e6 if recording["state"] != "off" else None,
        problem=str(recording["problem"]),
    )


@dataclass(frozen=True, slots=True)
class _Column:
    """A column.

    Attributes:
        weight: the lowest goes first where there is no room; 0: stays, and takes what is left, or is cut.
    """

    heading: str
    weight: int
    shown: Callable[[Any], str]


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _tenths(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"


NODE_COLUMNS = (
    _Column("LIVE", 9, lambda line: _count(line.live)),
    _Column("ROOMS", 8, lambda line: _count(line.rooms)),
    _Column("AWAY", 7, lambda line: _count(line.away)),
    _Column("BEHIND", 3, lambda line: _count(line.behind)),
    _Column("SESSIONS", 2, lambda line: _count(line.sessions)),
    _Column("IN Mbit/s", 4, lambda line: _tenths(line.in_mbps)),
    _Column("OUT Mbit/s", 6, lambda line: _tenths(line.out_mbps)),
    _Column("PACKETS/s", 1, lambda line: _count(line.packets_per_s)),
    _Column("LOSS %", 5, lambda line: _tenths(line.loss_percent)),
    _Column("LATE ms", 3, lambda line: _tenths(line.late_ms)),
    _Column("FAULTS", 4, lambda line: _count(line.faults)),
    _Column("NODE", 0, lambda line: f"{line.node}: {line.problem}" if line.problem else line.node),
)

LESSON_COLUMNS = (
    _Column("ROOMS", 5, lambda line: _count(line.rooms)),
    _Column("MINUTES", 4, lambda line: _count(line.minutes)),
    _Column("MB", 2, lambda line: line.problem or _count(line.recorded_mb)),
    _Column("STATE", 3, lambda line: line.state),
    _Column("ID", 1, lambda line: line.id),
    _Column("TITLE", 0, lambda line: line.title),
)


def screen(
    nodes: Sequence[NodeLine],
    lessons: Sequence[LessonLine],
    *,
    width: int,
    height: int | None = None,
    note: str = "",
    more_lessons: bool = False,
) -> list[str]:
    """The lines to show, none wider than the terminal.

    Args:
        width: cells in a line.
        height: lines at most, but for a few rows of each table; None: all rows.
        note: a line at the end, such as why lessons are not shown.
        more_lessons: there are more than these.
    """
    worst_first = sorted(nodes, key=lambda line: (not line.problem, -line.rooms, line.node))
    busiest_first = sorted(lessons, key=lambda line: (line.state != "live", -(line.rooms or 0), line.id))
    node_rows = lesson_rows = None
    if height is not None:
        free = height - 7  # headings, the sum, what was cut, the line between, the note
        lesson_rows = min(len(lessons), max(LEAST_ROWS, free // 2))
        node_rows = max(LEAST_ROWS, free - lesson_rows)
        lesson_rows = max(lesson_rows, free - min(len(nodes), node_rows))
    summed = [total(nodes)] if len(nodes) > 1 else []
    lines = _table(NODE_COLUMNS, worst_first, width, node_rows, summed)
    if lessons:
        lines += ["", *_table(LESSON_COLUMNS, busiest_first, width, lesson_rows, [], more=more_lessons)]
    elif not note:
        lines += ["", fitted("No lesson is live or waiting.", width)]
    if note:
        lines += ["", fitted(note, width)]
    return lines


def _table(
    columns: Sequence[_Column],
    rows: Sequence[Any],
    width: int,
    most: int | None,
    last: Sequence[Any],
    more: bool = False,
) -> list[str]:
    """Headings, rows, how many were left out, and rows that always stand at the end."""
    shown = rows if most is None else rows[:most]
    cells = [[clean(column.shown(row)) for column in columns] for row in [*shown, *last]]
    wide = [
        max(cells_of(text) for text in [column.heading, *(row[number] for row in cells)])
        for number, column in enumerate(columns)
    ]
    kept = list(range(len(columns)))
    while len(kept) > 1 and sum(wide[n] + len(GAP) for n in kept[:-1]) + LEAST_TITLE > width:
        kept.remove(min(kept[:-1], key=lambda n: columns[n].weight))

    def line(texts: Sequence[str]) -> str:
        padded = [" " * (wide[n] - cells_of(texts[n])) + texts[n] for n in kept[:-1]]
        return fitted(GAP.join([*padded, texts[kept[-1]]]), width)

    lines = [line([column.heading for column in columns]), *(line(row) for row in cells[: len(shown)])]
    if len(rows) > len(shown):
        lines.append(fitted(f"... and {len(rows) - len(shown):,}{'+' if more else ''} more", width))
    elif more:
        lines.append(fitted("... and more", width))
    return [*lines, *(line(row) for row in cells[len(shown) :])]


def clean(text: str) -> str:
    """Without anything that a terminal would obey: a lesson's title is a stranger's text."""
    return "".join(" " if unicodedata.category(sign) in _OBEYED else sign for sign in text)


_OBEYED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def cells_of(text: str) -> int:
    """How many cells of a terminal a text takes."""
    return sum(_cells(sign) for sign in text)


def _cells(sign: str) -> int:
    if unicodedata.category(sign) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(sign) in {"W", "F"} else 1


def fitted(text: str, width: int) -> str:
    """A text that takes at most `width` cells; one that is cut ends in an ellipsis."""
    if cells_of(text) <= width:
        return text
    taken, used = [], 0
    for sign in text:
        if used + _cells(sign) > width - 1:
            break
        taken.append(sign)
        used += _cells(sign)
    return "".join(taken) + "…" if width > 0 else ""
