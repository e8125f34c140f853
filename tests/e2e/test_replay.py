"""The replay against what was taught: every tone at its second, sound and picture in step."""

import asyncio
import time

import pytest

from tests.e2e import programme, senses
from tests.e2e.client import publishing
from tests.e2e.school import SCREEN, TEACHER, School
from tests.e2e.server import Lesson, LiveServer
from tests.e2e.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

IN_STEP_S = 0.08
"""How far sound and picture may be apart in a replay."""


async def taught(server: LiveServer, lesson: Lesson, known: programme.Programme, mime: str) -> float:
    """Teach the whole programme by WHIP and end the lesson.

    Returns:
        The second of the lesson at which the programme began.
    """
    async with publishing(lesson.whip_url, lesson.teacher_token, known, mime=mime) as client:
        await asyncio.wait_for(client.clock.over.wait(), known.seconds + 20)
        await asyncio.sleep(0.5)
        await client.delete()
    replay = await server.replay(lesson)
    await server.api("POST", f"/api/lessons/{lesson.id}/end")
    assert client.clock.began_wall is not None
    return float(client.clock.began_wall - replay["lesson"]["started_at_ms"] / 1000)


@pytest.mark.parametrize(("codec", "mime"), [("libx264", "video/H264"), ("libvpx", "video/VP8")])
async def test_a_replay_holds_what_was_taught(server: LiveServer, lesson: Lesson, codec: str, mime: str) -> None:
    known = programme.encode(6, 20, codec=codec)
    began = await taught(server, lesson, known, mime)

    async def finished() -> bool:
        return bool((await server.replay(lesson))["recording"]["state"] == "finished")

    print(f"finished {await until(finished, 'the recording is finished'):.2f} s after the end")
    replay = await server.replay(lesson)
    played = await asyncio.to_thread(programme.watch, server.url + replay["main"]["url"], known.person)

    # Nearly every frame: the first may wait for a keyframe, the last may have been under way.
    assert len(played.frames) >= 0.9 * len(known.video)
    assert len(played.changes) >= 17
    offsets = played.offsets()
    print(f"sound after picture: {min(offsets) * 1000:+.0f} to {max(offsets) * 1000:+.0f} ms")
    assert len(offsets) >= 17
    assert max(abs(offset) for offset in offsets) <= IN_STEP_S

    # Every tone stands at the second of the lesson at which it was taught.
    times = dict(enumerate(at for _, at in played.changes))
    first = played.changes[0][0]
    shifts = [at - (began + first + number) for number, at in times.items()]
    print(f"replay against lesson: {min(shifts):+.2f} to {max(shifts):+.2f} s")
    assert max(shifts) - min(shifts) <= IN_STEP_S
    assert max(abs(shift) for shift in shifts) <= 0.5

    assert replay["recording"]["duration_s"] == pytest.approx(began + known.seconds, abs=2.0)
    for span in (played.video_span, played.audio_span):
        assert span[1] - span[0] == pytest.approx(replay["recording"]["duration_s"], abs=1.5)


async def test_a_volunteer_who_comes_back_goes_on_in_the_same_replay(server: LiveServer, lesson: Lesson) -> None:
    """A new session, ten seconds after the first: the replay is as long as the lesson, its sound in step in both."""
    known = programme.encode(6, 6)
    for _ in range(2):
        async with publishing(lesson.whip_url, lesson.teacher_token, known) as client:
            await asyncio.wait_for(client.clock.over.wait(), 20)
            await client.delete()
        await asyncio.sleep(3)
    await server.api("POST", f"/api/lessons/{lesson.id}/end")
    await asyncio.sleep(1)
    replay = await server.replay(lesson)
    assert len(replay["parts"]) == 1
    assert replay["recording"]["duration_s"] > 14
    played = await asyncio.to_thread(programme.watch, server.url + replay["main"]["url"], 6)
    offsets = played.offsets()
    assert len(offsets) >= 4
    assert played.audio_span[1] - played.audio_span[0] == pytest.approx(replay["recording"]["duration_s"], abs=1.5)


async def test_a_replay_plays_while_the_lesson_runs_and_after(
    server: LiveServer, lesson: Lesson, school: School
) -> None:
    teacher = await school.teacher(lesson)
    await teacher.start()
    await asyncio.sleep(12)  # a first segment is closed by then
    viewer = await school.viewer(lesson)
    await viewer.play()
    await senses.hears(viewer.page, TEACHER.hz)
    await senses.sees(viewer.page, TEACHER.number)

    await teacher.end()
    ended = time.monotonic()
    later = await school.viewer(lesson)
    await later.play()
    await senses.hears(later.page, TEACHER.hz)
    frames = await senses.sees(later.page, TEACHER.number)
    print(f"replay plays {time.monotonic() - ended:.1f} s after the end, opening a browser included")
    assert frames[0].width == 320
    assert (await server.replay(lesson))["recording"]["state"] == "finished"


async def test_the_light_replay_sounds_at_the_same_place_and_is_remembered(
    server: LiveServer, lesson: Lesson, school: School
) -> None:
    teacher = await school.teacher(lesson)
    await teacher.start()
    await asyncio.sleep(25)
    await teacher.end()

    async def made() -> bool:
        return (await server.replay(lesson))["light"] is not None

    print(f"light replay {await until(made, 'the light replay is made', within=60):.1f} s after the end")
    viewer = await school.viewer(lesson)
    await viewer.play()
    await senses.hears(viewer.page, TEACHER.hz)
    await senses.sees(viewer.page, TEACHER.number)
    await viewer.page.keyboard.press("5")  # the middle
    before = await viewer.position()
    await viewer.press("light")
    await viewer.shows("light-stage")
    await senses.hears(viewer.page, TEACHER.hz)
    assert before - 0.5 < await viewer.position() < before + 12
    assert await viewer.page.evaluate("document.querySelector('[data-test=main]').videoWidth") == 0
    assert await viewer.page.evaluate("document.querySelector('[data-test=main]').preservesPitch")
    stopped = await viewer.position()
    await viewer.press("play")
    await viewer.page.reload()
    await viewer.shows("light-stage")
    await viewer.press("big-play")
    await senses.hears(viewer.page, TEACHER.hz)
    assert stopped - 2.5 < await viewer.position() < stopped + 10
    # And back to the film.
    await viewer.press("light")
    await senses.sees(viewer.page, TEACHER.number)


async def test_a_shared_screen_is_replayed_beside_the_camera(lesson: Lesson, school: School) -> None:
    teacher = await school.teacher(lesson)
    await teacher.start()
    await asyncio.sleep(2)
    await teacher.page.evaluate(f"analysers.show({SCREEN})")
    await teacher.press("screen")
    await asyncio.sleep(9)
    await teacher.page.evaluate("document.querySelector('canvas:last-of-type').remove()")
    await teacher.end()
    viewer = await school.viewer(lesson)
    await viewer.play()
    screen = await senses.sees(viewer.page, SCREEN)
    camera = await senses.sees(viewer.page, TEACHER.number)
    assert screen[-1].area > camera[-1].area
    await senses.hears(viewer.page, TEACHER.hz)


async def test_a_deleted_lesson_leaves_no_replay(server: LiveServer, lesson: Lesson) -> None:
    await taught(server, lesson, programme.encode(6, 4), "video/H264")
    url = server.url + (await server.replay(lesson))["main"]["url"]
    folders = [path for path in server.data_dir.rglob("*") if lesson.id in path.name]
    assert folders
    await server.api("DELETE", f"/api/lessons/{lesson.id}")
    left = [path for path in server.data_dir.rglob("*") if lesson.id in path.name]
    # That it was deleted, so that nothing of it can come back, and nothing else.
    assert [path.parent.name for path in left] == ["deleted"]
    assert left[0].stat().st_size == 0
    with pytest.raises(Exception, match=r"40[34]|Not Found|Forbidden"):
        await asyncio.to_thread(programme.watch, url, 6)
