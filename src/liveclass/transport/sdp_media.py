"""One m-line of an offer as a value (RFC 8866 section 5.14, RFC 9429 section 5.2). Knows no transport and no answer."""

import re
from dataclasses import dataclass, field
from typing import Final, Literal

from liveclass.rtp.codec import Codec, CodecName
from liveclass.transport.sdp_lines import Section, malformed, number, parse_fmtp, unacceptable

EXT_AUDIO_LEVEL: Final = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
"""How loud this packet is (RFC 6464)."""
EXT_TRANSPORT_CC: Final = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
"""A number over all packets of the transport, for congestion feedback."""
EXT_MID: Final = "urn:ietf:params:rtp-hdrext:sdes:mid"
"""The m-line that a packet belongs to (RFC 9143 section 15)."""
EXT_RID: Final = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
"""The simulcast layer that a packet belongs to (RFC 8852 section 3.1)."""
EXT_REPAIRED_RID: Final = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
"""The simulcast layer that a retransmission repairs (RFC 8852 section 3.2)."""
EXT_VIDEO_ORIENTATION: Final = "urn:3gpp:video-orientation"
"""How a phone is held (3GPP TS 26.114 section 7.4.5)."""

MAX_CODECS: Final = 64
"""Payload types of one m-line; Chromium lists about 30."""

MAX_SSRCS: Final = 32
"""SSRCs of one m-line."""

MAX_RIDS: Final = 4
"""Simulcast layers of one m-line: our pages send three, and each layer costs a cache and reports."""

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]

_DIRECTIONS: Final[dict[str, Direction]] = {
    "sendrecv": "sendrecv",
    "sendonly": "sendonly",
    "recvonly": "recvonly",
    "inactive": "inactive",
}
_PROTOCOLS: Final = frozenset(
    {"UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "TCP/DTLS/RTP/SAVPF", "TCP/DTLS/RTP/SAVP", "RTP/SAVPF"}
)
"""Profiles that mean DTLS-SRTP with feedback; RFC 9429 section 5.1.2 has a peer take each for the first."""

_CODECS: Final[dict[str, tuple[CodecName, str]]] = {
    "opus": ("opus", "48000/2"),
    "h264": ("H264", "90000"),
    "vp8": ("VP8", "90000"),
    "vp9": ("VP9", "90000"),
    "av1": ("AV1", "90000"),
}
_PARAMETERS: Final[dict[CodecName, dict[str, str]]] = {
    "opus": {},
    "H264": {"profile-level-id": "42e01f", "packetization-mode": "0"},
    "VP8": {},
    "VP9": {"profile-id": "0"},
    "AV1": {"profile": "0"},
}
"""The `fmtp` parameters that decide compatibility, with what holds where they are left out. RFC 6184 means Baseline
level 1 without a profile-level-id; encoders that leave it out send, as libwebrtc also assumes, constrained Baseline."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,64}")
_MEDIA: Final = re.compile(
    r"([a-z]{1,16}) ([0-9]{1,5})(?:/[0-9]{1,5})? ([A-Za-z/]{1,32}) ([!-~]{1,64}(?: [!-~]{1,64})*)"
)
_EXTMAP: Final = re.compile(r"([0-9]{1,5})(?:/(sendrecv|sendonly|recvonly|inactive))? ([!-~]{1,256})(?: .*)?")
_RTPMAP: Final = re.compile(r"([0-9]{1,3}) ([A-Za-z0-9_.+-]{1,32})/([0-9]{1,6}(?:/[0-9]{1,2})?)")
_FMTP: Final = re.compile(r"([0-9]{1,3}) (.{1,4096})")
_FEEDBACK: Final = re.compile(r"([0-9]{1,3}|\*) ([a-z][a-z0-9-]{0,31}(?: [a-z0-9-]{1,32}){0,2})(?: .*)?")
_SSRC: Final = re.compile(r"([0-9]{1,10})(?: ([a-z-]{1,32})(?::(.*))?)?")
_GROUP: Final = re.compile(r"([A-Z-]{1,16})((?: [0-9]{1,10})+)")
_RID: Final = re.compile(r"([A-Za-z0-9_-]{1,16}) (send|recv)(?: .*)?")
_SIMULCAST: Final = re.compile(r"(?:.* )?send ([A-Za-z0-9_~;,-]{1,512})(?: .*)?")
_RED: Final = re.compile(r"([0-9]{1,3})(?:/\1)*")
_PRINTABLE: Final = re.compile(r"[!-~]{0,128}")


@dataclass(frozen=True, slots=True)
class OfferedCodec:
    """One payload type of an m-line.

    Attributes:
        codec: the format, with the parameters that decide compatibility.
        feedback: `a=rtcp-fb` values (RFC 4585 section 4.2), such as ``nack pli``.
        rtx_payload_type: of its retransmissions (RFC 4588), if offered.
        fmtp: as offered, or "".
    """

    payload_type: int
    codec: Codec
    feedback: frozenset[str] = frozenset()
    rtx_payload_type: int | None = None
    fmtp: str = ""


@dataclass(frozen=True, slots=True)
class OfferedMedia:
    """One m-line. Where `acceptable` is false only mid, kind, protocol and format are filled: it can only be refused.

    Attributes:
        mid: its name (RFC 9143); "" only where it is not acceptable.
        kind: "audio", "video", or something else that is not acceptable.
        format: the first payload type or format, for the refusal of the m-line.
        codecs: those that this project forwards, in the offer's order.
        extensions: header extensions, URI to id (1 to 14, the one-byte form of RFC 8285).
        ssrcs: of media, without those of retransmissions and error correction.
        rtx_ssrcs: SSRC of media to SSRC of its retransmissions.
        rids: of simulcast layers that the peer would send, in its order: the first is the lowest (RFC 8853).
        simulcast: the layers stand in an `a=simulcast` line too.
        red_payload_type: of redundant Opus (RFC 2198), if offered.
        rtcp_xr: the peer would measure its round trip as a receiver (`a=rtcp-xr:rcvr-rtt`, RFC 3611 section 5.1).
        msid: stream and track, or "".
        cname: of the first SSRC, or "".
    """

    mid: str
    kind: str
    acceptable: bool
    protocol: str
    format: str
    direction: Direction = "sendrecv"
    codecs: list[OfferedCodec] = field(default_factory=list)
    extensions: dict[str, int] = field(default_factory=dict)
    ssrcs: list[int] = field(default_factory=list)
    rtx_ssrcs: dict[int, int] = field(default_factory=dict)
    rids: list[str] = field(default_factory=list)
    msid: str = ""
    cname: str = ""
    rtcp_rsize: bool = False
    simulcast: bool = False
    red_payload_type: int | None = None
    rtcp_xr: bool = False


Known = dict[tuple[str, ...], tuple[list[OfferedCodec], int | None]]
"""Formats, and the payload type of redundant sound, by the lines that they were read from: the m-lines of a page repeat
the same hundred lines each."""


def parse_media(line: Section, session: Section, known: Known) -> OfferedMedia:
    """Read one m-line; what it leaves out stands at session level. PeerError as for `sdp.parse_offer`.

    Args:
        known: what was read of this offer so far; formats are added to it.
    """
    match = _MEDIA.fullmatch(line.media)
    if match is None:
        raise malformed("The SDP has an m-line that cannot be read.")
    kind, port, protocol, formats = match.groups()
    listed = formats.split()
    mid = line.one("mid") or ""
    if mid and not _TOKEN.fullmatch(mid):
        raise malformed("The SDP has a mid that is not a token.")
    disabled = int(port) == 0 and "bundle-only" not in line.attributes
    if kind not in {"audio", "video"} or disabled:
        return OfferedMedia(mid, kind, False, protocol, listed[0])
    if protocol not in _PROTOCOLS:
        raise unacceptable("The SDP has an m-line whose transport is not DTLS-SRTP.")
    if not mid:
        raise malformed("The SDP has an m-line without a mid.")
    if "rtcp-mux" not in line.attributes:
        raise unacceptable("The SDP has an m-line without a=rtcp-mux.")
    key = (kind, formats, *line.all("rtpmap"), "", *line.all("fmtp"), "", *line.all("rtcp-fb"))
    formats_read = known.get(key)
    if formats_read is None:
        formats_read = known[key] = _formats(line, kind, listed)
    codecs, red = formats_read
    if not codecs:
        raise unacceptable(f"The SDP offers no {kind} format that is known here.")
    ssrcs, rtx_ssrcs, cname, msid = _ssrcs(line)
    declared = line.all("msid")[:1]
    rids, simulcast = _rids(line)
    return OfferedMedia(
        mid=mid,
        kind=kind,
        acceptable=True,
        protocol=protocol,
        format=listed[0],
        direction=_direction(line) or _direction(session) or "sendrecv",
        codecs=codecs,
        extensions=_extensions(line, session),
        ssrcs=ssrcs,
        rtx_ssrcs=rtx_ssrcs,
        rids=rids,
        msid=_printable(declared[0] if declared else msid),
        cname=_printable(cname),
        rtcp_rsize="rtcp-rsize" in line.attributes,
        simulcast=simulcast,
        red_payload_type=red,
        rtcp_xr=any("rcvr-rtt=" in value for value in line.all("rtcp-xr")),
    )


def _direction(section: Section) -> Direction | None:
    found = [direction for name, direction in _DIRECTIONS.items() if name in section.attributes]
    if len(found) > 1:
        raise malformed("The SDP gives one m-line two directions.")
    return found[0] if found else None


def _formats(line: Section, kind: str, listed: list[str]) -> tuple[list[OfferedCodec], int | None]:
    """The formats that we forward, and the payload type of redundant Opus."""
    order = [number(payload_type, 127) for payload_type in listed[:MAX_CODECS]]
    if len(set(order)) != len(order):
        raise malformed("The SDP lists a payload type twice in one m-line.")
    names = _by_payload_type(line, "rtpmap", _RTPMAP)
    fmtps = {payload_type: match[2] for payload_type, match in _by_payload_type(line, "fmtp", _FMTP).items()}
    feedback, general = _feedback(line)
    retransmits: dict[int, int] = {}
    for payload_type in order:
        match = names.get(payload_type)
        apt = parse_fmtp(fmtps.get(payload_type, "")).get("apt", "")
        if match is not None and match[2].lower() == "rtx" and apt.isascii() and apt.isdigit():
            retransmits.setdefault(int(apt[:3]), payload_type)
    found: list[OfferedCodec] = []
    for payload_type in order:
        match = names.get(payload_type)
        # Types 64 to 95 look like RTCP once they are multiplexed (RFC 5761 section 4).
        if match is None or 64 <= payload_type <= 95:
            continue
        fmtp = fmtps.get(payload_type, "")
        codec = _codec(match[2], match[3], fmtp)
        if codec is not None and codec.kind == kind:
            own = frozenset(feedback.get(payload_type, set()) | general)
            found.append(OfferedCodec(payload_type, codec, own, retransmits.get(payload_type), fmtp))
    red = _red(order, names, fmtps, {str(codec.payload_type) for codec in found if codec.codec.name == "opus"})
    return found, red


def _red(order: list[int], names: dict[int, re.Match[str]], fmtps: dict[int, str], opus: set[str]) -> int | None:
    """The payload type whose blocks are all of an offered Opus (RFC 2198 section 5)."""
    for payload_type in order:
        match = names.get(payload_type)
        if match is None or match[2].lower() != "red" or match[3] != "48000/2" or 64 <= payload_type <= 95:
            continue
        blocks = _RED.fullmatch(fmtps.get(payload_type, "").strip())
        if blocks is not None and blocks[1] in opus:
            return payload_type
    return None


def _codec(name: str, clock: str, fmtp: str) -> Codec | None:
    """The format, if it is one that we forward: 8-bit 4:2:0 profiles and H264 packetization modes 0 and 1."""
    known = _CODECS.get(name.lower())
    if known is None or clock != known[1]:
        return None
    given = parse_fmtp(fmtp)
    codec = Codec(known[0], {key: given.get(key, default).lower() for key, default in _PARAMETERS[known[0]].items()})
    match codec.name:
        case "H264":
            sound = re.fullmatch(r"[0-9a-f]{6}", codec.parameters["profile-level-id"])
            return codec if sound and codec.parameters["packetization-mode"] in {"0", "1"} else None
        case "VP9":
            return codec if codec.parameters["profile-id"] == "0" else None
        case "AV1":
            return codec if codec.parameters["profile"] == "0" else None
    return codec


def _by_payload_type(line: Section, name: str, pattern: re.Pattern[str]) -> dict[int, re.Match[str]]:
    found: dict[int, re.Match[str]] = {}
    for value in line.all(name):
        match = pattern.fullmatch(value)
        if match is None:
            raise malformed(f"The SDP has an a={name} that cannot be read.")
        found.setdefault(number(match[1], 127), match)
    return found


def _feedback(line: Section) -> tuple[dict[int, set[str]], set[str]]:
    own: dict[int, set[str]] = {}
    general: set[str] = set()
    for value in line.all("rtcp-fb"):
        match = _FEEDBACK.fullmatch(value)
        if match is None:
            continue  # forms of others' making do not matter to us
        (general if match[1] == "*" else own.setdefault(number(match[1], 127), set())).add(match[2])
    return own, general


def _extensions(line: Section, session: Section) -> dict[str, int]:
    uris: dict[int, str] = {}
    found: dict[str, int] = {}
    for value in session.all("extmap") + line.all("extmap"):
        match = _EXTMAP.fullmatch(value)
        if match is None:
            raise malformed("The SDP has an a=extmap that cannot be read.")
        identifier, uri = number(match[1], 65_535), match[3]
        if identifier == 0 or uris.setdefault(identifier, uri) != uri:
            raise malformed("The SDP uses one header extension id for two extensions.")
        if identifier < 15 and match[2] != "inactive":
            found.setdefault(uri, identifier)
    return found


def _ssrcs(line: Section) -> tuple[list[int], dict[int, int], str, str]:
    """SSRCs of media, of their retransmissions, the first cname and the first msid (RFC 5576)."""
    order: dict[int, None] = {}
    cname = msid = ""
    for value in line.all("ssrc"):
        match = _SSRC.fullmatch(value)
        if match is None:
            raise malformed("The SDP has an a=ssrc that cannot be read.")
        order[number(match[1], 0xFFFFFFFF)] = None
        cname = cname or (match[3] or "" if match[2] == "cname" else "")
        msid = msid or (match[3] or "" if match[2] == "msid" else "")
    if len(order) > MAX_SSRCS:
        raise unacceptable("The SDP has too many SSRCs in one m-line.")
    rtx: dict[int, int] = {}
    repair: set[int] = set()
    for value in line.all("ssrc-group"):
        match = _GROUP.fullmatch(value)
        if match is None:
            raise malformed("The SDP has an a=ssrc-group that cannot be read.")
        members = [number(member, 0xFFFFFFFF) for member in match[2].split()]
        if match[1] in {"FID", "FEC", "FEC-FR"} and len(members) == 2 and members[0] != members[1]:
            repair.add(members[1])
            if match[1] == "FID":
                rtx.setdefault(members[0], members[1])
    primary = [ssrc for ssrc in order if ssrc not in repair]
    return primary, {ssrc: rtx[ssrc] for ssrc in primary if ssrc in rtx}, cname, msid


def _rids(line: Section) -> tuple[list[str], bool]:
    """The layers that the peer would send, and whether `a=simulcast` lists them; of alternatives the first is taken."""
    matches = (_RID.fullmatch(value) for value in line.all("rid")[: 2 * MAX_SSRCS])
    declared = [match[1] for match in matches if match is not None and match[2] == "send"]
    listed = _SIMULCAST.fullmatch(line.one("simulcast") or "")
    if listed is not None:
        first = [alternatives.partition(",")[0].lstrip("~") for alternatives in listed[1].split(";")]
        # A layer without its own line is to be left out (RFC 8853 section 5.2).
        declared = [rid for rid in first if rid in declared]
    if len(set(declared)) != len(declared):
        raise malformed("The SDP names one simulcast layer twice.")
    if len(declared) > MAX_RIDS:
        raise unacceptable("The SDP has too many simulcast layers in one m-line.")
    return declared, listed is not None


def _printable(value: str) -> str:
    """`value` as far as it is safe to repeat: printable ASCII words, else ""."""
    return value if all(_PRINTABLE.fullmatch(word) for word in value.split(" ")) and len(value) <= 256 else ""
