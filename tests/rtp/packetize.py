"""Real encoders' output cut into RTP payloads, by hand and from the specifications, to test what reads them."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

from liveclass.rtp.codec import CodecName
from tests.scheduling import class_kept

WIDTH, HEIGHT, FRAMES, GOP = 192, 112, 36, 12
TICKS_PER_FRAME = 3000

ENCODERS: dict[CodecName, tuple[str, dict[str, str]]] = {
    "H264": (
        "libx264",
        {"tune": "zerolatency", "profile": "baseline", "x264-params": f"keyint={GOP}:scenecut=0:slices=3"},
    ),
    "VP8": ("libvpx", {"deadline": "realtime", "lag-in-frames": "0", "cpu-used": "8", "auto-alt-ref": "0"}),
    "VP9": ("libvpx-vp9", {"deadline": "realtime", "lag-in-frames": "0", "cpu-used": "8"}),
    "AV1": ("libsvtav1", {"preset": "12", "crf": "45", "svtav1-params": "pred-struct=1:lp=1"}),
}
DECODERS: dict[CodecName, str] = {"H264": "h264", "VP8": "vp8", "VP9": "vp9", "AV1": "libdav1d"}


@dataclass(frozen=True)
class Packet:
    """One RTP packet, as far as a depacketiser sees it."""

    seq: int
    timestamp: int
    marker: bool
    payload: bytes


def moving_picture() -> Iterator[av.VideoFrame]:
    """A noisy gradient that moves, so that frames need several packets and all differ."""
    noise = np.random.default_rng(7).integers(0, 60, (HEIGHT, WIDTH), dtype=np.uint8)
    ramp = np.add.outer(np.arange(HEIGHT), np.arange(WIDTH)).astype(np.uint8)
    for n in range(FRAMES):
        image = np.full((HEIGHT * 3 // 2, WIDTH), 128, dtype=np.uint8)
        image[:HEIGHT] = np.roll(ramp // 2 + noise, n * 5, axis=1)
        frame = av.VideoFrame.from_ndarray(image, format="yuv420p")
        frame.pts = n
        yield frame


@cache
@class_kept()
def encoded(codec: CodecName) -> tuple[tuple[int, bytes, bool], ...]:
    """The picture encoded: RTP timestamp, bytes, keyframe, frame by frame."""
    name, options = ENCODERS[codec]
    context: Any = av.CodecContext.create(name, "w")
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context.time_base = Fraction(1, 30)
    context.framerate = Fraction(30, 1)
    if codec != "AV1":
        # SVT-AV1 has no variable rate without delay; its default is constant quality.
        context.bit_rate = 1_500_000
    context.gop_size = GOP
    context.options = options
    packets = [packet for frame in moving_picture() for packet in context.encode(frame)] + context.encode(None)
    return tuple((packet.pts * TICKS_PER_FRAME, bytes(packet), packet.is_keyframe) for packet in packets)


def decoded(codec: CodecName, units: list[tuple[int, bytes]]) -> dict[int, bytes]:
    """Decode frames; the luma of each by its timestamp."""
    context = av.CodecContext.create(DECODERS[codec], "r")
    if not isinstance(context, VideoCodecContext):
        raise TypeError(codec)
    context.thread_count = 1
    pictures: dict[int, bytes] = {}
    for timestamp, data in [*units, (0, b"")]:
        packet = av.Packet(data) if data else None
        if packet is not None:
            packet.pts = timestamp
        for frame in context.decode(packet):
            if frame.pts is not None:
                pictures[frame.pts] = frame.to_ndarray()[:HEIGHT].tobytes()
    return pictures


def packets(codec: CodecName, mtu: int = 400, first_seq: int = 1000) -> list[Packet]:
    """The encoded picture as RTP packets of at most `mtu` bytes of payload."""
    cut = {"H264": h264_payloads, "VP8": vp8_payloads, "VP9": vp9_payloads, "AV1": av1_payloads}[codec]
    out: list[Packet] = []
    for number, (timestamp, data, keyframe) in enumerate(encoded(codec)):
        payloads = cut(data, keyframe, number, mtu)
        for index, payload in enumerate(payloads):
            out.append(Packet(first_seq + len(out), timestamp, index == len(payloads) - 1, payload))
    return out


def nal_units(data: bytes) -> list[bytes]:
    """Annex B taken apart."""
    return [part.rstrip(b"\x00") for part in data.split(b"\x00\x00\x01") if part.rstrip(b"\x00")]


def h264_payloads(data: bytes, keyframe: bool, number: int, mtu: int) -> list[bytes]:
    """RFC 6184: small NAL units together in a STAP-A, each large one in FU-As."""
    payloads: list[bytes] = []
    small: list[bytes] = []
    for nal in nal_units(data):
        if len(nal) < 64:
            small.append(nal)
            continue
        payloads += _stap_a(small)
        small = []
        if len(nal) <= mtu:
            payloads.append(nal)
            continue
        pieces = [nal[at : at + mtu - 2] for at in range(1, len(nal), mtu - 2)]
        for index, piece in enumerate(pieces):
            flags = (0x80 if index == 0 else 0) | (0x40 if index == len(pieces) - 1 else 0)
            payloads.append(bytes((nal[0] & 0xE0 | 28, flags | nal[0] & 0x1F)) + piece)
    return payloads + _stap_a(small)


def _stap_a(nals: list[bytes]) -> list[bytes]:
    if len(nals) < 2:
        return nals
    return [bytes((0x60 | 24,)) + b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)]


def vp8_payloads(data: bytes, keyframe: bool, number: int, mtu: int) -> list[bytes]:
    """RFC 7741 with a 15-bit picture id."""
    pieces = [data[at : at + mtu - 4] for at in range(0, len(data), mtu - 4)]
    tail = bytes((0x80, 0x80 | number >> 8 & 0x7F, number & 0xFF))
    return [bytes((0x90 if index == 0 else 0x80,)) + tail + piece for index, piece in enumerate(pieces)]


def vp9_payloads(data: bytes, keyframe: bool, number: int, mtu: int) -> list[bytes]:
    """RFC 9628, flexible mode as browsers send it: picture id, one reference, scalability structure on keyframes."""
    out: list[bytes] = []
    at = 0
    while at < len(data):
        head = 0x80 | 0x10 | (0 if keyframe else 0x40) | (0x08 if at == 0 else 0)
        body = bytes((0x80 | number >> 8 & 0x7F, number & 0xFF))
        if not keyframe:
            body += bytes((1 << 1,))
        elif at == 0:
            head |= 0x02
            body += bytes((0x18,)) + WIDTH.to_bytes(2, "big") + HEIGHT.to_bytes(2, "big") + bytes((1, 1 << 2, 1))
        room = mtu - 1 - len(body)
        piece = data[at : at + room]
        at += room
        if at >= len(data):
            head |= 0x04
        out.append(bytes((head,)) + body + piece)
    return out


def leb128(value: int) -> bytes:
    """AV1 specification section 4.10.5."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes((*out, value))


def obus(data: bytes) -> list[bytes]:
    """A temporal unit taken apart, sizes and temporal delimiter removed."""
    out = []
    at = 0
    while at < len(data):
        head = data[at]
        start = at + (2 if head & 4 else 1)
        size = shift = 0
        while True:
            byte = data[start]
            start += 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        if head >> 3 & 15 != 2:
            extension = data[at + 1 : at + 2] if head & 4 else b""
            out.append(bytes((head & 0xFD,)) + extension + data[start : start + size])
        at = start + size
    return out


def av1_payloads(data: bytes, keyframe: bool, number: int, mtu: int) -> list[bytes]:
    """The AV1 RTP specification: elements filled into packets one after the other, W given or 0 by turns."""
    rows: list[list[bytes]] = [[]]
    flags: list[tuple[bool, bool]] = []
    room = mtu - 1
    continued = False
    for obu in obus(data):
        rest = obu
        while rest:
            if room < 4:
                flags.append((continued, False))
                continued = False
                rows.append([])
                room = mtu - 1
            piece = rest[: room - 2]
            rest = rest[len(piece) :]
            rows[-1].append(piece)
            room -= len(piece) + 2
            if rest:
                flags.append((continued, True))
                continued = True
                rows.append([])
                room = mtu - 1
    flags.append((continued, False))
    out = []
    for index, (row, (before, after)) in enumerate(zip(rows, flags, strict=True)):
        count = len(row) if len(row) <= 3 and (number + index) % 2 else 0
        head = (0x80 if before else 0) | (0x40 if after else 0) | count << 4 | (0x08 if keyframe and index == 0 else 0)
        body = b"".join(
            (b"" if count and at == count - 1 else leb128(len(piece))) + piece for at, piece in enumerate(row)
        )
        out.append(bytes((head,)) + body)
    return out
