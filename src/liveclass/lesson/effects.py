"""What a lesson wants done. The lesson only says it; `server.lessons` does it, in the order given."""

from dataclasses import dataclass
from typing import Literal

from liveclass.lesson.messages import LessonMessage, Rung, SourceKind

MediaDirection = Literal["publish", "subscribe"]
MediaReason = Literal["call_ended", "lesson_ended", "deleted", "replaced", "timeout", "shutdown", "peer_closed"]


@dataclass(frozen=True, slots=True)
class Send:
    """The message goes to the pages of these participants; those without an open socket miss it and get a `Welcome`."""

    to: tuple[str, ...]
    message: LessonMessage


@dataclass(frozen=True, slots=True)
class CloseMedia:
    """Close what the participant publishes or receives."""

    participant: str
    direction: MediaDirection
    reason: MediaReason


@dataclass(frozen=True, slots=True)
class SetMuted:
    """From now on the participant's microphone is dropped at the relay, or passes again."""

    participant: str
    muted: bool


@dataclass(frozen=True, slots=True)
class SetSending:
    """What the participant's page says it sends: its other kinds are not shown. None: whatever arrives is."""

    participant: str
    kinds: tuple[SourceKind, ...] | None


@dataclass(frozen=True, slots=True)
class SetWatching:
    """What the participant's page wants of the live media (`messages.Watch`)."""

    participant: str
    live: bool
    ceiling: Rung


@dataclass(frozen=True, slots=True)
class LessonStarted:
    """The lesson is live: store it, begin the recording."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class LessonEnded:
    """The lesson is over: store it, close all media, finish the recording."""

    at_ms: int


Effect = Send | CloseMedia | SetMuted | SetSending | SetWatching | LessonStarted | LessonEnded
