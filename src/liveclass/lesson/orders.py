"""What pages ask of the blackboard, typed once: shapes and bounds. What they lead to stands in `lesson.desk`."""

from typing import Annotated

from msgspec import Meta, Struct

from liveclass.lesson.events import (
    CameraKind,
    Choices,
    Colour,
    Counts,
    MaterialId,
    Mode,
    PageKey,
    Points,
    Sign,
    StageKind,
    StrokeId,
    Tool,
)
from liveclass.lesson.messages import Id

StrokeIds = Annotated[list[StrokeId], Meta(min_length=1, max_length=100)]
PollId = Annotated[str, Meta(pattern=r"^p[0-9]{1,6}$(?!\n)")]
OnPage = Annotated[int, Meta(ge=-10_000, le=20_000)]


class Show(Struct, frozen=True, tag="show"):
    """What all are to look at: the live pictures (`source` first), a page, or a film.

    Attributes:
        page: with `page`: its key; a blank board that is not there yet is added when it is the next one.
        material: with `film`: which.
    """

    stage: StageKind
    page: PageKey | None = None
    material: MaterialId | None = None
    source: CameraKind = "camera"


class Draw(Struct, frozen=True, tag="draw"):
    """A stroke begins; see `lesson.events` for `points`. A text is done with this one message, `width` its height."""

    id: StrokeId
    page: PageKey
    tool: Tool
    color: Colour
    width: Annotated[int, Meta(ge=5, le=1_000)]
    points: Points
    text: Annotated[str, Meta(max_length=500)] = ""


class DrawMore(Struct, frozen=True, tag="draw_more"):
    """The own stroke `id` goes on, at most 20 times a second."""

    id: StrokeId
    points: Points
    done: bool = False


class Erase(Struct, frozen=True, tag="erase"):
    page: PageKey
    ids: StrokeIds


class Undo(Struct, frozen=True, tag="undo"):
    """Take back what this participant last did on the page."""

    page: PageKey


class Redo(Struct, frozen=True, tag="redo"):
    page: PageKey


class Clear(Struct, frozen=True, tag="clear"):
    page: PageKey


class Point(Struct, frozen=True, tag="point"):
    """The laser pointer, on the page that is shown; `off` when it is taken away."""

    x: OnPage = 0
    y: OnPage = 0
    off: bool = False


class GetPage(Struct, frozen=True, tag="get_page"):
    """Answered by `page`: its strokes as they stand."""

    page: PageKey


class Play(Struct, frozen=True, tag="play"):
    """A song or film plays or stands, from `position_ms`."""

    material: MaterialId
    playing: bool
    position_ms: Annotated[int, Meta(ge=0, le=86_400_000)]


class SetMode(Struct, frozen=True, tag="set_mode"):
    """What kind of lesson it is now, which sound and picture follow."""

    mode: Mode


class SetHeads(Struct, frozen=True, tag="set_heads"):
    """A classroom: how many pupils are here."""

    heads: Annotated[int, Meta(ge=0, le=500)]


class RaiseHand(Struct, frozen=True, tag="hand"):
    """A classroom has a question, or no more."""

    up: bool


class GiveSign(Struct, frozen=True, tag="sign"):
    """A classroom to the volunteers; empty takes it back."""

    sign: Sign


class LowerHand(Struct, frozen=True, tag="lower_hand"):
    """Teachers: the question of that classroom is answered, and its sign is seen."""

    participant: Id


class Pick(Struct, frozen=True, tag="pick"):
    """Teachers: chance chooses one of the classrooms that are here."""


class SetTimer(Struct, frozen=True, tag="set_timer"):
    """Teachers: a timer that all see; 0 takes it away."""

    seconds: Annotated[int, Meta(ge=0, le=7_200)]


class OpenPoll(Struct, frozen=True, tag="open_poll"):
    """Teachers: a question with choices; those that were open are closed."""

    question: Annotated[str, Meta(max_length=300)]
    choices: Choices


class GiveAnswer(Struct, frozen=True, tag="answer"):
    """A classroom: how many pupils chose each."""

    poll: PollId
    counts: Counts


class ClosePoll(Struct, frozen=True, tag="close_poll"):
    poll: PollId


class Reveal(Struct, frozen=True, tag="reveal"):
    """Teachers: which choice is right (from 0; null: none is); the poll is closed by it."""

    poll: PollId
    right: Annotated[int, Meta(ge=0, le=5)] | None


class Chat(Struct, frozen=True, tag="chat"):
    text: Annotated[str, Meta(min_length=1, max_length=500)]


class Mark(Struct, frozen=True, tag="mark"):
    """Teachers: a place that the replay lists as a chapter."""

    text: Annotated[str, Meta(max_length=80)] = ""


class LetDraw(Struct, frozen=True, tag="let_draw"):
    """Teachers: that classroom may draw on its board, or no more."""

    participant: Id
    may: bool


class Thumbnails(Struct, frozen=True, tag="thumbnails"):
    """Teachers: whose tiles are on the screen now, so whose thumbnails are worth their bytes."""

    of: Annotated[list[Id], Meta(max_length=30)]


class Thumbnail(Struct, frozen=True, tag="thumbnail"):
    """A classroom that was asked for it: its camera's picture as a small WebP or JPEG in base64."""

    data: Annotated[str, Meta(max_length=12_000, pattern=r"^[A-Za-z0-9+/]*={0,2}$(?!\n)")]


class MaterialsReady(Struct, frozen=True, tag="materials_ready"):
    """A classroom: so many files of a material are on its disk."""

    material: MaterialId
    have: Annotated[int, Meta(ge=0, le=10_000)]
    total: Annotated[int, Meta(ge=0, le=10_000)]


BoardOrder = (
    Show
    | Draw
    | DrawMore
    | Erase
    | Undo
    | Redo
    | Clear
    | Point
    | Play
    | SetMode
    | SetHeads
    | RaiseHand
    | GiveSign
    | LowerHand
    | Pick
    | SetTimer
    | OpenPoll
    | GiveAnswer
    | ClosePoll
    | Reveal
    | Chat
    | Mark
    | LetDraw
)
"""What the desk turns into events."""

Passing = GetPage | Thumbnails | Thumbnail | MaterialsReady
"""What leaves no trace in the timeline."""
