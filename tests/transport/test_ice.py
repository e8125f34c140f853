"""The ICE-lite responder, judged by aioice's STUN codec."""

import struct

import pytest
from aioice import stun
from hypothesis import given, settings
from hypothesis import strategies as st

from liveclass.transport.ice import Address, IceLite, new_credentials, username_of

UFRAG, PWD = "local0123456", "p" * 24
REMOTE = "peer"
HOME: Address = ("192.0.2.7", 50_000)
AWAY: Address = ("2001:db8::7", 50_001, 0, 0)


def check(
    *, username: str = f"{UFRAG}:{REMOTE}", key: str = PWD, nominate: bool = False, controlled: bool = False
) -> bytes:
    """A connectivity check as a browser sends it."""
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = username
    message.attributes["PRIORITY"] = 1_845_501_695
    message.attributes["ICE-CONTROLLED" if controlled else "ICE-CONTROLLING"] = 12_345
    if nominate:
        message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity(key.encode())
    return bytes(message)


def agent() -> IceLite:
    return IceLite(UFRAG, PWD, REMOTE)


def selected(ice: IceLite) -> Address | None:
    return ice.selected


def ufrags(ice: IceLite) -> list[str]:
    return list(ice.ufrags)


@pytest.mark.parametrize("address", [HOME, AWAY, ("fe80::1%eth0", 1, 0, 2)])
def test_a_genuine_check_is_answered_as_the_standard_says(address: Address) -> None:
    request = check()
    result = agent().receive(request, address, 1.0)
    assert result.reply is not None
    assert result.valid
    assert len(result.reply) <= len(request)
    reply = stun.parse_message(result.reply)
    assert reply.message_class == stun.Class.RESPONSE
    assert reply.transaction_id == request[8:20]
    assert reply.attributes["XOR-MAPPED-ADDRESS"] == (address[0].partition("%")[0], address[1])
    assert reply.check_message_integrity(PWD.encode())
    assert "FINGERPRINT" in reply.attributes


def test_the_first_valid_check_nominates_and_so_does_use_candidate() -> None:
    ice = agent()
    assert selected(ice) is None
    assert ice.last_valid is None
    assert ice.receive(check(), HOME, 1.0).nominated
    assert selected(ice) == HOME
    assert not ice.receive(check(), AWAY, 2.0).nominated
    assert selected(ice) == HOME
    assert ice.receive(check(nominate=True), AWAY, 3.0).nominated
    assert selected(ice) == AWAY
    assert ice.last_valid == 3.0


def strip_fingerprint(datagram: bytes) -> bytes:
    body = datagram[20:-8]
    return datagram[:2] + struct.pack("!H", len(body)) + datagram[4:20] + body


@pytest.mark.parametrize(
    "datagram",
    [
        check(key="q" * 24),
        check(username=f"{UFRAG}:stranger"),
        check(username=UFRAG),
        check(username=f"someone:{REMOTE}"),
        strip_fingerprint(check()),
        check()[:-1] + bytes([check()[-1] ^ 1]),
        b"",
        bytes(20),
        bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST)),
        bytes(stun.Message(stun.Method.BINDING, stun.Class.INDICATION)),
    ],
    ids=[
        "wrong key",
        "wrong offer",
        "no offer",
        "not ours",
        "no fingerprint",
        "wrong fingerprint",
        "empty",
        "zeros",
        "bare request",
        "indication",
    ],
)
def test_what_is_not_genuine_gets_no_reply_and_leaves_no_trace(datagram: bytes) -> None:
    ice = agent()
    result = ice.receive(datagram, HOME, 1.0)
    assert result.reply is None
    assert not result.valid
    assert selected(ice) is None
    assert ice.last_valid is None


def raw(attributes: bytes) -> bytes:
    return struct.pack("!HHI", 1, len(attributes), 0x2112A442) + bytes(12) + attributes


def test_torn_and_endless_attributes_are_no_check() -> None:
    torn = raw(struct.pack("!HH", 6, 40) + b"a:b ")
    endless = raw(struct.pack("!HH", 0x8000, 0) * 33)
    full = raw(struct.pack("!HH", 6, 4) + b"a:b " + struct.pack("!HH", 0x8000, 0) * 31)
    assert username_of(torn) is None
    assert username_of(endless) is None
    assert username_of(full) == "a"
    assert username_of(full[:-4]) is None


def test_a_fingerprint_counts_only_at_the_end() -> None:
    message = stun.parse_message(check())
    message.attributes["SOFTWARE"] = message.attributes.pop("SOFTWARE", "late")
    assert not agent().receive(bytes(message), HOME, 1.0).valid


def test_an_address_that_is_none_is_not_answered() -> None:
    ice = agent()
    assert ice.receive(check(), ("somewhere", 1), 1.0).reply is None
    assert ice.last_valid is None


def test_responses_and_other_methods_are_not_answered() -> None:
    for kind in (stun.Class.RESPONSE, stun.Class.ERROR, stun.Class.INDICATION):
        message = stun.Message(stun.Method.BINDING, kind)
        message.attributes["USERNAME"] = f"{UFRAG}:{REMOTE}"
        message.add_message_integrity(PWD.encode())
        assert agent().receive(bytes(message), HOME, 1.0).reply is None
    message = stun.Message(stun.Method.ALLOCATE, stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{UFRAG}:{REMOTE}"
    message.add_message_integrity(PWD.encode())
    assert agent().receive(bytes(message), HOME, 1.0).reply is None


def test_attributes_after_the_integrity_do_not_count() -> None:
    """USE-CANDIDATE appended to a recorded check, with a fingerprint made anew, does not move the media."""
    ice = agent()
    ice.receive(check(), HOME, 1.0)
    message = stun.parse_message(check())
    message.attributes.pop("FINGERPRINT")
    message.attributes["USE-CANDIDATE"] = None
    message.add_fingerprint()
    result = ice.receive(bytes(message), AWAY, 2.0)
    assert result.valid
    assert not result.nominated
    assert selected(ice) == HOME


def test_a_peer_that_believes_itself_controlled_is_told() -> None:
    request = check(controlled=True)
    ice = agent()
    result = ice.receive(request, HOME, 1.0)
    assert result.role_conflict
    assert not result.nominated
    assert selected(ice) is None
    assert result.reply is not None
    assert len(result.reply) <= len(request)
    reply = stun.parse_message(result.reply)
    assert reply.message_class == stun.Class.ERROR
    assert reply.attributes["ERROR-CODE"] == (487, "Role Conflict")
    assert reply.check_message_integrity(PWD.encode())


def test_old_credentials_hold_until_the_new_are_used() -> None:
    ice = agent()
    ice.receive(check(), HOME, 1.0)
    ice.restart("anew01234567", "n" * 24, "peer2")
    assert ufrags(ice) == [UFRAG, "anew01234567"]
    assert ice.receive(check(), HOME, 2.0).valid
    result = ice.receive(check(username="anew01234567:peer2", key="n" * 24), AWAY, 3.0)
    assert result.valid
    assert result.restarted
    assert result.nominated
    assert selected(ice) == AWAY
    assert ufrags(ice) == ["anew01234567"]
    assert not ice.receive(check(), HOME, 4.0).valid


def test_a_second_restart_replaces_the_first() -> None:
    ice = agent()
    ice.restart("first0123456", "a" * 24, "peer")
    ice.restart("second012345", "b" * 24, "peer")
    assert ufrags(ice) == [UFRAG, "second012345"]
    assert not ice.receive(check(username="first0123456:peer", key="a" * 24), HOME, 1.0).valid
    assert ice.receive(check(username="second012345:peer", key="b" * 24), HOME, 1.0).restarted


def test_our_ufrag_is_found_without_trust() -> None:
    assert username_of(check()) == UFRAG
    assert username_of(check(key="wrong" * 5)) == UFRAG
    assert username_of(check(username="nocolon")) is None
    assert username_of(b"") is None
    assert username_of(bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST))) is None


def test_credentials_are_new_and_of_the_right_form() -> None:
    made = {new_credentials() for _ in range(100)}
    assert len(made) == 100
    for ufrag, pwd in made:
        assert len(ufrag) == 12
        assert len(pwd) == 24
        assert all(char.isalnum() or char in "+/" for char in ufrag + pwd)


@settings(max_examples=500, deadline=None)
@given(datagram=st.binary(max_size=1500), header=st.booleans())
def test_any_datagram_gives_a_value(datagram: bytes, header: bool) -> None:
    if header:
        datagram = struct.pack("!HHI", 1, max(0, len(datagram) - 12) & 0xFFFF, 0x2112A442) + datagram
    assert agent().receive(datagram, HOME, 1.0).reply is None
    name = username_of(datagram)
    assert name is None or isinstance(name, str)


@settings(max_examples=500, deadline=None)
@given(data=st.data())
def test_a_changed_check_is_never_believed(data: st.DataObject) -> None:
    original = check(nominate=True)
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, 3)) * 4
    datagram = bytes(changed[: len(changed) - cut])
    ice = agent()
    result = ice.receive(datagram, HOME, 1.0)
    assert result.valid is (datagram == original)
    assert (selected(ice) is not None) is result.valid


@settings(max_examples=200, deadline=None)
@given(remote=st.text("abcXYZ019+/", min_size=4, max_size=40), nominate=st.booleans(), controlled=st.booleans())
def test_a_reply_is_never_longer_than_its_request(remote: str, nominate: bool, controlled: bool) -> None:
    """Even to a peer that leaves out all it may leave out."""
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{UFRAG}:{remote}"
    if nominate:
        message.attributes["USE-CANDIDATE"] = None
    if controlled:
        message.attributes["ICE-CONTROLLED"] = 1
    message.add_message_integrity(PWD.encode())
    request = bytes(message)
    for address in (HOME, AWAY):
        reply = IceLite(UFRAG, PWD, remote).receive(request, address, 1.0).reply
        assert reply is not None
        assert len(reply) <= len(request)
