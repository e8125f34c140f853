"""Who is seen and heard where: fills a subscriber's slots from the sources of a room.

Pure: values in, a list of source ids out. It knows people and kinds, not packets. Rules, in this order:

- nobody receives themselves;
- what is most wanted comes first: the lead volunteer, then the screen, then the other volunteer, then called classrooms
  (with a single video slot the screen comes before all cameras: a plain player shows what is taught);
- of the called classrooms those come first who are to be heard first (`relay.speakers`), and only so many as may be
  heard at once; of their pictures a classroom is sent one, as its downlink is to stay what one picture costs;
- whoever has a slot keeps it, so that nothing jumps;
- a newcomer takes the slot made for its kind when that is free, else any free one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from liveclass.relay.source import SourceKind


@dataclass(frozen=True, slots=True)
class Offering:
    """A source that could be shown."""

    id: str
    participant: str
    role: Literal["teacher", "classroom"]
    kind: SourceKind
    lead: bool


@dataclass(frozen=True, slots=True)
class Guests:
    """Which of the called classrooms one viewer hears and sees.

    Attributes:
        heard: their participants, the first to be heard first.
        seen: those whose pictures are sent, likewise.
    """

    heard: Sequence[str] = ()
    seen: Sequence[str] = ()


LEAD, SCREEN, SECOND, GUEST = range(4)

PREFERRED_AUDIO: dict[int, tuple[int, ...]] = {LEAD: (0,), SECOND: (1,), GUEST: (2, 3)}
PREFERRED_VIDEO: dict[int, tuple[int, ...]] = {LEAD: (0,), SCREEN: (1,), SECOND: (2,), GUEST: (3, 4)}


def rank(offering: Offering) -> int:
    """What an offering is to a viewer: `LEAD`, `SCREEN`, `SECOND` or `GUEST`."""
    if offering.role == "classroom":
        return GUEST
    if offering.kind == "screen":
        return SCREEN
    return LEAD if offering.lead else SECOND


def assign(
    offerings: Sequence[Offering],
    viewer: str,
    audio: Sequence[str | None],
    video: Sequence[str | None],
    guests: Guests | None = None,
) -> tuple[list[str | None], list[str | None]]:
    """Which source each slot carries from now on.

    Args:
        offerings: all live sources, in the order in which they appeared.
        viewer: the subscriber's participant.
        audio, video: what each slot carries now.
        guests: the classrooms for this viewer; None: as many as there is room for, in the order of `offerings`.

    Returns:
        The new contents of the audio and of the video slots.
    """
    others = [offering for offering in offerings if offering.participant != viewer]
    sounds = [offering for offering in others if offering.kind == "microphone"]
    pictures = [offering for offering in others if offering.kind != "microphone"]
    sounds.sort(key=rank)
    if guests is not None:
        sounds = _only(sounds, guests.heard)
        pictures = _only(pictures, guests.seen)
    pictures.sort(key=(lambda o: (o.kind != "screen", rank(o))) if len(video) == 1 else rank)
    return _place(sounds, audio, PREFERRED_AUDIO), _place(pictures, video, PREFERRED_VIDEO)


def _only(offerings: Sequence[Offering], classrooms: Sequence[str]) -> list[Offering]:
    """The volunteers' sources, and behind them those of these classrooms in their order."""
    places = {participant: place for place, participant in enumerate(classrooms)}
    kept = [offering for offering in offerings if offering.role == "teacher" or offering.participant in places]
    kept.sort(key=lambda o: -1 if o.role == "teacher" else places[o.participant])
    return kept


def _place(
    wanted: Sequence[Offering], current: Sequence[str | None], preferred: dict[int, tuple[int, ...]]
) -> list[str | None]:
    chosen = wanted[: len(current)]
    ids = {offering.id for offering in chosen}
    placed = [source if source in ids else None for source in current]
    for offering in chosen:
        if offering.id in placed:
            continue
        free = [i for i, source in enumerate(placed) if source is None]
        fitting = [i for i in preferred.get(rank(offering), ()) if i in free]
        placed[(fitting or free)[0]] = offering.id
    return placed
