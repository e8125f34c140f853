"""What a room asks of its publishers on behalf of those who receive: which layers to send, and redundancy in the voice.
Real tracks, slots and downlinks in virtual time; only network and browsers are made up."""

from collections.abc import Callable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import cast

import pytest

from liveclass.relay import carrier as carrier_module
from liveclass.relay import track as track_module
from liveclass.relay.carrier import Carrier
from liveclass.relay.layers import Layered
from liveclass.relay.ports import Layer, MediaListener, Person
from liveclass.relay.publisher import Publisher
from liveclass.relay.room import FEC_FROM, FEC_MOST, REST_AFTER_S, REST_ALL_AFTER_S, REVIEW_S, Room
from liveclass.relay.slot import Slot
from liveclass.relay.source import SourceHandle, SourceInfo, SourceKind
from liveclass.relay.subscriber import Subscriber
from liveclass.relay.track import Track
from liveclass.rtp.packet import build_packet, parse
from liveclass.rtp.rtcp import ReportBlock, build_pli, build_receiver_report
from liveclass.transport.batch import Batch
from liveclass.transport.endpoint import Endpoint
from liveclass.transport.sdp import OfferedCodec
from liveclass.transport.session import PeerSession
from tests.relay.village import DELTA, KEY, OPUS, VP8

STEP_S = 0.02
TEACHER = Person("t1", "teacher", "Li", lead=True)
GUEST = Person("c1", "classroom", "3-2")
SOON_S = 1.0


class Source:
    """A camera or microphone whose publisher does what it is told, 100 ms later."""

    def __init__(self, scene: "Scene", person: Person, kind: SourceKind, names: Sequence[Layer]) -> None:
        codec = OPUS if kind == "microphone" else VP8
        info = SourceInfo(f"{person.participant}-{kind}", person.participant, person.role, person.name, kind, codec)
        low = SourceInfo(f"{info.id}-low", person.participant, person.role, person.name, kind, codec, "low")
        self.person, self.kind = person, kind
        self.layered = Layered(info, low, scene.room.sinks, offered=names)
        self.tracks = [
            Track(info, 50 + n, 96, scene.batch, layer=name, cache_packets=64, keyframe_interval_s=0.5)
            for n, name in enumerate(names)
        ]
        self.sends: set[Layer] = set(names)
        self.seqs = dict.fromkeys(self.tracks, 1000)
        self.sent: list[tuple[float, Layer]] = []
        self.loudness = 30
        for track in self.tracks:
            self.layered.add(track, scene.now)
        scene.room.add_source(person, self.layered, scene.now)

    def step(self, now: float) -> None:
        for track in self.tracks:
            if track.layer not in self.sends:
                continue
            self.seqs[track] += 1
            payload = (
                bytes(80) if self.kind == "microphone" else (KEY if track.keyframe_due(now) else DELTA) + bytes(300)
            )
            packet = build_packet(96, True, self.seqs[track], round(now * 90_000), track.ssrc, payload)
            view = parse(packet)
            track.receive(packet, view, view.seq, now, repaired=False, begin=view.payload_offset)
            track.flush()
            if self.kind == "microphone":
                self.layered.loudness.heard(self.loudness, now)
            self.sent.append((now, track.layer))


class Scene:
    """A room whose publishers obey; a viewer without congestion feedback stands for any that takes the best of all."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.wanted: list[tuple[float, str, SourceKind, tuple[Layer, ...]]] = []
        self.got: list[tuple[float, int]] = []
        self.batch = cast("Batch", SimpleNamespace(waiting=[], leaves_at=0.0))
        listener = SimpleNamespace(
            layers_wanted=self._layers_wanted,
            sources_changed=lambda *_: None,
            slots_changed=lambda *_: None,
        )
        self.room = Room("L", cast("MediaListener", listener))
        self.sources: list[Source] = []
        self.later: list[tuple[float, Callable[[], None]]] = []

        def forward(
            _batch: object, packets: Sequence[object], entries: Sequence[tuple[object, ...]], now: float
        ) -> int:
            self.got += [(now, cast("int", entry[4])) for entry in entries for _ in packets]
            return 0

        monkeypatch.setattr(track_module, "forward", forward)
        monkeypatch.setattr(carrier_module, "forward", forward)

    def _layers_wanted(self, lesson: str, participant: str, kind: SourceKind, layers: Sequence[Layer]) -> None:
        self.wanted.append((self.now, participant, kind, tuple(layers)))
        for source in self.sources:
            if source.person.participant == participant and source.kind == kind:
                self.later.append((self.now + 0.1, partial(setattr, source, "sends", set(layers))))

    def publish(self, person: Person, kind: SourceKind, *names: Layer) -> Source:
        source = Source(self, person, kind, names)
        self.sources.append(source)
        return source

    def join(self, participant: str, sounds: int = 2, pictures: int = 3, *, teaches: bool = False) -> Subscriber:
        carrier = Carrier(cast("Endpoint", SimpleNamespace(batch=None)), 0, None)
        audio = [
            Slot(f"a{n}", "audio", [OfferedCodec(111, OPUS, frozenset(), None, "")], carrier) for n in range(sounds)
        ]
        video = [
            Slot(f"v{n}", "video", [OfferedCodec(100, VP8, frozenset(), 101, "")], carrier) for n in range(pictures)
        ]
        viewer = Subscriber(
            cast("Endpoint", None),
            participant,
            carrier,
            audio,
            video,
            None,
            on_connected=lambda *_: None,
            on_closed=lambda *_: None,
            teaches=teaches,
        )
        receiver = SimpleNamespace(unprotect_rtcp=lambda datagram: datagram)
        keys = SimpleNamespace(handle=self)
        peer = SimpleNamespace(id=participant, sender=keys, receiver=receiver, heard=0.0, name=b"x", protect=None)
        viewer.session = cast("PeerSession", peer)
        viewer.connected(self.now)
        self.room.subscribers[participant] = viewer
        self.room.apply_watching(viewer, self.now)
        self.room.arrange(self.now, only=viewer)
        return viewer

    def leave(self, viewer: Subscriber) -> None:
        del self.room.subscribers[viewer.participant]
        viewer.end(self.now)

    def live(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += STEP_S
            for at, act in [one for one in self.later if one[0] <= self.now]:
                self.later.remove((at, act))
                act()
            for source in self.sources:
                source.step(self.now)
            self.room.tick(self.now)

    def told(self, participant: str) -> list[tuple[Layer, ...]]:
        return [layers for _, who, _, layers in self.wanted if who == participant]

    def seen(self, viewer: Subscriber, since: float) -> list[float]:
        streams = {slot.ssrc for slot in viewer.video}
        return [at for at, ssrc in self.got if ssrc in streams and at >= since]


class Recording:
    """Takes what it is said to take."""

    def source_added(self, source: SourceHandle, now: float) -> None: ...
    def source_removed(self, source: SourceHandle, now: float) -> None: ...
    def sender_report(self, source: SourceHandle, ntp_s: float, timestamp: int, now: float) -> None: ...
    def packet(
        self, source: SourceHandle, seq: int, timestamp: int, marker: bool, payload: bytes, now: float
    ) -> None: ...

    def __init__(self, *roles: str) -> None:
        self.roles = roles

    def takes(self, info: SourceInfo) -> bool:
        return info.role in self.roles


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


def test_a_classroom_sends_no_picture_that_nobody_sees_but_goes_on_being_heard(scene: Scene) -> None:
    camera, voice = scene.publish(GUEST, "camera", "high"), scene.publish(GUEST, "microphone", "full")
    scene.live(REST_ALL_AFTER_S + 2 * REVIEW_S)
    assert scene.told("c1") == [()]
    scene.live(5)
    assert camera.sent[-1][0] < scene.now - 4
    assert voice.sent[-1][0] > scene.now - 0.1


def test_who_comes_to_see_it_does_so_soon_and_a_glance_away_stops_nothing(scene: Scene) -> None:
    scene.publish(GUEST, "camera", "high")
    scene.live(REST_ALL_AFTER_S + 5)
    came = scene.now
    viewer = scene.join("t1")
    assert scene.told("c1") == [(), ("high",)]
    scene.live(SOON_S)
    assert scene.seen(viewer, came)[0] < came + 0.5
    for _ in range(5):
        scene.room.set_watching("t1", scene.now, live=False, ceiling="sound")
        scene.live(REST_ALL_AFTER_S - 1)
        scene.room.set_watching("t1", scene.now, live=True, ceiling="full")
        scene.live(2)
    assert scene.told("c1") == [(), ("high",)]
    scene.leave(viewer)
    scene.live(REST_ALL_AFTER_S + 1)
    assert scene.told("c1") == [(), ("high",), ()]


def test_a_picture_that_rests_is_asked_for_no_keyframes_and_for_one_when_it_wakes(scene: Scene) -> None:
    camera = scene.publish(GUEST, "camera", "high")
    asked: list[bytes] = []
    endpoint = SimpleNamespace(transmit=lambda _peer, datagram: asked.append(datagram))
    nothing = lambda *_: None  # noqa: E731
    publisher = Publisher(
        cast("Endpoint", endpoint),
        [],
        mid_id=0,
        transport_id=0,
        rid_id=0,
        repaired_id=0,
        level_id=0,
        make_source=cast("Callable[..., Layered]", nothing),
        on_layer=nothing,
        on_source_end=nothing,
        on_track_end=nothing,
        on_connected=nothing,
        on_closed=nothing,
        wall=lambda now: now,
        cache_packets=64,
        keyframe_interval_s=0.5,
    )
    sender = SimpleNamespace(protect_rtcp=lambda datagram: datagram)
    publisher.session = cast("PeerSession", SimpleNamespace(sender=sender, address=("", 1)))
    (track,) = camera.tracks
    publisher.tracks, publisher.sources = {track.ssrc: track}, {"camera": camera.layered}
    pli = build_pli(publisher._ssrc, track.ssrc)
    scene.live(REST_ALL_AFTER_S + 1)
    track.request_keyframe(scene.now)
    publisher.tick(scene.now)
    assert not [datagram for datagram in asked if pli in datagram]
    scene.join("t1")
    publisher.tick(scene.now + 0.02)
    assert [datagram for datagram in asked if pli in datagram]


@pytest.mark.parametrize(("roles", "rests"), [(("teacher",), True), (("teacher", "classroom"), False), ((), True)])
def test_what_is_recorded_of_classrooms_goes_on_though_nobody_sees_it(
    scene: Scene, roles: tuple[str, ...], rests: bool
) -> None:
    scene.room.add_sink(Recording(*roles), 0.0)
    scene.publish(GUEST, "camera", "high")
    scene.live(REST_ALL_AFTER_S + 2)
    assert bool(scene.told("c1")) is rests


def test_the_lowest_picture_of_the_lesson_never_rests_and_the_best_only_where_it_is_not_recorded(scene: Scene) -> None:
    scene.publish(TEACHER, "camera", "low", "middle", "high")
    scene.live(REST_ALL_AFTER_S + 2)
    assert scene.told("t1") == [("low",)]
    scene.room.add_sink(Recording("teacher"), scene.now)
    scene.live(REST_AFTER_S)
    assert scene.told("t1")[-1] == ("low", "high")


def test_a_single_picture_of_the_teacher_never_rests(scene: Scene) -> None:
    scene.publish(TEACHER, "camera", "high")
    scene.live(REST_ALL_AFTER_S + 5)
    assert scene.wanted == []


def report(viewer: Subscriber, scene: Scene, lost: float) -> None:
    block = ReportBlock(viewer.audio[0].ssrc, round(256 * lost), 0, 0, 0, 0, 0)
    for _ in range(20):
        viewer.rtcp(build_receiver_report(1, [block]), scene.now)


@pytest.mark.parametrize(
    ("lost", "asked"),
    [(0.0, 0.0), (FEC_FROM / 2, 0.0), (0.06, 0.06), (0.5, FEC_MOST)],
    ids=["none", "little", "some", "most"],
)
def test_a_receiver_without_red_has_its_loss_told_to_the_speaker_within_bounds(
    scene: Scene, lost: float, asked: float
) -> None:
    """Also one without congestion feedback, of whose loss only its reports tell."""
    voice = scene.publish(TEACHER, "microphone", "full")
    viewer = scene.join("c1")
    scene.live(1)
    report(viewer, scene, lost)
    scene.live(2 * REVIEW_S)
    assert voice.tracks[0].asked_loss == pytest.approx(asked, abs=0.01)
    block = voice.tracks[0].report(0, 0)
    assert block is not None
    assert block.fraction_lost / 256 == pytest.approx(asked, abs=0.01)


def test_the_worst_of_those_who_listen_counts_and_who_has_gone_or_repairs_itself_does_not(scene: Scene) -> None:
    voice = scene.publish(TEACHER, "microphone", "full")
    good, bad = scene.join("c1"), scene.join("c2")
    scene.live(1)
    report(good, scene, 0.04)
    report(bad, scene, 0.09)
    scene.live(2 * REVIEW_S)
    assert voice.tracks[0].asked_loss == pytest.approx(0.09, abs=0.01)
    scene.room.set_watching("c2", scene.now, live=False, ceiling="full")
    scene.live(2 * REVIEW_S)
    assert voice.tracks[0].asked_loss == pytest.approx(0.04, abs=0.01)
    for slot in good.audio:
        slot.red_type = 63
    scene.live(2 * REVIEW_S)
    assert voice.tracks[0].asked_loss == 0


def call(scene: Scene, *rooms: str) -> dict[str, Source]:
    """These classrooms are called, in this order: microphone and camera. Returns the microphones."""
    microphones = {}
    for room in rooms:
        person = Person(room, "classroom", room)
        microphones[room] = scene.publish(person, "microphone", "full")
        scene.publish(person, "camera", "high")
    return microphones


def shown(viewer: Subscriber, kind: SourceKind) -> list[str]:
    """Whose media of this kind a viewer is sent."""
    sources = [slot.source.info for slot in viewer.slots if slot.source is not None]
    return [info.participant for info in sources if info.kind == kind]


def test_each_rooms_downlink_stays_what_one_picture_costs(scene: Scene) -> None:
    scene.publish(TEACHER, "microphone", "full")
    scene.publish(TEACHER, "camera", "low", "high")
    viewers = [scene.join(f"c{n}", 4, 5) for n in range(40)]
    teacher = scene.join(TEACHER.participant, 4, 5, teaches=True)

    def packets(viewer: Subscriber, seconds: float) -> int:
        begin = scene.now
        scene.got.clear()
        scene.live(seconds)
        pictures = {slot.ssrc for slot in viewer.video}
        return sum(ssrc in pictures for at, ssrc in scene.got if at > begin)

    call(scene, "c0")
    scene.live(2.0)
    one = packets(viewers[39], 2.0)
    call(scene, "c1", "c2")
    scene.live(2.0)
    assert packets(viewers[39], 2.0) <= 1.02 * one  # one step more or less
    for viewer in viewers:
        guests = [room for room in shown(viewer, "camera") if room != "t1"]
        assert len(guests) == 1
        assert viewer.participant not in guests
    assert set(shown(teacher, "camera")) == {"c0", "c1", "c2"}


def test_a_classroom_hears_the_three_loudest_of_five_and_a_volunteer_as_many_as_fit(scene: Scene) -> None:
    scene.publish(TEACHER, "microphone", "full")
    classroom, teacher = scene.join("c9", 5, 5), scene.join("t1", 5, 5, teaches=True)
    microphones = call(scene, "c0", "c1", "c2", "c3", "c4")
    for room in ("c0", "c4"):
        microphones[room].loudness = 90
    scene.live(4.0)
    assert set(shown(classroom, "microphone")) == {"t1", "c1", "c2", "c3"}
    assert set(shown(teacher, "microphone")) == {"c0", "c1", "c2", "c3", "c4"}
    microphones["c2"].loudness, microphones["c4"].loudness = 90, 30
    scene.live(4.0)
    assert set(shown(classroom, "microphone")) == {"t1", "c1", "c3", "c4"}
    # Nobody else moves when a room is replaced.
    before = [slot.source for slot in classroom.audio]
    microphones["c1"].loudness, microphones["c0"].loudness = 90, 30
    scene.live(4.0)
    assert sum(a is not b.source for a, b in zip(before, classroom.audio, strict=True)) == 1


def test_who_begins_to_speak_as_another_joins_is_heard_by_all(scene: Scene) -> None:
    first = scene.join("c8", 4, 5)
    microphones = call(scene, "c0", "c1", "c2", "c3")
    microphones["c0"].loudness = microphones["c3"].loudness = 90
    scene.live(4.0)
    assert "c3" not in shown(first, "microphone")
    for _ in range(10):
        microphones["c3"].layered.loudness.heard(30, scene.now)
    second = scene.join("c9", 4, 5)
    scene.live(STEP_S)
    assert "c3" in shown(first, "microphone")
    assert "c3" in shown(second, "microphone")


def test_a_muted_room_gives_its_place_to_one_that_speaks(scene: Scene) -> None:
    classroom = scene.join("c9", 4, 5)
    call(scene, "c0", "c1", "c2", "c3")
    scene.live(4.0)
    assert "c3" not in shown(classroom, "microphone")
    scene.room.set_muted("c1", muted=True)
    scene.live(4.0)
    assert set(shown(classroom, "microphone")) == {"c0", "c2", "c3"}
    scene.room.set_muted("c1", muted=False)
    scene.live(4.0)
    assert set(shown(classroom, "microphone")) == {"c0", "c2", "c3"}
