"""Speech that says which second it is: a chord at the begin of each second, found again in whatever a room hears.

Each second begins with 0.18 s of three tones, one from each of three groups of eight, which hold the second's number
modulo 512; then comes speech without pauses, so that every silence that is heard was made on the way. The tones lie
where a thin Opus voice still carries them, change with every second (noise suppression removes what stays), and survive
a change of speed that keeps the pitch.

Pure: samples in, samples and numbers out. Knows nothing of browsers and networks.
"""

import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
"""Samples a second, here and in the pages' taps: all that a voice needs."""
PERIOD = 512
"""Seconds after which the numbers begin again: eight and a half minutes, more than any room here lags."""
TONES_HZ = np.arange(500, 2900, 100)
GROUPS = TONES_HZ.size // 8
CHORD_S = (0.01, 0.19)
"""Begin and end of the chord within the second; the speech begins at 0.2 s."""
SPEECH_FROM_S = 0.2
EDGE_S = 0.008
TONE_LEVEL = 0.16
SCRAMBLE = 73
"""Odd, so that all 512 numbers occur; neighbouring seconds share no tone for long."""

WINDOW = 1024
HOP = 256
LEAST_LEVEL = 0.004
"""Of the window's samples (-1..1): below lies comfort noise."""
LEAST_PURITY = 0.5
"""Share of the window's energy in the three tones; vowels stay far below on this grid."""
LEAST_CONTRAST = 3.0
"""Energy of a group's strongest tone over its second."""
LEAST_BALANCE = 0.02
"""Energy of the weakest of the three tones over that of the strongest."""
LEAST_WINDOWS = 2
JOIN_S = 0.3
"""Windows of one chord lie closer together, stretched or not."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A chord that was heard: when (seconds on the recording's clock, its middle), and which number it holds."""

    at_s: float
    code: int


def code_of(second: int) -> int:
    """The number in the chord of this second."""
    return (second * SCRAMBLE + 5) % PERIOD


def chord(second: int) -> NDArray[np.float64]:
    """The samples of `CHORD_S` of this second."""
    code = code_of(second)
    digits = (code >> 6 & 7, code >> 3 & 7, code & 7)
    time = np.arange(round((CHORD_S[1] - CHORD_S[0]) * RATE)) / RATE
    envelope = np.clip(np.minimum(time, time[-1] - time) / EDGE_S, 0, 1)
    tones = [np.sin(2 * np.pi * TONES_HZ[group * 8 + digit] * time + group) for group, digit in enumerate(digits)]
    made: NDArray[np.float64] = TONE_LEVEL * envelope * np.sum(tones, axis=0)
    return made


def speech_with_marks(speech: NDArray[np.float64], seconds: int) -> NDArray[np.float64]:
    """So many seconds of this speech, looped, with the marks of the seconds from 0 on."""
    total = seconds * RATE
    begin, end, resume = (round(at * RATE) for at in (*CHORD_S, SPEECH_FROM_S))
    made = np.zeros(total)
    taken = 0
    for second in range(seconds):
        base = second * RATE
        made[base + begin : base + end] = chord(second)
        wanted = RATE - resume
        places = (np.arange(wanted) + taken) % speech.size
        made[base + resume : base + RATE] = speech[places]
        taken += wanted
    return made


def read_speech(path: Path) -> NDArray[np.float64]:
    """The samples (-1..1) of a file of speech at `RATE`.

    Raises:
        av.FFmpegError: no sound in it.
    """
    import av

    resampler = av.AudioResampler("s16", "mono", RATE)
    with av.open(str(path)) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames]).astype(np.float64) / 32768


def write_wav(path: Path, samples: NDArray[np.float64]) -> Path:
    """A mono WAV file at `RATE`."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes((np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())
    return path


def find_marks(samples: NDArray[np.float64]) -> list[Mark]:
    """The chords in these samples (-1..1), in order."""
    codes, times = _windows(samples)
    marks: list[Mark] = []
    group: list[float] = []
    current = -1
    for code, time in zip(codes, times, strict=True):
        if code != current or time - group[-1] > JOIN_S:
            _close(marks, group, current)
            group, current = [], code
        group.append(time)
    _close(marks, group, current)
    return marks


def _close(marks: list[Mark], times: Sequence[float], code: int) -> None:
    if len(times) >= LEAST_WINDOWS:
        marks.append(Mark(float(np.median(times)), code))


def _windows(samples: NDArray[np.float64]) -> tuple[list[int], list[float]]:
    """Number and middle (seconds) of every window that holds a chord."""
    if samples.size < WINDOW:
        return [], []
    hann = np.hanning(WINDOW)
    carrier = np.exp(-2j * np.pi * np.outer(np.arange(WINDOW), TONES_HZ) / RATE) * hann[:, None]
    gain, noise_gain = hann.sum() / 2, (hann**2).sum()
    codes: list[int] = []
    times: list[float] = []
    block = 2000  # windows at a time: some 16 MB
    views = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    for first in range(0, len(views), block):
        cut = views[first : first + block]
        energy = ((cut * hann) ** 2).sum(axis=1)
        power = (np.abs(cut @ carrier) / gain) ** 2 / 2 * noise_gain
        grouped = power.reshape(len(cut), GROUPS, 8)
        ordered = np.sort(grouped, axis=2)
        best, second = ordered[:, :, -1], ordered[:, :, -2]
        good = (
            (energy > LEAST_LEVEL**2 * noise_gain)
            & (best.sum(axis=1) > LEAST_PURITY * energy)
            & (best > LEAST_CONTRAST * second).all(axis=1)
            & (best.min(axis=1) > LEAST_BALANCE * best.max(axis=1))
        )
        digits = grouped.argmax(axis=2)
        for place in np.flatnonzero(good):
            codes.append(int(digits[place, 0] << 6 | digits[place, 1] << 3 | digits[place, 2]))
            times.append(((first + int(place)) * HOP + WINDOW / 2) / RATE)
    return codes, times
