"""Extended reports: a receiver's clock is read, and it can compute its round trip from what we answer."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveclass.errors import PeerError
from liveclass.rtp import rtcp
from liveclass.rtp.xr import build_dlrr, read_reference_time
from tests.rtp.fuzz import crashes, hold, mutations

U32 = st.integers(0, 0xFFFFFFFF)


def extended(sender: int, *blocks: bytes) -> bytes:
    """An extended report as a receiver sends it (RFC 3611 section 2)."""
    body = sender.to_bytes(4, "big") + b"".join(blocks)
    return struct.pack("!BBH", 0x80, 207, len(body) // 4) + body


def reference_time(ntp: int) -> bytes:
    """RFC 3611 section 4.4."""
    return struct.pack("!BBHQ", 4, 0, 2, ntp)


OTHER = struct.pack("!BBHI", 7, 0, 1, 5)


@given(U32, st.integers(0, (1 << 64) - 1), st.booleans(), st.booleans())
def test_a_receivers_clock_is_found_among_other_blocks(sender: int, ntp: int, before: bool, behind: bool) -> None:
    blocks = [*([OTHER] if before else []), reference_time(ntp), *([OTHER] if behind else [])]
    assert rtcp.parse(extended(sender, *blocks)) == [rtcp.ReferenceTime(sender, ntp)]


def test_reports_of_other_things_are_skipped() -> None:
    assert rtcp.parse(extended(1)) == []
    assert rtcp.parse(extended(1, OTHER, OTHER)) == []
    assert rtcp.parse(build_dlrr(1, 2, 3, 0.5)) == []


def test_a_clock_told_twice_counts_once() -> None:
    assert rtcp.parse(extended(9, reference_time(1), reference_time(2))) == [rtcp.ReferenceTime(9, 1)]


def test_the_receiver_computes_its_round_trip() -> None:
    """RFC 3611 section 4.5, from the receiver's side: its time now, less the one we return, less our delay."""
    asked_at, held_s, round_trip_s = rtcp.ntp_from_unix(1_700_000_000.75), 0.125, 0.375
    (asked,) = rtcp.parse(extended(77, reference_time(asked_at)))
    assert isinstance(asked, rtcp.ReferenceTime)
    answer = build_dlrr(5, asked.sender, rtcp.ntp_middle(asked.ntp), held_s)
    first, kind, words, sender, block, length, ssrc, last_rr, delay = struct.unpack("!BBHIBxHIII", answer)
    assert (first, kind, words * 4 + 4, sender, block, length) == (0x80, 207, len(answer), 5, 5, 3)
    assert ssrc == 77
    now = rtcp.ntp_middle(rtcp.ntp_from_unix(1_700_000_000.75 + round_trip_s + held_s))
    assert (now - last_rr - delay) / 65536 == pytest.approx(round_trip_s, abs=1e-4)


@pytest.mark.parametrize(("delay_s", "units"), [(-1.0, 0), (0.0, 0), (1e9, 0xFFFFFFFF)])
def test_a_delay_beyond_its_field_is_kept_within(delay_s: float, units: int) -> None:
    assert build_dlrr(1, 2, 3, delay_s)[-4:] == units.to_bytes(4, "big")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        bytes(3),
        bytes(4) + bytes.fromhex("0400"),
        bytes(4) + bytes.fromhex("04000002 00000000"),
        bytes(4) + bytes.fromhex("04000001 00000000"),
        bytes(4) + bytes.fromhex("07000009"),
    ],
)
def test_what_is_malformed_is_refused(body: bytes) -> None:
    with pytest.raises(PeerError) as caught:
        read_reference_time(body)
    assert caught.value.code == "rtcp_malformed"


def test_any_bytes_are_a_clock_or_a_peer_error() -> None:
    seed = 72
    corpus = [
        extended(1, reference_time(1 << 40)),
        extended(1, OTHER, reference_time(7), OTHER),
        extended(1, *[OTHER] * 30),
        build_dlrr(1, 2, 3, 0.5),
    ]
    assert hold(rtcp.parse, crashes("xr"), seed) >= 0
    assert 300 < hold(rtcp.parse, mutations(corpus, 6000, seed), seed) < 6000
    assert 300 < hold(read_reference_time, mutations([data[4:] for data in corpus], 6000, seed), seed) < 6000
