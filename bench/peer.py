"""A WebRTC peer made to cost little: one UDP socket on 127.0.0.1, minimal ICE, DTLS-SRTP.

It reuses aioice's STUN codec and aiortc's certificate and SRTP profiles, and leaves out what a
load generator does not need: fingerprint checks, jitter buffers, codecs, trickle ICE.
"""

import asyncio
import ctypes
import re
import secrets
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

from aioice import stun
from aiortc import rtp
from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCCertificate
from OpenSSL import SSL
from pylibsrtp import Policy, Session

from bench.wire import EVERY, Checks, Wire
from liveclass.rtp.twcc import TransportFeedbackBuilder

HOST = "127.0.0.1"
SO_TIMESTAMPNS = 35
SOL_UDP, UDP_GRO = 17, 104
PROFILES = {
    "cm80": [p for p in SRTP_PROFILES if p.openssl_profile == b"SRTP_AES128_CM_SHA1_80"],
    "gcm128": [p for p in SRTP_PROFILES if p.openssl_profile == b"SRTP_AEAD_AES_128_GCM"],
    "any": SRTP_PROFILES,
}
AUDIO = (111, "opus/48000/2", "minptime=10;useinbandfec=1")
NUMBERS = ("3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01", 17)
"""The transport-wide extension as it is offered, and where its number stands in a packet that has no other one."""
RTX = 97
FEEDBACK_S = 0.08
"""Between two feedback packets: Chromium sends about a dozen a second."""
CLOCKS_APART_NS = time.time_ns() - time.monotonic_ns()
VIDEO = {
    "h264": (102, "H264/90000", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"),
    "vp8": (96, "VP8/90000", ""),
}

Address = tuple[str, int]
_certificate = RTCCertificate.generateCertificate()
_contexts: dict[tuple[bytes, ...], SSL.Context] = {}


def context(profiles: Sequence[Any]) -> SSL.Context:
    """The DTLS context for these SRTP profiles, one for all peers; the first call takes as long as several joins."""
    key = tuple(p.openssl_profile for p in profiles)
    if key not in _contexts:
        _contexts[key] = _certificate._create_ssl_context(srtp_profiles=list(profiles))
    return _contexts[key]


def parse_sdp(sdp: str, video: str) -> dict[str, Any]:
    """What a peer needs of a remote description.

    Args:
        video: encoding name of the video codec that is wanted, as in a=rtpmap.

    Returns:
        `ufrag`, `pwd`, `setup`; `media`, each with `kind`, `mid` and `pt` (None where the codec is not offered);
        `address` of the first candidate on loopback, or None; `numbered`, whether packets have transport-wide numbers.
    """

    def attr(name: str, text: str = sdp, default: str | None = None) -> str | None:
        m = re.search(rf"^a={name}:(.*?)\r?$", text, re.M)
        return m.group(1).strip() if m else default

    media = []
    for section in re.split(r"^m=", sdp, flags=re.M)[1:]:
        kind = section.split()[0]
        codec = {"audio": "opus", "video": video}.get(kind, "-")
        pt = re.search(rf"^a=rtpmap:(\d+) {codec}/", section, re.M | re.I)
        media.append({"kind": kind, "mid": attr("mid", section), "pt": int(pt.group(1)) if pt else None})
    candidates = re.findall(r"^a=(candidate:.*?)\r?$", sdp, re.M)
    return {
        "ufrag": attr("ice-ufrag"),
        "pwd": attr("ice-pwd"),
        "setup": attr("setup"),
        "media": media,
        "address": next(filter(None, map(loopback, candidates)), None),
        "numbered": f"a=extmap:{NUMBERS[0]}" in sdp,
    }


def loopback(candidate: str) -> Address | None:
    """The address of a UDP host candidate on this machine's loopback, else None."""
    part = candidate.split()
    if part[1] == "1" and part[2].lower() == "udp" and part[4].startswith("127."):
        return part[4], int(part[5])
    return None


class Stream:
    """What arrived of one payload type: packets, bytes, frames and the extended sequence number."""

    __slots__ = ("extended", "last", "markers", "octets", "packets", "ssrc")

    def __init__(self, seq: int, ssrc: int) -> None:
        self.packets = self.octets = self.markers = 0
        self.extended, self.last, self.ssrc = 0, (seq - 1) & 0xFFFF, ssrc

    def add(self, seq: int, size: int, marker: int) -> None:
        ahead = (seq - self.last) & 0xFFFF
        if ahead < 0x8000:
            self.extended += ahead
            self.last = seq
        self.packets += 1
        self.octets += size
        self.markers += marker


class Peer:
    """One end of a session: an offer or an answer, ICE checks, a DTLS handshake, SRTP keys.

    Args:
        sampled: its arrivals are kept, and each of its packets is checked where others check one of `EVERY`.
        checks: where a receiver counts the packets that it decrypts and looks at; None: it does neither.
    """

    def __init__(
        self,
        srtp: str = "cm80",
        sampled: bool = False,
        host: str = HOST,
        codec: str = "h264",
        feedback: bool = False,
        checks: Checks | None = None,
    ) -> None:
        self.checks = checks
        self.wire: Wire | None = None
        self.numbers = TransportFeedbackBuilder(0, 0, interval_s=FEEDBACK_S) if feedback else None
        self.codecs = {"audio": AUDIO, "video": VIDEO[codec]}
        self.encoding = self.codecs["video"][1].split("/")[0]
        self.host = host
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sock.bind((host, 0))
        self.sampled = sampled
        if sampled or feedback:
            self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.ufrag, self.pwd = secrets.token_hex(4), secrets.token_hex(12)
        self.tie = secrets.randbits(63)
        self.ssrc = secrets.randbits(31)
        self.ssrcs = {"audio": secrets.randbits(31), "video": secrets.randbits(31)}
        self.profiles = PROFILES[srtp]
        self.profile: Any = None
        self.due = 0.0
        self.controlling = True
        self.remote: dict[str, Any] = {}
        self.address: Address | None = None
        self.ssl: Any = None
        self.tx: Any = None
        self.rx: Any = None
        self.client = False
        self.streams: dict[int, Stream] = {}
        self.arrivals: list[
            tuple[int, int, int, int]
        ] = []  # sampled: (kernel time ns, payload type, marker, timestamp)
        self.flight: list[bytes] = []  # the last DTLS datagrams sent, when, and how long to wait for an answer
        self.flight_at = self.flight_wait = 0.0
        self.connected = asyncio.Event()
        self.media = asyncio.Event()
        self.first_media = 0.0  # monotonic time of the first RTP packet
        self.closed = False
        asyncio.get_running_loop().add_reader(self.sock, self._readable)

    # --- SDP

    def _describe(self, media: Sequence[dict[str, Any]], direction: str, setup: str) -> str:
        digest = next(f for f in _certificate.getFingerprints() if f.algorithm == "sha-256")
        mids = " ".join(m["mid"] for m in media if m["pt"] is not None)
        lines = [
            "v=0",
            f"o=- {self.tie} 1 IN IP4 {self.host}",
            "s=-",
            "t=0 0",
            f"a=group:BUNDLE {mids}",
            "a=msid-semantic: WMS *",
        ]
        for m in media:
            if m["pt"] is None:
                lines += [f"m={m['kind']} 0 UDP/TLS/RTP/SAVPF 0", f"c=IN IP4 {self.host}", f"a=mid:{m['mid']}"]
                continue
            repairs = f" {RTX}" if self.numbers is not None and m["kind"] == "video" else ""
            lines += [
                f"m={m['kind']} {self.sock.getsockname()[1]} UDP/TLS/RTP/SAVPF {m['pt']}{repairs}",
                f"c=IN IP4 {self.host}",
                f"a=mid:{m['mid']}",
                f"a={direction}",
                "a=rtcp-mux",
                f"a=ice-ufrag:{self.ufrag}",
                f"a=ice-pwd:{self.pwd}",
                f"a=fingerprint:sha-256 {digest.value}",
                f"a=setup:{setup}",
                f"a=rtpmap:{m['pt']} {self.codecs[m['kind']][1]}",
            ]
            parameters = self.codecs[m["kind"]][2]
            if parameters:
                lines.append(f"a=fmtp:{m['pt']} {parameters}")
            if self.numbers is not None:
                lines += [f"a=extmap:{NUMBERS[0]}", f"a=rtcp-fb:{m['pt']} transport-cc"]
            if self.numbers is not None and m["kind"] == "video":
                lines += [f"a=rtpmap:{RTX} rtx/90000", f"a=fmtp:{RTX} apt={m['pt']}"]
            if m["kind"] == "video":
                lines += [f"a=rtcp-fb:{m['pt']} {fb}" for fb in ("nack", "nack pli", "goog-remb")]
            if direction == "sendonly":
                lines += [f"a=msid:bench {m['kind']}", f"a=ssrc:{self.ssrcs[m['kind']]} cname:bench"]
            lines += [
                f"a=candidate:1 1 udp 2130706431 {self.host} {self.sock.getsockname()[1]} typ host",
                "a=end-of-candidates",
            ]
        return "\r\n".join(lines) + "\r\n"

    def offer(self, direction: str) -> str:
        media = [{"kind": k, "mid": str(i), "pt": pt} for i, (k, (pt, _, _)) in enumerate(self.codecs.items())]
        return self._describe(media, direction, "actpass")

    def accept(self, answer: str) -> None:
        self.remote = parse_sdp(answer, self.encoding)
        self.address = self.address or self.remote["address"]
        self._start_ssl(client=self.remote["setup"] == "passive")

    def answer(self, offer: str, direction: str = "recvonly") -> str:
        self.controlling = False
        self.remote = parse_sdp(offer, self.encoding)
        self.address = self.address or self.remote["address"]
        self._start_ssl(client=True)
        return self._describe(self.remote["media"], direction, "active")

    def add_candidate(self, candidate: str) -> None:
        self.address = self.address or (loopback(candidate) if candidate else None)

    # --- ICE

    def kind(self, pt: int) -> str | None:
        return next((m["kind"] for m in self.remote["media"] if m["pt"] == pt), None)

    def check(self) -> None:
        """A connectivity or consent check."""
        m = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        m.attributes.update({"USERNAME": f"{self.remote['ufrag']}:{self.ufrag}", "PRIORITY": 1845501695})
        if self.controlling:
            m.attributes.update({"ICE-CONTROLLING": self.tie, "USE-CANDIDATE": None})
        else:
            m.attributes["ICE-CONTROLLED"] = self.tie
        m.add_message_integrity(self.remote["pwd"].encode())
        self._send(bytes(m))

    def _stun(self, data: bytes, address: Address) -> None:
        m = stun.parse_message(data)
        if m.message_class == stun.Class.REQUEST:
            reply = stun.Message(m.message_method, stun.Class.RESPONSE, transaction_id=m.transaction_id)
            reply.attributes["XOR-MAPPED-ADDRESS"] = address
            reply.add_message_integrity(self.pwd.encode())
            self.sock.sendto(bytes(reply), address)
            self.address = self.address or address
            if self.remote and not self.flight:
                self.check()  # triggered check
        elif m.message_class == stun.Class.RESPONSE and self.ssl and not self.flight:
            self._handshake()

    # --- DTLS

    def _start_ssl(self, client: bool) -> None:
        self.client = client
        self.ssl = SSL.Connection(context(self.profiles))
        self.ssl.set_connect_state() if client else self.ssl.set_accept_state()

    def _handshake(self) -> None:
        if self.profile:
            return
        try:
            self.ssl.do_handshake()
        except SSL.WantReadError:
            self._flush()
            return
        self._flush()
        name = self.ssl.get_selected_srtp_profile()
        self.profile = p = next(p for p in self.profiles if p.openssl_profile == name)
        keys = self.ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (p.key_length + p.salt_length))
        mine = 0 if self.client else 1

        def session(index: int, direction: int) -> Session:
            policy = Policy(key=p.get_key_and_salt(keys, index), ssrc_type=direction, srtp_profile=p.libsrtp_profile)
            policy.window_size = 1024
            return Session(policy)

        self.tx = session(mine, Policy.SSRC_ANY_OUTBOUND)
        if self.checks is not None:
            number_id = int(NUMBERS[0].split()[0]) if self.numbers is not None and self.remote["numbered"] else 0
            incoming = session(1 - mine, Policy.SSRC_ANY_INBOUND)
            self.wire = Wire(incoming, self.checks, number_id=number_id, repairs=RTX)
        elif self.sampled:
            self.rx = session(1 - mine, Policy.SSRC_ANY_INBOUND)
        self.connected.set()

    def _flush(self) -> None:
        flight = []
        while True:
            try:
                flight.append(self.ssl.bio_read(1500))
            except SSL.Error:
                break
        if flight:
            self.flight, self.flight_wait = flight, 0.05
            self._send_flight()

    def _send_flight(self) -> None:
        self.flight_at = time.monotonic()
        for data in self.flight:
            self._send(data)

    async def connect(self, timeout: float = 30) -> None:  # noqa: ASYNC109
        """ICE and DTLS. An unanswered flight is repeated after 50 ms, then 100, 200, as Chrome does."""
        deadline = time.monotonic() + timeout
        while not self.connected.is_set():
            if time.monotonic() > deadline:
                raise TimeoutError("no DTLS connection")
            if self.remote and self.address and not self.flight:
                self.check()
            elif self.flight and time.monotonic() > self.flight_at + self.flight_wait:
                self.flight_wait *= 2
                self._send_flight()
            try:
                await asyncio.wait_for(self.connected.wait(), 0.02)
            except TimeoutError:
                pass

    # --- packets

    def _send(self, data: bytes) -> None:
        if self.address is None:
            return
        try:
            self.sock.sendto(data, self.address)
        except OSError:
            pass

    def _readable(self) -> None:
        for _ in range(32):
            try:
                data, extra, _, address = self.sock.recvmsg(2048, 64)
            except OSError:
                return
            at = time.time_ns()
            for _, kind, value in extra:
                if kind == SO_TIMESTAMPNS:
                    seconds, nanos = struct.unpack("qq", value)
                    at = seconds * 10**9 + nanos
            self.datagram(data, address, at)

    def datagram(self, data: bytes, address: Address | None = None, at: int = 0) -> None:
        """Anything that arrives outside the sink's fast path."""
        first = data[0]
        if first < 4:
            source = address or self.address
            if source is not None:
                self._stun(data, source)
        elif 19 < first < 64:
            if self.ssl:
                self.ssl.bio_write(data)
                if not self.profile:
                    self._handshake()
                else:
                    try:
                        self.ssl.recv(1500)
                    except SSL.ZeroReturnError:
                        self.closed = True
                    except SSL.Error:
                        pass
                    self._flush()
        elif 127 < first < 192 and not rtp.is_rtcp(data):
            pt, marker = data[1] & 0x7F, data[1] >> 7
            seq, stamp, ssrc = struct.unpack_from("!HII", data, 2)
            if self.numbers is not None and data[0] & 0x10:
                self._number(data, 0, at or time.time_ns())
            if pt == RTX:
                if self.wire:
                    self.wire.check(data, 1)
                return
            if pt not in self.streams:
                self.streams[pt] = Stream(seq, ssrc)
            self.streams[pt].add(seq, len(data), marker)
            if self.sampled:
                self.arrivals.append((at, pt, marker, stamp))
            if self.wire and (self.sampled or self.streams[pt].packets % EVERY == 1):
                self.wire.check(data, 1 if self.sampled else EVERY)
            if not self.first_media:
                self.first_media = time.monotonic()
                self.media.set()

    def _number(self, data: bytes | memoryview, start: int, at: int) -> None:
        """Note the arrival of a packet that carries a number; `at` is the kernel's time of it."""
        if self.numbers is not None:
            number = data[start + NUMBERS[1]] << 8 | data[start + NUMBERS[1] + 1]
            self.numbers.received(number, (at - CLOCKS_APART_NS) / 1e9)

    def send_rtcp(self, packets: Sequence[Any]) -> None:
        if self.tx and not self.closed:
            self._send(self.tx.protect_rtcp(b"".join(map(bytes, packets))))

    def report(self, bitrate: int) -> None:
        """A receiver report with REMB, as a browser sends about once a second."""
        reports = [
            rtp.RtcpReceiverInfo(s.ssrc, 0, max(0, min(s.extended - s.packets, 0x7FFFFF)), s.last, 0, 0, 0)
            for s in self.streams.values()
        ]
        remb = rtp.RtcpPsfbPacket(
            fmt=rtp.RTCP_PSFB_APP,
            ssrc=self.ssrc,
            media_ssrc=0,
            fci=rtp.pack_remb_fci(bitrate, [s.ssrc for s in self.streams.values()]),
        )
        self.send_rtcp([rtp.RtcpRrPacket(ssrc=self.ssrc, reports=reports), remb])

    def tell(self, now: float) -> None:
        """Transport-wide feedback when it is due, as a browser sends it a dozen times a second."""
        if self.numbers is not None and self.numbers.due(now) and self.streams:
            self.numbers.media_ssrc = next(iter(self.streams.values())).ssrc
            for packet in self.numbers.build(now):
                self.send_rtcp([packet])

    def sink(self, whole: bool = False) -> None:
        """From now on only `Sink.drain` reads the socket; with `whole`, runs of datagrams come in one piece."""
        asyncio.get_running_loop().remove_reader(self.sock)
        if whole:
            self.sock.setsockopt(SOL_UDP, UDP_GRO, 1)

    def close(self) -> None:
        if self.ssl and self.profile:
            try:
                self.ssl.shutdown()
            except SSL.Error:
                pass
            self._flush()
        try:
            asyncio.get_running_loop().remove_reader(self.sock)
        except (ValueError, OSError):
            pass
        self.sock.close()


class Sink:
    """Empties a peer's socket by recvmmsg and counts: about 1 us a packet.

    Arrivals that are told to the server are those of the kernel: seldom looking at a socket delays nothing.

    Args:
        timed: the peers' sockets tell times of arrival.
        whole: the peers take runs of datagrams in one piece (UDP_GRO), as a network card hands them on.
    """

    CONTROL = 64
    """Bytes of two control messages: a timespec, and the size of a run's datagrams."""
    TIMED, RUN = 1 | SO_TIMESTAMPNS << 32, SOL_UDP | UDP_GRO << 32
    """Level and type of these."""

    def __init__(self, timed: bool = False, whole: bool = False) -> None:
        class iovec(ctypes.Structure):
            _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]

        class mmsghdr(ctypes.Structure):
            _fields_ = [
                ("name", ctypes.c_void_p),
                ("namelen", ctypes.c_uint),
                ("iov", ctypes.c_void_p),
                ("iovlen", ctypes.c_size_t),
                ("control", ctypes.c_void_p),
                ("controllen", ctypes.c_size_t),
                ("flags", ctypes.c_int),
                ("pad", ctypes.c_int),
                ("len", ctypes.c_uint),
                ("pad2", ctypes.c_uint),
            ]

        self.batch, self.size = (16, 1 << 16) if whole else (64, 2048)
        self.given = self.CONTROL if timed or whole else 0
        self.raw = ctypes.create_string_buffer(self.batch * self.size)
        self.view = memoryview(self.raw).cast("B")
        self.control = ctypes.create_string_buffer(self.batch * self.CONTROL)
        self.iovs = (iovec * self.batch)()
        self.msgs = (mmsghdr * self.batch)()
        for i in range(self.batch):
            self.iovs[i] = iovec(ctypes.addressof(self.raw) + i * self.size, self.size)
            self.msgs[i].iov = ctypes.addressof(self.iovs[i])
            self.msgs[i].iovlen = 1
            self.msgs[i].control = ctypes.addressof(self.control) + i * self.CONTROL
            self.msgs[i].controllen = self.given
        headers = memoryview(self.msgs).cast("B")
        size = ctypes.sizeof(mmsghdr)
        self.lengths = headers.cast("I")[mmsghdr.len.offset // 4 :: size // 4]
        self.controls = headers.cast("Q")[mmsghdr.controllen.offset // 8 :: size // 8]
        self.words = memoryview(self.control).cast("B").cast("Q")
        self.recvmmsg = ctypes.CDLL(None).recvmmsg

    def drain(self, peer: Peer) -> None:
        lengths, n = self.lengths, self.batch
        while n == self.batch:
            n = max(0, self.recvmmsg(peer.sock.fileno(), self.msgs, self.batch, socket.MSG_DONTWAIT, None))
            for i in range(n):
                length = lengths[i]
                arrival, step = self._told(i) if self.given else (0, 0)
                at = i * self.size
                if not 0 < step < length:
                    self._one(peer, at, length, arrival)
                    continue
                end = at + length
                while at < end:
                    self._one(peer, at, min(step, end - at), arrival)
                    at += step

    def _one(self, peer: Peer, at: int, length: int, arrival: int) -> None:
        """Count the datagram at `at`."""
        view = self.view
        second = view[at + 1]
        stream = peer.streams.get(second & 0x7F)
        if stream is None or not 127 < view[at] < 192:
            peer.datagram(bytes(view[at : at + length]), at=arrival)
            return
        if view[at] & 0x10:
            peer._number(view, at, arrival)
        stream.add(view[at + 2] << 8 | view[at + 3], length, second >> 7)
        if stream.packets % EVERY == 1 and peer.wire:
            peer.wire.check(bytes(view[at : at + length]), EVERY)

    def _told(self, i: int) -> tuple[int, int]:
        """The time in ns at which message `i` arrived, and the size of its datagrams; each 0 where it was not told."""
        words, word = self.words, i * self.CONTROL // 8
        end = word + self.controls[i] // 8
        self.controls[i] = self.given  # the kernel wrote there how much it used
        arrival = step = 0
        while word + 2 < end:
            if words[word + 1] == self.TIMED:
                arrival = 1_000_000_000 * words[word + 2] + words[word + 3]
            elif words[word + 1] == self.RUN:
                step = words[word + 2] & 0xFFFFFFFF
            word += (words[word] + 7) // 8
        return arrival, step
