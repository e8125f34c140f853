"""How the nodes of a fleet know each other: the header that each of their requests carries, and the listener for them.

The one place where the header is made and checked. Knows no lesson; what nodes ask of each other stands in
`server.fleet`.
"""

import base64
import hmac
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from liveclass.errors import PeerError, UsageError
from liveclass.server.http import FROM_NODE, Handler

HEADER = "Liveclass-Node"
PREFIX = "/internal/"

LIFE_S = 60
"""How long a header holds: clocks of machines may differ by as much."""

OPEN_PATHS = frozenset({"/metrics", "/healthz", "/readyz"})
"""What the listener answers without the header, so that each process can be watched on its own: these have guards of
their own, or say nothing."""

BACKLOG = 512


class NodeKey:
    """Makes and checks the header: `<node>.<expiry>.<signature of method, path, node and expiry>`.

    Args:
        key: secret bytes, the same on all nodes.
        wall: seconds since 1970.
    """

    def __init__(self, key: bytes, wall: Callable[[], float]) -> None:
        self._key = hmac.digest(key, b"liveclass nodes", "sha256")
        self._wall = wall

    def header(self, node: str, method: str, path: str) -> str:
        """The header of one request of `node`.

        Args:
            path: with its query, as it stands in the request's first line.
        """
        expiry = int(self._wall()) + LIFE_S
        return f"{node}.{expiry}.{self._signature(method, path, node, expiry)}"

    def check(self, value: str, method: str, path: str) -> str:
        """The node that made the header.

        Raises:
            PeerError: 403 `node_unknown`.
        """
        node, _, rest = value.rpartition(".")
        node, _, expiry = node.rpartition(".")
        if not node or len(value) > 512 or not (expiry.isascii() and expiry.isdigit() and len(expiry) <= 12):
            raise _unknown()
        genuine = hmac.compare_digest(self._signature(method, path, node, int(expiry)).encode(), rest.encode())
        if not genuine or not self._wall() < int(expiry) <= self._wall() + 2 * LIFE_S:
            raise _unknown()
        return node

    def _signature(self, method: str, path: str, node: str, expiry: int) -> str:
        mac = hmac.digest(self._key, f"{method}\n{path}\n{node}\n{expiry}".encode(), "sha256")
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


class Inner:
    """The listener for other nodes. Whatever comes in by another port is no node's.

    Args:
        key: checks what comes.
    """

    def __init__(self, key: NodeKey) -> None:
        self._key = key
        self._at: tuple[str, int] | None = None
        self.url = ""
        self._socket: socket.socket | None = None

    def open(self, host: str, port: int) -> None:
        """Bind, so that `url` can be told; nothing is answered before `listen`.

        Args:
            host: where the other nodes reach this one: an address, or a name of one.
            port: 0: any free one.

        Raises:
            UsageError: it cannot be had, or is no address that others could reach.
        """
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            sock = socket.socket(family, kind, protocol)
        except OSError as error:
            raise UsageError(f"node_host: {host!r} is no address of this machine ({error.strerror})") from error
        if address[0] in {"0.0.0.0", "::"}:  # noqa: S104
            raise UsageError("node_host must be the one address at which the other nodes reach this one")
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            sock.listen(BACKLOG)
        except OSError as error:
            sock.close()
            raise UsageError(
                f"TCP port {port} on {host} cannot be opened for other nodes ({error.strerror}); "
                "choose others with --node-host and --node-port."
            ) from error
        self._socket = sock
        bound = sock.getsockname()
        self._at = (str(bound[0]), int(bound[1]))
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._at[1]}"

    async def listen(self, runner: web.BaseRunner) -> None:
        """Answer; the runner closes the port with the application."""
        assert self._socket is not None
        await web.SockSite(runner, self._socket, backlog=BACKLOG).start()

    def came(self, request: web.BaseRequest) -> bool:
        """Did the request come in by this listener?"""
        name = request.transport.get_extra_info("sockname") if request.transport is not None else None
        return self._at is not None and isinstance(name, tuple) and tuple(name[:2]) == self._at

    def middleware(self) -> Middleware:
        """Lets nodes in by this listener and nobody else; keeps the routes between nodes from all other ports."""

        @web.middleware
        async def known(request: web.Request, handler: Handler) -> web.StreamResponse:
            if not self.came(request):
                if request.path.startswith(PREFIX):
                    raise PeerError("Not Found.", status=404, code="not_found")
            elif request.path not in OPEN_PATHS or HEADER in request.headers:
                values = request.headers.getall(HEADER, [])
                node = self._key.check(values[0] if len(values) == 1 else "", request.method, request.raw_path)
                request[FROM_NODE] = node
            return await handler(request)

        return known


def same_machine(url: str, own_url: str) -> bool:
    """Whether two nodes share a machine, as far as their addresses tell."""
    return urlsplit(url).hostname == urlsplit(own_url).hostname


def _unknown() -> PeerError:
    return PeerError("This is no node of the fleet.", status=403, code="node_unknown")
