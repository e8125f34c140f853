"""Makes a small recorded lesson whose every frame says which one it is, so that a test reads the time off a picture.

Frame `n` of the lesson (25 a second) shows the binary digits of `n` as twelve upright bars, least significant first.
Knows media files; knows nothing of pages and servers.
"""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

FRAMES_PER_S = 25
BARS = 12
WIDTH, HEIGHT = 192, 108
SOUND_HZ = 48_000
SOUND_FRAME = 960
TONE_HZ = 440.0
SEGMENT_S = 2

Painter = Callable[[int], np.ndarray]


def bars(number: int) -> np.ndarray:
    """A picture that shows a number below 4096 as twelve bars."""
    digits = (number >> np.arange(WIDTH) * BARS // WIDTH) & 1
    return np.repeat(np.tile((digits * 255).astype(np.uint8), (HEIGHT, 1))[:, :, None], 3, axis=2)


def make_part(folder: Path, first_frame: int, seconds: int, *, sound: bool, paint: Painter = bars) -> list[str]:
    """Writes `seconds` of H264 (and Opus) as fMP4 segments into a folder.

    Args:
        first_frame: the number that the first frame shows.
        sound: whether a steady tone is muxed in.
        paint: draws the frame of a number.

    Returns:
        The lines of its media playlist between header and end.
    """
    folder.mkdir(parents=True)
    options = {"hls_segment_type": "fmp4", "hls_time": str(SEGMENT_S), "hls_list_size": "0", "hls_playlist_type": "vod"}
    with av.open(str(folder / "part.m3u8"), "w", format="hls", options=options) as out:
        video = out.add_stream("libx264", rate=FRAMES_PER_S)
        height, width = paint(0).shape[:2]
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.options = {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline", "crf": "28"}
        video.gop_size = FRAMES_PER_S
        audio = out.add_stream("libopus", rate=SOUND_HZ, layout="mono") if sound else None
        sampled = 0
        for n in range(seconds * FRAMES_PER_S):
            frame = VideoFrame.from_ndarray(paint(first_frame + n), format="rgb24")
            frame.pts, frame.time_base = n, Fraction(1, FRAMES_PER_S)
            out.mux(video.encode(frame))
            while audio is not None and sampled < (n + 1) * SOUND_HZ // FRAMES_PER_S:
                out.mux(audio.encode(_tone(sampled)))
                sampled += SOUND_FRAME
        out.mux(video.encode(None))
        if audio is not None:
            out.mux(audio.encode(None))
    lines = (folder / "part.m3u8").read_text().splitlines()
    wanted = [line for line in lines if line.startswith(("#EXT-X-MAP", "#EXTINF")) or not line.startswith("#")]
    return [_with_folder(line, folder.name) for line in wanted]


def _with_folder(line: str, folder: str) -> str:
    if line.startswith("#EXT-X-MAP"):
        return line.replace('URI="', f'URI="{folder}/')
    return line if line.startswith("#") else f"{folder}/{line}"


def _tone(first_sample: int) -> av.AudioFrame:
    at = (first_sample + np.arange(SOUND_FRAME)) / SOUND_HZ
    samples = (np.sin(2 * np.pi * TONE_HZ * at) * 8000).astype(np.int16)[None, :]
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = SOUND_HZ, first_sample, Fraction(1, SOUND_HZ)
    return frame
