"""Not a server, a yardstick: the least that Python does to forward RTP when each packet takes calls of its own.

WHIP and WHEP as in mediarelay.py, one room, one publisher. Each packet is unprotected once, and for each
subscriber gets its SSRC, SRTP and a sendto. No RTCP, retransmission, key frame request or congestion
control. Usage: pyloop.py PORT [CODEC]
"""

import asyncio
import struct
import sys

from aiohttp import web
from aiortc.rtp import is_rtcp

from bench.peer import Address, Peer

subscribers: dict[str, Peer] = {}


class Ingress(Peer):
    def datagram(self, data: bytes, address: Address | None = None, at: int = 0) -> None:
        if not 127 < data[0] < 192 or self.rx is None:
            super().datagram(data, address, at)
        elif not is_rtcp(data):
            packet = bytearray(self.rx.unprotect(data))
            kind = self.kind(packet[1] & 0x7F) or "video"
            for peer in subscribers.values():
                if peer.tx:
                    struct.pack_into("!I", packet, 8, peer.ssrcs[kind])
                    peer._send(peer.tx.protect(bytes(packet)))


async def answer(request: web.Request, peer: Peer, direction: str) -> web.Response:
    sdp = peer.answer(await request.text(), direction)
    name = str(peer.tie)
    request.app["tasks"].append(asyncio.ensure_future(peer.connect()))
    return web.Response(status=201, text=sdp, content_type="application/sdp", headers={"Location": f"/resource/{name}"})


async def whip(request: web.Request) -> web.Response:
    return await answer(request, Ingress("any", sampled=True, codec=request.app["codec"]), "recvonly")


async def whep(request: web.Request) -> web.Response:
    peer = Peer("any", codec=request.app["codec"])
    subscribers[str(peer.tie)] = peer
    return await answer(request, peer, "sendonly")


async def delete(request: web.Request) -> web.Response:
    peer = subscribers.pop(request.match_info["name"], None)
    if peer:
        peer.close()
    return web.Response()


if __name__ == "__main__":
    app = web.Application()
    app["tasks"], app["codec"] = [], sys.argv[2] if len(sys.argv) > 2 else "h264"
    app.add_routes([web.post("/whip", whip), web.post("/whep", whep), web.delete("/resource/{name}", delete)])
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
