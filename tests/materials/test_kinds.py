"""What a file is, is told by its bytes."""

from hypothesis import given
from hypothesis import strategies as st

from liveclass.materials.kinds import kind_of
from tests.materials import files


def named(head: bytes, tail: bytes = b"") -> tuple[str, str, str] | None:
    kind = kind_of(head, tail or head)
    return None if kind is None else (kind.reader, kind.format, kind.kind)


def test_each_kind_is_known_by_its_mark() -> None:
    assert named(b"%PDF-1.4") == ("pdf", "pdf", "deck")
    assert named(b"\xef\xbb\xbf \r\n%PDF-1.4") == ("pdf", "pdf", "deck")
    for format in ("PNG", "JPEG", "WEBP", "GIF", "BMP"):
        assert named(files.picture((8, 8), format)) == ("image", format, "deck")
    assert named(b"RIFF\0\0\0\0WAVEfmt ") == ("media", "wav", "song")
    assert named(b"\0\0\0\x20ftypM4A \0\0") == ("media", "mov", "song")
    assert named(b"\0\0\0\x20ftypisom\0\0") == ("media", "mov", "film")
    assert named(b"\xff\xfb\x90\x64" + b"\0" * 20) == ("media", "mp3", "song")
    assert named(b"\xff\xf1\x50\x80" + b"\0" * 20) == ("media", "aac", "song")
    assert named(b"PK\x03\x04" + b"\0" * 26 + b"mimetypeapplication/vnd.oasis.opendocument.presentation") == (
        *("office", "odp", "deck"),
    )
    for folder, suffix in (("ppt", "pptx"), ("word", "docx"), ("xl", "xlsx")):
        tail = f"[Content_Types].xml {folder}/first.xml".encode()
        assert named(b"PK\x03\x04", tail) == ("office", suffix, "deck")
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    assert named(ole + "PowerPoint Document".encode("utf-16-le")) == ("office", "ppt", "deck")
    assert named(ole + "Workbook".encode("utf-16-le")) == ("office", "xls", "deck")
    assert named(ole) == ("office", "doc", "deck")


def test_programs_pages_and_plain_archives_are_nothing() -> None:
    for head in (b"", b"\x7fELF\x02", b"MZ\x90", b"<!doctype html>", b"PK\x03\x04 a.txt", b"RIFF\0\0\0\0AVI ", b"BM"):
        assert named(head) is None


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_no_bytes_whatever_are_an_error(head: bytes, tail: bytes) -> None:
    kind_of(head, tail)
