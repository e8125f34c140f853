"""The blackboard: every event of a lesson's timeline and the present state that they add up to, typed once.

Shapes and bounds only: which order leads to which event stands in `lesson.desk`, what an event changes in
`lesson.board`, how events are kept in `server.logbook`. One line of the log is the text of one `Happened`.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from liveclass.lesson.messages import Id, Role, Rung

PAGE_WIDTH = 10_000
"""Coordinates are whole numbers in this share of the page's width, along both axes."""

PageKey = Annotated[str, Meta(max_length=17, pattern=r"^[a-z0-9]{1,12}\.[1-9][0-9]{0,3}$(?!\n)")]
"""`b.3` is the third blank board, `<material>.12` the twelfth page of a deck."""

MaterialId = Annotated[str, Meta(pattern=r"^[a-z0-9]{1,12}$(?!\n)")]
StrokeId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{8,16}$(?!\n)")]
Coordinate = Annotated[int, Meta(ge=-32_768, le=32_767)]
Points = Annotated[list[Coordinate], Meta(max_length=768)]
"""Flat: x, y and pressure (0 to 100) of each point; the first of a stroke as it is, each other as the difference to the
one before it. 256 points in a message are more than a hand makes in the time between two."""

Colour = Annotated[str, Meta(pattern=r"^#[0-9a-f]{6}$(?!\n)")]
Tool = Literal["pen", "highlighter", "line", "rectangle", "ellipse", "text"]
StageKind = Literal["live", "page", "film"]
CameraKind = Literal["camera", "document"]
Mode = Literal["speech", "music", "detail", "motion"]
Sign = Literal["cannot_hear", "cannot_see", "slower", "again", ""]
Cause = Literal["undo", "redo", "erase", "clear"]
MaterialKind = Literal["deck", "song", "film"]
MaterialState = Literal["working", "ready", "failed"]
PollState = Literal["open", "closed", "revealed"]
Choices = Annotated[list[Annotated[str, Meta(max_length=120)]], Meta(min_length=2, max_length=6)]
Counts = Annotated[list[Annotated[int, Meta(ge=0, le=500)]], Meta(min_length=2, max_length=6)]


class Material(Struct, frozen=True, omit_defaults=True):
    """A deck, song or film of the lesson.

    Attributes:
        done: pages that can be shown, of a deck; percent, of a song or film; `total` the same when it is ready.
        manifest: SHA-256 of the newest manifest in hex (`docs/api.md`); empty before there is one.
        problem: why it failed, a stable word.
    """

    id: MaterialId
    kind: MaterialKind
    name: str
    state: MaterialState = "working"
    done: int = 0
    total: int = 0
    manifest: str = ""
    bytes: int = 0
    duration_ms: int = 0
    problem: str = ""


class Stroke(Struct, omit_defaults=True):
    """One stroke as it stands."""

    id: str
    by: str
    tool: Tool
    color: str
    width: int
    points: list[int]
    text: str = ""


class StageShown(Struct, frozen=True, omit_defaults=True, tag="stage_shown"):
    """What all look at: the live pictures, a page, or a film."""

    stage: StageKind
    page: str = ""
    material: str = ""
    source: CameraKind = "camera"


class StrokeBegun(Struct, frozen=True, omit_defaults=True, tag="stroke_begun"):
    """`done`: nothing more comes, as of a text."""

    id: str
    page: str
    tool: Tool
    color: str
    width: int
    points: list[int]
    text: str = ""
    done: bool = False


class StrokeGrew(Struct, frozen=True, omit_defaults=True, tag="stroke_grew"):
    """More points; of a line, rectangle or ellipse the new end instead, as it is."""

    id: str
    page: str
    points: list[int]
    done: bool = False


class StrokesHidden(Struct, frozen=True, tag="strokes_hidden"):
    page: str
    ids: list[str]
    cause: Cause


class StrokesShown(Struct, frozen=True, tag="strokes_shown"):
    page: str
    ids: list[str]
    cause: Cause


class Pointed(Struct, frozen=True, omit_defaults=True, tag="pointed"):
    """The laser pointer of whoever did it, on the page that is shown."""

    x: int = 0
    y: int = 0
    off: bool = False


class MaterialChanged(Struct, frozen=True, tag="material_changed"):
    material: Material


class MaterialRemoved(Struct, frozen=True, tag="material_removed"):
    id: str


class Played(Struct, frozen=True, tag="played"):
    """A song or film: at the event's time it stood at `position_ms`, and runs from there or stands."""

    material: str
    playing: bool
    position_ms: int


class ModeSet(Struct, frozen=True, tag="mode_set"):
    mode: Mode


class HeadsSet(Struct, frozen=True, tag="heads_set"):
    participant: str
    heads: int


class HandRaised(Struct, frozen=True, tag="hand_raised"):
    participant: str


class HandLowered(Struct, frozen=True, tag="hand_lowered"):
    participant: str


class SignGiven(Struct, frozen=True, tag="sign_given"):
    """Empty: taken back."""

    participant: str
    sign: Sign


class Picked(Struct, frozen=True, tag="picked"):
    """Chance has chosen this classroom."""

    participant: str


class TimerSet(Struct, frozen=True, tag="timer_set"):
    """Runs from the event's time; 0: there is none any more."""

    seconds: int


class PollOpened(Struct, frozen=True, tag="poll_opened"):
    poll: str
    question: str
    choices: list[str]


class PollAnswered(Struct, frozen=True, tag="poll_answered"):
    """How many of the classroom chose each; what it said before counts no more."""

    poll: str
    participant: str
    name: str
    counts: list[int]


class PollClosed(Struct, frozen=True, tag="poll_closed"):
    poll: str


class PollRevealed(Struct, frozen=True, tag="poll_revealed"):
    """`right`: which choice is right, from 0; null where none is."""

    poll: str
    right: int | None


class Said(Struct, frozen=True, tag="said"):
    """A line of the adults' chat."""

    name: str
    role: Role
    text: str


class Marked(Struct, frozen=True, tag="marked"):
    """A place that the replay lists as a chapter."""

    text: str


class DrawingAllowed(Struct, frozen=True, tag="drawing_allowed"):
    participant: str
    may: bool


class Joined(Struct, frozen=True, tag="joined"):
    participant: str
    name: str
    role: Role


class Left(Struct, frozen=True, tag="left"):
    participant: str


class Called(Struct, frozen=True, tag="called"):
    participant: str


class CallEnded(Struct, frozen=True, tag="call_ended"):
    participant: str


class Received(Struct, frozen=True, omit_defaults=True, tag="received"):
    """What a classroom gets from now on: the rung of its link, and how far it lies behind."""

    participant: str
    rung: Rung | Literal[""] = ""
    behind_s: int = 0


class LessonBegan(Struct, frozen=True, tag="lesson_started"):
    pass


class LessonOver(Struct, frozen=True, tag="lesson_ended"):
    pass


class PartBegan(Struct, frozen=True, tag="part_began"):
    """The recording runs from here on, as part `number` from 1."""

    number: int


BoardEvent = (
    StageShown
    | StrokeBegun
    | StrokeGrew
    | StrokesHidden
    | StrokesShown
    | Pointed
    | MaterialChanged
    | MaterialRemoved
    | Played
    | ModeSet
    | HeadsSet
    | HandRaised
    | HandLowered
    | SignGiven
    | Picked
    | TimerSet
    | PollOpened
    | PollAnswered
    | PollClosed
    | PollRevealed
    | Said
    | Marked
    | DrawingAllowed
    | Joined
    | Left
    | Called
    | CallEnded
    | Received
    | LessonBegan
    | LessonOver
    | PartBegan
)

UNTOLD_EVENTS = (Joined, Left, Called, CallEnded, Received, LessonBegan, LessonOver, PartBegan)
"""Kept for replay and report; pages hear of the same by other messages."""


class Happened(Struct, frozen=True, tag="happened"):
    """One event of the timeline.

    Attributes:
        seq: from 1, without gaps in the log; pages miss the numbers of events that they are not told of.
        at_ms: milliseconds since 1970 on the server, never smaller than the event before it.
        by: the participant who did it; empty: the server.
    """

    seq: int
    at_ms: int
    by: str
    event: BoardEvent


class Stage(Struct, frozen=True):
    """What all look at, and the live picture that comes first."""

    stage: StageKind = "live"
    page: str = ""
    material: str = ""
    source: CameraKind = "camera"


class Player(Struct, frozen=True):
    """A song or film as last ordered: at `at_ms` it stood at `position_ms`."""

    material: str
    playing: bool
    position_ms: int
    at_ms: int


class Timer(Struct, frozen=True):
    seconds: int
    at_ms: int


class Hand(Struct, frozen=True):
    participant: str
    at_ms: int


class SignUp(Struct, frozen=True):
    participant: str
    sign: Sign
    at_ms: int


class Heads(Struct, frozen=True):
    participant: str
    heads: int


class Answer(Struct, frozen=True):
    participant: str
    name: str
    counts: list[int]


class Poll(Struct, frozen=True):
    """`right` is null until it is revealed."""

    poll: str
    question: str
    choices: list[str]
    state: PollState
    right: int | None
    answers: list[Answer]


class Line(Struct, frozen=True):
    """A line of chat."""

    seq: int
    at_ms: int
    by: str
    name: str
    role: Role
    text: str


class BoardState(Struct, frozen=True, tag="board"):
    """The present state, told after each `welcome`.

    Attributes:
        seq: of the last event in it; events up to that number are to be ignored.
        strokes: of the page that is shown; those of other pages are asked for by `get_page`.
        boards: how many blank boards there are.
        hands: in the order they were raised.
        pages: pages that hold strokes.
        polls: the newest last, as many as are kept.
        chat: the newest last, as many as are kept; `drawing`: classrooms that may draw.
    """

    seq: int
    at_ms: int
    stage: Stage
    strokes: list[Stroke]
    pages: list[str]
    boards: int
    materials: list[Material]
    player: Player | None
    timer: Timer | None
    mode: Mode
    heads: list[Heads]
    hands: list[Hand]
    signs: list[SignUp]
    picked: str
    polls: list[Poll]
    chat: list[Line]
    drawing: list[str]


class PageStrokes(Struct, frozen=True, tag="page"):
    """Answers `get_page`."""

    page: str
    seq: int
    strokes: list[Stroke]


class ThumbnailOf(Struct, frozen=True, tag="thumbnail_of"):
    """To a teacher: a classroom as its camera saw it just now; `data` is a small WebP or JPEG in base64."""

    participant: str
    data: str


class ThumbnailWanted(Struct, frozen=True, tag="thumbnail_wanted"):
    """To a classroom: a teacher sees its tile; send a thumbnail every so often; 0: no more."""

    every_s: float


class Prepared(Struct, frozen=True, tag="prepared"):
    """To teachers: how much of a material a classroom has on its disk, in files."""

    participant: str
    material: str
    have: int
    total: int


def owner_of(page: Id) -> str:
    """The material a page key belongs to; `b` for blank boards."""
    return page.rpartition(".")[0]


def number_of(page: Id) -> int:
    """The number of a page within its material, from 1."""
    return int(page.rpartition(".")[2])
