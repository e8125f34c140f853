"""The gates themselves: they pass, cut, mend, and change the address that they send from."""

import asyncio
import socket

import pytest

from tests.e2e.gate import DatagramGate, Gate


async def test_a_cut_gate_breaks_connections_and_a_mended_one_passes_again() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    far = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with far, Gate(far.sockets[0].getsockname()[1]) as gate:
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        gate.cut()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        refused, _ = await asyncio.open_connection("127.0.0.1", gate.port)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await refused.readexactly(1)
        gate.mend()
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(b"again")
        assert await reader.readexactly(5) == b"again"
        writer.close()


async def test_a_rebound_datagram_gate_sends_from_a_new_address() -> None:
    loop = asyncio.get_running_loop()
    far, client = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    with far, client:
        for port in (far, client):
            port.bind(("127.0.0.1", 0))
            port.setblocking(False)
        async with DatagramGate(far.getsockname()[1]) as gate:

            async def arrives(data: bytes) -> tuple[str, int]:
                client.sendto(data, ("127.0.0.1", gate.port))
                async with asyncio.timeout(2):
                    received, source = await loop.sock_recvfrom(far, 100)
                assert received == data
                return (str(source[0]), int(source[1]))

            first = await arrives(b"one")
            assert await arrives(b"two") == first
            far.sendto(b"back", first)
            async with asyncio.timeout(2):
                assert await loop.sock_recv(client, 100) == b"back"
            gate.rebind()
            assert await arrives(b"three") != first
            gate.cut()
            client.sendto(b"lost", ("127.0.0.1", gate.port))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(loop.sock_recv(far, 100), 0.1)
            gate.mend()
            await arrives(b"four")
