"""Who asks, and may they? Link tokens, media tokens, the admin token and signed replay URLs.

Everything here is a capability: there are no cookies, so no request is ever authorised by where it comes from. Refuses
to know routes; what a role may do stands with each route.
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

from liveclass.errors import PeerError
from liveclass.lesson.messages import Role
from liveclass.server.ports import LINK_ROLES, CataloguePort, LinkRole

Caller = Literal["admin", "teacher", "classroom", "replay"]

MEDIA_TOKEN_S = 24 * 3600
"""A page may stay open all night before its lesson; it gets a fresh token with each `Welcome`."""

MEDIA_URL_S = 12 * 3600
"""A replay page left open over a school day keeps playing; a leaked URL is void the next day."""

LINK_CACHE_S = 5.0
LINK_CACHE_SIZE = 1000
"""A class that joins at once brings one token fifty times: the database is asked for it once. A link withdrawn by this
process is refused at once all the same, one withdrawn elsewhere within this time."""

_MEDIA = "m1."
_REPLAY = "r1."
_NUMBER = re.compile(r"^\d{1,12}$")


@dataclass(frozen=True, slots=True)
class Access:
    """What a token stands for; `participant` is empty for the link's token itself."""

    caller: Caller
    participant: str = ""


class Claims(msgspec.Struct, frozen=True):
    """What a signed token says. Times in ms since 1970; `expires_ms` 0: never."""

    lesson: str
    participant: str
    role: LinkRole
    issued_ms: int
    expires_ms: int


class Signer:
    """Makes and checks what carries this server's signature. There is one algorithm, so none can be chosen by a token.

    Args:
        key: at least 32 secret bytes.
        wall: seconds since 1970.
    """

    def __init__(self, key: bytes, wall: Callable[[], float]) -> None:
        # A key of its own for each use: what is signed for one can never pass for the other.
        self._token_key = hmac.digest(key, b"liveclass token", "sha256")
        self._url_key = hmac.digest(key, b"liveclass media url", "sha256")
        self._wall = wall

    def media_token(self, lesson: str, participant: str, role: Role) -> str:
        """A bearer token for this participant's WHIP and WHEP requests, good for 24 h."""
        now_ms = int(self._wall() * 1000)
        return self._token(_MEDIA, Claims(lesson, participant, role, now_ms, now_ms + MEDIA_TOKEN_S * 1000))

    def replay_token(self, lesson: str) -> str:
        """A replay token for a teacher to hand on; good until the lesson's replay link is revoked or rotated."""
        return self._token(_REPLAY, Claims(lesson, "", "replay", int(self._wall() * 1000), 0))

    def _token(self, prefix: str, claims: Claims) -> str:
        payload = prefix + _b64(msgspec.json.encode(claims))
        return f"{payload}.{_b64(hmac.digest(self._token_key, payload.encode(), 'sha256'))}"

    def is_signed(self, token: str) -> bool:
        """Does it look like one of ours? (Link tokens hold no dot.)"""
        return token.startswith((_MEDIA, _REPLAY))

    def claims(self, token: str) -> Claims:
        """What the token says.

        Raises:
            PeerError: 401 `token_invalid` or `token_expired`.
        """
        try:
            payload, signature = token.rsplit(".", 1)
            expected = hmac.digest(self._token_key, payload.encode(), "sha256")
            if not hmac.compare_digest(_unb64(signature), expected):
                raise ValueError
            claims = msgspec.json.decode(_unb64(payload[len(_MEDIA) :]), type=Claims)
        except Exception as error:
            raise PeerError("This token is not valid.", status=401, code="token_invalid") from error
        if claims.expires_ms and self._wall() * 1000 >= claims.expires_ms:
            raise PeerError("This token has expired.", status=401, code="token_expired")
        return claims

    def media_prefix(self, lesson: str) -> str:
        """The path prefix `/media/{lesson}/{expires}.{signature}` under which the recording can be read for 12 h.

        The time is rounded up to a quarter of an hour, so that a page asking again gets the same URL and its cache.
        """
        expires = (int(self._wall()) + MEDIA_URL_S) // 900 * 900 + 900
        return f"/media/{lesson}/{expires}.{self._url_signature(lesson, expires)}"

    def check_media_url(self, lesson: str, expires: str, signature: str) -> None:
        """Raises PeerError 403 `url_invalid` or `url_expired` unless the prefix was made here for this lesson."""
        if not _NUMBER.match(expires) or not hmac.compare_digest(
            signature.encode(), self._url_signature(lesson, int(expires)).encode()
        ):
            raise PeerError("This address is not valid.", status=403, code="url_invalid")
        if self._wall() >= int(expires):
            raise PeerError("This address has expired; open the replay again.", status=403, code="url_expired")

    def _url_signature(self, lesson: str, expires: int) -> str:
        return _b64(hmac.digest(self._url_key, f"{lesson}\n{expires}".encode(), "sha256"))


@dataclass(frozen=True, slots=True)
class _KnownLink:
    """What the catalogue said of a link's token, and which withdrawals it knew of then."""

    role: LinkRole
    asked_at: float
    revoked_ms: int


class Authority:
    """Tells whom a bearer token belongs to.

    Args:
        is_admin: whether a token is the admin's, compared in constant time.
        revoked_ms: for lesson and role, the moment up to which signed tokens are void (0: none are); raises PeerError
            404 `lesson_unknown`.
    """

    def __init__(
        self,
        *,
        signer: Signer,
        is_admin: Callable[[str], bool],
        catalogue: CataloguePort,
        revoked_ms: Callable[[str, LinkRole], Awaitable[int]],
        monotonic: Callable[[], float],
    ) -> None:
        self._signer = signer
        self._is_admin = is_admin
        self._catalogue = catalogue
        self._revoked_ms = revoked_ms
        self._monotonic = monotonic
        self._known: OrderedDict[tuple[str, bytes], _KnownLink] = OrderedDict()

    async def access(self, token: str | None, lesson: str | None) -> Access:
        """Whom the token belongs to.

        Args:
            lesson: the lesson that the request is about, if it is about one.

        Raises:
            PeerError: 401 `token_missing`, `token_invalid`, `token_expired`, `token_revoked`; 403 `wrong_lesson`;
                404 `lesson_unknown`.
        """
        if token is None:
            raise PeerError("This needs a bearer token.", status=401, code="token_missing")
        if self._is_admin(token):
            return Access("admin")
        if lesson is None:
            raise PeerError("This token is not valid here.", status=401, code="token_invalid")
        if self._signer.is_signed(token):
            claims = self._signer.claims(token)
            if claims.lesson != lesson:
                raise PeerError("This token is for another lesson.", status=403, code="wrong_lesson")
            if claims.issued_ms <= await self._revoked_ms(lesson, claims.role):
                raise PeerError("This link has been withdrawn.", status=401, code="token_revoked")
            return Access(claims.role, claims.participant)
        role = await self._role_of(lesson, token)
        if role is None:
            raise PeerError("This token is not valid.", status=401, code="token_invalid")
        return Access(role)

    async def _role_of(self, lesson: str, token: str) -> LinkRole | None:
        key = (lesson, hashlib.sha256(token.encode()).digest())
        now, known = self._monotonic(), self._known.get(key)
        if known is not None and now - known.asked_at < LINK_CACHE_S:
            if known.revoked_ms == await self._revoked_ms(lesson, known.role):
                return known.role
            self._known.pop(key, None)
        # Read before the catalogue is asked: a withdrawal in between makes what is remembered void.
        revoked_ms = {role: await self._revoked_ms(lesson, role) for role in LINK_ROLES}
        role = await self._catalogue.role_of(lesson, token)
        if role is not None:
            self._known[key] = _KnownLink(role, now, revoked_ms[role])
            while len(self._known) > LINK_CACHE_SIZE:
                self._known.popitem(last=False)
        return role


def _b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        raise ValueError("not base64url")
    decoded = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _b64(decoded) != text:
        raise ValueError("not the canonical spelling")
    return decoded
