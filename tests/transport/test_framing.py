"""Datagrams on a byte stream: whatever the cuts, the same datagrams; whatever the bytes, no more than a frame held."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveclass.errors import PeerError
from liveclass.transport.framing import MAX_FRAME, Deframer, begins_media, framed


@given(
    st.lists(st.binary(min_size=1, max_size=MAX_FRAME), max_size=12),
    st.lists(st.integers(min_value=1, max_value=3000), min_size=1, max_size=40),
)
def test_datagrams_come_out_as_they_went_in_however_the_stream_is_cut(datagrams: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(framed(datagram) for datagram in datagrams)
    deframer, out, at, n = Deframer(), list[bytes](), 0, 0
    while at < len(stream):
        piece = stream[at : at + cuts[n % len(cuts)]]
        out += deframer.feed(piece)
        at += len(piece)
        n += 1
    assert out == datagrams


@given(st.lists(st.binary(max_size=5000), max_size=30))
def test_any_bytes_give_datagrams_within_bounds_or_the_peers_fault(pieces: list[bytes]) -> None:
    deframer = Deframer()
    with contextlib.suppress(PeerError):
        for piece in pieces:
            for datagram in deframer.feed(piece):
                assert 0 < len(datagram) <= MAX_FRAME
            assert len(deframer._held) < MAX_FRAME + 2


def test_a_frame_that_is_too_long_is_refused_before_it_has_come() -> None:
    with pytest.raises(PeerError):
        Deframer().feed((MAX_FRAME + 1).to_bytes(2, "big"))
    assert Deframer().feed(MAX_FRAME.to_bytes(2, "big")) == []


def test_empty_frames_are_left_out() -> None:
    assert Deframer().feed(b"\0\0" + framed(b"x") + b"\0\0") == [b"x"]


@pytest.mark.parametrize("words", [b"GET / HTTP/1.1", b"OPTIONS *", b"\x16\x03\x01\x02\x00", b"PRI * HTTP/2.0"])
def test_pages_are_not_taken_for_media(words: bytes) -> None:
    assert not begins_media(words[0])


@pytest.mark.parametrize("size", [20, 108, 255, 256, 1280])
def test_a_framed_check_of_any_size_is_taken_for_media(size: int) -> None:
    assert begins_media(framed(bytes(size))[0])
