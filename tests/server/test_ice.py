"""TURN servers are named to whoever has a link to teach or to watch, with credentials of their own, and in no cache."""

from pathlib import Path

from liveclass.lesson.messages import IceServer
from tests.server.stage import bearer, build


async def test_a_link_is_told_the_turn_servers_as_its_page_would_be(tmp_path: Path) -> None:
    asked: list[str] = []

    def servers(who: str) -> list[IceServer]:
        asked.append(who)
        return [IceServer(["turn:turn.example.org"], f"{len(asked)}:x", "c")]

    stage = await build(tmp_path, ice_servers=servers)
    links = await stage.lesson()
    for number in (1, 2):
        answer = await stage.client.get(f"/api/ice/{links['id']}", headers=bearer(links["classroom_token"]))
        (server,) = (await answer.json())["ice_servers"]
        assert server == {"urls": ["turn:turn.example.org"], "username": f"{number}:x", "credential": "c"}
        assert "no-store" in answer.headers["Cache-Control"]
    assert asked == ["", ""], "it stands for no participant"
    await stage.close()


async def test_a_server_without_turn_names_none(tmp_path: Path) -> None:
    stage = await build(tmp_path)
    links = await stage.lesson()
    answer = await stage.client.get(f"/api/ice/{links['id']}", headers=bearer(links["teacher_token"]))
    assert (answer.status, await answer.json()) == (200, {"ice_servers": []})
    await stage.close()
