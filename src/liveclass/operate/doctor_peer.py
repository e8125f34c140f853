"""The doctor's look, from a school, at the TURN servers that a liveclass server elsewhere names to its pages.

It needs a class's or teacher's link, as a page does: credentials are for those who have one. Knows no lesson.
"""

import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from liveclass.errors import UsageError
from liveclass.operate.client import Client, Refused
from liveclass.operate.doctor_media import MAX_URLS, ask_turn
from liveclass.operate.finding import Finding

CHECK = "peer's TURN"

_PAGE = re.compile(r"(.*)/(?:class|teach)/([A-Za-z0-9_-]{1,64})/?")
_TOKEN = re.compile(r"[A-Za-z0-9_.-]{16,512}")


class Peer(NamedTuple):
    """A server, and what a link to one of its lessons says.

    Attributes:
        url: scheme, host and port, without a secret.
        lesson, token: empty when only the server was named.
    """

    url: str
    lesson: str = ""
    token: str = ""


def read_peer(text: str) -> Peer:
    """Read a server's URL or a link as a programme hands it out; what is neither is taken for a server's URL."""
    plain, _, token = text.partition("#")
    page = _PAGE.fullmatch(plain)
    if page is None or not _TOKEN.fullmatch(token):
        return Peer(plain)
    return Peer(page[1], page[2], token)


def check_peer_turn(peer: Peer) -> Iterator[Finding]:
    """Whether each TURN server answers from here, gives a relay, reaches the peer, and nothing inside."""
    if not peer.token:
        yield Finding(
            CHECK,
            "warn",
            "not tested: a server names its TURN servers to those who have a link",
            "Give a class's link instead of the server's address: --peer 'https://HOST/class/...#...'.",
        )
        return
    try:
        answer = Client(peer.url, token=peer.token).request("GET", f"/api/ice/{peer.lesson}")
        named = list(_named(answer))
    except Refused as refusal:
        yield Finding(CHECK, "fail", f"its TURN servers were not told: {refusal}", "Take a link that still works.")
        return
    except UsageError as fault:
        yield Finding(CHECK, "fail", f"its TURN servers were not told: {fault}", "Run the doctor again.")
        return
    except (KeyError, TypeError, AttributeError):
        yield Finding(CHECK, "fail", "its list of TURN servers cannot be read", "Have both sides run the same version.")
        return
    if not named:
        yield Finding(CHECK, "ok", "none: networks that let neither UDP nor its TCP ports through cannot join")
    told = _addresses(urlsplit(peer.url).hostname or "")
    for url, username, credential in named[:MAX_URLS]:
        found = replace(ask_turn(url, username, credential, told), check=CHECK)
        if found.level == "fail" and "does not answer" in found.message:
            advice = f"If it answers elsewhere, this network blocks it. Otherwise: {found.advice}"
            found = replace(found, advice=advice)
        yield found


def _named(answer: Any) -> Iterator[tuple[str, str, str]]:
    for server in answer["ice_servers"]:
        for url in server["urls"]:
            yield str(url), str(server.get("username", "")), str(server.get("credential", ""))


def _addresses(host: str) -> tuple[str, ...]:
    """Where the pages are, which is where media goes unless `public_address` says otherwise."""
    try:
        found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_DGRAM)
    except OSError:
        return ()
    return tuple(dict.fromkeys(str(one[4][0]) for one in found))
