"""What a publisher sends, as those who receive it see it: a source and the sinks that take its packets.

This module refuses to know where packets come from (sockets, SRTP) and where they go. It is the border between the
relay and everything that consumes media without a network: the recorder implements `Sink` and imports only this.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from liveclass.rtp.codec import Codec

SourceKind = Literal["microphone", "camera", "screen"]


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """One stream of one publisher, for as long as its session lasts; a new session is a new source.

    Attributes:
        id: unique in the process for ever.
        participant: who publishes it; stays the same when the participant reconnects.
        role: what the participant is.
        name: what people call the participant.
        rendition: "low" is a second source beside the one of the same participant and kind: its lowest layer, for those
            who cannot hold the best one. Only sinks are given low renditions.
    """

    id: str
    participant: str
    role: Literal["teacher", "classroom"]
    name: str
    kind: SourceKind
    codec: Codec
    rendition: Literal["main", "low"] = "main"


class SourceHandle(Protocol):
    """A live source as a sink may use it."""

    @property
    def info(self) -> SourceInfo: ...

    def request_keyframe(self, now: float) -> None:
        """Ask the publisher for a keyframe (PLI); throttled and repeated until one passes."""


class Sink(Protocol):
    """Takes the packets of a room's sources. Every call returns at once and never raises."""

    def takes(self, info: SourceInfo) -> bool:
        """Whether it has use for this source's packets, so that its publisher is to send them though nobody watches."""

    def source_added(self, source: SourceHandle, now: float) -> None: ...

    def source_removed(self, source: SourceHandle, now: float) -> None: ...

    def packet(self, source: SourceHandle, seq: int, timestamp: int, marker: bool, payload: bytes, now: float) -> None:
        """One packet, in the order of arrival (late ones come late), never twice.

        Args:
            seq: extended sequence number (`ExtSeq`) of the source.
            timestamp: RTP timestamp as on the wire, 32 bits.
            payload: the RTP payload without padding.
            now: arrival, seconds of the server's monotonic clock.
        """

    def sender_report(self, source: SourceHandle, ntp_s: float, timestamp: int, now: float) -> None:
        """The publisher says: `timestamp` was sampled at `ntp_s` of ITS wall clock (RFC 3550 section 6.4.1).

        Args:
            ntp_s: seconds since 1900 on the publisher's clock, which may be wrong or jump.
            now: arrival of the report, seconds of the server's monotonic clock.
        """
