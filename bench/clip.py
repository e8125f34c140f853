"""The media that is published: a looped clip, encoded and packetised once (H264 or VP8 at 720p30, and Opus).

Knows nothing of servers; 1 Mbit/s and about 175 packets a second are a lesson as the pages send it.
"""

import fractions
import os
import sys
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np

FPS, SECONDS, WIDTH, HEIGHT, PAYLOAD = 30, 4, 1280, 720, 1100
Payloads = list[bytes]
Clip = tuple[list[Payloads], Payloads]
CACHE = Path(__file__).parent / "results"


def _encoder(codec: str, bitrate: int) -> Any:
    context: Any = av.CodecContext.create("libx264" if codec == "h264" else "libvpx", "w")
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context.time_base, context.bit_rate, context.gop_size = fractions.Fraction(1, FPS), bitrate, 2 * FPS
    if codec == "h264":
        context.options = {
            "profile": "baseline", "preset": "veryfast", "tune": "zerolatency", "sc_threshold": "0", "bf": "0",
            "maxrate": str(bitrate), "bufsize": str(bitrate), "x264-params": "sliced-threads=0:threads=1",
        }  # fmt: skip
    else:
        context.options = {
            "deadline": "realtime", "cpu-used": "8", "minrate": str(bitrate), "maxrate": str(bitrate),
            "bufsize": str(bitrate), "undershoot-pct": "100", "lag-in-frames": "0",
        }  # fmt: skip
    return context


def _video(codec: str, bitrate: int) -> list[Payloads]:
    context = _encoder(codec, bitrate)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    noise = np.random.default_rng(1).integers(0, 60, (HEIGHT, WIDTH))
    frames: list[bytes] = []
    for i in range(FPS * SECONDS):
        # a textured background with a moving, noisy box: about what a talking head costs
        luma = 80 + 40 * np.sin(x / 40) * np.cos(y / 30)
        left = 200 + 6 * (i % 100)
        luma[200:520, left : left + 320] += np.roll(noise, 3 * i, 1)[200:520, left : left + 320]
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane, data in zip(
            frame.planes, (luma, np.full((360, 640), 128 + i % 20), np.full((360, 640), 120)), strict=True
        ):
            rows = np.zeros((plane.height, plane.line_size), np.uint8)
            rows[:, : plane.width] = data
            plane.update(rows.tobytes())
        frame.pts, frame.time_base = i, context.time_base
        frames += [bytes(packet) for packet in context.encode(frame)]
    frames += [bytes(packet) for packet in context.encode(None)]
    return [h264_payloads(frame) if codec == "h264" else vp8_payloads(frame) for frame in frames]


def vp8_payloads(frame: bytes) -> Payloads:
    """A VP8 frame as RFC 7741 section 4.2 has it, the shortest descriptor: S bit on the first packet, no picture id."""
    starts = range(0, len(frame), PAYLOAD)
    return [(b"\x10" if at == 0 else b"\x00") + frame[at : at + PAYLOAD] for at in starts]


def h264_payloads(frame: bytes) -> Payloads:
    """A frame in Annex B as single NAL units and FU-A (RFC 6184 sections 5.6, 5.8), as packetization-mode 1 allows."""
    out: Payloads = []
    for unit in frame.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]:
        if len(unit) <= PAYLOAD:
            out.append(unit)
            continue
        indicator, kind = unit[0] & 0xE0 | 28, unit[0] & 0x1F
        pieces = [unit[at : at + PAYLOAD - 2] for at in range(1, len(unit), PAYLOAD - 2)]
        for i, piece in enumerate(pieces):
            flags = (0x80 if i == 0 else 0) | (0x40 if i == len(pieces) - 1 else 0)
            out.append(bytes((indicator, flags | kind)) + piece)
    return out


def _audio() -> Payloads:
    codec: Any = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format, codec.bit_rate = 48000, "stereo", "s16", 32000
    codec.options = {"application": "voip", "frame_duration": "20"}
    packets: Payloads = []
    for i in range(50 * SECONDS):
        t = np.arange(960 * i, 960 * (i + 1)) / 48000
        tone = (8000 * np.sin(2 * np.pi * 220 * t) * (1 + np.sin(2 * np.pi * 3 * t)) / 2).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.repeat(tone, 2).reshape(1, -1), format="s16", layout="stereo")
        frame.sample_rate, frame.pts = 48000, 960 * i
        packets += [bytes(p) for p in codec.encode(frame)]
    return packets


def load(codec: str = "h264", bitrate: int = 1_000_000) -> Clip:
    """The clip: video frames, each a list of RTP payloads; and Opus packets. Made at the first call, then cached."""
    path = CACHE / f"clip-{codec}-{bitrate}.msgpack"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        # renamed when whole: another run may be looking for it
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(msgspec.msgpack.encode((_video(codec, bitrate), _audio())))
        unfinished.rename(path)
    clip: Clip = msgspec.msgpack.decode(path.read_bytes(), type=Clip)
    return clip


if __name__ == "__main__":
    video, audio = load(sys.argv[1] if len(sys.argv) > 1 else "h264")
    sizes = [sum(map(len, f)) for f in video]
    print(
        f"video: {len(video)} frames, {sum(map(len, video)) / SECONDS:.0f} packets/s, "
        f"{8 * sum(sizes) / SECONDS / 1000:.0f} kbit/s, largest frame {max(map(len, video))} packets; "
        f"audio: {len(audio)} packets, {8 * sum(map(len, audio)) / SECONDS / 1000:.0f} kbit/s"
    )
