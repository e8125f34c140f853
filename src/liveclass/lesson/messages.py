"""The messages of the signalling WebSocket about the lesson and its media, typed once for Python and TypeScript.

Messages are JSON objects tagged by `type`; the blackboard's stand in `lesson.orders` and `lesson.events`, both families
whole in `lesson.protocol`. This module knows shapes and bounds only: what a message means stands in `lesson.state`, how
it travels in `server.signalling`.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

PROTOCOL_VERSION = 1

ShortText = Annotated[str, Meta(max_length=80)]
Token = Annotated[str, Meta(min_length=16, max_length=512)]
Id = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$(?!\n)")]
Language = Annotated[str, Meta(max_length=16)]
Role = Literal["teacher", "classroom"]
LessonState = Literal["waiting", "live", "ended"]
RecordingState = Literal["off", "recording", "paused", "stopped", "finished"]
Quality = Literal["good", "weak", "none", "off"]
SourceKind = Literal["microphone", "camera", "screen"]
Rung = Literal["full", "reduced", "screen", "sound", "thin", "reconnecting"]
"""What a classroom's link carries now, from the top: full picture; a smaller or slower one; screen or slides only;
sound only; thin sound with redundancy; nothing at the moment."""
Layer = Literal["low", "middle", "high", "full", "thin"]
"""Camera and screen come in low, middle and high; a microphone in full and thin."""


class Devices(Struct, frozen=True, omit_defaults=True):
    """What a page is sending now, as its person sees it.

    Attributes:
        document: what goes as `screen` is the picture of a second camera, over a book or a drawing.
    """

    microphone: bool = False
    camera: bool = False
    screen: bool = False
    document: bool = False


class Receiving(Struct, frozen=True, omit_defaults=True):
    """What a page receives now, measured by the page itself (getStats) and sent every two seconds.

    `off` means that nobody sends that medium; `none` that it is sent and does not arrive.

    Attributes:
        behind_s: how far what the room hears lies behind the live lesson while it catches up from the recording; null
            when it is live.
        used_mb: what this lesson has cost the room's data plan so far, megabytes.
        saves_data: the room wants sound only, by choice or because its data budget is spent.
    """

    sound: Quality = "off"
    picture: Quality = "off"
    delay_ms: Annotated[int, Meta(ge=0, le=600_000)] | None = None
    kbps: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    loss_percent: Annotated[float, Meta(ge=0, le=100)] | None = None
    behind_s: Annotated[float, Meta(ge=0, le=86_400)] | None = None
    used_mb: Annotated[float, Meta(ge=0, le=1_000_000)] | None = None
    saves_data: bool = False


class LinkState(Struct, frozen=True, omit_defaults=True):
    """What the relay makes of a classroom's downlink.

    Attributes:
        rung: empty while nothing is sent to it.
        kbps: what the link is believed to carry; null while that is not measured.
        loss_percent: of all packets sent to it, before any repair.
    """

    rung: Rung | Literal[""] = ""
    kbps: int | None = None
    loss_percent: float | None = None


class Hello(Struct, frozen=True, tag="hello"):
    """The first message of every socket: who is this?

    Attributes:
        token: the link's token (teacher or classroom).
        identity: made by the page once (128 random bits in hex) and kept in its storage, so that a page that comes
            back is the same participant, with the same mute and call state.
        name: what to call this participant; empty lets the server choose ("Classroom 2").
    """

    token: Token
    identity: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$(?!\n)")]
    name: ShortText = ""
    language: Language = ""
    version: int = PROTOCOL_VERSION


class Rename(Struct, frozen=True, tag="rename"):
    name: Annotated[str, Meta(min_length=1, max_length=80)]


class StartLesson(Struct, frozen=True, tag="start_lesson"):
    """Teachers only: the lesson goes live, and recording begins."""


class EndLesson(Struct, frozen=True, tag="end_lesson"):
    """Teachers only."""


class SetDevices(Struct, frozen=True, tag="set_devices"):
    devices: Devices


class Call(Struct, frozen=True, tag="call"):
    """Teachers only: the classroom's microphone and camera open."""

    participant: Id


class EndCall(Struct, frozen=True, tag="end_call"):
    """Teachers, or the called classroom itself."""

    participant: Id


class Mute(Struct, frozen=True, tag="mute"):
    """Teachers only: a called classroom's microphone is closed or opened again while the call goes on."""

    participant: Id
    muted: bool


class Report(Struct, frozen=True, tag="report"):
    receiving: Receiving


class Watch(Struct, frozen=True, tag="watch"):
    """What this page wants of the live media; each `Hello` sets it back to everything, so pages say it after each.

    Attributes:
        live: false while the page plays from the recording: the relay then sends it nothing, to leave the link to that.
        ceiling: the best rung that this page wants, by the person's choice or by the lesson's data budget.
    """

    live: bool = True
    ceiling: Rung = "full"


class JumpToLive(Struct, frozen=True, tag="jump_to_live"):
    """Teachers only: that classroom skips what it has missed."""

    participant: Id


class Ping(Struct, frozen=True, tag="ping"):
    """Answered by `Pong` at once; pages send one every 5 s and take 12 s of silence for a dead socket."""

    n: Annotated[int, Meta(ge=0, le=2**53)] = 0


LessonOrder = (
    Hello | Rename | StartLesson | EndLesson | SetDevices | Call | EndCall | Mute | Report | Watch | JumpToLive | Ping
)


class Participant(Struct, frozen=True):
    """Someone in the lesson. A participant whose page is gone stays, `online` false, until the lesson ends."""

    id: str
    role: Role
    name: str
    online: bool
    called: bool = False
    muted: bool = False
    devices: Devices = Devices()
    receiving: Receiving = Receiving()
    link: LinkState = LinkState()


class LessonInfo(Struct, frozen=True):
    """`started_at_ms` and `starts_at_ms` are milliseconds since 1970, null when not known.

    Attributes:
        lead: the participant who leads, so that a page offers a co-volunteer nothing that is refused; empty while
            nobody has taught.
    """

    id: str
    title: str
    state: LessonState
    language: str = ""
    starts_at_ms: int | None = None
    started_at_ms: int | None = None
    lead: str = ""


class RecordingInfo(Struct, frozen=True):
    """What is recorded: `state` now, the rest from the first `Welcome` on, so that nobody starts or joins unaware.

    Attributes:
        classrooms: called classrooms are recorded too.
        problem: a stable word, empty when all is well: `disk_full`, `disk_error`.
        enabled: this server records lessons at all.
    """

    state: RecordingState = "off"
    classrooms: bool = False
    problem: str = ""
    enabled: bool = True


class Slot(Struct, frozen=True):
    """What a transceiver of a subscriber's session carries now; `participant` empty: nothing."""

    mid: str
    participant: str = ""
    kind: SourceKind | Literal[""] = ""


class IceServer(Struct, frozen=True, omit_defaults=True):
    """As `RTCIceServer`: a TURN server with credentials that expire (`docs/operate.md`)."""

    urls: list[str]
    username: str = ""
    credential: str = ""


class Welcome(Struct, frozen=True, tag="welcome"):
    """The answer to `Hello`: everything a page needs to draw itself; sent again whole after each reconnect.

    Attributes:
        media_token: the bearer token for this participant's WHIP and WHEP requests.
        replay_url: set for teachers; for classrooms once the lesson is over, where the server opens replays to them.
        server_time_ms: so that pages with a wrong clock count down rightly.
        catchup_url: where the lesson's missed minutes are streamed from (`docs/api.md`), also for a while after its
            end; empty where nothing is recorded.
        ended_at_ms: when the lesson ended, milliseconds since 1970; null while it has not.
        ice_servers: for networks that let no UDP through; empty where the server has none.
        owner: which process has the lesson, as the answer to an offer says in `Liveclass-Owner`: media sessions of
            another one are gone.
    """

    you: str
    role: Role
    lesson: LessonInfo
    participants: list[Participant]
    recording: RecordingInfo
    media_token: str
    whip_url: str
    whep_url: str
    server_time_ms: int
    replay_url: str = ""
    catchup_url: str = ""
    ice_servers: list[IceServer] = []
    ended_at_ms: int | None = None
    owner: str = ""


class LessonChanged(Struct, frozen=True, tag="lesson_changed"):
    lesson: LessonInfo


class ParticipantChanged(Struct, frozen=True, tag="participant_changed"):
    """Someone came, changed or went offline."""

    participant: Participant


class ParticipantLeft(Struct, frozen=True, tag="participant_left"):
    id: str


class RecordingChanged(Struct, frozen=True, tag="recording_changed"):
    recording: RecordingInfo


class SlotsChanged(Struct, frozen=True, tag="slots_changed"):
    """Which source each transceiver of this page's WHEP session carries from now on.

    Attributes:
        session: the last path segment of the WHEP session's Location, so that an old session's news is not mixed up.
    """

    session: str
    slots: list[Slot]


class LinkChanged(Struct, frozen=True, tag="link_changed"):
    """To a classroom itself: what its link carries now. (Teachers find every classroom's in `Participant.link`.)"""

    link: LinkState


class LayersWanted(Struct, frozen=True, tag="layers_wanted"):
    """To a publisher: which layers of one of its sources somebody takes now; the others may rest.

    Attributes:
        layers: empty when nobody takes any, as may happen to a classroom's camera; of a teacher's pictures the lowest
            is always wanted, and of every voice the full one.
    """

    kind: SourceKind
    layers: list[Layer]


class JumpNow(Struct, frozen=True, tag="jump_now"):
    """To a classroom that catches up: the volunteer asks it to skip to the live lesson."""


class MediaClosed(Struct, frozen=True, tag="media_closed"):
    """The server closed a WHIP or WHEP session of this page: `call_ended`, `lesson_ended`, `replaced`, `timeout`."""

    session: str
    reason: str


class ErrorMessage(Struct, frozen=True, tag="error"):
    """Something this page sent was refused. `code` is stable and has a text in the language files.

    Attributes:
        fatal: the server closes the socket; trying again with the same input is pointless.
    """

    code: str
    message: str
    fatal: bool = False


class Pong(Struct, frozen=True, tag="pong"):
    """Answers `Ping` at once.

    Attributes:
        at_ms: the time line's clock, as in the `at_ms` of what happened: with the round trip a page knows that clock to
            a fraction of it, and songs and films run in step.
    """

    n: int = 0
    at_ms: int = 0


LessonMessage = (
    Welcome
    | LessonChanged
    | ParticipantChanged
    | ParticipantLeft
    | RecordingChanged
    | SlotsChanged
    | LinkChanged
    | LayersWanted
    | JumpNow
    | MediaClosed
    | ErrorMessage
    | Pong
)
