"""What leaves when, towards a receiver whose link is thin: sound at once, all else at a steady rate behind it.

The bytes of sound count, so pictures give way to it. Knows priorities and bytes, neither packets nor sockets.
"""

from collections import deque
from math import inf
from typing import Generic, TypeVar

T = TypeVar("T")

SOUND, REPAIR, SCREEN, CAMERA, PADDING = range(5)

MAX_SOUND = 64
"""Packets of sound that wait for the next `due`: more than a second of one voice, three voices' worth of a stall."""

MIN_ITEMS = 4
"""Accepted in each priority whatever they take: one frame must pass at the lowest rates."""

BURST_S = 0.005
"""How late a timer may be before its lateness costs rate."""

MAX_DEBT_S = 0.5
"""Sound that alone exceeds the rate holds everything else back by this at most."""


class Pacer(Generic[T]):
    """Five bounded queues.

    Args:
        max_queue_s: what may wait ahead of and in a priority, in seconds at the pacing rate.
    """

    __slots__ = ("_bps", "_bytes", "_free_at", "_queues", "max_queue_s")

    def __init__(self, *, max_queue_s: float = 0.6) -> None:
        self.max_queue_s = max_queue_s
        self._queues: tuple[deque[tuple[T, int]], ...] = tuple(deque() for _ in range(PADDING + 1))
        self._bytes = [0] * (PADDING + 1)
        self._free_at = -inf
        self._bps = 300_000

    def push(self, item: T, bytes_: int, priority: int, now: float) -> bool:
        """Queue an item.

        Args:
            bytes_: on the wire.
            priority: 0 sound, 1 repair, 2 screen, 3 camera, 4 padding.

        Returns:
            False: refused, its queue is full.
        """
        queue = self._queues[priority]
        if priority == SOUND:
            if len(queue) >= MAX_SOUND:
                return False
        elif len(queue) >= MIN_ITEMS:
            ahead = sum(self._bytes[: priority + 1]) + bytes_
            if ahead * 8 > self.max_queue_s * self._bps:
                return False
        queue.append((item, bytes_))
        self._bytes[priority] += bytes_
        return True

    def due(self, now: float, pacing_bps: int) -> list[T]:
        """What may leave now, in this order.

        Args:
            pacing_bps: bits of IP packets per second, above 0.
        """
        self._bps = pacing_bps
        free_at = max(self._free_at, now - BURST_S)
        per_byte = 8 / pacing_bps
        out: list[T] = []
        sound = self._queues[SOUND]
        while sound:
            item, size = sound.popleft()
            out.append(item)
            free_at = min(free_at + size * per_byte, now + MAX_DEBT_S)
        self._bytes[SOUND] = 0
        for priority in range(REPAIR, PADDING + 1):
            queue = self._queues[priority]
            while queue and free_at <= now:
                item, size = queue.popleft()
                self._bytes[priority] -= size
                out.append(item)
                free_at += size * per_byte
        self._free_at = free_at
        return out

    def drop(self, priority: int) -> list[T]:
        """Empty one priority; returns what it held, oldest first."""
        queue = self._queues[priority]
        dropped = [item for item, _ in queue]
        queue.clear()
        self._bytes[priority] = 0
        return dropped

    @property
    def empty(self) -> bool:
        """Nothing waits, not even what takes no bytes."""
        return not any(self._queues)

    def queued_s(self, pacing_bps: int) -> float:
        """How long all that waits takes at this rate, in seconds."""
        return sum(self._bytes) * 8 / pacing_bps

    @property
    def next_deadline(self) -> float:
        """When `due` has something to give, on the clock of `now`; `math.inf` while nothing waits."""
        if self._queues[SOUND]:
            return -inf
        return self._free_at if any(self._bytes) else inf
