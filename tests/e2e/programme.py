"""A lesson of which every millisecond is known: encoded once, published in real time, recognised in what comes out.

Frame `n` of the picture holds the counter `n` and belongs to second `n / FPS`; the voice changes its tone at every full
second. So each change of tone belongs to one known frame, and what lies between them in a replay is the replay's fault.
Knows nothing of liveclass or of networks.
"""

import fractions
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from tests.e2e import media

FPS = 25
VIDEO_TICKS = 90_000
FRAME_S = 0.02
TONES = (500.0, 900.0, 1400.0, 2000.0, 700.0, 1100.0, 1700.0, 2400.0)
"""Hertz of second 0, 1, 2...: repeats after eight, no neighbours close."""


def tone_of(second: int) -> float:
    return TONES[second % len(TONES)]


Samples = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Unit:
    """One encoded picture or 20 ms of sound, `ticks` of its clock after the beginning."""

    data: bytes
    ticks: int
    clock_rate: int
    keyframe: bool

    @property
    def time_s(self) -> float:
        return self.ticks / self.clock_rate


@dataclass(frozen=True, slots=True)
class Programme:
    """Encoded units, in order."""

    person: int
    seconds: float
    video: Sequence[Unit]
    audio: Sequence[Unit]


def encode(person: int, seconds: float, *, codec: str = "libx264") -> Programme:
    """Encode a programme: H264 constrained baseline with a keyframe each second (or VP8 by `libvpx`), Opus in 20 ms.

    Args:
        person: the number in the picture, 0 to 15.
    """
    return Programme(person, seconds, list(_video(person, seconds, codec)), list(_audio(seconds)))


def _video(person: int, seconds: float, codec: str) -> Iterator[Unit]:
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = media.WIDTH, media.HEIGHT, "yuv420p"
    encoder.time_base = fractions.Fraction(1, VIDEO_TICKS)
    encoder.framerate = fractions.Fraction(FPS)
    encoder.bit_rate = 300_000
    encoder.gop_size = FPS
    encoder.options = (
        {"profile": "baseline", "preset": "veryfast", "tune": "zerolatency", "level": "31"}
        if codec == "libx264"
        else {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    )
    for number in range(int(seconds * FPS)):
        planes = np.full((media.HEIGHT * 3 // 2, media.WIDTH), 128, dtype=np.uint8)
        planes[: media.HEIGHT] = media.picture(person, number)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts = number * VIDEO_TICKS // FPS
        frame.time_base = encoder.time_base
        yield from _units(encoder.encode(frame), VIDEO_TICKS)
    yield from _units(encoder.encode(None), VIDEO_TICKS)


def _audio(seconds: float) -> Iterator[Unit]:
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.format, encoder.layout = (
        media.SAMPLE_RATE,
        av.AudioFormat("s16"),
        av.AudioLayout("stereo"),
    )
    encoder.bit_rate = 48_000
    encoder.time_base = fractions.Fraction(1, media.SAMPLE_RATE)
    size = int(FRAME_S * media.SAMPLE_RATE)
    samples = voice(seconds)
    for start in range(0, len(samples) - size + 1, size):
        part = (samples[start : start + size] * 32_767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.repeat(part, 2).reshape(1, -1), format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = media.SAMPLE_RATE, start, encoder.time_base
        yield from _units(encoder.encode(frame), media.SAMPLE_RATE)


def _units(packets: "Iterable[av.Packet[Any]]", clock_rate: int) -> Iterator[Unit]:
    for packet in packets:
        yield Unit(bytes(packet), max(0, packet.pts or 0), clock_rate, packet.is_keyframe)


def voice(seconds: float) -> Samples:
    """The samples: an unbroken tone for each second."""
    parts = []
    for second in range(int(np.ceil(seconds))):
        time = np.arange(media.SAMPLE_RATE) / media.SAMPLE_RATE
        parts.append(0.5 * np.sin(2 * np.pi * tone_of(second) * time))
    joined: Samples = np.concatenate(parts)[: int(seconds * media.SAMPLE_RATE)]
    return joined


@dataclass(frozen=True, slots=True)
class Played:
    """What came out, in seconds of its own timeline.

    Attributes:
        frames: when each recognised counter is shown first, of the programme's person.
        changes: when each second's tone begins: (second of the programme modulo 8, time).
        video_span, audio_span: first and last time of any picture or sound, recognised or not.
    """

    frames: dict[int, float]
    changes: list[tuple[int, float]]
    video_span: tuple[float, float]
    audio_span: tuple[float, float]

    def offsets(self) -> list[float]:
        """For every change of tone that has its frame: how much later the sound comes than the picture, seconds."""
        found = []
        for second, at in self.changes:
            candidates = [time for number, time in self.frames.items() if number % (FPS * len(TONES)) == second * FPS]
            if candidates:
                found.append(min((at - time for time in candidates), key=abs))
        return found


def watch(source: str | io.BytesIO, person: int, *, headers: str = "") -> Played:
    """Decode a file or playlist and recognise the programme in it.

    Args:
        source: path, URL or bytes of anything FFmpeg reads.
        headers: HTTP headers for a URL, each ended by CRLF.
    """
    frames: dict[int, float] = {}
    windows: list[tuple[float, Samples]] = []
    video_times: list[float] = []
    with av.open(source, "r", options={"headers": headers} if headers else {}) as container:
        for frame in container.decode(*container.streams.video[:1], *container.streams.audio[:1]):
            if isinstance(frame, av.VideoFrame) and frame.time is not None:
                video_times.append(frame.time)
                seen = media.read_picture(luma_of(frame))
                if seen is not None and seen.person == person:
                    frames.setdefault(seen.counter, frame.time)
            elif isinstance(frame, av.AudioFrame) and frame.time is not None:
                windows.append((frame.time, samples_of(frame)))
    audio_end = windows[-1][0] + len(windows[-1][1]) / media.SAMPLE_RATE if windows else 0.0
    return Played(
        frames,
        tone_changes(windows),
        (min(video_times, default=0.0), max(video_times, default=0.0)),
        (windows[0][0] if windows else 0.0, audio_end),
    )


def luma_of(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """The grey picture of a decoded frame."""
    return frame.to_ndarray(format="gray").astype(np.uint8, copy=False)


def samples_of(frame: av.AudioFrame) -> Samples:
    """The first channel of decoded sound, -1 to 1."""
    values = frame.to_ndarray()
    first = values[0] if frame.format.is_planar else values.reshape(-1, len(frame.layout.channels))[:, 0]
    return first.astype(np.float64) / (1.0 if frame.format.name.startswith("flt") else 32_768.0)


def tone_changes(
    windows: Sequence[tuple[float, Samples]],
) -> list[tuple[int, float]]:
    """When each tone of the programme begins: (its second modulo 8, time), for runs of at least 0.4 s.

    Args:
        windows: decoded pieces of sound with their times; a piece is 20 ms, which tells the tones apart and is the
            precision of the answer.
    """
    changes: list[tuple[int, float]] = []
    current, since, last = -1, 0.0, 0.0
    for time, samples in windows:
        hz, amplitude = media.loudest_tone(samples)
        nearest = min(range(len(TONES)), key=lambda at: abs(TONES[at] - hz))
        heard = nearest if amplitude > 0.05 and abs(TONES[nearest] - hz) < 60 else -1
        if heard != current:
            if current >= 0 and last - since >= 0.4:
                changes.append((current, since))
            current, since = heard, time
        last = time
    if current >= 0 and last - since >= 0.4:
        changes.append((current, since))
    # The first run began with the recording, not with a change of tone.
    return changes[1:]
