"""Eyes and ears on a page: waits until a tone is heard or a face is seen there, and says what was there instead.

Everything is judged by decoded sound and pixels (see `analysers.js`), never by what the page says of itself.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Page

TOLERANCE_HZ = 25.0
"""The spectrum's step is 5.9 Hz; fake devices resample, jitter buffers stretch."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A recognised picture on a page. `area` is how large it is shown, in CSS pixels; `at_ms` since the look began."""

    person: int
    counter: int
    width: int
    height: int
    area: float
    at_ms: float


async def tones(page: Page, seconds: float = 1.2, selector: str = "") -> list[float]:
    """The frequencies that the page sounds within this time, the loudest first."""
    found = await page.evaluate("([s, q]) => window.analysers.heard(s, q)", [seconds, selector])
    return [float(tone["hz"]) for tone in found]


async def channels(page: Page, tones: Sequence[float], seconds: float = 1.2) -> tuple[list[float], list[float]]:
    """How loud each of these tones is left and right, dB; what is not there at all has -200."""
    left, right = await page.evaluate("([t, s]) => window.analysers.channels(t, s)", [list(tones), seconds])
    return [float(db) for db in left], [float(db) for db in right]


async def frames(page: Page, seconds: float = 1.0, selector: str = "") -> list[Frame]:
    """The recognised frames that the page shows within this time, each once."""
    found: list[dict[str, Any]] = await page.evaluate("([s, q]) => window.analysers.seen(s, q)", [seconds, selector])
    return [Frame(f["person"], f["counter"], f["width"], f["height"], float(f["area"]), float(f["at"])) for f in found]


def is_near(hz: float, wanted: float) -> bool:
    return abs(hz - wanted) <= TOLERANCE_HZ


async def hears(page: Page, hz: float, *, within: float = 20.0, selector: str = "") -> float:
    """Waits until the page sounds this tone.

    Returns:
        After how many seconds it did.

    Raises:
        AssertionError: it did not; the message lists what sounded and how the page's media stood.
    """
    begin = time.monotonic()
    heard: list[float] = []
    while time.monotonic() - begin < within:
        heard = await tones(page, 0.7, selector)
        if any(is_near(tone, hz) for tone in heard):
            return time.monotonic() - begin
    raise AssertionError(f"{hz:.0f} Hz not heard in {within:.0f} s, but {_rounded(heard)}; {await media_state(page)}")


async def does_not_hear(page: Page, hz: float, *, for_s: float = 1.5, within: float = 10.0, selector: str = "") -> None:
    """Waits until the page has been without this tone for `for_s` seconds.

    Raises:
        AssertionError: it still sounds after `within` seconds.
    """
    begin = time.monotonic()
    while time.monotonic() - begin < within:
        if not any(is_near(tone, hz) for tone in await tones(page, for_s, selector)):
            return
    raise AssertionError(f"{hz:.0f} Hz still heard after {within:.0f} s")


async def sees(page: Page, person: int, *, within: float = 20.0, selector: str = "", least: int = 3) -> list[Frame]:
    """Waits until the page shows at least `least` different frames of this person's picture within 1.5 seconds.

    Raises:
        AssertionError: it did not; the message lists whom it showed and how the page's media stood.
    """
    begin = time.monotonic()
    shown: list[Frame] = []
    while time.monotonic() - begin < within:
        shown = await frames(page, 1.5, selector)
        mine = [frame for frame in shown if frame.person == person]
        if len({frame.counter for frame in mine}) >= least:
            return mine
    whom = sorted({frame.person for frame in shown})
    raise AssertionError(f"picture {person} not moving within {within:.0f} s, but {whom}; {await media_state(page)}")


async def does_not_see(page: Page, person: int, *, within: float = 10.0, selector: str = "") -> None:
    """Waits until the page shows no new frame of this person for a second and a half.

    Raises:
        AssertionError: it still does after `within` seconds.
    """
    begin = time.monotonic()
    while time.monotonic() - begin < within:
        mine = {frame.counter for frame in await frames(page, 1.5, selector) if frame.person == person}
        if len(mine) <= 1:
            return
    raise AssertionError(f"picture {person} still moves after {within:.0f} s")


async def media_state(page: Page) -> str:
    """What plays on the page, for a report."""
    return json.dumps(await page.evaluate("() => window.analysers.state()"))


def _rounded(heard: list[float]) -> str:
    return f"{[round(tone) for tone in heard]} Hz"
