"""SRTP sessions against each other and against pylibsrtp's public interface."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pylibsrtp import Policy, Session
from pylibsrtp._binding import lib

from liveclass.errors import UsageError
from liveclass.transport import srtp
from liveclass.transport.srtp import MAX_PACKET, PacketBuffer, SrtpReceiver, SrtpSender
from liveclass.transport.srtp_keys import PROFILES, SrtpKeys, SrtpProfile

every_profile = pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)


def keys_for(profile: SrtpProfile) -> SrtpKeys:
    """Keys with which a session receives what itself sends."""
    key = bytearray(range(profile.key_length + profile.salt_length))
    return SrtpKeys(profile, key, bytearray(key))


def rtp(seq: int, *, ssrc: int = 1, payload: bytes = b"payload") -> bytes:
    return struct.pack("!BBHII", 0x80, 96, seq & 0xFFFF, 3000, ssrc) + payload


def report(ssrc: int = 1) -> bytes:
    return struct.pack("!BBHI", 0x80, 201, 1, ssrc)


@every_profile
def test_what_is_protected_in_place_comes_out_whole(profile: SrtpProfile) -> None:
    keys = keys_for(profile)
    sender, receiver, buffer = SrtpSender(keys), SrtpReceiver(keys), PacketBuffer()
    for seq in range(300):
        packet = rtp(seq, payload=bytes([seq & 0xFF]) * (seq * 3))
        buffer.view[: len(packet)] = packet
        size = sender.protect_in(buffer, len(packet))
        assert size > len(packet)
        protected = bytes(buffer.view[:size])
        assert protected[:12] == packet[:12]
        assert packet[12:] == b"" or packet[12:] not in protected
        assert receiver.unprotect(protected) == packet


@every_profile
def test_rtcp_comes_out_whole(profile: SrtpProfile) -> None:
    keys = keys_for(profile)
    protected = SrtpSender(keys).protect_rtcp(report())
    assert protected is not None
    receiver = SrtpReceiver(keys)
    assert receiver.unprotect_rtcp(protected) == report()
    assert receiver.unprotect_rtcp(protected) is None


@every_profile
def test_the_binding_speaks_as_the_public_interface_does(profile: SrtpProfile) -> None:
    """Fails when a new pylibsrtp changes the names or the meaning of what is called behind its public interface."""
    keys = keys_for(profile)
    number = srtp._LIBSRTP_PROFILES[profile.name]
    public = Session(Policy(key=bytes(keys.local), ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=number))
    assert SrtpSender(keys).protect(rtp(7)) == public.protect(rtp(7))
    assert SrtpSender(keys).protect_rtcp(report()) == public.protect_rtcp(report())
    for name in (
        "srtp_create",
        "srtp_dealloc",
        "srtp_protect",
        "srtp_protect_rtcp",
        "srtp_unprotect",
        "srtp_unprotect_rtcp",
        "srtp_remove_stream",
    ):
        assert callable(getattr(lib, name))


def test_a_replayed_packet_is_taken_once() -> None:
    keys = keys_for(PROFILES[0])
    protected = SrtpSender(keys).protect(rtp(1))
    assert protected is not None
    receiver = SrtpReceiver(keys)
    assert receiver.unprotect(protected) == rtp(1)
    assert receiver.unprotect(protected) is None


def test_a_retransmission_900_packets_late_is_taken() -> None:
    keys = keys_for(PROFILES[2])
    sender, receiver = SrtpSender(keys), SrtpReceiver(keys)
    protected = [sender.protect(rtp(seq)) for seq in range(901)]
    late = protected.pop(0)
    for datagram in protected:
        assert datagram is not None
        assert receiver.unprotect(datagram) is not None
    assert late is not None
    assert receiver.unprotect(late) == rtp(0)


def test_the_rollover_counter_follows_a_wrap_with_loss() -> None:
    keys = keys_for(PROFILES[0])
    sender, receiver = SrtpSender(keys), SrtpReceiver(keys)
    for seq in [*range(65_400, 65_530), *range(65_536 + 4, 65_536 + 100)]:
        protected = sender.protect(rtp(seq))
        assert protected is not None
        assert receiver.unprotect(protected) == rtp(seq)


def test_a_sequence_number_is_not_used_twice_unless_allowed() -> None:
    keys = keys_for(PROFILES[0])
    strict, lenient = SrtpSender(keys), SrtpSender(keys, allow_repeat=True)
    assert strict.protect(rtp(1)) is not None
    assert strict.protect(rtp(1)) is None
    assert lenient.protect(rtp(1)) == lenient.protect(rtp(1))


def test_a_peer_may_use_so_many_ssrcs_and_no_more() -> None:
    keys = keys_for(PROFILES[0])
    sender, receiver = SrtpSender(keys), SrtpReceiver(keys, max_streams=2)

    def arrives(ssrc: int, seq: int) -> bool:
        protected = sender.protect(rtp(seq, ssrc=ssrc))
        return protected is not None and receiver.unprotect(protected) is not None

    assert arrives(1, 1)
    assert arrives(2, 1)
    assert not arrives(3, 1)
    assert arrives(1, 2)
    receiver.remove_stream(1)
    assert arrives(3, 2)


def test_forged_packets_of_many_ssrcs_take_no_room() -> None:
    keys = keys_for(PROFILES[0])
    sender, receiver = SrtpSender(keys), SrtpReceiver(keys, max_streams=2)
    for ssrc in range(10, 200):
        assert receiver.unprotect(rtp(1, ssrc=ssrc, payload=bytes(40))) is None
    protected = sender.protect(rtp(1))
    assert protected is not None
    assert receiver.unprotect(protected) == rtp(1)


def test_a_closed_session_refuses_and_closing_twice_is_harmless() -> None:
    keys = keys_for(PROFILES[0])
    sender, receiver = SrtpSender(keys), SrtpReceiver(keys)
    protected = sender.protect(rtp(1))
    assert protected is not None
    for half in (sender, receiver):
        half.close()
        half.close()
        half.remove_stream(1)
    assert sender.protect(rtp(2)) is None
    assert sender.protect_in(PacketBuffer(), 12) == 0
    assert sender.protect_rtcp(report()) is None
    assert receiver.unprotect(protected) is None


def test_too_long_and_empty_packets_are_refused() -> None:
    sender, buffer = SrtpSender(keys_for(PROFILES[0])), PacketBuffer()
    assert sender.protect(rtp(1, payload=bytes(MAX_PACKET - 12))) is not None
    assert sender.protect(rtp(2, payload=bytes(MAX_PACKET))) is None
    assert sender.protect_in(buffer, MAX_PACKET + 1) == 0
    assert sender.protect_in(buffer, 0) == 0
    assert sender.protect_in(buffer, -1) == 0
    assert sender.protect_rtcp(report() + bytes(MAX_PACKET)) is None


def test_sessions_outlive_the_wiping_of_their_keys() -> None:
    keys = keys_for(PROFILES[0])
    sender, receiver = SrtpSender(keys), SrtpReceiver(keys)
    keys.wipe()
    assert not any(keys.local)
    assert not any(keys.remote)
    protected = sender.protect(rtp(1))
    assert protected is not None
    assert receiver.unprotect(protected) == rtp(1)
    assert "bytearray" not in repr(keys)


def test_a_failure_of_libsrtp_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(srtp, "OK", -1)
    with pytest.raises(UsageError):
        SrtpSender(keys_for(PROFILES[0]))


@settings(max_examples=300, deadline=None)
@given(datagram=st.binary(max_size=2200))
def test_any_datagram_gives_a_value(datagram: bytes) -> None:
    keys = keys_for(PROFILES[2])
    receiver = SrtpReceiver(keys)
    assert receiver.unprotect(datagram) is None
    assert receiver.unprotect_rtcp(datagram) is None


@settings(max_examples=200, deadline=None)
@given(data=st.data(), profile=st.sampled_from(PROFILES))
def test_a_changed_packet_is_never_taken(data: st.DataObject, profile: SrtpProfile) -> None:
    keys = keys_for(profile)
    protected = SrtpSender(keys).protect(rtp(1))
    assert protected is not None
    at = data.draw(st.integers(0, len(protected) - 1))
    bit = data.draw(st.integers(0, 7))
    changed = bytearray(protected)
    changed[at] ^= 1 << bit
    assert SrtpReceiver(keys).unprotect(bytes(changed)) is None


@settings(max_examples=200, deadline=None)
@given(body=st.binary(max_size=200))
def test_an_authentic_packet_of_any_content_gives_a_value(body: bytes) -> None:
    """Extension lengths, CSRC counts and padding that lie, from a peer that holds the keys."""
    keys = keys_for(PROFILES[0])
    packet = bytes([0x80 | (body[0] & 0x3F if body else 0)]) + rtp(1)[1:] + body
    protected = SrtpSender(keys).protect(packet)
    if protected is not None:
        assert SrtpReceiver(keys).unprotect(protected) in {packet, None}
