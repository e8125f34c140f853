"""The server that aiortc's own examples lead to: aiohttp + RTCPeerConnection + MediaRelay.

POST /whip publishes, POST /whep subscribes, DELETE on the Location stops. Each subscriber's media is
encoded anew. Usage: mediarelay.py PORT. It listens, and gathers ICE candidates, on 127.0.0.1 only.
"""

import sys
import uuid
from collections.abc import Callable

import aioice.ice
from aiohttp import web
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay

aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]  # aioice leaves loopback out
relay = MediaRelay()
tracks: list[MediaStreamTrack] = []
connections: dict[str, RTCPeerConnection] = {}


async def answer(request: web.Request, prepare: Callable[[RTCPeerConnection], object]) -> web.Response:
    pc = RTCPeerConnection()
    name = uuid.uuid4().hex
    connections[name] = pc

    @pc.on("connectionstatechange")
    async def on_change() -> None:
        if pc.connectionState in ("failed", "closed"):
            connections.pop(name, None)
            await pc.close()

    prepare(pc)
    await pc.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
    await pc.setLocalDescription(await pc.createAnswer())
    return web.Response(
        status=201,
        text=pc.localDescription.sdp,
        content_type="application/sdp",
        headers={"Location": f"/resource/{name}"},
    )


async def whip(request: web.Request) -> web.Response:
    return await answer(request, lambda pc: pc.on("track", tracks.append))


async def whep(request: web.Request) -> web.Response:
    return await answer(request, lambda pc: [pc.addTrack(relay.subscribe(t)) for t in tracks])


async def delete(request: web.Request) -> web.Response:
    pc = connections.pop(request.match_info["name"], None)
    if pc:
        await pc.close()
    return web.Response(status=200 if pc else 404)


if __name__ == "__main__":
    app = web.Application()
    app.add_routes([web.post("/whip", whip), web.post("/whep", whep), web.delete("/resource/{name}", delete)])
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
