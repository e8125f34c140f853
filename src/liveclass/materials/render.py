"""Pages of PDFs and pictures as WebP in four widths, with their text. Runs in the confined child only.

Knows no store: pictures go into the working directory as `PAGE.NAME.webp`.
"""

import io
import unicodedata
from collections.abc import Callable
from typing import Any, Protocol, TextIO

import pypdfium2 as pdfium
from PIL import Image, ImageOps

from liveclass.materials.model import WIDTHS, Failed

SOURCE = "source"
LARGEST = WIDTHS[-1][1]

MAX_ASPECT = 3.0
"""A page may be this many times as high as wide at full width; a higher one becomes narrower instead."""

MAX_PIXELS = 100_000_000
"""Of an uploaded picture: beyond what phones make (48 to 108 million), what it unpacks to is a weapon."""

MAX_TEXT = 4000
"""Characters kept of a page's text: for search, not for reading."""

QUALITIES = (82, 70, 58, 46, 36)
"""Tried in turn until a picture fits its budget. A slide of text fits at the first; photographs need less."""

BUDGET = {"thumb": 5_000, "s": 18_000, "m": 72_000, "l": 140_000}
"""Bytes that a picture of each width should not exceed. 40 pages at 1280 then weigh 2.9 MB: what issue 4 allows."""

METHOD = 2
"""Effort of the WebP encoder: 3 and 4 gain 5% in bytes for three times the time."""

Tell = Callable[..., None]


class Source(Protocol):
    """Something with pages."""

    def __len__(self) -> int: ...

    def page(self, number: int) -> tuple[Image.Image, str]:
        """Page `number` (from 1) at the largest width, and its text."""


class Pdf:
    """A PDF file, read from the disk as needed."""

    def __init__(self, path: str) -> None:
        try:
            self._document = pdfium.PdfDocument(path)
        except pdfium.PdfiumError as error:
            locked = error.err_code in (pdfium.raw.FPDF_ERR_PASSWORD, pdfium.raw.FPDF_ERR_SECURITY)
            raise Failed("file_encrypted" if locked else "file_broken") from error

    def __len__(self) -> int:
        return len(self._document)

    def page(self, number: int) -> tuple[Image.Image, str]:
        page = self._document[number - 1]
        try:
            width, height = page.get_size()
            if not (width > 0 and height > 0):
                raise Failed("file_broken")
            scale = min(LARGEST / width, LARGEST * MAX_ASPECT / height)
            bitmap = page.render(scale=scale, rev_byteorder=True, may_draw_forms=False)
            # A copy: the bitmap's memory is PDFium's, and goes with it.
            return bitmap.to_pil().convert("RGB").copy(), self._text(page)
        finally:
            page.close()

    @staticmethod
    def _text(page: pdfium.PdfPage) -> str:
        try:
            text_page = page.get_textpage()
            text = text_page.get_text_range(0, min(text_page.count_chars(), 4 * MAX_TEXT), errors="ignore")
        except (pdfium.PdfiumError, ValueError):
            return ""
        return plain(text)


class Picture:
    """An uploaded picture: a deck of one page."""

    def __init__(self, path: str, format: str) -> None:
        Image.MAX_IMAGE_PIXELS = MAX_PIXELS
        try:
            image = Image.open(path, formats=(format,))
        except Image.DecompressionBombError as error:
            raise Failed("too_large") from error
        if image.width * image.height > MAX_PIXELS:
            raise Failed("too_large")
        self._image = image

    def __len__(self) -> int:
        return 1

    def page(self, number: int) -> tuple[Image.Image, str]:
        image = self._image
        # JPEG decodes straight to a half, a quarter or an eighth: a phone's photograph costs a tenth of the memory.
        image.draft("RGB", (LARGEST, LARGEST))
        # Phones lay the sensor's picture down and say which way is up.
        upright = ImageOps.exif_transpose(image)
        flat = on_white(upright)
        scale = min(1.0, LARGEST / flat.width, LARGEST * MAX_ASPECT / flat.height)
        return scaled(flat, max(1, round(flat.width * scale))), ""


def on_white(image: Image.Image) -> Image.Image:
    """Without transparency, as on paper."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layered = image.convert("RGBA")
        paper = Image.new("RGB", layered.size, "white")
        paper.paste(layered, mask=layered.getchannel("A"))
        return paper
    if image.mode in ("I;16", "I;16B", "I", "F"):
        # Sixteen bits of grey; Pillow cuts them off instead of scaling them.
        return image.convert("I").point(lambda value: value / 256).convert("L").convert("RGB")
    return image.convert("RGB")


def scaled(image: Image.Image, width: int) -> Image.Image:
    """At that width; the same picture when it has it."""
    if image.width == width:
        return image
    height = max(1, round(image.height * width / image.width))
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)


def plain(text: str) -> str:
    """One line of what people read: composed, no control characters, at most MAX_TEXT characters."""
    composed = unicodedata.normalize("NFC", text)
    kept = "".join(" " if char.isspace() else char for char in composed if char.isspace() or char.isprintable())
    return " ".join(kept.split())[:MAX_TEXT]


def webp(image: Image.Image, budget: int, first: int = 0) -> tuple[bytes, int]:
    """The picture as WebP, in the best quality that fits the budget, else in the least.

    Args:
        first: index in QUALITIES of the best to try.

    Returns:
        the file, and the index of its quality.
    """
    data, index = b"", first
    for index in range(first, len(QUALITIES)):
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=QUALITIES[index], method=METHOD)
        data = buffer.getvalue()
        if len(data) <= budget:
            break
    return data, index


def write_page(number: int, image: Image.Image) -> None:
    """All widths of a page, each made of the next larger one."""
    quality = 0
    for name, width in reversed(WIDTHS):
        image = scaled(image, min(width, image.width))
        # A page that is higher than a screen has more to show, and may weigh more.
        budget = round(BUDGET[name] * max(1.0, image.height / image.width * 16 / 9))
        # A picture too heavy for one quality at a larger width hardly fits it at a smaller one: fewer tries.
        data, quality = webp(image, budget, quality)
        with open(f"{number}.{name}.webp", "wb") as file:
            file.write(data)


def run(options: dict[str, Any], tell: Tell, orders: TextIO) -> None:
    """Tell how many pages there are, then make each page whose number comes in, until no more come.

    Args:
        options: `reader` and `format` as in `kinds.FileKind`, `max_pages`.
    """
    path = options.get("path", SOURCE)
    source: Source = Pdf(path) if options["reader"] == "pdf" else Picture(path, options["format"])
    if not len(source):
        raise Failed("file_broken")
    if len(source) > options["max_pages"]:
        raise Failed("too_many_pages")
    tell(pages=len(source))
    for line in orders:
        number = int(line)
        image, text = source.page(number)
        width, height = image.size
        write_page(number, image)
        tell(page=number, w=width, h=height, text=text)
