"""Signed tokens and addresses: nothing that this server has not signed passes, and nothing passes for another."""

import base64
import json

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from liveclass.errors import PeerError, UsageError
from liveclass.server.auth import MEDIA_TOKEN_S, Signer
from liveclass.server.http import Proxies, bearer

KEY = b"k" * 32


def signer(now: float = 1000.0, key: bytes = KEY) -> Signer:
    return Signer(key, lambda: now)


def refusal(made: Signer, token: str) -> str:
    with pytest.raises(PeerError) as error:
        made.claims(token)
    assert error.value.status == 401
    return error.value.code


def test_a_media_token_says_who_it_is_for_until_it_expires() -> None:
    token = signer().media_token("L1", "p1", "classroom")
    claims = signer(1000.0 + MEDIA_TOKEN_S - 1).claims(token)
    assert (claims.lesson, claims.participant, claims.role) == ("L1", "p1", "classroom")
    assert refusal(signer(1000.0 + MEDIA_TOKEN_S), token) == "token_expired"
    assert len(token) <= 512


def test_a_token_of_another_key_is_none() -> None:
    assert refusal(signer(key=b"x" * 32), signer().media_token("L1", "p1", "teacher")) == "token_invalid"


def test_a_replay_token_never_passes_for_a_media_token() -> None:
    token = signer().replay_token("L1")
    assert signer(10**9).claims(token).role == "replay"
    assert refusal(signer(), "m1." + token[3:]) == "token_invalid"


@pytest.mark.parametrize("header", [{"alg": "none"}, {"alg": "HS256", "typ": "JWT"}])
def test_a_token_cannot_choose_its_own_algorithm(header: dict[str, str]) -> None:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = {"lesson": "L1", "participant": "p", "role": "teacher", "issued_ms": 0, "expires_ms": 0}
    for token in (f"{part(header)}.{part(claims)}.", f"m1.{part(claims)}.", f"m1.{part(claims)}.{part(header)}"):
        assert refusal(signer(), token) == "token_invalid"


@given(st.data())
def test_a_token_with_any_one_change_is_refused(data: st.DataObject) -> None:
    token = signer().media_token("L1", "p1", "classroom")
    position = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(max_codepoint=127).filter(lambda char: char != token[position]))
    assert refusal(signer(), token[:position] + other + token[position + 1 :]) == "token_invalid"


@given(st.text(max_size=600))
def test_no_text_breaks_the_check_of_tokens(text: str) -> None:
    assert refusal(signer(), text) == "token_invalid"
    assert refusal(signer(), f"m1.{text}") == "token_invalid"


@given(st.text(max_size=40), st.text(max_size=60))
def test_no_text_breaks_the_check_of_addresses(expires: str, signature: str) -> None:
    with pytest.raises(PeerError) as error:
        signer().check_media_url("L1", expires, signature)
    assert error.value.status == 403


def test_the_address_stays_the_same_for_a_while_so_that_caches_help() -> None:
    assert signer(1000.0).media_prefix("L1") == signer(1200.0).media_prefix("L1")
    assert signer(1000.0).media_prefix("L1") != signer(2000.0).media_prefix("L1")
    assert signer(1000.0).media_prefix("L1") != signer(1000.0).media_prefix("L2")


@pytest.mark.parametrize(
    "value", ["", "Basic YTpi", "Bearer", "Bearer ", "Bearer a b", "Bearer " + "x" * 600, "Bearer ä", "Token x"]
)
def test_a_header_that_is_no_bearer_token_is_refused(value: str) -> None:
    with pytest.raises(PeerError) as error:
        bearer(make_mocked_request("GET", "/", headers={"Authorization": value}))
    assert error.value.status == 401


def test_only_a_trusted_proxy_says_where_a_request_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    def request(remote: str, *forwarded: str) -> str:
        headers = {"X-Forwarded-For": ", ".join(forwarded)} if forwarded else {}
        return Proxies("10.0.0.0/8, 2001:db8::1").client(
            make_mocked_request("GET", "/", headers=headers).clone(remote=remote)
        )

    assert request("192.0.2.1", "203.0.113.5") == "192.0.2.1"
    assert request("10.0.0.1", "203.0.113.5") == "203.0.113.5"
    # What the client itself wrote in front does not count.
    assert request("10.0.0.1", "127.0.0.1", "203.0.113.5", "10.0.0.2") == "203.0.113.5"
    assert request("10.0.0.1", "nonsense") == "10.0.0.1"
    assert request("10.0.0.1") == "10.0.0.1"
    assert request("2001:db8::1", "2001:db8::9") == "2001:db8::9"
    assert request("::ffff:10.0.0.1", "203.0.113.5") == "203.0.113.5"


def test_a_proxy_that_is_no_address_is_the_operator_s_mistake() -> None:
    with pytest.raises(UsageError):
        Proxies("10.0.0.0/8, proxy.local")
