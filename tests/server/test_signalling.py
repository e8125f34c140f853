"""The signalling socket: who may open it, what its messages do, and that nobody's mistake is another's trouble."""

import asyncio
import resource
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import WSServerHandshakeError

from liveclass.lesson.protocol import ClientMessage
from liveclass.recording.model import RecordingStatus
from liveclass.relay.ports import SlotView
from liveclass.server import signalling
from tests.server.stage import Clock, Page, Stage, build, participants


async def test_a_page_is_welcomed_with_everything_it_needs(stage: Stage) -> None:
    lesson = await stage.lesson()
    page = await stage.enter(lesson["id"], lesson["classroom_token"], 1)
    welcome = page.welcome
    assert welcome["role"] == "classroom"
    assert welcome["lesson"]["state"] == "waiting"
    assert welcome["lesson"]["title"] == "分数"
    assert welcome["server_time_ms"] == int(stage.clock.wall_s * 1000)
    assert welcome["whip_url"] == f"/whip/{lesson['id']}"
    assert welcome["replay_url"] == ""
    me = participants(welcome["participants"])[welcome["you"]]
    assert me["name"] == "教室 1"
    assert me["online"] is True


async def test_the_identity_of_a_page_never_reaches_another(stage: Stage) -> None:
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    await stage.enter(lesson["id"], lesson["classroom_token"], 0xABCDEF)
    joined = await teacher.until("participant_changed")
    assert f"{0xABCDEF:032x}" not in str(joined)


async def test_a_teacher_gets_a_replay_link_that_opens_the_replay(stage: Stage) -> None:
    lesson = await stage.lesson()
    page = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    path, _, token = page.welcome["replay_url"].partition("#")
    assert path == f"/replay/{lesson['id']}"
    url = f"/api/replays/{lesson['id']}"
    assert (await stage.client.get(url, headers={"Authorization": f"Bearer {token}"})).status == 200
    # ... and nothing else.
    assert (await stage.post(lesson["whep_url"], token)).status == 403


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("classroom_token_of_another", "token_invalid"),
        ("replay_token", "wrong_role"),
        ("x" * 22, "token_invalid"),
        ("m1.eyJhbGciOiJub25lIn0.AAAA", "token_invalid"),
    ],
)
async def test_a_token_that_does_not_fit_is_refused_with_a_stable_code(stage: Stage, token: str, code: str) -> None:
    lesson, other = await stage.lesson(), await stage.lesson()
    value = {"classroom_token_of_another": other["classroom_token"], "replay_token": lesson["replay_token"]}
    page = Page(await stage.socket(lesson["id"]))
    await page.say("hello", token=value.get(token, token), identity="0" * 32)
    refused = await page.next()
    assert (refused["type"], refused["code"], refused["fatal"]) == ("error", code, True)
    assert await page.closed() == 1008


async def test_a_media_token_does_not_open_the_socket(stage: Stage) -> None:
    lesson = await stage.lesson()
    page = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    thief = Page(await stage.socket(lesson["id"]))
    await thief.say("hello", token=page.welcome["media_token"], identity="2" * 32)
    assert (await thief.next())["code"] == "wrong_role"


async def test_an_unknown_lesson_is_named_as_such(stage: Stage) -> None:
    page = Page(await stage.socket("nosuchlesson"))
    await page.say("hello", token="x" * 22, identity="0" * 32)
    assert (await page.next())["code"] == "lesson_unknown"
    assert await page.closed() == 1008


async def test_a_ping_that_comes_with_the_hello_is_answered_after_the_welcome(stage: Stage) -> None:
    """And one that waits while everything is told anew: a page must not take its socket for dead."""
    lesson = await stage.lesson()
    page = Page(await stage.socket(lesson["id"]))
    await page.say("hello", token=lesson["classroom_token"], identity="0" * 32)
    await page.say("ping", n=1)
    assert (await page.next())["type"] == "welcome"
    await page.until("pong", n=1)


@pytest.mark.parametrize(
    "first",
    ['{"type":"ping"}', "{", "[]", '{"type":"hello"}', '{"type":"hello","token":"' + "x" * 22 + '","identity":"ZZ"}'],
)
async def test_whoever_does_not_say_hello_first_is_sent_away(stage: Stage, first: str) -> None:
    lesson = await stage.lesson()
    page = Page(await stage.socket(lesson["id"]))
    await page.socket.send_str(first)
    refused = await page.next()
    assert refused["code"] in ("hello_expected", "message_invalid")
    assert refused["fatal"] is True
    assert await page.closed() == 1008


async def test_a_page_of_another_version_is_told_to_load_anew(stage: Stage) -> None:
    lesson = await stage.lesson()
    page = Page(await stage.socket(lesson["id"]))
    await page.say("hello", token=lesson["teacher_token"], identity="0" * 32, version=99)
    assert (await page.next())["code"] == "version"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "file://"])
async def test_a_page_of_a_foreign_origin_is_refused_whatever_cookie_it_brings(stage: Stage, origin: str) -> None:
    lesson = await stage.lesson()
    with pytest.raises(WSServerHandshakeError) as refused:
        await stage.socket(lesson["id"], origin=origin, headers={"Cookie": "session=1"})
    assert refused.value.status == 403
    assert stage.lessons.page_count == 0


async def test_pages_of_our_own_and_of_listed_origins_may_connect(tmp_path: Path) -> None:
    stage = await build(tmp_path, allowed_origins="https://school.example, https://other.example:8443")
    lesson = await stage.lesson()
    own = f"http://127.0.0.1:{stage.client.port}"
    for origin in (own, "https://school.example", "https://other.example:8443"):
        socket = await stage.socket(lesson["id"], origin=origin)
        await socket.close()
    await stage.close()


async def test_a_second_socket_of_the_same_page_replaces_the_first(stage: Stage) -> None:
    lesson = await stage.lesson()
    first = await stage.enter(lesson["id"], lesson["teacher_token"], 7)
    second = await stage.enter(lesson["id"], lesson["teacher_token"], 7)
    assert await first.closed() == 4001
    assert second.welcome["you"] == first.welcome["you"]
    assert len(second.welcome["participants"]) == 1
    await second.say("ping", n=3)
    assert (await second.until("pong"))["n"] == 3
    shown = await stage.show(lesson["id"])
    assert shown["participants"][0]["online"] is True


async def test_a_page_that_comes_back_is_the_same_participant_with_its_call_and_mute(stage: Stage) -> None:
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    room = await stage.enter(lesson["id"], lesson["classroom_token"], 2, "三年级二班")
    await teacher.say("start_lesson")
    await teacher.say("call", participant=room.welcome["you"])
    await teacher.say("mute", participant=room.welcome["you"], muted=True)
    await teacher.settled()
    await room.socket.close()
    gone = await teacher.about(room.welcome["you"])
    assert (gone["online"], gone["called"], gone["muted"]) == (False, True, True)
    again = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
    me = participants(again.welcome["participants"])[room.welcome["you"]]
    assert (me["name"], me["called"], me["muted"], me["online"]) == ("三年级二班", True, True, True)
    assert len(again.welcome["participants"]) == 2


async def test_media_goes_on_while_the_socket_is_away_and_nobody_appears_twice(stage: Stage) -> None:
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    await teacher.say("start_lesson")
    await teacher.until("lesson_changed")
    assert (await stage.post(lesson["whip_url"], teacher.welcome["media_token"])).status == 201
    session = next(iter(stage.media.sessions))
    await teacher.socket.close()
    stage.clock.advance(20)
    assert session in stage.media.sessions
    again = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    assert len(again.welcome["participants"]) == 1
    assert session in stage.media.sessions


async def test_a_page_that_comes_back_learns_again_what_its_slots_carry(stage: Stage) -> None:
    lesson = await stage.lesson()
    room = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
    assert (await stage.post(lesson["whep_url"], room.welcome["media_token"])).status == 201
    session = next(iter(stage.media.sessions))
    stage.lessons.slots_changed(lesson["id"], room.welcome["you"], session, [SlotView("0", "t", "microphone")])
    assert (await room.until("slots_changed"))["slots"] == [{"mid": "0", "participant": "t", "kind": "microphone"}]
    await room.socket.close()
    again = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
    assert (await again.until("slots_changed"))["session"] == session


MALFORMED: dict[str, list[dict[str, Any]]] = {
    "hello": [{"token": 1}, {"identity": "x"}],
    "rename": [{}, {"name": ""}, {"name": "x" * 81}, {"name": {"a": 1}}, {"name": "\u0000\u200b"}],
    "start_lesson": [{}],
    "end_lesson": [{}],
    "set_devices": [{}, {"devices": []}, {"devices": {"camera": "yes"}}],
    "call": [{}, {"participant": ""}, {"participant": "../../etc"}, {"participant": "nobody"}],
    "end_call": [{}, {"participant": 5}, {"participant": "nobody"}],
    "mute": [{}, {"participant": "a"}, {"participant": "a", "muted": 2}],
    "report": [
        {},
        {"receiving": {"sound": "loud"}},
        {"receiving": {"delay_ms": -1}},
        {"receiving": {"loss_percent": 1e400}},
    ],
    "watch": [{"live": "yes"}, {"ceiling": "best"}, {"ceiling": ""}],
    "jump_to_live": [{}, {"participant": ""}, {"participant": "nobody"}],
    "show": [{}, {"stage": "sky"}, {"stage": "page", "page": "../x.1"}, {"stage": "page", "page": "b.99999"}],
    "draw": [
        {},
        {"id": "abcdefgh", "page": "b.1", "tool": "axe", "color": "#000000", "width": 20, "points": [1, 2, 3]},
        {"id": "abcdefgh", "page": "b.1", "tool": "pen", "color": "red", "width": 20, "points": [1, 2, 3]},
        {"id": "abcdefgh", "page": "b.1", "tool": "pen", "color": "#000000", "width": 20, "points": [1, 2, 99999]},
        {"id": "abcdefgh", "page": "b.1", "tool": "pen", "color": "#000000", "width": 20, "points": [0] * 800},
        {"id": "a b", "page": "b.1", "tool": "pen", "color": "#000000", "width": 20, "points": [1, 2, 3]},
    ],
    "draw_more": [{}, {"id": "abcdefgh", "points": "many"}, {"id": "abcdefgh", "points": [1.5, 2, 3]}],
    "erase": [{}, {"page": "b.1", "ids": []}, {"page": "b.1", "ids": ["abcdefgh"] * 101}],
    "undo": [{}, {"page": ""}],
    "redo": [{}, {"page": "b"}],
    "clear": [{}, {"page": "b.0"}],
    "point": [{"x": "left"}, {"y": 1_000_000}],
    "get_page": [{}, {"page": "b.1\n"}],
    "play": [{}, {"material": "song12", "playing": True, "position_ms": -1}],
    "set_mode": [{}, {"mode": "shout"}],
    "set_heads": [{}, {"heads": -1}, {"heads": 5000}],
    "hand": [{}, {"up": "yes"}],
    "sign": [{}, {"sign": "bored"}],
    "lower_hand": [{}, {"participant": ""}],
    "pick": [{}],
    "set_timer": [{}, {"seconds": 100_000}],
    "open_poll": [{}, {"question": "?", "choices": ["one"]}, {"question": "?", "choices": ["x" * 121, ""]}],
    "answer": [{}, {"poll": "p1", "counts": [-1, 2]}, {"poll": "p1", "counts": [1, 2]}],
    "close_poll": [{}, {"poll": "x"}],
    "reveal": [{}, {"poll": "p1", "right": 9}],
    "chat": [{}, {"text": ""}, {"text": "x" * 501}],
    "mark": [{"text": "x" * 81}, {"text": "only a teacher marks"}],
    "let_draw": [{}, {"participant": "a"}],
    "thumbnails": [{}, {"of": ["a"] * 31}],
    "thumbnail": [{}, {"data": "<svg>"}, {"data": "A" * 12_004}],
    "materials_ready": [{}, {"material": "deck12", "have": -1, "total": 2}],
    "ping": [{"n": -1}, {"n": 2**60}, {"n": "a"}],
}


def test_every_message_type_has_malformed_examples() -> None:
    tags = {shape.__struct_config__.tag for shape in ClientMessage.__args__}
    assert set(MALFORMED) == tags


@pytest.mark.parametrize("kind", sorted(MALFORMED))
async def test_a_malformed_message_is_answered_to_its_sender_alone(stage: Stage, kind: str) -> None:
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    pupil = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
    other = await stage.enter(lesson["id"], lesson["classroom_token"], 3)
    for page in (teacher, pupil, other):
        await page.settled()
    for fields in MALFORMED[kind]:
        await pupil.socket.send_str(msgspec.json.encode({"type": kind, **fields}).decode().replace("null", "1e999"))
        answer = await pupil.next()
        assert answer["type"] == "error", (fields, answer)
        assert answer.get("fatal", False) is False
    assert await pupil.settled() == []
    assert await teacher.settled() == []
    assert await other.settled() == []


@pytest.mark.parametrize(
    "raw", ["", "null", "7", '"x"', "[" * 5000, "{}", '{"type":"nonsense"}', '{"type":1}', '\ud83d{"']
)
async def test_what_is_no_message_at_all_is_answered_too(stage: Stage, raw: str) -> None:
    lesson = await stage.lesson()
    page = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
    await page.socket.send_bytes(raw.encode("utf-8", "replace"))
    assert (await page.next())["code"] == "message_invalid"
    await page.socket.send_str(raw.encode("utf-8", "replace").decode())
    assert (await page.next())["code"] == "message_invalid"
    assert await page.settled() == []


async def test_only_teachers_start_call_mute_and_end(stage: Stage) -> None:
    lesson = await stage.lesson()
    room = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
    me = room.welcome["you"]
    for kind, fields in (
        ("start_lesson", {}),
        ("end_lesson", {}),
        ("call", {"participant": me}),
        ("mute", {"participant": me, "muted": True}),
        ("jump_to_live", {"participant": me}),
    ):
        await room.say(kind, **fields)
        assert (await room.next())["code"] == "teachers_only"
    assert (await stage.show(lesson["id"]))["state"] == "waiting"


def write_raw(page: Page, frame: bytes) -> None:
    """Bytes past the client's own framing."""
    connection = page.socket._response.connection
    assert connection is not None
    assert connection.transport is not None
    connection.transport.write(frame)


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()


async def test_a_message_of_a_megabyte_closes_the_socket_and_keeps_no_memory(stage: Stage) -> None:
    lesson = await stage.lesson()
    before = _resident_bytes()
    for number in range(20):
        page = await stage.enter(lesson["id"], lesson["classroom_token"], number)
        await page.socket.send_str("x" * 1_000_000)
        assert await page.closed() == 1009
    assert _resident_bytes() - before < 10 * 1024 * 1024


async def test_a_compressed_frame_is_refused_as_compression_was_never_agreed(stage: Stage) -> None:
    lesson = await stage.lesson()
    socket = await stage.socket(lesson["id"], compress=15)
    assert not socket.compress
    page = Page(socket)
    await page.say("hello", token=lesson["classroom_token"], identity="1" * 32)
    await page.next()
    # A text frame with the bit of permessage-deflate (RFC 7692 section 6) that would swell to 100 MB.
    write_raw(page, bytes([0xC1, 0x80 | 10]) + b"\0\0\0\0" + b"\x78" * 10)
    assert await page.closed() in (1002, 1006)


async def test_a_flood_of_tiny_frames_is_closed_after_three_strikes(stage: Stage) -> None:
    lesson = await stage.lesson()
    before = _resident_bytes()
    page = await stage.enter(lesson["id"], lesson["classroom_token"], 1)

    async def flood() -> int:
        for sent in range(100_000):
            try:
                await page.socket.send_str("{}")
            except ConnectionError:
                return sent
        return 100_000

    flooding = asyncio.create_task(flood())
    assert await page.closed() == 1008
    flooding.cancel()
    assert _resident_bytes() - before < 10 * 1024 * 1024
    assert stage.lessons.page_count == 0


async def test_a_flood_of_pings_counts_like_messages(stage: Stage) -> None:
    lesson = await stage.lesson()
    page = await stage.enter(lesson["id"], lesson["classroom_token"], 1)
    for _ in range(100):
        await page.socket.ping()
    assert await page.closed() == 1008


async def test_half_a_frame_and_then_silence_ends_in_a_closed_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signalling, "HEARTBEAT_S", 0.1)
    stage = await build(tmp_path)
    lesson = await stage.lesson()
    page = await stage.enter(lesson["id"], lesson["classroom_token"], 1)
    write_raw(page, bytes([0x81, 0x80 | 100]) + b"\0\0\0\0half")
    await stage.gone()
    await stage.close()


async def test_a_page_that_does_no_more_than_answer_pings_stays(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signalling, "HEARTBEAT_S", 0.2)
    lesson = await stage.lesson()
    page = await stage.enter(lesson["id"], lesson["classroom_token"], 1)
    # Whoever reads answers.
    reading = asyncio.create_task(page.closed())
    await asyncio.sleep(1)
    assert (reading.done(), stage.lessons.page_count) == (False, 1)
    # One that can be reached and answers nothing is told why it has to go.
    page.socket._autoping = False
    assert await reading == 1013
    assert stage.lessons.page_count == 0


async def test_a_socket_that_says_nothing_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signalling, "HELLO_S", 0.05)
    stage = await build(tmp_path)
    lesson = await stage.lesson()
    page = Page(await stage.socket(lesson["id"]))
    assert (await page.next())["code"] == "hello_timeout"
    assert await page.closed() == 1008
    await stage.close()


async def test_a_handler_that_breaks_closes_only_the_socket_of_its_sender(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    pupil = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
    handle = stage.lessons.handle

    def breaks(held: Any, who: str, message: Any) -> None:
        if who == pupil.welcome["you"]:
            raise ZeroDivisionError
        handle(held, who, message)

    monkeypatch.setattr(stage.lessons, "handle", breaks)
    await pupil.say("ping")
    assert await pupil.closed() == 1011
    await teacher.settled()


async def test_too_many_sockets_are_refused_with_a_time_to_come_back(tmp_path: Path) -> None:
    stage = await build(tmp_path, max_sessions=2)
    lesson = await stage.lesson()
    for number in (1, 2):
        await stage.enter(lesson["id"], lesson["classroom_token"], number)
    with pytest.raises(WSServerHandshakeError) as refused:
        await stage.socket(lesson["id"])
    assert refused.value.status == 503
    assert refused.value.headers is not None
    assert int(refused.value.headers["Retry-After"]) > 0
    await stage.close()


async def test_a_full_lesson_says_so(tmp_path: Path) -> None:
    stage = await build(tmp_path, max_participants=1)
    lesson = await stage.lesson()
    await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    page = Page(await stage.socket(lesson["id"]))
    await page.say("hello", token=lesson["classroom_token"], identity="5" * 32)
    assert (await page.next())["code"] == "lesson_full"
    await stage.close()


async def test_the_server_says_goodbye_with_1012_when_it_restarts(stage: Stage) -> None:
    lesson = await stage.lesson()
    page = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    closing = asyncio.create_task(stage.lessons.close())
    assert await page.closed() == 1012
    await closing


async def test_calls_mutes_and_the_live_state_survive_a_restart_of_the_server(tmp_path: Path) -> None:
    clock = Clock()
    stage = await build(tmp_path, clock=clock)
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1, "小李")
    room = await stage.enter(lesson["id"], lesson["classroom_token"], 2, "3-2")
    await teacher.say("start_lesson")
    await teacher.say("call", participant=room.welcome["you"])
    await teacher.say("mute", participant=room.welcome["you"], muted=True)
    await teacher.settled()
    await stage.close()

    clock.advance(30)
    stage = await build(tmp_path, clock=clock)
    assert stage.recordings.begun == [lesson["id"]]
    assert [known for known, _ in stage.media.sinks] == [lesson["id"]]
    room_again = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
    assert room_again.welcome["lesson"]["state"] == "live"
    everyone = participants(room_again.welcome["participants"])
    me = everyone[room.welcome["you"]]
    assert (me["called"], me["muted"], me["name"]) == (True, True, "3-2")
    assert everyone[teacher.welcome["you"]]["online"] is False
    # Media needs no socket: the token of before is good, and the mute holds at the relay.
    assert (await stage.post(lesson["whip_url"], room.welcome["media_token"])).status == 201
    assert stage.media.muted[lesson["id"], room.welcome["you"]] is True
    await stage.close()


async def test_a_call_is_lost_when_its_classroom_stays_away(stage: Stage) -> None:
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    room = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
    await teacher.say("start_lesson")
    await teacher.say("call", participant=room.welcome["you"])
    await teacher.settled()
    await room.socket.close()
    await teacher.about(room.welcome["you"])
    stage.clock.advance(stage.settings.call_grace_s - 1)
    await stage.lessons.housekeep()
    assert await teacher.settled() == []
    stage.clock.advance(2)
    await stage.lessons.housekeep()
    assert (await teacher.about(room.welcome["you"]))["called"] is False


async def test_a_page_open_for_half_a_day_gets_a_fresh_token(stage: Stage) -> None:
    lesson = await stage.lesson()
    page = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
    stage.clock.advance(12 * 3600 + 1)
    await stage.lessons.housekeep()
    fresh = await page.until("welcome")
    assert fresh["media_token"] != page.welcome["media_token"]


async def test_the_recorder_s_trouble_reaches_every_page_in_a_word(stage: Stage) -> None:
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    await teacher.say("start_lesson")
    assert (await teacher.until("recording_changed"))["recording"]["state"] == "recording"
    # As from the recorder's own thread.
    await asyncio.to_thread(
        stage.lessons.recording_changed, lesson["id"], RecordingStatus("paused", 3.0, 10, "disk_full")
    )
    told = await teacher.until("recording_changed")
    assert told["recording"] == {"state": "paused", "classrooms": False, "problem": "disk_full", "enabled": True}


async def test_a_lesson_whose_recording_cannot_begin_is_taught_all_the_same(stage: Stage) -> None:
    stage.recordings.broken = True
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    await teacher.say("start_lesson")
    assert (await teacher.until("recording_changed"))["recording"]["problem"] == "disk_error"
    assert (await stage.show(lesson["id"]))["state"] == "live"


async def test_no_more_lessons_go_live_than_set_and_none_while_draining(tmp_path: Path) -> None:
    stage = await build(tmp_path, max_lessons_live=1)
    one, two = await stage.lesson(), await stage.lesson()
    first = await stage.enter(one["id"], one["teacher_token"], 1)
    await first.say("start_lesson")
    await first.until("lesson_changed")
    second = await stage.enter(two["id"], two["teacher_token"], 1)
    await second.say("start_lesson")
    assert (await second.until("error"))["code"] == "too_many_lessons"
    await first.say("end_lesson")
    await first.until("lesson_changed")
    stage.lessons.drain()
    await second.say("start_lesson")
    assert (await second.until("error"))["code"] == "draining"
    assert (await stage.client.get("/readyz")).status == 503
    await stage.close()


async def test_a_withdrawn_link_closes_its_pages_and_their_media_within_the_call(stage: Stage) -> None:
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    room = await stage.enter(lesson["id"], lesson["classroom_token"], 2)
    assert (await stage.post(lesson["whep_url"], room.welcome["media_token"])).status == 201
    response = await stage.client.post(
        f"/api/lessons/{lesson['id']}/links/classroom/rotate",
        headers={"Authorization": "Bearer an-admin-token-for-tests-only"},
    )
    assert response.status == 200
    assert (await room.until("error"))["code"] == "token_revoked"
    assert await room.closed() == 1008
    assert stage.media.sessions == {}
    for token in (lesson["classroom_token"], room.welcome["media_token"]):
        assert (await stage.post(lesson["whep_url"], token)).status == 401
    fresh = (await response.json())["token"]
    await stage.enter(lesson["id"], fresh, 2)
    await teacher.say("ping")
    await teacher.until("pong")


async def test_a_lesson_that_nobody_uses_leaves_memory_and_keeps_what_it_knew(stage: Stage) -> None:
    lesson = await stage.lesson()
    page = await stage.enter(lesson["id"], lesson["classroom_token"], 2, "三年级")
    stage.clock.advance(3600)
    await stage.lessons.housekeep()
    assert stage.lessons.loaded(lesson["id"]) is not None
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1)
    await page.socket.close()
    await teacher.about(page.welcome["you"])
    await teacher.socket.close()
    await stage.gone()
    for seconds in (2, 58, 2):
        stage.clock.advance(seconds)
        await stage.lessons.housekeep()
    assert stage.lessons.loaded(lesson["id"]) is None
    again = await stage.enter(lesson["id"], lesson["classroom_token"], 3)
    assert {p["name"] for p in again.welcome["participants"]} == {"三年级", "老师", "教室 1"}
