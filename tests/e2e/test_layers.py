"""What a volunteer's browser really sends: the camera and the screen in layers, and of those what somebody takes."""

from typing import TYPE_CHECKING

import pytest

from tests.e2e.browser import Devices, person
from tests.e2e.pages import TeachPage
from tests.e2e.school import School
from tests.e2e.server import Lesson
from tests.e2e.waiting import until

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.e2e

REMEMBER = """
window.connections = [];
window.wanted = {};
window.RTCPeerConnection = new Proxy(RTCPeerConnection, {
  construct: (target, args) => {
    const made = new target(...args);
    window.connections.push(made);
    return made;
  },
});
window.WebSocket = new Proxy(WebSocket, {
  construct: (target, args) => {
    const made = new target(...args);
    made.addEventListener("message", ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "layers_wanted") window.wanted[message.kind] = message.layers;
    });
    return made;
  },
});
"""

SENT = """async () => {
  const sent = {};
  for (const connection of window.connections) {
    for (const one of (await connection.getStats()).values()) {
      if (one.type !== "outbound-rtp" || one.kind !== "video") continue;
      const { mid, rid, framesEncoded, frameHeight, active } = one;
      sent[`${mid}${rid ?? ""}`] = { frames: framesEncoded, height: frameHeight ?? 0, active };
    }
  }
  return sent;
}"""
"""By m-line and rid; the camera is m-line 1, the screen 2."""

CAMERA = {"1l": 180, "1m": 360, "1h": 720}
SCREEN = ("2l", "2h")
RID_OF = {"low": "1l", "middle": "1m", "high": "1h"}
SOON_S = 30.0


async def sent(page: "Page") -> dict[str, dict[str, int]]:
    """What leaves the browser, counted since the connection began."""
    found: dict[str, dict[str, int]] = await page.evaluate(SENT)
    return found


async def test_camera_and_screen_leave_in_layers_and_what_nobody_takes_rests(lesson: Lesson, school: School) -> None:
    # Chromium's own camera has every size; the faces of the other tests are small, and get one layer.
    async with person("teacher", Devices()) as someone:
        await someone.context.add_init_script(REMEMBER)
        teacher = await TeachPage.open(someone, lesson.teacher_url)
        await teacher.start()
        page, heights = teacher.page, {"": 0}

        async def every_layer_was_sent() -> bool:
            heights.update({rid: one["height"] for rid, one in (await sent(page)).items() if one["height"]})
            return CAMERA.items() <= heights.items()

        await until(every_layer_was_sent, "the camera leaves in three layers of their sizes", within=SOON_S)

        await school.classroom(lesson)
        await teacher.press("screen")

        async def screen_is_sent() -> bool:
            layers = await sent(page)
            return all(layers.get(rid, {"frames": 0})["frames"] > 0 for rid in SCREEN)

        await until(screen_is_sent, "the screen leaves in two layers", within=SOON_S)

        async def follows() -> bool:
            wanted = await page.evaluate("window.wanted.camera ?? null")
            active = {rid for rid, one in (await sent(page)).items() if rid in CAMERA and one["active"]}
            return wanted is not None and "low" in wanted and active == {RID_OF[layer] for layer in wanted}

        # What is wanted changes with the classroom's link; the lowest always is, ready for one that weakens.
        await until(follows, "the layers that the server wants are sent, and no others", within=SOON_S)
