"""Every state of every page before axe-core, in both languages, light and dark, on a projector and on a phone; and the
keyboard, the shortcuts and the wish for less motion, in a real Chromium."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from tests.e2e.browser import Devices, person
from tests.web import report_server, told_lesson
from tests.web.conftest import SCREEN_AT_S
from tests.web.replay_server import Recorded, serving
from tests.web.report_server import Reported

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.e2e

WEB = Path(__file__).parents[2] / "web"
AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
STORIES = re.findall(
    r'^    "((?:class|teach|board)-[a-z-]+)": \(\)', (WEB / "src/dev/stories.tsx").read_text("utf-8"), re.M
)

PROJECTOR, PHONE = (1280, 720), (390, 844)
Scheme = Literal["light", "dark"]
LOOKS: dict[str, tuple[tuple[Scheme, tuple[int, int]], ...]] = {
    "zh-CN": (("light", PROJECTOR), ("dark", PHONE)),
    "en": (("dark", PROJECTOR), ("light", PHONE)),
}
"""What each language is looked at in: together every scheme on every screen."""

CHECK = """async () => {
  await Promise.all(document.getAnimations().filter((one) => one.playState === "running"
    && one.effect.getTiming().iterations !== Infinity).map((one) => one.finished.catch(() => null)));
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.flatMap((one) => one.nodes.map(
    (node) => `${one.id}: ${node.target.join(" ")}: ${node.failureSummary}`));
}"""

FOCUSED = """() => {
  const one = document.activeElement;
  if (one === null || one === document.body) return null;
  const style = getComputedStyle(one), box = one.getBoundingClientRect();
  return {
    name: one.outerHTML.replace(/<svg.*?<.svg>/g, "").slice(0, 120),
    ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    seen: box.width > 0 && box.height > 0 && getComputedStyle(one.parentElement).opacity !== "0",
    reached: [...document.querySelectorAll("[data-reachable]")].indexOf(one),
  };
}"""

MARK = """() => {
  const all = [...document.querySelectorAll("a[href], button, input, select, summary, [role=slider]")]
    .filter((one) => !one.disabled && one.getClientRects().length > 0)
    // Tab stops once in a group of radio buttons; arrows reach the others.
    .filter((one) => one.type !== "radio" || one.checked);
  for (const one of all) one.dataset.reachable = "";
  return all.map((one) => one.outerHTML.replace(/<svg.*?<.svg>/g, "").slice(0, 120));
}"""


@asynccontextmanager
async def window(address: str, *, language: str = "en") -> AsyncIterator["Page"]:
    """A browser's window at an address; fails when the page threw."""
    async with person("someone", Devices(autoplay=True), language=language) as someone:
        page = await someone.open(address)
        yield page
        assert not [text for text in someone.complaints if "uncaught" in text]


async def tell(page: "Page", stories: str, story: str, language: str = "en") -> None:
    """Show one story."""
    await page.goto(f"{stories}?story={story}&lang={language}")
    await page.wait_for_selector("#app > *")


async def violations(page: "Page", looks: tuple[tuple[Scheme, tuple[int, int]], ...]) -> list[str]:
    """What axe-core finds in the page as it is now, in each of these looks."""
    await page.evaluate(AXE.read_text("utf-8"))
    found: list[str] = []
    for scheme, (width, height) in looks:
        await page.emulate_media(color_scheme=scheme)
        await page.set_viewport_size({"width": width, "height": height})
        found += [f"{scheme} {width}x{height} {one}" for one in await page.evaluate(CHECK)]
    return found


def test_the_stories_are_found() -> None:
    assert len(STORIES) > 20
    assert {"teach-before", "teach-live", "class-waiting", "class-called"} <= set(STORIES)


async def test_the_check_sees_faults(stories: str) -> None:
    async with window("about:blank") as page:
        await tell(page, stories, "teach-live")
        await page.evaluate("document.querySelector('h1').style.color = '#ccc'")
        await page.evaluate("document.querySelector('[data-test=camera]').replaceChildren()")
        found = await violations(page, (("light", PROJECTOR),))
    rules = sorted(one.split(": ")[0] for one in found)
    assert rules == ["light 1280x720 button-name", "light 1280x720 color-contrast"], found


@pytest.mark.parametrize("language", LOOKS)
async def test_every_state_of_the_live_pages_is_accessible(stories: str, language: str) -> None:
    found: list[str] = []
    async with window("about:blank", language=language) as page:
        for story in [*STORIES, "wrong-link"]:
            await tell(page, stories, story, language)
            found += [f"{story} {one}" for one in await violations(page, LOOKS[language])]
    assert not found, "\n".join(found)


@pytest.mark.usefixtures("pages")
@pytest.mark.parametrize("language", LOOKS)
async def test_every_state_of_the_replay_is_accessible(recorded: Recorded, language: str) -> None:
    found: list[str] = []
    async with serving(recorded) as link, window(link, language=language) as page:
        await page.wait_for_selector("[data-test=big-play]")
        found += await violations(page, LOOKS[language])
        await page.click("[data-test=big-play]")
        await page.evaluate(f"document.querySelector('[data-test=main]').currentTime = {SCREEN_AT_S + 2}")
        await page.wait_for_selector("[data-test=screen].is-big")
        found += await violations(page, LOOKS[language])
        recorded.main, recorded.clips, recorded.state = None, [], "waiting"
        await page.reload()
        await page.wait_for_selector("[data-test=message]")
        found += await violations(page, LOOKS[language])
        await page.goto(link.replace("#r", "#x"))
        await page.wait_for_selector("[data-test=message]")
        found += await violations(page, LOOKS[language])
    assert not found, "\n".join(found)


@pytest.mark.usefixtures("pages")
@pytest.mark.parametrize("language", LOOKS)
async def test_every_state_of_the_report_is_accessible(language: str) -> None:
    found: list[str] = []
    reported = Reported()
    async with report_server.serving(reported) as link, window(link, language=language) as page:

        async def look(state: str, awaited: str) -> None:
            await page.reload()
            await page.wait_for_selector(f"[data-test={awaited}]")
            found.extend(f"{state} {one}" for one in await violations(page, LOOKS[language]))

        await look("ended", "rooms")
        reported.until_s = 1350
        await look("running", "standing")
        reported.until_s = -100
        await look("waiting", "waiting")
        reported.events, reported.until_s = report_server.NOBODY, report_server.LASTS_S
        await look("nobody", "nobody")
        reported.answering = False
        await look("lost", "message")
        await page.goto("about:blank")
        await page.goto(link.replace("#r", "#x"))
        await look("refused", "message")
    assert not found, "\n".join(found)


async def tab_through(page: "Page") -> None:
    """Press Tab until every control was reached; each shows that it has the focus."""
    controls: list[str] = await page.evaluate(MARK)
    assert controls
    reached: set[int] = set()
    for _ in range(len(controls) + 3):
        await page.keyboard.press("Tab")
        # Rings and tools that fade in have done so.
        await page.evaluate(
            "() => Promise.all(document.getAnimations().filter((one) => "
            "one.effect.getTiming().iterations !== Infinity).map((one) => one.finished.catch(() => null)))"
        )
        focused = await page.evaluate(FOCUSED)
        if focused is not None and focused["reached"] >= 0:
            assert focused["ring"], f"no ring: {focused['name']}"
            assert focused["seen"], f"not in sight: {focused['name']}"
            reached.add(focused["reached"])
    missed = [name for number, name in enumerate(controls) if number not in reached]
    assert not missed, missed


@pytest.mark.parametrize(
    "story",
    [
        "teach-before",
        "teach-called",
        "teach-figures",
        "teach-materials",
        "teach-slide",
        "teach-ended",
        "class-enter",
        "class-live",
        "board-clear",
    ],
)
async def test_every_control_is_reached_by_tab_and_shows_it(stories: str, story: str) -> None:
    async with window("about:blank") as page:
        await tell(page, stories, story)
        await tab_through(page)


@pytest.mark.usefixtures("pages")
@pytest.mark.parametrize("language", LOOKS)
async def test_every_list_of_the_replay_is_accessible(recorded: Recorded, language: str) -> None:
    told_lesson.tell(recorded, language)
    recorded.light = True
    found: list[str] = []
    async with serving(recorded) as link, window(link, language=language) as page:
        await page.wait_for_selector("[data-test=chapter] img")
        await page.click("[data-test=big-play]")
        await page.locator("[data-test=chapter]").nth(2).click()
        await page.keyboard.press("k")
        await page.wait_for_selector("[data-test=board-page]")
        for tab in ("chapters", "questions", "chat", "search"):
            await page.click(f"[data-test=tab-{tab}]")
            if tab == "search":
                await page.fill("[data-test=search-field]", "a" if language == "en" else "分")
                await page.wait_for_selector("[data-test=found-place]")
            found += [f"{tab} {one}" for one in await violations(page, LOOKS[language])]
        await page.click("[data-test=light]")
        await page.keyboard.press("End")
        await page.wait_for_selector("[data-test=light-stage]")
        found += [f"light {one}" for one in await violations(page, LOOKS[language])]
    assert not found, "\n".join(found)


@pytest.mark.usefixtures("pages")
@pytest.mark.parametrize("told", [False, True])
async def test_every_control_of_the_replay_is_reached_by_tab_and_shows_it(recorded: Recorded, told: bool) -> None:
    if told:
        told_lesson.tell(recorded)
    async with serving(recorded) as link, window(link) as page:
        await page.wait_for_selector("[data-test=chapter]" if told else ".replay-moment")
        # Of tabs one is reached by Tab, the others by arrows.
        await page.evaluate(
            "for (const one of document.querySelectorAll('[role=tab][tabindex=\"-1\"]')) one.disabled = true"
        )
        await tab_through(page)


@pytest.mark.usefixtures("pages")
async def test_every_control_of_the_report_is_reached_by_tab_and_shows_it() -> None:
    async with report_server.serving(Reported()) as link, window(link) as page:
        await page.wait_for_selector("[data-test=rooms]")
        await tab_through(page)


async def test_shortcuts_work_on_the_page_and_neither_in_a_field_nor_in_a_question(stories: str) -> None:
    async with window("about:blank") as page:
        await tell(page, stories, "teach-live")

        async def muted() -> bool:
            return await page.get_attribute("[data-test=mic]", "aria-pressed") == "false"

        await page.keyboard.press("m")
        assert await muted()
        await page.keyboard.down(" ")
        assert not await muted(), "space held down talks"
        await page.keyboard.up(" ")
        assert await muted()
        await page.keyboard.press("m")
        await page.click("[data-test=settings]")
        await page.focus("[role=dialog] select")
        for key in ("m", " ", "Escape"):
            await page.keyboard.press(key)
        assert not await muted(), "typed in a field"
        await page.keyboard.press("Escape")
        await page.wait_for_selector("[role=dialog]", state="detached")
        await page.click("[data-test=end]")
        await page.keyboard.press("m")
        assert not await muted(), "pressed in a question"
        await page.keyboard.press(" ")
        await page.wait_for_selector("[role=dialog]", state="detached")
        assert await page.locator("[data-test=end]").count(), "the safe answer had the focus"


async def test_less_motion_means_none(stories: str) -> None:
    moving = """() => {
      const slow = [...document.querySelectorAll("*")].filter((one) => {
        const style = getComputedStyle(one);
        return style.transitionDuration.split(", ").some((time) => parseFloat(time) > 0);
      });
      return document.getAnimations().length + slow.length;
    }"""
    async with window("about:blank") as page:
        await tell(page, stories, "teach-live")
        assert await page.evaluate(moving) > 1, "the measure sees motion where there is some"
        await page.emulate_media(reduced_motion="reduce")
        await page.wait_for_function("() => document.getAnimations().length === 0")
        assert await page.evaluate(moving) == 0
