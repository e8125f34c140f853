"""The doctor's Binding request: one answer is believed, anything else is not."""

import os

from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from liveclass.operate.probe import binding_request, mapped_address

TRANSACTION = bytes(range(12))


def answer_to(request: bytes, address: tuple[str, int]) -> bytes:
    parsed = stun.parse_message(request)
    reply = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, transaction_id=parsed.transaction_id)
    reply.attributes["XOR-MAPPED-ADDRESS"] = address
    return bytes(reply)


def test_the_request_is_one_that_others_understand() -> None:
    parsed = stun.parse_message(binding_request(TRANSACTION))
    assert (parsed.message_method, parsed.message_class) == (stun.Method.BINDING, stun.Class.REQUEST)
    assert parsed.transaction_id == TRANSACTION


def test_no_answer_is_longer_than_the_request() -> None:
    """Else the port could be used to flood a stranger."""
    request = binding_request(TRANSACTION)
    for address in (("203.0.113.7", 4000), ("2001:db8::1", 4000)):
        assert len(answer_to(request, address)) <= len(request)


def test_the_answer_tells_under_which_address_we_were_seen() -> None:
    for address in (("203.0.113.7", 4000), ("2001:db8::1", 65535)):
        assert mapped_address(answer_to(binding_request(TRANSACTION), address), TRANSACTION) == address


def test_answers_to_other_requests_and_errors_are_not_believed() -> None:
    request = binding_request(TRANSACTION)
    answer = answer_to(request, ("203.0.113.7", 4000))
    assert mapped_address(answer, os.urandom(12)) is None
    assert mapped_address(request, TRANSACTION) is None
    assert mapped_address(b"\x01\x11" + answer[2:], TRANSACTION) is None
    for cut in range(len(answer)):
        assert mapped_address(answer[:cut], TRANSACTION) is None


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_give_an_address_or_none(data: bytes, headed: bool) -> None:
    if headed:
        data = b"\x01\x01" + len(data).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + TRANSACTION + data
    found = mapped_address(data, TRANSACTION)
    assert found is None or (isinstance(found[0], str) and 0 <= found[1] < 65536)
