"""The report page on a real Chromium: what it shows is what the API said, and it says what it waits for."""

import csv
import io
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.e2e.browser import Devices, person
from tests.web import report_server
from tests.web.report_server import LASTS_S, NAMES, Reported

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("pages")]


async def test_a_lesson_is_told_in_figures_and_words() -> None:
    async with report_server.serving(Reported()) as link, person("office", Devices()) as office:
        page = await office.open(link)
        figures = page.locator("[data-test=figures] dd")
        await expect(figures).to_have_text(["6", "148", "40", "4 of 6"])
        row = page.locator("[data-test=rooms] tr", has_text=NAMES[1])
        await expect(row).to_contain_text("41 pupils")
        await expect(row).to_contain_text("Clear picture 28 min")
        await expect(row).to_contain_text("Sound only 12 min")
        question = page.locator("[data-test=question]").first
        await expect(question.locator("[data-right]")).to_have_text("A青蛙Right answer89 pupils 64%")
        assert office.complaints == []


async def test_the_table_is_downloaded_by_the_token_in_the_fragment(tmp_path: Path) -> None:
    async with report_server.serving(Reported(title="a/b: c")) as link, person("office", Devices()) as office:
        page = await office.open(link)
        async with page.expect_download() as begun:
            await page.click("[data-test=csv]")
        download = await begun.value
        assert download.suggested_filename.startswith("a b c-2026-11-1")
        await download.save_as(tmp_path / "table.csv")
    text = (tmp_path / "table.csv").read_text("utf-8-sig")
    assert [row["classroom"] for row in csv.DictReader(io.StringIO(text))] == sorted(NAMES)


async def test_a_lesson_that_runs_grows_by_itself_and_keeps_its_figures_while_the_network_is_lost() -> None:
    reported = Reported(until_s=-100)
    async with report_server.serving(reported) as link, person("office", Devices()) as office:
        page = await office.context.new_page()
        await page.clock.install()
        await page.goto(link)
        await expect(page.locator("[data-test=waiting]")).to_contain_text("5 classrooms are waiting.")
        reported.until_s = 600
        await page.clock.run_for(31_000)
        await expect(page.locator("[data-test=standing]")).to_contain_text("The lesson is on")
        await expect(page.locator("[data-test=figures] dd").nth(2)).to_have_text("10")
        reported.answering = False
        await page.clock.run_for(31_000)
        await expect(page.locator("[data-test=standing]")).to_contain_text("Network lost")
        await expect(page.locator("[data-test=figures] dd").nth(2)).to_have_text("10")
        reported.answering, reported.until_s = True, LASTS_S
        await page.clock.run_for(31_000)
        await expect(page.locator("[data-test=figures] dd").nth(2)).to_have_text("40")
        await expect(page.locator("[data-test=standing]")).to_be_hidden()
