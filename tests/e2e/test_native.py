"""A lesson between real browsers on both ways of the fan-out: the native module's and Python's."""

import pytest

from tests.e2e import senses
from tests.e2e.school import TEACHER, School
from tests.e2e.server import Lesson, LiveServer
from tests.e2e.waiting import until

pytestmark = pytest.mark.e2e

SENT = "liveclass_relay_datagrams_sent_total"
SENT_NATIVELY = "liveclass_relay_native_datagrams_sent_total"
ENOUGH = 200
"""Datagrams of some seconds: sound alone is fifty a second."""


@pytest.mark.parametrize(
    ("server", "natively"),
    [({"native_fanout": "true"}, True), ({"native_fanout": "false"}, False)],
    ids=["natively", "in Python"],
    indirect=["server"],
)
async def test_a_class_hears_and_sees_and_the_server_tells_which_way_it_sent(
    server: LiveServer, lesson: Lesson, school: School, natively: bool
) -> None:
    before = await server.metrics()
    if natively and not before["liveclass_relay_native_fanout"]:
        pytest.skip("the native fan-out was not built; see script/build-fanout")
    assert before["liveclass_relay_native_fanout"] == natively
    teacher = await school.teacher(lesson)
    await teacher.start()
    classroom = await school.classroom(lesson)
    await senses.hears(classroom.page, TEACHER.hz)
    await senses.sees(classroom.page, TEACHER.number)
    since = await server.metrics()

    async def went_on() -> bool:
        now = await server.metrics()
        return now[SENT] - since[SENT] > ENOUGH

    await until(went_on, f"{ENOUGH} more datagrams", within=15)
    now = await server.metrics()
    sent, sent_natively = (now[name] - since[name] for name in (SENT, SENT_NATIVELY))
    if natively:
        assert sent_natively > 0.5 * sent  # the rest is checks, reports and repetitions
    else:
        assert now[SENT_NATIVELY] == 0
    await senses.hears(classroom.page, TEACHER.hz)
    await senses.sees(classroom.page, TEACHER.number)
