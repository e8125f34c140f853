"""What the server needs of the rooms below it, as protocols, so that tests can bring parts of their own.

Refuses to know how lessons and recordings are stored. The relay's own port is `liveclass.relay.ports`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from liveclass.catalogue.rows import LINK_ROLES, LessonRow, LinkRole
from liveclass.lesson.events import Material
from liveclass.lesson.messages import LessonState, RecordingState
from liveclass.materials.service import Upload
from liveclass.recording.catchup import Rendition
from liveclass.recording.follow import CatchupStream
from liveclass.recording.model import Manifest, MediaFile, RecordingStatus
from liveclass.relay.source import Sink

__all__ = [
    "LINK_ROLES",
    "CataloguePort",
    "LessonRow",
    "LinkRole",
    "Manifest",
    "MaterialsPort",
    "MediaFile",
    "RecordingStatus",
    "RecordingsPort",
]


class CataloguePort(Protocol):
    """Lessons and links in the database, as `catalogue.store.Catalogue` describes them. Every call may wait."""

    async def create_lesson(
        self, title: str, language: str, starts_at: datetime | None = None
    ) -> tuple[LessonRow, Mapping[LinkRole, str]]: ...

    async def lesson(self, id: str, /) -> LessonRow | None: ...

    async def lessons(self, limit: int = 50, before: str | None = None) -> Sequence[LessonRow]: ...

    async def live_lessons(self) -> Sequence[LessonRow]: ...

    async def set_state(self, id: str, state: LessonState, at: datetime, /) -> object: ...

    async def delete_lesson(self, id: str, /) -> object: ...

    async def role_of(self, lesson_id: str, token: str) -> LinkRole | None: ...

    async def revoke(self, lesson_id: str, role: LinkRole) -> object: ...

    async def rotate(self, lesson_id: str, role: LinkRole) -> str: ...

    async def put_recording(
        self, lesson_id: str, *, state: RecordingState, duration_s: float, bytes_: int, problem: str = ""
    ) -> object: ...

    async def ping(self) -> None: ...


class RecordingsPort(Protocol):
    """All recordings of this process, as `recording.service.Recordings` describes them."""

    async def adopt(self, lesson_id: str, fence: int) -> None: ...

    def drop(self, lesson_id: str) -> None: ...

    def doubt(self, lesson_id: str, on: bool) -> None: ...

    async def rest(self, lesson_id: str) -> None: ...

    def unfinished(self) -> Sequence[str]: ...

    def begin(self, lesson_id: str, now: float, wall: float) -> Sink: ...

    async def finish(self, lesson_id: str) -> None: ...

    async def delete(self, lesson_id: str) -> None: ...

    def status(self, lesson_id: str) -> RecordingStatus: ...

    def manifest(self, lesson_id: str) -> Manifest: ...

    def locate(self, lesson_id: str, name: str) -> MediaFile: ...

    async def catchup(self, lesson_id: str, from_ms: int, rendition: Rendition, /) -> CatchupStream: ...


class MaterialsPort(Protocol):
    """All slides, songs and films of this process, as `materials.service.Materials` describes them."""

    async def adopt(self, lesson_id: str, /) -> None: ...

    def drop(self, lesson_id: str, /) -> None: ...

    async def list(self, lesson_id: str, /) -> Sequence[Material]: ...

    async def open_upload(self, lesson_id: str, announced_bytes: int | None = None, /) -> Upload: ...

    async def reuse(self, from_lesson: str, material_id: str, to_lesson: str, /) -> Material: ...

    async def delete(self, lesson_id: str, material_id: str, /) -> None: ...

    async def delete_lesson(self, lesson_id: str, /) -> None: ...

    def locate(self, lesson_id: str, name: str, /) -> Path: ...
