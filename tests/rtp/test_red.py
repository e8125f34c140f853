"""Redundant sound: what is built can be read, what does not fit is left out, and nothing malformed passes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveclass.errors import PeerError
from liveclass.rtp.red import MAX_BLOCKS, MAX_LENGTH, MAX_OFFSET, Block, build_red, parse_red
from tests.rtp.fuzz import crashes, hold, mutations

FRAMES = st.lists(st.tuples(st.integers(1, MAX_OFFSET), st.binary(min_size=1, max_size=80)), max_size=MAX_BLOCKS)


@given(st.binary(max_size=1200), st.integers(0, 127), FRAMES)
def test_frames_survive_the_wire_in_their_order(primary: bytes, number: int, frames: list[tuple[int, bytes]]) -> None:
    blocks = parse_red(build_red(primary, number, frames))
    assert blocks == [*(Block(number, offset, frame) for offset, frame in frames), Block(number, 0, primary)]


def test_a_payload_looks_as_the_standard_draws_it() -> None:
    """RFC 2198 section 3: F and payload type, 14 bits of offset, 10 bits of length; the last header is one byte."""
    payload = build_red(b"new", 111, [(1920, b"older"), (960, b"old")])
    assert payload.hex() == (
        f"{0x80 | 111:02x}{1920 << 10 | 5:06x}" + f"{0x80 | 111:02x}{960 << 10 | 3:06x}" + f"{111:02x}"
        + b"olderoldnew".hex()
    )  # fmt: skip


def test_what_the_header_cannot_say_is_left_out_and_the_rest_stays() -> None:
    """A pause (DTX) puts frames out of reach of 14 bits; 10 bits of length are less than Opus may need."""
    fits = (MAX_OFFSET, bytes(MAX_LENGTH))
    refused = [(MAX_OFFSET + 1, b"x"), (0, b"x"), (-960, b"x"), (960, b""), (960, bytes(MAX_LENGTH + 1))]
    assert parse_red(build_red(b"new", 111, [*refused, fits])) == [Block(111, *fits), Block(111, 0, b"new")]
    assert build_red(b"new", 111, refused) == bytes((111,)) + b"new"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        bytes.fromhex("ef"),
        bytes.fromhex("ef000400"),
        bytes.fromhex("ef0f0004 6f 010203"),
        bytes.fromhex("ef0f00"),
        bytes.fromhex("ef0f0001") * (MAX_BLOCKS + 1) + b"\x6f" + bytes(40),
    ],
)
def test_what_is_malformed_is_refused(payload: bytes) -> None:
    with pytest.raises(PeerError) as caught:
        parse_red(payload)
    assert caught.value.code == "red_malformed"


def test_any_bytes_are_frames_or_a_peer_error() -> None:
    seed = 71
    corpus = [
        build_red(bytes(60), 111, [(960 * n, bytes(40)) for n in range(count, 0, -1)])
        for count in (0, 1, 3, MAX_BLOCKS)
    ]
    assert hold(parse_red, crashes("red"), seed) >= 0
    assert 500 < hold(parse_red, mutations(corpus, 8000, seed), seed) < 8000
