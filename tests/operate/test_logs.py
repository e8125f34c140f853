"""Log lines hold no token, no full address and nobody's name, whoever wrote them."""

import base64
import io
import json
import logging
import random
import re
import secrets
from collections.abc import Iterator

import pytest
import structlog

from liveclass.operate import logs
from liveclass.operate.logs import redacted

FULL_IPV4 = re.compile(r"(?<![\d.])(?!127\.|0\.0\.0\.0)\d{1,3}(\.\d{1,3}){3}(?![\d.])")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from 203.0.113.7:4000", "from 203.0.x.x:4000"),
        (
            "a=candidate:1 1 udp 2130706431 192.168.1.20 50000 typ host",
            "a=candidate:1 1 udp 2130706431 192.168.x.x 50000 typ host",
        ),
        ("('203.0.113.7', 4000)", "('203.0.x.x', 4000)"),
        ("[2001:db8:1:2::5]:700", "[2001:db8::x]:700"),
        ("2001:DB8::1", "2001:db8::x"),
        ("fe80::1ff:fe23:4567:890a%eth0", "fe80:0::x%eth0"),
        ("::ffff:198.51.100.9", "::ffff:198.51.x.x"),
        ("listening on 0.0.0.0 and 127.0.0.1 and ::1 and ::", "listening on 0.0.0.0 and 127.0.0.1 and ::1 and ::"),
        ("12:34:56 std::vector 300.1.2.3", "12:34:56 std::vector 300.1.2.3"),
        ("/teach/nkxah3gSuzkn#jL9WuBZW2hkqfuboSUhTxA", "/teach/nkxah3gSuzkn#[hidden]"),
        ("Authorization: Bearer abc.def-12345", "Authorization: Bearer [hidden]"),
        ("GET /x?token=abcdefgh HTTP/1.1", "GET /x?token=[hidden] HTTP/1.1"),
        ("identity 0123456789abcdef0123456789abcdef", "identity [hidden]"),
        ("lesson nkxah3gSuzkn", "lesson nkxah3gSuzkn"),
    ],
)
def test_a_text_loses_what_it_must_and_keeps_the_rest(text: str, expected: str) -> None:
    assert redacted(text) == expected


@pytest.mark.parametrize(
    "word",
    [
        "ConnectionRefusedError",
        "SSLCertVerificationError",
        "test_a_slow_disk_never_delays_the_lesson",
        "SSL_ERROR_CERTIFICATE_VERIFY_FAILED",
        "application/trickle-ice-sdpfrag",
        "/usr/lib/python3/site-packages/liveclass/relay/plane.py",
    ],
)
def test_words_that_a_traceback_needs_stay(word: str) -> None:
    assert redacted(word) == word


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_tokens_are_hidden_wherever_they_stand(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(5000):
        token = base64.urlsafe_b64encode(dice.randbytes(16)).decode().rstrip("=")
        for text in (token, f"x {token}.", f'"{token}"', f"a={token}&b=1", f"/whip/abc/{token}"):
            assert token not in redacted(text), text


@pytest.mark.parametrize("format", ["text", "json"])
@pytest.mark.parametrize("library", ["structlog", "logging"])
def test_no_line_holds_token_address_or_name(lines: io.StringIO, format: str, library: str) -> None:
    logs.configure("debug", format, lines)
    token, short = secrets.token_urlsafe(16), "abc"
    try:
        raise ValueError(f"peer 203.0.113.7 sent {token}")
    except ValueError:
        if library == "structlog":
            log = structlog.get_logger("liveclass.test")
            log.info(
                "joined",
                name="Li Lei",
                title="Fractions",
                media_token=short,
                peer=("203.0.113.7", 80),
                participant="p1",
            )
            log.warning("odd", nested={"name": "Li Lei", "links": [f"https://x/teach/1#{token}"], "key": "k"})
            log.exception("failed for %s", "203.0.113.7")
        else:
            plain = logging.getLogger("aiohttp.server")
            plain.info("joined %s %s", ("203.0.113.7", 80), token, extra={"title": "Fractions", "participant": "p1"})
            plain.exception("failed")
    written = lines.getvalue()
    assert "joined" in written
    assert "p1" in written
    assert "ValueError" in written
    for secret in (token, "Li Lei", "Fractions", short):
        assert secret not in written
    assert not FULL_IPV4.search(written), written


def test_json_lines_are_one_object_each_with_time_level_and_logger(lines: io.StringIO) -> None:
    logs.configure("info", "json", lines)
    logging.getLogger("a").warning("first\nsecond")
    structlog.get_logger("b").info("教室", lesson="nkxah3gSuzkn")
    first, second = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert (first["event"], first["level"], first["logger"]) == ("first\nsecond", "warning", "a")
    assert (second["event"], second["lesson"]) == ("教室", "nkxah3gSuzkn")
    assert second["timestamp"].endswith("Z")


def test_less_severe_lines_are_left_out(lines: io.StringIO) -> None:
    logs.configure("warning", "text", lines)
    logging.getLogger("a").info("quiet")
    structlog.get_logger("b").info("quiet")
    structlog.get_logger("b").error("loud")
    assert "quiet" not in lines.getvalue()
    assert "loud" in lines.getvalue()


def test_requests_are_not_logged(lines: io.StringIO) -> None:
    logs.configure("debug", "text", lines)
    logging.getLogger("aiohttp.access").error('203.0.113.7 "GET /whip/x"')
    assert lines.getvalue() == ""


def test_configuring_again_replaces_and_does_not_double(lines: io.StringIO) -> None:
    logs.configure("info", "text", io.StringIO())
    logs.configure("info", "text", lines)
    logging.getLogger("a").info("once")
    assert lines.getvalue().count("once") == 1
