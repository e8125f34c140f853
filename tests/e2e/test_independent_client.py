"""WHIP and WHEP with a client that shares no code with the server: any encoder can teach, any player can watch."""

import asyncio

import aiohttp
import pytest

from tests.e2e import programme, senses
from tests.e2e.client import publishing, watching
from tests.e2e.school import TEACHER, School
from tests.e2e.server import Lesson, LiveServer
from tests.e2e.waiting import until

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(("codec", "mime"), [("libx264", "video/H264"), ("libvpx", "video/VP8")])
async def test_one_client_teaches_and_another_watches(lesson: Lesson, codec: str, mime: str) -> None:
    known = programme.encode(6, 8, codec=codec)
    async with (
        publishing(lesson.whip_url, lesson.teacher_token, known, mime=mime) as teacher,
        watching(lesson.whep_url, lesson.classroom_token) as viewer,
    ):
        await asyncio.wait_for(teacher.clock.over.wait(), 15)
        await asyncio.sleep(0.3)
        frames = viewer.saw(6)
        # It came in within the first second or two; from then on nothing is missing.
        assert len(frames) >= 120
        assert max(frames) - min(frames) + 1 - len(frames) <= 3
        heard = [second for second in range(3, 8) if viewer.heard(programme.tone_of(second)) >= 35]
        assert heard == [3, 4, 5, 6, 7]


async def test_a_generic_encoder_teaches_a_real_classroom(lesson: Lesson, school: School) -> None:
    known = programme.encode(6, 20)
    classroom = await school.classroom(lesson)
    async with publishing(lesson.whip_url, lesson.teacher_token, known):
        await senses.sees(classroom.page, 6)
        heard = await senses.tones(classroom.page, 2.5)
        assert any(senses.is_near(hz, tone) for hz in heard for tone in programme.TONES)


async def test_a_generic_player_watches_a_volunteer_in_a_browser(lesson: Lesson, school: School) -> None:
    teacher = await school.teacher(lesson)
    await teacher.start()
    async with watching(lesson.whep_url, lesson.classroom_token) as viewer:
        await until(lambda: len(viewer.saw(TEACHER.number)) >= 15, "frames of the volunteer", within=20)
        await until(lambda: viewer.heard(TEACHER.hz) >= 40, "the volunteer's tone")


async def test_a_second_viewer_who_leaves_is_not_missed(lesson: Lesson) -> None:
    known = programme.encode(6, 8)
    async with (
        publishing(lesson.whip_url, lesson.teacher_token, known) as teacher,
        watching(lesson.whep_url, lesson.classroom_token) as viewer,
    ):
        async with watching(lesson.whep_url, lesson.classroom_token) as other:
            await asyncio.sleep(2)
            assert len(other.saw(6)) > 10
            assert await other.delete() == 200
            assert await other.delete() == 404
        before = len(viewer.saw(6))
        await asyncio.sleep(1)
        assert len(viewer.saw(6)) - before >= 20
        assert await teacher.delete() == 200


@pytest.mark.parametrize("token", ["", "not-a-token-of-this-lesson"])
async def test_a_stranger_neither_teaches_nor_watches(server: LiveServer, lesson: Lesson, token: str) -> None:
    for url in (lesson.whip_url, lesson.whep_url):
        with pytest.raises(aiohttp.ClientResponseError) as refused:
            async with watching(url, token):
                pass
        assert refused.value.status in (401, 403)


async def test_a_class_that_was_not_called_does_not_publish(lesson: Lesson) -> None:
    with pytest.raises(aiohttp.ClientResponseError) as refused:
        async with publishing(lesson.whip_url, lesson.classroom_token, programme.encode(6, 1)):
            pass
    assert refused.value.status == 403
