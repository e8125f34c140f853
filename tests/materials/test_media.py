"""Songs and films: whatever comes becomes what the thinnest classroom can hold."""

import io
from pathlib import Path

import av
import numpy as np
import pytest

from tests.materials import files
from tests.materials.workshop import LESSON, workshop


@pytest.mark.parametrize(
    ("ext", "codec", "rate"),
    [
        ("mp3", "libmp3lame", 44_100),
        ("m4a", "aac", 48_000),
        ("ogg", "libopus", 48_000),
        ("opus", "libopus", 48_000),
        ("wav", "pcm_s16le", 48_000),
        ("flac", "flac", 48_000),
        ("webm", "libopus", 48_000),
        ("aac", "aac", 48_000),
    ],
)
async def test_a_song_becomes_64_kbit_per_s_of_mp3(ext: str, codec: str, rate: int, tmp_path: Path) -> None:
    async with workshop(tmp_path / "store") as shop:
        material = await shop.made(files.song(tmp_path, 6.0, ext, codec, rate), f"song.{ext}")
        assert (material.kind, material.state, material.done, material.total) == ("song", "ready", 100, 100)
        manifest = shop.media(material)
        assert (manifest.kind, manifest.ext, manifest.width, manifest.height) == ("song", "mp3", 0, 0)
        assert abs(manifest.duration_ms - 6000) < 200
        data = shop.read(f"{manifest.file}.mp3")
        assert len(data) == manifest.bytes
        assert len(data) < 6 * 64_000 / 8 * 1.1
        with av.open(io.BytesIO(data), "r") as made:
            [stream] = made.streams.audio
            assert stream.codec_context.name.startswith("mp3")
            loudest = max(float(np.abs(frame.to_ndarray()).max()) for frame in made.decode(stream))
            assert loudest > 0.2


@pytest.mark.parametrize(
    ("ext", "codec", "size"),
    [
        ("mp4", "libx264", (1280, 720)),
        ("mov", "libx264", (480, 640)),
        ("mkv", "libx264", (320, 240)),
        ("webm", "libvpx", (640, 360)),
    ],
)
async def test_a_film_becomes_240_lines_of_baseline_h264(
    ext: str, codec: str, size: tuple[int, int], tmp_path: Path
) -> None:
    async with workshop(tmp_path / "store") as shop:
        material = await shop.made(files.film(tmp_path, 5.0, size, ext, codec), f"film.{ext}")
        assert (material.kind, material.state) == ("film", "ready")
        manifest = shop.media(material)
        width = round(240 * size[0] / size[1] / 2) * 2
        assert (manifest.ext, manifest.width, manifest.height) == ("mp4", width, 240)
        assert abs(manifest.duration_ms - 5000) < 200
        data = shop.read(f"{manifest.file}.mp4")
        assert len(data) * 8 / 5 < 300_000
        assert data.index(b"moov") < data.index(b"mdat"), "it plays before all of it has come"
        with av.open(io.BytesIO(data), "r") as made:
            picture, sound = made.streams.video[0], made.streams.audio[0]
            assert (picture.codec_context.name, picture.codec_context.profile) == ("h264", "Constrained Baseline")
            assert sound.codec_context.name == "aac"
            keyframes = [float(p.pts * p.time_base) for p in made.demux(picture) if p.is_keyframe and p.pts is not None]
            assert [round(at) for at in keyframes] == [0, 2, 4]


async def test_a_phones_film_is_turned_upright(tmp_path: Path) -> None:
    data = files.film(tmp_path, 2.0, (320, 240))
    one, zero = (1 << 16).to_bytes(4), bytes(4)
    flat = one + zero * 3 + one + zero * 3 + (1 << 30).to_bytes(4)
    quarter = zero + one + zero + (-1 << 16).to_bytes(4, signed=True) + zero * 4 + (1 << 30).to_bytes(4)
    begin = data.index(b"tkhd")
    place = data.index(flat, begin)
    turned = data[:place] + quarter + data[place + len(flat) :]
    async with workshop(tmp_path / "store") as shop:
        manifest = shop.media(await shop.made(turned))
        assert (manifest.width, manifest.height) == (180, 240)
        with av.open(io.BytesIO(shop.read(f"{manifest.file}.mp4")), "r") as made:
            image = next(made.decode(made.streams.video[0])).to_image()  # type: ignore[no-untyped-call]
        # The square moves along the upper edge of the picture as it was taken: the right one now.
        assert image.getpixel((150, 30))[0] > 150
        assert image.getpixel((20, 30))[0] < 100


async def test_progress_is_told_in_percent(tmp_path: Path) -> None:
    async with workshop(tmp_path / "store") as shop:
        await shop.made(files.film(tmp_path, 8.0, (640, 360)))
        percents = [material.done for _, material in shop.told]
        assert percents == sorted(percents)
        assert any(0 < percent < 100 for percent in percents)
        assert {material.total for _, material in shop.told} == {100}


async def test_what_is_longer_than_allowed_says_so(tmp_path: Path) -> None:
    async with workshop(tmp_path / "store", max_media_s=3.0) as shop:
        material = await shop.made(files.song(tmp_path, 5.0, "mp3", "libmp3lame"))
        assert (material.state, material.problem) == ("failed", "too_long")
        # A stream that does not say how long it is.
        material = await shop.made(files.song(tmp_path, 5.0, "aac", "aac"))
        assert (material.state, material.problem) == ("failed", "too_long")


async def test_a_torn_film_is_what_there_is_of_it_or_a_word(tmp_path: Path) -> None:
    data = files.film(tmp_path, 4.0, (320, 240), "mkv")
    async with workshop(tmp_path / "store") as shop:
        torn = await shop.made(data[: len(data) // 2])
        assert torn.state == "ready" or torn.problem == "file_broken"
        headless = await shop.made(files.film(tmp_path, 2.0, (320, 240))[:2000])
        assert (headless.state, headless.problem) == ("failed", "file_broken")


async def test_slides_find_a_place_beside_films(tmp_path: Path) -> None:
    film = files.film(tmp_path, 10.0, (640, 360))
    async with workshop(tmp_path / "store", workers=2) as shop:
        films = [await shop.upload(film) for _ in range(2)]
        deck = await shop.made(files.deck(["now"]))
        assert deck.state == "ready"
        states = {m.id: m.state for m in await shop.materials.list(LESSON)}
        assert "working" in {states[one.id] for one in films}
