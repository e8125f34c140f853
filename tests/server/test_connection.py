"""The outgoing side of a socket: in order, bounded, and a slow page holds up nobody."""

import asyncio

import pytest

from liveclass.server import connection
from liveclass.server.connection import TOO_SLOW, Connection


class SlowSocket:
    """Takes a message only when the test lets it."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.gate = asyncio.Event()

    async def send_str(self, data: str) -> None:
        await self.gate.wait()
        self.sent.append(data)


def connect(socket: SlowSocket, *, limit: int = 4) -> tuple[Connection, list[str]]:
    """A connection and what was cut."""
    cut: list[str] = []
    count = iter(range(100))
    return Connection(socket, lambda: [f"welcome {next(count)}", "slots"], lambda: cut.append("cut"), limit=limit), cut


async def test_messages_follow_the_welcome_in_order_and_the_close_comes_last() -> None:
    socket = SlowSocket()
    socket.gate.set()
    made, _ = connect(socket)
    running = asyncio.create_task(made.run())
    await asyncio.sleep(0)
    made.send("a")
    made.send("b")
    made.close(1012, "restarting")
    made.close(1008, "later")
    made.send("never")
    assert await running == (1012, "restarting")
    assert socket.sent == ["welcome 0", "slots", "a", "b"]


async def test_what_the_first_welcome_will_say_anyway_is_not_said_again() -> None:
    socket = SlowSocket()
    socket.gate.set()
    made, _ = connect(socket)
    made.send("already in the welcome")
    made.send_after_welcome("error")
    made.close(1000, "")
    await made.run()
    assert socket.sent == ["welcome 0", "slots", "error"]


async def test_a_slow_page_is_given_one_fresh_welcome_for_all_that_it_missed() -> None:
    socket = SlowSocket()
    made, _ = connect(socket, limit=3)
    running = asyncio.create_task(made.run())
    await asyncio.sleep(0)
    for number in range(50):
        made.send(str(number))
    assert made.resyncs == 1
    socket.gate.set()
    await asyncio.sleep(0.01)
    made.send("after")
    made.close(1000, "")
    await running
    assert socket.sent == ["welcome 0", "welcome 1", "slots", "after"]


async def test_a_page_that_takes_nothing_at_all_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "STALLED_S", 0.01)
    made, cut = connect(SlowSocket())
    assert (await made.run())[0] == TOO_SLOW
    assert cut == ["cut"]


async def test_errors_alone_cannot_fill_memory() -> None:
    made, _ = connect(SlowSocket(), limit=3)
    for number in range(1000):
        made.send_after_welcome(str(number))
    assert len(made._queue) == 3
