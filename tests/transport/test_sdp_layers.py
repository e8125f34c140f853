"""Layers, redundant sound, TCP and wishes: what offers say of them, and what answers say back."""

from dataclasses import replace
from pathlib import Path

import pytest
from aiortc import sdp as judge
from hypothesis import given
from hypothesis import strategies as st

from liveclass.errors import PeerError, UsageError
from liveclass.transport.sdp import (
    EXT_MID,
    EXT_REPAIRED_RID,
    EXT_RID,
    EXT_TRANSPORT_CC,
    Offer,
    OfferedMedia,
    parse_offer,
)
from liveclass.transport.sdp_answer import (
    SUBSCRIBER_EXTENSIONS,
    AnsweredMedia,
    AudioWish,
    build_answer,
    choose_codecs,
    choose_extensions,
)

DATA = Path(__file__).parent.parent / "data" / "sdp"
TEACH, SUBSCRIBE = ((DATA / f"chromium-{name}.sdp").read_bytes().decode() for name in ("teach", "sub"))
UDP = [("192.0.2.1", 7000), ("2001:db8::1", 7000)]


def parse(text: str) -> Offer:
    return parse_offer(text, max_bytes=65_536)


def answered(media: OfferedMedia) -> AnsweredMedia:
    sends = media.direction == "recvonly"
    return AnsweredMedia(
        media.mid,
        direction="sendonly" if sends else "recvonly",
        codecs=choose_codecs(media),
        extensions=choose_extensions(media, uris=SUBSCRIBER_EXTENSIONS) if sends else choose_extensions(media),
        ssrc=1000 if sends else None,
        cname="lesson",
        rids=media.rids,
    )


def answer(offer: Offer, media: list[AnsweredMedia], tcp: list[tuple[str, int]] | None = None) -> str:
    return build_answer(
        offer,
        ufrag="ours01234567",
        pwd="w" * 24,
        fingerprint="sha-256 " + ":".join(["CD"] * 32),
        candidates=UDP,
        media=media,
        session_id=42,
        tcp_candidates=tcp or [],
    )


def parts(text: str) -> list[str]:
    """The m-lines of SDP, each with its attributes."""
    return ["m=" + part for part in text.split("\r\nm=")[1:]]


def with_layers(*lines: str) -> str:
    """The teaching page's offer with other layers in its camera's m-line."""
    own = "a=rid:l send\r\na=rid:m send\r\na=rid:h send\r\na=simulcast:send l;m;h"
    assert own in TEACH
    return TEACH.replace(own, "\r\n".join(lines) or "a=x:nothing", 1)


def test_the_layers_of_a_teaching_page_are_answered_as_they_were_offered() -> None:
    offer = parse(TEACH)
    assert [media.kind for media in offer.media] == ["audio", "video", "video", "audio"]
    assert [media.rids for media in offer.media] == [[], ["l", "m", "h"], ["l", "h"], []]
    assert [media.simulcast for media in offer.media] == [False, True, True, False]
    assert not offer.media[1].ssrcs
    assert {EXT_MID, EXT_RID, EXT_REPAIRED_RID} <= choose_extensions(offer.media[1]).keys()
    text = answer(offer, [answered(media) for media in offer.media])
    sound, camera, screen, thin = parts(text)
    assert "a=rid:l recv\r\na=rid:m recv\r\na=rid:h recv\r\na=simulcast:recv l;m;h" in camera
    assert "a=rid:l recv\r\na=rid:h recv\r\na=simulcast:recv l;h" in screen
    assert f"a=extmap:{offer.media[1].extensions[EXT_RID]} {EXT_RID}\r\n" in camera
    assert "rid" not in sound.replace(EXT_RID, "") + thin
    assert len(judge.SessionDescription.parse(text).media) == 4


@pytest.mark.parametrize(
    ("lines", "rids", "simulcast"),
    [
        ([], [], False),
        (["a=rid:a send", "a=simulcast:send a"], ["a"], True),
        (["a=rid:a send"], ["a"], False),
        (["a=rid:a send", "a=rid:b send", "a=simulcast:send b;a"], ["b", "a"], True),
        (["a=rid:a send", "a=rid:b send", "a=simulcast:send ~b;a"], ["b", "a"], True),
        (["a=rid:a send", "a=rid:b send", "a=rid:c send", "a=simulcast:send a,b;c"], ["a", "c"], True),
        (["a=rid:a send", "a=simulcast:send a;ghost"], ["a"], True),
        (["a=rid:a send", "a=rid:b recv", "a=simulcast:send a recv b"], ["a"], True),
        (["a=rid:b recv", "a=rid:a send", "a=simulcast:recv b send a"], ["a"], True),
        (["a=rid:a send max-width=1280;max-fps=30", "a=simulcast:send a"], ["a"], True),
        (["a=rid:a recv", "a=simulcast:recv a"], [], False),
        (["a=rid:toolongforanyrid1 send"], [], False),
        (["a=rid:a send", "a=simulcast:send"], ["a"], False),
    ],
)
def test_layers_are_taken_in_the_order_of_the_simulcast_line(
    lines: list[str], rids: list[str], simulcast: bool
) -> None:
    offer = parse(with_layers(*lines))
    assert (offer.media[1].rids, offer.media[1].simulcast) == (rids, simulcast)
    camera = parts(answer(offer, [answered(media) for media in offer.media]))[1]
    assert ("a=simulcast:recv " + ";".join(rids) in camera) is (simulcast and bool(rids))
    assert [line for line in camera.split("\r\n") if line.startswith("a=rid:")] == [f"a=rid:{rid} recv" for rid in rids]


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([f"a=rid:{rid} send" for rid in "abcde"], 422),
        ([*(f"a=rid:{rid} send" for rid in "abcde"), "a=simulcast:send a;b;c;d;e"], 422),
        ([*(f"a=rid:{rid} send" for rid in "abcde"), "a=simulcast:send a;b;c;d"], 0),
        (["a=rid:a send", "a=rid:a send"], 400),
        (["a=rid:a send", "a=simulcast:send a;a"], 400),
        (["a=rid:a send", "a=simulcast:send a", "a=simulcast:send b"], 400),
    ],
)
def test_layers_are_few_and_have_names_of_their_own(lines: list[str], status: int) -> None:
    if status == 0:
        parse(with_layers(*lines))
        return
    with pytest.raises(PeerError) as caught:
        parse(with_layers(*lines))
    assert caught.value.status == status


def test_layers_that_nobody_offered_are_our_mistake() -> None:
    offer = parse(TEACH)
    with pytest.raises(UsageError):
        answer(offer, [replace(answered(offer.media[1]), rids=["l", "x"])])
    text = answer(offer, [replace(answered(offer.media[1]), rids=["l"])])
    assert "a=simulcast:recv l\r\n" in text


@given(junk=st.text(st.characters(exclude_characters="\r\n"), max_size=20), at=st.sampled_from(["rid:l ", "send l;"]))
def test_no_layer_puts_a_line_into_an_answer(junk: str, at: str) -> None:
    try:
        offer = parse(TEACH.replace(at, at + junk + "evil", 1))
    except PeerError:
        return
    camera = parts(answer(offer, [answered(media) for media in offer.media]))[1]
    assert all(line.isascii() for line in camera.split("\r\n"))
    assert {line.partition(":")[0] for line in camera.split("\r\n") if "evil" in line} <= {"a=rid", "a=simulcast"}


def test_a_subscriber_gets_red_beside_opus_where_it_offers_it() -> None:
    offer = parse(SUBSCRIBE)
    assert [media.red_payload_type for media in offer.media] == [63] * 4 + [None] * 5
    text = answer(offer, [replace(answered(media), red=True) for media in offer.media])
    for part in parts(text)[:4]:
        assert part.startswith("m=audio 7000 UDP/TLS/RTP/SAVPF 111 63\r\n")
        assert "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n" in part
    assert text.count(" red/") == 4
    assert " red/" not in answer(offer, [answered(media) for media in offer.media])


@pytest.mark.parametrize(
    ("before", "behind"),
    [
        ("a=rtpmap:63 red/48000/2", "a=rtpmap:63 red/8000"),
        ("a=fmtp:63 111/111", "a=fmtp:63 111/0"),
        ("a=fmtp:63 111/111", "a=fmtp:63 9/9"),
        ("a=fmtp:63 111/111", "a=fmtp:63 junk"),
        ("a=fmtp:63 111/111\r\n", ""),
    ],
)
def test_red_of_anything_but_opus_is_no_red(before: str, behind: str) -> None:
    media = parse(SUBSCRIBE.replace(before, behind)).media[0]
    assert media.red_payload_type is None
    assert media.codecs[0].codec.name == "opus"


def test_one_payload_type_is_not_red_here_and_a_retransmission_there() -> None:
    clash = SUBSCRIBE.replace("a=rtpmap:97 rtx/90000", "a=rtpmap:63 rtx/90000").replace(
        "a=fmtp:97 apt", "a=fmtp:63 apt"
    )
    with pytest.raises(PeerError):
        parse(clash.replace(" 96 97 ", " 96 63 "))


def test_subscribers_get_the_transports_numbers_and_may_measure_their_round_trip() -> None:
    offer = parse(SUBSCRIBE)
    assert all(media.rtcp_xr for media in offer.media)
    text = answer(offer, [answered(media) for media in offer.media])
    for media, part in zip(offer.media, parts(text), strict=True):
        assert f"a=extmap:{media.extensions[EXT_TRANSPORT_CC]} {EXT_TRANSPORT_CC}\r\n" in part
        assert part.count("a=extmap:") == 1
        assert f"a=rtcp-fb:{choose_codecs(media)[0].payload_type} transport-cc\r\n" in part
        assert part.count("a=rtcp-xr:rcvr-rtt=all\r\n") == 1
    silent = parse(SUBSCRIBE.replace("a=rtcp-xr:rcvr-rtt=all\r\n", ""))
    assert "rtcp-xr" not in answer(silent, [answered(media) for media in silent.media])
    publisher = parse(TEACH)
    assert "rtcp-xr" not in answer(publisher, [answered(media) for media in publisher.media])


def test_wishes_for_sound_stand_in_their_own_m_line_alone() -> None:
    offer = parse(TEACH)
    wishes = {"0": AudioWish(dtx=True), "3": AudioWish(max_average_bps=12_000, ptime_ms=60)}
    text = answer(offer, [replace(answered(media), audio=wishes.get(media.mid)) for media in offer.media])
    full, camera, screen, thin = parts(text)
    assert "a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1\r\n" in full
    assert "ptime:" not in full
    music = {"0": AudioWish(stereo=True, max_average_bps=128_000)}
    loud = parts(answer(offer, [replace(answered(media), audio=music.get(media.mid)) for media in offer.media]))[0]
    asked = "a=fmtp:111 minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1;maxaveragebitrate=128000\r\n"
    assert asked in loud
    assert "a=fmtp:111 minptime=10;useinbandfec=1;maxaveragebitrate=12000\r\n" in thin
    assert "a=ptime:60\r\na=maxptime:60\r\n" in thin
    assert "ptime" not in camera + screen


def test_tcp_is_offered_behind_every_udp_address() -> None:
    offer = parse(SUBSCRIBE)
    text = answer(offer, [answered(media) for media in offer.media], [("192.0.2.1", 443), ("2001:db8::1", 7000)])
    candidates = judge.SessionDescription.parse(text).media[0].ice_candidates
    assert [(candidate.protocol, candidate.ip, candidate.port, candidate.tcpType) for candidate in candidates] == [
        ("udp", "192.0.2.1", 7000, None),
        ("udp", "2001:db8::1", 7000, None),
        ("tcp", "192.0.2.1", 443, "passive"),
        ("tcp", "2001:db8::1", 7000, "passive"),
    ]
    priorities = [candidate.priority for candidate in candidates]
    assert priorities == sorted(set(priorities), reverse=True)
    assert len({candidate.foundation for candidate in candidates}) == 4
    assert text.count("a=end-of-candidates") == 1
