"""Real encodes for the recorder's tests: a flash and a tone at every second, packetised as RTP, and found again.

The tone's pitch names the second: `400 + 100 * (second % 16)` Hz, for a tenth of a second from the start of the second.
The picture is white during that tenth and grey otherwise, so sound and picture can be compared in what comes out.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import PictureType, VideoFrame
from numpy.typing import NDArray

from liveclass.recording.formats import nal_units
from tests.scheduling import class_kept

FLASH_S = 0.1
_ENCODERS = {"H264": "libx264", "VP8": "libvpx", "VP9": "libvpx-vp9", "AV1": "libsvtav1"}
_OPTIONS = {
    "H264": {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline"},
    "VP8": {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "auto-alt-ref": "0"},
    "VP9": {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "auto-alt-ref": "0"},
    "AV1": {"preset": "12", "crf": "45", "svtav1-params": "pred-struct=1:lp=1"},
}
MTU = 1100
SPEECH = Path(__file__).resolve().parent.parent / "data" / "speech.opus"


class Unit(NamedTuple):
    """An encoded access unit sampled at `at` seconds of the publisher's time."""

    at: float
    data: bytes
    keyframe: bool


def frequency(second: int) -> int:
    """The pitch of the tone that begins at this second, in Hz."""
    return 400 + 100 * (second % 16)


@cache
def sound(seconds: int, packet_ms: int = 20) -> tuple[Unit, ...]:
    """Opus packets; a whole number of them must fill the seconds."""
    rate = 48_000
    samples = np.zeros(rate * seconds, np.float32)
    for second in range(seconds):
        t = np.arange(int(FLASH_S * rate)) / rate
        begin = second * rate
        samples[begin : begin + len(t)] = 0.5 * np.sin(2 * np.pi * frequency(second) * t)
    # The encoder looks ahead (pre-skip); without this the tones would come out that much late.
    ahead = 120 if packet_ms <= 20 else 312
    samples = np.concatenate([samples[ahead:], np.zeros(ahead, np.float32)])
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = rate, "stereo", "flt"
    encoder.bit_rate = 32_000
    # The audio mode for long packets, which the low-delay mode lacks.
    encoder.options = {"application": "lowdelay" if packet_ms <= 20 else "audio", "frame_duration": str(packet_ms)}
    size = rate * packet_ms // 1000
    packets: list[bytes] = []
    for index in range(rate * seconds // size):
        piece = samples[index * size : (index + 1) * size]
        frame = AudioFrame.from_ndarray(np.repeat(piece, 2).reshape(1, -1), format="flt", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = rate, index * size, Fraction(1, rate)
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return tuple(Unit(index * size / rate, data, True) for index, data in enumerate(packets))


@cache
def speech(seconds: int) -> tuple[Unit, ...]:
    """The speech again and again, as a browser sends it: 20 ms, 32 kbit/s."""
    with av.open(str(SPEECH)) as file:
        resampler = av.AudioResampler("s16", "mono", 48_000)
        pieces = [frame.to_ndarray() for whole in file.decode(audio=0) for frame in resampler.resample(whole)]
    samples = np.concatenate(pieces, axis=1)
    samples = np.tile(samples, -(-seconds * 48_000 // samples.shape[1]))[:, : seconds * 48_000]
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = 48_000, "mono", "s16", 32_000
    packets: list[bytes] = []
    for begin in range(0, samples.shape[1], 960):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[:, begin : begin + 960]), "s16", "mono")
        frame.sample_rate, frame.pts = 48_000, begin
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return tuple(Unit(index * 0.02, data, True) for index, data in enumerate(packets))


@cache
@class_kept()
def pictures(
    codec: str, seconds: int, fps: int = 20, size: tuple[int, int] = (160, 96), keyframe_s: float = 2.0
) -> tuple[Unit, ...]:
    """Access units (H264 in Annex B form)."""
    encoder = av.CodecContext.create(_ENCODERS[codec], "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, fps)
    encoder.framerate = Fraction(fps)
    encoder.gop_size = 100_000
    encoder.thread_count = 1
    encoder.options = dict(_OPTIONS[codec])
    units: list[Unit] = []
    for index in range(seconds * fps):
        at = index / fps
        luma = 235 if at % 1.0 < FLASH_S - 1e-6 else 80
        frame = VideoFrame(*size, "yuv420p")
        for plane, value in zip(frame.planes, (luma, 128, 128), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.pts = index
        frame.time_base = Fraction(1, fps)
        if index % round(keyframe_s * fps) == 0:
            frame.pict_type = PictureType.I
        units += [_unit(packet) for packet in encoder.encode(frame)]
    units += [_unit(packet) for packet in encoder.encode(None)]
    return tuple(units)


def _unit(packet: "av.Packet[av.VideoStream]") -> Unit:
    assert packet.pts is not None
    assert packet.time_base is not None
    return Unit(float(packet.pts * packet.time_base), bytes(packet), packet.is_keyframe)


def payloads(codec: str, unit: Unit) -> list[bytes]:
    """The RTP payloads of one access unit."""
    if codec == "opus":
        return [unit.data]
    if codec == "H264":
        return [payload for nal in nal_units(unit.data) for payload in _h264_payloads(nal)]
    if codec == "AV1":
        return _av1_payloads(unit)
    chunks = [unit.data[i : i + MTU] for i in range(0, len(unit.data), MTU)]
    if codec == "VP8":
        return [bytes([0x10 if i == 0 else 0]) + chunk for i, chunk in enumerate(chunks)]
    flags = 0 if unit.keyframe else 0x40
    return [
        bytes([flags | (0x08 if i == 0 else 0) | (0x04 if i == len(chunks) - 1 else 0)]) + chunk
        for i, chunk in enumerate(chunks)
    ]


def _h264_payloads(nal: bytes) -> Iterator[bytes]:
    if len(nal) <= MTU:
        yield nal
        return
    body = nal[1:]
    for begin in range(0, len(body), MTU):
        head = nal[0] & 0x1F | (0x80 if begin == 0 else 0) | (0x40 if begin + MTU >= len(body) else 0)
        yield bytes([nal[0] & 0xE0 | 28, head]) + body[begin : begin + MTU]


def _av1_payloads(unit: Unit) -> list[bytes]:
    """One OBU element per packet or several packets, without sizes (AV1 RTP specification section 4)."""
    elements: list[bytes] = []
    position = 0
    while position < len(unit.data):
        header = unit.data[position]
        size = shift = 0
        cursor = position + (2 if header & 4 else 1)
        while True:
            byte = unit.data[cursor]
            size |= (byte & 0x7F) << shift
            shift += 7
            cursor += 1
            if not byte & 0x80:
                break
        if header >> 3 & 15 != 2:
            extension = unit.data[position + 1 : position + 2] if header & 4 else b""
            elements.append(bytes([header & 0xFD]) + extension + unit.data[cursor : cursor + size])
        position = cursor + size
    packets = []
    for index, element in enumerate(elements):
        for begin in range(0, len(element), MTU):
            head = 0x10 | (0x80 if begin else 0) | (0x40 if begin + MTU < len(element) else 0)
            if index == 0 and begin == 0 and unit.keyframe:
                head |= 0x08
            packets.append(bytes([head]) + element[begin : begin + MTU])
    return packets


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a player sees and hears: mean luma by time, and mono sound with the time of its first sample."""

    frames: list[tuple[float, float, tuple[int, int]]]
    samples: NDArray[np.float32]
    first_sample_s: float

    @property
    def end_s(self) -> float:
        return self.first_sample_s + len(self.samples) / 48_000

    def flashes(self) -> list[float]:
        """When the picture turns white."""
        found = []
        before = 0.0
        for at, luma, _ in self.frames:
            if luma > 180 >= before:
                found.append(at)
            before = luma
        return found

    def tones(self) -> list[tuple[float, int]]:
        """When each tone begins, and its frequency in Hz."""
        window = 240
        count = len(self.samples) // window
        level = np.abs(self.samples[: count * window].reshape(count, window)).max(axis=1)
        found = []
        quiet = 100
        for index in range(count):
            if level[index] > 0.2:
                if quiet >= 8:
                    begin = index * window
                    piece = self.samples[begin + 480 : begin + 480 + 2400]
                    spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece)), 48_000))
                    found.append((self.first_sample_s + begin / 48_000, int(np.argmax(spectrum))))
                quiet = 0
            else:
                quiet += 1
        return found


def decode(data: bytes) -> Decoded:
    """Decode an init segment and media segments as one file."""
    frames: list[tuple[float, float, tuple[int, int]]] = []
    pieces: list[NDArray[np.float32]] = []
    first: float | None = None
    with av.open(io.BytesIO(data), "r") as container:
        for packet in container.demux():
            for frame in packet.decode():
                if isinstance(frame, VideoFrame):
                    gray = frame.to_ndarray(format="gray")
                    frames.append((float(frame.time or 0), float(gray.mean()), (frame.width, frame.height)))
                elif isinstance(frame, AudioFrame):
                    if first is None:
                        first = float(frame.time or 0)
                    array = frame.to_ndarray()
                    pieces.append(array[0] if frame.format.is_planar else array[0][:: len(frame.layout.channels)])
    sound_samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    frames.sort()
    return Decoded(frames, sound_samples.astype(np.float32), first or 0.0)
