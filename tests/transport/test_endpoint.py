"""The one UDP port: what strangers get from it, and what a flood of them costs."""

import socket
import time

from aioice import stun

from liveclass.transport.counters import ECHOES_PER_S
from liveclass.transport.dtls import Identity
from liveclass.transport.endpoint import Endpoint
from liveclass.transport.ice import answer_to_stranger

PADDING = b"\x80\x22\x00\x18" + bytes(24)
"""SOFTWARE of 24 bytes, so that the request is no shorter than its reply."""


def request(body: bytes = PADDING) -> bytes:
    return b"\x00\x01" + len(body).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + bytes(range(12)) + body


async def opened() -> Endpoint:
    endpoint = Endpoint(Identity.generate(time.time()), timeout_s=30, max_sessions=10, public=["127.0.0.1"])
    await endpoint.open("127.0.0.1", 0)
    return endpoint


def test_a_stranger_learns_under_which_address_it_is_seen() -> None:
    for address in (("203.0.113.7", 4000), ("2001:db8::1", 4000, 0, 0)):
        reply = answer_to_stranger(request(), address)
        assert reply is not None
        assert stun.parse_message(reply).attributes["XOR-MAPPED-ADDRESS"] == address[:2]
        assert len(reply) <= len(request())


def test_a_reply_to_a_stranger_is_never_longer_than_the_request() -> None:
    assert answer_to_stranger(request(b""), ("203.0.113.7", 4000)) is None


async def test_a_flood_of_strangers_is_answered_few_times_and_leaves_no_state() -> None:
    """Row 5."""
    endpoint = await opened()
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stranger.bind(("127.0.0.1", 0))
    try:
        now = time.monotonic()
        for _ in range(2000):
            endpoint.datagram(request(), stranger.getsockname(), now)
        assert endpoint.batch.sent <= ECHOES_PER_S
        assert endpoint.counters.strangers == 2000
        assert not endpoint.sessions
        assert not endpoint._by_address
    finally:
        stranger.close()
        endpoint.close()


async def test_the_same_port_is_not_taken_twice() -> None:
    import pytest

    from liveclass.errors import UsageError

    endpoint = await opened()
    other = Endpoint(Identity.generate(time.time()), timeout_s=30, max_sessions=10)
    try:
        with pytest.raises(UsageError, match="--udp-port"):
            await other.open("127.0.0.1", endpoint.port)
    finally:
        endpoint.close()


async def test_candidates_name_the_address_that_the_request_came_to() -> None:
    endpoint = await opened()
    try:
        assert endpoint.candidates("::ffff:192.0.2.9") == [("127.0.0.1", endpoint.port), ("192.0.2.9", endpoint.port)]
    finally:
        endpoint.close()
