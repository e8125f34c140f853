"""A classroom behind a thin link in virtual time: real tracks, slots, ladder, pacer and controller; only the network
and the volunteer's browser are made up. A minute of a lesson takes a second or two.
"""

import heapq
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import pytest

from liveclass.relay import carrier as carrier_module
from liveclass.relay import track as track_module
from liveclass.relay.carrier import Carrier
from liveclass.relay.downlink import Downlink
from liveclass.relay.fanout import NUMBER_AT, Entry, Outgoing
from liveclass.relay.layers import Layered
from liveclass.relay.ports import Layer, LinkView
from liveclass.relay.shape import numbered
from liveclass.relay.slot import Slot
from liveclass.relay.source import SourceInfo
from liveclass.relay.subscriber import Subscriber
from liveclass.relay.track import Track
from liveclass.rtp.codec import Codec
from liveclass.rtp.congestion import Controller
from liveclass.rtp.packet import build_packet, parse
from liveclass.rtp.serial import extend
from liveclass.rtp.twcc import TransportFeedbackBuilder
from liveclass.transport.batch import Batch
from liveclass.transport.endpoint import Endpoint
from liveclass.transport.sdp import OfferedCodec
from liveclass.transport.session import PeerSession
from tests.rtp.link import Link

VP8, OPUS = Codec("VP8"), Codec("opus")
STEP_S = 0.005
TRAILER_AND_HEADERS = 16 + 28
FEEDBACK_S = 0.1
KEY, DELTA, LOOSE = b"\x10\x00\x00\x00", b"\x10\x01\x00\x00", b"\x30\x01\x00\x00"
SPEECH_BYTES, MUSIC_BYTES = 80, 320
"""Of 20 ms of sound: 32 kbit/s of one channel, and 128 kbit/s of two."""
LAYERS: dict[Layer, tuple[float, float]] = {"low": (110e3, 15), "middle": (350e3, 30), "high": (850e3, 30)}
"""Rate and frames a second of each layer of the camera, as the teach page asks for them."""


class Volunteer:
    """Sends sound (unless muted) and a camera in layers; makes a keyframe 100 ms after one is asked for."""

    def __init__(
        self, names: Sequence[Layer] = ("low", "middle", "high"), *, seed: int = 7, muted: bool = False
    ) -> None:
        self.dice = random.Random(seed)
        self.muted = muted
        self.sound_bytes = SPEECH_BYTES
        batch = cast("Batch", SimpleNamespace(waiting=[], leaves_at=0.0))
        camera = SourceInfo("camera", "t1", "teacher", "Li", "camera", VP8)
        voice = SourceInfo("voice", "t1", "teacher", "Li", "microphone", OPUS)
        self.camera = Layered(camera, camera, [], offered=names, droppable_frames=True)
        self.voice = Layered(voice, voice, [], offered=["full"])
        self.pictures = [self._track(camera, 100 + n, batch, name) for n, name in enumerate(names)]
        self.sound = self._track(voice, 99, batch, "full")
        for track in self.pictures:
            self.camera.add(track, 0.0)
        self.voice.add(self.sound, 0.0)
        self.seqs = dict.fromkeys([*self.pictures, self.sound], 1000)
        self.frames = dict.fromkeys(self.pictures, 0)
        self.due = dict.fromkeys([*self.pictures, self.sound], 0.0)
        self.keys = dict.fromkeys(self.pictures, 1e9)

    @staticmethod
    def _track(info: SourceInfo, ssrc: int, batch: Batch, layer: Layer) -> Track:
        return Track(info, ssrc, 96, batch, layer=layer, cache_packets=1024, keyframe_interval_s=0.5)

    def _send(self, track: Track, payload: bytes, rate: int, now: float, *, marker: bool) -> None:
        self.seqs[track] += 1
        packet = build_packet(96, marker, self.seqs[track], round(now * rate), track.ssrc, payload)
        view = parse(packet)
        track.receive(packet, view, view.seq, now, repaired=False, begin=view.payload_offset)

    def step(self, now: float) -> None:
        if now >= self.due[self.sound] and not self.muted:
            self.due[self.sound] += 0.02
            self._send(self.sound, bytes(self.sound_bytes), 48_000, now, marker=False)
            self.sound.flush()
        for track in self.pictures:
            if track.keyframe_due(now):
                self.keys[track] = min(self.keys[track], now + 0.1)
            if now < self.due[track]:
                continue
            bps, rate = LAYERS[track.layer]
            self.due[track] += 1 / rate
            self.frames[track] += 1
            size = int(bps / 8 / rate * self.dice.uniform(0.7, 1.3))
            head = LOOSE if self.frames[track] % 2 else DELTA
            if now >= self.keys[track] or self.frames[track] == 1:
                self.keys[track], head, size = 1e9, KEY, size * 6
            while size > 0:
                self._send(track, head + bytes(min(1100, size)), 90_000, now, marker=size <= 1100)
                head, size = b"\x00" + head[1:], size - 1100
            track.flush()


@dataclass
class Classroom:
    """One subscriber behind its link, with a browser that sends feedback and asks for what is missing.

    Attributes:
        heard: arrival, and the first-try fate, of each packet of sound by its number.
        seen: arrivals of pictures: (when, layer's stream, bytes).
    """

    link: Link
    back: Link
    number: int = 0
    start_bps: int = 120_000
    asks: bool = True
    nack_flood: int = 0
    views: list[tuple[float, LinkView]] = field(default_factory=list)
    sent: list[tuple[float, int, str]] = field(default_factory=list)
    sound: dict[int, float] = field(default_factory=dict)
    seen: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.control = Controller(start_bps=self.start_bps)
        self.carrier = Carrier(cast("Endpoint", SimpleNamespace(batch=None)), 3, self.control.log)
        name = f"village {self.number}".encode()
        self.carrier.reach(cast("PeerSession", SimpleNamespace(sender=SimpleNamespace(handle=self), name=name)))
        opus = OfferedCodec(111, OPUS, frozenset(), None, "")
        self.voice = Slot("0", "audio", [opus], self.carrier, red_type=63)
        self.picture = Slot("1", "video", [OfferedCodec(100, VP8, frozenset(), 101, "")], self.carrier)
        self.now = 0.0
        self.downlink = Downlink(
            self.carrier,
            self.control,
            [self.voice],
            [self.picture],
            share=0.25,
            now=0.0,
            on_link=lambda view: self.views.append((self.now, view)),
        )
        self.builder = TransportFeedbackBuilder(1, 2, interval_s=FEEDBACK_S)
        self.arriving: list[tuple[float, int, int, bytes]] = []
        self.coming: list[tuple[float, int, bytes | tuple[Slot, list[int]]]] = []
        self.count = 0
        self.highest = -1
        self.missing: dict[int, float] = {}
        self.depths: dict[int, int] = {}
        self.tick_at = 0.0

    def watch(self, volunteer: Volunteer) -> None:
        self.voice.show(volunteer.voice, 0.0)
        self.picture.show(volunteer.camera, 0.0)

    def put(self, packet: bytes, seq: int, ssrc: int, now: float) -> None:
        """A packet leaves for this classroom."""
        size = len(packet) + TRAILER_AND_HEADERS
        kind = "sound" if ssrc == self.voice.ssrc else "picture" if ssrc == self.picture.ssrc else "other"
        self.sent.append((now, size, kind))
        if kind == "sound" and packet[1] & 0x7F == self.voice.red_type:
            self.depths[seq] = self.voice.depth
        arrival = self.link.send(size, now)
        if arrival is not None:
            self.count += 1
            wire = seq.to_bytes(2, "big") + ssrc.to_bytes(4, "big")
            if packet[0] & 0x10:
                wire += packet[NUMBER_AT : NUMBER_AT + 2]
            heapq.heappush(self.arriving, (arrival, self.count, size, wire))

    def step(self, now: float) -> None:
        self.now = now
        while self.arriving and self.arriving[0][0] <= now:
            at, _, size, wire = heapq.heappop(self.arriving)
            if len(wire) == 8:
                self.builder.received(int.from_bytes(wire[6:8], "big"), at + 500)
            self._received(at, size, int.from_bytes(wire[:2], "big"), int.from_bytes(wire[2:6], "big"))
        if self.builder.due(now + 500):
            for packet in self.builder.build(now + 500):
                self._answer(packet[12:], len(packet), now)
        self._ask(now)
        while self.coming and self.coming[0][0] <= now:
            what = heapq.heappop(self.coming)[2]
            if isinstance(what, bytes):
                self.downlink.feedback(what, now)
            else:
                self.downlink.repair(*what, now)
        if now >= self.tick_at:
            self.tick_at += 0.02
            if now >= self.downlink.idle_until:
                self.downlink.tick(now)

    def _received(self, at: float, size: int, seq: int, ssrc: int) -> None:
        if ssrc == self.picture.ssrc:
            self.seen.append((at, size))
        if ssrc != self.voice.ssrc:
            return
        number = extend(seq, self.highest) if self.highest >= 0 else seq
        for gone in range(self.highest + 1, number) if self.highest >= 0 else ():
            self.missing[gone] = at
        self.highest = max(self.highest, number)
        self.missing.pop(number, None)
        self.sound.setdefault(number, at)

    def _ask(self, now: float) -> None:
        due = [n for n, at in self.missing.items() if at <= now] if self.asks else []
        for number in due:
            self.missing[number] = now + 0.35
        flood = [self.highest - n for n in range(self.nack_flood)]
        if due or flood:
            self._answer((self.voice, [n & 0xFFFF for n in [*due, *flood]]), 40, now)

    def _answer(self, what: bytes | tuple[Slot, list[int]], size: int, now: float) -> None:
        arrival = self.back.send(size + 40, now)
        if arrival is not None:
            self.count += 1
            heapq.heappush(self.coming, (arrival, self.count, what))

    # What came of it

    def kbps(self, begin: float, end: float, *kinds: str) -> float:
        """What was sent to it in that time, of these kinds (all)."""
        bits = sum(8 * size for at, size, kind in self.sent if begin <= at < end and (not kinds or kind in kinds))
        return bits / (end - begin) / 1000

    def seconds_above(self, rate: Callable[[float], float], until: float) -> float:
        """The longest time in which more was sent than the link carries, in whole half seconds."""
        longest = run = 0.0
        for half in range(int(until * 2)):
            run = run + 0.5 if self.kbps(half / 2, half / 2 + 0.5) * 1000 > 1.05 * rate(half / 2) else 0.0
            longest = max(longest, run)
        return longest

    def unheard(self, begin: float, end: float, within_s: float) -> float:
        """Share of the sound sent in that time that was not there `within_s` after its turn, in no packet at all."""
        order = sorted(self.sound)
        base = order[0]
        first = self.sound[base]
        there = dict(self.sound)
        for n, at in self.sound.items():
            for back in range(1, self.depths.get(n & 0xFFFF, 0) + 1):
                there[n - back] = min(there.get(n - back, 1e9), at)
        due = [n for n in range(base, order[-1] + 1) if begin <= first + (n - base) * 0.02 < end]
        late = sum(there.get(n, 1e9) > first + (n - base) * 0.02 + within_s for n in due)
        return late / max(1, len(due))

    def longest_gap(self, begin: float, end: float) -> float:
        """The longest time without any packet of sound."""
        times = [begin, *sorted(at for at in self.sound.values() if begin <= at < end), end]
        return max(b - a for a, b in itertools.pairwise(times))


def subscribed(room: Classroom, unprotect: Callable[[bytes], bytes | None]) -> Subscriber:
    """The session of a classroom, which takes what `unprotect` makes of a datagram."""
    subscriber = Subscriber(
        cast("Endpoint", None),
        "village",
        room.carrier,
        [room.voice],
        [room.picture],
        room.downlink,
        on_connected=lambda *_: None,
        on_closed=lambda *_: None,
    )
    receiver = SimpleNamespace(unprotect_rtcp=unprotect)
    subscriber.session = cast("PeerSession", SimpleNamespace(sender=None, receiver=receiver, heard=0.0))
    return subscriber


def run(
    volunteer: Volunteer,
    classrooms: Sequence[Classroom],
    seconds: float,
    monkeypatch: pytest.MonkeyPatch,
    events: Sequence[tuple[float, Callable[[], None]]] = (),
) -> None:
    """Live through that many seconds; `events` happen at their times."""
    coming = sorted(events, key=lambda event: event[0])
    by_name = {f"village {room.number}".encode(): room for room in classrooms}

    def forward(_batch: object, packets: Sequence[Outgoing], entries: Sequence[Entry], now: float) -> int:
        for _, name, seq_offset, _, ssrc, log in entries:
            number = 0
            if log is not None:
                number = log.next
                log.runs.append((number, now, packets))
                log.next = number + len(packets)
            for i, (packet, seq, _) in enumerate(packets):
                stamped = numbered(packet, number + i)
                by_name[name].put(stamped, seq + seq_offset & 0xFFFF, ssrc, now)
        return 0

    def repeat(carrier: Carrier, packet: bytes, number: int, seq: int, _timestamp: int, ssrc: int) -> None:
        room = next(room for room in classrooms if room.carrier is carrier)
        room.put(numbered(packet, number), seq & 0xFFFF, ssrc, room.now)

    monkeypatch.setattr(track_module, "forward", forward)
    monkeypatch.setattr(carrier_module, "forward", forward)
    monkeypatch.setattr(Carrier, "repeat", repeat)
    for room in classrooms:
        room.watch(volunteer)
    for step in range(int(seconds / STEP_S)):
        now = step * STEP_S
        while coming and coming[0][0] <= now:
            coming.pop(0)[1]()
        volunteer.step(now)
        if step % 100 == 0:
            volunteer.camera.review(now)
            volunteer.voice.review(now)
        for room in classrooms:
            room.step(now)
