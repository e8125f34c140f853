"""Receivers that number their pictures alone, as Firefox does: sound goes beside the numbers, and the rest adapts."""

import heapq
import itertools
import time
from pathlib import Path
from typing import cast

import pytest

from liveclass.relay.downlink import Downlink
from liveclass.relay.plane import Plane, PlaneOptions
from liveclass.relay.ports import MediaListener, Person
from liveclass.relay.room import Room
from liveclass.relay.slot import Slot
from liveclass.relay.subscriber import Subscriber
from liveclass.transport.dtls import Identity
from liveclass.transport.endpoint import Endpoint
from liveclass.transport.sdp import EXT_TRANSPORT_CC, OfferedCodec, parse_offer
from tests.relay.test_plane import Heard
from tests.relay.village import OPUS, TRAILER_AND_HEADERS, Classroom, Volunteer, run
from tests.rtp.link import Link

OFFERS = Path(__file__).parent.parent / "data" / "sdp"


def answered(offer: str) -> tuple[Subscriber, str]:
    """What the plane makes of an offer to receive."""
    plane = Plane(
        Endpoint(Identity.generate(time.time()), timeout_s=30.0, max_sessions=4, public=["127.0.0.1"]),
        Heard(),
        PlaneOptions(),
    )
    sdp = plane.subscribe("L", Person("c1", "classroom", "3-2"), offer, "127.0.0.1").sdp
    (known,) = plane._sessions.values()
    return cast("Subscriber", known.handler), sdp


def test_firefox_is_adapted_to_by_its_pictures() -> None:
    subscriber, sdp = answered((OFFERS / "firefox.sdp").read_text())
    assert subscriber.downlink is not None
    assert {slot.carrier.number_id for slot in subscriber.audio} == {0}
    assert {slot.carrier.number_id for slot in subscriber.video} == {7}
    for section in sdp.split("\nm=")[1:]:
        assert (EXT_TRANSPORT_CC in section) == ("transport-cc" in section) == section.startswith("video")


def test_a_picture_of_which_nothing_would_be_told_is_not_taken() -> None:
    subscriber, _ = answered((OFFERS / "firefox.sdp").read_text())
    offer = parse_offer((OFFERS / "firefox.sdp").read_text(), max_bytes=1 << 16)
    told = {c.payload_type for m in offer.media for c in m.codecs if "transport-cc" in c.feedback}
    assert {codec.payload_type for slot in subscriber.video for codec in slot.codecs} == told


def test_pictures_without_numbers_leave_nothing_to_adapt_by() -> None:
    offer = (OFFERS / "firefox.sdp").read_text().replace(EXT_TRANSPORT_CC, "urn:x", 1)
    subscriber, sdp = answered(offer)
    assert subscriber.downlink is None
    assert EXT_TRANSPORT_CC not in sdp
    assert {slot.carrier.number_id for slot in subscriber.slots} == {0}


class Unnumbered(Classroom):
    """A classroom whose sound carries no numbers, in its room."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.voice = Slot("0", "audio", [OfferedCodec(111, OPUS, frozenset(), None, "")], self.carrier.beside())
        self.downlink = Downlink(
            self.carrier,
            self.control,
            [self.voice],
            [self.picture],
            share=0.25,
            now=0.0,
            on_link=lambda view: self.views.append((self.now, view)),
        )
        self.plain: list[tuple[float, int, int]] = []
        self.room = Room("L", cast("MediaListener", None))
        self.room.subscribers["c1"] = Subscriber(
            cast("Endpoint", None),
            "c1",
            self.carrier,
            [self.voice],
            [self.picture],
            self.downlink,
            on_connected=lambda *_: None,
            on_closed=lambda *_: None,
        )
        self.room_at, self.tick_at = 0.0, 1e9

    def put(self, packet: bytes, seq: int, ssrc: int, now: float) -> None:
        if packet[0] & 0x10 or ssrc != self.voice.ssrc:
            super().put(packet, seq, ssrc, now)
            return
        size = len(packet) + TRAILER_AND_HEADERS
        self.sent.append((now, size, "sound"))
        arrival = self.link.send(size, now)
        if arrival is not None:
            heapq.heappush(self.plain, (arrival, seq, size))

    def step(self, now: float) -> None:
        while self.plain and self.plain[0][0] <= now:
            at, seq, size = heapq.heappop(self.plain)
            self._received(at, size, seq, self.voice.ssrc)
        super().step(now)
        if now >= self.room_at:
            self.room_at += 0.02
            self.room.tick(now)

    def rungs(self, since: float = 0.0) -> list[str]:
        return [
            rung for rung, _ in itertools.groupby(view.rung for at, view in self.views if view.rung and at >= since)
        ]


def behind(down: float, loss: float = 0.0, cut: tuple[float, float] = (-1.0, -1.0)) -> Unnumbered:
    return Unnumbered(
        Link(((0, down),), delay=0.15, jitter=0.02, loss=((0, loss),), burst=3, cut=cut, seed=5),
        Link(((0, 150e3),), delay=0.15, jitter=0.02, cut=cut, seed=6),
    )


@pytest.mark.parametrize("loss", [0.0, 0.05])
@pytest.mark.parametrize(
    ("down", "rungs", "picture_kbps"),
    [
        (80e3, ["sound"], 0),
        (120e3, ["sound"], 0),
        (400e3, ["sound", "reduced"], 100),
        (20e6, ["sound", "reduced", "full"], 800),
    ],
)
def test_pictures_take_what_the_sound_leaves(
    down: float, rungs: list[str], picture_kbps: int, loss: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = behind(down, loss)
    run(Volunteer(), [room], 25, monkeypatch)
    assert room.unheard(5, 23, 1.5) <= 0.01
    assert room.rungs() == rungs
    assert room.kbps(15, 25, "picture") >= picture_kbps
    assert room.seconds_above(lambda _: down, 25) <= 2


@pytest.mark.parametrize(("down", "rung"), [(120e3, "sound"), (400e3, "reduced")])
def test_after_a_cut_it_is_as_before(down: float, rung: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing that is numbered is sent, nothing would say that the link is back."""
    room = behind(down, cut=(15.0, 25.0))
    run(Volunteer(), [room], 40, monkeypatch)
    assert room.rungs()[-1] == rung
    assert room.kbps(35, 40, "picture") == pytest.approx(room.kbps(10, 15, "picture"), rel=0.2)
    assert room.unheard(27, 38, 1.0) <= 0.01


def test_a_muted_class_that_is_sent_nothing_is_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    room = behind(400e3, loss=0.1)
    run(Volunteer(muted=True), [room], 30, monkeypatch)
    assert "reconnecting" not in room.rungs()
    assert room.kbps(15, 30, "picture") >= 100
