"""Timeline and report over HTTP."""

import gzip

from tests.server.stage import ADMIN_HEADERS, Stage, bearer


async def test_the_log_and_the_report_are_read_by_those_who_may(stage: Stage) -> None:
    lesson = await stage.lesson()
    teacher = await stage.enter(lesson["id"], lesson["teacher_token"], 1, "Li")
    room = await stage.enter(lesson["id"], lesson["classroom_token"], 2, "3-2")
    await stage.lessons.housekeep()
    await teacher.say("start_lesson")
    await room.say("set_heads", heads=41)
    await teacher.say("chat", text="你好")
    await teacher.until("happened")
    await room.settled()
    await teacher.settled()
    path = f"/api/timeline/{lesson['id']}"
    answer = await stage.client.get(path, headers=bearer(lesson["replay_token"]))
    assert answer.status == 200
    assert answer.content_type == "application/x-ndjson"
    lines = (await answer.text()).splitlines()
    assert [f'"seq":{n},' in line for n, line in enumerate(lines, 1)] == [True] * len(lines)
    assert sum("你好" in line for line in lines) == 1
    rest = await stage.client.get(f"{path}?after={len(lines) - 1}", headers=bearer(lesson["replay_token"]))
    assert (await rest.text()).splitlines() == lines[-1:]
    packed = await stage.client.get(
        path, headers={**bearer(lesson["replay_token"]), "Accept-Encoding": "gzip"}, auto_decompress=False
    )
    assert gzip.decompress(await packed.read()).decode().splitlines() == lines
    for token, status in (("classroom_token", 403), ("teacher_token", 200)):
        assert (await stage.client.get(path, headers=bearer(lesson[token]))).status == status
    for bad in ("-1", "x", "²", "9" * 13):
        assert (await stage.client.get(path, params={"after": bad}, headers=ADMIN_HEADERS)).status == 422

    url = f"/api/reports/{lesson['id']}"
    for token, status in (("classroom_token", 403), ("replay_token", 403), ("teacher_token", 200)):
        assert (await stage.client.get(url, headers=bearer(lesson[token]))).status == status
    report = await (await stage.client.get(url, headers=ADMIN_HEADERS)).json()
    assert [(one["name"], one["heads"]) for one in report["rooms"]] == [("3-2", 41)]
    table = await stage.client.get(f"{url}?format=csv", headers=ADMIN_HEADERS)
    assert table.content_type == "text/csv"
    assert "attachment" in table.headers["Content-Disposition"]
    assert (await table.text()).count("\r\n") == 2


async def test_a_lesson_without_events_has_an_empty_log(stage: Stage) -> None:
    lesson = await stage.lesson()
    answer = await stage.client.get(f"/api/timeline/{lesson['id']}", headers=bearer(lesson["teacher_token"]))
    assert (answer.status, await answer.text()) == (200, "")
    report = await (await stage.client.get(f"/api/reports/{lesson['id']}", headers=ADMIN_HEADERS)).json()
    assert report["rooms"] == []
