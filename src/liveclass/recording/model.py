"""What the rest of liveclass sees of a recording: its options, its state, its contents and its files.

Plain values; nothing here opens a file or knows how a recording is made.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

RecordingState = Literal["off", "recording", "paused", "stopped", "finished"]
"""`off`: nothing is or was recorded. `recording`: media goes to disk. `paused`: the disk refuses; resumes by itself.
`stopped`: unfinished, and this process records nothing for it (the server was stopped and the lesson not resumed yet).
`finished`: the replay is complete."""

Problem = Literal["", "disk_full", "disk_error"]
"""Why a recording is paused; empty when all is well."""

Event = Literal["begin", "disk_failed", "disk_recovered", "server_stopped", "finish"]

TRANSITIONS: dict[tuple[RecordingState, Event], RecordingState] = {
    ("off", "begin"): "recording",
    ("recording", "disk_failed"): "paused",
    ("paused", "disk_recovered"): "recording",
    ("recording", "server_stopped"): "stopped",
    ("paused", "server_stopped"): "stopped",
    ("stopped", "begin"): "recording",
    ("recording", "finish"): "finished",
    ("paused", "finish"): "finished",
    ("stopped", "finish"): "finished",
}
"""Every way a recording can go; anything else is a mistake of the caller and changes nothing."""

ClipKind = Literal["screen", "voice", "classroom"]
CacheRule = Literal["immutable", "live"]
"""`immutable`: these bytes never change under this name. `live`: ask again each time, by ETag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingOptions:
    """How recordings are made.

    Attributes:
        record: False records nothing at all.
        record_classrooms: whether called classrooms are recorded too (needs consent).
        fragment_s: the longest fragment, in seconds: what a crash can lose.
        segment_s: the aimed length of a segment, in seconds; each costs the publisher a keyframe.
        disk_floor_bytes: recording pauses when less than this is free.
        queue_bytes: how much media may wait for a slow disk, for all lessons together; beyond it a lesson pauses.
        reorder_s: how long a missing packet is waited for, in seconds (retransmission at 300 ms takes several tries).
        max_clips: clips of one lesson; later ones are not recorded, the main track is.
        low: whether the low rendition is recorded, which classrooms on weak links catch up from.
        light: whether finished recordings get the light rendition, sound alone in few bytes.
    """

    record: bool = True
    record_classrooms: bool = False
    fragment_s: float = 1.0
    segment_s: float = 10.0
    disk_floor_bytes: int = 512 * 1024 * 1024
    queue_bytes: int = 64 * 1024 * 1024
    reorder_s: float = 2.5
    max_clips: int = 500
    low: bool = True
    light: bool = True


@dataclass(frozen=True, slots=True)
class RecordingStatus:
    """How a recording stands: seconds that can be replayed, bytes on disk, and what is wrong, if anything."""

    state: RecordingState = "off"
    duration_s: float = 0.0
    bytes: int = 0
    problem: Problem = ""


@dataclass(frozen=True, slots=True)
class Part:
    """An unbroken stretch of the main track; a restart of the server or a full disk begins the next one.

    Attributes:
        starts_at_s: in replay time.
        began_at_ms: when it was taught, milliseconds since 1970.
    """

    starts_at_s: float
    duration_s: float
    began_at_ms: int


@dataclass(frozen=True, slots=True)
class Clip:
    """Something beside the main track: a screen share, the second volunteer, a called classroom.

    Attributes:
        playlist: the name of its playlist, for `Recordings.locate`.
        starts_at_s: where it begins in replay time; its own time begins at zero.
    """

    id: str
    kind: ClipKind
    name: str
    starts_at_s: float
    duration_s: float
    playlist: str
    ended: bool


@dataclass(frozen=True, slots=True)
class Manifest:
    """What there is to replay.

    Attributes:
        main: name of the main playlist, None while there is nothing to play yet.
        low: name of the low rendition's playlist: the picture alone, on the main track's time, with holes where nobody
            sent one; None where there is none.
        light: name of the light rendition's playlist: all that is heard, mixed, on the main track's time; None until it
            is made, some time after the lesson.
    """

    status: RecordingStatus = RecordingStatus()
    main: str | None = None
    parts: tuple[Part, ...] = field(default=())
    clips: tuple[Clip, ...] = field(default=())
    low: str | None = None
    light: str | None = None


@dataclass(frozen=True, slots=True)
class MediaFile:
    """One file of a replay as the server sends it: `path` (a closed file on disk), `data` or `remote` is set.

    Attributes:
        remote: lesson and name of a file that is not on this disk and may be in the archive.
        etag: without quotes; changes whenever the bytes do.
    """

    path: Path | None
    data: bytes | None
    content_type: str
    cache: CacheRule
    etag: str
    remote: tuple[str, str] | None = None
