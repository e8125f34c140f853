"""Lines of SDP as text (RFC 8866): split into session and m-lines, with the errors that all SDP parsers here raise.

Knows no attribute's meaning. Candidates of the peer are dropped here, unread: an ICE-lite server answers checks and
never sends to, or resolves, an address that somebody wrote into an offer.
"""

import re
from typing import Final

from liveclass.errors import PeerError

MAX_MEDIA: Final = 16
"""m-lines of one offer: our widest page has 9 and a data channel may stand beside them."""

ICE_CHARACTERS: Final = re.compile(r"[A-Za-z0-9+/]{4,256}")
"""A ufrag or a password (RFC 8839 section 5.4)."""

_LINE: Final = re.compile(r"([a-z])=(.*)")


def malformed(message: str) -> PeerError:
    """The error for SDP that breaks its own rules."""
    return PeerError(message, status=400, code="sdp_malformed")


def unacceptable(message: str) -> PeerError:
    """The error for SDP that is sound but cannot be served."""
    return PeerError(message, status=422, code="sdp_unacceptable")


def number(text: str, most: int) -> int:
    """A decimal number of at most `most`, in plain digits; PeerError for anything else."""
    if not (text.isascii() and text.isdigit() and len(text) <= 10) or int(text) > most:
        raise malformed("The SDP has a number out of its range.")
    return int(text)


def parse_fmtp(fmtp: str) -> dict[str, str]:
    """The parameters of an `a=fmtp` line: names in lower case, values as they are."""
    pairs = (part.partition("=") for part in fmtp.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs if name.strip()}


class Section:
    """The attributes of the session or of one m-line, as text: name to values in their order."""

    __slots__ = ("attributes", "media")

    def __init__(self, media: str) -> None:
        self.media = media
        self.attributes: dict[str, list[str]] = {}

    def all(self, name: str) -> list[str]:
        return self.attributes.get(name, [])

    def one(self, name: str) -> str | None:
        """The only value; None when absent. PeerError when there are two that differ."""
        values = self.attributes.get(name)
        if not values:
            return None
        if any(value != values[0] for value in values):
            raise malformed(f"The SDP has two different a={name} lines in one section.")
        return values[0]


def sections(text: str, *, max_media: int = MAX_MEDIA) -> list[Section]:
    """Split SDP into session and m-lines; attributes of peers' addresses are left out."""
    if "\0" in text:
        raise malformed("The SDP holds a NUL byte.")
    found = [Section("")]
    for line in text.replace("\r\n", "\n").rstrip("\n").split("\n"):
        match = _LINE.fullmatch(line)
        if match is None:
            raise malformed("The SDP holds a line that is not of the form x=value.")
        kind, value = match.groups()
        if kind == "m":
            if len(found) > max_media:
                raise unacceptable("The SDP has too many m-lines.")
            found.append(Section(value))
        elif kind == "a":
            name, _, content = value.partition(":")
            if name not in {"candidate", "remote-candidates"}:
                found[-1].attributes.setdefault(name, []).append(content)
    return found
