"""The laws of a lesson that passes through several nodes: once per node, nothing twice, nothing lost."""

import asyncio
import itertools
import os
import random
import time
from secrets import randbelow
from types import SimpleNamespace
from typing import Any, cast

import pytest

from liveclass.errors import PeerError
from liveclass.relay import cascade as cascade_module
from liveclass.relay import cast as told
from liveclass.relay import room as room_module
from liveclass.relay.ports import Person
from liveclass.relay.remote import Remote
from liveclass.transport import ice_check
from liveclass.transport.dial import Dial
from liveclass.transport.pull import PullSession
from tests.relay.two_nodes import LESSON, Node, Speaker, Viewer, nodes

OPUS, VP8 = 111, 102
CLASSROOM = Person("c9", "classroom", "3-2")


def lose(monkeypatch: pytest.MonkeyPatch, share: float) -> list[int]:
    """Packets of media between nodes are lost by chance; returns what counts them."""
    rng, lost = random.Random(5), [0]
    whole = PullSession.receive

    def receive(self: PullSession, datagram: bytes, address: Any, now: float) -> Any:
        media = 127 < datagram[0] < 192 and not 191 < datagram[1] < 224
        if media and isinstance(self._handler, Remote) and rng.random() < share:
            lost[0] += 1
            return []
        return whole(self, datagram, address, now)

    monkeypatch.setattr(PullSession, "receive", receive)
    return lost


async def seen(speaker: Speaker, *viewers: Viewer) -> None:
    """All of them have sound and picture."""
    assert await speaker.speak(10, lambda: all(v.got(OPUS) and v.got(VP8) for v in viewers)), "nothing arrived"


async def test_a_lesson_leaves_its_owner_once_for_all_subscribers_of_another_node() -> None:
    async with nodes("a", "b") as (a, b):
        speaker = Speaker(a)
        b.pull(a)
        viewers = [Viewer(b, f"c{n}") for n in range(5)]
        await seen(speaker, *viewers)
        before = a.endpoint.batch.sent
        sent = {key: stream.track.packets for key, stream in speaker.streams.items()}
        await speaker.speak(1.0)
        media = sum(stream.track.packets - sent[key] for key, stream in speaker.streams.items())
        assert media <= a.endpoint.batch.sent - before < 1.25 * media + 40
        assert set(b.sources) == {("t1", "microphone"), ("t1", "camera")}
        for viewer in viewers:
            viewer.close()


async def test_another_node_is_neither_a_participant_nor_a_subscriber_to_those_above() -> None:
    async with nodes("a", "b") as (a, b):
        speaker = Speaker(a)
        b.pull(a)
        viewer = Viewer(b, "c1")
        await seen(speaker, viewer)
        for name in ("slots_changed", "media_connected", "media_closed", "link_changed"):
            assert a.heard.of(name) == []
        assert not b.heard.of("sources_changed"), "its owner tells who sends what"
        assert [args[1] for args in b.heard.of("media_connected")] == ["c1"]
        views = b.heard.of("slots_changed")[-1][3]
        assert {(view.participant, view.kind) for view in views} == {("t1", "microphone"), ("t1", "camera")}
        viewer.close()


async def test_numbers_and_times_are_unbroken_over_two_hops_though_the_publishers_wrap() -> None:
    async with nodes("a", "b", "c") as (a, b, c):
        speaker = Speaker(a)
        b.pull(a)
        c.pull(b)
        viewer = Viewer(c, "c1")
        await seen(speaker, viewer)
        await speaker.speak(3.0)
        await asyncio.sleep(0.3)
        for payload_type, step in ((OPUS, 960), (VP8, 0)):
            numbers = viewer.numbers(payload_type)
            assert sorted(numbers) == list(range(min(numbers), max(numbers) + 1)), "a hole, or one number twice"
            assert len({packet[0] for packet in viewer.got(payload_type)}) == 1, "one SSRC for the whole session"
            if step:
                times = [packet[2] for packet in viewer.got(payload_type)]
                assert {later - sooner & 0xFFFFFFFF for sooner, later in itertools.pairwise(times)} == {step}
        remote = c.plane._rooms[LESSON].remote
        assert remote is not None
        assert remote.hops == 2
        viewer.close()


async def test_rollover_counters_stay_in_step_over_two_hops_when_all_numbers_wrap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The highest first number that a stream may have, so that each hop wraps after some 37,000 packets.
    monkeypatch.setattr(
        "liveclass.relay.slot.secrets.randbelow", lambda most: most - 1 if most == 0x7000 else randbelow(most)
    )
    async with nodes("a", "b") as (a, b):
        speaker = Speaker(a)
        b.pull(a)
        viewer = Viewer(b, "c1")
        await seen(speaker, viewer)
        speaker.end("camera")
        end = time.monotonic() + 90
        sent = 0
        while sent < 38_000 and time.monotonic() < end:
            # No faster than it arrives: what is tried here are numbers, not queues.
            if sent - len(viewer.got(OPUS)) < 300:
                for _ in range(25):
                    speaker.frame()
                sent += 25
            await asyncio.sleep(0)
        await asyncio.sleep(0.5)
        numbers = viewer.numbers(OPUS)
        assert max(numbers) > 0x10000 + 500, "it did not wrap"
        assert sorted(numbers) == list(range(min(numbers), max(numbers) + 1)), "a packet went where it cannot be read"
        viewer.close()


async def test_no_number_is_used_twice_when_a_source_ends_and_another_begins() -> None:
    async with nodes("a", "b") as (a, b):
        speaker = Speaker(a)
        b.pull(a)
        viewer = Viewer(b, "c1")
        await seen(speaker, viewer)
        ssrcs = set(a.feed._by_ssrc)
        speaker.end("camera")
        assert await speaker.speak(5, lambda: ("t1", "camera") not in b.sources)
        guest = Speaker(a, Person("t2", "teacher", "Wang"))
        count = len(viewer.got(VP8))
        for _ in range(250):
            speaker.frame()
            guest.frame()
            await asyncio.sleep(0.02)
            if len(viewer.got(VP8)) > count + 30:
                break
        assert len(viewer.got(VP8)) > count + 30
        fresh = set(a.feed._by_ssrc) - ssrcs
        assert len(fresh) == 3, "each layer of each source has an SSRC of its own between nodes"
        for payload_type in (OPUS, VP8):
            used = [(packet[0], packet[1]) for packet in viewer.got(payload_type)]
            assert len(set(used)) == len(used)
        viewer.close()


async def test_what_is_lost_between_nodes_is_healed_there(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = lose(monkeypatch, 0.1)
    async with nodes("a", "b") as (a, b):
        speaker = Speaker(a)
        b.pull(a)
        viewers = [Viewer(b, f"c{n}") for n in range(3)]
        await seen(speaker, *viewers)
        await speaker.speak(4.0)
        marks = [max(viewer.numbers(OPUS)) for viewer in viewers]
        await speaker.speak(1.5)
        assert lost[0] > 50
        for viewer, mark in zip(viewers, marks, strict=True):
            numbers = set(viewer.numbers(OPUS))
            missing = [n for n in range(min(numbers), mark) if n not in numbers]
            assert len(missing) <= 1, f"{len(missing)} of {len(numbers)} sounds are missing"
        remote = b.plane._rooms[LESSON].remote
        assert remote is not None
        assert remote.nacked >= 20
        assert a.feed.nacked >= 20
        assert a.feed.controller.loss > 0.02, "the owner learns what the link between the nodes loses"
        for viewer in viewers:
            viewer.close()


async def test_casts_and_wishes_that_are_lost_are_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(8)
    whole, send = PullSession.receive, Dial.send

    def receive(self: PullSession, datagram: bytes, address: Any, now: float) -> Any:
        told_by_rtcp = 127 < datagram[0] < 192 and 191 < datagram[1] < 224
        return [] if told_by_rtcp and rng.random() < 0.6 else whole(self, datagram, address, now)

    monkeypatch.setattr(PullSession, "receive", receive)
    monkeypatch.setattr(Dial, "send", lambda self, packet: None if rng.random() < 0.6 else send(self, packet))
    async with nodes("a", "b") as (a, b):
        speaker = Speaker(a)
        b.pull(a)
        viewer = Viewer(b, "c1")
        assert await speaker.speak(15, lambda: viewer.got(OPUS) and viewer.got(VP8))
        speaker.end("camera")
        assert await speaker.speak(8, lambda: ("t1", "camera") not in b.sources)
        assert await speaker.speak(8, lambda: a.feed._answered), "it is told until it is answered, and no longer"
        viewer.close()


async def test_a_keyframe_is_asked_for_once_however_many_ask() -> None:
    async with nodes("a", "b") as (a, b):
        speaker = Speaker(a, layers=("high",))
        b.pull(a)
        viewers = [Viewer(b, f"c{n}") for n in range(12)]
        await seen(speaker, *viewers)
        await speaker.speak(0.8)
        stream = speaker.streams["camera", "high"]
        before, heard = stream.plis, a.feed.plis
        for viewer in viewers:
            viewer.ask_for_keyframe()
        assert await speaker.speak(3, lambda: stream.plis > before), "the request never reached the publisher"
        await speaker.speak(0.7)
        assert stream.plis - before == 1
        assert 1 <= a.feed.plis - heard <= 2
        for viewer in viewers:
            viewer.close()


async def test_the_publishers_clock_is_passed_on_so_that_sound_and_picture_stay_together() -> None:
    async with nodes("a", "b") as (a, b):
        speaker = Speaker(a, layers=("high",))
        b.pull(a)
        viewer = Viewer(b, "c1")
        await seen(speaker, viewer)
        speaker.report(time.time() + 2_208_988_800)
        assert await speaker.speak(5, lambda: len({r.ssrc for r in viewer.reports}) == 2)
        ntp = {report.ntp >> 24 for report in viewer.reports}
        assert max(ntp) - min(ntp) <= 3, "sound and picture were sampled at one moment"
        viewer.close()


async def test_a_layer_that_nobody_takes_anywhere_rests_and_is_woken_from_afar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_module, "REST_AFTER_S", 1.0)
    async with nodes("a", "b") as (a, b):
        speaker = Speaker(a)
        b.pull(a)
        viewer = Viewer(b, "c1")
        await seen(speaker, viewer)
        camera = speaker.sources["camera"]
        assert "high" not in camera.resting
        viewer.close()
        assert await speaker.speak(9, lambda: "high" in camera.resting), "nobody takes it, and it is sent all the same"
        again = Viewer(b, "c2")
        assert await speaker.speak(5, lambda: "high" not in camera.resting), "somebody on the other node wants it"
        again.close()


async def test_a_broken_pull_is_made_again_and_nobodys_slots_change() -> None:
    async with nodes("a", "b") as (a, b):
        speaker = Speaker(a)
        b.pull(a)
        viewer = Viewer(b, "c1")
        await seen(speaker, viewer)
        sources = {key: source.info.id for key, source in b.sources.items()}
        changes = len(b.heard.of("slots_changed"))
        a.plane.close_session(a.feed.session.id, "shutdown")
        count = len(viewer.got(OPUS))
        assert await speaker.speak(5, lambda: len(viewer.got(OPUS)) > count + 30 and len(viewer.got(VP8)) > 30)
        assert {key: source.info.id for key, source in b.sources.items()} == sources
        assert len(b.heard.of("slots_changed")) == changes
        used = [(packet[0], packet[1]) for packet in viewer.packets]
        assert len(set(used)) == len(used), "the same numbers were used again"
        viewer.close()


async def test_a_node_that_vanishes_without_a_word_is_noticed_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with nodes("a", "b") as (a, b):
        speaker = Speaker(a)
        b.pull(a)
        viewer = Viewer(b, "c1")
        await seen(speaker, viewer)
        remote = b.plane._rooms[LESSON].remote
        assert remote is not None
        tries = b.cascade.tries
        deaf = remote.dial
        whole = PullSession.receive
        monkeypatch.setattr(
            PullSession,
            "receive",
            lambda self, *args: [] if deaf and self is deaf.session else whole(self, *args),
        )
        begun = time.monotonic()
        assert await speaker.speak(ice_check.DEAD_S + 4, lambda: b.cascade.tries > tries)
        count = len(viewer.got(OPUS))
        assert await speaker.speak(4, lambda: len(viewer.got(OPUS)) > count)
        assert time.monotonic() - begun < ice_check.DEAD_S + 5
        viewer.close()


async def test_the_pull_ends_when_the_last_subscriber_of_the_node_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cascade_module, "LINGER_S", 0.6)
    async with nodes("a", "b") as (a, b):
        speaker = Speaker(a)
        b.pull(a)
        viewer = Viewer(b, "c1")
        await seen(speaker, viewer)
        viewer.close()
        assert await speaker.speak(6, lambda: LESSON not in b.cascade)
        assert b.ended == [LESSON]
        assert b.plane._rooms == {}
        assert await speaker.speak(3, lambda: not a.plane._rooms[LESSON].feeds), "it says goodbye above"


async def test_a_node_above_that_is_away_is_asked_with_growing_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    async def ask(_offer: str) -> str:
        asked.append(time.monotonic())
        raise ConnectionRefusedError

    monkeypatch.setattr(cascade_module, "LINGER_S", 1.5)
    async with nodes("b") as (b,):
        b.cascade.pull(LESSON, ask)
        for _ in range(200):
            await asyncio.sleep(0.02)
            if LESSON not in b.cascade:
                break
        assert LESSON not in b.cascade, "nobody is here, so it gives up"
        assert 3 <= len(asked) <= 6
        waits = [later - sooner for sooner, later in itertools.pairwise(asked)]
        assert waits[-1] > 2 * waits[0]


async def test_a_lesson_that_is_over_is_asked_for_no_more() -> None:
    async def ask(_offer: str) -> str:
        raise PeerError("This lesson is over.", status=404)

    async with nodes("b") as (b,):
        b.cascade.pull(LESSON, ask)
        for _ in range(50):
            await asyncio.sleep(0.02)
            if b.ended:
                break
        assert b.ended == [LESSON]


async def test_nodes_that_pull_from_each_other_in_a_circle_let_go() -> None:
    async with nodes("b", "c") as (b, c):
        room = b.plane._room(LESSON)
        b.pull(c)
        c.pull(b)
        viewers = [Viewer(b, "c1"), Viewer(c, "c2")]
        for _ in range(300):
            await asyncio.sleep(0.02)
            if b.cascade.tries + c.cascade.tries > 2:
                break
        assert b.cascade.tries + c.cascade.tries > 2, "they hold each other for ever"
        assert room.remote is None or room.remote.hops <= told.MAX_HOPS
        for viewer in viewers:
            viewer.close()


async def test_who_is_heard_is_decided_by_the_owner_for_all_nodes() -> None:
    async with nodes("a", "b") as (a, b):
        speaker = Speaker(a)
        pupils = Speaker(a, CLASSROOM)
        b.pull(a)
        viewer = Viewer(b, "c1")
        await seen(speaker, viewer)
        for _ in range(250):
            speaker.frame()
            pupils.frame()
            await asyncio.sleep(0.02)
            if ("c9", "microphone") in b.sources:
                break
        assert ("c9", "microphone") in b.sources
        room = b.plane._rooms[LESSON]
        assert room.remote is not None
        assert list(room.remote.guests.heard) == ["c9"]
        a.plane.set_sending(LESSON, "c9", [])
        assert await speaker.speak(5, lambda: ("c9", "camera") not in b.sources)
        viewer.close()


def test_a_cast_is_put_together_from_parts_in_any_order() -> None:
    sources = [
        told.CastSource(
            f"{n}{'x' * 30}",
            "p",
            "teacher",
            "李老师",
            True,
            "camera",
            "H264",
            {"profile-level-id": "42e01f"},
            96,
            97,
            True,
            [told.Stream("low", 2 * n, 2 * n + 1)],
        )
        for n in range(1, 5)
    ]
    cast = told.Cast(1, ["c" * 150] * 30, [], sources)
    packets = told.build_cast(7, 65_536 + 3, cast)
    assert len(packets) > 3
    reader = told.CastReader()
    whole = [reader.take(packet[12:]) for packet in reversed(packets)]
    assert whole[:-1] == [None] * (len(packets) - 1)
    assert whole[-1] == (3, cast)


@pytest.mark.parametrize("seed", range(300))
def test_a_mutilated_cast_or_wish_is_an_error_and_nothing_else(seed: int) -> None:
    rng = random.Random(seed)
    stream = told.Stream("low", 5, 6)
    source = told.CastSource("i", "p", "teacher", "n", True, "camera", "VP8", {}, 96, 97, False, [stream])
    for good in (told.build_cast(1, 1, told.Cast(0, [], [], [source]))[0], told.build_wish(1, 1, 1, [5, 6])):
        bad = bytearray(good[12:])
        for _ in range(rng.randint(1, 4)):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        data = bytes(bad[: rng.randint(0, len(bad))])
        for read in (told.CastReader().take, told.read_wish):
            try:
                read(data)
            except PeerError:
                pass


def test_two_streams_of_one_cast_with_one_ssrc_are_refused() -> None:
    stream = told.Stream("low", 5, 6)
    source = told.CastSource("i", "p", "teacher", "n", True, "camera", "VP8", {}, 96, 97, False, [stream, stream])
    with pytest.raises(PeerError):
        told.CastReader().take(told.build_cast(1, 1, told.Cast(0, [], [], [source]))[0][12:])


async def test_a_pull_takes_no_more_than_a_socket_and_gives_it_back() -> None:
    async with nodes("a", "b") as (a, b):
        speaker = Speaker(a)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            b.pull(a)
            viewer = Viewer(b, "c1")
            await seen(speaker, viewer)
            viewer.close()
            await b.cascade.stop(LESSON)
            assert not _pulling(b)
            assert len(os.listdir("/proc/self/fd")) <= before + 2


def _pulling(node: Node) -> bool:
    room = node.plane._rooms.get(LESSON)
    return room is not None and room.remote is not None


def test_streams_that_are_over_make_room_for_others_with_their_repairs() -> None:
    """The receiver of a pulled session holds so many SSRCs and no more, and its lesson may last all day."""
    nothing = lambda *_: None  # noqa: E731
    room = SimpleNamespace(sinks=[], arrange=nothing, remove_source=nothing)
    remote = Remote(
        cast("Any", room),
        cast("Any", None),
        wall=lambda now: now,
        on_track_end=nothing,
        cache_packets=64,
        keyframe_interval_s=0.5,
    )
    forgotten: list[int] = []
    receiver = SimpleNamespace(remove_stream=forgotten.append)
    remote.dial = cast("Any", SimpleNamespace(session=SimpleNamespace(receiver=receiver)))
    streams = [told.Stream("low", 1, 2), told.Stream("high", 3, 4)]
    camera = told.CastSource("s", "t1", "teacher", "Li", True, "camera", "VP8", {}, 100, 101, True, streams)
    remote._take(1, told.Cast(0, [], [], [camera]), 0.0)
    remote._take(2, told.Cast(0, [], [], [camera]), 0.0)
    assert not forgotten
    remote._take(3, told.Cast(0, [], [], []), 0.0)
    assert sorted(forgotten) == [1, 2, 3, 4]
