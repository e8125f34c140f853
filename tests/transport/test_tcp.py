"""Media over TCP: what gets through, what a stranger and a slow peer cost, and how a session changes its way."""

import contextlib
import socket
import struct
import time
from collections.abc import AsyncIterator

import pytest
from aioice import stun

from liveclass.transport import tcp
from liveclass.transport.dtls import Identity
from liveclass.transport.endpoint import MAX_TCP_CANDIDATES, Endpoint
from liveclass.transport.session import PeerSession
from liveclass.transport.tcp import PROBATION_FRAMES, PROBATION_S, UNSENT_BYTES, TcpPeer
from tests.transport.tcp_client import TcpClient, Told, check, offer, until

OURS = Identity.generate(time.time())


@contextlib.asynccontextmanager
async def opened(limit: int = 10) -> AsyncIterator[Endpoint]:
    for _ in range(10):
        endpoint = Endpoint(OURS, timeout_s=30, max_sessions=10, public=["127.0.0.1"], max_tcp_peers=limit)
        await endpoint.open("127.0.0.1", 0)
        # The number that was free for UDP may be taken on TCP.
        if endpoint.tcp_ports or not limit:
            break
        endpoint.close()
    try:
        yield endpoint
        assert endpoint.counters.failures == 0
    finally:
        endpoint.close()


def rtp(seq: int, ssrc: int = 7) -> bytes:
    return struct.pack("!BBHII", 0x80, 96, seq, 0, ssrc) + b"sound"


def accept(endpoint: Endpoint) -> tuple[PeerSession, Told]:
    told = Told()
    return endpoint.accept(offer(), told, time.monotonic()), told


def carried(session: PeerSession) -> bool:
    """Whether TCP carries the session now, which a type checker must not believe to be so a line later."""
    return session.stream is not None


async def test_check_handshake_and_media_pass_over_tcp_both_ways() -> None:
    async with opened() as endpoint, TcpClient(endpoint.port) as client:
        session, told = accept(endpoint)
        sender, receiver = await client.connect(session, OURS)
        assert session.stream is not None
        assert session.name == b""
        packet = sender.protect(rtp(1))
        assert packet is not None
        client.send(packet)
        await until(lambda: told.media == [packet])
        assert session.receiver is not None
        assert session.receiver.unprotect(packet) == rtp(1)
        assert session.sender is not None
        protected = session.sender.protect(rtp(2))
        assert protected is not None
        endpoint.transmit(session, protected)
        assert receiver.unprotect(await client.receive()) == rtp(2)
        assert told.connections == 1
        assert endpoint.batch.sent == 0, "nothing goes by UDP"


async def test_the_server_says_goodbye_and_closes_the_connection() -> None:
    async with opened() as endpoint, TcpClient(endpoint.port) as client:
        session, _ = accept(endpoint)
        await client.connect(session, OURS)
        endpoint.forget(session, time.monotonic())
        farewell = await client.receive()
        assert 20 <= farewell[0] < 64, "a DTLS record: close_notify"
        assert await client.ended()
        assert len(endpoint.tcp) == 0
        assert not endpoint._by_address


async def test_nothing_is_believed_before_a_valid_check() -> None:
    async with opened() as endpoint, TcpClient(endpoint.port) as client:
        session, told = accept(endpoint)
        client.send(rtp(1))
        client.send(bytes([22]) + bytes(60))
        client.send(check(session, key="x" * 24))
        await until(lambda: endpoint.counters.strangers == 3)
        assert session.address is None
        assert session.dtls.state == "new"
        assert told.media == []


@pytest.mark.parametrize("words", [b"\xff\xff", b"GET / HTTP/1.1\r\n\r\n"])
async def test_a_peer_that_speaks_no_frames_is_closed(words: bytes) -> None:
    async with opened() as endpoint, TcpClient(endpoint.port) as client:
        client.writer.write(words)
        assert await client.ended()
        assert len(endpoint.tcp) == 0


async def test_a_stranger_has_few_datagrams_and_little_time() -> None:
    async with opened() as endpoint:
        async with TcpClient(endpoint.port) as client:
            for _ in range(PROBATION_FRAMES + 1):
                client.send(rtp(1))
            assert await client.ended()
        async with TcpClient(endpoint.port) as client:
            await until(lambda: len(endpoint.tcp) == 1)
            endpoint.tcp.sweep(time.monotonic() + PROBATION_S - 1, 30)
            assert len(endpoint.tcp) == 1
            endpoint.tcp.sweep(time.monotonic() + PROBATION_S + 1, 30)
            assert await client.ended()


async def test_a_flood_of_silent_connections_is_bounded_and_never_ends_a_lesson() -> None:
    async with opened(limit=4) as endpoint, TcpClient(endpoint.port) as client, contextlib.AsyncExitStack() as stack:
        session, _ = accept(endpoint)
        await client.connect(session, OURS)
        flood = [await stack.enter_async_context(TcpClient(endpoint.port)) for _ in range(20)]
        await until(lambda: endpoint.tcp.counters.accepted == 21)
        assert len(endpoint.tcp) == 4
        assert endpoint.tcp.counters.refused == 17
        assert await flood[0].ended()
        # The flood goes on, and whoever proves itself is still let in.
        async with TcpClient(endpoint.port) as honest:
            other, _ = accept(endpoint)
            await honest.connect(other, OURS)
        assert session.stream is not None
        assert session.stream.is_open


async def test_proven_peers_are_never_closed_for_newcomers() -> None:
    async with opened(limit=1) as endpoint, TcpClient(endpoint.port) as client:
        session, _ = accept(endpoint)
        await client.connect(session, OURS)
        async with TcpClient(endpoint.port) as late:
            assert await late.ended()
        assert session.stream is not None
        assert session.stream.is_open


async def test_udp_is_taken_when_the_browser_nominates_it_and_tcp_when_it_returns() -> None:
    async with opened() as endpoint, TcpClient(endpoint.port) as client:
        session, told = accept(endpoint)
        await client.connect(session, OURS)
        moves = told.moves
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind(("127.0.0.1", 0))
            udp.setblocking(False)
            address = udp.getsockname()
            now = time.monotonic()
            endpoint.datagram(check(session), address, now)
            assert carried(session), "a check alone is no nomination"
            assert told.moves == moves
            endpoint.datagram(check(session, nominate=True), address, now)
            assert not carried(session)
            assert session.name != b""
            assert told.moves == moves + 1
            endpoint.transmit(session, rtp(1))
            while (got := udp.recv(2048))[0] < 4:  # the two answers come first
                pass
            assert got == rtp(1)
            client.send(check(session, nominate=True))
            await until(lambda: session.stream is not None)
            assert session.name == b""
            assert told.moves == moves + 2
            client.writer.close()
            await until(lambda: session.stream is None)
            assert session.address == address, "the way that was proved before is still there"
            assert told.moves == moves + 3


async def test_a_session_without_any_way_waits_for_the_next_check() -> None:
    async with opened() as endpoint:
        session, told = accept(endpoint)
        async with TcpClient(endpoint.port) as client:
            await client.connect(session, OURS)
        await until(lambda: session.address is None)
        endpoint.transmit(session, rtp(1))
        assert session.id in endpoint.sessions
        async with TcpClient(endpoint.port) as again:
            again.send(check(session))
            assert stun.parse_message(await again.receive()).message_class == stun.Class.RESPONSE
            assert session.stream is not None
        assert told.ends == []


async def test_a_slow_peer_costs_bounded_memory_and_whole_datagrams() -> None:
    async with opened() as endpoint, TcpClient(endpoint.port) as client:
        session, _ = accept(endpoint)
        await client.connect(session, OURS)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        stream = session.stream
        assert isinstance(stream, TcpPeer)
        sent = 0
        while not endpoint.tcp.counters.dropped:
            endpoint.transmit(session, rtp(sent) + bytes(1100))
            sent += 1
            assert sent < 20_000
        assert stream.unsent <= UNSENT_BYTES
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        seen = [await client.receive() for _ in range(sent - 1)]
        assert [struct.unpack_from("!H", packet, 2)[0] for packet in seen] == list(range(sent - 1))
        assert stream.unsent == 0
        endpoint.transmit(session, b"\x80live")
        assert await client.receive() == b"\x80live", "it goes on once the peer has caught up"
        assert endpoint.tcp.counters.dropped == 1


async def test_a_peer_that_resets_while_it_is_sent_to_is_let_go_of_afterwards() -> None:
    async with opened() as endpoint:
        session, told = accept(endpoint)
        async with TcpClient(endpoint.port) as client:
            await client.connect(session, OURS)
            stream = session.stream
            assert isinstance(stream, TcpPeer)
            moves = told.moves
            stream._sock.shutdown(socket.SHUT_WR)
            assert not stream.send(b"x")
            assert told.moves == moves, "not while its caller walks through its tables"
            await until(lambda: told.moves == moves + 1)
            assert session.stream is None


async def test_a_stranger_on_tcp_learns_under_which_address_it_is_seen() -> None:
    body = b"\x80\x22\x00\x18" + bytes(24)
    request = b"\x00\x01" + len(body).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + bytes(range(12)) + body
    async with opened() as endpoint, TcpClient(endpoint.port) as client:
        client.send(request)
        reply = stun.parse_message(await client.receive())
        assert reply.attributes["XOR-MAPPED-ADDRESS"] == client.local


async def test_candidates_name_the_likeliest_port_first_and_are_few() -> None:
    async with opened() as endpoint:
        endpoint.tcp_ports.insert(0, 443)
        assert endpoint.tcp_candidates("") == [("127.0.0.1", 443), ("127.0.0.1", endpoint.port)]
        assert len(endpoint.tcp_candidates("192.0.2.9")) == MAX_TCP_CANDIDATES
    without = Endpoint(OURS, timeout_s=30, max_sessions=10)
    await without.open("127.0.0.1", 0)
    try:
        assert without.tcp_candidates("192.0.2.9") == []
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", without.port)):
            pass
    finally:
        without.close()


async def test_a_tcp_number_that_is_taken_costs_no_start(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        endpoint = Endpoint(OURS, timeout_s=30, max_sessions=10, max_tcp_peers=4)
        await endpoint.open("127.0.0.1", other.getsockname()[1])
        try:
            assert endpoint.tcp_ports == []
            assert "takes no media" in caplog.text
        finally:
            endpoint.close()


async def test_no_descriptor_left_stops_accepting_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "EXHAUSTED_PAUSE_S", 0.05)
    (sock,) = tcp.listening("127.0.0.1", 0)
    taken: list[socket.socket] = []
    calls = 0

    class Exhausted:
        """The listening socket of a process that has no descriptor left, once."""

        def fileno(self) -> int:
            return sock.fileno()

        def accept(self) -> tuple[socket.socket, object]:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise OSError(24, "Too many open files")
            return sock.accept()

        def close(self) -> None:
            sock.close()

    listener = tcp.Listener(Exhausted(), lambda one, _: taken.append(one))  # type: ignore[arg-type]
    try:
        async with TcpClient(sock.getsockname()[1]):
            await until(lambda: len(taken) == 1)
            assert calls >= 2
    finally:
        listener.close()
        for one in taken:
            one.close()
