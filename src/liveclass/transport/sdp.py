"""SDP offers as values (RFC 8866, RFC 9429): what a peer can send and take, or a `PeerError` that says what is wrong.

This module refuses to know what we answer. It reads what concerns the whole offer; `sdp_media` reads one m-line.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from liveclass.errors import PeerError
from liveclass.rtp.codec import Codec
from liveclass.transport.dtls_identity import DIGEST_LENGTHS
from liveclass.transport.sdp_lines import ICE_CHARACTERS, Section, malformed, sections, unacceptable
from liveclass.transport.sdp_media import (
    EXT_AUDIO_LEVEL,
    EXT_MID,
    EXT_REPAIRED_RID,
    EXT_RID,
    EXT_TRANSPORT_CC,
    EXT_VIDEO_ORIENTATION,
    Direction,
    Known,
    OfferedCodec,
    OfferedMedia,
    parse_media,
)

__all__ = [
    "EXT_AUDIO_LEVEL",
    "EXT_MID",
    "EXT_REPAIRED_RID",
    "EXT_RID",
    "EXT_TRANSPORT_CC",
    "EXT_VIDEO_ORIENTATION",
    "Direction",
    "Offer",
    "OfferedCodec",
    "OfferedMedia",
    "parse_offer",
]

Setup = Literal["actpass", "active", "passive"]
_SETUPS: Final[dict[str, Setup]] = {"actpass": "actpass", "active": "active", "passive": "passive"}
_FINGERPRINT: Final = re.compile(r"([A-Za-z0-9-]{1,16}) ([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})*)")
_SHARED_EXTENSIONS: Final = frozenset(
    {EXT_AUDIO_LEVEL, EXT_TRANSPORT_CC, EXT_MID, EXT_RID, EXT_REPAIRED_RID, EXT_VIDEO_ORIENTATION}
)


@dataclass(frozen=True, slots=True)
class Offer:
    """A peer's offer. Transport values are those of the BUNDLE group's first m-line (RFC 9143 section 7.2).

    Attributes:
        fingerprints: (algorithm, value) with an algorithm that `dtls` knows.
        media: every m-line, in the offer's order.
        ice_options: such as ``trickle``, ``renomination``.
    """

    ufrag: str
    pwd: str
    fingerprints: list[tuple[str, str]]
    setup: Setup
    media: list[OfferedMedia]
    ice_options: frozenset[str] = frozenset()

    @property
    def dtls_role(self) -> Literal["server", "client"]:
        """The part we take in DTLS: server, unless the peer insists on being it (``a=setup:passive``)."""
        return "client" if self.setup == "passive" else "server"


def parse_offer(text: str, *, max_bytes: int) -> Offer:
    """Read an offer; the one boundary that turns every failure of SDP into `PeerError`.

    Args:
        text: the request's body.
        max_bytes: its largest size in bytes.

    Errors:
        PeerError: 413 too large; 400 not SDP, or against its rules; 422 SDP that we cannot serve.
    """
    try:
        if len(text) > max_bytes or len(text.encode()) > max_bytes:
            raise PeerError("The SDP is too large.", status=413, code="sdp_too_large")
        return _parse(text)
    except PeerError:
        raise
    except Exception as problem:
        raise malformed("The SDP cannot be read.") from problem


def _parse(text: str) -> Offer:
    if not text.startswith("v=0"):
        raise malformed("The SDP does not start with v=0.")
    session, *lines = sections(text)
    if not lines:
        raise unacceptable("The SDP offers no media.")
    if session.one("ice-lite") is not None:
        raise unacceptable("Both sides are ICE-lite, so neither would begin.")
    known: Known = {}
    media = [parse_media(line, session, known) for line in lines]
    accepted = [(line, item) for line, item in zip(lines, media, strict=True) if item.acceptable]
    if not accepted:
        raise unacceptable("The SDP offers neither sound nor picture.")
    _check_names(media)
    _check_bundle(session, media)
    _check_shared(media)
    transport = accepted[0][0]
    options = session.all("ice-options") + transport.all("ice-options")
    return Offer(
        ufrag=_ice("ice-ufrag", 4, transport, session),
        pwd=_ice("ice-pwd", 22, transport, session),
        fingerprints=_fingerprints(transport, session),
        setup=_setup(transport, session),
        media=media,
        ice_options=frozenset(" ".join(options).replace(",", " ").split()),
    )


def _inherited(name: str, line: Section, session: Section) -> str | None:
    value = line.one(name)
    return session.one(name) if value is None else value


def _ice(name: str, least: int, line: Section, session: Section) -> str:
    value = _inherited(name, line, session)
    if value is None or len(value) < least or not ICE_CHARACTERS.fullmatch(value):
        raise malformed(f"The SDP has no valid a={name}.")
    return value


def _setup(line: Section, session: Section) -> Setup:
    value = _inherited("setup", line, session)
    if value is None:
        return "active"  # what its absence means, RFC 4145 section 4
    if value not in _SETUPS:
        raise malformed("The SDP has an a=setup that cannot be used.")
    return _SETUPS[value]


def _fingerprints(line: Section, session: Section) -> list[tuple[str, str]]:
    values = line.all("fingerprint") or session.all("fingerprint")
    found: list[tuple[str, str]] = []
    for value in values[:16]:
        match = _FINGERPRINT.fullmatch(value)
        if match is None:
            raise malformed("The SDP has an a=fingerprint that cannot be read.")
        algorithm, digest = match[1].lower(), match[2].upper()
        length = DIGEST_LENGTHS.get(algorithm)
        if length is None:
            continue
        if len(digest) != 3 * length - 1:
            raise malformed("The SDP has an a=fingerprint of the wrong length.")
        found.append((algorithm, digest))
    if not found:
        raise unacceptable("The SDP has no certificate fingerprint by SHA-256, SHA-384 or SHA-512.")
    return found


def _check_names(media: list[OfferedMedia]) -> None:
    mids = [item.mid for item in media if item.mid]
    if len(set(mids)) != len(mids):
        raise malformed("The SDP has two m-lines with one mid.")


def _check_bundle(session: Section, media: list[OfferedMedia]) -> None:
    """All that we accept must share one transport (RFC 9143)."""
    groups = [set(group.split()[1:]) for group in session.all("group") if group.split()[:1] == ["BUNDLE"]]
    if len(groups) > 1:
        raise unacceptable("The SDP has more than one BUNDLE group.")
    if groups and not groups[0] <= {item.mid for item in media}:
        raise malformed("The SDP bundles an m-line that it does not have.")
    wanted = {item.mid for item in media if item.acceptable}
    if not (groups and wanted <= groups[0]) and (len(media) > 1 or (groups and groups[0])):
        raise unacceptable("The SDP does not bundle its m-lines.")


def _check_shared(media: list[OfferedMedia]) -> None:
    """What bundled m-lines share must mean one thing (RFC 9143 sections 9.1 and 9.2)."""
    formats: dict[int, Codec | Literal["rtx", "red"]] = {}
    extensions: dict[int, str] = {}
    ssrcs: set[int] = set()
    for item in media:
        for codec in item.codecs:
            if formats.setdefault(codec.payload_type, codec.codec) != codec.codec:
                raise malformed("The SDP uses one payload type for two formats.")
            rtx = codec.rtx_payload_type
            if rtx is not None and formats.setdefault(rtx, "rtx") != "rtx":
                raise malformed("The SDP uses one payload type for two formats.")
        red = item.red_payload_type
        if red is not None and formats.setdefault(red, "red") != "red":
            raise malformed("The SDP uses one payload type for two formats.")
        for uri in _SHARED_EXTENSIONS & item.extensions.keys():
            if extensions.setdefault(item.extensions[uri], uri) != uri:
                raise malformed("The SDP uses one header extension id for two extensions.")
        own = {*item.ssrcs, *item.rtx_ssrcs.values()}
        if own & ssrcs:
            raise malformed("The SDP uses one SSRC in two m-lines.")
        ssrcs |= own
