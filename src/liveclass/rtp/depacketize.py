"""RTP payloads into access units that a muxer can take, one depacketiser per codec.

Takes packets in order of sequence (after `reorder`), joins them into frames, and lets a frame out only when it is whole
and can be decoded: after a loss everything waits for the next keyframe, since a recording that shows grey smear is
worse than one that stands still. Refuses to know clocks, files and who asks for keyframes.
"""

import base64

from liveclass.rtp import payload as payloads
from liveclass.rtp.assemble import MAX_UNITS, AccessUnit, Broken, Depacketizer, Frame, FrameAssembler
from liveclass.rtp.codec import Codec

__all__ = ["AccessUnit", "Depacketizer", "make_depacketizer"]

MAX_FRAME_BYTES = 2_000_000
"""Larger than any keyframe of a 4K screen at sane rates; what grows beyond is a broken or hostile stream."""

MAX_PARAMETER_SETS = 32
"""Parameter sets kept of one H264 frame; encoders send one or two of each kind."""

START_CODE = b"\x00\x00\x00\x01"

_H264_SLICES = frozenset(range(1, payloads.H264_IDR + 1))
_H264_PPS = 8
_H264_FU_A = payloads.H264_FU_A
_OBU_TEMPORAL_DELIMITER = 2
_OBU_SEQUENCE_HEADER = 1
_OBU_TILE_LIST = 8
_TEMPORAL_DELIMITER = b"\x12\x00"


def make_depacketizer(codec: Codec, *, max_frame_bytes: int = MAX_FRAME_BYTES) -> Depacketizer:
    """The depacketiser for a codec.

    Args:
        codec: as negotiated; for H264 its `sprop-parameter-sets` are used until the stream brings its own.
        max_frame_bytes: larger frames are dropped.
    """
    if codec.name == "opus":
        return _Opus()
    if codec.name == "H264":
        return _H264(max_frame_bytes, codec.parameters.get("sprop-parameter-sets", ""))
    if codec.name == "VP8":
        return _Vp8(max_frame_bytes)
    if codec.name == "VP9":
        return _Vp9(max_frame_bytes)
    return _Av1(max_frame_bytes)


class _Opus:
    """One packet is one access unit, and each stands for itself (RFC 7587 section 4.2)."""

    def __init__(self) -> None:
        self.lost = 0
        self.dropped = 0
        self.waiting = False
        self._expected: int | None = None

    def push(self, seq: int, timestamp: int, marker: bool, payload: bytes) -> list[AccessUnit]:
        if self._expected is not None and seq > self._expected:
            self.lost += seq - self._expected
        self._expected = seq + 1
        if not payload:
            return []
        return [AccessUnit(timestamp, payload, True)]

    def flush(self) -> list[AccessUnit]:
        return []


class _H264(FrameAssembler):
    """RFC 6184, packetization modes 0 and 1: single NAL units, STAP-A, FU-A."""

    # "Decoders MUST NOT rely on" the marker (section 5.1): some senders of H264 omit it.
    marker_is_certain = False

    def __init__(self, max_frame_bytes: int, sprop: str) -> None:
        super().__init__(max_frame_bytes)
        self._nals: list[bytes] = []
        self._fragment: bytearray | None = None
        self._sps: list[bytes] = []
        self._pps: list[bytes] = []
        for part in sprop.split(",")[:MAX_PARAMETER_SETS]:
            try:
                nal = base64.b64decode(part, validate=True)
            except ValueError:
                continue
            if nal and nal[0] & 0x1F == payloads.H264_SPS:
                self._sps.append(nal)
            elif nal and nal[0] & 0x1F == _H264_PPS:
                self._pps.append(nal)

    def _begins_frame(self, payload: bytes) -> bool:
        return payloads.is_keyframe_start("H264", payload) or payloads.starts_frame("H264", payload)

    def _add(self, payload: bytes) -> None:
        kind = payload[0] & 0x1F
        fragment = self._fragment
        if kind == _H264_FU_A:
            head = payload[1]
            if head & 0x80:
                if fragment is not None or len(self._nals) > MAX_UNITS:
                    raise Broken
                self._fragment = fragment = bytearray((payload[0] & 0xE0 | head & 0x1F,))
            elif fragment is None:
                raise Broken
            fragment += payload[2:]
            if head & 0x40:
                self._nals.append(bytes(fragment))
                self._fragment = None
            return
        if fragment is not None or len(self._nals) > MAX_UNITS:
            raise Broken
        if kind == payloads.H264_STAP_A:
            offset = 1
            while offset < len(payload):
                size = payload[offset] << 8 | payload[offset + 1]
                offset += 2
                if size == 0 or offset + size > len(payload):
                    raise Broken
                self._nals.append(payload[offset : offset + size])
                offset += size
        elif 1 <= kind < payloads.H264_STAP_A:
            self._nals.append(payload)
        else:
            raise Broken

    def _frame(self) -> Frame | None:
        if self._fragment is not None or not self._nals:
            return None
        nals = self._nals
        kinds = [nal[0] & 0x1F for nal in nals]
        sps = [nal for nal in nals if nal[0] & 0x1F == payloads.H264_SPS] if payloads.H264_SPS in kinds else []
        pps = [nal for nal in nals if nal[0] & 0x1F == _H264_PPS] if _H264_PPS in kinds else []
        if sps:
            self._sps = sps[:MAX_PARAMETER_SETS]
        if pps:
            self._pps = pps[:MAX_PARAMETER_SETS]
        if _H264_SLICES.isdisjoint(kinds):
            return b"", False, ()
        keyframe = payloads.H264_IDR in kinds
        if keyframe:
            if not self._sps or not self._pps:
                return None
            missing = ([] if sps else self._sps) + ([] if pps else self._pps)
            # An access unit delimiter must stay in front (H.264 section 7.4.1.2.3). A missing SPS goes before the PPS.
            front = 1 if kinds[0] == payloads.H264_AUD else 0
            if missing and sps:
                front = kinds.index(payloads.H264_SPS) + len(sps)
            nals = nals[:front] + missing + nals[front:]
        return START_CODE + START_CODE.join(nals), keyframe, nals

    def _clear(self) -> None:
        self._nals = []
        self._fragment = None


class _Joined(FrameAssembler):
    """A frame that is the plain concatenation of what follows the payload descriptors."""

    def __init__(self, max_frame_bytes: int) -> None:
        super().__init__(max_frame_bytes)
        self._data = bytearray()
        self._keyframe = False

    def _frame(self) -> Frame | None:
        return (bytes(self._data), self._keyframe, ()) if self._data else None

    def _clear(self) -> None:
        self._data = bytearray()
        self._keyframe = False


class _Vp8(_Joined):
    """RFC 7741 section 4."""

    def _begins_frame(self, payload: bytes) -> bool:
        return payloads.starts_frame("VP8", payload)

    def _add(self, payload: bytes) -> None:
        length = payloads.vp8_header_length(payload)
        if length == 0:
            raise Broken
        if not self._data:
            if not payloads.starts_frame("VP8", payload):
                raise Broken
            self._keyframe = not payload[length] & 0x01
        self._data += payload[length:]


class _Vp9(_Joined):
    """RFC 9628 section 4, one spatial layer; further layers are joined as they come."""

    def _begins_frame(self, payload: bytes) -> bool:
        return payloads.starts_frame("VP9", payload)

    def _add(self, payload: bytes) -> None:
        length = vp9_header_length(payload)
        if length >= len(payload):
            raise Broken
        if not self._data:
            if not payload[0] & 0x08:
                raise Broken
            self._keyframe = payloads.is_keyframe_start("VP9", payload)
        self._data += payload[length:]


class _Av1(FrameAssembler):
    """The AV1 RTP specification, section 4: OBU elements without sizes, which are put back."""

    def __init__(self, max_frame_bytes: int) -> None:
        super().__init__(max_frame_bytes)
        self._obus: list[bytearray] = []
        self._open = False

    def _begins_frame(self, payload: bytes) -> bool:
        return payloads.is_keyframe_start("AV1", payload)

    def _add(self, payload: bytes) -> None:
        head = payload[0]
        continues, goes_on, elements = bool(head & 0x80), bool(head & 0x40), head >> 4 & 3
        if continues != self._open or len(self._obus) > MAX_UNITS:
            raise Broken
        offset = 1
        count = 0
        size = len(payload)
        while offset < size:
            count += 1
            if elements and count > elements:
                raise Broken
            if count == elements:
                length = size - offset
            else:
                length, offset = _leb128(payload, offset)
                if offset + length > size:
                    raise Broken
            element = payload[offset : offset + length]
            offset += length
            if count == 1 and continues:
                self._obus[-1] += element
            elif element:
                self._obus.append(bytearray(element))
        if count < elements or not count:
            raise Broken
        self._open = goes_on

    def _frame(self) -> Frame | None:
        if self._open:
            return None
        out = bytearray(_TEMPORAL_DELIMITER)
        keyframe = False
        for obu in self._obus:
            kind = obu[0] >> 3 & 0x0F
            if kind in {_OBU_TEMPORAL_DELIMITER, _OBU_TILE_LIST}:
                continue
            keyframe = keyframe or kind == _OBU_SEQUENCE_HEADER
            start = 2 if obu[0] & 0x04 else 1
            out.append(obu[0] & 0xFD | 0x02)
            if start == 2:
                out.append(obu[1])
            if obu[0] & 0x02:
                # The sender left the size in, which the specification discourages but allows.
                length, body = _leb128(obu, start)
                if body + length > len(obu):
                    raise Broken
                out += obu[start : body + length]
            else:
                out += _build_leb128(len(obu) - start) + obu[start:]
        return (bytes(out), keyframe, ()) if len(out) > len(_TEMPORAL_DELIMITER) else None

    def _clear(self) -> None:
        self._obus = []
        self._open = False


def vp9_header_length(payload: bytes) -> int:
    """Bytes of the VP9 payload descriptor (RFC 9628 section 4.2).

    Raises:
        IndexError: it is cut off.
    """
    head = payload[0]
    predicted, flexible = head & 0x40, head & 0x10
    offset = 1
    if head & 0x80:
        offset += 2 if payload[offset] & 0x80 else 1
    if head & 0x20:
        offset += 1 if flexible else 2
    if flexible and predicted:
        for _ in range(3):
            more = payload[offset] & 0x01
            offset += 1
            if not more:
                break
    if head & 0x02:
        structure = payload[offset]
        offset += 1
        if structure & 0x10:
            offset += 4 * ((structure >> 5) + 1)
        if structure & 0x08:
            pictures = payload[offset]
            offset += 1
            for _ in range(pictures):
                offset += 1 + (payload[offset] >> 2 & 0x03)
    return offset


def _leb128(data: bytes | bytearray, offset: int) -> tuple[int, int]:
    """A length and where it ends (AV1 specification section 4.10.5); over 32 bits is refused."""
    value = 0
    for shift in range(0, 35, 7):
        byte = data[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, offset
    raise Broken


def _build_leb128(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
