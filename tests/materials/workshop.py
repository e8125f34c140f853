"""A store with everything that makes materials, and hands to use it. Knows no single test."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from liveclass.lesson.events import Material
from liveclass.materials.model import DeckManifest, MaterialsOptions, MediaManifest
from liveclass.materials.runner import Command
from liveclass.materials.service import Materials

LESSON = "lesson-1"
PATIENCE_S = 60.0
"""Longer than anything that a test waits for."""


def hostile(what: str) -> Command:
    """A child that misbehaves so."""
    return (sys.executable, "-P", "-B", str(Path(__file__).with_name("hostile.py")), what)


@dataclass
class Workshop:
    """What was told is in `told`, in order."""

    folder: Path
    materials: Materials
    told: list[tuple[str, Material]] = field(default_factory=list)
    removed: list[tuple[str, str]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def on_change(self, lesson: str, material: Material) -> None:
        self.told.append((lesson, material))
        self.changed.set()

    def on_removed(self, lesson: str, material: str) -> None:
        self.removed.append((lesson, material))

    async def upload(self, data: bytes, name: str = "file", lesson: str = LESSON) -> Material:
        upload = await self.materials.open_upload(lesson, len(data))
        try:
            await upload.write(data)
            return await upload.finish(name)
        finally:
            await upload.abort()

    async def until(self, what: Any, lesson: str = LESSON) -> Material:
        """The first of the lesson's materials of which `what` is true, as soon as one is."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self.changed.clear()
                for material in await self.materials.list(lesson):
                    if what(material):
                        return material
                await self.changed.wait()

    async def made(self, data: bytes, name: str = "file", lesson: str = LESSON) -> Material:
        """Upload and wait for the end."""
        id = (await self.upload(data, name, lesson)).id
        return await self.until(lambda material: material.id == id and material.state != "working", lesson)

    def deck(self, material: Material, lesson: str = LESSON) -> DeckManifest:
        return msgspec.json.decode(self.read(f"{material.manifest}.json", lesson), type=DeckManifest)

    def media(self, material: Material, lesson: str = LESSON) -> MediaManifest:
        return msgspec.json.decode(self.read(f"{material.manifest}.json", lesson), type=MediaManifest)

    def read(self, name: str, lesson: str = LESSON) -> bytes:
        return self.materials.locate(lesson, name).read_bytes()

    def names(self, lesson: str = LESSON) -> set[str]:
        """What lies in the lesson's folder."""
        folder = self.folder / lesson
        return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


@asynccontextmanager
async def workshop(folder: Path, *, command: Command | None = None, **options: Any) -> AsyncIterator[Workshop]:
    """Started, and closed afterwards; one opened later on the same folder is that server after a restart."""
    bounds = MaterialsOptions(**{"publish_s": 0.0, **options})
    shop = Workshop(folder, Materials(folder, bounds, command=command))
    shop.materials = Materials(folder, bounds, shop.on_change, shop.on_removed, command=command)
    await shop.materials.start()
    try:
        yield shop
    finally:
        await shop.materials.close()
