"""The serving side of a lesson that is spread over nodes: a real media plane that obeys and tells."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from bench.peer import Peer

from liveclass.cluster.model import NodeInfo
from liveclass.cluster.peers import NodeSilent
from liveclass.server.forwarding import Place
from liveclass.server.guests import Guests
from liveclass.server.http import FROM_NODE, Handler, error_boundary
from liveclass.server.neighbours import Close, Closed, Heard, Orders, RestartAsk, SeatAsk, Seated, Slots, Told, Watch
from tests.relay.two_nodes import Node

LESSON, OWN = "L", "M"


class Owner:
    """The owner of lesson `L`, as this node reaches it; lesson `M` is this node's own."""

    node: str = "b"

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.silent = False
        self.unknown: list[str] = []

    def nodes(self) -> list[NodeInfo]:
        return []

    def serves(self, lesson: str) -> bool:
        return lesson == OWN

    def mine(self, lesson: str) -> bool:
        return lesson == OWN

    async def find(self, lesson: str) -> Place:
        return Place("http://a:1", 1, "a")

    async def refused(self, lesson: str, place: Place) -> None: ...

    def forget(self, lesson: str) -> None: ...

    async def send(self, url: str, path: str, body: bytes) -> tuple[int, bytes]:
        if self.silent or not path.startswith("/internal/told/"):
            raise NodeSilent
        self.told.append(msgspec.json.decode(body, type=Told))
        return 200, msgspec.json.encode(Heard(self.unknown, ""))

    def events(self, kind: type) -> list[Any]:
        return [event for told in self.told for event in told.events if isinstance(event, kind)]


class Serving:
    """A node that serves, asked over HTTP by node `a`."""

    def __init__(self, node: Node, guests: Guests, owner: Owner, client: TestClient[Any, Any]) -> None:
        self.node, self.guests, self.owner, self.client = node, guests, owner, client
        self.full = self.over = False

    async def ask(self, what: str, body: Any, lesson: str = LESSON) -> tuple[int, bytes]:
        raw = body.encode() if isinstance(body, str) else msgspec.json.encode(body)
        async with self.client.post(f"/internal/{what}/{lesson}", data=raw) as answer:
            return answer.status, await answer.read()

    async def seat(self, who: str = "p1") -> str:
        status, body = await self.ask("seat", SeatAsk(who, "classroom", who, Peer().offer("recvonly"), "127.0.0.1", ""))
        assert status == 200, body
        return msgspec.json.decode(body, type=Seated).session


@pytest.fixture
async def serving() -> AsyncIterator[Serving]:
    owner, node = Owner(), Node("b")
    await node.open()
    seen: list[Serving] = []
    guests = Guests(
        node.heard,
        owner,
        is_over=lambda _lesson: seen[0].over,
        has_room=lambda: not seen[0].full,
        monotonic=asyncio.get_running_loop().time,
    )
    node.plane._listener = guests
    guests.attach(node.plane)

    @web.middleware
    async def from_a(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[FROM_NODE] = "a"
        return await handler(request)

    app = web.Application(middlewares=[error_boundary, from_a])
    for route in guests.routes():
        app.router.add_route(route.method, route.path, route.handler)
    async with TestClient(TestServer(app)) as client:
        seen.append(Serving(node, guests, owner, client))
        yield seen[0]
    owner.silent = True
    await guests.close()
    await node.close()


async def until(holds: Callable[[], object]) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to hold")


async def test_the_owner_is_told_of_a_classroom_that_is_served(serving: Serving) -> None:
    session = await serving.seat()
    await until(lambda: serving.owner.told)
    assert list(serving.owner.told[0].sessions) == [session]
    assert serving.guests.count == serving.node.plane.audience(LESSON) == 1
    assert serving.guests.pulled == 1


async def test_what_an_owner_missed_is_told_once_it_answers(serving: Serving) -> None:
    serving.owner.silent = True
    session = await serving.seat()
    serving.node.plane.close_session(session, "peer_closed")
    await asyncio.sleep(0.2)
    serving.owner.silent = False
    await until(lambda: serving.owner.events(Closed))
    assert serving.owner.events(Closed) == [Closed(session, "peer_closed")]


async def test_of_what_was_not_told_yet_only_the_last_counts(serving: Serving) -> None:
    session = await serving.seat()
    serving.owner.silent = True
    for _ in range(3):
        serving.guests.slots_changed(LESSON, "p1", session, [])
    serving.owner.silent = False
    await until(lambda: serving.owner.events(Slots))
    assert serving.owner.events(Slots) == [Slots(session, [])]


async def test_a_session_that_the_owner_does_not_know_ends(serving: Serving) -> None:
    serving.owner.unknown = [await serving.seat()]
    await until(lambda: serving.guests.count == 0)
    assert serving.node.plane.audience(LESSON) == 0


async def test_orders_are_obeyed(serving: Serving) -> None:
    first, second = await serving.seat("p1"), await serving.seat("p2")
    orders = Orders([Watch("p2", live=False, ceiling="full")], [Close(first, "deleted"), Close("stranger", "deleted")])
    assert (await serving.ask("orders", orders))[0] == 200
    assert serving.node.plane.owner(first) is None
    assert serving.node.plane.owner(second) == (LESSON, "p2", "subscribe")
    await until(lambda: serving.owner.events(Closed))
    assert serving.owner.events(Closed) == [Closed(first, "deleted")]


async def test_nobody_is_seated_on_a_full_node_or_in_its_own_lesson(serving: Serving) -> None:
    ask = SeatAsk("p1", "classroom", "", Peer().offer("recvonly"), "", "")
    assert (await serving.ask("seat", ask, OWN))[0] == 503
    serving.full = True
    assert (await serving.ask("seat", ask))[0] == 503
    assert serving.guests.count == serving.guests.pulled == 0


async def test_a_faulty_offer_or_message_is_refused_in_a_word(serving: Serving) -> None:
    assert (await serving.ask("seat", SeatAsk("p1", "classroom", "", "nonsense", "", "")))[0] in {400, 422}
    assert (await serving.ask("seat", "nonsense"))[0] == 400
    assert (await serving.ask("restart", RestartAsk("stranger", "")))[0] == 404


async def test_only_who_has_a_lesson_sends_it_on(serving: Serving) -> None:
    assert (await serving.ask("whep", "offer"))[0] == 503, "it neither owns nor pulls it"
    serving.over = True
    assert (await serving.ask("whep", "offer", OWN))[0] == 404


async def test_a_lesson_that_becomes_its_own_is_served_for_nobody_else(serving: Serving) -> None:
    await serving.seat()
    await serving.guests.leave(LESSON)
    assert serving.guests.count == serving.guests.pulled == serving.node.plane.audience(LESSON) == 0
    told = len(serving.owner.told)
    await asyncio.sleep(0.1)
    assert serving.owner.events(Closed) == []
    assert len(serving.owner.told) == told


async def test_a_node_that_leaves_sends_its_guests_away(serving: Serving) -> None:
    session = await serving.seat()
    serving.guests.send_away()
    await until(lambda: serving.owner.events(Closed))
    assert serving.owner.events(Closed) == [Closed(session, "shutdown")]
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(serving.guests.close(), 3)
    assert serving.guests.pulled == 0
