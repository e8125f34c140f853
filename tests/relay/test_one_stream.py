"""What a subscriber is sent of one slot is one unbroken stream, whatever happens behind it.

In the order of the sequence numbers time never steps back, no number is used twice, no two frames share a timestamp
and no frame is torn apart by another: a receiver that sees otherwise throws pictures away, or stops for good. Tried
with the real downlink, ladder, pacer and tracks in virtual time, through random lives of a link and of publishers.
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
from liveclass.relay.downlink import Downlink
from liveclass.relay.fanout import Entry, Outgoing
from liveclass.relay.ladder import Ladder, Picture, Plan, Voice
from liveclass.relay.layers import Layered
from liveclass.relay.ports import Layer, Rung
from liveclass.relay.shape import payload_of
from liveclass.relay.slot import Slot
from liveclass.relay.source import SourceInfo
from liveclass.relay.track import Track
from liveclass.rtp.codec import Codec
from liveclass.rtp.congestion import Controller
from liveclass.rtp.feedback import SendLog
from liveclass.rtp.packet import build_packet, parse
from liveclass.transport.batch import Batch
from liveclass.transport.sdp import OfferedCodec
from tests.relay.test_track import make_carrier

VP8 = Codec("VP8")
KEY, DELTA, LOOSE, FURTHER, FURTHER_LOOSE = (
    bytes(head) for head in ((0x10, 0, 0, 0), (0x10, 1, 0, 0), (0x30, 1, 0, 0), (0x00, 1, 0, 0), (0x20, 1, 0, 0))
)
"""VP8 payload descriptors: begin of a frame, of one that no other refers to (N bit), and what follows of each."""

STEP_S = 0.005
LIVES = 40
SECONDS = 15.0
EVENTS_PER_S = 8.0
RATES = (90_000, 200_000, 600_000, 2_500_000, 8_000_000)
SIZES: dict[Layer, int] = {"low": 500, "middle": 1500, "high": 3600}


@dataclass
class Link:
    """In the place of the controller: what it believes of the link is what the test says."""

    target_bps: int = 300_000
    loss: float = 0.0
    state: str = "rising"
    guessed: bool = False
    queue_s: float = 0.0
    rtt_s: float = 0.05
    log: SendLog = field(default_factory=SendLog)

    @property
    def pacing_bps(self) -> int:
        return self.target_bps

    @property
    def settled_bps(self) -> int:
        return self.target_bps

    acked_bps = settled_bps

    def tick(self, now: float) -> None: ...

    def demand(self, bps: int) -> None: ...

    def free(self, now: float) -> None: ...

    def restart(self, bps: int, now: float) -> None: ...

    def probe(self, now: float) -> SimpleNamespace | None:
        return SimpleNamespace(bytes=3000, bps=2 * self.target_bps) if int(now * 50) % 40 == 0 else None


class Whim:
    """In the place of the ladder: what may be sent changes more often, and with less sense, than it ever would."""

    demand_bps = 0

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.plan: Plan | None = None

    def restart(self, now: float) -> None: ...

    def decide(
        self,
        bps: float,
        loss: float,
        voices: Sequence[Voice],
        pictures: Sequence[Picture],
        now: float,
        *,
        ceiling: Rung,
        cut: bool,
    ) -> Plan:
        if self.plan is None or len(pictures) != len(self.plan.pictures) or self.dice.random() < 0.15:
            layers = [name for picture in pictures for name, _ in picture.layers]
            layer = self.dice.choice([None, *2 * layers]) if pictures else None
            choices: list[tuple[Rung, bool, float]] = [
                ("full", False, 100e3),
                ("full", False, 100e3),
                ("full", False, 1e6),
                ("reduced", True, 1e5),
            ]
            rung, slow, cost = self.dice.choice(choices)
            self.plan = Plan(rung, "full", 0, (layer,) * len(pictures), slow, cost)
        return self.plan


class Camera:
    """A publisher's camera in three layers, whose packets get lost, come late and out of order."""

    def __init__(self, number: int, dice: random.Random, batch: Batch, now: float) -> None:
        self.dice = dice
        info = SourceInfo(f"s{number}", f"t{number % 2}", "teacher", "Li", "camera", VP8)
        names: tuple[Layer, ...] = ("low", "middle", "high")
        self.tracks = [
            Track(info, 1000 * number + i, 96, batch, layer=name, cache_packets=512, keyframe_interval_s=0.3)
            for i, name in enumerate(names)
        ]
        self.source = Layered(info, info, [], offered=names, droppable_frames=True)
        for track in self.tracks:
            self.source.add(track, now)
        self.seqs = {track: dice.randrange(2**16) for track in self.tracks}
        self.bases = {track: dice.randrange(2**32) for track in self.tracks}
        self.wall = dice.uniform(0, 1e6)
        self.frame = 0
        self.asleep: set[Track] = set()
        self.due = now
        self.report_at = now + dice.uniform(0, 2)
        self.keys = dict.fromkeys(self.tracks, now)
        self.coming: list[tuple[float, int, Track, bytes, bool]] = []
        self.count = itertools.count()
        self.lossy = self.jittery = False

    def step(self, now: float) -> None:
        if now >= self.report_at:
            self.report_at += 2.0
            for track in self.tracks:
                stamp = (self.bases[track] + round(now * 90_000)) & 0xFFFFFFFF
                wall = self.wall + now + self.dice.uniform(0, 0.0005)
                self.source.sender_report(track, wall, track.time_of(stamp), now)
        while now >= self.due:
            self._frame(self.due)
            self.due += self.dice.uniform(0.02, 0.045)

    def restart(self, track: Track) -> None:
        """Its sender begins anew, at any number and time."""
        self.seqs[track] += self.dice.randrange(8_000, 57_000)
        self.bases[track] = self.dice.randrange(2**32)
        self.keys[track] = 0.0

    def _frame(self, now: float) -> None:
        self.frame += 1
        for number, track in enumerate(self.tracks):
            if track in self.asleep:
                continue
            if track.keyframe_due(now):
                self.keys[track] = min(self.keys[track], now + self.dice.uniform(0, 0.1))
            key = now >= self.keys[track]
            loose = not key and self.frame % 2 == 1
            head, further = (KEY, FURTHER) if key else (LOOSE, FURTHER_LOOSE) if loose else (DELTA, FURTHER)
            size = int(SIZES[track.layer] * self.dice.uniform(0.5, 1.3)) * (5 if key else 1)
            if key:
                self.keys[track] = 1e9
            # A frame of a large layer is encoded later than the small one of the same moment.
            leaves = now + 0.002 + 0.015 * number * (2 if key else 1)
            stamp = (self.bases[track] + round(now * 90_000)) & 0xFFFFFFFF
            name = f"{track.ssrc} {self.frame}".encode()
            while size > 0:
                self.seqs[track] += 1
                payload = head + name + b"\0" + bytes(min(1100, size))
                packet = build_packet(96, size <= 1100, self.seqs[track] & 0xFFFF, stamp, track.ssrc, payload)
                self._send(track, packet, leaves)
                head, size, leaves = further, size - 1100, leaves + 0.0005
            if self.dice.random() < 0.02:
                self.seqs[track] += 1
                padding = bytes((0xA0, 96)) + packet[2:12] + bytes(8) + bytes((9,))
                padding = padding[:2] + (self.seqs[track] & 0xFFFF).to_bytes(2, "big") + padding[4:]
                self._send(track, padding, leaves)

    def _send(self, track: Track, packet: bytes, now: float) -> None:
        repaired = self.lossy and self.dice.random() < 0.1
        if repaired and self.dice.random() < 0.2:
            return
        delay = self.dice.uniform(0.05, 0.4) if repaired else 0.0
        delay += self.dice.uniform(0, 0.03) if self.jittery else 0.0
        heapq.heappush(self.coming, (now + delay, next(self.count), track, packet, repaired))

    def arrive(self, now: float, between: list[Callable[[], object]]) -> None:
        while self.coming and self.coming[0][0] <= now:
            at, _, track, packet, repaired = heapq.heappop(self.coming)
            view = parse(packet)
            track.receive(packet, view, view.seq, max(at, now), repaired=repaired, begin=view.payload_offset)
            if between and self.dice.random() < 0.3:
                between.pop()()


@dataclass
class Seen:
    """A packet of the slot's stream as its receiver sees it."""

    seq: int
    timestamp: int
    frame: bytes
    at: float


class Life:
    """One subscriber with one picture, and what happens to it."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.now = 100.0
        self.batch = cast("Batch", SimpleNamespace(waiting=[], leaves_at=0.0))
        self.link = Link()
        self.slot = Slot("0", "video", [OfferedCodec(100, VP8, frozenset(), 101, "")], make_carrier(self.link.log))
        self.downlink = Downlink(
            self.slot.carrier,
            cast("Controller", self.link),
            [],
            [self.slot],
            share=0.25,
            now=self.now,
            on_link=lambda _: None,
        )
        self.downlink._ladder = cast("Ladder", Whim(self.dice))
        self.seen: list[Seen] = []
        self.cameras = [Camera(n, self.dice, self.batch, self.now) for n in (1, 2, 3)]
        self.slot.show(self.cameras[0].source, self.now)
        self.between: list[Callable[[], object]] = []
        self.story: list[str] = []

    def forward(self, _batch: object, packets: Sequence[Outgoing], entries: Sequence[Entry], now: float) -> int:
        for _, _, seq_offset, time_offset, ssrc, log in entries:
            if log is not None:
                log.runs.append((log.next, now, packets))
                log.next += len(packets)
            if ssrc != self.slot.ssrc:
                continue
            for packet, seq, timestamp in packets:
                frame = payload_of(packet)[4:].partition(b"\0")[0]
                self.seen.append(Seen(seq + seq_offset, (timestamp + time_offset) & 0xFFFFFFFF, frame, self.now))
        return 0

    def happen(self) -> None:
        dice, now = self.dice, self.now
        what = dice.choice(
            ["rate"] * 6
            + ["decide"] * 6
            + ["watch", "source", "loss", "jitter", "sleep", "nack", "silent", "restart"]
            + ["still", "rest"] * 4
        )
        camera = dice.choice(self.cameras)
        if what == "rate":
            self.link.target_bps = dice.choice(RATES)
        elif what == "decide":
            self.between.append(lambda: self.downlink.arrange(self.now))
        elif what == "watch":
            self.downlink.watch(not self.downlink.live or dice.random() < 0.3, "full", now)
            self.downlink.arrange(now)
        elif what == "source":
            self.between.append(lambda: self._turn_to(camera))
        elif what == "loss":
            camera.lossy = not camera.lossy
        elif what == "jitter":
            camera.jittery = not camera.jittery
        elif what == "sleep":
            camera.asleep = {track for track in camera.tracks if dice.random() < 0.2}
            camera.keys = dict.fromkeys(camera.tracks, now)
        elif what == "still":
            camera.due += dice.uniform(0.1, 1.0)
        elif what == "rest":
            # As the downlink itself does where a link is calm, and where it is no more.
            self.slot.set_sparse(dice.random() < 0.5 and not self.slot.paced)
        elif what == "restart":
            camera.restart(dice.choice(camera.tracks))
        elif what == "nack" and self.seen:
            newest = self.seen[-1].seq
            self.downlink.repair(self.slot, [(newest - n) & 0xFFFF for n in range(dice.randrange(30))], now)
        elif what == "silent":
            self.link.state = dice.choice(["silent", *["rising"] * 5])
        self.story.append(f"{now:.2f} {what}")

    def _turn_to(self, camera: Camera) -> None:
        self.slot.show(camera.source, self.now)
        self.downlink.arrange(self.now)

    def live(self, seconds: float) -> None:
        end, tick_at, event_at, review_at = self.now + seconds, self.now, self.now + 1.0, self.now
        while self.now < end:
            self.now += STEP_S
            for camera in self.cameras:
                camera.step(self.now)
                camera.arrive(self.now, self.between)
            waiting, self.batch.waiting = self.batch.waiting, []
            for one in waiting:
                one.flush()
            if self.now >= event_at:
                event_at += self.dice.expovariate(EVENTS_PER_S)
                self.happen()
            if self.now >= review_at:
                review_at += 0.5
                for camera in self.cameras:
                    camera.source.review(self.now)
            if self.now >= tick_at:
                tick_at += 0.02
                if self.now >= self.downlink.idle_until:
                    self.downlink.tick(self.now)

    def faults(self) -> list[str]:
        """What a receiver has to complain of."""
        out: list[str] = []
        order = sorted(self.seen, key=lambda one: one.seq)
        ended: set[bytes] = set()
        for a, b in itertools.pairwise(order):
            ahead = (b.timestamp - a.timestamp) & 0xFFFFFFFF
            if a.seq == b.seq:
                out.append(f"number used twice: {a} {b}")
            if ahead >= 0x80000000:
                out.append(f"time steps back by {2**32 - ahead}: {a} {b}")
            if a.frame != b.frame:
                ended.add(a.frame)
                if b.frame in ended:
                    out.append(f"frame torn apart: {a} {b}")
                if not ahead:
                    out.append(f"two frames of one time: {a} {b}")
            elif ahead:
                out.append(f"a frame of two times: {a} {b}")
        return out


@pytest.mark.parametrize("seed", range(LIVES))
def test_a_slots_packets_are_one_stream(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    life = Life(seed)
    monkeypatch.setattr(track_module, "forward", life.forward)
    monkeypatch.setattr(carrier_module, "forward", life.forward)
    life.live(SECONDS)
    faults = life.faults()
    assert not faults, f"seed {seed}: {len(faults)} faults, of {len(life.seen)} packets, first {faults[:3]}"
    assert life.seen
