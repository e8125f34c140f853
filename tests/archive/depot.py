"""A data folder with lessons in it, a store that can be made to fail, and an archive between them."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from liveclass.archive.model import ArchiveOptions
from liveclass.archive.service import Archive
from liveclass.archive.store import Store, StoreGone

LESSON = "lesson000001"
MARKER = b"-a child's voice-"


class Faulty(Store):
    """A store that is gone when a test says so."""

    gone = False
    lost_answers = 0
    puts: list[str]

    @classmethod
    def over(cls, store: Store) -> "Faulty":
        made = cls(store._inner, signs=store.signs, folder=store._folder, origin=store.origin)
        made.puts = []
        return made

    async def put(self, path: str, data: bytes | Path, content_type: str = "") -> None:
        if self.gone:
            raise StoreGone("gone")
        await super().put(path, data, content_type)
        self.puts.append(path)
        if self.lost_answers:
            self.lost_answers -= 1
            raise StoreGone("it is there, but nobody knows")

    async def names(self, prefix: str) -> list[tuple[str, int]]:
        if self.gone:
            raise StoreGone("gone")
        return await super().names(prefix)

    async def get(self, path: str) -> bytes:
        if self.gone:
            raise StoreGone("gone")
        return await super().get(path)


class Depot:
    """One node: its data folder and its archive."""

    def __init__(self, root: Path, store: Store, *, alone: bool = True, **options: object) -> None:
        self.uploads: list[tuple[str, int, float, bool]] = []
        self.root = root
        self.store = store
        self.now = 1000.0
        defaults: dict[str, object] = {"round_s": 0.02}
        self.archive = Archive(
            store,
            root,
            ArchiveOptions(**{**defaults, **options}),  # type: ignore[arg-type]
            alone=alone,
            monotonic=lambda: self.now,
            uploaded=lambda *about: self.uploads.append(about),
        )

    def path(self, kind: str, name: str = "", lesson: str = LESSON) -> Path:
        match kind:
            case "timeline":
                return self.root / "timelines" / f"{lesson}.jsonl"
            case "snapshot":
                return self.root / "lessons" / f"{lesson}.json"
            case "materials":
                return self.root / "materials" / lesson / name
        return self.root / "recordings" / lesson / name

    def put(self, kind: str, name: str, data: bytes, lesson: str = LESSON) -> None:
        path = self.path(kind, name, lesson)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def add(self, kind: str, line: bytes, lesson: str = LESSON) -> None:
        path = self.path(kind, "journal.jsonl", lesson)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(line + b"\n")

    def segment(self, number: int, lesson: str = LESSON, size: int = 20_000) -> bytes:
        """A closed segment, and its line in the journal."""
        data = MARKER + hashlib.sha512(f"{lesson}{number}".encode()).digest() * (size // 64)
        self.put("recording", f"main-{number:06d}.m4s", data, lesson)
        self.add("recording", json.dumps({"event": "closed", "n": number}).encode(), lesson)
        return data

    def teach(self, segments: int = 5, lesson: str = LESSON) -> None:
        """A lesson that runs."""
        self.put("recording", "main-init-1.mp4", b"init" + MARKER, lesson)
        self.put("recording", f"main-{segments + 1:06d}.m4s.part", b"open" + MARKER, lesson)
        self.put("recording", "main.m3u8", b"#EXTM3U", lesson)
        for number in range(1, segments + 1):
            self.segment(number, lesson)
            self.add("timeline", json.dumps({"seq": number, "said": MARKER.decode()}).encode(), lesson)
        self.put("snapshot", "", b'{"who": "%s"}' % MARKER, lesson)
        page = MARKER + b"page"
        name = hashlib.sha256(page).hexdigest() + ".webp"
        self.put("materials", name, page, lesson)
        self.put("materials", "abcdef12.index", json.dumps({"files": {name: len(page)}}).encode(), lesson)

    def finish(self, lesson: str = LESSON) -> None:
        self.path("recording", "main-000006.m4s.part", lesson).unlink(missing_ok=True)
        self.put("recording", "main.m3u8", b"#EXTM3U\n#EXT-X-ENDLIST", lesson)
        self.put("recording", "summary.json", b"{}", lesson)

    def files(self) -> dict[str, bytes]:
        """Everything of lessons on this disk, by name."""
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for folder in ("recordings", "timelines", "lessons", "materials")
            for path in sorted((self.root / folder).rglob("*"))
            if path.is_file()
        }


async def until(what: Callable[[], bool], depot: Depot, limit_s: float = 20.0) -> None:
    """Let real time pass, and the depot's with it, until something holds."""
    for _ in range(int(limit_s / 0.02)):
        if what():
            return
        depot.now += 1.0
        await asyncio.sleep(0.02)
    raise AssertionError("it never came")
