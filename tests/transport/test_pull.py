"""The laws of a session that this node asks for: against a real media port on loopback, and in virtual time."""

import asyncio
import hashlib
import itertools
import random
import time
from collections.abc import AsyncIterator, Callable

import pytest
from aioice import stun

from liveclass.errors import PeerError
from liveclass.rtp import rtcp
from liveclass.transport.dial import Dial
from liveclass.transport.dtls import Identity
from liveclass.transport.endpoint import Endpoint
from liveclass.transport.ice import Address, IceLite, new_credentials
from liveclass.transport.ice_check import DEAD_S, REFRESH_S, IceCheck
from liveclass.transport.pull import PullSession
from liveclass.transport.sdp import EXT_TRANSPORT_CC, parse_offer
from liveclass.transport.sdp_answer import AnsweredMedia, build_answer, choose_codecs, choose_extensions
from liveclass.transport.sdp_pull import NUMBER_ID, build_offer, parse_answer
from liveclass.transport.session import PeerSession, Reason

HERE: Address = ("127.0.0.1", 7000)
MINE = Identity.generate(time.time())
FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)


class Noting:
    """A handler that notes what it is told."""

    def __init__(self) -> None:
        self.is_connected = False
        self.reason: Reason | None = None
        self.media: list[bytes] = []
        self.control: list[bytes] = []

    def connected(self, now: float) -> None:
        self.is_connected = True

    def moved(self, now: float) -> None: ...

    def rtp(self, datagram: bytes, now: float) -> None:
        self.media.append(datagram)

    def rtcp(self, datagram: bytes, now: float) -> None:
        self.control.append(datagram)

    def closed(self, reason: Reason, now: float) -> None:
        self.reason = reason


def answer_to(
    offer: str, fingerprint: str = FINGERPRINT, credentials: tuple[str, str] | None = None, port: int = 7000
) -> str:
    parsed = parse_offer(offer, max_bytes=65_536)
    ufrag, pwd = credentials or new_credentials()
    media = [
        AnsweredMedia(item.mid, direction="sendonly", codecs=choose_codecs(item), extensions=choose_extensions(item))
        for item in parsed.media
    ]
    return build_answer(
        parsed,
        ufrag=ufrag,
        pwd=pwd,
        fingerprint=fingerprint,
        candidates=[("127.0.0.1", port)],
        media=media,
        session_id=1,
    )


class Above:
    """The node that is pulled from: a real media port."""

    def __init__(self) -> None:
        self.identity = Identity.generate(time.time())
        self.endpoint = Endpoint(self.identity, timeout_s=30, max_sessions=50, public=["127.0.0.1"])
        self.handler = Noting()
        self.session: PeerSession | None = None

    def answer(self, offer: str, fingerprint: str = "") -> str:
        parsed = parse_offer(offer, max_bytes=65_536)
        self.session = self.endpoint.accept(parsed, self.handler, time.monotonic())
        return answer_to(offer, fingerprint or self.identity.fingerprint, self.session.credentials, self.endpoint.port)


@pytest.fixture
async def above() -> AsyncIterator[Above]:
    node = Above()
    await node.endpoint.open("127.0.0.1", 0)
    yield node
    node.endpoint.close()


async def tick(dial: Dial, until: Callable[[], object], limit_s: float = 5.0) -> bool:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        dial.tick(time.monotonic())
        if until():
            return True
        await asyncio.sleep(0.02)
    return False


async def test_keys_are_agreed_and_packets_go_both_ways(above: Above) -> None:
    below = Noting()
    dial = Dial(MINE, below, lambda: None)
    dial.accept(above.answer(dial.offer))
    assert await tick(dial, lambda: below.is_connected and above.handler.is_connected)
    assert above.session is not None
    assert above.session.sender is not None
    assert above.session.receiver is not None
    packet = above.session.sender.protect(bytes((0x80, 111, 0, 1)) + bytes(8) + b"hello")
    assert packet is not None
    above.endpoint.transmit(above.session, packet)
    assert await tick(dial, lambda: below.media)
    plain = dial.session.unprotect(below.media[0], time.monotonic())
    assert plain is not None
    assert plain.endswith(b"hello")
    assert dial.session.unprotect(below.media[0], time.monotonic()) is None, "a replayed packet is taken once"
    dial.send(rtcp.build_receiver_report(5))
    assert await tick(dial, lambda: above.handler.control)
    assert above.session.control(above.handler.control[0], time.monotonic()) == [rtcp.ReceiverReport(5, ())]
    dial.close()
    assert await tick(dial, lambda: above.handler.reason is not None)
    assert above.handler.reason == "peer_closed"


async def test_the_shortest_datagrams_are_no_fault_of_ours(above: Above) -> None:
    """Anybody can send them in the other node's name, and each fault is a line in the log."""
    below = Noting()
    dial = Dial(MINE, below, lambda: None)
    dial.accept(above.answer(dial.offer))
    assert await tick(dial, lambda: below.is_connected and above.handler.is_connected)
    assert above.session is not None
    for datagram in (b"\x80", b"\x80\xc8", b"\x80\x60"):
        above.endpoint.transmit(above.session, datagram)
    assert await tick(dial, lambda: below.control and len(below.media) == 2)
    assert dial.failures == 0
    dial.close()


async def test_a_node_whose_certificate_is_not_the_signalled_one_is_refused(above: Above) -> None:
    below = Noting()
    dial = Dial(MINE, below, lambda: None)
    digest = hashlib.sha256(b"somebody else").hexdigest().upper()
    other = ":".join(digest[at : at + 2] for at in range(0, 64, 2))
    dial.accept(above.answer(dial.offer, f"sha-256 {other}"))
    assert await tick(dial, lambda: below.reason is not None)
    assert below.reason == "failed"
    assert not below.is_connected
    dial.close()


async def test_the_end_of_the_session_above_is_told_at_once(above: Above) -> None:
    below = Noting()
    dial = Dial(MINE, below, lambda: None)
    dial.accept(above.answer(dial.offer))
    assert await tick(dial, lambda: below.is_connected and above.handler.is_connected)
    assert above.session is not None
    above.endpoint.forget(above.session, time.monotonic())
    assert await tick(dial, lambda: below.reason is not None, 1.0)
    assert below.reason == "peer_closed"
    dial.close()


async def test_two_sessions_from_one_node_do_not_meet(above: Above) -> None:
    dials = []
    for _ in range(3):
        below = Noting()
        above.handler = Noting()
        dial = Dial(MINE, below, lambda: None)
        dial.accept(above.answer(dial.offer))
        assert await tick(dial, lambda below=below: below.is_connected and above.handler.is_connected)  # type: ignore[misc]
        dials.append((dial, below, above.session))
    for number, (dial, below, session) in enumerate(dials):
        assert session is not None
        assert session.sender is not None
        packet = session.sender.protect(bytes((0x80, 111, 0, 1)) + bytes(8) + bytes((number,)))
        assert packet is not None
        above.endpoint.transmit(session, packet)
        assert await tick(dial, lambda below=below: below.media)  # type: ignore[misc]
        plain = dial.session.unprotect(below.media[0], time.monotonic())
        assert plain is not None
        assert plain[-1] == number
    for dial, _, _ in dials:
        dial.close()


# The checks, in virtual time


def pair(now: float = 0.0) -> tuple[IceCheck, IceLite]:
    below, above = new_credentials(), new_credentials()
    return IceCheck(below[0], *above, [HERE], now), IceLite(*above, *below)


def test_a_check_is_what_an_independent_reader_takes_for_one() -> None:
    below, above = new_credentials(), new_credentials()
    [check] = IceCheck(below[0], *above, [HERE], 0.0).due(0.0)
    message = stun.parse_message(check.datagram)
    fresh = stun.Message(message.message_method, message.message_class, message.transaction_id)
    fresh.attributes.update(
        {k: v for k, v in message.attributes.items() if k not in {"MESSAGE-INTEGRITY", "FINGERPRINT"}}
    )
    fresh.add_message_integrity(above[1].encode())
    assert bytes(fresh) == check.datagram
    assert message.message_class == stun.Class.REQUEST
    assert message.attributes["USERNAME"] == f"{above[0]}:{below[0]}"
    assert "USE-CANDIDATE" in message.attributes
    assert "ICE-CONTROLLING" in message.attributes
    assert "FINGERPRINT" in message.attributes


def test_the_lite_side_takes_the_check_and_its_answer_is_proof() -> None:
    ours, theirs = pair()
    [check] = ours.due(0.0)
    result = theirs.receive(check.datagram, ("127.0.0.1", 9), 0.1)
    assert result.valid
    assert result.nominated
    assert result.reply is not None
    assert not ours.receive(result.reply, ("127.0.0.1", 6666), 0.2), "from elsewhere than it was asked"
    assert ours.receive(result.reply, HERE, 0.2)
    assert ours.selected == HERE
    assert not ours.receive(result.reply, HERE, 0.3), "one answer counts once"


def test_an_unanswered_check_is_repeated_soon_and_consent_is_asked_for_all_the_time() -> None:
    ours, theirs = pair()
    times = [at / 100 for at in range(100) if ours.due(at / 100)]
    assert times[:3] == [0.0, 0.05, 0.16]
    assert len(times) <= 6
    [check] = ours.due(1.5)
    reply = theirs.receive(check.datagram, ("127.0.0.1", 9), 1.5).reply
    assert reply is not None
    assert ours.receive(reply, HERE, 1.5)
    later = [at / 100 for at in range(151, 600) if ours.due(at / 100)]
    assert all(abs(b - a - REFRESH_S) < 0.02 for a, b in itertools.pairwise(later))


@pytest.mark.parametrize("seed", range(200))
def test_a_mutilated_answer_proves_nothing(seed: int) -> None:
    rng = random.Random(seed)
    ours, theirs = pair()
    [check] = ours.due(0.0)
    reply = theirs.receive(check.datagram, ("127.0.0.1", 9), 0.1).reply
    assert reply is not None
    bad = bytearray(reply)
    bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
    assert not ours.receive(bytes(bad), HERE, 0.2)
    assert not ours.receive(bytes(bad[: rng.randrange(len(bad))]), HERE, 0.2)


def test_a_node_that_is_silent_is_gone_after_two_seconds_and_not_before() -> None:
    handler = Noting()
    session = PullSession(MINE, handler, 0.0)
    credentials = new_credentials()
    session.accept(answer_to(session.offer, credentials=credentials), 0.0)
    lite = IceLite(*credentials, parse_offer(session.offer, max_bytes=65_536).ufrag)
    [(check, _)] = session.poll(0.0)
    reply = lite.receive(check, ("127.0.0.1", 9), 0.0).reply
    assert reply is not None
    assert session.receive(reply, HERE, 0.0), "the handshake begins with the first answer"
    session._ice.heard = session.heard = 1.0  # type: ignore[union-attr]
    session.receiver = object()  # type: ignore[assignment]
    session.poll(1.0 + DEAD_S - 0.1)
    assert handler.reason is None
    session.receiver = None
    session._ice.selected = None  # type: ignore[union-attr]
    session.poll(1.0 + DEAD_S + 0.1)
    assert handler.reason == "timeout"


def test_what_is_not_the_nodes_own_is_ignored() -> None:
    handler = Noting()
    session = PullSession(MINE, handler, 0.0)
    assert session.receive(b"", HERE, 0.0) == []
    session.accept(answer_to(session.offer), 0.0)
    rng = random.Random(1)
    for _ in range(500):
        datagram = rng.randbytes(rng.randint(0, 200))
        assert session.receive(datagram, HERE, 0.0) == []
    assert not handler.media
    assert not handler.control


# The description


def test_an_offer_is_one_that_our_own_media_port_takes() -> None:
    text = build_offer(ufrag="u" * 12, pwd="p" * 24, fingerprint=FINGERPRINT, session_id=1)
    offer = parse_offer(text, max_bytes=65_536)
    assert [media.kind for media in offer.media] == ["audio", "video"]
    assert offer.dtls_role == "server", "the node that offers is the client"
    names = {codec.codec.name for media in offer.media for codec in media.codecs}
    assert names == {"opus", "H264", "VP8", "VP9", "AV1"}
    assert all(codec.rtx_payload_type for codec in offer.media[1].codecs)
    assert {media.extensions[EXT_TRANSPORT_CC] for media in offer.media} == {NUMBER_ID}


def test_an_answer_says_where_and_how() -> None:
    text = build_offer(ufrag="u" * 12, pwd="p" * 24, fingerprint=FINGERPRINT, session_id=1)
    answer = parse_answer(answer_to(text, credentials=("abcd", "q" * 24)))
    assert (answer.ufrag, answer.pwd) == ("abcd", "q" * 24)
    assert answer.candidates == [HERE]
    assert answer.number_id == NUMBER_ID
    assert answer.fingerprints == [("sha-256", ":".join(["AB"] * 32))]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a=ice-lite\r\n", ""),
        ("a=setup:passive", "a=setup:active"),
        ("a=fingerprint:", "a=fingerpaint:"),
        ("127.0.0.1 7000 typ", "0.0.0.0 7000 typ"),
        ("127.0.0.1 7000 typ", "224.0.0.1 7000 typ"),
        ("127.0.0.1 7000 typ", "127.0.0.1 0 typ"),
        ("127.0.0.1 7000 typ", "127.0.0.999 7000 typ"),
        ("a=ice-pwd:", "a=ice-pwd:x y"),
        ("v=0", "w=0"),
    ],
)
def test_an_answer_that_cannot_be_used_is_an_error(old: str, new: str) -> None:
    text = answer_to(build_offer(ufrag="u" * 12, pwd="p" * 24, fingerprint=FINGERPRINT, session_id=1))
    assert old in text
    with pytest.raises(PeerError):
        parse_answer(text.replace(old, new))


@pytest.mark.parametrize("seed", range(100))
def test_a_mutilated_answer_is_an_error_and_nothing_else(seed: int) -> None:
    rng = random.Random(seed)
    text = list(answer_to(build_offer(ufrag="u" * 12, pwd="p" * 24, fingerprint=FINGERPRINT, session_id=1)))
    for _ in range(rng.randint(1, 20)):
        text[rng.randrange(len(text))] = chr(rng.randrange(1, 300))
    try:
        parse_answer("".join(text))
    except PeerError:
        pass
