"""The registry: what of a lesson outlives a crash, what its settings do, and what pages are told of the recording."""

import asyncio
import itertools
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from liveclass.lesson.members import LessonSnapshot
from liveclass.server.held import Held
from liveclass.server.snapshots import Snapshots
from tests.server.stage import PATIENCE_S, Stage, bearer, build, participants


async def saved(held: Held) -> None:
    """Waits until the calls of the moment are on disk."""
    for _ in range(1000):
        if not held.saving_calls:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("still writing")


async def test_a_call_or_mute_just_before_a_kill_is_known_after_it(tmp_path: Path) -> None:
    """The clock stands still, so nothing that waits is ever written: what is on disk is what `kill -9` leaves."""
    (tmp_path / "one").mkdir()
    stage = await build(tmp_path / "one")
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    room = await stage.enter(lesson["id"], lesson["classroom_token"], 2, "3-2")
    who = room.welcome["you"]
    file = tmp_path / "one" / "lessons" / f"{lesson['id']}.json"
    await teacher.say("start_lesson")
    await teacher.settled()
    assert not file.exists()

    numbers = itertools.count()

    async def left_behind() -> tuple[bool, bool]:
        """Called and muted, as a server on a copy of the folder knows it."""
        await teacher.settled()
        held = stage.lessons.loaded(lesson["id"])
        assert held is not None
        await saved(held)
        await stage.lessons.flush()
        copy = tmp_path / f"killed-{next(numbers)}"
        await asyncio.to_thread(shutil.copytree, tmp_path / "one", copy)
        again = await build(copy)
        page = await again.enter(lesson["id"], lesson["classroom_token"], 2)
        me = participants(page.welcome["participants"])[who]
        await again.close()
        return me["called"], me["muted"]

    await teacher.say("call", participant=who)
    assert await left_behind() == (True, False)
    await teacher.say("mute", participant=who, muted=True)
    assert await left_behind() == (True, True)
    await room.say("end_call", participant=who)
    await room.settled()
    assert await left_behind() == (False, False)
    await stage.close()


async def test_many_calls_and_mutes_on_a_slow_disk_share_writes_and_hold_up_nobody(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    room = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
    who = room.welcome["you"]
    disk, written = threading.Event(), []

    def slow(_self: Snapshots, _lesson: str, snapshot: LessonSnapshot) -> None:
        disk.wait(PATIENCE_S)
        written.append({m.id: (m.called, m.muted) for m in snapshot.members}[who])

    monkeypatch.setattr(Snapshots, "write", slow)
    await teacher.say("start_lesson")
    await teacher.say("call", participant=who)
    for n in range(20):
        await teacher.say("mute", participant=who, muted=n % 2 == 0)
    await teacher.settled()
    disk.set()
    held = stage.lessons.loaded(lesson["id"])
    assert held is not None
    await saved(held)
    assert len(written) <= 3
    assert written[-1] == (True, False)


async def test_how_long_a_call_and_an_abandoned_lesson_last_are_settings(tmp_path: Path) -> None:
    stage = await build(tmp_path, call_grace_s=10.0, abandoned_after_s=60.0)
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    room = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
    other = await stage.enter(lesson["id"], lesson["classroom_token"], 3)
    await teacher.say("start_lesson")
    await teacher.say("call", participant=room.welcome["you"])
    await teacher.settled()
    await room.socket.close()
    await teacher.about(room.welcome["you"])
    stage.clock.advance(11)
    await stage.lessons.housekeep()
    assert (await teacher.about(room.welcome["you"]))["called"] is False
    await teacher.socket.close()
    while (await other.about(teacher.welcome["you"]))["online"]:
        pass
    for seconds, state in ((59, "live"), (2, "ended")):
        stage.clock.advance(seconds)
        await stage.lessons.housekeep()
        assert (await stage.show(lesson["id"]))["state"] == state
    await stage.close()


@pytest.mark.parametrize(
    ("record", "classrooms", "told"),
    [(True, False, (True, False)), (True, True, (True, True)), (False, True, (False, False))],
)
async def test_every_page_knows_before_the_lesson_what_will_be_recorded(
    tmp_path: Path, record: bool, classrooms: bool, told: tuple[bool, bool]
) -> None:
    stage = await build(tmp_path, record=record, record_classrooms=classrooms)
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    room = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
    for page in (teacher, room):
        recording = page.welcome["recording"]
        assert recording["state"] == "off"
        assert (recording["enabled"], recording["classrooms"]) == told
    await teacher.say("start_lesson")
    await teacher.settled()
    late = await stage.enter(lesson["id"], lesson["classroom_token"], 3)
    recording = late.welcome["recording"]
    assert recording["state"] == ("recording" if record else "off")
    assert (recording["enabled"], recording["classrooms"]) == told
    await stage.close()


async def test_where_the_operator_opens_replays_classrooms_get_the_link_when_the_lesson_is_over(tmp_path: Path) -> None:
    stage = await build(tmp_path, classroom_replay=True)
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    room = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
    assert room.welcome["replay_url"] == ""
    await teacher.say("start_lesson")
    await teacher.until("recording_changed")
    assert (await stage.enter(lesson["id"], lesson["classroom_token"], 3)).welcome["replay_url"] == ""
    await teacher.say("end_lesson")
    fresh = await room.until("welcome")
    assert fresh["recording"]["state"] == "finished"
    token = fresh["replay_url"].removeprefix(f"/replay/{lesson['id']}#")
    response = await stage.client.get(f"/api/replays/{lesson['id']}", headers=bearer(token))
    assert response.status == 200
    assert (await stage.enter(lesson["id"], lesson["classroom_token"], 4)).welcome["replay_url"] != ""
    await stage.close()


@pytest.mark.parametrize("settings", [{}, {"classroom_replay": True, "record": False}])
async def test_by_default_or_without_a_recording_classrooms_get_no_replay_link(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    stage = await build(tmp_path, **settings)
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    room = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
    await teacher.say("start_lesson")
    await teacher.say("end_lesson")
    await teacher.until("lesson_changed")
    if settings.get("record", True):
        await room.until("recording_changed", recording={**room.welcome["recording"], "state": "finished"})
    assert "welcome" not in {message["type"] for message in await room.settled()}
    assert (await stage.enter(lesson["id"], lesson["classroom_token"], 3)).welcome["replay_url"] == ""
    await stage.close()
