"""WHIP and WHEP as RFC 9725 and its draft have them: the codes, the headers, and who may do what."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from liveclass.server import http
from tests.server.stage import OFFER, PATIENCE_S, Stage, bearer, build

FRAGMENT_TYPE = "application/trickle-ice-sdpfrag"
RESTART = "a=ice-ufrag:wxyz\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n"
CANDIDATE = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=candidate:1 1 UDP 1 192.0.2.1 9 typ host\r\n"


async def watching(stage: Stage) -> tuple[dict[str, str], str, str]:
    """A lesson, its classroom token, and the resource of one player."""
    lesson = await stage.lesson()
    response = await stage.post(lesson["whep_url"], lesson["classroom_token"])
    assert response.status == 201
    return lesson, lesson["classroom_token"], response.headers["Location"]


async def patch(
    stage: Stage, resource: str, token: str, text: str, etag: str | None = "*", kind: str = FRAGMENT_TYPE
) -> int:
    headers = {"Content-Type": kind, **bearer(token)}
    if etag is not None:
        headers["If-Match"] = etag
    response = await stage.client.patch(resource, data=text.encode(), headers=headers)
    return response.status


async def test_a_session_is_created_with_all_that_the_rfc_asks_for(stage: Stage) -> None:
    lesson = await stage.lesson()
    response = await stage.post(lesson["whep_url"], lesson["classroom_token"])
    assert response.status == 201
    assert response.content_type == "application/sdp"
    assert response.headers["Location"].startswith(f"/whep/{lesson['id']}/")
    assert response.headers["ETag"] == '"tag-1"'
    assert response.headers["Accept-Patch"] == FRAGMENT_TYPE
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    exposed = response.headers["Access-Control-Expose-Headers"]
    assert all(name in exposed for name in ("Location", "ETag", "Link"))
    assert (await response.text()).startswith("v=0")
    assert stage.media.reached_at == ["127.0.0.1"]


@pytest.mark.parametrize("protocol", ["whip", "whep"])
async def test_options_says_what_the_endpoint_and_the_session_take(stage: Stage, protocol: str) -> None:
    lesson = await stage.lesson()
    headers = {"Origin": "https://anywhere.example", "Access-Control-Request-Method": "POST"}
    response = await stage.client.options(f"/{protocol}/{lesson['id']}", headers=headers)
    assert response.status == 204
    assert response.headers["Accept-Post"] == "application/sdp"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
    session = await stage.client.options(f"/{protocol}/{lesson['id']}/abc", headers=headers)
    assert {"PATCH", "DELETE"} <= set(session.headers["Access-Control-Allow-Methods"].split(", "))
    assert "If-Match" in session.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
async def test_other_methods_are_refused_with_those_that_are_allowed(stage: Stage, method: str) -> None:
    lesson, _, resource = await watching(stage)
    endpoint = await stage.client.request(method, f"/whip/{lesson['id']}")
    assert endpoint.status == 405
    assert set(endpoint.headers["Allow"].split(",")) == {"OPTIONS", "POST"}
    session = await stage.client.request(method, resource)
    assert session.status == 405
    assert set(session.headers["Allow"].split(",")) == {"DELETE", "OPTIONS", "PATCH"}


@pytest.mark.parametrize(
    ("offer", "headers", "status"),
    [
        (OFFER, {"Content-Type": "application/json"}, 415),
        (OFFER, {"Content-Type": "text/plain"}, 415),
        (OFFER, {"Content-Encoding": "br"}, 415),
        (OFFER, {"Content-Encoding": "gzip, gzip"}, 415),
        (OFFER, {"Content-Encoding": "gzip"}, 400),
        ("", {}, 400),
        ("\r\n\r\n", {}, 400),
        ("hello", {}, 400),
        ("v=0\r\n\0", {}, 400),
        (OFFER + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n", {}, 422),
        (OFFER + "a=x\r\n" * 20_000, {}, 413),
    ],
)
async def test_an_offer_that_cannot_be_taken_is_refused_whole_and_leaves_no_trace(
    stage: Stage, offer: str, headers: dict[str, str], status: int
) -> None:
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    await teacher.settled()
    for path, token in ((lesson["whip_url"], lesson["teacher_token"]), (lesson["whep_url"], lesson["classroom_token"])):
        response = await stage.post(path, token, offer, **headers)
        assert response.status == status
        assert (await response.json())["error"]["code"]
    assert stage.media.sessions == {}
    assert await teacher.settled() == []
    shown = await stage.show(lesson["id"])
    assert (shown["state"], len(shown["participants"])) == ("waiting", 1)


async def test_a_body_that_grows_past_the_limit_without_saying_its_length_is_cut_off(stage: Stage) -> None:
    lesson = await stage.lesson()

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b"a=x\r\n" * 1000

    response = await stage.client.post(
        f"/whip/{lesson['id']}",
        data=endless(),
        headers={"Content-Type": "application/sdp", **bearer(lesson["teacher_token"])},
    )
    assert response.status == 413


@pytest.mark.parametrize(
    ("length", "status"),
    [("1000", b"408"), ("70000", b"413"), ("-1", b"400"), ("1e3", b"400"), ("5\r\nContent-Length: 6", b"400")],
)
async def test_a_body_of_another_length_than_announced_is_not_waited_for(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, length: str, status: bytes
) -> None:
    monkeypatch.setattr(http, "BODY_S", 0.1)
    lesson = await stage.lesson()
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.client.port)
    writer.write(
        f"POST /whip/{lesson['id']} HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\n"
        f"Authorization: Bearer {lesson['teacher_token']}\r\nContent-Length: {length}\r\n\r\nv=0".encode()
    )
    answer = await asyncio.wait_for(reader.readline(), PATIENCE_S)
    assert answer.split()[1] == status
    writer.close()


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [
        (None, 401, "token_missing"),
        ("x" * 22, 401, "token_invalid"),
        ("replay_token", 403, "wrong_role"),
        ("an-admin-token-for-tests-only", 403, "wrong_role"),
    ],
)
async def test_only_teachers_and_classrooms_have_media_sessions(
    stage: Stage, token: str | None, status: int, code: str
) -> None:
    lesson = await stage.lesson()
    headers = {"Content-Type": "application/sdp"}
    if token is not None:
        headers |= bearer(lesson.get(token, token))
    for protocol in ("whip", "whep"):
        response = await stage.client.post(f"/{protocol}/{lesson['id']}", data=OFFER, headers=headers)
        assert response.status == status
        assert (await response.json())["error"]["code"] == code
        assert ("WWW-Authenticate" in response.headers) == (status == 401)


async def test_an_unknown_lesson_is_not_found(stage: Stage) -> None:
    assert (await stage.post("/whip/nosuchlesson", "x" * 22)).status == 404


async def test_deleting_frees_at_once_and_once(stage: Stage) -> None:
    _, token, resource = await watching(stage)
    assert (await stage.client.delete(resource, headers=bearer(token))).status == 200
    assert stage.media.sessions == {}
    assert stage.lessons.session_count == 0
    assert (await stage.client.delete(resource, headers=bearer(token))).status == 404


async def test_a_session_is_touched_only_by_who_it_belongs_to(stage: Stage) -> None:
    lesson, token, resource = await watching(stage)
    other = await stage.lesson()
    page = await stage.enter(lesson["id"], lesson["classroom_token"], 5)
    cases = {
        "": 401,
        "x" * 22: 401,
        lesson["teacher_token"]: 403,
        lesson["replay_token"]: 403,
        other["classroom_token"]: 401,
        page.welcome["media_token"]: 403,
    }
    for presented, status in cases.items():
        headers = bearer(presented) if presented else {}
        assert (await stage.client.delete(resource, headers=headers)).status == status
    wrong = {
        resource.replace("/whep/", "/whip/"): token,
        resource.replace(lesson["id"], other["id"]): other["classroom_token"],
        f"/whep/{lesson['id']}/guess": token,
    }
    for path, presented in wrong.items():
        assert (await stage.client.delete(path, headers=bearer(presented))).status == 404
        assert await patch(stage, path, presented, RESTART) == 404
    assert len(stage.media.sessions) == 1


async def test_a_page_s_session_is_deleted_by_its_own_media_token(stage: Stage) -> None:
    lesson = await stage.lesson()
    page = await stage.enter(lesson["id"], lesson["classroom_token"], 5)
    other = await stage.enter(lesson["id"], lesson["classroom_token"], 6)
    response = await stage.post(lesson["whep_url"], page.welcome["media_token"])
    resource = response.headers["Location"]
    assert (await stage.client.delete(resource, headers=bearer(other.welcome["media_token"]))).status == 403
    assert (await stage.client.delete(resource, headers=bearer(page.welcome["media_token"]))).status == 200


async def test_ice_restarts_change_the_entity_tag_and_stale_ones_are_refused(stage: Stage) -> None:
    _, token, resource = await watching(stage)
    assert await patch(stage, resource, token, RESTART, None) == 428
    assert await patch(stage, resource, token, RESTART, '"tag-0"') == 412
    assert await patch(stage, resource, token, RESTART, 'W/"tag-1"') == 412
    assert await patch(stage, resource, token, RESTART, "*", "application/sdp") == 415
    headers = {"Content-Type": FRAGMENT_TYPE, "If-Match": "*", **bearer(token)}
    response = await stage.client.patch(resource, data=RESTART, headers=headers)
    assert response.status == 200
    assert response.headers["ETag"] == '"tag-2"'
    assert response.content_type == FRAGMENT_TYPE
    # The second of two that crossed is stale.
    again = RESTART.replace("wxyz", "qrst")
    assert await patch(stage, resource, token, again, '"tag-1"') == 412
    assert await patch(stage, resource, token, again, '"other", "tag-2"') == 200
    assert next(iter(stage.media.sessions.values())).version == 3


async def test_a_restart_that_fails_leaves_the_session_as_it_was(stage: Stage) -> None:
    _, token, resource = await watching(stage)
    assert await patch(stage, resource, token, "a=ice-ufrag:wxyz\r\n") == 400
    assert await patch(stage, resource, token, "nonsense") == 400
    assert await patch(stage, resource, token, "") == 400
    assert await patch(stage, resource, token, "a" * 70_000) == 413
    assert next(iter(stage.media.sessions.values())).version == 1


@pytest.mark.parametrize("etag", ["*", '"tag-1"'])
async def test_candidates_alone_are_taken_and_change_nothing(stage: Stage, etag: str) -> None:
    _, token, resource = await watching(stage)
    assert await patch(stage, resource, token, CANDIDATE, etag) == 204
    assert await patch(stage, resource, token, "a=end-of-candidates\r\n", etag) == 204
    assert next(iter(stage.media.sessions.values())).version == 1


async def test_a_page_publishes_only_once_the_lesson_runs(stage: Stage) -> None:
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    early = await stage.post(lesson["whip_url"], teacher.welcome["media_token"])
    assert (early.status, (await early.json())["error"]["code"]) == (409, "lesson_waiting")
    await teacher.say("start_lesson")
    await teacher.until("lesson_changed")
    assert (await stage.post(lesson["whip_url"], teacher.welcome["media_token"])).status == 201
    (session,) = stage.media.sessions.values()
    assert (session.person.participant, session.person.lead) == (teacher.welcome["you"], True)


async def test_a_program_with_the_teacher_s_link_starts_the_lesson_by_publishing(stage: Stage) -> None:
    lesson = await stage.lesson()
    room = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
    assert (await stage.post(lesson["whip_url"], lesson["teacher_token"])).status == 201
    led = (await room.until("lesson_changed"))["lesson"]
    assert (led["state"], bool(led["lead"])) == ("waiting", True)
    begun = (await room.until("lesson_changed"))["lesson"]
    assert (begun["state"], begun["lead"]) == ("live", led["lead"])
    assert stage.recordings.begun == [lesson["id"]]
    first = next(iter(stage.media.sessions.values())).person
    assert first.lead
    # It reconnects while the dead session is still there, and is the same participant.
    assert (await stage.post(lesson["whip_url"], lesson["teacher_token"])).status == 201
    (session,) = stage.media.sessions.values()
    assert session.person == first


async def test_watching_may_begin_before_the_lesson_and_not_after(stage: Stage) -> None:
    lesson = await stage.lesson()
    assert (await stage.post(lesson["whep_url"], lesson["classroom_token"])).status == 201
    await stage.client.post(f"/api/lessons/{lesson['id']}/end", headers=bearer("an-admin-token-for-tests-only"))
    assert stage.media.sessions == {}
    for path, token in ((lesson["whep_url"], "classroom_token"), (lesson["whip_url"], "teacher_token")):
        late = await stage.post(path, lesson[token])
        assert (late.status, (await late.json())["error"]["code"]) == (409, "lesson_ended")


async def test_a_classroom_publishes_while_it_is_called_and_only_then(stage: Stage) -> None:
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    room = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
    await teacher.say("start_lesson")
    await teacher.settled()
    for token in (room.welcome["media_token"], lesson["classroom_token"]):
        refused = await stage.post(lesson["whip_url"], token)
        assert (refused.status, (await refused.json())["error"]["code"]) == (403, "not_called")
    await teacher.say("call", participant=room.welcome["you"])
    await room.about(room.welcome["you"])
    assert (await stage.post(lesson["whip_url"], room.welcome["media_token"])).status == 201
    await teacher.say("end_call", participant=room.welcome["you"])
    closed = await room.until("media_closed")
    assert closed["reason"] == "call_ended"
    assert stage.media.sessions == {}
    assert (await stage.post(lesson["whip_url"], room.welcome["media_token"])).status == 403


async def test_the_plain_classroom_link_publishes_for_a_called_player(stage: Stage) -> None:
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    await teacher.say("start_lesson")
    assert (await stage.post(lesson["whep_url"], lesson["classroom_token"])).status == 201
    player = (await teacher.until("participant_changed"))["participant"]
    assert player["name"] == "播放器 1"
    await teacher.say("call", participant=player["id"])
    await teacher.settled()
    response = await stage.post(lesson["whip_url"], lesson["classroom_token"])
    assert response.status == 201
    resource = response.headers["Location"]
    assert (await stage.client.delete(resource, headers=bearer(lesson["classroom_token"]))).status == 200


async def test_no_more_teachers_publish_than_set(tmp_path: Path) -> None:
    stage = await build(tmp_path, max_teachers=1)
    lesson = await stage.lesson()
    pages = [await stage.enter(lesson["id"], lesson["teacher_token"], n) for n in (1, 2)]
    await pages[0].say("start_lesson")
    await pages[0].settled()
    codes = [(await stage.post(lesson["whip_url"], page.welcome["media_token"])).status for page in pages]
    assert codes == [201, 403]
    await stage.close()


async def test_a_media_token_of_yesterday_or_of_another_lesson_is_refused(stage: Stage) -> None:
    lesson, other = await stage.lesson(), await stage.lesson()
    page = await stage.enter(lesson["id"], lesson["classroom_token"], 1)
    token = page.welcome["media_token"]
    elsewhere = await stage.post(other["whep_url"], token)
    assert (elsewhere.status, (await elsewhere.json())["error"]["code"]) == (403, "wrong_lesson")
    stage.clock.advance(24 * 3600 - 60)
    assert (await stage.post(lesson["whep_url"], token)).status == 201
    stage.clock.advance(61)
    late = await stage.post(lesson["whep_url"], token)
    assert (late.status, (await late.json())["error"]["code"]) == (401, "token_expired")


async def test_a_crowd_beyond_the_plan_is_told_when_to_come_back_and_keeps_what_is_admitted(tmp_path: Path) -> None:
    stage = await build(tmp_path, max_sessions=300, max_participants=1000)
    lesson = await stage.lesson()
    delays: list[float] = []

    async def join() -> int:
        began = time.perf_counter()
        response = await stage.post(lesson["whep_url"], lesson["classroom_token"])
        if response.status == 503:
            assert int(response.headers["Retry-After"]) > 0
            assert (await response.json())["error"]["code"] == "too_many_sessions"
        else:
            delays.append(time.perf_counter() - began)
        return int(response.status)

    statuses: list[int] = []
    for _ in range(10):
        statuses += await asyncio.gather(*(join() for _ in range(50)))
    assert statuses.count(201) == len(stage.media.sessions) == stage.lessons.session_count == 300
    assert statuses.count(503) == 200
    assert sorted(delays)[int(len(delays) * 0.95)] < 2.0
    await stage.close()


async def test_an_address_that_asks_too_often_waits_and_others_do_not(tmp_path: Path) -> None:
    stage = await build(tmp_path, posts_per_s=1.0, trusted_proxies="127.0.0.1")
    lesson = await stage.lesson()
    token = lesson["classroom_token"]
    statuses = [
        (await stage.post(lesson["whep_url"], token, **{"X-Forwarded-For": "198.51.100.7"})).status for _ in range(12)
    ]
    assert statuses == [201] * 10 + [429] * 2
    limited = await stage.client.delete(
        f"/whep/{lesson['id']}/x", headers={**bearer(token), "X-Forwarded-For": "198.51.100.7"}
    )
    assert limited.status == 429
    assert int(limited.headers["Retry-After"]) >= 1
    assert (await stage.post(lesson["whep_url"], token, **{"X-Forwarded-For": "198.51.100.8"})).status == 201
    stage.clock.advance(5)
    assert (await stage.post(lesson["whep_url"], token, **{"X-Forwarded-For": "198.51.100.7"})).status == 201
    await stage.close()
