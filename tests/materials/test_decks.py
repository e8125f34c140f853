"""Decks: from an upload to pages, page by page; and files that are none."""

import asyncio
import io
import itertools
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from liveclass.errors import PeerError
from liveclass.materials.model import WIDTHS
from liveclass.operate.doctor_materials import chinese_font
from tests.materials import files
from tests.materials.workshop import LESSON, workshop


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


async def test_a_pdf_becomes_pages_in_four_widths_with_their_text(tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        material = await shop.made(files.deck(["分数 one", "two"]), "分数.pdf")
        assert (material.kind, material.name, material.state) == ("deck", "分数.pdf", "ready")
        assert (material.done, material.total, material.problem) == (2, 2, "")
        pages = shop.deck(material).pages
        assert [page.text for page in pages] == ["分数 one", "two"]
        for page in pages:
            assert (page.w, page.h) == (1920, 1080)
            for (name, width), size in zip(WIDTHS, page.bytes, strict=True):
                data = shop.read(f"{getattr(page, name)}.webp")
                assert len(data) == size
                assert opened(data).format == "WEBP"
                assert opened(data).size == (width, width * 9 // 16)


async def test_pages_are_told_of_in_order_and_never_taken_back(tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        await shop.made(files.deck([f"page {n}" for n in range(12)]))
        told = [material for _, material in shop.told]
        counts = [material.done for material in told]
        assert counts == sorted(counts)
        assert counts[0] == 0
        assert next(material for material in told if material.done).done == 1, "the first page is told of at once"
        manifests = [material.manifest for material in told if material.done]
        assert all(manifests)
        assert told[-1].state == "ready"


async def test_nothing_but_what_is_served_stays_on_the_disk(tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        material = await shop.made(files.deck(["a", "b", "c"]))
        pages = shop.deck(material).pages
        wanted = {f"{sha}.webp" for page in pages for sha in (page.thumb, page.s, page.m, page.l)}
        wanted |= {f"{material.manifest}.json", f"{material.id}.index"}
        extra = shop.names() - wanted
        assert len(extra) <= 1, "the manifest before the last, which somebody may be fetching"
        assert all(name.endswith(".json") for name in extra)
        assert list((tmp_path / ".uploads").iterdir()) == []


@pytest.mark.skipif(not chinese_font(), reason="no Chinese font on this machine")
async def test_a_chinese_text_without_its_font_is_drawn_all_the_same(tmp_path: Path) -> None:
    """Missing glyphs are empty, or all the same box."""
    async with workshop(tmp_path) as shop:
        material = await shop.made(files.deck(["分", "数", ""]))
        drawn = [opened(shop.read(f"{page.m}.webp")).convert("L") for page in shop.deck(material).pages]
        for one, other in itertools.combinations(drawn, 2):
            difference = ImageChops.difference(one, other).point(lambda value: 255 if value > 128 else 0)
            assert difference.histogram()[255] > 100


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
async def test_a_picture_becomes_a_deck_of_one_page(format: str, tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        material = await shop.made(files.picture((2400, 1200), format))
        [page] = shop.deck(material).pages
        assert (material.kind, material.state, page.w, page.h) == ("deck", "ready", 1920, 960)
        red, green, blue = opened(shop.read(f"{page.m}.webp")).convert("RGB").getpixel((600, 300))  # type: ignore[misc]
        assert abs(red - 0x33) < 8
        assert abs(green - 0x66) < 8
        assert abs(blue - 0x99) < 8


async def test_a_small_picture_is_not_blown_up(tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        [page] = shop.deck(await shop.made(files.picture((300, 200)))).pages
        assert (page.w, page.h) == (300, 200)
        assert page.l == page.m == page.s
        assert opened(shop.read(f"{page.thumb}.webp")).size == (160, 107)


async def test_a_phones_picture_is_turned_upright_and_transparency_lies_on_white(tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        lying, clear = io.BytesIO(), io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (400, 300), "black").save(lying, "JPEG", exif=exif)
        Image.new("RGBA", (400, 300), (0, 0, 0, 0)).save(clear, "PNG")
        [page] = shop.deck(await shop.made(lying.getvalue())).pages
        assert (page.w, page.h) == (300, 400)
        [page] = shop.deck(await shop.made(clear.getvalue())).pages
        assert opened(shop.read(f"{page.l}.webp")).convert("L").getpixel((200, 150)) == 255


@pytest.mark.parametrize(
    ("width", "height"), [(14_400, 14_400), (1, 14_400), (14_400, 1), (3, 3)], ids=["huge", "high", "flat", "tiny"]
)
async def test_pages_of_any_size_stay_within_bounds(width: float, height: float, tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        material = await shop.made(files.boxed(width, height))
        assert material.state == "ready"
        [page] = shop.deck(material).pages
        assert 1 <= page.w <= 1920
        assert 1 <= page.h <= 1920 * 3


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (files.encrypted(), "file_encrypted"),
        (b"%PDF-1.7\n" + bytes(range(256)) * 40, "file_broken"),
        (files.picture((500, 500), "JPEG")[:300], "file_broken"),
        (files.picture((500, 500))[:60], "file_broken"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 500, "file_broken"),
        (files.bomb(), "too_large"),
        (files.deck(["x"] * 6), "too_many_pages"),
        (b"\x1a\x45\xdf\xa3" + b"\0" * 1000, "file_broken"),
        (b"ID3" + b"\0" * 1000, "file_broken"),
    ],
    ids=["locked", "noise", "torn-jpeg", "torn-png", "no-png", "bomb", "long", "no-film", "no-song"],
)
async def test_a_file_that_cannot_be_used_fails_with_a_word_and_leaves_nothing(
    data: bytes, problem: str, tmp_path: Path
) -> None:
    async with workshop(tmp_path, max_pages=5) as shop:
        material = await shop.made(data)
        assert (material.state, material.problem) == ("failed", problem)
        assert (material.manifest, material.bytes) == ("", 0)
        assert shop.names() == {f"{material.id}.index"}
        assert (await shop.made(files.deck(["next"]))).state == "ready"


async def test_a_torn_pdf_is_a_word_or_whatever_pages_it_has(tmp_path: Path) -> None:
    whole = files.deck(["one", "two", "three"])
    async with workshop(tmp_path) as shop:
        for part in (0.3, 0.6, 0.9):
            material = await shop.made(whole[: int(len(whole) * part)])
            assert material.state == "ready" or material.problem == "file_broken"


async def test_a_page_that_is_drawn_for_ever_takes_too_long_and_no_longer(tmp_path: Path) -> None:
    async with workshop(tmp_path, page_s=2.0) as shop:
        material = await shop.made(files.endless())
        assert (material.state, material.problem) == ("failed", "took_too_long")


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"<html><script>", b"MZ" + b"\0" * 100, b"PK\x03\x04" + b"\0" * 200, b"#!/bin/sh\n"]
)
async def test_what_is_no_material_is_refused_at_once(data: bytes, tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        with pytest.raises(PeerError) as refused:
            await shop.upload(data, "looks-like.pdf")
        assert (refused.value.status, refused.value.code) == (415, "kind_unknown")
        assert await shop.materials.list(LESSON) == []
        assert list((tmp_path / ".uploads").iterdir()) == []


async def test_a_long_deck_lets_a_short_one_pass(tmp_path: Path) -> None:
    """Two children draw the long deck; the second one makes room as soon as somebody waits."""
    async with workshop(tmp_path, workers=2) as shop:
        long = await shop.upload(files.deck([f"page {n}" for n in range(60)]))
        await shop.until(lambda material: material.done >= 3)
        short = await shop.made(files.deck(["short"]))
        assert short.state == "ready"
        [now] = [m for m in await shop.materials.list(LESSON) if m.id == long.id]
        assert now.state == "working"
        await shop.until(lambda material: material.id == long.id and material.state == "ready")


async def test_more_uploads_than_workers_wait_their_turn(tmp_path: Path) -> None:
    async with workshop(tmp_path, workers=1) as shop:
        made = await asyncio.gather(*(shop.made(files.deck([f"deck {n}"])) for n in range(4)))
        assert {material.state for material in made} == {"ready"}
