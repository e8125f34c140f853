"""Distinct types where a mix-up would hurt. Nothing here knows how a packet looks."""

from typing import NewType

Ssrc = NewType("Ssrc", int)
"""A synchronisation source, 32 bits (RFC 3550 section 3)."""

Seq16 = NewType("Seq16", int)
"""A sequence number as on the wire, 16 bits, wrapping."""

ExtSeq = NewType("ExtSeq", int)
"""A sequence number extended by its rollovers: never wraps, compares as plain integers."""

RtpTime = NewType("RtpTime", int)
"""An RTP timestamp as on the wire, 32 bits, in units of the codec's clock, wrapping."""

BitsPerSecond = NewType("BitsPerSecond", int)

Seconds = NewType("Seconds", float)
"""A time on the caller's monotonic clock, or a duration."""
