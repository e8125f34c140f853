"""What MP4 says about a codec: sample entries made from a keyframe, and access units as MP4 stores them.

H264 (ISO/IEC 14496-15), VP9 (VP Codec ISO Media File Format Binding 1.0), AV1 (AV1-ISOBMFF 1.2) and Opus
(Encapsulation of Opus in ISOBMFF 0.8). Reads only headers, in Python: no native decoder sees a peer's media in this
process. VP8 has no place here: MP4 players do not take it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from struct import Struct, pack

from liveclass.recording.bits import BitReader, without_emulation_prevention
from liveclass.recording.fmp4 import box, full_box
from liveclass.rtp.codec import CodecName

# Largest picture that any of the decoders of a classroom takes; a header that says more is not a header.
MAX_SIDE = 8192

_U32 = Struct(">I")
_H264_SPS, _H264_PPS, _H264_AUD = 7, 8, 9
# Profiles whose SPS carries chroma format and bit depth (ITU-T H.264 section 7.3.2.1.1).
_H264_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
# avcC counts picture parameter sets in one byte and their sizes in two; real ones have some ten bytes.
_MAX_PPS, _MAX_SET_BYTES = 255, 1024
_VP9_SYNC = 0x498342
_VP9_SRGB = 7
_OBU_SEQUENCE_HEADER, _OBU_TEMPORAL_DELIMITER = 1, 2
# Luma samples per picture to VP9 level (VP9 levels, 30 pictures/s assumed); players use it as a hint only.
_VP9_LEVELS = ((36_864, 10), (73_728, 11), (122_880, 20), (245_760, 21), (552_960, 30), (983_040, 31), (2_228_224, 40))


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """How a run of pictures is coded; two are equal exactly when one initialisation segment serves both.

    Attributes:
        codec: as in the `CODECS` attribute (RFC 6381).
        entry: the sample entry box.
    """

    codec: str = field(compare=False)
    width: int
    height: int
    entry: bytes = field(repr=False)


def opus_entry(channels: int = 2) -> bytes:
    """The sample entry of Opus; WebRTC's is always offered as 48 kHz, two channels (RFC 7587 section 7).

    The pre-skip is zero: the first packets of a recording are as good as any other.
    """
    specific = box(b"dOps", pack(">BBHIhB", 0, channels, 0, 48_000, 0, 0))
    return box(b"Opus", bytes(6), pack(">H8xHHHHI", 1, channels, 16, 0, 0, 48_000 << 16), specific)


OPUS_CODEC = "opus"


def opus_duration(packet: bytes) -> int:
    """Samples at 48 kHz in an Opus packet, from its table of contents (RFC 6716 section 3.1); 0 if invalid."""
    if not packet:
        return 0
    toc = packet[0]
    return _OPUS_DURATIONS[toc] if toc & 3 != 3 else _opus_duration(toc, packet[1] & 0x3F if len(packet) > 1 else 0)


def _opus_duration(toc: int, frames: int) -> int:
    config = toc >> 3
    if config < 12:
        frame = (480, 960, 1920, 2880)[config & 3]
    elif config < 16:
        frame = (480, 960)[config & 1]
    else:
        frame = (120, 240, 480, 960)[config & 3]
    count = (1, 2, 2, frames)[toc & 3]
    # Section 3.2.5: a packet never lasts longer than 120 ms.
    return frame * count if frame * count <= 5760 else 0


_OPUS_DURATIONS = tuple(_opus_duration(toc, 0) for toc in range(256))


def picture_format(codec: CodecName, keyframe: bytes) -> PictureFormat | None:
    """The format of a keyframe (H264 in Annex B form); None when its header makes no sense or MP4 cannot carry it."""
    reader = {"H264": _h264_format, "VP9": _vp9_format, "AV1": _av1_format}.get(codec)
    if reader is None:
        return None
    try:
        found = reader(keyframe)
    except (ValueError, IndexError):
        return None
    return found


def to_sample(codec: CodecName, unit: bytes, nals: Sequence[bytes] = ()) -> bytes:
    """An access unit as MP4 stores it: H264 length-prefixed without delimiters, AV1 without temporal delimiters.

    H264 keeps its parameter sets in the stream beside those of the sample entry: players do not mind, and ffmpeg does
    not hear of a new sample entry in the middle of a playlist.

    Args:
        nals: of H264, where they are known: the search for start codes would be the dearest part of a picture.
    """
    if codec == "H264":
        parts: list[bytes] = []
        for nal in [nal.rstrip(b"\0") for nal in nals] if nals else nal_units(unit):
            if nal and nal[0] & 0x1F != _H264_AUD:
                parts += (_U32.pack(len(nal)), nal)
        return b"".join(parts)
    if codec == "AV1":
        return b"".join(whole for kind, _, whole in _obus(unit) if kind != _OBU_TEMPORAL_DELIMITER)
    return unit


def nal_units(stream: bytes) -> list[bytes]:
    """The NAL units of an Annex B byte stream (ITU-T H.264 annex B), without start codes and padding; none is empty."""
    units = []
    begin = stream.find(b"\0\0\1")
    while begin >= 0:
        end = stream.find(b"\0\0\1", begin + 3)
        unit = (stream[begin + 3 :] if end < 0 else stream[begin + 3 : end]).rstrip(b"\0")
        if unit:
            units.append(unit)
        begin = end
    return units


def _video_entry(kind: bytes, width: int, height: int, configuration: bytes) -> bytes:
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise ValueError("an impossible size")
    resolution = 0x00480000  # 72 dpi, as the standard's template says
    fields = pack(">H16xHHIIIH32xHh", 1, width, height, resolution, resolution, 0, 1, 0x18, -1)
    # Square pixels, said outright: some players take the absence for "unknown".
    return box(kind, bytes(6), fields, configuration, box(b"pasp", pack(">II", 1, 1)))


def _h264_format(unit: bytes) -> PictureFormat | None:
    sps: bytes | None = None
    pps: list[bytes] = []
    for nal in nal_units(unit):
        kind = nal[0] & 0x1F
        if kind == _H264_SPS:
            sps = nal
        elif kind == _H264_PPS and nal not in pps:
            pps.append(nal)
    if (
        sps is None
        or not pps
        or len(sps) < 4
        or len(pps) > _MAX_PPS
        or any(len(n) > _MAX_SET_BYTES for n in (sps, *pps))
    ):
        return None
    width, height, chroma, luma_depth, chroma_depth = _read_sps(sps)
    extension = b""
    if sps[1] in (100, 110, 122, 144):
        extension = bytes((0xFC | chroma, 0xF8 | luma_depth - 8, 0xF8 | chroma_depth - 8, 0))
    configuration = box(
        b"avcC",
        bytes((1, sps[1], sps[2], sps[3], 0xFF, 0xE1)),
        pack(">H", len(sps)),
        sps,
        bytes((len(pps),)),
        *(pack(">H", len(nal)) + nal for nal in pps),
        extension,
    )
    codec = f"avc1.{sps[1]:02x}{sps[2]:02x}{sps[3]:02x}"
    return PictureFormat(codec, width, height, _video_entry(b"avc1", width, height, configuration))


def _read_sps(sps: bytes) -> tuple[int, int, int, int, int]:
    """Width, height, chroma format, luma and chroma bit depth (ITU-T H.264 section 7.3.2.1.1)."""
    bits = BitReader(without_emulation_prevention(sps[1:]))
    profile = bits.u(8)
    bits.skip(16)
    bits.ue()  # seq_parameter_set_id
    chroma, luma_depth, chroma_depth, separate = 1, 8, 8, 0
    if profile in _H264_HIGH_PROFILES:
        chroma = bits.ue()
        if chroma == 3:
            separate = bits.u(1)
        luma_depth, chroma_depth = 8 + bits.ue(), 8 + bits.ue()
        bits.skip(1)
        if bits.u(1):
            for index in range(8 if chroma != 3 else 12):
                if bits.u(1):
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    if chroma > 3 or luma_depth > 14 or chroma_depth > 14:
        raise ValueError("an impossible picture")
    bits.ue()  # log2_max_frame_num_minus4
    order = bits.ue()
    if order == 0:
        bits.ue()
    elif order == 1:
        bits.skip(1)
        bits.se()
        bits.se()
        for _ in range(min(bits.ue(), 255)):
            bits.se()
    bits.ue()  # max_num_ref_frames
    bits.skip(1)
    width = (bits.ue() + 1) * 16
    map_units = bits.ue() + 1
    frame_only = bits.u(1)
    height = map_units * 16 * (2 - frame_only)
    if not frame_only:
        bits.skip(1)
    bits.skip(1)
    if bits.u(1):
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
        unit_x = 1 if separate or chroma in (0, 3) else 2
        unit_y = (1 if separate or chroma != 1 else 2) * (2 - frame_only)
        width -= (left + right) * unit_x
        height -= (top + bottom) * unit_y
    return width, height, chroma, luma_depth, chroma_depth


def _skip_scaling_list(bits: BitReader, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _vp9_format(frame: bytes) -> PictureFormat | None:
    """VP9 bitstream specification 0.6, section 6.2: uncompressed header of a keyframe."""
    bits = BitReader(frame)
    if bits.u(2) != 2:
        return None
    profile = bits.u(1) | bits.u(1) << 1
    if profile == 3:
        bits.skip(1)
    if bits.u(1) or bits.u(1):  # show_existing_frame, or not a keyframe
        return None
    bits.skip(2)
    if bits.u(24) != _VP9_SYNC:
        return None
    depth = (12 if bits.u(1) else 10) if profile >= 2 else 8
    full_range, chroma = 0, 1  # 4:2:0, colocated with luma
    if bits.u(3) != _VP9_SRGB:
        full_range = bits.u(1)
        if profile in (1, 3):
            chroma = {(1, 0): 2, (0, 0): 3}.get((bits.u(1), bits.u(1)), 1)
            bits.skip(1)
    else:
        full_range, chroma = 1, 3
        if profile in (1, 3):
            bits.skip(1)
    width, height = bits.u(16) + 1, bits.u(16) + 1
    level = next((level for limit, level in _VP9_LEVELS if width * height <= limit), 50)
    unspecified = 2
    configuration = full_box(
        b"vpcC",
        1,
        0,
        bytes((profile, level, depth << 4 | chroma << 1 | full_range, unspecified, unspecified, unspecified, 0, 0)),
    )
    codec = f"vp09.{profile:02d}.{level:02d}.{depth:02d}"
    return PictureFormat(codec, width, height, _video_entry(b"vp09", width, height, configuration))


def _obus(unit: bytes) -> list[tuple[int, bytes, bytes]]:
    """The OBUs of a temporal unit in low-overhead form: (type, payload, whole OBU). Raises ValueError when torn."""
    found = []
    position = 0
    while position < len(unit):
        header = unit[position]
        if header & 0x80 or not header & 0x02:
            raise ValueError("an OBU without a size")
        payload = position + (2 if header & 0x04 else 1)
        size = shift = 0
        while True:
            if payload >= len(unit) or shift > 28:
                raise ValueError("an OBU with a torn size")
            byte = unit[payload]
            payload += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
        if payload + size > len(unit):
            raise ValueError("a torn OBU")
        found.append((header >> 3 & 0x0F, unit[payload : payload + size], unit[position : payload + size]))
        position = payload + size
    return found


def _av1_format(unit: bytes) -> PictureFormat | None:
    found = next(((payload, whole) for kind, payload, whole in _obus(unit) if kind == _OBU_SEQUENCE_HEADER), None)
    if found is None:
        return None
    header, obu = found
    bits = BitReader(header)
    profile = bits.u(3)
    bits.skip(1)
    reduced = bits.u(1)
    level, tier = _read_operating_points(bits, reduced)
    width_bits, height_bits = bits.u(4) + 1, bits.u(4) + 1
    width, height = bits.u(width_bits) + 1, bits.u(height_bits) + 1
    _skip_coding_tools(bits, reduced)
    high = bits.u(1)
    twelve = bits.u(1) if profile == 2 and high else 0
    monochrome = bits.u(1) if profile != 1 else 0
    colours = (bits.u(8), bits.u(8), bits.u(8)) if bits.u(1) else (2, 2, 2)
    sub_x, sub_y, position = _read_chroma(bits, profile, monochrome, twelve, colours)
    depth = 12 if twelve else 10 if high else 8
    configuration = box(
        b"av1C",
        bytes(
            (
                0x81,
                profile << 5 | level,
                tier << 7 | high << 6 | twelve << 5 | monochrome << 4 | sub_x << 3 | sub_y << 2 | position,
                0,
            )
        ),
        obu,
    )
    codec = f"av01.{profile}.{level:02d}{'H' if tier else 'M'}.{depth:02d}"
    return PictureFormat(codec, width, height, _video_entry(b"av01", width, height, configuration))


def _read_operating_points(bits: BitReader, reduced: int) -> tuple[int, int]:
    """Level and tier of the first operating point (AV1 bitstream specification section 5.5.1)."""
    if reduced:
        return bits.u(5), 0
    decoder_model, delay_bits = 0, 0
    if bits.u(1):  # timing_info_present_flag
        bits.skip(64)
        if bits.u(1):
            bits.ue()  # num_ticks_per_picture_minus_1 is uvlc, the same code
        decoder_model = bits.u(1)
        if decoder_model:
            delay_bits = bits.u(5) + 1
            bits.skip(42)
    initial_delay = bits.u(1)
    level = tier = 0
    for index in range(bits.u(5) + 1):
        bits.skip(12)
        this_level = bits.u(5)
        this_tier = bits.u(1) if this_level > 7 else 0
        if index == 0:
            level, tier = this_level, this_tier
        if decoder_model and bits.u(1):
            bits.skip(2 * delay_bits + 1)
        if initial_delay and bits.u(1):
            bits.skip(4)
    return level, tier


def _skip_coding_tools(bits: BitReader, reduced: int) -> None:
    """From frame_id_numbers_present_flag to film grain's neighbour (AV1 bitstream specification section 5.5.1)."""
    if not reduced and bits.u(1):
        bits.skip(7)
    bits.skip(3)  # superblock size, filter intra, intra edge
    if not reduced:
        bits.skip(4)  # interintra, masked, warped motion, dual filter
        if bits.u(1):  # order hint
            order_hint = 1
            bits.skip(2)
        else:
            order_hint = 0
        screen_content = 2 if bits.u(1) else bits.u(1)
        if screen_content and not bits.u(1):
            bits.skip(1)
        if order_hint:
            bits.skip(3)
    bits.skip(3)  # superres, cdef, restoration


def _read_chroma(
    bits: BitReader, profile: int, monochrome: int, twelve: int, colours: tuple[int, int, int]
) -> tuple[int, int, int]:
    """Subsampling and chroma position (AV1 bitstream specification section 5.5.2)."""
    if monochrome:
        return 1, 1, 0
    if colours == (1, 13, 0):  # BT.709 primaries, sRGB transfer, identity matrix
        return 0, 0, 0
    bits.skip(1)
    if profile == 0:
        sub_x, sub_y = 1, 1
    elif profile == 1:
        sub_x, sub_y = 0, 0
    elif twelve:
        sub_x = bits.u(1)
        sub_y = bits.u(1) if sub_x else 0
    else:
        sub_x, sub_y = 1, 0
    return sub_x, sub_y, bits.u(2) if sub_x and sub_y else 0
