"""Classrooms without a browser: the sockets of pages that only speak the protocol, many of them in one process."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp

from tests.e2e.server import Lesson, LiveServer

SOON_S = 15.0


class Room:
    """One classroom's socket, and everything it was told."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, name: str) -> None:
        self.name = name
        self.told: list[dict[str, Any]] = []
        self.id = ""
        self._socket = socket
        self._news = asyncio.Condition()

    async def listen(self) -> None:
        """Take what comes until the socket closes."""
        async for message in self._socket:
            told = message.json()
            if told["type"] == "welcome":
                self.id = told["you"]
            async with self._news:
                self.told.append(told)
                self._news.notify_all()

    async def say(self, kind: str, **more: Any) -> None:
        await self._socket.send_json({"type": kind, **more})

    async def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first message of this kind, also one that has come already.

        Raises:
            TimeoutError: none came within 15 s.
        """

        def found() -> dict[str, Any] | None:
            return next((told for told in self.told if wanted(told)), None)

        async with asyncio.timeout(SOON_S), self._news:
            await self._news.wait_for(lambda: found() is not None)
        message = found()
        assert message is not None
        return message

    async def event(self, kind: str) -> dict[str, Any]:
        """The first event of this kind."""
        told = await self.until(lambda one: one["type"] == "happened" and one["event"]["type"] == kind)
        event: dict[str, Any] = told["event"]
        return event


@asynccontextmanager
async def rooms(server: LiveServer, lesson: Lesson, names: list[str]) -> AsyncIterator[list[Room]]:
    """These classrooms, in the lesson until the block ends."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        made: list[Room] = []
        tasks: list[asyncio.Task[None]] = []
        for name in names:
            socket = await stack.enter_async_context(http.ws_connect(f"{server.url}/ws/{lesson.id}", heartbeat=5))
            room = Room(socket, name)
            tasks.append(asyncio.create_task(room.listen()))
            token, identity = lesson.classroom_token, secrets.token_hex(16)
            await room.say("hello", token=token, identity=identity, name=name, version=1)
            await room.until(lambda told: told["type"] == "board")
            made.append(room)
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
