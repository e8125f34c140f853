"""The volunteer's voice and face as files for a browser's fake devices, made once for a set of runs.

Knows the codes of `timecode` and of the picture; knows nothing of browsers or links.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tests.e2e.media import picture

from bench.mountain import timecode

SPEECH = Path(__file__).resolve().parent.parent.parent / "tests" / "data" / "speech.opus"
TEACHER = 1
"""The number in the volunteer's picture."""
WIDTH, HEIGHT, FPS = 640, 360, 15
"""Cheap enough that a machine of two cores encodes it beside everything else."""
FACE_S = 12
TEXTURE = 30
"""How far the moving texture brightens and darkens a field: the code's two levels are 175 apart."""


def write_voice(path: Path, seconds: int) -> Path:
    """The speech with its marks, at most `timecode.PERIOD` seconds: looped, it then goes on without a seam."""
    speech = timecode.read_speech(SPEECH)
    return timecode.write_wav(path, timecode.speech_with_marks(speech, min(seconds, timecode.PERIOD)))


def texture(seed: int = 7) -> NDArray[np.float64]:
    """Smooth noise, twice as wide as the picture: what moves behind a teacher costs an encoder about as much."""
    coarse = np.random.default_rng(seed).uniform(-1, 1, (HEIGHT // 20 + 2, WIDTH // 10 + 2))
    rows, columns = np.arange(HEIGHT) / 20, np.arange(WIDTH * 2) / 20
    low, left = rows.astype(int), columns.astype(int)
    down, right = (rows - low)[:, None], (columns - left)[None, :]
    top = coarse[low][:, left] * (1 - right) + coarse[low][:, left + 1] * right
    bottom = coarse[low + 1][:, left] * (1 - right) + coarse[low + 1][:, left + 1] * right
    made: NDArray[np.float64] = TEXTURE * (top * (1 - down) + bottom * down)
    return made


def write_face(path: Path) -> Path:
    """The counting picture before a texture that moves two pixels a frame; loops after `FACE_S`."""
    noise = texture()
    grey = np.full(WIDTH * HEIGHT // 2, 128, dtype=np.uint8).tobytes()
    with path.open("wb") as out:
        out.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A1:1 C420jpeg\n".encode())
        for counter in range(FPS * FACE_S):
            shift = 2 * counter % WIDTH
            luma = picture(TEACHER, counter, width=WIDTH, height=HEIGHT) + noise[:, shift : shift + WIDTH]
            out.write(b"FRAME\n" + np.clip(luma, 16, 235).astype(np.uint8).tobytes() + grey)
    return path


class Materials:
    """Voice and face in a folder; both are made on first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def voice(self, seconds: int) -> Path:
        """A voice that lasts at least so long before its numbers begin again."""
        path = self._folder / f"voice-{min(seconds, timecode.PERIOD)}.wav"
        return path if path.exists() else write_voice(path, seconds)

    def face(self) -> Path:
        path = self._folder / "face.y4m"
        return path if path.exists() else write_face(path)
