"""Slots are given in turn, none is lost, and who holds one only to be faster sees that others wait."""

import asyncio

from liveclass.materials.slots import Slots


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_slots_go_to_whoever_waited_longest() -> None:
    slots = Slots(1)
    order: list[int] = []

    async def work(number: int) -> None:
        await slots.take()
        order.append(number)

    await work(0)
    tasks = [asyncio.create_task(work(number)) for number in (1, 2, 3)]
    await settle()
    assert (slots.contended, slots.try_take()) == (True, False)
    for _ in range(3):
        slots.give()
        await settle()
    assert order == [0, 1, 2, 3]
    await asyncio.gather(*tasks)
    assert [slots.contended] == [False]
    slots.give()
    assert slots.try_take()


async def test_a_slot_given_to_somebody_who_left_is_not_lost() -> None:
    slots = Slots(1)
    await slots.take()
    leaving = asyncio.create_task(slots.take())
    await settle()
    leaving.cancel()
    await settle()
    assert not slots.contended
    slots.give()
    assert slots.try_take()
    # ... nor one that comes in the very moment of leaving.
    leaving = asyncio.create_task(slots.take())
    await settle()
    slots.give()
    leaving.cancel()
    await settle()
    assert slots.try_take()
    assert not slots.try_take()
