"""A small HTTP server and a STUN port for tests of what talks to a server: both on loopback, both in threads."""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aioice import stun


@dataclass
class Seen:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class FakeServer:
    """Where it is, and what it was asked."""

    port: int
    seen: list[Seen]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def http_server(answer: Callable[[Seen], Answer], tls: ssl.SSLContext | None = None) -> Iterator[FakeServer]:
    """Serves until the block ends; a body that is not bytes goes out as JSON."""
    seen: list[Seen] = []

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            request = Seen(
                self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, self.rfile.read(length)
            )
            seen.append(request)
            reply = answer(request)
            body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            if reply.status == 204:
                body = b""
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = handle_one

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield FakeServer(server.server_address[1], seen)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def stun_port(*, lose: int = 0, first: bytes = b"") -> Iterator[int]:
    """A UDP port that answers Binding requests, but not the first `lose` of them; `first` comes before any answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]

        def serve() -> None:
            left = lose
            while True:
                data, address = sock.recvfrom(2048)
                if data == b"stop":
                    return
                if left:
                    left -= 1
                    continue
                request = stun.parse_message(data)
                reply = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, transaction_id=request.transaction_id)
                reply.attributes["XOR-MAPPED-ADDRESS"] = address
                if first:
                    sock.sendto(first, address)
                sock.sendto(bytes(reply), address)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield port
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stop:
                stop.sendto(b"stop", ("127.0.0.1", port))
            thread.join()
