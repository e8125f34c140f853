"""Sessions that come again, and streams that change their names: whose tracks win, and what others notice of it."""

import itertools
from collections import defaultdict
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from liveclass.errors import PeerError
from liveclass.relay.ports import CloseReason, Person
from liveclass.relay.publisher import CHANGE_EVERY_S, MAX_CHANGES
from liveclass.relay.slot import Slot
from liveclass.relay.track import Track
from liveclass.rtp import rtcp
from tests.relay.stage import H264_TYPE, OPUS_TYPE, PLAIN, TEACH, VP8_TYPE, WATCH, Notes, Sender, Stage, Viewer
from tests.relay.village import KEY

TEACHER = Person("t1", "teacher", "Li", lead=True)
SECOND = Person("t2", "teacher", "Wu")
PUPILS = Person("c1", "classroom", "3-2")
VOICE, CAMERA = 3390233312, 1844777733
"""SSRCs of the offers: of the teach page's voice, and of the plain publisher's camera."""
LOW, MIDDLE, HIGH = 21, 22, 23
RIDS = {LOW: "l", MIDDLE: "m", HIGH: "h"}


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Receivers are sent everything, as nothing is known of their links."""
    return Stage(monkeypatch, adaptation=False)


def shown(viewer: Viewer, kind: str, participant: str = "t1") -> Slot:
    """The slot that carries that source now."""
    return next(
        slot
        for slot in viewer.handler.slots
        if slot.source is not None and (slot.source.info.participant, slot.source.info.kind) == (participant, kind)
    )


def kinds(stage: Stage) -> set[tuple[str, str]]:
    return {(person.participant, source.info.kind) for person, source in stage.room._sources.values()}


def wire_is_sound(viewer: Viewer) -> bool:
    """Whether no two packets of one number hold different bytes (RFC 7714 section 8.4)."""
    held: dict[tuple[int, int], set[bytes]] = defaultdict(set)
    for _, ssrc, seq, _, payload in viewer.got:
        held[ssrc, seq].add(payload)
    return all(len(payloads) == 1 for payloads in held.values())


# One participant, one session after the other


@pytest.mark.parametrize("reason", ["timeout", "peer_closed"])
def test_the_late_end_of_a_replaced_session_takes_nothing_from_its_successor(stage: Stage, reason: CloseReason) -> None:
    notes = Notes()
    stage.plane.add_sink("L", notes)
    viewer = Viewer(stage, TEACHER, WATCH)
    old = Sender(stage, PUPILS, PLAIN)
    old.send(7, OPUS_TYPE, b"old", mid="0")
    notes.got.clear()
    stage.plane.set_muted("L", "c1", True)
    new = Sender(stage, PUPILS, PLAIN)
    new.send(7, OPUS_TYPE, b"new", mid="0")
    assert old.answer.session not in stage.endpoint.sessions
    ends: list[Callable[[], None]] = [
        lambda: old.handler.closed("timeout" if reason == "timeout" else "peer_closed", stage.now),
        lambda: stage.plane.close_session(old.answer.session, reason),
        lambda: old.send(7, OPUS_TYPE, b"late", mid="0"),
        lambda: old.handler.tick(stage.now),
    ]
    for act in ends:
        act()
        stage.pass_time(1.0)
    assert kinds(stage) == {("c1", "microphone")}
    assert stage.room.publishers["c1"][1] is new.handler
    slot = shown(viewer, "microphone", "c1")
    assert slot.source is not None
    assert slot.source.muted
    assert not notes.got
    assert [what for what, _ in notes.events] == ["added", "removed", "added"]
    stage.plane.set_muted("L", "c1", False)
    new.send(7, OPUS_TYPE, b"heard", mid="0")
    assert viewer.of(slot) == [b"old", b"heard"]
    assert len(notes.got) == 1


def test_who_publishes_anew_gets_the_slot_again_and_is_asked_for_a_keyframe_at_once(wide: Stage) -> None:
    viewer = Viewer(wide, PUPILS, WATCH)
    old = Sender(wide, TEACHER, PLAIN)
    wide.live(2.0, lambda: old.picture(CAMERA, mid="1"))
    slot = shown(viewer, "camera")
    assert viewer.of(slot)
    new = Sender(wide, TEACHER, PLAIN)
    began = wide.now
    wide.live(0.3, lambda: new.picture(CAMERA, mid="1"))
    assert shown(viewer, "camera") is slot
    assert viewer.of(slot, began)
    assert wire_is_sound(viewer)


def test_a_voice_that_comes_again_under_the_same_ssrc_is_never_mistaken_for_the_one_before(stage: Stage) -> None:
    """Encoders with a fixed SSRC exist, and each track counts from the same number."""
    viewer = Viewer(stage, PUPILS, WATCH)
    for session in range(3):
        sender = Sender(stage, TEACHER, TEACH)
        for n in range(30):
            sender.send(VOICE, OPUS_TYPE, f"{session} {n}".encode(), mid="0")
            stage.pass_time(0.02)
    slot = shown(viewer, "microphone")
    sent = [seq for _, ssrc, seq, _, _ in viewer.got if ssrc == slot.ssrc]
    slot.retransmit(sent, 100_000, 0.0, stage.now)
    assert len(viewer.of(slot)) > len(sent)
    assert wire_is_sound(viewer)


def test_two_voices_of_one_ssrc_are_never_mistaken_for_each_other(stage: Stage) -> None:
    viewer = Viewer(stage, PUPILS, WATCH)
    senders = {person.participant: Sender(stage, person, TEACH) for person in (TEACHER, SECOND)}
    for n in range(30):
        for who, sender in senders.items():
            sender.send(VOICE, OPUS_TYPE, f"{who} {n}".encode(), mid="0")
        stage.pass_time(0.02)
    for who in senders:
        slot = shown(viewer, "microphone", who)
        assert all(payload.startswith(who.encode()) for payload in viewer.of(slot))
        slot.retransmit([seq for _, ssrc, seq, _, _ in viewer.got if ssrc == slot.ssrc], 100_000, 0.0, stage.now)
        assert all(payload.startswith(who.encode()) for payload in viewer.of(slot))
    assert wire_is_sound(viewer)


def test_two_who_use_one_ssrc_end_and_report_nothing_of_each_other(stage: Stage) -> None:
    viewer = Viewer(stage, PUPILS, WATCH)
    first, second = Sender(stage, TEACHER, TEACH), Sender(stage, SECOND, TEACH)
    for _ in range(10):
        for sender in (first, second):
            sender.send(VOICE, OPUS_TYPE, b"x", mid="0")
        stage.pass_time(0.02)
    stage.plane.close_session(first.answer.session, "deleted")
    assert kinds(stage) == {("t2", "microphone")}
    ended = stage.now
    first.send(VOICE, OPUS_TYPE, b"late", mid="0")
    first.handler.rtcp(rtcp.build_bye([VOICE]), stage.now)
    second.send(VOICE, OPUS_TYPE, b"y", mid="0")
    assert viewer.of(shown(viewer, "microphone", "t2"), ended) == [b"y"]
    stage.pass_time(1.1)
    reports = [one for one in second.asked if isinstance(one, rtcp.ReceiverReport)]
    assert {block.ssrc for report in reports for block in report.reports} == {VOICE}


def test_a_receiver_that_comes_again_is_given_what_its_link_was_known_to_carry(stage: Stage) -> None:
    old = Viewer(stage, PUPILS, WATCH)
    assert old.handler.downlink is not None
    old.handler.downlink.controller.acked_bps = old.handler.downlink.controller.target_bps = 1_000_000
    new = Viewer(stage, PUPILS, WATCH)
    assert new.handler.downlink is not None
    assert new.handler.downlink.controller.target_bps == 700_000


def test_a_receiver_that_comes_again_is_told_its_slots_and_the_old_one_takes_nothing_back(stage: Stage) -> None:
    sender = Sender(stage, TEACHER, TEACH)
    sender.send(VOICE, OPUS_TYPE, b"1", mid="0")
    old = Viewer(stage, PUPILS, WATCH)
    stage.heard.slots.clear()
    new = Viewer(stage, PUPILS, WATCH)
    assert ("t1", "microphone") in stage.heard.slots["c1"]
    old.handler.closed("timeout", stage.now)
    stage.plane.close_session(old.answer.session, "timeout")
    assert stage.room.subscribers["c1"] is new.handler
    sender.send(VOICE, OPUS_TYPE, b"2", mid="0")
    assert new.of(shown(new, "microphone"))[-1] == b"2"
    assert stage.heard.closed == [("c1", "subscribe", "replaced")]


def test_what_a_room_knows_outlasts_the_moment_between_two_sessions_of_its_only_member(stage: Stage) -> None:
    Viewer(stage, PUPILS, WATCH)
    stage.plane.set_watching("L", "c1", live=False, ceiling="sound")
    stage.plane.set_muted("L", "c1", True)
    viewer = Viewer(stage, PUPILS, WATCH)
    assert viewer.handler.downlink is not None
    assert not viewer.handler.downlink.live
    assert stage.room._muted == {"c1"}


def test_a_full_server_lets_its_own_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, max_sessions=1)
    for _ in range(3):
        Sender(stage, TEACHER, PLAIN)
    with pytest.raises(PeerError):
        Sender(stage, SECOND, PLAIN)


# Streams within a session


def test_a_stream_under_a_new_ssrc_goes_on_in_its_slot_and_on_the_time_of_the_recording(wide: Stage) -> None:
    notes = Notes()
    wide.plane.add_sink("L", notes)
    viewer = Viewer(wide, PUPILS, WATCH)
    sender = Sender(wide, TEACHER, TEACH)
    wide.live(2.0, lambda: sender.picture(31, mid="1", rid="h"), lambda: sender.send(41, OPUS_TYPE, b"x", mid="0"))
    slots = shown(viewer, "camera"), shown(viewer, "microphone")
    changed, told = wide.now, wide.told
    shift = 1 << 30

    def anew() -> None:
        sender.send(42, OPUS_TYPE, b"y", mid="0", stamp=round(wide.now * 48_000) + shift)
        asked = [one for one in sender.asked if isinstance(one, rtcp.Pli) and one.media == 32]
        sender.asked.clear()
        head = b"\x10\x00\x00\x00" if asked else b"\x10\x01\x00\x00"
        sender.send(32, VP8_TYPE, head + bytes(300), mid="1", rid="h", stamp=round(wide.now * 90_000) + shift)

    wide.live(1.0, anew)
    assert (shown(viewer, "camera"), shown(viewer, "microphone")) == slots
    assert wide.told == told
    assert len(viewer.of(slots[1], changed)) == 50
    assert len(viewer.of(slots[0], changed)) > 40
    assert [what for what, _ in notes.events].count("removed") == 0
    for kind, rate in (("microphone", 48_000), ("camera", 90_000)):
        times = [(stamp, at) for one, _, stamp, at in notes.got if one == kind]
        for (stamp, at), (later, then) in itertools.pairwise(times):
            assert abs((later - stamp) % (1 << 32) / rate - (then - at)) < 0.1
    assert wire_is_sound(viewer)


def test_a_late_packet_of_the_former_stream_does_not_bring_it_back(stage: Stage) -> None:
    viewer = Viewer(stage, PUPILS, WATCH)
    sender = Sender(stage, TEACHER, TEACH)
    sender.send(41, OPUS_TYPE, b"a", mid="0", seq=1)
    sender.send(42, OPUS_TYPE, b"b", mid="0", seq=900)
    sender.send(41, OPUS_TYPE, b"late", mid="0", seq=2)
    sender.send(42, OPUS_TYPE, b"c", mid="0", seq=901)
    assert viewer.of(shown(viewer, "microphone")) == [b"a", b"b", b"c"]


def test_of_two_streams_that_are_both_sent_the_newer_wins_as_long_as_it_lives(stage: Stage) -> None:
    viewer = Viewer(stage, PUPILS, WATCH)
    sender = Sender(stage, TEACHER, TEACH)
    older = partial(sender.send, 41, OPUS_TYPE, b"old", mid="0")
    newer = partial(sender.send, 42, OPUS_TYPE, b"new", mid="0")
    stage.live(1.0, older)
    began = stage.now
    stage.live(10.0, older, newer)
    slot = shown(viewer, "microphone")
    assert set(viewer.of(slot, began + 0.01)) == {b"new"}
    ended = stage.now
    stage.live(5.0, older)
    assert viewer.of(slot, ended)[-1] == b"old"


def test_layers_keep_their_places_when_their_codec_changes_and_they_no_longer_say_which_they_are(wide: Stage) -> None:
    """Chromium tells an SSRC's m-line and layer until the first report on it, and not again when its encoder falls back
    to another codec (RFC 8843 section 9.2: whoever has bound an SSRC knows)."""
    viewer = Viewer(wide, PUPILS, WATCH)
    sender = Sender(wide, TEACHER, TEACH)
    for ssrc, rid in RIDS.items():
        sender.send(ssrc, H264_TYPE, b"\x65" + bytes(300), mid="1", rid=rid)
    wide.live(1.0, *(partial(sender.send, ssrc, H264_TYPE, b"\x65" + bytes(300)) for ssrc in RIDS))
    events = wide.told
    for turn in range(3):
        for n, ssrc in enumerate(RIDS):
            # One layer after the other changes over, and packets overtake each other.
            sender.send(ssrc, VP8_TYPE if turn >= n else H264_TYPE, b"\x10\x00\x00\x00" + bytes(300))
    wide.live(1.0, *(partial(sender.picture, ssrc) for ssrc in RIDS))
    (source,) = [source for _, source in wide.room._sources.values()]
    assert {track.layer: track.ssrc for track in source.tracks} == {"low": LOW, "middle": MIDDLE, "high": HIGH}
    assert source.info.codec.name == "VP8"
    assert viewer.of(shown(viewer, "camera"))
    assert wide.told - events <= 2


def test_a_repair_is_one_by_its_payload_type_too(wide: Stage) -> None:
    """Else a stream whose SSRC was signalled for repairs would be written into another one."""
    viewer = Viewer(wide, PUPILS, WATCH)
    sender = Sender(wide, TEACHER, PLAIN)
    wide.live(1.0, lambda: sender.picture(CAMERA, mid="1"))
    slot = shown(viewer, "camera")
    count, repairs = len(viewer.of(slot)), 2728431897
    sender.send(repairs, 97, (1500).to_bytes(2, "big") + b"\x10\x01\x00\x00again")
    recovered = sender.handler.tracks[CAMERA].recovered
    sender.send(repairs, VP8_TYPE, (1034).to_bytes(2, "big") + b"\x10\x01\x00\x00media")
    assert sender.handler.tracks[CAMERA].recovered == recovered == 1
    assert len(viewer.of(slot)) <= count + 1
    assert b"\x10\x01\x00\x00media" not in viewer.of(slot)


@pytest.mark.parametrize("way", ["a new ssrc each", "two ssrcs in turn", "two codecs in turn", "many of both"])
def test_whoever_changes_streams_with_each_packet_costs_others_a_few_changes_a_second(stage: Stage, way: str) -> None:
    notes = Notes()
    stage.plane.add_sink("L", notes)
    Viewer(stage, PUPILS, WATCH)
    hostile, honest = Sender(stage, TEACHER, TEACH), Sender(stage, SECOND, TEACH)
    honest.send(VOICE, OPUS_TYPE, b"x", mid="0")
    ended: list[Track] = []
    hostile.handler._on_track_end = ended.append
    told, events = stage.told, len(notes.events)
    ssrcs = {"a new ssrc each": 1 << 30, "two ssrcs in turn": 2, "two codecs in turn": 1, "many of both": 60}[way]
    codecs = 1 if "ssrc" in way else 2
    numbers = itertools.count()

    def burst() -> None:
        for number in itertools.islice(numbers, 20):
            codec = (VP8_TYPE, H264_TYPE)[number % codecs]
            hostile.send(100 + number % ssrcs, codec, bytes(30), mid="1", rid="h")

    stage.live(5.0, burst)
    most = MAX_CHANGES + 5 / CHANGE_EVERY_S
    assert len(ended) <= most
    assert stage.told - told <= 2 * most + 2
    assert len(notes.events) - events <= 4 * most
    assert len(hostile.handler.tracks) == 1
    assert len([one for one in hostile.asked if isinstance(one, rtcp.Pli)]) <= 2 * most
    assert ("t2", "microphone") in kinds(stage)


def test_one_ssrc_in_two_sections_is_refused(stage: Stage) -> None:
    for taken, other in ((CAMERA, 2629250501), (2728431897, 2629250501), (CAMERA, 4184411668)):
        with pytest.raises(PeerError) as caught:
            Sender(stage, TEACHER, PLAIN.replace(str(other), str(taken)))
        assert caught.value.status == 400


def test_a_goodbye_ends_nothing_since_browsers_say_it_for_layers_that_rest(stage: Stage) -> None:
    sender = Sender(stage, TEACHER, TEACH)
    sender.send(VOICE, OPUS_TYPE, b"x", mid="0")
    sender.handler.rtcp(rtcp.build_bye([VOICE]), stage.now)
    assert kinds(stage) == {("t1", "microphone")}


def test_reports_of_a_clock_are_passed_on_only_so_often(stage: Stage) -> None:
    viewer = Viewer(stage, PUPILS, WATCH)
    sender = Sender(stage, TEACHER, TEACH)
    passed: list[bytes] = []
    sender.send(VOICE, OPUS_TYPE, b"x", mid="0")
    shown(viewer, "microphone").send_report = passed.append
    for n in range(1000):
        wild = (3_900_000_000 + 100 * n) << 32
        sender.handler.rtcp(rtcp.build_sender_report(VOICE, wild, n, 1, 1) * 20, stage.now)
        stage.now += 0.001
    assert 1 <= len(passed) <= 12


# The relay's own names


def test_no_two_streams_of_a_session_share_an_ssrc_whatever_the_dice_say(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.randbelow", lambda _: 4)
    monkeypatch.setattr("secrets.randbits", lambda _: 4)
    viewer = Viewer(stage, PUPILS, WATCH)
    names = [name for slot in viewer.handler.slots for name in (slot.ssrc, slot.rtx_ssrc)]
    assert len(set(names)) == len(names)
    assert 0 not in names


STEPS = st.tuples(
    st.sampled_from([VOICE, 11, 12, 13, 14]),
    st.sampled_from([OPUS_TYPE, VP8_TYPE, H264_TYPE, 97, 99]),
    st.sampled_from(["", "0", "1", "2", "3", "x"]),
    st.sampled_from(["", "l", "m", "h"]),
    st.integers(0, 0xFFFF),
    st.sampled_from([0.0, 0.02, 0.5, 3.0]),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(STEPS, max_size=60))
@example([(11, VP8_TYPE, "1", "l", 0, 0.0), (VOICE, OPUS_TYPE, "", "", 0, 0.0), (11, OPUS_TYPE, "0", "", 0, 0.0)])
def test_whatever_is_sent_a_layer_has_one_stream_and_a_source_one_codec(
    steps: list[tuple[int, int, str, str, int, float]],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stage = Stage(patch)
        notes = Notes()
        stage.plane.add_sink("L", notes)
        viewer, sender = Viewer(stage, PUPILS, WATCH), Sender(stage, TEACHER, TEACH)
        for ssrc, payload_type, mid, rid, seq, passed in steps:
            payload = KEY + repr((ssrc, payload_type, mid, rid, seq, stage.now)).encode()
            sender.send(ssrc, payload_type, payload, seq=seq, mid=mid, rid=rid)
            stage.live(passed)
            tracks = list(sender.handler.tracks.values())
            assert len({(track.info.kind, track.layer) for track in tracks}) == len(tracks)
            held = {source.info.kind: source for _, source in stage.room._sources.values()}
            assert held == sender.handler.sources
            for kind, source in held.items():
                assert {*source.tracks} == {track for track in tracks if track.info.kind == kind}
                assert all(track.info is source.info for track in source.tracks)
            assert {track.ssrc: track for track in tracks} == sender.handler.tracks
            for slot in viewer.handler.slots:
                # What it was given goes on in name until another has a packet for it.
                assert slot.track is None or slot.track in tracks or slot.awaited in tracks or not slot.source
        for slot in viewer.handler.slots:
            slot.retransmit([seq for _, ssrc, seq, _, _ in viewer.got if ssrc == slot.ssrc], 100_000, 0.0, stage.now)
        assert wire_is_sound(viewer)
        sender.handler.closed("timeout", stage.now)
        assert not stage.room._sources
        added, removed = ([one for what, one in notes.events if what == event] for event in ("added", "removed"))
        assert sorted(added) == sorted(removed)
