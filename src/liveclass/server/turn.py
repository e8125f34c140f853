"""What pages are told of the operator's TURN servers: addresses, and credentials that end by themselves.

The secret stays here; a page gets a name that holds nothing but an expiry and a random number. It refuses to know who
asks.
"""

import secrets

from liveclass.config import Settings, items
from liveclass.lesson.messages import IceServer
from liveclass.transport.turn import credentials

__all__ = ["credentials", "ice_servers"]

NAME_BYTES = 9
"""Random bytes in a name: 72 bits, so that the quotas of two people never meet."""


def ice_servers(settings: Settings, now_s: float, who: str = "") -> list[IceServer]:
    """The `iceServers` of a page; empty where the operator has no TURN server.

    Args:
        now_s: seconds since 1970: TURN servers compare with their own clock.
        who: a name without personal data, for the TURN server's quota of one user; empty: a random one.
    """
    urls = list(items(settings.turn_urls))
    if not urls or not settings.turn_secret:
        return []
    name = who or secrets.token_urlsafe(NAME_BYTES)
    username, credential = credentials(settings.turn_secret, settings.turn_credential_s, now_s, name)
    return [IceServer(urls=urls, username=username, credential=credential)]
