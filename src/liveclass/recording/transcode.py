"""The transcoding child: pictures that MP4 players do not take come in on stdin, H264 goes out on stdout.

Run as `python -m liveclass.recording.transcode CODEC`. Yields to the media plane (nice), keeps no more than the picture
in hand, and ends with its input. One picture in gives at most one out, with the same time; keyframes stay keyframes.
"""

import os
import sys
from fractions import Fraction
from typing import BinaryIO, cast

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from liveclass.recording.framing import HEADER, pack_frame, read_header

# The media plane must never wait for a transcoder.
_NICENESS = 10
_DECODERS = {"VP8": "vp8", "VP9": "vp9", "AV1": "av1"}
_TICKS = Fraction(1, 90_000)
# Near the source's own quality; a source of 1 Mbit/s comes out at about the same.
_OPTIONS = {
    "preset": "veryfast",
    "tune": "zerolatency",
    "profile": "baseline",
    "crf": "24",
    "maxrate": "2500k",
    "bufsize": "2500k",
    # Keyframes come where the source has them and nowhere else.
    "g": "100000",
    "sc_threshold": "0",
    "forced-idr": "1",
}


class Pipeline:
    """One decoder, and one encoder per resolution."""

    def __init__(self, codec: str) -> None:
        self._decoder = cast(VideoCodecContext, av.CodecContext.create(_DECODERS[codec], "r"))
        self._decoder.thread_count = 1
        self._encoder: VideoCodecContext | None = None

    def convert(self, at: float, data: bytes, keyframe: bool) -> list[tuple[float, bytes, bool]]:
        """One picture: (when, H264 in Annex B form, whether a keyframe); empty where the decoder shows nothing."""
        if not data:
            # To the decoder an empty packet means the end of everything.
            return []
        packet = av.Packet(data)
        packet.pts = packet.dts = round(at / _TICKS)
        packet.time_base = _TICKS
        out: list[tuple[float, bytes, bool]] = []
        for frame in self._decoder.decode(packet):
            # H264 in 4:2:0 has even sides.
            width, height = frame.width & ~1, frame.height & ~1
            if self._encoder is None or (self._encoder.width, self._encoder.height) != (width, height):
                self._encoder = _encoder(width, height)
                keyframe = True
            out += self._encode(self._encoder, frame.reformat(width, height, "yuv420p"), at, keyframe)
        return out

    def _encode(
        self, encoder: VideoCodecContext, frame: VideoFrame, at: float, keyframe: bool
    ) -> list[tuple[float, bytes, bool]]:
        frame.pts = round(at / _TICKS)
        frame.time_base = _TICKS
        frame.pict_type = PictureType.I if keyframe else PictureType.NONE
        return [(at, bytes(packet), packet.is_keyframe) for packet in encoder.encode(frame)]


def _encoder(width: int, height: int) -> VideoCodecContext:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = _TICKS
    encoder.framerate = Fraction(30)
    encoder.thread_count = 1
    encoder.options = dict(_OPTIONS)
    return encoder


def run(codec: str, source: BinaryIO, target: BinaryIO) -> None:
    """Convert until the input ends."""
    pipeline = Pipeline(codec)
    while True:
        header = source.read(HEADER.size)
        if len(header) < HEADER.size:
            return
        at, keyframe, size = read_header(header)
        data = source.read(size)
        if len(data) < size:
            return
        try:
            pictures = pipeline.convert(at, data, keyframe)
        except av.error.FFmpegError:
            # A damaged picture costs itself; the decoder goes on at the next one that it can read.
            continue
        for picture_at, picture, picture_keyframe in pictures:
            target.write(pack_frame(picture_at, picture, picture_keyframe))
        target.flush()


def main() -> int:
    """The child process; exit status 2 for a codec it cannot read."""
    if len(sys.argv) != 2 or sys.argv[1] not in _DECODERS:
        sys.stderr.write(f"usage: python -m liveclass.recording.transcode {'|'.join(_DECODERS)}\n")
        return 2
    os.nice(_NICENESS)
    av.logging.set_level(None)
    try:
        run(sys.argv[1], sys.stdin.buffer, sys.stdout.buffer)
    except (BrokenPipeError, KeyboardInterrupt):
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
