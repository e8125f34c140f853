"""Sound and pictures that say who they are: made here, and recognised wherever they come out.

A person's voice is a tone of a frequency of its own, in pulses, because noise suppression removes steady ones.
A person's face is a picture of black and white fields that hold the person's number and a frame counter, with a check
sum, so that one decoded frame proves whose it is and which one. `analysers.js` reads the same code inside a page.

Knows nothing of browsers, networks or liveclass.
"""

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 320, 180
COLUMNS, ROWS = 8, 4
DARK, BRIGHT = 40, 215
"""Luma of a field: far from the ends, so that full and limited range both read well."""

SAMPLE_RATE = 48_000


@dataclass(frozen=True, slots=True)
class Seen:
    """One recognised frame: whose, and which."""

    person: int
    counter: int


def check_sum(person: int, counter: int) -> int:
    """Eight bits over both numbers; a picture of something else passes once in 4096 (with the four fixed fields)."""
    return ((counter >> 8) ^ (counter & 255) ^ (person * 37)) & 255


def fields(person: int, counter: int) -> list[int]:
    """The 32 fields, row by row: 1010 and four bits of person; sixteen bits of counter; eight of check sum."""
    bits = f"1010{person:04b}{counter:016b}{check_sum(person, counter):08b}"
    return [int(bit) for bit in bits]


def picture(person: int, counter: int, *, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """The luma of one frame. `person` has 4 bits, `counter` 16."""
    grid = np.array(fields(person, counter), dtype=np.uint8).reshape(ROWS, COLUMNS)
    luma = np.where(grid == 1, BRIGHT, DARK).astype(np.uint8)
    rows = np.arange(height) * ROWS // height
    columns = np.arange(width) * COLUMNS // width
    framed: NDArray[np.uint8] = luma[rows][:, columns]
    return framed


def read_picture(luma: NDArray[np.uint8]) -> Seen | None:
    """Whose frame this is, and which; None when it is a picture of something else or too damaged to say."""
    height, width = luma.shape
    bits = 0
    for row in range(ROWS):
        for column in range(COLUMNS):
            # The middle of the field: edges are where encoders smear.
            top, bottom = int((row + 0.3) * height / ROWS), int((row + 0.7) * height / ROWS)
            left, right = int((column + 0.3) * width / COLUMNS), int((column + 0.7) * width / COLUMNS)
            bits = bits << 1 | int(luma[top:bottom, left:right].mean() > (DARK + BRIGHT) / 2)
    person, counter = bits >> 24 & 15, bits >> 8 & 0xFFFF
    return Seen(person, counter) if bits >> 28 == 0b1010 and bits & 255 == check_sum(person, counter) else None


def write_face(path: Path, person: int, *, fps: int = 15, seconds: int = 40) -> Path:
    """A Y4M file of that person's counting picture, for a camera."""
    grey = np.full(WIDTH * HEIGHT // 2, 128, dtype=np.uint8).tobytes()
    with path.open("wb") as out:
        out.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{fps}:1 Ip A1:1 C420jpeg\n".encode())
        for counter in range(fps * seconds):
            out.write(b"FRAME\n" + picture(person, counter).tobytes() + grey)
    return path


def pulses(hz: float, seconds: float, *, loudness: float = 0.5) -> NDArray[np.float64]:
    """A tone that is on for 0.4 s and off for 0.1 s, with soft edges of 5 ms (clicks would hold all frequencies)."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    phase = time % 0.5
    envelope = np.clip(np.minimum(phase, 0.4 - phase) / 0.005, 0, 1)
    wave_form: NDArray[np.float64] = loudness * envelope * np.sin(2 * np.pi * hz * time)
    return wave_form


def write_voice(path: Path, *hz: float, seconds: float = 10) -> Path:
    """A WAV file of that person's pulsed tone, for a microphone; loops without a seam when `seconds` is whole.

    Args:
        hz: one tone for each channel.
    """
    channels = np.stack([pulses(one, seconds) for one in hz], axis=1)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(len(hz))
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes((channels * 32_767).astype("<i2").tobytes())
    return path


def loudest_tone(samples: NDArray[np.float64], rate: int = SAMPLE_RATE) -> tuple[float, float]:
    """Frequency and amplitude of the strongest tone in the samples (-1..1); (0, 0) for silence."""
    if not samples.size:
        return 0.0, 0.0
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    peak = int(spectrum[1:].argmax()) + 1
    amplitude = float(spectrum[peak] * 4 / samples.size)
    return (peak * rate / samples.size, amplitude) if amplitude > 0.001 else (0.0, 0.0)
