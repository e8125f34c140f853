"""The offer of a node that pulls a lesson, and what it must know of the answer (RFC 9429, both ends are ours).

Two m-lines carry everything: the streams in them are named by the relay within the session (`relay.cast`), since they
come and go while a session description does not. Pure: it knows no session and no source.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from liveclass.transport.dtls_identity import DIGEST_LENGTHS
from liveclass.transport.ice import Address
from liveclass.transport.sdp import EXT_TRANSPORT_CC
from liveclass.transport.sdp_lines import ICE_CHARACTERS, malformed, number, unacceptable

NUMBER_ID: Final = 1
"""Of the transport-wide extension in our offer."""

MAX_ANSWER_BYTES: Final = 64 * 1024
MAX_CANDIDATES: Final = 8

_VIDEO: Final[tuple[tuple[int, str, str], ...]] = (
    (96, "H264/90000", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"),
    (98, "H264/90000", "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f"),
    (100, "H264/90000", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640c1f"),
    (102, "VP8/90000", ""),
    (104, "VP9/90000", "profile-id=0"),
    (106, "AV1/90000", "profile=0"),
)
"""Payload type, format and parameters of every picture that this project forwards; each has its retransmissions under
the next number. A node decodes nothing, so it takes all of them."""

_OPUS: Final = 111
_CANDIDATE: Final = re.compile(r"a=candidate:[!-~]{1,32} 1 udp [0-9]{1,10} ([0-9A-Fa-f.:]{2,45}) ([0-9]{1,5}) typ host")
_FINGERPRINT: Final = re.compile(r"([A-Za-z0-9-]{1,16}) ([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})*)")


@dataclass(frozen=True, slots=True)
class PullAnswer:
    """What the upstream node said.

    Attributes:
        fingerprints: (algorithm, value) with an algorithm that `dtls` knows.
        candidates: UDP addresses, best first.
        number_id: id of the transport-wide extension; 0: it adapts to nobody.
    """

    ufrag: str
    pwd: str
    fingerprints: list[tuple[str, str]]
    candidates: list[Address]
    number_id: int


def build_offer(*, ufrag: str, pwd: str, fingerprint: str, session_id: int) -> str:
    """An offer to receive all that a lesson has.

    Args:
        fingerprint: algorithm and value, as `dtls.Identity.fingerprint`.
        session_id: of the `o=` line, below 2**63.
    """
    common = [
        "c=IN IP4 0.0.0.0",
        "a=recvonly",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        f"a=ice-ufrag:{ufrag}",
        f"a=ice-pwd:{pwd}",
        f"a=fingerprint:{fingerprint}",
        "a=setup:actpass",
        f"a=extmap:{NUMBER_ID} {EXT_TRANSPORT_CC}",
    ]
    lines = ["v=0", f"o=- {session_id} 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1"]
    lines += [f"m=audio 9 UDP/TLS/RTP/SAVPF {_OPUS}", *common, "a=mid:0", f"a=rtpmap:{_OPUS} opus/48000/2"]
    lines += [f"a=fmtp:{_OPUS} minptime=10;useinbandfec=1;stereo=1"]
    lines += [f"a=rtcp-fb:{_OPUS} {feedback}" for feedback in ("nack", "transport-cc")]
    types = " ".join(f"{payload_type} {payload_type + 1}" for payload_type, _, _ in _VIDEO)
    lines += [f"m=video 9 UDP/TLS/RTP/SAVPF {types}", *common, "a=mid:1"]
    for payload_type, name, parameters in _VIDEO:
        lines += [f"a=rtpmap:{payload_type} {name}"]
        lines += [f"a=fmtp:{payload_type} {parameters}"] if parameters else []
        lines += [f"a=rtcp-fb:{payload_type} {feedback}" for feedback in ("nack", "nack pli", "transport-cc")]
        lines += [f"a=rtpmap:{payload_type + 1} rtx/90000", f"a=fmtp:{payload_type + 1} apt={payload_type}"]
    return "\r\n".join(lines) + "\r\n"


def parse_answer(text: str) -> PullAnswer:
    """Read the answer to `build_offer`.

    Raises:
        PeerError: 400 not such an answer; 422 one that cannot be used.
    """
    if len(text) > MAX_ANSWER_BYTES or not text.startswith("v=0"):
        raise malformed("The answer is no SDP.")
    lines = text.replace("\r\n", "\n").split("\n")
    if "a=ice-lite" not in lines or "a=setup:passive" not in lines:
        raise unacceptable("The answer is not that of a node.")
    fingerprints: list[tuple[str, str]] = []
    for value in sorted(_values(lines, "a=fingerprint:")):
        match = _FINGERPRINT.fullmatch(value)
        if match is None:
            raise malformed("The answer has an a=fingerprint that cannot be read.")
        length = DIGEST_LENGTHS.get(match[1].lower())
        if length is not None and len(match[2]) == 3 * length - 1:
            fingerprints.append((match[1].lower(), match[2].upper()))
    candidates: list[Address] = []
    for line in lines:
        found = _CANDIDATE.fullmatch(line)
        if found is not None and len(candidates) < MAX_CANDIDATES:
            candidates.append(_address(found[1], number(found[2], 65_535)))
    if not fingerprints or not candidates:
        raise unacceptable("The answer has no address or no certificate fingerprint.")
    numbered = f"a=extmap:{NUMBER_ID} {EXT_TRANSPORT_CC}" in lines
    return PullAnswer(
        _credential(lines, "a=ice-ufrag:", 4),
        _credential(lines, "a=ice-pwd:", 22),
        fingerprints,
        candidates,
        NUMBER_ID if numbered else 0,
    )


def _values(lines: list[str], prefix: str) -> set[str]:
    return {line.removeprefix(prefix) for line in lines if line.startswith(prefix)}


def _credential(lines: list[str], prefix: str, least: int) -> str:
    values = _values(lines, prefix)
    value = values.pop() if len(values) == 1 else ""
    if len(value) < least or not ICE_CHARACTERS.fullmatch(value):
        raise malformed("The answer has no valid ICE credentials.")
    return value


def _address(host: str, port: int) -> Address:
    try:
        address = ipaddress.ip_address(host)
    except ValueError as problem:
        raise malformed("The answer has a candidate that is no address.") from problem
    if not port or address.is_multicast or address.is_unspecified:
        raise unacceptable("The answer has a candidate that cannot be reached.")
    return (str(address), port) if address.version == 4 else (str(address), port, 0, 0)
