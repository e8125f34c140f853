"""What a material is, what a manifest says and what bounds there are. Values only: no file, no process."""

import re
from dataclasses import dataclass
from typing import Literal

import msgspec

from liveclass.errors import PeerError

Problem = Literal[
    "",
    "file_broken",
    "file_encrypted",
    "too_many_pages",
    "too_large",
    "too_long",
    "took_too_long",
    "kind_unknown",
    "office_not_installed",
    "interrupted",
    "disk_full",
    "disk_error",
]
"""Why a material failed, as stable words that pages put into sentences."""

WIDTHS: tuple[tuple[str, int], ...] = (("thumb", 160), ("s", 480), ("m", 1280), ("l", 1920))
"""The pictures of a page by name and width in pixels. None is wider than what was uploaded."""

MATERIAL_ID = re.compile(r"[a-z0-9]{6,12}")
FILE_NAME = re.compile(r"[0-9a-f]{64}\.(?:webp|json|m4a|mp3|mp4)")
"""The only names under which anything is served."""

CONTENT_TYPES = {
    "webp": "image/webp",
    "json": "application/json",
    "m4a": "audio/mp4",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
}


class Page(msgspec.Struct, frozen=True):
    """One page of a deck: its size in pixels at the largest width, the hash of each picture, and its text.

    Attributes:
        bytes: of the pictures, in the order thumb, s, m, l.
    """

    w: int
    h: int
    thumb: str
    s: str
    m: str
    l: str  # noqa: E741  (the name that pages read)
    bytes: tuple[int, int, int, int]
    text: str = ""


class DeckManifest(msgspec.Struct, frozen=True, tag_field="kind", tag="deck"):
    """The pages that are ready, from the first on without a gap."""

    pages: list[Page]


class MediaManifest(msgspec.Struct, frozen=True):
    """A song or film: one file; `width` and `height` are 0 for a song."""

    kind: Literal["song", "film"]
    file: str
    ext: str
    bytes: int
    duration_ms: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialsOptions:
    """Bounds, as the settings of the same names say.

    Attributes:
        workers: children that may run at a time.
        page_s: seconds that one page may take, and a child to open its file.
        work_s: seconds that one material may take in all.
        memory_bytes: address space of a child.
        publish_s: shortest time between two manifests of a deck that is being made.
    """

    max_upload_bytes: int = 100_000_000
    max_pages: int = 300
    max_per_lesson: int = 60
    max_lesson_bytes: int = 1_000_000_000
    max_uploads: int = 8
    max_media_s: float = 3600.0
    workers: int = 2
    page_s: float = 30.0
    work_s: float = 1800.0
    memory_bytes: int = 1_536 * 1024 * 1024
    disk_floor_bytes: int = 0
    publish_s: float = 0.5


class Failed(Exception):
    """The making of a material ended without one; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem: Problem = problem


def unknown() -> PeerError:
    """What is answered for a material or file that is not there."""
    return PeerError("There is no such material.", status=404, code="not_found")
