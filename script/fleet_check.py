"""Holds a lesson through a fleet as two pages would, and says what it saw.

Knows the API and the socket of the pages; refuses to know how the fleet was started.
"""

import asyncio
import secrets
import socket
import ssl
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import aiohttp
from fleet_parts import LOOPBACK, Fleet, FleetError

from liveclass.operate.client import Client
from liveclass.transport.turn import TurnClient

PAGES = 8
"""Sockets of one lesson: enough for each node to hold some of them."""
ANSWER_S = 15.0


def create_lesson(fleet: Fleet, title: str) -> dict[str, Any]:
    """A lesson, made through Caddy: what the API answers."""
    client = Client(fleet.url, token=fleet.admin_token, certificate=fleet.certificate)
    made: dict[str, Any] = client.request("POST", "/api/lessons", {"title": title})
    return made


def check(fleet: Fleet, say: Callable[[str], None]) -> None:
    """The whole of it.

    Raises:
        FleetError: something was not as it has to be.
    """
    lesson = create_lesson(fleet, "Fleet")
    say("a lesson was made through Caddy")
    for node in fleet.nodes:
        listed = Client(node.url, token=fleet.admin_token).request("GET", "/api/lessons")
        _expect(lesson["id"] in {one["id"] for one in listed["lessons"]}, f"{node.name} does not know the lesson")
    say("every node finds it in the catalogue")
    asyncio.run(_hold(fleet, lesson, say))
    _relay(fleet, lesson)
    say("coturn gives a relay for the credentials that the server makes, and reaches the media port")


async def _hold(fleet: Fleet, lesson: dict[str, Any], say: Callable[[str], None]) -> None:
    trust = ssl.create_default_context(cafile=str(fleet.certificate))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session:
        for role in ("teacher_url", "classroom_url"):
            async with session.get(lesson[role].partition("#")[0]) as page:
                _expect(page.status == 200, f"{role}: status {page.status}")
        say("the pages load")
        teacher = await _join(session, fleet, lesson, "teacher")
        rooms = [await _join(session, fleet, lesson, "classroom") for _ in range(PAGES)]
        say(f"{1 + len(rooms)} pages joined through Caddy")
        await teacher.send_json({"type": "start_lesson"})
        for room in rooms:
            await _seen(room, _became("live"), "the lesson's start")
        say("each of them saw the lesson begin")
        await teacher.send_json({"type": "end_lesson"})
        for room in rooms:
            await _seen(room, _became("ended"), "the lesson's end")
        say("and end")
        for page in (teacher, *rooms):
            await page.close()


async def _join(
    session: aiohttp.ClientSession, fleet: Fleet, lesson: dict[str, Any], role: str
) -> aiohttp.ClientWebSocketResponse:
    # Until nodes pass on what belongs to a lesson, its pages must meet at one of them.
    at = fleet.url if find_spec("liveclass.server.forwarding") else fleet.nodes[0].url
    page = await session.ws_connect(f"{at}/ws/{lesson['id']}", origin=fleet.url)
    token = lesson[f"{role}_url"].partition("#")[2]
    await page.send_json({"type": "hello", "token": token, "identity": secrets.token_hex(16), "version": 1})
    await _seen(page, lambda message: message["type"] == "welcome", "a welcome")
    return page


async def _seen(page: aiohttp.ClientWebSocketResponse, wanted: Callable[[dict[str, Any]], bool], what: str) -> None:
    try:
        async with asyncio.timeout(ANSWER_S):
            while True:
                message = await page.receive_json()
                if message["type"] == "error":
                    raise FleetError(f"instead of {what}: {message}")
                if wanted(message):
                    return
    except (TimeoutError, TypeError) as failure:
        raise FleetError(f"a page waited in vain for {what}") from failure


def _relay(fleet: Fleet, lesson: dict[str, Any]) -> None:
    """As a page behind a firewall: a relay of coturn to a node's media, with the credentials that the server makes."""
    room = Client(fleet.url, token=lesson["classroom_url"].partition("#")[2], certificate=fleet.certificate)
    (server, *_) = room.request("GET", f"/api/ice/{lesson['id']}")["ice_servers"]
    _expect(server["urls"] == [f"turn:localhost:{fleet.turn_port}"], f"pages are told of {server['urls']}")
    client = TurnClient(server["username"], server["credential"])
    media_port = int(fleet.nodes[0].environment["LIVECLASS_UDP_PORT"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(3)
        sock.connect((LOOPBACK, fleet.turn_port))

        def ask(request: bytes) -> int:
            deadline = time.monotonic() + ANSWER_S
            while time.monotonic() < deadline:
                sock.send(request)
                answer = client.read(sock.recv(2048), request[8:20])
                if answer is not None:
                    return answer.error
            raise FleetError("coturn does not answer")

        ask(client.allocate(secrets.token_bytes(12)))
        _expect(
            ask(client.allocate(secrets.token_bytes(12))) == 0, "coturn gives no relay for the server's credentials"
        )
        _expect(ask(client.bind(LOOPBACK, secrets.token_bytes(12), port=media_port)) == 0, "coturn refuses the node")
        ask(client.release(secrets.token_bytes(12)))


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise FleetError(otherwise)


def _became(state: str) -> Callable[[dict[str, Any]], bool]:
    return lambda message: message["type"] == "lesson_changed" and message["lesson"]["state"] == state
