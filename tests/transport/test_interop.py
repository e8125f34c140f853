"""SDP, ICE, DTLS and SRTP together against an independent WebRTC stack over loopback."""

import asyncio
import struct
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack
from av.audio.frame import AudioFrame

from liveclass.transport.dtls import Dtls, Identity
from liveclass.transport.ice import Address, IceLite, new_credentials, username_of
from liveclass.transport.sdp import Offer, parse_offer
from liveclass.transport.sdp_answer import AnsweredMedia, build_answer, choose_codecs, choose_extensions
from liveclass.transport.srtp import SrtpReceiver, SrtpSender

PATIENCE = 10.0
IDENTITY = Identity.generate(time.time())
SSRC = 0x5EED
SILENCE = b"\xf8\xff\xfe"
"""One Opus frame of 20 ms of silence (RFC 6716)."""


@dataclass
class Server(asyncio.DatagramProtocol):
    """The least that a server on these parts is: one socket, one peer."""

    credentials: tuple[str, str] = field(default_factory=new_credentials)
    packets: list[bytes] = field(default_factory=list)
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    received: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    sender: SrtpSender | None = None
    receiver: SrtpReceiver | None = None
    offer: Offer | None = None
    ice: IceLite | None = None
    dtls: Dtls | None = None
    transport: asyncio.DatagramTransport | None = None

    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))

    def answer(self, text: str, direction: str) -> str:
        assert self.transport is not None
        offer = self.offer = parse_offer(text, max_bytes=65_536)
        self.ice = IceLite(*self.credentials, offer.ufrag, offer.pwd)
        self.dtls = Dtls(IDENTITY, offer.fingerprints, role=offer.dtls_role, now=time.monotonic())
        media = [
            AnsweredMedia(
                item.mid,
                direction="sendonly" if direction == "sendonly" else "recvonly",
                codecs=choose_codecs(item),
                extensions=choose_extensions(item),
                ssrc=SSRC + place if direction == "sendonly" else None,
                cname="lesson",
                msid=f"lesson {item.mid}",
            )
            for place, item in enumerate(offer.media)
            if item.acceptable
        ]
        return build_answer(
            offer,
            ufrag=self.credentials[0],
            pwd=self.credentials[1],
            fingerprint=IDENTITY.fingerprint,
            candidates=[("127.0.0.1", self.transport.get_extra_info("sockname")[1])],
            media=media,
            session_id=1,
        )

    def datagram_received(self, data: bytes, addr: Address) -> None:
        assert self.transport is not None
        assert self.ice is not None
        assert self.dtls is not None
        now = time.monotonic()
        if data[0] < 4:
            assert username_of(data) == self.credentials[0]
            result = self.ice.receive(data, addr, now)
            assert result.reply is not None
            assert len(result.reply) <= len(data)
            self.transport.sendto(result.reply, addr)
            for datagram in self.dtls.start(now):
                self.transport.sendto(datagram, addr)
        elif data[0] < 64:
            for datagram in self.dtls.receive(data, now):
                self.transport.sendto(datagram, addr)
            if self.dtls.state == "connected" and self.dtls.keys is not None:
                self.sender, self.receiver = SrtpSender(self.dtls.keys), SrtpReceiver(self.dtls.keys)
                self.connected.set()
            elif self.dtls.state == "closed":
                self.closed.set()
        elif self.receiver is not None:
            rtcp = 192 <= data[1] < 224
            packet = self.receiver.unprotect_rtcp(data) if rtcp else self.receiver.unprotect(data)
            assert packet is not None
            if not rtcp:
                self.packets.append(packet)
                self.received.set()

    def send(self, packet: bytes) -> None:
        assert self.transport is not None
        assert self.sender is not None
        assert self.ice is not None
        protected = self.sender.protect(packet)
        assert protected is not None
        self.transport.sendto(protected, self.ice.selected)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    await made.listen()
    yield made
    if made.transport is not None:
        made.transport.close()


async def negotiate(peer: RTCPeerConnection, server: Server, direction: str, *, setup: str = "actpass") -> None:
    await peer.setLocalDescription(await peer.createOffer())
    text = peer.localDescription.sdp.replace("a=setup:actpass", f"a=setup:{setup}")
    await peer.setRemoteDescription(RTCSessionDescription(server.answer(text, direction), "answer"))


@pytest.mark.parametrize("setup", ["actpass", "passive"])
async def test_a_peer_that_publishes_is_heard(server: Server, setup: str) -> None:
    peer = RTCPeerConnection()
    peer.addTransceiver(AudioStreamTrack(), "sendonly")
    try:
        await negotiate(peer, server, "recvonly", setup=setup)
        await asyncio.wait_for(server.received.wait(), PATIENCE)
        assert server.offer is not None
        chosen = choose_codecs(server.offer.media[0])[0]
        payload_type, _, _, ssrc = struct.unpack_from("!BHII", server.packets[0], 1)
        assert payload_type & 0x7F == chosen.payload_type
        assert ssrc == server.offer.media[0].ssrcs[0]
    finally:
        await peer.close()
    await asyncio.wait_for(server.closed.wait(), PATIENCE)


async def test_a_peer_that_subscribes_hears(server: Server) -> None:
    peer = RTCPeerConnection()
    peer.addTransceiver("audio", "recvonly")
    peer.addTransceiver("video", "recvonly")
    tracks: list[MediaStreamTrack] = []
    peer.on("track", tracks.append)
    try:
        await negotiate(peer, server, "sendonly")
        await asyncio.wait_for(server.connected.wait(), PATIENCE)
        assert server.offer is not None
        payload_type = choose_codecs(server.offer.media[0])[0].payload_type
        heard = asyncio.ensure_future(tracks[0].recv())
        for seq in range(500):
            server.send(struct.pack("!BBHII", 0x80, payload_type, seq, seq * 960, SSRC) + SILENCE)
            await asyncio.sleep(0.005)
            if heard.done():
                break
        frame = await asyncio.wait_for(heard, PATIENCE)
        assert isinstance(frame, AudioFrame)
        assert frame.sample_rate == 48_000
    finally:
        await peer.close()


async def test_a_peer_hears_our_farewell(server: Server) -> None:
    peer = RTCPeerConnection()
    peer.addTransceiver("audio", "recvonly")
    closed = asyncio.Event()

    @peer.on("connectionstatechange")
    def changed() -> None:
        if peer.connectionState == "closed":
            closed.set()

    try:
        await negotiate(peer, server, "sendonly")
        await asyncio.wait_for(server.connected.wait(), PATIENCE)
        assert server.dtls is not None
        assert server.ice is not None
        assert server.transport is not None
        for datagram in server.dtls.close():
            server.transport.sendto(datagram, server.ice.selected)
        await asyncio.wait_for(closed.wait(), PATIENCE)
    finally:
        await peer.close()
