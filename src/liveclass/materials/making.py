"""The making of one material: which children run for it, and what becomes of what they make.

Knows neither the lesson's other materials nor who is told. A deck's first page is made first and told at once; the rest
comes from as many children as have a slot, each asked for one page after the other, in order.
"""

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from liveclass import tasks
from liveclass.lesson.events import Material
from liveclass.materials import office
from liveclass.materials.model import (
    WIDTHS,
    DeckManifest,
    Failed,
    MaterialsOptions,
    MediaManifest,
    Page,
)
from liveclass.materials.runner import END_S, Child, Command, Said
from liveclass.materials.slots import Slots
from liveclass.materials.store import Store, Stored
from liveclass.materials.threads import whole

MAX_PICTURE_BYTES = 8 * 1024 * 1024
"""Of one picture of a page: a hundred times what one weighs."""

MAX_SIDE = 10_000
"""Pixels; more than any page is made with."""

MEDIA_BYTES_PER_S = 100_000
"""Of a song or film that was made: three times what is aimed at."""

HELPER_LOOK_S = 0.25
"""How often a deck looks for a free slot: a page takes longer."""

MANIFESTS_KEPT = 2
"""The newest, and the one before it, which somebody may be about to fetch."""


@dataclass
class Making:
    """What has become of a material since the last time.

    Attributes:
        material: what it is now; hash of the manifest and bytes are filled in by whoever stores it.
        manifest: the new manifest's bytes.
        files: new files, by name, with their sizes.
        stale: files that are no longer needed.
    """

    material: Material
    manifest: bytes | None = None
    files: dict[str, int] = field(default_factory=dict)
    stale: list[str] = field(default_factory=list)


class Maker:
    """Args:
    slots: one of them is held for this material already; more are taken and given back here.
    publish: told of each step; it stores manifest and index.
    """

    def __init__(
        self,
        store: Store,
        options: MaterialsOptions,
        slots: Slots,
        command: Command,
        lesson: str,
        stored: Stored,
        publish: Callable[[Making], Awaitable[None]],
    ) -> None:
        self._store = store
        self._options = options
        self._slots = slots
        self._command = command
        self._lesson = lesson
        self._stored = stored
        self._publish = publish
        self._work = store.work(lesson, stored.material.id).absolute()
        self._pages: dict[int, Page] = {}
        self._total = 0
        self._files: dict[str, int] = {}
        self._manifests: list[str] = []
        self._told_at = float("-inf")
        self._telling = asyncio.Lock()

    @property
    def untold(self) -> dict[str, int]:
        """Files that are in the lesson's folder already, and that `publish` was not told of."""
        return self._files

    async def make(self) -> None:
        """Make all of it.

        Raises:
            Failed: it cannot be made.
            OSError: the disk refuses.
        """
        if self._stored.reader == "media":
            await self._make_media()
        else:
            await self._make_deck()

    @contextlib.asynccontextmanager
    async def _child(self, job: str, folder: Path, **options: Any) -> AsyncIterator[Child]:
        bounds = {
            "memory_bytes": self._options.memory_bytes,
            "cpu_s": max(1, round(self._options.work_s)),
            "file_bytes": 4 * self._options.max_upload_bytes,
        }
        child = await Child.start(self._command, job, {**bounds, **options}, folder)
        try:
            yield child
        finally:
            await asyncio.shield(child.close())

    # Decks

    async def _make_deck(self) -> None:
        reader, path = self._stored.reader, "source"
        if reader == "office":
            reader, path = "pdf", await self._from_office()
        self._pages = await whole(self._pages_so_far)
        async with self._pages_child(reader, path, self._work) as child:
            self._total = (await child.hear(self._options.page_s)).pages
            if not self._total:
                raise Failed("file_broken")
            if self._total > self._options.max_pages:
                raise Failed("too_many_pages")
            pending = deque(number for number in range(1, self._total + 1) if number not in self._pages)
            if pending:
                await self._make_page(child, self._work, pending.popleft())
            helpers = range(1, self._options.workers)
            await _together(
                self._feed(child, self._work, pending),
                *(self._help(reader, path, pending, number) for number in helpers),
            )
        await self._tell_pages()

    def _pages_child(self, reader: str, path: str, folder: Path) -> contextlib.AbstractAsyncContextManager[Child]:
        bounds = {"format": self._stored.format, "max_pages": self._options.max_pages}
        return self._child("pages", folder, reader=reader, path=path, **bounds)

    async def _from_office(self) -> str:
        program = office.find()
        if not program:
            raise Failed("office_not_installed")
        suffix = self._stored.format
        await whole(_name_again, self._work / "source", self._work / f"source.{suffix}")
        async with self._child("office", self._work, **office.options(program, suffix)) as child:
            await child.ended(self._options.work_s)
        if not (self._work / "source.pdf").is_file():
            raise Failed("file_broken")
        return "source.pdf"

    def _pages_so_far(self) -> dict[int, Page]:
        """What was made before the server ended."""
        name = f"{self._stored.material.manifest}.json"
        try:
            manifest = msgspec.json.decode(self._store.read(self._lesson, name), type=DeckManifest)
        except Exception:
            return {}
        self._manifests = [name]
        return dict(enumerate(manifest.pages, 1))

    async def _feed(self, child: Child, folder: Path, pending: deque[int], *, helping: bool = False) -> None:
        while pending and not (helping and self._slots.contended):
            await self._make_page(child, folder, pending.popleft())

    async def _help(self, reader: str, path: str, pending: deque[int], number: int) -> None:
        """A further child whenever a slot is free; it makes room for whoever comes after."""
        folder = self._work / f"helper-{number}"
        await whole(lambda: folder.mkdir(exist_ok=True))
        while len(pending) > 1:
            if not self._slots.try_take():
                await asyncio.sleep(HELPER_LOOK_S)
                continue
            try:
                await whole(_name_again, self._work / path, folder / "source")
                async with self._pages_child(reader, "source", folder) as child:
                    if (await child.hear(self._options.page_s)).pages != self._total:
                        raise Failed("file_broken")
                    await self._feed(child, folder, pending, helping=True)
            finally:
                self._slots.give()

    async def _make_page(self, child: Child, folder: Path, number: int) -> None:
        await child.say(str(number))
        said = await child.hear(self._options.page_s)
        if said.page != number or not (0 < said.w <= MAX_SIDE and 0 < said.h <= MAX_SIDE):
            raise Failed("file_broken")
        self._pages[number] = await whole(self._adopt_page, said, folder)
        if time.monotonic() - self._told_at >= self._options.publish_s:
            await self._tell_pages()

    def _adopt_page(self, said: Said, folder: Path) -> Page:
        hashes: dict[str, str] = {}
        sizes = []
        for name, _ in WIDTHS:
            sha, size = self._store.adopt(self._lesson, folder / f"{said.page}.{name}.webp", "webp", MAX_PICTURE_BYTES)
            self._files[f"{sha}.webp"] = size
            hashes[name] = sha
            sizes.append(size)
        return Page(
            said.w,
            said.h,
            hashes["thumb"],
            hashes["s"],
            hashes["m"],
            hashes["l"],
            (sizes[0], sizes[1], sizes[2], sizes[3]),
            said.text,
        )

    async def _tell_pages(self) -> None:
        """A manifest of the pages from the first on without a gap, if there are more than were told of."""
        async with self._telling:
            ready: list[Page] = []
            while (page := self._pages.get(len(ready) + 1)) is not None:
                ready.append(page)
            files, self._files = self._files, {}
            if len(ready) == self._stored.material.done and not files and self._stored.material.total == self._total:
                return
            self._told_at = time.monotonic()
            manifest = msgspec.json.encode(DeckManifest(ready))
            material = msgspec.structs.replace(self._stored.material, done=len(ready), total=self._total)
            stale = self._manifests[: 1 - MANIFESTS_KEPT] if len(self._manifests) >= MANIFESTS_KEPT else []
            await self._publish(Making(material, manifest, files, stale))
            self._manifests = [name for name in self._manifests if name not in stale]
            self._manifests.append(f"{self._stored.material.manifest}.json")

    # Songs and films

    async def _make_media(self) -> None:
        material = self._stored.material
        limit = round(self._options.max_media_s * MEDIA_BYTES_PER_S)
        async with self._child(
            "media",
            self._work,
            format=self._stored.format,
            max_media_s=self._options.max_media_s,
            file_bytes=limit,
        ) as child:
            said = await child.hear(self._options.work_s)
            if said.kind not in ("song", "film"):
                raise Failed("file_broken")
            material = msgspec.structs.replace(material, kind=said.kind, duration_ms=said.duration_ms, total=100)
            while not said.ready:
                if self._work_is_news(material, said):
                    material = msgspec.structs.replace(material, done=min(said.percent, 99))
                    await self._publish(Making(material))
                said = await child.hear(self._options.work_s)
        ext = "mp3" if material.kind == "song" else "mp4"
        sha, size = await whole(self._store.adopt, self._lesson, self._work / f"out.{ext}", ext, limit)
        manifest = MediaManifest(material.kind, sha, ext, size, said.duration_ms, said.width, said.height)  # type: ignore[arg-type]
        material = msgspec.structs.replace(material, done=100, duration_ms=said.duration_ms)
        await self._publish(Making(material, msgspec.json.encode(manifest), {f"{sha}.{ext}": size}))

    def _work_is_news(self, material: Material, said: Said) -> bool:
        """The first line and then twice a second: everybody in the lesson is told."""
        now = time.monotonic()
        if said.kind is None and now - self._told_at < self._options.publish_s:
            return False
        self._told_at = now
        return said.percent != material.done or said.kind is not None


def _name_again(path: Path, name: Path) -> None:
    """A further name of the same file; a child opens what lies in its own folder only."""
    name.unlink(missing_ok=True)
    os.link(path, name)


async def _together(*works: Any) -> None:
    """All of them; the first that fails ends the others."""
    running = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        await tasks.end(running, END_S)
