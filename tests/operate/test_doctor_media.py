"""The doctor on media over TCP and TURN: every state of the other side is told apart, in words."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from aioice import stun

from liveclass.config import Settings
from liveclass.operate import doctor_media
from liveclass.operate.doctor_media import TurnUrl, ask_tcp, check_tcp, check_turn, parse_turn_url
from liveclass.operate.finding import Finding

SECRET = "shared with the TURN server"  # noqa: S105
SERVER = "192.0.2.10"

Reply = Callable[[stun.Message, socket.socket], bytes]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_media, "WAIT_S", 0.5)
    monkeypatch.setattr(doctor_media, "UDP_WAIT_S", 0.1)


@contextlib.contextmanager
def tcp_port(reply: Callable[[bytes], bytes]) -> Iterator[int]:
    """A TCP port that answers what comes first on each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            while True:
                sock, _ = listener.accept()
                with sock:
                    words = sock.recv(2048)
                    if words == b"stop":
                        return
                    sock.sendall(reply(words))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield port
        finally:
            with socket.create_connection(("127.0.0.1", port)) as stop:
                stop.sendall(b"stop")
            thread.join()


def framed_answer(words: bytes) -> bytes:
    request = stun.parse_message(words[2:])
    answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, transaction_id=request.transaction_id)
    answer.attributes["XOR-MAPPED-ADDRESS"] = ("192.0.2.1", 4000)
    return len(bytes(answer)).to_bytes(2, "big") + bytes(answer)


def http_answer(_: bytes) -> bytes:
    return b"HTTP/1.1 400 Bad Request\r\n\r\n"


def test_a_port_that_takes_media_says_how_it_sees_us() -> None:
    with tcp_port(framed_answer) as port:
        assert ask_tcp("127.0.0.1", port) == ("192.0.2.1", 4000)
    with tcp_port(http_answer) as port:
        assert ask_tcp("127.0.0.1", port) is None
    with tcp_port(lambda _: b"") as port:
        assert ask_tcp("127.0.0.1", port) is None
    assert ask_tcp("127.0.0.1", port) is None, "nobody listens any more"


def test_both_ports_are_judged_and_the_pages_port_is_named() -> None:
    with tcp_port(framed_answer) as takes, tcp_port(http_answer) as refuses:
        found = list(check_tcp(Settings(port=takes, udp_port=refuses), ("127.0.0.1",)))
    assert [finding.level for finding in found] == ["ok", "warn"]
    assert "the pages' port" in found[0].message
    assert found[1].advice


def test_a_proxy_before_the_pages_is_not_asked_for_media() -> None:
    with tcp_port(framed_answer) as port:
        found = list(check_tcp(Settings(port=1, udp_port=port, trusted_proxies="127.0.0.1"), ("127.0.0.1",)))
    assert [finding.level for finding in found] == ["ok", "ok"]
    assert "TURN" in found[0].message


def test_media_over_tcp_that_is_switched_off_is_no_fault() -> None:
    assert [finding.level for finding in check_tcp(Settings(media_tcp=False), ("127.0.0.1",))] == ["ok"]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("turn:a.org", TurnUrl(False, "a.org", 3478, False)),
        ("turn:a.org:80?transport=tcp", TurnUrl(False, "a.org", 80, True)),
        ("turns:a.org", TurnUrl(True, "a.org", 5349, True)),
        ("turns:[2001:db8::1]:443?transport=tcp", TurnUrl(True, "2001:db8::1", 443, True)),
        ("turns:a.org?transport=udp", TurnUrl(True, "a.org", 5349, False)),
        ("stun:a.org", None),
        ("turn:", None),
        ("turn::80", None),
        ("turn:a.org:0", None),
        ("turn:a.org:99999", None),
        ("turn:a.org:x", None),
        ("turn:[::1", None),
        ("turn:a.org?transport=sctp", None),
        ("https://a.org", None),
    ],
)
def test_turn_urls_are_read_as_the_standard_says(text: str, read: TurnUrl | None) -> None:
    assert parse_turn_url(text) == read


@contextlib.contextmanager
def turn_port(allocate: int = 0, forbidden: Callable[[str], bool] = lambda peer: peer != SERVER) -> Iterator[int]:
    """A TURN server's UDP port, as far as the doctor sees of it.

    Args:
        allocate: the error that a request with credentials gets; 0: a relay.
        forbidden: which peers it refuses.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def answer(data: bytes) -> bytes:
            request = stun.parse_message(data)
            error = 0
            if request.message_method == stun.Method.ALLOCATE:
                error = allocate if "USERNAME" in request.attributes else 401
            elif request.message_method == stun.Method.CREATE_PERMISSION:
                error = 403 if forbidden(request.attributes["XOR-PEER-ADDRESS"][0]) else 0
            kind = stun.Class.ERROR if error else stun.Class.RESPONSE
            reply = stun.Message(request.message_method, kind, transaction_id=request.transaction_id)
            if error:
                reply.attributes["ERROR-CODE"] = (error, "")
            reply.attributes["REALM"] = "liveclass"
            reply.attributes["NONCE"] = b"0123456789"
            return bytes(reply)

        def serve() -> None:
            while True:
                data, address = sock.recvfrom(2048)
                if data == b"stop":
                    return
                sock.sendto(answer(data), address)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield sock.getsockname()[1]
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stop:
                stop.sendto(b"stop", sock.getsockname())
            thread.join()


def examined(port: int) -> Finding:
    settings = Settings(turn_urls=f"turn:127.0.0.1:{port}", turn_secret=SECRET)
    (found,) = check_turn(settings, (SERVER,))
    return found


def test_a_turn_server_that_reaches_us_alone_is_ok() -> None:
    with turn_port() as port:
        found = examined(port)
    assert found.level == "ok"
    assert "takes our credentials" in found.message


@pytest.mark.parametrize(
    ("allocate", "forbidden", "words"),
    [
        (401, lambda peer: peer != SERVER, "refuses our credentials"),
        (486, lambda peer: peer != SERVER, "quota"),
        (508, lambda peer: peer != SERVER, "error 508"),
        (0, lambda _: True, "may not reach this server"),
        (0, lambda _: False, "lets everyone with a link reach 127.0.0.1"),
    ],
)
def test_what_is_wrong_with_a_turn_server_is_told_apart(
    allocate: int, forbidden: Callable[[str], bool], words: str
) -> None:
    with turn_port(allocate, forbidden) as port:
        found = examined(port)
    assert found.level == "fail"
    assert words in found.message
    assert found.advice


def test_a_turn_server_that_does_not_answer_is_a_fault() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        found = examined(silent.getsockname()[1])
    assert found.level == "fail"
    assert "does not answer" in found.message
    with tcp_port(http_answer) as port:
        settings = Settings(turn_urls=f"turns:127.0.0.1:{port}", turn_secret=SECRET)
        assert [finding.level for finding in check_turn(settings, (SERVER,))] == ["fail"]


def test_turn_settings_are_judged_before_anybody_is_asked() -> None:
    assert [finding.level for finding in check_turn(Settings(), (SERVER,))] == ["ok"]
    assert [finding.level for finding in check_turn(Settings(turn_urls="turn:a.org"), (SERVER,))] == ["fail"]
    broken = Settings(turn_urls="https://a.org", turn_secret=SECRET)
    assert [finding.level for finding in check_turn(broken, (SERVER,))] == ["fail"]
