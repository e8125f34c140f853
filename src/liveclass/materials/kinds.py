"""What a file is by its first and last bytes, never by its name. Pure.

A wrong guess is harmless: whatever is guessed here is read in a confined child, which finds it broken.
"""

from dataclasses import dataclass
from typing import Literal

from liveclass.lesson.events import MaterialKind

Reader = Literal["pdf", "image", "office", "media"]

LOOK_BYTES = 64 * 1024
"""How much of a file's beginning, and of its end, is looked at."""


@dataclass(frozen=True, slots=True)
class FileKind:
    """How a file is to be read.

    Attributes:
        format: of an image Pillow's name, of sound and film the demuxer's, of office files the suffix.
        kind: what it becomes; for sound and film a first guess, since their containers hold either.
    """

    reader: Reader
    format: str
    kind: MaterialKind


_IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
)
_MEDIA: tuple[tuple[bytes, str, MaterialKind], ...] = (
    (b"OggS", "ogg", "song"),
    (b"fLaC", "flac", "song"),
    (b"ID3", "mp3", "song"),
    (b"\x1a\x45\xdf\xa3", "matroska", "film"),
)
_ZIPPED = ((b"ppt/", "pptx"), (b"word/", "docx"), (b"xl/", "xlsx"))
_OPEN_DOCUMENT = (
    (b"application/vnd.oasis.opendocument.presentation", "odp"),
    (b"application/vnd.oasis.opendocument.text", "odt"),
    (b"application/vnd.oasis.opendocument.spreadsheet", "ods"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_PRESENTATION = "PowerPoint Document".encode("utf-16-le")
_OLE_TABLE = "Workbook".encode("utf-16-le")


def kind_of(head: bytes, tail: bytes) -> FileKind | None:
    """What the file is; None for what is not taken.

    Args:
        head: its first bytes, up to LOOK_BYTES.
        tail: its last bytes, up to LOOK_BYTES.
    """
    # Readers of PDF look for its mark in the first kilobyte, since mail programs and scanners put bytes before it.
    if b"%PDF-" in head[:1024]:
        return FileKind("pdf", "pdf", "deck")
    for magic, name in _IMAGES:
        if head.startswith(magic):
            return FileKind("image", name, "deck")
    # Two letters are no proof; the header's size and its one plane are.
    if head[:2] == b"BM" and len(head) > 30 and head[14:18] in (b"\x28\0\0\0", b"\x6c\0\0\0", b"\x7c\0\0\0"):
        return FileKind("image", "BMP", "deck")
    if head[:4] == b"RIFF":
        if head[8:12] == b"WEBP":
            return FileKind("image", "WEBP", "deck")
        return FileKind("media", "wav", "song") if head[8:12] == b"WAVE" else None
    if head[4:8] == b"ftyp":
        return FileKind("media", "mov", "song" if head[8:11] == b"M4A" else "film")
    # Films of old QuickTime begin with their data instead of their type.
    if head[4:8] in (b"moov", b"mdat", b"wide"):
        return FileKind("media", "mov", "film")
    for magic, name, kind in _MEDIA:
        if head.startswith(magic):
            return FileKind("media", name, kind)
    if len(head) > 4 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return _elementary(head)
    return _office(head, tail)


def _elementary(head: bytes) -> FileKind | None:
    """MP3 or AAC without a container: both begin with the same eleven bits."""
    layer = head[1] >> 1 & 3
    if layer == 0 and head[1] & 0xF0 == 0xF0:
        return FileKind("media", "aac", "song")
    if layer == 1 and head[2] >> 4 not in (0, 15) and head[2] >> 2 & 3 != 3:
        return FileKind("media", "mp3", "song")
    return None


def _office(head: bytes, tail: bytes) -> FileKind | None:
    if head.startswith(_OLE):
        seen = head + tail
        if _OLE_PRESENTATION in seen:
            return FileKind("office", "ppt", "deck")
        return FileKind("office", "xls" if _OLE_TABLE in seen else "doc", "deck")
    if not head.startswith(b"PK\x03\x04"):
        return None
    for mark, suffix in _OPEN_DOCUMENT:
        if mark in head[:256]:
            return FileKind("office", suffix, "deck")
    if b"[Content_Types].xml" not in head and b"[Content_Types].xml" not in tail:
        return None
    for mark, suffix in _ZIPPED:
        # The list of all members stands at the end of an archive.
        if mark in tail or mark in head:
            return FileKind("office", suffix, "deck")
    return None
