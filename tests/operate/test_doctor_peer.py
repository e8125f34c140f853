"""The doctor in a school: it asks a server far away for its TURN servers, and then those."""

import pytest

from liveclass.operate import doctor_media, doctor_peer
from liveclass.operate.doctor_peer import Peer, check_peer_turn, read_peer
from tests.operate.fakes import Answer, http_server
from tests.operate.test_doctor_media import SERVER, turn_port

TOKEN = "a-classroom-links-token"  # noqa: S105


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_media, "UDP_WAIT_S", 0.1)
    monkeypatch.setattr(doctor_peer, "_addresses", lambda _: (SERVER,))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("https://a.org", Peer("https://a.org")),
        (f"https://a.org:8443/class/x_1#{TOKEN}", Peer("https://a.org:8443", "x_1", TOKEN)),
        (f"https://a.org/teach/x/#{TOKEN}", Peer("https://a.org", "x", TOKEN)),
        (f"https://a.org/replay/x#{TOKEN}", Peer("https://a.org/replay/x")),
        ("https://a.org/class/x#short", Peer("https://a.org/class/x")),
        (f"https://a.org/class/x/y#{TOKEN}", Peer("https://a.org/class/x/y")),
    ],
)
def test_a_link_names_server_lesson_and_token(text: str, read: Peer) -> None:
    assert read_peer(text) == read


def test_without_a_link_it_says_that_nothing_was_tested_and_asks_nobody() -> None:
    (found,) = check_peer_turn(Peer("http://127.0.0.1:1"))
    assert (found.level, "not tested" in found.message, "link" in found.advice) == ("warn", True, True)


def told(*servers: object) -> Answer:
    return Answer(200, {"ice_servers": list(servers)})


def test_each_server_is_asked_with_the_credentials_that_a_page_gets() -> None:
    with turn_port() as good, turn_port(401) as refusing:
        servers = [
            {"urls": [f"turn:127.0.0.1:{good}", "https://no.turn"], "username": "1:a", "credential": "c"},
            {"urls": [f"turn:127.0.0.1:{refusing}"]},
        ]
        with http_server(lambda _: told(*servers)) as server:
            found = list(check_peer_turn(Peer(server.url, "x", TOKEN)))
    assert [(one.check, one.level) for one in found] == [("peer's TURN", level) for level in ("ok", "fail", "fail")]
    (asked,) = server.seen
    assert (asked.path, asked.headers["authorization"]) == ("/api/ice/x", f"Bearer {TOKEN}")


def test_a_server_that_a_schools_network_blocks_is_told_from_one_that_is_down() -> None:
    with turn_port() as closed:
        pass
    with http_server(lambda _: told({"urls": [f"turn:127.0.0.1:{closed}"]})) as server:
        (found,) = check_peer_turn(Peer(server.url, "x", TOKEN))
    assert found.level == "fail"
    assert "this network blocks it" in found.advice


def test_a_server_without_turn_is_no_fault() -> None:
    with http_server(lambda _: told()) as server:
        assert [one.level for one in check_peer_turn(Peer(server.url, "x", TOKEN))] == ["ok"]


@pytest.mark.parametrize(
    "answer", [Answer(401), Answer(404), Answer(200, []), Answer(200, {}), Answer(200, {"ice_servers": [1]})]
)
def test_a_link_that_is_dead_or_an_answer_that_is_none_of_ours_is_a_fault_with_advice(answer: Answer) -> None:
    with http_server(lambda _: answer) as server:
        (found,) = check_peer_turn(Peer(server.url, "x", TOKEN))
    assert (found.level, bool(found.advice)) == ("fail", True)
