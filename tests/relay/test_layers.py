"""A source in layers as the sinks see it: one unbroken stream, whichever layer feeds it."""

import itertools
from types import SimpleNamespace
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from liveclass.relay.layers import BETTER_AFTER_S, Layered
from liveclass.relay.ports import Layer
from liveclass.relay.publisher import layers_of
from liveclass.relay.source import SourceHandle, SourceInfo
from liveclass.relay.track import Track
from liveclass.rtp.packet import build_packet, parse
from liveclass.transport.batch import Batch
from tests.relay.test_track import DELTA, KEYFRAME, VP8


class Notes:
    """A sink that writes down what it is given."""

    def __init__(self) -> None:
        self.added: list[str] = []
        self.got: dict[str, list[tuple[int, int, bytes]]] = {"main": [], "low": []}
        self.reports: list[tuple[str, float, int]] = []

    def takes(self, info: SourceInfo) -> bool:
        return True

    def source_added(self, source: SourceHandle, now: float) -> None:
        self.added.append(source.info.rendition)

    def source_removed(self, source: SourceHandle, now: float) -> None:
        self.added.remove(source.info.rendition)

    def packet(self, source: SourceHandle, seq: int, timestamp: int, marker: bool, payload: bytes, now: float) -> None:
        self.got[source.info.rendition].append((seq, timestamp, payload))

    def sender_report(self, source: SourceHandle, ntp_s: float, timestamp: int, now: float) -> None:
        self.reports.append((source.info.rendition, ntp_s, timestamp))


class Camera:
    """A camera in layers, its publisher, and one sink."""

    def __init__(self, *names: Layer) -> None:
        self.notes = Notes()
        info = SourceInfo("s", "t1", "teacher", "Li", "camera", VP8)
        low = SourceInfo("s-low", "t1", "teacher", "Li", "camera", VP8, "low")
        self.source = Layered(info, low, [self.notes], offered=names)
        self.source.announce(self.notes, 0.0)
        self.batch = cast("Batch", SimpleNamespace(waiting=[], leaves_at=0.0))
        self.seqs: dict[Layer, int] = {}

    def begin(self, name: Layer, now: float) -> Track:
        track = Track(
            self.source.info, 7000 + len(name), 96, self.batch, layer=name, cache_packets=64, keyframe_interval_s=0.5
        )
        self.source.add(track, now)
        self.seqs[name] = {"low": 100, "middle": 2000, "high": 30_000}[name]
        return track

    def feed(self, track: Track, now: float, payload: bytes = DELTA, *, seq: int | None = None) -> None:
        if seq is None:
            self.seqs[track.layer] += 1
            seq = self.seqs[track.layer]
        stamp = {"low": 0, "middle": 77_777, "high": 555_555}[track.layer] + round(now * 90_000)
        packet = build_packet(96, True, seq, stamp, track.ssrc, payload)
        view = parse(packet)
        track.receive(packet, view, seq & 0xFFFF, now, repaired=False, begin=view.payload_offset)


def test_the_best_layer_that_lives_is_what_sinks_get_and_the_lowest_beside_it() -> None:
    camera = Camera("low", "high")
    low = camera.begin("low", 0.0)
    camera.feed(low, 0.0, KEYFRAME)
    high = camera.begin("high", 0.1)
    now = 0.1
    while now < BETTER_AFTER_S + 1:
        camera.feed(low, now)
        camera.feed(high, now, KEYFRAME if high.keyframe_due(now) else DELTA)
        camera.source.review(now)
        now += 0.1
    assert camera.notes.added == ["main", "low"]
    assert camera.source.main.track is high
    assert camera.source.low.track is low
    main = camera.notes.got["main"]
    assert [b[0] - a[0] for a, b in itertools.pairwise(main)] == [1] * (len(main) - 1)
    steps = [(b[1] - a[1]) & 0xFFFFFFFF for a, b in itertools.pairwise(main)]
    assert all(8_000 <= step <= 10_000 for step in steps if step > 1)
    assert len(camera.notes.got["low"]) > 30


def test_a_best_layer_that_its_browser_switches_off_is_followed_by_the_next() -> None:
    camera = Camera("low", "high")
    low, high = camera.begin("low", 0.0), camera.begin("high", 0.0)
    now = 0.0
    while now < 12.0:
        camera.feed(low, now, KEYFRAME if low.keyframe_due(now) else DELTA)
        if now < 6.0:
            camera.feed(high, now, KEYFRAME if high.keyframe_due(now) else DELTA)
        camera.source.review(now)
        now += 0.1
    assert camera.source.main.track is low
    main = camera.notes.got["main"]
    assert sorted({seq for seq, _, _ in main}) == sorted(seq for seq, _, _ in main)
    stamps = [stamp for _, stamp, _ in main]
    assert max((b - a) & 0xFFFFFFFF for a, b in itertools.pairwise(stamps)) < 3 * 90_000


def test_repairs_that_come_after_the_change_still_reach_the_sinks_once() -> None:
    camera = Camera("low", "high")
    low, high = camera.begin("low", 0.0), camera.begin("high", 0.0)
    camera.feed(low, 0.0, KEYFRAME)
    camera.feed(low, 0.1, seq=103)
    camera.feed(high, 0.2)
    camera.source.main.carry(high, 0.2)
    camera.feed(high, 0.3, KEYFRAME)
    camera.feed(low, 0.35, b"\x10\x01\x00\x00late", seq=102)
    camera.feed(high, 0.4)
    seqs = [seq for seq, _, _ in camera.notes.got["main"]]
    assert len(set(seqs)) == len(seqs) == 5
    assert camera.notes.got["main"][3][2].endswith(b"late")


def test_sender_reports_follow_the_layer_that_is_carried() -> None:
    camera = Camera("low", "high")
    low, high = camera.begin("low", 0.0), camera.begin("high", 0.0)
    camera.feed(low, 0.0, KEYFRAME)
    camera.source.sender_report(low, 1000.0, 0, 0.1)
    camera.source.sender_report(high, 1000.0, 555_555, 0.1)
    camera.source.main.carry(high, 0.2)
    camera.feed(high, 0.5, KEYFRAME)
    camera.source.sender_report(high, 1001.0, 555_555 + 90_000, 1.0)
    assert camera.notes.got["main"][-1][1] == 45_000
    assert [r for r in camera.notes.reports if r[0] == "main"][-1] == ("main", 1001.0, 90_000)


def test_layers_are_named_in_the_order_of_the_offer() -> None:
    assert layers_of([], "camera") == {"": "high"}
    assert layers_of(["l", "m", "h"], "camera") == {"l": "low", "m": "middle", "h": "high"}
    assert layers_of(["a", "b"], "screen") == {"a": "low", "b": "high"}
    assert layers_of(["a", "b", "c", "d"], "camera") == {"a": "low", "b": "middle", "c": "high"}


@given(
    st.lists(st.tuples(st.sampled_from(["low", "high"]), st.integers(-4, 6), st.booleans(), st.booleans()), max_size=60)
)
def test_no_number_and_no_time_is_given_twice_however_layers_come_go_and_are_named_anew(
    steps: list[tuple[Layer, int, bool, bool]],
) -> None:
    """A layer under a new SSRC has no packet yet when it takes the place of the former."""
    camera = Camera("low", "high")
    tracks: dict[Layer, Track] = {}
    now = 0.0
    for name, step, anew, keyframe in steps:
        if anew or name not in tracks:
            tracks[name] = camera.begin(name, now)
        camera.seqs[name] += step
        camera.feed(tracks[name], now, KEYFRAME if keyframe else DELTA, seq=camera.seqs[name])
        camera.source.review(now)
        now += 0.5
    for rendition in ("main", "low"):
        got = camera.notes.got[rendition]
        assert len({seq for seq, _, _ in got}) == len(got)
        apart = [(stamp + (1 << 31)) % (1 << 32) - (1 << 31) for _, stamp, _ in got]
        assert all(abs(one - 555_555) < 90_000 * (now + 20) for one in apart)


def test_the_low_rendition_becomes_the_lowest_layer_also_when_that_comes_last() -> None:
    camera = Camera("low", "middle", "high")
    tracks = [camera.begin(name, 0.0) for name in ("high", "middle")]
    for now in range(4):
        for track in tracks:
            camera.feed(track, now / 10, KEYFRAME)
    low = camera.begin("low", 0.5)
    camera.feed(low, 0.5)
    assert low.keyframe_due(0.5)
    camera.feed(low, 0.6, KEYFRAME)
    assert camera.source.low.track is low
    stamps = [stamp for _, stamp, _ in camera.notes.got["low"]]
    assert (stamps[-1] - stamps[-2]) % (1 << 32) < 90_000
