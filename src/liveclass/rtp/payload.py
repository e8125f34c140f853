"""Where frames and keyframes begin, and which frames nothing depends on, told from the first bytes of an RTP payload.

Runs per video packet while a slot waits for a keyframe or leaves frames out, so it looks at a few bytes, keeps no state
and never raises: a payload that makes no sense is simply not the start of anything, and stays.
"""

from collections.abc import Callable

from liveclass.rtp.codec import CodecName

H264_IDR = 5
H264_SEI = 6
H264_SPS = 7
H264_AUD = 9
H264_STAP_A = 24
H264_FU_A = 28

_H264_EXPENDABLE = frozenset({1, 2, 3, 4, H264_SEI, H264_AUD, 12})
"""NAL units that may be left out when they say that nothing refers to them: slices that are no keyframe, remarks,
delimiters, filler. Parameter sets and keyframes are kept whatever an encoder claims."""

_MAX_AGGREGATED = 16
"""NAL units looked at in one STAP-A: parameter sets and the first slice come first."""


def is_keyframe_start(codec: CodecName, payload: bytes) -> bool:
    """Whether a receiver that knows nothing of the stream can start to decode at this packet.

    Args:
        codec: the name as in `Codec.name`; every packet of Opus is a start.
        payload: of one RTP packet, without padding.
    """
    return _KEYFRAME[codec](payload)


def starts_frame(codec: CodecName, payload: bytes) -> bool:
    """Whether this packet surely begins a frame, as far as its own bytes tell.

    False for an H264 packet that may be a further slice of a frame, though it can be the first.
    """
    return _FRAME[codec](payload)


def keyframe_detector(codec: CodecName) -> Callable[[bytes], bool]:
    """`is_keyframe_start` for one codec, for loops that must not look it up each time."""
    return _KEYFRAME[codec]


def frame_detector(codec: CodecName) -> Callable[[bytes], bool]:
    """`starts_frame` for one codec."""
    return _FRAME[codec]


def droppable(codec: CodecName) -> Callable[[bytes], bool]:
    """A test of packets: is this one of a frame that may be left out without harm to the frames that stay?

    All packets for which it holds must be left out together: with VP8 and VP9 these are the upper temporal layers,
    whose frames may refer to each other. When to send them again, `resumes` tells. Sound and AV1 (whose payload does
    not say) have none. The answer is the same for every packet of a frame, but that packets which hold H264 remarks or
    delimiters alone may always go: left behind without their frame, they would make a frame of their own.
    """
    return _DROPPABLE[codec]


def resumes(codec: CodecName) -> Callable[[bytes], bool]:
    """A test of packets: may frames that were left out by `droppable` be sent again from this packet on?

    It holds at the first packet of a frame that neither itself nor through later frames needs one that was left out.
    """
    return _RESUMES[codec]


def _never(payload: bytes) -> bool:
    return False


def _always(payload: bytes) -> bool:
    return bool(payload)


def _h264_keyframe(payload: bytes) -> bool:
    """RFC 6184 section 5.2: an SPS, or the first slice of an IDR picture, alone, aggregated or fragmented.

    A slice is the first one of its picture when `first_mb_in_slice` is 0, which ue(v) writes as a single 1 bit.
    """
    if len(payload) < 2:
        return False
    kind = payload[0] & 0x1F
    if kind == H264_FU_A:
        start = payload[1]
        if not start & 0x80:
            return False
        kind = start & 0x1F
        return kind == H264_SPS or (kind == H264_IDR and len(payload) > 2 and payload[2] > 0x7F)
    if kind == H264_STAP_A:
        offset = 1
        size = len(payload)
        for _ in range(_MAX_AGGREGATED):
            if offset + 3 > size:
                return False
            kind = payload[offset + 2] & 0x1F
            if kind == H264_SPS:
                return True
            if kind == H264_IDR:
                return offset + 3 < size and payload[offset + 3] > 0x7F
            offset += 2 + (payload[offset] << 8 | payload[offset + 1])
        return False
    return kind == H264_SPS or (kind == H264_IDR and payload[1] > 0x7F)


def _h264_frame(payload: bytes) -> bool:
    """An access unit delimiter, SPS or a slice with `first_mb_in_slice` 0 (RFC 6184 section 5.2)."""
    if len(payload) < 2:
        return False
    kind = payload[0] & 0x1F
    offset = 1
    if kind == H264_FU_A:
        if not payload[1] & 0x80:
            return False
        kind = payload[1] & 0x1F
        offset = 2
    elif kind == H264_STAP_A:
        if len(payload) < 4:
            return False
        kind = payload[3] & 0x1F
        offset = 4
    if kind in {H264_SPS, H264_AUD}:
        return True
    return 1 <= kind <= H264_IDR and offset < len(payload) and payload[offset] > 0x7F


def _h264_droppable(payload: bytes) -> bool:
    """nal_ref_idc 0 in every NAL unit that the packet holds or is a part of (RFC 6184 sections 1.3, 5.7.1 and 5.8)."""
    if len(payload) < 2:
        return False
    first = payload[0]
    kind = first & 0x1F
    if kind == H264_STAP_A:
        return _h264_all_droppable(payload)
    if first & 0x60:
        return False
    return (payload[1] & 0x1F if kind == H264_FU_A else kind) in _H264_EXPENDABLE


def _h264_all_droppable(payload: bytes) -> bool:
    # The packet's own nal_ref_idc is not asked: not every packetizer makes it the highest of those inside.
    offset = 1
    size = len(payload)
    for _ in range(_MAX_AGGREGATED):
        if offset + 3 > size or payload[offset + 2] & 0x60 or payload[offset + 2] & 0x1F not in _H264_EXPENDABLE:
            return False
        offset += 2 + (payload[offset] << 8 | payload[offset + 1])
        if offset == size:
            return True
    return False


def vp8_header_length(payload: bytes) -> int:
    """Bytes of the VP8 payload descriptor (RFC 7741 section 4.2); 0 when it is cut off or nothing follows it."""
    size = len(payload)
    if not size:
        return 0
    length = 1
    if payload[0] & 0x80:
        if size < 2:
            return 0
        extended = payload[1]
        length = 2
        if extended & 0x80:
            if size < 3:
                return 0
            length += 2 if payload[2] & 0x80 else 1
        if extended & 0x40:
            length += 1
        if extended & 0x30:
            length += 1
    return length if length < size else 0


def _vp8_frame(payload: bytes) -> bool:
    """S set and partition 0 (RFC 7741 section 4.2)."""
    return bool(payload) and payload[0] & 0x17 == 0x10


def _vp8_keyframe(payload: bytes) -> bool:
    """Start of the first partition, and P clear in the VP8 header behind it (RFC 7741 section 4.3)."""
    if not payload or payload[0] & 0x17 != 0x10:
        return False
    length = vp8_header_length(payload)
    return length > 0 and not payload[length] & 0x01


def _vp8_layer(payload: bytes) -> int:
    """The byte that holds TID and Y (RFC 7741 section 4.2), -1 where the stream has no temporal layers."""
    if len(payload) < 3 or not payload[0] & 0x80 or not payload[1] & 0x20:
        return -1
    offset = 2
    if payload[1] & 0x80:
        offset += 2 if payload[2] & 0x80 else 1
    if payload[1] & 0x40:
        offset += 1
    return payload[offset] if offset < len(payload) else -1


def _vp8_droppable(payload: bytes) -> bool:
    """N set in a stream without temporal layers; TID above 0 in one with them (RFC 7741 section 4.2)."""
    if not payload:
        return False
    layer = _vp8_layer(payload)
    return bool(payload[0] & 0x20) if layer < 0 else layer > 0x3F


def _vp8_resumes(payload: bytes) -> bool:
    """A keyframe; a frame of the first upper layer that depends on the lowest alone (Y set, RFC 7741 section 4.2);
    without layers any frame. Encoders let the layers above synchronise behind the first one.
    """
    if not payload or payload[0] & 0x17 != 0x10:
        return False
    layer = _vp8_layer(payload)
    return layer < 0 or layer & 0xE0 == 0x60 or _vp8_keyframe(payload)


def _vp9_frame(payload: bytes) -> bool:
    """B set, and not a further spatial layer of the same picture (RFC 9628 section 4.2)."""
    if not payload or not payload[0] & 0x08:
        return False
    return _vp9_spatial_layer(payload) == 0


def _vp9_keyframe(payload: bytes) -> bool:
    """B set, P clear, lowest spatial layer (RFC 9628 section 4.2)."""
    if not payload or payload[0] & 0x48 != 0x08:
        return False
    return _vp9_spatial_layer(payload) == 0


def _vp9_layer(payload: bytes) -> int:
    """The byte that holds TID, U, SID and D (RFC 9628 section 4.2); 0 in a stream without layers, -1 when cut off."""
    first = payload[0]
    if not first & 0x20:
        return 0
    offset = 1
    if first & 0x80:
        if len(payload) < 2:
            return -1
        offset += 2 if payload[1] & 0x80 else 1
    return payload[offset] if offset < len(payload) else -1


def _vp9_spatial_layer(payload: bytes) -> int:
    """The spatial layer (SID), 0 when the stream has no layers, -1 when the descriptor is cut off."""
    layer = _vp9_layer(payload)
    return layer if layer < 0 else layer >> 1 & 0x07


def _vp9_droppable(payload: bytes) -> bool:
    """TID above 0: frames of lower temporal layers never refer to it (RFC 9628 sections 3.1 and 4.2)."""
    return bool(payload) and _vp9_layer(payload) > 0x1F


def _vp9_resumes(payload: bytes) -> bool:
    """A keyframe, or a picture of the lowest temporal layer from which switching up is safe (U)."""
    if not payload or not payload[0] & 0x08:
        return False
    layer = _vp9_layer(payload)
    return layer >= 0 and not layer & 0x0E and (not payload[0] & 0x40 or layer & 0xF0 == 0x10)


def _av1_frame(payload: bytes) -> bool:
    """Z clear: the first OBU is not a continuation (AV1 RTP specification section 4.4).

    Z is clear too where a packet ended exactly with an OBU within a frame; only the marker before it can tell.
    """
    return len(payload) > 1 and not payload[0] & 0x80


def _av1_keyframe(payload: bytes) -> bool:
    """N set: the first packet of a coded video sequence (AV1 RTP specification section 4.4)."""
    return len(payload) > 1 and payload[0] & 0x88 == 0x08


_KEYFRAME: dict[CodecName, Callable[[bytes], bool]] = {
    "opus": _always,
    "H264": _h264_keyframe,
    "VP8": _vp8_keyframe,
    "VP9": _vp9_keyframe,
    "AV1": _av1_keyframe,
}

_FRAME: dict[CodecName, Callable[[bytes], bool]] = {
    "opus": _always,
    "H264": _h264_frame,
    "VP8": _vp8_frame,
    "VP9": _vp9_frame,
    "AV1": _av1_frame,
}

_DROPPABLE: dict[CodecName, Callable[[bytes], bool]] = {
    "opus": _never,
    "H264": _h264_droppable,
    "VP8": _vp8_droppable,
    "VP9": _vp9_droppable,
    "AV1": _never,
}

_RESUMES: dict[CodecName, Callable[[bytes], bool]] = {
    "opus": _always,
    "H264": _h264_frame,
    "VP8": _vp8_resumes,
    "VP9": _vp9_resumes,
    "AV1": _av1_keyframe,
}
