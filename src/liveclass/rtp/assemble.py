"""Packets into whole frames, as far as all video codecs are alike: where frames end, loss, size, awaiting keyframes.

`depacketize` adds what each codec says in its payloads. Refuses to know clocks, files and who asks for keyframes.
"""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Protocol

MAX_UNITS = 1024
"""NAL units or OBUs of one frame; encoders cut a frame into a few dozen at most, tiny ones would eat memory."""


class AccessUnit(NamedTuple):
    """One whole frame of video, or one packet of sound.

    Attributes:
        timestamp: RTP timestamp, 32 bits.
        data: H264 in Annex B with SPS and PPS before each IDR picture; VP8 and VP9 as the bare frame; AV1 as a temporal
            unit of the low-overhead format, temporal delimiter first; Opus as the packet.
        keyframe: whether decoding can start here.
        nals: H264 only: the NAL units that `data` joins, for who would have to look for them in it again.
    """

    timestamp: int
    data: bytes
    keyframe: bool
    nals: Sequence[bytes] = ()


Frame = tuple[bytes, bool, Sequence[bytes]]
"""`AccessUnit` without its timestamp; no bytes when the frame held nothing to show (parameter sets alone)."""


class Depacketizer(Protocol):
    """Joins the packets of one source into access units.

    Attributes:
        lost: packets missing from the input so far.
        dropped: frames thrown away: damaged, too large, or undecodable for want of a keyframe.
        waiting: whether a keyframe is needed before anything more comes out; the owner should ask for one.
    """

    lost: int
    dropped: int
    waiting: bool

    def push(self, seq: int, timestamp: int, marker: bool, payload: bytes) -> list[AccessUnit]:
        """Take the next packet; never raises for what a payload holds.

        Args:
            seq: extended sequence number, ascending; a step other than 1 is a loss.
            timestamp: RTP timestamp, 32 bits.
            payload: without padding; empty for a packet of padding alone, which only fills its place.

        Returns:
            The access units that are complete now, seldom more than one.
        """

    def flush(self) -> list[AccessUnit]:
        """The end of the source: the frame at hand if it is whole as far as can be told. A keyframe is needed next."""


class Broken(Exception):
    """Between an assembler and its codec only: a payload that its specification does not allow."""


class FrameAssembler:
    """What the video codecs share: where frames begin and end, loss, size, waiting for a keyframe."""

    marker_is_certain: ClassVar[bool] = True
    """Whether the codec's specification has the marker on the last packet of every frame, so that one without it is cut
    off. Elsewhere it counts from the first marker seen on."""

    def __init__(self, max_frame_bytes: int) -> None:
        self.lost = 0
        self.dropped = 0
        self.waiting = True
        self._max_frame_bytes = max_frame_bytes
        self._expected: int | None = None
        self._timestamp: int | None = None
        self._size = 0
        self._broken = False
        self._marked = self.marker_is_certain

    def push(self, seq: int, timestamp: int, marker: bool, payload: bytes) -> list[AccessUnit]:
        units: list[AccessUnit] = []
        expected = self._expected
        self._expected = seq + 1
        if seq != expected and expected is not None:
            self.lost += max(seq - expected, 0)
            self.waiting = True
            if self._timestamp is not None:
                self._broken = True
                self._finish()
        if not payload:
            return units
        if timestamp != self._timestamp:
            if self._timestamp is not None:
                units += self._finish_unmarked()
            self._timestamp = timestamp
            self._broken = seq != expected and not self._begins_frame(payload)
        if not self._broken:
            self._size += len(payload)
            try:
                if self._size > self._max_frame_bytes:
                    raise Broken
                self._add(payload)
            except (Broken, IndexError):
                self._broken = True
                self._clear()
        if marker:
            self._marked = True
            units += self._finish()
        return units

    def flush(self) -> list[AccessUnit]:
        units = self._finish_unmarked() if self._timestamp is not None else []
        self._expected = None
        self.waiting = True
        return units

    def _finish_unmarked(self) -> list[AccessUnit]:
        self._broken = self._broken or self._marked
        return self._finish()

    def _finish(self) -> list[AccessUnit]:
        timestamp = self._timestamp
        self._timestamp = None
        self._size = 0
        frame: Frame | None = None
        if not self._broken:
            try:
                frame = self._frame()
            except (Broken, IndexError):
                frame = None
        self._clear()
        self._broken = False
        if frame is not None and not frame[0]:
            return []
        if frame is None or timestamp is None or (self.waiting and not frame[1]):
            self.dropped += 1
            self.waiting = True
            return []
        self.waiting = False
        return [AccessUnit(timestamp, *frame)]

    def _begins_frame(self, payload: bytes) -> bool:
        """Whether a frame begins here although the packet before is unknown; keyframes are all that matter then."""
        raise NotImplementedError

    def _add(self, payload: bytes) -> None:
        """Take one payload of the current frame; raises `Broken` or IndexError when it makes no sense."""
        raise NotImplementedError

    def _frame(self) -> Frame | None:
        """The frame from what was added; None when nothing can be made of it."""
        raise NotImplementedError

    def _clear(self) -> None:
        """Forget what was added."""
        raise NotImplementedError
