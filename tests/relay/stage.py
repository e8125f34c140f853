"""A whole media plane in virtual time: real rooms, publishers, subscribers and slots, from offers of real browsers.
Only keys and sockets are made up: what is "protected" stays as it is.
"""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from liveclass.relay import carrier as carrier_module
from liveclass.relay import track as track_module
from liveclass.relay.carrier import Carrier
from liveclass.relay.fanout import Entry, Outgoing
from liveclass.relay.plane import Plane, PlaneOptions
from liveclass.relay.ports import Answer, Person
from liveclass.relay.publisher import Publisher
from liveclass.relay.shape import payload_of
from liveclass.relay.slot import Slot
from liveclass.relay.source import SourceHandle, SourceInfo
from liveclass.relay.subscriber import Subscriber
from liveclass.rtp import rtcp
from liveclass.rtp.packet import build_packet
from liveclass.transport.dtls import Identity
from liveclass.transport.endpoint import TICK_S, Endpoint
from liveclass.transport.sdp import EXT_MID, EXT_RID, parse_offer
from liveclass.transport.session import PeerSession
from tests.relay.test_plane import Heard
from tests.relay.village import DELTA, KEY

OFFERS = Path(__file__).parent.parent / "data" / "sdp"
TEACH, PLAIN, WATCH = ((OFFERS / f"chromium-{name}.sdp").read_bytes().decode() for name in ("teach", "pub", "sub"))
"""Offers of Chromium: a teach page with pictures in layers, a plain publisher, and a page that watches."""

OPUS_TYPE, VP8_TYPE, H264_TYPE = 111, 96, 108

IDENTITY = Identity.generate(0.0)


class Keys:
    """Both halves of a session's keys."""

    def __init__(self, name: bytes) -> None:
        self.handle = name

    def protect_rtcp(self, packet: bytes) -> bytes:
        return packet

    def unprotect(self, datagram: bytes) -> bytes:
        return datagram

    unprotect_rtcp = unprotect

    def close(self) -> None:
        """Nothing to wipe."""


class Notes:
    """A sink that writes down what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.got: list[tuple[str, int, int, float]] = []

    def takes(self, info: SourceInfo) -> bool:
        return True

    def source_added(self, source: SourceHandle, now: float) -> None:
        self.events.append(("added", source.info.id))

    def source_removed(self, source: SourceHandle, now: float) -> None:
        self.events.append(("removed", source.info.id))

    def packet(self, source: SourceHandle, seq: int, timestamp: int, marker: bool, payload: bytes, now: float) -> None:
        if source.info.rendition == "main":
            self.got.append((source.info.kind, seq, timestamp, now))

    def sender_report(self, source: SourceHandle, ntp_s: float, timestamp: int, now: float) -> None: ...


class Sender:
    """A publishing peer, which sends whatever a test wants."""

    def __init__(self, stage: "Stage", person: Person, offer: str) -> None:
        self.stage = stage
        self.answer: Answer = stage.plane.publish("L", person, offer, "127.0.0.1")
        self.handler = cast("Publisher", stage.plane._sessions[self.answer.session].handler)
        self.seqs: dict[int, int] = {}
        self.asked: list[rtcp.RtcpPacket] = []
        offered = parse_offer(offer, max_bytes=65_536).media
        self.ids = {uri: number for media in offered for uri, number in media.extensions.items()}
        stage.connect(self.handler, self.answer.session, self)

    def send(
        self,
        ssrc: int,
        payload_type: int,
        payload: bytes,
        *,
        seq: int = -1,
        stamp: int = -1,
        mid: str = "",
        rid: str = "",
    ) -> None:
        """One packet of a stream, now; the next number where none is given."""
        if seq < 0:
            seq = self.seqs[ssrc] = self.seqs.get(ssrc, 1000 + ssrc % 100) + 1
        told = [(self.ids[uri], text.encode()) for uri, text in ((EXT_MID, mid), (EXT_RID, rid)) if text]
        rate = 48_000 if payload_type == OPUS_TYPE else 90_000
        stamp = round(self.stage.now * rate) if stamp < 0 else stamp
        self.handler.rtp(build_packet(payload_type, True, seq, stamp, ssrc, payload, told), self.stage.now)
        self.stage.settle()

    def picture(self, ssrc: int, payload_type: int = VP8_TYPE, *, mid: str = "", rid: str = "") -> None:
        """A small VP8 picture: a keyframe where one was asked for since the last."""
        asked = [one for one in self.asked if isinstance(one, rtcp.Pli) and one.media == ssrc]
        self.asked = [one for one in self.asked if one not in asked]
        self.send(ssrc, payload_type, (KEY if asked else DELTA) + bytes(300), mid=mid, rid=rid)


class Viewer:
    """A subscribing peer and what it was sent."""

    def __init__(self, stage: "Stage", person: Person, offer: str) -> None:
        self.stage = stage
        self.answer: Answer = stage.plane.subscribe("L", person, offer, "127.0.0.1")
        self.handler = cast("Subscriber", stage.plane._sessions[self.answer.session].handler)
        self.got: list[tuple[float, int, int, int, bytes]] = []
        stage.connect(self.handler, self.answer.session, self)

    def of(self, slot: Slot, since: float = 0.0) -> list[bytes]:
        """Payloads that came in that slot."""
        return [payload for at, ssrc, _, _, payload in self.got if ssrc == slot.ssrc and at >= since]


class Stage:
    """The plane, its peers, and the time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, max_sessions: int = 100, adaptation: bool = True) -> None:
        self.now = 100.0
        self.heard = Heard()
        self.told = 0
        self.peers: dict[bytes, Any] = {}
        self.endpoint = Endpoint(IDENTITY, timeout_s=30.0, max_sessions=max_sessions, public=["127.0.0.1"])
        batch = SimpleNamespace(waiting=[], leaves_at=0.0, flush=lambda: None, settle=self.settle, send=self._sent)
        self.endpoint.batch = cast("Any", batch)
        self.batch = batch
        self.plane = Plane(
            self.endpoint,
            self.heard,
            PlaneOptions(adaptation=adaptation),
            monotonic=lambda: self.now,
            wall=lambda: 1.7e9 + self.now,
        )
        slots_changed = self.heard.slots_changed

        def count(*told: Any) -> None:
            self.told += 1
            slots_changed(*told)

        monkeypatch.setattr(self.heard, "slots_changed", count)
        monkeypatch.setattr(track_module, "forward", self._forward)
        monkeypatch.setattr(carrier_module, "forward", self._forward)

        def repeat(carrier: Carrier, packet: bytes, number: int, seq: int, stamp: int, ssrc: int) -> None:
            session = cast("PeerSession", carrier._session)
            out = (self.now, ssrc, seq & 0xFFFF, stamp & 0xFFFFFFFF, payload_of(packet))
            self.peers[session.name].got.append(out)

        monkeypatch.setattr(Carrier, "repeat", repeat)

    @property
    def room(self) -> Any:
        return self.plane._rooms["L"]

    def connect(self, handler: Publisher | Subscriber, session: str, peer: Any) -> None:
        """The handshake is done."""
        name = session.encode()
        self.peers[name] = peer
        inside = cast("PeerSession", handler.session)
        keys: Any = Keys(name)
        inside.sender = inside.receiver = keys
        inside.address, inside.name = (session, 1), name
        handler.connected(self.now)

    def settle(self) -> None:
        waiting, self.batch.waiting = self.batch.waiting, []
        for track in waiting:
            track.flush()

    def _sent(self, datagram: bytes, address: tuple[str, int]) -> None:
        peer = self.peers[address[0].encode()]
        if isinstance(peer, Sender):
            peer.asked += rtcp.parse(datagram)

    def _forward(self, _batch: object, packets: Sequence[Outgoing], entries: Sequence[Entry], now: float) -> int:
        for _, name, seq_offset, time_offset, ssrc, log in entries:
            if log is not None:
                log.runs.append((log.next, now, packets))
                log.next += len(packets)
            for packet, seq, stamp in packets:
                out = (self.now, ssrc, seq + seq_offset & 0xFFFF, stamp + time_offset & 0xFFFFFFFF, payload_of(packet))
                self.peers[name].got.append(out)
        return 0

    def pass_time(self, seconds: float) -> None:
        """Nothing but deadlines."""
        until = self.now + seconds
        while self.now < until - 1e-9:
            self.now += TICK_S
            self.plane.tick(self.now)

    def live(self, seconds: float, *steps: Any) -> None:
        """`steps` happen every 20 ms."""
        until = self.now + seconds
        while self.now < until - 1e-9:
            for step in steps:
                step()
            self.pass_time(TICK_S)
