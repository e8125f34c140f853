"""Lessons that this node pulls from another: each session is made, made again with growing patience when it breaks, and
ended when nobody here needs it.

It knows the plane and sessions; how an offer reaches the other node, and which node that is, is the caller's.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable

from liveclass import tasks
from liveclass.errors import PeerError
from liveclass.relay.plane import Plane
from liveclass.relay.remote import Remote
from liveclass.transport.dial import Dial

log = logging.getLogger(__name__)

FIRST_WAIT_S, MAX_WAIT_S = 0.1, 5.0
"""Between a broken session and the next try: nearly at once at first, as a lesson is waiting, then doubled each time;
with up to half as much by chance on top, so that the nodes below a lost one do not all come at the same moment."""

PROVEN_S = 10.0
"""A session that lasted so long was good: patience starts anew."""

ASK_S = 3.0
"""Until an unanswered offer is given up, and a session without keys."""

LINGER_S = 10.0
"""How long a session is kept for nobody: a page that is loaded anew comes back within that."""

LOOK_S = 0.5
"""How often it is looked whether anybody is there."""

Ask = Callable[[str], Awaitable[str]]
"""Sends an offer to the node that is above this one for the lesson now, and returns its answer. Raises PeerError (404:
the lesson is over), or OSError where it cannot be reached."""


class Cascade:
    """The pulled lessons of a process.

    Args:
        on_end: told which lesson is pulled no more: nobody needs it, or it is over.
    """

    def __init__(self, plane: Plane, on_end: Callable[[str], None] | None = None) -> None:
        self._plane = plane
        self._on_end = on_end
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.tries = 0

    def __contains__(self, lesson: str) -> bool:
        return lesson in self._tasks

    @property
    def lessons(self) -> list[str]:
        """What is pulled now."""
        return list(self._tasks)

    def pull(self, lesson: str, ask: Ask) -> None:
        """See to it that the lesson is pulled from now on; to be called before its first subscriber. Again is harmless:
        the first `ask` stays."""
        if lesson not in self._tasks:
            self._tasks[lesson] = asyncio.get_running_loop().create_task(self._keep(lesson, ask), name=f"pull {lesson}")

    async def stop(self, lesson: str) -> None:
        """Pull it no more."""
        task = self._tasks.get(lesson)
        if task is not None:
            await tasks.end([task])

    async def close(self) -> None:
        """Pull nothing more."""
        for lesson in self.lessons:
            await self.stop(lesson)

    async def _keep(self, lesson: str, ask: Ask) -> None:
        remote = self._plane.pull(lesson)
        wait = FIRST_WAIT_S
        seen = time.monotonic()
        try:
            while True:
                try:
                    connected_at = await self._once(lesson, remote, ask)
                except PeerError as problem:
                    if problem.status == 404:
                        return
                    log.warning("another node refused to send a lesson: %s", problem)
                    connected_at = None
                except (OSError, TimeoutError) as problem:
                    log.warning("another node cannot be reached for a lesson: %s", type(problem).__name__)
                    connected_at = None
                except Exception:
                    # A lesson is not to end by a fault of ours that may be over the next time.
                    log.exception("a lesson could not be pulled by a fault of ours")
                    connected_at = None
                now = time.monotonic()
                if self._plane.audience(lesson):
                    seen = now
                elif now - seen > LINGER_S or (connected_at is not None and remote.ended is None):
                    return
                if connected_at is not None and now - connected_at > PROVEN_S:
                    wait = FIRST_WAIT_S
                await asyncio.sleep(wait * (1 + 0.5 * random.random()))
                wait = min(MAX_WAIT_S, 2 * wait)
        finally:
            del self._tasks[lesson]
            self._plane.pull_ended(lesson)
            if self._on_end is not None:
                self._on_end(lesson)

    async def _once(self, lesson: str, remote: Remote, ask: Ask) -> float | None:
        """One session from its offer to its end, or until nobody is there.

        Returns:
            When it had its keys; None: never.
        """
        ended = asyncio.Event()
        remote.on_ended = ended.set
        self.tries += 1
        dial = Dial(self._plane.identity, remote, self._plane.settle, native=self._plane.is_native)
        remote.follow(dial)
        try:
            dial.accept(await asyncio.wait_for(ask(dial.offer), ASK_S))
            begun = seen = time.monotonic()
            while not ended.is_set():
                try:
                    await asyncio.wait_for(ended.wait(), LOOK_S)
                except TimeoutError:
                    now = time.monotonic()
                    if remote.connected_at is None and now - begun > ASK_S:
                        break
                    if self._plane.audience(lesson):
                        seen = now
                    elif now - seen > LINGER_S:
                        break
            return remote.connected_at
        finally:
            remote.drop()
