"""A browser's side of ICE-TCP, as small as it can be: checks built by aioice, DTLS and SRTP of our own."""

import asyncio
import time
from collections.abc import Callable
from types import TracebackType

from aioice import stun

from liveclass.transport.dtls import Dtls, Identity
from liveclass.transport.sdp import Offer
from liveclass.transport.session import PeerSession, Reason
from liveclass.transport.srtp import SrtpReceiver, SrtpSender

PATIENCE_S = 5.0
THEIRS = Identity.generate(time.time())
REMOTE = "peer"


def offer() -> Offer:
    """What the client would have signalled."""
    algorithm, value = THEIRS.fingerprint.split()
    return Offer(REMOTE, "p" * 24, [(algorithm, value)], "actpass", [])


def check(session: PeerSession, *, nominate: bool = False, key: str = "") -> bytes:
    """A connectivity check to a session, with its password unless another `key` is given."""
    ufrag, pwd = session.credentials
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{ufrag}:{REMOTE}"
    message.attributes["PRIORITY"] = 1_845_501_695
    message.attributes["ICE-CONTROLLING"] = 12_345
    if nominate:
        message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity((key or pwd).encode())
    return bytes(message)


class Told:
    """A handler that notes what it is told."""

    def __init__(self) -> None:
        self.connections = self.moves = 0
        self.media: list[bytes] = []
        self.ends: list[Reason] = []

    def connected(self, now: float) -> None:
        self.connections += 1

    def moved(self, now: float) -> None:
        self.moves += 1

    def rtp(self, datagram: bytes, now: float) -> None:
        self.media.append(datagram)

    def rtcp(self, datagram: bytes, now: float) -> None:
        self.media.append(datagram)

    def closed(self, reason: Reason, now: float) -> None:
        self.ends.append(reason)


class TcpClient:
    """One connection; datagrams in frames both ways."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def __aenter__(self) -> "TcpClient":
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None
    ) -> None:
        self.writer.close()

    @property
    def local(self) -> tuple[str, int]:
        host, port = self.writer.get_extra_info("sockname")
        return host, port

    def send(self, datagram: bytes) -> None:
        self.writer.write(len(datagram).to_bytes(2, "big") + datagram)

    async def receive(self) -> bytes:
        """The next datagram.

        Raises:
            asyncio.IncompleteReadError: the connection ended.
        """
        async with asyncio.timeout(PATIENCE_S):
            length = int.from_bytes(await self.reader.readexactly(2), "big")
            return await self.reader.readexactly(length)

    async def ended(self) -> bool:
        """Whether the server closes the connection, in time, without another word."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self.reader.read(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    async def connect(self, session: PeerSession, server: Identity) -> tuple[SrtpSender, SrtpReceiver]:
        """Check and handshake."""
        self.send(check(session, nominate=True))
        reply = stun.parse_message(await self.receive())
        assert reply.message_class == stun.Class.RESPONSE
        assert reply.attributes["XOR-MAPPED-ADDRESS"] == self.local
        algorithm, value = server.fingerprint.split()
        dtls = Dtls(THEIRS, [(algorithm, value)], role="client", now=time.monotonic())
        for datagram in dtls.start(time.monotonic()):
            self.send(datagram)
        while dtls.keys is None:
            for datagram in dtls.receive(await self.receive(), time.monotonic()):
                self.send(datagram)
        return SrtpSender(dtls.keys, allow_repeat=True), SrtpReceiver(dtls.keys)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the other side of a connection has done its part.

    Raises:
        TimeoutError: it never did.
    """
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in the server's callbacks
            await asyncio.sleep(0.005)
