"""Files to upload: whole, broken and hostile ones, all made here. Knows no test."""

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from bench.materials import pdf
from PIL import Image

PIXEL_LIMIT_SIDE = 30_000


def deck(texts: Sequence[str]) -> bytes:
    """A PDF with one line of text on each page, in a Chinese font that is not embedded."""
    return pdf([b""] * len(texts), texts)


def boxed(width: float, height: float) -> bytes:
    """A PDF with one empty page of that size in points."""
    return deck([""]).replace(b"[0 0 960 540]", f"[0 0 {width:g} {height:g}]".encode())


def picture(size: tuple[int, int], format: str = "PNG", colour: str = "#336699") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, format)
    return buffer.getvalue()


def bomb() -> bytes:
    """A PNG of a few kilobytes that unpacks to 900 million pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    side = PIXEL_LIMIT_SIDE
    rows = zlib.compress(b"\0" * (side // 8 + 1) * 1000, 9)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
        + chunk(b"IDAT", rows)
        + chunk(b"IEND", b"")
    )


def encrypted() -> bytes:
    """A PDF that says it is locked with a password that nobody has."""
    data = deck(["secret"])
    lock = (
        b"/Encrypt << /Filter /Standard /V 2 /R 3 /Length 128 /P -3904 /O <"
        + b"11" * 32
        + b"> /U <"
        + b"22" * 32
        + b"> >> /ID [<"
        + b"33" * 16
        + b"> <"
        + b"33" * 16
        + b">] /Root"
    )
    return data.replace(b"/Root", lock, 1)


def endless() -> bytes:
    """A PDF whose one page is drawn by forms that draw forms: ten to the twentieth squares."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>"]
    objects.append(
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 960 540] /Contents 4 0 R"
        b" /Resources << /XObject << /F 5 0 R >> >> >>"
    )
    draws = b"/F Do " * 10
    objects.append(b"<< /Length %d >>\nstream\n" % len(draws) + draws + b"\nendstream")
    for level in range(20):
        last = level == 19
        body = b"0 0 900 500 re f " if last else b"/F Do " * 10
        inner = b"" if last else b"/Resources << /XObject << /F %d 0 R >> >>" % (6 + level)
        objects.append(
            b"<< /Type /XObject /Subtype /Form /BBox [0 0 960 540] %s /Length %d >>\nstream\n" % (inner, len(body))
            + body
            + b"\nendstream"
        )
    out = bytearray(b"%PDF-1.5\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    begin = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, begin)
    return bytes(out)


def tone(frames: int, rate: int = 48_000, first: int = 0) -> AudioFrame:
    """A sine of 440 Hz."""
    samples = b"".join(
        struct.pack("<h", round(12_000 * math.sin(2 * math.pi * 440 * (first + n) / rate))) for n in range(frames)
    )
    frame = AudioFrame(format="s16", layout="mono", samples=frames)
    frame.planes[0].update(samples.ljust(frame.planes[0].buffer_size, b"\0"))
    frame.sample_rate, frame.pts, frame.time_base = rate, first, Fraction(1, rate)
    return frame


def song(folder: Path, seconds: float, ext: str, codec: str, rate: int = 48_000) -> bytes:
    """A tone in that container."""
    path = folder / f"tone.{ext}"
    with av.open(path, "w") as target:
        stream = cast(AudioStream, target.add_stream(codec, rate=rate, layout="mono"))
        for first in range(0, round(seconds * rate), 960):
            for packet in stream.encode(tone(960, rate, first)):
                target.mux(packet)
        target.mux(stream.encode(None))
    return path.read_bytes()


def film(folder: Path, seconds: float, size: tuple[int, int], ext: str = "mp4", codec: str = "libx264") -> bytes:
    """A square that moves, with a tone."""
    path = folder / f"film.{ext}"
    rate = 30
    with av.open(path, "w") as target:
        picture_stream = cast(VideoStream, target.add_stream(codec, rate=rate))
        picture_stream.width, picture_stream.height, picture_stream.pix_fmt = *size, "yuv420p"
        sound = target.add_stream("libopus" if ext == "webm" else "aac", rate=48_000, layout="mono")
        for n in range(round(seconds * rate)):
            image = Image.new("RGB", size, "#204060")
            image.paste("#f0c000", (n * 4 % size[0], 10, n * 4 % size[0] + 60, 70))
            frame = VideoFrame.from_image(image)  # type: ignore[no-untyped-call]
            frame.pts, frame.time_base = n, Fraction(1, rate)
            target.mux(picture_stream.encode(frame))
            target.mux(sound.encode(tone(1600, 48_000, n * 1600)))
        target.mux(picture_stream.encode(None))
        target.mux(sound.encode(None))
    return path.read_bytes()


def document(text: str) -> bytes:
    """A text document of LibreOffice (OpenDocument 1.2), as small as one can be."""
    kind = "application/vnd.oasis.opendocument.text"
    office, words = "urn:oasis:names:tc:opendocument:xmlns:office:1.0", "urn:oasis:names:tc:opendocument:xmlns:text:1.0"
    content = (
        f'<?xml version="1.0"?><office:document-content xmlns:office="{office}" xmlns:text="{words}" '
        f'office:version="1.2"><office:body><office:text><text:p>{text}</text:p></office:text></office:body>'
        "</office:document-content>"
    )
    listed = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
    manifest = (
        f'<?xml version="1.0"?><manifest:manifest xmlns:manifest="{listed}" manifest:version="1.2">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/>'
        '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>'
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", kind)
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", manifest)
    return out.getvalue()
