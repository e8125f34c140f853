"""A participant as the lesson remembers it, how others see it, and how it is kept over a restart. Pure."""

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field

from msgspec import Struct

from liveclass.lesson.effects import MediaDirection
from liveclass.lesson.messages import Devices, Layer, LinkState, Participant, Receiving, Role, SourceKind, Watch

NOTHING_RECEIVED = Receiving()
NOTHING_SENT = Devices()
UNKNOWN_LINK = LinkState()
EVERYTHING = Watch()


def participant_id(lesson: str, role: Role, identity: str) -> str:
    """The public id of whoever holds `identity`: stable over reconnects and restarts, and of no use for posing as them.

    Args:
        identity: the page's secret, which must never reach other participants.
    """
    digest = hashlib.sha256(f"{lesson}\n{role}\n{identity}".encode()).digest()
    return urlsafe_b64encode(digest[:9]).decode()


@dataclass(slots=True)
class Member:
    """One participant.

    Attributes:
        anonymous: came by WHIP or WHEP with the link's token alone (OBS, a player), so has no page and no identity.
        address: where it last came from, opaque; lets a plain WHIP request find its called classroom.
        offline_since: the caller's clock in seconds; None while online.
        absent_since: the same for the participant as a whole: None while its page is there or its media flows.
        said_devices: its page has said what it sends; until then whatever arrives is shown.
        link: what the relay makes of its downlink.
        link_told: when it last heard that itself, seconds.
        watching: what its page wants of the live media.
        layers: which layers of its sources somebody takes, as far as the relay has said.
        sessions: the open media session of each direction.
    """

    id: str
    role: Role
    name: str
    anonymous: bool = False
    address: str = ""
    online: bool = True
    offline_since: float | None = None
    absent_since: float | None = None
    called: bool = False
    muted: bool = False
    devices: Devices = NOTHING_SENT
    said_devices: bool = False
    receiving: Receiving = NOTHING_RECEIVED
    report_due: float | None = None
    report_sent: float = float("-inf")
    link: LinkState = UNKNOWN_LINK
    link_told: float = float("-inf")
    watching: Watch = EVERYTHING
    layers: dict[SourceKind, tuple[Layer, ...]] = field(default_factory=dict)
    sessions: dict[MediaDirection, str] = field(default_factory=dict)

    @property
    def publishing(self) -> bool:
        return "publish" in self.sessions

    @property
    def present(self) -> bool:
        """Reachable in some way: by its page, or by media that still flows while the page's socket is lost."""
        return self.online or self.publishing

    @property
    def sending(self) -> tuple[SourceKind, ...] | None:
        """The kinds that its page says it sends; None when it has not said, or has no page."""
        if self.anonymous or not self.said_devices:
            return None
        sent = self.devices
        said: tuple[tuple[SourceKind, bool], ...] = (
            ("microphone", sent.microphone),
            ("camera", sent.camera),
            ("screen", sent.screen),
        )
        return tuple(kind for kind, on in said if on)

    def forget_devices(self) -> None:
        """It sends nothing any more."""
        self.devices = NOTHING_SENT
        self.said_devices = False

    def view(self, viewer: Role) -> Participant:
        """As `viewer` may see it: what a room receives, and how its link is, are for teachers only."""
        return Participant(
            id=self.id,
            role=self.role,
            name=self.name,
            online=self.online,
            called=self.called,
            muted=self.muted,
            devices=self.devices,
            receiving=self.receiving if viewer == "teacher" else NOTHING_RECEIVED,
            link=self.link if viewer == "teacher" else UNKNOWN_LINK,
        )


class MemberSnapshot(Struct, frozen=True, omit_defaults=True):
    """What of a member outlives a restart of the server."""

    id: str
    role: Role
    name: str
    anonymous: bool = False
    called: bool = False
    muted: bool = False


class LessonSnapshot(Struct, frozen=True, omit_defaults=True):
    """What of a lesson outlives a restart beside its row in the catalogue.

    Attributes:
        revoked_ms: for a role, the moment (ms since 1970) up to which its media tokens are void.
    """

    version: int = 1
    lead: str = ""
    members: list[MemberSnapshot] = []
    revoked_ms: dict[str, int] = {}
