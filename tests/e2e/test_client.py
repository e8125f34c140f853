"""The independent client, tried against a peer of its own kind: what it publishes arrives as it was encoded."""

import asyncio

from aiohttp import web
from aiohttp.test_utils import TestServer
from aiortc import RTCSessionDescription

from tests.e2e import programme
from tests.e2e.client import Viewer, publishing


async def test_what_the_client_publishes_is_seen_and_heard_by_an_independent_receiver() -> None:
    receiver = Viewer()

    async def whip(request: web.Request) -> web.Response:
        await receiver.connection.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        await receiver.connection.setLocalDescription(await receiver.connection.createAnswer())
        sdp = receiver.connection.localDescription.sdp
        return web.Response(status=201, text=sdp, content_type="application/sdp", headers={"Location": "/whip/1"})

    async def ended(_: web.Request) -> web.Response:
        return web.Response()

    application = web.Application()
    application.router.add_post("/whip", whip)
    application.router.add_delete("/whip/1", ended)
    async with TestServer(application) as server:
        url = str(server.make_url("/whip"))
        async with publishing(url, "a-token", programme.encode(7, 2)) as client:
            await asyncio.wait_for(client.clock.over.wait(), 10)
            assert client.session_url.endswith("/whip/1")
            assert await client.delete() == 200
    await receiver.close()
    assert len(receiver.saw(7)) >= 40
    assert receiver.heard(programme.tone_of(0)) >= 20
    assert receiver.heard(programme.tone_of(1)) >= 20
