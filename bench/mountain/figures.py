"""From what was recorded in one run to the figures of the report. Pure; times are wall-clock seconds.

The window is the part of the run that counts: it begins once the room has heard its first sound, so that opening the
page is reported by itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.mountain import timecode
from bench.mountain.diary import Picture, Snapshot, Sound

BLOCK_S = 0.02
SILENT = 0.0035
"""RMS (-1..1) below which a block is silence: 25 dB under the quietest 60 ms of the speech, above comfort noise."""
LOUD_S = 0.1
"""Sound for so long is sound; a click is none."""
STILL_S = 0.5
"""A picture that stands longer is frozen: seven frames of fifteen."""
OVER = 1.05
"""Above the link means more than this share of its rate, over `RATE_WINDOW_S`."""
RATE_WINDOW_S = 1.0
DUE_S = 4.0
"""A second that was spoken so shortly before the end of the window need not have been heard: live sound waits in no
deeper buffer."""
STOPPED_S = 3.0
"""A room that has heard no second for so long hears none; one that catches up hears them faster than they were
spoken."""
SLOPE_S = 3.0
"""Marks whose delay leaps further than this from both neighbours were misread."""


@dataclass(frozen=True, slots=True)
class LinkSample:
    """Counters of one direction of the link at a moment, and its rate then (bit/s; 0: no limit)."""

    at_s: float
    rate: float
    bytes_in: int
    bytes_out: int
    dropped_queue: int


@dataclass(frozen=True, slots=True)
class Run:
    """One run's record.

    Attributes:
        opened_s: when the classroom's page was asked for, for the first time.
        reopened_s: when it was asked for again after the reboot; None without one.
        begin_s: begin of the window.
        end_s: end of the window.
        outage_s: begin and end of the link's outage; None without one.
        heard: what the classroom heard.
        spoken: what the volunteer's microphone heard.
        pictures: what the classroom was shown.
        snapshots: `getStats` of the classroom.
        down, up: the link's counters.
    """

    opened_s: float
    begin_s: float
    end_s: float
    heard: Sound
    spoken: Sound
    pictures: list[Picture]
    snapshots: list[Snapshot]
    reopened_s: float | None = None
    outage_s: tuple[float, float] | None = None
    down: list[LinkSample] = field(default_factory=list)
    up: list[LinkSample] = field(default_factory=list)


Figures = dict[str, float | None]
"""By name; None where the run has no such thing."""


def figures(run: Run, person: int) -> Figures:
    """All figures of one run; `person` is the volunteer's number in the picture."""
    shown = [picture for picture in run.pictures if picture.person == person]
    away = run.outage_s or (run.end_s, run.end_s)
    spoken, heard = marks(run.spoken), marks(run.heard)
    delays = matched(spoken, heard)
    return {
        "first_sound_s": _after(first_sound(run.heard, run.opened_s), run.opened_s),
        "first_picture_s": _after(_first(shown, run.opened_s), run.opened_s),
        "concealed": concealed(run.snapshots, run.begin_s, run.end_s),
        "longest_silence_s": longest_silence(run.heard, run.begin_s, min(away[0], run.end_s)),
        "longest_silence_spoken_s": longest_silence(run.spoken, run.begin_s, run.end_s),
        **picture_figures(shown, run.begin_s, run.end_s),
        **freezes(run.snapshots, run.begin_s, run.end_s),
        **delay_figures(delays, run.begin_s, run.end_s),
        **recovery(run, shown),
        **reached(spoken, delays, run.begin_s, run.end_s),
        **traffic(run.down, "down", run.begin_s, run.end_s),
        **traffic(run.up, "up", run.begin_s, run.end_s),
    }


# -- sound


def levels(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """RMS of each block of `BLOCK_S`."""
    size = round(BLOCK_S * timecode.RATE)
    whole = samples[: samples.size // size * size].reshape(-1, size)
    made: NDArray[np.float64] = np.sqrt((whole**2).mean(axis=1))
    return made


def longest_silence(sound: Sound, begin_s: float, end_s: float) -> float | None:
    """Of this time, seconds; None for an empty one."""
    if end_s <= begin_s:
        return None
    silent = levels(sound.between(begin_s, end_s)) < SILENT
    return round(longest_run(silent) * BLOCK_S, 3)


def longest_run(flags: Iterable[bool] | NDArray[np.bool_]) -> int:
    """How many true ones follow each other at most."""
    longest = current = 0
    for flag in flags:
        current = current + 1 if flag else 0
        longest = max(longest, current)
    return longest


def first_sound(sound: Sound, after_s: float) -> float | None:
    """When sound of at least `LOUD_S` first begins after this moment."""
    loud = levels(sound.between(after_s, max(after_s, sound.end_s))) >= SILENT
    need, current = round(LOUD_S / BLOCK_S), 0
    for place, flag in enumerate(loud):
        current = current + 1 if flag else 0
        if current == need:
            return after_s + (place + 1 - need) * BLOCK_S
    return None


def concealed(snapshots: Sequence[Snapshot], begin_s: float, end_s: float) -> float | None:
    """Share of the samples that the jitter buffers made up, without those made up in silence."""
    made_up = played = 0.0
    for counters in growth(snapshots, begin_s, end_s, "audio"):
        if counters.get("packetsReceived", 0) > 0:
            made_up += max(0.0, counters.get("concealedSamples", 0) - counters.get("silentConcealedSamples", 0))
            played += counters.get("totalSamplesReceived", 0)
    return made_up / played if played else None


def growth(snapshots: Sequence[Snapshot], begin_s: float, end_s: float, kind: str) -> list[dict[str, float]]:
    """How much each counter of each received stream of this kind grew within the window."""
    before: dict[tuple[str, str], dict[str, Any]] = {}
    after: dict[tuple[str, str], dict[str, Any]] = {}
    for snapshot in snapshots:
        for entry in snapshot.entries:
            if entry["type"] != "inbound-rtp" or entry.get("kind") != kind or snapshot.at_s > end_s:
                continue
            key = (snapshot.connection, str(entry["id"]))
            if snapshot.at_s <= begin_s:
                before[key] = entry
            else:
                after[key] = entry
    grown = []
    for key, entry in after.items():
        base = before.get(key, {})
        numbers = {name: value for name, value in entry.items() if isinstance(value, (int, float))}
        grown.append({name: value - float(base.get(name) or 0) for name, value in numbers.items()})
    return grown


# -- the lesson's seconds


@dataclass(frozen=True, slots=True)
class Second:
    """A second of the lesson: when it was spoken, when it was heard (None: never), on the wall clock."""

    spoken_s: float
    heard_s: float


def marks(sound: Sound) -> list[tuple[float, int]]:
    """(wall clock, code) of the chords in it."""
    return [(sound.begin_s + mark.at_s, mark.code) for mark in timecode.find_marks(sound.samples)]


def matched(spoken: Sequence[tuple[float, int]], heard: Sequence[tuple[float, int]]) -> list[Second]:
    """Which second each heard mark is of: the latest one of that number that was spoken before.

    Misread marks, which lie far from what is heard before and after them, are left out.
    """
    by_code: dict[int, list[float]] = {}
    for at, code in spoken:
        by_code.setdefault(code, []).append(at)
    found = []
    for at, code in heard:
        earlier = [when for when in by_code.get(code, ()) if when <= at + 0.2]
        if earlier:
            found.append(Second(earlier[-1], at))
    kept = []
    for place, one in enumerate(found):
        near = [found[other] for other in (place - 1, place + 1) if 0 <= other < len(found)]
        if not near or any(abs(lag(one) - lag(other)) < SLOPE_S for other in near):
            kept.append(one)
    return kept


def lag(second: Second) -> float:
    return second.heard_s - second.spoken_s


def delay_figures(seconds: Sequence[Second], begin_s: float, end_s: float) -> Figures:
    """Median and 95th percentile of the sound's delay, of what was heard in the window."""
    delays = sorted(max(0.0, lag(one)) for one in seconds if begin_s <= one.heard_s <= end_s)
    return {"delay_p50_s": percentile(delays, 0.5), "delay_p95_s": percentile(delays, 0.95)}


def percentile(ordered: Sequence[float], share: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def reached(spoken: Sequence[tuple[float, int]], seconds: Sequence[Second], begin_s: float, end_s: float) -> Figures:
    """What share of the lesson's seconds was heard, by two measures, and where the room is.

    `reached` is of the seconds up to the last one heard: what was skipped on the way. A room that falls silent for good
    keeps it; so `reached_of_all` is of all seconds from the begin of the window to its end, and a room that is still
    catching up is missing there what it has not come to. `behind_s` is how late the last second was; once the room has
    stopped, how far the lesson has gone on without it. `came_to_s`: the last second heard, from the window's begin.
    """
    within = [one for one in seconds if one.heard_s <= end_s]
    heard = {round(one.spoken_s, 3) for one in within}
    last = max(within, key=lambda one: one.heard_s, default=None)
    due = [round(at, 3) for at, _ in spoken if begin_s <= at <= end_s]
    all_due = [at for at in due if at <= end_s - DUE_S]
    of_all = sum(at in heard for at in all_due) / len(all_due) if all_due else None
    if last is None:
        return {"reached": 0.0, "reached_of_all": of_all, "behind_s": None, "came_to_s": None}
    passed = [at for at in due if at <= last.spoken_s]
    stopped = end_s - last.heard_s > STOPPED_S
    return {
        "reached": sum(at in heard for at in passed) / len(passed) if passed else None,
        "reached_of_all": of_all,
        "behind_s": round(end_s - last.spoken_s if stopped else lag(last), 2),
        "came_to_s": round(last.spoken_s - begin_s, 1),
    }


# -- picture


def picture_figures(shown: Sequence[Picture], begin_s: float, end_s: float) -> Figures:
    """Rate, size and standing still, by the pictures that were presented in the window."""
    inside = [picture for picture in shown if begin_s <= picture.at_s <= end_s]
    length = end_s - begin_s
    times = [begin_s, *(picture.at_s for picture in fresh(inside)), end_s]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    widths, heights = sorted(p.width for p in inside), sorted(p.height for p in inside)
    return {
        "fps": len(fresh(inside)) / length if length > 0 else None,
        "width": percentile(widths, 0.5),
        "height": percentile(heights, 0.5),
        "still_share": sum(gap for gap in gaps if gap > STILL_S) / length if length > 0 else None,
        "longest_still_s": max(gaps, default=None),
    }


def fresh(shown: Sequence[Picture]) -> list[Picture]:
    """Those that differ from the one before in the same place."""
    last: dict[int, int | None] = {}
    changed = []
    for picture in shown:
        if last.get(picture.element, -1) != picture.counter:
            changed.append(picture)
        last[picture.element] = picture.counter
    return changed


def freezes(snapshots: Sequence[Snapshot], begin_s: float, end_s: float) -> Figures:
    """The browser's own count of freezes of the picture, and their time."""
    grown = [one for one in growth(snapshots, begin_s, end_s, "video") if one.get("framesDecoded", 0) > 0]
    return {
        "freezes": sum(one.get("freezeCount", 0) for one in grown),
        "frozen_s": sum(one.get("totalFreezesDuration", 0) for one in grown),
    }


# -- outage, link


def recovery(run: Run, shown: Sequence[Picture]) -> Figures:
    """Seconds from the link's return until sound and picture are there; after a reboot, from its opening."""
    names = ("sound_back_s", "picture_back_s", "reload_sound_s", "reload_picture_s", "longest_silence_after_s")
    made: Figures = dict.fromkeys(names)
    if run.outage_s is None or run.outage_s[1] > run.end_s:
        return made
    back = run.outage_s[1]
    sounds = first_sound(run.heard, back)
    made["sound_back_s"] = _after(sounds, back)
    made["longest_silence_after_s"] = longest_silence(run.heard, sounds, run.end_s) if sounds is not None else None
    made["picture_back_s"] = _after(_first(shown, back), back)
    if run.reopened_s is not None:
        made["reload_sound_s"] = _after(first_sound(run.heard, run.reopened_s), run.reopened_s)
        made["reload_picture_s"] = _after(_first(shown, run.reopened_s), run.reopened_s)
    return made


def traffic(samples: Sequence[LinkSample], name: str, begin_s: float, end_s: float) -> Figures:
    """What was sent into one direction of the link: what came through, rate, queue drops, longest time above it."""
    inside = [sample for sample in samples if begin_s <= sample.at_s <= end_s]
    if len(inside) < 2:
        return {}
    first, last = inside[0], inside[-1]
    seconds = last.at_s - first.at_s
    offered = last.bytes_in - first.bytes_in
    return {
        f"{name}_mb": (last.bytes_out - first.bytes_out) / 1e6,
        f"{name}_kbps": offered * 8 / seconds / 1000,
        f"{name}_queue_drops": float(last.dropped_queue - first.dropped_queue),
        f"{name}_over_s": over_link(inside),
    }


def over_link(samples: Sequence[LinkSample]) -> float:
    """The longest time in which more was sent into the link than it carries, seconds."""
    longest, since = 0.0, None
    start = 0
    for sample in samples:
        while sample.at_s - samples[start].at_s > RATE_WINDOW_S and start + 1 < len(samples):
            start += 1
        base = samples[max(0, start - 1)]
        seconds = sample.at_s - base.at_s
        above = seconds > 0 and sample.rate and (sample.bytes_in - base.bytes_in) * 8 / seconds > OVER * sample.rate
        if not above:
            since = None
            continue
        since = since if since is not None else sample.at_s
        longest = max(longest, sample.at_s - since)
    return longest


def timeline(run: Run, person: int, step_s: float = 5.0) -> list[dict[str, Any]]:
    """The run in steps, for those who tune: what was concealed, shown, sent and dropped in each."""
    steps = []
    begin = run.begin_s
    while begin < run.end_s - step_s / 5:
        end = min(begin + step_s, run.end_s)
        shown = [picture for picture in run.pictures if picture.person == person]
        picture = picture_figures(shown, begin, end)
        steps.append(
            {
                "at_s": round(begin - run.begin_s, 1),
                "concealed": rounded(concealed(run.snapshots, begin, end)),
                "silence_s": longest_silence(run.heard, begin, end),
                "fps": rounded(picture["fps"], 1),
                "width": picture["width"],
                **{name: rounded(value, 2) for name, value in traffic(run.down, "down", begin, end).items()},
            }
        )
        begin = end
    return steps


def rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(value, digits)


def _first(shown: Sequence[Picture], after_s: float) -> float | None:
    return next((picture.at_s for picture in shown if picture.at_s >= after_s), None)


def _after(moment: float | None, begin_s: float) -> float | None:
    return None if moment is None else moment - begin_s


def median_of(values: Iterable[float | None]) -> float | None:
    """Median of the known values; None where there is none."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return None
    middle = len(known) // 2
    return known[middle] if len(known) % 2 else (known[middle - 1] + known[middle]) / 2
