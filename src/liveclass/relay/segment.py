"""A stretch of a receiver's stream whose numbers follow one track's by one offset. Knows nothing of how it is sent."""

from liveclass.relay.track import Track


class Segment:
    """One stretch.

    Attributes:
        start, end: the track's extended sequence numbers that belong to it; `end` None while it goes on.
        seq_offset: added to the track's number.
        time_offset: added to the track's timestamp, modulo 2^32.
        sparse: only some of its packets were given a transport-wide number (`shape.numbered_here`).
    """

    __slots__ = ("end", "seq_offset", "sparse", "start", "time_offset", "track")

    def __init__(self, track: Track, start: int, seq_offset: int, time_offset: int, *, sparse: bool = False) -> None:
        self.sparse = sparse
        self.track = track
        self.start = start
        self.end: int | None = None
        self.seq_offset = seq_offset
        self.time_offset = time_offset

    def holds(self, seq: int) -> bool:
        """Whether the track's packet `seq` belongs to this stretch."""
        return seq >= self.start and (self.end is None or seq <= self.end)
