"""What two nodes tell each other within a pulled session: which streams there are, and which of them are wanted.

It travels as RTCP of the application's own (RFC 3550 section 6.7), encrypted like all RTCP: beside the packets that it
speaks of, with no second connection to keep. A cast is repeated until it is answered; a wish is repeated all the time.
Pure: bytes in, values out. It refuses to know sessions and slots.
"""

from collections.abc import Sequence
from struct import Struct
from typing import Annotated, Literal

import msgspec

from liveclass.errors import PeerError
from liveclass.relay.ports import Layer
from liveclass.relay.source import SourceKind
from liveclass.rtp.codec import CodecName
from liveclass.rtp.rtcp import build_application

NAME = b"LCNS"
CAST, WISH = 1, 2
"""Subtypes."""

MAX_SOURCES = 64
MAX_STREAMS = 128
"""Streams of one cast; a lesson with two volunteers and eight called classrooms has some forty."""

MAX_PARTS = 48
PART_BYTES = 1024
"""Of one datagram, so that with SRTCP's trailer it passes every tunnel."""

MAX_HOPS = 6
"""Nodes between the publisher's and the last one: a tree of such a height over four carries any lesson, so more is a
circle."""

_part = Struct("!HBBH")

_Word = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]
_Type = Annotated[int, msgspec.Meta(ge=0, le=127)]
_Text = Annotated[str, msgspec.Meta(max_length=200)]


class Stream(msgspec.Struct, frozen=True, array_like=True):
    """One layer of a source: the SSRC that it has in this session and in no other stream, ever."""

    layer: Layer
    ssrc: _Word
    rtx: _Word


class CastSource(msgspec.Struct, frozen=True, array_like=True):
    """A microphone, camera or screen of the lesson.

    Attributes:
        id: the upstream node's; another one is another source, though of the same person and kind.
        payload_type, rtx_type: of its packets in this session; `rtx_type` 0: lost ones come again as they were.
        droppable: see `layers.Layered`.
    """

    id: _Text
    participant: _Text
    role: Literal["teacher", "classroom"]
    name: _Text
    lead: bool
    kind: SourceKind
    codec: CodecName
    parameters: Annotated[dict[_Text, _Text], msgspec.Meta(max_length=8)]
    payload_type: _Type
    rtx_type: _Type
    droppable: bool
    streams: Annotated[list[Stream], msgspec.Meta(max_length=8)]


class Cast(msgspec.Struct, frozen=True, array_like=True):
    """All that a lesson has.

    Attributes:
        hops: nodes that the packets have passed before they left.
        heard, seen: the called classrooms, those to be heard and seen first in front: this is decided once, by the
            owner of the lesson, so that all of a large lesson hear the same.
    """

    hops: Annotated[int, msgspec.Meta(ge=0, le=255)]
    heard: Annotated[list[_Text], msgspec.Meta(max_length=MAX_SOURCES)]
    seen: Annotated[list[_Text], msgspec.Meta(max_length=MAX_SOURCES)]
    sources: Annotated[list[CastSource], msgspec.Meta(max_length=MAX_SOURCES)]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Cast).decode


def build_cast(ssrc: int, version: int, cast: Cast) -> list[bytes]:
    """The packets that tell a cast.

    Args:
        version: 16 bits; another one for another cast.
    """
    text = _encode(cast)
    pieces = [text[at : at + PART_BYTES] for at in range(0, len(text), PART_BYTES)]
    out: list[bytes] = []
    for number, piece in enumerate(pieces[:MAX_PARTS]):
        data = _part.pack(version & 0xFFFF, number, len(pieces), len(piece)) + piece
        out.append(build_application(ssrc, CAST, NAME, data + bytes(-len(data) % 4)))
    return out


class CastReader:
    """Puts the packets of a cast together; in any order, and with those of others lost between them."""

    def __init__(self) -> None:
        self._version = -1
        self._pieces: dict[int, bytes] = {}

    def take(self, data: bytes) -> tuple[int, Cast] | None:
        """One packet's data: version and cast once it is whole.

        Raises:
            PeerError: it is malformed.
        """
        if len(data) < _part.size:
            raise _malformed()
        version, number, count, size = _part.unpack_from(data)
        piece = data[_part.size : _part.size + size]
        if number >= count or count > MAX_PARTS or len(piece) != size or size > PART_BYTES:
            raise _malformed()
        if version != self._version:
            self._version, self._pieces = version, {}
        self._pieces[number] = piece
        if len(self._pieces) < count:
            return None
        text = b"".join(self._pieces[at] for at in sorted(self._pieces))
        self._pieces = {}
        try:
            cast = _decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
            raise _malformed() from problem
        ssrcs = [ssrc for source in cast.sources for one in source.streams for ssrc in (one.ssrc, one.rtx)]
        if len(ssrcs) > 2 * MAX_STREAMS or len(set(ssrcs)) != len(ssrcs):
            raise _malformed()
        return version, cast


def build_wish(ssrc: int, version: int, serial: int, ssrcs: Sequence[int]) -> bytes:
    """The packet that says which streams are wanted.

    Args:
        version: of the cast that was read last.
        serial: 16 bits, growing, so that an older wish that comes late is told from a newer one.
    """
    head = (version & 0xFFFF).to_bytes(2, "big") + (serial & 0xFFFF).to_bytes(2, "big")
    return build_application(ssrc, WISH, NAME, head + b"".join(one.to_bytes(4, "big") for one in ssrcs[:MAX_STREAMS]))


def read_wish(data: bytes) -> tuple[int, int, frozenset[int]]:
    """Version, serial and SSRCs of a wish.

    Raises:
        PeerError: it is malformed.
    """
    if len(data) < 4 or len(data) % 4 or len(data) > 4 + 4 * MAX_STREAMS:
        raise _malformed()
    ssrcs = frozenset(int.from_bytes(data[at : at + 4], "big") for at in range(4, len(data), 4))
    return int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big"), ssrcs


def _malformed() -> PeerError:
    return PeerError("What the other node says of its streams is malformed.", code="cast_malformed")
