"""A network that blocks UDP: real browsers teach and watch over TCP, on the one port that their pages came by."""

import pytest

from tests.e2e import senses, ways
from tests.e2e.pages import ClassroomPage, TeachPage
from tests.e2e.school import FIRST_CLASS, TEACHER, School
from tests.e2e.server import Lesson, LiveServer

pytestmark = pytest.mark.e2e

ENOUGH_BYTES = 20_000
"""More than checks and reports come to: this way carries sound and picture."""

BLOCKED = """
const set = RTCPeerConnection.prototype.setRemoteDescription;
RTCPeerConnection.prototype.setRemoteDescription = function (description) {
  const lines = description.sdp.split('\\r\\n');
  const open = lines.filter((line) => !line.startsWith('a=candidate:') || line.includes(' %d typ host tcptype '));
  return set.call(this, { type: description.type, sdp: open.join('\\r\\n') });
};
"""
"""What a firewall does to a page, without one: the server is reached at one TCP port alone."""


async def test_a_lesson_goes_on_where_udp_is_blocked(server: LiveServer, lesson: Lesson, school: School) -> None:
    volunteer, room = await school.person(TEACHER), await school.person(FIRST_CLASS)
    for someone in (volunteer, room):
        await ways.watch(someone.context)
        await someone.context.add_init_script(BLOCKED % server.port)
    teacher = await TeachPage.open(volunteer, lesson.teacher_url)
    await teacher.start()
    classroom = await ClassroomPage.open(room, lesson.classroom_url)
    await senses.sees(classroom.page, TEACHER.number)
    await senses.hears(classroom.page, TEACHER.hz)
    received, sent = await ways.of(classroom.page), await ways.of(teacher.page)
    assert {(way.protocol, way.port) for way in (*received, *sent)} == {("tcp", server.port)}
    assert max(way.received for way in received) > ENOUGH_BYTES
    assert max(way.sent for way in sent) > ENOUGH_BYTES
