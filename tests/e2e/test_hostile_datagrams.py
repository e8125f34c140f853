"""Rows of the threat list that need a real port: datagrams from strangers, and malformed ones from a known peer.

A lesson runs the whole time, and what its viewer decodes is the judge.
"""

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import pylibsrtp
import pytest

from tests.e2e import programme
from tests.e2e.client import Client, Viewer, publishing, watching
from tests.e2e.server import Lesson, LiveServer
from tests.e2e.waiting import until

pytestmark = pytest.mark.e2e


def client_hello() -> bytes:
    """A DTLS 1.2 ClientHello that offers a cipher without encryption and nothing else (RFC 6347 section 4.2)."""
    body = b"\xfe\xfd" + bytes(range(32)) + b"\x00\x00" + b"\x00\x02\x00\x02" + b"\x01\x00"
    length = len(body).to_bytes(3, "big")
    handshake = b"\x01" + length + b"\x00\x00" + b"\x00\x00\x00" + length + body
    return b"\x16\xfe\xff" + bytes(8) + len(handshake).to_bytes(2, "big") + handshake


CLIENT_HELLO = client_hello()
FATAL_ALERT = b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02" + b"\x02\x28"
"""Level fatal, handshake_failure."""


@pytest.fixture
def stranger(server: LiveServer) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
        port.connect(("127.0.0.1", server.udp_port))
        port.setblocking(False)
        yield port


@pytest.fixture
async def lesson_in_session(lesson: Lesson) -> AsyncIterator[tuple[Client, Viewer]]:
    """One teaches, one watches, both by the independent client."""
    known = programme.encode(6, 30)
    async with (
        publishing(lesson.whip_url, lesson.teacher_token, known) as teacher,
        watching(lesson.whep_url, lesson.classroom_token) as viewer,
    ):
        await until(lambda: len(viewer.saw(6)) >= 10, "the viewer sees the teacher")
        yield teacher, viewer


async def goes_on(viewer: Viewer, seconds: float = 1.5) -> None:
    """The viewer misses nothing while the given time passes.

    Raises:
        AssertionError: frames or sound were missing.
    """
    frames, tones = len(viewer.saw(6)), len(viewer.tones)
    await asyncio.sleep(seconds)
    assert len(viewer.saw(6)) - frames >= programme.FPS * seconds * 0.8
    assert len(viewer.tones) - tones >= seconds / programme.FRAME_S * 0.8


async def test_datagrams_of_strangers_get_no_answer_and_disturb_nobody(
    lesson_in_session: tuple[Client, Viewer], stranger: socket.socket
) -> None:
    """Empty, random, DTLS, RTP, RTCP and unsigned STUN from an address that no check has bound to a session."""
    _, viewer = lesson_in_session
    seed = 7
    print(f"seed {seed}")
    source = random.Random(seed)
    stun = struct.pack("!HHI12s", 1, 0, 0x2112A442, source.randbytes(12))
    for _ in range(300):
        for datagram in (
            b"",
            source.randbytes(source.randrange(1, 1400)),
            CLIENT_HELLO,
            FATAL_ALERT,
            b"\x80\x60" + source.randbytes(200),
            b"\x80\xc8" + source.randbytes(50),
            stun,
        ):
            stranger.send(datagram)
        await asyncio.sleep(0)
    await goes_on(viewer)
    with pytest.raises(BlockingIOError):
        stranger.recv(2000)


async def test_a_stranger_during_the_join_does_not_take_the_session(lesson: Lesson, stranger: socket.socket) -> None:
    """A ClientHello race: the stranger's DTLS floods the port while both join."""
    stop = asyncio.Event()

    async def flood() -> None:
        while not stop.is_set():
            for datagram in (b"", CLIENT_HELLO, FATAL_ALERT):
                stranger.send(datagram)
            await asyncio.sleep(0.002)

    flooding = asyncio.ensure_future(flood())
    try:
        async with (
            publishing(lesson.whip_url, lesson.teacher_token, programme.encode(6, 12)),
            watching(lesson.whep_url, lesson.classroom_token) as viewer,
        ):
            await until(lambda: len(viewer.saw(6)) >= 25, "the viewer sees the teacher")
    finally:
        stop.set()
        await flooding


def malformed(ssrc: int, payload_type: int, seq: int) -> dict[str, bytes]:
    """RTP and RTCP that lie about their own lengths."""

    def header(first: int, number: int) -> bytes:
        return struct.pack("!BBHII", first, payload_type, (seq + number) & 0xFFFF, 1, ssrc)

    return {
        "extension longer than the packet": header(0x90, 0) + b"\xbe\xde\xff\xff" + bytes(8),
        "extension element beyond its block": header(0x90, 1) + b"\xbe\xde\x00\x01\x3f" + bytes(11),
        "padding larger than the payload": header(0xA0, 2) + b"\x01\x02\xff",
        "padding of nothing": header(0xA0, 3) + b"\x00",
        "fifteen CSRCs that are not there": header(0x8F, 4) + bytes(8),
        "REMB that counts sources it does not have": struct.pack("!BBHII", 0x8F, 206, 5, ssrc, 0)
        + b"REMB\xff\x00\x00\x00"
        + bytes(4),
        "receiver report with blocks it does not hold": struct.pack("!BBHI", 0x9F, 201, 1, ssrc),
        "transport feedback of endless runs": struct.pack("!BBHII", 0x8F, 205, 5, ssrc, 0)
        + struct.pack("!HHI", 0, 65_535, 0)
        + b"\x3f\xff\x3f\xff",
        "compound longer than the datagram": struct.pack("!BBHI", 0x80, 200, 65_535, ssrc),
    }


@pytest.mark.parametrize("which", range(2), ids=["teacher", "viewer"])
async def test_malformed_packets_of_a_known_peer_are_dropped_and_the_peer_stays(
    server: LiveServer, lesson_in_session: tuple[Client, Viewer], which: int
) -> None:
    """Valid SRTP around nonsense: encrypted with the peer's own keys, sent from the peer's own address."""
    _, viewer = lesson_in_session
    sender = lesson_in_session[which].connection.getTransceivers()[1].sender
    transport = sender.transport
    newest = await newest_sequence_number(transport, sender._ssrc) if which == 0 else 1000
    sent = []
    for repeat in range(5):
        # Ahead of what is sent now, within the receiver's window: nothing but the lie is wrong with them.
        for name, packet in malformed(sender._ssrc, 99, newest + 400 + 10 * repeat).items():
            # libsrtp refuses to encrypt some of these, as the server's would refuse to decrypt them.
            with suppress(pylibsrtp.Error):
                await transport._send_rtp(packet)  # RTP or RTCP by the second byte
                sent.append(name)
    assert len(set(sent)) >= 6, sent
    await goes_on(viewer)
    assert await server.api("GET", "/healthz") is not None


async def newest_sequence_number(transport: Any, ssrc: int) -> int:
    """Of the RTP packets that this peer sends now with this SSRC."""
    found: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    send = transport._send_rtp

    async def spy(packet: bytes) -> None:
        # An RTCP packet of this SSRC has it in octets 4 to 8 (RFC 3550 section 6.4.1).
        if packet[8:12] == ssrc.to_bytes(4, "big") and not found.done():
            found.set_result(int.from_bytes(packet[2:4], "big"))
        await send(packet)

    transport._send_rtp = spy
    try:
        return await asyncio.wait_for(found, 5)
    finally:
        transport._send_rtp = send
