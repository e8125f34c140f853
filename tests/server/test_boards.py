"""The blackboard over real sockets: everyone sees the same, newcomers too, and a restart forgets nothing."""

from pathlib import Path
from typing import Any

from tests.server.stage import Page, Stage, build


def draw(id: str, page: str = "b.1") -> dict[str, Any]:
    return {"id": id, "page": page, "tool": "pen", "color": "#1e2a2f", "width": 30, "points": [5, 5, 50]}


async def people(stage: Stage) -> tuple[dict[str, Any], Page, Page, Page]:
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1, "Li")
    rooms = [await stage.enter(lesson["id"], lesson["classroom_token"], n, f"3-{n}") for n in (2, 3)]
    await teacher.say("start_lesson")
    for page in (teacher, *rooms):
        await page.until("lesson_changed")
        await page.settled()
    return lesson, teacher, rooms[0], rooms[1]


async def test_every_page_hears_of_an_event_and_a_newcomer_finds_it(stage: Stage) -> None:
    lesson, teacher, room, _ = await people(stage)
    await teacher.say("show", stage="page", page="b.1")
    await teacher.say("draw", **draw("stroke01"))
    await teacher.say("draw_more", id="stroke01", points=[10, 10, 0], done=True)
    heard = [await room.until("happened") for _ in range(3)]
    assert [one["event"]["type"] for one in heard] == ["stage_shown", "stroke_begun", "stroke_grew"]
    assert {one["by"] for one in heard} == {teacher.welcome["you"]}
    late = await stage.enter(lesson["id"], lesson["classroom_token"], 9)
    assert late.board["seq"] == heard[-1]["seq"]
    assert late.board["stage"]["page"] == "b.1"
    assert late.board["strokes"][0]["points"] == [5, 5, 50, 10, 10, 0]
    await late.say("get_page", page="b.1")
    assert (await late.until("page"))["strokes"] == late.board["strokes"]


async def test_a_bad_order_is_answered_to_its_sender_alone(stage: Stage) -> None:
    _, teacher, room, other = await people(stage)
    await room.say("draw", **draw("stroke01"))
    assert (await room.until("error"))["code"] == "drawing_not_allowed"
    await teacher.say("show", stage="page", page="b.7")
    assert (await teacher.until("error"))["code"] == "page_unknown"
    assert await other.settled() == []


async def test_a_classroom_draws_while_it_is_let(stage: Stage) -> None:
    _, teacher, room, other = await people(stage)
    await teacher.say("let_draw", participant=room.welcome["you"], may=True)
    await room.until("happened")
    await room.say("draw", **draw("stroke01"))
    assert (await other.until("happened", by=room.welcome["you"]))["event"]["id"] == "stroke01"
    await teacher.say("let_draw", participant=room.welcome["you"], may=False)
    await room.until("happened", by=teacher.welcome["you"])
    await room.say("draw_more", id="stroke01", points=[1, 1, 1])
    assert (await room.until("error"))["code"] == "drawing_not_allowed"


async def test_a_co_volunteer_may_what_its_row_says(stage: Stage) -> None:
    lesson, teacher, room, _ = await people(stage)
    await stage.post(lesson["whip_url"], teacher.welcome["media_token"])
    second = await stage.enter(lesson["id"], lesson["teacher_token"], 8, "Wang")
    await second.say("show", stage="page", page="b.1")
    assert (await second.until("error"))["code"] == "lead_only"
    await second.say("chat", text="I see a hand in 3-2")
    assert (await room.until("happened"))["event"]["name"] == "Wang"
    await teacher.socket.close()
    for session, record in list(stage.media.sessions.items()):
        stage.lessons.media_closed(lesson["id"], record.person.participant, session, "publish", "timeout")
    await second.until("participant_changed")
    await second.settled()
    await second.say("show", stage="page", page="b.1")
    assert (await second.until("happened"))["event"]["type"] == "stage_shown"


async def test_a_restart_brings_the_board_back_and_notes_who_was_cut_off(tmp_path: Path) -> None:
    before = await build(tmp_path)
    lesson, teacher, room, _ = await people(before)
    await before.lessons.housekeep()
    await teacher.say("show", stage="page", page="b.1")
    await teacher.say("draw", **draw("stroke01"))
    await room.say("hand", up=True)
    await room.until("happened", by=room.welcome["you"])
    log = tmp_path / "timelines" / f"{lesson['id']}.jsonl"
    # As after `kill -9`: nothing but what is on the disk.
    kept = log.read_bytes()
    await before.close()
    log.write_bytes(kept)
    after = await build(tmp_path)
    again = await after.enter(lesson["id"], lesson["teacher_token"], 1)
    assert [one["id"] for one in again.board["strokes"]] == ["stroke01"]
    assert [one["participant"] for one in again.board["hands"]] == [room.welcome["you"]]
    await after.lessons.housekeep()
    await again.settled()
    text = log.read_text()
    assert text.count('"type":"left"') == 3
    await after.close()


async def test_the_log_tells_who_came_was_called_and_left(stage: Stage, tmp_path: Path) -> None:
    lesson, teacher, room, _ = await people(stage)
    await stage.lessons.housekeep()
    await teacher.say("call", participant=room.welcome["you"])
    await teacher.settled()
    await stage.lessons.housekeep()
    await room.socket.close()
    await teacher.about(room.welcome["you"])
    stage.clock.advance(10)
    await stage.lessons.housekeep()
    await teacher.say("end_lesson")
    await teacher.until("lesson_changed")
    await teacher.say("ping", n=1)
    await teacher.until("pong")
    await stage.lessons.close()
    kinds = [
        line.split('"event":{"type":"')[1].split('"')[0]
        for line in (tmp_path / "timelines" / f"{lesson['id']}.jsonl").read_text().splitlines()
    ]
    assert kinds.count("joined") == 3
    for kind in ("lesson_started", "called", "left", "lesson_ended"):
        assert kind in kinds
    assert kinds.index("lesson_started") < kinds.index("called") < kinds.index("left") < kinds.index("lesson_ended")


async def test_thumbnails_go_from_the_rooms_on_the_screen_to_who_looks(stage: Stage) -> None:
    _, teacher, room, other = await people(stage)
    await teacher.say("thumbnails", of=[room.welcome["you"]])
    await teacher.settled()
    await stage.lessons.housekeep()
    assert (await room.until("thumbnail_wanted"))["every_s"] >= 2
    await room.say("thumbnail", data="UklGRg==")
    assert await teacher.until("thumbnail_of") == {
        "type": "thumbnail_of",
        "participant": room.welcome["you"],
        "data": "UklGRg==",
    }
    await room.say("thumbnail", data="UklGRg==")
    await other.say("thumbnail", data="UklGRg==")
    await room.settled()
    await other.settled()
    assert await teacher.settled() == []
    await teacher.say("thumbnails", of=[])
    await teacher.settled()
    assert (await room.until("thumbnail_wanted"))["every_s"] == 0


async def test_a_room_that_opened_nothing_is_not_asked_and_other_rooms_hear_no_thumbnail(stage: Stage) -> None:
    _, teacher, room, other = await people(stage)
    await teacher.say("thumbnails", of=[room.welcome["you"]])
    await teacher.settled()
    await stage.lessons.housekeep()
    await room.until("thumbnail_wanted")
    await room.say("thumbnail", data="UklGRg==")
    await teacher.until("thumbnail_of")
    assert await other.settled() == []
    await other.say("thumbnails", of=[])
    assert (await other.until("error"))["code"] == "teachers_only"


async def test_reading_a_page_costs_a_rate_too(stage: Stage) -> None:
    _, _, room, _ = await people(stage)
    for _ in range(200):
        await room.say("get_page", page="b.1")
    assert await room.closed() == 1008
