"""The API's client: JSON both ways, errors in words, the token to nobody else."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from liveclass.config import Settings
from liveclass.errors import UsageError
from liveclass.operate.certificates import ssl_context
from liveclass.operate.client import Client, Refused, Unreachable, local_url
from tests.operate.fakes import Answer, FakeServer, Seen, http_server


def echo(request: Seen) -> Answer:
    return Answer(201, {"method": request.method, "path": request.path, "body": request.body.decode()})


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with http_server(echo) as running:
        yield running


def test_a_request_carries_token_and_json(server: FakeServer) -> None:
    answer = Client(server.url + "/", token="abc-token").request("POST", "/api/x", {"title": "教室"})  # noqa: S106
    assert answer["path"] == "/api/x"
    assert json.loads(answer["body"]) == {"title": "教室"}
    assert server.seen[0].headers["authorization"] == "Bearer abc-token"
    assert server.seen[0].headers["content-type"] == "application/json"


def test_without_a_token_none_is_sent(server: FakeServer) -> None:
    Client(server.url).request("GET", "/healthz")
    assert "authorization" not in server.seen[0].headers


def test_a_refusal_is_told_in_the_servers_words() -> None:
    refusal = Answer(409, {"error": {"code": "lesson_ended", "message": "The lesson has ended."}})
    with http_server(lambda _: refusal) as server, pytest.raises(Refused, match=r"^The lesson has ended\.$") as told:
        Client(server.url).request("POST", "/x")
    assert (told.value.status, told.value.code) == (409, "lesson_ended")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": "x"}', b"\xff"])
def test_a_refusal_without_words_is_told_by_its_status(body: bytes) -> None:
    with http_server(lambda _: Answer(502, body)) as server, pytest.raises(Refused, match="502") as told:
        Client(server.url).request("GET", "/x")
    assert told.value.code == ""


def test_no_body_is_none() -> None:
    with http_server(lambda _: Answer(204)) as server:
        assert Client(server.url).request("DELETE", "/x") is None


def test_what_is_not_json_is_not_ours() -> None:
    with http_server(lambda _: Answer(200, b"<html>")) as server, pytest.raises(Unreachable, match="not as liveclass"):
        Client(server.url).request("GET", "/x")


def test_a_redirect_gets_no_token(server: FakeServer) -> None:
    away = Answer(302, None, {"Location": server.url + "/stolen"})
    with http_server(lambda _: away) as first, pytest.raises(Refused, match="302"):
        Client(first.url, token="abc-token").request("GET", "/x")  # noqa: S106
    assert server.seen == []


def test_a_proxy_is_not_asked_for_this_machine(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert Client(server.url).request("GET", "/x")["path"] == "/x"


def test_a_server_that_is_not_there_is_told_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable, match="is `liveclass serve` running"):
            Client(f"http://127.0.0.1:{taken.getsockname()[1]}").request("GET", "/x")


def test_a_server_that_is_silent_is_told_so() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(Unreachable, match=r"no answer within 0\.1 s"):
            Client(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.1).request("GET", "/x")


@pytest.mark.parametrize(
    "url", ["class.example.org", "ftp://x", "http://", "http://[::1", "http://x:port", "file:///x"]
)
def test_a_server_that_is_no_url_is_told_so(url: str) -> None:
    with pytest.raises(UsageError, match="--server: expected a URL"):
        Client(url)


def test_the_self_signed_certificate_is_trusted_where_named(tmp_path: Path) -> None:
    with http_server(echo, ssl_context(Settings(data_dir=tmp_path, tls_self_signed=True))) as server:
        url = server.url.replace("http:", "https:")
        certificate = tmp_path / "tls" / "certificate.pem"
        assert Client(url, certificate=certificate).request("GET", "/x")["path"] == "/x"
        with pytest.raises(Unreachable, match="certificate is not trusted"):
            Client(url).request("GET", "/x")
        with pytest.raises(UsageError, match="cannot be used"):
            Client(url, certificate=tmp_path / "none.pem")


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (Settings(), "http://127.0.0.1:8080"),
        (Settings(host="::", port=81), "http://[::1]:81"),
        (Settings(host="192.0.2.7"), "http://192.0.2.7:8080"),
        (Settings(host="2001:db8::1"), "http://[2001:db8::1]:8080"),
        (Settings(host="localhost", tls_self_signed=True), "https://localhost:8080"),
        (Settings(tls_certificate=Path("c"), tls_key=Path("k")), "https://127.0.0.1:8080"),
    ],
)
def test_a_server_on_this_machine_is_found_by_its_settings(settings: Settings, url: str) -> None:
    assert local_url(settings) == url
