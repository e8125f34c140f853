"""Answers: what we say, and that independent parsers read it as we mean it."""

from dataclasses import replace
from pathlib import Path

import pytest
from aiortc import sdp as judge
from hypothesis import given, settings
from hypothesis import strategies as st

from liveclass.errors import PeerError, UsageError
from liveclass.rtp.codec import Codec
from liveclass.transport.sdp import EXT_MID, EXT_TRANSPORT_CC, Offer, OfferedCodec, OfferedMedia, parse_offer
from liveclass.transport.sdp_answer import (
    AnsweredMedia,
    build_answer,
    choose_codecs,
    choose_extensions,
    compatible,
    h264_profile,
    offers_stereo,
)

OFFERS = {
    path.stem: path.read_bytes().decode()
    for path in sorted((Path(__file__).parent.parent / "data" / "sdp").glob("*.sdp"))
}
FINGERPRINT = "sha-256 " + ":".join(["CD"] * 32)
CANDIDATES = [("192.0.2.1", 7000), ("2001:db8::1", 7000)]


def parsed(name: str) -> Offer:
    return parse_offer(OFFERS[name], max_bytes=65_536)


def answered(media: OfferedMedia) -> AnsweredMedia:
    sends = media.direction == "recvonly"
    return AnsweredMedia(
        media.mid,
        direction="sendonly" if sends else "recvonly",
        codecs=choose_codecs(media),
        extensions=choose_extensions(media),
        ssrc=1000 + len(media.mid) if sends else None,
        rtx_ssrc=2000 if sends else None,
        cname="lesson",
        msid="stream track",
    )


def answer(offer: Offer, media: list[AnsweredMedia] | None = None) -> str:
    if media is None:
        media = [answered(item) for item in offer.media if item.acceptable]
    return build_answer(
        offer,
        ufrag="ours01234567",
        pwd="w" * 24,
        fingerprint=FINGERPRINT,
        candidates=CANDIDATES,
        media=media,
        session_id=42,
    )


@pytest.mark.parametrize("name", OFFERS)
def test_an_independent_parser_reads_what_we_mean(name: str) -> None:
    offer = parsed(name)
    text = answer(offer)
    read = judge.SessionDescription.parse(text)
    assert [media.kind for media in read.media] == [media.kind for media in offer.media]
    assert [group.items for group in read.group] == [[media.mid for media in offer.media if media.acceptable]]
    for ours, theirs in zip(offer.media, read.media, strict=True):
        assert theirs.profile == ours.protocol
        if not ours.acceptable:
            assert theirs.port == 0
            continue
        assert theirs.rtp.muxId == ours.mid
        assert theirs.rtcp_mux
        assert theirs.ice is not None
        assert theirs.ice.iceLite
        assert (theirs.ice.usernameFragment, theirs.ice.password) == ("ours01234567", "w" * 24)
        assert theirs.dtls is not None
        assert theirs.dtls.role == ("server" if offer.dtls_role == "server" else "client")
        assert theirs.direction == ("sendonly" if ours.direction == "recvonly" else "recvonly")
        expected = [codec.payload_type for codec in choose_codecs(ours)]
        assert [codec.payloadType for codec in theirs.rtp.codecs if codec.name != "rtx"] == expected
        assert {extension.uri: extension.id for extension in theirs.rtp.headerExtensions} == choose_extensions(ours)
    first = next(media for media in read.media if media.port)
    assert [(candidate.ip, candidate.port) for candidate in first.ice_candidates] == CANDIDATES
    assert first.ice_candidates_complete
    assert first.ice_candidates[0].priority > first.ice_candidates[1].priority


def test_lines_end_as_sdp_says_and_are_nobody_elses() -> None:
    offer = parsed("gstreamer")
    text = answer(offer)
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    assert "user1122501605" not in text
    assert "sprop-parameter-sets" not in text


def test_chromium_is_offered_baseline_first_with_its_retransmissions() -> None:
    text = answer(parsed("chromium-pub"))
    assert "m=video 7000 UDP/TLS/RTP/SAVPF 108 109 114 115" in text
    assert "a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n" in text
    assert "a=fmtp:109 apt=108\r\n" in text
    assert "a=rtcp-fb:108 transport-cc\r\n" in text
    assert "goog-remb" not in text


def test_opus_has_fec_nack_and_the_stereo_that_was_offered() -> None:
    text = answer(parsed("obs"))
    assert "a=rtpmap:111 opus/48000/2\r\n" in text
    assert "a=fmtp:111 minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1\r\n" in text
    assert "a=rtcp-fb:111 nack\r\n" in text
    assert "a=setup:passive\r\n" in text


def test_a_viewer_that_takes_stereo_is_told_that_it_may_come_and_another_is_not() -> None:
    plain, text = parsed("chromium-sub"), OFFERS["chromium-sub"]
    stereo = parse_offer(text.replace("useinbandfec=1", "useinbandfec=1;stereo=1"), max_bytes=1 << 20)
    assert "stereo" not in answer(plain)
    assert "a=fmtp:111 minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1\r\n" in answer(stereo)


def test_a_publisher_offers_stereo_by_what_it_sends_not_by_what_it_takes() -> None:
    text = OFFERS["chromium-pub"]

    def sound(more: str) -> OfferedMedia:
        offer = parse_offer(text.replace("useinbandfec=1", "useinbandfec=1" + more), max_bytes=1 << 20)
        return next(media for media in offer.media if media.kind == "audio")

    assert offers_stereo(sound(";stereo=1;sprop-stereo=1"))
    assert not offers_stereo(sound(";stereo=1"))
    assert not offers_stereo(sound(""))


def test_who_insists_on_being_the_server_finds_a_client() -> None:
    assert "a=setup:active\r\n" in answer(parsed("ffmpeg"))


def test_what_we_send_is_named() -> None:
    text = answer(parsed("chromium-sub"))
    assert "a=ssrc-group:FID 1001 2000\r\n" in text
    assert "a=ssrc:1001 cname:lesson\r\n" in text
    assert "a=ssrc:2000 cname:lesson\r\n" in text
    assert "a=msid:stream track\r\n" in text
    assert "a=rtcp-rsize\r\n" in text


def test_refused_m_lines_leave_the_bundle() -> None:
    offer = parsed("chromium-pub")
    text = answer(offer, [answered(offer.media[1])])
    assert "a=group:BUNDLE 1\r\n" in text
    assert "m=audio 0 UDP/TLS/RTP/SAVPF 111\r\n" in text
    assert text.count("a=inactive") == 2
    assert text.index("a=candidate") > text.index("m=video")


def test_an_answer_that_makes_no_sense_is_our_mistake() -> None:
    offer = parsed("chromium-all")
    with pytest.raises(UsageError):
        answer(offer, [])
    with pytest.raises(UsageError):
        answer(offer, [AnsweredMedia("nowhere", codecs=choose_codecs(offer.media[0]))])
    with pytest.raises(UsageError):
        answer(offer, [AnsweredMedia(offer.media[3].mid)])
    with pytest.raises(UsageError):
        answer(offer, [AnsweredMedia(offer.media[0].mid)])
    with pytest.raises(UsageError):
        answer(offer, [replace(answered(offer.media[0]), accept=False)])


def test_only_the_feedback_that_is_spoken_is_kept() -> None:
    media = parsed("chromium-pub").media[1]
    assert all(codec.feedback == {"nack"} for codec in choose_codecs(media, feedback=frozenset({"nack"})))
    sound = parsed("chromium-pub").media[0]
    assert choose_codecs(sound, audio_nack=False)[0].feedback == {"transport-cc"}
    assert choose_extensions(sound, uris=frozenset({EXT_MID, EXT_TRANSPORT_CC})) == {EXT_MID: 4, EXT_TRANSPORT_CC: 3}


def test_h264_goes_from_the_plainest_profile_to_the_richest() -> None:
    levels = ["640c1f", "4d001f", "42001f", "42e01f", "64001f", "f4001f"]
    codecs = [
        OfferedCodec(number, Codec("H264", {"profile-level-id": level, "packetization-mode": mode}))
        for number, (level, mode) in enumerate((level, mode) for level in levels for mode in "01")
    ]
    media = OfferedMedia("0", "video", True, "UDP/TLS/RTP/SAVPF", "0", codecs=[OfferedCodec(90, Codec("VP8")), *codecs])
    chosen = choose_codecs(media)
    order = [
        (codec.codec.parameters.get("profile-level-id"), codec.codec.parameters.get("packetization-mode"))
        for codec in chosen
    ]
    assert order[:4] == [("42e01f", "1"), ("42e01f", "0"), ("42001f", "1"), ("42001f", "0")]
    assert [level for level, _ in order[4:6]] == ["4d001f"] * 2
    assert [level for level, _ in order[-3:-1]] == ["f4001f"] * 2
    assert order[-1] == (None, None)


def h264(level: str, mode: str = "1") -> Codec:
    return Codec("H264", {"profile-level-id": level, "packetization-mode": mode})


@pytest.mark.parametrize(
    ("source", "offered", "fits"),
    [
        (h264("42e01f"), h264("42e01f"), True),
        (h264("42e01f"), h264("42001f"), True),
        (h264("42001f"), h264("42e01f"), True),
        (h264("42c014"), h264("42e034"), True),
        (h264("42e01f"), h264("4d001f"), True),
        (h264("42e01f"), h264("640c1f"), True),
        (h264("4d001f"), h264("42e01f"), False),
        (h264("64001f"), h264("4d001f"), False),
        (h264("4d001f"), h264("64001f"), True),
        (h264("4d801f"), h264("42e01f"), True),
        (h264("f4001f"), h264("f4001f"), True),
        (h264("f4001f"), h264("64001f"), False),
        (h264("42e01f", "0"), h264("42e01f", "1"), True),
        (h264("42e01f", "1"), h264("42e01f", "0"), False),
        (h264("42e01f"), Codec("VP8"), False),
        (Codec("VP8"), Codec("VP8"), True),
        (Codec("opus"), Codec("opus"), True),
        (Codec("VP9", {"profile-id": "0"}), Codec("VP9"), True),
        (Codec("VP9", {"profile-id": "0"}), Codec("VP9", {"profile-id": "2"}), False),
        (Codec("AV1", {"profile": "0"}), Codec("AV1", {"profile": "1"}), False),
    ],
)
def test_a_source_goes_only_to_who_can_decode_it(source: Codec, offered: Codec, fits: bool) -> None:
    assert compatible(source, offered) is fits


@given(level=st.text("0123456789abcdef", min_size=6, max_size=6))
def test_every_profile_has_a_family_and_decodes_itself(level: str) -> None:
    family, constrained = h264_profile(level)
    assert not constrained or family == "baseline"
    assert compatible(h264(level), h264(level))


@settings(max_examples=200, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(OFFERS)))
def test_no_offer_puts_a_line_into_an_answer(data: st.DataObject, name: str) -> None:
    """Whatever stands in the places that an answer repeats, the answer has the lines that it would have anyway."""
    junk = data.draw(st.text(st.characters(exclude_characters="\r\n"), max_size=12)) + "a=evil"
    at = data.draw(
        st.sampled_from(["minptime=10", "level-asymmetry-allowed=1", "profile-level-id=", "msid:", "cname:"])
    )
    try:
        offer = parse_offer(OFFERS[name].replace(at, at + junk), max_bytes=1 << 17)
    except PeerError:
        return
    assert "evil" not in answer(offer)
