"""ICE fragments of SDP, `application/trickle-ice-sdpfrag` (RFC 8840 section 9), as WHIP and WHEP PATCH carry them.

Knows no session: whether a fragment restarts ICE is for the caller to see, by comparing its ufrag with the one in use
(RFC 9725 section 4.3.2: the same ufrag means trickled candidates, which an ICE-lite server does not need).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from liveclass.errors import PeerError
from liveclass.transport.sdp_answer import candidate_lines
from liveclass.transport.sdp_lines import ICE_CHARACTERS, Section, malformed, sections

MAX_FRAGMENT: Final = 16 * 1024
"""Bytes; a fragment with all candidates of a machine has about 2,000."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """A peer's ICE credentials."""

    ufrag: str
    pwd: str


def parse_fragment(text: str, *, max_bytes: int = MAX_FRAGMENT) -> Fragment:
    """Read a fragment; its candidates are skipped.

    Errors:
        PeerError: 413 too large; 400 not a fragment, or without credentials.
    """
    try:
        if len(text) > max_bytes or len(text.encode()) > max_bytes:
            raise PeerError("The fragment is too large.", status=413, code="sdp_too_large")
        found = sections(text)
        return Fragment(_value("ice-ufrag", 4, found), _value("ice-pwd", 22, found))
    except PeerError:
        raise
    except Exception as problem:
        raise malformed("The fragment cannot be read.") from problem


def build_fragment(
    *,
    ufrag: str,
    pwd: str,
    mids: Sequence[str],
    candidates: Sequence[tuple[str, int]],
    tcp_candidates: Sequence[tuple[str, int]] = (),
) -> str:
    """Our answer to an ICE restart (RFC 9725 section 4.3.3).

    Args:
        mids: of the bundled m-lines, the first of which carries the candidates.
        candidates: IP address and port of each UDP host candidate, best first.
        tcp_candidates: where we accept ICE-TCP connections (RFC 6544), best first.
    """
    lines = [
        "a=ice-lite",
        f"a=group:BUNDLE {' '.join(mids)}",
        "m=audio 9 UDP/TLS/RTP/SAVPF 0",
        f"a=mid:{mids[0]}",
        f"a=ice-ufrag:{ufrag}",
        f"a=ice-pwd:{pwd}",
        *candidate_lines(candidates, tcp_candidates),
    ]
    return "\r\n".join(lines) + "\r\n"


def _value(name: str, least: int, found: list[Section]) -> str:
    """The credential, which stands at session level or in an m-line; all that give it must agree."""
    values = {value for section in found for value in section.all(name)}
    if len(values) != 1:
        raise malformed(f"The fragment does not have exactly one a={name}.")
    (value,) = values
    if len(value) < least or not ICE_CHARACTERS.fullmatch(value):
        raise malformed(f"The fragment has no valid a={name}.")
    return value
