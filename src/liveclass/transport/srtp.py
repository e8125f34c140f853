"""SRTP protection (RFC 3711, RFC 7714) by libsrtp: the one module that uses pylibsrtp. Knows no socket and no peer.

Sending is the hot path: one call per packet and subscriber. A packet is written into a `PacketBuffer`, protected where
it stands and sent from there. This calls pylibsrtp's C binding itself, because the public `Session.protect` allocates,
copies and checks about as long as the cipher runs: 2.9 us against 1.5 us per 1,100-byte packet with AES-128-GCM,
3.5 us against 2.2 us with AES-CM/SHA1 (Python 3.11, one shared core). `tests/transport/test_srtp.py` fails when a new
pylibsrtp names the binding otherwise.

A sender's RTP may be the native fan-out's instead (`_fanout.c`): then keys and rollover counters of RTP are there, and
only its RTCP is libsrtp's. A receiver may be the native module's as a whole (`_unprotect.h`).

The fan-out may inline `SrtpSender.protect_in`; this is the whole of it::

    buffer.octets[0] = length
    if PROTECT(sender.context, buffer.pointer, buffer.octets) == OK:
        sendto(buffer.view[: buffer.octets[0]], address)
"""

import sys
from typing import Any, Final

from pylibsrtp import Policy
from pylibsrtp._binding import ffi, lib

from liveclass.errors import UsageError
from liveclass.transport.native import Protector, Unprotector
from liveclass.transport.srtp_keys import ProfileName, SrtpKeys

REPLAY_WINDOW: Final = 1024
"""Packets. A retransmission may come seconds late; 1024 packets are two seconds of 5 Mbit/s video."""

MAX_DATAGRAM: Final = 2048
"""Bytes that a packet and its trailer may fill; no path to a classroom carries more than 1,500 unfragmented."""

MAX_TRAILER: Final = 4 + 16
"""Bytes that protection adds at most: the SRTCP index and a 128-bit tag (RFC 7714 section 9); no MKI is used."""

MAX_PACKET: Final = MAX_DATAGRAM - MAX_TRAILER
"""Bytes of the largest packet that may be protected."""

MAX_STREAMS: Final = 64
"""SSRCs that one peer may use in one connection: a page needs 3 sources, each perhaps in 3 layers with
retransmission, and new ones when it swaps devices. Each costs memory and lookups, so a peer cannot have any number."""

OK: Final[int] = lib.srtp_err_status_ok
PROTECT: Final = lib.srtp_protect
"""`srtp_protect(context, pointer, octets) -> status`: see the module's text for how the fan-out inlines it."""

_PROTECT_RTCP = lib.srtp_protect_rtcp
_UNPROTECT = lib.srtp_unprotect
_UNPROTECT_RTCP = lib.srtp_unprotect_rtcp

_LIBSRTP_PROFILES: Final[dict[ProfileName, int]] = {
    "SRTP_AEAD_AES_128_GCM": Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "SRTP_AEAD_AES_256_GCM": Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    "SRTP_AES128_CM_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
}


class PacketBuffer:
    """Memory in which packets are protected: written through `view`, known to libsrtp as `pointer`.

    One buffer serves every session of a thread, since nothing stays in it between two packets.

    Attributes:
        view: the bytes; a packet starts at offset 0.
        pointer: the same memory for libsrtp.
        octets: one int for libsrtp, the length in bytes before and after a call.
    """

    __slots__ = ("octets", "pointer", "view")

    def __init__(self) -> None:
        self.pointer: Any = ffi.new("char[]", MAX_DATAGRAM)
        self.octets: Any = ffi.new("int *")
        self.view: memoryview = memoryview(ffi.buffer(self.pointer)).cast("B")


_shared = PacketBuffer()


class _Session:
    """A libsrtp session for one direction of one connection; its streams are made as their SSRCs appear."""

    __slots__ = ("_owner", "context")

    context: Any
    """The `srtp_t` for libsrtp; None after `close`."""

    def __init__(self, profile: ProfileName, key: bytearray, ssrc_type: int, *, allow_repeat: bool) -> None:
        policy = Policy(key=bytes(key), ssrc_type=ssrc_type, srtp_profile=_LIBSRTP_PROFILES[profile])
        policy.window_size = REPLAY_WINDOW
        policy.allow_repeat_tx = allow_repeat
        handle = ffi.new("srtp_t *")
        status = lib.srtp_create(handle, policy._policy)
        # libsrtp has its own copy by now; ours must not stay in freed memory.
        ffi.buffer(policy._policy.key, len(key))[:] = bytes(len(key))
        if status != OK:
            raise UsageError(f"libsrtp made no session for {profile} (status {status})")
        self._owner = ffi.gc(handle, _free)
        self.context = handle[0]

    def remove_stream(self, ssrc: int) -> None:
        """Forget the state of `ssrc`, if there is any: packets of it start anew, with rollover counter 0.

        Only for an SSRC that will never be used again under these keys: replay protection for it is lost.
        """
        if self.context is not None:
            lib.srtp_remove_stream(self.context, int.from_bytes(ssrc.to_bytes(4, "big"), sys.byteorder))

    def close(self) -> None:
        """Free the session now; every later call refuses its packet. Safe to call twice."""
        if self.context is not None:
            self.context = None
            ffi.release(self._owner)


def _free(handle: Any) -> None:
    lib.srtp_dealloc(handle[0])


class SrtpSender(_Session):
    """Protects what we send to one peer.

    Args:
        keys: from the handshake; they may be wiped once sender and receiver are made.
        allow_repeat: let a packet with a sequence number already used be protected again. Only for callers that
            repeat a packet byte for byte, header extensions included: under AES-GCM two different packets with one
            (SSRC, sequence number) give away the authentication key (RFC 7714 section 8.4).
        native: protect RTP by the native fan-out where that was built; only with `allow_repeat`, as it never refuses a
            repetition.

    Attributes:
        handle: what stands for these keys in the fan-out's tables; None after `close`.

    Errors:
        UsageError: libsrtp refuses the profile or the memory.
    """

    __slots__ = ("_protector",)

    def __init__(self, keys: SrtpKeys, *, allow_repeat: bool = False, native: bool = False) -> None:
        super().__init__(keys.profile.name, keys.local, Policy.SSRC_ANY_OUTBOUND, allow_repeat=allow_repeat)
        # One of the two protects all RTP of these keys: each knows only the rollover counters of its own packets.
        self._protector: Any = None
        if native and allow_repeat and Protector is not None:
            self._protector = Protector(keys.profile.name, keys.local)

    @property
    def handle(self) -> Any:
        return self.context if self._protector is None else self._protector

    def remove_stream(self, ssrc: int) -> None:
        """See `_Session.remove_stream`."""
        super().remove_stream(ssrc)
        if self._protector is not None:
            self._protector.remove_stream(ssrc)

    def close(self) -> None:
        """See `_Session.close`."""
        super().close()
        if self._protector is not None:
            self._protector.close()
            self._protector = None

    def protect_in(self, buffer: PacketBuffer, length: int) -> int:
        """Protect the RTP packet in `buffer.view[:length]` where it stands (RFC 3711 section 3.3).

        Args:
            length: bytes of the packet, at most `MAX_PACKET`.

        Returns:
            The length of the protected packet in bytes; 0 when it was refused (malformed, a sequence number used
            before or more than `REPLAY_WINDOW` behind, session closed). A refused buffer must not be sent.
        """
        context = self.context
        if context is None or not 0 < length <= MAX_PACKET:
            return 0
        if self._protector is not None:
            protected = self._protector.protect(bytes(buffer.view[:length])) or b""
            buffer.view[: len(protected)] = protected
            return len(protected)
        octets = buffer.octets
        octets[0] = length
        if PROTECT(context, buffer.pointer, octets) != OK:
            return 0
        size: int = octets[0]
        return size

    def protect(self, packet: bytes) -> bytes | None:
        """Protect one RTP packet; None when it is refused. For rare packets; the fan-out uses `protect_in`."""
        if len(packet) > MAX_PACKET:
            return None
        if self._protector is not None:
            protected: bytes | None = self._protector.protect(packet)
            return protected
        _shared.view[: len(packet)] = packet
        size = self.protect_in(_shared, len(packet))
        return bytes(_shared.view[:size]) if size else None

    def protect_rtcp(self, packet: bytes) -> bytes | None:
        """Protect one compound RTCP packet (RFC 3711 section 3.4); None when it is refused (malformed, closed)."""
        return _run(_PROTECT_RTCP, self.context, packet, MAX_PACKET)


class SrtpReceiver(_Session):
    """Authenticates and decrypts what one peer sends, each packet once.

    Args:
        keys: from the handshake; they may be wiped once sender and receiver are made.
        max_streams: SSRCs that are let in; packets of further ones are refused.
        native: by the native module, where that was built: it takes and refuses the same.

    Errors:
        UsageError: libsrtp refuses the profile or the memory.
    """

    __slots__ = ("_max_streams", "_ssrcs", "_unprotector")

    def __init__(self, keys: SrtpKeys, *, max_streams: int = MAX_STREAMS, native: bool = False) -> None:
        self._max_streams = max_streams
        self._ssrcs: set[bytes] = set()
        self._unprotector: Any = None
        if native and Unprotector is not None:
            # libsrtp has no part in it: RTP and RTCP of an SSRC share their room, so both are in one place.
            self.context = self._owner = None
            self._unprotector = Unprotector(keys.profile.name, keys.remote, max_streams)
        else:
            super().__init__(keys.profile.name, keys.remote, Policy.SSRC_ANY_INBOUND, allow_repeat=False)

    def unprotect(self, datagram: bytes) -> bytes | None:
        """The RTP packet in `datagram` (RFC 3711 section 3.3); None when forged, replayed, too old or malformed.

        A value and no exception, because anyone near the path can send such datagrams at any rate.
        """
        if self._unprotector is not None:
            packet: bytes | None = self._unprotector.unprotect(datagram)
            return packet
        return self._admit(_UNPROTECT, datagram[8:12], datagram)

    def unprotect_rtcp(self, datagram: bytes) -> bytes | None:
        """The compound RTCP packet in `datagram` (RFC 3711 section 3.4); None as for `unprotect`."""
        if self._unprotector is not None:
            packet: bytes | None = self._unprotector.unprotect_rtcp(datagram)
            return packet
        return self._admit(_UNPROTECT_RTCP, datagram[4:8], datagram)

    def remove_stream(self, ssrc: int) -> None:
        """Forget `ssrc`, see `SrtpSender.remove_stream`; makes room for another."""
        super().remove_stream(ssrc)
        self._ssrcs.discard(ssrc.to_bytes(4, "big"))
        if self._unprotector is not None:
            self._unprotector.remove_stream(ssrc)

    def close(self) -> None:
        """See `_Session.close`."""
        super().close()
        if self._unprotector is not None:
            self._unprotector.close()

    def _admit(self, function: Any, ssrc: bytes, datagram: bytes) -> bytes | None:
        """Run `function`, and count `ssrc` once a packet of it has proved authentic."""
        if ssrc in self._ssrcs:
            return _run(function, self.context, datagram, MAX_DATAGRAM)
        if len(self._ssrcs) >= self._max_streams:
            return None
        packet = _run(function, self.context, datagram, MAX_DATAGRAM)
        if packet is not None:
            self._ssrcs.add(ssrc)
        return packet


_pointer, _octets, _view = _shared.pointer, _shared.octets, _shared.view


def _run(function: Any, context: Any, packet: bytes, limit: int) -> bytes | None:
    length = len(packet)
    if context is None or length > limit:
        return None
    _view[:length] = packet
    _octets[0] = length
    if function(context, _pointer, _octets) != OK:
        return None
    return bytes(_view[: _octets[0]])
