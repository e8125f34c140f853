"""What fills the main track where nobody's sound or picture is: silence, and plain dark paper.

Coded once and kept here as bytes, so that recording needs no encoder. Knows nothing of when to fill.
"""

from liveclass.recording.formats import PictureFormat, picture_format, to_sample

PAPER_FRAME_S = 1.0
"""One picture a second: enough for a player to seek by, and some 250 bytes."""

# 320x180, constrained baseline level 1.3, one colour (Y 45, Cb 126, Cr 129: #24211d in BT.709), made with
# x264 -preset veryslow -tune zerolatency -crf 20; tests decode it. Two pictures, because consecutive IDR pictures must
# differ in idr_pic_id (ITU-T H.264 section 7.4.3).
_PAPER_SPS = bytes.fromhex("6742c00ddc1419f9e6a02020280000030008000003001478a15c")
_PAPER_PPS = bytes.fromhex("68ce06cb20")
_PAPER_IDR = (
    bytes.fromhex(
        "65888404bc4628000e51c700010078e0064e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4ebaebaebaebaebaebaebaebaebaebaeba"
        "ebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaeb"
        "aebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebae"
        "baebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaf"
    ),
    bytes.fromhex(
        "658882014fffffc11450001405f1c000401e380193939393939393939393939393939393939393aebaebaebaebaebaebaebaebae"
        "baebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaeba"
        "ebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaeb"
        "aebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebaebc0"
    ),
)
_START = b"\0\0\0\1"


def _paper_format() -> PictureFormat:
    found = picture_format("H264", _START + _PAPER_SPS + _START + _PAPER_PPS)
    if found is None:
        raise ValueError("the built-in picture is damaged")
    return found


PAPER_FORMAT = _paper_format()
PAPER_SAMPLES = tuple(to_sample("H264", _START.join((b"", _PAPER_SPS, _PAPER_PPS, picture))) for picture in _PAPER_IDR)


def silence(ticks: int) -> list[tuple[bytes, int]]:
    """Opus packets of silence that last `ticks` samples at 48 kHz, down to whole 2.5 ms: (packet, duration).

    A full-band CELT frame whose first bit says "silence" (RFC 6716 section 4.3.1), in the longest frames that fit.
    """
    packets = []
    for duration, toc in _SILENT_FRAMES:
        count, ticks = divmod(ticks, duration)
        packets += [(toc, duration)] * count
    return packets


SILENCE_STEP = 120
"""The shortest Opus frame, 2.5 ms at 48 kHz: how exactly a gap can be filled."""

# Configurations 31 to 28 of RFC 6716 section 3.1 (20, 10, 5, 2.5 ms), mono.
_SILENT_FRAMES = (
    (960, b"\xf8\xff\xfe"),
    (480, b"\xf0\xff\xfe"),
    (240, b"\xe8\xff\xfe"),
    (120, b"\xe0\xff\xfe"),
)
