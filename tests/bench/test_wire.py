"""What the bench's decryptor says of packets that are right, and of each way in which they can be wrong."""

import struct

import pytest
from bench.wire import EVERY, Checks, Wire
from pylibsrtp import Policy, Session

KEY = bytes(range(30))
PAYLOAD = b"a picture"


def session(direction: int) -> Session:
    return Session(Policy(key=KEY, ssrc_type=direction))


def packet(seq: int, *, kind: int = 96, ssrc: int = 7, number: int = -1, payload: bytes = PAYLOAD) -> bytes:
    head = struct.pack("!BBHII", 0x90 if number >= 0 else 0x80, kind, seq & 0xFFFF, 90 * seq & 0xFFFFFFFF, ssrc)
    block = struct.pack("!HHBHx", 0xBEDE, 1, 0x31, number & 0xFFFF) if number >= 0 else b""
    return head + block + payload


def found(packets: list[tuple[bytes, int]]) -> Checks:
    """What is found of packets with how many came since the last one."""
    ours, checks = session(Policy.SSRC_ANY_OUTBOUND), Checks(frozenset([PAYLOAD]))
    wire = Wire(session(Policy.SSRC_ANY_INBOUND), checks, number_id=3, repairs=97)
    for one, since in packets:
        wire.check(ours.protect(one), since)
    return checks


def test_one_packet_of_ten_is_enough_over_the_wrap_of_the_sequence_numbers() -> None:
    packets = [(packet(seq, number=seq), EVERY) for seq in range(65_000, 66_000, EVERY)]
    checks = found(packets)
    assert (checks.checked, checks.numbered, checks.failed) == (100, 100, 0)


def test_a_server_may_number_some_packets_only() -> None:
    checks = found([(packet(1, number=5), 1), (packet(2), 1), (packet(3, number=6), 1)])
    assert (checks.numbered, checks.failed) == (2, 0)


def test_a_retransmission_has_another_payload() -> None:
    assert found([(packet(1, kind=97, payload=b"\0\1" + PAYLOAD), 1)]).failed == 0


@pytest.mark.parametrize(
    ("second", "since", "fault"),
    [
        (packet(14), EVERY, "sequence number"),
        (packet(12, ssrc=8), 1, "SSRC"),
        (packet(12, kind=98), 1, "payload type"),
        (packet(12, number=5), 1, "transport-wide number"),
        (packet(12, payload=b"another"), 1, "payload"),
    ],
)
def test_a_packet_that_does_not_follow_has_its_fault_named(second: bytes, since: int, fault: str) -> None:
    checks = found([(packet(11, number=5), 1), (second, since)])
    assert dict(checks.faults) == {fault: 1}


def test_a_forged_packet_and_one_under_other_keys_are_undecryptable() -> None:
    checks = Checks()
    wire = Wire(session(Policy.SSRC_ANY_INBOUND), checks)
    protected = session(Policy.SSRC_ANY_OUTBOUND).protect(packet(1))
    wire.check(protected[:-1] + bytes((protected[-1] ^ 1,)), 1)
    wire.check(Session(Policy(key=KEY[::-1], ssrc_type=Policy.SSRC_ANY_OUTBOUND)).protect(packet(2)), 1)
    assert (checks.checked, dict(checks.faults)) == (2, {"undecryptable": 2})
