"""The boundary of all routes: a peer's absence is no fault of ours."""

import pytest
from aiohttp import ClientConnectionResetError, web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request

from liveclass.server.http import GONE_AWAY, error_boundary


@pytest.mark.parametrize("error", [ClientConnectionResetError("closing"), ConnectionResetError(), BrokenPipeError()])
async def test_a_peer_that_leaves_before_its_answer_is_noted_without_a_fault(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        raise error

    answer = await error_boundary(make_mocked_request("GET", "/ws"), handler)
    assert answer.status == GONE_AWAY
    assert not caplog.records


async def test_a_fault_of_ours_is_told_in_words() -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        raise ZeroDivisionError

    app = web.Application(middlewares=[error_boundary])
    app.router.add_get("/", handler)
    async with TestClient(TestServer(app)) as client, client.get("/") as answer:
        assert answer.status == 500
        assert (await answer.json())["error"]["code"] == "internal"
