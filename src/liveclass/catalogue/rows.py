"""What the catalogue hands out: plain values, cut loose from the database.

This module knows no SQL and no session. A row is a snapshot of the moment it was read; changing the database is
`liveclass.catalogue.store.Catalogue`'s business alone.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from liveclass.lesson.messages import LessonState, RecordingState

LinkRole = Literal["teacher", "classroom", "replay"]
"""What a link lets its holder do; one lesson has one valid link of each role."""

LINK_ROLES: tuple[LinkRole, ...] = ("teacher", "classroom", "replay")


@dataclass(frozen=True, slots=True)
class LessonRow:
    """One lesson. All times are aware, in UTC; None where the thing has not happened or is not planned.

    Attributes:
        id: 12 characters, letters and digits: safe in a URL, a file name and on a command line.
        language: a BCP 47 tag such as ``zh-CN``.
        starts_at: when the lesson is planned to begin.
        started_at: when it first went live.
    """

    id: str
    title: str
    language: str
    state: LessonState
    created_at: datetime
    starts_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RecordingRow:
    """What is known of a lesson's recording without looking at its files.

    Attributes:
        duration_s: replay time, seconds.
        bytes: what its files take on the disk.
        problem: a stable word (``disk_full``, ``disk_error``), empty when all is well.
    """

    lesson_id: str
    state: RecordingState
    duration_s: float
    bytes: int
    problem: str
    updated_at: datetime
