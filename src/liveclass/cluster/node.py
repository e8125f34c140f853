"""The agent of this process in the fleet: keeps its lease, knows its own lessons, finds the owner of any other.

It decides by `Tenure` and `pick`, and moves no media and no byte of a lesson: the hooks do. Calls to other nodes go
through an injected `ask`, so nothing here knows HTTP.

What a node owns it knows by itself (`mine`), so nothing that concerns its own lessons ever waits for the directory.
What others own it keeps for a lease, told of changes by the directory; while the directory is gone, for as long as
that lasts.
"""

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Literal, TypeVar

import structlog

from liveclass.cluster.directory import Directory, DirectoryGone, DirectoryYoung, NodeForgotten
from liveclass.cluster.model import Claim, NodeId, NodeInfo
from liveclass.cluster.peers import (
    Adopt,
    Answer,
    Ask,
    Dropped,
    NodeRefused,
    NodeSilent,
    Pick,
    Reason,
    What,
    directory_gone,
    fleet_full,
    moving,
)
from liveclass.cluster.tenure import Standing, Tenure
from liveclass.errors import LiveclassError

ANSWER_S = 2.0
"""How long a request may wait to hear who owns its lesson."""

STOPS = 4
"""Times that a task is told to end."""

BEATS = 3
"""Renewals in one lease."""

RENEW_PART = 6
"""A renewal may take this part of the lease: one of this node that hangs, and then one of those that it asks, who have
to find out for themselves, both end before `SHARE` of it."""

LOOKS = 20
"""Looks at the clock in one lease: how closely the end of the tenure is kept."""

OFTEN = 50
"""Nodes up to which their lines are read at each renewal; twice as many, at every second, and so on."""

SAMPLE = 16
"""Other nodes that are asked whether they see the directory, anew at random each time."""

NEVER_S = 1e6
"""Said by a node that the directory never heard."""

MAX_KNOWN = 20_000
"""Owners of lessons elsewhere that are remembered."""

log = structlog.get_logger(__name__)

_T = TypeVar("_T")


def clock() -> float:
    """Seconds of a clock that runs on while this process, or the machine, is stopped."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class Node:
    """This process as a node.

    Args:
        describe: what it says of itself at each renewal; `draining` is filled in here.
        lease_s: how long it may be silent.
        ask: asks another node.
        pick: placement.
        adopt: brings a lesson here; when it fails the lesson is free again.
        dropped: the lesson is not here any more.
        now: `clock`, but for tests.
    """

    def __init__(
        self,
        directory: Directory,
        describe: Callable[[], NodeInfo],
        *,
        lease_s: float,
        ask: Ask,
        pick: Pick,
        adopt: Adopt,
        dropped: Dropped,
        now: Callable[[], float] = clock,
    ) -> None:
        self._directory = directory
        self._describe = describe
        self._lease_s = lease_s
        self._ask = ask
        self._pick = pick
        self._adopt = adopt
        self._dropped = dropped
        self._now = now
        self.id: NodeId = describe().id
        self._tenure = Tenure(lease_s, now())
        self._held: dict[str, int] = {}
        self._adopting: dict[str, int] = {}
        self._known: OrderedDict[str, tuple[Claim, float]] = OrderedDict()
        self._nodes: dict[NodeId, NodeInfo] = {}
        self._finding: dict[tuple[str, str], asyncio.Task[Claim]] = {}
        self._beating: asyncio.Task[None] | None = None
        self._heard_at = float("-inf")
        self._hear_at = float("-inf")
        self._draining = False
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Join the fleet. A directory that is gone is no reason not to: the node joins when it is back."""
        await self._beat_once()
        for work in (self._beat_for_ever(), self._look_for_ever(), self._listen_for_ever()):
            self._spawn(work)

    async def close(self) -> None:
        """Leave: give up what is held, so that others need not wait, and stop. Does not close the directory."""
        self._draining = True
        await self._stop_tasks()
        for lesson in list(self._held):
            self._drop(lesson, "released")
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._directory.forget_node(self.id)
        except (DirectoryGone, TimeoutError):
            log.info("left_without_a_word")

    async def _stop_tasks(self) -> None:
        """A cancellation may be lost in the depths of a client that deals with a broken connection at that moment: so
        it is said again, and what still runs then is left behind rather than waited for."""
        for _ in range(STOPS):
            running = [task for task in self._tasks if not task.done()]
            for task in running:
                task.cancel()
            if not running or not (await asyncio.wait(running, timeout=ANSWER_S / STOPS))[1]:
                return
        log.warning("node_tasks_left_behind", tasks=len(self._tasks))

    # What is known here.

    @property
    def standing(self) -> Standing:
        return self._tenure.look(self._now())

    @property
    def sees_directory(self) -> bool:
        return self._tenure.sees_directory

    @property
    def draining(self) -> bool:
        return self._draining

    @property
    def held(self) -> dict[str, int]:
        """Fence by lesson: a copy."""
        return dict(self._held)

    def mine(self, lesson: str) -> int | None:
        """The fence under which this node owns the lesson, None if it does not."""
        return self._held.get(lesson)

    def may_write(self, lesson: str) -> bool:
        """May recordings and logs of the lesson be written? Cheap; to be asked before each write of a batch."""
        return lesson in self._held and self._tenure.look(self._now()) == "hold"

    def nodes(self) -> list[NodeInfo]:
        """The fleet as last heard, this node included."""
        return [info for node, info in self._nodes.items() if node != self.id] + [self._myself()]

    def info(self, node: NodeId) -> NodeInfo | None:
        """Where a node is reached; None: it is not known, or no more."""
        return self._myself() if node == self.id else self._nodes.get(node)

    # Who owns a lesson.

    async def owner(self, lesson: str) -> Claim:
        """Who owns the lesson; one that nobody owns is given to the node that has most room.

        Raises:
            TryLater: `directory_gone`, `moving` or `fleet_full`; within `ANSWER_S`.
        """
        known = self._recall(lesson, stale=False)
        return known or await self._bounded(self._once("find", lesson))

    async def claim_here(self, lesson: str) -> Claim:
        """Claim for this node and no other, because another asked it to.

        Returns:
            this node's claim, or that of the node that was faster.

        Raises:
            TryLater: as `owner`; `fleet_full` while it drains or is at a limit of its own.
        """
        if (fence := self.mine(lesson)) is not None:
            return Claim(lesson, self.id, fence)
        myself = self._myself()
        if myself.draining or myself.lessons >= myself.max_lessons or myself.sessions >= myself.max_sessions:
            raise fleet_full()
        return await self._bounded(self._once("take", lesson))

    async def answer(self, what: What, lesson: str = "") -> Answer:
        """What the internal routes answer to another node's `ask`.

        Raises:
            TryLater: `claim` failed.
        """
        if what == "claim":
            claim = await self.claim_here(lesson)
            return Answer(self.id, self.sees_directory, self._silent_s(), claim)
        if self.sees_directory and self._now() - self._heard_at > self._lease_s / 10:
            await self._beat_once()
        return Answer(self.id, self.sees_directory, self._silent_s())

    def _silent_s(self) -> float:
        return min(self._now() - self._heard_at, NEVER_S)

    async def gone(self, node: NodeId) -> None:
        """A forwarded request was refused by the node's address: its lessons are free at once."""
        if node == self.id:
            return
        self._nodes.pop(node, None)
        self.forget(*[lesson for lesson, (claim, _) in self._known.items() if claim.node == node])
        try:
            await self._directory.forget_node(node)
        except DirectoryGone:
            log.info("node_gone_and_directory_too", node=node)

    def forget(self, *lessons: str) -> None:
        """What is remembered of these lessons was wrong: ask again next time."""
        for lesson in lessons:
            self._known.pop(lesson, None)

    # Giving up.

    async def release(self, lesson: str, reason: Reason = "released") -> None:
        """Own the lesson no more; whoever asks for it next makes it someone's."""
        if (fence := self._drop(lesson, reason)) is not None:
            await self._let_go(Claim(lesson, self.id, fence))

    async def drain(self) -> None:
        """Take no more lessons. What runs here goes on until it is released or moved."""
        self._draining = True
        await self._beat_once()

    # Finding.

    def _recall(self, lesson: str, *, stale: bool) -> Claim | None:
        if (fence := self._held.get(lesson)) is not None:
            return Claim(lesson, self.id, fence)
        known = self._known.get(lesson)
        if known is None or not (stale or self._now() - known[1] < self._lease_s):
            return None
        return known[0] if known[0].node in self._nodes else None

    async def _remember(self, claim: Claim) -> Claim:
        """Keep who owns a lesson elsewhere, and see to it that its node is known."""
        if claim.node == self.id:
            return claim
        if claim.node not in self._nodes:
            await self._hear_nodes()
        if claim.node not in self._nodes:
            raise NodeSilent
        self._known[claim.lesson] = (claim, self._now())
        self._known.move_to_end(claim.lesson)
        while len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return claim

    def _once(self, what: Literal["find", "take"], lesson: str) -> asyncio.Task[Claim]:
        """One search and one claim for a lesson at a time, which all who ask wait for."""
        task = self._finding.get((what, lesson))
        if task is None:
            task = self._spawn(self._find(lesson) if what == "find" else self._take(lesson))
            self._finding[what, lesson] = task
            task.add_done_callback(lambda _: self._finding.pop((what, lesson), None))
        return task

    async def _bounded(self, task: asyncio.Task[Claim]) -> Claim:
        """Wait no longer than a request may; the task goes on, for whoever asks next."""
        try:
            async with asyncio.timeout(ANSWER_S):
                return await asyncio.shield(task)
        except TimeoutError:
            pass
        except (DirectoryGone, DirectoryYoung):
            pass
        raise moving() if self.sees_directory else directory_gone()

    async def _find(self, lesson: str) -> Claim:
        tried: set[NodeId] = set()
        begun = self._now()
        while self._now() - begun < ANSWER_S:
            if not self.sees_directory:
                return self._last_known(lesson)
            try:
                claim = await self._directory.owner(lesson)
                if claim is None:
                    return await self._give(lesson, tried)
                if claim.node != self.id:
                    return await self._remember(claim)
                if not self._draining:
                    return await asyncio.shield(self._once("take", lesson))
                await self._directory.release(claim)
            except DirectoryGone:
                return self._last_known(lesson)
            except DirectoryYoung as young:
                await asyncio.sleep(min(young.wait_s, self._lease_s / 10))
            except (NodeRefused, NodeSilent):
                await asyncio.sleep(self._lease_s / 100)
        raise moving()

    def _last_known(self, lesson: str) -> Claim:
        """What was true when the directory was last there: lessons that run go on without it."""
        known = self._recall(lesson, stale=True)
        if known is None:
            raise directory_gone()
        return known

    async def _give(self, lesson: str, tried: set[NodeId]) -> Claim:
        """Have a free lesson claimed by the node that has most room.

        Args:
            tried: nodes that gave no answer, grown here.

        Raises:
            NodeRefused, NodeSilent: that node cannot have it; try again.
        """
        chosen = self._pick(self.nodes(), lesson, but=tried)
        if chosen is None:
            raise fleet_full()
        if chosen.id == self.id:
            return await self._remember(await asyncio.shield(self._once("take", lesson)))
        tried.add(chosen.id)
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await self._ask(chosen, "claim", lesson)
        except TimeoutError:
            raise NodeSilent from None
        except NodeRefused:
            await self.gone(chosen.id)
            raise
        if answer.node != chosen.id:
            await self.gone(chosen.id)
        if answer.claim is None:
            raise NodeSilent
        return await self._remember(answer.claim)

    async def _take(self, lesson: str) -> Claim:
        """Claim for this node; raises DirectoryGone, DirectoryYoung, or what the adopting raises."""
        if (fence := self._held.get(lesson)) is not None:
            return Claim(lesson, self.id, fence)
        if not self.sees_directory:
            # It may have told others so; before it takes anything the directory has to hear of that (`renew`, blind).
            raise DirectoryGone("not heard again yet")
        try:
            claim = await self._directory.claim(lesson, self.id, self._lease_s)
        except NodeForgotten:
            self._wake.set()
            raise moving() from None
        if claim.node != self.id:
            return claim
        self._adopting[lesson] = claim.fence
        self.forget(lesson)
        try:
            await self._adopt(lesson, claim.fence)
        except BaseException:
            if self._adopting.pop(lesson, None) is not None:
                await self._let_go(claim)
            raise
        if self._adopting.pop(lesson, None) is None or self._tenure.look(self._now()) == "fenced":
            self._tell_dropped(lesson, "fenced")
            raise moving()
        self._held[lesson] = claim.fence
        return claim

    def _drop(self, lesson: str, reason: Reason) -> int | None:
        fence = self._held.pop(lesson, None)
        if fence is not None:
            self._tell_dropped(lesson, reason)
        return fence

    def _tell_dropped(self, lesson: str, reason: Reason) -> None:
        log.info("lesson_dropped", lesson=lesson, reason=reason)
        try:
            self._dropped(lesson, reason)
        except Exception:
            log.exception("lesson_not_dropped_cleanly", lesson=lesson)

    def _drop_all(self) -> None:
        self._adopting.clear()  # whoever adopts finds that out when it is done
        for lesson in list(self._held):
            self._drop(lesson, "fenced")

    async def _let_go(self, claim: Claim) -> None:
        try:
            await self._directory.release(claim)
        except DirectoryGone:
            # The directory goes on saying that the lesson is here, so whoever asks comes here, and it is claimed anew.
            log.info("lesson_released_without_directory", lesson=claim.lesson)

    # The lease.

    def _myself(self) -> NodeInfo:
        return replace(self._describe(), draining=self._draining)

    async def _beat_for_ever(self) -> None:
        while True:
            self._wake.clear()
            begun = self._now()
            try:
                await self._beat_once()
            except Exception:
                # Whatever it was, the next one may succeed; if none does, the tenure ends by itself.
                log.exception("renewal_failed")
            took_s = self._now() - begun
            try:
                async with asyncio.timeout(max(self._lease_s / BEATS - took_s, self._lease_s / LOOKS)):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _beat_once(self) -> None:
        """Renew; who asks for it meanwhile waits for the same."""
        if self._beating is None or self._beating.done():
            self._beating = self._spawn(self._beat())
        await asyncio.shield(self._beating)

    async def _beat(self) -> None:
        if self._tenure.sees_directory or self._tenure.look(self._now()) == "fenced":
            if not await self._renew():
                await self._ask_others()
        else:
            await asyncio.gather(self._renew(), self._ask_others())
        if self._tenure.look(self._now()) == "fenced":
            self._drop_all()

    async def _renew(self) -> bool:
        """False: the directory did not answer."""
        asked_at = self._now()
        claims = {**self._adopting, **self._held}
        try:
            async with asyncio.timeout(self._lease_s / RENEW_PART):
                renewal = await self._directory.renew(self._myself(), claims, self._lease_s, blind=self._tenure.blind)
        except (DirectoryGone, TimeoutError) as failure:
            if self._tenure.sees_directory:
                log.warning("directory_gone", why=str(failure) or "no answer")
            self._tenure.unreachable(self._now())
            return False
        except NodeForgotten:
            log.warning("node_taken_for_dead")
            self._tenure.refused(self._now())
            self._drop_all()
            await self._join_again()
            return True
        seen = self._tenure.sees_directory
        self._heard_at = asked_at
        self._tenure.renewed(asked_at, self._now(), settled=renewal.settled)
        if not seen:
            log.info("directory_answers")
        for lesson in renewal.lost:
            # A claim made anew meanwhile has another fence than the one that was lost.
            if self._adopting.get(lesson) == claims[lesson]:
                del self._adopting[lesson]
            if self._held.get(lesson) == claims[lesson]:
                self._drop(lesson, "fenced")
        if self._now() >= self._hear_at:
            await self._hear_nodes()
        return True

    async def _join_again(self) -> None:
        try:
            async with asyncio.timeout(self._lease_s / RENEW_PART):
                await self._directory.register(self._myself(), self._lease_s)
        except (DirectoryGone, TimeoutError):
            return
        self._wake.set()

    async def _hear_nodes(self) -> None:
        try:
            async with asyncio.timeout(self._lease_s / RENEW_PART):
                self._nodes = {info.id: info for info in await self._directory.nodes()}
                # So that a large fleet does not spend itself on telling everybody of everybody.
                self._hear_at = self._now() + self._lease_s / BEATS * (len(self._nodes) // OFTEN)
        except (DirectoryGone, TimeoutError):
            pass

    async def _ask_others(self) -> None:
        """While the directory is silent: is it gone for the others too?"""
        asked_at = self._now()
        others = [info for info in self._nodes.values() if info.id != self.id]
        others = random.sample(others, min(SAMPLE, len(others)))
        of, seen = len(others), False
        blind_since: list[float] = []
        self._tenure.peers(asked_at, self._now(), of=of, blind_since=[], they_see_directory=False)
        for answering in asyncio.as_completed([self._ping(info) for info in others]):
            found = await answering
            if found == "dead":
                of -= 1
            elif isinstance(found, Answer):
                seen |= found.sees_directory
                if not found.sees_directory:
                    blind_since.append(self._now() - found.silent_s)
            self._tenure.peers(asked_at, self._now(), of=of, blind_since=blind_since, they_see_directory=seen)

    async def _ping(self, info: NodeInfo) -> Answer | Literal["silent", "dead"]:
        try:
            async with asyncio.timeout(self._lease_s / BEATS):
                answer = await self._ask(info, "ping", "")
        except NodeRefused:
            return "dead"
        except (NodeSilent, TimeoutError):
            return "silent"
        return answer if answer.node == info.id else "dead"

    async def _look_for_ever(self) -> None:
        """Stops acting in time, also while a renewal waits for its answer, and notices pauses of the process."""
        while True:
            await asyncio.sleep(self._lease_s / LOOKS)
            if self._tenure.look(self._now()) == "fenced":
                self._drop_all()

    async def _listen_for_ever(self) -> None:
        async for lesson in self._directory.changes():
            if not lesson:
                self._known = OrderedDict((key, (claim, float("-inf"))) for key, (claim, _) in self._known.items())
            elif lesson in self._held:
                self._wake.set()
            else:
                self.forget(lesson)

    def _spawn(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if (
            not task.cancelled()
            and (failure := task.exception()) is not None
            and not isinstance(failure, LiveclassError)
        ):
            log.error("node_task_failed", exc_info=failure)
