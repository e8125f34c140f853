"""The bench's own WebSocket: what it counts must not hang on how the network cuts the stream."""

import asyncio

import pytest
from bench.board import Socket

OPENED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)


def frame(kind: int, payload: bytes) -> bytes:
    """As a server sends it: without a mask."""
    size = bytes([len(payload)]) if len(payload) < 126 else bytes([126]) + len(payload).to_bytes(2, "big")
    return bytes([0x80 | kind]) + size + payload


STREAM = (
    OPENED
    + frame(1, b'{"type":"welcome","padding":"' + b"x" * 300 + b'"}')
    + frame(1, b'{"type":"board","seq":0}')
    + frame(1, b'{"type":"happened","seq":1,"event":{"type":"stroke_grew"}}')
    + frame(9, b"alive")
    + frame(1, b'{"type":"happened","seq":2,"event":{"type":"pointed"}}')
    + frame(1, b'{"type":"happened","seq":3,"event":{"type":"stroke_grew"}}')
    + frame(1, b'{"type":"error","code":"rate_limited"}')
)


@pytest.mark.parametrize("piece", [1, 7, 100, len(STREAM)])
async def test_pieces_of_strokes_are_counted_however_the_stream_is_cut(piece: int) -> None:
    socket, wire = Socket({"type": "hello"}, "L1"), Wire()
    socket.connection_made(wire)
    for start in range(0, len(STREAM), piece):
        socket.data_received(STREAM[start : start + piece])
    assert socket.ready.done()
    assert len(socket.got) == 2
    assert socket.refused == ['{"type":"error","code":"rate_limited"}']
    assert b"alive" in wire.written
    assert b'{"type": "hello"}' in wire.written


async def test_a_server_that_refuses_is_told_of() -> None:
    socket = Socket({}, "L1")
    socket.connection_made(Wire())
    socket.data_received(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
    with pytest.raises(RuntimeError, match="503"):
        await socket.ready
