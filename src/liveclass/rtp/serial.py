"""Serial-number arithmetic on 16 and 32 bits (RFC 1982), the only place that knows how to wrap."""

from liveclass.rtp.types import ExtSeq, RtpTime, Seq16


def seq_diff(a: int, b: int) -> int:
    """How far `a` is ahead of `b`, modulo 2^16: -32768 to 32767."""
    return ((a - b + 0x8000) & 0xFFFF) - 0x8000


def time_diff(a: int, b: int) -> int:
    """How far timestamp `a` is ahead of `b`, modulo 2^32: -2^31 to 2^31 - 1."""
    return ((a - b + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def extend(seq: int, near: int) -> ExtSeq:
    """The extended number that ends in the 16 bits of `seq` and lies nearest to `near`."""
    return ExtSeq(near + (((seq - near + 0x8000) & 0xFFFF) - 0x8000))


def truncate(seq: int) -> Seq16:
    """The 16 bits of an extended sequence number that travel on the wire."""
    return Seq16(seq & 0xFFFF)


def add_time(timestamp: int, ticks: int) -> RtpTime:
    """`timestamp` advanced by `ticks`, which may be negative."""
    return RtpTime((timestamp + ticks) & 0xFFFFFFFF)
