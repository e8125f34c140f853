"""Songs and films as the thinnest classroom can hold them. Runs in the confined child only.

Songs become MP3: every browser plays it, those without licensed decoders too, and at a constant rate it seeks exactly.
Films become H264 with AAC in MP4, as the replay is. Both play from the first byte and seek to any second.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from liveclass.materials.model import Failed

SOURCE = "source"

SOUND_BITS_PER_S = 64_000
SONG_RATE, FILM_RATE = 32_000, 44_100
"""Samples per second. MP3 at 64 kbit/s keeps what is below 11 kHz; more would only cost it bits."""

PICTURE_BITS_PER_S = 160_000
PICTURE_HEIGHT = 240
MOST_PICTURES_PER_S = 25
KEYFRAME_S = 2
MOST_SIDE = 8192
"""Pixels of a side of the film's own picture."""

_X264 = {
    "preset": "medium",
    "profile": "baseline",
    "maxrate": "220k",
    "bufsize": "440k",
    "sc_threshold": "0",
    "threads": "1",
}
_TURNS = {90: [("transpose", "cclock")], 180: [("hflip", ""), ("vflip", "")], 270: [("transpose", "clock")]}
"""Filters that bring a picture upright, by the degrees that its stream says it is turned counter-clockwise."""

Tell = Callable[..., None]


def run(options: dict[str, Any], tell: Tell) -> None:
    """Make `out.mp3` or `out.mp4` of the source, telling percents.

    Args:
        options: `format` (the demuxer), `max_media_s`.
    """
    av.logging.set_level(None)
    # The demuxer is named and the protocol bound: a playlist in disguise could otherwise name other files.
    with av.open(SOURCE, format=options["format"], options={"protocol_whitelist": "file"}) as source:
        sound = next(iter(source.streams.audio), None)
        picture = next((s for s in source.streams.video if not _is_cover(s)), None)
        if sound is None and picture is None:
            raise Failed("file_broken")
        kind = "song" if picture is None else "film"
        duration_s = (source.duration or 0) / 1_000_000
        if duration_s > options["max_media_s"]:
            raise Failed("too_long")
        tell(kind=kind, duration_ms=round(duration_s * 1000))
        name = "out.mp3" if kind == "song" else "out.mp4"
        extra = {"write_xing": "1"} if kind == "song" else {"movflags": "+faststart"}
        with av.open(name, "w", options=extra) as target:
            work = _Work(source, target, sound, picture, tell, duration_s, options["max_media_s"])
            work.run()
    if work.end_s <= 0:
        raise Failed("file_broken")
    tell(
        ready=name.split(".")[1],
        duration_ms=round(work.end_s * 1000),
        width=work.size[0],
        height=work.size[1],
    )


def _is_cover(stream: VideoStream) -> bool:
    """A song's cover is a film of one picture to a demuxer."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


class _Work:
    """One pass over the source, sound and picture side by side."""

    def __init__(
        self,
        source: InputContainer,
        target: OutputContainer,
        sound: AudioStream | None,
        picture: VideoStream | None,
        tell: Tell,
        duration_s: float,
        max_media_s: float,
    ) -> None:
        self._source, self._target, self._tell = source, target, tell
        self._duration_s, self._max_media_s = duration_s, max_media_s
        self._percent = 0
        self._first_s: float | None = None
        self.end_s = 0.0
        self.size = (0, 0)
        self._streams = [stream for stream in (sound, picture) if stream is not None]
        for stream in self._streams:
            stream.codec_context.thread_count = 1
        self._picture: VideoStream | None = None
        self._graph: Graph | None = None
        self._shape: tuple[int, int, str] | None = None
        self._sound: AudioStream | None = None
        self._damaged = 0
        self._samples = 0
        rate = SONG_RATE if picture is None else FILM_RATE
        if sound is not None:
            self._sound = target.add_stream("libmp3lame" if picture is None else "aac", rate=rate, layout="stereo")
            self._sound.bit_rate = SOUND_BITS_PER_S
            self._resampler = AudioResampler(
                self._sound.codec_context.format,
                "stereo",
                rate,
                frame_size=self._sound.codec_context.frame_size or None,
            )
        self._video_source = picture
        if picture is not None:
            own = picture.average_rate or picture.guessed_rate or Fraction(MOST_PICTURES_PER_S)
            self._rate = min(Fraction(own), Fraction(MOST_PICTURES_PER_S)) if own > 0 else Fraction(MOST_PICTURES_PER_S)

    def run(self) -> None:
        for frame in self._frames():
            if isinstance(frame, VideoFrame):
                self._see(frame)
            else:
                self._hear(frame)
        self._flush()
        self._tell(percent=100)

    def _frames(self) -> Iterator[AudioFrame | VideoFrame]:
        """Decoded frames; damage costs what is damaged, unless there is nothing else."""
        for packet in self._source.demux(*self._streams):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                self._damaged += 1
                if self._damaged > 1000:
                    raise
                continue
            for frame in frames:
                if not isinstance(frame, AudioFrame | VideoFrame) or (at_s := frame.time) is None:
                    continue
                if self._first_s is None:
                    self._first_s = at_s
                self._advance(at_s - self._first_s)
                yield frame

    def _advance(self, at_s: float) -> None:
        if at_s > self._max_media_s:
            raise Failed("too_long")
        self.end_s = max(self.end_s, at_s)
        percent = min(99, int(at_s / self._duration_s * 100)) if self._duration_s > 0 else 0
        if percent > self._percent:
            self._percent = percent
            self._tell(percent=percent)

    def _hear(self, frame: AudioFrame) -> None:
        if self._sound is None:
            return
        for piece in self._resampler.resample(frame):
            self._encode_sound(piece)

    def _encode_sound(self, piece: AudioFrame | None) -> None:
        assert self._sound is not None
        for packet in self._sound.encode(piece):
            self._target.mux(packet)

    def _see(self, frame: VideoFrame) -> None:
        shape = (frame.width, frame.height, frame.format.name)
        if max(frame.width, frame.height) > MOST_SIDE:
            raise Failed("too_large")
        if self._graph is None:
            self._graph, self._shape = self._make_graph(frame), shape
        elif shape != self._shape:
            # The film changes its size on the way: what follows is brought to the size it began with.
            assert self._shape is not None
            plain = frame.reformat(self._shape[0], self._shape[1], self._shape[2])
            plain.pts, plain.time_base = frame.pts, frame.time_base
            frame = plain
        self._graph.vpush(frame)
        self._drain(self._graph)

    def _drain(self, graph: Graph) -> None:
        while True:
            try:
                ready = graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            self._encode_picture(ready)

    def _encode_picture(self, frame: VideoFrame | None) -> None:
        if self._picture is None:
            if frame is None:
                return
            self._picture = self._make_picture(frame)
        if frame is not None:
            frame.pict_type = av.video.frame.PictureType.NONE
        for packet in self._picture.encode(frame):
            self._target.mux(packet)

    def _make_graph(self, frame: VideoFrame) -> Graph:
        """Upright, at most 240 lines, at most 25 pictures a second, evenly spaced."""
        assert self._video_source is not None
        graph = Graph()
        last = graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=self._video_source.time_base,
        )
        steps: list[tuple[str, str]] = [
            *_TURNS.get(round(frame.rotation) % 360, []),
            ("fps", f"{self._rate.numerator}/{self._rate.denominator}"),
            ("scale", f"w=-2:h='min({PICTURE_HEIGHT},trunc(ih/2)*2)'"),
            ("setsar", "1"),
            ("format", "yuv420p"),
        ]
        for name, arguments in steps:
            step = graph.add(name, arguments or None)
            last.link_to(step)
            last = step
        last.link_to(graph.add("buffersink"))
        graph.configure()
        return graph

    def _make_picture(self, frame: VideoFrame) -> VideoStream:
        stream = self._target.add_stream("libx264", rate=self._rate, options=dict(_X264))
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv420p"
        stream.bit_rate = PICTURE_BITS_PER_S
        stream.gop_size = round(self._rate * KEYFRAME_S)
        stream.codec_context.time_base = 1 / self._rate
        self.size = (frame.width, frame.height)
        return stream

    def _flush(self) -> None:
        if self._graph is not None:
            self._graph.vpush(None)
            self._drain(self._graph)
        self._encode_picture(None)
        if self._sound is not None:
            for piece in self._resampler.resample(None):
                self._encode_sound(piece)
            self._encode_sound(None)
