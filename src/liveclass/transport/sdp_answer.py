"""SDP answers (RFC 9429 section 5.3): which formats we take, and the text that says so.

Answers are complete: ICE-lite, all candidates, no trickling. Nothing that a peer wrote is repeated but its mids,
payload types and numbers, so an offer cannot put lines into an answer. Knows no session and no source.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from liveclass.errors import UsageError
from liveclass.rtp.codec import Codec, CodecName
from liveclass.transport.sdp import (
    EXT_AUDIO_LEVEL,
    EXT_MID,
    EXT_REPAIRED_RID,
    EXT_RID,
    EXT_TRANSPORT_CC,
    EXT_VIDEO_ORIENTATION,
    Offer,
    OfferedCodec,
    OfferedMedia,
)
from liveclass.transport.sdp_lines import parse_fmtp

FEEDBACK: Final = frozenset({"nack", "nack pli", "ccm fir", "transport-cc"})
"""RTCP feedback that the relay gives and understands. REMB is not among them: Chromium offers but never sends it."""

EXTENSIONS: Final = frozenset(
    {EXT_AUDIO_LEVEL, EXT_TRANSPORT_CC, EXT_MID, EXT_RID, EXT_REPAIRED_RID, EXT_VIDEO_ORIENTATION}
)
"""Header extensions of publishers that the relay reads or passes on."""

SUBSCRIBER_EXTENSIONS: Final = frozenset({EXT_TRANSPORT_CC})
"""Header extensions that the relay writes for subscribers."""

_CODEC_ORDER: Final[dict[CodecName, int]] = {"opus": 0, "H264": 1, "VP8": 2, "VP9": 3, "AV1": 4}
"""H264 first: every old decoder has it in hardware, and the recording needs no second format."""

_STEREO: Final = ("stereo=1", "sprop-stereo=1")
"""We take both channels, and may send both (RFC 7587 section 6.1)."""
_FMTP: Final[dict[CodecName, tuple[str, ...]]] = {
    "opus": (),
    "H264": ("level-asymmetry-allowed", "packetization-mode", "profile-level-id"),
    "VP8": (),
    "VP9": ("profile-id",),
    "AV1": ("level-idx", "profile", "tier"),
}
"""Parameters of the offer that the answer repeats (RFC 6184 section 8.2.2 asks for the first three)."""

_TCP_TYPE_PREFERENCE: Final = 90
"""Of TCP host candidates, as in libwebrtc: below every UDP candidate, above relayed ones."""

H264Profile = Literal["baseline", "main", "high", "other"]
_DECODES: Final[dict[H264Profile, frozenset[H264Profile]]] = {
    "baseline": frozenset({"baseline"}),
    "main": frozenset({"baseline", "main"}),
    "high": frozenset({"baseline", "main", "high"}),
    "other": frozenset(),
}
"""What a decoder of each profile plays. Baseline means the constrained one: no encoder that speaks WebRTC makes the
rest of Baseline, and no browser decodes it, whatever its offer says."""


def h264_profile(profile_level_id: str) -> tuple[H264Profile, bool]:
    """The family of a `profile-level-id`, and whether it is the constrained Baseline (RFC 6184 section 8.1)."""
    profile, constraints = int(profile_level_id[:2], 16), int(profile_level_id[2:4], 16)
    # A stream with constraint_set1 in Baseline, or constraint_set0 in Main, is both Baseline and Main.
    if profile == 0x42 or (profile == 0x4D and constraints & 0x80):
        return "baseline", profile == 0x4D or bool(constraints & 0x40)
    if profile == 0x4D:
        return "main", False
    if profile == 0x64:
        return "high", False
    return "other", False


def compatible(source: Codec, offered: Codec) -> bool:
    """Whether a peer that offered to receive `offered` can decode `source`.

    H264: the profile must hold the source's, and a receiver of packetization mode 0 takes no aggregates or fragments
    (RFC 6184 section 6). VP9 and AV1: the same profile.
    """
    if source.name != offered.name:
        return False
    mine, theirs = source.parameters, offered.parameters
    if source.name != "H264":
        return all(mine.get(key, "0") == theirs.get(key, "0") for key in ("profile-id", "profile"))
    if mine.get("packetization-mode", "0") > theirs.get("packetization-mode", "0"):
        return False
    family, _ = h264_profile(mine.get("profile-level-id", "42e01f"))
    decoder, _ = h264_profile(theirs.get("profile-level-id", "42e01f"))
    return family in _DECODES[decoder] or mine.get("profile-level-id") == theirs.get("profile-level-id")


def choose_codecs(
    media: OfferedMedia, *, feedback: frozenset[str] = FEEDBACK, audio_nack: bool = True
) -> list[OfferedCodec]:
    """The formats of an m-line that we accept, best first, each with the feedback that we speak.

    Args:
        feedback: the kinds that are kept of those offered.
        audio_nack: put ``nack`` to Opus although browsers do not offer it: Chromium then repeats lost sound when it
            sends, and asks for it when it receives.

    Returns:
        Opus; or H264 (constrained Baseline before others, packetization mode 1 before 0), VP8, VP9, AV1.
    """
    kept = []
    for offered in sorted(media.codecs, key=_preference):
        spoken = offered.feedback & feedback
        if audio_nack and offered.codec.name == "opus":
            spoken |= {"nack"}
        kept.append(OfferedCodec(offered.payload_type, offered.codec, spoken, offered.rtx_payload_type, offered.fmtp))
    return kept


def _preference(offered: OfferedCodec) -> tuple[int, int, int]:
    codec = offered.codec
    if codec.name != "H264":
        return _CODEC_ORDER[codec.name], 0, 0
    family, constrained = h264_profile(codec.parameters["profile-level-id"])
    rank = 0 if constrained else 1 + ("baseline", "main", "high", "other").index(family)
    return _CODEC_ORDER["H264"], rank, -int(codec.parameters["packetization-mode"])


def choose_extensions(media: OfferedMedia, *, uris: frozenset[str] = EXTENSIONS) -> dict[str, int]:
    """The offered header extensions that we use, with the offer's ids (RFC 8285 section 6)."""
    return {uri: identifier for uri, identifier in media.extensions.items() if uri in uris}


def offers_stereo(media: OfferedMedia) -> bool:
    """Whether a publisher says of its sound that it is likely to be in two channels (`sprop-stereo`, RFC 7587 section
    6.1). What it says of `stereo` is about sound that it would receive."""
    return any(parse_fmtp(codec.fmtp).get("sprop-stereo") == "1" for codec in media.codecs)


@dataclass(frozen=True, slots=True)
class AudioWish:
    """How we would like a publisher's Opus to be (RFC 7587 section 6.1, RFC 8866 section 6.4).

    Attributes:
        dtx: nothing but a word now and then while it is silent.
        max_average_bps: bits per second of Opus, without headers.
        ptime_ms: milliseconds of sound in one packet.
        stereo: two channels; browsers send one unless they are asked for both.
    """

    dtx: bool = False
    stereo: bool = False
    max_average_bps: int | None = None
    ptime_ms: int | None = None


@dataclass(frozen=True, slots=True)
class AnsweredMedia:
    """What we say to one m-line.

    Attributes:
        accept: False refuses it.
        direction: ours: "sendonly" where the peer is to receive.
        codecs: in our order; those of `choose_codecs`.
        extensions: URI to the offer's id.
        ssrc: of what we send, with "sendonly"; `rtx_ssrc` of its retransmissions.
        cname: one word, the same for all that shares a clock (RFC 7022).
        msid: "stream track", two words without spaces within.
        rids: simulcast layers that we take, a choice of the offer's, in its order.
        red: take or send redundant sound too, where it is offered; both payload types are good at any time.
        audio: wishes for the sound that we receive.
    """

    mid: str
    accept: bool = True
    direction: Literal["sendonly", "recvonly", "inactive"] = "inactive"
    codecs: Sequence[OfferedCodec] = ()
    extensions: Mapping[str, int] = field(default_factory=dict)
    ssrc: int | None = None
    rtx_ssrc: int | None = None
    cname: str = ""
    msid: str = ""
    rids: Sequence[str] = ()
    red: bool = False
    audio: AudioWish | None = None


def build_answer(
    offer: Offer,
    *,
    ufrag: str,
    pwd: str,
    fingerprint: str,
    candidates: Sequence[tuple[str, int]],
    media: Sequence[AnsweredMedia],
    session_id: int,
    tcp_candidates: Sequence[tuple[str, int]] = (),
) -> str:
    """The answer to `offer`.

    Args:
        fingerprint: algorithm and value, as `dtls.Identity.fingerprint`.
        candidates: IP address and port of each UDP host candidate, best first.
        media: by mid, in any order; m-lines of the offer that are not named are refused.
        session_id: of the `o=` line, below 2**63.
        tcp_candidates: IP address and port where we accept ICE-TCP connections (RFC 6544), best first.

    Returns:
        SDP with CRLF line ends.

    Errors:
        UsageError: an accepted m-line that the offer does not hold, that has no codec or a layer that was not offered,
            or none at all.
    """
    given = {item.mid: item for item in media if item.accept}
    accepted = [line for line in offer.media if line.acceptable and line.mid in given]
    if not candidates or not accepted or len(accepted) != len(given):
        raise UsageError("an answer needs a candidate and acceptable m-lines of its offer")
    host, port = candidates[0]
    lines = [
        "v=0",
        f"o=- {session_id} 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        f"a=group:BUNDLE {' '.join(line.mid for line in accepted)}",
        "a=msid-semantic: WMS *",
        "a=ice-lite",
    ]
    connection = f"c=IN {'IP6' if ':' in host else 'IP4'} {host}"
    transport = [
        f"a=ice-ufrag:{ufrag}",
        f"a=ice-pwd:{pwd}",
        f"a=fingerprint:{fingerprint}",
        f"a=setup:{'passive' if offer.dtls_role == 'server' else 'active'}",
    ]
    for line in offer.media:
        if line.mid not in given or not line.acceptable:
            lines += _refusal(line)
            continue
        item = given[line.mid]
        if not item.codecs or not set(item.rids) <= set(line.rids):
            raise UsageError("an accepted m-line needs a codec, and layers that were offered")
        red = line.red_payload_type if item.red else None
        lines += [f"m={line.kind} {port} {line.protocol} {_payload_types(item.codecs, red)}", connection]
        lines += [f"a=mid:{line.mid}", f"a={item.direction}", "a=rtcp-mux"]
        lines += ["a=rtcp-rsize"] if line.rtcp_rsize else []
        lines += transport
        for codec in item.codecs:
            lines += _format(codec, item.audio)
        lines += _red(item.codecs, red)
        lines += _packet_time(item.audio)
        lines += [f"a=extmap:{identifier} {uri}" for uri, identifier in item.extensions.items()]
        if item.direction == "sendonly":
            lines += ["a=rtcp-xr:rcvr-rtt=all"] if line.rtcp_xr else []
            lines += _stream(item)
        lines += _layers(item.rids, simulcast=line.simulcast)
        if line is accepted[0]:
            # The bundle's other m-lines use these too (RFC 9143 section 7.3).
            lines += candidate_lines(candidates, tcp_candidates)
    return "\r\n".join(lines) + "\r\n"


def candidate_lines(candidates: Sequence[tuple[str, int]], tcp_candidates: Sequence[tuple[str, int]] = ()) -> list[str]:
    """`a=candidate` lines of our host candidates, best first (RFC 8839 section 5.1), and the line that ends them."""
    udp = [_candidate(rank, *address) for rank, address in enumerate(candidates)]
    tcp = [_tcp_candidate(len(udp), rank, *address) for rank, address in enumerate(tcp_candidates)]
    return [*udp, *tcp, "a=end-of-candidates"]


def _candidate(rank: int, host: str, port: int) -> str:
    # RFC 8445 section 5.1.2.1: host type 126, component 1, the order given as local preference.
    priority = (126 << 24) + (max(0, 0xFFFF - rank) << 8) + 255
    return f"a=candidate:{rank + 1} 1 udp {priority} {host} {port} typ host"


def _tcp_candidate(before: int, rank: int, host: str, port: int) -> str:
    # RFC 6544 section 4.2: direction preference 4 for passive host candidates; type preference below that of UDP, so
    # that a browser turns to TCP only where no datagram comes through.
    local = (4 << 13) + max(0, 0x1FFF - rank)
    priority = (_TCP_TYPE_PREFERENCE << 24) + (local << 8) + 255
    return f"a=candidate:{before + rank + 1} 1 tcp {priority} {host} {port} typ host tcptype passive"


def _refusal(line: OfferedMedia) -> list[str]:
    refusal = [f"m={line.kind} 0 {line.protocol} {line.format}", "c=IN IP4 0.0.0.0", "a=inactive"]
    return [*refusal, f"a=mid:{line.mid}"] if line.mid else refusal


def _payload_types(codecs: Sequence[OfferedCodec], red: int | None) -> str:
    numbers: dict[int, None] = {}
    for codec in codecs:
        numbers[codec.payload_type] = None
        if codec.rtx_payload_type is not None:
            numbers[codec.rtx_payload_type] = None
    if red is not None:
        numbers[red] = None
    return " ".join(map(str, numbers))


def _red(codecs: Sequence[OfferedCodec], red: int | None) -> list[str]:
    """Behind Opus, so that a publisher goes on with plain Opus (RFC 2198 section 5)."""
    opus = next((codec for codec in codecs if codec.codec.name == "opus"), None)
    if red is None or opus is None:
        return []
    number = opus.payload_type
    return [f"a=rtpmap:{red} red/{opus.codec.clock_rate}/2", f"a=fmtp:{red} {number}/{number}"]


def _packet_time(wish: AudioWish | None) -> list[str]:
    if wish is None or wish.ptime_ms is None:
        return []
    return [f"a=ptime:{wish.ptime_ms}", f"a=maxptime:{wish.ptime_ms}"]


def _layers(rids: Sequence[str], *, simulcast: bool) -> list[str]:
    lines = [f"a=rid:{rid} recv" for rid in rids]
    return [*lines, f"a=simulcast:recv {';'.join(rids)}"] if rids and simulcast else lines


def _format(offered: OfferedCodec, wish: AudioWish | None) -> list[str]:
    number, name = offered.payload_type, offered.codec.name
    channels = "/2" if name == "opus" else ""
    lines = [f"a=rtpmap:{number} {name}/{offered.codec.clock_rate}{channels}"]
    lines += [f"a=rtcp-fb:{number} {feedback}" for feedback in sorted(offered.feedback)]
    fmtp = _fmtp(offered, wish)
    lines += [f"a=fmtp:{number} {fmtp}"] if fmtp else []
    if offered.rtx_payload_type is not None:
        lines += [
            f"a=rtpmap:{offered.rtx_payload_type} rtx/{offered.codec.clock_rate}",
            f"a=fmtp:{offered.rtx_payload_type} apt={number}",
        ]
    return lines


def _fmtp(offered: OfferedCodec, wish: AudioWish | None) -> str:
    given = parse_fmtp(offered.fmtp)
    if offered.codec.name == "opus":
        # A receiver is sent what there is: its decoder makes of it what it said.
        stereo = wish.stereo if wish is not None else given.get("stereo") == "1"
        return ";".join(["minptime=10", "useinbandfec=1", *(_STEREO if stereo else ()), *_opus_wishes(wish)])
    names = (name for name in _FMTP[offered.codec.name] if given.get(name, "").isalnum() and given[name].isascii())
    return ";".join(f"{name}={given[name]}" for name in names)


def _opus_wishes(wish: AudioWish | None) -> list[str]:
    if wish is None:
        return []
    rate = [] if wish.max_average_bps is None else [f"maxaveragebitrate={wish.max_average_bps}"]
    return [*(["usedtx=1"] if wish.dtx else []), *rate]


def _stream(item: AnsweredMedia) -> list[str]:
    if item.ssrc is None:
        return []
    lines = [f"a=msid:{item.msid}"] if item.msid else []
    ssrcs = [item.ssrc]
    if item.rtx_ssrc is not None:
        ssrcs.append(item.rtx_ssrc)
        lines.append(f"a=ssrc-group:FID {item.ssrc} {item.rtx_ssrc}")
    return lines + [f"a=ssrc:{ssrc} cname:{item.cname}" for ssrc in ssrcs]
