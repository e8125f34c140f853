"""Delay by choice: a class that listens lags so that everything heals, one that is called on answers at once."""

import pytest

from tests.e2e.pages import ClassroomPage
from tests.e2e.school import FIRST_CLASS, School
from tests.e2e.server import Lesson
from tests.e2e.test_lesson import KEEP_CONNECTIONS
from tests.e2e.waiting import until

pytestmark = pytest.mark.e2e

BUFFERED = """
async () => {
  const before = window.emitted ?? {};
  window.emitted = {};
  let least = null;
  for (const [number, connection] of window.connections.entries()) {
    for (const one of (await connection.getStats()).values()) {
      if (one.type !== "inbound-rtp" || one.kind !== "audio" || !one.jitterBufferEmittedCount) continue;
      const key = `${number}/${one.id}`;
      const now = { delay: one.jitterBufferDelay, count: one.jitterBufferEmittedCount };
      window.emitted[key] = now;
      const played = now.count - (before[key]?.count ?? 0);
      // A second's fifth at the least, or the mean says nothing.
      if (played > 9_600) least = Math.max(least ?? 0, (now.delay - (before[key]?.delay ?? 0)) / played);
      else window.emitted[key] = before[key] ?? now;
    }
  }
  return least;
}
"""
"""How long the sound that was played since the last look had waited in the jitter buffer, seconds; null: too little was
played to tell."""


async def test_a_class_lags_while_it_listens_and_not_while_it_is_called(lesson: Lesson, school: School) -> None:
    teacher = await school.teacher(lesson)
    await teacher.start()
    pupils = await school.person(FIRST_CLASS)
    await pupils.context.add_init_script(KEEP_CONNECTIONS)
    classroom = await ClassroomPage.open(pupils, lesson.classroom_url)
    await teacher.wait_for_tiles(1)

    async def waits(least_s: float, most_s: float) -> bool:
        waited: float | None = await classroom.page.evaluate(BUFFERED)
        return waited is not None and least_s <= waited <= most_s

    await until(lambda: waits(0.8, 3.2), "a second of sound is in hand while the class listens", within=25)
    await teacher.call()
    await classroom.shows("called")
    # The aim is 2 s; a machine that runs four browsers on two cores is late by itself.
    took = await until(lambda: waits(0.0, 0.4), "the least delay once the class is called on", within=6)
    print(f"least delay after {took:.1f} s")
    await teacher.end_call()
    await until(lambda: waits(0.8, 3.2), "a second of sound is in hand again", within=25)
