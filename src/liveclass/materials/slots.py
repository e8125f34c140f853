"""How many children may run at a time, first come, first served. Belongs to one event loop; knows no child."""

import asyncio
from collections import deque


class Slots:
    """A fair counter.

    Args:
        count: of slots, at least 1.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def contended(self) -> bool:
        """Somebody waits: who holds a slot only to be faster is to give it back."""
        return any(not waiter.done() for waiter in self._waiting)

    async def take(self) -> None:
        """Wait for a slot."""
        if self.try_take():
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.give()
            raise

    def try_take(self) -> bool:
        """A slot if one is free and nobody waits for it."""
        if self._free <= 0 or self.contended:
            return False
        self._free -= 1
        return True

    def give(self) -> None:
        """Give one back; it goes to whoever has waited longest."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free += 1
