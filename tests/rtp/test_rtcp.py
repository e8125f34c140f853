"""RTCP: values survive the wire, an independent implementation agrees, and nothing malformed passes."""

from functools import partial

import pytest
from aiortc import rtp as peer
from hypothesis import given
from hypothesis import strategies as st

from liveclass.errors import PeerError
from liveclass.rtp import rtcp
from liveclass.rtp.twcc import TransportFeedbackBuilder
from tests.rtp.fuzz import crashes, fixture, hold, mutations

U32 = st.integers(0, 0xFFFFFFFF)
BLOCKS = st.lists(
    st.builds(
        rtcp.ReportBlock,
        ssrc=U32,
        fraction_lost=st.integers(0, 255),
        lost=st.integers(-0x800000, 0x7FFFFF),
        highest=U32,
        jitter=U32,
        lsr=U32,
        dlsr=U32,
    ),
    max_size=31,
)


@given(U32, st.integers(0, (1 << 64) - 1), U32, U32, U32, BLOCKS)
def test_sender_reports_survive_the_wire(
    ssrc: int, ntp: int, rtp_time: int, packets: int, octets: int, blocks: list[rtcp.ReportBlock]
) -> None:
    data = rtcp.build_sender_report(ssrc, ntp, rtp_time, packets, octets, blocks)
    assert rtcp.parse(data) == [rtcp.SenderReport(ssrc, ntp, rtp_time, packets, octets, tuple(blocks))]


@given(U32, BLOCKS)
def test_receiver_reports_survive_the_wire(ssrc: int, blocks: list[rtcp.ReportBlock]) -> None:
    data = rtcp.build_receiver_report(ssrc, blocks) + rtcp.build_sdes(ssrc, "name")
    assert rtcp.parse(data) == [rtcp.ReceiverReport(ssrc, tuple(blocks))]


@given(st.lists(st.integers(0, 200_000), min_size=1, max_size=300))
def test_nacks_name_exactly_what_is_missing(seqs: list[int]) -> None:
    (nack,) = rtcp.parse(rtcp.build_nack(1, 2, seqs))
    assert isinstance(nack, rtcp.Nack)
    assert (nack.sender, nack.media) == (1, 2)
    assert set(nack.seqs) == {seq & 0xFFFF for seq in seqs}


def test_a_run_of_seventeen_takes_one_word() -> None:
    assert len(rtcp.build_nack(1, 2, range(65530, 65547))) == 16
    assert len(rtcp.build_nack(1, 2, range(65530, 65548))) == 20
    (nack,) = rtcp.parse(rtcp.build_nack(1, 2, range(65530, 65547)))
    assert isinstance(nack, rtcp.Nack)
    assert nack.seqs == [65530, 65531, 65532, 65533, 65534, 65535, *range(11)]


@given(st.integers(0, (1 << 60) - 1), st.lists(U32, max_size=20))
def test_remb_keeps_eighteen_bits_of_the_rate(bitrate: int, ssrcs: list[int]) -> None:
    (remb,) = rtcp.parse(rtcp.build_remb(1, bitrate, ssrcs))
    assert isinstance(remb, rtcp.Remb)
    assert remb.ssrcs == tuple(ssrcs)
    assert 0 <= bitrate - remb.bitrate <= bitrate >> 17


def test_short_messages_survive_the_wire() -> None:
    assert rtcp.parse(rtcp.build_pli(3, 4)) == [rtcp.Pli(3, 4)]
    assert rtcp.parse(rtcp.build_bye([5, 6])) == [rtcp.Bye((5, 6))]
    assert rtcp.parse(rtcp.build_bye([])) == [rtcp.Bye(())]
    fir = bytes.fromhex("84ce0006 00000001 00000000 00000007 09000000 00000008 0a000000")
    assert rtcp.parse(fir) == [rtcp.Fir(1, ((7, 9), (8, 10)))]


def test_an_application_packet_comes_as_it_was_built() -> None:
    built = rtcp.build_application(1, 7, b"name", b"12345678")
    assert built == bytes.fromhex("87cc0004 00000001 6e616d65 3132333435363738")
    assert rtcp.parse(built) == [rtcp.Application(1, 7, b"name", b"12345678")]
    for wrong in ((1, 7, b"nam", b""), (1, 7, b"name", b"123"), (1, 32, b"name", b"")):
        with pytest.raises(ValueError, match="application"):
            rtcp.build_application(*wrong)


def test_unknown_types_are_skipped_within_a_compound_packet() -> None:
    extended_report = bytes.fromhex("80cf0001 00000001")
    unknown_feedback = bytes.fromhex("9ecd0002 00000001 00000002") + bytes.fromhex("9ece0002 00000001 00000002")
    compound = (
        rtcp.build_receiver_report(1)
        + rtcp.build_sdes(1, "x")
        + extended_report
        + unknown_feedback
        + rtcp.build_pli(1, 2)
    )
    assert rtcp.parse(compound) == [rtcp.ReceiverReport(1, ()), rtcp.Pli(1, 2)]


def test_transport_wide_feedback_can_be_had_unread() -> None:
    builder = TransportFeedbackBuilder(1, 2)
    for n in range(60):
        builder.received(n, 100 + n * 0.013)
    (packet,) = builder.build(101.0)
    padded = bytes((packet[0] | 0x20, packet[1])) + (len(packet) // 4).to_bytes(2, "big") + packet[4:] + b"\0\0\0\4"
    raw = rtcp.TransportFeedbackBody(1, 2, packet[12:])
    compound = rtcp.build_receiver_report(1) + packet + rtcp.build_nack(1, 2, [7])
    assert rtcp.parse(compound, raw_feedback=True) == [rtcp.ReceiverReport(1, ()), raw, rtcp.Nack(1, 2, [7])]
    assert rtcp.parse(padded, raw_feedback=True) == [raw]
    assert isinstance(rtcp.parse(packet)[0], rtcp.TransportFeedback)
    with pytest.raises(PeerError):
        rtcp.parse(bytes.fromhex("8fcd0001 00000001"), raw_feedback=True)


def test_padding_is_left_out() -> None:
    padded = bytes.fromhex("a1cb0002 00000005 00000004")
    assert rtcp.parse(padded) == [rtcp.Bye((5,))]


@pytest.mark.parametrize("cname", ["", "a", "ab", "abc", "abcd", "é" * 20, "x" * 255])
def test_aiortc_reads_our_descriptions(cname: str) -> None:
    (sdes,) = peer.RtcpPacket.parse(rtcp.build_sdes(9, cname))
    assert isinstance(sdes, peer.RtcpSdesPacket)
    assert [(chunk.ssrc, dict(chunk.items)[1].decode()) for chunk in sdes.chunks] == [(9, cname)]


def test_aiortc_reads_our_reports_and_we_read_its() -> None:
    block = rtcp.ReportBlock(7, 3, -5, 70_000, 11, 12, 13)
    ours = rtcp.build_sender_report(1, 2 << 32, 3, 4, 5, [block]) + rtcp.build_nack(1, 7, [10, 12])
    report, nack = peer.RtcpPacket.parse(ours)
    assert isinstance(report, peer.RtcpSrPacket)
    assert isinstance(nack, peer.RtcpRtpfbPacket)
    assert (report.ssrc, report.sender_info.ntp_timestamp, report.reports[0].packets_lost) == (1, 2 << 32, -5)
    assert nack.lost == [10, 12]
    assert rtcp.parse(bytes(report) + bytes(nack)) == rtcp.parse(ours)
    theirs = peer.RtcpPsfbPacket(fmt=1, ssrc=1, media_ssrc=2)
    assert rtcp.parse(bytes(theirs)) == [rtcp.Pli(1, 2)]


@pytest.mark.parametrize(
    "name",
    [
        "rtcp-length-over-packet.bin",
        "rtcp-report-count-lies.bin",
        "rtcp-remb-count-lies.bin",
        "rtcp-padding-over-packet.bin",
        "rtcp-nack-cut-off.bin",
        "rtcp-transport-wide-cut-in-deltas.bin",
        "rtcp-transport-wide-reserved-symbol.bin",
        "rtcp-transport-wide-claims-65535.bin",
        "rtcp-version-1.bin",
        "rtcp-fir-cut-off.bin",
    ],
)
def test_what_is_malformed_is_refused_whole(name: str) -> None:
    for data in (fixture(name), rtcp.build_pli(1, 2) + fixture(name)):
        with pytest.raises(PeerError) as caught:
            rtcp.parse(data)
        assert caught.value.code == "rtcp_malformed"


def test_bounds_hold_on_both_sides() -> None:
    assert len(rtcp.parse(rtcp.build_pli(1, 2) * rtcp.MAX_PACKETS)) == rtcp.MAX_PACKETS
    with pytest.raises(PeerError):
        rtcp.parse(rtcp.build_pli(1, 2) * (rtcp.MAX_PACKETS + 1))
    with pytest.raises(PeerError) as caught:
        rtcp.parse(bytes(rtcp.MAX_BYTES + 1))
    assert caught.value.code == "rtcp_too_large"
    with pytest.raises(PeerError):
        rtcp.parse(b"")
    half = wide_feedback(rtcp.MAX_STATUSES // 2)
    assert len(rtcp.parse(half * 2)) == 2
    with pytest.raises(PeerError):
        rtcp.parse(half * 2 + wide_feedback(1))


def wide_feedback(statuses: int) -> bytes:
    """Run-length chunks of packets that did not arrive."""
    chunks = b""
    left = statuses
    while left:
        run = min(left, 0x1FFF)
        chunks += run.to_bytes(2, "big")
        left -= run
    chunks += bytes(-len(chunks) % 4)
    body = bytes(8) + (7).to_bytes(2, "big") + statuses.to_bytes(2, "big") + bytes(4) + chunks
    return bytes((0x8F, 205)) + (len(body) // 4).to_bytes(2, "big") + body


@pytest.mark.parametrize(
    "build",
    [
        lambda: rtcp.build_receiver_report(1, [rtcp.ReportBlock(1, 0, 0, 0, 0, 0, 0)] * 32),
        lambda: rtcp.build_sdes(1, "x" * 256),
        lambda: rtcp.build_nack(1, 2, []),
        lambda: rtcp.build_bye([1] * 32),
        lambda: rtcp.build_remb(1, -1, []),
        lambda: rtcp.build_remb(1, 1, [1] * 256),
    ],
)
def test_what_does_not_fit_the_wire_is_not_built(build: object) -> None:
    assert callable(build)
    with pytest.raises(ValueError):
        build()


def test_ntp_time_keeps_microseconds() -> None:
    ntp = rtcp.ntp_from_unix(1_700_000_000.25)
    assert ntp == (1_700_000_000 + 2_208_988_800) << 32 | 0x40000000
    assert rtcp.ntp_seconds(ntp) == pytest.approx(1_700_000_000.25 + 2_208_988_800, abs=1e-6)
    assert rtcp.ntp_middle(ntp) == (ntp >> 16) & 0xFFFFFFFF


def test_round_trips_are_measured_across_the_wrap() -> None:
    sent = 0xFFFF_FFFF_8000_0000
    block = rtcp.ReportBlock(1, 0, 0, 0, 0, rtcp.ntp_middle(sent), 65536)
    assert rtcp.round_trip_s(block, sent + (1 << 32) + (1 << 31)) == pytest.approx(0.5)
    assert rtcp.round_trip_s(block, sent) is None
    assert rtcp.round_trip_s(rtcp.ReportBlock(1, 0, 0, 0, 0, 0, 0), sent) is None


def corpus() -> list[bytes]:
    builder = TransportFeedbackBuilder(1, 2)
    for n in range(60):
        builder.received(65_500 + n * (1 + n % 3) & 0xFFFF, 100 + n * 0.013)
    block = rtcp.ReportBlock(7, 3, -5, 70_000, 11, 12, 13)
    parts = [
        rtcp.build_sender_report(1, 2 << 32, 3, 4, 5, [block]),
        rtcp.build_receiver_report(1, [block, block]),
        rtcp.build_sdes(1, "name"),
        rtcp.build_nack(1, 2, [1, 2, 40, 80]),
        rtcp.build_pli(1, 2),
        rtcp.build_remb(1, 500_000, [2, 3]),
        rtcp.build_bye([1]),
        *builder.build(101.0),
        wide_feedback(4000),
    ]
    return [*parts, b"".join(parts[:4]), b"".join(parts[3:])]


def test_any_bytes_are_reports_or_a_peer_error() -> None:
    seed = 40
    assert hold(rtcp.parse, crashes("rtcp"), seed) >= 0
    assert 500 < hold(rtcp.parse, mutations(corpus(), 15_000, seed), seed) < 15_000
    unread = partial(rtcp.parse, raw_feedback=True)
    assert 500 < hold(unread, mutations(corpus(), 8_000, seed + 1), seed + 1) < 8_000


@given(st.integers(0, 31), st.integers(200, 206), st.binary(max_size=120))
def test_random_bodies_are_reports_or_a_peer_error(count: int, kind: int, body: bytes) -> None:
    body += bytes(-len(body) % 4)
    hold(rtcp.parse, [bytes((0x80 | count, kind)) + (len(body) // 4).to_bytes(2, "big") + body, body], 0)
