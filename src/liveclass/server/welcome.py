"""What a page is told when it says hello: the `Welcome` and what it does not hold.

Makes messages of what it is given; changes nothing and sends nothing.
"""

from collections.abc import Callable, Sequence

from liveclass.config import Settings
from liveclass.errors import PeerError
from liveclass.lesson.messages import IceServer, JumpNow, MediaClosed, Pong, Role, Welcome
from liveclass.server.auth import Signer
from liveclass.server.held import Held, encode

IceServers = Callable[[str], Sequence[IceServer]]
"""For a participant's id, the TURN servers that its page may use from now on."""

FRESH_TOKEN_S = 12 * 3600
"""A page that stays connected gets a new `Welcome` this often, well before its media token expires."""

UNTOLD = (JumpNow, MediaClosed, Pong)
"""Messages that no `Welcome` makes up for: they follow it."""


class Welcomes:
    """Makes welcomes.

    Args:
        signing_key: at least 32 secret bytes, the same after a restart.
        wall: seconds since 1970.
        ice_servers: makes credentials that expire after the setting `turn_credential_s`.
        board: the blackboard for a participant, encoded.
    """

    def __init__(
        self,
        settings: Settings,
        signing_key: bytes,
        wall: Callable[[], float],
        ice_servers: IceServers,
        board: Callable[[Held, str], Sequence[str]],
    ) -> None:
        self._settings = settings
        self._signer = Signer(signing_key, wall)
        self._wall = wall
        self._ice_servers = ice_servers
        self._board = board
        # Half of their time: whoever must begin a new session has credentials that still hold for a while.
        self.fresh_s = min(FRESH_TOKEN_S, settings.turn_credential_s / 2) if settings.turn_urls else FRESH_TOKEN_S

    def texts(self, held: Held, who: str) -> list[str]:
        """The `Welcome` of this moment and what follows it, as they travel."""
        slots = held.slots.get(who)
        return [
            encode(self._welcome(held, who)),
            *self._board(held, who),
            *([encode(slots)] if slots is not None else []),
            *(encode(message) for message in held.lesson.beside_welcome(who)),
        ]

    def _welcome(self, held: Held, who: str) -> Welcome:
        lesson = held.lesson
        member = lesson.member(who)
        if member is None:
            raise PeerError("There is no such participant in this lesson.", status=404, code="participant_unknown")
        after_s = 0.0 if held.ended_at_ms is None else self._wall() - held.ended_at_ms / 1000
        catchup = (
            self._settings.record
            and self._settings.catchup_streams
            and (lesson.state != "ended" or after_s <= self._settings.catchup_after_end_s)
        )
        return Welcome(
            you=who,
            role=member.role,
            lesson=lesson.info,
            participants=lesson.participants(member.role),
            recording=lesson.recording,
            media_token=self._signer.media_token(held.id, who, member.role),
            whip_url=f"/whip/{held.id}",
            whep_url=f"/whep/{held.id}",
            server_time_ms=int(self._wall() * 1000),
            replay_url=self.replay_url(held, member.role),
            catchup_url=f"/api/catchup/{held.id}" if catchup else "",
            ended_at_ms=held.ended_at_ms,
            ice_servers=list(self._ice_servers(who)),
            owner=held.owner,
        )

    def replay_url(self, held: Held, role: Role) -> str:
        """A classroom's page shows whatever it is told, so it is told when there is something to open."""
        opens = self._settings.classroom_replay and held.lesson.state == "ended"
        if role != "teacher" and not (opens and held.lesson.recording.state != "off"):
            return ""
        return f"/replay/{held.id}#{self._signer.replay_token(held.id)}"
