"""What reaches each participant and what is asked of it: reports, its link's rung, wishes and layers; who hears when.

Pure functions on one `Member`; effects come out. Knows nothing of calls, roles of the talk or the lesson's end, and
measures nothing: pages and the relay do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from liveclass.lesson.effects import Effect, Send, SetWatching
from liveclass.lesson.members import EVERYTHING, NOTHING_RECEIVED, UNKNOWN_LINK, Member
from liveclass.lesson.messages import (
    Layer,
    LayersWanted,
    LessonMessage,
    LessonState,
    LinkChanged,
    LinkState,
    ParticipantChanged,
    Receiving,
    Rung,
    SourceKind,
    Watch,
)

REPORTS_PER_S = 40.0
"""Reports of reception that a teacher's page gets per second from all rooms together: what an old laptop redraws."""

OWN_FIGURES_S = 10.0
"""Pause between two `LinkChanged` whose rung is the same: a weak link has better uses for its bytes."""

RUNG_WHEN_LOST: dict[LessonState, Rung | None] = {"waiting": None, "live": "reconnecting", "ended": None}
"""What the end of a classroom's subscription makes of its rung; None: nothing is sent to it, and nothing should be."""


AT_FIRST: dict[SourceKind, tuple[Layer, ...]] = {
    "microphone": ("full",),
    "camera": ("low", "middle", "high"),
    "screen": ("low", "middle", "high"),
}
"""What a new publishing session sends of each source until the relay says what is taken: every picture, and no thin
voice. A page replaces layers that it does not have by those it has."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who hears about a participant.

    Attributes:
        teachers: those with a page that is there.
        online: everyone whose page is there; the more there are, the less often each is reported.
    """

    teachers: tuple[str, ...]
    online: int


def reported(me: Member, receiving: Receiving, now: float, audience: Audience) -> list[Effect]:
    """The page of `me` says what it receives; teachers hear at most once a second, and always the last of it."""
    if receiving == me.receiving:
        return []
    me.receiving = receiving
    return _soon(me, now, audience)


def link_changed(me: Member, link: LinkState, now: float, audience: Audience) -> list[Effect]:
    """The relay says what the link of `me` carries: another rung is told at once, other figures like reports."""
    if not link.rung and me.link.rung == "reconnecting":
        # Until media can flow again (`link_connected`), nothing sent is no news.
        return []
    return _set_link(me, link, now, audience)


def link_lost(me: Member, state: LessonState, now: float, audience: Audience) -> list[Effect]:
    """The last subscription of `me` is gone."""
    rung = RUNG_WHEN_LOST[state] if me.role == "classroom" and not me.anonymous else None
    return _set_link(me, UNKNOWN_LINK if rung is None else LinkState(rung), now, audience)


def link_connected(me: Member, now: float, audience: Audience) -> list[Effect]:
    """Media can flow to `me` again; which rung it holds the relay says next."""
    return _set_link(me, UNKNOWN_LINK, now, audience) if me.link.rung == "reconnecting" else []


def forward(me: Member, now: float, audience: Audience) -> list[Effect]:
    """Tell the teachers now."""
    me.report_due = None
    me.report_sent = now
    return [Send(audience.teachers, ParticipantChanged(me.view("teacher")))] if audience.teachers else []


def watch(me: Member, wish: Watch) -> list[Effect]:
    """The page of `me` wants something else of the live media; the relay remembers it for the next sessions too."""
    if wish == me.watching:
        return []
    me.watching = wish
    return [SetWatching(me.id, wish.live, wish.ceiling)]


def watching(me: Member) -> list[Effect]:
    """The wish of `me`, for a subscription that has just opened: the relay may have forgotten it."""
    return [] if me.watching == EVERYTHING else [SetWatching(me.id, me.watching.live, me.watching.ceiling)]


def layers_wanted(me: Member, kind: SourceKind, layers: Sequence[Layer]) -> list[Effect]:
    """The relay says which layers of that source of `me` somebody takes."""
    wanted = tuple(layers)
    if me.layers.get(kind) == wanted:
        return []
    me.layers[kind] = wanted
    return _to_itself(me, LayersWanted(kind, list(wanted)))


def every_layer(me: Member) -> list[Effect]:
    """A publishing session of `me` has just opened with every layer on, which is also what the relay believes of it:
    what was wanted of the session before is over.

    The page is told so where it was told less: what the relay said of the old session may have reached it, with a
    `Welcome` or late, when it had begun the new one already.
    """
    told = list(me.layers)
    me.layers.clear()
    return [effect for kind in told for effect in _to_itself(me, LayersWanted(kind, list(AT_FIRST[kind])))]


def beside_welcome(me: Member) -> list[LessonMessage]:
    """What the page of `me` must know that a `Welcome` does not hold."""
    own: list[LessonMessage] = [LinkChanged(me.link)] if me.link.rung and me.role == "classroom" else []
    return [*own, *_wanted(me)]


def forget(me: Member) -> bool:
    """The lesson is over: no wish, layer or rung outlives it. True: others saw something of that."""
    seen = me.link != UNKNOWN_LINK or me.receiving != NOTHING_RECEIVED
    me.watching, me.link, me.receiving, me.report_due = EVERYTHING, UNKNOWN_LINK, NOTHING_RECEIVED, None
    me.layers.clear()
    return seen


def _wanted(me: Member) -> list[LessonMessage]:
    return [LayersWanted(kind, list(wanted)) for kind, wanted in me.layers.items()]


def _set_link(me: Member, link: LinkState, now: float, audience: Audience) -> list[Effect]:
    if link == me.link:
        return []
    another = link.rung != me.link.rung
    me.link = link
    effects: list[Effect] = []
    if me.role == "classroom" and (another or now - me.link_told >= OWN_FIGURES_S):
        me.link_told = now
        effects += _to_itself(me, LinkChanged(link))
    return effects + (forward(me, now, audience) if another else _soon(me, now, audience))


def _soon(me: Member, now: float, audience: Audience) -> list[Effect]:
    earliest = me.report_sent + max(1.0, audience.online / REPORTS_PER_S)
    if now < earliest:
        me.report_due = earliest
        return []
    return forward(me, now, audience)


def _to_itself(me: Member, message: LessonMessage) -> list[Effect]:
    return [Send((me.id,), message)] if me.online and not me.anonymous else []
