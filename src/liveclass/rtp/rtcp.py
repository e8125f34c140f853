"""RTCP (RFC 3550, 3611, 4585, 5104, transport-wide feedback): compound packets into values and back.

`parse` is the one boundary where RTCP from a peer becomes values or `PeerError`. It refuses to know which stream a
number belongs to and what should follow from a report.
"""

import struct
from collections.abc import Callable, Iterable, Sequence

from liveclass.errors import PeerError
from liveclass.rtp.report import (
    Application,
    Bye,
    Fir,
    Nack,
    Pli,
    ReceiverReport,
    ReferenceTime,
    Remb,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    TransportFeedback,
    TransportFeedbackBody,
)
from liveclass.rtp.xr import EXTENDED_REPORT, read_reference_time

__all__ = [
    "Application", "Bye", "Fir", "Nack", "Pli", "ReceiverReport", "ReferenceTime", "Remb", "ReportBlock", "RtcpPacket",
    "SenderReport", "TransportFeedback", "TransportFeedbackBody", "build_application", "build_bye", "build_nack",
    "build_pli",
    "build_receiver_report", "build_remb", "build_sdes", "build_sender_report", "ntp_from_unix", "ntp_middle",
    "ntp_seconds", "parse", "round_trip_s",
]  # fmt: skip

SENDER_REPORT = 200
RECEIVER_REPORT = 201
SDES = 202
BYE = 203
APPLICATION = 204
TRANSPORT_LAYER_FEEDBACK = 205
PAYLOAD_FEEDBACK = 206

NACK_FORMAT = 1
TRANSPORT_WIDE_FORMAT = 15
PLI_FORMAT = 1
FIR_FORMAT = 4
APPLICATION_FORMAT = 15

MAX_BYTES = 4096
"""A compound packet must fit a datagram of about 1,500 bytes; more is an attempt to keep us busy."""

MAX_PACKETS = 64
"""Packets within one compound packet; browsers send up to about eight."""

MAX_STATUSES = 4096
"""Packet statuses in the transport-wide feedback of one datagram. Run-length chunks claim 8,191 packets in two bytes,
so without this bound one datagram costs a million tuples. 4,096 are half a minute of a 1 Mbit/s video; who was away for
longer loses one feedback packet."""

MAX_REPORTS = 31
"""Five bits of count (RFC 3550 section 6.4.1)."""

TICK_S = 0.000_25
"""Unit of receive deltas in transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01, 3.1.5)."""

REFERENCE_TICKS = 256
"""Reference time counts 64 ms, which are 256 ticks (ibid., 3.1)."""

NTP_UNIX_OFFSET_S = 2_208_988_800
"""Seconds from 1900 to 1970 (RFC 868)."""

_HEADER = struct.Struct("!BBH")
_WORD = struct.Struct("!I")
_TWO_WORDS = struct.Struct("!II")
_PID_BLP = struct.Struct("!HH")
_SENDER_INFO = struct.Struct("!IQIII")
_REPORT = struct.Struct("!IIIIII")
_FEEDBACK_HEAD = struct.Struct("!IIHHI")


class _Malformed(Exception):
    """Within this module only: a packet whose lengths lie."""


def parse(datagram: bytes, *, raw_feedback: bool = False) -> list[RtcpPacket]:
    """Read a compound or reduced-size RTCP packet (RFC 3550 section 6.1, RFC 5506).

    Args:
        datagram: the decrypted packet.
        raw_feedback: hand over transport-wide feedback as `TransportFeedbackBody`, unread and so for a fraction of the
            cost, for a reader of its own.

    Returns:
        The packets of known types in order; others (SDES, XR without a reference time, unknown
        feedback) are skipped.

    Raises:
        PeerError: anything in it is malformed or exceeds the bounds of this module; nothing of it should be used.
    """
    size = len(datagram)
    if size > MAX_BYTES:
        raise PeerError("RTCP packet is too large", code="rtcp_too_large")
    packets: list[RtcpPacket] = []
    statuses = 0
    offset = count = 0
    try:
        while offset < size:
            count += 1
            if count > MAX_PACKETS:
                raise _Malformed
            first, kind, words = _HEADER.unpack_from(datagram, offset)
            start = offset + 4
            offset = end = start + (words << 2)
            if first & 0xC0 != 0x80 or end > size:
                raise _Malformed
            if first & 0x20:
                padding = datagram[end - 1] if end > start else 0
                if padding == 0 or padding > end - start:
                    raise _Malformed
                end -= padding
            if raw_feedback and kind == TRANSPORT_LAYER_FEEDBACK and first & 0x1F == TRANSPORT_WIDE_FORMAT:
                if end < start + 8:
                    raise _Malformed
                sender, media = _TWO_WORDS.unpack_from(datagram, start)
                packets.append(TransportFeedbackBody(sender, media, datagram[start + 8 : end]))
                continue
            reader = _READERS.get(kind)
            packet = reader(first & 0x1F, datagram[start:end]) if reader is not None else None
            if packet is None:
                continue
            if isinstance(packet, TransportFeedback):
                statuses += len(packet.arrivals)
                if statuses > MAX_STATUSES:
                    raise _Malformed
            packets.append(packet)
    except (_Malformed, struct.error, IndexError) as error:
        raise PeerError("RTCP packet is malformed", code="rtcp_malformed") from error
    if count == 0:
        raise PeerError("RTCP packet is empty", code="rtcp_malformed")
    return packets


def _read_reports(body: bytes, offset: int, count: int) -> tuple[ReportBlock, ...]:
    if offset + count * 24 > len(body):
        raise _Malformed
    reports = []
    for position in range(offset, offset + count * 24, 24):
        ssrc, loss, highest, jitter, lsr, dlsr = _REPORT.unpack_from(body, position)
        lost = loss & 0xFFFFFF
        if lost & 0x800000:
            lost -= 0x1000000
        reports.append(ReportBlock(ssrc, loss >> 24, lost, highest, jitter, lsr, dlsr))
    return tuple(reports)


def _read_sender_report(count: int, body: bytes) -> SenderReport:
    ssrc, ntp, rtp_time, packets, octets = _SENDER_INFO.unpack_from(body)
    return SenderReport(ssrc, ntp, rtp_time, packets, octets, _read_reports(body, 24, count))


def _read_receiver_report(count: int, body: bytes) -> ReceiverReport:
    (ssrc,) = _WORD.unpack_from(body)
    return ReceiverReport(ssrc, _read_reports(body, 4, count))


def _read_bye(count: int, body: bytes) -> Bye:
    return Bye(struct.unpack_from(f"!{count}I", body))


def _read_application(subtype: int, body: bytes) -> Application:
    (ssrc,) = _WORD.unpack_from(body)
    if len(body) < 8:
        raise _Malformed
    return Application(ssrc, subtype, body[4:8], body[8:])


def _read_transport_feedback(form: int, body: bytes) -> RtcpPacket | None:
    if form == NACK_FORMAT:
        sender, media = _TWO_WORDS.unpack_from(body)
        if (len(body) - 8) % 4:
            raise _Malformed
        seqs: list[int] = []
        for position in range(8, len(body), 4):
            pid, blp = _PID_BLP.unpack_from(body, position)
            seqs.append(pid)
            while blp:
                lowest = blp & -blp
                seqs.append(pid + lowest.bit_length() & 0xFFFF)
                blp ^= lowest
        return Nack(sender, media, seqs)
    if form == TRANSPORT_WIDE_FORMAT:
        return _read_transport_wide(body)
    return None


def _read_transport_wide(body: bytes) -> TransportFeedback:
    sender, media, base, total, reference_and_count = _FEEDBACK_HEAD.unpack_from(body)
    if total > MAX_STATUSES:
        raise _Malformed
    reference = reference_and_count >> 8
    symbols: list[int] = []
    offset = 16
    while len(symbols) < total:
        chunk = body[offset] << 8 | body[offset + 1]
        offset += 2
        if not chunk & 0x8000:
            symbols += [chunk >> 13 & 3] * min(chunk & 0x1FFF, total - len(symbols))
        elif not chunk & 0x4000:
            symbols += [chunk >> shift & 1 for shift in range(13, -1, -1)]
        else:
            symbols += [chunk >> shift & 3 for shift in range(12, -2, -2)]
    del symbols[total:]
    ticks = reference * REFERENCE_TICKS
    arrivals: list[tuple[int, float | None]] = []
    seq = base
    for symbol in symbols:
        if symbol == 0:
            arrivals.append((seq, None))
        else:
            if symbol == 1:
                ticks += body[offset]
                offset += 1
            elif symbol == 2:
                delta = body[offset] << 8 | body[offset + 1]
                ticks += delta - 0x10000 if delta & 0x8000 else delta
                offset += 2
            else:
                raise _Malformed
            arrivals.append((seq, ticks * TICK_S))
        seq = seq + 1 & 0xFFFF
    return TransportFeedback(
        sender, media, base, reference * REFERENCE_TICKS * TICK_S, reference_and_count & 0xFF, arrivals
    )


def _read_payload_feedback(form: int, body: bytes) -> RtcpPacket | None:
    sender, media = _TWO_WORDS.unpack_from(body)
    if form == PLI_FORMAT:
        return Pli(sender, media)
    if form == FIR_FORMAT:
        if len(body) < 16 or (len(body) - 8) % 8:
            raise _Malformed
        entries = struct.iter_unpack("!IBxxx", body[8:])
        return Fir(sender, tuple((ssrc, command) for ssrc, command in entries))
    if form == APPLICATION_FORMAT and body[8:12] == b"REMB":
        count = body[12]
        if len(body) < 16 + 4 * count:
            raise _Malformed
        head = int.from_bytes(body[13:16], "big")
        bitrate = (head & 0x3FFFF) << (head >> 18)
        return Remb(sender, bitrate, struct.unpack_from(f"!{count}I", body, 16))
    return None


_READERS: dict[int, Callable[[int, bytes], RtcpPacket | None]] = {
    SENDER_REPORT: _read_sender_report,
    RECEIVER_REPORT: _read_receiver_report,
    BYE: _read_bye,
    APPLICATION: _read_application,
    TRANSPORT_LAYER_FEEDBACK: _read_transport_feedback,
    PAYLOAD_FEEDBACK: _read_payload_feedback,
    EXTENDED_REPORT: lambda _reserved, body: read_reference_time(body),
}


def _build(count_or_format: int, kind: int, body: bytes) -> bytes:
    return _HEADER.pack(0x80 | count_or_format, kind, len(body) >> 2) + body


def _build_reports(reports: Sequence[ReportBlock]) -> bytes:
    if len(reports) > MAX_REPORTS:
        raise ValueError("at most 31 report blocks fit one report")
    return b"".join(
        _REPORT.pack(
            block.ssrc,
            (block.fraction_lost & 0xFF) << 24 | max(-0x800000, min(0x7FFFFF, block.lost)) & 0xFFFFFF,
            block.highest & 0xFFFFFFFF,
            min(block.jitter, 0xFFFFFFFF),
            block.lsr,
            min(block.dlsr, 0xFFFFFFFF),
        )
        for block in reports
    )


def build_sender_report(
    ssrc: int, ntp: int, rtp_time: int, packets: int, octets: int, reports: Sequence[ReportBlock] = ()
) -> bytes:
    """A sender report (RFC 3550 section 6.4.1). Counters and timestamp wrap by themselves.

    Args:
        ntp: 64-bit NTP time, as from `ntp_from_unix`.
        rtp_time: the stream's timestamp at that instant.
        packets: sent so far.
        octets: of payload sent so far.

    Raises:
        ValueError: more than 31 report blocks.
    """
    info = _SENDER_INFO.pack(ssrc, ntp, rtp_time & 0xFFFFFFFF, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF)
    return _build(len(reports), SENDER_REPORT, info + _build_reports(reports))


def build_receiver_report(ssrc: int, reports: Sequence[ReportBlock] = ()) -> bytes:
    """A receiver report (RFC 3550 section 6.4.2); `lost` is clamped to its 24 bits. Append `build_sdes` to it.

    Raises:
        ValueError: more than 31 report blocks.
    """
    return _build(len(reports), RECEIVER_REPORT, _WORD.pack(ssrc) + _build_reports(reports))


def build_sdes(ssrc: int, cname: str) -> bytes:
    """A source description with a CNAME (RFC 3550 sections 6.5 and 6.5.1).

    Raises:
        ValueError: the name has over 255 bytes.
    """
    name = cname.encode()
    if len(name) > 255:
        raise ValueError("CNAME has at most 255 bytes")
    chunk = _WORD.pack(ssrc) + bytes((1, len(name))) + name
    # At least one zero byte ends the list of items, then zeros up to the word (RFC 3550 section 6.5).
    return _build(1, SDES, chunk + bytes(4 - len(chunk) % 4))


def build_nack(sender: int, media: int, seqs: Iterable[int]) -> bytes:
    """Ask for packets again (RFC 4585 section 6.2.1), 16 followers of a packet in one word with it.

    Args:
        seqs: sequence numbers, extended or not, ascending for the closest packing.

    Raises:
        ValueError: `seqs` is empty.
    """
    entries: list[list[int]] = []
    for seq in seqs:
        ahead = (seq - entries[-1][0] & 0xFFFF) - 1 if entries else -1
        if 0 <= ahead < 16:
            entries[-1][1] |= 1 << ahead
        elif not entries or ahead != -1:
            entries.append([seq & 0xFFFF, 0])
    if not entries:
        raise ValueError("a NACK names at least one packet")
    body = b"".join(_PID_BLP.pack(pid, blp) for pid, blp in entries)
    return _build(NACK_FORMAT, TRANSPORT_LAYER_FEEDBACK, _TWO_WORDS.pack(sender, media) + body)


def build_pli(sender: int, media: int) -> bytes:
    """Ask for a keyframe (RFC 4585 section 6.3.1)."""
    return _build(PLI_FORMAT, PAYLOAD_FEEDBACK, _TWO_WORDS.pack(sender, media))


def build_remb(sender: int, bitrate: int, ssrcs: Sequence[int]) -> bytes:
    """Tell the sender to stay below `bitrate` bit/s, rounded down to 18 bits (draft-alvestrand-rmcat-remb-03).

    Raises:
        ValueError: more than 255 streams, or a rate that is negative or beyond 81 bits.
    """
    exponent = max(0, bitrate.bit_length() - 18)
    if len(ssrcs) > 255 or bitrate < 0 or exponent > 63:
        raise ValueError("REMB cannot carry this")
    head = len(ssrcs) << 24 | exponent << 18 | bitrate >> exponent
    body = _TWO_WORDS.pack(sender, 0) + b"REMB" + _WORD.pack(head) + struct.pack(f"!{len(ssrcs)}I", *ssrcs)
    return _build(APPLICATION_FORMAT, PAYLOAD_FEEDBACK, body)


def build_bye(ssrcs: Sequence[int]) -> bytes:
    """Say that streams end (RFC 3550 section 6.6).

    Raises:
        ValueError: more than 31 streams.
    """
    if len(ssrcs) > MAX_REPORTS:
        raise ValueError("at most 31 streams fit one BYE")
    return _build(len(ssrcs), BYE, struct.pack(f"!{len(ssrcs)}I", *ssrcs))


def build_application(ssrc: int, subtype: int, name: bytes, data: bytes) -> bytes:
    """A message between our own kind (RFC 3550 section 6.7).

    Raises:
        ValueError: the name has not four bytes, the data not whole words, or the subtype more than five bits.
    """
    if len(name) != 4 or len(data) % 4 or not 0 <= subtype < 32:
        raise ValueError("an application packet has a name of four bytes, and whole words")
    return _build(subtype, APPLICATION, _WORD.pack(ssrc) + name + data)


def ntp_from_unix(unix_s: float) -> int:
    """The 64-bit NTP timestamp of a Unix time in seconds; wraps in 2036 as NTP does (RFC 5905 section 6)."""
    whole = int(unix_s // 1)
    fraction = int((unix_s - whole) * 0x1_0000_0000)
    return (whole + NTP_UNIX_OFFSET_S & 0xFFFFFFFF) << 32 | fraction


def ntp_seconds(ntp: int) -> float:
    """Seconds since 1900 of a 64-bit NTP timestamp, to about 0.5 us."""
    return ntp / 0x1_0000_0000


def ntp_middle(ntp: int) -> int:
    """The middle 32 bits of an NTP timestamp, which is what `lsr` carries (RFC 3550 section 6.4.1)."""
    return ntp >> 16 & 0xFFFFFFFF


def round_trip_s(block: ReportBlock, now_ntp: int) -> float | None:
    """The round-trip time in seconds from a report about our own stream (RFC 3550 section 6.4.1).

    Args:
        now_ntp: our NTP time when the report arrived, on the clock that wrote the sender report.

    Returns:
        None when the reporter has seen no sender report yet, or the figures contradict each other.
    """
    if block.lsr == 0:
        return None
    units = ntp_middle(now_ntp) - block.lsr - block.dlsr & 0xFFFFFFFF
    return None if units >= 0x80000000 else units / 65536
