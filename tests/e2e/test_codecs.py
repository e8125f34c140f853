"""Every codec that a browser may send: seen by a class, untouched on the way, and played in the replay."""

import asyncio

import pytest

from tests.e2e import senses
from tests.e2e.pages import ClassroomPage, TeachPage
from tests.e2e.school import TEACHER, School
from tests.e2e.server import Lesson

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

ONLY = """
const offered = RTCRtpSender.getCapabilities("video").codecs;
const own = RTCRtpTransceiver.prototype.setCodecPreferences;
RTCRtpTransceiver.prototype.setCodecPreferences = function (given) {
  const wanted = offered.filter((codec) => ["video/CODEC", "video/rtx"].includes(codec.mimeType));
  own.call(this, given[0].mimeType.startsWith("video/") ? wanted : given);
};
"""

RECEIVED = """
async () => {
  const reports = await Promise.all(window.connections.map((connection) => connection.getStats()));
  const all = new Map(reports.flatMap((report) => [...report.entries()]));
  return [...all.values()]
    .filter((one) => one.type === "inbound-rtp" && one.kind === "video" && one.framesDecoded > 0)
    .map((one) => all.get(one.codecId).mimeType);
}
"""

KEEP = """
window.connections = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...given) { super(...given); window.connections.push(this); }
};
"""


@pytest.mark.parametrize("codec", ["H264", "VP8", "VP9", "AV1"])
async def test_a_class_sees_and_a_replay_holds_what_a_browser_sends(lesson: Lesson, school: School, codec: str) -> None:
    volunteer = await school.person(TEACHER)
    await volunteer.context.add_init_script(ONLY.replace("CODEC", codec))
    pupils = await school.person(TEACHER)
    await pupils.context.add_init_script(KEEP)
    teacher = await TeachPage.open(volunteer, lesson.teacher_url)
    await teacher.start()
    classroom = await ClassroomPage.open(pupils, lesson.classroom_url)
    await senses.sees(classroom.page, TEACHER.number)
    assert f"video/{codec}" in await classroom.page.evaluate(RECEIVED)
    await asyncio.sleep(3)
    await teacher.end()
    # The replay page is the judge: a lesson may begin with a moment of the recorder's own H264 picture, and FFmpeg does
    # not follow a change of codec within a playlist as browsers do.
    viewer = await school.viewer(lesson)
    await viewer.play()
    await senses.sees(viewer.page, TEACHER.number)
    await senses.hears(viewer.page, TEACHER.hz)
