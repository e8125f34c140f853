"""What a peer of the bench reads of a server's description, and counts of its packets."""

import pytest
from bench.peer import Stream, loopback, parse_sdp

ANSWER = "\r\n".join(
    [
        "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1", "a=ice-lite",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 9", "c=IN IP4 0.0.0.0", "a=mid:0", "a=ice-ufrag:abcd", "a=ice-pwd:secret word",
        "a=setup:passive", "a=rtpmap:9 G722/8000", "a=rtpmap:111 OPUS/48000/2",
        "a=candidate:1 1 udp 2130706431 192.0.2.7 5000 typ host",
        "a=candidate:2 1 UDP 2130706430 127.77.0.1 5001 typ host",
        "m=video 9 UDP/TLS/RTP/SAVPF 96 102", "a=mid:1", "a=rtpmap:96 VP8/90000", "a=rtpmap:102 H264/90000",
    ]
)  # fmt: skip


def test_a_description_yields_what_a_peer_needs() -> None:
    assert parse_sdp(ANSWER, "H264") == {
        "ufrag": "abcd",
        "pwd": "secret word",
        "setup": "passive",
        "media": [{"kind": "audio", "mid": "0", "pt": 111}, {"kind": "video", "mid": "1", "pt": 102}],
        "address": ("127.77.0.1", 5001),
        "numbered": False,
    }


def test_the_payload_type_is_that_of_the_codec_wanted_and_none_where_it_is_not_offered() -> None:
    assert parse_sdp(ANSWER, "VP8")["media"][1]["pt"] == 96
    assert parse_sdp(ANSWER, "AV1")["media"][1]["pt"] is None


def test_unix_line_ends_are_read_the_same() -> None:
    assert parse_sdp(ANSWER.replace("\r\n", "\n"), "H264") == parse_sdp(ANSWER, "H264")


@pytest.mark.parametrize(
    "candidate",
    [
        "candidate:1 1 udp 1 192.0.2.1 9 typ host",
        "candidate:1 1 tcp 1 127.0.0.1 9 typ host tcptype passive",
        "candidate:1 2 udp 1 127.0.0.1 9 typ host",
    ],
)
def test_only_rtp_over_udp_on_loopback_is_taken(candidate: str) -> None:
    assert loopback(candidate) is None


def test_a_gap_is_expected_and_not_counted_and_the_wrap_is_no_gap() -> None:
    stream = Stream(65534, 7)
    for seq in (65534, 65535, 0, 3):
        stream.add(seq, 100, 0)
    assert (stream.packets, stream.extended) == (4, 6)


def test_a_late_packet_fills_its_gap() -> None:
    stream = Stream(10, 7)
    for seq in (10, 12, 11):
        stream.add(seq, 100, 1)
    assert (stream.packets, stream.extended, stream.octets, stream.markers) == (3, 3, 300, 3)
