"""The bytes of the line check: as many as asked for, whatever lies on the way, and not for flooding."""

import zlib
from pathlib import Path

import pytest

from liveclass.server.line import LARGEST_BYTES
from tests.server.stage import Stage, build


@pytest.mark.parametrize("asked", [1, 1000, LARGEST_BYTES])
async def test_as_many_bytes_come_as_are_asked_for_and_nothing_can_shrink_or_keep_them(
    stage: Stage, asked: int
) -> None:
    response = await stage.client.get(f"/api/line?bytes={asked}", headers={"Accept-Encoding": "gzip, br"})
    body = await response.read()
    assert (response.status, len(body)) == (200, asked)
    assert len(zlib.compress(body, 9)) >= asked
    assert "Content-Encoding" not in response.headers
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.parametrize("asked", ["", "0", "-1", "1.5", "x", "²", str(LARGEST_BYTES + 1), "9" * 5000, "1&bytes=2e9"])
async def test_what_is_no_number_within_bounds_is_refused(stage: Stage, asked: str) -> None:
    response = await stage.client.get(f"/api/line?bytes={asked}")
    if asked.startswith("1&"):
        assert len(await response.read()) == 1
        return
    assert (response.status, (await response.json())["error"]["code"]) == (422, "field_invalid")


async def test_one_address_gets_so_many_checks_and_no_more_and_other_requests_go_on(tmp_path: Path) -> None:
    stage = await build(tmp_path, line_checks_per_s=0.5)
    for _ in range(5):
        assert (await stage.client.get("/api/line?bytes=10")).status == 200
    refused = await stage.client.get("/api/line?bytes=10")
    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) >= 1
    await stage.lesson()
    stage.clock.advance(2)
    assert (await stage.client.get("/api/line?bytes=10")).status == 200
    await stage.close()
