"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): media sessions over HTTP, for the pages and for any other client.

Knows HTTP and who may publish; what an offer says is the media plane's business. Answers are complete: this server is
ICE-lite and has all its candidates when it answers.
"""

import asyncio
import re
import secrets
from collections.abc import Callable
from typing import Literal, get_args

from aiohttp import web

from liveclass.errors import PeerError
from liveclass.lesson.links import watch
from liveclass.lesson.members import EVERYTHING, Member, participant_id
from liveclass.lesson.messages import Role, Rung, Watch
from liveclass.lesson.state import not_called
from liveclass.relay.ports import Answer, Direction
from liveclass.server.auth import Access, Caller
from liveclass.server.forwarding import REACHED_AT
from liveclass.server.held import Held, SessionRecord
from liveclass.server.http import FROM_NODE, Proxies, RequestRefused, body, local_address
from liveclass.server.lessons import Lessons
from liveclass.server.neighbours import Reached
from liveclass.server.routing import ACCESS, PUBLIC, Route
from liveclass.server.seats import Seats

Protocol = Literal["whip", "whep"]
DIRECTIONS: dict[Protocol, Direction] = {"whip": "publish", "whep": "subscribe"}

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"

MEDIA_CALLERS: frozenset[Caller] = frozenset({"teacher", "classroom"})

PLAIN_TEACHER = "plain"
"""All publishing by the teacher's plain link is one participant, so that a program that reconnects from another address
goes on where it was: same place on the stage, same track of the recording."""

IDENTITY = "Liveclass-Identity"
"""Header of a page that subscribes while its socket is still on the way: the identity that its `Hello` brings."""

CEILING = "Liveclass-Ceiling"
"""Header of a page that still loads: the best rung that it wants until its `Watch` says otherwise. On a thin link the
picture would take from the rest of the page what that needs to be seen at all."""

OPENING_S = 8.0
"""How long that holds for a page whose socket does not come: media must not depend on it."""

OWNER = "Liveclass-Owner"
"""Header of an answer: the process that has the session, as `Welcome.owner`."""

PREFLIGHT_S = 86_400
"""How long a browser may remember what OPTIONS said."""

_REFUSALS = {
    400: "the body is malformed",
    401: "no valid token",
    403: "the token does not permit this; classrooms publish only while they are called on (`not_called`)",
    404: "no such lesson or session",
    408: "the body took too long",
    409: "the lesson is over, or a page publishes before it has started",
    413: "the body is too large",
    415: "another content type",
    422: "the offer cannot be accepted",
    429: "too many requests from this address",
    503: "beyond what this server is set to carry",
}
_PATCH_REFUSALS = {
    **{status: _REFUSALS[status] for status in (400, 401, 403, 404, 408, 413, 415, 422, 429)},
    204: "candidates taken note of (this server needs none)",
    412: "If-Match names an older state of the session",
    428: "If-Match is missing",
}
_DELETE_REFUSALS = {status: _REFUSALS[status] for status in (401, 403, 404, 429)}

_ENTITY_TAG = re.compile(r'\s*(W/)?"([\x21\x23-\x7e]*)"\s*(?:,|$)')
_IDENTITY = re.compile(r"[0-9a-f]{32}")
_UFRAG = re.compile(r"^a=ice-ufrag:(\S{4,256})\s*$", re.MULTILINE)
_TRICKLE = re.compile(r"^a=(?:candidate:|end-of-candidates)", re.MULTILINE)


class MediaSessions:
    """The endpoints and resources of both protocols.

    Args:
        max_sdp_bytes: largest offer or fragment.
        max_sessions: media sessions of this process.
        seats: where classrooms sit; None: all of them here.
        guests: sessions that this process serves for lessons of other nodes.
    """

    def __init__(
        self,
        *,
        lessons: Lessons,
        proxies: Proxies,
        max_sdp_bytes: int,
        max_sessions: int,
        seats: Seats | None = None,
        guests: Callable[[], int] = lambda: 0,
    ) -> None:
        self._lessons = lessons
        self._proxies = proxies
        self._max_sdp_bytes = max_sdp_bytes
        self._max_sessions = max_sessions
        self._seats = seats
        self._guests = guests

    def routes(self) -> list[Route]:
        return [*self._routes_of("whip", "publish"), *self._routes_of("whep", "watch")]

    def _routes_of(self, protocol: Protocol, verb: str) -> list[Route]:
        async def create(request: web.Request) -> web.StreamResponse:
            return await self._create(request, protocol)

        async def restart(request: web.Request) -> web.StreamResponse:
            return await self._patch(request, protocol)

        async def delete(request: web.Request) -> web.StreamResponse:
            return self._delete(request, protocol)

        endpoint, resource = f"/{protocol}/{{lesson}}", f"/{protocol}/{{lesson}}/{{session}}"
        name = protocol.upper()
        return [
            Route(
                method="POST",
                path=endpoint,
                handler=create,
                access=MEDIA_CALLERS,
                limited=True,
                summary=f"{name}: {verb}, with an SDP offer; the answer's Location is the session",
                request=SDP,
                response=SDP,
                status=201,
                refusals=_REFUSALS,
            ),
            Route(
                method="OPTIONS",
                path=endpoint,
                handler=_endpoint_options,
                access=PUBLIC,
                status=204,
                summary=f"{name}: what the endpoint takes, and CORS",
                anywhere=True,
            ),
            Route(
                method="PATCH",
                path=resource,
                handler=restart,
                access=MEDIA_CALLERS,
                limited=True,
                summary=f"{name}: ICE restart of the session",
                request=FRAGMENT,
                response=FRAGMENT,
                refusals=_PATCH_REFUSALS,
            ),
            Route(
                method="DELETE",
                path=resource,
                handler=delete,
                access=MEDIA_CALLERS,
                limited=True,
                summary=f"{name}: end the session",
                refusals=_DELETE_REFUSALS,
            ),
            Route(
                method="OPTIONS",
                path=resource,
                handler=_resource_options,
                access=PUBLIC,
                status=204,
                summary=f"{name}: what the session takes, and CORS",
                anywhere=True,
            ),
        ]

    async def _create(self, request: web.Request, protocol: Protocol) -> web.Response:
        """POST of an offer (RFC 9725 section 4.2)."""
        direction = DIRECTIONS[protocol]
        offer = _text(await body(request, self._max_sdp_bytes, SDP, gzip=True))
        held = await self._lessons.get(request.match_info["lesson"])
        access = _as_page(request, held.id, direction)
        ceiling = _ceiling(request)
        address = self._proxies.client(request)
        # What was checked still holds when it is done: nothing waits from here to the end but for another node, and
        # then it is checked once more.
        held.lesson.check_open()
        member = self._member(held, access, direction, address)
        starting = direction == "publish" and not access.participant and access.caller == "teacher"
        if direction == "publish":
            held.lesson.check_publish(member, starting=starting)
        if starting:
            self._lessons.check_may_start(held)
        revoked = dict(held.lesson.revoked_ms)
        answer = await self._elsewhere(request, held, member, direction, offer)
        if answer is None:
            self._check_capacity(member, direction)
            answer = self._answer(request, held, member, direction, offer)
        record = SessionRecord(_ufrag(offer) or "")
        try:
            held.lesson.check_open()
            if held.lesson.revoked_ms != revoked:
                raise PeerError("This link has been withdrawn.", status=401, code="token_revoked")
            self._lessons.media_accepted(held, member, direction, answer.session, record, address)
            if ceiling != "full" and direction == "subscribe":
                self._open_gently(held, member, Watch(ceiling=ceiling))
            if starting:
                self._lessons.start_lesson(held)
        except PeerError:
            self._lessons.media.close_session(answer.session, "deleted")
            raise
        return web.Response(
            status=201,
            text=answer.sdp,
            content_type=SDP,
            headers={
                "Location": f"/{protocol}/{held.id}/{answer.session}",
                "ETag": _quoted(answer.etag),
                "Accept-Patch": FRAGMENT,
                "Cache-Control": "no-store",
                OWNER: held.owner,
            },
        )

    def _open_gently(self, held: Held, member: Member, wish: Watch) -> None:
        self._lessons.apply(held, watch(member, wish))

        def lift() -> None:
            # Whatever the page has said since is a wish of its own, and another object.
            if member.watching is wish:
                self._lessons.apply(held, watch(member, EVERYTHING))

        asyncio.get_running_loop().call_later(OPENING_S, lift)

    def _member(self, held: Held, access: Access, direction: Direction, address: str) -> Member:
        """Whom the request speaks for: the page of its media token, or someone with the plain link."""
        lesson = held.lesson
        role: Role = "teacher" if access.caller == "teacher" else "classroom"
        if access.participant:
            return lesson.candidate(access.participant, role)
        if direction == "subscribe":
            return lesson.candidate(secrets.token_urlsafe(9), role, anonymous=True, player=True)
        if role == "teacher":
            return lesson.candidate(participant_id(held.id, role, PLAIN_TEACHER), role, anonymous=True)
        who = lesson.publisher_at(address)
        if who is None:
            raise not_called(403)
        return lesson.candidate(who, role)

    def _check_capacity(self, member: Member, direction: Direction) -> None:
        elsewhere = self._seats.count if self._seats is not None else 0
        count = self._lessons.session_count - elsewhere + self._guests()
        if direction not in member.sessions and count >= self._max_sessions:
            raise PeerError("This server carries as many sessions as it may.", status=503, code="too_many_sessions")

    async def _elsewhere(
        self, request: web.Request, held: Held, member: Member, direction: Direction, offer: str
    ) -> Answer | None:
        """The answer of another node that serves this classroom from now on; None: it is served here."""
        if self._seats is None or direction != "subscribe" or member.role != "classroom":
            return None
        reached = Reached(request.get(FROM_NODE, ""), request.headers.get(REACHED_AT, ""), _reached_at(request))
        return await self._seats.seat(held.id, self._lessons.person(held, member), offer, reached)

    def _answer(self, request: web.Request, held: Held, member: Member, direction: Direction, offer: str) -> Answer:
        media, person = self._lessons.media, self._lessons.person(held, member)
        reached_at = _reached_at(request)
        if direction == "publish":
            return media.publish(held.id, person, offer, reached_at)
        return media.subscribe(held.id, person, offer, reached_at)

    def _owned(self, request: web.Request, protocol: Protocol) -> str:
        """The session of the request's path, if the request's token may touch it.

        Raises:
            PeerError: 404 `session_unknown`, 403 `wrong_participant`.
        """
        session, lesson_id = request.match_info["session"], request.match_info["lesson"]
        owner = self._lessons.media.owner(session)
        if owner is None or (owner[0], owner[2]) != (lesson_id, DIRECTIONS[protocol]):
            raise PeerError("There is no such session.", status=404, code="session_unknown")
        access = request[ACCESS]
        if access.participant:
            permitted = access.participant == owner[1]
        else:
            held = self._lessons.loaded(lesson_id)
            member = held.lesson.member(owner[1]) if held is not None else None
            permitted = member is not None and member.role == access.caller
        if not permitted:
            raise PeerError("This session belongs to someone else.", status=403, code="wrong_participant")
        return session

    async def _patch(self, request: web.Request, protocol: Protocol) -> web.Response:
        """PATCH (RFC 9725 section 4.3): an ICE restart is done; candidates alone are taken and need nothing done, since
        an ICE-lite server learns every address of the client from the client's own checks."""
        session = self._owned(request, protocol)
        raw = await body(request, self._max_sdp_bytes, FRAGMENT, gzip=True)
        media = self._lessons.media
        current, record = media.etag(session), self._lessons.session(session)
        if current is None or record is None:
            raise PeerError("There is no such session.", status=404, code="session_unknown")
        _check_match(request, current.strip('"'))
        fragment = _text(raw)
        ufrag = _ufrag(fragment)
        if ufrag is None or ufrag == record.remote_ufrag:
            if not _TRICKLE.search(fragment):
                raise PeerError("The fragment holds neither new credentials nor candidates.", code="fragment_invalid")
            return web.Response(status=204)
        if self._seats is not None:
            etag, answer = await self._seats.restart_anywhere(session, fragment)
        else:
            etag, answer = media.restart(session, fragment)
        record.remote_ufrag = ufrag
        return web.Response(
            text=answer, content_type=FRAGMENT, headers={"ETag": _quoted(etag), "Cache-Control": "no-store"}
        )

    def _delete(self, request: web.Request, protocol: Protocol) -> web.Response:
        """DELETE (RFC 9725 section 4.2): frees everything at once, whatever the entity tag."""
        self._lessons.media.close_session(self._owned(request, protocol), "deleted")
        return web.Response(status=200)


def _as_page(request: web.Request, lesson_id: str, direction: Direction) -> Access:
    """Whom the token stands for; with the link's token and an identity, the page that will say hello with both.

    That saves a page one round trip before its first sound. It opens no more than its media token would.

    Raises:
        PeerError: 400 `identity_invalid`.
    """
    access, identity = request[ACCESS], request.headers.get(IDENTITY)
    if identity is None or access.participant or direction != "subscribe":
        return access
    if not _IDENTITY.fullmatch(identity):
        raise PeerError("The identity is not valid.", code="identity_invalid")
    role: Role = "teacher" if access.caller == "teacher" else "classroom"
    return Access(access.caller, participant_id(lesson_id, role, identity))


def _ceiling(request: web.Request) -> Rung:
    """Raises PeerError 400 `ceiling_invalid`."""
    ceiling = request.headers.get(CEILING, "full")
    if ceiling not in get_args(Rung):
        raise PeerError("The ceiling is not a rung of the ladder.", code="ceiling_invalid")
    return ceiling  # type: ignore[return-value]


async def _endpoint_options(_request: web.Request) -> web.StreamResponse:
    return _options("POST, OPTIONS", {"Accept-Post": SDP})


async def _resource_options(_request: web.Request) -> web.StreamResponse:
    return _options("PATCH, DELETE, OPTIONS", {"Accept-Patch": FRAGMENT})


def _options(methods: str, headers: dict[str, str]) -> web.Response:
    return web.Response(
        status=204,
        headers={
            **headers,
            "Allow": methods,
            "Access-Control-Allow-Methods": methods,
            "Access-Control-Allow-Headers": (
                f"Authorization, Content-Encoding, Content-Type, If-Match, {IDENTITY}, {CEILING}"
            ),
            "Access-Control-Max-Age": str(PREFLIGHT_S),
        },
    )


def _check_match(request: web.Request, current: str) -> None:
    """If-Match by strong comparison (RFC 9110 section 13.1.1); `*` matches any state (RFC 9725 section 4.3.3)."""
    values = request.headers.getall("If-Match", [])
    if not values:
        raise RequestRefused("If-Match is missing.", status=428, code="precondition_required")
    wanted = ",".join(values).strip()
    if wanted == "*":
        return
    tags = [tag for weak, tag in _ENTITY_TAG.findall(wanted) if not weak]
    if current not in tags:
        raise RequestRefused("The session has changed since.", status=412, code="precondition_failed")


def _text(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PeerError("The body is not UTF-8.", code="sdp_invalid") from error
    if not text.strip() or "\0" in text:
        raise PeerError("The body is no SDP.", code="sdp_invalid")
    return text


def _ufrag(text: str) -> str | None:
    match = _UFRAG.search(text)
    return match[1] if match else None


def _quoted(etag: str) -> str:
    return f'"{etag.strip(chr(34))}"'


def _reached_at(request: web.Request) -> str:
    """The address of this machine that the browser reached; empty when it reached another, or none is known."""
    own = local_address(request)
    if FROM_NODE not in request:
        return own
    # A node on the same machine asks from the very address that it asks at.
    return request.headers.get(REACHED_AT, "") if request.remote == own else ""
