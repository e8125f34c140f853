"""The two families of errors: the peer's fault, and ours.

This module knows no protocol. Each protocol has exactly one boundary that turns any failure of its input into
`PeerError`; a peer error is counted and answered, never logged with a traceback, and never ends another's lesson.
"""


class LiveclassError(Exception):
    """The base of every error that liveclass raises on purpose."""


class PeerError(LiveclassError):
    """A participant, client or stranger sent something that cannot be accepted.

    Args:
        message: one plain sentence for the person at the other end; holds no secret and no input of theirs.
        status: the HTTP status that fits (signalling and datagrams ignore it).
        code: a stable word for programs, such as ``token_invalid``.
    """

    def __init__(self, message: str, *, status: int = 400, code: str = "bad_request") -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code


class UsageError(LiveclassError):
    """liveclass was called, configured or deployed wrongly: ours or the operator's to mend."""
