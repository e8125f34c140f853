"""The bytes of the line check: as many as asked for, whatever lies on the way, and not for flooding."""

import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from liveclass.server.line import LARGEST_BYTES, LARGEST_UPLOAD_BYTES, SMALL_BYTES
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


OCTETS = {"Content-Type": "application/octet-stream"}


@pytest.mark.parametrize("sent", [0, 1, 1000, LARGEST_UPLOAD_BYTES])
async def test_what_is_sent_to_measure_the_way_up_is_taken(stage: Stage, sent: int) -> None:
    response = await stage.client.post("/api/line", data=bytes(sent), headers=OCTETS)
    assert (response.status, await response.read()) == (204, b"")


async def test_more_than_the_bound_and_what_is_no_bytes_is_refused_in_words(stage: Stage) -> None:
    large = await stage.client.post("/api/line", data=bytes(LARGEST_UPLOAD_BYTES + 1), headers=OCTETS)
    assert (large.status, (await large.json())["error"]["code"]) == (413, "body_too_large")

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(LARGEST_UPLOAD_BYTES // 1000 + 2):
            yield bytes(1000)

    unannounced = await stage.client.post("/api/line", data=endless(), headers=OCTETS)
    assert unannounced.status == 413
    other = await stage.client.post("/api/line", data=b"{}", headers={"Content-Type": "application/json"})
    assert (other.status, (await other.json())["error"]["code"]) == (415, "content_type_unsupported")


async def test_one_address_measures_so_often_both_ways_together_and_other_requests_go_on(tmp_path: Path) -> None:
    stage = await build(tmp_path, line_checks_per_s=0.5)
    for _ in range(3):
        assert (await stage.client.get("/api/line?bytes=2000")).status == 200
    for _ in range(2):
        assert (await stage.client.post("/api/line", data=bytes(10), headers=OCTETS)).status == 204
    for refused in (
        await stage.client.get("/api/line?bytes=2000"),
        await stage.client.post("/api/line", data=bytes(10), headers=OCTETS),
    ):
        assert (refused.status, (await refused.json())["error"]["code"]) == (429, "rate_limited")
        assert int(refused.headers["Retry-After"]) >= 1
    await stage.lesson()
    stage.clock.advance(2)
    assert (await stage.client.get("/api/line?bytes=2000")).status == 200
    await stage.close()


async def test_a_round_trip_counts_as_any_request(tmp_path: Path) -> None:
    stage = await build(tmp_path, line_checks_per_s=0.1, posts_per_s=1)
    statuses = [(await stage.client.get(f"/api/line?bytes={SMALL_BYTES}")).status for _ in range(11)]
    assert statuses == [200] * 10 + [429]
    assert (await stage.client.get(f"/api/line?bytes={SMALL_BYTES + 1}")).status == 200
    await stage.close()
