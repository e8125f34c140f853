"""Nodes on loopback, each with a plane and an endpoint of its own; a volunteer whose packets are made here, and viewers
that note what reaches them."""

import asyncio
import contextlib
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from liveclass.relay.cascade import Cascade
from liveclass.relay.layers import Layered
from liveclass.relay.plane import Plane, PlaneOptions
from liveclass.relay.ports import Layer, Person
from liveclass.relay.source import SourceInfo, SourceKind
from liveclass.relay.track import Track
from liveclass.rtp import rtcp
from liveclass.rtp.codec import Codec
from liveclass.rtp.packet import parse
from liveclass.transport.dial import Dial
from liveclass.transport.dtls import Identity
from liveclass.transport.endpoint import Endpoint
from liveclass.transport.sdp import EXT_TRANSPORT_CC
from liveclass.transport.session import Reason

LESSON = "L"
TEACHER = Person("t1", "teacher", "Li", lead=True)


class Deaf:
    """A listener that takes everything and notes what a test asks for."""

    def __init__(self) -> None:
        self.told: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args: self.told.append((name, args))

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [args for told, args in self.told if told == name]


class Node:
    """One process of a fleet, as far as media goes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.heard = Deaf()
        self.ended: list[str] = []
        self.endpoint = Endpoint(Identity.generate(time.time()), timeout_s=30.0, max_sessions=200, public=["127.0.0.1"])

    async def open(self) -> None:
        await self.endpoint.open("127.0.0.1", 0)
        self.plane = Plane(self.endpoint, self.heard, PlaneOptions())
        self.cascade = Cascade(self.plane, self.ended.append)

    async def close(self) -> None:
        await self.cascade.close()
        self.plane.close_lesson(LESSON, "shutdown")
        self.endpoint.close()

    def ask(self, whose: "Node") -> Callable[[str], Awaitable[str]]:
        """How another node's offer reaches this one."""

        async def ask(offer: str) -> str:
            return self.plane.feed(LESSON, whose.name, offer, "127.0.0.1").sdp

        return ask

    def pull(self, above: "Node") -> None:
        self.cascade.pull(LESSON, above.ask(self))

    @property
    def sources(self) -> dict[tuple[str, str], Layered]:
        room = self.plane._rooms.get(LESSON)
        found = room._sources.values() if room is not None else []
        return {(person.participant, source.info.kind): source for person, source in found}

    @property
    def feed(self) -> Any:
        return next(iter(self.plane._rooms[LESSON].feeds.values()))


@contextlib.asynccontextmanager
async def nodes(*names: str) -> AsyncIterator[list[Node]]:
    made = [Node(name) for name in names]
    for node in made:
        await node.open()
    try:
        yield made
    finally:
        for node in reversed(made):
            await node.close()


class Keeper:
    """A sink that wants nothing: keeps the room of a lesson without sessions."""

    def takes(self, _info: SourceInfo) -> bool:
        return False

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


@dataclass
class Stream:
    """One layer that a publisher sends."""

    track: Track
    seq: int = 65_500
    timestamp: int = 0xFFFF_F000
    plis: int = 0
    frames: int = 0


class Speaker:
    """A publisher of the node's room, whose packets are made here: it obeys requests for keyframes."""

    def __init__(self, node: Node, person: Person = TEACHER, layers: Sequence[Layer] = ("low", "high")) -> None:
        self.node, self.person = node, person
        self.room = node.plane._room(LESSON)
        self.room.add_sink(Keeper(), time.monotonic())
        self.streams: dict[tuple[SourceKind, Layer], Stream] = {}
        self.sources: dict[SourceKind, Layered] = {}
        self._begin("microphone", Codec("opus"), ("full",), 111)
        self._begin("camera", Codec("VP8"), layers, 96)

    def _begin(self, kind: SourceKind, codec: Codec, layers: Sequence[Layer], payload_type: int) -> None:
        now = time.monotonic()
        info = SourceInfo(
            f"{kind}-{self.person.participant}", self.person.participant, self.person.role, "Li", kind, codec
        )
        low = replace(info, id=f"{info.id}-low", rendition="low")
        source = self.sources[kind] = Layered(info, low, self.room.sinks, offered=layers)
        self.room.add_source(self.person, source, now)
        for layer in layers:
            track = Track(
                info,
                hash((self.person.participant, kind, layer)) & 0xFFFFFFFF,
                payload_type,
                self.node.endpoint.batch,
                layer=layer,
                cache_packets=512,
                keyframe_interval_s=0.2,
            )
            self.streams[kind, layer] = Stream(track)
            source.add(track, now)
            self.room.layer_added(source, now)

    def end(self, kind: SourceKind) -> None:
        source = self.sources.pop(kind)
        self.room.remove_source(source, time.monotonic())
        for key in [key for key in self.streams if key[0] == kind]:
            del self.streams[key]

    def frame(self) -> None:
        """20 ms of sound, and one frame of each layer in three packets, a keyframe where one is asked for."""
        now = time.monotonic()
        for (kind, layer), stream in self.streams.items():
            if kind == "microphone":
                self._send(stream, b"\x78" + struct.pack("!I", stream.frames), True, now)
                stream.timestamp += 960
            elif layer not in self.sources[kind].resting:
                key = stream.frames == 0
                if stream.track.keyframe_due(now):
                    stream.plis += 1
                    key = True
                body = struct.pack("!I", stream.frames) + layer.encode()
                self._send(stream, bytes((0x10, 0x00 if key else 0x01)) + b"\0\0" + body, False, now)
                self._send(stream, b"\0" + body, False, now)
                self._send(stream, b"\0" + body, True, now)
                stream.timestamp += 1800
            stream.frames += 1
        self.node.plane.settle()

    def _send(self, stream: Stream, payload: bytes, marker: bool, now: float) -> None:
        track = stream.track
        stream.seq = stream.seq + 1 & 0xFFFF
        head = struct.pack(
            "!BBHII",
            0x80,
            track.payload_type | marker << 7,
            stream.seq,
            stream.timestamp & 0xFFFFFFFF,
            track.ssrc,
        )
        view = parse(head + payload)
        track.receive(head + payload, view, stream.seq, now, repaired=False, begin=view.payload_offset)

    def report(self, ntp_s: float) -> None:
        """A sender report of every layer."""
        now = time.monotonic()
        for (kind, _), stream in self.streams.items():
            self.sources[kind].sender_report(stream.track, ntp_s, stream.timestamp, now)
            stream.track.publish_report(int(ntp_s * 2**32), stream.timestamp)

    async def speak(self, seconds: float, until: Callable[[], object] = lambda: False) -> bool:
        """Go on for that long, or until something came; returns whether it did."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.frame()
            if until():
                return True
            await asyncio.sleep(0.02)
        return bool(until())


class Viewer:
    """A subscriber that offers no congestion feedback, so that all is sent to it as it comes."""

    def __init__(self, node: Node, participant: str) -> None:
        self.node, self.participant = node, participant
        self.packets: list[tuple[int, int, int, int, bytes]] = []
        self.reports: list[rtcp.SenderReport] = []
        self.closed_by: Reason | None = None
        self.dial = Dial(node.endpoint.identity, self, lambda: None)
        offer = "\r\n".join(
            line
            for line in self.dial.offer.split("\r\n")
            if "transport-cc" not in line and EXT_TRANSPORT_CC not in line
        )
        person = Person(participant, "classroom", participant)
        self.answer = node.plane.subscribe(LESSON, person, offer, "127.0.0.1")
        self.dial.accept(self.answer.sdp)
        self._timer = asyncio.get_running_loop().create_task(self._tick())

    async def _tick(self) -> None:
        while True:
            self.dial.tick(time.monotonic())
            await asyncio.sleep(0.02)

    def close(self) -> None:
        self._timer.cancel()
        self.dial.close()

    def connected(self, now: float) -> None: ...

    def moved(self, now: float) -> None: ...

    def closed(self, reason: Reason, now: float) -> None:
        self.closed_by = reason

    def rtp(self, datagram: bytes, now: float) -> None:
        plain = self.dial.session.unprotect(datagram, now)
        if plain is not None:
            view = parse(plain)
            payload = plain[view.payload_offset : view.payload_end]
            self.packets.append((view.ssrc, view.seq, view.timestamp, view.payload_type, payload))

    def rtcp(self, datagram: bytes, now: float) -> None:
        packets = self.dial.session.control(datagram, now) or []
        self.reports += [packet for packet in packets if isinstance(packet, rtcp.SenderReport)]

    def ask_for_keyframe(self) -> None:
        pictures = {ssrc for ssrc, _, _, payload_type, _ in self.packets if payload_type != 111}
        for ssrc in pictures:
            self.dial.send(rtcp.build_receiver_report(1) + rtcp.build_pli(1, ssrc))

    def got(self, payload_type: int) -> list[tuple[int, int, int, int, bytes]]:
        return [packet for packet in self.packets if packet[3] == payload_type]

    def numbers(self, payload_type: int) -> list[int]:
        """Sequence numbers extended, in the order of arrival."""
        out: list[int] = []
        last = -1
        for _, seq, _, _, _ in self.got(payload_type):
            last = seq if last < 0 else last + ((seq - last + 0x8000 & 0xFFFF) - 0x8000)
            out.append(last)
        return out
