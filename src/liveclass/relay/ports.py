"""What the media plane offers to those above it, and what it tells them. Knows nothing of HTTP, tokens or pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from liveclass.relay.source import Sink, SourceKind

Direction = Literal["publish", "subscribe"]
Rung = Literal["full", "reduced", "screen", "sound", "thin", "reconnecting"]
"""What a subscriber's link carries now; see `lesson.messages.Rung`, which is the same."""
Layer = Literal["low", "middle", "high", "full", "thin"]
CloseReason = Literal["deleted", "call_ended", "lesson_ended", "replaced", "timeout", "shutdown", "peer_closed"]


@dataclass(frozen=True, slots=True)
class Person:
    """A participant as the relay needs to know it. `lead` marks the volunteer whose sound and picture come first."""

    participant: str
    role: Literal["teacher", "classroom"]
    name: str
    lead: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to an offer: the session's unguessable id, its SDP, and a strong entity tag (RFC 9725 section 4.3)."""

    session: str
    sdp: str
    etag: str


@dataclass(frozen=True, slots=True)
class SlotView:
    """What one transceiver of a subscriber carries; empty strings where nothing."""

    mid: str
    participant: str
    kind: SourceKind | Literal[""]


@dataclass(frozen=True, slots=True)
class LinkView:
    """A subscriber's downlink as the relay sees it.

    Attributes:
        rung: empty while nothing is sent to it.
        bps: the estimate of what the link carries, bits of IP packets per second; None while not measured.
        loss: share of all packets sent to it that did not arrive at the first try, 0 to 1; None while not measured.
    """

    rung: Rung | Literal[""]
    bps: int | None = None
    loss: float | None = None


class MediaListener(Protocol):
    """Told by the media plane what changed; calls return at once and never raise."""

    def slots_changed(self, lesson: str, participant: str, session: str, slots: Sequence[SlotView]) -> None: ...

    def sources_changed(self, lesson: str, participant: str, kinds: Sequence[SourceKind]) -> None:
        """The kinds that the participant's media is now arriving for (sources with recent packets)."""

    def link_changed(self, lesson: str, participant: str, link: LinkView) -> None:
        """A subscriber's rung changed, or its figures did noticeably; at most once a second besides changes of rung."""

    def layers_wanted(self, lesson: str, participant: str, kind: SourceKind, layers: Sequence[Layer]) -> None:
        """Which layers of a publisher's source somebody takes now; none of a classroom's picture that nobody sees."""

    def media_connected(self, lesson: str, participant: str, session: str, direction: Direction) -> None: ...

    def media_closed(
        self, lesson: str, participant: str, session: str, direction: Direction, reason: CloseReason
    ) -> None: ...


class MediaPlane(Protocol):
    """Publishers and subscribers of all lessons of this process. No call blocks; faulty offers raise PeerError."""

    def publish(self, lesson: str, person: Person, offer: str, reached_at: str) -> Answer:
        """Accept a publisher's offer (WHIP). An older publishing session of the same participant is replaced.

        Args:
            reached_at: the IP address of this machine that the HTTP request came to: a candidate that surely works.
        """

    def subscribe(self, lesson: str, person: Person, offer: str, reached_at: str) -> Answer:
        """Accept a subscriber's offer (WHEP). An older subscription of the same participant is replaced."""

    def restart(self, session: str, fragment: str) -> tuple[str, str]:
        """ICE restart (RFC 9725 section 4.3.3): the offer's `trickle-ice-sdpfrag` in; new entity tag and answer out."""

    def etag(self, session: str) -> str | None:
        """The session's current entity tag; None when there is no such session."""

    def owner(self, session: str) -> tuple[str, str, Direction] | None:
        """Lesson, participant and direction of a session; None when there is no such session."""

    def close_session(self, session: str, reason: CloseReason) -> None: ...

    def close_participant(self, lesson: str, participant: str, direction: Direction, reason: CloseReason) -> None: ...

    def close_lesson(self, lesson: str, reason: CloseReason) -> None: ...

    def set_muted(self, lesson: str, participant: str, muted: bool) -> None:
        """While muted, the participant's microphone is dropped at the relay, whatever its page does."""

    def set_sending(self, lesson: str, participant: str, kinds: Sequence[SourceKind] | None) -> None:
        """What the participant's page says it sends now (`SetDevices`): other kinds leave the slots at once.

        None (the default, and right for plain WHIP clients): whatever sends packets is shown.
        """

    def set_watching(self, lesson: str, participant: str, *, live: bool, ceiling: Rung) -> None:
        """What a subscriber's page wants (`Watch`): remembered for its next sessions too, until the lesson ends.

        Args:
            live: False: nothing but what keeps the session alive is sent to it.
            ceiling: the best rung it wants.
        """

    def add_sink(self, lesson: str, sink: Sink) -> None: ...

    def remove_sink(self, lesson: str, sink: Sink) -> None: ...


class NodePlane(Protocol):
    """What other nodes are given: whole lessons, to be sent on from there (`relay.cascade` is the other side)."""

    def feed(self, lesson: str, node: str, offer: str, reached_at: str) -> Answer:
        """Accept another node's offer to pull a lesson (`transport.sdp_pull`); an older one of that node is replaced.

        No listener is told of it: a node is no participant. It ends with the session; there is nothing to delete.
        Raises PeerError as `MediaPlane.subscribe`.

        Args:
            node: its id, which the caller has authenticated.
        """

    def audience(self, lesson: str) -> int:
        """Subscribers of a lesson on this node, other nodes among them."""
