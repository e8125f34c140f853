"""Someone who takes part by the signalling socket alone, as any program may: speaks, and remembers what it is told.

For lessons of many rooms, where each needs no browser of its own.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.e2e.waiting import until


class Socket:
    """One participant.

    Attributes:
        told: every message of the server, the oldest first.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.told: list[dict[str, Any]] = []

    @property
    def you(self) -> str:
        return str(next(one["you"] for one in self.told if one["type"] == "welcome"))

    async def say(self, kind: str, **fields: object) -> None:
        await self._socket.send_json({"type": kind, **fields})

    async def listen(self) -> None:
        async for message in self._socket:
            self.told.append(message.json())

    def messages(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.told if one["type"] == kind]

    def events(self, kind: str) -> list[dict[str, Any]]:
        """What happened on the board, of one type."""
        return [one["event"] for one in self.messages("happened") if one["event"]["type"] == kind]

    async def event(self, kind: str, *, within: float = 10.0, **fields: object) -> dict[str, Any]:
        """The newest event of this type with these fields, once it has happened."""

        def found() -> list[dict[str, Any]]:
            return [one for one in self.events(kind) if all(one.get(name) == value for name, value in fields.items())]

        await until(lambda: bool(found()), f"{kind} {fields}", within=within)
        return found()[-1]


@asynccontextmanager
async def joined(server_url: str, lesson: str, token: str, name: str = "") -> AsyncIterator[Socket]:
    """Join the lesson as whom the token says; leave at the end of the block."""
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{server_url}/ws/{lesson}", headers={"Origin": server_url}) as plain,
    ):
        socket = Socket(plain)
        await socket.say("hello", token=token, identity=secrets.token_hex(16), name=name)
        listening = asyncio.ensure_future(socket.listen())
        try:
            await until(lambda: bool(socket.messages("board")), "the server's greeting")
            yield socket
        finally:
            await plain.close()
            await listening
