"""Bad links, seen from the server: what pages are told of rungs, layers and the recording, and that media and socket
live and die each by itself."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from liveclass.lesson.messages import IceServer
from liveclass.relay.ports import LinkView, SlotView
from tests.server.stage import OFFER, Page, Stage, bearer, build, participants


async def scene(stage: Stage, *, call: bool = True) -> tuple[dict[str, Any], Page, Page]:
    """A live lesson: its links, the teacher's page and one classroom's, which receives and, if wished, speaks."""
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    room = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
    await teacher.say("start_lesson")
    if call:
        await teacher.say("call", participant=room.welcome["you"])
        await teacher.say("mute", participant=room.welcome["you"], muted=True)
    await teacher.settled()
    assert (await stage.post(lesson["whep_url"], room.welcome["media_token"])).status == 201
    if call:
        assert (await stage.post(lesson["whip_url"], room.welcome["media_token"])).status == 201
    return lesson, teacher, room


def session_of(stage: Stage, who: str, direction: str) -> str | None:
    found = [
        s
        for s, known in stage.media.sessions.items()
        if (known.person.participant, known.direction) == (who, direction)
    ]
    assert len(found) <= 1
    return found[0] if found else None


async def test_a_dead_socket_closes_no_media_and_dead_media_closes_no_socket(stage: Stage) -> None:
    lesson, teacher, room = await scene(stage)
    who = room.welcome["you"]
    sessions = dict(stage.media.sessions)
    await room.socket.close()
    while (await teacher.about(who))["online"]:
        pass
    stage.clock.advance(3600)
    await stage.lessons.housekeep()
    assert stage.media.sessions == sessions
    assert participants((await stage.show(lesson["id"]))["participants"])[who]["called"] is True


async def test_media_that_times_out_leaves_the_socket_open_and_says_so(stage: Stage) -> None:
    lesson, teacher, room = await scene(stage)
    who = room.welcome["you"]
    for direction in ("subscribe", "publish"):
        session = session_of(stage, who, direction)
        assert session is not None
        stage.media.close_session(session, "timeout")
        assert (await room.until("media_closed"))["session"] == session
    assert await room.settled() == []
    seen = (await teacher.about(who)) | participants((await stage.show(lesson["id"]))["participants"])[who]
    assert (seen["online"], seen["called"], seen["muted"]) == (True, True, True)
    assert seen["link"]["rung"] == "reconnecting"


@pytest.mark.parametrize("end", ["replaced", "timeout"])
async def test_reception_that_ends_while_the_socket_is_dead_costs_neither_role_nor_call_nor_mute(
    stage: Stage, end: str
) -> None:
    lesson, teacher, room = await scene(stage)
    who = room.welcome["you"]
    await room.socket.close()
    while (await teacher.about(who))["online"]:
        pass
    if end == "replaced":
        assert (await stage.post(lesson["whep_url"], room.welcome["media_token"])).status == 201
    else:
        for direction in ("subscribe", "publish"):
            session = session_of(stage, who, direction)
            assert session is not None
            stage.media.close_session(session, "timeout")
    stage.clock.advance(300)
    await stage.lessons.housekeep()
    again = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
    assert again.welcome["you"] == who
    me = participants(again.welcome["participants"])[who]
    assert (me["role"], me["called"], me["muted"], me["online"]) == ("classroom", True, True, True)
    assert (await stage.post(lesson["whip_url"], again.welcome["media_token"])).status == 201
    assert stage.media.muted[lesson["id"], who] is True


async def test_the_rung_reaches_teachers_and_the_room_and_again_whoever_comes_back(stage: Stage) -> None:
    lesson, teacher, room = await scene(stage, call=False)
    other = await stage.enter(lesson["id"], lesson["classroom_token"], 3)
    await other.settled()
    who = room.welcome["you"]
    stage.lessons.link_changed(lesson["id"], who, LinkView("sound", 84_400, 0.0512))
    expected = {"rung": "sound", "kbps": 84, "loss_percent": 5.1}
    assert (await room.until("link_changed"))["link"] == expected
    assert (await teacher.about(who))["link"] == expected
    assert await other.settled() == []
    await room.socket.close()
    again = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
    assert (await again.until("link_changed"))["link"] == expected
    second = await stage.enter(lesson["id"], lesson["teacher_token"], 4)
    assert participants(second.welcome["participants"])[who]["link"] == expected
    assert participants(again.welcome["participants"])[who]["link"] == {}


async def test_the_layers_wanted_reach_a_publisher_and_are_told_again_to_a_new_socket(stage: Stage) -> None:
    lesson, teacher, _ = await scene(stage, call=False)
    who, token = teacher.welcome["you"], teacher.welcome["media_token"]
    await stage.post(lesson["whip_url"], token)
    stage.lessons.layers_wanted(lesson["id"], who, "camera", ["low", "middle"])
    wanted = {"type": "layers_wanted", "kind": "camera", "layers": ["low", "middle"]}
    assert await teacher.until("layers_wanted") == wanted
    again = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    assert await again.until("layers_wanted") == wanted


async def test_every_layer_is_wanted_of_a_new_session_until_the_relay_says_otherwise(stage: Stage) -> None:
    lesson, teacher, _ = await scene(stage, call=False)
    who, token = teacher.welcome["you"], teacher.welcome["media_token"]
    await stage.post(lesson["whip_url"], token)
    stage.lessons.layers_wanted(lesson["id"], who, "camera", ["low", "high"])
    await teacher.until("layers_wanted")
    await stage.post(lesson["whip_url"], token)
    assert (await teacher.until("layers_wanted"))["layers"] == ["low", "middle", "high"]
    again = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    assert "layers_wanted" not in [message["type"] for message in await again.settled()]
    stage.lessons.layers_wanted(lesson["id"], who, "camera", ["low", "high"])
    assert (await again.until("layers_wanted"))["layers"] == ["low", "high"]


async def test_a_wish_reaches_the_media_plane_and_each_later_subscription(stage: Stage) -> None:
    lesson, _, room = await scene(stage, call=False)
    who = room.welcome["you"]
    wish = (lesson["id"], who, False, "sound")
    await room.say("watch", live=False, ceiling="sound")
    await room.settled()
    assert stage.media.watching == [wish]
    await stage.post(lesson["whep_url"], room.welcome["media_token"])
    assert stage.media.watching == [wish, wish]
    await room.say("watch")
    await room.settled()
    assert stage.media.watching == [wish, wish, (lesson["id"], who, True, "full")]


async def test_a_teacher_has_a_classroom_jump_to_live(stage: Stage) -> None:
    _, teacher, room = await scene(stage, call=False)
    await room.say("report", receiving={"sound": "good", "behind_s": 240.5, "used_mb": 12.5, "saves_data": True})
    seen = (await teacher.about(room.welcome["you"]))["receiving"]
    assert (seen["behind_s"], seen["used_mb"], seen["saves_data"]) == (240.5, 12.5, True)
    await teacher.say("jump_to_live", participant=room.welcome["you"])
    assert await room.until("jump_now") == {"type": "jump_now"}


async def test_every_fresh_welcome_is_followed_by_what_it_does_not_hold(stage: Stage) -> None:
    lesson, _, room = await scene(stage, call=False)
    who, session = room.welcome["you"], next(iter(stage.media.sessions))
    stage.lessons.slots_changed(lesson["id"], who, session, [SlotView("0", "t", "microphone")])
    stage.lessons.link_changed(lesson["id"], who, LinkView("thin"))
    await room.settled()
    stage.clock.advance(12 * 3600 + 1)
    await stage.lessons.housekeep()
    told = [message["type"] for message in await room.settled()]
    assert told == ["welcome", "board", "slots_changed", "link_changed"]


async def test_where_lessons_are_recorded_pages_are_told_where_to_catch_up(tmp_path: Path) -> None:
    for record, streams in ((True, 5), (True, 0), (False, 5)):
        folder = tmp_path / f"{record}{streams}"
        folder.mkdir()
        stage = await build(folder, record=record, catchup_streams=streams)
        lesson = await stage.lesson()
        room = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
        expected = f"/api/catchup/{lesson['id']}" if record and streams else ""
        assert room.welcome["catchup_url"] == expected
        await stage.close()


async def test_pages_get_turn_credentials_of_their_own_and_new_ones_long_before_they_expire(tmp_path: Path) -> None:
    def servers(who: str) -> list[IceServer]:
        return [IceServer(["turn:turn.example.org"], f"{who}", "secret")]

    stage = await build(
        tmp_path,
        ice_servers=servers,
        turn_urls="turn:turn.example.org",
        turn_secret="s" * 16,
        turn_credential_s=600.0,
    )
    lesson = await stage.lesson()
    room = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
    (server,) = room.welcome["ice_servers"]
    assert server == {"urls": ["turn:turn.example.org"], "username": room.welcome["you"], "credential": "secret"}
    stage.clock.advance(301)
    await stage.lessons.housekeep()
    assert (await room.until("welcome"))["ice_servers"] == [server]
    await stage.close()


async def test_a_page_may_subscribe_before_its_socket_is_open_and_is_the_same_participant(stage: Stage) -> None:
    lesson = await stage.lesson()
    identity = f"{5:032x}"
    answered = await stage.post(lesson["whep_url"], lesson["classroom_token"], **{"Liveclass-Identity": identity})
    assert answered.status == 201
    room = await stage.enter(lesson["id"], lesson["classroom_token"], 5)
    (member,) = room.welcome["participants"]
    assert (member["id"], member["online"]) == (room.welcome["you"], True)
    session = session_of(stage, room.welcome["you"], "subscribe")
    assert re.search(r"/([^/]+)$", answered.headers["Location"])[1] == session  # type: ignore[index]
    # The page's media token and its link both end the session.
    assert (
        await stage.client.delete(answered.headers["Location"], headers=bearer(room.welcome["media_token"]))
    ).status == 200


async def opening(stage: Stage, ceiling: str) -> tuple[dict[str, Any], str]:
    """A page that still loads has subscribed; returns the lesson, and who it is."""
    lesson = await stage.lesson()
    headers = {"Liveclass-Identity": f"{5:032x}", "Liveclass-Ceiling": ceiling}
    answered = await stage.post(lesson["whep_url"], lesson["classroom_token"], **headers)
    assert answered.status == 201
    (session,) = stage.media.sessions.values()
    return lesson, session.person.participant


async def test_a_page_that_still_loads_is_sent_no_picture_until_it_says_so(stage: Stage) -> None:
    lesson, who = await opening(stage, "sound")
    assert stage.media.watching == [(lesson["id"], who, True, "sound")]
    room = await stage.enter(lesson["id"], lesson["classroom_token"], 5)
    await room.say("watch", live=True, ceiling="sound")
    await room.say("watch", live=True, ceiling="full")
    await room.say("ping", n=1)
    await room.until("pong")
    wishes = [ceiling for _, _, _, ceiling in stage.media.watching]
    assert wishes == ["sound", "full", "sound", "full"]


async def test_where_its_socket_never_comes_the_picture_does(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liveclass.server.whip.OPENING_S", 0.05)
    lesson, who = await opening(stage, "sound")
    await asyncio.sleep(0.2)
    assert stage.media.watching[1:] == [(lesson["id"], who, True, "full")]


async def test_what_a_page_said_itself_outlasts_its_opening(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liveclass.server.whip.OPENING_S", 0.2)
    lesson, _ = await opening(stage, "sound")
    room = await stage.enter(lesson["id"], lesson["classroom_token"], 5)
    await room.say("watch", live=True, ceiling="sound")
    await asyncio.sleep(0.4)
    assert stage.media.watching[-1][3] == "sound"


async def test_a_ceiling_that_is_none_is_refused_and_opens_nothing(stage: Stage) -> None:
    lesson = await stage.lesson()
    response = await stage.post(lesson["whep_url"], lesson["classroom_token"], **{"Liveclass-Ceiling": "best"})
    assert (response.status, (await response.json())["error"]["code"]) == (400, "ceiling_invalid")
    assert stage.media.sessions == {}


@pytest.mark.parametrize("identity", ["", "x", "A" * 32, "0" * 31, "0" * 33, "../" * 11])
async def test_an_identity_that_is_none_is_refused_and_opens_nothing(stage: Stage, identity: str) -> None:
    lesson = await stage.lesson()
    response = await stage.post(lesson["whep_url"], lesson["classroom_token"], **{"Liveclass-Identity": identity})
    assert (response.status, (await response.json())["error"]["code"]) == (400, "identity_invalid")
    assert stage.media.sessions == {}
    assert (await stage.show(lesson["id"]))["participants"] == []


async def test_an_identity_lends_its_role_to_no_other_link_and_does_not_publish(stage: Stage) -> None:
    lesson, _, room = await scene(stage)
    identity = {"Liveclass-Identity": f"{2:032x}"}
    teacher_too = await stage.post(lesson["whep_url"], lesson["teacher_token"], **identity)
    assert teacher_too.status == 201
    session = teacher_too.headers["Location"].rsplit("/", 1)[1]
    assert stage.media.sessions[session].person.participant != room.welcome["you"]
    # Publishing with the plain link means a program: what it may is unchanged by the header.
    assert (await stage.post(lesson["whip_url"], lesson["teacher_token"], OFFER, **identity)).status == 201
    names = [m["name"] for m in (await stage.show(lesson["id"]))["participants"]]
    assert len(names) == len(set(names)) == 4
