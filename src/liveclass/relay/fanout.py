"""One packet to all that want it: the function where the server spends its time.

Plain arrays in, datagrams out; it decides nothing. A table holds one `Entry` per receiver; a native function over the
same table can take its place.
"""

from struct import Struct
from typing import Any

from liveclass.transport.batch import NAME_BYTES, SLOT_BYTES, SLOTS, Batch
from liveclass.transport.srtp import OK, PROTECT, PacketBuffer

Entry = tuple[Any, bytes, int, int, int]
"""SRTP handle, kernel address, sequence offset (extended), timestamp offset, SSRC."""

_rewrite = Struct("!HII").pack_into
_octets = PacketBuffer().octets


def forward(batch: Batch, packet: bytes, seq: int, timestamp: int, entries: list[Entry]) -> int:
    """Rewrite, protect and queue one packet for every receiver in the table.

    Args:
        packet: the whole RTP packet, with the receivers' payload type and no extension.
        seq: the source's extended sequence number.
        timestamp: the source's RTP timestamp.

    Returns:
        How many receivers it could not be protected for.

    Profiled at 100 receivers: 45% `sendmmsg` in the kernel, 35% SRTP, 20% this loop; slicing into `view` beats
    cffi `memmove`, and one `pack_into` of three fields beats three.
    """
    view, names, lengths, pointers = batch.view, batch.names, batch.lengths, batch.pointers
    protect, rewrite, octets_now = PROTECT, _rewrite, _octets
    size = len(packet)
    slot = batch.count
    failed = 0
    octets = 0
    for handle, name, seq_offset, time_offset, ssrc in entries:
        at = slot * SLOT_BYTES
        view[at : at + size] = packet
        rewrite(view, at + 2, (seq + seq_offset) & 0xFFFF, (timestamp + time_offset) & 0xFFFFFFFF, ssrc)
        octets_now[0] = size
        if protect(handle, pointers[slot], octets_now) != OK:
            failed += 1
            continue
        at = slot * NAME_BYTES
        names[at : at + len(name)] = name
        length = octets_now[0]
        lengths[2 * slot + 1] = length
        octets += length
        slot += 1
        if slot == SLOTS:
            batch.count = slot
            batch.flush()
            slot = 0
    batch.count = slot
    batch.octets += octets
    return failed
