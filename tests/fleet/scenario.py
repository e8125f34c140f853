"""One lesson from its first word to its replay, with all that may happen to it: a classroom that is away for a while,
an upgrade of the server in the midst, and the loss of the server.

The same for every form in which liveclass is run (`forms`), and judged by one law: what a classroom has heard can be
heard again, by whoever was away and in the replay, but for what the lost server had not put anywhere else.
"""

import asyncio
import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import aiohttp
import msgspec

from liveclass.recording.catchup import TRACK_ID, read_piece
from liveclass.recording.fmp4 import AUDIO_TIMESCALE
from tests.e2e.server import Lesson
from tests.fleet.forms import Form
from tests.fleet.people import Person, lesson_of, until

ROOMS = 2
BACK_S = 5.0
"""Sound is back within this time of a loss, where another server goes on."""

SLACK_S = 0.7
"""By which a busy machine is late to hear, and a recording to begin."""

HOLE_S = 0.1

PAST_THE_END_MS = 30
"""As pages ask: for what follows what they have, not for the fragment that ends there."""

Stretch = tuple[float, float]
"""A time in which something can be heard: begin and end, seconds since 1970."""


@dataclass(slots=True)
class Told:
    """What came of it.

    Attributes:
        moved_s: the longest silence of a classroom through the upgrade.
        lost_s: and through the loss.
        missing_s: how much of the time before the loss is in no replay.
    """

    moved_s: float = 0.0
    lost_s: float = 0.0
    missing_s: float = 0.0
    parts: list[Stretch] = field(default_factory=list)


async def whole_lesson(form: Form) -> Told:
    """Runs it on a form that was started.

    Raises:
        AssertionError: a law is broken.
    """
    told = Told()
    made = await form.servers[0].create_lesson()
    async with (
        lesson_of(form.doors, made, ROOMS) as (teacher, rooms),
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True)) as http,
    ):
        stays, leaves = rooms
        await asyncio.sleep(2 * SLACK_S)
        await leaves.stop()
        left_at = time.time()
        await asyncio.sleep(3)

        begun = time.monotonic()
        await form.upgrade(made)
        await heard_since(stays, time.monotonic())
        told.moved_s = stays.longest_silence_s(begun)

        # Who was away for all of this comes back, and plays what it has missed, whoever has recorded it.
        await leaves.start(http)
        await until(lambda: leaves.heard_at[-1] > begun, "the class that was away hears", 30)
        back_at = time.time()
        await everywhere(form, http, made, stays, left_at, back_at, lambda _at: False)
        await asyncio.sleep(1)

        taught = [*stays.heard_at]
        lost = await form.lose(made)
        await heard_since(stays, lost + SLACK_S)
        await heard_since(leaves, lost + SLACK_S)
        told.lost_s = max(room.longest_silence_s(lost) for room in rooms)
        await asyncio.sleep(1)
        again_at = time.time()

        def gone(at: float) -> bool:
            return lost - form.lost_s - SLACK_S <= at <= lost + SLACK_S

        await form.replace()
        await everywhere(form, http, made, stays, left_at, again_at, gone)
        online = [one for one in teacher.welcome["participants"] if one["online"]]
        assert len({one["id"] for one in online}) == len(online) <= ROOMS + 1
        known = (await form.api("GET", f"/api/lessons/{made.id}"))["participants"]
        assert len(known) == ROOMS + 1, known
    replay = await finished_replay(form, made)
    told.parts = [
        (part["began_at_ms"] / 1000, part["began_at_ms"] / 1000 + part["duration_s"]) for part in replay["parts"]
    ]
    assert len(told.parts) == 3, replay
    missing = unheard(taught, told.parts)
    assert all(gone(at) for at in missing), (ages(missing, lost), told.parts)
    told.missing_s = max(0.0, lost + time.time() - time.monotonic() - told.parts[1][1])
    for server in form.servers:
        await check_files(server.url, replay)
        check_log(await server.api("GET", f"/api/timeline/{made.id}"), len(told.parts))
    return told


async def heard_since(person: Person, since: float) -> None:
    await until(lambda: person.heard_at[-1] > since, "sound is back", 40)


def unheard(heard: Sequence[float], stretches: Sequence[Stretch]) -> list[float]:
    """The moments (monotonic) of those heard that lie in no stretch."""
    wall = time.time() - time.monotonic()
    return [at for at in heard if not any(begin - SLACK_S <= at + wall <= end + SLACK_S for begin, end in stretches)]


def ages(moments: Sequence[float], now: float) -> list[float]:
    """For people: how many seconds before `now`."""
    return sorted({round(now - at, 1) for at in moments})


async def everywhere(
    form: Form,
    http: aiohttp.ClientSession,
    lesson: Lesson,
    witness: Person,
    begin: float,
    end: float,
    gone: Callable[[float], bool],
) -> None:
    """Through every server, what the witness heard from `begin` to `end` (seconds since 1970) can be caught up with.

    Args:
        gone: whether a moment (monotonic) may be missing.
    """
    wall = time.time() - time.monotonic()
    heard = [at for at in witness.heard_at if begin + SLACK_S <= at + wall <= end - SLACK_S]
    assert heard
    found = await asyncio.gather(*(catch_up(http, door, lesson, begin, end) for door in form.doors))
    for door, stretches in zip(form.doors, found, strict=True):
        missing = [at for at in unheard(heard, stretches) if not gone(at)]
        assert not missing, (door, ages(missing, heard[-1]), stretches, form.logs())


async def catch_up(http: aiohttp.ClientSession, door: str, lesson: Lesson, begin: float, end: float) -> list[Stretch]:
    """What a page that was away is given, asked for as pages do: again from where a stream has ended."""
    found: list[Stretch] = []
    at = begin
    deadline = time.monotonic() + 60
    while at < end:
        assert time.monotonic() < deadline, f"no more comes after {at - begin:.1f} s: {found}"
        query = {"from": str(math.ceil(at * 1000) + PAST_THE_END_MS), "rendition": "sound"}
        headers = {"Authorization": f"Bearer {lesson.classroom_token}"}
        try:
            async with http.get(f"{door}/api/catchup/{lesson.id}", params=query, headers=headers) as answer:
                if answer.status in {429, 503}:
                    await asyncio.sleep(float(answer.headers.get("Retry-After", "0.3")))
                    continue
                assert answer.status == 200, await answer.text()
                starts_s, _, began_ms = answer.headers["X-Catchup-Part"].partition(":")
                zero = int(began_ms) / 1000 - float(starts_s)
                async for first, last in pieces(answer.content):
                    at = max(at, zero + last)
                    if found and abs(zero + first - found[-1][1]) < HOLE_S:
                        found[-1] = (found[-1][0], zero + last)
                    else:
                        found.append((zero + first, zero + last))
                    if at >= end:
                        return found
        except aiohttp.ClientPayloadError:
            await asyncio.sleep(0.3)
    return found


async def pieces(content: aiohttp.StreamReader) -> Any:
    """Begin and end of each fragment of a stream, in seconds of the replay."""
    held = b""
    async for data in content.iter_any():
        held += data
        while len(held) >= 8 and len(held) >= (size := int.from_bytes(held[:4], "big")):
            piece = read_piece(held[:size], 0, TRACK_ID["sound"]) if held[4:8] == b"moof" else None
            if piece is not None:
                yield piece.start / AUDIO_TIMESCALE, piece.end / AUDIO_TIMESCALE
            held = held[size:]


async def finished_replay(form: Form, lesson: Lesson) -> Any:
    await form.api("POST", f"/api/lessons/{lesson.id}/end")
    for _ in range(150):
        shown = await form.api("GET", f"/api/lessons/{lesson.id}")
        if shown["recording"]["state"] == "finished":
            return await form.api("GET", f"/api/replays/{lesson.id}", token=lesson.replay_token)
        await asyncio.sleep(0.1)
    raise AssertionError(f"the replay was not completed: {shown['recording']}\n{form.logs()}")


def check_log(text: bytes, parts: int) -> None:
    """As if one process had written it."""
    assert text.endswith(b"\n")
    lines = [msgspec.json.decode(line) for line in text.splitlines()]
    seqs = [line["seq"] for line in lines]
    assert seqs == sorted(set(seqs))
    kinds = [line["event"]["type"] for line in lines]
    assert (kinds.count("lesson_started"), kinds.count("part_began"), kinds.count("lesson_ended")) == (1, parts, 1)


async def check_files(door: str, replay: Any) -> None:
    """One playlist that has an end, with each gap marked, and every file of it is there."""
    base = f"{door}{replay['main']['url']}".rpartition("/")[0]
    async with aiohttp.ClientSession(raise_for_status=True) as http:
        async with http.get(f"{door}{replay['main']['url']}") as answer:
            text = await answer.text()
        assert text.rstrip().endswith("#EXT-X-ENDLIST")
        assert text.count("#EXT-X-DISCONTINUITY\n") == len(replay["parts"]) - 1
        lengths = [float(length) for length in re.findall(r"#EXTINF:([\d.]+)", text)]
        assert abs(sum(lengths) - replay["recording"]["duration_s"]) < 0.5
        names = sorted(set(re.findall(r"[a-z0-9]+-[\w-]+\.(?:m4s|mp4)", text)))
        assert names
        for name in names:
            async with http.get(f"{base}/{name}") as answer:
                assert len(await answer.read()) > 100
    began = [part["began_at_ms"] for part in replay["parts"]]
    assert all(earlier < later for earlier, later in pairwise(began))
