"""An independent WHIP and WHEP client on aiortc's own peer connection: shares no code with liveclass's transport.

RFC 9725 as its text says: one POST with the offer, 201 with the answer and a Location, DELETE at the end.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any
from urllib.parse import urljoin
from weakref import WeakKeyDictionary

import aiohttp
import av
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc import clock as aiortc_clock
from aiortc.mediastreams import MediaStreamError

from tests.e2e import media
from tests.e2e.programme import Programme, Unit, luma_of, samples_of

CONNECT_S = 15.0

_sampled_at: "WeakKeyDictionary[asyncio.Task[Any], datetime]" = WeakKeyDictionary()
_time_of_sending = aiortc_clock.current_ntp_time


def _time_of_sampling() -> int:
    """What a sender report must name (RFC 3550 section 6.4.1): when its RTP timestamp was sampled.

    aiortc takes the time at which it sends, which on a busy machine is late, and differently so for sound and picture.
    A programme knows its times to the microsecond.
    """
    task = asyncio.current_task()
    sampled = _sampled_at.get(task) if task else None
    return aiortc_clock.datetime_to_ntp(sampled) if sampled else _time_of_sending()


aiortc_clock.current_ntp_time = _time_of_sampling


class UnitTrack(MediaStreamTrack):
    """A track that gives out encoded units when their time has come; aiortc packs such packets as they are."""

    def __init__(self, kind: str, units: Sequence[Unit], clock: "Clock") -> None:
        super().__init__()
        self.kind = kind
        self._units = iter(units)
        self._clock = clock

    async def recv(self) -> "av.Packet[Any]":
        """The next unit, not before its time.

        Raises:
            MediaStreamError: the programme is over.
        """
        unit = next(self._units, None)
        if unit is None:
            self._clock.over.set()
            raise MediaStreamError
        await self._clock.wait_until(unit.time_s)
        task = asyncio.current_task()
        if task and self._clock.began_wall is not None:
            _sampled_at[task] = datetime.fromtimestamp(self._clock.began_wall + unit.time_s, UTC)
        packet: av.Packet[Any] = av.Packet(unit.data)
        packet.pts, packet.time_base = unit.ticks, Fraction(1, unit.clock_rate)
        return packet


class Clock:
    """Starts with the first packet that is asked for, so that sound and picture have one beginning."""

    def __init__(self) -> None:
        self.began: float | None = None
        self.began_wall: float | None = None
        self.over = asyncio.Event()

    async def wait_until(self, seconds: float) -> None:
        if self.began is None:
            self.began, self.began_wall = time.monotonic(), time.time()
        await asyncio.sleep(max(0.0, self.began + seconds - time.monotonic()))


class Client:
    """One WHIP or WHEP session."""

    def __init__(self) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.session_url = ""
        self.answer = ""
        self.clock = Clock()
        self._token = ""

    async def post(self, url: str, token: str) -> None:
        """Make the offer, send it, take the answer, wait until media can flow.

        Raises:
            aiohttp.ClientResponseError: the server refused the offer.
            TimeoutError: the connection was not there within 15 s.
        """
        self._token = token
        connected = asyncio.Event()

        @self.connection.on("connectionstatechange")
        def _() -> None:
            if self.connection.connectionState == "connected":
                connected.set()

        await self.connection.setLocalDescription(await self.connection.createOffer())
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
        async with (
            aiohttp.ClientSession(raise_for_status=True) as http,
            http.post(url, data=self.connection.localDescription.sdp, headers=headers) as answer,
        ):
            self.session_url = urljoin(url, answer.headers["Location"])
            self.answer = await answer.text()
        await self.connection.setRemoteDescription(RTCSessionDescription(self.answer, "answer"))
        await asyncio.wait_for(connected.wait(), CONNECT_S)

    async def delete(self) -> int:
        """End the session as RFC 9725 section 4.2 says; the HTTP status."""
        headers = {"Authorization": f"Bearer {self._token}"}
        async with aiohttp.ClientSession() as http, http.delete(self.session_url, headers=headers) as answer:
            return answer.status


def _prefer(transceiver: RTCRtpTransceiver, mime: str) -> None:
    codecs = RTCRtpSender.getCapabilities("video").codecs
    transceiver.setCodecPreferences([codec for codec in codecs if codec.mimeType == mime])


@asynccontextmanager
async def publishing(url: str, token: str, programme: Programme, *, mime: str = "video/H264") -> AsyncIterator[Client]:
    """Teach by WHIP, in real time, until the block ends or the programme is over.

    Args:
        mime: what the programme's picture is encoded in.
    """
    client = Client()
    audio = UnitTrack("audio", programme.audio, client.clock)
    video = UnitTrack("video", programme.video, client.clock)
    client.connection.addTransceiver(audio, direction="sendonly")
    _prefer(client.connection.addTransceiver(video, direction="sendonly"), mime)
    try:
        await client.post(url, token)
        yield client
    finally:
        await client.connection.close()


class Viewer(Client):
    """A WHEP player that decodes all it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[media.Seen] = []
        self.tones: list[float] = []
        self._tasks: list[asyncio.Task[None]] = []

        @self.connection.on("track")
        def _(track: MediaStreamTrack) -> None:
            self._tasks.append(asyncio.ensure_future(self._watch(track)))

    async def _watch(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                if isinstance(frame, av.VideoFrame):
                    seen = media.read_picture(luma_of(frame))
                    if seen:
                        self.frames.append(seen)
                elif isinstance(frame, av.AudioFrame):
                    hz, amplitude = media.loudest_tone(samples_of(frame), frame.sample_rate)
                    if amplitude > 0.02:
                        self.tones.append(hz)
        except MediaStreamError:
            return

    def heard(self, hz: float) -> int:
        """In how many pieces of 20 ms this tone was the loudest."""
        return sum(abs(tone - hz) < 60 for tone in self.tones)

    def saw(self, person: int) -> set[int]:
        """The frames of this person's picture."""
        return {seen.counter for seen in self.frames if seen.person == person}

    async def close(self) -> None:
        await self.connection.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def watching(url: str, token: str) -> AsyncIterator[Viewer]:
    """Watch by WHEP until the block ends: one sound, one picture, as any player asks for."""
    viewer = Viewer()
    viewer.connection.addTransceiver("audio", direction="recvonly")
    viewer.connection.addTransceiver("video", direction="recvonly")
    try:
        await viewer.post(url, token)
        yield viewer
    finally:
        await viewer.close()
