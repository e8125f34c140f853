"""RTP headers: what is built is read back, and lengths that lie are refused."""

import struct

import pytest
from aiortc.rtp import HeaderExtensionsMap, RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from liveclass.errors import PeerError
from liveclass.rtp.packet import PacketView, build_packet, find_extension, is_rtcp, locate_extension, parse
from tests.rtp.fuzz import crashes, fixture, hold, mutations

EXTENSIONS = st.lists(
    st.tuples(st.integers(1, 14), st.binary(min_size=1, max_size=16)), max_size=6, unique_by=lambda pair: pair[0]
)


def payload_of(data: bytes, view: PacketView) -> bytes:
    return data[view.payload_offset : view.payload_end]


@given(
    st.integers(0, 127),
    st.booleans(),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.binary(max_size=1200),
    EXTENSIONS,
)
def test_what_is_built_is_read_back(
    payload_type: int,
    marker: bool,
    seq: int,
    timestamp: int,
    ssrc: int,
    payload: bytes,
    extensions: list[tuple[int, bytes]],
) -> None:
    data = build_packet(payload_type, marker, seq, timestamp, ssrc, payload, extensions)
    view = parse(data)
    assert (view.payload_type, view.marker, view.seq, view.timestamp, view.ssrc) == (
        payload_type,
        marker,
        seq,
        timestamp,
        ssrc,
    )
    assert payload_of(data, view) == payload
    for ext_id, value in extensions:
        assert find_extension(data, view, ext_id) == value
    for absent in set(range(1, 15)) - {ext_id for ext_id, _ in extensions}:
        assert find_extension(data, view, absent) is None


def test_numbers_wrap_to_the_width_of_the_wire() -> None:
    view = parse(build_packet(96, False, 0x1FFFE, 0x100000005, 7, b""))
    assert (view.seq, view.timestamp) == (0xFFFE, 5)


@given(EXTENSIONS)
def test_aiortc_reads_what_is_built(extensions: list[tuple[int, bytes]]) -> None:
    data = build_packet(96, True, 5, 6, 7, b"payload", extensions)
    packet = RtpPacket.parse(data, HeaderExtensionsMap())
    assert (packet.sequence_number, packet.timestamp, packet.ssrc, packet.marker) == (5, 6, 7, 1)
    assert packet.payload == b"payload"


def with_header(first: int, tail: bytes) -> bytes:
    return struct.pack("!BBHII", first, 96, 1, 2, 3) + tail


def test_contributing_sources_come_before_the_payload() -> None:
    for count in (1, 2, 15):
        data = with_header(0x80 | count, b"AAAA" * count + b"payload")
        assert payload_of(data, parse(data)) == b"payload"


def test_padding_is_no_payload() -> None:
    data = with_header(0xA0, b"payload\0\0\3")
    assert payload_of(data, parse(data)) == b"payload"


def test_a_packet_of_padding_alone_has_an_empty_payload() -> None:
    data = with_header(0xA0, bytes(9) + b"\x0a")
    view = parse(data)
    assert view.payload_offset == view.payload_end == 12


def test_two_byte_extensions_are_found() -> None:
    body = bytes((20, 3)) + b"abc" + bytes((0, 21, 0)) + bytes((22, 1)) + b"z" + b"\0"
    body += bytes(-len(body) % 4)
    data = with_header(0x90, struct.pack("!HH", 0x1005, len(body) // 4) + body + b"payload")
    view = parse(data)
    assert find_extension(data, view, 20) == b"abc"
    assert find_extension(data, view, 21) == b""
    assert find_extension(data, view, 22) == b"z"
    assert find_extension(data, view, 23) is None
    assert payload_of(data, view) == b"payload"


def test_an_extension_can_be_rewritten_in_place() -> None:
    data = bytearray(build_packet(96, False, 1, 2, 3, b"payload", [(4, b"x"), (3, b"\0\1")]))
    place = locate_extension(bytes(data), parse(bytes(data)), 3)
    assert place is not None
    data[place[0] : place[1]] = b"\xaa\xbb"
    assert find_extension(bytes(data), parse(bytes(data)), 3) == b"\xaa\xbb"
    assert find_extension(bytes(data), parse(bytes(data)), 4) == b"x"


def test_extensions_of_another_profile_are_skipped() -> None:
    data = with_header(0x90, struct.pack("!HH", 0xABCD, 1) + b"\x10\xff\0\0" + b"payload")
    view = parse(data)
    assert find_extension(data, view, 1) is None
    assert payload_of(data, view) == b"payload"


def test_id_15_ends_the_list_and_id_0_with_a_length_is_skipped() -> None:
    ended = with_header(0x90, struct.pack("!HH", 0xBEDE, 2) + b"\x10a\xf0b\x20c\0\0")
    assert find_extension(ended, parse(ended), 1) == b"a"
    assert find_extension(ended, parse(ended), 2) is None
    skipped = with_header(0x90, struct.pack("!HH", 0xBEDE, 1) + b"\x01ab\x10")
    assert find_extension(skipped, parse(skipped), 0) is None
    assert find_extension(skipped, parse(skipped), 1) is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rtp-cut-in-header.bin", "shorter than its header"),
        ("rtp-version-1.bin", "version is not 2"),
        ("rtp-csrc-overrun.bin", "overruns"),
        ("rtp-extension-cut-off.bin", "cut off"),
        ("rtp-extension-longer-than-packet.bin", "overruns"),
        ("rtp-padding-over-payload.bin", "overruns"),
        ("rtp-padding-zero.bin", "no length"),
    ],
)
def test_a_length_that_lies_is_refused(name: str, words: str) -> None:
    with pytest.raises(PeerError, match=words) as caught:
        parse(fixture(name))
    assert caught.value.code == "rtp_malformed"


def test_an_element_that_overruns_its_list_is_not_found_and_leaves_the_payload() -> None:
    data = fixture("rtp-extension-element-overruns-list.bin")
    view = parse(data)
    assert find_extension(data, view, 3) is None
    assert payload_of(data, view) == b"payload"


@pytest.mark.parametrize(
    ("payload_type", "extensions"),
    [(128, []), (96, [(0, b"a")]), (96, [(15, b"a")]), (96, [(1, b"")]), (96, [(1, bytes(17))])],
)
def test_what_does_not_fit_the_wire_is_not_built(payload_type: int, extensions: list[tuple[int, bytes]]) -> None:
    with pytest.raises(ValueError):
        build_packet(payload_type, False, 0, 0, 0, b"", extensions)


@pytest.mark.parametrize(("second", "expected"), [(191, False), (192, True), (200, True), (223, True), (224, False)])
def test_rtcp_is_told_by_its_type(second: int, expected: bool) -> None:
    assert is_rtcp(bytes((0x80, second)) + bytes(6)) is expected
    assert not is_rtcp(b"\x80")
    assert not is_rtcp(b"")


def read_all(data: bytes) -> None:
    view = parse(data)
    if not 12 <= view.payload_offset <= view.payload_end <= len(data):
        raise AssertionError("offsets outside the packet")
    for ext_id in (0, 1, 3, 15, 20, 255):
        find_extension(data, view, ext_id)


def test_any_bytes_are_a_packet_or_a_peer_error() -> None:
    two_byte = with_header(0x90, struct.pack("!HH", 0x1000, 2) + bytes((20, 3)) + b"abc\0\0\0payload")
    corpus = [
        build_packet(96, True, 1, 2, 3, b"payload", [(1, b"abc"), (3, b"\0\1")]),
        with_header(0xA2, b"AAAABBBBpayload\0\0\3"),
        two_byte,
    ]
    seed = 20
    assert hold(read_all, crashes("rtp"), seed) >= 0
    assert 2000 < hold(read_all, mutations(corpus, 15_000, seed), seed) < 15_000


@given(st.binary(max_size=80))
def test_random_bytes_are_a_packet_or_a_peer_error(data: bytes) -> None:
    hold(read_all, [data, b"\x90\x60" + data], 0)
