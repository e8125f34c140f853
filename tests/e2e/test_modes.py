"""Kinds of lesson: music arrives in stereo and at its full rate, and a document camera beside the camera."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e import senses
from tests.e2e.browser import Devices, person
from tests.e2e.media import write_face, write_voice
from tests.e2e.pages import TeachPage, part
from tests.e2e.school import SCREEN, TEACHER, School
from tests.e2e.server import Lesson
from tests.e2e.test_layers import REMEMBER
from tests.e2e.waiting import until

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.e2e

LEFT_HZ, RIGHT_HZ = 1000.0, 1500.0
APART_DB = 20.0
"""Between a tone and the rest of it in the other channel: Opus codes what both have in common once."""

MODEL = "document.getElementById('app').__k.__k[0].props.model"
"""What the page does, as its view gets it: a mode has its own press only where the lesson's tools are."""

DOCUMENT_CAMERA = """
(() => {
  const asked = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (constraints) => {
    const video = constraints.video;
    if (!video || !video.deviceId || video.deviceId.exact !== "document") return asked(constraints);
    const canvas = analysers.show(%d);
    // Under the page, which keeps its own picture.
    canvas.style.zIndex = -1;
    return canvas.captureStream(15);
  };
})();
"""
"""Chromium's fake devices show one file: a second camera, with the id "document", is drawn."""

SOUND_BYTES = """async () => {
  let bytes = 0;
  for (const connection of window.connections) {
    for (const one of (await connection.getStats()).values()) {
      if (one.type === "outbound-rtp" && one.kind === "audio") bytes += one.bytesSent;
    }
  }
  return bytes;
}"""


async def sound_kbps(page: "Page", seconds: float = 4.0) -> float:
    """Bits of Opus a second that leave the page, thousands."""
    before = await page.evaluate(SOUND_BYTES)
    await page.wait_for_timeout(1000 * seconds)
    return float(await page.evaluate(SOUND_BYTES) - before) * 8 / seconds / 1000


async def differ(page: "Page") -> bool:
    """Whether the page sounds one tone left and the other right."""
    left, right = await senses.channels(page, (LEFT_HZ, RIGHT_HZ))
    return left[0] > right[0] + APART_DB and right[1] > left[1] + APART_DB and left[0] > -65 and right[1] > -65


async def test_music_arrives_in_stereo_and_speech_in_one_channel_within_one_session(
    lesson: Lesson, school: School, tmp_path: Path
) -> None:
    voice = write_voice(tmp_path / "stereo.wav", LEFT_HZ, RIGHT_HZ)
    face = write_face(tmp_path / "face.y4m", TEACHER.number)
    async with person("teacher", Devices(voice, face)) as someone:
        await someone.context.add_init_script(REMEMBER)
        teacher = await TeachPage.open(someone, lesson.teacher_url)
        await teacher.start()
        classroom = await school.classroom(lesson)
        await senses.hears(classroom.page, LEFT_HZ)
        assert not await differ(classroom.page)
        session = await teacher.page.evaluate(f"{MODEL}.publisher.session.id.value")

        await teacher.page.evaluate(f"{MODEL}.applyMode('music')")
        await until(lambda: differ(classroom.page), "both channels in the classroom", within=20)
        music = await sound_kbps(teacher.page)
        await senses.sees(classroom.page, TEACHER.number)

        await teacher.page.evaluate(f"{MODEL}.applyMode('speech')")

        async def one_channel() -> bool:
            return not await differ(classroom.page)

        await until(one_channel, "one channel again", within=20)
        await senses.hears(classroom.page, LEFT_HZ)
        speech = await sound_kbps(teacher.page)
        print(f"music {music:.0f} kbit/s, speech {speech:.0f} kbit/s")
        assert speech < 50
        assert 80 < music < 150
        assert await teacher.page.evaluate(f"{MODEL}.publisher.session.id.value") == session
        assert someone.complaints == []


async def test_a_lesson_that_begins_with_music_is_in_stereo_from_the_first_session(
    lesson: Lesson, school: School, tmp_path: Path
) -> None:
    voice = write_voice(tmp_path / "stereo.wav", LEFT_HZ, RIGHT_HZ)
    async with person("teacher", Devices(voice)) as someone:
        await someone.context.add_init_script(REMEMBER)
        teacher = await TeachPage.open(someone, lesson.teacher_url)
        await teacher.shows("start")
        await teacher.page.evaluate(f"{MODEL}.applyMode('music')")
        await teacher.start()
        classroom = await school.classroom(lesson)
        await until(lambda: differ(classroom.page), "both channels in the classroom", within=20)
        answer = await teacher.page.evaluate("connections[connections.length - 1].remoteDescription.sdp")
        assert answer.count("sprop-stereo=1") == 1


async def test_camera_and_document_camera_arrive_at_once(lesson: Lesson, school: School) -> None:
    someone = await school.person(TEACHER)
    await someone.context.add_init_script(DOCUMENT_CAMERA % SCREEN)
    teacher = await TeachPage.open(someone, lesson.teacher_url)
    await teacher.start()
    classroom = await school.classroom(lesson)
    await senses.sees(classroom.page, TEACHER.number)

    await teacher.page.evaluate(f"{MODEL}.showDocument('document')")
    # As the button does it: the camera over the document is to stand large.
    show = "{ type: 'show', stage: 'live', source: 'document' }"
    await teacher.page.evaluate(f"{MODEL}.page.signalling.send({show})")
    document = await senses.sees(classroom.page, SCREEN, selector=part("stage"))
    camera = await senses.sees(classroom.page, TEACHER.number)
    assert document[-1].area > 3 * camera[-1].area > 0

    await teacher.page.evaluate(f"{MODEL}.hideDocument()")
    await senses.does_not_see(classroom.page, SCREEN)
    await senses.sees(classroom.page, TEACHER.number, selector=part("stage"))


CAMERA = """() => {
  const { encodings } = connections[connections.length - 1].getSenders()[1].getParameters();
  return encodings.map((one) => [one.scaleResolutionDownBy, one.maxFramerate]);
}"""


async def test_detail_and_motion_change_size_and_frames_of_the_camera_as_it_runs(lesson: Lesson) -> None:
    # Chromium's own camera has every size, and 20 frames.
    async with person("teacher", Devices()) as someone:
        await someone.context.add_init_script(REMEMBER)
        teacher = await TeachPage.open(someone, lesson.teacher_url)
        await teacher.start()
        page, track = teacher.page, f"{MODEL}.camera.track.value"
        settings = f"(({{ height, frameRate }}) => [height, frameRate])({track}.getSettings())"
        same = await page.evaluate(f"{track}.id")

        async def layers(wanted: list[list[float]]) -> bool:
            found = await page.evaluate(CAMERA)
            print(found)
            return bool(found == wanted)

        await until(lambda: layers([[4, 24], [2, 24], [1, 24]]), "the layers of speech")
        await page.evaluate(f"{MODEL}.applyMode('detail')")
        assert await page.evaluate(f"{track}.contentHint") == "detail"
        assert await page.evaluate(settings) == [1080, 10]
        await until(lambda: layers([[3, 5], [2, 10], [1, 10]]), "the layers of detail")
        await page.evaluate(f"{MODEL}.applyMode('motion')")
        assert await page.evaluate(f"{track}.contentHint") == "motion"
        assert await page.evaluate(settings) == [720, 20]
        await until(lambda: layers([[4, 30], [2, 30], [1, 30]]), "the layers of motion")
        assert await page.evaluate(f"{track}.id") == same
