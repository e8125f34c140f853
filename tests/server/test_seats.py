"""The owner's side of a lesson that is spread over nodes: what is seated elsewhere behaves as if it were here."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from liveclass.cluster.model import NodeId, NodeInfo
from liveclass.cluster.peers import NodeRefused, NodeSilent
from liveclass.errors import PeerError
from liveclass.relay.ports import Answer, LinkView, Person, SlotView
from liveclass.server.forwarding import Place
from liveclass.server.neighbours import (
    SETTLED_S,
    Closed,
    Connected,
    Link,
    Orders,
    Reached,
    Restarted,
    SeatAsk,
    Seated,
    Slots,
    Told,
)
from liveclass.server.seats import LOST_S, SILENT_S, TRIES, Seats
from tests.server.stage import Clock

LESSON, MOST = "L", 20
REACHED = Reached("", "", "192.0.2.1")
A, B, C = NodeId("a"), NodeId("b"), NodeId("c")


class Noting:
    """Takes every call and notes it: a plane or a listener."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args, **more: self.calls.append((name, *args, *more.values()))

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.calls if call[0] == name]


class Fleet:
    """The nodes around `a`, which owns all lessons and is nearly full."""

    node: str = A

    def __init__(self) -> None:
        self.sessions = {A: MOST - 2, B: 0, C: 0}
        self.asked: list[tuple[str, str, bytes]] = []
        self.answers: dict[str, Callable[[], tuple[int, bytes]]] = {}
        self.number = 0

    def nodes(self) -> list[NodeInfo]:
        return [
            NodeInfo(node, node, f"http://{node}:1", sessions=count, max_sessions=MOST)
            for node, count in self.sessions.items()
        ]

    def serves(self, lesson: str) -> bool:
        return True

    def mine(self, lesson: str) -> bool:
        return True

    async def find(self, lesson: str) -> Place:
        return Place("", 1, A)

    async def refused(self, lesson: str, place: Place) -> None: ...

    def forget(self, lesson: str) -> None: ...

    async def send(self, url: str, path: str, body: bytes) -> tuple[int, bytes]:
        self.asked.append((url[7], path, body))
        if url[7] in self.answers:
            return self.answers[url[7]]()
        self.number += 1
        if path.startswith("/internal/seat/"):
            return 200, msgspec.json.encode(Seated(f"s{self.number}", "sdp", '"1"'))
        if path.startswith("/internal/restart/"):
            return 200, msgspec.json.encode(Restarted('"2"', "fragment"))
        return 200, b"{}"

    def orders(self) -> list[Orders]:
        return [msgspec.json.decode(raw, type=Orders) for _, path, raw in self.asked if "/orders/" in path]


class Table:
    """Seats under test, and all around them."""

    def __init__(self, share: float = 0.7) -> None:
        self.plane, self.listener, self.fleet, self.clock = Noting(), Noting(), Fleet(), Clock()
        self.seats = Seats(
            self.plane,
            self.listener,
            self.fleet,
            share=share,
            fan_out=8,
            monotonic=self.clock.monotonic,
        )

    async def seat(self, who: str = "p1") -> Answer | None:
        return await self.seats.seat(LESSON, Person(who, "classroom", who), "offer", REACHED)


@pytest.fixture
def table() -> Table:
    return Table()


async def test_without_a_share_nobody_is_sent_elsewhere() -> None:
    assert await Table(share=0.0).seat() is None


async def test_an_owner_with_room_serves_its_classrooms_itself(table: Table) -> None:
    table.fleet.sessions[A] = 3
    assert await table.seat() is None
    assert table.fleet.asked == []


async def test_a_classroom_beyond_the_share_is_answered_by_another_node(table: Table) -> None:
    answer = await table.seat()
    assert answer is not None
    assert table.seats.owner(answer.session) == (LESSON, "p1", "subscribe")
    assert table.seats.etag(answer.session) == '"1"'
    ask = msgspec.json.decode(table.fleet.asked[0][2], type=SeatAsk)
    assert (ask.participant, ask.offer, ask.above) == ("p1", "offer", "")
    # Of another machine the browser's way to this one says nothing.
    assert ask.reached_at == ""


async def test_many_at_once_do_not_all_go_to_the_node_that_had_room_for_one(table: Table) -> None:
    await asyncio.gather(*(table.seat(f"p{number}") for number in range(30)))
    assert table.seats.count == 28, "both others up to their share, and then the owner again"


@pytest.mark.parametrize("trouble", [NodeRefused, NodeSilent])
async def test_a_node_that_does_not_answer_is_left_out(table: Table, trouble: type[Exception]) -> None:
    def fails() -> tuple[int, bytes]:
        raise trouble

    table.fleet.answers = {"b": fails, "c": fails}
    assert await table.seat() is None
    assert len(table.fleet.asked) == 2 < TRIES


async def test_a_faulty_offer_is_refused_in_the_nodes_own_words(table: Table) -> None:
    told = b'{"error": {"code": "sdp_invalid", "message": "no"}}'
    table.fleet.answers = dict.fromkeys("bc", lambda: (400, told))
    with pytest.raises(PeerError) as refused:
        await table.seat()
    assert (refused.value.status, refused.value.code) == (400, "sdp_invalid")


async def test_what_the_node_tells_is_heard_as_if_it_were_here(table: Table) -> None:
    answer = await table.seat()
    assert answer is not None
    node, session = NodeId(table.fleet.asked[0][0]), answer.session
    slots, link = [SlotView("0", "t1", "microphone")], LinkView("full", 900_000, 0.1)
    told = Told({session: 1.0}, [Slots(session, slots), Connected(session), Link(session, link)])
    assert table.seats.hear(LESSON, node, told).unknown == []
    assert table.listener.calls == [
        ("slots_changed", LESSON, "p1", session, slots),
        ("media_connected", LESSON, "p1", session, "subscribe"),
        ("link_changed", LESSON, "p1", link),
    ]
    table.seats.hear(LESSON, node, Told({}, [Closed(session, "peer_closed")]))
    assert table.listener.of("media_closed") == [(LESSON, "p1", session, "subscribe", "peer_closed")]
    assert table.seats.count == 0


async def test_no_node_speaks_for_anothers_session(table: Table) -> None:
    answer = await table.seat()
    assert answer is not None
    stranger = NodeId("c" if table.fleet.asked[0][0] == "b" else "b")
    table.seats.hear(LESSON, stranger, Told({}, [Closed(answer.session, "timeout")]))
    assert table.seats.count == 1
    assert table.listener.calls == []


async def test_what_comes_before_its_session_is_not_lost(table: Table) -> None:
    for node in (B, C):
        table.seats.hear(LESSON, node, Told({"s1": 0.1}, [Slots("s1", [])]))
    assert await table.seat() is not None
    assert table.listener.calls == []
    await asyncio.sleep(0)
    assert ("slots_changed", LESSON, "p1", "s1", []) in table.listener.calls


async def test_a_session_that_only_one_side_has_ends(table: Table) -> None:
    answer = await table.seat()
    assert answer is not None
    node = NodeId(table.fleet.asked[0][0])
    assert table.seats.hear(LESSON, node, Told({"young": 1.0, "old": SETTLED_S})).unknown == ["old"]
    assert table.seats.count == 1, "its own may still be on the way"
    table.clock.advance(SETTLED_S)
    table.seats.hear(LESSON, node, Told({}))
    assert table.listener.of("media_closed") == [(LESSON, "p1", answer.session, "subscribe", "timeout")]


async def test_a_silent_nodes_classrooms_are_told_to_come_back(table: Table) -> None:
    answer = await table.seat()
    assert answer is not None
    node = NodeId(table.fleet.asked[0][0])
    table.clock.advance(SILENT_S)
    table.seats._look()
    assert table.seats.count == 1
    table.clock.advance(LOST_S - SILENT_S)
    table.seats._look()
    assert table.listener.of("media_closed") == [(LESSON, "p1", answer.session, "subscribe", "timeout")]
    assert await table.seat() is not None
    assert table.fleet.asked[-1][0] != node, "the lost one is left alone for a while"


async def test_a_node_that_the_directory_lost_too_is_given_up_sooner(table: Table) -> None:
    assert await table.seat() is not None
    del table.fleet.sessions[NodeId(table.fleet.asked[0][0])]
    table.clock.advance(SILENT_S)
    table.seats._look()
    assert table.seats.count == 0


async def test_orders_reach_the_node_and_the_lesson_hears_of_the_end_at_once(table: Table) -> None:
    answer = await table.seat()
    assert answer is not None
    table.seats.set_watching(LESSON, "p1", live=False, ceiling="full")
    await asyncio.sleep(0)
    table.seats.close_participant(LESSON, "p1", "publish", "call_ended")
    assert table.seats.count == 1
    table.seats.close_participant(LESSON, "p1", "subscribe", "deleted")
    assert table.listener.of("media_closed") == [(LESSON, "p1", answer.session, "subscribe", "deleted")]
    for _ in range(5):
        await asyncio.sleep(0)
    orders = table.fleet.orders()
    assert [(one.participant, one.live) for order in orders for one in order.watch] == [("p1", False)]
    assert [(one.session, one.reason) for order in orders for one in order.close] == [(answer.session, "deleted")]


async def test_the_end_of_the_lesson_is_the_end_of_all_its_sessions(table: Table) -> None:
    for who in ("p1", "p2"):
        assert await table.seat(who) is not None
    table.seats.close_lesson(LESSON, "lesson_ended")
    assert table.seats.count == 0
    assert {args[-1] for args in table.listener.of("media_closed")} == {"lesson_ended"}
    for _ in range(5):
        await asyncio.sleep(0)
    assert sum(len(order.close) for order in table.fleet.orders()) == 2


async def test_a_classroom_that_comes_again_has_one_session(table: Table) -> None:
    first = await table.seat()
    second = await table.seat()
    assert first is not None
    assert second is not None
    assert table.listener.of("media_closed") == [(LESSON, "p1", first.session, "subscribe", "replaced")]
    table.fleet.sessions[A] = 0
    table.seats.subscribe(LESSON, Person("p1", "classroom", ""), "offer", "")
    assert table.listener.of("media_closed")[1:] == [(LESSON, "p1", second.session, "subscribe", "replaced")]
    assert table.seats.count == 0


async def test_an_ice_restart_is_the_serving_nodes(table: Table) -> None:
    answer = await table.seat()
    assert answer is not None
    assert await table.seats.restart_anywhere(answer.session, "new") == ('"2"', "fragment")
    assert table.seats.etag(answer.session) == '"2"'
