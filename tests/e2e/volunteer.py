"""A volunteer without a browser: speaks the pages' signalling, and turns slides when a test wants it.

Knows messages as docs/signalling.md describes them; imports nothing of liveclass.
"""

import asyncio
import itertools
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.e2e.server import Lesson, LiveServer
from tests.e2e.waiting import until


class Volunteer:
    """Use `join`. `heard` are the messages from the server, in their order."""

    def __init__(self, server: LiveServer, lesson: Lesson, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._server = server
        self._lesson = lesson
        self._socket = socket
        self.heard: list[dict[str, Any]] = []

    async def say(self, kind: str, **more: object) -> float:
        """Sends one message; the time of it, seconds since 1970."""
        await self._socket.send_str(json.dumps({"type": kind, **more}))
        return time.time()

    async def show(self, page: str) -> float:
        return await self.say("show", stage="page", page=page)

    async def draw(self, page: str, *points: tuple[int, int], color: str = "#d5400c", width: int = 200) -> str:
        """A whole stroke of a pen, at once; its id."""
        stroke = secrets.token_hex(6)
        flat = [*points[0], 50]
        for before, after in itertools.pairwise(points):
            flat += [after[0] - before[0], after[1] - before[1], 0]
        await self.say("draw", id=stroke, page=page, tool="pen", color=color, width=width, points=flat)
        await self.say("draw_more", id=stroke, points=[], done=True)
        return stroke

    async def upload(self, name: str, body: bytes, *, within: float = 60.0) -> dict[str, Any]:
        """Uploads a material; returns it once it is ready, as its newest event tells it."""
        headers = {"Authorization": f"Bearer {self._lesson.teacher_token}"}
        async with (
            aiohttp.ClientSession(headers=headers, raise_for_status=True) as http,
            http.post(
                f"{self._server.url}/api/materials/{self._lesson.id}", params={"name": name}, data=body
            ) as answer,
        ):
            made = (await answer.json())["id"]
        await until(lambda: self.material(made).get("state") == "ready", f"{name} is ready", within=within)
        return self.material(made)

    def material(self, name: str) -> dict[str, Any]:
        told = [
            message["event"]["material"]
            for message in self.heard
            if message["type"] == "happened" and message["event"]["type"] == "material_changed"
        ]
        return next((one for one in reversed(told) if one["id"] == name), {})

    async def everyone_has(self, material: str, total: int, rooms: int = 1, *, within: float = 30.0) -> None:
        """Waits until so many classrooms have all of a material."""

        def ready() -> bool:
            told = {m["participant"]: m for m in self.heard if m["type"] == "prepared" and m["material"] == material}
            return len([m for m in told.values() if m["have"] == m["total"] == total]) >= rooms

        await until(ready, f"{rooms} classrooms have {material}", within=within)

    async def _listen(self) -> None:
        async for message in self._socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self.heard.append(json.loads(message.data))

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(4)
            await self.say("ping", n=1)


@asynccontextmanager
async def join(server: LiveServer, lesson: Lesson) -> AsyncIterator[Volunteer]:
    """Joins the lesson as its teacher, and starts it."""
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{server.url.replace('http', 'ws', 1)}/ws/{lesson.id}", max_msg_size=0) as socket,
    ):
        volunteer = Volunteer(server, lesson, socket)
        await volunteer.say(
            "hello",
            token=lesson.teacher_token,
            identity=secrets.token_hex(16),
            name="Lin",
            language="en",
            version=1,
        )
        tasks = [asyncio.create_task(volunteer._listen()), asyncio.create_task(volunteer._ping())]
        try:
            await until(lambda: any(m["type"] == "board" for m in volunteer.heard), "the volunteer is greeted")
            await volunteer.say("start_lesson")
            yield volunteer
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
