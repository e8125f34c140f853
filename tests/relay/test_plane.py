"""The media plane over loopback, with aiortc as an independent peer: what is published is decoded on the other side."""

import asyncio
import contextlib
import fractions
import gc
import time
from collections.abc import AsyncIterator, Callable, Sequence

import av
import numpy as np
import pytest
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription

from liveclass.errors import PeerError
from liveclass.relay.plane import Plane, PlaneOptions
from liveclass.relay.ports import CloseReason, Direction, Layer, LinkView, Person, SlotView
from liveclass.relay.publisher import Publisher
from liveclass.relay.source import SourceHandle, SourceInfo, SourceKind
from liveclass.relay.speakers import UNTOLD_DB
from liveclass.relay.subscriber import Subscriber
from liveclass.rtp.twcc import TransportFeedbackBuilder
from liveclass.transport import native
from liveclass.transport.dtls import Identity
from liveclass.transport.endpoint import Endpoint
from liveclass.transport.sdp import EXT_AUDIO_LEVEL
from liveclass.transport.session import PeerSession

TEACHER = Person("t1", "teacher", "Li", lead=True)
PUPILS = Person("c1", "classroom", "3-2")


class Heard:
    """A listener that notes what it is told."""

    def __init__(self) -> None:
        self.slots: dict[str, list[tuple[str, str]]] = {}
        self.closed: list[tuple[str, Direction, CloseReason]] = []
        self.connected: list[tuple[str, Direction]] = []
        self.sources: dict[str, list[SourceKind]] = {}
        self.links: dict[str, list[LinkView]] = {}
        self.wanted: dict[SourceKind, list[Layer]] = {}

    def slots_changed(self, lesson: str, participant: str, session: str, slots: Sequence[SlotView]) -> None:
        self.slots[participant] = [(view.participant, view.kind) for view in slots]

    def sources_changed(self, lesson: str, participant: str, kinds: Sequence[SourceKind]) -> None:
        self.sources[participant] = list(kinds)

    def link_changed(self, lesson: str, participant: str, link: LinkView) -> None:
        self.links.setdefault(participant, []).append(link)

    def layers_wanted(self, lesson: str, participant: str, kind: SourceKind, layers: Sequence[Layer]) -> None:
        self.wanted[kind] = list(layers)

    def media_connected(self, lesson: str, participant: str, session: str, direction: Direction) -> None:
        self.connected.append((participant, direction))

    def media_closed(
        self, lesson: str, participant: str, session: str, direction: Direction, reason: CloseReason
    ) -> None:
        self.closed.append((participant, direction, reason))


class Tone(MediaStreamTrack):
    """A sine of 1,000 Hz."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.at = 0
        self.began = time.monotonic()

    async def recv(self) -> av.AudioFrame:
        await asyncio.sleep(max(0.0, self.began + self.at / 48_000 - time.monotonic()))
        wave = np.sin(2 * np.pi * 1000 * (np.arange(960) + self.at) / 48_000) * 12_000
        frame = av.AudioFrame.from_ndarray(wave.astype(np.int16).reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, self.at, fractions.Fraction(1, 48_000)
        self.at += 960
        return frame


class Picture(MediaStreamTrack):
    """A grey that grows brighter with every frame."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self.n = 0
        self.began = time.monotonic()

    async def recv(self) -> av.VideoFrame:
        await asyncio.sleep(max(0.0, self.began + self.n / 15 - time.monotonic()))
        level = 40 + self.n * 4 % 160
        frame = av.VideoFrame.from_ndarray(np.full((120, 160, 3), level, np.uint8), format="rgb24")
        frame.pts, frame.time_base = self.n * 6000, fractions.Fraction(1, 90_000)
        self.n += 1
        return frame


@contextlib.asynccontextmanager
async def plane_of(heard: Heard, **changes: float) -> AsyncIterator[tuple[Plane, Endpoint]]:
    endpoint = Endpoint(
        Identity.generate(time.time()),
        timeout_s=changes.get("timeout_s", 30.0),
        max_sessions=int(changes.get("max_sessions", 100)),
        public=["127.0.0.1"],
        native=bool(changes.get("native", False)),
    )
    await endpoint.open("127.0.0.1", 0)
    plane = Plane(endpoint, heard, PlaneOptions())
    try:
        yield plane, endpoint
    finally:
        plane.close_lesson("L", "shutdown")
        endpoint.close()


async def connect(connection: RTCPeerConnection, exchange: Callable[[str], str]) -> None:
    await connection.setLocalDescription(await connection.createOffer())
    answer = exchange(connection.localDescription.sdp)
    await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))


async def publish(plane: Plane, person: Person = TEACHER) -> RTCPeerConnection:
    connection = RTCPeerConnection()
    for track in (Tone(), Picture()):
        connection.addTransceiver(track, direction="sendonly")
    await connect(connection, lambda sdp: plane.publish("L", person, sdp, "127.0.0.1").sdp)
    return connection


async def subscribe(plane: Plane, person: Person = PUPILS) -> tuple[RTCPeerConnection, dict[str, MediaStreamTrack]]:
    connection = RTCPeerConnection()
    tracks: dict[str, MediaStreamTrack] = {}
    connection.on("track", lambda track: tracks.setdefault(track.kind, track))
    for kind in ("audio", "video"):
        connection.addTransceiver(kind, direction="recvonly")
    await connect(connection, lambda sdp: plane.subscribe("L", person, sdp, "127.0.0.1").sdp)
    return connection, tracks


async def until(condition: Callable[[], object], what: str, limit_s: float = 10.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"never came: {what}"
        await asyncio.sleep(0.01)


async def loudest_hz(track: MediaStreamTrack) -> float:
    heard: list[np.ndarray] = []
    for _ in range(60):
        frame = await asyncio.wait_for(track.recv(), 5)
        if not isinstance(frame, av.AudioFrame):
            continue
        heard.append(frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0])
    wave = np.concatenate(heard[-20:]).astype(float)
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    return float(np.argmax(spectrum)) * 48_000 / len(wave)


async def brightness(track: MediaStreamTrack) -> int:
    frame = await asyncio.wait_for(track.recv(), 5)
    return int(frame.to_ndarray().mean()) if isinstance(frame, av.VideoFrame) else -1


@pytest.mark.parametrize("natively", [False, True], ids=["in Python", "natively"])
async def test_what_is_published_is_decoded_by_a_subscriber(natively: bool) -> None:
    if natively and not native.built():
        pytest.skip("the native fan-out was not built; see script/build-fanout")
    heard = Heard()
    async with plane_of(heard, native=natively) as (plane, _):
        teacher = await publish(plane)
        viewer, tracks = await subscribe(plane)
        try:
            assert abs(await loudest_hz(tracks["audio"]) - 1000) < 60
            assert len({await brightness(tracks["video"]) for _ in range(5)}) > 2
            assert heard.slots["c1"] == [("t1", "microphone"), ("t1", "camera")]
            figures = plane.stats()
            assert figures["native_fanout"] == natively
            assert (figures["native_datagrams_sent_total"] > 0) == natively
            assert (figures["native_system_calls_total"] > 0) == natively
            assert figures["native_datagrams_sent_total"] <= figures["datagrams_sent_total"]
            assert set(heard.sources["t1"]) == {"microphone", "camera"}
        finally:
            await asyncio.gather(teacher.close(), viewer.close())
        await until(lambda: len(heard.closed) == 2, "both sessions closed")
        assert plane.stats()["rooms"] == 0


async def test_a_viewer_who_came_first_sees_the_lesson_when_it_begins() -> None:
    async with plane_of(Heard()) as (plane, _):
        viewer, tracks = await subscribe(plane)
        teacher = await publish(plane)
        try:
            await asyncio.wait_for(tracks["video"].recv(), 10)
        finally:
            await asyncio.gather(teacher.close(), viewer.close())


async def test_a_publisher_who_comes_again_replaces_the_old_session() -> None:
    heard = Heard()
    async with plane_of(heard) as (plane, _):
        first = await publish(plane)
        viewer, tracks = await subscribe(plane)
        await asyncio.wait_for(tracks["video"].recv(), 10)
        second = await publish(plane)
        try:
            assert ("t1", "publish", "replaced") in heard.closed
            for _ in range(10):
                await asyncio.wait_for(tracks["video"].recv(), 5)
        finally:
            await asyncio.gather(first.close(), second.close(), viewer.close())


async def test_a_muted_classroom_is_not_heard_whatever_its_page_does() -> None:
    seen: list[str] = []

    class Note:
        def takes(self, info: SourceInfo) -> bool:
            return True

        def source_added(self, source: SourceHandle, now: float) -> None: ...
        def source_removed(self, source: SourceHandle, now: float) -> None: ...
        def sender_report(self, source: SourceHandle, ntp_s: float, timestamp: int, now: float) -> None: ...
        def packet(
            self, source: SourceHandle, seq: int, timestamp: int, marker: bool, payload: bytes, now: float
        ) -> None:
            seen.append(source.info.kind)

    async with plane_of(Heard()) as (plane, _):
        plane.add_sink("L", Note())
        plane.set_muted("L", "c1", True)
        classroom = await publish(plane, PUPILS)
        try:
            await until(lambda: seen.count("camera") > 10, "camera packets")
            assert "microphone" not in seen
            plane.set_muted("L", "c1", False)
            await until(lambda: "microphone" in seen, "microphone packets")
        finally:
            await classroom.close()


async def test_a_classroom_tells_how_loud_it_is_and_a_volunteer_is_not_asked() -> None:
    async with plane_of(Heard()) as (plane, _):
        classroom, teacher = await publish(plane, PUPILS), await publish(plane)
        try:
            assert EXT_AUDIO_LEVEL in classroom.remoteDescription.sdp
            assert EXT_AUDIO_LEVEL not in teacher.remoteDescription.sdp
            sources = plane._rooms["L"]._sources

            def loudness() -> float:
                own = [s for p, s in sources.values() if p == PUPILS and s.info.kind == "microphone"]
                return own[0].loudness.level(time.monotonic()) if own else UNTOLD_DB

            await until(lambda: loudness() > -30, "loudness of a tone")
        finally:
            await asyncio.gather(classroom.close(), teacher.close())


async def test_a_peer_that_vanishes_is_reaped_and_its_memory_returned() -> None:
    heard = Heard()
    async with plane_of(heard, timeout_s=1.0) as (plane, endpoint):
        silent = RTCPeerConnection()
        silent.addTransceiver("audio", direction="recvonly")
        await silent.setLocalDescription(await silent.createOffer())
        plane.subscribe("L", PUPILS, silent.localDescription.sdp, "127.0.0.1")
        assert len(endpoint.sessions) == 1
        await until(lambda: heard.closed == [("c1", "subscribe", "timeout")], "the timeout", 5)
        assert not endpoint.sessions
        assert not endpoint._by_ufrag
        await silent.close()


async def test_whoever_leaves_is_freed_without_the_cycle_collector() -> None:
    """The collector hardly runs in a server that is tuned for packets; 37 objects a viewer would pile up."""
    kinds = (Subscriber, Publisher, PeerSession)
    async with plane_of(Heard()) as (plane, _):
        gc.collect()
        before = [sum(isinstance(one, kind) for one in gc.get_objects()) for kind in kinds]
        gc.disable()
        try:
            teacher, (viewer, tracks) = await publish(plane), await subscribe(plane)
            await asyncio.wait_for(tracks["video"].recv(), 10)
            plane.close_lesson("L", "lesson_ended")
            assert [sum(isinstance(one, kind) for one in gc.get_objects()) for kind in kinds] == before
        finally:
            gc.enable()
            await asyncio.gather(teacher.close(), viewer.close())


async def test_an_ended_lesson_leaves_no_room_behind_even_if_nobody_came() -> None:
    async with plane_of(Heard()) as (plane, _):
        plane.set_muted("L", "c1", True)
        plane.close_lesson("L", "lesson_ended")
        assert plane.stats()["rooms"] == 0


async def test_one_session_too_many_is_refused_and_the_others_stay() -> None:
    async with plane_of(Heard(), max_sessions=1) as (plane, endpoint):
        viewer, _ = await subscribe(plane)
        with pytest.raises(PeerError) as caught:
            await subscribe(plane, Person("c2", "classroom", "x"))
        assert caught.value.status == 503
        assert len(endpoint.sessions) == 1
        await viewer.close()


@pytest.mark.parametrize(
    "datagram", [b"", b"\x00", b"\x16\xfe\xff" + bytes(60), b"\x80\x60" + bytes(40), b"\xff" * 1500]
)
async def test_datagrams_from_strangers_change_nothing(datagram: bytes) -> None:
    """Rows 1 and 2: before, during and after the handshake."""
    heard = Heard()
    async with plane_of(heard) as (plane, endpoint):
        for _ in range(50):
            endpoint.datagram(datagram, ("127.0.0.1", 9), time.monotonic())
        teacher = await publish(plane)
        viewer, tracks = await subscribe(plane)
        for _ in range(50):
            endpoint.datagram(datagram, ("127.0.0.1", 9), time.monotonic())
            await asyncio.sleep(0)
        try:
            await asyncio.wait_for(tracks["video"].recv(), 10)
            dropped = endpoint.counters
            assert dropped.empty + dropped.strangers + dropped.malformed >= 100
            assert dropped.failures == 0
        finally:
            await asyncio.gather(teacher.close(), viewer.close())


async def test_congestion_feedback_names_a_stream_that_the_publisher_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chromium drops feedback under any other SSRC, and its picture then falls to 30 kbit/s."""
    named: set[int] = set()
    sent: set[int] = set()
    build, received = TransportFeedbackBuilder.build, TransportFeedbackBuilder.received

    def noting(self: TransportFeedbackBuilder, now: float) -> list[bytes]:
        named.add(self.media_ssrc)
        return build(self, now)

    monkeypatch.setattr(TransportFeedbackBuilder, "build", noting)
    async with plane_of(Heard()) as (plane, _):
        teacher = await publish(plane)
        (publisher,) = (known.handler for known in plane._sessions.values())
        assert isinstance(publisher, Publisher)
        try:
            await until(lambda: len(publisher.tracks) == 2, "both tracks")
            sent |= set(publisher.tracks)
            # aiortc sends no transport-wide numbers itself.
            publisher._feedback = TransportFeedbackBuilder(1, 0)
            received(publisher._feedback, 1, time.monotonic())
            await until(lambda: named, "feedback")
            assert named <= sent
        finally:
            await teacher.close()


async def test_sending_less_frees_the_slot_at_once() -> None:
    heard = Heard()
    async with plane_of(heard) as (plane, _):
        teacher = await publish(plane)
        viewer, tracks = await subscribe(plane)
        try:
            await asyncio.wait_for(tracks["video"].recv(), 10)
            plane.set_sending("L", "t1", ["microphone"])
            assert heard.slots["c1"] == [("t1", "microphone"), ("", "")]
        finally:
            await asyncio.gather(teacher.close(), viewer.close())


@pytest.mark.parametrize("direction", ["publish", "subscribe"])
async def test_a_section_that_is_switched_off_is_refused_and_the_others_are_taken(direction: str) -> None:
    connection = RTCPeerConnection()
    for kind in ("audio", "video"):
        connection.addTransceiver(kind, direction="sendonly" if direction == "publish" else "recvonly")
    await connection.setLocalDescription(await connection.createOffer())
    offer = connection.localDescription.sdp + "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\n"
    async with plane_of(Heard()) as (plane, _):
        answer = getattr(plane, direction)("L", PUPILS, offer, "127.0.0.1").sdp
        assert [line.split()[1] == "0" for line in answer.splitlines() if line.startswith("m=")] == [False, False, True]
    await connection.close()
