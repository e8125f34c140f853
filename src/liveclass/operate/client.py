"""A small client of liveclass's own HTTP API, for the command line and the doctor: JSON in, JSON out, errors in words.

Knows addresses, bearer tokens and the shape of errors; it refuses to know what a lesson is. Blocking, and on the
standard library alone, so that a command answers at once.
"""

import http.client
import ipaddress
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from liveclass.config import Settings
from liveclass.errors import UsageError

MAX_ANSWER_BYTES = 16 * 1024 * 1024  # a page of 500 lessons is far below; whatever is above is no answer of ours

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class Unreachable(UsageError):
    """Nobody answered at the server's address, or nobody who speaks HTTP."""


class Refused(UsageError):
    """The server answered with an error.

    Args:
        status: the HTTP status.
        code: the server's stable word for it, empty when it gave none.
    """

    def __init__(self, message: str, *, status: int, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the admin token to wherever it points."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        return None


class Client:
    """Requests to one server.

    Args:
        base_url: scheme, host and port, such as ``http://127.0.0.1:8080``.
        token: the admin's bearer token; empty for requests that need none.
        certificate: a PEM file to trust besides the system's, such as the server's self-signed one.
        timeout_s: seconds that any one step may take.
    """

    def __init__(
        self, base_url: str, *, token: str = "", certificate: Path | None = None, timeout_s: float = 10.0
    ) -> None:
        try:
            parsed = urlsplit(base_url)
            host, _ = parsed.hostname, parsed.port
        except ValueError:
            host = None
        if not host or parsed.scheme not in {"http", "https"}:
            raise UsageError(f"--server: expected a URL such as https://class.example.org, got {base_url!r}")
        self._base = base_url.rstrip("/")
        self._token = token
        self._timeout_s = timeout_s
        handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
        if host in LOOPBACK_HOSTS:
            handlers.append(urllib.request.ProxyHandler({}))
        if parsed.scheme == "https":
            context = ssl.create_default_context()
            if certificate is not None:
                try:
                    context.load_verify_locations(certificate)
                except (OSError, ssl.SSLError) as failure:
                    raise UsageError(f"{certificate}: cannot be used as a certificate to trust") from failure
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    def request(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """One request.

        Args:
            path: from the root, such as ``/api/lessons``.
            body: sent as JSON.

        Returns:
            the answer's JSON; None when it has no body.

        Raises:
            Unreachable: no answer.
            Refused: an answer with status 300 or above.
        """
        _, content = self.exchange(method, path, body)
        if not content:
            return None
        try:
            return json.loads(content)
        except ValueError as bad:
            raise Unreachable(f"{self._base} answered, but not as liveclass does: is the address right?") from bad

    def exchange(
        self, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> tuple[Mapping[str, str], bytes]:
        """As `request`, giving the answer's headers and raw body."""
        headers = {"Accept": "application/json", "User-Agent": "liveclass"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self._base + path, data=data, headers=headers, method=method)  # noqa: S310
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                return dict(answer.headers.items()), answer.read(MAX_ANSWER_BYTES)
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise _refused(refusal) from refusal
        except (urllib.error.URLError, http.client.HTTPException, OSError) as failure:
            raise Unreachable(self._unreachable(failure)) from failure

    def _unreachable(self, failure: Exception) -> str:
        cause = getattr(failure, "reason", failure)
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"{self._base}: the certificate is not trusted ({cause.verify_message}); --ca names one to trust"
        if isinstance(cause, ConnectionRefusedError):
            return f"{self._base}: no server answers there; is `liveclass serve` running?"
        if isinstance(cause, TimeoutError):
            return f"{self._base}: no answer within {self._timeout_s:g} s"
        return f"{self._base}: cannot be reached ({cause})"


def local_url(settings: Settings) -> str:
    """Where a server with these settings answers on its own machine."""
    https = settings.tls_self_signed or settings.tls_certificate is not None
    host = settings.host
    try:
        address = ipaddress.ip_address(host)
        if address.is_unspecified:
            host = "127.0.0.1" if address.version == 4 else "[::1]"
        elif address.version == 6:
            host = f"[{host}]"
    except ValueError:
        pass
    return f"{'https' if https else 'http'}://{host}:{settings.port}"


def _refused(refusal: urllib.error.HTTPError) -> Refused:
    """The server's own words, as every error of its API has them."""
    try:
        error = json.loads(refusal.read(64 * 1024))["error"]
        message, code = str(error["message"]), str(error["code"])
    except (ValueError, KeyError, TypeError, OSError, http.client.HTTPException):
        message, code = f"The server answered {refusal.code} {refusal.reason}.", ""
    return Refused(message, status=refusal.code, code=code)
