"""One ownership of a list: adopt, claim, dispatch, settle, and one way out.

Everything here is forgotten at the end: what is not settled stays claimed in Redis, and the next owner,
often this same process, adopts it. So a crash needs no path of its own.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import structlog

from forwarder.api.pacing.permits import Permit
from forwarder.api.verdict import Halt
from forwarder.errors import LeaseLostError, QueueError, RolledBackError, UnreachableError
from forwarder.event import Event
from forwarder.outcome import Accepted, Deferred, Outcome
from forwarder.pipeline.buffer.batch import Batch
from forwarder.pipeline.buffer.buffer import Buffer
from forwarder.pipeline.delivery import Delivery
from forwarder.pipeline.ending import Ending, Halted, Lost, Stopped, Stopping
from forwarder.pipeline.gate import Gate
from forwarder.pipeline.intake import Intake
from forwarder.pipeline.parts import Parts
from forwarder.pipeline.settlement import Settler
from forwarder.queue import Claims, Redis
from forwarder.worker.halts import halts

#: Seconds between two looks at the halt, and between two settings of this list's gauges.
_LOOK = 1.0
#: Seconds that giving the lease back may take.
_RELEASE_TIMEOUT = 2.0

log = structlog.get_logger()


async def _cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancels until all have ended: before Python 3.12, asyncio.wait_for in redis-py can lose a cancellation."""
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=0.1)


class Ownership:
    """Runs one ownership, from just after the lease was acquired until it is released or lost.

    Args:
        blocking: a client of its own, for waiting.
        lists: among how many lists the process divides its memory.
    """

    def __init__(self, parts: Parts, claims: Claims, blocking: Redis, *, lists: int = 1) -> None:
        settings = parts.settings
        self._parts = parts
        self._claims = claims
        self._gauges = parts.metrics.of_list(parts.keys.shard)
        #: Done as soon as the ownership must end; :meth:`run` then winds it down.
        self.ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        #: Whether the lease could not be given back in the end.
        self.unreleased = False
        self._ready = asyncio.Event()
        self._deliveries: set[asyncio.Task[None]] = set()
        self._buffer = Buffer(
            max_events=settings.max_buffered_events,
            max_bytes=int(settings.max_buffered_bytes),
            max_events_per_post=settings.max_events_per_post,
            max_body_bytes=int(settings.max_body_bytes),
            linger=settings.linger,
        )
        self.bound(lists)
        self._settler = Settler(parts, claims, halt=self._halt, settled=self._settled)
        self._gate = Gate(claims.lease, self._settler, settings.request_timeout, parts.clock)
        self._delivery = Delivery(
            parts,
            self._gate,
            decide=self._decide,
            halt=self._halt,
            backs_off=self._backs_off,
            recall=self._recall,
        )
        self._intake = Intake(
            parts, claims, blocking, self._buffer, self._settler, arrived=self._ready.set, halt=self._halt
        )

    def bound(self, lists: int) -> None:
        """From now on the process divides its memory among so many lists."""
        settings = self._parts.settings
        self._buffer.bound(
            max_events=max(1, settings.max_buffered_events // lists),
            max_bytes=max(1, int(settings.max_buffered_bytes) // lists),
        )

    def end(self, ending: Ending) -> None:
        """Ends the ownership, unless something else has: no POST starts any more."""
        self._gate.close()
        if not self.ending.done():
            self.ending.set_result(ending)

    def _halt(self, stop: Halt) -> None:
        self.end(Halted(stop))

    def _settled(self) -> None:
        self._gate.changed()

    def _decide(self, events: Sequence[Event], outcome: Outcome) -> None:
        """Passes an outcome on to settlement, and frees the room of what is decided."""
        self._settler.add(events, outcome)
        if isinstance(outcome, Deferred):
            return
        if isinstance(outcome, Accepted):
            self._parts.metrics.claim_to_accept.observe(max(0.0, time.time() - events[0].stamp / 1e6))
        self._buffer.decided(events)
        self._intake.freed()

    async def run(self, stopping: Stopping) -> Ending:
        """Owns the list until something ends it; settles what is decided and releases the lease, unless lost."""
        async with asyncio.TaskGroup() as tasks:
            renewal = tasks.create_task(self._guarded(self._renew))
            settling = tasks.create_task(self._guarded(self._settler.run))
            others = [
                tasks.create_task(self._guarded(work))
                for work in (
                    self._intake.run,
                    partial(self._dispatch, tasks),
                    self._observe,
                    partial(self._watch, stopping),
                )
            ]
            ending = await self.ending
            await _cancelled(others)
            if not isinstance(ending, Lost):
                await self._wind_down(settling, stopping)
            await _cancelled((renewal, settling, *self._deliveries))
        # A loss found only while winding down leaves the ending as it was: there is nothing left to do about it.
        await self._release()
        self._say_repeated(at_once=True)
        return ending

    async def _guarded(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        # Made here: a task that is cancelled before its first step would leave a coroutine that nobody awaits.
        try:
            await work()
        except (LeaseLostError, RolledBackError) as error:
            self._parts.metrics.lease_lost.inc()
            self.end(Lost(str(error)))

    async def _renew(self) -> None:
        settings = self._parts.settings
        # Often enough that the gate, which wants a whole request timeout of lease, never closes for want of it.
        pause = min(settings.lease_ttl / 3, (settings.lease_ttl - settings.request_timeout) / 2)
        while True:
            await asyncio.sleep(pause)
            await self._parts.reach.until(self._claims.lease.renew)
            self._gate.changed()

    async def _watch(self, stopping: Stopping) -> None:
        await stopping.orderly.wait()
        self.end(Stopped())

    async def _dispatch(self, tasks: asyncio.TaskGroup) -> None:
        """Starts a delivery whenever a user is due and a POST may start.

        The user is chosen last, so that its batch is as large as it can be.
        """
        while True:
            now = self._parts.clock()
            due = self._buffer.due(now, deep=self._intake.deep)
            if due is None:
                self._ready.clear()
                await self._ready.wait()
            elif due > now:
                await self._lingered(due - now)
            else:
                permit = await self._delivery.permit()
                self._start(tasks, permit)

    async def _lingered(self, seconds: float) -> None:
        """Waits, but no longer than until something arrives: that may fill a batch."""
        self._ready.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ready.wait()

    def _start(self, tasks: asyncio.TaskGroup, permit: Permit) -> None:
        batch = self._buffer.take(self._parts.clock(), deep=self._intake.deep)
        if batch is None:
            self._parts.pacer.unused(permit)
            return

        def ended(task: asyncio.Task[None]) -> None:
            self._deliveries.discard(task)
            # A task that is cancelled before its first step never knew of its permit.
            self._parts.pacer.unused(permit)
            self._buffer.done(batch.user)
            self._ready.set()

        task = tasks.create_task(self._deliver(batch, permit))
        self._deliveries.add(task)
        task.add_done_callback(ended)

    async def _deliver(self, batch: Batch, permit: Permit) -> None:
        await self._delivery.deliver(batch, permit)
        if not self.ending.done():
            await self._intake.reload(batch.user)

    def _backs_off(self, batch: Batch) -> None:
        self._buffer.back_off(batch)
        self._intake.freed()

    async def _recall(self, batch: Batch) -> None:
        if not await self._intake.recall(batch):
            self.end(Lost("events that were claimed are gone"))

    async def _observe(self) -> None:
        """Keeps the gauges fresh, and obeys a halt that somebody else wrote."""
        while True:
            self._say_repeated()
            try:
                await self._look()
            except UnreachableError as error:
                self._parts.reach.failed(error)
            await asyncio.sleep(_LOOK)

    def _say_repeated(self, *, at_once: bool = False) -> None:
        for each in self._parts.chatter.repeated(at_once=at_once):
            log.info("more of the same", line=each.line, status=each.status, times=each.times, in_seconds=each.seconds)

    async def _look(self) -> None:
        parts, gauges = self._parts, self._gauges
        gauges.buffered = self._buffer.events
        oldest = self._settler.oldest_stamp
        gauges.oldest_age = max(0.0, time.time() - oldest / 1e6) if oldest else 0.0
        parts.metrics.concurrency_limit.set(int(parts.pacer.limit))
        parts.metrics.rate_limit.set(parts.pacer.rate)
        halt = await parts.queue.halt()
        if halt is not None and halts(halt, parts):
            self.end(Halted(None))

    async def _wind_down(self, settling: asyncio.Task[None], stopping: Stopping) -> None:
        """Lets POSTs in flight finish, for a while, and settles every outcome there is."""
        self._delivery.stop(tuple(self._deliveries))
        at_once: asyncio.Future[Any] = asyncio.ensure_future(stopping.at_once.wait())
        deadline = self._parts.clock() + self._parts.settings.shutdown_timeout
        try:
            posting: asyncio.Future[Any] = asyncio.gather(*self._deliveries, return_exceptions=True)
            await asyncio.wait({posting, at_once}, timeout=self._left(deadline), return_when=asyncio.FIRST_COMPLETED)
            await _cancelled(tuple(self._deliveries))
            self._settler.close()
            await asyncio.wait({settling, at_once}, timeout=self._left(deadline), return_when=asyncio.FIRST_COMPLETED)
        finally:
            at_once.cancel()

    def _left(self, deadline: float) -> float:
        """Seconds until the deadline; never so few that a settlement has no chance."""
        return max(1.0, deadline - self._parts.clock())

    async def _release(self) -> None:
        try:
            async with asyncio.timeout(_RELEASE_TIMEOUT):
                await self._claims.lease.release()
        except (QueueError, TimeoutError) as error:
            self.unreleased = True
            shard = self._parts.keys.shard
            log.warning("the lease could not be released: the next owner waits", shard=shard, error=str(error))
