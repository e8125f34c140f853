"""What RTCP packets say, as plain values. Import them from `rtcp`, which reads and builds them.

What every subscriber sends each second is a tuple: a frozen data class of seven fields takes five times as long.
"""

from dataclasses import dataclass
from typing import NamedTuple


class ReportBlock(NamedTuple):
    """How one stream is received (RFC 3550 section 6.4.1).

    Attributes:
        ssrc: the stream reported on.
        fraction_lost: lost since the last report, in 1/256.
        lost: packets lost in all; negative when duplicates outnumber losses.
        highest: extended highest sequence number received, 32 bits.
        jitter: in ticks of the stream's RTP clock.
        lsr: middle 32 bits of the NTP time in the last sender report, 0 when there was none.
        dlsr: delay since that report, in 1/65536 s.
    """

    ssrc: int
    fraction_lost: int
    lost: int
    highest: int
    jitter: int
    lsr: int
    dlsr: int


class SenderReport(NamedTuple):
    """`rtp_time` is what the stream's timestamp was at wall clock `ntp` (64-bit NTP); RFC 3550 section 6.4.1."""

    ssrc: int
    ntp: int
    rtp_time: int
    packets: int
    octets: int
    reports: tuple[ReportBlock, ...]


class ReceiverReport(NamedTuple):
    """RFC 3550 section 6.4.2."""

    ssrc: int
    reports: tuple[ReportBlock, ...]


@dataclass(frozen=True, slots=True)
class Nack:
    """The packets of `media` that `sender` misses, 16-bit numbers in the order asked (RFC 4585 section 6.2.1)."""

    sender: int
    media: int
    seqs: list[int]


@dataclass(frozen=True, slots=True)
class Pli:
    """`sender` wants a keyframe of `media` (RFC 4585 section 6.3.1)."""

    sender: int
    media: int


@dataclass(frozen=True, slots=True)
class Fir:
    """A full intra request: pairs of stream and command number (RFC 5104 section 4.3.1)."""

    sender: int
    entries: tuple[tuple[int, int], ...]


class Remb(NamedTuple):
    """The receiver's estimate in bit/s for `ssrcs` together (draft-alvestrand-rmcat-remb-03 section 2)."""

    sender: int
    bitrate: int
    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TransportFeedback:
    """When each packet of a session arrived at the other end (draft-holmer-rmcat-transport-wide-cc-extensions-01).

    Attributes:
        base_seq: transport-wide sequence number of the first packet reported, 16 bits.
        reference_time_s: the receiver's clock, multiple of 64 ms, wraps after 12 days.
        feedback_count: counts feedback packets, 8 bits, to tell that one got lost.
        arrivals: 16-bit sequence number and arrival in seconds of the receiver's clock (resolution 250 us), None for
            a packet that did not arrive; consecutive numbers from `base_seq` on.
    """

    sender: int
    media: int
    base_seq: int
    reference_time_s: float
    feedback_count: int
    arrivals: list[tuple[int, float | None]]


class TransportFeedbackBody(NamedTuple):
    """Transport-wide feedback as it came, for who reads it without a value per packet.

    Attributes:
        body: what follows the media SSRC, from the base sequence number on; its lengths are not checked.
    """

    sender: int
    media: int
    body: bytes


@dataclass(frozen=True, slots=True)
class ReferenceTime:
    """A receiver would know its round trip: `ntp` is when it sent this, by its own clock (RFC 3611 section 4.4)."""

    sender: int
    ntp: int


@dataclass(frozen=True, slots=True)
class Bye:
    """Streams that end (RFC 3550 section 6.6)."""

    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Application:
    """What an application tells its like (RFC 3550 section 6.7): `name` has four bytes, `data` whole words."""

    sender: int
    subtype: int
    name: bytes
    data: bytes


RtcpPacket = (
    SenderReport
    | ReceiverReport
    | Nack
    | Pli
    | Fir
    | Remb
    | TransportFeedback
    | TransportFeedbackBody
    | ReferenceTime
    | Bye
    | Application
)
