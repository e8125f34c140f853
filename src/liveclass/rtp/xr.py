"""RTCP extended reports (RFC 3611), as far as a receiver needs them to learn its round trip.

A receiver that sends nothing gets no reports, so it cannot measure a round trip by RFC 3550. It sends its clock (RRTR),
and whoever it receives from answers with that clock's middle bits and how long the answer took (DLRR). Reads what
receivers send and writes what they want; `rtcp` finds the packets.
"""

import struct

from liveclass.errors import PeerError
from liveclass.rtp.report import ReferenceTime

EXTENDED_REPORT = 207

REFERENCE_TIME_BLOCK = 4
DLRR_BLOCK = 5

_BLOCK = struct.Struct("!BxH")
_WORD = struct.Struct("!I")
_NTP = struct.Struct("!Q")
_DLRR = struct.Struct("!BBHIBxHIII")


def read_reference_time(body: bytes) -> ReferenceTime | None:
    """The receiver reference time of an extended report (RFC 3611 sections 2 and 4.4).

    Args:
        body: of the RTCP packet, from the sender's SSRC on.

    Returns:
        The first reference time; None when it has none.

    Raises:
        PeerError: a block is longer than the report, or of the wrong length.
    """
    size = len(body)
    found: ReferenceTime | None = None
    offset = 4
    if size < 4:
        raise _malformed()
    while offset < size:
        if offset + 4 > size:
            raise _malformed()
        kind, words = _BLOCK.unpack_from(body, offset)
        end = offset + 4 + (words << 2)
        if end > size or (kind == REFERENCE_TIME_BLOCK and words != 2):
            raise _malformed()
        if kind == REFERENCE_TIME_BLOCK and found is None:
            found = ReferenceTime(_WORD.unpack_from(body)[0], _NTP.unpack_from(body, offset + 4)[0])
        offset = end
    return found


def build_dlrr(sender_ssrc: int, ssrc: int, last_rr: int, delay_s: float) -> bytes:
    """The answer to a reference time, as an extended report with one block (RFC 3611 section 4.5).

    Args:
        sender_ssrc: ours.
        ssrc: of the receiver that asked.
        last_rr: the middle 32 bits of its reference time, as from `rtcp.ntp_middle`.
        delay_s: seconds since that arrived; kept within what 32 bits of 1/65536 s hold.
    """
    delay = max(0, min(0xFFFFFFFF, round(delay_s * 65536)))
    return _DLRR.pack(0x80, EXTENDED_REPORT, 5, sender_ssrc, DLRR_BLOCK, 3, ssrc, last_rr & 0xFFFFFFFF, delay)


def _malformed() -> PeerError:
    return PeerError("RTCP packet is malformed", code="rtcp_malformed")
