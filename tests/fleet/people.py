"""People of a lesson on a fleet, without a browser: sockets and media that come back as the pages do.

A teacher who speaks and classrooms that listen; each notes when it heard something. Knows no fleet, only a URL.
"""

import asyncio
import contextlib
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, Literal

import aiohttp
import msgspec
from aiohttp import WSMsgType
from bench.peer import Peer

from tests.e2e.server import Lesson

PACKET_S = 0.02
SILENCE = bytes([0xF8, 0xFF, 0xFE])
"""20 ms of Opus (RFC 6716): what a microphone sends in a quiet room."""

ANSWER_S = 5.0
"""As a page gives up an offer."""

BACKOFF_S = 0.25
CONSENT_S = 4.0
"""Between two checks that the other end is there; who sends nothing for 30 s is taken for gone."""

SILENT_S = 2.5
"""A socket that does not answer a ping for so long is given up; pages wait 12 s, as their links are worse."""

SDP = {"Content-Type": "application/sdp"}


class Person:
    """One page. `heard_at` and `told` grow while it lives.

    Attributes:
        heard_at: when packets of sound came, seconds of the monotonic clock.
        closes: codes and reasons with which its sockets were closed.
        welcomes: every greeting.
        media_ends: why its media sessions were closed, as it was told.
    """

    def __init__(self, url: str, lesson: Lesson, role: Literal["teacher", "classroom"], number: int) -> None:
        self.url = url
        self.role = role
        self._lesson = lesson
        self._identity = f"{number:032x}"
        self._token = lesson.teacher_token if role == "teacher" else lesson.classroom_token
        self.heard_at: list[float] = []
        self.closes: list[tuple[int | None, str]] = []
        self.welcomes: list[dict[str, Any]] = []
        self.errors: list[str] = []
        self.media_ends: list[str] = []
        self._session = ""
        self._slots: dict[str, int] = {}
        self._media: Peer | None = None
        self._owner = ""
        self._renew = asyncio.Event()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        work = [self._converse(), self._keep_media()]
        if self.role == "teacher":
            work.append(self._speak())
        self._tasks = [asyncio.ensure_future(one) for one in work]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._media is not None:
            self._media.close()

    @property
    def welcome(self) -> dict[str, Any]:
        return self.welcomes[-1] if self.welcomes else {}

    async def say(self, kind: str, **fields: Any) -> None:
        assert self._socket is not None
        await self._socket.send_json({"type": kind, **fields})

    def longest_silence_s(self, since: float) -> float:
        """The longest time without sound from `since` until it was last heard."""
        heard = [since, *(at for at in self.heard_at if at >= since)]
        return max(later - earlier for earlier, later in pairwise(heard))

    @property
    def shows(self) -> int:
        """Sounds and pictures that its page was told of for its present session."""
        return self._slots.get(self._session, 0)

    async def delete_media(self) -> int:
        """Ends its media session as a page that is closed does: the status."""
        headers = {"Authorization": f"Bearer {self.welcome['media_token']}"}
        url = f"{self.url}{self.welcome['whep_url']}/{self._session}"
        async with self._http.delete(url, headers=headers) as answer:
            return answer.status

    # The socket

    async def _converse(self) -> None:
        while True:
            pause_s = BACKOFF_S
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError, ConnectionError):
                async with self._http.ws_connect(f"{self.url}/ws/{self._lesson.id}") as socket:
                    self._socket = socket
                    name = f"Class {self._identity[-2:]}"
                    await self.say("hello", token=self._token, identity=self._identity, name=name)
                    code, reason = await self._listen(socket)
                    self._socket = None
                    self.closes.append((code, reason))
                    if code == 1012:
                        pause_s = 0.02
                        if reason == "moving":
                            self._renew.set()
            await asyncio.sleep(pause_s)

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> tuple[int | None, str]:
        asked = False
        while True:
            try:
                received = await socket.receive(SILENT_S / 2)
            except TimeoutError:
                if asked:
                    return None, "silent"
                asked = True
                await socket.send_json({"type": "ping", "n": 1})
                continue
            asked = False
            if received.type is WSMsgType.CLOSE:
                return received.data, received.extra or ""
            if received.type is not WSMsgType.TEXT:
                return socket.close_code, ""
            message = msgspec.json.decode(received.data)
            if message["type"] == "error":
                self.errors.append(message["code"])
            if message["type"] == "slots_changed":
                self._slots[message["session"]] = sum(bool(slot["participant"]) for slot in message["slots"])
            if message["type"] == "media_closed" and message["session"] == self._session:
                self.media_ends.append(message["reason"])
                self._renew.set()
            if message["type"] == "welcome":
                self.welcomes.append(message)
                if self._owner and message["owner"] != self._owner:
                    self._renew.set()

    # Media

    async def _keep_media(self) -> None:
        while True:
            self._renew.clear()
            if not self.welcomes or not await self._connect():
                await asyncio.sleep(BACKOFF_S)
                continue
            await self._renew.wait()

    async def _connect(self) -> bool:
        if self._media is not None:
            self._media.close()
        peer = self._media = Peer()
        direction = "sendonly" if self.role == "teacher" else "recvonly"
        path = self.welcome["whip_url" if self.role == "teacher" else "whep_url"]
        headers = {**SDP, "Authorization": f"Bearer {self.welcome['media_token']}"}
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        try:
            async with self._http.post(
                f"{self.url}{path}", data=peer.offer(direction), headers=headers, timeout=timeout
            ) as answer:
                if answer.status != 201:
                    return False
                self._owner = answer.headers["Liveclass-Owner"]
                self._session = answer.headers["Location"].rpartition("/")[2]
                peer.accept(await answer.text())
            await peer.connect(ANSWER_S)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False
        if self.role == "classroom":
            self._tasks.append(asyncio.ensure_future(self._count(peer)))
        return True

    async def _count(self, peer: Peer) -> None:
        seen = 0
        checked = time.monotonic()
        while peer is self._media and not peer.closed:
            packets = sum(stream.packets for stream in peer.streams.values())
            if packets > seen:
                seen = packets
                self.heard_at.append(time.monotonic())
            if time.monotonic() - checked >= CONSENT_S:
                checked = time.monotonic()
                peer.check()
            await asyncio.sleep(PACKET_S)

    async def _speak(self) -> None:
        begun, sent = time.monotonic(), 0
        while True:
            due = round((time.monotonic() - begun) / PACKET_S)
            peer = self._media
            while sent < due:
                sent += 1
                if peer is not None and peer.tx is not None and not peer.closed and peer.connected.is_set():
                    stamp = (960 * sent) & 0xFFFFFFFF
                    header = struct.pack("!BBHII", 0x80, 111, sent & 0xFFFF, stamp, peer.ssrcs["audio"])
                    with contextlib.suppress(OSError):
                        peer._send(peer.tx.protect(header + SILENCE))
            await asyncio.sleep(PACKET_S)


@asynccontextmanager
async def lesson_of(url: str, lesson: Lesson, classrooms: int) -> AsyncIterator[tuple[Person, list[Person]]]:
    """A teacher who speaks in a live lesson, and classrooms that hear it."""
    teacher = Person(url, lesson, "teacher", 1)
    rooms = [Person(url, lesson, "classroom", 2 + number) for number in range(classrooms)]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True)) as http:
        try:
            await teacher.start(http)
            await until(lambda: bool(teacher.welcomes), "the teacher's greeting")
            await teacher.say("start_lesson")
            for room in rooms:
                await room.start(http)
            await until(lambda: all(room.heard_at for room in rooms), "sound in every classroom", 30)
            yield teacher, rooms
        finally:
            await asyncio.gather(teacher.stop(), *(room.stop() for room in rooms))


async def until(holds: Any, what: str, within_s: float = 20.0) -> None:
    """Waits. Raises AssertionError."""
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, f"not within {within_s:g} s: {what}"
        await asyncio.sleep(0.02)
