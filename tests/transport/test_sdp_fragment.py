"""The fragments of WHIP's PATCH."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liveclass.errors import PeerError
from liveclass.transport.sdp_fragment import MAX_FRAGMENT, Fragment, build_fragment, parse_fragment

PWD = "p" * 24
RESTART = (
    "a=ice-options:trickle ice2\r\na=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n"
    f"a=ice-ufrag:ysXw\r\na=ice-pwd:{PWD}\r\n"
    "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag ysXw network-id 1\r\n"
    "a=end-of-candidates\r\n"
)


def test_credentials_are_read_from_an_m_line_or_the_session() -> None:
    assert parse_fragment(RESTART) == Fragment("ysXw", PWD)
    assert parse_fragment(f"a=ice-ufrag:ysXw\na=ice-pwd:{PWD}\n") == Fragment("ysXw", PWD)


def test_a_browser_repeats_them_in_each_m_line() -> None:
    second = f"m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=ice-ufrag:ysXw\r\na=ice-pwd:{PWD}\r\n"
    assert parse_fragment(RESTART + second) == Fragment("ysXw", PWD)
    with pytest.raises(PeerError):
        parse_fragment(RESTART + second.replace("ysXw", "other"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0",
        "nonsense",
        RESTART + "\0",
        "a=ice-ufrag:ysXw\r\n",
        f"a=ice-pwd:{PWD}\r\n",
        f"a=ice-ufrag:y\r\na=ice-pwd:{PWD}\r\n",
        "a=ice-ufrag:ysXw\r\na=ice-pwd:short\r\n",
        f"a=ice-ufrag:ys Xw\r\na=ice-pwd:{PWD}\r\n",
    ],
)
def test_anything_else_is_malformed(text: str) -> None:
    with pytest.raises(PeerError) as caught:
        parse_fragment(text)
    assert caught.value.status == 400


def test_a_fragment_has_a_size() -> None:
    with pytest.raises(PeerError) as caught:
        parse_fragment(RESTART + "a=x\r\n" * MAX_FRAGMENT)
    assert caught.value.status == 413
    with pytest.raises(PeerError) as caught:
        parse_fragment("a=" + "\u6559" * 40, max_bytes=100)
    assert caught.value.status == 413


def test_ours_can_be_read_back() -> None:
    text = build_fragment(ufrag="ours01234567", pwd="w" * 24, mids=["0", "1"], candidates=[("192.0.2.1", 7000)])
    assert parse_fragment(text) == Fragment("ours01234567", "w" * 24)
    assert text.startswith("a=ice-lite\r\na=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n")
    assert "a=candidate:1 1 udp 2130706431 192.0.2.1 7000 typ host\r\na=end-of-candidates\r\n" in text


def test_tcp_comes_behind_udp() -> None:
    where = [("192.0.2.1", 7000), ("2001:db8::1", 7000)]
    text = build_fragment(ufrag="ours01234567", pwd="w" * 24, mids=["0"], candidates=where, tcp_candidates=where[:1])
    candidates = [line.split(" ") for line in text.split("\r\n") if line.startswith("a=candidate:")]
    assert [(line[2], line[4], line[5]) for line in candidates] == [
        ("udp", "192.0.2.1", "7000"),
        ("udp", "2001:db8::1", "7000"),
        ("tcp", "192.0.2.1", "7000"),
    ]
    assert candidates[2][6:] == ["typ", "host", "tcptype", "passive"]
    assert text.endswith("a=end-of-candidates\r\n")


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=200), keep=st.booleans())
def test_any_text_gives_a_value_or_a_peer_error(text: str, keep: bool) -> None:
    try:
        assert isinstance(parse_fragment(RESTART + text if keep else text), Fragment)
        status = 400
    except PeerError as error:
        status = error.status
    assert status in {400, 413, 422}
